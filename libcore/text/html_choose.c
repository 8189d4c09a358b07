/* html_choose.c - which blocks of a page are its content; see html_blocks.h.
 *
 * Three steps: parts that name themselves junk are left out, unless they hold half of the page (a class says "has-sidebar"
 * of the whole page now and then); if a part names itself the article and holds a fair share of what is left, only such parts
 * are looked at; then each block is judged by its own and its neighbours' length and share of links, by the
 * decision tree of Kohlschuetter et al. (2010, "number of words" classifier). Headings follow the block after them. */
#include "text/html_blocks.h"

#define MAIN_WORDS_MIN 50   /* fewer words are no main text that names have found */

static int words_in(const struct html_blocks *b, int from, int to, bool content_only)
{
	int64_t sum = 0;
	for (int i = from; i < to; i++)
		sum += content_only && !b->v[i].content ? 0 : b->v[i].words;
	return sum > INT32_MAX ? INT32_MAX : (int)sum;
}

static void drop_junk(struct html_blocks *b)
{
	int all = words_in(b, 0, b->n, false);
	/* Regions nest; a prefix sum keeps a page of a million nested regions linear. */
	int64_t *before = mem_array((size_t)b->n + 1, sizeof(*before));
	int *cover = mem_array((size_t)b->n + 1, sizeof(*cover));
	for (int i = 0; i < b->n; i++)
		before[i + 1] = before[i] + b->v[i].words;
	for (int r = 0; r < b->n_regions; r++) {
		const struct region *g = &b->regions[r];
		if (g->kind != REGION_JUNK || (before[g->to] - before[g->from]) * 2 > all)
			continue;
		cover[g->from]++;
		cover[g->to]--;
	}
	int depth = 0;
	for (int i = 0; i < b->n; i++) {
		depth += cover[i];
		b->v[i].content = depth == 0;
	}
	mem_free(before);
	mem_free(cover);
}

/* Keeps only the regions of the strongest kind that holds a third of the remaining words, at least 40. */
static void keep_main(struct html_blocks *b)
{
	int *cover = mem_array((size_t)b->n + 1, sizeof(*cover));
	int all = words_in(b, 0, b->n, true);
	for (int kind = REGION_BODY; kind >= REGION_MAIN; kind--) {
		memset(cover, 0, ((size_t)b->n + 1) * sizeof(*cover));
		for (int r = 0; r < b->n_regions; r++)
			if ((int)b->regions[r].kind == kind) {
				cover[b->regions[r].from]++;
				cover[b->regions[r].to]--;
			}
		int64_t inside = 0;
		for (int i = 0, depth = 0; i < b->n; i++) {
			depth += cover[i];
			if (depth > 0 && b->v[i].content)
				inside += b->v[i].words;
		}
		if (inside < 40 || inside * 3 < all)
			continue;
		for (int i = 0, depth = 0; i < b->n; i++) {
			depth += cover[i];
			b->v[i].content &= depth > 0;
		}
		break;
	}
	mem_free(cover);
}

static double link_share(const struct block *k)
{
	return k->words > 0 ? (double)k->link_words / k->words : 0;
}

static bool is_content(const struct block *prev, const struct block *k, const struct block *next)
{
	if (link_share(k) > 1.0 / 3)
		return false;
	if (k->kind == BLOCK_PRE)
		return true;
	if (link_share(prev) <= 5.0 / 9)
		return k->words > 16 || next->words > 15 || prev->words > 4;
	return k->words > 40 || next->words > 17;
}

/* Judges what is left; neighbours are neighbours among the blocks that are left. */
static void judge_blocks(struct html_blocks *b)
{
	static const struct block none;
	int *left = mem_array((size_t)b->n + 1, sizeof(*left)), n = 0;
	bool *verdict = mem_array((size_t)b->n + 1, sizeof(*verdict));
	for (int i = 0; i < b->n; i++)
		if (b->v[i].content)
			left[n++] = i;
	for (int k = 0; k < n; k++)
		verdict[k] = is_content(k ? &b->v[left[k - 1]] : &none, &b->v[left[k]], k + 1 < n ? &b->v[left[k + 1]] : &none);
	for (int k = n - 1; k >= 0; k--)
		if (b->v[left[k]].kind == BLOCK_HEADING)
			verdict[k] = k + 1 < n && verdict[k + 1];
	for (int k = 0; k < n; k++)
		b->v[left[k]].content = verdict[k];
	mem_free(left);
	mem_free(verdict);
}

static void all_content(struct html_blocks *b)
{
	for (int i = 0; i < b->n; i++)
		b->v[i].content = true;
}

void html_choose(struct html_blocks *b, enum html_mode mode)
{
	all_content(b);
	if (mode == HTML_ALL)
		return;
	drop_junk(b);
	keep_main(b);
	judge_blocks(b);
	/* Names that leave next to nothing were misleading: then the blocks are judged by themselves. */
	if (words_in(b, 0, b->n, true) < MAIN_WORDS_MIN) {
		all_content(b);
		judge_blocks(b);
	}
}
