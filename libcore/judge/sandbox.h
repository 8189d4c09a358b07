/* sandbox.h - one program of a stranger's, run so that it can hurt nothing: Linux namespaces, resource limits, a filter of system calls.
 *
 * The program is a shell command. It sees a file system of its own: /usr, /bin, /lib and their like, the extra mounts, and some of /dev, all
 * read-only, and an empty /tmp of its own in memory, which holds the one file it is given and is gone afterwards. No /proc, /home, /etc (but
 * for the dynamic linker's and the alternatives), no network, not even a loopback; other processes than its own do not exist for it. It has no
 * privileges and can gain none, runs as nobody where we are root, and system calls that make namespaces, mount, trace, load code into
 * the kernel or open sockets other than local ones fail. When the command ends, or a limit is reached, every process that it started is
 * killed by the kernel with its process namespace.
 *
 * Memory and CPU time are limited for each process, and the kernel ends the sandbox before others where the machine's memory runs out; wall time, output and the number of processes for all. Needs Linux 5.14 (from where on
 * the number of processes is counted within the sandbox) with unprivileged user namespaces. Runs of several threads do not disturb each other. */
#ifndef QUERN_JUDGE_SANDBOX_H
#define QUERN_JUDGE_SANDBOX_H

#include "base/error.h"
#include "base/mem.h"

#include <stdint.h>

struct sandbox {                             /* limits of one run */
	double wall_s;
	int64_t cpu_s;                       /* of a process */
	int64_t memory_bytes;                /* address space of a process */
	int64_t disk_bytes;                  /* of /tmp; also of any file in it */
	int64_t output_bytes;                /* of standard output */
	int64_t processes, files;            /* processes and threads at once; open files of one */
	const char *const *mounts;           /* more directories to show, at their own place */
	int n_mounts;
};

struct sandbox_job {
	const char *command;                 /* for /bin/sh, in /tmp */
	const char *file_name, *file;        /* file is written to /tmp/file_name; its path is $CODE */
	size_t file_n;
	const char *input;                   /* standard input */
	size_t input_n;
};

enum sandbox_end {
	SANDBOX_EXITED,                      /* code says with what */
	SANDBOX_KILLED,                      /* by a signal, which is code */
	SANDBOX_TIMEOUT,                     /* wall or CPU time */
	SANDBOX_OUTPUT                       /* more of it than allowed */
};

struct sandbox_result {
	enum sandbox_end end;
	int code;
	struct buf out;                      /* standard output up to the limit; kept from run to run, buf_release */
};

/* OK if this machine can run sandboxes; else ERR_IO, with what it refuses and what to do, or ERR_UNSUPPORTED for its processor. */
enum status sandbox_check(const struct sandbox *s, struct error *err);
/* ERR_IO where no sandbox can be set up; whatever the program does is OK. */
enum status sandbox_run(const struct sandbox *s, const struct sandbox_job *job, struct sandbox_result *r, struct error *err);

#endif
