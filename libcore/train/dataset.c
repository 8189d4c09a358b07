/* dataset.c - see dataset.h. */
#include "train/dataset.h"

#include "base/rng.h"

#include <math.h>

#define ORDER_STREAM 0x6f726465720000ull     /* random streams of the epochs: this plus the epoch */

void dataset_release(struct dataset *d)
{
	mem_free(d->item_seq);
	mem_free(d->seq_at);
	mem_free(d->ids);
	mem_free(d->targets);
	mem_free(d->ref);
	mem_free(d->prompt_targets);
	mem_free(d->wanted);
	mem_free(d->margin);
	if (d->companion)
		dataset_release(d->companion);
	mem_free(d->companion);
	*d = (struct dataset){ 0 };
}

static void reserve_tokens(struct dataset *d, int64_t more)
{
	int64_t want = d->n_tokens + more;

	if (want <= d->cap_tokens)
		return;
	d->cap_tokens = want + want / 2 + 1024;
	d->ids = mem_grow(d->ids, (size_t)d->cap_tokens, sizeof(*d->ids));
	d->targets = mem_grow(d->targets, (size_t)d->cap_tokens, sizeof(*d->targets));
}

int64_t dataset_add(struct dataset *d, const int32_t *ids, const int32_t *labels, int64_t n)
{
	int64_t targets = 0;

	while (n > 1 && labels[n - 1] < 0)
		n--;
	if (--n < 1)                 /* the last token is only predicted */
		return 0;
	reserve_tokens(d, n);
	if (d->n_seqs + 2 > d->cap_seqs) {
		d->cap_seqs = 2 * d->cap_seqs + 64;
		d->seq_at = mem_grow(d->seq_at, (size_t)d->cap_seqs, sizeof(*d->seq_at));
	}
	memcpy(d->ids + d->n_tokens, ids, (size_t)n * sizeof(*ids));
	for (int64_t i = 0; i < n; i++) {
		d->targets[d->n_tokens + i] = labels[i + 1] >= 0 ? labels[i + 1] : -1;
		targets += labels[i + 1] >= 0;
	}
	d->seq_at[d->n_seqs++] = d->n_tokens;
	d->n_tokens += n;
	d->seq_at[d->n_seqs] = d->n_tokens;
	d->n_targets += targets;
	return targets;
}

/* First sequence after the last ended item. */
static int64_t open_sequence(const struct dataset *d)
{
	return d->n_items ? d->item_seq[d->n_items] : 0;
}

void dataset_drop_item(struct dataset *d)
{
	int64_t first = open_sequence(d);

	if (d->n_seqs == first)
		return;
	for (int64_t i = d->seq_at[first]; i < d->n_tokens; i++)
		d->n_targets -= d->targets[i] >= 0;
	d->n_tokens = d->seq_at[first];
	d->n_seqs = first;
}

bool dataset_end_item(struct dataset *d)
{
	int64_t first = open_sequence(d), tokens;

	if (d->n_seqs == first)
		return false;
	if (d->n_items + 2 > d->cap_items) {
		d->cap_items = 2 * d->cap_items + 64;
		d->item_seq = mem_grow(d->item_seq, (size_t)d->cap_items, sizeof(*d->item_seq));
	}
	d->item_seq[d->n_items] = first;
	tokens = d->n_tokens - d->seq_at[first];
	d->longest = tokens > d->longest ? tokens : d->longest;
	d->item_seq[++d->n_items] = d->n_seqs;
	return true;
}

int64_t dataset_item_tokens(const struct dataset *d, int64_t item)
{
	return d->seq_at[d->item_seq[item + 1]] - d->seq_at[d->item_seq[item]];
}

int64_t dataset_item_targets(const struct dataset *d, int64_t item)
{
	int64_t n = 0;

	for (int64_t i = d->seq_at[d->item_seq[item]]; i < d->seq_at[d->item_seq[item + 1]]; i++)
		n += d->targets[i] >= 0;
	return n;
}

/* --- order -------------------------------------------------------------------------------- */

/* Fisher-Yates over the identity. */
static void shuffle_epoch(struct cursor *c)
{
	struct rng r = rng_open(c->seed, ORDER_STREAM + (uint64_t)c->epoch);
	int64_t n = c->d->n_items;

	for (int64_t i = 0; i < n; i++)
		c->order[i] = i;
	for (int64_t i = n - 1; i > 0 && c->shuffle; i--) {
		int64_t j = (int64_t)rng_below(&r, (uint64_t)i + 1), t = c->order[i];

		c->order[i] = c->order[j];
		c->order[j] = t;
	}
}

/* Items that a share of them is, rounded up; what a decimal fraction is above its value as written (0.1 of 10) adds none. */
static int64_t share_of(int64_t n, double share)
{
	int64_t items = (int64_t)ceil((double)n * share - 1e-6);

	return items < 1 ? 1 : items < n ? items : n;
}

void cursor_open(struct cursor *c, const struct dataset *d, uint64_t seed, bool shuffle, double epochs)
{
	*c = (struct cursor){ .d = d, .seed = seed, .shuffle = shuffle, .epochs = (int64_t)ceil(epochs) };
	c->last_n = share_of(d->n_items, epochs - (double)(c->epochs - 1));
	c->order = mem_array((size_t)d->n_items + 1, sizeof(*c->order));
	shuffle_epoch(c);
}

void cursor_release(struct cursor *c)
{
	mem_free(c->order);
	c->order = NULL;
}

void cursor_rewind(struct cursor *c)
{
	c->epoch = 0;
	c->at = 0;
	shuffle_epoch(c);
}

int64_t cursor_peek(struct cursor *c)
{
	if (!c->d->n_items)
		return -1;
	if (c->epochs && (c->epoch >= c->epochs || (c->epoch + 1 == c->epochs && c->at >= c->last_n)))
		return -1;
	if (c->at == c->d->n_items) {
		c->epoch++;
		c->at = 0;
		shuffle_epoch(c);
	}
	return c->order[c->at];
}

void cursor_take(struct cursor *c)
{
	c->at++;
}
