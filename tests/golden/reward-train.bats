load helper
source "${BATS_TEST_DIRNAME:-.}/data/generate/model.bash"

prepare() {
	make_model
	local i
	for i in $(seq 24); do
		printf '{"id":"%d","prompt":[{"role":"user","content":"%d+1=?"}],"chosen":[{"role":"assistant","content":"%d"}],"rejected":[{"role":"assistant","content":"no %d"}],"margin":%d}\n' \
			"$i" "$i" $((i + 1)) "$i" $((i % 3))
	done >pairs.jsonl
	ARGS="-q -m m pairs.jsonl --epochs 4 --batch-pairs 8 --lr 1e-3"
}

# value KEY LINE [DIR]: a number of metrics.jsonl
value() {
	sed -n "$2p" "${3:-out}/trainer/metrics.jsonl" | grep -o "\"$1\":[-0-9.e]*" | cut -d: -f2
}

@test "it learns which reply is better, and writes a sequence classifier" {
	quern reward-train $ARGS --no-margin -o out
	awk -v a="$(value loss 1)" -v b="$(value loss 12)" -v acc="$(value accuracy 12)" -v m="$(value margin 12)" \
		-v lo="$(value min_reward 12)" -v hi="$(value max_reward 12)" -v mean="$(value mean_reward 12)" \
		'BEGIN { exit !(b < a && b < 0.2 && acc == 1 && m > 1 && lo < mean && mean < hi) }'
	grep -q '"LlamaForSequenceClassification"' out/config.json
	grep -q '"num_labels": 1' out/config.json
	grep -q '"pad_token_id": 256' out/config.json
	grep -aq '"score.weight":{"dtype":"F32","shape":\[1,32\]' out/model.safetensors
	! grep -aq lm_head out/model.safetensors || return 1
	cmp out/tokenizer.json m/tokenizer.json
	# the loss of two rewards by hand
	printf '%s\n' "$(head -1 pairs.jsonl)" >one.jsonl
	quern reward-train -q -m m one.jsonl --steps 1 --no-margin -o one
	awk -v l="$(value loss 1 one)" -v m="$(value margin 1 one)" 'BEGIN { d = l - log(1 + exp(-m)); exit !(d < 1e-5 && d > -1e-5) }'
	quern reward-train -q -m m one.jsonl --steps 1 --no-margin --center 0.5 -o centre
	awk -v l="$(value loss 1 centre)" -v m="$(value margin 1 one)" -v s="$(value mean_reward 1 one)" \
		'BEGIN { d = l - log(1 + exp(-m)) - 0.5 * 4 * s * s; exit !(d < 1e-4 && d > -1e-4) }'
}

@test "score rates completions as training rated the replies" {
	quern reward-train $ARGS --no-margin -o rm
	printf '%s\n' "$(head -1 pairs.jsonl)" >one.jsonl
	quern reward-train -q -m rm one.jsonl --steps 1 --lr 1e-12 --no-margin -o same
	for said in "2" "no 1"; do
		printf '{"id":"1","prompt":[{"role":"user","content":"1+1=?"}],"sample":0,"completion":"%s"}\n' "$said"
	done >c.jsonl
	quern score --reward-model rm c.jsonl --format jsonl >s.jsonl
	awk -F'"reward_model":' -v m="$(value margin 1 same)" -v mean="$(value mean_reward 1 same)" \
		'{ split($2, v, /[,}]/); r[NR] = v[1] }
		END { d = r[1] - r[2] - m; e = (r[1] + r[2]) / 2 - mean; exit !(NR == 2 && m > 1 && d * d < 1e-9 && e * e < 1e-9) }' s.jsonl
	# beside a rule, weighted; a prompt of text; a prompt of nothing
	quern score -r length,model=2 --length-max 1 --reward-model rm c.jsonl --format jsonl >w.jsonl
	awk -F'"score":' 'NR == FNR { split($2, v, /[,}]/); m[FNR] = v[1]; next }
		{ split($2, v, /[,}]/); d = v[1] - 2 * m[FNR] - (FNR == 1); if (d * d > 1e-9) exit 1 }' s.jsonl w.jsonl
	printf '{"id":"1","prompt":"1+1=","sample":0,"completion":"2"}\n' >text.jsonl
	quern score --reward-model rm text.jsonl --format jsonl | grep -q '"reward_model":-\?[0-9]'
	sed '2s/"prompt":\[[^]]*\]/"prompt":[]/' c.jsonl >empty.jsonl
	quern score --reward-model rm empty.jsonl 2>err >none
	grep -q 'empty_prompt 1' err
	status 3 quern score --reward-model m c.jsonl
	status 2 quern score -r model c.jsonl
	says "needs --reward-model"
}

@test "margins are aimed at; cuts, threads and kills change nothing" {
	quern reward-train $ARGS -o out
	quern reward-train $ARGS --no-margin -o without
	! cmp -s out/model.safetensors without/model.safetensors || return 1
	quern reward-train -j1 $ARGS -o one
	cmp one/model.safetensors out/model.safetensors
	quern reward-train $ARGS --micro-tokens 60 -o cut
	awk -v a="$(value loss 6)" -v b="$(value loss 6 cut)" 'BEGIN { d = a - b; exit !(d < 1e-4 && d > -1e-4) }'
	quern reward-train $ARGS --eval pairs.jsonl -o held
	grep -q '"eval_accuracy":' held/trainer/metrics.jsonl
	# it goes on from a reward model, whose head stays
	quern reward-train $ARGS -m out -o more
	awk -v a="$(value loss 1)" -v b="$(value loss 1 more)" 'BEGIN { exit !(b < a) }'
}

@test "a reward model says nothing, and what is no pair is refused" {
	quern reward-train $ARGS -o out
	status 3 quern generate -m out -p hello
	says 'is a reward model'
	status 3 quern dpo-train -m out pairs.jsonl -o x
	echo '{"id":"a","text":"hello"}' >doc.jsonl
	status 3 quern reward-train -m m doc.jsonl -o x
	status 2 quern reward-train pairs.jsonl -o x
	sed 's/"margin":1/"margin":1e999/' pairs.jsonl >huge.jsonl
	status 3 quern reward-train -m m huge.jsonl -o x
}

# same A B ...: pairs of numbers, equal within 1e-4 of their size
same() {
	printf '%s %s\n' "$@" | awk '{ d = $1 - $2; if (NF != 2 || d * d > 1e-8 * (1 + $1 * $1)) { print; bad = 1 } } END { exit bad }'
}

@test "process rewards are trained as TRL's PRMTrainer trains them" {
	make_model
	local way opt=
	quern reward-train -q --process -m m "$DATA/rewards/steps.jsonl" --steps 1 --lr 0 -o start
	grep -q '"LlamaForTokenClassification"' start/config.json
	grep -q '"step_separator": "\\n"' start/config.json
	grep -aq '"score.weight":{"dtype":"F32","shape":\[2,32\]' start/model.safetensors
	grep -aq '"score.bias":{"dtype":"F32","shape":\[2\]' start/model.safetensors
	for way in all last; do
		[ $way = all ] || opt=--last-step-only
		quern reward-train -q --process -m start "$DATA/rewards/steps.jsonl" --eval "$DATA/rewards/steps.jsonl" --steps 12 --batch-pairs 4 \
			--lr 3e-3 --schedule constant --warmup 0 --no-shuffle --micro-tokens 80 $opt -o $way
		grep -o '"loss":[^,]*\|"grad_norm":[^,]*' $way/trainer/metrics.jsonl | cut -d: -f2 | paste - - >ours
		awk -v w=$way '$1 == w { print $3 "\t" $4 }' "$DATA/rewards/process.tsv" >theirs
		[ "$(grep -c . theirs)" = 12 ]
		same $(paste ours theirs | awk '{ print $1, $3, $2, $4 }')
	done
	# evaluation looks at all labels, so the same model is measured otherwise than it learned
	grep -o '"eval_loss":[^,}]*' last/trainer/metrics.jsonl | tail -1 | cut -d: -f2 | awk '{ exit !($1 > 0.1) }'
	# what score says of the first solution's steps
	printf '{"id":"1","prompt":"1+4=?","sample":0,"completion":"1 is odd\\n\\nso 5"}\n' >c.jsonl
	quern score --reward-model all c.jsonl --format jsonl >out
	same $(grep -o '"step_scores":\[[^]]*' out | tr -d '"a-z_:[' | tr ',' '\n' | paste - <(awk '$1 == "scores"' "$DATA/rewards/process.tsv" | cut -f2- | tr '\t' '\n'))
}

@test "scores of steps: lowest, product, last, mean; a separator of one's own; nothing to rate" {
	make_model
	local i a
	quern reward-train -q --process -m m "$DATA/rewards/steps.jsonl" --step-separator ' ;; ' --epochs 2 -o prm
	grep -q '"step_separator": " ;; "' prm/config.json
	printf '{"id":"1","prompt":[{"role":"user","content":"3+6=?"}],"sample":0,"completion":"3 is odd ;; so 9 ;;  ;; no"}\n{"id":"2","prompt":"","sample":0,"completion":" ;; "}\n' |
		sed '2s/"prompt":""/"prompt":[{"role":"user","content":"x"}]/' >c.jsonl
	for a in min prod last mean; do
		quern score --reward-model prm --step-aggregate $a c.jsonl --format jsonl >$a
		awk -v a=$a 'NR == 1 { split($0, x, "\"step_scores\":\\["); split(x[2], v, /[],}]/); split($0, y, "\"reward_model\":"); split(y[2], r, /[,}]/)
			low = v[1] < v[2] ? v[1] : v[2]; low = v[3] < low ? v[3] : low
			want = a == "min" ? low : a == "prod" ? v[1] * v[2] * v[3] : a == "last" ? v[3] : (v[1] + v[2] + v[3]) / 3
			if (v[3] == "" || v[4] != "" || (r[1] - want) ^ 2 > 1e-10) exit 1 }' $a
		sed -n 2p $a | grep -q '"step_scores":\[\]}$'
		! sed -n 2p $a | grep -q '"score":[^n]' || return 1
	done
	# as one step, with the separator that is not there
	quern score --reward-model prm --step-separator '|' c.jsonl --format jsonl | head -1 | grep -q '"step_scores":\[[0-9.e-]*\]'
	quern score -j1 --reward-model prm c.jsonl -o one
	quern score -j4 --reward-model prm c.jsonl -o four
	cmp one four
	# a model that goes on keeps its separator
	sed 's/"completions":\[/"completions":["first",/; s/"labels":\[/"labels":[1,/; s/true/1/g; s/false/0/g' "$DATA/rewards/steps.jsonl" >more.jsonl
	quern reward-train -q --process -m prm more.jsonl -o more
	grep -q '"step_separator": " ;; "' more/config.json
	status 3 quern generate -m prm -p x
	status 3 quern sft-train -m prm more.jsonl -o x
	status 3 quern reward-train -m prm more.jsonl -o x
	status 2 quern score --step-aggregate prod -r json_valid c.jsonl
	status 2 quern score --reward-model prm --step-separator '' c.jsonl
}

@test "steps that cannot be learned from are rejected with their reason" {
	make_model
	{
		echo '{"prompt":"a","completions":["b"],"labels":[true,false]}'
		echo '{"prompt":"a","completions":["b","c"],"labels":[true]}'
		echo '{"prompt":"a","completions":[],"labels":[]}'
		echo '{"prompt":"","completions":["b"],"labels":[true]}'
		echo '{"prompt":"a","completions":["",""],"labels":[true,false]}'
		echo '{"prompt":"a","completions":["b","c"],"labels":[null,null]}'
		echo '{"prompt":"a","completions":["b","c"],"labels":[null,true]}'
		printf '{"prompt":"a","completions":["%s"],"labels":[true]}\n' "$(head -c 200 /dev/zero | tr '\0' b)"
	} >bad.jsonl
	quern reward-train --process -m m bad.jsonl --rejects gone.jsonl -o out 2>err
	cat err
	grep -q '8 rows in, 2 out, 6 rejected (label_count 2, no_loss 2, empty_prompt 1, too_long 1)' err
	echo '{"prompt":"a","completions":["b"],"labels":[2]}' >two.jsonl
	status 3 quern reward-train --process -m m two.jsonl -o x
	echo '{"prompt":"a","completions":["b"],"labels":["+"]}' >plus.jsonl
	status 3 quern reward-train --process -m m plus.jsonl -o x
	says "column 'labels"
	status 3 quern reward-train -m m bad.jsonl -o x
	says 'learns from them'
	prepare
	status 3 quern reward-train --process -m m pairs.jsonl -o x
	status 2 quern reward-train --process --center 1 -m m bad.jsonl -o x
	status 2 quern reward-train --last-step-only -m m pairs.jsonl -o x
	status 2 quern reward-train --process --step-separator '' -m m bad.jsonl -o x
	status 2 quern reward-train --process --step-separator 'a separator of more than thirty-one bytes' -m m bad.jsonl -o x
}

@test "adapters: the head is saved whole, score and merge take them, they train further" {
	prepare
	local task rows
	for task in "" --process; do
		rows=pairs.jsonl
		[ -z "$task" ] || rows=$DATA/rewards/steps.jsonl
		rm -rf ad whole more
		quern reward-train -q $task -m m $rows --lora-rank 4 --epochs 4 --batch-pairs 8 --lr 1e-2 -o ad
		grep -q "\"task_type\": \"$([ -z "$task" ] && echo SEQ_CLS || echo TOKEN_CLS)\"" ad/adapter_config.json
		grep -A1 modules_to_save ad/adapter_config.json | grep -q '"score"'
		grep -aq '"base_model.model.score.weight"' ad/adapter_model.safetensors
		awk -v a="$(value loss 1 ad)" -v b="$(sed -n '$p' ad/trainer/metrics.jsonl | grep -o '"loss":[^,]*' | cut -d: -f2)" 'BEGIN { exit !(b < a / 2) }'
		printf '{"id":"1","prompt":[{"role":"user","content":"1+1=?"}],"sample":0,"completion":"2\\nno"}\n' >c.jsonl
		quern merge -q ad -o whole
		! grep -aq lm_head whole/model.safetensors || return 1
		quern score -q --reward-model ad c.jsonl --format jsonl | grep -o '"reward_model":[^,}]*' | cut -d: -f2 >a
		quern score -q --reward-model whole c.jsonl --format jsonl | grep -o '"reward_model":[^,}]*' | cut -d: -f2 >b
		[ "$(grep -c . a)" = 1 ]
		same $(cat a b)
		quern reward-train -q $task -m ad $rows -o more
		[ -e more/adapter_model.safetensors ]
		awk -v a="$(value loss 1 ad)" -v b="$(value loss 1 more)" 'BEGIN { exit !(b < a / 2) }'
		status 3 quern generate -m ad -p x
	done
	status 2 quern reward-train -m ad pairs.jsonl --lora-rank 2 -o x
	# an adapter keeps the separator, for score, merge and further training
	quern reward-train -q --process -m m "$DATA/rewards/steps.jsonl" --step-separator ' ;; ' --lora-rank 4 -o sep
	grep -q '"step_separator": " ;; "' sep/process_reward.json
	printf '{"id":"1","prompt":[{"role":"user","content":"1+1=?"}],"sample":0,"completion":"2 ;; no"}\n' >c.jsonl
	quern score -q --reward-model sep c.jsonl --format jsonl | grep -o '"step_scores":[^]]*' >a
	[ "$(tr -cd , <a)" = , ]
	quern merge -q sep -o sepwhole
	grep -q '"step_separator": " ;; "' sepwhole/config.json
	quern score -q --reward-model sepwhole c.jsonl --format jsonl | grep -o '"step_scores":[^]]*' >b
	same $(paste <(sed 's/.*\[//' a | tr ',' '\n') <(sed 's/.*\[//' b | tr ',' '\n'))
	quern reward-train -q --process -m sep "$DATA/rewards/steps.jsonl" -o sepmore
	grep -q '"step_separator": " ;; "' sepmore/process_reward.json
	echo '{"step_separator":"a separator of more than thirty-two bytes"}' >sep/process_reward.json
	status 3 quern score --reward-model sep c.jsonl
	says "process_reward.json: 'step_separator' has more than"
	echo '[' >sep/process_reward.json
	status 3 quern score --reward-model sep c.jsonl
}

@test "a completion of a megabyte is too long for any model" {
	prepare
	quern reward-train -q --process -m m "$DATA/rewards/steps.jsonl" -o prm
	quern reward-train $ARGS -o rm
	printf '{"id":"a","prompt":"q","sample":0,"completion":"%s"}\n' "$(head -c 500000 /dev/zero | sed 's/\x00/x\\n/g')" >big.jsonl
	local how
	for how in '--reward-model prm' '--reward-model rm' '-r logprob --logprob m' '-r logprob_mean --logprob m'; do
		quern score $how big.jsonl 2>err >/dev/null
		grep -q 'too_long 1' err
	done
}

@test "weights that are no numbers end training and scoring in words" {
	prepare
	quern reward-train $ARGS -o rm
	quern reward-train -q --process -m m "$DATA/rewards/steps.jsonl" -o prm
	local d
	for d in m rm prm; do
		cp -r $d nan-$d
		head -c -16 $d/model.safetensors >nan-$d/model.safetensors
		head -c 16 /dev/zero | tr '\0' '\377' >>nan-$d/model.safetensors
	done
	printf '{"id":"1","prompt":"1+1=","sample":0,"completion":"2"}\n' >c.jsonl
	status 3 quern score --reward-model nan-rm c.jsonl
	says 'no numbers'
	status 3 quern score --reward-model nan-prm c.jsonl
	says 'no numbers'
	status 3 quern score -r logprob --logprob nan-m c.jsonl
	says 'no numbers'
	status 3 quern reward-train -m nan-rm pairs.jsonl -o x
	says 'not finite'
	status 3 quern reward-train --process -m nan-prm "$DATA/rewards/steps.jsonl" -o y
	says 'not finite'
	status 3 quern dpo-train -m nan-m pairs.jsonl -o z
	says 'no'
}
