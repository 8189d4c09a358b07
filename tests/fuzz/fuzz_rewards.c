/* Any bytes as a completion: every rule answers within its range; of valid text the scanners say what their regular expressions, run by
 * PCRE2, say. */
#include "base/json_escape.h"
#include "judge/code.h"
#include "judge/rewards.h"

#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SPACE "[\\x09-\\x0d\\x1c-\\x20\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}]"

static double code_format(const char *p, size_t n) { return reward_code_format(p, n, "python"); }
static double some_steps(const char *p, size_t n) { return reward_reasoning_steps(p, n) > 0; }

static struct rule {
	double (*scan)(const char *p, size_t n);
	const char *regex;
	struct patterns *compiled;
} rules[] = {
	{ reward_format, "(?sm)\\A<think>\\n.*?\\n</think>\\n<answer>\\n.*?\\n</answer>$", NULL },
	{ code_format, "(?sm)\\A<think>\\n.*?\\n</think>\\n<answer>\\n.*?```python.*?```.*?\\n</answer>$", NULL },
	{ reward_format_loose, "(?s)\\A<think>.*?</think>" SPACE "*<answer>.*?</answer>(?=\\n?\\z)", NULL },
	{ some_steps, "Step \\p{Nd}+:|\\A\\p{Nd}+\\.|\\n-|\\n\\*|First,|Second,|Next,|Finally,", NULL },
};

static void compare(const char *p, size_t n)
{
	static struct pattern_scratch *x;
	bool found;
	if (!x)
		x = pattern_scratch_open();
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		struct rule *r = &rules[i];
		if (!r->compiled && patterns_open(&r->compiled, r->regex, NULL) != OK)
			abort();
		if (patterns_match(r->compiled, p, n, x, &found, NULL) == OK && found != (r->scan(p, n) == 1))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct word_scratch words;
	const char *p = (const char *)data;
	size_t n = size, code_n = 0;
	if (size > 65536)
		return 0;
	double tags = reward_tag_count(p, n), steps = reward_reasoning_steps(p, n);
	if (tags < 0 || tags > 1 || steps < 0 || steps > 1 || reward_characters(p, n) > (int64_t)n)
		abort();
	for (int grams = 1; grams < 4; grams++)
		for (int language = WORDS_EN; language <= WORDS_ZH; language++) {
			double v = reward_repetition_penalty(p, n, grams, -1, (enum word_language)language, &words);
			if (!(v <= 0 && v > -1))
				abort();
		}
	const char *code = code_extract(p, n, "python", &code_n);
	if (code && (code < p || code + code_n > p + n))
		abort();
	if (!code_output_equal(p, n, p, n) || !code_output_equal(p, n / 2, p, n / 2))
		abort();
	if (utf8_valid(p, n))
		compare(p, n);
	return 0;
}
