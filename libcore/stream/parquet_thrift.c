/* parquet_thrift.c - the compact protocol of Apache Thrift, as much as Parquet's headers use. */
#include "stream/parquet.h"

static uint8_t byte(struct thrift *t)
{
	if (t->at >= t->n)
		t->bad = true;
	return t->bad ? 0 : t->p[t->at++];
}

static uint64_t varint(struct thrift *t)
{
	uint64_t v = 0;

	for (int shift = 0; shift < 64; shift += 7) {
		uint8_t b = byte(t);
		v |= (uint64_t)(b & 127) << shift;
		if (!(b & 128))
			return v;
	}
	t->bad = true;
	return 0;
}

static int64_t zigzag(struct thrift *t)
{
	uint64_t v = varint(t);

	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

bool thrift_field(struct thrift *t, int *id)
{
	uint8_t head = byte(t);

	if (t->bad || head == 0)
		return false;
	int64_t next = head >> 4 ? *id + (head >> 4) : zigzag(t);
	if (next < 0 || next > INT16_MAX)
		t->bad = true;
	*id = t->bad ? 0 : (int)next;
	t->type = head & 15;
	return !t->bad;
}

int64_t thrift_int(struct thrift *t)
{
	if (t->type == THRIFT_BYTE)
		return (int8_t)byte(t);
	if (t->type == THRIFT_I16 || t->type == THRIFT_I32 || t->type == THRIFT_I64)
		return zigzag(t);
	thrift_skip(t);
	return 0;
}

bool thrift_bool(struct thrift *t)
{
	if (t->type != THRIFT_TRUE && t->type != THRIFT_FALSE)
		thrift_skip(t);
	return t->type == THRIFT_TRUE;
}

const char *thrift_bytes(struct thrift *t, size_t *n)
{
	*n = 0;
	if (t->type != THRIFT_BINARY) {
		thrift_skip(t);
		return "";
	}
	uint64_t len = varint(t);
	if (len > t->n - t->at)
		t->bad = true;
	if (t->bad)
		return "";
	const char *s = (const char *)t->p + t->at;
	t->at += len;
	*n = len;
	return s;
}

int64_t thrift_list(struct thrift *t)
{
	if (t->type != THRIFT_LIST && t->type != THRIFT_SET) {
		thrift_skip(t);
		return 0;
	}
	uint8_t head = byte(t);
	uint64_t n = head >> 4 == 15 ? varint(t) : head >> 4;
	t->type = head & 15;
	if (n > t->n - t->at) /* an element takes a byte at least */
		t->bad = true;
	return t->bad ? 0 : (int64_t)n;
}

static void skip_map(struct thrift *t)
{
	uint64_t n = varint(t);
	uint8_t types = n ? byte(t) : 0;

	if (n > t->n - t->at)
		t->bad = true;
	for (uint64_t i = 0; i < 2 * n && !t->bad; i++) {
		t->type = i % 2 ? types & 15 : types >> 4;
		if (t->type == THRIFT_TRUE || t->type == THRIFT_FALSE)
			byte(t);
		else
			thrift_skip(t);
	}
}

void thrift_skip(struct thrift *t)
{
	size_t n;
	int id = 0;

	if (t->bad || ++t->depth > PARQUET_DEPTH_MAX) {
		t->bad = true;
		return;
	}
	switch (t->type) {
	case THRIFT_TRUE: case THRIFT_FALSE: break;
	case THRIFT_BYTE: byte(t); break;
	case THRIFT_I16: case THRIFT_I32: case THRIFT_I64: varint(t); break;
	case THRIFT_DOUBLE:
		for (int i = 0; i < 8; i++)
			byte(t);
		break;
	case THRIFT_BINARY: thrift_bytes(t, &n); break;
	case THRIFT_LIST: case THRIFT_SET: {
		int64_t count = thrift_list(t);
		int type = t->type;
		for (int64_t i = 0; i < count && !t->bad; i++) {
			t->type = type;
			if (type == THRIFT_TRUE || type == THRIFT_FALSE)
				byte(t);
			else
				thrift_skip(t);
		}
		break;
	}
	case THRIFT_MAP: skip_map(t); break;
	case THRIFT_STRUCT:
		while (thrift_field(t, &id))
			thrift_skip(t);
		break;
	default: t->bad = true;
	}
	t->depth--;
}
