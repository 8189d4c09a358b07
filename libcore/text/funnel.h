/* funnel.h - how many rows each step let through, by source. Filled by one thread, in the order of the rows. */
#ifndef QUERN_TEXT_FUNNEL_H
#define QUERN_TEXT_FUNNEL_H

#include "base/json.h"

#define FUNNEL_SOURCES_MAX 1000  /* those that come later count as "(other)" */

struct funnel;
struct funnel *funnel_open(int n_steps);
void funnel_close(struct funnel *f);                               /* NULL allowed */
/* A row of this source that was dropped at a step, or kept (-1). */
void funnel_add(struct funnel *f, const char *source, size_t n, int step);
/* {"SOURCE": {"rows": 10, "kept": 7, "dropped": {"STEP": 3}}, ...}, sources in the order of their first row. */
void funnel_json(const struct funnel *f, const char *const *steps, struct json_writer *w);

#endif
