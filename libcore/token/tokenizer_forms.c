/* tokenizer_forms.c - other forms of a tokenizer as the tokenizer.json that says the same: vocab.json with merges.txt (GPT-2's), and
 * tiktoken's tables of ranks. */
#include "token/tokenizer_priv.h"

#include "base/file.h"
#include "base/json_escape.h"
#include "token/unicode.h"

#include <stdlib.h>

#define FORM_BYTES_MAX ((size_t)256 << 20)

static void put_text(struct buf *out, const char *s, size_t n)
{
	buf_char(out, '"');
	json_escape(out, s, n);
	buf_char(out, '"');
}

static void put_special(struct buf *out, const char *content, int64_t id, int *n)
{
	buf_printf(out, "%s{\"id\":%lld,\"content\":", (*n)++ ? "," : "", (long long)id);
	put_text(out, content, strlen(content));
	buf_str(out, ",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,\"special\":true}");
}

/* Everything but the model: a pre-tokenizer of one pattern (NULL: GPT-2's, inside ByteLevel) over bytes. */
static void put_rest(struct buf *out, const char *pattern)
{
	buf_str(out, "\"normalizer\":null,\"pre_tokenizer\":");
	if (pattern) {
		buf_str(out, "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":");
		put_text(out, pattern, strlen(pattern));
		buf_str(out, "},\"behavior\":\"Isolated\",\"invert\":false},");
	}
	buf_printf(out, "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":%s}%s,", pattern ? "false" : "true",
		   pattern ? "]}" : "");
	buf_str(out, "\"post_processor\":null,\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true},");
}

static void put_model(struct buf *out, bool ignore_merges)
{
	buf_printf(out, "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,"
			"\"fuse_unk\":false,\"byte_fallback\":false,\"ignore_merges\":%s,\"vocab\":", ignore_merges ? "true" : "false");
}

/* --- vocab.json and merges.txt ---------------------------------------------------------------------- */

/* Lines of two tokens; a first line that begins with #version is none. */
static enum status put_merges(const struct buf *text, struct buf *out, struct error *err)
{
	const char *p = text->data ? text->data : "", *end = p + text->len;
	int64_t line = 0, n = 0;

	for (const char *nl; p < end; p = nl + 1) {
		nl = memchr(p, '\n', (size_t)(end - p));
		nl = nl ? nl : end;
		size_t k = (size_t)(nl - p);
		line++;
		k -= k && p[k - 1] == '\r';
		if (k == 0 || (line == 1 && k > 8 && !memcmp(p, "#version", 8)))
			continue;
		const char *space = memchr(p, ' ', k);
		if (!space || space == p || space == p + k - 1 || memchr(space + 1, ' ', k - (size_t)(space + 1 - p)))
			return error_set(err, ERR_DATA, "merges.txt: line %lld: expected two tokens", (long long)line);
		buf_str(out, n++ ? ",[" : "[");
		put_text(out, p, (size_t)(space - p));
		buf_char(out, ',');
		put_text(out, space + 1, k - (size_t)(space + 1 - p));
		buf_char(out, ']');
	}
	return OK;
}

static enum status from_vocab(const char *vocab_path, const char *merges_path, struct buf *out, struct error *err)
{
	static const char end_of_text[] = "<|endoftext|>";
	struct json_parser *p = json_parser_open();
	struct buf merges = {0};
	const struct json *vocab;
	int n = 0;

	enum status st = json_parse_file(p, vocab_path, &vocab, err);
	if (st == OK)
		st = file_read_all(merges_path, FORM_BYTES_MAX, &merges, err);
	if (st == OK && vocab->type != JSON_OBJECT)
		st = error_set(err, ERR_DATA, "%s: is no object of tokens and ids", vocab_path);
	if (st == OK) {
		buf_str(out, "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[");
		if (json_get_int(vocab, end_of_text, -1) >= 0)
			put_special(out, end_of_text, json_get_int(vocab, end_of_text, 0), &n);
		buf_str(out, "],");
		put_rest(out, NULL);
		put_model(out, false);
		struct json_writer w = json_writer_open(out, 0);
		json_value(&w, vocab);
		buf_str(out, ",\"merges\":[");
		st = put_merges(&merges, out, err);
		buf_str(out, "]}}\n");
	}
	buf_release(&merges);
	json_parser_close(p);
	return st;
}

/* --- tables of ranks ------------------------------------------------------------------------------------ */

/* OpenAI's encodings, known by the number of their ranks: what the table does not say. */
static const struct encoding {
	int64_t ranks;
	const char *pattern;
	struct { const char *text; int64_t id; } specials[5];
} encodings[] = {
	{50256, NULL, {{"<|endoftext|>", 50256}}},
	{50280, NULL, {{"<|endoftext|>", 50256}}},
	{100256, "cl100k_base", {{"<|endoftext|>", 100257}, {"<|fim_prefix|>", 100258}, {"<|fim_middle|>", 100259}, {"<|fim_suffix|>", 100260},
				 {"<|endofprompt|>", 100276}}},
	{199998, "o200k", {{"<|endoftext|>", 199999}, {"<|endofprompt|>", 200018}}},
};

struct rank {
	const char *p;
	uint32_t n;
	int64_t id;
};

static int digit64(char c)
{
	return c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ? c - 'a' + 26 : c >= '0' && c <= '9' ? c - '0' + 52 : c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Base64 with its padding; false if it is none. */
static bool decode64(const char *s, size_t n, struct buf *out)
{
	size_t pad = n && s[n - 1] == '=' ? 1 + (n > 1 && s[n - 2] == '=') : 0;

	if (n == 0 || n % 4)
		return false;
	buf_clear(out);
	for (size_t i = 0; i < n; i += 4) {
		uint32_t v = 0;
		size_t here = i + 4 == n ? 4 - pad : 4;
		for (size_t k = 0; k < 4; k++) {
			int d = k < here ? digit64(s[i + k]) : 0;
			if (d < 0)
				return false;
			v = v << 6 | (uint32_t)d;
		}
		for (size_t k = 0; k + 1 < here; k++)
			buf_char(out, (char)(v >> (16 - 8 * k)));
	}
	return true;
}

static enum status read_ranks(const struct buf *text, struct arena *a, struct rank **ranks, int64_t *n, struct error *err)
{
	const char *p = text->data ? text->data : "", *end = p + text->len;
	struct buf bytes = {0};
	int64_t cap = 0, line = 0;
	enum status st = OK;

	for (const char *nl; st == OK && p < end; p = nl + 1) {
		nl = memchr(p, '\n', (size_t)(end - p));
		nl = nl ? nl : end;
		line++;
		if (nl == p)
			continue;
		const char *space = memchr(p, ' ', (size_t)(nl - p));
		char *after;
		int64_t id = space ? strtoll(space + 1, &after, 10) : -1;
		if (!space || id < 0 || id >= TOKENIZER_IDS_MAX || (after != nl && *after != '\r') || !decode64(p, (size_t)(space - p), &bytes)) {
			st = error_set(err, ERR_DATA, "line %lld: expected a token in base64 and its rank", (long long)line);
			break;
		}
		MEM_PUSH_ROOM(*ranks, *n, cap);
		(*ranks)[(*n)++] = (struct rank){arena_strndup(a, bytes.data ? bytes.data : "", bytes.len), (uint32_t)bytes.len, id};
	}
	buf_release(&bytes);
	return st;
}

static void put_bytes(struct buf *out, const char *p, size_t n, struct buf *mapped)
{
	buf_clear(mapped);
	for (size_t i = 0; i < n; i++) {
		char c[4];

		buf_add(mapped, c, (size_t)utf8_encode(bpe_byte_char((uint8_t)p[i]), c));
	}
	put_text(out, mapped->data ? mapped->data : "", mapped->len);
}

static int by_id(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

/* A table says what bytes are tokens: any two whose bytes together are one merge, by the rank of that. */
static void put_splits(const struct rank *ranks, int64_t n, struct buf *out)
{
	struct strmap index = {0};
	struct buf mapped = {0};
	int64_t merges = 0;

	for (int64_t i = 0; i < n; i++)
		strmap_put(&index, ranks[i].p, ranks[i].n, (int32_t)ranks[i].id);
	for (int64_t i = 0; i < n; i++)
		for (uint32_t k = 1; k < ranks[i].n; k++) {
			if (strmap_get(&index, ranks[i].p, k) < 0 || strmap_get(&index, ranks[i].p + k, ranks[i].n - k) < 0)
				continue;
			buf_str(out, merges++ ? ",[" : "[");
			put_bytes(out, ranks[i].p, k, &mapped);
			buf_char(out, ',');
			put_bytes(out, ranks[i].p + k, ranks[i].n - k, &mapped);
			buf_char(out, ']');
		}
	strmap_release(&index);
	buf_release(&mapped);
}

static enum status put_ranks(struct rank *ranks, int64_t n, struct buf *out, struct error *err)
{
	const struct encoding *e = NULL;
	struct buf mapped = {0};
	int count = 0;

	for (size_t i = 0; i < sizeof(encodings) / sizeof(*encodings); i++)
		if (encodings[i].ranks == n)
			e = &encodings[i];
	if (!e)
		return error_set(err, ERR_UNSUPPORTED, "a table of %lld ranks: its pattern is not known (those of r50k, p50k, cl100k and o200k are)",
				 (long long)n);
	qsort(ranks, (size_t)n, sizeof(*ranks), by_id);
	buf_str(out, "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[");
	for (int i = 0; i < 5 && e->specials[i].text; i++)
		put_special(out, e->specials[i].text, e->specials[i].id, &count);
	buf_str(out, "],");
	put_rest(out, e->pattern ? pretok_pattern(e->pattern) : NULL);
	put_model(out, true);
	for (int64_t i = 0; i < n; i++) {
		buf_str(out, i ? "," : "{");
		put_bytes(out, ranks[i].p, ranks[i].n, &mapped);
		buf_printf(out, ":%lld", (long long)ranks[i].id);
	}
	buf_str(out, "},\"merges\":[");
	put_splits(ranks, n, out);
	buf_str(out, "]}}\n");
	buf_release(&mapped);
	return OK;
}

static enum status from_ranks(const char *path, struct buf *out, struct error *err)
{
	struct buf text = {0};
	struct arena a = {0};
	struct rank *ranks = NULL;
	int64_t n = 0;

	enum status st = file_read_all(path, FORM_BYTES_MAX, &text, err);
	if (st == OK)
		st = read_ranks(&text, &a, &ranks, &n, err);
	if (st == OK)
		st = put_ranks(ranks, n, out, err);
	buf_release(&text);
	mem_free(ranks);
	arena_release(&a);
	return st == OK || st == ERR_IO ? st : error_prefix(err, st, "%s", path);
}

/* --- which it is ------------------------------------------------------------------------------------------ */

static bool begins_with_rank(const char *path)
{
	struct input *in;
	const uint8_t *p;
	size_t n;
	bool yes = false;

	if (input_open(&in, path, true, NULL) != OK)
		return false;
	if (input_peek(in, 64, &p, &n, NULL) == OK) {
		const uint8_t *space = memchr(p, ' ', n);
		struct buf b = {0};
		yes = space && space + 1 < p + n && space[1] >= '0' && space[1] <= '9' && decode64((const char *)p, (size_t)(space - p), &b);
		buf_release(&b);
	}
	input_close(in);
	return yes;
}

enum status tokenizer_other_form(const char *path, struct buf *json, bool *ranks, struct error *err)
{
	enum status st = OK;

	*ranks = false;
	if (!path_is_dir(path)) {
		*ranks = begins_with_rank(path);
		return *ranks ? from_ranks(path, json, err) : OK;
	}
	char *whole = path_join(path, "tokenizer.json"), *vocab = path_join(path, "vocab.json"), *merges = path_join(path, "merges.txt");
	if (!path_exists(whole) && path_exists(vocab) && path_exists(merges))
		st = from_vocab(vocab, merges, json, err);
	mem_free(whole);
	mem_free(vocab);
	mem_free(merges);
	return st;
}
