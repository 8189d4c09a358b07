/* field.c - schemas: fields, their notation, metadata, comparison. */
#include "stream/layout.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const type_names[] = {
	"null", "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
	"float16", "float32", "float64", "utf8", "large_utf8", "binary", "large_binary",
	"list", "large_list", "fixed_size_list", "struct"
};
#define N_TYPES ((int)(sizeof(type_names) / sizeof(type_names[0])))

void field_release(struct field *f)
{
	for (int i = 0; i < f->n_children; i++)
		field_release(&f->children[i]);
	mem_free(f->children);
	mem_free(f->name);
	memset(f, 0, sizeof(*f));
}

void field_copy(struct field *to, const struct field *from)
{
	*to = *from;
	to->name = mem_strdup(from->name ? from->name : "");
	to->children = NULL;
	if (from->n_children > 0)
		to->children = mem_array((size_t)from->n_children, sizeof(*to->children));
	for (int i = 0; i < from->n_children; i++)
		field_copy(&to->children[i], &from->children[i]);
}

void schema_release(struct schema *s)
{
	for (int i = 0; i < s->n_fields; i++)
		field_release(&s->fields[i]);
	for (int i = 0; i < s->n_meta; i++) {
		mem_free(s->meta_keys[i]);
		mem_free(s->meta_values[i]);
	}
	mem_free(s->fields);
	mem_free(s->meta_keys);
	mem_free(s->meta_values);
	memset(s, 0, sizeof(*s));
}

void schema_copy(struct schema *to, const struct schema *from)
{
	memset(to, 0, sizeof(*to));
	for (int i = 0; i < from->n_fields; i++)
		schema_add(to, &from->fields[i]);
	for (int i = 0; i < from->n_meta; i++)
		schema_set_meta(to, from->meta_keys[i], from->meta_values[i]);
}

int schema_find(const struct schema *s, const char *name)
{
	for (int i = 0; i < s->n_fields; i++)
		if (strcmp(s->fields[i].name, name) == 0)
			return i;
	return -1;
}

/* Room for one more field; schemas are small, so it grows by one. */
static struct field *schema_push(struct schema *s)
{
	s->fields = mem_grow(s->fields, (size_t)s->n_fields + 1, sizeof(*s->fields));
	memset(&s->fields[s->n_fields], 0, sizeof(*s->fields));
	return &s->fields[s->n_fields++];
}

int schema_add(struct schema *s, const struct field *f)
{
	field_copy(schema_push(s), f);
	return s->n_fields - 1;
}

void schema_remove(struct schema *s, int i)
{
	field_release(&s->fields[i]);
	memmove(&s->fields[i], &s->fields[i + 1], (size_t)(s->n_fields - i - 1) * sizeof(*s->fields));
	s->n_fields--;
}

static int meta_find(const struct schema *s, const char *key)
{
	for (int i = 0; i < s->n_meta; i++)
		if (strcmp(s->meta_keys[i], key) == 0)
			return i;
	return -1;
}

const char *schema_meta(const struct schema *s, const char *key)
{
	int i = meta_find(s, key);

	return i < 0 ? NULL : s->meta_values[i];
}

void schema_set_meta(struct schema *s, const char *key, const char *value)
{
	int i = meta_find(s, key);

	if (i >= 0 && value) {
		char *copy = mem_strdup(value);      /* value may be the one it replaces */
		mem_free(s->meta_values[i]);
		s->meta_values[i] = copy;
	} else if (i >= 0) {
		size_t after = (size_t)(s->n_meta - i - 1) * sizeof(char *);
		mem_free(s->meta_keys[i]);
		mem_free(s->meta_values[i]);
		memmove(&s->meta_keys[i], &s->meta_keys[i + 1], after);
		memmove(&s->meta_values[i], &s->meta_values[i + 1], after);
		s->n_meta--;
	} else if (value) {
		s->meta_keys = mem_grow(s->meta_keys, (size_t)s->n_meta + 1, sizeof(char *));
		s->meta_values = mem_grow(s->meta_values, (size_t)s->n_meta + 1, sizeof(char *));
		s->meta_keys[s->n_meta] = mem_strdup(key);
		s->meta_values[s->n_meta++] = mem_strdup(value);
	}
}

/* --- the notation --------------------------------------------------------------------------
 * field = name ":" type ; type = NAME [ "<" type or fields ">" ] [ "[" size "]" ] [ "?" ] */
static void spec_bug(const char *spec, const char *at)
{
	fprintf(stderr, "bug: bad field notation '%s' at '%s'\n", spec, at);
	abort();
}

static const char *skip_space(const char *p)
{
	while (*p == ' ')
		p++;
	return p;
}

static const char *parse_field(const char *spec, const char *p, struct field *f);

static enum field_type parse_type_name(const char *spec, const char *p, size_t n)
{
	for (int t = 0; t < N_TYPES; t++)
		if (strlen(type_names[t]) == n && memcmp(type_names[t], p, n) == 0)
			return (enum field_type)t;
	spec_bug(spec, p);
	return T_NULL;
}

struct field *field_push_child(struct field *f)
{
	f->children = mem_grow(f->children, (size_t)f->n_children + 1, sizeof(*f->children));
	memset(&f->children[f->n_children], 0, sizeof(*f->children));
	return &f->children[f->n_children++];
}

static const char *parse_type(const char *spec, const char *p, struct field *f)
{
	p = skip_space(p);
	size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyz_0123456789");
	f->type = parse_type_name(spec, p, n);
	p += n;
	if (f->type == T_STRUCT) {
		if (*p++ != '<')
			spec_bug(spec, p - 1);
		while (*(p = skip_space(p)) != '>') {
			p = skip_space(parse_field(spec, p, field_push_child(f)));
			if (*p == ',')
				p++;
			else if (*p != '>')
				spec_bug(spec, p);
		}
		p++;
	} else if (f->type == T_LIST || f->type == T_LARGE_LIST || f->type == T_FIXED_LIST) {
		if (*p++ != '<')
			spec_bug(spec, p - 1);
		struct field *item = field_push_child(f);
		item->name = mem_strdup("item");
		p = skip_space(parse_type(spec, p, item));
		if (*p++ != '>')
			spec_bug(spec, p - 1);
	}
	if (f->type == T_FIXED_LIST) {
		char *end;
		if (*p != '[')
			spec_bug(spec, p);
		f->list_size = (int32_t)strtol(p + 1, &end, 10);
		if (*end != ']' || f->list_size < 0)
			spec_bug(spec, p);
		p = end + 1;
	}
	if (*p == '?') {
		f->nullable = true;
		p++;
	}
	return p;
}

static const char *parse_field(const char *spec, const char *p, struct field *f)
{
	const char *colon = strchr(p, ':');

	if (!colon)
		spec_bug(spec, p);
	f->name = mem_strndup(p, (size_t)(colon - p));
	return parse_type(spec, colon + 1, f);
}

int schema_add_spec(struct schema *s, const char *spec)
{
	const char *end = parse_field(spec, spec, schema_push(s));

	if (*end)
		spec_bug(spec, end);
	return s->n_fields - 1;
}

static void type_print(const struct field *f, struct buf *out)
{
	buf_str(out, type_names[f->type]);
	if (f->n_children > 0 || f->type == T_STRUCT) {
		buf_char(out, '<');
		for (int i = 0; i < f->n_children; i++) {
			if (i)
				buf_str(out, ", ");
			if (f->type == T_STRUCT)
				field_print(&f->children[i], out);
			else
				type_print(&f->children[i], out);
		}
		buf_char(out, '>');
	}
	if (f->type == T_FIXED_LIST)
		buf_printf(out, "[%d]", (int)f->list_size);
	if (f->nullable)
		buf_char(out, '?');
}

void field_print(const struct field *f, struct buf *out)
{
	buf_str(out, f->name);
	buf_str(out, ": ");
	type_print(f, out);
}

/* --- comparison ------------------------------------------------------------------------------ */
static bool is_list(enum field_type t)
{
	return t == T_LIST || t == T_LARGE_LIST || t == T_FIXED_LIST;
}

static bool type_equal(const struct field *a, const struct field *b)
{
	if (a->type != b->type || a->n_children != b->n_children)
		return false;
	if (a->type == T_FIXED_LIST && a->list_size != b->list_size)
		return false;
	for (int i = 0; i < a->n_children; i++) {
		/* A list's element name ("item", "element") says nothing. */
		bool same = is_list(a->type) ? type_equal(&a->children[i], &b->children[i])
					     : field_equal(&a->children[i], &b->children[i]);
		if (!same)
			return false;
	}
	return true;
}

bool field_equal(const struct field *a, const struct field *b)
{
	return strcmp(a->name, b->name) == 0 && type_equal(a, b);
}

bool schema_equal(const struct schema *a, const struct schema *b)
{
	if (a->n_fields != b->n_fields)
		return false;
	for (int i = 0; i < a->n_fields; i++)
		if (!field_equal(&a->fields[i], &b->fields[i]))
			return false;
	return true;
}

bool field_is_text(const struct field *f)
{
	return f->type == T_UTF8 || f->type == T_LARGE_UTF8;
}

bool field_is_list_of(const struct field *f, enum field_type t)
{
	return is_list(f->type) && f->n_children == 1 && f->children[0].type == t;
}

bool field_is_messages(const struct field *f)
{
	bool role = false, content = false;

	if (!field_is_list_of(f, T_STRUCT))
		return false;
	const struct field *m = &f->children[0];
	for (int i = 0; i < m->n_children; i++) {
		role |= strcmp(m->children[i].name, "role") == 0 && field_is_text(&m->children[i]);
		content |= strcmp(m->children[i].name, "content") == 0 && field_is_text(&m->children[i]);
	}
	return role && content;
}
