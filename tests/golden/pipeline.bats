load helper

# The demo's own Makefile in small, on this project's manual pages: all tools after one another.
small() {
	mkdir -p "$1"
	[ -e "$1/raw.arrows" ] || quern import -q "$HERE/../../man" -o "$1/raw.arrows"
	make -s -f "$HERE/../../pipelines/demo/Makefile" BIN="$BIN" D="$1" VOCAB=300 LENGTH=128 TRAIN=0.7 VALID=0.3 \
		MODEL='--layers=1 --hidden=32 --heads=2 --kv-heads=1 --ffn=64 --positions=256' BASE_STEPS=3 CHATS=300 \
		SFT_STEPS=6 FRESH=12 SAMPLES=3 HELD_OUT=10 REWARDS="accuracy,logprob=0.01 --logprob $1/sft" \
		"$1/eval.base.json" "$1/eval.sft.json" "$1/eval.dpo.json" >"$1.log" 2>&1 || { tail -n 20 "$1.log"; return 1; }
}

# A copy of one run for all tests, with its times.
made() {
	[ -d "$BATS_FILE_TMPDIR/run" ] || { small run && cp -a run "$BATS_FILE_TMPDIR/new" && mv "$BATS_FILE_TMPDIR/new" "$BATS_FILE_TMPDIR/run"; }
	[ -d run ] || cp -a "$BATS_FILE_TMPDIR/run" run
}

# Programs take one thread for each core they may use, so the set of cores is the number of threads. The two runs stand at the
# same path, for names are part of the provenance.
@test "pipeline: on one core and on two, every stream and every model has the same bytes" {
	[ "$(nproc)" -ge 2 ] || skip "one core"
	taskset -c "$(taskset -cp $$ | sed 's/.*: //; s/[,-].*//')" bash -c "$(declare -f small quern); BIN=$BIN HERE=$HERE small run"
	mv run one
	made
	rm -f */*.json */*/trainer/metrics.jsonl # times are in them
	for f in $(cd one && find . -type f); do
		cmp "one/$f" "run/$f"
	done
	[ "$(find run -name '*.arrows' | wc -l)" -ge 20 ]
	[ -s run/dpo/model.safetensors ]
}

@test "pipeline: a second run redoes nothing, a touched stage only what follows from it" {
	made
	find run -type f -exec stat -c '%n %.Y' {} + | sort >before
	small run
	find run -type f -exec stat -c '%n %.Y' {} + | sort | cmp - before
	touch run/pairs.arrows
	small run
	[ run/dpo/model.safetensors -nt run/pairs.arrows ] && [ run/eval.dpo.json -nt run/pairs.arrows ]
	[ run/eval.sft.json -ot run/pairs.arrows ] && [ run/scores.arrows -ot run/pairs.arrows ]
}

@test "pipeline: view shows any stage, its provenance, and refuses it cut short or with a bit flipped" {
	made
	for f in $(find run -name '*.arrows'); do
		quern view -q -n 2 "$f" >rows
		quern view -q --verify "$f"
		quern view --provenance "$f" >chain
		grep -q '^1 ' chain
		[ "$(quern view -q --count "$f")" -eq 0 ] || [ -s rows ]
		head -c -30 "$f" >cut
		status 3 quern view -q --verify cut
		says 'batch|end'
		cp "$f" flipped
		at=$(($(stat -c %s "$f") * 3 / 5))
		printf "\\x$(printf %02x $((0x$(od -An -tx1 -j "$at" -N 1 "$f" | tr -d ' ') ^ 4)))" |
			dd of=flipped bs=1 seek="$at" conv=notrunc status=none
		status 3 quern view -q --verify flipped
		says 'flipped: '
	done
	quern view --provenance run/dpo >chain
	for tool in import clean dedup mix bpe-train tokenize-bpe pack init-model sft-train generate score rejection-sample dpo-train; do
		grep -qE "^[0-9]+ +$tool " chain || { echo "no $tool in the chain"; return 1; }
	done
}
