/* ifeval_text.h - what IFEval counts in a text: words, sentences, bullets, highlights. Every function takes time linear in the text. */
#ifndef QUERN_JUDGE_IFEVAL_TEXT_H
#define QUERN_JUDGE_IFEVAL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text_view {
	const char *s;
	size_t n;
};
struct text_view view_strip(struct text_view t);             /* str.strip() */
struct text_view view_strip_char(struct text_view t, char c);        /* str.strip(c) */
bool view_is_blank(struct text_view t);
/* The place of a word in t, or NULL. */
const char *view_find(struct text_view t, const char *word);

int64_t ifeval_count_words(struct text_view t);                /* \w+ */
/* Sentences of English: each ends with a full stop, question or exclamation mark (and closing quotes and brackets) before a blank or the end;
 * what is left behind the last is one, too. No end is a full stop behind an abbreviation or a single letter unless a word that often
 * begins sentences follows with a capital; behind a number when a small letter follows; an ellipsis unless such a word follows. */
int64_t ifeval_count_sentences(struct text_view t);
/* Words of the Penn Treebank (Mr. Dean's n't, 's, and so on are words of their own) whose letters are all capitals. */
int64_t ifeval_count_capital_words(struct text_view t);
bool ifeval_is_upper(struct text_view t);                      /* str.isupper(): there are letters with case, and all are capitals */
bool ifeval_is_lower(struct text_view t);
int64_t ifeval_count_placeholders(struct text_view t);         /* [...] on a line */
int64_t ifeval_count_bullets(struct text_view t);              /* lines that begin with one * or with - */
int64_t ifeval_count_highlights(struct text_view t);           /* *...* and **...** that hold more than blanks, each */
bool ifeval_has_title(struct text_view t);                     /* <<...>> on a line, not blank */

#endif
