/* figure.h - figures, drawn as SVG: curves with their smoothed course, values with error bars, histograms, bars of kept and dropped rows. */
#ifndef QUERN_REPORT_FIGURE_H
#define QUERN_REPORT_FIGURE_H

#include "report/histogram.h"
#include "report/page.h"

#define FIGURE_WIDTH 640
#define FIGURE_COLORS 8

struct line {
	const char *name;
	const double *x, *y;         /* x ascending; values that are not finite leave a gap */
	int64_t n;
};
/* The lines as they are, thin, and behind an exponential moving average of weight `smooth` per point (0: none), corrected for its start. */
void figure_lines(struct page *p, const char *name, const char *caption, const struct line *lines, int n, double smooth);

struct mark {
	const char *row, *series;    /* the row it stands in, and who it is of */
	double value, error;         /* error NAN: none; the bar is 1.96 of it to each side */
	int color;
};
/* Rows in order of first occurrence, a line for each mark. */
void figure_marks(struct page *p, const char *name, const char *caption, const struct mark *marks, int n);

/* of: what the values are, "characters". logarithmic: h is of log2(1 + value). */
void figure_histogram(struct page *p, const char *name, const char *caption, const struct histogram *h, bool logarithmic);

struct share {
	const char *label, *tip;
	double rows[FIGURE_COLORS];  /* kept, then what was dropped for each reason; their sum is the bar's whole */
	const char *names[FIGURE_COLORS];
	int n;
	int64_t in, out;
};
void figure_shares(struct page *p, const char *name, const char *caption, const struct share *shares, int n);

/* Text at a place, escaped, cut at `most` characters. */
void svg_text(struct buf *out, double x, double y, const char *class, const char *s, int64_t most);

#endif
