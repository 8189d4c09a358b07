/* progress.c - see progress.h. */
#include "base/progress.h"
#include "base/mem.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define START_SECONDS 1.0
#define UPDATE_SECONDS (1.0 / 6)

struct progress {
	const char *tool;
	bool on, shown;
	double start, last;
};

double clock_seconds(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

struct progress *progress_open(const char *tool, enum progress_mode mode)
{
	struct progress *p = mem_zalloc(sizeof(*p));
	p->tool = tool;
	/* A background job must not write over the foreground's lines. */
	p->on = mode == PROGRESS_ALWAYS ||
		(mode == PROGRESS_AUTO && isatty(2) && tcgetpgrp(2) == getpgrp());
	p->start = p->last = clock_seconds();
	return p;
}

bool progress_is_on(const struct progress *p)
{
	return p && p->on;
}

void progress_tick(struct progress *p, int64_t done, int64_t total, const char *unit, const char *note)
{
	if (!p || !p->on)
		return;
	double now = clock_seconds();
	if (now - p->start < START_SECONDS || now - p->last < UPDATE_SECONDS)
		return;
	p->last = now;
	p->shown = true;
	fprintf(stderr, "\rquern %s: %lld", p->tool, (long long)done);
	if (total > 0)
		fprintf(stderr, "/%lld (%d %%)", (long long)total, (int)(100.0 * (double)done / (double)total));
	fprintf(stderr, " %s, %.0f s%s%s\033[K", unit, now - p->start, note ? ", " : "", note ? note : "");
	fflush(stderr);
}

void progress_close(struct progress *p)
{
	if (!p)
		return;
	if (p->shown)
		fputs("\r\033[K", stderr);
	mem_free(p);
}
