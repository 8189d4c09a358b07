/* perplexity.c - quern eval --task perplexity: documents, conversations, tokens or packed rows under a model. */
#include "eval/eval.h"

#include "infer/complete.h"
#include "judge/perplexity.h"
#include "stream/token_mask.h"

#include <math.h>

static struct {
	struct tool *tool;
	const struct eval_options *o;
	struct report *report;
	struct perplexity p;
	struct ids ids, mask;
	struct chat_message *messages;
	int cap;
	struct schema schema;                /* of the samples */
	struct writer *samples;
	int columns[3], n_columns;           /* of the input, and of the samples behind doc_id */
	bool text;                           /* it is documents */
	int64_t read;                        /* rows before this batch */
} px;

/* --- samples --------------------------------------------------------------------------------------------- */

/* Rows as of a task of loglikelihood_rolling: what perplexities are computed from. Of a packed row all of its sequences together. */
static enum status open_samples(struct error *err)
{
	static const char *const texts[] = { "word_perplexity: list<float64>", "byte_perplexity: list<float64>", "bits_per_byte: list<float64>" };
	const struct schema *in = tool_schema(px.tool);
	struct writer_options o = tool_writer_options(px.tool);
	const char *doc = px.text ? "text" : tool_kind(px.tool) == KIND_CHAT ? "messages" : "input_ids";
	const char *const from[] = { doc, "id", "source" };
	char *const to[] = { "doc", "id", "source" };

	schema_add_spec(&px.schema, "doc_id: int64");
	for (int i = 0; i < 3; i++) {
		int column = schema_find(in, from[i]);

		if (column < 0 || (i > 0 && !field_is_text(&in->fields[column])))
			continue;
		struct field f = in->fields[column];
		f.name = to[i];
		schema_add(&px.schema, &f);
		px.columns[px.n_columns++] = column;
	}
	schema_add_spec(&px.schema, "filter: utf8");
	for (int i = 0; i < 3 && px.text; i++)
		schema_add_spec(&px.schema, texts[i]);
	schema_add_spec(&px.schema, "token_perplexity: list<float64>");
	return writer_open(&px.samples, px.o->samples, &px.schema, KIND_OTHER, &px.tool->prov, &o, err);
}

static void append_item(struct column *c, double logprob, int64_t units)
{
	column_double(column_child(c, 0), logprob);
	column_double(column_child(c, 0), (double)units);
	column_end_list(c);
}

static enum status keep_sample(const struct batch *b, const struct perplexity_document *d, struct error *err)
{
	struct builder *to = writer_builder(px.samples);
	int at = 0;

	column_int(builder_column(to, at++), px.read + d->row);
	for (int i = 0; i < px.n_columns; i++)
		column_copy(builder_column(to, at++), &b->columns[px.columns[i]], d->row);
	column_str(builder_column(to, at++), "none");
	if (px.text) {
		append_item(builder_column(to, at++), d->logprob, d->words);
		append_item(builder_column(to, at++), d->logprob, d->bytes);
		append_item(builder_column(to, at++), d->logprob, d->bytes);
	}
	append_item(builder_column(to, at++), d->logprob, d->tokens);
	return writer_row(px.samples, err);
}

/* Brings totals up to date, and writes what the documents since the last time gave. */
static enum status settle(const struct batch *b, struct error *err)
{
	TRY(perplexity_settle(&px.p, err));
	for (int64_t i = 0, next; px.samples && i < px.p.n_documents; i = next) {
		struct perplexity_document d = px.p.documents[i];

		for (next = i + 1; next < px.p.n_documents && px.p.documents[next].row == d.row; next++) {
			d.logprob += px.p.documents[next].logprob;
			d.tokens += px.p.documents[next].tokens;
		}
		TRY(keep_sample(b, &d, err));
	}
	return OK;
}

/* --- measuring ------------------------------------------------------------------------------------------- */

static enum status add_chat(const struct lm *lm, const struct batch *b, int64_t row, const char **reason, struct error *err)
{
	int n = messages_read(batch_column(b, "messages"), row, &px.messages, &px.cap);
	px.ids.n = px.mask.n = 0;
	const struct chat c = chat_of_row(px.messages, n, b, row);
	enum status st = chat_encode(lm->tokenizer, lm->scratch, &c, false, &px.ids, &px.mask, err);
	if (st == ERR_DATA) {
		*reason = "template_error";
		return OK;
	}
	TRY(st);
	return perplexity_add_ids(&px.p, px.ids.v, px.mask.v, px.ids.n, err);
}

static enum status add_tokens(const struct batch *b, int64_t row, struct error *err)
{
	struct token_mask mask;
	int64_t n;
	const int32_t *ids = array_int32s(batch_column(b, "input_ids"), row, &n);
	enum status st;

	if (!ids && n > 0)
		return error_set(err, ERR_DATA, "%s: row %lld: input_ids holds nulls", tool_where(px.tool), (long long)row);
	st = token_mask_read(&mask, b, row, ids, n, err);
	if (st != OK)
		return error_prefix(err, st, "%s", tool_where(px.tool));
	px.mask.n = 0;
	for (int64_t i = 0; mask.values && i < n; i++)
		ids_push(&px.mask, token_mask_has(&mask, i));
	return perplexity_add_ids(&px.p, ids, mask.values ? px.mask.v : NULL, n, err);
}

/* Every sequence of a packed row by itself; a label of -100 does not count. */
static enum status add_packed(const struct batch *b, int64_t row, struct error *err)
{
	int64_t n, n_labels, n_lengths, at = 0;
	const int32_t *ids = array_int32s(batch_column(b, "input_ids"), row, &n);
	const int32_t *labels = array_int32s(batch_column(b, "labels"), row, &n_labels);
	const int32_t *lengths = array_int32s(batch_column(b, "seq_lengths"), row, &n_lengths);
	for (int64_t i = 0; i < n_lengths; i++) {
		if (!ids || !labels || n != n_labels || lengths[i] < 0 || lengths[i] > n - at)
			return error_set(err, ERR_DATA, "%s: row %lld: seq_lengths do not fit the row", tool_where(px.tool),
					 (long long)row);
		px.mask.n = 0;
		for (int64_t k = at; k < at + lengths[i]; k++)
			ids_push(&px.mask, labels[k] >= 0);
		TRY(perplexity_add_ids(&px.p, ids + at, px.mask.v, lengths[i], err));
		at += lengths[i];
	}
	return OK;
}

static enum status add_row(const struct lm *lm, struct batch *b, int64_t row, struct error *err)
{
	const char *reason = NULL;
	size_t n;
	const char *text;
	switch (tool_kind(px.tool)) {
	case KIND_CHAT:
		TRY(add_chat(lm, b, row, &reason, err));
		return reason ? tool_reject(px.tool, b, row, reason, err) : OK;
	case KIND_TOKENS:
		return add_tokens(b, row, err);
	case KIND_PACKED:
		return add_packed(b, row, err);
	default:
		text = array_text(batch_column(b, "text"), row, &n);
		return perplexity_add_text(&px.p, lm, text, n, err);
	}
}

static void report_perplexity(void)
{
	const struct perplexity *p = &px.p;
	px.report->task = "perplexity";
	px.report->output_type = "loglikelihood_rolling";
	px.report->effective = p->rows;
	if (p->bytes) {
		report_add(px.report, "word_perplexity", perplexity_per(p, p->words), NAN, false);
		report_add(px.report, "byte_perplexity", perplexity_per(p, p->bytes), NAN, false);
		report_add(px.report, "bits_per_byte", perplexity_bits_per_byte(p), NAN, false);
	}
	report_add(px.report, "token_perplexity", perplexity_per(p, p->tokens), NAN, false);
	tool_stat_int(px.tool, "tokens", p->tokens);
}

/* Some windows are computed before what they said is counted and kept. */
static enum status add_rows(const struct lm *lm, struct batch *b, struct error *err)
{
	for (int64_t row = 0; row < b->rows; row++) {
		px.p.row = row;
		TRY(add_row(lm, b, row, err));
		if (px.p.n >= 64)
			TRY(settle(b, err));
	}
	TRY(settle(b, err));
	px.read += b->rows;
	return OK;
}

enum status eval_perplexity(struct tool *tool, const struct eval_options *o, struct lm *lm, struct report *report, struct error *err)
{
	struct batch *b;
	enum status st;
	int64_t context = o->context ? o->context : generate_context(&lm->model);
	struct generate_options bounds = { .context = context };

	px.tool = tool;
	px.o = o;
	px.report = report;
	px.text = tool_kind(tool) != KIND_CHAT && tool_kind(tool) != KIND_TOKENS && tool_kind(tool) != KIND_PACKED;
	if (tool_kind(px.tool) == KIND_TOKENS && schema_find(tool_schema(px.tool), "input_ids") < 0)
		return error_set(err, ERR_DATA, "tokens of pairs have no column 'input_ids' to measure");
	TRY(generate_check(&lm->model, &bounds, err));
	TRY(scorer_open(&px.p.scorer, &lm->model, context, err));
	if (o->samples)
		TRY(open_samples(err));
	TRY(eval_keep_likelihoods(tool, o, lm, tool->prov.n_inputs, &px.p.cache, err));
	while ((st = tool_next(px.tool, &b, err)) == OK) {
		st = add_rows(lm, b, err);
		batch_release(b);
		TRY(st);
	}
	if (st != END)
		return st;
	report_perplexity();
	if (px.samples) {
		struct writer *w = px.samples;

		px.samples = NULL;
		return writer_commit(w, err);
	}
	return OK;
}

void eval_perplexity_release(void)
{
	writer_abort(px.samples);
	schema_release(&px.schema);
	scorer_close(px.p.scorer);
	perplexity_release(&px.p);
	ids_release(&px.ids);
	ids_release(&px.mask);
	mem_free(px.messages);
}
