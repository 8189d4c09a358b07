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
		timeout 20 "$@" "$STREAMS/$name" >"$T/out" 2>"$T/err" || got=$?
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
	! grep -vP '^[^\t]+\t(0\t[^\t]+\t|3\t[^\t]+\t[^\t]+)$' "$STREAMS/index.tsv"
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
