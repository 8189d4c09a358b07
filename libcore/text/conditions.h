/* conditions.h - conditions on a row and on the statistics of its text, in view's language (stream/expr.h).
 *
 * Names are the row's columns and the statistics (text_stats.h); where both have one, the column is meant. Only the statistics that a
 * condition asks about are computed. One object serves several workers, each by its number. */
#ifndef QUERN_TEXT_CONDITIONS_H
#define QUERN_TEXT_CONDITIONS_H

#include "stream/expr.h"
#include "text/text_stats.h"

struct conditions;
/* texts and s must outlive it. ERR_USAGE names the position, and lists the names where one is not known. */
enum status conditions_open(struct conditions **c, const struct schema *s, const char *const *texts, int n, int workers, struct error *err);
void conditions_close(struct conditions *c);                       /* NULL allowed */
/* Whether condition i holds for the row, whose text is t's. */
bool conditions_hold(struct conditions *c, int i, int worker, const struct batch *b, int64_t row, struct text_stats *t, enum splitter how);

#endif
