/* pass_rate.h - how often the completions of a prompt pass: over all prompts a histogram, and pass@k.
 *
 * pass@k is the unbiased estimate of Chen et al. 2021 (Codex): the chance that of k completions drawn from the n of a prompt, c of which
 * pass, at least one does, 1 - C(n-c, k) / C(n, k); its mean is over the prompts that have at least k. */
#ifndef QUERN_JUDGE_PASS_RATE_H
#define QUERN_JUDGE_PASS_RATE_H

#include "base/json.h"
#include "judge/prompt_groups.h"
#include "judge/stats.h"

#define PASS_KS 13                           /* k = 1, 2, 4, ..., 4096 */
#define PASS_BINS 12                         /* never; above 0 to 0.1; ...; above 0.9 and below 1; always */

struct pass_rates {                          /* {0} is empty */
	int64_t bins[PASS_BINS];
	struct stats at[PASS_KS];
};

/* 0 < k <= n. */
double pass_at_k(int64_t n, int64_t c, int64_t k);
/* A prompt with n > 0 completions, c of which pass. */
void pass_rates_add(struct pass_rates *p, int64_t n, int64_t c);

/* What passes, and which prompts are wanted by how much of them does. */
struct pass_rule {
	struct expr *column;                 /* a completion passes from score on in this column */
	double score;
	double above, below;                 /* wanted: above < rate < below */
};
/* column is one of s, or a path in one; range "MIN,MAX", or NULL for all. ERR_USAGE. */
enum status pass_rule_open(struct pass_rule *r, const char *column, double score, const char *range, const struct schema *s, struct error *err);
void pass_rule_close(struct pass_rule *r);
/* Adds rows[0..n) of a prompt to the statistics, those left out that have no number in the column. Returns why the prompt is not wanted
 * ("pass_rate_low", "pass_rate_high"; "no_pass_rate" if there is a range and no number), or NULL. */
const char *pass_rule_judge(const struct pass_rule *r, const struct prompt_row *rows, int64_t n, struct pass_rates *p);

/* {"at": {"1": {"value": 0.5, "prompts": 100}, "2": ...}, "histogram": {"0": 3, "0.1": 7, ..., "<1": 2, "1": 5}}: pass@k for the k that some
 * prompt has; prompts whose rate is at most the key and more than the key before. */
void pass_rates_json(const struct pass_rates *p, struct buf *out);
/* The same for people, in two lines. */
void pass_rates_words(const struct pass_rates *p, struct buf *out);

#endif
