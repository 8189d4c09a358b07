/* task.h - evaluation tasks as lm-evaluation-harness writes them down: a YAML file that says how a document becomes a prompt, what can
 * follow it, and what is right.
 *
 * Read are multiple_choice, loglikelihood, loglikelihood_rolling and generate_until, with include, Jinja templates, few-shot examples,
 * filters and metrics, under the rules of version 0.4.13 (api/task.py, api/samplers.py, filters/). A file that needs Python
 * (!function), or a key that we do not know, is refused by the key's name. Data come from files that the user names, so the
 * dataset's own names mean nothing here.
 *
 * Two keys are ours. grader says who judges the responses of generate_until (enum task_grader). shuffle: {options: [columns], seed: column}
 * puts options into an order that the hash of the column seed alone decides, so that it is the same in every run; the first of the columns
 * is the right answer. Templates see the texts in that order as `options`, the right one's place as `answer_index`, its letter as
 * `answer_letter`. */
#ifndef QUERN_JUDGE_TASK_H
#define QUERN_JUDGE_TASK_H

#include "infer/likelihood.h"
#include "judge/docs.h"
#include "judge/pyrandom.h"
#include "token/jinja.h"
#include "token/tokenizer.h"

#define TASK_CHOICES_MAX 10000               /* of a document */

enum task_type { TASK_MULTIPLE_CHOICE, TASK_LOGLIKELIHOOD, TASK_ROLLING, TASK_GENERATE };
const char *task_type_name(enum task_type t);

/* A value of the file that a document fills in: a column's name, a template, a number, a list of texts. */
struct task_part {
	const struct json *given;    /* NULL or JSON_NULL: there is none */
	struct jinja *jinja;         /* of a text that is no column's name */
	bool is_column;
};

enum task_sampler { SAMPLER_RANDOM, SAMPLER_FIRST };

/* Who says which response is right. The first is the harness's exact_match; the others are ours: the file's key `grader`. */
enum task_grader {
	GRADE_TEXT,                  /* "exact_match": the text that the filters leave, under the options of the metric exact_match */
	GRADE_ANSWER,                /* "quern", "lighteval", ...: a profile of verify.h; the target is the gold answer */
	GRADE_CHOICE,                /* "choice": the letter of an option, as lighteval finds it (choice_letter.h) */
	GRADE_IFEVAL,                /* "ifeval": the instructions that the document lists (ifeval.h) */
	GRADE_CODE                   /* "code": the document's tests, in the sandbox (code.h) */
};

struct task_metric {
	const char *name;            /* "acc", "pass@8" */
	const char *aggregation;     /* "mean", "perplexity", … */
	bool higher;                 /* is better */
	int64_t k;                   /* of pass@k, avg@k, maj@k; else 0 */
	const struct json *options;  /* the metric's other members */
};

struct task_filter {
	const char *name;            /* "strict-match"; "none" where the file has no filters */
	const struct json *steps;    /* list of {function, …}; NULL: take_first, or nothing where all responses are wanted */
	bool keeps_all;              /* of NULL steps: nothing */
};

struct task {
	struct json_parser *parser;  /* owns config */
	const struct json *config;   /* what the file and its includes say */
	const char *name;
	enum task_type type;
	struct task_part text, choice, target, description, gen_prefix;
	struct task_part shot_text, shot_choice, shot_target, shot_prefix;    /* of few-shot examples */
	const char *target_delimiter, *shot_delimiter, *shot_target_delimiter;
	int64_t shots, repeats;
	enum task_sampler sampler;
	enum task_grader grader;
	int profile;                 /* enum verify_profile, of GRADE_ANSWER */
	bool anywhere;               /* of GRADE_CHOICE: "choice_anywhere", a letter without an anchor counts, too */
	const struct json *shuffle;  /* how options are mixed, or NULL */
	const struct json *shot_samples;      /* examples in the file itself, or NULL */
	bool shots_from_docs;        /* the examples' split is the one that is measured, or the file names none */
	const char *shot_split;      /* the name of the split for messages, or NULL */
	struct task_metric metrics[16];
	int n_metrics;
	struct task_filter filters[16];
	int n_filters;
	double version;
	char *metric_names;          /* of task_set_metrics */
};
enum status task_load(struct task **t, const char *path, struct error *err);
/* Tells the columns of the documents (of the few-shot documents, too): from here on parts are known to be columns or templates. */
enum status task_bind(struct task *t, const struct schema *columns, struct error *err);
/* The same where columns are the members of a document. */
enum status task_bind_doc(struct task *t, const struct json *doc, struct error *err);
void task_close(struct task *t);             /* NULL allowed */
/* Other metrics than the file's: names between commas. What exact_match ignores (or else the first metric), they ignore, too.
 * ERR_UNSUPPORTED, as of the file's own. */
enum status task_set_metrics(struct task *t, const char *names, struct error *err);
/* The most responses of a document that a metric looks at: the largest k, at least 1. */
int64_t task_responses_needed(const struct task *t);

/* A part under a document: text, a number where the rules make it one, or a list; JSON_NULL where the part is absent. Lives in arena. */
enum status task_value(const struct task *t, const struct task_part *p, const struct json *doc, struct arena *arena, struct json *out,
		       struct error *err);

/* --- prompts ------------------------------------------------------------------------------------- */
struct prompter_turn {                       /* a part of the prompt's text, and what a chat template is told of it */
	const char *role;            /* system, user, assistant */
	size_t from, n;              /* what it says; behind that the delimiter, which only plain text has */
};

struct prompter {
	const struct task *task;
	const struct docs *docs, *shots;      /* shots: where few-shot examples come from; may be docs */
	struct pyrandom rng;
	struct json_parser *doc_parser, *shot_parser;
	struct buf text;
	struct prompter_turn *turns;          /* of text */
	int64_t n_turns, cap_turns;
	/* Set after prompter_open. The prompt as a conversation under the chat template of this tokenizer, as lm-evaluation-harness's
	 * --apply_chat_template has it: the description is the system's, examples are turns, gen_prefix is what the assistant begins to say.
	 * Continuations then have no delimiter, but behind a gen_prefix that ends without a blank. NULL: plain text. */
	const struct tokenizer *chat;
	bool one_turn;                        /* examples and question are one user's turn (--fewshot_as_multiturn false) */
	struct buf rendered;
};
void prompter_open(struct prompter *p, const struct task *t, const struct docs *docs, const struct docs *shots, uint64_t seed);
void prompter_close(struct prompter *p);

/* One document's requests. Documents must be asked for in their order: the examples' random numbers go on from one to the next. */
struct task_request {
	const struct json *doc;      /* valid until the next request */
	struct request_text *contexts;        /* one, or as many as choices where each choice makes a context */
	int64_t n_contexts;
	struct request_text *choices;         /* [n] as they are written in the data, where the task has any */
	struct request_text *continuations;   /* what is asked for: of multiple_choice [n] one per choice (behind each context where there are
						 several), of loglikelihood one, of rolling the text itself */
	int64_t n;
	struct json target;          /* the right answer: text, number, list */
	struct json gold;            /* of multiple_choice: what the choices are compared with (the text's number where it chooses) */
	bool chooses_context;
};
/* What a response is compared with alone: target, gold and choices of a document. Everything in r lives in arena or in doc. */
enum status task_answer(const struct task *t, const struct json *doc, struct arena *arena, struct task_request *r, struct error *err);
/* Everything in r lives in arena. */
enum status prompter_request(struct prompter *p, int64_t doc, struct arena *arena, struct task_request *r, struct error *err);

#endif
