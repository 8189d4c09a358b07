#include "judge/ifeval.h"

#include "base/mem.h"
#include "judge/ifeval_kinds.h"
#include "text/unicode.h"

#include <string.h>

struct ifeval *ifeval_open(void)
{
	struct ifeval *x = mem_zalloc(sizeof(*x));

	x->scratch = pattern_scratch_open();
	x->parser = json_parser_open();
	return x;
}

void ifeval_close(struct ifeval *x)
{
	if (!x)
		return;
	ifeval_forget_patterns(x);
	pattern_scratch_close(x->scratch);
	json_parser_close(x->parser);
	buf_release(&x->lower);
	buf_release(&x->argument);
	buf_release(&x->pattern);
	mem_free(x);
}

/* The response as it is, then what is left without its first line, its last, and both, each also without asterisks. */
static int variants_of(struct text_view t, struct arena *arena, struct text_view out[8])
{
	const char *first = memchr(t.s, '\n', t.n), *last = memrchr(t.s, '\n', t.n), *end = t.s + t.n;
	struct text_view none = { "", 0 };
	int n = 4;

	out[0] = t;
	out[1] = first ? view_strip((struct text_view){ first + 1, (size_t)(end - first - 1) }) : none;
	out[2] = last ? view_strip((struct text_view){ t.s, (size_t)(last - t.s) }) : none;
	out[3] = first && first < last ? view_strip((struct text_view){ first + 1, (size_t)(last - first - 1) }) : none;
	for (int i = 0; i < 4; i++) {
		char *bare = arena_alloc(arena, out[i].n + 1);
		size_t k = 0;

		for (size_t c = 0; c < out[i].n; c++)
			if (out[i].s[c] != '*')
				bare[k++] = out[i].s[c];
		out[n++] = (struct text_view){ bare, k };
	}
	return n;
}

static enum status ask(struct ifeval *x, const struct ifeval_kind *kind, const struct json *args, struct text_view t, bool *yes, struct error *err)
{
	struct asked a = { .x = x, .args = args, .id = kind->id, .t = t };

	*yes = false;
	if (view_is_blank(t))
		return OK;
	buf_clear(&x->lower);
	text_lower(t.s, t.n, &x->lower);
	a.lower = (struct text_view){ x->lower.data, x->lower.len };
	return kind->check(&a, yes, err);
}

enum status ifeval_judge(struct ifeval *x, const struct json *doc, const char *response, size_t n, struct ifeval_result *out,
			 struct error *err)
{
	const struct json *ids = json_get(doc, "instruction_id_list"), *kwargs = json_get(doc, "kwargs");
	struct text_view variants[8];
	struct arena arena = { 0 };
	enum status st = OK;
	int n_variants;

	*out = (struct ifeval_result){ 0 };
	x->gave_up = false;
	if (!ids || ids->type != JSON_ARRAY || !kwargs || kwargs->type != JSON_ARRAY || ids->len != kwargs->len || ids->len > IFEVAL_INSTRUCTIONS)
		return error_set(err, ERR_DATA, "columns 'instruction_id_list' and 'kwargs' are needed: lists of one length, of at most %d",
				 IFEVAL_INSTRUCTIONS);
	n_variants = variants_of((struct text_view){ response, n }, &arena, variants);
	for (size_t i = 0; i < ids->len && st == OK; i++) {
		const struct ifeval_kind *kind = ids->items[i].type == JSON_STRING ? ifeval_find_kind(ids->items[i].str) : NULL;

		if (!kind) {
			st = error_set(err, ERR_DATA, "there is no instruction '%s'", ids->items[i].type == JSON_STRING ? ids->items[i].str : "?");
			break;
		}
		for (int v = 0; v < n_variants && st == OK && !out->loose[i]; v++) {
			st = ask(x, kind, &kwargs->items[i], variants[v], &out->loose[i], err);
			if (v == 0)
				out->strict[i] = out->loose[i];
		}
		out->n++;
	}
	out->gave_up = x->gave_up;
	arena_release(&arena);
	return st;
}
