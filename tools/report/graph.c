/* graph.c - provenance as a graph: every stage of all inputs once, inputs above what they made. */
#include "report/sections.h"

#include <math.h>
#include <stdlib.h>

#define NODE_WIDTH 196
#define NODE_HEIGHT 54
#define GAP_X 26
#define GAP_Y 40
#define STAGES_MAX 200               /* what is more is left out of the picture */
#define NODES_MAX 2000
#define READ_MAX 32                  /* inputs of one stage */

/* --- stages ------------------------------------------------------------------------------------------------------------ */

static void json_text(const struct json *j, struct buf *out)
{
	struct json_writer w = json_writer_open(out, 0);

	json_value(&w, j);
}

/* The stage with all that it was made from, as text: two of the same text are one. */
static int find_stage(const struct stages *s, const char *key)
{
	for (int i = 0; i < s->n; i++)
		if (!strcmp(s->v[i].key, key))
			return i;
	return -1;
}

/* Adds the stages of a chain; to[i] is the place of its i-th stage, -1 where there is no room. */
static void add_chain(struct stages *s, const struct chain *c, int *to)
{
	for (size_t i = 0; i < c->stages->len; i++) {
		const struct json *stage = &c->stages->items[i], *inputs = json_get(stage, "inputs");
		struct stage one = { .json = stage };
		struct buf key = { 0 };

		to[i] = -1;
		if (stage->type != JSON_OBJECT)
			continue;
		json_text(json_get(stage, "tool") ? json_get(stage, "tool") : stage, &key);
		json_text(json_get(stage, "argv") ? json_get(stage, "argv") : stage, &key);
		for (size_t k = 0; inputs && inputs->type == JSON_ARRAY && k < inputs->len; k++) {
			int64_t from = json_get_int(&inputs->items[k], "stage", -1);

			buf_printf(&key, " %.32s", json_get_str(&inputs->items[k], "xxh3", ""));
			if (from < 0 || from >= (int64_t)i || to[from] < 0 || one.n_from == READ_MAX)
				continue;
			MEM_PUSH_ROOM(one.from, one.n_from, one.cap_from);
			one.from[one.n_from++] = to[from];
			if (one.layer <= s->v[to[from]].layer)
				one.layer = s->v[to[from]].layer + 1;
			if (!s->v[to[from]].name)
				s->v[to[from]].name = json_get_str(&inputs->items[k], "name", NULL);
		}
		one.key = buf_detach(&key);
		to[i] = find_stage(s, one.key);
		if (to[i] < 0 && s->n < STAGES_MAX) {
			MEM_PUSH_ROOM(s->v, s->n, s->cap);
			to[i] = s->n;
			s->v[s->n++] = one;
		} else {
			mem_free(one.key);
			mem_free(one.from);
		}
	}
	if (c->stages->len && to[c->stages->len - 1] >= 0)
		s->v[to[c->stages->len - 1]].name = c->path;
}

void stages_collect(struct stages *s, const struct inputs *in)
{
	for (int i = 0; i < in->n_chains; i++) {
		int *to = mem_array(in->chains[i].stages->len + 1, sizeof(*to));

		add_chain(s, &in->chains[i], to);
		mem_free(to);
	}
}

const char *stage_name(const struct stage *s)
{
	return !s->name ? "" : !strcmp(s->name, "<stdin>") || !strcmp(s->name, "-") ? "(pipe)" : s->name;
}

void stages_release(struct stages *s)
{
	for (int i = 0; i < s->n; i++) {
		mem_free(s->v[i].key);
		mem_free(s->v[i].from);
	}
	mem_free(s->v);
	*s = (struct stages){ 0 };
}

/* --- layout ---------------------------------------------------------------------------------------------------------------- */

/* A stage, or the place in a layer where an arrow passes that goes further down; arrows from one stage pass together. */
struct node {
	int stage;                   /* where it is one, or the arrow begins */
	bool passes;
	int layer;
	double middle, wish, width;
	int wishes;
	int *from, n_from, cap_from; /* nodes above, in the order of the stage's inputs */
};
struct graph {
	struct node *v;
	int n, cap;
};

static int add_node(struct graph *g, int stage, bool passes, int layer)
{
	MEM_PUSH_ROOM(g->v, g->n, g->cap);
	g->v[g->n] = (struct node){ .stage = stage, .passes = passes, .layer = layer, .width = passes ? 10 : NODE_WIDTH };
	return g->n++;
}

static void link_nodes(struct graph *g, int from, int to)
{
	struct node *x = &g->v[to];

	MEM_PUSH_ROOM(x->from, x->n_from, x->cap_from);
	x->from[x->n_from++] = from;
}

/* The node right above `layer` that an arrow from this stage comes through. */
static int pass_down(struct graph *g, int stage, int layer)
{
	int above = stage;           /* stages are the first nodes */

	for (int l = g->v[stage].layer + 1; l < layer; l++) {
		int at = -1;

		for (int i = 0; i < g->n && at < 0; i++)
			if (g->v[i].passes && g->v[i].stage == stage && g->v[i].layer == l)
				at = i;
		if (at < 0) {
			at = add_node(g, stage, true, l);
			link_nodes(g, above, at);
		}
		above = at;
	}
	return above;
}

/* Middles nearest to the wishes, by least squares, so that nobody overlaps in the given order (pool adjacent violators). */
static void settle(struct graph *g, const int *order, int n)
{
	struct {
		double sum;
		int n;
	} pools[NODES_MAX];
	double offset = 0;
	int k = 0;

	for (int i = 0; i < n; i++) {
		const struct node *x = &g->v[order[i]];

		if (i)
			offset += (x->width + g->v[order[i - 1]].width) / 2 + GAP_X;
		pools[k].sum = x->wish - offset;
		pools[k++].n = 1;
		for (; k > 1 && pools[k - 1].sum / pools[k - 1].n < pools[k - 2].sum / pools[k - 2].n; k--) {
			pools[k - 2].sum += pools[k - 1].sum;
			pools[k - 2].n += pools[k - 1].n;
		}
	}
	offset = 0;
	for (int i = 0, pool = 0, used = 0; i < n; i++, used++) {
		if (i)
			offset += (g->v[order[i]].width + g->v[order[i - 1]].width) / 2 + GAP_X;
		if (used == pools[pool].n) {
			pool++;
			used = 0;
		}
		g->v[order[i]].middle = pools[pool].sum / pools[pool].n + offset;
	}
}

/* A node wishes to be below the middle of what it is made from, and above the middle of what is made from it. */
static void wish(struct graph *g, int layer, bool above, bool below)
{
	for (int i = 0; i < g->n; i++)
		g->v[i].wish = g->v[i].wishes = 0;
	for (int i = 0; i < g->n; i++)
		for (int k = 0; k < g->v[i].n_from; k++) {
			struct node *to = &g->v[i], *from = &g->v[to->from[k]];

			if (above && to->layer == layer) {
				to->wish += from->middle;
				to->wishes++;
			}
			if (below && from->layer == layer) {
				from->wish += to->middle;
				from->wishes++;
			}
		}
	for (int i = 0; i < g->n; i++)
		g->v[i].wish = g->v[i].wishes ? g->v[i].wish / g->v[i].wishes : g->v[i].middle;
}

static int layer_order(const struct graph *g, int layer, bool by_middle, int *order)
{
	int n = 0;

	for (int i = 0; i < g->n && n < NODES_MAX; i++) {
		double key = by_middle ? g->v[i].middle : g->v[i].wish;
		int at = n;

		if (g->v[i].layer != layer)
			continue;
		for (; at > 0 && (by_middle ? g->v[order[at - 1]].middle : g->v[order[at - 1]].wish) > key; at--)
			order[at] = order[at - 1];
		order[at] = i;
		n++;
	}
	return n;
}

/* Returns the width of the whole. */
static double arrange(struct graph *g, const struct stages *s, int *layers)
{
	int *order = mem_array(NODES_MAX, sizeof(*order));
	double left = INFINITY, right = -INFINITY;

	*layers = 0;
	for (int i = 0; i < s->n; i++) {
		add_node(g, i, false, s->v[i].layer);
		*layers = s->v[i].layer >= *layers ? s->v[i].layer + 1 : *layers;
	}
	for (int i = 0; i < s->n; i++)
		for (int k = 0; k < s->v[i].n_from && g->n < NODES_MAX - STAGES_MAX; k++)
			link_nodes(g, pass_down(g, s->v[i].from[k], s->v[i].layer), i);
	for (int pass = 0; pass < 9; pass++)
		for (int k = 0; k < *layers; k++) {
			int layer = pass % 2 ? *layers - 1 - k : k;

			wish(g, layer, pass != 1, pass > 0);
			settle(g, order, layer_order(g, layer, pass > 0, order));
		}
	for (int i = 0; i < g->n; i++) {
		left = fmin(left, g->v[i].middle - g->v[i].width / 2);
		right = fmax(right, g->v[i].middle + g->v[i].width / 2);
	}
	for (int i = 0; i < g->n; i++)
		g->v[i].middle += 4 - left;
	mem_free(order);
	return right - left + 8;
}

static double top_of(const struct node *x) { return x->layer * (double)(NODE_HEIGHT + GAP_Y) + 4; }

static void draw_node(struct buf *out, const struct node *x, const struct stage *s)
{
	double y = top_of(x), left = x->middle - x->width / 2;
	const struct json *argv = json_get(s->json, "argv"), *out_rows = json_get(s->json, "rows_out");
	int64_t in = json_get_int(s->json, "rows_in", 0);
	struct buf rows = { 0 };

	buf_str(out, "<g><title>");
	html_str(out, json_get_str(s->json, "tool", "?"));
	for (size_t i = 0; argv && argv->type == JSON_ARRAY && i < argv->len && i < 40; i++)
		if (argv->items[i].type == JSON_STRING) {
			buf_char(out, '\n');
			html_text(out, argv->items[i].str, argv->items[i].len < 200 ? argv->items[i].len : 200);
		}
	buf_printf(out, "</title><rect class=\"box\" x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%d\" rx=\"6\"/>\n", left, y, NODE_WIDTH, NODE_HEIGHT);
	svg_text(out, left + 10, y + 17, "strong", json_get_str(s->json, "tool", "?"), 24);
	if (in > 0 || (out_rows && out_rows->type == JSON_INT)) {
		append_count(&rows, in);
		if (out_rows && out_rows->type == JSON_INT) {
			buf_str(&rows, " \xe2\x86\x92 ");
			append_count(&rows, out_rows->integer);
		}
		buf_str(&rows, " rows");
		svg_text(out, left + 10, y + 32, "small", rows.data, 40);
	}
	svg_text(out, left + 10, y + 46, "small soft", stage_name(s), 27);
	buf_release(&rows);
	buf_str(out, "</g>\n");
}

/* From a stage up to the bottom of what it read, straight through the layers that the arrow only passes. */
static void draw_edge(struct buf *out, const struct graph *g, const struct node *to, int from, double x)
{
	double y = top_of(to) - 3;

	buf_printf(out, "<path class=\"tip\" d=\"M%.1f %.1fl-4 -7h8z\"/><path class=\"edge\" d=\"M%.1f %.1f", x, y + 3, x, y - 3);
	for (const struct node *n = &g->v[from];; n = &g->v[n->from[0]]) {
		double bottom = top_of(n) + NODE_HEIGHT;

		buf_printf(out, "C%.1f %.1f %.1f %.1f %.1f %.1f", x, bottom + 12, n->middle, y - 12, n->middle, bottom);
		if (!n->passes)
			break;
		x = n->middle;
		y = top_of(n);
		buf_printf(out, "V%.1f", y);
	}
	buf_str(out, "\"/>\n");
}

static void draw_edges(struct buf *out, const struct graph *g)
{
	for (int i = 0; i < g->n; i++) {
		const struct node *to = &g->v[i];

		for (int k = 0; k < to->n_from && !to->passes; k++)
			draw_edge(out, g, to, to->from[k], to->middle + to->width * ((k + 1.0) / (to->n_from + 1) - 0.5));
	}
}

void section_provenance(struct page *p, const struct inputs *in, const struct stages *s)
{
	struct graph g = { 0 };
	struct buf out = { 0 };
	int layers;

	if (!s->n)
		return;
	page_section(p, "provenance", "Provenance");
	double width = arrange(&g, s, &layers);
	draw_edges(&out, &g);
	for (int i = 0; i < s->n; i++)
		draw_node(&out, &g.v[i], &s->v[i]);
	page_figures(p);
	page_figure(p, "provenance", "How it was made: each stage once, what it read above it. The last line of a box names what it wrote.",
		    width > 701 ? (int)width : 701, layers * (NODE_HEIGHT + GAP_Y), &out);
	page_figures_end(p);
	buf_release(&out);
	for (int i = 0; i < g.n; i++)
		mem_free(g.v[i].from);
	mem_free(g.v);
	for (int i = 0; i < in->n_chains; i++) {
		struct buf chain = { 0 }, words = { 0 };

		json_text(in->chains[i].stages, &chain);
		if (provenance_describe(chain.data, &words, NULL) == OK)
			page_folded(p, in->chains[i].path, words.data);
		buf_release(&chain);
		buf_release(&words);
	}
}
