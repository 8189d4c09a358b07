/* sandbox_filter.h - the sandbox's filter of system calls. Private to sandbox.c and its tests. */
#ifndef QUERN_JUDGE_SANDBOX_FILTER_H
#define QUERN_JUDGE_SANDBOX_FILTER_H

#include <linux/filter.h>

#define SANDBOX_FILTER_MAX 256

/* Writes the program for this machine to out[SANDBOX_FILTER_MAX] and returns its length; 0 for a processor that it does not know. */
int sandbox_filter(struct sock_filter *out);

#endif
