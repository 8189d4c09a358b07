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

static void sft_grad(void *arg, const struct micro *mb, double *values)
{
	const struct sft *s = arg;
	double sum = 0, share = s->targets ? 1 / (double)s->targets : 0;

	for (int64_t i = 0; i < mb->batch.n; i++) {
		bool counts = mb->batch.targets[i] >= 0;

		sum -= counts ? (double)mb->logp[i] : 0;
		mb->dlogp[i] = counts ? (float)-share : 0;
	}
	values[0] += sum * share;
}

/* With z the logits, t the target: -(1 - e) (z[t] - lse) - e (mean z - lse) + zeta lse^2
 * = -(1 - e) logp + e lse - e mean + zeta lse^2. */
static void sft_grad_more(void *arg, const struct micro *mb, double *values)
{
	const struct sft *s = arg;
	double nll = 0, rest = 0, squares = 0, share = s->targets ? 1 / (double)s->targets : 0, e = s->label_smoothing;

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
				   .begin = sft_begin, .grad = more ? sft_grad_more : sft_grad, .arg = s };
}

/* --- preferences -------------------------------------------------------------------------- */

/* log sigmoid(x) without overflow. */
static double log_sigmoid(double x)
{
	return x < 0 ? x - log1p(exp(x)) : -log1p(exp(-x));
}

static double sigmoid(double x)
{
	return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
}

double dpo_pair_loss(const struct dpo *o, double a, double b, int64_t nc, int64_t nr, double *da, double *db)
{
	double z = o->beta * (a - b), e = o->label_smoothing, u;

	switch (o->loss) {
	case DPO_IPO:
		u = a / (double)nc - b / (double)nr - 1 / (2 * o->beta);
		*da = 2 * u / (double)nc;
		*db = -2 * u / (double)nr;
		return u * u;
	case DPO_HINGE:
		*da = z < 1 ? -o->beta : 0;
		*db = -*da;
		return z < 1 ? 1 - z : 0;
	default:
		*da = o->beta * (e * sigmoid(z) - (1 - e) * sigmoid(-z));
		*db = -*da;
		return -(1 - e) * log_sigmoid(z) - e * log_sigmoid(-z);
	}
}

static int64_t sequence_targets(const struct dataset *d, int64_t seq)
{
	int64_t n = 0;

	for (int64_t i = d->seq_at[seq]; i < d->seq_at[seq + 1]; i++)
		n += d->targets[i] >= 0;
	return n;
}

static void dpo_begin(void *arg, const struct dataset *d, const int64_t *items, int64_t n)
{
	struct dpo *o = arg;

	o->pairs = n;
	o->chosen_targets = 0;
	for (int64_t i = 0; i < n; i++)
		o->chosen_targets += sequence_targets(d, d->item_seq[items[i]]);
}

/* Sum of log-probabilities of a sequence's targets, and their number; rounded to float as the reference's is kept, so that
 * an unchanged model has rewards of exactly 0. */
static double sequence_logp(const struct model_batch *b, int64_t seq, const float *logp, int64_t *targets)
{
	double sum = 0;

	*targets = 0;
	for (int32_t i = b->cu[seq]; i < b->cu[seq + 1]; i++)
		if (b->targets[i] >= 0) {
			sum += (double)logp[i];
			++*targets;
		}
	return (double)(float)sum;
}

static void spread_gradient(const struct model_batch *b, int64_t seq, double d, float *dlogp)
{
	for (int32_t i = b->cu[seq]; i < b->cu[seq + 1]; i++)
		dlogp[i] = b->targets[i] >= 0 ? (float)d : 0;
}

enum { V_LOSS, V_CHOSEN, V_REJECTED, V_MARGINS, V_ACCURACIES, V_LOGP_CHOSEN, V_LOGP_REJECTED, V_NLL };

static void dpo_grad(void *arg, const struct micro *mb, double *values)
{
	const struct dpo *o = arg;
	const struct model_batch *batch = &mb->batch;
	double share = 1 / (double)o->pairs;
	double nll_share = o->chosen_targets ? 1 / (double)o->chosen_targets : 0;

	for (int64_t i = 0; i < mb->n_items; i++) {
		const float *ref = mb->d->ref + 2 * mb->items[i];
		int64_t nc, nr;
		double c = sequence_logp(batch, 2 * i, mb->logp, &nc), r = sequence_logp(batch, 2 * i + 1, mb->logp, &nr);
		double a = c - (double)ref[0], b = r - (double)ref[1], da, db;
		double loss = dpo_pair_loss(o, a, b, nc, nr, &da, &db);

		spread_gradient(batch, 2 * i, share * da - o->sft_weight * nll_share, mb->dlogp);
		spread_gradient(batch, 2 * i + 1, share * db, mb->dlogp);
		values[V_LOSS] += share * loss - o->sft_weight * nll_share * c;
		values[V_CHOSEN] += share * o->beta * a;
		values[V_REJECTED] += share * o->beta * b;
		values[V_MARGINS] += share * o->beta * (a - b);
		values[V_ACCURACIES] += a > b ? share : 0;
		values[V_LOGP_CHOSEN] += share * c;
		values[V_LOGP_REJECTED] += share * r;
		values[V_NLL] -= nll_share * c;
	}
}

struct objective dpo_objective(struct dpo *o)
{
	static const char *const names[] = { "loss", "rewards/chosen", "rewards/rejected", "rewards/margins",
					     "rewards/accuracies", "logps/chosen", "logps/rejected", "nll_loss" };

	return (struct objective){ .n_values = 8, .names = names, .begin = dpo_begin, .grad = dpo_grad, .arg = o };
}
