/* against.c - see against.h. */
#include "text/against.h"

#include "base/hash.h"

#define SLOTS_MIN 1024

struct slot {
	uint64_t key;                /* 0: empty */
	uint32_t row, at;
};

struct against {
	struct rowkeys *keys;
	int n_keys, workers;
	enum compare_by by;
	struct minhash_recipe grams; /* of runs of words */
	struct scratch { struct buf text; struct minhash_scratch words; } *scratch;
	uint64_t memory;
	struct hash_salt salt;       /* so that nobody can aim at a slot */
	struct slot *slots;
	uint64_t steps;              /* slots looked at by enter behind the first */
	uint64_t n, n_slots;         /* a power of two */
	uint32_t rows;
	int64_t short_rows;
	bool keeps_ids;
	char **ids;
	uint32_t n_ids, cap_ids;
	struct against_place *places;        /* of the slots, once a corpus is marked */
};

struct gram { uint64_t hash; uint32_t at, end; };

struct against_facts {
	int n_keys;
	uint64_t *keys;              /* [rows][n_keys] */
	struct gram *grams;
	size_t n_grams, cap_grams;
	size_t *ends;                /* of each row's grams */
	struct against_hit *hits;
	int64_t n_hits, cap_hits;
	struct against_run *runs;
	int64_t n_runs, cap_runs;
};

enum status against_open(struct against **out, const struct rowkeys_options *o, int overlap, uint64_t memory, bool ids, struct error *err)
{
	struct against *a = mem_zalloc(sizeof(*a));
	enum status st = rowkeys_open(&a->keys, o, err);
	if (st != OK) {
		mem_free(a);
		return st;
	}
	a->n_keys = rowkeys_count(a->keys);
	a->workers = o->workers;
	a->by = o->by;
	a->memory = memory;
	a->keeps_ids = ids;
	a->grams = (struct minhash_recipe){.manner = MINHASH_QUERN, .unit = MINHASH_WORDS, .hash = MINHASH_XXH3, .ngram = overlap};
	a->scratch = mem_array((size_t)o->workers, sizeof(*a->scratch));
	hash_salt_make(&a->salt);
	*out = a;
	return OK;
}

void against_close(struct against *a)
{
	if (!a)
		return;
	for (int i = 0; i < a->workers; i++) {
		buf_release(&a->scratch[i].text);
		minhash_scratch_release(&a->scratch[i].words);
	}
	for (uint32_t i = 0; i < a->n_ids; i++)
		mem_free(a->ids[i]);
	mem_free(a->ids);
	rowkeys_close(a->keys);
	mem_free(a->scratch);
	mem_free(a->slots);
	mem_free(a->places);
	mem_free(a);
}

/* --- what rows have to compare --------------------------------------------------------------- */

static void read_grams(struct against *a, const struct batch *b, int64_t row, struct scratch *x, struct against_facts *f)
{
	size_t bytes;
	const char *text = compare_view(b, row, a->by, &x->text, &bytes);
	size_t n = minhash_shingles(&a->grams, text, bytes, &x->words);
	if (f->n_grams + n > f->cap_grams) {
		f->cap_grams = (f->n_grams + n) * 2;
		f->grams = mem_grow(f->grams, f->cap_grams, sizeof(*f->grams));
	}
	for (size_t i = 0; i < n; i++)
		f->grams[f->n_grams++] = (struct gram){
			x->words.shingles[i] ? x->words.shingles[i] : 1, x->words.sources[i], x->words.sources[i + (size_t)a->grams.ngram],
		};
}

enum status against_read(struct against *a, const struct batch *b, int worker, struct against_facts **out, struct error *err)
{
	struct against_facts *f = mem_zalloc(sizeof(*f));
	uint64_t *pairs = mem_array((size_t)a->n_keys, 2 * sizeof(*pairs));
	enum status st = OK;
	f->n_keys = a->n_keys;
	f->keys = mem_array((size_t)b->rows * (size_t)a->n_keys, sizeof(*f->keys));
	f->ends = mem_array((size_t)b->rows, sizeof(*f->ends));
	for (int64_t i = 0; i < b->rows && st == OK; i++) {
		st = rowkeys_make(a->keys, b, i, worker, pairs, err);
		for (int k = 0; k < a->n_keys; k++)
			f->keys[i * a->n_keys + k] = pairs[2 * k] ? pairs[2 * k] : pairs[2 * k + 1];
		if (st == OK && a->grams.ngram)
			read_grams(a, b, i, &a->scratch[worker], f);
		f->ends[i] = f->n_grams;
	}
	mem_free(pairs);
	*out = f;
	return st;
}

void against_facts_free(struct against_facts *f)
{
	if (!f)
		return;
	mem_free(f->keys);
	mem_free(f->grams);
	mem_free(f->ends);
	mem_free(f->hits);
	mem_free(f->runs);
	mem_free(f);
}

/* --- the table ------------------------------------------------------------------------------- */

/* Where a key is, or the empty slot where it goes; *steps counts the slots before it. */
static struct slot *slot_of(const struct against *a, struct slot *slots, uint64_t n_slots, uint64_t key, uint64_t *steps)
{
	uint64_t at = hash_salted(&a->salt, key, 0) & (n_slots - 1);
	for (; slots[at].key && slots[at].key != key; at = (at + 1) & (n_slots - 1))
		++*steps;
	return &slots[at];
}

static enum status grow(struct against *a, struct error *err)
{
	uint64_t n = a->n_slots ? a->n_slots * 2 : SLOTS_MIN, bytes = n * sizeof(*a->slots);
	struct slot *bigger = a->memory && bytes > a->memory ? NULL : mem_try(bytes);
	if (!bigger)
		return error_set(err, ERR_MEMORY, "--against needs a table of %llu bytes, more than there is (see --memory)", (unsigned long long)bytes);
	uint64_t moved = 0;
	memset(bigger, 0, bytes);
	for (uint64_t i = 0; i < a->n_slots; i++)
		if (a->slots[i].key)
			*slot_of(a, bigger, n, a->slots[i].key, &moved) = a->slots[i];
	mem_free(a->slots);
	a->slots = bigger;
	a->n_slots = n;
	return OK;
}

/* The first that has a key keeps it. */
static enum status enter(struct against *a, uint64_t key, uint32_t at, struct error *err)
{
	if ((a->n + 1) * 3 > a->n_slots * 2)
		TRY(grow(a, err));
	struct slot *s = slot_of(a, a->slots, a->n_slots, key, &a->steps);
	if (!s->key) {
		*s = (struct slot){key, a->rows, at};
		a->n++;
	}
	return OK;
}

static enum status add_row(struct against *a, const struct against_facts *f, int64_t row, struct error *err)
{
	size_t from = row ? f->ends[row - 1] : 0;
	if (a->rows == UINT32_MAX)
		return error_set(err, ERR_UNSUPPORTED, "more than %u rows to compare with", UINT32_MAX);
	for (int k = 0; k < f->n_keys; k++)
		if (f->keys[row * f->n_keys + k])
			TRY(enter(a, f->keys[row * f->n_keys + k], AGAINST_WHOLE, err));
	for (size_t i = from; i < f->ends[row]; i++)
		TRY(enter(a, f->grams[i].hash, f->grams[i].at, err));
	a->short_rows += a->grams.ngram && f->ends[row] == from;
	a->rows++;
	return OK;
}

/* --- reading test sets ----------------------------------------------------------------------- */

struct scan {
	struct against *a;
	struct reader *reader;
	against_each *each;
	void *arg;
};

struct item {
	struct batch *b;
	struct against_facts *facts;
};

static enum status read_item(void *arg, void **out, struct error *err)
{
	struct scan *s = arg;
	struct batch *b;
	TRY(reader_next(s->reader, &b, err));
	struct item *it = mem_zalloc(sizeof(*it));
	it->b = b;
	*out = it;
	return OK;
}

static enum status work_item(void *arg, void *item, int worker, struct error *err)
{
	struct scan *s = arg;
	struct item *it = item;
	return against_read(s->a, it->b, worker, &it->facts, err);
}

static enum status hand_item(void *arg, void *item, struct error *err)
{
	struct scan *s = arg;
	struct item *it = item;
	return s->each(s->arg, it->b, it->facts, err);
}

static void free_item(void *arg, void *item)
{
	struct item *it = item;
	(void)arg;
	against_facts_free(it->facts);
	batch_release(it->b);
	mem_free(it);
}

enum status against_scan(struct against *a, const char *path, struct pool *pool, against_each *each, void *arg, struct provenance_input *entry,
			 struct error *err)
{
	struct scan s = {a, NULL, each, arg};
	struct pipeline pl = {read_item, work_item, hand_item, free_item, &s, 0, NULL};
	TRY(reader_open(&s.reader, path, NULL, err));
	enum status st = OK;
	if (!compare_takes(reader_kind(s.reader)))
		st = error_set(err, ERR_DATA, "%s: documents, chat, problems, preferences or feedback wanted", path);
	if (st == OK)
		st = pool_pipeline(pool, &pl, err);
	if (st == OK || st == END)
		st = reader_input(s.reader, entry, err);
	reader_close(s.reader);
	return st;
}

static enum status add_rows(void *arg, struct batch *b, struct against_facts *f, struct error *err)
{
	struct against *a = arg;
	for (int64_t i = 0; i < b->rows; i++) {
		if (a->keeps_ids) {
			struct buf id = {0};
			compare_id(b, i, a->rows, &id);
			MEM_PUSH_ROOM(a->ids, a->n_ids, a->cap_ids);
			a->ids[a->n_ids++] = buf_detach(&id);
		}
		TRY(add_row(a, f, i, err));
	}
	return OK;
}

enum status against_load(struct against *a, const char *path, struct pool *pool, struct provenance_input *entry, struct error *err)
{
	return against_scan(a, path, pool, add_rows, a, entry, err);
}

/* --- hits ------------------------------------------------------------------------------------ */

static const struct slot *look_up(const struct against *a, uint64_t key)
{
	if (!key || !a->n_slots)
		return NULL;
	uint64_t steps = 0;
	const struct slot *s = slot_of(a, a->slots, a->n_slots, key, &steps);
	return s->key ? s : NULL;
}

static const char *id_of(const struct against *a, uint32_t row)
{
	return a->keeps_ids ? a->ids[row] : "";
}

static void add_hit(struct against_facts *f, struct against_hit h)
{
	MEM_PUSH_ROOM(f->hits, f->n_hits, f->cap_hits);
	f->hits[f->n_hits++] = h;
}

int64_t against_find(const struct against *a, struct against_facts *f, int64_t row, const struct against_hit **hits)
{
	const struct slot *first = NULL, *s;
	size_t open = SIZE_MAX;      /* the gram before was a hit: it goes on in the last run */
	f->n_hits = 0;
	for (int k = 0; k < f->n_keys; k++)
		if ((s = look_up(a, f->keys[row * f->n_keys + k])) && s->at == AGAINST_WHOLE && (!first || s->row < first->row))
			first = s;
	if (first)
		add_hit(f, (struct against_hit){first->row, id_of(a, first->row), AGAINST_WHOLE, 0, AGAINST_WHOLE});
	for (size_t i = row ? f->ends[row - 1] : 0; i < f->ends[row] && !first; i++) {
		const struct gram *g = &f->grams[i];
		if (!(s = look_up(a, g->hash)))
			continue;
		if (open != SIZE_MAX && open + 1 == i)
			f->hits[f->n_hits - 1].bytes = g->end - f->hits[f->n_hits - 1].at;
		else
			add_hit(f, (struct against_hit){s->row, id_of(a, s->row), g->at, g->end - g->at, s->at});
		open = i;
	}
	*hits = f->hits;
	return f->n_hits;
}

/* --- test rows in a corpus ------------------------------------------------------------------- */

enum status against_enter(struct against *a, const struct batch *b, struct against_facts **out, struct error *err)
{
	struct against_facts *f;
	enum status st = against_read(a, b, 0, &f, err);
	for (int64_t i = 0; i < b->rows && st == OK; i++)
		st = add_row(a, f, i, err);
	if (st == OK && out)
		*out = f;
	else
		against_facts_free(f);
	return st;
}

enum status against_mark(struct against *a, const struct against_facts *f, int64_t row, uint32_t file, int64_t number, bool *first, struct error *err)
{
	const struct slot *s;
	*first = false;
	if (!a->places && a->n_slots) {
		a->places = mem_try(a->n_slots * sizeof(*a->places));
		if (!a->places)
			return error_set(err, ERR_MEMORY, "no memory for the places of %llu runs of words", (unsigned long long)a->n_slots);
		memset(a->places, 0, a->n_slots * sizeof(*a->places));
	}
	for (size_t i = row ? f->ends[row - 1] : 0; i < f->ends[row]; i++) {
		if (!(s = look_up(a, f->grams[i].hash)) || a->places[s - a->slots].bytes)
			continue;
		a->places[s - a->slots] = (struct against_place){number, file, f->grams[i].at, f->grams[i].end - f->grams[i].at};
		*first = true;
	}
	return OK;
}

int64_t against_seen(const struct against *a, struct against_facts *f, int64_t row, const struct against_run **runs)
{
	size_t open = SIZE_MAX;      /* as in against_find */
	f->n_runs = 0;
	for (size_t i = row ? f->ends[row - 1] : 0; i < f->ends[row] && a->places; i++) {
		const struct gram *g = &f->grams[i];
		const struct slot *s = look_up(a, g->hash);
		const struct against_place *p = s ? &a->places[s - a->slots] : NULL;
		struct against_run *last = f->n_runs ? &f->runs[f->n_runs - 1] : NULL;
		if (!p || !p->bytes)
			continue;
		if (open != SIZE_MAX && open + 1 == i && p->file == last->in.file && p->row == last->in.row && p->at > last->in.at) {
			last->bytes = g->end - last->at;
			last->in.bytes = p->at + p->bytes - last->in.at;
		} else {
			MEM_PUSH_ROOM(f->runs, f->n_runs, f->cap_runs);
			f->runs[f->n_runs++] = (struct against_run){g->at, g->end - g->at, *p};
		}
		open = i;
	}
	*runs = f->runs;
	return f->n_runs;
}

bool against_is_long(const struct against_facts *f, int64_t row) { return f->ends[row] > (row ? f->ends[row - 1] : 0); }

void against_cut(const char *s, size_t n, const struct against_hit *hits, int64_t n_hits, struct buf *out)
{
	size_t kept = 0;
	buf_clear(out);
	for (int64_t h = 0; h < n_hits; h++) {
		size_t at = hits[h].at, end = at + hits[h].bytes;
		if (at > kept)
			buf_add(out, s + kept, at - kept);
		kept = end > kept ? end : kept;
	}
	buf_add(out, s + kept, n - kept);
}

uint64_t against_bytes(const struct against *a)
{
	return a->n_slots * sizeof(*a->slots);
}

uint64_t against_steps(const struct against *a)
{
	return a->steps;
}

int64_t against_rows(const struct against *a)
{
	return a->rows;
}

int64_t against_short(const struct against *a)
{
	return a->short_rows;
}
