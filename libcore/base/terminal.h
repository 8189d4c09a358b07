/* terminal.h - what is special about writing for a terminal: its width, its colours, and bytes that it would obey. */
#ifndef QUERN_BASE_TERMINAL_H
#define QUERN_BASE_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

enum color_mode { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

/* Columns of the terminal behind fd: COLUMNS where it is a number, else what the terminal says, else 80. */
int terminal_width(int fd);
/* AUTO: a terminal, if NO_COLOR is unset or empty and TERM is not dumb. */
bool terminal_colors(enum color_mode mode, int fd);
/* Control characters other than line feed and tab become question marks, in place: of UTF-8 text also U+007F to U+009F. Returns
 * the new length. */
size_t terminal_safe(char *s, size_t n);
/* Bytes of the first character of n > 0 bytes of UTF-8, and the cells it takes: 2 if it is wide, 0 if it joins the one before. */
size_t terminal_char(const char *s, size_t n, int *cells);

#endif
