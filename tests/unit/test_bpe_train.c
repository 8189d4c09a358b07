/* Merges against Hugging Face's BpeTrainer (goldens), and against themselves with the words in another order or from runs on
 * disk. */
#include "unit.h"

#include "base/file.h"
#include "base/json.h"
#include "token/bpe.h"
#include "token/bpe_train.h"
#include "token/unicode.h"
#include "token/word_count.h"

#include <stdio.h>

#define GOLDENS "tests/golden/data/token/"

static const char *const specials[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};

/* How a corpus gets from its words to the trainer. */
enum way { FORTH, BACK, SPILLED };

static void to_trainer(void *arg, const char *p, size_t n, uint64_t count)
{
	bpe_trainer_add(arg, p, n, count);
}

static void feed(struct bpe_trainer *t, struct word_table *words, enum way way)
{
	struct word_counter *c = word_counter_open(way == SPILLED ? 1 : 1 << 30);
	struct error err;

	if (way == BACK) {
		word_table_sort(words);
		for (size_t i = words->n; i-- > 0;) {
			size_t n;
			uint64_t count;
			const char *p = word_table_at(words, i, &n, &count);

			bpe_trainer_add(t, p, n, count);
		}
	} else {
		assert_int_equal(word_counter_add(c, words, &err), OK);
		assert_true(word_counter_runs(c) > 2 || way != SPILLED);
		assert_int_equal(word_counter_drain(c, to_trainer, t, &err), OK);
	}
	word_counter_close(c);
}

/* The words of corpus.jsonl. */
static void read_corpus(struct piece_cutter *cutter, struct word_table *words)
{
	struct json_parser *p = json_parser_open();
	struct buf b = {0};
	struct error err;

	assert_int_equal(file_read_all(GOLDENS "corpus.jsonl", 1 << 20, &b, &err), OK);
	for (char *s = b.data, *nl; (nl = strchr(s, '\n')); s = nl + 1) {
		const struct json *j, *text;

		assert_int_equal(json_parse(p, s, (size_t)(nl - s), &j, &err), OK);
		text = json_get(j, "text");
		assert_int_equal(piece_count(cutter, text->str, text->len, words, &err), OK);
	}
	json_parser_close(p);
	buf_release(&b);
}

/* Learns from texts, or from corpus.jsonl without any. */
static void learn_from(const struct json *texts, const char *name, const struct bpe_train_options *o, enum way way, struct bpe_vocab *v)
{
	const char *pattern = pretok_pattern(name) ? pretok_pattern(name) : "\\w+|[^\\w\\s]+";
	struct bpe_trainer *t = bpe_trainer_open();
	struct pretok_stage stage;
	struct piece_cutter cutter = {.stages = &stage, .n_stages = 1};
	struct word_table words = {0};
	struct error err;

	unicode_init();
	assert_int_equal(pretok_compile(&stage, pattern, strlen(pattern), &err), OK);
	for (size_t i = 0; texts && i < texts->len; i++)
		assert_int_equal(piece_count(&cutter, texts->items[i].str, texts->items[i].len, &words, &err), OK);
	if (!texts)
		read_corpus(&cutter, &words);
	piece_cutter_release(&cutter);
	pretok_release(&stage);
	feed(t, &words, way);
	assert_int_equal(bpe_trainer_learn(t, o, v, &err), OK);
	bpe_trainer_close(t);
	word_table_release(&words);
}

/* Trains as the goldens were trained, prints tokenizer.json. */
static void train(const char *name, enum way way, struct buf *out)
{
	const struct bpe_train_options o = {.specials = specials, .n_specials = 3, .vocab_size = 520};
	const char *known = pretok_pattern(name);
	struct bpe_describe d = {.pattern = known && known != pretok_pattern("gpt2") ? known : NULL};
	struct bpe_vocab v = {0};

	learn_from(NULL, name, &o, way, &v);
	bpe_print_tokenizer(&v, &d, out);
	bpe_vocab_release(&v);
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
		struct json_parser *p = json_parser_open(), *q = json_parser_open();
		const struct json *got, *want;
		struct buf out = {0};
		char path[128];
		struct error err;

		train(names[i], FORTH, &out);
		snprintf(path, sizeof(path), GOLDENS "%s.json", names[i]);
		assert_int_equal(json_parse(p, out.data, out.len, &got, &err), OK);
		assert_int_equal(json_parse_file(q, path, &want, &err), OK);
		same_vocabulary(got, want);
		json_parser_close(p);
		json_parser_close(q);
		buf_release(&out);
	}
}

static int64_t option(const struct json *c, const char *key)
{
	const struct json *v = json_get(json_get(c, "options"), key);

	return v ? v->integer : 0;
}

static void same_as_case(const struct json *c)
{
	const struct json *list = json_get(json_get(c, "options"), "specials"), *vocab = json_get(c, "vocab"), *merges = json_get(c, "merges");
	const char *names[8];
	struct bpe_train_options o = {
		.specials = list ? names : specials, .n_specials = list ? (int)list->len : 3, .vocab_size = option(c, "vocab_size"),
		.min_frequency = option(c, "min_frequency"), .limit_alphabet = option(c, "limit_alphabet"),
		.max_token_length = option(c, "max_token_length"),
	};
	struct bpe_vocab v = {0};

	for (size_t i = 0; list && i < list->len; i++)
		names[i] = list->items[i].str;
	learn_from(json_get(c, "texts"), json_get(c, "pattern")->str, &o, FORTH, &v);
	assert_int_equal(v.n_tokens, vocab->len);
	for (size_t i = 0; i < vocab->len; i++)
		assert_string_equal(v.tokens[i].p, vocab->items[i].str);
	assert_int_equal(v.n_merges, merges->len);
	for (size_t i = 0; i < merges->len; i++)
		for (int k = 0; k < 2; k++)
			assert_string_equal(v.tokens[v.merges[i][k]].p, merges->items[i].items[k].str);
	bpe_vocab_release(&v);
}

static void options_are_those_of_the_reference(void **state)
{
	struct json_parser *p = json_parser_open();
	struct buf b = {0};
	struct error err;
	int n = 0;

	(void)state;
	assert_int_equal(file_read_all(GOLDENS "trained.jsonl", 1 << 20, &b, &err), OK);
	for (char *s = b.data, *nl; (nl = strchr(s, '\n')); s = nl + 1, n++) {
		const struct json *c;

		assert_int_equal(json_parse(p, s, (size_t)(nl - s), &c, &err), OK);
		same_as_case(c);
	}
	assert_int_equal(n, 12);
	json_parser_close(p);
	buf_release(&b);
}

static void the_order_of_words_and_the_bound_of_memory_do_not_matter(void **state)
{
	struct buf out[3] = {{0}};

	(void)state;
	for (int way = FORTH; way <= SPILLED; way++)
		train("llama3", (enum way)way, &out[way]);
	assert_string_equal(out[FORTH].data, out[BACK].data);
	assert_string_equal(out[FORTH].data, out[SPILLED].data);
	for (int way = FORTH; way <= SPILLED; way++)
		buf_release(&out[way]);
}

static void counts_beyond_32_bits_are_counts(void **state)
{
	const struct bpe_train_options o = {.specials = specials, .n_specials = 1, .vocab_size = 259, .min_frequency = 4000000000};
	struct bpe_trainer *t = bpe_trainer_open();
	struct bpe_vocab v = {0};

	(void)state;
	bpe_trainer_add(t, "the", 3, 5000000000u);
	bpe_trainer_add(t, "an", 2, 3000000000u);
	assert_int_equal(bpe_trainer_learn(t, &o, &v, NULL), OK);
	assert_int_equal(v.n_merges, 2); /* he, the; not an */
	assert_string_equal(v.tokens[v.n_tokens - 1].p, "the");
	bpe_vocab_release(&v);
	bpe_trainer_close(t);
}

static void refused(const char *const *names, int n, int64_t vocab_size)
{
	const struct bpe_train_options o = {.specials = names, .n_specials = n, .vocab_size = vocab_size};
	struct bpe_trainer *t = bpe_trainer_open();
	struct bpe_vocab v = {0};

	assert_int_equal(bpe_trainer_learn(t, &o, &v, NULL), ERR_USAGE);
	bpe_vocab_release(&v);
	bpe_trainer_close(t);
}

static void special_tokens_and_bytes_need_room_and_names(void **state)
{
	static const char *const twice[] = {"<a>", "<a>"}, *const letter[] = {"\xc3\xa9"}, *const broken[] = {"<\xff>"}, *const empty[] = {""};

	(void)state;
	refused(specials, 3, 258);
	refused(twice, 2, 300);
	refused(letter, 1, 300);
	refused(broken, 1, 300);
	refused(empty, 1, 300);
}

static void no_text_gives_the_alphabet(void **state)
{
	struct bpe_train_options o = {.specials = specials, .n_specials = 3, .vocab_size = 1000};

	(void)state;
	for (int64_t limit = 0; limit < 300; limit += 10) {
		struct bpe_trainer *t = bpe_trainer_open();
		struct bpe_vocab v = {0};

		o.limit_alphabet = limit;
		assert_int_equal(bpe_trainer_learn(t, &o, &v, NULL), OK);
		assert_int_equal(v.n_tokens, 3 + (limit && limit < 256 ? limit : 256));
		assert_int_equal(v.n_merges, 0);
		bpe_vocab_release(&v);
		bpe_trainer_close(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(merges_are_those_of_the_reference),
		cmocka_unit_test(options_are_those_of_the_reference),
		cmocka_unit_test(the_order_of_words_and_the_bound_of_memory_do_not_matter),
		cmocka_unit_test(counts_beyond_32_bits_are_counts),
		cmocka_unit_test(special_tokens_and_bytes_need_room_and_names),
		cmocka_unit_test(no_text_gives_the_alphabet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
