load helper

# Where a model computes. QUERN_CUDA is set to nothing (helper.bash): a machine with a GPU gives the same here.
prepare() {
	for i in 1 2 3 4; do printf '{"id":"%d","input_ids":[1,5,9,13,17,21,25]}\n' $i; done >tokens.jsonl
	ARGS="-m $DATA/model/tiny tokens.jsonl --steps 2"
}

@test "without a GPU, auto is the CPU and says nothing of it; a GPU that is asked for is an error" {
	quern sft-train -q $ARGS -o auto 2>err
	[ ! -s err ]
	quern sft-train -q $ARGS --device cpu -o cpu
	diff -r auto cpu
	status 1 quern sft-train $ARGS -o gpu --device cuda:0
	says '^quern sft-train: --device cuda:0: this quern was built without CUDA'
	[ ! -e gpu ]
	QUERN_CUDA=$T/none.so status 1 quern sft-train $ARGS -o gpu --device cuda
	says "^quern sft-train: --device cuda: cannot open $T/none.so"
}

@test "what is no device, and options that exclude each other, are mistakes" {
	for d in gpu cuda: cuda:x cuda:-1 cuda:99999 CPU; do
		status 2 quern sft-train $ARGS -o out --device $d
		says "--device $d: auto, cpu, cuda or cuda:N"
	done
	status 2 quern sft-train $ARGS -o out --bf16 --float32
	[ ! -e out ]
}

@test "auto tells of an object that cannot be used" {
	echo 'no object' >some.so
	QUERN_CUDA=$T/some.so quern sft-train $ARGS -o out 2>err
	grep -q "on the CPU: cannot open $T/some.so" err
	[ -e out/model.safetensors ]
}

@test "where it computes is no part of a run" {
	quern sft-train -q $ARGS --device cpu -o out
	quern sft-train $ARGS --device auto -o out 2>err
	grep -q 'already trained' err
	! grep -q device out/provenance.json || return 1
}

# numbers NAME FILE: the member's values, one a line
numbers() {
	grep -o "\"$1\":[-0-9.e]*" "$2" | cut -d: -f2
}

# close A B TOLERANCE: files of as many numbers, each within a share of the other's
close() {
	paste "$1" "$2" | awk -v t="$3" 'NF != 2 { exit 1 }
		{ d = $1 - $2; m = $1 < 0 ? -$1 : $1; if (d < 0) d = -d; if (d > t * m) { print; exit 1 } n++ } END { if (!n) exit 1 }'
}

emulated() {
	[ -e "$BIN/../lib/quern-cuda-emulated.so" ] || skip "this build has no emulated device"
	export QUERN_CUDA="$BIN/../lib/quern-cuda-emulated.so"
}

@test "a GPU that fails says which checkpoint stands, and the run goes on on the CPU; and the other way round" {
	emulated
	local many="-m $DATA/model/tiny tokens.jsonl --float32 --steps 6 --batch-tokens 14 --save-every 2"
	quern sft-train -q $many --keep 3 --device cpu -o whole
	QUERN_EMULATE_FAIL=launch:100 status 1 quern sft-train -q $many --device cuda:0 -o over
	says 'step 1: cuda:0: .*launch failure; there is no checkpoint yet'
	QUERN_EMULATE_FAIL=launch:500 status 1 quern sft-train -q $many --device cuda:0 -o over
	says 'step [3-6]: cuda:0: .*launch failure; the checkpoint of step [24] stands'
	quern sft-train -q $many --device cpu -o over
	cp -r whole back
	mv back/trainer/checkpoint-2.safetensors back/trainer/checkpoint.safetensors
	rm back/trainer/done back/model.safetensors
	quern sft-train -q $many --device cuda:0 -o back
	for d in whole over back; do
		numbers loss $d/trainer/metrics.jsonl >loss.$d
		[ "$(wc -l <loss.$d)" = 6 ]
	done
	close loss.whole loss.over 1e-5
	close loss.whole loss.back 1e-5
}

@test "copies beside the computing change no bits, however late or early they come" {
	emulated
	local many="-m $DATA/model/tiny tokens.jsonl --steps 4 --batch-tokens 28 --micro-tokens 7 --device cuda:0 --save-every 1"
	QUERN_EMULATE_SEED=2 quern sft-train -q $many -o late
	QUERN_EMULATE_SEED=3 quern sft-train -q $many -o early
	cmp late/model.safetensors early/model.safetensors
	cmp late/trainer/checkpoint.safetensors early/trainer/checkpoint.safetensors
	cmp late/trainer/metrics.jsonl early/trainer/metrics.jsonl
}

@test "the optimizer's state in the host's memory gives the same bits; a run that does not fit is refused with flags that make it fit" {
	emulated
	local o many="$ARGS --device cuda:0 --float32"
	for o in adamw adamw8; do
		quern sft-train -q $many --optimizer $o -o own
		quern sft-train $many --optimizer $o --offload-optimizer -o apart 2>err
		grep -q "optimizer, in the host's memory" err
		cmp own/model.safetensors apart/model.safetensors
		rm -r own apart
	done
	quern sft-train $ARGS --device cpu --offload-optimizer -o cpu 2>err
	grep -q 'MB  optimizer$' err
	quern sft-train $ARGS --device cuda:0 --plan >plan
	grep -q 'MB  weights as the products take them' plan
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do cat tokens.jsonl; done >more.jsonl
	QUERN_EMULATE_FAIL=memory:540000 status 1 quern sft-train -q ${many/tokens/more} -o none
	says 'no memory for training: beside the weights it takes [0-9.]* MB, and [0-9.]* MB are free; it would fit with --'
	[ ! -e none/model.safetensors ]
}

@test "a GPU's kernels, emulated, train and generate as the CPU does: to rounding in float32, to bfloat16's rounding in that" {
	emulated
	source "$DATA/generate/model.bash"
	make_model
	make_problems 2
	for i in 1 2 3 4; do
		printf '{"id":"%d","prompt":[{"role":"user","content":"%d+1=?"}],"chosen":[{"role":"assistant","content":"%d"}],"rejected":[{"role":"assistant","content":"no %d"}]}\n' \
			$i $i $((i + 1)) $i
	done >pairs.jsonl
	quern sft-train -q $ARGS --device cpu -o cpu
	quern sft-train -q $ARGS --device cuda:0 --float32 -o gpu
	quern sft-train -q $ARGS --device cuda:0 -o half
	for d in cpu gpu half; do numbers loss $d/trainer/metrics.jsonl >loss.$d; done
	close loss.cpu loss.gpu 1e-5
	close loss.cpu loss.half 2e-3
	! cmp -s loss.cpu loss.half
	for d in cpu "cuda:0 --float32"; do
		quern dpo-train -q -m m pairs.jsonl --steps 3 --batch-pairs 4 --lr 1e-3 --device $d -o "dpo.${d%%:*}"
		quern generate -q -m m -n 2 --max-new-tokens 8 --device $d --format jsonl problems.jsonl >"completions.${d%%:*}"
		quern score -q -r logprob --logprob m --device $d --format jsonl "completions.${d%%:*}" >"scores.${d%%:*}"
		numbers loss "dpo.${d%%:*}/trainer/metrics.jsonl" >"dpo-loss.${d%%:*}"
		numbers reward_logprob "scores.${d%%:*}" >"logprob.${d%%:*}"
		numbers logprob "completions.${d%%:*}" | cmp - "logprob.${d%%:*}"
		sed 's/"logprob":[^,]*//' "completions.${d%%:*}" >"texts.${d%%:*}"
	done
	for d in "cuda:0" "cpu --bf16"; do      # what is generated is scored to the bit
		quern generate -q -m m -n 2 --max-new-tokens 8 --device $d --format jsonl problems.jsonl >half.jsonl
		quern score -q -r logprob --logprob m --device $d --format jsonl half.jsonl >half.scores
		numbers reward_logprob half.scores >half.logprob
		numbers logprob half.jsonl | cmp - half.logprob
	done
	close dpo-loss.cpu dpo-loss.cuda 1e-4
	close logprob.cpu logprob.cuda 1e-5
	cmp texts.cpu texts.cuda
}

@test "a GPU, emulated, draws what the CPU draws, whatever the filters, the batch and the pages" {
	[ -e "$BIN/../lib/quern-cuda-emulated.so" ] || skip "this build has no emulated device"
	source "$DATA/generate/model.bash"
	make_model
	make_problems 5
	export QUERN_CUDA="$BIN/../lib/quern-cuda-emulated.so"
	model=m
	for how in "-n 3 --kv-memory 40K --batch 5 --stop a --stop e" \
		"-n 2 --top-p 0.9 --temperature 0.8 --repetition-penalty 1.3 --frequency-penalty 0.5 --logit-bias 40=2" \
		"--load nf4 --top-k 20 --typical-p 0.8 --min-p 0.01 --batch 2"; do
		case "$how" in *nf4*)            # rows of 64
			quern init-model -q --preset tiny -t "$DATA/generate/tokenizer" --hidden 64 --layers 1 --heads 2 --kv-heads 1 \
				--ffn 64 --positions 128 --init-range 0.3 -o m64
			model=m64 ;;
		esac
		for d in cpu cuda:0; do
			quern generate -q -m $model --max-new-tokens 20 --float32 --device $d $how --stats stats.$d --format jsonl problems.jsonl |
				sed 's/"logprob":[^,]*//' >out.$d
		done
		cmp out.cpu out.cuda:0
		case "$how" in *kv-memory*) grep -q '"preemptions"' stats.cuda:0 ;; esac
	done
	QUERN_EMULATE_FAIL=capture quern generate -q -m $model --max-new-tokens 20 --float32 --device cuda:0 $how --format jsonl problems.jsonl |
		sed 's/"logprob":[^,]*//' | cmp - out.cpu
	status 3 quern generate -m m --logit-bias 0=-inf --device cuda:0 --max-new-tokens 2 $(seq -f '--logit-bias %g=-inf' 1 258) problems.jsonl
	says 'the bias leaves no token to say'
}

@test "a GPU, emulated, rates and evaluates as the CPU does, and what it had generated when it failed is kept" {
	emulated
	source "$DATA/generate/model.bash"
	make_model
	make_problems 4
	for i in 1 2; do
		printf '{"id":"%d","prompt":[{"role":"user","content":"%d+1=?"}],"chosen":[{"role":"assistant","content":"%d"}],"rejected":[{"role":"assistant","content":"no %d"}]}\n' \
			$i $i $((i + 1)) $i
	done >pairs.jsonl
	local how d task="--fewshot-data $DATA/tasks/shots.jsonl --num-fewshot 0 --limit 3 $DATA/tasks/docs.jsonl"
	quern reward-train -q -m m pairs.jsonl --steps 2 --lr 1e-3 --device cpu -o rm
	for how in cpu "cuda:0 --float32"; do
		d=${how%%:*}
		quern generate -q -m m -n 2 --max-new-tokens 8 --device $how --format jsonl problems.jsonl >"said.$d"
		quern score -q --reward-model rm --device $how --format jsonl "said.$d" >"rated.$d"
		quern eval -q -m m --task "$DATA/tasks/mc.yaml" --device $how --samples "mc.$d" -o "mc.json.$d" $task
		quern eval -q -m m --task "$DATA/tasks/roll.yaml" --device $how --limit 1 -o "roll.json.$d" "$DATA/tasks/docs.jsonl"
		numbers reward_model "rated.$d" >"reward.$d"
		sed -n 's/.*"word_perplexity,none": *\([0-9.e+]*\).*/\1/p' "roll.json.$d" >"perplexity.$d"
		sed -n 's/.*"acc[a-z_]*,none": *\([0-9.]*\).*/\1/p' "mc.json.$d" >"acc.$d"
	done
	close reward.cpu reward.cuda 1e-4
	close perplexity.cpu perplexity.cuda 1e-4
	[ -s acc.cpu ]
	cmp acc.cpu acc.cuda
	# killed by its device, and again
	how="-m m --max-new-tokens 20 --batch 2 --float32 --device cuda:0 --format jsonl problems.jsonl"
	quern generate -q $how -o whole
	QUERN_EMULATE_FAIL=launch:900 status 1 quern generate $how --resume -o part
	says 'launch failure'
	[ ! -e part ]
	quern generate -q $how --resume --stats stats -o part
	cmp whole part
	grep -q '"resumed_prompts": *[1-9]' stats
}

@test "weights that a GPU, emulated, only uses keep their form in its memory; samples and what score says of them are of one arithmetic" {
	emulated
	source "$DATA/generate/model.bash"
	make_problems 3
	quern init-model -q --preset tiny -t "$DATA/generate/tokenizer" --hidden 256 --layers 2 --heads 4 --kv-heads 2 --ffn 512 --positions 128 \
		--init-range 0.1 --seed 1 -o w
	# 1179648 weights in layers, 272 x 256 in embeddings that are the output matrix, too, and factors: 2498560, 1335296 and 802816 bytes
	local form less enough how="-m w --device cuda:0 --max-new-tokens 6 --format jsonl problems.jsonl"
	for form in bf16:2490000:2510000 int8:1330000:1345000 nf4:800000:810000; do
		IFS=: read -r form less enough <<<"$form"
		QUERN_EMULATE_FAIL=memory:$less status 1 quern generate -q --load $form $how
		says 'no memory for the weights'
		QUERN_EMULATE_FAIL=memory:$enough status 1 quern generate -q --load $form $how
		says 'no memory for .*sequences'
		quern generate -q --load $form -n 2 $how >many
		quern generate -q --load $form -n 2 --batch 1 $how | cmp - many
	done
	quern generate -q -n 2 $how >many
	quern score -q -r logprob --logprob w --device cuda:0 --format jsonl many >scores
	numbers logprob scores >said
	numbers reward_logprob scores >scored
	[ "$(wc -l <said)" = 6 ]
	close said scored 1e-6
}
