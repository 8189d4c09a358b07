/* Answer verification: no answer and no completion may crash it or keep it busy. Up to the first NUL byte the input is the gold answer,
 * behind it the completion. */
#include "judge/verify.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct verifier *v;
	const char *text = (const char *)data;
	const char *nul = size ? memchr(text, 0, size) : NULL;
	size_t gold_n = nul ? (size_t)(nul - text) : size / 2, from = nul ? gold_n + 1 : gold_n;
	if (!v)
		v = verifier_new();
	for (int p = 0; p < VERIFY_PROFILES; p++) {
		struct verify_input in = { text, gold_n, text + from, size - from, (enum verify_profile)p };
		struct judgement a = verify(v, &in), b = verify(v, &in);
		if (a.verdict != b.verdict || a.reason != b.reason || a.reason >= REASONS)
			abort();
	}
	return 0;
}
