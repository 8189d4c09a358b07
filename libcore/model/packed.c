/* packed.c - matrices laid out for the products: once on loading, for a model that is only used, or again after each change of its
 * parameters. */
#include "model/store.h"

struct linear *store_linear(const struct model *m, int i)
{
	struct model_layout *y = m->layout;

	if (i < 2)
		return i ? (m->cfg.tied ? NULL : &y->head) : &y->embed;
	struct layer_layout *layer = &y->layers[(i - 2) / 4];
	struct linear *const of[] = { &layer->qkv, &layer->out, &layer->gate_up, &layer->down };

	return of[(i - 2) % 4];
}

/* --- on loading ------------------------------------------------------------------------------------ */

enum status stage_open(struct stage *s, const struct model *m, struct error *err)
{
	*s = (struct stage){ 0 };
	for (int i = 0; i < store_linears(m); i++) {
		const struct linear *l = store_linear(m, i);

		if (l && l->packed_bytes && !l->stored.data && store_data_bytes(l) > s->bytes)
			s->bytes = store_data_bytes(l);
	}
	if (s->bytes && !(s->data = m->k->alloc(m->pool, s->bytes)))
		return error_set(err, ERR_MEMORY, "no memory for a matrix of %zu MB", s->bytes >> 20);
	return OK;
}

void stage_close(struct stage *s, const struct model *m)
{
	if (s->data)
		m->k->release(s->data);
}

void stage_begin(const struct stage *s, struct linear *l)
{
	if (l->packed_bytes && !l->stored.data)
		l->stored.data = s->data;
}

void stage_end(const struct model *m, struct linear *l)
{
	if (l->packed_bytes)
		m->k->pack(m->pool, (void *)l->stored.packed, l->stored, l->out, l->in, false);
	if (!store_keeps(m, l))
		l->stored.data = NULL;
}

/* --- of a model that is trained ------------------------------------------------------------------------ */

/* 0: matrix i is not packed. */
static size_t packed_bytes(const struct model *m, int i)
{
	struct linear *l = store_linear(m, i);

	return l && (i || m->cfg.tied) ? m->k->packed_bytes(linear_weights(m, l).elem, l->out, l->in, true) : 0;
}

static void *take_packed(struct plan *p, size_t bytes)
{
	return plan_take(p, bytes < INT64_MAX ? (int64_t)bytes : -1, 1);
}

size_t model_pack_bytes(const struct model *m)
{
	struct plan p = { 0 };

	for (int i = 0; i < store_linears(m) && !m->packs; i++)
		take_packed(&p, packed_bytes(m, i));
	return p.used;
}

static void place_packed(struct plan *p, struct model *m)
{
	for (int i = 0; i < store_linears(m); i++) {
		size_t bytes = packed_bytes(m, i);

		if (bytes)
			store_linear(m, i)->stored.packed = take_packed(p, bytes);
	}
	if (m->cfg.tied)
		m->layout->head = m->layout->embed;
}

enum status model_pack(struct model *m, struct error *err)
{
	bool first = !m->packed;

	if (m->packs)
		return OK;
	if (first) {
		size_t bytes = model_pack_bytes(m);

		if (!bytes)
			return OK;
		if (!(m->packed = m->k->alloc(m->pool, bytes)))
			return error_set(err, ERR_MEMORY, "no memory for the weights as the products take them (%zu MB)", bytes >> 20);
		place_packed(&(struct plan){ .base = m->packed }, m);
	}
	for (int i = 0; i < store_linears(m); i++) {
		struct linear *l = store_linear(m, i);

		if (l && l->stored.packed && (first || (l->w >= 0 && !l->fixed)))
			m->k->pack(m->pool, (void *)l->stored.packed, linear_weights(m, l), l->out, l->in, true);
	}
	return OK;
}
