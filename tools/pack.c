/* quern pack - token rows into packs of one length: input_ids, labels, seq_lengths (libcore/token/packer.h). */
#include "common/tool.h"
#include "token/packer.h"

static struct {
	struct packer_options pack;
	int strategy, overlong;      /* enum pack_strategy, enum pack_overlong */
} opts = {.pack = {.length = 1024, .window = PACKER_WINDOW}};

static struct opt options[] = {
	OPT_GROUP("Packing"),
	OPT_INT('L', "length", &opts.pack.length, "N", 2, 16777216, "tokens of a pack"),
	OPT_CHOICE(0, "strategy", &opts.strategy, PACK_STRATEGY_NAMES, "best-fit decreasing, one after the other, or a row each"),
	OPT_CHOICE(0, "overlong", &opts.overlong, PACK_OVERLONG_NAMES,
		   "bfd, none: rows longer than a pack become several, are rejected, or lose their end"),
	OPT_INT(0, "window", &opts.pack.window, "TOKENS", 1, 1e12, "bfd: tokens held in memory and packed together"),
	OPT_INT(0, "pad-id", &opts.pack.pad_id, "ID", 0, 2147483647, "token that fills the end of a pack"),
	OPT_END,
};

static struct tool tool = {
	.name = "pack", .summary = "pack token sequences into rows of one length", .operands = "[FILE ...]", .options = options,
	.max_operands = -1,
};

static enum status write_pack(void *arg, const struct pack *p, struct error *err)
{
	struct builder *b = writer_builder(tool.out);
	struct column *lengths = builder_column(b, 2);

	(void)arg;
	column_int32s(builder_column(b, 0), p->ids, opts.pack.length);
	column_int32s(builder_column(b, 1), p->labels, opts.pack.length);
	column_int32s(lengths, p->lengths, p->n);
	return writer_row(tool.out, err);
}

static enum status pack_batch(struct packer *p, struct batch *b, struct error *err)
{
	for (int64_t row = 0; row < b->rows; row++) {
		const char *reason;
		enum status st = packer_add(p, b, row, &reason, err);

		if (st != OK)
			return st == ERR_DATA ? error_prefix(err, st, "%s", tool_where(&tool)) : st;
		if (reason)
			TRY(tool_reject(&tool, b, row, reason, err));
	}
	return OK;
}

static void summarise(const struct packer_totals *t)
{
	tool_stat_int(&tool, "packs", t->packs);
	tool_stat_int(&tool, "sequences", t->sequences);
	tool_stat_int(&tool, "tokens", t->tokens);
	tool_stat_int(&tool, "loss_tokens", t->loss_tokens);
	if (opts.pack.strategy != PACK_WRAPPED)
		tool_stat_int(&tool, opts.pack.overlong == PACK_SPLIT ? "rows_split" : "rows_truncated", t->rows_cut);
	tool_stat_int(&tool, "tokens_lost", t->tokens_in - t->tokens);
	if (t->packs)
		tool_stat_double(&tool, "utilisation", (double)t->tokens / ((double)t->packs * (double)opts.pack.length));
}

static enum status pack_all(struct packer *p, struct error *err)
{
	struct batch *b;
	enum status st;

	while ((st = tool_next(&tool, &b, err)) == OK) {
		st = pack_batch(p, b, err);
		batch_release(b);
		TRY(st);
	}
	if (st != END)
		return st;
	TRY(packer_end(p, err));
	summarise(packer_totals(p));
	return tool_commit(&tool, err);
}

static enum status run(struct error *err)
{
	static const enum kind kinds[] = {KIND_TOKENS};
	struct schema out = {0};
	struct packer *p;
	enum status st;

	opts.pack.strategy = (enum pack_strategy)opts.strategy;
	opts.pack.overlong = (enum pack_overlong)opts.overlong;
	TRY(tool_open_inputs(&tool, kinds, 1, err));
	st = packer_check(tool_schema(&tool), err);
	if (st != OK)
		return error_prefix(err, st, "%s", tool_where(&tool));
	kind_schema(KIND_PACKED, false, (int32_t)opts.pack.length, &out);
	p = packer_open(&opts.pack, write_pack, NULL);
	st = tool_open_output(&tool, &out, KIND_PACKED, err);
	if (st == OK)
		st = pack_all(p, err);
	packer_close(p);
	schema_release(&out);
	return st;
}

int main(int argc, char **argv)
{
	struct error err;

	tool_start(&tool, argc, argv);
	return tool_end(&tool, run(&err), &err);
}
