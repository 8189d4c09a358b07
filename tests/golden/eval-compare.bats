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
	attempt "no values" "0|3" quern eval --compare null.jsonl null.jsonl
}
