/* import_layout.c - see import_layout.h. A row is first read into a struct sample, then appended whole, so that a bad row
 * leaves no half of itself in the columns. */
#include "stream/import_readers.h"

#include <math.h>

#define NEEDS_MAX 3

struct layout {
	const char *name;
	enum kind kinds[2];          /* the first is the default */
	const char *needs[NEEDS_MAX];
	layout_reader *read;
};

static const struct layout layouts[] = {
	{ "text", { KIND_DOCUMENTS }, { "text|content|raw_content|body" }, read_text },
	{ "facts", { KIND_DOCUMENTS }, { "entity", "facts" }, read_facts },
	{ "messages", { KIND_CHAT }, { "messages" }, read_messages },
	{ "sharegpt", { KIND_CHAT }, { "conversations|conversation" }, read_messages },
	{ "alpaca", { KIND_CHAT }, { "instruction", "output" }, read_alpaca },
	{ "query-response", { KIND_CHAT }, { "query", "response" }, read_query },
	{ "qa", { KIND_PROBLEMS, KIND_CHAT }, { QUESTION, ANSWER }, read_qa },
	{ "problem", { KIND_PROBLEMS }, { "prompt", "answer" }, read_problem },
	{ "prompt-completion", { KIND_CHAT }, { "prompt", "completion" }, read_completion },
	{ "preference", { KIND_PREFERENCES }, { "prompt", "chosen", "rejected" }, read_preference },
	{ "preference-implicit", { KIND_PREFERENCES }, { "chosen", "rejected" }, read_preference },
	{ "preference-messages", { KIND_PREFERENCES }, { "chosen_messages", "rejected_messages" }, read_preference },
	{ "preference-sharegpt", { KIND_PREFERENCES }, { "conversations|conversation", "chosen", "rejected" }, read_preference },
	{ "preference-alpaca", { KIND_PREFERENCES }, { "instruction", "chosen", "rejected" }, read_preference },
	{ "score-list", { KIND_PREFERENCES }, { "input|prompt|instruction|question|query", "outputs|responses" }, read_score_list },
	{ "kto", { KIND_FEEDBACK }, { "prompt", "completion", LABEL }, read_feedback },
	{ "kto-messages", { KIND_FEEDBACK }, { "messages", LABEL }, read_feedback },
	{ "stepwise", { KIND_STEPWISE }, { "prompt", "completions", "labels" }, read_stepwise },
};
#define N_LAYOUTS ((int)(sizeof(layouts) / sizeof(layouts[0])))

/* Whether each of the fields "a|b" is one of those of wide. */
static bool within(const char *narrow, const char *wide)
{
	for (;;) {
		size_t n = strcspn(narrow, "|");
		const char *w = wide;
		while (strcspn(w, "|") != n || memcmp(w, narrow, n) != 0) {
			w += strcspn(w, "|");
			if (!*w++)
				return false;
		}
		if (!narrow[n])
			return true;
		narrow += n + 1;
	}
}

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

bool layout_reads(const char *field)
{
	for (int i = 0; i < N_LAYOUTS; i++)
		for (int k = 0; k < NEEDS_MAX && layouts[i].needs[k]; k++)
			if (*field && within(field, layouts[i].needs[k]))
				return true;
	return false;
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
		if (within(l->needs[i], need))
			return true;
	return false;
}

/* Each of a's needs is met by one of b's, which asks for as much or more. */
static bool contained(const struct layout *a, const struct layout *b)
{
	for (int i = 0; i < NEEDS_MAX && a->needs[i]; i++)
		if (!needs(b, a->needs[i]))
			return false;
	return a != b;
}

/* "NAME (FIELD, FIELD)", of fields that may be either the first. */
static void print_needs(const struct layout *l, int before, struct buf *b)
{
	buf_printf(b, "%s%s (", before ? ", " : "", l->name);
	for (int i = 0; i < NEEDS_MAX && l->needs[i]; i++)
		buf_printf(b, "%s%.*s", i ? ", " : "", (int)strcspn(l->needs[i], "|"), l->needs[i]);
	buf_char(b, ')');
}

static enum status no_layout(const struct layout_request *r, const struct json *row, struct error *err)
{
	struct buf b = {0};
	for (size_t i = 0; i < row->len && i < 16; i++)
		buf_printf(&b, "%s%.40s", i ? ", " : "", row->keys[i].str);
	if (row->len > 16)
		buf_printf(&b, " and %zu more", row->len - 16);
	buf_printf(&b, "%s; the layouts%s%s are ", b.len ? "" : "(none)", r->kind == KIND_OTHER ? "" : " of ",
		   r->kind == KIND_OTHER ? "" : kind_name(r->kind));
	for (int i = 0, n = 0; i < N_LAYOUTS; i++)
		if (can_make(&layouts[i], r->kind))
			print_needs(&layouts[i], n++, &b);
	enum status st = error_set(err, ERR_DATA, "no layout has the fields %s; rename fields with --map TO=FROM", b.data);
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
	buf_release(&s->joined);
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

static void put_steps(const struct sample *s, struct column *steps, struct column *labels)
{
	for (size_t i = 0; i < s->steps->len; i++) {
		column_text(column_child(steps, 0), s->steps->items[i].str, s->steps->items[i].len);
		column_int(column_child(labels, 0), label_of(&s->labels->items[i]));
	}
	column_end_list(steps);
	column_end_list(labels);
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
	case KIND_STEPWISE:
		turns_column(&s->prompt, builder_column(b, i++));
		put_steps(s, builder_column(b, i), builder_column(b, i + 1));
		i += 2;
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

/* A field tools with something in it, or with JSON as text that has. */
static bool offers_tools(const struct json *object)
{
	const struct json *tools = json_get(object, "tools");

	return tools && ((tools->type == JSON_ARRAY && tools->len) || (tools->type == JSON_STRING && tools->len > strlen("[]")));
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
	scratch->tools += q->kind != KIND_DOCUMENTS && (r.tools || offers_tools(object));
	scratch->media += r.media;
	write_meta(&r);
	append(&r, b);
	return NULL;
}
