/* check_memory.c - a device's memory, copies in order and beside the rest, and work that is recorded. */
#include "check.h"

/* Much and little in turns, through the same buffers. */
static void upload_in_turns(struct check *c, float *to, const float *x, int64_t n)
{
	for (int64_t at = 0, some; at < n; at += some) {
		some = below(c, 3) ? 1 + below(c, 30000) : 1 + below(c, 3000);
		some = some < n - at ? some : n - at;
		if (c->k->stage && below(c, 2)) {
			size_t room;
			float *from = c->k->stage(&room);

			some = (size_t)some * sizeof *x < room ? some : (int64_t)(room / sizeof *x);
			memcpy(from, x + at, (size_t)some * sizeof *x);
			c->k->upload_staged(to + at, (size_t)some * sizeof *x);
		} else {
			c->k->upload(to + at, x + at, (size_t)some * sizeof *x);
		}
	}
}

void check_memory(struct check *c)
{
	int64_t n = size(c, 700000);
	float *x = floats(c, n), *back = junk(n);

	for (int p = 0; p < 2; p++) {
		float *a = c->k->alloc(c->pools[p], (size_t)n * sizeof *a), *b = c->k->alloc(c->pools[p], (size_t)n * sizeof *b);

		c->k->download(back, a, (size_t)n * sizeof *a);
		for (int64_t i = 0; i < n; i++)
			if (back[i] != 0)
				fail(c, "alloc", i, back[i], 0);
		if ((uintptr_t)a % 64)
			fail(c, "alignment", 0, (double)((uintptr_t)a % 64), 0);
		c->k->upload(a, x, (size_t)n * sizeof *a);
		c->k->copy(c->pools[p], b, a, (size_t)n * sizeof *b);
		c->k->download(back, b, (size_t)n * sizeof *b);
		expect_same(c, "copy", back, x, n);
		/* beside the rest, and in order nevertheless */
		c->k->zero(c->pools[p], a, (size_t)n * sizeof *a);
		c->k->zero(c->pools[p], b, (size_t)n * sizeof *b);
		(void)c->k->status(NULL);
		c->k->upload_ahead(a, x, (size_t)n * sizeof *a);
		c->k->copy(c->pools[p], b, a, (size_t)n * sizeof *b);
		c->k->mark();
		c->k->zero(c->pools[p], a, (size_t)n * sizeof *a);
		c->k->download_marked(back, b, (size_t)n * sizeof *b);
		expect_same(c, "copies ahead and behind", back, x, n);
		if (c->k->failed(NULL) != OK || c->k->available() == 0)
			fail(c, "failed, available", 0, 0, 1);
		upload_in_turns(c, a, x, n);
		c->k->download(back, a, (size_t)n * sizeof *a);
		expect_same(c, "uploads large and small", back, x, n);
		c->k->upload(b, x, (size_t)n * sizeof *b);
		c->k->zero(c->pools[p], b, (size_t)n * sizeof *b);
		c->k->download(back, b, (size_t)n * sizeof *b);
		for (int64_t i = 0; i < n; i++)
			if (back[i] != 0)
				fail(c, "zero", i, back[i], 0);
		c->k->release(a);
		c->k->release(b);
	}
	if (c->k->alloc(c->pools[0], (size_t)1 << 60) || c->k->status(NULL) != OK)
		fail(c, "more memory than there is", 0, 1, 0);
	mem_free(x), mem_free(back);
}

/* Asked for one by one, then recorded, then as a whole: each time with what the buffers hold by then. */
void check_record(struct check *c)
{
	const struct kernels *k = c->k;
	int64_t n = size1(c, 5000);
	size_t bytes = (size_t)n * sizeof(float);
	float *a = k->alloc(NULL, bytes), *b = k->alloc(NULL, bytes), *back = junk(n);

	for (int turn = 0; k->replay && turn < 5; turn++) {
		float *x = floats(c, n);
		bool again, keeps = false;

		k->upload(a, x, bytes);
		again = k->replay(17);
		if (!again) {
			keeps = k->record_begin(17);
			k->copy(NULL, b, a, bytes);
			k->zero(NULL, a, bytes);
			if (keeps && !k->record_end())
				fail(c, "record_end", turn, 0, 1);
		}
		if (again != (turn == 2 || turn == 3) || keeps != (turn == 1))
			fail(c, "recorded", turn, again + 2 * keeps, turn == 1 ? 2 : turn == 2 || turn == 3);
		k->download(back, b, bytes);
		expect_same(c, "recorded work", back, x, n);
		k->download(back, a, bytes);
		for (int64_t i = 0; i < n; i++)
			if (back[i] != 0)
				fail(c, "recorded zeros", i, back[i], 0);
		if (turn == 3)
			k->forget_records();
		mem_free(x);
	}
	if (k->forget_records)
		k->forget_records();
	k->release(a), k->release(b);
	mem_free(back);
}
