#include "judge/rewards.h"

#include "judge/chars.h"

#include <math.h>
#include <string.h>

enum needs { NOTHING, ANSWER, VERDICT };      /* a verdict needs the answer, too */

static const struct {
	const char *name;
	enum needs needs;
} kinds[REWARD_EXEC] = {
	[REWARD_ACCURACY] = { "accuracy", VERDICT },
	[REWARD_FORMAT] = { "format", NOTHING },
	[REWARD_FORMAT_LOOSE] = { "format_loose", NOTHING },
	[REWARD_CODE_FORMAT] = { "code_format", NOTHING },
	[REWARD_TAG_COUNT] = { "tag_count", NOTHING },
	[REWARD_REASONING_STEPS] = { "reasoning_steps", NOTHING },
	[REWARD_COSINE] = { "cosine", VERDICT },
	[REWARD_REPETITION_PENALTY] = { "repetition_penalty", NOTHING },
	[REWARD_LEN] = { "len", VERDICT },
	[REWARD_SOFT_OVERLONG] = { "soft_overlong", NOTHING },
	[REWARD_EXACT_MATCH] = { "exact_match", ANSWER },
	[REWARD_CONTAINS] = { "contains", ANSWER },
	[REWARD_REGEX] = { "regex", NOTHING },
	[REWARD_LENGTH] = { "length", NOTHING },
	[REWARD_JSON_VALID] = { "json_valid", NOTHING },
	[REWARD_CODE] = { "code", NOTHING },
	[REWARD_BINARY_CODE] = { "binary_code", NOTHING },
	[REWARD_LOGPROB] = { "logprob", NOTHING },
	[REWARD_LOGPROB_MEAN] = { "logprob_mean", NOTHING },
	[REWARD_MODEL] = { "model", NOTHING },
};

/* --- the set ---------------------------------------------------------------------------------------------- */

bool reward_set_has(const struct reward_set *set, enum reward_kind k)
{
	for (int i = 0; i < set->n; i++)
		if (set->items[i].kind == k)
			return true;
	return false;
}

bool reward_set_needs_verdict(const struct reward_set *set)
{
	for (int i = 0; i < set->n; i++)
		if (set->items[i].kind != REWARD_EXEC && kinds[set->items[i].kind].needs == VERDICT)
			return true;
	return false;
}

bool reward_set_needs_answer(const struct reward_set *set)
{
	for (int i = 0; i < set->n; i++) {
		enum reward_kind k = set->items[i].kind;
		if (k != REWARD_EXEC && kinds[k].needs != NOTHING && !(k == REWARD_CONTAINS && set->o.contains))
			return true;
	}
	return false;
}

static int builtin(const char *name)
{
	int k = 0;
	while (k < REWARD_EXEC && strcmp(kinds[k].name, name) != 0)
		k++;
	return k;
}

enum status reward_set_program(struct reward_set *set, const char *spec, struct error *err)
{
	size_t n = strspn(spec, "abcdefghijklmnopqrstuvwxyz0123456789_");
	bool named = n > 0 && spec[n] == '=';
	struct reward_program p = { named ? mem_strndup(spec, n) : mem_strdup("exec"), named ? spec + n + 1 : spec };
	enum status st = OK;
	if (!*p.command)
		st = error_set(err, ERR_USAGE, "--exec '%s' names no command", spec);
	else if (builtin(p.name) != REWARD_EXEC)
		st = error_set(err, ERR_USAGE, "--exec %s: there is a reward of that name", p.name);
	for (int i = 0; i < set->n_programs && st == OK; i++)
		if (strcmp(set->programs[i].name, p.name) == 0)
			st = error_set(err, ERR_USAGE, "two programs of --exec are called '%s': name them (--exec NAME=COMMAND)", p.name);
	if (st != OK) {
		mem_free(p.name);
		return st;
	}
	MEM_PUSH_ROOM(set->programs, set->n_programs, set->cap_programs);
	set->programs[set->n_programs++] = p;
	return OK;
}

static enum status unknown(const struct reward_set *set, const char *name, struct error *err)
{
	struct buf all = { 0 };
	for (int k = 0; k < REWARD_EXEC; k++)
		buf_printf(&all, "%s%s", k ? ", " : "", kinds[k].name);
	for (int i = 0; i < set->n_programs; i++)
		buf_printf(&all, ", %s", set->programs[i].name);
	error_set(err, ERR_USAGE, "no reward is called '%s'; there are %s", name, all.data);
	buf_release(&all);
	return ERR_USAGE;
}

/* Finds the reward of that name; its weight is 1. */
static enum status find(const struct reward_set *set, const char *name, struct reward *r, struct error *err)
{
	int k = builtin(name);
	*r = (struct reward){ .kind = (enum reward_kind)k, .weight = 1 };
	if (k < REWARD_EXEC) {
		r->name = kinds[k].name;
		return OK;
	}
	for (int i = 0; i < set->n_programs; i++)
		if (strcmp(set->programs[i].name, name) == 0) {
			r->name = set->programs[i].name;
			r->program = i;
			return OK;
		}
	return unknown(set, name, err);
}

static enum status add(struct reward_set *set, char *word, struct error *err)
{
	struct reward r;
	char *eq = strchr(word, '=');
	if (eq)
		*eq = 0;
	TRY(find(set, word, &r, err));
	for (int i = 0; i < set->n; i++)
		if (strcmp(set->items[i].name, r.name) == 0)
			return error_set(err, ERR_USAGE, "reward '%s' is given twice", r.name);
	if (eq && opt_number(eq + 1, &r.weight, err) != OK)
		return error_prefix(err, ERR_USAGE, "weight of reward '%s'", r.name);
	if (!isfinite(r.weight))
		return error_set(err, ERR_USAGE, "weight of reward '%s': not a finite number", r.name);
	MEM_PUSH_ROOM(set->items, set->n, set->cap);
	set->items[set->n++] = r;
	return OK;
}

enum status reward_set_add(struct reward_set *set, const char *spec, struct error *err)
{
	for (const char *p = spec;; p++) {
		size_t n = strcspn(p, ",");
		char *word = mem_strndup(p, n);
		enum status st = add(set, word, err);
		mem_free(word);
		TRY(st);
		p += n;
		if (!*p)
			return OK;
	}
}

/* A parameter of a reward that nobody asked for is a slip. */
static enum status refuse_idle(const struct reward_set *set, struct error *err)
{
	static const struct reward_options usual = REWARD_OPTIONS_DEFAULT;
	const struct reward_options *o = &set->o;
	const struct cosine_options *c = &o->cosine, *d = &usual.cosine;
	const struct {
		enum reward_kind kind;
		bool given;
		const char *flags;
	} parameters[] = {
		{ REWARD_COSINE, c->min_value_wrong != d->min_value_wrong || c->max_value_wrong != d->max_value_wrong ||
		  c->min_value_correct != d->min_value_correct || c->max_value_correct != d->max_value_correct || c->max_len != d->max_len,
		  "--cosine-... are" },
		{ REWARD_REPETITION_PENALTY, o->repetition_n_grams != usual.repetition_n_grams ||
		  o->repetition_max_penalty != usual.repetition_max_penalty || o->repetition_language != usual.repetition_language,
		  "--repetition-... are" },
		{ REWARD_SOFT_OVERLONG, o->max_completion_len != usual.max_completion_len || o->soft_punish_cache != usual.soft_punish_cache,
		  "--max-completion-len and --soft-punish-cache are" },
		{ REWARD_CONTAINS, o->contains != NULL, "--contains is" },
		{ REWARD_LENGTH, o->length_min != usual.length_min || o->length_max != usual.length_max, "--length-min and --length-max are" },
	};

	for (size_t i = 0; i < sizeof(parameters) / sizeof(*parameters); i++)
		if (parameters[i].given && !reward_set_has(set, parameters[i].kind))
			return error_set(err, ERR_USAGE, "%s for reward %s: name it with -r", parameters[i].flags, kinds[parameters[i].kind].name);
	return OK;
}

enum status reward_set_finish(struct reward_set *set, struct error *err)
{
	const struct reward_options *o = &set->o;
	for (int i = 0; i < set->n_programs; i++) {
		bool named = false;
		for (int k = 0; k < set->n; k++)
			named |= set->items[k].kind == REWARD_EXEC && set->items[k].program == i;
		if (!named)
			TRY(reward_set_add(set, set->programs[i].name, err));
	}
	if (o->soft_punish_cache > o->max_completion_len)
		return error_set(err, ERR_USAGE, "--soft-punish-cache is larger than --max-completion-len");
	if (reward_set_has(set, REWARD_REGEX) != (o->regex != NULL))
		return error_set(err, ERR_USAGE, "%s", o->regex ? "--regex is for reward regex" : "reward regex needs --regex PATTERN");
	if (reward_set_has(set, REWARD_LENGTH) && o->length_min == 0 && o->length_max == INT64_MAX)
		return error_set(err, ERR_USAGE, "reward length needs --length-min or --length-max");
	if (o->length_min > o->length_max)
		return error_set(err, ERR_USAGE, "--length-min is larger than --length-max");
	if (o->contains && !*o->contains)
		return error_set(err, ERR_USAGE, "--contains: the empty text is everywhere");
	TRY(refuse_idle(set, err));
	if (o->regex && patterns_open(&set->regex, o->regex, err) != OK)
		return error_prefix(err, ERR_USAGE, "--regex");
	return OK;
}

void reward_set_release(struct reward_set *set)
{
	for (int i = 0; i < set->n_programs; i++)
		mem_free(set->programs[i].name);
	mem_free(set->programs);
	mem_free(set->items);
	patterns_close(set->regex);
}

/* --- values ----------------------------------------------------------------------------------------------- */

struct reward_scratch {
	struct word_scratch words;
	struct pattern_scratch *pattern;     /* both made when first needed */
	struct json_parser *json;
};

struct reward_scratch *reward_scratch_open(void)
{
	return mem_zalloc(sizeof(struct reward_scratch));
}

void reward_scratch_close(struct reward_scratch *x)
{
	if (!x)
		return;
	word_scratch_release(&x->words);
	pattern_scratch_close(x->pattern);
	json_parser_close(x->json);
	mem_free(x);
}

static void trim(const char **p, size_t *n)
{
	const char *start = *p, *end = *p + *n;
	utf8proc_int32_t c;
	for (size_t len; start < end; start += len) {
		len = chars_next(start, end, &c);
		if (!chars_is_space(c))
			break;
	}
	while (end > start) {
		const char *last = end - 1;
		while (last > start && ((unsigned char)*last & 0xc0) == 0x80)
			last--;
		chars_next(last, end, &c);
		if (!chars_is_space(c))
			break;
		end = last;
	}
	*p = start;
	*n = (size_t)(end - start);
}

/* The answer without white space around it; false if nothing is left. */
static bool has_answer(const struct reward_input *in, const char **answer, size_t *n)
{
	*answer = in->answer;
	*n = in->answer_n;
	if (*answer)
		trim(answer, n);
	return *answer && *n > 0;
}

static double exact_match(const struct reward_input *in)
{
	const char *text = in->text, *answer;
	size_t n = in->n, answer_n;
	if (!has_answer(in, &answer, &answer_n))
		return NAN;
	trim(&text, &n);
	return n == answer_n && memcmp(text, answer, n) == 0;
}

static double contains(const struct reward_input *in, const char *wanted)
{
	const char *answer;
	size_t n;
	if (wanted)
		return memmem(in->text, in->n, wanted, strlen(wanted)) != NULL;
	return has_answer(in, &answer, &n) ? memmem(in->text, in->n, answer, n) != NULL : NAN;
}

static enum status regex(const struct patterns *p, const struct reward_input *in, struct reward_scratch *x, double *value)
{
	bool found;
	if (!x->pattern)
		x->pattern = pattern_scratch_open();
	TRY(patterns_match(p, in->text, in->n, x->pattern, &found, NULL));
	*value = found;
	return OK;
}

static double json_valid(const struct reward_input *in, struct reward_scratch *x)
{
	const struct json *j;
	if (!x->json)
		x->json = json_parser_open();
	return json_parse(x->json, in->text, in->n, &j, NULL) == OK;
}

static double length(const struct reward_options *o, int64_t characters)
{
	return characters >= o->length_min && characters <= o->length_max;
}

enum status reward_value(const struct reward_set *set, int i, const struct reward_input *in, struct reward_scratch *x, double *value)
{
	const struct reward_options *o = &set->o;
	const char *p = in->text;
	size_t n = in->n;
	double v = NAN;
	switch (set->items[i].kind) {
	case REWARD_ACCURACY: v = in->correct; break;
	case REWARD_FORMAT: v = reward_format(p, n); break;
	case REWARD_FORMAT_LOOSE: v = reward_format_loose(p, n); break;
	case REWARD_CODE_FORMAT: v = reward_code_format(p, n, o->code_language); break;
	case REWARD_TAG_COUNT: v = reward_tag_count(p, n); break;
	case REWARD_REASONING_STEPS: v = reward_reasoning_steps(p, n); break;
	case REWARD_COSINE:
		v = isnan(in->correct) ? NAN : reward_cosine(&o->cosine, in->correct == 1, reward_characters(p, n));
		break;
	case REWARD_REPETITION_PENALTY:
		v = reward_repetition_penalty(p, n, o->repetition_n_grams, o->repetition_max_penalty,
					      (enum word_language)o->repetition_language, &x->words);
		break;
	case REWARD_LEN: break;
	case REWARD_SOFT_OVERLONG:
		v = in->tokens < 0 ? NAN : reward_soft_overlong(in->tokens, o->max_completion_len, o->soft_punish_cache);
		break;
	case REWARD_EXACT_MATCH: v = exact_match(in); break;
	case REWARD_CONTAINS: v = contains(in, o->contains); break;
	case REWARD_REGEX: return regex(set->regex, in, x, value);
	case REWARD_LENGTH: v = length(o, reward_characters(p, n)); break;
	case REWARD_JSON_VALID: v = json_valid(in, x); break;
	case REWARD_CODE: v = in->code; break;
	case REWARD_BINARY_CODE: v = isnan(in->code) ? NAN : in->code > 0.99; break;
	case REWARD_LOGPROB: v = in->logprob; break;
	case REWARD_LOGPROB_MEAN: v = in->logprob_mean; break;
	case REWARD_MODEL: v = in->rating; break;
	case REWARD_EXEC: v = in->programs[set->items[i].program]; break;
	}
	*value = v;
	return OK;
}

double reward_score(const struct reward_set *set, const double *values)
{
	double sum = 0;
	bool any = false;
	for (int i = 0; i < set->n; i++) {
		if (isnan(values[i]) || set->items[i].weight == 0)
			continue;
		sum += set->items[i].weight * values[i];
		any = true;
	}
	return any ? sum : NAN;
}
