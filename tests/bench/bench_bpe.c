/* bench_bpe.c - encoding and decoding in MB/s of one thread, training in seconds, on a text that is given or made.
 *
 *   bench_bpe [TOKENIZER TEXT]        tests/bench/encoders.py holds it against others */
#include "base/file.h"
#include "base/progress.h"
#include "base/rng.h"
#include "token/bpe_train.h"
#include "token/word_count.h"
#include "token/tokenizer.h"
#include "token/unicode.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DOCUMENT_BYTES 4096

/* Words of Zipf-like frequency made of syllables: new words turn up at about the rate of English. */
static void make_text(struct buf *b, size_t bytes)
{
	static const char *const syllables[] = {"the", "mill", "er", "grind", "s", "ing", "stone", "wa", "ter", "flour", "sack", "a", "to", "re", "con", "tion"};
	struct rng r = rng_open(1, 2);

	while (b->len < bytes) {
		uint64_t rank = 1 + (uint64_t)(1.0 / (1e-5 + rng_double(&r)));
		struct rng w = rng_open(rank, 3);
		int n = rank < 50 ? 1 : 2 + (int)rng_below(&w, 3);

		for (int i = 0; i < n; i++)
			buf_str(b, syllables[rng_below(&w, 16)]);
		buf_str(b, rng_below(&r, 12) ? " " : rng_below(&r, 3) ? ", " : ".\n");
	}
}

static void add_word(void *trainer, const char *p, size_t n, uint64_t count)
{
	bpe_trainer_add(trainer, p, n, count);
}

static void train(const struct buf *text, const char *dir)
{
	static const char *const specials[] = {"<|endoftext|>"};
	struct pretok_stage stage;
	struct piece_cutter cutter = {.stages = &stage, .n_stages = 1};
	const struct bpe_train_options o = {.specials = specials, .n_specials = 1, .vocab_size = 16384};
	struct word_table words = {0};
	struct bpe_trainer *t = bpe_trainer_open();
	struct bpe_vocab v = {0};
	struct bpe_describe d = {.pattern = pretok_pattern("cl100k")};
	struct buf out = {0};
	char *path = path_join(dir, "tokenizer.json");
	double t0 = clock_seconds(), t1, t2;

	unicode_init();
	if (pretok_compile(&stage, d.pattern, strlen(d.pattern), NULL) != OK || piece_count(&cutter, text->data, text->len, &words, NULL) != OK)
		exit(1);
	t1 = clock_seconds();
	word_table_each(&words, add_word, t);
	if (bpe_trainer_learn(t, &o, &v, NULL) != OK)
		exit(1);
	t2 = clock_seconds();
	bpe_print_tokenizer(&v, &d, &out);
	if (file_write_all(path, out.data, out.len, NULL) != OK)
		exit(1);
	printf("count %.0f MB/s, %d pieces; learn %d merges in %.2f s\n", (double)text->len / (t1 - t0) / 1e6, (int)words.n, v.n_merges, t2 - t1);
	buf_release(&out);
	bpe_vocab_release(&v);
	bpe_trainer_close(t);
	word_table_release(&words);
	piece_cutter_release(&cutter);
	mem_free(path);
}

/* Documents of some 4 KB, which end with a line. */
static size_t document_end(const struct buf *text, size_t from)
{
	const char *nl = text->len - from > DOCUMENT_BYTES ? memchr(text->data + from + DOCUMENT_BYTES, '\n', text->len - from - DOCUMENT_BYTES) : NULL;

	return nl ? (size_t)(nl - text->data) + 1 : text->len;
}

static void encode(const char *tokenizer, const struct buf *text)
{
	struct tokenizer *t;
	struct tokenizer_scratch *s;
	struct error err;
	struct ids ids = {0};
	struct buf back = {0};
	double best = 1e9, t0, load = clock_seconds();

	if (tokenizer_load(&t, tokenizer, &err) != OK) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	load = clock_seconds() - load;
	s = tokenizer_scratch_open(t);
	for (int i = 0; i < 5; i++) {
		ids.n = 0;
		t0 = clock_seconds();
		for (size_t from = 0, to; from < text->len; from = to) {
			to = document_end(text, from);
			if (tokenizer_encode(t, s, text->data + from, to - from, false, &ids, NULL) != OK)
				exit(1);
		}
		best = clock_seconds() - t0 < best ? clock_seconds() - t0 : best;
	}
	t0 = clock_seconds();
	tokenizer_decode(t, ids.v, ids.n, false, &back);
	printf("load %.1f ms; encode %.1f MB/s, %.2f bytes a token; decode %.0f MB/s\n", load * 1e3, (double)text->len / best / 1e6,
	       (double)text->len / (double)ids.n, (double)back.len / (clock_seconds() - t0) / 1e6);
	buf_release(&back);
	ids_release(&ids);
	tokenizer_scratch_close(s);
	tokenizer_close(t);
}

int main(int argc, char **argv)
{
	char dir[] = "/tmp/quern-bench-XXXXXX";
	struct buf text = {0};
	struct error err;
	char *file;

	if (argc == 3) {
		if (file_read_all(argv[2], (size_t)1 << 30, &text, &err) != OK) {
			fprintf(stderr, "%s\n", err.text);
			return 1;
		}
		encode(argv[1], &text);
		buf_release(&text);
		return 0;
	}
	if (!mkdtemp(dir))
		return 1;
	make_text(&text, 20 << 20);
	train(&text, dir);
	encode(dir, &text);
	file = path_join(dir, "tokenizer.json");
	unlink(file);
	rmdir(dir);
	mem_free(file);
	buf_release(&text);
	return 0;
}
