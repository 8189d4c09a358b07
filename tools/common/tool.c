/* tool.c - the start and the end of every main, and how it talks; see tool.h. */
#include "common/private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;

static void common_options(struct tool *t, struct opt *o)
{
	const struct opt rows[] = {
		OPT_GROUP("Options of every tool"),
		OPT_STRING('o', "output", &t->out_path, "FILE", "write here, whole or not at all, instead of stdout"),
		OPT_CHOICE(0, "format", &t->format, "auto|arrow|jsonl", "form of the output; auto is JSON Lines on a terminal, Arrow else"),
		OPT_CHOICE(0, "compress", &t->compress, "auto|always|never", "zstd in Arrow output; auto is files yes, pipes no"),
		OPT_INT(0, "level", &t->level, "N", 1, 19, "zstd level"),
		OPT_INT('j', "threads", &t->threads, "N", 0, 1024, "worker threads; 0 is one for each core"),
		OPT_INT(0, "seed", &t->seed, "N", 0, 9e15, "seed of all that is random"),
		OPT_STRING(0, "rejects", &t->rejects_path, "FILE", "keep dropped rows here, with their reason"),
		OPT_STRING(0, "stats", &t->stats_path, "FILE", "write the summary here as JSON"),
		OPT_STRING(0, "log", &t->log_path, "FILE", "write metrics here as JSON Lines"),
		OPT_CHOICE(0, "progress", &t->priv->progress_mode, "auto|always|never", "progress on stderr; auto is on a terminal"),
		OPT_FLAG('q', "quiet", &t->quiet, "say nothing but errors"),
		OPT_FLAG('v', "verbose", &t->verbose, "say more"),
		OPT_END,
	};
	memcpy(o, rows, sizeof(rows));
	for (struct opt *r = o; r->type != OPT_TYPE_END; r++)
		r->no_provenance = strcmp(r->name, "seed") != 0;
}

/* --help, --help=mdoc, --help=completion and --version are answered before anything else is looked at. */
static void answer_and_exit(struct tool *t, struct opt *const tables[2], const char *word)
{
	struct buf b = {0};
	if (strcmp(word, "--version") == 0) {
		buf_printf(&b, "quern %s %s (stream format %s)\n", t->name, QUERN_VERSION, STREAM_VERSION);
	} else if (strcmp(word, "--help=mdoc") == 0) {
		opt_mdoc(&b, tables, 2);
	} else if (strcmp(word, "--help=completion") == 0) {
		opt_completion(&b, tables, 2);
	} else {
		buf_printf(&b, "usage: quern %s [options]%s%s\n%s\n", t->name, t->operands[0] ? " " : "", t->operands, t->summary);
		if (t->options && t->options[0].type != OPT_TYPE_GROUP)
			buf_str(&b, "\nOptions:\n");
		opt_help(&b, tables, 2);
		buf_printf(&b, "\n      --help                    print this\n      --version                 print the version\n"
			       "\nman quern-%s says more.\n", t->name);
	}
	fwrite(b.data, 1, b.len, stdout);
	if (fflush(stdout) == 0)
		exit(0);
	fprintf(stderr, "quern %s: <stdout>: cannot write: %s\n", t->name, strerror(errno));
	exit(1);
}

/* A line on stderr. Names in it may come from who is not trusted (a tensor's, a column's), and a terminal obeys control characters: they are
 * shown as JSON would write them. */
static void tell(const struct tool *t, const char *text)
{
	struct buf b = {0};
	for (const unsigned char *s = (const unsigned char *)text; *s; s++) {
		bool c1 = s[0] == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0;
		if (c1 || *s == 0x7f || (*s < 0x20 && *s != '\n' && *s != '\t'))
			buf_printf(&b, "\\u%04x", c1 ? *++s : *s);
		else
			buf_char(&b, (char)*s);
	}
	fprintf(stderr, "quern %s: %s\n", t->name, b.data ? b.data : "");
	buf_release(&b);
}

static _Noreturn void usage_error(const struct tool *t, const struct error *err)
{
	tell(t, err->text);
	fprintf(stderr, "usage: quern %s [options]%s%s\n", t->name, t->operands[0] ? " " : "", t->operands);
	exit(2);
}

bool tool_writes(const struct tool *t, const char *path, const char **option)
{
	const struct { const char *option, *path; } files[] = {
		{"-o", t->out_path}, {"--rejects", t->rejects_path}, {"--stats", t->stats_path}, {"--log", t->log_path},
	};
	struct stat info;
	if (!path || (stat(path, &info) == 0 && !S_ISREG(info.st_mode)))     /* a device or a pipe may have several */
		return false;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (files[i].path && files[i].path != path && (strcmp(files[i].path, path) == 0 || path_is_same(files[i].path, path))) {
			*option = files[i].option;
			return true;
		}
	return false;
}

static bool is_stdout(const char *path) { return path && strcmp(path, "-") == 0; }

static enum status check_outputs(struct tool *t, struct error *err)
{
	const char *paths[] = {t->out_path, t->rejects_path, t->stats_path}, *other;
	bool results = !t->needs_output && (!t->out_path || is_stdout(t->out_path));

	if (results + is_stdout(t->rejects_path) + is_stdout(t->stats_path) + is_stdout(t->log_path) > 1)
		return error_set(err, ERR_USAGE, "%s -: another output goes there too",
				 is_stdout(t->rejects_path) ? "--rejects" : is_stdout(t->stats_path) ? "--stats" : "--log");
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (tool_writes(t, paths[i], &other))
			return error_set(err, ERR_USAGE, "%s %s: another output goes there too", other, paths[i]);
	return OK;
}

static enum status check_operands(struct tool *t, struct error *err)
{
	if (t->files.n < t->min_operands)
		return error_set(err, ERR_USAGE, "%s wanted: %s", t->min_operands == 1 ? "an operand is" : "operands are", t->operands);
	if (t->max_operands >= 0 && t->files.n > t->max_operands)
		return error_set(err, ERR_USAGE, "'%s' is one operand too many", t->files.items[t->max_operands]);
	if (t->needs_output && !t->out_path)
		return error_set(err, ERR_USAGE, "-o is needed: where shall the result go?");
	return OK;
}

static void provenance_head(struct tool *t, struct opt *const tables[2])
{
	struct opt_list *words = &t->priv->argv;
	opt_provenance(words, tables, 2);
	for (int i = 0; i < t->files.n; i++) {
		MEM_PUSH_ROOM(words->items, words->n, words->cap);
		words->items[words->n++] = t->files.items[i];
	}
	t->prov = (struct provenance){
		.tool = t->name, .version = QUERN_VERSION, .argv = words->items, .n_argv = words->n,
		.seed = (uint64_t)t->seed, .rows_in = 0, .rows_out = -1,
	};
}

/* A file that took the number of a standard stream that was closed would get what we say there. So that nothing is lost unseen, what
 * stands in for it can only be used the wrong way. */
static void occupy_standard_streams(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) < 0)
			return;
}

void tool_start(struct tool *t, int argc, char **argv)
{
	struct error err;
	occupy_standard_streams();
	mem_keep();
	t->priv = mem_zalloc(sizeof(*t->priv));
	t->priv->start = clock_seconds();
	t->level = 3;
	signal(SIGXFSZ, SIG_IGN); /* a file larger than its limit is an error of write, told as any other */
	common_options(t, t->priv->common);
	struct opt *const tables[2] = {t->options, t->priv->common};
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "--help=mdoc") == 0 ||
		    strcmp(argv[i], "--help=completion") == 0 || strcmp(argv[i], "--version") == 0)
			answer_and_exit(t, tables, argv[i]);
	if (opt_parse(tables, 2, argc, argv, &t->files, &err) != OK || check_operands(t, &err) != OK || check_outputs(t, &err) != OK)
		usage_error(t, &err);
	t->pool = pool_open((int)t->threads);
	t->progress = progress_open(t->name, t->quiet ? PROGRESS_NEVER : (enum progress_mode)t->priv->progress_mode);
	provenance_head(t, tables);
}

/* --- talking ------------------------------------------------------------------------------- */

static void add_stat(struct tool *t, const char *key, char *json)
{
	struct tool_private *p = t->priv;
	for (int i = 0; i < p->n_stats; i++)
		if (strcmp(p->stats[i].key, key) == 0) {
			mem_free(p->stats[i].json);
			p->stats[i].json = json;
			return;
		}
	MEM_PUSH_ROOM(p->stats, p->n_stats, p->cap_stats);
	p->stats[p->n_stats++] = (struct stat_entry){mem_strdup(key), json, false};
}

void tool_stat_table(struct tool *t, const char *key, const char *json)
{
	add_stat(t, key, mem_strdup(json));
	t->priv->stats[t->priv->n_stats - 1].table = true;
}

void tool_stat_int(struct tool *t, const char *key, int64_t v)
{
	add_stat(t, key, mem_printf("%lld", (long long)v));
}

void tool_stat_double(struct tool *t, const char *key, double v)
{
	struct buf b = {0};
	struct json_writer w = json_writer_open(&b, 0);
	json_double(&w, v);
	add_stat(t, key, buf_detach(&b));
}

void tool_stat_string(struct tool *t, const char *key, const char *v)
{
	struct buf b = {0};
	struct json_writer w = json_writer_open(&b, 0);
	json_string(&w, v);
	add_stat(t, key, buf_detach(&b));
}

static void say(const struct tool *t, const char *fmt, va_list ap)
{
	struct buf b = {0};
	buf_vprintf(&b, fmt, ap);
	tell(t, b.data ? b.data : "");
	buf_release(&b);
}

void tool_say(struct tool *t, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	if (!t->quiet)
		say(t, fmt, ap);
	va_end(ap);
}

void tool_warn(struct tool *t, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	say(t, fmt, ap);
	va_end(ap);
}

enum status tool_log(struct tool *t, const char *json, size_t n, struct error *err)
{
	if (!t->log_path)
		return OK;
	if (!t->priv->log)
		TRY(output_open(&t->priv->log, t->log_path, err));
	TRY(output_write(t->priv->log, json, n, err));
	return output_write(t->priv->log, "\n", 1, err);
}

/* --- interruption -------------------------------------------------------------------------- */

/* The first signal asks for an end in order; the next, of either kind, ends the process as if we had not been there. */
static void on_interrupt(int sig)
{
	if (interrupted) {
		output_unlink_unfinished();
		signal(sig, SIG_DFL);
		raise(sig);
	}
	interrupted = sig;
}

bool tool_interrupted(void)
{
	static bool installed;
	if (!installed) {
		struct sigaction sa = {.sa_handler = on_interrupt};
		sigaction(SIGINT, &sa, NULL);
		sigaction(SIGTERM, &sa, NULL);
		installed = true;
	}
	return interrupted != 0;
}

static _Noreturn void die_of(int sig)
{
	signal(sig, SIG_DFL);
	raise(sig);
	_exit(128 + sig);
}

/* --- the end ------------------------------------------------------------------------------- */

static void summary_json(struct tool *t, struct buf *out, double seconds)
{
	struct json_writer w = json_writer_open(out, 2);
	json_begin_object(&w);
	json_kv_string(&w, "tool", t->name);
	json_kv_string(&w, "version", QUERN_VERSION);
	json_kv_int(&w, "rows_in", t->prov.rows_in);
	json_kv_int(&w, "rows_out", t->prov.rows_out < 0 ? 0 : t->prov.rows_out);
	json_key(&w, "rejected");
	json_begin_object(&w);
	for (int i = 0; i < t->prov.n_reasons; i++)
		json_kv_int(&w, t->prov.reasons[i], t->prov.reason_rows[i]);
	json_end_object(&w);
	for (int i = 0; i < t->priv->n_stats; i++) {
		json_key(&w, t->priv->stats[i].key);
		json_raw(&w, t->priv->stats[i].json, strlen(t->priv->stats[i].json));
	}
	json_kv_double(&w, "seconds", (double)(int64_t)(seconds * 1000) / 1000);
	json_kv_int(&w, "peak_bytes", (int64_t)mem_peak());
	json_end_object(&w);
	buf_char(out, '\n');
}

static void summary_words(struct tool *t, struct buf *out, double seconds)
{
	int64_t rejected = 0;
	for (int i = 0; i < t->prov.n_reasons; i++)
		rejected += t->prov.reason_rows[i];
	if (t->prov.rows_in > 0 || t->prov.rows_out >= 0)
		buf_printf(out, "%lld rows in, %lld out, %lld rejected", (long long)t->prov.rows_in,
			   (long long)(t->prov.rows_out < 0 ? 0 : t->prov.rows_out), (long long)rejected);
	for (int i = 0; i < t->prov.n_reasons; i++)
		buf_printf(out, "%s%s %lld", i ? ", " : " (", t->prov.reasons[i], (long long)t->prov.reason_rows[i]);
	if (t->prov.n_reasons)
		buf_char(out, ')');
	for (int i = 0; i < t->priv->n_stats; i++)
		if (!t->priv->stats[i].table)
			buf_printf(out, "%s%s %s", out->len ? ", " : "", t->priv->stats[i].key, t->priv->stats[i].json);
	buf_printf(out, "%s%.2f s, peak %.0f MB", out->len ? "; " : "", seconds, (double)mem_peak() / 1e6);
}

static enum status summary(struct tool *t, struct error *err)
{
	enum status st = OK;
	double seconds = clock_seconds() - t->priv->start;
	struct buf b = {0};
	if (t->stats_path) {
		summary_json(t, &b, seconds);
		st = file_write_all(t->stats_path, b.data, b.len, err);
		buf_clear(&b);
	}
	if (st == OK && !t->quiet) {
		summary_words(t, &b, seconds);
		tool_say(t, "%s", b.data);
	}
	buf_release(&b);
	return st;
}

static void release(struct tool *t)
{
	struct tool_private *p = t->priv;
	writer_abort(t->out);
	writer_abort(t->rejects);
	output_abort(p->log);
	tool_stop_hashing(t);
	tool_inputs_close(t);
	progress_close(t->progress);
	pool_close(t->pool);
	provenance_release(&t->prov);
	schema_release(&p->rejects_schema);
	for (int i = 0; i < p->n_stats; i++) {
		mem_free(p->stats[i].key);
		mem_free(p->stats[i].json);
	}
	mem_free(p->stats);
	for (int i = 0; i < p->argv.n - t->files.n; i++) /* the options' words; operands are the caller's */
		mem_free((void *)p->argv.items[i]);
	mem_free(p->argv.items);
	mem_free(t->files.items);
	mem_free(p);
}

int tool_end(struct tool *t, enum status st, const struct error *err)
{
	struct error own;
	progress_close(t->progress);
	t->progress = NULL;
	if (t->priv->log && (st == OK || st == END)) {
		struct output *log = t->priv->log;
		t->priv->log = NULL;
		st = output_commit(log, &own);
		err = &own;
	}
	if (st == OK || st == END) {
		st = summary(t, &own);
		err = &own;
	}
	if (st != OK && st != ERR_PIPE)
		tell(t, err->text);
	if (st == ERR_USAGE)
		fprintf(stderr, "usage: quern %s [options]%s%s\n", t->name, t->operands[0] ? " " : "", t->operands);
	release(t);
	if (st == ERR_PIPE)
		die_of(SIGPIPE);
	if (interrupted)
		die_of((int)interrupted);
	return status_exit_code(st);
}
