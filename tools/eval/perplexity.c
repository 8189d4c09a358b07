/* perplexity.c - quern eval --task perplexity: documents, conversations, tokens or packed rows under a model. */
#include "eval/eval.h"

#include "infer/complete.h"
#include "judge/perplexity.h"

#include <math.h>

static struct {
	struct tool *tool;
	const struct eval_options *o;
	struct report *report;
	struct perplexity p;
	struct ids ids, mask;
	struct chat_message *messages;
	int cap;
} px;

static enum status add_chat(const struct lm *lm, const struct batch *b, int64_t row, const char **reason, struct error *err)
{
	int n = messages_read(batch_column(b, "messages"), row, &px.messages, &px.cap);
	px.ids.n = px.mask.n = 0;
	enum status st = chat_encode(lm->tokenizer, lm->scratch, px.messages, n, false, &px.ids, &px.mask, err);
	if (st == ERR_DATA) {
		*reason = "template_error";
		return OK;
	}
	TRY(st);
	return perplexity_add_ids(&px.p, px.ids.v, px.mask.v, px.ids.n, err);
}

static enum status add_tokens(const struct batch *b, int64_t row, struct error *err)
{
	int64_t n, from = 0, to = 0;
	const int32_t *ids = array_int32s(batch_column(b, "input_ids"), row, &n);
	const struct array *mask = batch_column(b, "loss_mask");
	if (!ids && n > 0)
		return error_set(err, ERR_DATA, "%s: row %lld: input_ids holds nulls", tool_where(px.tool), (long long)row);
	px.mask.n = 0;
	if (!mask || array_is_null(mask, row))
		return perplexity_add_ids(&px.p, ids, NULL, n, err);
	array_list(mask, row, &from, &to);
	if (to - from != n)
		return error_set(err, ERR_DATA, "%s: row %lld: loss_mask has %lld entries for %lld tokens", tool_where(px.tool),
				 (long long)row, (long long)(to - from), (long long)n);
	for (int64_t i = from; i < to; i++)
		ids_push(&px.mask, (int32_t)array_int(&mask->children[0], i));
	return perplexity_add_ids(&px.p, ids, px.mask.v, n, err);
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
		TRY(add_row(lm, b, row, err));
		if (px.p.n >= 64)
			TRY(perplexity_settle(&px.p, err));
	}
	return perplexity_settle(&px.p, err);
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
	if (px.o->samples)
		return error_set(err, ERR_USAGE, "--samples is for --task exact-match");
	if (tool_kind(px.tool) == KIND_TOKENS && schema_find(tool_schema(px.tool), "input_ids") < 0)
		return error_set(err, ERR_DATA, "tokens of pairs have no column 'input_ids' to measure");
	TRY(generate_check(&lm->model, &bounds, err));
	TRY(scorer_open(&px.p.scorer, &lm->model, context, err));
	TRY(eval_keep_likelihoods(tool, o, lm, tool->prov.n_inputs, &px.p.cache, err));
	while ((st = tool_next(px.tool, &b, err)) == OK) {
		st = add_rows(lm, b, err);
		batch_release(b);
		TRY(st);
	}
	report_perplexity();
	return st == END ? OK : st;
}

void eval_perplexity_release(void)
{
	scorer_close(px.p.scorer);
	perplexity_release(&px.p);
	ids_release(&px.ids);
	ids_release(&px.mask);
	mem_free(px.messages);
}
