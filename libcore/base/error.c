/* error.c - status and message, see error.h. */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum status error_set(struct error *err, enum status st, const char *fmt, ...)
{
	if (err) {
		va_list ap;
		va_start(ap, fmt);
		vsnprintf(err->text, sizeof(err->text), fmt, ap);
		va_end(ap);
	}
	return st;
}

enum status error_errno(struct error *err, enum status st, const char *fmt, ...)
{
	int saved = errno;
	if (err) {
		va_list ap;
		va_start(ap, fmt);
		int n = vsnprintf(err->text, sizeof(err->text), fmt, ap);
		va_end(ap);
		if (n >= 0 && (size_t)n < sizeof(err->text))
			snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %s", strerror(saved));
	}
	return st;
}

enum status error_prefix(struct error *err, enum status st, const char *fmt, ...)
{
	if (err) {
		struct error old = *err;
		va_list ap;
		va_start(ap, fmt);
		int n = vsnprintf(err->text, sizeof(err->text), fmt, ap);
		va_end(ap);
		if (n >= 0 && (size_t)n < sizeof(err->text)) {
			int room = (int)(sizeof(err->text) - (size_t)n);
			snprintf(err->text + n, (size_t)room, ": %.*s", room, old.text);
		}
	}
	return st;
}

int status_exit_code(enum status st)
{
	switch (st) {
	case OK:
	case END:
		return 0;
	case ERR_USAGE:
		return 2;
	case ERR_DATA:
	case ERR_UNSUPPORTED:
		return 3;
	case ERR_IO:
	case ERR_MEMORY:
	case ERR_PIPE:
		break;
	}
	return 1;
}
