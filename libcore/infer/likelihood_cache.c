/* likelihood_cache.c - see likelihood_cache.h. */
#include "infer/likelihood_cache.h"

#include "base/file.h"
#include "base/hash.h"
#include "infer/likelihood.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static const char magic[32] = "quern likelihoods 1\n";

struct record {
	uint64_t key[2];
	double logprob;
	uint32_t tokens;             /* twice, plus whether they are greedy */
	uint32_t check;
};

struct likelihood_cache {
	char *path;
	int fd;
	uint64_t seed;               /* of the identity */
	struct record *slots;        /* a power of two, at most two thirds full; tokens 0: empty */
	int64_t n, n_slots;
	struct buf fresh;            /* records that are not in the file */
	int64_t found;
};

static uint32_t check_of(const struct record *r) { return (uint32_t)hash64(r, offsetof(struct record, check)); }

static struct record *slot_of(struct record *slots, int64_t n_slots, const uint64_t key[2])
{
	int64_t at = (int64_t)(key[0] & (uint64_t)(n_slots - 1));

	while (slots[at].tokens && (slots[at].key[0] != key[0] || slots[at].key[1] != key[1]))
		at = (at + 1) & (n_slots - 1);
	return &slots[at];
}

static void insert(struct likelihood_cache *c, const struct record *r)
{
	if ((c->n + 1) * 3 > c->n_slots * 2) {
		int64_t n = c->n_slots ? 2 * c->n_slots : 1024;
		struct record *more = mem_array((size_t)n, sizeof(*more));

		for (int64_t i = 0; i < c->n_slots; i++)
			if (c->slots[i].tokens)
				*slot_of(more, n, c->slots[i].key) = c->slots[i];
		mem_free(c->slots);
		c->slots = more;
		c->n_slots = n;
	}
	struct record *s = slot_of(c->slots, c->n_slots, r->key);
	c->n += !s->tokens;
	*s = *r;
}

/* All records that are whole; half a one at the end goes. */
static enum status read_records(struct likelihood_cache *c, struct error *err)
{
	struct buf all = { 0 };
	size_t at = sizeof(magic);
	enum status st = file_read_all(c->path, (size_t)1 << 40, &all, err);

	if (st == OK && all.len >= sizeof(magic) && memcmp(all.data, magic, sizeof(magic)))
		st = error_set(err, ERR_DATA, "%s: no cache of likelihoods", c->path);
	else if (st == OK && all.len < sizeof(magic) && memcmp(all.data ? all.data : "", magic, all.len))
		st = error_set(err, ERR_DATA, "%s: no cache of likelihoods", c->path);
	for (; st == OK && at + sizeof(struct record) <= all.len; at += sizeof(struct record)) {
		struct record r;

		memcpy(&r, all.data + at, sizeof(r));
		if (r.tokens && r.check == check_of(&r) && !isnan(r.logprob))
			insert(c, &r);
	}
	if (st == OK && all.len < sizeof(magic)) {
		if (ftruncate(c->fd, 0) < 0 || pwrite(c->fd, magic, sizeof(magic), 0) != (ssize_t)sizeof(magic))
			st = error_errno(err, ERR_IO, "%s: cannot write", c->path);
		at = sizeof(magic);
	}
	if (st == OK && (ftruncate(c->fd, (off_t)at) < 0 || lseek(c->fd, (off_t)at, SEEK_SET) < 0))
		st = error_errno(err, ERR_IO, "%s: cannot write", c->path);
	buf_release(&all);
	return st;
}

enum status likelihood_cache_open(struct likelihood_cache **out, const char *path, const char *identity, struct error *err)
{
	struct likelihood_cache *c = mem_zalloc(sizeof(*c));
	enum status st;

	c->path = mem_strdup(path);
	c->seed = hash64(identity, strlen(identity));
	c->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (c->fd < 0)
		st = error_errno(err, ERR_IO, "%s: cannot open", path);
	else if (flock(c->fd, LOCK_EX | LOCK_NB) < 0)
		st = error_set(err, ERR_USAGE, "%s: another run is using it", path);
	else
		st = read_records(c, err);
	if (st != OK) {
		likelihood_cache_close(c, false);
		c = NULL;
	}
	*out = c;
	return st;
}

void likelihood_cache_close(struct likelihood_cache *c, bool remove)
{
	if (!c)
		return;
	if (remove)
		unlink(c->path);
	if (c->fd >= 0)
		close(c->fd);
	buf_release(&c->fresh);
	mem_free(c->slots);
	mem_free(c->path);
	mem_free(c);
}

static void make_key(const struct likelihood_cache *c, const int32_t *ids, int64_t n, int64_t cut, uint64_t key[2])
{
	hash128_seed(ids, (size_t)n * sizeof(*ids), c->seed + (uint64_t)cut * 0x9e3779b97f4a7c15u, key);
}

bool likelihood_cache_get(struct likelihood_cache *c, const int32_t *ids, int64_t n, int64_t cut, struct likelihood *out)
{
	const struct record *r;
	uint64_t key[2];

	if (!c->n_slots)
		return false;
	make_key(c, ids, n, cut, key);
	r = slot_of(c->slots, c->n_slots, key);
	if (!r->tokens || r->tokens >> 1 != (uint64_t)(n - cut))
		return false;
	*out = (struct likelihood){ r->logprob, r->tokens & 1, n - cut };
	c->found++;
	return true;
}

void likelihood_cache_put(struct likelihood_cache *c, const int32_t *ids, int64_t n, int64_t cut, const struct likelihood *l)
{
	struct record r = { .logprob = l->logprob, .tokens = (uint32_t)(n - cut) << 1 | l->greedy };

	if (isnan(l->logprob))       /* an answer that is none is not kept */
		return;
	make_key(c, ids, n, cut, r.key);
	r.check = check_of(&r);
	insert(c, &r);
	buf_add(&c->fresh, &r, sizeof(r));
}

enum status likelihood_cache_sync(struct likelihood_cache *c, struct error *err)
{
	TRY(fd_write(c->fd, c->path, c->fresh.data, c->fresh.len, err));
	buf_clear(&c->fresh);
	return OK;
}

int64_t likelihood_cache_found(const struct likelihood_cache *c) { return c->found; }
