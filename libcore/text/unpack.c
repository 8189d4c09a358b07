/* unpack.c - see unpack.h. */
#include "text/unpack.h"

#include <archive.h>
#include <archive_entry.h>

#define BLOCK_BYTES 65536

static const char seven_zip[] = "7z\xbc\xaf\x27\x1c";

struct unpack {
	struct archive *archive;
	struct input *in;
	struct error in_err;
	enum status in_st;
	struct buf name;
	bool placed;                 /* blocks are read from at, wherever that is */
	int64_t at;
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
	if (u->placed) {
		int64_t left = input_size(u->in) - u->at;
		got = left < 0 ? 0 : left < BLOCK_BYTES ? (size_t)left : BLOCK_BYTES;
		u->in_st = input_read_at(u->in, (uint64_t)u->at, u->block, got, &u->in_err);
		u->at += (int64_t)got;
	} else {
		u->in_st = input_read(u->in, u->block, sizeof(u->block), &got, &u->in_err);
	}
	*p = u->block;
	return u->in_st == OK ? (la_ssize_t)got : ARCHIVE_FATAL;
}

static la_int64_t seek(struct archive *a, void *arg, la_int64_t offset, int whence)
{
	struct unpack *u = arg;
	int64_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? u->at : input_size(u->in);
	(void)a;
	if (offset < -from || offset > INT64_MAX / 2)
		return ARCHIVE_FATAL;
	u->at = from + offset;
	return u->at;
}

/* Reads from any place if the archive must be read so. */
static enum status place(struct unpack *u, struct error *err)
{
	const uint8_t *p;
	size_t n;
	TRY(input_peek(u->in, sizeof(seven_zip) - 1, &p, &n, err));
	if (n < sizeof(seven_zip) - 1 || memcmp(p, seven_zip, sizeof(seven_zip) - 1) != 0)
		return OK;
	if (input_read_at(u->in, 0, u->block, 0, NULL) != OK)
		return error_set(err, ERR_UNSUPPORTED, "%s: a 7z archive is read from its end: save it first, uncompressed on the outside",
				 input_name(u->in));
	u->placed = true;
	archive_read_set_seek_callback(u->archive, seek);
	return OK;
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
	enum status st = place(u, err);
	if (st == OK && archive_read_open(u->archive, u, NULL, pull, NULL) != ARCHIVE_OK)
		st = failed(u, err);
	if (st != OK)
		unpack_close(u);
	else
		*out = u;
	return st;
}

enum status unpack_next(struct unpack *u, const char **name, bool *encrypted, struct error *err)
{
	struct archive_entry *e;
	do {
		int rc = archive_read_next_header(u->archive, &e);
		if (rc == ARCHIVE_EOF)
			return END;
		if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
			return failed(u, err);
	} while (archive_entry_filetype(e) != AE_IFREG);
	const char *path = archive_entry_pathname_utf8(e);
	path = path ? path : archive_entry_pathname(e);
	buf_clear(&u->name);
	buf_str(&u->name, path ? path : "");
	*name = u->name.data;
	*encrypted = archive_entry_is_data_encrypted(e);
	return OK;
}

enum status unpack_read(void *unpack, void *p, size_t n, size_t *got, struct error *err)
{
	struct unpack *u = unpack;
	la_ssize_t k = archive_read_data(u->archive, p, n);
	*got = k > 0 ? (size_t)k : 0;
	return k < 0 ? failed(u, err) : OK;
}

void unpack_close(struct unpack *u)
{
	if (!u)
		return;
	archive_read_free(u->archive);
	buf_release(&u->name);
	mem_free(u);
}
