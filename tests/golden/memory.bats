load helper

# Memory of tools that convert and filter does not grow with their input: under 64 MiB, of an input that is larger than that by far.
prepare() {
	grep -q __asan_init "$BIN/view" && skip "a sanitizer's own memory is counted in"
	local text
	text=$(yes 'all the flour of the mill' | head -c 4000 | tr '\n' ' ')
	yes "{\"id\":\"a\",\"text\":\"$text\"}" | head -n 50000 >in.jsonl
	[ "$(stat -c %s in.jsonl)" -gt 200000000 ]
}

# peak COMMAND...: it ends well, and never held more than 64 MiB.
peak() {
	quern "$@" -v -j2 --progress never >out 2>said || return 1
	local mib
	mib=$(sed -n 's/.*, peak \([0-9]*\) MB$/\1/p' said)
	echo "$mib MB: quern $*"
	[ "$mib" -gt 0 ] && [ "$mib" -lt 64 ]
}

@test "memory: JSON Lines, an array and CSV to records" {
	peak import in.jsonl -o plain.arrows --compress never
	peak import in.jsonl -o packed.arrows
	(echo '['; sed '$!s/$/,/' in.jsonl; echo ']') >in.json
	peak import in.json -o out.arrows
	peak mix in.json -o out.arrows
	[ "$(quern view --count out.arrows)" -eq 50000 ]
	peak view --format csv plain.arrows -o in.csv
	peak import in.csv -o out.arrows
	[ "$(quern view --count out.arrows)" -eq 50000 ]
}

@test "memory: records to rows, and to records" {
	quern import -q in.jsonl -o plain.arrows --compress never
	quern import -q in.jsonl -o packed.arrows
	for in in plain packed; do
		peak view --verify $in.arrows
		peak view --format jsonl $in.arrows
		peak mix $in.arrows -o out.arrows
		peak clean --preset none $in.arrows -o out.arrows
		peak mix --split 'a.arrows=0.5,b.arrows=0.5' $in.arrows
	done
	peak mix --take 100 packed.arrows
	gzip -1 -c plain.arrows >packed.gz
	peak mix packed.gz
}

@test "memory: rules on usual texts, and on one of 24 MB" {
	quern import -q in.jsonl -o plain.arrows --compress never
	peak clean --preset fineweb-v1 plain.arrows -o out.arrows
	# words that do not repeat in runs, so that every rule looks at all of them
	awk 'BEGIN { srand(5); printf "{\"id\":\"a\",\"text\":\""; for (i = 0; i < 4000000; i++) printf "w%d ", rand() * 50000; print "\"}" }' | tr 0-9 a-j >long.jsonl
	[ "$(stat -c %s long.jsonl)" -gt 24000000 ]
	quern clean -j2 --progress never --preset quern long.jsonl -o out.arrows -v 2>said
	mib=$(sed -n 's/.*, peak \([0-9]*\) MB$/\1/p' said)
	echo "$mib MB"
	[ "$mib" -lt 110 ]
	# with --rejects the text is not given back while it is repaired; it is the same
	quern clean -q --preset quern --rejects no.arrows long.jsonl -o same.arrows
	cmp <(quern view --format jsonl out.arrows) <(quern view --format jsonl same.arrows)
	[ "$(quern view --count same.arrows)" -eq 1 ]
}

@test "memory: texts to a vocabulary" {
	peak bpe-train --vocab-size 300 in.jsonl -o tok
}
