/* Training against torch: 20 AdamW steps and 5 of DPO on transformers' tiny Llama, and what must not change a result. */
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "train/rows.h"
#include "train/objective_preference.h"
#include "train/trainer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define GOLDENS "tests/golden/data/model/"

static struct pool *pool;
static struct error err;
static struct json_parser *parser, *parser2;
static const struct json *goldens, *training;

#define OK_OR_FAIL(e)                                                   \
	do {                                                            \
		if ((e) != OK)                                          \
			fail_msg("%s: %s", #e, err.text);               \
	} while (0)

static void assert_close(const char *what, double got, double want)
{
	if (!(fabs(got - want) <= 1e-4 * fmax(1e-1, fabs(want))))
		fail_msg("%s: %.9g, torch %.9g", what, got, want);
}

static double member(const struct json *j, const char *key)
{
	return json_get_num(j, key, NAN);
}

/* --- fixtures ----------------------------------------------------------------------------- */

static struct train_options fixed_order(void)
{
	return (struct train_options){ .schedule.floor = 0.1, .optimizer = { .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8 },
				       .clip = 1.0, .micro_tokens = 1000 };
}

static void open_trainer(struct trainer *t, struct model *m, const struct dataset *d, const struct objective *objective,
			 const struct train_options *o)
{
	OK_OR_FAIL(trainer_open(t, m, d, objective, o, 0, &err));
	OK_OR_FAIL(trainer_take(t, &err));
}

static void load(struct model *m, const char *name)
{
	char *dir = mem_printf(GOLDENS "%s", name);

	OK_OR_FAIL(model_load(m, dir, kernels_cpu(), pool, &err));
	mem_free(dir);
}

/* Each sequence an item, every token but the first a target. */
static void plain_dataset(struct dataset *d, const struct json *sequences)
{
	int32_t v[64];

	*d = (struct dataset){ 0 };
	for (size_t i = 0; i < sequences->len; i++) {
		int64_t n = (int64_t)sequences->items[i].len;

		for (int64_t k = 0; k < n; k++)
			v[k] = (int32_t)sequences->items[i].items[k].integer;
		dataset_add(d, v, v, n);
		assert_true(dataset_end_item(d));
	}
}

static int32_t put(const struct json *part, int32_t *ids, int32_t *labels, int32_t at, bool loss)
{
	for (size_t i = 0; i < part->len; i++, at++) {
		ids[at] = (int32_t)part->items[i].integer;
		labels[at] = loss ? ids[at] : -100;
	}
	return at;
}

static void pair_dataset(struct dataset *d, const struct json *pairs, struct model *m)
{
	int32_t ids[64], labels[64];

	*d = (struct dataset){ 0 };
	for (size_t i = 0; i < pairs->len; i++) {
		const struct json *p = pairs->items[i].items;

		for (int side = 1; side <= 2; side++) {
			int32_t n = put(&p[0], ids, labels, 0, false);

			n = put(&p[side], ids, labels, n, true);
			dataset_add(d, ids, labels, n);
		}
		assert_true(dataset_end_item(d));
	}
	d->ref = mem_array((size_t)d->n_seqs, sizeof(float));
	OK_OR_FAIL(sequence_logps(m, d, 16, NULL, NULL, d->ref, &err));
}

/* --- torch -------------------------------------------------------------------------------- */

/* Each row an item of several sequences, with the labels that it brings. */
static void packed_dataset(struct dataset *d, const struct json *rows)
{
	int32_t ids[64], labels[64];

	*d = (struct dataset){ 0 };
	for (size_t r = 0; r < rows->len; r++) {
		for (size_t s = 0; s < rows->items[r].len; s++) {
			const struct json *v = rows->items[r].items[s].items;

			for (size_t i = 0; i < v[0].len; i++) {
				ids[i] = (int32_t)v[0].items[i].integer;
				labels[i] = (int32_t)v[1].items[i].integer;
			}
			dataset_add(d, ids, labels, (int64_t)v[0].len);
		}
		assert_true(dataset_end_item(d));
	}
}

static const char *value_key(const char *name)
{
	return strcmp(name, "z_loss") ? name : "z";
}

/* The parameters at the end, tensor by tensor. */
static void check_tensors(const struct model *m, const struct json *want)
{
	assert_int_equal(want->len, m->n_tensors);
	for (int i = 0; i < m->n_tensors; i++) {
		const struct tensor *x = &m->tensors[i];
		const struct json *w = json_get(want, x->name);
		const float *p = m->params + x->offset;
		int64_t n = x->rows * x->cols;
		double squares = 0;

		for (int64_t k = 0; k < n; k++)
			squares += (double)p[k] * p[k];
		assert_close(x->name, sqrt(squares), member(w, "norm"));
		assert_close(x->name, (double)p[0], member(w, "first"));
		assert_close(x->name, (double)p[n - 1], member(w, "last"));
	}
}

static void check_sft(const char *run, const char *name, int64_t micro_tokens)
{
	const struct json *g = json_get(json_get(training, "runs"), run);
	struct train_options o = fixed_order();
	struct sft s = { .label_smoothing = member(g, "smoothing"), .z_loss = member(g, "z_loss") };
	struct objective objective = sft_objective(&s);
	struct dataset d;
	struct trainer t;
	struct report r;
	struct model m;

	load(&m, name);
	packed_dataset(&d, json_get(training, "rows"));
	o.steps = 20, o.batch_items = 2, o.schedule.lr = 3e-3, o.schedule.warmup = 4, o.optimizer.weight_decay = 0.1;
	o.micro_tokens = micro_tokens;
	open_trainer(&t, &m, &d, &objective, &o);
	assert_int_equal(json_get(g, "loss")->len, 20);
	for (int i = 0; i < 20; i++) {
		OK_OR_FAIL(trainer_step(&t, &r, &err));
		for (int v = 0; v < objective.n_values; v++)
			assert_close(objective.names[v], r.values[v], json_get(g, value_key(objective.names[v]))->items[i].number);
		assert_close("grad_norm", r.grad_norm, json_get(g, "grad_norm")->items[i].number);
	}
	assert_int_equal(trainer_step(&t, &r, &err), END);
	check_tensors(&m, json_get(g, "tensors"));
	trainer_close(&t);
	dataset_release(&d);
	model_release(&m);
}

static void twenty_steps_equal_torch(void **state)
{
	(void)state;
	check_sft("tiny", "tiny", 1000);
	check_sft("tiny", "tiny", 1);        /* a row at a time */
	check_sft("tied", "tied", 1000);
	check_sft("tiny smoothed", "tiny", 1000);
}

/* DPO's own loss with beta 0.1, and cross-entropy of the chosen beside it. */
static struct pairs_objective sigmoid(double sft)
{
	struct pairs_objective p = { .o = { .n = 1, .mix = { { PREF_SIGMOID, 1 }, { PREF_SFT, sft } }, .beta = 0.1 }, .ld_alpha = 1 };

	p.o.n += sft > 0;
	return p;
}

static void five_dpo_steps_equal_torch(void **state)
{
	const struct json *g = json_get(json_get(goldens, "tiny"), "dpo"), *steps = json_get(g, "steps");
	struct train_options o = fixed_order();
	struct pairs_objective dpo = sigmoid(0);
	struct objective objective = pairs_objective(&dpo);
	struct dataset d;
	struct trainer t;
	struct report r;
	struct model m;

	(void)state;
	load(&m, "tiny");
	pair_dataset(&d, json_get(g, "pairs"), &m);
	o.steps = 5, o.batch_items = 2, o.schedule.lr = 1e-3, o.schedule.kind = SCHEDULE_CONSTANT;
	open_trainer(&t, &m, &d, &objective, &o);
	assert_int_equal(steps->len, 5);
	for (int i = 0; i < 5; i++) {
		const struct json *want = &steps->items[i];

		OK_OR_FAIL(trainer_step(&t, &r, &err));
		for (int v = 0; v < objective.n_values; v++)
			if (json_get(want, objective.names[v]))
				assert_close(objective.names[v], r.values[v], member(want, objective.names[v]));
		assert_close("grad_norm", r.grad_norm, member(want, "grad_norm"));
		assert_true(fabs(r.values[3] - (r.values[1] - r.values[2])) < 1e-9);
	}
	trainer_close(&t);
	dataset_release(&d);
	model_release(&m);
}

/* --- invariances -------------------------------------------------------------------------- */

/* Runs three steps and leaves the model's parameters in out. */
static void run_steps(const struct train_options *o, const struct objective *objective, const struct json *pairs,
		      const struct json *sequences, struct pool *threads, float **out, int64_t *n)
{
	struct dataset d;
	struct trainer t;
	struct report r;
	struct model m;

	OK_OR_FAIL(model_load(&m, GOLDENS "tiny", kernels_cpu(), threads, &err));
	if (pairs)
		pair_dataset(&d, pairs, &m);
	else
		plain_dataset(&d, sequences);
	open_trainer(&t, &m, &d, objective, o);
	while (t.step < t.steps)
		OK_OR_FAIL(trainer_step(&t, &r, &err));
	*n = m.n_params;
	*out = mem_array((size_t)*n, sizeof(float));
	memcpy(*out, m.params, (size_t)*n * sizeof(float));
	trainer_close(&t);
	dataset_release(&d);
	model_release(&m);
}

static void check_split(const struct objective *objective, const struct json *pairs, const struct json *sequences)
{
	struct train_options o = fixed_order();
	float *whole, *parts;
	int64_t n;

	o.steps = 3, o.batch_items = 4, o.schedule.lr = 1e-3, o.shuffle = true, o.seed = 11;
	run_steps(&o, objective, pairs, sequences, pool, &whole, &n);
	o.micro_tokens = 1;          /* raised to the longest item: one or two items at a time */
	run_steps(&o, objective, pairs, sequences, pool, &parts, &n);
	for (int64_t i = 0; i < n; i++)
		assert_true(fabsf(whole[i] - parts[i]) < 2e-5f);
	mem_free(whole);
	mem_free(parts);
}

/* --- the same documents ------------------------------------------------------------------- */

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
		       double *loss)
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
		float *want = gradient(alone, 7, 0, 1000, MODEL_TRAIN, &objectives[k], &want_loss), top = 0;

		for (int64_t i = 0; i < 20000; i++)
			top = fmaxf(top, fabsf(want[i]));
		assert_true(top > 0.01f && want_loss > 1);
		for (size_t w = 0; w < sizeof(ways) / sizeof(ways[0]); w++) {
			float *got = gradient(ways[w].ends, ways[w].n, ways[w].padding, ways[w].micro, ways[w].recompute,
					      &objectives[k], &loss);

			assert_true(fabs(loss - want_loss) < 1e-6);
			for (int64_t i = 0; i < 20000; i++)
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

static void cutting_a_step_does_not_change_it(void **state)
{
	struct sft s = { 0 };
	struct pairs_objective dpo = sigmoid(0.3);
	struct objective a = sft_objective(&s), b = pairs_objective(&dpo);

	(void)state;
	check_split(&a, NULL, json_get(json_get(json_get(goldens, "tiny"), "sft"), "sequences"));
	check_split(&b, json_get(json_get(json_get(goldens, "tiny"), "dpo"), "pairs"), NULL);
}

static void threads_do_not_change_a_bit_of_the_model(void **state)
{
	struct train_options o = fixed_order();
	struct sft s = { 0 };
	struct objective objective = sft_objective(&s);
	const struct json *sequences = json_get(json_get(json_get(goldens, "tiny"), "sft"), "sequences");
	struct pool *one = pool_open(1);
	float *a, *b;
	int64_t n;

	(void)state;
	o.epochs = 2, o.batch_tokens = 40, o.schedule.lr = 1e-3, o.shuffle = true;
	run_steps(&o, &objective, NULL, sequences, one, &a, &n);
	run_steps(&o, &objective, NULL, sequences, pool, &b, &n);
	assert_memory_equal(a, b, (size_t)n * sizeof(float));
	mem_free(a);
	mem_free(b);
	pool_close(one);
}

static void sft_weight_adds_the_cross_entropy_of_the_chosen(void **state)
{
	const struct json *pairs = json_get(json_get(json_get(goldens, "tiny"), "dpo"), "pairs");
	struct train_options o = fixed_order();
	double plain[OBJECTIVE_VALUES], with[OBJECTIVE_VALUES];
	struct pairs_objective dpo = sigmoid(0);
	struct objective objective = pairs_objective(&dpo);
	struct dataset d;
	struct trainer t;
	struct model m;

	(void)state;
	load(&m, "tiny");
	pair_dataset(&d, pairs, &m);
	o.steps = 1, o.batch_items = 4;
	open_trainer(&t, &m, &d, &objective, &o);
	OK_OR_FAIL(trainer_eval(&t, &d, plain, &err));
	dpo = sigmoid(0.5);
	OK_OR_FAIL(trainer_eval(&t, &d, with, &err));
	assert_true(fabs(plain[0] - log(2)) < 1e-6);
	assert_true(plain[7] > 1 && fabs(with[0] - plain[0] - 0.5 * plain[7]) < 1e-9);
	trainer_close(&t);
	dataset_release(&d);
	model_release(&m);
}

/* --- data -------------------------------------------------------------------- */

static void targets_are_the_next_labels_of_the_same_sequence(void **state)
{
	const int32_t ids[] = { 5, 6, 7, 8 }, labels[] = { -100, 6, -100, 8 };
	struct dataset d = { 0 };

	(void)state;
	assert_int_equal(dataset_add(&d, ids, labels, 4), 2);
	assert_int_equal(dataset_add(&d, ids, labels, 3), 1);
	assert_int_equal(dataset_add(&d, ids, labels, 1), 0);
	assert_true(dataset_end_item(&d));
	assert_int_equal(d.n_tokens, 4);             /* what no target needs is left out */
	assert_int_equal(d.targets[0], 6);
	assert_int_equal(d.targets[1], -1);
	assert_int_equal(d.targets[2], 8);
	assert_int_equal(d.targets[3], 6);
	dataset_add(&d, ids, labels, 1);
	assert_false(dataset_end_item(&d));          /* nothing to learn */
	dataset_add(&d, ids, labels, 4);
	dataset_drop_item(&d);
	assert_int_equal(d.n_tokens, 4);
	assert_int_equal(d.n_targets, 3);
	assert_int_equal(d.n_items, 1);
	dataset_release(&d);
}

/* One packed row of six tokens; lengths[0..n). */
static enum status add_packed(const int32_t *ids, const int32_t *labels, const int32_t *lengths, int n, struct dataset *d,
			      const char **reason)
{
	struct model_config c = { .vocab = 20, .positions = 4 };
	struct schema s = { 0 };
	struct builder *rows;
	struct batch *b;
	enum status st;

	kind_schema(KIND_PACKED, false, 6, &s);
	rows = builder_open(&s);
	column_int32s(builder_column(rows, 0), ids, 6);
	column_int32s(builder_column(rows, 1), labels, 6);
	column_int32s(builder_column(rows, 2), lengths, n);
	b = builder_finish(rows);
	*d = (struct dataset){ 0 };
	st = rows_add_sequences(d, &c, KIND_PACKED, b, 0, reason, &err);
	batch_release(b);
	builder_close(rows);
	schema_release(&s);
	return st;
}

static void packed_rows_are_checked(void **state)
{
	const int32_t ids[] = { 1, 2, 3, 4, 5, 6 }, labels[] = { -100, 2, 3, -100, 5, -100 }, none[] = { -1, -1, -1, -1, -1, -1 };
	const int32_t alien[] = { 1, 2, 3, 4, 20, 6 }, negative[] = { 1, 2, -3, 4, 5, 6 };
	struct dataset d;
	const char *reason;

	(void)state;
	assert_int_equal(add_packed(ids, labels, (int32_t[]){ 3, 2 }, 2, &d, &reason), OK);
	assert_null(reason);
	assert_int_equal(d.n_seqs, 2);
	assert_int_equal(d.n_targets, 3);
	assert_int_equal(d.ids[2], 4);
	dataset_release(&d);
	assert_int_equal(add_packed(ids, labels, (int32_t[]){ 6 }, 1, &d, &reason), OK);
	assert_null(reason);                 /* five tokens, but the last is only predicted: four positions */
	dataset_release(&d);
	assert_int_equal(add_packed(ids, ids, (int32_t[]){ 6 }, 1, &d, &reason), OK);
	assert_string_equal(reason, "too_long");
	assert_int_equal(d.n_tokens, 0);
	dataset_release(&d);
	assert_int_equal(add_packed(ids, none, (int32_t[]){ 3, 3 }, 2, &d, &reason), OK);
	assert_string_equal(reason, "no_loss");
	dataset_release(&d);
	assert_int_equal(add_packed(ids, labels, (int32_t[]){ 3, 4 }, 2, &d, &reason), ERR_DATA);
	dataset_release(&d);
	assert_int_equal(add_packed(ids, labels, (int32_t[]){ INT32_MAX, INT32_MAX }, 2, &d, &reason), ERR_DATA);
	dataset_release(&d);
	assert_int_equal(add_packed(ids, labels, (int32_t[]){ -1, 3 }, 2, &d, &reason), ERR_DATA);
	dataset_release(&d);
	assert_int_equal(add_packed(alien, labels, (int32_t[]){ 3 }, 1, &d, &reason), ERR_DATA);
	dataset_release(&d);
	assert_int_equal(add_packed(negative, labels, (int32_t[]){ 3 }, 1, &d, &reason), ERR_DATA);
	dataset_release(&d);
	assert_int_equal(add_packed(ids, alien, (int32_t[]){ 3 }, 1, &d, &reason), ERR_DATA);
	dataset_release(&d);
}

static void an_epoch_sees_each_item_once_in_an_order_of_its_own(void **state)
{
	struct dataset d = { 0 };
	struct cursor c;
	int seen[50] = { 0 }, first[50], same = 0;
	const int32_t v[] = { 1, 2 };

	(void)state;
	for (int i = 0; i < 50; i++) {
		dataset_add(&d, v, v, 2);
		dataset_end_item(&d);
	}
	cursor_open(&c, &d, 3, true, 2);
	for (int i = 0; i < 100; i++) {
		int64_t item = cursor_peek(&c);

		assert_in_range(item, 0, 49);
		assert_int_equal(seen[item], i / 50);
		seen[item]++;
		same += i >= 50 && first[i - 50] == item;
		if (i < 50)
			first[i] = (int)item;
		cursor_take(&c);
	}
	assert_int_equal(cursor_peek(&c), -1);
	assert_true(same < 10);
	cursor_release(&c);
	dataset_release(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(twenty_steps_equal_torch),
		cmocka_unit_test(five_dpo_steps_equal_torch),
		cmocka_unit_test(the_same_documents_give_the_same_gradient),
		cmocka_unit_test(the_end_of_text_keeps_its_loss),
		cmocka_unit_test(a_batch_without_targets_has_no_loss_and_no_nan),
		cmocka_unit_test(a_step_that_is_not_finite_changes_nothing),
		cmocka_unit_test(noise_does_not_depend_on_the_cut),
		cmocka_unit_test(cutting_a_step_does_not_change_it),
		cmocka_unit_test(threads_do_not_change_a_bit_of_the_model),
		cmocka_unit_test(sft_weight_adds_the_cross_entropy_of_the_chosen),
		cmocka_unit_test(targets_are_the_next_labels_of_the_same_sequence),
		cmocka_unit_test(packed_rows_are_checked),
		cmocka_unit_test(an_epoch_sees_each_item_once_in_an_order_of_its_own),
	};
	int failed;

	pool = pool_open(2);
	parser = json_parser_open();
	parser2 = json_parser_open();
	if (json_parse_file(parser, GOLDENS "goldens.json", &goldens, &err) != OK ||
	    json_parse_file(parser2, "tests/golden/data/train/goldens.json", &training, &err) != OK) {
		print_error("%s\n", err.text);
		return 1;
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	json_parser_close(parser);
	json_parser_close(parser2);
	pool_close(pool);
	return failed;
}
