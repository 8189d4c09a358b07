/* import_source.c - see import_source.h. A file is a container; an archive's members are containers on top of it. */
#include "text/import_source.h"
#include "stream/csv.h"
#include "stream/import_layout.h"
#include "stream/json_text.h"
#include "stream/stream.h"
#include "text/html.h"
#include "text/import_walk.h"
#include "text/unpack.h"
#include "text/warc.h"

#include <stdio.h>
#include <stdlib.h>

#define SNIFF_BYTES 65536

enum content { C_WHOLE, C_JSON, C_PIECES, C_PARQUET, C_WARC, C_ARCHIVE };

struct container {
	struct input *in;
	struct buf bytes;            /* an archive member's, which in reads */
	char *name;
	enum content content;
	enum raw_form form;          /* of its pieces */
	struct json_split json;
	struct pieces pieces;
	struct unpack *unpack;
	struct reader *reader;       /* of Parquet */
	struct batch *batch;
	int64_t row;
	struct csv_header *header;
	int64_t number;              /* records so far */
	bool done;
};

struct import_source {
	struct import_options o;
	struct walk *walk;
	struct container stack[2];
	int depth;
	struct warc_record warc;
	struct buf text;
	struct chunk *chunk;
	size_t last_name, last_source; /* places in the chunk of the strings written last */
	const char *source;          /* the operand */
	bool lenient;                /* inside a directory or archive */
};

/* --- chunks ------------------------------------------------------------------------------- */

void chunk_free(struct chunk *c)
{
	for (int64_t i = 0; c && i < c->n; i++)
		if (c->v[i].header && --c->v[i].header->refs == 0) {
			arena_release(&c->v[i].header->arena);
			mem_free(c->v[i].header);
		}
	if (c) {
		buf_release(&c->data);
		mem_free(c->v);
		mem_free(c);
	}
}

static size_t put(struct chunk *c, const char *s, size_t n)
{
	size_t at = c->data.len;
	buf_add(&c->data, s, n);
	buf_add(&c->data, "", 1);
	return at;
}

/* A string, or the place where it stands already. */
static size_t put_again(struct chunk *c, size_t *last, const char *s)
{
	if (!*last || strcmp(c->data.data + *last, s) != 0)
		*last = put(c, s, strlen(s));
	return *last;
}

static struct raw *add(struct import_source *s, enum raw_form form, const char *p, size_t n, int64_t number)
{
	struct chunk *c = s->chunk;
	const struct container *top = s->depth ? &s->stack[s->depth - 1] : NULL;
	MEM_PUSH_ROOM(c->v, c->n, c->cap);
	struct raw *r = &c->v[c->n++];
	*r = (struct raw){ .form = form, .n = n, .number = number };
	r->at = put(c, p, n);
	r->name = put_again(c, &s->last_name, top ? top->name : walk_name(s->walk));
	r->source = put_again(c, &s->last_source, s->source);
	return r;
}

static struct raw *add_bad(struct import_source *s, const char *reason, int64_t number)
{
	struct raw *r = add(s, RAW_BAD, "", 0, number);
	r->reason = reason;
	return r;
}

/* --- what is it? ---------------------------------------------------------------------------- */

static bool is_binary(const uint8_t *p, size_t n)
{
	bool utf16 = n >= 2 && (memcmp(p, "\xff\xfe", 2) == 0 || memcmp(p, "\xfe\xff", 2) == 0);
	return (!utf16 && memchr(p, 0, n) != NULL) || (n >= 5 && memcmp(p, "%PDF-", 5) == 0) ||
	       (n >= 4 && memcmp(p, "\x89PNG", 4) == 0) || (n >= 3 && memcmp(p, "\xff\xd8\xff", 3) == 0) ||
	       (n >= 4 && memcmp(p, "\x04\x22\x4d\x18", 4) == 0);
}

static size_t skip_space(const uint8_t *p, size_t n, size_t i)
{
	while (i < n && (p[i] == ' ' || p[i] == '\t' || p[i] == '\r' || p[i] == '\n'))
		i++;
	return i;
}

/* An array of objects, or lines of them. In a directory a first line that is no whole object speaks against it. */
static bool is_json(const uint8_t *p, size_t n, bool lenient)
{
	size_t i = skip_space(p, n, n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0 ? 3 : 0);
	if (i == n)
		return false;
	size_t k = skip_space(p, n, i + 1);
	if (p[i] == '[')
		return k < n && (p[k] == '{' || (p[k] == ']' && !lenient));
	if (p[i] != '{' || (k < n && p[k] != '"' && p[k] != '}'))
		return false;
	const uint8_t *end = memchr(p + i, '\n', n - i);
	size_t e = end ? (size_t)(end - p) : n;
	while (e > i && (p[e - 1] == '\r' || p[e - 1] == ' '))
		e--;
	return !lenient || p[e - 1] == '}' || (!end && n == SNIFF_BYTES);
}

static enum status unsupported(const struct container *c, const uint8_t *p, size_t n, struct error *err)
{
	if (n >= 4 && (memcmp(p, "\xff\xff\xff\xff", 4) == 0 || (n >= 6 && memcmp(p, "ARROW1", 6) == 0)))
		return error_set(err, ERR_UNSUPPORTED, "%s: an Arrow stream is records already; every tool but import reads it", c->name);
	return OK;
}

/* Each column has a name of its own; those without one are called by their number, as "column_1". */
static enum status check_names(struct container *c, struct error *err)
{
	struct csv_header *h = c->header;
	for (int i = 0; i < h->n; i++) {
		char name[32];
		struct json *f = &h->names[i];
		if (f->len == 0) {
			f->len = (size_t)snprintf(name, sizeof(name), "column_%d", i + 1);
			f->str = arena_strndup(&h->arena, name, f->len);
		}
		for (int k = 0; k < i; k++)
			if (strcmp(f->str, h->names[k].str) == 0)
				return error_set(err, ERR_DATA, "%s: line 1: the header names '%.100s' twice", c->name, f->str);
	}
	return OK;
}

static enum status read_header(struct container *c, struct error *err)
{
	const char *p;
	size_t n;
	int64_t line;
	enum status st = pieces_next(&c->pieces, &p, &n, &line, err);
	if (st == END)
		return error_set(err, ERR_DATA, "%s: a table without a header", c->name);
	TRY(st);
	size_t bom = n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	c->header = mem_zalloc(sizeof(*c->header));
	c->header->refs = 1;
	c->header->delimiter = c->pieces.delimiter;
	c->header->n = csv_fields(p + bom, n - bom, c->pieces.delimiter, &c->header->arena, &c->header->names);
	if (c->header->n < 0)
		return error_set(err, ERR_DATA, "%s: line 1: bad quotes in the header", c->name);
	return check_names(c, err);
}

static enum status as_pieces(struct import_source *s, struct container *c, enum piece_mode mode, char delimiter, struct error *err)
{
	c->content = C_PIECES;
	c->form = mode == PIECE_CSV ? RAW_CSV : RAW_TEXT;
	pieces_open(&c->pieces, c->in, mode, delimiter, s->o.max_bytes);
	c->pieces.separator = s->o.separator;
	return mode == PIECE_CSV ? read_header(c, err) : OK;
}

/* A member that is read from its end, whole in memory; it may be larger than one record. */
static enum status read_member(const struct import_source *s, struct container *c, const char **reason, struct error *err)
{
	size_t max = s->o.max_bytes > SIZE_MAX / 16 ? SIZE_MAX : 16 * s->o.max_bytes, got = 1;
	while (got && c->bytes.len <= max) {
		buf_reserve(&c->bytes, 65536);
		TRY(input_read(c->in, c->bytes.data + c->bytes.len, 65536, &got, err));
		c->bytes.len += got;
	}
	*reason = c->bytes.len > max ? "too_large" : NULL;
	input_close(c->in);
	c->in = NULL;
	return input_open_memory(&c->in, c->name, c->bytes.data, c->bytes.len, err);
}

/* Decides how c is read. A reason means that it is not. */
static enum status recognise(struct import_source *s, struct container *c, const char **reason, struct error *err)
{
	const uint8_t *p;
	size_t n;
	char delimiter = s->o.form == IMPORT_TSV ? '\t' : ',';
	enum import_form f = s->o.form;
	TRY(input_peek(c->in, SNIFF_BYTES, &p, &n, err));
	*reason = NULL;
	if (n == 0) {
		*reason = "empty";
		return OK;
	}
	bool top = s->depth == 0;
	bool table = f != IMPORT_TSV && csv_looks_like((const char *)p, n, layout_reads, &delimiter);
	TRY(unsupported(c, p, n, err));
	c->form = f == IMPORT_HTML ? RAW_HTML : f == IMPORT_MAN ? RAW_MAN : RAW_TEXT;
	if (f == IMPORT_WARC || (f == IMPORT_AUTO && n >= 5 && memcmp(p, "WARC/", 5) == 0)) {
		c->content = C_WARC;
	} else if (unpack_looks_like(p, n) || (f == IMPORT_ARCHIVE && top)) {
		c->content = C_ARCHIVE;
		*reason = top ? NULL : "nested_archive";
		return top ? unpack_open(&c->unpack, c->in, err) : OK;
	} else if (n >= 4 && memcmp(p, "PAR1", 4) == 0) {
		c->content = C_PARQUET;
		if (!top)
			TRY(read_member(s, c, reason, err));
		return *reason ? OK : reader_open_borrowed(&c->reader, c->in, NULL, err);
	} else if (is_binary(p, n) && !html_looks_like((const char *)p, n)) {
		*reason = "binary";
	} else if (f == IMPORT_JSON || ((f == IMPORT_AUTO || f == IMPORT_ARCHIVE) && s->o.split == SPLIT_NONE && is_json(p, n, s->lenient))) {
		c->content = C_JSON;
		enum status st = json_split_open(&c->json, c->in, err);
		return st == OK || c->json.input_failed ? st : error_prefix(err, st, "%s", c->name);
	} else if (f == IMPORT_CSV || f == IMPORT_TSV || ((f == IMPORT_AUTO || f == IMPORT_ARCHIVE) && s->o.split == SPLIT_NONE && table)) {
		return as_pieces(s, c, PIECE_CSV, delimiter, err);
	} else if (s->o.split != SPLIT_NONE) {
		static const enum piece_mode modes[] = { PIECE_LINES, PIECE_LINES, PIECE_PARAGRAPHS, PIECE_STRING };
		return as_pieces(s, c, modes[s->o.split], 0, err);
	}
	return OK;
}

/* --- containers ------------------------------------------------------------------------------- */

static void container_close(struct container *c)
{
	if (c->content == C_JSON)
		json_split_release(&c->json);
	pieces_release(&c->pieces);
	unpack_close(c->unpack);
	batch_release(c->batch);
	reader_close(c->reader);
	if (c->header && --c->header->refs == 0) {
		arena_release(&c->header->arena);
		mem_free(c->header);
	}
	input_close(c->in);
	buf_release(&c->bytes);
	mem_free(c->name);
	memset(c, 0, sizeof(*c));
}

/* A file or member that fails: within a directory or an archive it is a bad record, else the end. */
static enum status forgive(struct import_source *s, enum status st, const char *reason, struct error *err)
{
	if (!s->lenient || (st != ERR_DATA && st != ERR_UNSUPPORTED && st != ERR_IO))
		return st;
	if (s->o.warn)
		s->o.warn(s->o.arg, err->text);
	add_bad(s, reason, 0);
	return OK;
}

static enum status pop(struct import_source *s, struct error *err)
{
	struct container *c = &s->stack[--s->depth];
	enum status st = OK;
	char hash[33];
	if (s->depth == 0) {
		st = input_hash(c->in, hash, err);
		if (st == OK)
			walk_done(s->walk, hash);
		s->lenient = walk_in_directory(s->walk);
	}
	container_close(c);
	return st;
}

/* Puts what stands in s->stack[s->depth] (in and name set) to use. */
static enum status push(struct import_source *s, struct error *err)
{
	struct container *c = &s->stack[s->depth];
	const char *reason = NULL;
	enum status st = recognise(s, c, &reason, err);
	s->depth++;
	if (st == OK && !reason) {
		s->lenient |= c->content == C_ARCHIVE;
		return OK;
	}
	if (st == OK)
		add_bad(s, reason, 0);
	else
		st = forgive(s, st, st == ERR_UNSUPPORTED ? "unsupported" : "damaged", err);
	enum status popped = pop(s, st == OK ? err : NULL);
	return st == OK ? popped : st;
}

static enum status next_file(struct import_source *s, struct error *err)
{
	struct provenance_input entry = { .rows = -1 };
	const char *path;
	enum status st = walk_next(s->walk, &path, &entry, err);
	if (entry.name) {
		if (s->o.input)
			s->o.input(s->o.arg, &entry);
		provenance_input_release(&entry);
		if (st == OK && !path)
			return OK;           /* an operand ended */
	}
	TRY(st);
	s->source = walk_operand(s->walk);
	s->lenient = walk_in_directory(s->walk);
	struct container *c = &s->stack[0];
	st = input_open(&c->in, path, true, err);
	if (st != OK)
		return forgive(s, st, st == ERR_DATA ? "damaged" : "unreadable", err);
	c->name = mem_strdup(walk_name(s->walk));
	return push(s, err);
}

/* --- records --------------------------------------------------------------------------------------- */

static enum status next_whole(struct import_source *s, struct container *c, struct error *err)
{
	struct chunk *h = s->chunk;
	size_t got = 1, from = h->data.len;
	enum status st = OK;
	while (st == OK && got && h->data.len - from <= s->o.max_bytes) {
		buf_reserve(&h->data, 65536 + 1);
		st = input_read(c->in, h->data.data + h->data.len, 65536, &got, err);
		h->data.len += st == OK ? got : 0;
	}
	size_t n = h->data.len - from;
	h->data.len = st == OK && n <= s->o.max_bytes ? h->data.len : from;
	TRY(st);
	c->done = true;
	if (n > s->o.max_bytes) {
		add_bad(s, "too_large", 0);
		return OK;
	}
	buf_add(&h->data, "", 1);
	struct raw *r = add(s, c->form, "", 0, 0);
	r->at = from;
	r->n = n;
	return OK;
}

static enum status next_piece(struct import_source *s, struct container *c, struct error *err)
{
	const char *p;
	size_t n;
	int64_t line;
	enum status st = c->content == C_JSON ? json_split_next(&c->json, &p, &n, &line, err) : pieces_next(&c->pieces, &p, &n, &line, err);
	if (st != OK && st != END && c->content == C_JSON && !c->json.input_failed)
		error_prefix(err, st, "%s", c->name);
	c->done = st == END;
	if (st == END)
		return OK;
	TRY(st);
	/* values of one array, or that share lines, are told apart by their number */
	bool by_line = c->content == C_JSON ? c->json.manner == JSON_BY_LINES : c->form == RAW_CSV;
	c->number++;
	if (n > s->o.max_bytes) {
		add_bad(s, "too_large", by_line ? line : c->number)->by_line = by_line;
		return OK;
	}
	struct raw *r = add(s, c->content == C_JSON ? RAW_JSON : c->form, p, n, by_line ? line : c->number);
	r->by_line = by_line;
	if (c->header) {
		r->header = c->header;
		c->header->refs++;
	}
	return OK;
}

/* A row of a Parquet file, as the JSON object that the layouts know. */
static enum status next_row(struct import_source *s, struct container *c, struct error *err)
{
	while (!c->batch || c->row == c->batch->rows) {
		batch_release(c->batch);
		c->batch = NULL;
		c->row = 0;
		enum status st = reader_next(c->reader, &c->batch, err);
		c->done = st == END;
		if (st != OK)
			return st == END ? OK : st;
	}
	buf_clear(&s->text);
	struct json_writer w = json_writer_open(&s->text, 0);
	batch_json(c->batch, c->row++, &w);
	if (s->text.len > s->o.max_bytes)
		add_bad(s, "too_large", ++c->number);
	else
		add(s, RAW_JSON, s->text.data, s->text.len, ++c->number);
	return OK;
}

static enum status next_warc(struct import_source *s, struct container *c, struct error *err)
{
	struct warc_record *w = &s->warc;
	enum status st = warc_next(c->in, s->o.max_bytes, w, err);
	c->done = st == END;
	if (st == END)
		return OK;
	TRY(st);
	c->number++;
	bool response = strcmp(w->type.data, "response") == 0;
	bool text = strcmp(w->type.data, "resource") == 0 || strcmp(w->type.data, "conversion") == 0;
	if (w->bad) {
		if (response || text || strcmp(w->bad, "bad_warc") == 0)
			add_bad(s, w->bad, c->number);
		return OK;
	}
	if (!response && !text)
		return OK;                   /* warcinfo, request, metadata, revisit: no documents */
	char type[64], charset[32];
	http_content_type(w->content_type.data, w->content_type.len, type, charset);
	struct raw *r = add(s, response && strcmp(type, "text/dns") != 0 ? RAW_HTTP : RAW_TEXT, w->body.data, w->body.len, c->number);
	r->charset = put(s->chunk, charset, strlen(charset));
	if (w->uri.len)
		r->source = put(s->chunk, w->uri.data, w->uri.len);
	if (w->date.len)
		r->date = put(s->chunk, w->date.data, w->date.len);
	return OK;
}

static enum status next_member(struct import_source *s, struct container *c, struct error *err)
{
	const char *name;
	bool encrypted;
	enum status st = unpack_next(c->unpack, &name, &encrypted, err);
	if (st == END) {
		c->done = true;
		return OK;
	}
	TRY(st);
	struct container *m = &s->stack[1];
	m->name = strcmp(c->name, walk_operand(s->walk)) == 0 || !walk_in_directory(s->walk) ? mem_strdup(name) : mem_printf("%s/%s", c->name, name);
	st = encrypted ? OK : input_open_pull(&m->in, m->name, unpack_read, c->unpack, err);
	if (encrypted || st != OK) {
		s->depth++;
		st = st == OK ? OK : forgive(s, st, "damaged", err);
		if (encrypted)
			add_bad(s, "encrypted", 0);
		s->depth--;
		container_close(m);
		return st;
	}
	return push(s, err);
}

static enum status step(struct import_source *s, struct error *err)
{
	if (s->depth == 0)
		return next_file(s, err);
	struct container *c = &s->stack[s->depth - 1];
	if (c->done)
		return pop(s, err);
	enum status st = c->content == C_WHOLE  ? next_whole(s, c, err)
		       : c->content == C_WARC   ? next_warc(s, c, err)
		       : c->content == C_ARCHIVE ? next_member(s, c, err)
		       : c->content == C_PARQUET ? next_row(s, c, err)
						 : next_piece(s, c, err);
	/* A member's damage is its own; an archive's ends the operand unless that is one file of many. */
	bool own = s->depth == 2 || walk_in_directory(s->walk);
	if (st == OK || !own)
		return st;
	TRY(forgive(s, st, "damaged", err));
	return pop(s, err);
}

struct import_source *import_source_open(const struct import_options *o)
{
	struct import_source *s = mem_zalloc(sizeof(*s));
	s->o = *o;
	s->walk = walk_open(o->paths, o->n_paths);
	return s;
}

enum status import_source_next(struct import_source *s, struct chunk **out, struct error *err)
{
	enum status st = OK;
	*out = NULL;
	s->chunk = mem_zalloc(sizeof(*s->chunk));
	buf_add(&s->chunk->data, "", 1);     /* place 0 is none */
	s->last_name = s->last_source = 0;
	while (st == OK && s->chunk->n < CHUNK_RECORDS && s->chunk->data.len < CHUNK_BYTES)
		st = step(s, err);
	if (st == OK || (st == END && s->chunk->n)) {
		buf_reserve(&s->chunk->data, JSON_PADDING);
		*out = s->chunk;
		return OK;
	}
	chunk_free(s->chunk);
	return st;
}

void import_source_close(struct import_source *s)
{
	while (s->depth > 0)
		container_close(&s->stack[--s->depth]);
	container_close(&s->stack[0]);
	warc_record_release(&s->warc);
	buf_release(&s->text);
	walk_close(s->walk);
	mem_free(s);
}
