#include "model/family.h"

#include <string.h>

#define DECODER "model.", "model.layers.%d."
#define OUTSIDE [PART_EMBED] = "model.embed_tokens", [PART_NORM] = "model.norm", [PART_HEAD] = "lm_head"
#define SELF_ATTENTION [PART_Q] = "self_attn.q_proj", [PART_K] = "self_attn.k_proj", [PART_V] = "self_attn.v_proj"
#define GATED [PART_GATE] = "mlp.gate_proj", [PART_UP] = "mlp.up_proj", [PART_DOWN] = "mlp.down_proj"

static const struct part_names llama_names = { DECODER, false, {
	OUTSIDE, SELF_ATTENTION, GATED, [PART_ATTN_NORM] = "input_layernorm", [PART_OUT] = "self_attn.o_proj",
	[PART_MLP_NORM] = "post_attention_layernorm", [PART_Q_NORM] = "self_attn.q_norm", [PART_K_NORM] = "self_attn.k_norm",
} };
static const struct part_names phi3_names = { DECODER, false, {
	OUTSIDE, [PART_ATTN_NORM] = "input_layernorm", [PART_QKV] = "self_attn.qkv_proj", [PART_OUT] = "self_attn.o_proj",
	[PART_MLP_NORM] = "post_attention_layernorm", [PART_GATE_UP] = "mlp.gate_up_proj", [PART_DOWN] = "mlp.down_proj",
} };
static const struct part_names gemma_names = { DECODER, false, {
	OUTSIDE, SELF_ATTENTION, GATED, [PART_ATTN_NORM] = "input_layernorm", [PART_OUT] = "self_attn.o_proj",
	[PART_ATTN_POST] = "post_attention_layernorm", [PART_MLP_NORM] = "pre_feedforward_layernorm",
	[PART_MLP_POST] = "post_feedforward_layernorm", [PART_Q_NORM] = "self_attn.q_norm",
	[PART_K_NORM] = "self_attn.k_norm",
} };
static const struct part_names gpt2_names = { "transformer.", "transformer.h.%d.", true, {
	[PART_EMBED] = "transformer.wte", [PART_POSITIONS] = "transformer.wpe", [PART_NORM] = "transformer.ln_f",
	[PART_HEAD] = "lm_head", [PART_ATTN_NORM] = "ln_1", [PART_QKV] = "attn.c_attn", [PART_OUT] = "attn.c_proj",
	[PART_MLP_NORM] = "ln_2", [PART_GATE_UP] = "mlp.c_fc", [PART_DOWN] = "mlp.c_proj",
} };

static const struct family families[] = {
	{ .architecture = "LlamaForCausalLM", .model_type = "llama", .names = &llama_names, .bias = BIAS_ASKED, .mlp_bias = true,
	  .act_key = "hidden_act", .act = "silu", .positions = 2048, .eps = 1e-6, .theta = 1e4, .token_head = CLASSIFIER_HEAD },
	{ .architecture = "MistralForCausalLM", .model_type = "mistral", .names = &llama_names, .windows = WINDOW_ALL,
	  .window = 4096, .act_key = "hidden_act", .act = "silu", .kv_heads = 8, .positions = 4096 * 32, .eps = 1e-6,
	  .theta = 1e4, .token_head = CLASSIFIER_HEAD },
	{ .architecture = "Qwen2ForCausalLM", .model_type = "qwen2", .names = &llama_names, .bias = BIAS_QKV,
	  .windows = WINDOW_UPPER, .window = 4096, .act_key = "hidden_act", .act = "silu", .kv_heads = 32, .positions = 32768,
	  .eps = 1e-6, .theta = 1e4, .token_head = CLASSIFIER_HEAD },
	{ .architecture = "Qwen3ForCausalLM", .model_type = "qwen3", .names = &llama_names, .bias = BIAS_ASKED, .qk_norm = true,
	  .windows = WINDOW_UPPER, .window = 4096, .act_key = "hidden_act", .act = "silu", .kv_heads = 32, .head_dim = 128,
	  .positions = 32768, .eps = 1e-6, .theta = 1e4, .token_head = CLASSIFIER_HEAD },
	{ .architecture = "Phi3ForCausalLM", .model_type = "phi3", .names = &phi3_names, .windows = WINDOW_ALL,
	  .rotary_share = true, .act_key = "hidden_act", .act = "silu", .positions = 4096, .eps = 1e-5, .theta = 1e4,
	  .token_head = CLASSIFIER_HEAD },
	{ .architecture = "Gemma2ForCausalLM", .model_type = "gemma2", .names = &gemma_names, .norm_plus = 1,
	  .post_norms = true, .scale_embed = true, .bias = BIAS_ASKED, .windows = WINDOW_PATTERN, .window = 4096, .pattern = 2,
	  .tied = true, .caps = true, .act_key = "hidden_activation", .act = "gelu_pytorch_tanh", .kv_heads = 4,
	  .head_dim = 256, .positions = 8192, .eps = 1e-6, .theta = 1e4, .query_scale = 256, .attention_cap = 50,
	  .logit_cap = 30, .token_head = CLASSIFIER_HEAD },
	{ .architecture = "Gemma3ForCausalLM", .model_type = "gemma3_text", .names = &gemma_names, .norm_plus = 1,
	  .post_norms = true, .qk_norm = true, .scale_embed = true, .bias = BIAS_ASKED, .windows = WINDOW_PATTERN,
	  .window = 4096, .pattern = 6, .tied = true, .act_key = "hidden_activation", .act = "gelu_pytorch_tanh",
	  .kv_heads = 4, .head_dim = 256, .positions = 131072, .eps = 1e-6, .theta = 1e6, .local_theta = 1e4,
	  .query_scale = 256 },
	{ .architecture = "GPT2LMHeadModel", .model_type = "gpt2", .names = &gpt2_names, .gpt2 = true, .norm = NORM_LAYER,
	  .bias = BIAS_ALL, .mlp_bias = true, .tied = true, .act_key = "activation_function", .act = "gelu_new",
	  .positions = 1024, .eps = 1e-5, .token_head = "classifier" },
};
#define FAMILIES (sizeof(families) / sizeof(families[0]))

const struct family *family_find(const char *name)
{
	for (size_t i = 0; i < FAMILIES; i++)
		if (!strcmp(families[i].model_type, name) || !strcmp(families[i].architecture, name))
			return &families[i];
	return NULL;
}

size_t family_stem(const struct family *f)
{
	const char *end = strstr(f->architecture, "ForCausalLM");

	return end ? (size_t)(end - f->architecture) : strlen(f->architecture) - strlen("LMHeadModel");
}

const struct family *family_find_classifier(const char *architecture, int *labels)
{
	static const char *const ends[] = { CLASSIFIER, "Text" CLASSIFIER, TOKEN_CLASSIFIER };  /* Gemma 3 calls its text model so */

	for (size_t i = 0; i < FAMILIES; i++) {
		size_t n = family_stem(&families[i]);

		for (int k = 0; k < 3 && !strncmp(families[i].architecture, architecture, n); k++)
			if (!strcmp(architecture + n, ends[k])) {
				*labels = k == 2 ? 2 : 1;
				return &families[i];
			}
	}
	return NULL;
}

void family_list(struct buf *out)
{
	for (size_t i = 0; i < FAMILIES; i++) {
		if (i)
			buf_str(out, ", ");
		buf_str(out, families[i].architecture);
	}
}
