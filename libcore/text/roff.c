/* roff.c - see roff.h: one pass over the lines. Macros are told by name; mdoc's inline ones by a table. */
#include "text/roff.h"
#include "text/roff_escape.h"

#include <stdio.h>

#define ARGS_MAX 64

struct arg {
	const char *s;
	size_t n;
	bool quoted;
};

struct roff {
	struct buf *out;
	struct buf word, name;       /* scratch; what .Nm calls the page */
	bool fill, glue;             /* no space before the next word */
	bool tag;                    /* the next text line is a tag of its own (.TP) */
	int breaks;                  /* line feeds due before the next word */
	const char *skip_to;         /* inside a definition: the request that ends it */
	size_t skip_n;
	int braces;                  /* open \{ of a conditional that is passed over */
	int table;                   /* 0 none, 1 its format, 2 its rows */
	char table_tab;
};

/* --- words -------------------------------------------------------------------------------- */

static void brk(struct roff *r, int lines)
{
	if (r->breaks < lines)
		r->breaks = lines;
	r->glue = false;
}

/* What joins to the word before it without a space. */
static bool closes(const char *s, size_t n)
{
	return n == 1 && strchr(".,:;)]?!", s[0]) != NULL;
}

static void emit(struct roff *r, const char *s, size_t n)
{
	buf_clear(&r->word);
	roff_escape(s, n, &r->word);
	if (r->word.len == 0)
		return;
	if (r->breaks && r->out->len) {
		buf_add(r->out, "\n\n", (size_t)(r->breaks > 2 ? 2 : r->breaks));
	} else if (r->out->len && !r->glue) {
		buf_char(r->out, ' ');
	}
	r->breaks = 0;
	r->glue = false;
	buf_add(r->out, r->word.data, r->word.len);
}

static void emit_glued(struct roff *r, const char *s, size_t n)
{
	r->glue = r->glue || r->breaks == 0;
	emit(r, s, n);
}

static size_t split_args(const char *s, size_t n, struct arg *a)
{
	size_t k = 0, i = 0;
	while (k < ARGS_MAX) {
		while (i < n && (s[i] == ' ' || s[i] == '\t'))
			i++;
		if (i == n || (s[i] == '\\' && i + 1 < n && s[i + 1] == '"'))
			break;
		a[k].quoted = s[i] == '"';
		size_t from = i += a[k].quoted;
		while (i < n && (a[k].quoted ? s[i] != '"' : s[i] != ' ' && s[i] != '\t'))
			i += s[i] == '\\' && i + 1 < n ? 2 : 1;
		a[k].s = s + from;
		a[k].n = i - from;
		k++;
		i += i < n;
	}
	return k;
}

static bool is(const struct arg *a, const char *name)
{
	return strlen(name) == a->n && memcmp(a->s, name, a->n) == 0;
}

static bool any(const struct arg *a, const char *const *names)
{
	for (; *names; names++)
		if (is(a, *names))
			return true;
	return false;
}

/* --- mdoc's inline macros ------------------------------------------------------------------- */

struct inline_macro {
	const char *name, *before, *after; /* around the rest of the line; before is glued to the next word */
};

static const struct inline_macro inlines[] = {
	{ "Op", "[", "]" }, { "Oo", "[", NULL }, { "Oc", NULL, "]" }, { "Aq", "<", ">" }, { "Ao", "<", NULL }, { "Ac", NULL, ">" },
	{ "Pq", "(", ")" }, { "Po", "(", NULL }, { "Pc", NULL, ")" }, { "Dq", "\"", "\"" }, { "Do", "\"", NULL }, { "Dc", NULL, "\"" },
	{ "Qq", "\"", "\"" }, { "Qo", "\"", NULL }, { "Qc", NULL, "\"" }, { "Sq", "'", "'" }, { "So", "'", NULL }, { "Sc", NULL, "'" },
	{ "Ql", "'", "'" }, { "Bq", "[", "]" }, { "Bo", "[", NULL }, { "Bc", NULL, "]" }, { "Brq", "{", "}" }, { "Bro", "{", NULL },
	{ "Brc", NULL, "}" }, { "In", "<", ">" }, { "Fl", "-", NULL }, { "Ar", NULL, NULL }, { "Cm", NULL, NULL }, { "Ic", NULL, NULL },
	{ "Em", NULL, NULL }, { "Sy", NULL, NULL }, { "Va", NULL, NULL }, { "Vt", NULL, NULL }, { "Fa", NULL, NULL }, { "Ft", NULL, NULL },
	{ "Li", NULL, NULL }, { "Pa", NULL, NULL }, { "Ev", NULL, NULL }, { "Er", NULL, NULL }, { "Dv", NULL, NULL }, { "An", NULL, NULL },
	{ "Tn", NULL, NULL }, { "Lk", NULL, NULL }, { "Mt", NULL, NULL }, { "No", NULL, NULL }, { "Ns", NULL, NULL }, { "Ap", NULL, NULL },
	{ "Nm", NULL, NULL }, { "Xr", NULL, NULL }, { "Fn", NULL, NULL }, { "Ad", NULL, NULL }, { "Cd", NULL, NULL }, { "Ms", NULL, NULL },
	{ "Xo", NULL, NULL }, { "Xc", NULL, NULL }, { "Nd", "- ", NULL }, { "Ux", "UNIX", NULL }, { "Bx", "BSD", NULL }, { "Nx", "NetBSD", NULL },
	{ "Fx", "FreeBSD", NULL }, { "Ox", "OpenBSD", NULL }, { "At", "AT&T UNIX", NULL },
};

static const struct inline_macro *find_inline(const struct arg *a)
{
	for (size_t i = 0; i < sizeof(inlines) / sizeof(*inlines) && !a->quoted && a->n >= 2 && a->n <= 3; i++)
		if (is(a, inlines[i].name))
			return &inlines[i];
	return NULL;
}

/* .Nm keeps its first argument, and stands for it later. */
static void name_macro(struct roff *r, const struct arg *a, size_t n)
{
	bool given = n && !find_inline(a) && !closes(a->s, a->n);
	if (given && r->name.len == 0)
		buf_add(&r->name, a->s, a->n);
	if (!given && r->name.len)
		emit(r, r->name.data, r->name.len);
}

/* Arguments that a macro joins: name(section), function(a, b). Returns how many it took. */
static size_t call_macro(struct roff *r, const struct arg *a, size_t n, bool function)
{
	size_t used = n > 0;
	if (!used)
		return 0;
	emit(r, a[0].s, a[0].n);
	bool paren = function || (n > 1 && !find_inline(&a[1]) && !closes(a[1].s, a[1].n));
	if (!paren)
		return used;
	emit_glued(r, "(", 1);
	for (; used < n && !find_inline(&a[used]) && !closes(a[used].s, a[used].n) && (function || used < 2); used++) {
		if (used > 1)
			emit_glued(r, ",", 1);
		r->glue = used == 1;
		emit(r, a[used].s, a[used].n);
	}
	emit_glued(r, ")", 1);
	return used;
}

static void mdoc_line(struct roff *r, const struct arg *a, size_t n)
{
	const char *after[ARGS_MAX];
	size_t depth = 0, i = 0, end = n;
	bool flag = false;
	while (end > 0 && closes(a[end - 1].s, a[end - 1].n) && !a[end - 1].quoted)
		end--;                       /* punctuation at the end stands behind all that closes there */
	while (i < end) {
		const struct inline_macro *m = find_inline(&a[i]);
		if (!m) {
			if (flag)
				emit(r, "-", 1);
			r->glue |= flag || closes(a[i].s, a[i].n);
			emit(r, a[i].s, a[i].n);
			i++;
			continue;
		}
		bool alone = ++i == end || find_inline(&a[i]);
		flag = is(&a[i - 1], "Fl") && !alone;
		if (m->before && !flag)
			emit(r, m->before, strlen(m->before));
		if (m->before && !flag && strchr("[<({\"'-", m->before[0]))
			r->glue = true;
		if (m->after && m->before)
			after[depth++] = m->after;
		else if (m->after)
			emit_glued(r, m->after, 1);
		if (is(&a[i - 1], "Ar") && alone)
			emit(r, "file ...", 8);
		else if (is(&a[i - 1], "Ns") || is(&a[i - 1], "Ap"))
			r->glue = true;
		else if (is(&a[i - 1], "Nm"))
			name_macro(r, a + i, end - i);
		else if (is(&a[i - 1], "Xr") || is(&a[i - 1], "Fn"))
			i += call_macro(r, a + i, end - i, is(&a[i - 1], "Fn"));
	}
	while (depth > 0)
		emit_glued(r, after[--depth], 1);
	for (; end < n; end++)
		emit_glued(r, a[end].s, a[end].n);
}

/* --- requests --------------------------------------------------------------------------------- */

static void emit_args(struct roff *r, const struct arg *a, size_t n, bool glued)
{
	for (size_t i = 0; i < n; i++) {
		r->glue |= glued && i > 0;
		emit(r, a[i].s, a[i].n);
	}
}

static void heading(struct roff *r, const struct arg *a, size_t n)
{
	r->fill = true;
	brk(r, 2);
	emit_args(r, a, n, false);
	r->tag = n == 0;                     /* the title may stand on the next line */
	brk(r, 2);
}

static void start_definition(struct roff *r, const struct arg *a, size_t n, bool named)
{
	size_t end = named ? 1 : 0;
	r->skip_to = n > end ? a[end].s : ".";
	r->skip_n = n > end ? a[end].n : 1;
}

/* A conditional is passed over with its block. */
static void skip_block(struct roff *r, const char *s, size_t n)
{
	for (size_t i = 0; i + 1 < n; i++)
		if (s[i] == '\\' && (s[i + 1] == '{' || s[i + 1] == '}'))
			r->braces += s[i + 1] == '{' ? 1 : -1;
	if (r->braces < 0)
		r->braces = 0;
}

/* Requests that only change the layout. False if the name is none of them. */
static bool layout_request(struct roff *r, const struct arg *m, const struct arg *a, size_t n)
{
	static const char *const paragraph[] = { "PP", "P", "LP", "Pp", "Lp", "sp", "RS", "RE", "Bl", "El", "HP", "SY", "YS", "Rs", "Re", NULL };
	static const char *const nofill[] = { "nf", "EX", "Vb", "Bd", NULL }, *const refill[] = { "fi", "EE", "Ve", "Ed", NULL };
	if (any(m, paragraph)) {
		brk(r, 2);
		if (is(m, "SY"))
			emit_args(r, a, n, false);
	} else if (any(m, nofill)) {
		bool text = is(m, "Bd") && !(n && (is(&a[0], "-literal") || is(&a[0], "-unfilled")));
		r->fill = text;
		brk(r, 2);
	} else if (any(m, refill)) {
		r->fill = true;
		brk(r, 2);
	} else if (is(m, "br")) {
		brk(r, 1);
	} else if (is(m, "TP") || is(m, "TQ")) {
		r->tag = true;
		brk(r, is(m, "TP") ? 2 : 1);
	} else if (is(m, "IP")) {
		brk(r, 2);
		emit_args(r, a, n > 1 ? 1 : n, false);
		brk(r, 1);
	} else if (is(m, "TS")) {
		r->table = 1;
		r->table_tab = '\t';
		brk(r, 2);
	} else {
		return false;
	}
	return true;
}

static void request(struct roff *r, const char *s, size_t n)
{
	static const char *const fonts[] = { "B", "I", "R", "SM", "SB", "b", "Em", "Sy", "Li", "UR", "MT", "D1", "Dl", NULL };
	static const char *const mixed[] = { "BR", "RB", "BI", "IB", "IR", "RI", "OP", NULL };
	static const char *const conditions[] = { "if", "ie", "el", "while", NULL };
	struct arg a[ARGS_MAX + 1];
	size_t k = split_args(s, n, a);
	if (k == 0)
		return;
	const struct arg *m = &a[0];
	if (is(m, "SH") || is(m, "SS") || is(m, "Sh") || is(m, "Ss")) {
		heading(r, a + 1, k - 1);
	} else if (is(m, "de") || is(m, "de1") || is(m, "am") || is(m, "ig")) {
		start_definition(r, a + 1, k - 1, !is(m, "ig"));
	} else if (is(m, "EQ")) {
		r->skip_to = "EN";
		r->skip_n = 2;
	} else if (any(m, conditions)) {
		skip_block(r, s, n);
	} else if (layout_request(r, m, a + 1, k - 1)) {
		return;
	} else if (is(m, "It") || is(m, "D1") || is(m, "Dl")) {
		brk(r, 1);
		mdoc_line(r, a + 1, k - 1);
		brk(r, 1);
	} else if (any(m, fonts) || any(m, mixed)) {
		emit_args(r, a + 1, k - 1, any(m, mixed) && !is(m, "OP"));
		if (r->tag || !r->fill)
			brk(r, 1);
		r->tag = r->tag && k < 2;
	} else if (find_inline(m)) {
		mdoc_line(r, a, k);
		if (!r->fill)
			brk(r, 1);
	} else if (m->n && m->s[0] == '%') {
		emit_args(r, a + 1, k - 1, false);
	}
}

/* --- lines --------------------------------------------------------------------------------------- */

static void table_line(struct roff *r, const char *s, size_t n)
{
	if (n >= 3 && memcmp(s, ".TE", 3) == 0) {
		r->table = 0;
		brk(r, 2);
		return;
	}
	if (r->table == 1) {
		const char *tab = memmem(s, n, "tab(", 4);
		if (tab && (size_t)(tab - s) + 4 < n && !(tab[4] & 0x80))
			r->table_tab = tab[4];
		if (n && s[n - 1] == '.')
			r->table = 2;
		return;
	}
	if (n == 0 || s[0] == '.' || s[0] == '_' || s[0] == '=')
		return;
	for (size_t i = 0; i <= n;) {
		const char *cut = memchr(s + i, r->table_tab, n - i);
		size_t end = cut ? (size_t)(cut - s) : n;
		bool block = end - i == 2 && (memcmp(s + i, "T{", 2) == 0 || memcmp(s + i, "T}", 2) == 0);
		if (!block)
			emit(r, s + i, end - i);
		i = end + 1;
	}
	brk(r, 1);
}

static void text_line(struct roff *r, const char *s, size_t n)
{
	size_t blank = 0;
	while (blank < n && (s[blank] == ' ' || s[blank] == '\t'))
		blank++;
	if (blank == n) {
		brk(r, 2);
		return;
	}
	if (!r->fill) {
		emit(r, s, n);
		brk(r, 1);
		return;
	}
	if (blank)
		brk(r, 1);                   /* leading white space breaks the line */
	emit(r, s + blank, n - blank);
	if (r->tag)
		brk(r, 1);
	r->tag = false;
}

static void line(struct roff *r, const char *s, size_t n)
{
	bool control = n && (s[0] == '.' || s[0] == '\'');
	if (r->skip_to) {
		if (control && n >= r->skip_n + 1 && memcmp(s + 1, r->skip_to, r->skip_n) == 0)
			r->skip_to = NULL;
	} else if (r->braces) {
		skip_block(r, s, n);
	} else if (r->table) {
		table_line(r, s, n);
	} else if (control) {
		request(r, s + 1, n - 1);
	} else {
		text_line(r, s, n);
	}
}

void roff_text(const char *s, size_t n, struct buf *out)
{
	struct buf own = {0};
	struct roff r = { .out = &own, .fill = true };
	for (size_t i = 0; i < n;) {
		const char *end = memchr(s + i, '\n', n - i);
		size_t len = end ? (size_t)(end - s) - i : n - i;
		line(&r, s + i, len && s[i + len - 1] == '\r' ? len - 1 : len);
		i += len + 1;
	}
	if (own.len)
		buf_add(out, own.data, own.len);
	buf_release(&own);
	buf_release(&r.word);
	buf_release(&r.name);
}

bool roff_looks_like(const char *s, size_t n)
{
	static const char *const marks[] = { ".TH ", ".Dd ", ".SH ", ".Sh ", ".so ", ".TH\t" };
	if (n < 4 || (s[0] != '.' && s[0] != '\''))
		return false;
	for (size_t i = 0; i + 4 <= n;) {
		for (size_t k = 0; k < sizeof(marks) / sizeof(*marks); k++)
			if (memcmp(s + i, marks[k], 4) == 0)
				return true;
		const char *end = memchr(s + i, '\n', n - i);
		if (!end)
			break;
		i = (size_t)(end - s) + 1;
	}
	return false;
}
