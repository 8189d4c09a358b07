/* bpe_train.c - the merges of a corpus, see bpe_train.h.
 *
 * Words stand one behind the other in an array of cells (word_cells.h). The pairs of neighbours wait in a queue with the words that
 * they stand in (pair_queue.h, postings.h). A merge changes those words alone; what it takes from and gives to pairs is summed up by
 * neighbour first, so that their table is asked once for each neighbour and not for each place. */
#include "token/bpe_train.h"

#include "token/bpe.h"
#include "token/pair_queue.h"
#include "token/postings.h"
#include "token/unicode.h"
#include "token/word_cells.h"

#include <stdlib.h>

#define BYTES 256

enum side { LEFT, RIGHT };
struct neighbour {                   /* of a merge: a symbol that stood beside the pair */
	enum side side;
	int32_t id;
	bool allowed;                /* the pair with the new token is not too long */
	int64_t count;               /* how often it stood there */
	struct posting_list words;   /* where it stands beside the new token */
	uint32_t block;
};
struct event {                       /* a neighbour in a word, for the second look at them */
	size_t word;
	int32_t neighbour;
};

struct bpe_trainer {
	uint32_t *cells;
	size_t n_cells, cap_cells;
	struct bpe_vocab *v;
	struct strmap tokens;        /* string -> id */
	int32_t byte_id[BYTES];      /* -1: not in the alphabet */
	int64_t max_token_length;

	struct pair_queue queue;     /* a pair may wait several times, with different words, when two ways of writing a token give pairs that
				      * existed before; each takes its turn, as in the reference */
	struct postings postings;

	/* The merge at hand: a, b -> id. */
	int32_t a, b, id;
	struct neighbour *beside;
	int32_t n_beside, cap_beside;
	int32_t *place[2];           /* by side and id: place among beside + 1, 0 = none */
	struct event *events;
	size_t n_events, cap_events;
};

/* --- words ----------------------------------------------------------------------------------- */

struct bpe_trainer *bpe_trainer_open(void)
{
	return mem_zalloc(sizeof(struct bpe_trainer));
}

static void add_segment(struct bpe_trainer *t, const char *p, size_t n, uint32_t flags, uint64_t count)
{
	uint32_t *w;

	if (t->cap_cells - t->n_cells < SEGMENT_CELLS) {
		t->cap_cells += t->cap_cells / 2 + (1 << 16);
		t->cells = mem_grow(t->cells, t->cap_cells, sizeof(*t->cells));
	}
	w = t->cells + t->n_cells;
	w[0] = (uint32_t)n | flags;
	w[1] = (uint32_t)count;
	w[2] = (uint32_t)(count >> 32);
	for (size_t i = 0; i < n; i++)
		w[WORD_HEAD + i] = (uint8_t)p[i];
	t->n_cells += n + WORD_HEAD;
}

void bpe_trainer_add(struct bpe_trainer *t, const char *p, size_t n, uint64_t count)
{
	uint32_t flags = 0;

	for (; n > SEGMENT; p += SEGMENT, n -= SEGMENT) {
		add_segment(t, p, SEGMENT, flags | MORE, count);
		flags = BACK;
	}
	add_segment(t, p, n, flags, count);
}

/* --- the vocabulary -------------------------------------------------------------------------- */

static int32_t add_token(struct bpe_trainer *t, const char *p, size_t n)
{
	struct bpe_vocab *v = t->v;
	struct bpe_token token = {.p = arena_strndup(&v->strings, p, n), .n = (uint32_t)n};

	for (size_t i = 0; i < n; i++)
		token.chars += ((uint8_t)p[i] & 0xc0) != 0x80;
	MEM_PUSH_ROOM(v->tokens, v->n_tokens, v->cap_tokens);
	v->tokens[v->n_tokens] = token;
	strmap_put(&t->tokens, token.p, n, v->n_tokens);
	return v->n_tokens++;
}

static enum status add_specials(struct bpe_trainer *t, const struct bpe_train_options *o, struct error *err)
{
	for (int i = 0; i < o->n_specials; i++) {
		const char *s = o->specials[i];
		size_t n = strlen(s);
		int32_t id;

		if (utf8_valid_prefix(s, n) < n)
			return error_set(err, ERR_USAGE, "a special token is not UTF-8");
		if (strmap_get(&t->tokens, s, n) >= 0)
			return error_set(err, ERR_USAGE, "the special token '%s' is given twice", s);
		id = add_token(t, s, n);
		if (t->v->tokens[id].chars < 2)
			return error_set(err, ERR_USAGE, "a special token needs two characters or more: '%s' is also text", s);
	}
	t->v->n_special = o->n_specials;
	return OK;
}

/* The bytes by how often they occur, those of equal count by their characters. */
struct byte_count {
	uint64_t count;
	int byte;
};
static int most_first(const void *x, const void *y)
{
	const struct byte_count *a = x, *b = y;

	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	return bpe_byte_char((uint8_t)a->byte) < bpe_byte_char((uint8_t)b->byte) ? -1 : 1;
}

static void choose_bytes(struct bpe_trainer *t, int64_t limit, bool kept[BYTES])
{
	struct byte_count bytes[BYTES];

	for (int i = 0; i < BYTES; i++)
		bytes[i] = (struct byte_count){0, i};
	for (size_t at = 0; at < t->n_cells; at += word_cells(t->cells + at))
		for (uint32_t i = 0; i < word_length(t->cells + at); i++)
			bytes[t->cells[at + WORD_HEAD + i]].count += (uint64_t)word_count(t->cells + at);
	qsort(bytes, BYTES, sizeof(*bytes), most_first);
	for (int64_t i = 0; i < BYTES; i++)
		kept[bytes[i].byte] = !limit || i < limit;
}

/* The bytes get their ids in the order of their characters. */
static enum status add_alphabet(struct bpe_trainer *t, const struct bpe_train_options *o, struct error *err)
{
	bool kept[BYTES];
	int n = 0;

	choose_bytes(t, o->limit_alphabet, kept);
	for (uint32_t cp = 0; cp <= 0x143; cp++) {
		int byte = bpe_char_byte(cp);
		char c[4];

		if (byte < 0)
			continue;
		t->byte_id[byte] = kept[byte] ? add_token(t, c, (size_t)utf8_encode(cp, c)) : -1;
		n += kept[byte];
	}
	if (o->vocab_size < t->v->n_tokens)
		return error_set(err, ERR_USAGE, "a vocabulary of %lld has no room for %d special tokens and %d bytes",
				 (long long)o->vocab_size, o->n_specials, n);
	return OK;
}

/* The token a+b: a new one, or the one that is written so already. */
static int32_t merged_token(struct bpe_trainer *t, int32_t a, int32_t b, struct buf *both)
{
	int32_t id;

	buf_clear(both);
	buf_add(both, t->v->tokens[a].p, t->v->tokens[a].n);
	buf_add(both, t->v->tokens[b].p, t->v->tokens[b].n);
	id = strmap_get(&t->tokens, both->data, both->len);
	return id < 0 ? add_token(t, both->data, both->len) : id;
}

/* --- from bytes to symbols ------------------------------------------------------------------------ */

/* Cuts bytes that have no token out of the words, and drops words without a pair. */
static void reduce_words(struct bpe_trainer *t)
{
	size_t out = 0;

	for (size_t at = 0, next; at < t->n_cells; at = next) {
		uint32_t *from = t->cells + at, *to = t->cells + out, n = word_length(from), flags = from[0] & ~LENGTH, kept = 0;

		next = at + word_cells(from);
		to[1] = from[1];
		to[2] = from[2];
		for (uint32_t i = 0; i < n; i++)
			if (t->byte_id[from[WORD_HEAD + i]] >= 0)
				to[WORD_HEAD + kept++] = from[WORD_HEAD + i];
		to[0] = kept | flags;
		if (kept > 1 || flags)
			out += word_cells(to);
	}
	t->n_cells = out;
	t->cap_cells = out + 1;
	t->cells = mem_grow(t->cells, t->cap_cells, sizeof(*t->cells));
}

/* All pairs of bytes with their words. The words are looked at twice: to count and measure, and to write; then they hold ids. */
static void queue_bytes(struct bpe_trainer *t)
{
	struct neighbour *all = mem_array(BYTES * BYTES, sizeof(*all)), *n;
	const uint32_t *right;

	for (size_t at = 0; at < t->n_cells; at += word_cells(t->cells + at)) {
		uint32_t *w = t->cells + at, *s = w + WORD_HEAD;

		for (uint32_t i = 0; i < word_length(w) && (right = symbol_after(w, i)); i++) {
			n = &all[s[i] * BYTES + *right];
			n->count += word_count(w);
			posting_note(&n->words, at);
		}
	}
	for (int i = 0; i < BYTES * BYTES; i++)
		if (all[i].words.n) {
			uint64_t key = pair_key(t->byte_id[i / BYTES], t->byte_id[i % BYTES]);

			all[i].block = postings_alloc(&t->postings, &all[i].words);
			pair_at(&t->queue, key)->count = all[i].count;
			pair_queue_push(&t->queue, (struct candidate){all[i].count, key, all[i].block});
		}
	for (int i = 0; i < BYTES * BYTES; i++)
		if (all[i].words.n) {
			posting_begin(&all[i].words, &t->postings, all[i].block);
			all[i].words.n = 0; /* now: written */
		}
	for (size_t at = 0; at < t->n_cells; at += word_cells(t->cells + at)) {
		uint32_t *w = t->cells + at, *s = w + WORD_HEAD;

		for (uint32_t i = 0; i < word_length(w) && (right = symbol_after(w, i)); i++) {
			n = &all[s[i] * BYTES + *right];
			if (n->words.n++ && n->words.last == at)
				continue;
			posting_write(&n->words, at);
		}
		for (uint32_t i = 0; i < word_length(w); i++)
			s[i] = (uint32_t)t->byte_id[s[i]];
	}
	mem_free(all);
}

/* --- a merge -------------------------------------------------------------------------------------- */

static int32_t neighbour_at(struct bpe_trainer *t, enum side side, int32_t id)
{
	int32_t *place = &t->place[side][id];

	if (!*place) {
		int64_t chars = (int64_t)t->v->tokens[id].chars + t->v->tokens[t->id].chars;

		MEM_PUSH_ROOM(t->beside, t->n_beside, t->cap_beside);
		t->beside[t->n_beside] = (struct neighbour){
			.side = side, .id = id, .allowed = !t->max_token_length || chars < t->max_token_length};
		*place = ++t->n_beside;
	}
	return *place - 1;
}

/* A symbol stood beside a pair that is merged now. Two new tokens side by side are one pair from both sides: its words are listed left. */
static void note(struct bpe_trainer *t, enum side side, int32_t id, size_t word, int64_t count)
{
	int32_t i = neighbour_at(t, side, id);
	struct neighbour *n;

	t->beside[i].count += count;
	if (id == t->id)
		i = neighbour_at(t, LEFT, id);
	n = &t->beside[i];
	if (!n->allowed || !posting_note(&n->words, word))
		return;
	MEM_PUSH_ROOM(t->events, t->n_events, t->cap_events);
	t->events[t->n_events++] = (struct event){word, i};
}

/* Replaces a b by id in one word or segment, left to right. A b in the next segment comes over the border. */
static void merge_word(struct bpe_trainer *t, size_t word)
{
	uint32_t *w = t->cells + word, *s = w + WORD_HEAD, n = word_length(w), out = 0;
	const uint32_t a = (uint32_t)t->a, b = (uint32_t)t->b, *right;
	int64_t count = word_count(w);

	for (uint32_t i = 0; i < n; i++) {
		uint32_t *other;

		if (s[i] != a || !(right = symbol_after(w, i)) || *right != b) {
			s[out++] = s[i];
			continue;
		}
		if (out > 0)
			note(t, LEFT, (int32_t)s[out - 1], word, count);
		else if ((other = segment_before(w)))
			note(t, LEFT, (int32_t)other[WORD_HEAD + word_length(other) - 1], (size_t)(other - t->cells), count);
		s[out++] = (uint32_t)t->id;
		if (i + 1 < n)
			i++;
		else
			segment_drop_first(segment_after(w));
		if ((right = symbol_after(w, i)))
			note(t, RIGHT, (int32_t)*right, word, count);
	}
	w[0] = (w[0] & ~LENGTH) | out;
}

/* Between the neighbour and the pair's own symbol beside it, and between the neighbour and the new token. */
static uint64_t old_pair(const struct bpe_trainer *t, const struct neighbour *n)
{
	return n->side == LEFT ? pair_key(n->id, t->a) : pair_key(t->b, n->id);
}

static uint64_t new_pair(const struct bpe_trainer *t, const struct neighbour *n)
{
	return n->side == LEFT ? pair_key(n->id, t->id) : pair_key(t->id, n->id);
}

/* Counts are settled when all neighbours have been added: a pair may win on one side what it loses on the other. */
static void settle_counts(struct bpe_trainer *t)
{
	for (int32_t i = 0; i < t->n_beside; i++)
		if (t->beside[i].allowed)
			pair_at(&t->queue, new_pair(t, &t->beside[i]))->count += t->beside[i].count;
	for (int32_t i = 0; i < t->n_beside; i++) {
		struct pair *p = pair_find(&t->queue, old_pair(t, &t->beside[i])); /* none: one that was too long */

		if (p)
			p->count -= t->beside[i].count;
	}
}

static void queue_new(struct bpe_trainer *t)
{
	for (int32_t i = 0; i < t->n_beside; i++) {
		struct neighbour *n = &t->beside[i];
		int64_t count = n->words.n ? pair_find(&t->queue, new_pair(t, n))->count : 0;

		if (count > 0) {
			n->block = postings_alloc(&t->postings, &n->words);
			pair_queue_push(&t->queue, (struct candidate){count, new_pair(t, n), n->block});
		}
	}
	for (int32_t i = 0; i < t->n_beside; i++) {
		t->place[t->beside[i].side][t->beside[i].id] = 0;
		if (t->beside[i].block)
			posting_begin(&t->beside[i].words, &t->postings, t->beside[i].block);
	}
	for (size_t i = 0; i < t->n_events; i++) {
		struct neighbour *n = &t->beside[t->events[i].neighbour];

		if (n->block)
			posting_write(&n->words, t->events[i].word);
	}
	t->n_beside = 0;
	t->n_events = 0;
}

static void merge(struct bpe_trainer *t, uint32_t words)
{
	uint64_t n, more;
	size_t word = 0;
	const uint8_t *p = postings_open(&t->postings, words, &n);

	while (n--) {
		p = varint_get(p, &more);
		word += more;
		merge_word(t, word);
	}
	postings_free(&t->postings, words, p);
	settle_counts(t);
	queue_new(t);
}

static void learn(struct bpe_trainer *t, const struct bpe_train_options *o)
{
	struct bpe_vocab *v = t->v;
	struct buf both = {0};

	while (v->n_tokens < o->vocab_size && t->queue.n_heap) {
		struct candidate top = t->queue.heap[0];
		int64_t count = pair_find(&t->queue, top.pair)->count;

		if (top.count != count) { /* stale: again with what it counts now */
			top.count = count;
			pair_queue_replace(&t->queue, top);
			continue;
		}
		if (count < 1 || count < o->min_frequency)
			break;
		pair_queue_pop(&t->queue);
		t->a = (int32_t)(top.pair >> 32);
		t->b = (int32_t)(uint32_t)top.pair;
		t->id = merged_token(t, t->a, t->b, &both);
		MEM_PUSH_ROOM(v->merges, v->n_merges, v->cap_merges);
		v->merges[v->n_merges][0] = t->a;
		v->merges[v->n_merges++][1] = t->b;
		merge(t, top.words);
		progress_tick(o->progress, v->n_tokens, o->vocab_size, "tokens", NULL);
	}
	buf_release(&both);
}

/* A pair that was merged twice has the rank of its last time, as a map from pairs to ranks keeps it. */
static void drop_repeats(struct bpe_vocab *v)
{
	struct bpe seen;
	int32_t out = v->n_merges;

	bpe_init(&seen, (size_t)v->n_merges);
	for (int32_t i = v->n_merges; i-- > 0;) {
		if (bpe_rank(&seen, v->merges[i][0], v->merges[i][1]) == BPE_NO_RANK) {
			out--;
			v->merges[out][0] = v->merges[i][0];
			v->merges[out][1] = v->merges[i][1];
		}
		bpe_add_merge(&seen, v->merges[i][0], v->merges[i][1], 0, 0);
	}
	if (out)
		memmove(v->merges, v->merges + out, (size_t)(v->n_merges - out) * sizeof(*v->merges));
	v->n_merges -= out;
	bpe_release(&seen);
}

enum status bpe_trainer_learn(struct bpe_trainer *t, const struct bpe_train_options *o, struct bpe_vocab *v, struct error *err)
{
	size_t tokens_max = (size_t)(o->vocab_size + o->n_specials + BYTES);

	t->v = v;
	t->max_token_length = o->max_token_length;
	TRY(add_specials(t, o, err));
	TRY(add_alphabet(t, o, err));
	for (int side = 0; side < 2; side++)
		t->place[side] = mem_array(tokens_max, sizeof(*t->place[side]));
	reduce_words(t);
	queue_bytes(t);
	learn(t, o);
	drop_repeats(v);
	return OK;
}

void bpe_trainer_close(struct bpe_trainer *t)
{
	if (!t)
		return;
	strmap_release(&t->tokens);
	mem_free(t->cells);
	pair_queue_release(&t->queue);
	postings_release(&t->postings);
	mem_free(t->beside);
	mem_free(t->place[LEFT]);
	mem_free(t->place[RIGHT]);
	mem_free(t->events);
	mem_free(t);
}

void bpe_vocab_release(struct bpe_vocab *v)
{
	arena_release(&v->strings);
	mem_free(v->tokens);
	mem_free(v->merges);
	*v = (struct bpe_vocab){0};
}
