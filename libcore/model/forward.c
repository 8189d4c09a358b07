/* forward.c - one packed micro-batch forward, layer by layer; see state.h. */
#include "model/lora.h"
#include "model/state.h"

void layer_attend(const struct model *m, const struct model_state *s, int l, int64_t seqs, int64_t n)
{
	const struct attention_acts *a = &s->acts[l].att;

	layer_before(m, l, &s->acts[l], &s->rotary, n);
	m->k->attention(m->pool, a->o, a->lse, a->rot, s->cu, seqs, layer_heads(&m->cfg, l));
}

/* What the random numbers of this batch are drawn from: those of NEFTune and of the adapters' dropout. */
static void take_keys(struct model *m, struct model_state *s, const struct model_batch *b)
{
	bool draws = s->use != MODEL_SCORE && b->noise_key;

	if (draws)
		m->k->upload(s->noise_key, b->noise_key, (size_t)b->n * sizeof(uint64_t));
	if (m->lora)
		lora_keys(m->lora, draws ? s->noise_key : NULL, b->noise_seed);
}

/* NEFTune (Jain et al. 2023). */
static void add_noise(struct model *m, struct model_state *s, const struct model_batch *b)
{
	m->k->upload(s->noise_size, b->noise_size, (size_t)b->n * sizeof(float));
	m->k->noise(m->pool, s->acts[0].x, s->noise_size, s->noise_key, b->noise_seed, b->n, m->cfg.hidden);
}

/* What the caller wants to know of the logits. */
static void download_terms(const struct model_state *s, const struct model_batch *b, int labels, float *logp)
{
	size_t bytes = (size_t)b->n * sizeof(float);

	if (labels) {
		if (b->logits)
			s->k->download(b->logits, s->logits, bytes * (size_t)labels);
		return;
	}
	s->k->download(logp, s->logp, bytes);
	if (b->lse)
		s->k->download(b->lse, s->lse, bytes);
	if (b->mean)
		s->k->download(b->mean, s->mean, bytes);
}

void forward_stream(struct model *m, struct model_state *s, const struct model_batch *b)
{
	int64_t n = b->n, layers = m->cfg.n_layers;

	take_keys(m, s, b);
	embed_tokens(m, s->acts[0].x, s->ids, s->pos, n);
	if (s->use != MODEL_SCORE && b->noise_size)
		add_noise(m, s, b);
	for (int l = 0; l < layers; l++) {
		layer_attend(m, s, l, b->s, n);
		layer_after(m, l, &s->acts[l], l + 1 < layers ? s->acts[l + 1].x : s->x_end, n);
	}
	norm_forward(m, &m->layout->norm, s->n_end, s->rstd_end, s->x_end, n);
}

enum status model_forward(struct model *m, struct model_state *s, const struct model_batch *b, float *logp,
			  struct error *err)
{
	const struct model_config *c = &m->cfg;

	TRY(state_take_batch(s, m, b, err));
	s->fresh = s->use != MODEL_SCORE;
	if (!b->n)
		return OK;
	forward_stream(m, s, b);
	if (c->labels)
		head_forward(m, s->logits, s->n_end, b->n);
	else
		m->k->logprob(m->pool, s->logp, s->lse, b->mean ? s->mean : NULL, NULL, s->n_end, linear_weights(m, &m->layout->head), s->targets,
			      s->head_scratch, b->n, c->hidden, c->vocab, c->logit_cap);
	download_terms(s, b, c->labels, logp);
	return m->k->status(err);
}
