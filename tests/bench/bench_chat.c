/* bench_chat.c - conversations to ids and masks: rendering, masking and encoding on one thread, and rendering alone.
 *
 *   bench_chat TOKENIZER TEMPLATE CONVERSATIONS.jsonl [OUT]     tests/bench/chat.py holds it against transformers
 *
 * OUT gets the ids and masks as lines of JSON. */
#include "base/file.h"
#include "base/progress.h"
#include "stream/stream.h"
#include "token/rows.h"
#include "token/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 5 };

struct bench {
	struct tokenizer *t;
	struct tokenizer_scratch *scratch;
	struct batch **batches;
	int n_batches, cap_batches;
	struct chat_message *messages;
	int n_messages, cap_messages;
	struct ids ids, mask;
	struct buf text, lines;
	bool keep;
	int64_t rows, tokens, bytes;
};

static void check(enum status st, const struct error *err)
{
	if (st == OK || st == END)
		return;
	fprintf(stderr, "bench_chat: %s\n", err->text);
	exit(1);
}

static void print_ids(struct json_writer *w, const char *key, const struct ids *ids)
{
	json_key(w, key);
	json_begin_array(w);
	for (int64_t i = 0; i < ids->n; i++)
		json_int(w, ids->v[i]);
	json_end_array(w);
}

static void print_row(struct bench *b, const char *reason)
{
	struct json_writer w = json_writer_open(&b->lines, 0);

	json_begin_object(&w);
	if (reason)
		json_kv_string(&w, "reason", reason);
	print_ids(&w, "ids", &b->ids);
	print_ids(&w, "mask", &b->mask);
	json_end_object(&w);
	buf_char(&b->lines, '\n');
}

static void row(struct bench *b, const struct batch *batch, int64_t i, bool encode)
{
	struct error err;
	const char *reason = NULL;
	struct chat c;

	b->n_messages = 0;
	row_messages(batch_column(batch, "messages"), i, &b->messages, &b->n_messages, &b->cap_messages);
	c = (struct chat){.messages = b->messages, .n = b->n_messages, .tools = batch_column(batch, "tools"), .row = i};
	b->ids.n = b->mask.n = 0;
	buf_clear(&b->text);
	if (encode)
		check(chat_encode_loss(b->t, b->scratch, &c, false, CHAT_LOSS_ASSISTANT, &b->ids, &b->mask, &reason, &err), &err);
	else
		check(chat_render(b->t, &c, false, &b->text, &err), &err);
	b->rows++;
	b->tokens += b->ids.n;
	b->bytes += (int64_t)b->text.len;
	if (b->keep)
		print_row(b, reason);
}

static void all_rows(struct bench *b, bool encode)
{
	b->rows = b->tokens = b->bytes = 0;
	for (int k = 0; k < b->n_batches; k++)
		for (int64_t i = 0; i < b->batches[k]->rows; i++)
			row(b, b->batches[k], i, encode);
}

static double best(struct bench *b, bool encode)
{
	double least = 1e9;

	for (int i = 0; i < ROUNDS; i++) {
		double t0 = clock_seconds(), t;

		all_rows(b, encode);
		t = clock_seconds() - t0;
		least = t < least ? t : least;
	}
	return least;
}

int main(int argc, char **argv)
{
	struct bench b = {0};
	struct buf text = {0};
	struct reader_options o = {0};
	struct reader *r;
	struct batch *batch;
	struct error err;
	double seconds;

	if (argc < 4) {
		fprintf(stderr, "usage: bench_chat TOKENIZER TEMPLATE CONVERSATIONS.jsonl [OUT]\n");
		return 2;
	}
	check(tokenizer_load(&b.t, argv[1], &err), &err);
	check(file_read_all(argv[2], 1 << 22, &text, &err), &err);
	check(chat_set_template(b.t, text.data ? text.data : "", text.len, &err), &err);
	check(reader_open(&r, argv[3], &o, &err), &err);
	while (reader_next(r, &batch, &err) == OK) {
		MEM_PUSH_ROOM(b.batches, b.n_batches, b.cap_batches);
		b.batches[b.n_batches++] = batch;
	}
	b.scratch = tokenizer_scratch_open(b.t);
	b.keep = argc > 4;
	all_rows(&b, true);
	if (b.keep)
		check(file_write_all(argv[4], b.lines.data, b.lines.len, &err), &err);
	b.keep = false;
	seconds = best(&b, true);
	printf("encode %lld conversations %lld tokens %.4f s, %.2f us each\n", (long long)b.rows, (long long)b.tokens, seconds,
	       seconds * 1e6 / (double)(b.rows ? b.rows : 1));
	seconds = best(&b, false);
	printf("render %lld bytes %.4f s, %.2f us each\n", (long long)b.bytes, seconds, seconds * 1e6 / (double)(b.rows ? b.rows : 1));
	return 0;
}
