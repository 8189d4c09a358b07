/* Preference losses: TRL's own values and gradients (tests/reference/make_preference.py), the derivatives against
 * differences, what is refused. */
#include "train/objective_preference.h"
#include "train/watch.h"

#include <math.h>
#include <string.h>

#include "unit.h"

static const struct json *goldens;

static double num(const struct json *j, const char *key, double dflt) { return json_get_num(j, key, dflt); }

static struct preference_options options_of(const struct json *j, const char *spec)
{
	static const char *const divergences[] = { "reverse_kl", "forward_kl", "js_divergence", "alpha_divergence" };
	const struct json *o = json_get(j, "options");
	const char *divergence = json_get_str(o, "divergence", "reverse_kl");
	struct preference_options p = { .beta = num(o, "beta", 0.1), .label_smoothing = num(o, "label_smoothing", 0),
					.gamma = num(o, "gamma", 0.5), .discopop_tau = num(o, "tau", 0.05),
					.divergence_alpha = num(o, "divergence_alpha", 0.5) };
	struct error err;

	for (int i = 0; i < 4; i++)
		if (!strcmp(divergence, divergences[i]))
			p.divergence = (enum divergence)i;
	OK_OR_FAIL(preference_parse(&p, spec, &err));
	return p;
}

/* Sequences with the given log-probabilities as a dataset and one micro-batch: token 0 is a prompt without targets. */
struct made {
	struct dataset d;
	struct micro mb;
	int64_t items[64];
	int32_t cu[64];
	float logp[1024], dlogp[1024];
	int64_t n;                           /* tokens */
};

static void add_sequence(struct made *m, const struct json *logps)
{
	int32_t ids[64] = { 0 }, labels[64];

	assert_true(logps->len + 2 < 64);
	for (size_t i = 0; i < logps->len + 2; i++)
		labels[i] = i < 2 ? -100 : 1;
	assert_int_equal(dataset_add(&m->d, ids, labels, (int64_t)logps->len + 2), logps->len);
	m->logp[m->n++] = 0;
	for (size_t i = 0; i < logps->len; i++)
		m->logp[m->n++] = (float)logps->items[i].number;
}

static void seal(struct made *m)
{
	for (int64_t i = 0; i < m->d.n_items; i++)
		m->items[i] = i;
	for (int64_t i = 0; i <= m->d.n_seqs; i++)
		m->cu[i] = (int32_t)m->d.seq_at[i];
	assert_int_equal(m->d.n_tokens, m->n);
	m->mb = (struct micro){ .d = &m->d, .items = m->items, .n_items = m->d.n_items, .logp = m->logp, .dlogp = m->dlogp,
				.batch = { .n = m->n, .s = m->d.n_seqs, .ids = m->d.ids, .cu = m->cu, .targets = m->d.targets } };
}

static void expect_close(const char *name, const char *what, double have, double want, double scale)
{
	if (!(fabs(have - want) <= 2e-6 * (fabs(want) + scale)))
		fail_msg("%s: %s is %.9g, the reference has %.9g", name, what, have, want);
}

/* In as many micro-batches as cut says, so that sums over the step are seen to be over the step. */
static void run(const struct objective *o, struct made *m, int64_t cut, double *values)
{
	int64_t per = m->d.n_seqs / m->d.n_items;

	memset(values, 0, OBJECTIVE_VALUES * sizeof(*values));
	memset(m->dlogp, 0x7f, sizeof(m->dlogp));
	o->begin(o->arg, &m->d, m->items, m->d.n_items);
	for (int pass = o->observe && !o->companion ? 0 : 1; pass < 2; pass++)
		for (int64_t at = 0; at < m->d.n_items; at += cut) {
			int64_t n = m->d.n_items - at < cut ? m->d.n_items - at : cut;
			int32_t cu[64], from = m->cu[at * per];
			float mean[1024];
			struct micro mb = m->mb;

			for (int64_t s = 0; s <= n * per; s++)
				cu[s] = m->cu[at * per + s] - from;
			mb.items = m->items + at;
			mb.n_items = n;
			mb.batch = (struct model_batch){ .n = cu[n * per], .s = n * per, .ids = m->d.ids + from, .cu = cu,
							 .targets = m->d.targets + from };
			mb.logp = m->logp + from;
			mb.dlogp = m->dlogp + from;
			for (int32_t k = 0; k < cu[n * per]; k++)
				mean[k] = 1 + mb.logp[k] / 4;    /* as make_preference.py has it */
			mb.mean = mean;
			if (pass)
				o->grad(o->arg, &mb, values);
			else
				o->observe(o->arg, &mb);
		}
}

static void expect_gradients(const char *name, const struct made *m, int64_t seq, const struct json *want)
{
	assert_true(m->dlogp[m->cu[seq]] == 0);
	for (size_t i = 0; i < want->len; i++)
		expect_close(name, "a gradient", (double)m->dlogp[m->cu[seq] + 1 + (int32_t)i], want->items[i].number, 0.01);
}

static void expect_metrics(const char *name, const struct objective *o, const double *values, const struct json *want)
{
	for (size_t i = 0; i < want->len; i++) {
		int v = 0;

		while (v < o->n_values && strcmp(o->names[v], want->keys[i].str))
			v++;
		assert_true(v < o->n_values);
		expect_close(name, want->keys[i].str, values[v], want->items[i].number, 0.1);
	}
}

static void pairs_equal_trl(void **state)
{
	const struct json *cases = json_get(goldens, "pairs");

	(void)state;
	assert_true(cases->len > 30);
	for (size_t i = 0; i < cases->len; i++)
		for (int64_t cut = 1; cut <= 4; cut += 3) {
			const struct json *c = &cases->items[i], *chosen = json_get(c, "chosen"), *ref = json_get(c, "ref");
			const char *name = json_get_str(c, "name", "?");
			struct made *m = mem_zalloc(sizeof(*m));
			struct pairs_objective p = { .o = options_of(c, json_get_str(c, "losses", "")),
						     .ld_alpha = num(json_get(c, "options"), "ld_alpha", 1) };
			struct objective o = pairs_objective(&p);
			double values[OBJECTIVE_VALUES], want = num(c, "loss", NAN);

			m->d.ref = preference_has(&p.o, PREF_SFT) || preference_needs_reference(&p.o) ?
				   mem_array(2 * chosen->len, sizeof(float)) : NULL;
			for (size_t k = 0; k < chosen->len; k++) {
				add_sequence(m, &chosen->items[k]);
				add_sequence(m, &json_get(c, "rejected")->items[k]);
				dataset_end_item(&m->d);
				for (size_t side = 0; m->d.ref && side < 2; side++)
					m->d.ref[2 * k + side] = (float)ref->items[k].items[side].number;
			}
			seal(m);
			run(&o, m, cut, values);
			if (preference_has(&p.o, PREF_ORPO)) {        /* the odds alone: TRL adds its cross-entropy elsewhere */
				values[0] -= values[7];
				for (int64_t s = 0; s < m->d.n_seqs; s += 2)
					for (int32_t t = m->cu[s] + 1; t < m->cu[s + 1]; t++)
						m->dlogp[t] += 1.0f / (float)p.nll_targets;
			}
			expect_close(name, "the loss", values[0], want, 0.01);
			for (size_t k = 0; k < chosen->len; k++) {
				expect_gradients(name, m, 2 * (int64_t)k, &json_get(c, "chosen_grad")->items[k]);
				expect_gradients(name, m, 2 * (int64_t)k + 1, &json_get(c, "rejected_grad")->items[k]);
			}
			expect_metrics(name, &o, values, json_get(c, "metrics"));
			pairs_objective_release(&p);
			dataset_release(&m->d);
			mem_free(m);
		}
}

static void feedback_equals_trl(void **state)
{
	const struct json *cases = json_get(goldens, "feedback");

	(void)state;
	assert_true(cases->len >= 4);
	for (size_t i = 0; i < cases->len; i++) {
		const struct json *c = &cases->items[i], *logps = json_get(c, "logps"), *opts = json_get(c, "options");
		bool kto = !strcmp(json_get_str(c, "loss_name", ""), "kto");
		struct feedback_objective f = { .o = { .loss = kto ? FEEDBACK_KTO : FEEDBACK_APO_ZERO, .beta = num(opts, "beta", 0.1),
						       .wanted_weight = num(opts, "wanted", 1),
						       .unwanted_weight = num(opts, "unwanted", 1) } };
		struct objective o = feedback_objective(&f);
		struct made *m = mem_zalloc(sizeof(*m));
		double values[OBJECTIVE_VALUES] = { 0 };

		m->d.ref = mem_array(logps->len, sizeof(float));
		m->d.wanted = mem_array(logps->len, sizeof(bool));
		for (size_t k = 0; k < logps->len; k++) {
			add_sequence(m, &logps->items[k]);
			dataset_end_item(&m->d);
			m->d.ref[k] = (float)json_get(c, "ref")->items[k].number;
			m->d.wanted[k] = json_get(c, "labels")->items[k].boolean;
		}
		seal(m);
		o.begin(o.arg, &m->d, m->items, m->d.n_items);
		if (kto) {      /* what the mismatched completions gave, one token each */
			struct made *other = mem_zalloc(sizeof(*other));

			other->d.ref = mem_zalloc(logps->len * sizeof(float));
			for (size_t k = 0; k < logps->len; k++) {
				struct json one = { .type = JSON_ARRAY, .len = 1, .items = &json_get(c, "kl")->items[k] };

				add_sequence(other, &one);
				dataset_end_item(&other->d);
			}
			seal(other);
			o.observe(o.arg, &other->mb);
			dataset_release(&other->d);
			mem_free(other);
		}
		o.grad(o.arg, &m->mb, values);
		expect_close(json_get_str(c, "name", "?"), "the loss", values[0], num(c, "loss", NAN), 0.01);
		for (size_t k = 0; k < logps->len; k++)
			expect_gradients(json_get_str(c, "name", "?"), m, (int64_t)k, &json_get(c, "grad")->items[k]);
		if (kto)
			expect_close("kto", "kl", values[8], num(json_get(c, "metrics"), "kl", NAN), 0.01);
		dataset_release(&m->d);
		mem_free(m);
	}
}

/* posttraining's own vectors: C -12, R -15, C0 -13, R0 -14, lengths 10 and 12, beta 0.1. */
static void known_values(void **state)
{
	static const struct { const char *spec; double smoothing, want; } cases[] = {
		{ "sigmoid", 0, 0.598138869 }, { "sigmoid", 0.1, 0.618138869 }, { "robust", 0.1, 0.573138869 }, { "hinge", 0, 0.8 },
		{ "ipo", 0, 23.200277778 }, { "ipo_sum", 0, 9 }, { "exo_pair", 1e-3, 2.422014621 }, { "nca_pair", 0, 1.338793320 },
		{ "bco_pair", 0, 1.288793320 }, { "sppo_hard", 0, 32 }, { "apo_zero", 0, 0.950041625 }, { "apo_down", 0, 0.975145190 },
		{ "discopop", 0, 0.814763141 }, { "sigmoid_norm", 0, 0.684022527 }, { "orpo", 0, 0.065837225 }, { "cpo", 0, 0.554355244 },
	};
	struct pair_logps x = { -12, -15, -13, -14, 10, 12 };
	struct error err;
	double dc, dr;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct preference_options o = { .beta = 0.1, .label_smoothing = cases[i].smoothing, .discopop_tau = 0.05 };

		OK_OR_FAIL(preference_parse(&o, cases[i].spec, &err));
		if (fabs(preference_pair(&o, &x, &dc, &dr) - cases[i].want) > 1e-8)
			fail_msg("%s: %.9f, not %.9f", cases[i].spec, preference_pair(&o, &x, &dc, &dr), cases[i].want);
	}
	/* a completion that a float takes for certain: finite, and the gradient stays within that of a token */
	struct preference_options orpo = { .beta = 0.1 };
	struct pair_logps sure = { .nc = 3, .nr = 4 };

	OK_OR_FAIL(preference_parse(&orpo, "orpo", &err));
	assert_true(fabs(preference_pair(&orpo, &sure, &dc, &dr) - 0.1 * M_LN2) < 1e-12 && isfinite(dc) && isfinite(dr));
	sure.r = -40;
	assert_true(preference_pair(&orpo, &sure, &dc, &dr) < 1e-8 && fabs(dc) < 1e-3 && fabs(dr) < 1e-3);
	struct preference_options simpo = { .beta = 2, .gamma = 0.5 };
	OK_OR_FAIL(preference_parse(&simpo, "simpo", &err));
	assert_true(fabs(preference_pair(&simpo, &x, &dc, &dr) - 0.913015252) < 1e-8);
	assert_true(fabs(reward_pair_loss(1.2, 0.4, 0, 0, &dc, &dr) - 0.371100666) < 1e-8);
	assert_true(fabs(reward_pair_loss(1.2, 0.4, 0.3, 0, &dc, &dr) - 0.474076984) < 1e-8);
	assert_true(fabs(reward_pair_loss(1.2, 0.4, 0, 0.01, &dc, &dr) - 0.371100666 - 0.0256) < 1e-8);
	struct feedback_options kto = { .loss = FEEDBACK_KTO, .beta = 0.1, .wanted_weight = 1, .unwanted_weight = 1 };
	assert_true(fabs(feedback_loss(&kto, true, 1, 0.25, &dc) - 0.481258784) < 1e-8);
	assert_true(fabs(feedback_loss(&kto, false, -1, 0.25, &dc) - 0.468790627) < 1e-8);
}

static void expect_derivative(const char *name, double up, double down, double h, double have)
{
	if (fabs((up - down) / (2 * h) - have) > 1e-6 + 1e-4 * fabs(have))
		fail_msg("%s: derivative %.9g, by differences %.9g", name, have, (up - down) / (2 * h));
}

/* Every loss under every divergence against central differences, and finite far out. */
static void derivatives_are_differences(void **state)
{
	const double h = 1e-5;
	double x, y, dc, dr;

	(void)state;
	for (int l = 0; l < PREF_LOSSES; l++)
		for (int divergence = 0; divergence < 4; divergence++)
			for (int k = 0; k < 6; k++) {
				struct preference_options o = { .n = 1, .mix = { { (enum preference_loss)l, 0.7 } }, .beta = 0.3,
								.label_smoothing = 0.2, .gamma = 0.4, .discopop_tau = 0.5,
								.divergence = (enum divergence)divergence, .divergence_alpha = 0.6 };
				struct pair_logps p = { -3.1 - k, -4.4 + 0.3 * k, -3.5, -4.1, 3 + k, 5 }, q = p;
				double up, down;

				preference_pair(&o, &p, &dc, &dr);
				q.c = p.c + h, up = preference_pair(&o, &q, &x, &y);
				q.c = p.c - h, down = preference_pair(&o, &q, &x, &y);
				expect_derivative(preference_loss_name((enum preference_loss)l), up, down, h, dc);
				q = p;
				q.r = p.r + h, up = preference_pair(&o, &q, &x, &y);
				q.r = p.r - h, down = preference_pair(&o, &q, &x, &y);
				expect_derivative(preference_loss_name((enum preference_loss)l), up, down, h, dr);
			}
	for (int l = 0; l < 3; l++)
		for (int wanted = 0; wanted < 2; wanted++) {
			struct feedback_options o = { (enum feedback_loss)l, 0.4, 1.2, 0.8 };
			double up = feedback_loss(&o, wanted, 0.7 + h, 0.2, &x), down = feedback_loss(&o, wanted, 0.7 - h, 0.2, &x);

			feedback_loss(&o, wanted, 0.7, 0.2, &dc);
			expect_derivative("feedback", up, down, h, dc);
			assert_true(isfinite(feedback_loss(&o, wanted, 1e6, 0, &dc)) && isfinite(dc));
			assert_true(isfinite(feedback_loss(&o, wanted, -1e6, 0, &dc)) && isfinite(dc));
		}
	struct preference_options far = { .n = 1, .mix = { { PREF_SIGMOID, 1 } }, .beta = 1 };
	struct pair_logps p = { -1e5, -1, -1, -1e5, 10, 10 };
	assert_true(isfinite(preference_pair(&far, &p, &dc, &dr)) && isfinite(dc) && isfinite(dr));
}

static void what_is_refused(void **state)
{
	static const char *const bad[] = { "", "dpo", "sigmoid,", "sigmoid,sigmoid", "sigmoid=0", "sigmoid=x", "sigmoid=-1", "sft=nan",
					   "sigmoid=1e99" };
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct preference_options o = { .beta = 0.1 };

		if (preference_parse(&o, bad[i], &err) != ERR_USAGE)
			fail_msg("'%s' was taken", bad[i]);
	}
	static const struct { const char *spec; double smoothing; enum divergence d; } together[] = {
		{ "exo_pair", 0, 0 }, { "hinge", 0.1, 0 }, { "simpo,sigmoid", 0, 0 }, { "cpo", 0, DIVERGENCE_JS },
	};
	for (size_t i = 0; i < sizeof(together) / sizeof(*together); i++) {
		struct preference_options o = { .beta = 0.1, .label_smoothing = together[i].smoothing, .divergence = together[i].d };

		OK_OR_FAIL(preference_parse(&o, together[i].spec, &err));
		assert_int_equal(preference_check(&o, &err), ERR_USAGE);
	}
}

/* BCO's delta is the mean of all rewards so far, this step's too. */
static void bco_keeps_a_running_mean(void **state)
{
	struct feedback_objective f = { .o = { FEEDBACK_BCO, 0.5, 1, 1 } };
	struct objective o = feedback_objective(&f);
	struct json numbers[2] = { { .number = -1 }, { .number = -3 } };
	struct json one[2] = { { .type = JSON_ARRAY, .len = 1, .items = &numbers[0] }, { .type = JSON_ARRAY, .len = 1, .items = &numbers[1] } };
	struct made *m = mem_zalloc(sizeof(*m));
	double values[OBJECTIVE_VALUES];

	(void)state;
	m->d.ref = mem_zalloc(2 * sizeof(float));
	m->d.wanted = mem_zalloc(2 * sizeof(bool));
	m->d.wanted[0] = true;
	for (int k = 0; k < 2; k++) {
		add_sequence(m, &one[k]);
		dataset_end_item(&m->d);
	}
	seal(m);
	run(&o, m, 1, values);
	assert_true(fabs(values[8] - 0.5 * -2) < 1e-12);
	o.learned(o.arg);
	m->logp[1] = -5;
	m->logp[3] = -7;
	run(&o, m, 2, values);
	assert_true(fabs(values[8] - 0.5 * (-1 - 3 - 5 - 7) / 4) < 1e-12);
	assert_int_equal(o.n_state, 2);
	dataset_release(&m->d);
	mem_free(m);
}

static int open_goldens(void **state)
{
	static struct json_parser *p;
	struct error err;

	(void)state;
	p = json_parser_open();
	return json_parse_file(p, "tests/golden/data/preference.json", &goldens, &err) == OK ? 0 : -1;
}

static enum watch_finding watched(struct watch *w, double margin, double accuracy, double nll)
{
	enum watch_finding found = WATCH_FINE;

	for (int i = 0; i < WATCH_STEPS; i++) {
		assert_true(found == WATCH_FINE);
		/* noise that the means do not have */
		found = watch_step(w, &(struct watch_means){ margin + (i % 2 ? 5 : -5), accuracy, nll + (i % 2 ? 3 : -3) });
	}
	return found;
}

static void a_watch_tells_each_thing_once(void **state)
{
	struct watch w = { 0 };

	(void)state;
	assert_true(watched(&w, 0, 0.5, 2) == WATCH_FINE);
	assert_true(watched(&w, 0.1, 0.5, 2) == WATCH_FINE);           /* it grows */
	assert_true(watched(&w, 0.05, 0.7, 2.4) == WATCH_FINE);        /* it stands, but they are told apart */
	assert_true(watched(&w, 0.05, 0.5, 2.4) == WATCH_STALLED);
	assert_true(watched(&w, 0.01, 0.5, 2.4) == WATCH_FINE);
	assert_true(watched(&w, 0.5, 0.9, 2.6) == WATCH_FELL);
	assert_true(fabs(w.first.nll - 2) < 1e-12 && fabs(w.last.nll - 2.6) < 1e-12);
	assert_true(watched(&w, 0.5, 0.9, 9) == WATCH_FINE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs_equal_trl), cmocka_unit_test(feedback_equals_trl), cmocka_unit_test(known_values), cmocka_unit_test(a_watch_tells_each_thing_once),
		cmocka_unit_test(derivatives_are_differences), cmocka_unit_test(what_is_refused),
		cmocka_unit_test(bco_keeps_a_running_mean),
	};

	return cmocka_run_group_tests(tests, open_goldens, NULL);
}
