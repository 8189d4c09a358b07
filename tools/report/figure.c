/* figure.c - see figure.h. */
#include "report/figure.h"

#include "text/unicode.h"

#include <math.h>
#include <stdio.h>

#define POINTS 560                   /* most points of a line as it is drawn */

void svg_text(struct buf *out, double x, double y, const char *class, const char *s, int64_t most)
{
	size_t n = strlen(s), shown = 0;
	int64_t characters = 0;

	while (shown < n && characters < most) {
		int len;

		text_decode(s + shown, n - shown, &len);
		shown += (size_t)len;
		characters++;
	}
	buf_printf(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", x, y, class);
	html_text(out, s, shown);
	buf_str(out, shown < n ? "\xe2\x80\xa6</text>\n" : "</text>\n");
}

/* --- axes --------------------------------------------------------------------------------------------------------- */

struct axis {
	double low, high, step;      /* of values, and between ticks */
	double from, to;             /* of the picture */
};

/* Ticks at 1, 2 or 5 times a power of ten, about `ticks` of them, around [low, high]. */
static struct axis axis_around(double low, double high, int ticks, double from, double to)
{
	double span = high - low, power, step;

	if (!(span > 0)) {
		span = low != 0 ? fabs(low) * 0.2 : 1;
		low -= span / 2;
		high += span / 2;
	}
	power = pow(10, floor(log10(span / ticks)));
	step = span / ticks / power;
	step = (step < 1.5 ? 1 : step < 3.5 ? 2 : step < 7.5 ? 5 : 10) * power;
	return (struct axis){ floor(low / step + 1e-9) * step, ceil(high / step - 1e-9) * step, step, from, to };
}

static double place(const struct axis *a, double v) { return a->from + (v - a->low) / (a->high - a->low) * (a->to - a->from); }

static void tick_label(struct buf *out, double v, double step)
{
	int digits = step >= 1 ? 0 : (int)ceil(-log10(step) - 1e-9);

	if (fabs(v) < step * 1e-6)
		v = 0;
	if (v != 0 && (fabs(v) >= 1e6 || digits > 5))
		buf_printf(out, "%.3g", v);
	else if (digits > 0)
		buf_printf(out, "%.*f", digits, v);
	else
		append_count(out, (int64_t)llround(v));
}

static void draw_y(struct buf *out, const struct axis *y, double left, double right)
{
	for (double v = y->low; v <= y->high + y->step * 0.01; v += y->step) {
		struct buf label = { 0 };
		double at = place(y, v);

		buf_printf(out, "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/>", left, at, right);
		tick_label(&label, v, y->step);
		svg_text(out, left - 6, at + 4, "end soft small", label.data, 16);
		buf_release(&label);
	}
}

static void draw_x(struct buf *out, const struct axis *x, double top, double bottom, bool grid)
{
	for (double v = x->low; v <= x->high + x->step * 0.01; v += x->step) {
		struct buf label = { 0 };
		double at = place(x, v);

		if (grid)
			buf_printf(out, "<path class=\"grid\" d=\"M%.1f %.1fV%.1f\"/>", at, top, bottom);
		tick_label(&label, v, x->step);
		svg_text(out, at, bottom + 16, "middle soft small", label.data, 16);
		buf_release(&label);
	}
	buf_printf(out, "<path class=\"axis\" d=\"M%.1f %.1fH%.1f\"/>\n", x->from, bottom, x->to);
}

/* Names of the series above the picture; returns the height they take. */
static double legend(struct buf *out, const char *const *names, int n, double left, double right)
{
	double x = left, y = 14;

	for (int i = 0; i < n; i++) {
		double width = 26 + 6.7 * (double)text_length(names[i], strlen(names[i]) < 60 ? strlen(names[i]) : 60);

		if (x + width > right && x > left) {
			x = left;
			y += 17;
		}
		buf_printf(out, "<rect class=\"f%d\" x=\"%.1f\" y=\"%.1f\" width=\"14\" height=\"4\" rx=\"2\"/>", i % FIGURE_COLORS, x, y - 6);
		svg_text(out, x + 19, y, "small", names[i], 60);
		x += width;
	}
	return y + 8;
}

/* --- curves ------------------------------------------------------------------------------------------------------------ */

static bool extent(const struct line *lines, int n, double smooth, double e[4])
{
	bool any = false;

	for (int i = 0; i < n; i++) {
		double mean = 0, weight = 0;

		for (int64_t k = 0; k < lines[i].n; k++) {
			double x = lines[i].x[k], y = lines[i].y[k];

			if (!isfinite(y) || !isfinite(x) || fabs(y) > 1e30)
				continue;
			mean = smooth * mean + (1 - smooth) * y;
			weight = smooth * weight + (1 - smooth);
			/* one wild value must not flatten all others: what counts is the average, and the value half as far from it */
			double shown = smooth > 0 && k > 0 ? mean / weight + (y - mean / weight) / 2 : y;
			if (!any)
				e[0] = e[1] = x, e[2] = e[3] = shown;
			any = true;
			e[0] = x < e[0] ? x : e[0];
			e[1] = x > e[1] ? x : e[1];
			e[2] = shown < e[2] ? shown : e[2];
			e[3] = shown > e[3] ? shown : e[3];
		}
	}
	return any;
}

/* One line; of many points, the lowest and highest of each stretch. smoothed: the moving average. */
static void draw_line(struct buf *out, const struct line *l, const struct axis *x, const struct axis *y, double smooth, bool smoothed, int color)
{
	int64_t stretch = l->n / (POINTS / (smoothed ? 1 : 2)) + 1;
	double mean = 0, weight = 0;
	bool pen = false;

	buf_printf(out, "<path class=\"%s s%d\" d=\"", smoothed ? "line" : "raw", color);
	for (int64_t k = 0; k < l->n; k += stretch) {
		double low = INFINITY, high = -INFINITY, last = NAN;
		int64_t end = k + stretch < l->n ? k + stretch : l->n;

		for (int64_t i = k; i < end; i++) {
			double v = l->y[i];

			if (!isfinite(v) || fabs(v) > 1e30)
				continue;
			mean = smooth * mean + (1 - smooth) * v;
			weight = smooth * weight + (1 - smooth);
			last = mean / weight;
			low = v < low ? v : low;
			high = v > high ? v : high;
		}
		if (isnan(last)) {
			pen = false;
			continue;
		}
		double at = place(x, l->x[end - 1]);
		for (int part = 0; part < (smoothed || stretch == 1 ? 1 : 2); part++) {
			double v = smoothed ? last : part ? high : low, py = place(y, v);

			py = py < y->to ? y->to : py > y->from ? y->from : py;       /* what is left out of the picture ends at its edge */
			buf_printf(out, "%c%.1f %.1f", pen ? 'L' : 'M', at, py);
			pen = true;
		}
	}
	buf_str(out, "\"/>\n");
}

void figure_lines(struct page *p, const char *name, const char *caption, const struct line *lines, int n, double smooth)
{
	double e[4], left = 58, right = FIGURE_WIDTH - 14;
	const char *names[64];
	struct buf out = { 0 };

	if (!extent(lines, n, smooth, e))
		return;
	for (int i = 0; i < n && i < 64; i++)
		names[i] = lines[i].name;
	double top = n > 1 ? legend(&out, names, n, left, right) : 10, bottom = top + 210;
	struct axis x = axis_around(e[0], e[1], 6, left, right), y = axis_around(e[2], e[3], 5, bottom, top);
	x.low = e[0] < x.high ? e[0] : x.low;
	x.high = e[1] > x.low ? e[1] : x.high;
	draw_y(&out, &y, left, right);
	struct axis ticks = x;
	ticks.low = ceil(x.low / x.step - 1e-9) * x.step;
	for (double v = ticks.low; v <= x.high; v += x.step) {
		struct buf label = { 0 };

		tick_label(&label, v, x.step);
		svg_text(&out, place(&x, v), bottom + 16, "middle soft small", label.data, 16);
		buf_release(&label);
	}
	buf_printf(&out, "<path class=\"axis\" d=\"M%.1f %.1fH%.1f\"/>\n", left, bottom, right);
	svg_text(&out, right, bottom + 32, "end soft small", "step", 10);
	for (int i = 0; i < n; i++)
		draw_line(&out, &lines[i], &x, &y, smooth, false, i % FIGURE_COLORS);
	for (int i = 0; i < n; i++)
		draw_line(&out, &lines[i], &x, &y, smooth, true, i % FIGURE_COLORS);
	page_figure(p, name, caption, FIGURE_WIDTH, (int)bottom + 38, &out);
	buf_release(&out);
}

/* --- values with error bars ----------------------------------------------------------------------------------------------- */

void figure_marks(struct page *p, const char *name, const char *caption, const struct mark *marks, int n)
{
	double low = INFINITY, high = -INFINITY, left = 210, right = FIGURE_WIDTH - 60, y = 6;
	struct buf out = { 0 };

	for (int i = 0; i < n; i++) {
		double half = isnan(marks[i].error) ? 0 : 1.96 * marks[i].error;

		low = fmin(low, marks[i].value - half);
		high = fmax(high, marks[i].value + half);
	}
	if (!isfinite(low) || !isfinite(high))
		return;
	/* from zero, where that does not squeeze what there is to see */
	if (low > 0 && low < 0.7 * high)
		low = 0;
	struct axis x = axis_around(low, high, 5, left, right);
	double bottom = 6;
	for (int i = 0; i < n; i++)
		bottom += 20 + (i && strcmp(marks[i].row, marks[i - 1].row) ? 14 : 0);
	draw_x(&out, &x, 4, bottom + 4, true);
	for (int i = 0; i < n; i++) {
		const struct mark *m = &marks[i];
		double at = place(&x, m->value);
		struct buf value = { 0 };

		if (!i || strcmp(m->row, marks[i - 1].row)) {
			y += i ? 14 : 0;
			svg_text(&out, 2, y + 14, "strong small", m->row, 16);
		}
		svg_text(&out, left - 10, y + 14, "end small soft", m->series, 20);
		append_number(&value, m->value);
		buf_str(&out, "<g>");
		if (!isnan(m->error) && m->error > 0) {
			double a = place(&x, m->value - 1.96 * m->error), b = place(&x, m->value + 1.96 * m->error);

			buf_printf(&out, "<path class=\"whisker s%d\" d=\"M%.1f %.1fH%.1fM%.1f %.1fv8M%.1f %.1fv8\"/>", m->color, a, y + 10, b, a, y + 6, b, y + 6);
			at = place(&x, m->value);
		}
		buf_printf(&out, "<circle class=\"f%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"4.5\"/><title>", m->color, at, y + 10);
		html_str(&out, m->series);
		buf_printf(&out, ": %s", value.data);
		if (!isnan(m->error))
			buf_printf(&out, " \xc2\xb1 %.4f", m->error);
		buf_str(&out, "</title></g>");
		svg_text(&out, right + 8, y + 14, "small", value.data, 12);
		buf_release(&value);
		y += 20;
	}
	page_figure(p, name, caption, FIGURE_WIDTH, (int)bottom + 28, &out);
	buf_release(&out);
}

/* --- histograms -------------------------------------------------------------------------------------------------------------- */

static void log_ticks(struct buf *out, const struct axis *x, double bottom)
{
	double decades = (x->high - x->low) / log2(10);

	for (int power = 0; power < 19; power++)
		for (int m = 1; m < 10; m += 1) {
			double v = m * pow(10, power), at = place(x, log2(v + 1));
			struct buf label = { 0 };

			if (at < x->from - 0.5 || at > x->to + 0.5 || !(m == 1 || (decades < 2.5 && (m == 2 || m == 5)) || (decades < 0.8)))
				continue;
			if (v >= 1e6)
				buf_printf(&label, "%g M", v / 1e6);
			else if (v >= 1e4)
				buf_printf(&label, "%g k", v / 1e3);
			else
				buf_printf(&label, "%g", v);
			buf_printf(out, "<path class=\"axis\" d=\"M%.1f %.1fv4\"/>", at, bottom);
			svg_text(out, at, bottom + 17, "middle soft small", label.data, 16);
			buf_release(&label);
		}
}

static void bin_title(struct buf *out, double from, double to, bool logarithmic, int64_t rows)
{
	buf_str(out, "<title>");
	append_number(out, logarithmic ? ceil(exp2(from) - 1 - 1e-9) : from);
	buf_str(out, " to ");
	append_number(out, logarithmic ? ceil(exp2(to) - 1 - 1e-9) : to);
	buf_str(out, ": ");
	append_count(out, rows);
	buf_str(out, " rows</title>");
}

void figure_histogram(struct page *p, const char *name, const char *caption, const struct histogram *h, bool logarithmic)
{
	double left = 58, right = FIGURE_WIDTH - 14, top = 8, bottom = 188, width = histogram_width(h);
	int from = 0, to = HISTOGRAM_BINS;
	int64_t most = 0;
	struct buf out = { 0 };

	if (!h->n)
		return;
	while (!h->bins[from])
		from++;
	while (!h->bins[to - 1])
		to--;
	for (int i = from; i < to; i++)
		most = h->bins[i] > most ? h->bins[i] : most;
	struct axis y = axis_around(0, (double)most, 4, bottom, top);
	double low = (double)(h->first + from) * width, high = (double)(h->first + to) * width;
	if (to - from < 20) {        /* few bins: air at both sides, lest a bar be a wall */
		low -= width * (20 - (to - from)) / 2;
		high += width * (20 - (to - from)) / 2;
	}
	struct axis x = { low, high, 0, left, right };
	draw_y(&out, &y, left, right);
	for (int i = from; i < to; i++) {
		double a = (double)(h->first + i) * width, x0 = place(&x, a), x1 = place(&x, a + width), at = place(&y, (double)h->bins[i]);

		if (!h->bins[i])
			continue;
		if (bottom - at < 1)         /* a row among millions is seen, too */
			at = bottom - 1;
		buf_printf(&out, "<rect class=\"bar f0\" x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\">", x0 + 0.5, at, fmax(x1 - x0 - 1, 0.5), bottom - at);
		bin_title(&out, a, a + width, logarithmic, h->bins[i]);
		buf_str(&out, "</rect>");
	}
	buf_printf(&out, "<path class=\"axis\" d=\"M%.1f %.1fH%.1f\"/>\n", left, bottom, right);
	if (logarithmic) {
		log_ticks(&out, &x, bottom);
	} else {
		struct axis ticks = axis_around(low, high, 6, left, right);

		for (double v = ticks.low; v <= high + ticks.step * 1e-6; v += ticks.step) {
			struct buf label = { 0 };

			if (v < low - ticks.step * 1e-6)
				continue;
			tick_label(&label, v, ticks.step);
			svg_text(&out, place(&x, v), bottom + 17, "middle soft small", label.data, 16);
			buf_release(&label);
		}
	}
	page_figure(p, name, caption, FIGURE_WIDTH, (int)bottom + 26, &out);
	buf_release(&out);
}

/* --- shares -------------------------------------------------------------------------------------------------------------------- */

void figure_shares(struct page *p, const char *name, const char *caption, const struct share *shares, int n)
{
	double left = 250, right = 900, y = 6;
	struct buf out = { 0 };

	for (int i = 0; i < n; i++, y += 27) {
		const struct share *s = &shares[i];
		struct buf label = { 0 };
		double sum = 0, x = left;

		for (int k = 0; k < s->n; k++)
			sum += s->rows[k];
		buf_str(&out, "<g><title>");
		html_str(&out, s->tip);
		buf_str(&out, "</title>");
		svg_text(&out, left - 12, y + 15, "end small", s->label, 36);
		for (int k = 0; k < s->n && sum > 0; k++) {
			double width = s->rows[k] / sum * (right - left);

			if (width > 0)
				buf_printf(&out, "<rect class=\"bar f%d\" x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"20\" opacity=\"%s\"/>", k, x, y,
					   fmax(width - 0.6, 0.6), k ? "0.72" : "0.85");
			if (k && width > 20 + 6.5 * (double)strlen(s->names[k]))
				svg_text(&out, x + 8, y + 14, "small on", s->names[k], 60);
			x += width;
		}
		append_count(&label, s->in);
		buf_str(&label, " \xe2\x86\x92 ");
		append_count(&label, s->out);
		svg_text(&out, right + 12, y + 15, "small", label.data, 40);
		buf_str(&out, "</g>\n");
		buf_release(&label);
	}
	page_figure(p, name, caption, 1080, (int)y + 4, &out);
	buf_release(&out);
}
