#include "infer/steps.h"

#include <string.h>

enum status steps_open(struct steps *s, const struct lm *lm, const char *separator, struct error *err)
{
	const char *own = lm->model.cfg.step_separator;

	separator = separator ? separator : *own ? own : STEP_SEPARATOR;
	*s = (struct steps){ .lm = lm, .separator = separator, .separator_n = strlen(separator) };
	if (s->separator_n >= sizeof(lm->model.cfg.step_separator))
		return error_set(err, ERR_USAGE, "a step separator has at most %zu bytes", sizeof(lm->model.cfg.step_separator) - 1);
	TRY(tokenizer_encode(lm->tokenizer, lm->scratch, separator, s->separator_n, true, &s->ids, err));
	return s->ids.n ? OK : error_set(err, ERR_USAGE, "the tokenizer has no token for the step separator");
}

void steps_close(struct steps *s)
{
	ids_release(&s->ids);
}

enum status steps_encode(const struct steps *s, const char *text, size_t n, struct ids *out, struct error *err)
{
	TRY(tokenizer_encode(s->lm->tokenizer, s->lm->scratch, text, n, false, out, err));
	for (int64_t i = 0; i < s->ids.n; i++)
		ids_push(out, s->ids.v[i]);
	return OK;
}

static bool is_blank(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strchr(" \t\n\v\f\r", p[i]) || !p[i])
			return false;
	return true;
}

bool steps_next(const struct steps *s, const char **at, const char *end, const char **step, size_t *n)
{
	while (*at < end) {
		const char *stop = memmem(*at, (size_t)(end - *at), s->separator, s->separator_n);

		*step = *at;
		*n = (size_t)((stop ? stop : end) - *at);
		*at = stop ? stop + s->separator_n : end;
		if (!is_blank(*step, *n))
			return true;
	}
	return false;
}
