/* import_layout.h - datasets as people publish them: which fields mean what, and how a row of each becomes a row of ours.
 *
 * A layout names the fields it needs ("question|problem" is either) and the kinds that can be made of it. One is guessed from the
 * fields of a row: of all that fit, those whose needs are contained in another's are dropped; if several remain the row
 * is ambiguous and the error names them. Fields that no column takes go into meta as JSON, so that nothing is lost; messages
 * that say more than role and text go there whole. Shapes: TRL, LLaMA-Factory and ms-swift documentation. */
#ifndef QUERN_STREAM_IMPORT_LAYOUT_H
#define QUERN_STREAM_IMPORT_LAYOUT_H

#include "stream/stream.h"

struct layout;

struct layout_map {                  /* --map to=from */
	const char *to, *from;
};

struct layout_request {
	const struct layout *layout;
	enum kind kind;              /* what to make; never KIND_OTHER once layout_guess is through */
	const struct layout_map *map;
	int n_map;
};

/* By name; NULL if there is none. */
const struct layout *layout_find(const char *name);
const char *layout_name(const struct layout *l);
/* "text, messages, ..." for messages. */
void layout_names(struct buf *out);
/* Whether a layout reads a field of that name. */
bool layout_reads(const char *field);
/* Fills what is open in r (layout NULL, kind KIND_OTHER) from a row. ERR_DATA if nothing or too much fits; ERR_USAGE if
 * the layout cannot make the kind asked for. */
enum status layout_guess(struct layout_request *r, const struct json *row, struct error *err);
/* The columns of imported rows of a kind. */
void layout_schema(enum kind k, struct schema *out);

/* A scratch for layout_row; {0} is valid. */
struct layout_scratch {
	struct arena arena;
	struct buf meta, text, joined;
	int64_t tools, media;        /* rows so far of which only meta tells: tools, or calls of them; images and other parts that are no text */
};
void layout_scratch_release(struct layout_scratch *s);
/* Appends row (an object) to b, whose schema is layout_schema's. id and source stand in where the row has none; source may be NULL.
 * Returns NULL, or the reason why the row is no row of this layout; b is unchanged then. */
const char *layout_row(const struct layout_request *r, const struct json *row, const char *id, const char *source,
		       struct layout_scratch *s, struct builder *b);

#endif
