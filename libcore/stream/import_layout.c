/* import_layout.c - see import_layout.h. A row is first read into a struct sample, then appended whole, so that a bad row
 * leaves no half of itself in the columns. */
#include "stream/import_layout.h"
#include "stream/import_turns.h"

#include <math.h>

#define NEEDS_MAX 3

struct sample {
	const char *id, *text, *source, *answer, *completion;
	size_t id_n, text_n, source_n, answer_n, completion_n;
	struct turns messages, prompt, chosen, rejected;
	bool label;
	double score_chosen, score_rejected, margin;
};

struct row {
	const struct layout_request *request;
	const struct json *object;
	bool *used;                  /* fields that became columns */
	struct layout_scratch *scratch;
	struct sample s;
};

struct layout {
	const char *name;
	enum kind kinds[2];          /* the first is the default */
	const char *needs[NEEDS_MAX];
	const char *(*read)(struct row *r);
};

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
static int find_need(const struct layout_request *q, const struct json *o, const char *need)
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

static bool take_text(struct row *r, const char *need, const char **s, size_t *n)
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

static const char *read_text(struct row *r)
{
	if (!take_text(r, "text|content|raw_content|body", &r->s.text, &r->s.text_n))
		return "bad_text";
	take_text(r, "source|url", &r->s.source, &r->s.source_n);
	return r->s.text_n ? NULL : "empty";
}

static const char *messages_or_reason(struct turns *t)
{
	bool said = false;
	for (int i = 0; i < t->n; i++)
		said |= t->v[i].n > 0;
	return t->n == 0 || !said ? "empty" : NULL;
}

static const char *read_messages(struct row *r)
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

static const char *read_alpaca(struct row *r)
{
	if (!alpaca_prompt(r, &r->s.messages))
		return "bad_instruction";
	if (!add_text_turn(r, "assistant", "output", &r->s.messages))
		return "bad_output";
	return messages_or_reason(&r->s.messages);
}

#define QUESTION "question|problem|query|input"
#define ANSWER "answer|solution|response|target"

static const char *read_qa(struct row *r)
{
	struct turns *t = r->request->kind == KIND_CHAT ? &r->s.messages : &r->s.prompt;
	if (!add_text_turn(r, "user", QUESTION, t))
		return "bad_question";
	if (r->request->kind == KIND_CHAT)
		return add_text_turn(r, "assistant", ANSWER, t) ? messages_or_reason(t) : "bad_answer";
	return take_text(r, ANSWER, &r->s.answer, &r->s.answer_n) ? messages_or_reason(t) : "bad_answer";
}

static const char *read_problem(struct row *r)
{
	if (!take_turns(r, "prompt", "user", &r->s.prompt))
		return "bad_prompt";
	return take_text(r, "answer", &r->s.answer, &r->s.answer_n) ? messages_or_reason(&r->s.prompt) : "bad_answer";
}

static const char *read_completion(struct row *r)
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

static const char *read_preference(struct row *r)
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

static const char *read_feedback(struct row *r)
{
	struct sample *s = &r->s;
	const struct json *label = take(r, "label");
	if (!label || (label->type != JSON_BOOL && label->type != JSON_INT) || (label->type == JSON_INT && label->integer >> 1))
		return "bad_label";
	s->label = label->type == JSON_BOOL ? label->boolean : label->integer == 1;
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

static const struct layout layouts[] = {
	{ "text", { KIND_DOCUMENTS }, { "text|content|raw_content|body" }, read_text },
	{ "messages", { KIND_CHAT }, { "messages" }, read_messages },
	{ "sharegpt", { KIND_CHAT }, { "conversations|conversation" }, read_messages },
	{ "alpaca", { KIND_CHAT }, { "instruction", "output" }, read_alpaca },
	{ "qa", { KIND_PROBLEMS, KIND_CHAT }, { QUESTION, ANSWER }, read_qa },
	{ "problem", { KIND_PROBLEMS }, { "prompt", "answer" }, read_problem },
	{ "prompt-completion", { KIND_CHAT }, { "prompt", "completion" }, read_completion },
	{ "preference", { KIND_PREFERENCES }, { "prompt", "chosen", "rejected" }, read_preference },
	{ "preference-implicit", { KIND_PREFERENCES }, { "chosen", "rejected" }, read_preference },
	{ "preference-messages", { KIND_PREFERENCES }, { "chosen_messages", "rejected_messages" }, read_preference },
	{ "preference-sharegpt", { KIND_PREFERENCES }, { "conversations|conversation", "chosen", "rejected" }, read_preference },
	{ "preference-alpaca", { KIND_PREFERENCES }, { "instruction", "chosen", "rejected" }, read_preference },
	{ "kto", { KIND_FEEDBACK }, { "prompt", "completion", "label" }, read_feedback },
	{ "kto-messages", { KIND_FEEDBACK }, { "messages", "label" }, read_feedback },
};
#define N_LAYOUTS ((int)(sizeof(layouts) / sizeof(layouts[0])))

const struct layout *layout_find(const char *name)
{
	for (int i = 0; i < N_LAYOUTS; i++)
		if (strcmp(layouts[i].name, name) == 0)
			return &layouts[i];
	return NULL;
}

const char *layout_name(const struct layout *l)
{
	return l->name;
}

void layout_names(struct buf *out)
{
	for (int i = 0; i < N_LAYOUTS; i++)
		buf_printf(out, "%s%s", i ? ", " : "", layouts[i].name);
}

/* --- guessing ------------------------------------------------------------------------------- */

static bool can_make(const struct layout *l, enum kind k)
{
	return k == KIND_OTHER || l->kinds[0] == k || l->kinds[1] == k;
}

static bool fits(const struct layout *l, const struct layout_request *r, const struct json *row)
{
	for (int i = 0; i < NEEDS_MAX && l->needs[i]; i++)
		if (find_need(r, row, l->needs[i]) < 0)
			return false;
	return can_make(l, r->kind);
}

static bool needs(const struct layout *l, const char *need)
{
	for (int i = 0; i < NEEDS_MAX && l->needs[i]; i++)
		if (strcmp(l->needs[i], need) == 0)
			return true;
	return false;
}

/* a's needs are some of b's. */
static bool contained(const struct layout *a, const struct layout *b)
{
	for (int i = 0; i < NEEDS_MAX && a->needs[i]; i++)
		if (!needs(b, a->needs[i]))
			return false;
	return a != b;
}

static enum status no_layout(const struct layout_request *r, const struct json *row, struct error *err)
{
	struct buf b = {0};
	for (size_t i = 0; i < row->len && i < 16; i++)
		buf_printf(&b, "%s%.40s", i ? ", " : "", row->keys[i].str);
	enum status st = error_set(err, ERR_DATA, "no layout%s%s has the fields %s; rename some with --map TO=FROM",
				   r->kind == KIND_OTHER ? "" : " of ", r->kind == KIND_OTHER ? "" : kind_name(r->kind),
				   b.len ? b.data : "(none)");
	buf_release(&b);
	return st;
}

enum status layout_guess(struct layout_request *r, const struct json *row, struct error *err)
{
	const struct layout *found[N_LAYOUTS];
	int n = 0, left = 0;
	for (int i = 0; i < N_LAYOUTS && !r->layout; i++)
		if (fits(&layouts[i], r, row))
			found[n++] = &layouts[i];
	struct buf names = {0};
	for (int i = 0; i < n; i++) {
		bool drop = false;
		for (int k = 0; k < n; k++)
			drop |= contained(found[i], found[k]);
		if (drop)
			continue;
		r->layout = found[i];
		buf_printf(&names, "%s%s", left++ ? " or " : "", found[i]->name);
	}
	enum status st = OK;
	if (left > 1)
		st = error_set(err, ERR_DATA, "ambiguous fields: the layout may be %s; say which with --layout", names.data);
	else if (!r->layout)
		st = no_layout(r, row, err);
	else if (!can_make(r->layout, r->kind))
		st = error_set(err, ERR_USAGE, "layout %s cannot become %s", r->layout->name, kind_name(r->kind));
	else if (r->kind == KIND_OTHER)
		r->kind = r->layout->kinds[0];
	buf_release(&names);
	return st;
}

/* --- rows ------------------------------------------------------------------------------------ */

void layout_schema(enum kind k, struct schema *out)
{
	kind_schema(k, k != KIND_PREFERENCES, 0, out);
	if (k == KIND_PREFERENCES) {
		schema_add_spec(out, "score_chosen: float32?");
		schema_add_spec(out, "score_rejected: float32?");
		schema_add_spec(out, "margin: float32?");
	}
	if (schema_find(out, "meta") < 0)
		schema_add_spec(out, "meta: utf8?");
}

void layout_scratch_release(struct layout_scratch *s)
{
	arena_release(&s->arena);
	buf_release(&s->meta);
	buf_release(&s->text);
}

/* The unused fields as an object; the members of an object named meta stand among them. */
static void write_meta(struct row *r)
{
	struct json_writer w = json_writer_open(&r->scratch->meta, 0);
	const struct json *o = r->object;
	bool any = false;
	buf_clear(&r->scratch->meta);
	json_begin_object(&w);
	for (size_t i = 0; i < o->len; i++) {
		const struct json *v = &o->items[i];
		bool spread = strcmp(o->keys[i].str, "meta") == 0 && v->type == JSON_OBJECT;
		if (r->used[i] || v->type == JSON_NULL)
			continue;
		any = true;
		for (size_t k = 0; spread && k < v->len; k++) {
			json_key_n(&w, v->keys[k].str, v->keys[k].len);
			json_value(&w, &v->items[k]);
		}
		if (spread)
			continue;
		json_key_n(&w, o->keys[i].str, o->keys[i].len);
		json_value(&w, v);
	}
	json_end_object(&w);
	if (!any)
		buf_clear(&r->scratch->meta);
}

static void put_number(struct column *c, double v)
{
	if (isnan(v))
		column_null(c);
	else
		column_double(c, v);
}

static void append(struct row *r, struct builder *b)
{
	struct sample *s = &r->s;
	int i = 0;
	column_text(builder_column(b, i++), s->id, s->id_n);
	switch (r->request->kind) {
	case KIND_DOCUMENTS:
		column_text(builder_column(b, i++), s->text, s->text_n);
		if (s->source)
			column_text(builder_column(b, i++), s->source, s->source_n);
		else
			column_null(builder_column(b, i++));
		break;
	case KIND_CHAT:
		turns_column(&s->messages, builder_column(b, i++));
		break;
	case KIND_PROBLEMS:
		turns_column(&s->prompt, builder_column(b, i++));
		column_text(builder_column(b, i++), s->answer, s->answer_n);
		break;
	case KIND_PREFERENCES:
		turns_column(&s->prompt, builder_column(b, i++));
		turns_column(&s->chosen, builder_column(b, i++));
		turns_column(&s->rejected, builder_column(b, i++));
		put_number(builder_column(b, i++), s->score_chosen);
		put_number(builder_column(b, i++), s->score_rejected);
		put_number(builder_column(b, i++), s->margin);
		break;
	default:                             /* feedback */
		turns_column(&s->prompt, builder_column(b, i++));
		column_text(builder_column(b, i++), s->completion, s->completion_n);
		column_int(builder_column(b, i++), s->label);
	}
	if (r->scratch->meta.len)
		column_text(builder_column(b, i), r->scratch->meta.data, r->scratch->meta.len);
	else
		column_null(builder_column(b, i));
}

const char *layout_row(const struct layout_request *q, const struct json *object, const char *id, const char *source,
		       struct layout_scratch *scratch, struct builder *b)
{
	arena_reset(&scratch->arena);
	struct row r = { .request = q, .object = object, .scratch = scratch };
	r.used = arena_alloc(&scratch->arena, object->len + 1);
	memset(r.used, 0, object->len + 1);
	for (int i = 0; i < NEEDS_MAX && q->layout->needs[i]; i++)
		if (find_need(q, object, q->layout->needs[i]) < 0)
			return "missing_field";
	const char *reason = q->layout->read(&r);
	if (reason)
		return reason;
	if (!take_text(&r, "id", &r.s.id, &r.s.id_n)) {
		r.s.id = id;
		r.s.id_n = strlen(id);
	}
	if (!r.s.source && source) {
		r.s.source = source;
		r.s.source_n = strlen(source);
	}
	write_meta(&r);
	append(&r, b);
	return NULL;
}
