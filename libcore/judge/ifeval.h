/* ifeval.h - IFEval's verifiable instructions (Zhou et al. 2023, "Instruction-Following Evaluation for Large Language Models"): does a
 * response do what the prompt asks for, as far as a program can tell?
 *
 * The 25 kinds, their arguments and their rules are those of lm-evaluation-harness 0.4.13 (tasks/ifeval). A document has
 * instruction_id_list, a list of kinds, and kwargs, a list of as many objects with their arguments. Strict: the response itself follows.
 * Loose: it does, or one of seven others made of it does: without its first line, its last, or both, each with and without asterisks. An empty
 * response follows nothing.
 *
 * Where the original asks other programs we ask ours, so that the same response always gets the same verdict:
 *   language       CLD2 (text/lang.h) for langdetect, which guesses by chance. What it is not sure of is in no language that was asked
 *                  for, but may be English in capitals or small letters; a text without words counts as followed, as there
 *   sentences      end at . ? ! before a blank or the end, but for abbreviations, initials and numbers in front of a small letter
 *                  (ifeval_text.h), for NLTK's Punkt, whose trained model we do not have
 *   capital words  words of the Penn Treebank, without looking at sentences first
 *   JSON           no NaN, no Infinity, no numbers beyond double precision
 * An argument that the original would draw by chance because it is missing is an error here. */
#ifndef QUERN_JUDGE_IFEVAL_H
#define QUERN_JUDGE_IFEVAL_H

#include "base/error.h"
#include "base/json.h"

#define IFEVAL_INSTRUCTIONS 64               /* of a document */

struct ifeval_result {
	int n;                       /* instructions */
	bool strict[IFEVAL_INSTRUCTIONS], loose[IFEVAL_INSTRUCTIONS];
	bool gave_up;                /* a keyword's pattern took too long on this response: counted as not followed */
};

struct ifeval;
struct ifeval *ifeval_open(void);
void ifeval_close(struct ifeval *x);                         /* NULL allowed */
/* ERR_DATA names what a document's instructions lack. The response is valid UTF-8. */
enum status ifeval_judge(struct ifeval *x, const struct json *doc, const char *response, size_t n, struct ifeval_result *out,
			 struct error *err);

#endif
