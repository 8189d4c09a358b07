/* prompt.h - the prompt of a row as token ids, the same for generating from it and for scoring what follows it.
 *
 * A prompt of messages goes through the chat template, with the row's tools, and ends with the opening of an assistant turn. A conversation
 * (chat) is cut behind its last user turn. A plain text is a prefix: its ids behind the beginning-of-sequence token,
 * where the tokenizer has one. */
#ifndef QUERN_INFER_PROMPT_H
#define QUERN_INFER_PROMPT_H

#include "infer/lm.h"
#include "stream/stream.h"

struct prompts {
	const struct lm *lm;
	enum kind kind;
	int column;                  /* of the schema: "prompt", "messages" or "text" */
	bool text;                   /* it holds plain text */
	struct chat_message *messages;
	int cap;
};

/* Messages of row in a column that field_is_messages; *m grows to *cap places (mem_free). Returns how many: the contents stay
 * the batch's. */
int messages_read(const struct array *a, int64_t row, struct chat_message **m, int *cap);
/* n messages as a conversation of row, which has its tools in a column of that name, where there is one. */
struct chat chat_of_row(const struct chat_message *m, int n, const struct batch *b, int64_t row);
/* Number of messages up to and with the last one of role user; 0 if there is none. */
int messages_to_last_user(const struct chat_message *m, int n);

/* Rows of kind documents (text), chat (messages), or any kind with a column prompt of messages or text. */
enum status prompts_open(struct prompts *p, const struct lm *lm, const struct schema *s, enum kind k, struct error *err);
/* Appends the ids of row's prompt. A row that has none gets a reason instead of ids: "empty_prompt", "no_user_turn",
 * "template_error"; else *reason is NULL. */
enum status prompts_encode(struct prompts *p, const struct batch *b, int64_t row, struct ids *out, const char **reason,
			   struct error *err);
void prompts_close(struct prompts *p);

#endif
