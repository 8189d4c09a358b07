/* preference.h - the losses of preference training as functions of log-probabilities: no model, no data.
 *
 * A pair is four sums over completion tokens: chosen and rejected, under the policy (c, r) and under the reference
 * (c0, r0), with the numbers of those tokens. Write A = c - c0, B = r - r0, and a, b for them under the chosen f-divergence (reverse KL:
 * themselves). Names, forms and defaults are TRL's (dpo_trainer.py, cpo_trainer.py, orpo_trainer.py, kto_trainer.py of 1.16),
 * with z = beta (a - b), ls = log sigmoid, s = sigmoid, e = label smoothing:
 *
 *   sigmoid       -(1-e) ls(z) - e ls(-z)          Rafailov et al. 2023; e as in cDPO (TRL 1.x takes no notice of e here)
 *   sigmoid_norm  -ls(beta (a/nc - b/nr))          per token, as Tulu 3 (Lambert et al. 2024)
 *   hinge         max(0, 1 - z)                    SLiC (Zhao et al. 2023)
 *   ipo           (a/nc - b/nr - 1/(2 beta))^2     Azar et al. 2023; ipo_sum: (a - b - 1/(2 beta))^2, as OpenRLHF has it
 *   robust        (-(1-e) ls(z) + e ls(-z)) / (1-2e)      Chowdhury et al. 2024
 *   exo_pair      s(z) (ls(z) - log(1-e)) + s(-z) (ls(-z) - log e)     Ji et al. 2024; needs e > 0
 *   nca_pair      -ls(beta A) - ls(-beta A)/2 - ls(-beta B)/2     Chen et al. 2024
 *   bco_pair      -ls(beta A) - ls(-beta B)        Jung et al. 2024, without their running mean, as TRL 1.x
 *   sppo_hard     (A - 1/(2 beta))^2 + (B + 1/(2 beta))^2     Wu et al. 2024
 *   apo_zero      1 - s(beta A) + s(beta B)        D'Oosterlinck et al. 2024
 *   apo_down      s(beta A) + 1 - s(beta (A - B))
 *   discopop      m e^-z - (1-m) ls(z), m = s(z / tau)     Lu et al. 2024
 *   aot, aot_unpaired  sigmoid of sorted batches: see preference_sorted (Melnyk et al. 2024)
 *   sft           cross-entropy per chosen token
 *   cpo           sigmoid with c, r for a, b       Xu et al. 2024; no reference
 *   simpo         -(1-e) ls(z) - e ls(-z), z = beta (c/nc - r/nr) - gamma     Meng et al. 2024; no reference
 *   orpo          -beta ls(o), o = (c' - r') - (log(1 - e^c') - log(1 - e^r')) of c' = c/nc, r' = r/nr     Hong et al. 2024; no
 *                 reference; its cross-entropy over prompt and completion is the objective's business */
#ifndef QUERN_TRAIN_PREFERENCE_H
#define QUERN_TRAIN_PREFERENCE_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum preference_loss {
	PREF_SIGMOID, PREF_SIGMOID_NORM, PREF_HINGE, PREF_IPO, PREF_IPO_SUM, PREF_ROBUST, PREF_EXO_PAIR, PREF_NCA_PAIR,
	PREF_BCO_PAIR, PREF_SPPO_HARD, PREF_APO_ZERO, PREF_APO_DOWN, PREF_DISCOPOP, PREF_AOT, PREF_AOT_UNPAIRED, PREF_SFT,
	PREF_CPO, PREF_SIMPO, PREF_ORPO, PREF_LOSSES
};
const char *preference_loss_name(enum preference_loss l);

/* Scores of log-ratios: A; 1 - e^-A; log 2 + ls(A); (e^((coef-1)A) - 1)/(coef-1), its exponent at most 80. */
enum divergence { DIVERGENCE_REVERSE_KL, DIVERGENCE_FORWARD_KL, DIVERGENCE_JS, DIVERGENCE_ALPHA };

struct preference_options {
	int n;                               /* losses that are added up, each with its weight */
	struct {
		enum preference_loss loss;
		double weight;
	} mix[PREF_LOSSES];
	double beta, label_smoothing, gamma, discopop_tau;
	enum divergence divergence;
	double divergence_alpha;
};
/* "sigmoid", "sigmoid=1,sft=0.2": adds to the mix, with weight 1 unless given. ERR_USAGE for an unknown name, a name
 * that is there already, a weight that is no positive number. */
enum status preference_parse(struct preference_options *o, const char *spec, struct error *err);
/* Refuses what is not defined together: exo_pair without label smoothing, smoothing where no loss knows it, a divergence where
 * one does not, losses with and without a reference in one mix. */
enum status preference_check(const struct preference_options *o, struct error *err);
bool preference_has(const struct preference_options *o, enum preference_loss l);
bool preference_needs_reference(const struct preference_options *o);
bool preference_needs_batch(const struct preference_options *o);      /* aot, aot_unpaired */
/* The weight of the chosen's cross-entropy in the mix: sft's; 0 without. */
double preference_sft_weight(const struct preference_options *o);

struct pair_logps {
	double c, r, c0, r0;
	int64_t nc, nr;
};
/* Weighted sum of the mix's losses but aot, aot_unpaired and sft, and its derivatives by c and r. */
double preference_pair(const struct preference_options *o, const struct pair_logps *p, double *dc, double *dr);
/* ORPO's log (odds of e^c / odds of e^r), c and r per token; ratio: log sigmoid of it. */
double preference_log_odds(double c, double r, double *ratio);
/* The mean of aot and aot_unpaired over n pairs, weighted, and its derivatives, added to dc and dr[n]. aot compares the sorted c - r
 * with the sorted c0 - r0, aot_unpaired the sorted A with the sorted B; equal values stay in order. */
double preference_sorted(const struct preference_options *o, const struct pair_logps *p, int64_t n, double *dc, double *dr);

/* --- one completion and whether it is wanted -------------------------------------------------------- */
enum feedback_loss {
	FEEDBACK_KTO,                /* w (1 - s(beta (A - kl))), unwanted w (1 - s(beta (kl - A))): Ethayarajh et al. 2024 */
	FEEDBACK_APO_ZERO,           /* apo_zero_unpaired: w (1 - s(beta A)), unwanted w s(beta A) */
	FEEDBACK_BCO,                /* -ls(beta A - delta), unwanted -ls(-(beta A - delta)): Jung et al. 2024 */
};
struct feedback_options {
	enum feedback_loss loss;
	double beta, wanted_weight, unwanted_weight;
};
/* ratio: A. centre: kl (at least 0) for KTO, delta for BCO. */
double feedback_loss(const struct feedback_options *o, bool wanted, double ratio, double centre, double *dratio);

/* --- rewards of two completions --------------------------------------------------------------------- */
/* Bradley-Terry: -ls(rc - rr - margin) + centre (rc + rr)^2. */
double reward_pair_loss(double rc, double rr, double margin, double centre, double *drc, double *drr);

#endif
