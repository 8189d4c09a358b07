/* notation.c - fields as text: parsed from the program's own specifications, printed for people.
 *
 *   field = name ":" type ; type = NAME [ "<" types or fields ">" ] [ "[" parameters "]" ] [ "?" ] */
#include "stream/layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const type_names[] = {
	"null", "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
	"float16", "float32", "float64", "utf8", "large_utf8", "binary", "large_binary",
	"list", "large_list", "fixed_size_list", "struct",
	"date32", "date64", "time32", "time64", "timestamp", "duration", "interval",
	"decimal32", "decimal64", "decimal128", "decimal256", "fixed_size_binary", "map"
};
static const char *const time_units[] = { "s", "ms", "us", "ns" };
static const char *const interval_units[] = { "year_month", "day_time", "month_day_nano" };
#define COUNT(names) ((int)(sizeof(names) / sizeof((names)[0])))

static void spec_bug(const char *spec, const char *at)
{
	fprintf(stderr, "bug: bad field notation '%s' at '%s'\n", spec, at);
	abort();
}

static const char *skip_space(const char *p)
{
	while (*p == ' ')
		p++;
	return p;
}

/* The place among names of the word at *p, which is moved behind it. */
static int parse_word(const char *spec, const char **p, const char *const *names, int n_names)
{
	size_t n = strspn(*p, "abcdefghijklmnopqrstuvwxyz_0123456789");

	for (int i = 0; i < n_names; i++)
		if (strlen(names[i]) == n && memcmp(names[i], *p, n) == 0) {
			*p += n;
			return i;
		}
	spec_bug(spec, *p);
	return 0;
}

static const char *expect(const char *spec, const char *p, char c)
{
	p = skip_space(p);
	if (*p != c)
		spec_bug(spec, p);
	return skip_space(p + 1);
}

static int32_t parse_number(const char *spec, const char **p)
{
	char *end;
	long v = strtol(*p, &end, 10);

	if (end == *p || v > INT32_MAX || v < INT32_MIN)
		spec_bug(spec, *p);
	*p = end;
	return (int32_t)v;
}

static const char *parse_field(const char *spec, const char *p, struct field *f);
static const char *parse_type(const char *spec, const char *p, struct field *f);

static const char *parse_members(const char *spec, const char *p, struct field *f)
{
	while (*(p = skip_space(p)) != '>') {
		p = skip_space(parse_field(spec, p, field_push_child(f)));
		if (*p == ',')
			p++;
		else if (*p != '>')
			spec_bug(spec, p);
	}
	return p;
}

static const char *parse_named(const char *spec, const char *p, struct field *f, const char *name)
{
	struct field *child = field_push_child(f);

	child->name = mem_strdup(name);
	return parse_type(spec, p, child);
}

static const char *parse_children(const char *spec, const char *p, struct field *f)
{
	p = expect(spec, p, '<');
	if (f->type == T_STRUCT) {
		p = parse_members(spec, p, f);
	} else if (f->type == T_MAP) {
		struct field *entries = field_push_child(f);
		entries->name = mem_strdup("entries");
		entries->type = T_STRUCT;
		p = parse_named(spec, p, entries, "key");
		p = parse_named(spec, expect(spec, p, ','), entries, "value");
	} else {
		p = parse_named(spec, p, f, "item");
	}
	p = skip_space(p);
	if (*p != '>')
		spec_bug(spec, p);
	return p + 1;
}

static bool has_unit(enum field_type t)
{
	return t == T_TIME32 || t == T_TIME64 || t == T_TIMESTAMP || t == T_DURATION;
}

static bool is_decimal(enum field_type t)
{
	return t >= T_DECIMAL32 && t <= T_DECIMAL256;
}

static const char *parse_zone(const char *p, struct field *f)
{
	p = skip_space(p + 1);
	size_t n = strcspn(p, "]");
	f->timezone = mem_strndup(p, n);
	return p + n;
}

static const char *parse_parameters(const char *spec, const char *p, struct field *f)
{
	p = expect(spec, p, '[');
	if (f->type == T_FIXED_LIST) {
		f->list_size = parse_number(spec, &p);
	} else if (f->type == T_FIXED_BINARY) {
		f->width = parse_number(spec, &p);
	} else if (f->type == T_MAP) {
		static const char *const sorted[] = { "sorted" };
		f->keys_sorted = parse_word(spec, &p, sorted, 1) == 0;
	} else if (f->type == T_INTERVAL) {
		f->unit = parse_word(spec, &p, interval_units, COUNT(interval_units));
	} else if (is_decimal(f->type)) {
		f->precision = parse_number(spec, &p);
		p = expect(spec, p, ',');
		f->scale = parse_number(spec, &p);
	} else {
		f->unit = parse_word(spec, &p, time_units, COUNT(time_units));
		if (f->type == T_TIMESTAMP && *p == ',')
			p = parse_zone(p, f);
	}
	if (*p != ']' || f->list_size < 0 || f->width < 0)
		spec_bug(spec, p);
	return p + 1;
}

static const char *parse_type(const char *spec, const char *p, struct field *f)
{
	p = skip_space(p);
	f->type = (enum field_type)parse_word(spec, &p, type_names, COUNT(type_names));
	bool list = f->type == T_LIST || f->type == T_LARGE_LIST || f->type == T_FIXED_LIST;
	if (list || f->type == T_STRUCT || f->type == T_MAP)
		p = parse_children(spec, p, f);
	if (f->type == T_FIXED_LIST || f->type == T_FIXED_BINARY || f->type == T_INTERVAL || has_unit(f->type) ||
	    is_decimal(f->type) || (f->type == T_MAP && *p == '['))
		p = parse_parameters(spec, p, f);
	if (*p == '?') {
		f->nullable = true;
		p++;
	}
	return p;
}

static const char *parse_field(const char *spec, const char *p, struct field *f)
{
	const char *colon = strchr(p, ':');

	if (!colon)
		spec_bug(spec, p);
	f->name = mem_strndup(p, (size_t)(colon - p));
	return parse_type(spec, colon + 1, f);
}

int schema_add_spec(struct schema *s, const char *spec)
{
	struct field f = {0};
	const char *end = parse_field(spec, spec, &f);

	if (*end)
		spec_bug(spec, end);
	int i = schema_add(s, &f);
	field_release(&f);
	return i;
}

/* --- printing -------------------------------------------------------------------------------- */
static void parameters_print(const struct field *f, struct buf *out)
{
	if (f->type == T_FIXED_LIST)
		buf_printf(out, "[%d]", (int)f->list_size);
	else if (f->type == T_FIXED_BINARY)
		buf_printf(out, "[%d]", (int)f->width);
	else if (f->type == T_INTERVAL)
		buf_printf(out, "[%s]", interval_units[f->unit]);
	else if (is_decimal(f->type))
		buf_printf(out, "[%d, %d]", (int)f->precision, (int)f->scale);
	else if (f->type == T_TIMESTAMP && f->timezone)
		buf_printf(out, "[%s, %s]", time_units[f->unit], f->timezone);
	else if (has_unit(f->type))
		buf_printf(out, "[%s]", time_units[f->unit]);
	else if (f->type == T_MAP && f->keys_sorted)
		buf_str(out, "[sorted]");
}

static void type_print(const struct field *f, struct buf *out)
{
	/* what stands between a map and its two types says nothing */
	const struct field *parent = f->type == T_MAP ? &f->children[0] : f;

	buf_str(out, type_names[f->type]);
	if (f->n_children > 0 || f->type == T_STRUCT) {
		buf_char(out, '<');
		for (int i = 0; i < parent->n_children; i++) {
			if (i)
				buf_str(out, ", ");
			if (f->type == T_STRUCT)
				field_print(&f->children[i], out);
			else
				type_print(&parent->children[i], out);
		}
		buf_char(out, '>');
	}
	parameters_print(f, out);
	if (f->nullable)
		buf_char(out, '?');
}

void field_print(const struct field *f, struct buf *out)
{
	buf_str(out, f->name);
	buf_str(out, ": ");
	type_print(f, out);
}
