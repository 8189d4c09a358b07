/* quern init-model - a model directory with random weights: a preset or a config.json, sized by options and tokenizer.
 *
 * Matrices are drawn from normal(0, initializer_range), norms are ones; --seed and the shape decide every bit. */
#include "common/tool.h"
#include "model/model.h"
#include "token/tokenizer.h"

#include <stdio.h>

static struct {
	int preset, family;
	const char *tokenizer;
	int64_t vocab, hidden, layers, heads, kv_heads, head_dim, ffn, positions;
	double rope_theta, init_range;
	bool tied;
} opts = { .tied = true };

enum { O_PRESET, O_FAMILY, O_TOKENIZER, O_SHAPE, O_VOCAB, O_HIDDEN, O_LAYERS, O_HEADS, O_KV_HEADS, O_HEAD_DIM, O_FFN, O_POSITIONS,
       O_TIED, O_THETA, O_RANGE };
static struct opt options[] = {
	[O_PRESET] = OPT_CHOICE(0, "preset", &opts.preset, "none|tiny|small|medium|large",
				"start from this shape instead of a config.json"),
	[O_FAMILY] = OPT_CHOICE(0, "family", &opts.family, "llama|mistral|qwen2|qwen3|phi3|gemma2|gemma3|gpt2",
				"architecture of a preset"),
	[O_TOKENIZER] = OPT_STRING('t', "tokenizer", &opts.tokenizer, "DIR",
				   "take vocabulary size and special tokens from here, and copy it"),
	[O_SHAPE] = OPT_GROUP("Shape (0 is as the preset or the configuration has it)"),
	[O_VOCAB] = OPT_INT(0, "vocab-size", &opts.vocab, "N", 0, 1 << 24, "tokens in the vocabulary"),
	[O_HIDDEN] = OPT_INT(0, "hidden", &opts.hidden, "N", 0, 1 << 20, "width of the residual stream"),
	[O_LAYERS] = OPT_INT(0, "layers", &opts.layers, "N", 0, 4096, "layers"),
	[O_HEADS] = OPT_INT(0, "heads", &opts.heads, "N", 0, 1 << 20, "attention heads"),
	[O_KV_HEADS] = OPT_INT(0, "kv-heads", &opts.kv_heads, "N", 0, 1 << 20, "key-value heads that the heads share"),
	[O_HEAD_DIM] = OPT_INT(0, "head-dim", &opts.head_dim, "N", 0, 1 << 20, "width of a head; 0 is hidden / heads"),
	[O_FFN] = OPT_INT(0, "ffn", &opts.ffn, "N", 0, 1 << 22, "width of the feed-forward layers"),
	[O_POSITIONS] = OPT_INT(0, "positions", &opts.positions, "N", 0, 1 << 26, "longest sequence"),
	[O_TIED] = OPT_FLAG(0, "tied", &opts.tied, "one matrix for input and output embeddings"),
	[O_THETA] = OPT_DOUBLE(0, "rope-theta", &opts.rope_theta, "X", 0, 1e12, "base of the rotary angles"),
	[O_RANGE] = OPT_DOUBLE(0, "init-range", &opts.init_range, "X", 0, 10, "standard deviation of the random matrices"),
	OPT_END,
};

static struct tool tool = {
	.name = "init-model", .summary = "make a model directory with random weights",
	.operands = "[CONFIG] -o DIR", .options = options, .max_operands = 1, .needs_output = true,
};

/* The sizes in words are of a Llama without embeddings. */
static const struct {
	int layers, hidden, heads, kv_heads, ffn, positions;
} presets[] = {
	{ 0 },
	{ 4, 192, 6, 6, 512, 512 },          /* 1.8 M */
	{ 8, 384, 6, 6, 1024, 1024 },        /* 14 M */
	{ 12, 768, 12, 4, 2048, 2048 },      /* 75 M */
	{ 24, 1024, 16, 8, 2816, 2048 },     /* 280 M */
};

/* A preset's sizes with a family's features. What has no gate is wider; where layers have a window, it is half the length. */
static enum status from_preset(struct model_config *c, struct error *err)
{
	static const char *const types[] = { "llama", "mistral", "qwen2", "qwen3", "phi3", "gemma2", "gemma3_text", "gpt2" };
	int i = opts.preset;

	TRY(model_config_family(c, types[opts.family], err));
	c->n_layers = presets[i].layers;
	c->hidden = presets[i].hidden;
	c->heads = presets[i].heads;
	c->kv_heads = c->learned_positions ? c->heads : presets[i].kv_heads;
	c->head_dim = c->hidden / c->heads;
	c->ffn = c->act == ACT_GELU ? 4 * c->hidden : presets[i].ffn;
	c->trained_positions = presets[i].positions;
	c->window = c->window ? presets[i].positions / 2 : 0;
	c->norm_eps = c->norm_eps < 1e-5f ? 1e-5f : c->norm_eps;
	c->tied = true;
	return OK;
}

static void set(int *field, int64_t v)
{
	if (v)
		*field = (int)v;
}

/* A head's width and the sharing of heads follow a new number of heads, unless they are given themselves. */
static void override(struct model_config *c)
{
	set(&c->vocab, opts.vocab);
	set(&c->hidden, opts.hidden);
	set(&c->n_layers, opts.layers);
	set(&c->heads, opts.heads);
	set(&c->ffn, opts.ffn);
	set(&c->trained_positions, opts.positions);
	if (opts.kv_heads || opts.heads)
		c->kv_heads = (int)(opts.kv_heads ? opts.kv_heads : opts.heads);
	if (opts.head_dim)
		c->head_dim = (int)opts.head_dim;
	else if (opts.hidden || opts.heads)
		c->head_dim = c->hidden / c->heads;
	if (opts.preset && c->query_scale > 0)
		c->query_scale = c->head_dim;
	if (options[O_TIED].given)
		c->tied = opts.tied;
	if (opts.rope_theta > 0)
		c->rope_theta = opts.rope_theta;
	if (options[O_RANGE].given)
		c->init_range = (float)opts.init_range;
}

static enum status from_tokenizer(struct model_config *c, const struct tokenizer *t, struct error *err)
{
	int32_t size = tokenizer_vocab_size(t);

	if (!opts.vocab)
		c->vocab = size;
	if (c->vocab < size)
		return error_set(err, ERR_USAGE, "--vocab-size %d is less than the tokenizer's %d", c->vocab, size);
	c->bos_id = tokenizer_bos(t);
	c->eos_id = tokenizer_eos(t);
	c->n_ends = 0;               /* those of another vocabulary */
	c->pad_id = tokenizer_pad(t);
	return OK;
}

/* The same checks as for a config.json from outside: what we write, we can read. */
static enum status check(const struct model_config *c, struct error *err)
{
	struct buf b = { 0 };
	struct json_parser *p;
	struct model_config again;
	struct error cause;
	const struct json *j;
	enum status st;

	if (!c->vocab)
		return error_set(err, ERR_USAGE, "how many tokens? -t TOKENIZER or --vocab-size says it");
	if (c->head_dim * c->heads != c->hidden && !opts.head_dim && (opts.hidden || opts.heads))
		return error_set(err, ERR_USAGE, "--hidden %d cannot be shared by %d heads; --head-dim would free it", c->hidden,
				 c->heads);
	model_config_print(c, "float32", &b);
	p = json_parser_open();
	st = json_parse(p, b.data, b.len, &j, &cause);
	if (st == OK)
		st = model_config_parse(j, &again, &cause);
	json_parser_close(p);
	buf_release(&b);
	if (st != OK)
		return error_set(err, ERR_USAGE, "no such model: %s", cause.text);
	if (again.kv_heads != c->kv_heads || again.head_dim != c->head_dim)
		return error_set(err, ERR_USAGE, "the configuration of a %s says nothing of its %s", c->model_type,
				 again.kv_heads != c->kv_heads ? "key-value heads" : "head's width");
	if (c->learned_positions && opts.rope_theta > 0)
		return error_set(err, ERR_USAGE, "a %s has no rotary positions for --rope-theta", c->model_type);
	return OK;
}

static enum status write_model(const struct model_config *c, const struct tokenizer *t, struct error *err)
{
	struct model m;
	enum status st;

	TRY(model_init(&m, c, (uint64_t)tool.seed, kernels_cpu(), tool.pool, err));
	st = dir_make(tool.out_path, err);
	if (st == OK && t)
		st = tokenizer_copy_files(t, tool.out_path, err);
	if (st == OK)
		st = tool_write_provenance(&tool, tool.out_path, err);
	if (st == OK)
		st = model_save(&m, tool.out_path, err);
	tool_stat_int(&tool, "parameters", m.n_params);
	tool_stat_int(&tool, "vocab", c->vocab);
	model_release(&m);
	return st;
}

static enum status run(struct error *err)
{
	struct tokenizer *t = NULL;
	struct model_config c;
	enum status st = OK;

	if ((opts.preset != 0) == (tool.files.n != 0))
		return error_set(err, ERR_USAGE, "either --preset or a config.json is needed");
	if (opts.preset) {
		TRY(from_preset(&c, err));
	} else {
		TRY(tool_add_input(&tool, tool.files.items[0], err));
		TRY(model_config_read(tool.files.items[0], &c, err));
		if (options[O_FAMILY].given)
			st = error_set(err, ERR_USAGE, "--family is of a preset; a config.json has its own");
	}
	override(&c);
	if (opts.tokenizer && st == OK) {
		st = tool_add_input(&tool, opts.tokenizer, err);
		if (st == OK)
			st = tokenizer_load(&t, opts.tokenizer, err);
		if (st == OK)
			st = from_tokenizer(&c, t, err);
	}
	if (st == OK)
		st = check(&c, err);
	if (st == OK)
		st = write_model(&c, t, err);
	if (t)
		tokenizer_close(t);
	model_config_release(&c);
	return st;
}

int main(int argc, char **argv)
{
	struct error err;

	tool_start(&tool, argc, argv);
	return tool_end(&tool, run(&err), &err);
}
