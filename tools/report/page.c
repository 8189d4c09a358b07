/* page.c - see page.h. */
#include "report/page.h"

#include "report/style.h"
#include "text/unicode.h"

#include <math.h>
#include <stdarg.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINES_MAX 14                 /* of a text in a cell */

extern char **environ;

void page_init(struct page *p, enum page_form form)
{
	*p = (struct page){ .form = form };
}

static void drop_cells(struct page *p)
{
	for (int i = 0; i < p->n_cells; i++)
		mem_free(p->cells[i].text);
	p->n_cells = 0;
}

void page_release(struct page *p)
{
	drop_cells(p);
	buf_release(&p->body);
	buf_release(&p->nav);
	mem_free(p->cells);
}

/* --- text ----------------------------------------------------------------------------------------------------- */

/* Bytes of a character that may stand in a page, 0 of one that may not: control characters, noncharacters, bad bytes. */
static int good_character(const char *s, size_t n)
{
	int len;
	uint32_t c = text_decode(s, n, &len);

	if (c == 0xfffd || (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7f && c < 0xa0) || (c & 0xfffe) == 0xfffe ||
	    (c >= 0xfdd0 && c <= 0xfdef))
		return 0;
	/* marks that turn the direction of what follows stay inside the text that has them: isolated by CSS, so they may stand */
	return len;
}

/* U+FFFD for what is no character at s; returns its bytes. */
static size_t replace_bad(struct buf *out, const char *s, size_t n)
{
	int bad;

	text_decode(s, n, &bad);
	buf_str(out, "\xef\xbf\xbd");
	return (size_t)bad;
}

void html_text(struct buf *out, const char *s, size_t n)
{
	for (size_t i = 0; i < n;) {
		int len = good_character(s + i, n - i);

		if (!len) {
			i += replace_bad(out, s + i, n - i);
			continue;
		}
		switch (s[i]) {
		case '&': buf_str(out, "&amp;"); break;
		case '<': buf_str(out, "&lt;"); break;
		case '>': buf_str(out, "&gt;"); break;
		case '"': buf_str(out, "&quot;"); break;
		case '\'': buf_str(out, "&#39;"); break;
		default: buf_add(out, s + i, (size_t)len);
		}
		i += (size_t)len;
	}
}

void html_str(struct buf *out, const char *s) { html_text(out, s, strlen(s)); }

/* One line of Markdown: what could be markup has a backslash, lines become spaces. */
static void markdown_text(struct buf *out, const char *s, size_t n)
{
	for (size_t i = 0; i < n;) {
		int len = good_character(s + i, n - i);

		if (!len) {
			i += replace_bad(out, s + i, n - i);
			continue;
		}
		if (s[i] == '\n' || s[i] == '\t') {
			buf_char(out, ' ');
		} else {
			if (memchr("\\`*_[]<>|#~", s[i], 11))
				buf_char(out, '\\');
			buf_add(out, s + i, (size_t)len);
		}
		i += (size_t)len;
	}
}

static void text(struct page *p, struct buf *out, const char *s, size_t n)
{
	if (p->form == PAGE_HTML)
		html_text(out, s, n);
	else
		markdown_text(out, s, n);
}

void append_count(struct buf *out, int64_t v)
{
	char digits[24];
	int n = snprintf(digits, sizeof(digits), "%lld", (long long)v), from = digits[0] == '-';

	for (int i = 0; i < n; i++) {
		if (i > from && (n - i) % 3 == 0 && n - from > 4)
			buf_str(out, "\xe2\x80\xaf");        /* narrow no-break space */
		buf_char(out, digits[i]);
	}
}

void append_number(struct buf *out, double v)
{
	double m = fabs(v);

	if (isnan(v))
		buf_str(out, "\xe2\x80\x93");
	else if (isinf(v))
		buf_str(out, v < 0 ? "-\xe2\x88\x9e" : "\xe2\x88\x9e");
	else if (v == floor(v) && m < 1e15)
		append_count(out, (int64_t)v);
	else if (m >= 1000 && m < 1e15)
		append_count(out, (int64_t)llround(v));
	else if (m >= 1e15 || m < 1e-3)
		buf_printf(out, "%.3g", v);
	else
		buf_printf(out, "%.*f", m >= 100 ? 1 : m >= 10 ? 2 : 4, v);
}

/* --- parts of a page -------------------------------------------------------------------------------------------- */

void page_section(struct page *p, const char *id, const char *title)
{
	if (p->form == PAGE_MARKDOWN) {
		buf_printf(&p->body, "\n## %s\n", title);
		return;
	}
	if (p->in_section)
		buf_str(&p->body, "</section>\n");
	p->in_section = true;
	buf_printf(&p->nav, "<a href=\"#%s\">%s</a>\n", id, title);
	buf_printf(&p->body, "<section id=\"%s\">\n<h2>%s</h2>\n", id, title);
}

void page_heading(struct page *p, const char *s)
{
	buf_str(&p->body, p->form == PAGE_HTML ? "<h3>" : "\n### ");
	text(p, &p->body, s, strlen(s));
	buf_str(&p->body, p->form == PAGE_HTML ? "</h3>\n" : "\n");
}

void page_text(struct page *p, const char *fmt, ...)
{
	struct buf s = { 0 };
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&s, fmt, ap);
	va_end(ap);
	buf_str(&p->body, p->form == PAGE_HTML ? "<p>" : "\n");
	text(p, &p->body, s.data, s.len);
	buf_str(&p->body, p->form == PAGE_HTML ? "</p>\n" : "\n");
	buf_release(&s);
}

void page_folded(struct page *p, const char *summary, const char *s)
{
	if (p->form == PAGE_MARKDOWN)
		return;
	buf_str(&p->body, "<details><summary>");
	html_str(&p->body, summary);
	buf_str(&p->body, "</summary><pre>");
	html_str(&p->body, s);
	buf_str(&p->body, "</pre></details>\n");
}

/* --- tables --------------------------------------------------------------------------------------------------------- */

void page_table(struct page *p, const char *caption, int columns)
{
	drop_cells(p);               /* of a table that was begun and not ended */
	p->columns = columns;
	p->caption = caption;
}

static void add_cell(struct page *p, const char *class, char *s)
{
	MEM_PUSH_ROOM(p->cells, p->n_cells, p->cap_cells);
	p->cells[p->n_cells] = (struct cell){ s, class, p->n_cells < p->columns };
	p->n_cells++;
}

static bool has_class(const char *classes, const char *one)
{
	const char *at = classes ? strstr(classes, one) : NULL;
	size_t n = strlen(one);

	return at && (at == classes || at[-1] == ' ') && (!at[n] || at[n] == ' ');
}

void page_cell(struct page *p, const char *class, const char *fmt, ...)
{
	struct buf s = { 0 }, escaped = { 0 };
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&s, fmt, ap);
	va_end(ap);
	text(p, &escaped, s.data, s.len);
	buf_release(&s);
	add_cell(p, class, buf_detach(&escaped));
}

void page_cell_text(struct page *p, const char *class, const char *s, size_t n, size_t most)
{
	struct buf escaped = { 0 };
	size_t shown = n;
	int lines = 0;

	if (n > most) {
		shown = most;
		while (shown > 0 && ((unsigned char)s[shown] & 0xc0) == 0x80)
			shown--;
	}
	for (size_t i = 0; i < shown; i++)
		if (s[i] == '\n' && ++lines == LINES_MAX)
			shown = i;
	if (has_class(class, "right") || has_class(class, "wrong"))
		buf_str(&escaped, has_class(class, "right") ? "\xe2\x9c\x93 " : "\xe2\x9c\x97 ");
	text(p, &escaped, s, shown);
	if (shown < n)
		buf_str(&escaped, " \xe2\x80\xa6");
	add_cell(p, class, buf_detach(&escaped));
}

static void html_table(struct page *p)
{
	struct buf *out = &p->body;

	buf_str(out, "<div class=\"scroll\"><table>");
	if (p->caption) {
		buf_str(out, "<caption>");
		html_str(out, p->caption);
		buf_str(out, "</caption>");
	}
	for (int i = 0; i < p->n_cells; i++) {
		const struct cell *c = &p->cells[i];
		const char *tag = c->head || (i % p->columns == 0 && !has_class(c->class, "text")) ? "th" : "td";

		if (i % p->columns == 0)
			buf_str(out, i == 0 ? "\n<thead><tr>" : i == p->columns ? "\n<tbody><tr>" : "\n<tr>");
		buf_printf(out, "<%s", tag);
		if (!strcmp(tag, "th"))
			buf_str(out, c->head ? " scope=\"col\"" : " scope=\"row\"");
		if (c->class)
			buf_printf(out, " class=\"%s\"", c->class);
		buf_printf(out, ">%s</%s>", c->text, tag);
		if ((i + 1) % p->columns == 0)
			buf_str(out, i + 1 == p->columns ? "</tr></thead>" : "</tr>");
	}
	buf_str(out, p->n_cells > p->columns ? "\n</tbody></table></div>\n" : "\n</table></div>\n");
}

/* Characters of s, for the widths of a table in a terminal. */
static int width_of(const char *s) { return (int)text_length(s, strlen(s)); }

static void markdown_table(struct page *p)
{
	int *widths = mem_array((size_t)p->columns, sizeof(*widths));

	for (int i = 0; i < p->n_cells; i++) {
		int w = width_of(p->cells[i].text), *to = &widths[i % p->columns];

		*to = w > *to ? (w > 60 ? 60 : w) : *to < 3 ? 3 : *to;
	}
	buf_char(&p->body, '\n');
	for (int i = 0; i < p->n_cells; i++) {
		const struct cell *c = &p->cells[i];
		int pad = widths[i % p->columns] - width_of(c->text);

		buf_str(&p->body, "| ");
		buf_printf(&p->body, "%*s%s%*s ", has_class(c->class, "n") && pad > 0 ? pad : 0, "", c->text,
			   !has_class(c->class, "n") && pad > 0 ? pad : 0, "");
		if ((i + 1) % p->columns)
			continue;
		buf_str(&p->body, "|\n");
		for (int k = 0; i + 1 == p->columns && k < p->columns; k++) {
			buf_str(&p->body, k ? " | " : "| ");
			for (int d = 0; d < widths[k]; d++)
				buf_char(&p->body, d + 1 == widths[k] && has_class(p->cells[k].class, "n") ? ':' : '-');
		}
		if (i + 1 == p->columns)
			buf_str(&p->body, " |\n");
	}
	mem_free(widths);
}

void page_table_end(struct page *p)
{
	if (p->form == PAGE_HTML)
		html_table(p);
	else
		markdown_table(p);
	drop_cells(p);
}

/* --- figures ---------------------------------------------------------------------------------------------------------- */

void page_figures(struct page *p)
{
	if (p->form == PAGE_HTML)
		buf_str(&p->body, "<div class=\"figures\">\n");
}

void page_figures_end(struct page *p)
{
	if (p->form == PAGE_HTML)
		buf_str(&p->body, "</div>\n");
}

/* A style sheet with its variables filled in, light, for programs that know none. */
static void append_resolved(struct buf *out, const char *css)
{
	for (const char *at; (at = strstr(css, "var(--")); css = strchr(at, ')') + 1) {
		size_t n = strcspn(at + 4, ")");
		char *name = mem_printf("%.*s:", (int)n, at + 4);
		const char *value = strstr(style_colors, name) + n + 1;

		buf_add(out, css, (size_t)(at - css));
		buf_add(out, value, strcspn(value, ";}"));
		mem_free(name);
	}
	buf_str(out, css);
}

static enum status write_svg(const char *path, int width, int height, const struct buf *svg, struct error *err)
{
	struct buf out = { 0 };

	buf_printf(&out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\">\n<style>", width, height, width, height);
	append_resolved(&out, style_figures);
	buf_str(&out, "</style>\n<rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n");
	buf_add(&out, svg->data, svg->len);
	buf_str(&out, "</svg>\n");
	enum status st = file_write_all(path, out.data, out.len, err);
	buf_release(&out);
	return st;
}

/* The SVG at path as PNG beside it, at twice its size. */
static enum status convert(const char *path, const char *png, struct error *err)
{
	char *argv[] = { "rsvg-convert", "--zoom=2", "--output", (char *)png, (char *)path, NULL };
	int status = 0;
	pid_t pid;

	if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ))
		return error_set(err, ERR_IO, "--png needs the program rsvg-convert (Debian: librsvg2-bin), which is not here");
	if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status))
		return error_set(err, ERR_IO, "%s: rsvg-convert failed", png);
	return OK;
}

static enum status write_figure(const struct page *p, const char *name, int width, int height, const struct buf *svg, struct error *err)
{
	char *file = mem_printf("%s/%s.svg", p->svg_dir ? p->svg_dir : p->png_dir, name);
	enum status st = write_svg(file, width, height, svg, err);

	if (st == OK && p->png_dir) {
		char *png = mem_printf("%s/%s.png", p->png_dir, name);

		st = convert(file, png, err);
		mem_free(png);
	}
	if (!p->svg_dir)
		unlink(file);
	mem_free(file);
	return st;
}

void page_figure(struct page *p, const char *name, const char *caption, int width, int height, const struct buf *svg)
{
	p->figures++;
	if ((p->svg_dir || p->png_dir) && p->status == OK)
		p->status = write_figure(p, name, width, height, svg, p->err);
	if (p->form != PAGE_HTML)
		return;
	buf_printf(&p->body, "<figure%s id=\"figure-%s\"><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", width > 700 ? " class=\"wide\"" : "",
		   name, width, height);
	html_str(&p->body, caption);
	buf_printf(&p->body, "\" style=\"max-width:%dpx\">\n", width > 700 ? width : width * 3 / 2);
	buf_add(&p->body, svg->data, svg->len);
	buf_str(&p->body, "</svg><figcaption>");
	html_str(&p->body, caption);
	buf_str(&p->body, "</figcaption></figure>\n");
}

/* --- the whole ---------------------------------------------------------------------------------------------------------- */

void page_finish(struct page *p, struct buf *out)
{
	if (p->form == PAGE_MARKDOWN) {
		buf_str(out, "# ");
		markdown_text(out, p->title, strlen(p->title));
		buf_char(out, '\n');
		if (p->subtitle) {
			buf_char(out, '\n');
			markdown_text(out, p->subtitle, strlen(p->subtitle));
			buf_char(out, '\n');
		}
		buf_add(out, p->body.data ? p->body.data : "", p->body.len);
		return;
	}
	buf_str(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		     "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		     "<meta name=\"color-scheme\" content=\"light dark\">\n"
		     "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n");
	if (p->refresh)
		buf_printf(out, "<meta http-equiv=\"refresh\" content=\"%d\">\n", p->refresh);
	buf_str(out, "<title>");
	html_str(out, p->title);
	buf_printf(out, "</title>\n<style>\n%s%s%s</style>\n</head>\n<body>\n<header><h1>", style_colors, style_page, style_figures);
	html_str(out, p->title);
	buf_str(out, "</h1>\n");
	if (p->subtitle) {
		buf_str(out, "<p>");
		html_str(out, p->subtitle);
		buf_str(out, "</p>\n");
	}
	buf_str(out, "<nav aria-label=\"Sections\">\n");
	buf_add(out, p->nav.data ? p->nav.data : "", p->nav.len);
	buf_str(out, "</nav></header>\n<main>\n");
	buf_add(out, p->body.data ? p->body.data : "", p->body.len);
	buf_printf(out, "%s</main>\n<footer><p>quern report %s</p></footer>\n</body>\n</html>\n", p->in_section ? "</section>\n" : "", QUERN_VERSION);
}
