load helper

# What pyarrow and polars wrote (tests/reference/interop.py made the files and the rows that are expected of them).
shown="logical.arrows views.arrows dictionary.arrows delta.arrows replaced.arrows
	logical.arrow views.arrow dictionary.arrow delta.arrow polars.arrow rust.arrow"

@test "foreign: every type and encoding is shown" {
	for name in $shown; do
		quern view --format jsonl "$DATA/stream/foreign-$name" >rows
		cmp rows "$DATA/stream/foreign-${name%.*}.jsonl"
	done
	quern view "$DATA/stream/foreign-plain.arrows" >plain
	quern view "$DATA/stream/foreign-lz4.arrows" | cmp - plain
}

@test "foreign: what passes through is what came" {
	for name in $shown; do
		quern mix -q -j2 "$DATA/stream/foreign-$name" -o out.arrows
		quern view --verify out.arrows
		quern view --format jsonl out.arrows | cmp - "$DATA/stream/foreign-${name%.*}.jsonl"
		diff <(quern view --schema "$DATA/stream/foreign-$name") <(quern view --schema out.arrows)
	done
	# two forms of one table are one schema
	quern mix -q "$DATA/stream/foreign-dictionary.arrow" "$DATA/stream/foreign-dictionary.arrows" -o twice.arrows
	[ "$(quern view --count twice.arrows)" = 6 ]
	# an extension type and the notes of other libraries are still there
	grep -aq 'ARROW:extension:name' <(quern mix -q --compress never "$DATA/stream/foreign-logical.arrows")
	grep -aq '{"info": {}}' <(quern mix -q --compress never "$DATA/stream/foreign-logical.arrows")
}

@test "foreign: types have their notation" {
	quern view --schema "$DATA/stream/foreign-logical.arrows" >schema
	for line in 'zoned: timestamp[us, Europe/Berlin]?' 'price: decimal128[10, 2]?' 'key: fixed_size_binary[3]?' \
		'tags: map<utf8, int64?>?' 'step: interval[month_day_nano]?' 'deep: list<struct<at: timestamp[ms]?, key: fixed_size_binary[2]?>?>?'; do
		grep -Fqx "$line" schema
	done
}

@test "foreign: files and pipes" {
	# a dictionary behind its batches needs the end of the file
	quern view <"$DATA/stream/foreign-polars.arrow" | cmp - "$DATA/stream/foreign-polars.jsonl"
	status 3 quern view < <(cat "$DATA/stream/foreign-polars.arrow")
	says "batch 0: column 'kind': its dictionary has not come"
	quern view < <(cat "$DATA/stream/foreign-dictionary.arrow") | cmp - "$DATA/stream/foreign-dictionary.jsonl"
	# the footer is held to what stands before it
	size=$(stat -c %s "$DATA/stream/foreign-file.arrow")
	head -c $((size - 3)) "$DATA/stream/foreign-file.arrow" >cut.arrow
	status 3 quern view --verify cut.arrow
	says 'truncated: ends inside the footer'
}

@test "foreign: what is not read is named" {
	status 3 quern view "$DATA/stream/foreign-union.arrows"
	says "column 'c': union is not supported"
	status 3 quern view "$DATA/stream/foreign-run-end.arrows"
	says "column 'c': run-end encoded is not supported"
	status 3 quern view "$DATA/stream/foreign-list-view.arrows"
	says "column 'c': list view is not supported"
}
