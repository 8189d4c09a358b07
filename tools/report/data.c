/* data.c - rows from stage to stage with the reasons of what was dropped, and what is in the streams. */
#include "report/sections.h"

#include <math.h>
#include <stdlib.h>

/* --- the funnel ----------------------------------------------------------------------------------------------------------- */

/* The summary (--stats) of a stage: of the same tool with the same rows; NULL if it is not among the inputs. */
static const struct json *summary_of(const struct inputs *in, const struct json *stage)
{
	for (int i = 0; i < in->n_summaries; i++)
		if (!strcmp(json_get_str(in->summaries[i], "tool", ""), json_get_str(stage, "tool", "?")) &&
		    json_get_int(in->summaries[i], "rows_in", -1) == json_get_int(stage, "rows_in", -2) &&
		    json_get_int(in->summaries[i], "rows_out", -1) == json_get_int(stage, "rows_out", -1))
			return in->summaries[i];
	return NULL;
}

static int by_rows(const void *a, const void *b)
{
	int64_t x = (*(const struct json *const *)a)->integer, y = (*(const struct json *const *)b)->integer;

	return x > y ? -1 : x < y;
}

/* Reasons, those of most rows first: pointers into the object's items. */
static const struct json **sorted_reasons(const struct json *rejected, size_t *n)
{
	const struct json **v;

	*n = rejected && rejected->type == JSON_OBJECT ? rejected->len : 0;
	v = mem_array(*n + 1, sizeof(*v));
	for (size_t i = 0; i < *n; i++)
		v[i] = &rejected->items[i];
	qsort(v, *n, sizeof(*v), by_rows);
	return v;
}

static void reasons_text(const struct json *rejected, struct buf *out, size_t most)
{
	size_t n;
	const struct json **v = sorted_reasons(rejected, &n);

	for (size_t i = 0; i < n && i < most; i++) {
		buf_str(out, i ? ", " : "");
		buf_str(out, rejected->keys[v[i] - rejected->items].str);
		buf_char(out, ' ');
		append_count(out, v[i]->integer);
	}
	if (n > most)
		buf_printf(out, " and %zu more", n - most);
	mem_free(v);
}

/* Rows of each reason, the largest first; what has no colour of its own is summed up at the end. */
static struct share share_of(const struct json *stage, char **label, char **tip)
{
	const struct json *rejected = json_get(stage, "rejected");
	struct share s = { .names = { "" }, .in = json_get_int(stage, "rows_in", 0), .out = json_get_int(stage, "rows_out", 0), .n = 1 };
	struct buf text = { 0 };
	double dropped = 0;
	size_t n;
	const struct json **v = sorted_reasons(rejected, &n);

	for (size_t i = 0; i < n; i++) {
		if (v[i]->type != JSON_INT || v[i]->integer < 0)
			continue;
		dropped += (double)v[i]->integer;
		if (s.n < FIGURE_COLORS)
			s.n++;
		s.names[s.n - 1] = s.rows[s.n - 1] > 0 ? "others" : rejected->keys[v[i] - rejected->items].str;
		s.rows[s.n - 1] += (double)v[i]->integer;
	}
	s.rows[0] = fmax((double)s.in - dropped, 0);
	mem_free(v);
	reasons_text(rejected, &text, 30);
	*tip = buf_detach(&text);
	s.tip = *tip;
	s.label = *label;
	return s;
}

static char *stage_label(const struct stage *x)
{
	const char *tool = json_get_str(x->json, "tool", "?");

	return x->name ? mem_printf("%s \xe2\x86\x92 %s", tool, stage_name(x)) : mem_strdup(tool);
}

static void sources_table(struct page *p, const struct json *summary)
{
	const struct json *sources = json_get(summary, "sources");

	if (!sources || sources->type != JSON_OBJECT || !sources->len)
		return;
	char *caption = mem_printf("%s, by source", json_get_str(summary, "tool", "?"));
	page_table(p, caption, 5);
	page_cell(p, NULL, "source");
	page_cell(p, "n", "rows");
	page_cell(p, "n", "kept");
	page_cell(p, "n", "share");
	page_cell(p, NULL, "dropped, by reason");
	for (size_t i = 0; i < sources->len && i < 100; i++) {
		const struct json *s = &sources->items[i];
		int64_t rows = json_get_int(s, "rows", 0), kept = json_get_int(s, "kept", 0);
		struct buf text = { 0 };

		page_cell_text(p, NULL, sources->keys[i].str, sources->keys[i].len, 80);
		append_count(&text, rows);
		page_cell(p, "n", "%s", text.data);
		buf_clear(&text);
		append_count(&text, kept);
		page_cell(p, "n", "%s", text.data);
		page_cell(p, "n", "%.1f %%", rows > 0 ? 100 * (double)kept / (double)rows : 0);
		buf_clear(&text);
		buf_str(&text, "");
		reasons_text(json_get(s, "dropped"), &text, 8);
		page_cell_text(p, "quiet", text.data, text.len, 400);
		buf_release(&text);
	}
	page_table_end(p);
	mem_free(caption);
}

static void stage_row(struct page *p, const struct inputs *in, const struct stage *x)
{
	const struct json *summary = summary_of(in, x->json), *seconds = json_get(summary, "seconds"), *rate = json_get(summary, "tokens_per_second");
	struct buf text = { 0 };

	page_cell_text(p, NULL, json_get_str(x->json, "tool", "?"), strlen(json_get_str(x->json, "tool", "?")), 40);
	page_cell_text(p, "quiet", stage_name(x), strlen(stage_name(x)), 60);
	append_count(&text, json_get_int(x->json, "rows_in", 0));
	page_cell(p, "n", "%s", text.data);
	buf_clear(&text);
	append_count(&text, json_get_int(x->json, "rows_out", 0));
	page_cell(p, "n", "%s", text.data);
	buf_clear(&text);
	buf_str(&text, "");
	reasons_text(json_get(x->json, "rejected"), &text, 12);
	page_cell_text(p, NULL, text.data, text.len, 600);
	buf_clear(&text);
	buf_str(&text, "");
	if (seconds)
		buf_printf(&text, "%.1f s", seconds->number);
	if (rate && rate->number > 0) {
		buf_str(&text, ", ");
		append_count(&text, (int64_t)rate->number);
		buf_str(&text, " tokens/s");
	}
	page_cell(p, "n quiet", "%s", text.data);
	buf_release(&text);
}

static bool has_rows(const struct stage *x)
{
	const struct json *out = json_get(x->json, "rows_out");

	return out && out->type == JSON_INT && json_get_int(x->json, "rows_in", 0) > 0;
}

/* A summary alone, of a stage that no provenance has. */
static bool is_in_stages(const struct json *summary, const struct inputs *in, const struct stages *s)
{
	for (int i = 0; i < s->n; i++)
		if (summary_of(in, s->v[i].json) == summary)
			return true;
	return false;
}

void section_data(struct page *p, const struct inputs *in, const struct stages *stages)
{
	struct stages all = { 0 };
	int n = 0;

	for (int i = 0; i < stages->n + in->n_summaries; i++) {
		struct stage x = i < stages->n ? stages->v[i] : (struct stage){ .json = in->summaries[i - stages->n] };

		if (!has_rows(&x) || (i >= stages->n && is_in_stages(x.json, in, stages)))
			continue;
		MEM_PUSH_ROOM(all.v, all.n, all.cap);
		all.v[all.n++] = x;
	}
	if (all.n) {
		struct share *shares = mem_array((size_t)all.n, sizeof(*shares));
		char **labels = mem_array((size_t)all.n, sizeof(*labels)), **tips = mem_array((size_t)all.n, sizeof(*tips));

		page_section(p, "data", "Data");
		for (int i = 0; i < all.n; i++) {
			labels[i] = stage_label(&all.v[i]);
			shares[n] = share_of(all.v[i].json, &labels[i], &tips[i]);
			n++;
		}
		page_figures(p);
		figure_shares(p, "funnel", "Rows of each stage: what it kept (blue), and what it dropped, by reason.", shares, n);
		page_figures_end(p);
		page_table(p, NULL, 6);
		static const char *const heads[] = { "stage", "wrote", "rows in", "rows out", "dropped, by reason", "time" };
		for (int i = 0; i < 6; i++)
			page_cell(p, i == 2 || i == 3 || i == 5 ? "n" : NULL, "%s", heads[i]);
		for (int i = 0; i < all.n; i++)
			stage_row(p, in, &all.v[i]);
		page_table_end(p);
		for (int i = 0; i < in->n_summaries; i++)
			sources_table(p, in->summaries[i]);
		for (int i = 0; i < all.n; i++) {
			mem_free(labels[i]);
			mem_free(tips[i]);
		}
		mem_free(labels);
		mem_free(tips);
		mem_free(shares);
	}
	mem_free(all.v);
}

/* --- streams ---------------------------------------------------------------------------------------------------------------- */

static void histograms(struct page *p, const struct stream_input *s, int number)
{
	page_figures(p);
	for (int i = 0; i < s->n_counted; i++) {
		const struct counted *c = &s->counted[i];
		const char *unit = !strcmp(c->name, "text") || !strcmp(c->name, "completion") ? "characters of " : !strcmp(c->name, "messages") ? "turns of " :
				   c->logarithmic ? "tokens of " : "";
		char *name = mem_printf("stream-%d-%d", number, i + 1);
		struct buf caption = { 0 };

		buf_printf(&caption, "%s: %s%s of ", s->path, unit, c->name);
		append_count(&caption, c->h.n);
		buf_str(&caption, " rows, ");
		append_number(&caption, c->logarithmic ? round(exp2(c->h.min) - 1) : c->h.min);
		buf_str(&caption, " to ");
		append_number(&caption, c->logarithmic ? round(exp2(c->h.max) - 1) : c->h.max);
		buf_str(&caption, c->logarithmic ? ", logarithmic" : "");
		figure_histogram(p, name, caption.data, &c->h, c->logarithmic);
		mem_free(name);
		buf_release(&caption);
	}
	page_figures_end(p);
}

static const struct stream_row *row_of(const struct stream_input *s, const char *id)
{
	for (int i = 0; i < s->n_first; i++)
		if (!strcmp(s->first[i].id, id))
			return &s->first[i];
	return NULL;
}

/* The first rows; of streams of completions of the same prompts side by side. */
static void first_rows(struct page *p, const struct inputs *in, int from, int to)
{
	const struct stream_input *s = &in->streams[from];
	bool prompts = s->n_first && s->first[0].prompt[0];

	if (!s->n_first)
		return;
	page_table(p, to - from > 1 ? "First rows, side by side" : "First rows", to - from + 1 + prompts);
	page_cell(p, NULL, "id");
	if (prompts)
		page_cell(p, NULL, "prompt");
	for (int i = from; i < to; i++)
		page_cell_text(p, NULL, in->streams[i].path, strlen(in->streams[i].path), 60);
	for (int r = 0; r < s->n_first; r++) {
		page_cell_text(p, NULL, s->first[r].id, strlen(s->first[r].id), 60);
		if (prompts)
			page_cell_text(p, "text", s->first[r].prompt, strlen(s->first[r].prompt), 600);
		for (int i = from; i < to; i++) {
			const struct stream_row *x = i == from ? &s->first[r] : row_of(&in->streams[i], s->first[r].id);

			page_cell_text(p, "text", x ? x->text : "", x ? strlen(x->text) : 0, 800);
		}
	}
	page_table_end(p);
}

/* Whether stream i is of the same prompts as stream k. */
static bool same_prompts(const struct inputs *in, int k, int i)
{
	const struct stream_input *a = &in->streams[k], *b = &in->streams[i];

	return (a->kind == KIND_COMPLETIONS || a->kind == KIND_SCORES) && (b->kind == KIND_COMPLETIONS || b->kind == KIND_SCORES) && a->n_first &&
	       b->n_first && !strcmp(a->first[0].id, b->first[0].id);
}

void section_streams(struct page *p, const struct inputs *in)
{
	if (!in->n_streams)
		return;
	page_section(p, "streams", "Streams");
	page_table(p, NULL, 4);
	page_cell(p, NULL, "stream");
	page_cell(p, NULL, "kind");
	page_cell(p, "n", "rows");
	page_cell(p, NULL, "columns");
	for (int i = 0; i < in->n_streams; i++) {
		const struct stream_input *s = &in->streams[i];
		struct buf rows = { 0 };

		append_count(&rows, s->rows);
		page_cell_text(p, NULL, s->path, strlen(s->path), 80);
		page_cell(p, NULL, "%s", kind_name(s->kind));
		page_cell(p, "n", "%s", rows.data);
		page_cell_text(p, "quiet", s->columns, strlen(s->columns), 400);
		buf_release(&rows);
	}
	page_table_end(p);
	for (int i = 0, k; i < in->n_streams; i = k) {
		for (k = i + 1; k < in->n_streams && same_prompts(in, i, k);)
			k++;
		page_heading(p, in->streams[i].path);
		for (int h = i; h < k; h++)
			histograms(p, &in->streams[h], h + 1);
		first_rows(p, in, i, k);
	}
}
