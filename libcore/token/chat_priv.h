/* chat_priv.h - what rendering conversations (chat_render.c) and masking them (chat.c) share. */
#ifndef QUERN_TOKEN_CHAT_PRIV_H
#define QUERN_TOKEN_CHAT_PRIV_H

#include "token/jinja_priv.h"
#include "token/tokenizer_priv.h"

/* The arenas keep a rendering each: the whole conversation, the same with a generation prompt, and a part that is compared with it. */
struct chat_scratch {
	struct arena whole, prompted, part;
	struct json_parser *parser;
	struct ids ends;             /* of the ids: bytes of the whole */
	int slow_rows;               /* rows that the encoder is asked for them, because it had to be the last time */
	struct plain_span *spans;    /* what messages and tools say */
	int n_spans, cap_spans;
	struct plain_span *answers;  /* what a loss is taken on: bytes of the whole, in order */
	int n_answers, cap_answers;
	int64_t rendered;            /* messages in prefixes of this conversation */
	struct buf decoded;
};

/* The variables that Hugging Face gives a template. */
struct call {
	const struct tokenizer *t;
	const struct chat *c;
	int n;                       /* messages of c that are rendered */
	bool generation_prompt;
	const struct json *tools;    /* if they are JSON as text */
	struct jwatch *watch;        /* NULL: not wanted */
};

/* Renders what call says into arena, which is reset before. What the template refuses is a reason. */
enum status chat_render_text(const struct call *call, struct arena *arena, struct jtext *text, const char **reason, struct error *err);
/* Reads the tools, fills call and renders the whole conversation into s->whole. */
enum status chat_render_whole(const struct tokenizer *t, struct chat_scratch *s, const struct chat *c, bool generation_prompt,
			      struct jwatch *watch, struct call *call, struct jtext *text, const char **reason, struct error *err);

#endif
