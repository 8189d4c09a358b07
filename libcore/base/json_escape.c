/* json_escape.c - see json_escape.h. Bytes are stored as they are loaded, a vector at a time, and where one needs an escape the
 * store is taken up behind it: so text costs a load and a store, and a line feed one branch that is guessed wrong. */
#include "base/json_escape.h"

#include <stdio.h>
#include <utf8proc.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

#define ESCAPE_BYTES 6                        /* of the longest, \u001f */
#define VECTOR_BYTES 64

/* Copies from s[0..n) to out until a byte that needs an escape, and says how many those were. Up to VECTOR_BYTES behind the copied
 * ones may be written at out. */
typedef size_t copy_plain_fn(char *out, const char *s, size_t n);

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c != 0x7f && c != '"' && c != '\\';
}

static size_t copy_plain(char *out, const char *s, size_t n)
{
	size_t i = 0;
	for (; i < n && is_plain((unsigned char)s[i]); i++)
		out[i] = s[i];
	return i;
}

#ifdef __x86_64__
__attribute__((target("avx2"))) static size_t copy_avx2(char *out, const char *s, size_t n)
{
	const __m256i quote = _mm256_set1_epi8('"'), backslash = _mm256_set1_epi8('\\'), del = _mm256_set1_epi8(0x7f),
		      last = _mm256_set1_epi8(0x1f);
	size_t i = 0;
	for (; i + 32 <= n; i += 32) {
		__m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(s + i));
		__m256i hit = _mm256_or_si256(_mm256_or_si256(_mm256_cmpeq_epi8(v, quote), _mm256_cmpeq_epi8(v, backslash)),
					      _mm256_or_si256(_mm256_cmpeq_epi8(v, del), _mm256_cmpeq_epi8(_mm256_min_epu8(v, last), v)));
		unsigned mask = (unsigned)_mm256_movemask_epi8(hit);
		_mm256_storeu_si256((__m256i *)(void *)(out + i), v);
		if (mask)
			return i + (size_t)__builtin_ctz(mask);
	}
	return i + copy_plain(out + i, s + i, n - i);
}

__attribute__((target("avx512bw,bmi2"))) static size_t copy_avx512(char *out, const char *s, size_t n)
{
	const __m512i quote = _mm512_set1_epi8('"'), backslash = _mm512_set1_epi8('\\'), del = _mm512_set1_epi8(0x7f),
		      space = _mm512_set1_epi8(0x20);
	for (size_t i = 0;; i += 64) {
		size_t left = n - i;
		__mmask64 there = left >= 64 ? ~(__mmask64)0 : _bzhi_u64(~0ull, (unsigned)left);
		__m512i v = _mm512_maskz_loadu_epi8(there, s + i);
		__mmask64 hit = _mm512_cmpeq_epi8_mask(v, quote) | _mm512_cmpeq_epi8_mask(v, backslash) | _mm512_cmpeq_epi8_mask(v, del) |
				_mm512_cmplt_epu8_mask(v, space);
		hit &= there;
		_mm512_storeu_si512(out + i, v);
		if (hit)
			return i + (size_t)__builtin_ctzll(hit);
		if (left <= 64)
			return n;
	}
}
#endif

static copy_plain_fn *copy;

bool json_escape_force(const char *isa)
{
	struct { const char *name; copy_plain_fn *fn; bool there; } all[] = {
#ifdef __x86_64__
		{"avx512", copy_avx512, __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("bmi2")},
		{"avx2", copy_avx2, __builtin_cpu_supports("avx2")},
#endif
		{"plain", copy_plain, true},
	};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i].there && (!isa || strcmp(isa, all[i].name) == 0)) {
			copy = all[i].fn;
			return true;
		}
	return false;
}

/* Before main, so that threads only read it. */
__attribute__((constructor)) static void choose(void)
{
	json_escape_force(NULL);
}

static size_t put_escape(char *out, unsigned char c)
{
	static const char hex[] = "0123456789abcdef", letters[] = "btnvfr";
	out[0] = '\\';
	if (c == '"' || c == '\\' || (c >= '\b' && c <= '\r' && c != '\v')) {
		out[1] = c < 0x20 ? letters[c - '\b'] : (char)c;
		return 2;
	}
	memcpy(out + 1, "u00", 3);
	out[4] = hex[c >> 4];
	out[5] = hex[c & 15];
	return ESCAPE_BYTES;
}

static void escape_valid(struct buf *out, const char *s, size_t n)
{
	for (size_t i = 0;;) {
		buf_reserve(out, n - i + ESCAPE_BYTES + VECTOR_BYTES);
		/* as long as escapes fit beside what is still to come */
		while (out->cap - out->len > n - i + ESCAPE_BYTES + VECTOR_BYTES) {
			size_t k = copy(out->data + out->len, s + i, n - i);
			out->len += k;
			i += k;
			if (i == n) {
				out->data[out->len] = 0;
				return;
			}
			out->len += put_escape(out->data + out->len, (unsigned char)s[i++]);
		}
	}
}

void json_escape(struct buf *out, const char *s, size_t n)
{
	if (utf8_valid(s, n)) {
		escape_valid(out, s, n);
		return;
	}
	for (size_t i = 0; i < n;) {
		utf8proc_int32_t cp;
		utf8proc_ssize_t k = utf8proc_iterate((const utf8proc_uint8_t *)s + i, (utf8proc_ssize_t)(n - i), &cp);
		if (k > 0)
			escape_valid(out, s + i, (size_t)k);
		else
			buf_str(out, "\xef\xbf\xbd");
		i += k > 0 ? (size_t)k : 1;
	}
}

void json_decimal(struct buf *out, uint64_t v, bool negative)
{
	static const char pairs[] = "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
				    "5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";
	char s[24], *p = s + sizeof(s);
	for (; v >= 100; v /= 100)
		memcpy(p -= 2, pairs + v % 100 * 2, 2);
	if (v >= 10)
		memcpy(p -= 2, pairs + v * 2, 2);
	else
		*--p = (char)('0' + v);
	if (negative)
		*--p = '-';
	buf_add(out, p, (size_t)(s + sizeof(s) - p));
}
