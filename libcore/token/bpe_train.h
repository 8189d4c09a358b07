/* bpe_train.h - learning a byte-level BPE vocabulary: counted words -> merges -> a tokenizer directory.
 *
 * The merges are those of Hugging Face's BpeTrainer over the same texts, bit for bit (ByteLevel alphabet): most frequent pair first, the
 * smaller (left id, right id) among equals, and its bookkeeping of repeated pairs; but counts have 64 bits where its 32 would overflow.
 * Memory grows with the number of different words, not with the text: 4 bytes for each byte of a word, some 100 for a word and the pairs
 * that it brings. */
#ifndef QUERN_TOKEN_BPE_TRAIN_H
#define QUERN_TOKEN_BPE_TRAIN_H

#include "base/error.h"
#include "base/mem.h"
#include "base/progress.h"

struct bpe_vocab {                   /* zero-initialised */
	struct arena strings;
	struct bpe_token {
		const char *p;       /* bytes as characters of the byte-level alphabet, as tokenizer.json has them; specials as they are */
		uint32_t n, chars;
	} *tokens;                   /* by id: specials, bytes, merges */
	int32_t n_tokens, cap_tokens, n_special;
	int32_t (*merges)[2];        /* by rank */
	int32_t n_merges, cap_merges;
};

struct bpe_train_options {
	const char *const *specials; /* they get the ids 0, 1, ... */
	int n_specials;
	int64_t vocab_size, min_frequency; /* learns until there are so many tokens, or no pair is so frequent */
	int64_t limit_alphabet;      /* keep so many of the 256 bytes, the most frequent; of equally frequent ones those whose character
				      * comes first. The others are cut out of the words. 0 = all 256 */
	int64_t max_token_length;    /* merge only to tokens of fewer bytes than that; two bytes always. 0 = any length */
	struct progress *progress;   /* may be NULL */
};

struct bpe_trainer;
struct bpe_trainer *bpe_trainer_open(void);
/* A word of n bytes and how often it occurs; each word once. */
void bpe_trainer_add(struct bpe_trainer *t, const char *p, size_t n, uint64_t count);
/* To be called once. ERR_USAGE for special tokens that cannot be, or a vocabulary without room for the bytes. */
enum status bpe_trainer_learn(struct bpe_trainer *t, const struct bpe_train_options *o, struct bpe_vocab *v, struct error *err);
void bpe_trainer_close(struct bpe_trainer *t);
void bpe_vocab_release(struct bpe_vocab *v);

/* --- writing --------------------------------------------------------------------------------------- */
struct bpe_describe {
	const char *pattern;         /* the pre-tokenizer's regular expression, or NULL: GPT-2's, inside ByteLevel */
	bool single_digits;          /* a Digits stage stands before it */
	const char *bos, *eos, *pad; /* special tokens by role, NULL = none */
	const char *chat_template;   /* NULL = none */
};
/* tokenizer.json, tokenizer_config.json and special_tokens_map.json as Hugging Face writes them. */
void bpe_print_tokenizer(const struct bpe_vocab *v, const struct bpe_describe *d, struct buf *out);
void bpe_print_config(const struct bpe_vocab *v, const struct bpe_describe *d, struct buf *out);
void bpe_print_specials(const struct bpe_describe *d, struct buf *out);

#endif
