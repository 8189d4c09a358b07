/* Training against torch: 20 AdamW steps and 5 of DPO on transformers' tiny Llama, and what must not change a result. */
#include "base/file.h"
#include "base/rng.h"
#include "train/objective_preference.h"
#include "training.h"

#include <math.h>
#include <stdlib.h>

static struct json_parser *parser, *parser2;
static const struct json *goldens, *training;

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

static void cutting_a_step_does_not_change_it(void **state)
{
	struct sft s = { 0 };
	struct pairs_objective dpo = sigmoid(0.3);
	struct objective a = sft_objective(&s), b = pairs_objective(&dpo);

	(void)state;
	check_split(&a, NULL, json_get(json_get(goldens, "tiny"), "sequences"));
	check_split(&b, json_get(json_get(json_get(goldens, "tiny"), "dpo"), "pairs"), NULL);
}

static void threads_do_not_change_a_bit_of_the_model(void **state)
{
	struct train_options o = fixed_order();
	struct sft s = { 0 };
	struct objective objective = sft_objective(&s);
	const struct json *sequences = json_get(json_get(goldens, "tiny"), "sequences");
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

static int64_t items_of_epochs(const struct dataset *d, double epochs)
{
	struct cursor c;
	int64_t n[2] = { 0, 0 };

	cursor_open(&c, d, 3, true, epochs);
	for (int again = 0; again < 2; again++, cursor_rewind(&c))
		for (; cursor_peek(&c) >= 0; n[again]++)
			cursor_take(&c);
	cursor_release(&c);
	assert_int_equal(n[0], n[1]);
	return n[0];
}

static void a_share_of_an_epoch_is_that_share_of_the_items_rounded_up(void **state)
{
	struct dataset d = { 0 };
	const int32_t v[] = { 1, 2 };

	(void)state;
	for (int i = 0; i < 10; i++) {
		dataset_add(&d, v, v, 2);
		dataset_end_item(&d);
	}
	assert_int_equal(items_of_epochs(&d, 0.1), 1);
	assert_int_equal(items_of_epochs(&d, 0.25), 3);
	assert_int_equal(items_of_epochs(&d, 0.0001), 1);
	assert_int_equal(items_of_epochs(&d, 1), 10);
	assert_int_equal(items_of_epochs(&d, 1.1), 11);
	assert_int_equal(items_of_epochs(&d, 2.3), 23);
	assert_int_equal(items_of_epochs(&d, 3), 30);
	dataset_release(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(twenty_steps_equal_torch),
		cmocka_unit_test(five_dpo_steps_equal_torch),
		cmocka_unit_test(cutting_a_step_does_not_change_it),
		cmocka_unit_test(threads_do_not_change_a_bit_of_the_model),
		cmocka_unit_test(sft_weight_adds_the_cross_entropy_of_the_chosen),
		cmocka_unit_test(targets_are_the_next_labels_of_the_same_sequence),
		cmocka_unit_test(packed_rows_are_checked),
		cmocka_unit_test(an_epoch_sees_each_item_once_in_an_order_of_its_own),
		cmocka_unit_test(a_share_of_an_epoch_is_that_share_of_the_items_rounded_up),
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
