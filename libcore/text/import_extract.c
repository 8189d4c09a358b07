/* import_extract.c - see import_extract.h. */
#include "text/import_extract.h"
#include "text/charset.h"
#include "text/roff.h"
#include "text/unicode.h"

static bool is_html_type(const char *type)
{
	return strcmp(type, "text/html") == 0 || strcmp(type, "application/xhtml+xml") == 0;
}

/* The body of a response that is text. *type says what the server calls it. */
static const char *open_response(const struct chunk *c, const struct raw *r, size_t max, struct extracted *e, const char **p, size_t *n,
				 const char **hint, const char **type)
{
	if (!http_parse(c->data.data + r->at, r->n, max, &e->http))
		return "bad_http";
	if (e->http.status < 200 || e->http.status > 299)
		return "http_status";
	*type = e->http.content_type;
	bool text = !**type || strncmp(*type, "text/", 5) == 0 || is_html_type(*type);
	if (!text || strcmp(*type, "text/css") == 0 || strcmp(*type, "text/javascript") == 0)
		return "not_text";
	*p = e->http.body.data ? e->http.body.data : "";
	*n = e->http.body.len;
	*hint = e->http.charset[0] ? e->http.charset : NULL;
	return NULL;
}

static const char *from_html(enum html_mode mode, struct extracted *e)
{
	if (html_extract(e->utf8.data, e->utf8.len, mode, &e->page, NULL) != OK)
		return "too_large";
	buf_add(&e->text, e->page.text.data ? e->page.text.data : "", e->page.text.len);
	return NULL;
}

static void write_meta(const struct chunk *c, const struct raw *r, bool html, struct extracted *e)
{
	struct json_writer w = json_writer_open(&e->meta, 0);
	bool title = html && e->page.title.len, lang = html && e->page.lang.len, published = html && e->page.date.len;
	if (!title && !lang && !published && !r->date && !e->replaced)
		return;
	json_begin_object(&w);
	if (title) {
		json_key(&w, "title");
		json_string_n(&w, e->page.title.data, e->page.title.len);
	}
	if (lang) {
		json_key(&w, "lang");
		json_string_n(&w, e->page.lang.data, e->page.lang.len);
	}
	if (published) {
		json_key(&w, "published");
		json_string_n(&w, e->page.date.data, e->page.date.len);
	}
	if (r->date)
		json_kv_string(&w, "date", c->data.data + r->date);
	if (e->replaced)
		json_kv_int(&w, "replaced", e->replaced);
	json_end_object(&w);
}

const char *import_extract(const struct chunk *c, const struct raw *r, enum html_mode mode, size_t max, struct extracted *e)
{
	const char *p = c->data.data + r->at, *type = "", *reason = NULL;
	const char *hint = r->charset && c->data.data[r->charset] ? c->data.data + r->charset : NULL;
	size_t n = r->n;
	buf_clear(&e->text);
	buf_clear(&e->meta);
	buf_clear(&e->utf8);
	if (r->form == RAW_HTTP && (reason = open_response(c, r, max, e, &p, &n, &hint, &type)))
		return reason;
	if (text_to_utf8(p, n, hint, &e->utf8, &e->replaced, NULL, NULL) != OK)
		return "bad_charset";
	if (!e->utf8.data)
		buf_str(&e->utf8, "");
	bool html = r->form == RAW_HTML || is_html_type(type) || (r->form != RAW_MAN && html_looks_like(e->utf8.data, e->utf8.len));
	if (html)
		reason = from_html(mode, e);
	else if (memchr(e->utf8.data, 0, e->utf8.len))
		reason = "binary";
	else if (r->form == RAW_MAN || (r->form == RAW_TEXT && roff_looks_like(e->utf8.data, e->utf8.len)))
		roff_text(e->utf8.data, e->utf8.len, &e->text);
	else
		buf_add(&e->text, e->utf8.data, e->utf8.len);
	if (reason)
		return reason;
	if (e->text.len == 0 || text_strip(e->text.data, e->text.len).len == 0)
		return "empty";
	write_meta(c, r, html, e);
	return NULL;
}

void extracted_release(struct extracted *e)
{
	buf_release(&e->text);
	buf_release(&e->meta);
	buf_release(&e->utf8);
	buf_release(&e->http.body);
	html_page_clear(&e->page);
}
