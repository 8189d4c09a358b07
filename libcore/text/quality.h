/* quality.h - rules that say whether a text is worth training on; the first that fails is the reason.
 *
 * A rule is a name, a threshold and a computation; a preset is a list of rules in order. The gopher rules are those of Rae et al. (2021)
 * as datatrove computes them (order, strictness and reason names), with words as str.split() gives them; c4-paper is
 * Raffel et al. (2020), which also rewrites the text (it drops lines); quern is our own default, without word counts, so
 * that it fits scripts without spaces. Character counts are code points. The chat rules look at roles and lengths. */
#ifndef QUERN_TEXT_QUALITY_H
#define QUERN_TEXT_QUALITY_H

#include "base/error.h"
#include "base/mem.h"

#include <stdint.h>

#define QUALITY_RULES_MAX 64

struct quality_rule {
	int id;                      /* index in the table of all rules */
	double threshold;
};

/* The rules to apply, in order. */
struct quality {
	int n;
	struct quality_rule rules[QUALITY_RULES_MAX];
};

/* Sets q to a preset ("quern", "gopher", "c4-paper", "chat", "none"). ERR_USAGE lists them. */
enum status quality_preset(struct quality *q, const char *name, struct error *err);
/* "NAME=VALUE" or "NAME": changes a rule's threshold, or appends the rule (with its default threshold). ERR_USAGE names all rules. */
enum status quality_set(struct quality *q, const char *spec, struct error *err);
/* Removes a rule; ERR_USAGE if no rule has that name. */
enum status quality_remove(struct quality *q, const char *name, struct error *err);
/* ERR_USAGE names the first rule that is not for chat (or only for chat). */
enum status quality_check(const struct quality *q, int chat, struct error *err);

struct quality_scratch;
struct quality_scratch *quality_scratch_open(void);
void quality_scratch_close(struct quality_scratch *x);
/* NULL if the text passes, else the name of the first rule it fails (static). Texts longer than 1 GiB fail as "too_large".
 * Some rules rewrite: then *text and *n point to the new text in the scratch, valid until its next use. */
const char *quality_judge(const struct quality *q, const char **text, size_t *n, struct quality_scratch *x);

struct chat_turn {
	const char *role, *content;
	size_t n_role, n_content;
};
const char *quality_judge_chat(const struct quality *q, const struct chat_turn *turns, int64_t n);

#endif
