/* task_prompt.c - a document's prompt: description, few-shot examples, question; see task.h. */
#include "judge/task_file.h"

#include "token/unicode.h"

#include <stdio.h>
#include <string.h>

void prompter_open(struct prompter *p, const struct task *t, const struct docs *docs, const struct docs *shots, uint64_t seed)
{
	*p = (struct prompter){ .task = t, .docs = docs, .shots = shots, .rng = pyrandom_open(seed), .doc_parser = json_parser_open(),
				.shot_parser = json_parser_open() };
}

void prompter_close(struct prompter *p)
{
	json_parser_close(p->doc_parser);
	json_parser_close(p->shot_parser);
	buf_release(&p->text);
	buf_release(&p->rendered);
	mem_free(p->turns);
}

static void begin_turn(struct prompter *p, const char *role)
{
	MEM_PUSH_ROOM(p->turns, p->n_turns, p->cap_turns);
	p->turns[p->n_turns++] = (struct prompter_turn){ .role = role, .from = p->text.len };
}

static void end_turn(struct prompter *p)
{
	struct prompter_turn *t = &p->turns[p->n_turns - 1];

	t->n = p->text.len - t->from;
}

static bool is_space_at(const char *s, size_t at)
{
	int k;

	return unicode_class(utf8_decode((const uint8_t *)s + at, &k)) & U_SPACE;
}

static bool begins_with_space(const struct json *s) { return s->len && is_space_at(s->str, 0); }

static bool ends_with_space(const char *s, size_t n)
{
	size_t at = n;

	while (at > 0 && ((unsigned char)s[at - 1] & 0xc0) == 0x80)
		at--;
	return at > 0 && is_space_at(s, at - 1);
}

static bool is_text(const struct json *v) { return v->type == JSON_STRING; }
static bool is_empty(const struct json *v) { return v->type == JSON_NULL || (v->type == JSON_STRING && !v->len); }

/* The text of an answer: the choice that a number names, the first of a list, the text itself. */
static enum status answer_text(const struct json *choices, const struct json *target, struct json *out, struct error *err)
{
	*out = *target;
	if (choices->type == JSON_ARRAY && target->type == JSON_INT) {
		int64_t at = target->integer < 0 ? target->integer + (int64_t)choices->len : target->integer;

		if (at < 0 || at >= (int64_t)choices->len)
			return error_set(err, ERR_DATA, "the answer is choice %lld of %zu", (long long)target->integer, choices->len);
		*out = choices->items[at];
	} else if (target->type == JSON_ARRAY && target->len) {
		*out = target->items[0];
	}
	return is_text(out) ? OK : error_set(err, ERR_DATA, "the answer of an example is no text");
}

/* Question and, of an example, answer, as build_qa_turn of the original puts them together. */
static enum status add_turn(struct prompter *p, const struct json *question, const struct json *choices, const struct json *answer,
			    const struct json *prefix, const char *target_delimiter, const char *shot_delimiter, struct error *err)
{
	bool has_prefix = is_text(prefix) && prefix->len, joins;
	struct json said;

	if (!is_text(question))
		return error_set(err, ERR_DATA, "doc_to_text gives no text");
	joins = has_prefix && question->len && !ends_with_space(question->str, question->len) && !begins_with_space(prefix);
	begin_turn(p, "user");
	buf_add(&p->text, question->str, question->len);
	end_turn(p);
	if (joins || (answer && !has_prefix))
		buf_str(&p->text, target_delimiter);
	if (!answer && !has_prefix)
		return OK;
	begin_turn(p, "assistant");
	if (has_prefix)
		buf_add(&p->text, prefix->str, prefix->len);
	if (answer) {
		TRY(answer_text(choices, answer, &said, err));
		if (has_prefix && said.len && !ends_with_space(prefix->str, prefix->len) && !begins_with_space(&said))
			buf_char(&p->text, ' ');
		buf_add(&p->text, said.str, said.len);
	}
	end_turn(p);
	buf_str(&p->text, answer ? shot_delimiter : "");
	return OK;
}

static enum status add_shot(struct prompter *p, const struct json *doc, struct arena *arena, struct error *err)
{
	const struct task *t = p->task;
	struct json q, c, a, prefix;

	TRY(task_shuffle(t, doc, arena, &doc, err));
	TRY(task_value(t, &t->shot_text, doc, arena, &q, err));
	TRY(task_value(t, &t->shot_choice, doc, arena, &c, err));
	TRY(task_value(t, &t->shot_target, doc, arena, &a, err));
	TRY(task_value(t, &t->shot_prefix, doc, arena, &prefix, err));
	if (q.type == JSON_INT) {            /* each choice is a context: the example's is the one that is right */
		TRY(answer_text(&c, &q, &q, err));
		c.type = JSON_NULL;
	}
	return add_turn(p, &q, &c, is_empty(&a) ? NULL : &a, &prefix, t->shot_target_delimiter, t->shot_delimiter, err);
}

/* Places of the examples for a document, into out[shots]; *n of them. */
static enum status choose_shots(struct prompter *p, int64_t doc, uint32_t *out, struct error *err)
{
	const struct task *t = p->task;
	bool without = p->shots == p->docs;  /* the document itself is no example */
	int64_t k = t->shots, n = p->shots->n, taken = 0;
	uint32_t *drawn;

	if (n < k + without)
		return error_set(err, ERR_DATA, "%lld examples of %lld documents", (long long)k, (long long)n);
	if (t->sampler == SAMPLER_FIRST) {
		for (int64_t i = 0; i < n && taken < k; i++)
			if (!without || !docs_equal(p->docs, doc, p->shots, i))
				out[taken++] = (uint32_t)i;
	} else {
		drawn = mem_array((size_t)k + 1, sizeof(*drawn));
		pyrandom_sample(&p->rng, (uint32_t)n, (uint32_t)(k + without), drawn);
		for (int64_t i = 0; i < k + without && taken < k; i++)
			if (!without || !docs_equal(p->docs, doc, p->shots, drawn[i]))
				out[taken++] = drawn[i];
		mem_free(drawn);
	}
	return taken == k ? OK : error_set(err, ERR_DATA, "too few examples that differ from document %lld", (long long)doc);
}

static enum status add_shots(struct prompter *p, int64_t doc, struct arena *arena, struct error *err)
{
	const struct task *t = p->task;
	uint32_t *places = mem_array((size_t)t->shots + 1, sizeof(*places));
	enum status st = OK;

	if (t->shot_samples) {               /* examples that the file brings, in its order or drawn */
		int64_t n = (int64_t)t->shot_samples->len;

		if (n < t->shots)
			st = error_set(err, ERR_DATA, "%lld examples, the task has %lld", (long long)t->shots, (long long)n);
		else if (t->sampler == SAMPLER_RANDOM)
			pyrandom_sample(&p->rng, (uint32_t)n, (uint32_t)t->shots, places);
		else
			for (int64_t i = 0; i < t->shots; i++)
				places[i] = (uint32_t)i;
		for (int64_t i = 0; i < t->shots && st == OK; i++)
			st = add_shot(p, &t->shot_samples->items[places[i]], arena, err);
		mem_free(places);
		return st;
	}
	st = choose_shots(p, doc, places, err);
	for (int64_t i = 0; i < t->shots && st == OK; i++) {
		const struct json *shot;

		st = docs_get(p->shots, places[i], p->shot_parser, &shot, err);
		if (st == OK)
			st = add_shot(p, shot, arena, err);
	}
	mem_free(places);
	return st;
}

static struct request_text keep(struct arena *arena, const struct buf *b)
{
	return (struct request_text){ arena_strndup(arena, b->data ? b->data : "", b->len), b->len };
}

static struct request_text joined(struct arena *arena, const char *a, const struct json *b)
{
	size_t n = strlen(a);
	char *s = arena_alloc(arena, n + b->len + 1);

	memcpy(s, a, n);
	memcpy(s + n, b->str, b->len);
	s[n + b->len] = 0;
	return (struct request_text){ s, n + b->len };
}

/* --- conversations ------------------------------------------------------------------------------------- */

/* The turns as messages, m[n_turns + 1]; how many. */
static int list_messages(const struct prompter *p, struct chat_message *m)
{
	const struct prompter_turn *t = p->turns, *end = t + p->n_turns, *last = end - 1;
	int n = 0;

	for (; t < end; t++) {
		size_t to = t->from + t->n;

		if (p->one_turn && !strcmp(t->role, "user")) {       /* with all that follows, but for what the assistant begins to say */
			const struct prompter_turn *until = strcmp(last->role, "user") ? last - 1 : last;

			to = until->from + until->n;
			m[n++] = (struct chat_message){ .role = "user", .role_n = 4, .content = p->text.data + t->from, .content_n = to - t->from };
			t = until;
			continue;
		}
		m[n++] = (struct chat_message){ .role = t->role, .role_n = strlen(t->role), .content = p->text.data + t->from, .content_n = t->n };
	}
	return n;
}

/* What a template is told to say behind the assistant's beginning, so that it shows where that ends: transformers' own mark. */
#define TAG "CONTINUE_FINAL_MESSAGE_TAG"

static enum status cut_at_tag(struct buf *text, struct error *err)
{
	size_t n = strlen(TAG), at = text->len;

	while (at > 0 && (text->len - (at - 1) < n || memcmp(text->data + at - 1, TAG, n)))
		at--;
	if (!at)
		return error_set(err, ERR_DATA, "the chat template does not say what the assistant begins with (gen_prefix)");
	at--;
	if (text->data[at + n] != ' ')       /* it strips the messages */
		while (at > 0 && ends_with_space(text->data, at))
			at--;
	text->len = at;
	text->data[at] = 0;
	return OK;
}

/* The conversation that the turns are, into p->rendered. A template that refuses a system's message does not get it. */
static enum status render(struct prompter *p, struct error *err)
{
	struct chat_message *m = mem_array((size_t)p->n_turns + 1, sizeof(*m)), *last;
	struct chat c = { .messages = m, .n = list_messages(p, m) };
	struct buf tagged = { 0 };
	enum status st;
	bool begun;

	last = &m[c.n - 1];          /* there is a question at least */
	begun = !strcmp(last->role, "assistant");
	if (begun) {
		buf_add(&tagged, last->content, last->content_n);
		buf_str(&tagged, TAG " ");
		last->content = tagged.data;
		last->content_n = tagged.len;
	}
	buf_clear(&p->rendered);
	st = chat_render(p->chat, &c, !begun, &p->rendered, err);
	if (st == ERR_DATA && c.n > 1 && !strcmp(m[0].role, "system")) {
		c.messages++;
		c.n--;
		buf_clear(&p->rendered);
		st = chat_render(p->chat, &c, !begun, &p->rendered, err);
	}
	if (st == OK && begun)
		st = cut_at_tag(&p->rendered, err);
	buf_release(&tagged);
	mem_free(m);
	return st;
}

/* Contexts: the shared beginning in p->text, then the question, or each choice where the question is a number. */
static enum status make_contexts(struct prompter *p, const struct json *question, const struct json *choices, struct arena *arena,
				 struct task_request *r, struct error *err)
{
	const struct task *t = p->task;
	size_t begin = p->text.len;
	int64_t turns = p->n_turns;
	struct json prefix;

	TRY(task_value(t, &t->gen_prefix, r->doc, arena, &prefix, err));
	buf_reserve(&p->text, 0);    /* an empty text is one */
	r->chooses_context = question->type == JSON_INT && choices->type == JSON_ARRAY;
	r->n_contexts = r->chooses_context ? (int64_t)choices->len : 1;
	r->contexts = arena_alloc(arena, (size_t)(r->n_contexts + 1) * sizeof(*r->contexts));
	for (int64_t i = 0; i < r->n_contexts; i++) {
		p->text.len = begin;
		p->n_turns = turns;
		TRY(add_turn(p, r->chooses_context ? &choices->items[i] : question, choices, NULL, &prefix,
			     r->chooses_context ? "" : t->target_delimiter, "", err));
		if (p->chat)
			TRY(render(p, err));
		r->contexts[i] = keep(arena, p->chat ? &p->rendered : &p->text);
	}
	return OK;
}

static enum status target_text(const struct json *v, struct arena *arena, struct request_text *out, struct error *err)
{
	if (v->type == JSON_INT) {
		char digits[32];

		snprintf(digits, sizeof(digits), "%lld", (long long)v->integer);
		*out = (struct request_text){ arena_strndup(arena, digits, strlen(digits)), strlen(digits) };
		return OK;
	}
	if (!is_text(v))
		return error_set(err, ERR_DATA, "doc_to_target gives no text");
	*out = (struct request_text){ v->str, v->len };
	return OK;
}

static bool is_list(const struct json *v) { return v->type == JSON_ARRAY; }

/* What stands between a context and a choice. */
static const char *delimiter_of(const struct task *t, bool chat)
{
	const char *prefix = json_get_str(t->config, "gen_prefix", "");

	return !chat || (*prefix && !ends_with_space(prefix, strlen(prefix))) ? t->target_delimiter : "";
}

static enum status make_continuations(const struct task *t, bool chat, const struct json *choices, struct arena *arena, struct task_request *r,
				      struct error *err)
{
	const char *delimiter = delimiter_of(t, chat);

	if (t->type == TASK_LOGLIKELIHOOD || t->type == TASK_ROLLING) {
		r->n = 1;
		r->continuations = arena_alloc(arena, sizeof(*r->continuations));
		return target_text(&r->target, arena, r->continuations, err);
	}
	r->n = is_list(choices) ? (int64_t)choices->len : 0;
	if (!r->n && t->type == TASK_MULTIPLE_CHOICE)
		return error_set(err, ERR_DATA, "there are no choices");
	if (r->n > TASK_CHOICES_MAX)
		return error_set(err, ERR_DATA, "%lld choices, and %d are the most", (long long)r->n, TASK_CHOICES_MAX);
	r->choices = arena_alloc(arena, ((size_t)r->n + 1) * sizeof(*r->choices));
	r->continuations = arena_alloc(arena, ((size_t)r->n + 1) * sizeof(*r->continuations));
	for (int64_t i = 0; i < r->n; i++) {
		const struct json *said = &choices->items[i];

		r->choices[i] = (struct request_text){ arena_strndup(arena, said->str, said->len), said->len };
		if (r->chooses_context) {
			struct request_text text;

			TRY(target_text(&r->target, arena, &text, err));
			r->continuations[i] = joined(arena, delimiter, &(struct json){ .str = text.s, .len = text.n });
		} else {
			r->continuations[i] = joined(arena, delimiter, said);
		}
	}
	return OK;
}

enum status task_answer(const struct task *t, const struct json *doc, struct arena *arena, struct task_request *r, struct error *err)
{
	struct json choices;

	*r = (struct task_request){ 0 };
	TRY(task_shuffle(t, doc, arena, &r->doc, err));
	doc = r->doc;
	TRY(task_value(t, &t->choice, doc, arena, &choices, err));
	TRY(task_value(t, &t->target, doc, arena, &r->target, err));
	r->gold = r->target;
	return make_continuations(t, false, &choices, arena, r, err);
}

enum status prompter_request(struct prompter *p, int64_t doc, struct arena *arena, struct task_request *r, struct error *err)
{
	const struct task *t = p->task;
	struct json description, question, choices;

	*r = (struct task_request){ 0 };
	buf_clear(&p->text);
	p->n_turns = 0;
	TRY(docs_get(p->docs, doc, p->doc_parser, &r->doc, err));
	TRY(task_shuffle(t, r->doc, arena, &r->doc, err));
	TRY(task_value(t, &t->description, r->doc, arena, &description, err));
	if (is_text(&description) && description.len) {
		begin_turn(p, "system");
		buf_add(&p->text, description.str, description.len);
		end_turn(p);
	}
	if (t->shots)
		TRY(add_shots(p, doc, arena, err));
	TRY(task_value(t, &t->text, r->doc, arena, &question, err));
	TRY(task_value(t, &t->choice, r->doc, arena, &choices, err));
	TRY(task_value(t, &t->target, r->doc, arena, &r->target, err));
	if (t->type != TASK_ROLLING)
		TRY(make_contexts(p, &question, &choices, arena, r, err));
	r->gold = r->chooses_context ? question : r->target;
	return make_continuations(t, p->chat != NULL, &choices, arena, r, err);
}
