/* arrow_source.c - messages off an input: framing, checksums, the required end. */
#include "stream/arrow.h"
#include "stream/source.h"
#include "base/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_STEP_BYTES ((int64_t)16 << 20)       /* a body beyond this grows with the bytes that come */
#define FAILED_METADATA_BYTES 8                   /* the size that a failing writer announces */

enum origin { ORIGIN_UNKNOWN, ORIGIN_OURS, ORIGIN_FOREIGN };

struct arrow_source {
	struct source s;
	bool file, allow_truncated;
	bool closed;                             /* the closing batch has come */
	bool cut;                                /* the input ended inside a message */
	enum origin origin;                      /* known from the first batch on */
	int64_t seq;                             /* number of the batch to come */
	struct hasher *total;                    /* all prefixes and metadata so far; they hold the bodies' checksums */
	struct buf metadata;
	struct message m;
	struct encodings *encodings;
	struct file_block *blocks;               /* of a file: the messages that its footer has to list */
	int64_t n_blocks, cap_blocks;
	bool loaded;                             /* all its dictionaries have been read by its footer */
	bool ahead;                              /* prefix of the next message has been read: */
	uint32_t prefix[2];
};

static enum status truncated(struct arrow_source *a, struct error *err)
{
	const char *what = a->origin == ORIGIN_FOREIGN || (a->origin == ORIGIN_UNKNOWN && !schema_meta(&a->s.schema, "quern.version"))
			   ? "end-of-stream marker" : "closing batch";

	if (a->allow_truncated) {
		a->s.ended = true;
		return END;
	}
	if (a->closed)
		return error_set(err, ERR_DATA, "truncated: ends without the end-of-stream marker");
	if (a->seq == 0)
		return error_set(err, ERR_DATA, "truncated: ends before the first batch, without the %s", what);
	return error_set(err, ERR_DATA, "truncated: ends after batch %" PRId64 " without the %s", a->seq - 1, what);
}

/* n bytes; END if none came, ERR_DATA if fewer. Texts of ours, so that the batch is named. */
static enum status read_bytes(struct arrow_source *a, void *p, size_t n, struct error *err)
{
	size_t at = 0;

	while (at < n) {
		size_t got;
		TRY(source_input_error(&a->s, input_read(a->s.in, (char *)p + at, n - at, &got, err)));
		if (got == 0 && at == 0)
			return END;
		a->cut = got == 0;
		if (a->cut)
			return error_set(err, ERR_DATA, "truncated at byte %" PRIu64, input_offset(a->s.in));
		at += got;
	}
	return OK;
}

static enum status whole(enum status st, struct arrow_source *a, struct error *err)
{
	if (st != END)
		return st;
	a->cut = true;
	return error_set(err, ERR_DATA, "truncated at byte %" PRIu64, input_offset(a->s.in));
}

static enum status read_prefix(struct arrow_source *a, uint32_t prefix[2], bool *eof, struct error *err)
{
	enum status st = OK;

	if (a->ahead)
		memcpy(prefix, a->prefix, sizeof(a->prefix));
	else
		st = read_bytes(a, prefix, sizeof(a->prefix), err);
	a->ahead = false;
	*eof = st == END;
	return st;
}

/* Files of polars begin with the schema message as it is, without its prefix: it goes on to the prefix of the next message.
 * All words of eight bytes up to that are its metadata; the footer tells later whether that was right. */
static enum status read_bare_schema(struct arrow_source *a, struct error *err)
{
	do {
		if (a->metadata.len > ARROW_METADATA_MAX)
			return error_set(err, ERR_DATA, "no Arrow message where one must begin (byte 8)");
		buf_add(&a->metadata, a->prefix, sizeof(a->prefix));
		TRY(whole(read_bytes(a, a->prefix, sizeof(a->prefix), err), a, err));
	} while (a->prefix[0] != 0xFFFFFFFFu || a->prefix[1] % 8 || a->prefix[1] > ARROW_METADATA_MAX);
	a->ahead = true;
	return message_parse(&a->m, a->metadata.data, (uint32_t)a->metadata.len, err);
}

/* Prefix and metadata of the next message; END at the marker or, *eof, at the end of the input. */
static enum status read_metadata(struct arrow_source *a, bool *eof, struct error *err)
{
	uint32_t prefix[2];

	*eof = false;
	TRY(read_prefix(a, prefix, eof, err));
	if (prefix[0] != 0xFFFFFFFFu)
		return error_set(err, ERR_DATA, "no Arrow message where one must begin (byte %" PRIu64 ")",
				 input_offset(a->s.in) - 8);
	if (prefix[1] == 0)
		return END;
	if (prefix[1] == FAILED_METADATA_BYTES)
		return error_set(err, ERR_DATA, "truncated: the program that wrote it failed");
	if (prefix[1] % 8 || prefix[1] > ARROW_METADATA_MAX)
		return error_set(err, ERR_DATA, "impossible metadata size %" PRIu32, prefix[1]);
	buf_clear(&a->metadata);
	buf_reserve(&a->metadata, prefix[1]);
	TRY(whole(read_bytes(a, a->metadata.data, prefix[1], err), a, err));
	a->metadata.len = prefix[1];
	hasher_add(a->total, prefix, sizeof(prefix));
	return message_parse(&a->m, a->metadata.data, prefix[1], err);
}

static enum status read_schema_message(struct arrow_source *a, struct error *err)
{
	bool eof;

	if (a->file) {
		/* the magic may be padded to 64 bytes */
		do
			TRY(whole(read_bytes(a, a->prefix, sizeof(a->prefix), err), a, err));
		while (a->prefix[0] == 0 && a->prefix[1] == 0 && input_offset(a->s.in) <= 64);
		if (a->prefix[0] != 0xFFFFFFFFu)
			return read_bare_schema(a, err);
		a->ahead = true;
	}
	return read_metadata(a, &eof, err);
}

void body_release(struct body *body)
{
	mem_free(body->owned);
	input_unmap(&body->map);
}

/* The body: the file's own bytes if they can be had and are where numbers may be, else a copy. One that claims much gets memory
 * as its bytes come, so a lie costs nothing. */
static enum status read_body(struct arrow_source *a, struct body *out, struct error *err)
{
	*out = (struct body){0};
	if (input_offset(a->s.in) % 8 == 0 && input_map(a->s.in, (size_t)a->m.body_bytes, &out->map, &out->p))
		return OK;
	int64_t n = a->m.body_bytes, at = 0;
	int64_t room = n < BODY_STEP_BYTES ? n : BODY_STEP_BYTES;
	uint8_t *body = mem_try((size_t)room + 64);
	enum status st = OK;

	while (body && st == OK && at < n) {
		st = whole(read_bytes(a, body + at, (size_t)(room - at), err), a, err);
		at = room;
		if (st != OK || at == n)
			break;
		room = room * 2 < n ? room * 2 : n;
		uint8_t *more = mem_try((size_t)room + 64);
		if (more)
			memcpy(more, body, (size_t)at);
		mem_free(body);
		body = more;
	}
	if (!body)
		return error_set(err, ERR_MEMORY, "no memory for a batch of %" PRId64 " bytes", n);
	if (st != OK)
		mem_free(body);
	else
		out->p = out->owned = body;
	return st;
}

/* --- our keys --------------------------------------------------------------------------------- */
static bool meta_uint(struct message *m, const char *key, int base, uint64_t *out)
{
	uint32_t n;
	const char *s = message_meta(m, key, &n);
	char text[24];

	if (!s || n == 0 || n >= sizeof(text))
		return false;
	memcpy(text, s, n);
	text[n] = 0;
	*out = strtoull(text, NULL, base);
	/* one spelling only: a capital would be a flipped bit */
	return strspn(text, base == 16 ? "0123456789abcdef" : "0123456789") == n;
}

static bool has_meta(struct message *m, const char *key)
{
	uint32_t n;

	return message_meta(m, key, &n) != NULL;
}

/* Whether the stream is ours shows in its first batch: programs that rewrite one of ours (pyarrow)
 * keep the schema's metadata but write batches without keys. */
static enum status check_origin(struct arrow_source *a, struct error *err)
{
	bool keys = has_meta(&a->m, "quern.seq") || has_meta(&a->m, "quern.xxh3") || has_meta(&a->m, "quern.end");

	if (a->origin == ORIGIN_UNKNOWN) {
		a->origin = keys ? ORIGIN_OURS : ORIGIN_FOREIGN;
		a->s.foreign = !keys;
		if (!keys && schema_meta(&a->s.schema, "quern.version") && fbs_int(&a->m.header, 0, 8, 0) == 0)
			return error_set(err, ERR_DATA, "no checksum");
	}
	if (keys != (a->origin == ORIGIN_OURS))
		return error_set(err, ERR_DATA, keys ? "a checksum, where the stream began without" : "no checksum");
	return OK;
}

static enum status check_batch(struct arrow_source *a, const uint8_t *body, struct error *err)
{
	uint64_t seq, sum;

	if (!meta_uint(&a->m, "quern.seq", 10, &seq) || !meta_uint(&a->m, "quern.xxh3", 16, &sum))
		return error_set(err, ERR_DATA, "no checksum");
	if (seq != (uint64_t)a->seq)
		return error_set(err, ERR_DATA, "out of sequence: numbered %" PRIu64, seq);
	if (hash64(body, (size_t)a->m.body_bytes) != sum)
		return error_set(err, ERR_DATA, "checksum mismatch");
	return OK;
}

/* The closing batch: totals, and the checksum of the stream with its own sixteen digits as zeros. */
static enum status check_closing(struct arrow_source *a, const uint8_t *body, struct error *err)
{
	uint64_t rows, batches, sum;
	uint32_t n;
	const char *digits = message_meta(&a->m, "quern.xxh3", &n);

	if (!meta_uint(&a->m, "quern.rows", 10, &rows) || !meta_uint(&a->m, "quern.batches", 10, &batches) ||
	    !meta_uint(&a->m, "quern.xxh3", 16, &sum) || n != 16)
		return error_set(err, ERR_DATA, "closing batch lacks its totals");
	size_t before = (size_t)(digits - a->metadata.data);
	hasher_add(a->total, a->metadata.data, before);
	hasher_add(a->total, "0000000000000000", 16);
	hasher_add(a->total, a->metadata.data + before + 16, a->metadata.len - before - 16);
	hasher_add(a->total, body, (size_t)a->m.body_bytes);
	if (hasher_64(a->total) != sum)
		return error_set(err, ERR_DATA, "checksum mismatch of the whole stream");
	if (rows != (uint64_t)a->s.rows || batches != (uint64_t)a->seq)
		return error_set(err, ERR_DATA, "closing batch counts %" PRIu64 " rows in %" PRIu64 " batches, not %" PRId64 " in %" PRId64,
				 rows, batches, a->s.rows, a->seq);
	const char *chain = message_meta(&a->m, "quern.provenance", &n);
	if (chain)
		a->s.provenance = mem_strndup(chain, n);
	a->closed = true;
	return OK;
}

/* --- the sequence of messages ------------------------------------------------------------------- */
/* What follows the marker in a file. */
static enum status check_footer(struct arrow_source *a, struct error *err)
{
	struct buf tail = {0};
	size_t got = 1;
	enum status st = OK;

	while (st == OK && got > 0 && tail.len <= ARROW_FOOTER_MAX) {
		buf_reserve(&tail, 1 << 16);
		st = source_input_error(&a->s, input_read(a->s.in, tail.data + tail.len, 1 << 16, &got, err));
		tail.len += st == OK ? got : 0;
	}
	if (st == OK && tail.len > ARROW_FOOTER_MAX)
		st = error_set(err, ERR_DATA, "too much follows the end of the stream in the file");
	if (st == OK)
		st = arrow_check_footer(tail.data, tail.len, &a->s.schema, a->blocks, a->n_blocks, err);
	buf_release(&tail);
	return st != OK && a->allow_truncated ? OK : st;
}

/* The end-of-stream marker has come. */
static enum status check_end(struct arrow_source *a, struct error *err)
{
	const uint8_t *p;
	size_t got = 0;

	if (a->origin == ORIGIN_OURS && !a->closed)
		return truncated(a, err);
	if (a->origin == ORIGIN_UNKNOWN)
		a->s.foreign = true;
	if (a->file) {
		TRY(check_footer(a, err));
		a->s.ended = true;
		return END;
	}
	TRY(source_input_error(&a->s, input_peek(a->s.in, 1, &p, &got, err)));
	if (got)
		return error_set(err, ERR_DATA, "data after the end of the stream (byte %" PRIu64 "): name joined streams as separate files",
				 input_offset(a->s.in));
	a->s.ended = true;
	return END;
}

/* The message whose metadata has just been read. */
static void note_block(struct arrow_source *a)
{
	int64_t metadata_bytes = (int64_t)a->metadata.len + 8;

	if (!a->file || (a->m.type != ARROW_BATCH && a->m.type != ARROW_DICTIONARY))
		return;
	MEM_PUSH_ROOM(a->blocks, a->n_blocks, a->cap_blocks);
	a->blocks[a->n_blocks++] = (struct file_block){
		(int64_t)input_offset(a->s.in) - metadata_bytes, metadata_bytes, a->m.body_bytes, a->m.type == ARROW_DICTIONARY
	};
}

/* One message with its body: a batch, or OK without one for the closing batch. */
static enum status take_message(struct arrow_source *a, struct batch **out, struct error *err)
{
	struct body body;
	enum status st = OK;

	if (a->closed)
		return error_set(err, ERR_DATA, "another message");
	if (a->m.type == ARROW_BATCH)
		TRY(check_origin(a, err));
	note_block(a);
	TRY(read_body(a, &body, err));
	if (a->origin == ORIGIN_OURS && has_meta(&a->m, "quern.end")) {
		st = check_closing(a, body.p, err);
	} else {
		hasher_add(a->total, a->metadata.data, a->metadata.len);
		if (a->origin == ORIGIN_OURS && a->m.type != ARROW_BATCH)
			st = error_set(err, ERR_DATA, "a dictionary, which has no checksum");
		else if (a->origin == ORIGIN_OURS)
			st = check_batch(a, body.p, err);
	}
	if (st != OK || (a->m.type == ARROW_DICTIONARY && a->loaded)) {
		body_release(&body);
		return st;
	}
	if (a->m.type == ARROW_DICTIONARY)
		return arrow_read_dictionary(&a->m, a->encodings, body, err);
	TRY(arrow_read_batch(&a->m, &a->s.schema, a->encodings, body, out, err));
	if (a->closed) {
		batch_release(*out);
		*out = NULL;
		return OK;
	}
	(*out)->seq = a->seq++;
	a->s.rows += (*out)->rows;
	return OK;
}

static enum status arrow_next(struct source *s, struct batch **b, struct error *err)
{
	struct arrow_source *a = (struct arrow_source *)s;

	*b = NULL;
	while (!s->ended) {
		bool eof, was_closed = a->closed;
		enum status st = read_metadata(a, &eof, err);
		if (st == END)
			return eof ? truncated(a, err) : check_end(a, err);
		if (st == OK)
			st = take_message(a, b, err);
		if (a->cut && a->allow_truncated) {
			s->ended = true;
			return END;
		}
		if (st != OK && !s->named)
			return was_closed ? error_prefix(err, st, "after the closing batch")
					  : error_prefix(err, st, "batch %" PRId64, a->seq);
		if (st != OK || *b)
			return st;
	}
	return END;
}

/* Header of the message at a place in the file, if it is a batch of at most rows rows that a reader would take next. */
static bool peek_batch(struct arrow_source *a, uint64_t at, int64_t rows, int64_t *has)
{
	uint32_t prefix[2];
	uint64_t seq;
	struct error ignored;

	if (input_read_at(a->s.in, at, prefix, sizeof(prefix), &ignored) != OK || prefix[0] != 0xFFFFFFFFu || prefix[1] == 0 ||
	    prefix[1] % 8 || prefix[1] > ARROW_METADATA_MAX)
		return false;
	buf_clear(&a->metadata);
	buf_reserve(&a->metadata, prefix[1]);
	if (input_read_at(a->s.in, at + sizeof(prefix), a->metadata.data, prefix[1], &ignored) != OK)
		return false;
	a->metadata.len = prefix[1];
	if (message_parse(&a->m, a->metadata.data, prefix[1], &ignored) != OK || a->m.type != ARROW_BATCH || has_meta(&a->m, "quern.end") ||
	    check_origin(a, &ignored) != OK)
		return false;
	*has = fbs_int(&a->m.header, 0, 8, 0);
	return *has >= 0 && *has <= rows && !a->m.fbs.bad &&
	       (a->origin != ORIGIN_OURS || (meta_uint(&a->m, "quern.seq", 10, &seq) && seq == (uint64_t)a->seq));
}

/* Ends, without a word, at the first message that is not plainly a batch to pass: reading on tells what it is. */
static enum status arrow_skip(struct source *s, int64_t rows, int64_t *passed, struct error *err)
{
	struct arrow_source *a = (struct arrow_source *)s;
	uint64_t start = input_offset(s->in), at = start;
	int64_t has;

	if (a->ahead || a->closed || s->ended || (encodings_have_dictionaries(a->encodings) && !a->loaded))
		return OK;
	while (peek_batch(a, at, rows - *passed, &has)) {
		int64_t metadata_bytes = (int64_t)a->metadata.len + 8;
		uint32_t prefix[2] = { 0xFFFFFFFFu, (uint32_t)a->metadata.len };
		hasher_add(a->total, prefix, sizeof(prefix));
		hasher_add(a->total, a->metadata.data, a->metadata.len);
		if (a->file) {
			MEM_PUSH_ROOM(a->blocks, a->n_blocks, a->cap_blocks);
			a->blocks[a->n_blocks++] = (struct file_block){ (int64_t)at, metadata_bytes, a->m.body_bytes, false };
		}
		at += (uint64_t)(metadata_bytes + a->m.body_bytes);
		a->seq++;
		s->rows += has;
		*passed += has;
	}
	if (at == start)
		return OK;
	return source_input_error(s, input_skip(s->in, at - start, err));
}

static void arrow_close(struct source *s)
{
	struct arrow_source *a = (struct arrow_source *)s;

	hasher_close(a->total);
	buf_release(&a->metadata);
	encodings_close(a->encodings);
	mem_free(a->blocks);
	schema_release(&s->schema);
	mem_free(s->provenance);
	mem_free(a);
}

/* In a file a dictionary may stand behind the batches that need it; what cannot be read from its end (a pipe) has to have
 * them in order. */
static enum status load_dictionaries(struct arrow_source *a, struct error *err)
{
	if (!a->file || !encodings_have_dictionaries(a->encodings))
		return OK;
	enum status st = arrow_load_dictionaries(a->s.in, a->encodings, err);
	a->loaded = st == OK;
	if (st == ERR_IO)
		source_input_error(&a->s, st);
	return st == ERR_UNSUPPORTED || (st == ERR_DATA && a->allow_truncated) ? OK : st;
}

enum status arrow_source_open(struct source **out, struct input *in, bool file, bool allow_truncated, struct error *err)
{
	struct arrow_source *a = mem_zalloc(sizeof(*a));
	char magic[8];
	enum status st = OK;

	a->s = (struct source){ .next = arrow_next, .skip = arrow_skip, .close = arrow_close, .in = in };
	a->file = file;
	a->allow_truncated = allow_truncated;
	a->total = hasher_open();
	*out = &a->s;
	if (file)
		st = read_bytes(a, magic, sizeof(magic), err);
	if (st == OK)
		st = read_schema_message(a, err);
	if (st == OK) {
		hasher_add(a->total, a->metadata.data, a->metadata.len);
		st = arrow_read_schema(&a->m, &a->s.schema, &a->encodings, err);
	}
	if (st == OK)
		st = load_dictionaries(a, err);
	if (st == END)
		st = error_set(err, ERR_DATA, "no schema");
	return st;
}
