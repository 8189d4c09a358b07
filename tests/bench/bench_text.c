/* bench_text.c - the text room's rates on one core: repair, words, rules, HTML, MinHash beside its reference figure.
 *
 * Text and pages are generated (words drawn from a skewed distribution), so that the numbers need no data. The reference for
 * MinHash is 8.6 ns for one shingle and 112 permutations with AVX-512. */
#include "base/rng.h"
#include "text/fold.h"
#include "text/html.h"
#include "text/minhash.h"
#include "text/pii.h"
#include "text/quality.h"
#include "text/repair.h"
#include "text/unicode.h"

#include <stdio.h>
#include <time.h>

#define TEXT_BYTES (4 << 20)
#define DOC_BYTES 4000
#define DOC_SHINGLES 700
#define SECONDS 0.5

static struct buf text, html;

/* Two words of five are function words, the others of about 10,000, of which low numbers are drawn often: texts pass every rule. */
static void add_word(struct rng *r, struct buf *out)
{
	static const char *const stops[] = {"the", "of", "and", "to", "a", "in", "that", "is", "was", "be", "for", "with", "it", "as", "have", "on"};
	double u = rng_double(r);
	if (rng_below(r, 10) < 4) {
		double v = rng_double(r);
		buf_str(out, stops[(int)(v * v * 16)]);
		return;
	}
	uint64_t id = (uint64_t)(u * u * u * 10000);
	struct rng letters = rng_open(7, id);
	uint64_t n = 1 + rng_below(&letters, 4) + rng_below(&letters, 6);
	for (uint64_t i = 0; i < n; i++)
		buf_char(out, (char)('a' + rng_below(&letters, 26)));
}

static void make_text(void)
{
	struct rng r = rng_open(1, 0);
	buf_str(&html, "<!doctype html><html><head><title>Bench</title></head><body>");
	while (text.len < TEXT_BYTES) {
		struct buf paragraph = {0};
		for (int i = 0; i < 60; i++) {
			add_word(&r, &paragraph);
			buf_str(&paragraph, i % 12 == 11 ? ". " : " ");
		}
		buf_add(&text, paragraph.data, paragraph.len);
		buf_char(&text, '\n');   /* as extracted text has them; with blank lines between, FineWeb v1 drops everything */
		buf_printf(&html, "<div class=\"row\"><p>%s<a href=\"/x\">more</a></p></div>", paragraph.data);
		buf_release(&paragraph);
	}
}

/* --- what is timed: each handles one pass over its input and returns its work in units ----------------- */

static double do_repair(void)
{
	struct buf out = {0};
	text_repair(text.data, text.len, &out);
	buf_release(&out);
	return (double)text.len;
}

static double do_words(void)
{
	struct spans w = {0};
	text_words(text.data, text.len, 0, INT64_MAX, &w);
	spans_release(&w);
	return (double)text.len;
}

static double do_unicode_words(void)
{
	struct spans w = {0};
	words_split(WORDS_UNICODE, text.data, text.len, 0, INT64_MAX, &w);
	spans_release(&w);
	return (double)text.len;
}

static double do_pii(void)
{
	int64_t found[N_PII] = {0};
	return pii_scan(text.data, text.len, PII_ALL, NULL, found) >= 0 ? (double)text.len : 0;
}

/* All rules of a preset on documents that pass them. */
static double rules(const char *preset)
{
	struct quality q;
	struct text_stats *x = text_stats_open();
	size_t dropped = 0, docs = 0;
	quality_preset(&q, preset, NULL);
	for (size_t at = 0; at + DOC_BYTES <= text.len; at += DOC_BYTES, docs++) {
		text_stats_set(x, text.data + at, DOC_BYTES);
		dropped += quality_judge(&q, x, NULL, NULL).rule >= 0;
	}
	text_stats_close(x);
	static const char *told;
	if (dropped * 50 > docs && told != preset) {
		told = preset;
		printf("%s drops %zu of %zu documents: the rate below is too good\n", preset, dropped, docs);
	}
	return (double)text.len;
}

static double do_quern(void)
{
	return rules("quern");
}

static double do_fineweb(void)
{
	return rules("fineweb-v1");
}

static double do_datatrove(void)
{
	return rules("datatrove-0.10");
}

static double do_dolma(void)
{
	return rules("gopher-dolma");
}

static double do_html(void)
{
	struct html_page page = {0};
	for (size_t at = 0; at + (64 << 10) <= html.len; at += 64 << 10)
		html_extract(html.data + at, 64 << 10, HTML_MAIN, &page, NULL);
	html_page_clear(&page);
	return (double)html.len;
}

static struct minhash m;
static struct minhash_scratch shingles;
static size_t n_shingles;

static double do_simplify(void)
{
	minhash_simplify(MINHASH_QUERN, text.data, text.len, &shingles);
	return (double)text.len;
}

static double do_shingles(void)
{
	struct minhash_recipe r;
	minhash_preset(&r, "quern", NULL);
	n_shingles = minhash_shingles(&r, text.data, text.len, &shingles);
	return (double)text.len;
}

static double do_fold(void)
{
	struct buf out = {0};
	text_fold(text.data, text.len, FOLD_CASE | FOLD_SPACE | FOLD_PUNCTUATION | FOLD_DIGITS | FOLD_FORM, &out);
	buf_release(&out);
	return (double)text.len;
}

static double do_sign(void)
{
	uint64_t sig[MINHASH_MAX];
	size_t done = 0;
	for (; done + DOC_SHINGLES <= n_shingles; done += DOC_SHINGLES)
		minhash_sign(&m, shingles.shingles + done, DOC_SHINGLES, sig);
	return (double)done;
}

/* CPU time, as the machine may be shared. */
static double seconds(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

/* Best of the passes that fit in SECONDS; units per second. */
static double rate(double (*fn)(void))
{
	double best = 0, start = seconds();
	do {
		double t = seconds(), units = fn(), r = units / (seconds() - t);
		best = r > best ? r : best;
	} while (seconds() - start < SECONDS);
	return best;
}

int main(void)
{
	static const struct { const char *name; double (*fn)(void); } rows[] = {
		{"repair", do_repair}, {"words", do_words}, {"pii scan", do_pii}, {"words, Unicode", do_unicode_words},
		{"rules, quern", do_quern}, {"rules, fineweb-v1", do_fineweb}, {"rules, datatrove-0.10", do_datatrove}, {"rules, gopher-dolma", do_dolma},
		{"html, main text", do_html}, {"fold, all", do_fold}, {"simplify", do_simplify}, {"and shingles (XXH3)", do_shingles},
	};
	static const char *const kernels[] = {"avx512", "avx2", "plain"};
	make_text();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		printf("%-24s %8.0f MB/s\n", rows[i].name, rate(rows[i].fn) / 1e6);
	minhash_init(&m, 112, 1);
	for (int i = 0; i < 3; i++)
		if (minhash_force_kernel(kernels[i]))
			printf("minhash 112, %-11s %8.1f ns/shingle (reference 8.6)\n", kernels[i], 1e9 / rate(do_sign));
	minhash_scratch_release(&shingles);
	buf_release(&text);
	buf_release(&html);
	return 0;
}
