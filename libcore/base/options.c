/* options.c - option tables: parsing and the errors that mend; see options.h. Texts made from a
 * table (help, man page, completion) are in options_text.c. */
#include "base/options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

enum status opt_number(const char *s, double *v, struct error *err)
{
	static const struct { const char *suffix; double factor; } units[] = {
		{"", 1}, {"k", 1e3}, {"K", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12},
		{"Ki", 1024.0}, {"Mi", 1048576.0}, {"Gi", 1073741824.0}, {"Ti", 1099511627776.0},
	};
	char *end;
	errno = 0;
	double x = strtod(s, &end);
	if (end != s && isfinite(x) && s[0] != ' ')
		for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
			if (strcmp(end, units[i].suffix) == 0) {
				*v = x * units[i].factor;
				return OK;
			}
	return error_set(err, ERR_USAGE, "'%s' is not a number (1000, 0.5, 64k, 2Gi)", s);
}

/* Plain integers exactly, beyond what a double can hold; with a unit or exponent through opt_number. */
static enum status parse_int(const char *s, int64_t *v, struct error *err)
{
	char *end;
	errno = 0;
	long long x = strtoll(s, &end, 10);
	if (end != s && *end == 0 && errno == 0 && s[0] != ' ') {
		*v = x;
		return OK;
	}
	double d;
	TRY(opt_number(s, &d, err));
	if (d != floor(d) || fabs(d) > 9e15)
		return error_set(err, ERR_USAGE, "'%s' is not a whole number", s);
	*v = (int64_t)d;
	return OK;
}

static bool out_of_range(const struct opt *o, double v)
{
	return (o->min != 0 || o->max != 0) && (v < o->min || v > o->max);
}

static enum status range_error(const struct opt *o, const char *s, struct error *err)
{
	struct buf limits = {0};
	buf_double(&limits, o->min);
	if (o->max < 9e15) {
		buf_str(&limits, " to ");
		buf_double(&limits, o->max);
	}
	enum status st = error_set(err, ERR_USAGE, "--%s %s: must be %s %s", o->name, s, o->max < 9e15 ? "from" : "at least", limits.data);
	buf_release(&limits);
	return st;
}

static enum status set_choice(struct opt *o, const char *s, struct error *err)
{
	size_t n = strlen(s);
	int index = 0;
	for (const char *p = o->arg; *p; index++) {
		size_t k = strcspn(p, "|");
		if (k == n && memcmp(p, s, n) == 0) {
			*(int *)o->value = index;
			return OK;
		}
		p += k + (p[k] == '|');
	}
	return error_set(err, ERR_USAGE, "--%s %s: choose one of %s", o->name, s, o->arg);
}

static enum status set_value(struct opt *o, const char *s, struct error *err)
{
	enum status st = OK;
	int64_t i = 0;
	double d = 0;
	o->given = true;
	switch (o->type) {
	case OPT_TYPE_INT:
		st = parse_int(s, &i, err);
		if (st != OK)
			return error_prefix(err, st, "--%s", o->name);
		if (out_of_range(o, (double)i))
			return range_error(o, s, err);
		*(int64_t *)o->value = i;
		return OK;
	case OPT_TYPE_DOUBLE:
		st = opt_number(s, &d, err);
		if (st != OK)
			return error_prefix(err, st, "--%s", o->name);
		if (out_of_range(o, d))
			return range_error(o, s, err);
		*(double *)o->value = d;
		return OK;
	case OPT_TYPE_STRING:
		*(const char **)o->value = s;
		return OK;
	case OPT_TYPE_LIST: {
		struct opt_list *l = o->value;
		MEM_PUSH_ROOM(l->items, l->n, l->cap);
		l->items[l->n++] = s;
		return OK;
	}
	case OPT_TYPE_CHOICE:
		return set_choice(o, s, err);
	case OPT_TYPE_FLAG:
	case OPT_TYPE_GROUP:
	case OPT_TYPE_END:
		break;
	}
	return OK;
}

/* --- finding ------------------------------------------------------------------------------- */

static struct opt *next_opt(struct opt *const *tables, int n_tables, int *table, int *row)
{
	for (; *table < n_tables; (*table)++, *row = 0) {
		if (!tables[*table])
			continue;
		for (;;) {
			struct opt *o = &tables[*table][(*row)++];
			if (o->type == OPT_TYPE_END)
				break;
			if (o->type != OPT_TYPE_GROUP)
				return o;
		}
	}
	return NULL;
}

static struct opt *find_long(struct opt *const *tables, int n_tables, const char *name, size_t n)
{
	int table = 0, row = 0;
	for (struct opt *o; (o = next_opt(tables, n_tables, &table, &row));)
		if (o->name && strlen(o->name) == n && memcmp(o->name, name, n) == 0)
			return o;
	return NULL;
}

static struct opt *find_short(struct opt *const *tables, int n_tables, char c)
{
	int table = 0, row = 0;
	for (struct opt *o; (o = next_opt(tables, n_tables, &table, &row));)
		if (o->short_name == c)
			return o;
	return NULL;
}

/* Levenshtein distance, for "did you mean". */
static size_t distance(const char *a, size_t na, const char *b)
{
	size_t nb = strlen(b), row[64];
	if (na >= 63 || nb >= 63)
		return 99;
	for (size_t j = 0; j <= nb; j++)
		row[j] = j;
	for (size_t i = 1; i <= na; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);
			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[nb];
}

static enum status unknown_long(struct opt *const *tables, int n_tables, const char *name, size_t n, struct error *err)
{
	const struct opt *best = NULL;
	size_t least = n / 3 + 2;
	int table = 0, row = 0;
	for (struct opt *o; (o = next_opt(tables, n_tables, &table, &row));)
		if (o->name && distance(name, n, o->name) < least) {
			least = distance(name, n, o->name);
			best = o;
		}
	if (best)
		return error_set(err, ERR_USAGE, "unknown option --%.*s; did you mean --%s?", (int)n, name, best->name);
	return error_set(err, ERR_USAGE, "unknown option --%.*s; --help lists the options", (int)n, name);
}

/* --- parsing ------------------------------------------------------------------------------- */

struct parse {
	struct opt *const *tables;
	int n_tables, argc, at;
	char **argv;
};

static bool is_number(const char *word)
{
	double ignored;
	return opt_number(word, &ignored, NULL) == OK;
}

static enum status parse_long(struct parse *p, const char *word, struct error *err)
{
	size_t n = strcspn(word, "=");
	const char *value = word[n] == '=' ? word + n + 1 : NULL;
	struct opt *o = find_long(p->tables, p->n_tables, word, n);
	bool off = false;
	if (!o && n > 3 && memcmp(word, "no-", 3) == 0) {
		o = find_long(p->tables, p->n_tables, word + 3, n - 3);
		off = o && o->type == OPT_TYPE_FLAG;
		if (!off)
			o = NULL;
	}
	if (!o)
		return unknown_long(p->tables, p->n_tables, word, n, err);
	if (o->type == OPT_TYPE_FLAG) {
		if (value)
			return error_set(err, ERR_USAGE, "--%s takes no value (--no-%s turns it off)", o->name, o->name);
		*(bool *)o->value = !off;
		o->given = true;
		return OK;
	}
	if (!value && o->alone && !is_number(p->at + 1 < p->argc ? p->argv[p->at + 1] : "")) {
		*(int64_t *)o->value = o->alone;
		o->given = true;
		return OK;
	}
	if (!value && p->at + 1 < p->argc)
		value = p->argv[++p->at];
	if (!value)
		return error_set(err, ERR_USAGE, "--%s wants a value (%s)", o->name, o->arg);
	return set_value(o, value, err);
}

static enum status parse_short(struct parse *p, const char *word, struct error *err)
{
	for (; *word; word++) {
		struct opt *o = find_short(p->tables, p->n_tables, *word);
		if (!o)
			return error_set(err, ERR_USAGE, "unknown option -%c; --help lists the options", *word);
		if (o->type == OPT_TYPE_FLAG) {
			*(bool *)o->value = true;
			o->given = true;
			continue;
		}
		const char *value = word[1] ? word + 1 : p->at + 1 < p->argc ? p->argv[++p->at] : NULL;
		if (!value)
			return error_set(err, ERR_USAGE, "-%c wants a value (%s)", *word, o->arg);
		return set_value(o, value, err);
	}
	return OK;
}

enum status opt_parse(struct opt *const *tables, int n_tables, int argc, char **argv, struct opt_list *operands,
		      struct error *err)
{
	struct parse p = {tables, n_tables, argc, 1, argv};
	bool only_operands = false;
	for (; p.at < argc; p.at++) {
		const char *a = argv[p.at];
		if (!only_operands && strcmp(a, "--") == 0) {
			only_operands = true;
		} else if (!only_operands && a[0] == '-' && a[1] == '-') {
			TRY(parse_long(&p, a + 2, err));
		} else if (!only_operands && a[0] == '-' && a[1]) {
			TRY(parse_short(&p, a + 1, err));
		} else {
			MEM_PUSH_ROOM(operands->items, operands->n, operands->cap);
			operands->items[operands->n++] = a;
		}
	}
	return OK;
}
