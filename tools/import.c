/* quern import - raw data to records: documents, chat, problems, preferences or feedback.
 *
 * text/import_source.h finds the records in files, directories, archives and WARC files and hands them out in chunks; on the pool
 * text goes through text/import_extract.h, rows of JSON and CSV through stream/import_layout.h; chunks are written in
 * their order. The first row of JSON or CSV decides the layout for all. */
#include "common/tool.h"
#include "stream/csv.h"
#include "stream/import_layout.h"
#include "text/import_extract.h"
#include "text/unicode.h"

#include <string.h>

static struct {
	int as, from, extract;
	const char *layout;
	struct opt_list map;
	const char *split;
	bool strict;
	int64_t max_bytes;
} opts = { .max_bytes = 16 << 20 };

static struct opt options[] = {
	OPT_GROUP("What to make"),
	OPT_CHOICE(0, "as", &opts.as, "auto|documents|chat|problems|preferences|feedback|stepwise", "kind of the output; auto is by the layout"),
	OPT_STRING(0, "layout", &opts.layout, "NAME", "what the fields of JSON and CSV mean; guessed from them if not given"),
	OPT_LIST(0, "map", &opts.map, "TO=FROM", "read field FROM where the layout wants TO"),
	OPT_GROUP("What to read"),
	OPT_CHOICE(0, "from", &opts.from, "auto|json|csv|tsv|text|html|man|warc|archive", "form of the input; auto is by content"),
	OPT_STRING(0, "split-on", &opts.split, "WHAT", "a text file is one document a 'line', a 'paragraph', or between separators that are WHAT"),
	OPT_CHOICE(0, "extract", &opts.extract, "main|all", "text of a web page: its content, or all of it"),
	OPT_INT(0, "max-bytes", &opts.max_bytes, "N", 1, 1 << 30, "reject larger records"),
	OPT_FLAG(0, "strict", &opts.strict, "end with exit status 3 at the first bad row"),
	OPT_END,
};

static struct tool tool = {
	.name = "import", .summary = "turn raw data into records", .operands = "[FILE|DIRECTORY ...]",
	.options = options, .max_operands = -1,
};

struct item {                        /* a chunk on its way */
	struct chunk *chunk;
	struct batch *rows;
	const char **reject;         /* reason by record, or NULL */
	bool settled;                /* kind and layout are known; else every record in it is bad */
};

struct scratch {                     /* of one thread */
	struct json_parser *parser;
	struct layout_scratch layout;
	struct extracted text;
	struct arena arena;
	struct buf id;
};

static struct {
	struct import_source *source;
	struct layout_request request;
	struct layout_map *map;
	struct schema schema;
	struct scratch *scratch, driver; /* by worker; of reading and writing */
	struct error bad;            /* the first bad row of JSON, for people */
} g;

/* --- rows ----------------------------------------------------------------------------------- */

static bool is_row(const struct raw *r)
{
	return r->form == RAW_JSON || r->form == RAW_CSV;
}

/* A JSON object, or a CSV record as one of strings. NULL with *reason if it is bad. */
static const struct json *parse_row(struct scratch *s, const struct chunk *c, const struct raw *r, const char **reason)
{
	const struct json *row = NULL;
	const char *text = c->data.data + r->at;
	*reason = NULL;
	if (r->form == RAW_JSON) {
		*reason = json_parse_padded(s->parser, text, r->n, &row, NULL) != OK || row->type != JSON_OBJECT ? "bad_json" : NULL;
		return *reason ? NULL : row;
	}
	arena_reset(&s->arena);
	struct json *fields, *o = arena_alloc(&s->arena, sizeof(*o));
	int n = csv_fields(text, r->n, r->header->delimiter, &s->arena, &fields);
	struct buf valid = {0};
	if (n != r->header->n || text_append_valid(&valid, text, r->n) > 0)
		*reason = "bad_csv";
	buf_release(&valid);
	*o = (struct json){ .type = JSON_OBJECT, .len = (size_t)r->header->n, .items = fields, .keys = r->header->names };
	return *reason ? NULL : o;
}

/* "path", "path:line" of lines of JSON and of CSV, "path#n" of the n-th record of anything else. */
static const char *record_id(struct scratch *s, const struct chunk *c, const struct raw *r)
{
	buf_clear(&s->id);
	text_append_valid(&s->id, c->data.data + r->name, strlen(c->data.data + r->name));
	if (r->number)
		buf_printf(&s->id, "%c%lld", r->by_line ? ':' : '#', (long long)r->number);
	return s->id.data;
}

static const char *put_document(struct scratch *s, const struct chunk *c, const struct raw *r, struct builder *b)
{
	struct extracted *e = &s->text;
	const char *reason = import_extract(c, r, (enum html_mode)opts.extract, (size_t)opts.max_bytes, e);
	if (reason)
		return reason;
	struct buf source = {0};
	text_append_valid(&source, c->data.data + r->source, strlen(c->data.data + r->source));
	column_str(builder_column(b, 0), record_id(s, c, r));
	column_text(builder_column(b, 1), e->text.data, e->text.len);
	column_str(builder_column(b, 2), source.data);
	if (e->meta.len)
		column_text(builder_column(b, 3), e->meta.data, e->meta.len);
	else
		column_null(builder_column(b, 3));
	buf_release(&source);
	return NULL;
}

static enum status work(void *arg, void *item, int worker, struct error *err)
{
	struct item *it = item;
	struct scratch *s = &g.scratch[worker];
	struct builder *b = it->settled ? builder_open(&g.schema) : NULL;
	(void)arg;
	(void)err;
	it->reject = mem_array((size_t)it->chunk->n + 1, sizeof(*it->reject));
	for (int64_t i = 0; i < it->chunk->n; i++) {
		const struct raw *r = &it->chunk->v[i];
		const char *reason = r->reason;
		if (is_row(r)) {
			const struct json *row = parse_row(s, it->chunk, r, &reason);
			const char *source = it->chunk->data.data + r->source;
			if (row)
				reason = b && g.request.layout ? layout_row(&g.request, row, record_id(s, it->chunk, r), source, &s->layout, b)
							  : "no_layout";
		} else if (!reason) {
			reason = b && g.request.kind == KIND_DOCUMENTS ? put_document(s, it->chunk, r, b) : "not_a_row";
		}
		it->reject[i] = reason;
	}
	if (b) {
		it->rows = builder_finish(b);
		builder_close(b);
	}
	return OK;
}

/* --- what the output is --------------------------------------------------------------------- */

static enum status parse_map(struct error *err)
{
	g.map = mem_array((size_t)opts.map.n + 1, sizeof(*g.map));
	for (int i = 0; i < opts.map.n; i++) {
		const char *word = opts.map.items[i], *eq = strchr(word, '=');
		if (!eq || eq == word || !eq[1])
			return error_set(err, ERR_USAGE, "--map wants TO=FROM, not '%s'", word);
		g.map[i] = (struct layout_map){ mem_strndup(word, (size_t)(eq - word)), eq + 1 };
	}
	g.request.map = g.map;
	g.request.n_map = opts.map.n;
	return OK;
}

static enum status check_options(struct error *err)
{
	static const enum kind kinds[] = { KIND_OTHER, KIND_DOCUMENTS, KIND_CHAT, KIND_PROBLEMS, KIND_PREFERENCES, KIND_FEEDBACK,
					   KIND_STEPWISE };
	g.request.kind = kinds[opts.as];
	if (opts.split && !*opts.split)
		return error_set(err, ERR_USAGE, "--split-on wants 'line', 'paragraph' or a separator");
	if (opts.layout && !(g.request.layout = layout_find(opts.layout))) {
		struct buf b = {0};
		layout_names(&b);
		enum status st = error_set(err, ERR_USAGE, "no layout '%s'; there are %s", opts.layout, b.data);
		buf_release(&b);
		return st;
	}
	return parse_map(err);
}

/* The first good row of the first chunk that has one decides; before any row, text does. */
static enum status settle(const struct chunk *c, struct error *err)
{
	struct scratch *s = &g.driver;
	const char *reason;
	bool text = false;
	for (int64_t i = 0; i < c->n && !(g.request.layout && g.request.kind != KIND_OTHER); i++) {
		const struct raw *r = &c->v[i];
		const struct json *row = is_row(r) ? parse_row(s, c, r, &reason) : NULL;
		text |= !is_row(r) && r->form != RAW_BAD;
		if (!row)
			continue;
		enum status st = layout_guess(&g.request, row, err);
		if (st != OK && (text || g.request.kind == KIND_DOCUMENTS) && st != ERR_USAGE && g.source && tool.files.n && path_is_dir(tool.files.items[0]))
			break;               /* JSON among other files: its rows are rejected one by one */
		if (st != OK)
			return error_prefix(err, st, "%s", record_id(s, c, r));
		if (g.request.kind == KIND_DOCUMENTS || !text)
			break;
	}
	if (g.request.kind == KIND_OTHER && text)
		g.request.kind = KIND_DOCUMENTS;
	return OK;
}

static enum status open_output(struct error *err)
{
	layout_schema(g.request.kind, &g.schema);
	return tool_open_output(&tool, &g.schema, g.request.kind, err);
}

/* --- the stream --------------------------------------------------------------------------------- */

static void free_item(void *arg, void *item)
{
	struct item *it = item;
	(void)arg;
	chunk_free(it->chunk);
	batch_release(it->rows);
	mem_free(it->reject);
	mem_free(it);
}

static enum status read_chunk(void *arg, void **item, struct error *err)
{
	struct chunk *c;
	(void)arg;
	TRY(import_source_next(g.source, &c, err));
	struct item *it = mem_zalloc(sizeof(*it));
	it->chunk = c;
	tool_count_in(&tool, c->n);
	progress_tick(tool.progress, tool.prov.rows_in, 0, "rows", NULL);
	enum status st = tool.out ? OK : settle(c, err);
	it->settled = g.request.kind != KIND_OTHER;
	if (st == OK && it->settled && !tool.out)
		st = open_output(err);
	if (st != OK)
		free_item(NULL, it);
	else
		*item = it;
	return st;
}

static enum status write_chunk(void *arg, void *item, struct error *err)
{
	struct item *it = item;
	struct scratch *s = &g.driver;
	(void)arg;
	for (int64_t i = 0; i < it->chunk->n; i++) {
		const struct raw *r = &it->chunk->v[i];
		const char *reason = it->reject[i];
		if (!reason)
			continue;
		const char *id = record_id(s, it->chunk, r);
		if (!g.bad.text[0])
			error_set(&g.bad, OK, "%s: %s", id, reason);
		if (opts.strict)
			return error_set(err, ERR_DATA, "%s: %s", id, reason);
		struct buf text = {0};
		text_append_valid(&text, it->chunk->data.data + r->at, r->n);
		enum status st = tool_reject_text(&tool, id, text.len ? text.data : "", text.len, reason, err);
		buf_release(&text);
		TRY(st);
	}
	return it->rows && it->rows->rows ? tool_write(&tool, it->rows, err) : OK;
}

static void on_input(void *arg, const struct provenance_input *in)
{
	(void)arg;
	tool_add_input_entry(&tool, in);
}

static void on_warning(void *arg, const char *text)
{
	(void)arg;
	if (!tool.quiet)
		tool_warn(&tool, "%s", text);
}

static enum status stream(struct error *err)
{
	struct pipeline pl = { read_chunk, work, write_chunk, free_item, NULL, 0, NULL };
	enum status st = pool_pipeline(tool.pool, &pl, err);
	if (st != OK && st != END)
		return st;
	if (!tool.out || (writer_rows(tool.out) == 0 && builder_rows(writer_builder(tool.out)) == 0))
		return error_set(err, ERR_DATA, "nothing to import%s%s", g.bad.text[0] ? ": " : "", g.bad.text);
	tool_stat_string(&tool, "kind", kind_name(g.request.kind));
	if (g.request.layout)
		tool_stat_string(&tool, "layout", layout_name(g.request.layout));
	return tool_commit(&tool, err);
}

/* What a conversation lost but for its meta: who trains on it teaches empty answers in the place of calls, and images unseen. */
static void tell_losses(int threads)
{
	int64_t tools = 0, media = 0;
	for (int i = 0; i < threads; i++) {
		tools += g.scratch[i].layout.tools;
		media += g.scratch[i].layout.media;
	}
	if (tools && !tool.quiet)
		tool_warn(&tool, "%lld rows have tools or call them, which only their meta tells: the trainers, tokenize-bpe and generate take JSON "
			  "Lines with messages and tools as they are, without import", (long long)tools);
	if (media && !tool.quiet)
		tool_warn(&tool, "%lld rows have images or other parts that are no text: they are left out, but for meta", (long long)media);
}

static void scratch_release(struct scratch *s)
{
	json_parser_close(s->parser);
	layout_scratch_release(&s->layout);
	extracted_release(&s->text);
	arena_release(&s->arena);
	buf_release(&s->id);
}

static enum import_split split_of(const char *what)
{
	return !what ? SPLIT_NONE : strcmp(what, "line") == 0 ? SPLIT_LINES : strcmp(what, "paragraph") == 0 ? SPLIT_PARAGRAPHS : SPLIT_STRING;
}

static enum status run(struct error *err)
{
	TRY(check_options(err));
	struct import_options o = {
		.form = (enum import_form)opts.from, .split = split_of(opts.split), .separator = opts.split,
		.max_bytes = (size_t)opts.max_bytes, .paths = tool.files.items, .n_paths = tool.files.n,
		.input = on_input, .warn = on_warning,
	};
	int threads = pool_threads(tool.pool);
	g.scratch = mem_array((size_t)threads, sizeof(*g.scratch));
	for (int i = 0; i < threads; i++)
		g.scratch[i].parser = json_parser_open();
	g.driver.parser = json_parser_open();
	g.source = import_source_open(&o);
	enum status st = stream(err);
	if (st == OK)
		tell_losses(threads);
	import_source_close(g.source);
	for (int i = 0; i < threads; i++)
		scratch_release(&g.scratch[i]);
	scratch_release(&g.driver);
	mem_free(g.scratch);
	for (int i = 0; i < opts.map.n && g.map; i++)
		mem_free((void *)g.map[i].to);
	mem_free(g.map);
	return st;
}

int main(int argc, char **argv)
{
	struct error err;
	tool_start(&tool, argc, argv);
	int code = tool_end(&tool, run(&err), &err);
	schema_release(&g.schema);
	return code;
}
