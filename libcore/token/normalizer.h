/* normalizer.h - what a tokenizer does to text before it cuts it: the parts of tokenizer.json's "normalizer", in order.
 *
 * Known are NFC, NFD, NFKC, NFKD, Lowercase, Strip, Prepend and Replace (of a string or a regular expression), and Sequences of them.
 * unicode.h says of which versions of Unicode case and normal forms are. */
#ifndef QUERN_TOKEN_NORMALIZER_H
#define QUERN_TOKEN_NORMALIZER_H

#include "base/json.h"
#include "token/pretok.h"

enum norm_kind { NORM_NFC, NORM_NFD, NORM_NFKC, NORM_NFKD, NORM_LOWERCASE, NORM_STRIP, NORM_PREPEND, NORM_REPLACE };
#define NORM_STEPS_MAX 16

struct norm_step {
	enum norm_kind kind;
	bool left, right;            /* NORM_STRIP */
	char *text;                  /* what is put in front; what replaces */
	size_t text_n;
	struct pretok_stage pattern; /* NORM_REPLACE */
};
struct normalizer {                  /* {0} leaves text as it is */
	struct norm_step steps[NORM_STEPS_MAX];
	int n;
};
/* For each byte of a text that has been made of another, and one more in front: where the bytes up to it end in the other. */
struct places_buf {
	uint32_t *v;
	size_t n, cap;
};
struct norm_scratch {                /* per thread; {0} is valid */
	struct buf text[2];
	struct places_buf places[2];
	struct pretok_iter iter;
};

/* Reads the "normalizer" of tokenizer.json. ERR_UNSUPPORTED names a part that is not known. */
enum status normalizer_read(struct normalizer *z, const struct json *j, struct error *err);
void normalizer_release(struct normalizer *z);
/* Valid UTF-8 s[0..*n) as the normalizer makes it: s itself where nothing changes, else bytes of the scratch. places, if not NULL: gets
 * where its bytes end in s (*n + 1 of them, in the scratch), NULL where they are. */
enum status normalizer_apply(const struct normalizer *z, struct norm_scratch *w, const char **s, size_t *n, const uint32_t **places,
			     struct error *err);
void norm_scratch_release(struct norm_scratch *w);

#endif
