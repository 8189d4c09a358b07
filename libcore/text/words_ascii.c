/* words_ascii.c - see words_ascii.h. */
#include "text/words_ascii.h"

#include "text/words_put.h"

typedef size_t words_ascii_fn(const char *s, size_t n, size_t i, int64_t most, struct spans *words);

static size_t split_plain(const char *s, size_t n, size_t i, int64_t most, struct spans *words)
{
	(void)s, (void)n, (void)most, (void)words;
	return i;
}

#ifdef __x86_64__
/* What 64 bytes are, a bit each. */
struct classes {
	uint64_t letter, digit, joiner, mid_letter, mid_number, space, high;
};

struct segments {
	uint64_t start, run;         /* first bytes of words; bytes of runs */
	unsigned end;                /* the words before this byte are whole */
};

/* The segments of 64 bytes that begin with one. A run may go on with what stands behind its end and one more byte. */
static inline __attribute__((always_inline)) struct segments find_segments(const struct classes *c)
{
	const uint64_t between_letters = c->letter << 1 & c->letter >> 1, between_digits = c->digit << 1 & c->digit >> 1;
	const uint64_t run = c->letter | c->digit | c->joiner | (c->mid_letter & between_letters) | (c->mid_number & between_digits);
	uint64_t known = c->high ? (c->high & -c->high) - 1 : ~0ull;      /* the bytes before the first that is not ASCII */
	uint64_t ends = ~(run & run << 1) & known >> 1;                   /* segments may end before these bytes */
	unsigned end = ends ? 63 - (unsigned)__builtin_clzll(ends) : 0;
	return (struct segments){((run & ~(run << 1)) | ~(run | c->space)) & ((1ull << end) - 1), run, end};
}

#define IN_RANGE_256(v, lo, hi) _mm256_cmpeq_epi8(_mm256_min_epu8(_mm256_sub_epi8(v, _mm256_set1_epi8(lo)), _mm256_set1_epi8((hi) - (lo))), \
						  _mm256_sub_epi8(v, _mm256_set1_epi8(lo)))
#define IS_256(v, c) _mm256_cmpeq_epi8(v, _mm256_set1_epi8(c))
#define BITS_256(v) ((uint64_t)(uint32_t)_mm256_movemask_epi8(v))

__attribute__((target("avx2,bmi,bmi2"))) static void classify_avx2(const char *s, struct classes *c)
{
	*c = (struct classes){0};
	for (int half = 0; half < 64; half += 32) {
		__m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(s + half)), low = _mm256_or_si256(v, _mm256_set1_epi8(0x20));
		__m256i both = _mm256_or_si256(IS_256(v, '.'), IS_256(v, '\''));
		c->letter |= BITS_256(IN_RANGE_256(low, 'a', 'z')) << half;
		c->digit |= BITS_256(IN_RANGE_256(v, '0', '9')) << half;
		c->joiner |= BITS_256(IS_256(v, '_')) << half;
		c->mid_letter |= BITS_256(_mm256_or_si256(both, IS_256(v, ':'))) << half;
		c->mid_number |= BITS_256(_mm256_or_si256(both, _mm256_or_si256(IS_256(v, ','), IS_256(v, ';')))) << half;
		c->space |= BITS_256(_mm256_or_si256(IN_RANGE_256(v, 9, 13), IN_RANGE_256(v, 0x1c, 0x20))) << half;
		c->high |= BITS_256(v) << half;
	}
}

__attribute__((target("avx2,bmi,bmi2"))) static size_t split_avx2(const char *s, size_t n, size_t i, int64_t most, struct spans *words)
{
	while (n - i >= 64 && words->n < most) {
		struct classes c;
		classify_avx2(s + i, &c);
		struct segments g = find_segments(&c);
		if (g.end == 0)
			break;
		words_room(words);
		struct span *out = words->v + words->n;
		for (uint64_t left = g.start; left; left &= left - 1) {
			unsigned at = (unsigned)__builtin_ctzll(left), len = (unsigned)_tzcnt_u64(~(g.run >> at));
			*out++ = (struct span){(uint32_t)(i + at), len + !len};
		}
		words->n = out - words->v;
		i += g.end;
	}
	return i;
}

#define IN_RANGE_512(v, lo, hi) _mm512_cmple_epu8_mask(_mm512_sub_epi8(v, _mm512_set1_epi8(lo)), _mm512_set1_epi8((hi) - (lo)))
#define IS_512(v, c) _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(c))

__attribute__((target(WORDS_PUT_TARGET))) static size_t split_avx512(const char *s, size_t n, size_t i, int64_t most, struct spans *words)
{
	while (n - i >= 64 && words->n < most) {
		__m512i v = _mm512_loadu_si512(s + i);
		uint64_t both = IS_512(v, '.') | IS_512(v, '\'');
		struct classes c = {
			.letter = IN_RANGE_512(_mm512_or_si512(v, _mm512_set1_epi8(0x20)), 'a', 'z'), .digit = IN_RANGE_512(v, '0', '9'),
			.joiner = IS_512(v, '_'), .mid_letter = both | IS_512(v, ':'), .mid_number = both | IS_512(v, ',') | IS_512(v, ';'),
			.space = IN_RANGE_512(v, 9, 13) | IN_RANGE_512(v, 0x1c, 0x20), .high = _mm512_movepi8_mask(v),
		};
		struct segments g = find_segments(&c);
		if (g.end == 0)
			break;
		words_put(words, i, g.start, (~g.run & g.run << 1) | (g.start & ~g.run) << 1);
		i += g.end;
	}
	return i;
}
#endif

static words_ascii_fn *split;

bool words_ascii_force(const char *isa)
{
	struct { const char *name; words_ascii_fn *fn; bool there; } all[] = {
#ifdef __x86_64__
		{"avx512", split_avx512, __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi2") &&
		 __builtin_cpu_supports("bmi2")},
		{"avx2", split_avx2, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")},
#endif
		{"plain", split_plain, true},
	};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i].there && (!isa || strcmp(isa, all[i].name) == 0)) {
			split = all[i].fn;
			return true;
		}
	return false;
}

/* Before main, so that threads only read it. */
__attribute__((constructor)) static void choose(void)
{
	words_ascii_force(NULL);
}

size_t words_ascii(const char *s, size_t n, size_t i, int64_t most, struct spans *words)
{
	return split(s, n, i, most, words);
}
