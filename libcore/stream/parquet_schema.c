/* parquet_schema.c - a Parquet schema as fields of ours, and what is needed to put its levels back together.
 *
 * Lists and maps are recognised in the three-level form of the format's rules and in the two-level forms of older writers;
 * a repeated field of no list is a list that is never null. */
#include "stream/parquet.h"
#include "stream/layout.h"

#include <stdio.h>

#define LEAVES_MAX 65536

struct walk {
	const struct pq_meta *m;
	int64_t at;                          /* the next element */
	struct pq_tree *tree;
	int cap_leaves;
	int depth, list_def[PQ_DEPTH_MAX + 1];
	struct buf path;
	struct error *err;
};

/* Where an element stands among the levels. */
struct place {
	int def, slot_def, slot_rep;
};

static enum status refuse(const struct walk *w, enum status st, const char *what)
{
	return error_set(w->err, st, "column '%s': %s", w->path.data ? w->path.data : "", what);
}

/* --- logical types -------------------------------------------------------------------------------- */
static bool set_type(struct field *f, enum pq_convert *c, enum field_type type, enum pq_convert convert)
{
	f->type = type;
	*c = convert;
	return true;
}

static bool integer(const struct pq_element *e, struct field *f, enum pq_convert *c)
{
	static const enum field_type types[2][4] = {
		{ T_UINT8, T_UINT16, T_UINT32, T_UINT64 }, { T_INT8, T_INT16, T_INT32, T_INT64 }
	};
	int size = e->bits == 8 ? 0 : e->bits == 16 ? 1 : e->bits == 32 ? 2 : 3;

	if ((e->bits != 8 << size) || (e->type == PQ_INT64) != (size == 3))
		return false;
	return set_type(f, c, types[e->is_signed][size], size < 2 ? PQ_NARROW : PQ_AS_IS);
}

static bool decimal(const struct pq_element *e, struct field *f, enum pq_convert *c)
{
	f->precision = e->precision;
	f->scale = e->scale;
	if (e->precision < 1 || e->precision > 76 || e->scale < 0 || e->scale > e->precision)
		return false;
	enum field_type type = e->precision <= 38 ? T_DECIMAL128 : T_DECIMAL256;
	return set_type(f, c, type, e->type == PQ_INT32 || e->type == PQ_INT64 ? PQ_WIDEN : PQ_BIG_ENDIAN);
}

static bool time_or_stamp(const struct pq_element *e, struct field *f, enum pq_convert *c)
{
	bool stamp = e->meaning == PQ_TIMESTAMP;

	if (e->unit < UNIT_MS || e->unit > UNIT_NS || (e->type == PQ_INT64) != (stamp || e->unit != UNIT_MS))
		return false;
	f->unit = e->unit;
	if (stamp && e->utc)
		f->timezone = mem_strdup("UTC");
	return set_type(f, c, stamp ? T_TIMESTAMP : e->unit == UNIT_MS ? T_TIME32 : T_TIME64, PQ_AS_IS);
}

/* The type that an annotation names; false if there is none, or none that goes with the physical type. */
static bool logical_type(const struct pq_element *e, struct field *f, enum pq_convert *c)
{
	bool whole = e->type == PQ_INT32 || e->type == PQ_INT64;

	switch (e->meaning) {
	case PQ_STRING: case PQ_ENUM: case PQ_JSON:
		return e->type == PQ_BYTES && set_type(f, c, T_UTF8, PQ_AS_IS);
	case PQ_INTEGER:
		return whole && integer(e, f, c);
	case PQ_DECIMAL:
		return (whole || e->type == PQ_BYTES || e->type == PQ_FIXED) && decimal(e, f, c);
	case PQ_DATE:
		return e->type == PQ_INT32 && set_type(f, c, T_DATE32, PQ_AS_IS);
	case PQ_TIME: case PQ_TIMESTAMP:
		return whole && time_or_stamp(e, f, c);
	case PQ_FLOAT16:
		return e->type == PQ_FIXED && e->width == 2 && set_type(f, c, T_FLOAT16, PQ_AS_IS);
	case PQ_UNKNOWN:
		return e->repetition == PQ_OPTIONAL && set_type(f, c, T_NULL, PQ_NOTHING);
	default:
		return false;
	}
}

static void physical_type(const struct pq_element *e, struct field *f, enum pq_convert *c)
{
	static const enum field_type types[PQ_TYPES] = {
		T_BOOL, T_INT32, T_INT64, T_TIMESTAMP, T_FLOAT32, T_FLOAT64, T_BINARY, T_FIXED_BINARY
	};

	set_type(f, c, types[e->type], e->type == PQ_INT96 ? PQ_JULIAN : PQ_AS_IS);
	f->unit = e->type == PQ_INT96 ? UNIT_NS : 0;
	f->width = e->type == PQ_FIXED ? e->width : 0;
}

static int physical_width(const struct pq_element *e)
{
	static const uint8_t widths[PQ_TYPES] = { 1, 4, 8, 12, 4, 8, 0, 0 };

	return e->type == PQ_FIXED ? e->width : widths[e->type];
}

/* --- elements ---------------------------------------------------------------------------------------- */
static enum status read_any(struct walk *w, struct place in, bool repeated, struct field *f, struct pq_node *n);

static void set_name(struct field *f, const char *name)
{
	mem_free(f->name);
	f->name = mem_strdup(name);
}

static enum status read_leaf(struct walk *w, const struct pq_element *e, struct field *f, struct pq_node *n)
{
	struct pq_tree *t = w->tree;
	enum pq_convert convert;

	if (e->type < 0 || e->type >= PQ_TYPES)
		return refuse(w, ERR_UNSUPPORTED, "a physical type that is not known");
	if (e->type == PQ_FIXED && (e->width < 0 || e->width > (1 << 20)))
		return refuse(w, ERR_DATA, "impossible width of its values");
	if (!logical_type(e, f, &convert)) {
		f->precision = f->scale = f->unit = 0;
		physical_type(e, f, &convert);
	}
	if (t->n_leaves == LEAVES_MAX)
		return refuse(w, ERR_UNSUPPORTED, "too many columns");
	MEM_PUSH_ROOM(t->leaves, t->n_leaves, w->cap_leaves);
	struct pq_leaf *l = &t->leaves[t->n_leaves++];
	memset(l, 0, sizeof(*l));
	l->path = mem_strdup(w->path.data);
	l->convert = convert;
	l->pages.max_def = n->def;
	l->pages.max_rep = n->slot_rep;
	l->pages.text = f->type == T_UTF8;
	l->pages.values.type = (enum pq_type)e->type;
	l->pages.values.width = physical_width(e);
	memcpy(l->list_def, w->list_def, sizeof(l->list_def));
	n->kind = PQ_LEAF;
	return OK;
}

static struct pq_node *push_child(struct field *f, struct pq_node *n, struct field **child)
{
	n->children = mem_grow(n->children, (size_t)n->n_children + 1, sizeof(*n->children));
	memset(&n->children[n->n_children], 0, sizeof(*n->children));
	*child = field_push_child(f);
	return &n->children[n->n_children++];
}

static enum status read_struct(struct walk *w, const struct pq_element *e, struct place in, struct field *f, struct pq_node *n)
{
	f->type = T_STRUCT;
	n->kind = PQ_STRUCT;
	for (int32_t i = 0; i < e->n_children; i++) {
		struct field *child_field;
		struct pq_node *child = push_child(f, n, &child_field);
		TRY(read_any(w, in, false, child_field, child));
	}
	return OK;
}

/* The rest of a list whose repeated element is next: element_is_it if that is itself the element, else its only child is. */
static enum status read_rows(struct walk *w, struct place in, bool element_is_it, struct field *f, struct pq_node *n)
{
	struct place inner = { in.def + 1, in.def + 1, in.slot_rep + 1 };
	struct field *child_field;

	f->type = T_LIST;
	n->kind = PQ_ROWS;
	n->element_def = inner.def;
	w->list_def[inner.slot_rep] = inner.def;
	struct pq_node *child = push_child(f, n, &child_field);
	if (!element_is_it)
		w->at++;
	TRY(read_any(w, inner, element_is_it, child_field, child));
	set_name(child_field, "item");
	return OK;
}

/* Whether the repeated element r of list e is itself the list's element: the rules for older writers. */
static bool two_level(const struct pq_element *e, const struct pq_element *r, const struct pq_element *below)
{
	char tuple[256];

	if (r->type >= 0 || r->n_children != 1)
		return true;
	snprintf(tuple, sizeof(tuple), "%s_tuple", e->name ? e->name : "");
	return (below && below->repetition == PQ_REPEATED) || !r->name || strcmp(r->name, "array") == 0 || strcmp(r->name, tuple) == 0;
}

/* Maps are those with a key that is always there and a value; others are lists of what they hold. */
static void make_map(struct field *f)
{
	struct field *entries = &f->children[0];

	if (entries->type != T_STRUCT || entries->n_children != 2 || entries->children[0].nullable)
		return;
	f->type = T_MAP;
	set_name(entries, "entries");
	set_name(&entries->children[0], "key");
	set_name(&entries->children[1], "value");
}

static enum status read_group(struct walk *w, const struct pq_element *e, struct place in, struct field *f, struct pq_node *n)
{
	const struct pq_element *r = w->at < w->m->n_elements ? &w->m->elements[w->at] : NULL;
	const struct pq_element *below = w->at + 1 < w->m->n_elements ? &w->m->elements[w->at + 1] : NULL;
	bool one = e->n_children == 1 && r && r->repetition == PQ_REPEATED;

	if (e->n_children < 1 || e->n_children > w->m->n_elements)
		return refuse(w, ERR_UNSUPPORTED, "a group of no columns");
	if (e->meaning == PQ_LIST && one)
		return read_rows(w, in, two_level(e, r, below), f, n);
	if (e->meaning == PQ_MAP && one && r->type < 0) {
		TRY(read_rows(w, in, true, f, n));
		make_map(f);
		return OK;
	}
	return read_struct(w, e, in, f, n);
}

/* Adds the element's name to the path, and takes it away. */
static size_t path_push(struct walk *w, const char *name)
{
	size_t before = w->path.len;

	buf_printf(&w->path, "%s%s", before ? "." : "", name);
	return before;
}

/* One element and all below it. repeated: what it repeats was already made a list. */
static enum status read_any(struct walk *w, struct place in, bool repeated, struct field *f, struct pq_node *n)
{
	const struct pq_element *e = &w->m->elements[w->at];
	enum status st;

	if (w->at >= w->m->n_elements)
		return error_set(w->err, ERR_DATA, "the footer's schema is cut off");
	if (!e->name)
		return error_set(w->err, ERR_DATA, "a column's name is not UTF-8");
	if (e->repetition < PQ_REQUIRED || e->repetition > PQ_REPEATED)
		return error_set(w->err, ERR_DATA, "column '%s': impossible repetition", e->name);
	if (w->depth == PQ_DEPTH_MAX)
		return error_set(w->err, ERR_UNSUPPORTED, "column '%s': nested too deeply", e->name);
	set_name(f, e->name);
	f->nullable = e->repetition == PQ_OPTIONAL;
	in.def += f->nullable;
	n->def = in.def;
	n->slot_def = in.slot_def;
	n->slot_rep = in.slot_rep;
	w->depth++;
	if (e->repetition == PQ_REPEATED && !repeated) {
		st = read_rows(w, in, true, f, n);
	} else {
		size_t before = path_push(w, e->name);
		w->at++;
		st = e->type >= 0 ? read_leaf(w, e, f, n) : read_group(w, e, in, f, n);
		if (st == OK) {
			w->path.len = before;
			w->path.data[before] = 0;
		}
	}
	w->depth--;
	return st;
}

/* --- leaves and what they build ------------------------------------------------------------------------ */
/* Joins nodes to the schema's fields, and each to the first leaf below it. */
static void link_nodes(struct pq_tree *t, int *leaf, struct pq_node *n, const struct field *f, struct pq_node **above, int n_above)
{
	n->field = f;
	if (n->kind == PQ_LEAF) {
		struct pq_leaf *l = &t->leaves[(*leaf)++];
		l->node = n;
		l->n_above = n_above;
		l->above = mem_array((size_t)n_above + 1, sizeof(*l->above));
		memcpy(l->above, above, (size_t)n_above * sizeof(*l->above));
		return;
	}
	above[n_above++] = n;
	for (int i = 0; i < n->n_children; i++)
		link_nodes(t, leaf, &n->children[i], &f->children[i], above, i == 0 ? n_above : 0);
}

static enum status read_columns(struct walk *w, struct schema *s)
{
	const struct pq_element *root = &w->m->elements[w->at++];
	struct pq_tree *t = w->tree;

	if (root->n_children < 0 || root->n_children >= w->m->n_elements)
		return root->n_children == 0 ? OK : error_set(w->err, ERR_DATA, "the footer's schema is cut off");
	t->nodes = mem_array((size_t)root->n_children + 1, sizeof(*t->nodes));
	for (int32_t i = 0; i < root->n_children; i++) {
		struct field f = {0};
		enum status st = read_any(w, (struct place){0}, false, &f, &t->nodes[t->n_nodes++]);
		if (st == OK)
			schema_add(s, &f);
		field_release(&f);
		TRY(st);
	}
	return w->at == w->m->n_elements ? OK : error_set(w->err, ERR_DATA, "the footer's schema lists more than its columns");
}

enum status parquet_schema_read(const struct pq_meta *m, struct schema *s, struct pq_tree *t, struct error *err)
{
	struct walk w = { .m = m, .tree = t, .err = err };
	struct pq_node *above[PQ_DEPTH_MAX * 2 + 2];
	int leaf = 0;

	enum status st = read_columns(&w, s);
	buf_release(&w.path);
	TRY(st);
	for (int i = 0; i < t->n_nodes; i++)
		link_nodes(t, &leaf, &t->nodes[i], &s->fields[i], above, 0);
	return OK;
}

void parquet_tree_release(struct pq_tree *t)
{
	for (int i = 0; i < t->n_leaves; i++)
		pq_leaf_release(&t->leaves[i]);
	for (int i = 0; i < t->n_nodes; i++)
		pq_node_release(&t->nodes[i]);
	mem_free(t->leaves);
	mem_free(t->nodes);
	*t = (struct pq_tree){0};
}
