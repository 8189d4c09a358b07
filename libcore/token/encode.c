/* Text to ids: clean UTF-8 -> added tokens of the raw text -> NFC -> added tokens of the normalized text ->
 * pre-tokenizer stages -> BPE of each piece, through a cache of short pieces. */
#include "token/tokenizer_priv.h"

#include "token/unicode.h"

struct encoder {
	const struct tokenizer *t;
	struct tokenizer_scratch *s;
	const struct encode_options *o;
	struct ids *out;
	size_t base;                 /* place in the text of the segment at hand, for ends */
	size_t limit;                /* end of the segment in the text: ends never pass it */
};

struct tokenizer_scratch *tokenizer_scratch_open(const struct tokenizer *t)
{
	struct tokenizer_scratch *s = mem_zalloc(sizeof(*s));

	(void)t;
	s->cache.shorts = mem_array((size_t)1 << PIECE_SHORT_BITS, sizeof(*s->cache.shorts));
	s->cache.longs = mem_array((size_t)1 << PIECE_LONG_BITS, sizeof(*s->cache.longs));
	return s;
}

void tokenizer_scratch_close(struct tokenizer_scratch *s)
{
	if (!s)
		return;
	mem_free(s->cache.shorts);
	mem_free(s->cache.longs);
	bpe_scratch_release(&s->bpe);
	for (int i = 0; i < TOKENIZER_STAGES; i++) {
		pretok_iter_release(&s->iter[i]);
		buf_release(&s->prefixed[i]);
	}
	buf_release(&s->clean);
	buf_release(&s->norm);
	mem_free(s);
}

/* --- one piece ------------------------------------------------------------------------------ */

static void encode_uncached(struct encoder *e, const uint8_t *p, size_t n)
{
	if (e->t->ignore_merges) {
		int32_t id = strmap_get(&e->t->whole, (const char *)p, n);

		if (id >= 0) {
			ids_push(e->out, id);
			return;
		}
	}
	bpe_encode(&e->t->bpe, &e->s->bpe, p, n, e->out);
}

static inline void ids_room(struct ids *out, int64_t n)
{
	if (__builtin_expect(out->cap - out->n < n, 0)) {
		out->cap = out->cap * 2 + 64;
		out->v = mem_grow(out->v, (size_t)out->cap, sizeof(*out->v));
	}
}

static inline void ids_append(struct ids *out, const int32_t *v, int room, int n)
{
	ids_room(out, room);
	memcpy(out->v + out->n, v, (size_t)room * sizeof(*v)); /* of a fixed size: what is too much is written over */
	out->n += n;
}

/* A piece that is not in the cache of short ones: from the other cache, or by merging, and kept where it fits. */
static void encode_rarer(struct encoder *e, const uint8_t *p, size_t n, size_t readable, struct piece_short *s)
{
	uint64_t key[4];
	int64_t before = e->out->n;

	piece_key(p, n, readable, key, 4);
	struct piece_long *c = piece_long_at(&e->s->cache, key, n);
	if (c->len == n && memcmp(c->key, key, sizeof(key)) == 0) {
		ids_append(e->out, c->ids, PIECE_LONG_IDS, c->n);
		return;
	}
	encode_uncached(e, p, n);
	size_t k = (size_t)(e->out->n - before);
	if (s && k <= PIECE_SHORT_IDS) {
		memcpy(s->key, key, sizeof(s->key));
		memcpy(s->ids, e->out->v + before, k * sizeof(*s->ids));
		s->len = (uint8_t)n;
		s->n = (uint8_t)k;
	} else if (k <= PIECE_LONG_IDS) {
		memcpy(c->key, key, sizeof(key));
		memcpy(c->ids, e->out->v + before, k * sizeof(*c->ids));
		c->len = (uint8_t)n;
		c->n = (uint8_t)k;
	}
}

/* One piece; readable says how many bytes from p on may be read. */
static inline void encode_piece(struct encoder *e, const uint8_t *p, size_t n, size_t readable)
{
	uint64_t key[2];

	if (n > PIECE_SHORT) {
		if (n > PIECE_LONG)
			encode_uncached(e, p, n);
		else
			encode_rarer(e, p, n, readable, NULL);
		return;
	}
	piece_key(p, n, readable, key, 2);
	struct piece_short *c = piece_short_at(&e->s->cache, key, n);
	if (__builtin_expect(c->len == n && c->key[0] == key[0] && c->key[1] == key[1], 1))
		ids_append(e->out, c->ids, PIECE_SHORT_IDS, c->n);
	else
		encode_rarer(e, p, n, readable, c);
}

/* Notes where the ids from `first` on end, given that their piece ends at `end` of the text. */
static void note_ends(struct encoder *e, int64_t first, size_t start, size_t end)
{
	size_t at = start;

	for (int64_t i = first; i < e->out->n; i++) {
		size_t len;

		tokenizer_bytes(e->t, e->out->v[i], &len);
		at = at + len > end || i + 1 == e->out->n ? end : at + len;
		ids_push(e->o->ends, (int32_t)(at < e->limit ? at : e->limit));
	}
}

/* Runs the stages from `stage` on over one piece; `shift` is its place in the segment. */
static enum status encode_stage(struct encoder *e, int stage, const uint8_t *p, size_t n, size_t shift, struct error *err)
{
	const struct pretok_stage *st = &e->t->stages[stage];
	struct pretok_iter *it;
	size_t from, to, extra = 0;
	enum status status;

	if (stage == e->t->n_stages) {
		int64_t first = e->out->n;

		encode_piece(e, p, n, n);
		if (e->o->ends)
			note_ends(e, first, e->base + shift, e->base + shift + n);
		return OK;
	}
	if (st->prefix_space && n && p[0] != ' ') {
		struct buf *b = &e->s->prefixed[stage];

		buf_clear(b);
		buf_char(b, ' ');
		buf_add(b, p, n);
		p = (const uint8_t *)b->data;
		n++;
		extra = 1;
	}
	if (stage + 1 == e->t->n_stages && !extra && !e->o->ends && pretok_is_scanned(st->kind)) {
		for (from = 0; from < n; from = to) {
			to = pretok_scan(st->kind, p, from, n);
			encode_piece(e, p + from, to - from, n - from);
		}
		return OK;
	}
	it = &e->s->iter[stage];
	pretok_begin(it, st, p, n);
	while ((status = pretok_next(it, &from, &to, err)) == OK) {
		size_t place = shift + (from > extra ? from - extra : 0);

		TRY(encode_stage(e, stage + 1, p + from, to - from, place, err));
	}
	return status == END ? OK : status;
}

/* --- added tokens ------------------------------------------------------------------------------ */

static bool word_before(const uint8_t *s, size_t i)
{
	int k;

	if (i == 0)
		return false;
	do
		i--;
	while (i > 0 && (s[i] & 0xc0) == 0x80);
	return unicode_class_at(s + i, &k) & U_WORD;
}

static size_t space_before(const uint8_t *s, size_t i)
{
	while (i > 0) {
		size_t p = i;
		int k;

		do
			p--;
		while (p > 0 && (s[p] & 0xc0) == 0x80);
		if (!(unicode_class_at(s + p, &k) & U_SPACE))
			break;
		i = p;
	}
	return i;
}

/* Whether a special token may stand at [from, to) of the text. */
static bool special_allowed(const struct encode_options *o, size_t from, size_t to)
{
	int lo = 0, hi = o->n_plain;

	if (o->no_special)
		return false;
	while (lo < hi) { /* the first span that ends after from */
		int mid = (lo + hi) / 2;

		if (o->plain[mid].to <= from)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo == o->n_plain || o->plain[lo].from >= to;
}

typedef enum status piece_fn(struct encoder *e, const uint8_t *s, size_t n, struct error *err);

/* Cuts s at the tokens of one set: rest gets what lies between, and `base` moves along. */
static enum status split_added(struct encoder *e, const struct added_set *set, const uint8_t *s, size_t n, piece_fn *rest,
			       struct error *err)
{
	size_t start, stop, done = 0, look = 0, base = e->base, limit = e->limit;
	int32_t k;
	int bytes;

	while ((k = added_find(set, s, look, n, &start, &stop)) >= 0) {
		const struct added_token *a = &e->t->added[k];

		look = stop;
		if (a->special && !special_allowed(e->o, base + start, base + stop))
			continue;
		if (a->single_word && (word_before(s, start) || (stop < n && unicode_class_at(s + stop, &bytes) & U_WORD)))
			continue;
		if (a->lstrip) {
			size_t widened = space_before(s, start);

			start = widened > done ? widened : done;
		}
		while (a->rstrip && stop < n && unicode_class_at(s + stop, &bytes) & U_SPACE)
			stop += (size_t)bytes;
		if (done < start) {
			e->base = base + done;
			e->limit = base + start < limit ? base + start : limit;
			TRY(rest(e, s + done, start - done, err));
		}
		ids_push(e->out, a->id);
		if (e->o->ends)
			ids_push(e->o->ends, (int32_t)(base + stop < limit ? base + stop : limit));
		done = stop;
	}
	e->base = base + done;
	e->limit = limit;
	if (done < n)
		TRY(rest(e, s + done, n - done, err));
	e->base = base;
	return OK;
}

static enum status encode_normalized(struct encoder *e, const uint8_t *s, size_t n, struct error *err)
{
	return encode_stage(e, 0, s, n, 0, err);
}

static enum status encode_raw(struct encoder *e, const uint8_t *s, size_t n, struct error *err)
{
	struct buf *norm = &e->s->norm;

	buf_clear(norm);
	if (e->t->nfc && unicode_nfc((const char *)s, n, norm)) {
		s = (const uint8_t *)norm->data;
		n = norm->len;
	}
	return split_added(e, &e->t->normalized, s, n, encode_normalized, err);
}

enum status tokenizer_encode_with(const struct tokenizer *t, struct tokenizer_scratch *s, const char *text, size_t n,
				  const struct encode_options *o, struct ids *out, struct error *err)
{
	struct encoder e = {.t = t, .s = s, .o = o, .out = out};

	if (utf8_valid_prefix(text, n) < n) {
		buf_clear(&s->clean);
		utf8_append_lossy(&s->clean, text, n);
		text = s->clean.data;
		n = s->clean.len;
	}
	if (n > INT32_MAX / 2)
		return error_set(err, ERR_DATA, "a text of %zu bytes is too long to tokenize in one piece", n);
	e.limit = n;
	return split_added(&e, &t->raw, (const uint8_t *)text, n, encode_raw, err);
}

enum status tokenizer_encode(const struct tokenizer *t, struct tokenizer_scratch *s, const char *text, size_t n,
			     bool parse_special, struct ids *out, struct error *err)
{
	struct encode_options o = {.no_special = !parse_special};

	return tokenizer_encode_with(t, s, text, n, &o, out, err);
}
