#include "judge/metric_text.h"

#include "base/hash.h"
#include "judge/chars.h"

void tokens_release(struct tokens *t)
{
	mem_free(t->v);
	*t = (struct tokens){ 0 };
}

/* --- words ------------------------------------------------------------------------------------------- */

void words_reset(struct words *w)
{
	w->n = 0;
	buf_clear(&w->text);
	if (++w->stamp == 0 && w->slots) {
		memset(w->slots, 0, ((size_t)w->mask + 1) * sizeof(*w->slots));
		w->stamp = 1;
	}
}

void words_release(struct words *w)
{
	buf_release(&w->text);
	mem_free(w->word);
	mem_free(w->slots);
	*w = (struct words){ 0 };
}

static void words_grow(struct words *w)
{
	size_t size = w->slots ? ((size_t)w->mask + 1) * 2 : 256;
	mem_free(w->slots);
	w->slots = mem_array(size, sizeof(*w->slots));
	w->mask = (uint32_t)(size - 1);
	w->stamp = 1;
	for (int64_t i = 0; i < w->n; i++) {
		uint32_t at = (uint32_t)w->word[i].hash & w->mask;
		while (w->slots[at].stamp)
			at = (at + 1) & w->mask;
		w->slots[at].stamp = 1;
		w->slots[at].id = (uint32_t)i;
	}
}

uint32_t words_id(struct words *w, const char *s, size_t n)
{
	if (!w->slots || (uint64_t)w->n * 2 > w->mask)
		words_grow(w);
	uint64_t hash = hash64(s, n);
	uint32_t at = (uint32_t)hash & w->mask;
	for (; w->slots[at].stamp == w->stamp; at = (at + 1) & w->mask) {
		const struct word *k = &w->word[w->slots[at].id];
		if (k->hash == hash && k->n == n && !memcmp(w->text.data + k->at, s, n))
			return w->slots[at].id;
	}
	MEM_PUSH_ROOM(w->word, w->n, w->cap);
	w->word[w->n] = (struct word){ hash, w->text.len, (uint32_t)n };
	buf_add(&w->text, s, n);
	w->slots[at].stamp = w->stamp;
	w->slots[at].id = (uint32_t)w->n;
	return (uint32_t)w->n++;
}

/* --- characters ---------------------------------------------------------------------------------------- */

/* 1: white space; 2: what longer white space begins with. */
static const uint8_t space_bytes[256] = {
	[9] = 1, [10] = 1, [11] = 1, [12] = 1, [13] = 1, [0x1c] = 1, [0x1d] = 1, [0x1e] = 1, [0x1f] = 1, [' '] = 1,
	[0xc2] = 2, [0xe1] = 2, [0xe2] = 2, [0xe3] = 2,
};

/* Bytes of the white space at p < end, 0 for another character. */
static inline size_t space_at(const char *p, const char *end)
{
	utf8proc_int32_t c;
	uint8_t kind = space_bytes[(unsigned char)*p];
	if (kind < 2)
		return kind;
	size_t n = chars_next(p, end, &c);
	return chars_is_space(c) ? n : 0;
}

bool metric_next_word(const char **s, const char *end, struct metric_text *word)
{
	const char *p = *s, *from;
	size_t space;
	while (p < end && (space = space_at(p, end)) > 0)
		p += space;
	for (from = p; p < end && !space_at(p, end);)
		p++;
	*s = p;
	*word = (struct metric_text){ from, (size_t)(p - from) };
	return p > from;
}

void tokens_split(struct tokens *t, struct words *w, const char *s, size_t n)
{
	struct metric_text word;
	for (const char *end = s + n; metric_next_word(&s, end, &word);)
		tokens_push(t, words_id(w, word.s, word.n));
}

void tokens_chars(struct tokens *t, const char *s, size_t n, bool skip_space)
{
	const char *end = s + n;
	if (t->cap - t->n < (int64_t)n) {
		t->cap = t->n + (int64_t)n + (int64_t)n / 2;
		t->v = mem_grow(t->v, (size_t)t->cap, sizeof(*t->v));
	}
	uint32_t *o = t->v + t->n;
	while (s < end) {
		unsigned char b = (unsigned char)*s;
		utf8proc_int32_t c;
		if (b < 0x80) {
			*o = b;
			o += !(skip_space & space_bytes[b]);
			s++;
			continue;
		}
		s += chars_next(s, end, &c);
		*o = (uint32_t)c;
		o += !(skip_space && chars_is_space(c));
	}
	t->n = o - t->v;
}

size_t metric_rstrip(const char *s, size_t n)
{
	while (n > 0) {
		size_t from = n - 1;
		while (from > 0 && n - from < 4 && ((unsigned char)s[from] & 0xc0) == 0x80)
			from--;
		if (space_at(s + from, s + n) != n - from)
			break;
		n = from;
	}
	return n;
}

struct metric_text metric_strip(const char *s, size_t n)
{
	size_t space;
	n = metric_rstrip(s, n);
	while (n > 0 && (space = space_at(s, s + n)) > 0) {
		s += space;
		n -= space;
	}
	return (struct metric_text){ s, n };
}

void metric_append_char(struct buf *out, uint32_t c)
{
	utf8proc_uint8_t bytes[4];
	utf8proc_ssize_t n = utf8proc_encode_char((utf8proc_int32_t)c, bytes);
	buf_add(out, bytes, (size_t)n);
}

/* The categories of ASCII: controls and space, letters, digits, punctuation, symbols. */
const char metric_ascii_categories[129] =
	"00000000000000000000000000000000"
	"0444544444454444" "3333333333" "445554" "4"
	"11111111111111111111111111" "44454" "5"
	"11111111111111111111111111" "45450";

int metric_category_far(uint32_t c)
{
	switch (utf8proc_category((utf8proc_int32_t)c)) {
	case UTF8PROC_CATEGORY_LU: case UTF8PROC_CATEGORY_LL: case UTF8PROC_CATEGORY_LT: case UTF8PROC_CATEGORY_LM:
	case UTF8PROC_CATEGORY_LO:
		return CATEGORY_LETTER;
	case UTF8PROC_CATEGORY_MN: case UTF8PROC_CATEGORY_MC: case UTF8PROC_CATEGORY_ME:
		return CATEGORY_MARK;
	case UTF8PROC_CATEGORY_ND: case UTF8PROC_CATEGORY_NL: case UTF8PROC_CATEGORY_NO:
		return CATEGORY_NUMBER;
	case UTF8PROC_CATEGORY_PC: case UTF8PROC_CATEGORY_PD: case UTF8PROC_CATEGORY_PS: case UTF8PROC_CATEGORY_PE:
	case UTF8PROC_CATEGORY_PI: case UTF8PROC_CATEGORY_PF: case UTF8PROC_CATEGORY_PO:
		return CATEGORY_PUNCTUATION;
	case UTF8PROC_CATEGORY_SM: case UTF8PROC_CATEGORY_SC: case UTF8PROC_CATEGORY_SK: case UTF8PROC_CATEGORY_SO:
		return CATEGORY_SYMBOL;
	default:
		return CATEGORY_OTHER;
	}
}

/* --- lower case ---------------------------------------------------------------------------------------- */

/* Unicode's Case_Ignorable: marks, modifiers, formats, and what may stand within a word. */
static bool is_case_ignorable(utf8proc_int32_t c)
{
	utf8proc_category_t k = utf8proc_category(c);
	return k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_ME || k == UTF8PROC_CATEGORY_CF || k == UTF8PROC_CATEGORY_LM ||
	       k == UTF8PROC_CATEGORY_SK || c == '\'' || c == '.' || c == ':' || c == 0xb7 || c == 0x387 || c == 0x55f ||
	       c == 0x5f4 || c == 0x2018 || c == 0x2019 || c == 0x2024 || c == 0x2027 || c == 0xfe13 || c == 0xfe52 || c == 0xfe55 ||
	       c == 0xff07 || c == 0xff0e || c == 0xff1a;
}

static bool is_cased(utf8proc_int32_t c)
{
	utf8proc_category_t k = utf8proc_category(c);
	return k == UTF8PROC_CATEGORY_LU || k == UTF8PROC_CATEGORY_LL || k == UTF8PROC_CATEGORY_LT || c == 0xaa || c == 0xba ||
	       (c >= 0x2160 && c <= 0x217f) || (c >= 0x24b6 && c <= 0x24e9);
}

/* Unicode's Final_Sigma for the sigma at p: a cased letter before it and none behind it, ignorable ones aside. */
static bool is_final_sigma(const char *s, const char *p, const char *end)
{
	utf8proc_int32_t c = 0;
	const char *q = p, *after = p + 2;
	bool before = false;
	while (q > s) {
		q--;
		while (q > s && ((unsigned char)*q & 0xc0) == 0x80)
			q--;
		chars_next(q, end, &c);
		if (is_case_ignorable(c))
			continue;
		before = is_cased(c);
		break;
	}
	while (before && after < end) {
		after += chars_next(after, end, &c);
		if (!is_case_ignorable(c))
			return !is_cased(c);
	}
	return before;
}

void metric_lower(const char *s, size_t n, struct buf *out)
{
	const char *end = s + n;
	buf_reserve(out, n + 1);
	for (const char *p = s; p < end;) {
		utf8proc_int32_t c = (unsigned char)*p;
		if (c < 0x80) {
			buf_char(out, (char)(c >= 'A' && c <= 'Z' ? c + 32 : c));
			p++;
			continue;
		}
		size_t len = chars_next(p, end, &c);
		if (c == 0x130)
			buf_str(out, "i\xcc\x87");
		else if (c == 0x3a3)
			buf_str(out, is_final_sigma(s, p, end) ? "ς" : "σ");
		else
			metric_append_char(out, (uint32_t)utf8proc_tolower(c));
		p += len;
	}
}
