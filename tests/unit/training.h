/* training.h - what the tests of training share: the tiny models of transformers, and how a trainer is opened over one. */
#ifndef QUERN_TESTS_TRAINING_H
#define QUERN_TESTS_TRAINING_H

#include "base/mem.h"
#include "train/rows.h"
#include "train/trainer.h"
#include "unit.h"

#define GOLDENS "tests/golden/data/model/"

static struct pool *pool;
static struct error err;

/* The rows in their order; no rate yet. */
static inline struct train_options fixed_order(void)
{
	return (struct train_options){ .schedule.floor = 0.1, .optimizer = { .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8 },
				       .clip = 1.0, .micro_tokens = 1000 };
}

static inline void open_trainer(struct trainer *t, struct model *m, const struct dataset *d, const struct objective *objective,
				const struct train_options *o)
{
	OK_OR_FAIL(trainer_open(t, m, d, objective, o, 0, &err));
	OK_OR_FAIL(trainer_take(t, &err));
}

static inline void load(struct model *m, const char *name)
{
	char *dir = mem_printf(GOLDENS "%s", name);

	OK_OR_FAIL(model_load(m, dir, kernels_cpu(), pool, &err));
	mem_free(dir);
}

#endif
