load helper

# A tiny model of transformers, and sequences of its tokens 3..96.
prepare() {
	M=$DATA/model/tiny
	awk 'BEGIN {
		srand(1)
		for (i = 0; i < 60; i++) {
			printf "{\"id\":\"%d\",\"input_ids\":[", i
			n = 8 + i % 30
			for (k = 0; k < n; k++) printf "%s%d", k ? "," : "", 3 + int(94 * rand())
			print "]}"
		}
	}' >tokens.jsonl
	ARGS="-q -m $M tokens.jsonl --steps 12 --batch-tokens 200 --micro-tokens 64 --save-every 2"
}

@test "the loss falls, and the directory is a model" {
	quern sft-train -m "$M" tokens.jsonl -o out --epochs 20 --batch-tokens 400 --lr 5e-3 --log log.jsonl --stats stats.json
	[ "$(ls out | tr '\n' ' ')" = "config.json generation_config.json model.safetensors provenance.json trainer " ]
	[ "$(ls out/trainer | tr '\n' ' ')" = "checkpoint.safetensors done metrics.jsonl " ]
	awk -F'"loss":' '{ split($2, v, ","); l[NR] = v[1] } END { exit !(l[NR] < l[1] - 0.5) }' out/trainer/metrics.jsonl
	grep -q '"tokens_per_second"' log.jsonl
	! grep -q 'second' out/trainer/metrics.jsonl || return 1
	[ "$(wc -l <log.jsonl)" -eq "$(wc -l <out/trainer/metrics.jsonl)" ]
	grep -q '"arena_bytes": [1-9]' stats.json
	quern sft-train -q -m out tokens.jsonl -o again --steps 1
	grep -q '"stage":0' again/provenance.json
}

@test "threads do not change a bit" {
	quern sft-train $ARGS -j1 -o a
	quern sft-train $ARGS -j2 -o b
	diff -r a b
}

@test "killed at any moment and started again, it ends in the same bytes" {
	local p i kills=0
	ARGS="-q -m $M tokens.jsonl --steps 150 --batch-tokens 400 --save-every 5"
	quern sft-train $ARGS -o whole
	for ((i = 0; i < 80; i++)); do
		[ ! -e killed/trainer/done ] || break
		"$BIN/sft-train" $ARGS -o killed & p=$!
		sleep "0.0$((RANDOM % 80 + 10))"
		kill -KILL $p 2>/dev/null && kills=$((kills + 1))
		wait $p || true
	done
	[ "$kills" -gt 0 ]
	quern sft-train $ARGS -o killed
	diff -r whole killed
}

@test "SIGTERM leaves a checkpoint, and the same command goes on" {
	ARGS="-q -m $M tokens.jsonl --steps 2000 --batch-tokens 400 --save-every 100000"
	"$BIN/sft-train" $ARGS -o out & local p=$! got=0
	while [ ! -s out/trainer/metrics.jsonl ]; do sleep 0.01; done
	kill -TERM $p
	wait $p || got=$?
	[ "$got" -eq 143 ]
	[ -s out/trainer/checkpoint.safetensors ] && [ ! -e out/model.safetensors ]
	# the metrics beyond the checkpoint are cut off again
	local lines=$(wc -l <out/trainer/metrics.jsonl)
	echo '{"step":999999}' >>out/trainer/metrics.jsonl
	"$BIN/sft-train" $ARGS -o out & p=$!
	while [ "$(wc -l <out/trainer/metrics.jsonl)" -le $((lines + 1)) ]; do sleep 0.01; done
	kill -TERM $p
	wait $p || true
	! grep -q 999999 out/trainer/metrics.jsonl || return 1
	awk -F'[:,]' '$2 != NR { exit 1 }' out/trainer/metrics.jsonl
}

@test "a run that is done does nothing, another in its place is refused" {
	quern sft-train $ARGS -o out
	sha256sum <out/model.safetensors >before
	status 0 "$BIN/sft-train" ${ARGS#-q} -o out
	says 'already trained'
	sha256sum <out/model.safetensors | cmp - before
	status 2 quern sft-train $ARGS --seed 9 -o out
	says 'another run'
	sha256sum <out/model.safetensors | cmp - before
	quern sft-train $ARGS --seed 9 --restart -o out
	! sha256sum <out/model.safetensors | cmp -s - before || return 1
	quern sft-train $ARGS --restart -o out
	sha256sum <out/model.safetensors | cmp - before
	cp -r "$M" model
	status 2 quern sft-train $ARGS -o model
	says 'model directory already'
	status 2 quern sft-train ${ARGS/$M/model} --restart -o ./model
	says 'to start from'
	cmp model/model.safetensors "$M/model.safetensors"
}

@test "packed rows train as their sequences do" {
	printf '{"id":"a","input_ids":[5,6,7]}\n{"id":"b","input_ids":[8,9,10],"loss_mask":[0,1,1]}\n' >single.jsonl
	quern pack -q -L 8 single.jsonl -o packed.arrows
	[ "$(quern view --count packed.arrows)" -eq 1 ]
	quern sft-train -q -m "$M" packed.arrows -o p --steps 3
	quern sft-train -q -m "$M" single.jsonl -o s --steps 3 --no-shuffle
	cmp p/model.safetensors s/model.safetensors
}

@test "held-out loss is measured" {
	quern sft-train $ARGS --eval tokens.jsonl --eval-every 5 -o out
	[ "$(grep -c eval_loss out/trainer/metrics.jsonl)" -eq 3 ]
	head -5 tokens.jsonl | sed 's/"input_ids"/"other"/' >bad.jsonl
	status 3 quern sft-train $ARGS --eval bad.jsonl -o two
}

@test "rows that cannot be used are rejected with their reason" {
	{ head -3 tokens.jsonl; awk 'BEGIN { printf "{\"id\":\"long\",\"input_ids\":[5"; for (i = 0; i < 70; i++) printf ",6"; print "]}" }'
	printf '{"id":"one","input_ids":[5]}\n{"id":"none","input_ids":[]}\n'; } >rows.jsonl
	quern sft-train -q -m "$M" rows.jsonl -o out --steps 1 --rejects rejects.jsonl --format jsonl --stats stats.json
	[ "$(sed 's/.*"reason":"\([^"]*\)".*/\1/' rejects.jsonl | tr '\n' ' ')" = "too_long no_loss no_loss " ]
	grep -q '"too_long": 1' stats.json
}

@test "hostile input ends in words" {
	quern mix tokens.jsonl --format arrow -o good.arrows
	cp good.arrows half.arrows && truncate -s "$(($(stat -c %s good.arrows) / 2))" half.arrows
	status 3 quern sft-train -q -m "$M" half.arrows -o o
	printf '{"id":"a","input_ids":[5,97]}\n' >vocab.jsonl
	status 3 quern sft-train -q -m "$M" vocab.jsonl -o o
	says 'vocabulary of 97'
	printf '{"id":"a","input_ids":[5,6],"loss_mask":[1]}\n' >odd.jsonl
	status 3 quern sft-train -q -m "$M" odd.jsonl -o o
	printf '{"id":"a","text":"x"}\n' >kind.jsonl
	status 2 quern sft-train -q -m "$M" kind.jsonl -o o
	says "takes a tokenizer"
	status 3 quern sft-train -q -m "$M" -o o </dev/null
	printf '\xff\xfe' >bytes
	status 3 quern sft-train -q -m "$M" bytes -o o
	status 1 quern sft-train -q -m "$M" no-such-file -o o
	status 2 quern sft-train -q -m "$M" tokens.jsonl
	status 2 quern sft-train -q tokens.jsonl -o o
	status 1 quern sft-train -q -m "$T/nowhere" tokens.jsonl -o o
	status 1 quern sft-train -q -m "$M" tokens.jsonl -o /dev/full/o
	[ ! -e o/model.safetensors ]
	cp -r "$M" cut && truncate -s 50000 cut/model.safetensors
	status 3 quern sft-train -q -m cut tokens.jsonl -o o
	says 'cut/model.safetensors'
	quern sft-train $ARGS -o done && rm done/trainer/done && truncate -s 1000 done/trainer/checkpoint.safetensors
	status 3 quern sft-train $ARGS -o done
	says 'restart'
	status 3 quern sft-train -q -m "$M" tokens.jsonl --lr 10 --clip 0 --weight-decay 10 --schedule constant --warmup 0 --steps 400 -o wild
	says 'not finite'
}
