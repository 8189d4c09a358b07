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
