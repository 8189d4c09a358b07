/* task_filter.c - see task_filter.h. */
#include "judge/task_filter.h"

#include "text/pattern.h"
#include "token/unicode.h"

#include <string.h>
#include <utf8proc.h>

#define STEPS_MAX 16

struct step {
	const struct filter_kind *kind;
	struct finder *finder;
	int64_t group, k;
	const char *fallback;
	const struct json *map, *dflt;
};

struct response_filter {
	struct step steps[STEPS_MAX];
	int n;
	struct pattern_scratch *scratch;
};

struct filter_kind {
	const char *name;
	enum status (*open)(struct step *s, const struct json *options, struct error *err);
	/* One text; or, where many is set, all of them. */
	enum status (*one)(const struct response_filter *f, const struct step *s, struct request_text *t, struct arena *arena, struct error *err);
	enum status (*many)(const struct step *s, struct request_text *t, int64_t *n, struct error *err);
};

static struct request_text keep(struct arena *arena, const char *s, size_t n)
{
	return (struct request_text){ arena_strndup(arena, s, n), n };
}

/* --- regex ------------------------------------------------------------------------------------- */

static enum status open_regex(struct step *s, const struct json *options, struct error *err)
{
	const char *regex = json_get_str(options, "regex_pattern", "#### (\\-?[0-9\\.\\,]+)");

	s->group = json_get_int(options, "group_select", 0);
	s->fallback = json_get_str(options, "fallback", "[invalid]");
	return finder_open(&s->finder, regex, strlen(regex), err);
}

/* What findall gives for a match: the whole, its group, or the first of its groups that is not empty. */
static bool group_of(const struct found *m, size_t *from, size_t *to)
{
	for (int g = m->groups ? 1 : 0; g <= m->groups; g++) {
		*from = m->from[g];
		*to = m->to[g];
		if (m->groups < 2) {         /* one group that took no part is the empty text */
			*from = *from == SIZE_MAX ? 0 : *from;
			*to = *to == SIZE_MAX ? 0 : *to;
			return true;
		}
		if (m->from[g] != SIZE_MAX && m->to[g] > m->from[g])
			return true;
	}
	return false;
}

static struct request_text strip(struct request_text t)
{
	while (t.n) {
		int k;

		if (!(unicode_class(utf8_decode((const uint8_t *)t.s, &k)) & U_SPACE))
			break;
		t.s += k;
		t.n -= (size_t)k;
	}
	while (t.n) {
		size_t at = t.n - 1;
		int k;

		while (at > 0 && ((unsigned char)t.s[at] & 0xc0) == 0x80)
			at--;
		if (!(unicode_class(utf8_decode((const uint8_t *)t.s + at, &k)) & U_SPACE))
			break;
		t.n = at;
	}
	return t;
}

static enum status run_regex(const struct response_filter *f, const struct step *s, struct request_text *t, struct arena *arena, struct error *err)
{
	struct found m, kept = { 0 };
	size_t at = 0, from = 0, to = 0;
	int64_t count = 0, want = s->group;
	bool empty = false, have = false;
	enum status st = END;

	(void)arena;
	/* the group_select-th match; counted from the end where it is negative */
	for (int pass = want < 0 ? 0 : 1; pass < 2; pass++) {
		if (pass == 1 && s->group < 0)
			want = count + s->group;
		count = 0, at = 0, empty = false;
		while (t->s && (st = finder_next(s->finder, t->s, t->n, at, empty, f->scratch, &m, err)) == OK) {
			if (pass == 1 && count == want) {
				kept = m;
				have = true;
				break;
			}
			count++;
			at = m.to[0];
			empty = m.from[0] == m.to[0];
		}
		if (t->s && st != OK && st != END)
			return st;
	}
	if (have && group_of(&kept, &from, &to)) {
		*t = strip((struct request_text){ t->s + from, to - from });
		return OK;
	}
	if (count && want >= count)
		return error_set(err, ERR_DATA, "group_select %lld of %lld matches", (long long)s->group, (long long)count);
	*t = (struct request_text){ s->fallback, strlen(s->fallback) };
	return OK;
}

/* --- the others ---------------------------------------------------------------------------------- */

static enum status run_strip(const struct response_filter *f, const struct step *s, struct request_text *t, struct arena *arena, struct error *err)
{
	(void)f, (void)s, (void)arena, (void)err;
	*t = t->s ? strip(*t) : *t;
	return OK;
}

static void change_case(struct request_text *t, struct arena *arena, bool upper)
{
	struct buf out = { 0 };

	for (size_t i = 0; t->s && i < t->n;) {
		int k;
		uint32_t c = utf8_decode((const uint8_t *)t->s + i, &k);
		char u[4];

		c = (uint32_t)(upper ? utf8proc_toupper((utf8proc_int32_t)c) : utf8proc_tolower((utf8proc_int32_t)c));
		buf_add(&out, u, (size_t)utf8_encode(c, u));
		i += (size_t)k;
	}
	if (t->s)
		*t = keep(arena, out.data ? out.data : "", out.len);
	buf_release(&out);
}

static enum status run_lower(const struct response_filter *f, const struct step *s, struct request_text *t, struct arena *arena, struct error *err)
{
	(void)f, (void)s, (void)err;
	change_case(t, arena, false);
	return OK;
}

static enum status run_upper(const struct response_filter *f, const struct step *s, struct request_text *t, struct arena *arena, struct error *err)
{
	(void)f, (void)s, (void)err;
	change_case(t, arena, true);
	return OK;
}

static enum status open_map(struct step *s, const struct json *options, struct error *err)
{
	s->map = json_get(options, "mapping_dict");
	s->dflt = json_get(options, "default_value");
	if (s->map && s->map->type != JSON_OBJECT && s->map->type != JSON_NULL)
		return error_set(err, ERR_DATA, "filter map: 'mapping_dict' is no mapping");
	return OK;
}

static enum status run_map(const struct response_filter *f, const struct step *s, struct request_text *t, struct arena *arena, struct error *err)
{
	const struct json *v = s->dflt;
	struct buf text = { 0 };
	struct json_writer w = json_writer_open(&text, 0);

	(void)f, (void)err;
	for (size_t i = 0; t->s && s->map && s->map->type == JSON_OBJECT && i < s->map->len; i++)
		if (s->map->keys[i].len == t->n && !memcmp(s->map->keys[i].str, t->s, t->n))
			v = &s->map->items[i];
	if (!v || v->type == JSON_NULL) {
		*t = (struct request_text){ NULL, 0 };
		return OK;
	}
	if (v->type == JSON_STRING)
		buf_add(&text, v->str, v->len);
	else
		json_value(&w, v);
	*t = keep(arena, text.data ? text.data : "", text.len);
	buf_release(&text);
	return OK;
}

static enum status take_first(const struct step *s, struct request_text *t, int64_t *n, struct error *err)
{
	(void)s, (void)t, (void)err;
	*n = *n > 1 ? 1 : *n;
	return OK;
}

static enum status open_k(struct step *s, const struct json *options, struct error *err)
{
	s->k = json_get_int(options, "k", 0);
	return s->k > 0 ? OK : error_set(err, ERR_DATA, "filter take_first_k needs k");
}

static enum status take_k(const struct step *s, struct request_text *t, int64_t *n, struct error *err)
{
	(void)t;
	if (*n < s->k)
		return error_set(err, ERR_DATA, "filter take_first_k: %lld responses of %lld; raise repeats", (long long)s->k, (long long)*n);
	*n = s->k;
	return OK;
}

static bool same(const struct request_text *a, const struct request_text *b)
{
	return a->n == b->n && !a->s == !b->s && (!a->s || !memcmp(a->s, b->s, a->n));
}

/* The most frequent text; of equals the one that came first. */
static enum status majority(const struct step *s, struct request_text *t, int64_t *n, struct error *err)
{
	int64_t best = 0, most = 0;

	(void)s, (void)err;
	for (int64_t i = 0; i < *n; i++) {
		int64_t votes = 0;

		for (int64_t k = 0; k < *n; k++)
			votes += same(&t[i], &t[k]);
		if (votes > most) {
			most = votes;
			best = i;
		}
	}
	if (*n) {
		t[0] = t[best];
		*n = 1;
	}
	return OK;
}

static const struct filter_kind kinds[] = {
	{ "regex", open_regex, run_regex, NULL },
	{ "remove_whitespace", NULL, run_strip, NULL },
	{ "lowercase", NULL, run_lower, NULL },
	{ "uppercase", NULL, run_upper, NULL },
	{ "map", open_map, run_map, NULL },
	{ "take_first", NULL, NULL, take_first },
	{ "take_first_k", open_k, NULL, take_k },
	{ "majority_vote", NULL, NULL, majority },
};

/* --- the filter ----------------------------------------------------------------------------------- */

static enum status open_step(struct step *s, const struct json *options, struct error *err)
{
	const char *name = json_get_str(options, "function", "");

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(kinds[i].name, name)) {
			s->kind = &kinds[i];
			return kinds[i].open ? kinds[i].open(s, options, err) : OK;
		}
	return error_set(err, ERR_UNSUPPORTED, "filter '%s' is not supported", name);
}

enum status response_filter_open(struct response_filter **out, const struct task_filter *t, struct error *err)
{
	struct response_filter *f = mem_zalloc(sizeof(*f));
	enum status st = OK;

	f->scratch = pattern_scratch_open();
	if (!t->steps && !t->keeps_all)
		f->steps[f->n++].kind = &kinds[5];
	else if (t->steps && t->steps->len > STEPS_MAX)
		st = error_set(err, ERR_DATA, "filter %s: too many functions", t->name);
	for (size_t i = 0; t->steps && i < t->steps->len && st == OK; i++) {
		st = open_step(&f->steps[f->n++], &t->steps->items[i], err);
		if (st != OK)
			error_prefix(err, st, "filter %s", t->name);
	}
	if (st != OK) {
		response_filter_close(f);
		return st;
	}
	*out = f;
	return OK;
}

void response_filter_close(struct response_filter *f)
{
	if (!f)
		return;
	for (int i = 0; i < f->n; i++)
		finder_close(f->steps[i].finder);
	pattern_scratch_close(f->scratch);
	mem_free(f);
}

const char *response_filter_fallback(const struct response_filter *f)
{
	for (int i = 0; i < f->n; i++)
		if (f->steps[i].fallback)
			return f->steps[i].fallback;
	return NULL;
}

enum status response_filter_apply(const struct response_filter *f, struct request_text *text, int64_t *n, struct arena *arena,
				  struct error *err)
{
	for (int i = 0; i < f->n; i++) {
		const struct step *s = &f->steps[i];

		if (s->kind->many)
			TRY(s->kind->many(s, text, n, err));
		for (int64_t k = 0; s->kind->one && k < *n; k++)
			TRY(s->kind->one(f, s, &text[k], arena, err));
	}
	return OK;
}
