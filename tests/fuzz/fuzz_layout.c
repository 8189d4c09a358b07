/* fuzz_layout.c - any JSON object as a row of a dataset: of every layout and of that which is guessed. A row that is taken prints as
 * JSON that reads again; one that is not leaves nothing behind. */
#include "stream/import_layout.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void import_row(const struct json *row, const char *layout)
{
	struct layout_request q = { .layout = layout ? layout_find(layout) : NULL };
	struct layout_scratch scratch = {0};
	struct schema s = {0};
	struct buf out = {0};

	if (layout && !q.layout)
		abort();
	if (layout_guess(&q, row, NULL) != OK)
		return;
	layout_schema(q.kind, &s);
	struct builder *b = builder_open(&s);
	const char *reason = layout_row(&q, row, "f:1", NULL, &scratch, b);
	if (builder_rows(b) != (reason ? 0 : 1))
		abort();
	struct batch *batch = builder_finish(b);
	if (!reason) {
		struct json_parser *p = json_parser_open();
		struct json_writer w = json_writer_open(&out, 0);
		const struct json *again;
		batch_json(batch, 0, &w);
		if (json_parse(p, out.data, out.len, &again, NULL) != OK || again->type != JSON_OBJECT)
			abort();
		json_parser_close(p);
	}
	batch_release(batch);
	builder_close(b);
	buf_release(&out);
	layout_scratch_release(&scratch);
	schema_release(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_parser *p = json_parser_open();
	const struct json *row;
	struct buf names = {0};

	if (json_parse(p, (const char *)data, size, &row, NULL) == OK && row->type == JSON_OBJECT) {
		import_row(row, NULL);
		layout_names(&names);
		for (char *save, *name = strtok_r(names.data, ", ", &save); name; name = strtok_r(NULL, ", ", &save))
			import_row(row, name);
	}
	json_parser_close(p);
	buf_release(&names);
	return 0;
}
