/* jinja.h - the part of Jinja2 that chat templates use, with the settings of Hugging Face: trim_blocks, lstrip_blocks,
 * loop controls, {% generation %}, raise_exception, tojson as json.dumps; or with those of an evaluation task.
 *
 * A template is compiled once (what it uses and we do not know is refused there, with its line) and rendered by
 * several threads. Rendered text remembers for each byte whether the template or the data said it: special tokens
 * are taken from the template's bytes alone. Hostile templates end in an error: nesting, steps and bytes are limited. */
#ifndef QUERN_TOKEN_JINJA_H
#define QUERN_TOKEN_JINJA_H

#include "base/error.h"
#include "base/json.h"

enum jinja_mark {
	JINJA_TEMPLATE = 0,          /* said by the template */
	JINJA_DATA = 1,              /* said by a message or a tool's description */
	JINJA_GENERATION = 2         /* bit: inside {% generation %} */
};

/* Whose templates they are, which decides on blanks and on names that nothing defines. */
enum jinja_dialect {
	JINJA_CHAT,                  /* transformers: trim_blocks, lstrip_blocks; an undefined name prints nothing */
	JINJA_TASK,                  /* lm-evaluation-harness: blanks stay as they are, printing an undefined name is an error */
};
struct jinja;
enum status jinja_compile(struct jinja **t, const char *text, size_t n, enum jinja_dialect d, struct error *err);
void jinja_free(struct jinja *t);                             /* NULL allowed */
bool jinja_has_generation(const struct jinja *t);             /* it uses {% generation %} */
/* Renders with the members of vars (an object) as variables. Strings in those named "messages", "tools" and "documents" are data; all
 * others count as the template's. marks, if not NULL, gets one byte per byte of out. */
enum status jinja_render(const struct jinja *t, const struct json *vars, struct buf *out, struct buf *marks, struct error *err);

#endif
