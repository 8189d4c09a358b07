/* fbs_read.c - bounded access to a FlatBuffer that a stranger wrote. */
#include "stream/fbs.h"

#include <string.h>

static bool inside(struct fbs *b, uint64_t pos, uint64_t n)
{
	if (!b->bad && pos + n <= b->n)
		return true;
	b->bad = true;
	return false;
}

static uint64_t load(struct fbs *b, uint64_t pos, int size)
{
	uint64_t v = 0;

	if (inside(b, pos, (uint64_t)size))
		memcpy(&v, b->p + pos, (size_t)size);
	return v;
}

static struct fbs_table table_at(struct fbs *b, uint64_t pos)
{
	struct fbs_table none = { b, 0, 0, 0, 0 };
	int64_t vtable = (int64_t)pos - (int32_t)load(b, pos, 4);

	if (b->bad || vtable < 0 || !inside(b, (uint64_t)vtable, 4)) {
		b->bad = true;
		return none;
	}
	uint64_t vbytes = load(b, (uint64_t)vtable, 2);
	uint64_t tbytes = load(b, (uint64_t)vtable + 2, 2);
	if (vbytes < 4 || vbytes % 2 || tbytes < 4 || !inside(b, (uint64_t)vtable, vbytes) || !inside(b, pos, tbytes)) {
		b->bad = true;
		return none;
	}
	return (struct fbs_table){ b, (uint32_t)pos, (uint32_t)vtable, (uint16_t)((vbytes - 4) / 2), (uint16_t)tbytes };
}

/* Position that the u32 offset at pos leads to; 0 when bad. */
static uint64_t follow(struct fbs *b, uint64_t pos)
{
	uint64_t to = load(b, pos, 4);

	if (b->bad || to == 0) {
		b->bad = true;
		return 0;
	}
	return pos + to;
}

struct fbs_table fbs_root(struct fbs *b)
{
	uint64_t pos = follow(b, 0);

	return table_at(b, pos);
}

/* Place of a field of size bytes, 0 if absent. */
static uint64_t slot(const struct fbs_table *t, int id, int size)
{
	if (!t->pos || t->b->bad || id >= t->n_slots)
		return 0;
	uint64_t off = load(t->b, (uint64_t)t->vtable + 4 + 2 * (uint64_t)id, 2);
	if (off == 0)
		return 0;
	if (off < 4 || off + (uint64_t)size > t->bytes) {
		t->b->bad = true;
		return 0;
	}
	return t->pos + off;
}

bool fbs_has(const struct fbs_table *t, int id)
{
	return slot(t, id, 1) != 0;
}

int64_t fbs_int(const struct fbs_table *t, int id, int size, int64_t dflt)
{
	uint64_t at = slot(t, id, size);

	if (!at)
		return dflt;
	uint64_t v = load(t->b, at, size);
	switch (size) {
	case 1: return (int8_t)v;
	case 2: return (int16_t)v;
	case 4: return (int32_t)v;
	default: return (int64_t)v;
	}
}

struct fbs_table fbs_child(const struct fbs_table *t, int id)
{
	uint64_t at = slot(t, id, 4);

	if (!at)
		return (struct fbs_table){ t->b, 0, 0, 0, 0 };
	uint64_t pos = follow(t->b, at);
	return table_at(t->b, pos);
}

struct fbs_vector fbs_list(const struct fbs_table *t, int id, int elem_bytes)
{
	uint64_t at = slot(t, id, 4);
	struct fbs_vector v = { t->b, 0, 0 };

	if (!at)
		return v;
	uint64_t pos = follow(t->b, at);
	uint64_t count = load(t->b, pos, 4);
	if (!inside(t->b, pos + 4, count * (uint64_t)elem_bytes))
		return v;
	v.pos = (uint32_t)pos + 4;
	v.count = (uint32_t)count;
	return v;
}

struct fbs_table fbs_list_table(const struct fbs_vector *v, uint32_t i)
{
	uint64_t pos = follow(v->b, v->pos + 4 * (uint64_t)i);

	return table_at(v->b, pos);
}

int64_t fbs_list_i64(const struct fbs_vector *v, uint32_t i, int elem_bytes, int at)
{
	return (int64_t)load(v->b, v->pos + (uint64_t)i * (uint64_t)elem_bytes + (uint64_t)at, 8);
}

const char *fbs_text(const struct fbs_table *t, int id, uint32_t *n)
{
	struct fbs_vector v = fbs_list(t, id, 1);

	*n = v.count;
	return v.pos ? (const char *)t->b->p + v.pos : NULL;
}
