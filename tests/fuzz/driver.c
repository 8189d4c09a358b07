/* driver.c - runs a fuzz target without libFuzzer: corpus files as they are, then mutated, the same way each time.
 *
 *   fuzz_stream [-runs=N] [-seed=S] FILE|DIR...
 *
 * Each mutation takes a corpus file and does one to four of: flip a bit, set a byte, truncate, insert, overwrite an aligned
 * word with a boundary value, splice in a piece of another file. A crash ends the process; the input that
 * made it is then in ./crash-input. */
#include "base/file.h"
#include "base/rng.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define INPUT_MAX ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct buf *corpus;
static int n_corpus, cap_corpus;
static const struct buf *current;

/* Called by the sanitizers (and below by SIGABRT's handler) with the guilty input at hand. */
void __asan_on_error(void);
void __asan_on_error(void)
{
	struct error err;

	if (current && file_write_all("crash-input", current->data, current->len, &err) == OK)
		fputs("the input is in crash-input\n", stderr);
}

static void add_file(const char *path)
{
	struct error err;
	struct buf b = {0};

	if (file_read_all(path, INPUT_MAX, &b, &err) != OK) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	MEM_PUSH_ROOM(corpus, n_corpus, cap_corpus);
	corpus[n_corpus++] = b;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void add_path(const char *path)
{
	struct dirent **names;
	int n = path_is_dir(path) ? scandir(path, &names, NULL, by_name) : -1;

	if (n < 0) {
		add_file(path);
		return;
	}
	for (int i = 0; i < n; i++) {
		char *file = path_join(path, names[i]->d_name);
		if (names[i]->d_name[0] != '.' && !path_is_dir(file))
			add_file(file);
		mem_free(file);
		free(names[i]);
	}
	free(names);
}

static void insert_bytes(struct buf *b, size_t at, const void *p, size_t n)
{
	struct buf out = {0};

	buf_add(&out, b->data ? b->data : "", at);
	buf_add(&out, p, n);
	if (b->len > at)
		buf_add(&out, b->data + at, b->len - at);
	buf_release(b);
	*b = out;
}

static void mutate(struct buf *b, struct rng *r)
{
	static const uint64_t edges[] = { 0, 1, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF,
					  0x7FFFFFFFFFFFFFFF, 0x8000000000000000, 0xFFFFFFFFFFFFFFFF };
	size_t at = rng_below(r, b->len + 1);
	uint64_t word = edges[rng_below(r, sizeof(edges) / sizeof(edges[0]))];
	size_t width = (size_t)1 << rng_below(r, 4);

	switch (rng_below(r, 7)) {
	case 0: case 1:
		if (at < b->len)
			b->data[at] = (char)(b->data[at] ^ (1 << rng_below(r, 8)));
		break;
	case 2:
		if (at < b->len)
			b->data[at] = (char)rng_u32(r);
		break;
	case 3:
		b->len = at;
		break;
	case 4:
		insert_bytes(b, at, &word, width);
		break;
	case 5:
		at &= ~(width - 1);
		if (at + width <= b->len)
			memcpy(b->data + at, &word, width);
		break;
	default: {
		const struct buf *other = &corpus[rng_below(r, (uint64_t)n_corpus)];
		size_t from = rng_below(r, other->len + 1);
		size_t n = rng_below(r, other->len - from + 1);
		if (b->len + n <= INPUT_MAX)
			insert_bytes(b, at, other->data ? other->data + from : "", n);
	}
	}
}

/* A heap copy of the exact size: reads past its end are seen. */
static void run(const struct buf *b)
{
	uint8_t *copy = malloc(b->len ? b->len : 1);

	if (!copy)
		exit(1);
	if (b->len)
		memcpy(copy, b->data, b->len);
	current = b;
	LLVMFuzzerTestOneInput(copy, b->len);
	current = NULL;
	free(copy);
}

int main(int argc, char **argv)
{
	long runs = 0, seed = 1;

	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "-runs=", 6) == 0)
			runs = strtol(argv[i] + 6, NULL, 10);
		else if (strncmp(argv[i], "-seed=", 6) == 0)
			seed = strtol(argv[i] + 6, NULL, 10);
		else
			add_path(argv[i]);
	}
	if (n_corpus == 0) {
		fprintf(stderr, "usage: %s [-runs=N] [-seed=S] FILE|DIR...\n", argv[0]);
		return 2;
	}
	for (int i = 0; i < n_corpus; i++)
		run(&corpus[i]);
	for (long i = 0; i < runs; i++) {
		struct rng r = rng_open((uint64_t)seed, (uint64_t)i);
		struct buf b = {0};
		const struct buf *from = &corpus[rng_below(&r, (uint64_t)n_corpus)];
		buf_add(&b, from->data ? from->data : "", from->len);
		for (uint64_t k = rng_below(&r, 4) + 1; k > 0; k--)
			mutate(&b, &r);
		run(&b);
		buf_release(&b);
	}
	printf("%d files, %ld mutations\n", n_corpus, runs);
	for (int i = 0; i < n_corpus; i++)
		buf_release(&corpus[i]);
	mem_free(corpus);
	return 0;
}
