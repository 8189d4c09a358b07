/* input.c - the FILE operands as one stream, and side inputs for the provenance; see tool.h. */
#include "common/private.h"

#include "base/hash.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>

static enum status open_next(struct tool *t, struct error *err)
{
	struct tool_inputs *in = t->inputs;
	const char *path = t->files.n ? t->files.items[in->next] : "-";
	in->next++;
	in->batch = -1;
	struct reader_options o = {.json_plain = t->plain_json};
	return reader_open(&in->reader, path, &o, err);
}

/* Kinds as words, for the sentence that says what is wanted. */
static void list_kinds(const enum kind *want, int n, struct buf *out)
{
	for (int i = 0; i < n; i++)
		buf_printf(out, "%s%s", i == 0 ? "" : i == n - 1 ? " or " : ", ", kind_name(want[i]));
}

enum status tool_check_kind(struct tool *t, const enum kind *want, int n_want, struct error *err)
{
	struct tool_inputs *in = t->inputs;
	struct error missing = {{0}};
	for (int i = 0; i < n_want; i++) {
		enum status st = want[i] == in->kind ? kind_check(in->kind, &in->schema, &missing) : OK;
		if (st != OK)
			return error_set(err, st, "%s: %s; quern import makes records of data sets", reader_name(in->reader), missing.text);
		if (want[i] == in->kind)
			return OK;
	}
	if (n_want == 0)
		return OK;
	struct buf words = {0};
	list_kinds(want, n_want, &words);
	buf_str(&words, " wanted; ");
	/* Of one wanted kind the missing column can be named. */
	if (n_want == 1 && kind_check(want[0], &in->schema, &missing) != OK)
		buf_str(&words, missing.text);
	else
		buf_printf(&words, "this is %s", in->kind == KIND_OTHER ? "of no kind we know (quern import makes records of data sets)" :
			   kind_name(in->kind));
	enum status st = error_set(err, ERR_DATA, "%s: %s", reader_name(in->reader), words.data);
	buf_release(&words);
	return st;
}

enum status tool_open_inputs(struct tool *t, const enum kind *want, int n_want, struct error *err)
{
	t->inputs = mem_zalloc(sizeof(*t->inputs));
	TRY(open_next(t, err));
	t->inputs->open = true;
	schema_copy(&t->inputs->schema, reader_schema(t->inputs->reader));
	t->inputs->kind = reader_kind(t->inputs->reader);
	return tool_check_kind(t, want, n_want, err);
}

const struct schema *tool_schema(const struct tool *t)
{
	return &t->inputs->schema;
}

enum kind tool_kind(const struct tool *t)
{
	return t->inputs->kind;
}

const char *tool_where(const struct tool *t)
{
	struct tool_inputs *in = t->inputs;
	buf_clear(&in->where);
	buf_str(&in->where, in->reader ? reader_name(in->reader) : "input");
	if (in->batch >= 0)
		buf_printf(&in->where, ": batch %lld", (long long)in->batch);
	return in->where.data;
}

void tool_set_schema(struct tool *t, const struct schema *s, enum kind k)
{
	t->inputs = mem_zalloc(sizeof(*t->inputs));
	schema_copy(&t->inputs->schema, s);
	t->inputs->kind = k;
}

void tool_count_in(struct tool *t, int64_t rows)
{
	t->prov.rows_in += rows;
}

/* Enters the finished reader into the provenance and opens the next; END after the last. */
static enum status advance(struct tool *t, struct error *err)
{
	struct tool_inputs *in = t->inputs;
	struct provenance_input entry = {.rows = -1};
	enum status st = reader_input(in->reader, &entry, err);
	if (st == OK)
		provenance_add_input(&t->prov, &entry);
	provenance_input_release(&entry);
	reader_close(in->reader);
	in->reader = NULL;
	TRY(st);
	if (in->next >= t->files.n)
		return END;
	TRY(open_next(t, err));
	if (!schema_equal(reader_schema(in->reader), &in->schema)) {
		struct buf b = {0};
		for (int i = 0; i < reader_schema(in->reader)->n_fields; i++) {
			buf_str(&b, i ? ", " : "");
			field_print(&reader_schema(in->reader)->fields[i], &b);
		}
		st = error_set(err, ERR_DATA, "%s: its columns differ from those of the first input: %s",
			       reader_name(in->reader), b.data ? b.data : "none");
		buf_release(&b);
	}
	return st;
}

enum status tool_next(struct tool *t, struct batch **b, struct error *err)
{
	struct tool_inputs *in = t->inputs;
	if (!in->reader)
		return END;
	for (;;) {
		enum status st = reader_next(in->reader, b, err);
		if (st == OK) {
			/* Batches may outlive their reader; the schema of the first input, equal to all others', lives as long as the tool. */
			in->batch++;
			st = batch_rebind(*b, &in->schema, err);
			if (st != OK) {
				batch_release(*b);
				return error_prefix(err, st, "%s", tool_where(t));
			}
			t->prov.rows_in += (*b)->rows;
			progress_tick(t->progress, t->prov.rows_in, 0, "rows", NULL);
			return OK;
		}
		if (st != END)
			return st;
		TRY(advance(t, err));
	}
}

void tool_inputs_close(struct tool *t)
{
	if (!t->inputs)
		return;
	reader_close(t->inputs->reader);
	schema_release(&t->inputs->schema);
	buf_release(&t->inputs->where);
	mem_free(t->inputs);
	t->inputs = NULL;
}

/* --- side inputs ----------------------------------------------------------------------------- */

void tool_add_input_entry(struct tool *t, const struct provenance_input *in)
{
	provenance_add_input(&t->prov, in);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

#define HASH_PIECE ((size_t)16 << 20)        /* mapped at once */

/* Where the file can be mapped it is hashed as the kernel has it, without a copy. *stop: given up. */
static enum status hash_file(struct hasher *h, const char *path, const atomic_bool *stop, struct error *err)
{
	struct input *in;
	char *block = mem_alloc(1 << 18);
	size_t got = 0;
	enum status st = input_open(&in, path, false, err);
	if (st == OK) {
		input_leave_unhashed(in);    /* but by us */
		do {
			int64_t left = input_size(in) - (int64_t)input_offset(in);
			struct input_map map;
			const uint8_t *p;
			got = left > (int64_t)HASH_PIECE ? HASH_PIECE : left > 0 ? (size_t)left : 0;
			if (got && input_map(in, got, &map, &p)) {
				hasher_add(h, p, got);
				input_unmap(&map);
			} else {
				st = input_read(in, block, 1 << 18, &got, err);
				hasher_add(h, block, got);
			}
		} while (st == OK && got > 0 && !atomic_load(stop));
		input_close(in);
	}
	mem_free(block);
	return st;
}

/* Names and contents of the regular files of a directory, in name order. */
static enum status hash_directory(const char *path, const atomic_bool *stop, char out[33], struct error *err)
{
	struct dirent **names;
	int n = scandir(path, &names, NULL, by_name);
	if (n < 0)
		return error_errno(err, ERR_IO, "%s: cannot list", path);
	struct hasher *h = hasher_open();
	enum status st = OK;
	for (int i = 0; i < n; i++) {
		char *file = path_join(path, names[i]->d_name);
		struct stat info;
		if (st == OK && stat(file, &info) == 0 && S_ISREG(info.st_mode)) {
			hasher_add(h, names[i]->d_name, strlen(names[i]->d_name) + 1);
			st = hash_file(h, file, stop, err);
		}
		mem_free(file);
		free(names[i]);
	}
	free(names);
	hasher_hex(h, out);
	hasher_close(h);
	return st;
}

/* The chain that came with a directory, if one did. */
static enum status directory_chain(const char *path, struct provenance_input *entry, struct error *err)
{
	char *chain_path = path_join(path, "provenance.json");
	struct buf chain = {0};
	enum status st = OK;
	if (path_exists(chain_path))
		st = file_read_all(chain_path, 64 << 20, &chain, err);
	if (st == OK && chain.len) {
		/* One line, so that chains compare equal however the file was laid out. */
		struct json_parser *p = json_parser_open();
		const struct json *j;
		st = json_parse(p, chain.data, chain.len, &j, err);
		if (st == OK) {
			struct buf compact = {0};
			struct json_writer w = json_writer_open(&compact, 0);
			json_value(&w, j);
			entry->chain = buf_detach(&compact);
		} else {
			error_prefix(err, st, "%s", chain_path);
		}
		json_parser_close(p);
	}
	buf_release(&chain);
	mem_free(chain_path);
	return st;
}

static const atomic_bool never;

static enum status directory_entry(const char *path, struct provenance_input *entry, struct error *err)
{
	TRY(hash_directory(path, &never, entry->xxh3, err));
	return directory_chain(path, entry, err);
}

/* A stream is read to its end for its chain; what is no stream is hashed as bytes. */
static enum status file_entry(const char *path, struct provenance_input *entry, struct error *err)
{
	struct reader *r;
	struct batch *b;
	if (reader_open(&r, path, NULL, NULL) == OK) {
		enum status st;
		while ((st = reader_next(r, &b, err)) == OK)
			batch_release(b);
		if (st == END)
			st = reader_input(r, entry, err);
		reader_close(r);
		return st;
	}
	return file_hash(path, entry->xxh3, err);
}

enum status tool_add_input(struct tool *t, const char *path, struct error *err)
{
	struct provenance_input entry = {.rows = -1};
	enum status st = path_is_dir(path) ? directory_entry(path, &entry, err) : file_entry(path, &entry, err);
	if (st == OK) {
		if (!entry.name)
			entry.name = mem_strdup(path);
		provenance_add_input(&t->prov, &entry);
	}
	provenance_input_release(&entry);
	return st;
}

/* --- side inputs whose hash is computed beside the work ---------------------------------------- */

/* A directory that a thread is hashing: the entry `at` of the provenance waits for it. */
struct tool_hashing {
	struct tool_hashing *next;
	pthread_t thread;
	char *path, xxh3[33];
	int at;
	atomic_bool stop;
	enum status st;
	struct error err;
};

static void *hash_beside(void *arg)
{
	struct tool_hashing *h = arg;
	h->st = hash_directory(h->path, &h->stop, h->xxh3, &h->err);
	return NULL;
}

enum status tool_add_input_beside(struct tool *t, const char *path, struct error *err)
{
	if (!path_is_dir(path))
		return tool_add_input(t, path, err);
	struct provenance_input entry = {.rows = -1};
	struct tool_hashing *h = mem_zalloc(sizeof(*h));
	h->path = mem_strdup(path);
	h->at = t->prov.n_inputs;
	enum status st = directory_chain(path, &entry, err);
	if (st == OK && pthread_create(&h->thread, NULL, hash_beside, h) == 0) {
		h->next = t->hashing;
		t->hashing = h;
	} else {
		if (st == OK)
			st = hash_directory(path, &never, entry.xxh3, err);
		mem_free(h->path);
		mem_free(h);
	}
	if (st == OK) {
		entry.name = mem_strdup(path);
		provenance_add_input(&t->prov, &entry);
	}
	provenance_input_release(&entry);
	return st;
}

/* The first error in the order in which the inputs were added. */
static enum status settle(struct tool *t, bool stop, struct error *err)
{
	enum status st = OK;
	for (struct tool_hashing *h = t->hashing, *next; h; h = next) {
		next = h->next;
		atomic_store(&h->stop, stop);
		pthread_join(h->thread, NULL);
		if (h->st != OK) {
			st = h->st;
			if (err)
				*err = h->err;
		}
		memcpy(t->prov.inputs[h->at].xxh3, h->xxh3, sizeof(h->xxh3));
		mem_free(h->path);
		mem_free(h);
	}
	t->hashing = NULL;
	return st;
}

enum status tool_settle_inputs(struct tool *t, struct error *err)
{
	return settle(t, false, err);
}

void tool_stop_hashing(struct tool *t)
{
	(void)settle(t, true, NULL);
}

enum status tool_hash(const char *path, char out[33], struct error *err)
{
	return strcmp(path, "-") != 0 && path_is_dir(path) ? hash_directory(path, &never, out, err) : file_hash(path, out, err);
}
