/* pool.c - worker threads: independent tasks, and an ordered pipeline over them; see pool.h. */
#include "base/pool.h"
#include "base/mem.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

/* A round is one pool_run. Its state is one word, so that a worker joins it in one step, or learns that it is over:
 *
 *	number of the round << 32 | open << 31 | workers within
 *
 * The caller opens the round, works too, closes it when no task is left and waits for the workers within; one that
 * wakes late finds it closed and delays nobody. Between rounds a thread looks again SPINS times (some 50 us) before it
 * sleeps: a layer of a small model is shorter than waking a thread takes. */
#define ROUND_OPEN ((uint64_t)1 << 31)
#define ROUND_WITHIN (ROUND_OPEN - 1)
#define SPINS 1000

struct pool {
	int threads;
	pthread_t *ids;
	pthread_mutex_t lock;        /* of sleeping and waking only */
	pthread_cond_t wake, done;
	_Atomic int sleeping;        /* workers that wait for wake */
	_Atomic bool caller_sleeps;  /* the caller waits for done */
	_Atomic bool quit;
	_Atomic uint64_t state;
	/* the round: written before it opens, read by those within */
	pool_task *fn;
	void *arg;
	int64_t n;
	_Atomic int64_t next;
};

struct worker_start {
	struct pool *pool;
	int index;
};

/* The worker that this thread is within a running pool_run, -1 outside: a pool_run inside a task runs in its own thread. */
static _Thread_local int current_worker = -1;

static void work_through(struct pool *p, int worker)
{
	current_worker = worker;
	for (;;) {
		int64_t i = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed);
		if (i >= p->n)
			break;
		p->fn(p->arg, i, worker);
	}
	current_worker = -1;
}

static void pause_briefly(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static bool is_new(uint64_t state, uint64_t seen)
{
	return (state & ROUND_OPEN) && state >> 32 != seen;
}

/* Waits for a round after seen, and enters it; its number, 0 when the pool closes. */
static uint64_t join_round(struct pool *p, uint64_t seen)
{
	for (int spins = 0;; spins++) {
		uint64_t state = atomic_load(&p->state);
		if (is_new(state, seen)) {
			if (atomic_compare_exchange_weak(&p->state, &state, state + 1))
				return state >> 32;
		} else if (atomic_load(&p->quit)) {
			return 0;
		} else if (spins < SPINS) {
			pause_briefly();
		} else {
			pthread_mutex_lock(&p->lock);
			atomic_fetch_add(&p->sleeping, 1);
			while (!is_new(atomic_load(&p->state), seen) && !atomic_load(&p->quit))
				pthread_cond_wait(&p->wake, &p->lock);
			atomic_fetch_sub(&p->sleeping, 1);
			pthread_mutex_unlock(&p->lock);
			spins = 0;
		}
	}
}

static void leave_round(struct pool *p)
{
	uint64_t before = atomic_fetch_sub(&p->state, 1);
	if ((before & ROUND_WITHIN) == 1 && atomic_load(&p->caller_sleeps)) {
		pthread_mutex_lock(&p->lock);
		pthread_cond_signal(&p->done);
		pthread_mutex_unlock(&p->lock);
	}
}

static void *worker_main(void *arg)
{
	struct worker_start start = *(struct worker_start *)arg;
	uint64_t round = 0;
	mem_free(arg);
	while ((round = join_round(start.pool, round)) != 0) {
		work_through(start.pool, start.index);
		leave_round(start.pool);
	}
	return NULL;
}

int pool_cores(void)
{
	cpu_set_t set;
	return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
}

struct pool *pool_open(int threads)
{
	struct pool *p = mem_zalloc(sizeof(*p));
	p->threads = threads > 0 ? threads : pool_cores();
	p->ids = mem_array((size_t)p->threads, sizeof(*p->ids));
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
	pthread_cond_init(&p->done, NULL);
	for (int i = 1; i < p->threads; i++) {
		struct worker_start *start = mem_alloc(sizeof(*start));
		*start = (struct worker_start){p, i};
		if (pthread_create(&p->ids[i], NULL, worker_main, start) != 0) {
			mem_free(start);
			p->threads = i; /* fewer threads change the time, not the result */
			break;
		}
	}
	return p;
}

void pool_close(struct pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	atomic_store(&p->quit, true);
	pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
	for (int i = 1; i < p->threads; i++)
		pthread_join(p->ids[i], NULL);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->wake);
	pthread_cond_destroy(&p->done);
	mem_free(p->ids);
	mem_free(p);
}

int pool_threads(const struct pool *p)
{
	return p ? p->threads : 1;
}

/* Until nobody is within the closed round. */
static void wait_for_workers(struct pool *p)
{
	for (int spins = 0; spins < SPINS; spins++) {
		if ((atomic_load(&p->state) & ROUND_WITHIN) == 0)
			return;
		pause_briefly();
	}
	pthread_mutex_lock(&p->lock);
	atomic_store(&p->caller_sleeps, true);
	while (atomic_load(&p->state) & ROUND_WITHIN)
		pthread_cond_wait(&p->done, &p->lock);
	atomic_store(&p->caller_sleeps, false);
	pthread_mutex_unlock(&p->lock);
}

void pool_run(struct pool *p, int64_t n, pool_task *fn, void *arg)
{
	if (!p || p->threads == 1 || n <= 1 || current_worker >= 0) {
		for (int64_t i = 0; i < n; i++)
			fn(arg, i, current_worker >= 0 ? current_worker : 0);
		return;
	}
	p->fn = fn;
	p->arg = arg;
	p->n = n;
	atomic_store_explicit(&p->next, 0, memory_order_relaxed);
	uint64_t number = (uint32_t)((atomic_load(&p->state) >> 32) + 1);
	atomic_store(&p->state, (number ? number : 1) << 32 | ROUND_OPEN);
	if (atomic_load(&p->sleeping)) {
		pthread_mutex_lock(&p->lock);
		pthread_cond_broadcast(&p->wake);
		pthread_mutex_unlock(&p->lock);
	}
	work_through(p, 0);
	atomic_fetch_and(&p->state, ~ROUND_OPEN);
	wait_for_workers(p);
}

/* --- pipeline ------------------------------------------------------------------------------ */

/* Items stand in a ring in reading order. The caller reads into free places and writes finished ones
 * from the front; whoever is idle, the caller too, works on the oldest item that waits. So over one
 * thread this is plain sequential code. */
struct place {
	void *item;
	size_t bytes;
	enum { PLACE_WAITING, PLACE_WORKING, PLACE_DONE } state;
	enum status st;
	struct error err;
};

struct run {
	const struct pipeline *pl;
	struct place *ring;
	int64_t depth, n_read, n_taken, n_written;
	size_t bytes;                /* of the items alive */
	bool stop;
	enum status st;              /* the driver's result, with its text */
	struct error err;
	pthread_mutex_t lock;
	pthread_cond_t changed;
};

/* Works on the oldest waiting item; false if none waits. Entered and left with the lock held. */
static bool work_one(struct run *r, int worker)
{
	if (r->n_taken == r->n_read)
		return false;
	struct place *pc = &r->ring[r->n_taken++ % r->depth];
	pc->state = PLACE_WORKING;
	pthread_mutex_unlock(&r->lock);
	pc->st = r->pl->work(r->pl->arg, pc->item, worker, &pc->err);
	pthread_mutex_lock(&r->lock);
	pc->state = PLACE_DONE;
	pthread_cond_broadcast(&r->changed);
	return true;
}

/* Reads one item if a place is free. *read_st stays OK until the reader has no more. */
static bool read_one(struct run *r, enum status *read_st)
{
	if (*read_st != OK || r->n_read - r->n_written == r->depth || r->bytes > PIPELINE_BYTES)
		return false;
	struct place *pc = &r->ring[r->n_read % r->depth];
	*pc = (struct place){.state = PLACE_WAITING};
	pthread_mutex_unlock(&r->lock);
	*read_st = r->pl->read(r->pl->arg, &pc->item, &r->err);
	if (*read_st == OK && r->pl->bytes)
		pc->bytes = r->pl->bytes(r->pl->arg, pc->item);
	pthread_mutex_lock(&r->lock);
	if (*read_st == OK) {
		r->bytes += pc->bytes;
		r->n_read++;
		pthread_cond_broadcast(&r->changed);
	}
	return true;
}

static enum status write_one(struct run *r)
{
	struct place *pc = &r->ring[r->n_written % r->depth];
	if (pc->st != OK) {
		r->err = pc->err;
		return pc->st;
	}
	pthread_mutex_unlock(&r->lock);
	enum status st = r->pl->write(r->pl->arg, pc->item, &r->err);
	pthread_mutex_lock(&r->lock);
	r->pl->free_item(r->pl->arg, pc->item);
	r->bytes -= pc->bytes;
	r->n_written++;
	return st;
}

static enum status drive(struct run *r)
{
	enum status read_st = OK;
	struct error read_err = {{0}};
	for (;;) {
		if (r->n_written < r->n_read && r->ring[r->n_written % r->depth].state == PLACE_DONE) {
			TRY(write_one(r));
		} else if (read_one(r, &read_st)) {
			if (read_st != OK && read_st != END)
				read_err = r->err; /* told when all that was read before it is written */
		} else if (r->n_written == r->n_read) {
			r->err = read_err;
			return read_st == END ? OK : read_st;
		} else if (!work_one(r, 0)) {
			pthread_cond_wait(&r->changed, &r->lock);
		}
	}
}

static void pipeline_task(void *arg, int64_t i, int worker)
{
	struct run *r = arg;
	(void)i;
	pthread_mutex_lock(&r->lock);
	if (worker == 0 && !r->stop) { /* a short run may end before other threads came, and the caller gets their tasks too */
		r->st = drive(r);
		r->stop = true;
		pthread_cond_broadcast(&r->changed);
	} else {
		while (!r->stop)
			if (!work_one(r, worker))
				pthread_cond_wait(&r->changed, &r->lock);
	}
	pthread_mutex_unlock(&r->lock);
}

enum status pool_pipeline(struct pool *p, const struct pipeline *pl, struct error *err)
{
	int threads = pool_threads(p);
	/* One thread works best on what it has just read: that is still near it. */
	struct run r = {.pl = pl, .depth = pl->depth > 0 ? pl->depth : threads > 1 ? 2 * threads : 1, .st = OK};
	r.ring = mem_array((size_t)r.depth, sizeof(*r.ring));
	pthread_mutex_init(&r.lock, NULL);
	pthread_cond_init(&r.changed, NULL);
	if (threads == 1 || current_worker >= 0)
		pipeline_task(&r, 0, 0);
	else /* each thread stays in its task until the driver stops: as many tasks as threads, one for each */
		pool_run(p, threads, pipeline_task, &r);
	for (int64_t i = r.n_written; i < r.n_read; i++)
		pl->free_item(pl->arg, r.ring[i % r.depth].item);
	pthread_mutex_destroy(&r.lock);
	pthread_cond_destroy(&r.changed);
	mem_free(r.ring);
	if (r.st != OK && err)
		*err = r.err;
	return r.st;
}
