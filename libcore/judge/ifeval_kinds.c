#include "judge/ifeval_kinds.h"

#include "judge/chars.h"
#include "text/lang.h"
#include "text/unicode.h"

#include <string.h>

/* --- arguments --------------------------------------------------------------------------------------------- */

static enum status missing(const struct asked *a, const char *name, struct error *err)
{
	return error_set(err, ERR_DATA, "%s: there is no argument '%s'", a->id, name);
}

static enum status number_arg(const struct asked *a, const char *name, int64_t *out, struct error *err)
{
	const struct json *v = json_get(a->args, name);

	if (!v || (v->type != JSON_INT && v->type != JSON_DOUBLE) || v->number < 0 || v->number > 1e9)
		return missing(a, name, err);
	*out = (int64_t)v->number;
	return OK;
}

static enum status text_arg(const struct asked *a, const char *name, struct text_view *out, struct error *err)
{
	const struct json *v = json_get(a->args, name);

	if (!v || v->type != JSON_STRING || !v->len)
		return missing(a, name, err);
	*out = (struct text_view){ v->str, v->len };
	return OK;
}

static enum status list_arg(const struct asked *a, const char *name, const struct json **out, struct error *err)
{
	*out = json_get(a->args, name);
	if (!*out || (*out)->type != JSON_ARRAY || !(*out)->len)
		return missing(a, name, err);
	for (size_t i = 0; i < (*out)->len; i++)
		if ((*out)->items[i].type != JSON_STRING)
			return missing(a, name, err);
	return OK;
}

/* "less than" or "at least". */
static enum status compare(const struct asked *a, const char *relation, const char *number, int64_t have, bool *yes, struct error *err)
{
	struct text_view said;
	int64_t want;

	TRY(number_arg(a, number, &want, err));
	TRY(text_arg(a, relation, &said, err));
	if (strcmp(said.s, "less than") && strcmp(said.s, "at least"))
		return error_set(err, ERR_DATA, "%s: '%s' is '%.40s', not \"less than\" or \"at least\"", a->id, relation, said.s);
	*yes = strcmp(said.s, "less than") ? have >= want : have < want;
	return OK;
}

/* --- patterns ------------------------------------------------------------------------------------------------- */

void ifeval_forget_patterns(struct ifeval *x)
{
	for (int i = 0; i < x->n_kept; i++) {
		mem_free(x->kept[i].text);
		finder_close(x->kept[i].finder);
	}
	x->n_kept = 0;
}

/* The finder of before + text + behind. */
static enum status pattern_of(struct ifeval *x, const char *before, struct text_view text, const char *behind, struct finder **out,
			      struct error *err)
{
	buf_clear(&x->pattern);
	buf_str(&x->pattern, before);
	buf_add(&x->pattern, text.s, text.n);
	buf_str(&x->pattern, behind);
	for (int i = 0; i < x->n_kept; i++)
		if (!strcmp(x->kept[i].text, x->pattern.data)) {
			*out = x->kept[i].finder;
			return OK;
		}
	if (x->n_kept == PATTERNS_KEPT)
		ifeval_forget_patterns(x);
	TRY(finder_open(out, x->pattern.data, x->pattern.len, err));
	x->kept[x->n_kept].text = mem_strdup(x->pattern.data);
	x->kept[x->n_kept++].finder = *out;
	return OK;
}

/* Matches from left to right, at most `most`. */
static enum status count_matches(const struct asked *a, struct text_view in, const char *before, struct text_view text, const char *behind,
				 int64_t most, int64_t *count, struct error *err)
{
	struct finder *f;
	struct found m;
	bool empty = false;
	enum status st = OK;

	*count = 0;
	TRY(pattern_of(a->x, before, text, behind, &f, err) == OK ? OK : error_prefix(err, ERR_DATA, "%s", a->id));
	for (size_t at = 0; *count < most && (st = finder_next(f, in.s, in.n, at, empty, a->x->scratch, &m, NULL)) == OK; at = m.to[0]) {
		++*count;
		empty = m.from[0] == m.to[0];
	}
	if (st != OK && st != END) {
		a->x->gave_up = true;
		*count = -1;
	}
	return OK;
}

static struct text_view view(const char *s) { return (struct text_view){ s, strlen(s) }; }

/* --- the kinds: keywords ---------------------------------------------------------------------------------------- */

static enum status existence(const struct asked *a, bool *yes, struct error *err)
{
	const struct json *words;
	int64_t n;

	TRY(list_arg(a, "keywords", &words, err));
	*yes = true;
	for (size_t i = 0; i < words->len && *yes; i++) {
		TRY(count_matches(a, a->t, "(?i)", (struct text_view){ words->items[i].str, words->items[i].len }, "", 1, &n, err));
		*yes = n > 0;
	}
	return OK;
}

static enum status frequency(const struct asked *a, bool *yes, struct error *err)
{
	struct text_view word;
	int64_t n;

	TRY(text_arg(a, "keyword", &word, err));
	TRY(count_matches(a, a->t, "(?i)", view_strip(word), "", INT64_MAX, &n, err));
	TRY(compare(a, "relation", "frequency", n, yes, err));
	*yes &= n >= 0;
	return OK;
}

static enum status forbidden_words(const struct asked *a, bool *yes, struct error *err)
{
	const struct json *words;
	int64_t n;

	TRY(list_arg(a, "forbidden_words", &words, err));
	*yes = true;
	for (size_t i = 0; i < words->len && *yes; i++) {
		TRY(count_matches(a, a->t, "(?i)\\b", (struct text_view){ words->items[i].str, words->items[i].len }, "\\b", 1, &n, err));
		*yes = n == 0;
	}
	return OK;
}

static enum status letter_frequency(const struct asked *a, bool *yes, struct error *err)
{
	struct text_view letter;
	int64_t n = 0;

	TRY(text_arg(a, "letter", &letter, err));
	buf_clear(&a->x->argument);
	text_lower(letter.s, letter.n, &a->x->argument);
	letter = view_strip((struct text_view){ a->x->argument.data, a->x->argument.len });
	for (size_t i = 0; letter.n && i + letter.n <= a->lower.n; i++)
		n += !memcmp(a->lower.s + i, letter.s, letter.n);
	return compare(a, "let_relation", "let_frequency", n, yes, err);
}

/* --- language and case -------------------------------------------------------------------------------------------- */

/* What CLD2 is not sure of is not in this language, unless `unsure`; a text without words tells none and counts as followed. */
static bool is_language(struct text_view t, const char *want, bool unsure)
{
	char code[16];

	lang_detect(t.s, t.n, code);
	if (!strcmp(code, "un"))
		return unsure || !ifeval_count_words(t);
	return !strcmp(code, want);
}

static enum status response_language(const struct asked *a, bool *yes, struct error *err)
{
	struct text_view want;

	TRY(text_arg(a, "language", &want, err));
	*yes = is_language(a->t, want.s, false);
	return OK;
}

static enum status english_capital(const struct asked *a, bool *yes, struct error *err)
{
	(void)err;
	*yes = ifeval_is_upper(a->t) && is_language(a->t, "en", true);
	return OK;
}

static enum status english_lowercase(const struct asked *a, bool *yes, struct error *err)
{
	(void)err;
	*yes = ifeval_is_lower(a->t) && is_language(a->t, "en", true);
	return OK;
}

static enum status capital_word_frequency(const struct asked *a, bool *yes, struct error *err)
{
	return compare(a, "capital_relation", "capital_frequency", ifeval_count_capital_words(a->t), yes, err);
}

/* --- lengths ------------------------------------------------------------------------------------------------------- */

static enum status number_sentences(const struct asked *a, bool *yes, struct error *err)
{
	return compare(a, "relation", "num_sentences", ifeval_count_sentences(a->t), yes, err);
}

static enum status number_words(const struct asked *a, bool *yes, struct error *err)
{
	return compare(a, "relation", "num_words", ifeval_count_words(a->t), yes, err);
}

/* Pieces between dividers; a blank one is allowed, and does not count, at the edges. */
static enum status number_paragraphs(const struct asked *a, bool *yes, struct error *err)
{
	int64_t want, n = 0;
	const char *end = a->t.s + a->t.n;

	TRY(number_arg(a, "num_paragraphs", &want, err));
	*yes = false;
	for (const char *p = a->t.s; ; ) {
		const char *divider = view_find((struct text_view){ p, (size_t)(end - p) }, "***");
		bool blank = view_is_blank((struct text_view){ p, (size_t)((divider ? divider : end) - p) });

		if (blank && p > a->t.s && divider)
			return OK;
		n += !blank;
		if (!divider)
			break;
		p = divider + 3;
	}
	*yes = n == want;
	return OK;
}

/* The first word of a paragraph in small letters, without quotes before it and without what follows a mark. */
static bool first_word_is(struct asked *a, struct text_view paragraph, struct text_view want)
{
	size_t n = 0;
	struct text_view word = view_strip(paragraph);
	utf8proc_int32_t c;

	for (const char *p = word.s, *end = word.s + word.n; p < end; p += n) {
		n = chars_next(p, end, &c);
		if (chars_is_space(c))
			word.n = (size_t)(p - word.s);
		if (chars_is_space(c))
			break;
	}
	while (word.n && *word.s == '\'')
		word.s++, word.n--;
	while (word.n && *word.s == '"')
		word.s++, word.n--;
	for (n = 0; n < word.n && !strchr(".,?!'\"", word.s[n]); )
		n++;
	buf_clear(&a->x->argument);
	text_lower(word.s, n, &a->x->argument);
	n = a->x->argument.len;
	text_lower(want.s, want.n, &a->x->argument);
	return n == a->x->argument.len - n && !memcmp(a->x->argument.data, a->x->argument.data + n, n);
}

static enum status nth_paragraph_first_word(const struct asked *a, bool *yes, struct error *err)
{
	struct text_view word, nth = { NULL, 0 };
	const char *end = a->t.s + a->t.n;
	int64_t want, which, pieces = 0, n = 0;

	TRY(number_arg(a, "num_paragraphs", &want, err));
	TRY(number_arg(a, "nth_paragraph", &which, err));
	TRY(text_arg(a, "first_word", &word, err));
	for (const char *p = a->t.s; ; ) {
		const char *gap = view_find((struct text_view){ p, (size_t)(end - p) }, "\n\n");
		struct text_view piece = { p, (size_t)((gap ? gap : end) - p) };

		n += !view_is_blank(piece);
		if (++pieces == which)
			nth = piece;
		if (!gap)
			break;
		p = gap + 2;
	}
	*yes = n == want && which <= n && nth.s && !view_is_blank(nth) && first_word_is((struct asked *)a, nth, word);
	return OK;
}

/* --- content and format ---------------------------------------------------------------------------------------------- */

static enum status at_least(const struct asked *a, const char *name, int64_t have, bool *yes, struct error *err)
{
	int64_t want;

	TRY(number_arg(a, name, &want, err));
	*yes = have >= want;
	return OK;
}

static enum status number_placeholders(const struct asked *a, bool *yes, struct error *err)
{
	return at_least(a, "num_placeholders", ifeval_count_placeholders(a->t), yes, err);
}

static enum status number_highlighted_sections(const struct asked *a, bool *yes, struct error *err)
{
	return at_least(a, "num_highlights", ifeval_count_highlights(a->t), yes, err);
}

static enum status postscript(const struct asked *a, bool *yes, struct error *err)
{
	struct text_view marker;
	int64_t n;

	TRY(text_arg(a, "postscript_marker", &marker, err));
	marker = view_strip(marker);
	if (marker.n == 5 && !memcmp(marker.s, "P.P.S", 5)) {
		TRY(count_matches(a, a->lower, "", view("p\\.\\s?p\\.\\s?s"), "", 1, &n, err));
	} else if (marker.n == 4 && !memcmp(marker.s, "P.S.", 4)) {
		TRY(count_matches(a, a->lower, "", view("p\\.\\s?s\\."), "", 1, &n, err));
	} else {
		buf_clear(&a->x->argument);
		text_lower(marker.s, marker.n, &a->x->argument);
		TRY(count_matches(a, a->lower, "", (struct text_view){ a->x->argument.data, a->x->argument.len }, "", 1, &n, err));
	}
	*yes = n > 0;
	return OK;
}

static enum status number_bullet_lists(const struct asked *a, bool *yes, struct error *err)
{
	int64_t want;

	TRY(number_arg(a, "num_bullets", &want, err));
	*yes = ifeval_count_bullets(a->t) == want;
	return OK;
}

static enum status constrained_response(const struct asked *a, bool *yes, struct error *err)
{
	(void)err;
	*yes = view_find(a->t, "My answer is yes.") || view_find(a->t, "My answer is no.") || view_find(a->t, "My answer is maybe.");
	return OK;
}

static enum status multiple_sections(const struct asked *a, bool *yes, struct error *err)
{
	struct text_view word;
	int64_t n;

	TRY(text_arg(a, "section_spliter", &word, err));
	TRY(count_matches(a, a->t, "\\s?", view_strip(word), "\\s?\\d+\\s?", INT64_MAX, &n, err));
	return at_least(a, "num_sections", n, yes, err);
}

static enum status json_format(const struct asked *a, bool *yes, struct error *err)
{
	static const char *const fences[] = { "```json", "```Json", "```JSON", "```" };
	struct text_view t = view_strip(a->t);
	const struct json *j;

	(void)err;
	for (int i = 0; i < 4; i++)
		if (t.n >= strlen(fences[i]) && !memcmp(t.s, fences[i], strlen(fences[i])))
			t.s += strlen(fences[i]), t.n -= strlen(fences[i]);
	if (t.n >= 3 && !memcmp(t.s + t.n - 3, "```", 3))
		t.n -= 3;
	t = view_strip(t);
	*yes = json_parse(a->x->parser, t.s, t.n, &j, NULL) == OK;
	return OK;
}

static enum status title(const struct asked *a, bool *yes, struct error *err)
{
	(void)err;
	*yes = ifeval_has_title(a->t);
	return OK;
}

/* --- combinations, beginnings and ends ---------------------------------------------------------------------------------- */

static enum status two_responses(const struct asked *a, bool *yes, struct error *err)
{
	struct text_view two[2] = { { "", 0 }, { "", 0 } };
	const char *end = a->t.s + a->t.n;
	int n = 0;

	(void)err;
	*yes = false;
	for (const char *p = a->t.s; ; ) {
		const char *stars = view_find((struct text_view){ p, (size_t)(end - p) }, "******");
		struct text_view piece = view_strip((struct text_view){ p, (size_t)((stars ? stars : end) - p) });

		if (!piece.n && p > a->t.s && stars)
			return OK;
		if (piece.n && n < 2)
			two[n] = piece;
		n += piece.n > 0;
		if (!stars)
			break;
		p = stars + 6;
	}
	*yes = n == 2 && !(two[0].n == two[1].n && !memcmp(two[0].s, two[1].s, two[0].n));
	return OK;
}

/* An argument, stripped and in small letters. */
static struct text_view folded(const struct asked *a, struct text_view t)
{
	t = view_strip(t);
	buf_clear(&a->x->argument);
	text_lower(t.s, t.n, &a->x->argument);
	return (struct text_view){ a->x->argument.data ? a->x->argument.data : "", a->x->argument.len };
}

static enum status repeat_prompt(const struct asked *a, bool *yes, struct error *err)
{
	struct text_view want, t = view_strip(a->lower);

	TRY(text_arg(a, "prompt_to_repeat", &want, err));
	want = folded(a, want);
	*yes = t.n >= want.n && !memcmp(t.s, want.s, want.n);
	return OK;
}

static enum status end_checker(const struct asked *a, bool *yes, struct error *err)
{
	struct text_view want, t = view_strip_char(view_strip(a->lower), '"');

	TRY(text_arg(a, "end_phrase", &want, err));
	want = folded(a, want);
	*yes = t.n >= want.n && !memcmp(t.s + t.n - want.n, want.s, want.n);
	return OK;
}

static enum status quotation(const struct asked *a, bool *yes, struct error *err)
{
	struct text_view t = view_strip(a->t);

	(void)err;
	*yes = t.n > 1 && *t.s == '"' && t.s[t.n - 1] == '"';
	return OK;
}

static enum status no_comma(const struct asked *a, bool *yes, struct error *err)
{
	(void)err;
	*yes = !memchr(a->t.s, ',', a->t.n);
	return OK;
}

/* --- all of them ----------------------------------------------------------------------------------------------------------- */

static const struct ifeval_kind kinds[] = {
	{ "keywords:existence", existence },
	{ "keywords:frequency", frequency },
	{ "keywords:forbidden_words", forbidden_words },
	{ "keywords:letter_frequency", letter_frequency },
	{ "language:response_language", response_language },
	{ "length_constraints:number_sentences", number_sentences },
	{ "length_constraints:number_paragraphs", number_paragraphs },
	{ "length_constraints:number_words", number_words },
	{ "length_constraints:nth_paragraph_first_word", nth_paragraph_first_word },
	{ "detectable_content:number_placeholders", number_placeholders },
	{ "detectable_content:postscript", postscript },
	{ "detectable_format:number_bullet_lists", number_bullet_lists },
	{ "detectable_format:constrained_response", constrained_response },
	{ "detectable_format:number_highlighted_sections", number_highlighted_sections },
	{ "detectable_format:multiple_sections", multiple_sections },
	{ "detectable_format:json_format", json_format },
	{ "detectable_format:title", title },
	{ "combination:two_responses", two_responses },
	{ "combination:repeat_prompt", repeat_prompt },
	{ "startend:end_checker", end_checker },
	{ "startend:quotation", quotation },
	{ "change_case:capital_word_frequency", capital_word_frequency },
	{ "change_case:english_capital", english_capital },
	{ "change_case:english_lowercase", english_lowercase },
	{ "punctuation:no_comma", no_comma },
};

const struct ifeval_kind *ifeval_find_kind(const char *id)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(kinds[i].id, id))
			return &kinds[i];
	return NULL;
}
