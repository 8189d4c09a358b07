/* file.h - bytes in and out: inputs known by content, outputs whole or absent.
 *
 * An input is a path or "-" (stdin); gzip, zstd, xz and bzip2 are undone by looking at the first
 * bytes, never at the name. An output is written beside its target and renamed when committed, so a
 * reader never sees half a file. */
#ifndef QUERN_BASE_FILE_H
#define QUERN_BASE_FILE_H

#include "base/error.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

/* Bytes that a pipe between two of our programs may hold: at Linux's own 64 KiB they spend their time waking each other. */
#define FILE_PIPE_BYTES (1 << 20)

/* --- input ------------------------------------------------------------------------------- */
struct input;

/* Opens path ("-" is stdin). decompress: undo an outer gzip/zstd/xz/bzip2 layer. */
enum status input_open(struct input **in, const char *path, bool decompress, struct error *err);
/* An input over bytes in memory (tests, fuzzers); bytes stay the caller's. */
enum status input_open_memory(struct input **in, const char *name, const void *p, size_t n, struct error *err);
/* An input over what a function gives: up to n bytes into p, *got 0 at the end. name is copied; the raw bytes are not hashed. */
typedef enum status input_pull(void *arg, void *p, size_t n, size_t *got, struct error *err);
enum status input_open_pull(struct input **in, const char *name, input_pull *pull, void *arg, struct error *err);
/* Reads up to n bytes; *got 0 at the end. */
enum status input_read(struct input *in, void *p, size_t n, size_t *got, struct error *err);
/* Reads exactly n bytes; END if the input ends before the first, ERR_DATA ("truncated") after it. */
enum status input_read_full(struct input *in, void *p, size_t n, struct error *err);
/* Shows up to n (<= 64 KiB) bytes without consuming them; fewer only at the end. */
enum status input_peek(struct input *in, size_t n, const uint8_t **p, size_t *got, struct error *err);
/* Skips n bytes, by seeking where that is possible (then the bytes are not hashed). */
enum status input_skip(struct input *in, uint64_t n, struct error *err);
/* Bytes [at, at + n) of an input that has any place at hand (a plain file, memory), beside the reading: nothing is consumed
 * or hashed. ERR_UNSUPPORTED for pipes and compressed inputs, ERR_DATA past the end. */
enum status input_read_at(struct input *in, uint64_t at, void *p, size_t n, struct error *err);
/* A part of a file as the kernel has it in memory, without a copy. All zero: none. */
struct input_map {
	void *base;
	size_t bytes;
};
/* The next n bytes as *p, consumed and hashed as by input_read. False, and nothing consumed, where that cannot be or would cost
 * more than a copy: pipes, compressed inputs, a few bytes; also past the end, which reading tells of. *p stays until
 * input_unmap. A file that is cut meanwhile ends the process with a message and exit status 1. */
bool input_map(struct input *in, size_t n, struct input_map *m, const uint8_t **p);
/* The same of [at, at + n), beside the reading; slack bytes behind them may be read too, and mean nothing. */
bool input_map_at(struct input *in, uint64_t at, size_t n, size_t slack, struct input_map *m, const uint8_t **p);
void input_unmap(struct input_map *m);               /* one of none allowed */
const char *input_name(const struct input *in);      /* the path, or "<stdin>" */
uint64_t input_offset(const struct input *in);       /* decompressed bytes consumed */
int64_t input_size(const struct input *in);          /* raw size if known, else -1 */
/* The hash below will not be asked for: bytes need not be hashed from here on. */
void input_leave_unhashed(struct input *in);
bool input_is_hashed(const struct input *in);
/* XXH3-128 hex of the raw bytes; reads the rest of the input first. "" for a skipped-in or unhashed input. */
enum status input_hash(struct input *in, char out[33], struct error *err);
void input_close(struct input *in);

/* XXH3-128 hex of a file's bytes as they are ("-" is stdin). */
enum status file_hash(const char *path, char out[33], struct error *err);
/* The whole of a file (at most max bytes, else ERR_DATA) into b. */
enum status file_read_all(const char *path, size_t max, struct buf *b, struct error *err);

/* --- output ------------------------------------------------------------------------------ */
struct output;

/* path NULL or "-" is stdout; else a temporary beside path, or beside the file that it is a link to, which has no name until it is
 * committed, or where that cannot be is unlinked unless it is (also by signals that end the process; a kill leaves it). What is
 * no regular file (/dev/null, a fifo) is written in place. */
enum status output_open(struct output **out, const char *path, struct error *err);
enum status output_write(struct output *out, const void *p, size_t n, struct error *err);
enum status output_flush(struct output *out, struct error *err);
/* p[0..n) to byte `at`, for an output that is filled in any order, by this call alone. Not for stdout. */
enum status output_write_at(struct output *out, uint64_t at, const void *p, size_t n, struct error *err);
/* Flushes, fsyncs, puts it into place (stdout: flushes and closes with a check). Frees out. A kill at any moment leaves the file of before or the
 * new one; where it is to replace a file, it has for that moment the file's name with a dot and six digits or letters, and a kill may leave it so. */
enum status output_commit(struct output *out, struct error *err);
/* Throws the output away; NULL allowed. Frees out. */
void output_abort(struct output *out);
/* Unlinks what has not been committed, when the process is about to end. Safe in a signal handler. */
void output_unlink_unfinished(void);
const char *output_name(const struct output *out);   /* the target, or "<stdout>" */
bool output_is_tty(const struct output *out);
bool output_is_file(const struct output *out);       /* a regular one */

/* p[0..n) to a file that is open; name is for the error. */
enum status fd_write(int fd, const char *name, const void *p, size_t n, struct error *err);
/* One call for small files: write p[0..n) to path as above. */
enum status file_write_all(const char *path, const void *p, size_t n, struct error *err);
enum status dir_make(const char *path, struct error *err);          /* mkdir -p; "-" is ERR_USAGE */
enum status dir_sync(const char *path, struct error *err);          /* fsync of the directory */
char *path_join(const char *dir, const char *name);                 /* mem_free */
bool path_exists(const char *path);
bool path_is_dir(const char *path);
int64_t path_size(const char *path);                 /* bytes of a regular file, else -1 */
bool path_is_same(const char *a, const char *b);                    /* both are there, and are one file or directory */

#endif
