/* provenance.c - chains of stages: made, merged, told, replayed. */
#include "stream/provenance.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void provenance_input_release(struct provenance_input *in)
{
	mem_free(in->name);
	mem_free(in->chain);
	memset(in, 0, sizeof(*in));
}

void provenance_release(struct provenance *p)
{
	for (int i = 0; i < p->n_inputs; i++)
		provenance_input_release(&p->inputs[i]);
	for (int i = 0; i < p->n_reasons; i++)
		mem_free(p->reasons[i]);
	mem_free(p->inputs);
	mem_free(p->reasons);
	mem_free(p->reason_rows);
	p->inputs = NULL;
	p->reasons = NULL;
	p->reason_rows = NULL;
	p->n_inputs = p->n_reasons = 0;
}

void provenance_add_input(struct provenance *p, const struct provenance_input *in)
{
	p->inputs = mem_grow(p->inputs, (size_t)p->n_inputs + 1, sizeof(*p->inputs));
	struct provenance_input *to = &p->inputs[p->n_inputs++];
	*to = *in;
	to->name = mem_strdup(in->name ? in->name : "");
	to->chain = in->chain ? mem_strdup(in->chain) : NULL;
}

void provenance_reject(struct provenance *p, const char *reason, int64_t n)
{
	int i = 0;

	while (i < p->n_reasons && strcmp(p->reasons[i], reason) != 0)
		i++;
	if (i == p->n_reasons) {
		p->reasons = mem_grow(p->reasons, (size_t)i + 1, sizeof(*p->reasons));
		p->reason_rows = mem_grow(p->reason_rows, (size_t)i + 1, sizeof(*p->reason_rows));
		p->reasons[i] = mem_strdup(reason);
		p->reason_rows[i] = 0;
		p->n_reasons++;
	}
	p->reason_rows[i] += n;
}

/* --- printing ----------------------------------------------------------------------------------- */
/* Stages gathered so far, each as JSON text with "stage" numbers of the merged chain: equal texts are one stage. */
struct stages {
	struct buf *text;
	int n, cap;
};

static int stages_add(struct stages *s, struct buf *text)
{
	for (int i = 0; i < s->n; i++)
		if (s->text[i].len == text->len && memcmp(s->text[i].data, text->data, text->len) == 0) {
			buf_release(text);
			return i;
		}
	MEM_PUSH_ROOM(s->text, s->n, s->cap);
	s->text[s->n] = *text;
	memset(text, 0, sizeof(*text));
	return s->n++;
}

/* A stage's input with its "stage" put into the merged chain's numbers. */
static void print_old_input(const struct json *in, const int *place, int n_places, struct json_writer *w)
{
	json_begin_object(w);
	for (size_t i = 0; in->type == JSON_OBJECT && i < in->len; i++) {
		const struct json *v = &in->items[i];
		json_key_n(w, in->keys[i].str, in->keys[i].len);
		if (strcmp(in->keys[i].str, "stage") == 0 && v->type == JSON_INT && v->integer >= 0 && v->integer < n_places)
			json_int(w, place[v->integer]);
		else
			json_value(w, v);
	}
	json_end_object(w);
}

static void print_old_stage(const struct json *stage, const int *place, int n_places, struct buf *out)
{
	struct json_writer w = json_writer_open(out, 0);

	json_begin_object(&w);
	for (size_t i = 0; i < stage->len; i++) {
		const struct json *v = &stage->items[i];
		json_key_n(&w, stage->keys[i].str, stage->keys[i].len);
		if (strcmp(stage->keys[i].str, "inputs") != 0 || v->type != JSON_ARRAY) {
			json_value(&w, v);
			continue;
		}
		json_begin_array(&w);
		for (size_t k = 0; k < v->len; k++)
			print_old_input(&v->items[k], place, n_places, &w);
		json_end_array(&w);
	}
	json_end_object(&w);
}

/* Adds an input's chain; returns the place of its last stage, -1 if it is no chain. */
static int merge_chain(struct stages *s, const char *chain)
{
	struct json_parser *parser = json_parser_open();
	const struct json *doc;
	int last = -1;

	if (chain && json_parse(parser, chain, strlen(chain), &doc, NULL) == OK && doc->type == JSON_ARRAY) {
		int *place = mem_array(doc->len + 1, sizeof(*place));
		int n = 0;
		for (size_t i = 0; i < doc->len && doc->items[i].type == JSON_OBJECT; i++) {
			struct buf text = {0};
			print_old_stage(&doc->items[i], place, n, &text);
			last = place[n++] = stages_add(s, &text);
		}
		mem_free(place);
	}
	json_parser_close(parser);
	return last;
}

static void print_rows(struct json_writer *w, const char *key, int64_t rows)
{
	json_key(w, key);
	if (rows < 0)
		json_null(w);
	else
		json_int(w, rows);
}

static void print_own_stage(const struct provenance *p, const int *made_by, struct json_writer *w)
{
	json_begin_object(w);
	json_kv_string(w, "tool", p->tool ? p->tool : "");
	json_kv_string(w, "version", p->version ? p->version : "");
	json_key(w, "argv");
	json_begin_array(w);
	for (int i = 0; i < p->n_argv; i++)
		json_string(w, p->argv[i]);
	json_end_array(w);
	json_key(w, "seed");
	json_uint(w, p->seed);
	json_key(w, "inputs");
	json_begin_array(w);
	for (int i = 0; i < p->n_inputs; i++) {
		const struct provenance_input *in = &p->inputs[i];
		json_begin_object(w);
		json_kv_string(w, "name", in->name);
		json_key(w, "xxh3");
		if (in->xxh3[0])
			json_string(w, in->xxh3);
		else
			json_null(w);
		print_rows(w, "rows", in->rows);
		print_rows(w, "stage", made_by[i]);
		json_end_object(w);
	}
	json_end_array(w);
	print_rows(w, "rows_in", p->rows_in);
	print_rows(w, "rows_out", p->rows_out);
	json_key(w, "rejected");
	json_begin_object(w);
	for (int i = 0; i < p->n_reasons; i++)
		json_kv_int(w, p->reasons[i], p->reason_rows[i]);
	json_end_object(w);
	json_end_object(w);
}

void provenance_print(const struct provenance *p, struct buf *out)
{
	struct json_writer w = json_writer_open(out, 0);
	struct stages s = {0};
	int *made_by = mem_array((size_t)p->n_inputs + 1, sizeof(*made_by));

	for (int i = 0; i < p->n_inputs; i++)
		made_by[i] = merge_chain(&s, p->inputs[i].chain);
	json_begin_array(&w);
	for (int i = 0; i < s.n; i++) {
		json_raw(&w, s.text[i].data, s.text[i].len);
		buf_release(&s.text[i]);
	}
	print_own_stage(p, made_by, &w);
	json_end_array(&w);
	mem_free(s.text);
	mem_free(made_by);
}
