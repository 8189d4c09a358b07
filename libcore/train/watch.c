/* watch.c - see watch.h. */
#include "train/watch.h"

enum watch_finding watch_step(struct watch *w, const struct watch_means *step)
{
	struct watch_means before = w->last;

	w->sum.margin += step->margin;
	w->sum.accuracy += step->accuracy;
	w->sum.nll += step->nll;
	if (++w->steps < WATCH_STEPS)
		return WATCH_FINE;
	w->last = (struct watch_means){ w->sum.margin / WATCH_STEPS, w->sum.accuracy / WATCH_STEPS, w->sum.nll / WATCH_STEPS };
	w->sum = (struct watch_means){ 0 };
	w->steps = 0;
	if (!w->windows++) {
		w->first = w->last;
		return WATCH_FINE;
	}
	if (!w->fell && w->last.nll > w->first.nll + WATCH_FALL) {
		w->fell = true;
		return WATCH_FELL;
	}
	if (!w->stalled && w->last.accuracy < WATCH_ACCURACY && w->last.margin <= before.margin) {
		w->stalled = true;
		return WATCH_STALLED;
	}
	return WATCH_FINE;
}
