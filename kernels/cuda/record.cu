/* record.cu - launches recorded as CUDA graphs: a step of decoding is hundreds of them, and of a small model the host would need longer to
 * launch them than the device to compute them.
 *
 * Work is recorded when it is asked for the second time: the first one finds the algorithms of its products. There is room for
 * RECORDS_MAX; the one that was of no use for longest goes. */
#include "device.h"

#define RECORDS_MAX 64

static struct record {
	uint64_t key;
	int64_t used;                /* when it was last asked for; 0: none */
	cudaGraphExec_t graph;       /* NULL: it was asked for once */
} records[RECORDS_MAX];
static struct record *recording;
static int64_t clock_now;
static bool refused;                 /* the device cannot: it is not tried again */

static struct record *record_of(uint64_t key)
{
	for (int i = 0; i < RECORDS_MAX; i++)
		if (records[i].used && records[i].key == key)
			return records + i;
	return NULL;
}

static void drop(struct record *r)
{
	if (r->graph)
		device_note(cudaGraphExecDestroy(r->graph), "forgetting recorded work");
	*r = {0, 0, NULL};
}

static bool cuda_replay(uint64_t key)
{
	struct record *r = record_of(key);

	if (!r || !r->graph || device.failed != OK)
		return false;
	r->used = ++clock_now;
	device_note(cudaGraphLaunch(r->graph, device.stream), "recorded work");
	return true;
}

static bool cuda_record_begin(uint64_t key)
{
	struct record *r = record_of(key), *oldest = records;

	if (refused || device.failed != OK)
		return false;
	if (!r) {
		for (int i = 1; i < RECORDS_MAX; i++)
			oldest = records[i].used < oldest->used ? records + i : oldest;
		drop(oldest);
		*oldest = {key, ++clock_now, NULL};
		return false;
	}
	if (cudaStreamBeginCapture(device.stream, cudaStreamCaptureModeThreadLocal) != cudaSuccess) {
		(void)cudaGetLastError();
		refused = true;
		return false;
	}
	recording = r;
	return true;
}

static bool cuda_record_end(void)
{
	cudaGraph_t graph = NULL;
	cudaError_t e = cudaStreamEndCapture(device.stream, &graph);

	if (e == cudaSuccess && device.failed == OK)
		e = cudaGraphInstantiate(&recording->graph, graph, 0);
	if (graph)
		(void)cudaGraphDestroy(graph);
	if (e != cudaSuccess || device.failed != OK) {
		/* Nothing has been done yet, so nothing is lost. */
		(void)cudaGetLastError();
		recording->graph = NULL;
		device.failed = OK;
		refused = true;
		return false;
	}
	device_note(cudaGraphLaunch(recording->graph, device.stream), "recorded work");
	return true;
}

static void cuda_forget_records(void)
{
	for (int i = 0; i < RECORDS_MAX; i++)
		drop(records + i);
}

void entries_record(struct kernels *k)
{
	k->replay = cuda_replay;
	k->record_begin = cuda_record_begin, k->record_end = cuda_record_end;
	k->forget_records = cuda_forget_records;
}
