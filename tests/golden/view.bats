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
	[ "$(quern view --format csv --columns price,span,key -n 1 "$DATA/stream/foreign-logical.arrows")" = $'price,span,key\n1.25,PT1.500S,YWJj' ]
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
	seq 0 29999 | sed 's/.*/{"id":"d&","text":"row number & of a file of several batches"}/' >rows.jsonl
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

@test "view --stats: what is in each column" {
	cat >rows.jsonl <<-'END'
		{"id":"a","n":1,"ok":true,"messages":[{"role":"user","content":"h\u001b[31mi"}]}
		{"id":"b","n":4,"ok":false,"messages":[{"role":"user","content":""},{"role":"assistant","content":"12345678"}]}
		{"id":"c","n":null,"ok":true,"messages":[]}
		{"id":"d","n":1,"ok":true,"messages":[{"role":"user","content":"hi"}]}
	END
	cat >want <<-'END'
		4 rows

		n: int64?
		  values     4, 1 null, 2 different
		  range      1 to 4, mean 2
		  quantiles  p1 1  p5 1  p25 1  p50 1  p75 4  p95 4  p99 4
		  most often          2  1

		ok: bool?
		  values     4, 0 null, 3 true (75 %)

		messages: list<struct<role: utf8, content: utf8>>
		  values     4, 0 null
		  elements   0 to 2, mean 1
		  quantiles  p1 0  p5 0  p25 0  p50 1  p75 1  p95 2  p99 2
		           0                     1 ####################
		           1                     2 ########################################
		           2-3                   1 ####################

		messages.role: utf8
		  values     4, 0 null, 2 different
		  bytes      4 to 9, mean 5.25
		  quantiles  p1 4  p5 4  p25 4  p50 4  p75 4  p95 9  p99 9
		           4-7                   3 ########################################
		           8-15                  1 ##############
		  most often          3  "user"
	END
	quern view --stats --columns n,ok,messages rows.jsonl | sed '/messages.content/,$d' | sed '$d' | diff want -
	# it counts the rows that are chosen, over all inputs, and follows --where, --skip and -n
	[ "$(quern view --stats --columns n --where 'n != null' --skip 1 -n 2 --format jsonl rows.jsonl rows.jsonl)" = '{"column":"n","type":"int64?","count":2,"nulls":0,"min":1,"mean":2.5,"max":4,"p1":1,"p5":1,"p25":1,"p50":1,"p75":4,"p95":4,"p99":4,"rank_error":0.0,"distinct":2,"top":[],"top_error":0}' ]
	[ "$(quern view --stats -n 0 rows.jsonl | head -n 1)" = "0 rows" ]
	quern view --stats -o out rows.jsonl
	[ "$(head -n 1 out)" = "4 rows" ]
	# no control character of the data comes out
	! quern view --stats rows.jsonl | grep -q $'\e' || return 1
	status 2 quern view --stats --format csv rows.jsonl
	status 2 quern view --stats --count rows.jsonl
	status 3 quern view --stats rows.jsonl "$DATA/stream/foreign-logical.arrows"
	says 'its columns differ'
	quern view --stats "$DATA"/stream/foreign-logical.arrows | grep -qx '  range      1969-12-31 to 2024-02-29, mean 1997-01-30'
	# view's own --stats has taken the place of the common one
	[ "$(quern view --help | grep -c -- '--stats')" = 1 ]
}

@test "view --stats: memory does not grow with the rows" {
	export ASAN_OPTIONS=${ASAN_OPTIONS:-}:quarantine_size_mb=1   # what is freed is free, under ASan too
	for n in 100000 800000; do
		seq $n | sed 's/.*/{"id":"the one and only row &","n":&}/' | quern mix -q -o $n.arrows
		quern view --stats -v $n.arrows 2>err | grep -q 'more than 16384 different'
		sed -n 's/.*peak \([0-9]*\) MB.*/\1/p' err
	done >peaks
	[ "$(sed -n 2p peaks)" -le $(($(sed -n 1p peaks) + 8)) ]
}

# on_terminal COMMAND: what it writes to a terminal of 40 columns.
on_terminal() { COLUMNS=40 script -qec "$1" /dev/null </dev/null | tr -d '\r'; }

@test "view: text for eyes" {
	printf '%s\n' '{"id":"1","messages":[{"role":"system","content":"Be short."},{"role":"user","content":"日本語のとても長い文章ですから折り返しが必要です。And words.\n\n\u001b[31mred\u009b0m\u0000"},{"role":"assistant","content":"No."}]}' >chat.jsonl
	printf '%s\n' '---- 0' 'id: 1' 'messages:' '  [system]' '    Be short.' '  [user]' '    日本語のとても長い文章ですから折り返しが必要です。And words.' '' '    ?[31mred?0m?' '  [assistant]' '    No.' >want
	quern view --format text chat.jsonl | diff want -
	# on a terminal: text without being asked, wrapped, coloured
	printf '%s\n' '---- 0' 'id: 1' 'messages:' '  [system]' '    Be short.' '  [user]' '    日本語のとても長い文章ですから折り返' '    しが必要です。And words.' '' '    ?[31mred?0m?' '  [assistant]' '    No.' >want
	NO_COLOR=1 on_terminal "$BIN/view chat.jsonl" | diff want -
	NO_COLOR= on_terminal "$BIN/view chat.jsonl" | grep -qF $'\e[1;34m[user]\e[0m'
	NO_COLOR= on_terminal "$BIN/view chat.jsonl" | sed $'s/\e\\[[0-9;]*m//g' | diff want -
	TERM=dumb on_terminal "$BIN/view chat.jsonl" | diff want -
	on_terminal "$BIN/view --color never chat.jsonl" | diff want -
	# not on one: colours if asked for, never else; JSON Lines
	quern view --format text --color always chat.jsonl | grep -qF $'\e[1;34m[user]\e[0m'
	! quern view --format text chat.jsonl | grep -q $'\e' || return 1
	quern view chat.jsonl | head -c 1 | grep -q '{'
	on_terminal "$BIN/view -o file chat.jsonl" && head -c 1 file | grep -q '{'
	# CSV writes what is there to a file, and nothing that a terminal obeys to a terminal
	printf '{"t":"\\u001b[2Jx\\u009b"}\n' >escape.jsonl
	quern view --format csv escape.jsonl | grep -q $'\e'
	! on_terminal "$BIN/view --format csv escape.jsonl" | grep -q $'\e' || return 1
	[ "$(on_terminal "$BIN/view --format jsonl escape.jsonl")" = '{"t":"\u001b[2Jx?"}' ]
	printf '{"a\\u001b[2Jb":1}\n' >name.jsonl
	quern view --schema name.jsonl | grep -q $'\e'
	for mode in --schema --stats '--format text' '--format csv' '--format jsonl'; do
		! on_terminal "$BIN/view --color never $mode name.jsonl" | grep -q $'\e' || return 1
	done
	status 2 quern view --color sometimes chat.jsonl
}

@test "view: preferences, and texts that are hard to show" {
	printf '%s\n' '{"id":"1","prompt":[{"role":"user","content":"?"}],"chosen":[{"role":"assistant","content":"good"}],"rejected":[{"role":"assistant","content":"bad"}],"margin":0.5}' |
		quern import -q --as preferences - -o pairs.arrows
	quern view --format text --color always pairs.arrows | grep -qxF $'\e[1;32mchosen:\e[0m'
	quern view --format text --color always pairs.arrows | grep -qxF $'\e[1;31mrejected:\e[0m'
	head -c 1000000 /dev/zero | tr '\0' w | sed 's/.*/{"id":"1","text":"&"}/' >word.jsonl
	[ "$(quern view --format text --columns text word.jsonl | wc -c)" -eq 1000014 ]
	[ "$(on_terminal "$BIN/view --columns text --color never word.jsonl" | wc -L)" -eq 40 ]
	[ "$(printf '{"id":"a","n":18446744073709551615}\n' | quern view --format text)" = $'---- 0\nid: a\nn: 18446744073709551615' ]
	[ "$(printf '{"a":1}\n' | quern view --format text -n 0)" = "" ]
	for f in "$DATA"/stream/foreign-*.arrows; do attempt "$f" '0|3' quern view --format text "$f" </dev/null; done
	for f in "$DATA"/stream/foreign-*.arrows; do attempt "$f" '0|3' quern view --stats "$f" </dev/null; done
}

@test "view -t: token ids beside their text" {
	tokenizer=$DATA/generate/tokenizer
	printf '{"id":"1","text":"H\\né"}\n{"id":"2","text":"<|endoftext|>"}\n' | quern tokenize-bpe -q -t "$tokenizer" -o tokens.arrows
	printf '%s\n' '---- 0' 'id: 1' 'input_ids: 5 tokens' '  72"H" 10"\n" 195"<0xC3>" 169"<0xA9>" 256<|endoftext|>' >want
	quern view -n 1 -t "$tokenizer" tokens.arrows | diff want -
	quern view -n 1 --format text tokens.arrows | grep -qx '  72 10 195 169 256'
	quern pack -q -L 24 tokens.arrows -o packed.arrows
	quern view -t "$tokenizer" packed.arrows >shown
	grep -qx 'input_ids: 2 documents in 24 tokens' shown
	grep -qx '  \[document 1\] 5 tokens, 4 with loss' shown
	grep -qxF '    (72"H") 10"\n" 195"<0xC3>" 169"<0xA9>" 256<|endoftext|>' shown
	grep -qx '  \[padding\] 5 tokens, 0 with loss' shown
	printf '{"id":"1","messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}\n' | quern tokenize-bpe -q -t "$tokenizer" -o chat.arrows
	quern view -t "$tokenizer" chat.arrows | grep -qF '(97"a") (258<|im_end|>)'
	quern view -t "$tokenizer" chat.arrows | grep -qF ' 98"b" 258<|im_end|> '
	! quern view -t "$tokenizer" chat.arrows | grep -q loss_mask || return 1
	status 2 quern view --format csv -t "$tokenizer" tokens.arrows
	status 1 quern view -t no-such-directory tokens.arrows
}

@test "view --where: times, decimals, maps and structs" {
	f=$DATA/stream/foreign-logical.arrows
	[ "$(quern view --count --where "date32 < '1970-01-01'" "$f")" = 1 ]
	[ "$(quern view --count --where "date32 >= '2024-02-29' and date64 == '2024-02-29'" "$f")" = 1 ]
	[ "$(quern view --count --where "zoned > '1970-01-01T00:00:00Z'" "$f")" = 1 ]
	[ "$(quern view --count --where "clock >= '2024-02-29T02:00+02:00'" "$f")" = 1 ]
	[ "$(quern view --count --where "price == 1.25 and span == 'PT1.5S' and time32 < '00:00:02'" "$f")" = 1 ]
	[ "$(quern view --count --where 'wide > 1e59' "$f")" = 1 ]
	[ "$(quern view --count --where 'len(tags) == 2 and len(key) == 3' "$f")" = 1 ]
	[ "$(quern view --count --where 'date32 == null and tags == null' "$f")" = 1 ]
	status 2 quern view --where "date32 < 'soon'" "$f"
	says 'position [0-9]+: not a date or time'
	status 2 quern view --where 'deep.at == null' "$f"
	says "no 'at' in deep: list"
}

@test "view --sort-by: numbers by value, text by bytes, nulls last, equal rows as they came" {
	cat >rows.jsonl <<-'END'
		{"id":"a","n":10,"meta":"{\"u\":\"zz\"}"}
		{"id":"b","n":9}
		{"id":"c","n":null,"meta":"{\"u\":\"B\"}"}
		{"id":"d","n":-1,"meta":"{\"u\":\"a\"}"}
		{"id":"e","n":9,"meta":"{\"u\":\"é\"}"}
	END
	[ "$(ids --sort-by n rows.jsonl)" = dbeac ]
	[ "$(ids --sort-by -n rows.jsonl)" = abedc ]
	[ "$(ids --sort-by=-id rows.jsonl)" = edcba ]
	[ "$(ids --sort-by meta.u rows.jsonl)" = cdaeb ]
	[ "$(ids --sort-by -meta.u rows.jsonl)" = eadcb ]
	[ "$(ids --sort-by 'len(meta)' rows.jsonl)" = cdaeb ]
	# conditions first, then the order, then places in it; over all inputs
	[ "$(ids --sort-by -n --where 'n < 10' -n 2 rows.jsonl)" = be ]
	[ "$(ids --sort-by n --skip 1 -n 2 rows.jsonl)" = be ]
	[ "$(ids --sort-by n --row 3 rows.jsonl)" = a ]
	[ "$(ids --sort-by n -n 5 rows.jsonl rows.jsonl)" = ddbeb ]
	status 2 quern view --sort-by n --row 5 rows.jsonl
	# the key need not be shown; the number shown is the one in the file
	[ "$(quern view --format csv --columns id --sort-by n -n 2 rows.jsonl)" = $'id\nd\nb' ]
	[ "$(quern view --format text --columns id --sort-by n -n 1 rows.jsonl)" = $'---- 3\nid: d' ]
	quern view --format arrow --sort-by -n -o sorted.arrows rows.jsonl
	quern view --verify sorted.arrows
	[ "$(ids sorted.arrows)" = abedc ]
	[ "$(quern view --stats --columns n --sort-by -n -n 2 rows.jsonl | grep range)" = "  range      9 to 10, mean 9.5" ]
	[ "$(quern view --sort-by id -n 0 rows.jsonl | wc -c)" -eq 0 ]
	[ "$(quern view --sort-by date32 --format csv --columns date32 "$DATA/stream/foreign-logical.arrows")" = $'date32\n1969-12-31\n2024-02-29' ]
	status 2 quern view --sort-by none rows.jsonl
	says "no column 'none'"
	status 2 quern view --sort-by 'n > 1' rows.jsonl
	printf '{"id":"a","n":"x"}\n' >other.jsonl
	status 3 quern view --sort-by n rows.jsonl sorted.arrows other.jsonl
}

@test "view --sort-by: memory is bounded, and the error says what helps" {
	seq 50000 | sed 's/.*/{"id":"&","text":"some text that takes room &"}/' >many.jsonl
	status 1 quern view --sort-by -id --memory 1M many.jsonl
	says 'more than 1000000 bytes; choose fewer with --where or --columns, or give --memory'
	[ "$(quern view --sort-by -id --memory 100M --columns id many.jsonl | head -n 1)" = '{"id":"9999"}' ]
	[ "$(ids --sort-by -id --memory 1M --where "id =~ '^4.{3}$'" -n 1 many.jsonl)" = 4999 ]
}

@test "view --hash: what the provenance knows first inputs by" {
	mkdir -p dir/deep
	echo one >dir/a
	echo two >dir/deep/b
	quern view --hash dir/a - <rows.jsonl >hashes
	[ "$(cut -c 33- hashes)" = $'  dir/a\n  -' ]
	hash=$(sed -n '2s/ .*//p' hashes)
	quern view --provenance rows.arrows | grep -qF "reads rows.jsonl, 3 rows, xxh3 $hash"
	quern import -q dir -o dir.arrows
	hash=$(quern view --hash dir | sed -n '2s/ .*//p')
	quern view --provenance dir.arrows | grep -qF "reads dir, xxh3 $hash"
	echo three >>dir/deep/b
	[ "$(quern view --hash dir | sed -n '2s/ .*//p')" != "$hash" ]
	status 1 quern view --hash none
	status 2 quern view --hash --count rows.jsonl
}

@test "view --replay: from its first inputs alone, in an empty directory" {
	mkdir -p work/raw/deep elsewhere
	cd work
	for i in 1 2 3; do printf 'Some text of document %s.\n' $i >raw/deep/$i.txt; done
	printf '{"id":"x","text":"a row that came by pipe"}\n' >"$T/pipe.jsonl"
	printf '{"id":"y","text":"a row of a file"}\n' >more.jsonl
	mkdir -p made/docs out
	quern import -q raw -o made/docs/raw.arrows
	quern import -q more.jsonl -o made/docs/more.arrows
	quern import -q <"$T/pipe.jsonl" | quern mix -q --seed 3 --shuffle made/docs/raw.arrows made/docs/more.arrows - -o 'made/all of it.arrows'
	quern view --format arrow --where 'len(text) > 5' 'made/all of it.arrows' -o out/final.arrows
	quern view --replay out/final.arrows >"$T/again.sh"
	cd ../elsewhere
	cp -R ../work/raw ../work/more.jsonl .
	sh "$T/again.sh" "$T/pipe.jsonl" 2>/dev/null
	cmp ../work/out/final.arrows out/final.arrows
	cmp ../work/made/docs/raw.arrows made/docs/raw.arrows
	# nothing is made of inputs that are missing or are not what they were
	rm -r made out
	status 2 sh "$T/again.sh"
	says 'a file with the raw data that came on standard input, xxh3 [0-9a-f]{32}'
	mv more.jsonl elsewhere.jsonl
	status 3 sh "$T/again.sh" "$T/pipe.jsonl"
	says 'more.jsonl: missing; it is a first input, xxh3 [0-9a-f]{32}'
	sed 's/file/File/' elsewhere.jsonl >more.jsonl
	status 3 sh "$T/again.sh" "$T/pipe.jsonl"
	says 'more.jsonl: differs from the first input; its xxh3 is [0-9a-f]{32}, not [0-9a-f]{32}'
	mv elsewhere.jsonl more.jsonl
	echo more >>raw/deep/2.txt
	status 3 sh "$T/again.sh" "$T/pipe.jsonl"
	says 'raw: differs from the first input'
	[ ! -e made ] && [ ! -e out ]
}
