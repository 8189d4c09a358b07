#include "judge/reward_rules.h"

#include "base/hash.h"
#include "judge/chars.h"

#include <math.h>
#include <string.h>

struct text {                                /* what is left of one */
	const char *p, *end;
};

static bool starts(const char *p, const char *end, const char *word, size_t n)
{
	return (size_t)(end - p) >= n && memcmp(p, word, n) == 0;
}

/* Behind the first occurrence of word, or false. */
static bool skip_past(struct text *t, const char *word)
{
	size_t n = strlen(word);
	const char *at = memmem(t->p, (size_t)(t->end - t->p), word, n);
	if (at)
		t->p = at + n;
	return at;
}

int64_t reward_characters(const char *p, size_t n)
{
	int64_t tails = 0;
	size_t i = 0;
	for (; i + 8 <= n; i += 8) {         /* a byte 10xxxxxx continues a character */
		uint64_t x;
		memcpy(&x, p + i, 8);
		tails += (int64_t)(((x & ~(x << 1) & 0x8080808080808080u) >> 7) * 0x0101010101010101u >> 56);
	}
	for (; i < n; i++)
		tails += ((unsigned char)p[i] & 0xc0) == 0x80;
	return (int64_t)n - tails;
}

/* --- tags ------------------------------------------------------------------------------------------------- */

static bool skip_thoughts(struct text *t)
{
	static const char open[] = "<think>\n";
	if (!starts(t->p, t->end, open, sizeof(open) - 1))
		return false;
	t->p += sizeof(open) - 1;
	return skip_past(t, "\n</think>\n<answer>\n");
}

/* "\n</answer>" at the end of a line. */
static bool closes(struct text t)
{
	while (skip_past(&t, "\n</answer>"))
		if (t.p == t.end || *t.p == '\n')
			return true;
	return false;
}

double reward_format(const char *p, size_t n)
{
	struct text t = { p, p + n };
	return skip_thoughts(&t) && closes(t);
}

double reward_code_format(const char *p, size_t n, const char *language)
{
	struct text t = { p, p + n };
	char *fence = mem_printf("```%s", language);
	bool fits = skip_thoughts(&t) && skip_past(&t, fence) && skip_past(&t, "```") && closes(t);
	mem_free(fence);
	return fits;
}

double reward_format_loose(const char *p, size_t n)
{
	static const char open[] = "<think>", answer[] = "<answer>", close[] = "</answer>";
	struct text t = { p, p + n };
	if (n && t.end[-1] == '\n')                  /* $ also stands before a last newline */
		t.end--;
	if (!starts(p, t.end, open, sizeof(open) - 1) || t.end - p < (ptrdiff_t)(sizeof(open) + sizeof(close) - 2) ||
	    memcmp(t.end - (sizeof(close) - 1), close, sizeof(close) - 1))
		return 0;
	t.end -= sizeof(close) - 1;
	t.p += sizeof(open) - 1;
	while (skip_past(&t, "</think>")) {
		const char *q = t.p;
		utf8proc_int32_t c;
		for (size_t len; q < t.end; q += len) {
			len = chars_next(q, t.end, &c);
			if (!chars_is_space(c))
				break;
		}
		if (starts(q, t.end, answer, sizeof(answer) - 1))
			return 1;
		t.p = q;
	}
	return 0;
}

double reward_tag_count(const char *p, size_t n)
{
	static const struct {
		const char *word;            /* from its '<' on */
		size_t n;
		bool after_newline;
	} tags[] = { { "<think>\n", 8, false }, { "</think>\n", 9, true }, { "<answer>\n", 9, true }, { "</answer>", 9, true } };
	const char *end = p + n, *free_from[4] = { p, p, p, p };
	int count[4] = { 0 };
	for (const char *q = p; q < end && (q = memchr(q, '<', (size_t)(end - q))); q++)
		for (int t = 0; t < 4; t++) {
			const char *from = q - tags[t].after_newline;
			if (from < free_from[t] || !starts(q, end, tags[t].word, tags[t].n))
				continue;
			if (tags[t].after_newline && (q == p || q[-1] != '\n'))
				continue;
			count[t]++;
			free_from[t] = q + tags[t].n; /* occurrences that share a newline count once */
		}
	return 0.25 * ((count[0] == 1) + (count[1] == 1) + (count[2] == 1) + (count[3] == 1));
}

/* --- steps ------------------------------------------------------------------------------------------------ */

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

/* Length of a match of the steps' pattern at p, 0 if none; ^\d+\. aside. */
static size_t step_match(const char *p, const char *end)
{
	static const char *const words[] = { "\n-", "\n*", "First,", "Second,", "Next,", "Finally," };
	if (starts(p, end, "Step ", 5)) {
		size_t d = digits(p + 5, end);
		return d && starts(p + 5 + d, end, ":", 1) ? 5 + d + 1 : 0;
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (starts(p, end, words[i], strlen(words[i])))
			return strlen(words[i]);
	return 0;
}

double reward_reasoning_steps(const char *p, size_t n)
{
	static const bool begins[256] = { ['S'] = true, ['\n'] = true, ['F'] = true, ['N'] = true };
	const char *end = p + n, *q = p;
	size_t number = digits(p, end);
	int count = 0;
	if (number && starts(p + number, end, ".", 1)) {
		count = 1;
		q = p + number + 1;
	}
	while (count < 3) {
		while (q < end && !begins[(unsigned char)*q])
			q++;
		if (q == end)
			break;
		size_t len = step_match(q, end);
		count += len > 0;
		q += len ? len : 1;
	}
	return fmin(1.0, count / 3.0);
}

/* --- lengths ---------------------------------------------------------------------------------------------- */

double reward_cosine(const struct cosine_options *o, bool correct, int64_t characters)
{
	double low = correct ? o->min_value_correct : o->max_value_wrong;
	double high = correct ? o->max_value_correct : o->min_value_wrong;
	return low + 0.5 * (high - low) * (1.0 + cos((double)characters / (double)o->max_len * 3.14159265358979323846));
}

void reward_len(const int64_t *lengths, const double *correct, int64_t n, double *out)
{
	int64_t min = INT64_MAX, max = INT64_MIN;
	for (int64_t i = 0; i < n; i++) {
		min = lengths[i] < min ? lengths[i] : min;
		max = lengths[i] > max ? lengths[i] : max;
	}
	for (int64_t i = 0; i < n; i++) {
		double x = max == min ? 0 : 0.5 - (double)(lengths[i] - min) / (double)(max - min);
		out[i] = isnan(correct[i]) ? NAN : correct[i] == 1 ? x : fmin(0, x);
	}
}

double reward_soft_overlong(int64_t tokens, int64_t max_completion_len, int64_t soft_punish_cache)
{
	int64_t unpunished = max_completion_len - soft_punish_cache;
	if (tokens <= unpunished)
		return 0;
	if (tokens > max_completion_len)
		return -1;
	return (double)(unpunished - tokens) / (double)soft_punish_cache;
}

/* --- repetition ------------------------------------------------------------------------------------------- */

void word_scratch_release(struct word_scratch *w)
{
	buf_release(&w->lower);
	mem_free(w->hashes);
	mem_free(w->set);
}

static bool is_cased(utf8proc_int32_t c)
{
	utf8proc_category_t k = utf8proc_category(c);
	return k == UTF8PROC_CATEGORY_LU || k == UTF8PROC_CATEGORY_LL || k == UTF8PROC_CATEGORY_LT;
}

/* Case_Ignorable of Unicode: marks, formats, modifiers, and the points that stand inside words. */
static bool is_case_ignorable(utf8proc_int32_t c)
{
	switch (utf8proc_category(c)) {
	case UTF8PROC_CATEGORY_MN: case UTF8PROC_CATEGORY_ME: case UTF8PROC_CATEGORY_CF:
	case UTF8PROC_CATEGORY_LM: case UTF8PROC_CATEGORY_SK: return true;
	default: break;
	}
	return c == '\'' || c == '.' || c == ':' || c == 0xb7 || c == 0x387 || c == 0x55f || c == 0x5f4 || c == 0x2018 || c == 0x2019 ||
	       c == 0x2024 || c == 0x2027 || c == 0xfe13 || c == 0xfe52 || c == 0xfe55 || c == 0xff07 || c == 0xff0e || c == 0xff1a;
}

/* A capital sigma before p, at the end of a word: a letter before it (what is case-ignorable aside), none behind it. */
static bool sigma_is_final(const char *start, const char *sigma, const char *p, const char *end)
{
	utf8proc_int32_t c = 0;
	bool before = false;
	for (const char *q = sigma; q > start && !before;) {
		do
			q--;
		while (q > start && ((unsigned char)*q & 0xc0) == 0x80);
		chars_next(q, end, &c);
		if (!is_case_ignorable(c)) {
			before = is_cased(c);
			break;
		}
	}
	for (size_t len; before && p < end; p += len) {
		len = chars_next(p, end, &c);
		if (!is_case_ignorable(c))
			return !is_cased(c);
	}
	return before;
}

/* Eight bytes at once, if all of them are ASCII. */
static bool lower_ascii(const char *p, char *out)
{
	uint64_t x, ones = 0x0101010101010101u;
	memcpy(&x, p, 8);
	if (x & ones << 7)
		return false;
	uint64_t from_a = x + (0x80 - 'A') * ones, beyond_z = x + (0x7f - 'Z') * ones; /* bit 7 of each byte says so */
	x |= ((from_a ^ beyond_z) & ones << 7) >> 2;
	memcpy(out, &x, 8);
	return true;
}

/* Python's str.lower: the simple mapping but for two letters. No letter grows by more than half. */
static void lower(struct buf *to, const char *p, size_t n)
{
	const char *start = p, *end = p + n;
	buf_clear(to);
	buf_reserve(to, n + n / 2 + 8);
	char *out = to->data;
	while (p < end) {
		while (end - p >= 8 && lower_ascii(p, out))
			p += 8, out += 8;
		if (p < end && (unsigned char)*p < 0x80) {
			*out++ = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
			p++;
		}
		if (p == end || (unsigned char)*p < 0x80)
			continue;
		utf8proc_int32_t c;
		const char *from = p;
		p += chars_next(p, end, &c);
		if (c == 0x130)
			out = mempcpy(out, "i\xcc\x87", 3);
		else if (c == 0x3a3)
			out = mempcpy(out, sigma_is_final(start, from, p, end) ? "\xcf\x82" : "\xcf\x83", 2);
		else if (c == 0xfffd)                /* or no UTF-8 */
			out = mempcpy(out, from, (size_t)(p - from));
		else
			out += utf8proc_encode_char(utf8proc_tolower(c), (utf8proc_uint8_t *)out);
	}
	to->len = (size_t)(out - to->data);
}

static void push_word(struct word_scratch *w, const char *p, const char *end)
{
	if (p == end)
		return;
	MEM_PUSH_ROOM(w->hashes, w->n, w->cap);
	w->hashes[w->n++] = hash64(p, (size_t)(end - p));
}

/* Ideographs, kana, Hangul: scripts whose characters are words or parts of them. */
static bool is_word_alone(utf8proc_int32_t c)
{
	return (c >= 0x3040 && c <= 0x30ff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x4e00 && c <= 0x9fff) ||
	       (c >= 0xac00 && c <= 0xd7a3) || (c >= 0xf900 && c <= 0xfaff) || (c >= 0x20000 && c <= 0x3ffff);
}

static void split(struct word_scratch *w, const char *p, size_t n, enum word_language language)
{
	static const bool breaks[256] = { [9] = true, [10] = true, [11] = true, [12] = true, [13] = true, [0x1c] = true, [0x1d] = true,
					  [0x1e] = true, [0x1f] = true, [' '] = true, [0x80 ... 0xff] = true };
	const char *end = p + n, *word = p;
	w->n = 0;
	for (;;) {
		while (p < end && !breaks[(unsigned char)*p])
			p++;
		if (p == end)
			break;
		utf8proc_int32_t c;
		size_t len = chars_next(p, end, &c);
		bool alone = language == WORDS_ZH && is_word_alone(c);
		if (alone || chars_is_space(c)) {
			push_word(w, word, p);
			if (alone)
				push_word(w, p, p + len);
			word = p + len;
		}
		p += len;
	}
	push_word(w, word, end);
}

/* How many different values there are. */
static size_t distinct(struct word_scratch *w, const uint64_t *v, size_t n)
{
	size_t slots = 16, found = 0;
	while (slots < 2 * n)
		slots *= 2;
	if (slots > w->cap_set) {
		mem_free(w->set);
		w->set = mem_array(slots, sizeof(*w->set));
		w->cap_set = slots;
	}
	memset(w->set, 0, slots * sizeof(*w->set));
	for (size_t i = 0; i < n; i++) {
		uint64_t x = v[i] ? v[i] : 1; /* 0 is an empty slot */
		size_t at = x & (slots - 1);
		while (w->set[at] && w->set[at] != x)
			at = (at + 1) & (slots - 1);
		found += w->set[at] == 0;
		w->set[at] = x;
	}
	return found;
}

double reward_repetition_penalty(const char *p, size_t n, int64_t n_grams, double max_penalty, enum word_language language,
				 struct word_scratch *w)
{
	if (language == WORDS_EN) {
		lower(&w->lower, p, n);
		p = w->lower.data;
		n = w->lower.len;
	}
	split(w, p, n, language);
	if ((int64_t)w->n < n_grams || w->n == 0)
		return 0;
	size_t grams = w->n - (size_t)n_grams + 1;
	for (size_t i = 0; i < grams && n_grams > 1; i++) /* in place: gram i needs words i and after */
		w->hashes[i] = hash64(w->hashes + i, (size_t)n_grams * sizeof(*w->hashes));
	size_t different = distinct(w, w->hashes, grams);
	return different == grams ? 0 : (1.0 - (double)different / (double)grams) * max_penalty;
}
