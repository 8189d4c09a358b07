/* Optimizers against torch and bitsandbytes, schedules against transformers, and what an optimizer keeps for which parameters. */
#include "base/file.h"
#include "base/mem.h"
#include "base/dynamic8.h"
#include "train/optimizer.h"
#include "train/schedule.h"
#include "train/skip.h"
#include "unit.h"

#include <math.h>
#include <stdio.h>

#define GOLDENS "tests/golden/data/train/goldens.json"
#define EVERY 61                 /* of the parameters, one is in the goldens */

static struct pool *pool;
static struct error err;
static const struct json *goldens;

static double number_at(const struct json *array, size_t i)
{
	return array->items[i].type == JSON_INT ? (double)array->items[i].integer : array->items[i].number;
}

static int word_index(const char *words, const char *want)
{
	int i = 0;

	for (const char *p = words; *p; i++) {
		size_t n = strcspn(p, "|");

		if (strlen(want) == n && !strncmp(p, want, n))
			return i;
		p += n + (p[n] == '|');
	}
	fail_msg("'%s' is not in '%s'", want, words);
	return -1;
}

static void rates_are_those_of_transformers(void **state)
{
	const struct json *cases = json_get(goldens, "schedules");

	(void)state;
	assert_true(cases->len >= 20);
	for (size_t i = 0; i < cases->len; i++) {
		const struct json *c = &cases->items[i], *rates = json_get(c, "rates");
		struct schedule_options o = {
			.kind = (enum schedule)word_index(SCHEDULE_NAMES, json_get_str(c, "kind", "")),
			.lr = json_get_num(c, "lr", 0), .floor = json_get_num(c, "floor", 0), .power = json_get_num(c, "power", 1),
			.warmup = json_get_num(c, "warmup", 0), .decay = json_get_num(c, "decay", 0),
			.shape = (enum decay_shape)word_index(DECAY_SHAPE_NAMES, json_get_str(c, "shape", "")),
		};

		assert_int_equal(rates->len, 24);
		for (int64_t s = 0; s < 24; s++) {
			double got = schedule_lr(&o, s, 24), want = number_at(rates, (size_t)s);

			if (!(fabs(got - want) < 1e-14))
				fail_msg("%s, warm-up %g, step %lld: %.15g, transformers %.15g", json_get_str(c, "kind", ""), o.warmup,
					 (long long)s, got, want);
		}
	}
}

static void warmup_and_decay_below_one_are_shares(void **state)
{
	struct schedule_options o = { .kind = SCHEDULE_WARMUP_STABLE_DECAY, .lr = 1, .warmup = 0.1, .decay = 0.2, .shape = DECAY_LINEAR };

	(void)state;
	assert_true(fabs(schedule_lr(&o, 5, 100) - 0.5) < 1e-12);
	assert_true(fabs(schedule_lr(&o, 80, 100) - 1) < 1e-12);
	assert_true(fabs(schedule_lr(&o, 90, 100) - 0.5) < 1e-12);
	o = (struct schedule_options){ .lr = 1 };
	assert_true(fabs(schedule_lr(&o, 0, 1) - 1) < 1e-12);        /* one step, no warm-up */
}

/* --- numbers from a formula, as make_training_goldens.py has them ------------------------------- */

static uint32_t hash32(uint64_t i, uint64_t salt)
{
	uint32_t x = (uint32_t)(i * 2654435761u + salt * 40503u);

	x ^= x >> 15;
	x *= 2246822519u;
	return x ^ x >> 13;
}

static void numbers(float *v, int64_t n, uint64_t salt, int spread)
{
	for (int64_t i = 0; i < n; i++) {
		double x = (double)(hash32((uint64_t)i, salt) >> 8) / (1 << 23) - 1;

		v[i] = (float)ldexp(x, spread ? -(int)(hash32((uint64_t)i, salt + 1000) % (uint32_t)(spread + 1)) : 0);
	}
}

/* A model of one matrix of n parameters. */
static struct tensor one_tensor;
static struct model one_matrix(int64_t n)
{
	one_tensor = (struct tensor){ .name = "weight", .rows = n, .cols = 1, .decay = true, .n_dims = 2 };
	return (struct model){ .k = kernels_cpu(), .pool = pool, .n_params = n, .tensors = &one_tensor, .n_tensors = 1 };
}

/* The golden's steps; p[n] receives the parameters. */
static void run(const struct json *g, const struct optimizer_options *o, struct optimizer *opt, float *p)
{
	int64_t n = json_get_int(g, "n", 0), salt = json_get_int(g, "salt", 0), steps = json_get_int(g, "steps", 0);
	struct model m = one_matrix(n);
	float *grads = mem_array((size_t)n, sizeof(float));

	assert_true(n > 4000 && steps == 4);
	optimizer_plan(opt, &m, NULL, o);
	assert_int_equal(optimizer_take(opt, &err), OK);
	numbers(p, n, (uint64_t)salt, 0);
	for (int64_t s = 1; s <= steps; s++) {
		numbers(grads, n, (uint64_t)(salt + s), 12);
		optimizer_norm(opt, grads, 0);
		optimizer_update(opt, p, grads, 0.01, s);
	}
	mem_free(grads);
}

/* Relative to the number, or to the size of an update. */
static void check_numbers(const char *what, const float *got, int64_t every, const struct json *want, double tolerance)
{
	assert_true(want->len > 0);
	for (size_t i = 0; i < want->len; i++)
		if (!(fabs((double)got[(int64_t)i * every] - number_at(want, i)) <= tolerance * fmax(fabs(number_at(want, i)), 1e-2)))
			fail_msg("%s[%zu]: %.9g, wanted %.9g", what, i, (double)got[(int64_t)i * every], number_at(want, i));
}

static void check_optimizer(const char *name, const struct optimizer_options *o, const char *buckets)
{
	const struct json *g = json_get(json_get(goldens, "optimizers"), name);
	float *p = mem_array((size_t)json_get_int(g, "n", 0), sizeof(float));
	struct optimizer opt;
	struct buf has = { 0 };

	run(g, o, &opt, p);
	check_numbers(name, p, EVERY, json_get(g, "p"), 2e-6);
	buf_str(&has, "");
	for (int i = 0; i < BUCKETS; i++)
		if (opt.buckets[i].n)
			buf_printf(&has, "%s ", opt.buckets[i].name);
	assert_string_equal(has.data, buckets);
	buf_release(&has);
	optimizer_close(&opt);
	mem_free(p);
}

static void parameters_are_those_of_the_peers(void **state)
{
	struct optimizer_options o = { .kind = OPTIMIZER_ADAMW, .beta1 = 0.9, .eps = 1e-8, .weight_decay = 0.1 };

	(void)state;
	check_optimizer("adamw", &o, "m v ");
	o.kind = OPTIMIZER_ADAMW8;
	check_optimizer("adamw8", &o, "m8 m_max v8 v_max ");
	check_optimizer("adamw8_small", &o, "m v ");
	o.kind = OPTIMIZER_LION;
	check_optimizer("lion", &o, "m ");
	o.kind = OPTIMIZER_SGD;
	check_optimizer("sgd_momentum", &o, "m ");
	o.nesterov = true;
	check_optimizer("sgd_nesterov", &o, "m ");
	o = (struct optimizer_options){ .kind = OPTIMIZER_SGD, .weight_decay = 0.1 };
	check_optimizer("sgd", &o, "");
}

static void check_codes(const char *what, const struct bucket *b, const char *hex)
{
	const uint8_t *got = b->data;

	assert_int_equal(strlen(hex), 2 * b->n);
	for (int64_t i = 0; i < b->n; i++) {
		unsigned want;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &want), 1);
		if (got[i] != want)
			fail_msg("%s[%lld]: code %u, bitsandbytes %u", what, (long long)i, got[i], want);
	}
}

static void eight_bits_are_those_of_bitsandbytes(void **state)
{
	const struct json *g = json_get(json_get(goldens, "optimizers"), "adamw8");
	struct optimizer_options o = { .kind = OPTIMIZER_ADAMW8, .beta1 = 0.9, .eps = 1e-8, .weight_decay = 0.1 };
	float *p = mem_array((size_t)json_get_int(g, "n", 0), sizeof(float));
	const struct json *maps[] = { json_get(g, "signed"), json_get(g, "unsigned") };
	const struct dynamic8 *ours[] = { dynamic8_signed(), dynamic8_unsigned() };
	struct optimizer opt;

	(void)state;
	for (int s = 0; s < 2; s++) {
		assert_int_equal(maps[s]->len, 256);
		for (size_t i = 0; i < 256; i++)
			assert_true(ours[s]->value[i] == (float)number_at(maps[s], i));
	}
	run(g, &o, &opt, p);
	check_codes("m", &opt.buckets[BUCKET_M8], json_get_str(g, "m8", ""));
	check_codes("v", &opt.buckets[BUCKET_V8], json_get_str(g, "v8", ""));
	check_numbers("m_max", opt.buckets[BUCKET_M_MAX].data, 1, json_get(g, "m_max"), 1e-6);
	check_numbers("v_max", opt.buckets[BUCKET_V_MAX].data, 1, json_get(g, "v_max"), 1e-6);
	optimizer_close(&opt);
	mem_free(p);
}

/* --- what is trained ------------------------------------------------------------------------ */

#define TENSORS 4
static struct tensor four[TENSORS] = {
	{ .name = "a.weight", .offset = 0, .rows = 64, .cols = 128, .decay = true, .n_dims = 2 },
	{ .name = "b.norm", .offset = 8192, .rows = 128, .cols = 1, .n_dims = 1 },
	{ .name = "c.bias", .offset = 8320, .rows = 4097, .cols = 1, .n_dims = 1 },
	{ .name = "d.weight", .offset = 12417, .rows = 65, .cols = 64, .decay = true, .n_dims = 2 },
};
static struct model four_tensors(void)
{
	return (struct model){ .k = kernels_cpu(), .pool = pool, .n_params = 12417 + 65 * 64, .tensors = four, .n_tensors = TENSORS };
}

static void frozen_parameters_have_no_state_and_do_not_move(void **state)
{
	static const char *const freeze[] = { "b.*", "c.*" };
	struct model m = four_tensors();
	struct optimizer_options o = { .kind = OPTIMIZER_ADAMW, .beta1 = 0.9, .eps = 1e-8 };
	float *p = mem_array((size_t)m.n_params, sizeof(float)), *g = mem_array((size_t)m.n_params, sizeof(float));
	struct optimizer opt;
	bool trained[TENSORS];

	(void)state;
	assert_int_equal(optimizer_select(&m, freeze, 2, NULL, 0, trained, &err), OK);
	assert_true(trained[0] && !trained[1] && !trained[2] && trained[3]);
	optimizer_plan(&opt, &m, trained, &o);
	assert_int_equal(opt.n_trained, 8192 + 65 * 64);
	assert_int_equal(optimizer_bytes(&opt), 2 * 4 * opt.n_trained);
	assert_int_equal(optimizer_take(&opt, &err), OK);
	for (int64_t i = 0; i < m.n_params; i++)
		g[i] = 1;
	optimizer_norm(&opt, g, 0);
	optimizer_update(&opt, p, g, 0.1, 1);
	assert_true(fabs(optimizer_read_norm(&opt) - sqrt(8192 + 65 * 64)) < 1e-9);
	for (int64_t i = 0; i < m.n_params; i++)
		assert_true((p[i] == 0) == (i >= 8192 && i < 12417));
	optimizer_close(&opt);
	mem_free(p);
	mem_free(g);
}

static void patterns_choose_tensors(void **state)
{
	static const char *const weights[] = { "*.weight" }, *const a[] = { "a*" }, *const none[] = { "x*" }, *const all[] = { "*" };
	struct model m = four_tensors();
	bool trained[TENSORS];

	(void)state;
	assert_int_equal(optimizer_select(&m, a, 1, weights, 1, trained, &err), OK);
	assert_true(!trained[0] && !trained[1] && !trained[2] && trained[3]);
	assert_int_equal(optimizer_select(&m, NULL, 0, none, 1, trained, &err), ERR_USAGE);
	assert_non_null(strstr(err.text, "x*"));
	assert_int_equal(optimizer_select(&m, all, 1, NULL, 0, trained, &err), ERR_USAGE);
}

/* Decay only on matrices: with zero gradients nothing else moves. */
static void norms_and_biases_do_not_decay(void **state)
{
	static const enum optimizer_kind kinds[] = { OPTIMIZER_ADAMW, OPTIMIZER_ADAMW8, OPTIMIZER_LION, OPTIMIZER_SGD };
	struct model m = four_tensors();
	float *p = mem_array((size_t)m.n_params, sizeof(float)), *g = mem_array((size_t)m.n_params, sizeof(float));

	(void)state;
	for (int k = 0; k < 4; k++) {
		struct optimizer_options o = { .kind = kinds[k], .beta1 = 0.9, .eps = 1e-8, .weight_decay = 0.5 };
		struct optimizer opt;

		for (int64_t i = 0; i < m.n_params; i++)
			p[i] = 1;
		optimizer_plan(&opt, &m, NULL, &o);
		assert_int_equal(optimizer_take(&opt, &err), OK);
		optimizer_norm(&opt, g, 0);
		optimizer_update(&opt, p, g, 0.1, 1);
		for (int64_t i = 0; i < m.n_params; i++)
			assert_true(fabsf(p[i] - (i < 8192 || i >= 12417 ? 0.95f : 1)) < 1e-6f);
		optimizer_close(&opt);
	}
	mem_free(p);
	mem_free(g);
}

/* Blocks of eight bits begin with each tensor, small ones stay in float. */
static void eight_bits_lie_by_tensor(void **state)
{
	struct model m = four_tensors();
	struct optimizer_options o = { .kind = OPTIMIZER_ADAMW8, .beta1 = 0.9, .eps = 1e-8 };
	struct optimizer opt;

	(void)state;
	optimizer_plan(&opt, &m, NULL, &o);
	assert_int_equal(opt.buckets[BUCKET_M].n, 128);
	assert_int_equal(opt.buckets[BUCKET_M8].n, 8192 + 4097 + 65 * 64);
	assert_int_equal(opt.buckets[BUCKET_V_MAX].n, 32 + 17 + 17);
	assert_int_equal(opt.n_ranges, 4);
	assert_int_equal(opt.ranges[3].block, 49);
	assert_int_equal(opt.ranges[3].state, 8192 + 4097);
	optimizer_close(&opt);
}

/* --- batches to go round --------------------------------------------------------------------- */

static void skip_lists_are_read_and_counted(void **state)
{
	static const char *const bad[] = { "0", "5-3", "a", "1,,2", "1,", "-3", "3-", "1 2", "99999999999999", "," };
	struct skip s;
	struct buf text = { 0 };

	(void)state;
	assert_int_equal(skip_parse(&s, "80-83,57,82-90,91", &err), OK);
	assert_int_equal(s.n, 2);
	assert_true(skip_has(&s, 57) && skip_has(&s, 80) && skip_has(&s, 91) && !skip_has(&s, 92) && !skip_has(&s, 58));
	assert_int_equal(skip_count(&s, 56), 0);
	assert_int_equal(skip_count(&s, 57), 1);
	assert_int_equal(skip_count(&s, 81), 3);
	assert_int_equal(skip_count(&s, 1000), 13);
	skip_print(&s, 81, &text);
	assert_string_equal(text.data, "57,80-81");
	buf_release(&text);
	skip_release(&s);
	assert_int_equal(skip_parse(&s, NULL, &err), OK);
	assert_false(skip_has(&s, 1));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(skip_parse(&s, bad[i], &err), ERR_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_are_those_of_transformers),
		cmocka_unit_test(warmup_and_decay_below_one_are_shares),
		cmocka_unit_test(parameters_are_those_of_the_peers),
		cmocka_unit_test(eight_bits_are_those_of_bitsandbytes),
		cmocka_unit_test(frozen_parameters_have_no_state_and_do_not_move),
		cmocka_unit_test(patterns_choose_tensors),
		cmocka_unit_test(norms_and_biases_do_not_decay),
		cmocka_unit_test(eight_bits_lie_by_tensor),
		cmocka_unit_test(skip_lists_are_read_and_counted),
	};
	struct json_parser *parser = json_parser_open();
	int failed;

	pool = pool_open(2);
	if (json_parse_file(parser, GOLDENS, &goldens, &err) != OK) {
		print_error("%s\n", err.text);
		return 1;
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	json_parser_close(parser);
	pool_close(pool);
	return failed;
}
