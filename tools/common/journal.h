/* journal.h - --resume of a main whose model answers: the journal of its run (infer/journal.h). */
#ifndef QUERN_TOOLS_JOURNAL_H
#define QUERN_TOOLS_JOURNAL_H

#include "common/tool.h"
#include "infer/journal.h"

/* The journal of this run beside -o: of the same model and options, whatever was finished of it. */
enum status tool_open_journal(struct tool *t, struct journal **j, struct error *err);
/* Closes it, and it goes if the run is complete; the statistics tell how many prompts came from it. NULL allowed. */
void tool_close_journal(struct tool *t, struct journal *j, bool complete);

#endif
