/* normal_form.c - see normal_form.h. */
#include "text/normal_form.h"

#include "base/marks.h"
#include "text/unicode.h"

#include <stdlib.h>

#include <utf8proc.h>

#define PART_BYTES 4096      /* normalized at once, if they may end there */
#define DECOMPOSED_MAX 32    /* code points that one becomes; U+FDFA has 18 */

/* A stretch that neither composes with what stands around it nor is sorted with it. */
static void normalize_part(const char *s, size_t n, enum text_form form, struct buf *out)
{
	utf8proc_option_t how = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | (form == TEXT_NFKC || form == TEXT_NFKD ? UTF8PROC_COMPAT : 0);
	utf8proc_int32_t *c = NULL;
	size_t len = 0, cap = 0;
	int bytes, unused = 0;
	for (size_t i = 0; i < n; i += (size_t)bytes) {
		uint32_t v = text_decode(s + i, n - i, &bytes);
		if (cap - len < DECOMPOSED_MAX) {
			cap = cap * 2 + n + DECOMPOSED_MAX;
			c = mem_grow(c, cap, sizeof(*c));
		}
		utf8proc_ssize_t made = utf8proc_decompose_char((utf8proc_int32_t)v, c + len, DECOMPOSED_MAX, how, &unused);
		if (made < 1 || made > DECOMPOSED_MAX)
			c[len] = (utf8proc_int32_t)v, made = 1;
		len += (size_t)made;
	}
	marks_order(c, len);
	if (form == TEXT_NFC || form == TEXT_NFKC)
		len = (size_t)utf8proc_normalize_utf32(c, (utf8proc_ssize_t)len, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
	for (size_t i = 0; i < len; i++)
		text_append_char(out, (uint32_t)c[i]);
	mem_free(c);
}

/* Whether nothing before the character may join or sort with it, in any form. */
static bool starts_anew(uint32_t c)
{
	const utf8proc_property_t *p = utf8proc_get_property((utf8proc_int32_t)c);
	bool second = p->comb_index != UINT16_MAX && (p->comb_index & 0x8000), korean = (c >= 0x1100 && c < 0x1200) || (c >= 0xa960 && c < 0xd800);
	return !p->combining_class && p->decomp_seqindex == UINT16_MAX && !second && !korean;
}

/* The end of a row of characters that are not ASCII; a long one is cut where a part may end. */
static size_t part_end(const char *s, size_t n, size_t i)
{
	size_t start = i;
	int len;
	for (; i < n && (unsigned char)s[i] >= 0x80; i += (size_t)len) {
		uint32_t c = text_decode(s + i, n - i, &len);
		if (i - start >= PART_BYTES && starts_anew(c))
			break;
	}
	return i;
}

void text_normalize(const char *s, size_t n, enum text_form form, struct buf *out)
{
	const unsigned char *p = (const unsigned char *)s;
	for (size_t i = 0, to; i < n; i = to) {
		to = text_ascii_end(s, n, i);
		to -= to > i && to < n;              /* marks may follow the last of them */
		buf_add(out, s + i, to - i);
		if ((i = to) == n)
			break;
		to = part_end(s, n, to + (p[to] < 0x80));
		normalize_part(s + i, to - i, form, out);
	}
}

bool normal_form_may_change(uint32_t c)
{
	const utf8proc_property_t *p = utf8proc_get_property((utf8proc_int32_t)c);
	if (c < 0x300 || (c >= 0xd800 && c < 0xe000))
		return false;
	if ((p->comb_index != UINT16_MAX && (p->comb_index & 0x8000)))
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

static int class_of_mark(uint32_t c)
{
	return utf8proc_get_property((utf8proc_int32_t)c)->combining_class;
}

bool normal_form_is_mark(uint32_t c)
{
	return c >= 0x300 && class_of_mark(c) > 0;
}

bool normal_form_ordered(const char *s, size_t n)
{
	int before = 0, len;
	for (size_t i = 0; i < n; i += (size_t)len) {
		int class = class_of_mark(text_decode_valid(s + i, &len));
		if (class < before)
			return false;
		before = class;
	}
	return true;
}
