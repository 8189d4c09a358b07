/* parquet_thrift.c - Thrift's compact protocol, read only; what the bytes claim is never believed beyond their end. */
#include "stream/parquet.h"

#include <limits.h>

enum { THRIFT_STOP = 0, THRIFT_BYTE = 3, THRIFT_I16 = 4, THRIFT_I32 = 5, THRIFT_I64 = 6, THRIFT_DOUBLE = 7, THRIFT_SET = 10,
       THRIFT_MAP = 11 };

static uint64_t fail(struct thrift *t, bool cut)
{
	t->cut |= cut && !t->bad;
	t->bad = true;
	t->p = t->end;
	return 0;
}

static uint8_t get_byte(struct thrift *t)
{
	return t->p < t->end ? *t->p++ : (uint8_t)fail(t, true);
}

static uint64_t get_varint(struct thrift *t)
{
	uint64_t v = 0;

	for (int shift = 0; shift < 64; shift += 7) {
		uint8_t c = get_byte(t);
		v |= (uint64_t)(c & 0x7F) << shift;
		if (c < 0x80)
			return v;
	}
	return fail(t, false);
}

static int64_t get_zigzag(struct thrift *t)
{
	uint64_t v = get_varint(t);

	return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

bool thrift_next(struct thrift *t, struct thrift_field *f)
{
	uint8_t c = get_byte(t);
	int64_t id = f->id + (c >> 4);

	if (c == THRIFT_STOP || t->bad)
		return false;
	if (c >> 4 == 0)
		id = get_zigzag(t);
	f->type = c & 15;
	f->id = (int)id;
	if (id < INT16_MIN || id > INT16_MAX || f->type == THRIFT_STOP || f->type > THRIFT_STRUCT)
		fail(t, false);
	return !t->bad;
}

int64_t thrift_int(struct thrift *t, const struct thrift_field *f)
{
	if (f->type == THRIFT_BYTE)
		return (int8_t)get_byte(t);
	if (f->type < THRIFT_I16 || f->type > THRIFT_I64)
		return (int64_t)fail(t, false);
	return get_zigzag(t);
}

int32_t thrift_int32(struct thrift *t, const struct thrift_field *f)
{
	int64_t v = thrift_int(t, f);

	if (v < INT32_MIN || v > INT32_MAX)
		return (int32_t)fail(t, false);
	return (int32_t)v;
}

bool thrift_bool(struct thrift *t, const struct thrift_field *f)
{
	if (f->type != THRIFT_TRUE && f->type != THRIFT_FALSE)
		fail(t, false);
	return f->type == THRIFT_TRUE;
}

const char *thrift_binary(struct thrift *t, const struct thrift_field *f, size_t *n)
{
	uint64_t len = f->type == THRIFT_BINARY ? get_varint(t) : fail(t, false);

	if (len > (uint64_t)(t->end - t->p))
		len = fail(t, true);
	const char *p = (const char *)t->p;
	t->p += len;
	*n = (size_t)len;
	return p;
}

bool thrift_struct(struct thrift *t, const struct thrift_field *f)
{
	if (f->type != THRIFT_STRUCT)
		fail(t, false);
	return !t->bad;
}

/* Count and element type of a list or set. */
static uint64_t list_head(struct thrift *t, int *type)
{
	uint8_t c = get_byte(t);
	uint64_t n = c >> 4;

	*type = c & 15;
	if (n == 15)
		n = get_varint(t);
	if (n > (uint64_t)(t->end - t->p))
		n = fail(t, true);
	return n;
}

int64_t thrift_list(struct thrift *t, const struct thrift_field *f, struct thrift_field *element)
{
	*element = (struct thrift_field){0};
	return (int64_t)(f->type == THRIFT_LIST ? list_head(t, &element->type) : fail(t, false));
}

static void skip_value(struct thrift *t, int type, bool element, int depth);

static void skip_list(struct thrift *t, int depth)
{
	int type;
	uint64_t n = list_head(t, &type);

	for (uint64_t i = 0; i < n && !t->bad; i++)
		skip_value(t, type, true, depth);
}

static void skip_map(struct thrift *t, int depth)
{
	uint64_t n = get_varint(t);
	uint8_t types = n ? get_byte(t) : 0;

	for (uint64_t i = 0; i < n && !t->bad; i++) {
		skip_value(t, types >> 4, true, depth);
		skip_value(t, types & 15, true, depth);
	}
}

/* element: booleans of lists and maps are a byte, those of structs are in the field's type. */
static void skip_value(struct thrift *t, int type, bool element, int depth)
{
	struct thrift_field inner = {0};
	struct thrift_field f = { .type = type };
	size_t n;

	if (depth > PQ_DEPTH_MAX) {
		fail(t, false);
		return;
	}
	switch (type) {
	case THRIFT_TRUE: case THRIFT_FALSE:
		if (element)
			get_byte(t);
		break;
	case THRIFT_BYTE:
		get_byte(t);
		break;
	case THRIFT_I16: case THRIFT_I32: case THRIFT_I64:
		get_varint(t);
		break;
	case THRIFT_DOUBLE:
		if (t->end - t->p < 8)
			fail(t, true);
		else
			t->p += 8;
		break;
	case THRIFT_BINARY:
		thrift_binary(t, &f, &n);
		break;
	case THRIFT_LIST: case THRIFT_SET:
		skip_list(t, depth + 1);
		break;
	case THRIFT_MAP:
		skip_map(t, depth + 1);
		break;
	case THRIFT_STRUCT:
		while (thrift_next(t, &inner))
			skip_value(t, inner.type, false, depth + 1);
		break;
	default:
		fail(t, false);
	}
}

void thrift_skip(struct thrift *t, const struct thrift_field *f)
{
	skip_value(t, f->type, false, 0);
}
