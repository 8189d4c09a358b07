/* page.h - a page as it is written: sections, paragraphs, tables, figures; as HTML that needs nothing else, or as Markdown.
 *
 * Every text is data and may be hostile: in HTML it is escaped, in Markdown what could end a cell or begin markup is; control characters and
 * bytes that are no UTF-8 become U+FFFD. Numbers of columns and the order of calls are the caller's. */
#ifndef QUERN_REPORT_PAGE_H
#define QUERN_REPORT_PAGE_H

#include "base/file.h"

#include <stdint.h>

enum page_form { PAGE_HTML, PAGE_MARKDOWN };

struct page {
	enum page_form form;
	const char *title, *subtitle;
	int refresh;                 /* seconds after which a browser reads the page anew; 0: never */
	const char *svg_dir, *png_dir;       /* figures are also written there, one file each; NULL: they are not */
	struct buf body, nav;
	bool in_section, in_grid;
	int figures;
	/* the table under way */
	struct cell {
		char *text;
		const char *class;   /* CSS classes, or NULL */
		bool head;
	} *cells;
	int n_cells, cap_cells, columns;
	const char *caption;
	struct error *err;           /* of the first figure that could not be written */
	enum status status;
};

void page_init(struct page *p, enum page_form form);
/* Head, navigation and body. */
void page_finish(struct page *p, struct buf *out);
void page_release(struct page *p);

void page_section(struct page *p, const char *id, const char *title);
void page_heading(struct page *p, const char *text);          /* below a section's */
void page_text(struct page *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* What unfolds in HTML and is left out in Markdown: text as it is. */
void page_folded(struct page *p, const char *summary, const char *text);

/* Cells in order, rows of `columns`; the first row is the head. A table that is not ended is not written. class: "n" number, "best", "right", "wrong", "quiet", "text" or several. */
void page_table(struct page *p, const char *caption, int columns);
void page_cell(struct page *p, const char *class, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void page_cell_text(struct page *p, const char *class, const char *s, size_t n, size_t most);   /* cut behind `most` bytes, with dots */
void page_table_end(struct page *p);

/* Figures, side by side until page_figures_end. name: for files, [a-z0-9-]. svg: what an <svg> holds; only HTML has figures. */
void page_figures(struct page *p);
void page_figure(struct page *p, const char *name, const char *caption, int width, int height, const struct buf *svg);
void page_figures_end(struct page *p);

/* Escaped for HTML and SVG. */
void html_text(struct buf *out, const char *s, size_t n);
void html_str(struct buf *out, const char *s);
/* 19997 as "19 997", with thin spaces; 12345678 in words is "12.3 M". */
void append_count(struct buf *out, int64_t v);
/* Four significant digits at most, no exponent where it can be helped. */
void append_number(struct buf *out, double v);

#endif
