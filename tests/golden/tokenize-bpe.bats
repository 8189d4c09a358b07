load helper

prepare() {
	quern bpe-train -q --pattern qwen2 --vocab-size 520 "$DATA/token/corpus.jsonl" -o tok
	quern tokenize-bpe -q -t tok "$DATA/token/corpus.jsonl" -o tokens.arrows
	cat >chat.jsonl <<'END'
{"id":"a","messages":[{"role":"user","content":"the mill <|im_end|>"},{"role":"assistant","content":"the stream"}]}
{"id":"b","messages":[{"role":"user","content":"alone"}]}
END
}

@test "the ids are those of Hugging Face" {
	grep '"qwen2"' "$DATA/token/encode.jsonl" | sed 's/"pattern":"qwen2"/"id":"x"/; s/,"ids":.*/}/' >in.jsonl
	grep '"qwen2"' "$DATA/token/encode.jsonl" | sed 's/.*"ids":\(.*\)}/\1/' >want
	quern tokenize-bpe -q --no-eos -t "$DATA/token/qwen2.json" --format jsonl in.jsonl | sed 's/.*"input_ids":\(\[[^]]*\]\).*/\1/' >got
	cmp want got
}

@test "documents end with <|endoftext|>, and come back by --decode" {
	[ "$(quern tokenize-bpe -q -t tok --decode --format jsonl tokens.arrows | grep -c '<|endoftext|>"}$')" -eq 43 ]
	quern tokenize-bpe -q -t tok --decode --skip-special --format jsonl tokens.arrows >back.jsonl
	cmp <(sed 's/"id": /"id":/; s/"text": /"text":/; s/, "text"/,"text"/' "$DATA/token/corpus.jsonl") back.jsonl
}

@test "a conversation's mask covers the answer and its end of turn; what nobody can learn from is rejected" {
	quern tokenize-bpe -q -t tok --format jsonl --rejects rej.jsonl chat.jsonl >out
	[ "$(wc -l <out)" -eq 1 ]
	grep -q '"loss_mask":\[0,.*,1,1,.*,0\]' out
	grep -q '"id":"b".*"reason":"no_loss"' rej.jsonl
	[ "$(grep -o '"input_ids":\[[^]]*' out | grep -oE '[[,]2\b' | wc -l)" -eq 2 ]
	quern tokenize-bpe -q -t tok --loss-on all --format jsonl chat.jsonl | grep -c '"loss_mask":\[1,[1,]*1\]' | grep -qx 2
}

@test "problems end with the opening of an answer, preferences share their prompt" {
	printf '{"id":"p","prompt":[{"role":"user","content":"2+2"}],"answer":"4"}\n' >p.jsonl
	quern tokenize-bpe -q -t tok --format jsonl p.jsonl >p.out
	grep -q '"answer":"4"' p.out
	printf '{"id":"p","prompt":[{"role":"user","content":"2+2"}],"chosen":[{"role":"assistant","content":"4"}],"rejected":[{"role":"assistant","content":"5"}]}\n' >q.jsonl
	quern tokenize-bpe -q -t tok --format jsonl q.jsonl >q.out
	[ "$(sed 's/.*"input_ids"//' p.out)" = "$(sed 's/.*"prompt_ids"//; s/\].*/]}/' q.out)" ]
	grep -q '"chosen_ids":\[22,2\],"rejected_ids":\[23,2\]' q.out
}

@test "long rows are rejected or cut" {
	quern tokenize-bpe -t tok --max-length 20 --format jsonl --rejects r.jsonl "$DATA/token/corpus.jsonl" >out 2>err
	grep -q 'too_long' err
	[ $(($(wc -l <out) + $(wc -l <r.jsonl))) -eq 43 ]
	quern tokenize-bpe -q -t tok --max-length 20 --truncate --format jsonl "$DATA/token/corpus.jsonl" >cut
	[ "$(wc -l <cut)" -eq 43 ]
	! grep -qE '"input_ids":\[([0-9]+,){20}' cut || return 1
}

@test "--offsets: each token's bytes, over the whole text and in order" {
	printf '{"id":"a","text":"the mill é 🙂 stream"}\n' >o.jsonl
	quern tokenize-bpe -q -t tok --offsets --format jsonl o.jsonl >out
	quern tokenize-bpe -q -t tok --format jsonl o.jsonl >plain
	[ "$(sed 's/,"starts.*/}/' out)" = "$(cat plain)" ]
	# each begins where the last has ended, the first at 0; the end-of-text is the empty place at the end (23 bytes)
	starts=$(sed 's/.*"starts":\[\([^]]*\)\].*/\1/' out)
	ends=$(sed 's/.*"ends":\[\([^]]*\)\].*/\1/' out)
	[ "$starts" = "0,${ends%,*}" ]
	[[ $ends == *,23,23 ]]
	status 2 quern tokenize-bpe -t tok --offsets chat.jsonl
	says 'offsets is for documents'
}

@test "text stays with --keep-text, another template with --chat-template" {
	quern tokenize-bpe -q -t tok --keep-text --format jsonl "$DATA/token/corpus.jsonl" | head -1 | grep -q '"text":.*"input_ids":'
	printf '{%% for m in messages %%}{{ m.content }}<|endoftext|>{%% endfor %%}' >t.jinja
	quern tokenize-bpe -q -t tok --chat-template t.jinja --format jsonl chat.jsonl | grep -q ',0\]'
	printf '{%% nonsense %%}' >t.jinja
	status 3 quern tokenize-bpe -t tok --chat-template t.jinja chat.jsonl
	says "line 1: statement 'nonsense' is not supported"
}

@test "a template that refuses a conversation refuses the row" {
	printf "{{ raise_exception('no') }}" >t.jinja
	status 0 quern tokenize-bpe -t tok --chat-template t.jinja --format jsonl chat.jsonl
	says 'chat_template 2'
}

@test "same bytes for any -j" {
	for i in $(seq 60); do cat "$DATA/token/corpus.jsonl"; done >many.jsonl
	same_bytes_for_any_j many.jsonl tokenize-bpe -t tok
}

@test "mistakes are named" {
	status 2 quern tokenize-bpe "$DATA/token/corpus.jsonl"
	says '-t is missing'
	status 2 quern tokenize-bpe -t tok --truncate "$DATA/token/corpus.jsonl"
	says 'max-length'
	status 3 quern tokenize-bpe -t "$DATA/token/gpt2.json" chat.jsonl
	says 'no chat template'
	printf '{"model":{"type":"Unigram"}}' >u.json
	status 3 quern tokenize-bpe -t u.json "$DATA/token/corpus.jsonl"
	says "model type 'Unigram' is not supported"
	printf '{"id":"a","input_ids":[1,99999]}\n' >far.jsonl
	status 0 quern tokenize-bpe -t tok --decode far.jsonl
	says 'unknown_token 1'
}

@test "hostile input" {
	quern tokenize-bpe -q -t tok --keep-text "$DATA/token/corpus.jsonl" -o docs.arrows
	hostile docs.arrows tokenize-bpe -t tok --decode
}
