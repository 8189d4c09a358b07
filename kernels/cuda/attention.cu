/* attention.cu - the table's entries of attention: which of the kernels takes a call. That depends on the layer and the buffers'
 * alignment alone, never on the sequences. */
#include "attention_kernels.h"

/* Whether the tensor cores' kernels take it: rows of 16-byte pieces, and scores that grow with the product. Heads wider than 128 want
 * the 163 KiB of shared memory a block that data centers' GPUs have. */
static bool by_tensor_cores(struct heads hd, const void *a, const void *b)
{
	const int widest = device.shared_max < (size_t)163 << 10 ? 128 : 256;

	return hd.d % 8 == 0 && hd.d <= widest && hd.scale > 0 && ((uintptr_t)a | (uintptr_t)b) % 16 == 0;
}

static bool nothing(struct heads hd, int64_t s)
{
	if (hd.d > KERNELS_HEAD_MAX)
		device_fail(ERR_UNSUPPORTED, "attention: heads of %d; %d are the most", hd.d, KERNELS_HEAD_MAX);
	return s == 0 || hd.h == 0 || hd.d == 0 || device.failed != OK;
}

/* --- bf16 ---------------------------------------------------------------------------------------------- */

static void attention_half(struct pool *, act *o, float *lse, const act *qkv, const int32_t *cu, int64_t s, struct heads hd)
{
	if (nothing(hd, s))
		return;
	if (by_tensor_cores(hd, o, qkv))
		attend_mma(att_of(cu, s, hd), false, (bf16 *)o, lse, (const bf16 *)qkv);
	else
		attend_plainly(att_of(cu, s, hd), (bf16 *)o, lse, (const bf16 *)qkv);
}

static void attention_dqkv_half(struct pool *, act *dqkv, const act *d_o, const act *o, const float *lse, const act *qkv, const int32_t *cu,
				int64_t s, struct heads hd)
{
	if (nothing(hd, s))
		return;
	if (by_tensor_cores(hd, dqkv, qkv) && by_tensor_cores(hd, d_o, o))
		attend_back_mma(att_of(cu, s, hd), (bf16 *)dqkv, (const bf16 *)d_o, (const bf16 *)o, lse, (const bf16 *)qkv);
	else
		attend_back_plainly(att_of(cu, s, hd), (bf16 *)dqkv, (const bf16 *)d_o, (const bf16 *)o, lse, (const bf16 *)qkv);
}

static struct att cached(struct kv_pages kv, const int32_t *past, const int32_t *cu, int64_t s, struct heads hd)
{
	struct att a = att_of(cu, s, hd);

	a.past = past;
	a.table = (void *const *)kv.table, a.width = kv.width, a.at = kv.at;
	return a;
}

/* Pages are as aligned as the allocator makes them; a layer's place in one is a multiple of the block. */
static void attention_cached_half(struct pool *, act *o, const act *qkv, struct kv_pages kv, const int32_t *past, const int32_t *cu,
				  int64_t s, struct heads hd)
{
	struct att a = cached(kv, past, cu, s, hd);

	if (nothing(hd, s))
		return;
	keep_keys(a, (const bf16 *)qkv);
	if (by_tensor_cores(hd, o, qkv) && kv.at % 8 == 0) {
		attend_few(a, (bf16 *)o, (const bf16 *)qkv);
		if (!kv.single || a.group > FEW_ROWS)
			attend_mma(a, true, (bf16 *)o, NULL, (const bf16 *)qkv);
	} else {
		attend_pages_plainly(a, (bf16 *)o, (const bf16 *)qkv);
	}
}

/* --- floats ---------------------------------------------------------------------------------------------- */

static void attention_float(struct pool *, act *o, float *lse, const act *qkv, const int32_t *cu, int64_t s, struct heads hd)
{
	if (!nothing(hd, s))
		attend_plainly(att_of(cu, s, hd), (float *)o, lse, (const float *)qkv);
}

static void attention_dqkv_float(struct pool *, act *dqkv, const act *d_o, const act *o, const float *lse, const act *qkv,
				 const int32_t *cu, int64_t s, struct heads hd)
{
	if (!nothing(hd, s))
		attend_back_plainly(att_of(cu, s, hd), (float *)dqkv, (const float *)d_o, (const float *)o, lse, (const float *)qkv);
}

static void attention_cached_float(struct pool *, act *o, const act *qkv, struct kv_pages kv, const int32_t *past, const int32_t *cu,
				   int64_t s, struct heads hd)
{
	struct att a = cached(kv, past, cu, s, hd);

	if (nothing(hd, s))
		return;
	keep_keys(a, (const float *)qkv);
	attend_pages_plainly(a, (float *)o, (const float *)qkv);
}

void entries_attention(struct kernels *k, bool half)
{
	k->attention = half ? attention_half : attention_float;
	k->attention_dqkv = half ? attention_dqkv_half : attention_dqkv_float;
	k->attention_cached = half ? attention_cached_half : attention_cached_float;
}
