/* likelihood_cache.h - log-probabilities kept in a file by what was asked of which model, so that nobody asks twice: a run that was killed goes
 * on, and another evaluation of the same texts is read.
 *
 * A record is 32 bytes: the XXH3-128 of the model's identity, the tokens and where the continuation begins; the log-probability; the number of
 * tokens and whether they are the most probable; a checksum of the rest. What was cut or changed is dropped and asked again. The file is
 * locked while it is open, and all of it is in memory, 40 to 80 bytes a record. */
#ifndef QUERN_INFER_LIKELIHOOD_CACHE_H
#define QUERN_INFER_LIKELIHOOD_CACHE_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct likelihood;
struct likelihood_cache;
/* Opens or makes path. identity: what the model is, its weights' hash among it; a file may have several. ERR_DATA if the file is no such
 * cache, ERR_USAGE if another process is using it. */
enum status likelihood_cache_open(struct likelihood_cache **c, const char *path, const char *identity, struct error *err);
/* What is known of ids[n], whose first cut are the context; false if nothing is. */
bool likelihood_cache_get(struct likelihood_cache *c, const int32_t *ids, int64_t n, int64_t cut, struct likelihood *out);
/* Keeps it; it is in the file after the next sync. */
void likelihood_cache_put(struct likelihood_cache *c, const int32_t *ids, int64_t n, int64_t cut, const struct likelihood *l);
enum status likelihood_cache_sync(struct likelihood_cache *c, struct error *err);
int64_t likelihood_cache_found(const struct likelihood_cache *c);    /* answers given so far */
/* Closes; remove: the file goes. NULL allowed. */
void likelihood_cache_close(struct likelihood_cache *c, bool remove);

#endif
