/* quality.h - rules that say whether a text is worth training on; the first that fails is the reason.
 *
 * A rule is a row of one table: a name, a statistic (text_stats.h), a comparison that drops the text when it holds, a default
 * threshold and the reason that the rule's original gives. A preset is a list of rules with thresholds, a word splitter and whether texts are
 * repaired first; it is named for what it reproduces, for the same name means different decisions in different projects:
 *
 *	quern           our default: Unicode words, every language
 *	gopher          Rae et al. (2021), table A1 and section A1.1, on white-space words
 *	gopher-dolma    the gopher_v1 tagger of dolma and the filters of its v1.6 configurations
 *	c4-paper        Raffel et al. (2020), section 2.2
 *	c4-tfds         clean_page of tensorflow_datasets, which made C4
 *	fineweb-v1      the filters of datatrove 0.2.0 in the order of FineWeb: repetition, quality, C4, FineWeb
 *	datatrove-0.10  the same filters of datatrove 0.10
 *	chat            rules of conversations (chat_rules.h)
 *	none            no rule */
#ifndef QUERN_TEXT_QUALITY_H
#define QUERN_TEXT_QUALITY_H

#include "base/error.h"
#include "text/text_stats.h"

#define QUALITY_RULES_MAX 96

enum comparison { DROP_BELOW, DROP_AT_MOST, DROP_ABOVE, DROP_AT_LEAST };

struct quality_rule {
	int id;                      /* row of the table of all rules */
	double threshold;
};

/* The rules to apply, in order. */
struct quality {
	int n;
	struct quality_rule rules[QUALITY_RULES_MAX];
	enum splitter words;
	bool repair;                 /* the preset is for texts that were repaired */
	const char *preset;
};

/* Sets q to a preset. ERR_USAGE lists them. */
enum status quality_preset(struct quality *q, const char *name, struct error *err);
/* "NAME=VALUE" or "NAME": changes a rule's threshold, or appends the rule (with its default threshold). ERR_USAGE names the rules that
 * are like it, or all. */
enum status quality_set(struct quality *q, const char *spec, struct error *err);
/* Removes a rule; ERR_USAGE if no rule has that name, or the preset lacks it. */
enum status quality_remove(struct quality *q, const char *name, struct error *err);
/* ERR_USAGE names the first rule that is not for chat (or only for chat). */
enum status quality_check(const struct quality *q, bool chat, struct error *err);

const char *quality_name(const struct quality *q, int rule);       /* the name of rule number `rule` of q */
const char *quality_reason(const struct quality *q, int rule);
/* The statistic it looks at; -1 for rules that rewrite and those of chat. */
int quality_stat(const struct quality *q, int rule);
bool quality_rewrites(const struct quality *q, int rule);          /* it changes texts, and drops none */
int quality_chat_rule(const struct quality *q, int rule);          /* enum chat_rule, or -1 */
/* Whether a measured value fails this rule. */
bool quality_fails(const struct quality *q, int rule, double value);
/* "words < 50": the rule's test with its threshold. */
void quality_print(const struct quality *q, int rule, struct buf *out);

/* What became of a text: rule < 0 if it passed, else the number of the rule in q that dropped it, and the value it measured. */
struct verdict {
	int rule;
	double value;
};
/* Judges the text that t was set to (at most 1 GiB). hit, if not NULL, is an array of q->n: it is increased for rewriting rules that
 * changed the text and for the rule that dropped it; seen likewise for every rule that was asked. */
struct verdict quality_judge(const struct quality *q, struct text_stats *t, int64_t *seen, int64_t *hit);

#endif
