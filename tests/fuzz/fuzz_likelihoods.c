/* fuzz_likelihoods.c - any bytes as a file of log-probabilities, and behind its first line, also with the right checksums: its records, or an
 * error; what is put in is there, also when it is opened again. */
#include "base/hash.h"
#include "infer/likelihood.h"
#include "infer/likelihood_cache.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const char *path)
{
	static const int32_t ids[] = { 5, 6, 7 };
	struct likelihood l = { .logprob = -1.25, .tokens = 2, .greedy = true }, found;
	struct likelihood_cache *c;

	if (likelihood_cache_open(&c, path, "model", NULL) != OK)
		return;
	if (likelihood_cache_get(c, ids, 2, 1, &found) && isnan(found.logprob))
		abort();                             /* a sum of logarithms that nobody computed */
	likelihood_cache_put(c, ids, 3, 1, &l);
	if (likelihood_cache_sync(c, NULL) != OK)
		abort();
	likelihood_cache_close(c, false);
	if (likelihood_cache_open(&c, path, "model", NULL) != OK || !likelihood_cache_get(c, ids, 3, 1, &found) || found.logprob != l.logprob ||
	    found.tokens != 2 || !found.greedy)
		abort();
	likelihood_cache_close(c, false);
}

static void write_behind(const char *path, const char *mode, const void *p, size_t n)
{
	FILE *f = fopen(path, mode);

	if (f) {
		fwrite(p, 1, n, f);
		fclose(f);
	}
}

/* The last four of each 32 bytes become the checksum of those before them. */
static void sign_records(uint8_t *p, size_t n)
{
	for (; n >= 32; p += 32, n -= 32) {
		uint32_t check = (uint32_t)hash64(p, 28);

		memcpy(p + 28, &check, sizeof(check));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[] = "/tmp/quern-fuzz-likelihoods.XXXXXX";
	uint8_t *copy = malloc(size + 1);
	struct likelihood_cache *c;
	int fd = mkstemp(path);

	if (fd < 0 || !copy)
		abort();
	fclose(fdopen(fd, "wb"));
	memcpy(copy, data, size);
	for (int signs = 0; signs < 2; signs++) {
		write_behind(path, "wb", "", 0);
		if (likelihood_cache_open(&c, path, "model", NULL) != OK)        /* writes the first line */
			abort();
		likelihood_cache_close(c, false);
		write_behind(path, "ab", copy, size);
		use(path);
		sign_records(copy, size);
	}
	write_behind(path, "wb", data, size);
	if (likelihood_cache_open(&c, path, "model", NULL) == OK)
		likelihood_cache_close(c, false);
	remove(path);
	free(copy);
	return 0;
}
