/* tokenizer.h - a tokenizer directory (tokenizer.json, tokenizer_config.json) as Hugging Face reads it:
 * byte-level BPE, its special tokens, its chat template.
 *
 * A loaded tokenizer is immutable and may be used by several threads, each with its own scratch. */
#ifndef QUERN_TOKEN_TOKENIZER_H
#define QUERN_TOKEN_TOKENIZER_H

#include "base/error.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

struct tokenizer;
struct tokenizer_scratch;            /* per thread: cache and buffers */

struct ids {                         /* growable token ids, with the byte range each came from */
	int32_t *v;
	int64_t n, cap;
};
void ids_push(struct ids *ids, int32_t id);
/* How many tokens, at most `most`, a and b begin with alike. */
int64_t ids_common(const struct ids *a, const struct ids *b, int64_t most);
void ids_release(struct ids *ids);

/* path: a directory with tokenizer.json, or with vocab.json and merges.txt (GPT-2's form), or a file: a tokenizer.json, or tiktoken's
 * table of ranks of r50k_base, p50k_base, cl100k_base or o200k_base. A part that is not supported is refused by its name. */
enum status tokenizer_load(struct tokenizer **t, const char *path, struct error *err);
void tokenizer_close(struct tokenizer *t);
/* Writes the tokenizer in the form that path tells: NAME.json (a tokenizer.json), NAME.tiktoken (a table of ranks), or a directory or
 * NAME/ (vocab.json and merges.txt). ERR_UNSUPPORTED where that form would say something else, and why. */
enum status tokenizer_export(const struct tokenizer *t, const char *path, struct error *err);
/* Copies the files of the tokenizer it was loaded from into dir (a model directory); of another form, the tokenizer.json that says the same. */
enum status tokenizer_copy_files(const struct tokenizer *t, const char *dir, struct error *err);
int32_t tokenizer_vocab_size(const struct tokenizer *t);          /* 1 + largest id */
int32_t tokenizer_id(const struct tokenizer *t, const char *token, size_t n); /* -1 if not in the vocabulary */
int32_t tokenizer_bos(const struct tokenizer *t), tokenizer_eos(const struct tokenizer *t), tokenizer_pad(const struct tokenizer *t); /* -1 = none */

/* The ids that the tokenizer's post-processor puts before and after one text (a BOS token, often nothing). tokenizer_encode does not
 * add them. */
void tokenizer_around(const struct tokenizer *t, const struct ids **before, const struct ids **after);

struct tokenizer_scratch *tokenizer_scratch_open(const struct tokenizer *t);
void tokenizer_scratch_close(struct tokenizer_scratch *s);
/* Appends the ids of n bytes of UTF-8 (invalid bytes are encoded as U+FFFD, as the reference does). parse_special: special tokens in
 * the text become their ids; else they are plain text. */
enum status tokenizer_encode(const struct tokenizer *t, struct tokenizer_scratch *s, const char *text, size_t n,
			     bool parse_special, struct ids *out, struct error *err);
/* The same of valid UTF-8 with the bytes [starts, ends) of the text that each id stands for; a token of bytes may begin and end inside a
 * character. What a normalizer has made of several characters ends where they do. */
enum status tokenizer_encode_places(const struct tokenizer *t, struct tokenizer_scratch *s, const char *text, size_t n, bool parse_special,
				    struct ids *out, struct ids *starts, struct ids *ends, struct error *err);
/* Appends the text of ids; invalid UTF-8 becomes U+FFFD; special tokens are left out if skip_special. */
void tokenizer_decode(const struct tokenizer *t, const int32_t *ids, int64_t n, bool skip_special, struct buf *out);
/* The same of ids that come bit by bit: what has come so far never ends inside a character. {0} is a stream's beginning; its end gives
 * what was held back, and releases it. */
struct decode_stream {
	struct buf held, run;        /* the begin of a character; bytes that are tokens of their own and may be one */
	int64_t strip;               /* spaces that still go from the front */
	bool begun, text;
};
void tokenizer_decode_more(const struct tokenizer *t, struct decode_stream *d, const int32_t *ids, int64_t n, bool skip_special, struct buf *out);
void tokenizer_decode_end(struct decode_stream *d, struct buf *out);
/* Bytes of one token as it stands in a byte-level vocabulary (not necessarily whole UTF-8). */
const char *tokenizer_bytes(const struct tokenizer *t, int32_t id, size_t *n);
bool tokenizer_is_special(const struct tokenizer *t, int32_t id);
/* It stands for text without a token: the unknown token, or one byte of it (byte fallback). */
bool tokenizer_is_unknown(const struct tokenizer *t, int32_t id);
bool tokenizer_is_fallback(const struct tokenizer *t, int32_t id);

/* --- chat ----------------------------------------------------------------------------------------- */
struct array;
struct chat_message {
	const char *role, *content;
	size_t role_n, content_n;
	/* NULL: the role and the content are all there is. Else the column of structs (stream/record.h) whose row `row` has every field of
	 * the message (tool_calls, name, reasoning_content, …); the template sees those that are not null. content may be empty then. */
	const struct array *fields;
	int64_t row;
};
struct chat {
	const struct chat_message *messages;
	int n;
	const struct array *tools;   /* NULL, or the column that has in its row `row` what the template calls tools: lists, or JSON as text */
	int64_t row;
};
/* OK if conversations can be encoded: there is a template and it compiles. ERR_UNSUPPORTED if not, from the functions below, too: that is
 * nothing to reject one row for. */
enum status chat_check(const struct tokenizer *t, struct error *err);
/* Takes this template instead of the tokenizer's own. Before the tokenizer is shared between threads. */
enum status chat_set_template(struct tokenizer *t, const char *text, size_t n, struct error *err);
/* Appends a conversation as text, after the tokenizer's chat template (chat_template of tokenizer_config.json or
 * chat_template.jinja), as Hugging Face's apply_chat_template renders it. generation_prompt: ends with the opening of an assistant
 * turn. ERR_DATA with the template's words if it refuses the conversation. */
enum status chat_render(const struct tokenizer *t, const struct chat *c, bool generation_prompt, struct buf *out, struct error *err);

/* The tokens that a loss is taken on. */
enum chat_loss {
	CHAT_LOSS_ASSISTANT,         /* every assistant turn: what it says, and what ends the turn */
	CHAT_LOSS_COMPLETION         /* the last one alone */
};
/* Appends the ids of a conversation and to mask (NULL: not wanted) one value per id: 1 where a loss is taken, 0 else.
 *
 * A template with {% generation %} says itself what the assistant says: tokens that overlap those blocks. Else an assistant turn is
 * what the model would have had to write: from the end of the messages before it, rendered with a generation prompt, to the end of
 * the conversation rendered up to it; blanks behind a special token that ends the turn are the template's. Where one of the two is no
 * prefix of the whole, the model would never have seen or said what stands there (a template that drops the reasoning of earlier
 * turns): *reason is "prompt_changes". Other reasons: "chat_template", the template refuses; "tools", they are no JSON. With a reason
 * (else NULL) OK is returned and err says more; out and mask are as they were.
 *
 * Special tokens come from the template alone: in messages and tools they stay plain text. */
enum status chat_encode_loss(const struct tokenizer *t, struct tokenizer_scratch *s, const struct chat *c, bool generation_prompt,
			     enum chat_loss loss, struct ids *out, struct ids *mask, const char **reason, struct error *err);
/* The same, every assistant turn in mask; ERR_DATA where there is a reason. */
enum status chat_encode(const struct tokenizer *t, struct tokenizer_scratch *s, const struct chat *c, bool generation_prompt,
			struct ids *out, struct ids *mask, struct error *err);
/* Appends to answer the ids that follow those of the prompt, which are the first n_prompt messages with a generation prompt, up to the
 * end of the turn. Ids of the prompt and the answer are those that generating from the prompt gives: where one token of the whole text
 * would lie across the border, the text behind the border is encoded for itself. More reasons: "empty", there is nothing behind the
 * border; "border", a tokenizer that puts a space before each text cannot begin at this one. */
enum status chat_encode_answer(const struct tokenizer *t, struct tokenizer_scratch *s, const struct chat *c, int n_prompt,
			       const struct ids *prompt, struct ids *answer, const char **reason, struct error *err);

#endif
