/* checkpoint.c - see checkpoint.h. */
#include "train/checkpoint.h"

#include "base/file.h"
#include "base/mem.h"
#include "model/safetensors.h"

#include <stdio.h>
#include <stdlib.h>

#define KEY_IDENTITY "quern.provenance"
#define KEY_STEP "quern.step"
#define KEY_METRICS "quern.metrics_bytes"

enum status checkpoint_save(const struct trainer *t, const char *path, const char *identity, int64_t metrics_bytes,
			    struct error *err)
{
	int64_t n = t->model->n_params;
	const struct safetensors_part parts[] = {
		{ .name = "m", .n_dims = 1, .shape = { n, 1 }, .data = t->m },
		{ .name = "params", .n_dims = 1, .shape = { n, 1 }, .data = t->model->params },
		{ .name = "v", .n_dims = 1, .shape = { n, 1 }, .data = t->v },
	};
	char step[32], metrics[32];
	const char *const meta[] = { KEY_IDENTITY, identity, KEY_STEP, step, KEY_METRICS, metrics, NULL };

	snprintf(step, sizeof(step), "%lld", (long long)t->step);
	snprintf(metrics, sizeof(metrics), "%lld", (long long)metrics_bytes);
	return safetensors_write(path, parts, 3, meta, t->model->k, err);
}

enum status checkpoint_identity(const char *path, char **identity, struct error *err)
{
	struct safetensors *f;
	const char *found;

	*identity = NULL;
	if (!path_exists(path))
		return OK;
	TRY(safetensors_open(&f, path, err));
	found = safetensors_meta(f, KEY_IDENTITY);
	*identity = mem_strdup(found ? found : "");
	safetensors_close(f);
	return OK;
}

/* A metadata value that must be a whole number in [0, max]. */
static enum status meta_number(const struct safetensors *f, const char *key, int64_t max, int64_t *v)
{
	const char *s = safetensors_meta(f, key);
	char *end;
	long long n;

	if (!s || *s < '0' || *s > '9')
		return ERR_DATA;
	n = strtoll(s, &end, 10);
	*v = n;
	return *end || n > max ? ERR_DATA : OK;
}

enum status checkpoint_load(struct trainer *t, const char *path, int64_t *metrics_bytes, struct error *err)
{
	static const char *const names[] = { "m", "params", "v" };
	float *const places[] = { t->m, t->model->params, t->v };
	struct safetensors *f;
	int64_t step;
	enum status st = safetensors_open(&f, path, err);

	if (st != OK)
		return st;
	if (meta_number(f, KEY_STEP, t->steps, &step) != OK || meta_number(f, KEY_METRICS, INT64_MAX, metrics_bytes) != OK)
		st = error_set(err, ERR_DATA, "%s: no checkpoint of this run", path);
	for (int i = 0; i < 3 && st == OK; i++) {
		const struct safetensors_entry *e = safetensors_find(f, names[i]);

		if (!e || e->elements != t->model->n_params)
			st = error_set(err, ERR_DATA, "%s: '%s' does not fit the model", path, names[i]);
		else
			st = safetensors_read(f, e, 0, e->elements, t->model->k, places[i], err);
	}
	safetensors_close(f);
	if (st == OK)
		trainer_seek(t, step);
	return st;
}
