/* expr_eval.c - the walk over a condition's nodes for each row, and how values compare. */
#include "stream/expr_priv.h"

#include "stream/layout.h"

/* --- values ------------------------------------------------------------------------------------- */

/* --- times: all in nanoseconds, which compare across units ------------------------------------------ */

#define NS_PER_SECOND 1000000000
#define NS_PER_DAY ((__int128)86400 * NS_PER_SECOND)

static const int64_t unit_ns[] = { NS_PER_SECOND, 1000000, 1000, 1 };

static struct expr_value of_time(const struct array *a, int64_t row)
{
	const struct field *f = a->field;
	struct expr_value v = { .type = f->type == T_DURATION ? V_SPAN : f->type == T_TIME32 || f->type == T_TIME64 ? V_CLOCK : V_INSTANT };

	v.ns = array_int(a, row);
	v.ns *= f->type == T_DATE32 ? NS_PER_DAY : f->type == T_DATE64 ? 1000000 : unit_ns[f->unit];
	return v;
}

/* hh:mm, hh:mm:ss or hh:mm:ss.fraction of a day. */
static bool parse_clock(const char *s, size_t n, __int128 *ns)
{
	static const struct field clock = { .type = T_TIME64, .unit = UNIT_NS };
	char text[40];
	int64_t v;

	if (n > sizeof(text) - 4 || n < 5)
		return false;
	memcpy(text, s, n);
	if (n == 5) {
		memcpy(text + n, ":00", 3);
		n += 3;
	}
	if (!logical_parse(&clock, text, n, &v) || v < 0 || v >= NS_PER_DAY)
		return false;
	*ns = v;
	return true;
}

/* A date, or a date and a time of day behind T or a space, in UTC (with a Z or without) or +hh:mm ahead of it. */
static bool parse_instant(const char *s, size_t n, __int128 *ns)
{
	static const struct field date = { .type = T_DATE32 };
	size_t day = 0;
	int32_t days;
	__int128 clock = 0, ahead = 0;

	while (day < n && s[day] != 'T' && s[day] != ' ')
		day++;
	if (!logical_parse(&date, s, day, &days))
		return false;
	*ns = days * NS_PER_DAY;
	if (day == n)
		return true;
	s += day + 1;
	n -= day + 1;
	if (n > 0 && s[n - 1] == 'Z') {
		n--;
	} else if (n > 6 && (s[n - 6] == '+' || s[n - 6] == '-')) {
		if (!parse_clock(s + n - 5, 5, &ahead))
			return false;
		ahead = s[n - 6] == '-' ? -ahead : ahead;
		n -= 6;
	}
	if (!parse_clock(s, n, &clock))
		return false;
	*ns += clock - ahead;
	return true;
}

bool expr_parse_time(const struct field *f, const char *s, size_t n, struct expr_value *v)
{
	static const struct field span = { .type = T_DURATION, .unit = UNIT_NS };
	struct expr_value t = { .type = f->type == T_DURATION ? V_SPAN : f->type == T_TIME32 || f->type == T_TIME64 ? V_CLOCK : V_INSTANT };
	int64_t ns;
	bool good;

	if (t.type == V_SPAN) {
		good = logical_parse(&span, s, n, &ns);
		t.ns = good ? ns : 0;
	} else {
		good = t.type == V_CLOCK ? parse_clock(s, n, &t.ns) : parse_instant(s, n, &t.ns);
	}
	if (good)
		*v = t;
	return good;
}

/* --- values ------------------------------------------------------------------------------------- */

/* Strings live until the next parse. */
static struct expr_value of_json(const struct json *j)
{
	struct expr_value v = { .type = V_NULL };
	if (!j || j->type == JSON_NULL)
		return v;
	if (j->type == JSON_BOOL)
		v = (struct expr_value){ .type = V_BOOL, .number = j->boolean };
	else if (j->type == JSON_STRING)
		v = (struct expr_value){ .type = V_STRING, .s = j->str, .n = j->len };
	else if (j->type == JSON_ARRAY || j->type == JSON_OBJECT)
		v = (struct expr_value){ .type = V_LIST, .n = j->len };
	else
		v = (struct expr_value){ .type = V_NUMBER, .number = j->type == JSON_INT ? (long double)j->integer
								   : j->type == JSON_UINT ? (long double)j->uinteger : j->number };
	return v;
}

static struct expr_value path_in_json(struct expr *e, const struct node *n, int at, const char *s, size_t len)
{
	const struct json *j;
	if (json_parse(e->json, s, len, &j, NULL) != OK)
		return (struct expr_value){ .type = V_NULL };
	for (; at < n->n_path && j; at++)
		j = json_get(j, n->path[at]);
	return of_json(j);
}

static struct expr_value of_array(const struct array *a, int64_t row)
{
	struct expr_value v = { .type = V_OTHER };
	int64_t from, to;
	switch (a->field->type) {
	case T_BOOL:
		return (struct expr_value){ .type = V_BOOL, .number = (long double)array_int(a, row) };
	case T_INT8: case T_INT16: case T_INT32: case T_INT64: case T_UINT8: case T_UINT16: case T_UINT32:
		return (struct expr_value){ .type = V_NUMBER, .number = (long double)array_int(a, row) };
	case T_UINT64:
		return (struct expr_value){ .type = V_NUMBER, .number = (long double)(uint64_t)array_int(a, row) };
	case T_FLOAT16: case T_FLOAT32: case T_FLOAT64: case T_DECIMAL32: case T_DECIMAL64: case T_DECIMAL128: case T_DECIMAL256:
		return (struct expr_value){ .type = V_NUMBER, .number = array_double(a, row) };
	case T_UTF8: case T_LARGE_UTF8: case T_BINARY: case T_LARGE_BINARY:
		v.type = V_STRING;
		v.s = array_text(a, row, &v.n);
		return v;
	case T_FIXED_BINARY:
		return (struct expr_value){ .type = V_STRING, .s = array_fixed(a, row), .n = (size_t)a->field->width };
	case T_DATE32: case T_DATE64: case T_TIME32: case T_TIME64: case T_TIMESTAMP: case T_DURATION:
		return of_time(a, row);
	case T_LIST: case T_LARGE_LIST: case T_FIXED_LIST: case T_MAP:
		array_list(a, row, &from, &to);
		return (struct expr_value){ .type = V_LIST, .n = (size_t)(to - from) };
	default:
		return v;
	}
}

/* The entry of a map row that has this key, as a row of its values; -1 if there is none. */
static int64_t find_key(const struct array *map, int64_t row, const char *key)
{
	const struct array *keys = &map->children[0].children[0];
	size_t want = strlen(key), n;
	int64_t from, to;
	array_list(map, row, &from, &to);
	for (int64_t i = from; i < to; i++) {
		const char *s = array_text(keys, i, &n);
		if (n == want && memcmp(s, key, n) == 0)
			return i;
	}
	return -1;
}

static struct expr_value of_path(struct expr *e, const struct node *n, const struct batch *b, int64_t row)
{
	const struct array *a = &b->columns[n->column];
	for (int at = 0; at < n->n_path && !array_is_null(a, row); at++) {
		if (field_is_text(a->field)) {
			size_t len;
			const char *s = array_text(a, row, &len);
			return path_in_json(e, n, at, s, len);
		}
		if (a->field->type == T_STRUCT) {
			a = array_child(a, n->path[at]);
			continue;
		}
		row = find_key(a, row, n->path[at]);
		a = &a->children[0].children[1];
		if (row < 0)
			return (struct expr_value){ .type = V_NULL };
	}
	return array_is_null(a, row) ? (struct expr_value){ .type = V_NULL } : of_array(a, row);
}

static bool truth(const struct expr_value *v)
{
	return v->type == V_STRING ? v->n > 0 : (v->type == V_BOOL || v->type == V_NUMBER) && v->number != 0;
}

static struct expr_value of_bool(bool b)
{
	return (struct expr_value){ .type = V_BOOL, .number = b };
}

/* The order of two values of one type that has one. */
static int order(const struct expr_value *x, const struct expr_value *y)
{
	if (x->type == V_STRING) {
		size_t n = x->n < y->n ? x->n : y->n;
		int c = n ? memcmp(x->s, y->s, n) : 0;
		return c ? c : (x->n > y->n) - (x->n < y->n);
	}
	if (x->type == V_BOOL || x->type == V_NUMBER)
		return (x->number > y->number) - (x->number < y->number);
	return (x->ns > y->ns) - (x->ns < y->ns);
}

bool expr_has_order(const struct expr_value *v)
{
	return v->type != V_NULL && v->type < V_LIST && v->number == v->number;
}

int expr_order(const struct expr_value *a, const struct expr_value *b)
{
	bool first = expr_has_order(a), second = expr_has_order(b);
	if (!first || !second)
		return second - first;
	return a->type == b->type ? order(a, b) : (int)a->type - (int)b->type;
}

static bool compare(enum node_type op, const struct expr_value *x, const struct expr_value *y)
{
	if (x->type == V_NULL && y->type == V_NULL)
		return op == N_EQ;
	if (x->type != y->type || !expr_has_order(x) || !expr_has_order(y))
		return op == N_NE;
	int c = order(x, y);
	switch (op) {
	case N_EQ: return c == 0;
	case N_NE: return c != 0;
	case N_LT: return c < 0;
	case N_LE: return c <= 0;
	case N_GT: return c > 0;
	default: return c >= 0;
	}
}

static struct expr_value eval(struct expr *e, const struct node *n, const struct batch *b, int64_t row)
{
	struct expr_value x, y;
	struct buf kept = {0};
	switch (n->type) {
	case N_VALUE:
		return n->value;
	case N_PATH:
		return of_path(e, n, b, row);
	case N_LEN:
		x = of_path(e, n->left, b, row);
		return x.type == V_STRING || x.type == V_LIST ? (struct expr_value){ .type = V_NUMBER, .number = (long double)x.n }
							      : (struct expr_value){ .type = V_NULL };
	case N_NOT:
		x = eval(e, n->left, b, row);
		return of_bool(!truth(&x));
	case N_AND:
	case N_OR:
		x = eval(e, n->left, b, row);
		if (truth(&x) == (n->type == N_OR))
			return of_bool(n->type == N_OR);
		y = eval(e, n->right, b, row);
		return of_bool(truth(&y));
	case N_MATCH:
		x = eval(e, n->left, b, row);
		return of_bool(x.type == V_STRING &&
			       pcre2_match(n->regex, (PCRE2_SPTR)x.s, x.n, 0, 0, n->match, NULL) >= 0);
	default:
		x = eval(e, n->left, b, row);
		if (x.type == V_STRING && n->right->type == N_PATH) { /* the right side may parse JSON anew */
			buf_add(&kept, x.s, x.n);
			x.s = kept.data ? kept.data : "";
		}
		y = eval(e, n->right, b, row);
		bool result = compare(n->type, &x, &y);
		buf_release(&kept);
		return of_bool(result);
	}
}

bool expr_test(struct expr *e, const struct batch *b, int64_t row)
{
	struct expr_value v = eval(e, e->root, b, row);
	return truth(&v);
}

struct expr_value expr_value(struct expr *e, const struct batch *b, int64_t row)
{
	return eval(e, e->root, b, row);
}
