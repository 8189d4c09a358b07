#include "judge/pass_rate.h"

#include "stream/expr.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const bin_names[PASS_BINS] = { "0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "<1", "1" };

/* In whole numbers, so that 1/10 is not above 0.1. */
static int bin_of(int64_t n, int64_t c)
{
	if (c == 0)
		return 0;
	return c == n ? PASS_BINS - 1 : (int)((10 * c + n - 1) / n);
}

void pass_rates_add(struct pass_rates *p, int64_t n, int64_t c)
{
	p->bins[bin_of(n, c)]++;
	for (int i = 0; i < PASS_KS && (int64_t)1 << i <= n; i++)
		stats_add(&p->at[i], pass_at_k(n, c, (int64_t)1 << i));
}

enum status pass_rule_open(struct pass_rule *r, const char *column, double score, const char *range, const struct schema *s, struct error *err)
{
	*r = (struct pass_rule){ .score = score, .above = -INFINITY, .below = INFINITY };
	if (range) {
		char *end;
		r->above = strtod(range, &end);
		bool two = end != range && *end == ',' && end[1];
		if (two)
			r->below = strtod(end + 1, &end);
		if (!two || *end || !(r->above < r->below))
			return error_set(err, ERR_USAGE, "--pass-rate: '%s' is not MIN,MAX, as in 0,1", range);
	}
	if (expr_parse_value(&r->column, column, s, err) != OK)
		return error_prefix(err, ERR_USAGE, "--pass-by");
	return OK;
}

void pass_rule_close(struct pass_rule *r)
{
	expr_free(r->column);
}

const char *pass_rule_judge(const struct pass_rule *r, const struct prompt_row *rows, int64_t n, struct pass_rates *p)
{
	int64_t known = 0, passes = 0;
	for (int64_t i = 0; i < n; i++) {
		struct expr_value v = expr_value(r->column, rows[i].batch, rows[i].row);
		if (!expr_has_order(&v) || (v.type != V_NUMBER && v.type != V_BOOL))
			continue;
		known++;
		passes += v.number >= (long double)r->score;
	}
	if (known == 0)
		return isinf(r->above) && isinf(r->below) ? NULL : "no_pass_rate";
	pass_rates_add(p, known, passes);
	double rate = (double)passes / (double)known;
	return rate <= r->above ? "pass_rate_low" : rate >= r->below ? "pass_rate_high" : NULL;
}

void pass_rates_json(const struct pass_rates *p, struct buf *out)
{
	struct json_writer w = json_writer_open(out, 0);
	char key[16];
	json_begin_object(&w);
	json_key(&w, "at");
	json_begin_object(&w);
	for (int i = 0; i < PASS_KS && p->at[i].n; i++) {
		snprintf(key, sizeof(key), "%d", 1 << i);
		json_key(&w, key);
		json_begin_object(&w);
		json_kv_double(&w, "value", p->at[i].mean);
		json_kv_int(&w, "prompts", p->at[i].n);
		json_end_object(&w);
	}
	json_end_object(&w);
	json_key(&w, "histogram");
	json_begin_object(&w);
	for (int i = 0; i < PASS_BINS; i++)
		json_kv_int(&w, bin_names[i], p->bins[i]);
	json_end_object(&w);
	json_end_object(&w);
}

void pass_rates_words(const struct pass_rates *p, struct buf *out)
{
	buf_str(out, "prompts by pass rate:");
	for (int i = 0; i < PASS_BINS; i++)
		buf_printf(out, "%s %s%s: %lld", i ? "," : "", i == 0 || i >= PASS_BINS - 2 ? "" : "<=", bin_names[i], (long long)p->bins[i]);
	for (int i = 0; i < PASS_KS && p->at[i].n; i++)
		buf_printf(out, "%s pass@%d %.4f", i ? "," : "\nthe chance that some of k passes:", 1 << i, p->at[i].mean);
}
