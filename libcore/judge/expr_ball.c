#include "judge/expr_ball.h"

#include "base/hash.h"
#include "judge/expr_flint.h"

#include <acb.h>
#include <acb_hypgeom.h>

#define POINTS 6
#define ENOUGH 3                     /* points that must speak before two functions are called equal */

static const slong precisions[] = { 64, 384, 1536 };
#define PRECISIONS (int)(sizeof(precisions) / sizeof(*precisions))

struct ball {
	slong prec;
	int point;
	int64_t *work;
	bool failed;
};

static void eval(struct ball *b, const struct expr *e, acb_t out);

/* A fixed value with 16 bits behind the point: (0, 4), (-4, 0), or either by the name. */
static void symbol_value(const struct ball *b, const struct expr *e, acb_t out)
{
	uint64_t h = hash64(e->text, (size_t)e->text_n) * 0x9e3779b97f4a7c15u + (uint64_t)b->point * 0xbf58476d1ce4e5b9u;
	h ^= h >> 29;
	h *= 0x94d049bb133111ebu;
	h ^= h >> 32;
	slong v = 1 + (slong)(h & 0x3ffff);
	bool negative = b->point == 3 || (b->point > 3 && (h >> 40 & 1));
	acb_set_si(out, negative ? -v : v);
	acb_mul_2exp_si(out, out, -16);
}

static void eval_number(const struct ball *b, const struct expr *e, acb_t out)
{
	fmpz_t v;
	fmpz_init(v);
	number_digits(v, e);
	acb_set_fmpz(out, v);
	if (e->places) {
		acb_t ten;
		acb_init(ten);
		acb_set_si(ten, 10);
		fmpz_set_si(v, -(slong)e->places);
		acb_pow_fmpz(ten, ten, v, b->prec + 32);
		acb_mul(out, out, ten, b->prec);
		acb_clear(ten);
	}
	fmpz_clear(v);
}

/* |x| < 2^bits: what is larger would cost exponentials and sines as many digits as it has. */
static bool below(const acb_t x, slong power)
{
	mag_t m;
	mag_init(m);
	acb_get_mag(m, x);
	bool is = mag_cmp_2exp_si(m, power) < 0;
	mag_clear(m);
	return is;
}
#define ARGUMENT_BITS 48

/* An integer value, known exactly. */
static bool exact_integer(const acb_t x, fmpz_t out)
{
	return arb_is_zero(acb_imagref(x)) && arb_get_unique_fmpz(out, acb_realref(x)) && arb_is_int(acb_realref(x));
}

static void eval_power(struct ball *b, const struct expr *e, acb_t out)
{
	acb_t x;
	fmpz_t k;
	acb_init(x);
	fmpz_init(k);
	eval(b, e->kids[0], out);
	eval(b, e->kids[1], x);
	*b->work -= 40 + b->prec / 2;
	b->failed |= !below(x, ARGUMENT_BITS) || !below(out, (slong)1 << 40);
	if (b->failed) {
		acb_indeterminate(out);
	} else if (e->kind == EXPR_ROOT) {
		bool odd = exact_integer(x, k) && fmpz_sgn(k) > 0 && fmpz_is_odd(k);
		if (odd && acb_is_real(out) && arb_is_negative(acb_realref(out))) {
			acb_neg(out, out);                           /* the real root of a negative number */
			acb_inv(x, x, b->prec);
			acb_pow(out, out, x, b->prec);
			acb_neg(out, out);
		} else if (fmpz_equal_si(k, 2)) {
			acb_sqrt(out, out, b->prec);
		} else {
			acb_inv(x, x, b->prec);
			acb_pow(out, out, x, b->prec);
		}
	} else if (exact_integer(x, k)) {
		if (fmpz_bits(k) > 40)
			b->failed = true;
		else
			acb_pow_fmpz(out, out, k, b->prec);
	} else {
		acb_pow(out, out, x, b->prec);
	}
	fmpz_clear(k);
	acb_clear(x);
}

static void call_abs(acb_t r, const acb_t x, slong p) { arb_t t; arb_init(t); acb_abs(t, x, p); acb_set_arb(r, t); arb_clear(t); }
static void call_re(acb_t r, const acb_t x, slong p) { (void)p; arb_set(acb_realref(r), acb_realref(x)); arb_zero(acb_imagref(r)); }
static void call_im(acb_t r, const acb_t x, slong p) { (void)p; arb_set(acb_realref(r), acb_imagref(x)); arb_zero(acb_imagref(r)); }
static void call_arg(acb_t r, const acb_t x, slong p) { arb_t t; arb_init(t); acb_arg(t, x, p); acb_set_arb(r, t); arb_clear(t); }
static void call_log10(acb_t r, const acb_t x, slong p)
{
	acb_t ten;
	acb_init(ten);
	acb_set_si(ten, 10);
	acb_log(ten, ten, p);
	acb_log(r, x, p);
	acb_div(r, r, ten, p);
	acb_clear(ten);
}
static void call_floor(acb_t r, const acb_t x, slong p)
{
	if (!acb_is_real(x))
		acb_indeterminate(r);
	else
		arb_floor(acb_realref(r), acb_realref(x), p), arb_zero(acb_imagref(r));
}
static void call_ceil(acb_t r, const acb_t x, slong p)
{
	if (!acb_is_real(x))
		acb_indeterminate(r);
	else
		arb_ceil(acb_realref(r), acb_realref(x), p), arb_zero(acb_imagref(r));
}
static void call_arccot(acb_t r, const acb_t x, slong p) { acb_inv(r, x, p); acb_atan(r, r, p); }

static const struct {
	const char *name;
	void (*fn)(acb_t, const acb_t, slong);
	bool angle, large;           /* takes degrees; takes arguments of any size */
} functions[] = {
	{ "sin", acb_sin, true, false }, { "cos", acb_cos, true, false }, { "tan", acb_tan, true, false },
	{ "cot", acb_cot, true, false }, { "sec", acb_sec, true, false }, { "csc", acb_csc, true, false },
	{ "arcsin", acb_asin, false, false }, { "arccos", acb_acos, false, false }, { "arctan", acb_atan, false, false },
	{ "arccot", call_arccot, false, false }, { "sinh", acb_sinh, false, false }, { "cosh", acb_cosh, false, false },
	{ "tanh", acb_tanh, false, false }, { "arcsinh", acb_asinh, false, false }, { "arccosh", acb_acosh, false, false },
	{ "arctanh", acb_atanh, false, false }, { "exp", acb_exp, false, false }, { "ln", acb_log, false, true },
	{ "log", call_log10, false, true }, { "lg", call_log10, false, true }, { "abs", call_abs, false, true },
	{ "re", call_re, false, true }, { "im", call_im, false, true }, { "arg", call_arg, false, true },
	{ "floor", call_floor, false, false }, { "ceil", call_ceil, false, false },
};

/* 30^\circ inside a sine is pi/6; everywhere else the sign is a unit. */
static void eval_angle(struct ball *b, const struct expr *e, acb_t out)
{
	if (e->kind == EXPR_DEGREE) {
		acb_t pi;
		acb_init(pi);
		acb_const_pi(pi, b->prec);
		eval(b, e->kids[0], out);
		acb_mul(out, out, pi, b->prec);
		acb_div_si(out, out, 180, b->prec);
		acb_clear(pi);
	} else {
		eval(b, e, out);
	}
}

/* x = x (x - 1) ... (x - k + 1) / k! */
static void falling(struct ball *b, acb_t x, ulong k)
{
	acb_t factor, product;
	acb_init(factor);
	acb_init(product);
	acb_set_si(product, 1);
	for (ulong i = 0; i < k; i++) {
		acb_set_si(factor, (slong)i);
		acb_sub(factor, x, factor, b->prec);
		acb_mul(product, product, factor, b->prec);
		acb_div_si(product, product, (slong)i + 1, b->prec);
	}
	*b->work -= (int64_t)k * (1 + b->prec / 64) * 8;
	acb_swap(x, product);
	acb_clear(factor);
	acb_clear(product);
}

/* gcd, lcm of integers; max, min of reals; binomials. */
static void eval_many(struct ball *b, const struct expr *e, acb_t out)
{
	acb_t x;
	fmpz_t p, q;
	acb_init(x);
	fmpz_init(p);
	fmpz_init(q);
	eval(b, e->kids[0], out);
	for (int i = 1; i < e->n && !b->failed; i++) {
		eval(b, e->kids[i], x);
		bool ints = exact_integer(out, p) && exact_integer(x, q);
		if (expr_is(e, "max") || expr_is(e, "min")) {
			b->failed |= !acb_is_real(out) || !acb_is_real(x);
			if (expr_is(e, "max"))
				arb_max(acb_realref(out), acb_realref(out), acb_realref(x), b->prec);
			else
				arb_min(acb_realref(out), acb_realref(out), acb_realref(x), b->prec);
		} else if (ints && fmpz_bits(p) < 4096 && fmpz_bits(q) < 4096 && expr_is(e, "gcd")) {
			fmpz_gcd(p, p, q);
			acb_set_fmpz(out, p);
		} else if (ints && fmpz_bits(p) < 4096 && fmpz_bits(q) < 4096 && expr_is(e, "lcm")) {
			fmpz_lcm(p, p, q);
			acb_set_fmpz(out, p);
		} else if (ints && expr_is(e, "binom") && fmpz_sgn(q) >= 0 && fmpz_cmp(p, q) >= 0 && fmpz_cmp_ui(p, 5000) < 0) {
			fmpz_bin_uiui(p, fmpz_get_ui(p), fmpz_get_ui(q));
			acb_set_fmpz(out, p);
		} else if (expr_is(e, "binom") && exact_integer(x, q) && fmpz_sgn(q) >= 0 && fmpz_cmp_ui(q, 64) <= 0) {
			falling(b, out, fmpz_get_ui(q));
		} else if (expr_is(e, "log")) {                     /* kid 1 is the base */
			acb_log(out, out, b->prec);
			acb_log(x, x, b->prec);
			acb_div(out, out, x, b->prec);
		} else {
			b->failed = true;
		}
	}
	fmpz_clear(p);
	fmpz_clear(q);
	acb_clear(x);
}

static void eval_call(struct ball *b, const struct expr *e, acb_t out)
{
	if (e->n > 1) {
		eval_many(b, e, out);
		return;
	}
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++)
		if (expr_is(e, functions[i].name)) {
			if (functions[i].angle)
				eval_angle(b, e->kids[0], out);
			else
				eval(b, e->kids[0], out);
			b->failed |= !below(out, functions[i].large ? (slong)1 << 40 : ARGUMENT_BITS);
			*b->work -= 100 + b->prec;
			if (!b->failed)
				functions[i].fn(out, out, b->prec);
			return;
		}
	b->failed = true;
}

static void eval_factorial(struct ball *b, const struct expr *e, acb_t out)
{
	acb_t one;
	fmpz_t k;
	acb_init(one);
	fmpz_init(k);
	acb_one(one);
	eval(b, e->kids[0], out);
	if (exact_integer(out, k) && fmpz_sgn(k) >= 0 && fmpz_cmp_ui(k, 20000) <= 0) {
		arb_fac_ui(acb_realref(out), fmpz_get_ui(k), b->prec);
	} else if (mag_cmp_2exp_si(arb_radref(acb_realref(out)), 0) < 0 && arf_cmpabs_2exp_si(arb_midref(acb_realref(out)), 14) < 0) {
		acb_add(out, out, one, b->prec);
		acb_hypgeom_gamma(out, out, b->prec);
		*b->work -= 2000 + 30 * b->prec;
	} else {
		b->failed = true;
	}
	fmpz_clear(k);
	acb_clear(one);
}

static void eval_symbol(struct ball *b, const struct expr *e, acb_t out)
{
	if (expr_is(e, "pi"))
		acb_const_pi(out, b->prec);
	else if (expr_is(e, "i"))
		acb_onei(out);
	else if (expr_is(e, "e"))
		arb_const_e(acb_realref(out), b->prec), arb_zero(acb_imagref(out));
	else if (expr_is(e, "infty") || expr_is(e, "emptyset") || expr_is(e, "dots"))
		b->failed = true;
	else
		symbol_value(b, e, out);
}

static void eval(struct ball *b, const struct expr *e, acb_t out)
{
	*b->work -= 10 + b->prec / 16;
	if (b->failed || *b->work < 0) {
		b->failed = true;
		return;
	}
	acb_t t;
	switch (e->kind) {
	case EXPR_NUMBER: eval_number(b, e, out); break;
	case EXPR_SYMBOL: eval_symbol(b, e, out); break;
	case EXPR_ADD: case EXPR_MUL: case EXPR_DIV:
		acb_init(t);
		eval(b, e->kids[0], out);
		for (int i = 1; i < e->n && !b->failed; i++) {
			eval(b, e->kids[i], t);
			if (e->kind == EXPR_ADD)
				acb_add(out, out, t, b->prec);
			else if (e->kind == EXPR_MUL)
				acb_mul(out, out, t, b->prec);
			else
				acb_div(out, out, t, b->prec);
		}
		acb_clear(t);
		break;
	case EXPR_NEG: eval(b, e->kids[0], out); acb_neg(out, out); break;
	case EXPR_PERCENT: eval(b, e->kids[0], out); acb_div_si(out, out, 100, b->prec); break;
	case EXPR_DEGREE: case EXPR_UNIT: eval(b, e->kids[0], out); break;
	case EXPR_POW: case EXPR_ROOT: eval_power(b, e, out); break;
	case EXPR_CALL: eval_call(b, e, out); break;
	case EXPR_FACTORIAL: eval_factorial(b, e, out); break;
	default: b->failed = true;
	}
}

static bool mentions(const struct expr *e, bool (*what)(const struct expr *))
{
	if (what(e))
		return true;
	for (int i = 0; i < e->n; i++)
		if (e->kids[i] && mentions(e->kids[i], what))
			return true;
	return false;
}

static bool is_i(const struct expr *e) { return e->kind == EXPR_SYMBOL && expr_is(e, "i"); }
static bool is_free(const struct expr *e)
{
	return e->kind == EXPR_SYMBOL && !expr_is(e, "i") && !expr_is(e, "pi") && !expr_is(e, "e");
}

/* Is |d| below 2^-BALL_AGREE of the size of x (or of 1, when x is smaller than its own error)? */
static bool agrees(const acb_t d, const acb_t x, const acb_t y)
{
	mag_t m, n, k;
	mag_init(m);
	mag_init(n);
	mag_init(k);
	acb_get_mag(m, d);
	acb_get_mag_lower(n, x);
	acb_get_mag_lower(k, y);
	mag_max(n, n, k);
	bool tiny = mag_is_zero(m);
	if (!tiny && !mag_is_zero(n)) {
		mag_mul_2exp_si(m, m, BALL_AGREE);
		tiny = mag_cmp(m, n) <= 0;
	} else if (!tiny) {
		tiny = mag_cmp_2exp_si(m, -4 * BALL_AGREE) <= 0;
	}
	mag_clear(m);
	mag_clear(n);
	mag_clear(k);
	return tiny;
}

/* One point: raise the precision until the difference is proven or the agreement is deep. */
static enum ball_answer at_point(const struct expr *a, const struct expr *b, int point, bool complex, int64_t *work)
{
	enum ball_answer answer = BALL_UNKNOWN;
	acb_t x, y, d;
	acb_init(x);
	acb_init(y);
	acb_init(d);
	for (int i = 0; i < PRECISIONS && answer == BALL_UNKNOWN; i++) {
		struct ball s = { precisions[i], point, work, false };
		eval(&s, a, x);
		eval(&s, b, y);
		if (s.failed)
			break;
		if (!acb_is_finite(x) || !acb_is_finite(y)) {
			answer = i + 1 == PRECISIONS ? BALL_UNDEFINED : BALL_UNKNOWN;
			continue;
		}
		if (!complex && (!arb_contains_zero(acb_imagref(x)) || !arb_contains_zero(acb_imagref(y)))) {
			answer = BALL_UNDEFINED;
			break;
		}
		acb_sub(d, x, y, s.prec);
		if (!acb_contains_zero(d))
			answer = BALL_DIFFERENT;
		else if (agrees(d, x, y))
			answer = BALL_EQUAL;
	}
	acb_clear(x);
	acb_clear(y);
	acb_clear(d);
	return answer;
}

enum ball_answer ball_compare(const struct expr *a, const struct expr *b, int64_t *work)
{
	bool complex = mentions(a, is_i) || mentions(b, is_i);
	bool constant = !mentions(a, is_free) && !mentions(b, is_free);
	int agree = 0, unknown = 0;
	if (constant)
		complex = true;
	for (int p = 0; p < (constant ? 1 : POINTS); p++) {
		enum ball_answer at = at_point(a, b, p, complex, work);
		if (at == BALL_DIFFERENT) {
			flint_cleanup();
			return at;
		}
		agree += at == BALL_EQUAL;
		unknown += at == BALL_UNKNOWN;
	}
	flint_cleanup();
	if (unknown)
		return BALL_UNKNOWN;
	return agree >= (constant ? 1 : ENOUGH) ? BALL_EQUAL : BALL_UNDEFINED;
}

enum ball_answer ball_proportional(const struct expr *a, const struct expr *b, int64_t *work)
{
	enum ball_answer answer = BALL_UNKNOWN;
	acb_t x[2], y[2], s, t;
	for (int i = 0; i < 2; i++) {
		acb_init(x[i]);
		acb_init(y[i]);
	}
	acb_init(s);
	acb_init(t);
	int agree = 0;
	for (int p = 0; p < 3 && answer != BALL_DIFFERENT; p++) {
		bool failed = false;
		for (int i = 0; i < 2; i++) {
			struct ball ball = { precisions[1], (p + i) % 3, work, false };
			eval(&ball, a, x[i]);
			eval(&ball, b, y[i]);
			failed |= ball.failed || !acb_is_finite(x[i]) || !acb_is_finite(y[i]);
		}
		if (failed)
			continue;
		acb_mul(s, x[0], y[1], precisions[1]);
		acb_mul(t, x[1], y[0], precisions[1]);
		acb_sub(x[0], s, t, precisions[1]);
		if (!acb_contains_zero(x[0]))
			answer = BALL_DIFFERENT;
		else
			agree += agrees(x[0], s, t);
	}
	if (answer != BALL_DIFFERENT && agree == 3)
		answer = BALL_EQUAL;
	for (int i = 0; i < 2; i++) {
		acb_clear(x[i]);
		acb_clear(y[i]);
	}
	acb_clear(s);
	acb_clear(t);
	flint_cleanup();
	return answer;
}

static int infinite(const struct expr *e)
{
	if (e->kind == EXPR_NEG)
		return -infinite(e->kids[0]);
	return e->kind == EXPR_SYMBOL && expr_is(e, "infty");
}

bool ball_order(const struct expr *a, const struct expr *b, int *order, int64_t *work)
{
	int p = infinite(a), q = infinite(b);
	if (p || q) {
		*order = (p > q) - (p < q);
		return true;
	}
	if (mentions(a, is_free) || mentions(b, is_free))
		return false;
	bool known = false;
	acb_t x, y;
	acb_init(x);
	acb_init(y);
	for (int i = 0; i < PRECISIONS && !known; i++) {
		struct ball s = { precisions[i], 0, work, false };
		eval(&s, a, x);
		eval(&s, b, y);
		if (s.failed || !acb_is_real(x) || !acb_is_real(y) || !acb_is_finite(x) || !acb_is_finite(y))
			break;
		known = true;
		if (arb_lt(acb_realref(x), acb_realref(y)))
			*order = -1;
		else if (arb_gt(acb_realref(x), acb_realref(y)))
			*order = 1;
		else if (acb_is_exact(x) && acb_is_exact(y))
			*order = 0;
		else if (i + 1 == PRECISIONS)
			*order = 0;
		else
			known = false;
	}
	acb_clear(x);
	acb_clear(y);
	flint_cleanup();
	return known;
}

enum ball_answer ball_within(const struct expr *a, const struct expr *b, int64_t places, int64_t *work)
{
	enum ball_answer answer = BALL_UNKNOWN;
	acb_t x, y;
	arb_t bound, size;
	if (mentions(a, is_free) || mentions(b, is_free) || places > 4096 || places < -4096)
		return BALL_UNKNOWN;
	acb_init(x);
	acb_init(y);
	arb_init(bound);
	arb_init(size);
	for (int i = 0; i < PRECISIONS && answer == BALL_UNKNOWN; i++) {
		struct ball s = { precisions[i], 0, work, false };
		eval(&s, a, x);
		eval(&s, b, y);
		if (s.failed || !acb_is_finite(x) || !acb_is_finite(y))
			break;
		acb_sub(x, x, y, s.prec);
		acb_abs(size, x, s.prec);
		arb_set_si(bound, 10);
		fmpz_t k;
		fmpz_init_set_si(k, -(slong)places);
		arb_pow_fmpz(bound, bound, k, s.prec);
		fmpz_clear(k);
		answer = arb_lt(size, bound) ? BALL_EQUAL : arb_ge(size, bound) ? BALL_DIFFERENT : BALL_UNKNOWN;
	}
	acb_clear(x);
	acb_clear(y);
	arb_clear(bound);
	arb_clear(size);
	flint_cleanup();
	return answer;
}

/* floor(10^places x + 1/2) */
static bool rounded(const struct expr *e, int places, fmpz_t out, int64_t *work)
{
	bool known = false;
	acb_t x, ten;
	acb_init(x);
	acb_init(ten);
	for (int i = 0; i < PRECISIONS && !known; i++) {
		struct ball s = { precisions[i], 0, work, false };
		eval(&s, e, x);
		if (s.failed || !acb_is_finite(x) || !arb_contains_zero(acb_imagref(x)))
			break;
		acb_set_si(ten, 10);
		acb_pow_ui(ten, ten, (ulong)places, s.prec);
		arb_mul(acb_realref(x), acb_realref(x), acb_realref(ten), s.prec);
		acb_set_d(ten, 0.5);
		arb_add(acb_realref(x), acb_realref(x), acb_realref(ten), s.prec);
		arb_floor(acb_realref(x), acb_realref(x), s.prec);
		known = arb_get_unique_fmpz(out, acb_realref(x));
	}
	acb_clear(x);
	acb_clear(ten);
	return known;
}

bool ball_same_rounded(const struct expr *a, const struct expr *b, int places, int64_t *work)
{
	if (mentions(a, is_free) || mentions(b, is_free))
		return false;
	fmpz_t x, y;
	fmpz_init(x);
	fmpz_init(y);
	bool same = rounded(a, places, x, work) && rounded(b, places, y, work) && fmpz_equal(x, y);
	fmpz_clear(x);
	fmpz_clear(y);
	flint_cleanup();
	return same;
}

bool ball_knows(const struct expr *call)
{
	static const char *const many[] = { "max", "min", "gcd", "lcm", "binom", "log" };
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++)
		if (expr_is(call, functions[i].name))
			return true;
	for (size_t i = 0; i < sizeof(many) / sizeof(*many); i++)
		if (expr_is(call, many[i]))
			return true;
	return false;
}
