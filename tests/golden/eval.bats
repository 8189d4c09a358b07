load helper
source "${BATS_TEST_DIRNAME:-.}/data/generate/model.bash"

row() { # ID COMPLETION ANSWER
	printf '{"id":"%s","prompt":[{"role":"user","content":"q"}],"sample":0,"completion":"%s","completion_ids":[1,2,3],"logprob":-1.5,"finish":"eos","answer":"%s"}\n' \
		"$1" "$2" "$3"
}

value() { grep -o "\"$1,none\": [^,]*" "$2" | cut -d' ' -f2; }

@test "completions are judged as they are, with the standard error of a mean" {
	{
		row a '<think>x</think><answer>1</answer>' 1
		row b '2' 2
		row c '3' 4
		row d 'none' 5
		row e 'no gold' ''
	} >c.jsonl
	quern eval -q c.jsonl -o r.json
	[ "$(value exact_match r.json)" = 0.5 ]
	value exact_match_stderr r.json | awk '{ exit !($1 > 0.28867 && $1 < 0.28868) }'    # sqrt(0.5 * 0.5 / 3)
	[ "$(value format r.json)" = 0.2 ]
	[ "$(value completion_tokens r.json)" = 3.0 ]
	grep -q '"original": 5' r.json
	grep -q '"effective": 4' r.json
	grep -q '"model": "none"' r.json
	quern eval -q --report table c.jsonl | grep -q 'exact_match *|↑  |   0.5000|±  |0.2887|'
}

@test "a model answers problems, and the samples agree with the report" {
	make_model
	make_problems 30
	quern eval -q -m m --max-new-tokens 12 --samples samples.arrows problems.jsonl -o r.json
	[ "$(grep -o '"original": 30' r.json)" ]
	quern eval -q samples.arrows -o again.json
	for k in exact_match exact_match_stderr format completion_tokens; do
		[ "$(value $k r.json)" = "$(value $k again.json)" ]
	done
	quern generate -q -m m --greedy --max-new-tokens 12 problems.jsonl | quern eval -q -o piped.json
	[ "$(value completion_tokens r.json)" = "$(value completion_tokens piped.json)" ]
	grep -q '"pretrained=m"' r.json
	quern eval -q -m m -j1 --max-new-tokens 12 problems.jsonl >j1
	quern eval -q -m m -j2 --max-new-tokens 12 --batch 3 problems.jsonl >j2
	cmp <(grep -v provenance j1) <(grep -v provenance j2)
}

@test "perplexity of documents, chat and tokens" {
	make_model
	printf '%s\n' '{"id":"a","text":"One mill,\ntwo stones."}' '{"id":"b","text":""}' \
		"{\"id\":\"c\",\"text\":\"$(printf 'grind %.0s' {1..60})\"}" >docs.jsonl
	quern eval -q -m m --task perplexity docs.jsonl -o r.json
	# bytes are tokens here: 21 + 0 + 360
	[ "$(value byte_perplexity r.json)" = "$(value token_perplexity r.json)" ]
	grep -q '"byte_perplexity_stderr,none": "N/A"' r.json
	echo '{"id":"a","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"ho"}]}' |
		quern eval -q -m m --task perplexity -o chat.json
	grep -q token_perplexity chat.json
	! grep -q word_perplexity chat.json || return 1
	echo '{"id":"a","input_ids":[258,1,2,3]}' | quern eval -q -m m --task perplexity --stats s.json -o tok.json
	grep -qE '"tokens": *3' s.json
	echo '{"id":"a","input_ids":[258,1,2,9999]}' >bad.jsonl
	status 3 quern eval -m m --task perplexity bad.jsonl
	says "outside the model's vocabulary"
}

@test "mistakes in the request are usage errors" {
	make_model
	make_problems 2
	status 2 quern eval --task perplexity problems.jsonl
	says "-m is needed"
	status 2 quern eval --task gsm8k problems.jsonl
	status 3 quern eval problems.jsonl
	status 2 quern eval -m m --stop "" problems.jsonl
	sed 's/"answer"/"truth"/' problems.jsonl >t.jsonl
	status 3 quern eval -m m t.jsonl
}

@test "hostile inputs" {
	for i in $(seq 50); do row "r$i" "$i" "$i"; done >c.jsonl
	quern score -q -r accuracy c.jsonl -o good
	hostile good eval
}
