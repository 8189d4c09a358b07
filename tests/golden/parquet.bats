load helper

# What pyarrow made, and what pyarrow reads in it (tests/reference/make_parquet.py).

@test "parquet: every encoding, codec, page version and nesting reads as pyarrow reads it" {
	local n=0
	for f in "$DATA"/parquet/*.parquet; do
		quern view -q --format jsonl "$f" >ours
		quern view -q --format jsonl "${f%.parquet}.arrows" >theirs
		cmp ours theirs || { echo "in $f"; return 1; }
		n=$((n + 1))
	done
	[ "$n" -ge 18 ]
}

@test "parquet: any tool takes it, and its place in the provenance is the file's" {
	f=$DATA/parquet/nested.parquet
	quern mix --shuffle --take 7 "$f" -o some.arrows
	says_rows=$(quern view --count some.arrows)
	[ "$says_rows" -eq 7 ]
	quern view --provenance some.arrows | grep -q "reads $f, 200 rows, xxh3 [0-9a-f]\{32\}"
	quern view --verify "$f" | grep -q '200 rows'
	quern mix -q -j1 "$f" -o one.arrows
	quern mix -q -j2 "$f" -o two.arrows
	cmp one.arrows two.arrows
}

@test "parquet: import finds the layout in its columns" {
	quern import -q "$DATA/parquet/chat.parquet" | quern view --format jsonl >rows
	[[ "$(head -n 1 rows)" == '{"id":"a","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"hello"}]'* ]]
	mkdir in
	cp "$DATA/parquet/chat.parquet" in/
	tar -cf in.tar in
	[ "$(quern import -q in.tar | quern view --count)" -eq 2 ]
	status 3 quern import "$DATA/parquet/split.parquet"
	says 'f32'
}

@test "parquet: from a pipe or compressed it is refused with what to do" {
	f=$DATA/parquet/plain.parquet
	for tool in "view" "mix" "import"; do
		attempt "pipe" 3 quern $tool < <(cat "$f")
		says 'save it first'
	done
	gzip -c "$f" >p.gz
	status 3 quern view p.gz
	says 'save it first'
}

@test "parquet: cut anywhere it is an error; with bits flipped it is an error or sane" {
	for name in plain v2 nested groups delta-bytes; do
		f=$DATA/parquet/$name.parquet
		size=$(stat -c %s "$f")
		for cut in 4 11 100 $((size / 2)) $((size - 9)) $((size - 8)) $((size - 1)); do
			head -c "$cut" "$f" >cut
			attempt "cut at $cut" 3 quern view -q cut
		done
		for i in $(seq 1 30); do
			at=$(((i * 7919 + 13) % size))
			cp "$f" flipped
			printf "\\x$(printf %02x $((0x$(od -An -tx1 -j "$at" -N 1 "$f" | tr -d " ") ^ (1 << (i % 8)))))" |
				dd of=flipped bs=1 seek="$at" conv=notrunc status=none
			attempt "bit flipped at $at" "0|3" quern view -q flipped
		done
	done
	# A flip in a page with a checksum is never missed: pages stand before the footer, so all but a header's are caught.
	f=$DATA/parquet/checksum.parquet
	local wrong=0
	for at in $(seq 60 37 1500); do
		cp "$f" flipped
		printf "\\x$(printf %02x $((0x$(od -An -tx1 -j "$at" -N 1 "$f" | tr -d " ") ^ 1)))" |
			dd of=flipped bs=1 seek="$at" conv=notrunc status=none
		attempt "bit flipped at $at" "0|3" quern view -q flipped
		grep -q "a page's checksum is wrong" "$T/err" && wrong=$((wrong + 1))
	done
	[ "$wrong" -ge 10 ]
}

@test "parquet: rows that a dictionary makes large, and row groups that are small" {
	# 2.4 GB of text in a file of a few kilobytes: batches are cut by what rows are, not by what the footer says
	[ "$(quern view --count "$DATA/parquet/more/repeated.parquet")" -eq 4096 ]
	f=$DATA/parquet/more/small-groups.parquet
	quern view --format jsonl "$f" >all
	[ "$(wc -l <all)" -eq 100 ]
	for row in 0 2 3 50 98; do
		quern view --format jsonl --row "$row" "$f" | cmp - <(sed -n "$((row + 1))p" all)
	done
}

@test "parquet: what is not read is named, with its place" {
	status 3 quern view "$DATA/parquet/more/brotli.parquet"
	says "row group 0: column 'id': Brotli compression is not supported"
}
