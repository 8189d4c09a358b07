#include "judge/verify.h"

#include "judge/verify_read.h"
#include "judge/verify_string.h"

#include <stdio.h>

#define TRIES 16                     /* candidates that are read before the rest is given up */

const struct search verify_searches[VERIFY_PROFILES] = {
	[VERIFY_QUERN] = { .name = "quern" },
	[VERIFY_MATH_VERIFY] = { .name = "math-verify", .pattern_order = true },
	[VERIFY_LIGHTEVAL] = { .name = "lighteval", .pattern_order = true, .boxes_first = true, .percent_counts = true },
	[VERIFY_OPEN_R1] = { .name = "open-r1", .pattern_order = true, .boxes_first = true, .latex_only = true, .anchored = true },
	[VERIFY_OPEN_R1_2025_02] = { .name = "open-r1-2025-02", .pattern_order = true, .boxes_first = true, .latex_only = true,
				     .anchored = true, .latex_gold = true, .swapped = true, .unread_gold_is_right = true },
	[VERIFY_GSM8K_STRICT] = { .name = "gsm8k-strict" }, [VERIFY_GSM8K_FLEXIBLE] = { .name = "gsm8k-flexible" },
	[VERIFY_HENDRYCKS] = { .name = "hendrycks" }, [VERIFY_MINERVA] = { .name = "minerva" }, [VERIFY_PRM800K] = { .name = "prm800k" },
};

const char *verify_profile_name(enum verify_profile p) { return verify_searches[p].name; }

enum status verify_profile_find(const char *p, size_t n, enum verify_profile *out, struct error *err)
{
	char names[256];
	size_t at = 0;
	for (int i = 0; i < VERIFY_PROFILES; i++) {
		if (strlen(verify_searches[i].name) == n && memcmp(verify_searches[i].name, p, n) == 0) {
			*out = (enum verify_profile)i;
			return OK;
		}
		at += (size_t)snprintf(names + at, sizeof(names) - at, "%s%s", i ? ", " : "", verify_searches[i].name);
	}
	return error_set(err, ERR_USAGE, "no profile is called '%.*s'; there are %s", (int)n, p, names);
}

struct verifier *verifier_new(void) { return mem_zalloc(sizeof(struct verifier)); }

void verifier_free(struct verifier *v)
{
	if (v)
		arena_release(&v->arena);
	mem_free(v);
}

struct expr *verify_read(struct verifier *v, struct span s)
{
	enum expr_error why;
	return s.p ? expr_parse(&v->arena, s.p, s.n, &why) : NULL;
}

/* --- answers from what was found ------------------------------------------------------------------------------- */

/* Boxes, newest first, as one answer: a list in the order of the text. */
struct expr *verify_read_boxes(struct verifier *v, const struct span *boxes, int n)
{
	if (n == 1)
		return verify_read(v, boxes[0]);
	struct expr *list = expr_new(&v->arena, EXPR_LIST, n);
	for (int i = 0; i < n; i++)
		if (!(list->kids[n - 1 - i] = verify_read(v, boxes[i])))
			return NULL;
	return list;
}

struct expr *verify_read_inside(struct verifier *v, struct span s)
{
	struct span boxes[FIND_MAX];
	int n = s.n >= 6 && memmem(s.p, s.n, "box", 3) ? find_boxes(s, boxes, FIND_MAX) : 0;
	return n ? verify_read_boxes(v, boxes, n) : verify_read(v, s);
}

/* "12,34" and "1 234.5" as plain text writes numbers. */
static struct expr *read_number(struct verifier *v, struct span s)
{
	char digits[512];
	size_t n = 0;
	bool point = memchr(s.p, '.', s.n) != NULL;
	for (size_t i = 0; i < s.n; i++) {
		bool comma = s.p[i] == ',', space = s.p[i] == ' ';
		if (n + 2 > sizeof(digits))
			return verify_read(v, s);
		if (comma && !point && (s.n - i != 4 || s.p[0] == '0') && !memchr(s.p + i + 1, ',', s.n - i - 1))
			digits[n++] = '.';
		else if (!comma && !space)
			digits[n++] = s.p[i];
	}
	return verify_read(v, (struct span){ arena_strndup(&v->arena, digits, n), n });
}

static struct expr *percent_of(struct verifier *v, struct expr *e)
{
	struct expr *p = expr_new(&v->arena, EXPR_PERCENT, 1);
	p->kids[0] = e;
	return p;
}

struct expr *verify_read_found(struct verifier *v, const struct found *f)
{
	struct expr *e;
	if (f->kind == FOUND_NUMBER)
		e = read_number(v, f->part[0]);
	else if (f->kind == FOUND_EXPRESSION || f->n == 1)
		e = verify_read_inside(v, f->part[0]);
	else {
		e = expr_new(&v->arena, EXPR_LIST, f->n);
		for (int i = 0; i < f->n; i++)
			if (!(e->kids[i] = verify_read_inside(v, f->part[i])))
				return NULL;
	}
	return e && f->percent ? percent_of(v, e) : e;
}

/* --- Math-Verify's order ----------------------------------------------------------------------------------------- */

static bool formulas_only(const struct candidates *c) { return c->gold ? c->s->latex_gold : c->s->latex_only; }

/* The last "\boxed" and its companions. */
static struct expr *from_boxes(const struct candidates *c)
{
	struct span boxes[FIND_MAX];
	int n = find_boxes(c->text, boxes, FIND_MAX);
	return n ? verify_read_boxes(c->v, boxes, n) : NULL;
}

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || (*p >= '\t' && *p <= '\r')))
		p++;
	return p;
}

static bool hope_follows(const char *p, const char *end)
{
	p += p < end && *p == '.';
	p = skip_space(p, end);
	return end - p >= 6 && memcmp(p, "I hope", 6) == 0;
}

/* The better of two readings at one anchor: Math-Verify takes the one that ends last, then the longer one. */
static struct expr *at_anchor(const struct candidates *c, const char *from, const char *to, bool hope, const char **ends)
{
	struct found f, n;
	const char *end = c->text.p + c->text.n;
	bool formula = formula_at(c->text, from, to, &f) && (!hope || hope_follows(f.end, end));
	bool plain = !formulas_only(c) && number_at(c->text, from, to, &n) && (!hope || hope_follows(n.end, end));
	if (plain && !hope && (!formula || n.end > f.end)) {       /* EXPR(?!\s*=) */
		const char *p = skip_space(n.end, end);
		plain = p >= end || *p != '=';
	}
	if (plain && (!formula || n.end > f.end)) {
		struct expr *e = verify_read_found(c->v, &n);
		*ends = n.end;
		if (e)
			return e;
	}
	*ends = formula ? f.end : NULL;
	return formula ? verify_read_found(c->v, &f) : NULL;
}

/* What stands at the anchor word: "answer" with a colon, "answer", "final answer ... is", the last occurrences first. *ends: where. */
static struct expr *anchored_at(const struct candidates *c, const char *word, bool colon, bool is, bool hope, const char **ends)
{
	const char *end = c->text.p + c->text.n, *at = end;
	for (int i = 0; i < TRIES && (at = find_back_folded(c->text, at, word)); i++) {
		const char *p = at + strlen(word);
		const char *limit = p + 50;
		if (colon && (p >= end || *p++ != ':'))
			continue;
		if (is) {                                          /* "final answer", at most 100 characters, " is" */
			const char *q = p;
			while (q + 3 <= end && q - p <= 100 && memcmp(q, " is", 3))
				q++;
			if (q + 3 > end || memcmp(q, " is", 3))
				continue;
			p = q + 3;
			p += p < end && *p == ':';
			p = skip_space(p, end);
			limit = p + 2;
		}
		struct expr *e = at_anchor(c, p, limit, hope, ends);
		if (e)
			return e;
	}
	return NULL;
}

struct expr *verify_from_anchor(const struct candidates *c, const char *word, bool colon, bool is, bool hope)
{
	const char *ends;
	return anchored_at(c, word, colon, is, hope, &ends);
}

/* Formulas and numbers anywhere, by where they end, the last first. */
static struct expr *from_anywhere(const struct candidates *c)
{
	struct verifier *v = c->v;
	v->formulas.any_fraction = false;
	find_formulas(c->text, &v->formulas);
	v->numbers.n = 0;
	if (!formulas_only(c))
		find_numbers(c->text, &v->numbers);
	for (int i = 0, k = 0, tries = 0; tries < TRIES; tries++) {
		const struct found *f = found_back(&v->formulas, i), *n = found_back(&v->numbers, k);
		if (!f && !n)
			return NULL;
		bool formula = f && (!n || f->end > n->end || (f->end == n->end && f->start <= n->start));
		struct expr *e = verify_read_found(v, formula ? f : n);
		if (e)
			return e;
		i += formula;
		k += !formula;
	}
	return NULL;
}

static struct expr *by_patterns(const struct candidates *c)
{
	struct expr *e, *final;
	if (c->s->boxes_first && (e = from_boxes(c)))
		return e;
	if ((e = verify_from_anchor(c, "final answer", false, true, true)))
		return e;
	const char *ends = NULL, *brace = span_find_last(c->text, "}");
	final = anchored_at(c, "final answer", false, true, false, &ends);
	if (!c->s->boxes_first && !(final && brace && ends > brace) && (e = from_boxes(c)))
		return e;                                          /* of boxes and "final answer is", what ends last */
	if (final)
		return final;
	if ((e = verify_from_anchor(c, "answer", true, false, false)) ||
	    (e = verify_from_anchor(c, "answer", false, false, false)))
		return e;
	return c->s->anchored && !c->gold ? NULL : from_anywhere(c);
}

/* --- the profiles ---------------------------------------------------------------------------------------------------- */

static const struct expr_rules *rules_of(enum verify_profile p)
{
	if (p == VERIFY_QUERN)
		return &expr_rules_own;
	return verify_searches[p].percent_counts ? &expr_rules_lighteval : &expr_rules_math_verify;
}

static struct judgement pattern_judge(struct verifier *v, const struct search *s, struct span gold, struct span text)
{
	struct candidates c = { v, s, gold, true };
	struct expr *g = by_patterns(&c);
	struct found number;
	bool bare = span_find_last(gold, "$") == NULL && span_find_last(gold, "\\boxed") == NULL && span_find_last(gold, "answer") == NULL;
	bool numeral = bare && number_at(gold, gold.p, gold.p, &number) && number.end == gold.p + gold.n;
	if (!g || (bare && !numeral)) {
		struct expr *whole = verify_read(v, gold);           /* an answer without dollars, as data sets keep it */
		g = whole && whole->kind != EXPR_TEXT ? whole : g ? g : whole;
	}
	if (!g)
		return s->unread_gold_is_right ? judge_as(VERDICT_EQUAL, REASON_GOLD_UNREADABLE)
					       : judge_as(VERDICT_UNDECIDED, REASON_GOLD_UNREADABLE);
	c = (struct candidates){ v, s, text, false };
	struct expr *p = by_patterns(&c);
	if (!p)
		return judge_as(VERDICT_DIFFERENT, REASON_NO_ANSWER);
	struct judgement j = expr_equal(&v->arena, rules_of((enum verify_profile)(s - verify_searches)), s->swapped ? p : g, s->swapped ? g : p,
					VERIFY_WORK);
	if (j.verdict == VERDICT_UNDECIDED)
		j.verdict = VERDICT_DIFFERENT;                     /* the original knows no third answer */
	return j;
}

/* Two strings of a grader that asks an algebra system: equal values, or not. */
static bool same_value(struct verifier *v, struct span a, struct span b)
{
	struct expr *x = verify_read(v, a), *y = verify_read(v, b);
	if (!x || !y || x->kind == EXPR_TEXT || y->kind == EXPR_TEXT || x->kind == EXPR_RELATION || y->kind == EXPR_RELATION)
		return false;
	return expr_equal(&v->arena, &expr_rules_own, x, y, VERIFY_WORK).verdict == VERDICT_EQUAL;
}

static struct judgement minerva_judge(struct verifier *v, struct span gold, struct span text)
{
	struct buf a = { 0 }, b = { 0 };
	struct span box = last_boxed(gold), answer = minerva_answer(text);
	minerva_normalize(&a, box.p ? box : gold);
	struct judgement j = judge_as(VERDICT_DIFFERENT, REASON_NO_ANSWER);
	if (answer.p) {
		minerva_normalize(&b, answer);
		bool text_same = a.len == b.len && memcmp(a.data ? a.data : "", b.data ? b.data : "", a.len) == 0;
		bool same = text_same || same_value(v, (struct span){ a.data ? a.data : "", a.len }, (struct span){ b.data ? b.data : "", b.len });
		j = judge_as(same ? VERDICT_EQUAL : VERDICT_DIFFERENT, text_same ? REASON_TEXT : REASON_EXACT);
	}
	buf_release(&a);
	buf_release(&b);
	return j;
}

static struct judgement prm_judge(struct verifier *v, struct span gold, struct span text)
{
	struct prm_pairs pairs = { .n = 0 };
	struct judgement j;
	struct span box = last_boxed(gold);
	if (!prm800k_judge(box.p ? box : gold, last_boxed(text), &pairs, &j)) {
		j = judge_as(VERDICT_EQUAL, REASON_EXACT);
		for (int i = 0; i < pairs.n && j.verdict == VERDICT_EQUAL; i++)
			if (!same_value(v, pairs.g[i], pairs.p[i]))
				j.verdict = VERDICT_DIFFERENT;
	}
	buf_release(&pairs.gold);
	buf_release(&pairs.prediction);
	return j;
}

struct judgement verify(struct verifier *v, const struct verify_input *in)
{
	struct span gold = span_trim((struct span){ in->gold, in->gold_n }), text = { in->prediction, in->prediction_n };
	arena_reset(&v->arena);
	if (gold.n == 0 && !verify_searches[in->profile].unread_gold_is_right)
		return judge_as(VERDICT_UNDECIDED, REASON_NO_GOLD);
	switch (in->profile) {
	case VERIFY_QUERN: return verify_own(v, gold, text);
	case VERIFY_GSM8K_STRICT: case VERIFY_GSM8K_FLEXIBLE: return gsm8k_judge(gold, text, in->profile == VERIFY_GSM8K_FLEXIBLE);
	case VERIFY_HENDRYCKS: return hendrycks_judge(gold, text);
	case VERIFY_MINERVA: return minerva_judge(v, gold, text);
	case VERIFY_PRM800K: return prm_judge(v, gold, text);
	default: return pattern_judge(v, &verify_searches[in->profile], gold, text);
	}
}

/* --- the same answer, right or not --------------------------------------------------------------------------------------- */

/* The answer of a completion as the profiles that read formulas see it; NULL: none. */
static struct expr *answer_of(struct verifier *v, const struct verify_input *in)
{
	struct span text = { in->prediction, in->prediction_n }, gold = span_trim((struct span){ in->gold, in->gold_n }), marked;
	if (in->profile != VERIFY_QUERN) {
		struct candidates c = { v, &verify_searches[in->profile], text, false };
		return by_patterns(&c);
	}
	struct expr *g = gold.n ? verify_read_gold(v, gold) : NULL;
	return verify_cut_reasoning(&text) ? verify_by_marks(v, text, g, &marked) : NULL;
}

/* The same for those that compare strings. */
static struct span string_of(const struct verify_input *in)
{
	struct span text = { in->prediction, in->prediction_n };
	switch (in->profile) {
	case VERIFY_GSM8K_STRICT: case VERIFY_GSM8K_FLEXIBLE: return gsm8k_answer(text, in->profile == VERIFY_GSM8K_FLEXIBLE);
	case VERIFY_MINERVA: return minerva_answer(text);
	default: return last_boxed(text);
	}
}

struct judgement verify_alike(struct verifier *v, const struct verify_input *a, const struct verify_input *b)
{
	arena_reset(&v->arena);
	if (a->profile <= VERIFY_OPEN_R1_2025_02) {
		struct expr *x = answer_of(v, a), *y = answer_of(v, b);
		if (!x || !y)
			return judge_as(VERDICT_DIFFERENT, REASON_NO_ANSWER);
		return expr_equal(&v->arena, rules_of(a->profile), x, y, VERIFY_WORK);
	}
	struct span said = string_of(a);
	struct verify_input as_gold = { said.p, said.n, b->prediction, b->prediction_n, b->profile };
	return said.p && said.n ? verify(v, &as_gold) : judge_as(VERDICT_DIFFERENT, REASON_NO_ANSWER);
}
