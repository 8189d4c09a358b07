/* field.c - schemas: fields, metadata, comparison. */
#include "stream/layout.h"

#include <string.h>

void field_release(struct field *f)
{
	for (int i = 0; i < f->n_children; i++)
		field_release(&f->children[i]);
	for (int i = 0; i < f->n_meta; i++) {
		mem_free(f->meta[i].key);
		mem_free(f->meta[i].value);
	}
	mem_free(f->children);
	mem_free(f->meta);
	mem_free(f->timezone);
	mem_free(f->name);
	memset(f, 0, sizeof(*f));
}

void field_add_meta(struct field *f, const char *key, size_t key_bytes, const char *value, size_t value_bytes)
{
	f->meta = mem_grow(f->meta, (size_t)f->n_meta + 1, sizeof(*f->meta));
	f->meta[f->n_meta++] = (struct field_meta){ mem_strndup(key, key_bytes), mem_strndup(value, value_bytes), key_bytes, value_bytes };
}

void field_copy(struct field *to, const struct field *from)
{
	*to = *from;
	to->name = mem_strdup(from->name ? from->name : "");
	to->timezone = from->timezone ? mem_strdup(from->timezone) : NULL;
	to->meta = NULL;
	to->n_meta = 0;
	for (int i = 0; i < from->n_meta; i++) {
		const struct field_meta *m = &from->meta[i];
		field_add_meta(to, m->key, m->key_bytes, m->value, m->value_bytes);
	}
	to->children = NULL;
	if (from->n_children > 0)
		to->children = mem_array((size_t)from->n_children, sizeof(*to->children));
	for (int i = 0; i < from->n_children; i++)
		field_copy(&to->children[i], &from->children[i]);
}

struct field *field_push_child(struct field *f)
{
	f->children = mem_grow(f->children, (size_t)f->n_children + 1, sizeof(*f->children));
	memset(&f->children[f->n_children], 0, sizeof(*f->children));
	return &f->children[f->n_children++];
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

/* --- comparison ------------------------------------------------------------------------------ */
static bool is_list(enum field_type t)
{
	return t == T_LIST || t == T_LARGE_LIST || t == T_FIXED_LIST;
}

/* What stands in the brackets of the notation; unused members are zero. */
static bool parameters_equal(const struct field *a, const struct field *b)
{
	const char *zone_a = a->timezone ? a->timezone : "", *zone_b = b->timezone ? b->timezone : "";

	return a->list_size == b->list_size && a->width == b->width && a->unit == b->unit && a->precision == b->precision &&
	       a->scale == b->scale && a->keys_sorted == b->keys_sorted && strcmp(zone_a, zone_b) == 0;
}

/* Names of children count, but those of a list's element ("item", "element") and of a map's entries say nothing. */
static bool types_equal(const struct field *a, const struct field *b, bool child_names)
{
	if (a->type != b->type || a->n_children != b->n_children || !parameters_equal(a, b))
		return false;
	for (int i = 0; i < a->n_children; i++) {
		const struct field *ca = &a->children[i], *cb = &b->children[i];
		if (a->type == T_STRUCT && child_names && strcmp(ca->name, cb->name) != 0)
			return false;
		if (!types_equal(ca, cb, a->type != T_MAP))
			return false;
	}
	return true;
}

bool field_type_equal(const struct field *a, const struct field *b)
{
	return types_equal(a, b, true);
}

bool field_equal(const struct field *a, const struct field *b)
{
	return strcmp(a->name, b->name) == 0 && field_type_equal(a, b);
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
