# model.bash - a tiny random model with a byte-level tokenizer in $T/m, and problems in $T/problems.jsonl.
make_model() {
	quern init-model -q --preset tiny -t "$DATA/generate/tokenizer" --hidden 32 --layers 2 --heads 4 --kv-heads 2 --ffn 64 --positions 128 \
		--init-range 0.3 --seed "${1:-1}" -o m
}

make_problems() {
	local i
	for i in $(seq "${1:-12}"); do
		printf '{"id":"p%d","prompt":[{"role":"user","content":"%d+%d=?"}],"answer":"%d","level":%d}\n' \
			"$i" "$i" "$i" $((2 * i)) $((i % 3))
	done >problems.jsonl
}
