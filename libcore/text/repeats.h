/* repeats.h - exact repeated spans: which windows of `least` bytes of a corpus come more than once in it.
 *
 * The corpus is the bytes of its documents, one behind the other. A window lies in one document. It repeats if an equal window starts at an earlier place
 * of the corpus; or, with every set, at any other place. What is to be cut are the bytes of all windows that repeat. Equal windows
 * stand together in the suffix array; where two neighbours have `least` bytes in common is told by the permuted LCP array
 * (Karkkainen, Manzini and Puglisi 2009), of which one bit a byte is kept. Time is linear in the corpus, whatever it holds.
 *
 * Memory besides the text: 8 bytes for each of its bytes (16 above 2 GiB), and three bits. */
#ifndef QUERN_TEXT_REPEATS_H
#define QUERN_TEXT_REPEATS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct repeats_corpus {
	const uint8_t *text;
	int64_t n;
	const int64_t *ends;         /* of documents, ascending; the last is n */
	int64_t n_documents;
};

/* The bytes it will take besides the text. */
uint64_t repeats_memory(int64_t n);
/* A bit for each byte at which a window that repeats starts, in *starts (mem_free): n / 64 + 1 words. ERR_MEMORY. */
enum status repeats_find(const struct repeats_corpus *c, int64_t least, bool every, uint64_t **starts, struct error *err);
/* The next span to cut in [at, end) of the corpus, where a document is; false if there is none. */
bool repeats_span(const uint64_t *starts, int64_t least, int64_t at, int64_t end, int64_t *from, int64_t *to);

#endif
