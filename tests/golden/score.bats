load helper
source "${BATS_TEST_DIRNAME:-.}/data/generate/model.bash"

row() { # ID SAMPLE COMPLETION ANSWER
	printf '{"id":"%s","prompt":[{"role":"user","content":"q"}],"sample":%d,"completion":"%s","completion_ids":[1,2],"logprob":-1.5,"finish":"eos","answer":%s}\n' \
		"$1" "$2" "$3" "$4"
}

prepare() {
	{
		row a 0 '<think>1+1</think><answer>2</answer>' '"2"'
		row a 1 'so it is 2.0' '"2"'
		row a 2 '<think>2' '"2"'
		row b 0 '<answer>3</answer>' '"2"'
		row c 0 'anything' '""'
	} >c.jsonl
}

@test "rewards, their weighted sum and the verdict" {
	quern score -q -r accuracy,format_loose=0.5 --format jsonl c.jsonl | sed 's/.*"answer":"[^"]*",//' >out
	cat >want <<-'END'
	"score":1.5,"reward_accuracy":1.0,"reward_format_loose":1.0,"verdict":"equal:number"}
	"score":1.0,"reward_accuracy":1.0,"reward_format_loose":0.0,"verdict":"equal:number"}
	"score":0.0,"reward_accuracy":0.0,"reward_format_loose":0.0,"verdict":"different:no_answer"}
	"score":0.0,"reward_accuracy":0.0,"reward_format_loose":0.0,"verdict":"different:number"}
	END
	diff want out
}

@test "a row without a right answer is rejected, unless no reward asks for it" {
	quern score -r accuracy,format --format jsonl --rejects r.jsonl c.jsonl 2>err >out
	[ "$(wc -l <out)" -eq 4 ]
	grep -q 'no_gold 1' err
	grep -q '"reason":"no_gold"' r.jsonl
	row d 0 'x' '"\\\\frac{1}{"' >bad.jsonl
	quern score -q -r accuracy --format jsonl --rejects r.jsonl bad.jsonl >out
	[ ! -s out ]
	grep -q '"reason":"gold_unreadable"' r.jsonl
	quern score -q -r accuracy --profile open-r1-2025-02 --format jsonl bad.jsonl | grep -q '"score":1.0,.*equal:gold_unreadable'
	[ "$(quern score -q -r format --format jsonl c.jsonl | wc -l)" -eq 5 ]
}

@test "profiles judge as the graders they are named for" {
	row a 0 'so $x^2-25=0$' '"0"' >p.jsonl
	row b 0 'the answer is $\\\\boxed{0.3333333}$' '"1/3"' >>p.jsonl
	row c 0 'A: 7 or #### 8' '"8"' >>p.jsonl
	verdicts() { quern score -q -r accuracy --profile "$1" --format jsonl p.jsonl | grep -o '"verdict":"[a-z]*' | cut -d'"' -f4 | tr '\n' ' '; }
	[ "$(verdicts quern)" = "different equal equal " ]
	[ "$(verdicts math-verify)" = "equal equal equal " ]
	[ "$(verdicts gsm8k-strict)" = "different different equal " ]
	[ "$(verdicts hendrycks)" = "different different different " ]
	status 2 quern score -r accuracy --profile mine p.jsonl
	says "no profile is called 'mine'; there are quern, math-verify"
}

@test "--audit streams the rows on which two profiles disagree" {
	row a 0 'so $x^2-25=0$' '"0"' >p.jsonl
	row b 0 'the answer is 5' '"5"' >>p.jsonl
	quern score --audit quern,math-verify --format jsonl p.jsonl >out 2>err
	[ "$(wc -l <out)" -eq 1 ]
	grep -q '"id":"a".*"verdict_a":"different:shape","verdict_b":"equal:number"' out
	quern score -q --audit quern,math-verify p.jsonl | quern view --count | grep -qw 1
	status 2 quern score --audit quern p.jsonl
	status 2 quern score --audit quern,mine p.jsonl
	status 2 quern score --audit quern,minerva -r format p.jsonl
}

@test "scores can be scored again: the columns are replaced, others stay" {
	quern score -q -r accuracy c.jsonl -o s.arrows
	quern score -q -r format_loose -r tag_count --format jsonl s.arrows | head -1 >out
	[ "$(grep -o '"score"' out | wc -l)" -eq 1 ]
	grep -q '"reward_accuracy":1.0,"score":1.0,"reward_format_loose":1.0,"reward_tag_count":0.0}' out
}

@test "the answers may stand in another column" {
	sed 's/"answer"/"truth"/' c.jsonl >t.jsonl
	quern score -q -r accuracy --answer truth --format jsonl t.jsonl | head -1 | grep -q '"verdict":"equal:number"'
	status 3 quern score -r accuracy t.jsonl
	says "no text column 'answer'"
}

@test "preferences get the reference's log-probabilities of each reply" {
	make_model
	reply() { printf '[{"role":"assistant","content":"%s"}]' "$1"; }
	for i in 1 2 3; do
		printf '{"id":"%d","prompt":[{"role":"user","content":"%d?"}],"chosen":%s,"rejected":%s,"margin":0.5}\n' $i $i \
			"$(reply yes)" "$(reply "no $i")"
	done >pairs.jsonl
	quern score -q --ref m --format jsonl pairs.jsonl >out
	[ "$(grep -cE '"margin":0.5,"ref_chosen_logp":-[0-9.]+,"ref_rejected_logp":-[0-9.]+}' out)" -eq 3 ]
	# the same numbers whatever the rows are scored with
	head -1 pairs.jsonl | quern score -q --ref m --format jsonl | cmp - <(head -1 out)
	same_bytes_for_any_j pairs.jsonl score --ref m
	# the columns are, to the bit, what dpo-train computes itself
	quern score -q --ref m pairs.jsonl | quern dpo-train -q -m m -o with
	quern dpo-train -q -m m pairs.jsonl -o without
	cmp with/model.safetensors without/model.safetensors
	! cmp -s with/model.safetensors m/model.safetensors || return 1
	printf '{"id":"l","prompt":[{"role":"user","content":"%0200d"}],"chosen":%s,"rejected":%s,"margin":0}\n' 0 \
		"$(reply a)" "$(reply b)" >>pairs.jsonl
	quern score --ref m --format jsonl pairs.jsonl 2>err >out
	[ "$(wc -l <out)" -eq 3 ]
	grep -q 'too_long 1' err
}

@test "completions of other makers need no tokens" {
	echo '{"id":"a","prompt":"what is 1+1?","sample":0,"completion":"it is 2","answer":"2"}' >own.jsonl
	quern score -q -r accuracy,soft_overlong --format jsonl own.jsonl >out
	grep -q '"score":1.0,"reward_accuracy":1.0,"verdict":"equal:number"' out
	echo '{"prompt":"what is 1+1?","completion":"it is 2","answer":"2"}' >own.jsonl
	quern score -q -r accuracy --format jsonl own.jsonl | grep -q '"score":1.0,"reward_accuracy":1.0,"verdict":"equal:number"'
	status 3 quern score -r len own.jsonl
	says "reward len: there is no column 'id: utf8'"
}

@test "each rule is a column, with open-r1's parameters" {
	{
		row a 0 '<think>\nStep 1: two and two\n</think>\n<answer>\n4\n</answer>' '"4"'
		row a 1 'it is 4' '"4"'
		row a 2 'it is 5' '"4"'
	} >r.jsonl
	local all=format,format_loose,code_format,tag_count,reasoning_steps,cosine,len,exact_match,contains,regex,length,json_valid
	quern score -q -r $all --regex '^it\b' --contains '4' --length-max 10 --cosine-max-len 14 --cosine-max-value-correct 2 \
		--cosine-min-value-wrong -3 --format jsonl r.jsonl | sed 's/.*"score":[-0-9.]*,//; s/reward_//g' >out
	cat >want <<-'END'
	"format":1.0,"format_loose":1.0,"code_format":0.0,"tag_count":1.0,"reasoning_steps":0.33333334,"cosine":1.9811959,"len":-0.5,"exact_match":0.0,"contains":1.0,"regex":0.0,"length":0.0,"json_valid":0.0,"verdict":"equal:number"}
	"format":0.0,"format_loose":0.0,"code_format":0.0,"tag_count":0.0,"reasoning_steps":0.0,"cosine":1.25,"len":0.5,"exact_match":0.0,"contains":1.0,"regex":1.0,"length":1.0,"json_valid":0.0,"verdict":"equal:number"}
	"format":0.0,"format_loose":0.0,"code_format":0.0,"tag_count":0.0,"reasoning_steps":0.0,"cosine":-1.75,"len":0.0,"exact_match":0.0,"contains":0.0,"regex":1.0,"length":1.0,"json_valid":0.0,"verdict":"different:number"}
	END
	diff want out
	row b 0 'A b a b a b' '"x"' >b.jsonl
	quern score -q -r repetition_penalty --repetition-n-grams 2 --repetition-max-penalty -2 --format jsonl b.jsonl | grep -q '"score":-1.2'
	quern score -q -r soft_overlong --max-completion-len 3 --soft-punish-cache 2 --format jsonl b.jsonl | grep -q '"score":-0.5'
}

@test "len looks at the completions of a prompt, over batches and files" {
	row PROMPT 0 COMPLETION '"2"' >form # as a shell's loop over thousands of rows would take longer than all else
	awk '{ for (p = 1; p <= 300; p++) for (i = 0; i < 10; i++) {
		r = $0; sub("PROMPT", "p" p, r); sub("\"sample\":0", "\"sample\":" i, r); sub("COMPLETION", sprintf("%0*d", 10 + i, 2), r); print r } }' form >g.jsonl
	quern score -q -r len --format jsonl g.jsonl >all
	[ "$(wc -l <all)" -eq 3000 ]
	[ "$(grep -c '"score":0.5' all)" -eq 300 ]
	[ "$(grep -c '"score":-0.5' all)" -eq 300 ]
	head -n 1234 g.jsonl >one.jsonl
	tail -n +1235 g.jsonl >two.jsonl
	quern score -q -r len --format jsonl one.jsonl two.jsonl | cmp - all
	row same 0 x '"2"' | awk '{ for (i = 1; i <= 5000; i++) { r = $0; sub("\"sample\":0", "\"sample\":" i, r); print r } }' >same.jsonl
	status 3 quern score -r len same.jsonl
	says "more than 4096 rows"
	quern score -q -r format same.jsonl -o same.arrows
}

@test "a pattern that does not end costs its row, not the run" {
	{ row a 0 "$(printf 'a%.0s' $(seq 4000))" '"2"'; row b 0 'ab' '"2"'; } >p.jsonl
	quern score -r regex --regex '^(a|aa)+[bc]$' --format jsonl p.jsonl >out 2>err
	[ "$(wc -l <out)" -eq 1 ]
	grep -q 'regex_limit 1' err
}

@test "mistakes in the request are usage errors" {
	status 2 quern score c.jsonl
	says "-r is needed"
	status 2 quern score -r acuracy c.jsonl
	status 2 quern score -r accuracy,accuracy c.jsonl
	status 2 quern score -r logprob c.jsonl
	status 2 quern score -r format=much c.jsonl
	status 2 quern score -r regex c.jsonl
	status 2 quern score -r regex --regex '(' c.jsonl
	says "position 2"
	status 2 quern score -r length c.jsonl
	status 2 quern score -r code c.jsonl
	says "--code allows it"
	status 2 quern score -r format --repetition-max-penalty 1 c.jsonl
	status 3 quern score --ref m c.jsonl
	sed 's/"completion_ids":.1,2./"completion_ids":"1,2"/' c.jsonl >t.jsonl
	status 3 quern score -r format t.jsonl
	says "no list of int32"
}

@test "threads change nothing; hostile inputs" {
	for i in $(seq 200); do row "r$i" 0 "<think>x</think><answer>$i</answer>" "\"$((i / 2 * 2))\""; done >many.jsonl
	same_bytes_for_any_j many.jsonl score --audit quern,gsm8k-strict
	same_bytes_for_any_j many.jsonl score -r accuracy,format,cosine,repetition_penalty,reasoning_steps,tag_count,soft_overlong,len,json_valid,contains
	quern score -q -r accuracy many.jsonl -o good
	hostile good score -r accuracy,format
}
