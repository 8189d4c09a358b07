/* checkpoint.c - see checkpoint.h. */
#include "train/checkpoint.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "model/safetensors.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PIECE ((size_t)8 << 20)      /* bytes that leave the device at a time */
#define CHECKSUM "xxh3"              /* tensor: XXH3-64 of the metadata's values, each with its NUL, and of the parts */

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

struct checkpoint_image {
	const struct kernels *k;
	struct safetensors_part parts[BUCKETS + 1];
	int n;
	char *meta[2 * KEYS + 1];
};

struct checkpoint_image *checkpoint_begin(const struct trainer *t, const char *identity, const struct checkpoint *c)
{
	struct checkpoint_image *image = mem_zalloc(sizeof(*image));
	struct buf skipped = { 0 }, state = { 0 };
	char *const values[KEYS] = {
		[KEY_IDENTITY] = mem_strdup(identity),
		[KEY_STEP] = mem_printf("%lld", (long long)t->step),
		[KEY_METRICS] = mem_printf("%lld", (long long)c->metrics_bytes),
		[KEY_LOSS_SUM] = mem_printf("%a", t->loss_sum),
		[KEY_LOSS_WEIGHT] = mem_printf("%a", t->loss_weight),
		[KEY_BEST_LOSS] = mem_printf("%a", c->best_loss),
		[KEY_BEST_STEP] = mem_printf("%lld", (long long)c->best_step),
		[KEY_STALE] = mem_printf("%lld", (long long)c->stale),
	};

	skip_print(&t->o.skip, t->step, &skipped);
	for (int i = 0; i < t->objective.n_state; i++)
		buf_printf(&state, i ? " %a" : "%a", t->objective.state[i]);
	for (int i = 0; i < KEYS; i++) {
		image->meta[2 * i] = (char *)(uintptr_t)keys[i];
		image->meta[2 * i + 1] = i == KEY_SKIPPED ? buf_detach(&skipped) : i == KEY_OBJECTIVE ? buf_detach(&state) : values[i];
	}
	image->k = t->model->k;
	image->n = collect(t, image->parts);
	image->k->mark();
	return image;
}

void checkpoint_end(struct checkpoint_image *image)
{
	for (int i = 0; i < KEYS; i++)
		mem_free(image->meta[2 * i + 1]);
	mem_free(image);
}

/* A part's bytes as they were at the mark. */
static enum status put_part(const struct checkpoint_image *image, struct safetensors_writer *w, int i, char *piece, struct hasher *sum,
			    struct error *err)
{
	const struct safetensors_part *p = &image->parts[i];
	int width;
	size_t bytes;

	safetensors_type(p->dtype ? p->dtype : "F32", &width);
	bytes = (size_t)p->shape[0] * (size_t)width;
	for (size_t at = 0; at < bytes; at += PIECE) {
		size_t n = bytes - at < PIECE ? bytes - at : PIECE;
		const char *from = (const char *)p->data + at;

		if (!image->k->host_access)
			image->k->download_marked(piece, from, n);
		TRY(safetensors_put(w, i, at, image->k->host_access ? from : piece, n, err));
		hasher_add(sum, image->k->host_access ? from : piece, n);
	}
	return image->k->failed(err);        /* what a device that failed gives is no value */
}

enum status checkpoint_write(const struct checkpoint_image *image, const char *path, void (*read)(void *arg), void *arg, struct error *err)
{
	struct safetensors_decl d[BUCKETS + 2];
	struct safetensors_writer *w;
	struct hasher *sum = hasher_open();
	char *piece = image->k->host_access ? NULL : mem_alloc(PIECE);
	uint64_t value;
	enum status st;

	for (int i = 0; i < image->n; i++) {
		const struct safetensors_part *p = &image->parts[i];

		d[i] = (struct safetensors_decl){ p->name, p->dtype ? p->dtype : "F32", 1, { p->shape[0] } };
	}
	d[image->n] = (struct safetensors_decl){ CHECKSUM, "U64", 1, { 1 } };
	st = safetensors_create(&w, path, d, image->n + 1, (const char *const *)image->meta, err);
	for (int i = 0; i < KEYS; i++)
		hasher_add(sum, image->meta[2 * i + 1], strlen(image->meta[2 * i + 1]) + 1);
	for (int i = 0; i < image->n && st == OK; i++)
		st = put_part(image, w, i, piece, sum, err);
	mem_free(piece);
	value = hasher_64(sum);
	hasher_close(sum);
	if (st == OK)
		st = safetensors_put(w, image->n, 0, &value, sizeof(value), err);
	if (read)
		read(arg);
	if (st == OK)
		return safetensors_commit(w, err);
	safetensors_abort(w);
	return st;
}

enum status checkpoint_save(const struct trainer *t, const char *path, const char *identity, const struct checkpoint *c, struct error *err)
{
	struct checkpoint_image *image = checkpoint_begin(t, identity, c);
	enum status st = checkpoint_write(image, path, NULL, NULL, err);

	checkpoint_end(image);
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
			     char *piece, struct hasher *sum, struct error *err)
{
	const struct safetensors_entry *e = safetensors_find(f, p->name);
	char *to = (char *)(uintptr_t)p->data;

	if (!e || e->elements != p->shape[0] || strcmp(e->dtype, p->dtype ? p->dtype : "F32"))
		return error_set(err, ERR_DATA, "%s: '%s' does not fit the model", path, p->name);
	for (uint64_t at = 0, bytes = e->end - e->begin; at < bytes; at += PIECE) {
		size_t n = bytes - at < PIECE ? bytes - at : PIECE;

		TRY(safetensors_bytes(f, e, at, n, piece, err));
		k->upload(to + at, piece, n);
		hasher_add(sum, piece, n);
	}
	return OK;
}

static enum status check_sum(const struct safetensors *f, const char *path, const struct hasher *sum, struct error *err)
{
	const struct safetensors_entry *e = safetensors_find(f, CHECKSUM);
	uint64_t value;

	if (!e || e->end - e->begin != sizeof(value))
		return error_set(err, ERR_DATA, "%s has no checksum; --restart would start anew", path);
	TRY(safetensors_bytes(f, e, 0, sizeof(value), &value, err));
	return value == hasher_64(sum) ? OK :
	       error_set(err, ERR_DATA, "%s is damaged: its checksum differs; an older one (--keep) can take its place, --restart would start anew",
			 path);
}

static enum status load_parts(const struct safetensors *f, const char *path, const struct safetensors_part *parts, int n,
			      const struct kernels *k, struct error *err)
{
	struct hasher *sum = hasher_open();
	char *piece = mem_alloc(PIECE);
	enum status st = OK;

	for (int i = 0; i < KEYS; i++) {
		const char *value = safetensors_meta(f, keys[i]);

		hasher_add(sum, value ? value : "", value ? strlen(value) + 1 : 0);
	}
	for (int i = 0; i < n && st == OK; i++)
		st = load_part(f, path, &parts[i], k, piece, sum, err);
	if (st == OK)
		st = check_sum(f, path, sum, err);
	mem_free(piece);
	hasher_close(sum);
	return st;
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
	if (st == OK)
		st = load_parts(f, path, parts, n, t->model->k, err);
	safetensors_close(f);
	if (st == OK)
		trainer_seek(t, step);
	return st;
}
