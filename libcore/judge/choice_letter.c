#include "judge/choice_letter.h"

#define PATTERNS 8
#define ANCHORED 6                           /* of them */

struct choice_letters {
	struct finder *finders[CHOICE_LETTERS + 1][PATTERNS];        /* by the number of options; made when first asked for */
	struct pattern_scratch *scratch;
};

struct choice_letters *choice_letters_open(void)
{
	struct choice_letters *c = mem_zalloc(sizeof(*c));

	c->scratch = pattern_scratch_open();
	return c;
}

void choice_letters_close(struct choice_letters *c)
{
	if (!c)
		return;
	for (int n = 0; n <= CHOICE_LETTERS; n++)
		for (int i = 0; i < PATTERNS; i++)
			finder_close(c->finders[n][i]);
	pattern_scratch_close(c->scratch);
	mem_free(c);
}

/* In the order in which they are tried; @ is the letter, ; how a word ends. */
static const char *const patterns[PATTERNS] = {
	"(?i:final answer is):?\\s*@\\.?\\s?I hope",
	"(?i:final answer.{0,100}?)\\s+is:?\\s*@",
	"(?i:answer)\\s?:.{0,50}?(?:^| )(?:\\*\\*)?@;",
	"(?i:answer).{0,50}?(?:^| )(?:\\*\\*)?@;",
	"^(?:\\*\\*)?@;",
	"\\n(?:\\*\\*)?@;",
	"(?:^| )(?:\\*\\*)?@;",
	"@",
};

static enum status compile(struct choice_letters *c, int options, int pattern, struct error *err)
{
	char last = (char)('A' + options - 1);
	struct buf text = { 0 };
	enum status st;

	for (const char *p = patterns[pattern]; *p; p++) {
		if (*p == '@')
			buf_printf(&text, "(\\([A-%c]\\)|[A-%c])", last, last);
		else if (*p == ';')
			buf_str(&text, "(?:\\*\\*)?(?:\\.|,|\\s?:| |$)");
		else
			buf_char(&text, *p);
	}
	st = finder_open(&c->finders[options][pattern], text.data, text.len, err);
	buf_release(&text);
	return st;
}

/* The last of the matches that follow each other from the left; -1: none. */
static enum status last_match(struct choice_letters *c, const struct finder *f, const char *text, size_t n, int *letter, struct error *err)
{
	struct found m;
	enum status st;

	for (size_t at = 0; (st = finder_next(f, text, n, at, false, c->scratch, &m, err)) == OK; at = m.to[0])
		*letter = text[m.from[1] + (text[m.from[1]] == '(')] - 'A';
	return st == END ? OK : st;
}

enum status choice_letter_find(struct choice_letters *c, int options, bool anywhere, const char *text, size_t n, int *letter, struct error *err)
{
	*letter = -1;
	for (int i = 0; i < (anywhere ? PATTERNS : ANCHORED) && *letter < 0; i++) {
		if (!c->finders[options][i])
			TRY(compile(c, options, i, err));
		TRY(last_match(c, c->finders[options][i], text, n, letter, err));
	}
	return OK;
}
