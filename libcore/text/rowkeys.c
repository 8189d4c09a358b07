/* rowkeys.c - see rowkeys.h. */
#include "text/rowkeys.h"

#include "base/hash.h"

struct scratch {
	struct buf text, folded;
	struct minhash_scratch shingles;
	size_t bytes, n_shingles;
};

struct rowkeys {
	struct rowkeys_options o;
	struct minhash minhash;
	struct scratch scratch[];    /* one per worker */
};

enum status rowkeys_open(struct rowkeys **out, const struct rowkeys_options *o, struct error *err)
{
	int n = o->recipe.bands * o->recipe.rows;
	if (o->minhash && (n < 1 || n > MINHASH_MAX))
		return error_set(err, ERR_USAGE, "--bands times --rows is %d; the limit is %d", n, MINHASH_MAX);
	struct rowkeys *k = mem_zalloc(sizeof(*k) + (size_t)o->workers * sizeof(k->scratch[0]));
	k->o = *o;
	if (o->minhash)
		minhash_init(&k->minhash, n, o->recipe.seed);
	*out = k;
	return OK;
}

void rowkeys_close(struct rowkeys *k)
{
	for (int i = 0; k && i < k->o.workers; i++) {
		buf_release(&k->scratch[i].text);
		buf_release(&k->scratch[i].folded);
		minhash_scratch_release(&k->scratch[i].shingles);
	}
	mem_free(k);
}

int rowkeys_count(const struct rowkeys *k)
{
	return (k->o.exact ? 1 : 0) + (k->o.minhash ? k->o.recipe.bands : 0);
}

static void set_key(uint64_t key[2], const void *p, size_t n)
{
	hash128(p, n, key);
	if (!key[0] && !key[1])
		key[0] = key[1] = 1;
}

static void exact_key(const struct rowkeys *k, const char *text, size_t n, struct scratch *x, uint64_t *key)
{
	if (k->o.folds) {
		buf_clear(&x->folded);
		text_fold(text, n, k->o.folds, &x->folded);
		text = x->folded.data;
		n = x->folded.len;
	}
	set_key(key, text, n);
}

static void band_keys(const struct rowkeys *k, const char *text, size_t n, struct scratch *x, uint64_t *keys)
{
	uint64_t sig[1 + MINHASH_MAX];
	size_t width = (size_t)k->o.recipe.rows;
	x->n_shingles = minhash_shingles(&k->o.recipe, text, n, &x->shingles);
	memset(keys, 0, (size_t)k->o.recipe.bands * 2 * sizeof(*keys));
	if (x->n_shingles == 0)
		return;
	minhash_sign(&k->minhash, x->shingles.shingles, x->n_shingles, sig + 1);
	for (int band = 0; band < k->o.recipe.bands; band++) {
		uint64_t *from = sig + (size_t)band * width;
		*from = (uint64_t)band;      /* in the place where the band before ended, which has its key */
		set_key(keys + 2 * band, from, (width + 1) * sizeof(*from));
	}
}

enum status rowkeys_make(struct rowkeys *k, const struct batch *b, int64_t row, int worker, uint64_t *keys, struct error *err)
{
	struct scratch *x = &k->scratch[worker];
	size_t n;
	const char *text = compare_view(b, row, k->o.by, &x->text, &n);
	x->bytes = n;
	x->n_shingles = 0;
	if (n > INT32_MAX)
		return error_set(err, ERR_DATA, "a text of %zu bytes; the limit is 2 GiB", n);
	if (k->o.exact)
		exact_key(k, text, n, x, keys);
	if (k->o.minhash)
		band_keys(k, text, n, x, keys + (k->o.exact ? 2 : 0));
	return OK;
}

size_t rowkeys_bytes(const struct rowkeys *k, int worker)
{
	return k->scratch[worker].bytes;
}

uint64_t *rowkeys_shingles(struct rowkeys *k, int worker, size_t *n)
{
	*n = k->scratch[worker].n_shingles;
	return k->scratch[worker].shingles.shingles;
}
