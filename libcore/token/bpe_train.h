/* bpe_train.h - learning a byte-level BPE vocabulary: texts -> counted pieces -> merges -> a tokenizer directory.
 *
 * The merges are those of Hugging Face's BpeTrainer over the same texts, bit for bit (ByteLevel alphabet, no limit on
 * token length): most frequent pair first, the smaller (left id, right id) among equals, and its bookkeeping of
 * repeated pairs; but counts have 64 bits where its 32 would overflow. Memory grows with the number of
 * different pieces, not with the text. */
#ifndef QUERN_TOKEN_BPE_TRAIN_H
#define QUERN_TOKEN_BPE_TRAIN_H

#include "base/mem.h"
#include "token/pretok.h"
#include "token/strmap.h"

/* --- counting pieces -------------------------------------------------------------------------- */
struct word_count {
	const char *p;
	uint32_t n;
	uint64_t count;
};
struct word_counts {                 /* zero-initialised */
	struct strmap index;
	struct word_count *w;
	int32_t n, cap;
	struct arena keys;
};
/* Adds count to a piece; copy: the bytes at p do not outlive the call. */
void word_counts_add(struct word_counts *c, const char *p, size_t n, uint64_t count, bool copy);
void word_counts_release(struct word_counts *c);

struct piece_cutter {                /* one per thread; zero-initialised but for stages */
	const struct pretok_stage *stages;
	int n_stages;                /* at most 2 */
	struct pretok_iter iter[2];
};
/* Counts the pieces of one text of valid UTF-8. The counts point into the text. */
enum status piece_count(struct piece_cutter *k, const char *text, size_t n, struct word_counts *c, struct error *err);
void piece_cutter_release(struct piece_cutter *k);

/* --- learning ----------------------------------------------------------------------------------- */
struct bpe_vocab {                   /* zero-initialised */
	struct arena strings;
	struct { const char *p; uint32_t n; } *tokens; /* ids in order: specials, 256 bytes, merges; bytes, not the printable alphabet */
	int32_t n_tokens, cap_tokens, n_special;
	int32_t (*merges)[2];        /* by rank */
	int32_t n_merges, cap_merges;
};
/* specials get ids 0, 1, ... in their order. Learns until the vocabulary has vocab_size tokens or no pair is as frequent as
 * min_frequency. ERR_USAGE if vocab_size has no room for specials and bytes. */
enum status bpe_train(const struct word_counts *c, const char *const *specials, int n_specials, int64_t vocab_size,
		      int64_t min_frequency, struct bpe_vocab *v, struct error *err);
void bpe_vocab_release(struct bpe_vocab *v);

/* --- writing --------------------------------------------------------------------------------------- */
struct bpe_describe {
	const char *pattern;         /* the pre-tokenizer's regular expression, or NULL: GPT-2's, inside ByteLevel */
	bool single_digits;          /* a Digits stage stands before it */
	const char *bos, *eos, *pad; /* special tokens by role, NULL = none */
	const char *chat_template;   /* NULL = none */
};
/* tokenizer.json and tokenizer_config.json as Hugging Face writes them. */
void bpe_print_tokenizer(const struct bpe_vocab *v, const struct bpe_describe *d, struct buf *out);
void bpe_print_config(const struct bpe_vocab *v, const struct bpe_describe *d, struct buf *out);

#endif
