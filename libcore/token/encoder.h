/* encoder.h - batches of text as batches of token ids: documents, conversations, problems, preferences, prompts with a completion.
 *
 * What tokenize-bpe writes and training tools read: input_ids, or prompt_ids, chosen_ids and rejected_ids, and where a loss
 * is taken on a part alone loss_mask; the input's other columns pass through. Also the way back. A row that cannot be used has a reason
 * instead: "too_long", "no_loss" (nothing to learn), "plain_prompt" (a problem without messages), "null_token", "unknown_token", and
 * those of tokenizer.h's chat functions. */
#ifndef QUERN_TOKEN_ENCODER_H
#define QUERN_TOKEN_ENCODER_H

#include "stream/stream.h"
#include "token/tokenizer.h"

enum loss_on { LOSS_AUTO, LOSS_ASSISTANT, LOSS_COMPLETION, LOSS_ALL };
#define LOSS_ON_NAMES "auto|assistant|completion|all"

struct encoder_options {
	const char *name;            /* of the tokenizer, for messages */
	bool eos;                    /* documents and completions of plain text end with the end-of-text token */
	const char *eos_token;       /* that token; NULL: <|endoftext|>, or else the tokenizer's eos_token */
	bool parse_special;          /* special tokens in documents become their ids */
	enum loss_on loss_on;
	int64_t max_length;          /* 0 = no limit */
	bool truncate;               /* cut at max_length instead of rejecting (prompts are never cut) */
	bool offsets;                /* documents: columns starts and ends */
	bool keep_text;              /* keep the columns of text */
	bool ids_only;               /* leave out all columns but the ids */
	bool decode, skip_special;   /* tokens to documents instead, without special tokens */
};

/* Whether rows of a kind have text to encode. */
bool encoder_takes(enum kind k);
struct encoder;
/* For rows of kind k with the columns of in; t outlives the encoder. workers: how many threads may call encoder_batch at once. */
enum status encoder_open(struct encoder **e, const struct tokenizer *t, const struct encoder_options *o, enum kind k,
			 const struct schema *in, int workers, struct error *err);
void encoder_close(struct encoder *e); /* NULL allowed */
const struct schema *encoder_schema(const struct encoder *e);
enum kind encoder_kind(const struct encoder *e);
/* *out has the rows that are not rejected; reject[b->rows], NULL on entry, gets a reason for the others. worker < workers. */
enum status encoder_batch(struct encoder *e, struct batch *b, struct batch **out, const char **reject, int worker, struct error *err);

#endif
