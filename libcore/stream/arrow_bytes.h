/* arrow_bytes.h - a plain Arrow IPC stream as bytes in memory, piece by piece: for pipes to programs of others. Bodies are not compressed;
 * neither checksums nor an end of ours are in it. */
#ifndef QUERN_STREAM_ARROW_BYTES_H
#define QUERN_STREAM_ARROW_BYTES_H

#include "stream/record.h"

/* The beginning: the schema, of whose metadata that of quern is left out. */
void arrow_bytes_begin(const struct schema *s, struct buf *out);
/* One record batch. */
enum status arrow_bytes_batch(const struct batch *b, struct buf *out, struct error *err);
/* The end-of-stream marker. */
void arrow_bytes_end(struct buf *out);

#endif
