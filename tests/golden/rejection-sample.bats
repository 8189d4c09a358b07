load helper

row() { # ID SAMPLE COMPLETION SCORE
	printf '{"id":"%s","prompt":[{"role":"user","content":"%s?"}],"sample":%d,"completion":"%s","score":%s,"reward_format":1.0,"level":7}\n' \
		"$1" "$1" "$2" "$3" "$4"
}

many() { # ROWS GROUP: rows in groups of that size, scored by their place in it
	awk -v n="$1" -v g="$2" 'BEGIN { for (i = 0; i < n; i++) printf "{\"id\":\"g%d\",\"prompt\":[{\"role\":\"user\",\"content\":\"q\"}],\"sample\":%d,\"completion\":\"t%d\",\"score\":%.4f}\n", int(i / g), i % g, i % g, i % g / g }'
}

prepare() {
	{
		row a 0 w1 0
		row a 1 r1 1
		row a 2 w2 0.2
		row a 3 r2 1
		row b 0 x 1
		row b 1 y 1
		row c 0 z 0
		row d 0 p 0.5
		row d 1 p 0.5
		row d 2 q null
	} >s.jsonl
}

@test "the best of each prompt becomes chat" {
	quern rejection-sample -q --format jsonl s.jsonl >out
	cat >want <<-'END'
	{"id":"a","messages":[{"role":"user","content":"a?"},{"role":"assistant","content":"r1"}],"sample":1,"score":1.0,"level":7}
	{"id":"b","messages":[{"role":"user","content":"b?"},{"role":"assistant","content":"x"}],"sample":0,"score":1.0,"level":7}
	{"id":"c","messages":[{"role":"user","content":"c?"},{"role":"assistant","content":"z"}],"sample":0,"score":0.0,"level":7}
	{"id":"d","messages":[{"role":"user","content":"d?"},{"role":"assistant","content":"p"}],"sample":0,"score":0.5,"level":7}
	END
	diff want out
	quern rejection-sample -q --keep 2 --threshold 1 --format jsonl s.jsonl | grep -o '"sample":[0-9]' | tr '\n' ' ' >samples
	[ "$(cat samples)" = '"sample":1 "sample":3 "sample":0 "sample":1 ' ]
	quern rejection-sample -q --best-of 1 --format jsonl s.jsonl | grep -c '"sample":0' | grep -qx 4
}

@test "best against worst becomes a pair, and prompts without contrast do not" {
	quern rejection-sample --pairs --format jsonl s.jsonl >out 2>err
	cat >want <<-'END'
	{"id":"a","prompt":[{"role":"user","content":"a?"}],"chosen":[{"role":"assistant","content":"r1"}],"rejected":[{"role":"assistant","content":"w1"}],"score_chosen":1.0,"score_rejected":0.0,"margin":1.0,"level":7}
	END
	diff want out
	for why in 'not_paired 2' 'no_contrast 2' 'single 2' 'duplicate 1' 'no_score 1'; do grep -q "$why" err; done
	[ "$(quern rejection-sample -q --pairs --pairs-per-prompt 0 --format jsonl s.jsonl | wc -l)" -eq 5 ]
	[ "$(quern rejection-sample -q --pairs --pairs-per-prompt 2 --format jsonl s.jsonl | wc -l)" -eq 2 ]
	[ "$(quern rejection-sample -q --pairs --min-margin 1 --format jsonl s.jsonl | wc -l)" -eq 0 ]
}

@test "feedback labels by the threshold" {
	quern rejection-sample -q --feedback --threshold 0.5 --format jsonl s.jsonl >out
	[ "$(wc -l <out)" -eq 8 ]
	[ "$(grep -c '"label":true' out)" -eq 5 ]
	head -1 out | grep -qF '{"id":"a","prompt":[{"role":"user","content":"a?"}],"completion":"w1","label":false,"score":0.0,"level":7}'
}

@test "every row comes out or is rejected with its reason" {
	quern rejection-sample -q --pairs --rejects r.jsonl --stats stats.json s.jsonl -o out.arrows
	grep -qE '"rows_in": *10' stats.json
	[ "$(wc -l <r.jsonl)" -gt 0 ]
}

@test "groups run on over batches and files" {
	many 9000 3 >many.jsonl
	quern rejection-sample -q --pairs --format jsonl many.jsonl >all
	[ "$(wc -l <all)" -eq 3000 ]
	head -c 500000 many.jsonl | sed '$d' >one.jsonl
	tail -n +$(($(wc -l <one.jsonl) + 1)) many.jsonl >two.jsonl
	quern rejection-sample -q --pairs --format jsonl one.jsonl two.jsonl | cmp - all
}

@test "mistakes in the request are usage errors" {
	status 2 quern rejection-sample --pairs --feedback s.jsonl
	status 2 quern rejection-sample --feedback s.jsonl
	status 2 quern rejection-sample --pairs --threshold 1 s.jsonl
	sed 's/\[{"role":"user","content":"\([a-z]\)?"}\]/"\1"/' s.jsonl >plain.jsonl
	status 3 quern rejection-sample plain.jsonl
	says "plain text"
	quern rejection-sample -q --feedback --threshold 1 --format jsonl plain.jsonl | head -1 | grep -q '"prompt":"a"'
}

@test "too many rows of one id are refused; hostile inputs" {
	many 5000 9999 >many.jsonl
	status 3 quern rejection-sample many.jsonl
	says "more than 4096 rows"
	many 300 4 >m.jsonl
	same_bytes_for_any_j m.jsonl rejection-sample --pairs
	quern score -q -r format m.jsonl -o good
	hostile good rejection-sample
}
