/* tokenizer_export.c - a tokenizer in the forms of others, each only where it says the same. */
#include "token/tokenizer_priv.h"

#include "base/file.h"
#include "token/bpe_walk.h"

#include <stdlib.h>

/* The tokenizer.json that it was read from, or that was made of another form. */
static enum status own_json(const struct tokenizer *t, struct buf *out, struct error *err)
{
	if (!t->made.len)
		return file_read_all(t->file, (size_t)1 << 30, out, err);
	buf_add(out, t->made.data, t->made.len);
	return OK;
}

static enum status cannot(struct error *err, const char *form, const char *why)
{
	return error_set(err, ERR_UNSUPPORTED, "as %s: %s", form, why);
}

/* --- vocab.json and merges.txt -------------------------------------------------------------------- */

static enum status put_merge(const struct json *j, struct buf *out, struct error *err)
{
	bool pair = j->type == JSON_ARRAY && j->len == 2;

	for (size_t i = 0; i < (pair ? 2 : 1); i++) {
		const struct json *s = pair ? &j->items[i] : j;

		if (pair && (memchr(s->str, ' ', s->len) || memchr(s->str, '\n', s->len)))
			return cannot(err, "merges.txt", "a token has white space in it");
		buf_add(out, s->str, s->len);
		buf_char(out, pair && i == 0 ? ' ' : '\n');
	}
	return OK;
}

static enum status write_merges(const struct json *model, const char *dir, struct error *err)
{
	const struct json *merges = json_get(model, "merges");
	struct buf out = {0};
	char *path = path_join(dir, "merges.txt");
	enum status st = OK;

	buf_str(&out, "#version: 0.2\n");
	for (size_t i = 0; i < merges->len && st == OK; i++)
		st = put_merge(&merges->items[i], &out, err);
	if (st == OK)
		st = file_write_all(path, out.data, out.len, err);
	mem_free(path);
	buf_release(&out);
	return st;
}

static enum status write_vocab(const struct json *root, const char *dir, struct error *err)
{
	const struct json *vocab = json_get(json_get(root, "model"), "vocab"), *added = json_get(root, "added_tokens");
	struct buf out = {0};
	struct json_writer w = json_writer_open(&out, 0);
	char *path = path_join(dir, "vocab.json");

	json_begin_object(&w);
	for (size_t i = 0; i < vocab->len; i++) {
		json_key_n(&w, vocab->keys[i].str, vocab->keys[i].len);
		json_value(&w, &vocab->items[i]);
	}
	for (size_t i = 0; added && i < added->len; i++) {
		const struct json *content = json_get(&added->items[i], "content");

		if (!content || content->type != JSON_STRING || json_get(vocab, content->str))
			continue;
		json_key_n(&w, content->str, content->len);
		json_int(&w, json_get_int(&added->items[i], "id", 0));
	}
	json_end_object(&w);
	enum status st = file_write_all(path, out.data, out.len, err);
	mem_free(path);
	buf_release(&out);
	return st;
}

static bool has_added(const struct tokenizer *t)
{
	for (int i = 0; i < t->n_added; i++)
		if (strcmp(t->tokens[t->added[i].id].text, "<|endoftext|>"))
			return true;
	return false;
}

static enum status write_vocab_and_merges(const struct tokenizer *t, const char *dir, struct error *err)
{
	static const char form[] = "vocab.json and merges.txt";
	struct json_parser *p = json_parser_open();
	struct buf text = {0};
	const struct json *root;
	enum status st = OK;

	if (t->bpe.by_char || t->n_stages != 1 || t->stages[0].kind != PRETOK_GPT2 || t->stages[0].rewrite != REWRITE_NOTHING || t->normalizer.n)
		st = cannot(err, form, "they stand for GPT-2's pattern and no normalizer, and this tokenizer has others");
	else if (has_added(t))
		st = cannot(err, form, "they have no place for added tokens but <|endoftext|>");
	else if (t->ignore_merges)
		st = cannot(err, form, "they cannot say ignore_merges");
	if (st == OK)
		st = own_json(t, &text, err);
	if (st == OK)
		st = json_parse(p, text.data, text.len, &root, err);
	if (st == OK)
		st = dir_make(dir, err);
	if (st == OK)
		st = write_vocab(root, dir, err);
	if (st == OK)
		st = write_merges(json_get(root, "model"), dir, err);
	buf_release(&text);
	json_parser_close(p);
	return st;
}

/* --- tiktoken's table ------------------------------------------------------------------------------- */

static void put_base64(struct buf *out, const char *p, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = 0;

		for (size_t k = 0; k < 3; k++)
			v = v << 8 | (i + k < n ? (uint8_t)p[i + k] : 0);
		for (size_t k = 0; k < 4; k++)
			buf_char(out, i + k <= n ? digits[v >> (18 - 6 * k) & 63] : '=');
	}
}

/* Whether merging whatever two tokens make a third, by the id of that, gives the ids of the merges: ids rise with the ranks, and no two
 * tokens that make one, but are no merge, ever stand side by side. */
static bool is_by_rank(const struct tokenizer *t, const struct bpe_walk *walk, const struct strmap *ids)
{
	int64_t last = -1;

	for (int32_t id = 0; id < t->n_tokens; id++) {
		const struct token_text *token = &t->tokens[id];
		int64_t time = bpe_walk_time(walk, id);

		if (time < 0)
			continue;
		if (time && time <= last)
			return false;
		last = time ? time : last;
		for (uint32_t k = 1; k < token->len; k++) {
			int32_t l = strmap_get(ids, token->bytes, k), r = strmap_get(ids, token->bytes + k, token->len - k);

			if (l >= 0 && r >= 0 && bpe_rank(&t->bpe, l, r) == BPE_NO_RANK && bpe_walk_meet(walk, &t->bpe, l, r))
				return false;
		}
	}
	return true;
}

static enum status write_ranks(const struct tokenizer *t, const char *path, struct error *err)
{
	static const char form[] = "a table of ranks";
	struct bpe_walk *walk = t->bpe.first ? bpe_walk_open(&t->bpe) : NULL;
	struct strmap ids = {0};
	struct buf out = {0};
	enum status st = OK;

	if (!walk)
		return cannot(err, form, "that has to have every byte, and merges in order of time");
	for (int32_t id = 0; id < t->n_tokens; id++)
		if (bpe_walk_time(walk, id) >= 0) {
			strmap_put(&ids, t->tokens[id].bytes, t->tokens[id].len, id);
			put_base64(&out, t->tokens[id].bytes, t->tokens[id].len);
			buf_printf(&out, " %d\n", (int)id);
		}
	if (!t->by_rank && !is_by_rank(t, walk, &ids))
		st = cannot(err, form, "merging by rank would give other ids than these merges");
	if (st == OK)
		st = file_write_all(path, out.data, out.len, err);
	strmap_release(&ids);
	buf_release(&out);
	bpe_walk_close(walk);
	return st;
}

/* --- which ---------------------------------------------------------------------------------------------- */

static bool ends_in(const char *s, const char *tail)
{
	size_t n = strlen(s), k = strlen(tail);

	return n > k && !strcmp(s + n - k, tail);
}

enum status tokenizer_export(const struct tokenizer *t, const char *path, struct error *err)
{
	struct buf json = {0};
	enum status st;

	if (ends_in(path, "/") || path_is_dir(path))
		return write_vocab_and_merges(t, path, err);
	if (ends_in(path, ".tiktoken"))
		return write_ranks(t, path, err);
	if (!ends_in(path, ".json"))
		return error_set(err, ERR_USAGE, "%s: a name in .json, .tiktoken or / tells the form", path);
	st = own_json(t, &json, err);
	if (st == OK)
		st = file_write_all(path, json.data, json.len, err);
	buf_release(&json);
	return st;
}
