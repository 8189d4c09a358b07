/* verify_own.c - the profile quern: where the answer stands, and what a gold answer is; see verify.h. */
#include "judge/verify_read.h"

#include <string.h>

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
	return verify_read(v, (struct span){ s.p + i, 1 });
}

/* "The correct option is (C).": the letter that a line ends with, behind such a word; NULL for none. */
static struct expr *chosen_letter(struct verifier *v, struct span text)
{
	static const char *const words[] = { "option", "choice" };
	const char *end = text.p + text.n, *p = NULL;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		const char *q = find_back_folded(text, end, words[i]);
		if (q && q + strlen(words[i]) > p)
			p = q + strlen(words[i]);
	}
	if (!p)
		return NULL;
	if (end - p > 3 && !memcmp(p, " is", 3))
		p += 3;
	while (p < end && *p && strchr(" :(*$", *p))
		p++;
	if (p == end || *p < 'A' || *p > 'J')
		return NULL;
	for (const char *q = p + 1; q < end; q++)
		if (is_letter(*q))
			return NULL;                                    /* "Option A is wrong" */
	return verify_read(v, (struct span){ p, 1 });
}

/* What a line says behind its last " is " or " are "; NULL unless that is notation. */
static struct expr *read_said(struct verifier *v, struct span s)
{
	const char *is = span_find_last(s, " is "), *are = span_find_last(s, " are ");
	const char *from = !is || (are && are > is) ? (are ? are + 5 : NULL) : is + 4;
	struct expr *said = from ? verify_read_inside(v, span_trim((struct span){ from, (size_t)(s.p + s.n - from) })) : NULL;
	return said && said->kind != EXPR_TEXT ? said : NULL;
}

/* A marked answer that is read whole; words around a single number leave the number, when a number is asked for. */
static struct expr *read_marked(struct verifier *v, struct span s, const struct expr *gold)
{
	struct found_list *f = &v->formulas;
	struct expr *letter = is_choice(gold) ? choice_letter(v, s) : NULL;
	if (letter)
		return letter;
	struct expr *e = verify_read_inside(v, s);
	if (!e || e->kind != EXPR_TEXT || (gold && gold->kind == EXPR_TEXT))
		return e;
	struct expr *said = read_said(v, s);                            /* "the number of points is 19" */
	if (said)
		return said;
	find_formulas(s, f);
	if (f->n == 1)
		return verify_read_found(v, found_back(f, 0));
	struct span number;
	bool denied = s.n > 4 && (find_back_folded(s, s.p + s.n, " not ") || find_back_folded(s, s.p + 4, "not "));
	if (gold && is_number(gold) && !denied && count_numbers(s, &number) == 1)
		return verify_read(v, number);
	return e;
}

/* The formula that a sentence begins with, if others follow: "$42$, because $6 \cdot 7 = 42$". NULL if it is but a name. */
static struct expr *first_formula(struct verifier *v, struct span s)
{
	struct found_list *f = &v->formulas;
	find_formulas(s, f);
	const struct found *first = f->n > 1 ? found_back(f, f->n - 1) : NULL;
	struct expr *e = first && first->start == s.p ? verify_read_found(v, first) : NULL;
	return e && e->kind != EXPR_SYMBOL && e->kind != EXPR_TEXT ? e : NULL;
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

/* Whether a text is notation from end to end, no sentence: no letters but those of commands and environments. */
static bool is_bare_notation(struct span s)
{
	size_t i = 0;
	while (i < s.n) {
		if (is_letter(s.p[i]) || s.p[i] == '\n')
			return false;
		if (s.p[i++] != '\\')
			continue;
		size_t from = i;
		while (i < s.n && is_letter(s.p[i]))
			i++;
		bool environment = (i - from == 5 && !memcmp(s.p + from, "begin", 5)) || (i - from == 3 && !memcmp(s.p + from, "end", 3));
		while (environment && i < s.n && s.p[i] != '}')
			i++;
	}
	return true;
}

/* 5 m, which may be metres or five times m: the number alone is neither. */
static bool is_lettered_number(const struct expr *e)
{
	return e->kind == EXPR_MUL && e->n == 2 && e->kids[0]->kind == EXPR_NUMBER && e->kids[1]->kind == EXPR_SYMBOL;
}

/* Of 12 + 13 = 25 the last number may be the answer. */
static bool has_equation(const struct expr *e)
{
	return e->kind == EXPR_RELATION && (memchr(e->text, '=', (size_t)e->text_n) || memchr(e->text, '~', (size_t)e->text_n));
}

/* Whether a number is but the bound of an inequality: > 5, \neq 5. */
static bool is_bound(struct span text, struct span number)
{
	static const char *const signs[] = { "<", ">", "\\ne", "\\neq", "\\lt", "\\gt", "\\le", "\\leq", "\\ge", "\\geq", "!=", "<=", ">=",
					     "\xe2\x89\xa0", "\xe2\x89\xa4", "\xe2\x89\xa5" };
	struct span before = span_trim((struct span){ text.p, (size_t)(number.p - text.p) });
	for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++) {
		size_t n = strlen(signs[i]);
		if (before.n >= n && !memcmp(before.p + before.n - n, signs[i], n))
			return true;
	}
	return false;
}

/* The last formula or number of a text; with a gold answer in words, its last line. */
static struct expr *last_of(struct verifier *v, struct span text, const struct expr *gold)
{
	struct span number = { NULL, 0 };
	bool words = gold && gold->kind == EXPR_TEXT;
	struct expr *letter = is_choice(gold) && span_last_line(text).n == text.n ? choice_letter(v, text) : NULL;
	if (!letter && is_choice(gold))
		letter = chosen_letter(v, span_last_line(text));
	if (letter)                                                /* "(C) 42", and no more */
		return letter;
	bool several = gold && (gold->kind == EXPR_LIST || gold->kind == EXPR_SET);
	struct expr *said = several ? read_said(v, span_last_line(text)) : NULL;
	if (said && said->kind == EXPR_LIST)                       /* "The solutions are 1 and 2." */
		return said;
	if (words || text.n == 0) {
		struct span line = span_last_line(text);
		return line.n && line.n <= EXPR_BYTES ? read_marked(v, line, gold) : NULL;
	}
	bool bare = gold && text.n < 512 && (is_bare_notation(text) || !memchr(text.p, ' ', text.n));
	struct expr *all = bare || (gold && is_number(gold) && text.n < 64) ? verify_read(v, text) : NULL;
	if (all && (is_number(all) || (bare && all->kind != EXPR_TEXT && all->kind != EXPR_LIST && !has_equation(all))))
		return all;
	if (all && gold->kind == EXPR_UNIT && is_lettered_number(all))
		return all;
	find_formulas(text, &v->formulas);
	const struct found *f = found_back(&v->formulas, 0);
	bool any = count_numbers(text, &number) > 0;
	if (f && (!any || f->end >= number.p + number.n)) {
		struct expr *e = verify_read_found(v, f);
		if (e)
			return e;
	}
	if (any && gold && is_number(gold))
		return text.n < 64 && is_bound(text, number) ? NULL : verify_read(v, number);
	struct expr *e = verify_read(v, span_last_line(text));
	return e && e->kind != EXPR_TEXT ? e : any ? verify_read(v, number) : e;
}

/* Reads the answer of a completion; *marked is where it stood, if it was marked. NULL: none that can be read. */
struct expr *verify_by_marks(struct verifier *v, struct span text, const struct expr *gold, struct span *marked)
{
	struct candidates c = { v, &verify_searches[VERIFY_QUERN], text, false };
	struct span boxes[FIND_MAX], tag = tagged(text);
	struct expr *e = NULL;
	v->formulas.any_fraction = true;
	if (tag.p)
		c.text = text = tag;
	*marked = tag;
	if (text.n && (e = verify_from_anchor(&c, "final answer", false, true, true)))
		return e;
	int n = find_boxes(text, boxes, FIND_MAX);
	if (n > 0) {
		*marked = boxes[0];
		return n == 1 ? read_marked(v, boxes[0], gold) : verify_read_boxes(v, boxes, n);
	}
	if (tag.p)
		return tag.n ? read_marked(v, tag, gold) : NULL;
	const char *hashes = span_find_last(text, "####");
	struct span s = hashes ? after_anchor(text, hashes + 4) : anchored_span(text);
	if (s.n && s.n <= EXPR_BYTES && (e = first_formula(v, s)))
		return e;
	if (s.n && s.n <= EXPR_BYTES && (e = read_marked(v, s, gold)) && !(e->kind == EXPR_TEXT && gold && gold->kind != EXPR_TEXT))
		return e;
	return last_of(v, text, gold);
}

/* The gold answer: behind ####, in <answer> tags, in the last boxes, or the whole; a solution in prose gives its last formula. */
struct expr *verify_read_gold(struct verifier *v, struct span s)
{
	struct span boxes[FIND_MAX], tag;
	const char *hashes = span_find_last(s, "####");
	v->formulas.any_fraction = true;
	if (hashes)
		return verify_read(v, span_trim((struct span){ hashes + 4, (size_t)(s.p + s.n - hashes - 4) }));
	if ((tag = tagged(s)).p)
		s = tag;
	int n = find_boxes(s, boxes, FIND_MAX);
	struct expr *e = n ? verify_read_boxes(v, boxes, n) : verify_read(v, s);
	struct expr *letter = e && e->kind != EXPR_TEXT ? NULL : choice_letter(v, n ? boxes[0] : s);
	if (letter || n || (e && e->kind != EXPR_TEXT))
		return letter ? letter : e;
	find_formulas(s, &v->formulas);
	const struct found *f = found_back(&v->formulas, 0);
	struct expr *inner = f ? verify_read_found(v, f) : NULL;
	return inner ? inner : e;
}

/* What follows the last </think>; false of reasoning that does not end. */
bool verify_cut_reasoning(struct span *text)
{
	const char *thought = span_find_last(*text, "</think>");
	if (thought)
		*text = (struct span){ thought + 8, (size_t)(text->p + text->n - thought - 8) };
	else if (span_find_last(*text, "<think>"))
		return false;
	*text = span_trim(*text);
	return true;
}

struct judgement verify_own(struct verifier *v, struct span gold, struct span text)
{
	struct expr *g = verify_read_gold(v, gold);
	if (!g)
		return judge_as(VERDICT_UNDECIDED, REASON_GOLD_UNREADABLE);
	if (!verify_cut_reasoning(&text))
		return judge_as(VERDICT_DIFFERENT, REASON_NO_ANSWER);
	struct span marked = { NULL, 0 };
	struct expr *p = verify_by_marks(v, text, g, &marked);
	if (!p)
		return judge_as(VERDICT_DIFFERENT, marked.n ? REASON_UNREADABLE : REASON_NO_ANSWER);
	struct judgement j = expr_equal(&v->arena, &expr_rules_own, g, p, VERIFY_WORK);
	if (j.verdict == VERDICT_DIFFERENT && p->kind == EXPR_LIST && g->kind != EXPR_LIST && g->kind != EXPR_SET && g->kind != EXPR_TUPLE)
		j.reason = REASON_HEDGED;
	return j;
}
