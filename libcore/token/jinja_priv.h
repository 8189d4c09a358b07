/* jinja_priv.h - values, syntax tree and run state of the template engine.
 *
 * Everything made while compiling or rendering lives in one arena of that run. Errors leave by longjmp to
 * jinja_compile or jinja_render, which own the arena; nothing else holds a resource in between. */
#ifndef QUERN_TOKEN_JINJA_PRIV_H
#define QUERN_TOKEN_JINJA_PRIV_H

#include "stream/record.h"
#include "token/jinja.h"

#include <setjmp.h>

enum {
	JINJA_DEPTH_MAX = 100,               /* nesting of syntax and of calls */
	JINJA_STEPS_MAX = 20000000,          /* evaluated nodes, compared elements, characters scanned: a second of work */
	JINJA_BYTES_MAX = 256 << 20          /* memory of one rendering */
};

enum jv_type { JV_UNDEFINED, JV_NONE, JV_BOOL, JV_INT, JV_FLOAT, JV_STRING, JV_LIST, JV_DICT, JV_CALL };

struct jv {
	enum jv_type type;
	bool safe;                           /* JV_STRING: went through |safe */
	union {
		bool b;
		int64_t i;
		double f;
		struct {
			const char *p;
			const uint8_t *m;    /* enum jinja_mark per byte; NULL = all the template's, or jinja_all_data */
			size_t n;
		} s;
		struct jv_list *l;
		struct jv_dict *d;
		struct jv_call *call;
	};
	const char *hint;                    /* JV_UNDEFINED: the name that is not defined */
};
struct jv_list {
	struct jv *v;
	int64_t n, cap;
	int64_t watched;                     /* 1 + how many messages stand before the first: it is the conversation, or the end of it */
	bool tuple;
};
struct jv_dict {                             /* insertion order; the few keys of a message are searched one by one */
	struct jv *k, *v;
	int64_t n, cap;
	int64_t watched;                     /* of the variable "loop": that of the list it goes through */
	bool namespace_;
};

/* Arguments of a call. */
struct jargs {
	struct jv *pos;
	int n;
	const char **names;
	struct jv *kw;
	int n_kw;
};
struct jrun;
typedef struct jv jv_fn(struct jrun *r, struct jv self, const struct jargs *a);
struct jv_call {
	jv_fn *fn;                           /* NULL: macro */
	struct jv self;
	const struct jnode *macro;
};

enum jtok { JT_EOF, JT_TEXT, JT_OUT, JT_OUT_END, JT_BLOCK, JT_BLOCK_END, JT_NAME, JT_INT, JT_FLOAT, JT_STRING, JT_OP };
struct jtoken {
	enum jtok type;
	int line;
	const char *p;                       /* text, name, string value; operator as a string */
	size_t n;
	int64_t i;
	double f;
};

enum jnode_kind {
	/* expressions */
	JN_VALUE, JN_NAME, JN_LIST, JN_TUPLE, JN_DICT, JN_ATTR, JN_ITEM, JN_SLICE, JN_CALL, JN_FILTER, JN_TEST, JN_NOT, JN_NEG,
	JN_POS, JN_AND, JN_OR, JN_BINARY, JN_COMPARE, JN_TERNARY,
	/* statements */
	JN_TEXT, JN_OUTPUT, JN_IF, JN_FOR, JN_SET, JN_SET_BLOCK, JN_MACRO, JN_FILTER_BLOCK, JN_GENERATION, JN_BREAK, JN_CONTINUE,
	JN_BLOCK
};
struct jnode {
	enum jnode_kind kind;
	int line;
	struct jnode *a, *b, *c, *d;         /* operands; what they are stands where the parser makes the node */
	struct jnode **kids;                 /* elements, arguments, statements */
	int n;
	const char **names;                  /* of keyword arguments kw[], of a macro's parameters */
	struct jnode **kw;
	int n_kw;
	const char *name;                    /* identifier, filter, test, operator; interned */
	const void *fn;                      /* JN_FILTER, JN_TEST: the function, found when compiled */
	bool is_method;                      /* JN_ATTR: some type has a method of this name */
	struct jv value;
};

struct jinja {
	struct arena arena;
	struct jnode *root;
	bool generation;
	enum jinja_dialect dialect;
};

/* What lexing, parsing and rendering share. */
struct jrun {
	struct arena *arena;
	size_t bytes;
	int64_t steps;
	int depth;
	struct error *err;
	enum status status;
	jmp_buf leave;
	int line;
	enum jinja_dialect dialect;
	/* rendering */
	struct jscope *scope, *globals;
	struct jtext *out;
	struct jwatch *watch;                /* NULL: nobody asked */
	int generating;
	int flow;                            /* 0, JN_BREAK or JN_CONTINUE on its way to the loop */
};

void jfail(struct jrun *r, enum status st, const char *fmt, ...) __attribute__((noreturn, format(printf, 3, 4)));
void *jalloc(struct jrun *r, size_t n, size_t size);
void jstep(struct jrun *r, int64_t n);
void jenter(struct jrun *r);                 /* counts nesting; jleave undoes */
static inline void jleave(struct jrun *r) { r->depth--; }

/* Marks of a string that is data from end to end; such strings are so many that their marks are not spelled out. */
extern const uint8_t jinja_all_data[1];
static inline const uint8_t *jmarks_at(const uint8_t *m, size_t i) { return m && m != jinja_all_data ? m + i : m; }

/* --- growing text with marks ----------------------------------------------------------------- */
struct jtext {
	char *p;
	uint8_t *m;
	size_t n, cap;
};
void jtext_reserve(struct jrun *r, struct jtext *t, size_t more);
void jtext_add(struct jrun *r, struct jtext *t, const char *p, const uint8_t *m, size_t n); /* m NULL: the template's */
void jtext_str(struct jrun *r, struct jtext *t, const char *s);
void jtext_value(struct jrun *r, struct jtext *t, struct jv v);                              /* as {{ }} prints it */
void jtext_repr(struct jrun *r, struct jtext *t, struct jv v);                               /* as inside a printed list */
struct jv jtext_done(const struct jtext *t);

/* --- values ------------------------------------------------------------------------------------ */
struct jv jv_none(void);
struct jv jv_undefined(const char *hint);
struct jv jv_bool(bool b);
struct jv jv_int(int64_t i);
struct jv jv_float(double f);
struct jv jv_str(const char *s);                                   /* s must live as long as the run */
struct jv jv_slice(struct jv s, size_t from, size_t to);           /* bytes of a string */
struct jv jv_new_list(struct jrun *r, bool tuple);
struct jv jv_new_dict(struct jrun *r);
struct jv jv_function(struct jrun *r, jv_fn *fn, struct jv self);
void jv_push(struct jrun *r, struct jv list, struct jv v);
struct jv *jv_get(struct jrun *r, struct jv dict, struct jv key);  /* NULL if absent */
void jv_put(struct jrun *r, struct jv dict, struct jv key, struct jv v);
bool jv_true(struct jv v);
bool jv_equal(struct jrun *r, struct jv a, struct jv b);
int jv_compare(struct jrun *r, struct jv a, struct jv b);          /* fails on what has no order */
bool jv_contains(struct jrun *r, struct jv where, struct jv what);
bool jv_is_number(struct jv v);                                    /* int, float, bool */
double jv_number(struct jv v);
struct jv jv_to_string(struct jrun *r, struct jv v);
/* The elements of anything that can be looped over, as a list. */
struct jv jv_elements(struct jrun *r, struct jv v);
int64_t jv_length(struct jrun *r, struct jv v);
/* Values out of data (jinja_data.c): JSON, text, one row of an Arrow column. */
struct jv jv_from_json(struct jrun *r, const struct json *j, enum jinja_mark mark);
struct jv jv_from_text(struct jrun *r, const char *s, size_t n);           /* data; bad UTF-8 becomes U+FFFD */
struct jv jv_from_array(struct jrun *r, const struct array *a, int64_t row);  /* data; members that are null are left out */
struct jv jv_from_role(const char *s, size_t n);                            /* the value of a message's "role"  */
const char *jv_type_name(struct jv v);
bool jv_str_is(struct jv v, const char *s);

/* --- calls -------------------------------------------------------------------------------------- */
/* Argument i, or the keyword name; false if it is not given. */
bool jarg(const struct jargs *a, int i, const char *name, struct jv *v);
int64_t jarg_int(struct jrun *r, const struct jargs *a, int i, const char *name, int64_t dflt);
bool jarg_bool(const struct jargs *a, int i, const char *name, bool dflt);
struct jv jv_invoke(struct jrun *r, struct jv f, const struct jargs *a);
struct jv jv_item(struct jrun *r, struct jv v, struct jv key);         /* v[key] */
/* "a.b.0" of map, sort, join: each part an attribute or an index. */
struct jv jv_path(struct jrun *r, struct jv v, struct jv path);

/* Tables; NULL if there is none of that name. */
jv_fn *jinja_filter(const char *name);
jv_fn *jinja_string_filter(const char *name);                        /* the part of jinja_filter that changes text */
jv_fn *jinja_test(const char *name);
jv_fn *jinja_global(const char *name);
jv_fn *jinja_method(struct jv self, const char *name);
bool jinja_is_method(const char *name);                              /* of any type */
struct jv jinja_tojson(struct jrun *r, struct jv v, const struct jargs *a);

/* --- compiling ------------------------------------------------------------------------------------ */
struct jtoken *jinja_lex(struct jrun *r, const char *s, size_t n);     /* ends with JT_EOF */
struct jnode *jinja_parse(struct jrun *r, struct jtoken *tokens, bool *generation);

/* --- rendering -------------------------------------------------------------------------------------- */
struct jvar {
	const char *name;
	struct jv value;
};
struct jscope {
	struct jscope *up;
	struct jvar *v;
	int n, cap;
};
void jscope_set(struct jrun *r, struct jscope *s, const char *name, struct jv v);
void jinja_exec(struct jrun *r, const struct jnode *n);

/* --- what was looked at (jinja_watch.c) ------------------------------------------------------------ */
struct jturn {
	size_t at;                           /* bytes of output when the loop came to a message … */
	int64_t seen;                        /* … and how many messages had been looked at; INT64_MAX: it knew how many there are */
};
struct jwatch {
	int64_t n;                           /* messages */
	struct jturn *turns;                 /* per message */
	size_t end;                          /* bytes of output when the loop had ended */
	bool done;                           /* it has ended */
	bool varies;                         /* behind it something was read that may be otherwise with fewer messages */
	/* while rendering */
	const struct jtext *out;
	int64_t seen;
	bool in_loop;
};
/* Begins to watch, when all variables are set. */
void jwatch_open(struct jrun *r, struct jwatch *w, struct jv messages);
/* Of a rendering that is done: whether the first i < n messages alone render as it began, up to byte *at, and go on as it went on
 * behind its byte `end`. */
bool jwatch_turn_at(const struct jwatch *w, int64_t i, size_t *at);
/* What the evaluator tells; r->watch is not NULL but in jwatch_begin. */
void jwatch_name(struct jrun *r, struct jv v);                                      /* a variable is read as a value */
bool jwatch_item(struct jrun *r, const struct jnode *n, struct jv v, struct jv key); /* v[key]; false: v is a value like others */
bool jwatch_attribute(struct jrun *r, const struct jnode *n, struct jv v);          /* v.name; the same */
void jwatch_slice(struct jrun *r, struct jv of, struct jv made, const struct jnode *n);
bool jwatch_begin(struct jrun *r, struct jv items, struct jv loop, bool filtered);  /* true: tell of turns and end, too */
void jwatch_turn(struct jrun *r, struct jv items, int64_t i);
void jwatch_end(struct jrun *r, bool broken);
struct jv jinja_eval(struct jrun *r, const struct jnode *n);
/* Sets the variables of a rendering. */
typedef void jinja_fill(struct jrun *r, const void *arg);
/* Renders into out, which lives in arena. */
enum status jinja_run(const struct jinja *t, jinja_fill *fill, const void *arg, struct arena *arena, struct jtext *out, struct error *err);

#endif
