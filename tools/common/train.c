/* train.c - see train.h. */
#include "common/train.h"

#include "base/file.h"
#include "common/tokenizer.h"

#include <math.h>
#include <stdio.h>

enum status training_check(const struct training *t, struct error *err)
{
	if (!t->flags->model)
		return error_set(err, ERR_USAGE, "-m is needed: which model is trained? (init-model makes one)");
	if (!t->tool->out_path && !t->flags->plan)
		return error_set(err, ERR_USAGE, "-o is needed: where shall the result go?");
	return OK;
}

/* --- reading ------------------------------------------------------------------------------------ */

static enum status add_rows(struct training *t, struct batch *b, struct error *err)
{
	for (int64_t row = 0; row < b->rows; row++) {
		const char *reason;
		enum status st = t->add(t->arg, &t->data, tool_kind(t->tool), b, row, &reason, err);

		if (st != OK)
			return error_prefix(err, st, "%s", tool_where(t->tool));
		if (reason)
			TRY(tool_reject(t->tool, b, row, reason, err));
	}
	return OK;
}

static enum status add_all(struct training *t, struct error *err)
{
	struct batch *b;
	enum status st;

	while ((st = tool_next(t->tool, &b, err)) == OK) {
		st = add_rows(t, b, err);
		batch_release(b);
		TRY(st);
	}
	return st;
}

/* --- text: batches are encoded on all threads, and what they became is added in order --- */

static enum status encode_work(void *arg, struct batch *b, struct batch **out, const char **reject, int worker, struct error *err)
{
	const struct training *t = arg;

	return t->encode(t->arg, b, out, reject, worker, err);
}

/* out has the rows of in that are not rejected. */
static enum status encode_sink(void *arg, struct batch *in, struct batch *out, const char **reject, struct error *err)
{
	struct training *t = arg;

	for (int64_t row = 0, k = 0; row < in->rows; row++) {
		if (!reject[row])
			TRY(t->add(t->arg, &t->data, KIND_TOKENS, out, k++, &reject[row], err));
		if (reject[row])
			TRY(tool_reject(t->tool, in, row, reject[row], err));
	}
	return OK;
}

static bool is_text(const struct training *t, enum kind k)
{
	return t->encode && t->takes_text(k);
}

static enum status read_inputs(struct training *t, struct error *err)
{
	struct filter encode = { .work = encode_work, .arg = t, .sink = encode_sink };
	enum kind k;
	enum status st;

	TRY(tool_open_inputs(t->tool, NULL, 0, err));
	k = tool_kind(t->tool);
	if (!is_text(t, k))
		TRY(tool_check_kind(t->tool, t->kinds, t->n_kinds, err));
	TRY(tool_open_rejects(t->tool, err));
	if (t->begin) {
		st = t->begin(t->arg, &t->data, tool_schema(t->tool), k, err);
		if (st != OK)
			return st == ERR_DATA ? error_prefix(err, st, "%s", tool_where(t->tool)) : st;
	}
	st = is_text(t, k) ? tool_filter(t->tool, &encode, err) : add_all(t, err);
	if (st != OK && st != END)
		return st;
	if (t->end)
		TRY(t->end(t->arg, &t->data, err));
	t->tool->prov.rows_out = t->data.n_items;    /* rows that are learned from */
	return tool_commit(t->tool, err);
}

static bool wanted(const struct training *t, enum kind k)
{
	for (int i = 0; i < t->n_kinds; i++)
		if (t->kinds[i] == k)
			return true;
	return false;
}

/* A batch of --eval; *left_out counts what has a reason. */
static enum status add_held_out(struct training *t, enum kind k, struct batch *b, int64_t *left_out, struct error *err)
{
	const char **reject = mem_array((size_t)b->rows + 1, sizeof(*reject));
	struct batch *made = NULL;
	enum status st = is_text(t, k) ? t->encode(t->arg, b, &made, reject, 0, err) : OK;

	for (int64_t row = 0, n = 0; row < b->rows && st == OK; row++) {
		if (!reject[row])
			st = t->add(t->arg, &t->held_out, made ? KIND_TOKENS : k, made ? made : b, made ? n++ : row, &reject[row], err);
		*left_out += st == OK && reject[row];
	}
	batch_release(made);
	mem_free(reject);
	return st;
}

static enum status read_held_out(struct training *t, struct error *err)
{
	const char *path = t->flags->eval;
	struct reader *r;
	struct batch *b;
	int64_t left_out = 0;
	enum kind k;
	enum status st;

	if (!strcmp(path, "-"))
		return error_set(err, ERR_USAGE, "--eval is read twice, so it has to be a file");
	TRY(tool_add_input(t->tool, path, err));
	TRY(reader_open(&r, path, NULL, err));
	k = reader_kind(r);
	st = is_text(t, k) ? OK : wanted(t, k) ? kind_check(k, reader_schema(r), err) :
	     error_set(err, ERR_DATA, "it is not of a kind that is trained on");
	if (st == OK && t->begin)
		st = t->begin(t->arg, &t->held_out, reader_schema(r), k, err);
	if (st != OK)
		error_prefix(err, st, "%s", path);
	while (st == OK && (st = reader_next(r, &b, err)) == OK) {
		st = add_held_out(t, k, b, &left_out, err);
		batch_release(b);
	}
	if (st == END && t->end && t->end(t->arg, &t->held_out, err) != OK)
		st = ERR_DATA;
	reader_close(r);
	if (left_out)
		tool_warn(t->tool, "%s: %lld %s left out: too long, or nothing to learn", path, (long long)left_out, t->items);
	if (st == END && !t->held_out.n_items)
		return error_set(err, ERR_DATA, "%s: nothing to measure", path);
	return st == END ? OK : st;
}

static enum status nothing_left(const struct training *t, struct error *err)
{
	const struct provenance *p = &t->tool->prov;
	struct buf why = { 0 };
	enum status st;

	for (int i = 0; i < p->n_reasons; i++)
		buf_printf(&why, "%s%s %lld", i ? ", " : ": rejected are ", p->reasons[i], (long long)p->reason_rows[i]);
	st = error_set(err, ERR_DATA, "there is nothing to train on in %lld rows%s", (long long)p->rows_in, why.len ? why.data : "");
	buf_release(&why);
	return st;
}

static enum status read_all(struct training *t, struct error *err)
{
	TRY(read_inputs(t, err));
	if (!t->data.n_items)
		return nothing_left(t, err);
	return t->flags->eval ? read_held_out(t, err) : OK;
}

/* --- while it trains ---------------------------------------------------------------------------- */

/* The memory of the run as a table; returns the sum. */
static size_t print_arena(const struct training *t, const struct trainer *tr, struct buf *out)
{
	struct arena_part parts[ARENA_PARTS];
	size_t all = 0;

	buf_printf(out, "%lld parameters, %lld of them trained; %lld tokens in %lld %s, %lld steps, micro-batches of %lld tokens\n",
		   (long long)model_size(t->model), (long long)tr->optimizer.n_trained, (long long)t->data.n_tokens,
		   (long long)t->data.n_items, t->items, (long long)tr->steps, (long long)tr->n_max);
	trainer_arena(tr, &t->held_out, parts);
	for (int i = 0; i < ARENA_PARTS; i++) {
		if (parts[i].bytes)
			buf_printf(out, "%12.1f MB  %s\n", (double)parts[i].bytes / 1e6, parts[i].name);
		all += parts[i].bytes;
	}
	buf_printf(out, "%12.1f MB  in all", (double)all / 1e6);
	return all;
}

/* Prints the table, and refuses a run that does not fit; a plan says so. */
static enum status on_open(void *arg, const struct trainer *tr, struct error *err)
{
	struct training *t = arg;
	struct buf table = { 0 };
	size_t all = print_arena(t, tr, &table);
	struct error short_of;
	enum status st;

	if (!t->flags->plan) {
		tool_say(t->tool, "%s", table.data);
		st = trainer_fits(tr, false, err);
	} else {
		buf_char(&table, '\n');
		if (trainer_fits(tr, true, &short_of) != OK)
			buf_printf(&table, "%s\n", short_of.text);
		st = file_write_all("-", table.data, table.len, err);
	}
	buf_release(&table);
	tool_stat_int(t->tool, "parameters", model_size(t->model));
	tool_stat_int(t->tool, "arena_bytes", (int64_t)all);
	t->flops_per_token = model_flops_per_token(&t->model->cfg, t->data.n_tokens / (t->data.n_seqs ? t->data.n_seqs : 1));
	if (t->model->frozen)                        /* no gradients of the weights: two products of three */
		t->flops_per_token *= 2.0 / 3;
	return st == OK && !t->flags->plan && t->prepare ? t->prepare(t->arg, t, err) : st;
}

/* What the steps of this process took, for the live line. */
static void time_step(struct training *t, const struct trainer *tr, const struct report *r)
{
	double now = clock_seconds();

	if (t->timed_steps == 0 && progress_is_on(t->tool->progress))
		t->peak_flops = t->model->k->peak_flops(t->model->pool);
	t->timed_seconds += t->timed_steps ? now - t->step_end : 0;
	t->timed_tokens += t->timed_steps ? r->tokens : 0;
	t->timed_steps++;
	t->step_end = clock_seconds();
	t->seconds_left = t->timed_steps > 1 ? t->timed_seconds / (double)(t->timed_steps - 1) * (double)(tr->steps - tr->step) : 0;
}

static void show_step(struct training *t, const struct trainer *tr, const struct report *r)
{
	double rate;
	char note[256];

	if (!progress_is_on(t->tool->progress))
		return;
	time_step(t, tr, r);
	rate = t->timed_seconds > 0 ? t->timed_tokens / t->timed_seconds : 0;
	snprintf(note, sizeof(note), "loss %.4f, lr %.2e, norm %.2f, %.0f tokens/s, %.0f %% of float peak, %.0f MB, %.0f s left",
		 r->values[0], r->lr, r->grad_norm, rate, t->peak_flops > 0 ? 100 * rate * t->flops_per_token / t->peak_flops : 0,
		 (double)mem_peak() / 1e6, t->seconds_left);
	progress_tick(t->tool->progress, tr->step, tr->steps, "steps", note);
}

static enum status on_step(void *arg, const struct trainer *tr, const struct report *r, const char *line, size_t n,
			   struct error *err)
{
	struct training *t = arg;

	show_step(t, tr, r);
	if (t->watch && !r->skipped)
		t->watch(t->arg, r);
	return tool_log(t->tool, line, n, err);
}

/* transformers reads this file before it looks into tokenizer_config.json. */
static enum status copy_template(const char *from, const char *dir, struct error *err)
{
	struct buf text = { 0 };
	char *path = path_join(dir, "chat_template.jinja");
	enum status st = file_read_all(from, TEMPLATE_MAX, &text, err);

	if (st == OK)
		st = file_write_all(path, text.data ? text.data : "", text.len, err);
	mem_free(path);
	buf_release(&text);
	return st;
}

static enum status on_extras(void *arg, const char *dir, struct error *err)
{
	const struct training *t = arg;

	TRY(session_copy_tokenizer(t->tokenizer ? t->tokenizer : t->flags->model, dir, err));
	if (t->chat_template)
		TRY(copy_template(t->chat_template, dir, err));
	return tool_write_provenance(t->tool, dir, err);
}

static void summarise(const struct training *t, const struct objective *o, const struct session_result *r)
{
	if (r->planned)
		return;
	if (r->state == RUN_DONE) {
		tool_say(t->tool, "%s: already trained", t->tool->out_path);
		return;
	}
	if (r->interrupted)
		tool_say(t->tool, "interrupted; a checkpoint is written, and the same command goes on after step %lld", (long long)r->step);
	if (r->ended_early)
		tool_say(t->tool, "ended after step %lld: eval_loss was lowest at step %lld", (long long)r->step, (long long)r->best_step);
	tool_stat_int(t->tool, "steps", r->step);
	tool_stat_int(t->tool, "tokens", r->tokens);
	for (int i = 0; i < t->n_shown && i < o->n_values && r->last.step && !r->last.skipped; i++)
		tool_stat_double(t->tool, o->names[i], (double)(float)r->last.values[i]);
	if (!isnan(r->eval_loss))
		tool_stat_double(t->tool, "eval_loss", (double)(float)r->eval_loss);
	if (r->best_step) {
		tool_stat_double(t->tool, "best_eval_loss", (double)(float)r->best_loss);
		tool_stat_int(t->tool, "best_step", r->best_step);
	}
	tool_stat_int(t->tool, "tokens_per_second", r->seconds > 0 ? (int64_t)((double)r->tokens / r->seconds) : 0);
}

/* --skip-batches may change while the run is not done, so it is no part of the run's identity; of the model's provenance it is. */
static void note_skipped(struct training *t, struct opt_list *words)
{
	struct provenance *p = &t->tool->prov;

	if (!t->flags->skip_batches)
		return;
	words->items = mem_array((size_t)p->n_argv + 1, sizeof(*words->items));
	words->items[words->n++] = mem_printf("--skip-batches=%s", t->flags->skip_batches);
	for (int i = 0; i < p->n_argv; i++)
		words->items[words->n++] = p->argv[i];
	p->argv = words->items;
	p->n_argv = words->n;
}

static enum status train(struct training *t, const struct objective *objective, const struct train_options *o, struct error *err)
{
	struct buf identity = { 0 };
	struct session s = {
		.flags = t->flags, .out_dir = t->tool->out_path, .model = t->model, .data = &t->data, .eval = &t->held_out,
		.objective = *objective, .options = *o, .hooks = { t, on_open, on_step, tool_interrupted, on_extras },
	};
	struct session_result r;
	const char *const *argv = t->tool->prov.argv;
	struct opt_list words = { 0 };
	enum status st;

	TRY(tool_settle_inputs(t->tool, err));
	provenance_print(&t->tool->prov, &identity);
	s.identity = identity.data;
	note_skipped(t, &words);
	st = session_run(&s, &r, err);
	if (st == OK)
		summarise(t, objective, &r);
	if (words.n)
		mem_free((char *)(uintptr_t)words.items[0]);
	mem_free(words.items);
	t->tool->prov.argv = argv;
	t->tool->prov.n_argv -= words.n > 0;
	buf_release(&identity);
	return st;
}

enum status training_run(struct training *t, const struct objective *objective, struct error *err)
{
	struct train_options o = { 0 };
	enum status st = train_flags_options(t->flags, t->model, t->tool->seed, &o, err);

	o.batch_items = t->batch_items;
	o.batch_tokens = t->batch_tokens;
	o.neftune_alpha = t->neftune_alpha;
	if (st == OK)
		st = read_all(t, err);
	if (st == OK)
		st = train(t, objective, &o, err);
	train_options_release(&o);
	dataset_release(&t->data);
	dataset_release(&t->held_out);
	return st;
}
