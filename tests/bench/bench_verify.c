/* bench_verify.c - pairs of answer and completion judged per second on one core, and the slowest megabytes.
 *
 *   bench_verify               generated pairs: answers in the shares that GSM8K and MATH have them, at the end of a reasoned completion
 *   bench_verify FILE PROFILE  the pairs of FILE (answer NUL completion NUL ...): CPU seconds, and a verdict each (verify.py) */
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "judge/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PAIRS 4000

static double cpu_seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

struct pair {
	struct buf gold, text;
};

/* An answer and another way to write it: integers two of three times for MATH, always for GSM8K. */
static void make_answer(struct rng *r, bool math, struct buf *gold, struct buf *other)
{
	int a = (int)rng_below(r, 40) + 2, b = (int)rng_below(r, 30) + 3, c = (int)rng_below(r, 9) + 2;
	switch (math ? (int)rng_below(r, 100) : 0) {
	default: buf_printf(gold, "%d", a * 1000 + b); buf_printf(other, rng_below(r, 2) ? "%d,0%02d" : "%d0%02d", a, b); break;
	case 67 ... 78: buf_printf(gold, "\\frac{%d}{%d}", a, b); buf_printf(other, "\\dfrac{%d}{%d}", a * c, b * c); break;
	case 79 ... 84: buf_printf(gold, "%d\\sqrt{%d}", c, b); buf_printf(other, "\\sqrt{%d}", c * c * b); break;
	case 85 ... 87: buf_printf(gold, "%d\\pi", a); buf_printf(other, "\\pi \\cdot %d", a); break;
	case 88 ... 89: buf_printf(gold, "%d+%di", a, b); buf_printf(other, "%di + %d", b, a); break;
	case 90 ... 92: buf_printf(gold, "(%d,%d)", a, b); buf_printf(other, "\\left(%d, %d\\right)", a, b); break;
	case 93: buf_printf(gold, "(-\\infty,%d)\\cup(%d,\\infty)", c, a + 9); buf_printf(other, "(%d,\\infty) \\cup (-\\infty,%d)", a + 9, c); break;
	case 94: buf_printf(gold, "%d, %d, %d", c, a + 9, a + 80); buf_printf(other, "\\{%d, %d, %d\\}", a + 80, c, a + 9); break;
	case 95 ... 97: buf_printf(gold, "x^2+%dx+%d", a + b, a * b); buf_printf(other, "(x+%d)(x+%d)", a, b); break;
	case 98: buf_printf(gold, "y = %dx + %d", c, a); buf_printf(other, "%dx - y + %d = 0", c, a); break;
	case 99:
		buf_printf(gold, "\\begin{pmatrix} %d \\\\ %d \\end{pmatrix}", a, b);
		buf_printf(other, "\\begin{bmatrix}%d\\\\%d\\end{bmatrix}", a, b);
	}
}

static void make_pair(struct rng *r, bool math, struct pair *p)
{
	struct buf other = { 0 };
	make_answer(r, math, &p->gold, &other);
	for (int i = 0; i < 8; i++)
		buf_printf(&p->text, "Step %d: adding $%d + %d = %d$ to what we have, so that the total becomes \\(%d\\) after the step.\n", i + 1,
			   i * 7, (int)rng_below(r, 90), i * 9, i * 11);
	buf_printf(&p->text, math ? "Therefore the answer is $\\boxed{%s}$." : "So she has %s in the end.\nThe answer is %s.", other.data, other.data);
	buf_release(&other);
}

static void rate(struct verifier *v, const char *label, bool math, enum verify_profile profile)
{
	static struct pair pairs[PAIRS];
	struct rng r = rng_open(11, (uint64_t)math);
	int64_t judged = 0, equal = 0;
	for (int i = 0; i < PAIRS; i++) {
		buf_clear(&pairs[i].gold);
		buf_clear(&pairs[i].text);
		make_pair(&r, math, &pairs[i]);
	}
	double start = cpu_seconds(), spent = 0;
	for (; spent < 1; spent = cpu_seconds() - start)
		for (int i = 0; i < PAIRS; i++, judged++) {
			const struct pair *p = &pairs[i];
			struct verify_input in = { p->gold.data, p->gold.len, p->text.data, p->text.len, profile };
			equal += verify(v, &in).verdict == VERDICT_EQUAL;
		}
	printf("%-24s %-12s %9.0f pairs/s  (%.2f %% equal)\n", label, verify_profile_name(profile), (double)judged / spent,
	       100.0 * (double)equal / (double)judged);
}

static void worst(struct verifier *v)
{
	static const char *const patterns[] = {
		"$", "$x$", "\\[", "\\(", " [", "\\boxed{", "\\boxed{1}", "{", "(", "answer: ", "final answer is ", "1 ", "1+", "1=", "9", "-", "\\", "####",
		"<answer>", "\\frac{", "\n", "a ",
	};
	double slowest = 0;
	const char *which = "";
	for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++)
		for (int profile = 0; profile < VERIFY_PROFILES; profile++) {
			struct buf text = { 0 };
			while (text.len < 1 << 20)
				buf_str(&text, patterns[i]);
			double best = 1e9;
			for (int k = 0; k < 3; k++) {
				double start = cpu_seconds();
				verify(v, &(struct verify_input){ "\\sqrt{2}", 8, text.data, text.len, (enum verify_profile)profile });
				double spent = cpu_seconds() - start;
				best = spent < best ? spent : best;
			}
			if (best > slowest)
				slowest = best, which = patterns[i];
			buf_release(&text);
		}
	printf("slowest megabyte: %.1f ms, of \"%s\"\n", slowest * 1e3, which[0] == '\n' ? "\\n" : which);
}

static int judge_file(struct verifier *v, const char *path, const char *name)
{
	struct buf b = { 0 };
	struct error err;
	enum verify_profile profile;
	if (verify_profile_find(name, strlen(name), &profile, &err) != OK || file_read_all(path, (size_t)1 << 30, &b, &err) != OK) {
		fprintf(stderr, "bench_verify: %s\n", err.text);
		return 1;
	}
	struct buf out = { 0 };
	double start = cpu_seconds();
	for (const char *p = b.data, *end = b.data + b.len; p < end; ) {
		size_t n = strlen(p), m = strlen(p + n + 1);
		struct verify_input in = { p, n, p + n + 1, m, profile };
		buf_char(&out, verify(v, &in).verdict == VERDICT_EQUAL ? '1' : '0');
		p += n + m + 2;
	}
	printf("%.6f %s\n", cpu_seconds() - start, out.data ? out.data : "");
	buf_release(&out);
	buf_release(&b);
	return 0;
}

int main(int argc, char **argv)
{
	struct verifier *v = verifier_new();
	int status = 0;
	if (argc == 3) {
		status = judge_file(v, argv[1], argv[2]);
	} else {
		rate(v, "GSM8K-like completions", false, VERIFY_QUERN);
		rate(v, "GSM8K-like completions", false, VERIFY_MATH_VERIFY);
		rate(v, "MATH-like completions", true, VERIFY_QUERN);
		rate(v, "MATH-like completions", true, VERIFY_MATH_VERIFY);
		worst(v);
	}
	verifier_free(v);
	return status;
}
