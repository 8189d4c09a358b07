/* private.h - what the files of tools/common share among themselves. */
#ifndef QUERN_TOOLS_PRIVATE_H
#define QUERN_TOOLS_PRIVATE_H

#include "common/tool.h"

struct stat_entry {
	char *key, *json;
	bool table;                  /* not for the summary's words */
};

struct tool_private {
	double start;
	struct opt common[24];
	struct opt_list argv;        /* the stage's words for the provenance */
	struct stat_entry *stats;
	int n_stats, cap_stats;
	struct output *log;
	struct schema rejects_schema;
	int progress_mode;           /* enum progress_mode */
};

struct tool_inputs {
	struct reader *reader;       /* the current one */
	int next;                    /* operand to open next */
	struct schema schema;        /* of the first input, kept for all */
	enum kind kind;
	struct buf where;
	int64_t batch;               /* of the current reader */
	bool open;
};

void tool_inputs_close(struct tool *t);
/* Gives up the hashes of tool_add_input_beside that are not there yet. */
void tool_stop_hashing(struct tool *t);

#endif
