/* A learned vocabulary as tokenizer.json and tokenizer_config.json. */
#include "token/bpe_train.h"

#include "base/json.h"
#include <stdio.h>
#include "token/bpe.h"
#include "token/unicode.h"

/* A token in the printable alphabet; specials are text as they are. */
static void print_token(const struct bpe_vocab *v, int32_t id, struct buf *out)
{
	char c[4];

	buf_clear(out);
	if (id < v->n_special) {
		buf_add(out, v->tokens[id].p, v->tokens[id].n);
		return;
	}
	for (uint32_t i = 0; i < v->tokens[id].n; i++)
		buf_add(out, c, (size_t)utf8_encode(bpe_byte_char((uint8_t)v->tokens[id].p[i]), c));
}

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
	struct buf a = {0}, b = {0};

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
		print_token(v, i, &a);
		json_key_n(w, a.data, a.len);
		json_int(w, i);
	}
	json_end_object(w);
	json_key(w, "merges");
	json_begin_array(w);
	for (int32_t i = 0; i < v->n_merges; i++) {
		print_token(v, v->merges[i][0], &a);
		print_token(v, v->merges[i][1], &b);
		json_begin_array(w);
		json_string_n(w, a.data, a.len);
		json_string_n(w, b.data, b.len);
		json_end_array(w);
	}
	json_end_array(w);
	json_end_object(w);
	buf_release(&a);
	buf_release(&b);
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
		json_key(&w, "content");
		json_string_n(&w, v->tokens[i].p, v->tokens[i].n);
		json_kv_bool(&w, "lstrip", false);
		json_kv_bool(&w, "normalized", false);
		json_kv_bool(&w, "rstrip", false);
		json_kv_bool(&w, "single_word", false);
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
