#include "token/jinja_priv.h"

#include <math.h>
#include <stdio.h>

#include "token/unicode.h"

static const char *dialect_name(enum jinja_dialect d)
{
	return d == JINJA_CHAT ? "chat template" : "template";
}

enum status jinja_compile(struct jinja **out, const char *text, size_t n, enum jinja_dialect d, struct error *err)
{
	struct jinja *t = mem_zalloc(sizeof(*t));
	struct jrun r = {.arena = &t->arena, .err = err, .dialect = d};

	t->dialect = d;

	unicode_init();
	if (utf8_valid_prefix(text, n) < n) {
		jinja_free(t);
		return error_set(err, ERR_DATA, "the %s is not UTF-8", dialect_name(d));
	}
	if (setjmp(r.leave)) {
		enum status st = r.status;

		jinja_free(t);
		return error_prefix(err, st, "%s", dialect_name(d));
	}
	t->root = jinja_parse(&r, jinja_lex(&r, text, n), &t->generation);
	*out = t;
	return OK;
}

void jinja_free(struct jinja *t)
{
	if (!t)
		return;
	arena_release(&t->arena);
	mem_free(t);
}

bool jinja_has_generation(const struct jinja *t)
{
	return t->generation;
}

enum status jinja_run(const struct jinja *t, jinja_fill *fill, const void *arg, struct arena *arena, struct jtext *out, struct error *err)
{
	struct jscope globals = {0};
	struct jrun r = {.arena = arena, .err = err, .out = out, .scope = &globals, .globals = &globals,
			 .dialect = t->dialect};

	*out = (struct jtext){0};
	if (setjmp(r.leave))
		return error_prefix(err, r.status, "%s", dialect_name(t->dialect));
	fill(&r, arg);
	jinja_exec(&r, t->root);
	return OK;
}

static void fill_from_json(struct jrun *r, const void *arg)
{
	const struct json *vars = arg;

	for (size_t i = 0; vars && i < vars->len; i++) {
		const char *name = vars->keys[i].str;
		bool data = !strcmp(name, "messages") || !strcmp(name, "tools") || !strcmp(name, "documents");

		jscope_set(r, r->globals, name, jv_from_json(r, &vars->items[i], data ? JINJA_DATA : JINJA_TEMPLATE));
	}
}

enum status jinja_render(const struct jinja *t, const struct json *vars, struct buf *out, struct buf *marks, struct error *err)
{
	struct arena arena = {0};
	struct jtext text;
	enum status st = jinja_run(t, fill_from_json, vars, &arena, &text, err);

	if (st == OK) {
		buf_add(out, text.n ? text.p : "", text.n);
		if (marks)
			buf_add(marks, text.n ? (const char *)text.m : "", text.n);
	}
	arena_release(&arena);
	return st;
}

/* --- tojson, as json.dumps(x, ensure_ascii, indent, separators, sort_keys) ---------------------- */

struct dump {
	struct jtext t;
	bool ascii, sort;
	int64_t indent;              /* -1 = on one line */
	struct jv item, key;         /* separators */
};

static void dump_string(struct jrun *r, struct dump *d, struct jv v)
{
	jtext_str(r, &d->t, "\"");
	for (size_t i = 0; i < v.s.n;) {
		int k;
		uint32_t c = utf8_decode((const uint8_t *)v.s.p + i, &k);
		static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
		const char *e = c && c < 0x80 ? strchr(from, (int)c) : NULL;
		char esc[16];

		if (e)
			snprintf(esc, sizeof(esc), "\\%c", to[e - from]);
		else if (c < 0x20 || (d->ascii && c >= 0x7f && c < 0x10000 && c != 0x7f))
			snprintf(esc, sizeof(esc), "\\u%04x", c);
		else if (d->ascii && c >= 0x10000)
			snprintf(esc, sizeof(esc), "\\u%04x\\u%04x", 0xd7c0 + (c >> 10), 0xdc00 + (c & 0x3ff));
		else
			esc[0] = 0;
		if (esc[0])
			jtext_str(r, &d->t, esc);
		else
			jtext_add(r, &d->t, v.s.p + i, jmarks_at(v.s.m, i), (size_t)k);
		i += (size_t)k;
	}
	jtext_str(r, &d->t, "\"");
}

static void dump_break(struct jrun *r, struct dump *d, int level)
{
	if (d->indent < 0)
		return;
	jtext_str(r, &d->t, "\n");
	for (int64_t i = 0; i < d->indent * level; i++)
		jtext_str(r, &d->t, " ");
}

static void dump(struct jrun *r, struct dump *d, struct jv v, int level);

static void dump_members(struct jrun *r, struct dump *d, struct jv v, int level)
{
	bool dict = v.type == JV_DICT;
	int64_t n = dict ? v.d->n : v.l->n;

	if (dict && d->sort)
		v = jinja_filter("dictsort")(r, v, &(struct jargs){.pos = (struct jv[]){jv_bool(true)}, .n = 1});
	jtext_str(r, &d->t, dict ? "{" : "[");
	for (int64_t i = 0; i < n; i++) {
		struct jv key = jv_none(), value;

		if (dict && v.type == JV_LIST) /* sorted pairs */
			key = v.l->v[i].l->v[0], value = v.l->v[i].l->v[1];
		else if (dict)
			key = v.d->k[i], value = v.d->v[i];
		else
			value = v.l->v[i];
		if (i)
			jtext_value(r, &d->t, d->item);
		dump_break(r, d, level + 1);
		if (dict && key.type == JV_STRING) {
			dump_string(r, d, key);
		} else if (dict) { /* true, null, 1 as keys are strings */
			jtext_str(r, &d->t, "\"");
			dump(r, d, key, level);
			jtext_str(r, &d->t, "\"");
		}
		if (dict)
			jtext_value(r, &d->t, d->key);
		dump(r, d, value, level + 1);
	}
	if (n)
		dump_break(r, d, level);
	jtext_str(r, &d->t, dict ? "}" : "]");
}

static void dump(struct jrun *r, struct dump *d, struct jv v, int level)
{
	jenter(r);
	jstep(r, 1);
	switch (v.type) {
	case JV_NONE:
		jtext_str(r, &d->t, "null");
		break;
	case JV_BOOL:
		jtext_str(r, &d->t, v.b ? "true" : "false");
		break;
	case JV_STRING:
		dump_string(r, d, v);
		break;
	case JV_LIST:
	case JV_DICT:
		dump_members(r, d, v, level);
		break;
	case JV_INT:
	case JV_FLOAT:
		if (v.type == JV_FLOAT && !isfinite(v.f))
			jtext_str(r, &d->t, isnan(v.f) ? "NaN" : v.f > 0 ? "Infinity" : "-Infinity");
		else
			jtext_value(r, &d->t, v);
		break;
	default:
		jfail(r, ERR_DATA, "%s cannot be written as JSON", jv_type_name(v));
	}
	jleave(r);
}

struct jv jinja_tojson(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct dump d = {.ascii = jarg_bool(a, 0, "ensure_ascii", false), .sort = jarg_bool(a, 3, "sort_keys", false)};
	struct jv separators;

	d.indent = jarg_int(r, a, 1, "indent", -1);
	if (d.indent > 100)
		jfail(r, ERR_DATA, "tojson: the indent is too wide");
	d.item = jv_str(d.indent >= 0 ? "," : ", ");
	d.key = jv_str(": ");
	if (jarg(a, 2, "separators", &separators) && separators.type == JV_LIST && separators.l->n == 2) {
		d.item = separators.l->v[0];
		d.key = separators.l->v[1];
	}
	dump(r, &d, v, 0);
	return jtext_done(&d.t);
}
