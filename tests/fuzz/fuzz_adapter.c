/* fuzz_adapter.c - any JSON as an adapter_config.json: one that is taken is printed as one that is taken again and says the same of every
 * layer; patterns that do not compile are errors. */
#include "model/adapter.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const modules[] = { "model.layers.0.self_attn.q_proj", "model.layers.11.mlp.up_proj", "transformer.h.3.attn.c_attn", "x" };

static void compare(const struct adapter_config *a, const struct adapter_config *b)
{
	for (size_t i = 0; i < sizeof(modules) / sizeof(*modules); i++) {
		bool x = false, y = false;
		float s = 0, t = 0;
		int r = 0, q = 0;

		if (adapter_targets(a, modules[i], &x, NULL) != adapter_targets(b, modules[i], &y, NULL) || x != y)
			abort();
		if (adapter_rank(a, modules[i], &r, &s, NULL) != adapter_rank(b, modules[i], &q, &t, NULL) || r != q || s != t)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_parser *p = json_parser_open();
	struct adapter_config a, b;
	const struct json *j;
	struct buf text = {0};

	if (json_parse(p, (const char *)data, size, &j, NULL) == OK && adapter_config_parse(j, &a, NULL) == OK) {
		adapter_config_print(&a, &text);
		if (json_parse(p, text.data, text.len, &j, NULL) != OK || adapter_config_parse(j, &b, NULL) != OK)
			abort();
		compare(&a, &b);
		adapter_config_release(&a);
		adapter_config_release(&b);
	}
	json_parser_close(p);
	buf_release(&text);
	return 0;
}
