/* skip.c - see skip.h. */
#include "train/skip.h"

#include <stdlib.h>

static int by_first(const void *a, const void *b)
{
	const struct skip_range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

/* Neighbours and overlaps become one. */
static void join(struct skip *s)
{
	int n = 0;

	if (s->n)
		qsort(s->ranges, (size_t)s->n, sizeof(*s->ranges), by_first);
	for (int i = 1; i < s->n; i++) {
		if (s->ranges[i].first > s->ranges[n].last + 1)
			s->ranges[++n] = s->ranges[i];
		else if (s->ranges[i].last > s->ranges[n].last)
			s->ranges[n].last = s->ranges[i].last;
	}
	s->n = s->n ? n + 1 : 0;
}

/* Up to twelve digits at *p, which moves behind them; 0 is none. */
static int64_t number(const char **p)
{
	int64_t v = 0;

	for (int digits = 0; **p >= '0' && **p <= '9' && digits < 12; digits++)
		v = 10 * v + (*(*p)++ - '0');
	return v;
}

enum status skip_parse(struct skip *s, const char *list, struct error *err)
{
	*s = (struct skip){ 0 };
	for (const char *p = list; p && *p;) {
		struct skip_range r;

		r.first = r.last = number(&p);
		if (*p == '-') {
			p++;
			r.last = number(&p);
		}
		if (r.first < 1 || r.last < r.first || (*p && *p != ',') || (*p == ',' && !p[1])) {
			skip_release(s);
			return error_set(err, ERR_USAGE, "--skip-batches '%s': steps wanted, from 1, as in 57,80-83", list);
		}
		p += *p == ',';
		MEM_PUSH_ROOM(s->ranges, s->n, s->cap);
		s->ranges[s->n++] = r;
	}
	join(s);
	return OK;
}

void skip_release(struct skip *s)
{
	mem_free(s->ranges);
	*s = (struct skip){ 0 };
}

bool skip_has(const struct skip *s, int64_t step)
{
	for (int i = 0; i < s->n; i++)
		if (step >= s->ranges[i].first && step <= s->ranges[i].last)
			return true;
	return false;
}

int64_t skip_count(const struct skip *s, int64_t step)
{
	int64_t n = 0;

	for (int i = 0; i < s->n && s->ranges[i].first <= step; i++)
		n += (s->ranges[i].last < step ? s->ranges[i].last : step) - s->ranges[i].first + 1;
	return n;
}

void skip_print(const struct skip *s, int64_t step, struct buf *out)
{
	for (int i = 0; i < s->n && s->ranges[i].first <= step; i++) {
		int64_t last = s->ranges[i].last < step ? s->ranges[i].last : step;

		buf_printf(out, i ? ",%lld" : "%lld", (long long)s->ranges[i].first);
		if (last > s->ranges[i].first)
			buf_printf(out, "-%lld", (long long)last);
	}
}
