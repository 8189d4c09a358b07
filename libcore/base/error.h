/* error.h - how libraries report: a status says what the caller may do, a struct error says why.
 *
 * Every fallible library function returns enum status and takes a trailing struct error *, which may
 * be NULL and is written only on failure. Messages are lower case, without full stop, in the order
 * file: place: cause ("corpus.arrows: batch 12: checksum mismatch"); tools prefix their own name. */
#ifndef QUERN_BASE_ERROR_H
#define QUERN_BASE_ERROR_H

#include <stddef.h>

enum status {
	OK = 0,
	END = 1,            /* normal end of a stream or list */
	ERR_DATA = -1,      /* the input is bad: exit 3 */
	ERR_IO = -2,        /* the machine failed us (disk, pipe, device): exit 1 */
	ERR_MEMORY = -3,    /* an allocation whose size the input decides failed: exit 1 */
	ERR_USAGE = -4,     /* the request is wrong: exit 2 */
	ERR_PIPE = -5,      /* nobody reads our output any more: die quietly of SIGPIPE */
	ERR_UNSUPPORTED = -6 /* well formed, but not something we can read: exit 3 */
};

struct error {
	char text[1024];
};

/* Formats into err (if not NULL) and returns st, so that `return error_set(...)` reads well. */
enum status error_set(struct error *err, enum status st, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* As error_set, with ": strerror(errno)" appended. */
enum status error_errno(struct error *err, enum status st, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Puts "prefix: " before the text that stands in err; returns st unchanged. */
enum status error_prefix(struct error *err, enum status st, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The exit code of DESIGN: 0 done, 1 machine, 2 usage, 3 data. */
int status_exit_code(enum status st);

/* Leaves the function with the status of a failed call (END counts: callers of readers test it). */
#define TRY(expr)                       \
	do {                            \
		enum status try_st_ = (expr); \
		if (try_st_ != OK)      \
			return try_st_; \
	} while (0)

#endif
