/* chat_rules.h - the numbers that the rules of conversations look at.
 *
 * A conversation is its turns in order; contents are valid UTF-8. Roles are system, user, assistant and tool. */
#ifndef QUERN_TEXT_CHAT_RULES_H
#define QUERN_TEXT_CHAT_RULES_H

#include "text/pattern.h"
#include "text/text_stats.h"

enum chat_stat {
	CHAT_MESSAGES,               /* turns */
	CHAT_EMPTY_TURNS,            /* turns of white space alone */
	CHAT_ROLE_ORDER,             /* 1 unless at most one system turn, first, then user and assistant in turn, tools before an answer */
	CHAT_ANSWERED,               /* 1 if the last turn is the assistant's */
	CHAT_CHARS,                  /* characters of all turns */
	CHAT_SHORTEST_ANSWER,        /* characters of the assistant's shortest turn, white space at its ends aside */
	CHAT_REPETITION,             /* share of characters in runs of 5 words that came before, of the worst of the assistant's turns */
	CHAT_SAME_ANSWERS,           /* answers that an earlier turn of the assistant gave word for word */
	CHAT_LANGUAGES,              /* languages by CLD2 of turns of at least CHAT_LANGUAGE_CHARS characters, where it is sure */
	CHAT_REFUSALS                /* assistant's turns that one of the patterns matches */
};
#define CHAT_LANGUAGE_CHARS 80

struct chat_turn {
	const char *role, *content;
	size_t n_role, n_content;
};

/* NaN where there is nothing to measure. ERR_DATA if a pattern blew its limit (CHAT_REFUSALS); patterns may be NULL for the others. */
enum status chat_measure(enum chat_stat which, const struct chat_turn *turns, int64_t n, struct text_stats *t,
			 const struct patterns *refusals, struct pattern_scratch *x, double *value, struct error *err);

#endif
