// json_read.cc - the C shim over simdjson: one parse gives a tree of struct json in an arena.
//
// simdjson checks the grammar, the UTF-8 and the depth; this file only copies its tape into C
// structures, by an explicit stack of calls whose depth simdjson has already bounded.

#include <simdjson.h>

extern "C" {
#include "base/file.h"
#include "base/json.h"
#include "base/json_long.h"
}

static const size_t DEPTH_MAX = 256;
static const size_t FILE_MAX = (size_t)1 << 30;
static const size_t LARGE_FILE = (size_t)1 << 19;

struct json_parser {
	simdjson::dom::parser parser;
	struct arena arena;
	struct buf file;
	struct json root;
	struct json_long long_ones;      // what stands for empty strings of the text that was parsed
	size_t strings;                  // seen so far, names too
};

extern "C" struct json_parser *json_parser_open(void)
{
	struct json_parser *p = new json_parser();
	p->arena.head = nullptr;
	p->arena.block_bytes = 0;
	memset(&p->file, 0, sizeof(p->file));
	memset(&p->long_ones, 0, sizeof(p->long_ones));
	return p;
}

extern "C" void json_parser_close(struct json_parser *p)
{
	if (!p)
		return;
	arena_release(&p->arena);
	buf_release(&p->file);
	json_long_release(&p->long_ones);
	delete p;
}

// The parser keeps strings, with a NUL behind each, until its next document.
static void point_string(struct json_parser *p, std::string_view s, struct json *out)
{
	out->type = JSON_STRING;
	out->str = s.data();
	out->len = s.size();
	const struct json_long *l = &p->long_ones;
	if (l->next < l->n && l->v[l->next].ordinal == p->strings) {
		out->str = l->v[l->next].str;
		out->len = l->v[l->next].len;
		p->long_ones.next++;
	}
	p->strings++;
}

static void copy_value(struct json_parser *p, simdjson::dom::element e, struct json *out);

static void copy_array(struct json_parser *p, simdjson::dom::array v, struct json *out)
{
	size_t n = 0;
	for (simdjson::dom::element e : v) {
		(void)e;
		n++; // array.size() saturates at 2^24 - 1
	}
	struct json *items = (struct json *)arena_alloc(&p->arena, n * sizeof(struct json) + 1);
	size_t i = 0;
	for (simdjson::dom::element e : v)
		copy_value(p, e, &items[i++]);
	out->type = JSON_ARRAY;
	out->items = items;
	out->len = n;
}

static void copy_object(struct json_parser *p, simdjson::dom::object v, struct json *out)
{
	size_t n = 0;
	for (simdjson::dom::key_value_pair kv : v) {
		(void)kv;
		n++;
	}
	struct json *items = (struct json *)arena_alloc(&p->arena, n * sizeof(struct json) + 1);
	struct json *keys = (struct json *)arena_alloc(&p->arena, n * sizeof(struct json) + 1);
	size_t i = 0;
	for (simdjson::dom::key_value_pair kv : v) {
		memset(&keys[i], 0, sizeof(keys[i]));
		point_string(p, kv.key, &keys[i]);
		copy_value(p, kv.value, &items[i++]);
	}
	out->type = JSON_OBJECT;
	out->items = items;
	out->keys = keys;
	out->len = n;
}

static void copy_value(struct json_parser *p, simdjson::dom::element e, struct json *out)
{
	memset(out, 0, sizeof(*out));
	switch (e.type()) {
	case simdjson::dom::element_type::ARRAY:
		copy_array(p, simdjson::dom::array(e), out);
		break;
	case simdjson::dom::element_type::OBJECT:
		copy_object(p, simdjson::dom::object(e), out);
		break;
	case simdjson::dom::element_type::INT64:
		out->type = JSON_INT;
		out->integer = int64_t(e);
		out->number = (double)out->integer;
		break;
	case simdjson::dom::element_type::UINT64:
		out->type = JSON_UINT;
		out->uinteger = uint64_t(e);
		out->number = (double)out->uinteger;
		break;
	case simdjson::dom::element_type::DOUBLE:
		out->type = JSON_DOUBLE;
		out->number = double(e);
		break;
	case simdjson::dom::element_type::STRING:
		point_string(p, std::string_view(e), out);
		break;
	case simdjson::dom::element_type::BOOL:
		out->type = JSON_BOOL;
		out->boolean = bool(e);
		break;
	case simdjson::dom::element_type::NULL_VALUE:
		out->type = JSON_NULL;
		break;
	}
}

static const char *reason(simdjson::error_code code)
{
	switch (code) {
	case simdjson::UTF8_ERROR:
		return "invalid UTF-8";
	case simdjson::DEPTH_ERROR:
		return "nested more than 256 deep";
	case simdjson::STRING_ERROR:
		return "a string is malformed";
	case simdjson::UNCLOSED_STRING:
		return "a string is not closed";
	case simdjson::NUMBER_ERROR:
		return "a number is malformed or out of range";
	case simdjson::EMPTY:
		return "no JSON here";
	case simdjson::UNESCAPED_CHARS:
		return "a control character stands in a string";
	case simdjson::CAPACITY:
		return "too long (4 GiB at most)";
	case simdjson::MEMALLOC:
		return "no memory";
	default:
		return "not JSON";
	}
}

static enum status parse(struct json_parser *p, const char *s, size_t n, bool padded, const struct json **out, struct error *err)
{
	arena_reset(&p->arena);
	if (n > simdjson::SIMDJSON_MAXSIZE_BYTES - 64)
		return error_set(err, ERR_DATA, "%s", reason(simdjson::CAPACITY));
	simdjson::error_code code = simdjson::SUCCESS;
	if (n > p->parser.capacity() || p->parser.max_depth() != DEPTH_MAX)
		code = p->parser.allocate(n < 4096 ? 4096 : n, DEPTH_MAX);
	simdjson::dom::element root;
	if (code == simdjson::SUCCESS)
		code = p->parser.parse(s, n, !padded).get(root);
	if (code == simdjson::MEMALLOC)
		return error_set(err, ERR_MEMORY, "no memory to parse %zu bytes of JSON", n);
	if (code != simdjson::SUCCESS)
		return error_set(err, ERR_DATA, "%s", reason(code));
	p->strings = 0;
	copy_value(p, root, &p->root);
	*out = &p->root;
	return OK;
}

extern "C" enum status json_parse(struct json_parser *p, const char *s, size_t n, const struct json **out, struct error *err)
{
	p->long_ones.n = p->long_ones.next = 0;
	return parse(p, s, n, false, out, err);
}

extern "C" enum status json_parse_padded(struct json_parser *p, const char *s, size_t n, const struct json **out, struct error *err)
{
	static_assert(simdjson::SIMDJSON_PADDING <= JSON_PADDING, "json.h promises less padding than the parser wants");
	p->long_ones.n = p->long_ones.next = 0;
	return parse(p, s, n, true, out, err);
}

extern "C" enum status json_parse_long(struct json_parser *p, char *s, size_t n, size_t least, bool now, const struct json **out,
				       struct error *err)
{
	if (n == 0 || json_long_bytes(s, n, least) < n / 2)          // the rest, copied, would take more
		return json_parse_padded(p, s, n, out, err);
	enum status st = json_long_take(&p->long_ones, s, n, least, now, err);
	return st == OK ? parse(p, p->long_ones.rest.data, p->long_ones.rest.len, true, out, err) : st;
}

extern "C" enum status json_parse_file(struct json_parser *p, const char *path, const struct json **out, struct error *err)
{
	enum status st = file_read_all(path, FILE_MAX, &p->file, err);
	if (st != OK)
		return st;
	if (p->file.len >= LARGE_FILE)
		mem_expect(24 * p->file.len);        // its tree, and what is made of it
	buf_reserve(&p->file, JSON_PADDING);
	st = json_parse_padded(p, p->file.data, p->file.len, out, err);
	return st == OK ? OK : error_prefix(err, st, "%s", path);
}
