/* tokenizer.json, part by part. What would change ids and is not implemented is refused with its name. */
#include "token/tokenizer_priv.h"

#include "token/unicode.h"

static enum status unsupported(struct error *err, const char *what, const char *name)
{
	return error_set(err, ERR_UNSUPPORTED, "%s '%.60s' is not supported", what, name);
}

static bool is_set(const struct json *j)
{
	return j && j->type != JSON_NULL;
}

void token_text_bytes(const char *text, size_t n, struct buf *out)
{
	size_t start = out->len;

	for (size_t i = 0; i < n;) {
		int k, byte = bpe_char_byte(utf8_decode((const uint8_t *)text + i, &k));

		if (byte < 0) {
			out->len = start;
			buf_add(out, text, n);
			return;
		}
		buf_char(out, (char)byte);
		i += (size_t)k;
	}
}

/* --- model -------------------------------------------------------------------------------- */

static enum status set_token(struct tokenizer *t, int64_t id, const char *text, size_t n, struct error *err)
{
	struct token_text *tok;

	if (id < 0 || id >= TOKENIZER_IDS_MAX)
		return error_set(err, ERR_DATA, "token '%.60s': id %lld is out of range", text, (long long)id);
	if (id >= t->n_tokens) {
		t->tokens = mem_grow(t->tokens, (size_t)id + 1, sizeof(*t->tokens));
		memset(t->tokens + t->n_tokens, 0, (size_t)(id + 1 - t->n_tokens) * sizeof(*t->tokens));
		t->n_tokens = (int32_t)id + 1;
	}
	tok = &t->tokens[id];
	tok->text = arena_strndup(&t->arena, text, n);
	tok->text_len = (uint32_t)n;
	strmap_put(&t->vocab, tok->text, n, (int32_t)id);
	return OK;
}

static enum status read_vocab(struct tokenizer *t, const struct json *vocab, struct error *err)
{
	int64_t max = -1;

	if (!vocab || vocab->type != JSON_OBJECT)
		return error_set(err, ERR_DATA, "model.vocab is not an object");
	for (size_t i = 0; i < vocab->len; i++) {
		if (vocab->items[i].type != JSON_INT)
			return error_set(err, ERR_DATA, "token '%.60s': its id is not a number", vocab->keys[i].str);
		if (vocab->items[i].integer > max)
			max = vocab->items[i].integer;
	}
	if (max >= 0 && max < TOKENIZER_IDS_MAX) { /* one allocation, not one per id */
		t->tokens = mem_array((size_t)max + 1, sizeof(*t->tokens));
		t->n_tokens = (int32_t)max + 1;
	}
	for (size_t i = 0; i < vocab->len; i++)
		TRY(set_token(t, vocab->items[i].integer, vocab->keys[i].str, vocab->keys[i].len, err));
	return OK;
}

/* The two halves of a merge: "a b", or ["a","b"]. */
static enum status split_merge(const struct json *j, const char **a, size_t *na, const char **b, size_t *nb, struct error *err)
{
	const char *space;

	if (j->type == JSON_ARRAY && j->len == 2 && j->items[0].type == JSON_STRING && j->items[1].type == JSON_STRING) {
		*a = j->items[0].str, *na = j->items[0].len;
		*b = j->items[1].str, *nb = j->items[1].len;
		return OK;
	}
	if (j->type != JSON_STRING || !(space = memchr(j->str, ' ', j->len)) ||
	    memchr(space + 1, ' ', j->len - (size_t)(space + 1 - j->str)))
		return error_set(err, ERR_DATA, "expected two tokens");
	*a = j->str, *na = (size_t)(space - j->str);
	*b = space + 1, *nb = j->len - *na - 1;
	return OK;
}

static enum status read_merge(struct tokenizer *t, const struct json *j, uint32_t rank, struct buf *both, struct error *err)
{
	const char *a = "", *b = "";
	size_t na = 0, nb = 0;
	int32_t left, right, merged;

	TRY(split_merge(j, &a, &na, &b, &nb, err));
	left = strmap_get(&t->vocab, a, na);
	right = strmap_get(&t->vocab, b, nb);
	buf_clear(both);
	buf_add(both, a, na);
	buf_add(both, b, nb);
	merged = strmap_get(&t->vocab, both->data, both->len);
	if (left < 0 || right < 0 || merged < 0)
		return error_set(err, ERR_DATA, "'%.60s' is not in the vocabulary", left < 0 ? a : right < 0 ? b : both->data);
	bpe_add_merge(&t->bpe, left, right, rank, merged);
	return OK;
}

static enum status read_merges(struct tokenizer *t, const struct json *merges, struct error *err)
{
	struct buf both = {0};
	enum status st = OK;

	if (!merges || merges->type != JSON_ARRAY || merges->len > BPE_RANKS_MAX)
		return error_set(err, ERR_DATA, "model.merges is not a list of at most %d", BPE_RANKS_MAX);
	bpe_init(&t->bpe, merges->len);
	for (size_t i = 0; i < merges->len && st == OK; i++) {
		st = read_merge(t, &merges->items[i], (uint32_t)i, &both, err);
		if (st != OK)
			error_prefix(err, st, "merge %zu", i);
	}
	buf_release(&both);
	return st;
}

static enum status check_model(const struct json *m, struct error *err)
{
	const char *type = json_get_str(m, "type", "BPE");
	static const char *const affixes[] = {"continuing_subword_prefix", "end_of_word_suffix"};

	if (strcmp(type, "BPE"))
		return unsupported(err, "model type", type);
	if (json_get_num(m, "dropout", 0) != 0)
		return unsupported(err, "model option", "dropout");
	if (json_get_bool(m, "byte_fallback", false))
		return unsupported(err, "model option", "byte_fallback");
	for (int i = 0; i < 2; i++)
		if (*json_get_str(m, affixes[i], ""))
			return unsupported(err, "model option", affixes[i]);
	return OK;
}

enum status tokenizer_read_model(struct tokenizer *t, const struct json *m, struct error *err)
{
	const char *unk;

	if (!m || m->type != JSON_OBJECT)
		return error_set(err, ERR_DATA, "no model: this is not a tokenizer.json");
	TRY(check_model(m, err));
	TRY(read_vocab(t, json_get(m, "vocab"), err));
	TRY(read_merges(t, json_get(m, "merges"), err));
	for (int b = 0; b < 256; b++) {
		char c[4];

		t->bpe.byte_id[b] = strmap_get(&t->vocab, c, (size_t)utf8_encode(bpe_byte_char((uint8_t)b), c));
	}
	bpe_finish(&t->bpe);
	unk = json_get_str(m, "unk_token", "");
	t->bpe.unk = *unk ? strmap_get(&t->vocab, unk, strlen(unk)) : -1;
	t->bpe.fuse_unk = json_get_bool(m, "fuse_unk", false);
	t->ignore_merges = json_get_bool(m, "ignore_merges", false);
	return OK;
}

/* --- added tokens -------------------------------------------------------------------------- */

static enum status read_added_token(struct tokenizer *t, const struct json *j, struct buf *norm, struct error *err)
{
	const struct json *content = json_get(j, "content"), *id = json_get(j, "id");
	struct added_token *a = &t->added[t->n_added];
	int32_t known;

	if (!content || content->type != JSON_STRING || content->len > 512)
		return error_set(err, ERR_DATA, "an added token has no content, or more than 512 bytes of it");
	if (!content->len)
		return OK;
	known = strmap_get(&t->vocab, content->str, content->len);
	if (known < 0) {
		if (!id || id->type != JSON_INT)
			return error_set(err, ERR_DATA, "added token '%.60s' has no id", content->str);
		TRY(set_token(t, id->integer, content->str, content->len, err));
		known = (int32_t)id->integer;
	}
	*a = (struct added_token){.content = t->tokens[known].text, .len = content->len, .id = known,
				  .special = json_get_bool(j, "special", false), .lstrip = json_get_bool(j, "lstrip", false),
				  .rstrip = json_get_bool(j, "rstrip", false), .single_word = json_get_bool(j, "single_word", false)};
	a->normalized = json_get_bool(j, "normalized", !a->special);
	t->tokens[known].special |= a->special;
	buf_clear(norm);
	if (a->normalized && t->nfc && unicode_nfc(a->content, a->len, norm))
		added_insert(&t->normalized, norm->data, norm->len, t->n_added);
	else
		added_insert(a->normalized ? &t->normalized : &t->raw, a->content, a->len, t->n_added);
	t->n_added++;
	return OK;
}

enum status tokenizer_read_added(struct tokenizer *t, const struct json *list, struct error *err)
{
	struct buf norm = {0};
	enum status st = OK;

	if (!is_set(list))
		return OK;
	if (list->type != JSON_ARRAY)
		return error_set(err, ERR_DATA, "added_tokens is not a list");
	t->added = mem_array(list->len + 1, sizeof(*t->added));
	for (size_t i = 0; i < list->len && st == OK; i++)
		st = read_added_token(t, &list->items[i], &norm, err);
	buf_release(&norm);
	return st;
}

/* --- normalizer, pre-tokenizer, post-processor, decoder ------------------------------------- */

/* The parts of a Sequence under its member name, or the part itself. */
static const struct json *parts_of(const struct json *j, const char *member, size_t *n)
{
	const struct json *list = json_get(j, member);

	if (strcmp(json_get_str(j, "type", ""), "Sequence") || !list || list->type != JSON_ARRAY) {
		*n = 1;
		return j;
	}
	*n = list->len;
	return list->items;
}

static enum status read_normalizer(struct tokenizer *t, const struct json *j, struct error *err)
{
	const struct json *parts;
	size_t n;

	if (!is_set(j))
		return OK;
	parts = parts_of(j, "normalizers", &n);
	for (size_t i = 0; i < n; i++) {
		const char *type = json_get_str(&parts[i], "type", "?");

		if (strcmp(type, "NFC"))
			return unsupported(err, "normalizer", type);
		t->nfc = true;
	}
	return OK;
}

static enum status read_split(struct pretok_stage *st, const struct json *j, struct error *err)
{
	const struct json *regex = json_get(json_get(j, "pattern"), "Regex");
	const char *behavior = json_get_str(j, "behavior", "?");

	if (strcmp(behavior, "Isolated"))
		return unsupported(err, "pre-tokenizer Split with behavior", behavior);
	if (json_get_bool(j, "invert", false))
		return unsupported(err, "pre-tokenizer Split with", "invert");
	if (!regex || regex->type != JSON_STRING)
		return unsupported(err, "pre-tokenizer Split with", "a pattern that is no Regex");
	return pretok_compile(st, regex->str, regex->len, err);
}

static enum status read_pre_tokenizer(struct tokenizer *t, const struct json *j, struct error *err)
{
	const struct json *parts;
	bool byte_level = false;
	size_t n;

	if (!is_set(j))
		return unsupported(err, "pre-tokenizer", "null");
	parts = parts_of(j, "pretokenizers", &n);
	if (n > TOKENIZER_STAGES)
		return unsupported(err, "pre-tokenizer", "Sequence of more than 8");
	for (size_t i = 0; i < n; i++) {
		const char *type = json_get_str(&parts[i], "type", "?");
		struct pretok_stage *st = &t->stages[t->n_stages];

		if (byte_level) /* it would see the byte alphabet, not the text */
			return unsupported(err, "pre-tokenizer after ByteLevel", type);
		if (!strcmp(type, "Split")) {
			TRY(read_split(st, &parts[i], err));
		} else if (!strcmp(type, "Digits")) {
			st->kind = json_get_bool(&parts[i], "individual_digits", false) ? PRETOK_DIGIT : PRETOK_DIGITS;
		} else if (!strcmp(type, "ByteLevel")) {
			byte_level = true;
			st->kind = json_get_bool(&parts[i], "use_regex", true) ? PRETOK_GPT2 : PRETOK_NONE;
			st->prefix_space = json_get_bool(&parts[i], "add_prefix_space", true);
			if (st->kind == PRETOK_NONE && !st->prefix_space && t->n_stages)
				continue; /* cuts nothing */
		} else {
			return unsupported(err, "pre-tokenizer", type);
		}
		t->n_stages++;
	}
	return byte_level ? OK : unsupported(err, "pre-tokenizer without", "ByteLevel");
}

/* One piece of TemplateProcessing's "single": the text, or a special token (whose id is a name). */
static enum status read_template_piece(struct tokenizer *t, const struct json *piece, const struct json *specials, bool *after,
				       struct error *err)
{
	const char *name = json_get_str(json_get(piece, "SpecialToken"), "id", NULL);
	const struct json *ids = json_get(json_get(specials, name ? name : ""), "ids");

	if (json_get(piece, "Sequence")) {
		if (*after)
			return unsupported(err, "post-processor TemplateProcessing with", "the text twice");
		*after = true;
		return OK;
	}
	if (!ids || ids->type != JSON_ARRAY)
		return error_set(err, ERR_DATA, "post_processor: special token '%.60s' is not defined", name ? name : "?");
	for (size_t k = 0; k < ids->len; k++) {
		if (ids->items[k].type != JSON_INT || ids->items[k].integer < 0 || ids->items[k].integer >= t->n_tokens)
			return error_set(err, ERR_DATA, "post_processor: '%.60s' has an id outside the vocabulary", name);
		ids_push(*after ? &t->suffix : &t->prefix, (int32_t)ids->items[k].integer);
	}
	return OK;
}

static enum status read_post_processor(struct tokenizer *t, const struct json *j, struct error *err)
{
	const struct json *parts, *single;
	bool template = false, after = false;
	size_t n;

	if (!is_set(j))
		return OK;
	parts = parts_of(j, "processors", &n);
	for (size_t i = 0; i < n; i++) {
		const char *type = json_get_str(&parts[i], "type", "?");

		if (!strcmp(type, "ByteLevel"))
			continue; /* moves offsets, not ids */
		if (strcmp(type, "TemplateProcessing") || template)
			return unsupported(err, "post-processor", template ? "two TemplateProcessing" : type);
		template = true;
		single = json_get(&parts[i], "single");
		if (!single || single->type != JSON_ARRAY)
			return error_set(err, ERR_DATA, "post_processor.single is not a list");
		for (size_t k = 0; k < single->len; k++)
			TRY(read_template_piece(t, &single->items[k], json_get(&parts[i], "special_tokens"), &after, err));
	}
	return OK;
}

enum status tokenizer_read_pipeline(struct tokenizer *t, const struct json *root, struct error *err)
{
	const struct json *decoder = json_get(root, "decoder");
	const char *type = is_set(decoder) ? json_get_str(decoder, "type", "?") : "null";

	TRY(read_normalizer(t, json_get(root, "normalizer"), err));
	TRY(read_pre_tokenizer(t, json_get(root, "pre_tokenizer"), err));
	if (strcmp(type, "ByteLevel"))
		return unsupported(err, "decoder", type);
	return OK;
}

enum status tokenizer_read_around(struct tokenizer *t, const struct json *root, struct error *err)
{
	return read_post_processor(t, json_get(root, "post_processor"), err);
}
