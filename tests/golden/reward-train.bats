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
