/* tokenizer_config.json and chat_template.jinja: names of the special tokens, and the chat template. */
#include "token/tokenizer_priv.h"

#include "base/file.h"
#include "token/jinja.h"

enum { TEMPLATE_BYTES_MAX = 4 << 20 };

/* "bos_token": "<s>", or {"content": "<s>", ...}. */
static const char *token_name(struct tokenizer *t, const struct json *config, const char *key)
{
	const struct json *j = json_get(config, key);

	if (j && j->type == JSON_OBJECT)
		j = json_get(j, "content");
	return j && j->type == JSON_STRING && j->len ? arena_strndup(&t->arena, j->str, j->len) : NULL;
}

static int32_t id_of(const struct tokenizer *t, const char *name)
{
	return name ? tokenizer_id(t, name, strlen(name)) : -1;
}

/* chat_template: the text, or a list of {name, template} of which "default" counts. */
static const struct json *template_of(const struct json *config)
{
	const struct json *j = json_get(config, "chat_template");

	if (j && j->type == JSON_ARRAY) {
		for (size_t i = 0; i < j->len; i++)
			if (!strcmp(json_get_str(&j->items[i], "name", ""), "default"))
				return json_get(&j->items[i], "template");
		return NULL;
	}
	return j;
}

static void compile_template(struct tokenizer *t)
{
	if (t->template_text)
		t->template_status = jinja_compile(&t->chat, t->template_text, strlen(t->template_text), JINJA_CHAT, &t->template_error);
}

static enum status read_template_file(struct tokenizer *t, struct error *err)
{
	char *path = path_join(t->dir, "chat_template.jinja");
	struct buf text = {0};
	enum status st = OK;

	if (path_exists(path)) {
		st = file_read_all(path, TEMPLATE_BYTES_MAX, &text, err);
		if (st == OK)
			t->template_text = buf_detach(&text);
	}
	buf_release(&text);
	mem_free(path);
	return st;
}

enum status tokenizer_read_config(struct tokenizer *t, struct json_parser *p, struct error *err)
{
	char *path = path_join(t->dir, "tokenizer_config.json");
	const struct json *config = NULL, *text;
	enum status st = OK;

	if (path_exists(path)) {
		st = json_parse_file(p, path, &config, err);
		if (st == OK && config->type != JSON_OBJECT)
			st = error_set(err, ERR_DATA, "%s: not an object", path);
	}
	mem_free(path);
	TRY(st);
	t->bos_text = token_name(t, config, "bos_token");
	t->eos_text = token_name(t, config, "eos_token");
	t->pad_text = token_name(t, config, "pad_token");
	t->unk_text = token_name(t, config, "unk_token");
	t->bos = id_of(t, t->bos_text);
	t->eos = id_of(t, t->eos_text);
	t->pad = id_of(t, t->pad_text);
	TRY(read_template_file(t, err));
	text = template_of(config);
	if (!t->template_text && text && text->type == JSON_STRING && text->len <= TEMPLATE_BYTES_MAX)
		t->template_text = mem_strndup(text->str, text->len);
	compile_template(t);
	return OK;
}
