load helper

prepare() {
	quern bpe-train -q --pattern llama3 --vocab-size 520 "$DATA/token/corpus.jsonl" -o tok
}

@test "the vocabulary is that of Hugging Face's trainer" {
	for p in gpt2 llama3 qwen2 o200k; do
		quern bpe-train -q --pattern "$p" --vocab-size 520 "$DATA/token/corpus.jsonl" -o "$p"
		for t in "$p" "$DATA/token/$p.json"; do quern tokenize-bpe -q --format jsonl --eos-token '<|endoftext|>' -t "$t" "$DATA/token/corpus.jsonl"; done >both
		[ "$(sort both | uniq -c | awk '$1 % 2' | wc -l)" -eq 0 ]
		cat "$DATA/token/$p.json" | tr -d ' \n' | grep -ao '"merges":.*' | tr -d ']}' | head -c 200 >want
		tr -d ' \n' <"$p/tokenizer.json" | grep -ao '"merges":.*' | tr -d ']}' | head -c 200 >got
		[ -s want ] && cmp want got
	done
}

# merges FILE: what is behind "merges", without layout and closing brackets
merges() { tr -d ' \n' <"$1" | grep -ao '"merges":.*' | tr -d ']}'; }

@test "other options are the reference's too" {
	local line rest
	while read -r line rest; do
		sed -n "${line}p" "$DATA/token/trained.jsonl" >case
		quern bpe-train -q $rest "$DATA/token/corpus.jsonl" -o made
		merges case >want
		merges made/tokenizer.json >got
		[ "$(wc -c <want)" -gt 300 ] && cmp want got
	done <<-'END'
		2 --pattern gpt2 --max-token-length 4 --vocab-size 520
		4 --pattern llama3 --limit-alphabet 9 --vocab-size 200
		6 --pattern llama3 --limit-alphabet 200 --vocab-size 320
		7 --pattern \w+|[^\w\s]+ --min-frequency 30 --vocab-size 520
		8 --pattern gpt2 --limit-alphabet 20 --max-token-length 5 --min-frequency 9 --vocab-size 400
		9 --pattern llama3 --special <s> --special the --special Ġgrain --special in --special 水車 --vocab-size 400
	END
}

@test "bytes without a token are lost in encoding, as in the reference" {
	printf '{"id":"a","text":"aaab aaab aab c"}\n' >in.jsonl
	quern bpe-train -q --pattern gpt2 --limit-alphabet 2 --special '<s>' --vocab-size 5 --chat-template none in.jsonl -o two
	grep -q '"aa": 3' two/tokenizer.json
	[ "$(quern tokenize-bpe -q --format jsonl --eos-token '<s>' -t two in.jsonl | grep -o '"input_ids":[^]]*]')" = '"input_ids":[3,4,3,4,3,2,0]' ]
}

@test "words that do not fit go to disk, and the result is the same" {
	for i in 1 2 3; do cat "$DATA/token/corpus.jsonl"; done >in.jsonl
	seq 100000 | tr 0-9 a-j | sed 's/.*/{"id":"&","text":"& words"}/' >>in.jsonl
	mkdir tmp
	quern bpe-train -q --pattern gpt2 --vocab-size 600 in.jsonl -o out
	mv out plain
	for j in 1 2; do
		TMPDIR=$PWD/tmp quern bpe-train -q -j $j --stats stats --pattern gpt2 --vocab-size 600 --memory 64Ki in.jsonl -o out
		[ "$(sed -n 's/.*"runs": *\([0-9]*\).*/\1/p' stats)" -gt 3 ]
		cmp plain/tokenizer.json out/tokenizer.json
		cmp plain/provenance.json out/provenance.json
	done
	[ -z "$(ls -A tmp)" ]
	TMPDIR=$PWD/none status 1 quern bpe-train --memory 64Ki in.jsonl -o y
	says 'none/quern'
	(ulimit -f 100; status 1 quern bpe-train --memory 64Ki in.jsonl -o y)
	says 'cannot write the temporary file of words: File too large'
	[ ! -e y/tokenizer.json ]
}

@test "the directory holds tokenizer, configuration and provenance" {
	[ -s tok/tokenizer.json ] && [ -s tok/tokenizer_config.json ]
	tr -d ' \n' <tok/special_tokens_map.json | grep -q '^{"eos_token":{"content":"<|im_end|>",.*"pad_token":{"content":"<|endoftext|>","lstrip":false,'
	grep -q '"eos_token": "<|im_end|>"' tok/tokenizer_config.json
	grep -q '"chat_template"' tok/tokenizer_config.json
	grep -q '"tool":"bpe-train"' tok/provenance.json
	grep -q '"rows":43' tok/provenance.json
}

@test "-j 1 and -j 2 give the same files" {
	for i in $(seq 40); do cat "$DATA/token/corpus.jsonl"; done >many.jsonl
	for j in 1 2; do quern bpe-train -q -j $j --vocab-size 700 many.jsonl -o out; mv out "j$j"; done
	cmp j1/tokenizer.json j2/tokenizer.json
	cmp j1/provenance.json j2/provenance.json
}

@test "special tokens, patterns and templates are as asked for" {
	quern bpe-train -q --vocab-size 300 --special '<s>' --special '</s>' --chat-template none --digits individual "$DATA/token/corpus.jsonl" -o a
	grep -q '"<s>": 0' a/tokenizer.json && grep -q '"</s>": 1' a/tokenizer.json
	grep -q '"individual_digits": true' a/tokenizer.json
	! grep -q chat_template a/tokenizer_config.json || return 1
	printf '{{ messages[0].content }}' >t.jinja
	quern bpe-train -q --vocab-size 300 --pattern '\w+|\s+|.' --chat-template t.jinja "$DATA/token/corpus.jsonl" -o b
	grep -qF '"Regex": "\\w+|\\s+|."' b/tokenizer.json
	grep -qF 'messages[0].content' b/tokenizer_config.json
}

@test "min-frequency ends the merging, and a warning says so" {
	quern bpe-train --min-frequency 1000000 --vocab-size 5000 "$DATA/token/corpus.jsonl" -o c 2>err
	grep -q 'gives 259 tokens only' err
	grep -q '"merges": \[\]' c/tokenizer.json
}

@test "conversations count by their contents" {
	printf '{"id":"a","messages":[{"role":"user","content":"zzzzzzzz zzzz"}]}\n' >chat.jsonl
	quern bpe-train -q --vocab-size 261 chat.jsonl -o d
	grep -q '"zz": 259' d/tokenizer.json
}

@test "mistakes are named" {
	status 2 quern bpe-train --vocab-size 258 --special '<a>' --special '<b>' --special '<c>' "$DATA/token/corpus.jsonl" -o x
	says 'no room|must be|at least|257'
	status 2 quern bpe-train --pattern '(' "$DATA/token/corpus.jsonl" -o x
	says 'pattern'
	status 2 quern bpe-train --pattern 'a{1,3}+' "$DATA/token/corpus.jsonl" -o x
	says 'possessive'
	status 2 quern bpe-train --special x "$DATA/token/corpus.jsonl" -o x
	says 'two characters'
	status 2 quern bpe-train --special $'<\xff>' "$DATA/token/corpus.jsonl" -o x
	says 'UTF-8'
	for o in limit-alphabet=257 limit-alphabet=-1 max-token-length=-1 memory=1 vocab-size=3000000 min-frequency=-1; do
		status 2 quern bpe-train --$o "$DATA/token/corpus.jsonl" -o x
		says "${o%=*}"
	done
	status 2 quern bpe-train "$DATA/token/corpus.jsonl"
	says '-o'
	status 3 quern bpe-train -o x </dev/null
	status 3 quern bpe-train -o x <<<'{"nothing":1}'
	status 3 quern bpe-train -o x < <(printf '{"id":"\xff\xfe","text":"\xc3"}\n')
	status 3 quern bpe-train -o x < <(head -c 4096 /bin/sh)
	status 1 quern bpe-train -o x no-such-file
	[ ! -e x/tokenizer.json ]
}

@test "a truncated stream leaves no tokenizer" {
	quern tokenize-bpe -q --keep-text -t tok "$DATA/token/corpus.jsonl" -o docs.arrows
	head -c -8 docs.arrows >cut.arrows
	status 3 quern bpe-train --vocab-size 300 cut.arrows -o y
	[ ! -e y/tokenizer.json ]
}
