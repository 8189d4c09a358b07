/* funnel.c - see funnel.h. */
#include "text/funnel.h"

#include "base/hash.h"
#include "base/mem.h"

#define SLOTS 4096               /* well above FUNNEL_SOURCES_MAX */

struct source {
	char *name;
	uint64_t hash;
	int64_t rows, kept;
	int64_t *dropped;
};

struct funnel {
	int n_steps, n;
	struct source sources[FUNNEL_SOURCES_MAX + 1];
	uint16_t slots[SLOTS];       /* 1 + place in sources */
};

struct funnel *funnel_open(int n_steps)
{
	struct funnel *f = mem_zalloc(sizeof(*f));
	f->n_steps = n_steps;
	return f;
}

void funnel_close(struct funnel *f)
{
	for (int i = 0; f && i < f->n; i++) {
		mem_free(f->sources[i].name);
		mem_free(f->sources[i].dropped);
	}
	mem_free(f);
}

static struct source *find(struct funnel *f, const char *name, size_t n)
{
	uint64_t hash = hash64(name, n), at = hash % SLOTS;
	for (; f->slots[at]; at = (at + 1) % SLOTS)
		if (f->sources[f->slots[at] - 1].hash == hash)
			return &f->sources[f->slots[at] - 1];
	if (f->n >= FUNNEL_SOURCES_MAX) {
		if (f->n > FUNNEL_SOURCES_MAX)
			return &f->sources[FUNNEL_SOURCES_MAX];
		name = "(other)";
		n = strlen(name);
	} else {
		f->slots[at] = (uint16_t)(f->n + 1);
	}
	struct source *s = &f->sources[f->n++];
	*s = (struct source){mem_strndup(name, n), hash, 0, 0, mem_array((size_t)f->n_steps, sizeof(int64_t))};
	return s;
}

void funnel_add(struct funnel *f, const char *source, size_t n, int step)
{
	struct source *s = find(f, source, n);
	s->rows++;
	if (step < 0)
		s->kept++;
	else
		s->dropped[step]++;
}

void funnel_json(const struct funnel *f, const char *const *steps, struct json_writer *w)
{
	json_begin_object(w);
	for (int i = 0; i < f->n; i++) {
		const struct source *s = &f->sources[i];
		json_key(w, s->name);
		json_begin_object(w);
		json_kv_int(w, "rows", s->rows);
		json_kv_int(w, "kept", s->kept);
		json_key(w, "dropped");
		json_begin_object(w);
		for (int k = 0; k < f->n_steps; k++)
			if (s->dropped[k])
				json_kv_int(w, steps[k], s->dropped[k]);
		json_end_object(w);
		json_end_object(w);
	}
	json_end_object(w);
}
