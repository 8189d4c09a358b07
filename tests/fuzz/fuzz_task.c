/* fuzz_task.c - any bytes as a task file of an evaluation: it is refused, or makes requests of two documents and judges three responses to each. */
#include "base/mem.h"
#include "judge/task_judge.h"
#include "stream/stream.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct schema columns;
static struct docs docs;

static void make_docs(void)
{
	schema_add_spec(&columns, "question: utf8");
	schema_add_spec(&columns, "choices: list<utf8>");
	schema_add_spec(&columns, "answer: int64");
	struct builder *rows = builder_open(&columns);
	for (int i = 0; i < 2; i++) {
		struct column *c = builder_column(rows, 1);
		column_str(builder_column(rows, 0), i ? "Is it?" : "");
		column_str(column_child(c, 0), "no");
		column_str(column_child(c, 0), "yes #### 4");
		column_end_list(c);
		column_int(builder_column(rows, 2), i);
	}
	struct batch *b = builder_finish(rows);
	for (int i = 0; i < 2; i++)
		docs_add(&docs, b, i);
	batch_release(b);
	builder_close(rows);
}

static void ask(const struct task *t)
{
	struct prompter p;
	struct arena arena = {0};
	struct task_request r;
	struct error err;
	prompter_open(&p, t, &docs, &docs, 1);
	for (int i = 0; i < 2; i++) {
		if (prompter_request(&p, i, &arena, &r, &err) != OK)
			break;
		arena_reset(&arena);
	}
	arena_release(&arena);
	prompter_close(&p);
}

/* Responses of a document through filters, grader and metrics. */
static void judge(const struct task *t)
{
	struct request_text said[3] = {{"so #### 4, (B)", 14}, {"", 0}, {"The answer is $\\frac{1}{2}$.", 28}};
	struct json_parser *p = json_parser_open();
	struct arena arena = {0};
	struct task_scores *scores;
	struct task_score *values;
	struct task_judge *j;
	struct task_request r;
	struct error err;
	const struct json *doc;
	if (t->type == TASK_GENERATE && t->repeats < 100) {
		task_scores_open(&scores, t);
		if (task_judge_open(&j, t, scores, NULL, NULL, &err) == OK) {
			for (int i = 0; i < 2; i++)
				if (docs_get(&docs, i, p, &doc, &err) == OK && task_answer(t, doc, &arena, &r, &err) == OK &&
				    task_judge_responses(j, i, "{}", 2, &r, "[]", said, 3, &err) != OK)
					break;
			task_judge_close(j);
		}
		task_scores_report(scores, 2, &values);
		mem_free(values);
		task_scores_close(scores);
	}
	arena_release(&arena);
	json_parser_close(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[] = "/tmp/quern-fuzz-task.XXXXXX";
	struct task *t;
	struct error err;
	FILE *f;
	int fd;
	if (!docs.n)
		make_docs();
	if (size > 20000 || memmem(data, size, "include", 7) || (fd = mkstemp(path)) < 0)       /* other files are not its */
		return 0;
	if ((f = fdopen(fd, "wb"))) {
		fwrite(data, 1, size, f);
		fclose(f);
		if (task_load(&t, path, &err) == OK) {
			if (task_bind(t, &columns, &err) == OK) {
				ask(t);
				judge(t);
			}
			task_close(t);
		}
	}
	remove(path);
	return 0;
}
