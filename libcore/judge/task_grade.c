#include "judge/task_grade.h"

#include "judge/choice_letter.h"
#include "judge/ifeval.h"
#include "judge/verify.h"
#include "text/pattern.h"
#include "token/unicode.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define IGNORED_MAX 16                       /* regexes_to_ignore of a metric */

struct grader {
	const struct task *t;
	struct finder *ignored[16][IGNORED_MAX];     /* of metric, its regexes_to_ignore */
	int n_ignored[16];
	bool compiled;
	struct pattern_scratch *patterns;
	struct buf a, b;
	struct verifier *verifier;
	struct choice_letters *letters;
	struct ifeval *ifeval;
	struct code *code;
	struct pool *pool;
};

const char *outcome_name(enum outcome o)
{
	static const char *const names[] = { "right", "wrong", "unparsed", "undecided" };

	return names[o];
}

enum outcome outcome_of(struct judgement j)
{
	if (j.verdict == VERDICT_EQUAL)
		return OUTCOME_RIGHT;
	if (j.verdict == VERDICT_UNDECIDED)
		return OUTCOME_UNDECIDED;
	return j.reason == REASON_NO_ANSWER || j.reason == REASON_UNREADABLE ? OUTCOME_UNPARSED : OUTCOME_WRONG;
}

struct grader *grader_open(const struct task *t)
{
	struct grader *g = mem_zalloc(sizeof(*g));

	g->t = t;
	g->patterns = pattern_scratch_open();
	if (t->grader == GRADE_ANSWER)
		g->verifier = verifier_new();
	if (t->grader == GRADE_CHOICE)
		g->letters = choice_letters_open();
	if (t->grader == GRADE_IFEVAL)
		g->ifeval = ifeval_open();
	return g;
}

void grader_close(struct grader *g)
{
	if (!g)
		return;
	for (int m = 0; m < 16; m++)
		for (int i = 0; i < g->n_ignored[m]; i++)
			finder_close(g->ignored[m][i]);
	pattern_scratch_close(g->patterns);
	verifier_free(g->verifier);
	choice_letters_close(g->letters);
	ifeval_close(g->ifeval);
	buf_release(&g->a);
	buf_release(&g->b);
	mem_free(g);
}

void grader_set_code(struct grader *g, struct code *c, struct pool *pool)
{
	g->code = c;
	g->pool = pool;
}

/* --- texts ------------------------------------------------------------------------------------------- */

/* The patterns of regexes_to_ignore, once. */
static enum status compile_ignored(struct grader *g, struct error *err)
{
	if (g->compiled)
		return OK;
	g->compiled = true;
	for (int m = 0; m < g->t->n_metrics; m++) {
		const struct json *list = json_get(g->t->metrics[m].options, "regexes_to_ignore");

		for (size_t i = 0; list && list->type == JSON_ARRAY && i < list->len; i++) {
			if (list->items[i].type != JSON_STRING || i == 16)
				return error_set(err, ERR_DATA, "'regexes_to_ignore' is no list of at most 16 patterns");
			TRY(finder_open(&g->ignored[m][i], list->items[i].str, list->items[i].len, err));
			g->n_ignored[m]++;
		}
	}
	return OK;
}

/* A text as exact_match compares it. */
enum status grader_normalise(struct grader *g, int m, struct request_text t, struct buf *out, struct error *err)
{
	const struct json *o = g->t->metrics[m].options;
	bool lower = json_get_bool(o, "ignore_case", false), marks = json_get_bool(o, "ignore_punctuation", false);
	bool numbers = json_get_bool(o, "ignore_numbers", false);
	struct buf next = { 0 };
	enum status st = compile_ignored(g, err);

	buf_clear(out);
	buf_add(out, t.s ? t.s : "", t.n);
	for (int i = 0; i < g->n_ignored[m] && st == OK; i++) {
		buf_clear(&next);
		st = finder_remove(g->ignored[m][i], out->data ? out->data : "", out->len, g->patterns, &next, err);
		buf_clear(out);
		buf_add(out, next.data ? next.data : "", next.len);
	}
	if (st == OK && (lower || marks || numbers)) {
		buf_clear(&next);
		for (size_t i = 0; i < out->len;) {
			int k;
			uint32_t c = utf8_decode((const uint8_t *)out->data + i, &k);
			char u[4];

			i += (size_t)k;
			if ((marks && c > 0x20 && c < 0x7f && strchr("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", (int)c)) ||
			    (numbers && c >= '0' && c <= '9'))
				continue;
			c = lower ? (uint32_t)utf8proc_tolower((utf8proc_int32_t)c) : c;
			buf_add(&next, u, (size_t)utf8_encode(c, u));
		}
		buf_clear(out);
		buf_add(out, next.data ? next.data : "", next.len);
	}
	buf_release(&next);
	return st;
}

/* As Python's str: 27.0 */
static void print_double(double v, char digits[32])
{
	for (int precision = 1; precision <= 17; precision++) {
		snprintf(digits, 29, "%.*g", precision, v);
		if (strtod(digits, NULL) == v)
			break;
	}
	if (isfinite(v) && !strpbrk(digits, ".e"))
		strcat(digits, ".0");
}

/* The right answers as texts. */
int64_t grader_answers(const struct task_request *r, struct request_text *out, char digits[32])
{
	const struct json *gold = &r->target;

	if (gold->type == JSON_ARRAY) {
		int64_t n = 0;

		for (size_t i = 0; i < gold->len; i++)
			if (gold->items[i].type == JSON_STRING)
				out[n++] = (struct request_text){ gold->items[i].str, gold->items[i].len };
		return n;
	}
	if (gold->type == JSON_INT && gold->integer >= 0 && gold->integer < r->n && r->choices) {
		out[0] = r->choices[gold->integer];
	} else if (gold->type == JSON_INT) {
		snprintf(digits, 32, "%lld", (long long)gold->integer);
		out[0] = (struct request_text){ digits, strlen(digits) };
	} else if (gold->type == JSON_DOUBLE) {
		print_double(gold->number, digits);
		out[0] = (struct request_text){ digits, strlen(digits) };
	} else if (gold->type == JSON_STRING) {
		out[0] = (struct request_text){ gold->str, gold->len };
	} else {
		return 0;
	}
	return 1;
}

/* Whose options say what is the same text: those of exact_match, or else of the first metric. */
static int text_metric(const struct task *t)
{
	for (int m = 0; m < t->n_metrics; m++)
		if (!strcmp(t->metrics[m].name, "exact_match"))
			return m;
	return 0;
}

static bool same_bytes(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && (!a->len || !memcmp(a->data, b->data, a->len));
}

static enum status same_texts(struct grader *g, struct request_text a, struct request_text b, bool *same, struct error *err)
{
	int m = text_metric(g->t);

	TRY(grader_normalise(g, m, a, &g->a, err));
	TRY(grader_normalise(g, m, b, &g->b, err));
	*same = same_bytes(&g->a, &g->b);
	return OK;
}

static enum status grade_text(struct grader *g, struct request_text gold, const char *fallback, struct request_text text, struct grade *out,
			      struct error *err)
{
	bool same = false;

	if (text.s)
		TRY(same_texts(g, text, gold, &same, err));
	if (same)
		out->outcome = OUTCOME_RIGHT;
	else if (!text.s || (fallback && text.n == strlen(fallback) && !memcmp(text.s, fallback, text.n)))
		out->outcome = OUTCOME_UNPARSED;
	else
		out->outcome = OUTCOME_WRONG;
	return OK;
}

/* --- answers and letters ----------------------------------------------------------------------------- */

static struct verify_input input_of(const struct grader *g, struct request_text gold, struct request_text text)
{
	return (struct verify_input){ gold.s, gold.n, text.s ? text.s : "", text.n, (enum verify_profile)g->t->profile };
}

static void grade_answer(struct grader *g, struct request_text gold, struct request_text text, struct grade *out)
{
	struct verify_input in = input_of(g, gold, text);
	struct judgement j = verify(g->verifier, &in);

	out->reason = reason_name(j.reason);
	out->outcome = outcome_of(j);
}

/* The options of a document: as many as doc_to_choice has, else four. */
static int options_of(const struct task_request *r)
{
	return r->n < 1 ? 4 : r->n > CHOICE_LETTERS ? CHOICE_LETTERS : (int)r->n;
}

static enum status letter_of(struct grader *g, const struct task_request *r, struct request_text text, int *letter, struct error *err)
{
	*letter = -1;
	return text.s ? choice_letter_find(g->letters, options_of(r), g->t->anywhere, text.s, text.n, letter, err) : OK;
}

static enum status grade_choice(struct grader *g, const struct task_request *r, struct request_text gold, struct request_text text,
				struct grade *out, struct error *err)
{
	int letter;

	if (gold.n != 1 || *gold.s < 'A' || *gold.s >= 'A' + options_of(r))
		return error_set(err, ERR_DATA, "the target '%.*s' is not the letter of one of %d options", (int)(gold.n > 40 ? 40 : gold.n),
				 gold.s, options_of(r));
	TRY(letter_of(g, r, text, &letter, err));
	out->outcome = letter < 0 ? OUTCOME_UNPARSED : letter == *gold.s - 'A' ? OUTCOME_RIGHT : OUTCOME_WRONG;
	return OK;
}

/* --- programs ------------------------------------------------------------------------------------------ */

static enum status grade_code(struct grader *g, const struct task_request *r, struct request_text text, struct grade *out, struct error *err)
{
	double share;

	if (!g->code)
		return error_set(err, ERR_USAGE, "the task runs what the model wrote: --code allows it");
	out->reason = code_judge_doc(g->code, r->doc, text.s ? text.s : "", text.n, &share);
	TRY(code_status(g->code, err));
	if (isnan(share))
		out->outcome = OUTCOME_UNDECIDED;
	else if (share == 1)
		out->outcome = OUTCOME_RIGHT;
	else
		out->outcome = strcmp(out->reason, "no_code") ? OUTCOME_WRONG : OUTCOME_UNPARSED;
	return OK;
}

static enum status grade_instructions(struct grader *g, const struct task_request *r, struct request_text text, struct grade *out,
				      struct error *err)
{
	struct ifeval_result f;

	TRY(ifeval_judge(g->ifeval, r->doc, text.s ? text.s : "", text.n, &f, err));
	out->of = f.n;
	for (int i = 0; i < f.n; i++) {
		out->strict += f.strict[i];
		out->loose += f.loose[i];
	}
	out->strict_all = out->strict == f.n;
	out->loose_all = out->loose == f.n;
	out->outcome = out->strict_all ? OUTCOME_RIGHT : f.gave_up ? OUTCOME_UNDECIDED : OUTCOME_WRONG;
	out->reason = out->strict_all ? NULL : f.gave_up ? "match_limit" : out->loose_all ? "loose" : NULL;
	return OK;
}

/* --- a response ------------------------------------------------------------------------------------------ */

static enum status judge_against(struct grader *g, const struct task_request *r, const char *fallback, struct request_text gold,
				 struct request_text text, struct grade *out, struct error *err)
{
	switch (g->t->grader) {
	case GRADE_TEXT: return grade_text(g, gold, fallback, text, out, err);
	case GRADE_CHOICE: return grade_choice(g, r, gold, text, out, err);
	default: break;
	}
	grade_answer(g, gold, text, out);
	return OK;
}

static enum status grader_judge(struct grader *g, const struct task_request *r, const char *fallback, struct request_text text, struct grade *out,
			 struct error *err)
{
	size_t most = r->target.type == JSON_ARRAY ? r->target.len : 1;
	struct request_text *gold;
	char digits[32];
	int64_t n;
	enum status st = OK;

	*out = (struct grade){ .outcome = OUTCOME_UNDECIDED };
	if (g->t->grader == GRADE_CODE)
		return grade_code(g, r, text, out, err);
	if (g->t->grader == GRADE_IFEVAL)
		return grade_instructions(g, r, text, out, err);
	gold = mem_array(most + 1, sizeof(*gold));
	n = grader_answers(r, gold, digits);
	if (!n && g->t->grader == GRADE_ANSWER)
		out->reason = reason_name(REASON_NO_GOLD);
	else if (!n)
		st = error_set(err, ERR_DATA, "doc_to_target gives no answer");
	for (int64_t i = 0; i < n && st == OK; i++) {        /* of several right answers any counts */
		struct grade one = { .outcome = OUTCOME_UNDECIDED };

		st = judge_against(g, r, fallback, gold[i], text, &one, err);
		if (i == 0 || one.outcome == OUTCOME_RIGHT)
			*out = one;
		if (out->outcome == OUTCOME_RIGHT)
			break;
	}
	mem_free(gold);
	return st;
}

struct programs {
	struct grader *g;
	const struct task_request *r;
	const struct request_text *text;
	struct grade *grades;
	enum status st;              /* of any that failed */
	struct error err;
	pthread_mutex_t lock;
};

static void run_program(void *arg, int64_t i, int worker)
{
	struct programs *p = arg;
	struct error err;
	enum status st;

	(void)worker;
	p->grades[i] = (struct grade){ .outcome = OUTCOME_UNDECIDED };
	st = grade_code(p->g, p->r, p->text[i], &p->grades[i], &err);
	if (st == OK)
		return;
	pthread_mutex_lock(&p->lock);
	p->st = st;
	p->err = err;
	pthread_mutex_unlock(&p->lock);
}

enum status grader_judge_all(struct grader *g, const struct task_request *r, const char *fallback, const struct request_text *text, int64_t n,
			     struct grade *grades, struct error *err)
{
	struct programs p = { .g = g, .r = r, .text = text, .grades = grades, .lock = PTHREAD_MUTEX_INITIALIZER };

	if (g->t->grader == GRADE_CODE && g->code) {
		pool_run(g->pool, n, run_program, &p);
		if (p.st != OK && err)
			*err = p.err;
		return p.st;
	}
	for (int64_t i = 0; i < n; i++)
		TRY(grader_judge(g, r, fallback, text[i], &grades[i], err));
	return OK;
}

enum status grader_alike(struct grader *g, const struct task_request *r, struct request_text a, struct request_text b, bool *same,
			 struct error *err)
{
	struct request_text gold = { "", 0 };
	char digits[32];
	struct verify_input p, q;
	int x, y;

	*same = false;
	switch (g->t->grader) {
	case GRADE_TEXT:
		return same_texts(g, a, b, same, err);
	case GRADE_CHOICE:
		TRY(letter_of(g, r, a, &x, err));
		TRY(letter_of(g, r, b, &y, err));
		*same = x == y && x >= 0;
		return OK;
	case GRADE_ANSWER:
		if (r->target.type != JSON_ARRAY)
			grader_answers(r, &gold, digits);
		p = input_of(g, gold, a);
		q = input_of(g, gold, b);
		*same = verify_alike(g->verifier, &p, &q).verdict == VERDICT_EQUAL;
		return OK;
	default: return OK;
	}
}
