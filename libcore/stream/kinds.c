/* kinds.c - the record kinds: their columns, and which kind a schema is. */
#include "stream/stream.h"

#include <string.h>

#define MESSAGES "list<struct<role: utf8, content: utf8>>"

static const char *const names[] = {
	"other", "documents", "chat", "problems", "preferences", "feedback", "tokens", "packed", "completions", "scores",
	"stepwise"
};
#define N_KINDS ((int)(sizeof(names) / sizeof(names[0])))

/* A column fits its spec when it has that class: a text may be large or not, a list too. */
struct kind_column {
	enum kind kind;
	bool optional;
	const char *spec;            /* packed: [%d] is the length */
};

static const struct kind_column columns[] = {
	{ KIND_DOCUMENTS, false, "id: utf8" }, { KIND_DOCUMENTS, false, "text: large_utf8" },
	{ KIND_DOCUMENTS, true, "source: utf8?" }, { KIND_DOCUMENTS, true, "meta: utf8?" },
	{ KIND_CHAT, false, "id: utf8" }, { KIND_CHAT, false, "messages: " MESSAGES }, { KIND_CHAT, true, "meta: utf8?" },
	{ KIND_PROBLEMS, false, "id: utf8" }, { KIND_PROBLEMS, false, "prompt: " MESSAGES },
	{ KIND_PROBLEMS, false, "answer: utf8" }, { KIND_PROBLEMS, true, "meta: utf8?" },
	{ KIND_PREFERENCES, false, "id: utf8" }, { KIND_PREFERENCES, false, "prompt: " MESSAGES },
	{ KIND_PREFERENCES, false, "chosen: " MESSAGES }, { KIND_PREFERENCES, false, "rejected: " MESSAGES },
	{ KIND_PREFERENCES, true, "score_chosen: float32?" }, { KIND_PREFERENCES, true, "score_rejected: float32?" },
	{ KIND_PREFERENCES, true, "margin: float32?" }, { KIND_PREFERENCES, true, "ref_chosen_logp: float32?" },
	{ KIND_PREFERENCES, true, "ref_rejected_logp: float32?" },
	{ KIND_FEEDBACK, false, "id: utf8" }, { KIND_FEEDBACK, false, "prompt: " MESSAGES },
	{ KIND_FEEDBACK, false, "completion: utf8" }, { KIND_FEEDBACK, false, "label: bool" },
	{ KIND_TOKENS, false, "id: utf8" }, { KIND_TOKENS, false, "input_ids: list<int32>" },
	{ KIND_TOKENS, true, "loss_mask: list<int8>?" },
	{ KIND_PACKED, false, "input_ids: fixed_size_list<int32>[%d]" },
	{ KIND_PACKED, false, "labels: fixed_size_list<int32>[%d]" }, { KIND_PACKED, false, "seq_lengths: list<int32>" },
	{ KIND_COMPLETIONS, false, "id: utf8" }, { KIND_COMPLETIONS, false, "prompt: " MESSAGES },
	{ KIND_COMPLETIONS, false, "sample: int32" }, { KIND_COMPLETIONS, false, "completion: utf8" },
	{ KIND_COMPLETIONS, true, "completion_ids: list<int32>" }, { KIND_COMPLETIONS, true, "logprob: float32" },
	{ KIND_COMPLETIONS, true, "finish: utf8" }, { KIND_COMPLETIONS, true, "answer: utf8?" },
	{ KIND_SCORES, false, "id: utf8" }, { KIND_SCORES, false, "prompt: " MESSAGES },
	{ KIND_SCORES, false, "sample: int32" }, { KIND_SCORES, false, "completion: utf8" },
	{ KIND_SCORES, true, "completion_ids: list<int32>" }, { KIND_SCORES, true, "logprob: float32" },
	{ KIND_SCORES, true, "finish: utf8" }, { KIND_SCORES, true, "answer: utf8?" },
	{ KIND_SCORES, false, "score: float32" }, { KIND_SCORES, true, "verdict: utf8?" },
	{ KIND_STEPWISE, false, "id: utf8" }, { KIND_STEPWISE, false, "prompt: " MESSAGES },
	{ KIND_STEPWISE, false, "completions: list<utf8>" }, { KIND_STEPWISE, false, "labels: list<bool>" },
};
#define N_COLUMNS ((int)(sizeof(columns) / sizeof(columns[0])))

const char *kind_name(enum kind k)
{
	return names[k];
}

enum kind kind_parse(const char *name)
{
	for (int k = 1; k < N_KINDS; k++)
		if (strcmp(names[k], name) == 0)
			return (enum kind)k;
	return KIND_OTHER;
}

static bool has(const struct schema *s, const char *name)
{
	return schema_find(s, name) >= 0;
}

enum kind kind_of(const struct schema *s)
{
	const char *named = schema_meta(s, "quern.kind");

	if (named && kind_parse(named) != KIND_OTHER)
		return kind_parse(named);
	if (has(s, "completion") && has(s, "score"))
		return KIND_SCORES;
	if (has(s, "completion") && (has(s, "completion_ids") || has(s, "sample")))
		return KIND_COMPLETIONS;
	if (has(s, "prompt") && has(s, "chosen") && has(s, "rejected"))
		return KIND_PREFERENCES;
	if (has(s, "prompt") && has(s, "completion") && has(s, "label"))
		return KIND_FEEDBACK;
	if (has(s, "prompt") && has(s, "completions") && has(s, "labels"))
		return KIND_STEPWISE;
	if (has(s, "prompt") && has(s, "answer") && !has(s, "completion"))
		return KIND_PROBLEMS;
	if (has(s, "messages"))
		return KIND_CHAT;
	if (has(s, "labels") && has(s, "seq_lengths"))
		return KIND_PACKED;
	if (has(s, "input_ids") || has(s, "prompt_ids"))
		return KIND_TOKENS;
	if (has(s, "text"))
		return KIND_DOCUMENTS;
	if (has(s, "prompt") && has(s, "completion"))
		return KIND_COMPLETIONS;
	return has(s, "prompt") && !has(s, "chosen") ? KIND_PROBLEMS : KIND_OTHER;
}

void kind_schema(enum kind k, bool optional, int32_t packed_length, struct schema *out)
{
	memset(out, 0, sizeof(*out));
	for (int i = 0; i < N_COLUMNS; i++) {
		if (columns[i].kind != k || (columns[i].optional && !optional))
			continue;
		const char *hole = strstr(columns[i].spec, "%d");
		char *spec = hole ? mem_printf("%.*s%d%s", (int)(hole - columns[i].spec), columns[i].spec, (int)packed_length, hole + 2)
				  : mem_strdup(columns[i].spec);
		schema_add_spec(out, spec);
		mem_free(spec);
	}
}

/* --- does a schema fit a kind? ------------------------------------------------------------------ */
static bool list_like(enum field_type t)
{
	return t == T_LIST || t == T_LARGE_LIST;
}

static bool column_fits(const struct field *want, const struct field *is, enum kind k)
{
	if (field_is_messages(want)) {
		/* A completion's prompt may be a plain prefix; so may those of tasks that continue text. */
		bool prefix = strcmp(want->name, "prompt") == 0 && (k == KIND_COMPLETIONS || k == KIND_SCORES || k == KIND_FEEDBACK ||
								  k == KIND_PROBLEMS || k == KIND_STEPWISE);
		return field_is_messages(is) || (prefix && field_is_text(is));
	}
	if (field_is_text(want))
		return field_is_text(is);
	if (list_like(want->type) && want->children[0].type == T_BOOL)     /* labels may be 0 and 1 */
		return list_like(is->type) && (is->children[0].type == T_BOOL ||
					       (is->children[0].type >= T_INT8 && is->children[0].type <= T_INT64));
	if (list_like(want->type) && field_is_text(&want->children[0]))
		return list_like(is->type) && field_is_text(&is->children[0]);
	if (list_like(want->type))
		return list_like(is->type) && is->children[0].type == want->children[0].type;
	if (want->type == T_FIXED_LIST)
		return is->type == T_FIXED_LIST && is->children[0].type == T_INT32;
	if (want->type == T_FLOAT32)
		return is->type == T_FLOAT32 || is->type == T_FLOAT64 || is->type == T_FLOAT16;
	if (want->type == T_INT32)
		return is->type >= T_INT8 && is->type <= T_INT64;
	return want->type == is->type;
}

/* Tokens of pairs have three columns in the place of one. */
static bool tokens_of_pairs(const struct schema *s)
{
	static const char *const ids[] = { "prompt_ids", "chosen_ids", "rejected_ids" };

	for (int i = 0; i < 3; i++) {
		int c = schema_find(s, ids[i]);
		if (c < 0 || !field_is_list_of(&s->fields[c], T_INT32))
			return false;
	}
	return true;
}

static enum status misfit(enum kind k, const struct schema *s, const struct field *want, struct error *err)
{
	struct buf there = {0}, wanted = {0};
	int at = schema_find(s, want->name);

	field_print(want, &wanted);
	for (int i = 0; i < s->n_fields; i++) {
		if (i)
			buf_str(&there, ", ");
		if (i == at)
			field_print(&s->fields[i], &there);
		else
			buf_str(&there, s->fields[i].name);
	}
	enum status st = error_set(err, ERR_DATA, "not %s: %s column '%s' (columns there: %s)", kind_name(k),
				   at < 0 ? "no" : "another type of", wanted.data, s->n_fields ? there.data : "none");
	buf_release(&there);
	buf_release(&wanted);
	return st;
}

/* Files of other makers have no ids and do not number their samples, and prompts alone have no answers; tools that need one report it. */
static bool may_lack(enum kind k, const char *column)
{
	if (strcmp(column, "sample") == 0)
		return k == KIND_COMPLETIONS || k == KIND_SCORES;
	return strcmp(column, "id") == 0 || (k == KIND_PROBLEMS && strcmp(column, "answer") == 0);
}

enum status kind_check(enum kind k, const struct schema *s, struct error *err)
{
	struct schema want;
	enum status st = OK;

	if (k == KIND_TOKENS && tokens_of_pairs(s))
		return OK;
	kind_schema(k, false, 1, &want);
	for (int i = 0; i < want.n_fields && st == OK; i++) {
		int at = schema_find(s, want.fields[i].name);
		if (at < 0 && may_lack(k, want.fields[i].name))
			continue;
		if (at < 0 || !column_fits(&want.fields[i], &s->fields[at], k))
			st = misfit(k, s, &want.fields[i], err);
	}
	schema_release(&want);
	return st;
}
