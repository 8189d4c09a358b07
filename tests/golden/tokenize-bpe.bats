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

@test "ids and masks are those of transformers: generation blocks, tools, tool calls, thoughts" {
	for name in plain tools; do
		quern tokenize-bpe -q -t "$DATA/token/qwen2.json" --chat-template "$DATA/token/masks/$name.jinja" --format jsonl \
			"$DATA/token/masks/$name.jsonl" | diff "$DATA/token/masks/$name.want" -
	done
}

# What the mask marks, as text: the masked ids decoded.
said() {
	sed 's/.*"input_ids":\[\([^]]*\)\],"loss_mask":\[\([^]]*\)\].*/\1 \2/' | awk '{
		n = split($1, id, ","); split($2, m, ","); s = ""
		for (i = 1; i <= n; i++) if (m[i]) s = s (s == "" ? "" : ",") id[i]
		print "{\"id\":\"x\",\"input_ids\":[" s "]}" }' | quern tokenize-bpe -q -t tok --decode --format jsonl
}

@test "--loss-on: every answer, the last, or all; blocks of a template too" {
	printf '{"id":"a","messages":[{"role":"user","content":"u"},{"role":"assistant","content":"the mill"},{"role":"user","content":"v"},{"role":"assistant","content":"stream"}]}\n' >two.jsonl
	quern tokenize-bpe -q -t tok --format jsonl two.jsonl | said | grep -qF '"text":"the mill<|im_end|>stream<|im_end|>"'
	quern tokenize-bpe -q -t tok --loss-on completion --format jsonl two.jsonl | said | grep -qF '"text":"stream<|im_end|>"'
	quern tokenize-bpe -q -t tok --loss-on completion --chat-template "$DATA/token/masks/plain.jinja" --format jsonl two.jsonl | said | grep -qF '"text":"stream<|im_end|>"'
	quern tokenize-bpe -q -t tok --loss-on all --format jsonl two.jsonl | grep -q '"loss_mask":\[1,[1,]*1\]'
	# markup that the template puts around what is said is said, too
	printf "{%% for m in messages %%}<|im_start|>{{ m.role }}\n{%% if m.call %%}<call>{{ m.call.name }}</call>{%% endif %%}{{ m.content }}<|im_end|>\n{%% endfor %%}{%% if add_generation_prompt %%}<|im_start|>assistant\n{%% endif %%}" >call.jinja
	printf '{"id":"a","messages":[{"role":"user","content":"u"},{"role":"assistant","content":"","call":{"name":"f"}}]}\n' >call.jsonl
	quern tokenize-bpe -q -t tok --chat-template call.jinja --format jsonl call.jsonl | said | grep -qF '"text":"<call>f</call><|im_end|>"'
}

@test "a template that shows earlier turns otherwise refuses them, not the last" {
	printf "{%% for m in messages %%}<|im_start|>{{ m.role }}\n{%% if m.role == 'assistant' and not loop.last %%}{{ m.content.split('</think>')[-1] }}{%% else %%}{{ m.content }}{%% endif %%}<|im_end|>\n{%% endfor %%}{%% if add_generation_prompt %%}<|im_start|>assistant\n{%% endif %%}" >strip.jinja
	printf '{"id":"a","messages":[{"role":"user","content":"u"},{"role":"assistant","content":"<think>hm</think>one"},{"role":"user","content":"v"},{"role":"assistant","content":"<think>so</think>two"}]}\n{"id":"b","messages":[{"role":"user","content":"u"},{"role":"assistant","content":"<think>hm</think>one"}]}\n' >think.jsonl
	quern tokenize-bpe -t tok --chat-template strip.jinja --rejects r.jsonl --format jsonl think.jsonl >out 2>err
	grep -q 'prompt_changes 1' err
	grep -q '"id":"a".*"reason":"prompt_changes"' r.jsonl
	[ "$(wc -l <out)" -eq 1 ]
	quern tokenize-bpe -q -t tok --chat-template strip.jinja --loss-on completion --format jsonl think.jsonl | said >out
	grep -qF '"text":"<think>so</think>two<|im_end|>"' out && grep -qF '"text":"<think>hm</think>one<|im_end|>"' out
	# a token that ends the text behind the last turn alone is no change
	printf "{%% for m in messages %%}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{%% endfor %%}{%% if add_generation_prompt %%}<|im_start|>assistant\n{%% else %%}{{ eos_token }}{%% endif %%}" >eos.jinja
	quern tokenize-bpe -q -t tok --chat-template eos.jinja --format jsonl think.jsonl | said | grep -cF 'one<|im_end|>' | grep -qx 2
}

@test "rows with a completion: a loss on it alone, other columns stay" {
	printf '{"id":"a","prompt":[{"role":"user","content":"u"},{"role":"assistant","content":"one"},{"role":"user","content":"v"}],"completion":"two","label":true}\n' >f.jsonl
	quern tokenize-bpe -q -t tok --format jsonl f.jsonl >out
	grep -q '"label":true' out
	said <out | grep -qF '"text":"two<|im_end|>"'
	quern tokenize-bpe -q -t tok --loss-on assistant --format jsonl f.jsonl | said | grep -qF '"text":"one<|im_end|>two<|im_end|>"'
	printf '{"id":"a","prompt":"the mill","completion":" turns","label":true}\n' >plain.jsonl
	quern tokenize-bpe -q -t tok --format jsonl plain.jsonl | said | grep -qF '"text":" turns<|endoftext|>"'
	quern tokenize-bpe -q -t tok --no-eos --format jsonl plain.jsonl | said | grep -qF '"text":" turns"'
}

@test "preferences are cut where the rendered prompt ends, also inside a token of the whole" {
	printf "{%% for m in messages %%}{{ m.role }}: {{ m.content }}\n{%% endfor %%}{%% if add_generation_prompt %%}assistant: {%% endif %%}" >colon.jinja
	printf '{"id":"p","prompt":[{"role":"user","content":"a"}],"chosen":[{"role":"assistant","content":"the mill"}],"rejected":[{"role":"assistant","content":"no"}]}\n' >q.jsonl
	printf '{"id":"p","prompt":[{"role":"user","content":"a"}],"answer":"4"}\n' >p.jsonl
	quern tokenize-bpe -q -t tok --chat-template colon.jinja --format jsonl q.jsonl >q.out
	quern tokenize-bpe -q -t tok --chat-template colon.jinja --format jsonl p.jsonl >p.out
	[ "$(sed 's/.*"prompt_ids":\(\[[^]]*\]\).*/\1/' q.out)" = "$(sed 's/.*"input_ids":\(\[[^]]*\]\).*/\1/' p.out)" ]
	sed 's/.*"chosen_ids"/{"id":"x","input_ids"/; s/,"rejected.*/}/' q.out | quern tokenize-bpe -q -t tok --decode --format jsonl | grep -qF '"text":"the mill\n"'
}

@test "tools as lists or as text of JSON are the same; what is no JSON is refused" {
	printf "{{ tools|tojson }}{%% for m in messages %%}{{ m.content }}<|im_end|>{%% endfor %%}" >t.jinja
	printf '{"id":"a","tools":[{"name":"f","n":1}],"messages":[{"role":"user","content":"u"}]}\n' >list.jsonl
	printf '{"id":"a","tools":"[{\\"name\\": \\"f\\", \\"n\\": 1}]","messages":[{"role":"user","content":"u"}]}\n' >text.jsonl
	printf '{"id":"a","tools":"[{","messages":[{"role":"user","content":"u"}]}\n' >broken.jsonl
	for f in list text; do
		quern tokenize-bpe -q -t tok --loss-on all --chat-template t.jinja --format jsonl $f.jsonl >$f.out
		quern tokenize-bpe -q -t tok --decode --format jsonl $f.out | grep -qF '"text":"[{\"name\": \"f\", \"n\": 1}]u<|im_end|>"'
	done
	quern tokenize-bpe -t tok --loss-on all --chat-template t.jinja --format jsonl broken.jsonl 2>err >out
	grep -q 'tools 1' err && [ ! -s out ]
}

@test "contents in parts reach the template" {
	printf "{%% for m in messages %%}{%% for p in m.content %%}{{ p.text }}|{%% endfor %%}{%% endfor %%}" >t.jinja
	printf '{"id":"a","messages":[{"role":"user","content":[{"type":"text","text":"the"},{"type":"text","text":"mill"}]}]}\n' >parts.jsonl
	quern tokenize-bpe -q -t tok --loss-on all --chat-template t.jinja --format jsonl parts.jsonl | quern tokenize-bpe -q -t tok --decode --format jsonl | grep -qF '"text":"the|mill|"'
}

@test "--count: tokens, bytes and rates, by source and in all" {
	printf '{"id":"a","source":"web","text":"the mill"}\n{"id":"b","source":"book","text":"the stream turns the mill"}\n{"id":"c","source":"web","text":"x"}\n{"id":"d","text":"none"}\n' >d.jsonl
	quern tokenize-bpe -q --no-eos -t tok --count --format jsonl d.jsonl >got
	[ "$(sed 's/.*"source":"\([a-z]*\)","rows":\([0-9]*\),"bytes":\([0-9]*\).*/\1 \2 \3/' got | head -2 | tr '\n' ';')" = 'book 1 25;web 2 9;' ]
	n=$(quern tokenize-bpe -q --no-eos -t tok --format jsonl d.jsonl | grep -o '"input_ids":\[[^]]*' | tr -c '0-9\n' '\n' | grep -c .)
	tail -1 got | grep -q "\"total\":true,\"rows\":4,\"bytes\":38,\"tokens\":$n,"
	quern tokenize-bpe -q --no-eos -t tok --count d.jsonl >table
	[ "$(wc -l <table)" -eq 5 ]
	[ "$(awk 'END {print $1, $2, $3, $NF}' table)" = "4 38 $n total" ]
	quern tokenize-bpe -q --no-eos -t tok --count --stats s.json -o c.txt d.jsonl
	cmp table c.txt
	grep -q "\"tokens\": $n" s.json
	for i in $(seq 300); do cat d.jsonl; done >many.jsonl
	cmp <(quern tokenize-bpe -q -j 1 -t tok --count many.jsonl) <(quern tokenize-bpe -q -j 2 -t tok --count many.jsonl)
	quern tokenize-bpe -q -t tok --count --format jsonl chat.jsonl --rejects r.jsonl | grep -q '"rows":1,'
	status 2 quern tokenize-bpe -t tok --count --decode d.jsonl
	says 'exclude each other'
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

@test "--export writes the tokenizer in other forms, or says why it cannot" {
	quern tokenize-bpe -t "$DATA/token/vocab" --export out/
	cmp "$DATA/token/vocab/merges.txt" out/merges.txt
	quern tokenize-bpe -t tok --export ranks.tiktoken
	[ "$(wc -l <ranks.tiktoken)" -eq 433 ]
	quern tokenize-bpe -t out --export whole.json
	quern tokenize-bpe -q -t out --no-eos --format jsonl "$DATA/token/corpus.jsonl" >a
	quern tokenize-bpe -q -t whole.json --no-eos --format jsonl "$DATA/token/corpus.jsonl" >b
	cmp a b
	status 3 quern tokenize-bpe -t tok --export other/
	says "GPT-2's pattern"
	status 2 quern tokenize-bpe -t tok --export ranks
	says 'tells the form'
	status 2 quern tokenize-bpe -t tok --export a.json chat.jsonl
	says 'reads no FILE'
}

@test "hostile input" {
	quern tokenize-bpe -q -t tok --keep-text "$DATA/token/corpus.jsonl" -o docs.arrows
	hostile docs.arrows tokenize-bpe -t tok --decode
}
