/* Conversations as text: the variables of a chat template, and its renderings. */
#include "token/chat_priv.h"

void chat_scratch_close(struct chat_scratch *s)
{
	if (!s)
		return;
	arena_release(&s->whole);
	arena_release(&s->prompted);
	arena_release(&s->part);
	json_parser_close(s->parser);
	ids_release(&s->ends);
	mem_free(s->spans);
	mem_free(s->answers);
	buf_release(&s->decoded);
	mem_free(s);
}

/* --- the variables ------------------------------------------------------------------------------------ */

/* The names of what a model thought; the first is the one that most templates read, gpt-oss reads the second. */
static const char *const thoughts[] = {"reasoning_content", "thinking", "reasoning"};

/* A message that has its thought under one of the names has it under the first two; the order is that of transformers, for templates
 * that print whole messages. */
static const struct array *thought_of(const struct chat_message *m)
{
	for (int i = 0; i < 3; i++) {
		const struct array *a = array_child(m->fields, thoughts[i]);

		if (a && !array_is_null(a, m->row))
			return a;
	}
	return NULL;
}

/* Members that are null are left out, as transformers leaves them out of messages and TRL out of what was read from Arrow. */
static struct jv message_of_fields(struct jrun *r, const struct chat_message *m)
{
	const struct array *thought = thought_of(m);
	struct jv v = jv_new_dict(r);

	if (thought)
		jv_put(r, v, jv_str(thoughts[1]), jv_from_array(r, thought, m->row));
	for (int i = 0; i < m->fields->field->n_children; i++) {
		const struct array *a = &m->fields->children[i];
		const char *name = a->field->name;

		if (!array_is_null(a, m->row))
			jv_put(r, v, jv_from_text(r, name, strlen(name)),
			       strcmp(name, "role") ? jv_from_array(r, a, m->row) : jv_from_role(m->role, m->role_n));
	}
	if (thought)
		jv_put(r, v, jv_str(thoughts[0]), jv_from_array(r, thought, m->row));
	return v;
}

static struct jv message_value(struct jrun *r, const struct chat_message *m)
{
	struct jv v;

	if (m->fields)
		return message_of_fields(r, m);
	v = jv_new_dict(r);
	jv_put(r, v, jv_str("role"), jv_from_role(m->role, m->role_n));
	jv_put(r, v, jv_str("content"), jv_from_text(r, m->content, m->content_n));
	return v;
}

static struct jv tools_value(struct jrun *r, const struct call *call)
{
	const struct array *a = call->c->tools;

	if (call->tools)
		return jv_from_json(r, call->tools, JINJA_DATA);
	return a && !field_is_text(a->field) ? jv_from_array(r, a, call->c->row) : jv_none();
}

static void fill(struct jrun *r, const void *arg)
{
	const struct call *call = arg;
	const char *const names[] = {"bos_token", "eos_token", "pad_token", "unk_token"};
	const char *const values[] = {call->t->bos_text, call->t->eos_text, call->t->pad_text, call->t->unk_text};
	struct jv messages = jv_new_list(r, false);
	size_t bytes = 256;

	for (int i = 0; i < call->n; i++) {
		jv_push(r, messages, message_value(r, &call->c->messages[i]));
		bytes += call->c->messages[i].content_n + 64;
	}
	if (bytes < JINJA_BYTES_MAX / 4)
		jtext_reserve(r, r->out, bytes);
	jscope_set(r, r->globals, "messages", messages);
	jscope_set(r, r->globals, "add_generation_prompt", jv_bool(call->generation_prompt));
	jscope_set(r, r->globals, "tools", tools_value(r, call));
	jscope_set(r, r->globals, "documents", jv_none());
	for (int i = 0; i < 4; i++)
		if (values[i])
			jscope_set(r, r->globals, names[i], jv_str(values[i]));
	if (call->watch)
		jwatch_open(r, call->watch, messages);
}

/* --- rendering ---------------------------------------------------------------------------------------- */

enum status chat_check(const struct tokenizer *t, struct error *err)
{
	if (!t->template_text)
		return error_set(err, ERR_UNSUPPORTED, "%s: the tokenizer has no chat template", t->dir);
	if (t->template_status != OK && err)
		*err = t->template_error;
	return t->template_status == ERR_DATA ? ERR_UNSUPPORTED : t->template_status;
}

enum status chat_set_template(struct tokenizer *t, const char *text, size_t n, struct error *err)
{
	jinja_free(t->chat);
	mem_free(t->template_text);
	t->chat = NULL;
	t->template_text = mem_strndup(text, n);
	t->template_status = jinja_compile(&t->chat, text, n, JINJA_CHAT, &t->template_error);
	return chat_check(t, err);
}

/* A row's tools, if they are text: their JSON. ERR_DATA if they are none; a null or an empty text is no tools. */
static enum status parse_tools(struct chat_scratch *s, const struct chat *c, const struct json **tools, struct error *err)
{
	const char *text;
	size_t n;

	*tools = NULL;
	if (!c->tools || !field_is_text(c->tools->field))
		return OK;
	text = array_text(c->tools, c->row, &n);
	if (!n)
		return OK;
	if (!s->parser)
		s->parser = json_parser_open();
	return json_parse(s->parser, text, n, tools, err);
}

/* What a template or the tools refuse is a reason against the row, no error of the run. */
static enum status refused(enum status st, const char *why, const char **reason)
{
	if (st != ERR_DATA && st != ERR_UNSUPPORTED)
		return st;
	*reason = why;
	return OK;
}

enum status chat_render_text(const struct call *call, struct arena *arena, struct jtext *text, const char **reason, struct error *err)
{
	arena_reset(arena);
	return refused(jinja_run(call->t->chat, fill, call, arena, text, err), "chat_template", reason);
}

enum status chat_render_whole(const struct tokenizer *t, struct chat_scratch *s, const struct chat *c, bool generation_prompt,
			      struct jwatch *watch, struct call *call, struct jtext *text, const char **reason, struct error *err)
{
	*call = (struct call){.t = t, .c = c, .n = c->n, .generation_prompt = generation_prompt, .watch = watch};
	*reason = NULL;
	TRY(chat_check(t, err));
	TRY(refused(parse_tools(s, c, &call->tools, err), "tools", reason));
	return *reason ? OK : chat_render_text(call, &s->whole, text, reason, err);
}

enum status chat_render(const struct tokenizer *t, const struct chat *c, bool generation_prompt, struct buf *out, struct error *err)
{
	struct chat_scratch *s = mem_zalloc(sizeof(*s));
	struct call call;
	struct jtext text;
	const char *reason;
	enum status st = chat_render_whole(t, s, c, generation_prompt, NULL, &call, &text, &reason, err);

	if (st == OK && !reason)
		buf_add(out, text.n ? text.p : "", text.n);
	chat_scratch_close(s);
	return st == OK && reason ? ERR_DATA : st;
}
