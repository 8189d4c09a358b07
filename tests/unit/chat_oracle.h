/* chat_oracle.h - which tokens the assistant says, by the definition in token/tokenizer.h: every prefix rendered for itself. For
 * templates without {% generation %} and without special tokens. */
#ifndef QUERN_TESTS_CHAT_ORACLE_H
#define QUERN_TESTS_CHAT_ORACLE_H

#include "token/tokenizer.h"

enum { ORACLE_TURNS = 16 };

struct oracle_turn {
	size_t from, to;
};

/* The turns of the assistant; false if a rendering of a prefix begins the whole otherwise, or cannot be. */
static inline bool oracle_turns(const struct tokenizer *t, const struct chat *c, const struct buf *whole, struct oracle_turn *turns, int *n)
{
	struct buf before = {0}, upto = {0};
	bool good = true;

	*n = 0;
	for (int i = 0; i < c->n && *n < ORACLE_TURNS && good; i++) {
		const struct chat prompt = {.messages = c->messages, .n = i}, turn = {.messages = c->messages, .n = i + 1};

		if (c->messages[i].role_n != strlen("assistant"))
			continue;
		buf_clear(&before);
		buf_clear(&upto);
		good = chat_render(t, &prompt, true, &before, NULL) == OK && chat_render(t, &turn, false, &upto, NULL) == OK &&
		       before.len <= whole->len && (!before.len || !memcmp(before.data, whole->data, before.len)) && upto.len <= whole->len &&
		       (!upto.len || !memcmp(upto.data, whole->data, upto.len));
		turns[(*n)++] = (struct oracle_turn){before.len, upto.len};
	}
	buf_release(&before);
	buf_release(&upto);
	return good;
}

/* What chat_encode_loss gives otherwise than the oracle, or NULL. */
static inline const char *turns_differ(const struct tokenizer *t, const struct chat_message *m, int n)
{
	const struct chat c = {.messages = m, .n = n};
	struct tokenizer_scratch *s = tokenizer_scratch_open(t);
	struct ids ids = {0}, mask = {0}, same = {0}, starts = {0}, ends = {0};
	struct buf whole = {0};
	struct oracle_turn turns[ORACLE_TURNS];
	const char *reason = NULL, *differs = NULL;
	int n_turns;

	if (chat_render(t, &c, false, &whole, NULL) == OK) {
		bool good = oracle_turns(t, &c, &whole, turns, &n_turns);

		if (chat_encode_loss(t, s, &c, false, CHAT_LOSS_ASSISTANT, &ids, &mask, &reason, NULL) != OK)
			differs = "an error";
		else if (good == (reason != NULL))
			differs = reason ? reason : "taken, though a prefix is none";
		else if (good && tokenizer_encode_places(t, s, whole.data ? whole.data : "", whole.len, false, &same, &starts, &ends, NULL) == OK)
			for (int64_t i = 0; i < ids.n && !differs; i++) {
				int want = 0;

				for (int k = 0; k < n_turns; k++)
					want |= (size_t)starts.v[i] < turns[k].to && (size_t)ends.v[i] > turns[k].from;
				if (ids.n != same.n || ids.v[i] != same.v[i])
					differs = "other ids";
				else if (mask.v[i] != want)
					differs = "another mask";
			}
	}
	ids_release(&ids);
	ids_release(&mask);
	ids_release(&same);
	ids_release(&starts);
	ids_release(&ends);
	buf_release(&whole);
	tokenizer_scratch_close(s);
	return differs;
}

#endif
