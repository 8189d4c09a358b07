#include "token/pretok.h"

#include "base/mem.h"
#include "token/unicode.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

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

/* Oniguruma's \w and \s, member by member: PCRE2's lack marks and connectors, and know U+180E. */
#define WORD "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{24B6}-\\x{24E9}\\x{1F130}-\\x{1F149}\\x{1F150}-\\x{1F169}\\x{1F170}-\\x{1F189}"
#define SPACE "\\t-\\r \\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}"

/* One escape: its PCRE2 form appended to out, or the name of what has none. */
static const char *translate_escape(char c, bool in_class, struct buf *out)
{
	switch (c) {
	case 'w':
		buf_str(out, in_class ? WORD : "[" WORD "]");
		return NULL;
	case 's':
		buf_str(out, in_class ? SPACE : "[" SPACE "]");
		return NULL;
	case 'W':
	case 'S':
		if (in_class)
			return c == 'W' ? "\\W in a class" : "\\S in a class";
		buf_str(out, c == 'W' ? "[^" WORD "]" : "[^" SPACE "]");
		return NULL;
	case 'b':
	case 'B':
		return "\\b";
	case 'h':
	case 'H':
		return "\\h";
	default:
		buf_char(out, '\\');
		buf_char(out, c);
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
			wrong = translate_escape(p[++i], in_class, out);
			if (wrong)
				return wrong;
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

/* Finds the next match at or after search into match_from, match_to; false if there is none. */
static enum status find(struct pretok_iter *it, bool *found, struct error *err)
{
	PCRE2_SIZE *span;
	int rc, k;

	if (it->stage->kind == PRETOK_STRING) {
		*found = find_string(it);
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
	if (it->stage->kind == PRETOK_REGEX || it->stage->kind == PRETOK_STRING)
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
