/* bench_rewards.c - the rule rewards' rates on one core, over generated reasoning of some 4 kB a completion. What has no steps and no
 * tags is the slow case of reasoning_steps and tag_count, which must look at all of it. */
#include "base/progress.h"
#include "base/rng.h"
#include "judge/rewards.h"

#include <math.h>
#include <stdio.h>

#define COMPLETIONS 2000
#define SECONDS 0.5

static struct buf texts[COMPLETIONS];
static double bytes;

static void make_text(struct buf *out, uint64_t number)
{
	struct rng r = rng_open(3, number);
	buf_str(out, "<think>\n");
	for (int line = 0; line < 60; line++) {
		for (int i = 0; i < 10; i++) {
			uint64_t word = rng_below(&r, 3000), n = 2 + word % 7;
			struct rng letters = rng_open(7, word);
			for (uint64_t k = 0; k < n; k++)
				buf_char(out, (char)((i == 0 && k == 0 ? 'A' : 'a') + (char)rng_below(&letters, 26)));
			buf_str(out, i == 9 ? (line % 5 ? ". " : ".\n") : " ");
		}
		if (line % 7 == 0)
			buf_str(out, "na\xc3\xafve \xe6\x97\xa5\xe6\x9c\xac ");
	}
	buf_str(out, "\n</think>\n<answer>\n42\n</answer>");
	bytes += (double)out->len;
}

static void measure(const char *name, const struct reward_options *o)
{
	struct reward_set set = { .o = *o };
	struct reward_scratch *x = reward_scratch_open();
	double start = clock_seconds(), passes = 0, sum = 0, v, seconds;
	if (reward_set_add(&set, name, NULL) != OK || reward_set_finish(&set, NULL) != OK)
		return;
	do {
		for (int i = 0; i < COMPLETIONS; i++) {
			struct reward_input in = { .text = texts[i].data, .n = texts[i].len, .answer = "42", .answer_n = 2, .tokens = 100, .correct = 1 };
			if (reward_value(&set, 0, &in, x, &v) == OK)
				sum += v;
		}
		passes++;
		seconds = clock_seconds() - start;
	} while (seconds < SECONDS);
	printf("%-20s %10.0f MB/s   mean %.4f\n", name, bytes * passes / seconds / 1e6, sum / passes / COMPLETIONS);
	reward_scratch_close(x);
	reward_set_release(&set);
}

int main(void)
{
	static const char *const names[] = { "format", "format_loose", "code_format", "tag_count", "reasoning_steps", "cosine",
					     "repetition_penalty", "exact_match", "contains", "length", "json_valid" };
	struct reward_options o = REWARD_OPTIONS_DEFAULT, regex = o;
	for (int i = 0; i < COMPLETIONS; i++)
		make_text(&texts[i], (uint64_t)i);
	o.length_max = 100000;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		measure(names[i], &o);
	regex.regex = "(?s)^<think>\\n.*?\\n</think>\\n<answer>\\n.*?\\n</answer>$";
	measure("regex", &regex);
	regex.regex = "Step \\d+:|First,|Finally,";
	measure("regex", &regex);
	for (int i = 0; i < COMPLETIONS; i++)
		buf_release(&texts[i]);
	return 0;
}
