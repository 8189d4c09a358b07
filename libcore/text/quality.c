/* quality.c - the table of rules, the presets, and judging by them; see quality.h. */
#include "text/quality.h"

#include "text/chat_rules.h"

#include <stdio.h>
#include <stdlib.h>

enum kind_of_rule { BY_NUMBER, REWRITE, OF_CHAT };

/* Thresholds are the papers' where they give one. Words of rules whose splitter is fixed are by white space. */
static const struct rule {
	const char *name, *reason;
	int what;                    /* enum stat, c4_manners[] or enum chat_rule */
	enum comparison drop;
	double threshold;
	enum kind_of_rule kind;
} rules[] = {
	{"no_text", "empty", STAT_CHARS, DROP_BELOW, 1, BY_NUMBER},
	{"empty", "empty", STAT_LINES, DROP_BELOW, 1, BY_NUMBER},
	{"min_chars", "min_chars", STAT_CHARS, DROP_BELOW, 100, BY_NUMBER},
	{"max_chars", "max_chars", STAT_CHARS, DROP_ABOVE, 10e6, BY_NUMBER},
	{"min_words", "min_words", STAT_WORDS, DROP_BELOW, 20, BY_NUMBER},
	{"min_lines", "min_lines", STAT_LINES, DROP_BELOW, 3, BY_NUMBER},
	{"letter_share", "letter_share", STAT_LETTER_SHARE, DROP_BELOW, 0.5, BY_NUMBER},
	{"stop_word_share", "stop_word_share", STAT_STOP_WORD_SHARE, DROP_BELOW, 0.06, BY_NUMBER},
	{"gopher_short_doc", "gopher_short_doc", STAT_NON_SYMBOL_WORDS, DROP_BELOW, 50, BY_NUMBER},
	{"gopher_long_doc", "gopher_long_doc", STAT_NON_SYMBOL_WORDS, DROP_ABOVE, 100000, BY_NUMBER},
	{"gopher_below_avg_threshold", "gopher_below_avg_threshold", STAT_MEAN_WORD_CHARS, DROP_BELOW, 3, BY_NUMBER},
	{"gopher_above_avg_threshold", "gopher_above_avg_threshold", STAT_MEAN_WORD_CHARS, DROP_ABOVE, 10, BY_NUMBER},
	{"gopher_too_many_hashes", "gopher_too_many_hashes", STAT_HASHES_PER_WORD, DROP_ABOVE, 0.1, BY_NUMBER},
	{"gopher_too_many_ellipsis", "gopher_too_many_ellipsis", STAT_ELLIPSES_PER_WORD, DROP_ABOVE, 0.1, BY_NUMBER},
	{"gopher_too_many_bullets", "gopher_too_many_bullets", STAT_BULLET_LINE_SHARE, DROP_ABOVE, 0.9, BY_NUMBER},
	{"gopher_too_many_end_ellipsis", "gopher_too_many_end_ellipsis", STAT_ELLIPSIS_LINE_SHARE, DROP_ABOVE, 0.3, BY_NUMBER},
	{"gopher_below_alpha_threshold", "gopher_below_alpha_threshold", STAT_ALPHA_WORD_SHARE, DROP_BELOW, 0.8, BY_NUMBER},
	{"gopher_enough_stop_words", "gopher_enough_stop_words", STAT_STOP_WORDS, DROP_BELOW, 2, BY_NUMBER},
	{"dup_para_frac", "dup_para_frac", STAT_DUP_PARA_SHARE, DROP_ABOVE, 0.3, BY_NUMBER},
	{"dup_para_char_frac", "dup_para_char_frac", STAT_DUP_PARA_CHARS, DROP_ABOVE, 0.2, BY_NUMBER},
	{"dup_line_frac", "dup_line_frac", STAT_DUP_LINE_SHARE, DROP_ABOVE, 0.3, BY_NUMBER},
	{"dup_line_char_frac", "dup_line_char_frac", STAT_DUP_LINE_CHARS, DROP_ABOVE, 0.2, BY_NUMBER},
	{"top_2_gram", "top_2_gram", STAT_TOP_2_GRAM, DROP_ABOVE, 0.20, BY_NUMBER},
	{"top_3_gram", "top_3_gram", STAT_TOP_3_GRAM, DROP_ABOVE, 0.18, BY_NUMBER},
	{"top_4_gram", "top_4_gram", STAT_TOP_4_GRAM, DROP_ABOVE, 0.16, BY_NUMBER},
	{"duplicated_5_n_grams", "duplicated_5_n_grams", STAT_DUP_5_GRAM, DROP_ABOVE, 0.15, BY_NUMBER},
	{"duplicated_6_n_grams", "duplicated_6_n_grams", STAT_DUP_6_GRAM, DROP_ABOVE, 0.14, BY_NUMBER},
	{"duplicated_7_n_grams", "duplicated_7_n_grams", STAT_DUP_7_GRAM, DROP_ABOVE, 0.13, BY_NUMBER},
	{"duplicated_8_n_grams", "duplicated_8_n_grams", STAT_DUP_8_GRAM, DROP_ABOVE, 0.12, BY_NUMBER},
	{"duplicated_9_n_grams", "duplicated_9_n_grams", STAT_DUP_9_GRAM, DROP_ABOVE, 0.11, BY_NUMBER},
	{"duplicated_10_n_grams", "duplicated_10_n_grams", STAT_DUP_10_GRAM, DROP_ABOVE, 0.10, BY_NUMBER},
	{"c4_lines", "c4_lines", 0, DROP_BELOW, 3, REWRITE},
	{"c4_tfds_lines", "c4_tfds_lines", 1, DROP_BELOW, 5, REWRITE},
	{"c4_datatrove_lines", "c4_datatrove_lines", 2, DROP_BELOW, 3, REWRITE},
	{"c4_fineweb_lines", "c4_fineweb_lines", 3, DROP_BELOW, 3, REWRITE},
	{"lorem_ipsum", "lorem_ipsum", STAT_LOREM_IPSUM, DROP_ABOVE, 0, BY_NUMBER},
	{"curly_bracket", "curly_bracket", STAT_CURLY_BRACKET, DROP_ABOVE, 0, BY_NUMBER},
	{"too_few_sentences", "too_few_sentences", STAT_SENTENCES, DROP_BELOW, 5, BY_NUMBER},
	{"line_punct_ratio", "line_punct_ratio", STAT_LINE_END_SHARE, DROP_BELOW, 0.12, BY_NUMBER},
	{"short_line_ratio", "short_line_ratio", STAT_SHORT_LINE_SHARE, DROP_ABOVE, 0.67, BY_NUMBER},
	{"char_dup_ratio", "char_dup_ratio", STAT_LINE_COPY_CHARS, DROP_ABOVE, 0.01, BY_NUMBER},
	{"list_ratio", "list_ratio", STAT_NEWLINES_PER_WORD, DROP_ABOVE, 0.3, BY_NUMBER},
	{"v1_short_doc", "gopher_short_doc", STAT_V1_NON_SYMBOL_WORDS, DROP_BELOW, 50, BY_NUMBER},
	{"v1_long_doc", "gopher_long_doc", STAT_V1_NON_SYMBOL_WORDS, DROP_ABOVE, 100000, BY_NUMBER},
	{"v1_below_avg_threshold", "gopher_below_avg_threshold", STAT_V1_MEAN_WORD_CHARS, DROP_BELOW, 3, BY_NUMBER},
	{"v1_above_avg_threshold", "gopher_above_avg_threshold", STAT_V1_MEAN_WORD_CHARS, DROP_ABOVE, 10, BY_NUMBER},
	{"v1_enough_stop_words", "gopher_enough_stop_words", STAT_V1_STOP_WORDS, DROP_BELOW, 2, BY_NUMBER},
	{"v1_dup_line_frac", "dup_line_frac", STAT_V1_DUP_LINE_SHARE, DROP_ABOVE, 0.3, BY_NUMBER},
	{"v1_dup_line_char_frac", "dup_line_char_frac", STAT_V1_DUP_LINE_CHARS, DROP_ABOVE, 0.2, BY_NUMBER},
	{"v1_line_punct_ratio", "line_punct_ratio", STAT_V1_LINE_END_SHARE, DROP_AT_MOST, 0.12, BY_NUMBER},
	{"v1_short_line_ratio", "short_line_ratio", STAT_V1_SHORT_LINE_SHARE, DROP_AT_LEAST, 0.67, BY_NUMBER},
	{"v1_char_dup_ratio", "char_dup_ratio", STAT_LINE_COPY_CHARS, DROP_AT_LEAST, 0.01, BY_NUMBER},
	{"dolma_min_words", "word_count", STAT_DOLMA_WORDS, DROP_BELOW, 50, BY_NUMBER},
	{"dolma_max_words", "word_count", STAT_DOLMA_WORDS, DROP_ABOVE, 100000, BY_NUMBER},
	{"dolma_min_median", "median_word_length", STAT_DOLMA_MEDIAN_WORD_CHARS, DROP_BELOW, 3, BY_NUMBER},
	{"dolma_max_median", "median_word_length", STAT_DOLMA_MEDIAN_WORD_CHARS, DROP_ABOVE, 10, BY_NUMBER},
	{"dolma_symbols", "symbol_to_word_ratio", STAT_DOLMA_SYMBOL_WORD_SHARE, DROP_ABOVE, 0.1, BY_NUMBER},
	{"dolma_alpha", "fraction_of_words_with_alpha_character", STAT_DOLMA_ALPHA_WORD_SHARE, DROP_BELOW, 0.8, BY_NUMBER},
	{"dolma_stop_words", "required_word_count", STAT_DOLMA_STOP_WORDS, DROP_BELOW, 2, BY_NUMBER},
	{"dolma_bullets", "fraction_of_lines_starting_with_bullet_point", STAT_DOLMA_BULLET_LINE_SHARE, DROP_ABOVE, 0.9, BY_NUMBER},
	{"dolma_ellipses", "fraction_of_lines_ending_with_ellipsis", STAT_DOLMA_ELLIPSIS_LINE_SHARE, DROP_ABOVE, 0.3, BY_NUMBER},
	{"dolma_dup_lines", "fraction_of_duplicate_lines", STAT_DOLMA_DUP_LINE_SHARE, DROP_ABOVE, 0.3, BY_NUMBER},
	{"dolma_dup_line_chars", "fraction_of_characters_in_duplicate_lines", STAT_DOLMA_DUP_LINE_CHARS, DROP_ABOVE, 0.3, BY_NUMBER},
	{"dolma_top_2_gram", "fraction_of_characters_in_most_common_2gram", STAT_DOLMA_TOP_2_GRAM, DROP_ABOVE, 0.20, BY_NUMBER},
	{"dolma_top_3_gram", "fraction_of_characters_in_most_common_3gram", STAT_DOLMA_TOP_3_GRAM, DROP_ABOVE, 0.18, BY_NUMBER},
	{"dolma_top_4_gram", "fraction_of_characters_in_most_common_4gram", STAT_DOLMA_TOP_4_GRAM, DROP_ABOVE, 0.16, BY_NUMBER},
	{"dolma_dup_5_gram", "fraction_of_characters_in_duplicate_5grams", STAT_DOLMA_DUP_5_GRAM, DROP_ABOVE, 0.15, BY_NUMBER},
	{"dolma_dup_6_gram", "fraction_of_characters_in_duplicate_6grams", STAT_DOLMA_DUP_6_GRAM, DROP_ABOVE, 0.14, BY_NUMBER},
	{"dolma_dup_7_gram", "fraction_of_characters_in_duplicate_7grams", STAT_DOLMA_DUP_7_GRAM, DROP_ABOVE, 0.13, BY_NUMBER},
	{"dolma_dup_8_gram", "fraction_of_characters_in_duplicate_8grams", STAT_DOLMA_DUP_8_GRAM, DROP_ABOVE, 0.12, BY_NUMBER},
	{"dolma_dup_9_gram", "fraction_of_characters_in_duplicate_9grams", STAT_DOLMA_DUP_9_GRAM, DROP_ABOVE, 0.11, BY_NUMBER},
	{"dolma_dup_10_gram", "fraction_of_characters_in_duplicate_10grams", STAT_DOLMA_DUP_10_GRAM, DROP_ABOVE, 0.10, BY_NUMBER},
	{"chat_no_messages", "chat_no_messages", CHAT_MESSAGES, DROP_BELOW, 1, OF_CHAT},
	{"chat_empty_turn", "chat_empty_turn", CHAT_EMPTY_TURNS, DROP_ABOVE, 0, OF_CHAT},
	{"chat_role_order", "chat_role_order", CHAT_ROLE_ORDER, DROP_ABOVE, 0, OF_CHAT},
	{"chat_no_answer", "chat_no_answer", CHAT_ANSWERED, DROP_BELOW, 1, OF_CHAT},
	{"chat_too_short", "chat_too_short", CHAT_CHARS, DROP_BELOW, 2, OF_CHAT},
	{"chat_too_long", "chat_too_long", CHAT_CHARS, DROP_ABOVE, 200000, OF_CHAT},
	{"chat_min_answer", "chat_min_answer", CHAT_SHORTEST_ANSWER, DROP_BELOW, 1, OF_CHAT},
	{"chat_max_turns", "chat_max_turns", CHAT_MESSAGES, DROP_ABOVE, 200, OF_CHAT},
	{"chat_repetitive", "chat_repetitive", CHAT_REPETITION, DROP_ABOVE, 0.5, OF_CHAT},
	{"chat_same_answer", "chat_same_answer", CHAT_SAME_ANSWERS, DROP_ABOVE, 0, OF_CHAT},
	{"chat_language_change", "chat_language_change", CHAT_LANGUAGES, DROP_ABOVE, 1, OF_CHAT},
	{"chat_refusal", "chat_refusal", CHAT_REFUSALS, DROP_ABOVE, 0, OF_CHAT},
};
#define N_RULES ((int)(sizeof(rules) / sizeof(rules[0])))
_Static_assert(sizeof(rules) / sizeof(rules[0]) <= QUALITY_RULES_MAX, "a quality holds each rule once");

/* min_words is the rule's threshold. */
static const struct c4_manner c4_manners[] = {
	{.count_after = true, .need_end = true, .ends = ".!?\"", .curly_quote = true, .whole_page = true},
	{.count_after = true, .need_end = true, .ends = ".!?\"", .long_words = true},
	{.need_end = true, .ends = ".!?\"'", .long_words = true},
	{.ends = "", .long_words = true},
};

#define REPETITION_TOP "top_2_gram", "top_3_gram", "top_4_gram"
#define REPETITION_RUNS "duplicated_5_n_grams", "duplicated_6_n_grams", "duplicated_7_n_grams", "duplicated_8_n_grams", \
			"duplicated_9_n_grams", "duplicated_10_n_grams"
#define REPETITION "dup_para_frac", "dup_para_char_frac", "dup_line_frac", "dup_line_char_frac", REPETITION_TOP, REPETITION_RUNS
#define QUALITY_SYMBOLS "gopher_too_many_hashes", "gopher_too_many_ellipsis", "gopher_too_many_bullets", "gopher_too_many_end_ellipsis", \
			"gopher_below_alpha_threshold"
#define QUALITY "gopher_short_doc", "gopher_long_doc", "gopher_below_avg_threshold", "gopher_above_avg_threshold", QUALITY_SYMBOLS, \
		"gopher_enough_stop_words"
#define PAGE "lorem_ipsum", "curly_bracket", "too_few_sentences"

static const struct preset {
	const char *name;
	enum splitter words;
	bool repair;
	const char *rules[48];
} presets[] = {
	{"quern", WORDS_UNICODE, true, {"empty", "min_chars", "letter_share=0.4", "gopher_too_many_hashes", "gopher_too_many_bullets=0.95",
		"gopher_too_many_end_ellipsis", "dup_para_frac", "dup_para_char_frac=0.3", "dup_line_frac=0.4", "dup_line_char_frac=0.3",
		"top_2_gram=0.3", "top_3_gram=0.25", "top_4_gram=0.2", "duplicated_10_n_grams=0.3"}},
	{"gopher", WORDS_SPACE, false, {"no_text", QUALITY, REPETITION}},
	{"gopher-dolma", WORDS_SPACE, false, {"dolma_min_words", "dolma_max_words", "dolma_min_median", "dolma_max_median", "dolma_symbols",
		"dolma_alpha", "dolma_stop_words", "dolma_bullets", "dolma_ellipses", "dolma_dup_lines", "dolma_dup_line_chars",
		"dolma_dup_5_gram", "dolma_dup_6_gram", "dolma_dup_7_gram", "dolma_dup_8_gram", "dolma_dup_9_gram", "dolma_dup_10_gram"}},
	{"c4-paper", WORDS_SPACE, false, {"c4_lines", "lorem_ipsum", "curly_bracket", "too_few_sentences"}},
	{"c4-tfds", WORDS_SPACE, false, {"c4_tfds_lines", "lorem_ipsum", "curly_bracket", "too_few_sentences=3"}},
	{"fineweb-v1", WORDS_UNICODE, false, {"no_text", "dup_para_frac", "dup_para_char_frac", "v1_dup_line_frac", "v1_dup_line_char_frac",
		REPETITION_TOP, REPETITION_RUNS, "v1_short_doc", "v1_long_doc", "v1_below_avg_threshold", "v1_above_avg_threshold",
		QUALITY_SYMBOLS, "v1_enough_stop_words", "c4_fineweb_lines", PAGE, "v1_line_punct_ratio", "v1_short_line_ratio",
		"v1_char_dup_ratio", "list_ratio"}},
	{"datatrove-0.10", WORDS_UNICODE, false, {"no_text", REPETITION, QUALITY, "c4_fineweb_lines", PAGE, "empty", "line_punct_ratio",
		"short_line_ratio", "char_dup_ratio", "list_ratio"}},
	{"chat", WORDS_UNICODE, true, {"chat_no_messages", "chat_empty_turn", "chat_role_order", "chat_no_answer", "chat_too_short",
		"chat_too_long", "chat_repetitive", "chat_language_change"}},
	{"none", WORDS_UNICODE, true, {NULL}},
};
#define N_PRESETS ((int)(sizeof(presets) / sizeof(presets[0])))

/* --- choosing --------------------------------------------------------------------------------- */

/* Names that begin as this one does, or contain it; all where none does. */
static void list_rules(const char *name, size_t n, struct buf *out)
{
	char stem[64];
	size_t start = out->len;
	snprintf(stem, sizeof(stem), "%.*s", (int)(n > 4 ? n - 2 : n), name);
	for (int pass = 0; pass < 2 && out->len == start; pass++)
		for (int i = 0; i < N_RULES; i++)
			if (pass || strstr(rules[i].name, stem) || strncmp(rules[i].name, name, n < 5 ? n : 5) == 0)
				buf_printf(out, "%s%s", out->len > start ? ", " : "", rules[i].name);
}

static int find_rule(const char *name, size_t n, struct error *err)
{
	for (int i = 0; i < N_RULES; i++)
		if (strlen(rules[i].name) == n && memcmp(rules[i].name, name, n) == 0)
			return i;
	struct buf all = {0};
	list_rules(name, n < 60 ? n : 60, &all);
	error_set(err, ERR_USAGE, "no rule '%.*s'; there are %s", (int)(n < 60 ? n : 60), name, all.data);
	buf_release(&all);
	return -1;
}

enum status quality_set(struct quality *q, const char *spec, struct error *err)
{
	const char *eq = strchr(spec, '=');
	int id = find_rule(spec, eq ? (size_t)(eq - spec) : strlen(spec), err);
	if (id < 0)
		return ERR_USAGE;
	double threshold = rules[id].threshold;
	if (eq) {
		char *end;
		threshold = strtod(eq + 1, &end);
		if (end == eq + 1 || *end || !(threshold >= 0 && threshold <= 1e15))
			return error_set(err, ERR_USAGE, "rule '%s': a number from 0 to 1e15 is wanted after '='", spec);
	}
	for (int i = 0; i < q->n; i++)
		if (q->rules[i].id == id) {
			q->rules[i].threshold = threshold;
			return OK;
		}
	q->rules[q->n++] = (struct quality_rule){id, threshold};
	return OK;
}

enum status quality_remove(struct quality *q, const char *name, struct error *err)
{
	int id = find_rule(name, strlen(name), err), kept = 0;
	if (id < 0)
		return ERR_USAGE;
	for (int i = 0; i < q->n; i++)
		if (q->rules[i].id != id)
			q->rules[kept++] = q->rules[i];
	if (kept == q->n)
		return error_set(err, ERR_USAGE, "rule '%s' is not in preset '%s', so it cannot be left out", name, q->preset);
	q->n = kept;
	return OK;
}

enum status quality_preset(struct quality *q, const char *name, struct error *err)
{
	struct buf all = {0};
	for (int i = 0; i < N_PRESETS; i++) {
		buf_printf(&all, "%s%s", i ? ", " : "", presets[i].name);
		if (strcmp(presets[i].name, name) != 0)
			continue;
		buf_release(&all);
		*q = (struct quality){.words = presets[i].words, .repair = presets[i].repair, .preset = presets[i].name};
		for (const char *const *r = presets[i].rules; *r; r++)
			TRY(quality_set(q, *r, err));
		return OK;
	}
	enum status st = error_set(err, ERR_USAGE, "no preset '%s'; there are %s", name, all.data);
	buf_release(&all);
	return st;
}

enum status quality_check(const struct quality *q, bool chat, struct error *err)
{
	for (int i = 0; i < q->n; i++)
		if ((rules[q->rules[i].id].kind == OF_CHAT) != chat)
			return error_set(err, ERR_USAGE, "rule '%s' is for %s, and the input is %s", quality_name(q, i),
					 chat ? "documents" : "chat", chat ? "chat" : "documents");
	return OK;
}

/* --- telling ------------------------------------------------------------------------------------ */

const char *quality_name(const struct quality *q, int rule)
{
	return rules[q->rules[rule].id].name;
}

const char *quality_reason(const struct quality *q, int rule)
{
	return rules[q->rules[rule].id].reason;
}

int quality_stat(const struct quality *q, int rule)
{
	const struct rule *r = &rules[q->rules[rule].id];
	return r->kind == BY_NUMBER ? r->what : -1;
}

bool quality_rewrites(const struct quality *q, int rule)
{
	return rules[q->rules[rule].id].kind == REWRITE;
}

int quality_chat_rule(const struct quality *q, int rule)
{
	const struct rule *r = &rules[q->rules[rule].id];
	return r->kind == OF_CHAT ? r->what : -1;
}

bool quality_fails(const struct quality *q, int rule, double v)
{
	double threshold = q->rules[rule].threshold;
	switch (rules[q->rules[rule].id].drop) {
	case DROP_BELOW: return v < threshold;
	case DROP_AT_MOST: return v <= threshold;
	case DROP_ABOVE: return v > threshold;
	default: return v >= threshold;
	}
}

void quality_print(const struct quality *q, int rule, struct buf *out)
{
	static const char *const signs[] = {"<", "<=", ">", ">="};
	const struct rule *r = &rules[q->rules[rule].id];
	buf_printf(out, "%s %s ", r->kind == BY_NUMBER ? stat_name((enum stat)r->what) : r->name, signs[r->drop]);
	buf_double(out, q->rules[rule].threshold);
}

/* --- judging ------------------------------------------------------------------------------------ */

/* Of a page with both "lorem ipsum" and a bracket, the first line that has one gives the reason. */
static int first_reason(const struct quality *q, struct text_stats *t, int rule)
{
	if (quality_stat(q, rule) == STAT_LOREM_IPSUM && text_stats_get(t, STAT_CURLY_BRACKET, q->words) == 2)
		for (int i = rule + 1; i < q->n; i++)
			if (quality_stat(q, i) == STAT_CURLY_BRACKET)
				return i;
	return rule;
}

struct verdict quality_judge(const struct quality *q, struct text_stats *t, int64_t *seen, int64_t *hit)
{
	for (int i = 0; i < q->n; i++) {
		const struct rule *r = &rules[q->rules[i].id];
		if (seen)
			seen[i]++;
		if (r->kind == REWRITE) {
			struct c4_manner m = c4_manners[r->what];
			m.min_words = q->rules[i].threshold;
			bool changed = text_stats_c4(t, &m);
			if (hit)
				hit[i] += changed;
			continue;
		}
		double value = text_stats_get(t, (enum stat)r->what, q->words);
		if (!quality_fails(q, i, value))
			continue;
		int rule = first_reason(q, t, i);
		if (hit)
			hit[rule]++;
		return (struct verdict){rule, rule == i ? value : 1};
	}
	return (struct verdict){-1, 0};
}
