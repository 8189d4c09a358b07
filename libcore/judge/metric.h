/* metric.h - what text metrics have in common: a row gives a few numbers, their sums over rows give the scores.
 *
 * Every metric here is a row of one table: segment() turns a prediction and its references into n_stats numbers, score() turns the sums
 * of those numbers into n_values values. So one pass over the rows serves a corpus, its bootstrap samples and a paired test alike.
 *
 * Definitions: BLEU, chrF and TER are sacrebleu 2.6's to the last digit, rouge is rouge_score 0.1.2's F-measure, squad the script of
 * SQuAD 1.1. Where a line could cost the product of two lengths, the cost is bounded: see METRIC_CELLS and metric_ter.h. */
#ifndef QUERN_JUDGE_METRIC_H
#define QUERN_JUDGE_METRIC_H

#include "judge/metric_lcs.h"
#include "judge/metric_ngram.h"
#include "judge/metric_tokenize.h"

#include <math.h>

#define METRIC_STATS 24
#define METRIC_VALUES 4
/* Longest common subsequences and edit distances of a row fill a table of bits; one of more cells is refused (131072 squared). */
#define METRIC_CELLS ((double)131072 * 131072)
/* Bytes of a prediction and its references together. */
#define METRIC_BYTES ((size_t)1 << 30)

enum bleu_smooth { SMOOTH_EXP, SMOOTH_FLOOR, SMOOTH_ADD_K, SMOOTH_NONE };
extern const char *const bleu_smooth_names[];

struct metric_options {
	bool lowercase;              /* bleu, chrf */
	int tokenizer, smooth;       /* bleu: enum bleu_tokenizer, enum bleu_smooth */
	double smooth_value;         /* NAN: 0.1 for floor, 1 for add-k */
	bool effective_order;        /* bleu: orders without n-grams do not count */
	bool whitespace, eps_smoothing;     /* chrf */
	struct tercom tercom;        /* ter */
	bool stem;                   /* rouge: Porter's stemmer */
};

/* One thread's memory; {0} is valid. */
struct metric_scratch {
	struct words words;
	struct tokenizing tokenizing;
	struct ngrams ngrams;
	struct tokens prediction, *references;      /* references: n_refs of them */
	int n_references;
	struct buf text, lower;
	struct tokens more[2];      /* lists of the metric under way */
	struct places places;
	uint64_t *bits;              /* rows of bits, n_bits words */
	size_t n_bits;
	struct ter_memory *ter;
};
void metric_scratch_release(struct metric_scratch *m);
/* n empty lists for the references. */
void metric_references(struct metric_scratch *m, int n);
/* n words, not zeroed. */
uint64_t *metric_bits(struct metric_scratch *m, size_t n);

struct metric {
	const char *name;            /* of --metric */
	int n_stats, n_values;
	struct {
		const char *name;
		bool higher;         /* is better */
	} values[METRIC_VALUES];
	bool corpus;                 /* no mean over rows: its error comes from the bootstrap alone */
	/* False: the row is too long for this metric. n_references > 0. */
	bool (*segment)(struct metric_scratch *m, const struct metric_options *o, const struct metric_text *prediction,
			const struct metric_text *references, int n_references, double *stats);
	void (*score)(const struct metric_options *o, const double *sums, int64_t rows, double *values);
	/* sacrebleu's signature without its version, or NULL where there is none; nrefs -1: varies. */
	void (*sign)(const struct metric_options *o, int n_references, struct buf *out);
};
extern const struct metric metric_bleu, metric_chrf, metric_chrfpp, metric_ter, metric_rouge, metric_rouge_unicode, metric_squad,
	metric_edit;
extern const struct metric *const metrics[];                 /* all of them, NULL at the end */
/* NULL if there is none of that name. */
const struct metric *metric_find(const char *name, size_t n);

/* BLEU of given counts, in [0, 100]: correct[4], total[4] as in sums[2..10), which score() of metric_bleu takes. */
double bleu_score(const struct metric_options *o, const double *sums);
/* "nrefs:1" or "nrefs:var" */
void metric_sign_references(int n_references, struct buf *out);
/* score() of metrics that are means. */
void metric_mean(const struct metric_options *o, const double *sums, int64_t rows, double *values);
/* Appends Porter's stem of a lower-case word of ASCII letters and digits, as nltk's PorterStemmer in its own mode. */
void porter_stem(const char *word, size_t n, struct buf *out);

#endif
