/* deep.h - included by gemm.h: products of three terms with a long k, and a small or narrow C, both operands of which have k as the
 * leading dimension: the gradients of weights. What is packed of either over all of k would leave the second-level cache and come back
 * from the third for every block; so a task has a block of C, and packs what it needs for it, so much of k at a time that C is seldom
 * read and written. */
#ifndef QUERN_CPU_DEEP_H
#define QUERN_CPU_DEEP_H

#if GEMM_SPLIT                  /* else this file says nothing */

#define DEEP_KC 512             /* k at a time: C, which is read and written once for each, need not be near */
#define DEEP_ROWS 64            /* of a that are packed at a time, */
#define DEEP_COLUMNS 384        /* and columns of b: both stay in the second-level cache */
#define DEEP_C 524288           /* floats of a task's block of C, at most: b is packed for each */
#define DEEP_EACH 393216        /* a thread's share of C, up to which packing a more than once costs less than what it saves */
#define DEEP_SIDES 256          /* blocks are not cut further than this for the threads' sake, rows and columns together */
#define DEEP_A_WORDS (DEEP_ROWS * (3 * DEEP_KC / 2 + 16))
#define DEEP_WORDS (DEEP_A_WORDS + DEEP_COLUMNS * 3 * DEEP_KC / 2)
_Static_assert(DEEP_KC <= PACK_DEPTH, "a panel's longest k");

static bool deep_wins(const struct gemm *g, struct pool *pool)
{
	return g->terms == 3 && g->a.k_major && g->b.k_major &&
	       (g->n <= DEEP_COLUMNS || (double)g->m * (double)g->n <= (double)DEEP_EACH * (pool ? pool_threads(pool) : 1));
}

static void deep_task(void *arg, int64_t t, int worker)
{
	const struct gemm *g = arg;
	int64_t blocks = (g->m + g->mb - 1) / g->mb, i0 = t % blocks * g->mb, i1 = shorter(i0 + g->mb, g->m);
	int64_t j0 = t / blocks * g->rows, j1 = shorter(j0 + g->rows, g->n);
	float *a = g->own + (int64_t)worker * DEEP_WORDS, *b = a + DEEP_A_WORDS;

	begin_tiles(g);
	for (int64_t p = 0; p < g->k; p += g->kc) {
		int kc = (int)shorter(g->kc, g->k - p);

		for (int64_t j = j0; j < j1; j += 2 * g->nr)
			pack_columns_of_b(g, b + columns_words(g, j - j0, kc), j, shorter(j + 2 * g->nr, j1), p, kc, 0);
		for (int64_t i = i0; i < i1; i += DEEP_ROWS) {
			int64_t end = shorter(i + DEEP_ROWS, i1);

			pack_rows_of_a(g, a, i, end, p, kc);
			multiply(g, a, i, end, b, j0, j1, p, kc, g->acc || p > 0, &(struct next){.at = NULL});
		}
	}
	end_tiles(g);
}

/* Cuts C in blocks of mb rows and `rows` columns, the longer side first, until they are small and all threads have as many; their
 * number. What an element gives does not depend on it. */
static int64_t deep_blocks(struct gemm *g, int threads)
{
	int64_t down = 1, across = 1, blocks;

	for (;;) {
		g->mb = ((g->m + down - 1) / down + g->nr - 1) / g->nr * g->nr;
		g->rows = ((g->n + across - 1) / across + g->nr - 1) / g->nr * g->nr;
		blocks = ((g->m + g->mb - 1) / g->mb) * ((g->n + g->rows - 1) / g->rows);
		if (g->rows <= DEEP_COLUMNS && g->mb * g->rows <= DEEP_C && (blocks % threads == 0 || g->mb + g->rows <= DEEP_SIDES))
			return blocks;
		if (g->rows > g->mb || g->rows > DEEP_COLUMNS)
			across++;
		else
			down++;
	}
}

static void gemm_deep(struct pool *pool, struct gemm *g)
{
	int threads = pool ? pool_threads(pool) : 1;

	g->kc = even_share(g->k, DEEP_KC);
	g->own = cpu_scratch((size_t)threads * DEEP_WORDS * sizeof(float));
	pool_run(pool, deep_blocks(g, threads), deep_task, g);
}

#endif

#endif
