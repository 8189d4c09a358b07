#include "judge/metric.h"

#include "judge/metric_ter.h"

const struct metric *const metrics[] = {
	&metric_bleu, &metric_chrf, &metric_chrfpp, &metric_ter, &metric_rouge, &metric_rouge_unicode, &metric_squad, &metric_edit, NULL,
};

const struct metric *metric_find(const char *name, size_t n)
{
	for (int i = 0; metrics[i]; i++)
		if (strlen(metrics[i]->name) == n && !memcmp(metrics[i]->name, name, n))
			return metrics[i];
	return NULL;
}

void metric_references(struct metric_scratch *m, int n)
{
	if (n > m->n_references) {
		m->references = mem_grow(m->references, (size_t)n, sizeof(*m->references));
		memset(m->references + m->n_references, 0, (size_t)(n - m->n_references) * sizeof(*m->references));
		m->n_references = n;
	}
	for (int i = 0; i < n; i++)
		m->references[i].n = 0;
	m->prediction.n = 0;
	words_reset(&m->words);
}

uint64_t *metric_bits(struct metric_scratch *m, size_t n)
{
	if (n > m->n_bits) {
		mem_free(m->bits);
		m->bits = mem_array(n, sizeof(*m->bits));
		m->n_bits = n;
	}
	return m->bits;
}

void metric_scratch_release(struct metric_scratch *m)
{
	words_release(&m->words);
	tokenizing_release(&m->tokenizing);
	ngrams_release(&m->ngrams);
	tokens_release(&m->prediction);
	for (int i = 0; i < m->n_references; i++)
		tokens_release(&m->references[i]);
	mem_free(m->references);
	buf_release(&m->text);
	buf_release(&m->lower);
	for (int i = 0; i < 2; i++)
		tokens_release(&m->more[i]);
	lcs_places_release(&m->places);
	mem_free(m->bits);
	ter_memory_free(m->ter);
	*m = (struct metric_scratch){ 0 };
}

void metric_sign_references(int n_references, struct buf *out)
{
	if (n_references < 0)
		buf_str(out, "nrefs:var");
	else
		buf_printf(out, "nrefs:%d", n_references);
}

void metric_mean(const struct metric_options *o, const double *sums, int64_t rows, double *values)
{
	(void)o;
	for (int i = 0; i < METRIC_VALUES; i++)
		values[i] = rows ? sums[i] / (double)rows : NAN;
}
