/* objective_reward.c - see objective_reward.h. */
#include "train/objective_reward.h"

#include "train/preference.h"

#include <math.h>

/* --- pairs -------------------------------------------------------------------------------------- */

static void reward_begin(void *arg, const struct dataset *d, const int64_t *items, int64_t n)
{
	struct reward_objective *r = arg;

	(void)d, (void)items;
	r->pairs = n;
	r->low = r->high = 0;
	r->any = false;
}

enum { R_LOSS, R_ACCURACY, R_MARGIN, R_MEAN, R_MIN, R_MAX, R_BRIER, R_REWARD };

/* Values of micro-batches are added up: a lowest and a highest come as what they have moved. */
static void see_reward(struct reward_objective *r, double x, double *values)
{
	double low = r->any && r->low < x ? r->low : x, high = r->any && r->high > x ? r->high : x;

	values[R_MIN] += low - r->low;
	values[R_MAX] += high - r->high;
	r->low = low;
	r->high = high;
	r->any = true;
}

static void reward_grad(void *arg, const struct micro *mb, double *values)
{
	struct reward_objective *r = arg;
	double share = 1 / (double)r->pairs;

	for (int64_t i = 0; i < mb->batch.n; i++)
		mb->dlogits[i] = 0;
	for (int64_t i = 0; i < mb->n_items; i++) {
		int32_t chosen = mb->batch.cu[2 * i + 1] - 1, rejected = mb->batch.cu[2 * i + 2] - 1;
		double c = (double)mb->logits[chosen], x = (double)mb->logits[rejected], dc, dx, p = 1 / (1 + exp(c - x));
		double margin = r->margins && mb->d->margin ? (double)mb->d->margin[mb->items[i]] : 0;

		values[R_LOSS] += share * reward_pair_loss(c, x, margin, r->centre, &dc, &dx);
		values[R_ACCURACY] += c > x ? share : 0;
		values[R_MARGIN] += share * (c - x);
		values[R_MEAN] += share * 0.5 * (c + x);
		values[R_BRIER] += share * p * p;
		see_reward(r, c, values);
		see_reward(r, x, values);
		mb->dlogits[chosen] = (float)(share * dc);
		mb->dlogits[rejected] = (float)(share * dx);
	}
}

struct objective reward_objective(struct reward_objective *r)
{
	static const char *const names[R_REWARD] = { "loss", "accuracy", "margin", "mean_reward", "min_reward", "max_reward", "brier" };

	return (struct objective){ .n_values = R_REWARD, .names = names, .labels = 1, .begin = reward_begin, .grad = reward_grad,
				   .arg = r };
}

/* --- steps -------------------------------------------------------------------------------------- */

static void step_begin(void *arg, const struct dataset *d, const int64_t *items, int64_t n)
{
	struct step_objective *s = arg;

	s->n[0] = s->n[1] = 0;
	for (int64_t i = 0; i < n; i++)
		for (int64_t t = d->seq_at[d->item_seq[items[i]]]; t < d->seq_at[d->item_seq[items[i] + 1]]; t++)
			if (d->targets[t] >= 0)
				s->n[d->targets[t] != 0]++;
}

enum { S_LOSS, S_ACCURACY, S_RIGHT, S_WRONG, S_MARGIN, S_BRIER, S_STEPS };

/* Of two outputs the softmax is a sigmoid of their difference. */
static void step_grad(void *arg, const struct micro *mb, double *values)
{
	const struct step_objective *s = arg;
	double share = 1 / (double)(s->n[0] + s->n[1]);

	for (int64_t i = 0; i < mb->batch.n; i++) {
		int32_t label = mb->batch.targets[i];
		double z = (double)mb->logits[2 * i + 1] - (double)mb->logits[2 * i], p = 1 / (1 + exp(-z)), miss, mean;

		mb->dlogits[2 * i] = mb->dlogits[2 * i + 1] = 0;
		if (label < 0)
			continue;
		miss = p - label;
		mean = p / (double)s->n[label];
		/* -log of sigmoid(z) or sigmoid(-z), without overflow */
		values[S_LOSS] += share * (label ? fmax(-z, 0) : fmax(z, 0)) + share * log1p(exp(-fabs(z)));
		values[S_ACCURACY] += (z > 0) == (label == 1) ? share : 0;
		values[label ? S_RIGHT : S_WRONG] += mean;
		values[S_MARGIN] += label ? mean : -mean;
		values[S_BRIER] += share * miss * miss;
		mb->dlogits[2 * i + 1] = (float)(share * miss);
		mb->dlogits[2 * i] = -mb->dlogits[2 * i + 1];
	}
}

struct objective step_objective(struct step_objective *s)
{
	static const char *const names[S_STEPS] = { "loss", "accuracy", "score_right", "score_wrong", "margin", "brier" };

	return (struct objective){ .n_values = S_STEPS, .names = names, .labels = 2, .begin = step_begin, .grad = step_grad, .arg = s };
}
