/* Repair, personal data, words, statistics and every preset on any text: all stay valid UTF-8 and within the text. */
#include "text/pii.h"
#include "text/quality.h"
#include "text/repair.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void must_be_utf8(const struct buf *b)
{
	must(text_valid_prefix(b->data ? b->data : "", b->len) == b->len);
}

static void words_cover(const char *s, size_t n)
{
	for (size_t at = 0, end; at < n; at = end) {
		end = words_segment(s, n, at);
		must(end > at && end <= n);
	}
	for (int how = 0; how < N_SPLITTERS; how++) {
		struct spans w = {0};
		words_split((enum splitter)how, s, n, 0, INT64_MAX, &w);
		for (int64_t i = 0; i < w.n; i++)
			must(w.v[i].len > 0 && (i == 0 || w.v[i].from >= w.v[i - 1].from + w.v[i - 1].len) && (size_t)w.v[i].from + w.v[i].len <= n);
		spans_release(&w);
	}
	must(words_sentences(s, n) >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char *const presets[] = {"quern", "gopher", "gopher-dolma", "c4-paper", "c4-tfds", "fineweb-v1", "datatrove-0.10"};
	struct buf text = {0}, out = {0}, again = {0};
	struct text_stats *t = text_stats_open();
	int64_t found[N_PII] = {0};
	text_append_valid(&text, (const char *)data, n);
	const char *s = text.data ? text.data : "";
	for (unsigned how = 0; how < 8; how++) {
		struct repair r = {.nfkc = how & 1, .mojibake = how & 2, .hyphens = how & 4};
		buf_clear(&out);
		text_repair_as(&r, s, text.len, &out);
		must_be_utf8(&out);
		r.consume = true;            /* what is given back is a MiB and more */
		buf_clear(&again);
		text_repair_as(&r, s, text.len, &again);
		must(out.len == again.len && (out.len == 0 || memcmp(out.data, again.data, out.len) == 0));
	}
	buf_clear(&out);
	buf_clear(&again);
	text_repair(s, text.len, &out);
	text_repair(out.data ? out.data : "", out.len, &again);
	must(out.len == again.len && (out.len == 0 || memcmp(out.data, again.data, out.len) == 0));
	buf_clear(&out);
	pii_scan(s, text.len, PII_ALL, &out, found);
	must_be_utf8(&out);
	words_cover(s, text.len);
	for (size_t i = 0; i < sizeof(presets) / sizeof(presets[0]); i++) {
		struct quality q;
		quality_preset(&q, presets[i], NULL);
		for (int how = 0; how < N_SPLITTERS; how++) {
			size_t len;
			q.words = (enum splitter)how;
			text_stats_set(t, s, text.len);
			for (int k = 0; i == 0 && k < N_STATS; k++)
				text_stats_get(t, (enum stat)k, q.words);
			quality_judge(&q, t, NULL, NULL);
			const char *kept = text_stats_text(t, &len);
			must(text_valid_prefix(kept, len) == len);
		}
	}
	text_stats_close(t);
	buf_release(&text);
	buf_release(&out);
	buf_release(&again);
	return 0;
}
