# The tasks of pipelines/tasks, and what generative tasks count: several responses a document, outcomes, other people's responses.
load helper
source "${BATS_TEST_DIRNAME:-.}/data/generate/model.bash"

said() { # ID COMPLETION ANSWER, as JSON would have them
	printf '{"id":"%s","prompt":"q","sample":0,"completion":"%s","completion_ids":[1],"logprob":-1.0,"finish":"eos","answer":"%s"}\n' "$@"
}

value() { grep -o "\"$1\": [^,]*" "$2" | cut -d' ' -f2; }

near() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a - b < 1e-9 && b - a < 1e-9) }' || { echo "$1, want $2"; return 1; }; }

@test "pass@k, avg@k and maj@k of responses that are there" {
	{
		for c in '\\boxed{1/2}' '\\boxed{0.5}' '\\boxed{3}' '\\boxed{3}' '\\boxed{\\frac{1}{2}}'; do said a "$c" 1/2; done
		for c in '<think>?' '\\boxed{3}' '\\boxed{2+1}' '\\boxed{7}' '\\boxed{7}'; do said b "$c" 7; done
		for c in '\\boxed{4}' '\\boxed{5}' '<think>' '<think>' '\\boxed{4}'; do said c "$c" 5; done
	} >c.jsonl
	quern eval -q --task answers --metric acc,pass@1,pass@2,pass@5,avg@3,maj@5,maj@3 c.jsonl -o r.json
	near "$(value acc,none r.json)" 0.33333333333333
	near "$(value pass@1,none r.json)" 0.4                                 # (3 + 2 + 1) / 15
	near "$(value pass@2,none r.json)" 0.66666666666667                    # 1 - C(5-c,2)/10: 0.9, 0.7, 0.4
	[ "$(value pass@5,none r.json)" = 1.0 ]
	near "$(value avg@3,none r.json)" 0.33333333333333                     # 2/3, 0, 1/3
	near "$(value maj@5,none r.json)" 0.33333333333333                     # 1/2, 0.5 and 1/2; 3 and 2+1 before two 7; 4
	near "$(value maj@3,none r.json)" 0.33333333333333
	grep -q '"right":6' r.json
	grep -q '"unparsed":3' r.json
	grep -q '"wrong":6' r.json
	grep -q '"effective": 3' r.json
	quern eval -q --task answers --metric pass@1 --report table c.jsonl | grep -qx 'responses: 6 right, 6 wrong, 3 unparsed, 0 undecided'
	status 3 quern eval --task answers --metric pass@8 c.jsonl
	says 'document 0: pass@8 needs 8 responses, and there are 5'
	status 3 quern eval --task answers --metric pass@0 c.jsonl
	says "metric 'pass@0'"
	quern eval -q --task answers --metric avg@5 --samples s.arrows c.jsonl -o r.json
	quern view --format jsonl s.arrows | grep -q '"outcomes":"\[\\"unparsed:no_answer\\",\\"wrong:'
}

@test "a list of responses in a row, and labels" {
	cat >l.jsonl <<-'END'
		{"answer":"7","completion":["so \\boxed{7}","\\boxed{8}"]}
		{"answer":"9","completion":[]}
		{"answer":"","completion":["\\boxed{1}", "\\boxed{1}"]}
	END
	quern eval -q --task answers --metric pass@2 --rejects no.arrows l.jsonl -o r.json
	[ "$(value pass@2,none r.json)" = 0.5 ]
	grep -q '"undecided":2' r.json
	[ "$(quern view --format jsonl no.arrows | grep -o '"reason":"[a-z_]*"')" = '"reason":"no_prediction"' ]
	# what exact_match ignores, other metrics of the task ignore, too; each filter has its own outcomes
	cat >g.jsonl <<-'END'
		{"answer":"1 and 2.\n#### 1,234","completion":["so #### 1234.","it is $1,234.", "#### 5"]}
	END
	quern eval -q --task gsm8k --metric pass@1,maj@3 g.jsonl -o r.json
	near "$(value pass@1,strict-match r.json)" 0.33333333333333
	near "$(value pass@1,flexible-extract r.json)" 0.66666666666667
	[ "$(value maj@3,strict-match r.json)" = 1.0 ]
	[ "$(value maj@3,flexible-extract r.json)" = 1.0 ]
	grep -q '"strict-match":{"right":1,"wrong":1,"unparsed":1,"undecided":0},"flexible-extract":{"right":2,"wrong":1' r.json
	quern eval -q --task gsm8k --report table g.jsonl | grep -qx 'strict-match: responses: 1 right, 1 wrong, 1 unparsed, 0 undecided'
	# scikit-learn: f1_score(average="macro", labels=[...]) and matthews_corrcoef of the same labels
	cat >k.jsonl <<-'END'
		{"answer":"cat","guess":"cat"}
		{"answer":"cat","guess":" Dog\n"}
		{"answer":"dog","guess":"dog"}
		{"answer":"dog","guess":"a mule"}
		{"answer":"cow","guess":"cow"}
		{"answer":"cat","guess":"cat"}
	END
	quern eval -q --task classification --prediction guess k.jsonl -o r.json
	near "$(value acc,none r.json)" 0.66666666666667
	near "$(value macro_f1,none r.json)" 0.76666666666667
	near "$(value mcc,none r.json)" 0.543557306504609
}

@test "every task makes its prompts, and options stand in an order of their own" {
	make_model
	cat >gpqa.jsonl <<-'END'
		{"Question":"Which?","Correct Answer":"right","Incorrect Answer 1":"one","Incorrect Answer 2":"two","Incorrect Answer 3":"three"}
		{"Question":"Who?","Correct Answer":"right","Incorrect Answer 1":"one","Incorrect Answer 2":"two","Incorrect Answer 3":"three"}
	END
	for seed in 1 2; do
		quern eval -q --seed $seed -m m --batch 2 --task gpqa_diamond -n 8 --context 64 --samples $seed.arrows gpqa.jsonl -o r.json
		quern view --format jsonl $seed.arrows | grep -o '"target":"[^}]*"arguments":"[^]]*"' >$seed.asked
	done
	cmp 1.asked 2.asked
	[ "$(wc -l <1.asked)" = 2 ]
	# the target is the letter at which "right" stands
	while read -r line; do
		letter=$(grep -oE '"target":"\\"[A-D]' <<<"$line" | tail -c2)
		grep -q "\\\\n$letter) right" <<<"$line"
		for other in one two three; do grep -qE "\\\\n[A-D]\) $other" <<<"$line"; done
	done < <(sed 's/\\\\n/\\n/g' 1.asked)
	echo '{"problem":"1+1?","answer":2,"solution":"It is $\\boxed{2}$.","question":"1+1?"}' >math.jsonl
	for t in aime24 aime25 math500; do
		quern eval -q -m m --batch 2 --task $t --repeats 2 --metric pass@2 --context 64 --samples s.arrows math.jsonl -o r.json
		quern view --format jsonl s.arrows | grep -q 'I hope it is correct.*1+1?'
		grep -q '"pass@2,none": [01].0' r.json
	done
	sed 's/"answer":2/"answer":"It is 2.\\n#### 2"/' math.jsonl >gsm.jsonl
	for i in 1 2 3 4 5; do echo '{"question":"'$i'+1?","answer":"#### '$((i + 1))'"}'; done >shots.jsonl
	quern eval -q -m m --task gsm8k --fewshot-data shots.jsonl --samples s.arrows gsm.jsonl -o r.json
	quern view --format jsonl s.arrows | grep -q 'Answer: #### .*Question: 1+1?.*Answer:'
	grep -q 'exact_match,strict-match' r.json
	grep -q 'exact_match,flexible-extract' r.json
	status 2 quern eval -m m --task aime24 -n 4 math.jsonl
	says "looks at 64 responses of a document, and 'repeats' is 4"
	status 2 quern eval --task aime24 -n 4 math.jsonl
	says 'are for -m'
	status 3 quern eval -m m --task aime24 --context 64 gpqa.jsonl
	says "'problem' is undefined"
	sed 's/"Correct Answer"/"Right"/' gpqa.jsonl >hole.jsonl
	status 3 quern eval -m m --task gpqa_diamond --context 64 hole.jsonl
	says "no text in column 'Correct Answer'"
}

# graded TASK GRADER: "TASK ID FOUND WANT" of the golden's rows, with what we say instead
graded() {
	printf 'task: %s\ndoc_to_text: ""\ndoc_to_target: "{{answer}}"\ngrader: %s\n' "$1" "$2" >"$1.yaml"
	grep "\"task\": \"$1\"" "$DATA/lighteval.jsonl" >rows.jsonl
	quern eval -q --task "$1.yaml" --samples s.arrows rows.jsonl -o r.json
	quern view --format jsonl s.arrows | sed -E 's/.*\\"id\\":\\"([0-9]+).*"outcomes":"\[\\"([a-z]+).*/\1 \2/' >ours
	sed -E 's/.*"id": "([0-9]+)".*"want": ([01]).*/\1 \2/' rows.jsonl >theirs
	join ours theirs | awk -v t="$1" '($2 == "right") != $3 || (t ~ /letter|anywhere/ && $2 == "wrong") { print t, $1 }'
}

@test "answers are those that lighteval finds, except where the list says why" {
	{
		graded letter choice
		[ "$(wc -l <ours)" = 252 ]
		graded anywhere choice_anywhere
		graded expr lighteval
		[ "$(wc -l <ours)" = 450 ]
		graded latex lighteval
	} >differ
	diff <(cut -d' ' -f1,2 "$DATA/lighteval.differences") differ
}

@test "IFEval: prompts and instructions, strict and loose" {
	cat >i.jsonl <<-'END'
		{"key":1,"prompt":"p","instruction_id_list":["punctuation:no_comma","keywords:existence"],"kwargs":[{},{"keywords":["mill"]}],"completion":"a mill"}
		{"key":2,"prompt":"p","instruction_id_list":["punctuation:no_comma"],"kwargs":[{"num_words":null}],"completion":"Sure, here:\na mill"}
		{"key":3,"prompt":"p","instruction_id_list":["startend:quotation","detectable_format:title"],"kwargs":[{},{}],"completion":"<<T>>, no quote"}
		{"key":4,"prompt":"p","instruction_id_list":["startend:quotation"],"kwargs":[{}],"completion":"  "}
	END
	quern eval -q --task ifeval i.jsonl -o r.json
	[ "$(value prompt_level_strict_acc,none r.json)" = 0.25 ]
	[ "$(value inst_level_strict_acc,none r.json)" = 0.5 ]
	[ "$(value prompt_level_loose_acc,none r.json)" = 0.5 ]
	near "$(value inst_level_loose_acc,none r.json)" 0.66666666666667
	quern eval -q --task ifeval --metric pass@1,acc i.jsonl -o r.json
	[ "$(value pass@1,none r.json)" = 0.25 ]
	sed 's/startend:quotation/startend:song/' i.jsonl >bad.jsonl
	status 3 quern eval --task ifeval bad.jsonl
	says "document 2: there is no instruction 'startend:song'"
	sed 's/"keywords":\["mill"\]/"keywords":[]/' i.jsonl >bad.jsonl
	status 3 quern eval --task ifeval bad.jsonl
	says "document 0: keywords:existence: there is no argument 'keywords'"
	sed 's/"keywords":\["mill"\]/"keywords":["(mill"]/' i.jsonl >bad.jsonl
	status 3 quern eval --task ifeval bad.jsonl
	says 'keywords:existence: '
	sed 's/"kwargs"/"args"/' i.jsonl >bad.jsonl
	status 3 quern eval --task ifeval bad.jsonl
	says "columns 'instruction_id_list' and 'kwargs' are needed"
	# a pattern that explodes costs its document, not the run
	printf '{"instruction_id_list":["keywords:existence"],"kwargs":[{"keywords":["(a|aa)+$"]}],"completion":"%s"}\n' "$(printf 'a%.0s' {1..60})!" >slow.jsonl
	within 60 quern eval -q --task ifeval slow.jsonl -o r.json
	grep -q '"undecided":1' r.json
}

sandbox_or_skip() {
	quern score -q --code --code-run true --format jsonl <<<'{"id":"a","prompt":"q","sample":0,"completion":"x"}' >/dev/null 2>probe || true
	if grep -q 'gives no sandbox' probe; then skip "this machine gives no unprivileged namespaces: $(head -1 probe)"; fi
}

@test "code: pass@k of programs in the sandbox, and what hangs, forks or eats memory" {
	sandbox_or_skip
	printf 'task: sh\ndoc_to_text: ""\ndoc_to_target: 0\ngrader: code\nmetric_list: [{metric: pass@1}, {metric: pass@2}]\n' >sh.yaml
	run() { # ID CODE
		printf '{"id":"%s","completion":"```sh\\n%s\\n```","verification_info":{"language":"sh","test_cases":[{"input":"","output":"4"}]}}\n' "$1" "$2"
	}
	{
		run a 'echo 4'
		run a 'sleep 100'
		run b 'f() { f | f & }; f; echo 5'
		run b 'x=1; while :; do x=$x$x; done'
		run c 'exit 1'
		printf '{"id":"c","completion":"four"}\n'
	} >c.jsonl
	sed -i 's/"completion":"four"/&,"verification_info":{"language":"sh","test_cases":[{"input":"","output":"4"}]}/' c.jsonl
	status 2 quern eval --task sh.yaml c.jsonl
	says 'the task runs what the model wrote: --code allows it'
	quern eval -q --task sh.yaml --code --code-timeout 4 --code-memory 64M --samples s.arrows c.jsonl -o r.json
	near "$(value pass@1,none r.json)" 0.16666666666667
	near "$(value pass@2,none r.json)" 0.33333333333333
	grep -q '"right":1,"wrong":5' r.json
	quern view --format jsonl s.arrows | grep -q 'right:passed.*wrong:timeout'
	grep -v sleep c.jsonl | sed 's/"id":"[abc]"/"id":"a"/' >j.jsonl
	for j in 1 2; do quern eval -q -j$j --task sh.yaml --code j.jsonl | grep -v provenance >j$j; done
	cmp j1 j2
}

@test "HumanEval and MBPP" {
	sandbox_or_skip
	command -v python3 >/dev/null || skip "there is no python3 to run the code"
	cat >he.jsonl <<-'END'
		{"task_id":"t/0","prompt":"def add(a, b):\n    \"\"\"Sum.\"\"\"\n","entry_point":"add","test":"def check(f):\n    assert f(1, 2) == 3\n","completion":["    return a + b\n","    return a - b\n","Sure:\n```python\ndef add(a, b):\n    return b + a\n```"]}
	END
	quern eval -q --task humaneval --metric pass@1,pass@2 --code he.jsonl -o r.json
	near "$(value pass@1,none r.json)" 0.66666666666667
	[ "$(value pass@2,none r.json)" = 1.0 ]
	cat >mbpp.jsonl <<-'END'
		{"task_id":1,"text":"Add.","code":"def add(a, b):\n  return a + b","test_list":["assert add(1, 2) == 3","assert add(0, 0) == 0","assert add(2, 2) == 4"],"completion":"def add(a, b):\n  return a + b\n"}
	END
	quern eval -q --task mbpp --code mbpp.jsonl -o r.json
	[ "$(value pass@1,none r.json)" = 1.0 ]
	make_model
	for i in 1 2 3; do cat mbpp.jsonl; done >shots.jsonl
	quern eval -q -m m --task mbpp --code --fewshot-data shots.jsonl --samples s.arrows mbpp.jsonl -o r.json
	quern view --format jsonl s.arrows | grep -q '\[DONE\].*Your code should pass these tests'
	grep -q '"n-shot"' r.json
}

@test "a chat model is asked under its template" {
	make_model
	printf 'task: c\ndoc_to_text: "{{q}}"\ngen_prefix: "So"\ndoc_to_target: "{{answer}}"\ngeneration_kwargs: {max_gen_toks: 4, until: []}\n' >c.yaml
	echo '{"q":"xy","answer":"y"}' >d.jsonl
	quern eval -q -m m --task c.yaml --stats plain.json d.jsonl -o plain
	quern eval -q -m m --task c.yaml --apply-chat-template --stats chat.json d.jsonl -o chat
	tokens() { grep -oE '"tokens": *[0-9]+' "$1" | grep -oE '[0-9]+'; }
	# bytes are tokens: the template's around "xy", then the prefix
	echo '{"id":"d","messages":[{"role":"user","content":"xy"},{"role":"assistant","content":""}]}' |
		quern tokenize-bpe -q -t m --format jsonl | grep -o '"input_ids":\[[^]]*' | tr ',' '\n' | wc -l >whole
	[ "$(tokens chat.json)" -gt "$(tokens plain.json)" ]
	[ "$(tokens chat.json)" -le $(($(cat whole) + 2 + 4)) ]
	# choices behind a conversation: examples are turns, or text of one
	printf '%s\n' 'task: k' 'output_type: multiple_choice' 'description: "Say."' 'doc_to_text: "{{q}}"' 'doc_to_choice: [u, v]' \
		'doc_to_target: 1' 'num_fewshot: 1' 'metric_list: [{metric: acc}]' >k.yaml
	printf '{"q":"%s","answer":"y"}\n' a b >two.jsonl
	k() { quern eval -q -m m --task k.yaml --samples k.arrows --apply-chat-template "$@" two.jsonl -o k; quern view --columns arguments --format text k.arrows; }
	k | grep -qF '<|im_start|>system\nSay.<|im_end|>\n<|im_start|>user\nb<|im_end|>\n<|im_start|>assistant\nv<|im_end|>\n<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n","u"'
	k --fewshot-as text | grep -qF '<|im_start|>user\nb v\n\na<|im_end|>\n<|im_start|>assistant\n","v"'
	status 2 quern eval -m m --task k.yaml --fewshot-as text two.jsonl
	status 2 quern eval -m m --task "$DATA/tasks/roll.yaml" --apply-chat-template "$DATA/tasks/docs.jsonl"
	# a template that has no system's turn does without; one that refuses all ends the run
	cp -r m refusing
	sed -i "s/{% for message in messages %}/{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}&/" refusing/tokenizer_config.json
	quern eval -q -m refusing --task k.yaml --samples k.arrows --apply-chat-template two.jsonl -o k
	quern view --columns arguments --format text k.arrows | grep -qF '"<|im_start|>user\nb<|im_end|>'
	sed -i "s/{% for message in messages %}/{{ raise_exception('not today') }}&/" refusing/tokenizer_config.json
	status 3 quern eval -m refusing --task k.yaml --apply-chat-template two.jsonl
	says 'document 0: .*not today'
	rm m/chat_template.jinja 2>/dev/null || sed -i 's/"chat_template"/"no_template"/' m/tokenizer_config.json
	status 3 quern eval -m m --task c.yaml --apply-chat-template d.jsonl
	says 'template'
}

@test "hostile tasks and documents" {
	make_model
	echo '{"q":"x","answer":"y"}' >d.jsonl
	# files that include themselves, each other, or very much
	printf 'include: me.yaml\ntask: me\n' >me.yaml
	status 3 within 60 quern eval -m m --task me.yaml d.jsonl
	says 'files that include each other, or too many of them'
	printf 'include: [two.yaml, two.yaml, two.yaml, two.yaml]\n' >one.yaml
	printf 'include: [one.yaml, one.yaml, one.yaml, one.yaml]\n' >two.yaml
	status 3 within 60 quern eval -m m --task one.yaml d.jsonl
	says 'files that include each other, or too many of them'
	# templates that never end, grow, or nest
	bomb() {
		printf 'task: b\ndoc_to_text: "%s"\ndoc_to_target: y\n' "$1" >bomb.yaml
		status 3 within 60 quern eval -m m --task bomb.yaml d.jsonl
	}
	bomb '{%% for a in range(99999999) %%}{%% for b in range(99999999) %%}{%% endfor %%}{%% endfor %%}'
	bomb "{%% set x = namespace(v='a' * 1000) %%}{%% for a in range(1000) %%}{%% set x.v = x.v + x.v %%}{%% endfor %%}{{ x.v }}"
	bomb "$(printf '{{ %s1%s }}' "$(printf '(%.0s' {1..5000})" "$(printf ')%.0s' {1..5000})")"
	# a million choices
	printf 'task: c\noutput_type: multiple_choice\ndoc_to_text: q\ndoc_to_choice: choices\ndoc_to_target: 0\n' >many.yaml
	{
		printf '{"q":"x","choices":["a"'
		yes ',"b"' | head -n 999999 | tr -d '\n'
		printf ']}\n'
	} >many.jsonl
	status 3 within 60 quern eval -m m --task many.yaml many.jsonl
	says 'document 0: .*choices'
	# nothing to measure, nothing to ask
	: >none.jsonl
	status 3 quern eval -m m --task many.yaml none.jsonl
	status 3 quern eval --task answers none.jsonl
	echo '{}' >empty.jsonl
	status 3 quern eval --task answers empty.jsonl
	says "there is no column 'completion' of responses"
	echo '{"completion":"4"}' >empty.jsonl
	status 3 quern eval --task answers empty.jsonl
	says "document 0: .*'answer' is undefined"
	echo '{"q":"","choices":[]}' >empty.jsonl
	status 3 quern eval -m m --task many.yaml empty.jsonl
	says 'there are no choices'
	# what a file may not ask for
	refused() { # REGEX LINES
		printf 'task: r\ndoc_to_text: q\ndoc_to_target: answer\n%b' "$2" >r.yaml
		status 3 quern eval -m m --task r.yaml d.jsonl
		says "$1"
	}
	refused "grader 'nobody' is not supported" 'grader: nobody\n'
	refused "'grader' is for generate_until" 'output_type: loglikelihood\ngrader: quern\n'
	refused "metric 'pass@5000'" 'metric_list: [{metric: pass@5000}]\n'
	refused "metric 'inst_level_strict_acc' needs 'grader: ifeval'" 'metric_list: [{metric: inst_level_strict_acc}]\n'
	refused "metric 'macro_f1' compares texts" 'grader: quern\nmetric_list: [{metric: macro_f1}]\n'
	refused "metric 'maj@2'" 'grader: code\nmetric_list: [{metric: maj@2}]\n'
	refused "'shuffle' needs options" 'shuffle: {options: [q]}\n'
	refused "no text in column 'b'" 'shuffle: {options: [q, b], seed: q}\n'
	status 3 quern eval --task gpqa_diamond <<<'{"Question":"?","Correct Answer":"r","completion":"A"}'
	says "no text in column 'Incorrect Answer [123]'"
	status 2 quern eval --task perplexity -m m --repeats 2 d.jsonl
	says 'are for task files'
}

@test "a model that says what is no number ends in words" {
	make_model
	cp -r m nan
	# the last tensor of the file, all of it: floats of the bits 7fc00000
	printf '\0\0\300\177%.0s' {1..32} | dd of=nan/model.safetensors bs=1 seek=$(($(stat -c %s nan/model.safetensors) - 128)) conv=notrunc status=none
	head -n 3 "$DATA/tasks/docs.jsonl" >d.jsonl
	local task
	for task in mc lam roll; do
		status 3 quern eval -m nan --task "$DATA/tasks/$task.yaml" --fewshot-data "$DATA/tasks/shots.jsonl" d.jsonl
		says 'document 0: the (log-probability .*is not a number|model.s outputs are no numbers)'
	done
	status 3 quern eval -m nan --task perplexity d.jsonl
	says 'not a number|no numbers'
	status 3 quern eval -m nan --task "$DATA/tasks/mc.yaml" --fewshot-data "$DATA/tasks/shots.jsonl" --cache c d.jsonl
	quern eval -q -m m --task "$DATA/tasks/mc.yaml" --fewshot-data "$DATA/tasks/shots.jsonl" --cache c d.jsonl -o r.json
}

@test "requests that are rendered already: context and choices, context and continuation" {
	quern init-model -q --preset tiny -t "$DATA/generate/tokenizer" --hidden 32 --layers 1 --heads 4 --kv-heads 2 --ffn 64 \
		--positions 128 --init-range 0.3 --seed 3 -o m
	printf '{"context":"The {{ sky }} is","choices":[" blue"," a green"," "],"answer":%s}\n' 0 1 2 1 >c.jsonl
	sed 's/"answer":0/"answer":" blue"/; s/"answer":1/"answer":" a green"/; s/"answer":2/"answer":" "/' c.jsonl >text.jsonl
	for i in c text; do quern eval -q -m m --task choices --samples $i.arrows $i.jsonl -o $i.json; done
	[ "$(grep '"acc' c.json)" = "$(grep '"acc' text.json)" ]
	quern view --format jsonl c.arrows | head -1 | grep -qF '"arguments":"[[\"The {{ sky }} is\",\" blue\"],[\"The {{ sky }} is\",\" a green\"],[\"The {{ sky }} is\",\" \"]]"'
	# the row of each choice is right once, of one of them twice: so is the share
	grep -qE '"acc,none": 0.(25|5)' c.json
	printf '{"context":"The {{ sky }} is","continuation":"%s"}\n' ' blue' ' a green' ' ' >k.jsonl
	quern eval -q -m m --task continuation --samples k.arrows k.jsonl -o k.json
	grep -q '"perplexity,none"' k.json
	# the log-probabilities are the same
	quern view --format jsonl k.arrows | grep -oE '"resps":"\[\[-[0-9.]+' | grep -oE -- '-[0-9.]+' >one
	quern view --format jsonl c.arrows | head -1 | grep -oE '"resps":"[^"]*' | grep -oE -- '-[0-9.]+' >all
	cmp one all
	status 3 quern eval -m m --task choices <(echo '{"context":"a","choices":[]}')
	status 3 quern eval -m m --task continuation <(echo '{"context":"a"}')
}
