#include "judge/source_quota.h"

#include "stream/expr.h"
#include "token/strmap.h"

#include <stdio.h>
#include <string.h>

struct source_quota {
	struct expr *column;
	const char *name;                    /* of it */
	int64_t most;
	struct strmap places;                /* of sources in left */
	int64_t *left, n, cap;
	struct arena names;
};

enum status source_quota_open(struct source_quota **q, const char *column, int64_t most, const struct schema *s, struct error *err)
{
	struct expr *e;
	TRY(expr_parse_value(&e, column, s, err));
	*q = mem_zalloc(sizeof(**q));
	**q = (struct source_quota){ .column = e, .name = column, .most = most };
	return OK;
}

void source_quota_close(struct source_quota *q)
{
	if (!q)
		return;
	expr_free(q->column);
	strmap_release(&q->places);
	arena_release(&q->names);
	mem_free(q->left);
	mem_free(q);
}

/* What a value is called: numbers and times by what they are worth, nulls and lists all the same. */
static const char *name_of(const struct expr_value *v, char *digits, size_t cap, size_t *n)
{
	*digits = 0;
	if (v->type == V_BOOL || v->type == V_NUMBER)
		snprintf(digits, cap, "%.21Lg", v->number);
	else if (v->type == V_INSTANT || v->type == V_CLOCK || v->type == V_SPAN)
		snprintf(digits, cap, "%lld.%09lld", (long long)(v->ns / 1000000000), (long long)(v->ns % 1000000000));
	*n = v->type == V_STRING ? v->n : strlen(digits);
	return v->type == V_STRING ? v->s : digits;
}

enum status source_quota_find(struct source_quota *q, const struct batch *b, int64_t row, int64_t **left, struct error *err)
{
	struct expr_value v = expr_value(q->column, b, row);
	char digits[64];
	size_t n;
	const char *name = name_of(&v, digits, sizeof(digits), &n);
	int32_t at = q->n ? strmap_get(&q->places, name, n) : -1;
	if (at < 0) {
		if (q->n == SOURCE_QUOTA_MAX)
			return error_set(err, ERR_DATA, "'%s' tells more than %d sources", q->name, SOURCE_QUOTA_MAX);
		at = (int32_t)q->n;
		MEM_PUSH_ROOM(q->left, q->n, q->cap);
		q->left[q->n++] = q->most;
		strmap_put(&q->places, arena_strndup(&q->names, name, n), n, at);
	}
	*left = &q->left[at];
	return OK;
}
