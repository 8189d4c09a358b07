/* dedup.c - drops rows that were there before: the same text, or nearly the same by MinHash.
 *
 * One pass. Batches are hashed and signed on all threads; then, in input order, a row that shares a key with an
 * indexed row is dropped, and any other row is kept and indexed. So every dropped row has a kept (or --against)
 * row that it resembles, the first of each group stays, and the result does not depend on threads. */
#include "common/tool.h"

#include "base/hash.h"
#include "text/dupindex.h"
#include "text/minhash.h"
#include "text/repair.h"
#include "text/unicode.h"

#define BANDS_MAX 128

enum by { BY_AUTO, BY_TEXT, BY_PROMPT };

static struct {
	bool exact, minhash, within, check;
	int64_t ngram, bands, rows, minhash_seed;
	int by;
	struct opt_list against;
	const char *clusters;
	double memory;
	const char *memory_arg;
} opts = {.ngram = 5, .bands = 14, .rows = 8, .minhash_seed = 1};

static struct opt options[] = {
	OPT_GROUP("What counts as a duplicate (by default both)"),
	OPT_FLAG(0, "exact", &opts.exact, "the same text, but for white space and Unicode form"),
	OPT_FLAG(0, "minhash", &opts.minhash, "nearly the same text, but for case, punctuation and numbers"),
	OPT_INT(0, "ngram", &opts.ngram, "N", 1, 100, "words in a shingle; shorter texts have no near duplicates"),
	OPT_INT(0, "bands", &opts.bands, "N", 1, BANDS_MAX, "bands of the signature"),
	OPT_INT(0, "rows", &opts.rows, "N", 1, 64, "values in a band"),
	OPT_INT(0, "minhash-seed", &opts.minhash_seed, "N", 0, 4294967295.0, "seed of the permutations"),
	OPT_CHOICE(0, "by", &opts.by, "auto|text|prompt",
		   "what is compared: text is a document's text or all user and assistant turns, prompt the user turns; auto is text, but "
		   "prompt where one side is problems"),
	OPT_GROUP("Against what"),
	OPT_LIST(0, "against", &opts.against, "FILE", "drop rows with a duplicate in FILE, and by itself only those"),
	OPT_FLAG(0, "within", &opts.within, "with --against, drop duplicates among the rows themselves too"),
	OPT_FLAG(0, "check", &opts.check, "write no rows; exit 3 if any would be dropped"),
	OPT_GROUP("More"),
	{.type = OPT_TYPE_STRING, .name = "clusters", .value = &opts.clusters, .arg = "FILE", .no_provenance = true,
	 .help = "write here, for each dropped row, its id, the id of the row it duplicates and the reason"},
	{.type = OPT_TYPE_STRING, .name = "memory", .value = &opts.memory_arg, .arg = "BYTES", .no_provenance = true,
	 .help = "end with an error when the index needs more (such as 8G)"},
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
	struct minhash minhash;
	int n_keys;                  /* per row: one for exact, one per band */
	enum by by;
	struct dupindex *seen, *against;
	uint32_t kept, known;        /* rows in each index */
	struct opt_list kept_ids, known_ids;  /* only for --clusters */
	struct writer *clusters;
	struct schema clusters_schema;
	int64_t dropped;
} job;

/* --- keys ----------------------------------------------------------------------------------------- */

struct scratch {
	struct buf text, folded, simple;
	struct minhash_scratch shingles;
};
static struct scratch *scratch;      /* one per thread */

static const struct array *content_column(const struct batch *b)
{
	static const char *const names[] = {"messages", "prompt", "text"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct array *a = batch_column(b, names[i]);
		if (a && (field_is_messages(a->field) || field_is_text(a->field)))
			return a;
	}
	return NULL;
}

/* The text that stands for a row, in out: turns are separated by a line feed; system turns are never compared. */
static void row_text(const struct array *a, int64_t row, enum by by, struct buf *out)
{
	buf_clear(out);
	if (!field_is_messages(a->field)) {
		size_t n;
		const char *s = array_text(a, row, &n);
		buf_add(out, s, n);
		return;
	}
	int64_t from, to;
	array_list(a, row, &from, &to);
	const struct array *role = array_child(&a->children[0], "role"), *content = array_child(&a->children[0], "content");
	for (int64_t i = from; i < to; i++) {
		size_t n_role, n;
		const char *r = array_text(role, i, &n_role), *s = array_text(content, i, &n);
		bool user = n_role == 4 && memcmp(r, "user", 4) == 0, assistant = n_role == 9 && memcmp(r, "assistant", 9) == 0;
		if (!user && !(assistant && by == BY_TEXT))
			continue;
		buf_add(out, s, n);
		buf_char(out, '\n');
	}
}

/* Repaired text with white space folded to single spaces: what "the same text" means. */
static void fold(const struct buf *in, struct scratch *x)
{
	struct spans words = {0};
	struct buf repaired = {0};
	text_repair(in->data ? in->data : "", in->len, &repaired);
	buf_clear(&x->folded);
	buf_reserve(&x->folded, 1);
	text_words(repaired.data ? repaired.data : "", repaired.len, &words);
	for (int64_t i = 0; i < words.n; i++) {
		if (i)
			buf_char(&x->folded, ' ');
		buf_add(&x->folded, repaired.data + words.v[i].from, words.v[i].len);
	}
	spans_release(&words);
	buf_release(&repaired);
}

static uint64_t never_zero(uint64_t key)
{
	return key ? key : 1;
}

static void row_keys(const struct array *a, int64_t row, struct scratch *x, uint64_t *keys)
{
	row_text(a, row, job.by, &x->text);
	memset(keys, 0, (size_t)job.n_keys * sizeof(*keys));
	if (opts.exact) {
		fold(&x->text, x);
		*keys++ = never_zero(hash64(x->folded.data, x->folded.len));
	}
	if (!opts.minhash)
		return;
	uint64_t sig[MINHASH_MAX];
	buf_clear(&x->simple);
	minhash_simplify(x->text.data ? x->text.data : "", x->text.len, &x->simple);
	size_t n = minhash_shingles(x->simple.data ? x->simple.data : "", x->simple.len, (int)opts.ngram, &x->shingles);
	if (n == 0)
		return;
	minhash_sign(&job.minhash, x->shingles.shingles, n, sig);
	for (int64_t i = 0; i < opts.bands; i++)
		keys[i] = never_zero(hash64(sig + i * opts.rows, (size_t)opts.rows * sizeof(*sig)));
}

/* --- the pipeline: batches with their keys ----------------------------------------------------------- */

struct item {
	struct batch *b;
	uint64_t *keys;              /* rows x n_keys */
};

static enum status make_item(struct batch *b, void **out)
{
	struct item *it = mem_zalloc(sizeof(*it));
	it->b = b;
	it->keys = mem_array((size_t)b->rows * (size_t)job.n_keys, sizeof(*it->keys));
	*out = it;
	return OK;
}

static enum status read_input(void *arg, void **out, struct error *err)
{
	struct batch *b;
	(void)arg;
	TRY(tool_next(&tool, &b, err));
	return make_item(b, out);
}

static enum status read_against(void *arg, void **out, struct error *err)
{
	struct batch *b;
	TRY(reader_next(arg, &b, err));
	return make_item(b, out);
}

static enum status work(void *arg, void *item, int worker, struct error *err)
{
	struct item *it = item;
	(void)arg;
	const struct array *a = content_column(it->b);
	for (int64_t i = 0; i < it->b->rows; i++) {
		if (a->field->type != T_LIST && a->field->type != T_LARGE_LIST) {
			size_t n;
			array_text(a, i, &n);
			if (n > INT32_MAX)
				return error_set(err, ERR_DATA, "a text of %zu bytes; the limit is 2 GiB", n);
		}
		row_keys(a, i, &scratch[worker], it->keys + i * job.n_keys);
	}
	return OK;
}

static void free_item(void *arg, void *item)
{
	struct item *it = item;
	(void)arg;
	batch_release(it->b);
	mem_free(it->keys);
	mem_free(it);
}

/* --- indexing --------------------------------------------------------------------------------------- */

/* A row's id, or its number in its stream (from 0) if it has none. */
static void row_id(const struct batch *b, int64_t row, uint32_t number, struct buf *out)
{
	const struct array *id = batch_column(b, "id");
	buf_clear(out);
	if (id && field_is_text(id->field)) {
		size_t n;
		const char *s = array_text(id, row, &n);
		buf_add(out, s, n);
	} else {
		buf_printf(out, "%u", number);
	}
	buf_reserve(out, 1);
}

static enum status index_row(struct dupindex *d, uint32_t *count, struct opt_list *ids, const struct item *it, int64_t row, uint32_t number,
			     struct error *err)
{
	if (*count == DUPINDEX_NONE - 1)
		return error_set(err, ERR_UNSUPPORTED, "more than %u rows to remember", DUPINDEX_NONE - 1);
	if (opts.clusters) {
		struct buf id = {0};
		row_id(it->b, row, number, &id);
		MEM_PUSH_ROOM(ids->items, ids->n, ids->cap);
		ids->items[ids->n++] = buf_detach(&id);
	}
	return dupindex_add(d, it->keys + row * job.n_keys, (*count)++, err);
}

static enum status index_against(void *arg, void *item, struct error *err)
{
	struct item *it = item;
	(void)arg;
	for (int64_t i = 0; i < it->b->rows; i++)
		TRY(index_row(job.against, &job.known, &job.known_ids, it, i, job.known, err));
	return OK;
}

/* Which indexed row a row repeats: the reason, and that row's id if --clusters asked for ids. */
static const char *verdict(const uint64_t *keys, const char **original)
{
	uint32_t row;
	*original = "";
	if (job.against && (row = dupindex_find(job.against, keys)) != DUPINDEX_NONE) {
		*original = opts.clusters ? job.known_ids.items[row] : "";
		return "contaminated";
	}
	if (!job.seen || (row = dupindex_find(job.seen, keys)) == DUPINDEX_NONE)
		return NULL;
	*original = opts.clusters ? job.kept_ids.items[row] : "";
	if (!opts.exact)
		return "near_duplicate";
	uint64_t exact_only[1 + BANDS_MAX] = {keys[0]};
	return dupindex_find(job.seen, exact_only) != DUPINDEX_NONE ? "exact_duplicate" : "near_duplicate";
}

static enum status write_cluster(const struct item *it, int64_t row, uint32_t number, const char *reason, const char *original,
				 struct error *err)
{
	if (!job.clusters)
		return OK;
	struct buf id = {0};
	struct builder *rows = writer_builder(job.clusters);
	row_id(it->b, row, number, &id);
	column_text(builder_column(rows, 0), id.data, id.len);
	column_str(builder_column(rows, 1), original);
	column_str(builder_column(rows, 2), reason);
	buf_release(&id);
	return writer_row(job.clusters, err);
}

static enum status filter_rows(void *arg, void *item, struct error *err)
{
	static uint32_t number;      /* of the row in the input */
	struct item *it = item;
	int64_t *keep = mem_array((size_t)it->b->rows, sizeof(*keep)), n = 0;
	enum status st = OK;
	(void)arg;
	for (int64_t i = 0; i < it->b->rows && st == OK; i++, number++) {
		const char *original, *reason = verdict(it->keys + i * job.n_keys, &original);
		if (reason) {
			job.dropped++;
			st = tool_reject(&tool, it->b, i, reason, err);
			if (st == OK)
				st = write_cluster(it, i, number, reason, original, err);
		} else {
			keep[n++] = i;
			if (job.seen)
				st = index_row(job.seen, &job.kept, &job.kept_ids, it, i, number, err);
		}
	}
	if (st == OK && n > 0 && !opts.check) {
		struct batch *out = n == it->b->rows ? batch_retain(it->b) : batch_take(it->b, keep, n);
		st = tool_write(&tool, out, err);
		batch_release(out);
	}
	mem_free(keep);
	return st;
}

/* --- set-up --------------------------------------------------------------------------------------- */

static enum status check_options(struct error *err)
{
	if (!opts.exact && !opts.minhash)
		opts.exact = opts.minhash = true;
	if (opts.bands * opts.rows > MINHASH_MAX)
		return error_set(err, ERR_USAGE, "--bands times --rows is %lld; the limit is %d", (long long)(opts.bands * opts.rows), MINHASH_MAX);
	if (opts.within && opts.against.n == 0)
		return error_set(err, ERR_USAGE, "--within goes with --against");
	if (opts.check && (tool.out_path || tool.rejects_path))
		return error_set(err, ERR_USAGE, "--check writes no rows, so -o and --rejects have no use");
	if (opts.memory_arg && (opt_number(opts.memory_arg, &opts.memory, err) != OK || !(opts.memory >= 1 && opts.memory < 1e18)))
		return error_set(err, ERR_USAGE, "--memory: a number of bytes such as 8G is wanted, not '%s'", opts.memory_arg);
	return OK;
}

/* Files are opened once to see what they hold: problems on either side mean that prompts are compared. */
static enum status choose_by(struct error *err)
{
	job.by = (enum by)opts.by;
	if (job.by != BY_AUTO)
		return OK;
	job.by = tool_kind(&tool) == KIND_PROBLEMS ? BY_PROMPT : BY_TEXT;
	for (int i = 0; i < opts.against.n; i++) {
		struct reader *r;
		TRY(reader_open(&r, opts.against.items[i], NULL, err));
		if (reader_kind(r) == KIND_PROBLEMS)
			job.by = BY_PROMPT;
		reader_close(r);
	}
	return OK;
}

static enum status load_against(const char *path, struct error *err)
{
	struct reader *r;
	struct provenance_input entry = {.rows = -1};
	TRY(reader_open(&r, path, NULL, err));
	enum kind k = reader_kind(r);
	enum status st = OK;
	if (k != KIND_DOCUMENTS && k != KIND_CHAT && k != KIND_PROBLEMS)
		st = error_set(err, ERR_DATA, "%s: documents, chat or problems wanted", path);
	struct pipeline pl = {read_against, work, index_against, free_item, r, 0};
	if (st == OK)
		st = pool_pipeline(tool.pool, &pl, err);
	if (st == OK || st == END)
		st = reader_input(r, &entry, err);
	if (st == OK)
		tool_add_input_entry(&tool, &entry);
	provenance_input_release(&entry);
	reader_close(r);
	return st;
}

static enum status open_all(struct error *err)
{
	static const enum kind kinds[] = {KIND_DOCUMENTS, KIND_CHAT, KIND_PROBLEMS};
	TRY(check_options(err));
	TRY(tool_open_inputs(&tool, kinds, 3, err));
	TRY(choose_by(err));
	job.n_keys = (opts.exact ? 1 : 0) + (opts.minhash ? (int)opts.bands : 0);
	minhash_init(&job.minhash, (int)(opts.bands * opts.rows), (uint32_t)opts.minhash_seed);
	scratch = mem_array((size_t)pool_threads(tool.pool), sizeof(*scratch));
	if (opts.against.n)
		job.against = dupindex_open(job.n_keys, (uint64_t)opts.memory);
	for (int i = 0; i < opts.against.n; i++)
		TRY(load_against(opts.against.items[i], err));
	if (!opts.against.n || opts.within) {
		uint64_t used = job.against ? dupindex_bytes(job.against) : 0, max = (uint64_t)opts.memory;
		job.seen = dupindex_open(job.n_keys, max ? (max > used ? max - used : 1) : 0);
	}
	if (opts.clusters) {
		struct writer_options o = tool_writer_options(&tool);
		schema_add_spec(&job.clusters_schema, "id: utf8");
		schema_add_spec(&job.clusters_schema, "duplicate_of: utf8");
		schema_add_spec(&job.clusters_schema, "reason: utf8");
		TRY(writer_open(&job.clusters, opts.clusters, &job.clusters_schema, KIND_OTHER, NULL, &o, err));
	}
	return opts.check ? OK : tool_open_output(&tool, tool_schema(&tool), tool_kind(&tool), err);
}

static void close_all(void)
{
	for (int i = 0; scratch && i < pool_threads(tool.pool); i++) {
		buf_release(&scratch[i].text);
		buf_release(&scratch[i].folded);
		buf_release(&scratch[i].simple);
		minhash_scratch_release(&scratch[i].shingles);
	}
	mem_free(scratch);
	writer_abort(job.clusters);
	schema_release(&job.clusters_schema);
	dupindex_close(job.seen);
	dupindex_close(job.against);
	struct opt_list *const lists[] = {&job.kept_ids, &job.known_ids};
	for (int k = 0; k < 2; k++) {
		for (int i = 0; i < lists[k]->n; i++)
			mem_free((void *)lists[k]->items[i]);
		mem_free(lists[k]->items);
	}
}

static enum status run(struct error *err)
{
	TRY(open_all(err));
	struct pipeline pl = {read_input, work, filter_rows, free_item, NULL, 0};
	enum status st = pool_pipeline(tool.pool, &pl, err);
	if (st != OK && st != END)
		return st;
	tool_stat_string(&tool, "by", job.by == BY_PROMPT ? "prompt" : "text");
	if (job.against)
		tool_stat_int(&tool, "against_rows", job.known);
	tool_stat_int(&tool, "index_bytes",
		      (int64_t)((job.seen ? dupindex_bytes(job.seen) : 0) + (job.against ? dupindex_bytes(job.against) : 0)));
	if (job.clusters) {
		struct writer *w = job.clusters;
		job.clusters = NULL;
		TRY(writer_commit(w, err));
	}
	TRY(tool_commit(&tool, err));
	if (opts.check && job.dropped)
		return error_set(err, ERR_DATA, "%lld row%s would be dropped", (long long)job.dropped, job.dropped == 1 ? "" : "s");
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
