#include "token/tokenizer_priv.h"

#include "base/file.h"
#include "token/jinja.h"
#include "token/unicode.h"

/* --- loading -------------------------------------------------------------------------------- */

/* The byte that a token of the form <0xE4> stands for, -1 for others. */
static int fallback_byte(const struct token_text *tok)
{
	static const char hex[] = "0123456789ABCDEF";
	const char *hi, *lo;

	if (tok->text_len != 6 || memcmp(tok->text, "<0x", 3) || tok->text[5] != '>')
		return -1;
	hi = strchr(hex, tok->text[3]);
	lo = strchr(hex, tok->text[4]);
	return hi && lo && *hi && *lo ? (int)((hi - hex) * 16 + (lo - hex)) : -1;
}

/* A token decoded by itself; marks become content[0..n). */
static void decode_token(const struct tokenizer *t, struct token_text *tok, const char *content, size_t content_n, struct buf *b)
{
	const struct token_decoder *d = &t->decoder;
	const char *text = tok->normalized ? tok->normalized : tok->text;
	uint32_t n = tok->normalized ? tok->normalized_len : tok->text_len;
	int byte = t->bpe.by_char && (d->fallback || t->byte_fallback) ? fallback_byte(tok) : -1;

	tok->fallback = byte >= 0;
	if (byte >= 0 && d->fallback) {
		buf_char(b, (char)byte);
	} else if (d->byte_level) {
		token_text_bytes(text, n, b);
	} else {
		const char *p = text, *end = p + n, *mark;
		while (d->mark && (mark = memmem(p, (size_t)(end - p), d->mark, d->mark_n))) {
			buf_add(b, p, (size_t)(mark - p));
			buf_add(b, content, content_n);
			p = mark + d->mark_n;
		}
		buf_add(b, p, (size_t)(end - p));
	}
}

/* Byte strings of all tokens, once the vocabulary is complete. */
static void fill_bytes(struct tokenizer *t)
{
	struct buf b = {0};

	for (int32_t id = 0; id < t->n_tokens; id++) {
		struct token_text *tok = &t->tokens[id];

		if (!tok->text)
			continue;
		buf_clear(&b);
		decode_token(t, tok, t->decoder.content, t->decoder.content_n, &b);
		tok->bytes = arena_strndup(&t->arena, b.data ? b.data : "", b.len);
		tok->len = (uint32_t)b.len;
	}
	buf_release(&b);
}

/* The same bytes close together, for decoding: a token costs a place and a copy. */
static void fill_decoded(struct tokenizer *t)
{
	struct buf blob = {0};

	buf_reserve(&blob, (size_t)t->n_tokens * 8);
	t->decoded = mem_array((size_t)t->n_tokens + 1, sizeof(*t->decoded)); /* the last is that of ids that are none */
	for (int32_t id = 0; id < t->n_tokens; id++) {
		const struct token_text *tok = &t->tokens[id];

		t->decoded[id] = (struct token_bytes){(uint32_t)blob.len, tok->text ? tok->len : 0, tok->special};
		buf_add(&blob, tok->text ? tok->bytes : "", tok->text ? tok->len : 0);
		t->longest = tok->len > t->longest ? tok->len : t->longest;
	}
	buf_add(&blob, "0123456789abcdef", 16); /* may be read behind the last */
	t->blob = buf_detach(&blob);
}

/* ignore_merges looks a whole piece up: only what is written in the byte alphabet can be one. */
static enum status add_whole(void *arg, size_t i, const struct json *name, const struct json *value, struct error *err)
{
	struct tokenizer *t = arg;
	int32_t id = strmap_get(&t->vocab, name->str, name->len);
	const struct token_text *tok = &t->tokens[id];
	bool raw = tok->len == tok->text_len && !memcmp(tok->bytes, tok->text, tok->len);
	bool ascii = true;

	(void)i, (void)value, (void)err;
	if (t->bpe.by_char) {
		strmap_put(&t->whole, tok->text, tok->text_len, id);
		return OK;
	}
	for (uint32_t k = 0; k < tok->len; k++)
		ascii &= tok->bytes[k] > 0x20 && tok->bytes[k] < 0x7f;
	if (!raw || ascii)
		strmap_put(&t->whole, tok->bytes, tok->len, id);
	return OK;
}

static enum status load_json(struct tokenizer *t, struct json_parser *p, struct error *err)
{
	const struct json *root;
	enum status st;

	json_parser_leave(p, tokenizer_large);
	if (t->made.len)
		TRY(json_parse(p, t->made.data, t->made.len, &root, err));
	else
		TRY(json_parse_file(p, t->file, &root, err));
	st = tokenizer_read_model(t, p, json_get(root, "model"), err);
	if (st == OK)
		st = tokenizer_read_pipeline(t, root, err);
	if (st == OK)
		st = tokenizer_read_added(t, json_get(root, "added_tokens"), err);
	if (st == OK)
		st = tokenizer_read_around(t, root, err);
	if (st != OK)
		return error_prefix(err, st, "%s", t->file);
	fill_bytes(t);
	fill_decoded(t);
	if (t->ignore_merges)
		TRY(json_each(p, json_get(json_get(root, "model"), "vocab"), add_whole, t, err));
	json_parser_leave(p, NULL);
	return OK;
}

enum status tokenizer_load(struct tokenizer **out, const char *path, struct error *err)
{
	struct tokenizer *t = mem_zalloc(sizeof(*t));
	struct json_parser *p = json_parser_open();
	const char *slash = strrchr(path, '/');
	enum status st;

	unicode_init();
	t->bos = t->eos = t->pad = -1;
	if (path_is_dir(path)) {
		t->dir = mem_strdup(path);
		t->file = path_join(path, "tokenizer.json");
	} else {
		t->dir = slash ? mem_strndup(path, (size_t)(slash - path) + 1) : mem_strdup(".");
		t->file = mem_strdup(path);
	}
	st = tokenizer_other_form(path, &t->made, &t->by_rank, err);
	if (st == OK)
		st = load_json(t, p, err);
	if (st == OK)
		st = tokenizer_read_config(t, p, err);
	json_parser_close(p);
	if (st != OK) {
		tokenizer_close(t);
		return st;
	}
	*out = t;
	return OK;
}

void tokenizer_close(struct tokenizer *t)
{
	if (!t)
		return;
	jinja_free(t->chat);
	mem_free(t->template_text);
	bpe_release(&t->bpe);
	strmap_release(&t->vocab);
	strmap_release(&t->whole);
	added_release(&t->raw);
	added_release(&t->normalized);
	for (int i = 0; i < TOKENIZER_STAGES; i++)
		pretok_release(&t->stages[i]);
	normalizer_release(&t->normalizer);
	ids_release(&t->prefix);
	ids_release(&t->suffix);
	mem_free(t->tokens);
	mem_free(t->decoded);
	mem_free(t->blob);
	mem_free(t->added);
	mem_free(t->dir);
	mem_free(t->file);
	buf_release(&t->made);
	arena_release(&t->arena);
	mem_free(t);
}

enum status tokenizer_copy_files(const struct tokenizer *t, const char *dir, struct error *err)
{
	static const char *const names[] = {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja"};
	enum status st = OK;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names) && st == OK; i++) {
		char *from = i ? path_join(t->dir, names[i]) : mem_strdup(t->file), *to = path_join(dir, names[i]);
		struct buf b = {0};

		if (i == 0 && t->made.len) {
			st = file_write_all(to, t->made.data, t->made.len, err);
		} else if (path_exists(from)) {
			st = file_read_all(from, (size_t)1 << 30, &b, err);
			if (st == OK)
				st = file_write_all(to, b.data, b.len, err);
		}
		buf_release(&b);
		mem_free(from);
		mem_free(to);
	}
	return st;
}

/* --- the vocabulary -------------------------------------------------------------------------- */

int32_t tokenizer_vocab_size(const struct tokenizer *t)
{
	return t->n_tokens;
}

int32_t tokenizer_id(const struct tokenizer *t, const char *token, size_t n)
{
	return strmap_get(&t->vocab, token, n);
}

int32_t tokenizer_bos(const struct tokenizer *t)
{
	return t->bos;
}

int32_t tokenizer_eos(const struct tokenizer *t)
{
	return t->eos;
}

int32_t tokenizer_pad(const struct tokenizer *t)
{
	return t->pad;
}

const char *tokenizer_bytes(const struct tokenizer *t, int32_t id, size_t *n)
{
	if (id < 0 || id >= t->n_tokens || !t->tokens[id].text) {
		*n = 0;
		return "";
	}
	*n = t->tokens[id].len;
	return t->tokens[id].bytes;
}

bool tokenizer_is_special(const struct tokenizer *t, int32_t id)
{
	return id >= 0 && id < t->n_tokens && t->tokens[id].special;
}

bool tokenizer_is_unknown(const struct tokenizer *t, int32_t id)
{
	return id >= 0 && id == t->bpe.unk;
}

bool tokenizer_is_fallback(const struct tokenizer *t, int32_t id)
{
	return id >= 0 && id < t->n_tokens && t->tokens[id].fallback;
}

void tokenizer_around(const struct tokenizer *t, const struct ids **before, const struct ids **after)
{
	*before = &t->prefix;
	*after = &t->suffix;
}

/* The common manner: tokens are bytes, one behind the other. A copy of a fixed size is no call, and what it writes too much is
 * written over. */
static void join_bytes(const struct tokenizer *t, const int32_t *ids, int64_t n, bool skip_special, struct buf *out)
{
	enum { STEP = 4096, FIXED = 16 };

	for (int64_t i = 0; i < n;) {
		int64_t end = n - i < STEP ? n : i + STEP;

		buf_reserve(out, (size_t)(end - i) * t->longest + FIXED);
		char *p = out->data + out->len;
		for (; i < end; i++) {
			uint32_t id = (uint32_t)ids[i];
			const struct token_bytes *b = &t->decoded[id < (uint32_t)t->n_tokens ? id : (uint32_t)t->n_tokens];

			if (skip_special && b->special)
				continue;
			if (b->n <= FIXED)
				memcpy(p, t->blob + b->at, FIXED);
			else
				memcpy(p, t->blob + b->at, b->n);
			p += b->n;
		}
		out->len = (size_t)(p - out->data);
		*p = 0;
	}
}

/* Text as it comes. */
static inline void stream_bytes(struct decode_stream *d, const char *p, size_t n)
{
	if (__builtin_expect(d->strip > 0, 0)) {
		for (; d->strip > 0 && n && *p == ' '; d->strip--, n--)
			p++;
		if (n)
			d->strip = 0;
	}
	buf_add(&d->held, p, n);
}

/* Gives what has come, but for what may be the begin of a character. */
static void stream_out(struct decode_stream *d, struct buf *out)
{
	const char *p = d->held.data ? d->held.data : "";
	size_t tail = utf8_incomplete_tail(p, d->held.len);

	utf8_append_lossy(out, p, d->held.len - tail);
	if (tail)
		memmove(d->held.data, d->held.data + d->held.len - tail, tail);
	d->held.len = tail;
}

/* Bytes that stand for themselves: their text if all of them are UTF-8, else U+FFFD for each, as the reference has it. */
static void stream_fallback(struct decode_stream *d)
{
	bool valid = d->run.len && utf8_valid_prefix(d->run.data, d->run.len) == d->run.len;

	for (size_t i = 0; !valid && i < d->run.len; i++)
		stream_bytes(d, "\xef\xbf\xbd", 3);
	if (valid)
		stream_bytes(d, d->run.data, d->run.len);
	buf_clear(&d->run);
}

void tokenizer_decode_more(const struct tokenizer *t, struct decode_stream *d, const int32_t *ids, int64_t n, bool skip_special, struct buf *out)
{
	for (int64_t i = 0; i < n; i++) {
		size_t len;
		const char *p = tokenizer_bytes(t, ids[i], &len);

		if (skip_special && tokenizer_is_special(t, ids[i]))
			continue;
		if (!d->begun)
			d->strip = t->decoder.strip;
		if (len && t->decoder.fallback && t->tokens[ids[i]].fallback) {
			buf_add(&d->run, p, len);
			d->begun = true;
			continue;
		}
		if (d->run.len)
			stream_fallback(d);
		if (!d->text && t->decoder.first_unmarked && len) {
			struct buf first = {0};

			decode_token(t, &t->tokens[ids[i]], "", 0, &first);
			stream_bytes(d, first.data ? first.data : "", first.len);
			buf_release(&first);
		} else {
			stream_bytes(d, p, len);
		}
		d->begun = d->text = true;
	}
	stream_out(d, out);
}

void tokenizer_decode_end(struct decode_stream *d, struct buf *out)
{
	stream_fallback(d);
	utf8_append_lossy(out, d->held.data ? d->held.data : "", d->held.len);
	buf_release(&d->held);
	buf_release(&d->run);
	*d = (struct decode_stream){0};
}

void tokenizer_decode(const struct tokenizer *t, const int32_t *ids, int64_t n, bool skip_special, struct buf *out)
{
	struct decode_stream d = {0};
	struct buf raw = {0};
	size_t start = out->len;

	if (!t->decoder.byte_level) {
		tokenizer_decode_more(t, &d, ids, n, skip_special, out);
		tokenizer_decode_end(&d, out);
		return;
	}
	join_bytes(t, ids, n, skip_special, out);
	if (utf8_valid_prefix(out->data ? out->data + start : "", out->len - start) == out->len - start)
		return;
	buf_add(&raw, out->data + start, out->len - start);
	out->len = start;
	utf8_append_lossy(out, raw.data, raw.len);
	buf_release(&raw);
}
