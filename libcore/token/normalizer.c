/* normalizer.c - see normalizer.h. */
#include "token/normalizer.h"

#include "token/unicode.h"

#include <stdlib.h>
#include <utf8proc.h>

/* --- reading -------------------------------------------------------------------------------------- */

static enum status unsupported(struct error *err, const char *what, const char *name)
{
	return error_set(err, ERR_UNSUPPORTED, "normalizer %s '%.60s' is not supported", what, name);
}

static void keep_text(struct norm_step *st, const struct json *j)
{
	st->text = mem_strndup(j && j->type == JSON_STRING ? j->str : "", j && j->type == JSON_STRING ? j->len : 0);
	st->text_n = j && j->type == JSON_STRING ? j->len : 0;
}

static enum status read_step(struct norm_step *st, const struct json *j, struct error *err)
{
	static const char *const names[] = { "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Strip", "Prepend", "Replace" };
	const char *type = json_get_str(j, "type", "?");
	int k = 0;

	while (k <= NORM_REPLACE && strcmp(names[k], type))
		k++;
	if (k > NORM_REPLACE)
		return error_set(err, ERR_UNSUPPORTED, "normalizer '%.60s' is not supported", type);
	st->kind = (enum norm_kind)k;
	st->left = json_get_bool(j, "strip_left", true);
	st->right = json_get_bool(j, "strip_right", true);
	if (st->kind == NORM_PREPEND)
		keep_text(st, json_get(j, "prepend"));
	if (st->kind != NORM_REPLACE)
		return OK;
	keep_text(st, json_get(j, "content"));
	const struct json *pattern = json_get(j, "pattern"), *regex = json_get(pattern, "Regex"), *string = json_get(pattern, "String");
	if (string && string->type == JSON_STRING)
		return string->len ? pretok_compile_string(&st->pattern, string->str, string->len, err)
				   : unsupported(err, "Replace of", "");
	if (!regex || regex->type != JSON_STRING)
		return unsupported(err, "Replace of", "neither a String nor a Regex");
	return pretok_compile_regex(&st->pattern, regex->str, regex->len, err);
}

static enum status read_any(struct normalizer *z, const struct json *j, int depth, struct error *err)
{
	const struct json *list = json_get(j, "normalizers");

	if (strcmp(json_get_str(j, "type", ""), "Sequence") == 0 && list && list->type == JSON_ARRAY && depth < 8) {
		for (size_t i = 0; i < list->len; i++)
			TRY(read_any(z, &list->items[i], depth + 1, err));
		return OK;
	}
	if (z->n == NORM_STEPS_MAX)
		return unsupported(err, "Sequence", "of more than 16");
	return read_step(&z->steps[z->n++], j, err);
}

enum status normalizer_read(struct normalizer *z, const struct json *j, struct error *err)
{
	return !j || j->type == JSON_NULL ? OK : read_any(z, j, 0, err);
}

void normalizer_release(struct normalizer *z)
{
	for (int i = 0; i < z->n; i++) {
		mem_free(z->steps[i].text);
		pretok_release(&z->steps[i].pattern);
	}
	*z = (struct normalizer){0};
}

void norm_scratch_release(struct norm_scratch *w)
{
	buf_release(&w->text[0]);
	buf_release(&w->text[1]);
	mem_free(w->places[0].v);
	mem_free(w->places[1].v);
	pretok_iter_release(&w->iter);
}

/* --- applying --------------------------------------------------------------------------------------- */

/* A step's output and, if they are asked for, the places of its bytes. */
struct writer_to {
	struct buf *text;
	struct places_buf *places;
	const uint32_t *before;      /* of the bytes of the step's input; NULL = they are themselves */
};

/* n bytes that stand for what ends at byte `end` of the input. */
static void put(struct writer_to *w, const char *p, size_t n, size_t end)
{
	buf_add(w->text, p, n);
	for (size_t i = 0; w->places && i < n; i++) {
		MEM_PUSH_ROOM(w->places->v, w->places->n, w->places->cap);
		w->places->v[w->places->n++] = w->before ? w->before[end] : (uint32_t)end;
	}
}

/* Bytes [from, to) as they are. */
static void keep(struct writer_to *w, const char *s, size_t from, size_t to)
{
	if (!w->places)
		buf_add(w->text, s + from, to - from);
	for (size_t i = from; w->places && i < to; i++)
		put(w, s + i, 1, i + 1);
}

/* Cluster by cluster: text may be cut before each character that begins one. */
static enum status normal_form(enum norm_kind kind, const char *s, size_t n, struct writer_to *w, struct error *err)
{
	static const int options[] = {
		UTF8PROC_COMPOSE, UTF8PROC_DECOMPOSE, UTF8PROC_COMPOSE | UTF8PROC_COMPAT, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT
	};
	bool compat = kind == NORM_NFKC || kind == NORM_NFKD;
	const uint8_t *p = (const uint8_t *)s;
	struct buf ordered = {0};

	for (size_t i = 0, to, done; i < n; i = to) {
		int k;

		for (done = i; done < n && p[done] < 0x80; done++) /* the last of them may begin a cluster */
			;
		done -= done > i && done < n;
		keep(w, s, i, done);
		if ((to = done) == n)
			break;
		if (unicode_is_too_new(utf8_decode(p + to, &k))) {
			to += (size_t)k;
			keep(w, s, done, to);
			continue;
		}
		for (to += (size_t)k; to < n && !unicode_is_boundary(utf8_decode(p + to, &k), compat); to += (size_t)k)
			;
		/* utf8proc orders marks in quadratic time: they are in order already if NFC has done it */
		buf_clear(&ordered);
		bool nfc = unicode_nfc(s + done, to - done, &ordered);
		const char *from = nfc ? ordered.data : s + done;
		size_t bytes = nfc ? ordered.len : to - done;
		if (kind == NORM_NFC) {
			put(w, from, bytes, to);
			continue;
		}
		utf8proc_uint8_t *made;
		utf8proc_ssize_t m = utf8proc_map((const utf8proc_uint8_t *)from, (utf8proc_ssize_t)bytes, &made,
						  (utf8proc_option_t)(UTF8PROC_STABLE | options[kind]));
		if (m < 0) {
			buf_release(&ordered);
			return error_set(err, ERR_DATA, "cannot normalize: %s", utf8proc_errmsg(m));
		}
		put(w, (char *)made, (size_t)m, to);
		free(made);
	}
	buf_release(&ordered);
	return OK;
}

/* Character by character, as Rust's to_lowercase: only one of them becomes two. */
static void lowercase(const char *s, size_t n, struct writer_to *w)
{
	const uint8_t *p = (const uint8_t *)s;
	int k;

	for (size_t i = 0; i < n; i += (size_t)k) {
		char c[4];
		uint32_t cp = utf8_decode(p + i, &k);

		if (cp == 0x130)
			put(w, "i\xcc\x87", 3, i + (size_t)k);
		else
			put(w, c, (size_t)utf8_encode(unicode_lower(cp), c), i + (size_t)k);
	}
}

static void strip(const struct norm_step *st, const char *s, size_t n, size_t *from, size_t *to)
{
	const uint8_t *p = (const uint8_t *)s;
	size_t at;
	int k;

	*from = 0;
	*to = n;
	while (st->left && *from < *to && unicode_class_at(p + *from, &k) & U_SPACE)
		*from += (size_t)k;
	while (st->right && *to > *from) {
		for (at = *to - 1; at > *from && (p[at] & 0xc0) == 0x80; at--)
			;
		if (!(unicode_class_at(p + at, &k) & U_SPACE))
			break;
		*to = at;
	}
}

static enum status replace(const struct norm_step *st, struct pretok_iter *it, const char *s, size_t n, struct writer_to *w, struct error *err)
{
	size_t done = 0, from, to;

	pretok_begin(it, &st->pattern, (const uint8_t *)s, n);
	for (;;) {
		bool found;

		TRY(pretok_find(it, &found, &from, &to, err));
		if (!found)
			break;
		keep(w, s, done, from);
		put(w, st->text, st->text_n, to);
		done = to;
	}
	keep(w, s, done, n);
	return OK;
}

static enum status apply_step(const struct norm_step *st, struct norm_scratch *scratch, const char *s, size_t n, struct writer_to *w, struct error *err)
{
	size_t from, to;
	int first = 0;

	switch (st->kind) {
	case NORM_LOWERCASE:
		lowercase(s, n, w);
		return OK;
	case NORM_STRIP:
		strip(st, s, n, &from, &to);
		if (w->places && from)               /* what was in front ends where the rest begins */
			w->places->v[0] = w->before ? w->before[from] : (uint32_t)from;
		keep(w, s, from, to);
		return OK;
	case NORM_PREPEND:
		if (n)                               /* it ends where the first character does, as the reference has it */
			utf8_decode((const uint8_t *)s, &first);
		put(w, st->text, n ? st->text_n : 0, (size_t)first);
		keep(w, s, 0, n);
		return OK;
	case NORM_REPLACE:
		return replace(st, &scratch->iter, s, n, w, err);
	default:
		return normal_form(st->kind, s, n, w, err);
	}
}

enum status normalizer_apply(const struct normalizer *z, struct norm_scratch *scratch, const char **s, size_t *n, const uint32_t **places,
			     struct error *err)
{
	const uint32_t *before = NULL;

	for (int i = 0; i < z->n; i++) {
		const struct norm_step *st = &z->steps[i];
		struct writer_to w = {&scratch->text[i & 1], places ? &scratch->places[i & 1] : NULL, before};

		buf_clear(w.text);
		if (st->kind == NORM_NFC && !places) {
			if (!unicode_nfc(*s, *n, w.text)) /* mostly there is nothing to do */
				buf_add(w.text, *s, z->n > 1 ? *n : 0);
			if (!w.text->len)
				continue;
		} else {
			if (w.places) {
				w.places->n = 0;
				MEM_PUSH_ROOM(w.places->v, w.places->n, w.places->cap);
				w.places->v[w.places->n++] = before ? before[0] : 0;
			}
			TRY(apply_step(st, scratch, *s, *n, &w, err));
		}
		before = w.places ? w.places->v : NULL;
		*s = w.text->data ? w.text->data : "";
		*n = w.text->len;
	}
	if (places)
		*places = before;
	return OK;
}
