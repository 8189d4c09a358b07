/* What must not change a step: how its documents are packed, padded, cut into micro-batches and recomputed; and what a step does
 * that has nothing to learn, or cannot be done. */
#include "training.h"

#include <math.h>

#define DOCUMENTS 7

/* Document i of DOCUMENTS: its tokens, the last one 2 (the end of text), and labels with holes. */
static int32_t document(int i, int32_t *ids, int32_t *labels)
{
	int32_t n = 3 + 4 * i % 11;

	for (int32_t k = 0; k < n; k++) {
		ids[k] = k + 1 < n ? 3 + (i * 31 + k * 7) % 90 : 2;
		labels[k] = k % 4 == 3 && k + 1 < n ? -100 : ids[k];
	}
	return n;
}

/* The documents from, .., to - 1 as one packed row with a tail of padding, which is the token 2, too. */
static void add_row(struct dataset *d, const struct model *m, int from, int to, int padding)
{
	int32_t ids[256], labels[256], lengths[DOCUMENTS], at = 0;
	struct pack row = { ids, labels, lengths, to - from, 0 };
	const char *reason;

	for (int i = from; i < to; i++) {
		lengths[i - from] = document(i, ids + at, labels + at);
		at += lengths[i - from];
	}
	for (int i = 0; i < padding; i++)
		ids[at + i] = 2, labels[at + i] = -100;
	row.used = at + padding;
	OK_OR_FAIL(rows_add_pack(d, &m->cfg, &row, &reason, &err));
	assert_null(reason);
}

/* Rows that end before the documents in ends[0..n), all of them one step. The gradient is what a step of 1 leaves. */
static float *gradient(const int *ends, int n, int padding, int64_t micro_tokens, enum model_use recompute, const struct sft *options,
		       double *loss, int64_t *n_params)
{
	struct train_options o = { .steps = 1, .micro_tokens = micro_tokens, .recompute = recompute, .schedule.lr = 1,
				   .schedule.kind = SCHEDULE_CONSTANT, .optimizer.kind = OPTIMIZER_SGD };
	struct sft s = *options;
	struct objective objective = sft_objective(&s);
	struct dataset d = { 0 };
	struct trainer t;
	struct report r;
	struct model m;
	float *before, *grad;

	load(&m, "tiny");
	before = mem_array((size_t)m.n_params, sizeof(float));
	grad = mem_array((size_t)m.n_params, sizeof(float));
	memcpy(before, m.params, (size_t)m.n_params * sizeof(float));
	for (int i = 0, from = 0; i < n; from = ends[i++])
		add_row(&d, &m, from, ends[i], padding * i);
	open_trainer(&t, &m, &d, &objective, &o);
	OK_OR_FAIL(trainer_step(&t, &r, &err));
	*loss = r.values[0];
	*n_params = m.n_params;
	for (int64_t i = 0; i < m.n_params; i++)
		grad[i] = before[i] - m.params[i];
	trainer_close(&t);
	dataset_release(&d);
	mem_free(before);
	model_release(&m);
	return grad;
}

static void the_same_documents_give_the_same_gradient(void **state)
{
	static const int alone[] = { 1, 2, 3, 4, 5, 6, 7 }, one[] = { 7 }, pairs[] = { 2, 4, 6, 7 }, uneven[] = { 1, 6, 7 };
	static const struct { const int *ends; int n, padding; int64_t micro; enum model_use recompute; } ways[] = {
		{ one, 1, 0, 1000, MODEL_TRAIN }, { pairs, 4, 0, 1000, MODEL_TRAIN }, { pairs, 4, 0, 1, MODEL_TRAIN },
		{ uneven, 3, 9, 1000, MODEL_TRAIN }, { uneven, 3, 5, 30, MODEL_TRAIN_LESS }, { alone, 7, 3, 1, MODEL_TRAIN_LEAST },
		{ alone, 7, 0, 17, MODEL_TRAIN },
	};
	static const struct sft objectives[] = { { 0 }, { .label_smoothing = 0.2, .z_loss = 0.01 } };

	(void)state;
	for (int k = 0; k < 2; k++) {
		double want_loss, loss;
		int64_t n;
		float *want = gradient(alone, 7, 0, 1000, MODEL_TRAIN, &objectives[k], &want_loss, &n), top = 0;

		for (int64_t i = 0; i < n; i++)
			top = fmaxf(top, fabsf(want[i]));
		assert_true(top > 0.01f && want_loss > 1);
		for (size_t w = 0; w < sizeof(ways) / sizeof(ways[0]); w++) {
			float *got = gradient(ways[w].ends, ways[w].n, ways[w].padding, ways[w].micro, ways[w].recompute,
					      &objectives[k], &loss, &n);

			assert_true(fabs(loss - want_loss) < 1e-6);
			for (int64_t i = 0; i < n; i++)
				if (!(fabsf(got[i] - want[i]) <= 1e-6f + 1e-5f * top))
					fail_msg("way %zu: gradient %lld is %.9g, alone %.9g", w, (long long)i, (double)got[i], (double)want[i]);
			mem_free(got);
		}
		mem_free(want);
	}
}

/* The end of text is learned at the end of each document, and padding with the same token is not. */
static void the_end_of_text_keeps_its_loss(void **state)
{
	struct dataset d = { 0 };
	struct model m;
	int64_t ends = 0, targets = 0;

	(void)state;
	load(&m, "tiny");
	add_row(&d, &m, 0, DOCUMENTS, 12);
	for (int64_t s = 0; s < d.n_seqs; s++)
		ends += d.targets[d.seq_at[s + 1] - 1] == 2;
	for (int64_t i = 0; i < d.n_tokens; i++)
		targets += d.targets[i] == 2;
	assert_int_equal(ends, DOCUMENTS);
	assert_int_equal(targets, DOCUMENTS);
	dataset_release(&d);
	model_release(&m);
}

static void a_batch_without_targets_has_no_loss_and_no_nan(void **state)
{
	static const struct sft objectives[] = { { 0 }, { .label_smoothing = 0.2, .z_loss = 0.01 } };

	(void)state;
	for (int k = 0; k < 2; k++) {
		struct train_options o = fixed_order();
		struct sft s = objectives[k];
		struct objective objective = sft_objective(&s);
		double values[OBJECTIVE_VALUES];
		struct dataset d = { 0 };
		struct trainer t;
		struct report r;
		struct model m;
		float *before;

		load(&m, "tiny");
		before = mem_array((size_t)m.n_params, sizeof(float));
		memcpy(before, m.params, (size_t)m.n_params * sizeof(float));
		add_row(&d, &m, 0, 3, 0);
		for (int64_t i = 0; i < d.n_tokens; i++)
			d.targets[i] = -1;
		o.steps = 2, o.schedule.lr = 1e-3, o.schedule.kind = SCHEDULE_CONSTANT;
		open_trainer(&t, &m, &d, &objective, &o);
		for (int i = 0; i < 2; i++) {
			OK_OR_FAIL(trainer_step(&t, &r, &err));
			for (int v = 0; v < objective.n_values; v++)
				assert_true(r.values[v] == 0);
			assert_true(r.grad_norm == 0);
		}
		OK_OR_FAIL(trainer_eval(&t, &d, values, &err));
		assert_true(values[0] == 0);
		assert_memory_equal(before, m.params, (size_t)m.n_params * sizeof(float));
		trainer_close(&t);
		dataset_release(&d);
		mem_free(before);
		model_release(&m);
	}
}

/* --- guards ------------------------------------------------------------------------------- */

static void a_step_that_is_not_finite_changes_nothing(void **state)
{
	struct train_options o = fixed_order();
	struct sft s = { 0 };
	struct objective objective = sft_objective(&s);
	struct dataset d = { 0 };
	struct trainer t;
	struct report r;
	struct model m;
	float *before;

	(void)state;
	load(&m, "tiny");
	for (int i = 0; i < 6; i += 2)
		add_row(&d, &m, i, i + 2, 0);
	o.steps = 3, o.batch_items = 1, o.schedule.lr = 1e-3;
	open_trainer(&t, &m, &d, &objective, &o);
	OK_OR_FAIL(trainer_step(&t, &r, &err));
	m.params[100] = INFINITY;
	before = mem_array((size_t)m.n_params, sizeof(float));
	memcpy(before, m.params, (size_t)m.n_params * sizeof(float));
	assert_int_equal(trainer_step(&t, &r, &err), ERR_DATA);
	assert_non_null(strstr(err.text, "step 2: the loss is not finite"));
	assert_non_null(strstr(err.text, "from 0: 1;"));
	assert_non_null(strstr(err.text, "--skip-batches 2"));
	assert_int_equal(t.step, 1);
	assert_memory_equal(before, m.params, (size_t)m.n_params * sizeof(float));
	trainer_close(&t);
	dataset_release(&d);
	mem_free(before);
	model_release(&m);
}

/* Noise of the embeddings: it changes the loss, by the same amount however a step is cut, and not the evaluation. */
static void noise_does_not_depend_on_the_cut(void **state)
{
	double losses[3], evals[3];

	(void)state;
	for (int k = 0; k < 3; k++) {
		struct train_options o = fixed_order();
		struct sft s = { 0 };
		struct objective objective = sft_objective(&s);
		double values[OBJECTIVE_VALUES];
		struct dataset d = { 0 };
		struct trainer t;
		struct report r;
		struct model m;

		load(&m, "tiny");
		for (int i = 0; i < 6; i += 2)
			add_row(&d, &m, i, i + 2, 0);
		o.steps = 1, o.micro_tokens = k == 1 ? 1 : 1000, o.neftune_alpha = k < 2 ? 5 : 0;
		open_trainer(&t, &m, &d, &objective, &o);
		OK_OR_FAIL(trainer_eval(&t, &d, values, &err));
		evals[k] = values[0];
		OK_OR_FAIL(trainer_step(&t, &r, &err));
		losses[k] = r.values[0];
		trainer_close(&t);
		dataset_release(&d);
		model_release(&m);
	}
	assert_true(fabs(losses[0] - losses[1]) < 1e-6);
	assert_true(fabs(losses[0] - losses[2]) > 1e-4);
	assert_true(fabs(evals[0] - evals[2]) < 1e-12 && fabs(evals[0] - losses[2]) < 1e-6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_documents_give_the_same_gradient),
		cmocka_unit_test(the_end_of_text_keeps_its_loss),
		cmocka_unit_test(a_batch_without_targets_has_no_loss_and_no_nan),
		cmocka_unit_test(a_step_that_is_not_finite_changes_nothing),
		cmocka_unit_test(noise_does_not_depend_on_the_cut),
	};
	int failed;

	pool = pool_open(2);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	pool_close(pool);
	return failed;
}
