/* Methods and filters of strings, methods of lists and dicts, global functions. Positions are bytes: pieces of a string
 * share its bytes and its marks. */
#include "token/jinja_priv.h"

#include <time.h>
#include <utf8proc.h>

#include "token/unicode.h"

static struct jv text_of(struct jrun *r, struct jv v)
{
	return v.type == JV_STRING ? v : jv_to_string(r, v);
}

static struct jv need_string(struct jrun *r, const struct jargs *a, int i, const char *name)
{
	struct jv v;

	if (!jarg(a, i, name, &v) || v.type != JV_STRING)
		jfail(r, ERR_DATA, "argument '%s' needs to be a string", name);
	return v;
}

/* Where what stands in v from byte `from` on, or NULL. */
static const char *seek(struct jv v, size_t from, struct jv what)
{
	if (what.s.n == 1)
		return memchr(v.s.p + from, *what.s.p, v.s.n - from);
	return memmem(v.s.p + from, v.s.n - from, what.s.p, what.s.n);
}

/* --- case ---------------------------------------------------------------------------------- */

/* TITLE is str.title (a word is a run of letters), WORDS the filter title (a word begins after a blank or one of -({[<). */
enum casing { UPPER, LOWER, CAPITAL, TITLE, WORDS };

static struct jv change_case(struct jrun *r, struct jv v, enum casing how)
{
	struct jtext t = {0};
	bool inside = false;         /* of a word, or past the first character (CAPITAL) */

	v = text_of(r, v);
	jstep(r, (int64_t)(v.s.n / 8));
	for (size_t i = 0; i < v.s.n;) {
		int k;
		uint32_t c = utf8_decode((const uint8_t *)v.s.p + i, &k);
		bool up = how == UPPER || (how != LOWER && !inside);
		char u[4];
		size_t n = (size_t)utf8_encode((uint32_t)(up ? utf8proc_toupper((utf8proc_int32_t)c) : utf8proc_tolower((utf8proc_int32_t)c)), u);
		uint8_t m[4];

		memset(m, v.s.m ? *jmarks_at(v.s.m, i) : JINJA_TEMPLATE, sizeof(m));
		jtext_add(r, &t, u, m, n);
		inside = how == WORDS ? !(unicode_class(c) & U_SPACE || (c && c < 0x80 && strchr("-({[<", (int)c)))
				      : how == CAPITAL || unicode_class(c) & U_LETTER;
		i += (size_t)k;
	}
	return jtext_done(&t);
}

static struct jv f_upper(struct jrun *r, struct jv v, const struct jargs *a)
{
	(void)a;
	return change_case(r, v, UPPER);
}

static struct jv f_lower(struct jrun *r, struct jv v, const struct jargs *a)
{
	(void)a;
	return change_case(r, v, LOWER);
}

static struct jv f_capitalize(struct jrun *r, struct jv v, const struct jargs *a)
{
	(void)a;
	return change_case(r, v, CAPITAL);
}

static struct jv m_title(struct jrun *r, struct jv v, const struct jargs *a)
{
	(void)a;
	return change_case(r, v, TITLE);
}

static struct jv f_title(struct jrun *r, struct jv v, const struct jargs *a)
{
	(void)a;
	return change_case(r, v, WORDS);
}

/* --- cutting ------------------------------------------------------------------------------- */

static bool in_set(const char *p, int k, const struct jv *set)
{
	int kk;

	if (!set)
		return unicode_class_at((const uint8_t *)p, &kk) & U_SPACE || (*p >= 0x1c && *p <= 0x1f);
	return memmem(set->s.p, set->s.n, p, (size_t)k) != NULL;
}

static struct jv strip(struct jrun *r, struct jv v, const struct jargs *a, bool left, bool right)
{
	struct jv set, *chars = jarg(a, 0, "chars", &set) && set.type == JV_STRING ? &set : NULL;
	size_t from = 0, to, k;
	int bytes;

	v = text_of(r, v);
	to = v.s.n;
	while (left && from < to) {
		jstep(r, 1 + (int64_t)(chars ? chars->s.n / 16 : 0));
		utf8_decode((const uint8_t *)v.s.p + from, &bytes);
		if (!in_set(v.s.p + from, bytes, chars))
			break;
		from += (size_t)bytes;
	}
	while (right && to > from) {
		jstep(r, 1 + (int64_t)(chars ? chars->s.n / 16 : 0));
		for (k = 1; k < to - from && ((unsigned char)v.s.p[to - k] & 0xc0) == 0x80; k++)
			;
		if (!in_set(v.s.p + to - k, (int)k, chars))
			break;
		to -= k;
	}
	return jv_slice(v, from, to);
}

static struct jv f_strip(struct jrun *r, struct jv v, const struct jargs *a)
{
	return strip(r, v, a, true, true);
}

static struct jv m_lstrip(struct jrun *r, struct jv v, const struct jargs *a)
{
	return strip(r, v, a, true, false);
}

static struct jv m_rstrip(struct jrun *r, struct jv v, const struct jargs *a)
{
	return strip(r, v, a, false, true);
}

static void split_white(struct jrun *r, struct jv v, struct jv list, int64_t max)
{
	size_t i = 0;

	while (i < v.s.n) {
		size_t from;
		int k = 1;

		while (i < v.s.n && (utf8_decode((const uint8_t *)v.s.p + i, &k), in_set(v.s.p + i, k, NULL)))
			i += (size_t)k;
		if (i == v.s.n)
			return;
		if (max >= 0 && list.l->n == max) {
			jv_push(r, list, strip(r, jv_slice(v, i, v.s.n), &(struct jargs){0}, false, true));
			return;
		}
		from = i;
		while (i < v.s.n && (utf8_decode((const uint8_t *)v.s.p + i, &k), !in_set(v.s.p + i, k, NULL)))
			i += (size_t)k;
		jv_push(r, list, jv_slice(v, from, i));
	}
}

static struct jv m_split(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv sep, list = jv_new_list(r, false);
	int64_t max = jarg_int(r, a, 1, "maxsplit", -1);
	size_t from = 0;

	jstep(r, (int64_t)(v.s.n / 8));
	if (!jarg(a, 0, "sep", &sep) || sep.type == JV_NONE) {
		split_white(r, v, list, max);
		return list;
	}
	if (sep.type != JV_STRING || !sep.s.n)
		jfail(r, ERR_DATA, "split needs a separator that is not empty");
	while (max < 0 || list.l->n < max) {
		const char *hit = seek(v, from, sep);

		if (!hit)
			break;
		jv_push(r, list, jv_slice(v, from, (size_t)(hit - v.s.p)));
		from = (size_t)(hit - v.s.p) + sep.s.n;
	}
	jv_push(r, list, jv_slice(v, from, v.s.n));
	return list;
}

static struct jv m_rsplit(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv sep = need_string(r, a, 0, "sep"), back = jv_new_list(r, false), list = jv_new_list(r, false);
	int64_t max = jarg_int(r, a, 1, "maxsplit", -1);
	size_t to = v.s.n, i = v.s.n;

	if (!sep.s.n)
		jfail(r, ERR_DATA, "rsplit needs a separator that is not empty");
	jstep(r, (int64_t)v.s.n);
	while ((max < 0 || back.l->n < max) && i >= sep.s.n) {
		if (memcmp(v.s.p + i - sep.s.n, sep.s.p, sep.s.n)) {
			i--;
			continue;
		}
		jv_push(r, back, jv_slice(v, i, to));
		to = i = i - sep.s.n;
	}
	jv_push(r, list, jv_slice(v, 0, to));
	for (int64_t k = back.l->n; k-- > 0;)
		jv_push(r, list, back.l->v[k]);
	return list;
}

static struct jv m_splitlines(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv list = jv_new_list(r, false);

	(void)a;
	jstep(r, (int64_t)(v.s.n / 16));
	for (size_t i = 0; i < v.s.n;) {
		const char *nl = memchr(v.s.p + i, '\n', v.s.n - i);
		size_t end = nl ? (size_t)(nl - v.s.p) : v.s.n;

		jv_push(r, list, jv_slice(v, i, end));
		i = end + 1;
	}
	return list;
}

/* --- searching ------------------------------------------------------------------------------- */

static bool affix(struct jrun *r, struct jv v, struct jv what, bool end)
{
	if (what.type == JV_LIST) { /* a tuple of them */
		for (int64_t i = 0; i < what.l->n; i++)
			if (what.l->v[i].type == JV_STRING && affix(r, v, what.l->v[i], end))
				return true;
		return false;
	}
	if (what.type != JV_STRING)
		jfail(r, ERR_DATA, "%s needs a string", end ? "endswith" : "startswith");
	jstep(r, (int64_t)(what.s.n / 64));
	return what.s.n <= v.s.n && !memcmp(v.s.p + (end ? v.s.n - what.s.n : 0), what.s.p, what.s.n);
}

static struct jv m_startswith(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv what = jv_none();

	jarg(a, 0, "prefix", &what);
	return jv_bool(affix(r, v, what, false));
}

static struct jv m_endswith(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv what = jv_none();

	jarg(a, 0, "suffix", &what);
	return jv_bool(affix(r, v, what, true));
}

static struct jv m_removeprefix(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv what = need_string(r, a, 0, "prefix");

	return affix(r, v, what, false) ? jv_slice(v, what.s.n, v.s.n) : v;
}

static struct jv m_removesuffix(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv what = need_string(r, a, 0, "suffix");

	return affix(r, v, what, true) ? jv_slice(v, 0, v.s.n - what.s.n) : v;
}

static struct jv m_find(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv what = need_string(r, a, 0, "sub");
	const char *hit = seek(v, 0, what);

	jstep(r, (int64_t)(v.s.n / 8));
	return jv_int(hit ? jv_length(r, jv_slice(v, 0, (size_t)(hit - v.s.p))) : -1);
}

static struct jv m_count(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv what = need_string(r, a, 0, "sub");
	int64_t n = 0;

	jstep(r, (int64_t)(v.s.n / 8));
	for (size_t i = 0; what.s.n && i < v.s.n;) {
		const char *hit = seek(v, i, what);

		if (!hit)
			break;
		n++;
		i = (size_t)(hit - v.s.p) + what.s.n;
	}
	return jv_int(n);
}

static struct jv f_replace(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv from = need_string(r, a, 0, "old"), to = need_string(r, a, 1, "new");
	int64_t max = jarg_int(r, a, 2, "count", -1);
	struct jtext t = {0};
	size_t i = 0;

	v = text_of(r, v);
	if (!from.s.n)
		jfail(r, ERR_DATA, "replace needs something to replace");
	jstep(r, (int64_t)(v.s.n / 8));
	for (int64_t k = 0; max < 0 || k < max; k++) {
		const char *hit = seek(v, i, from);

		if (!hit)
			break;
		jtext_value(r, &t, jv_slice(v, i, (size_t)(hit - v.s.p)));
		jtext_value(r, &t, to);
		i = (size_t)(hit - v.s.p) + from.s.n;
	}
	jtext_value(r, &t, jv_slice(v, i, v.s.n));
	return jtext_done(&t);
}

static bool all_class(struct jrun *r, struct jv v, uint8_t classes)
{
	int k;

	jstep(r, (int64_t)(v.s.n / 8));
	for (size_t i = 0; i < v.s.n; i += (size_t)k)
		if (!(unicode_class_at((const uint8_t *)v.s.p + i, &k) & classes))
			return false;
	return v.s.n > 0;
}

static struct jv m_isdigit(struct jrun *r, struct jv v, const struct jargs *a)
{
	(void)a;
	return jv_bool(all_class(r, v, U_NUMBER));
}

static struct jv m_isalpha(struct jrun *r, struct jv v, const struct jargs *a)
{
	(void)a;
	return jv_bool(all_class(r, v, U_LETTER));
}

static struct jv m_isspace(struct jrun *r, struct jv v, const struct jargs *a)
{
	(void)a;
	return jv_bool(all_class(r, v, U_SPACE));
}

static struct jv m_join(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv list = jv_none(), e;
	struct jtext t = {0};

	jarg(a, 0, "iterable", &list);
	e = jv_elements(r, list);
	for (int64_t i = 0; i < e.l->n; i++) {
		if (i)
			jtext_value(r, &t, v);
		jtext_value(r, &t, e.l->v[i]);
	}
	return jtext_done(&t);
}

/* --- lists and dicts -------------------------------------------------------------------------- */

static struct jv m_append(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv e = jv_none();

	if (v.l->tuple || !jarg(a, 0, "object", &e))
		jfail(r, ERR_DATA, "append needs a list and a value");
	jv_push(r, v, e);
	return jv_none();
}

static struct jv m_list_pop(struct jrun *r, struct jv v, const struct jargs *a)
{
	int64_t i = jarg_int(r, a, 0, "index", -1);
	struct jv e;

	i += i < 0 ? v.l->n : 0;
	if (v.l->tuple || i < 0 || i >= v.l->n)
		jfail(r, ERR_DATA, "pop: there is no such element");
	jstep(r, (v.l->n - i) / 16);
	e = v.l->v[i];
	memmove(v.l->v + i, v.l->v + i + 1, (size_t)(v.l->n - i - 1) * sizeof(e));
	v.l->n--;
	return e;
}

static struct jv m_list_index(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv e = jv_none();

	jarg(a, 0, "value", &e);
	for (int64_t i = 0; i < v.l->n; i++)
		if (jv_equal(r, v.l->v[i], e))
			return jv_int(i);
	jfail(r, ERR_DATA, "index: the value is not in the list");
}

static struct jv m_list_count(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv e = jv_none();
	int64_t n = 0;

	jarg(a, 0, "value", &e);
	for (int64_t i = 0; i < v.l->n; i++)
		n += jv_equal(r, v.l->v[i], e);
	return jv_int(n);
}

static struct jv m_get(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv key = jv_none(), dflt = jv_none(), *found;

	jarg(a, 0, "key", &key);
	jarg(a, 1, "default", &dflt);
	found = jv_get(r, v, key);
	return found ? *found : dflt;
}

static struct jv m_dict_pop(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv key = jv_none(), old, dflt;
	bool has = jarg(a, 1, "default", &dflt);

	jarg(a, 0, "key", &key);
	for (int64_t i = 0; i < v.d->n; i++)
		if (jv_equal(r, v.d->k[i], key)) {
			old = v.d->v[i];
			memmove(v.d->k + i, v.d->k + i + 1, (size_t)(v.d->n - i - 1) * sizeof(old));
			memmove(v.d->v + i, v.d->v + i + 1, (size_t)(v.d->n - i - 1) * sizeof(old));
			v.d->n--;
			return old;
		}
	if (!has)
		jfail(r, ERR_DATA, "pop: there is no such key");
	return dflt;
}

static struct jv m_keys(struct jrun *r, struct jv v, const struct jargs *a)
{
	(void)a;
	return jv_elements(r, v);
}

static struct jv m_values(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv list = jv_new_list(r, false);

	(void)a;
	for (int64_t i = 0; i < v.d->n; i++)
		jv_push(r, list, v.d->v[i]);
	return list;
}

static struct jv f_items(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv list = jv_new_list(r, false), pair;

	(void)a;
	if (v.type == JV_UNDEFINED)
		return list;
	if (v.type != JV_DICT)
		jfail(r, ERR_DATA, "items needs a dict, not %s", jv_type_name(v));
	for (int64_t i = 0; i < v.d->n; i++) {
		pair = jv_new_list(r, true);
		jv_push(r, pair, v.d->k[i]);
		jv_push(r, pair, v.d->v[i]);
		jv_push(r, list, pair);
	}
	return list;
}

/* --- global functions ----------------------------------------------------------------------------- */

static struct jv g_range(struct jrun *r, struct jv v, const struct jargs *a)
{
	int64_t from = a->n > 1 ? jarg_int(r, a, 0, "start", 0) : 0, to = jarg_int(r, a, a->n > 1 ? 1 : 0, "stop", 0);
	int64_t step = jarg_int(r, a, 2, "step", 1);
	struct jv list = jv_new_list(r, false);

	(void)v;
	if (!step || from > INT32_MAX || from < -INT32_MAX || to > INT32_MAX || to < -INT32_MAX || step > INT32_MAX || step < -INT32_MAX)
		jfail(r, ERR_DATA, "range: out of bounds");
	for (int64_t i = from; step > 0 ? i < to : i > to; i += step) {
		jstep(r, 1);
		jv_push(r, list, jv_int(i));
	}
	return list;
}

static struct jv make_dict(struct jrun *r, const struct jargs *a)
{
	struct jv d = jv_new_dict(r);

	if (a->n == 1 && a->pos[0].type == JV_DICT)
		for (int64_t i = 0; i < a->pos[0].d->n; i++)
			jv_put(r, d, a->pos[0].d->k[i], a->pos[0].d->v[i]);
	else if (a->n)
		jfail(r, ERR_DATA, "expected keyword arguments");
	for (int i = 0; i < a->n_kw; i++)
		jv_put(r, d, jv_str(a->names[i]), a->kw[i]);
	return d;
}

static struct jv g_namespace(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv d = make_dict(r, a);

	(void)v;
	d.d->namespace_ = true;
	return d;
}

static struct jv g_dict(struct jrun *r, struct jv v, const struct jargs *a)
{
	(void)v;
	return make_dict(r, a);
}

static struct jv g_raise_exception(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv why = jv_str("raise_exception");

	(void)v;
	jarg(a, 0, "message", &why);
	why = jv_to_string(r, why);
	r->line = 0;
	jfail(r, ERR_DATA, "the chat template says: %.*s", (int)(why.s.n < 300 ? why.s.n : 300), why.s.p);
}

static struct jv g_strftime_now(struct jrun *r, struct jv v, const struct jargs *a)
{
	struct jv format = need_string(r, a, 0, "format");
	char f[128], out[256];
	time_t now = time(NULL);
	struct tm tm;

	(void)v;
	if (format.s.n >= sizeof(f))
		jfail(r, ERR_DATA, "strftime_now: the format is too long");
	memcpy(f, format.s.p, format.s.n);
	f[format.s.n] = 0;
	localtime_r(&now, &tm);
	out[strftime(out, sizeof(out), f, &tm)] = 0;
	format = jv_str(out);
	format.s.p = memcpy(jalloc(r, format.s.n + 1, 1), out, format.s.n + 1);
	return format;
}

/* --- tables ------------------------------------------------------------------------------------------ */

struct entry {
	const char *name;
	jv_fn *fn;
};

static const struct entry string_methods[] = {
	{"capitalize", f_capitalize}, {"count", m_count}, {"endswith", m_endswith}, {"find", m_find}, {"isalpha", m_isalpha},
	{"isdigit", m_isdigit}, {"isspace", m_isspace}, {"join", m_join}, {"lower", f_lower}, {"lstrip", m_lstrip},
	{"removeprefix", m_removeprefix}, {"removesuffix", m_removesuffix}, {"replace", f_replace}, {"rsplit", m_rsplit},
	{"rstrip", m_rstrip}, {"split", m_split}, {"splitlines", m_splitlines}, {"startswith", m_startswith}, {"strip", f_strip},
	{"title", m_title}, {"upper", f_upper}, {NULL, NULL}};
static const struct entry list_methods[] = {
	{"append", m_append}, {"count", m_list_count}, {"index", m_list_index}, {"pop", m_list_pop}, {NULL, NULL}};
static const struct entry dict_methods[] = {
	{"get", m_get}, {"items", f_items}, {"keys", m_keys}, {"pop", m_dict_pop}, {"values", m_values}, {NULL, NULL}};
static const struct entry globals[] = {
	{"dict", g_dict}, {"namespace", g_namespace}, {"raise_exception", g_raise_exception}, {"range", g_range},
	{"strftime_now", g_strftime_now}, {NULL, NULL}};
static const struct entry string_filters[] = {
	{"capitalize", f_capitalize}, {"items", f_items}, {"lower", f_lower}, {"replace", f_replace}, {"title", f_title},
	{"trim", f_strip}, {"upper", f_upper}, {NULL, NULL}};

static jv_fn *find(const struct entry *e, const char *name)
{
	for (; e->name; e++)
		if (!strcmp(e->name, name))
			return e->fn;
	return NULL;
}

jv_fn *jinja_method(struct jv self, const char *name)
{
	return find(self.type == JV_STRING ? string_methods : self.type == JV_LIST ? list_methods : self.type == JV_DICT ? dict_methods
															   : &string_methods[sizeof(string_methods) / sizeof(*string_methods) - 1],
		    name);
}

bool jinja_is_method(const char *name)
{
	return find(string_methods, name) || find(list_methods, name) || find(dict_methods, name);
}

jv_fn *jinja_global(const char *name)
{
	return find(globals, name);
}

jv_fn *jinja_string_filter(const char *name)
{
	return find(string_filters, name);
}
