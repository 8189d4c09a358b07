/* open.c - see open.h. */
#include "open.h"

#include "base/file.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The function of the shared object (cuda/cuda.h). */
typedef const struct kernels *cuda_open(int number, bool half, struct error *err);
#define CUDA_OPEN "kernels_cuda_open"
#define NUMBER_MAX 1023

/* The file that computes on a GPU, or NULL. */
static char *find_object(void)
{
	static const char *const places[] = { "quern-cuda.so", "../lib/quern-cuda.so" };
	const char *named = getenv("QUERN_CUDA");
	char program[PATH_MAX], *found = NULL;
	ssize_t n;

	if (named)
		return *named ? mem_strdup(named) : NULL;
	n = readlink("/proc/self/exe", program, sizeof(program) - 1);
	program[n > 0 ? n : 0] = 0;
	for (int i = 0; i < 2 && !found && strrchr(program, '/'); i++) {
		char *path = mem_printf("%.*s/%s", (int)(strrchr(program, '/') - program), program, places[i]);

		if (path_exists(path))
			found = path;
		else
			mem_free(path);
	}
	return found;
}

/* What was opened stays open. */
static enum status open_object(const char *path, int number, bool half, const struct kernels **k, struct error *err)
{
	void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL), *symbol = object ? dlsym(object, CUDA_OPEN) : NULL;
	cuda_open *open;

	if (!symbol)
		return error_set(err, ERR_IO, "cannot open %s: %s", path, object ? "it has no " CUDA_OPEN : dlerror());
	memcpy(&open, &symbol, sizeof(open));
	*k = open(number, half, err);
	if (!*k)
		return ERR_IO;
	return (*k)->abi == KERNELS_ABI ? OK : error_set(err, ERR_IO, "%s is of another version of quern", path);
}

static enum status open_gpu(int number, bool half, const struct kernels **k, struct error *err)
{
	char *path = find_object();
	enum status st = path ? open_object(path, number, half, k, err) :
				error_set(err, ERR_IO, "this quern was built without CUDA: there is no quern-cuda.so beside it");

	mem_free(path);
	return st;
}

/* N of "cuda:N"; -1: it is no such name. */
static int gpu_number(const char *device)
{
	char *end;
	long n;

	if (!strcmp(device, "cuda"))
		return 0;
	if (strncmp(device, "cuda:", 5) || device[5] < '0' || device[5] > '9')
		return -1;
	n = strtol(device + 5, &end, 10);
	return *end || n > NUMBER_MAX ? -1 : (int)n;
}

/* Whether it is worth while to look: the libraries of CUDA take a tenth of a second to open. The files are there where a driver is; the
 * second is that of Windows' Linux. */
static bool may_have_gpu(void)
{
	const char *named = getenv("QUERN_CUDA");

	return named ? *named : path_exists("/dev/nvidiactl") || path_exists("/dev/dxg");
}

enum status kernels_open(const char *device, enum precision precision, const struct kernels **k, char **reason, struct error *err)
{
	bool any = !strcmp(device, "auto"), half = precision != PRECISION_FLOATS;
	int number = any ? 0 : gpu_number(device);
	struct error why;

	*reason = NULL;
	if (number >= 0 && !any)
		return error_prefix(err, open_gpu(number, half, k, err), "--device %s", device);
	if (!any && strcmp(device, "cpu"))
		return error_set(err, ERR_USAGE, "--device %s: auto, cpu, cuda or cuda:N are devices", device);
	if (any && may_have_gpu()) {
		if (open_gpu(0, half, k, &why) == OK)
			return OK;
		*reason = mem_strdup(why.text);
	}
	*k = precision == PRECISION_HALVES ? kernels_cpu_bf16() : kernels_cpu();
	return OK;
}
