#include "judge/verify.h"

#include "judge/expr_equal.h"
#include "judge/verify_find.h"
#include "judge/verify_string.h"

#include <stdio.h>

#define WORK 1000000                 /* operations of one comparison */
#define TRIES 16                     /* candidates that are read before the rest is given up */

struct verifier {
	struct arena arena;
	struct found_list formulas, numbers;
};

/* What sets the profiles apart that look for formulas. */
struct search {
	const char *name;
	bool pattern_order;          /* Math-Verify's order of patterns; else our own */
	bool boxes_first;            /* before "final answer is ... I hope" */
	bool latex_only;             /* in the completion */
	bool latex_gold;             /* in the gold answer */
	bool anchored;               /* no formula counts without a box or an anchor */
	bool swapped;                /* gold and completion change places in the comparison */
	bool unread_gold_is_right;
};

static const struct search searches[VERIFY_PROFILES] = {
	[VERIFY_QUERN] = { .name = "quern" },
	[VERIFY_MATH_VERIFY] = { .name = "math-verify", .pattern_order = true },
	[VERIFY_LIGHTEVAL] = { .name = "lighteval", .pattern_order = true, .boxes_first = true },
	[VERIFY_OPEN_R1] = { .name = "open-r1", .pattern_order = true, .boxes_first = true, .latex_only = true, .anchored = true },
	[VERIFY_OPEN_R1_2025_02] = { .name = "open-r1-2025-02", .pattern_order = true, .boxes_first = true, .latex_only = true,
				     .anchored = true, .latex_gold = true, .swapped = true, .unread_gold_is_right = true },
	[VERIFY_GSM8K_STRICT] = { .name = "gsm8k-strict" }, [VERIFY_GSM8K_FLEXIBLE] = { .name = "gsm8k-flexible" },
	[VERIFY_HENDRYCKS] = { .name = "hendrycks" }, [VERIFY_MINERVA] = { .name = "minerva" }, [VERIFY_PRM800K] = { .name = "prm800k" },
};

const char *verify_profile_name(enum verify_profile p) { return searches[p].name; }

enum status verify_profile_find(const char *p, size_t n, enum verify_profile *out, struct error *err)
{
	char names[256];
	size_t at = 0;
	for (int i = 0; i < VERIFY_PROFILES; i++) {
		if (strlen(searches[i].name) == n && memcmp(searches[i].name, p, n) == 0) {
			*out = (enum verify_profile)i;
			return OK;
		}
		at += (size_t)snprintf(names + at, sizeof(names) - at, "%s%s", i ? ", " : "", searches[i].name);
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

static struct expr *read_expr(struct verifier *v, struct span s)
{
	enum expr_error why;
	return s.p ? expr_parse(&v->arena, s.p, s.n, &why) : NULL;
}

/* --- answers from what was found ------------------------------------------------------------------------------- */

/* Boxes, newest first, as one answer: a list in the order of the text. */
static struct expr *read_boxes(struct verifier *v, const struct span *boxes, int n)
{
	if (n == 1)
		return read_expr(v, boxes[0]);
	struct expr *list = expr_new(&v->arena, EXPR_LIST, n);
	for (int i = 0; i < n; i++)
		if (!(list->kids[n - 1 - i] = read_expr(v, boxes[i])))
			return NULL;
	return list;
}

static struct expr *read_inside(struct verifier *v, struct span s)
{
	struct span boxes[FIND_MAX];
	int n = s.n >= 6 && memmem(s.p, s.n, "box", 3) ? find_boxes(s, boxes, FIND_MAX) : 0;
	return n ? read_boxes(v, boxes, n) : read_expr(v, s);
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
			return read_expr(v, s);
		if (comma && !point && (s.n - i != 4 || s.p[0] == '0') && !memchr(s.p + i + 1, ',', s.n - i - 1))
			digits[n++] = '.';
		else if (!comma && !space)
			digits[n++] = s.p[i];
	}
	return read_expr(v, (struct span){ arena_strndup(&v->arena, digits, n), n });
}

static struct expr *percent_of(struct verifier *v, struct expr *e)
{
	struct expr *p = expr_new(&v->arena, EXPR_PERCENT, 1);
	p->kids[0] = e;
	return p;
}

static struct expr *read_found(struct verifier *v, const struct found *f)
{
	struct expr *e;
	if (f->kind == FOUND_NUMBER)
		e = read_number(v, f->part[0]);
	else if (f->kind == FOUND_EXPRESSION || f->n == 1)
		e = read_inside(v, f->part[0]);
	else {
		e = expr_new(&v->arena, EXPR_LIST, f->n);
		for (int i = 0; i < f->n; i++)
			if (!(e->kids[i] = read_inside(v, f->part[i])))
				return NULL;
	}
	return e && f->percent ? percent_of(v, e) : e;
}

/* --- Math-Verify's order ----------------------------------------------------------------------------------------- */

struct candidates {
	struct verifier *v;
	const struct search *s;
	struct span text;
	bool gold;
};

static bool formulas_only(const struct candidates *c) { return c->gold ? c->s->latex_gold : c->s->latex_only; }

/* The last "\boxed" and its companions. */
static struct expr *from_boxes(const struct candidates *c)
{
	struct span boxes[FIND_MAX];
	int n = find_boxes(c->text, boxes, FIND_MAX);
	return n ? read_boxes(c->v, boxes, n) : NULL;
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
		struct expr *e = read_found(c->v, &n);
		*ends = n.end;
		if (e)
			return e;
	}
	*ends = formula ? f.end : NULL;
	return formula ? read_found(c->v, &f) : NULL;
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

static struct expr *from_anchor(const struct candidates *c, const char *word, bool colon, bool is, bool hope)
{
	const char *ends;
	return anchored_at(c, word, colon, is, hope, &ends);
}

/* Formulas and numbers anywhere, by where they end, the last first. */
static struct expr *from_anywhere(const struct candidates *c)
{
	struct verifier *v = c->v;
	find_formulas(c->text, &v->formulas);
	v->numbers.n = 0;
	if (!formulas_only(c))
		find_numbers(c->text, &v->numbers);
	for (int i = 0, k = 0, tries = 0; tries < TRIES; tries++) {
		const struct found *f = found_back(&v->formulas, i), *n = found_back(&v->numbers, k);
		if (!f && !n)
			return NULL;
		bool formula = f && (!n || f->end > n->end || (f->end == n->end && f->start <= n->start));
		struct expr *e = read_found(v, formula ? f : n);
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
	if ((e = from_anchor(c, "final answer", false, true, true)))
		return e;
	const char *ends = NULL, *brace = span_find_last(c->text, "}");
	final = anchored_at(c, "final answer", false, true, false, &ends);
	if (!c->s->boxes_first && !(final && brace && ends > brace) && (e = from_boxes(c)))
		return e;                                          /* of boxes and "final answer is", what ends last */
	if (final)
		return final;
	if ((e = from_anchor(c, "answer", true, false, false)) ||
	    (e = from_anchor(c, "answer", false, false, false)))
		return e;
	return c->s->anchored && !c->gold ? NULL : from_anywhere(c);
}

/* --- our own order ------------------------------------------------------------------------------------------------- */

/* The content of the last complete <answer>...</answer>. */
static struct span tagged(struct span s)
{
	const char *close = span_find_last(s, "</answer>");
	const char *open = close ? span_find_last((struct span){ s.p, (size_t)(close - s.p) }, "<answer>") : NULL;
	return open ? span_trim((struct span){ open + 8, (size_t)(close - open - 8) }) : (struct span){ NULL, 0 };
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80; }

/* How many numbers a text holds, not counting digits inside words; the last of them. */
static int count_numbers(struct span s, struct span *last)
{
	int n = 0;
	for (size_t i = 0; i < s.n; i++) {
		if (!is_digit(s.p[i]) && !(s.p[i] == '.' && i + 1 < s.n && is_digit(s.p[i + 1])))
			continue;
		size_t from = i;
		bool inside = i && (is_letter(s.p[i - 1]) || s.p[i - 1] == '_');
		while (i < s.n && (is_digit(s.p[i]) || ((s.p[i] == '.' || s.p[i] == ',') && i + 1 < s.n && is_digit(s.p[i + 1]))))
			i++;
		size_t to = i;
		for (int tail = 0; tail < 2 && i + 1 < s.n; tail++) {        /* 1/2, 5e3 */
			if (s.p[i] != '/' || !is_digit(s.p[i + 1]))
				break;
			for (to = ++i; to < s.n && is_digit(s.p[to]); to++)
				;
			i = to;
		}
		if (inside)
			continue;
		bool minus = from && s.p[from - 1] == '-' && (from < 2 || !(is_letter(s.p[from - 2]) || is_digit(s.p[from - 2]) ||
			     s.p[from - 2] == ')' || s.p[from - 2] == ']' || s.p[from - 2] == '}'));
		minus |= from >= 3 && memcmp(s.p + from - 3, "\xe2\x88\x92", 3) == 0 && (from < 4 || s.p[from - 4] == ' ');
		if (minus)
			from -= s.p[from - 1] == '-' ? 1 : 3;
		size_t k = to;
		while (k < s.n && s.p[k] == ' ')
			k++;
		if (k < s.n && (s.p[k] == '%' || (s.p[k] == '\\' && k + 1 < s.n && s.p[k + 1] == '%')))
			to = k + (s.p[k] == '%' ? 1 : 2);
		*last = (struct span){ s.p + from, to - from };
		n += n < 1000;
	}
	return n;
}

static bool is_number(const struct expr *e)
{
	while (e->kind == EXPR_NEG || e->kind == EXPR_PERCENT || e->kind == EXPR_UNIT || e->kind == EXPR_DEGREE)
		e = e->kids[0];
	return e->kind == EXPR_NUMBER || (e->kind == EXPR_DIV && is_number(e->kids[0]) && is_number(e->kids[1]));
}

static bool is_choice(const struct expr *e)
{
	return e && e->kind == EXPR_SYMBOL && e->text_n == 1 && e->text[0] >= 'A' && e->text[0] <= 'J';
}

/* The letter that an answer begins with: "(C) 42", "\\text{C. } 42"; NULL for none. */
static struct expr *choice_letter(struct verifier *v, struct span s)
{
	size_t i = 0;
	for (size_t before = s.n + 1; before != s.n - i; ) {
		before = s.n - i;
		if (s.n - i > 6 && memcmp(s.p + i, "\\text{", 6) == 0)
			i += 6;
		else if (s.n - i > 8 && memcmp(s.p + i, "\\textbf{", 8) == 0)
			i += 8;
		else if (s.n > i && (s.p[i] == '(' || s.p[i] == ' ' || s.p[i] == '*' || s.p[i] == '$'))
			i++;
	}
	if (s.n < i + 2 || s.p[i] < 'A' || s.p[i] > 'J' || !strchr(").:", s.p[i + 1]) || !s.p[i + 1])
		return NULL;
	return read_expr(v, (struct span){ s.p + i, 1 });
}

/* A marked answer that is read whole; words around a single number leave the number, when a number is asked for. */
static struct expr *read_marked(struct verifier *v, struct span s, const struct expr *gold)
{
	struct found_list *f = &v->formulas;
	struct expr *letter = is_choice(gold) ? choice_letter(v, s) : NULL;
	if (letter)
		return letter;
	struct expr *e = read_inside(v, s);
	if (!e || e->kind != EXPR_TEXT || (gold && gold->kind == EXPR_TEXT))
		return e;
	const char *is = span_find_last(s, " is ");                     /* "the number of points is 19" */
	struct span tail = is ? span_trim((struct span){ is + 4, (size_t)(s.p + s.n - is - 4) }) : (struct span){ NULL, 0 };
	struct expr *said = tail.n ? read_inside(v, tail) : NULL;
	if (said && said->kind != EXPR_TEXT)
		return said;
	find_formulas(s, f);
	if (f->n == 1)
		return read_found(v, found_back(f, 0));
	struct span number;
	if (gold && is_number(gold) && count_numbers(s, &number) == 1)
		return read_expr(v, number);
	return e;
}

/* After "answer is", "answer:", "####": a formula that starts there, or the rest of the line or sentence. */
static struct span after_anchor(struct span text, const char *p)
{
	const char *end = text.p + text.n;
	while (p < end && (*p == ' ' || *p == ':' || *p == '*' || *p == '\t' || *p == '='))
		p++;
	const char *q = p;
	for (; q < end && *q != '\n'; q++)
		if (*q == '.' && (q + 1 == end || q[1] == ' ' || q[1] == '\n'))
			break;
	return span_trim((struct span){ p, (size_t)(q - p) });
}

static struct span anchored_span(struct span text)
{
	static const char *const anchors[] = { "answer is", "answer:", "answer**:", "answer:**" };
	const char *best = NULL;
	for (size_t i = 0; i < sizeof(anchors) / sizeof(*anchors); i++) {
		const char *p = find_back_folded(text, text.p + text.n, anchors[i]);
		if (p && p + strlen(anchors[i]) > best)
			best = p + strlen(anchors[i]);
	}
	return best ? after_anchor(text, best) : (struct span){ NULL, 0 };
}

/* The last formula or number of a text; with a gold answer in words, its last line. */
static struct expr *last_of(struct verifier *v, struct span text, const struct expr *gold)
{
	struct span number = { NULL, 0 };
	bool words = gold && gold->kind == EXPR_TEXT;
	if (words || text.n == 0) {
		struct span line = span_last_line(text);
		return line.n && line.n <= EXPR_BYTES ? read_marked(v, line, gold) : NULL;
	}
	struct expr *all = gold && is_number(gold) && text.n < 64 ? read_expr(v, text) : NULL;
	if (all && is_number(all))
		return all;
	find_formulas(text, &v->formulas);
	const struct found *f = found_back(&v->formulas, 0);
	bool any = count_numbers(text, &number) > 0;
	if (f && (!any || f->end >= number.p + number.n)) {
		struct expr *e = read_found(v, f);
		if (e)
			return e;
	}
	if (any && gold && is_number(gold))
		return read_expr(v, number);
	struct expr *e = read_expr(v, span_last_line(text));
	return e && e->kind != EXPR_TEXT ? e : any ? read_expr(v, number) : e;
}

/* Reads the answer of a completion; *marked is where it stood, if it was marked. NULL: none that can be read. */
static struct expr *by_marks(struct verifier *v, struct span text, const struct expr *gold, struct span *marked)
{
	struct candidates c = { v, &searches[VERIFY_QUERN], text, false };
	struct span boxes[FIND_MAX], tag = tagged(text);
	struct expr *e = NULL;
	if (tag.p)
		c.text = text = tag;
	*marked = tag;
	if (text.n && (e = from_anchor(&c, "final answer", false, true, true)))
		return e;
	int n = find_boxes(text, boxes, FIND_MAX);
	if (n > 0) {
		*marked = boxes[0];
		return n == 1 ? read_marked(v, boxes[0], gold) : read_boxes(v, boxes, n);
	}
	if (tag.p)
		return tag.n ? read_marked(v, tag, gold) : NULL;
	const char *hashes = span_find_last(text, "####");
	struct span s = hashes ? after_anchor(text, hashes + 4) : anchored_span(text);
	if (s.n && s.n <= EXPR_BYTES && (e = read_marked(v, s, gold)) && !(e->kind == EXPR_TEXT && gold && gold->kind != EXPR_TEXT))
		return e;
	return last_of(v, text, gold);
}

/* The gold answer: behind ####, in <answer> tags, in the last boxes, or the whole; a solution in prose gives its last formula. */
static struct expr *read_gold(struct verifier *v, struct span s)
{
	struct span boxes[FIND_MAX], tag;
	const char *hashes = span_find_last(s, "####");
	if (hashes)
		return read_expr(v, span_trim((struct span){ hashes + 4, (size_t)(s.p + s.n - hashes - 4) }));
	if ((tag = tagged(s)).p)
		s = tag;
	int n = find_boxes(s, boxes, FIND_MAX);
	struct expr *e = n ? read_boxes(v, boxes, n) : read_expr(v, s);
	struct expr *letter = e && e->kind != EXPR_TEXT ? NULL : choice_letter(v, n ? boxes[0] : s);
	if (letter || n || (e && e->kind != EXPR_TEXT))
		return letter ? letter : e;
	find_formulas(s, &v->formulas);
	const struct found *f = found_back(&v->formulas, 0);
	struct expr *inner = f ? read_found(v, f) : NULL;
	return inner ? inner : e;
}

/* What follows the last </think>; false of reasoning that does not end. */
static bool cut_reasoning(struct span *text)
{
	const char *thought = span_find_last(*text, "</think>");
	if (thought)
		*text = (struct span){ thought + 8, (size_t)(text->p + text->n - thought - 8) };
	else if (span_find_last(*text, "<think>"))
		return false;
	*text = span_trim(*text);
	return true;
}

static struct judgement own_judge(struct verifier *v, struct span gold, struct span text)
{
	struct expr *g = read_gold(v, gold);
	if (!g)
		return judge_as(VERDICT_UNDECIDED, REASON_GOLD_UNREADABLE);
	if (!cut_reasoning(&text))
		return judge_as(VERDICT_DIFFERENT, REASON_NO_ANSWER);
	struct span marked = { NULL, 0 };
	struct expr *p = by_marks(v, text, g, &marked);
	if (!p)
		return judge_as(VERDICT_DIFFERENT, marked.n ? REASON_UNREADABLE : REASON_NO_ANSWER);
	struct judgement j = expr_equal(&v->arena, &expr_rules_own, g, p, WORK);
	if (j.verdict == VERDICT_DIFFERENT && p->kind == EXPR_LIST && g->kind != EXPR_LIST && g->kind != EXPR_SET && g->kind != EXPR_TUPLE)
		j.reason = REASON_HEDGED;
	return j;
}

/* --- the profiles ---------------------------------------------------------------------------------------------------- */

static struct judgement pattern_judge(struct verifier *v, const struct search *s, struct span gold, struct span text)
{
	struct candidates c = { v, s, gold, true };
	struct expr *g = by_patterns(&c);
	struct found number;
	bool bare = span_find_last(gold, "$") == NULL && span_find_last(gold, "\\boxed") == NULL && span_find_last(gold, "answer") == NULL;
	bool numeral = bare && number_at(gold, gold.p, gold.p, &number) && number.end == gold.p + gold.n;
	if (!g || (bare && !numeral)) {
		struct expr *whole = read_expr(v, gold);           /* an answer without dollars, as data sets keep it */
		g = whole && whole->kind != EXPR_TEXT ? whole : g ? g : whole;
	}
	if (!g)
		return s->unread_gold_is_right ? judge_as(VERDICT_EQUAL, REASON_GOLD_UNREADABLE)
					       : judge_as(VERDICT_UNDECIDED, REASON_GOLD_UNREADABLE);
	c = (struct candidates){ v, s, text, false };
	struct expr *p = by_patterns(&c);
	if (!p)
		return judge_as(VERDICT_DIFFERENT, REASON_NO_ANSWER);
	struct judgement j = expr_equal(&v->arena, &expr_rules_math_verify, s->swapped ? p : g, s->swapped ? g : p, WORK);
	if (j.verdict == VERDICT_UNDECIDED)
		j.verdict = VERDICT_DIFFERENT;                     /* the original knows no third answer */
	return j;
}

/* Two strings of a grader that asks an algebra system: equal values, or not. */
static bool same_value(struct verifier *v, struct span a, struct span b)
{
	struct expr *x = read_expr(v, a), *y = read_expr(v, b);
	if (!x || !y || x->kind == EXPR_TEXT || y->kind == EXPR_TEXT || x->kind == EXPR_RELATION || y->kind == EXPR_RELATION)
		return false;
	return expr_equal(&v->arena, &expr_rules_own, x, y, WORK).verdict == VERDICT_EQUAL;
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
	if (gold.n == 0 && !searches[in->profile].unread_gold_is_right)
		return judge_as(VERDICT_UNDECIDED, REASON_NO_GOLD);
	switch (in->profile) {
	case VERIFY_QUERN: return own_judge(v, gold, text);
	case VERIFY_GSM8K_STRICT: case VERIFY_GSM8K_FLEXIBLE: return gsm8k_judge(gold, text, in->profile == VERIFY_GSM8K_FLEXIBLE);
	case VERIFY_HENDRYCKS: return hendrycks_judge(gold, text);
	case VERIFY_MINERVA: return minerva_judge(v, gold, text);
	case VERIFY_PRM800K: return prm_judge(v, gold, text);
	default: return pattern_judge(v, &searches[in->profile], gold, text);
	}
}

/* --- the same answer, right or not --------------------------------------------------------------------------------------- */

/* The answer of a completion as the profiles that read formulas see it; NULL: none. */
static struct expr *answer_of(struct verifier *v, const struct verify_input *in)
{
	struct span text = { in->prediction, in->prediction_n }, gold = span_trim((struct span){ in->gold, in->gold_n }), marked;
	if (in->profile != VERIFY_QUERN) {
		struct candidates c = { v, &searches[in->profile], text, false };
		return by_patterns(&c);
	}
	struct expr *g = gold.n ? read_gold(v, gold) : NULL;
	return cut_reasoning(&text) ? by_marks(v, text, g, &marked) : NULL;
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
		return expr_equal(&v->arena, a->profile == VERIFY_QUERN ? &expr_rules_own : &expr_rules_math_verify, x, y, WORK);
	}
	struct span said = string_of(a);
	struct verify_input as_gold = { said.p, said.n, b->prediction, b->prediction_n, b->profile };
	return said.p && said.n ? verify(v, &as_gold) : judge_as(VERDICT_DIFFERENT, REASON_NO_ANSWER);
}
