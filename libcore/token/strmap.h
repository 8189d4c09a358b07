/* strmap.h - byte strings to int32: the vocabulary's index. Keys are not copied: they must outlive the map. */
#ifndef QUERN_TOKEN_STRMAP_H
#define QUERN_TOKEN_STRMAP_H

#include <stddef.h>
#include <stdint.h>

struct strmap_slot {
	const char *key;             /* NULL = empty */
	uint32_t len;
	int32_t value;
};
struct strmap {
	struct strmap_slot *slots;
	size_t n, mask;
};

/* Room for n keys in all. */
void strmap_reserve(struct strmap *m, size_t n);
/* Sets key to value (replacing an earlier one). len < 4 GiB. */
void strmap_put(struct strmap *m, const char *key, size_t len, int32_t value);
/* The value, or -1. */
int32_t strmap_get(const struct strmap *m, const char *key, size_t len);
/* The same in two steps, for many keys: asks the memory for a key's place and returns its hash; the value, or -1. */
uint64_t strmap_ask(const struct strmap *m, const char *key, size_t len);
int32_t strmap_find(const struct strmap *m, uint64_t hash, const char *key, size_t len);
void strmap_release(struct strmap *m);

#endif
