/* verify_find.h - where in a text may the answer stand? Boxes, formulas, numbers and anchors, each found in one pass.
 *
 * The shapes are those of Math-Verify's regular expressions (math_verify/parser.py); the scanner takes linear time where they backtrack.
 * A table keeps the last FIND_MAX of a kind: who gives so many answers is judged by the last of them. */
#ifndef QUERN_JUDGE_VERIFY_FIND_H
#define QUERN_JUDGE_VERIFY_FIND_H

#include <stdbool.h>
#include <stddef.h>

struct span {
	const char *p;               /* NULL = nothing found */
	size_t n;
};

#define FIND_MAX 64
#define FIND_JOINED 6                /* formulas that "and", "or" or a comma make one answer */

enum found_kind { FOUND_FORMULA, FOUND_NUMBER, FOUND_EXPRESSION };

struct found {
	enum found_kind kind;
	const char *start, *end;     /* with delimiters and anchor */
	int n;                       /* formulas */
	bool percent;                /* a percent sign or word behind it */
	struct span part[FIND_JOINED];
};

struct found_list {
	bool any_fraction;           /* the caller's: \dfrac and \tfrac are found without dollar signs, too, as \frac always is */
	int n;                       /* found so far; the last FIND_MAX are kept */
	struct found item[FIND_MAX];
};
/* The k-th from the end, NULL when there are no more. */
const struct found *found_back(const struct found_list *l, int k);

/* $..$, $$..$$, \(..\), \[..\], " [..] ", -?\frac{1}{2} */
void find_formulas(struct span text, struct found_list *out);
/* Numbers and arithmetic at a word's start: " 1,234.5", "=(3+4)/2 ". */
void find_numbers(struct span text, struct found_list *out);
/* The first formula, or number, that starts in [from, to]: one that stands at an anchor. */
bool formula_at(struct span text, const char *from, const char *to, struct found *out);
bool number_at(struct span text, const char *from, const char *to, struct found *out);

/* The inside of the last \boxed{} or \fbox{}, and of those before it that belong to it (at most 9 characters between, or a separator
 * within 69): newest first. Returns how many, 0 for none. */
int find_boxes(struct span text, struct span *out, int max);
/* The last occurrence of a word, case as it is. */
const char *span_find_last(struct span s, const char *word);
/* The last one before `end` that equals word (lower case) but for case. */
const char *find_back_folded(struct span s, const char *end, const char *word);
struct span span_trim(struct span s);
struct span span_last_line(struct span s);

#endif
