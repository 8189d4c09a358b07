/* metric_tokenize.h - how BLEU and TER cut a text into words, as sacrebleu 2 does it, quirks included.
 *
 * 13a: mteval-v13a.pl. intl: mteval-v14.pl, around every \p{P} and \p{S}. zh: every Chinese character for itself, the rest as 13a;
 * its table of characters is read as sacrebleu's strings compare, so it has U+2001..U+2A6D and lacks extension B. char: every
 * character. none: white space. tercom: what TER does, each part of it an option. */
#ifndef QUERN_JUDGE_METRIC_TOKENIZE_H
#define QUERN_JUDGE_METRIC_TOKENIZE_H

#include "judge/metric_text.h"

enum bleu_tokenizer { TOKENIZE_13A, TOKENIZE_INTL, TOKENIZE_ZH, TOKENIZE_CHAR, TOKENIZE_NONE };
extern const char *const bleu_tokenizer_names[];

struct tercom {
	bool normalized, no_punct, asian, case_sensitive;
};

struct tokenizing {                  /* scratch; {0} is valid */
	struct buf a, b;             /* a pass reads a and writes b */
	struct buf text;
};
void tokenizing_release(struct tokenizing *z);

/* Append the words of s to t, numbered by w. */
void tokenize_bleu(struct tokenizing *z, enum bleu_tokenizer how, bool lowercase, const char *s, size_t n, struct words *w,
		   struct tokens *t);
/* A reference is tokenized, and what comes of that tokenized again, as sacrebleu does: it matters for escapes and points in a row. */
void tokenize_ter(struct tokenizing *z, const struct tercom *how, bool reference, const char *s, size_t n, struct words *w,
		  struct tokens *t);

#endif
