/* fold.c - see fold.h. */
#include "text/fold.h"

#include "text/normal_form.h"
#include "text/punctuation.h"
#include "text/unicode.h"

#include <stdlib.h>
#include <utf8proc.h>

enum status fold_parse(const char *words, unsigned *folds, struct error *err)
{
	static const struct { const char *word; unsigned bits; } known[] = {
		{"none", 0}, {"case", FOLD_CASE}, {"space", FOLD_SPACE}, {"punctuation", FOLD_PUNCTUATION}, {"digits", FOLD_DIGITS},
		{"form", FOLD_FORM}, {"all", FOLD_CASE | FOLD_SPACE | FOLD_PUNCTUATION | FOLD_DIGITS | FOLD_FORM},
	};
	*folds = 0;
	for (const char *at = words;; at++) {
		size_t n = strcspn(at, ","), i = 0;
		while (i < 7 && (strlen(known[i].word) != n || memcmp(known[i].word, at, n) != 0))
			i++;
		if (i == 7)
			return error_set(err, ERR_USAGE, "'%.*s' is none of none, case, space, punctuation, digits, form, all", (int)n, at);
		*folds |= known[i].bits;
		at += n;
		if (!*at)
			return OK;
	}
}

enum class { PLAIN, SPACE, DIGIT, GONE };

/* The keys of UNICODE_PUNCT in cc_net/text_normalizer.py, in order, and C0 and C1. */
static bool gone_for_ccnet(uint32_t c)
{
	static const uint16_t punctuation[] = {
		0xab, 0xb4, 0xbb, 0x2013, 0x2014, 0x2019, 0x201c, 0x201d, 0x201e, 0x2026, 0x2236, 0x2501, 0x25ba, 0x3001, 0x3002, 0x3008, 0x3009,
		0x300a, 0x300b, 0x300c, 0x300d, 0x3010, 0x3011, 0xff01, 0xff05, 0xff08, 0xff09, 0xff0c, 0xff0e, 0xff11, 0xff1a, 0xff1b, 0xff1f,
		0xff5e,
	};
	if (c < 0x20 || (c >= 0x7f && c < 0xa0))
		return true;
	for (size_t i = 0; i < sizeof(punctuation) / sizeof(punctuation[0]); i++)
		if (c == punctuation[i])
			return true;
	return false;
}

/* What becomes of a character: its class, and in *c itself as it is put out. */
static enum class classify(uint32_t *c, unsigned folds)
{
	if ((folds & (FOLD_DIGITS | FOLD_EACH_DIGIT)) &&
	    (*c < 0x80 ? *c >= '0' && *c <= '9' : utf8proc_category((utf8proc_int32_t)*c) == UTF8PROC_CATEGORY_ND))
		return DIGIT;
	if ((folds & FOLD_CCNET) && gone_for_ccnet(*c))
		return GONE;
	if ((folds & FOLD_SPACE) && text_is_space(*c))
		return SPACE;
	if ((folds & FOLD_PUNCTUATION) && punctuation_has(*c)) {
		*c = ' ';
		return folds & FOLD_SPACE ? SPACE : PLAIN;
	}
	if (folds & FOLD_CASE)
		*c = *c < 0x80 ? *c | (*c >= 'A' && *c <= 'Z' ? 0x20 : 0) : (uint32_t)utf8proc_tolower((utf8proc_int32_t)*c);
	return PLAIN;
}

static void fold_characters(const char *s, size_t n, unsigned folds, struct buf *out)
{
	unsigned char as[128], class[128];
	for (uint32_t c = 0; c < 128; c++) {
		uint32_t to = c;
		class[c] = (unsigned char)classify(&to, folds);
		as[c] = (unsigned char)to;
	}
	/* Nothing grows but by a lower case of more bytes, which has room for all: U+0130 has no other, U+023A takes 3 bytes for 2. */
	buf_reserve(out, n + n / 2);
	char *to = out->data + out->len, *start = to;
	bool space = false, digits = false;
	for (size_t i = 0; i < n;) {
		int len = 1;
		uint32_t c = (unsigned char)s[i];
		unsigned k;
		if (c < 0x80) {
			k = class[c];
			c = as[c];
		} else {
			c = text_decode(s + i, n - i, &len);
			k = c == 0xfffd && len == 1 ? PLAIN : classify(&c, folds);
		}
		if (k == SPACE) {
			space = to > start;
		} else if (k == PLAIN || (k == DIGIT && (!digits || space || (folds & FOLD_EACH_DIGIT)))) {
			if (space)
				*to++ = ' ';
			space = false;
			if (k == DIGIT)
				*to++ = '0';
			else if (c < 0x80 || (c == 0xfffd && len == 1))
				*to++ = c < 0x80 ? (char)c : s[i];
			else
				to += utf8proc_encode_char((utf8proc_int32_t)c, (utf8proc_uint8_t *)to);
		}
		digits = k == DIGIT;
		i += (size_t)len;
	}
	out->len += (size_t)(to - start);
	*to = 0;
}

/* All below U+0300 is in NFC already, and valid UTF-8 below 0xcc. */
static bool needs_form(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] >= 0xcc)
			return true;
	return false;
}

void text_fold(const char *s, size_t n, unsigned folds, struct buf *out)
{
	struct buf nfc = {0};
	if (folds & FOLD_ENDS) {
		struct span inner = text_strip(s, n);
		s += inner.from;
		n = inner.len;
	}
	if ((folds & FOLD_FORM) && needs_form(s, n)) {
		text_normalize(s, n, TEXT_NFC, &nfc);
		s = nfc.data;
		n = nfc.len;
	}
	fold_characters(s, n, folds, out);
	buf_release(&nfc);
}
