/* quern mix - several streams to one, or one to several: concatenate, weigh, sample, shuffle, take, split.
 *
 * Always in this order: inputs (one after the other, or interleaved by --weights), --sample, --shuffle, --take, then -o or
 * --split. What a row meets depends on the seed and on its number or id alone. The shuffle sorts by a random key per row and
 * spills sorted runs beyond --memory, so its result does not depend on the bound. */
#include "base/hash.h"
#include "base/rng.h"
#include "common/tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STREAM_SAMPLE = 1, STREAM_SHUFFLE = 2 };
enum { UNTIL_ALL, UNTIL_FIRST };

static struct {
	const char *weights, *split;
	int until;
	bool shuffle;
	int64_t take, memory;
	double sample;
} opts = { .take = -1, .memory = 1 << 30, .sample = 1 };

static struct opt options[] = {
	OPT_GROUP("What to make of the inputs"),
	OPT_STRING(0, "weights", &opts.weights, "W,W,...", "interleave the inputs in these proportions, one number for each"),
	OPT_CHOICE(0, "until", &opts.until, "all|first", "with --weights: go on until all inputs are used up, or the first is"),
	OPT_DOUBLE(0, "sample", &opts.sample, "P", 0, 1, "keep each row with this probability"),
	OPT_FLAG(0, "shuffle", &opts.shuffle, "put the rows in random order"),
	{ .type = OPT_TYPE_INT, .name = "memory", .value = &opts.memory, .arg = "BYTES", .min = 1 << 20, .max = 1e15,
	  .help = "what the shuffle may hold before it spills to $TMPDIR", .no_provenance = true },
	OPT_INT(0, "take", &opts.take, "N", -1, 9e15, "end after N rows; -1 is all"),
	OPT_STRING(0, "split", &opts.split, "FILE=F,FILE=F,...", "write fraction F of the rows to FILE, by hash of id; the sum is 1"),
	OPT_END,
};

static struct tool tool = {
	.name = "mix", .summary = "mix, shuffle, sample and split streams", .operands = "[FILE ...]", .options = options,
	.max_operands = -1,
};

struct source {
	const char *path;
	struct reader *reader;
	struct batch *batch;
	int64_t row;
	double weight;
	int64_t given;
	bool ended;
};

struct held {                        /* a row that waits for its place */
	uint64_t key;
	int64_t number;
	struct batch *batch;
	int64_t row;
};

struct run {                         /* a sorted run on disk */
	struct reader *reader;
	struct batch *batch;
	int64_t row;
};

struct part {                        /* an output of --split */
	char *path;
	double upto;                 /* end of its share of [0, 1) */
	struct writer *writer;
};

static struct {
	struct source *sources;
	int n_sources, at;
	struct schema schema, run_schema;
	enum kind kind;
	int64_t rows, taken;
	struct held *held;
	int64_t n_held, cap_held;
	size_t held_bytes;
	struct batch *last_held;
	struct run *runs;
	int n_runs, cap_runs;
	struct part *parts;
	int n_parts, cap_parts, id_column;
} g;

/* --- inputs --------------------------------------------------------------------------------------- */

static enum status differs(const struct reader *r, struct error *err)
{
	struct buf b = {0};
	const struct schema *s = reader_schema(r);
	for (int i = 0; i < s->n_fields || i < g.schema.n_fields; i++) {
		if (i < s->n_fields && i < g.schema.n_fields && field_equal(&s->fields[i], &g.schema.fields[i]))
			continue;
		if (i < s->n_fields)
			field_print(&s->fields[i], &b);
		else
			buf_str(&b, "no column");
		buf_str(&b, " where the first input has ");
		if (i < g.schema.n_fields)
			field_print(&g.schema.fields[i], &b);
		else
			buf_str(&b, "no column");
		break;
	}
	enum status st = error_set(err, ERR_DATA, "%s: its columns differ from those of the first input: %s", reader_name(r), b.data);
	buf_release(&b);
	return st;
}

static enum status open_source(struct source *s, struct error *err)
{
	TRY(reader_open(&s->reader, s->path, NULL, err));
	if (!g.schema.n_fields) {
		schema_copy(&g.schema, reader_schema(s->reader));
		g.kind = reader_kind(s->reader);
	}
	return schema_equal(&g.schema, reader_schema(s->reader)) ? OK : differs(s->reader, err);
}

/* Rows outlive their reader here: their arrays must not point into its schema. */
static void rebind(struct array *a, const struct field *f)
{
	a->field = f;
	for (int i = 0; i < f->n_children; i++)
		rebind(&a->children[i], &f->children[i]);
}

static void own(struct batch *b, const struct schema *s)
{
	b->schema = s;
	for (int i = 0; i < s->n_fields; i++)
		rebind(&b->columns[i], &s->fields[i]);
}

static enum status close_source(struct source *s, struct error *err)
{
	struct provenance_input in;
	enum status st = reader_input(s->reader, &in, err);
	if (st == OK)
		tool_add_input_entry(&tool, &in);
	provenance_input_release(&in);
	reader_close(s->reader);
	s->reader = NULL;
	s->ended = true;
	return st;
}

/* Makes sure that s->batch has a row at s->row, or that s has ended. */
static enum status advance(struct source *s, struct error *err)
{
	while (!s->ended && (!s->batch || s->row == s->batch->rows)) {
		batch_release(s->batch);
		s->batch = NULL;
		if (!s->reader)
			TRY(open_source(s, err));
		enum status st = reader_next(s->reader, &s->batch, err);
		s->row = 0;
		if (st == END) {
			TRY(close_source(s, err));
		} else {
			TRY(st);
			own(s->batch, &g.schema);
			tool_count_in(&tool, s->batch->rows);
			progress_tick(tool.progress, tool.prov.rows_in, 0, "rows", NULL);
		}
	}
	return OK;
}

/* The source whose turn it is: the one furthest behind its share. NULL at the end. */
static enum status pick(struct source **out, struct error *err)
{
	*out = NULL;
	if (!opts.weights) {
		for (; g.at < g.n_sources; g.at++) {
			TRY(advance(&g.sources[g.at], err));
			if (!g.sources[g.at].ended) {
				*out = &g.sources[g.at];
				return OK;
			}
		}
		return OK;
	}
	for (int i = 0; i < g.n_sources; i++) {
		struct source *s = &g.sources[i];
		TRY(advance(s, err));
		if (s->ended && opts.until == UNTIL_ALL)
			continue;
		if (!*out || (double)(s->given + 1) * (*out)->weight < (double)((*out)->given + 1) * s->weight)
			*out = s;
	}
	if (*out && (*out)->ended)
		*out = NULL;
	return OK;
}

/* --- outputs ---------------------------------------------------------------------------------------- */

static struct writer *writer_for(struct batch *b, int64_t row)
{
	if (!g.n_parts)
		return tool.out;
	size_t n;
	const char *id = array_text(&b->columns[g.id_column], row, &n);
	double u = (double)(hash64_seed(id, n, (uint64_t)tool.seed) >> 11) * 0x1p-53;
	int i = 0;
	while (i + 1 < g.n_parts && u >= g.parts[i].upto)
		i++;
	return g.parts[i].writer;
}

static enum status emit(struct batch *b, int64_t row, struct error *err)
{
	if (opts.take >= 0 && g.taken >= opts.take)
		return tool_reject(&tool, b, row, "not_taken", err);
	g.taken++;
	struct writer *w = writer_for(b, row);
	struct builder *out = writer_builder(w);
	for (int i = 0; i < g.schema.n_fields; i++)
		column_copy(builder_column(out, i), &b->columns[i], row);
	return writer_row(w, err);
}

/* --- the shuffle -------------------------------------------------------------------------------------- */

static uint64_t draw(int stream, int64_t number)
{
	uint32_t out[4];
	rng_philox((uint64_t)tool.seed, (uint64_t)stream, (uint64_t)number, out);
	return (uint64_t)out[0] << 32 | out[1];
}

static int by_key(const void *x, const void *y)
{
	const struct held *a = x, *b = y;
	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return (a->number > b->number) - (a->number < b->number);
}

static void let_go(void)
{
	for (int64_t i = 0; i < g.n_held; i++)
		batch_release(g.held[i].batch);
	g.n_held = 0;
	g.held_bytes = 0;
	g.last_held = NULL;
}

static enum status write_run(const char *path, struct error *err)
{
	struct writer *w;
	struct writer_options o = { .format = FORMAT_ARROW, .pool = tool.pool };
	TRY(writer_open(&w, path, &g.run_schema, KIND_OTHER, NULL, &o, err));
	enum status st = OK;
	for (int64_t i = 0; i < g.n_held && st == OK; i++) {
		struct builder *b = writer_builder(w);
		for (int c = 0; c < g.schema.n_fields; c++)
			column_copy(builder_column(b, c), &g.held[i].batch->columns[c], g.held[i].row);
		column_int(builder_column(b, g.schema.n_fields), (int64_t)g.held[i].key);
		st = writer_row(w, err);
	}
	if (st == OK)
		return writer_commit(w, err);
	writer_abort(w);
	return st;
}

/* What is held becomes a sorted run: a file without a name once it is open again. */
static enum status spill(struct error *err)
{
	const char *dir = getenv("TMPDIR");
	char *path = mem_printf("%s/quern-mix.XXXXXX", dir && *dir ? dir : "/tmp");
	int fd = mkstemp(path);
	enum status st = fd < 0 ? error_errno(err, ERR_IO, "%s: cannot create", path) : OK;
	if (fd >= 0)
		close(fd);
	if (!g.run_schema.n_fields) {
		schema_copy(&g.run_schema, &g.schema);
		schema_add_spec(&g.run_schema, "quern.key: uint64");
	}
	qsort(g.held, (size_t)g.n_held, sizeof(*g.held), by_key);
	if (st == OK)
		st = write_run(path, err);
	MEM_PUSH_ROOM(g.runs, g.n_runs, g.cap_runs);
	if (st == OK) {
		g.runs[g.n_runs] = (struct run){0};
		st = reader_open(&g.runs[g.n_runs].reader, path, NULL, err);
		g.n_runs += st == OK;
	}
	if (fd >= 0)
		unlink(path);
	mem_free(path);
	let_go();
	return st;
}

static enum status hold(struct batch *b, int64_t row, int64_t number, struct error *err)
{
	MEM_PUSH_ROOM(g.held, g.n_held, g.cap_held);
	g.held[g.n_held++] = (struct held){ draw(STREAM_SHUFFLE, number), number, batch_retain(b), row };
	g.held_bytes += sizeof(struct held);
	if (b != g.last_held)
		g.held_bytes += batch_bytes(b);
	g.last_held = b;
	return g.held_bytes > (size_t)opts.memory ? spill(err) : OK;
}

static enum status fill_run(struct run *r, struct error *err)
{
	while (r->reader && (!r->batch || r->row == r->batch->rows)) {
		batch_release(r->batch);
		r->batch = NULL;
		r->row = 0;
		enum status st = reader_next(r->reader, &r->batch, err);
		if (st == END) {
			reader_close(r->reader);
			r->reader = NULL;
		} else {
			TRY(st);
		}
	}
	return OK;
}

/* Earlier runs hold earlier rows, so that ties go as they do in memory. */
static enum status merge(struct error *err)
{
	for (;;) {
		struct run *least = NULL;
		uint64_t key = 0;
		for (int i = 0; i < g.n_runs; i++) {
			struct run *r = &g.runs[i];
			TRY(fill_run(r, err));
			if (!r->reader)
				continue;
			uint64_t k = (uint64_t)array_int(&r->batch->columns[g.schema.n_fields], r->row);
			if (!least || k < key) {
				least = r;
				key = k;
			}
		}
		if (!least)
			return OK;
		TRY(emit(least->batch, least->row++, err));
	}
}

static enum status shuffled(struct error *err)
{
	if (g.n_runs) {
		if (g.n_held)
			TRY(spill(err));
		tool_stat_int(&tool, "runs", g.n_runs);
		return merge(err);
	}
	if (g.n_held)
		qsort(g.held, (size_t)g.n_held, sizeof(*g.held), by_key);
	for (int64_t i = 0; i < g.n_held; i++)
		TRY(emit(g.held[i].batch, g.held[i].row, err));
	return OK;
}

/* --- the run -------------------------------------------------------------------------------------------- */

static enum status parse_weights(struct error *err)
{
	const char *p = opts.weights;
	int i = 0;
	for (; p && *p; i++) {
		size_t n = strcspn(p, ",");
		char *word = mem_strndup(p, n);
		double w = 0;
		enum status st = opt_number(word, &w, err);
		mem_free(word);
		TRY(st);
		if (!(w > 0) || w > 1e15)
			return error_set(err, ERR_USAGE, "--weights: every weight must be above 0");
		if (i < g.n_sources)
			g.sources[i].weight = w;
		p += n + (p[n] == ',');
	}
	if (p && i != g.n_sources)
		return error_set(err, ERR_USAGE, "--weights: %d weights for %d inputs", i, g.n_sources);
	if (!opts.weights && opts.until == UNTIL_FIRST)
		return error_set(err, ERR_USAGE, "--until is for --weights");
	return OK;
}

static enum status parse_split(struct error *err)
{
	double sum = 0;
	for (const char *p = opts.split; p && *p;) {
		size_t n = strcspn(p, ",");
		char *word = mem_strndup(p, n), *eq = strrchr(word, '=');
		double f = 0;
		bool good = eq && eq != word && opt_number(eq + 1, &f, NULL) == OK && f > 0 && f <= 1;
		enum status st = good ? OK : error_set(err, ERR_USAGE, "--split wants FILE=FRACTION, not '%s'", word);
		if (good) {
			*eq = 0;
			sum += f;
			MEM_PUSH_ROOM(g.parts, g.n_parts, g.cap_parts);
			g.parts[g.n_parts++] = (struct part){ mem_strdup(word), sum, NULL };
		}
		mem_free(word);
		TRY(st);
		p += n + (p[n] == ',');
	}
	if (opts.split && (sum < 1 - 1e-9 || sum > 1 + 1e-9))
		return error_set(err, ERR_USAGE, "--split: the fractions sum to %g, not 1", sum);
	if (opts.split && tool.out_path)
		return error_set(err, ERR_USAGE, "--split names its files: -o does not go with it");
	return OK;
}

static enum status open_outputs(struct error *err)
{
	tool_set_schema(&tool, &g.schema, g.kind);
	if (!g.n_parts)
		return tool_open_output(&tool, &g.schema, g.kind, err);
	if (tool.rejects_path)
		return error_set(err, ERR_USAGE, "--rejects does not go with --split");
	g.id_column = schema_find(&g.schema, "id");
	if (g.id_column < 0 || !field_is_text(&g.schema.fields[g.id_column]))
		return error_set(err, ERR_DATA, "--split goes by the hash of id: there is no such column of text");
	struct writer_options o = tool_writer_options(&tool);
	o.zstd_level = tool.compress == 2 ? 0 : (int)tool.level;
	for (int i = 0; i < g.n_parts; i++)
		TRY(writer_open(&g.parts[i].writer, g.parts[i].path, &g.schema, g.kind, &tool.prov, &o, err));
	return OK;
}

static enum status commit(struct error *err)
{
	int64_t rows = 0;
	if (!g.n_parts)
		return tool_commit(&tool, err);
	for (int i = 0; i < g.n_parts; i++) {
		struct writer *w = g.parts[i].writer;
		g.parts[i].writer = NULL;
		tool.prov.rows_out = writer_rows(w);
		rows += tool.prov.rows_out;
		tool_stat_int(&tool, g.parts[i].path, tool.prov.rows_out);
		TRY(writer_commit(w, err));
	}
	tool.prov.rows_out = rows;
	return OK;
}

static enum status pass(struct source *s, struct error *err)
{
	int64_t number = g.rows++, row = s->row++;
	s->given++;
	if (opts.sample < 1 && (double)(draw(STREAM_SAMPLE, number) >> 11) * 0x1p-53 >= opts.sample)
		return tool_reject(&tool, s->batch, row, "not_sampled", err);
	return opts.shuffle ? hold(s->batch, row, number, err) : emit(s->batch, row, err);
}

/* Inputs are read to their ends even if no more rows are wanted: only so are they known to be whole. */
static enum status drain(struct error *err)
{
	for (int i = 0; i < g.n_sources; i++) {
		struct source *s = &g.sources[i];
		for (;;) {
			TRY(advance(s, err));
			if (s->ended)
				break;
			TRY(tool_reject(&tool, s->batch, s->row++, "not_taken", err));
		}
	}
	return OK;
}

static enum status run(struct error *err)
{
	struct source *s;
	g.n_sources = tool.files.n ? tool.files.n : 1;
	g.sources = mem_array((size_t)g.n_sources, sizeof(*g.sources));
	for (int i = 0; i < g.n_sources; i++)
		g.sources[i].path = tool.files.n ? tool.files.items[i] : "-";
	TRY(parse_weights(err));
	TRY(parse_split(err));
	TRY(open_source(&g.sources[0], err));
	TRY(open_outputs(err));
	for (;;) {
		TRY(pick(&s, err));
		if (!s)
			break;
		TRY(pass(s, err));
	}
	TRY(drain(err));
	TRY(shuffled(err));
	return commit(err);
}

static void release(void)
{
	for (int i = 0; i < g.n_sources; i++) {
		batch_release(g.sources[i].batch);
		reader_close(g.sources[i].reader);
	}
	for (int i = 0; i < g.n_runs; i++) {
		batch_release(g.runs[i].batch);
		reader_close(g.runs[i].reader);
	}
	for (int i = 0; i < g.n_parts; i++) {
		writer_abort(g.parts[i].writer);
		mem_free(g.parts[i].path);
	}
	let_go();
	mem_free(g.sources);
	mem_free(g.runs);
	mem_free(g.parts);
	mem_free(g.held);
}

int main(int argc, char **argv)
{
	struct error err;
	tool_start(&tool, argc, argv);
	enum status st = run(&err);
	release();
	int code = tool_end(&tool, st, &err);
	schema_release(&g.schema);
	schema_release(&g.run_schema);
	return code;
}
