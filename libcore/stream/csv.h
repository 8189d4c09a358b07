/* csv.h - text cut into pieces off an input: lines, paragraphs, what stands between separators, or the records of CSV (RFC 4180) and TSV; and a record's fields.
 *
 * In CSV a quote opens only at the start of a field; inside, "" is a quote and line ends are text. The first record of a
 * file names the columns. */
#ifndef QUERN_STREAM_CSV_H
#define QUERN_STREAM_CSV_H

#include "base/file.h"
#include "base/json.h"

enum piece_mode { PIECE_LINES, PIECE_PARAGRAPHS, PIECE_STRING, PIECE_CSV };

struct pieces {
	struct input *in;
	enum piece_mode mode;
	char delimiter;              /* of CSV */
	const char *separator;       /* of PIECE_STRING: what stands between two pieces; set after pieces_open */
	struct buf data;
	size_t at, scanned;
	bool eof, quoted, start;     /* CSV: where the scan stands */
	int64_t line;                /* of the next piece, from 1 */
	size_t max;                  /* longest piece */
};

void pieces_open(struct pieces *p, struct input *in, enum piece_mode mode, char delimiter, size_t max);
/* The next piece without its line end, valid until the next call, and its line; blank lines are no pieces. END at the end; ERR_DATA
 * if a piece is longer than max. */
enum status pieces_next(struct pieces *p, const char **s, size_t *n, int64_t *line, struct error *err);
void pieces_release(struct pieces *p);

/* Fields of a record; texts are in the arena. Returns their number, or -1 if the quotes are wrong. */
int csv_fields(const char *s, size_t n, char delimiter, struct arena *a, struct json **fields);
/* Whether these first bytes are a table with a header: *delimiter gets tab, comma or semicolon. Names that are fields of a dataset
 * (known says which) are taken for a header even if other records have more fields or fewer. */
bool csv_looks_like(const char *s, size_t n, bool (*known)(const char *name), char *delimiter);
/* Appends a field of CSV, in quotes where it needs them. */
void csv_add(const char *s, size_t n, struct buf *out);

#endif
