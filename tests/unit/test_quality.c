/* test_quality.c - each rule at its threshold, on texts small enough to count by hand; UTF-8 repair and words. */
#include "unit.h"

#include "base/rng.h"
#include "text/char_window.h"
#include "text/lang.h"
#include "text/quality.h"
#include "text/repair.h"
#include "text/stats_priv.h"
#include "text/stop_words.h"
#include "text/words_ascii.h"

#include <utf8proc.h>

static struct text_stats *stats;

/* The reason by which one rule rejects a text, or "". */
static const char *reason(const char *rule, const char *text)
{
	struct quality q = {.words = WORDS_SPACE};
	assert_int_equal(quality_set(&q, rule, NULL), OK);
	text_stats_set(stats, text, strlen(text));
	struct verdict v = quality_judge(&q, stats, NULL, NULL);
	return v.rule < 0 ? "" : quality_reason(&q, v.rule);
}

#define PASSES(rule, text) assert_string_equal(reason(rule, text), "")
#define FAILS(rule, text) assert_string_not_equal(reason(rule, text), "")

static void gopher_rules_hold_at_their_thresholds(void **state)
{
	(void)state;
	PASSES("gopher_short_doc=3", "one two three");
	FAILS("gopher_short_doc=3", "one two ...");
	PASSES("gopher_long_doc=3", "one two three");
	FAILS("gopher_long_doc=2", "one two three");
	PASSES("gopher_below_avg_threshold=3", "abc def");
	FAILS("gopher_below_avg_threshold=3", "abc de");
	PASSES("gopher_above_avg_threshold=3", "\xc3\xa4\xc3\xb6\xc3\xbc abc");
	FAILS("gopher_above_avg_threshold=3", "abcd abc");
	PASSES("gopher_too_many_hashes", "#a b c d e f g h i j");
	FAILS("gopher_too_many_hashes", "##a b c d e f g h i j");
	FAILS("gopher_too_many_ellipsis", "a... b\xe2\x80\xa6 c d e f g h i j");
	PASSES("gopher_too_many_bullets=0.5", "- a\nb");
	FAILS("gopher_too_many_bullets=0.5", "- a\n  \xe2\x80\xa2 b\nc");
	FAILS("gopher_too_many_end_ellipsis", "a...\nb \nc");
	PASSES("gopher_below_alpha_threshold", "a b c d 1");
	FAILS("gopher_below_alpha_threshold", "a b c 2 1");
	PASSES("gopher_enough_stop_words", "the and");
	FAILS("gopher_enough_stop_words", "the the The AND");
}

static void repetition_counts_second_copies(void **state)
{
	(void)state;
	PASSES("dup_line_frac=0.5", "a\na\nb\nb");
	FAILS("dup_line_frac=0.49", "a\na\nb\nb");
	FAILS("dup_line_char_frac=0.4", "aaaa\naaaa");
	PASSES("dup_line_char_frac=0.45", "aaaa\naaaa");
	FAILS("dup_para_frac=0.3", "a\n\na\n\n\nb");
	PASSES("dup_para_frac=0.4", "a\n\na\n\n\nb");
	/* "a b" twice: 3 characters times 2 of 7. */
	FAILS("top_2_gram=0.85", "a b a b");
	PASSES("top_2_gram=0.86", "a b a b");
	/* The second run of five: 5 characters of 19. */
	FAILS("duplicated_5_n_grams=0.26", "a b c d e a b c d e");
	PASSES("duplicated_5_n_grams=0.27", "a b c d e a b c d e");
	PASSES("top_4_gram", "a b");
	PASSES("duplicated_10_n_grams", "");
}

static void c4_keeps_the_lines_that_are_sentences(void **state)
{
	struct quality q = {.words = WORDS_SPACE};
	const char *text = "Home\nOne two three.[1]\nNo end here\nEnable JavaScript to read on.\nTwo words.\nIt is \"so\"\n", *kept;
	size_t n;
	int64_t seen[1] = {0}, hit[1] = {0};
	(void)state;
	assert_int_equal(quality_set(&q, "c4_lines", NULL), OK);
	text_stats_set(stats, text, strlen(text));
	assert_int_equal(quality_judge(&q, stats, seen, hit).rule, -1);
	kept = text_stats_text(stats, &n);
	assert_int_equal(n, strlen("One two three.\nIt is \"so\""));
	assert_memory_equal(kept, "One two three.\nIt is \"so\"", n);
	assert_int_equal(seen[0] + hit[0], 2);
	FAILS("lorem_ipsum", "xx Lorem IPSUM");
	PASSES("lorem_ipsum", "lorem  ipsum lore");
	FAILS("curly_bracket", "if {");
	PASSES("too_few_sentences=2", "One. Two.");
	PASSES("too_few_sentences=2", "Good day\nto you");
	FAILS("too_few_sentences=3", "One. Two 3.5 four.");
}

static void sentences_end_behind_terminals(void **state)
{
	static const struct { const char *text; int64_t n; } cases[] = {
		{"", 0}, {" \n", 0}, {"one", 1}, {"One. Two", 2}, {"3.5 and U.S. too", 2}, {"\"Why?\" he said... Well!", 3}, {"(So.) It is.", 2},
		{"磨坊。河边！", 2}, {"他说：“好。”然后走了。", 2}, {"...", 1}, {"a.b", 1}, {"Yes?! No.", 2},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(words_sentences(cases[i].text, strlen(cases[i].text)), cases[i].n);
}

static void fineweb_rules_count_lines(void **state)
{
	(void)state;
	PASSES("line_punct_ratio=0.5", "a.\n\nb");
	FAILS("line_punct_ratio=0.51", "a.\nb");
	FAILS("short_line_ratio=0.9", "a\nb");
	FAILS("char_dup_ratio=0.3", "abc\nabc\nde");
	PASSES("char_dup_ratio=0.4", "abc\nabc\nde");
	FAILS("list_ratio=0.3", "a\nb\nc");
}

static void presets_and_names(void **state)
{
	struct quality q;
	struct error err;
	(void)state;
	assert_int_equal(quality_preset(&q, "gopher", NULL), OK);
	assert_int_equal(q.n, 24);
	assert_int_equal(quality_preset(&q, "nosuch", &err), ERR_USAGE);
	assert_non_null(strstr(err.text, "fineweb-v1"));
	assert_int_equal(quality_set(&q, "gopher_shortdoc", &err), ERR_USAGE);
	assert_non_null(strstr(err.text, "gopher_short_doc"));
	assert_int_equal(quality_set(&q, "min_chars=", NULL), ERR_USAGE);
	assert_int_equal(quality_set(&q, "min_chars=nan", NULL), ERR_USAGE);
	assert_int_equal(quality_set(&q, "=1", NULL), ERR_USAGE);
	assert_int_equal(quality_remove(&q, "gopher_short_doc", NULL), OK);
	assert_int_equal(q.n, 23);
	assert_int_equal(quality_remove(&q, "gopher_short_doc", &err), ERR_USAGE);
	for (int k = 0; k < N_STATS; k++)
		assert_int_equal(stat_find(stat_name((enum stat)k), strlen(stat_name((enum stat)k))), k);
}

/* What text_repair_as makes of a text. */
static void repairs(struct repair how, const char *in, const char *want)
{
	struct buf out = {0};
	bool changed = text_repair_as(&how, in, strlen(in), &out);
	assert_string_equal(out.data ? out.data : "", want);
	assert_int_equal(changed, strcmp(in, want) != 0);
	buf_release(&out);
}

static void text_is_repaired(void **state)
{
	const struct repair plain = {0}, nfkc = {.nfkc = true}, hyphens = {.hyphens = true};
	struct buf out = {0};
	(void)state;
	repairs(plain, "\r\n\xef\xbb\xbf" "e\xcc\x81 \t\r\nb\x01\xc2\x85\n\n\nc\xc2\xa0\n ", "\xc3\xa9\nb\n\nc");
	repairs(plain, "", "");
	repairs(plain, "as it is\n\nit stays", "as it is\n\nit stays");
	repairs(plain, "a \xc2\xa0 \xc2\xa0\nb", "a\nb");
	repairs(plain, "ﬁ²ｶﾞ", "ﬁ²ｶﾞ");
	repairs(nfkc, "ﬁ²ｶﾞ", "fi2ガ");
	repairs(plain, "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab x", "한 x");                       /* jamo compose */
	repairs(plain, "x\xcc\xa3\xcc\x87 \xe2\x84\xab", "\xe1\xba\x8b\xcc\xa3 Å");               /* one mark over another; a singleton */
	repairs(plain, "s\xcc\x87\xcc\xa3", "\xe1\xb9\xa9");                                     /* marks in order */
	repairs(plain, "exam-\nple", "exam-\nple");
	repairs(hyphens, "exam-\nple, exam\xc2\xad\nple", "example, example");
	repairs(hyphens, "1-\n2 Anna-\nLena a -\nb", "1-\n2 Anna-\nLena a -\nb");
	repairs(plain, "soft\xc2\xadhy", "softhy");
	assert_int_equal(text_append_valid(&out, "a\xff\xed\xa0\x80z", 6), 4);
	assert_int_equal(text_valid_prefix(out.data, out.len), out.len);
	buf_release(&out);
}

static void mojibake_is_read_back(void **state)
{
	const struct repair how = {.mojibake = true};
	static const char *const good[] = {
		"Déjà vu à « Genève », été » où", "„MENÜ“ und „CAFÉ“", "“Übung” – Größe…", "IRMÃ JOÃO É»", "naïve café №", "Ã", "â", "Â", "åéî", "日本語", "ÿþý",
		"très bien à « moi »", "ÄÖÜ äöü ß", "Ð¿", "ÀÉÎ", "it’s “so”",
	};
	(void)state;
	repairs(how, "cafÃ©", "café");
	repairs(how, "itâ€™s â€œsoâ€\xc2\x9d", "it’s “so”");
	repairs(how, "itÃ¢â‚¬â„¢s", "it’s");
	repairs(how, "Ð¼Ð¸Ñ€", "мир");
	repairs(how, "ä½\xc2\xa0å¥½", "你好");
	repairs(how, "ðŸ˜€ fun", "😀 fun");
	repairs(how, "Å‚ Ä™ Å›", "ł ę ś");
	repairs(how, "20Â°C Â£5", "20°C £5");
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		repairs(how, good[i], good[i]);
}

/* Words with | between them. */
static void words_of(enum splitter how, const char *text, const char *want)
{
	struct spans w = {0};
	struct buf b = {0};
	words_split(how, text, strlen(text), 0, INT64_MAX, &w);
	for (int64_t i = 0; i < w.n; i++)
		buf_printf(&b, "%s%.*s", i ? "|" : "", (int)w.v[i].len, text + w.v[i].from);
	assert_string_equal(b.data ? b.data : "", want);
	spans_release(&w);
	buf_release(&b);
}

static void words_are_unicodes(void **state)
{
	(void)state;
	words_of(WORDS_UNICODE, "", "");
	words_of(WORDS_UNICODE, " \t\r\n", "");
	words_of(WORDS_UNICODE, "The quick (\"brown\") fox can't jump 32.3 feet, right?", "The|quick|(|\"|brown|\"|)|fox|can't|jump|32.3|feet|,|right|?");
	words_of(WORDS_UNICODE, "a_b1 'tis 1,000.5 e.g. 5' x:y", "a_b1|'|tis|1,000.5|e.g|.|5|'|x:y");
	words_of(WORDS_UNICODE, "磨坊 カタカナひら", "磨|坊|カタカナ|ひ|ら");
	words_of(WORDS_UNICODE, "กินที่", "กิ|น|ที่");
	words_of(WORDS_UNICODE, "Größe naïve", "Größe|naïve");
	words_of(WORDS_UNICODE, "🇩🇪🇫🇷 👨‍👩‍👧", "🇩🇪|🇫🇷|👨‍👩‍👧");
	words_of(WORDS_UNICODE, "don’t a’", "don’t|a|’");
	words_of(WORDS_UNICODE, "a \xe3\x80\x80\xcc\x80 b", "a| \xe3\x80\x80\xcc\x80|b");  /* a mark makes a word of spaces */
	words_of(WORDS_SPACE, "The (\"brown\") fox, can't", "The|(\"brown\")|fox,|can't");
}

static void stop_words_of_many_languages(void **state)
{
	static const char *const prose[] = {
		"The mill stands by the river and they come to it with their grain", "磨坊在河边，人们总是来到这里的。", "Die Leute kommen mit dem Korn und sie warten in der Schlange",
		"Мельница стоит у реки, и люди приходят к ней с зерном", "この村の人は水車に来る", "الناس يأتون إلى هذه الطاحونة من كل مكان",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(prose) / sizeof(prose[0]); i++) {
		text_stats_set(stats, prose[i], strlen(prose[i]));
		assert_true(text_stats_get(stats, STAT_STOP_WORD_SHARE, WORDS_UNICODE) > 0.15);
	}
	text_stats_set(stats, "Router modem WLAN XR-500 black 24V", 34);
	assert_true(text_stats_get(stats, STAT_STOP_WORD_SHARE, WORDS_UNICODE) == 0);
	assert_int_equal(stop_words_of("zzz", 3), 0);
}

static void words_are_pythons(void **state)
{
	static const char in[] = "\xe3\x80\x80 one\x1ctwo\xc2\xa0three\xe2\x80\x8b four\n";
	struct spans w = {0};
	(void)state;
	text_words(in, sizeof(in) - 1, 0, INT64_MAX, &w);
	assert_int_equal(w.n, 4);     /* U+200B is no white space */
	assert_int_equal(w.v[2].len, 8);
	spans_release(&w);
}

static void languages_are_told_apart(void **state)
{
	static const char en[] = "The mill stands by the river, and the people of the village have always come to it with their grain.";
	static const char zh[] = "磨坊在河边，村里的人们总是带着粮食来到这里，在院子里等待和聊天。秋天队伍一直排到桥边。";
	char code[16];
	(void)state;
	assert_true(lang_detect(en, strlen(en), code) > 0.9);
	assert_string_equal(code, "en");
	assert_true(lang_detect(zh, strlen(zh), code) > 0.9);
	assert_string_equal(code, "zh");
	assert_true(lang_detect("", 0, code) == 0);
	assert_string_equal(code, "un");
}

static void words_are_counted_as_they_are_split(void **state)
{
	static const char *const parts[] = {"a", "the", " ", "\n", "\t", "\x1c", "\xc2\xa0", "\xe3\x80\x80", "\xe2\x80\x8b", "\xc3\xa9", "word", "\x7f"};
	struct rng r = rng_open(4, 2);
	(void)state;
	for (int round = 0; round < 20000 / SELDOM; round++) {
		struct buf text = {0};
		struct spans words = {0};
		for (uint64_t n = rng_below(&r, 40); n > 0; n--)
			buf_str(&text, parts[rng_below(&r, sizeof(parts) / sizeof(*parts))]);
		buf_reserve(&text, 1);
		text_words(text.data, text.len, 0, INT64_MAX, &words);
		int64_t enough = (int64_t)rng_below(&r, 30);
		assert_int_equal(text_count_words(text.data, text.len, enough), words.n < enough ? words.n : enough);
		spans_release(&words);
		buf_release(&text);
	}
}

static void phrases_are_found_in_any_case(void **state)
{
	struct rng r = rng_open(5, 2);
	(void)state;
	for (int round = 0; round < 20000 / SELDOM; round++) {
		struct buf text = {0};
		bool want = false;
		for (uint64_t n = rng_below(&r, 60); n > 0; n--)
			buf_char(&text, "cCoOkKiIeE J\x4b\x0b"[rng_below(&r, 14)]);
		if (rng_below(&r, 2))
			buf_str(&text, rng_below(&r, 2) ? "cOOkie" : "cookie  ");
		buf_reserve(&text, 1);
		text.data[text.len] = 0;
		want = strcasestr(text.data, "cookie") != NULL;
		assert_int_equal(text_has_folded(text.data, text.len, "cookie"), want);
		buf_release(&text);
	}
}

/* Words and what stands between them, of a few kinds in each text, so that much of it repeats. */
static void random_text(struct rng *r, struct buf *text)
{
	static const char *const parts[] = {
		"a", "the", "mill", "river", "Don\xe2\x80\x99t", "can't", "3.5", "1,000", "x:y", "a.b", "_", ".", "...", "\xe2\x80\xa6", "- ", "#", " ", " ", " ",
		"\n", "\n\n", "\r\n", "\t", "\x1c", "\xc2\xa0", "\xe3\x80\x80", "\xc3\xa9", "e\xcc\x81", "\xe7\xa3\xa8", "\xf0\x9f\x9a\x80", "\xe2\x80\xa8", "'", ":", ";", "{",
		"a long line of prose that comes again and again, as notices do.", "[1]", "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
	};
	const uint64_t all = sizeof(parts) / sizeof(*parts);
	uint64_t kinds = 1 + rng_below(r, 12), kind[12], n = rng_below(r, 3) ? rng_below(r, 60) : rng_below(r, 1200);
	for (uint64_t k = 0; k < kinds; k++)
		kind[k] = rng_below(r, all);
	buf_clear(text);
	for (uint64_t i = 0; i < n; i++)
		buf_str(text, parts[rng_below(r, 40) ? kind[rng_below(r, kinds)] : rng_below(r, all)]);
	buf_reserve(text, 1);
}

static void words_of_ascii_are_found_by_bits_as_by_bytes(void **state)
{
	static const char *const isas[] = {"avx512", "avx2"};
	struct rng r = rng_open(6, 2);
	struct buf text = {0};
	struct spans want = {0}, got = {0};
	(void)state;
	for (int round = 0; round < 2000 / SELDOM; round++) {
		random_text(&r, &text);
		want.n = 0;
		words_ascii_force("plain");
		char_window_force("plain");
		assert_int_equal(words_split(WORDS_UNICODE, text.data, text.len, 0, INT64_MAX, &want), text.len);
		for (size_t k = 0; k < sizeof(isas) / sizeof(*isas); k++) {
			got.n = 0;
			if (!words_ascii_force(isas[k]))
				continue;
			words_split(WORDS_UNICODE, text.data, text.len, 0, INT64_MAX, &got);
			assert_int_equal(got.n, want.n);
			assert_memory_equal(got.v, want.v, (size_t)want.n * sizeof(*want.v));
		}
	}
	words_ascii_force(NULL);
	char_window_force(NULL);
	spans_release(&want);
	spans_release(&got);
	buf_release(&text);
}

static void classes_of_characters_are_those_of_their_tables(void **state)
{
	(void)state;
	for (uint32_t c = 0; c < 0x30000; c++) {
		if (c >= 0xd800 && c < 0xe000)
			continue;
		unsigned k = char_class(c);
		char s[4];
		int len, n = (int)utf8proc_encode_char((utf8proc_int32_t)c, (utf8proc_uint8_t *)s);
		if (k != char_class_of(c) || !(k & CHAR_SPACE) != !text_is_space(c) || !(k & CHAR_ALPHA) != !text_is_alpha(c) || text_decode_valid(s, &len) != c ||
		    len != n)
			fail_msg("U+%04X", c);
	}
}

/* Characters of every class of UAX 29, one behind the other as no text has them: the fast ways give what the rules give. */
static void words_are_the_segments_that_are_not_space(void **state)
{
	static const uint32_t firsts[] = {' ', '\n', '\r', '.', '\'', ':', ',', '"', '_', 'a', 'B', '7', '#', 0xe9, 0xad, 0xa0, 0x85, 0x2019, 0x200d, 0x200b, 0x300, 0x435, 0x5d0,
					  0x660, 0x93e, 0xe34, 0x1100, 0x2028, 0x203f, 0x3000, 0x30ab, 0x3042, 0x4e00, 0xac00, 0xa9, 0x2764, 0x1f1e6, 0x1f680, 0x1f3fb, 0xe0001};
	struct rng r = rng_open(9, 2);
	struct buf text = {0};
	struct spans want = {0}, got = {0};
	(void)state;
	for (int round = 0; round < 20000 / SELDOM; round++) {
		buf_clear(&text);
		want.n = got.n = 0;
		bool spaced = false;         /* of spaces that a mark follows, words have the last alone */
		for (uint64_t n = rng_below(&r, 100); n > 0; n--) {
			uint32_t c = firsts[rng_below(&r, sizeof(firsts) / sizeof(*firsts))];
			bool extends = c == 0xad || c == 0x200d || c == 0x200b || c == 0x300 || c == 0x93e || c == 0xe34 || c == 0x1f3fb || c == 0xe0001;
			if (!(extends && spaced))
				text_append_char(&text, c);
			spaced = c == ' ' || c == 0x3000 || (extends && spaced);
		}
		buf_reserve(&text, 1);
		for (size_t at = 0, end; at < text.len; at = end) {
			end = words_segment(text.data, text.len, at);
			if (text_strip(text.data + at, end - at).len)
				spans_add(&want, at, end - at);
		}
		for (int wide = 0; wide < 2; wide++) {
			char_window_force(wide ? NULL : "plain");
			got.n = 0;
			words_split(WORDS_UNICODE, text.data, text.len, 0, INT64_MAX, &got);
			assert_int_equal(got.n, want.n);
			assert_memory_equal(got.v ? got.v : (void *)"", want.v ? want.v : (void *)"", (size_t)want.n * sizeof(*want.v));
		}
	}
	spans_release(&want);
	spans_release(&got);
	buf_release(&text);
}

/* Of the same characters as above: letters, and where normal form C has something to do, which is what utf8proc does. */
static void windows_tell_what_characters_are(void **state)
{
	static const uint32_t all[] = {'a', ' ', '.', 0xe9, 0xa0, 0x435, 0x300, 0x327, 0x344, 0x93c, 0x928, 0xe34, 0xe38, 0xe48, 0x1100, 0x1161, 0x11a8, 0x3042, 0x3099,
				       0x4e00, 0xac00, 0x212b, 0xfb1d, 0x20000, 0x2f800, 0x1d15e, 0xe0001};
	struct rng r = rng_open(10, 2);
	struct buf text = {0}, got[2] = {{0}, {0}};
	(void)state;
	for (int round = 0; round < 5000 / SELDOM && char_window_force("avx512"); round++) {
		buf_clear(&text);
		for (uint64_t n = rng_below(&r, 120); n > 0; n--)
			text_append_char(&text, all[rng_below(&r, round % 3 ? sizeof(all) / sizeof(*all) : 8)]);
		buf_reserve(&text, 1);
		text.data[text.len] = 0;
		struct char_counts counts[2];
		size_t found[2];
		for (int wide = 0; wide < 2; wide++) {
			char_window_force(wide ? "avx512" : "plain");
			counts[wide] = char_window_count(text.data, text.len);
			found[wide] = char_window_find_unstable(text.data, text.len, 0);
			buf_clear(&got[wide]);
			text_repair(text.data, text.len, &got[wide]);
		}
		assert_memory_equal(&counts[0], &counts[1], sizeof(counts[0]));
		assert_int_equal(found[0], found[1]);
		utf8proc_uint8_t *nfc = NULL;
		assert_true(utf8proc_map((const utf8proc_uint8_t *)got[1].data, (utf8proc_ssize_t)got[1].len, &nfc, UTF8PROC_STABLE | UTF8PROC_COMPOSE) >= 0);
		for (int wide = 0; wide < 2; wide++) {
			assert_int_equal(got[wide].len, strlen((char *)nfc));
			assert_memory_equal(got[wide].data, nfc, got[wide].len);
		}
		free(nfc);
		utf8proc_map((const utf8proc_uint8_t *)text.data, (utf8proc_ssize_t)text.len, &nfc, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
		buf_clear(&text);
		text_repair((char *)nfc, strlen((char *)nfc), &text);        /* repair of the normal form is the normal form of the repair */
		assert_int_equal(text.len, got[0].len);
		assert_memory_equal(text.data, got[0].data, text.len);
		free(nfc);
	}
	char_window_force(NULL);
	buf_release(&text);
	buf_release(&got[0]);
	buf_release(&got[1]);
}

/* Hashes, lengths and sums of the same words. */
static void words_are_looked_at_alike(void **state)
{
	struct rng r = rng_open(8, 2);
	struct buf text = {0};
	struct spans words = {0};
	(void)state;
	for (int round = 0; round < 2000 / SELDOM && char_window_force("avx512"); round++) {
		uint64_t hash[2][4096];
		uint32_t chars_to[2][4096];
		struct look l[2] = {{0}};
		random_text(&r, &text);
		struct text_stats t = {.s = text.data, .n = text.len};
		words.n = 0;
		words_split(round % 2 ? WORDS_SPACE : WORDS_UNICODE, text.data, text.len, 0, 4000, &words);
		for (int k = 0; k < 2; k++) {
			char_window_force(k ? "plain" : "avx512");
			uint32_t half = look_at_some(&t, &words, 0, words.n / 2, 0, hash[k], chars_to[k], &l[k]);
			chars_to[k][words.n] = look_at_some(&t, &words, words.n / 2, words.n, half, hash[k], chars_to[k], &l[k]);
		}
		assert_memory_equal(hash[0], hash[1], (size_t)words.n * sizeof(hash[0][0]));
		assert_memory_equal(chars_to[0], chars_to[1], ((size_t)words.n + 1) * sizeof(chars_to[0][0]));
		assert_memory_equal(&l[0], &l[1], sizeof(l[0]));
	}
	char_window_force(NULL);
	spans_release(&words);
	buf_release(&text);
}

/* Every statistic, with pieces and tables of the usual size and with such as a text of a few words overflows. */
static void long_texts_are_measured_as_short_ones(void **state)
{
	struct rng r = rng_open(7, 2);
	struct buf text = {0};
	struct text_stats *pieces = text_stats_open();
	struct quality c4;
	(void)state;
	assert_int_equal(quality_preset(&c4, "none", NULL), OK);
	assert_int_equal(quality_set(&c4, "c4_fineweb_lines", NULL), OK);
	for (int round = 0; round < 1000 / SELDOM; round++) {
		random_text(&r, &text);
		pieces->piece_words = 8 + (int64_t)rng_below(&r, 30);
		pieces->lines_kept = (int64_t)rng_below(&r, 4);
		text_stats_set(stats, text.data, text.len);
		text_stats_set(pieces, text.data, text.len);
		for (int k = -1; k < N_STATS; k++)
			for (int how = 0; how < N_SPLITTERS; how++) {
				if (k < 0) {         /* half of the texts are rewritten first, with words split or not */
					if (round % 2 == how)
						text_stats_get(pieces, STAT_WORDS, (enum splitter)how);
					if (round % 4 == how && (quality_judge(&c4, stats, NULL, NULL).rule >= 0 || quality_judge(&c4, pieces, NULL, NULL).rule >= 0))
						fail();
					continue;
				}
				double want = text_stats_get(stats, (enum stat)k, (enum splitter)how), got = text_stats_get(pieces, (enum stat)k, (enum splitter)how);
				if (!(want == got || (want != want && got != got)))
					fail_msg("%s, round %d: %.17g of one piece, %.17g of several", stat_name((enum stat)k), round, want, got);
			}
	}
	text_stats_close(pieces);
	buf_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_of_ascii_are_found_by_bits_as_by_bytes), cmocka_unit_test(words_are_looked_at_alike), cmocka_unit_test(windows_tell_what_characters_are), cmocka_unit_test(classes_of_characters_are_those_of_their_tables), cmocka_unit_test(words_are_the_segments_that_are_not_space),
		cmocka_unit_test(long_texts_are_measured_as_short_ones),
		cmocka_unit_test(words_are_counted_as_they_are_split),
		cmocka_unit_test(phrases_are_found_in_any_case),
		cmocka_unit_test(gopher_rules_hold_at_their_thresholds), cmocka_unit_test(repetition_counts_second_copies),
		cmocka_unit_test(c4_keeps_the_lines_that_are_sentences), cmocka_unit_test(fineweb_rules_count_lines),
		cmocka_unit_test(presets_and_names), cmocka_unit_test(text_is_repaired), cmocka_unit_test(words_are_pythons),
		cmocka_unit_test(mojibake_is_read_back), cmocka_unit_test(words_are_unicodes), cmocka_unit_test(stop_words_of_many_languages),
		cmocka_unit_test(sentences_end_behind_terminals),
		cmocka_unit_test(languages_are_told_apart),
	};
	stats = text_stats_open();
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	text_stats_close(stats);
	return failed;
}
