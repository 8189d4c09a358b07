/* test_html.c - pages to text, references, encodings, and pages made to hurt. */
#include "unit.h"

#include "text/charset.h"
#include "text/html.h"
#include "text/html_entities.h"

#include <iconv.h>
#include <time.h>

static struct html_page page;

static const char *extract(const char *html, enum html_mode mode)
{
	assert_int_equal(html_extract(html, strlen(html), mode, &page, NULL), OK);
	return page.text.data ? page.text.data : "";
}

static void all_is(const char *html, const char *want)
{
	assert_string_equal(extract(html, HTML_ALL), want);
}

#define LONG "This sentence is long enough to be taken for the content of a page, since it has more than sixteen words in it."

static void main_content_is_told_from_navigation(void **state)
{
	(void)state;
	assert_string_equal(extract("<!doctype html><html lang=en-GB><head><title> A\n title </title><script>x<p>y</script></head><body>"
				    "<nav><a href=/>Home</a></nav><div class='cookie-banner'>" LONG "</div><h1>Head &amp; line</h1><p>" LONG "</p><p>"
				    LONG "</p><p>" LONG "</p><p>" LONG "</p><footer>" LONG "</footer></body>", HTML_MAIN),
			    "Head & line\n\n" LONG "\n\n" LONG "\n\n" LONG "\n\n" LONG);
	assert_string_equal(page.title.data, "A title");
	assert_string_equal(page.lang.data, "en-GB");
}

static void structure_becomes_lines(void **state)
{
	(void)state;
	all_is("<ul><li>one</li><li>two <b>b</b>old</li></ul><table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>"
	       "<pre>x\n  y</pre><p>l1<br>l2", "- one\n- two bold\n\na | b\nc\n\nx\n  y\n\nl1\nl2");
	all_is("<table><tr><td><p>a</p></td><td><div>b</div></td></tr><tr><td>c<p>d</td><td><p>e</p></td></tr></table>", "a | b\nc\n\nd\ne");
	all_is("<h2>a<a class=headerlink href=#a>#</a></h2>b", "a#\n\nb");
	all_is("<pre>\n\tif (a &lt; b)\n\n\n\t\tgo();  \n</pre>", "\tif (a < b)\n\n\n\t\tgo();");
	all_is("one<br><br>two<br>three<hr>four", "one\n\ntwo\nthree\n\nfour");
	all_is("<ul><li><p>one</p><p>more</p></li><li>two<ul><li>in</li></ul></li></ul>", "- one\n\nmore\n- two\n  - in");
	all_is("soft&shy;hyphen zero&#8203;width a&nbsp;b", "softhyphen zerowidth a b");
	all_is("u\xcc\x88" "ber \xe0\xa7\x9f", "\xc3\xbc" "ber \xe0\xa6\xaf\xe0\xa6\xbc");
	all_is("", "");
}

static void nested_lists_are_indented(void **state)
{
	(void)state;
	all_is("<ol><li>a<ul><li>b<ol><li>c</ol><li>d</ul><li>e</ol>f", "- a\n  - b\n    - c\n  - d\n- e\n\nf");
	all_is("<ul><li><ul><li>deep<li>down</ul><li>up<ul><li>in</ul></ul>", "- deep\n- down\n- up\n  - in");
	all_is("<dl><dt>a<dd>b<dl><dt>c<dd>d</dl></dl>", "a\n- b\n\nc\n  - d");
	all_is("<ul><li>a</ul><p>b</p><ul><ul><li>c</ul></ul>", "- a\n\nb\n\n- c");
}

#define MATHML "<math><semantics><mrow><msup><mi>x</mi><mn>2</mn></msup></mrow>"
static void formulas_are_written_once(void **state)
{
	(void)state;
	all_is("<p>So " MATHML "<annotation encoding='application/x-tex'> x^{2} </annotation></semantics></math> it is.", "So $x^{2}$ it is.");
	all_is("<p>So " MATHML "<annotation-xml encoding='MathML-Content'><ci>x</ci></annotation-xml></semantics></math>.", "So x2.");
	all_is("<p>a " MATHML "<annotation encoding=StarMath>x sup 2</annotation></math> b", "a x2 b");
	/* KaTeX draws the formula again; MediaWiki hides it behind a picture. */
	all_is("<p>a <span class=katex><span class='katex-mathml'>" MATHML "<annotation encoding=application/x-tex>x^2</annotation></semantics></math></span>"
	       "<span class='katex-html' aria-hidden=true><span>x<span>2</span></span></span></span>, b", "a $x^2$, b");
	all_is("<p>a <span class=mwe-math-element><span class='mwe-math-mathml-inline' style='display: none;'>" MATHML
	       "<annotation encoding=application/x-tex>{\\displaystyle x^2}</annotation></math></span><img alt='x'></span> b", "a ${\\displaystyle x^2}$ b");
	all_is("a<annotation encoding=application/x-tex>b</annotation>c", "ac");
	all_is("<p>a " MATHML "<p>b<annotation encoding=application/x-tex>y</annotation>c</math> d", "a x2\n\nbc d");
	all_is("<p>a " MATHML "<annotation encoding=application/x-tex>y", "a $y$");
}

static void captions_are_left_out(void **state)
{
	(void)state;
	const char *want = LONG "\n\n" LONG "\n\n" LONG;
	static const char *const captions[] = {
		"<figure><img src=a><p>The mill in the year of the flood.</p></figure>", "<figure><div><a href=b><img src=a></a></div><div>The mill</div></figure>",
		"<div class=x><img src=a><div>The mill, seen from the bridge</div></div>", "<p><img src=a><br><em>The mill in 1911</em></p>",
	};
	for (size_t i = 0; i < sizeof(captions) / sizeof(*captions); i++) {
		struct buf b = {0};
		buf_printf(&b, "<article><p>" LONG "<p>" LONG "%s<p>" LONG "</article>", captions[i]);
		assert_string_equal(extract(b.data, HTML_MAIN), want);
		buf_release(&b);
	}
	/* What a figure shows, and text that only begins with a picture, are no captions. */
	assert_string_equal(extract("<article><p>" LONG "<figure><img src=a><pre>code();</pre></figure><p><img src=b>" LONG "</article>", HTML_MAIN),
			    LONG "\n\ncode();\n\n" LONG);
	all_is("<figure><img src=a><p>The mill</p></figure>", "The mill");
}

static void hidden_text_is_left_out(void **state)
{
	(void)state;
	all_is("<p>a<p hidden>b<p style='color:red; Display : none'>c<p>d", "a\n\nd");
	all_is("a<script>if (1<2) '<p>x'</script>b<style>p{}</style>c<noscript><p>x</noscript>d<textarea><b>x</textarea>e", "abcde");
	all_is("a<svg><title/><style/><text>x</text></svg>b<svg/>c", "abc");
	all_is("a<svg>b", "ab");
	all_is("a<button>x<p>y</button>b", "ab");
	all_is("<div>a<select><option>x</div><p>b", "a\n\nb");
}

static void end_tags_are_implied(void **state)
{
	(void)state;
	all_is("<p>a<p>b<div>c</div>d", "a\n\nb\n\nc\n\nd");
	all_is("<ul><li>a<li>b<li>c</ul>d", "- a\n- b\n- c\n\nd");
	all_is("<dl><dt>a<dd>b<dt>c<dd>d</dl>", "a\n- b\nc\n- d");
	all_is("<table><tr><th>a<th>b<tr><td>c<td>d</table>", "a | b\nc | d");
	all_is("<h1>a<h2>b</h1>c", "a\n\nb\n\nc");
	all_is("<div>a<table><tr><td>b</div>c</td></tr></table>d</div>e", "a\n\nbc\n\nd\n\ne");
	all_is("<b>a<div>b</b>c</div>d", "a\n\nbc\n\nd");
}

static void tags_are_read_as_browsers_do(void **state)
{
	(void)state;
	all_is("1 < 2 <3 </ x>a<>b</>c", "1 < 2 <3 a<>bc");
	all_is("a<!-->b<!--->c<!-- > -- -->d<!x>e<?php x ?>f<![CDATA[x]]>g", "abcdefg");
	all_is("a<p title='>' class=\"<p>\" data-x = >b", "a\n\nb");
	all_is("a<P\nCLASS=x>b</P\n>c", "a\n\nb\n\nc");
	all_is("a<script>x</scripty></script\n>b", "ab");
	all_is("a<p title=\"x>b", "a");
	all_is("a<!-- b", "a");
	all_is("a<script>b", "a");
	all_is("a</p", "a");
	all_is("a<", "a<");
}

static void reads(const char *s, bool attribute, const char *want, size_t taken)
{
	char out[HTML_REFERENCE_BYTES + 1] = {0};
	int len = 0;
	assert_int_equal(html_reference(s, strlen(s), attribute, out, &len), taken);
	out[len] = 0;
	assert_string_equal(out, want);
}

static void references_are_read(void **state)
{
	(void)state;
	reads("&amp;", false, "&", 5);
	reads("&AMP", false, "&", 4);
	reads("&eacute;t&eacute;", false, "\xc3\xa9", 8);
	reads("&notit;", false, "\xc2\xac", 4);
	reads("&notin;", false, "\xe2\x88\x89", 7);
	reads("&copy=2", false, "\xc2\xa9", 5);
	reads("&copy=2", true, "", 0);
	reads("&copy;=2", true, "\xc2\xa9", 6);
	reads("&CounterClockwiseContourIntegral;", false, "\xe2\x88\xb3", 33);
	reads("&NotEqualTilde;", false, "\xe2\x89\x82\xcc\xb8", 15);
	reads("&#233;", false, "\xc3\xa9", 6);
	reads("&#xE9", false, "\xc3\xa9", 5);
	reads("&#x1F600;", false, "\xf0\x9f\x98\x80", 9);
	reads("&#150;", false, "\xe2\x80\x93", 6);
	reads("&#0;", false, "\xef\xbf\xbd", 4);
	reads("&#xd800;", false, "\xef\xbf\xbd", 8);
	reads("&#99999999999999999999;", false, "\xef\xbf\xbd", 23);
	reads("&#;", false, "", 0);
	reads("&#x;", false, "", 0);
	reads("&nosuch;", false, "", 0);
	reads("&", false, "", 0);
}

static void dates_are_found(void **state)
{
	(void)state;
	extract("<meta property='article:published_time' content='2020-05-17T08:00'><p>x", HTML_ALL);
	assert_string_equal(page.date.data, "2020-05-17T08:00");
	extract("<script type=application/ld+json>{\"datePublished\" : \"2021-01-02\"}</script><p>x", HTML_ALL);
	assert_string_equal(page.date.data, "2021-01-02");
	extract("<script>{\"datePublished\":", HTML_ALL);
	assert_int_equal(page.date.len, 0);
}

static void the_article_is_found_without_names(void **state)
{
	(void)state;
	const char *text = extract("<div><div><a href=1>One</a> <a href=2>Two</a></div><div><p>" LONG "</p><div>" LONG "</div><ul><li>short</li></ul><p>" LONG
				   "</p></div><div><h3>See also</h3><ul><li><a href=3>Another page</a></li><li><a href=4>A third</a></li></ul></div></div>",
				   HTML_MAIN);
	assert_string_equal(text, LONG "\n\n" LONG "\n\n- short\n\n" LONG);
}

static void names_that_mislead_are_overruled(void **state)
{
	(void)state;
	assert_string_equal(extract("<div class='has-sidebar'><p>" LONG "<p>" LONG "<p>" LONG "</div>", HTML_MAIN), LONG "\n\n" LONG "\n\n" LONG);
	assert_string_equal(extract("<div class=menu><div class=entry-content><p>" LONG "<p>" LONG "</div></div><div><p>" LONG "<p>" LONG "<p>" LONG
				    "<p>" LONG "</div>", HTML_MAIN), LONG "\n\n" LONG);
	assert_string_equal(extract("<div class=entry-content><p>Too little</div><p>" LONG "<p>" LONG "<p>" LONG, HTML_MAIN), LONG "\n\n" LONG "\n\n" LONG);
}

static void words_without_spaces_count(void **state)
{
	(void)state;
	static const char thai[] = "โรงสีได้รับการซ่อมแซมเมื่อฤดูร้อนที่แล้วด้วยความเอื้อเฟื้อของนักเรียนที่รวบรวมเงินเพื่อซื้อล้อใหม่และหลังคาใหม่สำหรับทุกคนในหมู่บ้านริมแม่น้ำ";
	static const char chinese[] = "这座磨坊是去年夏天在学生们的帮助下修好的，他们为了买一个新的轮子而到处募捐，现在大家都很高兴，每个星期天都来看水车。";
	const char *const texts[] = {thai, chinese};
	for (int i = 0; i < 2; i++) {
		struct buf b = {0}, want = {0};
		buf_printf(&b, "<div><a href=a>A</a> <a href=b>B</a></div><div><p>%s<p>%s<p>%s</div><div><ul><li><a href=c>C</a></ul></div>", texts[i], texts[i], texts[i]);
		buf_printf(&want, "%s\n\n%s\n\n%s", texts[i], texts[i], texts[i]);
		assert_string_equal(extract(b.data, HTML_MAIN), want.data);
		buf_release(&b);
		buf_release(&want);
	}
}

static void lines_around_articles_are_dropped(void **state)
{
	(void)state;
	assert_string_equal(extract("<article><p>" LONG "<h3>Read more</h3><p>" LONG "<p>Photo: A. Quern<h3>Sharing the load</h3><p>" LONG
				    "<p>Lesen Sie auch:<ul><li><a href=x>x</a></ul></article>", HTML_MAIN),
			    LONG "\n\n" LONG "\n\nSharing the load\n\n" LONG);
}

static void short_pages_keep_their_lines(void **state)
{
	(void)state;
	assert_string_equal(extract("<nav><a href=a>A</a></nav><h1>Title</h1><p>A line.</p><ul><li><a href=b>B</a></ul><footer>F</footer>", HTML_MAIN),
			    "Title\n\nA line.");
	assert_string_equal(extract("<nav><a href=a>A</a></nav>", HTML_MAIN), "");
}

/* --- pages made to hurt ---------------------------------------------------------------------- */

static void repeat(struct buf *b, const char *s, size_t n)
{
	size_t len = strlen(s);
	buf_reserve(b, n * len);
	for (size_t i = 0; i < n; i++)
		buf_add(b, s, len);
}

/* A megabyte and more of s between head and tail ends in the text `want`, in far less than what a quadratic reader would need. */
static void survives(const char *head, const char *s, const char *tail, const char *want)
{
	struct buf b = {0};
	buf_str(&b, head);
	repeat(&b, s, (1 << 20) / strlen(s) + 1);
	buf_str(&b, tail);
	clock_t start = clock();
	assert_int_equal(html_extract(b.data, b.len, HTML_ALL, &page, NULL), OK);
	if (want)
		assert_string_equal(page.text.data ? page.text.data : "", want);
	assert_int_equal(html_extract(b.data, b.len, HTML_MAIN, &page, NULL), OK);
	assert_true(clock() - start < 60 * CLOCKS_PER_SEC);
	buf_release(&b);
}

static void pages_made_to_hurt_are_read(void **state)
{
	(void)state;
	survives("", "<div>", "deep", "deep");
	survives("", "<div></x>", "deep", "deep");
	survives("", "<div>a", "", NULL);
	survives("", "<b x=1>", "x", "x");
	survives("<table><td>", "<span></div>", "x", "x");
	survives("", "<table><tr><td>", "x", "x");
	survives("", "</p>", "", "");
	survives("", "<a href=x><table>", "x", "x");
	survives("", "<h1><h2>", "x", "x");
	survives("", "<li>a", "", NULL);
	survives("a<p ", "x1 ", ">b", "a\n\nb");
	survives("a<p class=\"", "nav ", "\">b", "a\n\nb");
	survives("a<p style=\"", "display:", "\">b", "a\n\nb");
	survives("a<!--", "--", "", "a");
	survives("a", "<!-- ", "", "a");
	survives("a<script>", "</scrip", "", "a");
	survives("a", "<svg>", "", "a");
	survives("a", "<svg></svg>", "b", "ab");
	survives("<title>", "&amp;", "</title>x", "x");
	assert_true(page.title.len <= HTML_FIELD_BYTES + HTML_REFERENCE_BYTES);
	survives("", "&", "", NULL);
	survives("", "<", "", NULL);
	survives("", "&#99999999", "", NULL);
	survives("", "<br>", "x", "x");
	survives("<pre>", "\n", "x", NULL);
	survives("", "\xff", "", NULL);
	survives("a", "\xcc\x81\xcc\x96", "", NULL);
	assert_int_equal(html_extract("a\0b", 3, HTML_ALL, &page, NULL), OK);
	assert_string_equal(page.text.data, "a\xef\xbf\xbd" "b");
}

static void cut_anywhere_is_read(void **state)
{
	(void)state;
	static const char html[] = "<!doctype html><html lang=\"a&amp;b\"><title>t&eacute;</title><body class='x y'><!-- c --><p id=a>x &#233; y</p>"
				   "<script>s</script><table><tr><td>c</table><svg><a/></svg><pre>\n z</pre>";
	for (size_t n = 0; n < sizeof(html); n++) {
		char *copy = mem_alloc(n + 1);
		memcpy(copy, html, n);
		assert_int_equal(html_extract(copy, n, HTML_ALL, &page, NULL), OK);
		mem_free(copy);
	}
}

static void pages_are_known_by_their_start(void **state)
{
	(void)state;
	assert_true(html_looks_like("\n<!DOCTYPE html>", 16));
	assert_true(html_looks_like("<!-- c --><html lang=a>", 23));
	assert_false(html_looks_like("a < b", 5));
	assert_false(html_looks_like("<htmlx>", 7));
	assert_false(html_looks_like("", 0));
}

static void converts(const char *in, size_t n, const char *hint, const char *want, int64_t bad, const char *name)
{
	struct buf out = {0};
	char used[32];
	int64_t replaced;
	assert_int_equal(text_to_utf8(in, n, hint, &out, &replaced, used, NULL), OK);
	assert_string_equal(out.data ? out.data : "", want);
	assert_int_equal(replaced, bad);
	assert_string_equal(used, name);
	buf_release(&out);
}

static void encodings_are_found(void **state)
{
	(void)state;
	converts("\xef\xbb\xbf\xc3\xa9", 5, "latin1", "\xc3\xa9", 0, "utf-8");
	converts("\xff\xfe" "a\0\xe9\0", 6, NULL, "a\xc3\xa9", 0, "UTF-16LE");
	converts("\xe9\x80", 2, NULL, "\xc3\xa9\xe2\x82\xac", 0, "windows-1252");
	converts("\xe9", 1, "ISO-8859-1", "\xc3\xa9", 0, "windows-1252");
	converts("<meta charset=\"koi8-r\">\xc1", 24, NULL, "<meta charset=\"koi8-r\">\xd0\xb0", 0, "koi8-r");
	converts("\xc3\xa9", 2, "no-such-charset", "\xc3\xa9", 0, "utf-8");
	converts("a\xff" "b", 3, "utf-8", "a\xef\xbf\xbd" "b", 1, "utf-8");
	converts("\xff\xfe" "a\0\x00", 5, NULL, "a\xef\xbf\xbd", 1, "UTF-16LE");
	converts("", 0, NULL, "", 0, "utf-8");
}

/* The text in that encoding, without a declaration, comes back as it was. */
static void guessed(const char *name, const char *text)
{
	char bytes[1024];
	char *from = (char *)text, *to = bytes;
	size_t n = strlen(text), room = sizeof(bytes);
	iconv_t cd = iconv_open(name, "UTF-8");
	assert_true(cd != (iconv_t)-1);
	assert_int_equal(iconv(cd, &from, &n, &to, &room), 0);
	iconv(cd, NULL, NULL, &to, &room);
	iconv_close(cd);
	converts(bytes, sizeof(bytes) - room, NULL, text, 0, name);
}

static void undeclared_encodings_are_guessed(void **state)
{
	(void)state;
	guessed("windows-1252", "Größere Mühlen stehen außerdem am Fluß, wo früher täglich Getreide für die Städte gemahlen wurde; natürlich mit großen Rädern.");
	guessed("windows-1252", "Le moulin a été rénové l'été dernier grâce à la générosité des élèves et à l'énergie du maître.");
	guessed("windows-1250", "Młyn został odnowiony latem zeszłego roku dzięki hojności uczniów, którzy zebrali pieniądze, żeby kupić nowe koło i łożyska.");
	guessed("windows-1251", "Мельница была отремонтирована прошлым летом благодаря щедрости учеников.");
	guessed("koi8-r", "Мельница была отремонтирована прошлым летом благодаря щедрости учеников.");
	guessed("windows-1253", "Ο μύλος επισκευάστηκε το περασμένο καλοκαίρι χάρη στη γενναιοδωρία των μαθητών.");
	guessed("windows-1254", "Değirmen geçen yaz öğrencilerin cömertliği sayesinde onarıldı; yeni çark için para toplayan çocuklar şimdi çok mutlu.");
	guessed("windows-1255", "הטחנה שופצה בקיץ שעבר הודות לנדיבותם של התלמידים שאספו כסף לגלגל חדש");
	guessed("windows-1256", "تم ترميم الطاحونة الصيف الماضي بفضل كرم الطلاب الذين جمعوا المال لشراء عجلة جديدة");
	guessed("tis-620", "โรงสีได้รับการซ่อมแซมเมื่อฤดูร้อนที่แล้วด้วยความเอื้อเฟื้อของนักเรียน");
	guessed("cp932", "水車小屋は去年の夏に生徒たちの寄付のおかげで修理されました。");
	guessed("euc-jp", "水車小屋は去年の夏に生徒たちの寄付のおかげで修理されました。");
	guessed("cp949", "물레방아는 지난 여름 학생들의 기부 덕분에 수리되었다. 그들은 새 바퀴를 사기 위해 돈을 모았다.");
	guessed("gb18030", "这座磨坊是去年夏天在学生们的帮助下修好的，他们为了买一个新的轮子而到处募捐。");
	guessed("big5", "這座磨坊是去年夏天在學生們的幫助下修好的，他們為了買一個新的輪子而到處募捐。");
	guessed("windows-1252", "café, naïve");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(main_content_is_told_from_navigation), cmocka_unit_test(structure_becomes_lines),
		cmocka_unit_test(nested_lists_are_indented), cmocka_unit_test(formulas_are_written_once), cmocka_unit_test(captions_are_left_out),
		cmocka_unit_test(hidden_text_is_left_out), cmocka_unit_test(end_tags_are_implied), cmocka_unit_test(tags_are_read_as_browsers_do),
		cmocka_unit_test(references_are_read), cmocka_unit_test(dates_are_found), cmocka_unit_test(the_article_is_found_without_names),
		cmocka_unit_test(names_that_mislead_are_overruled), cmocka_unit_test(words_without_spaces_count),
		cmocka_unit_test(lines_around_articles_are_dropped), cmocka_unit_test(short_pages_keep_their_lines),
		cmocka_unit_test(pages_made_to_hurt_are_read),
		cmocka_unit_test(cut_anywhere_is_read), cmocka_unit_test(pages_are_known_by_their_start), cmocka_unit_test(encodings_are_found),
		cmocka_unit_test(undeclared_encodings_are_guessed),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	html_page_clear(&page);
	return failed;
}
