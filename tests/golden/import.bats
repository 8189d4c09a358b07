load helper

json() { quern import -q --format jsonl "$@"; }

@test "import: JSON Lines keep unknown fields in meta, and bad rows are rejected with their line" {
	printf '{"id":"a","text":"hello","x":1}\n{bad\n{"text":"","y":2}\n{"id":7,"text":"w"}\n' >in
	json in --rejects rejects.jsonl >out
	[ "$(sed -n 1p out)" = '{"id":"a","text":"hello","source":"in","meta":"{\"x\":1}"}' ]
	[ "$(sed -n 2p out)" = '{"id":"7","text":"w","source":"in"}' ]
	[ "$(wc -l <out)" -eq 2 ]
	grep -q '"in:2".*"bad_json"' rejects.jsonl
	grep -q '"in:3".*"empty"' rejects.jsonl
	status 3 quern import --strict in -o strict.arrows
	says 'in:2: bad_json'
	[ ! -e strict.arrows ]
}

@test "import: CSV with quotes, as problems and as chat" {
	printf 'question,answer\r\n"a ""q"",\nx",2\r\nb,3' >in
	[ "$(json in | head -1)" = '{"id":"in:2","prompt":[{"role":"user","content":"a \"q\",\nx"}],"answer":"2"}' ]
	[ "$(json --as chat in | tail -1)" = '{"id":"in:4","messages":[{"role":"user","content":"b"},{"role":"assistant","content":"3"}]}' ]
}

@test "import: layouts of chat, preferences and feedback" {
	echo '{"conversations":[{"from":"human","value":"q"},{"from":"gpt","value":"a"}],"system":"s"}' >in
	[ "$(json in)" = '{"id":"in:1","messages":[{"role":"system","content":"s"},{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}' ]
	echo '[{"instruction":"i","input":"n","output":"o","history":[["h","k"]]}]' >in
	[ "$(json in)" = '{"id":"in:1","messages":[{"role":"user","content":"h"},{"role":"assistant","content":"k"},{"role":"user","content":"i\nn"},{"role":"assistant","content":"o"}]}' ]
	echo '{"chosen":"\n\nHuman: q\n\nAssistant: a","rejected":"\n\nHuman: q\n\nAssistant: b"}' >in
	[ "$(json in)" = '{"id":"in:1","prompt":[{"role":"user","content":"q"}],"chosen":[{"role":"assistant","content":"a"}],"rejected":[{"role":"assistant","content":"b"}]}' ]
	echo '{"prompt":"p","completion":"c","label":true,"extra":{"k":[1]}}' >in
	[ "$(json in)" = '{"id":"in:1","prompt":[{"role":"user","content":"p"}],"completion":"c","label":true,"meta":"{\"extra\":{\"k\":[1]}}"}' ]
}

@test "import: what is ambiguous or fits nothing is said" {
	echo '{"text":"t","messages":[{"role":"user","content":"q"}]}' >in
	status 3 quern import in
	says 'text or messages'
	[ "$(json --layout text in | cut -c1-24)" = '{"id":"in:1","text":"t",' ]
	echo '{"nothing":1}' >in
	status 3 quern import in
	says 'no layout.*nothing'
	status 2 quern import --layout nonsense in
	says 'preference-implicit'
	echo '{"ask":"q","reply":"a"}' >in
	[ "$(json --map question=ask --map answer=reply in)" = '{"id":"in:1","prompt":[{"role":"user","content":"q"}],"answer":"a"}' ]
}

@test "import: manual pages lose their macros" {
	[ "$(json "$DATA/import/page.1" | grep -o '"text":"[^"]*"')" = '"text":"NAME\n\nfrob - turn things\n\nOPTIONS\n\n-x, --long=N\nSet it to N.\n\ntag\nSecond — item.\n\n  kept\n    lines\n\nThe end\\."' ]
	[ "$(json "$DATA/import/mdoc.1" | grep -o '"text":"[^"]*"')" = '"text":"NAME\n\nfrob - turn things\n\nSYNOPSIS\n\nfrob [-ab] [-o file] file ...\n\nDESCRIPTION\n\nSee quern(1), and open(path, mode).\n\n-x (default)\nCross."' ]
}

@test "import: WARC responses and conversions, junk between them rejected" {
	quern import --extract all --format jsonl "$DATA/import/crawl.warc" --stats stats >out
	grep -q '"id":"crawl.warc#2","text":"Hello from the web, which is text.","source":"http://example.org/"' out
	grep -q '"id":"crawl.warc#4","text":"plain","source":"http://example.org/b"' out
	grep -q '"bad_warc": 1' stats
	gzip -k <"$DATA/import/crawl.warc" >crawl.warc.gz
	[ "$(json --extract all crawl.warc.gz | wc -l)" -eq 2 ]
}

@test "import: a directory in byte order, with archives, compressed and binary files" {
	mkdir -p d/b d/c
	echo plain >d/b/x.txt
	echo squeezed | gzip >d/a.gz
	printf '\177ELF\0\0' >d/c/bin
	ln -s /etc/passwd d/link
	mkdir t && echo member >t/m && tar cf d/z.tar t
	head -c 30 d/a.gz | head -c 12 >d/bad.gz
	quern import -q --format jsonl d --rejects rejects.jsonl 2>err >out
	[ "$(grep -o '"id":"[^"]*"' out | tr '\n' ' ')" = '"id":"a.gz" "id":"b/x.txt" "id":"z.tar/t/m" ' ]
	grep -q '"c/bin".*"binary"' rejects.jsonl
	grep -q '"bad.gz".*"damaged"' rejects.jsonl
	same_bytes_for_any_j d import
}

@test "import: one document a line or a paragraph" {
	printf 'one\ntwo\n\n \nthree\n' >in
	[ "$(json --split-lines in | grep -o '"text":"[^"]*"' | tr '\n' ' ')" = '"text":"one" "text":"two" "text":"three" ' ]
	[ "$(json --split-blank in | grep -o '"text":"[^"]*"' | tr '\n' ' ')" = '"text":"one\ntwo" "text":"three" ' ]
}

@test "import: -j does not change the bytes of many rows" {
	awk 'BEGIN { for (i = 0; i < 20000; i++) printf "{\"text\":\"row %d of many\",\"n\":%d}\n", i, i }' >in
	same_bytes_for_any_j in import
	quern view --verify j1
}

@test "import: what cannot be read ends with the right status" {
	attempt "no bytes" 3 quern import </dev/null
	attempt "binary" 3 quern import < <(head -c 4096 /bin/sh)
	attempt "half a line" 3 quern import < <(printf '{"id":"a","te')
	attempt "bad UTF-8" 3 quern import < <(printf '{"id":"\xff","text":"\xc3"}\n')
	attempt "Parquet" 3 quern import < <(printf 'PAR1....')
	says 'save it first'
	attempt "array without end" 3 quern import < <(printf '[{"text":"a"},')
	attempt "truncated gzip" 3 quern import < <(seq 10000 | gzip | head -c 9000)
	attempt "truncated zstd" 3 quern import < <(seq 10000 | zstd -q | head -c 90)
	attempt "truncated WARC" 3 quern import < <(head -c 300 "$DATA/import/crawl.warc")
	attempt "missing file" 1 quern import no-such-file
	attempt "unknown option" 2 quern import --no-such-option
	echo '{"text":"a"}' >in
	status 1 bash -c 'quern import -q in >/dev/full'
	seq 100000 | sed 's/.*/{"text":"&"}/' >many
	quern import -q many | head -c 100 >/dev/null
}
