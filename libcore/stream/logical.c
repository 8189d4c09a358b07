/* logical.c - dates, times, durations, intervals and decimals as text, and that text as values.
 *
 * Times are ISO 8601 with all digits of their unit; a timestamp with a time zone is an instant and is shown in UTC, with a
 * Z. Every value has a text, also one that no calendar has (a time of 25:00:00, a year of six digits), and each text
 * reads back as its value. */
#include "stream/layout.h"

#include <string.h>

#define DECIMAL_LIMBS 8                           /* 32 bits each, lowest first */
#define PLAIN_SCALE_MAX 100                       /* a scale beyond is written as an exponent */

static const int64_t per_second[] = { 1, 1000, 1000000, 1000000000 };
static const int fraction_digits[] = { 0, 3, 6, 9 };

bool type_has_text(enum field_type t)
{
	return t >= T_DATE32 && t <= T_DECIMAL256;
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static int64_t floor_rest(int64_t a, int64_t b)
{
	return a % b + (a % b < 0 ? b : 0);
}

static int64_t load_int(const void *p, int width)
{
	int32_t narrow;
	int64_t wide;

	if (width == 4) {
		memcpy(&narrow, p, 4);
		return narrow;
	}
	memcpy(&wide, p, 8);
	return wide;
}

static bool store_int(void *p, int width, int64_t v)
{
	int32_t narrow = (int32_t)v;

	if (width == 4 && narrow != v)
		return false;
	memcpy(p, width == 4 ? (const void *)&narrow : (const void *)&v, (size_t)width);
	return true;
}

/* --- printing -------------------------------------------------------------------------------- */
/* The proleptic Gregorian date of a day counted from 1970-01-01 (Hinnant's days algorithm). */
static void print_date(int64_t days, struct buf *out)
{
	int64_t z = days + 719468, era = floor_div(z, 146097);
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;
	int64_t month = mp < 10 ? mp + 3 : mp - 9;
	int64_t year = yoe + era * 400 + (month <= 2);

	buf_printf(out, year < 0 || year > 9999 ? "%+05lld" : "%04lld", (long long)year);
	buf_printf(out, "-%02d-%02d", (int)month, (int)(doy - (153 * mp + 2) / 5 + 1));
}

static void print_fraction(int64_t part, int unit, struct buf *out)
{
	if (unit != UNIT_S)
		buf_printf(out, ".%0*lld", fraction_digits[unit], (long long)part);
}

/* A count of units as hours, minutes, seconds; below zero with a sign. */
static void print_time(int64_t v, int unit, struct buf *out)
{
	int64_t seconds = v / per_second[unit], part = v % per_second[unit];

	if (v < 0) {
		buf_char(out, '-');
		seconds = -seconds;
		part = -part;
	}
	buf_printf(out, "%02lld:%02d:%02d", (long long)(seconds / 3600), (int)(seconds / 60 % 60), (int)(seconds % 60));
	print_fraction(part, unit, out);
}

static void print_instant(int64_t v, int unit, struct buf *out)
{
	int64_t seconds = floor_div(v, per_second[unit]), part = floor_rest(v, per_second[unit]);
	int64_t left = floor_rest(seconds, 86400);

	print_date(floor_div(seconds, 86400), out);
	buf_printf(out, "T%02d:%02d:%02d", (int)(left / 3600), (int)(left / 60 % 60), (int)(left % 60));
	print_fraction(part, unit, out);
}

/* "1.5S": seconds with a sign of their own. */
static void print_seconds(int64_t v, int unit, struct buf *out)
{
	uint64_t size = v < 0 ? 0 - (uint64_t)v : (uint64_t)v, per = (uint64_t)per_second[unit];

	buf_printf(out, "%s%llu", v < 0 ? "-" : "", (unsigned long long)(size / per));
	print_fraction((int64_t)(size % per), unit, out);
	buf_char(out, 'S');
}

static void print_interval(int kind, const char *p, struct buf *out)
{
	buf_char(out, 'P');
	if (kind != INTERVAL_DAY_TIME)
		buf_printf(out, "%lldM", (long long)load_int(p, 4));
	if (kind == INTERVAL_DAY_TIME) {
		buf_printf(out, "%lldDT", (long long)load_int(p, 4));
		print_seconds(load_int(p + 4, 4), UNIT_MS, out);
	} else if (kind == INTERVAL_MONTH_DAY_NANO) {
		buf_printf(out, "%lldDT", (long long)load_int(p + 4, 4));
		print_seconds(load_int(p + 8, 8), UNIT_NS, out);
	}
}

/* --- decimals ---------------------------------------------------------------------------------- */
/* width bytes of two's complement as sign and size; true if below zero. */
static bool limbs_load(uint32_t limbs[DECIMAL_LIMBS], const void *p, int width)
{
	bool negative = (((const uint8_t *)p)[width - 1] & 0x80) != 0;
	uint64_t carry = 1;

	memset(limbs, negative ? 0xFF : 0, DECIMAL_LIMBS * sizeof(*limbs));
	memcpy(limbs, p, (size_t)width);
	for (int i = 0; negative && i < DECIMAL_LIMBS; i++) {
		carry += ~limbs[i];
		limbs[i] = (uint32_t)carry;
		carry >>= 32;
	}
	return negative;
}

/* Divides by 10^9; the rest is returned. */
static uint32_t limbs_divide(uint32_t limbs[DECIMAL_LIMBS])
{
	uint64_t rest = 0;

	for (int i = DECIMAL_LIMBS - 1; i >= 0; i--) {
		rest = rest << 32 | limbs[i];
		limbs[i] = (uint32_t)(rest / 1000000000);
		rest %= 1000000000;
	}
	return (uint32_t)rest;
}

static bool limbs_zero(const uint32_t limbs[DECIMAL_LIMBS])
{
	uint32_t all = 0;

	for (int i = 0; i < DECIMAL_LIMBS; i++)
		all |= limbs[i];
	return all == 0;
}

/* Decimal digits without leading zeros ("0" for zero) into text, which has room for 90; their number. */
static int limbs_digits(uint32_t limbs[DECIMAL_LIMBS], char *text)
{
	char back[90];
	int n = 0;

	while (!limbs_zero(limbs)) {
		uint32_t group = limbs_divide(limbs);
		for (int i = 0; i < 9; i++, group /= 10)
			back[n++] = (char)('0' + group % 10);
	}
	while (n > 0 && back[n - 1] == '0')
		n--;
	if (n == 0)
		back[n++] = '0';
	for (int i = 0; i < n; i++)
		text[i] = back[n - 1 - i];
	return n;
}

static void print_decimal(const struct field *f, const void *value, struct buf *out)
{
	uint32_t limbs[DECIMAL_LIMBS];
	char digits[90];

	if (limbs_load(limbs, value, field_width(f)))
		buf_char(out, '-');
	int n = limbs_digits(limbs, digits);
	if (f->scale < 0 || f->scale > PLAIN_SCALE_MAX) {
		buf_add(out, digits, (size_t)n);
		buf_printf(out, "E%lld", -(long long)f->scale);
		return;
	}
	if (n <= f->scale) {
		buf_str(out, "0.");
		for (int i = n; i < f->scale; i++)
			buf_char(out, '0');
		buf_add(out, digits, (size_t)n);
		return;
	}
	buf_add(out, digits, (size_t)(n - f->scale));
	if (f->scale > 0) {
		buf_char(out, '.');
		buf_add(out, digits + n - f->scale, (size_t)f->scale);
	}
}

void logical_print(const struct field *f, const void *value, struct buf *out)
{
	int width = field_width(f);

	switch (f->type) {
	case T_DATE32:
		print_date(load_int(value, width), out);
		break;
	case T_DATE64: {
		/* milliseconds, of whole days where the writer keeps to the format */
		int64_t ms = load_int(value, width);
		if (ms % 86400000 == 0)
			print_date(ms / 86400000, out);
		else
			print_instant(ms, UNIT_MS, out);
		break;
	}
	case T_TIME32: case T_TIME64:
		print_time(load_int(value, width), f->unit, out);
		break;
	case T_TIMESTAMP:
		print_instant(load_int(value, width), f->unit, out);
		if (f->timezone)
			buf_char(out, 'Z');
		break;
	case T_DURATION:
		buf_str(out, "PT");
		print_seconds(load_int(value, width), f->unit, out);
		break;
	case T_INTERVAL:
		print_interval(f->unit, value, out);
		break;
	default:
		print_decimal(f, value, out);
	}
}

/* --- parsing ----------------------------------------------------------------------------------- */
struct scan {
	const char *p, *end;
	bool bad;
};

static bool accept(struct scan *s, char c)
{
	if (s->p == s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

static void need(struct scan *s, char c)
{
	if (!accept(s, c))
		s->bad = true;
}

/* At least min digits. */
static int64_t scan_digits(struct scan *s, int min)
{
	int64_t v = 0;
	int n = 0;

	for (; s->p < s->end && *s->p >= '0' && *s->p <= '9'; s->p++, n++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *s->p - '0', &v))
			s->bad = true;
	s->bad |= n < min;
	return v;
}

static int64_t scan_signed(struct scan *s, int min)
{
	bool negative = accept(s, '-');

	if (!negative)
		accept(s, '+');
	int64_t v = scan_digits(s, min);
	return negative ? -v : v;
}

/* ".25" in units; digits that the unit has not must be zero. */
static int64_t scan_fraction(struct scan *s, int unit)
{
	int64_t v = 0;
	int n = 0;

	if (!accept(s, '.'))
		return 0;
	for (; s->p < s->end && *s->p >= '0' && *s->p <= '9'; s->p++, n++) {
		if (n < fraction_digits[unit])
			v = v * 10 + (*s->p - '0');
		else
			s->bad |= *s->p != '0';
	}
	s->bad |= n == 0;
	for (; n < fraction_digits[unit]; n++)
		v *= 10;
	return v;
}

/* All in units; in 128 bits, since the parts of a value that fits may not. */
static int64_t in_units(struct scan *s, int64_t days, int64_t seconds, int unit, int64_t part)
{
	__int128 v = ((__int128)days * 86400 + seconds) * per_second[unit] + part;

	s->bad |= v < INT64_MIN || v > INT64_MAX;
	return s->bad ? 0 : (int64_t)v;
}

static int64_t scan_date(struct scan *s)
{
	static const int8_t month_days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int64_t year = scan_signed(s, 4);
	need(s, '-');
	int64_t month = scan_digits(s, 2);
	need(s, '-');
	int64_t day = scan_digits(s, 2);
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	s->bad |= year > 300000000000 || year < -300000000000 || month < 1 || month > 12 || day < 1;
	if (s->bad || day > month_days[month - 1] || (month == 2 && day == 29 && !leap)) {
		s->bad = true;
		return 0;
	}
	year -= month <= 2;
	int64_t era = floor_div(year, 400), yoe = year - era * 400;
	int64_t doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

/* Seconds of "hh:mm:ss". */
static int64_t scan_clock(struct scan *s)
{
	int64_t hours = scan_digits(s, 2), minutes, seconds;

	need(s, ':');
	minutes = scan_digits(s, 2);
	need(s, ':');
	seconds = scan_digits(s, 2);
	s->bad |= hours > 10000000 || minutes > 59 || seconds > 59;
	return s->bad ? 0 : hours * 3600 + minutes * 60 + seconds;
}

static int64_t scan_instant(struct scan *s, int unit, bool zone)
{
	int64_t days = scan_date(s);

	if (!accept(s, ' '))
		need(s, 'T');
	int64_t clock = scan_clock(s), part = scan_fraction(s, unit);
	if (zone)
		need(s, 'Z');
	return in_units(s, days, clock, unit, part);
}

static int64_t scan_time(struct scan *s, int unit)
{
	bool negative = accept(s, '-');
	int64_t clock = scan_clock(s), part = scan_fraction(s, unit);

	return negative ? in_units(s, 0, -clock, unit, -part) : in_units(s, 0, clock, unit, part);
}

static int64_t scan_seconds(struct scan *s, int unit)
{
	bool negative = accept(s, '-');
	int64_t whole = scan_digits(s, 1), part = scan_fraction(s, unit);

	need(s, 'S');
	return negative ? in_units(s, 0, -whole, unit, -part) : in_units(s, 0, whole, unit, part);
}

static void scan_interval(struct scan *s, int kind, char *to)
{
	need(s, 'P');
	if (kind != INTERVAL_DAY_TIME) {
		s->bad |= !store_int(to, 4, scan_signed(s, 1));
		need(s, 'M');
	}
	if (kind == INTERVAL_YEAR_MONTH)
		return;
	bool nano = kind == INTERVAL_MONTH_DAY_NANO;
	s->bad |= !store_int(nano ? to + 4 : to, 4, scan_signed(s, 1));
	need(s, 'D');
	need(s, 'T');
	int64_t v = scan_seconds(s, nano ? UNIT_NS : UNIT_MS);
	s->bad |= !store_int(nano ? to + 8 : to + 4, nano ? 8 : 4, v);
}

/* Digits without leading zeros, at most 90, and the power of ten that they stand before. */
static int scan_number(struct scan *s, char digits[90], int64_t *power)
{
	int n = 0, seen = 0;
	bool point = false;

	*power = 0;
	for (; s->p < s->end && (*s->p == '.' || (*s->p >= '0' && *s->p <= '9')); s->p++) {
		if (*s->p == '.') {
			s->bad |= point;
			point = true;
			continue;
		}
		seen++;
		*power -= point;
		if (n == 0 && *s->p == '0')
			continue;
		s->bad |= n == 90;
		digits[n < 90 ? n++ : 0] = *s->p;
	}
	s->bad |= seen == 0;
	if (accept(s, 'E') || accept(s, 'e'))
		*power += scan_signed(s, 1) % (INT64_MAX / 2);
	return n;
}

static void store_decimal(const struct field *f, bool negative, const char *digits, int n, void *value)
{
	uint32_t limbs[DECIMAL_LIMBS] = {0};

	for (int k = 0; k < n; k++) {
		uint64_t carry = (uint64_t)(digits[k] - '0');
		for (int i = 0; i < DECIMAL_LIMBS; i++) {
			carry += (uint64_t)limbs[i] * 10;
			limbs[i] = (uint32_t)carry;
			carry >>= 32;
		}
	}
	uint64_t carry = 1;
	for (int i = 0; negative && i < DECIMAL_LIMBS; i++) {
		carry += ~limbs[i];
		limbs[i] = (uint32_t)carry;
		carry >>= 32;
	}
	memcpy(value, limbs, (size_t)field_width(f));
}

static bool parse_decimal(const struct field *f, struct scan *s, void *value)
{
	char digits[90];
	int64_t power;
	bool negative = accept(s, '-');
	int n = scan_number(s, digits, &power);

	if (s->bad || s->p != s->end)
		return false;
	/* the value is the digits times ten to this */
	int64_t shift = n ? power + f->scale : 0;
	for (; shift < 0 && n > 0; shift++)
		if (digits[--n] != '0')
			return false;
	if (shift > f->precision - n)
		return false;
	for (; shift > 0; shift--)
		digits[n++] = '0';
	if (n > f->precision)
		return false;
	store_decimal(f, negative, digits, n, value);
	return true;
}

bool logical_parse(const struct field *f, const char *p, size_t n, void *value)
{
	struct scan s = { p, p + n, false };
	int64_t v = 0;

	switch (f->type) {
	case T_DATE32:
		v = scan_date(&s);
		break;
	case T_DATE64:
		if (memchr(p, 'T', n))
			v = scan_instant(&s, UNIT_MS, false);
		else
			v = in_units(&s, scan_date(&s), 0, UNIT_MS, 0);
		break;
	case T_TIME32: case T_TIME64:
		v = scan_time(&s, f->unit);
		break;
	case T_TIMESTAMP:
		v = scan_instant(&s, f->unit, f->timezone != NULL);
		break;
	case T_DURATION:
		need(&s, 'P');
		need(&s, 'T');
		v = scan_seconds(&s, f->unit);
		break;
	case T_INTERVAL:
		scan_interval(&s, f->unit, value);
		return !s.bad && s.p == s.end;
	default:
		return parse_decimal(f, &s, value);
	}
	return !s.bad && s.p == s.end && store_int(value, field_width(f), v);
}
