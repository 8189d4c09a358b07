/* quern report - one page on what was done: results, comparisons, training, data, streams, provenance.
 *
 * Operands are run directories, streams, evaluations and summaries in any mix (report/inputs.h); each section (report/sections.h) takes
 * what there is for it. The page needs nothing else: no network, no scripts. */
#include "common/tool.h"
#include "report/sections.h"

#include <string.h>
#include <unistd.h>

enum form { FORM_AUTO, FORM_HTML, FORM_MARKDOWN };

static struct {
	int form;
	const char *title, *svg, *png, *by;
	int64_t rows, watch;
	double smooth;
} opts = { .rows = 6, .smooth = 0.9 };

static struct opt options[] = {
	OPT_GROUP("Page"),
	OPT_CHOICE(0, "format", &opts.form, "auto|html|markdown", "form of the page; auto is Markdown on a terminal, HTML else"),
	OPT_STRING(0, "title", &opts.title, "TEXT", "the page's title; else that of its inputs"),
	OPT_INT('n', "rows", &opts.rows, "N", 0, 1000, "rows of a stream, and flipped rows of each kind, that are shown"),
	OPT_DOUBLE(0, "smooth", &opts.smooth, "X", 0, 0.9999, "weight of the past in a curve's moving average"),
	OPT_STRING(0, "by", &opts.by, "NAME", "break comparisons down by this column, or member of the document; source, if there is one"),
	OPT_STRING(0, "svg", &opts.svg, "DIR", "write each figure to DIR as a file of its own, too"),
	OPT_STRING(0, "png", &opts.png, "DIR", "the same as PNG, by the program rsvg-convert"),
	OPT_INT(0, "watch", &opts.watch, "SECONDS", 0, 86400, "write the page anew while its runs go on, so often"),
	OPT_END,
};

static struct tool tool = {
	.name = "report", .summary = "one page on runs, streams and evaluations", .operands = "FILE|DIR ...", .options = options,
	.min_operands = 1, .max_operands = -1,
};

static bool going_on(const struct inputs *in)
{
	for (int i = 0; i < in->n_runs; i++)
		if (path_is_dir(in->runs[i].path) && !in->runs[i].done)
			return true;
	return false;
}

static enum status write_page(struct page *p, struct error *err)
{
	struct buf text = { 0 };
	struct output *out;
	enum status st;

	page_finish(p, &text);
	st = output_open(&out, tool.out_path, err);
	if (st == OK) {
		st = output_write(out, text.data, text.len, err);
		if (st == OK)
			st = output_commit(out, err);
		else
			output_abort(out);
	}
	buf_release(&text);
	return st;
}

/* Reads all anew and writes the page; *again: a run goes on. */
static enum status make_page(bool *again, struct error *err)
{
	struct section_options o = { .smooth = opts.smooth, .rows = (int)opts.rows, .seed = (uint64_t)tool.seed, .by = opts.by };
	struct inputs in = { .rows = (int)opts.rows };
	bool markdown = opts.form == FORM_MARKDOWN || (opts.form == FORM_AUTO && !tool.out_path && isatty(STDOUT_FILENO));
	struct buf names = { 0 };
	struct page p;
	enum status st = OK;

	page_init(&p, markdown ? PAGE_MARKDOWN : PAGE_HTML);
	p.svg_dir = opts.svg;
	p.png_dir = opts.png;
	p.err = err;
	for (int i = 0; i < tool.files.n && st == OK; i++) {
		buf_printf(&names, "%s%s", i ? ", " : "", tool.files.items[i]);
		st = inputs_read(&in, tool.files.items[i], err);
	}
	if (st == OK) {
		inputs_name_models(&in);
		p.title = opts.title ? opts.title : "Report";
		p.subtitle = names.data;
		p.refresh = opts.watch && going_on(&in) ? (int)opts.watch : 0;
		*again = p.refresh > 0;
		st = sections_write(&p, &in, &o, err);
	}
	if (st == OK)
		st = p.status;
	if (st == OK)
		st = write_page(&p, err);
	page_release(&p);
	inputs_release(&in);
	buf_release(&names);
	return st;
}

static enum status run(struct error *err)
{
	bool again = false;

	if (opts.watch && (!tool.out_path || !strcmp(tool.out_path, "-")))
		return error_set(err, ERR_USAGE, "--watch writes the page again and again: -o FILE is needed");
	if (opts.svg)
		TRY(dir_make(opts.svg, err));
	if (opts.png)
		TRY(dir_make(opts.png, err));
	TRY(make_page(&again, err));
	while (again && !tool_interrupted()) {
		sleep((unsigned)opts.watch);             /* a signal ends it */
		if (!tool_interrupted())
			TRY(make_page(&again, err));
	}
	return OK;
}

int main(int argc, char **argv)
{
	struct error err;
	tool_start(&tool, argc, argv);
	return tool_end(&tool, run(&err), &err);
}
