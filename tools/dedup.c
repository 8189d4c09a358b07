/* dedup.c - drops or cuts what was there before: equal texts, nearly equal ones, what stands in a test set.
 *
 * Rows that share something with --against go while they are read. For the rest the rows pass twice: first the method (text/dedup.h)
 * takes from each what it has to know, then it gives each its verdict. Output is in input order. */
#include "common/tool.h"

#include "stream/twice.h"
#include "text/dedup.h"
#include "text/dedup_report.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

enum stage { STAGE_ALL, STAGE_SIGN, STAGE_GROUP, STAGE_CLUSTER, STAGE_FILTER };

static struct {
	bool exact, minhash, paragraph, line, verify, chars, within, cut, check, compact;
	int by, keep, stage;
	const char *ignore, *prefer, *preset, *clusters, *index, *part, *work, *memory_arg, *tmp;
	int64_t ngram, bands, rows, permutations, minhash_seed, overlap;
	int64_t min_bytes, substring;
	double threshold, memory, max_share;
	struct opt_list against;
} opts = {.ignore = "none", .preset = "quern", .permutations = 112, .ngram = 5, .bands = 14, .rows = 8, .minhash_seed = 1, .threshold = 0.75, .max_share = 1};

static struct opt options[] = {
	OPT_GROUP("What counts as a duplicate (by default --exact and --minhash)"),
	OPT_FLAG(0, "exact", &opts.exact, "the same text"),
	OPT_FLAG(0, "minhash", &opts.minhash, "nearly the same text: shingles in common, found by MinHash"),
	OPT_FLAG(0, "paragraph", &opts.paragraph, "cut paragraphs of documents that come more than once in all of them"),
	OPT_FLAG(0, "line", &opts.line, "the same of lines"),
	OPT_INT(0, "substring", &opts.substring, "N", 0, 1e9, "the same of all spans of N bytes and more (100 is usual)"),
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
	OPT_DOUBLE(0, "max-share", &opts.max_share, "S", 0, 1, "drop a document of which more than this share of bytes would be cut"),
	OPT_GROUP("MinHash"),
	OPT_STRING(0, "preset", &opts.preset, "NAME", "quern, datatrove-0.10 or fineweb-v1: how text becomes shingles, and all of the below"),
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
	{.type = OPT_TYPE_STRING, .name = "memory", .value = &opts.memory_arg, .arg = "BYTES", .no_provenance = true,
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

static struct {
	struct dedup_common common;
	struct minhash_recipe recipe;
	struct dedup_method tests, method;   /* of one pass, and of two; self is NULL where there is none */
	struct dedup_index *index;
	struct twice *twice;
	struct dedup_report *clusters;
	int64_t number, dropped, cut;        /* of rows in the input */
} job;

/* --- batches on their way ------------------------------------------------------------------------ */

struct item {
	struct batch *b;             /* as read */
	void *tests;                 /* facts about it */
	struct batch *rest;          /* rows that pass the tests */
	void *facts;                 /* about rest */
};

static enum status make_item(struct batch *b, void **out)
{
	struct item *it = mem_zalloc(sizeof(*it));
	it->b = b;
	*out = it;
	return OK;
}

static void free_item(void *arg, void *item)
{
	struct item *it = item;
	(void)arg;
	if (it->tests)
		job.tests.free_facts(it->tests);
	if (it->facts)
		job.method.free_facts(it->facts);
	batch_release(it->rest);
	batch_release(it->b);
	mem_free(it);
}

static enum status write_rows(struct batch *b, struct error *err)
{
	return opts.check || b->rows == 0 ? OK : tool_write(&tool, b, err);
}

/* The rows keep[0..n) of b; b itself where that is all of them. */
static struct batch *take(struct batch *b, const int64_t *keep, int64_t n)
{
	return n == b->rows ? batch_retain(b) : batch_take(b, keep, n);
}

/* Appends a row, with another text if the verdict has one. */
static void copy_row(struct builder *to, const struct batch *b, int64_t row, const struct verdict *v)
{
	int text = schema_find(b->schema, "text");
	for (int i = 0; i < b->schema->n_fields; i++) {
		if (v->text && i == text)
			column_text(builder_column(to, i), v->text, v->text_bytes);
		else
			column_copy(builder_column(to, i), &b->columns[i], row);
	}
}

/* A row that goes, and why; where it is to be told, also what it shares with another. */
static enum status drop(struct batch *b, int64_t row, const struct verdict *v, struct error *err)
{
	job.dropped += v->reason != NULL;
	if (job.clusters)
		TRY(dedup_report_add(job.clusters, b, row, job.number + row, v, err));
	return v->reason ? tool_reject(&tool, b, row, v->reason, err) : OK;
}

/* Judges the rows of a batch: those that stay are told in keep, or go to cut, as they are then. */
static enum status judge_rows(const struct dedup_method *m, struct batch *b, void *facts, int64_t *keep, int64_t *n, struct builder *cut,
			      struct error *err)
{
	for (int64_t i = 0; i < b->rows; i++) {
		struct verdict v;
		TRY(m->judge(m->self, b, facts, i, &v, err));
		if (v.reason || v.n_hits)
			TRY(drop(b, i, &v, err));
		if (v.reason)
			continue;
		keep[(*n)++] = i;
		job.cut += v.text != NULL;
		if (cut)
			copy_row(cut, b, i, &v);
	}
	return OK;
}

/* The same, and writes them. */
static enum status judge_batch(const struct dedup_method *m, struct batch *b, void *facts, struct error *err)
{
	struct builder *cut = m->cuts ? builder_open(b->schema) : NULL;
	int64_t *keep = mem_array((size_t)b->rows, sizeof(*keep)), n = 0;
	enum status st = judge_rows(m, b, facts, keep, &n, cut, err);
	if (st == OK) {
		struct batch *rest = cut ? builder_finish(cut) : take(b, keep, n);
		st = write_rows(rest, err);
		batch_release(rest);
	}
	builder_close(cut);
	mem_free(keep);
	return st;
}

/* --- first pass ------------------------------------------------------------------------------------ */

static enum status read_first(void *arg, void **out, struct error *err)
{
	struct batch *b;
	(void)arg;
	TRY(tool_next(&tool, &b, err));
	return make_item(b, out);
}

/* The rows that pass the tests, in it->rest: told twice, here and to the user in end_first. */
static enum status test_rows(struct item *it, struct error *err)
{
	int64_t *keep = mem_array((size_t)it->b->rows, sizeof(*keep)), n = 0;
	enum status st = OK;
	for (int64_t i = 0; i < it->b->rows && st == OK; i++) {
		struct verdict v;
		st = job.tests.judge(job.tests.self, it->b, it->tests, i, &v, err);
		if (!v.reason)
			keep[n++] = i;
	}
	it->rest = take(it->b, keep, n);
	mem_free(keep);
	return st;
}

static enum status work_first(void *arg, void *item, int worker, struct error *err)
{
	struct item *it = item;
	(void)arg;
	if (job.tests.facts)
		TRY(job.tests.facts(job.tests.self, it->b, worker, &it->tests, err));
	if (!job.method.self)
		return OK;
	if (job.tests.self)
		TRY(test_rows(it, err));
	else
		it->rest = batch_retain(it->b);
	return job.method.facts ? job.method.facts(job.method.self, it->rest, worker, &it->facts, err) : OK;
}

static enum status end_first(void *arg, void *item, struct error *err)
{
	struct item *it = item;
	(void)arg;
	if (!job.method.self)
		TRY(judge_batch(&job.tests, it->b, it->tests, err));
	for (int64_t i = 0; job.method.self && job.tests.self && i < it->b->rows; i++) {
		struct verdict v;
		TRY(job.tests.judge(job.tests.self, it->b, it->tests, i, &v, err));
		if (v.reason)
			TRY(drop(it->b, i, &v, err));
	}
	job.number += it->b->rows;
	if (job.twice)
		TRY(twice_keep(job.twice, it->rest, err));
	return job.method.self ? job.method.add(job.method.self, it->rest, it->facts, err) : OK;
}

/* Reads the inputs through; of tests of one pass the output is written then. */
static enum status first_pass(struct error *err)
{
	struct pipeline pl = {read_first, work_first, end_first, free_item, NULL, 0, NULL};
	enum status st = pool_pipeline(tool.pool, &pl, err);
	if (st != OK && st != END)
		return st;
	return job.tests.end ? job.tests.end(job.tests.self, err) : OK;
}

/* --- second pass ----------------------------------------------------------------------------------- */

static bool cuts_text(void)
{
	return opts.paragraph || opts.line || opts.substring;
}

static enum status second_pass(struct error *err)
{
	struct batch *b;
	enum status st;
	TRY(job.method.decide(job.method.self, err));
	job.number = 0;
	while ((st = twice_next(job.twice, &b, err)) == OK) {
		st = judge_batch(&job.method, b, NULL, err);
		job.number += b->rows;
		batch_release(b);
		TRY(st);
	}
	return st == END ? OK : st;
}

/* --- set-up --------------------------------------------------------------------------------------- */

static enum status set_memory(struct error *err)
{
	if (opts.memory_arg && (opt_number(opts.memory_arg, &opts.memory, err) != OK || !(opts.memory >= 1 && opts.memory < 1e18)))
		return error_set(err, ERR_USAGE, "--memory: a number of bytes such as 8G is wanted, not '%s'", opts.memory_arg);
	job.common.memory = opts.memory_arg ? (size_t)opts.memory : (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE) / 2;
	return OK;
}

static bool given(const char *name)
{
	for (const struct opt *o = options; o->type != OPT_TYPE_END; o++)
		if (o->type != OPT_TYPE_GROUP && strcmp(o->name, name) == 0)
			return o->given;
	return false;
}

/* A preset, and what was said besides. */
static enum status set_recipe(struct error *err)
{
	struct minhash_recipe *r = &job.recipe;
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

static enum status check_options(struct error *err)
{
	if (cuts_text() && opts.exact + opts.minhash + opts.paragraph + opts.line + (opts.substring > 0) + opts.against.n > 1)
		return error_set(err, ERR_USAGE, "--%s goes alone: run dedup once more for what else is to be compared",
				 opts.line ? "line" : opts.paragraph ? "paragraph" : "substring");
	if (cuts_text() && opts.prefer)
		return error_set(err, ERR_USAGE, "--prefer chooses among rows, not among parts of them");
	if (!opts.exact && !opts.minhash && !opts.overlap && !cuts_text())
		opts.exact = opts.minhash = true;
	if (opts.overlap && opts.against.n == 0)
		return error_set(err, ERR_USAGE, "--overlap goes with --against");
	if (opts.within && opts.against.n == 0)
		return error_set(err, ERR_USAGE, "--within goes with --against");
	if (opts.within && !opts.exact && !opts.minhash)
		return error_set(err, ERR_USAGE, "--within needs --exact or --minhash; --overlap compares with --against only");
	if (opts.cut && (!opts.overlap || opts.within))
		return error_set(err, ERR_USAGE, "--cut goes with --overlap, and without --within");
	if (opts.index && (cuts_text() || opts.verify || (opts.against.n && !opts.within)))
		return error_set(err, ERR_USAGE, "--index goes with --exact and --minhash, without --verify, and after --against with --within");
	if ((opts.part || opts.work) && !opts.stage)
		return error_set(err, ERR_USAGE, "--part and --work go with --stage");
	if (opts.compact && !opts.index)
		return error_set(err, ERR_USAGE, "--compact goes with --index");
	if (opts.check && (tool.out_path || tool.rejects_path))
		return error_set(err, ERR_USAGE, "--check writes no rows, so -o and --rejects have no use");
	if (opts.verify && !opts.minhash)
		return error_set(err, ERR_USAGE, "--verify goes with --minhash");
	if (opts.prefer && opts.keep != KEEP_FIRST)
		return error_set(err, ERR_USAGE, "--prefer and --keep exclude each other");
	job.common.pool = tool.pool;
	job.common.tmp = opts.tmp;
	job.common.keep = opts.prefer ? KEEP_BEST : (enum keep)opts.keep;
	job.common.ids = opts.clusters != NULL;
	TRY(error_prefix(err, fold_parse(opts.ignore, &job.common.folds, err), "--ignore"));
	TRY(set_memory(err));
	return set_recipe(err);
}

/* Files are opened once to see what they hold: problems on either side mean that prompts are compared. */
static enum status choose_by(struct error *err)
{
	job.common.by = (enum compare_by)opts.by;
	if (job.common.by != COMPARE_AUTO)
		return OK;
	job.common.by = tool_kind(&tool) == KIND_PROBLEMS ? COMPARE_PROMPT : COMPARE_TEXT;
	for (int i = 0; i < opts.against.n; i++) {
		struct reader *r;
		TRY(reader_open(&r, opts.against.items[i], NULL, err));
		if (reader_kind(r) == KIND_PROBLEMS)
			job.common.by = COMPARE_PROMPT;
		reader_close(r);
	}
	return OK;
}

static enum status open_against(struct error *err)
{
	struct dedup_against o = {opts.exact, opts.minhash, job.recipe, (int)opts.overlap, opts.cut, opts.max_share};
	TRY(dedup_against_open(&job.tests, &job.common, &o, err));
	for (int i = 0; i < opts.against.n; i++) {
		struct provenance_input entry = {.rows = -1};
		enum status st = dedup_against_load(&job.tests, opts.against.items[i], tool.pool, &entry, err);
		if (st == OK)
			tool_add_input_entry(&tool, &entry);
		provenance_input_release(&entry);
		TRY(st);
	}
	return OK;
}

static enum status open_rows(struct error *err)
{
	struct dedup_rows o = {opts.exact, opts.minhash, job.recipe, opts.verify, opts.prefer, tool_schema(&tool), NULL};
	struct buf identity = {0};
	enum status st = OK;
	dedup_rows_identity(&job.common, &o, &identity);
	if (opts.index)
		st = dedup_index_open(&job.index, opts.index, identity.data, err);
	buf_release(&identity);
	o.index = job.index;
	return st == OK ? dedup_rows_open(&job.method, &job.common, &o, err) : st;
}

static enum status open_method(struct error *err)
{
	struct dedup_parts parts = {opts.line, (size_t)opts.min_bytes, opts.max_share};
	struct dedup_substring substring = {opts.substring, opts.max_share};
	int plain = opts.against.n ? 0 : tool.files.n;       /* what is left by --against is not what is in the files */
	if (opts.substring)
		TRY(dedup_substring_open(&job.method, &job.common, &substring, err));
	else if (cuts_text())
		TRY(dedup_parts_open(&job.method, &job.common, &parts, err));
	else
		TRY(open_rows(err));
	return twice_open(&job.twice, tool.files.items, plain, tool_schema(&tool), opts.tmp, err);
}

/* After the output is whole: a run that is killed between the two is done again, and drops nothing as seen that nobody has. */
static enum status commit_index(struct error *err)
{
	if (!job.index || opts.check)
		return OK;
	TRY(dedup_rows_commit(&job.method, err));
	if (opts.compact)
		TRY(dedup_index_compact(job.index, err));
	tool_stat_int(&tool, "index_rows", (int64_t)dedup_index_rows(job.index));
	tool_stat_int(&tool, "index_runs", dedup_index_segments(job.index));
	return OK;
}

static enum status open_all(struct error *err)
{
	TRY(tool_open_inputs(&tool, compare_kinds, cuts_text() || opts.cut ? 1 : compare_kinds_n, err));
	TRY(choose_by(err));
	if (opts.cut && job.common.by != COMPARE_TEXT)
		job.common.by = COMPARE_TEXT;
	if (opts.against.n)
		TRY(open_against(err));
	if (!opts.against.n || opts.within)
		TRY(open_method(err));
	struct writer_options o = tool_writer_options(&tool);
	if (opts.clusters)
		TRY(dedup_report_open(&job.clusters, opts.clusters, &o, err));
	return opts.check ? OK : tool_open_output(&tool, tool_schema(&tool), tool_kind(&tool), err);
}

static void close_all(void)
{
	dedup_report_abort(job.clusters);
	twice_close(job.twice);
	if (job.tests.self)
		job.tests.close(job.tests.self);
	if (job.method.self)
		job.method.close(job.method.self);
	dedup_index_close(job.index);
}

static void tell(void *arg, const char *key, int64_t n)
{
	(void)arg;
	tool_stat_int(&tool, key, n);
}

/* --- stages ----------------------------------------------------------------------------------------- */

static enum status sign_part(const struct dedup_stage *s, struct error *err)
{
	TRY(tool_open_inputs(&tool, compare_kinds, compare_kinds_n, err));
	TRY(choose_by(err));
	TRY(open_rows(err));
	TRY(first_pass(err));
	return dedup_rows_sign(&job.method, s, err);
}

static enum status filter_part(const struct dedup_stage *s, struct error *err)
{
	TRY(dedup_filter_open(&job.tests, s, !opts.minhash, err));
	TRY(tool_open_inputs(&tool, compare_kinds, compare_kinds_n, err));
	TRY(tool_open_output(&tool, tool_schema(&tool), tool_kind(&tool), err));
	TRY(first_pass(err));
	return tool_commit(&tool, err);
}

static enum status parse_part(struct dedup_stage *s, struct error *err)
{
	int used = 0;
	if (!opts.work || !opts.part || sscanf(opts.part, "%d/%d%n", &s->part, &s->parts, &used) != 2 || opts.part[used] || s->part < 1 ||
	    s->part > s->parts || s->parts > 100000)
		return error_set(err, ERR_USAGE, "--stage goes with --work DIR and --part K/N, such as 3/8");
	if (cuts_text() || opts.against.n || opts.index || opts.verify || opts.check || opts.clusters)
		return error_set(err, ERR_USAGE, "--stage is for --exact and --minhash, without --verify, --against, --index, --check and --clusters");
	return OK;
}

static enum status run_stage(struct error *err)
{
	static const enum clusters_keep keeps[] = {
		[KEEP_FIRST] = CLUSTERS_FIRST, [KEEP_LONGEST] = CLUSTERS_RANKED, [KEEP_BEST] = CLUSTERS_RANKED, [KEEP_NONE] = CLUSTERS_NONE,
	};
	struct dedup_stage s = {.dir = opts.work, .memory = job.common.memory, .tmp = opts.tmp, .pool = tool.pool, .keep = keeps[job.common.keep]};
	struct dedup_rows rows = {.exact = opts.exact, .minhash = opts.minhash, .recipe = job.recipe};
	struct buf identity = {0};
	TRY(parse_part(&s, err));
	job.common.by = (enum compare_by)opts.by;    /* auto is auto in all parts */
	dedup_rows_identity(&job.common, &rows, &identity);
	if (opts.prefer)
		buf_printf(&identity, ", prefer %s", opts.prefer);
	s.identity = identity.data;
	enum status st = OK;
	struct clusters_stats stats;
	if (opts.stage == STAGE_SIGN)
		st = sign_part(&s, err);
	else if (opts.stage == STAGE_GROUP)
		st = dedup_stage_group(&s, err);
	else if (opts.stage == STAGE_CLUSTER && (st = dedup_stage_cluster(&s, &stats, err)) == OK)
		tool_stat_int(&tool, "clusters", stats.clusters);
	else if (opts.stage == STAGE_FILTER)
		st = filter_part(&s, err);
	buf_release(&identity);
	return st;
}

/* --- all at once ------------------------------------------------------------------------------------ */

static enum status run(struct error *err)
{
	static const char *const by[] = {"auto", "text", "prompt", "last"};
	TRY(check_options(err));
	if (opts.stage)
		return run_stage(err);
	TRY(open_all(err));
	TRY(first_pass(err));
	if (job.method.self)
		TRY(second_pass(err));
	tool_stat_string(&tool, "by", by[job.common.by]);
	if (job.tests.self)
		job.tests.stats(job.tests.self, tell, NULL);
	if (cuts_text() || opts.cut)
		tool_stat_int(&tool, "rows_cut", job.cut);
	if (job.method.self)
		job.method.stats(job.method.self, tell, NULL);
	if (job.clusters) {
		struct dedup_report *r = job.clusters;
		job.clusters = NULL;
		TRY(dedup_report_commit(r, err));
	}
	TRY(tool_commit(&tool, err));
	TRY(commit_index(err));
	int64_t changed = job.dropped + job.cut;
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
