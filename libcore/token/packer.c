/* packer.c - see packer.h. */
#include "token/packer.h"

#include "base/mem.h"
#include "stream/token_mask.h"
#include "token/pack.h"
#include "token/rows.h"

#include <string.h>

struct packer {
	struct packer_options o;
	packer_sink *sink;
	void *arg;
	struct packer_totals totals;
	/* Sequences that wait for their pack. */
	int32_t *ids, *labels;
	int64_t n, cap;
	int64_t *start;                  /* of each sequence */
	int32_t *len;
	int64_t n_seq, cap_seq;
	int32_t *pack_ids, *pack_labels, *lengths; /* of the pack that is handed over */
	int64_t cap_lengths;
	struct ids copy;                 /* of a row whose ids have nulls */
};

enum status packer_check(const struct schema *s, struct error *err)
{
	int ids = schema_find(s, "input_ids"), mask = schema_find(s, "loss_mask");

	if (ids < 0 || !field_is_list_of(&s->fields[ids], T_INT32))
		return error_set(err, ERR_DATA, "pack needs a column input_ids of list<int32>%s",
				 schema_find(s, "chosen_ids") >= 0 ? " (pairs are not packed)" : "");
	if (mask >= 0 && !field_is_list_of(&s->fields[mask], T_INT8))
		return error_set(err, ERR_DATA, "loss_mask is not list<int8>");
	return OK;
}

struct packer *packer_open(const struct packer_options *o, packer_sink *sink, void *arg)
{
	struct packer *p = mem_zalloc(sizeof(*p));

	p->o = *o;
	p->sink = sink;
	p->arg = arg;
	p->pack_ids = mem_array((size_t)o->length, sizeof(*p->pack_ids));
	p->pack_labels = mem_array((size_t)o->length, sizeof(*p->pack_labels));
	return p;
}

void packer_close(struct packer *p)
{
	if (!p)
		return;
	mem_free(p->ids);
	mem_free(p->labels);
	mem_free(p->start);
	mem_free(p->len);
	mem_free(p->pack_ids);
	mem_free(p->pack_labels);
	mem_free(p->lengths);
	ids_release(&p->copy);
	mem_free(p);
}

const struct packer_totals *packer_totals(const struct packer *p)
{
	return &p->totals;
}

/* --- sequences that wait ------------------------------------------------------------------------------- */

/* labels of n tokens of a row, its `first` and those behind: ids where the mask says so, but not for the first, which nothing stands before. */
static void make_labels(int32_t *labels, const int32_t *ids, const struct token_mask *mask, int64_t first, int64_t n)
{
	const struct array *v = mask->values;
	const int8_t *plain = v && !mask->labels && !v->validity ? (const int8_t *)v->values + v->offset + mask->from + first : NULL;

	if (!v)
		memcpy(labels, ids, (size_t)n * sizeof(*labels));
	else if (plain)
		for (int64_t i = 0; i < n; i++)
			labels[i] = plain[i] ? ids[i] : -100;
	else
		for (int64_t i = 0; i < n; i++)
			labels[i] = token_mask_has(mask, first + i) ? ids[i] : -100;
	labels[0] = -100;
}

/* n tokens of a row, from its `first` on. */
static void hold(struct packer *p, const int32_t *ids, const struct token_mask *mask, int64_t first, int64_t n)
{
	if (p->n_seq == p->cap_seq) {
		p->cap_seq = p->cap_seq ? p->cap_seq * 2 : 256;
		p->start = mem_grow(p->start, (size_t)p->cap_seq, sizeof(*p->start));
		p->len = mem_grow(p->len, (size_t)p->cap_seq, sizeof(*p->len));
	}
	if (p->n + n > p->cap) {
		p->cap = p->cap * 2 + n;
		p->ids = mem_grow(p->ids, (size_t)p->cap, sizeof(*p->ids));
		p->labels = mem_grow(p->labels, (size_t)p->cap, sizeof(*p->labels));
	}
	p->start[p->n_seq] = p->n;
	p->len[p->n_seq++] = (int32_t)n;
	memcpy(p->ids + p->n, ids + first, (size_t)n * sizeof(*ids));
	make_labels(p->labels + p->n, ids + first, mask, first, n);
	for (int64_t i = p->n; i < p->n + n; i++)
		p->totals.loss_tokens += p->labels[i] != -100;
	p->n += n;
}

static void drop_held(struct packer *p)
{
	p->n = p->n_seq = 0;
}

/* --- packs ------------------------------------------------------------------------------------------------ */

/* One pack of the sequences seq[0..n). */
static enum status give_pack(struct packer *p, const int64_t *seq, int64_t n, struct error *err)
{
	struct pack out = {.n = n};
	int64_t used = 0;

	if (n > p->cap_lengths) {
		p->cap_lengths = 2 * n;
		p->lengths = mem_grow(p->lengths, (size_t)p->cap_lengths, sizeof(*p->lengths));
	}
	for (int64_t k = 0; k < n; k++) {
		int64_t from = p->start[seq[k]], len = p->len[seq[k]];

		memcpy(p->pack_ids + used, p->ids + from, (size_t)len * sizeof(*p->ids));
		memcpy(p->pack_labels + used, p->labels + from, (size_t)len * sizeof(*p->labels));
		p->lengths[k] = (int32_t)len;
		used += len;
	}
	out.used = used;
	p->totals.packs++;
	p->totals.sequences += n;
	p->totals.tokens += used;
	for (; used < p->o.length; used++) {
		p->pack_ids[used] = (int32_t)p->o.pad_id;
		p->pack_labels[used] = -100;
	}
	out.ids = p->pack_ids, out.labels = p->pack_labels, out.lengths = p->lengths;
	return p->sink(p->arg, &out, err);
}

static enum status flush_window(struct packer *p, struct error *err)
{
	struct pack_plan plan = {0};
	enum status st = OK;

	if (!p->n_seq)
		return OK;
	pack_best_fit(p->len, p->n_seq, (int32_t)p->o.length, &plan);
	for (int64_t k = 0; k < plan.n_packs && st == OK; k++)
		st = give_pack(p, plan.order + plan.start[k], plan.start[k + 1] - plan.start[k], err);
	pack_plan_release(&plan);
	drop_held(p);
	return st;
}

static enum status flush_in_order(struct packer *p, struct error *err)
{
	int64_t *all = mem_array((size_t)p->n_seq + 1, sizeof(*all));
	enum status st = OK;

	for (int64_t i = 0; i < p->n_seq; i++)
		all[i] = i;
	if (p->n_seq)
		st = give_pack(p, all, p->n_seq, err);
	mem_free(all);
	drop_held(p);
	return st;
}

/* --- rows ------------------------------------------------------------------------------------------------- */

/* A row, cut into sequences as the strategy wants them. */
static enum status add_row(struct packer *p, const int32_t *ids, const struct token_mask *mask, int64_t n, struct error *err)
{
	int64_t take;

	for (int64_t i = 0; i < n; i += take) {
		int64_t room = p->o.strategy == PACK_WRAPPED ? p->o.length - p->n : p->o.length;

		take = n - i < room ? n - i : room;
		hold(p, ids, mask, i, take);
		if (p->o.strategy == PACK_BFD && p->n >= p->o.window)
			TRY(flush_window(p, err));
		if (p->o.strategy == PACK_NONE || (p->o.strategy == PACK_WRAPPED && p->n == p->o.length))
			TRY(flush_in_order(p, err));
	}
	return OK;
}

/* Why a row cannot be packed, or NULL. */
static const char *unusable(const int32_t *ids, int64_t n)
{
	if (!ids)
		return "null_token";
	if (!n)
		return "empty";
	for (int64_t i = 0; i < n; i++)
		if (ids[i] < 0)
			return "negative_token";
	return NULL;
}

enum status packer_add(struct packer *p, struct batch *b, int64_t row, const char **reason, struct error *err)
{
	const struct array *column = batch_column(b, "input_ids");
	struct token_mask mask = { 0 };
	int64_t n = 0, first, last;
	const int32_t *ids = row_ids(column, row, &p->copy, &n);

	if (ids)
		TRY(token_mask_read(&mask, b, row, ids, n, err));
	array_list(column, row, &first, &last);
	p->totals.tokens_in += last - first;
	*reason = unusable(ids, n);
	if (*reason)
		return OK;
	if (n > p->o.length && p->o.strategy != PACK_WRAPPED && p->o.overlong != PACK_SPLIT) {
		if (p->o.overlong == PACK_DROP) {
			*reason = "too_long";
			return OK;
		}
		n = p->o.length;
	}
	p->totals.rows_cut += last - first > p->o.length && p->o.strategy != PACK_WRAPPED;
	return add_row(p, ids, &mask, n, err);
}

enum status packer_end(struct packer *p, struct error *err)
{
	return p->o.strategy == PACK_BFD ? flush_window(p, err) : flush_in_order(p, err);
}
