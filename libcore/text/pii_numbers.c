/* pii_numbers.c - numbers of phones, payment cards and bank accounts, and keys of well-known shapes; see pii.h. */
#include "text/pii_priv.h"

/* --- phones ----------------------------------------------------------------------------------- */

static bool separator(char c)
{
	return c == ' ' || c == '-' || c == '.';
}

/* Behind a +: 8 to 15 digits, single separators between them, one group perhaps in brackets. */
static size_t international(const char *s, size_t n, size_t i)
{
	int digits = 0, open = 0;
	size_t end = 0;
	if (s[i] == '0')
		return 0;
	for (size_t at = i; at < n; at++) {
		if (pii_digit(s[at])) {
			if (++digits > 15)
				return 0;
			end = at + 1;
		} else if (s[at] == '(' && !open && at > i) {
			open = 1;
		} else if (s[at] == ')' && open == 1) {
			open = 2;
		} else if (!separator(s[at]) || !(separator(s[at - 1]) ? false : at + 1 < n && (pii_digit(s[at + 1]) || s[at + 1] == '('))) {
			break;
		}
	}
	return digits >= 8 && open != 1 && !(end < n && pii_alnum(s[end])) ? end : 0;
}

/* (NXX) NXX-XXXX or NXX-NXX-XXXX, N from 2 to 9; both separators alike without brackets. */
static size_t north_american(const char *s, size_t n, size_t i, bool bracket)
{
	size_t at = i + 3;
	if (n - i < 12 || s[i] < '2' || !pii_digit(s[i + 1]) || !pii_digit(s[i + 2]))
		return 0;
	if (bracket) {
		if (s[at++] != ')')
			return 0;
		at += s[at] == ' ' || s[at] == '-';
	} else if (!separator(s[at++])) {
		return 0;
	}
	if (n - at < 8 || s[at] < '2' || s[at] > '9' || !pii_digit(s[at + 1]) || !pii_digit(s[at + 2]) || !separator(s[at + 3]) ||
	    (!bracket && s[at + 3] != s[i + 3]))
		return 0;
	for (size_t k = at + 4; k < at + 8; k++)
		if (!pii_digit(s[k]))
			return 0;
	at += 8;
	return at < n && (pii_alnum(s[at]) || ((s[at] == '-' || s[at] == '.') && at + 1 < n && pii_digit(s[at + 1]))) ? 0 : at;
}

size_t pii_phone(const char *s, size_t n, size_t from, size_t i, size_t *begin)
{
	if (!pii_digit(s[i]))
		return 0;
	char before = i > from ? s[i - 1] : ' ';
	*begin = before == '+' || before == '(' ? i - 1 : i;
	if (*begin > from && *begin < i && pii_alnum(s[*begin - 1]))
		return 0;
	if (before == '+')
		return international(s, n, i);
	if (before == '(')
		return north_american(s, n, i, true);
	return pii_alnum(before) || before == '.' || before == '-' ? 0 : north_american(s, n, i, false);
}

/* --- payment cards ---------------------------------------------------------------------------- */

static bool luhn(const char *d, int n)
{
	int sum = 0;
	for (int i = 0; i < n; i++) {
		int v = d[n - 1 - i] - '0';
		v = i % 2 ? v * 2 - (v > 4 ? 9 : 0) : v;
		sum += v;
	}
	return sum % 10 == 0;
}

/* Whether a network gives numbers of that prefix and length. */
static bool network(const char *d, int n)
{
	int two = (d[0] - '0') * 10 + d[1] - '0', four = two * 100 + (d[2] - '0') * 10 + d[3] - '0';
	if (d[0] == '4')
		return n == 13 || n == 16 || n == 19;
	if ((two >= 51 && two <= 55) || (four >= 2221 && four <= 2720))
		return n == 16;
	if (two == 34 || two == 37)
		return n == 15;
	if (two == 36 || two == 38 || (four >= 3000 && four <= 3059))
		return n == 14;
	return n >= 16 && (two == 35 || two == 62 || two == 65 || four == 6011 || (four >= 6440 && four <= 6499));
}

/* All digits in one, or groups of four (the last may be shorter), or 4-6-5. */
static bool groups_well(const int *len, int n)
{
	if (n == 1 || (n == 3 && len[0] == 4 && len[1] == 6 && (len[2] == 5 || len[2] == 4)))
		return true;
	for (int i = 0; i < n; i++)
		if (len[i] > 4 || (i + 1 < n && len[i] != 4))
			return false;
	return true;
}

size_t pii_card(const char *s, size_t n, size_t from, size_t i, size_t *begin)
{
	char d[20];
	int digits = 0, group[8] = {0}, groups = 0;
	size_t best = 0, at = i;
	char between = 0;
	if (s[i] < '2' || s[i] > '6' || (i > from && (pii_alnum(s[i - 1]) || s[i - 1] == '.' || s[i - 1] == '-' || s[i - 1] == '_')))
		return 0;
	*begin = i;
	while (groups < 5) {
		for (; at < n && pii_digit(s[at]); at++) {
			if (digits == 19)
				return best;
			d[digits++] = s[at];
			group[groups]++;
		}
		groups++;
		bool ends = at >= n || !(pii_alnum(s[at]) || ((s[at] == '.' || s[at] == '-') && at + 1 < n && pii_digit(s[at + 1]) && !between));
		if (digits >= 13 && (ends || between) && !(at < n && pii_alnum(s[at])) && groups_well(group, groups) && network(d, digits) && luhn(d, digits))
			best = at;
		if (at + 1 >= n || (s[at] != ' ' && s[at] != '-') || (between && s[at] != between) || !pii_digit(s[at + 1]))
			break;
		between = s[at++];
	}
	return best;
}

/* --- IBAN ------------------------------------------------------------------------------------- */

/* Country and length of its numbers, of the registry of 2024. */
static const char lengths[] =
	"AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18FO18FR27GB22GE22GI23GL18GR27"
	"GT28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28"
	"PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20YE30";

static int iban_length(const char *s)
{
	for (const char *c = lengths; *c; c += 4)
		if (c[0] == s[0] && c[1] == s[1])
			return (c[2] - '0') * 10 + c[3] - '0';
	return 0;
}

static int mod97(int sum, char c)
{
	return pii_digit(c) ? (sum * 10 + c - '0') % 97 : (sum * 100 + c - 'A' + 10) % 97;
}

size_t pii_iban(const char *s, size_t n, size_t from, size_t i, size_t *begin)
{
	if (!pii_digit(s[i]) || i < from + 2 || !pii_upper(s[i - 1]) || !pii_upper(s[i - 2]) || (i > from + 2 && pii_alnum(s[i - 3])) || i + 2 >= n ||
	    !pii_digit(s[i + 1]))
		return 0;
	int want = iban_length(s + i - 2), have = 4, sum = 0;
	size_t at = i + 2;
	*begin = i - 2;
	for (; want && at < n && have < want; at++) {
		if (s[at] == ' ' && have % 4 == 0)
			continue;
		if (!pii_digit(s[at]) && !pii_upper(s[at]))
			return 0;
		sum = mod97(sum, s[at]);
		have++;
	}
	if (!want || have < want || (at < n && pii_alnum(s[at])))
		return 0;
	for (size_t k = i - 2; k < i + 2; k++)
		sum = mod97(sum, s[k]);
	return sum == 1 ? at : 0;
}

/* --- keys --------------------------------------------------------------------------------------- */

enum alphabet { CAPITALS, ALNUM, ALNUM_LOW, ALNUM_DASH, ALNUM_BOTH };

/* `back` bytes of the prefix stand before the byte that made the scan stop. */
static const struct shape {
	const char *prefix;
	int back;
	enum alphabet of;
	int min, max;                /* characters behind the prefix */
} shapes[] = {
	{"AKIA", 0, CAPITALS, 16, 16}, {"ASIA", 0, CAPITALS, 16, 16}, {"AIza", 0, ALNUM_BOTH, 35, 35},
	{"ghp_", 3, ALNUM, 36, 255}, {"gho_", 3, ALNUM, 36, 255}, {"ghu_", 3, ALNUM, 36, 255}, {"ghs_", 3, ALNUM, 36, 255}, {"ghr_", 3, ALNUM, 36, 255},
	{"github_pat_", 6, ALNUM_LOW, 22, 255}, {"glpat-", 5, ALNUM_BOTH, 20, 64}, {"sk_live_", 2, ALNUM, 16, 255}, {"rk_live_", 2, ALNUM, 16, 255},
	{"sk_test_", 2, ALNUM, 16, 255}, {"xoxb-", 4, ALNUM_DASH, 20, 255}, {"xoxp-", 4, ALNUM_DASH, 20, 255}, {"xoxa-", 4, ALNUM_DASH, 20, 255},
	{"xoxr-", 4, ALNUM_DASH, 20, 255}, {"xoxs-", 4, ALNUM_DASH, 20, 255}, {"sk-", 2, ALNUM_BOTH, 20, 255},
};

static bool of_alphabet(enum alphabet a, char c)
{
	if (a == CAPITALS)
		return pii_upper(c) || pii_digit(c);
	return pii_alnum(c) || (c == '_' && (a == ALNUM_LOW || a == ALNUM_BOTH)) || (c == '-' && (a == ALNUM_DASH || a == ALNUM_BOTH));
}

static size_t key_of(const struct shape *k, const char *s, size_t n, size_t begin)
{
	size_t len = strlen(k->prefix), at = begin + len, stop = at + (size_t)k->max;
	bool digit = false, letter = false;
	if (n - begin < len || memcmp(s + begin, k->prefix, len) != 0)
		return 0;
	for (; at < n && at < stop && of_alphabet(k->of, s[at]); at++) {
		digit = digit || pii_digit(s[at]);
		letter = letter || (pii_alnum(s[at]) && !pii_digit(s[at]));
	}
	bool more = at < n && (pii_alnum(s[at]) || s[at] == '_');
	return at - begin - len >= (size_t)k->min && digit && letter && !more ? at : 0;
}

/* Three parts of base64url, the first two of which are JSON objects ("eyJ"). */
static size_t web_token(const char *s, size_t n, size_t at)
{
	for (int part = 0; part < 3; part++) {
		size_t start = at;
		if (part < 2 && (n - at < 3 || memcmp(s + at, "eyJ", 3) != 0))
			return 0;
		while (at < n && of_alphabet(ALNUM_BOTH, s[at]))
			at++;
		if (at - start < 10 || (part < 2 && (at >= n || s[at++] != '.')))
			return 0;
	}
	return at;
}

#define PEM_BYTES_MAX 16384

static size_t private_key(const char *s, size_t n, size_t at)
{
	static const char begin[] = "-----BEGIN ", mark[] = "PRIVATE KEY-----";
	const char *p = s + at;
	size_t room = n - at < PEM_BYTES_MAX ? n - at : PEM_BYTES_MAX;
	if (room < 60 || memcmp(p, begin, sizeof(begin) - 1) != 0)
		return 0;
	const char *head = memmem(p, room < 60 ? room : 60, mark, sizeof(mark) - 1);
	const char *end = head ? memmem(head, (size_t)(p + room - head), "-----END ", 9) : NULL;
	const char *tail = end ? memmem(end, (size_t)(p + room - end) < 60 ? (size_t)(p + room - end) : 60, mark, sizeof(mark) - 1) : NULL;
	return tail ? (size_t)(tail - s) + sizeof(mark) - 1 : 0;
}

size_t pii_key(const char *s, size_t n, size_t from, size_t i, size_t *begin)
{
	char c = s[i];
	if (c != 'A' && c != 'J' && c != '-' && c != '_')
		return 0;
	if (c == '-' && i + 5 < n && s[i + 1] == '-' && (*begin = i, private_key(s, n, i)))
		return private_key(s, n, i);
	if (c == 'J') {
		*begin = i >= from + 2 ? i - 2 : i;
		return *begin < i && !(*begin > from && (pii_alnum(s[*begin - 1]) || s[*begin - 1] == '_')) ? web_token(s, n, *begin) : 0;
	}
	for (size_t k = 0; k < sizeof(shapes) / sizeof(shapes[0]); k++) {
		const struct shape *shape = &shapes[k];
		if (shape->prefix[shape->back] != c || i < from + (size_t)shape->back)
			continue;
		*begin = i - (size_t)shape->back;
		if (*begin > from && (pii_alnum(s[*begin - 1]) || s[*begin - 1] == '_' || s[*begin - 1] == '-'))
			continue;
		size_t end = key_of(shape, s, n, *begin);
		if (end)
			return end;
	}
	return 0;
}
