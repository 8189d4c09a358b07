/* quern mix - several streams to one, or one to several: concatenate, weigh, sample, shuffle, take, split.
 *
 * Always in this order: inputs (one after the other, or interleaved by --weights), --sample, --shuffle, --take, then -o or
 * --split. What a row meets depends on the seed and on its number or id alone. The shuffle sorts by a random key per row and
 * spills sorted runs beyond --memory, so its result does not depend on the bound. */
#include "base/hash.h"
#include "base/rng.h"
#include "common/tool.h"
#include "stream/interleave.h"
#include "stream/shuffle.h"

#include <stdio.h>
#include <string.h>

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
	bool ended;
};

struct part {                        /* an output of --split */
	char *path;
	double upto;                 /* end of its share of [0, 1) */
	struct writer *writer;
};

static struct {
	struct source *sources;
	struct interleave_source *shares; /* of --weights */
	struct interleave turns;
	int n_sources, at;
	struct schema schema;
	enum kind kind;
	int64_t rows, taken;
	struct shuffle *shuffle;     /* NULL without --shuffle */
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
			/* Rows outlive their reader here. */
			TRY(error_prefix(err, batch_rebind(s->batch, &g.schema, err), "%s: batch %lld", reader_name(s->reader), (long long)s->batch->seq));
			tool_count_in(&tool, s->batch->rows);
			progress_tick(tool.progress, tool.prov.rows_in, 0, "rows", NULL);
		}
	}
	return OK;
}

/* The source whose turn it is; NULL at the end. One that has no rows left drops out, or ends the mixture. */
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
	for (int i; (i = interleave_pick(&g.turns)) >= 0; interleave_leave(&g.turns, i)) {
		TRY(advance(&g.sources[i], err));
		if (!g.sources[i].ended) {
			interleave_count(&g.turns, i);
			*out = &g.sources[i];
			return OK;
		}
		if (opts.until == UNTIL_FIRST)
			return OK;
	}
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

static enum status emit(void *arg, struct batch *b, int64_t row, struct error *err)
{
	(void)arg;
	if (opts.take >= 0 && g.taken >= opts.take)
		return tool_reject(&tool, b, row, "not_taken", err);
	g.taken++;
	struct writer *w = writer_for(b, row);
	struct builder *out = writer_builder(w);
	for (int i = 0; i < g.schema.n_fields; i++)
		column_copy(builder_column(out, i), &b->columns[i], row);
	return writer_row(w, err);
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
			g.shares[i].weight = w;
		p += n + (p[n] == ',');
	}
	if (p && i != g.n_sources)
		return error_set(err, ERR_USAGE, "--weights: %d weights for %d inputs", i, g.n_sources);
	if (opts.weights)
		interleave_open(&g.turns, g.shares, g.n_sources);
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

static uint64_t draw(int stream, int64_t number)
{
	uint32_t out[4];
	rng_philox((uint64_t)tool.seed, (uint64_t)stream, (uint64_t)number, out);
	return (uint64_t)out[0] << 32 | out[1];
}

static enum status pass(struct source *s, struct error *err)
{
	int64_t number = g.rows++, row = s->row++;
	if (opts.sample < 1 && (double)(draw(STREAM_SAMPLE, number) >> 11) * 0x1p-53 >= opts.sample)
		return tool_reject(&tool, s->batch, row, "not_sampled", err);
	if (g.shuffle)
		return shuffle_add(g.shuffle, s->batch, row, draw(STREAM_SHUFFLE, number), err);
	return emit(NULL, s->batch, row, err);
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
	g.shares = mem_array((size_t)g.n_sources, sizeof(*g.shares));
	for (int i = 0; i < g.n_sources; i++)
		g.sources[i].path = tool.files.n ? tool.files.items[i] : "-";
	TRY(parse_weights(err));
	TRY(parse_split(err));
	TRY(open_source(&g.sources[0], err));
	TRY(open_outputs(err));
	if (opts.shuffle)
		g.shuffle = shuffle_open(&g.schema, opts.memory, tool.pool);
	for (;;) {
		TRY(pick(&s, err));
		if (!s)
			break;
		TRY(pass(s, err));
	}
	TRY(drain(err));
	if (g.shuffle) {
		TRY(shuffle_drain(g.shuffle, emit, NULL, err));
		if (shuffle_runs(g.shuffle))
			tool_stat_int(&tool, "runs", shuffle_runs(g.shuffle));
	}
	return commit(err);
}

static void release(void)
{
	for (int i = 0; i < g.n_sources; i++) {
		batch_release(g.sources[i].batch);
		reader_close(g.sources[i].reader);
	}
	for (int i = 0; i < g.n_parts; i++) {
		writer_abort(g.parts[i].writer);
		mem_free(g.parts[i].path);
	}
	shuffle_close(g.shuffle);
	mem_free(g.sources);
	mem_free(g.shares);
	mem_free(g.parts);
}

int main(int argc, char **argv)
{
	struct error err;
	tool_start(&tool, argc, argv);
	enum status st = run(&err);
	release();
	int code = tool_end(&tool, st, &err);
	schema_release(&g.schema);
	return code;
}
