load helper

prepare() {
	printf '{"id":"a","text":"one","n":1,"meta":"{\\"u\\":\\"x\\"}"}\n{"id":"b","text":"tw,\\"o","n":2.5}\n{"id":"c","text":"three\\nlines","n":null}\n' >rows.jsonl
	quern mix -q rows.jsonl -o rows.arrows
}

ids() { quern view "$@" | grep -o '"id":"[^"]*"' | cut -d'"' -f4 | tr -d '\n'; }

@test "view: rows by place" {
	[ "$(ids rows.arrows)" = abc ]
	[ "$(ids -n2 rows.arrows)" = ab ]
	[ "$(ids --skip 1 -n1 rows.arrows)" = b ]
	[ "$(ids --row 2 rows.arrows)" = c ]
	[ "$(ids -n 4 rows.arrows rows.jsonl)" = abca ]
	status 2 quern view --row 3 rows.arrows
	[ "$(quern view --count rows.arrows rows.jsonl)" = 6 ]
}

@test "view: rows by condition" {
	[ "$(ids --where 'n >= 2' rows.arrows)" = b ]
	[ "$(ids --where 'n == null or text =~ "^o"' rows.arrows)" = ac ]
	[ "$(ids --where 'not (len(text) > 3)' rows.arrows)" = a ]
	[ "$(ids --where 'meta.u == "x"' rows.arrows)" = a ]
	[ "$(quern view --count --where 'n' rows.arrows)" = 2 ]
	status 2 quern view --where 'nn > 1' rows.arrows
	says "position 1: no column 'nn'"
	status 2 quern view --where 'n > ' rows.arrows
	status 2 quern view --where 'n =~ "("' rows.arrows
	status 2 quern view --where 'n > 1 n' rows.arrows
}

@test "view: CSV, text and Arrow" {
	[ "$(quern view --format csv --columns text,n rows.arrows)" = $'text,n\none,1.0\n"tw,""o",2.5\n"three\nlines",' ]
	quern view --format text -n1 rows.arrows | grep -qx 'text: one'
	quern view --format arrow --columns id rows.arrows | quern view --verify
	status 2 quern view --columns id,none rows.arrows
}

@test "view: schema, provenance and replay" {
	quern view --schema rows.arrows | grep -qx 'kind: documents'
	quern view --provenance rows.arrows | grep -q 'mix'
	quern view --replay rows.arrows >again.sh
	mv rows.arrows first.arrows
	sh -eu again.sh 2>/dev/null
	cmp first.arrows rows.arrows
	status 3 quern view --provenance rows.jsonl
}

@test "view: damage is found and its batch named" {
	quern view --verify rows.arrows
	size=$(stat -c %s rows.arrows)
	head -c $((size / 2)) rows.arrows >cut
	status 3 quern view --verify cut
	head -c $((size - 8)) rows.arrows >cut
	status 3 quern view --verify cut
	awk 'BEGIN { for (i = 0; i < 30000; i++) printf "{\"id\":\"%d\",\"text\":\"row %d\"}\n", i, i }' >many.jsonl
	quern mix -q --compress never many.jsonl -o many.arrows
	size=$(stat -c %s many.arrows)
	printf '\xff' | dd of=many.arrows bs=1 seek=$((size / 2)) conv=notrunc status=none
	status 3 quern view --verify many.arrows
	says 'many.arrows: batch [0-9]+'
}

@test "view: what cannot be read ends with the right status" {
	attempt "no bytes" 3 quern view </dev/null
	attempt "not a stream" 3 quern view < <(head -c 4096 /bin/sh)
	attempt "half a line" 3 quern view < <(printf '{"id":"a","te')
	attempt "bad UTF-8" 3 quern view < <(printf '{"id":"\xff","text":"\xc3"}\n')
	attempt "missing file" 1 quern view no-such-file
	attempt "a directory" 2 quern view /
	attempt "unknown option" 2 quern view --no-such-option
	status 1 bash -c 'quern view rows.arrows >/dev/full'
	seq 100000 | sed 's/.*/{"id":"&","text":"x"}/' | quern view | head -n 1 >/dev/null
}

@test "view: rows far into a plain file are reached by headers alone, anywhere else by reading" {
	for i in $(seq 0 29999); do echo "{\"id\":\"d$i\",\"text\":\"row number $i of a file of several batches\"}"; done >rows.jsonl
	quern import -q --compress never rows.jsonl -o plain.arrows
	quern import -q --compress always rows.jsonl -o zstd.arrows
	gzip -c plain.arrows >plain.arrows.gz
	for row in 0 1 4095 4096 12345 29999; do
		for f in plain.arrows zstd.arrows plain.arrows.gz; do
			[ "$(quern view --format jsonl --columns id --row $row $f)" = "{\"id\":\"d$row\"}" ]
			[ "$(quern view --format jsonl --columns id --skip $row -n 1 - <$f)" = "{\"id\":\"d$row\"}" ]
			[ "$(cat $f | quern view --format jsonl --columns id --row $row)" = "{\"id\":\"d$row\"}" ]
		done
	done
	[ "$(quern view --format jsonl --skip 29990 plain.arrows | wc -l)" -eq 10 ]
	[ "$(quern view --format jsonl --columns id --skip 30001 -n 1 plain.arrows plain.arrows)" = '{"id":"d1"}' ]
	status 2 quern view --row 30000 plain.arrows
	says 'there are 30000 rows'
	# Damage in what is passed over is not seen, damage in what is read is.
	cp plain.arrows damaged
	printf X | dd of=damaged bs=1 seek=40000 conv=notrunc status=none
	status 3 quern view --row 7 damaged
	says 'damaged: batch 0: checksum mismatch'
	status 0 quern view --format jsonl --row 29999 damaged
	printf '\xff\xff' | dd of=damaged bs=1 seek=$(($(stat -c %s damaged) / 2)) conv=notrunc status=none
	status 3 quern view --verify damaged
}
