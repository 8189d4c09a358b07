/* fbs.h - FlatBuffers, as much as Arrow's messages need: a bounded reader and a forward builder.
 *
 * Reading: every access is checked against the buffer and loads by memcpy; the first violation sets
 * bad, after which accesses give zeros and empty things. Callers test bad once per message. Offsets
 * only lead forward, so no cycle exists; callers bound depth and number of what they visit.
 * Writing: tables, vectors and strings are appended in the order of calls and linked by fbs_link.
 * Private to the stream room. */
#ifndef QUERN_STREAM_FBS_H
#define QUERN_STREAM_FBS_H

#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

struct fbs {
	const uint8_t *p;
	uint32_t n;
	bool bad;
};

struct fbs_table {
	struct fbs *b;
	uint32_t pos, vtable;        /* pos 0 = no table (the root offset stands at 0, never a table) */
	uint16_t n_slots, bytes;
};

struct fbs_vector {
	struct fbs *b;
	uint32_t pos, count;         /* pos of the first element */
};

struct fbs_table fbs_root(struct fbs *b);
bool fbs_has(const struct fbs_table *t, int id);
/* Scalar of 1, 2, 4 or 8 bytes, sign-extended; dflt if absent. */
int64_t fbs_int(const struct fbs_table *t, int id, int size, int64_t dflt);
struct fbs_table fbs_child(const struct fbs_table *t, int id);
struct fbs_vector fbs_list(const struct fbs_table *t, int id, int elem_bytes);
struct fbs_table fbs_list_table(const struct fbs_vector *v, uint32_t i);
/* Struct member: i64 at byte offset at of the i-th element of elem_bytes. */
int64_t fbs_list_i64(const struct fbs_vector *v, uint32_t i, int elem_bytes, int at);
/* NULL if absent; not NUL-checked: *n counts. */
const char *fbs_text(const struct fbs_table *t, int id, uint32_t *n);

/* One field of a table to be written: size 0 = absent, 4 for offsets (value 0, linked later). */
struct fbs_slot {
	int size;
	int64_t value;
};
#define FBS_SLOTS_MAX 8
/* Appends a table; at[i] is the place of slot i (for fbs_link). Returns its position. */
uint32_t fbs_add_table(struct buf *b, const struct fbs_slot *slots, int n, uint32_t at[FBS_SLOTS_MAX]);
/* Appends a string. */
uint32_t fbs_add_text(struct buf *b, const char *s, size_t n);
/* Appends a vector of count zeroed elements aligned to align (4 or 8); elements begin at the result + 4. */
uint32_t fbs_add_vector(struct buf *b, uint32_t count, uint32_t elem_bytes, uint32_t align);
void fbs_link(struct buf *b, uint32_t at, uint32_t target);
void fbs_put_i64(struct buf *b, uint32_t at, int64_t v);

#endif
