/* dedup_manifest.h - which segments an index of dedup has; the format is told in dedup_index.h. */
#ifndef QUERN_TEXT_DEDUP_MANIFEST_H
#define QUERN_TEXT_DEDUP_MANIFEST_H

#include "text/dedup_index.h"

struct dedup_segment {
	int64_t number;              /* of its files */
	uint64_t rows, records, id_bytes, set_bytes;
	char keys_hash[33], ids_hash[33], sets_hash[33];     /* the last empty where there are none */
};

struct dedup_manifest {
	char *identity;
	int64_t next;                /* number of the next segment */
	struct dedup_segment *segments;
	int n, cap;
};

/* That of dir; an empty one if there is none (*there is false). ERR_DATA if it is damaged or of another version, ERR_USAGE if it has segments and
 * is about other keys. */
enum status dedup_manifest_read(struct dedup_manifest *m, const char *dir, const char *identity, bool *there, struct error *err);
/* Adds a segment; the next one has the number behind it. */
void dedup_manifest_add(struct dedup_manifest *m, const struct dedup_segment *s);
/* Whole or not at all. */
enum status dedup_manifest_write(const struct dedup_manifest *m, const char *dir, struct error *err);
void dedup_manifest_release(struct dedup_manifest *m);

#endif
