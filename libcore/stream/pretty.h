/* pretty.h - a row as text for eyes: a line for what is short, indented blocks for texts, a dialogue for conversations, documents with
 * their borders for packed rows, token ids beside their text. No byte of the data reaches a terminal as a command. */
#ifndef QUERN_STREAM_PRETTY_H
#define QUERN_STREAM_PRETTY_H

#include "stream/record.h"

struct pretty {
	int width;                   /* lines are wrapped to it; 0 = they are not */
	bool color;
	/* Bytes of a token (any bytes; *n 0: there is no such token), and whether it is a special one. NULL: ids stand alone. */
	const char *(*token)(void *arg, int32_t id, size_t *n, bool *special);
	void *arg;
};

/* Appends the row's columns columns[0..n), under a rule with its number. Nulls are left out. */
void pretty_row(const struct pretty *p, const struct batch *b, const int *columns, int n, int64_t row, int64_t number,
		struct buf *out);

/* --- lines, for pretty.c and pretty_tokens.c --------------------------------------------------- */
enum style {
	STYLE_NONE, STYLE_RULE, STYLE_NAME, STYLE_CHOSEN, STYLE_REJECTED, STYLE_SYSTEM, STYLE_USER, STYLE_ASSISTANT, STYLE_DIM,
	STYLE_SPECIAL
};
/* s in a style, as it is. */
void pretty_styled(const struct pretty *p, enum style style, const char *s, size_t n, struct buf *out);
/* Text as lines of their own, each indented and wrapped at spaces where that goes. */
void pretty_block(const struct pretty *p, int indent, const char *s, size_t n, struct buf *out);
/* Cells that one line of text takes, or -1 if it is more than one line. */
int64_t pretty_cells(const char *s, size_t n);

/* Short things one behind the other, wrapped between them. */
struct flow {
	const struct pretty *p;
	struct buf *out;
	int indent;
	int64_t at;                  /* cells of this line; 0 = none begun */
};
void flow_add(struct flow *f, enum style style, const char *s, size_t n);
void flow_end(struct flow *f);

/* --- tokens -------------------------------------------------------------------------------------- */
/* The parts of a row that tell of its tokens; absent ones are NULL. */
struct token_row {
	const struct array *mask;                    /* of input_ids */
	const struct array *labels, *lengths;        /* of a packed row whose lengths fit */
	bool labels_differ;                          /* somewhere a label is neither -100 nor the id */
};
/* Whether a column holds token ids: a list of integers by name. */
bool pretty_is_ids(const struct field *f);
struct token_row pretty_token_row(const struct batch *b, const int *columns, int n, int64_t row);
/* Ends the line that holds the column's name. */
void pretty_ids(const struct pretty *p, const struct array *ids, const struct token_row *t, int64_t row, struct buf *out);

#endif
