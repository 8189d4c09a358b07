/* pool.h - threads that never change results.
 *
 * A pool runs n independent tasks; which thread runs which is unknown, so a task's result may depend on its index
 * alone. Callers cut the work in pieces whose size does not depend on the number of threads; with
 * that, -j 1 and -j 16 give the same bytes. An ordered pipeline is the same idea over a stream:
 * read in order, work in parallel, write in order. */
#ifndef QUERN_BASE_POOL_H
#define QUERN_BASE_POOL_H

#include "base/error.h"

#include <stdint.h>

struct pool;

/* threads counts the caller too: 1 starts none. 0 = all cores this process may use. */
struct pool *pool_open(int threads);
void pool_close(struct pool *p);
int pool_threads(const struct pool *p);
int pool_cores(void);

/* Runs fn(arg, i, worker) for i in [0, n) and returns when all are done. worker < pool_threads(p)
 * names the thread, for scratch memory only. p may be NULL: runs in the caller. Not reentrant. */
typedef void pool_task(void *arg, int64_t i, int worker);
void pool_run(struct pool *p, int64_t n, pool_task *fn, void *arg);

/* Read, work, write. read and write run in the caller, one item after the other and in item order;
 * work runs on the pool, several items at once. read stores a new item and returns OK, END or an error; work and write
 * return OK or an error; free_item releases an item (also after errors). At most depth items are
 * alive (0 = 2 * threads, 1 of one thread), and nothing is read while those hold PIPELINE_BYTES by `bytes` (NULL: not asked), so that huge
 * items are alive one by one. The first error in item order is returned, with its text in err. */
struct pipeline {
	enum status (*read)(void *arg, void **item, struct error *err);
	enum status (*work)(void *arg, void *item, int worker, struct error *err);
	enum status (*write)(void *arg, void *item, struct error *err);
	void (*free_item)(void *arg, void *item);
	void *arg;
	int depth;
	size_t (*bytes)(void *arg, void *item);
};
#define PIPELINE_BYTES ((size_t)16 << 20)
enum status pool_pipeline(struct pool *p, const struct pipeline *pl, struct error *err);

#endif
