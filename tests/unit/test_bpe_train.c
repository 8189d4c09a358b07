/* Merges against Hugging Face's BpeTrainer (goldens), and against themselves with the words in another
 * order. */
#include "unit.h"

#include "base/file.h"
#include "base/json.h"
#include "token/bpe.h"
#include "token/bpe_train.h"
#include "token/unicode.h"

#include <stdio.h>

#define GOLDENS "tests/golden/data/token/"

static const char *const specials[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};

/* Trains on corpus.jsonl as the goldens were trained, prints tokenizer.json. */
static void train(const char *pattern, bool backwards, struct buf *out)
{
	struct pretok_stage stage;
	struct piece_cutter cutter = {.stages = &stage, .n_stages = 1};
	struct word_counts counts = {0}, order = {0};
	struct bpe_vocab v = {0};
	struct bpe_describe d = {.pattern = strcmp(pattern, pretok_pattern("gpt2")) ? pattern : NULL};
	struct json_parser *p = json_parser_open();
	struct buf b = {0};
	struct error err;

	unicode_init();
	assert_int_equal(pretok_compile(&stage, pattern, strlen(pattern), &err), OK);
	assert_int_equal(file_read_all(GOLDENS "corpus.jsonl", 1 << 20, &b, &err), OK);
	for (char *s = b.data, *nl; (nl = strchr(s, '\n')); s = nl + 1) {
		struct word_counts one = {0};
		const struct json *j, *text;

		assert_int_equal(json_parse(p, s, (size_t)(nl - s), &j, &err), OK);
		text = json_get(j, "text");
		assert_int_equal(piece_count(&cutter, text->str, text->len, &one, &err), OK);
		for (int32_t i = 0; i < one.n; i++)
			word_counts_add(&counts, one.w[i].p, one.w[i].n, one.w[i].count, true);
		word_counts_release(&one);
	}
	for (int32_t i = 0; i < counts.n; i++) {
		const struct word_count *w = &counts.w[backwards ? counts.n - 1 - i : i];

		word_counts_add(&order, w->p, w->n, w->count, true);
	}
	assert_int_equal(bpe_train(&order, specials, 3, 520, 0, &v, &err), OK);
	bpe_print_tokenizer(&v, &d, out);
	bpe_vocab_release(&v);
	word_counts_release(&counts);
	word_counts_release(&order);
	piece_cutter_release(&cutter);
	pretok_release(&stage);
	json_parser_close(p);
	buf_release(&b);
}

static void same_string(const struct json *a, const struct json *b)
{
	assert_int_equal(a->len, b->len);
	assert_memory_equal(a->str, b->str, a->len);
}

static void same_vocabulary(const struct json *got, const struct json *want)
{
	const struct json *a = json_get(json_get(got, "model"), "vocab"), *b = json_get(json_get(want, "model"), "vocab");
	const struct json *m = json_get(json_get(got, "model"), "merges"), *n = json_get(json_get(want, "model"), "merges");

	assert_int_equal(a->len, b->len);
	for (size_t i = 0; i < a->len; i++) {
		same_string(&a->keys[i], &b->keys[i]);
		assert_int_equal(a->items[i].integer, b->items[i].integer);
	}
	assert_int_equal(m->len, n->len);
	for (size_t i = 0; i < m->len; i++)
		for (int k = 0; k < 2; k++)
			same_string(&m->items[i].items[k], &n->items[i].items[k]);
}

static void merges_are_those_of_the_reference(void **state)
{
	static const char *const names[] = {"gpt2", "llama3", "qwen2", "o200k", "regex"};

	(void)state;
	for (int i = 0; i < 5; i++) {
		const char *known = pretok_pattern(names[i]);
		struct json_parser *p = json_parser_open(), *q = json_parser_open();
		const struct json *got, *want;
		struct buf out = {0};
		char path[128];
		struct error err;

		train(known ? known : "\\w+|[^\\w\\s]+", false, &out);
		snprintf(path, sizeof(path), GOLDENS "%s.json", names[i]);
		assert_int_equal(json_parse(p, out.data, out.len, &got, &err), OK);
		assert_int_equal(json_parse_file(q, path, &want, &err), OK);
		same_vocabulary(got, want);
		json_parser_close(p);
		json_parser_close(q);
		buf_release(&out);
	}
}

static void the_order_of_words_does_not_matter(void **state)
{
	struct buf forth = {0}, back = {0};

	(void)state;
	train(pretok_pattern("llama3"), false, &forth);
	train(pretok_pattern("llama3"), true, &back);
	assert_string_equal(forth.data, back.data);
	buf_release(&forth);
	buf_release(&back);
}

static void counts_beyond_32_bits_are_counts(void **state)
{
	struct word_counts c = {0};
	struct bpe_vocab v = {0};

	(void)state;
	word_counts_add(&c, "the", 3, 5000000000u, true);
	word_counts_add(&c, "an", 2, 3000000000u, true);
	assert_int_equal(bpe_train(&c, specials, 1, 259, 4000000000, &v, NULL), OK);
	assert_int_equal(v.n_merges, 2); /* he, the; not an */
	assert_int_equal(v.tokens[v.n_tokens - 1].n, 3);
	assert_memory_equal(v.tokens[v.n_tokens - 1].p, "the", 3);
	bpe_vocab_release(&v);
	word_counts_release(&c);
}

static void a_vocabulary_needs_room_for_its_bytes(void **state)
{
	static const char *const twice[] = {"<a>", "<a>"};
	struct word_counts c = {0};
	struct bpe_vocab v = {0}, w = {0};

	(void)state;
	assert_int_equal(bpe_train(&c, specials, 3, 258, 0, &v, NULL), ERR_USAGE);
	assert_int_equal(bpe_train(&c, twice, 2, 300, 0, &w, NULL), ERR_USAGE);
	bpe_vocab_release(&v);
	bpe_vocab_release(&w);
}

static void no_text_gives_the_alphabet(void **state)
{
	struct word_counts c = {0};
	struct bpe_vocab v = {0};

	(void)state;
	assert_int_equal(bpe_train(&c, specials, 3, 1000, 0, &v, NULL), OK);
	assert_int_equal(v.n_tokens, 259);
	assert_int_equal(v.n_merges, 0);
	bpe_vocab_release(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(merges_are_those_of_the_reference),
		cmocka_unit_test(the_order_of_words_does_not_matter),
		cmocka_unit_test(counts_beyond_32_bits_are_counts),
		cmocka_unit_test(a_vocabulary_needs_room_for_its_bytes),
		cmocka_unit_test(no_text_gives_the_alphabet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
