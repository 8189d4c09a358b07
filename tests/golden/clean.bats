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
	[ "$(grep -c '"reason":"gopher_short_doc"' bad)" -eq 3 ]
	[ "$(grep -c '"reason":"empty"' bad)" -eq 1 ]
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

@test "clean: rejects tell rule, measured value and threshold" {
	quern clean -q --format jsonl --rejects bad docs.jsonl >out
	grep -qF '"id":"c","text":"too short","reason":"min_chars","rule":"min_chars","value":9.0,"threshold":100.0' bad
	quern clean -q --format jsonl --preset gopher-dolma --rejects bad docs.jsonl >out
	grep -qF '"reason":"word_count","rule":"dolma_min_words","value":2.0,"threshold":50.0' bad
	quern clean -q --format jsonl --preset none --drop-if 'words < 5' --rejects bad docs.jsonl >out
	grep -qF '"id":"c","text":"too short","reason":"drop_if","rule":"words < 5"' bad
}

@test "clean: what each rule saw, hit and kept is told, and rules that hit nothing or most are named" {
	quern clean --format jsonl --stats st docs.jsonl >out 2>err
	grep -qE 'min_chars +3 +1 +2  chars < 100' err
	grep -qE 'warning: nothing is hit by letter_share, ' err
	grep -qE '"min_chars": \{' st
	quern clean --format jsonl --rule min_chars=1000 docs.jsonl >out 2>err
	grep -qF 'warning: min_chars drops 3 of the 3 rows that it sees' err
}

@test "clean: the funnel by source" {
	printf '%s\n' '{"id":"1","text":"short","source":"web"}' '{"id":"2","text":"","source":"web"}' '{"id":"3","text":"shorter","source":"books"}' >s.jsonl
	quern clean -q --format jsonl --stats st s.jsonl >out
	tr -d ' \n' <st | grep -qF '"sources":{"web":{"rows":2,"kept":0,"dropped":{"empty":1,"min_chars":1}},"books":{"rows":1,"kept":0,"dropped":{"min_chars":1}}}'
}

@test "clean: --annotate adds statistics and the reason, and drops and changes nothing" {
	quern clean -q --annotate docs.jsonl -o a.arrows
	[ "$(quern view --count a.arrows)" = 4 ]
	[ "$(quern view --format jsonl --columns id,words,reason a.arrows | sed -n 3p)" = '{"id":"c","words":2.0,"reason":"min_chars"}' ]
	quern view --format jsonl --columns id,text a.arrows >with
	quern view --format jsonl --columns id,text docs.jsonl >without
	cmp with without
	quern view --schema a.arrows | grep -q 'dup_10_gram_chars'
	quern clean -q --annotate --preset gopher-dolma docs.jsonl | quern view --schema | grep -q 'dolma_median_word_chars'
	status 3 quern clean -q --annotate a.arrows
	says "column 'chars' already"
	quern clean -q --annotate chat.jsonl | quern view --format jsonl --columns id,reason >chat
	[ "$(sed -n 2p chat)" = '{"id":"empty","reason":"chat_empty_turn"}' ]
}

@test "clean: conditions over columns and statistics" {
	[ "$(quern clean -q --format jsonl --preset none --keep-if 'chars > 5 and id != "a"' docs.jsonl | ids)" = "c d" ]
	[ "$(quern clean -q --format jsonl --preset none --drop-if 'words < 5' --drop-if 'text =~ "miller"' docs.jsonl | ids)" = "a" ]
	[ "$(quern clean -q --format jsonl --preset chat --keep-if 'chars > 10 and len(messages) == 2' chat.jsonl | ids)" = "ok" ]
	status 2 quern clean --drop-if 'wrds < 5' docs.jsonl
	says "no column 'wrds'; there are id, text, chars, words"
	status 2 quern clean --keep-if 'words <' docs.jsonl
}

@test "clean: --replace, and a pattern that blows its limit rejects the row" {
	quern clean -q --format jsonl --preset none --replace '(\w+)@(\w+)=>$2 at $1' --replace 'too=>very' docs.jsonl >out
	grep -qF 'Write to mill at miller.example' out
	grep -qF '"text":"very short"' out
	printf '{"id":"bomb","text":"%s"}\n{"id":"fine","text":"b"}\n' "$(printf 'a%.0s' $(seq 60))" >bomb.jsonl
	quern clean -q --format jsonl --preset none --replace '(?:a|aa|a?)*+=>x' bomb.jsonl >out
	within 60 "$BIN/quern" clean -q --format jsonl --preset none --replace '^(a?){60}a{60}$=>x' --rejects bad bomb.jsonl >out
	within 60 "$BIN/quern" clean -q --format jsonl --preset none --replace '^(a+)+$(?<=b)=>x' --rejects bad bomb.jsonl >out
	[ "$(ids <out)" = fine ]
	grep -q '"id":"bomb".*"reason":"replace_limit"' bad
	status 2 quern clean --replace '(=>x' docs.jsonl
	status 2 quern clean --replace 'a' docs.jsonl
	says 'REGEX=>TEXT'
	status 2 quern clean --replace 'a=>${' docs.jsonl
}

@test "clean: personal data by kind: masked, counted or a reason to drop" {
	printf '%s\n' '{"id":"p","text":"Card 4111 1111 1111 1111, mail a@b.cd, call +49 30 1234567."}' '{"id":"q","text":"Nothing here."}' >pii.jsonl
	quern clean -q --format jsonl --preset none --pii mask pii.jsonl >out
	grep -qF '"text":"Card [CARD], mail [EMAIL], call [PHONE]."' out
	quern clean -q --format jsonl --preset none --pii mask --pii-kinds card,phone pii.jsonl >out
	grep -qF '"text":"Card [CARD], mail a@b.cd, call [PHONE]."' out
	quern clean -q --format jsonl --preset none --pii tag pii.jsonl >out
	grep -qF '"pii":"{\"email\":1,\"phone\":1,\"card\":1}"' out
	grep -qF '{"id":"q","text":"Nothing here."}' out
	[ "$(quern clean -q --format jsonl --preset none --pii drop --pii-kinds key,iban pii.jsonl | ids)" = "p q" ]
	[ "$(quern clean -q --format jsonl --preset none --pii drop pii.jsonl | ids)" = "q" ]
	status 2 quern clean --pii mask --pii-kinds mail pii.jsonl
	says 'email, ip, phone'
	status 2 quern clean --pii-kinds email pii.jsonl
}

@test "clean: rules of conversations" {
	cat >c.jsonl <<'EOF'
{"id":"refusal","messages":[{"role":"user","content":"Tell me."},{"role":"assistant","content":"I'm sorry, but as an AI language model I cannot."}]}
{"id":"same","messages":[{"role":"user","content":"a"},{"role":"assistant","content":"Yes."},{"role":"user","content":"b"},{"role":"assistant","content":"Yes."}]}
{"id":"loop","messages":[{"role":"user","content":"Go on."},{"role":"assistant","content":"one two three four five one two three four five one two three four five one two three four five"}]}
{"id":"change","messages":[{"role":"user","content":"Where does the mill stand, and why do the people of the village always come to it with their grain?"},{"role":"assistant","content":"Die Mühle steht am Fluss, und die Leute aus dem Dorf sind schon immer mit ihrem Korn zu ihr gekommen."}]}
{"id":"fine","messages":[{"role":"system","content":"Be kind."},{"role":"user","content":"And?"},{"role":"assistant","content":"It stands."}]}
EOF
	printf '# canned\n(?i)\\bas an ai\\b\n' >canned
	quern clean -q --format jsonl --refusals canned --rule chat_same_answer --rejects bad c.jsonl >out
	[ "$(ids <out)" = fine ]
	for want in '"refusal".*chat_refusal' '"same".*chat_same_answer' '"loop".*chat_repetitive' '"change".*chat_language_change'; do
		grep -q "$want" bad || { echo "not there: $want"; cat bad; return 1; }
	done
	[ "$(quern clean -q --format jsonl c.jsonl | ids)" = "refusal same fine" ]
	[ "$(quern clean -q --format jsonl --without chat_repetitive --without chat_language_change c.jsonl | ids)" = "refusal same loop change fine" ]
	[ "$(quern clean -q --format jsonl --rule chat_min_answer=5 c.jsonl | ids)" = "refusal fine" ]
	status 2 quern clean --rule chat_refusal c.jsonl
	says '--refusals FILE'
	printf '(\n' >canned
	status 3 quern clean --refusals canned c.jsonl
	says 'canned: line 1'
}

# answers NAME < LINES: conversations with these answers, a line each.
answers() {
	awk -v name="$1" '{ gsub(/"/, "\\\""); printf "{\"id\":\"%s%d\",\"messages\":[{\"role\":\"user\",\"content\":\"Tell me.\"},{\"role\":\"assistant\",\"content\":\"%s\"}]}\n", name, NR, $0 }'
}

@test "clean: the patterns of refusals that are shipped" {
	local patterns=$HERE/../../pipelines/refusals.txt
	{
		answers no <<-'END'
			As an AI language model, I have no idea of the weather.
			I'm sorry, but I can't help with that.
			I’m sorry, I cannot do this.
			Unfortunately, I am unable to provide the text.
			I'm not able to assist you there.
			I don't have personal opinions on mills.
			I am just a language model.
			My knowledge cutoff is in the past.
			Of course!
			2 / 2
			It's not appropriate to say so.
			How can I help you today?
			I was trained by OpenAI on texts.
		END
		answers yes <<-'END'
			The miller said: "I'm sorry that I cannot come."
			You cannot help it if the river rises.
			Sure, the answer is 4.
			An AI is a program; the mill has none.
			Her personal opinions were kept to herself.
			1/2 is the half of it.
			The wheel was made by Google's founder, who was trained by Meta.
		END
	} >c.jsonl
	quern clean -q --format jsonl --refusals "$patterns" --rejects bad c.jsonl >out
	[ "$(ids <out | tr ' ' '\n' | grep -c yes)" -eq 7 ]
	[ "$(quern view --format jsonl bad | grep -c '"reason":"chat_refusal"')" -eq 13 ]
}

@test "clean: presets that reproduce another program take texts as they are" {
	printf '{"id":"x","text":"%s the of e\\u0301 here.  "}\n' "$(for i in $(seq 70); do printf 'w%sx ' "$i"; done)" >x.jsonl
	quern clean -q --format jsonl --preset gopher x.jsonl >out
	cmp <(quern view --format jsonl x.jsonl) out
	quern clean -q --format jsonl --preset gopher --repair yes x.jsonl | grep -q 'é here'
	status 2 quern clean --preset gopher --nfkc x.jsonl
	says '--repair yes'
	quern clean -q --format jsonl --preset none <<<'{"id":"m","text":"cafÃ© itâ€™s"}' | grep -qF '"text":"café it’s"'
	quern clean -q --format jsonl --preset none --keep-mojibake <<<'{"id":"m","text":"cafÃ©"}' | grep -qF '"text":"cafÃ©"'
	quern clean -q --format jsonl --preset none --join-hyphens <<<'{"id":"m","text":"exam-\nple"}' | grep -qF '"text":"example"'
}

@test "clean: same bytes for any number of threads" {
	for i in $(seq 300); do sed "s/\"id\":\"/&$i-/" docs.jsonl; done >many.jsonl
	same_bytes_for_any_j many.jsonl clean --pii mask
	same_bytes_for_any_j many.jsonl clean --annotate --pii tag
	quern clean -q -j1 --preset datatrove-0.10 --rejects r1 --stats s1 many.jsonl >o1
	quern clean -q -j2 --preset datatrove-0.10 --rejects r2 --stats s2 many.jsonl >o2
	cmp r1 r2 && cmp <(grep -v 'seconds\|peak' s1) <(grep -v 'seconds\|peak' s2)
}

# row ID TEXT: a record, whose text has nothing to escape.
row() { printf '{"id":"%s","text":"%s"}\n' "$1" "$2"; }
# times N TEXT
times() { yes "$2" | head -n "$1" | tr -d '\n'; }

@test "clean: texts that are made to hurt" {
	{
		row line "$(times 8000 'the mill stands by the river and turns ')"
		row white "$(times 200000 ' ')"
		row emoji "$(times 12000 '🚀👨‍👩‍👧')"
		row word "$(times 60000 'word ')"
		row stop "$(times 20000 'the of and to ')"
		row digits "$(times 60000 '4111 ')"
		row letter "$(times 300000 b)"
		row bomb "$(times 300 'aaaaaaaaaa')!"
		row marks "e$(times 40000 $'\u0301\u0323')"
		row tags "$(times 40000 '<div><b>')end"
		row brackets "$(times 60000 '[1')"
		row lines "$(times 60000 'ab\n\n')"
		for i in $(seq 200); do row "one$i" "$((i % 10))"; done
	} >hurt.jsonl
	for preset in quern fineweb-v1 gopher gopher-dolma c4-paper datatrove-0.10; do
		within 60 "$BIN/clean" -q -j2 --preset $preset --pii mask --lang en=0 --rejects bad -o kept hurt.jsonl
		[ $(($(quern view --count kept) + $(quern view --count bad))) -eq 212 ]
	done
	within 60 "$BIN/clean" -q --format jsonl --preset none --annotate --replace '(a+)+$=>b' --extract auto hurt.jsonl >out
	[ "$(wc -l <out)" -eq 212 ] && [ "$(grep -c '"reason":' out)" -eq 1 ]
	grep -q '"id":"bomb".*"reason":"replace_limit"' out
	grep -q '"id":"word".*"chars":299999.0,"words":60000.0.*"top_2_gram_chars":1.79' out
	grep -q '"id":"white".*"chars":0.0,' out
	grep -q '"id":"letter".*"text":"bbbb.*"chars":300000.0,"words":1.0' out
	# one mark goes into the letter, the others stand in their order
	quern clean -q --format jsonl --preset none --keep-if "chars == 80000 or chars == 3" --extract all hurt.jsonl >kept
	[ "$(ids <kept)" = "marks tags" ]
	grep -q '"text":"ẹ' kept
}

@test "clean: survives the battery" {
	hostile docs.arrows clean
}

@test "clean: language by a fastText model" {
	local lid=$BATS_TEST_DIRNAME/data/lid
	printf '%s\n' '{"id":"en","text":"the people come to the river"}' '{"id":"fr","text":"le grain du village"}' '{"id":"none","text":"xyzzy"}' >l.jsonl
	quern clean -q --format jsonl --preset none --lid-model "$lid/words.bin" --lang en,fr=0.9 --rejects bad l.jsonl >out
	[ "$(ids <out)" = "en fr" ]
	grep -q '"id":"none".*"reason":"language".*"threshold":0.9' bad
	[ "$(quern clean -q --format jsonl --preset none --lid-model "$lid/norms.ftz" --lang en=0.3 l.jsonl | ids)" = "en" ]
	status 2 quern clean --lid-model "$lid/words.bin" l.jsonl
	says 'wants --lang'
	status 2 quern clean --lid-model "$lid/words.bin" --lang es l.jsonl
	says "no label 'es'"
	head -c 1000 "$lid/words.bin" >cut.bin
	status 3 quern clean --lid-model cut.bin --lang en l.jsonl
	says 'cut.bin: a damaged or cut-off fastText model'
	status 3 quern clean --lid-model l.jsonl --lang en l.jsonl
	says 'not a fastText model'
}
