/* tokenizer_priv.h - what the files of a loaded tokenizer share: loading, encoding, chat. */
#ifndef QUERN_TOKEN_TOKENIZER_PRIV_H
#define QUERN_TOKEN_TOKENIZER_PRIV_H

#include "base/json.h"
#include "token/added.h"
#include "token/bpe.h"
#include "token/piece_cache.h"
#include "token/pretok.h"
#include "token/strmap.h"
#include "token/tokenizer.h"

enum { TOKENIZER_STAGES = 8, TOKENIZER_IDS_MAX = 1 << 21 };

struct token_text {                  /* one id: its text in tokenizer.json and its bytes */
	const char *text, *bytes;
	uint32_t text_len, len;
	bool special;
};

struct jinja;
struct tokenizer {
	struct arena arena;          /* all strings */
	char *dir;                   /* where the files lie; "." for a bare file name */
	char *file;                  /* the tokenizer.json itself */
	struct bpe bpe;
	struct strmap vocab;         /* token as tokenizer.json writes it -> id, added tokens included */
	struct strmap whole;         /* token's bytes -> id, if ignore_merges */
	bool ignore_merges, nfc;
	struct token_text *tokens;   /* by id; text NULL = no such id */
	int32_t n_tokens;
	struct added_token *added;
	int n_added;
	struct added_set raw, normalized; /* values are indices into added */
	int n_stages;
	struct pretok_stage stages[TOKENIZER_STAGES];
	struct ids prefix, suffix;   /* what TemplateProcessing puts around one text */
	int32_t bos, eos, pad;
	const char *bos_text, *eos_text, *pad_text, *unk_text; /* for chat templates; NULL = none */
	char *template_text;         /* NULL = none */
	struct jinja *chat;          /* compiled at load; NULL with template_error set if it cannot be */
	struct error template_error;
	enum status template_status;
};

struct tokenizer_scratch {
	struct piece_cache cache;
	struct bpe_scratch bpe;
	struct pretok_iter iter[TOKENIZER_STAGES];
	struct buf clean, norm, prefixed[TOKENIZER_STAGES];
};

/* Bytes [from, to) of the text in which special tokens are not recognised. Sorted, disjoint. */
struct plain_span {
	size_t from, to;
};
struct encode_options {
	bool no_special;             /* none anywhere */
	const struct plain_span *plain;
	int n_plain;
	struct ids *ends;            /* where each token ends in the text (bytes); NULL = not asked. Texts < 2 GiB */
};
enum status tokenizer_encode_with(const struct tokenizer *t, struct tokenizer_scratch *s, const char *text, size_t n,
				  const struct encode_options *o, struct ids *out, struct error *err);

/* Appends a token's raw bytes for its text: undoes the byte-level alphabet if all its characters are in it. */
void token_text_bytes(const char *text, size_t n, struct buf *out);

/* The parts of tokenizer.json (tokenizer_json.c); each refuses by name what it does not know. */
enum status tokenizer_read_model(struct tokenizer *t, const struct json *model, struct error *err);
enum status tokenizer_read_pipeline(struct tokenizer *t, const struct json *root, struct error *err);
enum status tokenizer_read_added(struct tokenizer *t, const struct json *added, struct error *err);
/* The post-processor; after the added tokens, whose ids it names. */
enum status tokenizer_read_around(struct tokenizer *t, const struct json *root, struct error *err);
/* tokenizer_config.json and chat_template.jinja beside it (tokenizer_config.c); both may be absent. */
enum status tokenizer_read_config(struct tokenizer *t, struct json_parser *p, struct error *err);

#endif
