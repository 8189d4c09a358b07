#include "judge/rewards.h"

#include "base/hash.h"
#include "base/mem.h"
#include "base/options.h"
#include "judge/chars.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[REWARD_KINDS] = {
	"accuracy", "format", "tag_count", "reasoning_steps", "cosine", "repetition_penalty", "soft_overlong", "logprob",
};

const char *reward_name(enum reward_kind k) { return names[k]; }
bool reward_needs_gold(enum reward_kind k) { return k == REWARD_ACCURACY || k == REWARD_COSINE; }

bool reward_set_has(const struct reward_set *set, enum reward_kind k)
{
	for (int i = 0; i < set->n; i++)
		if (set->items[i].kind == k)
			return true;
	return false;
}

static enum status add_reward(struct reward_set *set, const char *word, size_t n, struct error *err)
{
	const char *eq = memchr(word, '=', n);
	size_t name_n = eq ? (size_t)(eq - word) : n;
	double weight = 1;
	int k = 0;
	while (k < REWARD_KINDS && (strlen(names[k]) != name_n || memcmp(names[k], word, name_n)))
		k++;
	if (k == REWARD_KINDS)
		return error_set(err, ERR_USAGE, "no reward is called '%.*s'; there are accuracy, format, tag_count, "
				 "reasoning_steps, cosine, repetition_penalty, soft_overlong, logprob", (int)name_n, word);
	if (reward_set_has(set, (enum reward_kind)k))
		return error_set(err, ERR_USAGE, "reward '%s' is given twice", names[k]);
	if (eq) {
		char *num = mem_strndup(eq + 1, n - name_n - 1);
		enum status st = opt_number(num, &weight, err);
		mem_free(num);
		if (st != OK)
			return error_prefix(err, ERR_USAGE, "weight of reward '%s'", names[k]);
		if (!isfinite(weight))
			return error_set(err, ERR_USAGE, "weight of reward '%s': not a finite number", names[k]);
	}
	set->items[set->n].kind = (enum reward_kind)k;
	set->items[set->n++].weight = weight;
	return OK;
}

enum status reward_parse(struct reward_set *set, const char *spec, struct error *err)
{
	for (const char *p = spec;; p++) {
		size_t n = strcspn(p, ",");
		TRY(add_reward(set, p, n, err));
		p += n;
		if (!*p)
			return OK;
	}
}

/* --- characters ------------------------------------------------------------------------------------- */

static bool starts(const char *p, const char *end, const char *word)
{
	size_t w = strlen(word);
	return (size_t)(end - p) >= w && memcmp(p, word, w) == 0;
}

static int64_t characters(const char *p, size_t n)
{
	int64_t count = 0;
	utf8proc_int32_t c;
	for (const char *end = p + n; p < end; p += chars_next(p, end, &c))
		count++;
	return count;
}

/* --- the rules ------------------------------------------------------------------------------------------- */

/* ^<think>.*?</think>\s*<answer>.*?</answer>$ with DOTALL: lazy or not, it asks whether such a cut exists. */
static double format_rule(const char *p, size_t n)
{
	const char *end = p + n;
	if (n && end[-1] == '\n')                      /* $ also stands before a last newline */
		end--;
	if (!starts(p, end, "<think>") || end - p < 9 || memcmp(end - 9, "</answer>", 9))
		return 0;
	const char *close = end - 9;
	for (p += 7; p < close; p++) {
		if (*p != '<' || !starts(p, close, "</think>"))
			continue;
		const char *q = p + 8;
		utf8proc_int32_t c;
		for (size_t len; q < close; q += len) {
			len = chars_next(q, close, &c);
			if (!chars_is_space(c))
				break;
		}
		if (starts(q, close, "<answer>"))
			return 1;
	}
	return 0;
}

static double tag_count_rule(const char *p, size_t n)
{
	static const char *const tags[] = { "<think>\n", "\n</think>\n", "\n<answer>\n", "\n</answer>" };
	const char *end = p + n;
	double sum = 0;
	for (int t = 0; t < 4; t++) {
		int count = 0;
		size_t w = strlen(tags[t]);
		for (const char *q = p; q < end && count < 2;) {
			bool hit = starts(q, end, tags[t]);
			count += hit;
			q += hit ? w : 1;
		}
		sum += count == 1 ? 0.25 : 0;
	}
	return sum;
}

/* Digits (of any script) at p; returns how many bytes. */
static size_t digits(const char *p, const char *end)
{
	const char *q = p;
	utf8proc_int32_t c;
	for (size_t len; q < end; q += len) {
		len = chars_next(q, end, &c);
		if (utf8proc_category(c) != UTF8PROC_CATEGORY_ND)
			break;
	}
	return (size_t)(q - p);
}

/* Length of a match of (Step \d+:|^\d+\.|\n-|\n\*|First,|Second,|Next,|Finally,) at p, 0 if none. */
static size_t step_match(const char *p, const char *end, bool at_start)
{
	static const char *const words[] = { "\n-", "\n*", "First,", "Second,", "Next,", "Finally," };
	if (starts(p, end, "Step ")) {
		size_t d = digits(p + 5, end);
		return d && starts(p + 5 + d, end, ":") ? 5 + d + 1 : 0;
	}
	if (at_start) {
		size_t d = digits(p, end);
		if (d && starts(p + d, end, "."))
			return d + 1;
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (starts(p, end, words[i]))
			return strlen(words[i]);
	return 0;
}

static double reasoning_steps_rule(const char *p, size_t n)
{
	const char *end = p + n;
	int count = 0;
	for (const char *q = p; q < end && count < 3;) {
		size_t len = step_match(q, end, q == p);
		count += len > 0;
		q += len ? len : 1;
	}
	return fmin(1.0, count / 3.0);
}

static double cosine_rule(const struct reward_options *o, const struct reward_input *in)
{
	if (in->verdict == VERDICT_UNDECIDED)
		return NAN;
	bool correct = in->verdict == VERDICT_EQUAL;
	double low = correct ? 0.5 : -0.5, high = correct ? 1.0 : -1.0;
	double x = (double)characters(in->text, in->n) / (double)o->cosine_length;
	return low + 0.5 * (high - low) * (1.0 + cos(x * 3.14159265358979323846));
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x, y;
	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

/* Hashes of the lower-cased words between white space. */
static uint64_t *word_hashes(const char *p, size_t n, size_t *count)
{
	uint64_t *h = NULL;
	size_t cap = 0;
	struct buf word = { 0 };
	const char *end = p + n;
	*count = 0;
	for (;;) {
		utf8proc_int32_t c = ' ';
		size_t len = p < end ? chars_next(p, end, &c) : 0;
		if (!chars_is_space(c)) {
			utf8proc_uint8_t out[4];
			buf_add(&word, out, (size_t)utf8proc_encode_char(utf8proc_tolower(c), out));
		} else if (word.len) {
			MEM_PUSH_ROOM(h, *count, cap);
			h[(*count)++] = hash64(word.data, word.len);
			buf_clear(&word);
		}
		if (!len)
			break;
		p += len;
	}
	buf_release(&word);
	return h;
}

static double repetition_rule(const char *p, size_t n)
{
	size_t words, distinct = 0;
	uint64_t *h = word_hashes(p, n, &words);
	if (words < 3) {
		mem_free(h);
		return 0;
	}
	size_t grams = words - 2;
	for (size_t i = 0; i < grams; i++)             /* in place: gram i needs words i and after */
		h[i] = hash64(h + i, 3 * sizeof(*h));
	qsort(h, grams, sizeof(*h), compare_u64);
	for (size_t i = 0; i < grams; i++)
		distinct += i == 0 || h[i] != h[i - 1];
	mem_free(h);
	return distinct == grams ? 0.0 : -(1.0 - (double)distinct / (double)grams);
}

static double soft_overlong_rule(const struct reward_options *o, int64_t tokens)
{
	int64_t free_tokens = o->overlong_max - o->overlong_cache;
	if (tokens < 0)
		return NAN;
	if (tokens <= free_tokens)
		return 0;
	if (tokens > o->overlong_max)
		return -1;
	return (double)(free_tokens - tokens) / (double)o->overlong_cache;
}

double reward_value(const struct reward_set *set, int i, const struct reward_input *in)
{
	switch (set->items[i].kind) {
	case REWARD_ACCURACY: return in->verdict == VERDICT_UNDECIDED ? NAN : in->verdict == VERDICT_EQUAL;
	case REWARD_FORMAT: return format_rule(in->text, in->n);
	case REWARD_TAG_COUNT: return tag_count_rule(in->text, in->n);
	case REWARD_REASONING_STEPS: return reasoning_steps_rule(in->text, in->n);
	case REWARD_COSINE: return cosine_rule(&set->o, in);
	case REWARD_REPETITION_PENALTY: return repetition_rule(in->text, in->n);
	case REWARD_SOFT_OVERLONG: return soft_overlong_rule(&set->o, in->tokens);
	case REWARD_LOGPROB: return in->logprob;
	case REWARD_KINDS: break;
	}
	return NAN;
}

double reward_score(const struct reward_set *set, const double *values)
{
	double sum = 0;
	bool any = false;
	for (int i = 0; i < set->n; i++) {
		if (isnan(values[i]) || set->items[i].weight == 0)
			continue;
		sum += set->items[i].weight * values[i];
		any = true;
	}
	return any ? sum : NAN;
}
