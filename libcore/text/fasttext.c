/* fasttext.c - see fasttext.h. */
#include "text/fasttext.h"

#include "base/file.h"

#include <math.h>

#define MAGIC 793712314
#define LABEL "__label__"
#define END_OF_LINE "</s>"
#define CENTROIDS 256

enum loss { HIERARCHICAL = 1, NEGATIVE_SAMPLING, SOFTMAX, ONE_VS_ALL };

/* Product quantiser: each of parts pieces of a row is one of 256 centroids. */
struct quantiser {
	int32_t dim, parts, piece, last_piece;
	const char *centroids;       /* float[dim * 256], not aligned */
};

struct matrix {
	int64_t rows, columns;
	const char *values;          /* float[rows * columns], not aligned; NULL: quantised */
	const uint8_t *codes, *norm_codes; /* norm_codes NULL: rows have no norms of their own */
	struct quantiser q, norms;
};

struct node {
	int32_t left, right;
	int64_t count;
};

struct fasttext {
	struct buf file;
	int32_t dim, word_ngrams, loss, buckets, min_chars, max_chars;
	int32_t words, labels;
	const char **names;          /* of words, then labels */
	int64_t *counts;
	int32_t *slots;              /* 1 + word, by hash */
	uint32_t mask;
	int64_t pruned;              /* -1: all buckets are there */
	int32_t *bucket_row;         /* of each bucket, -1 where pruned */
	struct matrix input, output;
	struct node *tree;           /* HIERARCHICAL: 2 * labels - 1 */
};

/* --- reading ---------------------------------------------------------------------------------- */

struct cursor {
	const char *p, *end;
	bool bad;
};

static const char *take(struct cursor *c, int64_t n, int64_t size)
{
	int64_t bytes;
	if (c->bad || n < 0 || __builtin_mul_overflow(n, size, &bytes) || bytes > c->end - c->p) {
		c->bad = true;
		return NULL;
	}
	const char *p = c->p;
	c->p += bytes;
	return p;
}

static int32_t take_int(struct cursor *c)
{
	int32_t v = 0;
	const char *p = take(c, 1, 4);
	if (p)
		memcpy(&v, p, 4);
	return v;
}

static int64_t take_long(struct cursor *c)
{
	int64_t v = 0;
	const char *p = take(c, 1, 8);
	if (p)
		memcpy(&v, p, 8);
	return v;
}

static bool take_bool(struct cursor *c)
{
	const char *p = take(c, 1, 1);
	return p && *p;
}

static const char *take_name(struct cursor *c)
{
	const char *end = c->bad ? NULL : memchr(c->p, 0, (size_t)(c->end - c->p));
	return end ? take(c, end - c->p + 1, 1) : (c->bad = true, (const char *)NULL);
}

static void take_quantiser(struct cursor *c, struct quantiser *q)
{
	q->dim = take_int(c);
	q->parts = take_int(c);
	q->piece = take_int(c);
	q->last_piece = take_int(c);
	c->bad = c->bad || q->dim < 1 || q->parts < 1 || q->piece < 1 || q->last_piece < 1 || q->last_piece > q->piece ||
		 (int64_t)(q->parts - 1) * q->piece + q->last_piece != q->dim;
	q->centroids = take(c, q->dim, CENTROIDS * 4);
}

static void take_matrix(struct cursor *c, struct matrix *m, bool quantised)
{
	bool norms = quantised && take_bool(c);
	int64_t floats;
	m->rows = take_long(c);
	m->columns = take_long(c);
	if (m->rows < 0 || m->columns < 1 || m->rows > INT32_MAX || m->columns > INT32_MAX || __builtin_mul_overflow(m->rows, m->columns, &floats)) {
		c->bad = true;
	} else if (!quantised) {
		m->values = take(c, floats, 4);
	} else {
		int32_t codes = take_int(c);
		m->codes = (const uint8_t *)take(c, codes, 1);
		take_quantiser(c, &m->q);
		c->bad = c->bad || m->q.dim != m->columns || m->rows * m->q.parts != codes;
		if (norms) {
			m->norm_codes = (const uint8_t *)take(c, m->rows, 1);
			take_quantiser(c, &m->norms);
		}
	}
}

static uint32_t hash_of(const char *s, size_t n)
{
	uint32_t h = 2166136261u;
	for (size_t i = 0; i < n; i++)
		h = (h ^ (uint32_t)(int8_t)s[i]) * 16777619u;
	return h;
}

static int32_t find_word(const struct fasttext *m, const char *s, size_t n, uint32_t hash)
{
	for (uint32_t at = hash & m->mask; m->slots[at]; at = (at + 1) & m->mask) {
		const char *name = m->names[m->slots[at] - 1];
		if (strlen(name) == n && memcmp(name, s, n) == 0)
			return m->slots[at] - 1;
	}
	return -1;
}

static void take_dictionary(struct cursor *c, struct fasttext *m)
{
	int32_t size = take_int(c);
	m->words = take_int(c);
	m->labels = take_int(c);
	take_long(c);
	m->pruned = take_long(c);
	if (c->bad || m->words < 0 || m->labels < 1 || (int64_t)m->words + m->labels != size || size > (c->end - c->p) / 10) {
		c->bad = true;       /* an entry has at least ten bytes */
		return;
	}
	m->names = mem_array((size_t)size, sizeof(*m->names));
	m->counts = mem_array((size_t)size, sizeof(*m->counts));
	for (m->mask = 64; m->mask < (uint32_t)size * 2; m->mask *= 2) {
	}
	m->slots = mem_array(m->mask, sizeof(*m->slots));
	m->mask--;
	for (int32_t i = 0; i < size && !c->bad; i++) {
		m->names[i] = take_name(c);
		m->counts[i] = take_long(c);
		bool label = take_bool(c);
		c->bad = c->bad || label != (i >= m->words) || m->counts[i] < 0;
		if (c->bad)
			return;
		uint32_t at = hash_of(m->names[i], strlen(m->names[i])) & m->mask;
		while (m->slots[at])
			at = (at + 1) & m->mask;
		m->slots[at] = i + 1;
	}
}

/* Buckets that pruning kept, and their rows. */
static void take_pruned(struct cursor *c, struct fasttext *m)
{
	if (c->bad || m->pruned < 0 || m->pruned > (c->end - c->p) / 8 || m->buckets < 0) {
		c->bad = c->bad || m->pruned > 0;
		return;
	}
	if (m->pruned && (int64_t)m->buckets > (1 << 28)) {
		c->bad = true;
		return;
	}
	m->bucket_row = m->pruned ? mem_array((size_t)m->buckets, sizeof(*m->bucket_row)) : NULL;
	for (int32_t i = 0; m->pruned && i < m->buckets; i++)
		m->bucket_row[i] = -1;
	for (int64_t i = 0; i < m->pruned && !c->bad; i++) {
		int32_t bucket = take_int(c), row = take_int(c);
		c->bad = c->bad || bucket < 0 || bucket >= m->buckets || row < 0 || row >= m->pruned;
		if (!c->bad)
			m->bucket_row[bucket] = row;
	}
}

#define COUNT_MAX ((int64_t)1e15)    /* of a node that is not made yet */

/* Whether the labels' counts fall, as training writes them, and are few enough to add up. */
static bool counts_fall(const struct fasttext *m)
{
	int64_t sum = 0;
	for (int32_t i = 0; i < m->labels; i++) {
		int64_t count = m->counts[m->words + i];
		if (count >= COUNT_MAX - sum || (i && count > m->counts[m->words + i - 1]))
			return false;
		sum += count;
	}
	return m->labels <= 1 << 24;
}

/* Huffman's tree over the labels' counts, as fastText builds it. */
static void build_tree(struct fasttext *m)
{
	int32_t n = m->labels, leaf = n - 1, node = n;
	m->tree = mem_array((size_t)(2 * (int64_t)n - 1), sizeof(*m->tree));
	for (int32_t i = 0; i < 2 * n - 1; i++)
		m->tree[i] = (struct node){-1, -1, i < n ? m->counts[m->words + i] : COUNT_MAX};
	for (int32_t i = n; i < 2 * n - 1; i++) {
		int32_t least[2];
		for (int k = 0; k < 2; k++)
			least[k] = leaf >= 0 && m->tree[leaf].count < m->tree[node].count ? leaf-- : node++;
		m->tree[i] = (struct node){least[0], least[1], m->tree[least[0]].count + m->tree[least[1]].count};
	}
}

static enum status parse(struct fasttext *m, struct cursor *c, struct error *err)
{
	int32_t args[12] = {0};
	int32_t magic = take_int(c), version = take_int(c);
	if (c->bad || magic != MAGIC)
		return error_set(err, ERR_DATA, "not a fastText model");
	if (version != 12)
		return error_set(err, ERR_DATA, "a fastText model of version %d; 12 is read", (int)version);
	for (int i = 0; i < 12; i++)
		args[i] = take_int(c);
	take_long(c);                /* sampling threshold */
	m->dim = args[0];
	m->word_ngrams = args[5];
	m->loss = args[6];
	m->buckets = args[8];
	m->min_chars = args[9];
	m->max_chars = args[10];
	if (!c->bad && args[7] != 3)
		return error_set(err, ERR_DATA, "a fastText model of word vectors; one that was trained by 'supervised' is wanted");
	if (c->bad || m->dim < 1 || m->dim > 1 << 16 || m->loss < HIERARCHICAL || m->loss > ONE_VS_ALL || m->buckets < 0 || m->word_ngrams > 100 ||
	    m->max_chars > 100 || ((m->max_chars > 0 || m->word_ngrams > 1) && m->buckets < 1))
		return error_set(err, ERR_DATA, "a damaged fastText model: its settings are out of range");
	take_dictionary(c, m);
	take_pruned(c, m);
	bool quantised = take_bool(c);
	take_matrix(c, &m->input, quantised);
	bool quantised_output = take_bool(c);
	take_matrix(c, &m->output, quantised && quantised_output);
	int64_t rows = m->words + (m->pruned >= 0 ? m->pruned : (int64_t)m->buckets);
	if (c->bad || m->input.columns != m->dim || m->output.columns != m->dim || m->output.rows != m->labels || m->input.rows < rows)
		return error_set(err, ERR_DATA, "a damaged or cut-off fastText model");
	if (m->loss == HIERARCHICAL && !counts_fall(m))
		return error_set(err, ERR_DATA, "a damaged fastText model: its labels are not in the order of their counts");
	if (m->loss == HIERARCHICAL)
		build_tree(m);
	return OK;
}

enum status fasttext_read(struct fasttext **out, const char *data, size_t n, struct error *err)
{
	struct fasttext *m = mem_zalloc(sizeof(*m));
	struct cursor c = {data, data + n, false};
	enum status st = parse(m, &c, err);
	if (st != OK) {
		fasttext_close(m);
		return st;
	}
	*out = m;
	return OK;
}

enum status fasttext_open(struct fasttext **out, const char *path, struct error *err)
{
	struct buf file = {0};
	enum status st = file_read_all(path, (size_t)8 << 30, &file, err);
	if (st == OK)
		st = error_prefix(err, fasttext_read(out, file.data ? file.data : "", file.len, err), "%s", path);
	if (st == OK)
		(*out)->file = file;
	else
		buf_release(&file);
	return st;
}

void fasttext_close(struct fasttext *m)
{
	if (!m)
		return;
	buf_release(&m->file);
	mem_free(m->names);
	mem_free(m->counts);
	mem_free(m->slots);
	mem_free(m->bucket_row);
	mem_free(m->tree);
	mem_free(m);
}

bool fasttext_has(const struct fasttext *m, const char *label)
{
	for (int32_t i = 0; i < m->labels; i++) {
		const char *name = m->names[m->words + i];
		if (strncmp(name, LABEL, sizeof(LABEL) - 1) == 0 && strcmp(name + sizeof(LABEL) - 1, label) == 0)
			return true;
	}
	return false;
}

/* --- the rows of a text --------------------------------------------------------------------------- */

static void push_row(struct fasttext_scratch *x, int32_t row)
{
	MEM_PUSH_ROOM(x->rows, x->n_rows, x->cap_rows);
	x->rows[x->n_rows++] = row;
}

static void push_bucket(const struct fasttext *m, struct fasttext_scratch *x, int32_t bucket)
{
	if (m->pruned == 0)
		return;
	int32_t row = m->pruned > 0 ? m->bucket_row[bucket] : bucket;
	if (row >= 0)
		push_row(x, m->words + row);
}

/* Character n-grams of <word>, none of which is a bracket alone. */
static void push_ngrams(const struct fasttext *m, struct fasttext_scratch *x, const char *word, size_t len)
{
	buf_clear(&x->word);
	buf_char(&x->word, '<');
	buf_add(&x->word, word, len);
	buf_char(&x->word, '>');
	const char *s = x->word.data;
	size_t size = x->word.len;
	for (size_t i = 0; i < size; i++) {
		if ((s[i] & 0xc0) == 0x80)
			continue;
		size_t j = i;
		for (int n = 1; j < size && n <= m->max_chars; n++) {
			for (j++; j < size && (s[j] & 0xc0) == 0x80; j++) {
			}
			if (n >= m->min_chars && !(n == 1 && (i == 0 || j == size)))
				push_bucket(m, x, (int32_t)(hash_of(s + i, j - i) % (uint32_t)m->buckets));
		}
	}
}

static bool ends_line(const char *s, size_t n)
{
	return n == sizeof(END_OF_LINE) - 1 && memcmp(s, END_OF_LINE, n) == 0;
}

static void push_word(const struct fasttext *m, struct fasttext_scratch *x, const char *s, size_t n)
{
	uint32_t hash = hash_of(s, n);
	int32_t word = find_word(m, s, n, hash);
	if (word >= m->words || (word < 0 && n >= sizeof(LABEL) - 1 && memcmp(s, LABEL, sizeof(LABEL) - 1) == 0))
		return;              /* a label in the text says nothing about it */
	if (word >= 0)
		push_row(x, word);
	if (m->max_chars > 0 && !ends_line(s, n))
		push_ngrams(m, x, s, n);
	MEM_PUSH_ROOM(x->hashes, x->n_hashes, x->cap_hashes);
	x->hashes[x->n_hashes++] = (int32_t)hash;
}

static void push_word_ngrams(const struct fasttext *m, struct fasttext_scratch *x)
{
	for (int64_t i = 0; i < x->n_hashes; i++) {
		uint64_t h = (uint64_t)(int64_t)x->hashes[i];
		for (int64_t j = i + 1; j < x->n_hashes && j < i + m->word_ngrams; j++) {
			h = h * 116049371u + (uint64_t)(int64_t)x->hashes[j];
			push_bucket(m, x, (int32_t)(h % (uint64_t)m->buckets));
		}
	}
}

static bool parts_words(char c)
{
	return c == ' ' || (c >= 9 && c <= 13) || c == 0;
}

/* Of a quantised row, adds factor times itself to v, or gives its product with v. */
static void add_quantised(const struct matrix *a, int64_t row, float factor, float *v)
{
	if (a->norm_codes) {
		float norm;
		memcpy(&norm, a->norms.centroids + a->norm_codes[row] * (size_t)4, 4);
		factor *= norm;
	}
	for (int32_t part = 0; part < a->q.parts; part++) {
		int32_t width = part == a->q.parts - 1 ? a->q.last_piece : a->q.piece;
		const char *c = a->q.centroids + 4 * ((size_t)part * CENTROIDS * (size_t)a->q.piece + (size_t)a->codes[row * a->q.parts + part] * (size_t)width);
		for (int32_t k = 0; k < width; k++) {
			float value;
			memcpy(&value, c + 4 * (size_t)k, 4);
			v[part * a->q.piece + k] += factor * value;
		}
	}
}

static void add_row(const struct matrix *a, int64_t row, float factor, float *v)
{
	if (!a->values) {
		add_quantised(a, row, factor, v);
		return;
	}
	const char *p = a->values + (size_t)(row * a->columns) * 4;
	for (int64_t k = 0; k < a->columns; k++) {
		float value;
		memcpy(&value, p + 4 * k, 4);
		v[k] += factor * value;
	}
}

/* Product of an output row with the hidden vector; tmp is room for a row. */
static float product(const struct fasttext *m, int64_t row, const float *hidden, float *tmp)
{
	float sum = 0;
	memset(tmp, 0, (size_t)m->dim * sizeof(float));
	add_row(&m->output, row, 1, tmp);
	for (int32_t k = 0; k < m->dim; k++)
		sum += tmp[k] * hidden[k];
	return sum;
}

/* --- prediction --------------------------------------------------------------------------------- */

#define SIGMOID_MAX 8
#define SIGMOID_STEPS 512

/* As fastText's table has it, which its one-vs-all and negative sampling predict with. */
static float table_sigmoid(float v)
{
	if (v < -SIGMOID_MAX || v > SIGMOID_MAX)
		return v > 0;
	float step = (float)(int64_t)((v + SIGMOID_MAX) * SIGMOID_STEPS / SIGMOID_MAX / 2);
	return 1 / (1 + expf(-(step * 2 * SIGMOID_MAX / SIGMOID_STEPS - SIGMOID_MAX)));
}

/* The leaf of the highest probability: branches that are behind the best found so far are not gone into. */
static void search_tree(const struct fasttext *m, struct fasttext_scratch *x, float *best, int32_t *label)
{
	int32_t node = 2 * m->labels - 2, depth = 0;
	float score = 0, *tmp = x->output + m->labels;
	for (;;) {
		if (score > *best && m->tree[node].left < 0) {
			*best = score;
			*label = node;
		} else if (score > *best) {
			float f = 1 / (1 + expf(-product(m, node - m->labels, x->hidden, tmp)));
			float left = score + logf(1 - f + 1e-5f), right = score + logf(f + 1e-5f);
			bool first = left >= right;
			x->stack[depth].node = first ? m->tree[node].right : m->tree[node].left;
			x->stack[depth++].score = first ? right : left;
			node = first ? m->tree[node].left : m->tree[node].right;
			score = first ? left : right;
			continue;
		}
		if (depth == 0)
			return;
		node = x->stack[--depth].node;
		score = x->stack[depth].score;
	}
}

static double best_label(const struct fasttext *m, struct fasttext_scratch *x, int32_t *label)
{
	float best = -INFINITY, sum = 0, *tmp = x->output + m->labels;
	*label = 0;
	if (m->loss == HIERARCHICAL) {
		search_tree(m, x, &best, label);
		return expf(best);
	}
	for (int32_t i = 0; i < m->labels; i++) {
		x->output[i] = product(m, i, x->hidden, tmp);
		if (x->output[i] > best) {
			best = x->output[i];
			*label = i;
		}
	}
	if (m->loss != SOFTMAX)
		return table_sigmoid(best);
	for (int32_t i = 0; i < m->labels; i++)
		sum += expf(x->output[i] - best);
	return 1 / sum;
}

double fasttext_predict(const struct fasttext *m, const char *s, size_t n, struct fasttext_scratch *x, const char **label)
{
	x->n_rows = x->n_hashes = 0;
	for (size_t i = 0; i < n;) {
		size_t start = i;
		while (i < n && !parts_words(s[i]))
			i++;
		if (ends_line(s + start, i - start))
			break;       /* a text may hold the word, and then ends there */
		if (i > start)
			push_word(m, x, s + start, i - start);
		i++;
	}
	push_word(m, x, END_OF_LINE, sizeof(END_OF_LINE) - 1);
	if (m->word_ngrams > 1)
		push_word_ngrams(m, x);
	*label = "";
	if (x->n_rows == 0)
		return (double)NAN;
	if (!x->hidden) {
		x->hidden = mem_array((size_t)m->dim, sizeof(float));
		x->output = mem_array((size_t)m->labels + (size_t)m->dim, sizeof(float));
		x->stack = mem_array((size_t)m->labels + 1, sizeof(*x->stack));      /* a path is no longer */
	}
	memset(x->hidden, 0, (size_t)m->dim * sizeof(float));
	for (int64_t i = 0; i < x->n_rows; i++)
		add_row(&m->input, x->rows[i], 1, x->hidden);
	for (int32_t k = 0; k < m->dim; k++)
		x->hidden[k] *= 1 / (float)x->n_rows;
	int32_t at;
	double p = best_label(m, x, &at);
	*label = m->names[m->words + at];
	if (strncmp(*label, LABEL, sizeof(LABEL) - 1) == 0)
		*label += sizeof(LABEL) - 1;
	return p;
}

void fasttext_scratch_release(struct fasttext_scratch *x)
{
	mem_free(x->hidden);
	mem_free(x->output);
	mem_free(x->stack);
	mem_free(x->rows);
	mem_free(x->hashes);
	buf_release(&x->word);
}
