/* quern tokenize-bpe - text to token ids: documents, conversations, problems, preferences, prompts with a completion.
 *
 * The ids are those of Hugging Face's library with the same tokenizer.json; conversations go through the chat template, whose
 * special tokens are the only ones: what a message says stays text. loss_mask says which ids a loss is taken on. --decode turns
 * tokens back into documents, --count tells how many there are and writes no stream, --export writes the tokenizer itself in
 * another form. */
#include "common/tokenizer.h"
#include "token/encoder.h"
#include "token/tally.h"

#include <string.h>

static struct {
	const char *tokenizer, *chat_template, *export_to;
	bool count;
	int loss_on;                     /* enum loss_on */
	struct encoder_options rows;
} opts = {.rows.eos = true};

static struct opt options[] = {
	OPT_GROUP("Tokens"),
	OPT_STRING('t', "tokenizer", &opts.tokenizer, "DIR", "directory with tokenizer.json, or the file"),
	OPT_STRING(0, "chat-template", &opts.chat_template, "FILE", "Jinja template instead of the tokenizer's own"),
	OPT_CHOICE(0, "loss-on", &opts.loss_on, LOSS_ON_NAMES,
		   "what loss_mask marks: every assistant turn, the last one or the completion alone, or all; auto is assistant in chat, completion where rows have one"),
	OPT_FLAG(0, "eos", &opts.rows.eos, "documents, completions of plain text: end each with the end-of-text token"),
	OPT_STRING(0, "eos-token", &opts.rows.eos_token, "TOKEN", "that token; without, <|endoftext|> or else the tokenizer's eos_token"),
	OPT_INT(0, "max-length", &opts.rows.max_length, "N", 0, 2147483647, "reject rows of more than N tokens; 0 is no limit"),
	OPT_FLAG(0, "truncate", &opts.rows.truncate, "cut long rows at --max-length instead (prompts are never cut)"),
	OPT_FLAG(0, "offsets", &opts.rows.offsets, "documents: columns starts and ends, the bytes of the text that each token stands for"),
	OPT_FLAG(0, "parse-special", &opts.rows.parse_special, "documents: special tokens in the text become their ids; else they are text"),
	OPT_FLAG(0, "keep-text", &opts.rows.keep_text, "keep the columns of text beside the ids"),
	OPT_GROUP("Instead of tokens"),
	OPT_FLAG(0, "count", &opts.count, "print how many tokens there are, in all and by source"),
	OPT_FLAG(0, "decode", &opts.rows.decode, "tokens to documents"),
	OPT_STRING(0, "export", &opts.export_to, "NAME",
		   "write the tokenizer itself, if it can be said so: NAME.json, NAME.tiktoken (ranks), NAME/ (vocab.json and merges.txt)"),
	OPT_FLAG(0, "skip-special", &opts.rows.skip_special, "with --decode: leave special tokens out of the text"),
	OPT_END,
};

static struct tool tool = {
	.name = "tokenize-bpe", .summary = "turn text into token ids", .operands = "[FILE ...]", .options = options,
	.max_operands = -1,
};

static struct {
	struct tokenizer *t;
	struct encoder *encoder;
	struct tally *tallies;           /* --count, per worker */
} run_state;

/* --- counting ---------------------------------------------------------------------------------------------- */

/* The bytes of what the ids stand for: of a document's text, else of what the template has made of it. */
static void count_ids(const struct array *ids, int64_t row, struct tally_row *sum)
{
	int64_t n;
	const int32_t *v = array_int32s(ids, row, &n);

	if (!field_is_list_of(ids->field, T_INT32))
		return;
	sum->tokens += n;
	for (int64_t i = 0; i < n; i++) {
		size_t bytes;

		tokenizer_bytes(run_state.t, v[i], &bytes);
		sum->bytes += (int64_t)bytes;
		sum->unknown += tokenizer_is_unknown(run_state.t, v[i]);
		sum->fallback += tokenizer_is_fallback(run_state.t, v[i]);
	}
}

/* The rows of a batch of ours, made of the rows of b that are not rejected. */
static void count_batch(struct tally *t, struct batch *b, const struct batch *made, const char **reject)
{
	const struct array *text = batch_column(b, "text"), *source = batch_column(b, "source");
	bool named = source && field_is_text(source->field);

	for (int64_t row = 0, k = 0; row < b->rows; row++) {
		struct tally_row sum = {.rows = 1};
		const char *name = NULL;
		size_t n = 0;

		if (reject[row])
			continue;
		for (int i = 0; i < made->schema->n_fields; i++)
			count_ids(&made->columns[i], k, &sum);
		k++;
		if (tool_kind(&tool) == KIND_DOCUMENTS) {
			array_text(text, row, &n);
			sum.bytes = (int64_t)n;
		}
		if (named && !array_is_null(source, row))
			name = array_text(source, row, &n);
		tally_add(t, name, n, &sum);
	}
}

static enum status print_counts(const struct tally *t, struct error *err)
{
	struct buf text = {0};
	struct output *out;
	enum status st = output_open(&out, tool.out_path, err);

	if (t->too_many)
		tool_warn(&tool, "more than %d sources: they are not told apart", TALLY_SOURCES_MAX);
	(tool.format == FORMAT_JSONL ? tally_print_json : tally_print)(t, &text);
	if (st == OK)
		st = output_write(out, text.data, text.len, err);
	if (st == OK)
		st = output_commit(out, err);
	else
		output_abort(out);
	buf_release(&text);
	return st;
}

static enum status count(struct error *err)
{
	struct tally sum = {0};
	enum status st;

	for (int i = 0; i < pool_threads(tool.pool); i++)
		tally_merge(&sum, &run_state.tallies[i]);
	tool_stat_int(&tool, "tokens", sum.all.tokens);
	tool_stat_int(&tool, "bytes", sum.all.bytes);
	if (sum.all.tokens)
		tool_stat_double(&tool, "bytes_per_token", (double)sum.all.bytes / (double)sum.all.tokens);
	tool_stat_int(&tool, "unknown", sum.all.unknown);
	tool_stat_int(&tool, "fallback", sum.all.fallback);
	st = print_counts(&sum, err);
	tally_release(&sum);
	return st;
}

/* --- the run ---------------------------------------------------------------------------------------------- */

static enum status work(void *arg, struct batch *b, struct batch **result, const char **reject, int worker, struct error *err)
{
	(void)arg;
	TRY(encoder_batch(run_state.encoder, b, result, reject, worker, err));
	if (opts.count) {
		count_batch(&run_state.tallies[worker], b, *result, reject);
		batch_release(*result);
		*result = NULL;
	}
	return OK;
}

static enum status load(struct error *err)
{
	if (!opts.tokenizer)
		return error_set(err, ERR_USAGE, "-t is missing: the directory of a tokenizer");
	if (opts.rows.truncate && !opts.rows.max_length)
		return error_set(err, ERR_USAGE, "--truncate needs --max-length");
	return tool_load_tokenizer(&tool, opts.tokenizer, true, opts.chat_template, &run_state.t, err);
}

static enum status convert(struct error *err)
{
	static const struct filter filter = {.work = work};
	int workers = pool_threads(tool.pool);
	enum status st;

	TRY(opts.count ? tool_open_rejects(&tool, err)
		       : tool_open_output(&tool, encoder_schema(run_state.encoder), encoder_kind(run_state.encoder), err));
	run_state.tallies = mem_array((size_t)workers, sizeof(*run_state.tallies));
	st = tool_filter(&tool, &filter, err);
	if (opts.count && (st == OK || st == END))
		st = count(err);
	for (int i = 0; i < workers; i++)
		tally_release(&run_state.tallies[i]);
	mem_free(run_state.tallies);
	return st == OK || st == END ? tool_commit(&tool, err) : st;
}

static enum status run(struct error *err)
{
	static const enum kind back[] = {KIND_TOKENS};
	enum status st;

	if (opts.count && (opts.rows.decode || opts.rows.offsets))
		return error_set(err, ERR_USAGE, "--count, --decode and --offsets exclude each other");
	if (opts.export_to && tool.files.n)
		return error_set(err, ERR_USAGE, "--export reads no FILE");
	TRY(load(err));
	if (opts.export_to)
		return tokenizer_export(run_state.t, opts.export_to, err);
	TRY(tool_open_inputs(&tool, back, opts.rows.decode ? 1 : 0, err));
	opts.rows.name = opts.tokenizer;
	opts.rows.loss_on = (enum loss_on)opts.loss_on;
	opts.rows.ids_only = opts.count;
	st = encoder_open(&run_state.encoder, run_state.t, &opts.rows, tool_kind(&tool), tool_schema(&tool), pool_threads(tool.pool), err);
	if (st != OK)
		return st == ERR_DATA ? error_prefix(err, st, "%s", tool_where(&tool)) : st;
	st = convert(err);
	encoder_close(run_state.encoder);
	return st;
}

int main(int argc, char **argv)
{
	struct error err;

	tool_start(&tool, argc, argv);
	return tool_end(&tool, run(&err), &err);
}
