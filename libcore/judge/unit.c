#include "judge/unit.h"

#include <string.h>

/* One unit a line, its names parted by spaces. */
static const char *const names[] = {
	" mm millimeter millimeters millimetre millimetres ", " cm centimeter centimeters centimetre centimetres ",
	" dm decimeter decimeters ", " m meter meters metre metres ", " km kilometer kilometers kilometre kilometres ",
	" in inch inches ", " ft foot feet ", " yd yard yards ", " mi mile miles ",
	" mg milligram milligrams ", " g gm gram grams ", " kg kilogram kilograms ", " lb lbs pound pounds ", " oz ounce ounces ",
	" ml milliliter milliliters ", " l liter liters litre litres ", " gal gallon gallons ",
	" s sec secs second seconds ", " min mins minute minutes ", " h hr hrs hour hours ", " day days ", " week weeks ",
	" month months ", " yr yrs year years ", " degree degrees deg ", " radian radians rad ",
	" dollar dollars usd ", " cent cents ", " mph ", " kmh kph ",
};
#define NAMES (int)(sizeof(names) / sizeof(*names))

/* Letters in lower case, LaTeX's commands and braces left out, every gap one space; spaces at both ends. */
static int clean(const char *p, int n, char *out, int cap, int *power)
{
	int m = 0;
	out[m++] = ' ';
	*power = 1;
	for (int i = 0; i < n && m + 2 < cap; i++) {
		char c = p[i] >= 'A' && p[i] <= 'Z' ? (char)(p[i] + 32) : p[i];
		if (c == '\\') {
			while (i + 1 < n && ((p[i + 1] | 32) >= 'a' && (p[i + 1] | 32) <= 'z'))
				i++;
		} else if (c == '2' || c == '3') {
			*power = c - '0';
		} else if (c == '\xb2' || c == '\xb3') {           /* the second byte of a raised 2 or 3 */
			*power = c == '\xb2' ? 2 : 3;
		} else if ((c >= 'a' && c <= 'z') || c == '/') {
			out[m++] = c;
		} else if (c != '^' && c != '{' && c != '.' && c != '\xc2' && out[m - 1] != ' ') {
			out[m++] = ' ';
		}
	}
	if (out[m - 1] != ' ')
		out[m++] = ' ';
	out[m] = 0;
	return m;
}

static const char *without(const char *s, const char *word, int power, int *result)
{
	size_t n = strlen(word);
	if (strncmp(s, word, n) != 0)
		return s;
	*result = power;
	return s + n - 1;                            /* keep the space */
}

/* The row of names, or -1; the power it is raised to. */
static int look_up(const char *p, int n, int *power)
{
	char buffer[80];
	if (n > 60)
		return -1;
	clean(p, n, buffer, (int)sizeof(buffer), power);
	const char *s = buffer;
	s = without(s, " square ", 2, power);
	s = without(s, " sq ", 2, power);
	s = without(s, " cubic ", 3, power);
	s = without(s, " cu ", 3, power);
	for (int i = 0; i < NAMES; i++)
		if (strstr(names[i], s))
			return i;
	return -1;
}

bool units_agree(const char *a, int a_n, const char *b, int b_n)
{
	int p, q;
	int x = look_up(a, a_n, &p), y = look_up(b, b_n, &q);
	return x < 0 || y < 0 || (x == y && p == q);
}

bool units_same(const char *a, int a_n, const char *b, int b_n)
{
	int p, q, x = look_up(a, a_n, &p), y = look_up(b, b_n, &q);
	return x >= 0 && x == y && p == q;
}
