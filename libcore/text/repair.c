/* repair.c - see repair.h. */
#include "text/repair.h"

#include "text/mojibake.h"
#include "text/normal_form.h"
#include "text/unicode.h"

#include <pthread.h>
#include <stdlib.h>
#include <utf8proc.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* --- normal form C, only around characters that may change ---------------------------------------- */

static uint8_t unstable[65536 / 8];
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Whether the character may change, or change with the one before it, by NFC. */
static bool may_change(uint32_t c)
{
	const utf8proc_property_t *p = utf8proc_get_property((utf8proc_int32_t)c);
	if (p->combining_class || (p->comb_index != UINT16_MAX && (p->comb_index & 0x8000)))
		return true;
	if ((c >= 0x1160 && c < 0x1200) || (c >= 0xd7b0 && c < 0xd800))
		return true;                 /* vowels and finals of Korean syllables */
	if (p->decomp_seqindex == UINT16_MAX || p->decomp_type != 0 || (c >= 0xac00 && c < 0xd7a4))
		return false;
	utf8proc_uint8_t s[5] = {0}, *nfc = NULL;
	utf8proc_ssize_t n = utf8proc_encode_char((utf8proc_int32_t)c, s);
	bool same = utf8proc_map(s, n, &nfc, UTF8PROC_STABLE | UTF8PROC_COMPOSE) == n && memcmp(nfc, s, (size_t)n) == 0;
	free(nfc);
	return !same;
}

static void fill_unstable(void)
{
	for (uint32_t c = 0x300; c < 65536; c++)
		if ((c < 0xd800 || c > 0xdfff) && may_change(c))
			unstable[c / 8] |= (uint8_t)(1u << c % 8);
}

static bool is_unstable(uint32_t c)
{
	return c >= 0x300 && (c < 65536 ? unstable[c / 8] >> c % 8 & 1 : may_change(c));
}

/* Whether all bytes are below the limit, which is at least 0x80. */
static bool is_plain(const char *s, size_t n, unsigned limit)
{
	for (size_t i = 0; (i = text_ascii_end(s, n, i)) < n; i++)
		if ((unsigned char)s[i] >= limit)
			return false;
	return true;
}

/* Appends s in normal form C; false, and nothing, if no character of it may change. */
static bool append_nfc(const char *s, size_t n, struct buf *out)
{
	size_t done = 0, last = 0;           /* copied so far; where the character before this one starts */
	bool found = false;
	pthread_once(&once, fill_unstable);
	for (size_t i = 0; i < n;) {
		int len;
		if ((unsigned char)s[i] < 0x80) {
			i = text_ascii_end(s, n, i);
			last = i - 1;
			continue;
		}
		if ((unsigned char)s[i] < 0xcc) {    /* below U+0300 all is stable */
			last = i;
			i += 2;
			continue;
		}
		uint32_t c = text_decode_valid(s + i, &len);
		if (!is_unstable(c)) {
			last = i;
			i += (size_t)len;
			continue;
		}
		while (i < n && is_unstable(text_decode_valid(s + i, &len)))
			i += (size_t)len;
		if (!found)
			buf_reserve(out, n);
		found = true;
		buf_add(out, s + done, last - done);
		text_normalize(s + last, i - last, TEXT_NFC, out);
		done = last = i;
	}
	if (found)
		buf_add(out, s + done, n - done);
	return found;
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
	if (found) {
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

/* The first byte from i on that is not copied; sixteen at a time. */
static size_t skip_copied(const char *s, size_t n, size_t i)
{
#ifdef __SSE2__
	const __m128i control = _mm_set1_epi8(0x1f), tab = _mm_set1_epi8('\t'), del = _mm_set1_epi8(0x7f), c2 = _mm_set1_epi8((char)0xc2),
		      e2 = _mm_set1_epi8((char)0xe2), ef = _mm_set1_epi8((char)0xef);
	for (; i + 16 <= n; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(s + i));
		__m128i low = _mm_andnot_si128(_mm_cmpeq_epi8(v, tab), _mm_cmpeq_epi8(_mm_min_epu8(v, control), v));
		__m128i lead = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, c2), _mm_cmpeq_epi8(v, e2)), _mm_cmpeq_epi8(v, ef));
		unsigned stop = (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(low, lead), _mm_cmpeq_epi8(v, del)));
		if (stop)
			return i + (size_t)__builtin_ctz(stop);
	}
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

static void repair_lines(const char *s, size_t n, bool hyphens, struct buf *out)
{
	int feeds = 2;                       /* line feeds just written; 2 at the start, so that none come first */
	size_t start = out->len, first = start; /* of the current line */
	for (size_t i = 0; i < n;) {
		size_t run = skip_copied(s, n, i);
		buf_add(out, s + i, run - i);
		i = run;
		if (i == n)
			break;
		int len;
		uint32_t c = text_decode(s + i, n - i, &len);
		if (c == '\r' || c == '\n' || c == 0x85 || c == 0x2028 || c == 0x2029) {
			i += c == '\r' && i + 1 < n && s[i + 1] == '\n' ? 2 : (size_t)len;
			trim_line_end(out, start);
			if (hyphens && goes_on(out, start, s + i, n - i)) {
				out->len--;
				continue;
			}
			if (out->len > start)
				feeds = 0;
			if (feeds < 2) {
				buf_char(out, '\n');
				feeds++;
			}
			start = out->len;
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
	trim_line_end(out, start);
	while (out->len > first && out->data[out->len - 1] == '\n')
		out->len--;
	buf_reserve(out, 0);
	out->data[out->len] = 0;
}

bool text_repair_as(const struct repair *how, const char *s, size_t n, struct buf *out)
{
	struct buf told = {0};
	size_t start = out->len;
	bool read_back = how->mojibake && mojibake_repair(s, n, &told);
	buf_reserve(out, (read_back ? told.len : n) + 1);
	repair_lines(read_back ? told.data : s, read_back ? told.len : n, how->hyphens, out);
	buf_release(&told);
	normalize(how->nfkc, out, start);
	return out->len - start != n || memcmp(out->data + start, s, n) != 0;
}

void text_repair(const char *s, size_t n, struct buf *out)
{
	static const struct repair plain;
	text_repair_as(&plain, s, n, out);
}
