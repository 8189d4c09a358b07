/* objective_preference.c - see objective_preference.h. */
#include "train/objective_preference.h"

#include "base/mem.h"

#include <math.h>

/* Targets of a sequence of the batch that belong to its prompt. */
static int64_t prompt_targets(const struct dataset *d, int64_t seq)
{
	return d->prompt_targets ? d->prompt_targets[seq] : 0;
}

static int64_t completion_targets(const struct model_batch *b, int64_t seq, int64_t of_prompt)
{
	int64_t n = -of_prompt;

	for (int32_t i = b->cu[seq]; i < b->cu[seq + 1]; i++)
		n += b->targets[i] >= 0;
	return n;
}

/* How a sequence's tokens count: those of the prompt not, of the completion the first `full` whole, the others by tail. */
struct weighing {
	int64_t of_prompt, full;
	double tail;
};

static double weight_of(const struct weighing *w, int64_t target)
{
	return target < w->of_prompt ? 0 : target < w->of_prompt + w->full ? 1 : w->tail;
}

/* Sum of the log-probabilities; all[0] gets that of all targets, prompt and completion, unweighted. */
static double sequence_sum(const struct micro *mb, int64_t seq, const struct weighing *w, double *all)
{
	const struct model_batch *b = &mb->batch;
	double sum = 0;
	int64_t target = 0;

	*all = 0;
	for (int32_t i = b->cu[seq]; i < b->cu[seq + 1]; i++)
		if (b->targets[i] >= 0) {
			double share = weight_of(w, target++);

			sum += share * (double)mb->logp[i];
			*all += (double)mb->logp[i];
		}
	return (double)(float)sum;
}

/* dlogp of a sequence: d times the weights, and every per target. */
static void spread_gradient(const struct micro *mb, int64_t seq, double d, const struct weighing *w, double every)
{
	const struct model_batch *b = &mb->batch;
	int64_t target = 0;

	for (int32_t i = b->cu[seq]; i < b->cu[seq + 1]; i++)
		mb->dlogp[i] = b->targets[i] >= 0 ? (float)(d * weight_of(w, target++) + every) : 0;
}

/* --- pairs -------------------------------------------------------------------------------------- */

static int64_t sequence_targets(const struct dataset *d, int64_t seq)
{
	int64_t n = 0;

	for (int64_t i = d->seq_at[seq]; i < d->seq_at[seq + 1]; i++)
		n += d->targets[i] >= 0;
	return n;
}

static void pairs_begin(void *arg, const struct dataset *d, const int64_t *items, int64_t n)
{
	struct pairs_objective *p = arg;

	p->pairs = n;
	p->nll_targets = p->n_seen = p->at = p->completion_targets[0] = p->completion_targets[1] = 0;
	for (int64_t i = 0; i < n; i++) {
		int64_t seq = d->item_seq[items[i]];

		p->nll_targets += sequence_targets(d, seq);
		for (int side = 0; side < 2; side++)
			p->completion_targets[side] += sequence_targets(d, seq + side) - prompt_targets(d, seq + side);
	}
}

/* A pair of the batch as numbers; nll: the chosen's sum over all its targets. */
static struct pair_logps read_pair(const struct pairs_objective *p, const struct micro *mb, int64_t i, struct weighing w[2],
				   double *nll)
{
	int64_t seq = mb->d->item_seq[mb->items[i]];
	const float *ref = mb->d->ref ? mb->d->ref + seq : NULL;
	struct pair_logps x = { 0 };
	double unused;

	for (int side = 0; side < 2; side++)
		w[side].of_prompt = prompt_targets(mb->d, seq + side);
	x.nc = completion_targets(&mb->batch, 2 * i, w[0].of_prompt);
	x.nr = completion_targets(&mb->batch, 2 * i + 1, w[1].of_prompt);
	w[0].full = w[1].full = p->ld_alpha == 1 ? INT64_MAX / 2 : x.nc < x.nr ? x.nc : x.nr;
	w[0].tail = w[1].tail = p->ld_alpha;
	x.c = sequence_sum(mb, 2 * i, &w[0], nll);
	x.r = sequence_sum(mb, 2 * i + 1, &w[1], &unused);
	x.c0 = ref ? (double)ref[0] : 0;
	x.r0 = ref ? (double)ref[1] : 0;
	return x;
}

/* The step's pairs, for losses that sort them; the last one brings their gradients. */
static void pairs_observe(void *arg, const struct micro *mb)
{
	struct pairs_objective *p = arg;

	if (p->pairs > p->cap) {
		p->cap = p->pairs;
		p->seen = mem_grow(p->seen, (size_t)p->cap, sizeof(*p->seen));
		p->dc = mem_grow(p->dc, (size_t)p->cap, sizeof(*p->dc));
		p->dr = mem_grow(p->dr, (size_t)p->cap, sizeof(*p->dr));
	}
	for (int64_t i = 0; i < mb->n_items; i++) {
		struct weighing w[2];
		double nll;

		p->dc[p->n_seen] = p->dr[p->n_seen] = 0;
		p->seen[p->n_seen++] = read_pair(p, mb, i, w, &nll);
	}
	if (p->n_seen == p->pairs)
		p->sorted_loss = preference_sorted(&p->o, p->seen, p->pairs, p->dc, p->dr);
}

/* Sum over a completion's tokens of their mean logit. */
static double logits_sum(const struct micro *mb, int64_t seq, int64_t of_prompt)
{
	const struct model_batch *b = &mb->batch;
	double sum = 0;
	int64_t target = 0;

	for (int32_t i = b->cu[seq]; i < b->cu[seq + 1] && mb->mean; i++)
		if (b->targets[i] >= 0 && target++ >= of_prompt)
			sum += (double)mb->mean[i];
	return sum;
}

/* A pair as the metrics have it: per token where TRL's trainer of the loss takes means. */
static struct pair_logps shown(const struct preference_options *o, struct pair_logps x)
{
	if (preference_has(o, PREF_SIMPO) || preference_has(o, PREF_ORPO)) {
		x.c /= x.nc ? (double)x.nc : 1;
		x.r /= x.nr ? (double)x.nr : 1;
	}
	return x;
}

static void pairs_grad(void *arg, const struct micro *mb, double *values)
{
	struct pairs_objective *p = arg;
	bool sorted = preference_needs_batch(&p->o), orpo = preference_has(&p->o, PREF_ORPO);
	double share = 1 / (double)p->pairs, nll_share = p->nll_targets ? 1 / (double)p->nll_targets : 0;
	double sft = preference_sft_weight(&p->o);

	for (int i = 0; i < p->o.n; i++)
		sft += p->o.mix[i].loss == PREF_ORPO ? p->o.mix[i].weight : 0;
	for (int64_t i = 0; i < mb->n_items; i++, p->at++) {
		struct weighing w[2];
		double nll, dc, dr;
		struct pair_logps x = read_pair(p, mb, i, w, &nll), s = shown(&p->o, x);
		double loss = preference_pair(&p->o, &x, &dc, &dr), a = s.c - s.c0, b = s.r - s.r0;

		dc = share * dc + (sorted ? p->dc[p->at] : 0);
		dr = share * dr + (sorted ? p->dr[p->at] : 0);
		spread_gradient(mb, 2 * i, dc, &w[0], -sft * nll_share);
		spread_gradient(mb, 2 * i + 1, dr, &w[1], 0);
		values[PAIRS_LOSS] += share * loss - sft * nll_share * nll + (sorted ? share * p->sorted_loss : 0);
		values[PAIRS_CHOSEN] += share * p->o.beta * a;
		values[PAIRS_REJECTED] += share * p->o.beta * b;
		values[PAIRS_MARGINS] += share * p->o.beta * (a - b);
		values[PAIRS_ACCURACIES] += a > b ? share : 0;
		values[PAIRS_LOGP_CHOSEN] += share * s.c;
		values[PAIRS_LOGP_REJECTED] += share * s.r;
		values[PAIRS_NLL] -= nll_share * nll;
		for (int side = 0; side < 2; side++)
			if (p->completion_targets[side])
				values[PAIRS_LOGITS_CHOSEN + side] += logits_sum(mb, 2 * i + side, w[side].of_prompt) /
								      (double)p->completion_targets[side];
		if (orpo) {
			double ratio;

			values[PAIRS_ODDS_CHOSEN] += share * preference_log_odds(s.c, s.r, &ratio);
			values[PAIRS_ODDS_RATIO] += share * ratio;
		}
	}
}

void pairs_reference(void *arg, const struct micro *mb, float *out)
{
	struct pairs_objective *p = arg;

	for (int64_t i = 0; i < mb->n_items; i++) {
		struct weighing w[2];
		double nll;
		struct pair_logps x = read_pair(p, mb, i, w, &nll);

		out[2 * i] = (float)x.c;
		out[2 * i + 1] = (float)x.r;
	}
}

struct objective pairs_objective(struct pairs_objective *p)
{
	static const char *const names[PAIRS_VALUES] = { "loss", "rewards/chosen", "rewards/rejected", "rewards/margins",
						    "rewards/accuracies", "logps/chosen", "logps/rejected", "nll_loss",
						    "logits/chosen", "logits/rejected", "log_odds_ratio", "log_odds_chosen" };
	int n = preference_has(&p->o, PREF_ORPO) ? PAIRS_VALUES : PAIRS_ODDS_RATIO;

	return (struct objective){ .reads_mean = true, .n_values = n, .names = names, .begin = pairs_begin, .grad = pairs_grad, .arg = p,
				   .observe = preference_needs_batch(&p->o) ? pairs_observe : NULL };
}

void pairs_objective_release(struct pairs_objective *p)
{
	mem_free(p->seen);
	mem_free(p->dc);
	mem_free(p->dr);
}

/* --- feedback ------------------------------------------------------------------------------------- */

static void feedback_begin(void *arg, const struct dataset *d, const int64_t *items, int64_t n)
{
	struct feedback_objective *f = arg;

	f->n_wanted = f->n_seen = f->targets[0] = f->targets[1] = 0;
	f->sum = 0;
	for (int64_t i = 0; i < n; i++) {
		f->n_wanted += d->wanted[items[i]];
		f->targets[!d->wanted[items[i]]] += sequence_targets(d, d->item_seq[items[i]]);
	}
	f->n_unwanted = n - f->n_wanted;
	f->centre = f->o.loss == FEEDBACK_BCO ? f->state[0] : 0;
}

static double log_ratio(const struct micro *mb, int64_t i, double *sum)
{
	static const struct weighing all = { 0, INT64_MAX / 2, 1 };
	double unused;

	*sum = sequence_sum(mb, i, &all, &unused);
	return *sum - (double)mb->d->ref[mb->d->item_seq[mb->items[i]]];
}

/* The sums behind kl and delta; the last of the step makes the number of them. */
static void feedback_observe(void *arg, const struct micro *mb)
{
	struct feedback_objective *f = arg;
	int64_t n = f->n_wanted + f->n_unwanted;
	double sum;

	for (int64_t i = 0; i < mb->n_items; i++, f->n_seen++)
		f->sum += log_ratio(mb, i, &sum);
	if (f->n_seen < n)
		return;
	if (f->o.loss == FEEDBACK_KTO) {
		f->centre = f->sum > 0 ? f->sum / (double)n : 0;
		return;
	}
	/* TRL's RunningMoments: the mean over all rewards seen while learning */
	f->centre = f->state[0] + (f->o.beta * f->sum - (double)n * f->state[0]) / (f->state[1] + (double)n);
}

enum { F_LOSS, F_CHOSEN, F_REJECTED, F_MARGINS, F_LOGP_CHOSEN, F_LOGP_REJECTED, F_LOGITS_CHOSEN, F_LOGITS_REJECTED, F_CENTRE, F_FEEDBACK };

static void feedback_grad(void *arg, const struct micro *mb, double *values)
{
	static const struct weighing all = { 0, INT64_MAX / 2, 1 };
	struct feedback_objective *f = arg;
	double share = 1 / (double)(f->n_wanted + f->n_unwanted);

	for (int64_t i = 0; i < mb->n_items; i++) {
		bool wanted = mb->d->wanted[mb->items[i]];
		double per = 1 / (double)(wanted ? f->n_wanted : f->n_unwanted), sum, d;
		double ratio = log_ratio(mb, i, &sum);

		values[F_LOSS] += share * feedback_loss(&f->o, wanted, ratio, f->centre, &d);
		values[wanted ? F_CHOSEN : F_REJECTED] += per * f->o.beta * ratio;
		values[F_MARGINS] += (wanted ? per : -per) * f->o.beta * ratio;
		values[wanted ? F_LOGP_CHOSEN : F_LOGP_REJECTED] += per * sum;
		if (f->targets[!wanted])
			values[wanted ? F_LOGITS_CHOSEN : F_LOGITS_REJECTED] += logits_sum(mb, i, 0) / (double)f->targets[!wanted];
		values[F_CENTRE] += share * f->centre;
		spread_gradient(mb, i, share * d, &all, 0);
	}
}

/* After a step that learned. */
static void feedback_learned(void *arg)
{
	struct feedback_objective *f = arg;

	f->state[0] = f->centre;
	f->state[1] += (double)(f->n_wanted + f->n_unwanted);
}

struct objective feedback_objective(struct feedback_objective *f)
{
	static const char *const kl[F_FEEDBACK] = { "loss", "rewards/chosen", "rewards/rejected", "rewards/margins",
						    "logps/chosen", "logps/rejected", "logits/chosen", "logits/rejected", "kl" };
	static const char *const delta[F_FEEDBACK] = { "loss", "rewards/chosen", "rewards/rejected", "rewards/margins",
						       "logps/chosen", "logps/rejected", "logits/chosen", "logits/rejected", "delta" };
	bool bco = f->o.loss == FEEDBACK_BCO;

	return (struct objective){
		.reads_mean = true, .n_values = f->o.loss == FEEDBACK_APO_ZERO ? F_CENTRE : F_FEEDBACK, .names = bco ? delta : kl,
		.begin = feedback_begin, .grad = feedback_grad, .arg = f,
		.observe = f->o.loss == FEEDBACK_APO_ZERO ? NULL : feedback_observe, .companion = f->o.loss == FEEDBACK_KTO,
		.learned = bco ? feedback_learned : NULL, .state = f->state, .n_state = bco ? 2 : 0,
	};
}
