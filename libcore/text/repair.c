/* repair.c - see repair.h. */
#include "text/repair.h"

#include "text/char_window.h"
#include "text/mojibake.h"
#include "text/normal_form.h"
#include "text/unicode.h"

#include <utf8proc.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define STEP_BYTES ((size_t)1 << 20)

/* --- normal form C, only around characters that may change ---------------------------------------- */

/* Whether all bytes are below the limit, which is at least 0x80. */
static bool is_plain(const char *s, size_t n, unsigned limit)
{
	size_t i = 0;
#ifdef __SSE2__
	const __m128i least = _mm_set1_epi8((char)limit);
	for (; i + 16 <= n; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(s + i));
		if (_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_max_epu8(v, least), v)))
			return false;
	}
#endif
	for (; i < n; i++)
		if ((unsigned char)s[i] >= limit)
			return false;
	return true;
}

static size_t character_before(const char *s, size_t least, size_t i)
{
	while (i > least && ((unsigned char)s[--i] & 0xc0) == 0x80)
		;
	return i;
}

static unsigned class_at(const char *s, int *len)
{
	return char_class(text_decode_valid(s, len));
}

/* Copies s[*done..to) for the last time, by the piece. */
static void copy_up(const char *s, size_t *done, size_t to, size_t *gone, struct buf *out)
{
	for (size_t n; *done < to; *done += n) {
		n = to - *done < STEP_BYTES ? to - *done : STEP_BYTES;
		buf_add(out, s + *done, n);
		mem_discard_behind(s, gone, *done);
	}
}

/* Appends s, which is not read again, in normal form C; false, and nothing, if no character of it changes. */
static bool append_nfc(const char *s, size_t n, struct buf *out)
{
	size_t done = 0, i = 0, gone = 0;    /* copied, looked at, and given back so far */
	int len;
	while ((i = char_window_find_unstable(s, n, i)) < n) {
		/* All that may change together: marks and the like, and the character before them. */
		size_t last = i;
		while (last > done && (last = character_before(s, done, last), class_at(s + last, &len) & (CHAR_UNSTABLE | CHAR_MARK)))
			;
		unsigned k, all = 0;
		size_t from = last;
		if (!(class_at(s + last, &len) & (CHAR_UNSTABLE | CHAR_MARK)))
			from += (size_t)len;
		for (i = from; i < n && ((k = class_at(s + i, &len)) & (CHAR_UNSTABLE | CHAR_MARK)); i += (size_t)len)
			all |= k;
		if (!(all & CHAR_UNSTABLE) && normal_form_ordered(s + from, i - from))
			continue;
		if (done == 0)
			buf_reserve(out, n);
		copy_up(s, &done, last, &gone, out);
		text_normalize(s + last, i - last, TEXT_NFC, out);
		done = i;
	}
	if (done)
		copy_up(s, &done, n, &gone, out);
	return done > 0;
}

/* Puts what stands in out from start on in its normal form. */
static void normalize(bool nfkc, struct buf *out, size_t start)
{
	struct buf whole = {0};
	bool found = nfkc;
	if (is_plain(out->data + start, out->len - start, nfkc ? 0x80 : 0xcc))
		return;
	if (nfkc)
		text_normalize(out->data + start, out->len - start, TEXT_NFKC, &whole);
	else
		found = append_nfc(out->data + start, out->len - start, &whole);
	if (found && start == 0) {
		struct buf swap = *out;
		*out = whole;
		whole = swap;
	} else if (found) {
		out->len = start;
		buf_add(out, whole.data, whole.len);
	}
	buf_release(&whole);
}

/* --- lines ------------------------------------------------------------------------------------ */

static bool is_hidden(uint32_t c)
{
	if (c < 0x20 || c == 0x7f)
		return c != '\n' && c != '\t';
	return (c > 0x7f && c < 0xa0) || c == 0x200b || c == 0x2060 || c == 0xfeff || c == 0xad;
}

static void trim_line_end(struct buf *out, size_t start)
{
	for (;;) {
		if (out->len > start && (out->data[out->len - 1] == ' ' || out->data[out->len - 1] == '\t'))
			out->len--;
		else if (out->len >= start + 2 && memcmp(out->data + out->len - 2, "\xc2\xa0", 2) == 0)
			out->len -= 2;       /* a no-break space is white space too */
		else
			return;
	}
}

/* Bytes that are copied without a look at their character: all but controls and the first bytes of characters that may go. */
static uint8_t copied[256];

__attribute__((constructor)) static void fill_copied(void)
{
	for (int c = 0; c < 256; c++)
		copied[c] = (c >= 0x20 && c != 0x7f && c != 0xc2 && c != 0xe2 && c != 0xef) || c == '\t';
}

/* The first byte from i on that is not copied; sixteen at a time, which also see that most characters that begin so stay: what goes begins with
 * C2 80 to C2 9F or C2 AD, with E2 80 or E2 81 and 8B, A0, A8 or A9, or with EF BB. */
static size_t skip_copied(const char *s, size_t n, size_t i)
{
#ifdef __SSE2__
#define IS(v, c) _mm_cmpeq_epi8(v, _mm_set1_epi8((char)(c)))
	const __m128i control = _mm_set1_epi8(0x1f), c1 = _mm_set1_epi8((char)0x9f);
	for (; i + 18 <= n; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(s + i)), next = _mm_loadu_si128((const __m128i *)(const void *)(s + i + 1));
		__m128i third = _mm_loadu_si128((const __m128i *)(const void *)(s + i + 2));
		__m128i low = _mm_andnot_si128(IS(v, '\t'), _mm_cmpeq_epi8(_mm_min_epu8(v, control), v));
		__m128i c2 = _mm_and_si128(IS(v, 0xc2), _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(next, c1), next), IS(next, 0xad)));
		__m128i spaces = _mm_or_si128(IS(third, 0x8b), _mm_or_si128(IS(third, 0xa8), _mm_or_si128(IS(third, 0xa9), IS(third, 0xa0))));
		__m128i e2 = _mm_and_si128(IS(v, 0xe2), _mm_and_si128(_mm_or_si128(IS(next, 0x80), IS(next, 0x81)), spaces));
		__m128i ef = _mm_and_si128(IS(v, 0xef), IS(next, 0xbb));
		__m128i lead = _mm_or_si128(_mm_or_si128(c2, e2), ef);
		unsigned stop = (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(low, lead), IS(v, 0x7f)));
		if (stop)
			return i + (size_t)__builtin_ctz(stop);
	}
#undef IS
#endif
	while (i < n && copied[(unsigned char)s[i]])
		i++;
	return i;
}

/* Whether a word broken by a hyphen goes on at s: then the hyphen at the end of out and the line feed go. */
static bool goes_on(const struct buf *out, size_t start, const char *s, size_t n)
{
	int len;
	if (n == 0 || out->len < start + 2 || out->data[out->len - 1] != '-' || (unsigned char)out->data[out->len - 2] <= ' ')
		return false;
	size_t at = out->len - 2;
	while (at > start && ((unsigned char)out->data[at] & 0xc0) == 0x80)
		at--;
	uint32_t c = text_decode(s, n, &len);
	return text_is_alpha(text_decode(out->data + at, out->len - at, &len)) && text_is_alpha(c) &&
	       (uint32_t)utf8proc_toupper((utf8proc_int32_t)c) != c;
}

struct lines {
	struct buf *out;
	int feeds;                   /* line feeds just written; 2 at the start, so that none come first */
	size_t start, first;         /* of the current line, and of all, in out */
};

/* Repairs s[i..to) and what belongs to its last character; returns where to go on. */
static size_t repair_some(struct lines *l, const char *s, size_t n, size_t i, size_t to, bool hyphens)
{
	struct buf *out = l->out;
	while (i < to) {
		size_t run = skip_copied(s, to, i);
		buf_add(out, s + i, run - i);
		i = run;
		if (i == to)
			break;
		int len;
		uint32_t c = text_decode(s + i, n - i, &len);
		if (c == '\r' || c == '\n' || c == 0x85 || c == 0x2028 || c == 0x2029) {
			i += c == '\r' && i + 1 < n && s[i + 1] == '\n' ? 2 : (size_t)len;
			trim_line_end(out, l->start);
			if (hyphens && goes_on(out, l->start, s + i, n - i)) {
				out->len--;
				continue;
			}
			if (out->len > l->start)
				l->feeds = 0;
			if (l->feeds < 2) {
				buf_char(out, '\n');
				l->feeds++;
			}
			l->start = out->len;
			continue;
		}
		if (c == 0xfffd && len == 1)
			buf_add(out, "\xef\xbf\xbd", 3);
		else if (c == 0xad && hyphens && i + 2 < n && (s[i + 2] == '\n' || s[i + 2] == '\r'))
			buf_char(out, '-');          /* seen at its line's end it is a hyphen */
		else if (!is_hidden(c))
			buf_add(out, s + i, (size_t)len);
		i += (size_t)len;
	}
	return i;
}

static void repair_lines(const char *s, size_t n, bool hyphens, bool consume, struct buf *out)
{
	struct lines l = {.out = out, .feeds = 2, .start = out->len, .first = out->len};
	size_t gone = 0;
	for (size_t i = 0; i < n;) {
		size_t to = n - i < STEP_BYTES ? n : i + STEP_BYTES;
		while (to < n && ((unsigned char)s[to] & 0xc0) == 0x80)
			to++;
		i = repair_some(&l, s, n, i, to, hyphens);
		if (consume)
			mem_discard_behind(s, &gone, i);
	}
	trim_line_end(out, l.start);
	while (out->len > l.first && out->data[out->len - 1] == '\n')
		out->len--;
	buf_reserve(out, 0);
	out->data[out->len] = 0;
}

bool text_repair_as(const struct repair *how, const char *s, size_t n, struct buf *out)
{
	struct buf told = {0};
	size_t start = out->len;
	bool read_back = how->mojibake && mojibake_repair(s, n, how->consume, &told);
	const char *from = read_back ? told.data : s;
	size_t len = read_back ? told.len : n;
	buf_reserve(out, len + 1);
	repair_lines(from, len, how->hyphens, read_back || how->consume, out);
	buf_release(&told);
	normalize(how->nfkc, out, start);
	return how->consume || out->len - start != n || memcmp(out->data + start, s, n) != 0;
}

void text_repair(const char *s, size_t n, struct buf *out)
{
	static const struct repair plain;
	text_repair_as(&plain, s, n, out);
}
