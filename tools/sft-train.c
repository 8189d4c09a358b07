/* quern sft-train - next-token cross-entropy over packed or single sequences: pre-training and supervised fine-tuning.
 *
 * Reads the data into memory (libcore/train/rows.h), text through the tokenizer and the packer (libcore/token/encoder.h,
 * packer.h) as tokenize-bpe and pack would, then trains (libcore/train/session.h): checkpoints, metrics, and at the end a Hugging
 * Face model directory. The same command after a kill goes on and ends in the same bytes. */
#include "common/model.h"
#include "common/tokenizer.h"
#include "common/train.h"
#include "token/encoder.h"
#include "train/rows.h"

#define DEFAULT_LENGTH 1024

static struct {
	struct train_flags train;
	struct device_flags device;
	const char *tokenizer, *chat_template;
	struct encoder_options rows;
	struct packer_options pack;
	int loss_on, strategy, overlong;
	int64_t length, batch_tokens;
	double label_smoothing, z_loss, neftune_alpha;
} opts = {
	.train = { TRAIN_FLAGS_DEFAULT, .lr = 1e-3, .weight_decay = 0.1 }, .device = DEVICE_FLAGS_DEFAULT,
	.rows.eos = true, .pack.window = PACKER_WINDOW, .batch_tokens = 16384,
};

static struct opt options[] = {
	TRAIN_FLAGS_DATA(opts.train),
	DEVICE_FLAGS(opts.device),
	OPT_INT(0, "batch-tokens", &opts.batch_tokens, "N", 1, 1e12, "most tokens of an optimizer step (one row at least)"),
	OPT_GROUP("Text as data"),
	OPT_STRING('t', "tokenizer", &opts.tokenizer, "DIR", "tokenizer of the text, which also goes with the model; without, that of -m"),
	OPT_STRING(0, "chat-template", &opts.chat_template, "FILE", "Jinja template instead of the tokenizer's own"),
	OPT_CHOICE(0, "loss-on", &opts.loss_on, LOSS_ON_NAMES, "what is learned from, as of tokenize-bpe"),
	OPT_FLAG(0, "eos", &opts.rows.eos, "documents, completions of plain text: end each with the end-of-text token"),
	OPT_STRING(0, "eos-token", &opts.rows.eos_token, "TOKEN", "that token; without, <|endoftext|> or else the tokenizer's eos_token"),
	OPT_INT('L', "length", &opts.length, "N", 0, 16777216, "tokens of a packed row; 0 is 1024 or what the model has positions for"),
	OPT_CHOICE(0, "strategy", &opts.strategy, PACK_STRATEGY_NAMES, "how rows are packed, as of pack"),
	OPT_CHOICE(0, "overlong", &opts.overlong, PACK_OVERLONG_NAMES, "what becomes of texts longer than a row, as of pack"),
	OPT_INT(0, "window", &opts.pack.window, "TOKENS", 1, 1e12, "bfd: tokens packed together"),
	OPT_GROUP("Objective"),
	OPT_DOUBLE(0, "label-smoothing", &opts.label_smoothing, "X", 0, 0.9999, "share of the loss that is spread over the vocabulary"),
	OPT_DOUBLE(0, "z-loss", &opts.z_loss, "X", 0, 10, "weight of the squared logarithm of the softmax's sum; PaLM took 1e-4"),
	OPT_DOUBLE(0, "neftune-alpha", &opts.neftune_alpha, "X", 0, 1000, "size of noise on the embeddings while training; 5 is usual, 0 is none"),
	ADAPTER_FLAGS(opts.train.adapter),
	TRAIN_FLAGS_EVAL(opts.train),
	TRAIN_FLAGS_OPTIMIZER(opts.train),
	TRAIN_FLAGS_RUN(opts.train),
	OPT_END,
};

static struct tool tool = {
	.name = "sft-train", .summary = "train a language model on text, packed rows or single sequences",
	.operands = "-m DIR [FILE ...] -o DIR", .options = options, .max_operands = -1,
};

static struct model model;

/* --- rows ------------------------------------------------------------------------------------- */

/* What is read now: the input, then --eval. */
static struct {
	struct tokenizer *tokenizer; /* NULL: the model has none */
	bool taken;                  /* it is used, as the options say */
	struct encoder *encoder;     /* NULL where rows are tokens already */
	struct packer *packer;
	struct dataset *data;
	int64_t packs_without_loss;
} text;

static bool takes_text(enum kind k)
{
	return k == KIND_DOCUMENTS || k == KIND_CHAT || k == KIND_COMPLETIONS || k == KIND_SCORES;
}

static enum status add_pack(void *arg, const struct pack *p, struct error *err)
{
	const char *reason;

	(void)arg;
	TRY(rows_add_pack(text.data, &model.cfg, p, &reason, err));
	text.packs_without_loss += reason != NULL;
	return OK;
}

static void close_encoder(void)
{
	encoder_close(text.encoder);
	packer_close(text.packer);
	text.encoder = NULL;
	text.packer = NULL;
}

static void close_text(void)
{
	close_encoder();
	tokenizer_close(text.tokenizer);
	text.tokenizer = NULL;
}

/* All text is read: what it took is given back before memory for training is taken. */
static enum status prepare(void *arg, struct training *t, struct error *err)
{
	(void)arg, (void)t, (void)err;
	close_text();
	return OK;
}

static const char *tokenizer_dir(void)
{
	return opts.tokenizer ? opts.tokenizer : opts.train.model;
}

/* That of the model is loaded where there is one, needed or not: it says how many ids there are. */
static enum status load_tokenizer(struct error *err)
{
	char *path = path_join(tokenizer_dir(), "tokenizer.json");
	bool has = path_exists(path);

	mem_free(path);
	return has || opts.tokenizer ? tokenizer_load(&text.tokenizer, tokenizer_dir(), err) : OK;
}

static enum status take_tokenizer(enum kind k, struct error *err)
{
	if (!text.tokenizer)
		return error_set(err, ERR_USAGE, "to train on %s takes a tokenizer: -m %s has none, -t names one", kind_name(k), opts.train.model);
	return tool_take_tokenizer(&tool, tokenizer_dir(), opts.tokenizer, opts.chat_template, text.tokenizer, err);
}

static enum status begin(void *arg, struct dataset *d, const struct schema *s, enum kind k, struct error *err)
{
	bool first = !text.data;

	(void)arg;
	text.data = d;
	close_encoder();
	if (first && !takes_text(k) && (opts.chat_template || opts.rows.eos_token || opts.length))
		return error_set(err, ERR_USAGE, "--chat-template, --eos-token and --length are for text; these rows are %s already",
				 kind_name(k));
	if (!takes_text(k))
		return OK;
	if (!text.taken)
		TRY(take_tokenizer(k, err));
	text.taken = true;
	opts.rows.name = tokenizer_dir();
	opts.rows.loss_on = (enum loss_on)opts.loss_on;
	TRY(encoder_open(&text.encoder, text.tokenizer, &opts.rows, k, s, pool_threads(tool.pool), err));
	opts.pack.length = opts.length ? opts.length : model.cfg.positions < DEFAULT_LENGTH ? model.cfg.positions : DEFAULT_LENGTH;
	opts.pack.strategy = (enum pack_strategy)opts.strategy;
	opts.pack.overlong = (enum pack_overlong)opts.overlong;
	text.packer = packer_open(&opts.pack, add_pack, NULL);
	return OK;
}

static enum status encode(void *arg, struct batch *b, struct batch **out, const char **reject, int worker, struct error *err)
{
	(void)arg;
	return encoder_batch(text.encoder, b, out, reject, worker, err);
}

static enum status add(void *arg, struct dataset *d, enum kind k, struct batch *b, int64_t row, const char **reason,
		       struct error *err)
{
	(void)arg;
	return text.packer ? packer_add(text.packer, b, row, reason, err) : rows_add_sequences(d, &model.cfg, k, b, row, reason, err);
}

static enum status end(void *arg, struct dataset *d, struct error *err)
{
	(void)arg, (void)d;
	if (!text.packer)
		return OK;
	TRY(packer_end(text.packer, err));
	if (text.packs_without_loss)
		tool_stat_int(&tool, "packs_without_loss", text.packs_without_loss);
	return OK;
}

/* --- the run ---------------------------------------------------------------------------------- */

/* The model, with embeddings for a tokenizer that has grown since it was made. */
static enum status load(struct error *err)
{
	struct adapter_config lora;
	struct model_how how;
	const struct kernels *k;
	enum status st;

	TRY(tool_open_device(&tool, &opts.device, opts.train.bf16, &k, err));
	TRY(adapter_flags_how(&opts.train.adapter, opts.train.model, tool.seed, &lora, &how, err));
	how.plan = opts.train.plan;
	st = load_tokenizer(err);
	how.vocab = text.tokenizer ? tokenizer_vocab_size(text.tokenizer) : 0;
	if (st == OK)
		st = model_load_as(&model, opts.train.model, &how, k, tool.pool, err);
	adapter_config_release(&lora);
	return st == OK && model.cfg.labels ?
	       error_set(err, ERR_DATA, "%s is a reward model: it rates what others say", opts.train.model) : st;
}

static enum status check_length(struct error *err)
{
	int64_t most = (int64_t)model.cfg.positions + 1;     /* a row's last token is only predicted */

	if (opts.length == 1 || opts.length > most)
		return error_set(err, ERR_USAGE, "--length %lld: the model has %d positions", (long long)opts.length,
				 model.cfg.positions);
	return OK;
}

static enum status run(struct error *err)
{
	static const enum kind kinds[] = { KIND_CHAT, KIND_DOCUMENTS, KIND_COMPLETIONS, KIND_SCORES, KIND_TOKENS, KIND_PACKED };
	struct training t = { .tool = &tool, .flags = &opts.train, .model = &model, .tokenizer = opts.tokenizer,
			      .chat_template = opts.chat_template, .items = "rows", .kinds = kinds, .n_kinds = 6, .n_shown = 1,
			      .begin = begin, .add = add, .end = end, .takes_text = takes_text, .encode = encode, .prepare = prepare,
			      .batch_tokens = opts.batch_tokens, .neftune_alpha = opts.neftune_alpha };
	struct sft sft = { .label_smoothing = opts.label_smoothing, .z_loss = opts.z_loss };
	struct objective objective = sft_objective(&sft);
	enum status st;

	TRY(training_check(&t, err));
	if (!opts.train.plan)        /* which reads all of it */
		TRY(tool_add_model(&tool, opts.train.model, NULL, err));
	st = load(err);
	if (st == OK)
		st = check_length(err);
	if (st == OK)
		st = training_run(&t, &objective, err);
	close_text();
	model_release(&model);
	return st;
}

int main(int argc, char **argv)
{
	struct error err;

	tool_start(&tool, argc, argv);
	return tool_end(&tool, run(&err), &err);
}
