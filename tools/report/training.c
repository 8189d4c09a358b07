/* training.c - runs: where they ended, their curves, what was set otherwise. */
#include "report/sections.h"

#include <math.h>

static const struct curve *curve_named(const struct run *r, const char *name)
{
	for (int i = 0; i < r->n_curves; i++)
		if (!strcmp(r->curves[i].name, name))
			return &r->curves[i];
	return NULL;
}

/* --- where they ended --------------------------------------------------------------------------------------------------- */

/* Mean over the last twentieth of a curve, at least one value; NAN without. */
static double last_mean(const struct curve *c)
{
	double sum = 0;
	int64_t n = 0;

	for (int64_t i = c ? c->n - c->n / 20 - 1 : 0; c && i < c->n; i++)
		if (i >= 0 && isfinite(c->value[i])) {
			sum += c->value[i];
			n++;
		}
	return n ? sum / (double)n : NAN;
}

/* Tokens per second over all steps whose time is known; NAN without. */
static double mean_rate(const struct run *r)
{
	const struct curve *rate = curve_named(r, "tokens_per_second"), *seconds = curve_named(r, "seconds");
	double tokens = 0, time = 0;

	for (int64_t i = 0; rate && seconds && i < rate->n && i < seconds->n; i++)
		if (isfinite(rate->value[i]) && isfinite(seconds->value[i])) {
			tokens += rate->value[i] * seconds->value[i];
			time += seconds->value[i];
		}
	return time > 0 ? tokens / time : NAN;
}

static void number_cell(struct page *p, double v)
{
	struct buf s = { 0 };

	append_number(&s, v);
	page_cell(p, "n", "%s", s.data);
	buf_release(&s);
}

static void summary(struct page *p, const struct inputs *in)
{
	static const char *const heads[] = { "run", "steps", "tokens", "tokens/s", "loss, first", "loss, last 5 %", "grad norm, last 5 %", "lr, last" };

	page_table(p, NULL, 8);
	for (int i = 0; i < 8; i++)
		page_cell(p, i ? "n" : NULL, "%s", heads[i]);
	for (int i = 0; i < in->n_runs; i++) {
		const struct run *r = &in->runs[i];
		const struct curve *loss = curve_named(r, "loss"), *tokens = curve_named(r, "tokens"), *lr = curve_named(r, "lr");
		double all = 0;

		for (int64_t k = 0; tokens && k < tokens->n; k++)
			all += isfinite(tokens->value[k]) ? tokens->value[k] : 0;
		page_cell(p, NULL, "%s%s", r->path, r->done || !r->stage ? "" : " (not finished)");
		number_cell(p, (double)r->last_step);
		number_cell(p, tokens ? all : NAN);
		number_cell(p, mean_rate(r));
		number_cell(p, loss && loss->n ? loss->value[0] : NAN);
		number_cell(p, last_mean(loss));
		number_cell(p, last_mean(curve_named(r, "grad_norm")));
		number_cell(p, lr && lr->n ? lr->value[lr->n - 1] : NAN);
	}
	page_table_end(p);
}

/* --- curves ----------------------------------------------------------------------------------------------------------------- */

/* "rewards/chosen" as "rewards-chosen", for the name of a file. */
static char *file_name(const char *prefix, const char *s)
{
	char *name = mem_printf("%s-%s", prefix, s);

	for (char *c = name; *c; c++)
		if (!(*c >= 'a' && *c <= 'z') && !(*c >= '0' && *c <= '9') && !(*c >= 'A' && *c <= 'Z') && *c != '-' && *c != '_')
			*c = '-';
	return name;
}

/* One metric of all runs that have it. */
static void draw_metric(struct page *p, const struct inputs *in, const char *metric, double smooth)
{
	struct line lines[64];
	char *name = file_name("training", metric), *caption;
	int n = 0;

	for (int i = 0; i < in->n_runs && n < 64; i++) {
		const struct curve *c = curve_named(&in->runs[i], metric);

		if (c && c->n > 1)
			lines[n++] = (struct line){ in->runs[i].path, c->step, c->value, c->n };
	}
	caption = mem_printf("%s%s%s", metric, n == 1 ? " of " : "", n == 1 ? lines[0].name : "");
	if (n)
		figure_lines(p, name, caption, lines, n, strcmp(metric, "lr") ? smooth : 0);
	mem_free(name);
	mem_free(caption);
}

/* What preference training tells of one run: chosen, rejected and their margin in one picture. */
static void draw_rewards(struct page *p, const struct run *r, int number, double smooth)
{
	static const char *const members[] = { "rewards/chosen", "rewards/rejected", "rewards/margins" };
	struct line lines[3];
	char *name = mem_printf("training-rewards-%d", number), *caption = mem_printf("implicit rewards of %s", r->path);
	int n = 0;

	for (int i = 0; i < 3; i++) {
		const struct curve *c = curve_named(r, members[i]);

		if (c && c->n > 1)
			lines[n++] = (struct line){ members[i] + strlen("rewards/"), c->step, c->value, c->n };
	}
	if (n)
		figure_lines(p, name, caption, lines, n, smooth);
	mem_free(name);
	mem_free(caption);
}

static bool is_one_of(const char *s, const char *const *list)
{
	while (*list && strcmp(s, *list))
		list++;
	return *list != NULL;
}

static void curves(struct page *p, const struct inputs *in, double smooth)
{
	static const char *const first[] = { "loss", "eval_loss", "grad_norm", "lr", "tokens_per_second", "rewards/accuracies", NULL };
	static const char *const apart[] = { "epoch", "tokens", "seconds", "rewards/chosen", "rewards/rejected", "rewards/margins", NULL };
	const char *others[64];
	int n = 0;

	page_figures(p);
	for (int i = 0; first[i]; i++)
		draw_metric(p, in, first[i], smooth);
	for (int i = 0; i < in->n_runs; i++)
		draw_rewards(p, &in->runs[i], i + 1, smooth);
	for (int i = 0; i < in->n_runs; i++)
		for (int c = 0; c < in->runs[i].n_curves && n < 64; c++) {
			const char *name = in->runs[i].curves[c].name;
			bool known = is_one_of(name, first) || is_one_of(name, apart);

			for (int k = 0; k < n; k++)
				known |= !strcmp(others[k], name);
			if (!known)
				others[n++] = name;
		}
	for (int i = 0; i < n; i++)
		draw_metric(p, in, others[i], smooth);
	page_figures_end(p);
}

/* --- settings ------------------------------------------------------------------------------------------------------------------ */

struct settings {
	char **names;                /* "--lr" of the command, "hidden_size" of the model */
	int n, cap;
};

static void add_setting(struct settings *s, const char *name, size_t n)
{
	for (int i = 0; i < s->n; i++)
		if (strlen(s->names[i]) == n && !memcmp(s->names[i], name, n))
			return;
	if (s->n == 400)
		return;
	MEM_PUSH_ROOM(s->names, s->n, s->cap);
	s->names[s->n++] = mem_strndup(name, n);
}

/* A run's value of a setting as text, "" where it has none. */
static void setting_of(const struct run *r, const char *name, struct buf *out)
{
	const struct json *argv = json_get(r->stage, "argv"), *v = json_get(r->config, name);
	size_t n = strlen(name);

	buf_clear(out);
	if (name[0] == '-') {
		for (size_t i = 0; argv && argv->type == JSON_ARRAY && i < argv->len; i++) {
			const struct json *a = &argv->items[i];

			if (a->type != JSON_STRING || strncmp(a->str, name, n) || (a->str[n] && a->str[n] != '='))
				continue;
			if (out->len)
				buf_str(out, ", ");
			buf_str(out, a->str[n] ? a->str + n + 1 : "yes");
		}
	} else if (v) {
		struct json_writer w = json_writer_open(out, 0);

		json_value(&w, v);
	}
	if (!out->len)
		buf_str(out, "");
}

static void collect_settings(struct settings *s, const struct run *r)
{
	const struct json *argv = json_get(r->stage, "argv");

	for (size_t i = 0; argv && argv->type == JSON_ARRAY && i < argv->len; i++)
		if (argv->items[i].type == JSON_STRING && argv->items[i].str[0] == '-' && argv->items[i].len > 1)
			add_setting(s, argv->items[i].str, strcspn(argv->items[i].str, "="));
	for (size_t i = 0; r->config && r->config->type == JSON_OBJECT && i < r->config->len; i++)
		if (r->config->items[i].type != JSON_OBJECT)
			add_setting(s, r->config->keys[i].str, strlen(r->config->keys[i].str));
}

static void settings_table(struct page *p, const struct inputs *in)
{
	struct settings s = { 0 };
	struct buf one = { 0 }, first = { 0 };
	int same = 0, shown = 0;

	for (int i = 0; i < in->n_runs; i++)
		collect_settings(&s, &in->runs[i]);
	page_table(p, NULL, in->n_runs + 1);
	page_cell(p, NULL, "setting");
	for (int i = 0; i < in->n_runs; i++)
		page_cell_text(p, NULL, in->runs[i].path, strlen(in->runs[i].path), 60);
	for (int k = 0; k < s.n; k++) {
		bool differs = in->n_runs == 1;

		setting_of(&in->runs[0], s.names[k], &first);
		for (int i = 1; i < in->n_runs; i++) {
			setting_of(&in->runs[i], s.names[k], &one);
			differs |= strcmp(one.data, first.data) != 0;
		}
		if (!differs) {
			same++;
			continue;
		}
		shown++;
		page_cell(p, NULL, "%s", s.names[k]);
		for (int i = 0; i < in->n_runs; i++) {
			setting_of(&in->runs[i], s.names[k], &one);
			page_cell_text(p, one.len ? NULL : "quiet", one.len ? one.data : "default", one.len ? one.len : 7, 200);
		}
	}
	if (s.n)
		page_heading(p, in->n_runs > 1 ? "Settings that differ" : "Settings");
	if (shown)
		page_table_end(p);
	if (in->n_runs > 1 && s.n)
		page_text(p, "%d settings of the commands and the models are the same in all runs.", same);
	buf_release(&one);
	buf_release(&first);
	for (int i = 0; i < s.n; i++)
		mem_free(s.names[i]);
	mem_free(s.names);
}

void section_training(struct page *p, const struct inputs *in, const struct section_options *o)
{
	if (!in->n_runs)
		return;
	page_section(p, "training", "Training");
	summary(p, in);
	curves(p, in, o->smooth);
	settings_table(p, in);
}
