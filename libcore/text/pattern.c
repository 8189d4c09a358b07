/* pattern.c - see pattern.h. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/pattern.h"

#include "base/file.h"

#include <pcre2.h>

#define TEXT_BYTES_MAX (1u << 30)

struct pattern_scratch {
	pcre2_match_context *limits;
	pcre2_jit_stack *stack;
	pcre2_match_data *match;
};

struct pattern_scratch *pattern_scratch_open(void)
{
	struct pattern_scratch *x = mem_zalloc(sizeof(*x));
	x->limits = pcre2_match_context_create(NULL);
	x->match = pcre2_match_data_create(64, NULL);
	x->stack = pcre2_jit_stack_create(32 << 10, PATTERN_STACK_BYTES, NULL);
	pcre2_set_match_limit(x->limits, PATTERN_STEPS);
	pcre2_set_depth_limit(x->limits, PATTERN_STEPS);
	pcre2_set_heap_limit(x->limits, PATTERN_STACK_BYTES >> 10);
	pcre2_jit_stack_assign(x->limits, NULL, x->stack);
	return x;
}

void pattern_scratch_close(struct pattern_scratch *x)
{
	if (!x)
		return;
	pcre2_match_context_free(x->limits);
	pcre2_match_data_free(x->match);
	pcre2_jit_stack_free(x->stack);
	mem_free(x);
}

static enum status compile_as(pcre2_code **code, const char *s, size_t n, uint32_t flags, enum status kind, struct error *err)
{
	int number;
	PCRE2_SIZE at;
	*code = pcre2_compile((PCRE2_SPTR)s, n, PCRE2_UTF | flags, &number, &at, NULL);
	if (!*code) {
		char why[256] = "";
		pcre2_get_error_message(number, (PCRE2_UCHAR *)why, sizeof(why));
		return error_set(err, kind, "'%.*s': position %d: %s", (int)(n < 100 ? n : 100), s, (int)at + 1, why);
	}
	pcre2_jit_compile(*code, PCRE2_JIT_COMPLETE); /* where there is none, the interpreter runs under the same limits */
	return OK;
}

static enum status compile(pcre2_code **code, const char *s, size_t n, enum status kind, struct error *err)
{
	return compile_as(code, s, n, 0, kind, err);
}

static enum status blown(int number, struct error *err)
{
	char why[256] = "";
	pcre2_get_error_message(number, (PCRE2_UCHAR *)why, sizeof(why));
	return error_set(err, ERR_DATA, "a pattern cannot be matched: %s", why);
}

enum status pattern_covers(const char *regex, const char *name, bool *yes, struct error *err)
{
	struct pattern_scratch *x;
	pcre2_code *code;
	int number;
	TRY(compile(&code, regex, strlen(regex), ERR_DATA, err));
	x = pattern_scratch_open();
	number = pcre2_match(code, (PCRE2_SPTR)name, strlen(name), 0, PCRE2_ANCHORED | PCRE2_ENDANCHORED, x->match, x->limits);
	*yes = number >= 0;
	pattern_scratch_close(x);
	pcre2_code_free(code);
	return number >= 0 || number == PCRE2_ERROR_NOMATCH ? OK : blown(number, err);
}

/* --- replacing -------------------------------------------------------------------------------- */

#define SUBSTITUTE (PCRE2_SUBSTITUTE_GLOBAL | PCRE2_SUBSTITUTE_EXTENDED | PCRE2_SUBSTITUTE_UNSET_EMPTY | PCRE2_SUBSTITUTE_OVERFLOW_LENGTH)

struct replacement {
	pcre2_code *code;
	char *by;
};

/* A replacement's mistakes show only where something matches: "REGEX|" matches the empty text. */
static enum status check_replacement(const char *regex, size_t n, const char *by, struct pattern_scratch *x, struct error *err)
{
	char none[64], why[256] = "";
	PCRE2_SIZE len = sizeof(none);
	struct buf b = {0};
	pcre2_code *code;
	enum status st = OK;
	buf_add(&b, regex, n);
	buf_char(&b, '|');
	if (compile(&code, b.data, b.len, ERR_USAGE, NULL) == OK) {
		int number = pcre2_substitute(code, (PCRE2_SPTR)"", 0, 0, SUBSTITUTE, x->match, x->limits, (PCRE2_SPTR)by, PCRE2_ZERO_TERMINATED,
					      (PCRE2_UCHAR *)none, &len);
		if (number < 0 && number != PCRE2_ERROR_NOMEMORY) {
			pcre2_get_error_message(number, (PCRE2_UCHAR *)why, sizeof(why));
			st = error_set(err, ERR_USAGE, "--replace: '%s': %s", by, why);
		}
		pcre2_code_free(code);
	}
	buf_release(&b);
	return st;
}

enum status replacement_open(struct replacement **out, const char *spec, struct error *err)
{
	const char *arrow = strstr(spec, "=>");
	if (!arrow || arrow == spec)
		return error_set(err, ERR_USAGE, "--replace '%s': REGEX=>TEXT is wanted", spec);
	struct replacement *r = mem_zalloc(sizeof(*r));
	struct pattern_scratch *x = pattern_scratch_open();
	enum status st = compile(&r->code, spec, (size_t)(arrow - spec), ERR_USAGE, err);
	r->by = mem_strdup(arrow + 2);
	if (st == OK)
		st = check_replacement(spec, (size_t)(arrow - spec), r->by, x, err);
	pattern_scratch_close(x);
	if (st != OK) {
		replacement_close(r);
		return st;
	}
	*out = r;
	return OK;
}

void replacement_close(struct replacement *r)
{
	if (!r)
		return;
	pcre2_code_free(r->code);
	mem_free(r->by);
	mem_free(r);
}

enum status replacement_apply(const struct replacement *r, const char *s, size_t n, struct pattern_scratch *x, struct buf *out, int64_t *count,
			      struct error *err)
{
	int number = pcre2_match(r->code, (PCRE2_SPTR)s, n, 0, PCRE2_NO_UTF_CHECK, x->match, x->limits);
	*count = 0;
	if (number == PCRE2_ERROR_NOMATCH) {
		buf_add(out, s, n);
		return OK;
	}
	if (number < 0)
		return blown(number, err);
	size_t start = out->len;
	for (size_t room = n + n / 8 + 256;;) {
		if (room > TEXT_BYTES_MAX)
			return error_set(err, ERR_DATA, "the text would grow beyond 1 GiB");
		buf_reserve(out, room);
		PCRE2_SIZE len = room;
		number = pcre2_substitute(r->code, (PCRE2_SPTR)s, n, 0, SUBSTITUTE | PCRE2_NO_UTF_CHECK, x->match, x->limits, (PCRE2_SPTR)r->by, PCRE2_ZERO_TERMINATED,
					  (PCRE2_UCHAR *)out->data + start, &len);
		if (number == PCRE2_ERROR_NOMEMORY && len > room) {
			room = len;
			continue;
		}
		if (number < 0)
			return blown(number, err);
		out->len = start + len;
		*count = number;
		return OK;
	}
}

/* --- lists ------------------------------------------------------------------------------------ */

struct patterns {
	pcre2_code **codes;
	int n, cap;
};

enum status patterns_open(struct patterns **out, const char *regex, struct error *err)
{
	pcre2_code *code;
	TRY(compile(&code, regex, strlen(regex), ERR_USAGE, err));
	struct patterns *p = mem_zalloc(sizeof(*p));
	MEM_PUSH_ROOM(p->codes, p->n, p->cap);
	p->codes[p->n++] = code;
	*out = p;
	return OK;
}

enum status patterns_read(struct patterns **out, const char *path, struct error *err)
{
	struct buf text = {0};
	struct patterns *p = mem_zalloc(sizeof(*p));
	enum status st = file_read_all(path, 16 << 20, &text, err);
	int line = 0;
	for (char *s = text.data, *end = s + text.len; st == OK && s && s < end;) {
		char *stop = memchr(s, '\n', (size_t)(end - s));
		size_t n = (size_t)((stop ? stop : end) - s);
		line++;
		if (n > 0 && s[n - 1] == '\r')
			n--;
		if (n > 0 && s[0] != '#') {
			MEM_PUSH_ROOM(p->codes, p->n, p->cap);
			st = error_prefix(err, compile(&p->codes[p->n], s, n, ERR_DATA, err), "%s: line %d", path, line);
			p->n += st == OK;
		}
		s = stop ? stop + 1 : end;
	}
	if (st == OK && p->n == 0)
		st = error_set(err, ERR_DATA, "%s: no pattern in it", path);
	buf_release(&text);
	if (st != OK) {
		patterns_close(p);
		return st;
	}
	*out = p;
	return OK;
}

void patterns_close(struct patterns *p)
{
	for (int i = 0; p && i < p->n; i++)
		pcre2_code_free(p->codes[i]);
	if (p)
		mem_free(p->codes);
	mem_free(p);
}

enum status patterns_match(const struct patterns *p, const char *s, size_t n, struct pattern_scratch *x, bool *found, struct error *err)
{
	*found = false;
	for (int i = 0; i < p->n && !*found; i++) {
		int number = pcre2_match(p->codes[i], (PCRE2_SPTR)s, n, 0, PCRE2_NO_UTF_CHECK, x->match, x->limits);
		if (number < 0 && number != PCRE2_ERROR_NOMATCH)
			return blown(number, err);
		*found = number >= 0;
	}
	return OK;
}

/* --- finding -------------------------------------------------------------------------------------- */

struct finder {
	pcre2_code *code;
	int groups;
};

enum status finder_open(struct finder **out, const char *regex, size_t n, struct error *err)
{
	struct finder *f = mem_zalloc(sizeof(*f));
	struct buf own = {0};
	uint32_t groups = 0;
	enum status st;

	for (size_t i = 0; i < n; i++) {     /* Python's \Z is PCRE's \z */
		buf_char(&own, regex[i]);
		if (regex[i] == '\\' && i + 1 < n) {
			i++;
			buf_char(&own, regex[i] == 'Z' ? 'z' : regex[i]);
		}
	}
	st = compile_as(&f->code, own.data ? own.data : "", own.len, PCRE2_UCP, ERR_USAGE, err);
	buf_release(&own);
	if (st != OK) {
		finder_close(f);
		return st;
	}
	pcre2_pattern_info(f->code, PCRE2_INFO_CAPTURECOUNT, &groups);
	f->groups = groups < FINDER_GROUPS ? (int)groups : FINDER_GROUPS - 1;
	*out = f;
	return OK;
}

void finder_close(struct finder *f)
{
	if (!f)
		return;
	pcre2_code_free(f->code);
	mem_free(f);
}

enum status finder_next(const struct finder *f, const char *s, size_t n, size_t at, bool after_empty, struct pattern_scratch *x,
			struct found *out, struct error *err)
{
	uint32_t flags = PCRE2_NO_UTF_CHECK | (after_empty ? PCRE2_NOTEMPTY_ATSTART : 0);
	int number = at > n ? PCRE2_ERROR_NOMATCH : pcre2_match(f->code, (PCRE2_SPTR)s, n, at, flags, x->match, x->limits);
	PCRE2_SIZE *places;

	if (number == PCRE2_ERROR_NOMATCH)
		return END;
	if (number < 0)
		return blown(number, err);
	places = pcre2_get_ovector_pointer(x->match);
	out->groups = f->groups;
	for (int i = 0; i <= f->groups; i++) {
		bool set = i < number && places[2 * i] != PCRE2_UNSET;

		out->from[i] = set ? places[2 * i] : SIZE_MAX;
		out->to[i] = set ? places[2 * i + 1] : SIZE_MAX;
	}
	return OK;
}

enum status finder_remove(const struct finder *f, const char *s, size_t n, struct pattern_scratch *x, struct buf *out, struct error *err)
{
	struct found m;
	size_t at = 0, kept = 0;
	bool empty = false;
	enum status st;

	while ((st = finder_next(f, s, n, at, empty, x, &m, err)) == OK) {
		buf_add(out, s + kept, m.from[0] - kept);
		kept = at = m.to[0];
		empty = m.from[0] == m.to[0];
	}
	buf_add(out, s + kept, n - kept);
	return st == END ? OK : st;
}
