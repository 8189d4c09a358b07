load helper

# The goldens of tests/reference/make_adapter_goldens.py: a Llama in bfloat16, adapters of peft over it, and bitsandbytes' forms of it.
prepare() { A=$DATA/adapter; }

same_tensor() { # FILE FILE NAME: the bytes of a tensor are equal in both
	local a b
	a=$(tensor "$1" "$3") b=$(tensor "$2" "$3")
	[ -n "$a" ] && [ "$a" = "$b" ] || { echo "$3 differs"; return 1; }
}

# tensor FILE NAME: type, shape and hash of a tensor's bytes.
tensor() {
	local header size entry begin end
	size=$(od -An -tu8 -N 8 "$1" | tr -d ' ')
	header=$(tail -c +9 "$1" | head -c "$size")
	entry=$(grep -oE "\"$2\":\{[^}]*\}" <<<"$header") || return 1
	begin=$(grep -oE 'data_offsets":\[[0-9]+' <<<"$entry" | grep -oE '[0-9]+$')
	end=$(grep -oE '[0-9]+\]\}' <<<"$entry" | grep -oE '[0-9]+')
	echo "${entry%,\"data_offsets*}" "$(tail -c +$((9 + size + begin)) "$1" | head -c $((end - begin)) | sha256sum)"
}

@test "a model comes out as it went in, to the byte" {
	quern merge "$A/base" -o m 2>err
	cmp m/model.safetensors "$A/base/model.safetensors"
	grep -q "no rounding" err
	[ "$(ls m | tr '\n' ' ')" = "config.json model.safetensors provenance.json " ]
}

@test "shards hold the same tensors, and an index names them" {
	quern merge -q "$A/base" --shard-size 40k -o m
	[ "$(ls m | grep -c "^model-0000[1-5]-of-00005.safetensors$")" -eq 5 ]
	[ ! -e m/model.safetensors ]
	grep -q '"total_size": 163712' m/model.safetensors.index.json
	quern merge -q m -o back
	cmp back/model.safetensors "$A/base/model.safetensors"
	status 2 quern merge "$A/base" -o m
	says 'another layout'
	quern merge -q "$A/base" --shard-size 40k -o m
}

@test "types: float32 holds every bfloat16, float16 says what it loses" {
	quern merge -q "$A/base" --dtype f32 -o f32
	grep -q '"dtype": "float32"' f32/config.json
	quern merge -q f32 --dtype bf16 -o bf16
	cmp bf16/model.safetensors "$A/base/model.safetensors"
	quern merge --stats s.json "$A/base" --dtype f16 -o f16 2>err
	grep -qE 'largest rounding error [0-9.e-]+, in ' err
	! grep -q '"max_error":0.0' s.json || return 1
}

@test "an adapter is merged into its base, any number of threads giving the same bytes" {
	quern merge -q -j1 "$A/lora" -o a
	quern merge -q -j2 "$A/lora" -o b
	diff -r a b
	same_tensor a/model.safetensors "$A/base/model.safetensors" model.layers.0.self_attn.k_proj.weight
	! same_tensor a/model.safetensors "$A/base/model.safetensors" model.layers.0.self_attn.q_proj.weight >/dev/null || return 1
	quern merge -q "$A/lora" --dtype f32 -o exact 2>err
	quern merge -q --base "$A/base" "$A/lora" --dtype f32 -o told
	cmp exact/model.safetensors told/model.safetensors
	quern view --provenance exact | grep -q lora
}

@test "a vocabulary that grew with the adapter is in config.json" {
	quern merge -q "$A/grown" -o m
	grep -q '"vocab_size": 64' m/config.json
	tensor m/model.safetensors lm_head.weight | grep -q '"shape":\[64,64\]'
}

@test "embeddings and output matrix that an adapter keeps apart are two in the merged model" {
	local name
	for name in apart-embed apart-head apart-both; do
		quern merge -q "$A/$name" --dtype f32 -o $name
		grep -q '"tie_word_embeddings": false' $name/config.json
		[ "$(grep -c tie_word_embeddings $name/config.json)" -eq 1 ]
		quern merge -q $name -o again
		cmp $name/model.safetensors again/model.safetensors
		# trained further as an adapter, and as a model
		printf '{"id":"a","input_ids":[3,9,40,7,12]}\n' >ids.jsonl
		quern sft-train -q -m "$A/$name" ids.jsonl --steps 1 --lr 1e-12 -o a
		quern sft-train -q -m $name ids.jsonl --steps 1 --lr 1e-12 -o b
		[ "$(grep -o '"loss":[0-9.]\{6\}' a/trainer/metrics.jsonl)" = "$(grep -o '"loss":[0-9.]\{6\}' b/trainer/metrics.jsonl)" ]
		quern merge -q a --dtype f32 -o c
		tensor c/model.safetensors lm_head.weight | grep -q '"shape":\[61,32\]'
		rm -r a b c again
	done
	same_tensor apart-head/model.safetensors apart-both/model.safetensors lm_head.weight && return 1
	same_tensor apart-head/model.safetensors apart-embed/model.safetensors transformer.wte.weight && return 1
	quern merge -q "$A/gpt2" --dtype f32 -o plain
	same_tensor apart-head/model.safetensors plain/model.safetensors transformer.wte.weight
	! tensor plain/model.safetensors lm_head.weight || return 1
}

@test "weights kept as W^T take the adapter as W^T" {
	quern merge -q "$A/gpt2-lora" --dtype f32 -o m
	status 3 quern merge --base "$A/base" "$A/gpt2-lora" -o n
	says "has no layer 'transformer.h.0.attn.c_attn'"
}

@test "averages are linear, and weights are for all or none" {
	quern merge -q "$A/lora" --dtype f32 -o lora
	quern merge -q "$A/base" lora --dtype f32 -o half
	quern merge -q "$A/base=0.5" lora=0.5 --dtype f32 -o also
	cmp half/model.safetensors also/model.safetensors
	quern merge -q half=2 "$A/base=-1" --dtype f32 -o again
	# Twice the middle less one end is the other end, but for rounding: at 16 bits nearly every weight agrees.
	quern merge -q "$A/base=0" lora=1 --dtype f32 -o whole
	cmp whole/model.safetensors lora/model.safetensors
	status 2 quern merge "$A/base=0.5" lora -o n
	says 'for all models or for none'
	status 2 quern merge "$A/base=x" -o n
	status 3 quern merge "$A/base" "$A/gpt2" -o n
}

@test "nf4 and int8 are stored as bitsandbytes stores them" {
	quern merge -q "$A/base" --quantize nf4 -o n
	for name in model.layers.0.self_attn.q_proj.weight model.layers.1.mlp.down_proj.weight \
		model.layers.0.mlp.up_proj.weight.quant_map model.layers.0.mlp.up_proj.weight.nested_quant_map \
		model.embed_tokens.weight model.norm.weight; do
		tensor n/model.safetensors $name >/dev/null || { echo "no $name"; return 1; }
	done
	same_tensor n/model.safetensors "$A/nf4/model.safetensors" model.layers.0.self_attn.q_proj.weight
	same_tensor n/model.safetensors "$A/nf4/model.safetensors" model.layers.1.mlp.down_proj.weight
	same_tensor n/model.safetensors "$A/nf4/model.safetensors" model.layers.0.mlp.up_proj.weight.nested_quant_map
	same_tensor n/model.safetensors "$A/nf4/model.safetensors" model.layers.0.mlp.up_proj.weight.quant_map
	grep -q '"bnb_4bit_use_double_quant": true' n/config.json
	quern merge -q "$A/base" --quantize int8 -o i
	same_tensor i/model.safetensors "$A/int8/model.safetensors" model.layers.0.mlp.gate_proj.weight
	same_tensor i/model.safetensors "$A/int8/model.safetensors" model.layers.0.mlp.gate_proj.SCB
	same_tensor i/model.safetensors "$A/int8/model.safetensors" model.layers.0.mlp.gate_proj.weight_format
	quern merge -q -j1 "$A/lora" --quantize nf4 --shard-size 30k -o x
	quern merge -q -j2 "$A/lora" --quantize nf4 --shard-size 30k -o y
	diff -r x y
}

@test "quantised weights are read, and stay the same when they are quantised again" {
	quern merge -q "$A/nf4" --dtype f32 -o floats
	! grep -q quantization_config floats/config.json || return 1
	quern merge -q floats --quantize nf4 -o again
	same_tensor again/model.safetensors "$A/nf4/model.safetensors" model.layers.0.self_attn.v_proj.weight
	quern merge -q "$A/int8" --dtype f32 -o floats8
	quern merge -q floats8 --quantize int8 --dtype f32 -o again8
	same_tensor again8/model.safetensors "$A/int8/model.safetensors" model.layers.1.mlp.up_proj.weight
}

@test "what is too large or no number is refused" {
	quern init-model -q --preset tiny --layers 1 --hidden 8 --heads 2 --ffn 8 --vocab-size 9 --init-range 9 -o big
	quern merge -q big=1e5 -o bigger --dtype f32
	status 3 quern merge bigger --dtype f16 -o n
	says 'too large for float16'
	status 3 quern merge bigger=1e38 --dtype f32 -o n
	says 'not finite'
	[ ! -e n/model.safetensors ]
}

@test "hostile adapters and indexes are data errors" {
	cp -r "$A/lora" bad && ln -s "$A/base" base
	for cut in 0 8 100 2000; do
		head -c $cut "$A/lora/adapter_model.safetensors" >bad/adapter_model.safetensors
		attempt "cut at $cut" 3 quern merge bad -o n --base "$A/base"
	done
	cp "$A/lora/adapter_model.safetensors" bad
	sed 's/"r": 4/"r": 5/' "$A/lora/adapter_config.json" >bad/adapter_config.json
	status 3 quern merge bad -o n
	says 'do not have the rank 5'
	sed 's/"use_dora": false/"use_dora": true/' "$A/lora/adapter_config.json" >bad/adapter_config.json
	status 3 quern merge bad -o n
	says "'use_dora' is not supported"
	sed 's/"q_proj"/"x_proj"/' "$A/lora/adapter_config.json" >bad/adapter_config.json
	status 3 quern merge bad -o n
	says 'none of target_modules'
	sed 's,"../base","../nowhere",' "$A/lora/adapter_config.json" >bad/adapter_config.json
	status 3 quern merge bad -o n
	says "'../nowhere' is no directory here; quern merge --base DIR makes"
	mkdir m && cp "$A/base/config.json" m
	for index in '' '{}' '{"weight_map":[]}' '{"weight_map":{"a":1}}' '{"weight_map":{"a":"../x"}}' '{"weight_map":{"a":"b"}}'; do
		printf '%s' "$index" >m/model.safetensors.index.json
		attempt "index $index" "3" quern merge m -o n
	done
	quern merge -q "$A/base" --shard-size 40k -o s
	sed -i 's/model-00002-of-00005/model-00001-of-00005/' s/model.safetensors.index.json
	status 3 quern merge s -o n
	says "is not in 'model-00001"
	quern merge -q "$A/base" --quantize nf4 -o q
	cp -r q broken
	sed 's/"blocksize": 64/"blocksize": 32/' q/model.safetensors >broken/model.safetensors
	status 3 quern merge broken -o n
	says 'blocks of 64'
	[ ! -e n/model.safetensors ]
}

@test "mistakes are told" {
	status 2 quern merge "$A/base"
	status 2 quern merge -o n
	status 2 quern merge nowhere -o n
	status 2 quern merge --base "$A/base" "$A/base" -o n
	says '--base is for adapters'
	cp -r "$A/base" own
	status 2 quern merge own -o own
	says 'choose another -o'
	status 3 quern merge "$A/gpt2" --quantize nf4 -o n
	says 'nothing to quantise'
	status 1 quern merge "$A/base" -o /dev/full/m
}
