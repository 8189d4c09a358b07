#include "judge/code.h"

#include "base/file.h"
#include "judge/chars.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

struct code {
	struct code_options o;
	pthread_mutex_t lock;                /* over the two below */
	enum status st;
	struct error err;
};

enum status code_open(struct code **c, const struct code_options *o, struct error *err)
{
	for (int i = 0; i < o->sandbox.n_mounts; i++) {
		const char *dir = o->sandbox.mounts[i];
		if (dir[0] != '/' || strspn(dir, "/.") == strlen(dir) || !path_is_dir(dir))
			return error_set(err, ERR_USAGE, "--code-mount: '%s' is not the full path of a directory", dir);
	}
	TRY(sandbox_check(&o->sandbox, err));
	*c = mem_zalloc(sizeof(**c));
	(*c)->o = *o;
	pthread_mutex_init(&(*c)->lock, NULL);
	return OK;
}

void code_close(struct code *c)
{
	if (c)
		pthread_mutex_destroy(&c->lock);
	mem_free(c);
}

enum status code_status(struct code *c, struct error *err)
{
	pthread_mutex_lock(&c->lock);
	enum status st = c->st;
	if (st != OK && err)
		*err = c->err;
	pthread_mutex_unlock(&c->lock);
	return st;
}

/* --- languages -------------------------------------------------------------------------------------------- */

/* What a language is also called, and how its programs are run. */
static const struct language {
	const char *name, *other, *command;
} languages[] = {
	{ "python", "py", "exec python3 \"$CODE\"" },
	{ "python3", "python3", "exec python3 \"$CODE\"" },
	{ "c", "c", "cc -O1 -x c \"$CODE\" -o program -lm && exec ./program" },
	{ "cpp", "c++", "c++ -O1 -x c++ \"$CODE\" -o program && exec ./program" },
	{ "sh", "shell", "exec sh \"$CODE\"" },
	{ "bash", "bash", "exec bash \"$CODE\"" },
};

static bool is_word(const char *p, size_t n, const char *word)
{
	return n == strlen(word) && strncasecmp(p, word, n) == 0;
}

/* NULL for one that is not in the table. */
static const struct language *find_language(const char *p, size_t n)
{
	for (size_t i = 0; i < sizeof(languages) / sizeof(*languages); i++)
		if (is_word(p, n, languages[i].name) || is_word(p, n, languages[i].other))
			return &languages[i];
	return NULL;
}

static bool same_language(const char *p, size_t n, const char *language)
{
	const struct language *l = find_language(p, n), *m = find_language(language, strlen(language));
	return is_word(p, n, language) || (l && m && strcmp(l->command, m->command) == 0);
}

/* --- texts ------------------------------------------------------------------------------------------------ */

struct piece {
	const char *p;
	size_t n;
};

static struct piece strip(const char *p, size_t n)
{
	while (n && chars_is_space((unsigned char)p[n - 1]) && (unsigned char)p[n - 1] < 0x80)
		n--;
	while (n && chars_is_space((unsigned char)*p) && (unsigned char)*p < 0x80)
		p++, n--;
	return (struct piece){ p, n };
}

const char *code_extract(const char *text, size_t n, const char *language, size_t *code_n)
{
	const char *end = text + n, *found = NULL;
	for (const char *p = text; (p = memmem(p, (size_t)(end - p), "```", 3));) {
		const char *line = memchr(p + 3, '\n', (size_t)(end - p - 3));
		if (!line)
			break;
		const char *close = memmem(line + 1, (size_t)(end - line - 1), "```", 3);
		if (!close)
			break;
		struct piece named = strip(p + 3, (size_t)(line - p - 3));
		if (named.n == 0 || same_language(named.p, named.n, language)) {
			found = line + 1;
			*code_n = (size_t)(close - found);
		}
		p = close + 3;
	}
	return found;
}

/* Cuts the first line off; false if nothing is left. */
static bool next_line(struct piece *rest, struct piece *line)
{
	if (!rest->p)
		return false;
	const char *stop = memchr(rest->p, '\n', rest->n);
	size_t n = stop ? (size_t)(stop - rest->p) : rest->n;
	*line = strip(rest->p, n);
	*rest = stop ? (struct piece){ stop + 1, rest->n - n - 1 } : (struct piece){ NULL, 0 };
	return true;
}

bool code_output_equal(const char *got, size_t got_n, const char *want, size_t want_n)
{
	struct piece a = strip(got, got_n), b = strip(want, want_n), x, y;
	for (;;) {
		bool more = next_line(&a, &x);
		if (more != next_line(&b, &y))
			return false;
		if (!more)
			return true;
		if (x.n != y.n || memcmp(x.p, y.p, x.n) != 0)
			return false;
	}
}

/* --- a run ------------------------------------------------------------------------------------------------ */

struct run {
	struct code *c;
	struct json_parser *row;             /* of the row's columns */
	const struct json *columns, *meta;   /* meta: its members, or NULL */
	struct buf row_json, whole, program;  /* whole: the code behind its prompt */
	struct json_parser *meta_parser, *value_parser;
	struct sandbox_result result;
	const char *command;
	struct piece completion, code, setup;
	bool whole_is_code;          /* a completion without a block is code as it is, where it does not go on from the prompt */
	int64_t tests, passed;
	const char *verdict;                 /* of the first test that failed */
};

static void count(struct run *r, const char *verdict)
{
	r->tests++;
	r->passed += verdict == NULL;
	if (!r->verdict)
		r->verdict = verdict;
}

/* Runs the program on the input: what is wrong with how it ended, or NULL. */
static const char *execute(struct run *r, struct piece program, const char *input, size_t input_n)
{
	struct sandbox_job job = { r->command, "code", program.p, program.n, input, input_n };
	struct error err;
	enum status st = sandbox_run(&r->c->o.sandbox, &job, &r->result, &err);
	if (st != OK) {
		pthread_mutex_lock(&r->c->lock);
		r->c->st = st;
		r->c->err = err;
		pthread_mutex_unlock(&r->c->lock);
		return "error";
	}
	switch (r->result.end) {
	case SANDBOX_EXITED: return r->result.code == 0 ? NULL : "error";
	case SANDBOX_KILLED: return "killed";
	case SANDBOX_TIMEOUT: return "timeout";
	case SANDBOX_OUTPUT: break;
	}
	return "output_limit";
}

static const char *run_pair(struct run *r, const struct json *pair)
{
	const struct json *in = json_get(pair, "input"), *out = json_get(pair, "output");
	if (!in || in->type != JSON_STRING || !out || out->type != JSON_STRING ||
	    strcmp(json_get_str(pair, "type", "stdin_stdout"), "stdin_stdout") != 0)
		return "bad_tests";
	const char *wrong = execute(r, r->code, in->str, in->len);
	if (!wrong && !code_output_equal(r->result.out.data ? r->result.out.data : "", r->result.out.len, out->str, out->len))
		wrong = "wrong_output";
	count(r, wrong);
	return NULL;
}

static void add_line(struct buf *b, const char *p, size_t n)
{
	buf_add(b, p, n);
	buf_char(b, '\n');
}

/* The code with these lines of Python behind it, and then a word only we know: it must be the last line of the output. */
static void run_assertion(struct run *r, const char *test, size_t n, const char *call, size_t call_n)
{
	uint64_t random[2] = { 0 };
	char word[40];
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		random[0] = (uint64_t)(uintptr_t)r;
	int word_n = snprintf(word, sizeof(word), "%016llx%016llx", (unsigned long long)random[0], (unsigned long long)random[1]);
	buf_clear(&r->program);
	add_line(&r->program, r->setup.p, r->setup.n);
	add_line(&r->program, r->code.p, r->code.n);
	add_line(&r->program, test, n);
	if (call)
		buf_printf(&r->program, "check(%.*s)\n", (int)call_n, call);
	buf_printf(&r->program, "print(\"\\n%s\")\n", word);
	const char *wrong = execute(r, (struct piece){ r->program.data, r->program.len }, "", 0);
	struct piece out = strip(r->result.out.data ? r->result.out.data : "", r->result.out.len);
	if (!wrong && (out.n < (size_t)word_n || memcmp(out.p + out.n - word_n, word, (size_t)word_n) != 0))
		wrong = "error";
	count(r, wrong);
}

/* --- tests ------------------------------------------------------------------------------------------------ */

/* A column, or else a member of meta; text that is JSON, where an object or a list is wanted, is read. NULL if there is none. */
static const struct json *find(struct run *r, const char *name, bool structured)
{
	const struct json *j = json_get(r->columns, name), *inner;
	if (!j || j->type == JSON_NULL)
		j = json_get(r->meta, name);
	if (!j || j->type == JSON_NULL)
		return NULL;
	if (structured && j->type == JSON_STRING && json_parse(r->value_parser, j->str, j->len, &inner, NULL) == OK)
		return inner;
	return j;
}

static bool is_text(const struct json *j)
{
	return j && j->type == JSON_STRING;
}

/* Sets the code in this language and how it is run: NULL, or why that cannot be. */
static const char *take_code(struct run *r, const char *language, bool goes_on)
{
	const char *text = r->completion.p;
	size_t n = r->completion.n;
	const struct json *prompt = json_get(r->columns, "prompt");
	const struct language *known = find_language(language, strlen(language));
	r->command = r->c->o.command ? r->c->o.command : known ? known->command : NULL;
	if (!r->command)
		return "no_runner";
	r->code.p = code_extract(text, n, language, &r->code.n);
	if (!r->code.p && goes_on && is_text(prompt)) {
		buf_add(&r->whole, prompt->str, prompt->len);
		buf_add(&r->whole, text, n);
		r->code = (struct piece){ r->whole.data, r->whole.len };
	} else if (!r->code.p && r->whole_is_code) {
		r->code = (struct piece){ text, n };
	}
	return r->code.p ? NULL : "no_code";
}

static const char *run_pairs(struct run *r, const struct json *pairs)
{
	if (pairs->type != JSON_ARRAY || pairs->len == 0)
		return "bad_tests";
	for (size_t i = 0; i < pairs->len; i++) {
		const char *bad = run_pair(r, &pairs->items[i]);
		if (bad)
			return bad;
	}
	return NULL;
}

static const char *run_list(struct run *r, const struct json *list)
{
	const struct json *setup = find(r, "test_setup_code", false);
	if (list->type != JSON_ARRAY || list->len == 0)
		return "bad_tests";
	if (is_text(setup))
		r->setup = (struct piece){ setup->str, setup->len };
	for (size_t i = 0; i < list->len; i++) {
		if (list->items[i].type != JSON_STRING)
			return "bad_tests";
		run_assertion(r, list->items[i].str, list->items[i].len, NULL, 0);
	}
	return NULL;
}

static const char *run_tests(struct run *r)
{
	const char *language = r->c->o.language, *missing;
	const struct json *info = find(r, "verification_info", true), *test;
	const struct json *pairs = info ? json_get(info, "test_cases") : find(r, "test_cases", true);
	if (info && !pairs)
		return "bad_tests";
	if (pairs) {
		missing = take_code(r, json_get_str(info, "language", language), false);
		return missing ? missing : run_pairs(r, pairs);
	}
	if ((test = find(r, "test_list", true))) {
		missing = take_code(r, "python", false);
		return missing ? missing : run_list(r, test);
	}
	if (!is_text(test = find(r, "test", false)))
		return test ? "bad_tests" : "no_tests";
	const struct json *entry = find(r, "entry_point", false);
	if ((missing = take_code(r, "python", true)))
		return missing;
	run_assertion(r, test->str, test->len, is_text(entry) ? entry->str : NULL, is_text(entry) ? entry->len : 0);
	return NULL;
}

/* The row's columns are there. */
static const char *judge(struct run *r, double *share)
{
	const struct json *meta = json_get(r->columns, "meta");
	r->meta = meta;
	if (is_text(meta) && json_parse(r->meta_parser, meta->str, meta->len, &r->meta, NULL) != OK)
		r->meta = NULL;
	const char *verdict = run_tests(r);
	if (verdict) {
		*share = strcmp(verdict, "no_code") == 0 ? 0 : NAN;
		return verdict;
	}
	*share = (double)r->passed / (double)r->tests;
	return r->verdict ? r->verdict : "passed";
}

static void begin(struct run *r, struct code *c)
{
	*r = (struct run){ .c = c, .row = json_parser_open(), .meta_parser = json_parser_open(), .value_parser = json_parser_open(),
			   .setup = { "", 0 } };
}

static void end(struct run *r)
{
	json_parser_close(r->row);
	json_parser_close(r->meta_parser);
	json_parser_close(r->value_parser);
	buf_release(&r->row_json);
	buf_release(&r->whole);
	buf_release(&r->program);
	buf_release(&r->result.out);
}

const char *code_judge(struct code *c, const struct batch *b, int64_t row, double *share)
{
	struct run r;
	const char *verdict = "bad_tests";
	*share = NAN;
	begin(&r, c);
	struct json_writer w = json_writer_open(&r.row_json, 0);
	batch_json(b, row, &w);
	r.completion.p = array_text(batch_column(b, "completion"), row, &r.completion.n);
	if (json_parse(r.row, r.row_json.data, r.row_json.len, &r.columns, NULL) == OK)
		verdict = judge(&r, share);
	end(&r);
	return verdict;
}

const char *code_judge_doc(struct code *c, const struct json *doc, const char *completion, size_t n, double *share)
{
	struct run r;
	*share = NAN;
	begin(&r, c);
	r.columns = doc;
	r.completion = (struct piece){ completion, n };
	r.whole_is_code = true;
	const char *verdict = judge(&r, share);
	end(&r);
	return verdict;
}
