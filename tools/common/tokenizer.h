/* tokenizer.h - a tokenizer as the options of a main name it, entered into the provenance. */
#ifndef QUERN_TOOLS_TOKENIZER_H
#define QUERN_TOOLS_TOKENIZER_H

#include "common/tool.h"
#include "token/tokenizer.h"

#define TEMPLATE_MAX (4 << 20)       /* bytes of a chat template */

/* path: as tokenizer_load has it. chat_template: a file whose template takes the place of the tokenizer's own, or NULL. Both become
 * inputs of the stage (path only if record). */
enum status tool_load_tokenizer(struct tool *t, const char *path, bool record, const char *chat_template, struct tokenizer **out,
				struct error *err);
/* The same of one that is loaded already. */
enum status tool_take_tokenizer(struct tool *t, const char *path, bool record, const char *chat_template, struct tokenizer *tokenizer,
				struct error *err);

#endif
