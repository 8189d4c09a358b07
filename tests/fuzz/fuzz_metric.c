/* Any bytes as options, a prediction and references: every metric answers, and a text is its own best match. */
#include "judge/metric.h"
#include "judge/metric_diversity.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct metric_options options_of(uint8_t a, uint8_t b)
{
	return (struct metric_options){
		.lowercase = a & 1, .effective_order = a & 2, .whitespace = a & 4, .eps_smoothing = a & 8, .stem = a & 16,
		.tokenizer = (a >> 5) % 5, .smooth = b & 3, .smooth_value = NAN,
		.tercom = { b & 4, b & 8, b & 16, b & 32 },
	};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct metric_scratch scratch;
	struct metric_text text[8] = { { "", 0 } };
	struct diversity d = { 0 };
	struct diversity_values v;
	double stats[METRIC_STATS], values[METRIC_VALUES];
	int n = 0;
	if (size < 2 || size > 4096)
		return 0;
	struct metric_options o = options_of(data[0], data[1]);
	for (const char *p = (const char *)data + 2, *end = (const char *)data + size; p < end && n < 8; n++) {
		const char *stop = memchr(p, 0, (size_t)(end - p));
		stop = stop ? stop : end;
		text[n] = (struct metric_text){ p, (size_t)(stop - p) };
		p = stop + 1;
	}
	for (int i = 0; metrics[i]; i++) {
		if (!metrics[i]->segment(&scratch, &o, &text[0], n > 1 ? text + 1 : text, n > 1 ? n - 1 : 1, stats))
			abort();
		metrics[i]->score(&o, stats, 1, values);
		for (int k = 0; k < metrics[i]->n_values; k++)
			if (values[k] < 0)
				abort();
	}
	if (!metric_edit.segment(&scratch, &o, &text[0], &text[0], 1, stats) || stats[0] != 0)
		abort();
	o.tercom.normalized = false;         /* tokenizes references twice, predictions once */
	if (!metric_ter.segment(&scratch, &o, &text[0], &text[0], 1, stats) || stats[0] != 0)
		abort();
	for (int i = 0; i < n; i++)
		if (!diversity_add(&d, &o, &text[i]))
			abort();
	diversity_values(&d, &o, &v);
	diversity_release(&d);
	metric_scratch_release(&scratch);
	return 0;
}
