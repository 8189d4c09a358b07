/* Tokens to a tree: Jinja's grammar by recursive descent, precedences as jinja2/parser.py has them. Names of filters,
 * tests and statements are looked up here, so that an unknown one is refused before anything is rendered. */
#include "token/jinja_priv.h"

struct parser {
	struct jrun *r;
	struct jtoken *t;
	bool generation;
	int loops;                   /* for break and continue */
	int branches;                /* within them, a filter or test that is not known fails only where it is reached, as in Jinja */
};

static struct jnode *expression(struct parser *p);
static struct jnode *statements(struct parser *p, const char *const *ends);
static struct jnode *unary(struct parser *p, bool with_filter);

static struct jnode *node(struct parser *p, enum jnode_kind kind)
{
	struct jnode *n = jalloc(p->r, 1, sizeof(*n));

	*n = (struct jnode){.kind = kind, .line = p->t->line};
	return n;
}

static bool is_op(const struct parser *p, const char *op)
{
	return p->t->type == JT_OP && !strcmp(p->t->p, op);
}

static bool is_name(const struct parser *p, const char *name)
{
	return p->t->type == JT_NAME && p->t->n == strlen(name) && !memcmp(p->t->p, name, p->t->n);
}

static bool take_op(struct parser *p, const char *op)
{
	if (!is_op(p, op))
		return false;
	p->t++;
	return true;
}

static bool take_name(struct parser *p, const char *name)
{
	if (!is_name(p, name))
		return false;
	p->t++;
	return true;
}

static void __attribute__((noreturn)) unexpected(struct parser *p, const char *wanted)
{
	if (p->t->type == JT_EOF)
		jfail(p->r, ERR_DATA, "line %d: expected %s, found the end of the template", p->t->line, wanted);
	jfail(p->r, ERR_DATA, "line %d: expected %s, found '%.*s'", p->t->line, wanted, (int)(p->t->n < 30 ? p->t->n : 30), p->t->p);
}

static void need_op(struct parser *p, const char *op)
{
	if (!take_op(p, op))
		unexpected(p, op);
}

static const char *need_identifier(struct parser *p)
{
	char *s;

	if (p->t->type != JT_NAME)
		unexpected(p, "a name");
	s = jalloc(p->r, p->t->n + 1, 1);
	memcpy(s, p->t->p, p->t->n);
	s[p->t->n] = 0;
	p->t++;
	return s;
}

static void add_kid(struct parser *p, struct jnode *n, struct jnode *kid)
{
	if ((n->n & (n->n - 1)) == 0) { /* full at 0, 1, 2, 4, 8 ... */
		struct jnode **kids = jalloc(p->r, n->n ? (size_t)n->n * 2 : 1, sizeof(*kids));

		if (n->n)
			memcpy(kids, n->kids, (size_t)n->n * sizeof(*kids));
		n->kids = kids;
	}
	n->kids[n->n++] = kid;
}

static void add_keyword(struct parser *p, struct jnode *n, const char *name, struct jnode *value)
{
	size_t k = (size_t)n->n_kw;
	const char **names = jalloc(p->r, k + 1, sizeof(*names));
	struct jnode **kw = jalloc(p->r, k + 1, sizeof(*kw));

	if (k) {
		memcpy(names, n->names, k * sizeof(*names));
		memcpy(kw, n->kw, k * sizeof(*kw));
	}
	names[k] = name;
	kw[k] = value;
	n->names = names;
	n->kw = kw;
	n->n_kw++;
}

/* "(a, b, key=c)" into kids and keywords of n; the parenthesis is taken. */
static void arguments(struct parser *p, struct jnode *n)
{
	while (!take_op(p, ")")) {
		if (is_op(p, "*") || is_op(p, "**"))
			jfail(p->r, ERR_UNSUPPORTED, "line %d: '*' arguments are not supported", p->t->line);
		if (p->t->type == JT_NAME && p->t[1].type == JT_OP && !strcmp(p->t[1].p, "=")) {
			const char *name = need_identifier(p);

			p->t++;
			add_keyword(p, n, name, expression(p));
		} else {
			add_kid(p, n, expression(p));
		}
		if (!is_op(p, ")"))
			need_op(p, ",");
	}
}

static struct jnode *constant(struct parser *p, struct jv v)
{
	struct jnode *n = node(p, JN_VALUE);

	n->value = v;
	return n;
}

static struct jnode *collection(struct parser *p, enum jnode_kind kind, const char *close)
{
	struct jnode *n = node(p, kind);

	while (!take_op(p, close)) {
		struct jnode *e = expression(p);

		add_kid(p, n, e);
		if (kind == JN_DICT) {
			need_op(p, ":");
			add_kid(p, n, expression(p));
		}
		if (!is_op(p, close))
			need_op(p, ",");
	}
	return n;
}

/* "(a)" is a, "(a,)" and "()" are tuples; the parenthesis is taken. */
static struct jnode *parenthesis(struct parser *p)
{
	struct jnode *first, *n;

	if (take_op(p, ")"))
		return node(p, JN_TUPLE);
	first = expression(p);
	if (take_op(p, ")"))
		return first;
	need_op(p, ",");
	n = collection(p, JN_TUPLE, ")");
	add_kid(p, n, first); /* put in front */
	memmove(n->kids + 1, n->kids, (size_t)(n->n - 1) * sizeof(*n->kids));
	n->kids[0] = first;
	return n;
}

static struct jnode *string_constant(struct parser *p)
{
	struct jnode *n = constant(p, jv_undefined(NULL));
	struct jtext t = {0};

	for (; p->t->type == JT_STRING; p->t++) /* neighbours join */
		jtext_add(p->r, &t, p->t->p, NULL, p->t->n);
	n->value = jtext_done(&t);
	n->value.s.m = NULL;
	return n;
}

static struct jnode *primary(struct parser *p)
{
	struct jnode *n;

	if (p->t->type == JT_STRING)
		return string_constant(p);
	if (p->t->type == JT_INT || p->t->type == JT_FLOAT) {
		n = constant(p, p->t->type == JT_INT ? jv_int(p->t->i) : jv_float(p->t->f));
		p->t++;
		return n;
	}
	if (take_op(p, "("))
		return parenthesis(p);
	if (take_op(p, "["))
		return collection(p, JN_LIST, "]");
	if (take_op(p, "{"))
		return collection(p, JN_DICT, "}");
	if (take_name(p, "true") || take_name(p, "True"))
		return constant(p, jv_bool(true));
	if (take_name(p, "false") || take_name(p, "False"))
		return constant(p, jv_bool(false));
	if (take_name(p, "none") || take_name(p, "None"))
		return constant(p, jv_none());
	n = node(p, JN_NAME);
	n->name = need_identifier(p);
	return n;
}

/* [i], [a:b:c]; the bracket is taken. a = value, b..d = start, stop, step, any NULL. */
static struct jnode *subscript(struct parser *p, struct jnode *of)
{
	struct jnode *n = node(p, JN_ITEM), **part[] = {&n->b, &n->c, &n->d};
	int k = 0;

	n->a = of;
	if (take_op(p, "]")) {
		n->b = node(p, JN_TUPLE);
		return n;
	}
	while (!take_op(p, "]")) {
		if (take_op(p, ":")) {
			n->kind = JN_SLICE;
			if (++k > 2)
				unexpected(p, "]");
		} else if (*part[k]) {
			unexpected(p, "]");
		} else {
			*part[k] = expression(p);
		}
	}
	return n;
}

static struct jnode *call_of(struct parser *p, struct jnode *of)
{
	struct jnode *n = node(p, JN_CALL);

	n->a = of;
	p->t++;
	arguments(p, n);
	return n;
}

static struct jnode *postfix(struct parser *p, struct jnode *n)
{
	int chain = 0;

	for (;;) {
		struct jnode *of = n;

		if (++chain > JINJA_DEPTH_MAX)
			jfail(p->r, ERR_DATA, "line %d: nested too deeply", p->t->line);
		if (take_op(p, ".")) {
			if (p->t->type == JT_INT) {
				n = node(p, JN_ITEM);
				n->b = constant(p, jv_int(p->t->i));
				p->t++;
			} else {
				n = node(p, JN_ATTR);
				n->name = need_identifier(p);
				n->is_method = jinja_is_method(n->name);
			}
			n->a = of;
		} else if (take_op(p, "[")) {
			n = subscript(p, of);
		} else if (is_op(p, "(")) {
			n = call_of(p, of);
		} else {
			return n;
		}
	}
}

static void filter_name(struct parser *p, struct jnode *n)
{
	n->name = need_identifier(p);
	n->fn = (const void *)(uintptr_t)jinja_filter(n->name);
	if (!n->fn && !p->branches)
		jfail(p->r, ERR_UNSUPPORTED, "line %d: filter '%s' is not supported", n->line, n->name);
	if (take_op(p, "("))
		arguments(p, n);
}

/* "is [not] name [(args) | arg]"; the "is" is taken. */
static struct jnode *test_of(struct parser *p, struct jnode *of)
{
	bool negated = take_name(p, "not");
	struct jnode *n = node(p, JN_TEST), *not;
	static const char *const follow[] = {"else", "or", "and", "is", "if", "in", "not"};
	bool keyword = false;

	n->a = of;
	n->name = need_identifier(p);
	n->fn = (const void *)(uintptr_t)jinja_test(n->name);
	if (!n->fn && !p->branches)
		jfail(p->r, ERR_UNSUPPORTED, "line %d: test '%s' is not supported", n->line, n->name);
	for (size_t i = 0; i < sizeof(follow) / sizeof(*follow); i++)
		keyword |= is_name(p, follow[i]);
	if (take_op(p, "("))
		arguments(p, n);
	else if ((p->t->type == JT_NAME && !keyword) || p->t->type == JT_STRING || p->t->type == JT_INT || p->t->type == JT_FLOAT ||
		 is_op(p, "[") || is_op(p, "{"))
		add_kid(p, n, postfix(p, primary(p)));
	if (!negated)
		return n;
	not = node(p, JN_NOT);
	not->a = n;
	return not;
}

static struct jnode *filters(struct parser *p, struct jnode *n)
{
	int chain = 0;

	for (;;) {
		struct jnode *of = n;

		if (++chain > JINJA_DEPTH_MAX)
			jfail(p->r, ERR_DATA, "line %d: nested too deeply", p->t->line);
		if (take_op(p, "|")) {
			n = node(p, JN_FILTER);
			n->a = of;
			filter_name(p, n);
		} else if (take_name(p, "is")) {
			n = test_of(p, of);
		} else if (is_op(p, "(")) {
			n = call_of(p, of);
		} else {
			return n;
		}
	}
}

static struct jnode *unary(struct parser *p, bool with_filter)
{
	struct jnode *n;

	jenter(p->r);
	if (is_op(p, "-") || is_op(p, "+")) {
		n = node(p, is_op(p, "-") ? JN_NEG : JN_POS);
		p->t++;
		n->a = unary(p, false);
	} else {
		n = primary(p);
	}
	n = postfix(p, n);
	if (with_filter)
		n = filters(p, n);
	jleave(p->r);
	return n;
}

/* Left-associative binary operators, loosest first: + -, ~, * / // %, **. */
static struct jnode *binary(struct parser *p, int level)
{
	static const char *const ops[4][5] = {{"+", "-"}, {"~"}, {"*", "/", "//", "%"}, {"**"}};
	struct jnode *left;
	int chain = 0;

	if (level == 4)
		return unary(p, true);
	left = binary(p, level + 1);
	for (;;) {
		const char *op = NULL;
		struct jnode *n;

		for (int i = 0; ops[level][i] && !op; i++)
			op = is_op(p, ops[level][i]) ? ops[level][i] : NULL;
		if (!op)
			return left;
		if (++chain > JINJA_DEPTH_MAX) /* the tree leans left by one for each */
			jfail(p->r, ERR_DATA, "line %d: too many operators in a row", p->t->line);
		n = node(p, JN_BINARY);
		n->name = op;
		p->t++;
		n->a = left;
		n->b = binary(p, level + 1);
		left = n;
	}
}

/* a < b <= c: kids are the operands after the first, names the operators. */
static struct jnode *comparison(struct parser *p)
{
	static const char *const ops[] = {"==", "!=", "<=", ">=", "<", ">"};
	struct jnode *first = binary(p, 0), *n = NULL;

	for (;;) {
		const char *op = NULL;

		for (int i = 0; i < 6 && !op; i++)
			op = is_op(p, ops[i]) ? ops[i] : NULL;
		if (op) {
			p->t++;
		} else if (take_name(p, "in")) {
			op = "in";
		} else if (is_name(p, "not") && p->t[1].type == JT_NAME && p->t[1].n == 2 && !memcmp(p->t[1].p, "in", 2)) {
			p->t += 2;
			op = "not in";
		}
		if (!op)
			return n ? n : first;
		if (!n) {
			n = node(p, JN_COMPARE);
			n->a = first;
		}
		add_keyword(p, n, op, binary(p, 0));
	}
}

static struct jnode *negation(struct parser *p)
{
	struct jnode *n;

	if (!is_name(p, "not"))
		return comparison(p);
	jenter(p->r);
	n = node(p, JN_NOT);
	p->t++;
	n->a = negation(p);
	jleave(p->r);
	return n;
}

/* kids are the operands of "and" or "or". */
static struct jnode *logical(struct parser *p, bool or)
{
	struct jnode *n = or ? logical(p, false) : negation(p), *all = NULL;

	while (take_name(p, or ? "or" : "and")) {
		if (!all) {
			all = node(p, or ? JN_OR : JN_AND);
			add_kid(p, all, n);
		}
		add_kid(p, all, or ? logical(p, false) : negation(p));
	}
	return all ? all : n;
}

/* a = value, b = condition, c = else (NULL: undefined). */
static struct jnode *expression(struct parser *p)
{
	struct jnode *n;
	int chain = 0;

	jenter(p->r);
	n = logical(p, true);
	while (take_name(p, "if")) {
		struct jnode *t = node(p, JN_TERNARY);

		if (++chain > JINJA_DEPTH_MAX)
			jfail(p->r, ERR_DATA, "line %d: nested too deeply", p->t->line);
		t->a = n;
		t->b = logical(p, true);
		t->c = take_name(p, "else") ? expression(p) : NULL;
		n = t;
	}
	jleave(p->r);
	return n;
}

/* --- statements -------------------------------------------------------------------------------- */

static void block_end(struct parser *p)
{
	if (p->t->type != JT_BLOCK_END)
		unexpected(p, "%}");
	p->t++;
}

/* "a, b" without parentheses. */
static struct jnode *expression_tuple(struct parser *p)
{
	struct jnode *first = expression(p), *n;

	if (!is_op(p, ","))
		return first;
	n = node(p, JN_TUPLE);
	add_kid(p, n, first);
	while (take_op(p, ",") && p->t->type != JT_BLOCK_END && p->t->type != JT_OUT_END)
		add_kid(p, n, expression(p));
	return n;
}

/* What for and set assign to: a name, names in a tuple (kids), or name.attr (a = name). */
static struct jnode *target(struct parser *p)
{
	struct jnode *n = node(p, JN_NAME), *one;
	bool paren = take_op(p, "(");

	n->name = need_identifier(p);
	if (take_op(p, ".")) {
		one = node(p, JN_ATTR);
		one->a = n;
		one->name = need_identifier(p);
		return one;
	}
	if (is_op(p, ",")) {
		one = n;
		n = node(p, JN_TUPLE);
		add_kid(p, n, one);
		while (take_op(p, ",")) {
			if (p->t->type != JT_NAME || is_name(p, "in"))
				break;
			one = node(p, JN_NAME);
			one->name = need_identifier(p);
			add_kid(p, n, one);
		}
	}
	if (paren)
		need_op(p, ")");
	return n;
}

/* a = target, b = iterable, c = body, d = else; kids[0] = condition if there is one. */
static struct jnode *for_statement(struct parser *p)
{
	struct jnode *n = node(p, JN_FOR);

	n->a = target(p);
	if (!take_name(p, "in"))
		unexpected(p, "in");
	n->b = logical(p, true); /* no ternary: "if" begins the filter */
	if (is_op(p, ",")) {
		struct jnode *tuple = node(p, JN_TUPLE);

		add_kid(p, tuple, n->b);
		while (take_op(p, ","))
			add_kid(p, tuple, logical(p, true));
		n->b = tuple;
	}
	if (take_name(p, "if"))
		add_kid(p, n, expression(p));
	if (is_name(p, "recursive"))
		jfail(p->r, ERR_UNSUPPORTED, "line %d: 'for ... recursive' is not supported", p->t->line);
	block_end(p);
	p->loops++;
	n->c = statements(p, (const char *const[]){"endfor", "else", NULL});
	p->loops--;
	if (take_name(p, "else")) {
		block_end(p);
		n->d = statements(p, (const char *const[]){"endfor", NULL});
	}
	p->t++;
	return n;
}

/* kids: condition, body, condition, body, ...; a = else. */
static struct jnode *if_statement(struct parser *p)
{
	struct jnode *n = node(p, JN_IF);

	do {
		add_kid(p, n, expression_tuple(p));
		block_end(p);
		p->branches++;
		add_kid(p, n, statements(p, (const char *const[]){"elif", "else", "endif", NULL}));
		p->branches--;
	} while (take_name(p, "elif"));
	if (take_name(p, "else")) {
		block_end(p);
		p->branches++;
		n->a = statements(p, (const char *const[]){"endif", NULL});
		p->branches--;
	}
	p->t++;
	return n;
}

/* a = target, b = value; or a block: b = body, c = chain of filters over it. */
static struct jnode *set_statement(struct parser *p)
{
	struct jnode *n = node(p, JN_SET);

	n->a = target(p);
	if (take_op(p, "=")) {
		n->b = expression_tuple(p);
		return n;
	}
	n->kind = JN_SET_BLOCK;
	n->c = filters(p, constant(p, jv_undefined(NULL)));
	block_end(p);
	n->b = statements(p, (const char *const[]){"endset", NULL});
	p->t++;
	return n;
}

/* name; names and kw: parameters and their defaults (NULL = none); a = body. */
static struct jnode *macro_statement(struct parser *p)
{
	struct jnode *n = node(p, JN_MACRO);
	int loops = p->loops;

	n->name = need_identifier(p);
	need_op(p, "(");
	while (!take_op(p, ")")) {
		const char *name = need_identifier(p);

		add_keyword(p, n, name, take_op(p, "=") ? expression(p) : NULL);
		if (!is_op(p, ")"))
			need_op(p, ",");
	}
	block_end(p);
	p->loops = 0;
	n->a = statements(p, (const char *const[]){"endmacro", NULL});
	p->loops = loops;
	p->t++;
	return n;
}

/* a = body, b = chain of filters over a placeholder. */
static struct jnode *filter_statement(struct parser *p)
{
	struct jnode *n = node(p, JN_FILTER_BLOCK), *f = node(p, JN_FILTER);

	f->a = constant(p, jv_undefined(NULL));
	filter_name(p, f);
	n->b = filters(p, f);
	block_end(p);
	n->a = statements(p, (const char *const[]){"endfilter", NULL});
	p->t++;
	return n;
}

static struct jnode *statement(struct parser *p)
{
	int line = p->t->line;
	const char *name;

	if (take_name(p, "if"))
		return if_statement(p);
	if (take_name(p, "for"))
		return for_statement(p);
	if (take_name(p, "set"))
		return set_statement(p);
	if (take_name(p, "macro"))
		return macro_statement(p);
	if (take_name(p, "filter"))
		return filter_statement(p);
	if (take_name(p, "generation")) {
		struct jnode *n = node(p, JN_GENERATION);

		p->generation = true;
		block_end(p);
		n->a = statements(p, (const char *const[]){"endgeneration", NULL});
		p->t++;
		return n;
	}
	if (is_name(p, "break") || is_name(p, "continue")) {
		struct jnode *n = node(p, is_name(p, "break") ? JN_BREAK : JN_CONTINUE);

		if (!p->loops)
			jfail(p->r, ERR_DATA, "line %d: '%s' outside of a loop", line, n->kind == JN_BREAK ? "break" : "continue");
		p->t++;
		return n;
	}
	name = need_identifier(p);
	jfail(p->r, ERR_UNSUPPORTED, "line %d: statement '%s' is not supported", line, name);
}

static bool at_end(const struct parser *p, const char *const *ends)
{
	for (; *ends; ends++)
		if (is_name(p, *ends))
			return true;
	return false;
}

/* A JN_BLOCK of everything up to one of the ends, whose name is then the current token. */
static struct jnode *statements(struct parser *p, const char *const *ends)
{
	struct jnode *n = node(p, JN_BLOCK), *kid;

	jenter(p->r);
	for (;;) {
		switch (p->t->type) {
		case JT_TEXT:
			kid = node(p, JN_TEXT);
			kid->value = (struct jv){.type = JV_STRING, .s = {.p = p->t->p, .n = p->t->n}};
			p->t++;
			break;
		case JT_OUT:
			kid = node(p, JN_OUTPUT);
			p->t++;
			kid->a = expression_tuple(p);
			if (p->t->type != JT_OUT_END)
				unexpected(p, "}}");
			p->t++;
			break;
		case JT_BLOCK:
			p->t++;
			if (at_end(p, ends)) {
				jleave(p->r);
				return n;
			}
			kid = statement(p);
			block_end(p);
			break;
		default:
			if (*ends)
				unexpected(p, *ends);
			jleave(p->r);
			return n;
		}
		add_kid(p, n, kid);
	}
}

struct jnode *jinja_parse(struct jrun *r, struct jtoken *tokens, bool *generation)
{
	struct parser p = {.r = r, .t = tokens};
	struct jnode *root = statements(&p, (const char *const[]){NULL});

	*generation = p.generation;
	return root;
}
