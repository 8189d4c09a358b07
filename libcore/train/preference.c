/* preference.c - see preference.h. */
#include "train/preference.h"

#include "base/mem.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EXPONENT_MAX 80      /* of the alpha divergence, as TRL clamps it */

static double log_sigmoid(double x)
{
	return x < 0 ? x - log1p(exp(x)) : -log1p(exp(-x));
}

static double sigmoid(double x)
{
	return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
}

/* --- which losses ------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	bool reference, smoothing, divergence;       /* what it knows; divergence: of scores, not of A and B themselves */
} losses[PREF_LOSSES] = {
	[PREF_SIGMOID] = { "sigmoid", true, true, true },       [PREF_SIGMOID_NORM] = { "sigmoid_norm", true, false, true },
	[PREF_HINGE] = { "hinge", true, false, true },          [PREF_IPO] = { "ipo", true, false, true },
	[PREF_IPO_SUM] = { "ipo_sum", true, false, true },      [PREF_ROBUST] = { "robust", true, true, true },
	[PREF_EXO_PAIR] = { "exo_pair", true, true, true },     [PREF_DISCOPOP] = { "discopop", true, false, true },
	[PREF_NCA_PAIR] = { "nca_pair", true, false, false },   [PREF_BCO_PAIR] = { "bco_pair", true, false, false },
	[PREF_SPPO_HARD] = { "sppo_hard", true, false, false }, [PREF_APO_ZERO] = { "apo_zero", true, false, false },
	[PREF_APO_DOWN] = { "apo_down", true, false, false },   [PREF_AOT] = { "aot", true, true, false },
	[PREF_AOT_UNPAIRED] = { "aot_unpaired", true, true, false }, [PREF_SFT] = { "sft", false, false, true },
	[PREF_CPO] = { "cpo", false, true, false },             [PREF_SIMPO] = { "simpo", false, true, false },
	[PREF_ORPO] = { "orpo", false, false, false },
};

const char *preference_loss_name(enum preference_loss l) { return losses[l].name; }

static enum status unknown_loss(const char *name, size_t n, struct error *err)
{
	char all[256] = "";

	for (int i = 0; i < PREF_LOSSES; i++) {
		strcat(all, i ? ", " : "");
		strcat(all, losses[i].name);
	}
	return error_set(err, ERR_USAGE, "there is no loss '%.*s' (there are %s; of feedback, alone, kto, apo_zero_unpaired and bco)", (int)(n < 40 ? n : 40), name, all);
}

static enum status parse_one(struct preference_options *o, const char *s, size_t n, struct error *err)
{
	const char *equals = memchr(s, '=', n);
	size_t name_n = equals ? (size_t)(equals - s) : n;
	double weight = 1;
	int l = 0;

	while (l < PREF_LOSSES && (strlen(losses[l].name) != name_n || memcmp(losses[l].name, s, name_n)))
		l++;
	if (l == PREF_LOSSES)
		return unknown_loss(s, name_n, err);
	if (equals) {
		char number[32] = "", *end;
		size_t digits = n - name_n - 1;

		memcpy(number, equals + 1, digits < sizeof(number) ? digits : sizeof(number) - 1);
		weight = strtod(number, &end);
		if (!digits || *end || !(weight > 0) || weight > 1e9)
			return error_set(err, ERR_USAGE, "loss %s: '%s' is no weight", losses[l].name, number);
	}
	if (preference_has(o, (enum preference_loss)l))
		return error_set(err, ERR_USAGE, "loss %s is named twice", losses[l].name);
	o->mix[o->n].loss = (enum preference_loss)l;
	o->mix[o->n++].weight = weight;
	return OK;
}

enum status preference_parse(struct preference_options *o, const char *spec, struct error *err)
{
	for (const char *at = spec;; at++) {
		size_t n = strcspn(at, ",");

		TRY(parse_one(o, at, n, err));
		at += n;
		if (!*at)
			return OK;
	}
}

bool preference_has(const struct preference_options *o, enum preference_loss l)
{
	for (int i = 0; i < o->n; i++)
		if (o->mix[i].loss == l)
			return true;
	return false;
}

bool preference_needs_reference(const struct preference_options *o)
{
	for (int i = 0; i < o->n; i++)
		if (losses[o->mix[i].loss].reference)
			return true;
	return false;
}

bool preference_needs_batch(const struct preference_options *o)
{
	return preference_has(o, PREF_AOT) || preference_has(o, PREF_AOT_UNPAIRED);
}

double preference_sft_weight(const struct preference_options *o)
{
	for (int i = 0; i < o->n; i++)
		if (o->mix[i].loss == PREF_SFT)
			return o->mix[i].weight;
	return 0;
}

enum status preference_check(const struct preference_options *o, struct error *err)
{
	bool smoothed = false, free = preference_has(o, PREF_CPO) || preference_has(o, PREF_SIMPO) || preference_has(o, PREF_ORPO);

	for (int i = 0; i < o->n; i++)
		smoothed |= losses[o->mix[i].loss].smoothing;
	if (!o->n)
		return error_set(err, ERR_USAGE, "no loss is named");
	if (o->label_smoothing > 0 && !smoothed)
		return error_set(err, ERR_USAGE, "label smoothing means nothing to these losses (sigmoid, robust, exo_pair, aot, "
				 "aot_unpaired, cpo and simpo know it)");
	if (!(o->label_smoothing > 0) && preference_has(o, PREF_EXO_PAIR))
		return error_set(err, ERR_USAGE, "exo_pair needs label smoothing above 0: it divides by it");
	if (free && preference_needs_reference(o))
		return error_set(err, ERR_USAGE, "cpo, simpo and orpo have no reference, and cannot be added to losses that have one");
	if (o->divergence != DIVERGENCE_REVERSE_KL && free)
		return error_set(err, ERR_USAGE, "without a reference there is no divergence from it");
	for (int i = 0; i < o->n; i++)
		if (o->divergence != DIVERGENCE_REVERSE_KL && !losses[o->mix[i].loss].divergence)
			return error_set(err, ERR_USAGE, "loss %s knows no --f-divergence", losses[o->mix[i].loss].name);
	return OK;
}

/* --- a pair ------------------------------------------------------------------------------------- */

/* Score of a log-ratio, and its derivative. */
static double divergence_score(const struct preference_options *o, double a, double *d)
{
	double k = o->divergence_alpha - 1, t;

	*d = 1;
	switch (o->divergence) {
	case DIVERGENCE_FORWARD_KL:
		*d = exp(-a);
		return 1 - *d;
	case DIVERGENCE_JS:
		*d = sigmoid(-a);
		return M_LN2 + log_sigmoid(a);
	case DIVERGENCE_ALPHA:
		if (fabs(k) < 1e-6)
			return a;
		t = k * a < EXPONENT_MAX ? k * a : EXPONENT_MAX;
		*d = k * a < EXPONENT_MAX ? exp(t) : 0;
		return (exp(t) - 1) / k;
	default:
		return a;
	}
}

/* -(1-e) ls(z) - e ls(-z), derivative by z. */
static double smoothed(double z, double e, double *dz)
{
	*dz = e * sigmoid(z) - (1 - e) * sigmoid(-z);
	return -(1 - e) * log_sigmoid(z) - e * log_sigmoid(-z);
}

static double exo_pair(double z, double e, double *dz)
{
	double q = sigmoid(z), p = sigmoid(-z), u = log_sigmoid(z) - log1p(-e), v = log_sigmoid(-z) - log(e);

	/* q' = q p, p' = -q p, ls' = p, ls(-z)' = -q; the last two cancel: q p - p q = 0 */
	*dz = q * p * (u - v);
	return q * u + p * v;
}

static double discopop(double z, double tau, double *dz)
{
	double m = sigmoid(z / tau), dm = m * sigmoid(-z / tau) / tau, ls = -log_sigmoid(z), ex = exp(-z);

	*dz = dm * (ex - ls) - (1 - m) * sigmoid(-z) - m * ex;
	return (1 - m) * ls + m * ex;
}

/* log(p / (1 - p)) of p = e^x, and its derivative 1 / (1 - p). A float's log-probability of 0 means "above 1 - FLT_EPSILON / 4", so p is
 * held at that: a model that is sure of a completion has large odds, not infinite ones. */
static double log_odds(double x, double *d)
{
	double at = x < -FLT_EPSILON / 4 ? x : -FLT_EPSILON / 4, rest = -expm1(at);

	*d = 1 / rest;
	return at - (at > -M_LN2 ? log(rest) : log1p(-exp(at)));
}

double preference_log_odds(double c, double r, double *ratio)
{
	double unused, odds = log_odds(c, &unused) - log_odds(r, &unused);

	*ratio = log_sigmoid(odds);
	return odds;
}

static double orpo(double beta, double c, double r, double *dc, double *dr)
{
	double gc, gr, odds = log_odds(c, &gc) - log_odds(r, &gr), d = -beta * sigmoid(-odds);

	*dc = d * gc;
	*dr = -d * gr;
	return -beta * log_sigmoid(odds);
}

/* Losses of A and B themselves: the derivatives by them. */
static double of_ratios(enum preference_loss l, double beta, double a, double b, double *da, double *db)
{
	double x = beta * a, y = beta * b, u, v;

	switch (l) {
	case PREF_NCA_PAIR:
		*da = beta * (0.5 * sigmoid(x) - sigmoid(-x));
		*db = beta * 0.5 * sigmoid(y);
		return -log_sigmoid(x) - 0.5 * log_sigmoid(-x) - 0.5 * log_sigmoid(-y);
	case PREF_BCO_PAIR:
		*da = -beta * sigmoid(-x);
		*db = beta * sigmoid(y);
		return -log_sigmoid(x) - log_sigmoid(-y);
	case PREF_SPPO_HARD:
		u = a - 0.5 / beta, v = b + 0.5 / beta;
		*da = 2 * u;
		*db = 2 * v;
		return u * u + v * v;
	case PREF_APO_ZERO:
		*da = -beta * sigmoid(x) * sigmoid(-x);
		*db = beta * sigmoid(y) * sigmoid(-y);
		return sigmoid(-x) + sigmoid(y);
	default:        /* PREF_APO_DOWN */
		u = beta * sigmoid(x) * sigmoid(-x), v = beta * sigmoid(x - y) * sigmoid(y - x);
		*da = u - v;
		*db = v;
		return sigmoid(x) + sigmoid(y - x);
	}
}

/* One loss of one pair, and its derivatives by c and r. */
static double one_loss(const struct preference_options *o, enum preference_loss l, const struct pair_logps *p, double *dc,
		       double *dr)
{
	double fa, fb, a = divergence_score(o, p->c - p->c0, &fa), b = divergence_score(o, p->r - p->r0, &fb);
	double beta = o->beta, e = o->label_smoothing, z = beta * (a - b), value, d = 0;
	/* scale of c and r in z: losses per token divide by the lengths */
	double per_c = 1 / (double)(p->nc > 1 ? p->nc : 1), per_r = 1 / (double)(p->nr > 1 ? p->nr : 1), kc = fa, kr = fb;

	switch (l) {
	case PREF_SIGMOID:
		value = smoothed(z, e, &d);
		break;
	case PREF_SIGMOID_NORM:
		kc *= per_c, kr *= per_r;
		value = smoothed(beta * (a * per_c - b * per_r), 0, &d);
		break;
	case PREF_HINGE:
		d = z < 1 ? -1 : 0;
		value = z < 1 ? 1 - z : 0;
		break;
	case PREF_IPO:
	case PREF_IPO_SUM:
		if (l == PREF_IPO)
			a *= per_c, b *= per_r, kc *= per_c, kr *= per_r;
		d = 2 * (a - b - 1 / (2 * beta)) / beta;
		value = (a - b - 1 / (2 * beta)) * (a - b - 1 / (2 * beta));
		break;
	case PREF_ROBUST:
		d = (-(1 - e) * sigmoid(-z) - e * sigmoid(z)) / (1 - 2 * e);
		value = (-(1 - e) * log_sigmoid(z) + e * log_sigmoid(-z)) / (1 - 2 * e);
		break;
	case PREF_EXO_PAIR:
		value = exo_pair(z, e, &d);
		break;
	case PREF_DISCOPOP:
		value = discopop(z, o->discopop_tau, &d);
		break;
	case PREF_CPO:
		kc = kr = 1;
		value = smoothed(beta * (p->c - p->r), e, &d);
		break;
	case PREF_SIMPO:
		kc = per_c, kr = per_r;
		value = smoothed(beta * (p->c * per_c - p->r * per_r) - o->gamma, e, &d);
		break;
	case PREF_ORPO:
		value = orpo(beta, p->c * per_c, p->r * per_r, dc, dr);
		*dc *= per_c;
		*dr *= per_r;
		return value;
	default:
		return of_ratios(l, beta, p->c - p->c0, p->r - p->r0, dc, dr);
	}
	*dc = beta * d * kc;
	*dr = -beta * d * kr;
	return value;
}

double preference_pair(const struct preference_options *o, const struct pair_logps *p, double *dc, double *dr)
{
	double sum = 0;

	*dc = *dr = 0;
	for (int i = 0; i < o->n; i++) {
		enum preference_loss l = o->mix[i].loss;
		double x, y;

		if (l == PREF_AOT || l == PREF_AOT_UNPAIRED || l == PREF_SFT)
			continue;
		sum += o->mix[i].weight * one_loss(o, l, p, &x, &y);
		*dc += o->mix[i].weight * x;
		*dr += o->mix[i].weight * y;
	}
	return sum;
}

/* --- a sorted batch ----------------------------------------------------------------------------- */

struct placed {
	double v;
	int64_t at;
};

static int by_value(const void *x, const void *y)
{
	const struct placed *a = x, *b = y;

	return a->v < b->v ? -1 : a->v > b->v ? 1 : a->at < b->at ? -1 : a->at > b->at;
}

double preference_sorted(const struct preference_options *o, const struct pair_logps *p, int64_t n, double *dc, double *dr)
{
	struct placed *x = mem_array((size_t)n, sizeof(*x)), *y = mem_array((size_t)n, sizeof(*y));
	double sum = 0, d;

	for (int i = 0; i < o->n; i++) {
		bool paired = o->mix[i].loss == PREF_AOT;
		double share = o->mix[i].weight / (double)n;

		if (!paired && o->mix[i].loss != PREF_AOT_UNPAIRED)
			continue;
		for (int64_t k = 0; k < n; k++) {
			x[k] = (struct placed){ paired ? p[k].c - p[k].r : p[k].c - p[k].c0, k };
			y[k] = (struct placed){ paired ? p[k].c0 - p[k].r0 : p[k].r - p[k].r0, k };
		}
		qsort(x, (size_t)n, sizeof(*x), by_value);
		qsort(y, (size_t)n, sizeof(*y), by_value);
		for (int64_t k = 0; k < n; k++) {
			sum += share * smoothed(o->beta * (x[k].v - y[k].v), o->label_smoothing, &d);
			dc[x[k].at] += share * o->beta * d;
			dr[paired ? x[k].at : y[k].at] -= share * o->beta * d;
		}
	}
	mem_free(x);
	mem_free(y);
	return sum;
}

/* --- single completions, rewards ------------------------------------------------------------------ */

double feedback_loss(const struct feedback_options *o, bool wanted, double ratio, double centre, double *dratio)
{
	double w = wanted ? o->wanted_weight : o->unwanted_weight, sign = wanted ? 1 : -1, x;

	switch (o->loss) {
	case FEEDBACK_BCO:
		x = sign * (o->beta * ratio - centre);
		*dratio = -w * sign * o->beta * sigmoid(-x);
		return -w * log_sigmoid(x);
	case FEEDBACK_APO_ZERO:
		centre = 0;
		/* fall through */
	default:
		x = sign * o->beta * (ratio - centre);
		*dratio = -w * sign * o->beta * sigmoid(x) * sigmoid(-x);
		return w * sigmoid(-x);
	}
}

double reward_pair_loss(double rc, double rr, double margin, double centre, double *drc, double *drr)
{
	double x = rc - rr - margin, both = rc + rr;

	*drc = -sigmoid(-x) + 2 * centre * both;
	*drr = sigmoid(-x) + 2 * centre * both;
	return -log_sigmoid(x) + centre * both * both;
}
