#include "token/added.h"

#include "base/mem.h"

static struct added_edge *edge(const struct added_set *a, int32_t node, uint8_t byte)
{
	uint64_t key = ((uint64_t)(uint32_t)node << 8 | byte) + 1;
	size_t i = (size_t)(key * 0x9e3779b97f4a7c15u >> 20) & a->mask;

	while (a->edges[i].key && a->edges[i].key != key)
		i = (i + 1) & a->mask;
	return &a->edges[i];
}

static void grow_edges(struct added_set *a)
{
	struct added_edge *old = a->edges;
	size_t n = old ? a->mask + 1 : 0, cap = n ? n * 2 : 256;

	a->edges = mem_array(cap, sizeof(*a->edges));
	a->mask = cap - 1;
	for (size_t i = 0; i < n; i++)
		if (old[i].key)
			*edge(a, (int32_t)((old[i].key - 1) >> 8), (uint8_t)(old[i].key - 1)) = old[i];
	mem_free(old);
}

static int32_t new_node(struct added_set *a)
{
	MEM_PUSH_ROOM(a->token, a->n_nodes, a->cap_nodes);
	a->token[a->n_nodes] = -1;
	return a->n_nodes++;
}

void added_insert(struct added_set *a, const char *s, size_t n, int32_t token)
{
	int32_t node = 0;

	if (!n)
		return;
	if (!a->n_nodes)
		new_node(a);
	a->first[(uint8_t)s[0]] = true;
	for (size_t i = 0; i < n; i++) {
		struct added_edge *e;

		if (!a->edges || a->n_edges * 2 > a->mask)
			grow_edges(a);
		e = edge(a, node, (uint8_t)s[i]);
		if (!e->key) {
			e->key = ((uint64_t)(uint32_t)node << 8 | (uint8_t)s[i]) + 1;
			e->to = new_node(a);
			a->n_edges++;
		}
		node = e->to;
	}
	if (a->token[node] < 0)
		a->token[node] = token;
}

int32_t added_find(const struct added_set *a, const uint8_t *s, size_t from, size_t n, size_t *at, size_t *end)
{
	if (!a->n_nodes)
		return -1;
	for (size_t i = from; i < n; i++) {
		int32_t node = 0, best = -1;

		if (!a->first[s[i]])
			continue;
		for (size_t j = i; j < n; j++) {
			const struct added_edge *e = edge(a, node, s[j]);

			if (!e->key)
				break;
			node = e->to;
			if (a->token[node] >= 0) {
				best = a->token[node];
				*at = i;
				*end = j + 1;
			}
		}
		if (best >= 0)
			return best;
	}
	return -1;
}

void added_release(struct added_set *a)
{
	mem_free(a->token);
	mem_free(a->edges);
	*a = (struct added_set){0};
}
