/* import_turns.h - conversations as datasets spell them, as turns of role and text.
 *
 * Accepted: a list of {role, content}, of {from, value}, of {human, assistant}; one such object; a string (one turn, or the turns
 * of an "\n\nHuman: ...\n\nAssistant: ..." dialogue). Content is a string, null, or a list of parts of which those of
 * text are joined. Roles human, gpt, bot, model, observation, function_call and alike become user, assistant and tool.
 * Memory is the caller's arena. Private to import_layout. */
#ifndef QUERN_STREAM_IMPORT_TURNS_H
#define QUERN_STREAM_IMPORT_TURNS_H

#include "stream/record.h"

struct turn {
	const char *role, *text;
	size_t n;
};

struct turns {
	struct turn *v;
	int n, cap;
	bool calls;                  /* some turn calls tools, which role and text do not say, */
	bool media;                  /* or has a part that is no text */
};

void turn_push(struct turns *t, struct arena *a, const char *role, const char *text, size_t n);
/* Appends the turns of v; role is that of a plain string. *whole becomes false where v says more than turns can carry.
 * False if v is no conversation. */
bool turns_add(struct turns *t, const struct json *v, const char *role, struct arena *a, bool *whole);
/* A history [[question, answer], ...]. */
bool turns_add_pairs(struct turns *t, const struct json *v, struct arena *a);
/* Moves the turns that chosen and rejected begin with in common to the prompt, or drops them there where they repeat
 * the prompt; each side keeps at least its last turn. */
void turns_split_prompt(struct turns *prompt, struct turns *chosen, struct turns *rejected, struct arena *a);
/* One row of a messages column. */
void turns_column(const struct turns *t, struct column *c);

#endif
