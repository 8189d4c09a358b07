load helper

@test "a preset with options gives the files of a Hugging Face model" {
	quern init-model -q --preset tiny --layers 2 --hidden 32 --heads 4 --kv-heads 2 --ffn 48 --positions 64 --vocab-size 97 --no-tied -o m
	[ "$(ls m | tr '\n' ' ')" = "config.json generation_config.json model.safetensors provenance.json " ]
	for want in '"hidden_size": 32' '"num_key_value_heads": 2' '"head_dim": 8' '"intermediate_size": 48' '"vocab_size": 97' \
		'"tie_word_embeddings": false' '"max_position_embeddings": 64' '"num_hidden_layers": 2'; do
		grep -qF "$want" m/config.json
	done
	grep -aq '"lm_head.weight":{"dtype":"F32","shape":\[97,32\]' m/model.safetensors
}

@test "seed and shape decide every bit, threads none" {
	quern init-model -q -j1 --seed 5 --preset tiny --vocab-size 300 -o a
	quern init-model -q -j2 --seed 5 --preset tiny --vocab-size 300 -o b
	quern init-model -q --seed 6 --preset tiny --vocab-size 300 -o c
	diff -r a b
	! cmp -s a/model.safetensors c/model.safetensors || return 1
}

@test "vocabulary, special tokens and files come from the tokenizer" {
	quern init-model -q --preset tiny -t "$DATA/generate/tokenizer" -o m
	cmp m/tokenizer.json "$DATA/generate/tokenizer/tokenizer.json"
	! grep -q '"eos_token_id": null' m/config.json || return 1
	status 2 quern init-model --preset tiny -t "$DATA/generate/tokenizer" --vocab-size 5 -o n
	says 'less than the tokenizer'
}

@test "a config.json gives the shape, options change it" {
	quern init-model -q "$DATA/model/tiny/config.json" -o a
	quern init-model -q "$DATA/model/tiny" --layers 3 -o b
	grep -q '"num_hidden_layers": 2' a/config.json
	grep -q '"num_hidden_layers": 3' b/config.json
	sed 's/"rope_type": "default"/"rope_type": "mrope"/' "$DATA/model/tiny/config.json" >scaled.json
	status 3 quern init-model scaled.json -o c
	says "scaled.json: 'rope_parameters' of type 'mrope' is not supported"
}

@test "mistakes are told" {
	status 2 quern init-model -o m
	status 2 quern init-model --preset tiny
	status 2 quern init-model --preset tiny -o m
	says 'vocab-size'
	status 2 quern init-model --preset tiny --vocab-size 9 --hidden 30 --heads 4 -o m
	says 'cannot be shared by 4 heads'
	status 2 quern init-model --preset tiny --vocab-size 9 --heads 6 --kv-heads 4 -o m
	status 2 quern init-model --preset huge --vocab-size 9 -o m
	status 3 quern init-model /dev/null -o m
	printf '{"hidden_size":\xff' >bad.json
	status 3 quern init-model bad.json -o m
	status 1 quern init-model --preset tiny --vocab-size 9 -o /dev/full/m
	[ ! -e m/model.safetensors ]
}

@test "each family has presets; they are trained, and write what they read" {
	echo '{"id":"a","text":"A pipe is a pipe is a pipe"}' >docs.jsonl
	quern tokenize-bpe -q -t "$DATA/generate/tokenizer" docs.jsonl -o tokens.arrows
	quern pack -q -L 16 tokens.arrows -o packed.arrows
	for family in llama mistral qwen2 qwen3 phi3 gemma2 gemma3 gpt2; do
		quern init-model -q --preset tiny --family $family --layers 2 --hidden 32 --heads 2 --positions 64 --ffn 40 \
			-t "$DATA/generate/tokenizer" -o $family
		quern sft-train -q -m $family packed.arrows --epochs 2 -o $family-1
		cmp $family/config.json $family-1/config.json
		! cmp -s $family/model.safetensors $family-1/model.safetensors || return 1
		quern generate -q -m $family-1 --greedy --max-new-tokens 5 --format jsonl docs.jsonl >$family.out
		[ "$(wc -l <$family.out)" -eq 1 ]
	done
	grep -q '"architectures": \[' gpt2/config.json
	grep -q 'GPT2LMHeadModel' gpt2/config.json
	grep -aq '"transformer.h.1.attn.c_attn.weight":{"dtype":"F32","shape":\[32,96\]' gpt2/model.safetensors
	grep -aq '"model.layers.1.self_attn.qkv_proj.weight":{"dtype":"F32","shape":\[96,32\]' phi3/model.safetensors
	grep -q '"sliding_attention"' gemma3/config.json
}

@test "what a family's config.json cannot say is refused" {
	status 2 quern init-model --preset tiny --family gpt2 --kv-heads 3 --vocab-size 300 -o m
	says "key-value heads"
	status 2 quern init-model --preset tiny --family gpt2 --rope-theta 5 --vocab-size 300 -o m
	says "no rotary positions"
	status 2 quern init-model --family gpt2 "$DATA/model/tiny" -o m
	says "a config.json has its own"
	status 2 quern init-model --preset tiny --family bloom --vocab-size 300 -o m
}

@test "a directory does not go to stdout" {
	status 2 quern init-model --preset tiny --vocab-size 300 -o -
	says 'cannot go to stdout'
	[ ! -e ./- ]
}

@test "a member of config.json of the wrong type is refused, not put aside" {
	for member in '"attention_bias": 1' '"tie_word_embeddings": "false"' '"hidden_act": 3' '"rope_scaling": {"rope_type": 5, "factor": 2.0}'; do
		{ echo '{' "$member", '"model_type": "llama", "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,'
		echo '"intermediate_size": 32, "vocab_size": 97}'; } >wrong.json
		status 3 quern init-model -q wrong.json -o m
		says "$(cut -d'"' -f2 <<<"${member#*{}")"
	done
}

@test "an output matrix beside tied embeddings is not put aside" {
	quern init-model -q --preset tiny --layers 1 --vocab-size 259 --no-tied -t "$DATA/generate/tokenizer" -o m
	sed -i 's/"tie_word_embeddings": false/"tie_word_embeddings": true/' m/config.json
	status 3 quern sft-train -m m --steps 1 -o out <<<'{"id": "1", "text": "a line of text"}'
	says "'lm_head.weight' is another than the embeddings"
}

@test "members of config.json that nobody here computes with are kept" {
	sed 's/"mlp_bias": false,/"mlp_bias": false, "mine": {"a": [1, 2.5]}, "eos_token_id": [2, 5],/' "$DATA/model/tiny/config.json" |
		grep -v '"eos_token_id": 2,' >own.json
	quern init-model -q own.json --layers 1 -o m
	tr -d ' \n' <m/config.json | grep -qF '"mine":{"a":[1,2.5]}'
	tr -d ' \n' <m/config.json | grep -qF '"eos_token_id":[2,5]'
	grep -q '"num_hidden_layers": 1' m/config.json
}
