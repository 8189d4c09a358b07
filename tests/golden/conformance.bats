load helper

# tests/conformance: streams that are damaged in one way each, and what a reader must say of them (index.tsv; make.py made both).
prepare() {
	STREAMS=$HERE/../conformance
}

# each COMMAND...: runs it on every file of the index; a bad one is refused with its words, a good one read.
each() {
	local name want why says got
	while IFS=$'\t' read -r name want why says; do
		got=0
		timeout 60 "$@" "$STREAMS/$name" >"$T/out" 2>"$T/err" || got=$?
		if [ "$got" -ne "$want" ] || { [ "$want" -ne 0 ] && ! grep -qF -- "$says" "$T/err"; }; then
			echo "$name ($why): exit $got, want $want and '$says'"
			cat "$T/err"
			return 1
		fi
	done <"$STREAMS/index.tsv"
}

@test "conformance: every file is in the index, and every line has its file" {
	cut -f1 "$STREAMS/index.tsv" | sort >listed
	(cd "$STREAMS" && ls *.arrow *.arrows) | sort | diff - listed
	[ "$(wc -l <listed)" -ge 70 ]
	# the columns stand for something in each line
	! grep -vP '^[^\t]+\t(0\t[^\t]+\t|3\t[^\t]+\t[^\t]+)$' "$STREAMS/index.tsv" || return 1
}

@test "conformance: what is damaged is refused, in the index's words" {
	each quern view -q --verify
}

@test "conformance: shown, it is refused as well" {
	each quern view --format jsonl
}

@test "conformance: a tool that passes rows on leaves no output of it" {
	pass() {
		rm -rf made && mkdir made
		local got=0
		quern mix -q "$1" -o made/out.arrows || got=$?
		[ "$got" -eq 0 ] || [ -z "$(ls -A made)" ] || return 99
		return $got
	}
	export -f pass quern
	export BIN
	each bash -c 'pass "$1"' -
}

@test "conformance: off a pipe it is refused as well" {
	export -f quern
	export BIN
	# the name of the input is another
	each bash -c 'cat "$1" | quern mix -q | cat >/dev/null; exit "${PIPESTATUS[1]}"' -
}

@test "conformance: the good ones are read as what they are" {
	quern view --format jsonl "$STREAMS/good-plain.arrows" >rows
	quern view --format jsonl "$STREAMS/good-compressed.arrows" | cmp - rows
	[ "$(wc -l <rows)" -eq 3 ]
	grep -qF '{"id":"c","messages":[{"role":"user","content":"häh"}],"meta":"{}"}' rows
}

# batches FILE: its bytes from the first batch to the closing one, which hold no provenance.
batches() {
	local at
	at=$(LC_ALL=C grep -obUaP '\xff\xff\xff\xff[\x00-\xff]{2}\x00\x00' "$1" | cut -d: -f1 | awk '$1 % 8 == 0' | sed -n 2,3p)
	[ "$(wc -w <<<"$at")" -eq 2 ]
	tail -c +$((${at%%[!0-9]*} + 1)) "$1" | head -c $((${at##*[!0-9]} - ${at%%[!0-9]*}))
}

@test "conformance: the batches of every kind are those that pyarrow, polars and DuckDB read (interop.py kinds)" {
	for kind in documents chat problems preferences feedback tokens tokens-of-pairs packed completions scores; do
		golden=$DATA/stream/kind-$kind
		for form in .arrows .zstd.arrows; do
			quern view --verify "$golden$form" >/dev/null
			quern view --format jsonl "$golden$form" | cmp - "$golden.jsonl"
			[ "$(quern view --schema "$golden$form" | head -n 1)" = "kind: ${kind%-of-pairs}" ]
		done
		if [ $kind = packed ]; then
			quern pack -q -L 4 --compress never "$DATA/stream/kind-tokens.arrows" -o out.arrows
		else
			quern mix -q --compress never "$golden.jsonl" -o out.arrows
		fi
		batches out.arrows >ours
		[ "$(stat -c %s ours)" -gt 500 ]
		batches "$golden.arrows" | cmp - ours
	done
}
