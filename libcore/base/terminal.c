/* terminal.c - see terminal.h. */
#include "base/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utf8proc.h>

int terminal_width(int fd)
{
	const char *set = getenv("COLUMNS");
	struct winsize size;
	long columns = set ? strtol(set, NULL, 10) : 0;

	if (columns <= 0 && ioctl(fd, TIOCGWINSZ, &size) == 0)
		columns = size.ws_col;
	return columns <= 0 ? 80 : columns > 10000 ? 10000 : (int)columns;
}

bool terminal_colors(enum color_mode mode, int fd)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	if (mode != COLOR_AUTO)
		return mode == COLOR_ALWAYS;
	return isatty(fd) && !(no && *no) && !(term && strcmp(term, "dumb") == 0);
}

size_t terminal_safe(char *s, size_t n)
{
	size_t to = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		bool c1 = c == 0xC2 && i + 1 < n && ((unsigned char)s[i + 1] & 0xE0) == 0x80;
		s[to++] = c1 || c == 0x7F || (c < 0x20 && c != '\n' && c != '\t') ? '?' : s[i];
		i += c1;
	}
	return to;
}

size_t terminal_char(const char *s, size_t n, int *cells)
{
	utf8proc_int32_t c;

	*cells = 1;
	if ((unsigned char)*s < 0x80)
		return 1;
	utf8proc_ssize_t bytes = utf8proc_iterate((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)n, &c);
	if (bytes <= 0)
		return 1;
	*cells = utf8proc_charwidth(c);
	return (size_t)bytes;
}
