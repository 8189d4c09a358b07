/* arrow_message.c - messages to write: a schema's metadata, a batch's. Field ids are those of Arrow's Message.fbs and
 * Schema.fbs. */
#include "stream/arrow.h"
#include "stream/layout.h"

#include <string.h>

/* Appends a pair and links it; returns the place of the value's bytes. */
static uint32_t write_pair(struct buf *b, uint32_t at, const char *key, size_t key_bytes, const char *value, size_t value_bytes)
{
	uint32_t slots[FBS_SLOTS_MAX];
	const struct fbs_slot pair[] = { { 4, 0 }, { 4, 0 } };

	fbs_link(b, at, fbs_add_table(b, pair, 2, slots));
	fbs_link(b, slots[0], fbs_add_text(b, key, key_bytes));
	uint32_t text = fbs_add_text(b, value, value_bytes);
	fbs_link(b, slots[1], text);
	return text + 4;
}

static void write_pairs(struct buf *b, uint32_t at, struct message_pair *pairs, int n)
{
	uint32_t vec = fbs_add_vector(b, (uint32_t)n, 4, 4);

	fbs_link(b, at, vec);
	for (int i = 0; i < n; i++)
		pairs[i].at = write_pair(b, vec + 4 + 4 * (uint32_t)i, pairs[i].key, strlen(pairs[i].key), pairs[i].value,
					 strlen(pairs[i].value));
}

static void write_field_meta(struct buf *b, uint32_t at, const struct field *f)
{
	uint32_t vec = fbs_add_vector(b, (uint32_t)f->n_meta, 4, 4);

	fbs_link(b, at, vec);
	for (int i = 0; i < f->n_meta; i++) {
		const struct field_meta *m = &f->meta[i];
		write_pair(b, vec + 4 + 4 * (uint32_t)i, m->key, m->key_bytes, m->value, m->value_bytes);
	}
}

static int type_id(enum field_type t)
{
	static const int ids[] = {
		[T_NULL] = TYPE_NULL, [T_BOOL] = TYPE_BOOL, [T_INT8] = TYPE_INT, [T_INT16] = TYPE_INT,
		[T_INT32] = TYPE_INT, [T_INT64] = TYPE_INT, [T_UINT8] = TYPE_INT, [T_UINT16] = TYPE_INT,
		[T_UINT32] = TYPE_INT, [T_UINT64] = TYPE_INT, [T_FLOAT16] = TYPE_FLOAT,
		[T_FLOAT32] = TYPE_FLOAT, [T_FLOAT64] = TYPE_FLOAT, [T_UTF8] = TYPE_UTF8,
		[T_LARGE_UTF8] = TYPE_LARGE_UTF8, [T_BINARY] = TYPE_BINARY, [T_LARGE_BINARY] = TYPE_LARGE_BINARY,
		[T_LIST] = TYPE_LIST, [T_LARGE_LIST] = TYPE_LARGE_LIST, [T_FIXED_LIST] = TYPE_FIXED_LIST,
		[T_STRUCT] = TYPE_STRUCT, [T_DATE32] = TYPE_DATE, [T_DATE64] = TYPE_DATE, [T_TIME32] = TYPE_TIME,
		[T_TIME64] = TYPE_TIME, [T_TIMESTAMP] = TYPE_TIMESTAMP, [T_DURATION] = TYPE_DURATION,
		[T_INTERVAL] = TYPE_INTERVAL, [T_DECIMAL32] = TYPE_DECIMAL, [T_DECIMAL64] = TYPE_DECIMAL,
		[T_DECIMAL128] = TYPE_DECIMAL, [T_DECIMAL256] = TYPE_DECIMAL, [T_FIXED_BINARY] = TYPE_FIXED_BINARY,
		[T_MAP] = TYPE_MAP
	};
	return ids[t];
}

/* The parameters of a type as slots of its table; their number. */
static int type_slots(const struct field *f, struct fbs_slot slots[3])
{
	int bits = 8 * field_width(f);

	switch (type_id(f->type)) {
	case TYPE_INT:
		slots[0] = (struct fbs_slot){ 4, bits };
		slots[1] = (struct fbs_slot){ 1, f->type <= T_INT64 };
		return 2;
	case TYPE_FLOAT:
		slots[0] = (struct fbs_slot){ 2, f->type - T_FLOAT16 };
		return 1;
	case TYPE_DATE:
		slots[0] = (struct fbs_slot){ 2, f->type == T_DATE64 };
		return 1;
	case TYPE_TIME:
		slots[0] = (struct fbs_slot){ 2, f->unit };
		slots[1] = (struct fbs_slot){ 4, bits };
		return 2;
	case TYPE_TIMESTAMP:
		slots[0] = (struct fbs_slot){ 2, f->unit };
		slots[1] = (struct fbs_slot){ f->timezone ? 4 : 0, 0 };
		return 2;
	case TYPE_DURATION: case TYPE_INTERVAL:
		slots[0] = (struct fbs_slot){ 2, f->unit };
		return 1;
	case TYPE_DECIMAL:
		slots[0] = (struct fbs_slot){ 4, f->precision };
		slots[1] = (struct fbs_slot){ 4, f->scale };
		slots[2] = (struct fbs_slot){ 4, bits };
		return 3;
	case TYPE_FIXED_BINARY:
		slots[0] = (struct fbs_slot){ 4, f->width };
		return 1;
	case TYPE_FIXED_LIST:
		slots[0] = (struct fbs_slot){ 4, f->list_size };
		return 1;
	case TYPE_MAP:
		slots[0] = (struct fbs_slot){ 1, f->keys_sorted };
		return 1;
	default: return 0;
	}
}

static uint32_t write_type(struct buf *b, const struct field *f)
{
	uint32_t at[FBS_SLOTS_MAX];
	struct fbs_slot slots[3] = { { 0, 0 }, { 0, 0 }, { 0, 0 } };
	int n = type_slots(f, slots);
	uint32_t table = fbs_add_table(b, slots, n, at);

	if (f->timezone)
		fbs_link(b, at[1], fbs_add_text(b, f->timezone, strlen(f->timezone)));
	return table;
}

static void write_fields(struct buf *b, uint32_t at, const struct field *fields, int n)
{
	uint32_t vec = fbs_add_vector(b, (uint32_t)n, 4, 4);

	fbs_link(b, at, vec);
	for (int i = 0; i < n; i++) {
		const struct field *f = &fields[i];
		uint32_t slot[FBS_SLOTS_MAX];
		const struct fbs_slot slots[] = {
			{ 4, 0 }, { 1, f->nullable }, { 1, type_id(f->type) }, { 4, 0 }, { 0, 0 }, { 4, 0 }, { 4, 0 }
		};
		fbs_link(b, vec + 4 + 4 * (uint32_t)i, fbs_add_table(b, slots, f->n_meta ? 7 : 6, slot));
		fbs_link(b, slot[0], fbs_add_text(b, f->name, strlen(f->name)));
		fbs_link(b, slot[3], write_type(b, f));
		write_fields(b, slot[5], f->children, f->n_children);
		if (f->n_meta)
			write_field_meta(b, slot[6], f);
	}
}

/* The root table of a message; returns the place of the header's offset, *meta that of custom_metadata. */
static uint32_t write_root(struct buf *b, enum arrow_header type, int64_t body_bytes, bool with_meta, uint32_t *meta)
{
	uint32_t at[FBS_SLOTS_MAX];
	const struct fbs_slot slots[] = {
		{ 2, 4 }, { 1, type }, { 4, 0 }, { 8, body_bytes }, { with_meta ? 4 : 0, 0 }
	};

	buf_clear(b);
	buf_add(b, "\0\0\0\0", 4);
	fbs_link(b, 0, fbs_add_table(b, slots, with_meta ? 5 : 4, at));
	if (with_meta)
		*meta = at[4];
	return at[2];
}

static void pad8(struct buf *b)
{
	while (b->len % 8)
		buf_char(b, 0);
}

void arrow_write_schema(const struct schema *s, struct buf *out)
{
	uint32_t at[FBS_SLOTS_MAX];
	uint32_t header = write_root(out, ARROW_SCHEMA, 0, false, NULL);
	const struct fbs_slot slots[] = { { 2, 0 }, { 4, 0 }, { 4, 0 } };
	struct message_pair *pairs = mem_array((size_t)s->n_meta + 1, sizeof(*pairs));

	for (int i = 0; i < s->n_meta; i++)
		pairs[i] = (struct message_pair){ s->meta_keys[i], s->meta_values[i], 0 };
	fbs_link(out, header, fbs_add_table(out, slots, 3, at));
	write_fields(out, at[1], s->fields, s->n_fields);
	write_pairs(out, at[2], pairs, s->n_meta);
	mem_free(pairs);
	pad8(out);
}

void arrow_encode_message(const struct encoded *e, struct message_pair *pairs, int n_pairs, struct buf *out)
{
	uint32_t at[FBS_SLOTS_MAX], codec[FBS_SLOTS_MAX], meta = 0;
	uint32_t header = write_root(out, ARROW_BATCH, e->body_bytes, n_pairs > 0, &meta);
	const struct fbs_slot slots[] = { { 8, e->rows }, { 4, 0 }, { 4, 0 }, { e->compressed ? 4 : 0, 0 } };
	const struct fbs_slot compression[] = { { 1, 1 }, { 1, 0 } };
	int64_t offset = 0;

	fbs_link(out, header, fbs_add_table(out, slots, e->compressed ? 4 : 3, at));
	uint32_t nodes = fbs_add_vector(out, (uint32_t)e->n_nodes, 16, 8);
	fbs_link(out, at[1], nodes);
	for (int i = 0; i < 2 * e->n_nodes; i++)
		fbs_put_i64(out, nodes + 4 + 8 * (uint32_t)i, e->nodes[i]);
	uint32_t buffers = fbs_add_vector(out, (uint32_t)e->n_parts, 16, 8);
	fbs_link(out, at[2], buffers);
	for (int i = 0; i < e->n_parts; i++) {
		fbs_put_i64(out, buffers + 4 + 16 * (uint32_t)i, offset);
		fbs_put_i64(out, buffers + 12 + 16 * (uint32_t)i, (int64_t)e->parts[i].n);
		offset += (int64_t)((e->parts[i].n + 63) & ~(size_t)63);
	}
	if (e->compressed)
		fbs_link(out, at[3], fbs_add_table(out, compression, 2, codec));
	if (n_pairs > 0)
		write_pairs(out, meta, pairs, n_pairs);
	pad8(out);
}
