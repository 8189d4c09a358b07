/* html_names.c - what tags, roles, classes and ids say about a part of a page; see html_blocks.h. */
#include "text/html_blocks.h"

#include <ctype.h>
#include <strings.h>

static const char *attribute(const GumboElement *e, const char *name)
{
	const GumboAttribute *a = gumbo_get_attribute(&e->attributes, name);
	return a ? a->value : NULL;
}

static bool in_list(const char *word, size_t n, const char *const *list)
{
	for (; *list; list++)
		if (strlen(*list) == n && strncasecmp(*list, word, n) == 0)
			return true;
	return false;
}

/* Words of class and id (cut at anything but letters) that name what surrounds the content. */
static const char *const junk_words[] = {
	"nav", "navi", "navbar", "navigation", "menu", "submenu", "topmenu", "footer", "foot", "sidebar", "sidebars", "aside",
	"comments", "comment", "commentlist", "kommentare", "respond", "disqus", "share", "sharing", "sharedaddy", "social", "shariff",
	"related", "relatedposts", "recommended", "breadcrumb", "breadcrumbs", "cookie", "cookies", "consent", "gdpr", "advert",
	"advertisement", "ads", "ad", "banner", "promo", "sponsored", "teaser", "newsletter", "subscribe", "subscription", "popup", "modal",
	"overlay", "pagination", "pager", "paging", "widget", "widgets", "tags", "tagcloud", "toolbar", "login", "signup", "search", "copyright",
	"legal", "disclaimer", "byline", "authorbox", "skip", "masthead", "topbar", "metadata", "postmeta", "jp", "trackback",
	"pingback", "outbrain", "taboola", "print", "rating", "toc", "hidden", NULL};
/* Whole class names, ids and itemprops that name the body of an article. */
static const char *const body_names[] = {
	"article-body", "articlebody", "article__body", "article-content", "article_content", "article-text", "articletext", "entry-content",
	"entrycontent", "post-content", "postcontent", "post-body", "post-entry", "post_content", "story-body", "storybody", "story-content",
	"td-post-content", "single-content", "blog-content", "mw-parser-output", "mw-content-text", "post-text", "body-text",
	"field-name-body", "content-text", "entry", NULL};
static const char *const junk_roles[] = {"navigation", "banner", "complementary", "contentinfo", "search", "dialog", "menu", "menubar",
					  "alert", "alertdialog", NULL};

/* Calls of the two lists on a class or id: whole names, then their words. */
static int judge_names(const char *s)
{
	while (s && *s) {
		size_t n = strcspn(s, " \t\r\n\f");
		if (n > 0 && in_list(s, n, body_names))
			return REGION_BODY;
		for (size_t i = 0; i < n;) {
			size_t w = i;
			while (w < n && isalpha((unsigned char)s[w]) && (w == i || !isupper((unsigned char)s[w]) || isupper((unsigned char)s[w - 1])))
				w++;
			if (w > i && in_list(s + i, w - i, junk_words))
				return REGION_JUNK;
			i = w > i ? w : i + 1;
		}
		s += n;
		s += strspn(s, " \t\r\n\f");
	}
	return -1;
}

bool html_is_hidden(const GumboElement *e)
{
	switch (e->tag) {
	case GUMBO_TAG_SCRIPT: case GUMBO_TAG_STYLE: case GUMBO_TAG_NOSCRIPT: case GUMBO_TAG_TEMPLATE: case GUMBO_TAG_SVG:
	case GUMBO_TAG_IFRAME: case GUMBO_TAG_OBJECT: case GUMBO_TAG_EMBED: case GUMBO_TAG_SELECT: case GUMBO_TAG_BUTTON:
	case GUMBO_TAG_TEXTAREA: case GUMBO_TAG_AUDIO: case GUMBO_TAG_VIDEO: case GUMBO_TAG_CANVAS: case GUMBO_TAG_MAP:
	case GUMBO_TAG_HEAD: case GUMBO_TAG_NOFRAMES:
		return true;
	default:
		break;
	}
	if (attribute(e, "hidden"))
		return true;
	const char *style = attribute(e, "style");
	const char *display = style ? strcasestr(style, "display") : NULL;
	return display && strncasecmp(display + 7 + strspn(display + 7, " :"), "none", 4) == 0;
}

int html_region_of(const GumboElement *e)
{
	const char *role = attribute(e, "role"), *prop = attribute(e, "itemprop");
	if (prop && strcasecmp(prop, "articleBody") == 0)
		return REGION_BODY;
	if (role && in_list(role, strlen(role), junk_roles))
		return REGION_JUNK;
	switch (e->tag) {
	case GUMBO_TAG_NAV: case GUMBO_TAG_FOOTER: case GUMBO_TAG_ASIDE: case GUMBO_TAG_MENU: case GUMBO_TAG_FIGCAPTION:
		return REGION_JUNK;
	case GUMBO_TAG_BODY: case GUMBO_TAG_HTML:
		return -1;
	default:
		break;
	}
	if (e->tag == GUMBO_TAG_MAIN || (role && strcasecmp(role, "main") == 0))
		return REGION_MAIN;
	int named = judge_names(attribute(e, "class"));
	if (named < 0)
		named = judge_names(attribute(e, "id"));
	if (named < 0 && e->tag == GUMBO_TAG_ARTICLE)
		return REGION_ARTICLE;
	return named;
}
