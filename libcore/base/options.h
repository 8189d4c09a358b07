/* options.h - one table per tool: parsing, --help, the man page's option list and completion.
 *
 * A row binds an option to a variable. Long options may be shortened to "--long=V" or "--long V",
 * short ones to "-nV" or "-n V"; "--" ends options; operands and options may be mixed; "-" is an
 * operand. A flag "--x" has "--no-x". A number that may be left out is the word behind its option if that is a number. Numbers take k, M, G, T (powers of 1000) and Ki, Mi, Gi, Ti;
 * they are parsed whole and checked against [min, max]. A mistake is ERR_USAGE with the sentence
 * that mends it (the nearest option name, the choices, the range). */
#ifndef QUERN_BASE_OPTIONS_H
#define QUERN_BASE_OPTIONS_H

#include "base/error.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

enum opt_type {
	OPT_TYPE_END, OPT_TYPE_GROUP, OPT_TYPE_FLAG, OPT_TYPE_INT, OPT_TYPE_DOUBLE, OPT_TYPE_STRING,
	OPT_TYPE_LIST, OPT_TYPE_CHOICE
};

struct opt_list {                    /* value of a repeatable option */
	const char **items;
	int n, cap;
};

struct opt {
	enum opt_type type;
	char short_name;             /* 0 = none */
	const char *name;            /* long name; the title of a GROUP */
	void *value;                 /* bool*, int64_t*, double*, const char**, struct opt_list*, int* */
	const char *arg;             /* placeholder in help ("N", "FILE"), for CHOICE the words "a|b|c" */
	const char *help;            /* one line, lower case, no full stop; the default is added by the table */
	double min, max;             /* INT and DOUBLE; both 0 = no limits */
	int64_t alone;               /* INT: its value where the option stands without one; 0: one is wanted */
	bool given;                  /* set by opt_parse */
	bool no_provenance;          /* does not change the output, so is left out of the provenance */
};

#define OPT_GROUP(title) { .type = OPT_TYPE_GROUP, .name = title }
#define OPT_FLAG(s, l, v, h) { .type = OPT_TYPE_FLAG, .short_name = s, .name = l, .value = v, .help = h }
#define OPT_INT(s, l, v, a, lo, hi, h) \
	{ .type = OPT_TYPE_INT, .short_name = s, .name = l, .value = v, .arg = a, .min = lo, .max = hi, .help = h }
#define OPT_DOUBLE(s, l, v, a, lo, hi, h) \
	{ .type = OPT_TYPE_DOUBLE, .short_name = s, .name = l, .value = v, .arg = a, .min = lo, .max = hi, .help = h }
#define OPT_STRING(s, l, v, a, h) { .type = OPT_TYPE_STRING, .short_name = s, .name = l, .value = v, .arg = a, .help = h }
/* May be given several times; the value is a struct opt_list. */
#define OPT_LIST(s, l, v, a, h) { .type = OPT_TYPE_LIST, .short_name = s, .name = l, .value = v, .arg = a, .help = h }
/* value is int*, the index of the word in "a|b|c". */
#define OPT_CHOICE(s, l, v, a, h) { .type = OPT_TYPE_CHOICE, .short_name = s, .name = l, .value = v, .arg = a, .help = h }
#define OPT_END { .type = OPT_TYPE_END }

/* Parses argv[1..] over several tables (the tool's, then the common one), each ended by OPT_END. An option takes the place of
 * one of its name in a later table, here and in the texts below.
 * Operands are appended to *operands (pointers into argv). */
enum status opt_parse(struct opt *const *tables, int n_tables, int argc, char **argv, struct opt_list *operands,
		      struct error *err);
void opt_help(struct buf *out, struct opt *const *tables, int n_tables);        /* for --help */
void opt_mdoc(struct buf *out, struct opt *const *tables, int n_tables);        /* a .Bl list, for the man page */
void opt_completion(struct buf *out, struct opt *const *tables, int n_tables);  /* a word or word= per line */
/* The given options that decide the output, in table order, as argv words ("--name=value"). */
void opt_provenance(struct opt_list *words, struct opt *const *tables, int n_tables);
/* Number with unit suffix as above, whole string. */
enum status opt_number(const char *s, double *v, struct error *err);

#endif
