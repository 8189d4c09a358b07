/* quern tokenize-bpe - text to token ids: documents, conversations, problems, preferences, prompts with a completion.
 *
 * The ids are those of Hugging Face's library with the same tokenizer.json; conversations go through the chat template, whose
 * special tokens are the only ones: what a message says stays text. loss_mask says which ids a loss is taken on. --decode turns
 * tokens back into documents, --count tells how many there are and writes no stream, --export writes the tokenizer itself in
 * another form. */
#include "common/tool.h"
#include "token/rows.h"
#include "token/tally.h"
#include "token/tokenizer.h"

#include <string.h>

enum loss_on { LOSS_AUTO, LOSS_ASSISTANT, LOSS_COMPLETION, LOSS_ALL };

static struct {
	const char *tokenizer, *chat_template, *eos_token, *export_to;
	bool offsets, parse_special, eos, decode, keep_text, truncate, skip_special, count;
	int64_t max_length;
	int loss_on;
} opts = {.eos = true};

static struct opt options[] = {
	OPT_GROUP("Tokens"),
	OPT_STRING('t', "tokenizer", &opts.tokenizer, "DIR", "directory with tokenizer.json, or the file"),
	OPT_STRING(0, "chat-template", &opts.chat_template, "FILE", "Jinja template instead of the tokenizer's own"),
	OPT_CHOICE(0, "loss-on", &opts.loss_on, "auto|assistant|completion|all",
		   "what loss_mask marks: every assistant turn, the last one or the completion alone, or all; auto is assistant in chat, completion where rows have one"),
	OPT_FLAG(0, "eos", &opts.eos, "documents, completions of plain text: end each with the end-of-text token"),
	OPT_STRING(0, "eos-token", &opts.eos_token, "TOKEN", "that token; without, <|endoftext|> or else the tokenizer's eos_token"),
	OPT_INT(0, "max-length", &opts.max_length, "N", 0, 2147483647, "reject rows of more than N tokens; 0 is no limit"),
	OPT_FLAG(0, "truncate", &opts.truncate, "cut long rows at --max-length instead (prompts are never cut)"),
	OPT_FLAG(0, "offsets", &opts.offsets, "documents: columns starts and ends, the bytes of the text that each token stands for"),
	OPT_FLAG(0, "parse-special", &opts.parse_special, "documents: special tokens in the text become their ids; else they are text"),
	OPT_FLAG(0, "keep-text", &opts.keep_text, "keep the columns of text beside the ids"),
	OPT_GROUP("Instead of tokens"),
	OPT_FLAG(0, "count", &opts.count, "print how many tokens there are, in all and by source"),
	OPT_FLAG(0, "decode", &opts.decode, "tokens to documents"),
	OPT_STRING(0, "export", &opts.export_to, "NAME",
		   "write the tokenizer itself, if it can be said so: NAME.json, NAME.tiktoken (ranks), NAME/ (vocab.json and merges.txt)"),
	OPT_FLAG(0, "skip-special", &opts.skip_special, "with --decode: leave special tokens out of the text"),
	OPT_END,
};

static struct tool tool = {
	.name = "tokenize-bpe", .summary = "turn text into token ids", .operands = "[FILE ...]", .options = options,
	.max_operands = -1,
};

struct worker;
/* One row: OK, with a reason to reject it in *reject or its values in out. */
typedef enum status row_fn(struct worker *w, struct batch *b, int64_t row, struct column **out, const char **reject, struct error *err);
static row_fn row_document, row_chat, row_problem, row_preference, row_completion, row_decode;

/* The columns that a kind's text stands in, and those its ids go to. */
#define IDS "input_ids: list<int32>"
#define MASK "loss_mask: list<int8>?"
static const struct form {
	enum kind kind, out;
	row_fn *row;
	const char *text[4], *ids[3];
} forms[] = {
	{KIND_DOCUMENTS, KIND_TOKENS, row_document, {"text"}, {IDS}},
	{KIND_CHAT, KIND_TOKENS, row_chat, {"messages", "tools"}, {IDS, MASK}},
	{KIND_PROBLEMS, KIND_TOKENS, row_problem, {"prompt", "tools"}, {IDS}},
	{KIND_PREFERENCES, KIND_TOKENS, row_preference, {"prompt", "chosen", "rejected", "tools"},
	 {"prompt_ids: list<int32>", "chosen_ids: list<int32>", "rejected_ids: list<int32>"}},
	{KIND_FEEDBACK, KIND_TOKENS, row_completion, {"prompt", "completion", "tools"}, {IDS, MASK}},
	{KIND_COMPLETIONS, KIND_TOKENS, row_completion, {"prompt", "completion", "completion_ids", "tools"}, {IDS, MASK}},
	{KIND_SCORES, KIND_TOKENS, row_completion, {"prompt", "completion", "completion_ids", "tools"}, {IDS, MASK}},
	{KIND_TOKENS, KIND_DOCUMENTS, row_decode, {"input_ids", "loss_mask"}, {"text: large_utf8"}},
};
enum { N_FORMS = sizeof(forms) / sizeof(forms[0]), N_READ = N_FORMS - 1 };
static const struct form with_offsets = {
	KIND_DOCUMENTS, KIND_TOKENS, row_document, {"text"}, {IDS, "starts: list<int32>", "ends: list<int32>"}};

struct worker {
	struct tokenizer_scratch *scratch;
	struct ids ids, mask, prompt, other, starts, ends;
	struct buf text;
	struct chat_message *messages;
	int n_messages, cap_messages;
	struct tally tally;              /* --count */
};

static struct {
	struct tokenizer *t;
	int32_t eos;
	const struct form *form;
	struct schema schema;
	int *source;                     /* per column of the output: the input's column, -1 = ours */
	struct worker *workers;
} run_state;

/* --- rows of documents --------------------------------------------------------------------------------- */

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

/* A text of n bytes with what the tokenizer puts around one and the end-of-text token into w->ids; if asked with w->starts and w->ends. */
static enum status encode_text(struct worker *w, const char *s, size_t n, bool places, struct error *err)
{
	const struct ids *before, *after;

	tokenizer_around(run_state.t, &before, &after);
	w->ids.n = w->starts.n = w->ends.n = 0;
	add_around(w, before, 0);
	TRY(places ? tokenizer_encode_places(run_state.t, w->scratch, s, n, opts.parse_special, &w->ids, &w->starts, &w->ends, err)
		   : tokenizer_encode(run_state.t, w->scratch, s, n, opts.parse_special, &w->ids, err));
	add_around(w, after, n);
	if (run_state.eos >= 0 && !(after->n && after->v[after->n - 1] == run_state.eos))
		add_around(w, &(struct ids){.v = &run_state.eos, .n = 1}, n);
	return OK;
}

static enum status row_document(struct worker *w, struct batch *b, int64_t row, struct column **out, const char **reject, struct error *err)
{
	size_t n;
	const char *s = array_text(batch_column(b, "text"), row, &n);

	TRY(encode_text(w, s, n, opts.offsets, err));
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

/* --- rows of conversations ------------------------------------------------------------------------------ */

/* The messages of up to two columns as one conversation. */
static struct chat conversation(struct worker *w, struct batch *b, int64_t row, const char *first, const char *second)
{
	w->n_messages = 0;
	row_messages(batch_column(b, first), row, &w->messages, &w->n_messages, &w->cap_messages);
	if (second)
		row_messages(batch_column(b, second), row, &w->messages, &w->n_messages, &w->cap_messages);
	return (struct chat){.messages = w->messages, .n = w->n_messages, .tools = batch_column(b, "tools"), .row = row};
}

static bool loss_on_completion(void)
{
	return opts.loss_on == LOSS_COMPLETION || (opts.loss_on == LOSS_AUTO && run_state.form->kind != KIND_CHAT);
}

/* w->ids and w->mask as the columns of a row, unless they are too long or teach nothing. */
static void put_masked(struct worker *w, struct column **out, const char **reject)
{
	bool learn = false;

	if (too_long(&w->ids.n))
		*reject = "too_long";
	for (int64_t i = 0; !*reject && i < w->ids.n; i++)
		learn |= opts.loss_on == LOSS_ALL || w->mask.v[i];
	if (!*reject && !learn)
		*reject = "no_loss";
	if (*reject)
		return;
	column_int32s(out[0], w->ids.v, w->ids.n);
	for (int64_t i = 0; i < w->ids.n; i++)
		column_int(column_child(out[1], 0), opts.loss_on == LOSS_ALL || w->mask.v[i]);
	column_end_list(out[1]);
}

static enum status put_conversation(struct worker *w, const struct chat *c, struct column **out, const char **reject, struct error *err)
{
	enum chat_loss loss = loss_on_completion() ? CHAT_LOSS_COMPLETION : CHAT_LOSS_ASSISTANT;

	w->ids.n = w->mask.n = 0;
	TRY(chat_encode_loss(run_state.t, w->scratch, c, false, loss, &w->ids, opts.loss_on == LOSS_ALL ? NULL : &w->mask, reject, err));
	if (!*reject)
		put_masked(w, out, reject);
	return OK;
}

static enum status row_chat(struct worker *w, struct batch *b, int64_t row, struct column **out, const char **reject, struct error *err)
{
	struct chat c = conversation(w, b, row, "messages", NULL);

	return put_conversation(w, &c, out, reject, err);
}

/* The conversation's messages with a generation prompt. */
static enum status encode_prompt(struct worker *w, const struct chat *c, struct ids *out, const char **reject, struct error *err)
{
	out->n = 0;
	TRY(chat_encode_loss(run_state.t, w->scratch, c, true, CHAT_LOSS_COMPLETION, out, NULL, reject, err));
	if (!*reject && opts.max_length && out->n > opts.max_length)
		*reject = "too_long";
	return OK;
}

static enum status row_problem(struct worker *w, struct batch *b, int64_t row, struct column **out, const char **reject, struct error *err)
{
	struct chat c;

	if (field_is_text(batch_column(b, "prompt")->field)) {
		*reject = "plain_prompt";
		return OK;
	}
	c = conversation(w, b, row, "prompt", NULL);
	TRY(encode_prompt(w, &c, &w->ids, reject, err));
	if (!*reject)
		column_int32s(out[0], w->ids.v, w->ids.n);
	return OK;
}

/* A plain text that goes on in another: the ids of the whole. A token that lies across the border is the completion's. */
static enum status put_plain(struct worker *w, struct batch *b, int64_t row, struct column **out, const char **reject, struct error *err)
{
	size_t n_prompt, n;
	const char *prompt = array_text(batch_column(b, "prompt"), row, &n_prompt);
	const char *completion = array_text(batch_column(b, "completion"), row, &n);

	buf_clear(&w->text);
	buf_add(&w->text, prompt, n_prompt);
	buf_add(&w->text, completion, n);
	TRY(encode_text(w, w->text.data, w->text.len, true, err));
	w->mask.n = 0;
	for (int64_t i = 0; i < w->ids.n; i++)
		ids_push(&w->mask, (size_t)w->ends.v[i] > n_prompt || (n && (size_t)w->starts.v[i] == w->text.len));
	put_masked(w, out, reject);
	return OK;
}

static enum status row_completion(struct worker *w, struct batch *b, int64_t row, struct column **out, const char **reject, struct error *err)
{
	struct chat c;
	struct chat_message *answer;

	if (field_is_text(batch_column(b, "prompt")->field))
		return put_plain(w, b, row, out, reject, err);
	c = conversation(w, b, row, "prompt", NULL);
	MEM_PUSH_ROOM(w->messages, w->n_messages, w->cap_messages);
	answer = &w->messages[w->n_messages++];
	*answer = (struct chat_message){.role = "assistant", .role_n = 9};
	answer->content = array_text(batch_column(b, "completion"), row, &answer->content_n);
	c.messages = w->messages;
	c.n++;
	return put_conversation(w, &c, out, reject, err);
}

static enum status encode_answer(struct worker *w, const struct chat *c, int n_prompt, struct ids *out, const char **reject,
				 struct error *err)
{
	int64_t n;

	out->n = 0;
	TRY(chat_encode_answer(run_state.t, w->scratch, c, n_prompt, &w->prompt, out, reject, err));
	n = w->prompt.n + out->n;
	if (!*reject && (too_long(&n) || n <= w->prompt.n))
		*reject = "too_long";
	out->n = n - w->prompt.n;
	return OK;
}

static enum status row_preference(struct worker *w, struct batch *b, int64_t row, struct column **out, const char **reject,
				  struct error *err)
{
	struct chat c = conversation(w, b, row, "prompt", NULL);
	int n_prompt = c.n;

	TRY(encode_prompt(w, &c, &w->prompt, reject, err));
	c = conversation(w, b, row, "prompt", "chosen");
	if (!*reject)
		TRY(encode_answer(w, &c, n_prompt, &w->ids, reject, err));
	c = conversation(w, b, row, "prompt", "rejected");
	if (!*reject)
		TRY(encode_answer(w, &c, n_prompt, &w->other, reject, err));
	if (*reject)
		return OK;
	column_int32s(out[0], w->prompt.v, w->prompt.n);
	column_int32s(out[1], w->ids.v, w->ids.n);
	column_int32s(out[2], w->other.v, w->other.n);
	return OK;
}

/* --- rows of tokens --------------------------------------------------------------------------------------- */

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

/* --- counting ---------------------------------------------------------------------------------------------- */

/* The bytes of what the ids stand for: of a document's text, else of what the template has made of it. */
static void count_ids(const struct array *ids, int64_t row, struct tally_row *sum)
{
	int64_t n;
	const int32_t *v = array_int32s(ids, row, &n);

	if (!field_is_list_of(ids->field, T_INT32))
		return;
	sum->tokens += n;
	for (int64_t i = 0; i < n; i++) {
		size_t bytes;

		tokenizer_bytes(run_state.t, v[i], &bytes);
		sum->bytes += (int64_t)bytes;
		sum->unknown += tokenizer_is_unknown(run_state.t, v[i]);
		sum->fallback += tokenizer_is_fallback(run_state.t, v[i]);
	}
}

/* The rows of a batch of ours, made of the rows of b that are not rejected. */
static void count_batch(struct tally *t, struct batch *b, const struct batch *made, const char **reject)
{
	const struct array *text = batch_column(b, "text"), *source = batch_column(b, "source");
	bool named = source && field_is_text(source->field);

	for (int64_t row = 0, k = 0; row < b->rows; row++) {
		struct tally_row sum = {.rows = 1};
		const char *name = NULL;
		size_t n = 0;

		if (reject[row])
			continue;
		for (int i = 0; i < made->schema->n_fields; i++)
			count_ids(&made->columns[i], k, &sum);
		k++;
		if (run_state.form->kind == KIND_DOCUMENTS) {
			array_text(text, row, &n);
			sum.bytes = (int64_t)n;
		}
		if (named && !array_is_null(source, row))
			name = array_text(source, row, &n);
		tally_add(t, name, n, &sum);
	}
}

static enum status print_counts(const struct tally *t, struct error *err)
{
	struct buf text = {0};
	struct output *out;
	enum status st = output_open(&out, tool.out_path, err);

	if (t->too_many)
		tool_warn(&tool, "more than %d sources: they are not told apart", TALLY_SOURCES_MAX);
	(tool.format == FORMAT_JSONL ? tally_print_json : tally_print)(t, &text);
	if (st == OK)
		st = output_write(out, text.data, text.len, err);
	if (st == OK)
		st = output_commit(out, err);
	else
		output_abort(out);
	buf_release(&text);
	return st;
}

static enum status count(struct error *err)
{
	struct tally sum = {0};
	enum status st;

	for (int i = 0; i < pool_threads(tool.pool); i++)
		tally_merge(&sum, &run_state.workers[i].tally);
	tool_stat_int(&tool, "tokens", sum.all.tokens);
	tool_stat_int(&tool, "bytes", sum.all.bytes);
	if (sum.all.tokens)
		tool_stat_double(&tool, "bytes_per_token", (double)sum.all.bytes / (double)sum.all.tokens);
	tool_stat_int(&tool, "unknown", sum.all.unknown);
	tool_stat_int(&tool, "fallback", sum.all.fallback);
	st = print_counts(&sum, err);
	tally_release(&sum);
	return st;
}

/* --- batches ---------------------------------------------------------------------------------------------- */

static enum status work(void *arg, struct batch *b, struct batch **result, const char **reject, int worker, struct error *err)
{
	struct worker *w = &run_state.workers[worker];
	struct builder *out = builder_open(&run_state.schema);
	struct column *ours[3];
	enum status st = OK;
	int n = 0;

	(void)arg;
	for (int i = 0; i < run_state.schema.n_fields; i++)
		if (run_state.source[i] < 0)
			ours[n++] = builder_column(out, i);
	for (int64_t row = 0; row < b->rows && st == OK; row++) {
		st = run_state.form->row(w, b, row, ours, &reject[row], err);
		if (st != OK || reject[row])
			continue;
		for (int i = 0; i < run_state.schema.n_fields; i++)
			if (run_state.source[i] >= 0)
				column_copy(builder_column(out, i), &b->columns[run_state.source[i]], row);
	}
	if (st == OK)
		*result = builder_finish(out);
	builder_close(out);
	if (st == OK && opts.count) {
		count_batch(&w->tally, b, *result, reject);
		batch_release(*result);
		*result = NULL;
	}
	return st;
}

/* The input's columns without its text, and the ids; nothing but the ids where they are only counted. */
static void make_schema(const struct schema *in)
{
	const struct form *f = run_state.form;

	if (!opts.count)
		schema_copy(&run_state.schema, in);
	for (int i = 0; i < 4 && f->text[i] && !opts.keep_text; i++)
		if (schema_find(&run_state.schema, f->text[i]) >= 0)
			schema_remove(&run_state.schema, schema_find(&run_state.schema, f->text[i]));
	for (int i = 0; i < 3 && f->ids[i]; i++) {
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
	for (int i = 0; i < 3 && f->ids[i]; i++)
		run_state.source[schema_add_spec(&run_state.schema, f->ids[i])] = -1;
}

/* Whether rows are texts that no template touches. */
static bool plain_text(void)
{
	int prompt = schema_find(tool_schema(&tool), "prompt");

	return run_state.form->kind == KIND_DOCUMENTS ||
	       (run_state.form->row == row_completion && field_is_text(&tool_schema(&tool)->fields[prompt]));
}

static enum status choose_eos(struct error *err)
{
	const struct tokenizer *t = run_state.t;

	run_state.eos = -1;
	if (!opts.eos || !plain_text())
		return OK;
	run_state.eos = opts.eos_token ? tokenizer_id(t, opts.eos_token, strlen(opts.eos_token)) : tokenizer_id(t, "<|endoftext|>", 13);
	if (!opts.eos_token && run_state.eos < 0)
		run_state.eos = tokenizer_eos(t);
	if (run_state.eos < 0)
		return error_set(err, ERR_USAGE, "%s: no token '%s' to end texts with; give --eos-token or --no-eos", opts.tokenizer,
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
		tally_release(&w->tally);
	}
	mem_free(run_state.workers);
}

static enum status convert(struct error *err)
{
	static const struct filter filter = {work, NULL};
	enum status st;

	TRY(opts.count ? tool_open_rejects(&tool, err) : tool_open_output(&tool, &run_state.schema, run_state.form->out, err));
	run_state.workers = mem_array((size_t)pool_threads(tool.pool), sizeof(*run_state.workers));
	for (int i = 0; i < pool_threads(tool.pool); i++)
		run_state.workers[i].scratch = tokenizer_scratch_open(run_state.t);
	st = tool_filter(&tool, &filter, err);
	if (opts.count && (st == OK || st == END))
		st = count(err);
	workers_close();
	return st == OK || st == END ? tool_commit(&tool, err) : st;
}

/* A content that is a list of parts ({type, text}) is as good as a text: the template reads it. */
static enum status check_kind(const struct schema *s, struct error *err)
{
	struct schema plain = {0};
	enum status st;

	schema_copy(&plain, s);
	for (int i = 0; i < plain.n_fields; i++) {
		struct field *f = &plain.fields[i], *message = field_is_list_of(f, T_STRUCT) ? &f->children[0] : NULL;

		for (int k = 0; message && k < message->n_children; k++)
			if (!strcmp(message->children[k].name, "content") && field_is_list_of(&message->children[k], T_STRUCT))
				message->children[k].type = T_UTF8;
	}
	st = kind_check(tool_kind(&tool), &plain, err);
	schema_release(&plain);
	return st == OK ? OK : error_prefix(err, st, "%s", tool_where(&tool));
}

static enum status choose_form(struct error *err)
{
	for (int i = 0; i < N_READ; i++)
		if (forms[i].kind == tool_kind(&tool))
			run_state.form = &forms[i];
	if (opts.decode)
		run_state.form = &forms[N_READ];
	if (!run_state.form)
		return error_set(err, ERR_DATA, "%s: rows of kind '%s' have no text to turn into tokens", tool_where(&tool),
				 kind_name(tool_kind(&tool)));
	if (opts.offsets && run_state.form->kind != KIND_DOCUMENTS)
		return error_set(err, ERR_USAGE, "--offsets is for documents");
	if (opts.offsets)
		run_state.form = &with_offsets;
	if (opts.decode)
		return schema_find(tool_schema(&tool), "input_ids") >= 0
			       ? OK : error_set(err, ERR_DATA, "%s: no column input_ids to decode", tool_where(&tool));
	TRY(check_kind(tool_schema(&tool), err));
	return plain_text() ? OK : chat_check(run_state.t, err);
}

static enum status run(struct error *err)
{
	static const enum kind back[] = {KIND_TOKENS};

	if (opts.count && (opts.decode || opts.offsets))
		return error_set(err, ERR_USAGE, "--count, --decode and --offsets exclude each other");
	if (opts.export_to && tool.files.n)
		return error_set(err, ERR_USAGE, "--export reads no FILE");
	TRY(load(err));
	if (opts.export_to)
		return tokenizer_export(run_state.t, opts.export_to, err);
	TRY(tool_open_inputs(&tool, back, opts.decode ? 1 : 0, err));
	TRY(choose_form(err));
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
