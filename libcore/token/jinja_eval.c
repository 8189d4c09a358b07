/* Rendering: expressions to values, statements to text. */
#include "token/jinja_priv.h"

#include <math.h>

/* --- names ------------------------------------------------------------------------------------ */

static inline bool same_name(const char *a, const char *b)
{
	return a == b || (*a == *b && !strcmp(a, b));
}

void jscope_set(struct jrun *r, struct jscope *s, const char *name, struct jv v)
{
	jstep(r, s->n / 16);
	for (int i = 0; i < s->n; i++)
		if (same_name(s->v[i].name, name)) {
			s->v[i].value = v;
			return;
		}
	if (s->n == s->cap) {
		int cap = s->cap ? s->cap * 2 : 8;
		struct jvar *p = jalloc(r, (size_t)cap, sizeof(*p));

		if (s->n)
			memcpy(p, s->v, (size_t)s->n * sizeof(*p));
		s->v = p;
		s->cap = cap;
	}
	s->v[s->n++] = (struct jvar){.name = name, .value = v};
}

static struct jv lookup(struct jrun *r, const char *name)
{
	jv_fn *fn;

	for (struct jscope *s = r->scope; s; s = s->up) {
		jstep(r, s->n / 16);
		for (int i = 0; i < s->n; i++)
			if (same_name(s->v[i].name, name))
				return s->v[i].value;
	}
	fn = jinja_global(name);
	return fn ? jv_function(r, fn, jv_undefined(NULL)) : jv_undefined(name);
}

static struct jv read_name(struct jrun *r, const struct jnode *n)
{
	struct jv v = lookup(r, n->name);

	if (r->watch)
		jwatch_name(r, v);
	return v;
}

static struct jscope *push_scope(struct jrun *r, struct jscope *up)
{
	struct jscope *s = jalloc(r, 1, sizeof(*s));

	*s = (struct jscope){.up = up};
	r->scope = s;
	return s;
}

static void assign(struct jrun *r, const struct jnode *target, struct jv v)
{
	if (target->kind == JN_NAME) {
		jscope_set(r, r->scope, target->name, v);
	} else if (target->kind == JN_ATTR) {
		struct jv ns = lookup(r, target->a->name);

		if (ns.type != JV_DICT || !ns.d->namespace_)
			jfail(r, ERR_DATA, "cannot set an attribute of '%s': it is no namespace", target->a->name);
		jv_put(r, ns, jv_str(target->name), v);
	} else {
		struct jv e = jv_elements(r, v);

		if (e.l->n != target->n)
			jfail(r, ERR_DATA, "cannot unpack %lld values into %d names", (long long)e.l->n, target->n);
		for (int i = 0; i < target->n; i++)
			assign(r, target->kids[i], e.l->v[i]);
	}
}

/* --- attributes, items, slices -------------------------------------------------------------------- */

/* The byte where character i of a string begins; its end if it has fewer. */
static size_t char_at(struct jrun *r, struct jv v, int64_t i)
{
	size_t at = 0;

	for (int64_t k = -1; at < v.s.n; at++)
		if (((unsigned char)v.s.p[at] & 0xc0) != 0x80 && ++k == i)
			break;
	jstep(r, (int64_t)(at / 16));
	return at;
}

struct jv jv_item(struct jrun *r, struct jv v, struct jv key)
{
	struct jv *found;
	int64_t n, i;

	switch (v.type) {
	case JV_UNDEFINED:
		jfail(r, ERR_DATA, "'%s' is undefined", v.hint ? v.hint : "value");
	case JV_DICT:
		found = jv_get(r, v, key);
		return found ? *found : jv_undefined(key.type == JV_STRING ? "item" : NULL);
	case JV_LIST:
	case JV_STRING:
		if (key.type != JV_INT && key.type != JV_BOOL)
			return jv_undefined("item");
		n = jv_length(r, v);
		i = key.type == JV_BOOL ? key.b : key.i;
		i += i < 0 ? n : 0;
		if (i < 0 || i >= n)
			return jv_undefined("item");
		return v.type == JV_LIST ? v.l->v[i] : jv_slice(v, char_at(r, v, i), char_at(r, v, i + 1));
	default:
		return jv_undefined("item");
	}
}

static struct jv attribute(struct jrun *r, struct jv v, const struct jnode *n)
{
	const char *name = n->name;
	jv_fn *fn;

	if (v.type == JV_UNDEFINED)
		jfail(r, ERR_DATA, "'%s' is undefined", v.hint ? v.hint : "value");
	fn = !n->is_method || (v.type == JV_DICT && v.d->namespace_) ? NULL : jinja_method(v, name);
	if (fn)
		return jv_function(r, fn, v);
	if (v.type == JV_DICT) {
		struct jv *found = jv_get(r, v, jv_str(name));

		return found ? *found : jv_undefined(name);
	}
	return jv_undefined(name);
}

static struct jv subscript(struct jrun *r, struct jv v, struct jv key)
{
	struct jv item = jv_item(r, v, key);

	if (item.type == JV_UNDEFINED && key.type == JV_STRING && v.type == JV_DICT && !v.d->namespace_) {
		char name[32];

		if (key.s.n < sizeof(name)) { /* obj['items'] finds the method, as in Jinja */
			memcpy(name, key.s.p, key.s.n);
			name[key.s.n] = 0;
			if (jinja_method(v, name))
				return jv_function(r, jinja_method(v, name), v);
		}
	}
	return item;
}

static int64_t slice_part(struct jrun *r, const struct jnode *n, int64_t dflt)
{
	struct jv v = n ? jinja_eval(r, n) : jv_none();

	if (v.type == JV_NONE)
		return dflt;
	if (v.type != JV_INT)
		jfail(r, ERR_DATA, "a slice needs integers, not %s", jv_type_name(v));
	return v.i;
}

static int64_t clamp(int64_t i, int64_t n, int64_t lo, int64_t hi)
{
	i += i < 0 ? n : 0;
	return i < lo ? lo : i > hi ? hi : i;
}

static struct jv slice(struct jrun *r, const struct jnode *n, struct jv v)
{
	struct jv e, out;
	int64_t step = slice_part(r, n->d, 1), len, from, to;

	if (v.type != JV_LIST && v.type != JV_STRING)
		jfail(r, ERR_DATA, "cannot take a slice of %s", jv_type_name(v));
	if (step == 0 || step > INT32_MAX || step < -INT32_MAX)
		jfail(r, ERR_DATA, "a slice cannot have this step");
	len = jv_length(r, v);
	from = clamp(slice_part(r, n->b, step > 0 ? 0 : len - 1), len, step > 0 ? 0 : -1, step > 0 ? len : len - 1);
	to = n->c ? clamp(slice_part(r, n->c, step > 0 ? len : INT64_MIN / 2), len, step > 0 ? 0 : -1, step > 0 ? len : len - 1)
		  : step > 0 ? len : -1;
	if (v.type == JV_STRING && step == 1)
		return from < to ? jv_slice(v, char_at(r, v, from), char_at(r, v, to)) : jv_str("");
	e = jv_elements(r, v);
	jstep(r, len);
	out = jv_new_list(r, v.type == JV_LIST && v.l->tuple);
	for (int64_t i = from; step > 0 ? i < to : i > to; i += step)
		jv_push(r, out, e.l->v[i]);
	if (v.type == JV_STRING) {
		struct jtext t = {0};

		for (int64_t i = 0; i < out.l->n; i++)
			jtext_value(r, &t, out.l->v[i]);
		return jtext_done(&t);
	}
	return out;
}

/* --- operators --------------------------------------------------------------------------------------- */

static struct jv repeat(struct jrun *r, struct jv s, struct jv times)
{
	int64_t k = times.type == JV_INT ? times.i : 0;
	struct jtext t = {0};
	struct jv list;

	if (k > JINJA_BYTES_MAX)
		jfail(r, ERR_DATA, "a repetition is too long");
	jstep(r, k > 0 ? k : 0);
	if (s.type == JV_STRING) {
		for (int64_t i = 0; i < k; i++)
			jtext_value(r, &t, s);
		return jtext_done(&t);
	}
	list = jv_new_list(r, s.l->tuple);
	for (int64_t i = 0; i < k; i++)
		for (int64_t j = 0; j < s.l->n; j++)
			jv_push(r, list, s.l->v[j]);
	return list;
}

static struct jv concatenate(struct jrun *r, struct jv a, struct jv b)
{
	struct jtext t = {0};
	struct jv list;

	if (a.type == JV_LIST) {
		list = jv_new_list(r, a.l->tuple);
		jstep(r, a.l->n + b.l->n);
		for (int64_t i = 0; i < a.l->n; i++)
			jv_push(r, list, a.l->v[i]);
		for (int64_t i = 0; i < b.l->n; i++)
			jv_push(r, list, b.l->v[i]);
		return list;
	}
	jtext_reserve(r, &t, a.s.n + b.s.n);
	jtext_value(r, &t, a);
	jtext_value(r, &t, b);
	return jtext_done(&t);
}

static int64_t integer_power(struct jrun *r, int64_t base, int64_t exponent)
{
	int64_t v = 1;

	for (int64_t i = 0; i < exponent; i++) {
		jstep(r, 1);
		if (__builtin_mul_overflow(v, base, &v))
			jfail(r, ERR_DATA, "integer overflow");
	}
	return v;
}

static struct jv integer_op(struct jrun *r, char op, int64_t a, int64_t b)
{
	int64_t v = 0;
	bool over = false;

	switch (op) {
	case '+':
		over = __builtin_add_overflow(a, b, &v);
		break;
	case '-':
		over = __builtin_sub_overflow(a, b, &v);
		break;
	case '*':
		over = __builtin_mul_overflow(a, b, &v);
		break;
	case '^':
		v = integer_power(r, a, b);
		break;
	default: /* floor division and its remainder, as Python's */
		if (b == 0)
			jfail(r, ERR_DATA, "division by zero");
		if (b == -1) {
			over = op == '/' && __builtin_sub_overflow(0, a, &v);
			v = op == '/' ? v : 0;
			break;
		}
		v = op == '/' ? a / b : a % b;
		if (a % b && (a < 0) != (b < 0))
			v += op == '/' ? -1 : b;
	}
	if (over)
		jfail(r, ERR_DATA, "integer overflow");
	return jv_int(v);
}

static struct jv number_op(struct jrun *r, const char *op, struct jv a, struct jv b)
{
	double x = jv_number(a), y = jv_number(b);
	bool integers = a.type != JV_FLOAT && b.type != JV_FLOAT;
	char c = !strcmp(op, "**") ? '^' : op[0];

	if (integers && strcmp(op, "/") && !(c == '^' && y < 0))
		return integer_op(r, c, a.type == JV_BOOL ? a.b : a.i, b.type == JV_BOOL ? b.b : b.i);
	if ((c == '/' || c == '%') && y == 0)
		jfail(r, ERR_DATA, "division by zero");
	switch (c) {
	case '+':
		return jv_float(x + y);
	case '-':
		return jv_float(x - y);
	case '*':
		return jv_float(x * y);
	case '/':
		return jv_float(op[1] ? floor(x / y) : x / y);
	case '%':
		return jv_float(x - floor(x / y) * y);
	default:
		return jv_float(pow(x, y));
	}
}

static struct jv binary(struct jrun *r, const struct jnode *n)
{
	struct jv a = jinja_eval(r, n->a), b = jinja_eval(r, n->b);
	const char *op = n->name;

	if (*op == '~') {
		struct jtext t = {0};

		jtext_value(r, &t, a);
		jtext_value(r, &t, b);
		return jtext_done(&t);
	}
	if (jv_is_number(a) && jv_is_number(b))
		return number_op(r, op, a, b);
	if (*op == '+' && a.type == b.type && (a.type == JV_STRING || (a.type == JV_LIST && a.l->tuple == b.l->tuple)))
		return concatenate(r, a, b);
	if (!strcmp(op, "*") && (a.type == JV_STRING || a.type == JV_LIST) && b.type == JV_INT)
		return repeat(r, a, b);
	if (!strcmp(op, "*") && (b.type == JV_STRING || b.type == JV_LIST) && a.type == JV_INT)
		return repeat(r, b, a);
	if (a.type == JV_UNDEFINED || b.type == JV_UNDEFINED) {
		const char *hint = a.type == JV_UNDEFINED ? a.hint : b.hint;

		jfail(r, ERR_DATA, "'%s' is undefined", hint ? hint : "value");
	}
	if (*op == '%' && a.type == JV_STRING)
		jfail(r, ERR_UNSUPPORTED, "formatting with %% is not supported");
	jfail(r, ERR_DATA, "cannot compute %s %s %s", jv_type_name(a), op, jv_type_name(b));
}

static bool compare(struct jrun *r, const char *op, struct jv a, struct jv b)
{
	int c;

	if (!strcmp(op, "=="))
		return jv_equal(r, a, b);
	if (!strcmp(op, "!="))
		return !jv_equal(r, a, b);
	if (!strcmp(op, "in"))
		return jv_contains(r, b, a);
	if (!strcmp(op, "not in"))
		return !jv_contains(r, b, a);
	c = jv_compare(r, a, b);
	return op[0] == '<' ? c < 0 || (op[1] && c == 0) : c > 0 || (op[1] && c == 0);
}

static struct jv comparison(struct jrun *r, const struct jnode *n)
{
	struct jv left = jinja_eval(r, n->a);

	for (int i = 0; i < n->n_kw; i++) {
		struct jv right = jinja_eval(r, n->kw[i]);

		if (!compare(r, n->names[i], left, right))
			return jv_bool(false);
		left = right;
	}
	return jv_bool(true);
}

/* --- calls -------------------------------------------------------------------------------------------- */

static struct jargs arguments(struct jrun *r, const struct jnode *n)
{
	struct jargs a = {.n = n->n, .n_kw = n->n_kw, .names = n->names};

	a.pos = jalloc(r, (size_t)n->n + 1, sizeof(*a.pos));
	a.kw = jalloc(r, (size_t)n->n_kw + 1, sizeof(*a.kw));
	for (int i = 0; i < n->n; i++)
		a.pos[i] = jinja_eval(r, n->kids[i]);
	for (int i = 0; i < n->n_kw; i++)
		a.kw[i] = jinja_eval(r, n->kw[i]);
	return a;
}

bool jarg(const struct jargs *a, int i, const char *name, struct jv *v)
{
	if (i >= 0 && i < a->n) {
		*v = a->pos[i];
		return true;
	}
	for (int k = 0; name && k < a->n_kw; k++)
		if (!strcmp(a->names[k], name)) {
			*v = a->kw[k];
			return true;
		}
	return false;
}

int64_t jarg_int(struct jrun *r, const struct jargs *a, int i, const char *name, int64_t dflt)
{
	struct jv v;

	if (!jarg(a, i, name, &v) || v.type == JV_NONE)
		return dflt;
	if (v.type != JV_INT && v.type != JV_BOOL)
		jfail(r, ERR_DATA, "argument '%s' needs an integer, not %s", name, jv_type_name(v));
	return v.type == JV_BOOL ? v.b : v.i;
}

bool jarg_bool(const struct jargs *a, int i, const char *name, bool dflt)
{
	struct jv v;

	return jarg(a, i, name, &v) ? jv_true(v) : dflt;
}

/* Runs a body into a text of its own. */
static struct jv capture(struct jrun *r, const struct jnode *body)
{
	struct jtext t = {0}, *out = r->out;

	r->out = &t;
	jinja_exec(r, body);
	r->out = out;
	return jtext_done(&t);
}

static struct jv call_macro(struct jrun *r, const struct jnode *m, const struct jargs *a)
{
	struct jscope *caller = r->scope;
	struct jv v;

	if (a->n > m->n_kw)
		jfail(r, ERR_DATA, "macro '%s' takes %d arguments, not %d", m->name, m->n_kw, a->n);
	push_scope(r, r->globals);
	for (int i = 0; i < m->n_kw; i++) {
		if (!jarg(a, i, m->names[i], &v))
			v = m->kw[i] ? jinja_eval(r, m->kw[i]) : jv_undefined(m->names[i]);
		jscope_set(r, r->scope, m->names[i], v);
	}
	v = capture(r, m->a);
	r->scope = caller;
	return v;
}

struct jv jv_invoke(struct jrun *r, struct jv f, const struct jargs *a)
{
	struct jv v;

	if (f.type == JV_UNDEFINED)
		jfail(r, ERR_DATA, "'%s' is undefined", f.hint ? f.hint : "function");
	if (f.type != JV_CALL)
		jfail(r, ERR_DATA, "%s cannot be called", jv_type_name(f));
	jenter(r);
	v = f.call->fn ? f.call->fn(r, f.call->self, a) : call_macro(r, f.call->macro, a);
	jleave(r);
	return v;
}

static struct jv apply(struct jrun *r, const struct jnode *n, struct jv input)
{
	struct jargs a = arguments(r, n);
	jv_fn *fn = (jv_fn *)(uintptr_t)n->fn;

	if (!fn)
		jfail(r, ERR_UNSUPPORTED, "%s '%s' is not supported", n->kind == JN_TEST ? "test" : "filter", n->name);
	return fn(r, input, &a);
}

/* A chain of filters whose innermost input is a placeholder that stands for `input`. */
static struct jv apply_chain(struct jrun *r, const struct jnode *n, struct jv input)
{
	if (n->kind == JN_VALUE)
		return input;
	if (n->kind != JN_FILTER)
		jfail(r, ERR_DATA, "expected filters only");
	return apply(r, n, apply_chain(r, n->a, input));
}

/* --- expressions ------------------------------------------------------------------------------------------ */

static struct jv negate(struct jrun *r, const struct jnode *n)
{
	struct jv v = jinja_eval(r, n->a);

	if (!jv_is_number(v))
		jfail(r, ERR_DATA, "cannot negate %s", jv_type_name(v));
	if (n->kind == JN_POS)
		return v.type == JV_BOOL ? jv_int(v.b) : v;
	return v.type == JV_FLOAT ? jv_float(-v.f) : integer_op(r, '-', 0, v.type == JV_BOOL ? v.b : v.i);
}

static struct jv collection(struct jrun *r, const struct jnode *n)
{
	struct jv v = n->kind == JN_DICT ? jv_new_dict(r) : jv_new_list(r, n->kind == JN_TUPLE);

	for (int i = 0; i < n->n; i++) {
		struct jv e = jinja_eval(r, n->kids[i]);

		if (n->kind != JN_DICT) {
			jv_push(r, v, e);
			continue;
		}
		if ((e.type == JV_LIST && !e.l->tuple) || e.type == JV_DICT)
			jfail(r, ERR_DATA, "%s cannot be a key", jv_type_name(e));
		jv_put(r, v, e, jinja_eval(r, n->kids[++i]));
	}
	return v;
}

static struct jv logical(struct jrun *r, const struct jnode *n)
{
	struct jv v = jv_none();

	for (int i = 0; i < n->n; i++) {
		v = jinja_eval(r, n->kids[i]);
		if (jv_true(v) == (n->kind == JN_OR))
			break;
	}
	return v;
}

/* What stands before a dot or a bracket. That a name is read there is told by who knows what of it. */
static struct jv operand(struct jrun *r, const struct jnode *n)
{
	return n->kind == JN_NAME ? lookup(r, n->name) : jinja_eval(r, n);
}

/* A value that is looped over or gets a name: the conversation, or the end of it, stays watched. */
static struct jv passed_on(struct jrun *r, const struct jnode *n)
{
	struct jv v;

	if (!r->watch || (n->kind != JN_NAME && (n->kind != JN_SLICE || n->a->kind != JN_NAME)))
		return jinja_eval(r, n);
	v = lookup(r, n->kind == JN_NAME ? n->name : n->a->name);
	if (v.type != JV_LIST || !v.l->watched || r->watch->done)
		return jinja_eval(r, n);
	if (n->kind == JN_SLICE) {
		struct jv made = slice(r, n, v);

		jwatch_slice(r, v, made, n);
		return made;
	}
	return v;
}

static struct jv eval(struct jrun *r, const struct jnode *n)
{
	struct jargs a;
	struct jv v, key;

	switch (n->kind) {
	case JN_VALUE:
		return n->value;
	case JN_NAME:
		return read_name(r, n);
	case JN_LIST:
	case JN_TUPLE:
	case JN_DICT:
		return collection(r, n);
	case JN_ATTR:
		v = operand(r, n->a);
		if (r->watch && n->a->kind == JN_NAME && !jwatch_attribute(r, n, v))
			jwatch_name(r, v);
		return attribute(r, v, n);
	case JN_ITEM:
		v = operand(r, n->a);
		key = jinja_eval(r, n->b);
		if (r->watch && n->a->kind == JN_NAME && !jwatch_item(r, n, v, key))
			jwatch_name(r, v);
		return subscript(r, v, key);
	case JN_SLICE:
		return slice(r, n, jinja_eval(r, n->a));
	case JN_CALL:
		v = jinja_eval(r, n->a);
		a = arguments(r, n);
		return jv_invoke(r, v, &a);
	case JN_FILTER:
	case JN_TEST:
		return apply(r, n, jinja_eval(r, n->a));
	case JN_NOT:
		return jv_bool(!jv_true(jinja_eval(r, n->a)));
	case JN_NEG:
	case JN_POS:
		return negate(r, n);
	case JN_AND:
	case JN_OR:
		return logical(r, n);
	case JN_BINARY:
		return binary(r, n);
	case JN_COMPARE:
		return comparison(r, n);
	case JN_TERNARY:
		if (jv_true(jinja_eval(r, n->b)))
			return jinja_eval(r, n->a);
		return n->c ? jinja_eval(r, n->c) : jv_undefined("the inline if expression");
	default:
		jfail(r, ERR_DATA, "not an expression");
	}
}

struct jv jinja_eval(struct jrun *r, const struct jnode *n)
{
	struct jv v;

	r->line = n->line;
	jstep(r, 1);
	jenter(r);
	v = eval(r, n);
	jleave(r);
	return v;
}

/* --- statements --------------------------------------------------------------------------------------------- */

/* The variable "loop", and its values in turn i: one object that changes, as Jinja's. */
static struct jv new_loop(struct jrun *r)
{
	static const char *const keys[] = {"index", "index0", "revindex", "revindex0", "first", "last", "length", "depth", "depth0",
					   "previtem", "nextitem"};
	struct jv loop = jv_new_dict(r);

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		jv_put(r, loop, jv_str(keys[i]), jv_none());
	return loop;
}

static void turn_loop(struct jv loop, struct jv items, int64_t i, int64_t n)
{
	struct jv *v = loop.d->v;

	v[0] = jv_int(i + 1);
	v[1] = jv_int(i);
	v[2] = jv_int(n - i);
	v[3] = jv_int(n - i - 1);
	v[4] = jv_bool(i == 0);
	v[5] = jv_bool(i == n - 1);
	v[6] = jv_int(n);
	v[7] = jv_int(1);
	v[8] = jv_int(0);
	v[9] = i > 0 ? items.l->v[i - 1] : jv_undefined("previtem");
	v[10] = i + 1 < n && i + 1 < items.l->n ? items.l->v[i + 1] : jv_undefined("nextitem");
}

static struct jv filtered(struct jrun *r, const struct jnode *n, struct jv items, struct jscope *outer)
{
	struct jv kept = jv_new_list(r, false);

	for (int64_t i = 0; i < items.l->n; i++) {
		push_scope(r, outer);
		assign(r, n->a, items.l->v[i]);
		if (jv_true(jinja_eval(r, n->kids[0])))
			jv_push(r, kept, items.l->v[i]);
	}
	r->scope = outer;
	return kept;
}

static void exec_for(struct jrun *r, const struct jnode *n)
{
	struct jscope *outer = r->scope;
	struct jv items = jv_elements(r, passed_on(r, n->b)), loop = new_loop(r);
	bool main = jwatch_begin(r, items, loop, n->n > 0);
	int64_t count;

	if (n->n)
		items = filtered(r, n, items, outer);
	count = items.l->n; /* a body that appends to the list does not prolong the loop */
	if (!count && n->d)
		jinja_exec(r, n->d);
	for (int64_t i = 0; i < count && i < items.l->n && r->flow != JN_BREAK; i++) {
		if (main)
			jwatch_turn(r, items, i);
		push_scope(r, outer);
		turn_loop(loop, items, i, count);
		jscope_set(r, r->scope, "loop", loop);
		assign(r, n->a, items.l->v[i]);
		r->flow = 0;
		jinja_exec(r, n->c);
	}
	if (main)
		jwatch_end(r, r->flow == JN_BREAK);
	r->flow = 0;
	r->scope = outer;
}

static void exec_if(struct jrun *r, const struct jnode *n)
{
	for (int i = 0; i < n->n; i += 2)
		if (jv_true(jinja_eval(r, n->kids[i]))) {
			jinja_exec(r, n->kids[i + 1]);
			return;
		}
	if (n->a)
		jinja_exec(r, n->a);
}

static void output(struct jrun *r, struct jv v)
{
	size_t from = r->out->n;

	jtext_value(r, r->out, v);
	if (r->generating)
		for (size_t i = from; i < r->out->n; i++)
			r->out->m[i] |= JINJA_GENERATION;
}

static void exec_macro(struct jrun *r, const struct jnode *n)
{
	struct jv v = jv_function(r, NULL, jv_none());

	v.call->macro = n;
	jscope_set(r, r->scope, n->name, v);
}

static void exec(struct jrun *r, const struct jnode *n)
{
	switch (n->kind) {
	case JN_TEXT:
		output(r, n->value);
		break;
	case JN_OUTPUT:
		output(r, jinja_eval(r, n->a));
		break;
	case JN_IF:
		exec_if(r, n);
		break;
	case JN_FOR:
		exec_for(r, n);
		break;
	case JN_SET:
		assign(r, n->a, n->a->kind == JN_NAME ? passed_on(r, n->b) : jinja_eval(r, n->b));
		break;
	case JN_SET_BLOCK:
		assign(r, n->a, apply_chain(r, n->c, capture(r, n->b)));
		break;
	case JN_MACRO:
		exec_macro(r, n);
		break;
	case JN_FILTER_BLOCK:
		output(r, apply_chain(r, n->b, capture(r, n->a)));
		break;
	case JN_GENERATION:
		r->generating++;
		jinja_exec(r, n->a);
		r->generating--;
		break;
	case JN_BREAK:
	case JN_CONTINUE:
		r->flow = (int)n->kind;
		break;
	default:
		for (int i = 0; i < n->n && !r->flow; i++)
			jinja_exec(r, n->kids[i]);
	}
}

void jinja_exec(struct jrun *r, const struct jnode *n)
{
	r->line = n->line;
	jstep(r, 1);
	jenter(r);
	exec(r, n);
	jleave(r);
}
