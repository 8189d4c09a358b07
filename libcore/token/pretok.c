#include "token/pretok.h"

#include "base/mem.h"
#include "token/unicode.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>

#define LLAMA3(number) \
	"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" number \
	"| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
static const char gpt2[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
static const char o200k[] =
	"[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
	"[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
	"\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/* tiktoken's own, which differs from Llama 3's in white space that ends the text (\z: its $ is no end of a line). */
static const char cl100k_base[] = "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+|\\s++\\z|\\s*[\\r\\n]|"
				  "\\s+(?!\\S)|\\s";

static const struct known {
	const char *name, *pattern;
	enum pretok_kind kind;
} known[] = {
	{"gpt2", gpt2, PRETOK_GPT2},
	{"cl100k", LLAMA3("\\p{N}{1,3}"), PRETOK_CL100K},
	{"llama3", LLAMA3("\\p{N}{1,3}"), PRETOK_CL100K},
	{"cl100k_base", cl100k_base, PRETOK_CL100K_BASE},
	{"qwen2", LLAMA3("\\p{N}"), PRETOK_QWEN2},
	{"o200k", o200k, PRETOK_O200K},
};
enum { N_KNOWN = sizeof(known) / sizeof(known[0]) };

const char *pretok_pattern(const char *name)
{
	for (int i = 0; i < N_KNOWN; i++)
		if (!strcmp(known[i].name, name))
			return known[i].pattern;
	return NULL;
}

/* Oniguruma's \s, and the letters of its \w that are none by category: PCRE2's lack marks and connectors, and know U+180E. */
#define CIRCLED "\\x{24B6}-\\x{24E9}\\x{1F130}-\\x{1F149}\\x{1F150}-\\x{1F169}\\x{1F170}-\\x{1F189}"
#define SPACE "\\t-\\r \\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}"

static void add_range(struct buf *out, const struct unicode_since *u)
{
	char text[32];

	snprintf(text, sizeof(text), "\\x{%X}-\\x{%X}", u->from, u->to);
	buf_str(out, text);
}

static void add_property(struct buf *out, const char *prefix, const char *name)
{
	buf_str(out, "\\p{");
	buf_str(out, prefix);
	buf_str(out, name);
	buf_char(out, '}');
}

/* A general category, or its first letter, within a class: PCRE2's own, and what it is too old to know. */
static void add_category(struct buf *out, const char *name)
{
	add_property(out, "", name);
	for (size_t i = 0; i < unicode_n_since_14; i++)
		if (!strncmp(unicode_since_14[i].name, name, strlen(name)))
			add_range(out, &unicode_since_14[i]);
}

/* A script; PCRE2 would take its bare name with the script's extensions. */
static void add_script(struct buf *out, const char *name)
{
	add_property(out, "sc:", name);
	for (size_t i = 0; i < unicode_n_script_since_14; i++)
		if (!strcmp(unicode_script_since_14[i].name, name))
			add_range(out, &unicode_script_since_14[i]);
}

/* Standing alone it has, as Oniguruma's tables say, some numbers that it has not as a part of a class. */
static void add_word(struct buf *out, bool in_class)
{
	static const char *const categories[] = {"L", "M", "Nd", "Nl", "Pc"};

	for (size_t i = 0; i < sizeof(categories) / sizeof(*categories); i++)
		add_category(out, categories[i]);
	buf_str(out, CIRCLED);
	buf_str(out, in_class ? "" : "\\xB2\\xB3\\xB9\\xBC-\\xBE");
}

/* "w", "s" or the name of a property, as a class of its own, or as a part of the one that it stands in. */
static void add_class(struct buf *out, bool in_class, bool negated, const char *name)
{
	static const char *const others[] = {"Any", "Alphabetic", "Lowercase", "Uppercase"};
	static const char categories[] = " L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp C Cc Cf Cn Co Cs ";
	char spaced[64];
	bool other = false;

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		other |= !strcmp(name, others[i]);
	snprintf(spaced, sizeof(spaced), " %s ", name);
	if (!in_class)
		buf_str(out, negated ? "[^" : "[");
	if (!strcmp(name, "w"))
		add_word(out, in_class);
	else if (!strcmp(name, "s"))
		buf_str(out, SPACE);
	else if (strstr(categories, spaced))
		add_category(out, name);
	else if (other)
		add_property(out, "", name);
	else
		add_script(out, name);
	if (!in_class)
		buf_char(out, ']');
}

/* \p{NAME} or \P{NAME}, p at the brace. Returns what cannot be said; *length: the characters that have been read. */
static const char *translate_property(const char *p, size_t n, bool in_class, bool negated, struct buf *out, size_t *length)
{
	const char *end = n && *p == '{' ? memchr(p, '}', n) : NULL;
	char name[48];

	if (!end || end - p - 1 > 40)
		return "\\p without {NAME}";
	*length = (size_t)(end - p) + 1;
	negated ^= p[1] == '^';
	if (negated && in_class)
		return "\\P in a class";
	p += 1 + (p[1] == '^');
	snprintf(name, sizeof(name), "%.*s", (int)(end - p), p);
	add_class(out, in_class, negated, name);
	return NULL;
}

/* One escape, p at what follows the backslash: its PCRE2 form appended to out, or the name of what has none. */
static const char *translate_escape(const char *p, size_t n, bool in_class, struct buf *out, size_t *length)
{
	*length = 1;
	switch (*p) {
	case 'w':
	case 's':
		add_class(out, in_class, false, *p == 'w' ? "w" : "s");
		return NULL;
	case 'W':
	case 'S':
		if (in_class)
			return *p == 'W' ? "\\W in a class" : "\\S in a class";
		add_class(out, in_class, true, *p == 'W' ? "w" : "s");
		return NULL;
	case 'd':
		add_class(out, in_class, false, "Nd");
		return NULL;
	case 'D':
		if (in_class)
			return "\\D in a class";
		add_class(out, in_class, true, "Nd");
		return NULL;
	case 'p':
	case 'P': {
		const char *wrong = translate_property(p + 1, n - 1, in_class, *p == 'P', out, length);

		++*length;
		return wrong;
	}
	case 'b':
	case 'B':
		return "\\b";
	case 'h':
	case 'H':
		return "\\h";
	default:
		buf_char(out, '\\');
		buf_char(out, *p);
		return NULL;
	}
}

/* From Oniguruma's Ruby syntax, which the reference uses, to PCRE2's. Returns what cannot be said there, or NULL. */
static const char *translate(const char *p, size_t n, struct buf *out)
{
	bool in_class = false;

	for (size_t i = 0; i < n; i++) {
		const char *wrong = NULL;

		if (p[i] == '\\' && i + 1 < n) {
			size_t length = 1;

			wrong = translate_escape(p + i + 1, n - i - 1, in_class, out, &length);
			if (wrong)
				return wrong;
			i += length;
			continue;
		}
		if (in_class && p[i] == '[' && !(i + 1 < n && p[i + 1] == ':'))
			return "a class within a class";
		if (in_class && p[i] == '&' && i + 1 < n && p[i + 1] == '&')
			return "&& in a class";
		if (!in_class && p[i] == '+' && i > 1 && p[i - 1] == '}' && p[i - 2] >= '0' && p[i - 2] <= '9')
			return "a possessive interval {n,m}+";
		if (!in_class && n - i > 2 && !memcmp(p + i, "(?m", 3))
			return "(?m)";
		buf_char(out, p[i]);
		if (in_class && p[i] == '[') { /* [:name:] whole */
			while (i + 1 < n && !(p[i] == ':' && p[i + 1] == ']' ))
				buf_char(out, p[++i]);
			if (i + 1 < n)
				buf_char(out, p[++i]);
		} else if (!in_class && p[i] == '[') {
			in_class = true;
			if (i + 1 < n && p[i + 1] == '^')
				buf_char(out, p[++i]);
			if (i + 1 < n && p[i + 1] == ']')
				buf_char(out, p[++i]);
		} else if (in_class && p[i] == ']') {
			in_class = false;
		}
	}
	return NULL;
}

enum status pretok_compile_regex(struct pretok_stage *st, const char *pattern, size_t n, struct error *err)
{
	struct buf own = {0};
	const char *wrong;
	PCRE2_SIZE at;
	pcre2_code *re;
	int code;

	*st = (struct pretok_stage){0};
	wrong = translate(pattern, n, &own);
	if (wrong) {
		buf_release(&own);
		return error_set(err, ERR_UNSUPPORTED, "pre-tokenizer pattern: %s is not supported", wrong);
	}
	/* ^ and $ are ends of lines in Ruby's syntax. */
	re = pcre2_compile((PCRE2_SPTR)(own.data ? own.data : ""), own.len, PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C,
			   &code, &at, NULL);
	buf_release(&own);
	if (!re) {
		PCRE2_UCHAR why[128];

		pcre2_get_error_message(code, why, sizeof(why));
		return error_set(err, ERR_DATA, "pre-tokenizer pattern: at byte %zu: %s", (size_t)at, (char *)why);
	}
	pcre2_jit_compile(re, PCRE2_JIT_COMPLETE); /* without a JIT the interpreter gives the same matches */
	st->kind = PRETOK_REGEX;
	st->regex = re;
	return OK;
}

static const struct known *find_known(const char *pattern, size_t n)
{
	for (int i = 0; i < N_KNOWN; i++)
		if (strlen(known[i].pattern) == n && !memcmp(known[i].pattern, pattern, n))
			return &known[i];
	return NULL;
}

bool pretok_leaves_gaps(const char *pattern, size_t n)
{
	return !find_known(pattern, n);
}

enum status pretok_compile(struct pretok_stage *st, const char *pattern, size_t n, struct error *err)
{
	const struct known *k = find_known(pattern, n);

	*st = (struct pretok_stage){ .kind = k ? k->kind : PRETOK_NONE };
	return k ? OK : pretok_compile_regex(st, pattern, n, err);
}

enum status pretok_compile_string(struct pretok_stage *st, const char *s, size_t n, struct error *err)
{
	*st = (struct pretok_stage){ .kind = PRETOK_STRING, .string = mem_strndup(s, n), .string_n = n };
	return n ? OK : error_set(err, ERR_UNSUPPORTED, "pre-tokenizer pattern: an empty string is not supported");
}

void pretok_release(struct pretok_stage *st)
{
	pcre2_code_free(st->regex);
	mem_free(st->string);
	*st = (struct pretok_stage){0};
}

void pretok_begin(struct pretok_iter *it, const struct pretok_stage *st, const uint8_t *s, size_t n)
{
	it->stage = st;
	it->s = s;
	it->n = n;
	it->pos = it->search = 0;
	it->ahead = it->peeked = false;
}

static bool find_string(struct pretok_iter *it)
{
	const uint8_t *p = it->search <= it->n ? memmem(it->s + it->search, it->n - it->search, it->stage->string, it->stage->string_n) : NULL;

	if (!p)
		return false;
	it->match_from = (size_t)(p - it->s);
	it->match_to = it->search = it->match_from + it->stage->string_n;
	return true;
}

/* The next character of a class, or the next run of word characters or of others that are no white space. */
static bool find_class(struct pretok_iter *it)
{
	const struct pretok_stage *st = it->stage;
	size_t i = it->search;
	uint8_t c = 0;
	int k = 0;

	for (; i < it->n; i += (size_t)k) {
		c = unicode_class_at(it->s + i, &k);
		if (st->kind == PRETOK_CLASS ? c & st->class : !(c & U_SPACE))
			break;
	}
	if (i >= it->n) {
		it->search = it->n;
		return false;
	}
	it->match_from = i;
	i += (size_t)k;
	for (; st->kind == PRETOK_WORDS && i < it->n; i += (size_t)k) {
		uint8_t next = unicode_class_at(it->s + i, &k);

		if (next & U_SPACE || (next ^ c) & U_WORD)
			break;
	}
	it->match_to = it->search = i;
	return true;
}

/* Finds the next match at or after search into match_from, match_to; false if there is none. */
static enum status find(struct pretok_iter *it, bool *found, struct error *err)
{
	PCRE2_SIZE *span;
	int rc, k;

	if (it->stage->kind != PRETOK_REGEX) {
		*found = it->stage->kind == PRETOK_STRING ? find_string(it) : find_class(it);
		return OK;
	}
	if (!it->match) {
		it->match = pcre2_match_data_create(1, NULL);
		it->context = pcre2_match_context_create(NULL);
		it->jit_stack = pcre2_jit_stack_create(64 << 10, 8 << 20, NULL);
		if (!it->match || !it->context || !it->jit_stack)
			return error_set(err, ERR_MEMORY, "no memory for the pre-tokenizer pattern");
		pcre2_set_match_limit(it->context, 10000000);
		pcre2_set_depth_limit(it->context, 100000);
		pcre2_jit_stack_assign(it->context, NULL, it->jit_stack);
	}
	*found = false;
	if (it->search > it->n)
		return OK;
	rc = pcre2_match(it->stage->regex, it->s, it->n, it->search, PCRE2_NO_UTF_CHECK, it->match, it->context);
	if (rc == PCRE2_ERROR_NOMATCH) {
		it->search = it->n + 1;
		return OK;
	}
	if (rc < 0) {
		PCRE2_UCHAR why[128];

		pcre2_get_error_message(rc, why, sizeof(why));
		return error_set(err, ERR_DATA, "pre-tokenizer pattern: %s", (char *)why);
	}
	span = pcre2_get_ovector_pointer(it->match);
	if (span[0] < it->search || span[1] < span[0]) /* \K within a look-around moves them so */
		return error_set(err, ERR_UNSUPPORTED, "pre-tokenizer pattern: \\K is not supported");
	it->match_from = span[0];
	it->match_to = span[1];
	it->search = span[1];
	if (span[0] == span[1]) { /* an empty match cuts here; the next may begin a character later */
		if (span[1] < it->n)
			utf8_decode(it->s + span[1], &k);
		else
			k = 1;
		it->search = span[1] + (size_t)k;
	}
	*found = true;
	return OK;
}

enum status pretok_find(struct pretok_iter *it, bool *found, size_t *from, size_t *to, struct error *err)
{
	TRY(find(it, found, err));
	*from = it->match_from;
	*to = it->match_to;
	return OK;
}

/* The next match or stretch between matches that is not empty; END behind the last. */
static enum status next_span(struct pretok_iter *it, size_t *from, size_t *to, bool *match, struct error *err)
{
	if (it->peeked) {
		*from = it->peeked_from;
		*to = it->peeked_to;
		*match = it->peeked_match;
		it->peeked = false;
		return OK;
	}
	if (it->pos >= it->n)
		return END;
	*from = it->pos;
	while (!it->ahead || it->match_to <= it->pos) {
		TRY(find(it, &it->ahead, err));
		if (!it->ahead) {
			*to = it->pos = it->n;
			*match = it->stage->invert;
			return OK;
		}
	}
	*match = (it->match_from <= it->pos) != it->stage->invert;
	*to = it->pos = it->match_from > it->pos ? it->match_from : it->match_to;
	return OK;
}

/* Takes the span behind into the one at hand if it is a match, or none, as wanted. */
static enum status take_next(struct pretok_iter *it, bool match, size_t *to, bool *taken, struct error *err)
{
	enum status st = next_span(it, &it->peeked_from, &it->peeked_to, &it->peeked_match, err);

	*taken = st == OK && it->peeked_match == match;
	it->peeked = st == OK && !*taken;
	if (*taken)
		*to = it->peeked_to;
	return st == END ? OK : st;
}

static enum status next_split(struct pretok_iter *it, size_t *from, size_t *to, struct error *err)
{
	bool match, taken = true;

	do
		TRY(next_span(it, from, to, &match, err));
	while (it->stage->behavior == SPLIT_REMOVED && match);
	switch (it->stage->behavior) {
	case SPLIT_WITH_PREVIOUS:
		return match ? OK : take_next(it, true, to, &taken, err);
	case SPLIT_WITH_NEXT:
		return match ? take_next(it, false, to, &taken, err) : OK;
	case SPLIT_CONTIGUOUS:
		while (taken)
			TRY(take_next(it, match, to, &taken, err));
		return OK;
	default:
		return OK;
	}
}

enum status pretok_next(struct pretok_iter *it, size_t *from, size_t *to, struct error *err)
{
	if (it->stage->kind >= PRETOK_REGEX)
		return next_split(it, from, to, err);
	if (it->pos >= it->n)
		return END;
	*from = it->pos;
	*to = it->pos = pretok_scan(it->stage->kind, it->s, it->pos, it->n);
	return OK;
}

void pretok_iter_release(struct pretok_iter *it)
{
	pcre2_match_data_free(it->match);
	pcre2_match_context_free(it->context);
	pcre2_jit_stack_free(it->jit_stack);
	*it = (struct pretok_iter){0};
}
