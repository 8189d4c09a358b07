/* journal.c - see journal.h. */
#include "infer/journal.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#define SUM_KEY ",\"sum\":\""

struct journal {
	char *path;
	int fd;                      /* written here, read through f */
	FILE *f;
	char *line;                  /* the next one, if it is whole */
	size_t cap;
	ssize_t length;              /* of line; -1: there is none */
	off_t good;                  /* bytes of the lines taken; -1: lines of ours stand behind them */
	int64_t prompts;
	uint64_t run;                /* the identity's hash: seed of the lines' checksums */
	struct json_parser *parser;
	struct generate_result *results;
	int64_t cap_results;
	struct ids ids;              /* of the results */
	struct buf out, sealed;      /* samples of the prompt under way; its line */
};

/* Appends; the first time, what an earlier run left half goes. */
static enum status add_line(struct journal *j, const struct buf *line, struct error *err)
{
	if (j->good >= 0 && (ftruncate(j->fd, j->good) < 0 || lseek(j->fd, j->good, SEEK_SET) < 0))
		return error_errno(err, ERR_IO, "%s: cannot write", j->path);
	j->good = -1;
	return fd_write(j->fd, j->path, line->data, line->len, err);
}

/* Reads the next whole line. */
static void look(struct journal *j)
{
	j->length = getline(&j->line, &j->cap, j->f);
	if (j->length > 0 && j->line[j->length - 1] != '\n')
		j->length = -1;
}

static enum status check_identity(struct journal *j, const char *identity, struct error *err)
{
	look(j);
	if (j->length < 0) {         /* new, or killed before the first line was whole */
		buf_printf(&j->sealed, "%s\n", identity);
		return add_line(j, &j->sealed, err);
	}
	if ((size_t)j->length != strlen(identity) + 1 || memcmp(j->line, identity, strlen(identity)))
		return error_set(err, ERR_USAGE, "%s is the journal of a run with another model or other options; give those, or remove it",
				 j->path);
	j->good = ftello(j->f);
	look(j);
	return OK;
}

enum status journal_open(struct journal **out, const char *path, const char *identity, struct error *err)
{
	struct journal *j = mem_zalloc(sizeof(*j));
	enum status st = OK;

	j->path = mem_strdup(path);
	j->run = hash64(identity, strlen(identity));
	j->length = -1;
	j->parser = json_parser_open();
	j->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	j->f = j->fd < 0 ? NULL : fdopen(j->fd, "r");
	if (!j->f)
		st = error_errno(err, ERR_IO, "%s: cannot open", path);
	else if (flock(j->fd, LOCK_EX | LOCK_NB) < 0)
		st = error_set(err, ERR_USAGE, "%s: another run is using it", path);
	else
		st = check_identity(j, identity, err);
	if (st != OK) {
		journal_close(j, false);
		return st;
	}
	*out = j;
	return OK;
}

void journal_close(struct journal *j, bool remove)
{
	if (!j)
		return;
	if (remove)
		unlink(j->path);
	if (j->f)
		fclose(j->f);
	else if (j->fd >= 0)
		close(j->fd);
	free(j->line);
	json_parser_close(j->parser);
	mem_free(j->results);
	ids_release(&j->ids);
	buf_release(&j->out);
	buf_release(&j->sealed);
	mem_free(j->path);
	mem_free(j);
}

bool journal_has(const struct journal *j) { return j->length >= 0; }

int64_t journal_prompts(const struct journal *j) { return j->prompts; }

static void hash_prompt(const int32_t *prompt, int64_t n, char hex[33])
{
	hash128_hex(prompt, (size_t)n * sizeof(*prompt), hex);
}

/* Of the text of a line as far as its checksum. */
static void line_sum(const struct journal *j, const char *line, size_t n, char sum[17])
{
	snprintf(sum, 17, "%016llx", (unsigned long long)hash64_seed(line, n, j->run));
}

/* A line ends in its checksum: {..., "sum":"0123456789abcdef"}, so that what a disk or an editor changed is not taken for what the model said. */
static bool sum_holds(const struct journal *j)
{
	char end[32], sum[17];
	size_t n = (size_t)j->length, tail = strlen(SUM_KEY) + 16 + 3;

	if (n < tail)
		return false;
	line_sum(j, j->line, n - tail, sum);
	snprintf(end, sizeof(end), SUM_KEY "%s\"}\n", sum);
	return !memcmp(j->line + n - tail, end, tail);
}

static bool read_finish(const char *name, enum generate_finish *f)
{
	for (int i = FINISH_EOS; i <= FINISH_LENGTH; i++)
		if (!strcmp(name, generate_finish_name((enum generate_finish)i))) {
			*f = (enum generate_finish)i;
			return true;
		}
	return false;
}

static bool is_number(const struct json *v)
{
	return v && (v->type == JSON_INT || v->type == JSON_DOUBLE);
}

/* One sample; its ids are appended to j->ids and found by their place there. */
static bool read_sample(struct journal *j, const struct json *s, struct generate_result *r)
{
	const struct json *ids = json_get(s, "ids"), *logprob = json_get(s, "logprob");

	if (!ids || ids->type != JSON_ARRAY || !is_number(logprob) || !read_finish(json_get_str(s, "finish", ""), &r->finish))
		return false;
	r->n = (int64_t)ids->len;
	r->logprob = logprob->number;
	for (size_t i = 0; i < ids->len; i++) {
		if (ids->items[i].type != JSON_INT || ids->items[i].integer < 0 || ids->items[i].integer > INT32_MAX)
			return false;
		ids_push(&j->ids, (int32_t)ids->items[i].integer);
	}
	return true;
}

static bool read_samples(struct journal *j, const struct json *samples)
{
	int64_t n = (int64_t)samples->len;

	if (n > j->cap_results) {
		j->cap_results = n;
		j->results = mem_grow(j->results, (size_t)n, sizeof(*j->results));
	}
	j->ids.n = 0;
	for (int64_t i = 0; i < n; i++) {
		j->results[i] = (struct generate_result){ .sample = i, .last = i + 1 == n };
		if (!read_sample(j, &samples->items[i], &j->results[i]))
			return false;
	}
	for (int64_t i = 0, at = 0; i < n; at += j->results[i++].n)
		j->results[i].ids = j->ids.v + at;
	return n > 0;
}

static enum status damaged(const struct journal *j, struct error *err)
{
	return error_set(err, ERR_DATA, "%s: line %lld is damaged or no line of this run: keep the lines before it (head -n %lld) and go on from there, "
			 "or remove the file", j->path, (long long)j->prompts + 2, (long long)j->prompts + 1);
}

enum status journal_next(struct journal *j, const int32_t *prompt, int64_t n_prompt, const struct generate_result **results,
			 int64_t *n, struct error *err)
{
	const struct json *line, *samples;
	char hex[33];

	if (j->length < 0)
		return END;
	hash_prompt(prompt, n_prompt, hex);
	if (json_parse(j->parser, j->line, (size_t)j->length, &line, err) != OK || !(samples = json_get(line, "samples")) ||
	    samples->type != JSON_ARRAY || !read_samples(j, samples) || !sum_holds(j))
		return damaged(j, err);
	if (strcmp(json_get_str(line, "prompt", ""), hex))
		return error_set(err, ERR_DATA, "%s: prompt %lld was another; is the input the same?", j->path,
				 (long long)j->prompts + 1);
	*results = j->results;
	*n = (int64_t)samples->len;
	j->prompts++;
	j->good = ftello(j->f);
	look(j);
	return OK;
}

enum status journal_add(struct journal *j, const struct generate_result *r, const int32_t *prompt, int64_t n_prompt,
			struct error *err)
{
	struct json_writer w = json_writer_open(&j->out, 0);
	char hex[33], sum[17];

	if (j->out.len)
		buf_char(&j->out, ',');
	json_begin_object(&w);
	json_key(&w, "ids");
	json_begin_array(&w);
	for (int64_t i = 0; i < r->n; i++)
		json_int(&w, r->ids[i]);
	json_end_array(&w);
	json_kv_double(&w, "logprob", r->logprob);
	json_kv_string(&w, "finish", generate_finish_name(r->finish));
	json_end_object(&w);
	if (!r->last)
		return OK;
	hash_prompt(prompt, n_prompt, hex);
	buf_clear(&j->sealed);
	buf_printf(&j->sealed, "{\"prompt\":\"%s\",\"samples\":[%s]", hex, j->out.data);
	line_sum(j, j->sealed.data, j->sealed.len, sum);
	buf_printf(&j->sealed, SUM_KEY "%s\"}\n", sum);
	TRY(add_line(j, &j->sealed, err));
	buf_clear(&j->out);
	return OK;
}

/* --- a run ------------------------------------------------------------------------------------------------- */

struct kept_prompt {                         /* generate_prompt.user of a run with a journal */
	void *user;                  /* the caller's */
	struct ids ids;
	struct kept_prompt *next, **link;    /* all that are alive, for the end after an error */
};

struct journal_run {
	struct journal *j;
	const struct generate_io *io;
	struct kept_prompt *prompts;
};

static void forget(struct kept_prompt *k)
{
	*k->link = k->next;
	if (k->next)
		k->next->link = k->link;
	ids_release(&k->ids);
	mem_free(k);
}

static enum status next_kept(void *arg, struct generate_prompt *p, struct error *err)
{
	struct journal_run *run = arg;
	struct kept_prompt *k;

	TRY(run->io->next(run->io->arg, p, err));
	k = mem_zalloc(sizeof(*k));
	k->user = p->user;
	for (int64_t i = 0; i < p->n; i++)
		ids_push(&k->ids, p->ids[i]);
	k->next = run->prompts;
	k->link = &run->prompts;
	if (k->next)
		k->next->link = &k->next;
	run->prompts = k;
	p->user = k;
	return OK;
}

static enum status done_kept(void *arg, const struct generate_result *r, struct error *err)
{
	struct journal_run *run = arg;
	struct kept_prompt *k = r->user;
	struct generate_result theirs = *r;

	TRY(journal_add(run->j, r, k->ids.v, k->ids.n, err));
	theirs.user = k->user;
	if (r->last)
		forget(k);
	return run->io->done(run->io->arg, &theirs, err);
}

/* Whether this run could have given the samples: a checksum is no proof against who makes it. */
static bool possible(const struct model *m, const struct generate_options *o, int64_t n_prompt, const struct generate_result *r, int64_t n)
{
	int64_t context = o->context ? o->context : generate_context(m);
	int64_t room = context - n_prompt < o->max_new_tokens ? context - n_prompt : o->max_new_tokens;

	if (n > o->n || (n < o->n && o->beams < 2))
		return false;
	for (int64_t i = 0; i < n; i++) {
		if (r[i].n < 1 || r[i].n > room || !isfinite(r[i].logprob) || (r[i].finish == FINISH_STOP && !o->n_stops))
			return false;
		for (int64_t k = 0; k < r[i].n; k++)
			if (r[i].ids[k] >= m->cfg.vocab)
				return false;
	}
	return true;
}

/* The prompts that an earlier run has finished. */
static enum status replay(struct journal *j, const struct model *m, const struct generate_options *o, const struct generate_io *io,
			  struct error *err)
{
	while (journal_has(j)) {
		const struct generate_result *kept;
		struct generate_prompt p;
		int64_t n = 0;
		enum status st = io->next(io->arg, &p, err);

		if (st == END)
			return error_set(err, ERR_DATA, "the journal has more prompts than the input; is the input the same?");
		if (st == OK)
			st = journal_next(j, p.ids, p.n, &kept, &n, err);
		if (st == OK && !possible(m, o, p.n, kept, n))
			st = error_set(err, ERR_DATA, "%s: prompt %lld: the model could not have said this; remove the file", j->path,
				       (long long)j->prompts);
		for (int64_t i = 0; i < n && st == OK; i++) {
			struct generate_result r = kept[i];

			r.user = p.user;
			st = io->done(io->arg, &r, err);
		}
		TRY(st);
	}
	return OK;
}

enum status journal_run(struct journal *j, struct model *m, const struct tokenizer *t, const struct generate_options *o,
			const struct generate_io *io, struct generate_totals *totals, struct error *err)
{
	struct journal_run run = { .j = j, .io = io };
	struct generate_io kept = { next_kept, done_kept, &run };
	enum status st;

	if (!j)
		return generate_run(m, t, o, io, totals, err);
	TRY(replay(j, m, o, io, err));
	st = generate_run(m, t, o, &kept, totals, err);
	while (run.prompts)
		forget(run.prompts);
	return st;
}
