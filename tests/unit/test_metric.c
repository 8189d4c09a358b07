/* Text metrics: what sacrebleu, rouge_score, SQuAD's script and nltk say of our own texts (tests/reference/make_metric_goldens.py), and
 * against definitions written out. */
#include "judge/metric_diversity.h"
#include "base/file.h"
#include "base/json.h"
#include "base/rng.h"
#include "judge/metric.h"
#include "judge/metric_ter.h"
#include "judge/resample.h"

#include <stdio.h>
#include <stdlib.h>

#include "unit.h"

#define GOLDENS "tests/golden/data/metrics/"

static int word_index(const char *const *words, int n, const char *w)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(words[i], w))
			return i;
	fail_msg("no word '%s'", w);
	return -1;
}

static void set_option(struct metric_options *o, const char *w)
{
	const struct { const char *name; bool *flag; } flags[] = {
		{ "lowercase", &o->lowercase }, { "effective-order", &o->effective_order }, { "chrf-whitespace", &o->whitespace },
		{ "chrf-eps-smoothing", &o->eps_smoothing }, { "ter-normalized", &o->tercom.normalized },
		{ "ter-no-punct", &o->tercom.no_punct }, { "ter-asian-support", &o->tercom.asian },
		{ "ter-case-sensitive", &o->tercom.case_sensitive }, { "stem", &o->stem },
	};
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
		if (!strcmp(flags[i].name, w)) {
			*flags[i].flag = true;
			return;
		}
	if (!strncmp(w, "tokenize=", 9))
		o->tokenizer = word_index(bleu_tokenizer_names, 5, w + 9);
	else if (!strncmp(w, "smooth=", 7))
		o->smooth = word_index(bleu_smooth_names, 4, w + 7);
	else if (!strncmp(w, "smooth-value=", 13))
		o->smooth_value = atof(w + 13);
	else
		fail_msg("what is '%s'?", w);
}

/* "bleu tokenize=zh smooth=floor" */
static const struct metric *setting(const char *key, struct metric_options *o)
{
	char text[128], *save = NULL;
	snprintf(text, sizeof(text), "%s", key);
	char *w = strtok_r(text, " ", &save);
	const struct metric *m = metric_find(w, strlen(w));
	*o = (struct metric_options){ .smooth_value = NAN };
	assert_non_null(m);
	while ((w = strtok_r(NULL, " ", &save)) != NULL)
		set_option(o, w);
	return m;
}

static int check_case(struct metric_scratch *scratch, const struct json *row, int line)
{
	const struct json *p = json_get(row, "prediction"), *r = json_get(row, "references"), *v = json_get(row, "values");
	struct metric_text prediction = { p->str, p->len }, references[8];
	int bad = 0;
	assert_true(r->len <= 8);
	for (size_t i = 0; i < r->len; i++)
		references[i] = (struct metric_text){ r->items[i].str, r->items[i].len };
	for (size_t k = 0; k < v->len; k++) {
		struct metric_options o;
		double stats[METRIC_STATS], values[METRIC_VALUES];
		const struct metric *m = setting(v->keys[k].str, &o);
		assert_true(m->segment(scratch, &o, &prediction, references, (int)r->len, stats));
		m->score(&o, stats, 1, values);
		for (size_t i = 0; i < v->items[k].len; i++) {
			if (fabs(values[i] - v->items[k].items[i].number) > 1e-9) {
				print_message("case %d: %s: %s is %.12g, want %.12g\n", line, v->keys[k].str, m->values[i].name,
					      values[i], v->items[k].items[i].number);
				bad++;
			}
		}
	}
	return bad;
}

static void every_case_has_the_references_values(void **state)
{
	(void)state;
	struct metric_scratch scratch = { 0 };
	struct buf text = { 0 };
	struct json_parser *parser = json_parser_open();
	const struct json *row;
	int line = 0, bad = 0;
	assert_int_equal(file_read_all(GOLDENS "cases.jsonl", 1 << 24, &text, NULL), OK);
	for (char *p = text.data, *end = p + text.len, *lf; p < end; p = lf + 1) {
		lf = memchr(p, '\n', (size_t)(end - p));
		assert_non_null(lf);
		assert_int_equal(json_parse(parser, p, (size_t)(lf - p), &row, NULL), OK);
		bad += check_case(&scratch, row, ++line);
	}
	assert_true(line > 100);
	json_parser_close(parser);
	buf_release(&text);
	metric_scratch_release(&scratch);
	assert_int_equal(bad, 0);
}

static void stems_are_those_of_nltk(void **state)
{
	(void)state;
	struct buf text = { 0 }, stem = { 0 };
	int n = 0;
	assert_int_equal(file_read_all(GOLDENS "stems.tsv", 1 << 24, &text, NULL), OK);
	for (char *p = text.data, *end = p + text.len, *lf; p < end; p = lf + 1, n++) {
		lf = memchr(p, '\n', (size_t)(end - p));
		char *tab = memchr(p, '\t', (size_t)(lf - p));
		*lf = 0;
		buf_clear(&stem);
		porter_stem(p, (size_t)(tab - p), &stem);
		if (strcmp(stem.data, tab + 1))
			fail_msg("%.*s gives %s, want %s", (int)(tab - p), p, stem.data, tab + 1);
	}
	assert_true(n > 1000);
	buf_release(&text);
	buf_release(&stem);
}

/* --- subsequences and distances against the table of all prefixes ------------------------------------------------- */

static struct tokens random_tokens(struct rng *r, int64_t n, uint32_t ids)
{
	struct tokens t = { 0 };
	for (int64_t i = 0; i < n; i++)
		tokens_push(&t, (uint32_t)rng_below(r, ids));
	return t;
}

static int64_t table(const struct tokens *a, const struct tokens *b, bool lcs)
{
	int32_t *row = mem_array((size_t)b->n + 1, sizeof(*row));
	for (int64_t j = 0; j <= b->n; j++)
		row[j] = lcs ? 0 : (int32_t)j;
	for (int64_t i = 1; i <= a->n; i++) {
		int32_t diagonal = row[0];
		row[0] = lcs ? 0 : (int32_t)i;
		for (int64_t j = 1; j <= b->n; j++) {
			int32_t up = row[j], left = row[j - 1];
			bool same = a->v[i - 1] == b->v[j - 1];
			if (lcs)
				row[j] = same ? diagonal + 1 : up > left ? up : left;
			else
				row[j] = diagonal + !same < (up < left ? up : left) + 1 ? diagonal + !same : (up < left ? up : left) + 1;
			diagonal = up;
		}
	}
	int64_t result = row[b->n];
	mem_free(row);
	return result;
}

static void bits_say_what_the_table_says(void **state)
{
	(void)state;
	struct rng r = rng_open(7, 7);
	struct places p = { 0 };
	for (int round = 0; round < 300; round++) {
		/* From time to time so long that rare tokens have no row of their own, and rows are kept and made again. */
		int64_t most = round % 50 == 0 ? 3000 : 200;
		uint32_t ids = 1 + (uint32_t)rng_below(&r, round % 3 ? 8 : 2500);
		struct tokens a = random_tokens(&r, (int64_t)rng_below(&r, (uint64_t)most), ids);
		struct tokens b = random_tokens(&r, (int64_t)rng_below(&r, (uint64_t)most), ids + 2);
		places_set(&p, &a, ids);
		uint64_t *v = mem_array(2 * p.width + 1, sizeof(*v)), *scratch = mem_array(lcs_mark_words(&p, b.n) + 1, sizeof(*v));
		bool *hit = mem_array((size_t)a.n + 1, sizeof(*hit));
		int64_t lcs = table(&a, &b, true), hits = 0;
		assert_int_equal(lcs_length(&p, &b, v), lcs);
		assert_int_equal(edit_distance(&p, &b, v), table(&a, &b, false));
		lcs_mark(&p, &a, &b, scratch, hit);
		for (int64_t i = 0; i < a.n; i++)
			hits += hit[i];
		assert_int_equal(hits, lcs);
		mem_free(v);
		mem_free(scratch);
		mem_free(hit);
		tokens_release(&a);
		tokens_release(&b);
	}
	lcs_places_release(&p);
}

/* --- diversity against its definition -------------------------------------------------------------------------------- */

static void diversity_is_that_of_all_pairs(void **state)
{
	(void)state;
	static const char *const texts[] = { "a b c d a b c d", "a b c d e", "", "x y", "a b c d e", "a a a a a a", "b" };
	const int n = (int)(sizeof(texts) / sizeof(*texts));
	struct metric_options o = { .tokenizer = TOKENIZE_NONE, .smooth_value = NAN, .effective_order = true };
	struct metric_scratch scratch = { 0 };
	struct diversity d = { 0 };
	struct diversity_values v;
	double sum = 0, stats[METRIC_STATS], value;
	for (int i = 0; i < n; i++) {
		struct metric_text t = { texts[i], strlen(texts[i]) }, others[8];
		int k = 0;
		for (int j = 0; j < n; j++)
			if (j != i)
				others[k++] = (struct metric_text){ texts[j], strlen(texts[j]) };
		assert_true(metric_bleu.segment(&scratch, &o, &t, others, k, stats));
		metric_bleu.score(&o, stats, 1, &value);
		sum += value;
		assert_true(diversity_add(&d, &o, &t));
	}
	diversity_values(&d, &o, &v);
	assert_true(fabs(v.self_bleu - sum / n) < 1e-9);
	assert_true(fabs(v.distinct[0] - 7.0 / 27) < 1e-12);         /* a b c d e x y */
	assert_true(fabs(v.distinct[1] - 7.0 / 21) < 1e-12);         /* ab bc cd da de xy aa */
	assert_true(fabs(v.seq_rep_4 - (1.0 / 5 + 0 + 0 + 2.0 / 3) / 4) < 1e-12);
	diversity_release(&d);
	metric_scratch_release(&scratch);
}

static void nothing_has_no_diversity(void **state)
{
	(void)state;
	struct metric_options o = { .smooth_value = NAN };
	struct diversity d = { 0 };
	struct diversity_values v;
	diversity_values(&d, &o, &v);
	assert_true(isnan(v.self_bleu) && isnan(v.distinct[0]) && isnan(v.seq_rep_4));
	assert_true(diversity_add(&d, &o, &(struct metric_text){ "", 0 }));
	diversity_values(&d, &o, &v);
	assert_true(isnan(v.self_bleu) && isnan(v.distinct[0]) && isnan(v.seq_rep_4));
	diversity_release(&d);
}

/* --- Unicode and numbers ------------------------------------------------------------------------------------------------ */

static void unicode_rouge_counts_what_rouge_deletes(void **state)
{
	(void)state;
	struct metric_scratch scratch = { 0 };
	struct metric_options o = { .smooth_value = NAN };
	struct metric_text p = { "今天天气好。Привет", strlen("今天天气好。Привет") }, r = { "今天天气坏！ привет", strlen("今天天气坏！ привет") };
	double stats[METRIC_STATS];
	assert_true(metric_rouge.segment(&scratch, &o, &p, &r, 1, stats));
	assert_true(stats[0] == 0);
	assert_true(metric_rouge_unicode.segment(&scratch, &o, &p, &r, 1, stats));
	assert_true(fabs(stats[0] - 5.0 / 6) < 1e-12);       /* 今 天 天 气 привет of six */
	assert_true(fabs(stats[1] - 3.0 / 5) < 1e-12);
	metric_scratch_release(&scratch);
}

static void random_numbers_are_those_of_numpy(void **state)
{
	(void)state;
	/* numpy 2: default_rng(12345).choice(1000, 8) and .integers(2, size=40, dtype=bool); default_rng(2**40 + 7)'s raw numbers */
	static const uint32_t chosen[] = { 699, 227, 788, 316, 204, 797, 642, 676 };
	static const char flags[] = "1011100110000011111111110100110110110001";
	struct resample r = resample_open(12345);
	for (int i = 0; i < 8; i++)
		assert_int_equal(resample_below(&r, 1000), chosen[i]);
	r = resample_open(12345);
	for (int i = 0; i < 40; i++)
		assert_int_equal(resample_bool(&r), flags[i] == '1');
	r = resample_open((1ull << 40) + 7);
	assert_true(resample_u64(&r) == 15307346044642009514u);
	assert_true(resample_u64(&r) == 4709548916763817589u);
}

static void a_row_beyond_the_limit_is_refused(void **state)
{
	(void)state;
	struct metric_scratch scratch = { 0 };
	struct metric_options o = { .smooth_value = NAN };
	size_t n = 140000;
	char *s = mem_alloc(n);
	memset(s, 'a', n);
	struct metric_text t = { s, n };
	double stats[METRIC_STATS];
	assert_false(metric_edit.segment(&scratch, &o, &t, &t, 1, stats));
	for (size_t i = 1; i < n; i += 2)
		s[i] = '\n';
	assert_false(metric_rouge.segment(&scratch, &o, &t, &t, 1, stats));  /* 70000 sentences with 70000 */
	mem_free(s);
	metric_scratch_release(&scratch);
}

/* A row whose tables would be all of one word: the limits on shifts hold. */
static void a_hostile_row_of_ter_ends(void **state)
{
	(void)state;
	struct ter_memory *memory = NULL;
	struct rng r = rng_open(1, 2);
	struct tokens a = random_tokens(&r, 20000, 2), b = random_tokens(&r, 20000, 2), none = { 0 };
	assert_true(ter_edits(&memory, &a, &b) > 0);
	assert_int_equal(ter_edits(&memory, &a, &a), 0);
	assert_int_equal(ter_edits(&memory, &none, &b), 20000);
	assert_int_equal(ter_edits(&memory, &a, &none), 20000);
	ter_memory_free(memory);
	tokens_release(&a);
	tokens_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_case_has_the_references_values), cmocka_unit_test(stems_are_those_of_nltk),
		cmocka_unit_test(bits_say_what_the_table_says), cmocka_unit_test(diversity_is_that_of_all_pairs),
		cmocka_unit_test(nothing_has_no_diversity), cmocka_unit_test(unicode_rouge_counts_what_rouge_deletes),
		cmocka_unit_test(random_numbers_are_those_of_numpy), cmocka_unit_test(a_row_beyond_the_limit_is_refused),
		cmocka_unit_test(a_hostile_row_of_ter_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
