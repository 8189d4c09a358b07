/* attention_decode.cu - attention of a few rows of queries over keys in pages: a token or two after a long past. The memory is the
 * limit, so a page is read once for all heads that share its keys, while the one before it is computed.
 *
 * Four warps share a page: in the scores each has 16 of its keys, in the values a quarter of the columns; the sums are those of
 * attention_mma.cu to the bit. Where there are too few sequences to fill the device, the pages of one go to several blocks of threads,
 * each page's result to the scratch, and another kernel puts them together in order: the same additions again. */
#include "attention_kernels.h"
#include "attention_mma.h"

template <int D> struct few_shape {
	static const int tile = tile_size(KEYS, D) > tile_size(D, KEYS) ? tile_size(KEYS, D) : tile_size(D, KEYS);
	static const int q = 0, p = tile_size(FEW_ROWS, D), k = p + tile_size(FEW_ROWS, KEYS), v = k + 2 * tile, size = v + 2 * tile;
	static const int columns = D / 8 / MMA_WARPS;         /* of a warp, in products of 8 */
};

/* Results of single pages, of sequences that bring one token: a page's rows are a group's heads. */
struct parts {
	float *values;                /* [sequence, kv head, page, row, d]; NULL: there are none */
	float *max, *sum;             /* [sequence, kv head, page, row] */
};

__device__ __forceinline__ int64_t part_at(const struct att &a, int64_t sequence, int kv, int block)
{
	return ((sequence * a.hkv + kv) * a.width + block) * a.group;
}

template <int D>
__device__ __forceinline__ void load_page(bf16 *shared, const struct att &a, const struct tile &t, int kv, int block)
{
	typedef few_shape<D> shape;

	load_page_keys<D>(shared + shape::k + block % 2 * shape::tile, a, t, kv, block);
	load_page_values<D>(shared + shape::v + block % 2 * shape::tile, a, t, kv, block);
	cp_async_commit();
}

/* What the warps tell each other of a page, row by row. */
struct few_room {
	float max[MMA_WARPS][FEW_ROWS], sum[MMA_WARPS][FEW_ROWS][4];
};

/* The scores of the warp's 16 keys. */
template <int D>
__device__ __forceinline__ void few_scores(float (&s)[2][4], const bf16 *q, const bf16 *k)
{
	const int keys = threadIdx.x / 32 * 16;

#pragma unroll
	for (int n = 0; n < 2; n++)
#pragma unroll
		for (int e = 0; e < 4; e++)
			s[n][e] = 0;
#pragma unroll
	for (int c = 0; c < D; c += 16) {
		unsigned left[4], right[4];

		load_left<FEW_ROWS>(left, q, 0, c);
		load_right_columns<D>(right, k, c, keys);
		mma_pair(s[0], s[1], left, right);
	}
}

/* Turns them into weights, rounded, in the tile p; the page's maxima and sums of the lane's two rows. */
__device__ __forceinline__ void few_weights(struct softmax (&block)[2], float (&s)[2][4], bf16 *p, struct few_room *room, float factor)
{
	const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;

#pragma unroll
	for (int r = 0; r < 2; r++) {
		const float top = quad_max(fmaxf(fmaxf(s[0][2 * r], s[0][2 * r + 1]), fmaxf(s[1][2 * r], s[1][2 * r + 1])));

		if (lane % 4 == 0)
			room->max[warp][lane / 4 + 8 * r] = top;
	}
	__syncthreads();
#pragma unroll
	for (int r = 0; r < 2; r++) {
		const int row = lane / 4 + 8 * r;
		float base;

		block[r].max = __fmul_rn(fmaxf(fmaxf(room->max[0][row], room->max[1][row]), fmaxf(room->max[2][row], room->max[3][row])), factor);
		base = -base_of(block[r].max);
#pragma unroll
		for (int n = 0; n < 2; n++) {
			const float lo = fast_exp2(fmaf(s[n][2 * r], factor, base)), hi = fast_exp2(fmaf(s[n][2 * r + 1], factor, base));

			s[n][2 * r] = lo, s[n][2 * r + 1] = hi;
			*(unsigned *)(p + chunk_at<FEW_ROWS>(row, 2 * warp + n) + 2 * (lane % 4)) = bf16_pair(lo, hi);
		}
		room->sum[warp][row][lane % 4] = sum_of_16(s[0][2 * r], s[0][2 * r + 1], s[1][2 * r], s[1][2 * r + 1]);
	}
	__syncthreads();
#pragma unroll
	for (int r = 0; r < 2; r++) {
		const int row = lane / 4 + 8 * r, t = lane % 4;

		block[r].sum = quad_sum(sum_of_16(room->sum[0][row][t], room->sum[1][row][t], room->sum[2][row][t], room->sum[3][row][t]));
	}
}

/* The page's values under those weights, in the warp's columns. */
template <int D>
__device__ __forceinline__ void few_values(float (&part)[few_shape<D>::columns + 1][4], const bf16 *p, const bf16 *v)
{
	const int columns = few_shape<D>::columns, first = threadIdx.x / 32 * columns;

#pragma unroll
	for (int n = 0; n <= columns; n++)
#pragma unroll
		for (int e = 0; e < 4; e++)
			part[n][e] = 0;
#pragma unroll
	for (int i = 0; i < KEYS / 16; i++) {
		unsigned left[4];

		load_left<FEW_ROWS>(left, p, 0, 16 * i);
#pragma unroll
		for (int n = 0; n < columns; n += 2) {
			unsigned right[4];

			load_right_columns<KEYS>(right, v, 16 * i, 8 * (first + n));
			mma_pair(part[n], part[n + 1], left, right);
		}
	}
}

template <int D>
__device__ __forceinline__ void store_part(const struct parts &parts, const struct att &a, int64_t at, const struct softmax (&block)[2],
					   const float (&part)[few_shape<D>::columns + 1][4])
{
	const int columns = few_shape<D>::columns, lane = threadIdx.x % 32, warp = threadIdx.x / 32;

#pragma unroll
	for (int r = 0; r < 2; r++) {
		const int row = lane / 4 + 8 * r;

		if (row >= a.group)
			continue;
#pragma unroll
		for (int n = 0; n < columns; n++) {
			const int column = 8 * (warp * columns + n) + 2 * (lane % 4);

			if (column < a.d)
				*(float2 *)(parts.values + (at + row) * a.d + column) = make_float2(part[n][2 * r], part[n][2 * r + 1]);
		}
		if (warp == 0 && lane % 4 == 0)
			parts.max[at + row] = block[r].max, parts.sum[at + row] = block[r].sum;
	}
}

template <int D>
__device__ __forceinline__ void store_few(bf16 *o, const struct att &a, const struct tile &t, int kv, const struct softmax (&row)[2],
					  const float (&sum)[few_shape<D>::columns][4])
{
	const int columns = few_shape<D>::columns, lane = threadIdx.x % 32, warp = threadIdx.x / 32;

#pragma unroll
	for (int r = 0; r < 2; r++) {
		const int at = lane / 4 + 8 * r;
		const struct query_at q = query_of(a, t, kv, at);
		const float inverse = 1 / row[r].sum;

		if (at >= t.tokens * a.group)
			continue;
#pragma unroll
		for (int n = 0; n < columns; n++) {
			const int column = 8 * (warp * columns + n) + 2 * (lane % 4);

			if (column < a.d)
				*(unsigned *)(o + (q.token * a.h + q.head) * a.d + column) =
					bf16_pair(output_of(sum[n][2 * r], inverse), output_of(sum[n][2 * r + 1], inverse));
		}
	}
}

/* Block (x, y, z) of threads has part x of the pages, head y and sequence z. */
template <int D>
__global__ void __launch_bounds__(MMA_THREADS) few_kernel(struct att a, struct parts parts, bf16 *o, const bf16 *qkv)
{
	typedef few_shape<D> shape;
	DYNAMIC_SHARED(bf16, shared);
	__shared__ struct few_room room;
	const struct soft f = soft_of(a);
	const int kv = blockIdx.y, lane = threadIdx.x % 32, keys = threadIdx.x / 32 * 16;
	struct softmax row[2] = {{-INFINITY, 0}, {-INFINITY, 0}};
	float sum[shape::columns][4] = {};
	int from, to, lo[2], hi[2];
	struct tile t;
	bool split;

	t.sequence = blockIdx.z;
	t.begin = a.cu[t.sequence], t.tokens = a.cu[t.sequence + 1] - t.begin;
	t.past = a.past[t.sequence], t.row = 0;
	if (t.tokens == 0 || (int64_t)t.tokens * a.group > FEW_ROWS)
		return;
	split = parts.values && t.tokens == 1;
	if (!split && blockIdx.x > 0)
		return;
	from = first_key(t.past, a.window) / KEYS;
	to = (t.past + t.tokens - 1) / KEYS;
	if (split) {
		const int share = (to - from + (int)gridDim.x) / (int)gridDim.x;

		from += (int)blockIdx.x * share;
		to = min(from + share - 1, to);
	}
	if (from > to)
		return;
	for (int r = 0; r < 2; r++) {
		hi[r] = t.past + (lane / 4 + 8 * r) / a.group;
		lo[r] = first_key(hi[r], a.window);
	}
	load_queries<FEW_ROWS, D>(shared + shape::q, qkv, a.ld, a, t, kv, 0);
	load_page<D>(shared, a, t, kv, from);
	for (int block = from; block <= to; block++) {
		float s[2][4], part[shape::columns + 1][4], old_by[2], new_by[2];
		struct softmax page[2];

		cp_async_wait<0>();
		__syncthreads();
		if (block < to)
			load_page<D>(shared, a, t, kv, block + 1);
		few_scores<D>(s, shared + shape::q, shared + shape::k + block % 2 * shape::tile);
		scores<2>(s, f, block * KEYS + keys, lo, hi, true);
		few_weights(page, s, shared + shape::p, &room, f.factor);
		few_values<D>(part, shared + shape::p, shared + shape::v + block % 2 * shape::tile);
		if (split) {
			store_part<D>(parts, a, part_at(a, t.sequence, kv, block), page, part);
			continue;
		}
		join(&row[0], page[0], &old_by[0], &new_by[0]);
		join(&row[1], page[1], &old_by[1], &new_by[1]);
#pragma unroll
		for (int n = 0; n < shape::columns; n++)
#pragma unroll
			for (int e = 0; e < 4; e++)
				sum[n][e] = join_value(sum[n][e], old_by[e / 2], part[n][e], new_by[e / 2]);
	}
	if (!split)
		store_few<D>(o, a, t, kv, row, sum);
}

/* Block (x, y) has head x of sequence y; a thread has columns. */
__global__ void __launch_bounds__(MMA_THREADS) few_join_kernel(struct att a, struct parts parts, bf16 *o)
{
	const int head = blockIdx.x, kv = head / a.group;
	const int64_t sequence = blockIdx.y, token = a.cu[sequence];
	const int place = a.past[sequence];
	struct softmax row = {-INFINITY, 0};
	float sum[2] = {0, 0};               /* heads of 2 * MMA_THREADS at most */

	if (a.cu[sequence + 1] - token != 1)
		return;
	for (int block = first_key(place, a.window) / KEYS; block <= place / KEYS; block++) {
		const int64_t at = part_at(a, sequence, kv, block) + head % a.group;
		const struct softmax page = {parts.max[at], parts.sum[at]};
		float old_by, new_by;

		join(&row, page, &old_by, &new_by);
		for (int i = 0; i < 2; i++) {
			const int column = threadIdx.x + i * MMA_THREADS;

			if (column < a.d)
				sum[i] = join_value(sum[i], old_by, parts.values[at * a.d + column], new_by);
		}
	}
	for (int i = 0; i < 2; i++) {
		const int column = threadIdx.x + i * MMA_THREADS;

		if (column < a.d)
			o[(token * a.h + head) * a.d + column] = from_float<bf16>(output_of(sum[i], 1 / row.sum));
	}
}

/* --- launches -------------------------------------------------------------------------------------------- */

/* How many blocks of threads share a sequence's pages: where there are few sequences, and what they make of the pages fits the scratch. */
static int shares(const struct att &a)
{
	const int64_t blocks = a.s * a.hkv, wanted = 2 * (int64_t)device.processors / blocks;
	const int64_t most = (int64_t)(DEVICE_PANEL_BYTES / sizeof(float)) / (blocks * a.group * (a.d + 2));

	if (a.group > FEW_ROWS || wanted < 2 || a.width < 2 || a.width > most)
		return 1;
	return (int)(wanted < a.width ? wanted : a.width);
}

/* A grid's y and z go up to 65535: more sequences come in turns. */
#define SEQUENCES_MAX 32768

template <int D> static void launch(const struct att &a, bf16 *o, const bf16 *qkv)
{
	const size_t bytes = few_shape<D>::size * sizeof(bf16);
	const int share = shares(a);
	const int64_t rows = a.s * a.hkv * a.width * a.group;
	struct parts parts = {};

	if (share > 1) {
		parts.values = (float *)device.panel;
		parts.max = parts.values + rows * a.d;
		parts.sum = parts.max + rows;
	}
	ALLOW_SHARED(few_kernel<D>, bytes);
	for (int64_t from = 0; from < a.s; from += SEQUENCES_MAX) {
		struct att some = a;

		some.cu += from, some.past += from, some.table += from * a.width;
		some.s = a.s - from < SEQUENCES_MAX ? a.s - from : SEQUENCES_MAX;
		LAUNCH(few_kernel<D>, dim3((unsigned)share, (unsigned)a.hkv, (unsigned)some.s), MMA_THREADS, bytes, device.stream, some, parts,
		       o, qkv);
	}
	if (share > 1)
		LAUNCH(few_join_kernel, dim3((unsigned)a.h, (unsigned)a.s), MMA_THREADS, 0, device.stream, a, parts, o);
}

void attend_few(const struct att &a, bf16 *o, const bf16 *qkv)
{
	if (a.d <= 64)
		launch<64>(a, o, qkv);
	else if (a.d <= 96)
		launch<96>(a, o, qkv);
	else if (a.d <= 128)
		launch<128>(a, o, qkv);
	else if (a.d <= 192)
		launch<192>(a, o, qkv);
	else
		launch<256>(a, o, qkv);
}
