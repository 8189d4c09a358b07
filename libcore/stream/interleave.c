/* interleave.c - see interleave.h. */
#include "stream/interleave.h"

void interleave_open(struct interleave *v, struct interleave_source *sources, int n)
{
	*v = (struct interleave){ .sources = sources, .n = n, .left = n };
	for (int i = 0; i < n; i++) {
		sources[i].given = 0;
		sources[i].gone = false;
		v->weight += sources[i].weight;
	}
}

int interleave_pick(const struct interleave *v)
{
	double margin = v->left > 1 ? 1.0 / (2.0 * v->left - 2.0) : 0, first = 0, furthest = 0;
	int late = -1, behind = -1;
	for (int i = 0; i < v->n; i++) {
		const struct interleave_source *s = &v->sources[i];
		if (s->gone)
			continue;
		double share = s->weight / v->weight;
		double due = share * (double)(v->given + 1) - (double)s->given;
		double deadline = ((double)s->given + 1 - margin) / share;
		if (due >= margin && (late < 0 || deadline < first)) {
			late = i;
			first = deadline;
		}
		if (behind < 0 || due > furthest) {
			behind = i;
			furthest = due;
		}
	}
	return late >= 0 ? late : behind;    /* one is always late, but for the last bit of a double */
}

void interleave_count(struct interleave *v, int source)
{
	v->sources[source].given++;
	v->given++;
}

void interleave_leave(struct interleave *v, int source)
{
	v->sources[source].gone = true;
	v->left--;
	v->given = 0;
	v->weight = 0;
	for (int i = 0; i < v->n; i++) {
		v->sources[i].given = 0;
		v->weight += v->sources[i].gone ? 0 : v->sources[i].weight;
	}
}
