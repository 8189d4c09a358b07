/* token_mask.c - see token_mask.h. */
#include "stream/token_mask.h"

static bool is_list_of_ints(const struct field *f)
{
	return (f->type == T_LIST || f->type == T_LARGE_LIST || f->type == T_FIXED_LIST) && f->children[0].type >= T_BOOL &&
	       f->children[0].type <= T_UINT64;
}

int token_mask_column(const struct schema *s)
{
	int mask = schema_find(s, "loss_mask"), labels = schema_find(s, "labels");

	/* one number is not of the tokens, but what a classifier is to learn */
	return mask >= 0 ? mask : labels >= 0 && is_list_of_ints(&s->fields[labels]) ? labels : -1;
}

enum status token_mask_read(struct token_mask *m, const struct batch *b, int64_t row, const int32_t *ids, int64_t n, struct error *err)
{
	int at = token_mask_column(b->schema);
	int64_t to;

	*m = (struct token_mask){ .labels = at >= 0 && schema_find(b->schema, "loss_mask") < 0 };
	if (at >= 0 && !is_list_of_ints(&b->schema->fields[at]))
		return error_set(err, ERR_DATA, "column 'loss_mask' is no list of numbers");
	if (at < 0 || array_is_null(&b->columns[at], row))
		return OK;
	array_list(&b->columns[at], row, &m->from, &to);
	if (to - m->from != n)
		return error_set(err, ERR_DATA, "row %lld: %s of %lld for %lld tokens", (long long)row, m->labels ? "labels" : "a loss_mask",
				 (long long)(to - m->from), (long long)n);
	m->values = &b->columns[at].children[0];
	for (int64_t i = 0; m->labels && i < n; i++)
		if (token_mask_has(m, i) && array_int(m->values, m->from + i) != ids[i])
			return error_set(err, ERR_DATA, "row %lld: the label %lld at token %lld, which is %d: labels repeat the tokens, or are -100",
					 (long long)row, (long long)array_int(m->values, m->from + i), (long long)i, ids[i]);
	return OK;
}
