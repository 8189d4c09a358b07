#include "token/rows.h"

const int32_t *row_ids(const struct array *column, int64_t row, struct ids *copy, int64_t *n)
{
	const int32_t *plain = array_int32s(column, row, n);
	int64_t from, to;

	if (plain)
		return plain;
	array_list(column, row, &from, &to);
	copy->n = 0;
	ids_push(copy, 0); /* room, so that an empty row is not NULL */
	copy->n = 0;
	for (int64_t i = from; i < to; i++) {
		if (array_is_null(&column->children[0], i))
			return NULL;
		ids_push(copy, (int32_t)array_int(&column->children[0], i));
	}
	*n = copy->n;
	return copy->v;
}

void row_messages(const struct array *column, int64_t row, struct chat_message **m, int *n, int *cap)
{
	const struct array *each = &column->children[0], *role = array_child(each, "role"), *content = array_child(each, "content");
	int64_t from, to;

	array_list(column, row, &from, &to);
	for (int64_t i = from; i < to; i++) {
		struct chat_message *x;

		MEM_PUSH_ROOM(*m, *n, *cap);
		x = &(*m)[(*n)++];
		*x = (struct chat_message){.row = i, .content = ""};
		x->role = array_text(role, i, &x->role_n);
		if (field_is_text(content->field))
			x->content = array_text(content, i, &x->content_n);
		if (each->field->n_children > 2 || array_is_null(content, i) || !field_is_text(content->field))
			x->fields = each;
	}
}
