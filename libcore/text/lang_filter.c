/* lang_filter.c - see lang_filter.h. */
#include "text/lang_filter.h"

#include "base/options.h"
#include "text/lang.h"

#define DEFAULT_SHARE 0.65

struct lang_filter {
	char **codes;
	int n, cap;
	double least;
	struct fasttext *model;
};

static enum status add_code(struct lang_filter *f, const char *s, size_t n, const char *list, const char *model, struct error *err)
{
	if (n < 2 || n > (model ? 64 : 8))
		return error_set(err, ERR_USAGE, "--lang: codes such as en,zh are wanted, not '%s'", list);
	MEM_PUSH_ROOM(f->codes, f->n, f->cap);
	char *code = f->codes[f->n++] = mem_strndup(s, n);
	if (model && !fasttext_has(f->model, code))
		return error_set(err, ERR_USAGE, "--lang: %s has no label '%s'", model, code);
	if (!model && !lang_known(code))
		return error_set(err, ERR_USAGE, "--lang: no language '%s' is known; codes are as in en,zh,de", code);
	return OK;
}

static enum status parse(struct lang_filter *f, const char *list, const char *model, struct error *err)
{
	const char *eq = strchr(list, '='), *end = eq ? eq : list + strlen(list);
	f->least = DEFAULT_SHARE;
	if (model)
		TRY(fasttext_open(&f->model, model, err));
	if (eq && (opt_number(eq + 1, &f->least, err) != OK || !(f->least >= 0 && f->least <= 1)))
		return error_set(err, ERR_USAGE, "--lang: a share from 0 to 1 is wanted after '=', not '%s'", eq + 1);
	for (const char *s = list, *next; s <= end; s = next + 1) {
		const char *comma = memchr(s, ',', (size_t)(end - s));
		next = comma ? comma : end;
		TRY(add_code(f, s, (size_t)(next - s), list, model, err));
	}
	return OK;
}

enum status lang_filter_open(struct lang_filter **out, const char *list, const char *model, struct error *err)
{
	struct lang_filter *f = mem_zalloc(sizeof(*f));
	enum status st = parse(f, list, model, err);
	if (st == OK)
		*out = f;
	else
		lang_filter_close(f);
	return st;
}

void lang_filter_close(struct lang_filter *f)
{
	if (!f)
		return;
	for (int i = 0; i < f->n; i++)
		mem_free(f->codes[i]);
	mem_free(f->codes);
	fasttext_close(f->model);
	mem_free(f);
}

/* Whether the first part of a code ("zh" of "zh-Hant") or the whole is in the list. */
static bool is_wanted(const struct lang_filter *f, const char *code)
{
	size_t base = strcspn(code, "-");
	for (int i = 0; i < f->n; i++)
		if (strcmp(f->codes[i], code) == 0 || (strlen(f->codes[i]) == base && memcmp(f->codes[i], code, base) == 0))
			return true;
	return false;
}

bool lang_filter_keeps(const struct lang_filter *f, const char *s, size_t n, struct fasttext_scratch *x, double *score)
{
	char cld[16];
	const char *code = cld;
	double share = f->model ? fasttext_predict(f->model, s, n, x, &code) : lang_detect(s, n, cld);
	bool wanted = is_wanted(f, code);
	*score = wanted ? share : 0;
	return wanted && share >= f->least;
}

double lang_filter_least(const struct lang_filter *f)
{
	return f->least;
}
