/* quern sft-train - next-token cross-entropy over packed or single sequences: pre-training and supervised fine-tuning.
 *
 * Reads the data into memory (libcore/train/rows.h), then trains (libcore/train/session.h): checkpoints, metrics, and
 * at the end a Hugging Face model directory. The same command after a kill goes on and ends in the same bytes. */
#include "common/tool.h"
#include "train/rows.h"
#include "train/session.h"

#include <math.h>
#include <stdio.h>

static struct {
	struct train_flags train;
	int64_t batch_tokens;
} opts = {
	.train = { TRAIN_FLAGS_DEFAULT, .lr = 1e-3, .weight_decay = 0.1 },
	.batch_tokens = 16384,
};

static struct opt options[] = {
	TRAIN_FLAGS_DATA(opts.train),
	OPT_INT(0, "batch-tokens", &opts.batch_tokens, "N", 1, 1e12, "most tokens of an optimizer step (one row at least)"),
	TRAIN_FLAGS_OPTIMIZER(opts.train),
	OPT_END,
};

static struct tool tool = {
	.name = "sft-train", .summary = "train a language model on packed or single sequences",
	.operands = "-m DIR [FILE ...] -o DIR", .options = options, .max_operands = -1, .needs_output = true,
};

static struct model model;
static struct dataset data, held_out;

static enum status read_data(struct error *err)
{
	static const enum kind wanted[] = { KIND_PACKED, KIND_TOKENS };
	struct batch *b;
	enum status st;

	TRY(tool_open_inputs(&tool, wanted, 2, err));
	TRY(tool_open_rejects(&tool, err));
	while ((st = tool_next(&tool, &b, err)) == OK) {
		for (int64_t row = 0; row < b->rows && st == OK; row++) {
			const char *reason;

			st = rows_add_sequences(&data, &model.cfg, tool_kind(&tool), b, row, &reason, err);
			if (st != OK)
				error_prefix(err, st, "%s", tool_where(&tool));
			else if (reason)
				st = tool_reject(&tool, b, row, reason, err);
		}
		batch_release(b);
		TRY(st);
	}
	return st == END ? tool_commit(&tool, err) : st;
}

/* --eval FILE. */
static enum status read_held_out(struct error *err)
{
	struct reader *r;
	struct batch *b;
	int64_t left_out = 0;
	enum status st;

	TRY(tool_add_input(&tool, opts.train.eval, err));
	TRY(reader_open(&r, opts.train.eval, NULL, err));
	st = reader_kind(r) == KIND_PACKED || reader_kind(r) == KIND_TOKENS ? OK :
	     error_set(err, ERR_DATA, "%s: packed or tokens wanted", opts.train.eval);
	while (st == OK && (st = reader_next(r, &b, err)) == OK) {
		for (int64_t row = 0; row < b->rows && st == OK; row++) {
			const char *reason;

			st = rows_add_sequences(&held_out, &model.cfg, reader_kind(r), b, row, &reason, err);
			left_out += st == OK && reason;
		}
		batch_release(b);
	}
	reader_close(r);
	if (left_out)
		tool_warn(&tool, "%s: %lld rows left out, too long or without loss", opts.train.eval, (long long)left_out);
	if (st == END && !held_out.n_items)
		return error_set(err, ERR_DATA, "%s: nothing to measure", opts.train.eval);
	return st == END ? OK : st;
}

static void on_open(const struct trainer *t)
{
	tool_say(&tool, "%lld parameters, %lld tokens in %lld rows, %lld steps; %.0f MB for micro-batches of %lld tokens",
		 (long long)model.n_params, (long long)data.n_tokens, (long long)data.n_items, (long long)t->steps,
		 (double)t->bytes / 1e6, (long long)t->n_max);
	tool_stat_int(&tool, "parameters", model.n_params);
	tool_stat_int(&tool, "arena_bytes", (int64_t)t->bytes);
}

static enum status on_step(void *arg, const struct trainer *t, const struct report *r, const char *line, size_t n,
			   struct error *err)
{
	char note[64];

	(void)arg;
	snprintf(note, sizeof(note), "loss %.4f", r->values[0]);
	progress_tick(tool.progress, t->step, t->steps, "steps", note);
	return tool_log(&tool, line, n, err);
}

static enum status on_finish(struct error *err)
{
	return tool_write_provenance(&tool, tool.out_path, err);
}

static void summarise(const struct session_result *r)
{
	if (r->state == RUN_DONE) {
		tool_say(&tool, "%s: already trained", tool.out_path);
		return;
	}
	if (r->interrupted)
		tool_say(&tool, "interrupted; the same command goes on at step %lld", (long long)r->last.step + 1);
	tool_stat_int(&tool, "steps", r->steps);
	tool_stat_int(&tool, "tokens", r->tokens);
	if (r->last.step)
		tool_stat_double(&tool, "loss", (double)(float)r->last.values[0]);
	if (!isnan(r->eval_loss))
		tool_stat_double(&tool, "eval_loss", (double)(float)r->eval_loss);
	tool_stat_int(&tool, "tokens_per_second", r->seconds > 0 ? (int64_t)((double)r->tokens / r->seconds) : 0);
}

static enum status train(struct error *err)
{
	struct buf identity = { 0 };
	struct sft sft;
	struct session s = {
		.flags = &opts.train, .out_dir = tool.out_path, .model = &model, .data = &data, .eval = &held_out,
		.objective = sft_objective(&sft), .options = train_flags_options(&opts.train, tool.seed), .opened = on_open,
		.hooks = { NULL, on_step, tool_interrupted }, .provenance = on_finish,
	};
	struct session_result r;
	enum status st;

	tool.prov.rows_out = data.n_items;   /* rows that are learned from */
	provenance_print(&tool.prov, &identity);
	s.identity = identity.data;
	s.options.batch_tokens = opts.batch_tokens;
	st = session_run(&s, &r, err);
	if (st == OK)
		summarise(&r);
	buf_release(&identity);
	return st;
}

static enum status run(struct error *err)
{
	enum status st;

	if (!opts.train.model)
		return error_set(err, ERR_USAGE, "-m is needed: which model is trained? (init-model makes one)");
	TRY(tool_add_input(&tool, opts.train.model, err));
	TRY(model_load(&model, opts.train.model, kernels_cpu(), tool.pool, err));
	st = read_data(err);
	if (st == OK && opts.train.eval)
		st = read_held_out(err);
	if (st == OK)
		st = train(err);
	dataset_release(&data);
	dataset_release(&held_out);
	model_release(&model);
	return st;
}

int main(int argc, char **argv)
{
	struct error err;

	tool_start(&tool, argc, argv);
	return tool_end(&tool, run(&err), &err);
}
