/* store.c - see store.h. */
#include "model/store.h"

#include "base/dynamic8.h"
#include "base/mem.h"
#include "model/floats.h"
#include "model/quant.h"

#include <math.h>

static int64_t code_bits(enum elem e)
{
	return e == ELEM_F32 ? 32 : e == ELEM_BF16 ? 16 : e == ELEM_I8 ? 8 : 4;
}

/* Elements that share a factor; 0: there are none. */
static int64_t group(const struct linear *l)
{
	return l->stored.elem == ELEM_I8 ? l->in : l->stored.elem == ELEM_NF4 ? NF4_BLOCK : 0;
}

/* --- places ----------------------------------------------------------------------------------------------- */

size_t store_data_bytes(const struct linear *l)
{
	return (size_t)(l->out * l->in * code_bits(l->stored.elem) / 8);
}

bool store_keeps(const struct model *m, const struct linear *l)
{
	return !l->packed_bytes || (l == &m->layout->embed && !m->k->embeds_packed);
}

static void place(struct plan *p, const struct model *m, struct linear *l)
{
	if (l->w >= 0)                               /* a parameter */
		return;
	l->packed_bytes = m->packs && (l != &m->layout->embed || m->cfg.tied) ?
			  m->k->packed_bytes(l->stored.elem, l->out, l->in, false) : 0;
	if (l->packed_bytes)
		l->stored.packed = plan_take(p, (int64_t)l->packed_bytes, 1), l->stored.forward = true;
	if (l->stored.data)                          /* in a file */
		return;
	if (store_keeps(m, l))
		l->stored.data = plan_take(p, (int64_t)store_data_bytes(l), 1);
	l->stored.scale = plan_floats(p, group(l) ? l->out * l->in / group(l) : 0, 1);
}

static void place_all(struct plan *p, struct model *m)
{
	for (int i = 0; i < store_linears(m); i++)
		if (store_linear(m, i))
			place(p, m, store_linear(m, i));
	if (m->cfg.tied)
		m->layout->head = m->layout->embed;
}

/* Embeddings and output matrix are not quantised further than to bfloat16. */
static enum status choose_forms(struct model *m, enum model_form form, struct error *err)
{
	static const enum elem layers[] = { ELEM_F32, ELEM_BF16, ELEM_I8, ELEM_NF4 };

	for (int i = 0; i < m->n_stored; i++) {
		struct linear *l = m->stored[i].linear;

		l->stored.elem = form == MODEL_F32 ? ELEM_F32 :
				 l == &m->layout->embed || l == &m->layout->head ? ELEM_BF16 : layers[form];
		if (l->stored.elem == ELEM_NF4 && l->in % NF4_BLOCK)
			return error_set(err, ERR_UNSUPPORTED, "'%s' has rows of %lld weights; nf4 holds multiples of %d",
					 m->stored[i].tensor.name, (long long)l->in, NF4_BLOCK);
	}
	return OK;
}

enum status store_take(struct model *m, enum model_form form, struct error *err)
{
	TRY(choose_forms(m, form, err));
	return store_place(m, err);
}

enum status store_place(struct model *m, struct error *err)
{
	struct plan p = { 0 };

	place_all(&p, m);
	m->store = m->k->alloc(m->pool, p.used);
	if (!m->store)
		return error_set(err, ERR_MEMORY, "no memory for the weights (%zu MB)", p.used >> 20);
	m->store_bytes = p.used;
	p = (struct plan){ .base = m->store };
	place_all(&p, m);
	return OK;
}

/* --- filling ------------------------------------------------------------------------------------------------ */

void store_begin(struct store_writer *w, const struct model *m, const struct stored_part *part, bool nested)
{
	const struct linear *l = part->linear;
	int64_t n = part->tensor.rows * l->in;

	*w = (struct store_writer){ .m = m, .part = part, .nested = nested };
	if (group(l))
		w->scales = mem_array((size_t)(n / group(l)) + 1, sizeof(float));
}

static void encode_int8(const float *x, int64_t n, int8_t *q, float *scale)
{
	float most = 0, factor;

	for (int64_t i = 0; i < n; i++)
		most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
	*scale = most / 127;
	factor = *scale;
	for (int64_t i = 0; i < n; i++)
		q[i] = (int8_t)(factor > 0 ? rintf(x[i] / factor) : 0);
}

struct encode_job {
	const struct store_writer *w;
	const float *from;
	int64_t rows;
};

#define ROWS_PER_TASK 16

static void encode_task(void *arg, int64_t i, int worker)
{
	const struct encode_job *j = arg;
	const struct linear *l = j->w->part->linear;
	int64_t last = (i + 1) * ROWS_PER_TASK < j->rows ? (i + 1) * ROWS_PER_TASK : j->rows;

	(void)worker;
	for (int64_t r = i * ROWS_PER_TASK; r < last; r++) {
		const float *x = j->from + r * l->in;
		char *to = (char *)j->w->codes + r * l->in * code_bits(l->stored.elem) / 8;

		if (l->stored.elem == ELEM_NF4)
			nf4_encode(x, l->in, (uint8_t *)to, j->w->scales + (j->w->row + r) * l->in / NF4_BLOCK);
		else if (l->stored.elem == ELEM_I8)
			encode_int8(x, l->in, (int8_t *)to, j->w->scales + j->w->row + r);
		else if (l->stored.elem == ELEM_BF16)
			for (int64_t k = 0; k < l->in; k++)
				((uint16_t *)to)[k] = float_bfloat(x[k]);
		else
			memcpy(to, x, (size_t)l->in * sizeof(float));
	}
}

enum status store_rows(struct store_writer *w, const float *from, int64_t rows, struct error *err)
{
	const struct linear *l = w->part->linear;
	size_t row_bytes = (size_t)(l->in * code_bits(l->stored.elem) / 8), bytes = row_bytes * (size_t)rows;
	struct encode_job j = { w, from, rows };

	if (bytes > w->code_bytes) {
		mem_free(w->codes);
		w->codes = mem_try(bytes);
		w->code_bytes = w->codes ? bytes : 0;
		if (!w->codes)
			return error_set(err, ERR_MEMORY, "no memory for a piece of '%s'", w->part->tensor.name);
	}
	pool_run(w->m->pool, (rows + ROWS_PER_TASK - 1) / ROWS_PER_TASK, encode_task, &j);
	w->m->k->upload((char *)l->stored.data + (size_t)(w->part->row + w->row) * row_bytes, w->codes, bytes);
	w->row += rows;
	return OK;
}

/* What double quantisation makes of the factors. */
static void nest(float *scales, int64_t blocks)
{
	uint8_t *codes = mem_alloc((size_t)blocks + 1);
	float *nested = mem_array((size_t)nf4_nested(blocks) + 1, sizeof(float));
	float offset = nf4_encode_absmax(scales, blocks, codes, nested);

	nf4_decode_absmax(codes, nested, dynamic8_signed()->value, offset, blocks, scales);
	mem_free(codes);
	mem_free(nested);
}

void store_end(struct store_writer *w)
{
	const struct linear *l = w->part->linear;
	int64_t n = w->part->tensor.rows * l->in;

	if (w->row == w->part->tensor.rows && group(l)) {
		if (l->stored.elem == ELEM_NF4 && w->nested)
			nest(w->scales, n / NF4_BLOCK);
		w->m->k->upload((float *)l->stored.scale + w->part->row * l->in / group(l), w->scales,
				(size_t)(n / group(l)) * sizeof(float));
	}
	mem_free(w->codes);
	mem_free(w->scales);
	*w = (struct store_writer){ 0 };
}
