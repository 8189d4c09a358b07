/* quern view - records for people: rows as JSON Lines, CSV or text; counts, statistics, columns, provenance, and whether a file is whole.
 *
 * One reader for each operand, rows chosen by place (--skip, -n, --row) and by condition (stream/expr.h); reading stops with the
 * last row that is wanted, so that the head of a large file costs nothing. */
#include "common/tool.h"
#include "base/terminal.h"
#include "stream/column_stats.h"
#include "stream/csv.h"
#include "stream/expr.h"
#include "stream/pretty.h"
#include "stream/row_sort.h"
#include "text/import_walk.h"
#include "token/tokenizer.h"

#include <string.h>
#include <unistd.h>

enum view_format { VIEW_AUTO, VIEW_ARROW, VIEW_JSONL, VIEW_CSV, VIEW_TEXT };

static struct {
	int64_t n, skip, row, memory;
	bool count, stats, schema, provenance, replay, verify, hash;
	const char *columns, *where, *sort_by, *tokenizer;
	int color;
} opts = { .n = -1, .row = -1, .memory = 1 << 30 };

static struct tool tool;

static struct opt options[] = {
	OPT_GROUP("Which rows"),
	OPT_INT('n', "rows", &opts.n, "N", -1, 9e15, "the first N rows; -1 is all"),
	OPT_INT(0, "skip", &opts.skip, "N", 0, 9e15, "pass over the first N rows"),
	OPT_INT(0, "row", &opts.row, "N", -1, 9e15, "the one row with this number, from 0"),
	OPT_STRING(0, "where", &opts.where, "EXPR", "rows of which this is true, as in 'score >= 0.5 and len(text) < 99'"),
	OPT_STRING(0, "sort-by", &opts.sort_by, "COLUMN", "small files: in the order of this column, path or len(); -COLUMN from high to low"),
	{ .type = OPT_TYPE_INT, .name = "memory", .value = &opts.memory, .arg = "BYTES", .min = 1 << 16, .max = 1e15,
	  .help = "what --sort-by may hold", .no_provenance = true },
	OPT_STRING(0, "columns", &opts.columns, "A,B", "these columns, in this order"),
	OPT_GROUP("How rows are shown"),
	OPT_CHOICE(0, "format", &tool.format, "auto|arrow|jsonl|csv|text", "auto is text on a terminal, JSON Lines else"),
	OPT_STRING('t', "tokenizer", &opts.tokenizer, "DIR", "in text: show token ids beside their text, by this tokenizer"),
	OPT_CHOICE(0, "color", &opts.color, "auto|always|never", "in text: colours; auto is on a terminal, unless NO_COLOR is set"),
	OPT_GROUP("Instead of rows"),
	OPT_FLAG(0, "count", &opts.count, "print the number of rows"),
	OPT_FLAG(0, "stats", &opts.stats, "print what is in each column: nulls, range, quantiles, lengths, frequent values"),
	OPT_FLAG(0, "schema", &opts.schema, "print kind and columns"),
	OPT_FLAG(0, "provenance", &opts.provenance, "print how the file, or a model or tokenizer directory, was made"),
	OPT_FLAG(0, "replay", &opts.replay, "print a shell script that makes it again"),
	OPT_FLAG(0, "hash", &opts.hash, "print the XXH3-128 of files and directories, by which the provenance knows first inputs"),
	OPT_FLAG(0, "verify", &opts.verify, "read everything and check it"),
	OPT_END,
};

static struct tool tool = {
	.name = "view", .summary = "show records", .operands = "[FILE|DIRECTORY ...]", .options = options, .max_operands = -1,
};

static struct {
	struct output *out;
	struct buf line;
	struct schema schema;        /* of the first input; columns as chosen */
	struct expr *where, *key;
	struct row_sort *sort;
	int *columns, n_columns;
	int64_t seen, shown;         /* rows that fit, over all inputs */
	int64_t counted;
	struct column_stats *stats;
	struct pretty pretty;
	struct tokenizer *tokenizer;
	bool terminal;               /* rows go to one */
} g;

/* --- one row, by format ------------------------------------------------------------------------- */

static void as_json(const struct batch *b, int64_t row)
{
	struct json_writer w = json_writer_open(&g.line, 0);
	json_begin_object(&w);
	for (int i = 0; i < g.n_columns; i++) {
		const struct array *a = &b->columns[g.columns[i]];
		if (array_is_null(a, row) && a->field->nullable)
			continue;
		json_key(&w, a->field->name);
		array_json(a, row, &w);
	}
	json_end_object(&w);
	buf_char(&g.line, '\n');
}

static void as_csv(const struct batch *b, int64_t row)
{
	struct buf cell = {0};
	for (int i = 0; i < g.n_columns; i++) {
		buf_str(&g.line, i ? "," : "");
		buf_clear(&cell);
		array_plain(&b->columns[g.columns[i]], row, &cell);
		csv_add(cell.data, cell.len, &g.line);
	}
	buf_release(&cell);
	buf_char(&g.line, '\n');
}

static void csv_header(void)
{
	for (int i = 0; i < g.schema.n_fields; i++) {
		buf_str(&g.line, i ? "," : "");
		csv_add(g.schema.fields[i].name, strlen(g.schema.fields[i].name), &g.line);
	}
	buf_char(&g.line, '\n');
}

static enum status as_arrow(const struct batch *b, int64_t row, struct error *err)
{
	struct builder *out = writer_builder(tool.out);
	for (int i = 0; i < g.n_columns; i++)
		column_copy(builder_column(out, i), &b->columns[g.columns[i]], row);
	return writer_row(tool.out, err);
}

/* g.line; text is safe for a terminal as it is, and may have colours. */
static enum status write_line(struct error *err)
{
	if (g.terminal && tool.format != VIEW_TEXT)
		g.line.len = terminal_safe(g.line.data, g.line.len);
	return output_write(g.out, g.line.data, g.line.len, err);
}

static enum status show(const struct batch *b, int64_t row, int64_t number, struct error *err)
{
	buf_clear(&g.line);
	g.shown++;
	if (g.stats) {
		column_stats_add(g.stats, b, g.columns, row);
		return OK;
	}
	switch (tool.format) {
	case VIEW_ARROW: return as_arrow(b, row, err);
	case VIEW_CSV: as_csv(b, row); break;
	case VIEW_TEXT: pretty_row(&g.pretty, b, g.columns, g.n_columns, row, number, &g.line); break;
	default: as_json(b, row);
	}
	return write_line(err);
}

/* --- columns ----------------------------------------------------------------------------------- */

static enum status choose_columns(const struct schema *s, struct error *err)
{
	mem_free(g.columns);
	g.n_columns = 0;
	int cap = 0;
	g.columns = NULL;
	for (int i = 0; i < s->n_fields && !opts.columns; i++) {
		MEM_PUSH_ROOM(g.columns, g.n_columns, cap);
		g.columns[g.n_columns++] = i;
	}
	for (const char *p = opts.columns; p && *p;) {
		size_t n = strcspn(p, ",");
		char *name = mem_strndup(p, n);
		int at = schema_find(s, name);
		enum status st = at >= 0 ? OK : error_set(err, ERR_USAGE, "no column '%s'; --schema lists them", name);
		mem_free(name);
		TRY(st);
		MEM_PUSH_ROOM(g.columns, g.n_columns, cap);
		g.columns[g.n_columns++] = at;
		p += n + (p[n] == ',');
	}
	return OK;
}

static enum status parse_expressions(const struct schema *s, struct error *err)
{
	expr_free(g.where);
	expr_free(g.key);
	g.where = g.key = NULL;
	if (opts.where)
		TRY(expr_parse(&g.where, opts.where, s, err));
	if (opts.sort_by)
		return error_prefix(err, expr_parse_value(&g.key, opts.sort_by + (*opts.sort_by == '-'), s, err), "--sort-by");
	return OK;
}

/* The columns of the first input head the output; CSV and Arrow want the same of all. */
static enum status begin_rows(struct reader *r, struct error *err)
{
	const struct schema *s = reader_schema(r);
	bool first = !g.out && !tool.out && !g.stats;
	bool table = tool.format == VIEW_CSV || tool.format == VIEW_ARROW || opts.stats || opts.sort_by;
	struct schema chosen = {0};
	TRY(choose_columns(s, err));
	TRY(parse_expressions(s, err));
	for (int i = 0; i < g.n_columns; i++)
		schema_add(&chosen, &s->fields[g.columns[i]]);
	enum status st = OK;
	if (!first && table && !schema_equal(&chosen, &g.schema))
		st = error_set(err, ERR_DATA, "%s: its columns differ from those of the first input", reader_name(r));
	if (first)
		schema_copy(&g.schema, &chosen);
	if (first && opts.sort_by)
		g.sort = row_sort_open(&g.schema, (size_t)opts.memory);
	if (first && opts.stats)
		g.stats = column_stats_open(s, g.columns, g.n_columns);
	else if (first)
		st = tool.format == VIEW_ARROW ? tool_open_output(&tool, &g.schema, opts.columns ? KIND_OTHER : reader_kind(r), err)
					       : output_open(&g.out, tool.out_path, err);
	schema_release(&chosen);
	if (st == OK && first && !opts.stats && tool.format == VIEW_CSV) {
		buf_clear(&g.line);
		csv_header();
		st = write_line(err);
	}
	return st;
}

/* --- what to do with an input --------------------------------------------------------------------- */

static bool enough(void)
{
	return !opts.sort_by && ((opts.row >= 0 && g.seen > opts.row) || (opts.n >= 0 && g.shown >= opts.n));
}

static enum status show_batch(const struct batch *b, struct error *err)
{
	for (int64_t i = 0; i < b->rows && (opts.count || !enough()); i++) {
		if (g.where && !expr_test(g.where, b, i))
			continue;
		int64_t number = g.seen++;
		if (g.sort) {
			struct expr_value key = expr_value(g.key, b, i);
			TRY(row_sort_add(g.sort, b, g.columns, i, &key, number, err));
			continue;
		}
		if (number < opts.skip || (opts.row >= 0 && number != opts.row))
			continue;
		if (opts.count)
			g.counted++;
		else
			TRY(show(b, i, number, err));
	}
	return OK;
}

/* What --sort-by has held back; -n, --skip and --row count in its order. */
static enum status show_sorted(struct error *err)
{
	int64_t row, number, n = row_sort_rows(g.sort);
	row_sort_finish(g.sort, *opts.sort_by == '-');
	for (int i = 0; i < g.n_columns; i++)
		g.columns[i] = i;
	for (int64_t i = opts.row >= 0 ? opts.row : opts.skip; i < n && (opts.n < 0 || g.shown < opts.n); i++) {
		const struct batch *b = row_sort_at(g.sort, i, &row, &number);
		TRY(show(b, row, number, err));
		if (opts.row >= 0)
			break;
	}
	return OK;
}

/* Whole batches before the first row that is wanted are not read, where the file lets us. */
static enum status pass_over(struct reader *r, struct error *err)
{
	int64_t first = opts.row > opts.skip ? opts.row : opts.skip, passed;
	if (opts.where || opts.count || opts.sort_by || first <= g.seen)
		return OK;
	TRY(reader_skip_rows(r, first - g.seen, &passed, err));
	g.seen += passed;
	return OK;
}

static enum status rows(struct reader *r, struct error *err)
{
	struct batch *b;
	enum status st = opts.count ? OK : begin_rows(r, err);
	if (st == OK)
		st = pass_over(r, err);
	if (opts.count)
		st = parse_expressions(reader_schema(r), err);
	while (st == OK && (opts.count || !enough()) && (st = reader_next(r, &b, err)) == OK) {
		tool_count_in(&tool, b->rows);
		st = show_batch(b, err);
		batch_release(b);
	}
	return st == END ? OK : st;
}

static enum status print(struct buf *b, struct error *err)
{
	if (!g.out)
		TRY(output_open(&g.out, tool.out_path, err));
	if (g.terminal)
		b->len = terminal_safe(b->data, b->len);
	return output_write(g.out, b->data, b->len, err);
}

static enum status print_schema(struct reader *r, struct error *err)
{
	const struct schema *s = reader_schema(r);
	buf_clear(&g.line);
	buf_printf(&g.line, "kind: %s\n", kind_name(reader_kind(r)));
	for (int i = 0; i < s->n_fields; i++) {
		field_print(&s->fields[i], &g.line);
		buf_char(&g.line, '\n');
	}
	return print(&g.line, err);
}

static enum status verify(struct reader *r, struct error *err)
{
	struct batch *b;
	enum status st;
	int64_t n = 0, batches = 0;
	while ((st = reader_next(r, &b, err)) == OK) {
		n += b->rows;
		batches++;
		batch_release(b);
	}
	if (st != END)
		return st;
	tool_count_in(&tool, n);
	buf_clear(&g.line);
	buf_printf(&g.line, "%s: whole: %lld rows in %lld batches, %s\n", reader_name(r), (long long)n, (long long)batches,
		   reader_provenance(r) ? "every checksum right" : "no checksums (not written by quern)");
	return print(&g.line, err);
}

static enum status print_chain(const char *chain, const char *name, struct error *err)
{
	struct buf b = {0};
	enum status st = !chain ? error_set(err, ERR_DATA, "no provenance (not written by quern)")
		       : opts.replay ? provenance_replay(chain, name, &b, err)
				     : provenance_describe(chain, &b, err);
	st = st == OK ? print(&b, err) : error_prefix(err, st, "%s", name);
	buf_release(&b);
	return st;
}

static enum status directory(const char *path, struct error *err)
{
	struct buf chain = {0};
	char *file = path_join(path, "provenance.json");
	enum status st = file_read_all(file, 64 << 20, &chain, err);
	mem_free(file);
	if (st == OK)
		st = print_chain(chain.data, path, err);
	buf_release(&chain);
	return st;
}

/* The chain is complete only after the end. */
static enum status chain_of(struct reader *r, struct error *err)
{
	struct batch *b;
	enum status st;
	while ((st = reader_next(r, &b, err)) == OK)
		batch_release(b);
	return st == END ? print_chain(reader_provenance(r), reader_name(r), err) : st;
}

/* Of a directory two: of the files in it, as models and tokenizers are taken in, and of all below it, as import takes documents. */
static enum status hash(const char *path, struct error *err)
{
	char flat[33], deep[33] = "";
	TRY(tool_hash(path, flat, err));
	if (strcmp(path, "-") != 0 && path_is_dir(path))
		TRY(walk_hash(path, deep, err));
	buf_clear(&g.line);
	buf_printf(&g.line, "%s  %s\n", flat, path);
	if (*deep)
		buf_printf(&g.line, "%s  %s, with what is below it\n", deep, path);
	return print(&g.line, err);
}

static enum status view(const char *path, struct error *err)
{
	struct reader *r;
	if (opts.hash)
		return hash(path, err);
	if ((opts.provenance || opts.replay) && path_is_dir(path))
		return directory(path, err);
	struct reader_options o = { .unhashed = tool.format != VIEW_ARROW };
	TRY(reader_open(&r, path, &o, err));
	enum status st = opts.schema ? print_schema(r, err)
		       : opts.verify ? verify(r, err)
		       : opts.provenance || opts.replay ? chain_of(r, err)
							: rows(r, err);
	if (st == OK && tool.format == VIEW_ARROW && tool.out) {
		struct provenance_input in;
		st = reader_input(r, &in, err);
		if (st == OK)
			tool_add_input_entry(&tool, &in);
		provenance_input_release(&in);
	}
	reader_close(r);
	return st;
}

static const char *token_text(void *arg, int32_t id, size_t *n, bool *special)
{
	*special = tokenizer_is_special(arg, id);
	return tokenizer_bytes(arg, id, n);
}

static enum status set_up(struct error *err)
{
	g.terminal = (!tool.out_path || strcmp(tool.out_path, "-") == 0) && isatty(STDOUT_FILENO);
	if (tool.format == VIEW_AUTO && (g.terminal || opts.tokenizer))
		tool.format = VIEW_TEXT;
	if (opts.tokenizer && tool.format != VIEW_TEXT)
		return error_set(err, ERR_USAGE, "-t shows tokens in text: --format text");
	g.pretty.width = g.terminal ? terminal_width(STDOUT_FILENO) : 0;
	g.pretty.color = terminal_colors((enum color_mode)opts.color, g.terminal ? STDOUT_FILENO : -1);
	if (!opts.tokenizer)
		return OK;
	TRY(tokenizer_load(&g.tokenizer, opts.tokenizer, err));
	g.pretty.token = token_text;
	g.pretty.arg = g.tokenizer;
	return OK;
}

static enum status run(struct error *err)
{
	int modes = opts.count + opts.schema + opts.provenance + opts.replay + opts.verify + opts.hash;
	if (modes + opts.stats > 1)
		return error_set(err, ERR_USAGE, "--count, --stats, --schema, --provenance, --replay, --hash and --verify exclude each other");
	if (opts.stats && (tool.format == VIEW_ARROW || tool.format == VIEW_CSV))
		return error_set(err, ERR_USAGE, "--stats prints text, or with --format jsonl JSON Lines");
	TRY(set_up(err));
	int n = tool.files.n ? tool.files.n : 1;
	for (int i = 0; i < n && (i == 0 || modes || !enough()); i++)
		TRY(view(tool.files.n ? tool.files.items[i] : "-", err));
	if (opts.count) {
		buf_clear(&g.line);
		buf_printf(&g.line, "%lld\n", (long long)g.counted);
		TRY(print(&g.line, err));
	}
	if (g.sort)
		TRY(show_sorted(err));
	if (opts.stats) {
		buf_clear(&g.line);
		(tool.format == VIEW_JSONL ? column_stats_jsonl : column_stats_text)(g.stats, &g.line);
		TRY(print(&g.line, err));
	}
	if (opts.row >= 0 && !modes && g.seen <= opts.row)
		return error_set(err, ERR_USAGE, "there are %lld rows: no row %lld", (long long)g.seen, (long long)opts.row);
	struct output *out = g.out;
	g.out = NULL;
	return out ? output_commit(out, err) : tool_commit(&tool, err);
}

int main(int argc, char **argv)
{
	struct error err;
	tool_start(&tool, argc, argv);
	tool.quiet = !tool.verbose;          /* it is read by eyes: no summary below the rows */
	enum status st = run(&err);
	output_abort(g.out);
	buf_release(&g.line);
	expr_free(g.where);
	mem_free(g.columns);
	expr_free(g.key);
	row_sort_close(g.sort);
	column_stats_close(g.stats);
	tokenizer_close(g.tokenizer);
	int code = tool_end(&tool, st, &err);
	schema_release(&g.schema);
	return code;
}
