/* sections.c - see sections.h. */
#include "report/sections.h"

enum status sections_write(struct page *p, const struct inputs *in, const struct section_options *o, struct error *err)
{
	struct stages stages = { 0 };

	section_results(p, in);
	TRY(section_comparisons(p, in, o, err));
	section_compared(p, in, o);
	section_contamination(p, in);
	stages_collect(&stages, in);
	section_training(p, in, o);
	section_data(p, in, &stages);
	section_streams(p, in);
	section_provenance(p, in, &stages);
	stages_release(&stages);
	return OK;
}
