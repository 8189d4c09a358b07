/* inputs.c - see inputs.h. */
#include "report/inputs.h"

#include "text/unicode.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define JSON_BYTES (64 << 20)
#define CURVES_MAX 64

static void *keep_parser(struct inputs *in)
{
	MEM_PUSH_ROOM(in->parsers, in->n_parsers, in->cap_parsers);
	return in->parsers[in->n_parsers++] = json_parser_open();
}

static void add_chain(struct inputs *in, const char *path, const struct json *stages)
{
	if (!stages || stages->type != JSON_ARRAY || !stages->len)
		return;
	MEM_PUSH_ROOM(in->chains, in->n_chains, in->cap_chains);
	in->chains[in->n_chains++] = (struct chain){ path, stages };
}

/* --- runs --------------------------------------------------------------------------------------------------------- */

static struct curve *curve_of(struct run *r, const struct json *name)
{
	for (int i = 0; i < r->n_curves; i++)
		if (!strcmp(r->curves[i].name, name->str))
			return &r->curves[i];
	if (r->n_curves == CURVES_MAX)
		return NULL;
	MEM_PUSH_ROOM(r->curves, r->n_curves, r->cap_curves);
	r->curves[r->n_curves] = (struct curve){ .name = mem_strndup(name->str, name->len) };
	return &r->curves[r->n_curves++];
}

static void add_metrics(struct run *r, const struct json *line)
{
	double step = json_get_num(line, "step", NAN);

	if (isnan(step))
		return;
	r->last_step = step > 0 && step < 1e15 ? (int64_t)step : 0;
	for (size_t i = 0; i < line->len; i++) {
		const struct json *v = &line->items[i];
		struct curve *c;

		if ((v->type != JSON_INT && v->type != JSON_DOUBLE) || !strcmp(line->keys[i].str, "step") || !(c = curve_of(r, &line->keys[i])))
			continue;
		if (c->n == c->cap) {
			c->cap = 2 * c->cap + 256;
			c->step = mem_grow(c->step, (size_t)c->cap, sizeof(*c->step));
			c->value = mem_grow(c->value, (size_t)c->cap, sizeof(*c->value));
		}
		c->step[c->n] = step;
		c->value[c->n++] = v->number;
	}
}

/* Line by line. A run that goes on may have half a line at its end, which does not count yet. */
static enum status read_metrics(struct run *r, const char *path, struct error *err)
{
	struct json_parser *parser = json_parser_open();
	struct buf text = { 0 };
	const struct json *line;
	enum status st = file_read_all(path, 4u * JSON_BYTES, &text, err);
	int64_t number = 1;

	for (size_t at = 0, n; st == OK && at < text.len; at += n + 1, number++) {
		const char *end = memchr(text.data + at, '\n', text.len - at);

		if (!end)
			break;
		n = (size_t)(end - text.data) - at;
		if (n == 0)
			continue;
		st = json_parse(parser, text.data + at, n, &line, err);
		if (st == OK && line->type != JSON_OBJECT)
			st = error_set(err, ERR_DATA, "expected an object");
		if (st == OK)
			add_metrics(r, line);
		else
			error_prefix(err, st, "%s: line %lld", path, (long long)number);
	}
	buf_release(&text);
	json_parser_close(parser);
	return st;
}

/* The JSON of a file in a directory, NULL where there is none. */
static enum status read_member(struct inputs *in, const char *dir, const char *name, const struct json **out, struct error *err)
{
	char *path = path_join(dir, name);
	enum status st = OK;

	*out = NULL;
	if (path_exists(path))
		st = json_parse_file(keep_parser(in), path, out, err);
	mem_free(path);
	return st;
}

static enum status read_directory(struct inputs *in, const char *path, struct error *err)
{
	const struct json *chain, *config;
	char *metrics = path_join(path, "trainer/metrics.jsonl"), *times = path_join(path, "trainer/times.jsonl");
	char *done = path_join(path, "trainer/done");
	enum status st = read_member(in, path, "provenance.json", &chain, err);

	if (st == OK)
		st = read_member(in, path, "config.json", &config, err);
	if (st == OK && path_exists(metrics)) {
		struct run r = { .path = path, .config = config, .done = path_exists(done) };

		if (chain && chain->type == JSON_ARRAY && chain->len)
			r.stage = &chain->items[chain->len - 1];
		st = read_metrics(&r, metrics, err);
		int64_t last = r.last_step;
		if (st == OK && path_exists(times))
			st = read_metrics(&r, times, err);
		r.last_step = last;
		MEM_PUSH_ROOM(in->runs, in->n_runs, in->cap_runs);
		in->runs[in->n_runs++] = r;
	} else if (st == OK && !chain && !config) {
		st = error_set(err, ERR_DATA, "%s: neither a training run nor a model: no trainer/metrics.jsonl, provenance.json or config.json", path);
	}
	if (st == OK)
		add_chain(in, path, chain);
	mem_free(metrics);
	mem_free(times);
	mem_free(done);
	return st;
}

/* --- JSON ----------------------------------------------------------------------------------------------------------- */

static void add_evaluation(struct inputs *in, const char *path, const struct json *root)
{
	const struct json *samples = json_get(root, "samples");

	MEM_PUSH_ROOM(in->evaluations, in->n_evaluations, in->cap_evaluations);
	in->evaluations[in->n_evaluations++] = (struct evaluation){ .path = path, .root = root, .has_samples = samples && samples->type == JSON_OBJECT };
	add_chain(in, path, json_get(root, "provenance"));
}

/* Whether the file is one JSON object that begins as ours do, and reads it. */
static enum status read_object(struct inputs *in, const char *path, const uint8_t *head, size_t n, bool *taken, struct error *err)
{
	static const char *const members[] = { "\"results\"", "\"comparison\"", "\"contamination\"", "\"tool\"" };
	const struct json *root;
	size_t at = 0;
	int which = -1;

	while (at < n && (head[at] == ' ' || head[at] == '\n' || head[at] == '\r' || head[at] == '\t' || head[at] == '{'))
		at++;
	for (int i = 0; i < 4; i++)
		if (at > 0 && n - at >= strlen(members[i]) && !memcmp(head + at, members[i], strlen(members[i])))
			which = i;
	*taken = which >= 0;
	if (which < 0)
		return OK;
	TRY(json_parse_file(keep_parser(in), path, &root, err));
	if (root->type != JSON_OBJECT)
		return error_set(err, ERR_DATA, "%s: expected an object", path);
	if (which == 0) {
		if (!json_get(root, "results") || json_get(root, "results")->type != JSON_OBJECT)
			return error_set(err, ERR_DATA, "%s: no report of an evaluation: results is no object", path);
		add_evaluation(in, path, root);
	} else if (which == 1) {
		MEM_PUSH_ROOM(in->comparisons, in->n_comparisons, in->cap_comparisons);
		in->comparisons[in->n_comparisons++] = root;
		add_chain(in, path, json_get(root, "provenance"));
	} else if (which == 2) {
		MEM_PUSH_ROOM(in->contaminations, in->n_contaminations, in->cap_contaminations);
		in->contaminations[in->n_contaminations++] = root;
		add_chain(in, path, json_get(root, "provenance"));
	} else {
		MEM_PUSH_ROOM(in->summaries, in->n_summaries, in->cap_summaries);
		in->summaries[in->n_summaries++] = root;
	}
	return OK;
}

/* --- streams ---------------------------------------------------------------------------------------------------------- */

static struct counted *counted_of(struct stream_input *s, const char *name, bool logarithmic)
{
	for (int i = 0; i < s->n_counted; i++)
		if (!strcmp(s->counted[i].name, name))
			return &s->counted[i];
	MEM_PUSH_ROOM(s->counted, s->n_counted, s->cap_counted);
	s->counted[s->n_counted] = (struct counted){ .name = mem_strdup(name), .logarithmic = logarithmic };
	return &s->counted[s->n_counted++];
}

/* Characters of text, elements of lists, values of numbers that are scores. */
static void count_column(struct stream_input *s, const struct array *a, int64_t row)
{
	static const char *const texts[] = { "text", "completion" }, *const lists[] = { "messages", "input_ids", "completion_ids", "chosen_ids", "rejected_ids" };
	const char *name = a->field->name;
	int64_t from, to;
	size_t n;

	if (array_is_null(a, row))
		return;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (!strcmp(name, texts[i]) && field_is_text(a->field)) {
			const char *t = array_text(a, row, &n);

			histogram_add(&counted_of(s, name, true)->h, log2((double)text_length(t, n) + 1));
		}
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		if (!strcmp(name, lists[i]) && (a->field->type == T_LIST || a->field->type == T_LARGE_LIST)) {
			array_list(a, row, &from, &to);
			histogram_add(&counted_of(s, name, true)->h, log2((double)(to - from) + 1));
		}
	if (a->field->type >= T_FLOAT16 && a->field->type <= T_FLOAT64 &&
	    (!strncmp(name, "score", 5) || !strncmp(name, "reward_", 7) || !strcmp(name, "logprob") || !strcmp(name, "margin")))
		histogram_add(&counted_of(s, name, false)->h, array_double(a, row));
}

static char *cell_text(const struct batch *b, const char *const *names, int64_t row)
{
	struct buf out = { 0 };
	const struct array *a = NULL;

	for (; !a && *names; names++)
		a = batch_column(b, *names);
	if (a && field_is_messages(a->field)) {
		struct array *turns = &a->children[0];
		int64_t from, to;
		size_t n;

		array_list(a, row, &from, &to);
		for (int64_t i = from; i < to; i++) {
			const char *role = array_text(array_child(turns, "role"), i, &n);

			buf_printf(&out, "%s%.*s: ", i > from ? "\n" : "", (int)(n < 40 ? n : 40), role);
			const char *content = array_text(array_child(turns, "content"), i, &n);
			buf_add(&out, content, n);
		}
	} else if (a) {
		array_plain(a, row, &out);
	}
	return buf_detach(&out);
}

static void keep_row(struct stream_input *s, const struct batch *b, int64_t row)
{
	static const char *const id[] = { "id", "doc_id", NULL }, *const prompt[] = { "prompt", "doc", NULL };
	static const char *const text[] = { "completion", "text", "messages", "chosen", "filtered_resps", NULL };

	s->first[s->n_first++] = (struct stream_row){ cell_text(b, id, row), cell_text(b, prompt, row), cell_text(b, text, row) };
}

static enum status read_stream(struct inputs *in, const char *path, struct error *err)
{
	struct reader_options o = { .unhashed = true };
	struct stream_input s = { .path = path };
	struct buf columns = { 0 };
	struct reader *r;
	struct batch *b;
	enum status st;

	TRY(reader_open(&r, path, &o, err));
	s.kind = reader_kind(r);
	for (int i = 0; i < reader_schema(r)->n_fields; i++) {
		buf_str(&columns, i ? ", " : "");
		field_print(&reader_schema(r)->fields[i], &columns);
	}
	s.columns = buf_detach(&columns);
	s.first = mem_array((size_t)in->rows + 1, sizeof(*s.first));
	while ((st = reader_next(r, &b, err)) == OK) {
		for (int64_t row = 0; row < b->rows; row++) {
			for (int i = 0; i < b->schema->n_fields; i++)
				count_column(&s, &b->columns[i], row);
			if (s.n_first < in->rows)
				keep_row(&s, b, row);
		}
		s.rows += b->rows;
		batch_release(b);
	}
	if (st == END && reader_provenance(r)) {
		const char *chain = reader_provenance(r);
		const struct json *stages;

		st = json_parse(keep_parser(in), chain, strlen(chain), &stages, err);
		if (st == OK)
			add_chain(in, path, stages);
	}
	reader_close(r);
	MEM_PUSH_ROOM(in->streams, in->n_streams, in->cap_streams);
	in->streams[in->n_streams++] = s;
	return st == END ? OK : st;
}

/* --- all ---------------------------------------------------------------------------------------------------------------- */

static bool are_metrics(const uint8_t *head, size_t n)
{
	static const char step[] = "{\"step\":";
	const uint8_t *end = memchr(head, '\n', n);
	size_t line = end ? (size_t)(end - head) : n;

	return line > sizeof(step) && !memcmp(head, step, sizeof(step) - 1) &&
	       (memmem(head, line, "\"loss\"", 6) || memmem(head, line, "\"lr\"", 4));
}

enum status inputs_read(struct inputs *in, const char *path, struct error *err)
{
	const uint8_t *head;
	struct input *input;
	bool taken = false, metrics = false;
	enum status st;
	size_t n;

	if (path_is_dir(path))
		return read_directory(in, path, err);
	if (!strcmp(path, "-"))
		return read_stream(in, path, err);
	TRY(input_open(&input, path, false, err));
	st = input_peek(input, 65536, &head, &n, err);
	if (st == OK)
		st = read_object(in, path, head, n, &taken, err);
	if (st == OK && !taken)
		metrics = are_metrics(head, n);
	input_close(input);
	if (st != OK || taken)
		return st;
	if (!metrics)
		return read_stream(in, path, err);
	struct run r = { .path = path };
	st = read_metrics(&r, path, err);
	MEM_PUSH_ROOM(in->runs, in->n_runs, in->cap_runs);
	in->runs[in->n_runs++] = r;
	return st;
}

/* What the harness's model_args name, else the file. */
static char *model_name(const struct evaluation *e)
{
	const char *args = json_get_str(json_get(e->root, "config"), "model_args", "");
	const char *at = strstr(args, "pretrained=");

	if (!at)
		return mem_strdup(e->path);
	at += strlen("pretrained=");
	return mem_strndup(at, strcspn(at, ","));
}

/* Whether two evaluations say something of the same task. */
static bool overlap(const struct evaluation *a, const struct evaluation *b)
{
	const struct json *x = json_get(a->root, "results"), *y = json_get(b->root, "results");

	for (size_t i = 0; i < x->len; i++)
		if (json_get(y, x->keys[i].str))
			return true;
	return false;
}

void inputs_name_models(struct inputs *in)
{
	for (int i = 0; i < in->n_evaluations; i++) {
		struct evaluation *e = &in->evaluations[i];

		e->model = model_name(e);
		for (int k = 0; k < i; k++)
			if (!strcmp(in->evaluations[k].model, e->model) && overlap(&in->evaluations[k], e)) {
				char *both = mem_printf("%s (%s)", e->model, e->path);

				mem_free(e->model);
				e->model = both;
				break;
			}
	}
}

void inputs_release(struct inputs *in)
{
	for (int i = 0; i < in->n_runs; i++) {
		for (int c = 0; c < in->runs[i].n_curves; c++) {
			mem_free(in->runs[i].curves[c].name);
			mem_free(in->runs[i].curves[c].step);
			mem_free(in->runs[i].curves[c].value);
		}
		mem_free(in->runs[i].curves);
	}
	for (int i = 0; i < in->n_evaluations; i++)
		mem_free(in->evaluations[i].model);
	for (int i = 0; i < in->n_streams; i++) {
		struct stream_input *s = &in->streams[i];

		for (int c = 0; c < s->n_counted; c++)
			mem_free(s->counted[c].name);
		for (int r = 0; r < s->n_first; r++) {
			mem_free(s->first[r].id);
			mem_free(s->first[r].prompt);
			mem_free(s->first[r].text);
		}
		mem_free(s->counted);
		mem_free(s->first);
		mem_free(s->columns);
	}
	for (int i = 0; i < in->n_parsers; i++)
		json_parser_close(in->parsers[i]);
	mem_free(in->parsers);
	mem_free(in->runs);
	mem_free(in->evaluations);
	mem_free(in->comparisons);
	mem_free(in->contaminations);
	mem_free(in->summaries);
	mem_free(in->streams);
	mem_free(in->chains);
	*in = (struct inputs){ .rows = in->rows };
}
