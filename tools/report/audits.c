/* audits.c - what eval --compare and --check-contamination wrote: differences with their errors, rows that flipped, rows that stand in a corpus. */
#include "report/sections.h"

#include <math.h>

static double number(const struct json *object, const char *key) { return json_get_num(object, key, NAN); }

static const struct json *list(const struct json *object, const char *key)
{
	static const struct json none = { .type = JSON_ARRAY };
	const struct json *l = json_get(object, key);

	return l && l->type == JSON_ARRAY ? l : &none;
}

/* --- comparisons --------------------------------------------------------------------------------------------------------- */

static struct compared read_compared(const struct json *m)
{
	const struct json *higher = json_get(m, "higher_is_better");

	return (struct compared){
		.metric = json_get_str(m, "metric", ""), .filter = json_get_str(m, "filter", "none"), .group = json_get_str(m, "group", NULL),
		.rows = json_get_int(m, "rows", 0), .a = number(m, "a"), .b = number(m, "b"), .difference = number(m, "difference"),
		.error = number(m, "difference_stderr"), .low = number(m, "low"), .high = number(m, "high"), .p = number(m, "p_value"),
		.binary = !strcmp(json_get_str(m, "test", ""), "mcnemar_exact"), .only_a = json_get_int(m, "only_a", 0),
		.only_b = json_get_int(m, "only_b", 0), .higher = higher && higher->type == JSON_BOOL ? higher->boolean : -1,
	};
}

/* The difference of each metric, and under it those of the groups. */
static void draw_differences(struct page *p, const struct compared *found, int n, int figure)
{
	struct mark *marks = mem_array((size_t)n + 1, sizeof(*marks));
	char *name = mem_printf("difference-%d", figure);
	int drawn = 0;

	for (int i = 0; i < n && drawn < 60; i++)
		if (isfinite(found[i].difference))
			marks[drawn++] = (struct mark){ found[i].metric, !found[i].group ? "all" : found[i].group[0] ? found[i].group : "(none)",
							found[i].difference, found[i].error, found[i].group ? 1 : 0 };
	if (drawn) {
		page_figures(p);
		figure_marks(p, name, "b \xe2\x88\x92 a, with 95 percent intervals", marks, drawn);
		page_figures_end(p);
	}
	mem_free(marks);
	mem_free(name);
}

static const char *side_name(const struct json *comparison, const char *side)
{
	const struct json *s = json_get(comparison, side);

	return json_get_str(s, "model_args", json_get_str(s, "file", side));
}

static void list_flips(struct page *p, const struct json *flipped, int most)
{
	int64_t of[2] = { 0, 0 };

	if (!flipped->len || !most)
		return;
	page_table(p, "Rows that only one of them has right", 4);
	page_cell(p, NULL, "row");
	page_cell(p, NULL, "metric");
	page_cell(p, NULL, "filter");
	page_cell(p, NULL, "right");
	for (size_t i = 0; i < flipped->len; i++) {
		const struct json *f = &flipped->items[i];
		const char *const texts[] = { json_get_str(f, "id", ""), json_get_str(f, "metric", ""), json_get_str(f, "filter", ""), json_get_str(f, "right", "") };

		if (of[*texts[3] == 'b']++ >= most)
			continue;
		for (int k = 0; k < 4; k++)
			page_cell_text(p, NULL, texts[k], strlen(texts[k]), 60);
	}
	page_table_end(p);
	page_text(p, "%lld rows only a has right, %lld only b.", (long long)of[0], (long long)of[1]);
}

void section_compared(struct page *p, const struct inputs *in, const struct section_options *o)
{
	for (int i = 0; i < in->n_comparisons; i++) {
		const struct json *c = json_get(in->comparisons[i], "comparison"), *measured = list(c, "metrics");
		struct compared *found = mem_array(measured->len + 1, sizeof(*found));
		char *title = mem_printf("%s%s%s (a) and %s (b)", json_get_str(c, "task", ""), *json_get_str(c, "task", "") ? ": " : "", side_name(c, "a"),
					 side_name(c, "b"));

		if (!i)
			page_section(p, "compared", "Compared by eval");
		page_heading(p, title);
		for (size_t m = 0; m < measured->len; m++)
			found[m] = read_compared(&measured->items[m]);
		compared_table(p, found, (int)measured->len);
		draw_differences(p, found, (int)measured->len, i + 1);
		list_flips(p, list(c, "flipped"), o->rows);
		mem_free(title);
		mem_free(found);
	}
}

/* --- contamination --------------------------------------------------------------------------------------------------------- */

static void contaminated_tasks(struct page *p, const struct json *tasks)
{
	static const char *const heads[] = { "evaluation", "rows", "in the corpus", "share", "too short to be found" };

	page_table(p, NULL, 5);
	for (int i = 0; i < 5; i++)
		page_cell(p, i ? "n" : NULL, "%s", heads[i]);
	for (size_t i = 0; i < tasks->len; i++) {
		const struct json *t = &tasks->items[i];
		const char *name = json_get_str(t, "task", json_get_str(t, "file", ""));

		page_cell_text(p, NULL, name, strlen(name), 60);
		page_cell(p, "n", "%lld", (long long)json_get_int(t, "rows", 0));
		page_cell(p, "n", "%lld", (long long)json_get_int(t, "contaminated", 0));
		page_number(p, 100 * number(t, "share"), "%.2f %%");
		page_cell(p, "n", "%lld", (long long)json_get_int(t, "too_short", 0));
	}
	page_table_end(p);
}

static void contaminated_metrics(struct page *p, const struct json *tasks)
{
	static const char *const heads[] = { "evaluation", "metric", "all", "clean", "in the corpus", "difference", "s.e." };

	page_table(p, "Means of all rows, of those that are not in the corpus, and of those that are", 7);
	for (int i = 0; i < 7; i++)
		page_cell(p, i > 1 ? "n" : NULL, "%s", heads[i]);
	for (size_t i = 0; i < tasks->len; i++) {
		const struct json *t = &tasks->items[i], *measured = list(t, "metrics");
		const char *name = json_get_str(t, "task", json_get_str(t, "file", ""));

		for (size_t k = 0; k < measured->len; k++) {
			const struct json *m = &measured->items[k];
			const char *filter = json_get_str(m, "filter", "none");

			page_cell_text(p, NULL, k ? "" : name, k ? 0 : strlen(name), 60);
			page_cell(p, NULL, "%s%s%s", json_get_str(m, "metric", ""), strcmp(filter, "none") ? ", " : "", strcmp(filter, "none") ? filter : "");
			page_number(p, number(json_get(m, "all"), "value"), "%.4f");
			page_number(p, number(json_get(m, "clean"), "value"), "%.4f");
			page_number(p, number(json_get(m, "contaminated"), "value"), "%.4f");
			page_number(p, number(m, "difference"), "%+.4f");
			page_number(p, number(m, "difference_stderr"), "%.4f");
		}
	}
	page_table_end(p);
}

void section_contamination(struct page *p, const struct inputs *in)
{
	for (int i = 0; i < in->n_contaminations; i++) {
		const struct json *c = json_get(in->contaminations[i], "contamination"), *corpora = list(c, "corpora"), *tasks = list(c, "tasks");
		struct buf names = { 0 };

		if (!i)
			page_section(p, "contamination", "Contamination");
		for (size_t k = 0; k < corpora->len; k++)
			buf_printf(&names, "%s%s (%lld rows)", k ? ", " : "", json_get_str(&corpora->items[k], "file", ""),
				   (long long)json_get_int(&corpora->items[k], "rows", 0));
		page_text(p, "Rows whose document or right answer shares %lld words in a row with %s.", (long long)json_get_int(c, "words", 0),
			  names.len ? names.data : "nothing");
		contaminated_tasks(p, tasks);
		contaminated_metrics(p, tasks);
		buf_release(&names);
	}
}
