#include "judge/metric_tokenize.h"

#include "judge/chars.h"

const char *const bleu_tokenizer_names[] = { "13a", "intl", "zh", "char", "none" };

void tokenizing_release(struct tokenizing *z)
{
	buf_release(&z->a);
	buf_release(&z->b);
	buf_release(&z->text);
}

static void swap(struct tokenizing *z)
{
	struct buf b = z->a;
	z->a = z->b;
	z->b = b;
	buf_clear(&z->b);
}

/* a = a.replace(from, to) */
static void replace_all(struct tokenizing *z, const char *from, const char *to)
{
	size_t n = strlen(from);
	const char *p = z->a.data, *end = p + z->a.len, *hit;
	if (!z->a.len || !memmem(p, (size_t)(end - p), from, n))
		return;
	for (; (hit = memmem(p, (size_t)(end - p), from, n)) != NULL; p = hit + n) {
		buf_add(&z->b, p, (size_t)(hit - p));
		buf_str(&z->b, to);
	}
	buf_add(&z->b, p, (size_t)(end - p));
	swap(z);
}

static void unescape(struct tokenizing *z)
{
	if (!z->a.len || !memchr(z->a.data, '&', z->a.len))
		return;
	replace_all(z, "&quot;", "\"");
	replace_all(z, "&amp;", "&");
	replace_all(z, "&lt;", "<");
	replace_all(z, "&gt;", ">");
}

static void pad(struct tokenizing *z)
{
	buf_char(&z->b, ' ');
	buf_add(&z->b, z->a.data, z->a.len);
	buf_char(&z->b, ' ');
	swap(z);
}

/* --- the language-dependent part of mteval, one pass per regular expression -------------------------------------
 *
 * Bytes do for characters: where an expression speaks of a character that is no digit, it is its last or first byte that matters. */

static bool is_mark(unsigned char c)         /* [{-~[-` -&(-+:-@/] */
{
	return (c >= '{' && c <= '~') || (c >= '[' && c <= '`') || (c >= ' ' && c <= '&') || (c >= '(' && c <= '+') ||
	       (c >= ':' && c <= '@') || c == '/';
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_point(char c) { return c == '.' || c == ','; }

static char *put(char *o, const char *s, size_t n)
{
	memcpy(o, s, n);
	return o + n;
}

/* b, with room for three times a; to be ended by end_pass. */
static char *begin_pass(struct tokenizing *z)
{
	buf_reserve(&z->b, z->a.len * 3 + 1);
	return z->b.data;
}

static void end_pass(struct tokenizing *z, const char *o)
{
	z->b.len = (size_t)(o - z->b.data);
	z->b.data[z->b.len] = 0;
	swap(z);
}

static void split_marks(struct tokenizing *z)        /* ([marks]) -> " \1 " */
{
	char *o = begin_pass(z);
	for (const char *p = z->a.data, *end = p + z->a.len; p < end; p++) {
		if (is_mark((unsigned char)*p))
			o = put(o, (char[3]){ ' ', *p, ' ' }, 3);
		else
			*o++ = *p;
	}
	end_pass(z, o);
}

static void split_points(struct tokenizing *z)
{
	char *o = begin_pass(z);                     /* ([^0-9])([.,]) -> "\1 \2 " */
	for (const char *p = z->a.data, *end = p + z->a.len; p < end; p++) {
		*o++ = *p;
		if (!is_digit(*p) && p + 1 < end && is_point(p[1]))
			o = put(o, (char[3]){ ' ', *++p, ' ' }, 3);
	}
	end_pass(z, o);
	o = begin_pass(z);                           /* ([.,])([^0-9]) -> " \1 \2" */
	for (const char *p = z->a.data, *end = p + z->a.len; p < end; p++) {
		if (is_point(*p) && p + 1 < end && !is_digit(p[1])) {
			o = put(o, (char[4]){ ' ', *p, ' ', p[1] }, 4);
			p++;
		} else {
			*o++ = *p;
		}
	}
	end_pass(z, o);
	o = begin_pass(z);                           /* ([0-9])(-) -> "\1 \2 " */
	for (const char *p = z->a.data, *end = p + z->a.len; p < end; p++) {
		*o++ = *p;
		if (is_digit(*p) && p + 1 < end && p[1] == '-')
			o = put(o, (char[3]){ ' ', *++p, ' ' }, 3);
	}
	end_pass(z, o);
}

/* --- BLEU -------------------------------------------------------------------------------------------------- */

/* The passes above see a text as runs between marks and spaces, and most runs show them nothing. What a byte means to them: */
enum { PLAIN, MARK, SPACE, POINT, DASH, RARE };              /* RARE: a control, or what may begin white space beyond ASCII */

static const uint8_t meanings[256] = {
	[0 ... 0x1f] = RARE, [' '] = SPACE, ['!' ... '&'] = MARK, ['(' ... '+'] = MARK, [','] = POINT, ['-'] = DASH, ['.'] = POINT,
	['/'] = MARK, [':' ... '@'] = MARK, ['[' ... '`'] = MARK, ['{' ... '~'] = MARK, [0xc2] = RARE, [0xe1 ... 0xe3] = RARE,
};

/* A run in which a point stands, or a dash behind a digit, or a rare byte. */
static void tokenize_run(struct tokenizing *z, const char *s, size_t n, struct words *w, struct tokens *t)
{
	bool ends_in_point = is_point(s[n - 1]) && n > 1;
	size_t i = 0;
	while (ends_in_point && i + 1 < n && !is_point(s[i]) && s[i] != '-' && (unsigned char)s[i] < 0x80 && s[i] > ' ')
		i++;
	if (ends_in_point && i + 1 == n) {           /* the end of a sentence */
		tokens_push(t, words_id(w, s, n - 1));
		tokens_push(t, words_id(w, s + n - 1, 1));
		return;
	}
	buf_clear(&z->a);
	buf_clear(&z->b);
	buf_add(&z->a, s, n);
	pad(z);
	split_points(z);
	tokens_split(t, w, z->a.data, z->a.len);
}

static void tokenize_13a(struct tokenizing *z, struct words *w, struct tokens *t)
{
	if (memchr(z->a.data, '<', z->a.len))
		replace_all(z, "<skipped>", "");
	if (z->a.len && memchr(z->a.data, '\n', z->a.len)) {
		replace_all(z, "-\n", "");
		replace_all(z, "\n", " ");
	}
	unescape(z);
	struct buf empty = z->text;
	z->text = z->a;
	z->a = empty;
	const char *p = z->text.data, *end = p + z->text.len;
	while (p < end) {
		const char *from = p;
		bool plain = true;
		for (; p < end; p++) {
			uint8_t k = meanings[(unsigned char)*p];
			if (k == MARK || k == SPACE)
				break;
			if (k != PLAIN && (k != DASH || (p > from && is_digit(p[-1]))))
				plain = false;
		}
		if (p > from && plain)
			tokens_push(t, words_id(w, from, (size_t)(p - from)));
		else if (p > from)
			tokenize_run(z, from, (size_t)(p - from), w, t);
		if (p < end && *p != ' ')
			tokens_push(t, words_id(w, p, 1));
		p++;
	}
}

/* What TokenizerZh._is_chinese_char says; sorted. The table's five-digit escapes are four digits and a letter. */
static bool is_chinese(uint32_t c)
{
	static const uint16_t ranges[][2] = {
		{ 0x2001, 0x2a6d }, { 0x2e80, 0x2eff }, { 0x2f00, 0x2fdf }, { 0x2ff0, 0x303f }, { 0x3100, 0x312f },
		{ 0x31a0, 0x31bf }, { 0x31c0, 0x31ef }, { 0x3200, 0x33ff }, { 0x3400, 0x4db5 }, { 0x4e00, 0x9fbb },
		{ 0xf900, 0xfa2d }, { 0xfa30, 0xfa6a }, { 0xfa70, 0xfad9 }, { 0xfe10, 0xfe1f }, { 0xfe30, 0xfe4f },
		{ 0xff00, 0xffef },
	};
	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++)
		if (c >= ranges[i][0] && c <= ranges[i][1])
			return true;
	return false;
}

/* Puts a space on both sides of the characters that isolate names. */
static void isolate(struct tokenizing *z, bool (*wanted)(uint32_t))
{
	for (const char *p = z->a.data, *end = p + z->a.len; p < end;) {
		utf8proc_int32_t c;
		size_t n = chars_next(p, end, &c);
		bool alone = wanted((uint32_t)c);
		if (alone)
			buf_char(&z->b, ' ');
		buf_add(&z->b, p, n);
		if (alone)
			buf_char(&z->b, ' ');
		p += n;
	}
	swap(z);
}

static void tokenize_zh(struct tokenizing *z)
{
	struct metric_text t = metric_strip(z->a.data, z->a.len);
	buf_add(&z->b, t.s, t.n);
	swap(z);
	isolate(z, is_chinese);
	split_marks(z);
	split_points(z);
}

/* mteval-v14 in one pass over the characters, instead of its three expressions (\P{N})(\p{P}) -> "\1 \2 ",
 * (\p{P})(\P{N}) -> " \1 \2", (\p{S}) -> " \1 ". The first takes a mark whose neighbour before is no number and was not taken as a mark
 * itself; so of marks in a row it takes every other one, and a space comes between all of them. */
static void tokenize_intl(const struct buf *a, struct words *w, struct tokens *t)
{
	const char *p = a->data, *end = p + a->len, *from = p;
	utf8proc_int32_t c, next = 0;
	size_t n = chars_next(p, end, &c), n_next;
	int before = CATEGORY_NUMBER, here = metric_category((uint32_t)c), behind;      /* the ends of a text are as numbers */
	bool taken = false;
	for (; p < end; p += n, c = next, n = n_next, before = here, here = behind) {
		n_next = p + n < end ? chars_next(p + n, end, &next) : 0;
		behind = n_next ? metric_category((uint32_t)next) : CATEGORY_NUMBER;
		bool space = here == CATEGORY_OTHER && chars_is_space(c), mark = here == CATEGORY_PUNCTUATION;
		taken = mark && before != CATEGORY_NUMBER && !taken;
		bool cut_behind = here == CATEGORY_SYMBOL || (mark && (taken || behind != CATEGORY_NUMBER));
		bool cut_before = cut_behind || (mark && before == CATEGORY_PUNCTUATION);
		if ((cut_before || space) && p > from) {
			tokens_push(t, words_id(w, from, (size_t)(p - from)));
			from = p;
		}
		if (cut_behind)
			tokens_push(t, words_id(w, p, n));
		if (cut_behind || space)
			from = p + n;
	}
	if (end > from)
		tokens_push(t, words_id(w, from, (size_t)(end - from)));
}

static void load(struct tokenizing *z, bool lowercase, const char *s, size_t n)
{
	buf_clear(&z->a);
	buf_clear(&z->b);
	if (lowercase)
		metric_lower(s, n, &z->a);
	else
		buf_add(&z->a, s, n);
	if (z->a.len)
		z->a.len = metric_rstrip(z->a.data, z->a.len);
}

/* Every character but white space is a word. */
static void split_chars(const struct buf *a, struct words *w, struct tokens *t)
{
	for (const char *p = a->data, *end = p + a->len; p < end;) {
		utf8proc_int32_t c;
		size_t n = chars_next(p, end, &c);
		if (!chars_is_space(c))
			tokens_push(t, words_id(w, p, n));
		p += n;
	}
}

void tokenize_bleu(struct tokenizing *z, enum bleu_tokenizer how, bool lowercase, const char *s, size_t n, struct words *w,
		   struct tokens *t)
{
	load(z, lowercase, s, n);
	if (!z->a.len)
		return;
	switch (how) {
	case TOKENIZE_13A:
		tokenize_13a(z, w, t);
		return;
	case TOKENIZE_INTL:
		tokenize_intl(&z->a, w, t);
		return;
	case TOKENIZE_ZH:
		tokenize_zh(z);
		break;
	case TOKENIZE_CHAR:
		split_chars(&z->a, w, t);
		return;
	case TOKENIZE_NONE:
		break;
	}
	tokens_split(t, w, z->a.data, z->a.len);
}

/* --- TER --------------------------------------------------------------------------------------------------- */

static bool is_asian_punctuation(uint32_t c)
{
	return c == 0x3001 || c == 0x3002 || (c >= 0x3008 && c <= 0x3011) || (c >= 0x3014 && c <= 0x301f) ||
	       (c >= 0xff61 && c <= 0xff65) || c == 0x30fb || c == 0xff0e || c == 0xff0c || c == 0xff1f || c == 0xff1a ||
	       c == 0xff1b || c == 0xff01 || c == 0xff02 || c == 0xff08 || c == 0xff09;
}

/* The expression for enclosed letters ends in 3f22 where 32ff was meant. Those for kana match no padded line. */
static bool is_asian(uint32_t c)
{
	return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x31c0 && c <= 0x31ef) ||
	       (c >= 0x2e80 && c <= 0x2eff) || (c >= 0x3300 && c <= 0x33ff) || (c >= 0xf900 && c <= 0xfaff) ||
	       (c >= 0xfe30 && c <= 0xfe4f) || (c >= 0x3200 && c <= 0x3f22) || is_asian_punctuation(c);
}

static void remove_punctuation(struct tokenizing *z, bool asian)
{
	for (const char *p = z->a.data, *end = p + z->a.len; p < end;) {
		utf8proc_int32_t c;
		size_t n = chars_next(p, end, &c);
		if (!(c && c < 0x80 && strchr(".,?:;!\"()", c)) && !(asian && is_asian_punctuation((uint32_t)c)))
			buf_add(&z->b, p, n);
		p += n;
	}
	swap(z);
}

static void normalize(struct tokenizing *z, bool asian)
{
	replace_all(z, "\n-", "");
	replace_all(z, "\n", " ");
	unescape(z);
	pad(z);
	split_marks(z);
	replace_all(z, "'s ", " 's ");
	split_points(z);
	if (asian)
		isolate(z, is_asian);
}

static void join_words(struct tokenizing *z)         /* ' '.join(a.split()) */
{
	const char *p = z->a.data, *end = p + z->a.len;
	for (struct metric_text word; metric_next_word(&p, end, &word);) {
		if (z->b.len)
			buf_char(&z->b, ' ');
		buf_add(&z->b, word.s, word.n);
	}
	swap(z);
}

void tokenize_ter(struct tokenizing *z, const struct tercom *how, bool reference, const char *s, size_t n, struct words *w,
		  struct tokens *t)
{
	load(z, !how->case_sensitive, s, n);
	for (int rounds = reference && how->normalized ? 2 : 1; rounds > 0 && z->a.len; rounds--) {
		if (how->normalized)
			normalize(z, how->asian);
		if (how->no_punct)
			remove_punctuation(z, how->asian);
		if (rounds > 1)
			join_words(z);
	}
	if (z->a.len)
		tokens_split(t, w, z->a.data, z->a.len);
}
