/* quern bpe-train - documents to a tokenizer directory: a byte-level BPE vocabulary, the merges those of Hugging Face's trainer.
 *
 * Texts are cut by the pre-tokenizer on all threads, the different pieces counted; then the most frequent pair of
 * symbols is merged, again and again. Conversations count by their contents. */
#include "common/tool.h"
#include "token/bpe.h"
#include "token/bpe_train.h"
#include "token/tokenizer.h"
#include "token/unicode.h"
#include "token/word_count.h"

#include <string.h>

enum digits { DIGITS_PATTERN, DIGITS_INDIVIDUAL };

static struct {
	int64_t vocab_size, min_frequency, limit_alphabet, max_token_length, memory;
	const char *pattern, *chat_template;
	struct opt_list specials;
	int digits;
} opts = {.vocab_size = 32768, .memory = 1 << 30, .pattern = "cl100k", .chat_template = "chatml"};

static struct opt options[] = {
	OPT_GROUP("Vocabulary"),
	OPT_INT(0, "vocab-size", &opts.vocab_size, "N", 1, BPE_IDS_MAX, "tokens in all: special ones, 256 bytes, merges"),
	OPT_INT(0, "min-frequency", &opts.min_frequency, "N", 0, 9e15, "merge no pair that occurs less often"),
	OPT_INT(0, "limit-alphabet", &opts.limit_alphabet, "N", 0, 256,
		"keep only the N most frequent bytes; texts lose the others, in training and in use. 0 is all 256"),
	OPT_INT(0, "max-token-length", &opts.max_token_length, "N", 0, 9e15,
		"merge to no token of N bytes or more, but for those of two. 0 is any length"),
	OPT_STRING(0, "pattern", &opts.pattern, "NAME",
		   "pre-tokenizer: gpt2, cl100k, llama3, qwen2 (single digits), o200k, or a regular expression"),
	OPT_CHOICE(0, "digits", &opts.digits, "pattern|individual", "cut numbers as the pattern does, or into single digits first"),
	OPT_LIST(0, "special", &opts.specials, "TOKEN",
		 "special token, in order of its id (may be repeated); without any: <|endoftext|>, <|im_start|>, <|im_end|>"),
	OPT_STRING(0, "chat-template", &opts.chat_template, "NAME", "chatml, none, or a file with a Jinja template"),
	OPT_GROUP("Resources"),
	{.type = OPT_TYPE_INT, .name = "memory", .value = &opts.memory, .arg = "BYTES", .min = 1 << 16, .max = 1e15, .no_provenance = true,
	 .help = "what counting may hold before it spills to $TMPDIR; learning needs what it needs"},
	OPT_END,
};

static struct tool tool = {
	.name = "bpe-train", .summary = "learn a byte-level BPE vocabulary", .operands = "[FILE ...]", .options = options,
	.max_operands = -1, .needs_output = true,
};

static const char *const default_specials[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
static const char chatml[] = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
			     "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

static struct {
	struct pretok_stage stages[2];
	int n_stages;
	struct piece_cutter *cutters;    /* per worker */
	struct word_counter *counter;
	int64_t bytes, words;
} train;

/* --- counting: batches in, their counts merged in order -------------------------------------------- */

struct item {
	struct batch *b;
	struct word_table counts;
	int64_t bytes;
};

static enum status read_item(void *arg, void **item, struct error *err)
{
	struct batch *b;
	struct item *it;

	(void)arg;
	TRY(tool_next(&tool, &b, err));
	it = mem_zalloc(sizeof(*it));
	it->b = b;
	*item = it;
	return OK;
}

static enum status count_text(struct item *it, struct piece_cutter *k, const struct array *a, int64_t row, struct error *err)
{
	struct buf clean = {0};
	size_t n;
	const char *s = array_text(a, row, &n);
	enum status st;

	it->bytes += (int64_t)n;
	if (utf8_valid_prefix(s, n) == n)
		return piece_count(k, s, n, &it->counts, err);
	utf8_append_lossy(&clean, s, n);
	st = piece_count(k, clean.data, clean.len, &it->counts, err);
	buf_release(&clean);
	return st;
}

static enum status work_item(void *arg, void *item, int worker, struct error *err)
{
	struct item *it = item;
	const struct array *text = batch_column(it->b, "text"), *messages = batch_column(it->b, "messages");
	int64_t from, to;

	(void)arg;
	for (int64_t row = 0; row < it->b->rows; row++) {
		if (text) {
			TRY(count_text(it, &train.cutters[worker], text, row, err));
			continue;
		}
		array_list(messages, row, &from, &to);
		for (int64_t m = from; m < to; m++)
			TRY(count_text(it, &train.cutters[worker], array_child(&messages->children[0], "content"), m, err));
	}
	return OK;
}

static enum status merge_item(void *arg, void *item, struct error *err)
{
	struct item *it = item;

	(void)arg;
	train.bytes += it->bytes;
	return word_counter_add(train.counter, &it->counts, err);
}

static void free_item(void *arg, void *item)
{
	struct item *it = item;

	(void)arg;
	word_table_release(&it->counts);
	batch_release(it->b);
	mem_free(it);
}

static enum status count_words(struct error *err)
{
	static const struct pipeline pl = {read_item, work_item, merge_item, free_item, NULL, 0, NULL};
	int threads = pool_threads(tool.pool);

	train.counter = word_counter_open((size_t)opts.memory);
	train.cutters = mem_array((size_t)threads, sizeof(*train.cutters));
	for (int i = 0; i < threads; i++) {
		train.cutters[i].stages = train.stages;
		train.cutters[i].n_stages = train.n_stages;
	}
	TRY(pool_pipeline(tool.pool, &pl, err));
	for (int i = 0; i < threads; i++)
		piece_cutter_release(&train.cutters[i]);
	mem_free(train.cutters);
	tool_stat_int(&tool, "bytes", train.bytes);
	if (word_counter_runs(train.counter))
		tool_stat_int(&tool, "runs", word_counter_runs(train.counter));
	return OK;
}

/* --- output -------------------------------------------------------------------------------------------- */

static enum status choose_pattern(struct bpe_describe *d, struct error *err)
{
	const char *known = pretok_pattern(opts.pattern), *pattern = known ? known : opts.pattern;

	if (opts.digits == DIGITS_INDIVIDUAL) {
		train.stages[train.n_stages++].kind = PRETOK_DIGIT;
		d->single_digits = true;
	}
	if (pretok_compile(&train.stages[train.n_stages], pattern, strlen(pattern), err) != OK)
		return error_prefix(err, ERR_USAGE, "--pattern");
	if (train.stages[train.n_stages++].kind != PRETOK_GPT2)
		d->pattern = pattern;
	return OK;
}

static enum status choose_template(struct bpe_describe *d, struct buf *file, struct error *err)
{
	if (!strcmp(opts.chat_template, "chatml")) {
		d->chat_template = chatml;
	} else if (strcmp(opts.chat_template, "none")) {
		TRY(file_read_all(opts.chat_template, 1 << 20, file, err));
		if (utf8_valid_prefix(file->data, file->len) < file->len)
			return error_set(err, ERR_DATA, "%s: not UTF-8", opts.chat_template);
		d->chat_template = file->data;
		TRY(tool_add_input(&tool, opts.chat_template, err));
	}
	return OK;
}

/* The roles of the special tokens: the first ends a document and pads; with <|im_end|> present, that ends a turn. */
static void choose_roles(struct bpe_describe *d, const char *const *specials, int n)
{
	d->eos = n ? specials[0] : NULL;
	d->pad = d->eos;
	for (int i = 0; i < n; i++)
		if (!strcmp(specials[i], "<|im_end|>") && d->chat_template)
			d->eos = specials[i];
}

static enum status write_file(const char *name, const struct buf *b, struct error *err)
{
	char *path = path_join(tool.out_path, name);
	enum status st = file_write_all(path, b->data, b->len, err);

	mem_free(path);
	return st;
}

static enum status write_directory(const struct bpe_vocab *v, const struct bpe_describe *d, struct error *err)
{
	struct buf config = {0}, specials = {0}, tokenizer = {0};
	enum status st = dir_make(tool.out_path, err);

	bpe_print_config(v, d, &config);
	bpe_print_specials(d, &specials);
	bpe_print_tokenizer(v, d, &tokenizer);
	if (st == OK)
		st = write_file("tokenizer_config.json", &config, err);
	if (st == OK)
		st = write_file("special_tokens_map.json", &specials, err);
	if (st == OK)
		st = write_file("tokenizer.json", &tokenizer, err);
	if (st == OK)
		st = tool_write_provenance(&tool, tool.out_path, err);
	if (st == OK)
		st = dir_sync(tool.out_path, err);
	buf_release(&config);
	buf_release(&specials);
	buf_release(&tokenizer);
	return st;
}

/* --- learning ------------------------------------------------------------------------------------------ */

static void add_word(void *trainer, const char *p, size_t n, uint64_t count)
{
	bpe_trainer_add(trainer, p, n, count);
	train.words++;
}

static enum status learn(const char *const *specials, int n, struct bpe_vocab *v, struct error *err)
{
	const struct bpe_train_options o = {
		.specials = specials, .n_specials = n, .vocab_size = opts.vocab_size, .min_frequency = opts.min_frequency,
		.limit_alphabet = opts.limit_alphabet, .max_token_length = opts.max_token_length, .progress = tool.progress,
	};
	struct bpe_trainer *t = bpe_trainer_open();
	enum status st;

	mem_give_back();
	st = word_counter_drain(train.counter, add_word, t, err);

	word_counter_close(train.counter);
	if (st == OK)
		st = bpe_trainer_learn(t, &o, v, err);
	bpe_trainer_close(t);
	if (st != OK)
		return st;
	tool_stat_int(&tool, "pieces", train.words);
	tool_stat_int(&tool, "vocab", v->n_tokens);
	tool_stat_int(&tool, "merges", v->n_merges);
	if (v->n_tokens < opts.vocab_size)
		tool_warn(&tool, "the text gives %d tokens only, not %lld", v->n_tokens, (long long)opts.vocab_size);
	return OK;
}

static enum status run(struct error *err)
{
	static const enum kind kinds[] = {KIND_DOCUMENTS, KIND_CHAT};
	const char *const *specials = opts.specials.n ? opts.specials.items : default_specials;
	int n = opts.specials.n ? opts.specials.n : 3;
	struct bpe_describe d = {0};
	struct bpe_vocab v = {0};
	struct buf template = {0};
	enum status st;

	unicode_init();
	TRY(choose_pattern(&d, err));
	st = choose_template(&d, &template, err);
	choose_roles(&d, specials, n);
	if (st == OK)
		st = tool_open_inputs(&tool, kinds, 2, err);
	if (st == OK)
		st = count_words(err);
	if (st == OK)
		st = learn(specials, n, &v, err);
	if (st == OK)
		st = write_directory(&v, &d, err);
	bpe_vocab_release(&v);
	buf_release(&template);
	return st;
}

int main(int argc, char **argv)
{
	struct error err;

	tool_start(&tool, argc, argv);
	return tool_end(&tool, run(&err), &err);
}
