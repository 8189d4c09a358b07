/* spool.c - see spool.h. */
#include "base/spool.h"

#include "base/mem.h"
#include "base/temp.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#define HELD_BYTES (1 << 18)         /* that wait to be written */

struct part {                        /* one of the two files */
	int fd;
	struct buf held;
	uint64_t bytes;              /* with what is held */
	void *map;
};

struct spool {
	struct part things, ends;
};

static enum status part_flush(struct part *p, struct error *err)
{
	for (size_t done = 0; done < p->held.len;) {
		ssize_t n = write(p->fd, p->held.data + done, p->held.len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, ERR_IO, "cannot write a temporary file");
		done += (size_t)n;
	}
	buf_clear(&p->held);
	return OK;
}

static enum status part_add(struct part *p, const void *bytes, size_t n, struct error *err)
{
	buf_add(&p->held, bytes, n);
	p->bytes += n;
	return p->held.len >= HELD_BYTES ? part_flush(p, err) : OK;
}

static enum status part_finish(struct part *p, struct error *err)
{
	TRY(part_flush(p, err));
	buf_release(&p->held);
	if (p->bytes == 0)
		return OK;
	p->map = mmap(NULL, p->bytes, PROT_READ, MAP_SHARED, p->fd, 0);
	if (p->map != MAP_FAILED)
		return OK;
	p->map = NULL;
	return error_errno(err, ERR_IO, "cannot map a temporary file of %llu bytes", (unsigned long long)p->bytes);
}

static void part_close(struct part *p)
{
	if (p->map)
		munmap(p->map, p->bytes);
	if (p->fd >= 0)
		close(p->fd);
	buf_release(&p->held);
}

enum status spool_open(struct spool **out, const char *dir, struct error *err)
{
	struct spool *s = mem_zalloc(sizeof(*s));
	s->things.fd = s->ends.fd = -1;
	enum status st = temp_open(&s->things.fd, dir, err);
	if (st == OK)
		st = temp_open(&s->ends.fd, dir, err);
	if (st == OK)
		*out = s;
	else
		spool_close(s);
	return st;
}

void spool_close(struct spool *s)
{
	if (!s)
		return;
	part_close(&s->things);
	part_close(&s->ends);
	mem_free(s);
}

enum status spool_add(struct spool *s, const void *p, size_t n, struct error *err)
{
	TRY(part_add(&s->things, p, n, err));
	return part_add(&s->ends, &s->things.bytes, sizeof(s->things.bytes), err);
}

enum status spool_finish(struct spool *s, struct error *err)
{
	TRY(part_finish(&s->things, err));
	return part_finish(&s->ends, err);
}

const void *spool_get(const struct spool *s, int64_t i, size_t *n)
{
	const uint64_t *ends = s->ends.map;
	uint64_t from = i ? ends[i - 1] : 0;
	*n = ends[i] - from;
	return *n ? (const char *)s->things.map + from : "";
}
