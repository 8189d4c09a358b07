/* Filters over values and lists, and tests. */
#include "token/jinja_priv.h"

#include <math.h>
#include <stdlib.h>

#include "token/unicode.h"

/* --- lookups along "attribute" ------------------------------------------------------------------ */

struct jv jv_path(struct jrun *r, struct jv v, struct jv path)
{
	size_t from = 0;

	if (path.type != JV_STRING)
		return jv_item(r, v, path);
	while (from <= path.s.n) {
		const char *dot = memchr(path.s.p + from, '.', path.s.n - from);
		size_t to = dot ? (size_t)(dot - path.s.p) : path.s.n;
		struct jv key = jv_slice(path, from, to);

		if (v.type == JV_UNDEFINED)
			return v;
		v = jv_item(r, v, key);
		from = to + 1;
	}
	return v;
}

/* The value to look at: v, or its attribute if that is given. */
static struct jv keyed(struct jrun *r, struct jv v, const struct jargs *a, int i)
{
	struct jv attribute;

	return jarg(a, i, "attribute", &attribute) && attribute.type != JV_NONE ? jv_path(r, v, attribute) : v;
}

/* --- sorting ---------------------------------------------------------------------------------------- */

static struct jv folded(struct jrun *r, struct jv v)
{
	return v.type == JV_STRING ? jinja_filter("lower")(r, v, &(struct jargs){0}) : v;
}

/* Stable merge sort of idx[0..n) by key. */
static void sort(struct jrun *r, const struct jv *key, int64_t *idx, int64_t *tmp, int64_t n, bool reverse)
{
	int64_t half = n / 2, i = 0, j = half, k = 0;

	if (n < 2)
		return;
	sort(r, key, idx, tmp, half, reverse);
	sort(r, key, idx + half, tmp, n - half, reverse);
	while (i < half || j < n) {
		int c = i == half ? 1 : j == n ? -1 : jv_compare(r, key[idx[i]], key[idx[j]]);

		if (reverse && i < half && j < n)
			c = -c;
		tmp[k++] = c <= 0 ? idx[i++] : idx[j++];
	}
	memcpy(idx, tmp, (size_t)n * sizeof(*idx));
}

/* list in the order of keys[] (one per element). */
static struct jv sorted(struct jrun *r, struct jv list, struct jv keys, bool reverse)
{
	int64_t n = list.l->n, *idx = jalloc(r, (size_t)n + 1, sizeof(*idx)), *tmp = jalloc(r, (size_t)n + 1, sizeof(*tmp));
	struct jv out = jv_new_list(r, false);

	for (int64_t i = 0; i < n; i++)
		idx[i] = i;
	sort(r, keys.l->v, idx, tmp, n, reverse);
	for (int64_t i = 0; i < n; i++)
		jv_push(r, out, list.l->v[idx[i]]);
	return out;
}

static struct jv f_sort(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv list = jv_elements(r, v), keys = jv_new_list(r, false);
	bool exact = jarg_bool(a, 1, "case_sensitive", false);

	for (int64_t i = 0; i < list.l->n; i++) {
		struct jv k = keyed(r, list.l->v[i], a, 2);

		jv_push(r, keys, exact ? k : folded(r, k));
	}
	return sorted(r, list, keys, jarg_bool(a, 0, "reverse", false));
}

static struct jv f_dictsort(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv list = jinja_filter("items")(r, v, &(struct jargs){0}), keys = jv_new_list(r, false), by;
	bool exact = jarg_bool(a, 0, "case_sensitive", false), value = jarg(a, 1, "by", &by) && jv_str_is(by, "value");

	for (int64_t i = 0; i < list.l->n; i++) {
		struct jv k = list.l->v[i].l->v[value ? 1 : 0];

		jv_push(r, keys, exact ? k : folded(r, k));
	}
	return sorted(r, list, keys, jarg_bool(a, 2, "reverse", false));
}

/* --- lists --------------------------------------------------------------------------------------------- */

static struct jv f_length(struct jrun *r, struct jv v, const struct jargs *a)
{
	(void)a;
	return jv_int(jv_length(r, v));
}

static struct jv f_list(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv e = jv_elements(r, v), out = jv_new_list(r, false);

	(void)a;
	for (int64_t i = 0; i < e.l->n; i++)
		jv_push(r, out, e.l->v[i]);
	return out;
}

static struct jv f_first(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv e = jv_elements(r, v);

	(void)a;
	return e.l->n ? e.l->v[0] : jv_undefined("first");
}

static struct jv f_last(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv e = jv_elements(r, v);

	(void)a;
	return e.l->n ? e.l->v[e.l->n - 1] : jv_undefined("last");
}

static struct jv f_reverse(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv e = jv_elements(r, v), out = jv_new_list(r, false);
	struct jtext t = {0};

	(void)a;
	for (int64_t i = e.l->n; i-- > 0;)
		jv_push(r, out, e.l->v[i]);
	for (int64_t i = 0; v.type == JV_STRING && i < out.l->n; i++)
		jtext_value(r, &t, out.l->v[i]);
	return v.type == JV_STRING ? jtext_done(&t) : out;
}

static struct jv f_join(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv e = jv_elements(r, v), sep = jv_str("");
	struct jtext t = {0};

	jarg(a, 0, "d", &sep);
	for (int64_t i = 0; i < e.l->n; i++) {
		if (i)
			jtext_value(r, &t, sep);
		jtext_value(r, &t, keyed(r, e.l->v[i], a, 1));
	}
	return jtext_done(&t);
}

static struct jv extreme(struct jrun *r, struct jv v, const struct jargs *a, int sign)
{
	struct jv e = jv_elements(r, v), best = jv_undefined("min"), key = best;

	for (int64_t i = 0; i < e.l->n; i++) {
		struct jv k = folded(r, keyed(r, e.l->v[i], a, 1));

		if (i && jv_compare(r, k, key) * sign <= 0)
			continue;
		best = e.l->v[i];
		key = k;
	}
	return best;
}

static struct jv f_min(struct jrun *r, struct jv v, const struct jargs *a)
{
	return extreme(r, v, a, -1);
}

static struct jv f_max(struct jrun *r, struct jv v, const struct jargs *a)
{
	return extreme(r, v, a, 1);
}

static struct jv f_sum(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv e = jv_elements(r, v);
	double f = 0;
	int64_t n = 0;
	bool real = false;

	for (int64_t i = 0; i < e.l->n; i++) {
		struct jv k = keyed(r, e.l->v[i], a, 0);

		if (!jv_is_number(k))
			jfail(r, ERR_DATA, "cannot add %s", jv_type_name(k));
		real |= k.type == JV_FLOAT;
		f += jv_number(k);
		if (k.type != JV_FLOAT && __builtin_add_overflow(n, k.type == JV_BOOL ? k.b : k.i, &n))
			jfail(r, ERR_DATA, "integer overflow");
	}
	return real ? jv_float(f) : jv_int(n);
}

static struct jv f_unique(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv e = jv_elements(r, v), out = jv_new_list(r, false), seen = jv_new_list(r, false);

	for (int64_t i = 0; i < e.l->n; i++) {
		struct jv k = folded(r, keyed(r, e.l->v[i], a, 1));

		if (jv_contains(r, seen, k))
			continue;
		jv_push(r, seen, k);
		jv_push(r, out, e.l->v[i]);
	}
	return out;
}

/* The function named by argument i, called with the arguments after it; NULL if argument i is not given. */
static jv_fn *named(struct jrun *r, const struct jargs *a, int i, jv_fn *(*table)(const char *), struct jargs *rest)
{
	char name[32] = "";
	jv_fn *fn;

	*rest = (struct jargs){0};
	if (i >= a->n)
		return NULL;
	if (a->pos[i].type == JV_STRING && a->pos[i].s.n < sizeof(name))
		memcpy(name, a->pos[i].s.p, a->pos[i].s.n);
	fn = table(name);
	if (!fn)
		jfail(r, ERR_UNSUPPORTED, "filter or test '%s' is not supported", name);
	*rest = (struct jargs){.pos = a->pos + i + 1, .n = a->n - i - 1, .names = a->names, .kw = a->kw, .n_kw = a->n_kw};
	return fn;
}

static struct jv select_if(struct jrun *r, struct jv v, const struct jargs *a, bool by_attr, bool want)
{
	struct jv e = jv_elements(r, v), out = jv_new_list(r, false);
	struct jargs rest;
	jv_fn *test = named(r, a, by_attr ? 1 : 0, jinja_test, &rest);

	if (by_attr && !a->n)
		jfail(r, ERR_DATA, "selectattr needs an attribute");
	for (int64_t i = 0; i < e.l->n; i++) {
		struct jv k = by_attr ? jv_path(r, e.l->v[i], a->pos[0]) : e.l->v[i];

		if ((test ? jv_true(test(r, k, &rest)) : jv_true(k)) == want)
			jv_push(r, out, e.l->v[i]);
	}
	return out;
}

static struct jv f_select(struct jrun *r, struct jv v, const struct jargs *a)
{
	return select_if(r, v, a, false, true);
}

static struct jv f_reject(struct jrun *r, struct jv v, const struct jargs *a)
{
	return select_if(r, v, a, false, false);
}

static struct jv f_selectattr(struct jrun *r, struct jv v, const struct jargs *a)
{
	return select_if(r, v, a, true, true);
}

static struct jv f_rejectattr(struct jrun *r, struct jv v, const struct jargs *a)
{
	return select_if(r, v, a, true, false);
}

static struct jv f_map(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv e = jv_elements(r, v), out = jv_new_list(r, false), attribute, dflt = jv_undefined("map");
	struct jargs rest;
	jv_fn *filter = named(r, a, 0, jinja_filter, &rest);
	bool by_attr = !filter && jarg(a, -1, "attribute", &attribute);

	if (!filter && !by_attr)
		jfail(r, ERR_DATA, "map needs a filter or an attribute");
	jarg(a, -1, "default", &dflt);
	for (int64_t i = 0; i < e.l->n; i++) {
		struct jv k = by_attr ? jv_path(r, e.l->v[i], attribute) : filter(r, e.l->v[i], &rest);

		jv_push(r, out, by_attr && k.type == JV_UNDEFINED ? dflt : k);
	}
	return out;
}

/* --- values ---------------------------------------------------------------------------------------------- */

static struct jv f_default(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv dflt = jv_str("");

	(void)r;
	jarg(a, 0, "default_value", &dflt);
	return v.type == JV_UNDEFINED || (jarg_bool(a, 1, "boolean", false) && !jv_true(v)) ? dflt : v;
}

static struct jv f_string(struct jrun *r, struct jv v, const struct jargs *a)
{
	(void)a;
	return jv_to_string(r, v);
}

static struct jv f_safe(struct jrun *r, struct jv v, const struct jargs *a)
{
	(void)a;
	v = jv_to_string(r, v);
	v.safe = true;
	return v;
}

static struct jv f_abs(struct jrun *r, struct jv v, const struct jargs *a)
{
	(void)a;
	if (!jv_is_number(v) || (v.type == JV_INT && v.i == INT64_MIN))
		jfail(r, ERR_DATA, "abs needs a number");
	return v.type == JV_FLOAT ? jv_float(fabs(v.f)) : jv_int(v.type == JV_BOOL ? v.b : llabs(v.i));
}

/* A string as a C string of at most 63 bytes, without blanks around; "" if it is longer. */
static const char *short_text(struct jrun *r, struct jv v, char out[64])
{
	v = jinja_filter("trim")(r, v, &(struct jargs){0});
	out[0] = 0;
	if (v.s.n < 64) {
		memcpy(out, v.s.p, v.s.n);
		out[v.s.n] = 0;
	}
	return out;
}

static struct jv f_int(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv dflt = jv_int(0);
	int64_t base = jarg_int(r, a, 1, "base", 10);
	char s[64], *end;
	double f = v.type == JV_FLOAT ? v.f : 0;

	jarg(a, 0, "default", &dflt);
	if (v.type == JV_INT || v.type == JV_BOOL)
		return jv_int(v.type == JV_BOOL ? v.b : v.i);
	if (v.type == JV_STRING && base >= 2 && base <= 36 && *short_text(r, v, s)) {
		long long i = strtoll(s, &end, (int)base);

		if (!*end && i != INT64_MAX && i != INT64_MIN)
			return jv_int(i);
		f = strtod(s, &end);
		if (*end)
			return dflt;
	} else if (v.type != JV_FLOAT) {
		return dflt;
	}
	return fabs(f) < 9e18 ? jv_int((int64_t)f) : dflt;
}

static struct jv f_float(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv dflt = jv_float(0);
	char s[64], *end;
	double f;

	jarg(a, 0, "default", &dflt);
	if (jv_is_number(v))
		return jv_float(jv_number(v));
	if (v.type != JV_STRING || !*short_text(r, v, s))
		return dflt;
	f = strtod(s, &end);
	return *end ? dflt : jv_float(f);
}

static struct jv f_round(struct jrun *r, struct jv v, const struct jargs *a)
{
	int64_t digits = jarg_int(r, a, 0, "precision", 0);
	struct jv method = jv_str("common");
	double scale = pow(10, (double)digits), f;

	jarg(a, 1, "method", &method);
	if (!jv_is_number(v) || digits > 15 || digits < -15)
		jfail(r, ERR_DATA, "round needs a number");
	f = jv_number(v) * scale;
	f = jv_str_is(method, "ceil") ? ceil(f) : jv_str_is(method, "floor") ? floor(f) : nearbyint(f);
	return jv_float(f / scale);
}

static struct jv f_wordcount(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv s = jv_to_string(r, v);

	(void)a;
	return jv_int(jinja_method(s, "split")(r, s, &(struct jargs){0}).l->n);
}

/* Jinja's: at most `length` characters, cut at a word unless killwords, tolerating `leeway` more. */
static struct jv f_truncate(struct jrun *r, struct jv v, const struct jargs *a)
{
	int64_t length = jarg_int(r, a, 0, "length", 255), leeway = jarg_int(r, a, 3, "leeway", 5), keep;
	bool kill = jarg_bool(a, 1, "killwords", false);
	struct jv tail = jv_str("..."), s = jv_to_string(r, v), e = jv_elements(r, s);
	struct jtext t = {0};

	jarg(a, 2, "end", &tail);
	if (e.l->n <= length + leeway)
		return s;
	keep = length - jv_length(r, tail);
	if (keep < 0)
		jfail(r, ERR_DATA, "truncate: the length is shorter than the end");
	for (int64_t i = keep; !kill && i-- > 0;)
		if (jv_str_is(e.l->v[i], " ")) {
			keep = i;
			break;
		}
	for (int64_t i = 0; i < keep; i++)
		jtext_value(r, &t, e.l->v[i]);
	jtext_value(r, &t, tail);
	return jtext_done(&t);
}

static struct jv f_indent(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv width = jv_int(4), s = jv_to_string(r, v);
	bool first = jarg_bool(a, 1, "first", false), blank = jarg_bool(a, 2, "blank", false);
	struct jtext pad = {0}, t = {0};
	struct jv indent;

	jarg(a, 0, "width", &width);
	if (width.type == JV_INT) {
		if (width.i > 1000)
			jfail(r, ERR_DATA, "indent: too wide");
		for (int64_t i = 0; i < width.i; i++)
			jtext_str(r, &pad, " ");
	} else {
		jtext_value(r, &pad, width);
	}
	indent = jtext_done(&pad);
	for (size_t i = 0, line = 0; i <= s.s.n; line++) {
		const char *nl = i < s.s.n ? memchr(s.s.p + i, '\n', s.s.n - i) : NULL;
		size_t end = nl ? (size_t)(nl - s.s.p) : s.s.n;

		if (line)
			jtext_str(r, &t, "\n");
		if (line ? blank || end > i : first)
			jtext_value(r, &t, indent);
		jtext_value(r, &t, jv_slice(s, i, end));
		i = end + 1;
	}
	return jtext_done(&t);
}

/* --- tests --------------------------------------------------------------------------------------------------- */

#define TEST(fn_name, condition)                                                        \
	static struct jv fn_name(struct jrun *r, struct jv v, const struct jargs *a)    \
	{                                                                               \
		(void)r, (void)a;                                                       \
		return jv_bool(condition);                                              \
	}

static struct jv other(struct jrun *r, const struct jargs *a)
{
	struct jv v;

	if (!jarg(a, 0, "other", &v))
		jfail(r, ERR_DATA, "this test needs a value to compare with");
	return v;
}

static int64_t integer(struct jrun *r, struct jv v)
{
	if (v.type != JV_INT && v.type != JV_BOOL)
		jfail(r, ERR_DATA, "this test needs an integer, not %s", jv_type_name(v));
	return v.type == JV_BOOL ? v.b : v.i;
}

static bool divisible(struct jrun *r, struct jv v, struct jv by)
{
	int64_t d = integer(r, by);

	if (!d)
		jfail(r, ERR_DATA, "division by zero");
	return d == -1 || integer(r, v) % d == 0;
}

static bool same_object(struct jrun *r, struct jv a, struct jv b)
{
	if (a.type != b.type)
		return false;
	if (a.type == JV_LIST || a.type == JV_DICT)
		return a.type == JV_LIST ? a.l == b.l : a.d == b.d;
	return jv_equal(r, a, b);
}

static bool has_case(struct jrun *r, struct jv v, const char *filter)
{
	struct jv s = jv_to_string(r, v), other_case = jinja_filter(strcmp(filter, "upper") ? "upper" : "lower")(r, s, &(struct jargs){0});

	return !jv_equal(r, s, other_case) && jv_equal(r, s, jinja_filter(filter)(r, s, &(struct jargs){0}));
}

static bool named_in(struct jrun *r, struct jv v, jv_fn *(*table)(const char *))
{
	char s[64];

	return v.type == JV_STRING && table(short_text(r, v, s));
}

TEST(t_defined, v.type != JV_UNDEFINED)
TEST(t_undefined, v.type == JV_UNDEFINED)
TEST(t_none, v.type == JV_NONE)
TEST(t_boolean, v.type == JV_BOOL)
TEST(t_true, v.type == JV_BOOL && v.b)
TEST(t_false, v.type == JV_BOOL && !v.b)
TEST(t_integer, v.type == JV_INT)
TEST(t_float, v.type == JV_FLOAT)
TEST(t_number, jv_is_number(v))
TEST(t_string, v.type == JV_STRING)
TEST(t_mapping, v.type == JV_DICT && !v.d->namespace_)
TEST(t_sequence, v.type == JV_LIST || v.type == JV_STRING || v.type == JV_DICT || v.type == JV_UNDEFINED)
TEST(t_iterable, v.type == JV_LIST || v.type == JV_STRING || v.type == JV_DICT || v.type == JV_UNDEFINED)
TEST(t_callable, v.type == JV_CALL)
TEST(t_escaped, v.safe)
TEST(t_odd, integer(r, v) % 2 != 0)
TEST(t_even, integer(r, v) % 2 == 0)
TEST(t_divisibleby, divisible(r, v, other(r, a)))
TEST(t_eq, jv_equal(r, v, other(r, a)))
TEST(t_ne, !jv_equal(r, v, other(r, a)))
TEST(t_lt, jv_compare(r, v, other(r, a)) < 0)
TEST(t_le, jv_compare(r, v, other(r, a)) <= 0)
TEST(t_gt, jv_compare(r, v, other(r, a)) > 0)
TEST(t_ge, jv_compare(r, v, other(r, a)) >= 0)
TEST(t_in, jv_contains(r, other(r, a), v))
TEST(t_sameas, same_object(r, v, other(r, a)))
TEST(t_lower, has_case(r, v, "lower"))
TEST(t_upper, has_case(r, v, "upper"))
TEST(t_filter, named_in(r, v, jinja_filter))
TEST(t_test, named_in(r, v, jinja_test))

/* --- tables -------------------------------------------------------------------------------------------------- */

struct entry {
	const char *name;
	jv_fn *fn;
};

static const struct entry filters[] = {
	{"abs", f_abs}, {"count", f_length}, {"d", f_default}, {"default", f_default}, {"dictsort", f_dictsort}, {"first", f_first},
	{"float", f_float}, {"indent", f_indent}, {"int", f_int}, {"join", f_join}, {"last", f_last}, {"length", f_length},
	{"list", f_list}, {"map", f_map}, {"max", f_max}, {"min", f_min}, {"reject", f_reject}, {"rejectattr", f_rejectattr},
	{"reverse", f_reverse}, {"round", f_round}, {"safe", f_safe}, {"select", f_select}, {"selectattr", f_selectattr},
	{"sort", f_sort}, {"string", f_string}, {"sum", f_sum}, {"tojson", jinja_tojson}, {"truncate", f_truncate},
	{"unique", f_unique}, {"wordcount", f_wordcount}};
static const struct entry tests[] = {
	{"!=", t_ne}, {"<", t_lt}, {"<=", t_le}, {"==", t_eq}, {">", t_gt}, {">=", t_ge}, {"boolean", t_boolean},
	{"callable", t_callable}, {"defined", t_defined}, {"divisibleby", t_divisibleby}, {"eq", t_eq}, {"equalto", t_eq},
	{"escaped", t_escaped}, {"even", t_even}, {"false", t_false}, {"filter", t_filter}, {"float", t_float}, {"ge", t_ge},
	{"greaterthan", t_gt}, {"gt", t_gt}, {"in", t_in}, {"integer", t_integer}, {"iterable", t_iterable}, {"le", t_le},
	{"lessthan", t_lt}, {"lower", t_lower}, {"lt", t_lt}, {"mapping", t_mapping}, {"ne", t_ne}, {"none", t_none},
	{"number", t_number}, {"odd", t_odd}, {"sameas", t_sameas}, {"sequence", t_sequence}, {"string", t_string},
	{"test", t_test}, {"true", t_true}, {"undefined", t_undefined}, {"upper", t_upper}};

jv_fn *jinja_filter(const char *name)
{
	for (size_t i = 0; i < sizeof(filters) / sizeof(*filters); i++)
		if (!strcmp(filters[i].name, name))
			return filters[i].fn;
	return jinja_string_filter(name);
}

jv_fn *jinja_test(const char *name)
{
	for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++)
		if (!strcmp(tests[i].name, name))
			return tests[i].fn;
	return NULL;
}
