/* train.c - see train.h. */
#include "common/train.h"

#include <math.h>
#include <stdio.h>

static enum status read_inputs(struct training *t, struct error *err)
{
	struct batch *b;
	enum status st;

	TRY(tool_open_inputs(t->tool, t->kinds, t->n_kinds, err));
	TRY(tool_open_rejects(t->tool, err));
	if (t->begin)
		TRY(t->begin(&t->data, tool_schema(t->tool), tool_kind(t->tool), err));
	while ((st = tool_next(t->tool, &b, err)) == OK) {
		for (int64_t row = 0; row < b->rows && st == OK; row++) {
			const char *reason;

			st = t->add(&t->data, tool_kind(t->tool), b, row, &reason, err);
			if (st != OK)
				error_prefix(err, st, "%s", tool_where(t->tool));
			else if (reason)
				st = tool_reject(t->tool, b, row, reason, err);
		}
		batch_release(b);
		TRY(st);
	}
	t->tool->prov.rows_out = t->data.n_items;    /* rows that are learned from */
	return st == END ? tool_commit(t->tool, err) : st;
}

static bool wanted(const struct training *t, enum kind k)
{
	for (int i = 0; i < t->n_kinds; i++)
		if (t->kinds[i] == k)
			return true;
	return false;
}

static enum status read_held_out(struct training *t, struct error *err)
{
	const char *path = t->flags->eval;
	struct reader *r;
	struct batch *b;
	int64_t left_out = 0;
	enum status st;

	TRY(tool_add_input(t->tool, path, err));
	TRY(reader_open(&r, path, NULL, err));
	st = wanted(t, reader_kind(r)) ? kind_check(reader_kind(r), reader_schema(r), err) :
	     error_set(err, ERR_DATA, "it is not of a kind that is trained on");
	if (st == OK && t->begin)
		st = t->begin(&t->held_out, reader_schema(r), reader_kind(r), err);
	if (st != OK)
		error_prefix(err, st, "%s", path);
	while (st == OK && (st = reader_next(r, &b, err)) == OK) {
		for (int64_t row = 0; row < b->rows && st == OK; row++) {
			const char *reason;

			st = t->add(&t->held_out, reader_kind(r), b, row, &reason, err);
			left_out += st == OK && reason;
		}
		batch_release(b);
	}
	reader_close(r);
	if (left_out)
		tool_warn(t->tool, "%s: %lld %s left out: too long, or nothing to learn", path, (long long)left_out, t->items);
	if (st == END && !t->held_out.n_items)
		return error_set(err, ERR_DATA, "%s: nothing to measure", path);
	return st == END ? OK : st;
}

enum status training_read(struct training *t, struct error *err)
{
	TRY(read_inputs(t, err));
	return t->flags->eval ? read_held_out(t, err) : OK;
}

void training_release(struct training *t)
{
	dataset_release(&t->data);
	dataset_release(&t->held_out);
}

/* --- while it trains ---------------------------------------------------------------------------- */

static void on_open(void *arg, const struct trainer *tr)
{
	const struct training *t = arg;

	tool_say(t->tool, "%lld parameters, %lld tokens in %lld %s, %lld steps; %.0f MB for micro-batches of %lld tokens",
		 (long long)t->model->n_params, (long long)t->data.n_tokens, (long long)t->data.n_items, t->items,
		 (long long)tr->steps, (double)tr->bytes / 1e6, (long long)tr->n_max);
	tool_stat_int(t->tool, "parameters", t->model->n_params);
	tool_stat_int(t->tool, "arena_bytes", (int64_t)tr->bytes);
}

static enum status on_step(void *arg, const struct trainer *tr, const struct report *r, const char *line, size_t n,
			   struct error *err)
{
	const struct training *t = arg;
	char note[64];

	snprintf(note, sizeof(note), "loss %.4f", r->values[0]);
	progress_tick(t->tool->progress, tr->step, tr->steps, "steps", note);
	return tool_log(t->tool, line, n, err);
}

static enum status on_finish(void *arg, struct error *err)
{
	const struct training *t = arg;

	return tool_write_provenance(t->tool, t->tool->out_path, err);
}

static void summarise(const struct training *t, const struct objective *o, const struct session_result *r)
{
	if (r->state == RUN_DONE) {
		tool_say(t->tool, "%s: already trained", t->tool->out_path);
		return;
	}
	if (r->interrupted)
		tool_say(t->tool, "interrupted; the same command goes on after step %lld", (long long)r->step);
	tool_stat_int(t->tool, "steps", r->step);
	tool_stat_int(t->tool, "tokens", r->tokens);
	for (int i = 0; i < t->n_shown && r->last.step; i++)
		tool_stat_double(t->tool, o->names[i], (double)(float)r->last.values[i]);
	if (!isnan(r->eval_loss))
		tool_stat_double(t->tool, "eval_loss", (double)(float)r->eval_loss);
	tool_stat_int(t->tool, "tokens_per_second", r->seconds > 0 ? (int64_t)((double)r->tokens / r->seconds) : 0);
}

enum status training_run(struct training *t, const struct objective *objective, const struct train_options *o,
			 struct error *err)
{
	struct buf identity = { 0 };
	struct session s = {
		.flags = t->flags, .out_dir = t->tool->out_path, .model = t->model, .data = &t->data, .eval = &t->held_out,
		.objective = *objective, .options = *o, .hooks = { t, on_open, on_step, tool_interrupted, on_finish },
	};
	struct session_result r;
	enum status st;

	provenance_print(&t->tool->prov, &identity);
	s.identity = identity.data;
	st = session_run(&s, &r, err);
	if (st == OK)
		summarise(t, objective, &r);
	buf_release(&identity);
	return st;
}
