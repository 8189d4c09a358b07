/* test_conformance.c - hostile streams, all that can be made by rule: every cut, every flipped bit, every word of the metadata set to
 * the values that lies are made of, messages left out, repeated and swapped. Each is refused with a sentence or read in bounds, and one
 * of our own streams is always refused. (tests/conformance holds a chosen few as files.) */
#include "base/hash.h"
#include "stream/arrow.h"
#include "stream/stream.h"

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FOREIGN "tests/golden/data/stream/foreign-"
#define PEAK_BYTES_MAX ((size_t)64 << 20)
/* A schema of nulls or empty structs may claim any number of rows. */
#define ROWS_SHOWN 64

/* Under the sanitizers one change in so many is tried, another from place to place. */
#define STEP (SELDOM == 1 ? 1 : 19)

/* --- streams that are well ------------------------------------------------------------------------- */
struct sample {
	char *name;
	struct buf bytes;
	bool ours;
};

static struct buf text;              /* rows of the last stream */
static struct error err;             /* or why it was refused */
static struct sample *samples;
static int n_samples, cap_samples;

/* Reads bytes to their end; the rows as JSON Lines, which touches every value. */
static enum status read_rows(const void *p, size_t n)
{
	struct input *in;
	struct reader *r;
	struct batch *b;

	err.text[0] = 0;
	buf_clear(&text);
	TRY(input_open_memory(&in, "x", p, n, &err));
	TRY(reader_open_input(&r, in, &(struct reader_options){ .unhashed = true }, &err));
	enum status st;
	while ((st = reader_next(r, &b, &err)) == OK) {
		for (int64_t row = 0; row < b->rows && row < ROWS_SHOWN; row++) {
			struct json_writer w = json_writer_open(&text, 0);
			batch_json(b, row, &w);
			buf_char(&text, '\n');
		}
		batch_release(b);
	}
	reader_close(r);
	return st;
}

static void add_sample(char *name, const char *path, bool ours)
{
	MEM_PUSH_ROOM(samples, n_samples, cap_samples);
	struct sample *s = &samples[n_samples++];
	*s = (struct sample){ .name = name, .ours = ours };
	if (file_read_all(path, 1 << 20, &s->bytes, &err) != OK || read_rows(s->bytes.data, s->bytes.len) != END)
		fail_msg("%s: %s", name, err.text);
}

/* One value, other for each i, null now and then where it may be. */
static void fill(struct column *c, const struct field *f, int i)
{
	char word[32];

	if (f->nullable && i % 2) {
		column_null(c);
		return;
	}
	snprintf(word, sizeof(word), "word %d \xc3\xa9", i);
	switch (f->type) {
	case T_UTF8: case T_LARGE_UTF8:
		column_str(c, word);
		break;
	case T_FLOAT32:
		column_double(c, i / 4.0);
		break;
	case T_LIST: case T_FIXED_LIST:
		for (int k = 0; k < (f->type == T_LIST ? i : f->list_size); k++)
			fill(column_child(c, 0), &f->children[0], i + k);
		column_end_list(c);
		break;
	case T_STRUCT:
		for (int k = 0; k < f->n_children; k++)
			fill(column_child(c, k), &f->children[k], i + k);
		column_end_struct(c);
		break;
	default:
		column_int(c, f->type == T_BOOL ? i % 2 : i);
	}
}

/* Two batches, of two rows and one. */
static void write_kind(const char *path, enum kind k, int level)
{
	struct writer_options o = { FORMAT_ARROW, level, NULL };
	struct schema s;
	struct writer *w;

	kind_schema(k, true, 3, &s);
	struct builder *b = builder_open(&s);
	assert_int_equal(writer_open(&w, path, &s, k, NULL, &o, &err), OK);
	for (int i = 0; i < 3; i++) {
		for (int c = 0; c < s.n_fields; c++)
			fill(builder_column(b, c), &s.fields[c], i + 1);
		if (i == 0)
			continue;
		struct batch *batch = builder_finish(b);
		assert_int_equal(writer_write(w, batch, &err), OK);
		batch_release(batch);
	}
	assert_int_equal(writer_commit(w, &err), OK);
	builder_close(b);
	schema_release(&s);
}

static int open_samples(void **state)
{
	/* rust.arrow: its magic is padded; polars.arrow: its schema has no prefix, its dictionary stands behind the batch */
	static const char *const foreign[] = {
		"plain.arrows", "zstd.arrows", "lz4.arrows", "v4.arrows", "logical.arrows", "views.arrows", "dictionary.arrows",
		"delta.arrows", "replaced.arrows", "slice.arrows", "empty.arrows", "no-columns.arrows", "polars.arrows",
		"file.arrow", "logical.arrow", "views.arrow", "dictionary.arrow", "delta.arrow", "polars.arrow", "rust.arrow"
	};
	char path[] = "/tmp/quern-test-conformance-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	if (fd < 0 || close(fd) != 0)
		return -1;
	for (int k = KIND_DOCUMENTS; k <= KIND_SCORES; k++)
		for (int level = 0; level <= 3; level += 3) {
			write_kind(path, (enum kind)k, level);
			add_sample(mem_printf("%s %s", kind_name((enum kind)k), level ? "compressed" : "plain"), path, true);
		}
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		char *file = mem_printf(FOREIGN "%s", foreign[i]);
		add_sample(mem_strdup(foreign[i]), file, false);
		mem_free(file);
	}
	return unlink(path);
}

static int close_samples(void **state)
{
	(void)state;
	for (int i = 0; i < n_samples; i++) {
		mem_free(samples[i].name);
		buf_release(&samples[i].bytes);
	}
	mem_free(samples);
	buf_release(&text);
	return 0;
}

/* --- parts of a stream ------------------------------------------------------------------------------ */
/* A message with its body; the last part of a stream is its marker and, in a file, all that follows. */
struct part {
	size_t at, metadata, body, end;
};
#define PARTS_MAX 16

static uint32_t load_u32(const char *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return v;
}

static int parts_of(const struct sample *s, struct part parts[PARTS_MAX])
{
	const struct buf *b = &s->bytes;
	size_t at = 0;
	int n = 0;
	struct message m;

	while (load_u32(b->data + at) != 0xFFFFFFFFu)        /* a file's magic, and of polars its schema */
		at += 8;
	for (; load_u32(b->data + at + 4) != 0; n++) {
		assert_true(n + 1 < PARTS_MAX);
		uint32_t bytes = load_u32(b->data + at + 4);
		assert_int_equal(message_parse(&m, b->data + at + 8, bytes, NULL), OK);
		parts[n] = (struct part){ at, at + 8, at + 8 + bytes, at + 8 + bytes + (size_t)m.body_bytes };
		at = parts[n].end;
	}
	parts[n++] = (struct part){ at, at, b->len, b->len };
	return n;
}

/* The first part to change. Of a file that is its footer: the stream in it is a sample of its own. */
static int first_part(const struct part *parts, int n)
{
	return parts[0].at > 0 ? n - 1 : 0;
}

/* --- the answer ---------------------------------------------------------------------------------------- */
/* What was done to a sample, for the sentence of a failure. */
struct deed {
	const struct sample *sample;
	const char *what;
	unsigned long long at, value;
};

/* Refused with a sentence that begins with the stream's name, or, unless it must be refused, read. */
static bool is_refused(const void *p, size_t n, const struct deed *d, bool must)
{
	enum status st = read_rows(p, n);

	if (st != END && (status_exit_code(st) != 3 || strncmp(err.text, "x: ", 3) != 0 || strlen(err.text) < 10))
		fail_msg("%s: %s at byte %llu (%llx): status %d, '%s'", d->sample->name, d->what, d->at, d->value, st, err.text);
	if (st == END && must)
		fail_msg("%s: %s at byte %llu (%llx): is read", d->sample->name, d->what, d->at, d->value);
	return st != END;
}

/* --- cuts and flips ------------------------------------------------------------------------------------- */
static void every_cut_is_refused(void **state)
{
	(void)state;
	for (int i = 0; i < n_samples; i++) {
		const struct sample *s = &samples[i];
		for (size_t n = 0; n < s->bytes.len; n += n < 64 ? 1 : STEP) {
			/* of the exact size, so that a read past it is seen */
			char *copy = malloc(n ? n : 1);
			memcpy(copy, s->bytes.data, n);
			is_refused(copy, n, &(struct deed){ s, "cut", n, 0 }, true);
			if (s->ours && n > 8 && !strstr(err.text, "truncated"))
				fail_msg("%s: cut at byte %zu: %s", s->name, n, err.text);
			free(copy);
		}
	}
}

/* In our streams all bits count. In others, which have no checksum, what is read has been walked. */
static void every_flipped_bit_is_refused_or_harmless(void **state)
{
	(void)state;
	for (int i = 0; i < n_samples; i++) {
		struct sample *s = &samples[i];
		struct part parts[PARTS_MAX];
		int n = parts_of(s, parts);
		for (int k = first_part(parts, n); k < n; k++)
			for (size_t at = parts[k].at; at < parts[k].end; at++)
				for (int bit = (int)(at % STEP); bit < 8; bit += STEP) {
					/* one of each byte in bodies and, past documents, of ours, whose every change is refused alike */
					if ((at >= parts[k].body || (s->ours && i > 1)) && bit != (int)(at % 8))
						continue;
					s->bytes.data[at] ^= (char)(1 << bit);
					is_refused(s->bytes.data, s->bytes.len, &(struct deed){ s, "bit", at, 1ULL << bit }, s->ours);
					s->bytes.data[at] ^= (char)(1 << bit);
				}
	}
}

/* --- lies -------------------------------------------------------------------------------------------------- */
/* Whatever a word is (a length, an offset, a slot of a vtable, a count, an index), these are the values to fear. u32 offsets lead
 * forward from where they stand: 0 is a cycle, others lead to the message's front, its end and one past it. */
static int lies(uint64_t v, int width, uint64_t at, uint64_t n, uint64_t out[16])
{
	uint64_t mask = width == 8 ? UINT64_MAX : (1ULL << 8 * width) - 1, high = mask ^ (mask >> 1);
	const uint64_t all[] = {
		0, 1, mask, high, high - 1, v - 1, v + 1, v ^ high, 0x7FFFFFFF, 0x80000000, 0 - at, n - at, n - at + 1, v + 8, v - 8, v * 2
	};
	int count = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		bool seen = (all[i] & mask) == v;
		for (int k = 0; k < count; k++)
			seen |= out[k] == (all[i] & mask);
		if (!seen)
			out[count++] = all[i] & mask;
	}
	return count;
}

static void lie_in_words(struct sample *s, size_t from, size_t to, int width)
{
	uint64_t values[16];

	for (size_t at = (from + (size_t)width - 1) & ~((size_t)width - 1); at + (size_t)width <= to; at += (size_t)width) {
		uint64_t v = 0;
		memcpy(&v, s->bytes.data + at, (size_t)width);
		int n = lies(v, width, at - from, to - from, values);
		for (int i = (int)(at / (size_t)width) % STEP; i < n; i += STEP) {
			memcpy(s->bytes.data + at, &values[i], (size_t)width);
			is_refused(s->bytes.data, s->bytes.len, &(struct deed){ s, "a lie", at, values[i] }, s->ours);
		}
		memcpy(s->bytes.data + at, &v, (size_t)width);
	}
}

/* Of ours one is enough, since any change is refused; the others have no checksum, so that all checks behind it are reached. */
static void every_lie_is_refused_or_harmless(void **state)
{
	(void)state;
	for (int i = 0; i < n_samples; i++) {
		struct sample *s = &samples[i];
		struct part parts[PARTS_MAX];
		int n = parts_of(s, parts);
		for (int k = first_part(parts, n); k < n && (!s->ours || i == 0); k++)
			for (int width = 2; width <= 8; width *= 2) {
				lie_in_words(s, parts[k].metadata, parts[k].body, width);
				/* lengths of compressed buffers; offsets, views and indices of plain ones */
				if (width > 2)
					lie_in_words(s, parts[k].body, parts[k].end, width);
			}
	}
}

/* --- messages in another order ------------------------------------------------------------------------ */
static void add_part(struct buf *to, const struct sample *s, const struct part *p)
{
	buf_add(to, s->bytes.data + p->at, p->end - p->at);
}

/* The parts of s, but from part i on those of order, a list of places from i (-1 ends it), then what stands behind them. */
static bool refuses_order(const struct sample *s, const struct part *parts, int n, int i, const int *order, int skip, const char *what)
{
	struct buf b = {0};

	buf_add(&b, s->bytes.data, parts[0].at);
	for (int k = 0; k < i; k++)
		add_part(&b, s, &parts[k]);
	for (; *order >= 0; order++)
		add_part(&b, s, &parts[i + *order]);
	for (int k = i + skip; k < n; k++)
		add_part(&b, s, &parts[k]);
	bool refused = is_refused(b.data, b.len, &(struct deed){ s, what, parts[i].at, 0 }, s->ours);
	buf_release(&b);
	return refused;
}

static void messages_left_out_repeated_or_swapped(void **state)
{
	(void)state;
	for (int i = 0; i < n_samples; i++) {
		const struct sample *s = &samples[i];
		struct part parts[PARTS_MAX];
		int n = parts_of(s, parts);
		for (int k = 0; k < n; k++) {
			bool first = k == 0, last = k == n - 1, file = parts[0].at > 0;
			assert_true(refuses_order(s, parts, n, k, (int[]){ -1 }, 1, "a part left out") || !(first || last || file));
			assert_true(refuses_order(s, parts, n, k, (int[]){ 0, 0, -1 }, 1, "a part repeated") || !(first || last || file));
			/* of a file two of one size may be swapped unseen by its footer */
			if (!last)
				assert_true(refuses_order(s, parts, n, k, (int[]){ 1, 0, -1 }, 2, "two parts swapped") ||
					    !(first || k == n - 2));
		}
	}
}

/* --- between messages ----------------------------------------------------------------------------------- */
static void anything_between_messages_is_refused(void **state)
{
	static const struct { const char *what, *bytes, *says; size_t n; } things[] = {
		{ "a failing writer's last word", "\xff\xff\xff\xff\x08\0\0\0", "the program that wrote it failed", 8 },
		{ "a message that does not come", "\xff\xff\xff\xff\x10\0\0\0", "", 8 },
		{ "negative metadata", "\xff\xff\xff\xff\xf8\xff\xff\xff", "impossible metadata size", 8 },
		{ "metadata of 2^31 bytes", "\xff\xff\xff\xff\0\0\0\x80", "impossible metadata size", 8 },
		{ "metadata of 12 bytes", "\xff\xff\xff\xff\x0c\0\0\0", "impossible metadata size", 8 },
		{ "an end too early", "\xff\xff\xff\xff\0\0\0\0", "", 8 },
		{ "zeros", "\0\0\0\0\0\0\0\0", "no Arrow message where one must begin", 8 },
		{ "a byte", "\xff", "", 1 }
	};

	(void)state;
	for (int i = 0; i < n_samples; i++) {
		const struct sample *s = &samples[i];
		struct part parts[PARTS_MAX];
		int n = parts_of(s, parts);
		for (int k = 0; k < n; k++)
			for (size_t t = 0; t < sizeof(things) / sizeof(things[0]); t++) {
				struct buf b = {0};
				buf_add(&b, s->bytes.data, parts[k].at);
				buf_add(&b, things[t].bytes, things[t].n);
				buf_add(&b, s->bytes.data + parts[k].at, s->bytes.len - parts[k].at);
				is_refused(b.data, b.len, &(struct deed){ s, things[t].what, parts[k].at, 0 }, true);
				if (k > 0 && parts[0].at == 0 && !strstr(err.text, things[t].says))
					fail_msg("%s: %s at byte %zu: %s", s->name, things[t].what, parts[k].at, err.text);
				buf_release(&b);
			}
	}
}

static void anything_behind_the_end_is_refused(void **state)
{
	(void)state;
	for (int i = 0; i < n_samples; i++) {
		const struct sample *s = &samples[i];
		struct buf b = {0};
		buf_add(&b, s->bytes.data, s->bytes.len);
		buf_char(&b, 0);
		is_refused(b.data, b.len, &(struct deed){ s, "a byte behind the end", b.len, 0 }, true);
		b.len--;
		buf_add(&b, s->bytes.data, s->bytes.len);
		is_refused(b.data, b.len, &(struct deed){ s, "the stream again", s->bytes.len, 0 }, true);
		buf_release(&b);
	}
}

/* --- lies under a checksum that is right ------------------------------------------------------------------- */
/* The value of a key in the metadata of a part; NULL if it has none. */
static char *value_of(const struct sample *s, const struct part *p, const char *key, uint32_t *n)
{
	struct message m;

	assert_int_equal(message_parse(&m, s->bytes.data + p->metadata, (uint32_t)(p->body - p->metadata), NULL), OK);
	const char *v = message_meta(&m, key, n);
	return v ? s->bytes.data + (v - s->bytes.data) : NULL;
}

/* Makes the closing batch's checksum that of the stream as it stands. */
static void seal(struct sample *s, const struct part *parts, int n)
{
	const struct part *closing = &parts[n - 2];
	struct hasher *h = hasher_open();
	char digits[17];
	uint32_t len;
	char *sum = value_of(s, closing, "quern.xxh3", &len);

	memcpy(sum, "0000000000000000", 16);
	for (int k = 0; k < n - 1; k++)
		hasher_add(h, s->bytes.data + parts[k].at, parts[k].body - parts[k].at);
	hasher_add(h, s->bytes.data + closing->body, closing->end - closing->body);
	snprintf(digits, sizeof(digits), "%016llx", (unsigned long long)hasher_64(h));
	memcpy(sum, digits, 16);
	hasher_close(h);
}

static void totals_are_held_to_the_rows(void **state)
{
	static const struct { int part; const char *key, *value, *says; } cases[] = {
		{ 3, "quern.rows", "4", "x: batch 2: closing batch counts 4 rows in 2 batches, not 3 in 2" },
		{ 3, "quern.batches", "3", "x: batch 2: closing batch counts 3 rows in 3 batches, not 3 in 2" },
		{ 3, "quern.rows", "x", "x: batch 2: closing batch lacks its totals" },
		{ 2, "quern.seq", "2", "x: batch 1: out of sequence: numbered 2" },
		{ 2, "quern.seq", "0", "x: batch 1: out of sequence: numbered 0" },
		{ 2, "quern.seq", "-", "x: batch 1: no checksum" },
	};
	struct sample *s = &samples[0];
	struct part parts[PARTS_MAX];
	uint32_t len;
	int n = parts_of(s, parts);

	(void)state;
	assert_int_equal(n, 5);              /* schema, two batches, the closing one, the marker */
	seal(s, parts, n);
	assert_int_equal(read_rows(s->bytes.data, s->bytes.len), END);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *v = value_of(s, &parts[cases[i].part], cases[i].key, &len), was = *v;
		assert_int_equal(len, 1);
		*v = cases[i].value[0];
		seal(s, parts, n);
		enum status st = read_rows(s->bytes.data, s->bytes.len);
		assert_int_equal(st, ERR_DATA);
		assert_string_equal(err.text, cases[i].says);
		*v = was;
		seal(s, parts, n);
	}
}

/* --- shapes --------------------------------------------------------------------------------------------------- */
static void nest(struct field *f, int depth)
{
	*f = (struct field){ .name = mem_strdup("f"), .type = depth ? T_LIST : T_INT32, .n_children = depth > 0 };
	if (!depth)
		return;
	f->children = mem_array(1, sizeof(*f->children));
	nest(f->children, depth - 1);
}

/* A schema message and the marker; the schema is released. */
static enum status read_schema_alone(struct schema *s)
{
	static const char marker[] = "\xff\xff\xff\xff\0\0\0\0";
	struct buf metadata = {0}, b = {0};

	arrow_write_schema(s, &metadata);
	schema_release(s);
	buf_add(&b, marker, 4);
	buf_add(&b, &(uint32_t){ (uint32_t)metadata.len }, 4);
	buf_add(&b, metadata.data, metadata.len);
	buf_add(&b, marker, 8);
	enum status st = read_rows(b.data, b.len);
	buf_release(&metadata);
	buf_release(&b);
	return st;
}

static void depth_and_width_have_limits(void **state)
{
	static const int depths[] = { ARROW_DEPTH_MAX - 1, ARROW_DEPTH_MAX, 10000 };

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct schema s = { .n_fields = 1, .fields = mem_array(1, sizeof(struct field)) };
		nest(&s.fields[0], depths[i]);
		assert_int_equal(read_schema_alone(&s), i == 0 ? END : ERR_UNSUPPORTED);
		if (i > 0)
			assert_string_equal(err.text, "x: schema nests deeper than 64");
	}
	for (int n = ARROW_FIELDS_MAX; n <= ARROW_FIELDS_MAX + 1; n++) {
		struct schema s = { .n_fields = n, .fields = mem_array((size_t)n, sizeof(struct field)) };
		for (int i = 0; i < n; i++)
			nest(&s.fields[i], 0);
		enum status st = read_schema_alone(&s);
		assert_int_equal(st, n == ARROW_FIELDS_MAX ? END : ERR_DATA);
	}
}

/* Of all the lies above none made us believe in a size. (The sanitizers' own memory is counted in, so not there.) */
#if SELDOM == 1
static void no_lie_cost_memory(void **state)
{
	(void)state;
	assert_in_range(mem_peak(), 0, PEAK_BYTES_MAX);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cut_is_refused),
		cmocka_unit_test(every_flipped_bit_is_refused_or_harmless),
		cmocka_unit_test(every_lie_is_refused_or_harmless),
		cmocka_unit_test(messages_left_out_repeated_or_swapped),
		cmocka_unit_test(anything_between_messages_is_refused),
		cmocka_unit_test(anything_behind_the_end_is_refused),
		cmocka_unit_test(totals_are_held_to_the_rows),
		cmocka_unit_test(depth_and_width_have_limits),
#if SELDOM == 1
		cmocka_unit_test(no_lie_cost_memory),
#endif
	};
	return cmocka_run_group_tests(tests, open_samples, close_samples);
}
