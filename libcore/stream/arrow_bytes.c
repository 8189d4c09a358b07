#include "stream/arrow_bytes.h"

#include "stream/arrow.h"

static void add_message(const struct buf *metadata, struct buf *out)
{
	const uint32_t prefix[2] = { 0xFFFFFFFFu, (uint32_t)metadata->len };
	buf_add(out, prefix, sizeof(prefix));
	buf_add(out, metadata->data, metadata->len);
}

void arrow_bytes_begin(const struct schema *s, struct buf *out)
{
	struct schema plain = { 0 };
	struct buf metadata = { 0 };
	schema_copy(&plain, s);
	for (int i = plain.n_meta - 1; i >= 0; i--)
		if (strncmp(plain.meta_keys[i], "quern.", 6) == 0)
			schema_set_meta(&plain, plain.meta_keys[i], NULL);
	arrow_write_schema(&plain, &metadata);
	add_message(&metadata, out);
	buf_release(&metadata);
	schema_release(&plain);
}

enum status arrow_bytes_batch(const struct batch *b, struct buf *out, struct error *err)
{
	static const char padding[64];
	struct buf metadata = { 0 };
	struct encoded e;
	enum status st = arrow_encode_body(&e, b, NULL, err);
	if (st == OK) {
		arrow_encode_message(&e, NULL, 0, &metadata);
		add_message(&metadata, out);
		for (int i = 0; i < e.n_parts; i++) {
			buf_add(out, e.parts[i].p, e.parts[i].n);
			buf_add(out, padding, -e.parts[i].n & 63);
		}
	}
	encoded_release(&e);
	buf_release(&metadata);
	return st;
}

void arrow_bytes_end(struct buf *out)
{
	buf_add(out, "\xff\xff\xff\xff\0\0\0\0", 8);
}
