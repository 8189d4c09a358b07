/* task_file.h - the parts of reading a task file, for task.c: members with those of its includes, what is understood, metrics and filters. */
#ifndef QUERN_JUDGE_TASK_FILE_H
#define QUERN_JUDGE_TASK_FILE_H

#include "judge/task.h"

/* Members of the file at path as one JSON object, those of its includes first: what stands further on wins. */
enum status task_file_read(const char *path, struct buf *out, struct error *err);
/* ERR_UNSUPPORTED names the first key that is a Python function, or that we do not know. */
enum status task_file_check(const struct json *config, const char *path, struct error *err);

static inline bool task_absent(const struct json *j) { return !j || j->type == JSON_NULL; }
bool task_listed(const char *key, const char *const *names);         /* names end with NULL */
/* A text member, or the default; anything else is an error. */
enum status task_text_member(const struct json *j, const char *key, const char *dflt, const char **out, struct error *err);
enum status task_count_member(const struct json *j, const char *key, int64_t dflt, int64_t *out, struct error *err);

/* metric_list, grader and filter_list of t->config into t. */
enum status task_read_metrics(struct task *t, struct error *err);
enum status task_read_filters(struct task *t, struct error *err);
enum status task_read_shuffle(struct task *t, struct error *err);

/* Whether the shuffle gives documents a column of this name. */
bool task_shuffle_makes(const struct task *t, const char *column);
/* The document with what the task's shuffle adds to it, or itself; the new one lives in arena and points into the old. */
enum status task_shuffle(const struct task *t, const struct json *doc, struct arena *arena, const struct json **out, struct error *err);

#endif
