/* What a rendering has looked at. A template that goes through the messages in order, without looking ahead, has said the same before
 * message i as it says of the first i messages alone: this file finds out where that is so, and so spares rendering every prefix.
 *
 * Doubt counts as having looked at everything: the conversation as a value (a filter over it, its length, a copy in a namespace), which
 * only looks at single messages, slices [k:] that are looped over or named, and the loop over it are known to be less than. */
#include "token/jinja_priv.h"

static void see(struct jwatch *w, int64_t n)
{
	if (w->seen < n)
		w->seen = n;
	if (w->done)
		w->varies = true;
}

/* Behind the loop, a list or a dict may be one that the loop has changed; other values of names are those from before it, since what a
 * loop sets is forgotten with each turn. */
void jwatch_name(struct jrun *r, struct jv v)
{
	if ((v.type == JV_LIST && v.l->watched) || (v.type == JV_DICT && v.d->watched))
		see(r->watch, INT64_MAX);
	if (r->watch->done && (v.type == JV_LIST || v.type == JV_DICT))
		r->watch->varies = true;
}

bool jwatch_item(struct jrun *r, const struct jnode *n, struct jv v, struct jv key)
{
	int64_t skipped = v.type == JV_LIST ? v.l->watched - 1 : -1;

	if (skipped < 0 || n->a->kind != JN_NAME)
		return false;
	if (key.type == JV_INT && key.i >= 0 && key.i < v.l->n)
		see(r->watch, skipped + key.i + 1);
	else
		see(r->watch, INT64_MAX);
	return true;
}

bool jwatch_attribute(struct jrun *r, const struct jnode *n, struct jv v)
{
	static const char *const behind[] = {"index", "index0", "first", "depth", "depth0", "previtem"};
	int64_t at;

	if (n->a->kind != JN_NAME || v.type != JV_DICT || !v.d->watched)
		return false;
	for (size_t i = 0; i < sizeof(behind) / sizeof(*behind); i++)
		if (!strcmp(n->name, behind[i]))
			return true;
	at = v.d->watched - 1 + v.d->v[1].i; /* loop.index0 */
	if ((!strcmp(n->name, "last") || !strcmp(n->name, "nextitem")) && at + 1 < r->watch->n)
		see(r->watch, at + 2);
	else
		see(r->watch, INT64_MAX);
	return true;
}

void jwatch_slice(struct jrun *r, struct jv of, struct jv made, const struct jnode *n)
{
	struct jv from = n->b ? n->b->value : jv_int(0);
	bool tail = !n->c && !n->d && (!n->b || (n->b->kind == JN_VALUE && from.type == JV_INT && from.i >= 0 && from.i <= of.l->n));

	if (tail)
		made.l->watched = of.l->watched + from.i;
	else
		see(r->watch, INT64_MAX);
}

/* --- the loop over the messages ------------------------------------------------------------------- */

static bool main_loop(const struct jrun *r, struct jv items)
{
	return r->watch && items.l->watched && !r->watch->in_loop && r->out == r->watch->out;
}

bool jwatch_begin(struct jrun *r, struct jv items, struct jv loop, bool filtered)
{
	bool main = main_loop(r, items) && !filtered;

	if (!r->watch || !items.l->watched)
		return false;
	loop.d->watched = items.l->watched;
	if (!main || r->watch->done)
		see(r->watch, INT64_MAX);
	if (main)
		r->watch->in_loop = true;
	return main;
}

void jwatch_turn(struct jrun *r, struct jv items, int64_t i)
{
	int64_t at = items.l->watched - 1 + i;

	if (at < r->watch->n)
		r->watch->turns[at] = (struct jturn){r->out->n, r->watch->seen};
	see(r->watch, at + 1);
}

void jwatch_end(struct jrun *r, bool broken)
{
	struct jwatch *w = r->watch;

	w->in_loop = false;
	if (broken) { /* it was looking for something; the loop that matters may come yet */
		for (int64_t i = 0; i < w->n; i++)
			w->turns[i].seen = INT64_MAX;
		return;
	}
	w->done = true;
	w->end = r->out->n;
}

void jwatch_open(struct jrun *r, struct jwatch *w, struct jv messages)
{
	*w = (struct jwatch){.n = messages.l->n, .out = r->out};
	w->turns = jalloc(r, (size_t)w->n + 1, sizeof(*w->turns));
	for (int64_t i = 0; i < w->n; i++)
		w->turns[i] = (struct jturn){0, INT64_MAX};
	messages.l->watched = 1;
	r->watch = w;
}

bool jwatch_turn_at(const struct jwatch *w, int64_t i, size_t *at)
{
	*at = w->turns[i].at;
	return w->done && !w->varies && w->turns[i].seen <= i;
}
