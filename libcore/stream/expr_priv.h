/* expr_priv.h - what the parser of conditions and their evaluation share. */
#ifndef QUERN_STREAM_EXPR_PRIV_H
#define QUERN_STREAM_EXPR_PRIV_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include "stream/expr.h"

#include <pcre2.h>

enum node_type { N_VALUE, N_PATH, N_LEN, N_NOT, N_AND, N_OR, N_EQ, N_NE, N_LT, N_LE, N_GT, N_GE, N_MATCH };

struct node {
	enum node_type type;
	struct node *left, *right;
	struct expr_value value;
	int column;
	char **path;                 /* names behind the column */
	int n_path;
	const struct field *field;   /* where the path leads; NULL: into JSON */
	pcre2_code *regex;
	pcre2_match_data *match;
};

struct expr {
	struct arena arena;
	struct node *root;
	struct json_parser *json;
	const char *text, *at;
	const struct schema *schema;
	int depth;
	struct node **regexes;       /* to be freed */
	int n_regexes, cap_regexes;
};

/* The text of a date, timestamp, time or duration as a value that compares with those of field f. */
bool expr_parse_time(const struct field *f, const char *s, size_t n, struct expr_value *v);

#endif
