/* journal.c - see journal.h. */
#include "common/journal.h"

#include "base/mem.h"

enum status tool_open_journal(struct tool *t, struct journal **j, struct error *err)
{
	struct buf identity = { 0 };
	char *path = mem_printf("%s.journal", t->out_path);
	enum status st;

	provenance_print(&t->prov, &identity);
	st = journal_open(j, path, identity.data, err);
	buf_release(&identity);
	mem_free(path);
	return st;
}

void tool_close_journal(struct tool *t, struct journal *j, bool complete)
{
	if (j && journal_prompts(j))
		tool_stat_int(t, "resumed_prompts", journal_prompts(j));
	journal_close(j, complete);
}
