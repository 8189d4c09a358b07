/* pii.c - the scan, and what is done with the finds; see pii.h. */
#include "text/pii_priv.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

static const char *const names[N_PII] = {"email", "ip", "phone", "card", "iban", "key"};
static const char *const masks[N_PII] = {"[EMAIL]", "[IP]", "[PHONE]", "[CARD]", "[IBAN]", "[KEY]"};

const char *pii_name(enum pii_kind k)
{
	return names[k];
}

enum status pii_parse(const char *list, unsigned *kinds, struct error *err)
{
	*kinds = 0;
	for (const char *s = list; ; s++) {
		size_t n = strcspn(s, ",");
		int k = 0;
		while (k < N_PII && (strlen(names[k]) != n || memcmp(names[k], s, n) != 0))
			k++;
		if (k == N_PII)
			return error_set(err, ERR_USAGE, "no kind '%.*s' of personal data; there are email, ip, phone, card, iban, key",
					 (int)(n < 60 ? n : 60), s);
		*kinds |= 1u << k;
		s += n;
		if (!*s)
			return OK;
	}
}

/* --- the scan: the next of the bytes that a find starts at or holds: 0..9 : @ A J - _ -------------------- */

static bool stops(unsigned char c)
{
	return (c >= '0' && c <= ':') || c == '@' || c == 'A' || c == 'J' || c == '-' || c == '_';
}

static size_t next_plain(const char *s, size_t n, size_t i)
{
	while (i < n && !stops((unsigned char)s[i]))
		i++;
	return i;
}

#ifdef __x86_64__
__attribute__((target("avx2"))) static size_t next_avx2(const char *s, size_t n, size_t i)
{
	const __m256i before = _mm256_set1_epi8('0' - 1), behind = _mm256_set1_epi8(':' + 1), at = _mm256_set1_epi8('@'), a = _mm256_set1_epi8('A'),
		      j = _mm256_set1_epi8('J'), dash = _mm256_set1_epi8('-'), low = _mm256_set1_epi8('_');
	for (; i + 32 <= n; i += 32) {
		__m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(s + i));
		__m256i hit = _mm256_and_si256(_mm256_cmpgt_epi8(v, before), _mm256_cmpgt_epi8(behind, v));
		hit = _mm256_or_si256(hit, _mm256_or_si256(_mm256_cmpeq_epi8(v, at), _mm256_cmpeq_epi8(v, a)));
		hit = _mm256_or_si256(hit, _mm256_or_si256(_mm256_cmpeq_epi8(v, j), _mm256_cmpeq_epi8(v, dash)));
		hit = _mm256_or_si256(hit, _mm256_cmpeq_epi8(v, low));
		unsigned mask = (unsigned)_mm256_movemask_epi8(hit);
		if (mask)
			return i + (unsigned)__builtin_ctz(mask);
	}
	return next_plain(s, n, i);
}
#endif

static size_t (*next_stop)(const char *s, size_t n, size_t i) = next_plain;

__attribute__((constructor)) static void choose_kernel(void)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx2"))
		next_stop = next_avx2;
#endif
}

/* What the byte may belong to, in the order in which the finders are asked. */
static size_t find(const char *s, size_t n, size_t from, size_t i, unsigned kinds, size_t *begin, enum pii_kind *kind)
{
	static const struct { enum pii_kind kind; pii_finder *find; } all[] = {
		{PII_EMAIL, pii_email}, {PII_KEY, pii_key}, {PII_IBAN, pii_iban}, {PII_IP, pii_ipv4}, {PII_CARD, pii_card}, {PII_PHONE, pii_phone},
		{PII_IP, pii_ipv6},
	};
	bool digit = pii_digit(s[i]);
	/* Inside a number only IPv6 has something to say, and it asks at the colons. */
	if (digit && i > from && pii_digit(s[i - 1]))
		return 0;
	for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++) {
		size_t end = kinds & 1u << all[k].kind ? all[k].find(s, n, from, i, begin) : 0;
		if (end) {
			*kind = all[k].kind;
			return end;
		}
	}
	return 0;
}

int64_t pii_scan(const char *s, size_t n, unsigned kinds, struct buf *out, int64_t count[N_PII])
{
	int64_t found = 0;
	size_t done = 0;             /* copied so far */
	for (size_t i = next_stop(s, n, 0); i < n; i = next_stop(s, n, i)) {
		size_t begin = i;
		enum pii_kind kind;
		size_t end = find(s, n, done, i, kinds, &begin, &kind);
		if (!end) {
			i++;
			continue;
		}
		if (out) {
			buf_add(out, s + done, begin - done);
			buf_str(out, masks[kind]);
		}
		count[kind]++;
		found++;
		done = i = end;
	}
	if (out)
		buf_add(out, s + done, n - done);
	return found;
}
