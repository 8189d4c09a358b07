/* replay.c - a chain told in words, and as a shell script that makes the file again. */
#include "stream/provenance.h"

#include <ctype.h>
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
static const char prologue[] =
	"#!/bin/sh\n"
	"set -eu\n"
	"# first FILE XXH3: a first input is there, and is what it was.\n"
	"first() {\n"
	"\t[ -e \"$1\" ] || { echo \"$0: $1: missing; it is a first input, xxh3 $2\" >&2; exit 3; }\n"
	"\thave=\n"
	"\tfor have in ${2:+$(quern view --hash -- \"$1\" | cut -d' ' -f1)}; do\n"
	"\t\t[ \"$have\" != \"$2\" ] || return 0\n"
	"\tdone\n"
	"\t[ -z \"$2\" ] || { echo \"$0: $1: differs from the first input; its xxh3 is $have, not $2\" >&2; exit 3; }\n"
	"}\n";

static bool is_stdin(const char *name)
{
	return strcmp(name, "<stdin>") == 0 || strcmp(name, "-") == 0;
}

/* Whether an input of a stage was made by no stage before it. */
static bool is_raw(const struct json *input, size_t stage)
{
	int64_t from = json_get_int(input, "stage", -1);

	return from < 0 || from >= (int64_t)stage;
}

/* The name under which a later stage read what this one made; a made-up one if only pipes did, the target for the last. */
static char *output_name_of(const struct json *doc, size_t stage, const char *target, bool *piped)
{
	*piped = false;
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
	*piped = true;
	return mem_printf("stage-%zu.arrows", stage + 1);
}

/* The directory that a file is written into, if its name has one. */
static void make_directory(const char *file, struct buf *out)
{
	size_t n = strlen(file);

	while (n > 1 && file[n - 1] == '/')
		n--;
	while (n > 0 && file[n - 1] != '/')
		n--;
	if (n <= 1)
		return;
	char *dir = mem_strndup(file, n - 1);
	buf_str(out, "mkdir -p -- ");
	add_word(out, dir);
	buf_char(out, '\n');
	mem_free(dir);
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
			make_directory(name, out);
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

/* Raw data on standard input is the script's argument; 1 is the first one that differs from those before, by hash. */
static int argument_of(const struct json *doc, const struct json *input)
{
	const char *seen[64];
	int n = 0;

	for (size_t k = 0; k < doc->len; k++) {
		const struct json *inputs = member_array(&doc->items[k], "inputs");
		for (size_t i = 0; i < inputs->len; i++) {
			const char *hash = json_get_str(&inputs->items[i], "xxh3", "");
			int at = 0;
			if (!is_raw(&inputs->items[i], k) || !is_stdin(json_get_str(&inputs->items[i], "name", "-")))
				continue;
			while (at < n && strcmp(seen[at], hash) != 0)
				at++;
			if (at == n && n < 64)
				seen[n++] = hash;
			if (&inputs->items[i] == input)
				return at + 1;
		}
	}
	return 1;
}

static void add_argument(const struct json *doc, const struct json *input, struct buf *out)
{
	buf_printf(out, "\"${%d:?a file with the raw data that came on standard input, xxh3 ", argument_of(doc, input));
	for (const char *p = json_get_str(input, "xxh3", ""); isxdigit((unsigned char)*p); p++)
		buf_char(out, *p);
	buf_str(out, "}\"");
}

/* Before anything is made: are the first inputs there, and are they what they were? */
static void check_first_inputs(const struct json *doc, struct buf *out)
{
	struct buf line = {0};
	size_t from = out->len - 1;          /* the line end before it, so that each line begins with one */

	for (size_t k = 0; k < doc->len; k++) {
		const struct json *inputs = member_array(&doc->items[k], "inputs");
		for (size_t i = 0; i < inputs->len; i++) {
			const struct json *in = &inputs->items[i];
			const char *name = json_get_str(in, "name", "-");
			if (!is_raw(in, k))
				continue;
			buf_clear(&line);
			buf_str(&line, "\nfirst ");
			if (is_stdin(name))
				add_argument(doc, in, &line);
			else
				add_word(&line, name);
			buf_char(&line, ' ');
			add_word(&line, json_get_str(in, "xxh3", ""));
			buf_char(&line, '\n');
			if (!strstr(out->data + from, line.data))
				buf_str(out, line.data + (out->data[out->len - 1] == '\n'));
		}
	}
	buf_release(&line);
}

static void replay_stage(const struct json *doc, size_t stage, const char *target, struct buf *out)
{
	const struct json *s = &doc->items[stage];
	const struct json *argv = member_array(s, "argv"), *inputs = member_array(s, "inputs");
	bool piped, other;
	char *made = output_name_of(doc, stage, target, &piped);
	struct buf redirect = {0};

	for (size_t i = 0; i < inputs->len; i++) {
		const struct json *in = &inputs->items[i];
		const char *name = json_get_str(in, "name", "-");
		if (!is_stdin(name) || redirect.len)
			continue;
		buf_str(&redirect, " <");
		if (is_raw(in, stage)) {
			add_argument(doc, in, &redirect);
		} else {
			char *file = output_name_of(doc, (size_t)json_get_int(in, "stage", -1), target, &other);
			add_word(&redirect, file);
			mem_free(file);
		}
	}
	make_directory(made, out);
	buf_str(out, "quern ");
	add_word(out, json_get_str(s, "tool", "?"));
	buf_str(out, " -o ");
	add_word(out, made);
	buf_str(out, piped ? " --compress=never" : ""); /* as pipes are, so that the next stage reads the same bytes */
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
	if (st == OK) {
		buf_str(out, prologue);
		check_first_inputs(doc, out);
	}
	for (size_t i = 0; st == OK && i < doc->len; i++)
		replay_stage(doc, i, target, out);
	json_parser_close(parser);
	return st;
}
