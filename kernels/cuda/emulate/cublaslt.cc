/* cublaslt.cc - see cublasLt.h. */
#include <cuda_bf16.h>
#include <cublasLt.h>

#include "block.h"

struct emulate_lt { int dummy; };
struct emulate_desc {
	cublasOperation_t trans[2];
	cublasLtEpilogue_t epilogue;
	const void *bias;            /* a value for each row of the result, of its type */
};
struct emulate_layout { cudaDataType_t type; uint64_t rows, cols; int64_t ld; };
struct emulate_preference { uint64_t workspace; uint32_t scheme, align[4]; };

/* What an algorithm remembers: the alignments that it was found for, and the types. */
struct algorithm { uint32_t align[4], types[3], trans[2], epilogue, pad[6]; };
static_assert(sizeof(algorithm) == sizeof(cublasLtMatmulAlgo_t), "an algorithm fits");

cublasStatus_t cublasLtCreate(cublasLtHandle_t *lt) { return *lt = new emulate_lt{0}, CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasLtDestroy(cublasLtHandle_t lt) { return delete lt, CUBLAS_STATUS_SUCCESS; }

const char *cublasLtGetStatusString(cublasStatus_t s)
{
	return s == CUBLAS_STATUS_SUCCESS ? "success" : s == CUBLAS_STATUS_INVALID_VALUE ? "an invalid value" : "not supported";
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *d, cublasComputeType_t, cudaDataType_t)
{
	return *d = new emulate_desc{{CUBLAS_OP_N, CUBLAS_OP_N}, CUBLASLT_EPILOGUE_DEFAULT, NULL}, CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t d) { return delete d, CUBLAS_STATUS_SUCCESS; }

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t d, cublasLtMatmulDescAttributes_t a, const void *value, size_t bytes)
{
	if (bytes != (a == CUBLASLT_MATMUL_DESC_BIAS_POINTER ? sizeof d->bias : sizeof(cublasOperation_t)))
		return CUBLAS_STATUS_INVALID_VALUE;
	if (a == CUBLASLT_MATMUL_DESC_BIAS_POINTER)
		memcpy(&d->bias, value, bytes);
	else if (a == CUBLASLT_MATMUL_DESC_EPILOGUE)
		memcpy(&d->epilogue, value, bytes);
	else
		memcpy(&d->trans[a == CUBLASLT_MATMUL_DESC_TRANSB], value, bytes);
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *l, cudaDataType type, uint64_t rows, uint64_t cols, int64_t ld)
{
	return *l = new emulate_layout{type, rows, cols, ld}, CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t l) { return delete l, CUBLAS_STATUS_SUCCESS; }

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *p)
{
	return *p = new emulate_preference{0, ~0u, {256, 256, 256, 256}}, CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t p) { return delete p, CUBLAS_STATUS_SUCCESS; }

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t p, cublasLtMatmulPreferenceAttributes_t a, const void *value,
						    size_t bytes)
{
	bool wide = a == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES;

	if (bytes != (wide ? 8 : 4))
		return CUBLAS_STATUS_INVALID_VALUE;
	if (wide)
		memcpy(&p->workspace, value, bytes);
	else if (a == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK)
		memcpy(&p->scheme, value, bytes);
	else
		memcpy(&p->align[a - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES], value, bytes);
	return CUBLAS_STATUS_SUCCESS;
}

/* Sizes that fit: to[m, n] = op(a)[m, k] op(b)[k, n]. */
static bool fits(const emulate_desc *d, const emulate_layout *a, const emulate_layout *b, const emulate_layout *to)
{
	uint64_t m = d->trans[0] ? a->cols : a->rows, k = d->trans[0] ? a->rows : a->cols;

	return m == to->rows && k == (d->trans[1] ? b->cols : b->rows) && to->cols == (d->trans[1] ? b->rows : b->cols) && m && k && to->cols &&
	       a->ld >= (int64_t)a->rows && b->ld >= (int64_t)b->rows && to->ld >= (int64_t)to->rows && a->type == b->type;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t d, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
					      cublasLtMatrixLayout_t, cublasLtMatrixLayout_t to, cublasLtMatmulPreference_t p, int wanted,
					      cublasLtMatmulHeuristicResult_t *result, int *found)
{
	algorithm al = {{}, {(uint32_t)a->type, (uint32_t)b->type, (uint32_t)to->type}, {(uint32_t)d->trans[0], (uint32_t)d->trans[1]}, (uint32_t)d->epilogue, {}};

	*found = 0;
	if (!fits(d, a, b, to) || wanted < 1)
		return CUBLAS_STATUS_INVALID_VALUE;
	if (p->scheme != CUBLASLT_REDUCTION_SCHEME_NONE)
		emulate_die("cuBLASLt may reduce in any order");
	memcpy(al.align, p->align, sizeof al.align);
	memset(result, 0, sizeof *result);
	memcpy(&result->algo, &al, sizeof al);
	result->workspaceSize = 0;
	*found = 1;
	return CUBLAS_STATUS_SUCCESS;
}

/* Column j of op(x) if second, row j if first, as floats one after the other. */
static void line(float *to, const void *x, const emulate_layout *l, bool rows, int64_t j, int64_t k)
{
	int64_t at = rows ? j : j * l->ld, step = rows ? l->ld : 1;

	for (int64_t p = 0; p < k; p++, at += step)
		to[p] = l->type == CUDA_R_32F ? ((const float *)x)[at] : __bfloat162float(((const __nv_bfloat16 *)x)[at]);
}

struct product {
	emulate_desc d;
	emulate_layout la, lb, lto;
	float alpha, beta;
	const void *a, *b, *c;
	void *to;

	static float value(const void *p, cudaDataType_t type, int64_t i)
	{
		return type == CUDA_R_32F ? ((const float *)p)[i] : __bfloat162float(((const __nv_bfloat16 *)p)[i]);
	}

	void run() const
	{
		int64_t m = (int64_t)lto.rows, n = (int64_t)lto.cols, k = (int64_t)(d.trans[0] ? la.rows : la.cols);
		float *rows = (float *)malloc((size_t)(m * k) * sizeof(float)), *column = (float *)malloc((size_t)k * sizeof(float));

		for (int64_t i = 0; i < m; i++)
			line(rows + i * k, a, &la, !d.trans[0], i, k);
		for (int64_t j = 0; j < n; j++) {
			line(column, b, &lb, d.trans[1], j, k);
			for (int64_t i = 0; i < m; i++) {
				float sum = 0, *f = (float *)to + j * lto.ld + i;
				__nv_bfloat16 *h = (__nv_bfloat16 *)to + j * lto.ld + i;

				for (int64_t p = 0; p < k; p++)
					sum += rows[i * k + p] * column[p];
				sum *= alpha;
				if (beta != 0)
					sum += beta * value(c, lto.type, j * lto.ld + i);
				if (d.epilogue == CUBLASLT_EPILOGUE_BIAS)
					sum += value(d.bias, lto.type, i);
				if (lto.type == CUDA_R_32F)
					*f = sum;
				else
					*h = __float2bfloat16(sum);
			}
		}
		free(rows), free(column);
	}
};

static bool aligned(const void *p, uint32_t to) { return (uintptr_t)p % to == 0; }

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t d, const void *alpha, const void *a, cublasLtMatrixLayout_t la,
			      const void *b, cublasLtMatrixLayout_t lb, const void *beta, const void *c, cublasLtMatrixLayout_t lc, void *to,
			      cublasLtMatrixLayout_t lto, const cublasLtMatmulAlgo_t *algo, void *, size_t, cudaStream_t)
{
	product t = {*d, *la, *lb, *lto, *(const float *)alpha, *(const float *)beta, a, b, c, to};
	algorithm al;

	memcpy(&al, algo, sizeof al);
	if (!fits(d, la, lb, lto) || lc->rows != lto->rows || lc->cols != lto->cols || lc->ld != lto->ld || lc->type != lto->type)
		return CUBLAS_STATUS_INVALID_VALUE;
	if (!aligned(a, al.align[0]) || !aligned(b, al.align[1]) || !aligned(c, al.align[2]) || !aligned(to, al.align[3]) ||
	    al.types[0] != la->type || al.types[1] != lb->type || al.types[2] != lto->type || al.epilogue != (uint32_t)d->epilogue || al.trans[0] != d->trans[0] ||
	    al.trans[1] != d->trans[1])
		return CUBLAS_STATUS_NOT_SUPPORTED;
	if (*(const float *)beta != 0)
		emulate_pointer("cublasLtMatmul", c);
	if (d->epilogue == CUBLASLT_EPILOGUE_BIAS)
		emulate_pointer("cublasLtMatmul", d->bias);
	emulate_pointer("cublasLtMatmul", a), emulate_pointer("cublasLtMatmul", b), emulate_pointer("cublasLtMatmul", to);
	emulate_host_work("cublasLtMatmul", [=] { t.run(); });
	return CUBLAS_STATUS_SUCCESS;
}
