load helper
source "${BATS_TEST_DIRNAME:-.}/data/generate/model.bash"

prepare() {
	make_model
	local i
	for i in $(seq 24); do
		printf '{"id":"%d","prompt":[{"role":"user","content":"%d+1=?"}],"chosen":[{"role":"assistant","content":"%d"}],"rejected":[{"role":"assistant","content":"no %d"}]}\n' \
			"$i" "$i" $((i + 1)) "$i"
	done >pairs.jsonl
	ARGS="-q -m m pairs.jsonl --epochs 3 --batch-pairs 8 --lr 1e-3"
}

# value KEY LINE: a number of metrics.jsonl
value() {
	sed -n "$2p" out/trainer/metrics.jsonl | grep -o "\"$1\":[-0-9.e]*" | cut -d: -f2
}

@test "the first step knows no reward, the last prefers the chosen" {
	quern dpo-train $ARGS -o out
	[ "$(wc -l <out/trainer/metrics.jsonl)" -eq 9 ]
	[ "$(value loss 1)" = 0.6931472 ]
	[ "$(value rewards/margins 1)" = 0.0 ]
	[ "$(value rewards/accuracies 1)" = 0.0 ]
	awk -v l="$(value loss 9)" -v m="$(value rewards/margins 9)" 'BEGIN { exit !(l < 0.5 && m > 0.4) }'
	[ "$(value rewards/accuracies 9)" = 1.0 ]
	cmp out/tokenizer.json m/tokenizer.json
	grep -q '"tool":"init-model".*"tool":"dpo-train"' out/provenance.json
}

@test "threads do not change a bit, nor where the reference comes from" {
	quern dpo-train $ARGS -j1 -o a
	quern dpo-train $ARGS -j2 -o b
	diff -r a b
	quern score -q --ref m pairs.jsonl -o ref.arrows
	quern dpo-train ${ARGS/pairs.jsonl/ref.arrows} -o c
	cmp a/model.safetensors c/model.safetensors
	quern dpo-train $ARGS --ref m -o d
	cmp a/model.safetensors d/model.safetensors
	quern dpo-train $ARGS --ref a -o e
	! cmp -s a/model.safetensors e/model.safetensors || return 1
}

@test "killed at each moment and started again, it ends in the same bytes" {
	survives_kills 3 dpo-train -q -m m pairs.jsonl --epochs 4 --batch-pairs 8 --lr 1e-3 --save-every 4
}

@test "the options that every trainer has" {
	quern init-model -q --preset tiny -t m --hidden 768 --layers 4 --heads 4 --ffn 2048 -o big
	quern dpo-train -m big pairs.jsonl --plan --stats plan.json >plan
	grep -q 'in all' plan
	[ "$(sed -n 's/.*"peak_bytes": \([0-9]*\).*/\1/p' plan.json)" -lt "$(wc -c <big/model.safetensors)" ]     # it reads no weights
	quern dpo-train $ARGS --optimizer lion --eval pairs.jsonl --eval-every 2 --patience 2 --keep 2 --tensorboard board \
		--skip-batches 2 --freeze '*embed*' --schedule warmup_stable_decay -o out
	grep -q '"skipped":true' out/trainer/metrics.jsonl
	[ -s out/best/model.safetensors ]
	grep -aq 'rewards/margins' board/events.out.tfevents.*
	status 2 quern dpo-train -q pairs.jsonl -o o
	status 2 quern dpo-train -q -m m pairs.jsonl
}

@test "token ids train as the messages that they encode" {
	printf '{"id":"a","prompt_ids":[5,6],"chosen_ids":[7,2],"rejected_ids":[8,9,2]}\n' >ids.jsonl
	quern dpo-train -q -m m ids.jsonl -o out --steps 2
	[ "$(value tokens 1)" = 7 ]
}

@test "losses and weights do what they say" {
	for loss in sigmoid ipo hinge; do
		quern dpo-train $ARGS --loss $loss -o $loss
	done
	head -1 ipo/trainer/metrics.jsonl | grep -q '"loss":25.0'
	head -1 hinge/trainer/metrics.jsonl | grep -q '"loss":1.0'
	quern dpo-train $ARGS --loss sigmoid,sft=0.5 -o out
	awk -v l="$(value loss 1)" -v n="$(value nll_loss 1)" 'BEGIN { d = l - 0.6931472 - 0.5 * n; exit !(d < 1e-5 && d > -1e-5) }'
	quern dpo-train $ARGS --label-smoothing 0.1 -o smooth
	! cmp -s smooth/model.safetensors sigmoid/model.safetensors || return 1
	status 2 quern dpo-train $ARGS --label-smoothing 0.1 --loss ipo -o x
	quern dpo-train $ARGS --eval pairs.jsonl -o held
	grep -q '"eval_rewards/accuracies":' held/trainer/metrics.jsonl
}

@test "pairs that cannot be used are rejected with their reason" {
	{ head -2 pairs.jsonl
	printf '{"id":"long","prompt":[{"role":"user","content":"%0200d"}],"chosen":[{"role":"assistant","content":"1"}],"rejected":[{"role":"assistant","content":"2"}]}\n' 1
	printf '{"id":"none","prompt":[{"role":"user","content":"1"}],"chosen":[],"rejected":[{"role":"assistant","content":"2"}]}\n'; } >rows.jsonl
	quern dpo-train -q -m m rows.jsonl -o out --steps 1 --rejects rejects.jsonl --format jsonl
	[ "$(sed 's/.*"reason":"\([^"]*\)".*/\1/' rejects.jsonl | tr '\n' ' ')" = "too_long no_loss " ]
}

@test "hostile input ends in words" {
	quern mix pairs.jsonl --format arrow -o good.arrows
	truncate -s "$(($(stat -c %s good.arrows) / 2))" good.arrows
	status 3 quern dpo-train -q -m m good.arrows -o o
	printf '{"id":"a","prompt_ids":[5,6],"chosen_ids":[7,99999],"rejected_ids":[8]}\n' >bad.jsonl
	status 3 quern dpo-train -q -m m bad.jsonl -o o
	says 'vocabulary'
	# nothing before the completion, or nothing in it; all of it too long
	printf '{"id":"a","prompt_ids":[],"chosen_ids":[7],"rejected_ids":[8]}\n{"id":"b","prompt_ids":[7],"chosen_ids":[],"rejected_ids":[8]}\n' >bad.jsonl
	status 3 quern dpo-train -q -m m bad.jsonl -o o
	says 'nothing to train on in 2 rows: rejected are no_loss 2'
	printf '{"id":"a","prompt":[{"role":"user","content":"q"}],"chosen":[{"role":"assistant","content":"%s"}],"rejected":[{"role":"assistant","content":"no"}]}\n' \
		"$(head -c 1000000 /dev/zero | tr '\0' x)" >bad.jsonl
	status 3 quern dpo-train -q -m m bad.jsonl -o o
	says 'too_long 1'
	quern score --ref m bad.jsonl 2>err >/dev/null
	grep -q 'too_long 1' err
	printf '{"id":"a","input_ids":[5,6]}\n' >bad.jsonl
	status 3 quern dpo-train -q -m m bad.jsonl -o o
	says 'prompt_ids'
	sed 's/}$/,"ref_chosen_logp":null,"ref_rejected_logp":-3}/' pairs.jsonl >bad.jsonl
	status 3 quern dpo-train -q -m m bad.jsonl -o o
	says 'ref_chosen_logp'
	printf '{"id":"a","text":"x"}\n' >bad.jsonl
	status 3 quern dpo-train -q -m m bad.jsonl -o o
	status 3 quern dpo-train -q -m m -o o </dev/null
	printf '\xff\xfe{' >bytes
	status 3 quern dpo-train -q -m m bytes -o o
	status 2 quern dpo-train -q pairs.jsonl -o o
	status 2 quern dpo-train -q -m m pairs.jsonl
	status 1 quern dpo-train -q -m m no-such-file -o o
	status 1 quern dpo-train -q -m m pairs.jsonl -o /dev/full/o
	rm m/tokenizer.json
	status 3 quern dpo-train -q -m m pairs.jsonl -o o || status 1 quern dpo-train -q -m m pairs.jsonl -o o
	[ ! -e o/model.safetensors ]
}

@test "every loss learns, and does not care how a step is cut" {
	for loss in sigmoid_norm robust nca_pair bco_pair sppo_hard apo_zero apo_down discopop aot aot_unpaired cpo simpo orpo sft ipo_sum \
		sigmoid=0.8,aot=0.1,sft=0.1; do
		quern dpo-train $ARGS --loss $loss -o a
		quern dpo-train $ARGS --loss $loss --micro-tokens 40 -o b
		for dir in a b; do
			sed -n 9p $dir/trainer/metrics.jsonl | grep -o '"loss":[-0-9.e]*' | cut -d: -f2
			sed -n 1p $dir/trainer/metrics.jsonl | grep -o '"loss":[-0-9.e]*' | cut -d: -f2
		done | tr '\n' ' ' | awk -v what=$loss '{ d = $1 - $3; if (d < 0) d = -d; if (!($1 < $2) || d > 1e-3 * ($1 < 0 ? -$1 : $1) + 1e-4) {
			print what, $0; exit 1 } }'
		rm -rf a b
	done
	quern dpo-train $ARGS --loss exo_pair --label-smoothing 0.1 -o exo
	quern dpo-train $ARGS --f-divergence js -o js
	quern dpo-train $ARGS --ld-alpha 0.5 -o ld
	quern dpo-train $ARGS --reference-free -o free
	head -1 free/trainer/metrics.jsonl | grep -qv '"loss":0.6931'
	status 2 quern dpo-train $ARGS --loss exo_pair -o x
	status 2 quern dpo-train $ARGS --loss best -o x
	says "there is no loss 'best' \(there are sigmoid,"
	status 2 quern dpo-train $ARGS --loss simpo --ref m -o x
	says 'no reference is used'
	status 2 quern dpo-train $ARGS --loss kto --f-divergence js -o x
	# what a loss does not know is refused
	local flags
	for flags in "--gamma 1" "--loss cpo --gamma 1" "--discopop-tau 0.1" "--f-alpha 0.7" "--f-divergence js --f-alpha 0.7" \
		"--f-divergence js --loss nca_pair" "--f-divergence alpha --loss sigmoid,apo_zero" "--loss kto --gamma 1" "--loss bco --discopop-tau 1"; do
		status 2 quern dpo-train $ARGS $flags -o x
		says 'is for --|knows no --f-divergence'
	done
}

@test "feedback: KTO, BCO and APO; a killed BCO run keeps its running mean" {
	sed 's/"chosen":\[{"role":"assistant","content":\("[^"]*"\)}\],"rejected".*/"completion":\1,"label":true}/' pairs.jsonl >yes.jsonl
	sed 's/"id":"/"id":"n/; s/"chosen":.*"rejected":\[{"role":"assistant","content":\("[^"]*"\)}\]}/"completion":\1,"label":false}/' pairs.jsonl >no.jsonl
	paste -d '\n' yes.jsonl no.jsonl >feedback.jsonl
	sed 's/"completion":\("[^"]*"\)/"completion":[{"role":"assistant","content":\1}]/' yes.jsonl >messages.jsonl
	status 3 quern dpo-train -q -m m messages.jsonl --loss kto -o x
	says 'quern import makes records'
	F="-q -m m feedback.jsonl --epochs 3 --batch-pairs 16 --lr 1e-3"
	for loss in kto bco apo_zero_unpaired; do
		quern dpo-train $F --loss $loss -o $loss
		tail -1 $loss/trainer/metrics.jsonl | grep -o '"rewards/margins":[-0-9.e]*' | cut -d: -f2 | awk '{ exit !($1 > 0.02) }'
	done
	head -1 kto/trainer/metrics.jsonl | grep -q '"loss":0.5,.*"kl":0.0'
	tail -1 kto/trainer/metrics.jsonl | grep -q '"kl":'
	tail -1 bco/trainer/metrics.jsonl | grep -q '"delta":'
	quern dpo-train $F --loss kto --micro-tokens 64 -o cut
	awk -F'"loss":' 'NR == FNR { split($2, x, ","); a[FNR] = x[1]; next } { split($2, x, ","); d = x[1] - a[FNR]; if (d > 1e-4 || d < -1e-4) bad++ }
		END { exit bad > 0 }' kto/trainer/metrics.jsonl cut/trainer/metrics.jsonl
	survives_kills 5 dpo-train $F --loss bco --save-every 1
	cmp killed/model.safetensors bco/model.safetensors
	cmp killed/trainer/metrics.jsonl bco/trainer/metrics.jsonl
	status 3 quern dpo-train -m m feedback.jsonl -o x
	says 'this is feedback, no pairs'
	status 3 quern dpo-train -m m pairs.jsonl --loss kto -o x
	quern dpo-train -q -m m --loss kto --lora-rank 2 feedback.jsonl --steps 2 -o lora
}

@test "a margin that stands, and chosen replies that lose probability, are warned of once" {
	sed 's/no \([0-9]*\)/\1/; s/"chosen":\[[^]]*\]/"chosen":[{"role":"assistant","content":"1"}]/; s/"rejected":\[[^]]*\]/"rejected":[{"role":"assistant","content":"1"}]/' pairs.jsonl >same.jsonl
	quern dpo-train -q -m m same.jsonl --steps 80 --batch-pairs 2 -o same 2>err
	[ "$(grep -c 'rewards/margins stands at 0' err)" = 1 ]
	grep -q 'step 40:.*--lr' err
	quern dpo-train -q -m m pairs.jsonl --loss sft --steps 40 --lr 1e-2 --batch-pairs 8 -o fit 2>err
	[ ! -s err ]
	quern dpo-train -q -m fit pairs.jsonl --steps 60 --lr 1e-1 --warmup 60 --beta 5 --batch-pairs 8 -o fell 2>err
	cat err
	[ "$(grep -c 'chosen replies lose probability.*sft=0.2' err)" = 1 ]
	grep -q '"logits/chosen":-\?[0-9.]*,"logits/rejected":-\?[0-9.]*' fell/trainer/metrics.jsonl
}

@test "ten steps are TRL's" {
	local options key steps=$((10 / $(seldom)))        # of the same runs: rows of TRL's that come first
	cut -f1 "$DATA/rewards/dpo.tsv" | uniq >cases
	[ "$(wc -l <cases)" -eq 21 ]
	while read -r options; do
		rm -rf out
		quern dpo-train -q -m m pairs.jsonl $options --steps $steps --batch-pairs 4 --lr 1e-3 --schedule constant --warmup 0 --no-shuffle -o out
		for key in loss rewards/chosen rewards/rejected rewards/margins rewards/accuracies logps/chosen logps/rejected logits/chosen \
			logits/rejected grad_norm; do
			grep -o "\"$key\":[-0-9.e]*" out/trainer/metrics.jsonl | cut -d: -f2 >$(echo $key | tr / -)
		done
		paste loss rewards-chosen rewards-rejected rewards-margins rewards-accuracies logps-chosen logps-rejected logits-chosen logits-rejected \
			grad_norm >ours
		awk -F'\t' -v o="$options" '$1 == o' "$DATA/rewards/dpo.tsv" | cut -f3- | head -n "$steps" >theirs
		[ "$(grep -c . ours)$(grep -c . theirs)" = "$steps$steps" ]
		paste ours theirs | awk 'NF != 20 { exit 1 }
			{ for (i = 1; i <= 10; i++) { d = $i - $(i + 10); if (d * d > 1e-8 * (1 + $i * $i)) { print NR, i, $i, $(i + 10); exit 1 } } }'
	done <cases
}

@test "ten steps of feedback, of losses without a reference and of reward models are TRL's" {
	local command input model
	awk '{ print; sub(/"chosen":.*"rejected"/, "\"rejected\""); print }' pairs.jsonl |
		sed 's/"chosen":\[{"role":"assistant","content":\("[^"]*"\)}\],"rejected".*/"completion":\1,"label":true}/
			s/"rejected":\[{"role":"assistant","content":\("[^"]*"\)}\]}/"completion":\1,"label":false}/' >feedback.jsonl
	awk '{ sub(/}$/, ",\"margin\":0." NR % 4 "}"); print }' pairs.jsonl >margins.jsonl
	quern reward-train -q -m m pairs.jsonl --steps 1 --lr 1e-12 -o rated
	cut -f1,2 "$DATA/rewards/others.tsv" | uniq >cases
	[ "$(wc -l <cases)" -eq 13 ]
	while IFS=$'\t' read -r command input; do
		model=m
		[ "${command%% *}" = dpo-train ] || model=rated
		rm -rf out
		quern $command -q -m $model $input.jsonl --steps 10 --batch-pairs 4 --lr 1e-3 --schedule constant --warmup 0 --no-shuffle -o out
		tr -d '{}"' <out/trainer/metrics.jsonl | awk -F'[:,]' '{ for (i = 1; i < NF; i += 2) print NR "\t" $i "\t" $(i + 1) }' >ours
		awk -F'\t' -v c="$command" 'NR == FNR { ours[$1, $2] = $3; next } $1 != c { next }
			{ x = ours[$3, $4]; d = x - $5; if (x == "" || d * d > 1e-8 * (1 + x * x)) { print c, $3, $4, x, $5; bad = 1; exit } n++ }
			END { exit bad || n < 20 }' ours "$DATA/rewards/others.tsv"
	done <cases
}
