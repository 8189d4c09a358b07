/* Ids against Hugging Face tokenizers (goldens of tests/reference/make_tokenizer_goldens.py), and what hostile text and
 * tokenizer files do. */
#include "unit.h"

#include "base/file.h"
#include "base/rng.h"
#include "token/bpe_walk.h"
#include "token/pretok_word.h"
#include "token/tokenizer_priv.h"
#include "token/unicode.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <utf8proc.h>

#define GOLDENS "tests/golden/data/token/"

static struct tokenizer *load(const char *name)
{
	char path[256];
	struct tokenizer *t = NULL;
	struct error err;

	snprintf(path, sizeof(path), GOLDENS "%s.json", name);
	if (tokenizer_load(&t, path, &err) != OK)
		fail_msg("%s", err.text);
	return t;
}

static void same_ids(const struct ids *got, const struct json *want, const char *text)
{
	bool same = got->n == (int64_t)want->len;

	for (int64_t i = 0; same && i < got->n; i++)
		same = got->v[i] == want->items[i].integer;
	if (!same)
		fail_msg("other ids for '%s'", text);
}

/* Calls check for each line of a JSON Lines file. */
static void each_line(const char *path, void (*check)(const struct json *line))
{
	struct buf b = {0};
	struct json_parser *p = json_parser_open();
	struct error err;
	int n = 0;

	assert_int_equal(file_read_all(path, 1 << 24, &b, &err), OK);
	for (char *s = b.data, *nl; (nl = strchr(s, '\n')); s = nl + 1, n++) {
		const struct json *j;

		assert_int_equal(json_parse(p, s, (size_t)(nl - s), &j, &err), OK);
		check(j);
	}
	assert_true(n > 5);
	json_parser_close(p);
	buf_release(&b);
}

static struct tokenizer *current;
static struct tokenizer_scratch *scratch;
static char current_name[32];

static void check_encode(const struct json *line)
{
	const struct json *text = json_get(line, "text");
	struct ids out = {0};
	struct buf back = {0};

	if (strcmp(current_name, json_get_str(line, "pattern", ""))) {
		tokenizer_scratch_close(scratch);
		tokenizer_close(current);
		snprintf(current_name, sizeof(current_name), "%s", json_get_str(line, "pattern", ""));
		current = load(current_name);
		scratch = tokenizer_scratch_open(current);
	}
	for (int again = 0; again < 2; again++) { /* the second time from the cache */
		out.n = 0;
		assert_int_equal(tokenizer_encode(current, scratch, text->str, text->len, true, &out, NULL), OK);
		same_ids(&out, json_get(line, "ids"), text->str);
	}
	tokenizer_decode(current, out.v, out.n, false, &back);
	assert_int_equal(back.len, text->len);
	assert_memory_equal(back.len ? back.data : "", text->str, text->len);
	buf_release(&back);
	ids_release(&out);
}

static void close_current(void)
{
	tokenizer_scratch_close(scratch);
	tokenizer_close(current);
	scratch = NULL;
	current = NULL;
	current_name[0] = 0;
}

static void ids_are_those_of_the_reference(void **state)
{
	(void)state;
	each_line(GOLDENS "encode.jsonl", check_encode);
	close_current();
}

/* A text that is long enough for the walk, where the model has one, merges as by way of the heap. */
static void check_long(const char *p, size_t n)
{
	struct bpe_scratch w = {.long_pieces = 1 << 30};
	struct ids out = {0}, want = {0};
	struct buf text = {0};

	for (int i = 0; i < 4; i++)
		buf_add(&text, p, n);
	buf_reserve(&text, 1);
	bpe_encode(&current->bpe, &w, (const uint8_t *)text.data, text.len, &out);
	bpe_encode_by_heap(&current->bpe, &w, (const uint8_t *)text.data, text.len, &want);
	assert_int_equal(out.n, want.n);
	if (out.n)
		assert_memory_equal(out.v, want.v, (size_t)out.n * sizeof(*out.v));
	ids_release(&out);
	ids_release(&want);
	buf_release(&text);
	bpe_scratch_release(&w);
}

/* The ids one by one give the same text, and no half character on the way. */
static void decodes_bit_by_bit(const struct ids *ids, const char *want, size_t n)
{
	struct decode_stream d = {0};
	struct buf back = {0};

	buf_reserve(&back, 1);
	for (int64_t i = 0; i < ids->n; i++) {
		tokenizer_decode_more(current, &d, ids->v + i, 1, false, &back);
		assert_int_equal(utf8_valid_prefix(back.data, back.len), back.len);
	}
	tokenizer_decode_end(&d, &back);
	assert_int_equal(back.len, n);
	assert_memory_equal(back.data, want, n);
	buf_release(&back);
}

static void check_manner_text(const char *name, const struct json *c)
{
	const struct json *text = json_get(c, "text"), *want = json_get(c, "decoded"), *places = json_get(c, "ends");
	struct ids out = {0}, ends = {0};
	struct encode_options o = {.ends = &ends};
	struct buf back = {0};

	for (int again = 0; again < 2; again++) { /* the second time from the cache */
		out.n = 0;
		assert_int_equal(tokenizer_encode(current, scratch, text->str, text->len, true, &out, NULL), OK);
		same_ids(&out, json_get(c, "ids"), text->str);
	}
	tokenizer_decode(current, out.v, out.n, false, &back);
	if (back.len != want->len || memcmp(back.len ? back.data : "", want->str, want->len) != 0)
		fail_msg("%s: '%s' decodes to '%s', not '%s'", name, text->str, back.data, want->str);
	decodes_bit_by_bit(&out, want->str, want->len);
	out.n = 0;
	assert_int_equal(tokenizer_encode_with(current, scratch, text->str, text->len, &o, &out, NULL), OK);
	same_ids(&out, json_get(c, "ids"), text->str);
	assert_int_equal(ends.n, out.n);
	for (size_t i = 0; places && i < places->len; i++) {
		int32_t end = ends.v[i];

		while ((text->str[end] & 0xc0) == 0x80) /* a byte of a character ends for the reference where that does */
			end++;
		if (end != places->items[i].integer)
			fail_msg("%s: '%s': token %zu ends at %d, not %lld", name, text->str, i, (int)end, (long long)places->items[i].integer);
	}
	buf_release(&back);
	ids_release(&out);
	ids_release(&ends);
	check_long(text->str, text->len);
}

/* A tokenizer.json of a model and a manner's other parts. */
static struct tokenizer *load_manner(const struct json *model, const struct json *parts)
{
	char path[] = "/tmp/quern-test-XXXXXX";
	struct buf b = {0};
	struct json_writer w = json_writer_open(&b, 0);
	struct tokenizer *t = NULL;
	struct error err;

	assert_true(close(mkstemp(path)) == 0);
	json_begin_object(&w);
	json_key(&w, "model");
	json_value(&w, model);
	for (size_t i = 0; i < parts->len; i++) {
		json_key(&w, parts->keys[i].str);
		json_value(&w, &parts->items[i]);
	}
	json_end_object(&w);
	assert_int_equal(file_write_all(path, b.data, b.len, &err), OK);
	if (tokenizer_load(&t, path, &err) != OK)
		fail_msg("%s", err.text);
	unlink(path);
	buf_release(&b);
	return t;
}

static void every_manner_is_that_of_the_reference(void **state)
{
	struct json_parser *p = json_parser_open();
	const struct json *root, *list;
	struct error err;

	(void)state;
	assert_int_equal(json_parse_file(p, GOLDENS "manners.json", &root, &err), OK);
	list = json_get(root, "manners");
	assert_true(list->len > 20);
	for (size_t i = 0; i < list->len; i++) {
		const struct json *m = &list->items[i], *texts = json_get(m, "texts");
		current = load_manner(json_get(json_get(root, "models"), json_get_str(m, "model", "")), json_get(m, "parts"));
		scratch = tokenizer_scratch_open(current);
		for (size_t k = 0; k < texts->len; k++)
			check_manner_text(json_get_str(m, "name", ""), &texts->items[k]);
		close_current();
	}
	json_parser_close(p);
}

/* GPT-2's form: the same ids as the tokenizer.json of the same model. */
static void vocab_and_merges_are_the_same_tokenizer(void **state)
{
	static const char *const texts[] = {"the miller grinds", " it's  1848\n\n", "M\xc3\xbchle \xe6\xb0\xb4", "<|endoftext|>x", ""};
	struct tokenizer *t = load("gpt2"), *u;
	struct tokenizer_scratch *s = tokenizer_scratch_open(t), *v;
	struct error err;

	(void)state;
	if (tokenizer_load(&u, GOLDENS "vocab", &err) != OK)
		fail_msg("%s", err.text);
	v = tokenizer_scratch_open(u);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct ids a = {0}, b = {0};

		assert_int_equal(tokenizer_encode(t, s, texts[i], strlen(texts[i]), true, &a, NULL), OK);
		assert_int_equal(tokenizer_encode(u, v, texts[i], strlen(texts[i]), true, &b, NULL), OK);
		assert_int_equal(a.n, b.n);
		assert_true(a.n == 0 || memcmp(a.v, b.v, (size_t)a.n * sizeof(*a.v)) == 0);
		ids_release(&a);
		ids_release(&b);
	}
	tokenizer_scratch_close(s);
	tokenizer_scratch_close(v);
	tokenizer_close(t);
	tokenizer_close(u);
}

static void other_forms_are_written_where_they_say_the_same(void **state)
{
	char dir[] = "/tmp/quern-test-XXXXXX", path[64];
	struct tokenizer *t = NULL, *again = NULL;
	struct tokenizer_scratch *s, *s2;
	struct ids a = {0}, b = {0};
	struct buf made = {0};
	struct error err;
	const char text[] = "the miller's  grain 1848\n \xc3\xa9\xe6\xb0\xb4 stream<|endoftext|>";

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(tokenizer_load(&t, GOLDENS "vocab", &err), OK);
	assert_int_equal(tokenizer_export(t, dir, &err), OK);
	assert_int_equal(tokenizer_load(&again, dir, &err), OK);
	s = tokenizer_scratch_open(t);
	s2 = tokenizer_scratch_open(again);
	assert_int_equal(tokenizer_encode(t, s, text, sizeof(text) - 1, true, &a, &err), OK);
	assert_int_equal(tokenizer_encode(again, s2, text, sizeof(text) - 1, true, &b, &err), OK);
	assert_int_equal(a.n, b.n);
	assert_memory_equal(a.v, b.v, (size_t)a.n * sizeof(*a.v));
	snprintf(path, sizeof(path), "%s/x.tiktoken", dir);
	assert_int_equal(tokenizer_export(t, path, &err), OK);
	assert_int_equal(file_read_all(path, 1 << 20, &made, &err), OK);
	assert_memory_equal(made.data, "IQ== ", 5);          /* "!" is the first byte of the alphabet */
	unlink(path);
	snprintf(path, sizeof(path), "%s/x.txt", dir);
	assert_int_equal(tokenizer_export(t, path, &err), ERR_USAGE);
	snprintf(path, sizeof(path), "%s/vocab.json", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/merges.txt", dir);
	unlink(path);
	tokenizer_close(again);
	again = load("qwen2");
	assert_int_equal(tokenizer_export(again, dir, &err), ERR_UNSUPPORTED);
	assert_non_null(strstr(err.text, "GPT-2's pattern"));
	rmdir(dir);
	buf_release(&made);
	ids_release(&a);
	ids_release(&b);
	tokenizer_scratch_close(s);
	tokenizer_scratch_close(s2);
	tokenizer_close(t);
	tokenizer_close(again);
}

static void put_rank(struct buf *out, const uint8_t *p, size_t n, int rank)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t v = (uint32_t)p[0] << 16 | (n > 1 ? (uint32_t)p[1] << 8 : 0);

	buf_char(out, digits[v >> 18]);
	buf_char(out, digits[v >> 12 & 63]);
	buf_char(out, n > 1 ? digits[v >> 6 & 63] : '=');
	buf_printf(out, "= %d\n", rank);
}

static enum status load_text(const char *text, size_t n, struct tokenizer **t, struct error *err)
{
	char path[] = "/tmp/quern-test-XXXXXX";

	assert_true(close(mkstemp(path)) == 0);
	assert_int_equal(file_write_all(path, text, n, err), OK);
	enum status st = tokenizer_load(t, path, err);
	unlink(path);
	return st;
}

/* As many ranks as r50k_base has: the bytes, and pairs of them in order. */
static void a_table_of_ranks_merges_by_rank(void **state)
{
	static const struct { const char *text; int n, ids[4]; } cases[] = {
		{"ab", 1, {256 + 'a' * 256 + 'b'}},
		{"abc", 2, {256 + 'a' * 256 + 'b', 'c'}},         /* ab comes before bc */
		{"cba", 2, {'c', 256 + 'b' * 256 + 'a'}},
		{"a b", 2, {'a', 256 + ' ' * 256 + 'b'}},         /* cut before the space */
		{"abab", 2, {256 + 'a' * 256 + 'b', 256 + 'a' * 256 + 'b'}},
		{"<|endoftext|>", 1, {50256}},
	};
	struct buf text = {0};
	struct tokenizer *t;
	struct error err;

	(void)state;
	for (int b = 0; b < 256; b++)
		put_rank(&text, &(uint8_t){(uint8_t)b}, 1, b);
	for (int k = 0; k < 50000; k++)
		put_rank(&text, (uint8_t[]){(uint8_t)(k >> 8), (uint8_t)k}, 2, 256 + k);
	if (load_text(text.data, text.len, &t, &err) != OK)
		fail_msg("%s", err.text);
	struct tokenizer_scratch *s = tokenizer_scratch_open(t);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ids out = {0};

		assert_int_equal(tokenizer_encode(t, s, cases[i].text, strlen(cases[i].text), true, &out, NULL), OK);
		assert_int_equal(out.n, cases[i].n);
		assert_memory_equal(out.v, cases[i].ids, (size_t)out.n * sizeof(*out.v));
		ids_release(&out);
	}
	tokenizer_scratch_close(s);
	tokenizer_close(t);
	assert_int_equal(load_text("IQ== 0\nIg== 1\n", 14, &t, &err), ERR_UNSUPPORTED);
	assert_non_null(strstr(err.text, "2 ranks: its pattern is not known"));
	assert_int_equal(load_text("IQ== 0\nI*== 1\n", 14, &t, &err), ERR_DATA);
	assert_non_null(strstr(err.text, "line 2: expected a token in base64 and its rank"));
	buf_release(&text);
}

static void check_added(const struct json *line)
{
	const struct json *text = json_get(line, "text"), *around = json_get(line, "around");
	const struct ids *before, *after;
	struct ids out = {0};
	struct buf back = {0};

	assert_int_equal(tokenizer_encode(current, scratch, text->str, text->len, true, &out, NULL), OK);
	same_ids(&out, json_get(line, "ids"), text->str);
	tokenizer_decode(current, out.v, out.n, false, &back);
	assert_string_equal(back.data ? back.data : "", json_get_str(line, "decoded", "?"));
	tokenizer_around(current, &before, &after);
	assert_int_equal(before->n + out.n + after->n, around->len);
	assert_int_equal(before->v[0], around->items[0].integer);
	assert_int_equal(after->v[0], around->items[around->len - 1].integer);
	buf_release(&back);
	ids_release(&out);
}

static void added_tokens_are_found_as_the_reference_finds_them(void **state)
{
	(void)state;
	current = load("added");
	scratch = tokenizer_scratch_open(current);
	each_line(GOLDENS "added.jsonl", check_added);
	close_current();
}

static void special_tokens_are_text_unless_asked_for(void **state)
{
	struct tokenizer *t = load("qwen2");
	struct tokenizer_scratch *s = tokenizer_scratch_open(t);
	struct ids as_special = {0}, as_text = {0};
	struct buf back = {0};

	(void)state;
	tokenizer_encode(t, s, "a<|im_end|>", 11, true, &as_special, NULL);
	tokenizer_encode(t, s, "a<|im_end|>", 11, false, &as_text, NULL);
	assert_int_equal(as_special.n, 2);
	assert_int_equal(as_special.v[1], 2);
	assert_true(tokenizer_is_special(t, 2));
	assert_true(as_text.n > 2);
	for (int64_t i = 0; i < as_text.n; i++)
		assert_false(tokenizer_is_special(t, as_text.v[i]));
	tokenizer_decode(t, as_special.v, as_special.n, true, &back);
	assert_string_equal(back.data, "a");
	buf_release(&back);
	ids_release(&as_special);
	ids_release(&as_text);
	tokenizer_scratch_close(s);
	tokenizer_close(t);
}

static void invalid_utf8_is_the_replacement_character(void **state)
{
	static const struct { const char *bad, *good; } cases[] = {
		{"a\xff" "b", "a\xef\xbf\xbd" "b"}, {"\xe6\x97", "\xef\xbf\xbd"}, {"\xf0\x9f\x98x", "\xef\xbf\xbdx"},
		{"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, {"\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd"}};
	struct tokenizer *t = load("gpt2");
	struct tokenizer_scratch *s = tokenizer_scratch_open(t);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ids out = {0};
		struct buf back = {0};

		assert_int_equal(tokenizer_encode(t, s, cases[i].bad, strlen(cases[i].bad), true, &out, NULL), OK);
		tokenizer_decode(t, out.v, out.n, false, &back);
		assert_string_equal(back.data, cases[i].good);
		buf_release(&back);
		ids_release(&out);
	}
	tokenizer_scratch_close(s);
	tokenizer_close(t);
}

/* "Repeat: merge the leftmost pair of lowest rank", as plainly as it can be written. */
static void naive(const struct bpe *m, const uint8_t *p, size_t n, struct ids *out)
{
	for (size_t i = 0; i < n; i++)
		ids_push(out, m->byte_id[p[i]]);
	for (;;) {
		int64_t best = -1;
		uint32_t lowest = BPE_NO_RANK;

		for (int64_t i = 0; i + 1 < out->n; i++)
			if (bpe_rank(m, out->v[i], out->v[i + 1]) < lowest) {
				lowest = bpe_rank(m, out->v[i], out->v[i + 1]);
				best = i;
			}
		if (best < 0)
			return;
		out->v[best] = m->merged[lowest];
		memmove(out->v + best + 1, out->v + best + 2, (size_t)(out->n - best - 2) * sizeof(*out->v));
		out->n--;
	}
}

static void assert_same(const struct ids *got, const struct ids *want)
{
	assert_int_equal(got->n, want->n);
	assert_memory_equal(got->v, want->v, (size_t)got->n * sizeof(*got->v));
}

static void check_merging(const struct bpe *m, const struct bpe_walk *walk, struct bpe_scratch *w, const uint8_t *p, size_t n)
{
	static const char *const isas[] = {"plain", "avx2", "avx512"};
	struct ids slow = {0}, fast = {0};

	naive(m, p, n, &slow);
	for (size_t k = 0; k < 3; k++) {
		if (!bpe_force(isas[k]))
			continue;
		fast.n = 0;
		bpe_encode(m, w, p, n, &fast);
		assert_same(&fast, &slow);
	}
	bpe_force(NULL);
	fast.n = 0;
	bpe_encode_by_heap(m, w, p, n, &fast);
	assert_same(&fast, &slow);
	if (walk) {
		fast.n = 0;
		bpe_walk_encode(walk, m, &w->walk, p, n, &fast);
		assert_same(&fast, &slow);
	}
	ids_release(&slow);
	ids_release(&fast);
}

static void vectors_heap_and_walk_merge_as_the_definition_says(void **state)
{
	static const char *const names[] = {"gpt2", "llama3", "o200k"}, *const letters[] = {" theamilr", "aaaaaaae", "the mill", "\n\n \n  \n"};
	struct bpe_scratch w = {0};
	struct rng r = rng_open(1, 2);

	(void)state;
	for (size_t v = 0; v < 3; v++) {
		struct tokenizer *t = load(names[v]);
		struct bpe_walk *walk = bpe_walk_open(&t->bpe);

		assert_non_null(walk);
		for (size_t n = 1; n < 600; n++) {
			uint8_t text[150];

			for (size_t i = 0; i < n % 150; i++)
				text[i] = (uint8_t)letters[n / 150][rng_below(&r, 8)];
			check_merging(&t->bpe, walk, &w, text, n % 150);
		}
		bpe_walk_close(walk);
		tokenizer_close(t);
	}
	bpe_scratch_release(&w);
}

/* "bc" is made after "a" + "bc" could have merged, so that comes at once: no order of time, and no walk. */
static void merges_out_of_order_go_by_the_heap(void **state)
{
	struct bpe m;
	struct bpe_scratch w = {0};
	struct rng r = rng_open(3, 4);

	(void)state;
	bpe_init(&m, 3);
	for (int b = 0; b < 256; b++)
		m.byte_id[b] = b;
	bpe_add_merge(&m, 'a', 257, 0, 256);
	bpe_add_merge(&m, 'b', 'c', 1, 257);
	bpe_add_merge(&m, 'c', 'a', 2, 258);
	bpe_finish(&m);
	assert_null(bpe_walk_open(&m));
	for (size_t n = 1; n < 100; n++) {
		uint8_t text[100];

		for (size_t i = 0; i < n; i++)
			text[i] = (uint8_t)"abc"[rng_below(&r, 3)];
		w.long_pieces = 1 << 30;
		check_merging(&m, NULL, &w, text, n);
	}
	bpe_release(&m);
	bpe_scratch_release(&w);
}

/* Random pairs merge, in order of time or in none; what makes the same text is the same token. */
static void any_list_of_merges_gives_what_the_definition_says(void **state)
{
	enum { MERGES = 24 };
	struct bpe_scratch w = {.long_pieces = 1 << 30};
	struct rng r = rng_open(5, 6);
	int walked = 0;

	(void)state;
	for (int round = 0; round < 400; round++) {
		char text[256 + MERGES][80] = {{0}};
		uint32_t rank[MERGES];
		int n = 256;
		struct bpe m;

		bpe_init(&m, MERGES);
		for (int b = 0; b < 256; b++)
			m.byte_id[b] = b;
		for (int b = 'a'; b <= 'c'; b++)
			text[b][0] = (char)b;
		for (uint32_t i = 0; i < MERGES; i++)
			rank[i] = i;
		for (int i = round % 2 ? MERGES - 1 : 0; i > 0; i--) { /* every other list in no order */
			int k = (int)rng_below(&r, (uint64_t)i + 1);
			uint32_t swap = rank[i];
			rank[i] = rank[k];
			rank[k] = swap;
		}
		for (int i = 0; i < MERGES; i++) {
			char both[160];
			int part[2], id = 256;

			for (int k = 0; k < 2; k++) {
				int any = (int)rng_below(&r, (uint64_t)(n - 253));
				part[k] = any < 3 ? 'a' + any : 253 + any;
			}
			snprintf(both, sizeof(both), "%s%s", text[part[0]], text[part[1]]);
			if (strlen(both) > 40)
				continue;
			while (id < n && strcmp(text[id], both))
				id++;
			memcpy(text[id], both, strlen(both) + 1);
			n += id == n;
			bpe_add_merge(&m, part[0], part[1], rank[i], id);
		}
		bpe_finish(&m);
		struct bpe_walk *walk = bpe_walk_open(&m);
		walked += walk != NULL;
		for (int k = 0; k < 30; k++) {
			uint8_t piece[60];
			size_t len = 1 + rng_below(&r, 60);

			for (size_t i = 0; i < len; i++)
				piece[i] = (uint8_t)('a' + rng_below(&r, 1 + (uint64_t)k % 3));
			check_merging(&m, walk, &w, piece, len);
		}
		bpe_walk_close(walk);
		bpe_release(&m);
	}
	assert_true(walked > 100 && walked < 300); /* both kinds of list have been there */
	bpe_scratch_release(&w);
}

static void words_found_by_vectors_are_those_of_the_scan(void **state)
{
	static const char *const parts[] = {"a", "Z", "the", "Mill", "HELLo", " ", "\n", "'", "s", "ll", "1", ".", "\xc3\xa9", "\xe6\xb0\xb4", "abcdefghijklmno", "@", "[", "`", "{", "_", "(", "\t", "\r", "0", "9", "/", ":"};
	struct rng r = rng_open(9, 1);
	long found = 0;

	(void)state;
	unicode_init();
	for (int round = 0; round < 20000; round++) {
		struct buf text = {0};

		while (text.len < 40)
			buf_str(&text, parts[rng_below(&r, sizeof(parts) / sizeof(*parts))]);
		for (enum pretok_kind kind = PRETOK_NONE; kind <= PRETOK_WORDS; kind++)
			for (size_t i = 0, to; i < text.len; i = to) {
				size_t word = pretok_word(kind, (uint8_t *)text.data, i, text.len);

				to = pretok_scan(kind, (uint8_t *)text.data, i, text.len);
				if (word)
					assert_int_equal(word, to);
				found += word != 0;
			}
		buf_release(&text);
	}
#ifdef __SSE2__
	assert_true(found > 100000);
#endif
}

static void a_megabyte_without_a_cut_is_no_trouble(void **state)
{
	struct tokenizer *t = load("llama3");
	struct tokenizer_scratch *s = tokenizer_scratch_open(t);
	size_t n = 1 << 20;
	char *text = mem_alloc(n);
	struct ids out = {0};

	(void)state;
	memset(text, 'a', n);
	assert_int_equal(tokenizer_encode(t, s, text, n, true, &out, NULL), OK);
	assert_true(out.n > 1000);
	mem_free(text);
	ids_release(&out);
	tokenizer_scratch_close(s);
	tokenizer_close(t);
}

static void normalization_orders_long_runs_of_marks(void **state)
{
	struct buf in = {0}, out = {0};

	(void)state;
	unicode_init();
	assert_false(unicode_nfc("plain \xc3\xa9", 8, &out));
	assert_true(unicode_nfc("e\xcc\x81", 3, &out));
	assert_string_equal(out.data, "\xc3\xa9");
	buf_clear(&out);
	for (int i = 0; i < 200000; i++) /* quadratic with an insertion sort */
		buf_str(&in, i & 1 ? "\xcc\xa3" : "\xcc\x81");
	assert_true(unicode_nfc(in.data, in.len, &out));
	assert_int_equal(out.len, in.len);
	assert_memory_equal(out.data, "\xcc\xa3\xcc\xa3", 4);
	buf_release(&in);
	buf_release(&out);
}

/* Letters with and without marks, Hangul by syllables and letters, characters that decompose to others for good. */
static uint32_t character(struct rng *r)
{
	static const uint32_t some[] = {'a', 'e', 'n', ' ', 0xe9, 0x1ebf, 0x301, 0x302, 0x323, 0x345, 0x308, 0x304, 0x1100, 0x1161, 0x11a8, 0xac00, 0xac01,
					0x212b, 0x2126, 0xf900, 0xfb1d, 0x9c7, 0x9be, 0x9d7, 0x4e2d, 0x3042, 0x3099, 0x304b, 0x1d15e, 0x1f600,
					0x110a5, 0x110ba, 0x2f800, 0xfffd, 0xe000, 0x0f71, 0x0f72, 0x0f73, 0x0344, 0x958};
	uint32_t cp;

	if (rng_below(r, 4))
		return some[rng_below(r, sizeof(some) / sizeof(*some))];
	do
		cp = 1 + (uint32_t)rng_below(r, 0x2ffff);
	while ((cp >= 0xd800 && cp < 0xe000) || unicode_is_too_new(cp)); /* utf8proc's forms are younger */
	return cp;
}

static void normalizing_in_parts_is_normalizing_the_whole(void **state)
{
	struct rng r = rng_open(8, 0);

	(void)state;
	unicode_init();
	for (int round = 0; round < 20000; round++) {
		struct buf in = {0}, out = {0};

		for (uint64_t n = rng_below(&r, 24); n > 0; n--) {
			char c[4];
			buf_add(&in, c, (size_t)utf8_encode(character(&r), c));
		}
		buf_add(&in, "", 0);
		char *want = (char *)utf8proc_NFC((const utf8proc_uint8_t *)in.data);
		bool changed = unicode_nfc(in.data, in.len, &out);
		assert_string_equal(changed ? out.data : in.data, want);
		free(want);
		buf_release(&in);
		buf_release(&out);
	}
}

static void what_is_not_supported_is_refused_by_name(void **state)
{
	static const struct { const char *model, *rest, *says; } cases[] = {
		{"\"type\":\"Unigram\"", "", "model type 'Unigram' is not supported"},
		{"\"type\":\"BPE\",\"dropout\":0.1", "", "'dropout' is not supported"},
		{"\"type\":\"BPE\",\"end_of_word_suffix\":\"</w>\"", "", "'end_of_word_suffix' is not supported"},
		{"\"type\":\"BPE\"", ",\"normalizer\":{\"type\":\"Precompiled\"}", "normalizer 'Precompiled' is not supported"},
		{"\"type\":\"BPE\"", ",\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},{\"type\":\"Nmt\"}]}", "normalizer 'Nmt'"},
		{"\"type\":\"BPE\"", ",\"pre_tokenizer\":{\"type\":\"UnicodeScripts\"}", "pre-tokenizer 'UnicodeScripts' is not supported"},
		{"\"type\":\"BPE\"", ",\"pre_tokenizer\":{\"type\":\"Split\",\"behavior\":\"Backwards\"}", "Split with behavior 'Backwards'"},
		{"\"type\":\"BPE\"", ",\"decoder\":{\"type\":\"WordPiece\"}", "decoder 'WordPiece' is not supported"},
		{"\"type\":\"BPE\"", ",\"pre_tokenizer\":{\"type\":\"ByteLevel\"}", "decoder 'null' is not supported"},
		{"\"type\":\"BPE\"", ",\"pre_tokenizer\":{\"type\":\"Split\",\"behavior\":\"Isolated\",\"pattern\":{\"Regex\":\"(\"}}", "at byte"},
	};
	char path[] = "/tmp/quern-test-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char json[512];
		struct tokenizer *t;
		struct error err;

		snprintf(json, sizeof(json), "{\"model\":{%s,\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]}%s}", cases[i].model, cases[i].rest);
		assert_int_equal(file_write_all(path, json, strlen(json), &err), OK);
		assert_true(tokenizer_load(&t, path, &err) < 0);
		if (!strstr(err.text, cases[i].says))
			fail_msg("'%s' does not say '%s'", err.text, cases[i].says);
	}
	close(fd);
	unlink(path);
}

/* Merges are looked up some at a time: the first that is wrong is told, whichever way it is. */
static void a_wrong_merge_is_told_by_its_number(void **state)
{
	static const struct { int at; const char *merge, *says; } cases[] = {
		{0, "\"a zz\"", "merge 0: 'zz' is not in the vocabulary"},
		{20, "\"zz b\"", "merge 20: 'zz b' is not in the vocabulary"},
		{20, "[\"b\",\"a\"]", "merge 20: 'ba' is not in the vocabulary"},
		{17, "\"ab\"", "merge 17: expected two tokens"},
		{17, "[\"a\"]", "merge 17: expected two tokens"},
		{17, "\"a zz\",7", "merge 17: 'zz' is not in the vocabulary"},
	};
	char path[] = "/tmp/quern-test-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf json = {0};
		struct tokenizer *t;
		struct error err;

		buf_str(&json, "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[");
		for (int k = 0; k < cases[i].at; k++)
			buf_str(&json, "\"a b\",");
		buf_printf(&json, "%s,\"a b\"]}}", cases[i].merge);
		assert_int_equal(file_write_all(path, json.data, json.len, &err), OK);
		assert_int_equal(tokenizer_load(&t, path, &err), ERR_DATA);
		if (!strstr(err.text, cases[i].says))
			fail_msg("'%s' does not say '%s'", err.text, cases[i].says);
		buf_release(&json);
	}
	close(fd);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wrong_merge_is_told_by_its_number),
		cmocka_unit_test(ids_are_those_of_the_reference),
		cmocka_unit_test(every_manner_is_that_of_the_reference),
		cmocka_unit_test(vocab_and_merges_are_the_same_tokenizer),
		cmocka_unit_test(other_forms_are_written_where_they_say_the_same),
		cmocka_unit_test(a_table_of_ranks_merges_by_rank),
		cmocka_unit_test(added_tokens_are_found_as_the_reference_finds_them),
		cmocka_unit_test(special_tokens_are_text_unless_asked_for),
		cmocka_unit_test(invalid_utf8_is_the_replacement_character),
		cmocka_unit_test(vectors_heap_and_walk_merge_as_the_definition_says),
		cmocka_unit_test(merges_out_of_order_go_by_the_heap),
		cmocka_unit_test(any_list_of_merges_gives_what_the_definition_says),
		cmocka_unit_test(words_found_by_vectors_are_those_of_the_scan),
		cmocka_unit_test(a_megabyte_without_a_cut_is_no_trouble),
		cmocka_unit_test(normalization_orders_long_runs_of_marks),
		cmocka_unit_test(normalizing_in_parts_is_normalizing_the_whole),
		cmocka_unit_test(what_is_not_supported_is_refused_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
