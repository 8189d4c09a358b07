#include "judge/metric_ter.h"

#include "judge/metric.h"

#define MAX_SHIFT_SIZE 10
#define MAX_SHIFT_DIST 50
#define BEAM 25
#define MAX_CANDIDATES 1000
#define INFINITE (1 << 30)

/* A row of the table of distances: columns [from, to), the others are infinite. */
struct row {
	int64_t from, to;
	int32_t *d;
};

struct ter_memory {
	const uint32_t *ref;
	int64_t n_ref, n;            /* words of the reference and of the prediction */
	struct tokens words, shifted, best;          /* the prediction as shifted so far; with the shift tried; with the best one */
	struct row *rows;            /* n + 1 rows of words */
	int32_t *cells;
	struct row spare[2];         /* the last two rows of shifted */
	int32_t *spare_cells[2];
	size_t cap_rows, cap_cells, cap_spare;
	double ratio;                /* n_ref / n */
	int64_t beam;
	int64_t *align;              /* for each word of the reference, the prediction's it stands at, -1 before the first */
	int32_t *ref_errors, *errors;        /* running counts of words that are not matched, n + 1 each */
	size_t cap_align, cap_errors;
};

void ter_memory_free(struct ter_memory *t)
{
	if (!t)
		return;
	tokens_release(&t->words);
	tokens_release(&t->shifted);
	tokens_release(&t->best);
	mem_free(t->rows);
	mem_free(t->cells);
	mem_free(t->spare_cells[0]);
	mem_free(t->spare_cells[1]);
	mem_free(t->align);
	mem_free(t->ref_errors);
	mem_free(t->errors);
	mem_free(t);
}

/* --- distances ---------------------------------------------------------------------------------------------- */

static void bounds(const struct ter_memory *t, int64_t i, int64_t *from, int64_t *to)
{
	int64_t diagonal = (int64_t)floor((double)i * t->ratio);
	*from = diagonal > t->beam ? diagonal - t->beam : 0;
	*to = i == t->n || diagonal + t->beam > t->n_ref + 1 ? t->n_ref + 1 : diagonal + t->beam;
	if (*to < *from)
		*to = *from;
}

static inline int32_t at(const struct row *r, int64_t j)
{
	return j >= r->from && j < r->to ? r->d[j - r->from] : INFINITE;
}

/* Row i, for the word before it, out of the row above. */
static void fill_row(const struct ter_memory *t, int64_t i, uint32_t word, const struct row *above, struct row *out)
{
	bounds(t, i, &out->from, &out->to);
	int64_t j = out->from;
	int32_t left = INFINITE, diagonal = INFINITE;
	if (j == 0 && j < out->to)
		left = out->d[0] = at(above, 0) + 1, diagonal = at(above, 0), j = 1;
	else
		diagonal = at(above, j - 1);
	for (; j < out->to; j++) {
		int32_t up = at(above, j), d = diagonal + (t->ref[j - 1] != word);
		if (up + 1 < d)
			d = up + 1;
		if (left + 1 < d)
			d = left + 1;
		if (d > INFINITE)
			d = INFINITE;
		out->d[j - out->from] = left = d;
		diagonal = up;
	}
}

/* The table of t->words; returns its distance. */
static int64_t fill_table(struct ter_memory *t)
{
	int64_t first = t->n_ref + 1;
	size_t used = 0;
	t->rows[0] = (struct row){ 0, first, t->cells };
	for (int64_t j = 0; j < first; j++)
		t->cells[j] = (int32_t)j;
	used = (size_t)first;
	for (int64_t i = 1; i <= t->n; i++) {
		t->rows[i].d = t->cells + used;
		fill_row(t, i, t->words.v[i - 1], &t->rows[i - 1], &t->rows[i]);
		used += (size_t)(t->rows[i].to - t->rows[i].from);
	}
	return at(&t->rows[t->n], t->n_ref);
}

/* Whether a is b plus *offset throughout. */
static bool is_parallel(const struct row *a, const struct row *b, int32_t *offset)
{
	int64_t n = a->to - a->from;
	*offset = n ? a->d[0] - b->d[0] : 0;
	for (int64_t k = 1; k < n; k++)
		if (a->d[k] - b->d[k] != *offset)
			return false;
	return true;
}

/* Distance of t->shifted, which differs from t->words in [from, to) alone. */
static int64_t shifted_distance(struct ter_memory *t, int64_t from, int64_t to, int64_t before)
{
	const struct row *above = &t->rows[from];
	int32_t offset;
	for (int64_t i = from + 1; i <= t->n; i++) {
		struct row *r = &t->spare[i & 1];
		fill_row(t, i, t->shifted.v[i - 1], above, r);
		if (i >= to && is_parallel(r, &t->rows[i], &offset))
			return before + offset;
		above = r;
	}
	return at(above, t->n_ref);
}

/* Follows the table back, with the preferences of Tercom: keep or replace, then delete, then insert. */
static void align_words(struct ter_memory *t)
{
	int64_t i = t->n, j = t->n_ref;
	while (i > 0 || j > 0) {
		int32_t d = at(&t->rows[i], j);
		bool same = i > 0 && j > 0 && t->words.v[i - 1] == t->ref[j - 1];
		if (i > 0 && j > 0 && at(&t->rows[i - 1], j - 1) + !same == d) {
			t->errors[i] = t->ref_errors[j] = !same;
			t->align[j - 1] = i - 1;
			i--, j--;
		} else if (i > 0 && (j == 0 || at(&t->rows[i - 1], j) + 1 == d)) {
			t->errors[i--] = 1;
		} else {
			t->ref_errors[j] = 1;
			t->align[j - 1] = i - 1;
			j--;
		}
	}
	t->errors[0] = t->ref_errors[0] = 0;
	for (i = 1; i <= t->n; i++)
		t->errors[i] += t->errors[i - 1];
	for (j = 1; j <= t->n_ref; j++)
		t->ref_errors[j] += t->ref_errors[j - 1];
}

/* --- shifts --------------------------------------------------------------------------------------------------- */

struct shift {
	int64_t gain, length, start, target;         /* words [start, start + length) go before word target */
};

/* shifted = words with that shift; [*from, *to) is what it changes. */
static void shift_words(struct ter_memory *t, int64_t start, int64_t length, int64_t target, int64_t *from, int64_t *to)
{
	const uint32_t *w = t->words.v;
	uint32_t *o = t->shifted.v;
	int64_t n = t->n, end = start + length;
	if (target < start) {
		*from = target, *to = end;
	} else {
		/* A target within the run moves it by target - start words, as Tercom does. */
		int64_t over = target > end ? target : length + target;
		*from = start, *to = over < n ? over : n;
	}
	memcpy(o, w, (size_t)n * sizeof(*w));
	if (target < start) {
		memcpy(o + target, w + start, (size_t)length * sizeof(*w));
		memcpy(o + target + length, w + target, (size_t)(start - target) * sizeof(*w));
	} else {
		memcpy(o + start, w + end, (size_t)(*to - end) * sizeof(*w));
		memcpy(o + start + *to - end, w + start, (size_t)length * sizeof(*w));
	}
}

static bool is_better(const struct shift *a, const struct shift *b)
{
	if (a->gain != b->gain)
		return a->gain > b->gain;
	if (a->length != b->length)
		return a->length > b->length;
	return a->start != b->start ? a->start < b->start : a->target < b->target;
}

/* Tries the run of a match at every place around its counterpart. */
static void try_run(struct ter_memory *t, int64_t start, int64_t start_ref, int64_t length, int64_t before, struct shift *best,
		    int64_t *tried)
{
	int64_t last = -1, from, to;
	if (t->errors[start + length] == t->errors[start] || t->ref_errors[start_ref + length] == t->ref_errors[start_ref])
		return;
	if (t->align[start_ref] >= start && t->align[start_ref] < start + length)
		return;
	for (int64_t k = -1; k < length && start_ref + k < t->n_ref; k++) {
		int64_t target = start_ref + k < 0 ? 0 : t->align[start_ref + k] + 1;
		if (target == last)
			continue;
		last = target;
		shift_words(t, start, length, target, &from, &to);
		struct shift s = { before - shifted_distance(t, from, to, before), length, start, target };
		(*tried)++;
		if (best->length == 0 || is_better(&s, best)) {
			*best = s;
			memcpy(t->best.v, t->shifted.v, (size_t)t->n * sizeof(*t->best.v));
		}
	}
}

/* The shift that gains most; length 0 if none was to be tried. */
static struct shift find_shift(struct ter_memory *t, int64_t before, int64_t *tried)
{
	struct shift best = { 0 };
	for (int64_t h = 0; h < t->n; h++) {
		int64_t first = h > MAX_SHIFT_DIST ? h - MAX_SHIFT_DIST : 0;
		for (int64_t r = first; r < t->n_ref && r <= h + MAX_SHIFT_DIST; r++) {
			for (int64_t k = 0; k < MAX_SHIFT_SIZE && h + k < t->n && r + k < t->n_ref; k++) {
				if (t->words.v[h + k] != t->ref[r + k])
					break;
				try_run(t, h, r, k + 1, before, &best, tried);
				if (*tried >= MAX_CANDIDATES)
					return best;
			}
		}
	}
	return best;
}

static void room(void **p, size_t *cap, size_t n, size_t size)
{
	if (n <= *cap && *p)
		return;
	mem_free(*p);
	*p = mem_array(n, size);
	*cap = n;
}

static void words_room(struct tokens *t, int64_t n)
{
	if (n > t->cap || !t->v) {
		t->cap = n + 1;
		t->v = mem_grow(t->v, (size_t)t->cap, sizeof(*t->v));
	}
}

static void prepare(struct ter_memory *t, const struct tokens *prediction, const struct tokens *reference)
{
	size_t rows, width;
	t->ref = reference->v;
	t->n_ref = reference->n;
	t->n = prediction->n;
	t->ratio = t->n ? (double)t->n_ref / (double)t->n : 1;
	t->beam = BEAM < t->ratio / 2 ? (int64_t)ceil(t->ratio / 2 + BEAM) : BEAM;
	words_room(&t->words, t->n);
	words_room(&t->shifted, t->n);
	words_room(&t->best, t->n);
	if (t->n)
		memcpy(t->words.v, prediction->v, (size_t)t->n * sizeof(*t->words.v));
	rows = (size_t)t->n + 1;
	/* The last row reaches from its band to the reference's end: the diagonal ends there, give or take one. */
	width = (size_t)(2 * t->beam + 2 < t->n_ref + 1 ? 2 * t->beam + 2 : t->n_ref + 1);
	room((void **)&t->rows, &t->cap_rows, rows, sizeof(*t->rows));
	room((void **)&t->cells, &t->cap_cells, rows * width + (size_t)t->n_ref + 1, sizeof(*t->cells));
	if (t->cap_spare < width) {
		for (int i = 0; i < 2; i++) {
			mem_free(t->spare_cells[i]);
			t->spare[i].d = t->spare_cells[i] = mem_array(width, sizeof(*t->spare_cells[i]));
		}
		t->cap_spare = width;
	}
	if (t->cap_align < (size_t)t->n_ref + 1) {
		mem_free(t->ref_errors);
		t->ref_errors = mem_array((size_t)t->n_ref + 1, sizeof(*t->ref_errors));
		room((void **)&t->align, &t->cap_align, (size_t)t->n_ref + 1, sizeof(*t->align));
	}
	room((void **)&t->errors, &t->cap_errors, rows, sizeof(*t->errors));
}

int64_t ter_edits(struct ter_memory **memory, const struct tokens *prediction, const struct tokens *reference)
{
	int64_t shifts = 0, tried = 0, distance;
	struct ter_memory *t = *memory;
	if (reference->n == 0)
		return prediction->n;
	if (!t)
		t = *memory = mem_zalloc(sizeof(*t));
	prepare(t, prediction, reference);
	for (distance = fill_table(t); distance > 0; shifts++) {
		align_words(t);
		struct shift s = find_shift(t, distance, &tried);
		if (tried >= MAX_CANDIDATES || s.length == 0 || s.gain <= 0)
			break;
		struct tokens old = t->words;
		t->words = t->best;
		t->best = old;
		distance = fill_table(t);
	}
	return shifts + distance;
}

/* --- the metric: edits, mean length of the references ------------------------------------------------------------ */

static bool ter_segment(struct metric_scratch *m, const struct metric_options *o, const struct metric_text *prediction,
			const struct metric_text *references, int n_references, double *stats)
{
	int64_t best = INT64_MAX, lengths = 0;
	metric_references(m, 1);
	tokenize_ter(&m->tokenizing, &o->tercom, false, prediction->s, prediction->n, &m->words, &m->prediction);
	for (int i = 0; i < n_references; i++) {
		m->references[0].n = 0;
		tokenize_ter(&m->tokenizing, &o->tercom, true, references[i].s, references[i].n, &m->words, &m->references[0]);
		if (m->prediction.n > TER_WORDS || m->references[0].n > TER_WORDS)
			return false;
		int64_t edits = ter_edits(&m->ter, &m->prediction, &m->references[0]);
		best = edits < best ? edits : best;
		lengths += m->references[0].n;
	}
	stats[0] = (double)best;
	stats[1] = (double)lengths / n_references;
	return true;
}

static void ter_values(const struct metric_options *o, const double *sums, int64_t rows, double *values)
{
	(void)o;
	(void)rows;
	values[0] = 100 * (sums[1] > 0 ? sums[0] / sums[1] : sums[0] > 0);
}

static void ter_sign(const struct metric_options *o, int n_references, struct buf *out)
{
	const struct tercom *t = &o->tercom;
	metric_sign_references(n_references, out);
	buf_printf(out, "|case:%s|tok:tercom|norm:%s|punct:%s|asian:%s", t->case_sensitive ? "mixed" : "lc",
		   t->normalized ? "yes" : "no", t->no_punct ? "no" : "yes", t->asian ? "yes" : "no");
}

const struct metric metric_ter = {
	.name = "ter", .n_stats = 2, .n_values = 1, .values = { { "ter", false } }, .corpus = true, .segment = ter_segment,
	.score = ter_values, .sign = ter_sign,
};
