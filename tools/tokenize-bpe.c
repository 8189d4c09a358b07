/* quern tokenize-bpe - text to token ids: documents, conversations (with loss_mask), problems, preferences.
 *
 * The ids are those of Hugging Face's library with the same tokenizer.json; conversations go through the chat template, whose
 * special tokens are the only ones: what a message says stays text. --decode turns tokens back into documents. */
#include "common/tool.h"
#include "token/rows.h"
#include "token/tokenizer.h"

#include <string.h>

enum loss_on { LOSS_ASSISTANT, LOSS_ALL };

static struct {
	const char *tokenizer, *chat_template, *eos_token;
	bool offsets, parse_special, eos, decode, keep_text, truncate, skip_special;
	int64_t max_length;
	int loss_on;
} opts = {.eos = true};

static struct opt options[] = {
	OPT_GROUP("Tokens"),
	OPT_STRING('t', "tokenizer", &opts.tokenizer, "DIR", "directory with tokenizer.json, or the file"),
	OPT_STRING(0, "chat-template", &opts.chat_template, "FILE", "Jinja template instead of the tokenizer's own"),
	OPT_CHOICE(0, "loss-on", &opts.loss_on, "assistant|all", "conversations: whose tokens loss_mask marks"),
	OPT_FLAG(0, "eos", &opts.eos, "documents: end each with the end-of-text token"),
	OPT_STRING(0, "eos-token", &opts.eos_token, "TOKEN", "that token; without, <|endoftext|> or else the tokenizer's eos_token"),
	OPT_INT(0, "max-length", &opts.max_length, "N", 0, 2147483647, "reject rows of more than N tokens; 0 is no limit"),
	OPT_FLAG(0, "truncate", &opts.truncate, "cut long rows at --max-length instead (prompts are never cut)"),
	OPT_FLAG(0, "offsets", &opts.offsets, "documents: columns starts and ends, the bytes of the text that each token stands for"),
	OPT_FLAG(0, "parse-special", &opts.parse_special, "documents: special tokens in the text become their ids; else they are text"),
	OPT_FLAG(0, "keep-text", &opts.keep_text, "keep the columns of text beside the ids"),
	OPT_GROUP("The way back"),
	OPT_FLAG(0, "decode", &opts.decode, "tokens to documents"),
	OPT_FLAG(0, "skip-special", &opts.skip_special, "leave special tokens out of the text"),
	OPT_END,
};

static struct tool tool = {
	.name = "tokenize-bpe", .summary = "turn text into token ids", .operands = "[FILE ...]", .options = options,
	.max_operands = -1,
};

/* The columns that a kind's text stands in, and those its ids go to. */
static const struct form {
	enum kind kind, out;
	const char *text[3], *ids[4];
} forms[] = {
	{KIND_DOCUMENTS, KIND_TOKENS, {"text"}, {"input_ids: list<int32>"}},
	{KIND_CHAT, KIND_TOKENS, {"messages"}, {"input_ids: list<int32>", "loss_mask: list<int8>?"}},
	{KIND_PROBLEMS, KIND_TOKENS, {"prompt"}, {"input_ids: list<int32>"}},
	{KIND_PREFERENCES, KIND_TOKENS, {"prompt", "chosen", "rejected"},
	 {"prompt_ids: list<int32>", "chosen_ids: list<int32>", "rejected_ids: list<int32>"}},
	{KIND_TOKENS, KIND_DOCUMENTS, {"input_ids", "loss_mask"}, {"text: large_utf8"}},
	/* with --offsets */
	{KIND_DOCUMENTS, KIND_TOKENS, {"text"}, {"input_ids: list<int32>", "starts: list<int32>", "ends: list<int32>"}},
};
enum { N_FORMS = sizeof(forms) / sizeof(forms[0]) };

struct worker {
	struct tokenizer_scratch *scratch;
	struct ids ids, mask, prompt, other, starts, ends;
	struct buf text;
	struct chat_message *messages;
	int n_messages, cap_messages;
};

static struct {
	struct tokenizer *t;
	int32_t eos;
	const struct form *form;
	struct schema schema;
	int *source;                     /* per column of the output: the input's column, -1 = ours */
	struct worker *workers;
} run_state;

/* --- one row of each kind: OK, or a reason to reject it in *reject ------------------------------------ */

static void begin_messages(struct worker *w)
{
	w->n_messages = 0;
}

static void add_messages(struct worker *w, const struct array *list, int64_t row)
{
	const struct array *role = array_child(&list->children[0], "role"), *content = array_child(&list->children[0], "content");
	int64_t from, to;

	array_list(list, row, &from, &to);
	for (int64_t i = from; i < to; i++) {
		struct chat_message *m;

		MEM_PUSH_ROOM(w->messages, w->n_messages, w->cap_messages);
		m = &w->messages[w->n_messages++];
		m->role = array_text(role, i, &m->role_n);
		m->content = array_text(content, i, &m->content_n);
	}
}

/* A template that refuses a conversation refuses the row; anything else ends the run. */
static enum status encode_chat(struct worker *w, bool generation, struct ids *out, struct ids *mask, const char **reject,
			       struct error *err)
{
	enum status st;

	out->n = 0;
	if (mask)
		mask->n = 0;
	st = chat_encode(run_state.t, w->scratch, w->messages, w->n_messages, generation, out, mask, err);
	if (st == ERR_DATA || st == ERR_UNSUPPORTED) {
		*reject = "chat_template";
		return OK;
	}
	return st;
}

static bool too_long(int64_t *n)
{
	if (!opts.max_length || *n <= opts.max_length)
		return false;
	if (!opts.truncate)
		return true;
	*n = opts.max_length;
	return false;
}

/* Tokens that stand for nothing in the text, at a place of it. */
static void add_around(struct worker *w, const struct ids *ids, size_t place)
{
	for (int64_t i = 0; i < ids->n; i++) {
		ids_push(&w->ids, ids->v[i]);
		ids_push(&w->starts, (int32_t)place);
		ids_push(&w->ends, (int32_t)place);
	}
}

static enum status row_document(struct worker *w, struct batch *b, int64_t row, struct column **out, const char **reject, struct error *err)
{
	const struct ids *before, *after;
	size_t n;
	const char *s = array_text(batch_column(b, "text"), row, &n);

	tokenizer_around(run_state.t, &before, &after);
	w->ids.n = w->starts.n = w->ends.n = 0;
	add_around(w, before, 0);
	TRY(opts.offsets ? tokenizer_encode_places(run_state.t, w->scratch, s, n, opts.parse_special, &w->ids, &w->starts, &w->ends, err)
			 : tokenizer_encode(run_state.t, w->scratch, s, n, opts.parse_special, &w->ids, err));
	add_around(w, after, n);
	if (run_state.eos >= 0 && !(after->n && after->v[after->n - 1] == run_state.eos))
		add_around(w, &(struct ids){.v = &run_state.eos, .n = 1}, n);
	if (too_long(&w->ids.n)) {
		*reject = "too_long";
		return OK;
	}
	column_int32s(out[0], w->ids.v, w->ids.n);
	if (opts.offsets) {
		column_int32s(out[1], w->starts.v, w->ids.n);
		column_int32s(out[2], w->ends.v, w->ids.n);
	}
	return OK;
}

static enum status row_chat(struct worker *w, struct batch *b, int64_t row, struct column **out, const char **reject, struct error *err)
{
	bool learn = false;

	begin_messages(w);
	add_messages(w, batch_column(b, "messages"), row);
	TRY(encode_chat(w, false, &w->ids, &w->mask, reject, err));
	if (!*reject && too_long(&w->ids.n))
		*reject = "too_long";
	for (int64_t i = 0; !*reject && i < w->ids.n; i++)
		learn |= opts.loss_on == LOSS_ALL || w->mask.v[i];
	if (!*reject && !learn)
		*reject = "no_loss";
	if (*reject)
		return OK;
	column_int32s(out[0], w->ids.v, w->ids.n);
	for (int64_t i = 0; i < w->ids.n; i++)
		column_int(column_child(out[1], 0), opts.loss_on == LOSS_ALL || w->mask.v[i]);
	column_end_list(out[1]);
	return OK;
}

static enum status row_problem(struct worker *w, struct batch *b, int64_t row, struct column **out, const char **reject, struct error *err)
{
	begin_messages(w);
	add_messages(w, batch_column(b, "prompt"), row);
	TRY(encode_chat(w, true, &w->ids, NULL, reject, err));
	if (!*reject && opts.max_length && w->ids.n > opts.max_length)
		*reject = "too_long";
	if (!*reject)
		column_int32s(out[0], w->ids.v, w->ids.n);
	return OK;
}

/* The ids of one answer: what the conversation has beyond the prompt, up to the end of the assistant's turn. */
static enum status encode_answer(struct worker *w, struct batch *b, const char *column, int64_t row, struct ids *out,
				 const char **reject, struct error *err)
{
	int64_t n = w->prompt.n, end;

	begin_messages(w);
	add_messages(w, batch_column(b, "prompt"), row);
	add_messages(w, batch_column(b, column), row);
	TRY(encode_chat(w, false, out, &w->mask, reject, err));
	if (*reject)
		return OK;
	for (end = out->n; end > n && !w->mask.v[end - 1]; end--)
		;
	if (out->n < n || memcmp(out->v, w->prompt.v, (size_t)n * sizeof(*out->v))) {
		*reject = "prompt_changes"; /* the template shows the prompt otherwise once it is answered */
		return OK;
	}
	if (end == n) {
		*reject = "empty";
		return OK;
	}
	if (too_long(&end) || end <= n)
		*reject = "too_long";
	memmove(out->v, out->v + n, (size_t)(end > n ? end - n : 0) * sizeof(*out->v));
	out->n = end > n ? end - n : 0;
	return OK;
}

static enum status row_preference(struct worker *w, struct batch *b, int64_t row, struct column **out, const char **reject,
				  struct error *err)
{
	begin_messages(w);
	add_messages(w, batch_column(b, "prompt"), row);
	TRY(encode_chat(w, true, &w->prompt, NULL, reject, err));
	if (!*reject)
		TRY(encode_answer(w, b, "chosen", row, &w->ids, reject, err));
	if (!*reject)
		TRY(encode_answer(w, b, "rejected", row, &w->other, reject, err));
	if (*reject)
		return OK;
	column_int32s(out[0], w->prompt.v, w->prompt.n);
	column_int32s(out[1], w->ids.v, w->ids.n);
	column_int32s(out[2], w->other.v, w->other.n);
	return OK;
}

static enum status row_decode(struct worker *w, struct batch *b, int64_t row, struct column **out, const char **reject, struct error *err)
{
	int64_t n = 0;
	const int32_t *ids = row_ids(batch_column(b, "input_ids"), row, &w->ids, &n);

	(void)err;
	if (!ids) {
		*reject = "null_token";
		return OK;
	}
	for (int64_t i = 0; i < n; i++)
		if (ids[i] < 0 || ids[i] >= tokenizer_vocab_size(run_state.t)) {
			*reject = "unknown_token";
			return OK;
		}
	buf_clear(&w->text);
	tokenizer_decode(run_state.t, ids, n, opts.skip_special, &w->text);
	column_text(out[0], w->text.data ? w->text.data : "", w->text.len);
	return OK;
}

/* --- batches ---------------------------------------------------------------------------------------------- */

static enum status work(void *arg, struct batch *b, struct batch **result, const char **reject, int worker, struct error *err)
{
	static enum status (*const rows[N_FORMS])(struct worker *, struct batch *, int64_t, struct column **, const char **,
						  struct error *) = {row_document, row_chat, row_problem, row_preference, row_decode, row_document};
	struct builder *out = builder_open(&run_state.schema);
	struct column *ours[3];
	enum status st = OK;
	int n = 0;

	(void)arg;
	for (int i = 0; i < run_state.schema.n_fields; i++)
		if (run_state.source[i] < 0)
			ours[n++] = builder_column(out, i);
	for (int64_t row = 0; row < b->rows && st == OK; row++) {
		st = rows[run_state.form - forms](&run_state.workers[worker], b, row, ours, &reject[row], err);
		if (st != OK || reject[row])
			continue;
		for (int i = 0; i < run_state.schema.n_fields; i++)
			if (run_state.source[i] >= 0)
				column_copy(builder_column(out, i), &b->columns[run_state.source[i]], row);
	}
	if (st == OK)
		*result = builder_finish(out);
	builder_close(out);
	return st;
}

/* The input's columns without its text, and the ids. */
static void make_schema(const struct schema *in)
{
	const struct form *f = run_state.form;

	schema_copy(&run_state.schema, in);
	for (int i = 0; i < 3 && f->text[i] && !opts.keep_text; i++)
		if (schema_find(&run_state.schema, f->text[i]) >= 0)
			schema_remove(&run_state.schema, schema_find(&run_state.schema, f->text[i]));
	for (int i = 0; i < 4 && f->ids[i]; i++) {
		char name[32] = "";
		int old;

		memcpy(name, f->ids[i], strcspn(f->ids[i], ":"));
		old = schema_find(&run_state.schema, name);
		if (old >= 0)
			schema_remove(&run_state.schema, old);
	}
	run_state.source = mem_array((size_t)in->n_fields + 4, sizeof(*run_state.source));
	for (int i = 0; i < run_state.schema.n_fields; i++)
		run_state.source[i] = schema_find(in, run_state.schema.fields[i].name);
	for (int i = 0; i < 4 && f->ids[i]; i++)
		run_state.source[schema_add_spec(&run_state.schema, f->ids[i])] = -1;
}

static enum status choose_eos(struct error *err)
{
	const struct tokenizer *t = run_state.t;

	run_state.eos = -1;
	if (!opts.eos || run_state.form->kind != KIND_DOCUMENTS)
		return OK;
	run_state.eos = opts.eos_token ? tokenizer_id(t, opts.eos_token, strlen(opts.eos_token)) : tokenizer_id(t, "<|endoftext|>", 13);
	if (!opts.eos_token && run_state.eos < 0)
		run_state.eos = tokenizer_eos(t);
	if (run_state.eos < 0)
		return error_set(err, ERR_USAGE, "%s: no token '%s' to end documents with; give --eos-token or --no-eos", opts.tokenizer,
				 opts.eos_token ? opts.eos_token : "<|endoftext|>");
	return OK;
}

static enum status load(struct error *err)
{
	struct buf text = {0};
	enum status st;

	if (!opts.tokenizer)
		return error_set(err, ERR_USAGE, "-t is missing: the directory of a tokenizer");
	if (opts.truncate && !opts.max_length)
		return error_set(err, ERR_USAGE, "--truncate needs --max-length");
	TRY(tokenizer_load(&run_state.t, opts.tokenizer, err));
	TRY(tool_add_input(&tool, opts.tokenizer, err));
	if (!opts.chat_template)
		return OK;
	st = file_read_all(opts.chat_template, 4 << 20, &text, err);
	if (st == OK)
		st = chat_set_template(run_state.t, text.data ? text.data : "", text.len, err);
	if (st == OK)
		st = tool_add_input(&tool, opts.chat_template, err);
	buf_release(&text);
	return st;
}

static void workers_close(void)
{
	for (int i = 0; i < pool_threads(tool.pool); i++) {
		struct worker *w = &run_state.workers[i];

		tokenizer_scratch_close(w->scratch);
		ids_release(&w->ids);
		ids_release(&w->mask);
		ids_release(&w->prompt);
		ids_release(&w->other);
		ids_release(&w->starts);
		ids_release(&w->ends);
		buf_release(&w->text);
		mem_free(w->messages);
	}
	mem_free(run_state.workers);
}

static enum status convert(struct error *err)
{
	static const struct filter filter = {work, NULL};
	enum status st;

	TRY(tool_open_output(&tool, &run_state.schema, run_state.form->out, err));
	run_state.workers = mem_array((size_t)pool_threads(tool.pool), sizeof(*run_state.workers));
	for (int i = 0; i < pool_threads(tool.pool); i++)
		run_state.workers[i].scratch = tokenizer_scratch_open(run_state.t);
	st = tool_filter(&tool, &filter, err);
	workers_close();
	return st == OK || st == END ? tool_commit(&tool, err) : st;
}

static enum status run(struct error *err)
{
	static const enum kind kinds[] = {KIND_DOCUMENTS, KIND_CHAT, KIND_PROBLEMS, KIND_PREFERENCES}, back[] = {KIND_TOKENS};

	TRY(load(err));
	TRY(opts.decode ? tool_open_inputs(&tool, back, 1, err) : tool_open_inputs(&tool, kinds, 4, err));
	for (int i = 0; i < N_FORMS - 1; i++)
		if (forms[i].kind == tool_kind(&tool))
			run_state.form = &forms[i];
	if (opts.offsets && run_state.form->kind != KIND_DOCUMENTS)
		return error_set(err, ERR_USAGE, "--offsets is for documents");
	if (opts.offsets)
		run_state.form = &forms[N_FORMS - 1];
	if (!opts.decode && run_state.form->kind != KIND_DOCUMENTS)
		TRY(chat_check(run_state.t, err));
	if (opts.decode && schema_find(tool_schema(&tool), "input_ids") < 0)
		return error_set(err, ERR_DATA, "%s: no column input_ids to decode", tool_where(&tool));
	TRY(choose_eos(err));
	make_schema(tool_schema(&tool));
	return convert(err);
}

int main(int argc, char **argv)
{
	struct error err;

	tool_start(&tool, argc, argv);
	return tool_end(&tool, run(&err), &err);
}
