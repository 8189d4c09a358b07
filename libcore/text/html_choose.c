/* html_choose.c - which blocks of a page are its content; see html_blocks.h.
 *
 * From coarse to fine. Parts that name themselves junk are left out, unless a good part of the page's prose stands in them (a class says
 * "has-sidebar" of the whole page now and then). If parts name themselves the article and hold a fair share of the prose that is left,
 * only they are looked at; else the smallest container that holds nearly all of it; with the title and the lead above. In there, lists and
 * tables of links are dropped whole, and what remains is judged block by block, by its own and its neighbours' length and share of
 * links: the decision tree of Kohlschuetter et al. ("Boilerplate detection using shallow text features", WSDM 2010, "number of words"
 * classifier) where nothing but the text speaks for it, a more lenient one inside of a named article. Last go short lines that begin as
 * those around articles do, short lines at the ends, and headings of what is gone. */
#include "text/html_blocks.h"

#define MAIN_WORDS_MIN 40    /* fewer words of prose are no article that names have found */
#define SURE_WORDS 200       /* so many are, even if the comments under it are longer */
#define LEAD_BLOCKS_MAX 40   /* from the title to the first block */
#define NEAR_BLOCKS 4        /* looked at for a lead where there is no title */
#define LEAD_WORDS_MIN 12    /* shorter blocks do not lead into an article; shorter lists are no text */
#define CARD_WORDS 60        /* less than this with a link in it is a teaser of another page */
#define HEADING_WORDS 20     /* longer headings are text */
#define EDGE_WORDS 5         /* shorter lines at the ends of an article are dates and names */
#define CAPTION_WORDS 40     /* longer text beside a picture is more than its caption */
#define LINE_WORDS 20        /* the same behind a picture in the running text, where it is no sentence */
#define FIGURE_LEVELS 4      /* from a figure down to its picture */
#define CUE_WORDS 8          /* longer lines are text, however they begin */

struct choice {
	struct html_blocks *b;
	int *prose, *words, *links;  /* prefix sums over the blocks that are content: words of prose, words, words in links */
	int *cover;                  /* scratch, one for each block */
	bool named;                  /* an element or a name says where the article is */
};

/* --- sums ------------------------------------------------------------------------------------ */

static uint32_t prose_in(const struct block *k)
{
	if (k->link_words * 2 > k->words)
		return 0;
	bool long_enough = k->words >= 20 || k->kind == BLOCK_PRE || (k->words >= 8 && (k->in_p || k->sentence));
	return long_enough ? k->words - k->link_words : 0;
}

static void sum_up(struct choice *c)
{
	for (int i = 0; i < c->b->n; i++) {
		const struct block *k = &c->b->v[i];
		c->prose[i + 1] = c->prose[i] + (k->content ? (int)prose_in(k) : 0);
		c->words[i + 1] = c->words[i] + (k->content ? (int)k->words : 0);
		c->links[i + 1] = c->links[i] + (k->content ? (int)k->link_words : 0);
	}
}

static int64_t inside(const int *sum, const struct node *g) { return sum[g->to] - sum[g->from]; }
static int64_t total(const struct choice *c, const int *sum) { return sum[c->b->n]; }

static void clear_cover(struct choice *c) { memset(c->cover, 0, ((size_t)c->b->n + 1) * sizeof(*c->cover)); }

static void cover(struct choice *c, const struct node *g)
{
	c->cover[g->from]++;
	c->cover[g->to]--;
}

/* Leaves only what is covered, or only what is not. */
static void keep_covered(struct choice *c, bool covered)
{
	for (int i = 0, depth = 0; i < c->b->n; i++) {
		depth += c->cover[i];
		c->b->v[i].content &= (depth > 0) == covered;
	}
	sum_up(c);
}

/* --- coarse: parts of the page --------------------------------------------------------------- */

/* Of the parts named as an article's body the one with most prose, 0 if there is none. */
static int best_body(const struct choice *c)
{
	int best = 0;
	for (int i = 1; i < c->b->n_nodes; i++)
		if (c->b->nodes[i].role == ROLE_BODY && (best == 0 || inside(c->prose, &c->b->nodes[i]) > inside(c->prose, &c->b->nodes[best])))
			best = i;
	return best && inside(c->prose, &c->b->nodes[best]) >= MAIN_WORDS_MIN ? best : 0;
}

static void drop_junk(struct choice *c)
{
	int body = best_body(c);
	clear_cover(c);
	for (int i = 0; i < c->b->n_nodes; i++) {
		const struct node *g = &c->b->nodes[i];
		bool small = inside(c->prose, g) * 5 <= total(c, c->prose) * 2;
		bool holds_body = body > i && c->b->nodes[body].to <= g->to;
		if (g->role == ROLE_JUNK && small && !holds_body)
			cover(c, g);
	}
	for (int i = 0, depth = 0; i < c->b->n; i++) {
		depth += c->cover[i];
		c->b->v[i].junk = depth > 0;
	}
	for (int i = 0; i < c->b->n_nodes; i++) {
		const struct node *g = &c->b->nodes[i];
		bool card = inside(c->links, g) > 0 && inside(c->words, g) < CARD_WORDS;
		if (g->role == ROLE_WEAK && (card || inside(c->prose, g) * 2 < inside(c->words, g)))
			cover(c, g);
	}
	keep_covered(c, false);
}

/* Of the articles of a page, the one it is about and its like: those with a tenth of the prose of the longest. */
static bool keep_role(struct choice *c, enum html_role role)
{
	int64_t best = 0, sum = 0;
	for (int i = 0; i < c->b->n_nodes; i++)
		if (c->b->nodes[i].role == role && inside(c->prose, &c->b->nodes[i]) > best)
			best = inside(c->prose, &c->b->nodes[i]);
	clear_cover(c);
	for (int i = 0; i < c->b->n_nodes; i++)
		if (c->b->nodes[i].role == role && inside(c->prose, &c->b->nodes[i]) >= best / 10)
			cover(c, &c->b->nodes[i]);
	for (int i = 0, depth = 0; i < c->b->n; i++) {
		depth += c->cover[i];
		sum += depth > 0 ? c->prose[i + 1] - c->prose[i] : 0;
	}
	if (sum < MAIN_WORDS_MIN || (sum < SURE_WORDS && sum * 3 < total(c, c->prose)))
		return false;
	keep_covered(c, true);
	return true;
}

/* Where no name helps: down from the page to the smallest container with four fifths of the prose. */
static void descend(struct choice *c)
{
	int at = 0;
	for (int i = 1; i < c->b->n_nodes; i++) {
		const struct node *g = &c->b->nodes[i];
		if (g->from >= c->b->nodes[at].from && g->to <= c->b->nodes[at].to &&
		    inside(c->prose, g) * 5 >= total(c, c->prose) * 4)
			at = i;
	}
	clear_cover(c);
	cover(c, &c->b->nodes[at]);
	keep_covered(c, true);
}

/* What stands between the page's title and its article, and reads like the article, leads into it. */
static void add_lead(struct choice *c)
{
	struct html_blocks *b = c->b;
	int first = 0, title;
	while (first < b->n && !b->v[first].content)
		first++;
	for (title = first - 1; title >= 0 && title >= first - LEAD_BLOCKS_MAX; title--)
		if (b->nodes[b->v[title].node].tag == TAG_H1)
			break;
	if (first == b->n)
		return;
	if (title < 0 || title < first - LEAD_BLOCKS_MAX)
		title = first > NEAR_BLOCKS ? first - NEAR_BLOCKS - 1 : -1;
	else
		b->v[title].content = !b->v[title].junk;
	for (int i = title + 1; i < first; i++)
		b->v[i].content = !b->v[i].junk && b->v[i].words >= LEAD_WORDS_MIN && b->v[i].link_words * 5 <= b->v[i].words;
	sum_up(c);
}

/* --- captions ----------------------------------------------------------------------------------- */

/* What stands in <figure> beside a picture, and the only text of a part that holds one, if it is short, is a caption: <figcaption> and names that say
 * so are junk before. Tables, code and lists in a figure are what it shows. */
static void drop_captions(struct choice *c)
{
	struct html_blocks *b = c->b;
	for (int i = 1; i < b->n_nodes; i++) {
		uint32_t up = (uint32_t)i;
		for (int k = 0; b->nodes[i].picture && up && k < FIGURE_LEVELS && b->nodes[up].tag != TAG_FIGURE; k++)
			up = b->nodes[up].parent;
		b->nodes[up].picture |= b->nodes[i].picture && b->nodes[up].tag == TAG_FIGURE;
	}
	for (int i = 1; i < b->n_nodes; i++) {
		const struct node *g = &b->nodes[i];
		bool part = g->tag == TAG_DIV || g->tag == TAG_CENTER || g->tag == TAG_TD || g->tag == TAG_SPAN;
		if (!g->picture || !(g->tag == TAG_FIGURE || (part && g->from + 1 == g->to)))
			continue;
		for (uint32_t k = g->from; k < g->to; k++)
			if (b->v[k].kind == BLOCK_PARAGRAPH && b->v[k].words <= CAPTION_WORDS)
				b->v[k].content = false;
	}
	for (int i = 0; i < b->n; i++) {
		struct block *k = &b->v[i];
		if (k->pictured && k->kind == BLOCK_PARAGRAPH && k->words <= LINE_WORDS && !k->sentence)
			k->content = false;
	}
	sum_up(c);
}

/* --- finer: lists and tables ----------------------------------------------------------------- */

static bool is_group(const struct node *g)
{
	return g->tag == TAG_UL || g->tag == TAG_OL || g->tag == TAG_DL || g->tag == TAG_TABLE;
}

static void drop_link_lists(struct choice *c)
{
	clear_cover(c);
	for (int i = 0; i < c->b->n_nodes; i++) {
		const struct node *g = &c->b->nodes[i];
		if (is_group(g) && inside(c->links, g) * 2 > inside(c->words, g))
			cover(c, g);
	}
	keep_covered(c, false);
}

/* --- finest: blocks -------------------------------------------------------------------------- */

static double link_share(const struct block *k)
{
	return k->words > 0 ? (double)k->link_words / k->words : 0;
}

static bool is_content(const struct block *prev, const struct block *k, const struct block *next, bool named, bool prev_kept)
{
	if (named && link_share(k) <= 0.5)
		return true;
	if (link_share(k) > 1.0 / 3)
		return false;
	if (k->kind == BLOCK_PRE || prose_in(k) > 0)
		return true;
	if (prev_kept && (k->kind == BLOCK_ITEM || k->kind == BLOCK_CELL))
		return true;
	if (link_share(prev) <= 5.0 / 9)
		return k->words > 16 || next->words > 15 || prev->words > 4;
	return k->words > 40 || next->words > 17;
}

/* Turns the scratch into: whether the block stands in a list with next to no links. */
static void mark_plain_lists(struct choice *c)
{
	clear_cover(c);
	for (int i = 0; i < c->b->n_nodes; i++) {
		const struct node *g = &c->b->nodes[i];
		if (is_group(g) && inside(c->words, g) >= LEAD_WORDS_MIN && inside(c->links, g) * 10 <= inside(c->words, g))
			cover(c, g);
	}
	for (int i = 0, depth = 0; i < c->b->n; i++)
		c->cover[i] = depth += c->cover[i];
}

/* Judges what is left; neighbours are neighbours among the blocks that are left. */
static void judge_blocks(struct choice *c)
{
	int *plain = c->cover;
	mark_plain_lists(c);
	static const struct block none;
	struct html_blocks *b = c->b;
	int *left = mem_array((size_t)b->n + 1, sizeof(*left)), n = 0;
	bool *verdict = mem_array((size_t)b->n + 1, sizeof(*verdict));
	for (int i = 0; i < b->n; i++)
		if (b->v[i].content)
			left[n++] = i;
	for (int k = 0, next; k < n; k = next) {
		struct block row = b->v[left[k]];
		for (next = k + 1; next < n && row.kind == BLOCK_CELL && b->v[left[next]].kind == BLOCK_CELL && b->v[left[next]].group == row.group; next++) {
			row.words += b->v[left[next]].words;
			row.link_words += b->v[left[next]].link_words;
		}
		bool keep = is_content(k ? &b->v[left[k - 1]] : &none, &row, next < n ? &b->v[left[next]] : &none, c->named, k > 0 && verdict[k - 1]);
		for (int i = k; i < next; i++)
			verdict[i] = keep || plain[left[i]];
	}
	for (int k = 0; k < n; k++)
		b->v[left[k]].content = verdict[k];
	mem_free(left);
	mem_free(verdict);
	sum_up(c);
}

/* Headings of what is no part of the article, credits, invitations. */
static void drop_cues(struct choice *c)
{
	struct html_blocks *b = c->b;
	for (int i = 0; i < b->n; i++) {
		struct block *k = &b->v[i];
		bool line = k->words <= CUE_WORDS && k->kind != BLOCK_PRE && k->kind != BLOCK_CELL && b->nodes[k->node].tag != TAG_H1;
		bool statement = k->in_p && k->words >= 4 && b->text.data[k->to - 1] == '.';
		if (k->content && line && !statement && html_is_cue(b->text.data + k->from, k->to - k->from))
			k->content = false;
	}
	sum_up(c);
}

static int heading_level(const struct html_blocks *b, const struct block *k)
{
	uint32_t n = k->node;
	for (int up = 0; n && up < 8; up++, n = b->nodes[n].parent)
		if (b->nodes[n].tag >= TAG_H1 && b->nodes[n].tag <= TAG_H6)
			return b->nodes[n].tag - TAG_H1 + 1;
	return 6;
}

/* A heading goes with what it is the heading of, a line that ends in ':' with the list after it. */
static void drop_lone_headings(struct choice *c)
{
	struct html_blocks *b = c->b;
	bool followed = false, next_kept = false;
	int next_level = 7;
	for (int i = b->n - 1; i >= 0; i--) {
		struct block *k = &b->v[i];
		if (!k->content)
			continue;
		if (k->kind == BLOCK_HEADING && k->words < HEADING_WORDS) {
			int level = heading_level(b, k);
			k->content = followed || (next_kept && next_level > level);
			next_kept = k->content;
			next_level = level;
			followed = false;
			continue;
		}
		const struct block *after = i + 1 < b->n ? k + 1 : NULL;
		if (k->words < HEADING_WORDS && b->text.data[k->to - 1] == ':' && after && !after->content && after->link_words * 2 > after->words)
			k->content = false;
		followed |= k->content;
	}
	sum_up(c);
}

/* Bylines, dates and credits around the prose: short lines that are no sentences. */
static void trim_edges(struct choice *c)
{
	struct html_blocks *b = c->b;
	int first = 0, last = b->n - 1;
	while (first < b->n && !(b->v[first].content && prose_in(&b->v[first])))
		first++;
	while (last > first && !(b->v[last].content && prose_in(&b->v[last])))
		last--;
	if (first == b->n || total(c, c->prose) < MAIN_WORDS_MIN)
		return;
	for (int i = 0; i < b->n; i++) {
		struct block *k = &b->v[i];
		bool stays = k->kind != BLOCK_PARAGRAPH || (c->named && k->in_p) || k->sentence || k->words >= EDGE_WORDS;
		if (i < first || i > last)
			k->content &= stays;
	}
	sum_up(c);
}

static void all_content(struct choice *c)
{
	for (int i = 0; i < c->b->n; i++)
		c->b->v[i].content = true;
	sum_up(c);
}

void html_choose(struct html_blocks *b, enum html_mode mode)
{
	struct choice c = {.b = b};
	c.prose = mem_array((size_t)b->n + 1, sizeof(int));
	c.words = mem_array((size_t)b->n + 1, sizeof(int));
	c.links = mem_array((size_t)b->n + 1, sizeof(int));
	c.cover = mem_array((size_t)b->n + 1, sizeof(int));
	all_content(&c);
	if (mode == HTML_MAIN) {
		drop_junk(&c);
		c.named = keep_role(&c, ROLE_BODY) || keep_role(&c, ROLE_ARTICLE);
		if (!c.named) {
			keep_role(&c, ROLE_MAIN);
			descend(&c);
		}
		add_lead(&c);
		drop_captions(&c);
		drop_link_lists(&c);
		judge_blocks(&c);
		drop_cues(&c);
		trim_edges(&c);
		drop_lone_headings(&c);
		/* Names that leave next to nothing were misleading: then the blocks are judged by themselves. */
		if (total(&c, c.words) < MAIN_WORDS_MIN) {
			c.named = false;
			all_content(&c);
			judge_blocks(&c);
		}
		/* Pages of a few short lines have no text around which to tell content from the rest, only the rest. */
		if (total(&c, c.words) == 0) {
			c.named = true;
			all_content(&c);
			drop_junk(&c);
			drop_link_lists(&c);
			judge_blocks(&c);
		}
	}
	mem_free(c.prose);
	mem_free(c.words);
	mem_free(c.links);
	mem_free(c.cover);
}
