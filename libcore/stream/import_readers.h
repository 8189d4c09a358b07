/* import_readers.h - what a row says under each layout: the fields of an object as a sample. Private to import_layout.c. */
#ifndef QUERN_STREAM_IMPORT_READERS_H
#define QUERN_STREAM_IMPORT_READERS_H

#include "stream/import_layout.h"
#include "stream/import_turns.h"

struct sample {
	const char *id, *text, *source, *answer, *completion;
	size_t id_n, text_n, source_n, answer_n, completion_n;
	struct turns messages, prompt, chosen, rejected;
	bool label;
	const struct json *steps, *labels; /* arrays of texts and of booleans or 0 and 1, as many */
	double score_chosen, score_rejected, margin;
};

struct row {
	const struct layout_request *request;
	const struct json *object;
	bool *used;                  /* fields that became columns */
	bool tools, media;           /* tools are called, or parts are no text, of which only meta tells */
	struct layout_scratch *scratch;
	struct sample s;
};

/* Place of the first of the fields "a|b|c" (after --map) that the object has, or -1. Nulls count as absent. */
int find_need(const struct layout_request *q, const struct json *o, const char *need);
/* Text of the first of those fields, which is then used; false if it has none. */
bool take_text(struct row *r, const char *need, const char **s, size_t *n);

/* A label that a reader has let pass. */
bool label_of(const struct json *j);

#define QUESTION "question|problem|query|input"
#define ANSWER "answer|solution|response|target"
#define LABEL "label|kto_tag"

/* Each fills the row's sample and returns NULL, or the reason why it cannot. */
typedef const char *layout_reader(struct row *r);
layout_reader read_text, read_facts, read_messages, read_alpaca, read_query, read_qa, read_problem, read_completion, read_preference,
	read_score_list, read_feedback, read_stepwise;

#endif
