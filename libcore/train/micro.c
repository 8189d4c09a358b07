/* micro.c - see micro.h. */
#include "train/micro.h"

#include <math.h>

#define NOISE_STREAM 0x6e6f697365ull         /* apart from the order's random numbers */
#define STEP_TOKENS_BITS 36                  /* a step has fewer tokens than 2^36 */

static float *floats(bool wanted, int64_t n)
{
	return wanted ? mem_array((size_t)n, sizeof(float)) : NULL;
}

void micro_open(struct micro_room *room, int64_t n_max, const struct objective *wants, bool noise)
{
	*room = (struct micro_room){ .n_max = n_max };
	room->ids = mem_array((size_t)n_max, sizeof(int32_t));
	room->targets = mem_array((size_t)n_max, sizeof(int32_t));
	room->cu = mem_array((size_t)n_max + 1, sizeof(int32_t));
	room->logp = floats(true, n_max);
	room->dlogp = floats(wants, n_max);
	room->lse = floats(wants && wants->wants_lse, n_max);
	room->dlse = floats(wants && wants->wants_lse, n_max);
	room->mean = floats(wants && (wants->wants_mean || wants->reads_mean), n_max);
	room->dmean = floats(wants && wants->wants_mean, n_max);
	room->logits = floats(wants && wants->labels, n_max * (wants ? wants->labels : 0));
	room->dlogits = floats(wants && wants->labels, n_max * (wants ? wants->labels : 0));
	room->noise_size = floats(noise, n_max);
	room->noise_key = noise ? mem_array((size_t)n_max, sizeof(uint64_t)) : NULL;
}

void micro_close(struct micro_room *room)
{
	void *const all[] = { room->ids, room->targets, room->cu, room->logp, room->lse, room->mean, room->dlogp, room->dlse,
			      room->dmean, room->logits, room->dlogits, room->noise_size, room->noise_key };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		mem_free(all[i]);
	*room = (struct micro_room){ 0 };
}

int64_t micro_fill(const struct micro_room *room, const struct dataset *d, const int64_t *items, int64_t n, struct micro *mb)
{
	struct model_batch *b = &mb->batch;

	*mb = (struct micro){ .d = d, .items = items, .logp = room->logp, .lse = room->lse, .mean = room->mean,
			      .dlogp = room->dlogp, .dlse = room->dlse, .dmean = room->dmean, .logits = room->logits, .dlogits = room->dlogits };
	*b = (struct model_batch){ .ids = room->ids, .cu = room->cu, .targets = room->targets, .lse = room->lse,
				   .mean = room->mean, .dlse = room->dlse, .dmean = room->dmean, .logits = room->logits,
				   .dlogits = room->dlogits };
	room->cu[0] = 0;
	for (; mb->n_items < n && b->n + dataset_item_tokens(d, items[mb->n_items]) <= room->n_max; mb->n_items++) {
		int64_t first = d->item_seq[items[mb->n_items]], last = d->item_seq[items[mb->n_items] + 1];
		int64_t from = d->seq_at[first], tokens = d->seq_at[last] - from;

		memcpy(room->ids + b->n, d->ids + from, (size_t)tokens * sizeof(int32_t));
		memcpy(room->targets + b->n, d->targets + from, (size_t)tokens * sizeof(int32_t));
		for (int64_t s = first; s < last; s++)
			room->cu[++b->s] = (int32_t)(b->n + d->seq_at[s + 1] - from);
		b->n += tokens;
	}
	return mb->n_items;
}

void micro_noise(const struct micro_room *room, struct micro *mb, double alpha, int hidden, uint64_t seed, int64_t step, int64_t first)
{
	struct model_batch *b = &mb->batch;

	for (int64_t s = 0; s < b->s && alpha > 0; s++) {
		float size = (float)(alpha / sqrt((double)(b->cu[s + 1] - b->cu[s]) * hidden));

		for (int32_t i = b->cu[s]; i < b->cu[s + 1]; i++)
			room->noise_size[i] = size;
	}
	for (int64_t i = 0; i < b->n; i++)
		room->noise_key[i] = (uint64_t)step << STEP_TOKENS_BITS | (uint64_t)(first + i);
	b->noise_size = alpha > 0 ? room->noise_size : NULL;
	b->noise_key = room->noise_key;
	b->noise_seed = seed ^ NOISE_STREAM << 24;
}

/* --- reference ---------------------------------------------------------------------------- */

static void sum_sequences(void *arg, const struct micro *mb, float *out)
{
	(void)arg;
	for (int64_t s = 0; s < mb->batch.s; s++) {
		double sum = 0;

		for (int32_t i = mb->batch.cu[s]; i < mb->batch.cu[s + 1]; i++)
			sum += (double)mb->logp[i];
		out[s] = (float)sum;
	}
}

enum status sequence_logps(struct model *m, const struct dataset *d, int64_t micro_tokens, sequence_sums *sum, void *arg, float *out,
			   struct error *err)
{
	int64_t n_max = micro_tokens > d->longest ? micro_tokens : d->longest, items = d->n_items;
	int64_t *all = mem_array((size_t)items + 1, sizeof(*all));
	struct micro_room room;
	struct model_state *st;
	enum status status = model_state_open(&st, m, n_max, MODEL_SCORE, err);

	micro_open(&room, n_max, NULL, false);
	for (int64_t i = 0; i < items; i++)
		all[i] = i;
	for (int64_t at = 0; at < items && status == OK;) {
		int64_t seq = d->item_seq[at];
		struct micro mb;

		at += micro_fill(&room, d, all + at, items - at, &mb);
		status = model_forward(m, st, &mb.batch, room.logp, err);
		if (status == OK)
			(sum ? sum : sum_sequences)(arg, &mb, out + seq);
	}
	model_state_close(st);
	micro_close(&room);
	mem_free(all);
	return status;
}
