/* quantised.cu - panels of weights from codes or floats to the table's type: what a product with frozen weights in 8 or 4 bits reads before
 * cuBLASLt does, forward and backward, and what the copy of trained weights in bf16 is made by. Memory-bound: a thread loads 16 bytes.
 *
 * A value is what weight_at of device.h gives, to the bit. */
#include "device.h"

/* Codes of NF4 become values by a table of which each lane has its own column: no two lanes read one bank. */
struct nf4_table {
	float value[16][32];

	__device__ void fill()
	{
		for (int i = threadIdx.x; i < 16 * 32; i += THREADS)
			value[i / 32][i % 32] = nf4_value((unsigned)i / 32);
		__syncthreads();
	}
};

/* Values that 16 bytes hold, and what their bits are. */
template <enum elem E> constexpr int PER_LOAD = E == ELEM_F32 ? 4 : E == ELEM_I8 ? 16 : 32;

template <enum elem E> __device__ __forceinline__ float value_of(const uint4 &four, int n, float scale, const nf4_table &table)
{
	const unsigned word = n * 4 / PER_LOAD<E> == 0 ? four.x : n * 4 / PER_LOAD<E> == 1 ? four.y : n * 4 / PER_LOAD<E> == 2 ? four.z : four.w;

	if (E == ELEM_F32)
		return __uint_as_float(word);
	if (E == ELEM_I8)
		return (float)(signed char)(word >> 8 * (n % 4)) * scale;
	return table.value[word >> (8 * (n / 2 % 4) + (n % 2 ? 0 : 4)) & 15][threadIdx.x % 32] * scale;
}

/* Rows from row0 on and columns from col0 on, cols of them: all multiples of PER_LOAD. */
template <class T, enum elem E>
__global__ void __launch_bounds__(THREADS)
wide_panel_kernel(T *to, struct weights w, int64_t i, int64_t row0, int64_t rows, int64_t col0, int64_t cols)
{
	constexpr int N = PER_LOAD<E>, M = N < LANES<T> ? N : LANES<T>;
	__shared__ nf4_table table;

	if (E == ELEM_NF4)
		table.fill();
	for (GRID_STRIDE(item, rows * (cols / N))) {
		int64_t row, col;

		split(item, cols / N, &row, &col);
		const int64_t at = (row0 + row) * i + col0 + col * N;
		const uint4 four = *(const uint4 *)((const char *)w.data + at * 16 / N);
		const float scale = E == ELEM_F32 ? 1 : E == ELEM_I8 ? w.scale[row0 + row] : w.scale[at / KERNELS_NF4_BLOCK];

#pragma unroll
		for (int n = 0; n < N; n += M) {
			float v[M];

#pragma unroll
			for (int m = 0; m < M; m++)
				v[m] = value_of<E>(four, n + m, scale, table);
			store(to + row * cols + col * N + n, v);
		}
	}
}

template <class T, enum elem E>
static bool turn_form(T *to, struct weights w, int64_t i, int64_t row, int64_t rows, int64_t col, int64_t cols)
{
	constexpr int N = PER_LOAD<E>;

	if ((i | col | cols) % N || ((uintptr_t)to | (uintptr_t)w.data) % 16)
		return false;
	LAUNCH((wide_panel_kernel<T, E>), grid_of(rows * cols / N), THREADS, 0, device.stream, to, w, i, row, rows, col, cols);
	return true;
}

template <class T> bool turn_wide(T *to, struct weights w, int64_t i, int64_t row, int64_t rows, int64_t col, int64_t cols)
{
	switch (w.elem) {
	case ELEM_F32: return turn_form<T, ELEM_F32>(to, w, i, row, rows, col, cols);
	case ELEM_I8: return turn_form<T, ELEM_I8>(to, w, i, row, rows, col, cols);
	case ELEM_NF4: return turn_form<T, ELEM_NF4>(to, w, i, row, rows, col, cols);
	default: return false;
	}
}

template bool turn_wide(bf16 *, struct weights, int64_t, int64_t, int64_t, int64_t, int64_t);
template bool turn_wide(float *, struct weights, int64_t, int64_t, int64_t, int64_t, int64_t);
