/* char_window.c - see char_window.h. */
#include "text/char_window.h"

bool char_window_wide;

bool char_window_force(const char *isa)
{
	bool there = false;
#ifdef __x86_64__
	there = __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi") &&
		__builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("lzcnt") && __builtin_cpu_supports("popcnt");
#endif
	char_window_wide = there && (!isa || strcmp(isa, "avx512") == 0);
	return !isa || strcmp(isa, "plain") == 0 || char_window_wide;
}

/* Before main, so that threads only read it. */
__attribute__((constructor)) static void choose(void)
{
	char_window_force(NULL);
}

#define EIGHT(c) ((uint64_t)(c) * 0x0101010101010101u)

/* Of eight ASCII bytes, 0x80 where one is at least lo and at most hi. */
static uint64_t in_range(uint64_t v, unsigned lo, unsigned hi)
{
	return (v + EIGHT(0x80 - lo)) & ~(v + EIGHT(0x7f - hi)) & EIGHT(0x80);
}

static int64_t marked(uint64_t bytes)
{
	return (int64_t)((bytes >> 7) * EIGHT(1) >> 56);
}

static struct char_counts count_plain(const char *s, size_t n)
{
	struct char_counts c = {0, 0};
	for (size_t i = 0; i < n;) {
		uint64_t v;
		if (i + 8 <= n && (memcpy(&v, s + i, 8), (v & EIGHT(0x80)) == 0)) {
			uint64_t space = in_range(v, ' ', ' ') | in_range(v, 9, 13) | in_range(v, 0x1c, 0x1f);
			c.letters += marked(in_range(v | EIGHT(0x20), 'a', 'z'));
			c.solid += 8 - marked(space);
			i += 8;
			continue;
		}
		int len;
		unsigned k = char_class(text_decode_valid(s + i, &len));
		c.solid += !(k & CHAR_SPACE);
		c.letters += (k & (CHAR_SPACE | CHAR_ALPHA)) == CHAR_ALPHA;
		i += (size_t)len;
	}
	return c;
}

static size_t find_unstable_plain(const char *s, size_t n, size_t i)
{
	unsigned before = 0;
	while (i < n) {
		int len;
		if ((unsigned char)s[i] < 0x80) {
			i = text_ascii_end(s, n, i);
			before = 0;
			continue;
		}
		unsigned k = char_class(text_decode_valid(s + i, &len));
		if ((k & CHAR_UNSTABLE) || (k & before & CHAR_MARK))
			return i;
		before = k;
		i += (size_t)len;
	}
	return n;
}

#ifdef __x86_64__
void char_window_entries(const uint32_t c[16], uint32_t entry[16])
{
	for (int i = 0; i < 16; i++)
		entry[i] = char_class(c[i]);
}

CHAR_WINDOW_FN static struct char_counts count_avx512(const char *s, size_t n)
{
	struct char_counts c = {0, 0};
	for (size_t i = 0; i < n;) {
		struct char_window w = char_window_at(s + i, n - i);
		uint64_t spaces = CHAR_WINDOW_TEST(&w, CHAR_SPACE);
		c.solid += _mm_popcnt_u64(w.first & ~spaces);
		c.letters += _mm_popcnt_u64(CHAR_WINDOW_TEST(&w, CHAR_ALPHA) & ~spaces);
		i += w.bytes;
	}
	return c;
}

CHAR_WINDOW_FN static size_t find_unstable_avx512(const char *s, size_t n, size_t i)
{
	uint64_t carried = 0;        /* the last character of the window before is a mark */
	while (i < n) {
		struct char_window w = char_window_at(s + i, n - i);
		uint64_t found = CHAR_WINDOW_TEST(&w, CHAR_UNSTABLE), marks = CHAR_WINDOW_TEST(&w, CHAR_MARK);
		if (marks) {                 /* all their bytes */
			marks = _mm512_test_epi8_mask(char_window_spread(&w, w.class), _mm512_set1_epi8(CHAR_MARK));
			found |= marks & w.first & (marks << 1 | carried);
		}
		if (found)
			return i + (size_t)_tzcnt_u64(found);
		carried = marks >> (w.bytes - 1) & 1;
		i += w.bytes;
	}
	return n;
}
#endif

struct char_counts char_window_count(const char *s, size_t n)
{
#ifdef __x86_64__
	if (char_window_wide)
		return count_avx512(s, n);
#endif
	return count_plain(s, n);
}

size_t char_window_find_unstable(const char *s, size_t n, size_t i)
{
#ifdef __x86_64__
	if (char_window_wide)
		return find_unstable_avx512(s, n, i);
#endif
	return find_unstable_plain(s, n, i);
}
