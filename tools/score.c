/* quern score - rewards for completions; reference log-probabilities for preferences.
 *
 * Completions (or scores) in, scores out: one column per reward, their weighted sum, and the verdict on the answer. The rewards are
 * libcore/judge/rewards.h; programs of the user are exec.h, and the completions' own programs code.h. Preferences with --ref come out with
 * the two numbers that dpo-train needs of its frozen reference, so that it holds one model instead of two. */
#include "common/model.h"
#include "common/tool.h"
#include "judge/code.h"
#include "judge/score_rows.h"
#include "judge/stats.h"

#include <math.h>
#include <string.h>

static struct {
	struct opt_list rewards, programs, mounts;
	const char *logprob, *reward_model, *step_separator, *ref, *answer, *profile, *audit;
	int64_t exec_jobs, length_max;
	double exec_timeout;
	bool code, bf16;
	int exec_format, aggregate, load;
	struct code_options run;
	struct reward_options r;
	struct device_flags device;
} opts = { .answer = "answer", .profile = "quern", .exec_jobs = 1, .exec_timeout = 60, .length_max = -1, .r = REWARD_OPTIONS_DEFAULT,
	   .run = { NULL, "python", CODE_SANDBOX }, .device = DEVICE_FLAGS_DEFAULT };

static struct opt options[] = {
	OPT_GROUP("Completions"),
	OPT_LIST('r', "reward", &opts.rewards, "NAME[=W],...", "rewards, each with its weight in the score, which is 1 unless given"),
	OPT_STRING(0, "answer", &opts.answer, "COLUMN", "column of the right answer"),
	OPT_STRING(0, "profile", &opts.profile, "NAME", "whose rules say which answer is right"),
	OPT_STRING(0, "audit", &opts.audit, "A,B", "instead of rewards: the rows on which these two profiles disagree"),
	OPT_STRING(0, "logprob", &opts.logprob, "DIR", "add reward_logprob, the completion's log-probability under this model, and reward_logprob_mean, that of a token"),
	OPT_STRING(0, "reward-model", &opts.reward_model, "DIR", "add reward_model, how this reward model (of reward-train) rates it"),
	OPT_CHOICE(0, "step-aggregate", &opts.aggregate, STEP_AGGREGATES, "what a process reward model's scores of the steps make of them"),
	OPT_STRING(0, "step-separator", &opts.step_separator, "TEXT", "what stands between steps; without, what the model was trained with, or a newline"),
	OPT_FLAG(0, "bf16", &opts.bf16, BF16_HELP),
	OPT_GROUP("Rules"),
	OPT_DOUBLE(0, "cosine-min-value-wrong", &opts.r.cosine.min_value_wrong, "X", 0, 0, "cosine of a wrong answer of no length"),
	OPT_DOUBLE(0, "cosine-max-value-wrong", &opts.r.cosine.max_value_wrong, "X", 0, 0, "cosine of a wrong answer of --cosine-max-len"),
	OPT_DOUBLE(0, "cosine-min-value-correct", &opts.r.cosine.min_value_correct, "X", 0, 0, "cosine of a right answer of --cosine-max-len"),
	OPT_DOUBLE(0, "cosine-max-value-correct", &opts.r.cosine.max_value_correct, "X", 0, 0, "cosine of a right answer of no length"),
	OPT_INT(0, "cosine-max-len", &opts.r.cosine.max_len, "N", 1, 1e9, "characters at which the cosine turns"),
	OPT_INT(0, "repetition-n-grams", &opts.r.repetition_n_grams, "N", 1, 1e6, "words of a gram of repetition_penalty"),
	OPT_DOUBLE(0, "repetition-max-penalty", &opts.r.repetition_max_penalty, "X", -1e30, 0, "repetition_penalty where all is repetition"),
	OPT_CHOICE(0, "repetition-language", &opts.r.repetition_language, "en|zh", "words between white space, or zh: each Chinese character one"),
	OPT_INT(0, "max-completion-len", &opts.r.max_completion_len, "N", 1, 1e9, "tokens at which soft_overlong reaches -1"),
	OPT_INT(0, "soft-punish-cache", &opts.r.soft_punish_cache, "N", 0, 1e9, "tokens before that over which it falls"),
	OPT_STRING(0, "contains", &opts.r.contains, "TEXT", "what reward contains looks for, in place of the answer"),
	OPT_STRING(0, "regex", &opts.r.regex, "PATTERN", "the Perl-compatible regular expression of reward regex"),
	OPT_INT(0, "length-min", &opts.r.length_min, "N", 0, 1e12, "characters that reward length asks for at least"),
	OPT_INT(0, "length-max", &opts.length_max, "N", 0, 1e12, "characters that it allows at most"),
	OPT_STRING(0, "code-language", &opts.r.code_language, "NAME", "of the fenced code: for code_format, and for code where the row does not say"),
	OPT_GROUP("Programs as rewards"),
	OPT_LIST(0, "exec", &opts.programs, "[NAME=]COMMAND", "a shell command that reads rows and writes a score for each: reward NAME (exec)"),
	{ .type = OPT_TYPE_INT, .name = "exec-jobs", .value = &opts.exec_jobs, .arg = "N", .min = 1, .max = 1024, .no_provenance = true,
	  .help = "processes of each such command at once" },
	OPT_CHOICE(0, "exec-format", &opts.exec_format, "jsonl|arrow", "how it gets the rows"),
	OPT_DOUBLE(0, "exec-timeout", &opts.exec_timeout, "SECONDS", 0.01, 1e6, "how long it may take to the next answer"),
	OPT_GROUP("Code in completions"),
	OPT_FLAG(0, "code", &opts.code, "run the completions' code against their tests, each in a sandbox: rewards code, binary_code"),
	OPT_STRING(0, "code-run", &opts.run.command, "COMMAND", "shell command that runs the file $CODE; Python, C, C++ and shell need none"),
	OPT_DOUBLE(0, "code-timeout", &opts.run.sandbox.wall_s, "SECONDS", 0.01, 1e6, "time that a test may take"),
	OPT_INT(0, "code-cpu", &opts.run.sandbox.cpu_s, "SECONDS", 1, 1e6, "CPU time of a process in it"),
	OPT_INT(0, "code-memory", &opts.run.sandbox.memory_bytes, "BYTES", 1 << 20, 1e15, "address space of a process"),
	OPT_INT(0, "code-disk", &opts.run.sandbox.disk_bytes, "BYTES", 1 << 16, 1e15, "room in its /tmp, which is memory"),
	OPT_INT(0, "code-output", &opts.run.sandbox.output_bytes, "BYTES", 1, 1e9, "standard output of a test"),
	OPT_INT(0, "code-processes", &opts.run.sandbox.processes, "N", 1, 30000, "processes and threads of a test"),
	OPT_LIST(0, "code-mount", &opts.mounts, "DIR", "a directory more that the code may read"),
	OPT_GROUP("Preferences"),
	OPT_STRING(0, "ref", &opts.ref, "DIR", "add ref_chosen_logp and ref_rejected_logp under this model"),
	OPT_GROUP("Models"),
	OPT_CHOICE(0, "load", &opts.load, MODEL_FORMS, LOAD_HELP),
	DEVICE_FLAGS(opts.device),
	OPT_END,
};

static struct tool tool = {
	.name = "score", .summary = "rewards for completions, reference log-probabilities for preferences",
	.operands = "[FILE ...]", .options = options, .max_operands = -1,
};

static struct model_how how = { .in_place = true, .pack = true };    /* models are held, and where they compute */
static struct score_rows sc;                 /* what the rows are scored by */
static struct schema schema;                 /* of the output: n_passed columns of the input, then ours */
static int n_passed;

/* Begins the output's schema: the input's without the columns we write. */
static void pass_schema(const struct schema *ours)
{
	const struct schema *in = tool_schema(&tool);
	for (int i = 0; i < in->n_fields; i++)
		if (schema_find(ours, in->fields[i].name) < 0)
			schema_add(&schema, &in->fields[i]);
	n_passed = schema.n_fields;
	for (int i = 0; i < ours->n_fields; i++)
		schema_add(&schema, &ours->fields[i]);
}

static void copy_passed(struct builder *to, const struct batch *b, int64_t row)
{
	for (int i = 0; i < n_passed; i++)
		column_copy(builder_column(to, i), batch_column(b, schema.fields[i].name), row);
}

/* --- completions --------------------------------------------------------------------------------------- */

static struct stats *means, score_mean;      /* of each reward */
static bool judged;                          /* a reward asks for the verdict */

/* Flags of what was not asked for. */
static enum status refuse_idle(struct error *err)
{
	const struct sandbox *s = &opts.run.sandbox, usual = CODE_SANDBOX;
	bool code = opts.run.command || opts.mounts.n || s->wall_s != usual.wall_s || s->cpu_s != usual.cpu_s ||
		    s->memory_bytes != usual.memory_bytes || s->disk_bytes != usual.disk_bytes || s->output_bytes != usual.output_bytes ||
		    s->processes != usual.processes;
	if (!opts.programs.n && (opts.exec_jobs != 1 || opts.exec_format || opts.exec_timeout != 60))
		return error_set(err, ERR_USAGE, "--exec-jobs, --exec-format and --exec-timeout are for --exec COMMAND");
	if (!opts.code && code)
		return error_set(err, ERR_USAGE, "--code-run, --code-mount and the limits of --code-... are for --code");
	if (!opts.logprob && !opts.reward_model && (opts.load || opts.bf16))
		return error_set(err, ERR_USAGE, "--load and --bf16 are for models: --logprob, --reward-model or --ref");
	if (!judged && strcmp(opts.profile, "quern") != 0)
		return error_set(err, ERR_USAGE, "--profile is for rewards that judge answers, such as -r accuracy");
	return OK;
}

static enum status plan_rewards(struct error *err)
{
	struct reward_set *set = &sc.set;
	set->o = opts.r;
	set->o.length_max = opts.length_max < 0 ? INT64_MAX : opts.length_max;
	for (int i = 0; i < opts.programs.n; i++)
		TRY(reward_set_program(set, opts.programs.items[i], err));
	for (int i = 0; i < opts.rewards.n; i++)
		TRY(reward_set_add(set, opts.rewards.items[i], err));
	bool runs_code = reward_set_has(set, REWARD_CODE) || reward_set_has(set, REWARD_BINARY_CODE);
	if (runs_code && !opts.code)
		return error_set(err, ERR_USAGE, "the rewards code and binary_code run what the model wrote: --code allows it");
	if (opts.code && !runs_code)
		TRY(reward_set_add(set, "code", err));
	if (opts.reward_model && !reward_set_has(set, REWARD_MODEL))
		TRY(reward_set_add(set, "model", err));
	TRY(reward_set_finish(set, err));
	if ((opts.aggregate || opts.step_separator) && !opts.reward_model)
		return error_set(err, ERR_USAGE, "--step-aggregate and --step-separator are for --reward-model");
	if (set->n == 0 && !opts.logprob)
		return error_set(err, ERR_USAGE, "-r is needed: by which rewards?");
	if ((reward_set_has(set, REWARD_LOGPROB) || reward_set_has(set, REWARD_LOGPROB_MEAN)) && !opts.logprob)
		return error_set(err, ERR_USAGE, "rewards logprob and logprob_mean need --logprob DIR");
	if (reward_set_has(set, REWARD_MODEL) && !opts.reward_model)
		return error_set(err, ERR_USAGE, "reward model needs --reward-model DIR");
	if (opts.logprob && !reward_set_has(set, REWARD_LOGPROB))
		TRY(reward_set_add(set, "logprob=0", err));
	if (opts.logprob && !reward_set_has(set, REWARD_LOGPROB_MEAN))
		TRY(reward_set_add(set, "logprob_mean=0", err));
	judged = reward_set_needs_verdict(set);
	TRY(refuse_idle(err));
	return verify_profile_find(opts.profile, strlen(opts.profile), &sc.profile, err);
}

static enum status choose_how(struct error *err)
{
	how.form = (enum model_form)opts.load;
	how.apart = how.form != MODEL_F32;
	return tool_open_device(&tool, &opts.device, opts.bf16, &how.kernels, err);
}

static enum status open_scorers(struct error *err)
{
	sc.answer = opts.answer;
	sc.pool = tool.pool;
	sc.aggregate = (enum step_aggregate)opts.aggregate;
	TRY(score_rows_check(&sc, tool_schema(&tool), err));
	sc.programs = mem_array((size_t)sc.set.n_programs + 1, sizeof(*sc.programs));
	for (int i = 0; i < sc.set.n_programs; i++)
		sc.programs[i] = exec_open(sc.set.programs[i].name, sc.set.programs[i].command,
					   opts.exec_format ? &score_rows_arrow : &score_rows_jsonl, (int)opts.exec_jobs, opts.exec_timeout);
	if (opts.code) {
		opts.run.language = opts.r.code_language;
		opts.run.sandbox.mounts = opts.mounts.items;
		opts.run.sandbox.n_mounts = opts.mounts.n;
		TRY(code_open(&sc.code, &opts.run, err));
	}
	if (opts.logprob || opts.reward_model)
		TRY(choose_how(err));
	if (opts.logprob) {
		TRY(tool_add_model(&tool, opts.logprob, NULL, err));
		TRY(score_model_open(&sc.model, opts.logprob, &how, tool_schema(&tool), tool_kind(&tool), tool.pool, err));
	}
	if (opts.reward_model) {
		TRY(tool_add_model(&tool, opts.reward_model, NULL, err));
		TRY(score_rater_open(&sc.rater, opts.reward_model, &how, opts.step_separator, tool_schema(&tool), tool_kind(&tool), tool.pool, err));
	}
	return OK;
}

/* score, one column for each reward, the verdicts. */
static void plan_schema(void)
{
	struct schema ours = { 0 };
	schema_add_spec(&ours, "score: float32?");
	for (int i = 0; i < sc.set.n; i++) {
		char *spec = mem_printf("reward_%s: float32?", sc.set.items[i].name);
		schema_add_spec(&ours, spec);
		mem_free(spec);
	}
	schema_add_spec(&ours, "verdict: utf8?");
	if (opts.code)
		schema_add_spec(&ours, "code_verdict: utf8?");
	if (score_rater_is_process(sc.rater))
		schema_add_spec(&ours, "step_scores: list<float32>");
	pass_schema(&ours);
	schema_release(&ours);
}

static void append_number(struct column *c, double v, struct stats *mean)
{
	if (isnan(v)) {
		column_null(c);
	} else {
		column_double(c, v);
		stats_add(mean, v);
	}
}

static void append_judgement(struct column *c, struct judgement j)
{
	struct buf text = { 0 };
	judgement_print(j, &text);
	column_text(c, text.data, text.len);
	buf_release(&text);
}

static void append_steps(struct column *c, const struct step_ratings *r, int64_t row)
{
	for (int64_t i = r->at[row]; i < r->at[row + 1]; i++)
		column_double(column_child(c, 0), r->values[i]);
	column_end_list(c);
}

static enum status emit(void *arg, const struct scored *s, int64_t row, struct error *err)
{
	const double *values = s->values + row * sc.set.n;
	struct builder *out = writer_builder(tool.out);
	int at = n_passed;
	(void)arg;
	if (s->reject[row])
		return tool_reject(&tool, s->batch, row, s->reject[row], err);
	copy_passed(out, s->batch, row);
	append_number(builder_column(out, at++), reward_score(&sc.set, values), &score_mean);
	for (int i = 0; i < sc.set.n; i++)
		append_number(builder_column(out, at++), values[i], &means[i]);
	if (judged)
		append_judgement(builder_column(out, at++), s->verdict[row]);
	else
		column_null(builder_column(out, at++));
	if (opts.code)
		column_str(builder_column(out, at++), s->code_verdict[row]);
	if (s->steps.at)
		append_steps(builder_column(out, at++), &s->steps, row);
	return writer_row(tool.out, err);
}

static enum status score_stream(struct score_groups *groups, struct error *err)
{
	struct batch *b;
	struct scored *scored;
	enum status st;
	while ((st = tool_next(&tool, &b, err)) == OK) {
		st = score_rows_judge(&sc, b, &scored, err);
		batch_release(b);
		TRY(st);
		TRY(score_groups_add(groups, scored, err));
	}
	if (st != END)
		return st;
	TRY(score_groups_finish(groups, err));
	for (int i = 0; i < sc.set.n_programs; i++)
		TRY(exec_finish(sc.programs[i], err));
	return tool_commit(&tool, err);
}

static enum status score_completions(struct error *err)
{
	TRY(plan_rewards(err));
	TRY(open_scorers(err));
	plan_schema();
	means = mem_array((size_t)sc.set.n, sizeof(*means));
	TRY(tool_open_output(&tool, &schema, KIND_SCORES, err));
	struct score_groups *groups = score_groups_open(&sc.set, emit, NULL);
	enum status st = score_stream(groups, err);
	score_groups_close(groups);
	for (int i = 0; i < sc.set.n; i++)
		tool_stat_double(&tool, sc.set.items[i].name, means[i].n ? means[i].mean : NAN);
	tool_stat_double(&tool, "score", score_mean.n ? score_mean.mean : NAN);
	return st;
}

/* --- audit ----------------------------------------------------------------------------------------------- */

static int64_t disagreements;

static enum status audit_batch(struct batch *b, const enum verify_profile profiles[2], struct error *err)
{
	struct judgement *said = mem_array(2 * (size_t)b->rows + 1, sizeof(*said));
	enum status st = OK;
	score_rows_audit(&sc, b, profiles, said);
	for (int64_t row = 0; row < b->rows && st == OK; row++) {
		struct builder *out = writer_builder(tool.out);
		if (said[2 * row].verdict == said[2 * row + 1].verdict)
			continue;
		disagreements++;
		copy_passed(out, b, row);
		append_judgement(builder_column(out, n_passed), said[2 * row]);
		append_judgement(builder_column(out, n_passed + 1), said[2 * row + 1]);
		st = writer_row(tool.out, err);
	}
	mem_free(said);
	return st;
}

static enum status audit(struct error *err)
{
	enum verify_profile profiles[2];
	struct schema ours = { 0 };
	struct batch *b;
	enum status st;
	size_t n = strcspn(opts.audit, ",");
	if (opts.rewards.n || opts.programs.n || opts.code || opts.logprob || opts.reward_model)
		return error_set(err, ERR_USAGE, "--audit compares two profiles; -r, --exec, --code, --logprob and --reward-model are for scores");
	if (opts.audit[n] != ',')
		return error_set(err, ERR_USAGE, "--audit wants two profiles, as in quern,math-verify");
	TRY(verify_profile_find(opts.audit, n, &profiles[0], err));
	TRY(verify_profile_find(opts.audit + n + 1, strlen(opts.audit + n + 1), &profiles[1], err));
	TRY(reward_set_add(&sc.set, "accuracy", err)); /* what it asks of the rows */
	TRY(open_scorers(err));
	schema_add_spec(&ours, "verdict_a: utf8");
	schema_add_spec(&ours, "verdict_b: utf8");
	pass_schema(&ours);
	schema_release(&ours);
	TRY(tool_open_output(&tool, &schema, tool_kind(&tool), err));
	while ((st = tool_next(&tool, &b, err)) == OK) {
		st = audit_batch(b, profiles, err);
		batch_release(b);
		TRY(st);
	}
	tool_stat_int(&tool, "judged", tool.prov.rows_in);
	tool_stat_int(&tool, "disagree", disagreements);
	return st == END ? tool_commit(&tool, err) : st;
}

/* --- preferences ------------------------------------------------------------------------------------------- */

static enum status ref_batch(struct batch *b, struct error *err)
{
	double *sums = mem_array(2 * (size_t)b->rows + 1, sizeof(*sums));       /* [rows, 2]: chosen, rejected */
	const char **reject = mem_array((size_t)b->rows + 1, sizeof(*reject));
	enum status st = score_model_replies(sc.model, b, sums, reject, err);
	for (int64_t row = 0; row < b->rows && st == OK; row++) {
		if (reject[row]) {
			st = tool_reject(&tool, b, row, reject[row], err);
			continue;
		}
		struct builder *out = writer_builder(tool.out);
		copy_passed(out, b, row);
		column_double(builder_column(out, n_passed), sums[2 * row]);
		column_double(builder_column(out, n_passed + 1), sums[2 * row + 1]);
		st = writer_row(tool.out, err);
	}
	mem_free(sums);
	mem_free(reject);
	return st;
}

static enum status score_preferences(struct error *err)
{
	struct schema ours = { 0 };
	struct batch *b;
	enum status st;
	if (opts.rewards.n || opts.programs.n || opts.code || opts.logprob || opts.reward_model || opts.audit)
		return error_set(err, ERR_USAGE, "-r, --exec, --code, --logprob, --reward-model and --audit are for completions; these are preferences");
	schema_add_spec(&ours, "ref_chosen_logp: float32");
	schema_add_spec(&ours, "ref_rejected_logp: float32");
	pass_schema(&ours);
	schema_release(&ours);
	TRY(choose_how(err));
	TRY(tool_add_model(&tool, opts.ref, NULL, err));
	TRY(score_model_open(&sc.model, opts.ref, &how, tool_schema(&tool), tool_kind(&tool), tool.pool, err));
	TRY(tool_open_output(&tool, &schema, KIND_PREFERENCES, err));
	while ((st = tool_next(&tool, &b, err)) == OK) {
		st = ref_batch(b, err);
		batch_release(b);
		TRY(st);
	}
	return st == END ? tool_commit(&tool, err) : st;
}

static enum status run(struct error *err)
{
	static const enum kind completions[] = { KIND_COMPLETIONS, KIND_SCORES }, preferences[] = { KIND_PREFERENCES };
	if (!opts.ref && !opts.audit && !opts.rewards.n && !opts.programs.n && !opts.code && !opts.reward_model && !opts.logprob)
		return error_set(err, ERR_USAGE, "-r is needed: by which rewards? (preferences want --ref)");
	TRY(tool_open_inputs(&tool, opts.ref ? preferences : completions, opts.ref ? 1 : 2, err));
	enum status st = opts.ref ? score_preferences(err) : opts.audit ? audit(err) : score_completions(err);
	score_rows_release(&sc);
	schema_release(&schema);
	mem_free(means);
	return st;
}

int main(int argc, char **argv)
{
	struct error err;
	tool_start(&tool, argc, argv);
	return tool_end(&tool, run(&err), &err);
}
