/* tokenizer_priv.h - what the files of a loaded tokenizer share: loading, encoding, chat. */
#ifndef QUERN_TOKEN_TOKENIZER_PRIV_H
#define QUERN_TOKEN_TOKENIZER_PRIV_H

#include "base/json.h"
#include "token/added.h"
#include "token/bpe.h"
#include "token/normalizer.h"
#include "token/piece_cache.h"
#include "token/pretok.h"
#include "token/strmap.h"
#include "token/tokenizer.h"

/* SentencePiece's sign for a space, U+2581. */
#define MARK 0x2581
#define MARK_TEXT "\xe2\x96\x81"
#define MARK_BYTES 3

enum { TOKENIZER_STAGES = 8, TOKENIZER_IDS_MAX = 1 << 21 };

struct token_text {                  /* one id: its text in tokenizer.json and its bytes */
	const char *text, *bytes;    /* bytes: decoded by itself */
	uint32_t text_len, len;
	const char *normalized;      /* of an added token that is found in normalized text: what it decodes as; else NULL */
	uint32_t normalized_len;
	bool special, fallback;      /* fallback: stands for one byte */
};

struct token_bytes {                 /* of one id: its bytes in the blob */
	uint32_t at, n;
	bool special;
};

struct token_decoder {               /* what the decoder of tokenizer.json says */
	bool byte_level, fallback, fused;
	const char *mark, *content;  /* the one stands for the other in tokens; NULL = nothing is replaced */
	size_t mark_n, content_n;
	int64_t strip;               /* spaces that go from the front of the text */
	bool first_unmarked;         /* the first token loses its marks */
};

struct jinja;
struct tokenizer {
	struct arena arena;          /* all strings */
	char *dir;                   /* where the files lie; "." for a bare file name */
	char *file;                  /* the tokenizer.json itself */
	struct buf made;             /* … made of another form; else empty */
	bool by_rank;                /* merges that make the same token are of the same rank */
	struct bpe bpe;
	struct strmap vocab;         /* token as tokenizer.json writes it -> id, added tokens included */
	struct strmap whole;         /* token's bytes -> id, if ignore_merges */
	bool ignore_merges, byte_fallback;
	bool cut_at_marks;           /* no merge joins what stands before a mark with it: each may begin a piece */
	struct normalizer normalizer;
	struct token_decoder decoder;
	struct token_text *tokens;   /* by id; text NULL = no such id */
	int32_t n_tokens;
	struct token_bytes *decoded; /* by id, and one more that is empty */
	char *blob;
	size_t longest;              /* bytes of a token */
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
	struct norm_scratch norm;
	struct buf clean, rewritten[TOKENIZER_STAGES];
	struct places_buf places[TOKENIZER_STAGES];
	struct chat_scratch *chat;   /* NULL until a conversation comes (chat.c) */
};
void chat_scratch_close(struct chat_scratch *s); /* NULL allowed */

/* Bytes [from, to) of the text in which special tokens are not recognised. Sorted, disjoint. */
struct plain_span {
	size_t from, to;
};
struct encode_options {
	bool no_special;             /* none anywhere */
	const struct plain_span *plain;
	int n_plain;
	struct ids *ends;            /* where each token ends in the text (bytes); NULL = not asked. Texts < 2 GiB */
	struct ids *starts;          /* … and begins; only with ends */
};
enum status tokenizer_encode_with(const struct tokenizer *t, struct tokenizer_scratch *s, const char *text, size_t n,
				  const struct encode_options *o, struct ids *out, struct error *err);

/* Appends a token's raw bytes for its text: undoes the byte-level alphabet if all its characters are in it. */
void token_text_bytes(const char *text, size_t n, struct buf *out);

/* Another form than tokenizer.json as one: a directory with vocab.json and merges.txt but without it, a file of ranks. json stays empty
 * for what is none of these. ranks: merges rank by what they make. */
enum status tokenizer_other_form(const char *path, struct buf *json, bool *ranks, struct error *err);
/* The parts of tokenizer.json (tokenizer_json.c); each refuses by name what it does not know. p has parsed it, and left tokenizer_large. */
extern const char *const tokenizer_large[];
enum status tokenizer_read_model(struct tokenizer *t, struct json_parser *p, const struct json *model, struct error *err);
enum status tokenizer_read_pipeline(struct tokenizer *t, const struct json *root, struct error *err);
enum status tokenizer_read_added(struct tokenizer *t, const struct json *added, struct error *err);
/* The post-processor; after the added tokens, whose ids it names. */
enum status tokenizer_read_around(struct tokenizer *t, const struct json *root, struct error *err);
/* tokenizer_config.json and chat_template.jinja beside it (tokenizer_config.c); both may be absent. */
enum status tokenizer_read_config(struct tokenizer *t, struct json_parser *p, struct error *err);

#endif
