/* prompt_groups.h - the rows of a prompt as one group: those of one id that stand together, or, gathered first, all of one id.
 *
 * Streaming, one group is in memory at a time. Gathering holds rows in memory up to a bound and then in sorted runs on disk
 * (stream/shuffle.h), by a hash of the id; groups come in the order of that hash, the rows of each in the order they came. */
#ifndef QUERN_JUDGE_PROMPT_GROUPS_H
#define QUERN_JUDGE_PROMPT_GROUPS_H

#include "base/pool.h"
#include "stream/record.h"

#define PROMPT_ROWS_MAX 4096                 /* completions of one prompt */

struct prompt_row {
	struct batch *batch;
	int64_t row;
};
/* ERR_DATA if there is no column id, which tells whose rows are whose. */
enum status prompt_groups_check(const struct schema *s, struct error *err);
/* Whether two rows have the same id; the column is there. */
bool prompt_same(const struct prompt_row *a, const struct prompt_row *b);

struct prompt_groups;
/* Gets rows[0..n), 0 < n <= PROMPT_ROWS_MAX, and may keep none of them. */
typedef enum status prompt_emit(void *arg, const struct prompt_row *rows, int64_t n, struct error *err);
/* gather_bytes: memory to gather in; 0 takes rows as they stand. s is the schema of the batches, and outlives it. */
struct prompt_groups *prompt_groups_open(const struct schema *s, int64_t gather_bytes, struct pool *pool, prompt_emit *emit, void *arg);
/* Every row of b. ERR_DATA if a prompt has more than PROMPT_ROWS_MAX. */
enum status prompt_groups_add(struct prompt_groups *g, struct batch *b, struct error *err);
/* After the last: emits what is left. */
enum status prompt_groups_finish(struct prompt_groups *g, struct error *err);
void prompt_groups_close(struct prompt_groups *g);                          /* NULL allowed */

#endif
