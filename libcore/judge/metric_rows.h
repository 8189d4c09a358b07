/* metric_rows.h - predictions with their references, some rows at a time: out of a batch's columns, or of text files line by line.
 *
 * Rows and references point into the batch or the files and live until the next rows_begin. */
#ifndef QUERN_JUDGE_METRIC_ROWS_H
#define QUERN_JUDGE_METRIC_ROWS_H

#include "judge/metric_set.h"
#include "stream/record.h"

#define ROWS_LINES 4096              /* rows that are read from files at once */

struct metric_rows {                 /* {0} is empty */
	struct metric_row *v;
	int64_t n, cap;
	struct metric_text *references;      /* of all rows, in their order */
	int64_t n_references, cap_references;
};
void metric_rows_release(struct metric_rows *r);

struct metric_columns {
	const char *prediction, *baseline, *reference;       /* baseline NULL: there is none */
	bool needs_reference;
};
/* ERR_DATA if s lacks one of them, or it holds no text (a reference may be a list of texts). */
enum status metric_columns_check(const struct metric_columns *c, const struct schema *s, struct error *err);
/* All rows of b. One without a prediction is refused; a null among references is none. */
void metric_rows_read(struct metric_rows *r, const struct batch *b, const struct metric_columns *c);

/* Text files, whole in memory, line by line as sacrebleu reads them: without the white space at their ends. */
struct metric_files {
	struct metric_lines {
		const char *path;    /* "-" is stdin; compressed ones are undone */
		char xxh3[33];       /* of its bytes as they are */
		struct buf text;
		size_t at;
		int64_t n;           /* lines read */
	} *files;                    /* predictions, the baseline's if there is one, references */
	int n;
	bool baseline;
};
/* paths stay the caller's. ERR_DATA for what is not UTF-8. */
enum status metric_files_open(struct metric_files *f, const char *const *paths, int n, bool baseline, struct error *err);
/* Up to ROWS_LINES rows; END without any. ERR_DATA if one file ends before the others. */
enum status metric_rows_lines(struct metric_rows *r, struct metric_files *f, struct error *err);
void metric_files_release(struct metric_files *f);

#endif
