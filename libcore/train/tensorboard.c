/* tensorboard.c - see tensorboard.h. */
#include "train/tensorboard.h"

#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* Field numbers and wire types of event.proto and summary.proto, as protobuf's tag bytes. */
#define TAG(field, wire) ((char)((field) << 3 | (wire)))
enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };
enum { EVENT_WALL_TIME = 1, EVENT_STEP = 2, EVENT_FILE_VERSION = 3, EVENT_SUMMARY = 5, EVENT_SESSION_LOG = 7 };
enum { SUMMARY_VALUE = 1, VALUE_TAG = 1, VALUE_SIMPLE_VALUE = 2, SESSION_LOG_STATUS = 1, SESSION_START = 1 };

struct tensorboard {
	char *path;
	int fd;
	struct buf summary;          /* values of the step */
	struct buf event, record;
};

/* --- CRC ---------------------------------------------------------------------------------- */

static uint32_t table[256];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void make_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t v = i;

		for (int bit = 0; bit < 8; bit++)
			v = v >> 1 ^ (v & 1 ? 0x82F63B78u : 0);
		table[i] = v;
	}
}

uint32_t crc32c(const void *p, size_t n)
{
	const unsigned char *s = p;
	uint32_t v = 0xFFFFFFFFu;

	pthread_once(&table_once, make_table);
	for (size_t i = 0; i < n; i++)
		v = v >> 8 ^ table[(v ^ s[i]) & 255];
	return ~v;
}

/* A checksum of data that hold checksums: rotated and moved. */
static uint32_t masked_crc(const void *p, size_t n)
{
	uint32_t v = crc32c(p, n);

	return (v >> 15 | v << 17) + 0xA282EAD8u;
}

/* --- messages ----------------------------------------------------------------------------- */

static void add_varint(struct buf *b, uint64_t v)
{
	for (; v >= 128; v >>= 7)
		buf_char(b, (char)(v | 128));
	buf_char(b, (char)v);
}

static void add_little(struct buf *b, uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		buf_char(b, (char)(v >> (8 * i)));
}

static void add_bytes(struct buf *b, int field, const void *p, size_t n)
{
	buf_char(b, TAG(field, BYTES));
	add_varint(b, n);
	buf_add(b, p, n);
}

/* Begins an event of a step; its time is now. */
static void begin_event(struct tensorboard *tb, int64_t step)
{
	struct timespec now;
	double seconds;
	uint64_t bits;

	clock_gettime(CLOCK_REALTIME, &now);
	seconds = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
	memcpy(&bits, &seconds, sizeof(bits));
	buf_clear(&tb->event);
	buf_char(&tb->event, TAG(EVENT_WALL_TIME, FIXED64));
	add_little(&tb->event, bits, 8);
	if (step) {
		buf_char(&tb->event, TAG(EVENT_STEP, VARINT));
		add_varint(&tb->event, (uint64_t)step);
	}
}

/* The event as one TFRecord, in one write. */
static enum status write_event(struct tensorboard *tb, struct error *err)
{
	struct buf *r = &tb->record;

	buf_clear(r);
	add_little(r, tb->event.len, 8);
	add_little(r, masked_crc(r->data, 8), 4);
	buf_add(r, tb->event.data, tb->event.len);
	add_little(r, masked_crc(tb->event.data, tb->event.len), 4);
	for (size_t at = 0; at < r->len;) {
		ssize_t n = write(tb->fd, r->data + at, r->len - at);

		if (n < 0 && errno != EINTR)
			return error_errno(err, ERR_IO, "%s: cannot write", tb->path);
		at += n > 0 ? (size_t)n : 0;
	}
	return OK;
}

/* --- the file ----------------------------------------------------------------------------- */

enum status tensorboard_open(struct tensorboard **out, const char *dir, struct error *err)
{
	struct tensorboard *tb = mem_zalloc(sizeof(*tb));
	char host[65] = "localhost", *name;
	enum status st = dir_make(dir, err);

	gethostname(host, sizeof(host) - 1);
	name = mem_printf("events.out.tfevents.%010lld.%s.%ld", (long long)time(NULL), host, (long)getpid());
	tb->path = path_join(dir, name);
	mem_free(name);
	tb->fd = st == OK ? open(tb->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;
	if (st == OK && tb->fd < 0)
		st = error_errno(err, ERR_IO, "%s: cannot create", tb->path);
	if (st == OK) {
		begin_event(tb, 0);
		add_bytes(&tb->event, EVENT_FILE_VERSION, "brain.Event:2", 13);
		st = write_event(tb, err);
	}
	if (st != OK) {
		tensorboard_close(tb);
		tb = NULL;
	}
	*out = tb;
	return st;
}

enum status tensorboard_resume(struct tensorboard *tb, int64_t step, struct error *err)
{
	const char start[] = { TAG(SESSION_LOG_STATUS, VARINT), SESSION_START };

	begin_event(tb, step + 1);
	add_bytes(&tb->event, EVENT_SESSION_LOG, start, sizeof(start));
	return write_event(tb, err);
}

void tensorboard_scalar(struct tensorboard *tb, const char *tag, double v)
{
	struct buf value = { 0 };
	float f = (float)v;
	uint32_t bits;

	memcpy(&bits, &f, sizeof(bits));
	add_bytes(&value, VALUE_TAG, tag, strlen(tag));
	buf_char(&value, TAG(VALUE_SIMPLE_VALUE, FIXED32));
	add_little(&value, bits, 4);
	add_bytes(&tb->summary, SUMMARY_VALUE, value.data, value.len);
	buf_release(&value);
}

enum status tensorboard_end_step(struct tensorboard *tb, int64_t step, struct error *err)
{
	begin_event(tb, step);
	add_bytes(&tb->event, EVENT_SUMMARY, tb->summary.data, tb->summary.len);
	buf_clear(&tb->summary);
	return write_event(tb, err);
}

void tensorboard_close(struct tensorboard *tb)
{
	if (!tb)
		return;
	if (tb->fd >= 0)
		close(tb->fd);
	buf_release(&tb->summary);
	buf_release(&tb->event);
	buf_release(&tb->record);
	mem_free(tb->path);
	mem_free(tb);
}
