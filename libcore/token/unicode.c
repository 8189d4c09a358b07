#include "token/unicode.h"

#include "base/json_escape.h"
#include "base/marks.h"

#include <pthread.h>
#include <stdlib.h>
#include <utf8proc.h>

enum { FORM_ACTIVE = 1, FORM_TOO_NEW = 2 };  /* bits of a range above its classes: NFC may change it or by it; see unicode_is_too_new */

uint8_t unicode_near[UNICODE_NEAR];
static uint8_t form_near[UNICODE_NEAR];

static uint32_t range_start(size_t i)
{
	return unicode_ranges[i] >> 11;
}

/* The bits of a code point, by halving. */
static uint32_t look_up(uint32_t cp)
{
	size_t lo = 0, hi = unicode_n_ranges;

	while (hi - lo > 1) {
		size_t mid = (lo + hi) / 2;

		if (range_start(mid) <= cp)
			lo = mid;
		else
			hi = mid;
	}
	return unicode_ranges[lo] & 0x7ff;
}

uint8_t unicode_class_far(uint32_t cp)
{
	return (uint8_t)look_up(cp);
}

static void fill_tables(void)
{
	for (size_t i = 0; i < unicode_n_ranges && range_start(i) < UNICODE_NEAR; i++) {
		uint32_t from = range_start(i), to = range_start(i + 1) < UNICODE_NEAR ? range_start(i + 1) : UNICODE_NEAR;

		memset(unicode_near + from, (int)(unicode_ranges[i] & 0xff), to - from);
		memset(form_near + from, (int)(unicode_ranges[i] >> 8 & 7), to - from);
	}
}

void unicode_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, fill_tables);
}

static inline uint32_t form_of(uint32_t cp)
{
	return cp < UNICODE_NEAR ? form_near[cp] : look_up(cp) >> 8;
}

bool unicode_is_too_new(uint32_t cp)
{
	return form_of(cp) & FORM_TOO_NEW;
}

uint32_t unicode_lower(uint32_t cp)
{
	for (size_t i = 0; i < unicode_n_lower_since_14 && cp >= unicode_lower_since_14[0][0]; i++)
		if (unicode_lower_since_14[i][0] == cp)
			return unicode_lower_since_14[i][1];
	return (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp);
}

int utf8_encode(uint32_t cp, char out[4])
{
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (char)(0xc0 | cp >> 6);
		out[1] = (char)(0x80 | (cp & 0x3f));
		return 2;
	}
	if (cp < 0x10000) {
		out[0] = (char)(0xe0 | cp >> 12);
		out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		out[2] = (char)(0x80 | (cp & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | cp >> 18);
	out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
	out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
	out[3] = (char)(0x80 | (cp & 0x3f));
	return 4;
}

/* Length of the well-formed sequence at p; if there is none, minus the length of the maximal subpart (at least 1), which
 * is what one U+FFFD stands for (Unicode 15, table 3-7 and section 3.9). */
static int sequence(const uint8_t *p, size_t n)
{
	uint8_t lo = 0x80, hi = 0xbf;
	int need;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return -1;
	need = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (p[0] == 0xe0)
		lo = 0xa0;
	else if (p[0] == 0xed)
		hi = 0x9f;
	else if (p[0] == 0xf0)
		lo = 0x90;
	else if (p[0] == 0xf4)
		hi = 0x8f;
	for (int k = 1; k < need; k++) {
		if ((size_t)k >= n || p[k] < lo || p[k] > hi)
			return -k;
		lo = 0x80;
		hi = 0xbf;
	}
	return need;
}

size_t utf8_valid_prefix(const char *s, size_t n)
{
	const uint8_t *p = (const uint8_t *)s;
	size_t i = 0;

	if (n >= 64 && utf8_valid(s, n))
		return n;
	while (i < n) {
		uint64_t w;
		int k;

		if (n - i >= 8) {
			memcpy(&w, p + i, 8);
			if (!(w & 0x8080808080808080u)) {
				i += 8;
				continue;
			}
		}
		k = sequence(p + i, n - i);
		if (k < 0)
			break;
		i += (size_t)k;
	}
	return i;
}

size_t utf8_incomplete_tail(const char *s, size_t n)
{
	const uint8_t *p = (const uint8_t *)s;

	for (size_t k = 1; k <= 3 && k <= n; k++)
		if ((p[n - k] & 0xc0) != 0x80)
			return p[n - k] >= 0xc2 && p[n - k] <= 0xf4 && sequence(p + n - k, k) == -(int)k ? k : 0;
	return 0;
}

void utf8_append_lossy(struct buf *out, const char *s, size_t n)
{
	size_t i = 0;

	while (i < n) {
		size_t good = utf8_valid_prefix(s + i, n - i);

		buf_add(out, s + i, good);
		i += good;
		if (i < n) {
			buf_add(out, "\xef\xbf\xbd", 3);
			i += (size_t)-sequence((const uint8_t *)s + i, n - i);
		}
	}
}

bool unicode_is_boundary(uint32_t cp, bool compat)
{
	utf8proc_int32_t c[32];
	int boundclass = UTF8PROC_BOUNDCLASS_START;
	const utf8proc_property_t *u;

	if (cp < 0x80 || unicode_is_too_new(cp))
		return true;
	if (utf8proc_decompose_char((utf8proc_int32_t)cp, c, 32, (utf8proc_option_t)(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | (compat ? UTF8PROC_COMPAT : 0)),
				    &boundclass) < 1)
		return true;
	cp = (uint32_t)c[0];
	u = utf8proc_get_property(c[0]);
	return !((cp >= 0x1161 && cp <= 0x1175) || (cp >= 0x11a8 && cp <= 0x11c2) || u->combining_class ||
		 (u->comb_index != UINT16_MAX && u->comb_index >= 0x8000));
}

/* A character that NFC leaves alone, whatever stands around it: no mark, in that form itself, and nothing that joins the one before it.
 * Text can be cut before it and normalized in parts. */
static inline bool inert(uint32_t cp)
{
	return !(form_of(cp) & FORM_ACTIVE);
}

/* The first character from i on that is not inert, n if all are; *before is the one before it, if that may join it. */
static size_t next_active(const uint8_t *p, size_t i, size_t n, size_t *before)
{
	int bytes;

	for (*before = i; i < n; i += (size_t)bytes) {
		uint64_t w;

		bytes = 1;
		if (n - i >= 8) {
			memcpy(&w, p + i, 8);
			if (!(w & 0x8080808080808080u)) {
				bytes = 8;
				*before = i + 7;
				continue;
			}
		}
		/* below U+0300 nothing composes or decomposes away */
		uint32_t form = p[i] >= 0xcc ? form_of(utf8_decode(p + i, &bytes)) : 0;
		if (form & FORM_ACTIVE)
			return i;
		if (p[i] >= 0x80 && p[i] < 0xcc)
			bytes = 2;
		*before = form & FORM_TOO_NEW ? i + (size_t)bytes : i;
	}
	return n;
}

static void normalize(const uint8_t *p, size_t n, struct buf *out)
{
	utf8proc_int32_t *cp = NULL;
	size_t len = 0, cap = 0;
	utf8proc_ssize_t composed;

	for (size_t i = 0; i < n;) {
		int bytes, boundclass = UTF8PROC_BOUNDCLASS_START;
		uint32_t c = utf8_decode(p + i, &bytes);

		if (len + 32 > cap) { /* a canonical decomposition has at most 4 code points */
			cap = cap ? cap * 2 : n + 32;
			cp = mem_grow(cp, cap, sizeof(*cp));
		}
		len += (size_t)utf8proc_decompose_char((utf8proc_int32_t)c, cp + len, 32, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE, &boundclass);
		i += (size_t)bytes;
	}
	marks_order(cp, len);
	composed = utf8proc_normalize_utf32(cp, (utf8proc_ssize_t)len, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
	for (utf8proc_ssize_t i = 0; i < composed; i++) {
		char u[4];

		buf_add(out, u, (size_t)utf8_encode((uint32_t)cp[i], u));
	}
	mem_free(cp);
}

bool unicode_nfc(const char *s, size_t n, struct buf *out)
{
	const uint8_t *p = (const uint8_t *)s;
	size_t done = 0, from, active = next_active(p, 0, n, &from);

	if (active == n)
		return false;
	buf_reserve(out, n);
	while (active < n) {
		size_t end = active, last = 0;
		int bytes;

		while (end < n && !inert(utf8_decode(p + end, &bytes)))
			end += (size_t)bytes;
		buf_add(out, p + done, from - done);
		normalize(p + from, end - from, out);
		done = end;
		active = next_active(p, end, n, &last);
		from = last;
	}
	buf_add(out, p + done, n - done);
	return true;
}
