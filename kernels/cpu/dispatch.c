/* dispatch.c - which table runs here: the widest instruction set of this machine, or what QUERN_CPU lowers it to. */
#include "cpu/isa.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct choice {
	const char *name;
	const struct kernels *table;
};

/* Widest first. __builtin_cpu_supports also asks whether the system saves the registers. */
static int choices(struct choice c[3])
{
	int n = 0;

#ifdef __x86_64__
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx512f"))
		c[n++] = (struct choice){"avx512", &kernels_table_avx512};
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		c[n++] = (struct choice){"avx2", &kernels_table_avx2};
#endif
	c[n++] = (struct choice){"plain", &kernels_table_plain};
	return n;
}

static struct choice chosen;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void choose(void)
{
	struct choice c[3];
	int n = choices(c);
	const char *want = getenv("QUERN_CPU");

	chosen = c[0];
	for (int i = 0; want && i < n; i++)
		if (!strcmp(want, c[i].name))
			chosen = c[i];
}

const struct kernels *kernels_cpu_named(const char *isa)
{
	struct choice c[3];
	int n = choices(c);

	for (int i = 0; i < n; i++)
		if (!strcmp(isa, c[i].name))
			return c[i].table;
	return NULL;
}

const struct kernels *kernels_cpu(void)
{
	pthread_once(&once, choose);
	return chosen.table;
}

const struct kernels *kernels_cpu_plain(void)
{
	return &kernels_table_plain;
}

const char *kernels_cpu_isa(void)
{
	pthread_once(&once, choose);
	return chosen.name;
}
