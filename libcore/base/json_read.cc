// json_read.cc - the C shim over simdjson: one parse gives a tree of struct json in an arena.
//
// simdjson checks the grammar, the UTF-8 and the depth; this file only copies its tape into C
// structures, by an explicit stack of calls whose depth simdjson has already bounded.

#include <simdjson.h>
#include <vector>

extern "C" {
#include "base/file.h"
#include "base/json.h"
#include "base/json_long.h"
}

static const size_t DEPTH_MAX = 256;
static const size_t FILE_MAX = (size_t)1 << 30;
static const int64_t LARGE_FILE = 1 << 19;

struct json_parser {
	simdjson::dom::parser parser;
	struct arena arena;
	struct buf file;
	struct json root;
	struct json_long long_ones;      // what stands for empty strings of the text that was parsed
	size_t strings;                  // seen so far, names too
	const char *const *names;        // of members that are not copied, or NULL
	std::vector<simdjson::dom::element> left; // what is not; json.integer is its place here, from 1 on
	struct arena each;               // of json_each, for one element
};

extern "C" struct json_parser *json_parser_open(void)
{
	struct json_parser *p = new json_parser();
	p->arena.head = nullptr;
	p->arena.block_bytes = 0;
	memset(&p->file, 0, sizeof(p->file));
	memset(&p->each, 0, sizeof(p->each));
	p->names = nullptr;
	memset(&p->long_ones, 0, sizeof(p->long_ones));
	return p;
}

extern "C" void json_parser_close(struct json_parser *p)
{
	if (!p)
		return;
	arena_release(&p->arena);
	arena_release(&p->each);
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

// Whether a member stays on the tape: an array or object of one of these names.
static bool leave(struct json_parser *p, simdjson::dom::key_value_pair kv, struct json *out)
{
	bool object = kv.value.is_object();
	const char *const *name = p->names;

	if (!name || (!object && !kv.value.is_array()))
		return false;
	while (*name && kv.key != *name)
		name++;
	if (!*name)
		return false;
	memset(out, 0, sizeof(*out));
	out->type = object ? JSON_OBJECT : JSON_ARRAY;
	p->left.push_back(kv.value);
	out->integer = (int64_t)p->left.size();
	return true;
}

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
		if (!leave(p, kv, &items[i]))
			copy_value(p, kv.value, &items[i]);
		i++;
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
	p->left.clear();
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
	int64_t bytes = path_size(path);
	if (bytes >= LARGE_FILE && (size_t)bytes <= FILE_MAX)
		mem_expect(24 * (size_t)bytes);      // its tree, and what is made of it
	enum status st = file_read_all(path, FILE_MAX, &p->file, err);
	if (st != OK)
		return st;
	buf_reserve(&p->file, JSON_PADDING);
	st = json_parse_padded(p, p->file.data, p->file.len, out, err);
	return st == OK ? OK : error_prefix(err, st, "%s", path);
}

extern "C" void json_parser_leave(struct json_parser *p, const char *const *names)
{
	p->names = names;
}

extern "C" size_t json_count(const struct json_parser *p, const struct json *j)
{
	size_t n = 0;
	if (j->items || !j->integer)
		return j->len;
	if (j->type == JSON_OBJECT)
		for (simdjson::dom::key_value_pair kv : simdjson::dom::object(p->left[(size_t)j->integer - 1])) {
			(void)kv;
			n++;
		}
	else
		for (simdjson::dom::element e : simdjson::dom::array(p->left[(size_t)j->integer - 1])) {
			(void)e;
			n++;
		}
	return n;
}

// One element from the tape, as a tree that lasts until the next one.
static const struct json *one(struct json_parser *p, simdjson::dom::element e, struct json *value)
{
	arena_reset(&p->each);
	std::swap(p->arena, p->each);
	copy_value(p, e, value);
	std::swap(p->arena, p->each);
	return value;
}

extern "C" enum status json_each(struct json_parser *p, const struct json *j, json_element *fn, void *arg, struct error *err)
{
	struct json value, key;
	enum status st = OK;
	size_t i = 0;

	if (j->items || !j->integer) {
		for (; i < j->len && st == OK; i++)
			st = fn(arg, i, j->keys ? &j->keys[i] : NULL, &j->items[i], err);
		return st;
	}
	simdjson::dom::element whole = p->left[(size_t)j->integer - 1];
	const char *const *names = p->names;
	p->names = nullptr;
	if (j->type == JSON_OBJECT)
		for (simdjson::dom::key_value_pair kv : simdjson::dom::object(whole)) {
			if (st != OK)
				break;
			memset(&key, 0, sizeof(key));
			point_string(p, kv.key, &key);
			st = fn(arg, i++, &key, one(p, kv.value, &value), err);
		}
	else
		for (simdjson::dom::element e : simdjson::dom::array(whole)) {
			if (st != OK)
				break;
			st = fn(arg, i++, NULL, one(p, e, &value), err);
		}
	p->names = names;
	return st;
}
