load helper

# Training of adapters, and their use: a tiny model with a tokenizer, forty lines of text.
prepare() {
	quern init-model -q --preset tiny -t "$DATA/generate/tokenizer" --hidden 64 --layers 2 --heads 4 --kv-heads 2 --ffn 64 --positions 128 \
		--init-range 0.2 --seed 1 -o m
	for i in $(seq 40); do
		printf '{"id":"%d","text":"the mill grinds %d sacks of corn and %d of rye"}\n' "$i" $((i % 7)) $((i % 5))
	done >docs.jsonl
	ARGS="-q -m m docs.jsonl -L 64 --batch-tokens 256 --lora-rank 4 --lr 5e-3"
}

# loss DIR LINE
loss() { sed -n "$2p" "$1/trainer/metrics.jsonl" | grep -o '"loss":[0-9.]*' | cut -d: -f2; }

# near X Y SHARE: two numbers at the ends of two texts differ by at most this share.
near() {
	awk -v x="${1##* }" -v y="${2##* }" -v share="$3" 'BEGIN { d = x - y; exit !(x > 0 && y > 0 && d < share * y && -d < share * y) }' ||
		{ echo "$1 is not near $2"; return 1; }
}

perplexity() { quern eval -q --task perplexity --report json "$@" docs.jsonl | grep -o '"byte_perplexity,none": [0-9.]*'; }

@test "an adapter is trained, and the directory is PEFT's" {
	quern sft-train $ARGS --epochs 10 -o a
	[ "$(ls a | tr '\n' ' ')" = "adapter_config.json adapter_model.safetensors provenance.json tokenizer.json tokenizer_config.json trainer " ]
	awk -v first="$(loss a 2)" -v last="$(tail -1 a/trainer/metrics.jsonl | grep -o '"loss":[0-9.]*' | cut -d: -f2)" \
		'BEGIN { exit !(last < first - 0.3) }'
	for want in '"peft_type": "LORA"' '"r": 4' '"lora_alpha": 8' '"base_model_name_or_path": "m"' '"task_type": "CAUSAL_LM"' '"q_proj"' \
		'"down_proj"'; do
		grep -qF "$want" a/adapter_config.json || { echo "no $want"; return 1; }
	done
	grep -aq '"base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight":{"dtype":"F32","shape":\[4,' a/adapter_model.safetensors
	! grep -aq norm a/adapter_model.safetensors || return 1
	quern view --provenance a | grep -q -- '--lora-rank=4'
}

@test "threads and micro-batches do not change a bit, with dropout neither" {
	quern sft-train $ARGS --epochs 2 --lora-dropout 0.2 -j1 -o a
	quern sft-train $ARGS --epochs 2 --lora-dropout 0.2 -j2 -o b
	diff -r a b
	quern sft-train $ARGS --epochs 2 -o c
	! cmp -s a/adapter_model.safetensors c/adapter_model.safetensors || return 1
	# Sums over a step are added in other pieces: the loss of the first steps is the same to six digits.
	quern sft-train $ARGS --epochs 2 --lora-dropout 0.2 --micro-tokens 64 -o d
	for line in 1 2 3; do
		awk -v x="$(loss a $line)" -v y="$(loss d $line)" 'BEGIN { exit !(x - y < 1e-5 && y - x < 1e-5) }'
	done
}

@test "killed and started again, it ends in the same bytes" {
	survives_kills 2 sft-train $ARGS --steps 12 --save-every 3 --lora-dropout 0.1
}

@test "merged, by name and by --adapter it is the same model" {
	quern sft-train $ARGS --epochs 4 -o a
	quern merge -q a -o merged
	[ "$(perplexity -m merged)" = "$(perplexity -m a)" ]
	[ "$(perplexity -m m --adapter a)" = "$(perplexity -m a)" ]
	[ "$(perplexity -m m)" != "$(perplexity -m a)" ]
	cmp <(quern generate -q -m merged --greedy --max-new-tokens 8 --format jsonl docs.jsonl) \
		<(quern generate -q -m a --greedy --max-new-tokens 8 --format jsonl docs.jsonl)
	# Held in other forms it is nearly the same.
	for form in bf16 int8; do
		near "$(perplexity -m a)" "$(perplexity -m a --load $form)" 0.02
	done
	status 2 quern generate -m a --adapter m docs.jsonl
	says 'no adapter'
	status 2 quern generate -m a --adapter a docs.jsonl
	says "a, the base of a, is an adapter itself"
}

@test "the frozen weights in other forms: less memory, nearly the same losses" {
	local form
	for form in f32 bf16 int8 nf4; do
		quern sft-train $ARGS --steps 8 --load $form -o $form
	done
	near "$(loss f32 8)" "$(loss bf16 8)" 0.01
	near "$(loss f32 8)" "$(loss int8 8)" 0.02
	cmp f32/adapter_config.json nf4/adapter_config.json
	# Four bits are another model: that which merge writes.
	quern merge -q m --quantize nf4 -o m4
	quern sft-train ${ARGS/-m m/-m m4} --steps 8 -o n
	near "$(loss n 8)" "$(loss nf4 8)" 0.01
	near "$(perplexity -m m4)" "$(perplexity -m m --load nf4)" 0.01
	quern sft-train ${ARGS/-m m/-m m4} --steps 8 --load nf4 -o n4
	near "$(loss n 8)" "$(loss n4 8)" 0.01
}

@test "which layers, at which scale" {
	quern sft-train $ARGS --steps 2 --lora-targets q_proj,v_proj --lora-alpha 6 --lora-rslora -o a
	grep -qF '"use_rslora": true' a/adapter_config.json
	! grep -aq k_proj a/adapter_model.safetensors || return 1
	quern sft-train $ARGS --steps 2 --lora-targets '.*\.1\.mlp\..*' -o b
	grep -qF '"target_modules": ".*\\.1\\.mlp\\..*"' b/adapter_config.json
	! grep -aq layers.0 b/adapter_model.safetensors || return 1
	quern merge -q b -o merged
	status 2 quern sft-train $ARGS --lora-targets nothing -o c
	says "'nothing' fits no layer of the model; they are named as 'model.layers.0.self_attn.o_proj'"
	status 2 quern sft-train $ARGS --lora-targets q_proj,vproj -o c
	says "'vproj' fits no layer"
	status 2 quern sft-train $ARGS --lora-targets '.*nothing' -o c
	says 'no layer of the model fits'
	status 2 quern sft-train $ARGS --lora-targets '(' -o c
	status 2 quern sft-train -m m docs.jsonl --lora-alpha 3 -o c
	says 'need --lora-rank'
	status 2 quern sft-train -m m docs.jsonl --load nf4 -o c
	status 2 quern sft-train -m a docs.jsonl --lora-rank 2 -o c
	says 'is an adapter, which is trained further'
	quern sft-train $ARGS --steps 2 --lora-targets q_proj,v_proj:2 -o d
	grep -aq '"base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight":{"dtype":"F32","shape":\[4,' d/adapter_model.safetensors
	grep -aq '"base_model.model.model.layers.1.self_attn.v_proj.lora_A.weight":{"dtype":"F32","shape":\[2,' d/adapter_model.safetensors
	quern merge -q d -o merged-d
	status 2 quern sft-train $ARGS --lora-targets q_proj:0 -o c
}

@test "an adapter is trained further" {
	quern sft-train $ARGS --steps 10 -o a
	cp docs.jsonl held.jsonl
	quern sft-train -q -m a docs.jsonl -L 64 --batch-tokens 256 --lr 5e-3 --steps 10 --warmup 0 --eval held.jsonl --eval-every 10 -o b
	diff a/adapter_config.json b/adapter_config.json
	awk -v a="$(loss a 10)" -v first="$(loss b 1)" -v last="$(loss b 10)" 'BEGIN { exit !(first < a + 0.5 && last < first) }'
	quern merge -q b -o merged
	[ "$(perplexity -m merged)" = "$(perplexity -m b)" ]
	quern sft-train -q -m a docs.jsonl -L 64 --steps 2 --load bf16 -o c
}

@test "DPO: the reference is the model with the adapter off" {
	for i in $(seq 16); do
		printf '{"id":"%d","prompt":[{"role":"user","content":"%d+1=?"}],"chosen":[{"role":"assistant","content":"%d"}],"rejected":[{"role":"assistant","content":"no %d"}]}\n' \
			"$i" "$i" $((i + 1)) "$i"
	done >pairs.jsonl
	quern dpo-train -q -m m pairs.jsonl --epochs 6 --batch-pairs 8 --lr 5e-3 --lora-rank 4 -o a
	sed -n 1p a/trainer/metrics.jsonl | grep -qF '"loss":0.6931472'
	[ -e a/adapter_model.safetensors ] && [ ! -e a/model.safetensors ]
	awk -v last="$(tail -1 a/trainer/metrics.jsonl | grep -o '"loss":[0-9.]*' | cut -d: -f2)" 'BEGIN { exit !(last < 0.5) }'
	quern score -q --ref m pairs.jsonl -o ref.arrows
	quern dpo-train -q -m m ref.arrows --epochs 6 --batch-pairs 8 --lr 5e-3 --lora-rank 4 -o b
	cmp a/adapter_model.safetensors b/adapter_model.safetensors
}

@test "a tokenizer that has grown gets embeddings, which are trained and saved beside the adapters" {
	cp -r m grown
	# One more special token than the model has rows for.
	local n
	n=$(grep -o '"vocab_size": [0-9]*' m/config.json | grep -o '[0-9]*')
	sed -i "s/\"added_tokens\": *\[/\"added_tokens\":[{\"id\":$n,\"content\":\"<|new|>\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,\"special\":true},/" grown/tokenizer.json
	status 3 quern eval -m grown --task perplexity docs.jsonl
	says 'the tokenizer has'
	quern sft-train -q -m m -t grown docs.jsonl -L 64 --steps 2 -o full
	grep -qF "\"vocab_size\": $((n + 1))" full/config.json
	quern eval -q -m full --task perplexity docs.jsonl -o report
	quern sft-train -q -m m -t grown docs.jsonl -L 64 --steps 2 --lora-rank 2 -o a
	grep -qF '"embed_tokens"' a/adapter_config.json
	quern merge -q a -o merged
	grep -qF "\"vocab_size\": $((n + 1))" merged/config.json
	[ "$(perplexity -m merged)" = "$(perplexity -m a)" ]
	quern init-model -q --preset tiny --family gpt2 --layers 1 --hidden 32 --heads 2 -t m -o gpt2
	quern sft-train -q -m gpt2 -t grown docs.jsonl -L 64 --steps 2 --lora-rank 2 -o g
	quern merge -q g -o merged-g
	[ "$(perplexity -m merged-g)" = "$(perplexity -m g)" ]
}

@test "a directory is a model or an adapter, and a run in its place is refused or takes it" {
	quern sft-train $ARGS --steps 2 -o a
	status 2 quern sft-train ${ARGS/--lora-rank 4/} --steps 2 -o a
	says 'another run'
	quern sft-train ${ARGS/--lora-rank 4/} --steps 2 --restart -o a
	[ -e a/model.safetensors ] && [ ! -e a/adapter_model.safetensors ] && [ ! -e a/adapter_config.json ]
	quern sft-train $ARGS --steps 2 --restart -o a
	[ -e a/adapter_model.safetensors ] && [ ! -e a/model.safetensors ]
	quern eval -q -m a --task perplexity docs.jsonl -o report
	rm -r a/trainer
	status 2 quern sft-train $ARGS --steps 2 -o a
	cp -r m base && quern sft-train ${ARGS/-m m/-m base} --steps 2 -o b
	status 2 quern sft-train -q -m b docs.jsonl --steps 1 --restart -o base
	says 'is the base of the adapter'
	cmp m/model.safetensors base/model.safetensors
}
