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
	char *to;

	buf_reserve(out, n);
	to = out->data + start;
	for (size_t i = 0; i < n;) {
		int k = 1, byte = (uint8_t)text[i];

		if (byte <= 0x20 || byte >= 0x7f)    /* the others stand for themselves */
			byte = bpe_char_byte(utf8_decode((const uint8_t *)text + i, &k));
		if (byte < 0) {
			buf_add(out, text, n);
			return;
		}
		*to++ = (char)byte;
		i += (size_t)k;
	}
	out->len = (size_t)(to - out->data);
	*to = 0;
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

/* What is read element by element. Some wait until there are more: what they name is looked up when the memory has been asked for all of
 * it. */
const char *const tokenizer_large[] = {"vocab", "merges", NULL};
#define AHEAD 16

struct vocab {
	struct tokenizer *t;
	struct json name[AHEAD];
	int64_t id[AHEAD];
	int n;                                  /* that wait */
};

static enum status find_last(void *arg, size_t i, const struct json *name, const struct json *id, struct error *err)
{
	int64_t *max = arg;

	(void)i;
	if (id->type != JSON_INT)
		return error_set(err, ERR_DATA, "token '%.60s': its id is not a number", name->str);
	*max = id->integer > *max ? id->integer : *max;
	return OK;
}

static enum status add_tokens(struct vocab *w, struct error *err)
{
	for (int k = 0; k < w->n; k++)
		TRY(set_token(w->t, w->id[k], w->name[k].str, w->name[k].len, err));
	w->n = 0;
	return OK;
}

static enum status add_token(void *arg, size_t i, const struct json *name, const struct json *id, struct error *err)
{
	struct vocab *w = arg;

	(void)i;
	(void)strmap_ask(&w->t->vocab, name->str, name->len);
	w->name[w->n] = *name;
	w->id[w->n] = id->integer;
	return ++w->n == AHEAD ? add_tokens(w, err) : OK;
}

static enum status read_vocab(struct tokenizer *t, struct json_parser *p, const struct json *vocab, struct error *err)
{
	struct vocab w = {.t = t};
	int64_t max = -1;

	if (!vocab || vocab->type != JSON_OBJECT)
		return error_set(err, ERR_DATA, "model.vocab is not an object");
	TRY(json_each(p, vocab, find_last, &max, err));
	if (max >= 0 && max < TOKENIZER_IDS_MAX) { /* one allocation, not one per id */
		t->tokens = mem_array((size_t)max + 1, sizeof(*t->tokens));
		t->n_tokens = (int32_t)max + 1;
	}
	strmap_reserve(&t->vocab, json_count(p, vocab));
	TRY(json_each(p, vocab, add_token, &w, err));
	return add_tokens(&w, err);
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

static bool begins_with_mark(const char *s, size_t n)
{
	return n >= MARK_BYTES && !memcmp(s, MARK_TEXT, MARK_BYTES);
}

static bool ends_with_mark(const char *s, size_t n)
{
	return n >= MARK_BYTES && !memcmp(s + n - MARK_BYTES, MARK_TEXT, MARK_BYTES);
}

struct part {
	const char *s;
	size_t n;
	uint64_t hash;
};
struct merges {
	struct tokenizer *t;
	struct part part[AHEAD][3];      /* left, right, both */
	struct buf both[AHEAD];
	int n;                                  /* that wait */
	size_t first;                           /* number of the first of them */
};

/* The ids of a merge's parts; the first that there is none for is the error. */
static enum status find_parts(const struct tokenizer *t, const struct part part[3], int32_t id[3], struct error *err)
{
	for (int i = 0; i < 3; i++)
		if ((id[i] = strmap_find(&t->vocab, part[i].hash, part[i].s, part[i].n)) < 0)
			return error_set(err, ERR_DATA, "'%.60s' is not in the vocabulary", part[i].s);
	bpe_ask_merge(&t->bpe, id[0], id[1]);
	return OK;
}

static enum status add_merges(struct merges *w, struct error *err)
{
	struct tokenizer *t = w->t;
	int32_t id[AHEAD][3];

	for (int k = 0; k < w->n; k++) {
		enum status st = find_parts(t, w->part[k], id[k], err);

		if (st != OK)
			return error_prefix(err, st, "merge %zu", w->first + (size_t)k);
	}
	for (int k = 0; k < w->n; k++) {
		const struct part *part = w->part[k];

		bpe_add_merge(&t->bpe, id[k][0], id[k][1], t->by_rank ? (uint32_t)id[k][2] : (uint32_t)(w->first + (size_t)k), id[k][2]);
		t->cut_at_marks &= !begins_with_mark(part[1].s, part[1].n) || ends_with_mark(part[0].s, part[0].n);
	}
	w->first += (size_t)w->n;
	w->n = 0;
	return OK;
}

static enum status read_merge(void *arg, size_t i, const struct json *name, const struct json *j, struct error *err)
{
	struct merges *w = arg;
	struct part *part = w->part[w->n];
	struct buf *both = &w->both[w->n];
	struct error why;
	enum status st;

	(void)name;
	st = split_merge(j, &part[0].s, &part[0].n, &part[1].s, &part[1].n, &why);
	if (st != OK) {
		TRY(add_merges(w, err));         /* what is wrong before it comes first */
		return error_set(err, st, "merge %zu: %s", i, why.text);
	}
	buf_clear(both);
	buf_add(both, part[0].s, part[0].n);
	buf_add(both, part[1].s, part[1].n);
	part[2].s = both->data;
	part[2].n = both->len;
	for (int k = 0; k < 3; k++)
		part[k].hash = strmap_ask(&w->t->vocab, part[k].s, part[k].n);
	return ++w->n == AHEAD ? add_merges(w, err) : OK;
}

static enum status read_merges(struct tokenizer *t, struct json_parser *p, const struct json *merges, struct error *err)
{
	struct merges w = {.t = t};
	size_t n = merges ? json_count(p, merges) : 0;
	enum status st;

	if (!merges || merges->type != JSON_ARRAY || n > BPE_RANKS_MAX)
		return error_set(err, ERR_DATA, "model.merges is not a list of at most %d", BPE_RANKS_MAX);
	bpe_init(&t->bpe, n > (size_t)t->n_tokens ? n : (size_t)t->n_tokens);
	t->cut_at_marks = true;
	st = json_each(p, merges, read_merge, &w, err);
	if (st == OK)
		st = add_merges(&w, err);
	for (int k = 0; k < AHEAD; k++)
		buf_release(&w.both[k]);
	return st;
}

static enum status check_model(const struct json *m, struct error *err)
{
	/* older files do not name it: a list of pairs is Unigram's */
	const struct json *vocab = json_get(m, "vocab");
	const char *type = json_get_str(m, "type", vocab && vocab->type == JSON_ARRAY ? "Unigram" : "BPE");
	static const char *const affixes[] = {"continuing_subword_prefix", "end_of_word_suffix"};

	if (strcmp(type, "BPE"))
		return unsupported(err, "model type", type);
	if (json_get_num(m, "dropout", 0) != 0)
		return unsupported(err, "model option", "dropout");
	for (int i = 0; i < 2; i++)
		if (*json_get_str(m, affixes[i], ""))
			return unsupported(err, "model option", affixes[i]);
	return OK;
}

enum status tokenizer_read_model(struct tokenizer *t, struct json_parser *p, const struct json *m, struct error *err)
{
	const char *unk;

	if (!m || m->type != JSON_OBJECT)
		return error_set(err, ERR_DATA, "no model: this is not a tokenizer.json");
	TRY(check_model(m, err));
	TRY(read_vocab(t, p, json_get(m, "vocab"), err));
	TRY(read_merges(t, p, json_get(m, "merges"), err));
	unk = json_get_str(m, "unk_token", "");
	t->bpe.unk = *unk ? strmap_get(&t->vocab, unk, strlen(unk)) : -1;
	t->bpe.fuse_unk = json_get_bool(m, "fuse_unk", false);
	t->ignore_merges = json_get_bool(m, "ignore_merges", false);
	t->byte_fallback = json_get_bool(m, "byte_fallback", false);
	return OK;
}

/* What the symbols of a piece are is known when the pre-tokenizer is. */
static void finish_model(struct tokenizer *t, bool bytes)
{
	if (!bytes) {
		bpe_finish_by_char(&t->bpe, &t->vocab, t->byte_fallback);
		t->cut_at_marks &= t->bpe.char_id[MARK] >= 0;
		return;
	}
	t->cut_at_marks = false;
	for (int b = 0; b < 256; b++) {
		char c[4];

		t->bpe.byte_id[b] = strmap_get(&t->vocab, c, (size_t)utf8_encode(bpe_byte_char((uint8_t)b), c));
	}
	bpe_finish(&t->bpe);
}

/* --- added tokens -------------------------------------------------------------------------- */

static enum status read_added_token(struct tokenizer *t, const struct json *j, struct norm_scratch *norm, struct error *err)
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
	const char *text = a->content;
	size_t n = a->len;
	if (a->normalized)
		TRY(normalizer_apply(&t->normalizer, norm, &text, &n, NULL, err));
	if (text != a->content) {
		t->tokens[known].normalized = arena_strndup(&t->arena, text, n);
		t->tokens[known].normalized_len = (uint32_t)n;
	}
	added_insert(a->normalized ? &t->normalized : &t->raw, text, n, t->n_added);
	t->n_added++;
	return OK;
}

enum status tokenizer_read_added(struct tokenizer *t, const struct json *list, struct error *err)
{
	struct norm_scratch norm = {0};
	enum status st = OK;

	if (!is_set(list))
		return OK;
	if (list->type != JSON_ARRAY)
		return error_set(err, ERR_DATA, "added_tokens is not a list");
	t->added = mem_array(list->len + 1, sizeof(*t->added));
	for (size_t i = 0; i < list->len && st == OK; i++)
		st = read_added_token(t, &list->items[i], &norm, err);
	norm_scratch_release(&norm);
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

static enum status read_split(struct pretok_stage *st, const struct json *j, struct error *err)
{
	static const char *const names[] = {"Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"};
	const struct json *regex = json_get(json_get(j, "pattern"), "Regex"), *string = json_get(json_get(j, "pattern"), "String");
	const char *behavior = json_get_str(j, "behavior", "?");
	bool invert = json_get_bool(j, "invert", false);
	int k = 0;

	while (k < 5 && strcmp(names[k], behavior))
		k++;
	if (k == 5)
		return unsupported(err, "pre-tokenizer Split with behavior", behavior);
	if (string && string->type == JSON_STRING)
		TRY(pretok_compile_string(st, string->str, string->len, err));
	else if (!regex || regex->type != JSON_STRING)
		return unsupported(err, "pre-tokenizer Split with", "a pattern that is neither Regex nor String");
	else if (k == SPLIT_ISOLATED || (k == SPLIT_REMOVED && invert && !pretok_leaves_gaps(regex->str, regex->len)))
		TRY(pretok_compile(st, regex->str, regex->len, err));
	else
		TRY(pretok_compile_regex(st, regex->str, regex->len, err));
	st->behavior = (enum pretok_behavior)k;
	st->invert = invert;
	return OK;
}

static enum status read_metaspace(struct pretok_stage *st, const struct json *j, struct error *err)
{
	const struct json *mark = json_get(j, "replacement");
	const char *scheme = json_get_str(j, "prepend_scheme", json_get_bool(j, "add_prefix_space", true) ? "always" : "never");

	if (mark && mark->type != JSON_STRING)
		return unsupported(err, "pre-tokenizer Metaspace with", "a replacement that is no text");
	TRY(pretok_compile_string(st, mark ? mark->str : MARK_TEXT, mark ? mark->len : MARK_BYTES, err));
	st->rewrite = REWRITE_METASPACE;
	st->behavior = SPLIT_WITH_NEXT;
	if (!json_get_bool(j, "split", true))
		st->kind = PRETOK_NONE;
	if (strcmp(scheme, "never") && strcmp(scheme, "first") && strcmp(scheme, "always"))
		return unsupported(err, "pre-tokenizer Metaspace with prepend_scheme", scheme);
	st->prepend = !strcmp(scheme, "never") ? PREPEND_NEVER : !strcmp(scheme, "first") ? PREPEND_FIRST : PREPEND_ALWAYS;
	return OK;
}

/* ByteLevel in the last place leaves bytes to the model; before others it has to make its characters, which they see. */
static enum status read_byte_level(struct tokenizer *t, const struct json *j, bool last, struct error *err)
{
	struct pretok_stage *st = &t->stages[t->n_stages];

	st->kind = json_get_bool(j, "use_regex", true) ? PRETOK_GPT2 : PRETOK_NONE;
	st->rewrite = json_get_bool(j, "add_prefix_space", true) ? REWRITE_SPACE : REWRITE_NOTHING;
	if (!last && t->n_stages + 1 >= TOKENIZER_STAGES)
		return unsupported(err, "pre-tokenizer", "Sequence of more than 8");
	t->n_stages += !(st->kind == PRETOK_NONE && st->rewrite == REWRITE_NOTHING && t->n_stages) || !last;
	if (!last)
		t->stages[t->n_stages++] = (struct pretok_stage){.rewrite = REWRITE_ALPHABET};
	return OK;
}

static enum status read_punctuation(struct pretok_stage *st, const struct json *j, struct error *err)
{
	static const char *const names[] = {"Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"};
	const char *behavior = json_get_str(j, "behavior", "Isolated");
	int k = 0;

	while (k < 5 && strcmp(names[k], behavior))
		k++;
	if (k == 5)
		return unsupported(err, "pre-tokenizer Punctuation with behavior", behavior);
	*st = (struct pretok_stage){.kind = PRETOK_CLASS, .class = U_PUNCTUATION, .behavior = (enum pretok_behavior)k};
	return OK;
}

static enum status read_stage(struct tokenizer *t, const struct json *j, bool last, bool *bytes, struct error *err)
{
	struct pretok_stage *st = &t->stages[t->n_stages];
	const char *type = json_get_str(j, "type", "?");

	if (!strcmp(type, "ByteLevel")) {
		if (*bytes)
			return unsupported(err, "pre-tokenizer", "a second ByteLevel");
		*bytes = true;
		return read_byte_level(t, j, last, err);
	}
	if (!strcmp(type, "Split"))
		TRY(read_split(st, j, err));
	else if (!strcmp(type, "Digits"))
		st->kind = json_get_bool(j, "individual_digits", false) ? PRETOK_DIGIT : PRETOK_DIGITS;
	else if (!strcmp(type, "Metaspace"))
		TRY(read_metaspace(st, j, err));
	else if (!strcmp(type, "Whitespace"))
		*st = (struct pretok_stage){.kind = PRETOK_WORDS, .behavior = SPLIT_REMOVED, .invert = true};
	else if (!strcmp(type, "WhitespaceSplit"))
		*st = (struct pretok_stage){.kind = PRETOK_CLASS, .class = U_SPACE, .behavior = SPLIT_REMOVED};
	else if (!strcmp(type, "Punctuation"))
		TRY(read_punctuation(st, j, err));
	else
		return unsupported(err, "pre-tokenizer", type);
	t->n_stages++;
	return OK;
}

static enum status read_pre_tokenizer(struct tokenizer *t, const struct json *j, struct error *err)
{
	const struct json *parts;
	bool bytes = false;
	size_t n = 0;

	parts = is_set(j) ? parts_of(j, "pretokenizers", &n) : NULL;
	for (size_t i = 0; i < n; i++) {
		if (t->n_stages == TOKENIZER_STAGES)
			return unsupported(err, "pre-tokenizer", "Sequence of more than 8");
		TRY(read_stage(t, &parts[i], i + 1 == n, &bytes, err));
	}
	/* a model over the characters of the byte alphabet is one over characters, too */
	bool mapped = false;
	for (int i = 0; i < t->n_stages; i++)
		mapped |= t->stages[i].rewrite == REWRITE_ALPHABET;
	finish_model(t, bytes && !mapped);
	return OK;
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

/* --- decoder ---------------------------------------------------------------------------------- */

static enum status read_decoder_part(struct tokenizer *t, const struct json *j, struct error *err)
{
	struct token_decoder *d = &t->decoder;
	const char *type = json_get_str(j, "type", "?");
	const struct json *pattern = json_get(json_get(j, "pattern"), "String"), *content = json_get(j, "content");

	if (!strcmp(type, "ByteLevel")) {
		d->byte_level = true;
	} else if (!strcmp(type, "ByteFallback")) {
		d->fallback = true;
	} else if (!strcmp(type, "Fuse")) {
		d->fused = true;
	} else if (!strcmp(type, "Replace")) {
		if (d->mark || !pattern || pattern->type != JSON_STRING || !pattern->len || !content || content->type != JSON_STRING)
			return unsupported(err, "decoder", "Replace of anything but one String");
		d->mark = arena_strndup(&t->arena, pattern->str, pattern->len);
		d->mark_n = pattern->len;
		d->content = arena_strndup(&t->arena, content->str, content->len);
		d->content_n = content->len;
	} else if (!strcmp(type, "Metaspace")) {
		const struct json *mark = json_get(j, "replacement");
		if (d->mark)
			return unsupported(err, "decoder", "Metaspace behind Replace");
		d->mark = arena_strndup(&t->arena, mark && mark->type == JSON_STRING ? mark->str : MARK_TEXT,
					mark && mark->type == JSON_STRING ? mark->len : MARK_BYTES);
		d->mark_n = strlen(d->mark);
		d->content = " ";
		d->content_n = 1;
		if (strcmp(json_get_str(j, "prepend_scheme", json_get_bool(j, "add_prefix_space", true) ? "always" : "never"), "never"))
			d->first_unmarked = true;
	} else if (!strcmp(type, "Strip") && d->fused && !strcmp(json_get_str(j, "content", " "), " ") && json_get_int(j, "stop", 0) == 0) {
		d->strip = json_get_int(j, "start", 0);
	} else {
		return unsupported(err, "decoder", type);
	}
	return OK;
}

static enum status read_decoder(struct tokenizer *t, const struct json *j, struct error *err)
{
	const struct json *parts;
	size_t n;

	if (!is_set(j))
		return unsupported(err, "decoder", "null");
	parts = parts_of(j, "decoders", &n);
	for (size_t i = 0; i < n; i++)
		TRY(read_decoder_part(t, &parts[i], err));
	return t->decoder.byte_level && (t->decoder.fallback || t->decoder.mark) ? unsupported(err, "decoder", "ByteLevel beside others") : OK;
}

enum status tokenizer_read_pipeline(struct tokenizer *t, const struct json *root, struct error *err)
{
	TRY(normalizer_read(&t->normalizer, json_get(root, "normalizer"), err));
	TRY(read_pre_tokenizer(t, json_get(root, "pre_tokenizer"), err));
	return read_decoder(t, json_get(root, "decoder"), err);
}

enum status tokenizer_read_around(struct tokenizer *t, const struct json *root, struct error *err)
{
	return read_post_processor(t, json_get(root, "post_processor"), err);
}
