/* chat_rules.c - see chat_rules.h. */
#include "text/chat_rules.h"

#include "base/hash.h"
#include "text/lang.h"

#include <math.h>
#include <stdlib.h>

static bool role_is(const struct chat_turn *t, const char *role)
{
	return t->n_role == strlen(role) && memcmp(t->role, role, t->n_role) == 0;
}

static bool bad_order(const struct chat_turn *t, int64_t n)
{
	int64_t first = n > 0 && role_is(&t[0], "system");
	enum { USER, ASSISTANT, TOOL } before = ASSISTANT;
	for (int64_t i = first; i < n; i++) {
		bool user = role_is(&t[i], "user"), tool = role_is(&t[i], "tool");
		if (!user && !tool && !role_is(&t[i], "assistant"))
			return true;
		if (user ? before != ASSISTANT : tool ? before == USER || i == first : before == ASSISTANT)
			return true;
		before = user ? USER : tool ? TOOL : ASSISTANT;
	}
	return false;
}

static double chars(const struct chat_turn *t, int64_t n)
{
	double sum = 0;
	for (int64_t i = 0; i < n; i++)
		sum += (double)text_length(t[i].content, t[i].n_content);
	return sum;
}

static double empty_turns(const struct chat_turn *t, int64_t n)
{
	double count = 0;
	for (int64_t i = 0; i < n; i++)
		count += text_strip(t[i].content, t[i].n_content).len == 0;
	return count;
}

static double shortest_answer(const struct chat_turn *t, int64_t n)
{
	double least = (double)NAN;
	for (int64_t i = 0; i < n; i++) {
		struct span in = text_strip(t[i].content, t[i].n_content);
		double len = (double)text_length(t[i].content + in.from, in.len);
		if (role_is(&t[i], "assistant") && !(len >= least))
			least = len;
	}
	return least;
}

static double repetition(const struct chat_turn *t, int64_t n, struct text_stats *stats)
{
	double worst = (double)NAN;
	for (int64_t i = 0; i < n; i++) {
		if (!role_is(&t[i], "assistant"))
			continue;
		text_stats_set(stats, t[i].content, t[i].n_content);
		double share = text_stats_get(stats, STAT_DUP_5_GRAM, WORDS_UNICODE);
		if (!(share <= worst))
			worst = share;
	}
	return worst;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static double same_answers(const struct chat_turn *t, int64_t n)
{
	uint64_t *hash = mem_array((size_t)n + 1, sizeof(*hash));
	int64_t answers = 0;
	double same = 0;
	for (int64_t i = 0; i < n; i++)
		if (role_is(&t[i], "assistant"))
			hash[answers++] = hash64(t[i].content, t[i].n_content);
	qsort(hash, (size_t)answers, sizeof(*hash), by_value);
	for (int64_t i = 1; i < answers; i++)
		same += hash[i] == hash[i - 1];
	mem_free(hash);
	return same;
}

static double languages(const struct chat_turn *t, int64_t n)
{
	char seen[16][16], code[16];
	int count = 0;
	for (int64_t i = 0; i < n && count < 16; i++) {
		if (role_is(&t[i], "system") || text_length(t[i].content, t[i].n_content) < CHAT_LANGUAGE_CHARS ||
		    lang_detect(t[i].content, t[i].n_content, code) == 0)
			continue;
		int k = 0;
		while (k < count && strcmp(seen[k], code) != 0)
			k++;
		if (k == count)
			memcpy(seen[count++], code, sizeof(code));
	}
	return count;
}

static enum status refusals(const struct chat_turn *t, int64_t n, const struct patterns *p, struct pattern_scratch *x, double *count,
			    struct error *err)
{
	*count = 0;
	for (int64_t i = 0; p && i < n; i++) {
		bool found = false;
		if (role_is(&t[i], "assistant"))
			TRY(patterns_match(p, t[i].content, t[i].n_content, x, &found, err));
		*count += found;
	}
	return OK;
}

enum status chat_measure(enum chat_stat which, const struct chat_turn *t, int64_t n, struct text_stats *stats,
			 const struct patterns *patterns, struct pattern_scratch *x, double *value, struct error *err)
{
	switch (which) {
	case CHAT_MESSAGES: *value = (double)n; return OK;
	case CHAT_EMPTY_TURNS: *value = empty_turns(t, n); return OK;
	case CHAT_ROLE_ORDER: *value = bad_order(t, n); return OK;
	case CHAT_ANSWERED: *value = n > 0 && role_is(&t[n - 1], "assistant"); return OK;
	case CHAT_CHARS: *value = chars(t, n); return OK;
	case CHAT_SHORTEST_ANSWER: *value = shortest_answer(t, n); return OK;
	case CHAT_REPETITION: *value = repetition(t, n, stats); return OK;
	case CHAT_SAME_ANSWERS: *value = same_answers(t, n); return OK;
	case CHAT_LANGUAGES: *value = languages(t, n); return OK;
	default: return refusals(t, n, patterns, x, value, err);
	}
}
