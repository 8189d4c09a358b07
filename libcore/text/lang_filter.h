/* lang_filter.h - texts of the wanted languages only: "en,zh=0.65", by CLD2 (lang.h) or by a fastText model (fasttext.h).
 *
 * A text is wanted if its first language is one of the list (zh also stands for zh-Hant) with at least that share or probability. */
#ifndef QUERN_TEXT_LANG_FILTER_H
#define QUERN_TEXT_LANG_FILTER_H

#include "text/fasttext.h"

struct lang_filter;
/* model: path of a fastText model, or NULL. ERR_USAGE if the list is malformed or names what the detector does not know; the model's errors. */
enum status lang_filter_open(struct lang_filter **f, const char *list, const char *model, struct error *err);
void lang_filter_close(struct lang_filter *f);                     /* NULL allowed */
/* Whether the text (valid UTF-8) stays; *score is the share of its language if that is a wanted one, else 0. x is the thread's. */
bool lang_filter_keeps(const struct lang_filter *f, const char *s, size_t n, struct fasttext_scratch *x, double *score);
double lang_filter_least(const struct lang_filter *f);

#endif
