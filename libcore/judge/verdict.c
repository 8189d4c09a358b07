#include "judge/verdict.h"

const char *verdict_name(enum verdict v)
{
	static const char *const names[] = { "equal", "different", "undecided" };
	return names[v];
}

const char *reason_name(enum reason r)
{
	static const char *const names[REASONS] = {
		"text", "number", "exact", "numeric", "decimal", "structure", "convention", "no_answer", "unreadable", "shape", "count",
		"unit", "hedged", "work", "precision", "domain", "no_gold", "gold_unreadable",
	};
	return names[r];
}
