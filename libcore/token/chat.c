/* Conversations as ids, and which of them a loss is taken on. */
#include "token/chat_priv.h"

static struct chat_scratch *scratch_of(struct tokenizer_scratch *s)
{
	if (!s->chat)
		s->chat = mem_zalloc(sizeof(*s->chat));
	return s->chat;
}

/* --- ids ------------------------------------------------------------------------------------------- */

/* The end of the run of equal bits in marks that begins at i. */
static size_t run_end(const uint8_t *m, size_t i, size_t to, uint8_t bit)
{
	uint64_t bits = bit * 0x0101010101010101ull, same = (m[i] & bit ? UINT64_MAX : 0) & bits, eight;

	for (; i + 8 <= to; i += 8) {
		memcpy(&eight, m + i, 8);
		if ((eight & bits) != same)
			break;
	}
	while (i < to && (m[i] & bit) == (same & bit))
		i++;
	return i;
}

/* The bytes [from, to) with bit in their mark, as spans behind those that are there. */
static void add_spans(const struct jtext *text, size_t from, size_t to, uint8_t bit, struct plain_span **spans, int *n, int *cap)
{
	for (size_t i = from, j; i < to; i = j) {
		j = run_end(text->m, i, to, bit);
		if (!(text->m[i] & bit))
			continue;
		MEM_PUSH_ROOM(*spans, *n, *cap);
		(*spans)[(*n)++] = (struct plain_span){i, j};
	}
}

/* Where ids end, if their bytes are the text's: so it is where no normalizer changed anything (but for the space that some put before each
 * stretch between special tokens), no token is unknown and no special token swallows blanks. Asking the encoder takes as long as encoding
 * itself, or twice. */
static bool ends_by_bytes(const struct tokenizer *t, const int32_t *ids, int64_t n, const char *p, size_t n_bytes, struct ids *ends)
{
	size_t at = 0;

	for (int64_t i = 0; i < n; i++) {
		const struct token_bytes *b = &t->decoded[ids[i]];
		const char *said = t->blob + b->at;
		size_t len = b->n;
		bool begins = i == 0 || t->decoded[ids[i - 1]].special;

		if (begins && len > 1 && *said == ' ' && at < n_bytes && p[at] != ' ') {
			said++;
			len--;
		}
		if (len > n_bytes - at || memcmp(p + at, said, len))
			return false;
		at += len;
		ids_push(ends, (int32_t)at);
	}
	return at == n_bytes;
}

/* The ids of text from byte `from` on; places: and in s->ends where they end, counted from there. */
static enum status encode_text(const struct tokenizer *t, struct tokenizer_scratch *ts, const struct jtext *text, size_t from, bool places,
			       struct ids *out, struct error *err)
{
	enum { SLOW_ROWS = 8 };
	struct chat_scratch *s = ts->chat;
	const char *p = text->n > from ? text->p + from : "";
	int64_t first = out->n;
	struct encode_options o = {0};

	s->n_spans = 0;
	add_spans(text, from, text->n, JINJA_DATA, &s->spans, &s->n_spans, &s->cap_spans);
	for (int i = 0; i < s->n_spans; i++) {
		s->spans[i].from -= from;
		s->spans[i].to -= from;
	}
	o.plain = s->spans;
	o.n_plain = s->n_spans;
	s->ends.n = 0;
	if (!places || !s->slow_rows) {
		TRY(tokenizer_encode_with(t, ts, p, text->n - from, &o, out, err));
		if (!places || ends_by_bytes(t, out->v + first, out->n - first, p, text->n - from, &s->ends))
			return OK;
		s->slow_rows = SLOW_ROWS;
	}
	s->slow_rows--;
	out->n = first;
	s->ends.n = 0;
	o.ends = &s->ends;
	return tokenizer_encode_with(t, ts, p, text->n - from, &o, out, err);
}

/* --- what a loss is taken on ------------------------------------------------------------------------- */

static bool is_assistant(const struct chat_message *m)
{
	return m->role_n == 9 && !memcmp(m->role, "assistant", 9);
}

enum { RENDERED_MAX = 1 << 20 };     /* messages in all prefixes of a conversation: a second of work or a few */

/* The whole conversation, and what watching its rendering has shown. */
struct whole {
	struct call call;
	struct jtext text;           /* without a generation prompt, unless the call has one */
	struct jwatch watch;
	struct jtext prompted;       /* with one; text.n 0 if there was no need for it */
	struct jwatch prompted_watch;
	size_t common;               /* bytes that text and prompted begin with alike */
};

static bool begins(const struct jtext *text, const char *p, size_t n, size_t at)
{
	return at <= text->n && n <= text->n - at && (!n || !memcmp(p, text->p + at, n));
}

/* Whether the whole text begins with its first `at` bytes and then p[0..n), which is how a prefix renders; but for the token that ends a
 * text, which some templates put behind the last turn alone. */
static bool prefix_fits(const struct whole *w, size_t at, const char *p, size_t n, bool generation_prompt, size_t *length)
{
	const char *eos = w->call.t->eos_text;
	size_t eos_n = eos ? strlen(eos) : 0;

	*length = at + n;
	if (begins(&w->text, p, n, at))
		return true;
	if (generation_prompt || !eos_n || n < eos_n || memcmp(p + n - eos_n, eos, eos_n) || !begins(&w->text, p, n - eos_n, at))
		return false;
	*length = at + n - eos_n;
	return true;
}

/* The length of the first n messages' rendering, which has to begin the whole. */
static enum status prefix_length(struct chat_scratch *s, const struct whole *w, int n, bool generation_prompt, size_t *length,
				 const char **reason, struct error *err)
{
	const struct jtext *text = generation_prompt ? &w->prompted : &w->text;
	const struct jwatch *watch = generation_prompt ? &w->prompted_watch : &w->watch;
	struct call call = w->call;
	struct jtext part;
	size_t at;
	bool fits;

	if (n < watch->n && jwatch_turn_at(watch, n, &at) && (!generation_prompt || at <= w->common)) {
		fits = prefix_fits(w, at, text->p + watch->end, text->n - watch->end, generation_prompt, length);
	} else {
		s->rendered += n;
		if (s->rendered > RENDERED_MAX) {
			*reason = "chat_template";
			return error_set(err, ERR_DATA, "the chat template looks ahead, and there are too many turns to render each"), OK;
		}
		call.n = n;
		call.generation_prompt = generation_prompt;
		call.watch = NULL;
		TRY(chat_render_text(&call, &s->part, &part, reason, err));
		if (*reason)
			return OK;
		fits = prefix_fits(w, 0, part.p, part.n, generation_prompt, length);
	}
	if (fits)
		return OK;
	*reason = "prompt_changes";
	error_set(err, ERR_DATA, "the chat template renders the first %d messages otherwise when more follow", n);
	return OK;
}

/* Adds to s->answers what message i says. */
static enum status add_answer(struct chat_scratch *s, const struct whole *w, int i, const char **reason, struct error *err)
{
	size_t from = 0, to = w->text.n;

	TRY(prefix_length(s, w, i, true, &from, reason, err));
	if (*reason)
		return OK;
	if (jinja_has_generation(w->call.t->chat)) { /* the template says what of it */
		add_spans(&w->text, from, to, JINJA_GENERATION, &s->answers, &s->n_answers, &s->cap_answers);
		return OK;
	}
	if (i + 1 < w->call.n || w->call.generation_prompt)
		TRY(prefix_length(s, w, i + 1, false, &to, reason, err));
	if (*reason || to <= from)
		return OK;
	MEM_PUSH_ROOM(s->answers, s->n_answers, s->cap_answers);
	s->answers[s->n_answers++] = (struct plain_span){from, to};
	return OK;
}

/* Where there are many answers: the conversation with a generation prompt, too. If neither rendering has looked ahead, prefixes need
 * none of their own. */
static enum status render_prompted(struct chat_scratch *s, struct whole *w, struct error *err)
{
	struct call call = w->call;
	const char *refused = NULL;
	int answers = 0;
	size_t n;

	for (int i = 0; i < w->call.n; i++)
		answers += is_assistant(&w->call.c->messages[i]);
	if (answers < 2 || !w->watch.done || w->watch.varies || w->call.generation_prompt)
		return OK;
	call.generation_prompt = true;
	call.watch = &w->prompted_watch;
	TRY(chat_render_text(&call, &s->prompted, &w->prompted, &refused, err));
	if (refused) {
		w->prompted_watch = (struct jwatch){0};
		return OK;
	}
	n = w->prompted.n < w->text.n ? w->prompted.n : w->text.n;
	while (w->common < n && w->prompted.p[w->common] == w->text.p[w->common])
		w->common++;
	return OK;
}

static enum status find_answers(struct chat_scratch *s, struct whole *w, enum chat_loss loss, const char **reason, struct error *err)
{
	s->n_answers = 0;
	s->rendered = 0;
	if (loss == CHAT_LOSS_ASSISTANT && jinja_has_generation(w->call.t->chat)) {
		add_spans(&w->text, 0, w->text.n, JINJA_GENERATION, &s->answers, &s->n_answers, &s->cap_answers);
		return OK;
	}
	if (loss == CHAT_LOSS_COMPLETION) {
		int last = w->call.n - 1;

		while (last >= 0 && !is_assistant(&w->call.c->messages[last]))
			last--;
		return last < 0 ? OK : add_answer(s, w, last, reason, err);
	}
	TRY(render_prompted(s, w, err));
	for (int i = 0; i < w->call.n && !*reason; i++)
		if (is_assistant(&w->call.c->messages[i]))
			TRY(add_answer(s, w, i, reason, err));
	return OK;
}

/* The end of a turn at bytes [from, to) without the blanks that the template puts behind the special token that ends it; with them if
 * no special token does. Token k of ids ends at ends[k]. */
static size_t turn_end(const struct tokenizer *t, const struct jtext *text, size_t from, size_t to, const int32_t *ids, const struct ids *ends)
{
	size_t end = to;
	int64_t lo = 0, hi = ends->n;

	while (end > from && !(text->m[end - 1] & JINJA_DATA) && memchr(" \t\r\n", text->p[end - 1], 4))
		end--;
	while (lo < hi) { /* the first token that ends at or behind `end` */
		int64_t mid = (lo + hi) / 2;

		if ((size_t)ends->v[mid] < end)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < ends->n && (size_t)ends->v[lo] == end && tokenizer_is_special(t, ids[lo]) ? end : to;
}

/* 1 for each token that overlaps an answer. */
static void make_mask(struct chat_scratch *s, const int32_t *ids, const struct call *call, const struct jtext *text, struct ids *mask)
{
	bool blocks = jinja_has_generation(call->t->chat);
	size_t from = 0;
	int k = 0;

	for (int i = 0; !blocks && i < s->n_answers; i++)
		s->answers[i].to = turn_end(call->t, text, s->answers[i].from, s->answers[i].to, ids, &s->ends);
	for (int64_t i = 0; i < s->ends.n; i++) {
		size_t to = (size_t)s->ends.v[i] > from ? (size_t)s->ends.v[i] : from;

		while (k < s->n_answers && s->answers[k].to <= from)
			k++;
		ids_push(mask, k < s->n_answers && s->answers[k].from < to);
		from = to;
	}
}

enum status chat_encode_loss(const struct tokenizer *t, struct tokenizer_scratch *ts, const struct chat *c, bool generation_prompt,
			     enum chat_loss loss, struct ids *out, struct ids *mask, const char **reason, struct error *err)
{
	struct chat_scratch *s = scratch_of(ts);
	struct whole w = {.common = 0};
	bool watched = mask && loss == CHAT_LOSS_ASSISTANT && t->chat && !jinja_has_generation(t->chat);
	int64_t first = out->n;

	TRY(chat_render_whole(t, s, c, generation_prompt, watched ? &w.watch : NULL, &w.call, &w.text, reason, err));
	if (!*reason && mask)
		TRY(find_answers(s, &w, loss, reason, err));
	if (*reason)
		return OK;
	TRY(encode_text(t, ts, &w.text, 0, mask != NULL, out, err));
	if (mask)
		make_mask(s, out->v + first, &w.call, &w.text, mask);
	return OK;
}

enum status chat_encode(const struct tokenizer *t, struct tokenizer_scratch *s, const struct chat *c, bool generation_prompt,
			struct ids *out, struct ids *mask, struct error *err)
{
	const char *reason;

	TRY(chat_encode_loss(t, s, c, generation_prompt, CHAT_LOSS_ASSISTANT, out, mask, &reason, err));
	return reason ? ERR_DATA : OK;
}

/* --- a prompt and its answer ---------------------------------------------------------------------------- */

/* The first token of ids that ends behind byte `end`. */
static int64_t tokens_until(const struct ids *ends, size_t end)
{
	int64_t k = 0;

	while (k < ends->n && (size_t)ends->v[k] <= end)
		k++;
	return k;
}

/* Whether ids decode as the text from byte `from` to `to`: not so where a normalizer has put a space before it. */
static bool decodes_as(const struct tokenizer *t, struct chat_scratch *s, const int32_t *ids, int64_t n, const struct jtext *text,
		       size_t from, size_t to)
{
	buf_clear(&s->decoded);
	for (int64_t i = 0; i < n; i++) {
		size_t bytes;
		const char *p = tokenizer_bytes(t, ids[i], &bytes);

		buf_add(&s->decoded, p, bytes);
	}
	return s->decoded.len == to - from && !memcmp(s->decoded.data ? s->decoded.data : "", text->p + from, to - from);
}

enum status chat_encode_answer(const struct tokenizer *t, struct tokenizer_scratch *ts, const struct chat *c, int n_prompt,
			       const struct ids *prompt, struct ids *answer, const char **reason, struct error *err)
{
	struct chat_scratch *s = scratch_of(ts);
	struct whole w = {.common = 0};
	size_t border = 0, end;
	int64_t first = answer->n, k, n;
	bool same;

	TRY(chat_render_whole(t, s, c, false, NULL, &w.call, &w.text, reason, err));
	s->rendered = 0;
	if (!*reason)
		TRY(prefix_length(s, &w, n_prompt, true, &border, reason, err));
	if (*reason)
		return OK;
	TRY(encode_text(t, ts, &w.text, 0, true, answer, err));
	end = turn_end(t, &w.text, border, w.text.n, answer->v + first, &s->ends);
	n = tokens_until(&s->ends, end);
	k = tokens_until(&s->ends, border);
	same = k == prompt->n && (!k || ((size_t)s->ends.v[k - 1] == border && !memcmp(answer->v + first, prompt->v, (size_t)k * sizeof(*prompt->v))));
	if (same) {
		memmove(answer->v + first, answer->v + first + k, (size_t)(n - k) * sizeof(*answer->v));
		answer->n = first + n - k;
	} else { /* a token lies across the border */
		answer->n = first;
		TRY(encode_text(t, ts, &w.text, border, true, answer, err));
		answer->n = first + tokens_until(&s->ends, end - border);
		if (!decodes_as(t, s, answer->v + first, answer->n - first, &w.text, border, end)) {
			*reason = "border";
			error_set(err, ERR_DATA, "the tokenizer cannot begin a text where the prompt ends");
		}
	}
	if (!*reason && answer->n == first) {
		*reason = "empty";
		error_set(err, ERR_DATA, "there is nothing behind the prompt");
	}
	if (*reason)
		answer->n = first;
	return OK;
}
