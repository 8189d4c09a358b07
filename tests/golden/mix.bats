load helper

prepare() {
	seq 6 | sed 's/.*/{"id":"a&","text":"x"}/' >a.jsonl
	seq 6 | sed 's/.*/{"id":"b&","text":"x"}/' >b.jsonl
	seq 20000 | sed 's/.*/{"id":"row&","text":"the text of row &, which is not long"}/' >many.jsonl
	quern mix -q many.jsonl -o many.arrows
}

ids() { quern mix -q --format jsonl "$@" | grep -o '"id":"[^"]*"' | cut -d'"' -f4 | tr '\n' ' '; }

@test "mix: inputs follow one another, or interleave by weight" {
	[ "$(ids a.jsonl b.jsonl)" = "a1 a2 a3 a4 a5 a6 b1 b2 b3 b4 b5 b6 " ]
	[ "$(ids --weights 2,1 a.jsonl b.jsonl)" = "a1 b1 a2 a3 b2 a4 a5 b3 a6 b4 b5 b6 " ]
	[ "$(ids --weights 2,1 --until first a.jsonl b.jsonl)" = "a1 b1 a2 a3 b2 a4 a5 b3 a6 " ]
	[ "$(ids --take 7 a.jsonl b.jsonl)" = "a1 a2 a3 a4 a5 a6 b1 " ]
	status 2 quern mix --weights 1 a.jsonl b.jsonl
	status 2 quern mix --weights 1,0 a.jsonl b.jsonl
}

@test "mix: a shuffle is a permutation, the same for any memory, another for another seed" {
	quern mix -q --shuffle many.arrows -o all.arrows
	quern mix -q --shuffle --memory 1Mi many.arrows -o spilled.arrows --stats stats
	grep -q '"runs": [2-9]' stats
	quern view all.arrows >all
	quern view spilled.arrows >spilled
	cmp all spilled
	quern view many.arrows >before
	! cmp -s before all || return 1
	cmp <(sort before) <(sort all)
	quern mix -q --shuffle --seed 1 --format jsonl many.arrows >other
	! cmp -s all other || return 1
	[ -z "$(find "${TMPDIR:-/tmp}" -maxdepth 1 -name 'quern-mix.*' -newer many.arrows)" ]
}

@test "mix: a sample and what is left of it are all rows" {
	quern mix -q --sample 0.25 many.arrows -o some.arrows --rejects rest.arrows
	some=$(quern view --count some.arrows)
	[ "$some" -gt 4700 ] && [ "$some" -lt 5300 ]
	[ "$(quern view --count rest.arrows)" -eq $((20000 - some)) ]
}

@test "mix: a split sends each row to one part, whatever stands around it" {
	quern mix -q --split train.arrows=0.9,valid.arrows=0.1 many.arrows
	cmp <(sort many.jsonl) <({ quern view train.arrows; quern view valid.arrows; } | sort)
	n=$(quern view --count valid.arrows)
	[ "$n" -gt 1850 ] && [ "$n" -lt 2150 ]
	quern mix -q --shuffle --take 5000 many.arrows | quern mix -q --split t.arrows=0.9,v.arrows=0.1
	quern view v.arrows | sort >v
	[ "$(comm -23 v <(quern view valid.arrows | sort) | wc -l)" -eq 0 ]
	status 2 quern mix --split a=0.5,b=0.4 many.arrows
	says 'sum to 0.9'
	status 2 quern mix --split a=0.5,b=0.5 -o c many.arrows
}

@test "mix: columns must be equal, and the difference is named" {
	echo '{"id":"x","prompt":[{"role":"user","content":"q"}],"answer":"1"}' >other.jsonl
	status 3 quern mix a.jsonl other.jsonl -o out.arrows
	says 'other.jsonl.*prompt: list.*where the first input has text'
	[ ! -e out.arrows ]
}

@test "mix: -j does not change the bytes" {
	same_bytes_for_any_j many.arrows mix --shuffle
}

@test "mix: hostile input" {
	attempt "no bytes" 3 quern mix </dev/null
	attempt "not a stream" 3 quern mix < <(head -c 4096 /bin/sh)
	attempt "truncated" 3 quern mix --shuffle < <(head -c 100000 many.arrows)
	attempt "no end" 3 quern mix --take 1 < <(head -c -8 many.arrows)
	attempt "missing file" 1 quern mix no-such-file
	attempt "a directory" 2 quern mix /
	status 1 bash -c 'quern mix -q many.arrows >/dev/full'
	status 1 quern mix -q many.arrows -o /no/such/directory/x
	quern mix -q many.arrows | head -c 100 >/dev/null
}

@test "mix: a null where the first input's schema promises none is an error with the column's name" {
	cp "$DATA/stream/foreign-not-null.arrows" "$DATA/stream/foreign-nullable.arrows" .
	status 3 quern mix foreign-not-null.arrows foreign-nullable.arrows -o out.arrows
	says "foreign-nullable.arrows: batch 0: column 'text' has nulls"
	status 3 quern clean --preset none foreign-not-null.arrows foreign-nullable.arrows -o out.arrows
	says "foreign-nullable.arrows: batch 0: column 'text' has nulls"
	quern mix -q foreign-nullable.arrows foreign-not-null.arrows -o out.arrows
	[ "$(quern view --count out.arrows)" -eq 4 ]
}
