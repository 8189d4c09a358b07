/* rope.c - rotary positions: the angles of each kind of scaling, as transformers computes them (in float), and their tables.
 *
 * With f_i = theta^(-2i/R), i < R/2: linear divides all f by the factor; dynamic raises theta with the length of the sequence
 * ("NTK"); llama3 divides those of long wavelengths and blends in between; yarn blends by the number of rotations (Peng et al.
 * 2023) and lengthens the vectors; longrope has a divisor per pair, one list for short and one for long sequences (Ding
 * et al. 2024). */
#include "model/layout.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

static int trained(const struct model_config *c)
{
	return c->trained_positions ? c->trained_positions : c->positions;
}

static int64_t rotary_half(const struct model_config *c)
{
	if (c->learned_positions)
		return 0;
	return (c->rotary_share > 0 ? (int64_t)(c->head_dim * c->rotary_share) : c->head_dim) / 2;
}

/* Sequences longer than that have a table of another shape; 0 if none has. */
static int stretched_from(const struct model_config *c)
{
	if (c->rope.type == ROPE_DYNAMIC)
		return trained(c);
	return c->rope.type == ROPE_LONG ? c->rope.original : 0;
}

int model_decodable(const struct model_config *c)
{
	int from = stretched_from(c);

	return from && from < c->positions ? from : c->positions;
}

static void plain_frequencies(float *f, int64_t half, double theta)
{
	for (int64_t i = 0; i < half; i++)
		f[i] = 1.0f / powf((float)theta, (float)(2 * i) / (float)(2 * half));
}

static void llama3_frequencies(const struct rope_scaling *r, float *f, int64_t half)
{
	double low = r->original / r->low_freq_factor, high = r->original / r->high_freq_factor;

	for (int64_t i = 0; i < half; i++) {
		double length = 2 * M_PI / (double)f[i], smooth;

		if (length < high)
			continue;
		smooth = (r->original / length - r->low_freq_factor) / (r->high_freq_factor - r->low_freq_factor);
		smooth = length > low ? 0 : smooth;
		f[i] = (float)((1 - smooth) * (double)f[i] / r->factor + smooth * (double)f[i]);
	}
}

/* The pair that turns that often within the training's positions. */
static double yarn_pair(const struct model_config *c, int64_t half, double rotations)
{
	return (double)half * log(c->rope.original / (rotations * 2 * M_PI)) / log(c->rope_theta);
}

static void yarn_frequencies(const struct model_config *c, float *f, int64_t half)
{
	double low = yarn_pair(c, half, c->rope.beta_fast), high = yarn_pair(c, half, c->rope.beta_slow);

	if (!c->rope.no_truncate)
		low = floor(low), high = ceil(high);
	low = fmax(low, 0), high = fmin(high, (double)(2 * half - 1));
	if (low == high)
		high += 0.001;
	for (int64_t i = 0; i < half; i++) {
		double ramp = fmin(1, fmax(0, ((double)i - low) / (high - low)));

		f[i] = (float)((double)f[i] / c->rope.factor * ramp + (double)f[i] * (1 - ramp));
	}
}

static double yarn_mscale(double factor, double mscale)
{
	return factor <= 1 ? 1 : 0.1 * mscale * log(factor) + 1;
}

/* By how much the rotated vectors are lengthened. */
static double lengthening(const struct model_config *c)
{
	const struct rope_scaling *r = &c->rope;

	if (r->type != ROPE_YARN && r->type != ROPE_LONG)
		return 1;
	if (r->attention_factor > 0)
		return r->attention_factor;
	if (r->type == ROPE_LONG)
		return r->factor <= 1 ? 1 : sqrt(1 + log(r->factor) / log(r->original));
	if (r->mscale > 0 && r->mscale_all_dim > 0)
		return yarn_mscale(r->factor, r->mscale) / yarn_mscale(r->factor, r->mscale_all_dim);
	return yarn_mscale(r->factor, 1);
}

/* f[half] of the layers without a window, for sequences of length tokens. */
static void frequencies(const struct model_config *c, int64_t length, float *f, int64_t half)
{
	const struct rope_scaling *r = &c->rope;
	double theta = c->rope_theta, d = (double)(2 * half);

	if (r->type == ROPE_DYNAMIC && length > trained(c))
		theta *= pow(r->factor * (double)length / trained(c) - (r->factor - 1), d / (d - 2));
	plain_frequencies(f, half, theta);
	if (r->type == ROPE_LLAMA3)
		llama3_frequencies(r, f, half);
	if (r->type == ROPE_YARN)
		yarn_frequencies(c, f, half);
	for (int64_t i = 0; i < half; i++) {
		if (r->type == ROPE_LINEAR)
			f[i] /= (float)r->factor;
		if (r->type == ROPE_LONG)
			f[i] /= length > r->original ? r->long_factor[i] : r->short_factor[i];
	}
}

/* rows of cos and sin for the positions from 0, from frequencies. */
static void fill(float *cos_table, float *sin_table, const float *f, int64_t half, int64_t rows, double length)
{
	for (int64_t p = 0; p < rows; p++)
		for (int64_t i = 0; i < half; i++) {
			float angle = (float)p * f[i];

			cos_table[p * half + i] = (float)(cos((double)angle) * length);
			sin_table[p * half + i] = (float)(sin((double)angle) * length);
		}
}

void rotary_plan(struct plan *p, struct rotary *r, const struct model_config *c, int64_t positions, int64_t n)
{
	int from = stretched_from(c);

	r->half = rotary_half(c);
	r->base = from && from < positions ? from : positions;
	r->rows = r->base;
	if (r->base < positions)
		r->rows += c->rope.type == ROPE_LONG ? positions : n;
	r->row = plan_take(p, n, sizeof(int32_t));
	r->cos = plan_floats(p, r->rows, r->half);
	r->sin = plan_floats(p, r->rows, r->half);
	r->local_cos = r->cos;
	r->local_sin = r->sin;
	if (c->local_theta > 0) {
		r->local_cos = plan_floats(p, r->rows, r->half);
		r->local_sin = plan_floats(p, r->rows, r->half);
	}
}

/* Rows [first, first + n) of the tables, for sequences of length tokens. */
static void send(struct rotary *r, const struct model *m, float *cos_to, float *sin_to, const float *f, int64_t first, int64_t n,
		 double length)
{
	float *sines = r->host + n * r->half;

	fill(r->host, sines, f, r->half, n, length);
	m->k->upload(cos_to + first * r->half, r->host, (size_t)(n * r->half) * sizeof(float));
	m->k->upload(sin_to + first * r->half, sines, (size_t)(n * r->half) * sizeof(float));
}

void rotary_open(struct rotary *r, const struct model *m, int64_t n)
{
	float f[KERNELS_HEAD_MAX / 2];

	r->host_row = mem_array((size_t)n, sizeof(int32_t));
	r->host = mem_array((size_t)(2 * r->rows * r->half) + 1, sizeof(float));
	frequencies(&m->cfg, r->base, f, r->half);
	send(r, m, r->cos, r->sin, f, 0, r->base, lengthening(&m->cfg));
	if (r->rows > r->base && m->cfg.rope.type == ROPE_LONG) {
		frequencies(&m->cfg, r->base + 1, f, r->half);
		send(r, m, r->cos, r->sin, f, r->base, r->rows - r->base, lengthening(&m->cfg));
	}
	if (r->local_cos == r->cos)
		return;
	plain_frequencies(f, r->half, m->cfg.local_theta);
	send(r, m, r->local_cos, r->local_sin, f, 0, r->rows, 1);
}

void rotary_close(struct rotary *r)
{
	mem_free(r->host_row);
	mem_free(r->host);
}

void rotary_set(struct rotary *r, const struct model *m, const int32_t *cu, int64_t s, const int32_t *past)
{
	float f[KERNELS_HEAD_MAX / 2];
	int64_t next = r->base;

	for (int64_t i = 0; i < s; i++) {
		int32_t first = past ? past[i] : 0, length = cu[i + 1] - cu[i];

		if (first + length > r->base) {
			first += (int32_t)next;
			if (m->cfg.rope.type == ROPE_DYNAMIC) {
				frequencies(&m->cfg, length, f, r->half);
				send(r, m, r->cos, r->sin, f, next, length, 1);
				next += length;
			}
		}
		for (int32_t j = 0; j < length; j++)
			r->host_row[cu[i] + j] = first + j;
	}
	(past ? m->k->upload : m->k->upload_ahead)(r->row, r->host_row, (size_t)cu[s] * sizeof(int32_t));
}
