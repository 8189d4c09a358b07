/* mail.cu - what the host is told while the device works on: one download at a time, behind an event of its own. */
#include "device.h"

static struct mail {
	char *pinned;
	void *to;
	size_t bytes;
	cudaEvent_t arrived;
} mail;

static void mail_open(void)
{
	device_note(cudaMallocHost((void **)&mail.pinned, KERNELS_MAIL), "opening");
	device_note(cudaEventCreateWithFlags(&mail.arrived, cudaEventDisableTiming), "opening");
}

static void cuda_download_begin(void *dst, const void *src, size_t bytes)
{
	if (device.failed == OK && !mail.pinned)
		mail_open();
	if (device.failed != OK)
		return;
	mail.to = dst, mail.bytes = bytes;
	device_note(cudaMemcpyAsync(mail.pinned, src, bytes, cudaMemcpyDeviceToHost, device.stream), "downloading");
	device_note(cudaEventRecord(mail.arrived, device.stream), "downloading");
}

static enum status cuda_download_end(struct error *err)
{
	if (device.failed == OK && mail.to)
		device_note(cudaEventSynchronize(mail.arrived), "computing");
	if (device.failed == OK && mail.to)
		memcpy(mail.to, mail.pinned, mail.bytes);
	mail.to = NULL;
	if (device.failed != OK && err)
		snprintf(err->text, sizeof err->text, "%s", device.what);
	return device.failed;
}

void entries_mail(struct kernels *k)
{
	k->download_begin = cuda_download_begin, k->download_end = cuda_download_end;
}
