/* cleaner_priv.h - what cleaner.c and cleaner_chat.c share. */
#ifndef QUERN_TEXT_CLEANER_PRIV_H
#define QUERN_TEXT_CLEANER_PRIV_H

#include "text/chat_rules.h"
#include "text/cleaner.h"
#include "text/html.h"

#define CLEAN_BYTES_MAX ((size_t)1 << 30)

struct clean_scratch {
	const struct cleaner *cleaner;
	int number;                  /* of the thread */
	struct text_stats *stats;
	struct pattern_scratch *patterns;
	struct fasttext_scratch lid;
	struct html_page page;
	struct buf own, other;       /* the text once it differs from the input's; a second one to write it anew. Of chat: all contents */
	struct chat_turn *turns;
	struct buf *contents;        /* of the turns, as own is of a document */
	size_t contents_bytes;
	int64_t turns_cap;
};

/* Counts a row at a step that drops it or not; true if it does. */
bool clean_drops(struct clean_worker *w, struct clean_fate *f, int step, bool failed);
/* Extraction, repair and replacements; the text then lies in *own or where it was. last: nobody reads it again where it was, nor what else lies
 * there. False: the row goes. */
bool clean_prepare(struct clean_worker *w, const char **s, size_t *n, bool last, struct buf *own, struct clean_fate *f);
bool clean_drop_by_language(struct clean_worker *w, const char *s, size_t n, struct clean_fate *f);
bool clean_drop_by_conditions(struct clean_worker *w, struct batch *b, int64_t row, struct clean_fate *f);
/* Personal data in a text that passed: replaces (the text then lies in *own), counts or drops it. */
bool clean_drop_by_pii(struct clean_worker *w, const char **s, size_t *n, struct buf *own, struct clean_fate *f);
void clean_measure(struct clean_worker *w, double *values);
struct clean_fate clean_chat(struct clean_worker *w, struct batch *b, int64_t row, int column, double *values, struct column *out);

#endif
