/* added.h - added tokens: strings of the vocabulary that are found in the text before anything else happens to it.
 *
 * One set per pass: those matched in the raw text, and those matched in the normalized text. The search is leftmost,
 * then longest, without overlap; a match that single_word refuses is skipped whole, as the reference does. */
#ifndef QUERN_TOKEN_ADDED_H
#define QUERN_TOKEN_ADDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct added_token {
	const char *content;         /* as in tokenizer.json; owned by the tokenizer's arena */
	size_t len;
	int32_t id;
	bool special, lstrip, rstrip, single_word, normalized;
};

struct added_edge {
	uint64_t key;                /* node << 8 | byte, plus 1; 0 = empty */
	int32_t to;
};
struct added_set {
	int n_nodes;
	int32_t *token;              /* per node: index of the token that ends here, -1 */
	int cap_nodes;
	struct added_edge *edges;    /* open addressing */
	size_t n_edges, mask;
	bool first[256];             /* bytes some token begins with */
};

void added_insert(struct added_set *a, const char *s, size_t n, int32_t token);
/* The first match at or after `from`: its token, *at and *end; -1 if there is none. */
int32_t added_find(const struct added_set *a, const uint8_t *s, size_t from, size_t n, size_t *at, size_t *end);
void added_release(struct added_set *a);

#endif
