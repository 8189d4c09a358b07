/* skip.h - batches to go round, as --skip-batches lists them: "57,80-83". A batch has the number of the step that would take it. */
#ifndef QUERN_TRAIN_SKIP_H
#define QUERN_TRAIN_SKIP_H

#include "base/error.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

struct skip {                        /* {0} skips nothing */
	struct skip_range {
		int64_t first, last;
	} *ranges;                   /* rising, apart from each other */
	int n, cap;
};

/* ERR_USAGE for what is no such list; NULL is the empty one. */
enum status skip_parse(struct skip *s, const char *list, struct error *err);
void skip_release(struct skip *s);
bool skip_has(const struct skip *s, int64_t step);
/* How many of steps 1 .. step are skipped. */
int64_t skip_count(const struct skip *s, int64_t step);
/* Those of them as a list, in one form whatever the list that was parsed. */
void skip_print(const struct skip *s, int64_t step, struct buf *out);

#endif
