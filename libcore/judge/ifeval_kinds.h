/* ifeval_kinds.h - one question of ifeval.h: does a text follow an instruction of a kind, with these arguments? */
#ifndef QUERN_JUDGE_IFEVAL_KINDS_H
#define QUERN_JUDGE_IFEVAL_KINDS_H

#include "judge/ifeval.h"
#include "judge/ifeval_text.h"
#include "text/pattern.h"

#define PATTERNS_KEPT 256                    /* compiled patterns; then they are made anew */

struct ifeval {
	struct pattern_scratch *scratch;
	struct kept_pattern {
		char *text;
		struct finder *finder;
	} kept[PATTERNS_KEPT];
	int n_kept;
	struct json_parser *parser;  /* of responses that should be JSON, and of kwargs that are text */
	struct buf lower, argument, pattern;
	bool gave_up;
};

/* One question: does the response follow? */
struct asked {
	struct ifeval *x;
	const struct json *args;
	const char *id;
	struct text_view t;
	struct text_view lower;      /* t in lower case */
};

/* ERR_DATA names the argument that is missing. */
typedef enum status ifeval_follows(const struct asked *a, bool *yes, struct error *err);
struct ifeval_kind {
	const char *id;              /* "punctuation:no_comma" */
	ifeval_follows *check;
};
const struct ifeval_kind *ifeval_find_kind(const char *id);  /* NULL: there is none */
void ifeval_forget_patterns(struct ifeval *x);

#endif
