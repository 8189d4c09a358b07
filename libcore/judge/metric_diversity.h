/* metric_diversity.h - how much predictions repeat themselves and each other: distinct-n (Li et al. 2016), self-BLEU (Zhu et al. 2018),
 * and the share of repeated n-grams within one (seq-rep-n, Welleck et al. 2020).
 *
 * Words are BLEU's, by its tokenizer. All predictions are held as word numbers: about 80 bytes per word while it counts; time is linear,
 * as the table remembers for every n-gram the two predictions that have it most often. */
#ifndef QUERN_JUDGE_METRIC_DIVERSITY_H
#define QUERN_JUDGE_METRIC_DIVERSITY_H

#include "judge/metric.h"

struct diversity {                   /* {0} is empty */
	struct words words;
	struct tokens text, ends;    /* all predictions; where each ends in text */
	struct tokenizing tokenizing;
};
struct diversity_values {
	double distinct[3];          /* distinct n-grams of all predictions over all n-grams; NAN: there are none */
	double seq_rep_4;            /* mean over predictions of four words or more of 1 - distinct 4-grams / 4-grams */
	double self_bleu;            /* mean of each one's BLEU (effective order) with all others as its references; NAN: fewer than two */
};
/* False: 2^32 words or more in all. */
bool diversity_add(struct diversity *d, const struct metric_options *o, const struct metric_text *prediction);
void diversity_values(const struct diversity *d, const struct metric_options *o, struct diversity_values *out);
void diversity_release(struct diversity *d);

#endif
