/* rows.c - see rows.h. */
#include "train/rows.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "stream/token_mask.h"

/* A row's int32 values; a column that holds other things is an error. */
static enum status int32_row(const struct batch *b, const char *column, int64_t row, const int32_t **v, int64_t *n,
			     struct error *err)
{
	const struct array *a = batch_column(b, column);

	*n = 0;
	if (!a)
		return error_set(err, ERR_DATA, "the input has no column '%s'", column);
	*v = array_int32s(a, row, n);
	if (!*v && *n)
		return error_set(err, ERR_DATA, "row %lld: column '%s' holds nulls or is no list<int32>", (long long)row, column);
	return OK;
}

static enum status check_tokens(const struct model_config *c, const int32_t *v, int64_t n, int32_t from, struct error *err)
{
	for (int64_t i = 0; i < n; i++)
		if (v[i] >= c->vocab || v[i] < from)
			return error_set(err, ERR_DATA, "token %d outside the model's vocabulary of %d: was it another tokenizer?", v[i],
					 c->vocab);
	return OK;
}

static enum status in_row(enum status st, int64_t row, struct error *err)
{
	return st == OK ? OK : error_prefix(err, st, "row %lld", (long long)row);
}

/* Adds a sequence unless it is longer than the model's positions: then *reason is set. */
static int64_t add_sequence(struct dataset *d, const struct model_config *c, const int32_t *ids, const int32_t *labels,
			    int64_t n, const char **reason)
{
	int64_t before = d->n_tokens, targets = dataset_add(d, ids, labels, n);

	if (d->n_tokens - before > c->positions)
		*reason = "too_long";
	return targets;
}

static bool end_row(struct dataset *d, const char **reason)
{
	if (*reason)
		dataset_drop_item(d);
	else if (!dataset_end_item(d))
		*reason = "no_loss";
	return !*reason;
}

enum status rows_add_pack(struct dataset *d, const struct model_config *c, const struct pack *p, const char **reason, struct error *err)
{
	int64_t at = 0;

	*reason = NULL;
	TRY(check_tokens(c, p->ids, p->used, 0, err));
	TRY(check_tokens(c, p->labels, p->used, INT32_MIN, err));
	for (int64_t i = 0; i < p->n; i++) {
		if (p->lengths[i] < 0 || p->lengths[i] > p->used - at)
			return error_set(err, ERR_DATA, "seq_lengths do not fit %lld tokens", (long long)p->used);
		add_sequence(d, c, p->ids + at, p->labels + at, p->lengths[i], reason);
		at += p->lengths[i];
	}
	end_row(d, reason);
	return OK;
}

static enum status add_packed(struct dataset *d, const struct model_config *c, const struct batch *b, int64_t row,
			      const char **reason, struct error *err)
{
	const int32_t *ids, *labels, *lengths;
	struct pack p;
	int64_t n_labels;

	TRY(int32_row(b, "input_ids", row, &ids, &p.used, err));
	TRY(int32_row(b, "labels", row, &labels, &n_labels, err));
	TRY(int32_row(b, "seq_lengths", row, &lengths, &p.n, err));
	if (n_labels != p.used)
		return error_set(err, ERR_DATA, "row %lld: %lld labels for %lld tokens", (long long)row, (long long)n_labels,
				 (long long)p.used);
	p.ids = ids, p.labels = labels, p.lengths = lengths;
	return in_row(rows_add_pack(d, c, &p, reason, err), row, err);
}

static enum status add_tokens(struct dataset *d, const struct model_config *c, const struct batch *b, int64_t row,
			      const char **reason, struct error *err)
{
	struct token_mask mask;
	const int32_t *ids;
	int32_t *labels;
	int64_t n;

	TRY(int32_row(b, "input_ids", row, &ids, &n, err));
	TRY(in_row(check_tokens(c, ids, n, 0, err), row, err));
	TRY(token_mask_read(&mask, b, row, ids, n, err));
	if (!mask.values) {
		add_sequence(d, c, ids, ids, n, reason);
		end_row(d, reason);
		return OK;
	}
	labels = mem_array((size_t)n + 1, sizeof(*labels));
	for (int64_t i = 0; i < n; i++)
		labels[i] = token_mask_has(&mask, i) ? ids[i] : -100;
	add_sequence(d, c, ids, labels, n, reason);
	end_row(d, reason);
	mem_free(labels);
	return OK;
}

enum status rows_add_sequences(struct dataset *d, const struct model_config *c, enum kind k, const struct batch *b,
			       int64_t row, const char **reason, struct error *err)
{
	*reason = NULL;
	return k == KIND_PACKED ? add_packed(d, c, b, row, reason, err) : add_tokens(d, c, b, row, reason, err);
}

/* --- pairs -------------------------------------------------------------------------------- */

enum status pairs_open(struct pairs *p, const struct lm *lm, const struct schema *s, enum kind k, struct error *err)
{
	static const char *const ids[] = { "prompt_ids", "chosen_ids", "rejected_ids" };
	static const char *const messages[] = { "prompt", "chosen", "rejected" };

	*p = (struct pairs){ .lm = lm, .kind = k };
	for (int i = 0; i < 3; i++) {
		const char *name = k == KIND_TOKENS ? ids[i] : messages[i];
		int at = schema_find(s, name);

		if (at < 0)
			return error_set(err, ERR_DATA, "the input has no column '%s'", name);
		if (k != KIND_TOKENS && !field_is_messages(&s->fields[at]))
			return error_set(err, ERR_DATA, "column '%s' holds no messages", name);
	}
	p->ref_columns = schema_find(s, "ref_chosen_logp") >= 0 && schema_find(s, "ref_rejected_logp") >= 0;
	return OK;
}

void pairs_close(struct pairs *p)
{
	mem_free(p->messages);
	mem_free(p->reply);
	ids_release(&p->ids);
	ids_release(&p->mask);
}

/* Prompt and reply as one sequence into p->ids, and p->mask where the reply counts. */
static enum status encode_messages(struct pairs *p, const struct batch *b, int64_t row, const char *reply,
				   struct error *err)
{
	int n_prompt = messages_read(batch_column(b, "prompt"), row, &p->messages, &p->cap_messages), n = n_prompt;
	int n_reply = messages_read(batch_column(b, reply), row, &p->reply, &p->cap_reply);

	for (int i = 0; i < n_reply; i++) {
		MEM_PUSH_ROOM(p->messages, n, p->cap_messages);
		p->messages[n++] = p->reply[i];
	}
	const struct chat c = chat_of_row(p->messages, n, b, row);
	return logprob_encode(p->lm, &c, n_prompt, &p->ids, &p->mask, err);
}

/* reply: the column of its ids. */
static enum status encode_ids(struct pairs *p, const struct batch *b, int64_t row, const char *reply, struct error *err)
{
	const char *const columns[] = { "prompt_ids", reply };

	for (int side = 0; side < 2; side++) {
		const int32_t *v;
		int64_t n;

		TRY(int32_row(b, columns[side], row, &v, &n, err));
		TRY(in_row(check_tokens(&p->lm->model.cfg, v, n, 0, err), row, err));
		for (int64_t i = 0; i < n; i++) {
			ids_push(&p->ids, v[i]);
			ids_push(&p->mask, side);
		}
	}
	return OK;
}

/* The sequence in p->ids, whose mask becomes the labels. */
static enum status add_encoded(struct pairs *p, struct dataset *d, const char **reason)
{
	int64_t prompt = 0;
	bool any = false;

	for (int64_t i = 0; p->rated && i < p->ids.n; i++) {
		any |= p->mask.v[i] != 0;
		p->mask.v[i] = -100;
	}
	if (p->rated) {              /* the last token predicts what stands behind it */
		ids_push(&p->ids, 0);
		ids_push(&p->mask, 0);
	}
	for (int64_t i = 0; !p->rated && i < p->ids.n; i++) {
		any |= p->mask.v[i] != 0;
		prompt += !any;
		p->mask.v[i] = p->mask.v[i] || (p->prompt_targets && !any) ? p->ids.v[i] : -100;
	}
	if (!any || !add_sequence(d, &p->lm->model.cfg, p->ids.v, p->mask.v, p->ids.n, reason))
		*reason = *reason ? *reason : "no_loss";
	if (*reason || !p->prompt_targets)
		return OK;
	if (d->n_seqs > p->cap_prompt) {
		p->cap_prompt = 2 * d->n_seqs + 64;
		d->prompt_targets = mem_grow(d->prompt_targets, (size_t)p->cap_prompt, sizeof(*d->prompt_targets));
	}
	d->prompt_targets[d->n_seqs - 1] = prompt > 0 ? prompt - 1 : 0;     /* the first token is not predicted */
	return OK;
}

static enum status add_side(struct pairs *p, struct dataset *d, const struct batch *b, int64_t row, bool chosen,
			    const char **reason, struct error *err)
{
	enum status st;

	p->ids.n = p->mask.n = 0;
	if (p->kind == KIND_TOKENS) {
		TRY(encode_ids(p, b, row, chosen ? "chosen_ids" : "rejected_ids", err));
	} else {
		st = encode_messages(p, b, row, chosen ? "chosen" : "rejected", err);
		if (st == ERR_DATA) {        /* the template refuses this conversation */
			*reason = "template_error";
			return OK;
		}
		TRY(st);
	}
	return add_encoded(p, d, reason);
}

/* The reference's log-probabilities as `score --ref` added them. */
static enum status add_ref(struct pairs *p, struct dataset *d, const struct batch *b, int64_t row, struct error *err)
{
	static const char *const columns[] = { "ref_chosen_logp", "ref_rejected_logp" };

	if (2 * d->n_items > p->cap_ref) {
		p->cap_ref = 4 * d->n_items + 64;
		d->ref = mem_grow(d->ref, (size_t)p->cap_ref, sizeof(*d->ref));
	}
	for (int side = 0; side < 2; side++) {
		double v = array_double(batch_column(b, columns[side]), row);

		if (!(v <= 0) || v < -1e30)
			return error_set(err, ERR_DATA, "row %lld: '%s' is no log-probability", (long long)row, columns[side]);
		d->ref[2 * (d->n_items - 1) + side] = (float)v;
	}
	return OK;
}

/* The column margin, where there is one. */
static enum status add_margin(struct pairs *p, struct dataset *d, const struct batch *b, int64_t row, struct error *err)
{
	const struct array *a = batch_column(b, "margin");
	double v = a && !array_is_null(a, row) ? array_double(a, row) : 0;

	if (!isfinite(v))
		return error_set(err, ERR_DATA, "row %lld: 'margin' is not finite", (long long)row);
	if (d->n_items > p->cap_margin) {
		p->cap_margin = 2 * d->n_items + 64;
		d->margin = mem_grow(d->margin, (size_t)p->cap_margin, sizeof(*d->margin));
	}
	d->margin[d->n_items - 1] = (float)v;
	return OK;
}

enum status pairs_add(struct pairs *p, struct dataset *d, const struct batch *b, int64_t row, const char **reason,
		      struct error *err)
{
	*reason = NULL;
	TRY(add_side(p, d, b, row, true, reason, err));
	if (!*reason)
		TRY(add_side(p, d, b, row, false, reason, err));
	if (!end_row(d, reason))
		return OK;
	if (p->rated)
		return add_margin(p, d, b, row, err);
	return p->ref_columns ? add_ref(p, d, b, row, err) : OK;
}

/* --- feedback ------------------------------------------------------------------------------ */

enum status feedback_open(struct pairs *p, const struct lm *lm, const struct schema *s, enum kind k, struct error *err)
{
	static const char *const names[2][2] = { { "prompt", "completion" }, { "prompt_ids", "completion_ids" } };
	int label = schema_find(s, "label");

	*p = (struct pairs){ .lm = lm, .kind = k };
	for (int i = 0; i < 2; i++)
		if (schema_find(s, names[k == KIND_TOKENS][i]) < 0)
			return error_set(err, ERR_DATA, "the input has no column '%s'", names[k == KIND_TOKENS][i]);
	if (k != KIND_TOKENS && !field_is_messages(&s->fields[schema_find(s, "prompt")]))
		return error_set(err, ERR_DATA, "column 'prompt' holds no messages");
	if (k != KIND_TOKENS && !field_is_text(&s->fields[schema_find(s, "completion")]))
		return error_set(err, ERR_DATA, "column 'completion' holds no text");
	if (label < 0 || s->fields[label].type != T_BOOL)
		return error_set(err, ERR_DATA, "the input has no column 'label' of true and false");
	return OK;
}

/* Prompt and completion, as one turn of the assistant, into p->ids and p->mask. */
static enum status encode_completion(struct pairs *p, const struct batch *b, int64_t row, struct error *err)
{
	int n = messages_read(batch_column(b, "prompt"), row, &p->messages, &p->cap_messages);
	struct chat_message said = { .role = "assistant", .role_n = strlen("assistant") };

	said.content = array_text(batch_column(b, "completion"), row, &said.content_n);
	MEM_PUSH_ROOM(p->messages, n, p->cap_messages);
	p->messages[n] = said;
	const struct chat c = chat_of_row(p->messages, n + 1, b, row);
	return logprob_encode(p->lm, &c, n, &p->ids, &p->mask, err);
}

enum status feedback_add(struct pairs *p, struct dataset *d, const struct batch *b, int64_t row, const char **reason,
			 struct error *err)
{
	enum status st;

	*reason = NULL;
	p->ids.n = p->mask.n = 0;
	if (p->kind == KIND_TOKENS) {
		TRY(encode_ids(p, b, row, "completion_ids", err));
	} else {
		st = encode_completion(p, b, row, err);
		if (st == ERR_DATA) {
			*reason = "template_error";
			return OK;
		}
		TRY(st);
	}
	TRY(add_encoded(p, d, reason));
	if (!end_row(d, reason))
		return OK;
	if (d->n_items > p->cap_wanted) {
		p->cap_wanted = 2 * d->n_items + 64;
		d->wanted = mem_grow(d->wanted, (size_t)p->cap_wanted, sizeof(*d->wanted));
	}
	d->wanted[d->n_items - 1] = array_int(batch_column(b, "label"), row) != 0;
	return OK;
}

/* Tokens of a sequence up to its first target, which they predict. */
static int64_t prompt_length(const struct dataset *d, int64_t seq)
{
	int64_t n = 0, all = d->seq_at[seq + 1] - d->seq_at[seq];

	while (n < all && d->targets[d->seq_at[seq] + n] < 0)
		n++;
	return n + 1;
}

struct dataset *feedback_mismatched(const struct dataset *d, int positions)
{
	struct dataset *out = mem_zalloc(sizeof(*out));
	struct ids ids = { 0 }, labels = { 0 };

	for (int64_t i = 0; i < d->n_items; i++) {
		int64_t seq = d->item_seq[i], other = d->item_seq[i ? i - 1 : d->n_items - 1];
		int64_t prompt = prompt_length(d, seq), from = d->seq_at[other], to = d->seq_at[other + 1];

		ids.n = labels.n = 0;
		for (int64_t k = 0; k < prompt; k++) {
			ids_push(&ids, d->ids[d->seq_at[seq] + k]);
			ids_push(&labels, -100);
		}
		/* what stands behind the other prompt; the last of it is only a target */
		for (int64_t k = from + prompt_length(d, other) - 1; k < to && ids.n <= positions; k++) {
			ids_push(&ids, k + 1 < to ? d->ids[k + 1] : d->targets[k]);
			ids_push(&labels, d->targets[k]);
		}
		dataset_add(out, ids.v, labels.v, ids.n);
		dataset_end_item(out);
	}
	ids_release(&ids);
	ids_release(&labels);
	return out;
}

/* --- steps ----------------------------------------------------------------------------------- */

enum status step_rows_open(struct step_rows *r, const struct lm *lm, const struct schema *s, const char *separator, struct error *err)
{
	*r = (struct step_rows){ .lm = lm };
	TRY(steps_open(&r->steps, lm, separator, err));
	return prompts_open(&r->prompts, lm, s, KIND_STEPWISE, err);
}

void step_rows_close(struct step_rows *r)
{
	steps_close(&r->steps);
	prompts_close(&r->prompts);
	ids_release(&r->ids);
	ids_release(&r->labels);
}

/* A label's class; -100 for a null. */
static int32_t step_label(const struct array *labels, int64_t i, const char **reason)
{
	int64_t v = array_is_null(labels, i) ? -100 : array_int(labels, i);

	if (v != -100 && v != 0 && v != 1)
		*reason = "bad_label";
	return (int32_t)v;
}

/* Prompt and steps into ids; labels has each token's class, one place behind, for dataset_add takes a label as what the token before it learns. */
static enum status encode_steps(struct step_rows *r, bool last, const struct batch *b, int64_t row, const char **reason, struct error *err)
{
	const struct array *texts = batch_column(b, "completions"), *labels = batch_column(b, "labels");
	int64_t from, to, first, end;

	array_list(texts, row, &from, &to);
	array_list(labels, row, &first, &end);
	if (to - from != end - first)
		*reason = "label_count";
	else
		TRY(prompts_encode(&r->prompts, b, row, &r->ids, reason, err));
	for (int64_t i = 0; i < to - from && !*reason; i++) {
		size_t n;
		const char *text = array_text(&texts->children[0], from + i, &n);
		int32_t label = step_label(&labels->children[0], first + i, reason);

		TRY(steps_encode(&r->steps, text, n, &r->ids, err));
		while (r->labels.n < r->ids.n)
			ids_push(&r->labels, -100);
		ids_push(&r->labels, last && from + i + 1 < to ? -100 : label);
	}
	return OK;
}

enum status step_rows_add(struct step_rows *r, struct dataset *d, bool last, const struct batch *b, int64_t row, const char **reason,
			  struct error *err)
{
	*reason = NULL;
	r->ids.n = r->labels.n = 0;
	TRY(encode_steps(r, last, b, row, reason, err));
	if (*reason)
		return OK;
	while (r->labels.n < r->ids.n + 1)   /* no steps */
		ids_push(&r->labels, -100);
	ids_push(&r->ids, 0);                /* what the last token learns stands behind it */
	add_sequence(d, &r->lm->model.cfg, r->ids.v, r->labels.v, r->ids.n, reason);
	end_row(d, reason);
	return OK;
}
