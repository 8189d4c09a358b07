/* serve.cu - products with weights that are only used: Y[N, O] = X[N, I] W^T of the table of bf16, W packed for the forward alone.
 *
 * Decoding reads each weight once for a token of every sequence: with N rows a product has 2 N O I operations for O I b bytes, b being 2 for
 * bf16, 1 for int8 and 1/2 + 1/16 for NF4, which stay what they are in memory and become bf16 in registers. Tensor cores do some 150 to 200
 * operations while a byte of memory comes (H200: 4.8 TB/s), so up to about 64 rows of bf16, or 32 of int8, the memory decides: 8 billion weights
 * of bf16 are 16 GB, 3.3 ms or 300 tokens a second for one row, 64 times that for 64; int8 takes half, NF4 0.28 of it. None of this has been
 * measured: no GPU was at hand. The kernels are compiled for sm_80 and sm_90, and checked in the emulator.
 *
 * A row's bits must not depend on which rows share the call, so there is one arithmetic for every N. The depth is cut in slices, how many O
 * and I alone say (slice_blocks); an element's slice is one chain of mma in the order of k, from zero, and the slices' sums are added in their order. What
 * N changes is who does it: a tile of the result has 8, 16, 32, 64 or 128 rows of X; the slices of a tile are shared out over blocks of threads, the
 * last of which to come adds them, or where there are enough tiles a block walks through them, with the sum of those before in other registers.
 *
 * W is the left operand of mma (M = 16), so that few rows of X waste little. It is packed in blocks of 16 rows and 64 columns that lie as the
 * lanes hold them: each lane's 16 bytes beside the next one's, a block's 2048, 1024 or 512 bytes in a piece, the blocks of 16 rows behind each other.
 * Within a block, lane 4 g + t has, of step j of mma, rows 2 g and 2 g + 1 (so that it gets neighbours of Y) and columns 16 t + 4 j to + 3 (so
 * that its columns of X, which follow the same order, are 32 bytes in a piece). The integers of int8 are exact in bf16, and a row's
 * factor multiplies the whole sum; the values of NF4's codes are rounded to bf16, as bitsandbytes does it for decoding, and a block's
 * factor multiplies the sums over the two halves of its 64 columns. */
#include "serve.h"
#include "mma.h"

#define DEPTH 64                 /* columns of a block of W */
#define TILES_AT_ONCE 264        /* blocks of threads that keep the memory busy: two for each of 132 processors, whatever device it is */
#define SLICES_MAX 16
#define SLICE_MIN 2              /* blocks of W */
#define COUNTERS 4096            /* tiles that may be shared out */
#define GROUP 16                 /* tiles of rows of X that go through W together, and find it in the cache */

template <enum elem E> constexpr int BLOCK_BYTES = E == ELEM_BF16 ? 2048 : E == ELEM_I8 ? 1024 : 512;

/* --- packing ---------------------------------------------------------------------------------------------------- */

static enum elem packed_as(enum elem e) { return e == ELEM_F32 ? ELEM_BF16 : e; }

static size_t block_bytes(enum elem e)
{
	e = packed_as(e);
	return e == ELEM_BF16 ? BLOCK_BYTES<ELEM_BF16> : e == ELEM_I8 ? BLOCK_BYTES<ELEM_I8> : BLOCK_BYTES<ELEM_NF4>;
}

size_t serve_bytes(enum elem e, int64_t o, int64_t i)
{
	return (size_t)(pieces_of(o, 16) * pieces_of(i, DEPTH)) * block_bytes(e);
}

/* What is stored for a weight: the bits of a bf16, of an int8, or a code. */
template <enum elem E> __device__ __forceinline__ unsigned code_at(const struct weights &w, int64_t o, int64_t i, int64_t row, int64_t col)
{
	const int64_t at = row * i + col;

	if (row >= o || col >= i)
		return 0;
	if (E == ELEM_BF16)
		return bf16_pair(weight_at(w, i, row, col), 0) & 0xffff;
	if (E == ELEM_I8)
		return ((const unsigned char *)w.data)[at];
	return ((const unsigned char *)w.data)[at / 2] >> (at & 1 ? 0 : 4) & 15;
}

/* A thread has a lane's part of a block. */
template <enum elem E> __global__ void __launch_bounds__(THREADS) lay_out_kernel(uint4 *to, struct weights w, int64_t o, int64_t i, int64_t lanes)
{
	constexpr int CHUNKS = BLOCK_BYTES<E> / 512;
	const int64_t blocks_i = (i + DEPTH - 1) / DEPTH;

	for (GRID_STRIDE(at, lanes)) {
		const int lane = (int)(at % 32), g = lane / 4, t = lane % 4;
		int64_t row, col;
		unsigned words[16] = {};

		split(at / 32, blocks_i, &row, &col);
#pragma unroll
		for (int j = 0; j < 4; j++)
#pragma unroll
			for (int q = 0; q < 4; q++) {
				const int64_t r = row * 16 + 2 * g + q % 2, c = col * DEPTH + 16 * t + 4 * j + q / 2 * 2;
				const unsigned first = code_at<E>(w, o, i, r, c), second = code_at<E>(w, o, i, r, c + 1);

				if (E == ELEM_BF16)
					words[4 * j + q] = first | second << 16;
				else if (E == ELEM_I8)
					words[2 * j + q / 2] |= (first | second << 16) << 8 * (q % 2);
				else
					words[j] |= (first << 4 | second) << 8 * q;
			}
#pragma unroll
		for (int n = 0; n < CHUNKS; n++)
			to[(at / 32 * CHUNKS + n) * 32 + lane] = make_uint4(words[4 * n], words[4 * n + 1], words[4 * n + 2], words[4 * n + 3]);
	}
}

void serve_pack(void *packed, struct weights w, int64_t o, int64_t i)
{
	const int64_t lanes = pieces_of(o, 16) * pieces_of(i, DEPTH) * 32;

	if (!lanes)
		return;
	if (w.elem == ELEM_I8)
		LAUNCH(lay_out_kernel<ELEM_I8>, grid_of(lanes), THREADS, 0, device.stream, (uint4 *)packed, w, o, i, lanes);
	else if (w.elem == ELEM_NF4)
		LAUNCH(lay_out_kernel<ELEM_NF4>, grid_of(lanes), THREADS, 0, device.stream, (uint4 *)packed, w, o, i, lanes);
	else
		LAUNCH(lay_out_kernel<ELEM_BF16>, grid_of(lanes), THREADS, 0, device.stream, (uint4 *)packed, w, o, i, lanes);
}

/* --- embedding ----------------------------------------------------------------------------------------------------- */

/* An element of packed weights: where lay_out_kernel put it. */
template <enum elem E> __device__ __forceinline__ float served_at(const struct weights &w, int64_t blocks_i, int64_t row, int64_t col)
{
	const int lane = (int)(row % 16 / 2 * 4 + col % DEPTH / 16), j = (int)(col % 16 / 4), q = (int)(row % 2 + col % 4 / 2 * 2), second = (int)(col % 2);
	const int chunk = E == ELEM_BF16 ? j : E == ELEM_I8 ? j / 2 : 0, word = E == ELEM_BF16 ? q : E == ELEM_I8 ? j % 2 * 2 + q / 2 : j;
	const int64_t block = row / 16 * blocks_i + col / DEPTH;
	const unsigned bits = ((const unsigned *)w.packed)[block * (BLOCK_BYTES<E> / 4) + (chunk * 32 + lane) * 4 + word];

	if (E == ELEM_BF16)
		return __uint_as_float(bits >> 16 * second << 16);
	if (E == ELEM_I8)
		return (float)(signed char)(bits >> (8 * (q % 2) + 16 * second)) * w.scale[row];
	return nf4_value(bits >> (8 * q + (second ? 0 : 4)) & 15) * w.scale[row * blocks_i + col / DEPTH];
}

template <enum elem E>
__global__ void __launch_bounds__(THREADS) serve_embed_kernel(bf16 *y, struct weights w, const int32_t *ids, int64_t n, int64_t c)
{
	for (GRID_STRIDE(i, n * c)) {
		int64_t row, col;

		split(i, c, &row, &col);
		y[i] = from_float<bf16>(served_at<E>(w, (c + DEPTH - 1) / DEPTH, ids[row], col));
	}
}

void serve_embed(bf16 *y, struct weights w, const int32_t *ids, int64_t n, int64_t c)
{
	if (w.elem == ELEM_I8)
		LAUNCH(serve_embed_kernel<ELEM_I8>, grid_of(n * c), THREADS, 0, device.stream, y, w, ids, n, c);
	else if (w.elem == ELEM_NF4)
		LAUNCH(serve_embed_kernel<ELEM_NF4>, grid_of(n * c), THREADS, 0, device.stream, y, w, ids, n, c);
	else
		LAUNCH(serve_embed_kernel<ELEM_BF16>, grid_of(n * c), THREADS, 0, device.stream, y, w, ids, n, c);
}

/* --- tiles --------------------------------------------------------------------------------------------------------- */

/* WM x WN warps, each with 16 MT rows of W and 8 NT rows of X. */
template <enum elem E_, int MT_, int WM, int WN_, int NT_> struct tile_shape {
	static constexpr enum elem E = E_;
	static constexpr int MT = MT_, NT = NT_, WN = WN_;
	static constexpr int BM = 16 * MT * WM, BN = 8 * NT * WN, COUNT = 32 * WM * WN;
	static constexpr int BLOCK = BLOCK_BYTES<E>;
	static constexpr int W_BYTES = BM / 16 * BLOCK, X_BYTES = BN * DEPTH * (int)sizeof(bf16);
	static constexpr int STAGE = W_BYTES + X_BYTES + (E == ELEM_NF4 ? BM * (int)sizeof(float) : 0);
	static constexpr int FIT = (48 << 10) / STAGE, STAGES = FIT < 3 ? 3 : FIT > 8 ? 8 : FIT;
	static constexpr int TABLE = E == ELEM_NF4 ? 256 * 32 * 4 : 0;       /* pairs of codes, a column for each lane: no two read one bank */
	static constexpr int SHARED = TABLE + STAGES * STAGE;
};

struct serve {
	struct serving s;
	const unsigned char *w;
	int blocks_o, blocks_i, per_slice, slices, tiles_o, tiles_n;
	bool wide_x, pairs;          /* rows of X can be read 16 bytes at a time; neighbours of Y written together */
	float *partial;
	unsigned *arrived;           /* of each tile, how many of its blocks; 0 before and after */
};

/* Pairs in the order of the codes: the first in the low half. */
template <class C> __device__ __forceinline__ void fill_table(unsigned *table)
{
	for (int i = threadIdx.x; i < C::TABLE / 16; i += C::COUNT) {
		const unsigned pair = bf16_pair(nf4_value(i / 8 >> 4), nf4_value(i / 8 & 15));

		((uint4 *)table)[i] = make_uint4(pair, pair, pair, pair);
	}
}

/* Begins to load block k of the tile's rows of W, 64 columns of its rows of X, and with NF4 the factors. */
template <class C> __device__ __forceinline__ void load_stage(unsigned char *to, const struct serve &p, int tile_o, int64_t row0, int k)
{
	constexpr int PIECES = C::BLOCK / 16;
	const struct serving &s = p.s;

	for (int c = threadIdx.x; c < C::W_BYTES / 16; c += C::COUNT) {
		const int row = tile_o * (C::BM / 16) + c / PIECES;
		const bool there = row < p.blocks_o;

		cp_async16(to + c * 16, p.w + ((int64_t)(there ? row : 0) * p.blocks_i + k) * C::BLOCK + c % PIECES * 16, there);
	}
	to += C::W_BYTES;
	for (int c = threadIdx.x; c < C::BN * 8; c += C::COUNT) {
		const int row = c / 8, col = k * DEPTH + c % 8 * 8;
		bf16 *chunk = (bf16 *)(to + row * 128 + ((c % 8) ^ (row & 1)) * 16);
		const bool there = row0 + row < s.n && col < s.i;
		const bf16 *from = there ? (const bf16 *)s.x + (row0 + row) * s.ldx + col : (const bf16 *)s.x;

		if (p.wide_x)
			cp_async16(chunk, from, there);
		else
			for (int e = 0; e < 8; e++)
				chunk[e] = there && col + e < s.i ? from[e] : from_float<bf16>(0);
	}
	to += C::X_BYTES;
	for (int r = threadIdx.x; C::E == ELEM_NF4 && r < C::BM; r += C::COUNT) {
		const int64_t o = (int64_t)tile_o * C::BM + r;

		cp_async4(to + r * 4, s.w.scale + (o < s.o ? o * p.blocks_i : 0) + k, o < s.o);
	}
}

/* A lane's part of a block as left operands, a[j] that of step j. */
template <enum elem E> __device__ __forceinline__ void take_block(unsigned (&a)[4][4], const unsigned char *block, const unsigned *table)
{
	const int lane = threadIdx.x % 32;

#pragma unroll
	for (int n = 0; n < BLOCK_BYTES<E> / 512; n++) {
		const uint4 v = ((const uint4 *)block)[n * 32 + lane];
		const unsigned word[4] = {v.x, v.y, v.z, v.w};

#pragma unroll
		for (int q = 0; q < 4; q++) {
			if (E == ELEM_BF16) {
				a[n][q] = word[q];
			} else if (E == ELEM_I8) {
				a[2 * n][q] = int8_pair(word[q / 2] >> 8 * (q % 2));
				a[2 * n + 1][q] = int8_pair(word[2 + q / 2] >> 8 * (q % 2));
			} else {
#pragma unroll
				for (int j = 0; j < 4; j++)
					a[j][q] = table[(word[j] >> 8 * q & 255) * 32 + lane];
			}
		}
	}
}

/* Adds the products over 64 columns. Chains of mma are to overlap: those of two tiles of X, or, where factors follow, those of the two
 * halves of the columns. */
template <class C>
__device__ __forceinline__ void multiply(float (&sum)[C::MT][C::NT][4], const unsigned char *stage, const unsigned *table)
{
	constexpr bool FACTORS = C::E == ELEM_NF4;
	constexpr int U = C::NT > 1 && !FACTORS ? 2 : 1;
	const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4, warp = threadIdx.x / 32, m0 = warp / C::WN * C::MT;
	const unsigned char *x = stage + C::W_BYTES + warp % C::WN * (C::NT * 8) * 128;
	const float *factor = (const float *)(stage + C::W_BYTES + C::X_BYTES) + m0 * 16 + 2 * g;
	unsigned a[C::MT][4][4];

#pragma unroll
	for (int m = 0; m < C::MT; m++)
		take_block<C::E>(a[m], stage + (m0 + m) * C::BLOCK, table);
#pragma unroll
	for (int n = 0; n < C::NT; n += U) {
		unsigned b[U][4][2];
		float half[2][C::MT][4] = {};

#pragma unroll
		for (int u = 0; u < U; u++)
#pragma unroll
			for (int h = 0; h < 2; h++) {
				const int row = (n + u) * 8 + g;
				const uint4 v = *(const uint4 *)(x + row * 128 + ((2 * t + h) ^ (row & 1)) * 16);

				b[u][2 * h][0] = v.x, b[u][2 * h][1] = v.y, b[u][2 * h + 1][0] = v.z, b[u][2 * h + 1][1] = v.w;
			}
#pragma unroll
		for (int step = 0; step < 4; step++) {
			const int j = FACTORS && C::MT == 1 ? step % 2 * 2 + step / 2 : step;

#pragma unroll
			for (int u = 0; u < U; u++)
#pragma unroll
				for (int m = 0; m < C::MT; m++)
					mma_bf16(FACTORS ? half[j / 2][m] : sum[m][n + u], a[m][j], b[u][j]);
		}
#pragma unroll
		for (int m = 0; FACTORS && m < C::MT; m++)
#pragma unroll
			for (int e = 0; e < 4; e++)
				for (int h = 0; h < 2; h++)
					sum[m][n][e] = fmaf(half[h][m][e], factor[m * 16 + e / 2], sum[m][n][e]);
	}
}

/* --- results ---------------------------------------------------------------------------------------------------------- */

template <enum elem E> __device__ __forceinline__ float finished(const struct serving &s, float sum, int64_t o, int64_t at)
{
	if (E == ELEM_I8)
		sum = __fmul_rn(sum, s.w.scale[o]);
	if (s.bias)
		sum = __fadd_rn(sum, s.bias[o]);
	if (s.add)
		sum = __fadd_rn(sum, s.to_float ? ((const float *)s.add)[at] : to_float(((const bf16 *)s.add)[at]));
	return sum;
}

/* Elements o and o + 1 of a row of Y. */
template <enum elem E> __device__ __forceinline__ void put_pair(const struct serve &p, float first, float second, int64_t o, int64_t row)
{
	const struct serving &s = p.s;
	const int64_t at = row * s.ldy + o;

	if (row >= s.n || o >= s.o)
		return;
	first = finished<E>(s, first, o, at);
	if (o + 1 < s.o)
		second = finished<E>(s, second, o + 1, at + 1);
	if (p.pairs && s.to_float) {
		*(float2 *)((float *)s.y + at) = make_float2(first, second);
	} else if (p.pairs) {
		*(unsigned *)((bf16 *)s.y + at) = bf16_pair(first, second);
	} else {
		for (int e = 0; e < 2 && o + e < s.o; e++)
			if (s.to_float)
				((float *)s.y)[at + e] = e ? second : first;
			else
				((bf16 *)s.y)[at + e] = from_float<bf16>(e ? second : first);
	}
}

template <class C> __device__ __forceinline__ void put_tile(const struct serve &p, const float (&sum)[C::MT][C::NT][4], int tile_o, int64_t row0)
{
	const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4, warp = threadIdx.x / 32;

#pragma unroll
	for (int m = 0; m < C::MT; m++)
#pragma unroll
		for (int n = 0; n < C::NT; n++)
#pragma unroll
			for (int e = 0; e < 2; e++)
				put_pair<C::E>(p, sum[m][n][e], sum[m][n][2 + e], (int64_t)tile_o * C::BM + (warp / C::WN * C::MT + m) * 16 + 2 * g,
					       row0 + (warp % C::WN * C::NT + n) * 8 + 2 * t + e);
}

/* Leaves the sum of one slice; for the last of the tile's blocks, true, and the sum of all. */
template <class C> __device__ __forceinline__ bool join_slices(const struct serve &p, float (&sum)[C::MT][C::NT][4], int tile, int slice)
{
	__shared__ unsigned before;
	constexpr int STEP = C::MT * C::NT * C::COUNT;
	float4 *mine = (float4 *)p.partial + (int64_t)tile * p.slices * STEP + threadIdx.x;

#pragma unroll
	for (int m = 0; m < C::MT; m++)
#pragma unroll
		for (int n = 0; n < C::NT; n++)
			mine[slice * STEP + (m * C::NT + n) * C::COUNT] =
				make_float4(sum[m][n][0], sum[m][n][1], sum[m][n][2], sum[m][n][3]);
	__threadfence();
	__syncthreads();
	if (threadIdx.x == 0)
		before = atomicAdd(p.arrived + tile, 1u);
	__syncthreads();
	if (before + 1 < (unsigned)p.slices)
		return false;
	__threadfence();
	if (threadIdx.x == 0)
		p.arrived[tile] = 0;
	for (int i = 0; i < p.slices; i++)
#pragma unroll
		for (int m = 0; m < C::MT; m++)
#pragma unroll
			for (int n = 0; n < C::NT; n++) {
				const float4 v = __ldcg(mine + i * STEP + (m * C::NT + n) * C::COUNT);
				float (&to)[4] = sum[m][n];

				to[0] = (i ? to[0] : 0) + v.x, to[1] = (i ? to[1] : 0) + v.y;
				to[2] = (i ? to[2] : 0) + v.z, to[3] = (i ? to[3] : 0) + v.w;
			}
	return true;
}

template <class C> __device__ __forceinline__ void end_slice(float (&total)[C::MT][C::NT][4], float (&sum)[C::MT][C::NT][4])
{
#pragma unroll
	for (int m = 0; m < C::MT; m++)
#pragma unroll
		for (int n = 0; n < C::NT; n++)
#pragma unroll
			for (int e = 0; e < 4; e++)
				total[m][n][e] += sum[m][n][e], sum[m][n][e] = 0;
}

/* --- the kernel --------------------------------------------------------------------------------------------------------- */

/* Tiles in groups of rows of X, and in each W's rows one after the other. */
__device__ __forceinline__ void place_of(const struct serve &p, int tile, int *tile_o, int *tile_n)
{
	const int first = tile / (GROUP * p.tiles_o) * GROUP, width = min(GROUP, p.tiles_n - first), rest = tile - first * p.tiles_o;

	*tile_o = rest / width, *tile_n = first + rest % width;
}

/* A block has a tile, and one slice of it or, WALK, all of them. */
template <class C, bool WALK> __global__ void __launch_bounds__(C::COUNT) serve_kernel(struct serve p)
{
	DYNAMIC_SHARED(unsigned char, shared);
	unsigned *table = (unsigned *)shared;
	unsigned char *stages = shared + C::TABLE;
	const int slices = WALK ? 1 : p.slices, tile = (int)(blockIdx.x / (unsigned)slices), slice = (int)(blockIdx.x % (unsigned)slices);
	const int from = slice * p.per_slice, to = WALK ? p.blocks_i : min(from + p.per_slice, p.blocks_i);
	int tile_o, tile_n, left = p.per_slice;
	float sum[C::MT][C::NT][4] = {}, total[C::MT][C::NT][4] = {};

	place_of(p, tile, &tile_o, &tile_n);
	for (int s = 0; s < C::STAGES - 1; s++) {
		if (from + s < to)
			load_stage<C>(stages + s * C::STAGE, p, tile_o, (int64_t)tile_n * C::BN, from + s);
		cp_async_commit();
	}
	if (C::E == ELEM_NF4)
		fill_table<C>(table);
	for (int k = from; k < to; k++) {
		const int ahead = k + C::STAGES - 1;

		cp_async_wait<C::STAGES - 2>();
		__syncthreads();
		if (ahead < to)
			load_stage<C>(stages + (ahead - from) % C::STAGES * C::STAGE, p, tile_o, (int64_t)tile_n * C::BN, ahead);
		cp_async_commit();
		multiply<C>(sum, stages + (k - from) % C::STAGES * C::STAGE, table);
		if (WALK && (--left == 0 || k + 1 == to))
			end_slice<C>(total, sum), left = p.per_slice;
	}
	if (WALK)
		put_tile<C>(p, total, tile_o, (int64_t)tile_n * C::BN);
	else if (p.slices == 1 || join_slices<C>(p, sum, tile, slice))
		put_tile<C>(p, sum, tile_o, (int64_t)tile_n * C::BN);
}

/* --- launches ------------------------------------------------------------------------------------------------------------ */

static unsigned *arrived;        /* device, COUNTERS zeros */

/* Slices of blocks_i blocks: enough for one row of X to fill a device, and never a function of how many rows there are. */
static int slice_blocks(int64_t o, int blocks_i)
{
	int64_t wanted = pieces_of(TILES_AT_ONCE, pieces_of(o, 64)), most = blocks_i / SLICE_MIN;

	wanted = wanted < SLICES_MAX ? wanted : SLICES_MAX;
	wanted = wanted < most ? wanted : most;
	return (int)pieces_of(blocks_i, wanted < 1 ? 1 : wanted);
}

/* Slices are shared out while tiles alone would leave processors idle, and there is room for their sums. */
template <class C> static bool shares_out(const struct serve &p)
{
	const int64_t tiles = (int64_t)p.tiles_o * p.tiles_n;

	return p.slices == 1 || (tiles * C::COUNT < (int64_t)device.processors * 256 && tiles <= COUNTERS &&
				 (size_t)(tiles * p.slices) * C::BM * C::BN * sizeof(float) <= DEVICE_PANEL_BYTES);
}

template <class C, bool WALK> static void launch_as(const struct serve &p)
{
	const int64_t blocks = (int64_t)p.tiles_o * p.tiles_n * (WALK ? 1 : p.slices);

	if (blocks > INT32_MAX) {
		device_fail(ERR_IO, "cuda:%d: a product of %lld rows is too large", device.number, (long long)p.s.n);
		return;
	}
	ALLOW_SHARED((serve_kernel<C, WALK>), C::SHARED);
	LAUNCH((serve_kernel<C, WALK>), (unsigned)blocks, C::COUNT, C::SHARED, device.stream, p);
}

template <class C> static void launch(struct serve p)
{
	p.tiles_o = (int)pieces_of(p.s.o, C::BM), p.tiles_n = (int)pieces_of(p.s.n, C::BN);
	if (shares_out<C>(p))
		launch_as<C, false>(p);
	else
		launch_as<C, true>(p);
}

template <enum elem E> static void launch_form(const struct serve &p)
{
	if (p.s.n <= 8)
		launch<tile_shape<E, 1, 4, 1, 1>>(p);
	else if (p.s.n <= 16)
		launch<tile_shape<E, 1, 4, 1, 2>>(p);
	else if (p.s.n <= 32)
		launch<tile_shape<E, 2, 4, 1, 4>>(p);
	else if (p.s.n <= 64)
		launch<tile_shape<E, 2, 4, 1, 8>>(p);
	else
		launch<tile_shape<E, 2, 4, 2, 8>>(p);
}

void serve_product(const struct serving &s)
{
	struct serve p = {};

	p.s = s, p.w = (const unsigned char *)s.w.packed;
	p.blocks_o = (int)pieces_of(s.o, 16), p.blocks_i = (int)pieces_of(s.i, DEPTH);
	p.per_slice = slice_blocks(s.o, p.blocks_i), p.slices = (int)pieces_of(p.blocks_i, p.per_slice);
	p.wide_x = (s.i | s.ldx) % 8 == 0 && (uintptr_t)s.x % 16 == 0;
	p.pairs = (s.o | s.ldy) % 2 == 0 && (uintptr_t)s.y % (s.to_float ? 8 : 4) == 0;
	p.partial = (float *)device.panel, p.arrived = arrived;
	switch (packed_as(s.w.elem)) {
	case ELEM_I8: launch_form<ELEM_I8>(p); break;
	case ELEM_NF4: launch_form<ELEM_NF4>(p); break;
	default: launch_form<ELEM_BF16>(p);
	}
}

void serve_open(void)
{
	if (arrived)
		return;
	device_note(cudaMalloc((void **)&arrived, COUNTERS * sizeof *arrived), "opening");
	if (device.failed == OK)
		device_note(cudaMemsetAsync(arrived, 0, COUNTERS * sizeof *arrived, device.stream), "opening");
}
