load helper
source "${BATS_TEST_DIRNAME:-.}/data/generate/model.bash"

prepare() {
	quern init-model -q --preset tiny -t "$DATA/generate/tokenizer" --hidden 32 --layers 2 --heads 4 --kv-heads 2 --ffn 64 \
		--positions 256 --init-range 0.3 --seed 3 -o m
}

mc() { "$BIN/eval" -q -m m --task "$DATA/tasks/mc.yaml" --fewshot-data "$DATA/tasks/shots.jsonl" "$@" "$DATA/tasks/docs.jsonl"; }
same() { cmp <(sed '/"provenance"/d' "$1") <(sed '/"provenance"/d' "$2"); }
found() { grep -o '"cached_requests": *[0-9]*' "$1" | grep -o '[0-9]*$'; }

@test "likelihoods are asked once of a model, whatever becomes of the file" {
	mc -o want.json --stats want
	mc --cache c -o r.json --stats s
	same want.json r.json
	repeated=$(found s)                                # the same word alone, after two questions
	mc --cache c -o r.json --stats s
	same want.json r.json
	all=$(found s)
	[ "$repeated" -lt $((all / 2)) ]
	[ "$all" -eq "$(grep -o '"requests": *[0-9]*' want | grep -o '[0-9]*$')" ]
	grep -qE '"tokens": *0' s
	# cut in the middle of a record, a bit turned, rows of another run: those are asked again
	head -c $(($(stat -c %s c) / 2 + 7)) c >cut && mv cut c
	printf '\x55' | dd of=c bs=1 seek=$((32 + 32 * 3 + 20)) conv=notrunc status=none
	mc --cache c -o r.json --stats s
	same want.json r.json
	[ "$(found s)" -gt 5 ] && [ "$(found s)" -lt "$all" ]
	# another model asks anew, in the same file
	cp -r m other
	quern init-model -q --preset tiny -t "$DATA/generate/tokenizer" --hidden 32 --layers 2 --heads 4 --kv-heads 2 --ffn 64 \
		--positions 256 --init-range 0.3 --seed 4 -o m
	mc --cache c -o r.json --stats s
	[ "$(found s)" -eq "$repeated" ]
	rm -r m && mv other m
	mc --cache c -o r.json --stats s
	same want.json r.json
	[ "$(found s)" -eq "$all" ]
	echo 'something of mine, and longer than a header of such a file' >mine
	cp mine kept
	status 3 mc --cache mine
	says 'mine: no cache of likelihoods'
	cmp mine kept
	status 1 mc --cache nowhere/c
	status 2 quern eval -m m --cache c "$DATA/tasks/docs.jsonl"
	status 2 quern eval -m m --task "$DATA/tasks/gen.yaml" --fewshot-data "$DATA/tasks/shots.jsonl" --cache c "$DATA/tasks/docs.jsonl"
}

@test "a killed evaluation goes on: the same report, and no journal is left" {
	mc -o want.json
	# the run is killed when it has something in its journal
	for i in $(seq 40); do cat "$DATA/tasks/docs.jsonl"; done >many.jsonl
	many() { "$BIN/eval" -q -m m --task "$DATA/tasks/mc.yaml" --fewshot-data "$DATA/tasks/shots.jsonl" many.jsonl "$@"; }
	many -o want.json
	"$BIN/eval" -q -m m --task "$DATA/tasks/mc.yaml" --fewshot-data "$DATA/tasks/shots.jsonl" many.jsonl --resume -o r.json & pid=$!
	for _ in $(seq 500); do [ "$(stat -c %s r.json.journal 2>/dev/null || echo 0)" -lt 1000 ] || break; sleep 0.01; done
	kill -KILL $pid || true                            # unless it was faster
	wait $pid || true
	if [ ! -e r.json ]; then
		[ -e r.json.journal ]
		many --resume -o r.json --stats s
		[ "$(found s)" -gt 0 ]
	fi
	same want.json r.json
	[ ! -e r.json.journal ]
	# and one whose model answers problems
	make_model
	make_problems 200
	rm r.json
	"$BIN/eval" -q -m m --max-new-tokens 40 --batch 2 problems.jsonl -o want.json
	"$BIN/eval" -q -m m --max-new-tokens 40 --batch 2 problems.jsonl -o r.json --resume & pid=$!
	for _ in $(seq 500); do [ "$(stat -c %s r.json.journal 2>/dev/null || echo 0)" -lt 3000 ] || break; sleep 0.01; done
	kill -KILL $pid || true                            # unless it was faster
	wait $pid || true
	if [ ! -e r.json ]; then
		"$BIN/eval" -q -m m --max-new-tokens 40 --batch 2 problems.jsonl -o r.json --resume --stats s
		grep -qE '"resumed_prompts": *[1-9]' s
	fi
	same want.json r.json
	[ ! -e r.json.journal ]
	status 2 quern eval -m m --resume problems.jsonl
	status 2 quern eval -m m --task perplexity --resume -o r.json problems.jsonl
}
