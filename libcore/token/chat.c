/* Conversations through the chat template, with who said what carried down to the ids. */
#include "token/tokenizer_priv.h"

#include "token/jinja.h"
#include "token/unicode.h"

static struct json text_value(const char *s, size_t n)
{
	return (struct json){.type = JSON_STRING, .str = s, .len = n};
}

/* The variables that Hugging Face gives a template. */
struct variables {
	struct json keys[8], items[8], root;
	struct json *messages;       /* objects of role and content */
	struct json *members;        /* two per message */
	struct buf clean;            /* contents that were not UTF-8 */
};

static const struct json message_keys[2] = {{.type = JSON_STRING, .str = "role", .len = 4}, {.type = JSON_STRING, .str = "content", .len = 7}};

static void add_variable(struct variables *v, const char *name, struct json value)
{
	v->keys[v->root.len] = text_value(name, strlen(name));
	v->items[v->root.len++] = value;
}

static void make_variables(struct variables *v, const struct tokenizer *t, const struct chat_message *m, int n, bool generation_prompt)
{
	static const char *const names[] = {"bos_token", "eos_token", "pad_token", "unk_token"};
	const char *const values[] = {t->bos_text, t->eos_text, t->pad_text, t->unk_text};
	size_t *at = mem_array((size_t)n * 2 + 1, sizeof(*at));

	*v = (struct variables){.root = {.type = JSON_OBJECT}};
	v->messages = mem_array((size_t)n + 1, sizeof(*v->messages));
	v->members = mem_array((size_t)n * 2 + 1, sizeof(*v->members));
	for (int i = 0; i < n; i++) { /* lossy copies first: the buffer moves while it grows */
		at[2 * i] = v->clean.len;
		utf8_append_lossy(&v->clean, m[i].role, m[i].role_n);
		at[2 * i + 1] = v->clean.len;
		utf8_append_lossy(&v->clean, m[i].content, m[i].content_n);
	}
	at[2 * n] = v->clean.len;
	for (int k = 0; k < 2 * n; k++)
		v->members[k] = text_value(v->clean.data ? v->clean.data + at[k] : "", at[k + 1] - at[k]);
	for (int i = 0; i < n; i++)
		v->messages[i] = (struct json){.type = JSON_OBJECT, .len = 2, .keys = message_keys, .items = &v->members[2 * i]};
	add_variable(v, "messages", (struct json){.type = JSON_ARRAY, .len = (size_t)n, .items = v->messages});
	add_variable(v, "add_generation_prompt", (struct json){.type = JSON_BOOL, .boolean = generation_prompt});
	add_variable(v, "tools", (struct json){.type = JSON_NULL});
	add_variable(v, "documents", (struct json){.type = JSON_NULL});
	for (int i = 0; i < 4; i++)
		if (values[i])
			add_variable(v, names[i], text_value(values[i], strlen(values[i])));
	v->root.keys = v->keys;
	v->root.items = v->items;
	mem_free(at);
}

static void variables_release(struct variables *v)
{
	mem_free(v->messages);
	mem_free(v->members);
	buf_release(&v->clean);
}

enum status chat_check(const struct tokenizer *t, struct error *err)
{
	if (!t->template_text)
		return error_set(err, ERR_DATA, "%s: the tokenizer has no chat template", t->dir);
	if (t->template_status != OK && err)
		*err = t->template_error;
	return t->template_status;
}

enum status chat_set_template(struct tokenizer *t, const char *text, size_t n, struct error *err)
{
	jinja_free(t->chat);
	mem_free(t->template_text);
	t->chat = NULL;
	t->template_text = mem_strndup(text, n);
	t->template_status = jinja_compile(&t->chat, text, n, &t->template_error);
	return chat_check(t, err);
}

static enum status render(const struct tokenizer *t, const struct chat_message *m, int n, bool generation_prompt, struct buf *out,
			  struct buf *marks, struct error *err)
{
	struct variables v;
	enum status st;

	TRY(chat_check(t, err));
	make_variables(&v, t, m, n, generation_prompt);
	st = jinja_render(t->chat, &v.root, out, marks, err);
	variables_release(&v);
	return st;
}

enum status chat_render(const struct tokenizer *t, const struct chat_message *m, int n, bool generation_prompt, struct buf *out,
			struct error *err)
{
	return render(t, m, n, generation_prompt, out, NULL, err);
}

/* --- spans ------------------------------------------------------------------------------------ */

static bool is_data(char mark)
{
	return mark & (JINJA_DATA | JINJA_ANSWER);
}

/* The bytes that messages said: special tokens in them are plain text. */
static struct plain_span *data_spans(const struct buf *marks, int *n)
{
	struct plain_span *s = NULL;
	int cap = 0;

	*n = 0;
	for (size_t i = 0, j; i < marks->len; i = j) {
		for (j = i + 1; j < marks->len && is_data(marks->data[j]) == is_data(marks->data[i]); j++)
			;
		if (!is_data(marks->data[i]))
			continue;
		MEM_PUSH_ROOM(s, *n, cap);
		s[(*n)++] = (struct plain_span){i, j};
	}
	return s;
}

/* --- the assistant's mask ------------------------------------------------------------------------ */

static bool overlaps(const struct buf *marks, int64_t from, int64_t to, char bits)
{
	for (int64_t i = from; i < to; i++)
		if (marks->data[i] & bits)
			return true;
	return false;
}

static bool blank(const struct buf *text, int64_t from, int64_t to)
{
	for (int64_t i = from; i < to; i++)
		if (!strchr(" \t\r\n", text->data[i]) || !text->data[i])
			return false;
	return true;
}

/* Without {% generation %}: after an answer's last token, blanks and the special token that ends the turn count too. What a
 * template puts between two parts of one answer (no special token there) belongs to the answer. */
static void extend_answers(const struct tokenizer *t, const struct ids *out, int64_t first, const struct ids *ends,
			   const struct buf *text, int32_t *mask)
{
	int64_t n = ends->n;

	for (int64_t i = 0; i < n; i++) {
		bool only_blank = true;

		if (!mask[i])
			continue;
		for (int64_t j = i + 1; j < n && !mask[j]; j++) {
			bool special = tokenizer_is_special(t, out->v[first + j]);

			if (special || (j + 1 < n && mask[j + 1])) {
				if (!special || only_blank)
					for (int64_t k = i + 1; k <= j; k++)
						mask[k] = 1;
				i = j;
				break;
			}
			only_blank &= blank(text, ends->v[j - 1], ends->v[j]);
		}
	}
}

static void make_mask(const struct tokenizer *t, const struct ids *out, int64_t first, const struct ids *ends, const struct buf *text,
		      const struct buf *marks, struct ids *mask)
{
	char bits = jinja_has_generation(t->chat) ? JINJA_GENERATION : JINJA_ANSWER;
	int64_t start = mask->n, from = 0;

	for (int64_t i = 0; i < ends->n; i++) {
		ids_push(mask, overlaps(marks, from, ends->v[i], bits));
		from = ends->v[i] > from ? ends->v[i] : from;
	}
	if (bits == JINJA_ANSWER)
		extend_answers(t, out, first, ends, text, mask->v + start);
}

enum status chat_encode(const struct tokenizer *t, struct tokenizer_scratch *s, const struct chat_message *m, int n,
			bool generation_prompt, struct ids *out, struct ids *mask, struct error *err)
{
	struct buf text = {0}, marks = {0};
	struct ids ends = {0};
	struct encode_options o = {.ends = &ends};
	int64_t first = out->n;
	struct plain_span *plain;
	enum status st = render(t, m, n, generation_prompt, &text, &marks, err);

	plain = data_spans(&marks, &o.n_plain);
	o.plain = plain;
	if (st == OK)
		st = tokenizer_encode_with(t, s, text.data ? text.data : "", text.len, &o, out, err);
	if (st == OK && mask)
		make_mask(t, out, first, &ends, &text, &marks, mask);
	mem_free(plain);
	ids_release(&ends);
	buf_release(&text);
	buf_release(&marks);
	return st;
}
