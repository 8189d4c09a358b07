/* import_readers.c - see import_readers.h. */
#include "stream/import_readers.h"

#include <math.h>

/* --- fields ------------------------------------------------------------------------------- */

/* Place of the field that stands for name (after --map), or -1. Nulls count as absent. */
static int find_field(const struct layout_request *q, const struct json *o, const char *name, size_t n)
{
	for (int i = 0; i < q->n_map; i++)
		if (strlen(q->map[i].to) == n && memcmp(q->map[i].to, name, n) == 0) {
			name = q->map[i].from;
			n = strlen(name);
			break;
		}
	for (size_t i = 0; i < o->len; i++)
		if (o->keys[i].len == n && memcmp(o->keys[i].str, name, n) == 0)
			return o->items[i].type == JSON_NULL ? -1 : (int)i;
	return -1;
}

/* The first of "a|b|c" that is there. */
int find_need(const struct layout_request *q, const struct json *o, const char *need)
{
	for (;;) {
		size_t n = strcspn(need, "|");
		int i = find_field(q, o, need, n);
		if (i >= 0 || !need[n])
			return i;
		need += n + 1;
	}
}

static const struct json *take(struct row *r, const char *need)
{
	int i = find_need(r->request, r->object, need);
	if (i < 0)
		return NULL;
	r->used[i] = true;
	return &r->object->items[i];
}

/* A string, or a number or bool as its JSON text. */
static bool text_of(struct row *r, const struct json *v, const char **s, size_t *n)
{
	if (!v || v->type == JSON_ARRAY || v->type == JSON_OBJECT || v->type == JSON_NULL)
		return false;
	if (v->type == JSON_STRING) {
		*s = v->str;
		*n = v->len;
		return true;
	}
	buf_clear(&r->scratch->text);
	struct json_writer w = json_writer_open(&r->scratch->text, 0);
	json_value(&w, v);
	*n = r->scratch->text.len;
	*s = arena_strndup(&r->scratch->arena, r->scratch->text.data, *n);
	return true;
}

bool take_text(struct row *r, const char *need, const char **s, size_t *n)
{
	return text_of(r, take(r, need), s, n);
}

/* Turns of a field. What role and text cannot carry leaves the field unused, so that it goes into meta as well. */
static bool take_turns(struct row *r, const char *need, const char *role, struct turns *t)
{
	int i = find_need(r->request, r->object, need);
	bool whole = true;
	if (i < 0 || !turns_add(t, &r->object->items[i], role, &r->scratch->arena, &whole))
		return false;
	r->used[i] = whole;
	r->tools |= t->calls;
	r->media |= t->media;
	return true;
}

static bool add_text_turn(struct row *r, const char *role, const char *need, struct turns *t)
{
	const char *s;
	size_t n;
	if (!take_text(r, need, &s, &n))
		return false;
	turn_push(t, &r->scratch->arena, role, s, n);
	return true;
}

/* --- layouts ------------------------------------------------------------------------------ */

const char *read_text(struct row *r)
{
	if (!take_text(r, "text|content|raw_content|body", &r->s.text, &r->s.text_n))
		return "bad_text";
	take_text(r, "source|url", &r->s.source, &r->s.source_n);
	return r->s.text_n ? NULL : "empty";
}

/* {"entity": ..., "facts": [{"fact": ..., "value": ...}]}: the entity, then a line a fact. */
const char *read_facts(struct row *r)
{
	const char *s;
	size_t n;
	struct buf *b = &r->scratch->joined;
	if (!take_text(r, "entity", &s, &n))
		return "bad_entity";
	buf_clear(b);
	buf_add(b, s, n);
	const struct json *facts = take(r, "facts");
	if (!facts || facts->type != JSON_ARRAY)
		return "bad_facts";
	for (size_t i = 0; i < facts->len; i++) {
		const char *fact, *value;
		size_t fact_n, value_n;
		if (facts->items[i].type != JSON_OBJECT || !text_of(r, json_get(&facts->items[i], "fact"), &fact, &fact_n) ||
		    !text_of(r, json_get(&facts->items[i], "value"), &value, &value_n))
			return "bad_facts";
		buf_char(b, '\n');
		buf_add(b, fact, fact_n);
		buf_str(b, ": ");
		buf_add(b, value, value_n);
	}
	buf_char(b, '\n');
	r->s.text = b->data;
	r->s.text_n = b->len;
	take_text(r, "source|url", &r->s.source, &r->s.source_n);
	return n ? NULL : "empty";
}

static bool messages_said(const struct turns *t)
{
	bool said = false;
	for (int i = 0; i < t->n; i++)
		said |= t->v[i].n > 0;
	return said;
}

static const char *messages_or_reason(const struct turns *t)
{
	return messages_said(t) ? NULL : "empty";
}

const char *read_messages(struct row *r)
{
	if (find_need(r->request, r->object, "system") >= 0 && !add_text_turn(r, "system", "system", &r->s.messages))
		return "bad_system";
	return take_turns(r, "messages|conversations|conversation", "user", &r->s.messages) ? messages_or_reason(&r->s.messages)
											    : "bad_messages";
}

/* system, history, instruction and input as LLaMA-Factory joins them. */
static bool alpaca_prompt(struct row *r, struct turns *t)
{
	const char *a, *b = "";
	size_t n, m = 0;
	const struct json *history;
	add_text_turn(r, "system", "system", t);
	if ((history = take(r, "history")) && !turns_add_pairs(t, history, &r->scratch->arena))
		return false;
	if (!take_text(r, "instruction", &a, &n))
		return false;
	take_text(r, "input", &b, &m);
	char *joined = arena_alloc(&r->scratch->arena, n + m + 2);
	memcpy(joined, a, n);
	if (m) {
		joined[n++] = '\n';
		memcpy(joined + n, b, m);
	}
	turn_push(t, &r->scratch->arena, "user", joined, n + m);
	return true;
}

/* An answer that is a list of texts: a line each. */
static bool add_lines_turn(struct row *r, const char *role, const struct json *list, struct turns *t)
{
	struct buf *b = &r->scratch->joined;
	const char *s;
	size_t n;
	buf_clear(b);
	for (size_t i = 0; i < list->len; i++) {
		if (!text_of(r, &list->items[i], &s, &n))
			return false;
		buf_str(b, i ? "\n" : "");
		buf_add(b, s, n);
	}
	turn_push(t, &r->scratch->arena, role, b->data ? b->data : "", b->len);
	return true;
}

const char *read_alpaca(struct row *r)
{
	if (!alpaca_prompt(r, &r->s.messages))
		return "bad_instruction";
	int i = find_need(r->request, r->object, "output");
	const struct json *list = r->object->items[i].type == JSON_ARRAY ? take(r, "output") : NULL;
	if (list ? !add_lines_turn(r, "assistant", list, &r->s.messages) : !add_text_turn(r, "assistant", "output", &r->s.messages))
		return "bad_output";
	return messages_or_reason(&r->s.messages);
}

/* system, history, query and response as ms-swift has them. */
const char *read_query(struct row *r)
{
	struct turns *t = &r->s.messages;
	const struct json *history;
	add_text_turn(r, "system", "system", t);
	if ((history = take(r, "history")) && !turns_add_pairs(t, history, &r->scratch->arena))
		return "bad_history";
	if (!add_text_turn(r, "user", "query", t))
		return "bad_query";
	return add_text_turn(r, "assistant", "response", t) ? messages_or_reason(t) : "bad_response";
}

const char *read_qa(struct row *r)
{
	struct turns *t = r->request->kind == KIND_CHAT ? &r->s.messages : &r->s.prompt;
	if (!add_text_turn(r, "user", QUESTION, t))
		return "bad_question";
	if (r->request->kind == KIND_CHAT)
		return add_text_turn(r, "assistant", ANSWER, t) ? messages_or_reason(t) : "bad_answer";
	return take_text(r, ANSWER, &r->s.answer, &r->s.answer_n) ? messages_or_reason(t) : "bad_answer";
}

const char *read_problem(struct row *r)
{
	if (!take_turns(r, "prompt", "user", &r->s.prompt))
		return "bad_prompt";
	return take_text(r, "answer", &r->s.answer, &r->s.answer_n) ? messages_or_reason(&r->s.prompt) : "bad_answer";
}

const char *read_completion(struct row *r)
{
	if (!take_turns(r, "prompt", "user", &r->s.messages))
		return "bad_prompt";
	return take_turns(r, "completion", "assistant", &r->s.messages) ? messages_or_reason(&r->s.messages) : "bad_completion";
}

static const char *take_number(struct row *r, const char *name, double *v)
{
	const struct json *j = take(r, name);
	*v = NAN;
	if (j && j->type != JSON_INT && j->type != JSON_UINT && j->type != JSON_DOUBLE)
		return "bad_score";
	if (j)
		*v = j->number;
	return NULL;
}

const char *read_preference(struct row *r)
{
	struct sample *s = &r->s;
	bool instruction = find_need(r->request, r->object, "instruction") >= 0;
	bool prompted = true;
	if (find_need(r->request, r->object, "prompt") >= 0)
		prompted = take_turns(r, "prompt", "user", &s->prompt);
	else if (instruction)
		prompted = alpaca_prompt(r, &s->prompt);
	else if (find_need(r->request, r->object, "conversations") >= 0)
		prompted = take_turns(r, "conversations", "user", &s->prompt);
	if (!prompted)
		return "bad_prompt";
	if (!take_turns(r, "chosen|chosen_messages", "assistant", &s->chosen))
		return "bad_chosen";
	if (!take_turns(r, "rejected|rejected_messages", "assistant", &s->rejected))
		return "bad_rejected";
	turns_split_prompt(&s->prompt, &s->chosen, &s->rejected, &r->scratch->arena);
	if (!s->prompt.n || !s->chosen.n || !s->rejected.n)
		return "empty";
	const char *bad = take_number(r, "score_chosen", &s->score_chosen);
	bad = bad ? bad : take_number(r, "score_rejected", &s->score_rejected);
	return bad ? bad : take_number(r, "margin", &s->margin);
}

/* {"input": ..., "outputs": [{"response": ..., "score": ...}]}: the best against the worst, the first of equals. */
const char *read_score_list(struct row *r)
{
	struct sample *s = &r->s;
	const struct json *best = NULL, *worst = NULL;
	if (!take_turns(r, "input|prompt|instruction|question|query", "user", &s->prompt))
		return "bad_prompt";
	const struct json *list = take(r, "outputs|responses");
	if (!list || list->type != JSON_ARRAY)
		return "bad_outputs";
	for (size_t i = 0; i < list->len; i++) {
		const struct json *o = &list->items[i], *score = json_get(o, "score"), *text = json_get(o, "response");
		bool number = score && (score->type == JSON_INT || score->type == JSON_UINT || score->type == JSON_DOUBLE);
		if (!number || !text || text->type != JSON_STRING)
			return "bad_outputs";
		if (!best || score->number > s->score_chosen) {
			best = text;
			s->score_chosen = score->number;
		}
		if (!worst || score->number < s->score_rejected) {
			worst = text;
			s->score_rejected = score->number;
		}
	}
	if (!best || !messages_said(&s->prompt))
		return "empty";
	if (!(s->score_chosen > s->score_rejected))
		return "no_preference";
	s->margin = s->score_chosen - s->score_rejected;
	turn_push(&s->chosen, &r->scratch->arena, "assistant", best->str, best->len);
	turn_push(&s->rejected, &r->scratch->arena, "assistant", worst->str, worst->len);
	return NULL;
}

/* true and false, or 1 and 0. */
static bool is_label(const struct json *j)
{
	return j->type == JSON_BOOL || (j->type == JSON_INT && !(j->integer >> 1));
}

bool label_of(const struct json *j)
{
	return j->type == JSON_BOOL ? j->boolean : j->integer == 1;
}

const char *read_feedback(struct row *r)
{
	struct sample *s = &r->s;
	const struct json *label = take(r, LABEL);
	if (!label || !is_label(label))
		return "bad_label";
	s->label = label_of(label);
	if (find_need(r->request, r->object, "prompt") >= 0) {
		if (!take_turns(r, "prompt", "user", &s->prompt))
			return "bad_prompt";
		if (!take_turns(r, "completion", "assistant", &s->chosen))
			return "bad_completion";
	} else if (!take_turns(r, "messages", "user", &s->prompt)) {
		return "bad_messages";
	} else if (s->prompt.n) {
		turn_push(&s->chosen, &r->scratch->arena, "assistant", s->prompt.v[s->prompt.n - 1].text,
			  s->prompt.v[s->prompt.n - 1].n);
		s->prompt.n--;
	}
	if (!s->prompt.n || s->chosen.n != 1)
		return s->chosen.n > 1 ? "several_completions" : "empty";
	s->completion = s->chosen.v[0].text;
	s->completion_n = s->chosen.v[0].n;
	return NULL;
}

/* The steps of a solution and whether each is right, as TRL's data sets for process rewards have them. */
const char *read_stepwise(struct row *r)
{
	struct sample *s = &r->s;
	if (!take_turns(r, "prompt", "user", &s->prompt))
		return "bad_prompt";
	s->steps = take(r, "completions");
	s->labels = take(r, "labels");
	if (!s->steps || s->steps->type != JSON_ARRAY)
		return "bad_completions";
	if (!s->labels || s->labels->type != JSON_ARRAY)
		return "bad_label";
	if (s->steps->len != s->labels->len)
		return "label_count";
	for (size_t i = 0; i < s->steps->len; i++) {
		if (s->steps->items[i].type != JSON_STRING)
			return "bad_completions";
		if (!is_label(&s->labels->items[i]))
			return "bad_label";
	}
	return s->prompt.n && s->steps->len ? NULL : "empty";
}
