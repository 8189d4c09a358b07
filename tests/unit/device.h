/* device.h - for tests: a device whose memory the host cannot touch. It computes as the CPU's table does, to the bit, but what it allocates
 * are pages that can be read and written only while an entry runs; an entry that is given host memory where device memory belongs, or the
 * other way round, ends the program with its name. What runs on it needs nothing of a device but its table. */
#ifndef QUERN_TESTS_DEVICE_H
#define QUERN_TESTS_DEVICE_H

#include "kernels.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEVICE_BYTES ((size_t)1 << 34)       /* of addresses, none used twice */
#define DEVICE_PAGE ((size_t)4096)

static struct {
	char *base;
	size_t used, live, live_max; /* bytes: given out so far, and now; live_max: no more than that, 0 is no limit */
	int inside;                  /* entries that run */
	bool marked;                 /* once at least */
	bool slow;                   /* what is downloaded beside the rest takes its time */
	enum status failed;          /* what status tells */
	pthread_mutex_t lock;
} device = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* The memory is within reach while at least one entry runs. */
static inline void device_reach(int more)
{
	pthread_mutex_lock(&device.lock);
	if (device.inside + more == 0 || device.inside == 0)
		if (device.used && mprotect(device.base, device.used, more > 0 ? PROT_READ | PROT_WRITE : PROT_NONE))
			abort();
	device.inside += more;
	pthread_mutex_unlock(&device.lock);
}

static inline bool device_has(const void *p)
{
	return (const char *)p >= device.base && (const char *)p < device.base + device.used;
}

static inline void device_expect(bool right, const char *entry, const char *argument)
{
	if (right)
		return;
	fprintf(stderr, "device: %s: %s is memory of the wrong side\n", entry, argument);
	abort();
}

/* What an argument is, by its type; each is given its address. */
static inline bool device_pointer(const void *arg)
{
	const void *p = *(const void *const *)arg;

	return !p || device_has(p);
}

static inline bool device_weights(const void *arg)
{
	const struct weights *w = arg;

	return (!w->data || device_has(w->data)) && (!w->scale || device_has(w->scale)) && (!w->packed || device_has(w->packed));
}

static inline bool device_pages(const void *arg)
{
	return device_has(((const struct kv_pages *)arg)->table);
}

static inline bool device_grad(const void *arg)
{
	const struct logprob_grad *d = *(const struct logprob_grad *const *)arg;

	return !device_has(d) && device_has(d->logp) && (!d->lse || device_has(d->lse)) && (!d->mean || device_has(d->mean));
}

static inline bool device_value(const void *arg)
{
	return arg != NULL;
}

#define RIGHT(x)                                                                                                      \
	_Generic((x), struct pool *: device_value, act *: device_pointer, const act *: device_pointer, float *: device_pointer, \
		 const float *: device_pointer, const int32_t *: device_pointer, const uint64_t *: device_pointer,    \
		 struct logits_sum *: device_pointer,                                                                 \
		 bool *: device_pointer, void *: device_pointer, const void *: device_pointer, \
		 struct weights: device_weights, struct kv_pages: device_pages, const struct logprob_grad *: device_grad, \
		 default: device_value)(&(x))
#define EXPECT(x) device_expect(RIGHT(x), entry, #x);
#define EACH1(x) EXPECT(x)
#define EACH2(x, ...) EXPECT(x) EACH1(__VA_ARGS__)
#define EACH3(x, ...) EXPECT(x) EACH2(__VA_ARGS__)
#define EACH4(x, ...) EXPECT(x) EACH3(__VA_ARGS__)
#define EACH5(x, ...) EXPECT(x) EACH4(__VA_ARGS__)
#define EACH6(x, ...) EXPECT(x) EACH5(__VA_ARGS__)
#define EACH7(x, ...) EXPECT(x) EACH6(__VA_ARGS__)
#define EACH8(x, ...) EXPECT(x) EACH7(__VA_ARGS__)
#define EACH9(x, ...) EXPECT(x) EACH8(__VA_ARGS__)
#define EACH10(x, ...) EXPECT(x) EACH9(__VA_ARGS__)
#define EACH11(x, ...) EXPECT(x) EACH10(__VA_ARGS__)
#define EACH12(x, ...) EXPECT(x) EACH11(__VA_ARGS__)
#define EACH13(x, ...) EXPECT(x) EACH12(__VA_ARGS__)
#define EACH14(x, ...) EXPECT(x) EACH13(__VA_ARGS__)
#define EACH15(x, ...) EXPECT(x) EACH14(__VA_ARGS__)
#define EACH16(x, ...) EXPECT(x) EACH15(__VA_ARGS__)
#define EACH17(x, ...) EXPECT(x) EACH16(__VA_ARGS__)
#define EACH18(x, ...) EXPECT(x) EACH17(__VA_ARGS__)
#define PICK(_1, _2, _3, _4, _5, _6, _7, _8, _9, _10, _11, _12, _13, _14, _15, _16, _17, _18, each, ...) each
#define EACH(...)                                                                                                     \
	PICK(__VA_ARGS__, EACH18, EACH17, EACH16, EACH15, EACH14, EACH13, EACH12, EACH11, EACH10, EACH9, EACH8, EACH7, EACH6, EACH5, \
	     EACH4, EACH3, EACH2, EACH1, )(__VA_ARGS__)
#define ENTRY(name, params, ...)                                                                                      \
	static void device_##name params                                                                              \
	{                                                                                                             \
		static const char *const entry = #name;                                                               \
		EACH(__VA_ARGS__)                                                                                     \
		device_reach(1);                                                                                      \
		kernels_cpu()->name(__VA_ARGS__);                                                                     \
		device_reach(-1);                                                                                     \
	}

ENTRY(zero, (struct pool *pool, void *p, size_t bytes), pool, p, bytes)
ENTRY(copy, (struct pool *pool, void *dst, const void *src, size_t bytes), pool, dst, src, bytes)
ENTRY(matmul, (struct pool *pool, act *y, const act *x, struct weights w, int64_t n, int64_t o, int64_t i, int acc), pool, y, x, w,
      n, o, i, acc)
ENTRY(matmul_dx, (struct pool *pool, act *dx, const act *dy, struct weights w, int64_t n, int64_t o, int64_t i, int acc), pool, dx,
      dy, w, n, o, i, acc)
ENTRY(matmul_dw, (struct pool *pool, float *dw, const act *dy, const act *x, int64_t n, int64_t o, int64_t i), pool, dw, dy, x, n,
      o, i)
ENTRY(matmul_float, (struct pool *pool, float *y, const act *x, struct weights w, const float *b, int64_t n, int64_t o, int64_t i),
      pool, y, x, w, b, n, o, i)
ENTRY(matmul_add, (struct pool *pool, act *y, const act *x, struct weights w, const float *b, const act *r, int64_t n, int64_t o,
      int64_t i), pool, y, x, w, b, r, n, o, i)
ENTRY(matmul_part, (struct pool *pool, act *y, int64_t ldy, const act *x, int64_t ldx, struct weights w, int64_t n, int64_t o,
      int64_t i, int acc), pool, y, ldy, x, ldx, w, n, o, i, acc)
ENTRY(matmul_dx_part, (struct pool *pool, act *dx, int64_t ldx, const act *dy, int64_t ldy, struct weights w, int64_t n, int64_t o,
      int64_t i, int acc), pool, dx, ldx, dy, ldy, w, n, o, i, acc)
ENTRY(matmul_dw_part, (struct pool *pool, float *dw, const act *dy, int64_t ldy, const act *x, int64_t ldx, int64_t n, int64_t o,
      int64_t i), pool, dw, dy, ldy, x, ldx, n, o, i)
ENTRY(pack, (struct pool *pool, void *packed, struct weights w, int64_t o, int64_t i, bool backward), pool, packed, w, o, i,
      backward)
ENTRY(embed, (struct pool *pool, act *y, struct weights w, const int32_t *ids, int64_t n, int64_t c), pool, y, w, ids, n, c)
ENTRY(noise, (struct pool *pool, act *x, const float *size, const uint64_t *key, uint64_t seed, int64_t n, int64_t c), pool, x,
      size, key, seed, n, c)
ENTRY(embed_dw, (struct pool *pool, float *dw, const act *dy, const int32_t *ids, int64_t n, int64_t c, int64_t v), pool, dw, dy,
      ids, n, c, v)
ENTRY(rmsnorm, (struct pool *pool, act *y, float *rstd, const act *x, const float *g, float plus, const act *res, int64_t n, int64_t
      c, float eps), pool, y, rstd, x, g, plus, res, n, c, eps)
ENTRY(rmsnorm_dx, (struct pool *pool, act *dx, float *dg, const act *dy, const act *x, const float *rstd, const float *g, float
      plus, float *scratch, int64_t n, int64_t c), pool, dx, dg, dy, x, rstd, g, plus, scratch, n, c)
ENTRY(layernorm, (struct pool *pool, act *y, float *rstd, const act *x, const float *g, const float *b, int64_t n, int64_t c, float
      eps), pool, y, rstd, x, g, b, n, c, eps)
ENTRY(layernorm_dx, (struct pool *pool, act *dx, float *dg, float *db, const act *dy, const act *x, const float *rstd, const float
      *g, float *scratch, int64_t n, int64_t c), pool, dx, dg, db, dy, x, rstd, g, scratch, n, c)
ENTRY(qk_norm, (struct pool *pool, act *y, const act *x, const float *gq, const float *gk, float plus, int64_t n, int h, int hkv,
      int d, float eps), pool, y, x, gq, gk, plus, n, h, hkv, d, eps)
ENTRY(qk_norm_dx, (struct pool *pool, act *dqkv, float *dgq, float *dgk, const act *x, const float *gq, const float *gk, float plus,
      float *scratch, int64_t n, int h, int hkv, int d, float eps), pool, dqkv, dgq, dgk, x, gq, gk, plus, scratch, n, h, hkv, d,
      eps)
ENTRY(add_bias, (struct pool *pool, act *y, const act *x, const float *b, int64_t n, int64_t c), pool, y, x, b, n, c)
ENTRY(bias_db, (struct pool *pool, float *db, const act *dy, int64_t n, int64_t c), pool, db, dy, n, c)
ENTRY(add_rows, (struct pool *pool, act *y, const float *table, const int32_t *rows, int64_t n, int64_t c), pool, y, table, rows, n,
      c)
ENTRY(scale, (struct pool *pool, act *x, int64_t n, float a), pool, x, n, a)
ENTRY(scale_columns, (struct pool *pool, act *x, int64_t ldx, int64_t n, int64_t c, float a), pool, x, ldx, n, c, a)
ENTRY(dropout, (struct pool *pool, act *y, const act *x, const uint64_t *key, uint64_t seed, float p, int64_t n, int64_t c, int
      acc), pool, y, x, key, seed, p, n, c, acc)
ENTRY(rope, (struct pool *pool, act *qkv, const float *cos, const float *sin, const int32_t *pos, int64_t n, int h, int hkv, int d,
      int r, int sign), pool, qkv, cos, sin, pos, n, h, hkv, d, r, sign)
ENTRY(attention, (struct pool *pool, act *o, float *lse, const act *qkv, const int32_t *cu, int64_t s, struct heads hd), pool, o,
      lse, qkv, cu, s, hd)
ENTRY(attention_dqkv, (struct pool *pool, act *dqkv, const act *d_o, const act *o, const float *lse, const act *qkv, const int32_t
      *cu, int64_t s, struct heads hd), pool, dqkv, d_o, o, lse, qkv, cu, s, hd)
ENTRY(attention_cached, (struct pool *pool, act *o, const act *qkv, struct kv_pages kv, const int32_t *past, const int32_t *cu,
      int64_t s, struct heads hd), pool, o, qkv, kv, past, cu, s, hd)
ENTRY(swiglu, (struct pool *pool, act *y, const act *gu, int64_t n, int64_t f), pool, y, gu, n, f)
ENTRY(swiglu_dgu, (struct pool *pool, act *dgu, const act *dy, const act *gu, int64_t n, int64_t f), pool, dgu, dy, gu, n, f)
ENTRY(geglu, (struct pool *pool, act *y, const act *gu, int64_t n, int64_t f), pool, y, gu, n, f)
ENTRY(geglu_dgu, (struct pool *pool, act *dgu, const act *dy, const act *gu, int64_t n, int64_t f), pool, dgu, dy, gu, n, f)
ENTRY(gelu, (struct pool *pool, act *y, const act *x, int64_t n), pool, y, x, n)
ENTRY(gelu_dx, (struct pool *pool, act *dx, const act *dy, const act *x, int64_t n), pool, dx, dy, x, n)
ENTRY(logprob, (struct pool *pool, float *logp, float *lse, float *mean, bool *greedy, const act *x, struct weights w, const int32_t
      *targets, float *scratch, int64_t n, int64_t c, int64_t v, float cap), pool, logp, lse, mean, greedy, x, w, targets, scratch,
      n, c, v, cap)
ENTRY(logprob_dx, (struct pool *pool, act *dx, float *dw, const struct logprob_grad *d, const act *x, struct weights w, float *logp,
      float *lse, const int32_t *targets, float *scratch, int64_t n, int64_t c, int64_t v, float cap), pool, dx, dw, d, x, w, logp,
      lse, targets, scratch, n, c, v, cap)
ENTRY(logits_sum, (struct pool *pool, struct logits_sum *sum, const float *logits, int64_t n, int64_t v), pool, sum, logits, n, v)
ENTRY(soft_cap, (struct pool *pool, float *x, int64_t n, float cap), pool, x, n, cap)
ENTRY(from_floats, (struct pool *pool, act *y, const float *x, int64_t n), pool, y, x, n)
ENTRY(to_floats, (struct pool *pool, float *y, const act *x, int64_t n), pool, y, x, n)
ENTRY(gather_rows, (struct pool *pool, act *y, const act *x, const int32_t *rows, int64_t n, int64_t c), pool, y, x, rows, n, c)
static inline void device_expect_set(const struct update_set *s, const char *entry)
{
	const void *const all[] = { s->p, s->g, s->m, s->v, s->m8, s->v8, s->m_max, s->v_max, s->ranges };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		device_expect(!all[i] || device_has(all[i]), entry, "a part of the set");
}

static void device_grad_norm(struct pool *pool, struct grad_norm *norm, const struct update_set *s, double clip)
{
	device_expect_set(s, "grad_norm");
	device_expect(device_has(norm), "grad_norm", "norm");
	device_reach(1);
	kernels_cpu()->grad_norm(pool, norm, s, clip);
	device_reach(-1);
}

static void device_update(struct pool *pool, const struct update_set *s, const struct update *u, const struct grad_norm *norm)
{
	device_expect_set(s, "update");
	device_expect(device_has(norm), "update", "norm");
	device_reach(1);
	kernels_cpu()->update(pool, s, u, norm);
	device_reach(-1);
}

static void device_upload(void *dst, const void *src, size_t bytes)
{
	device_expect(!bytes || device_has(dst), "upload", "dst");
	device_expect(!device_has(src), "upload", "src");
	device_reach(1);
	memcpy(dst, src, bytes);
	device_reach(-1);
}

static char device_staged[8192];

static void *device_stage(size_t *bytes)
{
	*bytes = sizeof device_staged;
	return device_staged;
}

static void device_upload_staged(void *dst, size_t bytes)
{
	device_expect(bytes <= sizeof device_staged, "upload_staged", "bytes");
	device_upload(dst, device_staged, bytes);
}

static void device_download(void *dst, const void *src, size_t bytes)
{
	device_expect(!device_has(dst), "download", "dst");
	device_expect(!bytes || device_has(src), "download", "src");
	device_reach(1);
	memcpy(dst, src, bytes);
	device_reach(-1);
}

static void device_mark(void)
{
	device.marked = true;
}

static void device_download_marked(void *dst, const void *src, size_t bytes)
{
	device_expect(device.marked, "download_marked", "no mark, src");
	if (device.slow)
		usleep(5000);
	device_download(dst, src, bytes);
}

/* The size stands in the page before it. */
static void *device_alloc(struct pool *pool, size_t bytes)
{
	size_t room = (bytes + DEVICE_PAGE - 1) / DEVICE_PAGE * DEVICE_PAGE + DEVICE_PAGE;
	char *p = NULL;

	(void)pool;
	pthread_mutex_lock(&device.lock);
	if (!device.base) {
		device.base = mmap(NULL, DEVICE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (device.base == MAP_FAILED)
			abort();
	}
	if (bytes < DEVICE_BYTES && room < DEVICE_BYTES - device.used && (!device.live_max || device.live + room <= device.live_max)) {
		p = device.base + device.used;
		device.used += room;
		device.live += room;
	}
	pthread_mutex_unlock(&device.lock);
	if (!p)
		return NULL;
	device_reach(1);
	memcpy(p, &room, sizeof(room));
	device_reach(-1);
	return p + DEVICE_PAGE;
}

static void device_release(void *p)
{
	size_t room;

	if (!p)
		return;
	device_expect(device_has(p), "release", "p");
	device_reach(1);
	memcpy(&room, (char *)p - DEVICE_PAGE, sizeof(room));
	device_reach(-1);
	pthread_mutex_lock(&device.lock);
	device.live -= room;
	pthread_mutex_unlock(&device.lock);
	if (madvise((char *)p - DEVICE_PAGE, room, MADV_DONTNEED))
		abort();
}

static enum status device_status(struct error *err)
{
	return device.failed == OK ? OK : error_set(err, device.failed, "the device: an illegal address");
}

/* What each allocation takes besides is left out: ten of them find their room. */
static size_t device_available(void)
{
	size_t room = device.live_max ? device.live_max - device.live : DEVICE_BYTES - device.used, besides = 20 * DEVICE_PAGE;

	return room > besides ? room - besides : 0;
}

#define TAKE(name) .name = device_##name
static inline const struct kernels *device_kernels(void)
{
	static const struct kernels table = {
		.abi = KERNELS_ABI, .name = "device", .elem_bytes = sizeof(float),
		TAKE(status), .failed = device_status, TAKE(alloc), .alloc_host = device_alloc, TAKE(available), TAKE(release), TAKE(upload), TAKE(download), TAKE(mark),
		TAKE(download_marked), .upload_ahead = device_upload, TAKE(stage), TAKE(upload_staged), TAKE(zero), TAKE(copy),
		TAKE(matmul), TAKE(matmul_dx), TAKE(matmul_dw), TAKE(matmul_float), TAKE(matmul_add), TAKE(matmul_part),
		TAKE(matmul_dx_part), TAKE(matmul_dw_part), TAKE(pack), TAKE(embed), TAKE(noise), TAKE(embed_dw),
		TAKE(rmsnorm), TAKE(rmsnorm_dx), TAKE(layernorm), TAKE(layernorm_dx), TAKE(qk_norm), TAKE(qk_norm_dx),
		TAKE(add_bias), TAKE(bias_db), TAKE(add_rows), TAKE(scale), TAKE(scale_columns), TAKE(dropout), TAKE(rope),
		TAKE(attention), TAKE(attention_dqkv), TAKE(attention_cached), TAKE(swiglu), TAKE(swiglu_dgu), TAKE(geglu),
		TAKE(geglu_dgu), TAKE(gelu), TAKE(gelu_dx), TAKE(logprob), TAKE(logprob_dx), TAKE(soft_cap), TAKE(logits_sum),
		TAKE(from_floats), TAKE(to_floats), TAKE(gather_rows), TAKE(grad_norm), TAKE(update),
	};
	static struct kernels filled;

	filled = table;
	filled.norm_scratch = kernels_cpu()->norm_scratch;
	filled.logprob_scratch = kernels_cpu()->logprob_scratch;
	filled.packed_bytes = kernels_cpu()->packed_bytes;
	filled.peak_flops = kernels_cpu()->peak_flops;
	return &filled;
}

#endif
