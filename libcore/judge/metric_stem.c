/* metric_stem.c - Porter's stemmer (Program 14(3), 1980), with the deviations of nltk's default mode, which rouge_score uses: a table of
 * irregular forms, "ies" and "ied" of short words, "y" behind a consonant, "alli" first, "fulli", "logi". */
#include "judge/metric.h"

struct stem {
	char *s;                     /* room for one letter more than the word has */
	size_t n;
};

struct rule {
	const char *from, *to;
};

static bool is_vowel(char c)
{
	return c == 'a' || c == 'e' || c == 'i' || c == 'o' || c == 'u';
}

/* Whether the last letter of s[0..n) is a consonant: y is one at the start and behind a vowel. */
static bool ends_in_consonant(const char *s, size_t n)
{
	size_t run = 0;
	while (n - run > 1 && s[n - 1 - run] == 'y')
		run++;
	return !is_vowel(s[n - 1 - run]) != (run & 1);
}

/* The number of vowel-consonant steps in s[0..n): the paper's m. */
static int measure(const char *s, size_t n)
{
	int m = 0;
	bool consonant = true, before;
	for (size_t i = 0; i < n; i++) {
		before = consonant;
		consonant = s[i] == 'y' ? i == 0 || !before : !is_vowel(s[i]);
		m += i > 0 && consonant && !before;
	}
	return m;
}

static bool has_vowel(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (is_vowel(s[i]) || (i > 0 && s[i] == 'y'))
			return true;         /* a y behind a vowel has that vowel before it */
	return false;
}

/* *o: consonant, vowel, consonant other than w, x, y; or a word of a vowel and a consonant. */
static bool ends_cvc(const char *s, size_t n)
{
	if (n == 2)
		return !ends_in_consonant(s, 1) && ends_in_consonant(s, 2);
	return n >= 3 && ends_in_consonant(s, n - 2) && !ends_in_consonant(s, n - 1) && ends_in_consonant(s, n) &&
	       s[n - 1] != 'w' && s[n - 1] != 'x' && s[n - 1] != 'y';
}

static bool ends(const struct stem *w, const char *suffix)
{
	size_t k = strlen(suffix);
	return w->n >= k && !memcmp(w->s + w->n - k, suffix, k);
}

static void put_end(struct stem *w, size_t cut, const char *to)
{
	size_t k = strlen(to);
	memcpy(w->s + w->n - cut, to, k);
	w->n = w->n - cut + k;
}

/* Replaces the first suffix that fits if what is left has a measure above more; whether one fitted. */
static bool apply(struct stem *w, const struct rule *rules, int more)
{
	for (; rules->from; rules++) {
		size_t cut = strlen(rules->from);
		if (!ends(w, rules->from))
			continue;
		if (measure(w->s, w->n - cut) > more)
			put_end(w, cut, rules->to);
		return true;
	}
	return false;
}

static void step1a(struct stem *w)
{
	if (ends(w, "ies"))
		put_end(w, 3, w->n == 4 ? "ie" : "i");
	else if (ends(w, "sses"))
		put_end(w, 4, "ss");
	else if (ends(w, "s") && !ends(w, "ss"))
		w->n--;
}

static void step1b(struct stem *w)
{
	if (ends(w, "ied")) {
		put_end(w, 3, w->n == 4 ? "ie" : "i");
		return;
	}
	if (ends(w, "eed")) {
		w->n -= measure(w->s, w->n - 3) > 0;
		return;
	}
	if (ends(w, "ed") && has_vowel(w->s, w->n - 2))
		w->n -= 2;
	else if (ends(w, "ing") && has_vowel(w->s, w->n - 3))
		w->n -= 3;
	else
		return;
	char last = w->s[w->n - 1];
	if (ends(w, "at") || ends(w, "bl") || ends(w, "iz"))
		put_end(w, 0, "e");
	else if (w->n >= 2 && last == w->s[w->n - 2] && ends_in_consonant(w->s, w->n))
		w->n -= last != 'l' && last != 's' && last != 'z';
	else if (measure(w->s, w->n) == 1 && ends_cvc(w->s, w->n))
		put_end(w, 0, "e");
}

static void step1c(struct stem *w)
{
	if (ends(w, "y") && w->n > 2 && ends_in_consonant(w->s, w->n - 1))
		w->s[w->n - 1] = 'i';
}

static void step2(struct stem *w)
{
	static const struct rule rules[] = {
		{ "ational", "ate" }, { "tional", "tion" }, { "enci", "ence" }, { "anci", "ance" }, { "izer", "ize" },
		{ "bli", "ble" }, { "alli", "al" }, { "entli", "ent" }, { "eli", "e" }, { "ousli", "ous" },
		{ "ization", "ize" }, { "ation", "ate" }, { "ator", "ate" }, { "alism", "al" }, { "iveness", "ive" },
		{ "fulness", "ful" }, { "ousness", "ous" }, { "aliti", "al" }, { "iviti", "ive" }, { "biliti", "ble" },
		{ "fulli", "ful" }, { NULL, NULL },
	};
	while (ends(w, "alli") && measure(w->s, w->n - 4) > 0)
		put_end(w, 4, "al");
	if (!apply(w, rules, 0) && ends(w, "logi") && measure(w->s, w->n - 3) > 0)
		w->n--;
}

static void step3(struct stem *w)
{
	static const struct rule rules[] = {
		{ "icate", "ic" }, { "ative", "" }, { "alize", "al" }, { "iciti", "ic" }, { "ical", "ic" }, { "ful", "" },
		{ "ness", "" }, { NULL, NULL },
	};
	apply(w, rules, 0);
}

static void step4(struct stem *w)
{
	static const struct rule before[] = {
		{ "al", "" }, { "ance", "" }, { "ence", "" }, { "er", "" }, { "ic", "" }, { "able", "" }, { "ible", "" },
		{ "ant", "" }, { "ement", "" }, { "ment", "" }, { "ent", "" }, { NULL, NULL },
	};
	static const struct rule behind[] = {
		{ "ou", "" }, { "ism", "" }, { "ate", "" }, { "iti", "" }, { "ous", "" }, { "ive", "" }, { "ize", "" },
		{ NULL, NULL },
	};
	if (apply(w, before, 1))
		return;
	if (!ends(w, "ion"))
		apply(w, behind, 1);
	else if (w->n > 3 && (w->s[w->n - 4] == 's' || w->s[w->n - 4] == 't') && measure(w->s, w->n - 3) > 1)
		w->n -= 3;
}

static void step5(struct stem *w)
{
	if (ends(w, "e")) {
		int m = measure(w->s, w->n - 1);
		w->n -= m > 1 || (m == 1 && !ends_cvc(w->s, w->n - 1));
	}
	if (ends(w, "ll") && measure(w->s, w->n - 1) > 1)
		w->n--;
}

void porter_stem(const char *word, size_t n, struct buf *out)
{
	static const struct rule irregular[] = {
		{ "sky", "sky" }, { "skies", "sky" }, { "dying", "die" }, { "lying", "lie" }, { "tying", "tie" },
		{ "news", "news" }, { "innings", "inning" }, { "inning", "inning" }, { "outings", "outing" },
		{ "outing", "outing" }, { "cannings", "canning" }, { "canning", "canning" }, { "howe", "howe" },
		{ "proceed", "proceed" }, { "exceed", "exceed" }, { "succeed", "succeed" }, { NULL, NULL },
	};
	for (const struct rule *r = irregular; n <= 8 && r->from; r++) {
		if (strlen(r->from) == n && !memcmp(r->from, word, n)) {
			buf_str(out, r->to);
			return;
		}
	}
	buf_reserve(out, n + 2);
	struct stem w = { out->data + out->len, n };
	memcpy(w.s, word, n);
	if (n > 2) {
		step1a(&w);
		step1b(&w);
		step1c(&w);
		step2(&w);
		step3(&w);
		step4(&w);
		step5(&w);
	}
	out->len += w.n;
	out->data[out->len] = 0;
}
