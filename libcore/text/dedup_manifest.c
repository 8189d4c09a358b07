/* dedup_manifest.c - see dedup_manifest.h. */
#include "text/dedup_manifest.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"

#include <sys/stat.h>

#define VERSION 1
#define BYTES_MAX (16 << 20)

static enum status damaged(const char *path, const char *why, struct error *err)
{
	return error_set(err, ERR_DATA, "%s: %s: the index is damaged", path, why);
}

static bool read_hash(const struct json *j, const char *key, char out[33])
{
	const char *s = json_get_str(j, key, "");
	if (strlen(s) != 32)
		return false;
	memcpy(out, s, 33);
	return true;
}

static enum status read_segment(struct dedup_manifest *m, const struct json *j, const char *path, struct error *err)
{
	int64_t rows = json_get_int(j, "rows", -1), records = json_get_int(j, "records", -1), id_bytes = json_get_int(j, "id_bytes", -1);
	int64_t set_bytes = json_get_int(j, "set_bytes", 0);
	struct dedup_segment s = {.number = json_get_int(j, "number", -1)};
	/* Files of 2^59 bytes and more do not exist, and sizes below that do not overflow. */
	if (s.number < m->next || s.number > INT64_MAX / 2 || rows < 0 || rows > UINT32_MAX || records < 0 || records >> 55 || id_bytes < 0 ||
	    id_bytes >> 59 || set_bytes < 0 || set_bytes >> 59 || set_bytes % 8 || !read_hash(j, "keys", s.keys_hash) ||
	    !read_hash(j, "ids", s.ids_hash) || (json_get(j, "sets") && !read_hash(j, "sets", s.sets_hash)))
		return damaged(path, "a segment that cannot be", err);
	s.rows = (uint64_t)rows;
	s.records = (uint64_t)records;
	s.id_bytes = (uint64_t)id_bytes;
	s.set_bytes = (uint64_t)set_bytes;
	dedup_manifest_add(m, &s);
	return OK;
}

static enum status read_line(struct dedup_manifest *m, const struct json *j, const char *path, const char *identity, struct error *err)
{
	int64_t version = json_get_int(j, "quern_index", -1);
	const struct json *segments = json_get(j, "segments");
	if (version != VERSION)
		return error_set(err, ERR_DATA, "%s: version %lld of the index, where %d is known", path, (long long)version, VERSION);
	if (!segments || segments->type != JSON_ARRAY)
		return damaged(path, "no segments", err);
	if (segments->len > 0 && strcmp(json_get_str(j, "compares", ""), identity) != 0)
		return error_set(err, ERR_USAGE, "%s: the index is of other keys: it was made with %s, this run has %s", path,
				 json_get_str(j, "compares", "?"), identity);
	for (size_t i = 0; i < segments->len; i++)
		TRY(read_segment(m, &segments->items[i], path, err));
	int64_t next = json_get_int(j, "next", -1);
	if (next < m->next)
		return damaged(path, "no number for the next segment", err);
	m->next = next;
	return OK;
}

static enum status parse(struct dedup_manifest *m, const struct buf *b, const char *path, const char *identity, struct error *err)
{
	const char *feed = b->len ? memchr(b->data, '\n', b->len) : NULL;
	char hash[33];
	if (!feed)
		return damaged(path, "no line", err);
	size_t n = (size_t)(feed - b->data);
	hash128_hex(b->data, n, hash);
	if (b->len != n + 34 || memcmp(feed + 1, hash, 32) != 0)
		return damaged(path, "checksum mismatch", err);
	struct json_parser *p = json_parser_open();
	const struct json *j;
	enum status st = error_prefix(err, json_parse(p, b->data, n, &j, err), "%s", path);
	if (st == OK)
		st = read_line(m, j, path, identity, err);
	json_parser_close(p);
	return st;
}

enum status dedup_manifest_read(struct dedup_manifest *m, const char *dir, const char *identity, bool *there, struct error *err)
{
	struct stat info;
	char *path = path_join(dir, "manifest");
	struct buf b = {0};
	enum status st = OK;
	*m = (struct dedup_manifest){.identity = mem_strdup(identity), .next = 1};
	*there = stat(path, &info) == 0;
	if (*there && !S_ISREG(info.st_mode)) {
		st = damaged(path, "no regular file", err);
	} else if (*there) {
		st = file_read_all(path, BYTES_MAX, &b, err);
		if (st == OK)
			st = parse(m, &b, path, identity, err);
	}
	buf_release(&b);
	mem_free(path);
	return st;
}

void dedup_manifest_add(struct dedup_manifest *m, const struct dedup_segment *s)
{
	MEM_PUSH_ROOM(m->segments, m->n, m->cap);
	m->segments[m->n++] = *s;
	m->next = s->number + 1;
}

enum status dedup_manifest_write(const struct dedup_manifest *m, const char *dir, struct error *err)
{
	struct buf b = {0};
	struct json_writer w = json_writer_open(&b, 0);
	char hash[33];
	json_begin_object(&w);
	json_kv_int(&w, "quern_index", VERSION);
	json_kv_string(&w, "compares", m->identity);
	json_kv_int(&w, "next", m->next);
	json_key(&w, "segments");
	json_begin_array(&w);
	for (int i = 0; i < m->n; i++) {
		const struct dedup_segment *s = &m->segments[i];
		json_begin_object(&w);
		json_kv_int(&w, "number", s->number);
		json_kv_int(&w, "rows", (int64_t)s->rows);
		json_kv_int(&w, "records", (int64_t)s->records);
		json_kv_int(&w, "id_bytes", (int64_t)s->id_bytes);
		json_kv_string(&w, "keys", s->keys_hash);
		json_kv_string(&w, "ids", s->ids_hash);
		if (*s->sets_hash) {
			json_kv_int(&w, "set_bytes", (int64_t)s->set_bytes);
			json_kv_string(&w, "sets", s->sets_hash);
		}
		json_end_object(&w);
	}
	json_end_array(&w);
	json_end_object(&w);
	hash128_hex(b.data, b.len, hash);
	buf_printf(&b, "\n%s\n", hash);
	char *path = path_join(dir, "manifest");
	enum status st = file_write_all(path, b.data, b.len, err);
	if (st == OK)
		st = dir_sync(dir, err);
	mem_free(path);
	buf_release(&b);
	return st;
}

void dedup_manifest_release(struct dedup_manifest *m)
{
	mem_free(m->identity);
	mem_free(m->segments);
	*m = (struct dedup_manifest){0};
}
