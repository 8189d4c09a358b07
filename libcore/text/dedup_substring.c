/* dedup_substring.c - spans of bytes that repeat in the corpus; see dedup.h and repeats.h. */
#include "text/dedup_cut.h"

#include "text/repeats.h"

#include <math.h>

struct substring {
	struct dedup_common common;
	struct dedup_substring o;
	struct buf corpus;
	int64_t *ends, n, cap;       /* of documents */
	uint64_t *starts;
	int64_t row, bytes_cut, spans;
	struct buf text;             /* of the row that was judged last */
};

static enum status add(void *self, const struct batch *b, const void *facts, struct error *err)
{
	struct substring *x = self;
	const struct array *a = batch_column(b, "text");
	(void)facts;
	for (int64_t i = 0; i < b->rows; i++) {
		size_t n;
		const char *s = array_text(a, i, &n);
		size_t need = x->corpus.len + n;
		if (need + repeats_memory((int64_t)need) > x->common.memory)
			return error_set(err, ERR_MEMORY, "--memory: %zu bytes do not hold the suffixes of more than %zu bytes of text",
					 x->common.memory, x->corpus.len);
		buf_add(&x->corpus, s, n);
		MEM_PUSH_ROOM(x->ends, x->n, x->cap);
		x->ends[x->n++] = (int64_t)x->corpus.len;
	}
	return OK;
}

static enum status decide(void *self, struct error *err)
{
	struct substring *x = self;
	const struct repeats_corpus c = {(const uint8_t *)x->corpus.data, (int64_t)x->corpus.len, x->ends, x->n};
	return repeats_find(&c, x->o.bytes, x->common.keep == KEEP_NONE, &x->starts, err);
}

/* The first place at or behind i where a character starts. */
static size_t character_from(const char *s, size_t n, size_t i)
{
	while (i < n && ((unsigned char)s[i] & 0xc0) == 0x80)
		i++;
	return i;
}

/* The last place at or before i where one does. */
static size_t character_to(const char *s, size_t n, size_t i)
{
	while (i > 0 && i < n && ((unsigned char)s[i] & 0xc0) == 0x80)
		i--;
	return i;
}

static enum status judge(void *self, const struct batch *b, void *facts, int64_t row, struct verdict *v, struct error *err)
{
	struct substring *x = self;
	size_t n, kept = 0;
	const char *s = array_text(batch_column(b, "text"), row, &n);
	int64_t base = x->row ? x->ends[x->row - 1] : 0, end = x->ends[x->row], from, to = base;
	(void)facts;
	(void)err;
	x->row++;
	*v = (struct verdict){.similarity = NAN};
	buf_clear(&x->text);
	while (repeats_span(x->starts, x->o.bytes, to, end, &from, &to)) {
		size_t cut = character_from(s, n, (size_t)(from - base)), on = character_to(s, n, (size_t)(to - base));
		if (cut >= on)
			continue;
		buf_add(&x->text, s + kept, cut - kept);
		kept = on;
		x->spans++;
	}
	if (kept == 0)
		return OK;
	buf_add(&x->text, s + kept, n - kept);
	*v = dedup_cut_verdict(&x->text, n, x->o.share_max, "repeated_parts");
	x->bytes_cut += v->reason ? 0 : v->cut_bytes;
	return OK;
}

static void stats(const void *self, void (*tell)(void *arg, const char *key, int64_t n), void *arg)
{
	const struct substring *x = self;
	tell(arg, "spans", x->spans);
	tell(arg, "bytes_cut", x->bytes_cut);
	tell(arg, "index_bytes", (int64_t)(x->corpus.len + repeats_memory((int64_t)x->corpus.len)));
}

static void close_substring(void *self)
{
	struct substring *x = self;
	buf_release(&x->corpus);
	buf_release(&x->text);
	mem_free(x->ends);
	mem_free(x->starts);
	mem_free(x);
}

enum status dedup_substring_open(struct dedup_method *m, const struct dedup_common *common, const struct dedup_substring *o, struct error *err)
{
	TRY(dedup_cut_check(common, err));
	struct substring *x = mem_zalloc(sizeof(*x));
	x->common = *common;
	x->o = *o;
	*m = (struct dedup_method){x, NULL, NULL, add, decide, judge, NULL, stats, close_substring, true};
	return OK;
}
