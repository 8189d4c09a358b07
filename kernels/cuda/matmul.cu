/* matmul.cu - matrix products: with weights that are only used, in the table of bf16, by serve.cu; all others by cuBLASLt, which sees a
 * row-major matrix as its transpose, column-major: Y = X W^T is Y^T = W X^T.
 *
 * An algorithm is asked for once per shape and kept. No split of k with a later sum (the mask of reduction schemes is empty), so the
 * bits are the same from run to run; and the algorithm of a product whose rows must not depend on their number is the one for
 * ANY_N rows, whatever their number.
 *
 * Weights in another form than the table's type are turned into it panel by panel, in scratch memory of fixed size; panels are cut the
 * same where nothing has to be turned, so that the form changes no bits. */
#include "serve.h"

#define ANY_N 8192               /* rows that stand for any number */
#define PLANS 1024               /* at most; a power of two. Then the oldest of a place goes */

struct plan {
	struct key {
		int64_t m, n, k, lda, ldb, ldc;
		int32_t align[4];        /* of A, B, what is added and C, bytes */
		bool ta, tb, half, to_float, bias;
	} key;
	bool known;
	cublasLtMatmulAlgo_t algo;
};
static struct plan plans[PLANS];

/* The largest power of two, up to 256, that the address is a multiple of. */
static int32_t alignment(const void *p)
{
	uintptr_t a = (uintptr_t)p | 256;

	return (int32_t)(a & -a);
}

static cudaDataType_t type_of(bool half) { return half ? CUDA_R_16BF : CUDA_R_32F; }

struct layouts {
	cublasLtMatmulDesc_t desc;
	cublasLtMatrixLayout_t a, b, c;
};

static void layouts_open(struct layouts *l, const struct gemm *g, int64_t n)
{
	cublasOperation_t ta = g->ta ? CUBLAS_OP_T : CUBLAS_OP_N, tb = g->tb ? CUBLAS_OP_T : CUBLAS_OP_N;
	cudaDataType_t in = type_of(g->half), out = type_of(g->half && !g->to_float);
	cublasLtEpilogue_t with_bias = CUBLASLT_EPILOGUE_BIAS;

	*l = {};
	device_note_lt(cublasLtMatmulDescCreate(&l->desc, CUBLAS_COMPUTE_32F, CUDA_R_32F), "matmul");
	device_note_lt(cublasLtMatrixLayoutCreate(&l->a, in, (uint64_t)(g->ta ? g->k : g->m), (uint64_t)(g->ta ? g->m : g->k), g->lda), "matmul");
	device_note_lt(cublasLtMatrixLayoutCreate(&l->b, in, (uint64_t)(g->tb ? n : g->k), (uint64_t)(g->tb ? g->k : n), g->ldb), "matmul");
	device_note_lt(cublasLtMatrixLayoutCreate(&l->c, out, (uint64_t)g->m, (uint64_t)n, g->ldc), "matmul");
	if (device.failed != OK)
		return;
	device_note_lt(cublasLtMatmulDescSetAttribute(l->desc, CUBLASLT_MATMUL_DESC_TRANSA, &ta, sizeof ta), "matmul");
	device_note_lt(cublasLtMatmulDescSetAttribute(l->desc, CUBLASLT_MATMUL_DESC_TRANSB, &tb, sizeof tb), "matmul");
	if (!g->bias)
		return;
	device_note_lt(cublasLtMatmulDescSetAttribute(l->desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &with_bias, sizeof with_bias), "matmul");
	device_note_lt(cublasLtMatmulDescSetAttribute(l->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &g->bias, sizeof g->bias), "matmul");
}

static void layouts_close(struct layouts *l)
{
	if (l->desc)
		cublasLtMatmulDescDestroy(l->desc);
	if (l->a)
		cublasLtMatrixLayoutDestroy(l->a);
	if (l->b)
		cublasLtMatrixLayoutDestroy(l->b);
	if (l->c)
		cublasLtMatrixLayoutDestroy(l->c);
}

/* Asks cuBLASLt; 0 algorithms is a failure that says the shape. */
static void ask(struct plan *p, const struct layouts *l)
{
	static const cublasLtMatmulPreferenceAttributes_t which[4] = {
		CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
		CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
	cublasLtMatmulPreference_t pref;
	cublasLtMatmulHeuristicResult_t result;
	uint64_t workspace = DEVICE_WORKSPACE_BYTES;
	uint32_t none = CUBLASLT_REDUCTION_SCHEME_NONE;
	int found = 0;

	device_note_lt(cublasLtMatmulPreferenceCreate(&pref), "matmul");
	if (device.failed != OK)
		return;
	device_note_lt(cublasLtMatmulPreferenceSetAttribute(pref, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace), "matmul");
	device_note_lt(cublasLtMatmulPreferenceSetAttribute(pref, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &none, sizeof none), "matmul");
	for (int i = 0; i < 4; i++) {
		uint32_t align = (uint32_t)p->key.align[i];

		device_note_lt(cublasLtMatmulPreferenceSetAttribute(pref, which[i], &align, sizeof align), "matmul");
	}
	if (device.failed == OK &&
	    cublasLtMatmulAlgoGetHeuristic(device.lt, l->desc, l->a, l->b, l->c, l->c, pref, 1, &result, &found) != CUBLAS_STATUS_SUCCESS)
		found = 0;
	if (device.failed == OK && found == 0)
		device_fail(ERR_IO, "cuda:%d: cuBLASLt has no algorithm for a product of %lld x %lld x %lld", device.number, (long long)p->key.m,
			    (long long)p->key.n, (long long)p->key.k);
	if (device.failed == OK)
		p->algo = result.algo, p->known = true;
	cublasLtMatmulPreferenceDestroy(pref);
}

static uint64_t hash_of(const struct plan::key *k)
{
	const unsigned char *p = (const unsigned char *)k;
	uint64_t h = 0xcbf29ce484222325;     /* FNV-1a */

	for (size_t i = 0; i < sizeof *k; i++)
		h = (h ^ p[i]) * 0x100000001b3;
	return h;
}

/* The algorithm, NULL after a failure. */
static const cublasLtMatmulAlgo_t *algorithm_of(const struct gemm *g)
{
	struct plan::key key;
	struct layouts l;
	struct plan *p;

	memset(&key, 0, sizeof key);         /* padding, too, is compared */
	key.m = g->m, key.n = g->any_n ? ANY_N : g->n, key.k = g->k, key.lda = g->lda, key.ldb = g->ldb, key.ldc = g->ldc;
	key.align[0] = alignment(g->a), key.align[1] = alignment(g->b), key.align[2] = alignment(g->add ? g->add : g->c);
	key.align[3] = alignment(g->c), key.bias = g->bias != NULL;
	key.ta = g->ta, key.tb = g->tb, key.half = g->half, key.to_float = g->to_float;
	p = &plans[hash_of(&key) % PLANS];
	if (p->known && !memcmp(&p->key, &key, sizeof key))
		return &p->algo;
	p->known = false, p->key = key;
	layouts_open(&l, g, key.n);
	if (device.failed == OK)
		ask(p, &l);
	layouts_close(&l);
	return p->known ? &p->algo : NULL;
}

void gemm_run(const struct gemm *g)
{
	const float one = 1, zero = 0;
	const cublasLtMatmulAlgo_t *algo = device.failed == OK ? algorithm_of(g) : NULL;
	struct layouts l;

	if (!algo)
		return;
	layouts_open(&l, g, g->n);
	if (device.failed == OK)
		device_note_lt(cublasLtMatmul(device.lt, l.desc, &one, g->a, l.a, g->b, l.b, g->acc ? &one : &zero,
					      g->add ? g->add : g->c, l.c, g->c, l.c, algo, device.workspace, DEVICE_WORKSPACE_BYTES, device.stream),
			       "matmul");
	layouts_close(&l);
}

/* --- weights ------------------------------------------------------------------------------------------- */

template <class T>
__global__ void panel_kernel(T *to, struct weights w, int64_t i, int64_t row0, int64_t rows, int64_t col0, int64_t cols)
{
	for (GRID_STRIDE(at, rows * cols)) {
		int64_t row, col;

		split(at, cols, &row, &col);
		to[at] = from_float<T>(weight_at(w, i, row0 + row, col0 + col));
	}
}

template <class T>
static void turn(T *to, struct weights w, int64_t i, int64_t row, int64_t rows, int64_t col, int64_t cols)
{
	if (!turn_wide(to, w, i, row, rows, col, cols))
		LAUNCH(panel_kernel<T>, grid_of(rows * cols), THREADS, 0, device.stream, to, w, i, row, rows, col, cols);
}

const void *weights_panel(bool half, struct weights w, int64_t i, int64_t row, int64_t rows, int64_t col, int64_t cols, int64_t *ld)
{
	const void *whole = half && w.packed && !w.forward ? w.packed : w.elem == (half ? ELEM_BF16 : ELEM_F32) ? w.data : NULL;

	*ld = whole ? i : cols;
	if (whole)
		return (const char *)whole + (size_t)(row * i + col) * (half ? sizeof(bf16) : sizeof(float));
	if (half)
		turn((bf16 *)device.panel, w, i, row, rows, col, cols);
	else
		turn((float *)device.panel, w, i, row, rows, col, cols);
	return device.panel;
}

/* In steps of 64, which keep rows aligned and tiles whole. */
int64_t panel_rows(bool half, int64_t values)
{
	int64_t fit = (int64_t)(DEVICE_PANEL_BYTES / (half ? sizeof(bf16) : sizeof(float))) / (values ? values : 1);

	return fit >= 64 ? fit / 64 * 64 : fit;
}

static bool panel_fits(int64_t per, int64_t o, int64_t i)
{
	if (per < 1)
		device_fail(ERR_IO, "cuda:%d: a matrix of %lld x %lld is too large", device.number, (long long)o, (long long)i);
	return per >= 1;
}

/* Converted once for many products: bf16 of what is no bf16. What is only used keeps its form. */
static size_t packed_bytes_half(enum elem elem, int64_t o, int64_t i, bool backward)
{
	return !backward ? serve_bytes(elem, o, i) : elem == ELEM_BF16 ? 0 : (size_t)(o * i) * sizeof(bf16);
}

static size_t packed_bytes_float(enum elem, int64_t, int64_t, bool) { return 0; }

static void cuda_pack(struct pool *, void *packed, struct weights w, int64_t o, int64_t i, bool backward)
{
	if (o && i && packed && backward)
		turn((bf16 *)packed, w, i, 0, o, 0, i);
	else if (o && i && packed)
		serve_pack(packed, w, o, i);
}

/* --- the entries ------------------------------------------------------------------------------------------ */

template <class T> constexpr bool is_half = sizeof(T) == 2;

/* Without a depth there is nothing to add. */
static bool empty_product(void *y, int64_t ldy, size_t elem, int64_t n, int64_t c, int64_t depth, bool acc)
{
	if (n && c && !depth && !acc)
		for (int64_t r = 0; r < n && device.failed == OK; r++)
			device_note(cudaMemsetAsync((char *)y + (size_t)(r * ldy) * elem, 0, (size_t)c * elem, device.stream), "matmul");
	return !n || !c || !depth;
}

/* Y is of T, or of floats. */
template <class T, class Y>
static void product(Y *y, int64_t ldy, const act *x, int64_t ldx, struct weights w, int64_t n, int64_t o, int64_t i, bool acc)
{
	int64_t per = panel_rows(is_half<T>, i);

	if (empty_product(y, ldy, sizeof(Y), n, o, i, acc))
		return;
	if (is_served(is_half<T>, w)) {
		serve_product({y, x, acc ? y : NULL, w, NULL, ldy, ldx, n, o, i, sizeof(Y) == sizeof(float)});
		return;
	}
	if (!panel_fits(per, o, i))
		return;
	for (int64_t r = 0; r < o; r += per) {
		struct gemm g = {};

		g.m = o - r < per ? o - r : per, g.n = n, g.k = i;
		g.a = weights_panel(is_half<T>, w, i, r, g.m, 0, i, &g.lda), g.ta = true;
		g.b = x, g.ldb = ldx;
		g.c = y + r, g.ldc = ldy;
		g.half = is_half<T>, g.to_float = sizeof(Y) == sizeof(float), g.acc = acc, g.any_n = true;
		gemm_run(&g);
	}
}

template <class T> void logits_product(float *y, int64_t ldy, const T *x, struct weights w, int64_t n, int64_t o, int64_t i)
{
	product<T>(y, ldy, (const act *)x, i, w, n, o, i, false);
}
template void logits_product(float *, int64_t, const float *, struct weights, int64_t, int64_t, int64_t);
template void logits_product(float *, int64_t, const bf16 *, struct weights, int64_t, int64_t, int64_t);

/* As cuBLASLt takes it: aligned, and in the type of what is written. */
template <class T> __global__ void take_bias_kernel(T *to, const float *b, int64_t n)
{
	for (GRID_STRIDE(i, n))
		to[i] = from_float<T>(b[i]);
}

template <class T>
static void cuda_matmul_add(struct pool *, act *y, const act *x, struct weights w, const float *b, const act *r, int64_t n, int64_t o, int64_t i)
{
	int64_t per = panel_rows(is_half<T>, i);

	if (!n || !o)
		return;
	if (i && is_served(is_half<T>, w)) {
		serve_product({y, x, r, w, b, o, i, n, o, i, false});
		return;
	}
	if (!panel_fits(per, o, i))
		return;
	if (i == 0 || o > DEVICE_BIAS_VALUES) {
		device_fail(ERR_IO, "cuda:%d: a layer of %lld x %lld", device.number, (long long)o, (long long)i);
		return;
	}
	if (b)
		LAUNCH(take_bias_kernel<T>, grid_of(o), THREADS, 0, device.stream, (T *)device.bias, b, o);
	for (int64_t row = 0; row < o; row += per) {
		struct gemm g = {};

		g.m = o - row < per ? o - row : per, g.n = n, g.k = i;
		g.a = weights_panel(is_half<T>, w, i, row, g.m, 0, i, &g.lda), g.ta = true;
		g.b = x, g.ldb = i;
		g.c = (T *)y + row, g.ldc = o;
		g.add = r ? (const T *)r + row : NULL, g.acc = r != NULL;
		g.bias = b ? (const T *)device.bias + row : NULL;
		g.half = is_half<T>, g.any_n = true;
		gemm_run(&g);
	}
}

template <class T>
static void cuda_matmul_part(struct pool *, act *y, int64_t ldy, const act *x, int64_t ldx, struct weights w, int64_t n, int64_t o, int64_t i,
			     int acc)
{
	product<T>((T *)y, ldy, x, ldx, w, n, o, i, acc);
}

/* The sum begins with b. */
__global__ static void bias_kernel(float *y, const float *b, int64_t n, int64_t c)
{
	for (GRID_STRIDE(i, n * c)) {
		int64_t row, col;

		split(i, c, &row, &col);
		y[i] = b[col];
	}
}

template <class T>
static void cuda_matmul_float(struct pool *, float *y, const act *x, struct weights w, const float *b, int64_t n, int64_t o, int64_t i)
{
	if (is_served(is_half<T>, w) && n && o && i) {
		serve_product({y, x, NULL, w, b, o, i, n, o, i, true});
		return;
	}
	if (b && n && o)
		LAUNCH(bias_kernel, grid_of(n * o), THREADS, 0, device.stream, y, b, n, o);
	product<T>(y, o, x, i, w, n, o, i, b != NULL);
}

template <class T>
static void cuda_matmul_dx_part(struct pool *, act *dx, int64_t ldx, const act *dy, int64_t ldy, struct weights w, int64_t n, int64_t o,
				int64_t i, int acc)
{
	int64_t per = panel_rows(is_half<T>, o);

	if (empty_product(dx, ldx, sizeof(T), n, i, o, acc) || !panel_fits(per, o, i))
		return;
	for (int64_t col = 0; col < i; col += per) {
		struct gemm g = {};

		g.m = i - col < per ? i - col : per, g.n = n, g.k = o;
		g.a = weights_panel(is_half<T>, w, i, 0, o, col, g.m, &g.lda);
		g.b = dy, g.ldb = ldy;
		g.c = (T *)dx + col, g.ldc = ldx;
		g.half = is_half<T>, g.acc = acc, g.any_n = true;
		gemm_run(&g);
	}
}

template <class T>
static void cuda_matmul_dw_part(struct pool *, float *dw, const act *dy, int64_t ldy, const act *x, int64_t ldx, int64_t n, int64_t o,
				int64_t i)
{
	struct gemm g = {};

	if (!n || !o || !i)
		return;
	g.m = i, g.n = o, g.k = n;
	g.a = x, g.lda = ldx;
	g.b = dy, g.ldb = ldy, g.tb = true;
	g.c = dw, g.ldc = i;
	g.half = is_half<T>, g.to_float = true, g.acc = true;
	gemm_run(&g);
}

template <class T>
static void cuda_matmul(struct pool *pool, act *y, const act *x, struct weights w, int64_t n, int64_t o, int64_t i, int acc)
{
	cuda_matmul_part<T>(pool, y, o, x, i, w, n, o, i, acc);
}

template <class T>
static void cuda_matmul_dx(struct pool *pool, act *dx, const act *dy, struct weights w, int64_t n, int64_t o, int64_t i, int acc)
{
	cuda_matmul_dx_part<T>(pool, dx, i, dy, o, w, n, o, i, acc);
}

template <class T> static void cuda_matmul_dw(struct pool *pool, float *dw, const act *dy, const act *x, int64_t n, int64_t o, int64_t i)
{
	cuda_matmul_dw_part<T>(pool, dw, dy, o, x, i, n, o, i);
}

/* --- the rate ----------------------------------------------------------------------------------------------- */

#ifdef QUERN_EMULATED
#define PEAK_SIZE 64
#else
#define PEAK_SIZE 8192
#endif
#define PEAK_RUNS 10

/* Values of many sizes: a product of zeros would draw less power, and run faster. */
template <class T> __global__ void peak_fill_kernel(T *x, int64_t n)
{
	for (GRID_STRIDE(i, n))
		x[i] = from_float<T>((float)((uint32_t)(i * 2654435761u) >> 8) * 0x1p-23f - 1);
}

template <class T> static double time_products(T *m, int64_t size)
{
	struct gemm g = {};
	cudaEvent_t from = NULL, to = NULL;
	float ms = 0;

	g.a = m, g.b = m + size * size, g.c = m + 2 * size * size;
	g.m = g.n = g.k = g.lda = g.ldb = g.ldc = size, g.ta = true, g.half = is_half<T>;
	LAUNCH(peak_fill_kernel<T>, grid_of(3 * size * size), THREADS, 0, device.stream, m, 3 * size * size);
	gemm_run(&g);
	device_note(cudaEventCreateWithFlags(&from, cudaEventDefault), "measuring");
	device_note(cudaEventCreateWithFlags(&to, cudaEventDefault), "measuring");
	device_note(cudaEventRecord(from, device.stream), "measuring");
	for (int i = 0; i < PEAK_RUNS; i++)
		gemm_run(&g);
	device_note(cudaEventRecord(to, device.stream), "measuring");
	device_note(cudaEventSynchronize(to), "measuring");
	if (device.failed == OK)
		device_note(cudaEventElapsedTime(&ms, from, to), "measuring");
	(void)cudaEventDestroy(from), (void)cudaEventDestroy(to);
	return ms > 0 ? 2.0 * (double)size * (double)size * (double)size * PEAK_RUNS / (1e-3 * (double)ms) : 0;
}

/* Smaller where memory is short; floats are slower. */
template <class T> static double cuda_peak_flops(struct pool *)
{
	double rate = 0;
	void *m = NULL;

	for (int64_t size = is_half<T> ? PEAK_SIZE : PEAK_SIZE / 4; device.failed == OK && size >= 16 && rate <= 0; size /= 2) {
		if (cudaMalloc(&m, (size_t)(3 * size * size) * sizeof(T)) != cudaSuccess) {
			(void)cudaGetLastError();
			continue;
		}
		rate = time_products((T *)m, size);
		device_note(cudaFree(m), "measuring");
	}
	return rate;
}

template <class T> static void fill(struct kernels *k)
{
	k->matmul = cuda_matmul<T>, k->matmul_dx = cuda_matmul_dx<T>, k->matmul_dw = cuda_matmul_dw<T>;
	k->matmul_float = cuda_matmul_float<T>, k->matmul_add = cuda_matmul_add<T>;
	k->matmul_part = cuda_matmul_part<T>, k->matmul_dx_part = cuda_matmul_dx_part<T>, k->matmul_dw_part = cuda_matmul_dw_part<T>;
	k->packed_bytes = is_half<T> ? packed_bytes_half : packed_bytes_float, k->pack = cuda_pack;
	k->embeds_packed = is_half<T>;
	serve_open();
	k->peak_flops = cuda_peak_flops<T>;
}

void entries_matmul(struct kernels *k, bool half) { half ? fill<bf16>(k) : fill<float>(k); }
