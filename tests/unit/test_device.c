/* A device whose memory is its own (device.h): everything that a model does on the CPU gives the same bits there, so nothing above the table
 * touches device memory but through it. A run goes on from one device to the other. */
#include "device.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/adapter.h"
#include "train/run.h"
#include "train/objective_preference.h"
#include "train/objective_reward.h"
#include "training.h"

#include <unistd.h>

#define TOKENS 70
#define STEPS 4

static const int32_t cu[] = { 0, 29, 30, TOKENS };
static int32_t ids[TOKENS], targets[TOKENS];
static float dlogp[TOKENS];

static void make_batch(int vocab)
{
	struct rng r = rng_open(1, 1);

	for (int s = 0; s < 3; s++)
		for (int i = cu[s]; i < cu[s + 1]; i++)
			ids[i] = (int32_t)rng_below(&r, (uint64_t)vocab);
	for (int s = 0; s < 3; s++)
		for (int i = cu[s]; i < cu[s + 1]; i++) {
			targets[i] = i + 1 < cu[s + 1] ? ids[i + 1] : -1;
			dlogp[i] = targets[i] < 0 ? 0 : -1.0f / (float)(1 + i % 5);
		}
}

/* What is on the device, on the host. */
static float *floats_of(const struct kernels *k, const float *p, int64_t n)
{
	float *v = mem_array((size_t)n + 1, sizeof(float));

	k->download(v, p, (size_t)n * sizeof(float));
	return v;
}

static void same_floats(const char *what, const struct kernels *k, const float *p, const struct kernels *k2, const float *p2, int64_t n)
{
	float *a = floats_of(k, p, n), *b = floats_of(k2, p2, n);

	if (memcmp(a, b, (size_t)n * sizeof(float)))
		fail_msg("%s differ", what);
	mem_free(a);
	mem_free(b);
}

static void remove_directory(const char *dir)
{
	for (const char *const *f = (const char *const[]){ "config.json", "generation_config.json", "model.safetensors", ADAPTER_CONFIG,
							    ADAPTER_WEIGHTS, NULL }; *f; f++) {
		char *path = path_join(dir, *f);

		unlink(path);
		mem_free(path);
	}
	rmdir(dir);
}

/* --- the passes ------------------------------------------------------------------------------------- */

struct answer {
	float logp[TOKENS], decoded[TOKENS];
	bool greedy[TOKENS];
	float *logits, *grads;               /* [vocab]; [params], NULL for a model that is only used */
};

/* The first sequence in two calls, a copy of it that goes on in pages of its own, targets of all. */
static void decode(struct model *m, struct answer *a)
{
	int32_t slot = 0, past = 0, n = 20;
	struct model_cache *c;

	OK_OR_FAIL(model_cache_open(&c, m, 2, 32, 32, &err));
	OK_OR_FAIL(model_decode(m, c, 1, ids, (int32_t[]){ 0, n }, &slot, &past, a->logits, &err));
	assert_true(model_cache_share(c, 0, 1, n));
	slot = 1, past = n;
	OK_OR_FAIL(model_decode(m, c, 1, ids + n, (int32_t[]){ 0, 1 }, &slot, &past, a->logits, &err));
	past = n + 1;
	OK_OR_FAIL(model_decode_targets(m, c, 1, ids + n + 1, (int32_t[]){ 0, 8 }, &slot, &past, targets + n + 1, a->decoded, a->greedy, &err));
	model_cache_close(c);
}

static struct answer ask(struct model *m, enum model_use use)
{
	struct model_batch b = { .n = TOKENS, .s = 3, .ids = ids, .cu = cu, .targets = targets };
	size_t bytes = (size_t)m->n_params * sizeof(float);
	struct answer a = { .logits = mem_zalloc((size_t)m->cfg.vocab * sizeof(float)) };
	struct model_state *st;
	float *grads;

	OK_OR_FAIL(model_state_open(&st, m, TOKENS, use, &err));
	OK_OR_FAIL(model_forward(m, st, &b, a.logp, &err));
	if (use != MODEL_SCORE) {
		assert_non_null(grads = m->k->alloc(m->pool, bytes));
		OK_OR_FAIL(model_backward(m, st, &b, dlogp, grads, &err));
		a.grads = floats_of(m->k, grads, m->n_params);
		m->k->release(grads);
	}
	model_state_close(st);
	if (model_decodable(&m->cfg) >= 32)
		decode(m, &a);
	return a;
}

static void same_answers(const char *what, struct model *x, struct model *y, enum model_use use)
{
	struct answer a, b;

	make_batch(x->cfg.vocab);
	a = ask(x, use);
	b = ask(y, use);
	if (memcmp(a.logp, b.logp, sizeof(a.logp)) || memcmp(a.logits, b.logits, (size_t)x->cfg.vocab * sizeof(float)) ||
	    memcmp(a.decoded, b.decoded, sizeof(a.decoded)) || memcmp(a.greedy, b.greedy, sizeof(a.greedy)) ||
	    (a.grads && memcmp(a.grads, b.grads, (size_t)x->n_params * sizeof(float))))
		fail_msg("%s: the device gives other numbers", what);
	mem_free(a.logits);
	mem_free(b.logits);
	mem_free(a.grads);
	mem_free(b.grads);
}

static void every_family_computes_the_same(void **state)
{
	struct json_parser *parser = json_parser_open();
	struct buf text = { 0 };
	const struct json *families, *models;

	(void)state;
	OK_OR_FAIL(file_read_all("tests/golden/data/families/families.json", 64 << 20, &text, &err));
	OK_OR_FAIL(json_parse(parser, text.data, text.len, &families, &err));
	models = json_get(families, "models");
	assert_true(models->len > 8);
	for (size_t i = 0; i < models->len; i++) {
		struct model_config c;
		struct model x, y;

		OK_OR_FAIL(model_config_parse(json_get(&models->items[i], "config"), &c, &err));
		OK_OR_FAIL(model_init(&x, &c, 1, kernels_cpu(), pool, &err));
		OK_OR_FAIL(model_init(&y, &c, 1, device_kernels(), pool, &err));
		same_answers(models->keys[i].str, &x, &y, (enum model_use)(MODEL_TRAIN + i % 3));
		model_release(&x);
		model_release(&y);
	}
	json_parser_close(parser);
	buf_release(&text);
}

/* --- files ------------------------------------------------------------------------------------------ */

static void same_files(const struct model *x, const struct model *y, const char *name)
{
	char dir[2][32] = { "/tmp/quern-device-XXXXXX", "/tmp/quern-device-XXXXXX" };
	struct buf text[2] = { { 0 }, { 0 } };

	for (int i = 0; i < 2; i++) {
		char *path;

		assert_non_null(mkdtemp(dir[i]));
		path = path_join(dir[i], name);
		OK_OR_FAIL(model_save(i ? y : x, dir[i], &err));
		OK_OR_FAIL(file_read_all(path, 64 << 20, &text[i], &err));
		mem_free(path);
		remove_directory(dir[i]);
	}
	assert_int_equal(text[0].len, text[1].len);
	assert_memory_equal(text[0].data, text[1].data, text[0].len);
	buf_release(&text[0]);
	buf_release(&text[1]);
}

static void load_both(struct model *x, struct model *y, const char *dir, const struct model_how *how)
{
	OK_OR_FAIL(model_load_as(x, dir, how, kernels_cpu(), pool, &err));
	OK_OR_FAIL(model_load_as(y, dir, how, device_kernels(), pool, &err));
}

static void every_form_loads_the_same(void **state)
{
	static const struct { const char *dir; struct model_how how; } cases[] = {
		{ GOLDENS "tiny", { 0 } }, { GOLDENS "tied", { .in_place = true } }, { GOLDENS "tiny", { .form = MODEL_BF16 } },
		{ GOLDENS "tiny", { .form = MODEL_INT8, .pack = true } }, { "tests/golden/data/families/phi3", { .in_place = true } },
		{ "tests/golden/data/families/gpt2", { .in_place = true } }, { "tests/golden/data/families/gemma3", { .form = MODEL_INT8 } },
		{ "tests/golden/data/adapter/base", { .form = MODEL_NF4 } }, { "tests/golden/data/adapter/nf4", { .form = MODEL_NF4 } },
		{ "tests/golden/data/adapter/int8", { 0 } }, { "tests/golden/data/adapter/lora", { 0 } },
		{ "tests/golden/data/adapter/lora", { .form = MODEL_BF16, .apart = true } }, { GOLDENS "tiny", { .vocab = 130 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct model x, y;

		load_both(&x, &y, cases[i].dir, &cases[i].how);
		same_answers(cases[i].dir, &x, &y, MODEL_SCORE);
		if (!x.frozen)
			same_files(&x, &y, "model.safetensors");
		model_release(&x);
		model_release(&y);
	}
}

/* --- training ----------------------------------------------------------------------------------------- */

/* Items of per sequences, whose last half has targets. */
static void make_rows(struct dataset *d, int vocab, int per)
{
	struct rng r = rng_open(5, 5);

	*d = (struct dataset){ 0 };
	for (int i = 0; i < 8; i++) {
		for (int s = 0; s < per; s++) {
			int32_t v[24], labels[24], n = 12 + (i + s) % 8;

			for (int k = 0; k < n; k++) {
				v[k] = (int32_t)rng_below(&r, (uint64_t)vocab);
				labels[k] = k < n / 2 ? -100 : v[k];
			}
			dataset_add(d, v, labels, n);
		}
		assert_true(dataset_end_item(d));
	}
}

/* Trains m from the checkpoint, if there is one, up to a step; writes it then. */
static void train(struct model *m, const struct dataset *d, const struct objective *objective, const struct train_options *o, int64_t until,
		  const char *checkpoint)
{
	struct checkpoint c = { 0 };
	struct trainer t;
	struct report r;

	open_trainer(&t, m, d, objective, o);
	if (path_exists(checkpoint))
		OK_OR_FAIL(checkpoint_load(&t, checkpoint, &c, &err));
	while (t.step < until)
		OK_OR_FAIL(trainer_step(&t, &r, &err));
	OK_OR_FAIL(checkpoint_save(&t, checkpoint, "", &c, &err));
	trainer_close(&t);
}

static struct train_options some_steps(enum optimizer_kind kind)
{
	struct train_options o = fixed_order();

	o.steps = STEPS, o.batch_items = 3, o.schedule.lr = 1e-3, o.micro_tokens = 60, o.shuffle = true;
	o.optimizer.kind = kind;
	o.optimizer.weight_decay = 0.1;
	return o;
}

/* The sums that a preference loss compares with. */
static float *references(struct model *m, const struct dataset *d)
{
	float *ref = mem_array((size_t)d->n_seqs, sizeof(float));

	OK_OR_FAIL(sequence_logps(m, d, 60, NULL, NULL, ref, &err));
	return ref;
}

/* A run on the CPU, and one that goes over to the device, back, and again to the device: the same model. */
static void same_run(const char *dir, const struct model_how *how, const struct objective *objective, enum optimizer_kind kind, int per)
{
	char name[2][40] = { "/tmp/quern-device-a-XXXXXX", "/tmp/quern-device-b-XXXXXX" };
	struct train_options o = some_steps(kind);
	struct model x, y;
	struct dataset d;
	float *ref;

	for (int i = 0; i < 2; i++) {
		int fd = mkstemp(name[i]);

		assert_true(fd >= 0);
		close(fd);
		unlink(name[i]);
	}
	o.recompute = how->lora ? MODEL_TRAIN_LEAST : kind == OPTIMIZER_LION ? MODEL_TRAIN_LESS : MODEL_TRAIN;
	o.neftune_alpha = kind == OPTIMIZER_ADAMW ? 5 : 0;
	load_both(&x, &y, dir, how);
	make_rows(&d, x.cfg.vocab, per);
	if (per > 1 && !x.cfg.labels) {
		ref = references(&x, &d);
		d.ref = references(&y, &d);
		assert_memory_equal(ref, d.ref, (size_t)d.n_seqs * sizeof(float));
		mem_free(ref);
	}
	train(&x, &d, objective, &o, STEPS, name[0]);
	train(&y, &d, objective, &o, 1, name[1]);
	model_release(&y);
	OK_OR_FAIL(model_load_as(&y, dir, how, kernels_cpu(), pool, &err));
	train(&y, &d, objective, &o, 2, name[1]);
	model_release(&y);
	OK_OR_FAIL(model_load_as(&y, dir, how, device_kernels(), pool, &err));
	train(&y, &d, objective, &o, STEPS, name[1]);
	same_floats("parameters", x.k, x.params, y.k, y.params, x.n_params);
	same_files(&x, &y, x.lora ? ADAPTER_WEIGHTS : "model.safetensors");
	model_release(&x);
	model_release(&y);
	dataset_release(&d);
	unlink(name[0]);
	unlink(name[1]);
}

static void a_run_goes_from_one_to_the_other(void **state)
{
	struct sft sft = { .label_smoothing = 0.1, .z_loss = 1e-3 }, plain = { 0 };
	struct objective smooth = sft_objective(&sft), objective = sft_objective(&plain);
	struct adapter_config lora = { .r = 4, .alpha = 8, .dropout = 0.1, .target_pattern = (char *)(uintptr_t)"all-linear" };
	struct model_how full = { .vocab = 130 }, qlora = { .form = MODEL_NF4, .lora = &lora }, beside = { .lora = &lora, .in_place = true };

	(void)state;
	same_run(GOLDENS "tiny", &full, &smooth, OPTIMIZER_ADAMW, 1);
	same_run(GOLDENS "tiny", &full, &objective, OPTIMIZER_ADAMW8, 1);
	same_run(GOLDENS "tied", &(struct model_how){ 0 }, &objective, OPTIMIZER_LION, 1);
	same_run("tests/golden/data/families/gpt2", &(struct model_how){ 0 }, &objective, OPTIMIZER_SGD, 1);
	same_run("tests/golden/data/adapter/base", &qlora, &objective, OPTIMIZER_ADAMW, 1);
	same_run(GOLDENS "tiny", &beside, &smooth, OPTIMIZER_ADAMW, 1);
}

static void preferences_and_rewards_too(void **state)
{
	struct pairs_objective pairs = { .o = { .n = 2, .mix = { { PREF_SIGMOID, 1 }, { PREF_SFT, 0.3 } }, .beta = 0.1 }, .ld_alpha = 1 };
	struct reward_objective reward = { .centre = 0.01 };
	struct objective dpo = pairs_objective(&pairs), rewards = reward_objective(&reward);

	(void)state;
	same_run(GOLDENS "tiny", &(struct model_how){ 0 }, &dpo, OPTIMIZER_ADAMW, 2);
	same_run(GOLDENS "tiny", &(struct model_how){ .labels = 1, .seed = 3 }, &rewards, OPTIMIZER_ADAMW, 2);
	pairs_objective_release(&pairs);
}

/* --- what goes wrong ------------------------------------------------------------------------------------ */

static void a_device_that_fails_ends_the_step(void **state)
{
	struct train_options o = some_steps(OPTIMIZER_ADAMW);
	struct sft sft = { 0 };
	struct objective objective = sft_objective(&sft);
	double values[OBJECTIVE_VALUES];
	struct dataset d;
	struct trainer t;
	struct report r;
	struct model m;

	(void)state;
	OK_OR_FAIL(model_load(&m, GOLDENS "tiny", device_kernels(), pool, &err));
	make_rows(&d, m.cfg.vocab, 1);
	open_trainer(&t, &m, &d, &objective, &o);
	OK_OR_FAIL(trainer_step(&t, &r, &err));
	device.failed = ERR_IO;
	assert_int_equal(trainer_step(&t, &r, &err), ERR_IO);
	assert_string_equal(err.text, "step 2: the device: an illegal address");
	assert_int_equal(t.step, 1);
	assert_int_equal(trainer_eval(&t, &d, values, &err), ERR_IO);
	device.failed = OK;
	trainer_close(&t);
	dataset_release(&d);
	model_release(&m);
}

/* Loading fails, or what a run needs besides. Nothing is lost on the way. */
static void too_little_memory_is_an_error(void **state)
{
	struct train_options o = some_steps(OPTIMIZER_ADAMW);
	struct sft sft = { 0 };
	struct objective objective = sft_objective(&sft);
	struct dataset d;
	struct trainer t;
	struct model m;
	size_t before = device.live;
	enum status st = ERR_MEMORY;
	int refused = 0;

	(void)state;
	make_rows(&d, 97, 1);
	for (size_t room = 1 << 14; st != OK; room += 1 << 14) {
		device.live_max = before + room;
		st = model_load(&m, GOLDENS "tiny", device_kernels(), pool, &err);
		if (st == OK) {
			OK_OR_FAIL(trainer_open(&t, &m, &d, &objective, &o, 0, &err));
			st = trainer_take(&t, &err);
			trainer_close(&t);
			model_release(&m);
		}
		assert_true(st == OK || st == ERR_MEMORY);
		assert_true(st == OK || strstr(err.text, "no memory"));
		assert_int_equal(device.live, before);
		refused += st != OK;
	}
	assert_true(refused > 3);
	device.live_max = 0;
	dataset_release(&d);
}

static void expect_checkpoint(const char *path, const float *params, int64_t n)
{
	struct safetensors *f;
	float *read = mem_array((size_t)n, sizeof(float));

	OK_OR_FAIL(safetensors_open(&f, path, &err));
	OK_OR_FAIL(safetensors_read_host(f, safetensors_find(f, "params"), 0, n, read, &err));
	assert_memory_equal(read, params, (size_t)n * sizeof(float));
	safetensors_close(f);
	mem_free(read);
	unlink(path);
}

/* Written by a thread whose downloads are slow while the steps go on. */
static void a_checkpoint_is_that_of_its_step(void **state)
{
	struct train_options o = some_steps(OPTIMIZER_ADAMW);
	struct sft sft = { 0 };
	struct objective objective = sft_objective(&sft);
	char dir[] = "/tmp/quern-device-XXXXXX";
	float *params[STEPS];
	enum run_state found;
	struct dataset d;
	struct trainer t;
	struct report report;
	struct model m;
	struct run r;

	(void)state;
	assert_non_null(mkdtemp(dir));
	OK_OR_FAIL(model_load(&m, GOLDENS "tiny", device_kernels(), pool, &err));
	make_rows(&d, m.cfg.vocab, 1);
	open_trainer(&t, &m, &d, &objective, &o);
	OK_OR_FAIL(run_open(&r, dir, &(struct run_options){ .identity = "one" }, &found, &err));
	OK_OR_FAIL(run_open_metrics(&r, &err));
	t.settle = run_settle, t.settle_arg = &r;
	device.slow = true;
	for (int i = 0; i < STEPS; i++) {
		OK_OR_FAIL(trainer_step(&t, &report, &err));
		params[i] = floats_of(m.k, m.params, m.n_params);
		OK_OR_FAIL(run_save(&r, &t, STEPS, i, &err));
	}
	OK_OR_FAIL(run_wait(&r, &err));
	device.slow = false;
	for (int i = 0; i < STEPS; i++) {
		char *path = i + 1 < STEPS ? run_kept_path(&r, i + 1) : mem_strdup(r.checkpoint);

		expect_checkpoint(path, params[i], m.n_params);
		mem_free(path);
		mem_free(params[i]);
	}
	unlink(r.metrics);
	rmdir(r.trainer_dir);
	rmdir(dir);
	run_close(&r);
	trainer_close(&t);
	dataset_release(&d);
	model_release(&m);
}

/* Sets what a flag of the message says, as the message has it. */
static bool take_flag(const char *flags, const char *flag, char value[16])
{
	const char *at = strstr(flags, flag);

	value[0] = 0;
	return at && (sscanf(at + strlen(flag), " %15[a-z0-9]", value) == 1 || true);
}

/* With little less than a run takes it is refused before anything is taken; each flag that is named makes it fit. */
static void a_run_that_does_not_fit_names_flags_that_do(void **state)
{
	static const char *const names[] = { "--recompute", "--micro-tokens", "--optimizer", "--offload-optimizer" };
	struct train_options o = some_steps(OPTIMIZER_ADAMW);
	struct sft sft = { 0 };
	struct objective objective = sft_objective(&sft);
	struct trainer t;
	struct dataset d;
	struct model m;
	char value[16];
	int named = 0;

	(void)state;
	OK_OR_FAIL(model_load(&m, GOLDENS "tiny", device_kernels(), pool, &err));
	make_rows(&d, m.cfg.vocab, 1);
	for (size_t short_of = 0; short_of < 4; short_of++) {
		struct error flags;

		device.live_max = 0;
		OK_OR_FAIL(trainer_open(&t, &m, &d, &objective, &o, 0, &err));
		for (device.live_max = device.live + (1 << 17); trainer_fits(&t, false, &flags) != OK; device.live_max += 4096)
			continue;
		device.live_max -= 8192 + short_of * 16384;
		assert_int_equal(trainer_fits(&t, false, &flags), ERR_MEMORY);
		assert_non_null(strstr(flags.text, "it would fit with --"));
		trainer_close(&t);
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			struct train_options changed = o;

			if (!take_flag(flags.text, names[i], value))
				continue;
			if (i == 0)
				changed.recompute = strcmp(value, "full") ? MODEL_TRAIN_LESS : MODEL_TRAIN_LEAST;
			if (i == 1)
				changed.micro_tokens = atoi(value);
			if (i == 2)
				changed.optimizer.kind = OPTIMIZER_ADAMW8;
			changed.optimizer.offload = i == 3;
			OK_OR_FAIL(trainer_open(&t, &m, &d, &objective, &changed, 0, &err));
			OK_OR_FAIL(trainer_fits(&t, false, &err));
			if (i < 3)                   /* this device has no memory of a host */
				OK_OR_FAIL(trainer_take(&t, &err));
			trainer_close(&t);
			named++;
		}
	}
	assert_true(named > 4);
	device.live_max = 0;
	dataset_release(&d);
	model_release(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_family_computes_the_same),
		cmocka_unit_test(every_form_loads_the_same),
		cmocka_unit_test(a_run_goes_from_one_to_the_other),
		cmocka_unit_test(preferences_and_rewards_too),
		cmocka_unit_test(a_checkpoint_is_that_of_its_step),
		cmocka_unit_test(a_device_that_fails_ends_the_step),
		cmocka_unit_test(too_little_memory_is_an_error),
		cmocka_unit_test(a_run_that_does_not_fit_names_flags_that_do),
	};
	int failed;

	pool = pool_open(2);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	pool_close(pool);
	return failed;
}
