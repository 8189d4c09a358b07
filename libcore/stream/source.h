/* source.h - what a reader reads from: an Arrow stream, a Parquet file or JSON Lines. Errors of next and open carry place and cause, the
 * reader puts the input's name before them (error texts of base/file.h already have it: see source_input_error).
 * Private to the stream room. */
#ifndef QUERN_STREAM_SOURCE_H
#define QUERN_STREAM_SOURCE_H

#include "stream/stream.h"

struct source {
	enum status (*next)(struct source *s, struct batch **b, struct error *err);
	/* Passes over whole batches within the next rows rows, where that can be done without reading them; NULL: it cannot. */
	enum status (*skip)(struct source *s, int64_t rows, int64_t *passed, struct error *err);
	void (*close)(struct source *s);
	struct input *in;                        /* borrowed from the reader */
	struct schema schema;
	bool foreign;                            /* no chain of ours belongs to it */
	bool ended;
	bool named;                              /* the error just returned already names the input */
	char *provenance;                        /* from the closing batch, or NULL */
	int64_t rows;                            /* read so far */
};

enum status arrow_source_open(struct source **s, struct input *in, bool file, bool allow_truncated, struct error *err);
enum status parquet_source_open(struct source **s, struct input *in, struct error *err);
enum status json_source_open(struct source **s, struct input *in, const struct schema *types, bool plain, size_t huge, struct error *err);
/* Marks an error that came from the input itself. */
static inline enum status source_input_error(struct source *s, enum status st)
{
	if (st != OK && st != END)
		s->named = true;
	return st;
}

#endif
