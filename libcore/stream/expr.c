/* expr.c - see expr.h: a recursive descent parser to nodes, and a walk over them for each row. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "stream/expr.h"

#include <ctype.h>
#include <pcre2.h>
#include <stdlib.h>

#define DEPTH_MAX 100

enum node_type { N_VALUE, N_PATH, N_LEN, N_NOT, N_AND, N_OR, N_EQ, N_NE, N_LT, N_LE, N_GT, N_GE, N_MATCH };
enum value_type { V_NULL, V_BOOL, V_NUMBER, V_STRING, V_OTHER };

struct value {
	enum value_type type;
	double number;               /* also of V_BOOL */
	const char *s;
	size_t n;                    /* bytes of a string, elements of a list */
};

struct node {
	enum node_type type;
	struct node *left, *right;
	struct value value;
	int column;
	char **path;                 /* names behind the column */
	int n_path;
	pcre2_code *regex;
	pcre2_match_data *match;
};

struct expr {
	struct arena arena;
	struct node *root;
	struct json_parser *json;
	const char *text, *at;
	const struct schema *schema;
	int depth;
	struct node **regexes;       /* to be freed */
	int n_regexes, cap_regexes;
};

/* --- parsing ---------------------------------------------------------------------------------- */

static enum status parse_or(struct expr *e, struct node **out, struct error *err);

static enum status wrong(const struct expr *e, const char *what, struct error *err)
{
	return error_set(err, ERR_USAGE, "'%s': position %d: %s", e->text, (int)(e->at - e->text) + 1, what);
}

static void space(struct expr *e)
{
	while (isspace((unsigned char)*e->at))
		e->at++;
}

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static bool word(struct expr *e, const char *w)
{
	size_t n = strlen(w);
	space(e);
	if (strncmp(e->at, w, n) != 0 || (is_name(w[0]) && is_name(e->at[n])))
		return false;
	e->at += n;
	return true;
}

static struct node *node(struct expr *e, enum node_type type, struct node *left, struct node *right)
{
	struct node *n = arena_alloc(&e->arena, sizeof(*n));
	memset(n, 0, sizeof(*n));
	n->type = type;
	n->left = left;
	n->right = right;
	return n;
}

static enum status parse_string(struct expr *e, struct node **out, struct error *err)
{
	char quote = *e->at;
	struct buf b = {0};
	const char *p = e->at + 1;
	for (; *p && *p != quote; p++) {
		if (*p == '\\' && (p[1] == quote || p[1] == '\\'))
			p++;
		buf_char(&b, *p);
	}
	if (!*p) {
		buf_release(&b);
		return wrong(e, "the string does not end", err);
	}
	e->at = p + 1;
	*out = node(e, N_VALUE, NULL, NULL);
	(*out)->value = (struct value){ .type = V_STRING, .n = b.len };
	(*out)->value.s = arena_strndup(&e->arena, b.data ? b.data : "", b.len);
	buf_release(&b);
	return OK;
}

static enum status parse_path(struct expr *e, struct node **out, struct error *err)
{
	struct node *n = node(e, N_PATH, NULL, NULL);
	const char *from = e->at, *p = from;
	n->path = arena_alloc(&e->arena, (strlen(p) + 1) * sizeof(*n->path));
	for (bool first = true;; first = false) {
		const char *begin = p;
		while (is_name(*p) || (!first && *p == '-'))
			p++;
		if (p == begin)
			return wrong(e, "a name is missing", err);
		char *name = arena_strndup(&e->arena, begin, (size_t)(p - begin));
		if (first && (n->column = schema_find(e->schema, name)) < 0) {
			struct buf b = {0};
			buf_printf(&b, "no column '%s'; there are", name);
			for (int i = 0; i < e->schema->n_fields; i++)
				buf_printf(&b, "%s %s", i ? "," : "", e->schema->fields[i].name);
			enum status st = wrong(e, b.data, err);
			buf_release(&b);
			return st;
		}
		if (!first)
			n->path[n->n_path++] = name;
		if (*p != '.')
			break;
		p++;
	}
	e->at = p;
	*out = n;
	return OK;
}

static enum status parse_value(struct expr *e, struct node **out, struct error *err)
{
	static const struct { const char *name; struct value v; } words[] = {
		{ "null", { .type = V_NULL } }, { "true", { .type = V_BOOL, .number = 1 } }, { "false", { .type = V_BOOL } },
	};
	space(e);
	if (*e->at == '"' || *e->at == '\'')
		return parse_string(e, out, err);
	if (word(e, "(")) {
		TRY(parse_or(e, out, err));
		return word(e, ")") ? OK : wrong(e, "')' wanted", err);
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (word(e, words[i].name)) {
			*out = node(e, N_VALUE, NULL, NULL);
			(*out)->value = words[i].v;
			return OK;
		}
	if (strncmp(e->at, "len", 3) == 0 && !is_name(e->at[3])) {
		struct node *of;
		e->at += 3;
		if (!word(e, "("))
			return wrong(e, "'(' wanted", err);
		space(e);
		TRY(parse_path(e, &of, err));
		*out = node(e, N_LEN, of, NULL);
		return word(e, ")") ? OK : wrong(e, "')' wanted", err);
	}
	if (isdigit((unsigned char)*e->at) || *e->at == '-' || *e->at == '+' || *e->at == '.') {
		char *end;
		*out = node(e, N_VALUE, NULL, NULL);
		(*out)->value = (struct value){ .type = V_NUMBER, .number = strtod(e->at, &end) };
		if (end == e->at || is_name(*end))
			return wrong(e, "not a number", err);
		e->at = end;
		return OK;
	}
	if (is_name(*e->at))
		return parse_path(e, out, err);
	return wrong(e, *e->at ? "a value is missing here" : "it ends where a value is wanted", err);
}

static enum status compile(struct expr *e, struct node *n, struct error *err)
{
	int code;
	PCRE2_SIZE at;
	if (n->right->type != N_VALUE || n->right->value.type != V_STRING)
		return wrong(e, "=~ wants a pattern in quotes on its right", err);
	n->regex = pcre2_compile((PCRE2_SPTR)n->right->value.s, n->right->value.n, PCRE2_UTF, &code, &at, NULL);
	if (!n->regex) {
		char why[256] = "";
		pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof(why));
		return wrong(e, why, err);
	}
	pcre2_jit_compile(n->regex, PCRE2_JIT_COMPLETE);
	n->match = pcre2_match_data_create(1, NULL);
	MEM_PUSH_ROOM(e->regexes, e->n_regexes, e->cap_regexes);
	e->regexes[e->n_regexes++] = n;
	return OK;
}

static enum status parse_comparison(struct expr *e, struct node **out, struct error *err)
{
	static const struct { const char *sign; enum node_type type; } signs[] = {
		{ "==", N_EQ }, { "!=", N_NE }, { "<=", N_LE }, { ">=", N_GE }, { "=~", N_MATCH }, { "<", N_LT }, { ">", N_GT },
	};
	struct node *right;
	TRY(parse_value(e, out, err));
	for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++)
		if (word(e, signs[i].sign)) {
			TRY(parse_value(e, &right, err));
			*out = node(e, signs[i].type, *out, right);
			return signs[i].type == N_MATCH ? compile(e, *out, err) : OK;
		}
	return OK;
}

static enum status parse_not(struct expr *e, struct node **out, struct error *err)
{
	if (++e->depth > DEPTH_MAX)
		return wrong(e, "nested too deeply", err);
	enum status st;
	if (word(e, "not")) {
		st = parse_not(e, out, err);
		if (st == OK)
			*out = node(e, N_NOT, *out, NULL);
	} else {
		st = parse_comparison(e, out, err);
	}
	e->depth--;
	return st;
}

static enum status parse_and(struct expr *e, struct node **out, struct error *err)
{
	struct node *right;
	TRY(parse_not(e, out, err));
	while (word(e, "and")) {
		TRY(parse_not(e, &right, err));
		*out = node(e, N_AND, *out, right);
	}
	return OK;
}

static enum status parse_or(struct expr *e, struct node **out, struct error *err)
{
	struct node *right;
	TRY(parse_and(e, out, err));
	while (word(e, "or")) {
		TRY(parse_and(e, &right, err));
		*out = node(e, N_OR, *out, right);
	}
	return OK;
}

enum status expr_parse(struct expr **out, const char *text, const struct schema *s, struct error *err)
{
	struct expr *e = mem_zalloc(sizeof(*e));
	e->text = e->at = text;
	e->schema = s;
	e->json = json_parser_open();
	enum status st = parse_or(e, &e->root, err);
	space(e);
	if (st == OK && *e->at)
		st = wrong(e, "and, or or the end wanted", err);
	if (st != OK) {
		expr_free(e);
		return st;
	}
	*out = e;
	return OK;
}

void expr_free(struct expr *e)
{
	if (!e)
		return;
	for (int i = 0; i < e->n_regexes; i++) {
		pcre2_code_free(e->regexes[i]->regex);
		pcre2_match_data_free(e->regexes[i]->match);
	}
	mem_free(e->regexes);
	json_parser_close(e->json);
	arena_release(&e->arena);
	mem_free(e);
}

/* --- values ------------------------------------------------------------------------------------- */

/* Strings live until the next parse. */
static struct value of_json(const struct json *j)
{
	struct value v = { .type = V_OTHER };
	if (!j || j->type == JSON_NULL)
		v.type = V_NULL;
	else if (j->type == JSON_BOOL)
		v = (struct value){ .type = V_BOOL, .number = j->boolean };
	else if (j->type == JSON_STRING)
		v = (struct value){ .type = V_STRING, .s = j->str, .n = j->len };
	else if (j->type == JSON_ARRAY || j->type == JSON_OBJECT)
		v.n = j->len;
	else
		v = (struct value){ .type = V_NUMBER, .number = j->number };
	return v;
}

static struct value path_in_json(struct expr *e, const struct node *n, int at, const char *s, size_t len)
{
	const struct json *j;
	if (json_parse(e->json, s, len, &j, NULL) != OK)
		return (struct value){ .type = V_NULL };
	for (; at < n->n_path && j; at++)
		j = json_get(j, n->path[at]);
	return of_json(j);
}

static struct value of_path(struct expr *e, const struct node *n, const struct batch *b, int64_t row)
{
	const struct array *a = &b->columns[n->column];
	int at = 0;
	if (array_is_null(a, row))
		return (struct value){ .type = V_NULL };
	while (at < n->n_path && a->field->type == T_STRUCT) {
		a = array_child(a, n->path[at++]);
		if (!a || array_is_null(a, row))
			return (struct value){ .type = V_NULL };
	}
	struct value v = { .type = V_OTHER };
	if (field_is_text(a->field)) {
		v.type = V_STRING;
		v.s = array_text(a, row, &v.n);
		return at < n->n_path ? path_in_json(e, n, at, v.s, v.n) : v;
	}
	if (at < n->n_path)
		return (struct value){ .type = V_NULL };
	if (a->field->type == T_LIST || a->field->type == T_LARGE_LIST || a->field->type == T_FIXED_LIST) {
		int64_t from, to;
		array_list(a, row, &from, &to);
		v.n = (size_t)(to - from);
	} else if (a->field->type == T_BOOL) {
		v = (struct value){ .type = V_BOOL, .number = (double)array_int(a, row) };
	} else if (a->field->type >= T_INT8 && a->field->type <= T_FLOAT64) {
		v = (struct value){ .type = V_NUMBER, .number = array_double(a, row) };
	}
	return v;
}

static bool truth(const struct value *v)
{
	return v->type == V_STRING ? v->n > 0 : v->type != V_OTHER && v->number != 0;
}

static struct value of_bool(bool b)
{
	return (struct value){ .type = V_BOOL, .number = b };
}

static bool compare(enum node_type op, const struct value *x, const struct value *y)
{
	if (x->type != y->type || x->type == V_OTHER)
		return op == N_NE;
	int c = 0;
	if (x->type == V_STRING) {
		size_t n = x->n < y->n ? x->n : y->n;
		c = n ? memcmp(x->s, y->s, n) : 0;
		c = c ? c : (x->n > y->n) - (x->n < y->n);
	} else if (x->type != V_NULL) {
		if (x->number != x->number || y->number != y->number)
			return op == N_NE;
		c = (x->number > y->number) - (x->number < y->number);
	} else if (op != N_EQ && op != N_NE) {
		return false;
	}
	switch (op) {
	case N_EQ: return c == 0;
	case N_NE: return c != 0;
	case N_LT: return c < 0;
	case N_LE: return c <= 0;
	case N_GT: return c > 0;
	default: return c >= 0;
	}
}

static struct value eval(struct expr *e, const struct node *n, const struct batch *b, int64_t row)
{
	struct value x, y;
	struct buf kept = {0};
	switch (n->type) {
	case N_VALUE:
		return n->value;
	case N_PATH:
		return of_path(e, n, b, row);
	case N_LEN:
		x = of_path(e, n->left, b, row);
		return x.type == V_STRING || x.type == V_OTHER ? (struct value){ .type = V_NUMBER, .number = (double)x.n }
							       : (struct value){ .type = V_NULL };
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
	struct value v = eval(e, e->root, b, row);
	return truth(&v);
}
