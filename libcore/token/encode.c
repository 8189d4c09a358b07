/* Text to ids: clean UTF-8 -> added tokens of the raw text -> NFC -> added tokens of the normalized text ->
 * pre-tokenizer stages -> BPE of each piece, through a cache of short pieces. */
#include "token/tokenizer_priv.h"

#include "token/pretok_word.h"
#include "token/unicode.h"

/* Where the bytes of a text that has been rewritten end in the segment: after the first i of it at map[i]; shift + i if it has not. */
struct places {
	size_t shift;
	const uint32_t *map;
};

struct encoder {
	const struct tokenizer *t;
	struct tokenizer_scratch *s;
	const struct encode_options *o;
	struct ids *out;
	size_t base;                 /* place in the text of the segment at hand, for ends */
	size_t limit;                /* end of the segment in the text: ends never pass it */
	struct places norm;          /* where the bytes of the segment were before the normalizer */
};

static size_t place_of(const struct places *at, size_t i)
{
	return at->map ? at->map[i] : at->shift + i;
}

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
	chat_scratch_close(s->chat);
	for (int i = 0; i < TOKENIZER_STAGES; i++) {
		pretok_iter_release(&s->iter[i]);
		buf_release(&s->rewritten[i]);
		mem_free(s->places[i].v);
	}
	buf_release(&s->clean);
	norm_scratch_release(&s->norm);
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

/* Bytes that a token takes of the text that the model sees. */
static size_t token_span(const struct tokenizer *t, int32_t id)
{
	const struct token_text *tok = &t->tokens[id];

	return tok->fallback && t->byte_fallback ? 1 : t->bpe.by_char ? tok->text_len : tok->len;
}

static int32_t limited(const struct encoder *e, size_t place)
{
	return (int32_t)(place < e->limit ? place : e->limit);
}

/* Notes where the ids from `first` on end, given that their piece begins at p of the rewritten text. What follows an unknown token ends
 * with its piece: how much that stood for is not known. */
static void note_ends(struct encoder *e, int64_t first, size_t start, size_t end, const struct places *at)
{
	size_t i = start;
	int32_t from = limited(e, e->base + place_of(at, start));

	for (int64_t k = first; k < e->out->n; k++) {
		size_t n = token_span(e->t, e->out->v[k]);

		i = n > end - i || k + 1 == e->out->n || e->out->v[k] == e->t->bpe.unk ? end : i + n;
		if (e->o->starts)
			ids_push(e->o->starts, from);
		ids_push(e->o->ends, from = limited(e, e->base + place_of(at, i)));
	}
}

/* One piece [from, to) of p, which the model sees. */
static void encode_whole(struct encoder *e, const uint8_t *p, size_t from, size_t to, size_t n, const struct places *at)
{
	int64_t first = e->out->n;

	encode_piece(e, p + from, to - from, n - from);
	if (e->o->ends)
		note_ends(e, first, from, to, at);
}

/* Pieces that begin with a mark: no merge would join them with what stands before. */
static void encode_at_marks(struct encoder *e, const uint8_t *p, size_t n, const struct places *at)
{
	for (size_t from = 0, to; from < n; from = to) {
		to = from;
		while (n - to >= MARK_BYTES && !memcmp(p + to, MARK_TEXT, MARK_BYTES))
			to += MARK_BYTES;
		const uint8_t *mark = n > to ? memmem(p + to, n - to, MARK_TEXT, MARK_BYTES) : NULL;
		to = mark ? (size_t)(mark - p) : n;
		encode_whole(e, p, from, to, n, at);
	}
}

static enum status encode_stage(struct encoder *e, int stage, const uint8_t *p, size_t n, const struct places *at, struct error *err);

/* --- rewriting ----------------------------------------------------------------------------------- */

static void places_push(struct places_buf *b, size_t place)
{
	MEM_PUSH_ROOM(b->v, b->n, b->cap);
	b->v[b->n++] = (uint32_t)place;
}

struct rewriter {
	struct buf *text;
	struct places_buf *map;      /* NULL: not asked for */
	const struct places *from;
};

/* n bytes that stand for what ends at byte `end` of the text before. */
static void put(struct rewriter *w, const char *p, size_t n, size_t end)
{
	buf_add(w->text, p, n);
	for (size_t i = 0; w->map && i < n; i++)
		places_push(w->map, place_of(w->from, end));
}

/* What a stage makes of its text before it cuts it. */
static void rewrite(struct encoder *e, int stage, const uint8_t *p, size_t n, const struct places *at)
{
	const struct pretok_stage *st = &e->t->stages[stage];
	struct rewriter w = {&e->s->rewritten[stage], e->o->ends ? &e->s->places[stage] : NULL, at};
	bool marks = st->rewrite == REWRITE_METASPACE;
	bool marked = *p == ' ' || (marks && n >= st->string_n && !memcmp(p, st->string, st->string_n));
	bool first = e->base + place_of(at, 0) == 0;
	int k;

	buf_clear(w.text);
	e->s->places[stage].n = 0;
	if (w.map)                           /* after none of its bytes */
		places_push(w.map, place_of(at, 0));
	utf8_decode(p, &k);                  /* what is put in front ends with the first character, as the reference has it */
	if (st->rewrite == REWRITE_SPACE && !marked)
		put(&w, " ", 1, (size_t)k);
	if (marks && !marked && (st->prepend == PREPEND_ALWAYS || (st->prepend == PREPEND_FIRST && first)))
		put(&w, st->string, st->string_n, (size_t)k);
	for (size_t i = 0; i < n; i++) {
		char c[4] = {(char)p[i]};

		if (marks && p[i] == ' ')
			put(&w, st->string, st->string_n, i + 1);
		else
			put(&w, c, st->rewrite == REWRITE_ALPHABET ? (size_t)utf8_encode(bpe_byte_char(p[i]), c) : 1, i + 1);
	}
}

/* Runs the stages from `stage` on over one piece. */
static enum status encode_stage(struct encoder *e, int stage, const uint8_t *p, size_t n, const struct places *at, struct error *err)
{
	const struct pretok_stage *st = &e->t->stages[stage];
	struct pretok_iter *it;
	struct places here = *at;
	size_t from, to;
	enum status status;

	if (n == 0)
		return OK;
	if (stage == e->t->n_stages) {
		if (e->t->cut_at_marks)
			encode_at_marks(e, p, n, at);
		else
			encode_whole(e, p, 0, n, n, at);
		return OK;
	}
	if (st->rewrite != REWRITE_NOTHING) {
		rewrite(e, stage, p, n, at);
		p = (const uint8_t *)e->s->rewritten[stage].data;
		n = e->s->rewritten[stage].len;
		here = (struct places){0, e->o->ends ? e->s->places[stage].v : NULL};
	}
	if (stage + 1 == e->t->n_stages && !e->o->ends && !e->t->cut_at_marks && pretok_is_scanned(st->kind)) {
		for (from = 0; from < n; from = to) {
			to = pretok_word(st->kind, p, from, n);
			if (!to)
				to = pretok_scan(st->kind, p, from, n);
			encode_piece(e, p + from, to - from, n - from);
		}
		return OK;
	}
	it = &e->s->iter[stage];
	pretok_begin(it, st, p, n);
	while ((status = pretok_next(it, &from, &to, err)) == OK) {
		struct places piece = {here.shift + from, here.map ? here.map + from : NULL};

		TRY(encode_stage(e, stage + 1, p + from, to - from, &piece, err));
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

typedef enum status piece_fn(struct encoder *e, const uint8_t *s, size_t from, size_t to, struct error *err);

/* Cuts s at the tokens of one set: rest gets what lies between. */
static enum status split_added(struct encoder *e, const struct added_set *set, const uint8_t *s, size_t n, piece_fn *rest,
			       struct error *err)
{
	size_t start, stop, done = 0, look = 0, base = e->base, limit = e->limit;
	int32_t k;
	int bytes;

	while ((k = added_find(set, s, look, n, &start, &stop)) >= 0) {
		const struct added_token *a = &e->t->added[k];

		look = stop;
		if (a->special && !special_allowed(e->o, base + place_of(&e->norm, start), base + place_of(&e->norm, stop)))
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
			size_t before = base + place_of(&e->norm, start);
			e->limit = before < limit ? before : limit;
			TRY(rest(e, s, done, start, err));
		}
		ids_push(e->out, a->id);
		if (e->o->ends) {
			e->limit = limit;
			if (e->o->starts)
				ids_push(e->o->starts, limited(e, base + place_of(&e->norm, start)));
			ids_push(e->o->ends, limited(e, base + place_of(&e->norm, stop)));
		}
		done = stop;
	}
	e->limit = limit;
	return done < n ? rest(e, s, done, n, err) : OK;
}

/* [from, to) of a segment that the normalizer has made. */
static enum status encode_normalized(struct encoder *e, const uint8_t *s, size_t from, size_t to, struct error *err)
{
	struct places at = {e->norm.shift + from, e->norm.map ? e->norm.map + from : NULL};

	return encode_stage(e, 0, s + from, to - from, &at, err);
}

/* [from, to) of the text. */
static enum status encode_raw(struct encoder *e, const uint8_t *s, size_t from, size_t to, struct error *err)
{
	size_t n = to - from, base = e->base;
	const char *p = (const char *)s + from;
	const uint32_t *map = NULL;

	TRY(normalizer_apply(&e->t->normalizer, &e->s->norm, &p, &n, e->o->ends ? &map : NULL, err));
	e->base = base + from;
	e->norm = (struct places){0, map};
	enum status st = split_added(e, &e->t->normalized, (const uint8_t *)p, n, encode_normalized, err);
	e->base = base;
	e->norm = (struct places){0};
	return st;
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

enum status tokenizer_encode_places(const struct tokenizer *t, struct tokenizer_scratch *s, const char *text, size_t n, bool parse_special,
				    struct ids *out, struct ids *starts, struct ids *ends, struct error *err)
{
	struct encode_options o = {.no_special = !parse_special, .starts = starts, .ends = ends};

	return tokenizer_encode_with(t, s, text, n, &o, out, err);
}

enum status tokenizer_encode(const struct tokenizer *t, struct tokenizer_scratch *s, const char *text, size_t n,
			     bool parse_special, struct ids *out, struct error *err)
{
	struct encode_options o = {.no_special = !parse_special};

	return tokenizer_encode_with(t, s, text, n, &o, out, err);
}
