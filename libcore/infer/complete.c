#include "infer/complete.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

/* --- rows to prompts and back --------------------------------------------------------------------------- */

struct row_ref {                             /* generate_prompt.user */
	struct batch *batch;
	int64_t row, number;
	struct row_ref *next;                /* all that are alive, for the end after an error */
	struct row_ref **link;
};

struct completing {
	struct lm *lm;
	const struct generate_options *o;
	const struct complete_io *io;
	struct prompts prompts;
	struct batch *batch;                 /* being read */
	int64_t row, number;                 /* next row of batch; rows so far */
	int id_column;
	int64_t context;
	struct ids ids;
	struct row_ref *refs;
	struct buf text;
};

static void unref(struct row_ref *r)
{
	*r->link = r->next;
	if (r->next)
		r->next->link = r->link;
	batch_release(r->batch);
	mem_free(r);
}

static struct row_ref *ref(struct completing *c, int64_t row)
{
	struct row_ref *r = mem_zalloc(sizeof(*r));
	r->batch = batch_retain(c->batch);
	r->row = row;
	r->number = c->number - 1;
	r->next = c->refs;
	r->link = &c->refs;
	if (r->next)
		r->next->link = &r->next;
	c->refs = r;
	return r;
}

static void row_stream(const struct completing *c, int64_t row, uint64_t stream[2])
{
	size_t n = 0;
	const char *id = c->id_column >= 0 ? array_text(&c->batch->columns[c->id_column], row, &n) : "";
	stream[0] = n ? hash64(id, n) : (uint64_t)c->number;
	stream[1] = n == 0;
}

static enum status next_prompt(void *arg, struct generate_prompt *p, struct error *err)
{
	struct completing *c = arg;
	for (;;) {
		while (!c->batch || c->row == c->batch->rows) {
			batch_release(c->batch);
			c->batch = NULL;
			c->row = 0;
			TRY(c->io->batch(c->io->arg, &c->batch, err));
		}
		int64_t row = c->row++;
		const char *reason;
		c->number++;
		c->ids.n = 0;
		TRY(prompts_encode(&c->prompts, c->batch, row, &c->ids, &reason, err));
		if (!reason && c->ids.n >= c->context)
			reason = "prompt_too_long";
		if (reason) {
			TRY(c->io->reject(c->io->arg, c->batch, row, reason, err));
			continue;
		}
		*p = (struct generate_prompt){ .ids = c->ids.v, .n = c->ids.n, .user = ref(c, row) };
		row_stream(c, row, p->stream);
		return OK;
	}
}

static enum status result_done(void *arg, const struct generate_result *r, struct error *err)
{
	struct completing *c = arg;
	struct row_ref *at = r->user;
	buf_clear(&c->text);
	generate_text(c->lm->tokenizer, c->o, r, &c->text);
	struct completion x = { at->batch, at->row, at->number, r, c->text.data ? c->text.data : "", c->text.len };
	TRY(c->io->done(c->io->arg, &x, err));
	if (r->last)
		unref(at);
	return OK;
}

enum status complete_rows(struct lm *lm, const struct schema *s, enum kind k, const struct generate_options *o,
			  const struct complete_io *io, struct generate_totals *totals, struct error *err)
{
	struct completing c = { .lm = lm, .o = o, .io = io, .id_column = schema_find(s, "id") };
	c.context = o->context ? o->context : generate_context(&lm->model);
	if (c.id_column >= 0 && !field_is_text(&s->fields[c.id_column]))
		c.id_column = -1;
	TRY(prompts_open(&c.prompts, lm, s, k, err));
	struct generate_io gio = { next_prompt, result_done, &c };
	enum status st = journal_run(io->journal, &lm->model, lm->tokenizer, o, &gio, totals, err);
	while (c.refs)
		unref(c.refs);
	batch_release(c.batch);
	prompts_close(&c.prompts);
	ids_release(&c.ids);
	buf_release(&c.text);
	return st;
}

/* --- the completions kind ----------------------------------------------------------------------------------- */

static bool replaced(const char *name, const char *prompt)
{
	static const char *const ours[] = { "id", "prompt", "sample", "completion", "completion_ids", "logprob", "finish" };
	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
		if (strcmp(name, ours[i]) == 0)
			return true;
	return strcmp(name, prompt) == 0;
}

enum status completion_schema(const struct schema *in, enum kind k, struct schema *out, struct completion_columns *c,
			      struct error *err)
{
	const char *prompt = k == KIND_DOCUMENTS ? "text" : k == KIND_CHAT ? "messages" : "prompt";
	*c = (struct completion_columns){ .id = schema_find(in, "id"), .prompt = schema_find(in, prompt), .cut = k == KIND_CHAT };
	if (c->prompt < 0)
		return error_set(err, ERR_DATA, "the input has no column '%s'", prompt);
	struct field f = in->fields[c->prompt];
	char name[] = "prompt";
	f.name = name;
	if (c->id >= 0)
		schema_add(out, &in->fields[c->id]);
	else
		schema_add_spec(out, "id: utf8");
	schema_add(out, &f);
	schema_add_spec(out, "sample: int32");
	schema_add_spec(out, "completion: utf8");
	schema_add_spec(out, "completion_ids: list<int32>");
	schema_add_spec(out, "logprob: float32");
	schema_add_spec(out, "finish: utf8");
	c->passed = mem_array((size_t)in->n_fields + 1, sizeof(*c->passed));
	for (int i = 0; i < in->n_fields; i++) {
		if (replaced(in->fields[i].name, prompt))
			continue;
		schema_add(out, &in->fields[i]);
		c->passed[c->n_passed++] = i;
	}
	return OK;
}

void completion_columns_release(struct completion_columns *c)
{
	mem_free(c->passed);
	c->passed = NULL;
}

static void append_prompt(struct column *to, const struct array *a, int64_t row, bool cut)
{
	if (!cut) {
		column_copy(to, a, row);
		return;
	}
	struct chat_message *m = NULL;
	int cap = 0;
	int64_t from, end;
	int n = messages_read(a, row, &m, &cap);
	n = messages_to_last_user(m, n);
	array_list(a, row, &from, &end);
	for (int64_t i = from; i < from + n; i++)
		column_copy(column_child(to, 0), &a->children[0], i);
	column_end_list(to);
	mem_free(m);
}

static void append_number(struct column *to, int64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)number);
	column_str(to, text);
}

void completion_append(struct builder *b, const struct completion_columns *cols, const struct completion *c)
{
	const struct generate_result *r = c->result;
	if (cols->id >= 0)
		column_copy(builder_column(b, 0), &c->batch->columns[cols->id], c->row);
	else
		append_number(builder_column(b, 0), c->number);
	append_prompt(builder_column(b, 1), &c->batch->columns[cols->prompt], c->row, cols->cut);
	column_int(builder_column(b, 2), r->sample);
	column_text(builder_column(b, 3), c->text, c->n);
	column_int32s(builder_column(b, 4), r->ids, r->n);
	column_double(builder_column(b, 5), r->logprob);
	column_str(builder_column(b, 6), generate_finish_name(r->finish));
	for (int i = 0; i < cols->n_passed; i++)
		column_copy(builder_column(b, 7 + i), &c->batch->columns[cols->passed[i]], c->row);
}

enum status completion_check(const struct schema *s, struct error *err)
{
	int i = schema_find(s, "completion_ids");
	if (i >= 0 && !field_is_list_of(&s->fields[i], T_INT32))
		return error_set(err, ERR_DATA, "column 'completion_ids' is no list of int32");
	return OK;
}

int64_t completion_length(const struct batch *b, int64_t row)
{
	const struct array *ids = batch_column(b, "completion_ids");
	int64_t from, to;
	if (!ids || array_is_null(ids, row))
		return -1;
	array_list(ids, row, &from, &to);
	return to - from;
}
