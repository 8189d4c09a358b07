/* replay.c - a chain told in words, and as a shell script that makes the file again. */
#include "stream/provenance.h"

#include <inttypes.h>
#include <string.h>

/* Parses a chain and sees that it is an array of objects; the parser must be closed by the caller. */
static enum status parse_chain(struct json_parser *parser, const char *chain, const struct json **doc, struct error *err)
{
	enum status st = json_parse(parser, chain, strlen(chain), doc, err);

	if (st != OK)
		return error_prefix(err, ERR_DATA, "provenance");
	if ((*doc)->type != JSON_ARRAY)
		return error_set(err, ERR_DATA, "provenance is no array of stages");
	for (size_t i = 0; i < (*doc)->len; i++)
		if ((*doc)->items[i].type != JSON_OBJECT)
			return error_set(err, ERR_DATA, "provenance: stage %zu is no object", i);
	return OK;
}

/* Text for people and for comments: control characters would leave their line. */
static void add_plain(struct buf *out, const char *s)
{
	for (; *s; s++)
		buf_char(out, (unsigned char)*s < 32 || *s == 127 ? '?' : *s);
}

/* A word of the shell, quoted where it needs it. */
static void add_word(struct buf *out, const char *s)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=.,/:@%";

	if (*s && s[strspn(s, safe)] == 0) {
		buf_str(out, s);
		return;
	}
	buf_char(out, '\'');
	for (; *s; s++) {
		if (*s == '\'')
			buf_str(out, "'\\''");
		else
			buf_char(out, *s);
	}
	buf_char(out, '\'');
}

static const struct json *member_array(const struct json *stage, const char *key)
{
	static const struct json none = { .type = JSON_ARRAY };
	const struct json *v = json_get(stage, key);

	return v && v->type == JSON_ARRAY ? v : &none;
}

/* --- in words ----------------------------------------------------------------------------------- */
static void describe_stage(const struct json *stage, size_t number, struct buf *out)
{
	const struct json *argv = member_array(stage, "argv"), *inputs = member_array(stage, "inputs");
	const struct json *rejected = json_get(stage, "rejected");

	buf_printf(out, "%zu  ", number);
	add_plain(out, json_get_str(stage, "tool", "?"));
	buf_char(out, ' ');
	add_plain(out, json_get_str(stage, "version", "?"));
	for (size_t i = 0; i < argv->len; i++) {
		struct buf word = {0};
		add_word(&word, argv->items[i].type == JSON_STRING ? argv->items[i].str : "?");
		buf_char(out, ' ');
		add_plain(out, word.data);
		buf_release(&word);
	}
	buf_printf(out, "\n   seed %" PRId64 "\n", json_get_int(stage, "seed", 0));
	for (size_t i = 0; i < inputs->len; i++) {
		const struct json *in = &inputs->items[i];
		int64_t from = json_get_int(in, "stage", -1), rows = json_get_int(in, "rows", -1);
		buf_str(out, "   reads ");
		add_plain(out, json_get_str(in, "name", "?"));
		if (from >= 0)
			buf_printf(out, ", made by %" PRId64, from + 1);
		if (rows >= 0)
			buf_printf(out, ", %" PRId64 " rows", rows);
		if (*json_get_str(in, "xxh3", "")) {
			buf_str(out, ", xxh3 ");
			add_plain(out, json_get_str(in, "xxh3", ""));
		}
		buf_char(out, '\n');
	}
	int64_t rows_in = json_get_int(stage, "rows_in", -1), rows_out = json_get_int(stage, "rows_out", -1);
	if (rows_in >= 0)
		buf_printf(out, "   %" PRId64 " rows in\n", rows_in);
	if (rows_out >= 0)
		buf_printf(out, "   %" PRId64 " rows out\n", rows_out);
	for (size_t i = 0; rejected && rejected->type == JSON_OBJECT && i < rejected->len; i++) {
		buf_printf(out, "   %" PRId64 " rejected: ", json_get_int(rejected, rejected->keys[i].str, 0));
		add_plain(out, rejected->keys[i].str);
		buf_char(out, '\n');
	}
}

enum status provenance_describe(const char *chain, struct buf *out, struct error *err)
{
	struct json_parser *parser = json_parser_open();
	const struct json *doc;
	enum status st = parse_chain(parser, chain, &doc, err);

	for (size_t i = 0; st == OK && i < doc->len; i++)
		describe_stage(&doc->items[i], i + 1, out);
	json_parser_close(parser);
	return st;
}

/* --- as a script -------------------------------------------------------------------------------- */
static bool is_stdin(const char *name)
{
	return strcmp(name, "<stdin>") == 0 || strcmp(name, "-") == 0;
}

static char *temp_name(size_t stage)
{
	return mem_printf("stage-%zu.arrows", stage + 1);
}

/* The name under which a later stage read what this one made; a made-up one if only pipes did, the target for the last. */
static char *output_name_of(const struct json *doc, size_t stage, const char *target)
{
	if (stage + 1 == doc->len)
		return mem_strdup(target);
	for (size_t k = stage + 1; k < doc->len; k++) {
		const struct json *inputs = member_array(&doc->items[k], "inputs");
		for (size_t i = 0; i < inputs->len; i++) {
			const char *name = json_get_str(&inputs->items[i], "name", "-");
			if (json_get_int(&inputs->items[i], "stage", -1) == (int64_t)stage && !is_stdin(name))
				return mem_strdup(name);
		}
	}
	return temp_name(stage);
}

/* Other names under which later stages read the same output. */
static void copy_for_others(const struct json *doc, size_t stage, const char *made, struct buf *out)
{
	struct buf done = {0};

	for (size_t k = stage + 1; k < doc->len; k++) {
		const struct json *inputs = member_array(&doc->items[k], "inputs");
		for (size_t i = 0; i < inputs->len; i++) {
			const char *name = json_get_str(&inputs->items[i], "name", "-");
			if (json_get_int(&inputs->items[i], "stage", -1) != (int64_t)stage || is_stdin(name) ||
			    strcmp(name, made) == 0 || strcmp(done.data ? done.data : "", name) == 0)
				continue;
			buf_str(out, "cp -R -- ");
			add_word(out, made);
			buf_char(out, ' ');
			add_word(out, name);
			buf_char(out, '\n');
			buf_clear(&done);
			buf_str(&done, name);
		}
	}
	buf_release(&done);
}

static void replay_stage(const struct json *doc, size_t stage, const char *target, struct buf *out)
{
	const struct json *s = &doc->items[stage];
	const struct json *argv = member_array(s, "argv"), *inputs = member_array(s, "inputs");
	char *made = output_name_of(doc, stage, target);
	struct buf redirect = {0};

	for (size_t i = 0; i < inputs->len; i++) {
		const struct json *in = &inputs->items[i];
		const char *name = json_get_str(in, "name", "-");
		int64_t from = json_get_int(in, "stage", -1);
		bool raw = from < 0 || from >= (int64_t)stage;
		if (raw && *json_get_str(in, "xxh3", "")) {
			buf_str(out, "# reads ");
			add_plain(out, is_stdin(name) ? "its standard input" : name);
			buf_str(out, ", xxh3 ");
			add_plain(out, json_get_str(in, "xxh3", ""));
			buf_char(out, '\n');
		}
		if (!is_stdin(name) || redirect.len)
			continue;
		buf_str(&redirect, " <");
		if (raw) {
			buf_str(&redirect, "\"${1:?the raw data that came on standard input}\"");
		} else {
			char *file = output_name_of(doc, (size_t)from, target);
			add_word(&redirect, file);
			mem_free(file);
		}
	}
	buf_str(out, "quern ");
	add_word(out, json_get_str(s, "tool", "?"));
	buf_str(out, " -o ");
	add_word(out, made);
	for (size_t i = 0; i < argv->len; i++) {
		buf_char(out, ' ');
		add_word(out, argv->items[i].type == JSON_STRING ? argv->items[i].str : "?");
	}
	buf_add(out, redirect.data ? redirect.data : "", redirect.len);
	buf_char(out, '\n');
	copy_for_others(doc, stage, made, out);
	buf_release(&redirect);
	mem_free(made);
}

enum status provenance_replay(const char *chain, const char *target, struct buf *out, struct error *err)
{
	struct json_parser *parser = json_parser_open();
	const struct json *doc;
	enum status st = parse_chain(parser, chain, &doc, err);

	if (st == OK && doc->len == 0)
		st = error_set(err, ERR_DATA, "provenance: no stage to replay");
	if (st == OK)
		buf_str(out, "#!/bin/sh\nset -eu\n");
	for (size_t i = 0; st == OK && i < doc->len; i++)
		replay_stage(doc, i, target, out);
	json_parser_close(parser);
	return st;
}
