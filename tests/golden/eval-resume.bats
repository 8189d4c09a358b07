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
	says 'cache is for the log-probabilities of a model'
	status 2 quern eval --task text --cache c "$DATA/tasks/docs.jsonl"
	status 2 quern eval -m m --task "$DATA/tasks/gen.yaml" --fewshot-data "$DATA/tasks/shots.jsonl" --cache c "$DATA/tasks/docs.jsonl"
}

# killed STAT ARGS...: an evaluation that is killed at any moment goes on by the same command, says as STAT what it need not do again, and ends as
# one that was never stopped, with no journal left.
killed() {
	local stat=$1
	shift
	anew() { rm -f r.json r.json.journal; }
	# something in the journal: a prompt's line behind that of the run, or a record behind the first 32 bytes
	is_kept() {
		case $stat in
		resumed_prompts) [ "$(wc -l <r.json.journal)" -ge 2 ] ;;
		cached_requests) [ "$(stat -c %s r.json.journal)" -ge 64 ] ;;
		esac
	}
	goes_on() {
		local has=
		[ ! -e r.json ] || same want.json r.json           # whole, while the journal may still be there
		[ ! -e r.json.journal ] || ! is_kept || has=1
		"${run[@]}" --stats s
		same want.json r.json
		[ ! -e r.json.journal ]
		[ -z "$has" ] || { grep -qE "\"$stat\": *[1-9]" s && kept=$((kept + 1)); }
	}
	local kept=0 run=("$BIN/eval" -q "$@" --resume -o r.json)
	"$BIN/eval" -q "$@" -o want.json
	anew
	counted "${run[@]}"
	same want.json r.json
	[ ! -e r.json.journal ]
	each_kill 5 anew goes_on "${run[@]}"
	[ "$kept" -gt 1 ]
}

@test "an evaluation that is killed at any moment goes on: the same report, and no journal is left" {
	local shots="--fewshot-data $DATA/tasks/shots.jsonl"

	for i in 1 2; do cat "$DATA/tasks/docs.jsonl"; done >many.jsonl
	killed cached_requests -m m --task "$DATA/tasks/mc.yaml" $shots many.jsonl
	killed cached_requests -m m --task "$DATA/tasks/roll.yaml" --samples rolled.arrows many.jsonl
	killed cached_requests -m m --task perplexity many.jsonl
	killed resumed_prompts -m m --task "$DATA/tasks/gen.yaml" $shots --repeats 2 --batch 4 --limit 30 many.jsonl
	make_model
	make_problems 12
	killed resumed_prompts -m m --max-new-tokens 40 --batch 2 problems.jsonl
	status 2 quern eval -m m --resume problems.jsonl
	status 2 quern eval --task text --resume -o r.json problems.jsonl
}

@test "what a run that goes on keeps of its samples is what one that was never stopped keeps" {
	local args=(-q -m m --task "$DATA/tasks/gen.yaml" --fewshot-data "$DATA/tasks/shots.jsonl" --batch 4 "$DATA/tasks/docs.jsonl")

	gen() { "$BIN/eval" "${args[@]}" "$@"; }
	gen --samples want.arrows -o want.json
	# a journal with three prompts and half of a fourth's line, as a kill leaves it
	killed_at 12 "$BIN/eval" "${args[@]}" -j1 --samples r.arrows --resume -o r.json
	[ ! -e r.json ] && [ "$(wc -l <r.json.journal)" -eq 4 ] && [ -n "$(tail -n +5 r.json.journal)" ]
	cp r.json.journal kept
	gen --samples r.arrows --resume -o r.json --stats s
	grep -qE '"resumed_prompts": *[1-9]' s
	same <(sed 's/want\.arrows/r.arrows/g' want.json) r.json
	cmp <(quern view --format jsonl want.arrows) <(quern view --format jsonl r.arrows)
	# of another run, or of other documents
	cp kept r.json.journal
	status 2 gen --temperature 1 --resume -o r.json
	status 2 gen --repeats 3 --resume -o r.json
	says 'journal of a run with another model or other options'
}

@test "windows of running text are computed once of a model" {
	for i in 1 2 3; do cat "$DATA/tasks/docs.jsonl"; done >docs.jsonl
	quern eval -q -m m --task perplexity --context 16 docs.jsonl -o want.json
	quern eval -q -m m --task perplexity --context 16 --cache c docs.jsonl -o r.json
	same want.json r.json
	quern eval -q -m m --task perplexity --context 16 --cache c docs.jsonl -o r.json --stats s
	same want.json r.json
	[ "$(found s)" -ge 90 ]
	quern eval -q -m m --task perplexity --context 17 --cache c docs.jsonl -o other.json --stats s
	quern eval -q -m m --task perplexity --context 17 docs.jsonl -o want.json
	same want.json other.json
	# what the assistant says is another question than all of it
	echo '{"id":"a","messages":[{"role":"user","content":"one two"},{"role":"assistant","content":"three"}]}' >chat.jsonl
	sed 's/user/assistant/' chat.jsonl >said.jsonl
	for f in chat said; do quern eval -q -m m --task perplexity $f.jsonl -o want-$f.json; done
	for f in chat said chat; do
		quern eval -q -m m --task perplexity --cache d $f.jsonl -o r.json --stats s
		same want-$f.json r.json
	done
	[ "$(found s)" -eq 1 ]
}
