/* Values: truth, equality, order, printing as Python prints, and text that remembers who said it. */
#include "token/jinja_priv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "token/unicode.h"

void jfail(struct jrun *r, enum status st, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->status = r->line ? error_set(r->err, st, "line %d: %s", r->line, text) : error_set(r->err, st, "%s", text);
	longjmp(r->leave, 1);
}

void *jalloc(struct jrun *r, size_t n, size_t size)
{
	void *p;

	if (n > JINJA_BYTES_MAX / size || (r->bytes += n * size + 16) > JINJA_BYTES_MAX)
		jfail(r, ERR_DATA, "the template needs more than %d MiB", JINJA_BYTES_MAX >> 20);
	p = arena_alloc(r->arena, n * size + 1);
	return p;
}

void jstep(struct jrun *r, int64_t n)
{
	r->steps += n;
	if (r->steps > JINJA_STEPS_MAX)
		jfail(r, ERR_DATA, "the template runs too long");
}

void jenter(struct jrun *r)
{
	if (++r->depth > JINJA_DEPTH_MAX)
		jfail(r, ERR_DATA, "nested too deeply");
}

const uint8_t jinja_all_data[1] = {JINJA_DATA};

/* --- text --------------------------------------------------------------------------------- */

void jtext_reserve(struct jrun *r, struct jtext *t, size_t more)
{
	if (more <= t->cap - t->n)
		return;
	size_t cap = t->n ? t->cap * 2 + more + 32 : more;
	char *p = jalloc(r, cap, 1);
	uint8_t *m = jalloc(r, cap, 1);

	if (t->n) {
		memcpy(p, t->p, t->n);
		memcpy(m, t->m, t->n);
	}
	t->p = p;
	t->m = m;
	t->cap = cap;
}

void jtext_add(struct jrun *r, struct jtext *t, const char *p, const uint8_t *m, size_t n)
{
	jtext_reserve(r, t, n);
	if (!n)
		return;
	memcpy(t->p + t->n, p, n);
	if (m && m != jinja_all_data)
		memcpy(t->m + t->n, m, n);
	else
		memset(t->m + t->n, m ? JINJA_DATA : JINJA_TEMPLATE, n);
	t->n += n;
}

void jtext_str(struct jrun *r, struct jtext *t, const char *s)
{
	jtext_add(r, t, s, NULL, strlen(s));
}

struct jv jtext_done(const struct jtext *t)
{
	return (struct jv){.type = JV_STRING, .s = {.p = t->n ? t->p : "", .m = t->n ? t->m : NULL, .n = t->n}};
}

/* Python's repr of a float: shortest that reads back, an exponent below 1e-4 and from 1e16 on. */
static void add_float(struct jrun *r, struct jtext *t, double f)
{
	char s[64], out[64];
	int exponent, precision;

	if (isnan(f) || isinf(f)) {
		jtext_str(r, t, isnan(f) ? "nan" : f > 0 ? "inf" : "-inf");
		return;
	}
	for (precision = 0; precision < 17; precision++) {
		snprintf(s, sizeof(s), "%.*e", precision, f);
		if (strtod(s, NULL) == f)
			break;
	}
	exponent = atoi(strchr(s, 'e') + 1);
	if (exponent < -4 || exponent >= 16)
		snprintf(out, sizeof(out), "%.*g", precision + 1, f);
	else
		snprintf(out, sizeof(out), "%.*f", precision > exponent + 1 ? precision - exponent : 1, f);
	jtext_str(r, t, out);
}

static void add_int(struct jrun *r, struct jtext *t, int64_t i)
{
	char s[32];

	snprintf(s, sizeof(s), "%lld", (long long)i);
	jtext_str(r, t, s);
}

/* Python's repr of a string: single quotes unless it holds some and no double ones. */
static void add_quoted(struct jrun *r, struct jtext *t, struct jv v)
{
	bool dbl = memchr(v.s.p, '\'', v.s.n) && !memchr(v.s.p, '"', v.s.n);

	jtext_str(r, t, dbl ? "\"" : "'");
	for (size_t i = 0; i < v.s.n; i++) {
		unsigned char c = (unsigned char)v.s.p[i];
		const char *e = c == '\n' ? "\\n" : c == '\r' ? "\\r" : c == '\t' ? "\\t" : c == '\\' ? "\\\\" : c == '\'' && !dbl ? "\\'" : NULL;
		char hex[8];

		if (!e && (c < 0x20 || c == 0x7f)) {
			snprintf(hex, sizeof(hex), "\\x%02x", c);
			e = hex;
		}
		if (e)
			jtext_str(r, t, e);
		else
			jtext_add(r, t, v.s.p + i, jmarks_at(v.s.m, i), 1);
	}
	jtext_str(r, t, dbl ? "\"" : "'");
}

void jtext_repr(struct jrun *r, struct jtext *t, struct jv v)
{
	jenter(r);
	jstep(r, 1);
	switch (v.type) {
	case JV_STRING:
		add_quoted(r, t, v);
		break;
	case JV_LIST:
		jtext_str(r, t, v.l->tuple ? "(" : "[");
		for (int64_t i = 0; i < v.l->n; i++) {
			jtext_str(r, t, i ? ", " : "");
			jtext_repr(r, t, v.l->v[i]);
		}
		jtext_str(r, t, v.l->tuple ? v.l->n == 1 ? ",)" : ")" : "]");
		break;
	case JV_DICT:
		jtext_str(r, t, "{");
		for (int64_t i = 0; i < v.d->n; i++) {
			jtext_str(r, t, i ? ", " : "");
			jtext_repr(r, t, v.d->k[i]);
			jtext_str(r, t, ": ");
			jtext_repr(r, t, v.d->v[i]);
		}
		jtext_str(r, t, "}");
		break;
	case JV_UNDEFINED:
		jtext_str(r, t, "Undefined");
		break;
	default:
		jtext_value(r, t, v);
	}
	jleave(r);
}

void jtext_value(struct jrun *r, struct jtext *t, struct jv v)
{
	switch (v.type) {
	case JV_UNDEFINED:
		if (r->dialect == JINJA_TASK)
			jfail(r, ERR_DATA, "'%s' is undefined", v.hint ? v.hint : "value");
		break;
	case JV_NONE:
		jtext_str(r, t, "None");
		break;
	case JV_BOOL:
		jtext_str(r, t, v.b ? "True" : "False");
		break;
	case JV_INT:
		add_int(r, t, v.i);
		break;
	case JV_FLOAT:
		add_float(r, t, v.f);
		break;
	case JV_STRING:
		jtext_add(r, t, v.s.p, v.s.m, v.s.n);
		break;
	case JV_CALL:
		jtext_str(r, t, "<function>");
		break;
	default:
		jtext_repr(r, t, v);
	}
}

struct jv jv_to_string(struct jrun *r, struct jv v)
{
	struct jtext t = {0};

	if (v.type == JV_STRING)
		return v;
	jtext_value(r, &t, v);
	return jtext_done(&t);
}

/* --- making ------------------------------------------------------------------------------------ */

struct jv jv_none(void)
{
	return (struct jv){.type = JV_NONE};
}

struct jv jv_undefined(const char *hint)
{
	return (struct jv){.type = JV_UNDEFINED, .hint = hint};
}

struct jv jv_bool(bool b)
{
	return (struct jv){.type = JV_BOOL, .b = b};
}

struct jv jv_int(int64_t i)
{
	return (struct jv){.type = JV_INT, .i = i};
}

struct jv jv_float(double f)
{
	return (struct jv){.type = JV_FLOAT, .f = f};
}

struct jv jv_str(const char *s)
{
	return (struct jv){.type = JV_STRING, .s = {.p = s, .n = strlen(s)}};
}

struct jv jv_slice(struct jv s, size_t from, size_t to)
{
	s.s.p += from;
	s.s.m = jmarks_at(s.s.m, from);
	s.s.n = to - from;
	return s;
}

struct jv jv_new_list(struct jrun *r, bool tuple)
{
	struct jv v = {.type = JV_LIST, .l = jalloc(r, 1, sizeof(struct jv_list))};

	*v.l = (struct jv_list){.tuple = tuple};
	return v;
}

struct jv jv_new_dict(struct jrun *r)
{
	struct jv v = {.type = JV_DICT, .d = jalloc(r, 1, sizeof(struct jv_dict))};

	*v.d = (struct jv_dict){0};
	return v;
}

struct jv jv_function(struct jrun *r, jv_fn *fn, struct jv self)
{
	struct jv v = {.type = JV_CALL, .call = jalloc(r, 1, sizeof(struct jv_call))};

	*v.call = (struct jv_call){.fn = fn, .self = self};
	return v;
}

void jv_push(struct jrun *r, struct jv list, struct jv v)
{
	struct jv_list *l = list.l;

	if (l->n == l->cap) {
		int64_t cap = l->cap ? l->cap * 2 : 4;
		struct jv *p = jalloc(r, (size_t)cap, sizeof(*p));

		if (l->n)
			memcpy(p, l->v, (size_t)l->n * sizeof(*p));
		l->v = p;
		l->cap = cap;
	}
	l->v[l->n++] = v;
}

struct jv *jv_get(struct jrun *r, struct jv dict, struct jv key)
{
	for (int64_t i = 0; i < dict.d->n; i++)
		if (jv_equal(r, dict.d->k[i], key))
			return &dict.d->v[i];
	return NULL;
}

void jv_put(struct jrun *r, struct jv dict, struct jv key, struct jv v)
{
	struct jv *old = jv_get(r, dict, key);
	struct jv_dict *d = dict.d;

	if (old) {
		*old = v;
		return;
	}
	if (d->n == d->cap) {
		int64_t cap = d->cap ? d->cap * 2 : 4;
		struct jv *k = jalloc(r, (size_t)cap, sizeof(*k)), *w = jalloc(r, (size_t)cap, sizeof(*w));

		if (d->n) {
			memcpy(k, d->k, (size_t)d->n * sizeof(*k));
			memcpy(w, d->v, (size_t)d->n * sizeof(*w));
		}
		d->k = k;
		d->v = w;
		d->cap = cap;
	}
	d->k[d->n] = key;
	d->v[d->n++] = v;
}

/* --- asking --------------------------------------------------------------------------------------- */

const char *jv_type_name(struct jv v)
{
	static const char *const names[] = {"undefined", "none", "a boolean", "an integer", "a float", "a string", "a list", "a dict", "a function"};

	return names[v.type];
}

bool jv_is_number(struct jv v)
{
	return v.type == JV_INT || v.type == JV_FLOAT || v.type == JV_BOOL;
}

double jv_number(struct jv v)
{
	return v.type == JV_FLOAT ? v.f : v.type == JV_BOOL ? v.b : (double)v.i;
}

bool jv_str_is(struct jv v, const char *s)
{
	return v.type == JV_STRING && v.s.n == strlen(s) && !memcmp(v.s.p, s, v.s.n);
}

bool jv_true(struct jv v)
{
	switch (v.type) {
	case JV_UNDEFINED:
	case JV_NONE:
		return false;
	case JV_BOOL:
		return v.b;
	case JV_INT:
		return v.i != 0;
	case JV_FLOAT:
		return v.f != 0;
	case JV_STRING:
		return v.s.n > 0;
	case JV_LIST:
		return v.l->n > 0;
	case JV_DICT:
		return v.d->namespace_ || v.d->n > 0;
	default:
		return true;
	}
}

static bool equal_dicts(struct jrun *r, struct jv a, struct jv b)
{
	if (a.d->n != b.d->n)
		return false;
	for (int64_t i = 0; i < a.d->n; i++) {
		struct jv *other = jv_get(r, b, a.d->k[i]);

		if (!other || !jv_equal(r, a.d->v[i], *other))
			return false;
	}
	return true;
}

bool jv_equal(struct jrun *r, struct jv a, struct jv b)
{
	bool same = false;

	jstep(r, 1);
	if (jv_is_number(a) && jv_is_number(b))
		return a.type == JV_FLOAT || b.type == JV_FLOAT ? jv_number(a) == jv_number(b)
								 : (a.type == JV_BOOL ? a.b : a.i) == (b.type == JV_BOOL ? b.b : b.i);
	if (a.type != b.type)
		return false;
	if (a.type == JV_STRING) {
		if (a.s.n != b.s.n)
			return false;
		jstep(r, (int64_t)(a.s.n / 64));
		return !memcmp(a.s.p, b.s.p, a.s.n);
	}
	jenter(r);
	if (a.type == JV_LIST) {
		same = a.l->n == b.l->n && a.l->tuple == b.l->tuple;
		for (int64_t i = 0; same && i < a.l->n; i++)
			same = jv_equal(r, a.l->v[i], b.l->v[i]);
	} else {
		same = a.type == JV_DICT ? equal_dicts(r, a, b) : a.type == JV_CALL ? a.call == b.call : true;
	}
	jleave(r);
	return same;
}

int jv_compare(struct jrun *r, struct jv a, struct jv b)
{
	jstep(r, 1);
	if (jv_is_number(a) && jv_is_number(b)) {
		double x = jv_number(a), y = jv_number(b);

		if (a.type == JV_INT && b.type == JV_INT)
			return (a.i > b.i) - (a.i < b.i);
		return (x > y) - (x < y);
	}
	if (a.type == JV_STRING && b.type == JV_STRING) { /* UTF-8 sorts as its code points */
		int c = memcmp(a.s.p, b.s.p, a.s.n < b.s.n ? a.s.n : b.s.n);

		jstep(r, (int64_t)(a.s.n / 64));
		return c ? c : (a.s.n > b.s.n) - (a.s.n < b.s.n);
	}
	if (a.type == JV_LIST && b.type == JV_LIST) {
		int c = 0;

		jenter(r);
		for (int64_t i = 0; !c && i < a.l->n && i < b.l->n; i++)
			c = jv_equal(r, a.l->v[i], b.l->v[i]) ? 0 : jv_compare(r, a.l->v[i], b.l->v[i]);
		jleave(r);
		return c ? c : (a.l->n > b.l->n) - (a.l->n < b.l->n);
	}
	jfail(r, ERR_DATA, "cannot compare %s with %s", jv_type_name(a), jv_type_name(b));
}

bool jv_contains(struct jrun *r, struct jv where, struct jv what)
{
	switch (where.type) {
	case JV_STRING:
		if (what.type != JV_STRING)
			jfail(r, ERR_DATA, "'in' a string needs a string, not %s", jv_type_name(what));
		jstep(r, (int64_t)(where.s.n / 16));
		return memmem(where.s.p, where.s.n, what.s.p, what.s.n) != NULL;
	case JV_LIST:
		for (int64_t i = 0; i < where.l->n; i++)
			if (jv_equal(r, where.l->v[i], what))
				return true;
		return false;
	case JV_DICT:
		return jv_get(r, where, what) != NULL;
	case JV_UNDEFINED:
		return false;
	default:
		jfail(r, ERR_DATA, "cannot look for something in %s", jv_type_name(where));
	}
}

/* --- walking ---------------------------------------------------------------------------------------- */

struct jv jv_elements(struct jrun *r, struct jv v)
{
	struct jv list;

	if (v.type == JV_LIST)
		return v;
	list = jv_new_list(r, false);
	switch (v.type) {
	case JV_UNDEFINED:
		break;
	case JV_DICT:
		for (int64_t i = 0; i < v.d->n; i++)
			jv_push(r, list, v.d->k[i]);
		break;
	case JV_STRING:
		for (size_t i = 0; i < v.s.n;) {
			int k;

			utf8_decode((const uint8_t *)v.s.p + i, &k);
			jv_push(r, list, jv_slice(v, i, i + (size_t)k));
			i += (size_t)k;
		}
		break;
	default:
		jfail(r, ERR_DATA, "cannot loop over %s", jv_type_name(v));
	}
	jstep(r, list.l->n);
	return list;
}

int64_t jv_length(struct jrun *r, struct jv v)
{
	int64_t n = 0;

	switch (v.type) {
	case JV_UNDEFINED:
		return 0;
	case JV_LIST:
		return v.l->n;
	case JV_DICT:
		return v.d->n;
	case JV_STRING:
		jstep(r, (int64_t)(v.s.n / 16));
		for (size_t i = 0; i < v.s.n; i++)
			n += ((unsigned char)v.s.p[i] & 0xc0) != 0x80;
		return n;
	default:
		jfail(r, ERR_DATA, "%s has no length", jv_type_name(v));
	}
}
