/* tokenizer.c - see tokenizer.h. */
#include "common/tokenizer.h"

#include "base/file.h"

static enum status take_template(struct tool *t, const char *path, struct tokenizer *tokenizer, struct error *err)
{
	struct buf text = {0};
	enum status st = file_read_all(path, TEMPLATE_MAX, &text, err);

	if (st == OK)
		st = chat_set_template(tokenizer, text.data ? text.data : "", text.len, err);
	if (st == OK)
		st = tool_add_input(t, path, err);
	buf_release(&text);
	return st;
}

enum status tool_take_tokenizer(struct tool *t, const char *path, bool record, const char *chat_template, struct tokenizer *tokenizer,
				struct error *err)
{
	if (record)
		TRY(tool_add_input(t, path, err));
	return chat_template ? take_template(t, chat_template, tokenizer, err) : OK;
}

enum status tool_load_tokenizer(struct tool *t, const char *path, bool record, const char *chat_template, struct tokenizer **out,
				struct error *err)
{
	enum status st;

	TRY(tokenizer_load(out, path, err));
	st = tool_take_tokenizer(t, path, record, chat_template, *out, err);
	if (st != OK) {
		tokenizer_close(*out);
		*out = NULL;
	}
	return st;
}
