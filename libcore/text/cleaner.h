/* cleaner.h - what becomes of a row: its text is extracted from HTML, repaired and rewritten, and the row goes by the first step that
 * does not let it through, in the order of enum clean_step with the rules of a preset behind the language.
 *
 * Documents are judged by their text, chat by its turns, each of which is prepared by itself; language and statistics are of all contents,
 * one behind the other. The numbers of a text are computed once (text_stats.h). A cleaner is set up by its owner and then only
 * read; each thread has a worker. Memory of a worker is bounded but for the largest text, whose copies are given back with its row. */
#ifndef QUERN_TEXT_CLEANER_H
#define QUERN_TEXT_CLEANER_H

#include "text/conditions.h"
#include "text/lang_filter.h"
#include "text/pattern.h"
#include "text/pii.h"
#include "text/quality.h"
#include "text/repair.h"

/* What can drop a row, besides the rules, which are numbered from CLEAN_RULES. */
enum clean_step { STEP_SIZE, STEP_REPLACE, STEP_LANG, STEP_DROP_IF, STEP_KEEP_IF, STEP_PII, STEP_LIMIT, CLEAN_RULES };
enum clean_extract { EXTRACT_NONE, EXTRACT_MAIN, EXTRACT_ALL, EXTRACT_AUTO };
enum clean_pii { PII_LEAVE, PII_MASK, PII_TAG, PII_DROP };

struct cleaner {
	struct quality quality;
	bool repairs;
	bool consume;                /* texts of the input are not read again: what is huge may go page by page as it is repaired */
	struct repair repair;
	enum clean_extract extract;
	struct replacement **replace;
	int n_replace;
	struct lang_filter *lang;    /* NULL: every language */
	struct conditions *conditions; /* NULL: none */
	const char *const *tests;    /* their texts: those that drop, then those that keep */
	int n_drop_if, n_tests;
	enum clean_pii pii;
	unsigned pii_kinds;
	struct patterns *refusals;
	bool measured[N_STATS];      /* which statistics clean_row gives */
};

/* Why a row goes: step < 0 if it stays. */
struct clean_fate {
	int step;
	double value, threshold;     /* NaN: none */
	const char *rule;            /* NULL: the step's name */
};

int clean_steps(const struct cleaner *c);
const char *clean_step_name(const struct cleaner *c, int step);
/* As the rule's original names it. */
const char *clean_step_reason(const struct cleaner *c, int step);

struct clean_worker {
	int64_t *seen, *hit;         /* rows by step, so far */
	int64_t pii[N_PII];          /* finds in the last row */
	struct clean_scratch *scratch;
};

/* number: of the thread, for the conditions. */
void clean_worker_open(struct clean_worker *w, const struct cleaner *c, int number);
void clean_worker_close(struct clean_worker *w);                   /* {0} allowed */
/* Judges a row of documents or, with chat, of conversations, by its column. Of one that stays the text is appended to out, if that is not
 * NULL. values, if not NULL, gets the measured statistics of the row, NaN where they were not reached. */
struct clean_fate clean_row(struct clean_worker *w, bool chat, struct batch *b, int64_t row, int column, double *values, struct column *out);

#endif
