/* quern.c - finds and runs a tool, as git does: `quern clean` is the program clean beside this one or under
 * libexec/quern. Says what there is, and leaves everything else to the tools. */
#include "base/error.h"
#include "base/mem.h"
#include "base/file.h"
#include "stream/stream.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifndef QUERN_LIBEXEC
#define QUERN_LIBEXEC "../libexec/quern"
#endif

static const struct { const char *title, *tools[8]; } groups[] = {
	{"Records in and out", {"import", "view", "mix"}},
	{"Text", {"clean", "dedup"}},
	{"Tokens", {"bpe-train", "tokenize-bpe", "pack"}},
	{"Models", {"init-model", "sft-train", "reward-train", "dpo-train", "merge"}},
	{"Answers", {"generate", "score", "rejection-sample", "eval", "report"}},
};

/* The folder this program stands in, whatever the name it was called by. */
static char *own_directory(void)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	if (n <= 0)
		return mem_strdup(".");
	path[n] = 0;
	char *slash = strrchr(path, '/');
	*slash = 0;
	return mem_strdup(path);
}

/* The tool's program, NULL if there is none. An installed quern stands among all the programs of bin/ and looks
 * only in libexec; one in a build tree finds the tools beside it. QUERN_EXEC_PATH overrules both. */
static char *find_tool(const char *name)
{
	if (!name || !*name || strchr(name, '/') || strcmp(name, "quern") == 0)
		return NULL;
	char *here = own_directory();
	char *libexec = path_join(here, QUERN_LIBEXEC);
	const char *own = getenv("QUERN_EXEC_PATH");
	char *path = path_join(own && *own ? own : path_is_dir(libexec) ? libexec : here, name);
	mem_free(here);
	mem_free(libexec);
	if (access(path, X_OK) == 0)
		return path;
	mem_free(path);
	return NULL;
}

/* The exit status of what was printed. */
static int printed(FILE *to)
{
	if (fflush(to) == 0)
		return 0;
	fprintf(stderr, "quern: <stdout>: cannot write: %s\n", strerror(errno));
	return 1;
}

static int usage(FILE *to)
{
	fputs("usage: quern TOOL [options] [FILE ...]\n"
	      "A hand mill for language models: small programs that take raw text to an aligned, evaluated model.\n", to);
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		fprintf(to, "\n%s:\n ", groups[i].title);
		for (int j = 0; j < 8 && groups[i].tools[j]; j++)
			fprintf(to, " %s", groups[i].tools[j]);
		fputc('\n', to);
	}
	fputs("\nquern TOOL --help lists a tool's options; man quern-TOOL says more.\n", to);
	return to == stdout ? printed(to) : 2;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return usage(stderr);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || (strcmp(argv[1], "help") == 0 && argc == 2))
		return usage(stdout);
	if (strcmp(argv[1], "--version") == 0) {
		printf("quern %s (stream format %s)\n", QUERN_VERSION, STREAM_VERSION);
		return printed(stdout);
	}
	bool help = strcmp(argv[1], "help") == 0;
	const char *name = help ? argv[2] : argv[1];
	char *path = find_tool(name);
	if (!path) {
		fprintf(stderr, "quern: there is no tool '%s'; quern --help lists them\n", name ? name : "");
		return 2;
	}
	char *help_argv[] = {path, (char *)"--help", NULL};
	execv(path, help ? help_argv : argv + 1);
	fprintf(stderr, "quern: cannot run %s: %s\n", path, strerror(errno));
	return 1;
}
