/* config.json and safetensors headers of any bytes. A configuration that is accepted must come back from what we print, and
 * one of a small model must run. */
#include "base/mem.h"
#include "model/model.h"
#include "model/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define TOKENS 24

static bool is_small(const struct model_config *c)
{
	return c->n_layers <= 4 && c->hidden <= 96 && c->ffn <= 128 && c->vocab <= 300 && (int64_t)c->heads * c->head_dim <= 256 &&
	       c->trained_positions <= 512;
}

static void run(const struct model_config *c)
{
	int32_t ids[TOKENS], targets[TOKENS], cu[] = { 0, TOKENS < c->positions ? TOKENS : c->positions };
	struct model_batch b = { .n = cu[1], .s = 1, .ids = ids, .cu = cu, .targets = targets };
	float logp[TOKENS], dlogp[TOKENS], *grads;
	struct model_state *st;
	struct model m;

	if (model_init(&m, c, 1, kernels_cpu(), NULL, NULL) != OK)
		return;
	for (int i = 0; i < TOKENS; i++) {
		ids[i] = i % c->vocab, targets[i] = i * 7 % c->vocab;
		dlogp[i] = 1;
	}
	grads = mem_zalloc((size_t)m.n_params * sizeof(float));
	if (model_state_open(&st, &m, b.n, MODEL_TRAIN, NULL) == OK) {
		if (model_forward(&m, st, &b, logp, NULL) == OK)
			model_backward(&m, st, &b, dlogp, grads, NULL);
		model_state_close(st);
	}
	mem_free(grads);
	model_release(&m);
}

static void config(const char *text, size_t n)
{
	struct json_parser *p = json_parser_open(), *q = json_parser_open();
	struct buf once = { 0 }, twice = { 0 };
	struct model_config c, again;
	const struct json *j;

	if (json_parse(p, text, n, &j, NULL) == OK && model_config_parse(j, &c, NULL) == OK) {
		struct buf whole = { 0 };
		struct json_writer w = json_writer_open(&whole, 0);

		json_value(&w, j);
		c.text = whole.data;
		model_config_print(&c, "float32", &once);
		if (json_parse(q, once.data, once.len, &j, NULL) != OK || model_config_parse(j, &again, NULL) != OK)
			abort();
		again.text = once.data;
		model_config_print(&again, "float32", &twice);
		if (strcmp(once.data, twice.data))
			abort();
		if (is_small(&c))
			run(&c);
		buf_release(&whole);
	}
	buf_release(&once);
	buf_release(&twice);
	json_parser_close(p);
	json_parser_close(q);
}

static void weights(const uint8_t *data, size_t n)
{
	int fd = memfd_create("fuzz", 0);
	struct safetensors *f;
	char path[40];
	float v[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fd < 0 || write(fd, data, n) != (ssize_t)n)
		abort();
	if (safetensors_open(&f, path, NULL) == OK) {
		for (int i = 0; i < safetensors_count(f); i++) {
			const struct safetensors_entry *e = safetensors_entry(f, i);

			if (safetensors_find(f, e->name) != e)
				abort();
			safetensors_read(f, e, 0, e->elements < 64 ? e->elements : 64, kernels_cpu(), v, NULL);
			safetensors_read_host(f, e, e->elements - 1, 1, v, NULL);
		}
		safetensors_close(f);
	}
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n && data[0] == '{')
		config((const char *)data, n);
	else
		weights(data, n);
	return 0;
}
