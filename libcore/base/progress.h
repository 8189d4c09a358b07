/* progress.h - one line on stderr while a tool works; nothing unless it is a terminal (or asked for).
 *
 * Starts after one second, at most six updates a second; erased at the end. */
#ifndef QUERN_BASE_PROGRESS_H
#define QUERN_BASE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

enum progress_mode { PROGRESS_AUTO, PROGRESS_ALWAYS, PROGRESS_NEVER };
struct progress;
struct progress *progress_open(const char *tool, enum progress_mode mode);
/* Whether a line is shown while the tool works. */
bool progress_is_on(const struct progress *p);
/* done of total (total <= 0 unknown), in unit ("rows", "steps"); note may be NULL. Cheap when it is not time. */
void progress_tick(struct progress *p, int64_t done, int64_t total, const char *unit, const char *note);
void progress_close(struct progress *p);
double clock_seconds(void);                   /* monotonic */

#endif
