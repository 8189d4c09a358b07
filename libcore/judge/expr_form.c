#include "judge/expr_form.h"

#include "judge/expr_ball.h"
#include "judge/expr_flint.h"

#include <flint/fmpz_mpoly.h>
#include <flint/fmpq.h>

#define ATOMS 24
#define BITS_MAX 65536               /* of a coefficient */
#define TERMS_MAX 4096
#define TRIAL 2000                   /* primes below this are divided out of radicands */

enum atom_kind { ATOM_SYMBOL, ATOM_I, ATOM_PI, ATOM_E, ATOM_RADICAL, ATOM_OPAQUE };

struct atom {
	enum atom_kind kind;
	const struct expr *e;        /* symbol, opaque */
	uint64_t base;               /* radical: g^root = base, bases pairwise coprime */
	int root;
};

struct form {
	int n;
	struct atom atoms[ATOMS];
	fmpz_mpoly_ctx_t ctx;
	int64_t *work;
	bool failed, opaque;
};

struct ratio {
	fmpz_mpoly_t num, den;
};

/* --- rationals that are small --------------------------------------------------------------------------------- */

static uint64_t gcd(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t t = a % b;
		a = b;
		b = t;
	}
	return a;
}

static bool reduce_fraction(__int128 num, __int128 den, struct fraction *out)
{
	const __int128 max = (__int128)1 << 62;
	if (den == 0)
		return false;
	if (den < 0)
		num = -num, den = -den;
	if (num > max || num < -max || den > max)
		return false;
	uint64_t g = gcd((uint64_t)(num < 0 ? -num : num), (uint64_t)den);
	*out = (struct fraction){ (int64_t)num / (int64_t)g, (int64_t)den / (int64_t)g };
	return true;
}

bool form_fraction(const struct expr *e, struct fraction *out)
{
	struct fraction a, b;
	switch (e->kind) {
	case EXPR_NUMBER: {
		int64_t den = 1;
		if (!e->small || e->places > 17 || e->places < 0)
			return false;
		for (int i = 0; i < e->places; i++)
			den *= 10;
		return reduce_fraction(e->value, den, out);
	}
	case EXPR_NEG: return form_fraction(e->kids[0], &a) && reduce_fraction(-(__int128)a.num, a.den, out);
	case EXPR_DEGREE: case EXPR_UNIT: return form_fraction(e->kids[0], out);
	case EXPR_PERCENT: return form_fraction(e->kids[0], &a) && reduce_fraction(a.num, (__int128)a.den * 100, out);
	case EXPR_DIV:
		return form_fraction(e->kids[0], &a) && form_fraction(e->kids[1], &b) &&
		       reduce_fraction((__int128)a.num * b.den, (__int128)a.den * b.num, out);
	case EXPR_ADD: case EXPR_MUL:
		if (!form_fraction(e->kids[0], &a))
			return false;
		for (int i = 1; i < e->n; i++) {
			if (!form_fraction(e->kids[i], &b))
				return false;
			bool ok = e->kind == EXPR_ADD
				? a.den < INT32_MAX && b.den < INT32_MAX &&
				  reduce_fraction((__int128)a.num * b.den + (__int128)b.num * a.den, (__int128)a.den * b.den, &a)
				: reduce_fraction((__int128)a.num * b.num, (__int128)a.den * b.den, &a);
			if (!ok)
				return false;
		}
		*out = a;
		return true;
	default: return false;
	}
}

/* --- generators ---------------------------------------------------------------------------------------------- */

static void add_atom(struct form *f, struct atom a)
{
	for (int i = 0; i < f->n; i++) {
		struct atom *b = &f->atoms[i];
		if (b->kind != a.kind || (a.e && !expr_same(a.e, b->e)) || a.base != b->base)
			continue;
		if (a.kind == ATOM_RADICAL)
			b->root = (int)((uint64_t)b->root * (uint64_t)a.root / gcd((uint64_t)b->root, (uint64_t)a.root));
		f->failed |= b->root > 60;
		return;
	}
	if (f->n == ATOMS) {
		f->failed = true;
		return;
	}
	f->atoms[f->n++] = a;
}

static int find_atom(struct form *f, enum atom_kind kind, const struct expr *e, uint64_t base)
{
	for (int i = 0; i < f->n; i++)
		if (f->atoms[i].kind == kind && (!e || expr_same(e, f->atoms[i].e)) && f->atoms[i].base == base)
			return i;
	f->failed = true;
	return 0;
}

static void opaque(struct form *f, const struct expr *e)
{
	f->opaque = true;
	add_atom(f, (struct atom){ .kind = ATOM_OPAQUE, .e = e });
}

/* Calls visit for each prime power of n; the cofactor beyond TRIAL goes whole when nothing divides it that we know. */
static bool factor(uint64_t n, void (*visit)(void *arg, uint64_t base, int k), void *arg)
{
	for (uint64_t d = 2; d < TRIAL && d * d <= n; d++) {
		int k = 0;
		for (; n % d == 0; n /= d)
			k++;
		if (k)
			visit(arg, d, k);
	}
	if (n > 1 && n >= (uint64_t)TRIAL * TRIAL)
		return false;                              /* may be no prime: then its root is an atom without a normal form */
	if (n > 1)
		visit(arg, n, 1);
	return true;
}

struct radical_arg {
	struct form *f;
	int root;
};

static void note_radical(void *arg, uint64_t base, int k)
{
	struct radical_arg *r = arg;
	(void)k;
	add_atom(r->f, (struct atom){ .kind = ATOM_RADICAL, .base = base, .root = r->root });
}

static void no_visit(void *arg, uint64_t base, int k) { (void)arg, (void)base, (void)k; }

/* base^(num/den) with den > 1: a product of radicals and powers of i? */
static bool plain_root(const struct expr *base, int den, bool real, struct fraction *value)
{
	if (!form_fraction(base, value) || den > 12)
		return false;
	uint64_t a = (uint64_t)(value->num < 0 ? -value->num : value->num);
	if (value->num < 0 && den != 2 && !(real && den % 2))
		return false;
	return factor(a, no_visit, NULL) && factor((uint64_t)value->den, no_visit, NULL);
}

/* e as base^(p/q); ROOT or POW. */
static bool power_of(const struct expr *e, struct fraction *exponent)
{
	if (e->kind == EXPR_ROOT)
		return form_fraction(e->kids[1], exponent) && exponent->num > 0 && exponent->den == 1 && exponent->num <= 12 &&
		       reduce_fraction(1, exponent->num, exponent);
	return form_fraction(e->kids[1], exponent);
}

static void collect(struct form *f, const struct expr *e)
{
	struct fraction exponent, value;
	if (f->failed)
		return;
	switch (e->kind) {
	case EXPR_NUMBER: return;
	case EXPR_SYMBOL:
		if (expr_is(e, "infty") || expr_is(e, "emptyset") || expr_is(e, "dots"))
			f->failed = true;
		add_atom(f, (struct atom){ .kind = expr_is(e, "i") ? ATOM_I : expr_is(e, "pi") ? ATOM_PI : expr_is(e, "e") ? ATOM_E :
			ATOM_SYMBOL, .e = e });
		return;
	case EXPR_ADD: case EXPR_MUL: case EXPR_NEG: case EXPR_DIV: case EXPR_PERCENT: case EXPR_DEGREE: case EXPR_UNIT:
		for (int i = 0; i < e->n; i++)
			collect(f, e->kids[i]);
		return;
	case EXPR_POW: case EXPR_ROOT:
		if (!power_of(e, &exponent)) {
			opaque(f, e);
		} else if (exponent.den == 1) {
			collect(f, e->kids[0]);
		} else if (exponent.den < 60 && plain_root(e->kids[0], (int)exponent.den, e->kind == EXPR_ROOT, &value)) {
			struct radical_arg r = { f, (int)exponent.den };
			factor((uint64_t)(value.num < 0 ? -value.num : value.num), note_radical, &r);
			factor((uint64_t)value.den, note_radical, &r);
			if (value.num < 0 && exponent.den == 2)
				add_atom(f, (struct atom){ .kind = ATOM_I });
		} else {
			opaque(f, e);
		}
		return;
	case EXPR_CALL:
		if (ball_knows(e))
			opaque(f, e);
		else
			add_atom(f, (struct atom){ .kind = ATOM_SYMBOL, .e = e });   /* f(x) says nothing about f */
		return;
	case EXPR_FACTORIAL:
		if (!form_fraction(e->kids[0], &value) || value.den != 1 || value.num < 0 || value.num > 1000)
			opaque(f, e);
		return;
	default: f->failed = true;
	}
}

/* --- polynomials ---------------------------------------------------------------------------------------------- */

static void ratio_init(struct form *f, struct ratio *r)
{
	fmpz_mpoly_init(r->num, f->ctx);
	fmpz_mpoly_init(r->den, f->ctx);
}

static void ratio_clear(struct form *f, struct ratio *r)
{
	fmpz_mpoly_clear(r->num, f->ctx);
	fmpz_mpoly_clear(r->den, f->ctx);
}

/* g^root = base, i^2 = -1, wherever an exponent is too high. */
static void reduce(struct form *f, fmpz_mpoly_t p)
{
	bool needed = false;
	slong degrees[ATOMS];
	if (fmpz_mpoly_is_zero(p, f->ctx))
		return;
	if (!fmpz_mpoly_degrees_fit_si(p, f->ctx)) {
		f->failed = true;
		return;
	}
	fmpz_mpoly_degrees_si(degrees, p, f->ctx);
	for (int g = 0; g < f->n; g++)
		needed |= f->atoms[g].root && degrees[g] >= f->atoms[g].root;
	if (!needed)
		return;
	fmpz_mpoly_t out;
	fmpz_t c, m;
	fmpz_mpoly_init(out, f->ctx);
	fmpz_init(c);
	fmpz_init(m);
	for (slong t = 0; t < fmpz_mpoly_length(p, f->ctx); t++) {
		ulong exps[ATOMS];
		fmpz_mpoly_get_term_coeff_fmpz(c, p, t, f->ctx);
		fmpz_mpoly_get_term_exp_ui(exps, p, t, f->ctx);
		for (int g = 0; g < f->n; g++) {
			ulong root = (ulong)f->atoms[g].root;
			if (!root || exps[g] < root)
				continue;
			if (f->atoms[g].kind == ATOM_I)
				fmpz_set_si(m, -1);
			else
				fmpz_set_ui(m, f->atoms[g].base);
			fmpz_pow_ui(m, m, exps[g] / root);
			fmpz_mul(c, c, m);
			exps[g] %= root;
		}
		fmpz_mpoly_push_term_fmpz_ui(out, c, exps, f->ctx);
	}
	fmpz_mpoly_sort_terms(out, f->ctx);
	fmpz_mpoly_combine_like_terms(out, f->ctx);
	fmpz_mpoly_swap(p, out, f->ctx);
	fmpz_mpoly_clear(out, f->ctx);
	fmpz_clear(c);
	fmpz_clear(m);
}

static slong bits(struct form *f, const fmpz_mpoly_t p)
{
	slong b = fmpz_mpoly_is_zero(p, f->ctx) ? 0 : fmpz_mpoly_max_bits(p);
	return b < 0 ? -b : b;
}

/* out = a b, if that stays within bounds. */
static void multiply(struct form *f, fmpz_mpoly_t out, const fmpz_mpoly_t a, const fmpz_mpoly_t b)
{
	int64_t terms = (int64_t)fmpz_mpoly_length(a, f->ctx) * fmpz_mpoly_length(b, f->ctx);
	int64_t size = bits(f, a) + bits(f, b);
	int64_t cost = 20 + terms * (4 + size / 64);
	if (f->failed || *f->work < cost || terms > TERMS_MAX * 4 || size > BITS_MAX) {
		f->failed = true;
		return;
	}
	*f->work -= cost;
	fmpz_mpoly_mul(out, a, b, f->ctx);
	reduce(f, out);
}

static void add_ratio(struct form *f, struct ratio *a, const struct ratio *b)
{
	if (fmpz_mpoly_equal(a->den, b->den, f->ctx)) {
		fmpz_mpoly_add(a->num, a->num, b->num, f->ctx);
		return;
	}
	fmpz_mpoly_t t;
	fmpz_mpoly_init(t, f->ctx);
	multiply(f, t, b->num, a->den);
	multiply(f, a->num, a->num, b->den);
	if (!f->failed)
		fmpz_mpoly_add(a->num, a->num, t, f->ctx);
	multiply(f, a->den, a->den, b->den);
	fmpz_mpoly_clear(t, f->ctx);
}

static void set_one(struct form *f, struct ratio *r)
{
	fmpz_mpoly_one(r->num, f->ctx);
	fmpz_mpoly_one(r->den, f->ctx);
}

static void multiply_ratio(struct form *f, struct ratio *a, const struct ratio *b)
{
	multiply(f, a->num, a->num, b->num);
	multiply(f, a->den, a->den, b->den);
}

static void invert(struct form *f, struct ratio *r)
{
	fmpz_mpoly_swap(r->num, r->den, f->ctx);
	f->failed |= fmpz_mpoly_is_zero(r->den, f->ctx);
}

/* r = r^k by squaring; single terms go in one step. */
static void power(struct form *f, struct ratio *r, int64_t k)
{
	if (k < 0) {
		invert(f, r);
		k = -k;
	}
	bool single = fmpz_mpoly_length(r->num, f->ctx) <= 1 && fmpz_mpoly_length(r->den, f->ctx) <= 1;
	int64_t size = bits(f, r->num) + bits(f, r->den);
	if (k > (single ? 100000 : 400) || size * k > BITS_MAX)
		f->failed = true;
	struct ratio base;
	ratio_init(f, &base);
	fmpz_mpoly_swap(base.num, r->num, f->ctx);
	fmpz_mpoly_swap(base.den, r->den, f->ctx);
	set_one(f, r);
	for (; k && !f->failed; k >>= 1) {
		if (k & 1)
			multiply_ratio(f, r, &base);
		if (k > 1)
			multiply_ratio(f, &base, &base);
	}
	ratio_clear(f, &base);
}

static void build(struct form *f, const struct expr *e, struct ratio *out);

static void build_number(struct form *f, const struct expr *e, struct ratio *out)
{
	fmpz_t v;
	fmpz_init(v);
	number_digits(v, e);
	set_one(f, out);
	fmpz_mpoly_set_fmpz(out->num, v, f->ctx);
	if (e->places) {
		int places = e->places < 0 ? -e->places : e->places;
		if (places > 9000) {
			f->failed = true;
		} else {
			fmpz_set_ui(v, 10);
			fmpz_pow_ui(v, v, (ulong)places);
			if (e->places > 0)
				fmpz_mpoly_set_fmpz(out->den, v, f->ctx);
			else
				fmpz_mpoly_scalar_mul_fmpz(out->num, out->num, v, f->ctx);
		}
	}
	fmpz_clear(v);
}

struct radicals {
	struct form *f;
	struct ratio *out;
	int64_t num, den;            /* the exponent */
	bool below;                  /* the factor stands in the denominator */
};

/* base^(k num/den) = g^(k num root/den) */
static void multiply_radical(void *arg, uint64_t base, int k)
{
	struct radicals *r = arg;
	struct form *f = r->f;
	int at = find_atom(f, ATOM_RADICAL, NULL, base);
	if (f->failed)
		return;
	int64_t e = (int64_t)k * r->num * (f->atoms[at].root / r->den);
	struct ratio g;
	ratio_init(f, &g);
	set_one(f, &g);
	fmpz_mpoly_gen(g.num, at, f->ctx);
	power(f, &g, r->below ? -e : e);
	multiply_ratio(f, r->out, &g);
	ratio_clear(f, &g);
}

static void set_generator(struct form *f, struct ratio *out, int at)
{
	set_one(f, out);
	fmpz_mpoly_gen(out->num, at, f->ctx);
}

static void build_power(struct form *f, const struct expr *e, struct ratio *out)
{
	struct fraction x, value;
	if (!power_of(e, &x)) {
		set_generator(f, out, find_atom(f, ATOM_OPAQUE, e, 0));
		return;
	}
	if (x.den == 1) {
		build(f, e->kids[0], out);
		power(f, out, x.num);
		return;
	}
	if (x.den >= 60 || !plain_root(e->kids[0], (int)x.den, e->kind == EXPR_ROOT, &value)) {
		set_generator(f, out, find_atom(f, ATOM_OPAQUE, e, 0));
		return;
	}
	set_one(f, out);
	if (value.num == 0) {
		fmpz_mpoly_zero(out->num, f->ctx);
		f->failed |= x.num < 0;
		return;
	}
	struct radicals r = { f, out, x.num, x.den, false };
	factor((uint64_t)(value.num < 0 ? -value.num : value.num), multiply_radical, &r);
	r.below = true;
	factor((uint64_t)value.den, multiply_radical, &r);
	if (value.num < 0) {
		struct ratio sign;
		ratio_init(f, &sign);
		set_one(f, &sign);
		if (x.den == 2)
			fmpz_mpoly_gen(sign.num, find_atom(f, ATOM_I, NULL, 0), f->ctx);
		else
			fmpz_mpoly_set_si(sign.num, -1, f->ctx);
		power(f, &sign, x.num);
		multiply_ratio(f, out, &sign);
		ratio_clear(f, &sign);
	}
}

static void build_many(struct form *f, const struct expr *e, struct ratio *out)
{
	struct ratio t;
	ratio_init(f, &t);
	build(f, e->kids[0], out);
	for (int i = 1; i < e->n && !f->failed; i++) {
		build(f, e->kids[i], &t);
		if (e->kind == EXPR_ADD)
			add_ratio(f, out, &t);
		else if (e->kind == EXPR_DIV)
			invert(f, &t), multiply_ratio(f, out, &t);
		else
			multiply_ratio(f, out, &t);
	}
	ratio_clear(f, &t);
}

static void build_factorial(struct form *f, const struct expr *e, struct ratio *out)
{
	struct fraction v;
	if (!form_fraction(e->kids[0], &v) || v.den != 1 || v.num < 0 || v.num > 1000) {
		set_generator(f, out, find_atom(f, ATOM_OPAQUE, e, 0));
		return;
	}
	fmpz_t x;
	fmpz_init(x);
	fmpz_fac_ui(x, (ulong)v.num);
	set_one(f, out);
	fmpz_mpoly_set_fmpz(out->num, x, f->ctx);
	fmpz_clear(x);
}

static void build(struct form *f, const struct expr *e, struct ratio *out)
{
	if (f->failed)
		return;
	switch (e->kind) {
	case EXPR_NUMBER: build_number(f, e, out); break;
	case EXPR_SYMBOL:
		set_generator(f, out, find_atom(f, expr_is(e, "i") ? ATOM_I : expr_is(e, "pi") ? ATOM_PI : expr_is(e, "e") ? ATOM_E :
			ATOM_SYMBOL, expr_is(e, "i") ? NULL : e, 0));
		break;
	case EXPR_ADD: case EXPR_MUL: case EXPR_DIV: build_many(f, e, out); break;
	case EXPR_NEG:
		build(f, e->kids[0], out);
		fmpz_mpoly_neg(out->num, out->num, f->ctx);
		break;
	case EXPR_PERCENT:
		build(f, e->kids[0], out);
		fmpz_mpoly_scalar_mul_ui(out->den, out->den, 100, f->ctx);
		break;
	case EXPR_DEGREE: case EXPR_UNIT: build(f, e->kids[0], out); break;
	case EXPR_POW: case EXPR_ROOT: build_power(f, e, out); break;
	case EXPR_FACTORIAL: build_factorial(f, e, out); break;
	case EXPR_CALL: set_generator(f, out, find_atom(f, ball_knows(e) ? ATOM_OPAQUE : ATOM_SYMBOL, e, 0)); break;
	default: f->failed = true;
	}
	f->failed |= fmpz_mpoly_length(out->num, f->ctx) > TERMS_MAX || fmpz_mpoly_length(out->den, f->ctx) > TERMS_MAX;
}

/* --- the two questions ----------------------------------------------------------------------------------------- */

/* Both sides over one set of generators. Where it returns false nothing is to be closed. */
static bool open_forms(struct form *f, const struct expr *a, const struct expr *b, struct ratio *x, struct ratio *y, int64_t *work)
{
	f->n = 0;
	f->work = work;
	f->failed = f->opaque = false;
	collect(f, a);
	collect(f, b);
	if (f->failed)
		return false;
	for (int i = 0; i < f->n; i++)
		if (f->atoms[i].kind == ATOM_I)
			f->atoms[i].root = 2, f->atoms[i].e = NULL;
	fmpz_mpoly_ctx_init(f->ctx, f->n ? f->n : 1, ORD_LEX);
	ratio_init(f, x);
	ratio_init(f, y);
	build(f, a, x);
	build(f, b, y);
	f->failed |= fmpz_mpoly_is_zero(x->den, f->ctx) || fmpz_mpoly_is_zero(y->den, f->ctx);
	return true;
}

static void close_forms(struct form *f, struct ratio *x, struct ratio *y)
{
	ratio_clear(f, x);
	ratio_clear(f, y);
	fmpz_mpoly_ctx_clear(f->ctx);
	flint_cleanup();
}

/* Unequal forms are unequal functions: no opaque generator, and not pi and e together. */
static bool conclusive(const struct form *f)
{
	bool pi = false, e = false;
	for (int i = 0; i < f->n; i++) {
		pi |= f->atoms[i].kind == ATOM_PI;
		e |= f->atoms[i].kind == ATOM_E;
	}
	return !f->opaque && !(pi && e);
}

/* The same of s and t, of whose difference s becomes the value: what they have in common has gone from it, such as 9^{9^9} of that and 1 more. */
static bool differ(const struct form *f, fmpz_mpoly_t s, const fmpz_mpoly_t t)
{
	bool pi = false, e = false;
	fmpz_mpoly_sub(s, s, t, f->ctx);
	for (int i = 0; i < f->n; i++) {
		if (fmpz_mpoly_degree_si(s, i, f->ctx) <= 0)
			continue;
		if (f->atoms[i].kind == ATOM_OPAQUE)
			return false;
		pi |= f->atoms[i].kind == ATOM_PI;
		e |= f->atoms[i].kind == ATOM_E;
	}
	return !(pi && e);
}

enum form_answer form_compare(const struct expr *a, const struct expr *b, int64_t *work)
{
	struct form f;
	struct ratio x, y;
	if (!open_forms(&f, a, b, &x, &y, work))
		return FORM_UNKNOWN;
	fmpz_mpoly_t s, t;
	fmpz_mpoly_init(s, f.ctx);
	fmpz_mpoly_init(t, f.ctx);
	multiply(&f, s, x.num, y.den);
	multiply(&f, t, y.num, x.den);
	enum form_answer answer = f.failed ? FORM_UNKNOWN : fmpz_mpoly_equal(s, t, f.ctx) ? FORM_EQUAL :
		differ(&f, s, t) ? FORM_DIFFERENT : FORM_UNKNOWN;
	fmpz_mpoly_clear(s, f.ctx);
	fmpz_mpoly_clear(t, f.ctx);
	close_forms(&f, &x, &y);
	return answer;
}

static bool is_variable(const struct form *f, int g) { return f->atoms[g].kind == ATOM_SYMBOL || f->atoms[g].kind == ATOM_OPAQUE; }

/* The coefficient, a polynomial in the constants, of the monomial with these exponents of the variables. */
static void coefficient(const struct form *f, fmpz_mpoly_t out, const fmpz_mpoly_t p, const ulong *of)
{
	fmpz_t c;
	fmpz_init(c);
	fmpz_mpoly_zero(out, f->ctx);
	for (slong t = 0; t < fmpz_mpoly_length(p, f->ctx); t++) {
		ulong exps[ATOMS];
		bool same = true;
		fmpz_mpoly_get_term_exp_ui(exps, p, t, f->ctx);
		for (int g = 0; g < f->n; g++) {
			same &= !is_variable(f, g) || exps[g] == of[g];
			exps[g] = is_variable(f, g) ? 0 : exps[g];
		}
		if (!same)
			continue;
		fmpz_mpoly_get_term_coeff_fmpz(c, p, t, f->ctx);
		fmpz_mpoly_push_term_fmpz_ui(out, c, exps, f->ctx);
	}
	fmpz_mpoly_sort_terms(out, f->ctx);
	fmpz_mpoly_combine_like_terms(out, f->ctx);
	fmpz_clear(c);
}

static int constant_sign(const struct form *f, const fmpz_mpoly_t p)
{
	if (!fmpz_mpoly_is_fmpz(p, f->ctx) || fmpz_mpoly_is_zero(p, f->ctx))
		return 0;
	fmpz_t c;
	fmpz_init(c);
	fmpz_mpoly_get_fmpz(c, p, f->ctx);
	int sign = fmpz_sgn(c);
	fmpz_clear(c);
	return sign;
}

enum form_answer form_proportional(const struct expr *a, const struct expr *b, int *sign, int64_t *work)
{
	struct form f;
	struct ratio x, y;
	*sign = 0;
	if (!open_forms(&f, a, b, &x, &y, work))
		return FORM_UNKNOWN;
	fmpz_mpoly_t p, q, s, t;
	fmpz_mpoly_init(p, f.ctx);
	fmpz_mpoly_init(q, f.ctx);
	fmpz_mpoly_init(s, f.ctx);
	fmpz_mpoly_init(t, f.ctx);
	bool zero_x = fmpz_mpoly_is_zero(x.num, f.ctx), zero_y = fmpz_mpoly_is_zero(y.num, f.ctx);
	enum form_answer answer = FORM_UNKNOWN;
	if (!f.failed && (zero_x || zero_y)) {
		answer = zero_x && zero_y ? FORM_EQUAL : conclusive(&f) ? FORM_DIFFERENT : FORM_UNKNOWN;
	} else if (!f.failed) {
		ulong exps[ATOMS];
		fmpz_mpoly_get_term_exp_ui(exps, x.num, 0, f.ctx);
		coefficient(&f, p, x.num, exps);
		coefficient(&f, q, y.num, exps);
		multiply(&f, s, x.num, q);
		multiply(&f, t, y.num, p);
		bool same = !fmpz_mpoly_is_zero(q, f.ctx) && fmpz_mpoly_equal(s, t, f.ctx);
		answer = f.failed ? FORM_UNKNOWN : same ? FORM_EQUAL : conclusive(&f) ? FORM_DIFFERENT : FORM_UNKNOWN;
		*sign = constant_sign(&f, p) * constant_sign(&f, q) * constant_sign(&f, x.den) * constant_sign(&f, y.den);
	}
	fmpz_mpoly_clear(p, f.ctx);
	fmpz_mpoly_clear(q, f.ctx);
	fmpz_mpoly_clear(s, f.ctx);
	fmpz_mpoly_clear(t, f.ctx);
	close_forms(&f, &x, &y);
	return answer;
}
