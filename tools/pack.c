/* quern pack - token rows into packs of one length: input_ids, labels, seq_lengths.
 *
 * bfd: best-fit decreasing over a window of rows (libcore/token/pack.h); wrapped: one after the other, cut at every pack's
 * end; none: a row is a pack. A pack's tail is padding that no sequence counts. labels are input_ids where
 * loss_mask says so (everywhere without one), -100 else, and -100 for the first token of each sequence, which has
 * nothing before it to be predicted from. */
#include "common/tool.h"
#include "token/pack.h"
#include "token/rows.h"

#include <string.h>

enum strategy { BFD, WRAPPED, NONE };
enum overlong { SPLIT, DROP, TRUNCATE };

static struct {
	int64_t length, window, pad_id;
	int strategy, overlong;
} opts = {.length = 1024, .window = 16 << 20};

static struct opt options[] = {
	OPT_GROUP("Packing"),
	OPT_INT('L', "length", &opts.length, "N", 2, 16777216, "tokens of a pack"),
	OPT_CHOICE(0, "strategy", &opts.strategy, "bfd|wrapped|none", "best-fit decreasing, one after the other, or a row each"),
	OPT_CHOICE(0, "overlong", &opts.overlong, "split|drop|truncate",
		   "bfd, none: rows longer than a pack become several, are rejected, or lose their end"),
	OPT_INT(0, "window", &opts.window, "TOKENS", 1, 1e12, "bfd: tokens held in memory and packed together"),
	OPT_INT(0, "pad-id", &opts.pad_id, "ID", 0, 2147483647, "token that fills the end of a pack"),
	OPT_END,
};

static struct tool tool = {
	.name = "pack", .summary = "pack token sequences into rows of one length", .operands = "[FILE ...]", .options = options,
	.max_operands = -1,
};

/* Sequences that wait for their pack. */
static struct {
	int32_t *ids, *labels;
	int64_t n, cap;
	int64_t *start;                  /* of each sequence */
	int32_t *len;
	int64_t n_seq, cap_seq;
	int64_t packs, tokens, loss_tokens, sequences;
	int32_t *pack_ids, *pack_labels; /* one pack */
	int64_t tokens_in, rows_cut;     /* of the input; rows that a pack does not hold whole */
} held;

/* labels of n tokens: ids where the mask says so (NULL: everywhere), but not for the first, which nothing stands before. */
static void make_labels(int32_t *labels, const int32_t *ids, const struct array *mask, int64_t mask_from, int64_t n)
{
	const int8_t *plain = mask && !mask->validity ? (const int8_t *)mask->values + mask->offset + mask_from : NULL;

	if (!mask)
		memcpy(labels, ids, (size_t)n * sizeof(*labels));
	else if (plain)
		for (int64_t i = 0; i < n; i++)
			labels[i] = plain[i] ? ids[i] : -100;
	else
		for (int64_t i = 0; i < n; i++)
			labels[i] = array_int(mask, mask_from + i) ? ids[i] : -100;
	labels[0] = -100;
}

static void hold(const int32_t *ids, const struct array *mask, int64_t mask_from, int64_t n)
{
	if (held.n_seq == held.cap_seq) {
		held.cap_seq = held.cap_seq ? held.cap_seq * 2 : 256;
		held.start = mem_grow(held.start, (size_t)held.cap_seq, sizeof(*held.start));
		held.len = mem_grow(held.len, (size_t)held.cap_seq, sizeof(*held.len));
	}
	if (held.n + n > held.cap) {
		held.cap = held.cap * 2 + n;
		held.ids = mem_grow(held.ids, (size_t)held.cap, sizeof(*held.ids));
		held.labels = mem_grow(held.labels, (size_t)held.cap, sizeof(*held.labels));
	}
	held.start[held.n_seq] = held.n;
	held.len[held.n_seq++] = (int32_t)n;
	memcpy(held.ids + held.n, ids, (size_t)n * sizeof(*ids));
	make_labels(held.labels + held.n, ids, mask, mask_from, n);
	for (int64_t i = held.n; i < held.n + n; i++)
		held.loss_tokens += held.labels[i] != -100;
	held.n += n;
}

static void drop_held(void)
{
	held.n = held.n_seq = 0;
}

/* One pack of the sequences seq[0..n). */
static enum status write_pack(const int64_t *seq, int64_t n, struct error *err)
{
	struct builder *b = writer_builder(tool.out);
	struct column *lengths = builder_column(b, 2);
	int64_t used = 0;

	for (int64_t k = 0; k < n; k++) {
		int64_t from = held.start[seq[k]], len = held.len[seq[k]];

		memcpy(held.pack_ids + used, held.ids + from, (size_t)len * sizeof(*held.ids));
		memcpy(held.pack_labels + used, held.labels + from, (size_t)len * sizeof(*held.labels));
		column_int(column_child(lengths, 0), len);
		used += len;
	}
	held.packs++;
	held.sequences += n;
	held.tokens += used;
	for (; used < opts.length; used++) {
		held.pack_ids[used] = (int32_t)opts.pad_id;
		held.pack_labels[used] = -100;
	}
	column_int32s(builder_column(b, 0), held.pack_ids, opts.length);
	column_int32s(builder_column(b, 1), held.pack_labels, opts.length);
	column_end_list(lengths);
	return writer_row(tool.out, err);
}

static enum status flush_window(struct error *err)
{
	struct pack_plan p = {0};
	enum status st = OK;

	if (!held.n_seq)
		return OK;
	pack_best_fit(held.len, held.n_seq, (int32_t)opts.length, &p);
	for (int64_t k = 0; k < p.n_packs && st == OK; k++)
		st = write_pack(p.order + p.start[k], p.start[k + 1] - p.start[k], err);
	pack_plan_release(&p);
	drop_held();
	return st;
}

static enum status flush_in_order(struct error *err)
{
	int64_t *all = mem_array((size_t)held.n_seq + 1, sizeof(*all));
	enum status st = OK;

	for (int64_t i = 0; i < held.n_seq; i++)
		all[i] = i;
	if (held.n_seq)
		st = write_pack(all, held.n_seq, err);
	mem_free(all);
	drop_held();
	return st;
}

/* A row, cut into sequences as the strategy wants them. */
static enum status add_row(const int32_t *ids, const struct array *mask, int64_t mask_from, int64_t n, struct error *err)
{
	int64_t take;

	for (int64_t i = 0; i < n; i += take) {
		int64_t room = opts.strategy == WRAPPED ? opts.length - held.n : opts.length;

		take = n - i < room ? n - i : room;
		hold(ids + i, mask, mask_from + i, take);
		if (opts.strategy == BFD && held.n >= opts.window)
			TRY(flush_window(err));
		if (opts.strategy == NONE || (opts.strategy == WRAPPED && held.n == opts.length))
			TRY(flush_in_order(err));
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

static enum status pack_batch(struct batch *b, struct error *err)
{
	const struct array *column = batch_column(b, "input_ids"), *masks = batch_column(b, "loss_mask");
	static struct ids copy;

	for (int64_t row = 0; row < b->rows; row++) {
		int64_t n = 0, from = 0, to = 0, first, last;
		const char *bad;
		const int32_t *ids = row_ids(column, row, &copy, &n);
		bool has_mask = masks && !array_is_null(masks, row);

		if (has_mask)
			array_list(masks, row, &from, &to);
		if (ids && has_mask && to - from != n)
			return error_set(err, ERR_DATA, "%s: row %lld: %lld tokens but a loss_mask of %lld", tool_where(&tool), (long long)row,
					 (long long)n, (long long)(to - from));
		array_list(column, row, &first, &last);
		held.tokens_in += last - first;
		bad = unusable(ids, n);
		if (bad) {
			TRY(tool_reject(&tool, b, row, bad, err));
			continue;
		}
		if (n > opts.length && opts.strategy != WRAPPED && opts.overlong != SPLIT) {
			if (opts.overlong == DROP) {
				TRY(tool_reject(&tool, b, row, "too_long", err));
				continue;
			}
			n = opts.length;
		}
		held.rows_cut += last - first > opts.length && opts.strategy != WRAPPED;
		TRY(add_row(ids, has_mask ? &masks->children[0] : NULL, from, n, err));
	}
	return OK;
}

static enum status check_columns(const struct schema *s, struct error *err)
{
	int ids = schema_find(s, "input_ids"), mask = schema_find(s, "loss_mask");

	if (ids < 0 || !field_is_list_of(&s->fields[ids], T_INT32))
		return error_set(err, ERR_DATA, "%s: pack needs a column input_ids of list<int32>%s", tool_where(&tool),
				 schema_find(s, "chosen_ids") >= 0 ? " (pairs are not packed)" : "");
	if (mask >= 0 && !field_is_list_of(&s->fields[mask], T_INT8))
		return error_set(err, ERR_DATA, "%s: loss_mask is not list<int8>", tool_where(&tool));
	return OK;
}

static enum status pack_all(struct error *err)
{
	struct batch *b;
	enum status st;

	while ((st = tool_next(&tool, &b, err)) == OK) {
		st = pack_batch(b, err);
		batch_release(b);
		TRY(st);
	}
	if (st != END)
		return st;
	TRY(opts.strategy == BFD ? flush_window(err) : flush_in_order(err));
	tool_stat_int(&tool, "packs", held.packs);
	tool_stat_int(&tool, "sequences", held.sequences);
	tool_stat_int(&tool, "tokens", held.tokens);
	tool_stat_int(&tool, "loss_tokens", held.loss_tokens);
	if (opts.strategy != WRAPPED)
		tool_stat_int(&tool, opts.overlong == SPLIT ? "rows_split" : "rows_truncated", held.rows_cut);
	tool_stat_int(&tool, "tokens_lost", held.tokens_in - held.tokens);
	if (held.packs)
		tool_stat_double(&tool, "utilisation", (double)held.tokens / ((double)held.packs * (double)opts.length));
	return tool_commit(&tool, err);
}

static enum status run(struct error *err)
{
	static const enum kind kinds[] = {KIND_TOKENS};
	struct schema out = {0};
	enum status st;

	TRY(tool_open_inputs(&tool, kinds, 1, err));
	TRY(check_columns(tool_schema(&tool), err));
	held.pack_ids = mem_array((size_t)opts.length, sizeof(*held.pack_ids));
	held.pack_labels = mem_array((size_t)opts.length, sizeof(*held.pack_labels));
	kind_schema(KIND_PACKED, false, (int32_t)opts.length, &out);
	st = tool_open_output(&tool, &out, KIND_PACKED, err);
	if (st == OK)
		st = pack_all(err);
	schema_release(&out);
	return st;
}

int main(int argc, char **argv)
{
	struct error err;

	tool_start(&tool, argc, argv);
	return tool_end(&tool, run(&err), &err);
}
