load helper

prepare() {
	cat >docs.jsonl <<'EOF'
{"id":"a","text":"The mill stands by the river, and the people of the village have always come to it with their grain. They wait in the yard and talk.\r\nIn autumn the queue reaches the bridge; in winter the wheel is often frozen.\u0000\u200b   \r\n\r\n\r\n\r\nNobody remembers who built it."}
{"id":"b","text":""}
{"id":"c","text":"too short"}
{"id":"d","text":"Write to miller@mill.example.org or look at 8.8.8.8, but not at 192.168.0.1 or version 1.2.3.4.5 of the software. The rest of this text is here to be long enough for the rules, no more."}
EOF
	cat >chat.jsonl <<'EOF'
{"id":"ok","messages":[{"role":"user","content":"How are you? me@host.example "},{"role":"assistant","content":"Fine."}]}
{"id":"empty","messages":[{"role":"user","content":"  "},{"role":"assistant","content":"Fine."}]}
{"id":"order","messages":[{"role":"assistant","content":"Hello"},{"role":"user","content":"Hi"}]}
{"id":"twice","messages":[{"role":"user","content":"a"},{"role":"user","content":"b"},{"role":"assistant","content":"c"}]}
{"id":"open","messages":[{"role":"user","content":"Is anybody there?"}]}
{"id":"none","messages":[]}
EOF
	quern clean -q --preset none --format arrow docs.jsonl -o docs.arrows
}

ids() { sed -E 's/^\{"id":"([^"]*)".*/\1/' | paste -sd' '; }

@test "clean: repairs line ends, control and hidden characters, blank lines" {
	quern clean -q --format jsonl docs.jsonl >out
	[ "$(ids <out)" = "a d" ]
	grep -qF 'and talk.\nIn autumn' out
	grep -qF 'frozen.\n\nNobody' out
}

@test "clean: rejected rows carry the first failing rule, and nothing is lost" {
	quern clean -q --format jsonl --rejects bad docs.jsonl >out
	[ "$(grep -c '"reason":"empty"' bad)" -eq 1 ]
	[ "$(grep -c '"reason":"min_chars"' bad)" -eq 1 ]
	[ $(($(wc -l <out) + $(wc -l <bad))) -eq 4 ]
	quern clean -q --format jsonl --preset gopher --rejects bad docs.jsonl >out
	[ "$(grep -c '"reason":"gopher_short_doc"' bad)" -eq 4 ]
}

@test "clean: thresholds change a rule, --without removes it" {
	[ "$(quern clean -q --format jsonl --rule min_chars=5 --without top_2_gram docs.jsonl | ids)" = "a c d" ]
	[ "$(quern clean -q --format jsonl --without min_chars --without empty --without letter_share --without top_2_gram docs.jsonl | ids)" = "a b c d" ]
}

@test "clean: personal data is masked or drops the row" {
	quern clean -q --format jsonl --pii mask docs.jsonl >out
	grep -qF 'Write to [EMAIL] or look at [IP], but not at 192.168.0.1 or version 1.2.3.4.5 of' out
	quern clean -q --format jsonl --pii drop --rejects bad docs.jsonl >out
	grep -q '"id":"d".*"reason":"pii"' bad
}

@test "clean: language by CLD2" {
	printf '%s\n' '{"id":"de","text":"Die Mühle steht am Fluss, und die Leute aus dem Dorf sind schon immer mit ihrem Korn zu ihr gekommen. Im Herbst reicht die Schlange bis zur Brücke."}' >de.jsonl
	[ "$(quern clean -q --format jsonl --lang en docs.jsonl de.jsonl --preset none | ids)" = "a d" ]
	[ "$(quern clean -q --format jsonl --lang en,de=0.5 de.jsonl | ids)" = "de" ]
}

@test "clean: conversations are judged by their turns" {
	quern clean -q --format jsonl --pii mask --rejects bad chat.jsonl >out
	[ "$(cat out)" = '{"id":"ok","messages":[{"role":"user","content":"How are you? [EMAIL]"},{"role":"assistant","content":"Fine."}]}' ]
	for want in '"empty".*chat_empty_turn' '"order".*chat_role_order' '"twice".*chat_role_order' '"open".*chat_no_answer' \
		'"none".*chat_no_messages'; do
		grep -q "$want" bad || { echo "not there: $want"; cat bad; return 1; }
	done
}

@test "clean: HTML becomes text where asked" {
	printf '%s\n' '{"id":"h","text":"<html><body><nav>Home | About</nav><article><h1>Mill</h1><p>The mill stands by the river and the people of the village come to it with their grain.</p></article></body></html>"}' >h.jsonl
	quern clean -q --format jsonl --preset none --extract main h.jsonl >out
	[ "$(cat out)" = '{"id":"h","text":"Mill\n\nThe mill stands by the river and the people of the village come to it with their grain."}' ]
	quern clean -q --format jsonl --preset none --extract auto docs.jsonl >auto
	quern clean -q --format jsonl --preset none docs.jsonl >plain
	cmp auto plain
}

@test "clean: mistakes in names are usage errors that list what there is" {
	status 2 quern clean --preset nosuch docs.jsonl
	says 'gopher'
	status 2 quern clean --rule nosuch=1 docs.jsonl
	says 'gopher_short_doc'
	status 2 quern clean --rule min_chars=many docs.jsonl
	status 2 quern clean --without nosuch docs.jsonl
	status 2 quern clean --lang e docs.jsonl
	status 2 quern clean --lang en,xx docs.jsonl
	says "no language 'xx'"
	status 2 quern clean --lang en=2 docs.jsonl
	status 2 quern clean --preset gopher chat.jsonl
	status 2 quern clean --rule chat_too_long docs.jsonl
}

@test "clean: same bytes for any number of threads" {
	for i in $(seq 300); do sed "s/\"id\":\"/&$i-/" docs.jsonl; done >many.jsonl
	same_bytes_for_any_j many.jsonl clean --pii mask
}

@test "clean: survives the battery" {
	hostile docs.arrows clean
}
