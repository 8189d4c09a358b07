/* objective.c - see objective.h. Sums are in double, in the order of the items. */
#include "train/objective.h"

#include <math.h>

/* --- cross-entropy ------------------------------------------------------------------------ */

static void sft_begin(void *arg, const struct dataset *d, const int64_t *items, int64_t n)
{
	struct sft *s = arg;

	s->targets = 0;
	for (int64_t i = 0; i < n; i++)
		s->targets += dataset_item_targets(d, items[i]);
}

static double sft_share(const struct sft *s)
{
	return s->targets ? 1 / (double)s->targets : 0;
}

static void sft_ahead(void *arg, const struct micro *mb)
{
	float share = (float)sft_share(arg);

	for (int64_t i = 0; i < mb->batch.n; i++)
		mb->dlogp[i] = mb->batch.targets[i] >= 0 ? -share : 0;
}

/* The gradient is known ahead. */
static void sft_value(void *arg, const struct micro *mb, double *values)
{
	double sum = 0;

	for (int64_t i = 0; i < mb->batch.n; i++)
		sum -= mb->batch.targets[i] >= 0 ? (double)mb->logp[i] : 0;
	values[0] += sum * sft_share(arg);
}

/* With z the logits, t the target: -(1 - e) (z[t] - lse) - e (mean z - lse) + zeta lse^2
 * = -(1 - e) logp + e lse - e mean + zeta lse^2. */
static void sft_grad_more(void *arg, const struct micro *mb, double *values)
{
	const struct sft *s = arg;
	double nll = 0, rest = 0, squares = 0, share = sft_share(s), e = s->label_smoothing;

	for (int64_t i = 0; i < mb->batch.n; i++) {
		double on = mb->batch.targets[i] >= 0 ? share : 0, lse = on > 0 ? (double)mb->lse[i] : 0;

		nll -= on > 0 ? (double)mb->logp[i] : 0;
		rest += on > 0 && e > 0 ? lse - (double)mb->mean[i] : 0;
		squares += lse * lse;
		mb->dlogp[i] = (float)(-on * (1 - e));
		mb->dlse[i] = (float)(on * (e + 2 * s->z_loss * lse));
		if (e > 0)
			mb->dmean[i] = (float)(-on * e);
	}
	values[0] += share * ((1 - e) * nll + e * rest + s->z_loss * squares);
	values[1] += share * nll;
	values[2] += share * squares;
}

struct objective sft_objective(struct sft *s)
{
	static const char *const names[] = { "loss", "nll_loss", "z_loss" };
	bool more = s->label_smoothing > 0 || s->z_loss > 0;

	return (struct objective){ .n_values = more ? 3 : 1, .names = names, .wants_lse = more, .wants_mean = s->label_smoothing > 0,
				   .begin = sft_begin, .grad = more ? sft_grad_more : sft_value, .ahead = more ? NULL : sft_ahead, .arg = s };
}
