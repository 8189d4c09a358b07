/* charset_guess.c - see charset_guess.h. */
#include "text/charset_guess.h"

#include "base/mem.h"
#include "text/unicode.h"

#include <errno.h>
#include <iconv.h>

#define SAMPLE_BYTES 16384
#define CHARACTERS_MIN 12    /* beyond ASCII: fewer say nothing */
#define CLEARLY 1.3          /* times better than the default */

/* share: what part of the characters beyond ASCII the commonest are in running text. */
static const struct candidate {
	const char *name;
	bool latin;
	double share;
	const char *common;
} candidates[] = {
	{"windows-1252", true, 0.95, "äöüßÄÖÜéèêàâçîôûùñáíóúãõåæøëï’‘“”„–—…«»¿¡€§°´·©®"},
	{"windows-1250", true, 0.95, "ąćęłńóśżźĄĆĘŁŃÓŚŻŹěščřžýáíéúůďťňôľőűöüĚŠČŘŽÝÁÍÉÚŮăâîşţđ’“”„–…"},
	{"windows-1251", false, 0.75, "оеаинтсрвлкмдпуяыьіа"},
	{"koi8-r", false, 0.75, "оеаинтсрвлкмдпуяыь"},
	{"windows-1253", false, 0.75, "αοιετσνηυρπκμλςόίάέή"},
	{"windows-1254", true, 0.95, "ıİğĞşŞçÇöÖüÜâî’“”"},
	{"windows-1255", false, 0.70, "יוהלאתמרשבנ"},
	{"windows-1256", false, 0.70, "الينمتروبعدهسف"},
	{"tis-620", false, 0.60, "านรอกเงยลมสวทตดั่้"},
	{"cp932", false, 0.45, "のにはをたがでとしるいっなれかすもらりんてくこさ、。ー"},
	{"euc-jp", false, 0.45, "のにはをたがでとしるいっなれかすもらりんてくこさ、。ー"},
	{"cp949", false, 0.25, "이다는에의을가고하한지로사은를도기어인대나라"},
	{"gb18030", false, 0.22, "的一是不了在人有我他这中大来上国个到说们为和地出也时年，。、"},
	{"big5", false, 0.22, "的一是不了在人有我他這中大來上國個到說們為和地出也時年，。、"},
};

/* Is this character (n bytes of UTF-8) in the list? */
static bool is_common(const char *s, int n, const char *common)
{
	for (int len; *common; common += len) {
		text_decode(common, 4, &len);
		if (len == n && memcmp(common, s, (size_t)n) == 0)
			return true;
	}
	return false;
}

static bool is_letter(char c)
{
	return (c | 32) >= 'a' && (c | 32) <= 'z';
}

/* Latin letters with marks stand among those without, letters of other scripts do not. */
static bool fits(const struct candidate *c, char before, char after)
{
	return c->latin ? !(before & after & 0x80) : !is_letter(before) && !is_letter(after);
}

/* How well the candidate explains the bytes: about 1 for its own languages. A byte that it has no character for counts as five. */
static double explains(const struct candidate *c, const char *s, size_t n)
{
	static const int error_weight = 5;
	int64_t beyond = 0, common = 0;
	char out[4096];
	iconv_t cd = iconv_open("UTF-8", c->name);
	if (cd == (iconv_t)-1)
		return 0;
	for (char *in = (char *)s; n > 0;) {
		char *to = out;
		size_t room = sizeof(out), rc = iconv(cd, &in, &n, &to, &room);
		int why = errno, len;
		for (const char *p = out; p < to; p += len) {
			text_decode(p, (size_t)(to - p), &len);
			if (len == 1)
				continue;
			beyond++;
			char before = p > out ? p[-1] : ' ', after = p + len < to ? p[len] : ' ';
			common += fits(c, before, after) && is_common(p, len, c->common);
		}
		if (rc == (size_t)-1 && why == EINVAL)
			break;                /* the sample ends within a character */
		if (rc == (size_t)-1 && why == EILSEQ) {
			beyond += error_weight;
			in++;
			n--;
		}
	}
	iconv_close(cd);
	return beyond ? (double)common / (double)beyond / c->share : 0;
}

const char *charset_guess(const char *s, size_t n)
{
	size_t from = 0, high = 0;
	while (from < n && (unsigned char)s[from] < 0x80)
		from++;
	size_t bytes = n - from < SAMPLE_BYTES ? n - from : SAMPLE_BYTES;
	for (size_t i = 0; i < bytes; i++)
		high += (unsigned char)s[from + i] >= 0x80;
	if (high < CHARACTERS_MIN)
		return candidates[0].name;
	int best = 0;
	double best_score = explains(&candidates[0], s + from, bytes) * CLEARLY;
	for (int i = 1; i < (int)(sizeof(candidates) / sizeof(candidates[0])); i++) {
		double score = explains(&candidates[i], s + from, bytes);
		if (score > best_score) {
			best = i;
			best_score = score;
		}
	}
	return candidates[best].name;
}
