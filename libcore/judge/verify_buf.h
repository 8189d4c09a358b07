/* verify_buf.h - strings that the string graders rewrite; for verify_string.c and verify_prm800k.c. */
#ifndef QUERN_JUDGE_VERIFY_BUF_H
#define QUERN_JUDGE_VERIFY_BUF_H

#include "judge/verify_string.h"

#include <string.h>

#define STRING_BYTES 32768           /* of an answer */

static inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
static inline struct span whole(const struct buf *b) { return (struct span){ b->data ? b->data : "", b->len }; }
static inline bool same(struct span a, struct span b) { return a.n == b.n && memcmp(a.p, b.p, a.n) == 0; }
static inline bool same_bufs(const struct buf *a, const struct buf *b) { return same(whole(a), whole(b)); }

static inline const char *find(const struct buf *b, size_t from, const char *word)
{
	return from < b->len ? memmem(b->data + from, b->len - from, word, strlen(word)) : NULL;
}

/* Every `from` in b becomes `to`. */
static inline void replace(struct buf *b, const char *from, const char *to)
{
	struct buf out = { 0 };
	size_t at = 0, w = strlen(from);
	const char *p = find(b, 0, from);
	if (!p)
		return;
	for (; p; p = find(b, at, from)) {
		buf_add(&out, b->data + at, (size_t)(p - b->data) - at);
		buf_str(&out, to);
		at = (size_t)(p - b->data) + w;
	}
	buf_add(&out, b->data + at, b->len - at);
	buf_release(b);
	*b = out;
}

static inline void assign(struct buf *b, const char *p, size_t n)
{
	struct buf out = { 0 };
	buf_add(&out, p, n);
	buf_release(b);
	*b = out;
}

static inline void lower(struct buf *b)
{
	for (size_t i = 0; i < b->len; i++)
		if (b->data[i] >= 'A' && b->data[i] <= 'Z')
			b->data[i] = (char)(b->data[i] + 32);
}

/* The MATH data set's normalisation (hendrycks/math, _strip_string); false where the original raises an exception: two "\text{ ", an
 * unfinished \frac or \sqrt. */
bool strip_string(struct buf *b);

#endif
