/* optimizer.c - see optimizer.h. */
#include "train/optimizer.h"

#include "base/mem.h"

#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>

/* --- what is trained ---------------------------------------------------------------------- */

static bool fits_any(const char *name, const char *const *patterns, int n)
{
	for (int i = 0; i < n; i++)
		if (!fnmatch(patterns[i], name, 0))
			return true;
	return false;
}

static enum status check_patterns(const struct model *m, const char *option, const char *const *patterns, int n, struct error *err)
{
	for (int i = 0; i < n; i++) {
		bool fits = false;

		for (int t = 0; t < m->n_tensors; t++)
			fits |= !fnmatch(patterns[i], m->tensors[t].name, 0);
		if (!fits)
			return error_set(err, ERR_USAGE, "--%s '%s' fits no tensor of the model; they are named as '%s'", option,
					 patterns[i], m->tensors[m->n_tensors / 2].name);
	}
	return OK;
}

enum status optimizer_select(const struct model *m, const char *const *freeze, int n_freeze, const char *const *train, int n_train,
			     bool *trained, struct error *err)
{
	bool any = false;

	TRY(check_patterns(m, "freeze", freeze, n_freeze, err));
	TRY(check_patterns(m, "train", train, n_train, err));
	for (int i = 0; i < m->n_tensors; i++) {
		const char *name = m->tensors[i].name;

		trained[i] = !m->tensors[i].frozen && (!n_train || fits_any(name, train, n_train)) && !fits_any(name, freeze, n_freeze);
		any |= trained[i];
	}
	return any ? OK : error_set(err, ERR_USAGE, "--freeze and --train leave nothing to train");
}

/* --- ranges and buckets ------------------------------------------------------------------- */

static int by_offset(const void *a, const void *b)
{
	const struct tensor *x = *(const struct tensor *const *)a, *y = *(const struct tensor *const *)b;

	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Whether r may take up the parameters behind it: no block of eight bits may lie across two tensors. */
static bool goes_on(const struct update_range *r, int64_t from, bool decay, bool bits8)
{
	return r->from + r->n == from && r->decay == decay && r->bits8 == bits8 && (!bits8 || r->n % KERNELS_BLOCK8 == 0);
}

static int64_t pieces_until(const struct update_range *r)
{
	return r->piece + (r->n + KERNELS_UPDATE_PIECE - 1) / KERNELS_UPDATE_PIECE;
}

/* The trained tensors in parameter order, neighbours of one kind joined, and the sizes of the buckets. */
static void find_ranges(struct optimizer *opt, const struct model *m, const bool *trained)
{
	const struct tensor **order = mem_array((size_t)m->n_tensors, sizeof(*order));
	int64_t floats = 0, bytes = 0, blocks = 0;
	int n = 0;

	for (int i = 0; i < m->n_tensors; i++)
		if ((!trained || trained[i]) && !m->tensors[i].frozen)
			order[n++] = &m->tensors[i];
	qsort(order, (size_t)n, sizeof(*order), by_offset);
	opt->ranges = mem_array((size_t)n + 1, sizeof(*opt->ranges));
	for (int i = 0; i < n; i++) {
		int64_t size = order[i]->rows * order[i]->cols;
		bool bits8 = opt->o.kind == OPTIMIZER_ADAMW8 && size >= OPTIMIZER_SMALL;
		struct update_range *last = &opt->ranges[opt->n_ranges - (opt->n_ranges > 0)];

		if (opt->n_ranges && goes_on(last, order[i]->offset, order[i]->decay, bits8))
			last->n += size;
		else
			opt->ranges[opt->n_ranges++] = (struct update_range){ .from = order[i]->offset, .n = size, .state = bits8 ? bytes : floats,
									     .block = blocks, .decay = order[i]->decay, .bits8 = bits8 };
		*(bits8 ? &bytes : &floats) += size;
		blocks += bits8 ? (size + KERNELS_BLOCK8 - 1) / KERNELS_BLOCK8 : 0;
		opt->n_trained += size;
	}
	mem_free(order);
	for (int i = 1; i < opt->n_ranges; i++)
		opt->ranges[i].piece = pieces_until(&opt->ranges[i - 1]);
	opt->buckets[BUCKET_M].n = opt->o.kind == OPTIMIZER_SGD && opt->o.beta1 == 0 ? 0 : floats;
	opt->buckets[BUCKET_V].n = opt->o.kind == OPTIMIZER_ADAMW || opt->o.kind == OPTIMIZER_ADAMW8 ? floats : 0;
	opt->buckets[BUCKET_M8].n = opt->buckets[BUCKET_V8].n = bytes;
	opt->buckets[BUCKET_M_MAX].n = opt->buckets[BUCKET_V_MAX].n = blocks;
}

static size_t bucket_bytes(const struct bucket *b)
{
	return (size_t)b->n * (b->bytes ? 1 : sizeof(float));
}

void optimizer_plan(struct optimizer *opt, const struct model *m, const bool *trained, const struct optimizer_options *o)
{
	*opt = (struct optimizer){
		.o = *o, .k = m->k, .pool = m->pool,
		.buckets = { [BUCKET_M] = { .name = "m" }, [BUCKET_V] = { .name = "v" },
			     [BUCKET_M8] = { .name = "m8", .bytes = true }, [BUCKET_V8] = { .name = "v8", .bytes = true },
			     [BUCKET_M_MAX] = { .name = "m_max" }, [BUCKET_V_MAX] = { .name = "v_max" } },
	};
	if (opt->o.beta2 == 0)
		opt->o.beta2 = o->kind == OPTIMIZER_LION ? 0.99 : 0.95;
	find_ranges(opt, m, trained);
}

static enum status no_memory(const struct optimizer *opt, struct error *err)
{
	return error_set(err, ERR_MEMORY, "no %smemory for the optimizer's state (%zu MB)", optimizer_is_apart(opt) ? "pinned " : "",
			 optimizer_bytes(opt) >> 20);
}

enum status optimizer_take(struct optimizer *opt, struct error *err)
{
	void *(*alloc)(struct pool *, size_t) = opt->o.offload ? opt->k->alloc_host : opt->k->alloc;
	size_t bytes = (size_t)opt->n_ranges * sizeof(*opt->ranges);

	for (int i = 0; i < BUCKETS; i++) {
		struct bucket *b = &opt->buckets[i];

		if (b->n && !(b->data = alloc(opt->pool, bucket_bytes(b))))
			return no_memory(opt, err);
	}
	opt->placed = opt->k->alloc(opt->pool, bytes);
	opt->norm = opt->k->alloc(opt->pool, sizeof(*opt->norm));
	if (!opt->placed || !opt->norm)
		return no_memory(opt, err);
	opt->k->upload(opt->placed, opt->ranges, bytes);
	return OK;
}

void optimizer_close(struct optimizer *opt)
{
	for (int i = 0; i < BUCKETS; i++)
		if (opt->buckets[i].data)
			opt->k->release(opt->buckets[i].data);
	if (opt->placed)
		opt->k->release(opt->placed);
	if (opt->norm)
		opt->k->release(opt->norm);
	mem_free(opt->ranges);
	*opt = (struct optimizer){ 0 };
}

size_t optimizer_bytes(const struct optimizer *opt)
{
	size_t bytes = 0;

	for (int i = 0; i < BUCKETS; i++)
		bytes += bucket_bytes(&opt->buckets[i]);
	return bytes;
}

bool optimizer_is_apart(const struct optimizer *opt)
{
	return opt->o.offload && !opt->k->host_access;
}

/* --- a step ------------------------------------------------------------------------------- */

static struct update_set set_of(const struct optimizer *opt, float *params, const float *grads)
{
	const struct bucket *b = opt->buckets;

	return (struct update_set){
		.p = params, .g = grads, .m = b[BUCKET_M].data, .v = b[BUCKET_V].data, .m8 = b[BUCKET_M8].data, .v8 = b[BUCKET_V8].data,
		.m_max = b[BUCKET_M_MAX].data, .v_max = b[BUCKET_V_MAX].data, .ranges = opt->placed, .n = opt->n_ranges,
		.pieces = opt->n_ranges ? pieces_until(&opt->ranges[opt->n_ranges - 1]) : 0,
	};
}

void optimizer_norm(const struct optimizer *opt, const float *grads, double clip)
{
	struct update_set s = set_of(opt, NULL, grads);

	opt->k->grad_norm(opt->pool, opt->norm, &s, clip);
	opt->k->mark();
}

double optimizer_read_norm(const struct optimizer *opt)
{
	struct grad_norm norm = { .norm = NAN };

	opt->k->download_marked(&norm, opt->norm, sizeof(norm));
	return norm.norm;
}

void optimizer_update(const struct optimizer *opt, float *params, const float *grads, double lr, int64_t step)
{
	static const enum update_rule rules[] = { [OPTIMIZER_ADAMW] = UPDATE_ADAMW, [OPTIMIZER_ADAMW8] = UPDATE_ADAMW,
						  [OPTIMIZER_LION] = UPDATE_LION, [OPTIMIZER_SGD] = UPDATE_SGD };
	struct update_set s = set_of(opt, params, grads);
	struct update u = { .rule = rules[opt->o.kind], .lr = (float)lr, .beta1 = (float)opt->o.beta1, .beta2 = (float)opt->o.beta2,
			    .eps = (float)opt->o.eps, .decay = (float)opt->o.weight_decay, .nesterov = opt->o.nesterov, .step = step };

	opt->k->update(opt->pool, &s, &u, opt->norm);
}
