/* checkpoint.c - see checkpoint.h. */
#include "train/checkpoint.h"

#include "base/file.h"
#include "base/mem.h"
#include "model/safetensors.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Metadata, in the order in which it is written. Doubles are hexadecimal: they come back to the bit. */
enum { KEY_IDENTITY, KEY_STEP, KEY_METRICS, KEY_SKIPPED, KEY_LOSS_SUM, KEY_LOSS_WEIGHT, KEY_BEST_LOSS, KEY_BEST_STEP, KEY_STALE, KEY_OBJECTIVE, KEYS };
static const char *const keys[KEYS] = {
	"quern.provenance", "quern.step", "quern.metrics_bytes", "quern.skipped", "quern.loss_sum", "quern.loss_weight",
	"quern.best_loss", "quern.best_step", "quern.stale_evaluations", "quern.objective",
};

/* The buckets and the parameters in the order of their names, which safetensors wants. */
static int collect(const struct trainer *t, struct safetensors_part parts[BUCKETS + 1])
{
	int n = 0;

	for (int i = 0; i < BUCKETS; i++) {
		const struct bucket *b = &t->optimizer.buckets[i];

		if (i == BUCKET_V)
			parts[n++] = (struct safetensors_part){ .name = "params", .n_dims = 1, .shape = { t->model->n_params, 1 },
								.data = t->model->params };
		if (b->n)
			parts[n++] = (struct safetensors_part){ .name = b->name, .n_dims = 1, .shape = { b->n, 1 }, .data = b->data,
								.dtype = b->bytes ? "U8" : "F32" };
	}
	return n;
}

enum status checkpoint_save(const struct trainer *t, const char *path, const char *identity, const struct checkpoint *c,
			    struct error *err)
{
	struct safetensors_part parts[BUCKETS + 1];
	char text[KEYS][40];
	const char *meta[2 * KEYS + 1];
	struct buf skipped = { 0 }, state = { 0 };
	int n = collect(t, parts);
	enum status st;

	buf_str(&skipped, "");
	skip_print(&t->o.skip, t->step, &skipped);
	buf_str(&state, "");
	for (int i = 0; i < t->objective.n_state; i++)
		buf_printf(&state, i ? " %a" : "%a", t->objective.state[i]);
	snprintf(text[KEY_STEP], sizeof(text[0]), "%lld", (long long)t->step);
	snprintf(text[KEY_METRICS], sizeof(text[0]), "%lld", (long long)c->metrics_bytes);
	snprintf(text[KEY_LOSS_SUM], sizeof(text[0]), "%a", t->loss_sum);
	snprintf(text[KEY_LOSS_WEIGHT], sizeof(text[0]), "%a", t->loss_weight);
	snprintf(text[KEY_BEST_LOSS], sizeof(text[0]), "%a", c->best_loss);
	snprintf(text[KEY_BEST_STEP], sizeof(text[0]), "%lld", (long long)c->best_step);
	snprintf(text[KEY_STALE], sizeof(text[0]), "%lld", (long long)c->stale);
	for (int i = 0; i < KEYS; i++) {
		meta[2 * i] = keys[i];
		meta[2 * i + 1] = i == KEY_IDENTITY ? identity : i == KEY_SKIPPED ? skipped.data :
				  i == KEY_OBJECTIVE ? state.data : text[i];
	}
	meta[2 * KEYS] = NULL;
	st = safetensors_write(path, parts, n, meta, t->model->k, err);
	buf_release(&skipped);
	buf_release(&state);
	return st;
}

enum status checkpoint_identity(const char *path, char **identity, struct error *err)
{
	struct safetensors *f;
	const char *found;

	*identity = NULL;
	if (!path_exists(path))
		return OK;
	TRY(safetensors_open(&f, path, err));
	found = safetensors_meta(f, keys[KEY_IDENTITY]);
	*identity = mem_strdup(found ? found : "");
	safetensors_close(f);
	return OK;
}

/* --- loading ------------------------------------------------------------------------------ */

/* A metadata value that must be a whole number in [0, max]. */
static bool meta_number(const struct safetensors *f, int key, int64_t max, int64_t *v)
{
	const char *s = safetensors_meta(f, keys[key]);
	char *end;

	if (!s || *s < '0' || *s > '9')
		return false;
	errno = 0;
	*v = strtoll(s, &end, 10);
	return !*end && !errno && *v <= max;
}

static bool meta_double(const struct safetensors *f, int key, double *v)
{
	const char *s = safetensors_meta(f, keys[key]);
	char *end;

	if (!s || !*s)
		return false;
	*v = strtod(s, &end);
	return !*end;
}

/* What the objective carries from step to step. */
static bool meta_state(const struct safetensors *f, const struct objective *o)
{
	const char *s = safetensors_meta(f, keys[KEY_OBJECTIVE]);
	char *end;

	for (int i = 0; i < o->n_state; i++, s = end) {
		if (!s || !*s)
			return false;
		o->state[i] = strtod(s, &end);
		if (end == s)
			return false;
	}
	return true;
}

static enum status check_skipped(const struct trainer *t, const struct safetensors *f, const char *path, int64_t step, struct error *err)
{
	const char *was = safetensors_meta(f, keys[KEY_SKIPPED]);
	struct buf is = { 0 };
	enum status st = OK;

	buf_str(&is, "");
	skip_print(&t->o.skip, step, &is);
	if (!was || strcmp(was, is.data))
		st = error_set(err, ERR_USAGE, "%s is of step %lld, and until then other batches were skipped (%s): --skip-batches must "
			       "name those, and may add later ones", path, (long long)step, was && *was ? was : "none");
	buf_release(&is);
	return st;
}

static enum status load_part(const struct safetensors *f, const char *path, const struct safetensors_part *p, const struct kernels *k,
			     struct error *err)
{
	const struct safetensors_entry *e = safetensors_find(f, p->name);

	if (!e || e->elements != p->shape[0] || strcmp(e->dtype, p->dtype ? p->dtype : "F32"))
		return error_set(err, ERR_DATA, "%s: '%s' does not fit the model", path, p->name);
	return safetensors_read_raw(f, e, k, (void *)(uintptr_t)p->data, err);
}

enum status checkpoint_load(struct trainer *t, const char *path, struct checkpoint *c, struct error *err)
{
	struct safetensors_part parts[BUCKETS + 1];
	struct safetensors *f;
	int64_t step;
	int n = collect(t, parts);
	enum status st = safetensors_open(&f, path, err);

	if (st != OK)
		return st;
	if (!meta_number(f, KEY_STEP, t->steps, &step) || !meta_number(f, KEY_METRICS, INT64_MAX, &c->metrics_bytes) ||
	    !meta_double(f, KEY_LOSS_SUM, &t->loss_sum) || !meta_double(f, KEY_LOSS_WEIGHT, &t->loss_weight) ||
	    !meta_double(f, KEY_BEST_LOSS, &c->best_loss) || !meta_number(f, KEY_BEST_STEP, t->steps, &c->best_step) ||
	    !meta_number(f, KEY_STALE, INT64_MAX, &c->stale) || !meta_state(f, &t->objective))
		st = error_set(err, ERR_DATA, "%s: no checkpoint of this run", path);
	if (st == OK)
		st = check_skipped(t, f, path, step, err);
	for (int i = 0; i < n && st == OK; i++)
		st = load_part(f, path, &parts[i], t->model->k, err);
	safetensors_close(f);
	if (st == OK)
		trainer_seek(t, step);
	return st;
}
