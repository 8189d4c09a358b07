/* yaml.h - a YAML file as a JSON tree, so that one kind of value serves both.
 *
 * libyaml reads; plain scalars are what PyYAML's safe loader makes of them (YAML 1.1: yes, no, on and off are booleans, 1e5 without a
 * dot is text). Aliases are copies of what they name. A tag of the file's own (!function) becomes the object {"!function": value}, so
 * that whoever reads the tree can say which key has it. Depth and size of the tree are limited. */
#ifndef QUERN_BASE_YAML_H
#define QUERN_BASE_YAML_H

#include "base/json.h"

/* Appends the one document in s[0..n) as JSON. ERR_DATA with line and column. */
enum status yaml_to_json(const char *s, size_t n, struct buf *out, struct error *err);
/* The tree lives in the parser until its next parse. Messages begin with the path. */
enum status yaml_parse_file(struct json_parser *p, const char *path, const struct json **out, struct error *err);

#endif
