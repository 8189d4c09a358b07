/* Values out of data: JSON, and rows of Arrow columns. Strings point to where they lie, so data outlives the rendering. */
#include "token/jinja_priv.h"

#include "token/unicode.h"

static struct jv marked_string(const char *s, size_t n, enum jinja_mark mark)
{
	return (struct jv){.type = JV_STRING, .s = {.p = s, .m = mark ? jinja_all_data : NULL, .n = n}};
}

/* The roles that have a name in the field. They are no data even in a message: a template may make a special token of one
 * ('<|' + role + '|>'), and none of them can be used to smuggle another token in. */
static bool known_role(const char *s, size_t n)
{
	static const char *const roles[] = {"system", "user", "assistant", "tool", "function", "developer", "ipython", "observation", "model"};

	for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++)
		if (n == strlen(roles[i]) && !memcmp(s, roles[i], n))
			return true;
	return false;
}

struct jv jv_from_role(const char *s, size_t n)
{
	return marked_string(s, n, known_role(s, n) ? JINJA_TEMPLATE : JINJA_DATA);
}

/* --- JSON ---------------------------------------------------------------------------------------- */

static struct jv from_json(struct jrun *r, const struct json *j, enum jinja_mark mark)
{
	struct jv v;

	switch (j->type) {
	case JSON_NULL:
		return jv_none();
	case JSON_BOOL:
		return jv_bool(j->boolean);
	case JSON_INT:
		return jv_int(j->integer);
	case JSON_UINT:
	case JSON_DOUBLE:
		return jv_float(j->number);
	case JSON_STRING:
		return marked_string(j->str, j->len, mark);
	case JSON_ARRAY:
		v = jv_new_list(r, false);
		for (size_t i = 0; i < j->len; i++)
			jv_push(r, v, jv_from_json(r, &j->items[i], mark));
		return v;
	default:
		break;
	}
	v = jv_new_dict(r);
	for (size_t i = 0; i < j->len; i++) {
		const struct json *key = &j->keys[i], *item = &j->items[i];
		bool role = item->type == JSON_STRING && key->len == 4 && !memcmp(key->str, "role", 4);

		jv_put(r, v, marked_string(key->str, key->len, mark), role ? jv_from_role(item->str, item->len) : jv_from_json(r, item, mark));
	}
	return v;
}

struct jv jv_from_json(struct jrun *r, const struct json *j, enum jinja_mark mark)
{
	struct jv v;

	jenter(r);
	v = from_json(r, j, mark);
	jleave(r);
	return v;
}

/* --- Arrow ---------------------------------------------------------------------------------------- */

/* The room is taken before the buffer is filled: nothing is held when taking it fails. */
struct jv jv_from_text(struct jrun *r, const char *s, size_t n)
{
	struct buf clean = {0};
	char *p;

	if (utf8_valid_prefix(s, n) == n)
		return marked_string(s, n, JINJA_DATA);
	p = jalloc(r, n, 3);
	utf8_append_lossy(&clean, s, n);
	n = clean.len;
	memcpy(p, clean.data, n);
	buf_release(&clean);
	return marked_string(p, n, JINJA_DATA);
}

static struct jv from_struct(struct jrun *r, const struct array *a, int64_t row)
{
	struct jv v = jv_new_dict(r);

	for (int i = 0; i < a->field->n_children; i++)
		if (!array_is_null(&a->children[i], row))
			jv_put(r, v, jv_from_text(r, a->children[i].field->name, strlen(a->children[i].field->name)),
			       jv_from_array(r, &a->children[i], row));
	return v;
}

static struct jv from_list(struct jrun *r, const struct array *a, int64_t row)
{
	struct jv v = jv_new_list(r, false);
	int64_t from, to;

	array_list(a, row, &from, &to);
	for (int64_t i = from; i < to; i++)
		jv_push(r, v, jv_from_array(r, &a->children[0], i));
	return v;
}

static struct jv from_map(struct jrun *r, const struct array *a, int64_t row)
{
	const struct array *entries = &a->children[0];
	struct jv v = jv_new_dict(r);
	int64_t from, to;

	array_list(a, row, &from, &to);
	for (int64_t i = from; i < to; i++)
		jv_put(r, v, jv_from_array(r, &entries->children[0], i), jv_from_array(r, &entries->children[1], i));
	return v;
}

/* Times, decimals, bytes: as they are printed. */
static struct jv from_printed(struct jrun *r, const struct array *a, int64_t row)
{
	struct buf b = {0};
	size_t n = (size_t)a->field->width;
	char *p;

	if (a->field->type == T_BINARY || a->field->type == T_LARGE_BINARY)
		array_text(a, row, &n);
	p = jalloc(r, n + 64, 2);
	array_plain(a, row, &b);
	n = b.len;
	memcpy(p, b.data ? b.data : "", n);
	buf_release(&b);
	return marked_string(p, n, JINJA_DATA);
}

static struct jv from_array(struct jrun *r, const struct array *a, int64_t row)
{
	const char *s;
	size_t n;

	if (array_is_null(a, row))
		return jv_none();
	switch (a->field->type) {
	case T_NULL:
		return jv_none();
	case T_BOOL:
		return jv_bool(array_int(a, row) != 0);
	case T_INT8: case T_INT16: case T_INT32: case T_INT64: case T_UINT8: case T_UINT16: case T_UINT32:
		return jv_int(array_int(a, row));
	case T_UINT64: case T_FLOAT16: case T_FLOAT32: case T_FLOAT64:
		return jv_float(array_double(a, row));
	case T_UTF8: case T_LARGE_UTF8:
		s = array_text(a, row, &n);
		return jv_from_text(r, s, n);
	case T_LIST: case T_LARGE_LIST: case T_FIXED_LIST:
		return from_list(r, a, row);
	case T_STRUCT:
		return from_struct(r, a, row);
	case T_MAP:
		return from_map(r, a, row);
	default:
		return from_printed(r, a, row);
	}
}

struct jv jv_from_array(struct jrun *r, const struct array *a, int64_t row)
{
	struct jv v;

	jenter(r);
	jstep(r, 1);
	v = from_array(r, a, row);
	jleave(r);
	return v;
}
