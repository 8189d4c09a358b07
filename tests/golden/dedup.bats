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
	[ "$(quern dedup -q --format jsonl --rejects bad docs.jsonl | ids)" = "1 2 5" ]
	grep -q '"id":"3".*exact_duplicate' bad
	grep -q '"id":"4".*near_duplicate' bad
	grep -q '"id":"6".*near_duplicate' bad
}

@test "dedup: --exact alone and --minhash alone" {
	[ "$(quern dedup -q --format jsonl --exact docs.jsonl | ids)" = "1 2 4 5 6 7" ]
	[ "$(quern dedup -q --format jsonl --minhash docs.jsonl | ids)" = "1 2 5" ]
}

@test "dedup: --exact puts aside what --ignore names" {
	[ "$(quern dedup -q --format jsonl --exact --ignore space docs.jsonl | ids)" = "1 2 4 5 7" ]
	[ "$(quern dedup -q --format jsonl --exact --ignore case docs.jsonl | ids)" = "1 2 4 5 6" ]
	[ "$(quern dedup -q --format jsonl --exact --ignore case,space docs.jsonl | ids)" = "1 2 4 5" ]
	[ "$(quern dedup -q --format jsonl --exact --ignore case,punctuation,space docs.jsonl | ids)" = "1 2 5" ]
	[ "$(quern dedup -q --format jsonl --exact --ignore digits --by prompt train.jsonl | ids)" = "t1" ]
	printf '{"id":"a","text":"caf\\u00e9"}\n{"id":"b","text":"cafe\\u0301"}\n' >forms.jsonl
	[ "$(quern dedup -q --format jsonl --exact forms.jsonl | ids)" = "a b" ]
	[ "$(quern dedup -q --format jsonl --exact --ignore form forms.jsonl | ids)" = "a" ]
	status 2 quern dedup --exact --ignore case,spaces docs.jsonl
	says "'spaces' is none of"
}

@test "dedup: which of several stays: the first, the longest, the preferred, or none" {
	for t in 'a 3 one two three four five six' 'b 9 one two three four five six' 'c 9 One, two, three, four, five, six!' 'd 1 alone'; do
		set -- $t
		echo "{\"id\":\"$1\",\"score\":$2,\"text\":\"${t#* * }\"}"
	done >scored.jsonl
	kept() { quern dedup -q --format jsonl "$@" scored.jsonl | ids; }
	[ "$(kept)" = "a d" ]
	[ "$(kept --keep longest)" = "c d" ]
	[ "$(kept --keep none)" = "d" ]
	[ "$(kept --prefer score)" = "b d" ]
	[ "$(kept --prefer=-score)" = "a d" ]
	[ "$(kept --prefer 'id == "c"')" = "c d" ]
	[ "$(kept --exact --prefer score)" = "b c d" ]
	[ "$(kept --exact --keep none)" = "c d" ]
	status 2 quern dedup --prefer no_such_column scored.jsonl
	status 3 quern dedup --prefer text scored.jsonl
	status 2 quern dedup --prefer score --keep longest scored.jsonl
}

@test "dedup: conversations are compared whole, by their prompts, or by the last of them" {
	turn() { printf '{"role":"%s","content":"%s"}' "$1" "$2"; }
	for c in "a|hello|hi|what is love|a song" "b|good day|hi|what is love|a song" "c|hello|hi|what is love|a word"; do
		IFS='|' read -r id u1 a1 u2 a2 <<<"$c"
		echo "{\"id\":\"$id\",\"messages\":[$(turn user "$u1"),$(turn assistant "$a1"),$(turn user "$u2"),$(turn assistant "$a2")]}"
	done >chat.jsonl
	[ "$(quern dedup -q --format jsonl --exact chat.jsonl | ids)" = "a b c" ]
	[ "$(quern dedup -q --format jsonl --exact --by prompt chat.jsonl | ids)" = "a b" ]
	[ "$(quern dedup -q --format jsonl --exact --by last chat.jsonl | ids)" = "a" ]
}

@test "dedup: pairs are compared by prompt and answers, or by the prompt" {
	for c in "a|one|two" "b|one|two" "c|one|three"; do
		IFS='|' read -r id yes no <<<"$c"
		echo "{\"id\":\"$id\",\"prompt\":[{\"role\":\"user\",\"content\":\"say it\"}],\"chosen\":[{\"role\":\"assistant\",\"content\":\"$yes\"}],\"rejected\":[{\"role\":\"assistant\",\"content\":\"$no\"}]}"
	done >pairs.jsonl
	[ "$(quern dedup -q --format jsonl --exact pairs.jsonl | ids)" = "a c" ]
	[ "$(quern dedup -q --format jsonl --exact --by prompt pairs.jsonl | ids)" = "a" ]
	# documents are their text, whatever other columns are called
	printf '%s\n' '{"id":"1","text":"x","prompt":"p","completion":"c"}' '{"id":"2","text":"x","prompt":"q","completion":"d"}' \
		'{"id":"3","text":"y","prompt":"p","completion":"c"}' >named.jsonl
	[ "$(quern dedup -q --format jsonl --exact named.jsonl | ids)" = "1 3" ]
}

@test "dedup: --clusters names the row that a dropped one repeats, and how similar they are" {
	quern dedup -q --format jsonl --clusters groups docs.jsonl >/dev/null
	diff - groups <<'EOF'
{"id":"3","duplicate_of":"1","reason":"exact_duplicate","similarity":1.0}
{"id":"4","duplicate_of":"1","reason":"near_duplicate","similarity":1.0}
{"id":"6","duplicate_of":"5","reason":"near_duplicate","similarity":1.0}
{"id":"7","duplicate_of":"5","reason":"near_duplicate","similarity":1.0}
EOF
	quern dedup -q --format jsonl --keep longest --clusters groups docs.jsonl >/dev/null
	[ "$(grep -c '"duplicate_of":"4"' groups)" -eq 2 ]
}

@test "dedup: --against drops what is in the other file, by prompts where it holds problems" {
	[ "$(quern dedup -q --format jsonl --exact --against held.jsonl --rejects bad train.jsonl | ids)" = "t1" ]
	grep -q '"id":"t2".*contaminated' bad
	[ "$(quern dedup -q --format jsonl --against docs.jsonl docs.jsonl | wc -l)" -eq 0 ]
	head -2 docs.jsonl >two.jsonl
	[ "$(quern dedup -q --format jsonl --against two.jsonl docs.jsonl | ids)" = "5 6 7" ]
	[ "$(quern dedup -q --format jsonl --against two.jsonl --within docs.jsonl | ids)" = "5" ]
}

@test "dedup: texts that differ in numbers only are near duplicates as datatrove sees them" {
	[ "$(quern dedup -q --format jsonl --minhash --by prompt train.jsonl | ids)" = "t1 t2" ]
	[ "$(quern dedup -q --format jsonl --minhash --preset datatrove-0.10 --by prompt train.jsonl | ids)" = "t1" ]
	[ "$(quern dedup -q --format jsonl --minhash --preset fineweb-v1 --by prompt train.jsonl | ids)" = "t1" ]
	[ "$(quern dedup -q --format jsonl --exact --by prompt train.jsonl | ids)" = "t1 t2" ]
	status 2 quern dedup --preset no-such docs.jsonl
}

@test "dedup: --check writes nothing and says by its status whether there are duplicates" {
	status 3 quern dedup --check docs.jsonl
	says '4 rows would be dropped'
	head -2 docs.jsonl >two.jsonl
	[ -z "$(quern dedup -q --check two.jsonl)" ]
	status 0 quern dedup --check two.jsonl
	status 3 quern dedup --check --exact --against held.jsonl train.jsonl
	head -1 train.jsonl >one.jsonl
	status 0 quern dedup --check --exact --against held.jsonl one.jsonl
	status 2 quern dedup --check -o x two.jsonl
	[ ! -e x ]
}

@test "dedup: options that do not go together are refused" {
	status 2 quern dedup --memory lots docs.jsonl
	status 2 quern dedup --bands 100 --rows 60 docs.jsonl
	status 2 quern dedup --within docs.jsonl
	status 2 quern dedup --exact --verify docs.jsonl
	status 2 quern dedup --verify --minhash --against docs.jsonl docs.jsonl
	quern dedup -q --verify docs.jsonl >/dev/null
	status 1 quern dedup --against no-such-file docs.jsonl
	status 3 quern dedup --against /dev/null docs.jsonl
	status 1 quern dedup --against docs.jsonl --memory 1k docs.jsonl
	says 'memory'
}

many() {
	awk 'BEGIN { for (i = 1; i <= 6000; i++) {
		n = i * i % 1009; s = ""; while (n > 0) { s = s substr("abcdefghij", n % 10 + 1, 1); n = int(n / 10) }
		printf "{\"id\":\"%d\",\"text\":\"row number %d of many, which %d others %s repeat more or less word by word\"}\n", i, i % 700, i % 7, s } }'
}

@test "dedup: same bytes for any number of threads" {
	many >many.jsonl
	same_bytes_for_any_j many.jsonl dedup
	same_bytes_for_any_j many.jsonl dedup --verify --minhash --threshold 0.5 --keep longest
}

@test "dedup: the same rows from a pipe as from a file, and with a tenth of the memory" {
	many >many.jsonl
	for o in "--exact --ignore case" "--minhash" "--keep longest" "--verify --minhash --keep none"; do
		quern dedup $o -q --format jsonl --clusters c1 many.jsonl >rows
		quern dedup $o -q --format jsonl --clusters c2 <many.jsonl | cmp - rows
		cmp c1 c2
		quern dedup $o -q --format jsonl --clusters c2 --memory 200k --tmp . --stats s.json many.jsonl | cmp - rows
		cmp c1 c2
		[ "$(ls -A | grep -c '^quern\.')" -eq 0 ]
	done
	grep -q '"runs": [1-9]' s.json
	status 1 quern dedup --memory 1k many.jsonl
	says '--memory: .* rows, and there are more'
	status 1 quern dedup --tmp /no/such/folder <many.jsonl
}

parts() {
	cat >parts.jsonl <<'EOF'
{"id":"1","text":"Menu\nHome\n\nA first text.\nIt has two lines.\n\nFooter"}
{"id":"2","text":"Menu\nHome\n\nAnother text.\n\n  \nFooter"}
{"id":"3","text":"Footer\n\nMenu\nHome"}
{"id":"4","text":"no part of it repeats"}
{"id":"5","text":""}
{"id":"6","text":"\n \nFooter\n\nlast words"}
EOF
}

@test "dedup: equal texts go as they come, before the input ends and without a temporary file, if memory does" {
	seq 60000 | awk '{ printf "{\"id\":\"%d\",\"text\":\"%s\"}\n", $1, $1 % 50000 "a text that is as long as it has to be for some batches to fill" }' |
		quern import -q --as documents --compress never -o long.arrows
	quern dedup -q --exact --memory 1M --compress never <long.arrows >want
	mkfifo pipe
	quern dedup -q --exact --tmp /no/such/folder --compress never <pipe >got &
	exec 7>pipe
	head -c 2500000 long.arrows >&7
	eventually test -s got
	tail -c +2500001 long.arrows >&7
	exec 7>&-
	wait $!
	cmp got want
	[ "$(quern view --count got)" -eq 50000 ]
	status 1 quern dedup -q --exact --memory 1M --tmp /no/such/folder <long.arrows
	says '/no/such/folder'
	# where the table becomes too large, in the second of several files
	quern view --format jsonl long.arrows >long.jsonl
	for f in long.arrows long.jsonl; do
		quern dedup -q --exact --format jsonl $f $f >want
		quern dedup -q --exact --format jsonl --memory 400k --rejects bad --stats s.json $f $f | cmp - want
		grep -q '"runs": [1-9]' s.json
		grep -q '"clusters": 50000' s.json
		[ "$(quern view --count bad)" -eq 70000 ]
	done
}

@test "dedup: --paragraph cuts what came before, or all that comes twice" {
	parts
	quern dedup -q --format jsonl --paragraph --rejects bad parts.jsonl >got
	diff - got <<'EOF'
{"id":"1","text":"Menu\nHome\n\nA first text.\nIt has two lines.\n\nFooter"}
{"id":"2","text":"Another text."}
{"id":"4","text":"no part of it repeats"}
{"id":"5","text":""}
{"id":"6","text":"last words"}
EOF
	grep -q '"id":"3".*nothing_left' bad
	quern dedup -q --format jsonl --paragraph --keep none parts.jsonl >got
	diff - got <<'EOF'
{"id":"1","text":"A first text.\nIt has two lines."}
{"id":"2","text":"Another text."}
{"id":"4","text":"no part of it repeats"}
{"id":"5","text":""}
{"id":"6","text":"last words"}
EOF
}

@test "dedup: --line, --min-bytes, --max-share and --ignore" {
	parts
	[ "$(quern dedup -q --format jsonl --line parts.jsonl | sed -n 2p)" = '{"id":"2","text":"\nAnother text.\n\n  "}' ]
	[ "$(quern dedup -q --format jsonl --line --min-bytes 6 parts.jsonl | sed -n 2p)" = '{"id":"2","text":"Menu\nHome\n\nAnother text.\n\n  "}' ]
	[ "$(quern dedup -q --format jsonl --line --max-share 0.3 --rejects bad parts.jsonl | ids)" = "1 4 5" ]
	[ "$(grep -c repeated_parts bad)" -eq 3 ]
	printf '{"id":"a","text":"One 1!"}\n{"id":"b","text":"one 2\\ntwo"}\n' >folded.jsonl
	[ "$(quern dedup -q --format jsonl --line --ignore all folded.jsonl | sed -n 2p)" = '{"id":"b","text":"two"}' ]
	status 3 quern dedup --line --check parts.jsonl
	says '3 rows would be dropped or cut'
	status 2 quern dedup --line --paragraph parts.jsonl
	status 2 quern dedup --line --exact parts.jsonl
	status 2 quern dedup --line --keep longest parts.jsonl
	status 2 quern dedup --line --clusters x parts.jsonl
	status 3 quern dedup --line train.jsonl
	quern dedup -q --format arrow --line parts.jsonl -o parts.arrows
	hostile parts.arrows dedup --line
}

@test "dedup: --line --preset cuts what cc_net, C4 and dolma would" {
	cat >lines.jsonl <<'EOF'
{"id":"1","text":"  Home Page \nA first line, of 12 words.\n\nCall 555-1234 now!\nContact"}
{"id":"2","text":"home page\nAnother line\nCall 999-0000 now!\n"}
{"id":"3","text":"Contact\nContact\nIt’s “quoted” here\nHome page…"}
{"id":"4","text":"Its quoted here\nOnly  here\nonly here\n12 3\n00 0 "}
{"id":"5","text":"CONTACT"}
{"id":"6","text":"tail\u0007 end\ntail end\nlast of all"}
EOF
	# what normalize_for_dedup of cc_net makes equal goes, blank lines and all copies too
	quern dedup -q --format jsonl --line --preset cc_net lines.jsonl >got
	diff - got <<'EOF'
{"id":"1","text":"A first line, of 12 words."}
{"id":"2","text":"Another line"}
{"id":"4","text":"Only  here\nonly here"}
{"id":"6","text":"last of all"}
EOF
	quern dedup -q --format jsonl --line --preset c4 lines.jsonl >got
	diff - got <<'EOF'
{"id":"1","text":"  Home Page \nA first line, of 12 words.\n\nCall 555-1234 now!\nContact"}
{"id":"2","text":"Another line\nCall 999-0000 now!\n"}
{"id":"3","text":"It’s “quoted” here\nHome page…"}
{"id":"4","text":"Its quoted here\nOnly  here\nonly here\n12 3\n00 0 "}
{"id":"6","text":"tail\u0007 end\ntail end\nlast of all"}
EOF
	quern dedup -q --format jsonl --line --preset dolma lines.jsonl | cmp - <(quern dedup -q --format jsonl --line lines.jsonl)
	same_bytes_for_any_j lines.jsonl dedup --line --preset cc_net
	quern dedup -q --format jsonl --line --preset cc_net lines.jsonl >got
	quern dedup -q --format jsonl --line --preset cc_net got | cmp - got
	status 2 quern dedup --line --preset quern lines.jsonl
	says 'none of c4, cc_net, dolma'
	status 2 quern dedup --line --preset c4 --keep none lines.jsonl
	status 2 quern dedup --paragraph --preset c4 lines.jsonl
	status 2 quern dedup --substring 9 --preset c4 lines.jsonl
	quern dedup -q --format arrow --line lines.jsonl -o lines.arrows
	hostile lines.arrows dedup --line --preset cc_net
}

@test "dedup: lines over a corpus as a table of them says, for any memory and number of threads" {
	awk 'BEGIN { srand(5); for (d = 0; d < 3000; d++) for (i = 0; i < 8; i++) print d "\t" i "\tline " int(rand() * rand() * 9000) }' >lines.tsv
	documents() { awk -F'\t' '{ t[$1] = ($1 in t) ? t[$1] "\\n" $3 : $3; if (!($1 in at)) { at[$1]; id[n++] = $1 } } END { for (i = 0; i < n; i++) printf "{\"id\":\"%s\",\"text\":\"%s\"}\n", id[i], t[id[i]] }' "$1"; }
	documents lines.tsv >in.jsonl
	awk -F'\t' '!seen[$3]++' lines.tsv >first.tsv
	awk -F'\t' 'NR == FNR { n[$3]++; next } n[$3] == 1' lines.tsv lines.tsv >none.tsv
	for keep in first none; do
		documents $keep.tsv >want
		quern dedup -q --format jsonl --line --keep $keep in.jsonl | cmp - want
		quern dedup -q --format jsonl --line --keep $keep --memory 100k <in.jsonl | cmp - want
		same_bytes_for_any_j in.jsonl dedup --line --keep $keep
	done
}

@test "dedup: --substring cuts spans that repeat, whole characters only" {
	cat >spans.jsonl <<'EOF'
{"id":"1","text":"A common span of words stands here."}
{"id":"2","text":"But a common span of words stands there too."}
{"id":"3","text":"A common span of words stands here."}
{"id":"4","text":"é = \u00e9\u00e9\u00e9; é = \u00e9\u00e9\u00ea"}
{"id":"5","text":""}
EOF
	quern dedup -q --format jsonl --substring 20 --rejects bad spans.jsonl >got
	diff - got <<'EOF'
{"id":"1","text":"A common span of words stands here."}
{"id":"2","text":"But athere too."}
{"id":"4","text":"é = ééé; é = ééê"}
{"id":"5","text":""}
EOF
	grep -q '"id":"3".*nothing_left' bad
	[ "$(quern dedup -q --format jsonl --substring 20 --keep none spans.jsonl | ids)" = "2 4 5" ]
	[ "$(quern dedup -q --format jsonl --substring 9 spans.jsonl | sed -n 3p)" = '{"id":"4","text":"é = ééé; ê"}' ]
	[ "$(quern dedup -q --format jsonl --substring 20 --max-share 0.5 spans.jsonl | ids)" = "1 4 5" ]
	same_bytes_for_any_j spans.jsonl dedup --substring 5
	quern dedup -q --format jsonl --substring 20 <spans.jsonl | cmp - got
	quern dedup -q --format jsonl --substring 20 --memory 500 spans.jsonl | cmp - got
	status 2 quern dedup --substring 20 --keep longest spans.jsonl
	status 2 quern dedup --substring 20 --line spans.jsonl
	status 2 quern dedup --substring 20 --prefer id spans.jsonl
	quern dedup -q --format arrow --substring 20 spans.jsonl -o spans.arrows
	hostile spans.arrows dedup --substring 20
}

@test "dedup: --substring of tokens cuts input_ids and loss_mask alike" {
	cat >ids.jsonl <<'EOF'
{"id":"a","input_ids":[1,2,3,4,5,6,7],"loss_mask":[0,0,1,1,1,1,1],"n":1}
{"id":"b","input_ids":[9,2,3,4,5,8],"loss_mask":[0,1,1,1,1,0],"n":2}
{"id":"c","input_ids":[3,4,5,6],"loss_mask":[1,1,1,1],"n":3}
{"id":"d","input_ids":[],"loss_mask":[],"n":4}
EOF
	quern dedup -q --format jsonl --substring 3 --rejects bad --stats s.json ids.jsonl >got
	diff - got <<'EOF'
{"id":"a","input_ids":[1,2,3,4,5,6,7],"loss_mask":[0,0,1,1,1,1,1],"n":1}
{"id":"b","input_ids":[9,8],"loss_mask":[0,0],"n":2}
{"id":"d","input_ids":[],"loss_mask":[],"n":4}
EOF
	grep -q '"id":"c".*nothing_left' bad
	grep -q '"tokens_cut": 4' s.json
	[ "$(quern dedup -q --format jsonl --substring 3 --keep none ids.jsonl | head -1)" = '{"id":"a","input_ids":[1,7],"loss_mask":[0,1],"n":1}' ]
	[ "$(quern dedup -q --format jsonl --substring 4 --max-share 0.5 ids.jsonl | ids)" = "a d" ]
	quern dedup -q --format jsonl --substring 3 <ids.jsonl | cmp - got
	same_bytes_for_any_j ids.jsonl dedup --substring 3
	status 3 quern dedup --line ids.jsonl
	echo '{"id":"p","prompt_ids":[1],"chosen_ids":[2],"rejected_ids":[3]}' >pair.jsonl
	status 3 quern dedup --substring 3 pair.jsonl
	says 'input_ids'
	quern dedup -q --format arrow --substring 3 ids.jsonl -o ids.arrows
	hostile ids.arrows dedup --substring 3
}

@test "dedup: --substring without a number is that of 50 tokens, or of 100 bytes" {
	awk 'BEGIN { for (n = 93; n <= 102; n++) for (k = 0; k < 2; k++) {
		s = sprintf("%d/%d ", n, k); for (i = 0; i < n; i++) s = s sprintf("%c", 97 + (i * i + n) % 26)
		printf "{\"id\":\"%d/%d\",\"text\":\"%s\"}\n", n, k, s " " n + k * 7 } }' >spans.jsonl
	quern dedup -q --format jsonl --substring spans.jsonl >got
	quern dedup -q --format jsonl --substring=100 spans.jsonl | cmp - got
	status 2 quern dedup -q --substring=0 spans.jsonl
	quern dedup -q --format jsonl spans.jsonl --substring | cmp - got
	quern dedup -q --format jsonl --substring 99 spans.jsonl | cmp -s - got && return 1
	awk 'BEGIN { for (n = 47; n <= 52; n++) for (k = 0; k < 2; k++) {
		s = k; for (i = 0; i < n; i++) s = s "," n * 1000 + i; printf "{\"id\":\"%d/%d\",\"input_ids\":[%s]}\n", n, k, s } }' >ids.jsonl
	quern dedup -q --format arrow --substring ids.jsonl -o got.arrows
	quern dedup -q --format jsonl --substring 50 ids.jsonl >want
	quern view --format jsonl got.arrows | cmp - want
	[ "$(wc -c <want)" -lt "$(wc -c <ids.jsonl)" ]
	quern view --provenance got.arrows | grep -q -e '--substring ids\|--substring"'
	cp spans.jsonl 7.jsonl
	[ "$(quern dedup -q --format jsonl --substring 7.jsonl | wc -l)" -eq "$(wc -l <spans.jsonl)" ]
}

@test "dedup: --substring cuts what a table of all windows says, from a pipe too, for any memory and number of threads" {
	awk 'BEGIN { srand(3); for (d = 0; d < 60; d++) { s = ""; for (i = 0; i < 40; i++) s = s sprintf("%c%c%c", 97 + rand() * 3, 97 + rand() * 3, 97 + rand() * 2)
		print s } }' >texts
	awk '{ printf "{\"id\":\"%d\",\"text\":\"%s\"}\n", NR, $0 }' texts >in.jsonl
	for keep in first none; do
		awk -v keep=$keep -v least=9 '
			NR == FNR { for (i = 1; i + least - 1 <= length($0); i++) n[substr($0, i, least)]++; next }
			{
				left = ""; till = 0
				for (i = 1; i <= length($0); i++) {
					w = substr($0, i, least)
					if (length(w) == least && (keep == "none" ? n[w] > 1 : seen[w]++)) till = i + least
					if (i >= till) left = left substr($0, i, 1)
				}
				if (left != "") printf "{\"id\":\"%d\",\"text\":\"%s\"}\n", FNR, left
			}' texts texts >want
		! cmp -s want in.jsonl || return 1
		quern dedup -q --format jsonl --substring 9 --keep $keep in.jsonl | cmp - want
		quern dedup -q --format jsonl --substring 9 --keep $keep --memory 1k --tmp . <in.jsonl | cmp - want
		[ "$(ls -A | grep -c '^quern\.')" -eq 0 ]
		same_bytes_for_any_j in.jsonl dedup --substring 9 --keep $keep
	done
}

@test "dedup: --overlap finds runs of words, tells both places, and cuts them" {
	cat >test.jsonl <<'EOF'
{"id":"q1","text":"Question: how many apples are left in the box after two are gone?"}
{"id":"q2","text":"too short to be found"}
EOF
	cat >corpus.jsonl <<'EOF'
{"id":"a","text":"He asked how many APPLES are left, in the box; and went."}
{"id":"b","text":"how many apples are there in the box after all"}
{"id":"c","text":"Apples are left in the box after two. Then: how many apples are left in the box"}
EOF
	[ "$(quern dedup -q --format jsonl --overlap 6 --against test.jsonl --clusters hits --rejects bad --stats s.json corpus.jsonl | ids)" = "b" ]
	grep -q '"against_short_rows": 1' s.json
	diff - hits <<'EOF'
{"id":"a","duplicate_of":"q1","reason":"contaminated","at":9,"bytes":38,"duplicate_at":10}
{"id":"c","duplicate_of":"q1","reason":"contaminated","at":0,"bytes":38,"duplicate_at":19}
{"id":"c","duplicate_of":"q1","reason":"contaminated","at":44,"bytes":35,"duplicate_at":10}
EOF
	[ "$(grep -c contaminated bad)" -eq 2 ]
	quern dedup -q --format jsonl --overlap 6 --cut --against test.jsonl corpus.jsonl >cut 2>/dev/null
	diff - cut <<'EOF'
{"id":"a","text":"He asked and went."}
{"id":"b","text":"how many apples are there in the box after all"}
{"id":"c","text":"Then: "}
EOF
	[ "$(quern dedup -q --format jsonl --overlap 6 --cut --max-share 0.8 --against test.jsonl corpus.jsonl 2>/dev/null | ids)" = "a b" ]
	same_bytes_for_any_j corpus.jsonl dedup --overlap 6 --against test.jsonl 2>/dev/null
	status 3 quern dedup --check --overlap 6 --against test.jsonl corpus.jsonl
	status 2 quern dedup --overlap 6 corpus.jsonl
	status 2 quern dedup --cut --exact --against test.jsonl corpus.jsonl
	status 2 quern dedup --overlap 6 --within --against test.jsonl corpus.jsonl
}

alike() {
	cat >alike.jsonl <<'EOF'
{"id":"1","text":"one two three four five six seven eight nine ten eleven twelve"}
{"id":"2","text":"one two three four five six seven eight nine ten and then thirteen"}
{"id":"3","text":"One two three four five six seven eight nine ten eleven, twelve!"}
EOF
}

@test "dedup: what a pair shares is verified, and a band alone is not enough" {
	alike
	[ "$(quern dedup -q --format jsonl --minhash --bands 100 --rows 1 alike.jsonl | ids)" = "1" ]
	[ "$(quern dedup -q --format jsonl --minhash --bands 100 --rows 1 --threshold 0.6 --verify alike.jsonl | ids)" = "1 2" ]
	[ "$(quern dedup -q --format jsonl --minhash --bands 100 --rows 1 --threshold 0.5 --verify alike.jsonl | ids)" = "1" ]
	quern dedup -q --format jsonl --minhash --bands 100 --rows 1 --clusters c alike.jsonl >/dev/null
	grep -q '"id":"2","duplicate_of":"1","reason":"near_duplicate","similarity":0.5454' c
	[ "$(quern dedup -q --format jsonl --minhash --chars --ngram 3 --threshold 0.6 alike.jsonl | ids)" = "1" ]
}

# days DIR [OPTION...]: four days through an index, to stdout.
days() {
	local dir=$1 day
	shift
	for day in day.*; do quern dedup -q --format jsonl --index "$dir" "$@" "$day"; done
}

@test "dedup: --index: day by day the same texts stay as in one run over all days" {
	many | tee many.jsonl | split -l 1500 - day.
	days index --exact --ignore case >got
	quern dedup -q --format jsonl --exact --ignore case many.jsonl | cmp - got
	[ "$(days index --exact --ignore case | wc -l)" -eq 0 ]         # all has been seen
	# Of near duplicates those stay too that only a later day links with an earlier row.
	rm -rf index
	days index >got
	quern dedup -q --format jsonl many.jsonl >whole
	[ "$(comm -23 <(sort whole) <(sort got) | wc -l)" -eq 0 ]
	[ "$(wc -l <got)" -lt $(($(wc -l <whole) + 100)) ]
	rm -rf index
	days index --memory 400k | cmp - got
	[ "$(days index | wc -l)" -eq 0 ]
	rm -rf index
	days index --compact | cmp - got
	[ "$(ls index | wc -l)" -eq 4 ]                        # lock, manifest, keys and ids of one segment
	days index --compact --stats s.json | cmp - /dev/null
	grep -q '"index_runs": 1' s.json
	grep -q '"index_rows": 12000' s.json
}

@test "dedup: --index names the row of an earlier day, and --check adds nothing" {
	head -2 docs.jsonl >mon.jsonl
	tail -n +3 docs.jsonl >tue.jsonl
	quern dedup -q --index index mon.jsonl >/dev/null
	cp -r index before
	status 3 quern dedup --check --index index tue.jsonl
	diff -r index before
	[ "$(quern dedup -q --format jsonl --index index --clusters c --rejects bad tue.jsonl | ids)" = "5" ]
	grep -q '{"id":"4","duplicate_of":"1","reason":"seen_before"}' c
	grep -q '{"id":"6","duplicate_of":"5","reason":"near_duplicate"' c
	grep -q '"id":"3".*seen_before' bad
}

@test "dedup: --index: a run that fails or is killed leaves it as it was; damage, other keys and a second run are told" {
	many | split -l 1500 - day.
	quern dedup -q --index index day.aa >/dev/null
	cp -r index before
	status 3 quern dedup --index index -o x < <(head -c 20000 day.ab)
	diff -r index before
	status 1 quern dedup --index index --format jsonl day.ab -o /no/such/folder/x
	diff -r index before
	# killed while the index is open: its input has no end
	quern mix -q --format arrow day.ab -o endless.arrows
	mkfifo slow
	"$BIN/dedup" -q --index index slow >/dev/null 3>&- &
	local pid=$!
	exec 9>slow
	head -c -8 endless.arrows >&9
	eventually holds $pid "^$PWD/index/(#|keys-2)"
	status 1 quern dedup --index index day.ab
	says 'another run has the index open'
	kill -9 $pid
	wait $pid || true
	exec 9>&-
	touch index/keys-7 index/ids-2
	quern dedup -q --format jsonl --index index day.ab >got
	[ "$(ls index | tr '\n' ' ')" = "ids-1 ids-2 keys-1 keys-2 lock manifest " ]
	rm -rf index
	cp -r before index
	quern dedup -q --format jsonl --index index day.ab | cmp - got
	status 2 quern dedup --index index --bands 20 day.ab
	says 'the index is of other keys: it was made with .* in 14 bands of 8 rows'
	for f in keys-1 ids-1 manifest; do
		rm -rf hurt
		cp -r index hurt
		printf 'x' | dd of=hurt/$f bs=1 seek=$(($(stat -c %s hurt/$f) / 2)) conv=notrunc status=none
		status 3 quern dedup --index hurt day.ac
		says 'the index is damaged'
		head -c 100 index/$f >hurt/$f
		status 3 quern dedup --index hurt day.ac
		rm hurt/$f
		[ $f = manifest ] || status 3 quern dedup --index hurt day.ac
	done
	status 2 quern dedup --index index --verify --exact --minhash day.ac
	status 2 quern dedup --index index --line day.ac
	status 2 quern dedup --compact day.ac
}

@test "dedup: --index: a folder that is no index, or has lost its manifest, is told and left as it is" {
	quern dedup -q --index index docs.jsonl >/dev/null
	cp -r index hurt
	rm hurt/manifest
	cp -r hurt before
	status 3 quern dedup --index hurt docs.jsonl
	says 'files of runs, but no manifest: the index is damaged'
	diff -r hurt before
	mkfifo hurt/manifest
	status 3 timeout 60 "$BIN/dedup" --index hurt docs.jsonl
	says 'no regular file'
	rm hurt/manifest index/ids-1
	mkfifo index/ids-1
	status 3 timeout 60 "$BIN/dedup" --index index docs.jsonl
	says 'the index is damaged'
	# a first run that failed leaves no more than an empty one, of no keys yet
	status 3 quern dedup --exact --index new < <(head -c -100 docs.arrows)
	[ "$(ls new | paste -sd' ')" = "lock manifest" ]
	touch new/manifest.0abcde new/keys-7
	quern dedup -q --minhash --index new docs.jsonl >/dev/null
	[ "$(ls new | paste -sd' ')" = "ids-1 keys-1 lock manifest" ]
}

@test "dedup: two outputs of one name are refused" {
	for o in "--clusters x -o x" "--rejects x -o ./x" "--stats x --rejects x" "-o - --rejects -" "--rejects -" "--stats -"; do
		: >x
		status 2 quern dedup $o docs.jsonl
		says 'goes there too'
		rm x
	done
	quern dedup -q -o /dev/null --rejects /dev/null --clusters /dev/null docs.jsonl
}

@test "dedup: in stages by four processes the same rows stay as in one" {
	many >many.jsonl
	split -l 1700 many.jsonl shard.          # 1700, 1700, 1700, 900
	local make="make -s -f $HERE/../../pipelines/dedup/Makefile -j4"
	for o in "" "--exact --ignore case --keep none" "--minhash --keep longest" "--minhash --verify --threshold 0.6" "--minhash --prefer 'len(text)'"; do
		rm -rf work out
		$make SHARDS="$(echo shard.*)" WORK=work OUT=out FLAGS="$o"
		eval quern dedup -q --format jsonl "$o" many.jsonl >want
		quern mix -q --format jsonl out/1.arrows out/2.arrows out/3.arrows out/4.arrows | cmp - want
	done
	# who repeats whom, in four files
	rm -r out
	$make SHARDS="$(echo shard.*)" WORK=work OUT=out FLAGS="--minhash --prefer 'len(text)'" CLUSTERS=1
	quern dedup -q --minhash --prefer 'len(text)' --format jsonl --clusters c many.jsonl >/dev/null
	quern mix -q --format jsonl out/1.clusters.arrows out/2.clusters.arrows out/3.clusters.arrows out/4.clusters.arrows |
		cmp - <(sed 's/,"similarity":[0-9.]*//' c)
	# where rows have no ids they are told by their numbers among all
	for k in 1 2 3 4; do
		set -- shard.*
		sed 's/"id":"[0-9]*",//' ${!k} >bare.$k
		quern dedup -q --exact --stage sign --part $k/4 --work bare bare.$k
	done
	for k in 1 2 3 4; do quern dedup -q --exact --stage group --part $k/4 --work bare; done
	quern dedup -q --exact --stage cluster --part 1/4 --work bare
	quern dedup -q --exact --stage filter --part 4/4 --work bare --format jsonl --clusters c bare.4 >/dev/null
	quern dedup -q --exact --format jsonl --clusters whole bare.1 bare.2 bare.3 bare.4 >/dev/null
	grep -q '"id":"5[0-9]*","duplicate_of"' c
	cmp c <(tail -n $(wc -l <c) whole)
	# a stage may be done again, and says what is wrong with its files
	cp out/2.arrows before
	quern dedup -q --minhash --prefer 'len(text)' --stage filter --part 2/4 --work work shard.ab -o out/2.arrows
	cmp before out/2.arrows
	local again="quern dedup -q --minhash --work work --stage"
	status 3 $again group --part 1/4
	says 'work/rows-1: of another run'
	status 3 quern dedup --minhash --prefer 'len(text)' --work work --stage filter --part 4/4 shard.aa
	says 'part 4 has more rows than when it was signed'
	status 3 quern dedup --minhash --prefer 'len(text)' --work work --stage filter --part 1/4 shard.ad
	says 'part 1 has fewer rows'
	printf 'x' | dd of=work/keys-3 bs=1 seek=1000 conv=notrunc status=none
	status 3 quern dedup --minhash --prefer 'len(text)' --work work --stage group --part 1/4
	says 'work/keys-3: checksum mismatch'
	head -c 1000 work/verdicts >cut && mv cut work/verdicts
	status 3 quern dedup --minhash --prefer 'len(text)' --work work --stage filter --part 1/4 shard.aa
	says 'no whole file'
	rm work/rows-2
	status 1 quern dedup --minhash --prefer 'len(text)' --work work --stage group --part 1/4
	status 2 quern dedup --stage sign --part 5/4 --work work shard.aa
	status 2 quern dedup --stage sign --work work shard.aa
	status 2 quern dedup --stage sign --part 1/4 --work work --line shard.aa
	status 2 quern dedup --part 1/4 shard.aa
}

@test "dedup: the Slurm script submits what gives the same rows" {
	many >many.jsonl
	split -n l/4 many.jsonl shard.
	mkdir bin
	# A cluster of one machine: each task of an array runs at once, whatever it depends on has run.
	cat >bin/sbatch <<'EOF'
#!/bin/bash
while [ $# -gt 0 ]; do
	case $1 in
	--array) array=$2; shift ;;
	--wrap) wrap=$2; shift ;;
	--dependency) grep -qx "${2#afterok:}" jobs || exit 1; shift ;;
	esac
	shift
done
for SLURM_ARRAY_TASK_ID in $(seq ${array%-*} ${array#*-}); do
	export SLURM_ARRAY_TASK_ID
	sh -c "$wrap" || exit 1
done
echo $RANDOM | tee -a jobs
EOF
	chmod +x bin/sbatch
	PATH=$T/bin:$PATH CLUSTERS=1 FLAGS="-q --keep longest" "$HERE/../../pipelines/dedup/slurm" out work shard.*
	quern dedup -q --format jsonl --keep longest many.jsonl >want
	quern mix -q --format jsonl out/1.arrows out/2.arrows out/3.arrows out/4.arrows | cmp - want
	[ "$(quern view --count out/*.clusters.arrows)" -eq $((6000 - $(wc -l <want))) ]
}

@test "dedup: --verify with --index: earlier rows count if they are similar, and all of them are compared" {
	alike
	for n in 1 2 3; do sed -n ${n}p alike.jsonl >alike.$n; done
	local o="--minhash --bands 100 --rows 1 --threshold 0.6 --verify --index index"
	quern dedup -q --format jsonl $o alike.2 alike.1 | cmp - <(cat alike.2 alike.1)
	[ -z "$(quern dedup -q --format jsonl $o --clusters c alike.3)" ]      # 1 is not the first of its bands
	[ "$(cat c)" = '{"id":"3","duplicate_of":"1","reason":"seen_before","similarity":1.0}' ]
	status 2 quern dedup --minhash --bands 100 --rows 1 --threshold 0.6 --index index alike.3
	status 2 quern dedup --minhash --bands 100 --rows 1 --threshold 0.7 --verify --index index alike.3
	cp -r index hurt
	printf 'xxxxxxxxx' | dd of=hurt/sets-1 bs=1 seek=0 conv=notrunc status=none
	status 3 quern dedup ${o/index index/index hurt} alike.3
	says 'the index is damaged'
	quern dedup -q $o --compact alike.3 >/dev/null
	[ "$(ls index | wc -l)" -eq 5 ]
	many | tee many.jsonl | split -l 1500 - day.
	rm -rf index
	days index --minhash --verify --threshold 0.6 >got
	quern dedup -q --format jsonl --minhash --verify --threshold 0.6 many.jsonl >whole
	[ "$(comm -23 <(sort whole) <(sort got) | wc -l)" -eq 0 ]
	[ "$(wc -l <got)" -lt $(($(wc -l <whole) + 100)) ]
	[ "$(days index --minhash --verify --threshold 0.6 | wc -l)" -eq 0 ]
	rm -rf index
	days index --minhash --verify --threshold 0.6 --compact --memory 300k | cmp - got
}

@test "dedup: --index: killed at any moment it is as before or whole, and then the output is, too" {
	many | head -n 900 | split -l 450 - day.
	quern dedup -q --index before day.aa >/dev/null
	quern dedup -q --format jsonl --index index.whole <(cat day.aa) >/dev/null
	quern dedup -q --format jsonl --index index.whole day.ab >want
	anew() { rm -rf index out; cp -r before index; }
	left() {
		# what is not in the output is not in the index
		if ! cmp -s index/manifest before/manifest; then cmp out want; fi
		[ ! -e out ] || cmp out want
		[ -z "$(ls . | grep '^out\.'; ls index | grep '\.' | grep -v '^manifest\.......$')" ]     # nothing half done has a name; a new manifest has one for a moment
		quern dedup -q --format jsonl --index index day.ab >again
		cmp -s again want || [ ! -s again ]
		[ -s again ] || cmp out want
		[ -z "$(ls index | grep '\.')" ]
		[ -z "$(quern dedup -q --format jsonl --index index day.aa day.ab)" ]
	}
	local run=("$BIN/dedup" -q -j1 --compact --format jsonl --index index -o out day.ab)
	anew
	counted "${run[@]}"
	cmp out want
	each_kill 30 anew left "${run[@]}"
}

@test "dedup: a run that is killed leaves nothing, neither beside its outputs nor in --tmp" {
	mkdir tmp there
	many >many.jsonl
	anew() { rm -f there/*; }
	nothing() {
		[ -z "$(find tmp there -type f ! -path there/out ! -path there/bad)" ]
		[ ! -e there/out ] || cmp there/out want
		[ ! -e there/bad ] || cmp there/bad want-bad
	}
	for o in "--minhash --verify" "--line" "--substring 50" "--exact --keep none"; do
		quern dedup -q -j1 $o --memory 150k -o want --rejects want-bad many.jsonl
		status 1 quern dedup -q -j1 $o --memory 150k --tmp tmp/none -o there/out many.jsonl      # it has files there, without names
		counted "$BIN/dedup" -q -j1 $o --memory 150k --tmp tmp -o there/out --rejects there/bad many.jsonl
		each_kill 6 anew nothing "$BIN/dedup" -q -j1 $o --memory 150k --tmp tmp -o there/out --rejects there/bad many.jsonl
	done
}

@test "dedup: stages that are killed are done again, and the rows are the same" {
	many | head -n 2000 >many.jsonl
	split -n l/4 many.jsonl shard.
	local o="--minhash --verify --threshold 0.6 --keep longest --work work"
	quern dedup -q --format jsonl ${o% --work work} many.jsonl >want
	stage() {            # stage NAME K OPERAND...: killed at each fifth moment until it is done
		local name=$1 k=$2 n=$2 stride=$((5 * $(seldom)))
		shift 2
		while killed_at $n "$BIN/dedup" -q -j1 $o --stage $name --part $k/4 "$@"; do n=$((n + stride)); done
		[ "$n" -gt "$k" ]
	}
	mkdir work
	set -- shard.*
	for k in 1 2 3 4; do stage sign $k ${!k}; done
	for k in 1 2 3 4; do stage group $k; done
	stage cluster 1
	for k in 1 2 3 4; do stage filter $k ${!k} -o out.$k; done
	quern mix -q --format jsonl out.1 out.2 out.3 out.4 | cmp - want
	[ "$(ls work | wc -l)" -eq 21 ]                                # nothing of killed ones
	[ "$(ls out.* | wc -l)" -eq 4 ]
}

@test "dedup: at a tenth of the memory that is needed the same rows stay" {
	local rows=20000
	[[ $BIN != *asan* ]] || rows=5000
	awk -v rows=$rows 'BEGIN { for (i = 0; i < rows; i++) printf "{\"id\":\"%d\",\"text\":\"line %d of text\\nand\\nmore of it, the %d-th\"}\n", i, i * 7 % 40000, i * 11 % 50000 }' >in.jsonl
	local o needed
	for o in "--exact" "--exact --keep longest" "--exact --keep none" "--exact --index index" "--minhash" "--minhash --keep longest" "--index index" "--line" "--paragraph" "--substring 12"; do
		rm -rf index
		quern dedup -q -j1 --format jsonl $o --stats s.json in.jsonl >want
		needed=$(grep -o '"index_bytes": [0-9]*' s.json | grep -o '[0-9]*$' || echo 4000000)
		rm -rf index
		quern dedup -q -j1 --format jsonl $o --memory $((needed / 10)) --tmp . in.jsonl | cmp - want
		[ "$(wc -l <want)" -gt 0 ]
	done
}

@test "dedup: texts made to be slow with take no time to speak of" {
	local make=$HERE/../bench/adversarial k o n z=0
	[[ $BIN != *asan* ]] || z=        # a tenth: what a sanitizer makes slow is no news
	for k in same:4000$z empty:4000$z word:4000$z chain:1000$z template:1000$z period:500$z; do
		"$make" -v kind=${k%:*} -v n=${k#*:} >slow.jsonl
		for o in "--exact" "--exact --minhash" "--minhash --verify" "--line" "--paragraph" "--substring 100" "--overlap 13 --against slow.jsonl" "--index index.${k%:*}"; do
			within 30 "$BIN/dedup" -q --format jsonl $o slow.jsonl >"$k.$(echo $o | tr -d ' ')"
		done
		n=$(wc -l <"$k.--minhash--verify")
		case $k in
		same* | word* | period*) [ "$n" -eq 1 ] ;;
		empty* | template*) [ "$n" -eq "${k#*:}" ] ;;
		chain*) [ "$n" -lt 20 ] ;;
		esac
	done
	[ "$(wc -l <"empty:4000$z.--exact")" -eq 1 ]
	[ "$(wc -l <"same:4000$z.--line")" -eq 1 ]
}

@test "dedup: planted pairs are found as often as 1-(1-s^rows)^bands says, and none below the threshold when verified" {
	local bench=$HERE/../bench pairs=4000
	[[ $BIN != *asan* ]] || pairs=1000
	"$bench/planted" -v pairs=$pairs -v seed=1 -v jaccard=jaccard "$HERE"/../../man/*.1 >planted.jsonl
	found() { quern dedup -q --format jsonl --minhash "$@" --clusters c planted.jsonl >/dev/null && sed 's/.*"duplicate_of":"\(p[0-9]*\)\..*/\1/' c; }
	found >all
	"$bench/detection" -v bands=14 -v rows=8 all jaccard
	found --bands 20 --rows 5 --minhash-seed 7 >all
	"$bench/detection" -v bands=20 -v rows=5 all jaccard
	found --preset fineweb-v1 >all
	"$bench/detection" -v bands=14 -v rows=8 all jaccard
	found --bands 40 --rows 3 --threshold 0.8 --verify >all
	"$bench/detection" -v bands=40 -v rows=3 -v least=0.8 all jaccard
	# the program that judges can say no
	"$bench/detection" -v bands=2 -v rows=8 all jaccard && return 1
	[ "$(wc -l <jaccard)" -eq $pairs ]
}

@test "dedup: survives the battery" {
	hostile docs.arrows dedup
}
