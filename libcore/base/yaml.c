/* yaml.c - see yaml.h. Events are written as JSON text as they come; an anchor keeps the piece of text that it names. */
#include "base/yaml.h"

#include "base/file.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define DEPTH_MAX 64
#define TEXT_MAX (16 << 20)          /* of the tree as JSON: aliases multiply */

struct anchor {
	char *name;
	size_t from, to;             /* its JSON in the output; to 0: not complete */
};

struct reading {
	yaml_parser_t parser;
	struct buf *out;
	size_t start;                /* of our text in out */
	struct anchor *anchors;
	int n_anchors, cap_anchors;
	int depth;
	struct error *err;
};

static enum status fail_at(struct reading *r, const yaml_mark_t *at, const char *what)
{
	return error_set(r->err, ERR_DATA, "line %zu, column %zu: %s", at->line + 1, at->column + 1, what);
}

/* --- plain scalars ---------------------------------------------------------------------------- */

static bool one_of(const char *s, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(s, *words))
			return true;
	return false;
}

static bool digits_only(const char *s, const char *allowed)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if (!strchr(allowed, *s))
			return false;
	return true;
}

/* PyYAML's int: 0, decimal, 0x, 0b, octal with a leading 0; underscores are passed over. Base 60 is not read as a number. */
static bool plain_int(const char *s, struct json_writer *w)
{
	const char *at = s + (*s == '-' || *s == '+');
	char clean[32], *end;
	size_t n = 0;
	int base = 10;

	if (at[0] == '0' && at[1] == 'x' && digits_only(at + 2, "0123456789abcdefABCDEF_"))
		base = 16, at += 2;
	else if (at[0] == '0' && at[1] == 'b' && digits_only(at + 2, "01_"))
		base = 2, at += 2;
	else if (at[0] == '0' && at[1] && digits_only(at + 1, "01234567_"))
		base = 8, at++;
	else if (!digits_only(at, "0123456789_") || *at == '_' || (at[0] == '0' && at[1]))
		return false;
	for (; *at; at++)
		if (*at != '_') {
			if (n + 1 >= sizeof(clean))
				return false;
			clean[n++] = *at;
		}
	clean[n] = 0;
	if (!n || (base == 10 && n > 18) || (base == 16 && n > 15) || (base == 8 && n > 20) || (base == 2 && n > 62))
		return false;
	json_int(w, (*s == '-' ? -1 : 1) * strtoll(clean, &end, base));
	return true;
}

/* PyYAML's float: digits with a dot, an exponent only with a sign behind such digits. */
static bool plain_float(const char *s, struct json_writer *w)
{
	const char *at = s + (*s == '-' || *s == '+');
	bool dot = false, digit = false;

	for (; isdigit((unsigned char)*at) || *at == '.'; at++) {
		if (*at == '.' && dot)
			return false;
		dot |= *at == '.';
		digit |= *at != '.';
	}
	if (!dot || !digit)
		return false;
	if ((*at == 'e' || *at == 'E') && (at[1] == '+' || at[1] == '-') && isdigit((unsigned char)at[2]))
		for (at += 2; isdigit((unsigned char)*at); at++)
			;
	if (*at)
		return false;
	json_double(w, strtod(s, NULL));
	return true;
}

static void write_plain(const char *s, size_t n, struct json_writer *w)
{
	static const char *const yes[] = { "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON", NULL };
	static const char *const no[] = { "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF", NULL };
	static const char *const null[] = { "", "~", "null", "Null", "NULL", NULL };

	if (strlen(s) != n)
		json_string_n(w, s, n);
	else if (one_of(s, null))
		json_null(w);
	else if (one_of(s, yes) || one_of(s, no))
		json_bool(w, one_of(s, yes));
	else if (!plain_int(s, w) && !plain_float(s, w))
		json_string_n(w, s, n);
}

/* --- events ----------------------------------------------------------------------------------- */

static enum status node(struct reading *r, const yaml_event_t *e, struct json_writer *w);

static enum status next_event(struct reading *r, yaml_event_t *e)
{
	if (yaml_parser_parse(&r->parser, e))
		return OK;
	return fail_at(r, &r->parser.problem_mark, r->parser.problem ? r->parser.problem : "no YAML");
}

/* !name of the file's own; tags of YAML itself (!!str and the like) say how a scalar is read. */
static const char *own_tag(const yaml_char_t *tag)
{
	return tag && tag[0] == '!' && tag[1] ? (const char *)tag : NULL;
}

static enum status scalar(struct reading *r, const yaml_event_t *e, struct json_writer *w)
{
	const char *s = (const char *)e->data.scalar.value, *tag = own_tag(e->data.scalar.tag);
	size_t n = e->data.scalar.length;
	const char *yaml_tag = e->data.scalar.tag && !tag ? (const char *)e->data.scalar.tag : NULL;
	bool text = yaml_tag ? !strcmp(yaml_tag, YAML_STR_TAG) : e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;

	(void)r;
	if (tag) {
		json_begin_object(w);
		json_key(w, tag);
	}
	if (yaml_tag && !strcmp(yaml_tag, YAML_NULL_TAG))
		json_null(w);
	else if (text || tag)
		json_string_n(w, s, n);
	else
		write_plain(s, n, w);
	if (tag)
		json_end_object(w);
	return OK;
}

static enum status sequence(struct reading *r, struct json_writer *w)
{
	yaml_event_t e;
	enum status st = OK;
	bool end = false;

	json_begin_array(w);
	while (st == OK && !end) {
		st = next_event(r, &e);
		if (st != OK)
			break;
		end = e.type == YAML_SEQUENCE_END_EVENT;
		if (!end)
			st = node(r, &e, w);
		yaml_event_delete(&e);
	}
	json_end_array(w);
	return st;
}

static enum status mapping(struct reading *r, struct json_writer *w)
{
	yaml_event_t e;
	enum status st = OK;
	bool end = false;

	json_begin_object(w);
	while (st == OK && !end) {
		st = next_event(r, &e);
		if (st != OK)
			break;
		end = e.type == YAML_MAPPING_END_EVENT;
		if (!end && e.type != YAML_SCALAR_EVENT)
			st = fail_at(r, &e.start_mark, "a key must be a plain word");
		else if (!end && !strcmp((const char *)e.data.scalar.value, "<<"))
			st = fail_at(r, &e.start_mark, "merge keys are not supported");
		else if (!end)
			json_key_n(w, (const char *)e.data.scalar.value, e.data.scalar.length);
		yaml_event_delete(&e);
		if (st != OK || end)
			break;
		st = next_event(r, &e);
		if (st == OK) {
			st = node(r, &e, w);
			yaml_event_delete(&e);
		}
	}
	json_end_object(w);
	return st;
}

static enum status alias(struct reading *r, const yaml_event_t *e, struct json_writer *w)
{
	const char *name = (const char *)e->data.alias.anchor;

	for (int i = r->n_anchors - 1; i >= 0; i--) {
		const struct anchor *a = &r->anchors[i];
		char *copy;

		if (strcmp(a->name, name))
			continue;
		if (!a->to)
			return fail_at(r, &e->start_mark, "an alias within what it names");
		if (a->to - a->from > TEXT_MAX - (r->out->len - r->start))
			return fail_at(r, &e->start_mark, "aliases make this too large");
		copy = mem_alloc(a->to - a->from + 1);
		memcpy(copy, r->out->data + a->from, a->to - a->from);
		json_raw(w, copy, a->to - a->from);
		mem_free(copy);
		return OK;
	}
	return fail_at(r, &e->start_mark, "an alias of nothing");
}

static const char *anchor_of(const yaml_event_t *e)
{
	return (const char *)(e->type == YAML_SCALAR_EVENT ? e->data.scalar.anchor :
			      e->type == YAML_SEQUENCE_START_EVENT ? e->data.sequence_start.anchor : e->data.mapping_start.anchor);
}

static enum status node(struct reading *r, const yaml_event_t *e, struct json_writer *w)
{
	const char *name;
	int anchor = -1;
	enum status st;

	if (e->type == YAML_ALIAS_EVENT)
		return alias(r, e, w);
	if (++r->depth > DEPTH_MAX)
		return fail_at(r, &e->start_mark, "nested too deeply");
	if (r->out->len - r->start > TEXT_MAX)
		return fail_at(r, &e->start_mark, "too large");
	name = anchor_of(e);
	if (name) {
		MEM_PUSH_ROOM(r->anchors, r->n_anchors, r->cap_anchors);
		anchor = r->n_anchors++;
		r->anchors[anchor] = (struct anchor){ mem_strdup(name), r->out->len, 0 };
	}
	st = e->type == YAML_SCALAR_EVENT ? scalar(r, e, w) : e->type == YAML_SEQUENCE_START_EVENT ? sequence(r, w) :
	     e->type == YAML_MAPPING_START_EVENT ? mapping(r, w) : fail_at(r, &e->start_mark, "unexpected");
	if (anchor >= 0) {
		struct anchor *a = &r->anchors[anchor];

		/* the comma or the blank that the writer put before the value is not part of it */
		while (a->from < r->out->len && strchr(", ", r->out->data[a->from]))
			a->from++;
		a->to = r->out->len;
	}
	r->depth--;
	return st;
}

static enum status document(struct reading *r)
{
	struct json_writer w = json_writer_open(r->out, 0);
	bool seen = false, end = false;
	enum status st = OK;

	while (st == OK && !end) {
		yaml_event_t e;

		TRY(next_event(r, &e));
		switch (e.type) {
		case YAML_STREAM_START_EVENT:
		case YAML_DOCUMENT_END_EVENT:
			break;
		case YAML_DOCUMENT_START_EVENT:
			st = seen ? fail_at(r, &e.start_mark, "a second document") : OK;
			break;
		case YAML_STREAM_END_EVENT:
			end = true;
			break;
		default:
			seen = true;
			st = node(r, &e, &w);
		}
		yaml_event_delete(&e);
	}
	if (st == OK && !seen)
		json_null(&w);
	return st;
}

enum status yaml_to_json(const char *s, size_t n, struct buf *out, struct error *err)
{
	struct reading r = { .out = out, .start = out->len, .err = err };
	enum status st;

	if (!yaml_parser_initialize(&r.parser))
		return error_set(err, ERR_MEMORY, "no memory for the YAML parser");
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)s, n);
	st = document(&r);
	yaml_parser_delete(&r.parser);
	for (int i = 0; i < r.n_anchors; i++)
		mem_free(r.anchors[i].name);
	mem_free(r.anchors);
	return st;
}

enum status yaml_parse_file(struct json_parser *p, const char *path, const struct json **out, struct error *err)
{
	struct buf text = { 0 }, json = { 0 };
	struct error cause;
	enum status st = file_read_all(path, TEXT_MAX, &text, err);

	if (st == OK) {
		st = yaml_to_json(text.data ? text.data : "", text.len, &json, &cause);
		if (st == OK)
			st = json_parse(p, json.data, json.len, out, &cause);
		if (st != OK)
			error_set(err, st, "%s: %s", path, cause.text);
	}
	buf_release(&text);
	buf_release(&json);
	return st;
}
