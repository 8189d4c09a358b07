/* watch.h - signs that learning from pairs goes wrong: the margin of the rewards stands still, or the chosen replies lose their probability,
 * too, as DPO and its like allow (both log-probabilities fall while their difference grows). */
#ifndef QUERN_TRAIN_WATCH_H
#define QUERN_TRAIN_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#define WATCH_STEPS 20               /* steps are looked at by so many, as their means */
#define WATCH_ACCURACY 0.6           /* a margin may stand where more of the pairs are told apart */
#define WATCH_FALL 0.5               /* nats that a chosen token may lose */

struct watch_means {
	double margin, accuracy, nll;    /* rewards/margins, rewards/accuracies, nll_loss of the chosen */
};
struct watch {
	struct watch_means sum, first, last;
	int64_t steps, windows;
	bool stalled, fell;              /* told already */
};
enum watch_finding { WATCH_FINE, WATCH_STALLED, WATCH_FELL };
/* After a step. Each finding comes once: WATCH_STALLED, the margin's mean is no larger than in the steps before; WATCH_FELL, nll is WATCH_FALL
 * above that of the first steps. w->last is what it was found by. */
enum watch_finding watch_step(struct watch *w, const struct watch_means *step);

#endif
