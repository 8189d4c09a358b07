/* fuzz_tokenizer.c - any bytes as a tokenizer.json, as a chat template, and as text for a tokenizer that is well. */
#include "base/file.h"
#include "token/jinja.h"
#include "token/tokenizer_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void encode_and_back(const struct tokenizer *t, struct tokenizer_scratch *s, const char *text, size_t n)
{
	struct ids ids = {0}, again = {0}, ends = {0};
	struct encode_options o = {.ends = &ends};
	struct buf back = {0};

	if (tokenizer_encode(t, s, text, n, true, &ids, NULL) == OK)
		tokenizer_decode(t, ids.v, ids.n, false, &back);
	/* with places and without the ids are the same, and the places lie in the text (or in what invalid bytes became) */
	if (tokenizer_encode_with(t, s, text, n, &o, &again, NULL) == OK) {
		if (again.n != ids.n || ends.n != ids.n || (ids.n && memcmp(ids.v, again.v, (size_t)ids.n * sizeof(*ids.v)) != 0))
			abort();
		for (int64_t i = 0; i < ends.n; i++)
			if (ends.v[i] < 0 || (size_t)ends.v[i] > 3 * n)
				abort();
	}
	ids_release(&again);
	ids_release(&ends);
	buf_release(&back);
	ids_release(&ids);
}

static void as_tokenizer(const uint8_t *data, size_t size)
{
	char path[64];
	struct tokenizer *t;

	snprintf(path, sizeof(path), "/tmp/quern-fuzz-tokenizer.%d", (int)getpid());
	if (file_write_all(path, data, size, NULL) != OK)
		return;
	if (tokenizer_load(&t, path, NULL) == OK) {
		struct tokenizer_scratch *s = tokenizer_scratch_open(t);

		encode_and_back(t, s, "the mill <|im_start|>\xff 12345  \n x", 33);
		encode_and_back(t, s, (const char *)data, size < 2000 ? size : 2000);
		tokenizer_scratch_close(s);
		tokenizer_close(t);
	}
	unlink(path);
}

static void as_template(const uint8_t *data, size_t size)
{
	struct json_parser *p = json_parser_open();
	static const char vars[] = "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"assistant\",\"content\":\"yes\"}]}";
	const struct json *j;
	struct jinja *t;
	struct buf out = {0}, marks = {0};

	if (size < 20000 && json_parse(p, vars, sizeof(vars) - 1, &j, NULL) == OK && jinja_compile(&t, (const char *)data, size, size % 2 ? JINJA_TASK : JINJA_CHAT, NULL) == OK) {
		if (jinja_render(t, j, &out, &marks, NULL) == OK && out.len != marks.len)
			abort();
		jinja_free(t);
	}
	buf_release(&out);
	buf_release(&marks);
	json_parser_close(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const good[] = {"gpt2", "llama3", "o200k", "regex", "added"};
	static struct tokenizer *t[5];
	static struct tokenizer_scratch *scratch[5]; /* as a tool's: from text to text */

	for (int i = 0; i < 5; i++) {
		char path[128];

		snprintf(path, sizeof(path), "tests/golden/data/token/%s.json", good[i]);
		if (!t[i] && tokenizer_load(&t[i], path, NULL) != OK)
			abort();
		if (!scratch[i])
			scratch[i] = tokenizer_scratch_open(t[i]);
		encode_and_back(t[i], scratch[i], (const char *)data, size);
	}
	as_tokenizer(data, size);
	as_template(data, size);
	return 0;
}
