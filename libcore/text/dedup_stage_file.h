/* dedup_stage_file.h - the files that stages of dedup leave for each other: written whole or not at all, refused if damaged or of another
 * run. Each ends with what it is about, its rows and its checksum; dedup_stage.h says which there are. */
#ifndef QUERN_TEXT_DEDUP_STAGE_FILE_H
#define QUERN_TEXT_DEDUP_STAGE_FILE_H

#include "text/dedup_stage.h"

struct trailer {                     /* the last bytes of a file */
	uint64_t magic, identity, rows, bytes, hash;
};

struct stage_out {
	struct output *to;
	struct hasher *hash;
	struct trailer end;
};

struct stage_in {
	const uint8_t *bytes;        /* mapped; end.bytes of them count */
	size_t mapped;
	struct trailer end;
};

/* part 0: the one file of that name. */
enum status stage_create(struct stage_out *f, const struct dedup_stage *s, const char *what, int part, struct error *err);
enum status stage_put(struct stage_out *f, const void *p, size_t n, struct error *err);
/* Commits if all went well so far (st); frees either way. */
enum status stage_finish(struct stage_out *f, enum status st, uint64_t rows, struct error *err);

/* f needs no unmapping after a failure. ERR_DATA for one that is damaged or of another run. */
enum status stage_map(struct stage_in *f, const struct dedup_stage *s, const char *what, int part, struct error *err);
void stage_unmap(struct stage_in *f);

/* A thing for each row: where each ends, then all. */
enum status stage_put_things(const struct dedup_stage *s, const char *what, const struct spool *things, uint32_t n, struct error *err);
struct stage_things {                /* of all parts; {0} is valid */
	struct stage_in *parts;
	int n;
};
/* To be unmapped also after a failure. */
enum status stage_map_things(struct stage_things *t, const struct dedup_stage *s, const char *what, struct error *err);
/* Of a row, counted over all parts. */
const void *stage_thing(const struct stage_things *t, uint64_t row, size_t *n);
void stage_unmap_things(struct stage_things *t);

#endif
