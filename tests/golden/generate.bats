load helper
source "${BATS_TEST_DIRNAME:-.}/data/generate/model.bash"

prepare() {
	make_model
	make_problems
}

# stat_of FILE NAME: a number of --stats
stat_of() {
	grep -o "\"$2\": *[0-9]*" "$1" | grep -o '[0-9]*$'
}

@test "n completions of each prompt come in input order with every column" {
	quern generate -q -m m -n 3 --max-new-tokens 8 --format jsonl problems.jsonl >out
	[ "$(wc -l <out)" -eq 36 ]
	grep -o '"id":"[^"]*"' out | uniq >ids
	[ "$(wc -l <ids)" -eq 12 ]
	sed 's/,.*//; s/{//' problems.jsonl | cmp - ids
	[ "$(grep -o '"sample":[0-9]*' out | head -4 | tr '\n' ' ')" = '"sample":0 "sample":1 "sample":2 "sample":0 ' ]
	[ "$(grep -c '"answer":"[0-9]*","level":[0-2]' out)" -eq 36 ]
	[ "$(grep -cE '"finish":"(eos|length)"' out)" -eq 36 ]
}

@test "threads, batch size and the order of rows change no sample" {
	same_bytes_for_any_j problems.jsonl generate -m m -n 3 --max-new-tokens 20
	quern generate -q -m m -n 3 --max-new-tokens 20 --format jsonl problems.jsonl | sort >want
	for b in 1 5 100; do
		quern generate -q -m m -n 3 --max-new-tokens 20 --batch $b --format jsonl problems.jsonl | sort | cmp - want
	done
	tac problems.jsonl | quern generate -q -m m -n 3 --max-new-tokens 20 --format jsonl | sort | cmp - want
	quern generate -q -m m -n 3 --max-new-tokens 20 --seed 2 --format jsonl problems.jsonl | sort >other
	! cmp -s other want || return 1
}

@test "greedy is temperature 0, and top-k 1 samples the same" {
	quern generate -q -m m --greedy --max-new-tokens 20 --format jsonl problems.jsonl >greedy
	quern generate -q -m m --temperature 0 --max-new-tokens 20 --format jsonl problems.jsonl | cmp - greedy
	quern generate -q -m m --top-k 1 --max-new-tokens 20 --format jsonl problems.jsonl | cmp - greedy
	quern generate -q -m m --top-p 0.000001 --max-new-tokens 20 --format jsonl problems.jsonl | cmp - greedy
	quern generate -q -m m --min-p 1 --max-new-tokens 20 --format jsonl problems.jsonl | cmp - greedy
}

@test "logprob is what score finds under the same model" {
	quern generate -q -m m -n 2 --temperature 0.7 --max-new-tokens 30 problems.jsonl |
		quern score -q -r logprob --logprob m --format jsonl >out
	[ "$(wc -l <out)" -eq 24 ]
	grep -o '"logprob":[-0-9.]*\|"reward_logprob":[-0-9.]*' out | cut -d: -f2 |
		awk 'NR % 2 { a = $1; next } { d = a - $1; if (d < 0) d = -d; if (d > 0.001) bad++ } END { exit bad > 0 || NR != 48 }'
}

@test "score --logprob without a reward adds its columns, and no score" {
	quern generate -q -m m -n 2 --max-new-tokens 5 problems.jsonl -o c.arrows
	quern score -q --logprob m --format jsonl c.arrows >out
	[ "$(grep -c '"reward_logprob":-[0-9.]*,"reward_logprob_mean":-[0-9.]*}' out)" -eq 24 ]
	! grep -q '"score"' out || return 1
	sed 's/,"reward_logprob_mean.*//' out | cmp - <(quern score -q -r logprob --logprob m --format jsonl c.arrows | sed 's/"score":[-0-9.]*,//; s/,"reward_logprob_mean.*//')
}

@test "weights that are held otherwise give score the same logprob, and dpo-train the same reference" {
	local form
	for form in bf16 int8; do
		quern generate -q -m m --load $form -n 2 --max-new-tokens 20 problems.jsonl |
			quern score -q --load $form --logprob m --format jsonl | grep -o '"logprob":[-0-9.e]*\|"reward_logprob":[-0-9.e]*' | cut -d: -f2 |
			awk 'NR % 2 { a = $1; next } { d = a - $1; d = d < 0 ? -d : d; most = d > most ? d : most } END { exit !(most < 0.0002 && NR == 48) }'
	done
	echo '{"id":"a","prompt":[{"role":"user","content":"1"}],"chosen":[{"role":"assistant","content":"2"}],"rejected":[{"role":"assistant","content":"3"}]}' >pairs.jsonl
	quern score -q --load int8 --ref m pairs.jsonl -o ref.arrows
	quern dpo-train -q -m m --load int8 --lora-rank 2 --steps 2 pairs.jsonl -o own
	quern dpo-train -q -m m --load int8 --lora-rank 2 --steps 2 ref.arrows -o given
	cmp own/adapter_model.safetensors given/adapter_model.safetensors
	quern score -q --ref m --format jsonl pairs.jsonl >whole
	! quern view -q --format jsonl ref.arrows | cmp -s - whole || return 1
	status 2 quern score --load int4 --ref m pairs.jsonl
}

@test "in bfloat16, too, score finds the logprob, and neither threads nor batch change a bit" {
	local how
	quern generate -q -m m -n 2 --bf16 --max-new-tokens 20 problems.jsonl -o half.arrows
	for how in "-j1" "-j4 --batch 3"; do
		quern generate -q -m m -n 2 --bf16 --max-new-tokens 20 $how problems.jsonl -o other.arrows
		cmp half.arrows other.arrows
	done
	for how in --bf16 ""; do
		quern score -q $how -r logprob --logprob m --format jsonl half.arrows | grep -o '"logprob":[-0-9.e]*\|"reward_logprob":[-0-9.e]*' | cut -d: -f2 |
			awk 'NR % 2 { a = $1; next } { d = a - $1; d = d < 0 ? -d : d; most = d > most ? d : most } END { print most; exit NR != 48 }' >apart${how#--}
	done
	awk '{ exit !($1 < 0.0002) }' apartbf16
	awk '{ exit !($1 > 0.0002 && $1 < 1) }' apart
	quern eval -q -m m --bf16 --task exact-match --max-new-tokens 8 problems.jsonl -o report.json
	grep -q exact report.json
}

@test "a conversation is continued behind its last user turn, a document as it stands" {
	printf '%s\n' '{"id":"a","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"secret"}]}' \
		'{"id":"b","messages":[{"role":"assistant","content":"x"}]}' '{"id":"c","messages":[]}' >chat.jsonl
	quern generate -q -m m --max-new-tokens 4 --rejects rejects --format jsonl chat.jsonl >out
	grep -q '"prompt":\[{"role":"user","content":"hi"}\],"sample":0' out
	! grep -q secret out || return 1
	[ "$(wc -l <out)" -eq 1 ]
	quern view -q --format jsonl rejects >rejected || cp rejects rejected
	grep -q 'no_user_turn' rejected
	grep -q 'empty_prompt' rejected
	echo '{"id":"t","text":"once upon"}' | quern generate -q -m m --max-new-tokens 4 --format jsonl | grep -q '"prompt":"once upon"'
}

@test "a prompt that leaves no room is rejected by name" {
	printf '{"id":"l","prompt":[{"role":"user","content":"%0200d"}],"answer":"1"}\n' 0 >>problems.jsonl
	quern generate -m m --max-new-tokens 4 --format jsonl problems.jsonl >out 2>err
	[ "$(wc -l <out)" -eq 12 ]
	grep -q 'prompt_too_long 1' err
}

@test "stop strings end the text before them" {
	quern generate -q -m m -n 20 --max-new-tokens 60 --stop x --stop "." --format jsonl problems.jsonl >out
	grep -q '"finish":"stop"' out
	! grep -o '"completion":"[^"]*"' out | cut -c15- | grep -q '[x.]' || return 1
}

@test "hostile inputs" {
	printf '{"id":"d%d","text":"once upon a time %d"}\n' 1 1 2 2 3 3 >docs.jsonl
	quern clean -q --preset none --format arrow docs.jsonl -o good
	hostile good generate -m m --max-new-tokens 2
}

@test "mistakes in the request are usage errors" {
	status 2 quern generate problems.jsonl
	says "-m is needed"
	status 2 quern generate -m m --stop "" problems.jsonl
	status 2 quern generate -m m --top-p 2 problems.jsonl
	status 2 quern generate -m m --greedy --top-k 5 problems.jsonl
	says "greedy does not sample"
	status 2 quern generate -m m -n 0 problems.jsonl
	status 2 quern generate -m m --context 4096 problems.jsonl
	status 1 quern generate -m no-such-dir problems.jsonl
	mv m/model.safetensors m/pytorch_model.bin
	status 3 quern generate -m m problems.jsonl
	says "m/pytorch_model.bin: a pickle"
	rm m/tokenizer.json
	status 1 quern generate -m m problems.jsonl
}

@test "a prompt may stand on the command line" {
	quern generate -q -m m --greedy --max-new-tokens 6 -p "7+5=" -p "1+1=" --format jsonl >out
	[ "$(wc -l <out)" -eq 2 ]
	grep -q '"id":"0","prompt":\[{"role":"user","content":"7+5="}\]' out
	echo '{"id":"0","messages":[{"role":"user","content":"7+5="}]}' | quern generate -q -m m --greedy --max-new-tokens 6 --format jsonl |
		cmp - <(head -1 out)
	status 2 quern generate -m m -p x problems.jsonl
	says 'not both'
}

@test "beams: as many results as asked, best first, the same for any batch and thread count" {
	same_bytes_for_any_j problems.jsonl generate -m m --beams 4 -n 3 --max-new-tokens 12
	quern generate -q -m m --beams 4 -n 3 --max-new-tokens 12 --batch 8 --format jsonl problems.jsonl >a
	quern generate -q -m m --beams 4 -n 3 --max-new-tokens 12 --batch 100 --format jsonl problems.jsonl | cmp - a
	[ "$(wc -l <a)" -eq 36 ]
	status 2 quern generate -m m --beams 4 --top-k 3 problems.jsonl
	says 'does not sample'
	status 2 quern generate -m m --beams 4 -n 5 problems.jsonl
	status 2 quern generate -m m --length-penalty 2 problems.jsonl
	says 'for beam search: give --beams N'
	status 2 quern generate -m m --beams 4 --batch 3 problems.jsonl
	status 2 quern generate -m m --beams 4 --best-of 4 problems.jsonl
}

@test "memory for keys and values changes no sample, and a prompt's samples hold it once" {
	quern generate -m m -n 8 --max-new-tokens 90 --stats st --format jsonl problems.jsonl >want
	[ "$(stat_of st kv_pages_peak)" -gt 64 ]
	# 96 samples of 25 tokens of prompt and one page of their own, that hold all they have in one or two
	[ "$(stat_of st shared_prompt_tokens)" -gt "$(($(stat_of st prompt_tokens) * 3 / 4))" ]
	quern generate -m m -n 8 --max-new-tokens 90 --kv-memory 150k --stats few --format jsonl problems.jsonl | cmp - want
	[ "$(stat_of few kv_bytes_peak)" -le 150000 ]
	[ "$(stat_of few preemptions)" -gt 0 ]
	[ "$(stat_of few recomputed_tokens)" -gt 0 ]
	quern generate -q -m m --beams 4 --max-new-tokens 90 --format jsonl problems.jsonl >want
	quern generate -q -m m --beams 4 --max-new-tokens 90 --kv-memory 140k --format jsonl problems.jsonl | cmp - want
	status 2 quern generate -m m --kv-memory 20k problems.jsonl
	says 'the keys and values of 128 tokens need 32768 bytes; 20000 are allowed'
	status 2 quern generate -m m --kv-memory much problems.jsonl
	says 'a number of bytes such as 2G'
}

@test "bias bans a token, penalties and best-of change what is said" {
	id=$(quern generate -q -m m --greedy --max-new-tokens 1 --format jsonl problems.jsonl | head -1 |
		sed 's/.*"completion_ids":\[\([0-9]*\).*/\1/')
	quern generate -q -m m --max-new-tokens 30 -n 4 --logit-bias "$id=-inf" --format jsonl problems.jsonl >out
	! grep -oE '"completion_ids":\[[^]]*' out | grep -qE "[^0-9]$id(,|\$)" || return 1
	quern generate -q -m m --greedy --max-new-tokens 30 --logit-bias "$id=100" --format jsonl problems.jsonl | grep -q "\[$id,$id,$id"
	status 2 quern generate -m m --logit-bias 5 problems.jsonl
	status 2 quern generate -m m --logit-bias x=1 problems.jsonl
	status 2 quern generate -m m --logit-bias 5=inf problems.jsonl
	status 2 quern generate -m m --logit-bias 5000=1 problems.jsonl
	says 'a bias of token 5000; the model has [0-9]* tokens'
	quern generate -q -m m --greedy --max-new-tokens 30 --frequency-penalty 5 --format jsonl problems.jsonl >penalised
	quern generate -q -m m --greedy --max-new-tokens 30 --format jsonl problems.jsonl >plain
	! cmp -s penalised plain || return 1
	quern generate -q -m m -n 2 --best-of 6 --max-new-tokens 10 --format jsonl problems.jsonl >best
	[ "$(wc -l <best)" -eq 24 ]
	status 2 quern generate -m m -n 3 --best-of 2 problems.jsonl
}

@test "a killed run with --resume goes on where it was, and ends in the same bytes" {
	local run="-m m -n 2 --max-new-tokens 50 --compress never --resume -o got problems.jsonl"
	quern generate -q ${run/--resume -o got/-o want}
	anew() { rm -f got got.journal; }
	goes_on() {
		[ ! -e got ] || cmp got want               # whole, while the journal may still be there
		quern generate $run --batch 3 -j1 2>err
		cmp got want
		[ ! -e got.journal ]
	}
	counted quern generate -q $run --batch 2
	cmp got want
	each_kill 7 anew goes_on "$BIN/generate" -q $run --batch 2
	printf '{"run":"another"}\n' >x.journal
	status 2 quern generate -m m --resume -o x problems.jsonl
	says 'journal of a run with another model'
	status 2 quern generate -m m --resume problems.jsonl
	says 'needs -o FILE'
}

# killed OUT ARGS...: a run of one thread that was killed in the middle of the fourth prompt's line in OUT.journal
killed() {
	rm -f "$1" "$1.journal"
	killed_at 12 "$BIN/generate" -q "${@:2}" -j1 --resume -o "$1" problems.jsonl
	[ ! -e "$1" ] && [ "$(wc -l <"$1.journal")" -eq 4 ]
}

@test "a journal that was changed is refused, and what was not is kept" {
	local change run="-m m -n 2 --max-new-tokens 100 --batch 2 --compress never"
	again() { quern generate -q $run -j1 --resume -o got problems.jsonl; }
	quern generate -q $run -o want problems.jsonl
	killed got $run
	cp got.journal whole
	for change in 's/"ids":\[\([0-9]*\)/"ids":[9999999/' 's/"ids":\[[0-9]*,/"ids":[/' 's/"logprob":-/"logprob":-1/' 's/"finish":"[a-z]*"/"finish":"stop"/' \
		's/"samples":\[{[^}]*},/"samples":[/' 's/"sum":"./"sum":"x/' 's/,"sum".*/}/' 's/^/ /' 's/.*//'; do
		sed "3$change" whole >got.journal
		status 3 again
		says 'got.journal: line 3 is damaged.*head -n 2'
		[ ! -e got ]
	done
	sed 3d whole >got.journal            # a line that is gone
	status 3 again
	says 'prompt 2 was another'
	head -n 2 whole >got.journal         # as it says
	again
	cmp got want
	# lines of a run with other options
	killed got2 $run --seed 7
	{ head -n 1 whole; sed -n 2p got2.journal; } >got.journal
	rm got
	status 3 again
	says 'line 2 is damaged or no line of this run'
	# the same name, another model
	cp whole got.journal
	rm -r m
	make_model 9
	status 2 again
	says 'another model'
}

@test "all end tokens of the model's files end what is said, and a trained model keeps them" {
	sed -i 's/"eos_token_id": 258/"eos_token_id": [258, 101]/' m/config.json                # e
	echo '{"eos_token_id":[101,120,120,99999],"temperature":0.6}' >m/generation_config.json # e, x
	local how
	for how in "-n 20" "--beams 8 -n 8"; do
		quern generate -q -m m $how --max-new-tokens 60 --format jsonl problems.jsonl >out
		grep -E '"completion_ids":\[([0-9]*,)*(101|120)\]' out | grep -q '"finish":"eos"'
		! grep -qE '"completion_ids":\[([0-9]*,)*(101|120),' out || return 1
		[ "$(grep -cE '"completion_ids":\[([0-9]*,)*(101|120)\]' out)" -eq "$(grep -E '"completion_ids":\[([0-9]*,)*(101|120)\]' out | grep -c '"finish":"eos"')" ]
	done
	echo '{"id":"a","messages":[{"role":"user","content":"7"},{"role":"assistant","content":"8"}]}' >chat.jsonl
	quern sft-train -q -m m chat.jsonl --steps 1 -o tuned
	tr -d ' \n' <tuned/generation_config.json | grep -q '"eos_token_id":\[258,101,120\]'
	tr -d ' \n' <tuned/config.json | grep -q '"eos_token_id":\[258,101\]'
	echo '{"eos_token_id":' >m/generation_config.json
	status 3 quern generate -m m problems.jsonl
	says 'm/generation_config.json'
}

@test "a stop string may begin with the space that a SentencePiece tokenizer drops" {
	mkdir pieces
	cat >pieces/tokenizer.json <<-'END'
	{"added_tokens":[{"id":0,"content":"</s>","special":true,"single_word":false,"lstrip":false,"rstrip":false,"normalized":false}],
	"normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]},
	"decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"Fuse"},
		{"type":"Strip","content":" ","start":1,"stop":0}]},
	"model":{"type":"BPE","unk_token":"</s>","vocab":{"</s>":0,"▁":1,"a":2,"b":3,"▁a":4,"ab":5},"merges":["▁ a","a b"]}}
	END
	echo '{"eos_token":"</s>"}' >pieces/tokenizer_config.json
	quern init-model -q --preset tiny -t pieces --hidden 32 --layers 1 --heads 2 --kv-heads 2 --ffn 64 --positions 64 -o p
	quern generate -q -m p -n 60 --max-new-tokens 4 --stop " a" -p "ab a" --format jsonl >out
	grep -q '"completion":"","completion_ids":\[4\],.*"finish":"stop"' out           # all of it was the stop string
	grep -q '"completion":"b","completion_ids":\[3,4\],.*"finish":"stop"' out
	! grep '"completion_ids":\[4\]' out | grep -qv '"completion":""' || return 1
	grep -q '"completion":"a","completion_ids":\[2,0\]\|"completion":"ab","completion_ids":\[5,0\]' out      # no space was dropped here
	quern generate -q -m p -n 2 --logit-bias 1=40 --stop " " -p "ab a" --format jsonl >out
	[ "$(grep -c '"completion":"","completion_ids":\[1\],.*"finish":"stop"' out)" = 2 ]
	status 2 quern generate -m p --stop "$(printf '\xa9')" -p "ab a"
	says 'UTF-8, not a part of a character'
}

@test "tools reach the template wherever a conversation is encoded" {
	echo '{% if tools %}<|im_start|>system
{{ tools | tojson }}<|im_end|>
{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}' >m/chat_template.jinja
	local tools='"tools":[{"name":"add"}]' say='{"role":"assistant","content":'
	echo '{"id":"a","prompt":[{"role":"user","content":"1+1"}],"answer":"2",'"$tools"'}' >one.jsonl
	quern tokenize-bpe -q -t m --format jsonl one.jsonl | grep -o '"input_ids":[^]]*' | tr ',' '\n' | wc -l >tokens
	quern generate -q -m m --max-new-tokens 8 --stats st one.jsonl -o c.arrows
	[ "$(stat_of st prompt_tokens)" = "$(cat tokens)" ]
	sed 's/"tools":.*/"tools":null}/' one.jsonl >none.jsonl
	quern generate -q -m m --max-new-tokens 8 --stats st none.jsonl -o none.arrows
	[ "$(stat_of st prompt_tokens)" -lt "$(cat tokens)" ]
	quern score -q --logprob m --format jsonl c.arrows | grep -o '"logprob":[-0-9.]*\|"reward_logprob":[-0-9.]*' | cut -d: -f2 |
		awk 'NR % 2 { a = $1; next } { d = a - $1; bad += d * d > 1e-6 } END { exit bad > 0 || NR != 2 }'
	# text trains as its ids do
	echo '{"id":"a","prompt":[{"role":"user","content":"1+1"}],"chosen":['"$say"'"2"}],"rejected":['"$say"'"3"}],'"$tools"'}' >pairs.jsonl
	quern tokenize-bpe -q -t m pairs.jsonl -o ids.arrows
	quern dpo-train -q -m m --steps 2 pairs.jsonl -o text
	quern dpo-train -q -m m --steps 2 ids.arrows -o ids
	quern score -q --ref m pairs.jsonl | quern dpo-train -q -m m --steps 2 -o given
	cmp text/model.safetensors ids/model.safetensors
	cmp text/model.safetensors given/model.safetensors
	sed 's/"tools":.*/"tools":"{"}/' one.jsonl >broken.jsonl
	quern generate -m m broken.jsonl -o none.arrows 2>err
	grep -q 'template_error 1' err
	# no template at all is no fault of the rows
	rm m/chat_template.jinja
	sed -i '/"chat_template"/d; s/"model_max_length": 128,/"model_max_length": 128/' m/tokenizer_config.json
	for how in 'generate -m m one.jsonl' 'score --logprob m c.arrows' 'score --ref m pairs.jsonl' 'dpo-train -m m pairs.jsonl -o o'; do
		status 3 quern $how
		says "m: the tokenizer has no chat template"
	done
}

@test "prompts alone, without answers and without ids" {
	printf '{"prompt":"once"}\n{"prompt":"once"}\n' >texts.jsonl
	quern generate -q -m m -n 2 --max-new-tokens 8 --format jsonl texts.jsonl >out
	[ "$(grep -o '"id":"[^"]*","prompt":"once","sample":[01]' out | tr '\n' ' ')" = \
		'"id":"0","prompt":"once","sample":0 "id":"0","prompt":"once","sample":1 "id":"1","prompt":"once","sample":0 "id":"1","prompt":"once","sample":1 ' ]
	quern generate -q -m m -n 2 --max-new-tokens 8 --batch 1 --format jsonl texts.jsonl | cmp - out
	[ "$(grep -o '"completion_ids":[^]]*' out | sort -u | wc -l)" -eq 4 ]
	sed 's/.*\("prompt":.*\),"answer".*/{\1}/' problems.jsonl >questions.jsonl
	quern generate -q -m m --max-new-tokens 4 questions.jsonl | quern score -q -r length --length-max 9 --format jsonl >out
	[ "$(grep -c '"id":"[0-9]*","prompt":\[{"role":"user"' out)" -eq 12 ]
	echo '{"prompt":"x","completion":"y"}' >other.jsonl
	status 3 quern generate -m m other.jsonl
	status 3 quern eval -m m --task exact-match texts.jsonl -o report.json
	says "no text column 'answer'"
}
