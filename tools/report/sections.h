/* sections.h - the parts of a report, each from what there is for it; a part without anything writes nothing. */
#ifndef QUERN_REPORT_SECTIONS_H
#define QUERN_REPORT_SECTIONS_H

#include "judge/compare.h"
#include "report/figure.h"
#include "report/inputs.h"

/* The stages of all provenances, each once. */
struct stage {
	const struct json *json;
	char *key;
	const char *name;            /* of what it wrote, as far as that is known */
	int *from, n_from, cap_from; /* the stages it read */
	int layer;                   /* below all that it read */
};
struct stages {
	struct stage *v;
	int n, cap;
};
void stages_collect(struct stages *s, const struct inputs *in);
void stages_release(struct stages *s);
const char *stage_name(const struct stage *s);       /* of what it wrote, for people; "" where nobody knows */

struct section_options {
	double smooth;               /* of curves */
	int rows;                    /* samples that are shown */
	uint64_t seed;
	const char *by;              /* of comparisons */
};
/* All of them, in the page's order (sections.c). */
enum status sections_write(struct page *p, const struct inputs *in, const struct section_options *o, struct error *err);
void section_results(struct page *p, const struct inputs *in);
enum status section_comparisons(struct page *p, const struct inputs *in, const struct section_options *o, struct error *err);
/* What eval --compare and --check-contamination said (audits.c). */
void section_compared(struct page *p, const struct inputs *in, const struct section_options *o);
void section_contamination(struct page *p, const struct inputs *in);
/* The differences of a comparison, a table. */
void compared_table(struct page *p, const struct compared *found, int n);
/* A cell: a dash for NAN, a sign where the format has a plus, powers of ten for what is smaller than four digits show. */
void page_number(struct page *p, double v, const char *format);
void section_training(struct page *p, const struct inputs *in, const struct section_options *o);
void section_data(struct page *p, const struct inputs *in, const struct stages *s);
void section_streams(struct page *p, const struct inputs *in);
void section_provenance(struct page *p, const struct inputs *in, const struct stages *s);

#endif
