/* encoder.c - see encoder.h. */
#include "token/encoder.h"

#include "token/rows.h"

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
	const struct encoder *e;
	struct tokenizer_scratch *scratch;
	struct ids ids, mask, prompt, other, starts, ends;
	struct buf text;
	struct chat_message *messages;
	int n_messages, cap_messages;
};

struct encoder {
	const struct tokenizer *t;
	struct encoder_options o;
	int32_t eos;                     /* -1 = none */
	const struct form *form;
	struct schema schema;
	int *source;                     /* per column of the output: the input's column, -1 = ours */
	struct worker *workers;
	int n_workers;
};

/* --- rows of documents --------------------------------------------------------------------------------- */

static bool too_long(const struct worker *w, int64_t *n)
{
	if (!w->e->o.max_length || *n <= w->e->o.max_length)
		return false;
	if (!w->e->o.truncate)
		return true;
	*n = w->e->o.max_length;
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
	int32_t eos = w->e->eos;

	tokenizer_around(w->e->t, &before, &after);
	w->ids.n = w->starts.n = w->ends.n = 0;
	add_around(w, before, 0);
	TRY(places ? tokenizer_encode_places(w->e->t, w->scratch, s, n, w->e->o.parse_special, &w->ids, &w->starts, &w->ends, err)
		   : tokenizer_encode(w->e->t, w->scratch, s, n, w->e->o.parse_special, &w->ids, err));
	add_around(w, after, n);
	if (eos >= 0 && !(after->n && after->v[after->n - 1] == eos))
		add_around(w, &(struct ids){.v = &eos, .n = 1}, n);
	return OK;
}

static enum status row_document(struct worker *w, struct batch *b, int64_t row, struct column **out, const char **reject, struct error *err)
{
	size_t n;
	const char *s = array_text(batch_column(b, "text"), row, &n);

	TRY(encode_text(w, s, n, w->e->o.offsets, err));
	if (too_long(w, &w->ids.n)) {
		*reject = "too_long";
		return OK;
	}
	column_int32s(out[0], w->ids.v, w->ids.n);
	if (w->e->o.offsets) {
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

static bool loss_on_completion(const struct worker *w)
{
	return w->e->o.loss_on == LOSS_COMPLETION || (w->e->o.loss_on == LOSS_AUTO && w->e->form->kind != KIND_CHAT);
}

/* w->ids and w->mask as the columns of a row, unless they are too long or teach nothing. */
static void put_masked(struct worker *w, struct column **out, const char **reject)
{
	bool learn = false;

	if (too_long(w, &w->ids.n))
		*reject = "too_long";
	for (int64_t i = 0; !*reject && i < w->ids.n; i++)
		learn |= w->e->o.loss_on == LOSS_ALL || w->mask.v[i];
	if (!*reject && !learn)
		*reject = "no_loss";
	if (*reject)
		return;
	column_int32s(out[0], w->ids.v, w->ids.n);
	for (int64_t i = 0; i < w->ids.n; i++)
		column_int(column_child(out[1], 0), w->e->o.loss_on == LOSS_ALL || w->mask.v[i]);
	column_end_list(out[1]);
}

static enum status put_conversation(struct worker *w, const struct chat *c, struct column **out, const char **reject, struct error *err)
{
	enum chat_loss loss = loss_on_completion(w) ? CHAT_LOSS_COMPLETION : CHAT_LOSS_ASSISTANT;

	w->ids.n = w->mask.n = 0;
	TRY(chat_encode_loss(w->e->t, w->scratch, c, false, loss, &w->ids, w->e->o.loss_on == LOSS_ALL ? NULL : &w->mask, reject, err));
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
	TRY(chat_encode_loss(w->e->t, w->scratch, c, true, CHAT_LOSS_COMPLETION, out, NULL, reject, err));
	if (!*reject && w->e->o.max_length && out->n > w->e->o.max_length)
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
	TRY(chat_encode_answer(w->e->t, w->scratch, c, n_prompt, &w->prompt, out, reject, err));
	n = w->prompt.n + out->n;
	if (!*reject && (too_long(w, &n) || n <= w->prompt.n))
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
		if (ids[i] < 0 || ids[i] >= tokenizer_vocab_size(w->e->t)) {
			*reject = "unknown_token";
			return OK;
		}
	buf_clear(&w->text);
	tokenizer_decode(w->e->t, ids, n, w->e->o.skip_special, &w->text);
	column_text(out[0], w->text.data ? w->text.data : "", w->text.len);
	return OK;
}

/* --- batches ---------------------------------------------------------------------------------------------- */

enum status encoder_batch(struct encoder *e, struct batch *b, struct batch **result, const char **reject, int worker, struct error *err)
{
	struct worker *w = &e->workers[worker];
	struct builder *out = builder_open(&e->schema);
	struct column *ours[3];
	enum status st = OK;
	int n = 0;

	for (int i = 0; i < e->schema.n_fields; i++)
		if (e->source[i] < 0)
			ours[n++] = builder_column(out, i);
	for (int64_t row = 0; row < b->rows && st == OK; row++) {
		st = e->form->row(w, b, row, ours, &reject[row], err);
		if (st != OK || reject[row])
			continue;
		for (int i = 0; i < e->schema.n_fields; i++)
			if (e->source[i] >= 0)
				column_copy(builder_column(out, i), &b->columns[e->source[i]], row);
	}
	if (st == OK)
		*result = builder_finish(out);
	builder_close(out);
	return st;
}

/* --- opening ---------------------------------------------------------------------------------------------- */

/* The input's columns without its text, and the ids; nothing but the ids where they are only counted. */
static void make_schema(struct encoder *e, const struct schema *in)
{
	const struct form *f = e->form;

	if (!e->o.ids_only)
		schema_copy(&e->schema, in);
	for (int i = 0; i < 4 && f->text[i] && !e->o.keep_text; i++)
		if (schema_find(&e->schema, f->text[i]) >= 0)
			schema_remove(&e->schema, schema_find(&e->schema, f->text[i]));
	for (int i = 0; i < 3 && f->ids[i]; i++) {
		char name[32] = "";
		int old;

		memcpy(name, f->ids[i], strcspn(f->ids[i], ":"));
		old = schema_find(&e->schema, name);
		if (old >= 0)
			schema_remove(&e->schema, old);
	}
	e->source = mem_array((size_t)in->n_fields + 4, sizeof(*e->source));
	for (int i = 0; i < e->schema.n_fields; i++)
		e->source[i] = schema_find(in, e->schema.fields[i].name);
	for (int i = 0; i < 3 && f->ids[i]; i++)
		e->source[schema_add_spec(&e->schema, f->ids[i])] = -1;
}

/* Whether rows are texts that no template touches. */
static bool plain_text(const struct encoder *e, const struct schema *in)
{
	int prompt = schema_find(in, "prompt");

	return e->form->kind == KIND_DOCUMENTS ||
	       (e->form->row == row_completion && field_is_text(&in->fields[prompt]));
}

static enum status choose_eos(struct encoder *e, const struct schema *in, struct error *err)
{
	const struct tokenizer *t = e->t;

	e->eos = -1;
	if (!e->o.eos || !plain_text(e, in))
		return OK;
	e->eos = e->o.eos_token ? tokenizer_id(t, e->o.eos_token, strlen(e->o.eos_token)) : tokenizer_id(t, "<|endoftext|>", 13);
	if (!e->o.eos_token && e->eos < 0)
		e->eos = tokenizer_eos(t);
	if (e->eos < 0)
		return error_set(err, ERR_USAGE, "%s: no token '%s' to end texts with; give --eos-token or --no-eos", e->o.name,
				 e->o.eos_token ? e->o.eos_token : "<|endoftext|>");
	return OK;
}

/* A content that is a list of parts ({type, text}) is as good as a text: the template reads it. */
static enum status check_kind(enum kind kind, const struct schema *s, struct error *err)
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
	st = kind_check(kind, &plain, err);
	schema_release(&plain);
	return st;
}

static enum status choose_form(struct encoder *e, enum kind k, const struct schema *in, struct error *err)
{
	for (int i = 0; i < N_READ; i++)
		if (forms[i].kind == k)
			e->form = &forms[i];
	if (e->o.decode)
		e->form = &forms[N_READ];
	if (!e->form)
		return error_set(err, ERR_DATA, "rows of kind '%s' have no text to turn into tokens", kind_name(k));
	if (e->o.offsets && e->form->kind != KIND_DOCUMENTS)
		return error_set(err, ERR_USAGE, "--offsets is for documents");
	if (e->o.offsets)
		e->form = &with_offsets;
	if (e->o.decode)
		return schema_find(in, "input_ids") >= 0 ? OK : error_set(err, ERR_DATA, "no column input_ids to decode");
	TRY(check_kind(k, in, err));
	return plain_text(e, in) ? OK : chat_check(e->t, err);
}

bool encoder_takes(enum kind k)
{
	for (int i = 0; i < N_READ; i++)
		if (forms[i].kind == k)
			return true;
	return false;
}

enum status encoder_open(struct encoder **out, const struct tokenizer *t, const struct encoder_options *o, enum kind k,
			 const struct schema *in, int workers, struct error *err)
{
	struct encoder *e = mem_zalloc(sizeof(*e));
	enum status st;

	*out = NULL;
	e->t = t;
	e->o = *o;
	st = choose_form(e, k, in, err);
	if (st == OK)
		st = choose_eos(e, in, err);
	if (st != OK) {
		encoder_close(e);
		return st;
	}
	make_schema(e, in);
	e->n_workers = workers;
	e->workers = mem_array((size_t)workers, sizeof(*e->workers));
	for (int i = 0; i < workers; i++) {
		e->workers[i].e = e;
		e->workers[i].scratch = tokenizer_scratch_open(t);
	}
	*out = e;
	return OK;
}

void encoder_close(struct encoder *e)
{
	if (!e)
		return;
	for (int i = 0; i < e->n_workers; i++) {
		struct worker *w = &e->workers[i];

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
	mem_free(e->workers);
	mem_free(e->source);
	schema_release(&e->schema);
	mem_free(e);
}

const struct schema *encoder_schema(const struct encoder *e)
{
	return &e->schema;
}

enum kind encoder_kind(const struct encoder *e)
{
	return e->form->out;
}
