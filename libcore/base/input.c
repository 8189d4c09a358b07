/* input.c - bytes in: file, pipe or memory, an outer compression undone by content; see file.h. */
#include "base/file.h"
#include "base/hash.h"

#include <archive.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define RAW_BYTES (256 * 1024)
#define PEEK_BYTES (64 * 1024)
#define MAP_BYTES (64 * 1024)         /* fewer are copied: a mapping costs as much */
#define AHEAD_BYTES 4096              /* read at once between mappings */

struct input {
	char *name;
	int fd;                      /* -1: memory, or */
	input_pull *pull;
	void *pull_arg;
	const uint8_t *memory;
	size_t memory_bytes, memory_at;
	int64_t size;
	uint64_t raw_bytes, offset;
	struct hasher *hash;
	bool skipped;                /* bytes were seeked over: no hash */
	bool unhashed;
	bool raw_end;
	bool mapping;                /* its larger parts are not read but mapped */
	char *raw;                   /* buffer of raw bytes, for the decompressor and small reads */
	size_t raw_at, raw_end_at;
	struct archive *archive;     /* decompressor, or NULL */
	struct error raw_err;        /* failure inside the decompressor's read callback */
	enum status raw_st;
	uint8_t *peek;               /* bytes shown but not consumed */
	size_t peek_at, peek_end;
};

/* --- raw bytes ----------------------------------------------------------------------------- */

/* Up to n raw bytes straight from the source, hashed. */
static enum status raw_source(struct input *in, void *p, size_t n, size_t *got, struct error *err)
{
	*got = 0;
	if (in->raw_end || n == 0)
		return OK;
	if (in->pull) {
		TRY(in->pull(in->pull_arg, p, n, got, err));
	} else if (in->fd < 0) {
		size_t left = in->memory_bytes - in->memory_at;
		*got = n < left ? n : left;
		if (*got)
			memcpy(p, in->memory + in->memory_at, *got);
		in->memory_at += *got;
	} else {
		ssize_t k;
		do
			k = read(in->fd, p, n);
		while (k < 0 && errno == EINTR);
		if (k < 0)
			return error_errno(err, ERR_IO, "%s: cannot read", in->name);
		*got = (size_t)k;
	}
	if (*got == 0)
		in->raw_end = true;
	if (!in->unhashed)
		hasher_add(in->hash, p, *got);
	in->raw_bytes += *got;
	return OK;
}

static enum status raw_fill(struct input *in, struct error *err)
{
	in->raw_at = 0;
	in->raw_end_at = 0;
	return raw_source(in, in->raw, in->mapping ? AHEAD_BYTES : RAW_BYTES, &in->raw_end_at, err);
}

/* What stands in the raw buffer first, then the source; large reads go past the buffer. */
static enum status raw_read(struct input *in, void *p, size_t n, size_t *got, struct error *err)
{
	if (in->raw_at == in->raw_end_at) {
		if (n >= RAW_BYTES)
			return raw_source(in, p, n, got, err);
		TRY(raw_fill(in, err));
	}
	size_t have = in->raw_end_at - in->raw_at;
	*got = n < have ? n : have;
	if (*got)
		memcpy(p, in->raw + in->raw_at, *got);
	in->raw_at += *got;
	return OK;
}

/* --- decompression ------------------------------------------------------------------------- */

static la_ssize_t archive_pull(struct archive *a, void *arg, const void **p)
{
	struct input *in = arg;
	(void)a;
	if (in->raw_at == in->raw_end_at) {
		in->raw_st = raw_fill(in, &in->raw_err);
		if (in->raw_st != OK)
			return ARCHIVE_FATAL;
	}
	*p = in->raw + in->raw_at;
	size_t n = in->raw_end_at - in->raw_at;
	in->raw_at = in->raw_end_at;
	return (la_ssize_t)n;
}

static bool looks_compressed(const uint8_t *p, size_t n)
{
	static const struct { uint8_t magic[6]; size_t n; } known[] = {
		{{0x1f, 0x8b, 0x08}, 3}, {{0x28, 0xb5, 0x2f, 0xfd}, 4},
		{{0xfd, '7', 'z', 'X', 'Z', 0}, 6}, {{'B', 'Z', 'h'}, 3},
	};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (n >= known[i].n && memcmp(p, known[i].magic, known[i].n) == 0)
			return true;
	/* zstd skippable frame, as pzstd and seekable files begin */
	return n >= 4 && (p[0] & 0xf0) == 0x50 && p[1] == 0x2a && p[2] == 0x4d && p[3] == 0x18;
}

static enum status archive_failed(struct input *in, struct error *err)
{
	if (in->raw_st != OK) {
		if (err)
			*err = in->raw_err;
		return in->raw_st;
	}
	const char *why = archive_error_string(in->archive);
	return error_set(err, ERR_DATA, "%s: cannot decompress: %s", in->name, why ? why : "truncated");
}

static enum status open_decompressor(struct input *in, struct error *err)
{
	struct archive_entry *entry;
	in->archive = archive_read_new();
	if (!in->archive)
		return error_set(err, ERR_MEMORY, "%s: no memory to decompress", in->name);
	archive_read_support_filter_gzip(in->archive);
	archive_read_support_filter_zstd(in->archive);
	archive_read_support_filter_xz(in->archive);
	archive_read_support_filter_bzip2(in->archive);
	archive_read_support_format_raw(in->archive);
	archive_read_support_format_empty(in->archive);
	if (archive_read_open(in->archive, in, NULL, archive_pull, NULL) != ARCHIVE_OK)
		return archive_failed(in, err);
	int rc = archive_read_next_header(in->archive, &entry);
	if (rc == ARCHIVE_EOF) { /* an empty content: the raw format has no entry for it */
		archive_read_free(in->archive);
		in->archive = NULL;
		in->raw_at = in->raw_end_at;
		return OK;
	}
	return rc == ARCHIVE_OK || rc == ARCHIVE_WARN ? OK : archive_failed(in, err);
}

/* The next content bytes, after decompression and before the peek buffer. */
static enum status content_read(struct input *in, void *p, size_t n, size_t *got, struct error *err)
{
	if (!in->archive)
		return raw_read(in, p, n, got, err);
	la_ssize_t k = archive_read_data(in->archive, p, n);
	if (k < 0)
		return archive_failed(in, err);
	*got = (size_t)k;
	return OK;
}

/* --- the interface ------------------------------------------------------------------------- */

static enum status start(struct input **out, struct input *in, bool decompress, struct error *err)
{
	enum status st = OK;
	in->hash = hasher_open();
	in->raw = mem_alloc(RAW_BYTES);
	if (decompress) {
		/* A pipe may give its first bytes one by one; the longest magic has six. */
		while (st == OK && in->raw_end_at < 6 && !in->raw_end) {
			size_t got = 0;
			st = raw_source(in, in->raw + in->raw_end_at, RAW_BYTES - in->raw_end_at, &got, err);
			in->raw_end_at += got;
		}
		if (st == OK && looks_compressed((uint8_t *)in->raw, in->raw_end_at))
			st = open_decompressor(in, err);
	}
	if (st != OK) {
		input_close(in);
		return st;
	}
	*out = in;
	return OK;
}

enum status input_open(struct input **out, const char *path, bool decompress, struct error *err)
{
	struct input *in = mem_zalloc(sizeof(*in));
	struct stat info;
	bool standard = strcmp(path, "-") == 0;
	in->name = mem_strdup(standard ? "<stdin>" : path);
	in->size = -1;
	in->fd = standard ? dup(0) : open(path, O_RDONLY | O_CLOEXEC);
	enum status st = OK;
	if (in->fd < 0)
		st = error_errno(err, ERR_IO, "%s: cannot open", in->name);
	else if (fstat(in->fd, &info) != 0)
		st = error_errno(err, ERR_IO, "%s: cannot stat", in->name);
	else if (S_ISDIR(info.st_mode))
		st = error_set(err, ERR_USAGE, "%s: is a directory", in->name);
	else if (S_ISREG(info.st_mode))
		in->size = info.st_size;
	if (st != OK) {
		input_close(in);
		return st;
	}
	fcntl(in->fd, F_SETPIPE_SZ, FILE_PIPE_BYTES); /* no pipe: an error that says nothing */
	return start(out, in, decompress, err);
}

enum status input_open_memory(struct input **out, const char *name, const void *p, size_t n, struct error *err)
{
	struct input *in = mem_zalloc(sizeof(*in));
	in->name = mem_strdup(name);
	in->fd = -1;
	in->memory = p;
	in->memory_bytes = n;
	in->size = (int64_t)n;
	return start(out, in, true, err);
}

enum status input_open_pull(struct input **out, const char *name, input_pull *pull, void *arg, struct error *err)
{
	struct input *in = mem_zalloc(sizeof(*in));
	in->name = mem_strdup(name);
	in->fd = -1;
	in->pull = pull;
	in->pull_arg = arg;
	in->size = -1;
	in->unhashed = true;
	return start(out, in, true, err);
}

enum status input_read(struct input *in, void *p, size_t n, size_t *got, struct error *err)
{
	size_t have = in->peek_end - in->peek_at;
	*got = 0;
	if (have) {
		*got = n < have ? n : have;
		memcpy(p, in->peek + in->peek_at, *got);
		in->peek_at += *got;
	} else if (n) {
		TRY(content_read(in, p, n, got, err));
	}
	in->offset += *got;
	return OK;
}

enum status input_read_full(struct input *in, void *p, size_t n, struct error *err)
{
	size_t at = 0;
	while (at < n) {
		size_t got;
		TRY(input_read(in, (char *)p + at, n - at, &got, err));
		if (got == 0)
			return at == 0 ? END : error_set(err, ERR_DATA, "%s: truncated: %zu bytes wanted at byte %llu, %zu there",
							  in->name, n, (unsigned long long)(in->offset - at), at);
		at += got;
	}
	return OK;
}

enum status input_peek(struct input *in, size_t n, const uint8_t **p, size_t *got, struct error *err)
{
	if (n > PEEK_BYTES)
		n = PEEK_BYTES;
	if (!in->peek)
		in->peek = mem_alloc(PEEK_BYTES);
	if (in->peek_at > 0 && in->peek_end - in->peek_at < n) {
		memmove(in->peek, in->peek + in->peek_at, in->peek_end - in->peek_at);
		in->peek_end -= in->peek_at;
		in->peek_at = 0;
	}
	while (in->peek_end - in->peek_at < n) {
		size_t k;
		TRY(content_read(in, in->peek + in->peek_end, PEEK_BYTES - in->peek_end, &k, err));
		if (k == 0)
			break;
		in->peek_end += k;
	}
	*p = in->peek + in->peek_at;
	*got = in->peek_end - in->peek_at;
	if (*got > n)
		*got = n;
	return OK;
}

enum status input_skip(struct input *in, uint64_t n, struct error *err)
{
	char junk[4096];
	uint64_t buffered = in->peek_end - in->peek_at + (in->raw_end_at - in->raw_at);
	if (!in->archive && in->fd >= 0 && in->size >= 0 && n > buffered) {
		uint64_t rest = n - buffered;
		off_t now = lseek(in->fd, 0, SEEK_CUR);
		if (now >= 0) {
			if (rest > (uint64_t)(in->size - now))
				return error_set(err, ERR_DATA, "%s: truncated: %llu bytes wanted at byte %llu", in->name,
						 (unsigned long long)n, (unsigned long long)in->offset);
			if (lseek(in->fd, (off_t)rest, SEEK_CUR) < 0)
				return error_errno(err, ERR_IO, "%s: cannot seek", in->name);
			in->peek_at = in->peek_end = in->raw_at = in->raw_end_at = 0;
			in->skipped = true;
			in->offset += n;
			in->raw_bytes += rest;
			return OK;
		}
	}
	while (n > 0) {
		size_t k = n < sizeof(junk) ? (size_t)n : sizeof(junk);
		enum status st = input_read_full(in, junk, k, err);
		if (st == END)
			return error_set(err, ERR_DATA, "%s: truncated at byte %llu", in->name, (unsigned long long)in->offset);
		TRY(st);
		n -= k;
	}
	return OK;
}

/* Where in its file the input began: a redirected one need not begin at the front. */
static off_t first_byte(const struct input *in)
{
	return lseek(in->fd, 0, SEEK_CUR) - (off_t)in->raw_bytes;
}

enum status input_read_at(struct input *in, uint64_t at, void *p, size_t n, struct error *err)
{
	if (in->archive || in->size < 0 || in->skipped)
		return error_set(err, ERR_UNSUPPORTED, "%s: cannot be read from its end", in->name);
	if (at > (uint64_t)in->size || n > (uint64_t)in->size - at)
		return error_set(err, ERR_DATA, "%s: truncated: %zu bytes wanted at byte %llu", in->name, n, (unsigned long long)at);
	if (in->fd < 0) {
		memcpy(p, in->memory + at, n);
		return OK;
	}
	off_t from = first_byte(in) + (off_t)at;
	for (size_t done = 0; done < n;) {
		ssize_t k = pread(in->fd, (char *)p + done, n - done, from + (off_t)done);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return error_errno(err, ERR_IO, "%s: cannot read", in->name);
		if (k == 0)
			return error_set(err, ERR_DATA, "%s: truncated while it was read", in->name);
		done += (size_t)k;
	}
	return OK;
}

/* --- mapped ---------------------------------------------------------------------------------- */

static char cut_message[128];

/* Mapped pages behind the new end of a file that another program has cut. */
static void on_bus_error(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (info->si_code != BUS_ADRERR) {
		signal(sig, SIG_DFL);
		raise(sig);
		return;
	}
	ssize_t ignored = write(2, cut_message, strlen(cut_message));
	(void)ignored;
	output_unlink_unfinished();
	_exit(1);
}

static void install_handler(void)
{
	snprintf(cut_message, sizeof(cut_message), "quern %s: an input file was cut while it was read\n", program_invocation_short_name);
	struct sigaction sa = { .sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO };
	sigaction(SIGBUS, &sa, NULL);
}

/* n bytes of the file from its byte at on. Pages are brought in at once, which also tells whether the file still has them. */
static bool map_file(const struct input *in, uint64_t at, size_t n, size_t slack, struct input_map *m, const uint8_t **p)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), size = (uint64_t)in->size, lead = at % page;
	if (at > size || n > size - at || at + n + slack > (size + page - 1) / page * page || n == 0)
		return false;
	m->bytes = lead + n + slack;
	m->base = mmap(NULL, m->bytes, PROT_READ, MAP_PRIVATE, in->fd, (off_t)(at - lead));
	if (m->base == MAP_FAILED) {
		*m = (struct input_map){0};
		return false;
	}
	if (madvise(m->base, lead + n, MADV_POPULATE_READ) != 0 && errno != EINVAL) {
		input_unmap(m);
		return false;
	}
	pthread_once(&once, install_handler);
	*p = (const uint8_t *)m->base + lead;
	return true;
}

bool input_map(struct input *in, size_t n, struct input_map *m, const uint8_t **p)
{
	size_t buffered = in->peek_end - in->peek_at + (in->raw_end_at - in->raw_at);
	off_t now = in->archive || in->fd < 0 || in->size < 0 || n < MAP_BYTES || buffered >= n ? -1 : lseek(in->fd, 0, SEEK_CUR);
	*m = (struct input_map){0};
	if (now < (off_t)buffered || !map_file(in, (uint64_t)now - buffered, n, 0, m, p))
		return false;
	if (lseek(in->fd, (off_t)(n - buffered), SEEK_CUR) < 0) {
		input_unmap(m);
		return false;
	}
	if (!in->unhashed)
		hasher_add(in->hash, *p + buffered, n - buffered);
	in->raw_bytes += n - buffered;
	in->offset += n;
	in->peek_at = in->peek_end = in->raw_at = in->raw_end_at = 0;
	in->mapping = true;
	return true;
}

bool input_map_at(struct input *in, uint64_t at, size_t n, size_t slack, struct input_map *m, const uint8_t **p)
{
	*m = (struct input_map){0};
	if (in->archive || in->fd < 0 || in->size < 0 || in->skipped)
		return false;
	off_t first = first_byte(in);
	return first >= 0 && map_file(in, (uint64_t)first + at, n, slack, m, p);
}

void input_unmap(struct input_map *m)
{
	if (m->base)
		munmap(m->base, m->bytes);
	*m = (struct input_map){0};
}

const char *input_name(const struct input *in) { return in->name; }
uint64_t input_offset(const struct input *in) { return in->offset; }
int64_t input_size(const struct input *in) { return in->size; }

void input_leave_unhashed(struct input *in)
{
	in->unhashed = true;
}

bool input_is_hashed(const struct input *in)
{
	return !in->skipped && !in->unhashed;
}

enum status input_hash(struct input *in, char out[33], struct error *err)
{
	bool known = input_is_hashed(in);
	while (!in->raw_end && known) {
		in->raw_at = in->raw_end_at; /* hashed when they were read */
		TRY(raw_fill(in, err));
	}
	if (known)
		hasher_hex(in->hash, out);
	else
		out[0] = 0;
	return OK;
}

void input_close(struct input *in)
{
	if (!in)
		return;
	if (in->archive)
		archive_read_free(in->archive);
	if (in->fd >= 0)
		close(in->fd);
	hasher_close(in->hash);
	mem_free(in->raw);
	mem_free(in->peek);
	mem_free(in->name);
	mem_free(in);
}

enum status file_hash(const char *path, char out[33], struct error *err)
{
	struct input_map whole;
	struct input *in;
	const uint8_t *p;
	TRY(input_open(&in, path, false, err));
	bool mapped = input_size(in) > 0 && input_map(in, (size_t)input_size(in), &whole, &p); /* hashed where it lies */
	enum status st = input_hash(in, out, err);
	if (mapped)
		input_unmap(&whole);
	input_close(in);
	return st;
}
