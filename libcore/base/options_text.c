/* options_text.c - what an option table says of itself: --help, the man page's list, completion, provenance. */
#include "base/options.h"

static void add_number(struct buf *out, double v)
{
	buf_printf(out, "%.10g", v);
}

/* The word of "a|b|c" at index. */
static void add_choice(struct buf *out, const char *words, int index)
{
	const char *p = words;
	while (index-- > 0)
		p += strcspn(p, "|") + 1;
	buf_add(out, p, strcspn(p, "|"));
}

/* The default, as the variable holds it before parsing; nothing for what is off or unset. */
static void add_default(struct buf *out, const struct opt *o, const char *before, const char *after)
{
	struct buf v = {0};
	switch (o->type) {
	case OPT_TYPE_INT:
		if (*(int64_t *)o->value != 0 || o->min != 0)
			add_number(&v, (double)*(int64_t *)o->value);
		break;
	case OPT_TYPE_DOUBLE:
		add_number(&v, *(double *)o->value);
		break;
	case OPT_TYPE_STRING:
		if (*(const char **)o->value)
			buf_str(&v, *(const char **)o->value);
		break;
	case OPT_TYPE_CHOICE:
		add_choice(&v, o->arg, *(int *)o->value);
		break;
	case OPT_TYPE_FLAG:
		if (*(bool *)o->value)
			buf_str(&v, "on");
		break;
	case OPT_TYPE_LIST:
	case OPT_TYPE_GROUP:
	case OPT_TYPE_END:
		break;
	}
	if (v.len)
		buf_printf(out, "%s%s%s", before, v.data, after);
	buf_release(&v);
}

/* An option of an earlier table takes the place of one with its name here, as it does in parsing. */
static bool overridden(struct opt *const *tables, int table, const struct opt *o)
{
	for (int t = 0; t < table && o->type != OPT_TYPE_GROUP; t++)
		for (const struct opt *p = tables[t]; p && p->type != OPT_TYPE_END; p++)
			if (p->type != OPT_TYPE_GROUP && strcmp(p->name, o->name) == 0)
				return true;
	return false;
}

static void help_row(struct buf *out, const struct opt *o)
{
	size_t start = out->len;
	if (o->short_name)
		buf_printf(out, "  -%c, ", o->short_name);
	else
		buf_str(out, "      ");
	buf_printf(out, "--%s", o->name);
	if (o->arg)
		buf_printf(out, o->alone ? " [%s]" : " %s", o->arg);
	if (out->len - start > 30)
		buf_printf(out, "\n%32s", "");
	while (out->len - start < 32)
		buf_char(out, ' ');
	buf_str(out, o->help);
	add_default(out, o, " [", "]");
	buf_char(out, '\n');
}

void opt_help(struct buf *out, struct opt *const *tables, int n_tables)
{
	for (int t = 0; t < n_tables; t++)
		for (const struct opt *o = tables[t]; o && o->type != OPT_TYPE_END; o++) {
			if (o->type == OPT_TYPE_GROUP)
				buf_printf(out, "\n%s:\n", o->name);
			else if (!overridden(tables, t, o))
				help_row(out, o);
		}
}

/* Text for mdoc: backslashes escaped, and a leading dot or quote made harmless. */
static void add_roff(struct buf *out, const char *s)
{
	if (*s == '.' || *s == '\'')
		buf_str(out, "\\&");
	for (; *s; s++) {
		if (*s == '\\')
			buf_str(out, "\\e");
		else if (*s == '-')
			buf_str(out, "\\-");
		else
			buf_char(out, *s);
	}
}

static void mdoc_row(struct buf *out, const struct opt *o)
{
	buf_str(out, ".It ");
	if (o->short_name) {
		buf_printf(out, "Fl %c ", o->short_name);
		if (o->arg)
			buf_printf(out, "Ar %s ", o->arg);
		buf_str(out, ", ");
	}
	buf_str(out, "Fl \\-");
	add_roff(out, o->name);
	if (o->arg) {
		buf_str(out, o->alone ? " Op Ar " : " Ar ");
		add_roff(out, o->arg);
	}
	buf_char(out, '\n');
	struct buf line = {0};
	buf_str(&line, o->help);
	line.data[0] = (char)(line.data[0] >= 'a' && line.data[0] <= 'z' ? line.data[0] - 32 : line.data[0]);
	add_default(&line, o, " (default: ", ")");
	add_roff(out, line.data);
	buf_str(out, ".\n");
	buf_release(&line);
}

void opt_mdoc(struct buf *out, struct opt *const *tables, int n_tables)
{
	bool open = false;
	for (int t = 0; t < n_tables; t++)
		for (const struct opt *o = tables[t]; o && o->type != OPT_TYPE_END; o++) {
			if (o->type == OPT_TYPE_GROUP) {
				buf_printf(out, "%s.Ss ", open ? ".El\n" : "");
				add_roff(out, o->name);
				buf_char(out, '\n');
				open = false;
				continue;
			}
			if (overridden(tables, t, o))
				continue;
			if (!open)
				buf_str(out, ".Bl -tag -width Ds\n");
			open = true;
			mdoc_row(out, o);
		}
	if (open)
		buf_str(out, ".El\n");
}

void opt_completion(struct buf *out, struct opt *const *tables, int n_tables)
{
	for (int t = 0; t < n_tables; t++)
		for (const struct opt *o = tables[t]; o && o->type != OPT_TYPE_END; o++) {
			if (o->type == OPT_TYPE_GROUP || overridden(tables, t, o))
				continue;
			buf_printf(out, "--%s%s\n", o->name, o->type == OPT_TYPE_FLAG ? "" : "=");
			if (o->alone)
				buf_printf(out, "--%s\n", o->name);
			for (const char *p = o->type == OPT_TYPE_CHOICE ? o->arg : ""; *p;) {
				size_t k = strcspn(p, "|");
				buf_printf(out, "--%s=%.*s\n", o->name, (int)k, p);
				p += k + (p[k] == '|');
			}
		}
}

static void push(struct opt_list *l, char *word)
{
	MEM_PUSH_ROOM(l->items, l->n, l->cap);
	l->items[l->n++] = word;
}

void opt_provenance(struct opt_list *words, struct opt *const *tables, int n_tables)
{
	for (int t = 0; t < n_tables; t++)
		for (const struct opt *o = tables[t]; o && o->type != OPT_TYPE_END; o++) {
			struct buf v = {0};
			if (!o->given || o->no_provenance)
				continue;
			switch (o->type) {
			case OPT_TYPE_FLAG:
				push(words, mem_printf("--%s%s", *(bool *)o->value ? "" : "no-", o->name));
				break;
			case OPT_TYPE_LIST:
				for (int i = 0; i < ((struct opt_list *)o->value)->n; i++)
					push(words, mem_printf("--%s=%s", o->name, ((struct opt_list *)o->value)->items[i]));
				break;
			case OPT_TYPE_INT:
				if (o->alone && *(int64_t *)o->value == o->alone)
					push(words, mem_printf("--%s", o->name));
				else
					push(words, mem_printf("--%s=%lld", o->name, (long long)*(int64_t *)o->value));
				break;
			case OPT_TYPE_DOUBLE:
				buf_double(&v, *(double *)o->value);
				push(words, mem_printf("--%s=%s", o->name, v.data));
				buf_release(&v);
				break;
			case OPT_TYPE_STRING:
				push(words, mem_printf("--%s=%s", o->name, *(const char **)o->value));
				break;
			case OPT_TYPE_CHOICE:
				add_choice(&v, o->arg, *(int *)o->value);
				push(words, mem_printf("--%s=%s", o->name, v.data));
				buf_release(&v);
				break;
			case OPT_TYPE_GROUP:
			case OPT_TYPE_END:
				break;
			}
		}
}
