/* import_turns.c - see import_turns.h. */
#include "stream/import_turns.h"

#define HUMAN "\n\nHuman:"
#define ASSISTANT "\n\nAssistant:"

void turn_push(struct turns *t, struct arena *a, const char *role, const char *text, size_t n)
{
	if (t->n == t->cap) {
		int cap = t->cap ? 2 * t->cap : 8;
		struct turn *v = arena_alloc(a, (size_t)cap * sizeof(*v));
		if (t->n)
			memcpy(v, t->v, (size_t)t->n * sizeof(*v));
		t->v = v;
		t->cap = cap;
	}
	t->v[t->n++] = (struct turn){ role, text, n };
}

/* The role in our words; *whole: whether nothing of its meaning is lost. */
static const char *role_of(const char *name, bool *whole)
{
	static const char *const words[][2] = {
		{ "human", "user" }, { "prompter", "user" }, { "gpt", "assistant" }, { "chatgpt", "assistant" }, { "bot", "assistant" },
		{ "model", "assistant" }, { "observation", "tool" }, { "function_response", "tool" },
	};
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(name, words[i][0]) == 0)
			return words[i][1];
	if (strcmp(name, "function_call") == 0) {
		*whole = false;
		return "assistant";
	}
	return name;
}

/* Parts: {"type": "text", "text": "..."} (or "value"); images and the like are left out and make it not whole. */
static bool parts_text(const struct json *v, struct arena *a, const char **s, size_t *n, bool *whole)
{
	struct buf b = {0};
	bool ok = true;
	for (size_t i = 0; i < v->len && ok; i++) {
		const struct json *p = &v->items[i];
		const struct json *text = json_get(p, "text") ? json_get(p, "text") : json_get(p, "value");
		bool is_text = strcmp(json_get_str(p, "type", "text"), "text") == 0;
		ok = p->type == JSON_OBJECT || p->type == JSON_STRING;
		if (p->type == JSON_STRING)
			buf_add(&b, p->str, p->len);
		else if (ok && is_text && text && text->type == JSON_STRING)
			buf_add(&b, text->str, text->len);
		*whole &= p->type == JSON_STRING || (is_text && p->len == 2);
	}
	*n = b.len;
	*s = arena_strndup(a, b.data ? b.data : "", b.len);
	buf_release(&b);
	return ok;
}

static bool content_of(const struct json *v, struct arena *a, const char **s, size_t *n, bool *whole)
{
	*s = "";
	*n = 0;
	if (!v || v->type == JSON_NULL)
		return true;
	if (v->type == JSON_ARRAY)
		return parts_text(v, a, s, n, whole);
	if (v->type != JSON_STRING)
		return false;
	*s = v->str;
	*n = v->len;
	return true;
}

/* Whether a part is an image or the like. */
static bool has_media(const struct json *content)
{
	for (size_t i = 0; content && content->type == JSON_ARRAY && i < content->len; i++) {
		const struct json *p = &content->items[i];
		if (p->type == JSON_OBJECT && strcmp(json_get_str(p, "type", "text"), "text") != 0)
			return true;
	}
	return false;
}

static bool add_object(struct turns *t, const struct json *o, struct arena *a, bool *whole)
{
	const struct json *role = json_get(o, "role"), *content = json_get(o, "content");
	const char *s;
	size_t n;
	const struct json *human = json_get(o, "human"), *reply = json_get(o, "assistant"), *calls = json_get(o, "tool_calls");
	t->calls |= calls && calls->type == JSON_ARRAY && calls->len;
	if (human && reply && human->type == JSON_STRING && reply->type == JSON_STRING) {
		turn_push(t, a, "user", human->str, human->len);
		turn_push(t, a, "assistant", reply->str, reply->len);
		*whole &= o->len == 2;
		return true;
	}
	if (!role) {
		role = json_get(o, "from");
		content = json_get(o, "value");
	}
	if (!role || role->type != JSON_STRING || !content_of(content, a, &s, &n, whole))
		return false;
	*whole &= o->len == 2 && content && content->type != JSON_NULL;
	t->media |= has_media(content);
	turn_push(t, a, role_of(role->str, whole), s, n);
	return true;
}

/* "\n\nHuman: a\n\nAssistant: b" as its turns. */
static void add_dialogue(struct turns *t, const char *s, size_t n, struct arena *a)
{
	size_t at = 0;
	while (at < n) {
		bool human = strncmp(s + at, HUMAN, strlen(HUMAN)) == 0;
		at += human ? strlen(HUMAN) : strlen(ASSISTANT);
		const char *h = memmem(s + at, n - at, HUMAN, strlen(HUMAN));
		const char *g = memmem(s + at, n - at, ASSISTANT, strlen(ASSISTANT));
		const char *end = h && (!g || h < g) ? h : g;
		size_t to = end ? (size_t)(end - s) : n;
		size_t from = at;
		while (from < to && s[from] == ' ')
			from++;
		turn_push(t, a, human ? "user" : "assistant", s + from, to - from);
		at = to;
	}
}

bool turns_add(struct turns *t, const struct json *v, const char *role, struct arena *a, bool *whole)
{
	if (v->type == JSON_STRING) {
		if (v->len > strlen(HUMAN) && strncmp(v->str, HUMAN, strlen(HUMAN)) == 0)
			add_dialogue(t, v->str, v->len, a);
		else
			turn_push(t, a, role, v->str, v->len);
		return true;
	}
	if (v->type == JSON_OBJECT)
		return add_object(t, v, a, whole);
	if (v->type != JSON_ARRAY)
		return false;
	for (size_t i = 0; i < v->len; i++)
		if (v->items[i].type != JSON_OBJECT || !add_object(t, &v->items[i], a, whole))
			return false;
	return true;
}

bool turns_add_pairs(struct turns *t, const struct json *v, struct arena *a)
{
	if (v->type != JSON_ARRAY)
		return false;
	for (size_t i = 0; i < v->len; i++) {
		const struct json *p = &v->items[i];
		if (p->type != JSON_ARRAY || p->len != 2 || p->items[0].type != JSON_STRING || p->items[1].type != JSON_STRING)
			return false;
		turn_push(t, a, "user", p->items[0].str, p->items[0].len);
		turn_push(t, a, "assistant", p->items[1].str, p->items[1].len);
	}
	return true;
}

static bool same(const struct turn *x, const struct turn *y)
{
	return x->n == y->n && strcmp(x->role, y->role) == 0 && memcmp(x->text, y->text, x->n) == 0;
}

static int common(const struct turns *x, const struct turns *y)
{
	int n = 0;
	while (n < x->n && n < y->n && same(&x->v[n], &y->v[n]))
		n++;
	return n;
}

void turns_split_prompt(struct turns *prompt, struct turns *chosen, struct turns *rejected, struct arena *a)
{
	int n = common(chosen, rejected);
	if (n == 0)
		return;
	if (n == chosen->n || n == rejected->n)
		n--;
	bool repeats = prompt->n && n >= prompt->n && common(prompt, chosen) == prompt->n;
	for (int i = repeats ? prompt->n : 0; i < n; i++)
		turn_push(prompt, a, chosen->v[i].role, chosen->v[i].text, chosen->v[i].n);
	chosen->v += n;
	chosen->n -= n;
	rejected->v += n;
	rejected->n -= n;
}

void turns_column(const struct turns *t, struct column *c)
{
	for (int i = 0; i < t->n; i++)
		column_message(c, t->v[i].role, t->v[i].text, t->v[i].n);
	column_end_list(c);
}
