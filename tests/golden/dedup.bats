load helper

prepare() {
	local fox="the quick brown fox jumps over the lazy dog and runs away into the deep dark wood where nobody has ever followed it before"
	cat >docs.jsonl <<EOF
{"id":"1","text":"$fox"}
{"id":"2","text":"Something else entirely is said here, of ten words."}
{"id":"3","text":"$fox"}
{"id":"4","text":"The quick, brown fox JUMPS over the lazy dog; and runs away into the deep dark wood where nobody has ever followed it before!"}
{"id":"5","text":"short"}
{"id":"6","text":"short "}
{"id":"7","text":"Short"}
EOF
	printf '%s\n' '{"id":"t1","messages":[{"role":"user","content":"What is 12 + 7 of the apples?"},{"role":"assistant","content":"19"}]}' \
		'{"id":"t2","messages":[{"role":"system","content":"Be kind."},{"role":"user","content":"What is 30 + 7 of the apples?"},{"role":"assistant","content":"37"}]}' >train.jsonl
	printf '%s\n' '{"id":"h1","prompt":[{"role":"user","content":"What is 30 + 7 of the apples?"}],"answer":"37"}' >held.jsonl
	quern dedup -q --format arrow docs.jsonl -o docs.arrows
}

ids() { sed -E 's/^\{"id":"([^"]*)".*/\1/' | paste -sd' '; }

@test "dedup: the first of each group stays, and the reason says why the others went" {
	[ "$(quern dedup -q --format jsonl --rejects bad docs.jsonl | ids)" = "1 2 5 7" ]
	grep -q '"id":"3".*exact_duplicate' bad
	grep -q '"id":"4".*near_duplicate' bad
	grep -q '"id":"6".*exact_duplicate' bad
}

@test "dedup: --exact alone and --minhash alone" {
	[ "$(quern dedup -q --format jsonl --exact docs.jsonl | ids)" = "1 2 4 5 7" ]
	[ "$(quern dedup -q --format jsonl --minhash docs.jsonl | ids)" = "1 2 5 6 7" ]
}

@test "dedup: --clusters names the row that a dropped one repeats" {
	quern dedup -q --format jsonl --clusters groups docs.jsonl >/dev/null
	[ "$(cat groups)" = '{"id":"3","duplicate_of":"1","reason":"exact_duplicate"}
{"id":"4","duplicate_of":"1","reason":"near_duplicate"}
{"id":"6","duplicate_of":"5","reason":"exact_duplicate"}' ]
}

@test "dedup: --against drops what is in the other file, by prompts where it holds problems" {
	[ "$(quern dedup -q --format jsonl --exact --against held.jsonl --rejects bad train.jsonl | ids)" = "t1" ]
	grep -q '"id":"t2".*contaminated' bad
	[ "$(quern dedup -q --format jsonl --against docs.jsonl docs.jsonl | wc -l)" -eq 0 ]
	head -2 docs.jsonl >two.jsonl
	[ "$(quern dedup -q --format jsonl --against two.jsonl docs.jsonl | ids)" = "5 6 7" ]
	[ "$(quern dedup -q --format jsonl --against two.jsonl --within docs.jsonl | ids)" = "5 7" ]
}

@test "dedup: texts that differ in numbers only are near duplicates" {
	[ "$(quern dedup -q --format jsonl --minhash --by prompt train.jsonl | ids)" = "t1" ]
	[ "$(quern dedup -q --format jsonl --exact --by prompt train.jsonl | ids)" = "t1 t2" ]
}

@test "dedup: --check writes nothing and says by its status whether there are duplicates" {
	status 3 quern dedup --check docs.jsonl
	says '3 rows would be dropped'
	head -2 docs.jsonl >two.jsonl
	[ -z "$(quern dedup -q --check two.jsonl)" ]
	status 0 quern dedup --check two.jsonl
	status 3 quern dedup --check --exact --against held.jsonl train.jsonl
	head -1 train.jsonl >one.jsonl
	status 0 quern dedup --check --exact --against held.jsonl one.jsonl
	status 2 quern dedup --check -o x two.jsonl
	[ ! -e x ]
}

@test "dedup: an index larger than --memory is exit 1 and a sentence" {
	status 1 quern dedup --memory 1k docs.jsonl
	says 'memory'
	status 2 quern dedup --memory lots docs.jsonl
	status 2 quern dedup --bands 100 --rows 60 docs.jsonl
	status 2 quern dedup --within docs.jsonl
	status 1 quern dedup --against no-such-file docs.jsonl
	status 3 quern dedup --against /dev/null docs.jsonl
}

@test "dedup: same bytes for any number of threads" {
	for i in $(seq 3000); do
		echo "{\"id\":\"$i\",\"text\":\"row number $((i % 700)) of many, which $((i % 7)) others $(printf "%s" $((i * i % 1009)) | tr 0-9 a-j) repeat more or less word by word\"}"
	done >many.jsonl
	same_bytes_for_any_j many.jsonl dedup
}

@test "dedup: survives the battery" {
	hostile docs.arrows dedup
}
