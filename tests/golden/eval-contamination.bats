load helper

# Twenty questions of sixteen words each, their numbers in words of their own; right answers to every third
prepare() {
	local i w
	for i in $(seq 0 19); do
		w=$(printf 'word%d ' $(seq $((i * 20)) $((i * 20 + 15))))
		printf '{"doc_id":%d,"doc":{"q":"%s"},"target":"t","filter":"none","acc":%d.0}\n' "$i" "${w% }" $((i % 3 == 0))
	done >s.jsonl
	printf '{"doc_id":20,"doc":{"q":"too short to be found"},"target":"t","filter":"none","acc":1.0}\n' >>s.jsonl
}

question() { sed -n "$(($1 + 1))p" s.jsonl | sed 's/.*"q":"\([^"]*\)".*/\1/'; }

@test "rows that stand in a corpus, where, and the metric without them" {
	{
		echo '{"id":"clean one","text":"nothing of it"}'
		printf '{"id":"copy","text":"So: %s. Yes."}\n' "$(question 3 | sed 's/./\U&/; s/ /, /3')"
		printf '{"id":"part","text":"%s end"}\n' "$(question 5 | cut -d' ' -f1-12)"
		printf '{"id":"thirteen","text":"%s end"}\n' "$(question 6 | cut -d' ' -f4-16)"
		printf '{"id":"again","text":"%s"}\n' "$(question 3)"
	} >corpus.jsonl
	printf '{"id":"x","text":"%s"}\n' "$(question 10)" >more.jsonl
	quern eval -q --check-contamination corpus.jsonl --check-contamination more.jsonl --samples hits.arrows s.jsonl -o c.json
	tr -d ' \n' <c.json >flat
	grep -q '"words":13,"corpora":\[{"file":"corpus.jsonl","rows":5},{"file":"more.jsonl","rows":1}\]' flat
	grep -q '"rows":21,"contaminated":3,"share":0.14285714285714285,"too_short":1' flat
	# rows 3, 6 (right) and 10 (wrong) were found; of 18 others 0, 9, 12, 15, 18 and 20 are right
	grep -q '"all":{"rows":21,"value":0.380952' flat
	grep -q '"clean":{"rows":18,"value":0.333333' flat
	grep -q '"contaminated":{"rows":3,"value":0.666666' flat
	quern view --format jsonl hits.arrows >hits
	[ "$(wc -l <hits)" -eq 3 ]
	grep -q '"id":"3","filter":"none","at":3,"text":"word60 word61.*word75","corpus":"corpus.jsonl","corpus_id":"copy","corpus_row":1,"corpus_at":4,' hits
	grep -q '"id":"6".*"text":"word123 .*word135","corpus":"corpus.jsonl","corpus_id":"thirteen","corpus_row":3,"corpus_at":0,' hits
	grep -q '"id":"10".*"corpus":"more.jsonl","corpus_id":"x"' hits
	quern eval -q -j1 --check-contamination corpus.jsonl --check-contamination more.jsonl s.jsonl -o one.json
	cmp <(sed '/"provenance"/,$d' one.json) <(sed '/"provenance"/,$d' c.json)
	quern eval -q --overlap 12 --check-contamination corpus.jsonl s.jsonl --report table >table
	grep -q '^s.jsonl: 3 of 21 rows (14.29 %) share 12 words with the corpus; 1 are too short to$' table
	grep -qE '^\|acc +\|none +\|' table
}

@test "documents in the order of dedup: what it calls contaminated is what is found" {
	head -50 "$DATA/quality_docs.jsonl" >docs.jsonl
	sed 's/^{/{"acc":1.0,"doc_id":0,/' docs.jsonl | awk '{ sub(/"doc_id":0/, "\"doc_id\":" NR); print }' | sed 's/"text":/"doc":/' >s.jsonl
	quern dedup -q --overlap 13 --against docs.jsonl docs.jsonl -o /dev/null --stats s.json
	want=$(grep -o '"contaminated": *[0-9]*' s.json | grep -o '[0-9]*$')
	[ "$want" -gt 10 ]
	quern eval -q --check-contamination docs.jsonl s.jsonl -o c.json
	grep -q "\"contaminated\": $want," c.json
}

@test "mistakes and bad inputs" {
	echo '{"id":"a","text":"b"}' >c.jsonl
	status 2 quern eval --check-contamination c.jsonl
	status 2 quern eval --check-contamination c.jsonl -m m s.jsonl
	status 2 quern eval --check-contamination c.jsonl --compare s.jsonl s.jsonl
	status 2 quern eval --overlap 0 --check-contamination c.jsonl s.jsonl
	status 1 quern eval --check-contamination nowhere s.jsonl
	status 3 quern eval --check-contamination s.jsonl s.jsonl
	says 's.jsonl: documents, chat, problems, preferences or feedback wanted'
	attempt "no corpus" 3 quern eval --check-contamination /dev/null s.jsonl
	attempt "a program" 3 quern eval --check-contamination /bin/sh s.jsonl
	head -c 300 s.jsonl >cut.jsonl
	attempt "samples cut" 3 quern eval --check-contamination c.jsonl cut.jsonl
}
