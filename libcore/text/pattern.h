/* pattern.h - regular expressions of users, on texts of strangers: PCRE2 with its just-in-time compiler and with limits, so that no
 * pattern hangs a run.
 *
 * A match may take PATTERN_STEPS steps (a few seconds) and PATTERN_STACK_BYTES of memory; a text on which it would take more is told by
 * ERR_DATA, and what becomes of it is the caller's affair. Patterns are UTF-8; the texts must be valid. A compiled pattern may be shared
 * by threads, a scratch may not. */
#ifndef QUERN_TEXT_PATTERN_H
#define QUERN_TEXT_PATTERN_H

#include "base/error.h"
#include "base/mem.h"

#include <stdbool.h>

#define PATTERN_STEPS 10000000
#define PATTERN_STACK_BYTES (8u << 20)

struct pattern_scratch;
struct pattern_scratch *pattern_scratch_open(void);
void pattern_scratch_close(struct pattern_scratch *x);             /* NULL allowed */

/* Whether the regex matches the whole of a name. It is compiled for this one question; ERR_DATA if it cannot be. */
enum status pattern_covers(const char *regex, const char *name, bool *yes, struct error *err);

/* --- replacing: "REGEX=>TEXT" --------------------------------------------------------------------- */
struct replacement;
/* TEXT may name groups ($1, ${name}, $$ for a dollar sign). ERR_USAGE says what is wrong, and where. */
enum status replacement_open(struct replacement **r, const char *spec, struct error *err);
void replacement_close(struct replacement *r);                     /* NULL allowed */
/* Appends s with every match replaced to out; *count matches. ERR_DATA if a limit is reached or the text would grow beyond
 * 1 GiB. */
enum status replacement_apply(const struct replacement *r, const char *s, size_t n, struct pattern_scratch *x, struct buf *out, int64_t *count,
			      struct error *err);

/* --- lists of patterns, a line each ---------------------------------------------------------------- */
struct patterns;
/* A list of one. ERR_USAGE says what is wrong with it, and where. */
enum status patterns_open(struct patterns **p, const char *regex, struct error *err);
/* Blank lines and lines that begin with # are no patterns. ERR_DATA names the line of one that does not compile, or says that there is none. */
enum status patterns_read(struct patterns **p, const char *path, struct error *err);
void patterns_close(struct patterns *p);                           /* NULL allowed */
/* Whether any of them matches somewhere. */
enum status patterns_match(const struct patterns *p, const char *s, size_t n, struct pattern_scratch *x, bool *found, struct error *err);

/* --- finding, as Python's re finds ------------------------------------------------------------------ */
struct finder;
/* A pattern of Python: classes know Unicode, \Z is the very end. ERR_USAGE says what is wrong, and where. */
enum status finder_open(struct finder **f, const char *regex, size_t n, struct error *err);
void finder_close(struct finder *f);                               /* NULL allowed */
#define FINDER_GROUPS 16
struct found {
	size_t from[FINDER_GROUPS], to[FINDER_GROUPS];             /* group 0 is the whole match; SIZE_MAX: took no part */
	int groups;                                                /* of the pattern, at most FINDER_GROUPS - 1 */
};
/* The first match at or behind byte `at`, END if there is none. after_empty: the match before was empty and ended at `at`, so this one
 * may not be empty there. */
enum status finder_next(const struct finder *f, const char *s, size_t n, size_t at, bool after_empty, struct pattern_scratch *x,
			struct found *out, struct error *err);
/* re.sub(pattern, "", s). */
enum status finder_remove(const struct finder *f, const char *s, size_t n, struct pattern_scratch *x, struct buf *out, struct error *err);

#endif
