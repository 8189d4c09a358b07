/* jsonl.c - records from JSON text. */
#include "stream/source.h"

enum status json_source_open(struct source **s, struct input *in, const struct schema *types, struct error *err)
{
	(void)s;
	(void)in;
	(void)types;
	return error_set(err, ERR_UNSUPPORTED, "JSON input is not supported");
}
