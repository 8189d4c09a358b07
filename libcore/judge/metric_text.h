/* metric_text.h - the units that the text metrics count: words as small numbers, characters as code points, lower case.
 *
 * A metric compares one prediction with its references, so words are numbered anew for every row: words_reset forgets them, and a
 * table that has grown stays for the next row. Texts are UTF-8; a byte that is none counts as U+FFFD. White space and lower case are
 * Python's, since the metrics are defined by what str.split() and str.lower() do; categories are utf8proc's. */
#ifndef QUERN_JUDGE_METRIC_TEXT_H
#define QUERN_JUDGE_METRIC_TEXT_H

#include "base/mem.h"

struct metric_text {
	const char *s;
	size_t n;
};

struct tokens {                      /* {0} is empty; n = 0 empties */
	uint32_t *v;
	int64_t n, cap;
};
static inline void tokens_push(struct tokens *t, uint32_t v)
{
	MEM_PUSH_ROOM(t->v, t->n, t->cap);
	t->v[t->n++] = v;
}
void tokens_release(struct tokens *t);

struct words {                       /* {0} is empty */
	struct buf text;             /* the words' bytes, one after the other */
	struct word {
		uint64_t hash;
		size_t at;
		uint32_t n;
	} *word;
	int64_t n, cap;
	struct {
		uint32_t stamp, id;  /* in use if stamp is the table's */
	} *slots;
	uint32_t mask, stamp;
};
void words_reset(struct words *w);
void words_release(struct words *w);
uint32_t words_id(struct words *w, const char *s, size_t n);

/* The next word of *s, as str.split() gives them, and *s behind it; false at the end. */
bool metric_next_word(const char **s, const char *end, struct metric_text *word);
/* Appends the words of s. */
void tokens_split(struct tokens *t, struct words *w, const char *s, size_t n);
/* Appends the code points of s; without white space if skip_space. */
void tokens_chars(struct tokens *t, const char *s, size_t n, bool skip_space);
/* s[0..n) without white space at its end, as str.rstrip(); at its start too, as str.strip(). */
size_t metric_rstrip(const char *s, size_t n);
struct metric_text metric_strip(const char *s, size_t n);
/* Appends str.lower(): the one-to-one mapping, U+0130 as two characters, a capital sigma by its place in the word. */
void metric_lower(const char *s, size_t n, struct buf *out);
void metric_append_char(struct buf *out, uint32_t c);

/* General categories by their first letter. */
enum { CATEGORY_OTHER, CATEGORY_LETTER, CATEGORY_MARK, CATEGORY_NUMBER, CATEGORY_PUNCTUATION, CATEGORY_SYMBOL };
extern const char metric_ascii_categories[129];      /* as digits */
int metric_category_far(uint32_t c);
static inline int metric_category(uint32_t c)
{
	return c < 0x80 ? metric_ascii_categories[c] - '0' : metric_category_far(c);
}

#endif
