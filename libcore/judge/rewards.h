/* rewards.h - which rewards a run asks for, with which parameters and weights; and what each says of a completion: one number, or NAN
 * where it has nothing to say. The rules are reward_rules.h; on top of them:
 *
 *   accuracy            1 where the caller's verdict is right, 0 where it is wrong, NAN where it is not decided
 *   exact_match         1 if the completion is the answer, byte for byte but for white space at either end; NAN without an answer
 *   contains            1 if --contains TEXT, or else the answer, occurs in the completion; NAN without either
 *   regex               1 if --regex matches somewhere (PCRE2)
 *   length              1 if the completion has from --length-min to --length-max characters
 *   json_valid          1 if the whole completion is one JSON document (at most 256 deep)
 *   code, binary_code   share of the tests that the completion's code passes; 1 if that is above 0.99 (code.h)
 *   logprob             sum of the log-probabilities of its tokens under --logprob DIR
 *   logprob_mean        that by the number of its tokens
 *   model               what the reward model of --reward-model DIR says of prompt and completion
 *   any name of --exec  what that program says (exec.h)
 *
 * The last six, and len, which looks at all completions of a prompt, are brought by the caller. */
#ifndef QUERN_JUDGE_REWARDS_H
#define QUERN_JUDGE_REWARDS_H

#include "base/error.h"
#include "base/json.h"
#include "base/options.h"
#include "judge/reward_rules.h"
#include "text/pattern.h"

enum reward_kind {
	REWARD_ACCURACY, REWARD_FORMAT, REWARD_FORMAT_LOOSE, REWARD_CODE_FORMAT, REWARD_TAG_COUNT, REWARD_REASONING_STEPS, REWARD_COSINE,
	REWARD_REPETITION_PENALTY, REWARD_LEN, REWARD_SOFT_OVERLONG, REWARD_EXACT_MATCH, REWARD_CONTAINS, REWARD_REGEX, REWARD_LENGTH,
	REWARD_JSON_VALID, REWARD_CODE, REWARD_BINARY_CODE, REWARD_LOGPROB,
	REWARD_LOGPROB_MEAN, REWARD_MODEL, REWARD_EXEC
};

struct reward_options {
	struct cosine_options cosine;
	int64_t repetition_n_grams;
	double repetition_max_penalty;
	int repetition_language;             /* enum word_language */
	int64_t max_completion_len, soft_punish_cache;  /* tokens */
	const char *contains, *regex;        /* NULL = none */
	int64_t length_min, length_max;      /* characters */
	const char *code_language;
};
#define REWARD_OPTIONS_DEFAULT                                                                                       \
	{ { -1, -0.5, 0.5, 1, 1000 }, 3, -1, WORDS_EN, 16384, 4096, NULL, NULL, 0, INT64_MAX, "python" }

struct reward {
	enum reward_kind kind;
	const char *name;
	double weight;
	int program;                         /* REWARD_EXEC: which of set->programs */
};

struct reward_program {                      /* of --exec */
	char *name;
	const char *command;
};

struct reward_set {                          /* the rewards asked for, in order, each once; {0} is empty */
	struct reward *items;
	int n, cap;
	struct reward_program *programs;
	int n_programs, cap_programs;
	struct patterns *regex;
	struct reward_options o;
};

/* "NAME=COMMAND", or "COMMAND" for the name exec: a program that may be named as a reward. NAME is of small letters, digits and _. */
enum status reward_set_program(struct reward_set *set, const char *spec, struct error *err);
/* "accuracy=1,format=0.2": adds to the set; the weight is 1 unless given. ERR_USAGE for unknown or repeated names. */
enum status reward_set_add(struct reward_set *set, const char *spec, struct error *err);
/* After the last: programs that were not named get weight 1, and the options are checked. */
enum status reward_set_finish(struct reward_set *set, struct error *err);
void reward_set_release(struct reward_set *set);
bool reward_set_has(const struct reward_set *set, enum reward_kind k);
/* Whether any reward needs a verdict on the answer; the answer itself (a verdict does, too). */
bool reward_set_needs_verdict(const struct reward_set *set);
bool reward_set_needs_answer(const struct reward_set *set);

struct reward_input {
	const char *text;                    /* the completion */
	size_t n;
	const char *answer;                  /* NULL = none */
	size_t answer_n;
	int64_t tokens;                      /* of the completion; -1 unknown */
	double correct;                      /* 1, 0; NAN = no gold answer to compare with */
	double logprob, logprob_mean, rating, code;        /* NAN = unknown */
	const double *programs;              /* [set->n_programs] */
};

struct reward_scratch;                       /* one for each thread */
struct reward_scratch *reward_scratch_open(void);
void reward_scratch_close(struct reward_scratch *x);                        /* NULL allowed */

/* Of the i-th reward; len gives NAN here. ERR_DATA, if a limit of --regex was reached. */
enum status reward_value(const struct reward_set *set, int i, const struct reward_input *in, struct reward_scratch *x, double *value);
/* Weighted sum of values[set->n], leaving out NANs and weights of 0 (a column only); NAN if nothing is left. */
double reward_score(const struct reward_set *set, const double *values);

#endif
