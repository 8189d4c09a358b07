/* quality.c - the table of rules, the presets, and judging by them; see quality.h. */
#include "text/quality.h"

#include "text/quality_rules.h"

#include <stdlib.h>

#define TEXT_BYTES_MAX (1u << 30)

/* In chat, thresholds speak of whole conversations. */
enum chat_rule { CHAT_NONE, CHAT_NO_MESSAGES, CHAT_EMPTY_TURN, CHAT_ROLE_ORDER, CHAT_NO_ANSWER, CHAT_SHORT, CHAT_LONG };

static const struct rule {
	const char *name;
	quality_test *test;          /* NULL: a chat rule */
	double threshold;            /* default */
	enum chat_rule chat;
} rules[] = {
	{"empty", text_empty, 0, CHAT_NONE},
	{"min_chars", text_min_chars, 100, CHAT_NONE},
	{"max_chars", text_max_chars, 10e6, CHAT_NONE},
	{"letter_share", text_letter_share, 0.5, CHAT_NONE},
	{"gopher_short_doc", gopher_short, 50, CHAT_NONE},
	{"gopher_long_doc", gopher_long, 100000, CHAT_NONE},
	{"gopher_below_avg_threshold", gopher_mean_low, 3, CHAT_NONE},
	{"gopher_above_avg_threshold", gopher_mean_high, 10, CHAT_NONE},
	{"gopher_too_many_hashes", gopher_hashes, 0.1, CHAT_NONE},
	{"gopher_too_many_ellipsis", gopher_ellipsis, 0.1, CHAT_NONE},
	{"gopher_too_many_bullets", gopher_bullets, 0.9, CHAT_NONE},
	{"gopher_too_many_end_ellipsis", gopher_end_ellipsis, 0.3, CHAT_NONE},
	{"gopher_below_alpha_threshold", gopher_alpha, 0.8, CHAT_NONE},
	{"gopher_enough_stop_words", gopher_stop_words, 2, CHAT_NONE},
	{"dup_para_frac", repeat_para_share, 0.3, CHAT_NONE},
	{"dup_para_char_frac", repeat_para_chars, 0.2, CHAT_NONE},
	{"dup_line_frac", repeat_line_share, 0.3, CHAT_NONE},
	{"dup_line_char_frac", repeat_line_chars, 0.2, CHAT_NONE},
	{"top_2_gram", repeat_top2, 0.20, CHAT_NONE},
	{"top_3_gram", repeat_top3, 0.18, CHAT_NONE},
	{"top_4_gram", repeat_top4, 0.16, CHAT_NONE},
	{"duplicated_5_n_grams", repeat_dup5, 0.15, CHAT_NONE},
	{"duplicated_6_n_grams", repeat_dup6, 0.14, CHAT_NONE},
	{"duplicated_7_n_grams", repeat_dup7, 0.13, CHAT_NONE},
	{"duplicated_8_n_grams", repeat_dup8, 0.12, CHAT_NONE},
	{"duplicated_9_n_grams", repeat_dup9, 0.11, CHAT_NONE},
	{"duplicated_10_n_grams", repeat_dup10, 0.10, CHAT_NONE},
	{"c4_lines", c4_lines, 3, CHAT_NONE},
	{"lorem_ipsum", c4_lorem, 0, CHAT_NONE},
	{"curly_bracket", c4_curly, 0, CHAT_NONE},
	{"too_few_sentences", c4_sentences, 5, CHAT_NONE},
	{"line_punct_ratio", line_punct, 0.12, CHAT_NONE},
	{"short_line_ratio", short_line, 0.67, CHAT_NONE},
	{"char_dup_ratio", line_dup_chars, 0.01, CHAT_NONE},
	{"list_ratio", newline_share, 0.3, CHAT_NONE},
	{"chat_no_messages", NULL, 0, CHAT_NO_MESSAGES},
	{"chat_empty_turn", NULL, 0, CHAT_EMPTY_TURN},
	{"chat_role_order", NULL, 0, CHAT_ROLE_ORDER},
	{"chat_no_answer", NULL, 0, CHAT_NO_ANSWER},
	{"chat_too_short", NULL, 2, CHAT_SHORT},
	{"chat_too_long", NULL, 200000, CHAT_LONG},
};
#define N_RULES ((int)(sizeof(rules) / sizeof(rules[0])))

static const struct preset {
	const char *name;
	const char *rules[32];
} presets[] = {
	{"none", {NULL}},
	{"quern", {"empty", "min_chars", "letter_share=0.4", "gopher_too_many_hashes", "gopher_too_many_bullets=0.95",
		   "gopher_too_many_end_ellipsis", "dup_para_frac", "dup_para_char_frac=0.3", "dup_line_frac=0.4",
		   "dup_line_char_frac=0.3", "top_2_gram=0.3", "top_3_gram=0.25", "top_4_gram=0.2", "duplicated_10_n_grams=0.3", NULL}},
	{"gopher", {"gopher_short_doc", "gopher_long_doc", "gopher_below_avg_threshold", "gopher_above_avg_threshold",
		    "gopher_too_many_hashes", "gopher_too_many_ellipsis", "gopher_too_many_bullets", "gopher_too_many_end_ellipsis",
		    "gopher_below_alpha_threshold", "gopher_enough_stop_words", "dup_para_frac", "dup_para_char_frac", "dup_line_frac",
		    "dup_line_char_frac", "top_2_gram", "top_3_gram", "top_4_gram", "duplicated_5_n_grams", "duplicated_6_n_grams",
		    "duplicated_7_n_grams", "duplicated_8_n_grams", "duplicated_9_n_grams", "duplicated_10_n_grams", NULL}},
	{"c4-paper", {"lorem_ipsum", "curly_bracket", "c4_lines", "too_few_sentences", NULL}},
	{"chat", {"chat_no_messages", "chat_empty_turn", "chat_role_order", "chat_no_answer", "chat_too_short", "chat_too_long", NULL}},
};

/* --- choosing -------------------------------------------------------------------------------- */

static int find_rule(const char *name, size_t n, struct error *err)
{
	struct buf all = {0};
	for (int i = 0; i < N_RULES; i++) {
		if (strlen(rules[i].name) == n && memcmp(rules[i].name, name, n) == 0) {
			buf_release(&all);
			return i;
		}
		buf_printf(&all, "%s%s", i ? ", " : "", rules[i].name);
	}
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
	q->n = kept;
	return OK;
}

enum status quality_preset(struct quality *q, const char *name, struct error *err)
{
	struct buf all = {0};
	for (size_t i = 0; i < sizeof(presets) / sizeof(presets[0]); i++) {
		buf_printf(&all, "%s%s", i ? ", " : "", presets[i].name);
		if (strcmp(presets[i].name, name) != 0)
			continue;
		buf_release(&all);
		q->n = 0;
		for (const char *const *r = presets[i].rules; *r; r++)
			TRY(quality_set(q, *r, err));
		return OK;
	}
	enum status st = error_set(err, ERR_USAGE, "no preset '%s'; there are %s", name, all.data);
	buf_release(&all);
	return st;
}

enum status quality_check(const struct quality *q, int chat, struct error *err)
{
	for (int i = 0; i < q->n; i++) {
		const struct rule *r = &rules[q->rules[i].id];
		if ((r->test == NULL) != (chat != 0))
			return error_set(err, ERR_USAGE, "rule '%s' is for %s, and the input is %s", r->name,
					 chat ? "documents" : "chat", chat ? "chat" : "documents");
	}
	return OK;
}

/* --- judging --------------------------------------------------------------------------------- */

struct quality_scratch {
	struct quality_doc doc;
};

struct quality_scratch *quality_scratch_open(void)
{
	return mem_zalloc(sizeof(struct quality_scratch));
}

void quality_scratch_close(struct quality_scratch *x)
{
	if (!x)
		return;
	spans_release(&x->doc.words);
	spans_release(&x->doc.lines);
	spans_release(&x->doc.split);
	buf_release(&x->doc.rewritten);
	mem_free(x->doc.table);
	mem_free(x->doc.word_hash);
	mem_free(x->doc.word_chars);
	mem_free(x);
}

void quality_doc_set(struct quality_doc *d, const char *s, size_t n)
{
	d->s = s;
	d->n = n;
	d->chars = (double)text_length(s, n);
	d->have_words = d->have_lines = d->have_gopher = d->have_hashes = false;
}

const struct spans *quality_words(struct quality_doc *d)
{
	if (!d->have_words) {
		d->words.n = 0;
		text_words(d->s, d->n, &d->words);
		d->have_words = true;
	}
	return &d->words;
}

const struct spans *quality_lines(struct quality_doc *d)
{
	if (!d->have_lines) {
		d->lines.n = 0;
		text_lines(d->s, d->n, &d->lines);
		d->have_lines = true;
	}
	return &d->lines;
}

const char *quality_judge(const struct quality *q, const char **text, size_t *n, struct quality_scratch *x)
{
	if (*n > TEXT_BYTES_MAX)
		return "too_large";
	quality_doc_set(&x->doc, *text, *n);
	for (int i = 0; i < q->n; i++)
		if (rules[q->rules[i].id].test(&x->doc, q->rules[i].threshold))
			return rules[q->rules[i].id].name;
	*text = x->doc.s;
	*n = x->doc.n;
	return NULL;
}

/* --- chat ------------------------------------------------------------------------------------ */

static bool role_is(const struct chat_turn *t, const char *role)
{
	return t->n_role == strlen(role) && memcmp(t->role, role, t->n_role) == 0;
}

/* At most one system message, first; then user and assistant (or tool answers before an assistant) in turn, user first. */
static bool bad_order(const struct chat_turn *t, int64_t n)
{
	int64_t i = n > 0 && role_is(&t[0], "system");
	const char *before = "assistant";
	for (; i < n; i++) {
		const char *role = role_is(&t[i], "user") ? "user" : role_is(&t[i], "assistant") ? "assistant" : role_is(&t[i], "tool") ? "tool" : NULL;
		if (!role || (strcmp(role, before) == 0 && strcmp(role, "tool") != 0))
			return true;
		if (strcmp(role, "user") == 0 && strcmp(before, "assistant") != 0)
			return true;
		if (strcmp(role, "tool") == 0 && strcmp(before, "user") == 0)
			return true;
		if (i == role_is(&t[0], "system") && strcmp(role, "user") != 0)
			return true;
		before = role;
	}
	return false;
}

static bool chat_fails(enum chat_rule rule, double threshold, const struct chat_turn *t, int64_t n, double chars)
{
	switch (rule) {
	case CHAT_NO_MESSAGES:
		return n == 0;
	case CHAT_EMPTY_TURN:
		for (int64_t i = 0; i < n; i++)
			if (text_strip(t[i].content, t[i].n_content).len == 0)
				return true;
		return false;
	case CHAT_ROLE_ORDER:
		return bad_order(t, n);
	case CHAT_NO_ANSWER:
		return n == 0 || !role_is(&t[n - 1], "assistant");
	case CHAT_SHORT:
		return chars < threshold;
	case CHAT_LONG:
		return chars > threshold;
	default:
		return false;
	}
}

const char *quality_judge_chat(const struct quality *q, const struct chat_turn *turns, int64_t n)
{
	double chars = 0;
	for (int64_t i = 0; i < n; i++)
		chars += (double)text_length(turns[i].content, turns[i].n_content);
	for (int i = 0; i < q->n; i++) {
		const struct rule *r = &rules[q->rules[i].id];
		if (chat_fails(r->chat, q->rules[i].threshold, turns, n, chars))
			return r->name;
	}
	return NULL;
}
