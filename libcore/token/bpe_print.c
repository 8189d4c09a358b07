/* A learned vocabulary as tokenizer.json, tokenizer_config.json and special_tokens_map.json. */
#include "token/bpe_train.h"

#include "base/json.h"

#include <stdio.h>

static void print_added(const struct bpe_vocab *v, struct json_writer *w)
{
	static const char *const no[] = {"single_word", "lstrip", "rstrip", "normalized"};

	json_key(w, "added_tokens");
	json_begin_array(w);
	for (int32_t i = 0; i < v->n_special; i++) {
		json_begin_object(w);
		json_kv_int(w, "id", i);
		json_key(w, "content");
		json_string_n(w, v->tokens[i].p, v->tokens[i].n);
		for (int k = 0; k < 4; k++)
			json_kv_bool(w, no[k], false);
		json_kv_bool(w, "special", true);
		json_end_object(w);
	}
	json_end_array(w);
}

static void print_byte_level(struct json_writer *w, bool use_regex)
{
	json_begin_object(w);
	json_kv_string(w, "type", "ByteLevel");
	json_kv_bool(w, "add_prefix_space", false);
	json_kv_bool(w, "trim_offsets", true);
	json_kv_bool(w, "use_regex", use_regex);
	json_end_object(w);
}

static void print_pre_tokenizer(const struct bpe_describe *d, struct json_writer *w)
{
	json_key(w, "pre_tokenizer");
	if (!d->pattern && !d->single_digits) {
		print_byte_level(w, true);
		return;
	}
	json_begin_object(w);
	json_kv_string(w, "type", "Sequence");
	json_key(w, "pretokenizers");
	json_begin_array(w);
	if (d->single_digits) {
		json_begin_object(w);
		json_kv_string(w, "type", "Digits");
		json_kv_bool(w, "individual_digits", true);
		json_end_object(w);
	}
	if (d->pattern) {
		json_begin_object(w);
		json_kv_string(w, "type", "Split");
		json_key(w, "pattern");
		json_begin_object(w);
		json_kv_string(w, "Regex", d->pattern);
		json_end_object(w);
		json_kv_string(w, "behavior", "Isolated");
		json_kv_bool(w, "invert", false);
		json_end_object(w);
	}
	print_byte_level(w, !d->pattern);
	json_end_array(w);
	json_end_object(w);
}

static void print_model(const struct bpe_vocab *v, struct json_writer *w)
{
	json_key(w, "model");
	json_begin_object(w);
	json_kv_string(w, "type", "BPE");
	for (int k = 0; k < 4; k++) {
		static const char *const none[] = {"dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"};

		json_key(w, none[k]);
		json_null(w);
	}
	json_kv_bool(w, "fuse_unk", false);
	json_kv_bool(w, "byte_fallback", false);
	json_kv_bool(w, "ignore_merges", false);
	json_key(w, "vocab");
	json_begin_object(w);
	for (int32_t i = 0; i < v->n_tokens; i++) {
		json_key_n(w, v->tokens[i].p, v->tokens[i].n);
		json_int(w, i);
	}
	json_end_object(w);
	json_key(w, "merges");
	json_begin_array(w);
	for (int32_t i = 0; i < v->n_merges; i++) {
		json_begin_array(w);
		for (int k = 0; k < 2; k++)
			json_string_n(w, v->tokens[v->merges[i][k]].p, v->tokens[v->merges[i][k]].n);
		json_end_array(w);
	}
	json_end_array(w);
	json_end_object(w);
}

void bpe_print_tokenizer(const struct bpe_vocab *v, const struct bpe_describe *d, struct buf *out)
{
	struct json_writer w = json_writer_open(out, 2);
	static const char *const none[] = {"truncation", "padding"};

	json_begin_object(&w);
	json_kv_string(&w, "version", "1.0");
	for (int k = 0; k < 2; k++) {
		json_key(&w, none[k]);
		json_null(&w);
	}
	print_added(v, &w);
	json_key(&w, "normalizer");
	json_null(&w);
	print_pre_tokenizer(d, &w);
	json_key(&w, "post_processor");
	json_null(&w);
	json_key(&w, "decoder");
	print_byte_level(&w, true);
	print_model(v, &w);
	json_end_object(&w);
	buf_char(out, '\n');
}

/* The members of a special token's object, as transformers orders them. */
static void print_special(struct json_writer *w, const char *content)
{
	static const char *const no[] = {"lstrip", "normalized", "rstrip", "single_word"};

	json_kv_string(w, "content", content);
	for (int i = 0; i < 4; i++)
		json_kv_bool(w, no[i], false);
}

void bpe_print_config(const struct bpe_vocab *v, const struct bpe_describe *d, struct buf *out)
{
	struct json_writer w = json_writer_open(out, 2);
	static const char *const keys[] = {"bos_token", "eos_token", "pad_token", "chat_template"};
	const char *const values[] = {d->bos, d->eos, d->pad, d->chat_template};

	json_begin_object(&w);
	json_kv_string(&w, "tokenizer_class", "PreTrainedTokenizerFast");
	json_kv_bool(&w, "add_prefix_space", false);
	json_kv_bool(&w, "clean_up_tokenization_spaces", false);
	json_key(&w, "added_tokens_decoder");
	json_begin_object(&w);
	for (int32_t i = 0; i < v->n_special; i++) {
		char id[16];

		snprintf(id, sizeof(id), "%d", i);
		json_key(&w, id);
		json_begin_object(&w);
		print_special(&w, v->tokens[i].p);
		json_kv_bool(&w, "special", true);
		json_end_object(&w);
	}
	json_end_object(&w);
	for (int k = 0; k < 4; k++)
		if (values[k])
			json_kv_string(&w, keys[k], values[k]);
	json_end_object(&w);
	buf_char(out, '\n');
}

void bpe_print_specials(const struct bpe_describe *d, struct buf *out)
{
	struct json_writer w = json_writer_open(out, 2);
	static const char *const keys[] = {"bos_token", "eos_token", "pad_token"};
	const char *const values[] = {d->bos, d->eos, d->pad};

	json_begin_object(&w);
	for (int k = 0; k < 3; k++)
		if (values[k]) {
			json_key(&w, keys[k]);
			json_begin_object(&w);
			print_special(&w, values[k]);
			json_end_object(&w);
		}
	json_end_object(&w);
	buf_char(out, '\n');
}
