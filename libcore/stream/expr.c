/* expr.c - see expr.h: a recursive descent parser to nodes; expr_eval.c walks them for each row. */
#include "stream/expr_priv.h"

#include <ctype.h>
#include <stdlib.h>

#define DEPTH_MAX 100

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
	(*out)->value = (struct expr_value){ .type = V_STRING, .n = b.len };
	(*out)->value.s = arena_strndup(&e->arena, b.data ? b.data : "", b.len);
	buf_release(&b);
	return OK;
}

/* Finds where a path leads: through structs and maps to a field, or into the JSON of a text. */
static enum status resolve(const struct expr *e, struct node *n, struct error *err)
{
	n->field = &e->schema->fields[n->column];
	for (int i = 0; i < n->n_path; i++) {
		const struct field *f = n->field, *inner = NULL;
		if (field_is_text(f)) {
			n->field = NULL;
			return OK;
		}
		for (int k = 0; f->type == T_STRUCT && k < f->n_children; k++)
			if (strcmp(f->children[k].name, n->path[i]) == 0)
				inner = &f->children[k];
		if (f->type == T_MAP && field_is_text(&f->children[0].children[0]))
			inner = &f->children[0].children[1];
		if (!inner) {
			struct buf why = {0};
			buf_printf(&why, "no '%s' in ", n->path[i]);
			field_print(f, &why);
			enum status st = wrong(e, why.data, err);
			buf_release(&why);
			return st;
		}
		n->field = inner;
	}
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
	return resolve(e, n, err);
}

static enum status parse_len(struct expr *e, struct node **out, struct error *err)
{
	struct node *of;
	if (!word(e, "("))
		return wrong(e, "'(' wanted", err);
	space(e);
	TRY(parse_path(e, &of, err));
	*out = node(e, N_LEN, of, NULL);
	return word(e, ")") ? OK : wrong(e, "')' wanted", err);
}

static enum status parse_number(struct expr *e, struct node **out, struct error *err)
{
	char *end;
	*out = node(e, N_VALUE, NULL, NULL);
	(*out)->value = (struct expr_value){ .type = V_NUMBER, .number = strtod(e->at, &end) };
	if (end == e->at || is_name(*end))
		return wrong(e, "not a number", err);
	if (strspn(e->at, "+-0123456789") == (size_t)(end - e->at))
		(*out)->value.number = strtold(e->at, NULL); /* integers beyond 2^53 as they are */
	e->at = end;
	return OK;
}

static enum status parse_value(struct expr *e, struct node **out, struct error *err)
{
	static const struct { const char *name; struct expr_value v; } words[] = {
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
		e->at += 3;
		return parse_len(e, out, err);
	}
	if (isdigit((unsigned char)*e->at) || *e->at == '-' || *e->at == '+' || *e->at == '.')
		return parse_number(e, out, err);
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

/* Reads a literal as what the other side is: a time, or a number of its precision. */
static enum status adapt(const struct expr *e, struct node *literal, const struct node *other, struct error *err)
{
	struct expr_value *v = &literal->value;
	const struct field *f = other->type == N_PATH ? other->field : NULL;
	if (literal->type != N_VALUE || !f)
		return OK;
	if (v->type == V_NUMBER && (f->type == T_FLOAT32 || f->type == T_FLOAT16))
		v->number = (float)v->number;
	else if (v->type == V_NUMBER && f->type >= T_DECIMAL32 && f->type <= T_DECIMAL256)
		v->number = (double)v->number;
	if (v->type != V_STRING || f->type < T_DATE32 || f->type > T_DURATION || expr_parse_time(f, v->s, v->n, v))
		return OK;
	return wrong(e, f->type == T_DURATION ? "not a duration (PT1.5S)"
		      : f->type == T_TIME32 || f->type == T_TIME64 ? "not a time (12:30, 12:30:59.5)"
								   : "not a date or time (2024-01-31, 2024-01-31T12:30:00Z)", err);
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
			if (signs[i].type == N_MATCH)
				return compile(e, *out, err);
			TRY(adapt(e, right, (*out)->left, err));
			return adapt(e, (*out)->left, right, err);
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

static enum status parse_all(struct expr **out, const char *text, const struct schema *s, bool value, struct error *err)
{
	struct expr *e = mem_zalloc(sizeof(*e));
	e->text = e->at = text;
	e->schema = s;
	e->json = json_parser_open();
	enum status st = value ? parse_value(e, &e->root, err) : parse_or(e, &e->root, err);
	space(e);
	if (st == OK && value && e->root->type != N_PATH && e->root->type != N_LEN)
		st = wrong(e, "a column, a path or len() wanted", err);
	if (st == OK && *e->at)
		st = wrong(e, value ? "the end wanted" : "and, or or the end wanted", err);
	if (st != OK) {
		expr_free(e);
		return st;
	}
	*out = e;
	return OK;
}

enum status expr_parse(struct expr **out, const char *text, const struct schema *s, struct error *err)
{
	return parse_all(out, text, s, false, err);
}

enum status expr_parse_value(struct expr **out, const char *text, const struct schema *s, struct error *err)
{
	return parse_all(out, text, s, true, err);
}

static bool uses(const struct node *n, int column)
{
	return n && ((n->type == N_PATH && n->column == column) || uses(n->left, column) || uses(n->right, column));
}

bool expr_uses(const struct expr *e, int column)
{
	return uses(e->root, column);
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
