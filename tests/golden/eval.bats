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
	grep -q '"exact-match": {"none":{"right":2,"wrong":2,"unparsed":0,"undecided":1}}' r.json
	quern eval -q --report table c.jsonl | grep -q 'exact_match *|↑  |   0.5000|±  |0.2887|'
	quern eval -q --report table c.jsonl | grep -qx 'responses: 2 right, 2 wrong, 0 unparsed, 1 undecided'
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
	status 2 quern eval --task gsm9k problems.jsonl
	says 'nor one of the tasks .*aime24, .*gsm8k'
	status 3 quern eval problems.jsonl
	status 2 quern eval -m m --stop "" problems.jsonl
	sed 's/"answer"/"truth"/' problems.jsonl >t.jsonl
	status 3 quern eval -m m t.jsonl
}

# text [OPTION ...]: system a of the rows, their options behind
text() { quern eval -q --task text --prediction a --reference reference "$@" "$DATA/metrics/rows.jsonl"; }

@test "text metrics of a corpus, their intervals and tests are sacrebleu's" {
	local key score mean half sign bs ar opt o m
	while IFS=$'\t' read -r key score mean half sign bs ar; do
		set -- $key
		m=$1 opt=()
		for o in "${@:2}"; do opt+=("--$o"); done
		text --metric $m "${opt[@]}" --bootstrap 500 --seed 12345 --baseline b --trials 500 -o bs.json
		text --metric $m "${opt[@]}" --seed 12345 --baseline b --test randomization --trials 1000 -o ar.json
		[ "$(value "$m" bs.json | xargs printf %.4f)" = "$score" ] || { echo "$key: $(value "$m" bs.json), want $score"; return 1; }
		grep -qF "\"signature\":\"$sign\"" bs.json || { grep signature bs.json; return 1; }
		grep -oE '"(mean|half_width)":[0-9.]+' bs.json | cut -d: -f2 | xargs printf '%.3f\n' >got
		printf '%s\n' "$mean" "$half" | diff - got
		grep -oE '"p_value":[0-9.]+' bs.json ar.json | cut -d: -f3 | xargs printf '%.4f\n' >got
		printf '%s\n' "$bs" "$ar" | diff - got
	done <"$DATA/metrics/corpus.tsv"
	text --metric bleu --baseline b --bootstrap 5 --trials 7 --report table >table
	grep -qE '^bleu: [0-9.]+ ± [0-9.]+ in 95 % of 5 resamples$' table
	grep -qE '^bleu: baseline [0-9.]+, p = [0-9.]+ by paired bootstrap of 7 trials$' table
}

@test "text metrics: rows and files, one thread and two, say the same" {
	all=bleu,chrf,chrf++,ter,rouge,rouge-unicode,squad,edit,distinct,self-bleu,repetition
	text --metric $all --bootstrap 20 -j1 >j1
	text --metric $all --bootstrap 20 -j2 >j2
	cmp <(grep -v provenance j1) <(grep -v provenance j2)
	grep -q '"rougeLsum_stderr,none": 0' j1
	grep -q '"self_bleu,none": [0-9]' j1
	sed -E 's/^\{"a": "(.*)", "b": .*/\1/; s/\\"/"/g; s/\\\\/\\/g' "$DATA/metrics/rows.jsonl" >hyp
	sed -E 's/.*"reference": "(.*)"\}$/\1/; s/\\"/"/g; s/\\\\/\\/g' "$DATA/metrics/rows.jsonl" >ref
	quern eval -q --task text --metric $all --bootstrap 20 --hypotheses hyp --references ref -o files.json
	cmp <(grep -E ',none|metric_list' j1) <(grep -E ',none|metric_list' files.json)
	zstd -q ref
	quern eval -q --task text --metric $all --bootstrap 20 --hypotheses hyp --references ref.zst -o files.json
	cmp <(grep ',none' j1) <(grep ',none' files.json)
}

@test "text metrics: lists of references, and rows that do not count" {
	cat >r.jsonl <<-'END'
		{"p":"the dog","refs":["a cat","The dog."]}
		{"p":"a dog","refs":[]}
		{"p":null,"refs":["x"]}
		{"p":"cat","refs":["a", null]}
	END
	quern eval -q --task text --prediction p --reference refs --metric squad,bleu --rejects no.arrows r.jsonl -o r.json
	[ "$(value exact_match r.json)" = 50.0 ]
	grep -q '"original": 4' r.json
	grep -q '"effective": 2' r.json
	grep -q 'nrefs:var|case:mixed' r.json
	[ "$(quern view --format jsonl no.arrows | grep -o '"reason":"[a-z_]*"' | xargs)" = "reason:no_reference reason:no_prediction" ]
	quern eval -q --task text --prediction p --metric distinct r.jsonl -o r.json
	grep -q '"effective": 3' r.json
	quern eval -q --task text --prediction p --reference refs --metric squad --report table r.jsonl | grep -q 'exact_match *|↑  |  50.0000|±  |50.0000|'
}

@test "text metrics: mistakes" {
	echo a >one
	printf 'a\nb\n' >two
	printf 'a\n\xff\n' >bad
	: >none
	status 3 quern eval --task text --hypotheses one --references two
	says "one ends after 1 lines, two does not"
	status 3 quern eval --task text --hypotheses two --references bad
	says "bad: line 2: not UTF-8"
	status 2 quern eval --task text --hypotheses two
	says "references is needed"
	status 2 quern eval --task text --metric bleu,meteor --hypotheses two --references two
	says "no metric 'meteor'; there are bleu"
	status 2 quern eval --task text --metric "" --hypotheses two --references two
	status 2 quern eval --task text --hypotheses two --references two "$DATA/metrics/rows.jsonl"
	status 2 quern eval --hypotheses two --references two
	status 3 quern eval --task text "$DATA/metrics/rows.jsonl"
	says "no text column 'completion'"
	quern eval -q --task text --metric bleu,rouge,self-bleu --bootstrap 5 --hypotheses none --references none -o r.json
	grep -q '"bleu,none": null' r.json
}

@test "hostile inputs" {
	for i in $(seq 50); do row "r$i" "$i" "$i"; done >c.jsonl
	quern score -q -r accuracy c.jsonl -o good
	hostile good eval
	hostile good eval --task text --metric bleu,chrf++,ter,rouge,squad,edit,self-bleu --bootstrap 3
}

@test "a task file: results as the harness writes them, every document on request" {
	quern init-model -q --preset tiny -t "$DATA/generate/tokenizer" --hidden 32 --layers 2 --heads 4 --kv-heads 2 --ffn 64 \
		--positions 256 --init-range 0.3 --seed 3 -o tm
	quern eval -q -m tm --task "$DATA/tasks/mc.yaml" --fewshot-data "$DATA/tasks/shots.jsonl" --samples s.arrows \
		"$DATA/tasks/docs.jsonl" -o r.json
	grep -q '"acc,none": 0.2333333' r.json
	grep -q '"acc_norm_stderr,none": 0.085096' r.json
	grep -q '"t_mc": 2' r.json
	# scikit-learn's f1_score(average="macro") and matthews_corrcoef of the samples
	quern eval -q -m tm --task "$DATA/tasks/mc.yaml" --metric macro_f1,mcc --bootstrap 0 --fewshot-data "$DATA/tasks/shots.jsonl" \
		"$DATA/tasks/docs.jsonl" -o f.json
	grep -q '"macro_f1,none": 0.365962142432' f.json
	grep -q '"mcc,none": -0.02874593872' f.json
	[ "$(quern view --count s.arrows)" -eq 30 ]
	quern view --format jsonl -n 1 s.arrows | grep -q '"doc_id":0,"doc":"{.*"target":"[0-9]","arguments":"\[\[.*"resps":"\[\[-.*"acc":[01]'
	quern eval -q -m tm --task "$DATA/tasks/gen.yaml" --fewshot-data "$DATA/tasks/shots.jsonl" "$DATA/tasks/docs.jsonl" --limit 4 -o g.json
	grep -q '"exact_match,strict"' g.json
	grep -q '"chrf,flexible"' g.json
	grep -q '"effective": 4' g.json
	# the same for any thread count, and from a pipe
	quern eval -q -j1 -m tm --task "$DATA/tasks/gen.yaml" --fewshot-data "$DATA/tasks/shots.jsonl" --limit 4 <"$DATA/tasks/docs.jsonl" >g1.json
	cmp <(sed '/"provenance"/,$d' g1.json) <(sed '/"provenance"/,$d' g.json)
	status 2 quern eval -m tm --task "$DATA/tasks/mc.yaml" "$DATA/tasks/docs.jsonl"
	says "split 'train': name its file with --fewshot-data"
	status 2 quern eval -m tm --task nothing docs.jsonl
	says 'neither exact-match'
	status 2 quern eval --task "$DATA/tasks/mc.yaml" "$DATA/tasks/docs.jsonl"
	status 2 quern eval -m tm --limit 3 "$DATA/tasks/docs.jsonl"
	says 'task files'
	printf 'task: x\ndoc_to_text: !function utils.f\ndoc_to_target: y\n' >hook.yaml
	status 3 quern eval -m tm --task hook.yaml "$DATA/tasks/docs.jsonl"
	says "'doc_to_text' is a Python function"
	printf 'task: x\noutput_type: multiple_choice\ndoc_to_text: q\ndoc_to_choice: "{{ nothing }}"\ndoc_to_target: 0\n' >hole.yaml
	status 3 quern eval -m tm --task hole.yaml "$DATA/tasks/docs.jsonl"
	says "document 0: .*'nothing' is undefined"
	printf 'task: x\ndoc_to_text: "{%% for i in range(100000000) %%}{%% for j in range(100000000) %%}x{%% endfor %%}{%% endfor %%}"\ndoc_to_target: y\n' >bomb.yaml
	status 3 within 60 quern eval -m tm --task bomb.yaml "$DATA/tasks/docs.jsonl"
}
