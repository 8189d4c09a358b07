load helper

# samples RIGHT...: an evaluation's samples as lm-evaluation-harness writes them, one row for each 0 or 1; sources in turn
samples() {
	local i=0 v
	for v; do
		printf '{"doc_id":%d,"doc":{"q":"question %d","source":"%s"},"target":"t%d","arguments":{"gen_args_0":{"arg_0":"Q%d"}},"resps":[["r%s"]],"filtered_resps":["r%s"],"filter":"none","doc_hash":"x","acc":%s,"len":%d.5}\n' \
			$i $i "$([ $((i % 3)) -eq 0 ] && echo web || echo books)" $i $i "$v" "$v" "$v.0" $((i * v))
		i=$((i + 1))
	done
}

prepare() {
	samples 1 0 0 0 1 1 0 1 0 1 >a.jsonl
	samples 1 1 1 1 1 1 1 0 0 1 >b.jsonl
}

@test "two evaluations: difference, standard error, exact McNemar, sources, flipped rows" {
	quern eval -q --compare a.jsonl b.jsonl --samples flips.arrows -o c.json
	tr -d ' \n' <c.json >flat
	grep -q '"rows":10,"by":"source"' flat
	# 4 rows only b has right, 1 only a: 2 * P(X <= 1 of 5) = 0.375; deviation of the differences 0.6749 over sqrt 10
	grep -q '"metric":"acc","filter":"none","rows":10,"a":0.5,"b":0.8' flat
	grep -q '"difference_stderr":0.2134' flat
	grep -q '"p_value":0.375,"test":"mcnemar_exact","only_a":1,"only_b":4' flat
	grep -q '"group":"web","rows":4,"a":0.5,"b":1.0,"difference":0.5' flat
	grep -q '"group":"books","rows":6,"a":0.5,"b":0.6666' flat
	grep -q '"metric":"len","filter":"none","rows":10' flat
	grep -q '"test":"resampling"' flat
	[ "$(grep -o '"right":"b"' flat | wc -l)" -eq 4 ]
	[ "$(quern view --count flips.arrows)" -eq 5 ]
	quern view --format jsonl flips.arrows | grep -q '"id":"7","metric":"acc","filter":"none","source":"books","right":"a","doc":"q: question 7\\nsource: books","target":"t7","response_a":".*r1.*","response_b":".*r0'
	quern eval -q --compare a.jsonl b.jsonl --test randomization --seed 3 --trials 500 -o d.json
	quern eval -q -j1 --compare a.jsonl b.jsonl --test randomization --seed 3 --trials 500 -o e.json
	cmp d.json e.json
	quern eval -q --compare a.jsonl b.jsonl --report table >table
	grep -qE '^\|acc +\|none +\|all +\| +10\| +0.5000\| +0.8000\| \+0.3000\|0.2134\|' table
	grep -qx 'acc, only a is right: 7' table
	quern eval -q --compare a.jsonl a.jsonl -o same.json
	grep -q '"p_value": 1.0' same.json
}

@test "reports know their samples, and what cannot be compared is refused by name" {
	quern init-model -q --preset tiny -t "$DATA/generate/tokenizer" --hidden 32 --layers 2 --heads 4 --kv-heads 2 --ffn 64 \
		--positions 256 --init-range 0.3 --seed 3 -o m
	mkdir one
	mc() { quern eval -q -m m --task "$DATA/tasks/mc.yaml" --fewshot-data "$DATA/tasks/shots.jsonl" "$@" "$DATA/tasks/docs.jsonl"; }
	mc --samples one/s.arrows -o one/r.json
	mc --samples t.arrows -o t.json
	cp -r one moved && rm -r one                       # the samples lie beside the report
	quern eval -q --compare moved/r.json t.json -o c.json
	grep -q '"model_args": "pretrained=m"' c.json
	mc --num-fewshot 1 --samples f.arrows -o f.json
	status 3 quern eval --compare t.json f.json
	says 'the number of examples differs: 2 in t.json, 1 in f.json'
	status 3 quern eval --compare t.arrows f.arrows
	says "row '0' of t.arrows and f.arrows: the prompts differ"
	mc --limit 7 --samples l.arrows -o l.json
	status 3 quern eval --compare t.json l.json
	says "t.arrows has row '7', l.arrows has not"
	cp l.arrows moved/s.arrows
	status 3 quern eval --compare moved/r.json t.json
	says 'these are other samples'
	mc -o none.json
	status 3 quern eval --compare none.json t.json
	says 'none.json: the evaluation was run without --samples'
	sed 's/"t_mc"/"other"/' t.json >o.json
	status 3 quern eval --compare t.json o.json
	says "tasks differ: 't_mc' in t.json, 'other' in o.json"
	sed 's/question 3/question 4/' b.jsonl >q.jsonl
	status 3 quern eval --compare a.jsonl q.jsonl
	says "row '3' of a.jsonl and q.jsonl: the documents differ"
	sed 's/"t5"/"t6"/' b.jsonl >q.jsonl
	status 3 quern eval --compare a.jsonl q.jsonl
	says "row '5' .* the right answers differ"
	cat b.jsonl b.jsonl >q.jsonl
	status 3 quern eval --compare a.jsonl q.jsonl
	says "q.jsonl: row '[0-9]' comes twice"
}

# value REPORT METRIC, side COMPARISON METRIC a|b: numbers as they were written
value() { sed -n "s/^ *\"$2,none\": \([^,]*\),*$/\1/p" "$1"; }
side() { tr -d ' \n' <"$1" | grep -o "\"metric\":\"$2\",\"filter\":\"none\",\"rows[^}]*" | sed "s/.*\"$3\":\([^,]*\),.*/\1/"; }

@test "perplexities and F1 of classes: what all rows give together, on both sides" {
	local s
	for s in 3 4; do
		quern init-model -q --preset tiny -t "$DATA/generate/tokenizer" --hidden 32 --layers 1 --heads 4 --kv-heads 2 --ffn 64 \
			--positions 256 --init-range 0.3 --seed $s -o m$s
		for t in roll bin lam; do
			quern eval -q -m m$s --task "$DATA/tasks/$t.yaml" --fewshot-data "$DATA/tasks/shots.jsonl" --samples $t$s.arrows -o $t$s.json "$DATA/tasks/docs.jsonl"
		done
	done
	quern view --format jsonl roll3.arrows | head -1 | grep -qE '"word_perplexity":\[-[0-9.]+,[0-9.]+\]'
	for m in roll:word_perplexity roll:byte_perplexity roll:bits_per_byte lam:perplexity bin:f1 bin:mcc; do
		local t=${m%:*} n=${m#*:}
		quern eval -q --compare ${t}3.json ${t}4.json --bootstrap 200 --trials 99 -o c.json
		[ -n "$(value ${t}3.json $n)" ]
		[ "$(side c.json $n a)" = "$(value ${t}3.json $n)" ]
		[ "$(side c.json $n b)" = "$(value ${t}4.json $n)" ]
		quern eval -q --compare ${t}3.arrows ${t}4.arrows --bootstrap 200 --trials 99 -o d.json      # without their reports
		[ "$(side d.json $n b)" = "$(value ${t}4.json $n)" ]
	done
	# 12 documents of 4 words, each easier for b: exp(2.5) and exp(2); signs as they are, or all turned, come once in 2048
	for i in 1 2 3 4 5 6 7 8 9 10 11 12; do printf '{"doc_id":%d,"word_perplexity":[%d.0,4.0]}\n' $i -10; done >ten.jsonl
	sed 's/-10.0/-8/' ten.jsonl >eight.jsonl
	quern eval -q --compare ten.jsonl eight.jsonl --trials 99 --test randomization -o c.json
	grep -q '"aggregation": "weighted_perplexity"' c.json
	[[ "$(side c.json word_perplexity a)" == 12.18249396070347* ]]
	[[ "$(side c.json word_perplexity b)" == 7.38905609893065* ]]
	[ "$(side c.json word_perplexity p_value)" = 0.01 ]
	quern eval -q --compare roll3.json roll3.json -o same.json
	[ "$(side same.json word_perplexity p_value)" = 1.0 ]
	[ "$(side same.json word_perplexity difference_stderr)" = 0.0 ]
}

@test "a corpus under two models: --task perplexity by source, documents, chat and what was kept before a kill" {
	local s n
	for s in 3 4; do
		quern init-model -q --preset tiny -t "$DATA/generate/tokenizer" --hidden 32 --layers 1 --heads 4 --kv-heads 2 --ffn 64 \
			--positions 32 --init-range 0.3 --seed $s -o m$s
	done
	for s in 1 2 3 4 5 6; do
		printf '{"id":"p%d","text":"%s a mill, %d\\n stones","source":"%s"}\n' $s "$(printf 'grind %.0s' $(seq $((s * 4))))" $s \
			"$([ $((s % 2)) -eq 0 ] && echo web || echo books)"
	done >corpus.jsonl
	echo '{"id":"p7","text":"","source":"web"}' >>corpus.jsonl
	ppl() { quern eval -q -m m$1 --task perplexity "${@:2}" corpus.jsonl; }
	ppl 3 --samples s3.arrows -o 3.json
	ppl 4 --samples s4.arrows -o 4.json
	ppl 3 -o none.json
	cmp <(sed -n '/"results"/,/^  }/p' 3.json) <(sed -n '/"results"/,/^  }/p' none.json)
	quern eval -q --compare 3.json 4.json --bootstrap 200 --trials 99 -o c.json
	for n in word_perplexity byte_perplexity bits_per_byte token_perplexity; do
		[ "$(side c.json $n a)" = "$(value 3.json $n)" ]
		[ "$(side c.json $n b)" = "$(value 4.json $n)" ]
		[[ "$(side c.json $n difference_stderr)" == 0.*[1-9]* || "$(side c.json $n difference_stderr)" == [1-9]* ]]
	done
	tr -d ' \n' <c.json | grep -q '"metric":"bits_per_byte","filter":"none","group":"web","rows":4'
	# what a task of rolling log-likelihoods keeps of the same texts
	sed 's/doc_to_target:.*/doc_to_target: "{{text}}"/' "$DATA/tasks/roll.yaml" >roll.yaml
	quern eval -q -m m3 --task roll.yaml --samples roll.arrows corpus.jsonl -o roll.json
	for n in word_perplexity byte_perplexity bits_per_byte; do
		items() { quern view --format jsonl $1 | grep -o "\"$n\":[^]]*"; }
		[ "$(items roll.arrows | wc -l)" -eq 7 ]
		cmp <(items roll.arrows) <(items s3.arrows)
	done
	ppl 3 --cache kept --samples first.arrows -o r.json
	ppl 3 --cache kept --samples again.arrows -o r.json --stats s
	grep -qE '"cached_requests": *[1-9]' s
	cmp <(quern view --format jsonl s3.arrows) <(quern view --format jsonl again.arrows)
	sed 's/stones/stone/' corpus.jsonl >other.jsonl && mv other.jsonl corpus.jsonl
	ppl 4 --samples o.arrows -o o.json
	status 3 quern eval --compare 3.json o.json
	says "row '0' of s3.arrows and o.arrows: the documents differ"
	for s in 3 4; do
		printf '{"id":"%d","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"%d"}]}\n' 1 12345 2 678 |
			quern eval -q -m m$s --task perplexity --samples chat$s.arrows -o chat$s.json
	done
	quern eval -q --compare chat3.json chat4.json --trials 9 -o c.json
	[ "$(side c.json token_perplexity b)" = "$(value chat4.json token_perplexity)" ]
}

@test "text metrics: corpus scores of two systems, by source; other settings are refused" {
	local i
	for i in 1 2 3 4 5 6; do
		printf '{"id":"%d","answer":"the quick brown fox jumps over %d lazy dogs","one":"the quick brown fox jumps over %d lazy cats","two":"a brown fox %d times over dogs","source":"%s"}\n' \
			$i $i $i $i "$([ $((i % 2)) -eq 0 ] && echo web || echo books)"
	done >t.jsonl
	for i in one two; do
		quern eval -q --task text --metric bleu,chrf,ter,rouge,edit --smooth add-k --prediction $i --samples $i.arrows t.jsonl -o $i.json
	done
	quern eval -q --compare one.json two.json --trials 99 -o c.json
	for i in bleu chrf ter rouge1 edit_distance char_error_rate; do
		[ -n "$(value one.json $i)" ]
		[ "$(side c.json $i b)" = "$(value two.json $i)" ]
	done
	tr -d ' \n' <c.json | grep -q '"metric":"bleu","filter":"none","group":"web","rows":3'
	quern eval -q -j1 --compare one.json two.json --trials 99 -o d.json
	cmp c.json d.json
	quern eval -q --task text --metric bleu --tokenize char --prediction two --samples char.arrows t.jsonl -o char.json
	status 3 quern eval --compare one.json char.json
	says 'the settings of bleu differ: nrefs:1|case:mixed|eff:no|tok:13a|smooth:add-k\[1.00\]|version:2.6.0 in one.json, .*tok:char'
	quern eval -q --task text --metric bleu --smooth floor --smooth-value 0.001 --prediction two --samples fine.arrows t.jsonl -o fine.json
	status 3 quern eval --compare fine.json fine.json
	says 'the signature has not all digits of the smoothing'
	status 2 quern eval --task text --metric distinct --samples x.arrows --prediction two t.jsonl
}

@test "a comparison of what is none" {
	status 2 quern eval --compare a.jsonl
	status 2 quern eval --by source a.jsonl
	status 2 quern eval --compare -m m a.jsonl b.jsonl
	local bad
	for bad in '{"results":{}}' '{"results":3}' '{"results":{"x":{}},"samples":{"x":"nowhere"}}' '{"results":{"x":{}}}' '{"results' '[]' '{"results":{"x":1,"y":2}}' \
		'{"results":{"x":{"acc,none":"NaN"}},"samples":{"x":"a.jsonl"},"higher_is_better":[]}'; do
		echo "$bad" >bad.json
		attempt "$bad" "1|3" quern eval --compare bad.json b.jsonl
		attempt "$bad" "1|3" quern eval --compare a.jsonl bad.json
	done
	: >none.jsonl
	attempt empty 3 quern eval --compare none.jsonl b.jsonl
	attempt "no numbers" 3 quern eval --compare <(echo '{"doc_id":1,"a":"x"}') b.jsonl
	attempt "no names" 3 quern eval --compare <(echo '{"score":1.0}') b.jsonl
	attempt "a stream cut" "3" quern eval --compare <(head -c 300 a.jsonl) b.jsonl
	sed -E 's/"acc":[01].0/"acc":null/' a.jsonl >null.jsonl
	local item
	for item in '[]' '[1.0]' '[1.0,2.0,3.0]' '[1e999,1.0]' '["a","b"]' null '[null,1.0]' '[-3.0,0.0]' '{"a":1}'; do
		printf '{"doc_id":%d,"acc":1.0,"word_perplexity":'"$item"'}\n' 1 2 >item.jsonl
		attempt "item $item" "0|3" quern eval --compare item.jsonl item.jsonl
	done
	attempt "no values" "0|3" quern eval --compare null.jsonl null.jsonl
}
