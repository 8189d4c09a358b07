/* unpack.c - see unpack.h. */
#include "text/unpack.h"

#include <archive.h>
#include <archive_entry.h>

#define BLOCK_BYTES 65536

struct unpack {
	struct archive *archive;
	struct input *in;
	struct error in_err;
	enum status in_st;
	struct buf name;
	char block[BLOCK_BYTES];
};

bool unpack_looks_like(const uint8_t *p, size_t n)
{
	static const struct { size_t at, n; const char *magic; } known[] = {
		{ 257, 5, "ustar" }, { 0, 4, "PK\003\004" }, { 0, 4, "PK\005\006" }, { 0, 6, "7z\xbc\xaf\x27\x1c" }, { 0, 6, "070701" },
		{ 0, 6, "070707" }, { 0, 6, "070702" }, { 0, 8, "!<arch>\n" }, { 0, 7, "Rar!\x1a\x07\x00" }, { 0, 8, "Rar!\x1a\x07\x01\x00" },
	};
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (n >= known[i].at + known[i].n && memcmp(p + known[i].at, known[i].magic, known[i].n) == 0)
			return true;
	return false;
}

static la_ssize_t pull(struct archive *a, void *arg, const void **p)
{
	struct unpack *u = arg;
	size_t got;
	(void)a;
	u->in_st = input_read(u->in, u->block, sizeof(u->block), &got, &u->in_err);
	*p = u->block;
	return u->in_st == OK ? (la_ssize_t)got : ARCHIVE_FATAL;
}

static enum status failed(struct unpack *u, struct error *err)
{
	if (u->in_st != OK) {
		if (err)
			*err = u->in_err;
		return u->in_st;
	}
	const char *why = archive_error_string(u->archive);
	return error_set(err, ERR_DATA, "%s: bad archive: %s", input_name(u->in), why ? why : "truncated");
}

enum status unpack_open(struct unpack **out, struct input *in, struct error *err)
{
	struct unpack *u = mem_zalloc(sizeof(*u));
	u->in = in;
	u->archive = archive_read_new();
	if (!u->archive) {
		mem_free(u);
		return error_set(err, ERR_MEMORY, "%s: no memory to unpack", input_name(in));
	}
	archive_read_support_format_all(u->archive);
	if (archive_read_open(u->archive, u, NULL, pull, NULL) != ARCHIVE_OK) {
		enum status st = failed(u, err);
		unpack_close(u);
		return st;
	}
	*out = u;
	return OK;
}

static enum status read_data(struct unpack *u, size_t max, struct buf *data, bool *too_large, struct error *err)
{
	la_ssize_t k;
	for (;;) {
		buf_reserve(data, BLOCK_BYTES + 1);
		k = archive_read_data(u->archive, data->data + data->len, BLOCK_BYTES);
		if (k <= 0)
			break;
		data->len += (size_t)k;
		if (data->len > max) {
			*too_large = true;
			data->len = 0;
			break;
		}
	}
	data->data[data->len] = 0;
	return k < 0 ? failed(u, err) : OK;
}

enum status unpack_next(struct unpack *u, size_t max, const char **name, struct buf *data, bool *too_large, struct error *err)
{
	struct archive_entry *e;
	buf_clear(data);
	*too_large = false;
	for (;;) {
		int rc = archive_read_next_header(u->archive, &e);
		if (rc == ARCHIVE_EOF)
			return END;
		if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
			return failed(u, err);
		if (archive_entry_filetype(e) == AE_IFREG)
			break;
	}
	const char *path = archive_entry_pathname_utf8(e);
	path = path ? path : archive_entry_pathname(e);
	buf_clear(&u->name);
	buf_str(&u->name, path ? path : "");
	*name = u->name.data;
	return read_data(u, max, data, too_large, err);
}

void unpack_close(struct unpack *u)
{
	if (!u)
		return;
	archive_read_free(u->archive);
	buf_release(&u->name);
	mem_free(u);
}
