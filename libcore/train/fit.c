/* fit.c - whether a planned run fits the device's memory, and which flags would make it; see trainer.h. */
#include "train/trainer.h"

#define ROUND_TOKENS 64          /* a flag names a multiple of it, where that fits */

/* What a run's memory depends on, and flags change. */
struct way {
	int64_t n_max;
	enum model_use recompute;
	struct optimizer_options optimizer;
};

static struct way way_of(const struct trainer *t)
{
	return (struct way){ t->n_max, t->o.recompute, t->o.optimizer };
}

static size_t plus(size_t a, size_t b)
{
	size_t sum;

	return __builtin_add_overflow(a, b, &sum) ? SIZE_MAX : sum;
}

/* Device memory that is not taken yet. */
static size_t needs(const struct trainer *t, const struct way *w)
{
	struct optimizer opt;
	size_t state = model_state_bytes(t->model, w->n_max, w->recompute), bytes;

	optimizer_plan(&opt, t->model, t->o.trained, &w->optimizer);
	bytes = optimizer_is_apart(&opt) ? 0 : optimizer_bytes(&opt);
	optimizer_close(&opt);
	return plus(plus(plus(state, bytes), (size_t)t->model->n_params * sizeof(float)), model_pack_bytes(t->model));
}

/* The largest micro-batch with which it fits, 0 if none does. */
static int64_t largest_micro(const struct trainer *t, struct way w, size_t room)
{
	int64_t low = t->n_least - 1, high = w.n_max;

	while (low < high) {
		w.n_max = low + (high - low + 1) / 2;
		if (needs(t, &w) <= room)
			low = w.n_max;
		else
			high = w.n_max - 1;
	}
	return low < t->n_least ? 0 : low / ROUND_TOKENS * ROUND_TOKENS >= t->n_least ? low / ROUND_TOKENS * ROUND_TOKENS : low;
}

static void add_flag(struct buf *flags, const char *between, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void add_flag(struct buf *flags, const char *between, const char *fmt, ...)
{
	va_list ap;

	if (flags->len)
		buf_str(flags, between);
	va_start(ap, fmt);
	buf_vprintf(flags, fmt, ap);
	va_end(ap);
}

/* Flags of which each alone is enough. */
static void single_flags(const struct trainer *t, size_t room, struct buf *flags)
{
	static const char *const levels[] = { [MODEL_TRAIN_LESS] = "attention", [MODEL_TRAIN_LEAST] = "full" };
	struct way own = way_of(t), w;
	int64_t micro;

	for (int level = (int)own.recompute + 1; level <= MODEL_TRAIN_LEAST; level++) {
		w = own, w.recompute = (enum model_use)level;
		if (needs(t, &w) > room)
			continue;
		add_flag(flags, ", or ", "--recompute %s", levels[level]);
		break;
	}
	if ((micro = largest_micro(t, own, room)))
		add_flag(flags, ", or ", "--micro-tokens %lld", (long long)micro);
	w = own, w.optimizer.kind = OPTIMIZER_ADAMW8;
	if (own.optimizer.kind == OPTIMIZER_ADAMW && needs(t, &w) <= room)
		add_flag(flags, ", or ", "--optimizer adamw8");
	w = own, w.optimizer.offload = true;
	if (!t->model->k->host_access && !own.optimizer.offload && needs(t, &w) <= room)
		add_flag(flags, ", or ", "--offload-optimizer");
}

/* All that helps together, where nothing does alone: first without what makes steps slower over the bus. */
static void joined_flags(const struct trainer *t, size_t room, struct buf *flags)
{
	struct way w = way_of(t);
	int64_t micro;

	w.recompute = MODEL_TRAIN_LEAST;
	if (!(micro = largest_micro(t, w, room)) && !t->model->k->host_access) {
		w.optimizer.offload = true;
		micro = largest_micro(t, w, room);
	}
	if (!micro)
		return;
	add_flag(flags, " ", "--recompute full");
	if (micro < t->n_max)
		add_flag(flags, " ", "--micro-tokens %lld", (long long)micro);
	if (w.optimizer.offload && !t->o.optimizer.offload)
		add_flag(flags, " ", "--offload-optimizer");
}

enum status trainer_fits(const struct trainer *t, bool planned, struct error *err)
{
	struct way own = way_of(t);
	size_t need = needs(t, &own), room = t->model->k->available(), weights = 0;
	struct buf flags = { 0 };
	enum status st;

	/* Of a plan on the CPU the weights are pages that nobody has touched. */
	if (planned && t->model->k->host_access)
		weights = plus(t->model->store_bytes, (size_t)t->model->n_params * sizeof(float));
	room = room > weights ? room - weights : 0;
	if (need <= room)
		return OK;
	single_flags(t, room, &flags);
	if (!flags.len)
		joined_flags(t, room, &flags);
	st = error_set(err, ERR_MEMORY, "no memory for training: beside the weights it takes %.1f MB, and %.1f MB are free; %s%s", (double)need / 1e6,
		       (double)room / 1e6, flags.len ? "it would fit with " : "no flag makes it fit; adapters (--lora-rank) or a smaller model take less",
		       flags.len ? flags.data : "");
	buf_release(&flags);
	return st;
}
