#include "infer/prompt.h"

#include "base/mem.h"
#include "token/rows.h"

#include <string.h>

int messages_read(const struct array *a, int64_t row, struct chat_message **m, int *cap)
{
	int n = 0;

	row_messages(a, row, m, &n, cap);
	return n;
}

struct chat chat_of_row(const struct chat_message *m, int n, const struct batch *b, int64_t row)
{
	return (struct chat){ .messages = m, .n = n, .tools = batch_column(b, "tools"), .row = row };
}

int messages_to_last_user(const struct chat_message *m, int n)
{
	while (n > 0 && !(m[n - 1].role_n == 4 && memcmp(m[n - 1].role, "user", 4) == 0))
		n--;
	return n;
}

enum status prompts_open(struct prompts *p, const struct lm *lm, const struct schema *s, enum kind k, struct error *err)
{
	const char *name = k == KIND_DOCUMENTS ? "text" : k == KIND_CHAT ? "messages" : "prompt";
	*p = (struct prompts){ .lm = lm, .kind = k, .column = schema_find(s, name) };
	if (p->column < 0)
		return error_set(err, ERR_DATA, "the input has no column '%s'", name);
	p->text = field_is_text(&s->fields[p->column]);
	if (!p->text && !field_is_messages(&s->fields[p->column]))
		return error_set(err, ERR_DATA, "column '%s' holds neither messages nor text", name);
	return OK;
}

static enum status encode_text(struct prompts *p, const struct array *a, int64_t row, struct ids *out, struct error *err)
{
	size_t n;
	const char *text = array_text(a, row, &n);
	if (tokenizer_bos(p->lm->tokenizer) >= 0)
		ids_push(out, tokenizer_bos(p->lm->tokenizer));
	return tokenizer_encode(p->lm->tokenizer, p->lm->scratch, text, n, false, out, err);
}

enum status prompts_encode(struct prompts *p, const struct batch *b, int64_t row, struct ids *out, const char **reason,
			   struct error *err)
{
	const struct array *a = &b->columns[p->column];
	int64_t before = out->n;
	*reason = NULL;
	if (p->text) {
		TRY(encode_text(p, a, row, out, err));
	} else {
		int n = messages_read(a, row, &p->messages, &p->cap);
		if (p->kind == KIND_CHAT && n > 0 && (n = messages_to_last_user(p->messages, n)) == 0) {
			*reason = "no_user_turn";
			return OK;
		}
		const struct chat c = chat_of_row(p->messages, n, b, row);
		enum status st = n ? chat_encode(p->lm->tokenizer, p->lm->scratch, &c, true, out, NULL, err) : OK;
		if (st == ERR_DATA) {        /* the template refuses this conversation (raise_exception), or its tools are none */
			out->n = before;
			*reason = "template_error";
			return OK;
		}
		TRY(st);
	}
	if (out->n == before)
		*reason = "empty_prompt";
	return OK;
}

void prompts_close(struct prompts *p)
{
	mem_free(p->messages);
	p->messages = NULL;
	p->cap = 0;
}
