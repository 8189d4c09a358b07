/* adapter.c - the tensors of an adapter directory, see adapter.h. */
#include "model/adapter.h"

#include "base/file.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define PREFIX "base_model.model."

static int by_module(const void *a, const void *b)
{
	return strcmp(((const struct adapter_module *)a)->name, ((const struct adapter_module *)b)->name);
}

static int by_tensor(const void *a, const void *b)
{
	return strcmp(((const struct adapter_tensor *)a)->name, ((const struct adapter_tensor *)b)->name);
}

/* What stands before the end, if name ends so (mem_free); else NULL. */
static char *cut_end(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n > m && !strcmp(name + n - m, end) ? mem_strndup(name, n - m) : NULL;
}

static enum status refuse_tensor(const char *name, struct error *err)
{
	static const char *const parts[] = { ".lora_embedding_A", ".lora_embedding_B", ".lora_magnitude_vector", ".lora_A.bias",
					     ".lora_B.bias", ".token_adapter." };

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (strstr(name, parts[i]))
			return error_set(err, ERR_UNSUPPORTED, "tensor '%s' is not supported", name);
	if (strncmp(name, PREFIX, strlen(PREFIX)))
		return error_set(err, ERR_DATA, "tensor '%s' is none of an adapter", name);
	return OK;
}

/* Where PEFT saves embeddings of a grown vocabulary it writes what it wraps besides: the module as it was before training, and
 * the trained one a second time. */
static void take_saved(struct adapter *a, const char *name, const struct safetensors_entry *e)
{
	const char *wrap = strstr(name, ".modules_to_save.");
	char *plain, *whole;

	if (strstr(name, ".original_module."))
		return;
	plain = wrap ? mem_printf("%.*s%s", (int)(wrap - name), name, wrap + strlen(".modules_to_save")) : mem_strdup(name);
	whole = mem_printf(PREFIX "%s", plain);
	if (wrap && safetensors_find(a->file, whole))
		mem_free(plain);
	else
		a->saved[a->n_saved++] = (struct adapter_tensor){ plain, e };
	mem_free(whole);
}

/* lora_A begins a module; a lora_B without one is found below; all else is saved whole. */
static enum status take_tensor(struct adapter *a, const struct safetensors_entry *e, struct error *err)
{
	const char *name = e->name + strlen(PREFIX);
	char *module;

	TRY(refuse_tensor(e->name, err));
	module = cut_end(name, ".lora_A.weight");
	if (module) {
		char *partner = mem_printf(PREFIX "%s.lora_B.weight", module);
		const struct safetensors_entry *b = safetensors_find(a->file, partner);

		mem_free(partner);
		a->modules[a->n_modules++] = (struct adapter_module){ .name = module, .a = e, .b = b };
		return b ? OK : error_set(err, ERR_DATA, "'%s' has no lora_B", module);
	}
	module = cut_end(name, ".lora_B.weight");
	if (module) {
		char *partner = mem_printf(PREFIX "%s.lora_A.weight", module);
		bool has = safetensors_find(a->file, partner) != NULL;

		mem_free(partner);
		mem_free(module);
		return has ? OK : error_set(err, ERR_DATA, "tensor '%s' has no lora_A", e->name);
	}
	take_saved(a, name, e);
	return OK;
}

/* A [r, in] and B [out, r] of the rank that the configuration says. */
static enum status check_module(const struct adapter *a, struct adapter_module *m, struct error *err)
{
	bool yes;
	int r;

	TRY(adapter_targets(&a->config, m->name, &yes, err));
	if (!yes)
		return error_set(err, ERR_DATA, "'%s' is none of target_modules", m->name);
	TRY(adapter_rank(&a->config, m->name, &r, &m->scale, err));
	if (m->a->n_dims != 2 || m->b->n_dims != 2 || m->a->shape[0] != r || m->b->shape[1] != r)
		return error_set(err, ERR_DATA, "'%s': lora_A and lora_B do not have the rank %d of " ADAPTER_CONFIG, m->name, r);
	m->r = r;
	m->in = m->a->shape[1];
	m->out = m->b->shape[0];
	return OK;
}

static enum status take_tensors(struct adapter *a, struct error *err)
{
	int n = safetensors_count(a->file);
	enum status st = OK;

	a->modules = mem_array((size_t)n + 1, sizeof(*a->modules));
	a->saved = mem_array((size_t)n + 1, sizeof(*a->saved));
	for (int i = 0; i < n && st == OK; i++)
		st = take_tensor(a, safetensors_entry(a->file, i), err);
	for (int i = 0; i < a->n_modules && st == OK; i++)
		st = check_module(a, &a->modules[i], err);
	if (a->n_modules)
		qsort(a->modules, (size_t)a->n_modules, sizeof(*a->modules), by_module);
	if (a->n_saved)
		qsort(a->saved, (size_t)a->n_saved, sizeof(*a->saved), by_tensor);
	if (st == OK && !a->n_modules && !a->n_saved)
		st = error_set(err, ERR_DATA, "no tensors");
	return st;
}

enum status adapter_open(struct adapter *a, const char *dir, struct error *err)
{
	char *path = path_join(dir, ADAPTER_WEIGHTS);
	struct error cause;
	enum status st;

	*a = (struct adapter){ 0 };
	st = adapter_config_read(dir, &a->config, err);
	if (st == OK)
		st = safetensors_open(&a->file, path, err);
	if (st == OK) {
		st = take_tensors(a, &cause);
		if (st != OK)
			error_set(err, st, "%s: %s", path, cause.text);
	}
	mem_free(path);
	if (st != OK)
		adapter_close(a);
	return st;
}

void adapter_close(struct adapter *a)
{
	for (int i = 0; i < a->n_modules; i++)
		mem_free(a->modules[i].name);
	for (int i = 0; i < a->n_saved; i++)
		mem_free(a->saved[i].name);
	mem_free(a->modules);
	mem_free(a->saved);
	safetensors_close(a->file);
	adapter_config_release(&a->config);
	*a = (struct adapter){ 0 };
}

const struct adapter_module *adapter_find(const struct adapter *a, const char *module)
{
	struct adapter_module key = { .name = (char *)module };

	return a->n_modules ? bsearch(&key, a->modules, (size_t)a->n_modules, sizeof(key), by_module) : NULL;
}

const struct adapter_tensor *adapter_saved(const struct adapter *a, const char *tensor)
{
	struct adapter_tensor key = { .name = (char *)tensor };

	return a->n_saved ? bsearch(&key, a->saved, (size_t)a->n_saved, sizeof(key), by_tensor) : NULL;
}

char *adapter_base_name(const char *name, bool (*exists)(const void *arg, const char *name), const void *arg)
{
	static const char *const prefixes[] = { "", "transformer.", "model." };
	const char *dot = strchr(name, '.');

	for (int i = 0; i < 3; i++) {
		char *candidate = mem_printf("%s%s", prefixes[i], name);

		if (exists(arg, candidate))
			return candidate;
		mem_free(candidate);
	}
	return dot && exists(arg, dot + 1) ? mem_strdup(dot + 1) : NULL;
}
