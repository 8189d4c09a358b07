/* attention_few.h - included by attention.h: a token's heads of one kv head against its pages, in AMX tiles as attention_tiles.h, to the bit.
 * Nothing is packed: keys and values lie in the pages as right operands, the queries in memory as a tile of their number of rows. */
#ifndef QUERN_CPU_ATTENTION_FEW_H
#define QUERN_CPU_ATTENTION_FEW_H

#if ATT_TILES                   /* else this file says nothing */

#define FEW_QUERIES 16           /* at most */

static void configure_few(int rows)
{
	struct tile_config t = {.palette = 1};

	for (int i = 0; i < 8; i++)
		t.row_bytes[i] = 64, t.rows[i] = (uint8_t)(i < 6 ? rows : 16);
	tiles_load(&t);
}

INLINE void ask_for_page(const float *at, int64_t lines)
{
	for (int64_t l = 0; l < lines; l++)
		__builtin_prefetch(at + l * 16);
}

/* s[rows, 64] = the products of the queries with kn keys. */
static void few_scores(float *s, const act *q, int64_t q_ld, const float *keys, int64_t d, int kn)
{
	for (int64_t half = 0; half < kn; half += 32, s += 32, keys += d / 2 * 32) {
		_tile_zero(0);
		_tile_zero(1);
		for (int64_t p = 0; p < d; p += 32) {
			_tile_loadd(4, q + p, (int)q_ld * 2);
			_tile_loadd(6, keys + p / 2 * 32, 32 * 4);
			_tile_dpbf16ps(0, 4, 6);
			_tile_loadd(7, keys + p / 2 * 32 + 16, 32 * 4);
			_tile_dpbf16ps(1, 4, 7);
		}
		_tile_stored(0, s, ATT_B * 4);
		_tile_stored(1, s + 16, ATT_B * 4);
	}
}

/* o[rows, d] += p v, over kn keys. */
static void few_sums(float *o, int64_t d, const float *p, const float *values, int kn)
{
	_tile_loadd(4, p, ATT_B / 2 * 4);
	if (kn > 32)
		_tile_loadd(5, p + 16, ATT_B / 2 * 4);
	for (int64_t j = 0; j < d; j += 32, o += 32, values += ATT_B / 2 * 32) {
		_tile_loadd(0, o, (int)d * 4);
		_tile_loadd(1, o + 16, (int)d * 4);
		_tile_loadd(6, values, 32 * 4);
		_tile_dpbf16ps(0, 4, 6);
		_tile_loadd(7, values + 16, 32 * 4);
		_tile_dpbf16ps(1, 4, 7);
		if (kn > 32) {
			_tile_loadd(6, values + 16 * 32, 32 * 4);
			_tile_dpbf16ps(0, 5, 6);
			_tile_loadd(7, values + 16 * 32 + 16, 32 * 4);
			_tile_dpbf16ps(1, 5, 7);
		}
		_tile_stored(0, o, (int)d * 4);
		_tile_stored(1, o + 16, (int)d * 4);
	}
}

/* t->rows queries of one token, which see the same keys, all in pages. The tiles are configured for so many. */
static void attend_few(const struct attend *t)
{
	float s[FEW_QUERIES * ATT_B] __attribute__((aligned(64))), p[FEW_QUERIES * ATT_B / 2] __attribute__((aligned(64)));
	float o[FEW_QUERIES * ATT_D_MAX] __attribute__((aligned(64))), max[FEW_QUERIES], sum[FEW_QUERIES];
	int64_t d = t->d, from = window_start(t->seen, t->window);

	memset(o, 0, (size_t)(t->rows * d) * sizeof *o);
	for (int r = 0; r < t->rows; r++)
		max[r] = -INFINITY, sum[r] = 0;
	for (int64_t k0 = from / ATT_B * ATT_B; k0 < t->seen; k0 += ATT_B) {
		const act *page = t->page[k0 / ATT_B], *next = k0 + ATT_B < t->seen ? t->page[k0 / ATT_B + 1] : NULL;
		const float *keys = (const float *)(const void *)(page + t->key_at), *values = (const float *)(const void *)(page + t->value_at);
		int kn = (int)shorter(ATT_B, t->seen - k0), lo = from > k0 ? (int)(from - k0) : 0;

		ask_for_page(values, d * 2);
		few_scores(s, t->q, t->q_ld, keys, d, kn);
		if (next)
			ask_for_page((const float *)(const void *)(next + t->key_at), d * 2);
		for (int r = 0; r < t->rows; r++)
			if (kn - lo == ATT_B)
				tiles_softmax(true, t, s + r * ATT_B, p + r * ATT_B / 2, o + r * d, &max[r], &sum[r], 0, ATT_B);
			else
				tiles_softmax(false, t, s + r * ATT_B, p + r * ATT_B / 2, o + r * d, &max[r], &sum[r], lo, kn);
		few_sums(o, d, p, values, kn);
	}
	for (int r = 0; r < t->rows; r++) {
		for (int64_t j = 0; j < d; j += VL)
			a_store_at(t->o + r * t->o_ld, v_load(o + r * d + j) / v_set1(sum[r]), d, j);
		if (t->lse)
			t->lse[r * t->lse_ld] = max[r] + logf(sum[r]);
	}
}

#endif

#endif
