/* html_names.c - what tags, roles, classes and ids say about a part of a page; see html_blocks.h. */
#include "text/html_blocks.h"

#include <ctype.h>
#include <strings.h>

static bool is_word(struct html_slice v, const char *word)
{
	return v.n == strlen(word) && strncasecmp(v.s, word, v.n) == 0;
}

static bool in_list(const char *word, size_t n, const char *const *list)
{
	for (; *list; list++)
		if (is_word((struct html_slice){word, n}, *list))
			return true;
	return false;
}

/* Lists of lower-case names by their first letter, each name between spaces. */
typedef const char *const name_list[26];
#define NAME_BYTES_MAX 30

/* Words of class and id (cut at anything but letters, and before capitals) that name what surrounds the content. */
static name_list junk_words = {
	['a' - 'a'] = " ads advert advertisement anzeige aside author authorbox authorinfo autor ",
	['b' - 'a'] = " bildunterschrift bio ",
	['c' - 'a'] = " consent copyright credit credits ",
	['d' - 'a'] = " disclaimer disqus dsgvo ",
	['e' - 'a'] = " editsection ",
	['f' - 'a'] = " factbox followus foot ",
	['g' - 'a'] = " gdpr ",
	['h' - 'a'] = " headerlink ",
	['i' - 'a'] = " imagedescription infobox ",
	['j' - 'a'] = " jp ",
	['l' - 'a'] = " legal login ",
	['m' - 'a'] = " masthead menu metadata ",
	['n' - 'a'] = " nav navbox navi ",
	['o' - 'a'] = " outbrain ",
	['p' - 'a'] = " pager pagination paging paywall popup postmeta postmetadata ",
	['r' - 'a'] = " respond ",
	['s' - 'a'] = " share sharebar shares shariff sharing signin signup skip submenu subscribe subscription ",
	['t' - 'a'] = " taboola tagcloud toolbar tooltip topbar topmenu ",
	['w' - 'a'] = " werbung ",
};
/* Parts of words that do the same. */
static name_list junk_stems = {
	['b' - 'a'] = " breadcrumb ",
	['c' - 'a'] = " caption comentario comment cookie ",
	['f' - 'a'] = " footer ",
	['k' - 'a'] = " kommentar ",
	['n' - 'a'] = " navbar navigation newsletter ",
	['p' - 'a'] = " pingback ",
	['r' - 'a'] = " recommend related ",
	['s' - 'a'] = " sidebar social sponsor ",
	['t' - 'a'] = " trackback ",
};
/* Words that name what may surround it or be a part of it: junk where it is not prose. */
static name_list weak_words = {
	['a' - 'a'] = " ad ",
	['b' - 'a'] = " banner byline ",
	['h' - 'a'] = " hidden ",
	['m' - 'a'] = " meta modal ",
	['n' - 'a'] = " noprint ",
	['o' - 'a'] = " overlay ",
	['p' - 'a'] = " print promo ",
	['r' - 'a'] = " rating ratings reviews ",
	['s' - 'a'] = " search ",
	['t' - 'a'] = " tags teaser teasers teasertext toc ",
	['w' - 'a'] = " widget widgets ",
};
/* Parts of a class or id, without its '-' and '_', that name the body of an article. */
static name_list body_stems = {
	['a' - 'a'] = " articlebody articlecontent articletext artikeltext ",
	['b' - 'a'] = " blogcontent bodytext ",
	['c' - 'a'] = " contenttext ",
	['e' - 'a'] = " entrycontent ",
	['f' - 'a'] = " fieldnamebody ",
	['m' - 'a'] = " mwcontenttext mwparseroutput ",
	['n' - 'a'] = " newsbody newscontent newstext ",
	['p' - 'a'] = " postbody postcontent postentry posttext ",
	['s' - 'a'] = " singlecontent storybody storycontent storytext ",
};
static const char *const junk_roles[] = {"navigation", "complementary", "contentinfo", "dialog", "menu", "menubar",
					  "alert", "alertdialog", NULL};

/* Is this name, lower case between spaces, in the list? */
static bool listed(const char *name, size_t n, name_list list)
{
	const char *of_letter = name[1] >= 'a' && name[1] <= 'z' ? list[name[1] - 'a'] : NULL;
	return of_letter && memmem(of_letter, strlen(of_letter), name, n);
}

static bool has_stem(const char *word, size_t n, name_list stems)
{
	for (size_t i = 0; i < n; i++) {
		const char *stem = word[i] >= 'a' && word[i] <= 'z' ? stems[word[i] - 'a'] : NULL;
		while (stem && *++stem) {
			size_t len = strcspn(stem, " ");
			if (len <= n - i && memcmp(word + i, stem, len) == 0)
				return true;
			stem += len;
		}
	}
	return false;
}

/* Puts s[0..n), cut to NAME_BYTES_MAX, into name in lower case between spaces; how many bytes that are. */
static size_t between_spaces(const char *s, size_t n, char name[NAME_BYTES_MAX + 2])
{
	n = n < NAME_BYTES_MAX ? n : NAME_BYTES_MAX;
	name[0] = name[n + 1] = ' ';
	for (size_t i = 0; i < n; i++)
		name[i + 1] = (char)(s[i] >= 'A' && s[i] <= 'Z' ? s[i] + 32 : s[i]);
	return n + 2;
}

static enum html_role judge_word(const char *s, size_t n)
{
	char word[NAME_BYTES_MAX + 2];
	size_t len = between_spaces(s, n, word);
	if (listed(word, len, junk_words) || has_stem(word + 1, len - 2, junk_stems))
		return ROLE_JUNK;
	return listed(word, len, weak_words) ? ROLE_WEAK : ROLE_NONE;
}

static bool names_body(const char *s, size_t n)
{
	char name[2 * NAME_BYTES_MAX];
	size_t len = 0;
	for (size_t i = 0; i < n && len < sizeof(name); i++)
		if (s[i] != '-' && s[i] != '_')
			name[len++] = (char)(s[i] >= 'A' && s[i] <= 'Z' ? s[i] + 32 : s[i]);
	return (len == 5 && memcmp(name, "entry", 5) == 0) || has_stem(name, len, body_stems);
}

/* Calls of the lists on a class or id: whole names, then their words. */
static enum html_role judge_names(struct html_slice names)
{
	const char *s = names.s, *end = s + names.n;
	enum html_role found = ROLE_NONE;
	while (s < end) {
		while (s < end && html_space(*s))
			s++;
		size_t n = 0;
		while (s + n < end && !html_space(s[n]))
			n++;
		if (names_body(s, n))
			return ROLE_BODY;
		for (size_t i = 0; i < n;) {
			size_t w = i;
			while (w < n && isalpha((unsigned char)s[w]) && (w == i || !isupper((unsigned char)s[w]) || isupper((unsigned char)s[w - 1])))
				w++;
			enum html_role word = w > i ? judge_word(s + i, w - i) : ROLE_NONE;
			if (word == ROLE_JUNK)
				return word;
			found = word ? word : found;
			i = w > i ? w : i + 1;
		}
		s += n;
	}
	return found;
}

static bool class_has(const struct html_token *t, const char *part)
{
	return html_has(t, ATTR_CLASS) && memmem(t->value[ATTR_CLASS].s, t->value[ATTR_CLASS].n, part, strlen(part));
}

bool html_is_tex(const struct html_token *t)
{
	return t->tag == TAG_ANNOTATION && html_has(t, ATTR_ENCODING) && memmem(t->value[ATTR_ENCODING].s, t->value[ATTR_ENCODING].n, "x-tex", 5);
}

bool html_is_hidden(const struct html_token *t)
{
	switch (t->tag) {
	case TAG_SCRIPT: case TAG_STYLE: case TAG_NOSCRIPT: case TAG_TEMPLATE: case TAG_SVG: case TAG_IFRAME: case TAG_OBJECT:
	case TAG_SELECT: case TAG_BUTTON: case TAG_TEXTAREA: case TAG_AUDIO: case TAG_VIDEO: case TAG_CANVAS: case TAG_MAP: case TAG_DATALIST:
	case TAG_NOFRAMES: case TAG_NOEMBED: case TAG_TITLE: case TAG_ANNOTATION: case TAG_ANNOTATION_XML:
		return true;
	default:
		break;
	}
	if (html_has(t, ATTR_HIDDEN) || (t->tag == TAG_SPAN && class_has(t, "katex-html")))
		return true;                  /* KaTeX draws beside its MathML what that says */
	if (!html_has(t, ATTR_STYLE))
		return false;
	struct html_slice style = t->value[ATTR_STYLE];
	for (size_t i = 0; i + 7 < style.n; i++) {
		if (strncasecmp(style.s + i, "display", 7) != 0)
			continue;
		for (i += 7; i < style.n && (style.s[i] == ' ' || style.s[i] == ':'); i++)
			;
		/* MediaWiki shows a picture instead of the formula. */
		return style.n - i >= 4 && strncasecmp(style.s + i, "none", 4) == 0 && !class_has(t, "mwe-math-mathml");
	}
	return false;
}

enum html_role html_role_of(const struct html_token *t)
{
	static const struct html_slice none;
	struct html_slice role = html_has(t, ATTR_ROLE) ? t->value[ATTR_ROLE] : none;
	if (html_has(t, ATTR_ITEMPROP) && is_word(t->value[ATTR_ITEMPROP], "articleBody"))
		return ROLE_BODY;
	if (role.n && in_list(role.s, role.n, junk_roles))
		return ROLE_JUNK;
	if (t->tag == TAG_NAV || t->tag == TAG_FOOTER || t->tag == TAG_ASIDE || t->tag == TAG_MENU || t->tag == TAG_FIGCAPTION)
		return ROLE_JUNK;
	if (t->tag == TAG_MAIN || is_word(role, "main"))
		return ROLE_MAIN;
	enum html_role named = ROLE_NONE;
	if (html_has(t, ATTR_CLASS))
		named = judge_names(t->value[ATTR_CLASS]);
	if (named <= ROLE_WEAK && html_has(t, ATTR_ID)) {
		enum html_role id = judge_names(t->value[ATTR_ID]);
		named = id > named ? id : named;
	}
	bool part = t->tag == TAG_DIV || t->tag == TAG_SECTION || t->tag == TAG_ARTICLE || t->tag == TAG_TD;
	if (named == ROLE_BODY && !part)
		named = ROLE_NONE;            /* <p class=bodytext>: the headings between are not named */
	return named == ROLE_NONE && t->tag == TAG_ARTICLE ? ROLE_ARTICLE : named;
}
