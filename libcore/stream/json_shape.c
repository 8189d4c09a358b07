/* json_shape.c - what values the fields of JSON rows hold, and the column types that follow. */
#include "stream/json_text.h"
#include "stream/layout.h"

#include <string.h>

#define MEMBERS_MAX 1000                         /* more are a map, not a struct */
#define SHAPE_DEPTH_MAX 48
#define MESSAGES "list<struct<role: utf8, content: utf8>>"

enum {
	SEEN_NULL = 1 << JSON_NULL, SEEN_BOOL = 1 << JSON_BOOL, SEEN_INT = 1 << JSON_INT, SEEN_UINT = 1 << JSON_UINT,
	SEEN_DOUBLE = 1 << JSON_DOUBLE, SEEN_STRING = 1 << JSON_STRING, SEEN_ARRAY = 1 << JSON_ARRAY,
	SEEN_OBJECT = 1 << JSON_OBJECT,
	SEEN_NUMBER = SEEN_INT | SEEN_UINT | SEEN_DOUBLE
};

struct json_shape {
	char *name;
	int seen;
	bool negative;
	int64_t values, objects;                 /* times seen; objects among them */
	int64_t mixed_line;                      /* where a second sort of value came first; 0 = nowhere */
	int mixed_with;                          /* what stood there before */
	int mixed_type;
	int n_members, cap_members;
	struct json_shape *members;              /* of objects */
	struct json_shape *item;
};

struct json_shape *json_shape_open(void)
{
	return mem_zalloc(sizeof(struct json_shape));
}

static void shape_release(struct json_shape *s)
{
	for (int i = 0; i < s->n_members; i++)
		shape_release(&s->members[i]);
	if (s->item)
		json_shape_close(s->item);
	mem_free(s->members);
	mem_free(s->name);
}

void json_shape_close(struct json_shape *s)
{
	if (!s)
		return;
	shape_release(s);
	mem_free(s);
}

/* --- seeing ------------------------------------------------------------------------------------- */
static struct json_shape *find_member(const struct json_shape *s, const char *name)
{
	for (int i = 0; i < s->n_members; i++)
		if (strcmp(s->members[i].name, name) == 0)
			return &s->members[i];
	return NULL;
}

static enum status see(struct json_shape *s, const struct json *v, int64_t line, int depth, struct error *err);

static enum status see_members(struct json_shape *s, const struct json *v, int64_t line, int depth, struct error *err)
{
	s->objects++;
	for (size_t i = 0; i < v->len; i++) {
		const char *name = v->keys[i].str;
		/* rows keep their order, so the same index is the first guess */
		struct json_shape *m = i < (size_t)s->n_members && strcmp(s->members[i].name, name) == 0
				       ? &s->members[i] : find_member(s, name);
		if (v->keys[i].len != strlen(name))
			return error_set(err, ERR_DATA, "line %lld: a field name holds a NUL", (long long)line);
		if (!m) {
			if (s->n_members == MEMBERS_MAX)
				return error_set(err, ERR_DATA, "line %lld: field '%s' has more than %d members", (long long)line,
						 s->name ? s->name : "", MEMBERS_MAX);
			MEM_PUSH_ROOM(s->members, s->n_members, s->cap_members);
			m = &s->members[s->n_members++];
			memset(m, 0, sizeof(*m));
			m->name = mem_strdup(name);
		}
		if (m->values > 0 && json_get(v, name) != &v->items[i])
			continue;                        /* a duplicate key: the first counts */
		TRY(see(m, &v->items[i], line, depth + 1, err));
	}
	return OK;
}

static int sort_of(int seen)
{
	return seen & SEEN_NUMBER ? SEEN_NUMBER : seen & ~SEEN_NULL;
}

static enum status see(struct json_shape *s, const struct json *v, int64_t line, int depth, struct error *err)
{
	int seen = 1 << v->type;

	if (depth > SHAPE_DEPTH_MAX)
		return error_set(err, ERR_DATA, "line %lld: nested deeper than %d", (long long)line, SHAPE_DEPTH_MAX);
	if (!s->mixed_line && sort_of(s->seen) && sort_of(seen) && sort_of(s->seen) != sort_of(seen)) {
		s->mixed_line = line;
		s->mixed_with = s->seen;
		s->mixed_type = seen;
	}
	s->seen |= seen;
	s->values++;
	s->negative |= v->type == JSON_INT && v->integer < 0;
	/* what becomes text as a whole is not looked into */
	if (depth == 1 && s->name && json_as_text(s->name) == AS_TEXT_ANYTHING)
		return OK;
	if (v->type == JSON_OBJECT)
		return see_members(s, v, line, depth, err);
	if (v->type == JSON_ARRAY) {
		if (!s->item) {
			s->item = json_shape_open();
			s->item->name = mem_strdup(s->name ? s->name : "");
		}
		for (size_t i = 0; i < v->len; i++)
			TRY(see(s->item, &v->items[i], line, depth + 1, err));
	}
	return OK;
}

enum status json_shape_add(struct json_shape *s, const struct json *row, int64_t line, struct error *err)
{
	if (row->type != JSON_OBJECT)
		return error_set(err, ERR_DATA, "line %lld: expected an object", (long long)line);
	return see(s, row, line, 0, err);
}

/* --- our names ---------------------------------------------------------------------------------- */
static const char *const known_fields[] = {
	"id: utf8", "text: large_utf8", "source: utf8?", "meta: utf8?", "messages: " MESSAGES, "prompt: " MESSAGES,
	"prompt: utf8", "answer: utf8?", "chosen: " MESSAGES, "rejected: " MESSAGES, "completion: utf8", "label: bool",
	"input_ids: list<int32>", "loss_mask: list<int8>?", "prompt_ids: list<int32>", "chosen_ids: list<int32>",
	"rejected_ids: list<int32>", "labels: list<int32>", "seq_lengths: list<int32>", "sample: int32",
	"completion_ids: list<int32>", "logprob: float32", "finish: utf8", "score: float32", "verdict: utf8?",
	"score_chosen: float32?", "score_rejected: float32?", "margin: float32?", "ref_chosen_logp: float32?",
	"ref_rejected_logp: float32?", "reason: utf8?", "tools: utf8?"
};

enum json_as_text json_as_text(const char *name)
{
	if (strcmp(name, "meta") == 0 || strcmp(name, "tools") == 0) /* tools: no two rows have the same parameters */
		return AS_TEXT_ANYTHING;
	if (strcmp(name, "id") == 0 || strcmp(name, "answer") == 0 || strcmp(name, "source") == 0)
		return AS_TEXT_NUMBERS;
	return AS_TEXT_NEVER;
}

/* --- from shapes to types ------------------------------------------------------------------------- */
static bool only(const struct json_shape *s, int allowed)
{
	return (s->seen & ~(allowed | SEEN_NULL)) == 0;
}

/* Whether all values seen go into a column of this type. */
static bool fits(const struct field *f, const struct json_shape *s, bool top)
{
	enum json_as_text as = top ? json_as_text(f->name) : AS_TEXT_NEVER;

	switch (f->type) {
	case T_NULL: return only(s, 0);
	case T_BOOL: return only(s, SEEN_BOOL);
	case T_FLOAT16: case T_FLOAT32: case T_FLOAT64: return only(s, SEEN_NUMBER);
	case T_UTF8: case T_LARGE_UTF8:
		return as == AS_TEXT_ANYTHING || only(s, as == AS_TEXT_NUMBERS ? SEEN_STRING | SEEN_NUMBER : SEEN_STRING);
	case T_BINARY: case T_LARGE_BINARY: return only(s, SEEN_STRING);
	case T_LIST: case T_LARGE_LIST: case T_FIXED_LIST:
		return only(s, SEEN_ARRAY) && (!s->item || fits(&f->children[0], s->item, false));
	case T_STRUCT:
		if (!only(s, SEEN_OBJECT))
			return false;
		for (int i = 0; i < f->n_children && s->objects > 0; i++) {
			const struct json_shape *m = find_member(s, f->children[i].name);
			if (!m ? !f->children[i].nullable : !fits(&f->children[i], m, false))
				return false;
		}
		return true;
	default: return only(s, SEEN_INT | (f->type == T_UINT64 ? SEEN_UINT : 0));
	}
}

static enum status infer(const struct json_shape *s, struct field *out, struct error *err);

/* A known type, with null allowed where it was seen and members that it does not know. */
static enum status widen(const struct field *known, const struct json_shape *s, int64_t of, struct field *out, struct error *err)
{
	struct field bare = *known;

	bare.n_children = 0;
	bare.children = NULL;
	field_copy(out, &bare);
	out->nullable |= (s->seen & SEEN_NULL) || s->values < of;
	static const struct json_shape nothing;
	for (int i = 0; i < known->n_children; i++) {
		const struct json_shape *m = known->type == T_STRUCT ? find_member(s, known->children[i].name) : s->item;
		int64_t times = known->type == T_STRUCT ? s->objects : 0;
		TRY(widen(&known->children[i], m ? m : &nothing, m ? times : 0, field_push_child(out), err));
	}
	for (int i = 0; known->type == T_STRUCT && i < s->n_members; i++) {
		bool there = false;
		for (int k = 0; k < known->n_children; k++)
			there |= strcmp(known->children[k].name, s->members[i].name) == 0;
		if (!there)
			TRY(infer(&s->members[i], field_push_child(out), err));
	}
	return OK;
}

static const char *sort_name(int seen)
{
	if (seen & SEEN_NUMBER)
		return "a number";
	if (seen & SEEN_BOOL)
		return "a boolean";
	if (seen & SEEN_STRING)
		return "a string";
	return seen & SEEN_ARRAY ? "an array" : "an object";
}

static enum status infer(const struct json_shape *s, struct field *out, struct error *err)
{
	out->name = mem_strdup(s->name ? s->name : "");
	out->nullable = true;
	if (s->mixed_line)
		return error_set(err, ERR_DATA, "line %lld: field '%s' is %s, before that it was %s", (long long)s->mixed_line,
				 out->name, sort_name(s->mixed_type), sort_name(s->mixed_with));
	if (s->seen & SEEN_OBJECT) {
		out->type = T_STRUCT;
		for (int i = 0; i < s->n_members; i++)
			TRY(infer(&s->members[i], field_push_child(out), err));
	} else if (s->seen & SEEN_ARRAY) {
		static const struct json_shape nothing;
		out->type = T_LIST;
		struct field *item = field_push_child(out);
		TRY(infer(s->item ? s->item : &nothing, item, err));
		mem_free(item->name);
		item->name = mem_strdup("item");
	} else if (s->seen & SEEN_NUMBER) {
		bool fraction = (s->seen & SEEN_DOUBLE) || ((s->seen & SEEN_UINT) && s->negative);
		out->type = fraction ? T_FLOAT64 : s->seen & SEEN_UINT ? T_UINT64 : T_INT64;
	} else {
		out->type = s->seen & SEEN_BOOL ? T_BOOL : T_UTF8;
	}
	return OK;
}

/* The known type for a top-level field, if its values fit one. */
static bool known_field(const struct json_shape *m, struct schema *found)
{
	memset(found, 0, sizeof(*found));
	if (strncmp(m->name, "reward_", 7) == 0) {
		char *spec = mem_printf("reward: float32?");
		schema_add_spec(found, spec);
		mem_free(spec);
		mem_free(found->fields[0].name);
		found->fields[0].name = mem_strdup(m->name);
		if (fits(&found->fields[0], m, true))
			return true;
		schema_release(found);
	}
	for (size_t i = 0; i < sizeof(known_fields) / sizeof(known_fields[0]); i++) {
		size_t n = strlen(m->name);
		if (strncmp(known_fields[i], m->name, n) != 0 || known_fields[i][n] != ':')
			continue;
		schema_add_spec(found, known_fields[i]);
		if (fits(&found->fields[0], m, true))
			return true;
		schema_release(found);
	}
	return false;
}

enum status json_shape_schema(const struct json_shape *s, const struct schema *types, bool plain, struct schema *out, struct error *err)
{
	memset(out, 0, sizeof(*out));
	for (int i = 0; i < s->n_members; i++) {
		const struct json_shape *m = &s->members[i];
		struct field f = {0};
		struct schema known = {0};
		int given = types ? schema_find(types, m->name) : -1;
		enum status st;
		if (given >= 0)
			st = widen(&types->fields[given], m, s->objects, &f, err);
		else if (!plain && known_field(m, &known))
			st = widen(&known.fields[0], m, s->objects, &f, err);
		else
			st = infer(m, &f, err);
		if (st == OK)
			schema_add(out, &f);
		field_release(&f);
		schema_release(&known);
		if (st != OK) {
			schema_release(out);
			return st;
		}
	}
	return OK;
}
