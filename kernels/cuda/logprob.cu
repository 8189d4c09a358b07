/* logprob.cu - log-probabilities of given tokens from hidden states, forward and backward, with the logits of one chunk of tokens alive.
 *
 * Tokens that have no target take no part: the others are counted and numbered on the device, and the host waits for the count, which
 * is the one thing it must know to shape the products; their hidden states are gathered in scratch unless all have one. Logits are
 * floats; their gradients take their place, in the table's type, so that a row of them begins where the row of logits did. */
#include "logits.h"

#ifdef QUERN_EMULATED
#define LOGITS_MAX ((int64_t)1 << 20)
#define LOGITS_ROWS_MAX 512
#else
#define LOGITS_MAX ((int64_t)256 << 20)   /* floats of logits alive, as long as a chunk has LOGITS_ROWS_MIN rows */
#define LOGITS_ROWS_MAX 4096              /* dW is read and written once for each chunk, so chunks are large */
#endif
#define LOGITS_ROWS_MIN 128               /* and a multiple of that */
#define ALIGNED 64                        /* values: rows begin at multiples, but for logits whose sizes are good as they are */

static int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

static int64_t chunk_rows(int64_t n, int64_t v)
{
	int64_t rows = LOGITS_MAX / (v > 0 ? v : 1) / LOGITS_ROWS_MIN * LOGITS_ROWS_MIN;

	rows = rows < LOGITS_ROWS_MIN ? LOGITS_ROWS_MIN : rows > LOGITS_ROWS_MAX ? LOGITS_ROWS_MAX : rows;
	return rows < n ? rows : n;
}

/* Logits, hidden states, gradients of those, the tokens that have a target, how many they are. As floats, whatever the table: both
 * tables' buffers fit. */
static int64_t cuda_logprob_scratch(int64_t n, int64_t c, int64_t v)
{
	int64_t rows = chunk_rows(n, v);

	return ALIGNED + rows * round_up(v, ALIGNED) + 2 * rows * round_up(c, ALIGNED) + round_up(n, ALIGNED) + ALIGNED;
}

static int32_t *counted;                  /* pinned */

/* --- the tokens that have a target ------------------------------------------------------------------------ */

#define NUMBER_THREADS 1024

/* In order. One block. */
__global__ void __launch_bounds__(NUMBER_THREADS) number_kernel(int32_t *rows, int32_t *count, const int32_t *targets, int64_t n)
{
	__shared__ int before[NUMBER_THREADS / 32 + 1];
	const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
	int32_t total = 0;

	for (int64_t from = 0; from < n; from += NUMBER_THREADS) {
		const int64_t i = from + threadIdx.x;
		const bool has = i < n && targets[i] >= 0;
		const unsigned all = __ballot_sync(~0u, has);

		if (lane == 0)
			before[warp + 1] = __popc(all);
		__syncthreads();
		if (threadIdx.x == 0) {
			before[0] = 0;
			for (int w = 0; w < NUMBER_THREADS / 32; w++)
				before[w + 1] += before[w];
		}
		__syncthreads();
		if (has)
			rows[total + before[warp] + __popc(all & ((1u << lane) - 1))] = (int32_t)i;
		total += before[NUMBER_THREADS / 32];
		__syncthreads();
	}
	if (threadIdx.x == 0)
		*count = total;
}

/* y[i] = x[rows[i]], and back. */
template <class T, int N> __global__ void pick_kernel(T *y, const T *x, const int32_t *rows, int64_t n, int64_t c, bool back)
{
	for (GRID_STRIDE(at, n * (c / N))) {
		int64_t row, col;
		float v[N];

		split(at, c / N, &row, &col);
		load(v, x + (back ? row : rows[row]) * c + col * N);
		store(y + (back ? rows[row] : row) * c + col * N, v);
	}
}

template <class T> static void pick(T *y, const T *x, const int32_t *rows, int64_t n, int64_t c, bool back)
{
	if (wide<T>(c, y, x))
		LAUNCH((pick_kernel<T, LANES<T>>), grid_of(n * c / LANES<T>), THREADS, 0, device.stream, y, x, rows, n, c, back);
	else
		LAUNCH((pick_kernel<T, 1>), grid_of(n * c), THREADS, 0, device.stream, y, x, rows, n, c, back);
}

/* --- a row of logits ---------------------------------------------------------------------------------------- */

struct logits_job {
	float *logits;                    /* [rows, ld]; gradients are put in their place */
	int64_t ld, v;
	const int32_t *targets, *rows;    /* rows: of the chunk's tokens; NULL: they are those from `first` on */
	int64_t first;
	float cap;
	float *logp, *lse, *mean;         /* mean and greedy may be NULL */
	bool *greedy;
	struct logprob_grad d;
};

__device__ __forceinline__ float logit_of(float x, float cap)
{
	return cap > 0 ? cap * tanhf(x / cap) : x;
}

/* What is asked of a row besides its sum: by thread, then by block. */
struct seen {
	float max, total;                 /* total: sum of the logits */
	int64_t at;                       /* the first place of max */
};

__device__ __forceinline__ void see(struct seen *s, const float (&z)[STRETCH_OWN], int64_t from, int64_t v)
{
#pragma unroll
	for (int i = 0; i < STRETCH_OWN; i++) {
		const int64_t at = from + own_place(i);

		if (at >= v)
			continue;
		s->total += z[i];
		if (z[i] > s->max)
			s->max = z[i], s->at = at;
	}
}

/* For every thread of the block. SEES: *s is filled, too. */
template <bool SEES>
__device__ __forceinline__ struct logits_sum read_row(const float *x, int64_t v, float cap, struct seen *s, struct stretch (&found)[LOGITS_THREADS])
{
	__shared__ struct stretch room[LOGITS_WARPS];
	struct stretch all = {-INFINITY, 0};

	for (int64_t turn = 0; turn < v; turn += (int64_t)LOGITS_THREADS * STRETCH) {
		const int64_t left = (v - turn + STRETCH - 1) / STRETCH;

		__syncthreads();
		for (int i = threadIdx.x / 32; i < LOGITS_THREADS && i < left; i += LOGITS_WARPS) {
			float z[STRETCH_OWN];
			struct stretch one;

			load_stretch(z, x, turn + (int64_t)i * STRETCH, v);
			if (cap > 0)
#pragma unroll
				for (int k = 0; k < STRETCH_OWN; k++)
					z[k] = turn + (int64_t)i * STRETCH + own_place(k) < v ? logit_of(z[k], cap) : -INFINITY;
			if (SEES)
				see(s, z, turn + (int64_t)i * STRETCH, v);
			one = stretch_of(z);
			if (threadIdx.x % 32 == 0)
				found[i] = one;
		}
		__syncthreads();
		if (threadIdx.x < left)
			all = merged(all, found[threadIdx.x]);
	}
	return sum_of(merged_block(all, room));
}

/* The first place of the row's largest, for every thread; INT64_MAX: there is none. */
__device__ __forceinline__ int64_t first_of(const struct seen &s, float top, int64_t *room)
{
	int64_t at = s.max == top ? s.at : INT64_MAX;

#pragma unroll
	for (int by = 16; by > 0; by /= 2)
		at = min(at, __shfl_xor_sync(~0u, at, by));
	if (threadIdx.x % 32 == 0)
		room[threadIdx.x / 32] = at;
	__syncthreads();
	for (int w = 0; w < LOGITS_WARPS; w++)
		at = min(at, room[w]);
	return at;
}

/* d logits = (dlse - dlogp) softmax + dlogp onehot(target) + dmean / V, and under a cap that times 1 - (z / cap)^2. Values of T are
 * written where floats were that have been read: no thread writes before all have read as far. */
template <class T>
__device__ __forceinline__ void put_gradients(const struct logits_job &t, float *x, int64_t row, float lse, int32_t target)
{
	const float d = t.d.logp[row], share = (t.d.lse ? t.d.lse[row] : 0) - d, even = t.d.mean ? t.d.mean[row] / (float)t.v : 0;
	const float inverse = t.cap > 0 ? 1 / t.cap : 0;
	T *to = (T *)x;

	for (int64_t from = 0; from < t.v; from += 4 * LOGITS_THREADS) {
		const int64_t j = from + 4 * (int64_t)threadIdx.x;
		float z[4] = {};

		if (j < t.v) {
			load(z, x + j);
#pragma unroll
			for (int i = 0; i < 4; i++)
				z[i] = logit_of(z[i], t.cap);
		}
		__syncthreads();
		if (j >= t.v)
			continue;
#pragma unroll
		for (int i = 0; i < 4; i++) {
			const float slope = 1 - z[i] * inverse * z[i] * inverse;

			z[i] = j + i < t.v ? (expf(z[i] - lse) * share + even + (j + i == target ? d : 0)) * slope : 0;
		}
		store(to + j, z);
	}
}

/* The statistics of row `row`, whose logits are x; the log of its sum, for every thread. SEES: also mean and greedy. */
template <bool SEES> __device__ __forceinline__ float put_statistics(const struct logits_job &t, const float *x, int64_t row, int32_t target)
{
	__shared__ struct stretch found[LOGITS_THREADS];
	__shared__ float totals[64];
	__shared__ int64_t places[LOGITS_WARPS];
	const float z = logit_of(x[target], t.cap);
	struct seen s = {-INFINITY, 0, INT64_MAX};
	const struct logits_sum sum = read_row<SEES>(x, t.v, t.cap, &s, found);

	if (SEES) {
		s.total = block_sum(s.total, totals);
		s.at = first_of(s, sum.top, places);
	}
	if (threadIdx.x == 0) {
		t.lse[row] = sum.top + sum.log, t.logp[row] = logits_logp(sum, z);
		if (SEES && t.mean)
			t.mean[row] = s.total / (float)t.v;
		if (SEES && t.greedy)
			t.greedy[row] = s.at == target && sum.log == sum.log;
	}
	return sum.top + sum.log;
}

/* A block has a row. STATISTICS: logp and lse are written, and with SEES mean and greedy, which may be NULL; GRADIENTS: they take the
 * logits' place. */
template <class T, bool STATISTICS, bool SEES, bool GRADIENTS> __global__ void __launch_bounds__(LOGITS_THREADS) logits_kernel(struct logits_job t)
{
	const int64_t row = t.rows ? t.rows[t.first + blockIdx.x] : t.first + blockIdx.x;
	float *x = t.logits + blockIdx.x * t.ld;
	const int32_t target = t.targets[row];
	const float lse = STATISTICS ? put_statistics<SEES>(t, x, row, target) : t.lse[row];

	if (GRADIENTS)
		put_gradients<T>(t, x, row, lse, target);
}

/* Block x has row x. */
__global__ static void __launch_bounds__(LOGITS_THREADS) logits_sum_kernel(struct logits_sum *sum, const float *logits, int64_t v)
{
	__shared__ struct stretch found[LOGITS_THREADS];
	const struct logits_sum s = read_row<false>(logits + blockIdx.x * v, v, 0, NULL, found);

	if (threadIdx.x == 0)
		sum[blockIdx.x] = s;
}

static void cuda_logits_sum(struct pool *, struct logits_sum *sum, const float *logits, int64_t n, int64_t v)
{
	if (n)
		LAUNCH(logits_sum_kernel, (unsigned)n, LOGITS_THREADS, 0, device.stream, sum, logits, v);
}

/* --- chunks ---------------------------------------------------------------------------------------------------- */

template <class T> constexpr bool is_half = sizeof(T) == 2;

template <class T> struct chunks {
	struct logits_job job;
	T *gathered, *dx;                 /* [chunk, c], where some tokens have no target */
	int32_t *rows, *count;
	int64_t n, c, size, total;        /* size: rows of a chunk; total: tokens that have a target */
	const T *x;
	struct weights w;
};

/* Cuts the scratch and counts; false: there is nothing to do. */
template <class T>
static bool begin(struct chunks<T> *t, const act *x, struct weights w, const int32_t *targets, float *scratch, int64_t n, int64_t c,
		  int64_t v)
{
	int64_t width = round_up(c, ALIGNED);

	t->n = n, t->c = c, t->x = (const T *)x, t->w = w, t->size = chunk_rows(n, v);
	t->job.v = v, t->job.ld = v % 4 ? round_up(v, ALIGNED) : v, t->job.targets = targets;
	t->job.logits = (float *)(((uintptr_t)scratch + 4 * ALIGNED - 1) / (4 * ALIGNED) * (4 * ALIGNED));
	t->gathered = (T *)(t->job.logits + t->size * t->job.ld);
	t->dx = (T *)((float *)t->gathered + t->size * width);
	t->rows = (int32_t *)((float *)t->dx + t->size * width);
	t->count = t->rows + n;
	if (n == 0 || device.failed != OK)
		return false;
	LAUNCH(number_kernel, 1, NUMBER_THREADS, 0, device.stream, t->rows, t->count, targets, n);
	device_note(cudaMemcpyAsync(counted, t->count, sizeof *counted, cudaMemcpyDeviceToHost, device.stream), "logprob");
	device_note(cudaStreamSynchronize(device.stream), "logprob");
	t->total = device.failed == OK ? *counted : 0;
	t->job.rows = t->total < n ? t->rows : NULL;
	return t->total > 0;
}

/* Hidden states of the k tokens from the first-th on. */
template <class T> static const T *states(const struct chunks<T> *t, int64_t first, int64_t k)
{
	if (!t->job.rows)
		return t->x + first * t->c;
	pick(t->gathered, t->x, t->rows + first, k, t->c, false);
	return t->gathered;
}

/* Gradients of k hidden states from those of the logits. */
template <class T> static void states_gradient(const struct chunks<T> *t, T *dx, int64_t k)
{
	int64_t per = panel_rows(is_half<T>, t->job.v);

	for (int64_t col = 0; col < t->c; col += per) {
		struct gemm g = {};

		g.m = t->c - col < per ? t->c - col : per, g.n = k, g.k = t->job.v;
		g.a = weights_panel(is_half<T>, t->w, t->c, 0, t->job.v, col, g.m, &g.lda);
		g.b = t->job.logits, g.ldb = t->job.ld * (int64_t)(sizeof(float) / sizeof(T));
		g.c = dx + col, g.ldc = t->c;
		g.half = is_half<T>, g.any_n = true;
		gemm_run(&g);
	}
}

template <class T> static void weights_gradient(const struct chunks<T> *t, float *dw, const T *x, int64_t k)
{
	struct gemm g = {};

	g.m = t->c, g.n = t->job.v, g.k = k;
	g.a = x, g.lda = t->c;
	g.b = t->job.logits, g.ldb = t->job.ld * (int64_t)(sizeof(float) / sizeof(T)), g.tb = true;
	g.c = dw, g.ldc = t->c;
	g.half = is_half<T>, g.to_float = true, g.acc = true;
	gemm_run(&g);
}

static void clear(float *p, int64_t n)
{
	if (p && n && device.failed == OK)
		device_note(cudaMemsetAsync(p, 0, (size_t)n * sizeof *p, device.stream), "logprob");
}

static bool fits(bool half, int64_t c, int64_t v)
{
	if (c && v && (panel_rows(half, c) < 1 || panel_rows(half, v) < 1))
		device_fail(ERR_IO, "cuda:%d: logprob: a matrix of %lld x %lld is too large", device.number, (long long)v, (long long)c);
	return device.failed == OK;
}

/* --- the entries -------------------------------------------------------------------------------------------------- */

template <class T>
static void cuda_logprob(struct pool *, float *logp, float *lse, float *mean, bool *greedy, const act *x, struct weights w,
			 const int32_t *targets, float *scratch, int64_t n, int64_t c, int64_t v, float cap)
{
	struct chunks<T> t = {};

	clear(logp, n), clear(lse, n), clear(mean, n);
	if (!fits(is_half<T>, c, v) || !begin(&t, x, w, targets, scratch, n, c, v))
		return;
	t.job.logp = logp, t.job.lse = lse, t.job.mean = mean, t.job.greedy = greedy, t.job.cap = cap;
	for (; t.job.first < t.total; t.job.first += t.size) {
		int64_t k = t.total - t.job.first < t.size ? t.total - t.job.first : t.size;

		logits_product<T>(t.job.logits, t.job.ld, states(&t, t.job.first, k), w, k, v, c);
		if (mean || greedy)
			LAUNCH((logits_kernel<T, true, true, false>), (unsigned)k, LOGITS_THREADS, 0, device.stream, t.job);
		else
			LAUNCH((logits_kernel<T, true, false, false>), (unsigned)k, LOGITS_THREADS, 0, device.stream, t.job);
	}
}

template <class T>
static void cuda_logprob_dx(struct pool *, act *dx, float *dw, const struct logprob_grad *d, const act *x, struct weights w, float *logp,
			    float *lse, const int32_t *targets, float *scratch, int64_t n, int64_t c, int64_t v, float cap)
{
	struct chunks<T> t = {};
	bool any;

	if (logp)
		clear(logp, n), clear(lse, n);
	any = fits(is_half<T>, c, v) && begin(&t, x, w, targets, scratch, n, c, v);
	if (t.total < n && c > 0 && device.failed == OK)
		device_note(cudaMemsetAsync(dx, 0, (size_t)(n * c) * sizeof(T), device.stream), "logprob");
	if (!any)
		return;
	t.job.logp = logp, t.job.lse = lse, t.job.cap = cap, t.job.d = *d;
	for (; t.job.first < t.total; t.job.first += t.size) {
		int64_t k = t.total - t.job.first < t.size ? t.total - t.job.first : t.size;
		const T *from = states(&t, t.job.first, k);
		T *to = t.job.rows ? t.dx : (T *)dx + t.job.first * c;

		logits_product<T>(t.job.logits, t.job.ld, from, w, k, v, c);
		if (logp)
			LAUNCH((logits_kernel<T, true, false, true>), (unsigned)k, LOGITS_THREADS, 0, device.stream, t.job);
		else
			LAUNCH((logits_kernel<T, false, false, true>), (unsigned)k, LOGITS_THREADS, 0, device.stream, t.job);
		states_gradient(&t, to, k);
		if (dw)
			weights_gradient(&t, dw, from, k);
		if (t.job.rows)
			pick((T *)dx, to, t.rows + t.job.first, k, c, true);
	}
}

void entries_logprob(struct kernels *k, bool half)
{
	if (!counted)
		device_note(cudaMallocHost((void **)&counted, sizeof *counted), "opening");
	k->logprob = half ? cuda_logprob<bf16> : cuda_logprob<float>;
	k->logprob_dx = half ? cuda_logprob_dx<bf16> : cuda_logprob_dx<float>;
	k->logprob_scratch = cuda_logprob_scratch, k->logits_sum = cuda_logits_sum;
}
