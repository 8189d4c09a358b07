/* pretok.h - pre-tokenizers: where a text may be cut before BPE runs on each piece.
 *
 * The patterns of GPT-2, cl100k (Llama 3), Qwen2 and o200k are scanned by hand, with the meaning their regular
 * expressions have in the Hugging Face library (Oniguruma): alternatives in order, greedy, with the look-ahead of
 * \s+(?!\S) ending at the segment's end. Other patterns run in PCRE2 with its JIT, and are refused where Oniguruma
 * and PCRE2 read the same characters differently. */
#ifndef QUERN_TOKEN_PRETOK_H
#define QUERN_TOKEN_PRETOK_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum pretok_kind {
	PRETOK_NONE, PRETOK_DIGIT, PRETOK_DIGITS, PRETOK_GPT2, PRETOK_CL100K, PRETOK_QWEN2, PRETOK_O200K, PRETOK_CL100K_BASE,
	PRETOK_REGEX, PRETOK_STRING, PRETOK_CLASS /* each character of one */, PRETOK_WORDS /* \w+|[^\w\s]+ */
};
/* What becomes of the matches of PRETOK_REGEX and those after it, and of what lies between them. */
enum pretok_behavior { SPLIT_ISOLATED, SPLIT_REMOVED, SPLIT_WITH_PREVIOUS, SPLIT_WITH_NEXT, SPLIT_CONTIGUOUS };
/* What a stage makes of its text before it cuts it. */
enum pretok_rewrite {
	REWRITE_NOTHING,
	REWRITE_SPACE,               /* ByteLevel's add_prefix_space: a space in front unless there is one */
	REWRITE_METASPACE,           /* spaces as the replacement (the stage's string), and one in front as `prepend` says */
	REWRITE_ALPHABET             /* bytes as the characters of the byte-level alphabet */
};
enum pretok_prepend { PREPEND_NEVER, PREPEND_FIRST, PREPEND_ALWAYS };

struct pretok_stage {
	enum pretok_kind kind;       /* DIGIT cuts out each number character, DIGITS runs of them */
	enum pretok_behavior behavior;
	bool invert;                 /* what lies between the matches counts as the match */
	enum pretok_rewrite rewrite;
	enum pretok_prepend prepend;
	void *regex;                 /* pcre2_code of PRETOK_REGEX */
	uint8_t class;               /* of PRETOK_CLASS, as in unicode.h */
	char *string;                /* of PRETOK_STRING and REWRITE_METASPACE */
	size_t string_n;
};

/* The regular expression of a named pattern (gpt2, cl100k, llama3, qwen2, o200k), NULL if the name is none of these. */
const char *pretok_pattern(const char *name);
/* A stage that isolates the matches of pattern; a known pattern gets its scanner. The others always go to PCRE2, or look for a string. */
enum status pretok_compile(struct pretok_stage *st, const char *pattern, size_t n, struct error *err);
enum status pretok_compile_regex(struct pretok_stage *st, const char *pattern, size_t n, struct error *err);
enum status pretok_compile_string(struct pretok_stage *st, const char *s, size_t n, struct error *err);
void pretok_release(struct pretok_stage *st);

/* Cuts a segment into pieces, front to back. One per thread and stage; zero-initialised, then begin for each segment. */
struct pretok_iter {
	const struct pretok_stage *stage;
	const uint8_t *s;
	size_t n, pos;
	size_t search, match_from, match_to; /* PRETOK_REGEX and after: where to look next, and the match that is ahead */
	bool ahead;
	bool peeked, peeked_match;           /* a span that has been looked at: */
	size_t peeked_from, peeked_to;
	void *match, *context, *jit_stack;   /* PCRE2's, made at first use */
};
void pretok_begin(struct pretok_iter *it, const struct pretok_stage *st, const uint8_t *s, size_t n);
/* OK with the piece [*from, *to), END after the last; ERR_DATA if the pattern needed more than its share of steps. */
enum status pretok_next(struct pretok_iter *it, size_t *from, size_t *to, struct error *err);
/* Whether a pattern is none of the known ones, whose matches cover every text. */
bool pretok_leaves_gaps(const char *pattern, size_t n);
/* The matches of PRETOK_REGEX and those after it alone, one after the other; *found is false after the last. */
enum status pretok_find(struct pretok_iter *it, bool *found, size_t *from, size_t *to, struct error *err);
void pretok_iter_release(struct pretok_iter *it);

/* Whether a kind is a hand-written one, whose pieces are one behind the other. */
static inline bool pretok_is_scanned(enum pretok_kind kind)
{
	return kind >= PRETOK_DIGIT && kind <= PRETOK_CL100K_BASE;
}
/* End of the piece that begins at i < n, for those. */
size_t pretok_scan(enum pretok_kind kind, const uint8_t *s, size_t i, size_t n);

#endif
