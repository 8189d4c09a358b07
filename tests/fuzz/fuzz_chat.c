/* fuzz_chat.c - any bytes as a chat template: what the assistant says in a conversation is what rendering every prefix shows. */
#include "../unit/chat_oracle.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool holds(const uint8_t *data, size_t size, const char *word)
{
	return memmem(data, size, word, strlen(word)) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
#define MESSAGE(r, c) {.role = r, .role_n = sizeof(r) - 1, .content = c, .content_n = sizeof(c) - 1}
	static const struct chat_message m[] = {MESSAGE("system", "be"), MESSAGE("user", "one"), MESSAGE("assistant", "two"),
						MESSAGE("user", "three"), MESSAGE("assistant", "four"), MESSAGE("user", "five")};
	static struct tokenizer *t;
	struct error err;

	if (!t && tokenizer_load(&t, "tests/golden/data/token/qwen2.json", &err) != OK) {
		fprintf(stderr, "fuzz_chat: %s\n", err.text);
		exit(1);
	}
	/* the oracle knows neither special tokens nor blocks, and the time goes on between renderings */
	if (size > 20000 || holds(data, size, "<|") || holds(data, size, "generation %") || holds(data, size, "strftime"))
		return 0;
	if (chat_set_template(t, (const char *)data, size, NULL) != OK)
		return 0;
	for (int from = 0; from < 2; from++) {
		const char *differs = turns_differ(t, m + from, 6 - from);

		if (differs) {
			fprintf(stderr, "fuzz_chat: %s\n", differs);
			abort();
		}
	}
	return 0;
}
