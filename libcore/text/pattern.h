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

#define PATTERN_STEPS 10000000
#define PATTERN_STACK_BYTES (8u << 20)

struct pattern_scratch;
struct pattern_scratch *pattern_scratch_open(void);
void pattern_scratch_close(struct pattern_scratch *x);             /* NULL allowed */

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

#endif
