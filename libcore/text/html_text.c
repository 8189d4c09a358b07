/* html_text.c - text into blocks: words, white space, line breaks, references; see html_walk.h. */
#include "text/html_walk.h"

#include "text/html_entities.h"
#include "text/unicode.h"

#define LIST_DEPTH_MAX 15

void html_begin_block(struct walk *w)
{
	w->now = (struct block){.from = (uint32_t)w->b->text.len};
	w->in_word = w->space = w->line_break = false;
}

static bool ends_sentence(const char *s, const char *end)
{
	while (end > s && (end[-1] == '"' || end[-1] == '\'' || end[-1] == ')' || end[-1] == ' '))
		end--;
	size_t n = (size_t)(end - s);
	if (n == 0)
		return false;
	if (strchr(".!?:;", end[-1]))
		return true;
	static const char *const marks[] = {"\xe3\x80\x82", "\xef\xbc\x81", "\xef\xbc\x9f", "\xe2\x80\xa6", "\xe2\x80\x9d", "\xe2\x80\x9c",
					     "\xe0\xa5\xa4", "\xd8\x9f", "\xc2\xbb"};
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (n >= strlen(marks[i]) && memcmp(end - strlen(marks[i]), marks[i], strlen(marks[i])) == 0)
			return true;
	return false;
}

void html_end_block(struct walk *w)
{
	struct html_blocks *b = w->b;
	size_t end = b->text.len;
	while (end > w->now.from && (b->text.data[end - 1] == ' ' || b->text.data[end - 1] == '\n'))
		end--;
	if (end > w->now.from && w->now.words > 0) {
		struct open *e = top(w);
		w->now.to = (uint32_t)end;
		w->now.node = (uint32_t)e->node;
		w->now.group = e->group;
		w->now.starts_paragraph = w->paragraph;
		int lists = w->open[TAG_UL] + w->open[TAG_OL] + w->open[TAG_DL] + w->open[TAG_MENU] + w->open[TAG_DIR];
		w->now.depth = lists < LIST_DEPTH_MAX ? (unsigned)lists : LIST_DEPTH_MAX;
		w->now.sentence = ends_sentence(b->text.data + w->now.from, b->text.data + end);
		w->now.in_p = w->open[TAG_P] > 0 || w->open[TAG_BLOCKQUOTE] > 0;
		w->paragraph = false;
		MEM_PUSH_ROOM(b->v, b->n, b->cap);
		b->v[b->n++] = w->now;
	}
	html_begin_block(w);
}

/* --- text ------------------------------------------------------------------------------------ */

static void add_space(struct walk *w, uint32_t c)
{
	struct buf *out = &w->b->text;
	w->in_word = false;
	if (top(w)->kind == BLOCK_PRE)
		buf_char(out, c == '\n' || c == '\t' ? (char)c : ' ');
	else
		w->space = out->len > w->now.from && out->data[out->len - 1] != '\n';
}

void html_add_letters(struct walk *w, const char *s, size_t n)
{
	struct buf *out = &w->b->text;
	if (out->len == w->now.from)
		w->now.kind = top(w)->kind;
	if (out->cap - out->len < n + 2)
		buf_reserve(out, n + 2);
	if (w->space)
		out->data[out->len++] = ' ';
	if (!w->in_word) {
		w->now.words++;
		w->now.link_words += w->links > 0;
	}
	w->space = w->line_break = false;
	w->in_word = true;
	memcpy(out->data + out->len, s, n);   /* not buf_add: a call for each word is most of what is left to do */
	out->len += n;
	out->data[out->len] = 0;
}

/* How many characters of a script that puts no spaces between words count as one: two ideographs, five letters of Thai and its neighbours;
 * 0 where spaces do. */
static int word_characters(uint32_t c)
{
	if (c >= 0x2e80 && c < 0x1f000)
		return 2;
	bool south_east = (c >= 0xe00 && c < 0xf00) || (c >= 0x1000 && c < 0x10a0) || (c >= 0x1780 && c < 0x1800);
	return south_east ? 5 : 0;
}

/* A character beyond ASCII. */
static void add_character(struct walk *w, const char *s, int len, uint32_t c)
{
	if (text_is_space(c)) {
		add_space(w, c);
		return;
	}
	if (c == 0xad || c == 0x200b || c == 0x2060 || c == 0xfeff)
		return;                       /* hints where a line may break */
	int of_word = word_characters(c);
	if (of_word > 0 && ++w->unspaced % of_word == 0)
		w->in_word = false;
	html_add_letters(w, s, (size_t)len);
}

static bool is_plain(unsigned char c)
{
	return c > ' ' && c < 0x80 && c != '&';
}

void html_add_text(struct walk *w, const char *s, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t from = i;
		while (i < n && is_plain((unsigned char)s[i]))
			i++;
		if (i > from)
			html_add_letters(w, s + from, i - from);
		if (i == n)
			break;
		char referred[HTML_REFERENCE_BYTES];
		int len;
		size_t taken = s[i] == '&' ? html_reference(s + i, n - i, false, referred, &len) : 0;
		if (taken > 0) {
			for (int k = 0, one; k < len; k += one) {
				uint32_t c = text_decode(referred + k, (size_t)(len - k), &one);
				add_character(w, referred + k, one, c);
			}
			i += taken;
		} else if (s[i] == '&') {
			html_add_letters(w, s + i++, 1);
		} else if (s[i] == 0) {
			html_add_letters(w, "\xef\xbf\xbd", 3);
			i++;
		} else if (s[i] == '\r') {
			if (++i == n || s[i] != '\n')
				add_space(w, '\n');
		} else {
			uint32_t c = text_decode(s + i, n - i, &len);
			add_character(w, s + i, len, c);
			i += (size_t)len;
		}
	}
}

void html_break_line(struct walk *w)
{
	struct buf *out = &w->b->text;
	if (w->hidden > 0)
		return;
	if (w->line_break && top(w)->kind != BLOCK_PRE) {
		html_end_block(w);
		w->paragraph = true;
		return;
	}
	if (out->len > w->now.from)
		buf_char(out, '\n');
	w->in_word = w->space = false;
	w->line_break = out->len > w->now.from;
}
