/* sha1.c - see sha1.h. */
#include "text/sha1.h"

#include <string.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

static uint32_t rotate(uint32_t x, int by)
{
	return x << by | x >> (32 - by);
}

static void block_plain(uint32_t h[5], const uint8_t *p)
{
	uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
	for (int i = 16; i < 80; i++)
		w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	for (int i = 0; i < 80; i++) {
		uint32_t f = i < 20 ? (b & c) | (~b & d) : i < 40 ? b ^ c ^ d : i < 60 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d;
		uint32_t k = i < 20 ? 0x5a827999 : i < 40 ? 0x6ed9eba1 : i < 60 ? 0x8f1bbcdc : 0xca62c1d6;
		uint32_t t = rotate(a, 5) + f + e + k + w[i];
		e = d;
		d = c;
		c = rotate(b, 30);
		b = a;
		a = t;
	}
	h[0] += a;
	h[1] += b;
	h[2] += c;
	h[3] += d;
	h[4] += e;
}

#ifdef __x86_64__
#define SHA __attribute__((target("sha,ssse3,sse4.1")))

struct state {
	__m128i abcd, e, w[4];       /* e in the highest word; the last sixteen words of the schedule */
};

static inline SHA __attribute__((always_inline)) void begin(struct state *s, const uint32_t h[5], const uint8_t *p)
{
	const __m128i order = _mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f);
	s->abcd = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)h), 0x1b);
	s->e = _mm_set_epi32((int)h[4], 0, 0, 0);
	for (int i = 0; i < 4; i++)
		s->w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(p + 16 * i)), order);
}

/* Rounds 4 * i to 4 * i + 3; what becomes of words 4 * i of the schedule is used four steps on. */
static inline SHA __attribute__((always_inline)) void four_rounds(struct state *s, int i)
{
	const __m128i before = s->abcd;
	__m128i *w = &s->w[i % 4];
	if (i >= 4) {
		__m128i x = _mm_sha1msg1_epu32(*w, s->w[(i + 1) % 4]);
		*w = _mm_sha1msg2_epu32(_mm_xor_si128(x, s->w[(i + 2) % 4]), s->w[(i + 3) % 4]);
	}
	__m128i e = i ? _mm_sha1nexte_epu32(s->e, *w) : _mm_add_epi32(s->e, *w);
	s->abcd = i < 5 ? _mm_sha1rnds4_epu32(s->abcd, e, 0) : i < 10 ? _mm_sha1rnds4_epu32(s->abcd, e, 1)
		: i < 15 ? _mm_sha1rnds4_epu32(s->abcd, e, 2) : _mm_sha1rnds4_epu32(s->abcd, e, 3);
	s->e = before;
}

static inline SHA __attribute__((always_inline)) void end(const struct state *s, uint32_t h[5])
{
	__m128i abcd = _mm_add_epi32(_mm_shuffle_epi32(s->abcd, 0x1b), _mm_loadu_si128((const __m128i *)h));
	__m128i e = _mm_sha1nexte_epu32(s->e, _mm_set_epi32((int)h[4], 0, 0, 0));
	_mm_storeu_si128((__m128i *)h, abcd);
	h[4] = (uint32_t)_mm_extract_epi32(e, 3);
}

static SHA void block_sha(uint32_t h[5], const uint8_t *p)
{
	struct state s;
	begin(&s, h, p);
#pragma GCC unroll 20
	for (int i = 0; i < 20; i++)
		four_rounds(&s, i);
	end(&s, h);
}

/* Of two texts: the rounds of one wait for each other, those of the other do not. */
static SHA void two_blocks(uint32_t h[2][5], const uint8_t p[2][64])
{
	struct state s, t;
	begin(&s, h[0], p[0]);
	begin(&t, h[1], p[1]);
#pragma GCC unroll 20
	for (int i = 0; i < 20; i++) {
		four_rounds(&s, i);
		four_rounds(&t, i);
	}
	end(&s, h[0]);
	end(&t, h[1]);
}
#endif

static void (*block)(uint32_t h[5], const uint8_t *p) = block_plain;

bool sha1_force_kernel(const char *name)
{
#ifdef __x86_64__
	unsigned a, b = 0, c, d;
	__asm__("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(7), "c"(0));
	if ((!name || strcmp(name, "sha") == 0) && b >> 29 & 1 && __builtin_cpu_supports("sse4.1")) {
		block = block_sha;
		return true;
	}
#endif
	if (name && strcmp(name, "plain") != 0)
		return false;
	block = block_plain;
	return true;
}

/* Before main, so that threads only read it. */
__attribute__((constructor)) static void choose_kernel(void)
{
	sha1_force_kernel(NULL);
}

static const uint32_t initial[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};

static uint64_t digest(const uint32_t h[5])
{
	return (uint64_t)__builtin_bswap32(h[1]) << 32 | __builtin_bswap32(h[0]);
}

/* The last block or two, of `left` bytes of a text of n; returns how many. */
static size_t put_tail(uint8_t *tail, const uint8_t *s, size_t left, size_t n)
{
	size_t blocks = left < 56 ? 1 : 2;
	memset(tail, 0, blocks * 64);
	if (left)
		memcpy(tail, s, left);
	tail[left] = 0x80;
	for (int i = 0; i < 8; i++)
		tail[blocks * 64 - 1 - (size_t)i] = (uint8_t)((uint64_t)n * 8 >> (8 * i));
	return blocks;
}

uint64_t sha1_64(const void *p, size_t n)
{
	uint32_t h[5];
	const uint8_t *s = p;
	uint8_t tail[128];
	size_t left = n;
	memcpy(h, initial, sizeof(h));
	for (; left >= 64; left -= 64, s += 64)
		block(h, s);
	size_t blocks = put_tail(tail, s, left, n);
	for (size_t i = 0; i < blocks; i++)
		block(h, tail + 64 * i);
	return digest(h);
}

void sha1_64_pieces(const char *text, const size_t *unit, size_t units, size_t behind, size_t n, uint64_t *out)
{
	size_t i = 0;
#ifdef __x86_64__
	for (; block == block_sha && i + 2 <= n; i += 2) {
		size_t one = unit[i + units] - behind - unit[i], other = unit[i + 1 + units] - behind - unit[i + 1];
		uint32_t h[2][5];
		uint8_t p[2][64];
		if (one >= 56 || other >= 56) {
			out[i] = sha1_64(text + unit[i], one);
			out[i + 1] = sha1_64(text + unit[i + 1], other);
			continue;
		}
		memcpy(h[0], initial, sizeof(initial));
		memcpy(h[1], initial, sizeof(initial));
		put_tail(p[0], (const uint8_t *)text + unit[i], one, one);
		put_tail(p[1], (const uint8_t *)text + unit[i + 1], other, other);
		two_blocks(h, p);
		out[i] = digest(h[0]);
		out[i + 1] = digest(h[1]);
	}
#endif
	for (; i < n; i++)
		out[i] = sha1_64(text + unit[i], unit[i + units] - behind - unit[i]);
}
