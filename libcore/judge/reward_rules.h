/* reward_rules.h - the rules themselves: pure functions of a completion's text, length or correctness.
 *
 * Names, defaults and values are those of open-r1's rewards.py (April 2026; its tests and cases of our own that it computed are in
 * tests), which works on Python's str: lengths are characters, \s and \d those of Unicode. Texts are UTF-8. All take time linear in
 * the text. The first three are its regular expressions without an engine: lazy or greedy, they ask whether such a cut exists. */
#ifndef QUERN_JUDGE_REWARD_RULES_H
#define QUERN_JUDGE_REWARD_RULES_H

#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

/* re.match(r"^<think>\n.*?\n</think>\n<answer>\n.*?\n</answer>$", text, DOTALL | MULTILINE): 1 or 0. As $ stands before every newline,
 * what follows in later lines is not looked at. */
double reward_format(const char *p, size_t n);
/* The same of February 2025: re.match(r"^<think>.*?</think>\s*<answer>.*?</answer>$", text, DOTALL). */
double reward_format_loose(const char *p, size_t n);
/* As reward_format, with ```language … ``` inside the answer. */
double reward_code_format(const char *p, size_t n, const char *language);
/* 1/4 for each of "<think>\n", "\n</think>\n", "\n<answer>\n", "\n</answer>" that occurs exactly once (as str.count counts). */
double reward_tag_count(const char *p, size_t n);
/* min(1, k/3) for k matches of (Step \d+:|^\d+\.|\n-|\n\*|First,|Second,|Next,|Finally,), where ^ is the start of the text alone. */
double reward_reasoning_steps(const char *p, size_t n);

struct cosine_options {
	double min_value_wrong, max_value_wrong, min_value_correct, max_value_correct;
	int64_t max_len;                     /* characters */
};
/* From max_value_correct (min_value_wrong if wrong) at length 0 to min_value_correct (max_value_wrong) at max_len, along half a
 * cosine, which turns again beyond: nothing is clamped. */
double reward_cosine(const struct cosine_options *o, bool correct, int64_t characters);

/* What words are: "en" lower-cases and splits at white space; "zh" makes each character of Chinese, Japanese kana or Hangul a word, and
 * of what stands between them and white space the rest. (open-r1 has the first, and for zh the dictionary of jieba.) */
enum word_language { WORDS_EN, WORDS_ZH };
struct word_scratch {                        /* {0} is empty; one for each thread */
	struct buf lower;
	uint64_t *hashes, *set;
	size_t n, cap, cap_set;
};
void word_scratch_release(struct word_scratch *w);
/* (1 - distinct/all) * max_penalty of the n-grams of words; 0 where there are fewer than n_grams words. */
double reward_repetition_penalty(const char *p, size_t n, int64_t n_grams, double max_penalty, enum word_language language,
				 struct word_scratch *w);

/* Kimi 1.5's length reward over the n completions of a prompt: with x = 0.5 - (length - min) / (max - min), out is x where the answer is
 * right (correct 1), min(0, x) where it is wrong (0), NAN where nothing is known (NAN); 0 for all if all lengths are equal. */
void reward_len(const int64_t *lengths, const double *correct, int64_t n, double *out);
/* 0 up to max - cache tokens, then falling in a line to -1 at max, and -1 beyond (Yu et al. 2025, DAPO, eq. 13). */
double reward_soft_overlong(int64_t tokens, int64_t max_completion_len, int64_t soft_punish_cache);

/* Code points of valid UTF-8. */
int64_t reward_characters(const char *p, size_t n);

#endif
