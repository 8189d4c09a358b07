/* dedup.c - drops or cuts what was there before: equal texts, nearly equal ones, what stands in a test set.
 *
 * Rows that share something with --against go while they are read, and so do equal texts where the first stays and the keys fit into memory.
 * For the rest the rows pass twice: first the method (text/dedup.h) takes from each what it has to know, then it gives each its verdict.
 * Output is in input order. */
#include "common/tool.h"

#include "text/dedup_passes.h"
#include "text/dedup_report.h"

#include <unistd.h>

#define SUBSTRING_USUAL (-1)         /* --substring without N: what deduplicate-text-datasets takes, whose 50 tokens have two bytes each */
#define USUAL_TOKENS 50
#define USUAL_BYTES 100

enum stage { STAGE_ALL, STAGE_SIGN, STAGE_GROUP, STAGE_CLUSTER, STAGE_FILTER };

static struct {
	bool exact, minhash, paragraph, line, verify, chars, within, cut, check, compact;
	int by, keep, stage;
	const char *ignore, *prefer, *preset, *clusters, *index, *part, *work, *memory, *tmp;
	int64_t ngram, bands, rows, permutations, minhash_seed, overlap;
	int64_t min_bytes, substring;
	double threshold, max_share;
	struct opt_list against;
} opts = {.ignore = "none", .preset = "quern", .permutations = 112, .ngram = 5, .bands = 14, .rows = 8, .minhash_seed = 1, .threshold = 0.75, .max_share = 1};

static struct opt options[] = {
	OPT_GROUP("What counts as a duplicate (by default --exact and --minhash)"),
	OPT_FLAG(0, "exact", &opts.exact, "the same text"),
	OPT_FLAG(0, "minhash", &opts.minhash, "nearly the same text: shingles in common, found by MinHash"),
	OPT_FLAG(0, "paragraph", &opts.paragraph, "cut paragraphs of documents that come more than once in all of them"),
	OPT_FLAG(0, "line", &opts.line, "the same of lines"),
	{.type = OPT_TYPE_INT, .name = "substring", .value = &opts.substring, .arg = "N", .min = 1, .max = 1e9, .alone = SUBSTRING_USUAL,
	 .help = "the same of all spans of N bytes and more, or of N tokens where rows are tokens; without N 50 tokens, or 100 bytes"},
	OPT_CHOICE(0, "by", &opts.by, "auto|text|prompt|last",
		   "what is compared: text is a document's text, or all user and assistant turns; prompt the user turns; last the last of "
		   "them; auto is text, but prompt where one side is problems"),
	OPT_STRING(0, "ignore", &opts.ignore, "WORDS", "what --exact, --paragraph and --line put aside: none, or of case,space,punctuation,digits,form, or all"),
	OPT_GROUP("Which of several stays"),
	OPT_CHOICE(0, "keep", &opts.keep, "first|longest|none", "the first, the longest (the first of those), or none"),
	OPT_STRING(0, "prefer", &opts.prefer, "EXPR",
		   "the one with the largest value of a column (the least with - before it) or for which a condition holds, the first of those"),
	OPT_GROUP("Parts of documents"),
	OPT_INT(0, "min-bytes", &opts.min_bytes, "N", 0, 1e9, "leave paragraphs and lines alone that are shorter"),
	OPT_DOUBLE(0, "max-share", &opts.max_share, "S", 0, 1, "drop a row of which more than this share would be cut"),
	OPT_GROUP("MinHash"),
	OPT_STRING(0, "preset", &opts.preset, "NAME",
		   "quern, datatrove-0.10 or fineweb-v1: how text becomes shingles, and all of the below; "
		   "with --line what c4, cc_net or dolma ignore and keep"),
	OPT_INT(0, "ngram", &opts.ngram, "N", 1, 1000, "words in a shingle"),
	OPT_FLAG(0, "chars", &opts.chars, "shingles are of characters, not words"),
	OPT_DOUBLE(0, "threshold", &opts.threshold, "S", 0.01, 1,
		   "texts of this Jaccard similarity are duplicates: chooses --bands and --rows, and is what --verify asks for"),
	OPT_INT(0, "permutations", &opts.permutations, "N", 1, MINHASH_MAX, "with --threshold, bands times rows at most"),
	OPT_INT(0, "bands", &opts.bands, "N", 1, MINHASH_MAX, "bands of the signature"),
	OPT_INT(0, "rows", &opts.rows, "N", 1, MINHASH_MAX, "values in a band"),
	OPT_INT(0, "minhash-seed", &opts.minhash_seed, "N", 0, 4294967295.0, "seed of the permutations"),
	OPT_FLAG(0, "verify", &opts.verify, "a pair that shares a band counts only if its true Jaccard similarity reaches the threshold"),
	OPT_GROUP("Against what"),
	OPT_LIST(0, "against", &opts.against, "FILE", "drop rows with a duplicate in FILE, and by itself only those"),
	OPT_INT(0, "overlap", &opts.overlap, "N", 0, 1000, "with --against, rows that share N words in a row with FILE (13 is usual)"),
	OPT_FLAG(0, "cut", &opts.cut, "with --overlap, cut those words out of documents, and drop only what --max-share says"),
	OPT_FLAG(0, "within", &opts.within, "with --against, drop duplicates among the rows themselves too"),
	OPT_STRING(0, "index", &opts.index, "DIR", "drop what earlier runs with this index have seen too, and add the rows of this run to it"),
	OPT_FLAG(0, "compact", &opts.compact, "put the runs of the index together in one"),
	OPT_FLAG(0, "check", &opts.check, "write no rows; exit 3 if any would be dropped"),
	OPT_GROUP("In stages, by several processes"),
	OPT_CHOICE(0, "stage", &opts.stage, "all|sign|group|cluster|filter", "which to do, for part K of N: cluster is one for all parts"),
	OPT_STRING(0, "part", &opts.part, "K/N", "which part; the operands of sign and filter are its files"),
	OPT_STRING(0, "work", &opts.work, "DIR", "where stages leave what the next ones need"),
	OPT_GROUP("More"),
	{.type = OPT_TYPE_STRING, .name = "clusters", .value = &opts.clusters, .arg = "FILE", .no_provenance = true,
	 .help = "write here, for each dropped row, its id, the id of the row that it duplicates, the reason and how similar they are"},
	{.type = OPT_TYPE_STRING, .name = "memory", .value = &opts.memory, .arg = "BYTES", .no_provenance = true,
	 .help = "what may be held in memory (such as 8G; default half of the machine's); more goes to disk"},
	{.type = OPT_TYPE_STRING, .name = "tmp", .value = &opts.tmp, .arg = "DIR", .no_provenance = true,
	 .help = "where that is (default $TMPDIR, else /tmp)"},
	OPT_END,
};

static struct tool tool = {
	.name = "dedup",
	.summary = "drop duplicate and near-duplicate rows",
	.operands = "[FILE ...]",
	.options = options,
	.max_operands = -1,
};

/* --- rows in and out -------------------------------------------------------------------------------- */

static enum status next(void *arg, struct batch **b, struct error *err)
{
	return tool_next(arg, b, err);
}

static enum status keep(void *arg, struct batch *b, struct error *err)
{
	return opts.check ? OK : tool_write(arg, b, err);
}

static enum status drop(void *arg, struct batch *b, int64_t row, const char *reason, struct error *err)
{
	return tool_reject(arg, b, row, reason, err);
}

static struct dedup_common common;
static struct dedup_passes passes = {.next = next, .keep = keep, .drop = drop, .arg = &tool};

/* --- options -------------------------------------------------------------------------------------- */

static bool given(const char *name)
{
	for (const struct opt *o = options; o->type != OPT_TYPE_END; o++)
		if (o->type != OPT_TYPE_GROUP && strcmp(o->name, name) == 0)
			return o->given;
	return false;
}

/* Parts of rows, not whole ones, come or go. */
static bool cuts_text(void)
{
	return opts.paragraph || opts.line || opts.substring;
}

static enum status check_together(struct error *err)
{
	const bool against = opts.against.n > 0, cuts = cuts_text();
	const int methods = opts.exact + opts.minhash + opts.paragraph + opts.line + (opts.substring != 0) + against;
	const struct { bool wrong; const char *why; } rules[] = {
		{cuts && methods > 1, "--paragraph, --line and --substring go alone: run dedup once more for what else is to be compared"},
		{given("preset") && cuts && !opts.line, "--preset goes with --minhash or with --line"},
		{given("preset") && opts.line && (given("ignore") || given("keep")), "--preset says what --line ignores and keeps"},
		{cuts && opts.prefer, "--prefer chooses among rows, not among parts of them"},
		{opts.overlap && !against, "--overlap goes with --against"},
		{opts.within && !against, "--within goes with --against"},
		{opts.within && opts.overlap && !opts.exact && !opts.minhash,
		 "--within needs --exact or --minhash; --overlap compares with --against only"},
		{opts.cut && (!opts.overlap || opts.within), "--cut goes with --overlap, and without --within"},
		{opts.index && (cuts || (against && !opts.within)), "--index goes with --exact and --minhash, and after --against with --within"},
		{(opts.part || opts.work) && !opts.stage, "--part and --work go with --stage"},
		{opts.stage && (!opts.part || !opts.work), "--stage goes with --work DIR and --part K/N, such as 3/8"},
		{opts.stage && (cuts || against || opts.index || opts.check),
		 "--stage is for --exact and --minhash, without --against, --index and --check"},
		{opts.compact && !opts.index, "--compact goes with --index"},
		{opts.check && (tool.out_path || tool.rejects_path), "--check writes no rows, so -o and --rejects have no use"},
		{opts.verify && !opts.minhash && methods > against, "--verify goes with --minhash"},
		{opts.verify && against && !opts.within, "--verify is for duplicates among the rows: with --against it needs --within"},
		{opts.prefer && opts.keep != KEEP_FIRST, "--prefer and --keep exclude each other"},
	};
	const char *other;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].wrong)
			return error_set(err, ERR_USAGE, "%s", rules[i].why);
	return !tool_writes(&tool, opts.clusters, &other) ? OK
		: error_set(err, ERR_USAGE, "--clusters %s: %s goes there too", opts.clusters, other);
}

static enum status set_common(struct error *err)
{
	double memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / 2;
	if (opts.memory && (opt_number(opts.memory, &memory, err) != OK || !(memory >= 1 && memory < 1e18)))
		return error_set(err, ERR_USAGE, "--memory: a number of bytes such as 8G is wanted, not '%s'", opts.memory);
	common = (struct dedup_common){
		.pool = tool.pool, .memory = (size_t)memory, .tmp = opts.tmp, .by = (enum compare_by)opts.by,
		.keep = opts.prefer ? KEEP_BEST : (enum keep)opts.keep, .ids = opts.clusters != NULL,
	};
	return error_prefix(err, fold_parse(opts.ignore, &common.folds, err), "--ignore");
}

/* A preset, and what was said besides. */
static enum status set_recipe(struct minhash_recipe *r, struct error *err)
{
	TRY(error_prefix(err, minhash_preset(r, opts.preset, err), "--preset"));
	if (given("threshold")) {
		r->threshold = opts.threshold;
		minhash_bands(r->threshold, (int)opts.permutations, &r->bands, &r->rows);
	}
	if (given("bands"))
		r->bands = (int)opts.bands;
	if (given("rows"))
		r->rows = (int)opts.rows;
	if (given("ngram"))
		r->ngram = (int)opts.ngram;
	if (given("minhash-seed"))
		r->seed = (uint32_t)opts.minhash_seed;
	if (opts.chars)
		r->unit = MINHASH_CHARS;
	return OK;
}

static enum status check_options(struct dedup_rows *rows, struct error *err)
{
	TRY(check_together(err));
	TRY(set_common(err));
	if (!opts.exact && !opts.minhash && !opts.overlap && !cuts_text())
		opts.exact = opts.minhash = true;
	*rows = (struct dedup_rows){.exact = opts.exact, .minhash = opts.minhash, .verify = opts.verify, .prefer = opts.prefer, .index = opts.index};
	return cuts_text() ? OK : set_recipe(&rows->recipe, err);
}

/* --- inputs and methods ----------------------------------------------------------------------------- */

static enum status open_inputs(struct error *err)
{
	static const enum kind parts[] = {KIND_DOCUMENTS, KIND_TOKENS};
	if (cuts_text() || opts.cut)
		TRY(tool_open_inputs(&tool, parts, opts.substring ? 2 : 1, err));
	else
		TRY(tool_open_inputs(&tool, compare_kinds, compare_kinds_n, err));
	if (opts.cut)
		common.by = COMPARE_TEXT;
	return common.by == COMPARE_AUTO ? compare_choose(tool_kind(&tool), opts.against.items, opts.against.n, &common.by, err) : OK;
}

static enum status open_against(const struct dedup_rows *rows, struct error *err)
{
	struct dedup_against o = {rows->exact, rows->minhash, rows->recipe, (int)opts.overlap, opts.cut, opts.max_share};
	TRY(dedup_against_open(&passes.tests, &common, &o, err));
	for (int i = 0; i < opts.against.n; i++) {
		struct provenance_input entry = {.rows = -1};
		enum status st = dedup_against_load(&passes.tests, opts.against.items[i], tool.pool, &entry, err);
		if (st == OK)
			tool_add_input_entry(&tool, &entry);
		provenance_input_release(&entry);
		TRY(st);
	}
	return OK;
}

static enum status open_method(struct dedup_rows *rows, struct error *err)
{
	struct dedup_parts parts = {.lines = opts.line, .bytes_min = (size_t)opts.min_bytes, .share_max = opts.max_share};
	const bool tokens = tool_kind(&tool) == KIND_TOKENS;
	const int64_t usual = tokens ? USUAL_TOKENS : USUAL_BYTES;
	const struct dedup_substring substring = {opts.substring == SUBSTRING_USUAL ? usual : opts.substring, tokens, opts.max_share};
	if (opts.substring)
		return dedup_substring_open(&passes.method, &common, &substring, err);
	if (given("preset") && cuts_text())
		TRY(error_prefix(err, dedup_parts_preset(opts.preset, &parts, &common, err), "--preset"));
	if (cuts_text())
		return dedup_parts_open(&passes.method, &common, &parts, err);
	rows->schema = tool_schema(&tool);
	rows->at_once = opts.against.n == 0;
	return dedup_rows_open(&passes.method, &common, rows, err);
}

/* What is left by --against is not what is in the files. */
static enum status open_methods(struct dedup_rows *rows, struct error *err)
{
	if (opts.against.n)
		TRY(open_against(rows, err));
	if (opts.against.n && !opts.within)
		return OK;
	TRY(open_method(rows, err));
	passes.twice = twice_open(tool.files.items, opts.against.n ? 0 : tool.files.n, tool_schema(&tool), opts.tmp);
	return OK;
}

/* --- outputs ---------------------------------------------------------------------------------------- */

static void tell(void *arg, const char *key, int64_t n)
{
	tool_stat_int(arg, key, n);
}

static enum status open_outputs(struct error *err)
{
	struct writer_options o = tool_writer_options(&tool);
	if (opts.clusters)
		TRY(dedup_report_open(&passes.report, opts.clusters, &o, err));
	return opts.check ? OK : tool_open_output(&tool, tool_schema(&tool), tool_kind(&tool), err);
}

static void tell_stats(void)
{
	static const char *const by[] = {"auto", "text", "prompt", "last"};
	tool_stat_string(&tool, "by", by[common.by]);
	if (passes.tests.self && passes.tests.stats)
		passes.tests.stats(passes.tests.self, tell, &tool);
	if (cuts_text() || opts.cut)
		tool_stat_int(&tool, "rows_cut", passes.cut);
	if (passes.method.self)
		passes.method.stats(passes.method.self, tell, &tool);
}

/* The index comes after the output is whole: a run that is killed between the two is done again, and drops nothing as seen that nobody has. */
static enum status commit(struct error *err)
{
	struct dedup_report *report = passes.report;
	passes.report = NULL;
	if (report)
		TRY(dedup_report_commit(report, err));
	TRY(tool_commit(&tool, err));
	return opts.index && !opts.check ? dedup_rows_commit(&passes.method, opts.compact, tell, &tool, err) : OK;
}

static void close_all(void)
{
	dedup_report_abort(passes.report);
	twice_close(passes.twice);
	if (passes.tests.self)
		passes.tests.close(passes.tests.self);
	if (passes.method.self)
		passes.method.close(passes.method.self);
}

/* --- the job, in stages or at once ------------------------------------------------------------------ */

static enum status run_stage(struct dedup_rows *rows, struct error *err)
{
	struct dedup_stage s = {.dir = opts.work};
	TRY(dedup_stage_part(&s, opts.part, err));
	dedup_rows_stage(&s, &common, rows);
	if (opts.stage == STAGE_GROUP)
		return dedup_stage_group(&s, err);
	if (opts.stage == STAGE_CLUSTER)
		return dedup_stage_cluster(&s, tell, &tool, err);
	TRY(open_inputs(err));
	if (opts.stage == STAGE_FILTER) {
		TRY(dedup_filter_open(&passes.tests, &s, rows, &passes.number, err));
		TRY(open_outputs(err));
		TRY(dedup_pass_first(&passes, err));
		return commit(err);
	}
	rows->signs = true;
	TRY(open_method(rows, err));
	TRY(dedup_pass_first(&passes, err));
	return dedup_rows_sign(&passes.method, &s, err);
}

static enum status run(struct error *err)
{
	struct dedup_rows rows;
	TRY(check_options(&rows, err));
	passes.pool = tool.pool;
	if (opts.stage)
		return run_stage(&rows, err);
	TRY(open_inputs(err));
	TRY(open_methods(&rows, err));
	TRY(open_outputs(err));
	TRY(dedup_pass_first(&passes, err));
	TRY(dedup_pass_rest(&passes, err));
	tell_stats();
	TRY(commit(err));
	int64_t changed = passes.dropped + passes.cut;
	if (opts.check && changed)
		return error_set(err, ERR_DATA, "%lld row%s would be dropped%s", (long long)changed, changed == 1 ? "" : "s",
				 cuts_text() || opts.cut ? " or cut" : "");
	return OK;
}

int main(int argc, char **argv)
{
	struct error err = {{0}};
	tool_start(&tool, argc, argv);
	enum status st = run(&err);
	close_all();
	return tool_end(&tool, st, &err);
}
