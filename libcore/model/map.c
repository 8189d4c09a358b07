/* map.c - weights that stay where their files have them: a model that is only used needs no copy of what is there already. */
#include "model/store.h"

#include "base/mem.h"
#include "model/family.h"
#include "model/floats.h"

#include <string.h>

const struct source_tensor *store_find(const struct model *m, const struct source *s, const char *name)
{
	const char *base = family_of(&m->cfg)->names->base;
	const struct source_tensor *t = source_find(s, name);

	return !t && !strncmp(name, base, strlen(base)) ? source_find(s, name + strlen(base)) : t;
}

/* The bytes of a file from its first value on; NULL where it cannot be mapped. */
static const uint8_t *map_file(struct model *m, const struct safetensors *file)
{
	struct model_map *map;
	struct input *in;
	int64_t size;

	for (int i = 0; i < m->n_maps; i++)
		if (m->maps[i].file == file)
			return m->maps[i].data;
	m->maps = mem_grow(m->maps, (size_t)m->n_maps + 1, sizeof(*m->maps));
	map = &m->maps[m->n_maps++];
	*map = (struct model_map){ .file = file };
	if (input_open(&in, safetensors_path(file), false, NULL) != OK)
		return NULL;
	size = input_size(in) - (int64_t)safetensors_data(file);
	if (size <= 0 || !input_map_at(in, safetensors_data(file), (size_t)size, 0, &map->map, &map->data))
		map->data = NULL;
	input_close(in);
	return map->data;
}

/* --- parameters ------------------------------------------------------------------------------ */

#define LARGE_PAGE ((uintptr_t)2 << 20)

struct widen_job {
	float *to;
	const uint8_t *from;
	int64_t n;
	const char *dtype;
};

/* The part of the tensor that lies in the i-th large page of what it is written to: a fresh page is cleared by the system when it is first
 * written, and two threads that come to the same one would both clear it. */
static void widen_task(void *arg, int64_t i, int worker)
{
	const struct widen_job *j = arg;
	int64_t lead = (int64_t)((uintptr_t)j->to % LARGE_PAGE / sizeof(float)), per = (int64_t)(LARGE_PAGE / sizeof(float));
	int64_t first = i ? i * per - lead : 0, end = (i + 1) * per - lead < j->n ? (i + 1) * per - lead : j->n, n = end - first;
	float *to = j->to + first;
	const uint16_t *half = (const uint16_t *)(const void *)j->from + first;

	(void)worker;
	if (!strcmp(j->dtype, "F32"))
		memcpy(to, j->from + first * 4, (size_t)n * sizeof(float));
	else if (!strcmp(j->dtype, "BF16"))
		for (int64_t k = 0; k < n; k++)
			to[k] = bfloat_float(half[k]);
	else
		for (int64_t k = 0; k < n; k++)
			to[k] = half_float(half[k]);
}

/* n values from j->from on, to memory of the host. */
static void widen(struct pool *pool, struct widen_job *j)
{
	uintptr_t bytes = (uintptr_t)j->to % LARGE_PAGE + (uintptr_t)j->n * sizeof(float);

	pool_run(pool, (int64_t)((bytes + LARGE_PAGE - 1) / LARGE_PAGE), widen_task, j);
}

#define STAGED_MIN 16384                     /* bytes that a device is given by all threads, and not at once */

/* The same to a device whose memory is not ours. */
static void widen_staged(struct model *m, const struct widen_job *all)
{
	int64_t width = strcmp(all->dtype, "F32") ? 2 : 4;
	float few[STAGED_MIN / sizeof(float)];
	size_t room;

	if (all->n * (int64_t)sizeof(float) <= STAGED_MIN) {
		widen(NULL, &(struct widen_job){ .to = few, .from = all->from, .n = all->n, .dtype = all->dtype });
		m->k->upload(all->to, few, (size_t)all->n * sizeof(float));
		return;
	}
	for (int64_t at = 0, n; at < all->n; at += n) {
		struct widen_job j = { .to = m->k->stage(&room), .from = all->from + at * width, .dtype = all->dtype };

		n = (int64_t)(room / sizeof(float)) < all->n - at ? (int64_t)(room / sizeof(float)) : all->n - at;
		j.n = n;
		widen(m->pool, &j);
		m->k->upload_staged(all->to + at, (size_t)n * sizeof(float));
	}
}

bool store_widen(struct model *m, const struct source_tensor *from, float *to)
{
	struct widen_job j = { .to = to, .n = from->entry->elements, .dtype = from->dtype };

	if (!(j.from = map_file(m, from->file)))
		return false;
	j.from += from->entry->begin;
	if ((uintptr_t)j.from % 2)
		return false;
	if (m->k->host_access)
		widen(m->pool, &j);
	else
		widen_staged(m, &j);
	return true;
}

const void *store_bytes(struct model *m, const struct source_tensor *from, const char *dtype)
{
	const uint8_t *data = !strcmp(from->dtype, dtype) ? map_file(m, from->file) : NULL;

	return data ? data + from->entry->begin : NULL;
}

const float *store_floats(struct model *m, const struct source_tensor *from)
{
	const void *data = store_bytes(m, from, "F32");

	return (uintptr_t)data % sizeof(float) == 0 ? data : NULL;
}

#define COPY_PIECE ((size_t)256 << 10)

struct copy_job {
	char *to;
	const char *from;
	size_t bytes;
};

static void copy_task(void *arg, int64_t i, int worker)
{
	const struct copy_job *j = arg;
	size_t at = (size_t)i * COPY_PIECE, left = j->bytes - at;

	(void)worker;
	memcpy(j->to + at, j->from + at, left < COPY_PIECE ? left : COPY_PIECE);
}

void store_copy(struct model *m, void *to, const void *from, size_t bytes)
{
	size_t room;

	if (m->k->host_access) {
		m->k->copy(m->pool, to, from, bytes);
		return;
	}
	if (bytes <= STAGED_MIN) {
		m->k->upload(to, from, bytes);
		return;
	}
	for (size_t at = 0, n; at < bytes; at += n) {
		struct copy_job j = { .to = m->k->stage(&room), .from = (const char *)from + at };

		j.bytes = n = room < bytes - at ? room : bytes - at;
		pool_run(m->pool, (int64_t)((n + COPY_PIECE - 1) / COPY_PIECE), copy_task, &j);
		m->k->upload_staged((char *)to + at, n);
	}
}

void store_unmap(struct model *m)
{
	for (int i = 0; i < m->n_maps; i++)
		input_unmap(&m->maps[i].map);
	mem_free(m->maps);
	m->maps = NULL;
	m->n_maps = 0;
}

/* --- matrices in place ------------------------------------------------------------------------- */

/* Whether a tensor's values stand in its file as we want them, ready to be used. */
static bool is_plain(const struct source *s, const struct tensor *t, const struct source_tensor *from)
{
	return from && from->form == SOURCE_FLOAT && (!from->module || s->apart) && !t->transposed && from->n_dims == 2 && from->rows == t->rows &&
	       from->cols == t->cols && (!strcmp(from->dtype, "F32") || !strcmp(from->dtype, "BF16"));
}

/* The parts [i, j) make one matrix. */
static void choose(struct model *m, const struct source *s, int i, int j)
{
	struct linear *l = m->stored[i].linear;
	const uint8_t *data;
	bool all = true, bf16 = true;

	for (int k = i; k < j; k++) {
		const struct source_tensor *from = store_find(m, s, m->stored[k].tensor.name);

		all &= is_plain(s, &m->stored[k].tensor, from);
		bf16 &= all && !strcmp(from->dtype, "BF16");
	}
	l->stored.elem = bf16 ? ELEM_BF16 : ELEM_F32;
	for (int k = i; k < j && all; k++) {
		const struct source_tensor *from = store_find(m, s, m->stored[k].tensor.name);

		data = m->k->host_access && (bf16 || !strcmp(from->dtype, "F32")) ? map_file(m, from->file) : NULL;
		data = data ? data + from->entry->begin : NULL;
		if (data && (uintptr_t)data % (bf16 ? 2 : 4) == 0)
			m->stored[k].bytes = data;
	}
	if (j - i == 1)
		l->stored.data = m->stored[i].bytes;
}

enum status store_map(struct model *m, const struct source *s, struct error *err)
{
	for (int i = 0, j; i < m->n_stored; i = j) {
		for (j = i + 1; j < m->n_stored && m->stored[j].linear == m->stored[i].linear; j++)
			;
		choose(m, s, i, j);
	}
	if (m->cfg.tied)
		m->layout->head = m->layout->embed;
	return store_place(m, err);
}
