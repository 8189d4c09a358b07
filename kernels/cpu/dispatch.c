/* dispatch.c - which table runs here: the widest instruction set of this machine, or what QUERN_CPU lowers it to. */
#include "cpu/isa.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#ifdef __x86_64__
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

struct choice {
	const char *name;
	const struct kernels *table, *bf16;
};

#define CHOICE(isa) (struct choice){#isa, &kernels_table_##isa, &kernels_table_##isa##_bf16}
#define CHOICES_MAX 5

#ifdef __x86_64__
/* Linux lets a process use the tile registers when it asks. */
static bool tiles_granted(void)
{
	enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };

	return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}

/* CPUID leaf 7: EDX bit 22 AMX-BF16, 24 AMX-TILE, 25 AMX-INT8. */
static bool has_tiles(void)
{
	unsigned a, b, c, d;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && d >> 22 & 1 && d >> 24 & 1 && d >> 25 & 1 && tiles_granted();
}
#endif

/* The one to take first. __builtin_cpu_supports also asks whether the system saves the registers. Intel's processors run
 * VDPBF16PS at a quarter of AMD's rate (one in two cycles), which is less than two fused multiply-adds: there avx512bf16
 * comes after avx512. */
static int choices(struct choice c[CHOICES_MAX])
{
	int n = 0;

#ifdef __x86_64__
	bool avx512, pairs;

	__builtin_cpu_init();
	avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		 __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
	pairs = avx512 && __builtin_cpu_supports("avx512bf16");
	if (pairs && has_tiles())
		c[n++] = CHOICE(amx);
	if (pairs && !__builtin_cpu_is("intel"))
		c[n++] = CHOICE(avx512bf16);
	if (avx512)
		c[n++] = CHOICE(avx512);
	if (pairs && __builtin_cpu_is("intel"))
		c[n++] = CHOICE(avx512bf16);
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		c[n++] = CHOICE(avx2);
#endif
	c[n++] = CHOICE(plain);
	return n;
}

static struct choice chosen;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void choose(void)
{
	struct choice c[CHOICES_MAX];
	int n = choices(c);
	const char *want = getenv("QUERN_CPU");

	chosen = c[0];
	for (int i = 0; want && i < n; i++)
		if (!strcmp(want, c[i].name))
			chosen = c[i];
}

const struct kernels *kernels_cpu_named(const char *isa, bool half)
{
	struct choice c[CHOICES_MAX];
	int n = choices(c);

	for (int i = 0; i < n; i++)
		if (!strcmp(isa, c[i].name))
			return half ? c[i].bf16 : c[i].table;
	return NULL;
}

const struct kernels *kernels_cpu(void)
{
	pthread_once(&once, choose);
	return chosen.table;
}

const struct kernels *kernels_cpu_bf16(void)
{
	pthread_once(&once, choose);
	return chosen.bf16;
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
