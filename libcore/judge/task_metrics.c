/* task_metrics.c - the metrics and filters that a task file asks for. */
#include "judge/task_file.h"
#include "judge/task_series.h"

#include "judge/verify.h"

#include <stdlib.h>
#include <string.h>

/* --- metrics and filters ------------------------------------------------------------------------- */

static const struct {
	const char *name, *aggregation;
	bool higher;
	unsigned types;              /* bits of enum task_type */
} known_metrics[] = {
	{ "acc", "mean", true, 1 << TASK_MULTIPLE_CHOICE | 1 << TASK_LOGLIKELIHOOD },
	{ "acc_norm", "mean", true, 1 << TASK_MULTIPLE_CHOICE },
	{ "acc_bytes", "mean", true, 1 << TASK_MULTIPLE_CHOICE },
	{ "acc_mutual_info", "mean", true, 1 << TASK_MULTIPLE_CHOICE },
	{ "exact_match", "mean", true, 1 << TASK_MULTIPLE_CHOICE | 1 << TASK_GENERATE },
	{ "f1", "f1", true, 1 << TASK_MULTIPLE_CHOICE },
	{ "mcc", "matthews_corrcoef", true, 1 << TASK_MULTIPLE_CHOICE | 1 << TASK_GENERATE },
	{ "brier_score", "brier_score", false, 1 << TASK_MULTIPLE_CHOICE },
	{ "perplexity", "perplexity", false, 1 << TASK_LOGLIKELIHOOD },
	{ "word_perplexity", "weighted_perplexity", false, 1 << TASK_ROLLING },
	{ "byte_perplexity", "weighted_perplexity", false, 1 << TASK_ROLLING },
	{ "bits_per_byte", "bits_per_byte", false, 1 << TASK_ROLLING },
	{ "token_perplexity", "weighted_perplexity", false, 0 },     /* of no task file: eval --task perplexity */
	{ "acc", "mean", true, 1 << TASK_GENERATE },
	{ "pass@k", "mean", true, 1 << TASK_GENERATE },
	{ "avg@k", "mean", true, 1 << TASK_GENERATE },
	{ "maj@k", "mean", true, 1 << TASK_GENERATE },
	{ "macro_f1", "macro_f1", true, 1 << TASK_MULTIPLE_CHOICE | 1 << TASK_GENERATE },
	{ "prompt_level_strict_acc", "mean", true, 1 << TASK_GENERATE },
	{ "inst_level_strict_acc", "inst_level_acc", true, 1 << TASK_GENERATE },
	{ "prompt_level_loose_acc", "mean", true, 1 << TASK_GENERATE },
	{ "inst_level_loose_acc", "inst_level_acc", true, 1 << TASK_GENERATE },
	{ "bleu", "bleu", true, 1 << TASK_GENERATE },
	{ "chrf", "chrf", true, 1 << TASK_GENERATE },
	{ "chrf++", "chrf++", true, 1 << TASK_GENERATE },
	{ "ter", "ter", false, 1 << TASK_GENERATE },
};
#define KNOWN_METRICS (sizeof(known_metrics) / sizeof(*known_metrics))

const char *task_metric_aggregation(const char *name)
{
	for (size_t k = 0; k < KNOWN_METRICS; k++)
		if (!strcmp(known_metrics[k].name, name))
			return known_metrics[k].aggregation;
	return "mean";
}

#define K_MAX 4096                           /* responses of a document */

/* Whether name is a known one: the same, or with a number where that has k. */
static bool is_metric(const char *name, const char *known, int64_t *k)
{
	size_t n = strlen(known);
	char *end;

	*k = 0;
	if (!strcmp(name, known))
		return known[n - 1] != 'k' || known[n - 2] != '@';
	if (known[n - 1] != 'k' || known[n - 2] != '@' || strncmp(name, known, n - 1) || name[n - 1] < '1' || name[n - 1] > '9')
		return false;
	*k = strtoll(name + n - 1, &end, 10);
	return !*end && *k <= K_MAX;
}

/* Metrics of instructions are for their grader, and the other way round. */
static enum status check_grader(const struct task *t, const struct task_metric *m, struct error *err)
{
	bool instructions = strstr(m->name, "_level_") != NULL, texts = !strcmp(m->name, "macro_f1") || !strcmp(m->name, "mcc");

	if (t->type != TASK_GENERATE)
		return OK;
	if (instructions && t->grader != GRADE_IFEVAL)
		return error_set(err, ERR_DATA, "metric '%s' needs 'grader: ifeval'", m->name);
	if (texts && t->grader != GRADE_TEXT)
		return error_set(err, ERR_DATA, "metric '%s' compares texts, and 'grader' says otherwise", m->name);
	if (!strncmp(m->name, "maj@", 4) && (t->grader == GRADE_IFEVAL || t->grader == GRADE_CODE))
		return error_set(err, ERR_DATA, "metric '%s': which of these responses are the same nobody can say", m->name);
	return OK;
}

static enum status add_metric(struct task *t, const char *name, const struct json *options, struct error *err)
{
	struct task_metric *m = &t->metrics[t->n_metrics];
	size_t k = 0;
	int64_t responses = 0;

	while (k < KNOWN_METRICS && (!is_metric(name, known_metrics[k].name, &responses) || !(known_metrics[k].types >> t->type & 1)))
		k++;
	if (k == KNOWN_METRICS)
		return error_set(err, ERR_UNSUPPORTED, "metric '%s' of a %s task is not supported", name, task_type_name(t->type));
	if (t->n_metrics == sizeof(t->metrics) / sizeof(*t->metrics))
		return error_set(err, ERR_DATA, "too many metrics");
	*m = (struct task_metric){ name, known_metrics[k].aggregation, known_metrics[k].higher, responses, options };
	TRY(check_grader(t, m, err));
	if (options) {
		const char *aggregation;

		TRY(task_text_member(options, "aggregation", m->aggregation, &aggregation, err));
		if (strcmp(aggregation, m->aggregation) && strcmp(aggregation, "mean") && strcmp(aggregation, "median"))
			return error_set(err, ERR_UNSUPPORTED, "aggregation '%s' of metric '%s' is not supported", aggregation, name);
		if (strcmp(aggregation, m->aggregation) && strcmp(m->aggregation, "mean"))
			return error_set(err, ERR_UNSUPPORTED, "metric '%s' is aggregated by %s, not %s", name, m->aggregation, aggregation);
		m->aggregation = aggregation;
		m->higher = json_get_bool(options, "higher_is_better", m->higher);
		if (json_get_bool(options, "hf_evaluate", false))
			return error_set(err, ERR_UNSUPPORTED, "metric '%s': hf_evaluate is a download, and not supported", name);
	}
	t->n_metrics++;
	return OK;
}

static enum status read_grader(struct task *t, struct error *err)
{
	static const char *const names[] = { "exact_match", "", "choice", "ifeval", "code", "choice_anywhere" };
	const char *name;
	enum verify_profile profile;

	TRY(task_text_member(t->config, "grader", "exact_match", &name, err));
	if (t->type != TASK_GENERATE && json_get(t->config, "grader"))
		return error_set(err, ERR_DATA, "'grader' is for generate_until");
	for (int i = 0; i < 6; i++)
		if (*names[i] && !strcmp(name, names[i])) {
			t->anywhere = i == 5;
			t->grader = t->anywhere ? GRADE_CHOICE : (enum task_grader)i;
			return OK;
		}
	if (verify_profile_find(name, strlen(name), &profile, NULL) != OK)
		return error_set(err, ERR_UNSUPPORTED, "grader '%s' is not supported (exact_match, choice, choice_anywhere, ifeval, code and the profiles of "
				 "quern-score(1) are)", name);
	t->grader = GRADE_ANSWER;
	t->profile = profile;
	return OK;
}

/* Without a list: exact_match, or what the grader finds. */
static const char *default_metric(const struct task *t, int i)
{
	static const char *const defaults[4][4] = { { "acc", "acc_norm" }, { "perplexity", "acc" },
						    { "word_perplexity", "byte_perplexity", "bits_per_byte" }, { "exact_match" } };

	return t->grader == GRADE_TEXT ? defaults[t->type][i] : i ? NULL : "acc";
}

enum status task_read_metrics(struct task *t, struct error *err)
{
	const struct json *list = json_get(t->config, "metric_list");

	TRY(read_grader(t, err));
	if (task_absent(list)) {
		for (int i = 0; default_metric(t, i); i++)
			TRY(add_metric(t, default_metric(t, i), NULL, err));
		return OK;
	}
	if (list->type != JSON_ARRAY || !list->len)
		return error_set(err, ERR_DATA, "'metric_list' is no list");
	for (size_t i = 0; i < list->len; i++) {
		const char *name = json_get_str(&list->items[i], "metric", NULL);

		if (!name)
			return error_set(err, ERR_DATA, "an entry of 'metric_list' names no metric");
		TRY(add_metric(t, name, &list->items[i], err));
	}
	return OK;
}

static bool wants_all(const struct task *t)
{
	for (int i = 0; i < t->n_metrics; i++)
		if (t->metrics[i].k)
			return true;
	return false;
}

enum status task_set_metrics(struct task *t, const char *names, struct error *err)
{
	struct task_metric kept[sizeof(t->metrics) / sizeof(*t->metrics)];
	int n = t->n_metrics;
	enum status st = OK;

	memcpy(kept, t->metrics, sizeof(kept));
	mem_free(t->metric_names);
	t->metric_names = mem_strdup(names);
	t->n_metrics = 0;
	for (char *rest = t->metric_names, *name; st == OK && (name = strsep(&rest, ",")); ) {
		const struct json *own = NULL, *ignored = NULL;

		for (int i = 0; i < n; i++) {
			own = strcmp(kept[i].name, name) ? own : kept[i].options;
			ignored = i && strcmp(kept[i].name, "exact_match") ? ignored : kept[i].options;
		}
		st = add_metric(t, name, own, err);
		if (st == OK && !own)        /* what is the same text is as before */
			t->metrics[t->n_metrics - 1].options = ignored;
	}
	t->filters[0].keeps_all = wants_all(t);
	return st;
}

int64_t task_responses_needed(const struct task *t)
{
	int64_t most = 1;

	for (int i = 0; i < t->n_metrics; i++)
		most = t->metrics[i].k > most ? t->metrics[i].k : most;
	return most;
}

enum status task_read_filters(struct task *t, struct error *err)
{
	const struct json *list = json_get(t->config, "filter_list");

	t->filters[0] = (struct task_filter){ "none", NULL, wants_all(t) };
	t->n_filters = 1;
	if (task_absent(list))
		return OK;
	if (list->type != JSON_ARRAY || !list->len || list->len > sizeof(t->filters) / sizeof(*t->filters))
		return error_set(err, ERR_DATA, "'filter_list' is no list of filters");
	t->n_filters = (int)list->len;
	for (size_t i = 0; i < list->len; i++) {
		const struct json *steps = json_get(&list->items[i], "filter");

		t->filters[i] = (struct task_filter){ json_get_str(&list->items[i], "name", NULL), steps, false };
		if (!t->filters[i].name || !steps || steps->type != JSON_ARRAY)
			return error_set(err, ERR_DATA, "an entry of 'filter_list' needs a name and a list of functions");
	}
	return OK;
}

