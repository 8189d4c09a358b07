/* parquet_column.c - levels and values of a leaf to the buffers of the nodes it builds (Dremel's record assembly).
 *
 * An entry of a leaf's levels is a value, a null, or an empty or absent list at some depth. Its repetition level says which
 * list it continues (0: a row begins), its definition level down to where the path to its value exists. So each node
 * can be built from the levels of one leaf below it, by itself: which entries make a row of it, which of those are valid,
 * and for lists, which begin an element. */
#include "stream/parquet.h"
#include "stream/arrow.h"
#include "stream/layout.h"

#include <inttypes.h>

/* --- validity ------------------------------------------------------------------------------------------------ */
/* Makes the bitmap cover the rows so far, all valid, and room for n more, null. */
static enum status bitmap_room(struct pq_node *n, int64_t more, struct error *err)
{
	size_t need = (size_t)(n->length + more + 7) / 8;

	if (need > n->validity.len) {
		TRY(pq_room(&n->validity, need - n->validity.len, err));
		memset(n->validity.data + n->validity.len, 0, need - n->validity.len);
		n->validity.len = need;
	}
	return OK;
}

static void set_bits(uint8_t *bits, int64_t from, int64_t to)
{
	for (; from < to && from % 8; from++)
		bit_set(bits, from);
	memset(bits + from / 8, 0xFF, (size_t)(to - from) / 8);
	for (from += (to - from) / 8 * 8; from < to; from++)
		bit_set(bits, from);
}

/* k rows of which bit i of valid tells (NULL: none is), nulls of them null. Fields that promise no nulls have no bitmap:
 * what stands under an absent parent is a zero. */
static enum status add_validity(struct pq_node *n, const uint32_t *valid, int64_t k, int64_t nulls, struct error *err)
{
	if (!n->field->nullable)
		nulls = 0;
	if (n->nulls + nulls > 0) {
		bool first = n->nulls == 0;
		TRY(bitmap_room(n, k, err));
		uint8_t *bits = n->validity.data;
		if (first)
			set_bits(bits, 0, n->length);
		if (nulls == 0)
			set_bits(bits, n->length, n->length + k);
		for (int64_t i = 0; valid && nulls && i < k; i++)
			bits[(n->length + i) >> 3] |= (uint8_t)((valid[i] != 0) << ((n->length + i) & 7));
	}
	n->nulls += nulls;
	n->length += k;
	return OK;
}

/* Room for k more offsets; the first of a node is 0. */
static enum status offsets_room(struct pq_node *n, int64_t k, struct error *err)
{
	TRY(pq_room(&n->offsets, (size_t)(k + 1) * 4, err));
	if (n->offsets.len == 0) {
		memset(n->offsets.data, 0, 4);
		n->offsets.len = 4;
	}
	return OK;
}

static enum status too_large(struct error *err)
{
	return error_set(err, ERR_DATA, "more than 2 GiB of it in one batch");
}

/* --- values: fixed width ----------------------------------------------------------------------------------------- */
static enum status narrow(const uint8_t *from, int64_t n, enum field_type type, uint8_t *to, struct error *err)
{
	for (int64_t i = 0; i < n; i++) {
		int32_t v;
		memcpy(&v, from + i * 4, 4);
		bool fits = type == T_INT8 ? v == (int8_t)v : type == T_INT16 ? v == (int16_t)v
			  : type == T_UINT8 ? v == (uint8_t)v : v == (uint16_t)v;
		if (!fits)
			return error_set(err, ERR_DATA, "%" PRId32 " does not fit its type", v);
		if (type == T_INT8 || type == T_UINT8)
			to[i] = (uint8_t)v;
		else
			memcpy(to + i * 2, &v, 2);
	}
	return OK;
}

/* Integers to decimals of a larger width. */
static void widen(const uint8_t *from, int64_t n, int from_width, int width, uint8_t *to)
{
	for (int64_t i = 0; i < n; i++) {
		memcpy(to + i * width, from + i * from_width, (size_t)from_width);
		memset(to + i * width + from_width, from[(i + 1) * from_width - 1] & 0x80 ? 0xFF : 0, (size_t)(width - from_width));
	}
}

/* One big-endian number of any length; bytes before those that fit must be its sign. */
static enum status reverse(const uint8_t *from, size_t n, int width, uint8_t *to, struct error *err)
{
	uint8_t sign = n && (from[0] & 0x80) ? 0xFF : 0;

	for (; n > (size_t)width; n--)
		if (*from++ != sign || (from[0] & 0x80) != (sign & 0x80))
			return error_set(err, ERR_DATA, "a decimal does not fit in %d bits", width * 8);
	for (size_t i = 0; i < n; i++)
		to[i] = from[n - 1 - i];
	memset(to + n, sign, (size_t)width - n);
	return OK;
}

/* Nanoseconds of the day and the Julian day to nanoseconds since 1970. */
static enum status julian(const uint8_t *from, int64_t n, uint8_t *to, struct error *err)
{
	for (int64_t i = 0; i < n; i++) {
		int64_t nanos, v;
		uint32_t day;
		memcpy(&nanos, from + i * 12, 8);
		memcpy(&day, from + i * 12 + 8, 4);
		if (__builtin_mul_overflow((int64_t)day - 2440588, (int64_t)86400 * 1000000000, &v) || __builtin_add_overflow(v, nanos, &v))
			return error_set(err, ERR_DATA, "a timestamp (Julian day %" PRIu32 ") beyond what 64 bits of nanoseconds reach", day);
		memcpy(to + i * 8, &v, 8);
	}
	return OK;
}

static enum status convert(const struct pq_leaf *l, const uint8_t *from, int64_t n, uint8_t *to, struct error *err)
{
	int width = field_width(l->node->field), from_width = l->pages.values.width;

	switch (l->convert) {
	case PQ_NARROW:
		return narrow(from, n, l->node->field->type, to, err);
	case PQ_WIDEN:
		widen(from, n, from_width, width, to);
		return OK;
	case PQ_JULIAN:
		return julian(from, n, to, err);
	default:
		for (int64_t i = 0; i < n; i++)
			TRY(reverse(from + i * from_width, (size_t)from_width, width, to + i * width, err));
		return OK;
	}
}

/* Decimals that are strings of bytes. */
static enum status convert_strings(struct pq_leaf *l, int64_t n, uint8_t *to, struct error *err)
{
	int width = field_width(l->node->field);
	struct pq_slice s[PQ_STEP];

	TRY(pq_values_bytes(&l->pages.values, n, s, err));
	for (int64_t i = 0; i < n; i++)
		TRY(reverse(s[i].p, s[i].n, width, to + i * width, err));
	return OK;
}

/* Moves m values that stand at the front of k rows to the rows that are valid, the last first; zeros elsewhere. */
static void spread(uint8_t *p, size_t width, const uint32_t *valid, int64_t k, int64_t m)
{
	for (int64_t i = k - 1; i >= 0; i--) {
		uint8_t *to = p + (size_t)i * width;
		if (!valid[i])
			memset(to, 0, width);
		else if (--m != i)
			memcpy(to, p + (size_t)m * width, width);
	}
}

/* k rows, m of them valid as valid tells (NULL: all or none). */
static enum status add_fixed(struct pq_leaf *l, const uint32_t *valid, int64_t k, int64_t m, struct error *err)
{
	struct pq_node *n = l->node;
	size_t width = (size_t)field_width(n->field);

	TRY(pq_room(&n->values, (size_t)k * width, err));
	uint8_t *to = n->values.data + n->values.len;
	if (m == 0) {
		memset(to, 0, (size_t)k * width);
	} else if (l->convert == PQ_AS_IS) {
		TRY(pq_values_fixed(&l->pages.values, m, to, err));
	} else if (l->pages.values.type == PQ_BYTES) {
		TRY(convert_strings(l, m, to, err));
	} else {
		struct pq_block *raw = &l->scratch;
		raw->len = 0;
		TRY(pq_room(raw, (size_t)m * (size_t)l->pages.values.width, err));
		TRY(pq_values_fixed(&l->pages.values, m, raw->data, err));
		TRY(convert(l, raw->data, m, to, err));
	}
	if (m > 0 && m < k)
		spread(to, width, valid, k, m);
	n->values.len += (size_t)k * width;
	return OK;
}

static enum status add_booleans(struct pq_leaf *l, const uint32_t *valid, int64_t k, int64_t m, struct error *err)
{
	struct pq_node *n = l->node;
	size_t need = (size_t)(n->length + k + 7) / 8 - n->values.len;
	uint8_t value[PQ_STEP];
	int64_t j = 0;

	TRY(pq_room(&n->values, need, err));
	memset(n->values.data + n->values.len, 0, need);
	n->values.len += need;
	if (m > 0)
		TRY(pq_values_fixed(&l->pages.values, m, value, err));
	for (int64_t i = 0; i < k && m > 0; i++)
		if ((!valid || valid[i]) && value[j++])
			bit_set(n->values.data, n->length + i);
	return OK;
}

/* --- values: strings ------------------------------------------------------------------------------------------------ */
/* The strings at the end of the values; short ones by a copy of a fixed size, which slack allows at both ends. */
static enum status copy_strings(struct pq_node *n, const struct pq_slice *s, int64_t m, struct error *err)
{
	size_t total = 0;

	for (int64_t i = 0; i < m; i++)
		total += s[i].n;
	if (total + n->values.len > INT32_MAX)
		return too_large(err);
	TRY(pq_room(&n->values, total, err));
	uint8_t *to = n->values.data + n->values.len;
	for (int64_t i = 0; i < m; i++) {
		if (s[i].n <= 32)
			memcpy(to, s[i].p, 32);
		else
			memcpy(to, s[i].p, s[i].n);
		to += s[i].n;
	}
	return OK;
}

/* All at once; then that no string begins inside a character. */
static enum status check_text(const uint8_t *p, const struct pq_slice *s, int64_t m, struct error *err)
{
	size_t at = 0;
	bool good = true;

	for (int64_t i = 0; i < m; i++) {
		good &= s[i].n == 0 || (p[at] & 0xC0) != 0x80;
		at += s[i].n;
	}
	if (!good || !utf8_valid((const char *)p, at))
		return error_set(err, ERR_DATA, "a text is not UTF-8");
	return OK;
}

static enum status add_strings(struct pq_leaf *l, const uint32_t *valid, int64_t k, int64_t m, struct error *err)
{
	struct pq_node *n = l->node;
	struct pq_slice s[PQ_STEP];
	int64_t j = 0;

	if (m > 0)
		TRY(pq_values_bytes(&l->pages.values, m, s, err));
	TRY(copy_strings(n, s, m, err));
	if (l->pages.text && !l->pages.values.dictionary)
		TRY(check_text(n->values.data + n->values.len, s, m, err));
	TRY(offsets_room(n, k, err));
	int32_t *offset = (int32_t *)(void *)(n->offsets.data + n->offsets.len);
	int32_t end = (int32_t)n->values.len;
	for (int64_t i = 0; i < k; i++) {
		if (m > 0 && (!valid || valid[i]))
			end += (int32_t)s[j++].n;
		offset[i] = end;
	}
	n->offsets.len += (size_t)k * 4;
	n->values.len = (size_t)end;
	return OK;
}

/* k (<= PQ_STEP) rows of the leaf's own node. */
static enum status add_values(struct pq_leaf *l, const uint32_t *valid, int64_t k, int64_t m, struct error *err)
{
	struct pq_node *n = l->node;

	if (n->length + k > INT32_MAX)
		return too_large(err);
	if (l->convert == PQ_NOTHING && m > 0)
		return error_set(err, ERR_DATA, "a value in a column of nulls");
	if (n->field->type == T_BOOL)
		TRY(add_booleans(l, valid, k, m, err));
	else if (n->field->type == T_UTF8 || n->field->type == T_BINARY)
		TRY(add_strings(l, valid, k, m, err));
	else if (n->field->type != T_NULL)
		TRY(add_fixed(l, valid, k, m, err));
	return add_validity(n, valid, k, k - m, err);
}

/* --- nodes above ------------------------------------------------------------------------------------------------------- */
/* The entries that are rows of n: whether each is valid, into valid. */
static int64_t rows_of(const struct pq_leaf *l, const struct pq_node *n, int64_t from, int64_t to, uint32_t *valid, int64_t *nulls)
{
	const uint32_t *def = l->def, *rep = l->rep;
	uint32_t slot_def = (uint32_t)n->slot_def, slot_rep = (uint32_t)n->slot_rep, there = (uint32_t)n->def;
	int64_t k = 0, good = 0;

	for (int64_t i = from; i < to; i++) {
		bool row = def[i] >= slot_def && rep[i] <= slot_rep;
		valid[k] = def[i] >= there;
		good += row && valid[k];
		k += row;
	}
	*nulls = k - good;
	return k;
}

/* Offsets of a list: where its rows end, as elements begin. check_levels has seen that an element has its row. */
static enum status add_offsets(struct pq_leaf *l, struct pq_node *n, int64_t from, int64_t to, int64_t k, struct error *err)
{
	TRY(offsets_room(n, k, err));
	int32_t *offset = (int32_t *)(void *)n->offsets.data;
	int64_t row = (int64_t)(n->offsets.len / 4);   /* of the offset behind the row to come */

	if (n->length + k > INT32_MAX || n->elements + (to - from) > INT32_MAX)
		return too_large(err);
	for (int64_t i = from; i < to; i++) {
		int def = (int)l->def[i], rep = (int)l->rep[i];
		if (rep <= n->slot_rep && def >= n->slot_def)
			offset[row++] = (int32_t)n->elements;
		if (rep <= n->slot_rep + 1 && def >= n->element_def)
			offset[row - 1] = (int32_t)++n->elements;
	}
	n->offsets.len = (size_t)row * 4;
	return OK;
}

/* All that entries [from, to) of the levels say. */
static enum status add_entries(struct pq_leaf *l, int64_t from, int64_t to, struct error *err)
{
	uint32_t valid[PQ_STEP];
	int64_t nulls;

	for (int i = 0; i < l->n_above; i++) {
		struct pq_node *n = l->above[i];
		int64_t k = rows_of(l, n, from, to, valid, &nulls);
		if (n->kind == PQ_ROWS)
			TRY(add_offsets(l, n, from, to, k, err));
		TRY(add_validity(n, valid, k, nulls, err));
	}
	if (l->full)
		return add_values(l, NULL, to - from, to - from, err);
	int64_t k = rows_of(l, l->node, from, to, valid, &nulls);
	return add_values(l, valid, k, k - nulls, err);
}

/* --- reading ------------------------------------------------------------------------------------------------------------- */
void pq_leaf_start(struct pq_leaf *l, const struct pq_chunk *chunk)
{
	pq_pages_start(&l->pages, chunk);
	l->at = l->n = 0;
	l->last_def = 0;
	l->begun = false;
	if (!l->def) {
		l->def = mem_array(PQ_STEP, sizeof(*l->def));
		l->rep = mem_array(PQ_STEP, sizeof(*l->rep));
	}
}

bool pq_leaf_done(const struct pq_leaf *l)
{
	return l->at == l->n && l->pages.page_left == 0 && l->pages.values_left == 0;
}

/* Levels below their maxima; and what continues a list continues one that has an element, and is one: where all have values,
 * only the first can be wrong. */
static enum status check_levels(struct pq_leaf *l, struct error *err)
{
	uint32_t max_def = (uint32_t)l->pages.max_def, max_rep = (uint32_t)l->pages.max_rep, def = 0, rep = 0, missing = 0;

	for (int64_t i = 0; i < l->n; i++) {
		def = l->def[i] > def ? l->def[i] : def;
		rep = l->rep[i] > rep ? l->rep[i] : rep;
		missing |= l->def[i] ^ max_def;
	}
	if (def > max_def || rep > max_rep)
		return error_set(err, ERR_DATA, "a level of %u, where %u is the highest", (unsigned)(def > max_def ? def : rep),
				 (unsigned)(def > max_def ? max_def : max_rep));
	l->full = !missing;
	if (l->full && l->n > 0 && (l->rep[0] == 0 || (l->begun && l->last_def >= (uint32_t)l->list_def[l->rep[0]]))) {
		l->begun = true;
		l->last_def = max_def;
		return OK;
	}
	for (int64_t i = 0; i < l->n; i++) {
		uint32_t need = l->rep[i] ? (uint32_t)l->list_def[l->rep[i]] : 0;
		if (l->rep[i] && (!l->begun || l->def[i] < need || l->last_def < need))
			return error_set(err, ERR_DATA, "a list goes on that has not begun");
		l->begun = true;
		l->last_def = l->def[i];
	}
	return OK;
}

/* The next entries of the page, or of the next one; END behind the chunk's last. */
static enum status fill_levels(struct pq_leaf *l, int64_t most, struct error *err)
{
	struct pq_pages *g = &l->pages;

	if (g->page_left == 0)
		TRY(pq_pages_next(g, err));
	l->at = 0;
	l->n = g->page_left < most ? g->page_left : most;
	g->page_left -= l->n;
	if ((g->max_rep && !pq_rle_take(&g->rep, l->rep, l->n)) || (g->max_def && !pq_rle_take(&g->def, l->def, l->n)))
		return error_set(err, ERR_DATA, "levels end early");
	return check_levels(l, err);
}

static enum status missing(int64_t rows, struct error *err)
{
	return error_set(err, ERR_DATA, "the column chunk ends %" PRId64 " rows early", rows);
}

/* Rows of a leaf in no list: an entry is a row. Runs of one level (no nulls, or only nulls) need no levels. */
static enum status read_flat(struct pq_leaf *l, int64_t rows, struct error *err)
{
	struct pq_pages *g = &l->pages;

	while (rows > 0) {
		enum status st = g->page_left ? OK : pq_pages_next(g, err);
		if (st == END)
			return missing(rows, err);
		TRY(st);
		uint32_t level = 0;
		int64_t k = rows < PQ_STEP ? rows : PQ_STEP;
		k = k < g->page_left ? k : g->page_left;
		int64_t same = g->max_def ? pq_rle_same(&g->def, &level) : k;
		if (same > 0 && (l->n_above == 0 || g->max_def == 0)) {
			k = k < same ? k : same;
			if (g->max_def)
				pq_rle_skip_same(&g->def, k);
			if (level > (uint32_t)g->max_def)
				return error_set(err, ERR_DATA, "a level of %u, where %d is the highest", (unsigned)level, g->max_def);
			g->page_left -= k;
			for (int i = 0; i < l->n_above; i++)
				TRY(add_validity(l->above[i], NULL, k, 0, err));
			TRY(add_values(l, NULL, k, level == (uint32_t)g->max_def ? k : 0, err));
		} else {
			TRY(fill_levels(l, k, err));
			TRY(add_entries(l, 0, l->n, err));
			l->at = l->n;
		}
		rows -= k;
	}
	return OK;
}

static enum status read_nested(struct pq_leaf *l, int64_t rows, struct error *err)
{
	int64_t begun = 0;

	for (;;) {
		if (l->at == l->n) {
			enum status st = fill_levels(l, PQ_STEP, err);
			if (st == END && begun == rows)
				return OK;
			if (st == END)
				return missing(rows - begun, err);
			TRY(st);
		}
		int64_t to = l->at;
		while (to < l->n && (l->rep[to] || begun < rows))
			begun += l->rep[to++] == 0;
		TRY(add_entries(l, l->at, to, err));
		l->at = to;
		if (to < l->n)
			return OK;           /* the row to come is not ours */
	}
}

enum status pq_leaf_read(struct pq_leaf *l, int64_t rows, struct error *err)
{
	return l->pages.max_rep ? read_nested(l, rows, err) : read_flat(l, rows, err);
}

void pq_leaf_release(struct pq_leaf *l)
{
	pq_pages_release(&l->pages);
	pq_block_release(&l->scratch);
	mem_free(l->def);
	mem_free(l->rep);
	mem_free(l->above);
	mem_free(l->path);
}
