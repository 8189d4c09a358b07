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
	[ "$(json in)" = '{"id":"in#1","messages":[{"role":"user","content":"h"},{"role":"assistant","content":"k"},{"role":"user","content":"i\nn"},{"role":"assistant","content":"o"}]}' ]
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
	[ "$(json --split-on line in | grep -o '"text":"[^"]*"' | tr '\n' ' ')" = '"text":"one" "text":"two" "text":"three" ' ]
	[ "$(json --split-on paragraph in | grep -o '"text":"[^"]*"' | tr '\n' ' ')" = '"text":"one\ntwo" "text":"three" ' ]
	printf 'one\n%%%%\ntwo\nlines\n%%%%\n\n%%%%\nthree %%%% here' >in
	[ "$(json --split-on $'\n%%\n' in | grep -o '"text":"[^"]*"' | tr '\n' ' ')" = '"text":"one" "text":"two\nlines" "text":"three %% here" ' ]
	[ "$(json --split-on '<|end|>' - <<<'a<|end|>b<|end|' | grep -o '"id":"[^"]*","text":"[^"]*"' | tr '\n' ' ')" = '"id":"stdin#1","text":"a" "id":"stdin#2","text":"b<|end|" ' ]
	# a separator across what is read at once
	{ head -c 262140 /dev/zero | tr '\0' x; printf '<separator>'; echo y; } >in
	[ "$(json --split-on '<separator>' in | wc -l)" -eq 2 ]
	status 2 quern import --split-on '' in
}

@test "import: archives that stand on their end, hold secrets or large members" {
	# 7z a two.7z a.jsonl t.txt; zip encrypted.zip t.txt; zip -P x encrypted.zip a.jsonl
	ids() { grep -o '"id":"[^"]*"' | tr '\n' ' '; }
	[ "$(json "$DATA/import/two.7z" | ids)" = '"id":"a.jsonl:1" "id":"a.jsonl:2" "id":"t.txt" ' ]
	status 3 quern import -q - < <(cat "$DATA/import/two.7z")
	says 'a 7z archive is read from its end: save it first'
	[ "$(json --rejects r "$DATA/import/encrypted.zip" | ids)" = '"id":"t.txt" ' ]
	[ "$(quern view --format jsonl --columns id,reason r)" = '{"id":"a.jsonl","reason":"encrypted"}' ]
	head -c 200 "$DATA/import/two.7z" >cut.7z
	status 3 quern import -q cut.7z
	# a member of any size is read as a stream: memory is that of a file
	awk 'BEGIN { for (i = 0; i < 300000; i++) printf "{\"text\":\"row %d of a large member, some bytes long\"}\n", i }' >large.jsonl
	head -c 20000000 /dev/zero | tr '\0' x >x.txt
	tar cf large.tar large.jsonl x.txt
	quern import -q --compress never --stats stats --rejects r large.tar -o out.arrows
	[ "$(quern view --count out.arrows)" = 300000 ]
	[ "$(quern view --format jsonl --columns id,reason r)" = '{"id":"x.txt","reason":"too_large"}' ]
	[[ $BIN == *asan* ]] || [ "$(sed -n 's/.*"peak_bytes": *\([0-9]*\).*/\1/p' stats)" -lt $((64 << 20)) ]
	quern import -q large.jsonl -o alone.arrows
	[ "$(quern view --columns text out.arrows | md5sum)" = "$(quern view --columns text alone.arrows | md5sum)" ]
}

@test "import: JSON over several lines, on one line, and arrays of anything" {
	ids() { grep -o '"id":"[^"]*","text":"[^"]*"' | tr '\n' ' '; }
	[ "$(printf '{\n "text": "a}"\n}\n{\n "text": "b"\n}\n' | json | ids)" = '"id":"stdin#1","text":"a}" "id":"stdin#2","text":"b" ' ]
	[ "$(printf '{"text":"a"}{"text":"b"} {"text":"c"}' | json | ids)" = '"id":"stdin#1","text":"a" "id":"stdin#2","text":"b" "id":"stdin#3","text":"c" ' ]
	[ "$(printf '[{"text":"a"},"x, ]",[1,[2]],null,{"text":"b"}]' | quern import -q --format jsonl --rejects r - | ids)" = '"id":"stdin#1","text":"a" "id":"stdin#5","text":"b" ' ]
	[ "$(quern view --count --where 'reason == "bad_json"' r)" = 3 ]
	# one broken line is one bad row
	[ "$(printf '{"a": {"text":1}\n{"text":"b"}\n' | json | ids)" = '"id":"stdin:2","text":"b" ' ]
	for bad in '[{"text":"a"} {"text":"b"}]' '[{"text":"a"},]' '[{"text":"a"}' '{"text":"a"}{"text' $'{\n"text":"a"\n}\n{"text'; do
		attempt "$bad" 3 quern import -q --format jsonl - < <(printf '%s' "$bad")
	done
}

@test "import: layouts by their fields, and an error that shows both" {
	one() { json - <<<"$1" | sed 's/^{"id":"stdin:1",//'; }
	[ "$(one '{"instruction":"i","output":["a","b"]}')" = '"messages":[{"role":"user","content":"i"},{"role":"assistant","content":"a\nb"}]}' ]
	[ "$(one '{"query":"q","response":"r","history":[["a","b"]]}')" = '"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"q"},{"role":"assistant","content":"r"}]}' ]
	[ "$(one '{"entity":"Earth","facts":[{"fact":"radius","value":6371}]}')" = '"text":"Earth\nradius: 6371\n","source":"-"}' ]
	[ "$(one '{"input":"q","outputs":[{"response":"x","score":1},{"response":"y","score":3.5},{"response":"z","score":3.5}]}')" = '"prompt":[{"role":"user","content":"q"}],"chosen":[{"role":"assistant","content":"y"}],"rejected":[{"role":"assistant","content":"x"}],"score_chosen":3.5,"score_rejected":1.0,"margin":2.5}' ]
	[ "$(one '{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}],"kto_tag":true}')" = '"prompt":[{"role":"user","content":"q"}],"completion":"a","label":true}' ]
	echo '{"messages":[{"role":"user","content":"q"},{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":{}}}]}],"tools":[]}' >in
	quern import in 2>err >out
	grep -q '^quern import: 1 rows have tools or call them' err
	echo '{"messages":[{"role":"user","content":[{"type":"image","image":"a.png"},{"type":"text","text":"what?"}]},{"role":"assistant","content":"a"}]}' >in
	quern import in 2>err >out
	grep -q '^quern import: 1 rows have images' err
	[ "$(one '{"prompt":"1+1?","completions":["one","so 2"],"labels":[true,0],"k":1}')" = '"prompt":[{"role":"user","content":"1+1?"}],"completions":["one","so 2"],"labels":[true,false],"meta":"{\"k\":1}"}' ]
	printf '%s\n' '{"prompt":"a","completions":["b"],"labels":[true,false]}' '{"prompt":"a","completions":["b"],"labels":[2]}' \
		'{"prompt":"a","completions":["b"],"labels":[null]}' '{"prompt":"a","completions":[1],"labels":[true]}' \
		'{"prompt":"a","completions":"b","labels":[true]}' '{"prompt":"a","completions":[],"labels":[]}' '{"prompt":[],"completions":["b"],"labels":[1]}' \
		'{"prompt":"a","completions":["",""],"labels":[1,0]}' |
		quern import -q --as stepwise --rejects r --format jsonl - >out
	[ "$(cat out)" = '{"id":"stdin:8","prompt":[{"role":"user","content":"a"}],"completions":["",""],"labels":[true,false]}' ]
	[ "$(quern view --format jsonl --columns reason r | tr -d '\n')" = '{"reason":"label_count"}{"reason":"bad_label"}{"reason":"bad_label"}{"reason":"bad_completions"}{"reason":"bad_completions"}{"reason":"empty"}{"reason":"empty"}' ]
	# what comes out is what reward-train --process and view take
	quern import -q --as stepwise "$DATA/rewards/steps.jsonl" -o steps.arrows
	[ "$(quern view --count steps.arrows)" = "$(grep -c . "$DATA/rewards/steps.jsonl")" ]
	[ "$(one '{"text":"t","label":1}')" = '"text":"t","source":"-","meta":"{\"label\":1}"}' ]
	for bad in '{"entity":"E","facts":[{"fact":"f"}]}' '{"input":"q","outputs":[{"response":"x","score":1}]}' '{"input":"q","outputs":[{"response":"x"}]}' \
		'{"query":"q","response":"r","history":[["a"]]}' '{"instruction":"i","output":[["a"]]}'; do
		attempt "$bad" 3 quern import -q - < <(echo "$bad")
	done
	status 3 quern import -q - <<<'{"foo":1,"bar":2}'
	says 'no layout has the fields foo, bar; the layouts are text \(text\), .*alpaca \(instruction, output\)'
	status 3 quern import -q --as preferences - <<<'{"foo":1}'
	says 'the layouts of preferences are preference \('
}

@test "import: tables whose header names what datasets have" {
	printf 'id,text\r\n1,"a ""q"""\r\n2,x,extra\r\n3\r\n4,"line\r\nbreak"\r\n' >t.csv
	[ "$(quern import -q --format jsonl --rejects r t.csv | grep -o '^.*,"source' | tr '\n' ' ')" = '{"id":"1","text":"a \"q\"","source {"id":"4","text":"line\r\nbreak","source ' ]
	[ "$(quern view --count --where 'reason == "bad_csv"' r)" = 2 ]
	[ "$(printf ',text\n0,hello\n' | json -)" = '{"id":"stdin:2","text":"hello","source":"-","meta":"{\"column_1\":\"0\"}"}' ]
	[ "$(printf 'question;answer\nx;y\n' | json -)" = '{"id":"stdin:2","prompt":[{"role":"user","content":"x"}],"answer":"y"}' ]
	status 3 quern import -q - <<<$'text,text\na,b'
	says "line 1: the header names 'text' twice"
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

@test "import: the main text of web pages: news, forum, shop, documentation, wiki, list" {
	for page in news forum shop docs wiki list; do
		(cd "$DATA/html" && quern import -q --from html "$page.html" -o "$T/$page.arrows") && quern view --format text "$page.arrows" >"$page.txt"
		diff "$DATA/html/$page.txt" "$page.txt"
	done
	json --from html "$DATA/html/news.html" | grep -qF '\"title\":\"Mill wheel turns again after forty years – The Valley Post\",\"lang\":\"en-GB\",\"published\":\"2024-04-21T06:00:00+01:00\"'
	printf '<p>a\xffb' >bad.html
	json --extract all --from html bad.html | grep -q '"text":"aÿb"'
	printf '<!doctype html><p>a\0b' >nul.html
	json --extract all nul.html | grep -q '"text":"a�b"'
	printf '<meta charset=utf-8><p>a\xffb' >bad.html
	json --extract all --from html bad.html | grep -qF '"text":"a�b","source":"bad.html","meta":"{\"replaced\":1}"'
}
