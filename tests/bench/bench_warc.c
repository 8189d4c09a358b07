/* bench_warc.c - records of a gzipped web archive beside zlib's inflate of the same bytes, one core: reading should cost little else.
 *
 * The archive is generated (pages of words from a skewed distribution, a gzip member each, as crawlers write them) in the directory for
 * temporary files. */
#include "base/file.h"
#include "base/rng.h"
#include "base/temp.h"
#include "text/warc.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#define RECORDS 400
#define PAGE_BYTES 60000
#define SECONDS 2.0

static struct buf packed;
static size_t plain_bytes;

static void add_member(const struct buf *record)
{
	z_stream z = {0};
	if (deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		exit(1);
	size_t room = deflateBound(&z, record->len);
	buf_reserve(&packed, room);
	z.next_in = (Bytef *)record->data;
	z.avail_in = (uInt)record->len;
	z.next_out = (Bytef *)packed.data + packed.len;
	z.avail_out = (uInt)room;
	if (deflate(&z, Z_FINISH) != Z_STREAM_END)
		exit(1);
	packed.len += room - z.avail_out;
	plain_bytes += record->len;
	deflateEnd(&z);
}

static void make_archive(void)
{
	struct rng r = rng_open(1, 0);
	for (int i = 0; i < RECORDS; i++) {
		struct buf page = {0}, record = {0};
		buf_str(&page, "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<!doctype html><body>");
		while (page.len < PAGE_BYTES) {
			double u = rng_double(&r);
			struct rng letters = rng_open(7, (uint64_t)(u * u * u * 20000));
			for (uint64_t n = 2 + rng_below(&letters, 8); n > 0; n--)
				buf_char(&page, (char)('a' + rng_below(&letters, 26)));
			buf_str(&page, rng_below(&r, 12) ? " " : ".</p>\n<p class=\"text\">");
		}
		buf_printf(&record, "WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: https://example.org/%d\r\nContent-Type: application/http; "
			   "msgtype=response\r\nContent-Length: %zu\r\n\r\n", i, page.len);
		buf_add(&record, page.data, page.len);
		buf_str(&record, "\r\n\r\n");
		add_member(&record);
		buf_release(&page);
		buf_release(&record);
	}
}

static void inflate_all(const char *path)
{
	static unsigned char out[1 << 16];
	z_stream z = {.next_in = (Bytef *)packed.data, .avail_in = (uInt)packed.len};
	(void)path;
	inflateInit2(&z, 31);
	for (int st = Z_OK; z.avail_in > 0 || st == Z_OK;) {
		z.next_out = out;
		z.avail_out = sizeof(out);
		st = inflate(&z, Z_NO_FLUSH);
		if (st == Z_STREAM_END && z.avail_in > 0)
			st = inflateReset(&z);
		if (st != Z_OK)
			break;
	}
	inflateEnd(&z);
}

static void read_records(const char *path)
{
	struct input *in;
	struct warc_record record = {0};
	struct error err = {{0}};
	int n = 0;
	if (input_open(&in, path, true, &err) != OK)
		exit(1);
	while (warc_next(in, 1 << 30, &record, &err) == OK)
		n += record.bad == NULL;
	warc_record_release(&record);
	input_close(in);
	if (n != RECORDS) {
		fprintf(stderr, "%d of %d records read: %s\n", n, RECORDS, err.text);
		exit(1);
	}
}

static double cpu_seconds(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

/* Least CPU seconds of the passes that fit in SECONDS. */
static double seconds(void (*fn)(const char *path), const char *path)
{
	double best = 1e9, start = cpu_seconds();
	do {
		double t = cpu_seconds();
		fn(path);
		t = cpu_seconds() - t;
		best = t < best ? t : best;
	} while (cpu_seconds() - start < SECONDS);
	return best;
}

int main(void)
{
	char *path;
	int fd;
	make_archive();
	if (temp_open(&fd, NULL, NULL) != OK || write(fd, packed.data, packed.len) != (ssize_t)packed.len)
		return 1;
	path = temp_path(fd);
	double inflating = seconds(inflate_all, path), reading = seconds(read_records, path);
	printf("%-24s %8.0f MB/s of records\n", "zlib inflate alone", (double)plain_bytes / inflating / 1e6);
	printf("%-24s %8.0f MB/s of records, %.2f of inflate\n", "warc_next, gzip", (double)plain_bytes / reading / 1e6, inflating / reading);
	mem_free(path);
	close(fd);
	buf_release(&packed);
	return 0;
}
