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
