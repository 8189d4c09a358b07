/* compare_print.c - a comparison as JSON and as a table; see compare.h. */
#include "judge/compare.h"

#include <math.h>
#include <string.h>

static void side_json(struct json_writer *w, const char *key, const struct samples *s)
{
	const char *args = json_get_str(json_get(s->report, "config"), "model_args", "");

	json_key(w, key);
	json_begin_object(w);
	json_kv_string(w, "file", s->name);
	json_kv_string(w, "samples", s->path);
	if (args[0])
		json_kv_string(w, "model_args", args);
	json_end_object(w);
}

static void found_json(struct json_writer *w, const struct compared *r)
{
	json_begin_object(w);
	json_kv_string(w, "metric", r->metric);
	json_kv_string(w, "filter", r->filter);
	if (r->group)
		json_kv_string(w, "group", r->group);
	json_kv_int(w, "rows", r->rows);
	json_kv_double(w, "a", r->a);
	json_kv_double(w, "b", r->b);
	json_kv_double(w, "difference", r->difference);
	json_kv_double(w, "difference_stderr", r->error);
	json_kv_double(w, "low", r->low);
	json_kv_double(w, "high", r->high);
	json_kv_double(w, "p_value", r->p);
	if (r->aggregation)
		json_kv_string(w, "aggregation", r->aggregation);
	json_kv_string(w, "test", r->binary ? "mcnemar_exact" : "resampling");
	if (r->binary) {
		json_kv_int(w, "only_a", r->only_a);
		json_kv_int(w, "only_b", r->only_b);
	}
	if (r->higher >= 0)
		json_kv_bool(w, "higher_is_better", r->higher);
	json_end_object(w);
}

void compare_json(const struct comparison *c, const char *provenance, struct buf *out)
{
	struct json_writer w = json_writer_open(out, 2);

	json_begin_object(&w);
	json_key(&w, "comparison");
	json_begin_object(&w);
	if (c->a->task)
		json_kv_string(&w, "task", c->a->task);
	side_json(&w, "a", c->a);
	side_json(&w, "b", c->b);
	json_kv_int(&w, "rows", c->rows);
	json_kv_string(&w, "by", c->a->by);
	json_key(&w, "metrics");
	json_begin_array(&w);
	for (int i = 0; i < c->n; i++)
		found_json(&w, &c->found[i]);
	json_end_array(&w);
	json_key(&w, "flipped");
	json_begin_array(&w);
	for (int64_t i = 0; i < c->n_flips; i++) {
		const struct flip *f = &c->flips[i];
		const struct sample_row *row = &c->a->rows[f->a];
		struct json_writer line = json_writer_open(out, 0);

		json_raw(&w, "", 0);
		json_begin_object(&line);
		json_kv_string(&line, "id", row->id);
		json_kv_string(&line, "metric", c->a->metrics[f->metric].name);
		json_kv_string(&line, "filter", c->a->filters.v[row->filter]);
		json_kv_string(&line, "right", c->a->values[f->a * c->a->n_metrics + f->metric] > 0 ? "a" : "b");
		json_end_object(&line);
	}
	json_end_array(&w);
	json_end_object(&w);
	if (provenance) {
		json_key(&w, "provenance");
		json_raw(&w, provenance, strlen(provenance));
	}
	json_end_object(&w);
	buf_char(out, '\n');
}

static void number(struct buf *out, const char *format, double v, const char *none)
{
	if (isnan(v))
		buf_str(out, none);
	else
		buf_printf(out, format, v);
}

/* Text of the data for a terminal, at most n characters' worth of bytes: no control codes. */
static void plain(struct buf *out, const char *s, size_t n)
{
	size_t from = out->len, whole = strlen(s);

	if (whole > n)
		while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
			n--;
	buf_add(out, s, whole < n ? whole : n);
	for (size_t i = from; i < out->len; i++)
		if ((unsigned char)out->data[i] < 0x20 || out->data[i] == 0x7f)
			out->data[i] = '?';
}

static void found_line(const struct compared *r, struct buf *out)
{
	struct buf group = { 0 };
	bool large = fabs(r->a) >= 1e5 || fabs(r->b) >= 1e5;     /* perplexities of what a model does not know */

	plain(&group, !r->group ? "all" : r->group[0] ? r->group : "(none)", 40);
	buf_printf(out, "|%-18.60s|%-6.40s|%-12s|%6lld|", r->group ? "" : r->metric, r->group ? "" : r->filter, group.data, (long long)r->rows);
	buf_release(&group);
	number(out, large ? "%8.3g|" : "%8.4f|", r->a, "     N/A|");
	number(out, large ? "%8.3g|" : "%8.4f|", r->b, "     N/A|");
	number(out, large ? "%+8.3g|" : "%+8.4f|", r->difference, "     N/A|");
	number(out, large ? "%6.2g|" : "%6.4f|", r->error, "   N/A|");
	number(out, large ? "%+7.2g " : "%+7.4f ", r->low, "       ");
	number(out, large ? "%+7.2g|" : "%+7.4f|", r->high, "       |");
	number(out, "%6.4f|", r->p, "   N/A|");
	if (r->binary)
		buf_printf(out, "%6lld|%6lld|\n", (long long)r->only_a, (long long)r->only_b);
	else
		buf_str(out, "      |      |\n");
}

void compare_table(const struct comparison *c, struct buf *out)
{
	buf_printf(out, "a: %s\nb: %s\n", c->a->name, c->b->name);
	buf_printf(out, "|%-18s|Filter|%-12s| Rows |    a   |    b   |  b - a |Stderr|   95 percent  |   p  |Only a|Only b|\n", "Metric", c->a->by);
	buf_str(out, "|------------------|------|------------|-----:|-------:|-------:|-------:|-----:|--------------:|-----:|-----:|-----:|\n");
	for (int i = 0; i < c->n; i++)
		found_line(&c->found[i], out);
	if (c->notes.len)
		buf_add(out, c->notes.data, c->notes.len);
	for (int side = 0; side < 2; side++) {
		int told = 0;

		for (int64_t i = 0; i < c->n_flips && told < 12; i++) {
			const struct flip *f = &c->flips[i];

			if (f->metric != c->flips[0].metric || (c->a->values[f->a * c->a->n_metrics + f->metric] > 0) == side)
				continue;
			if (!told++)
				buf_printf(out, "%s, only %s is right:", c->a->metrics[f->metric].name, side ? "b" : "a");
			buf_str(out, told == 12 ? " ..." : " ");
			if (told < 12)
				plain(out, c->a->rows[f->a].id, 40);
		}
		if (told)
			buf_char(out, '\n');
	}
}
