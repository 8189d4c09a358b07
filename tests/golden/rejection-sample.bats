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
	[ "$(quern rejection-sample -q --pairs --pair-with all --format jsonl s.jsonl | wc -l)" -eq 5 ]
	[ "$(quern rejection-sample -q --pairs --pairs-per-prompt 0 --format jsonl s.jsonl | wc -l)" -eq 2 ]
	[ "$(quern rejection-sample -q --pairs --pairs-per-prompt 2 --format jsonl s.jsonl | wc -l)" -eq 2 ]
	[ "$(quern rejection-sample -q --pairs --min-margin 1 --format jsonl s.jsonl | wc -l)" -eq 0 ]
}

@test "feedback labels by the threshold" {
	quern rejection-sample -q --feedback --threshold 0.5 --format jsonl s.jsonl >out
	[ "$(wc -l <out)" -eq 8 ]
	[ "$(grep -c '"label":true' out)" -eq 5 ]
	head -1 out | grep -qF '{"id":"a","prompt":[{"role":"user","content":"a?"}],"completion":"w1","label":false,"score":0.0,"level":7}'
}

samples() { grep -o '"sample":[0-9]*' | cut -d: -f2 | xargs; }

@test "all above a threshold, and equal completions" {
	[ "$(quern rejection-sample -q --keep 0 --threshold 0.5 --format jsonl s.jsonl | samples)" = "1 3 0 1 0" ]
	[ "$(quern rejection-sample -q --keep 0 --threshold 0.5 --no-dedup --format jsonl s.jsonl | samples)" = "1 3 0 1 0 1" ]
}

@test "the best against others at random, by the seed" {
	many 600 6 >many.jsonl
	quern rejection-sample -q --pairs --pair-with random --seed 1 --format jsonl many.jsonl >one
	quern rejection-sample -q --pairs --pair-with random --seed 2 --format jsonl many.jsonl >two
	[ "$(wc -l <one)" -eq 100 ]
	[ "$(grep -c '"score_chosen":0.8333' one)" -eq 100 ]
	[ "$(grep -o '"score_rejected":[0-9.]*' one | sort -u | wc -l)" -eq 5 ]
	! cmp -s one two || return 1
	# a pair depends on its prompt and the seed, not on what else is there
	tail -n 300 many.jsonl | quern rejection-sample -q --pairs --pair-with random --seed 1 --format jsonl | cmp - <(tail -n 50 one)
	quern rejection-sample -q --pairs --pair-with random --min-margin 0.5 --max-margin 0.7 --format jsonl many.jsonl >near
	[ "$(grep -c '"score_rejected":0.16' near)" -eq 100 ]
}

@test "prompts that all or none of the completions pass are dropped" {
	{
		for i in 0 1 2 3; do row never $i "n$i" 0; row mixed $i "m$i" $((i / 3)); row half $i "h$i" $((i % 2)); row always $i "a$i" 1; done
	} | sort -t'"' -k4,4 -s >p.jsonl
	quern rejection-sample --pass-rate 0,1 --keep 0 --format jsonl --stats stats.json p.jsonl >out 2>err
	[ "$(grep -o '"id":"[a-z]*"' out | sort -u | cut -d'"' -f4 | xargs)" = "half mixed" ]
	grep -q 'pass_rate_high 4, pass_rate_low 4' err
	grep -q 'pass@1 0.4375, pass@2 0.5833, pass@4 0.7500' err
	grep -q '0: 1, <=0.1: 0, <=0.2: 0, <=0.3: 1, <=0.4: 0, <=0.5: 1, .* 1: 1' err
	grep -q '"4": *{"value":0.75,"prompts":4}' stats.json
	grep -q '"rows_used": *0.5' stats.json
	quern rejection-sample -q --pass-rate 0.3,1 --format jsonl p.jsonl | grep -c '"id":"half"' | grep -qx 1
	# what passes may be another column's affair
	[ "$(quern rejection-sample -q --pass-by reward_format --pass-rate 0,1 --format jsonl p.jsonl | wc -l)" -eq 0 ]
	[ "$(quern rejection-sample -q --pass-score 0 --pass-rate 0,1.5 --format jsonl p.jsonl | wc -l)" -eq 4 ]
}

@test "each source gives so many results" {
	for i in $(seq 30); do
		printf '{"id":"r%d","prompt":[{"role":"user","content":"q"}],"sample":0,"completion":"c","score":1,"source":"s%d","meta":"{\\"from\\":\\"m%d\\"}"}\n' \
			"$i" $((i % 3)) $((i % 2))
	done >src.jsonl
	quern rejection-sample -q --per-source 4 --format jsonl src.jsonl >out
	[ "$(grep -o '"source":"s."' out | sort | uniq -c | awk '{ print $1 }' | xargs)" = "4 4 4" ]
	quern rejection-sample --per-source 4 --source meta.from --format jsonl src.jsonl 2>err >out
	[ "$(wc -l <out)" -eq 8 ]
	grep -q 'source_full 22' err
	quern rejection-sample -q --per-source 3 --feedback --threshold 0 --format jsonl src.jsonl >out
	[ "$(wc -l <out)" -eq 9 ]
	sed 's/\\"m\([01]\)\\"/\1/' src.jsonl | quern rejection-sample -q --per-source 4 --source meta.from --format jsonl >out     # numbers, too
	[ "$(wc -l <out)" -eq 8 ]
	many 60 6 | sed 's/}$/,"source":"x"}/' >one.jsonl
	quern rejection-sample --pairs --pairs-per-prompt 3 --per-source 4 --format jsonl one.jsonl >out 2>err
	[ "$(wc -l <out)" -eq 4 ]
	grep -q '52 rejected (source_full 52)' err
	status 2 quern rejection-sample --per-source 4 s.jsonl
	says "source"
}

@test "rows of a prompt that stand apart are gathered, in bounded memory" {
	many 60000 3 >together.jsonl
	{ awk 'NR % 3 == 1' together.jsonl; awk 'NR % 3 == 2' together.jsonl; awk 'NR % 3 == 0' together.jsonl; } >apart.jsonl
	quern rejection-sample -q --pairs --format jsonl together.jsonl | sort >want
	quern rejection-sample -q --pairs --group --format jsonl apart.jsonl >gathered
	sort gathered | cmp - want
	quern rejection-sample -q --pairs --group --memory 1Mi --format jsonl apart.jsonl | cmp - gathered
	quern rejection-sample --pairs --format jsonl apart.jsonl >out 2>err
	[ ! -s out ]
	grep -q -- '--group gathers them' err
	# one prompt in two pieces is told of, too
	{ sed 1d together.jsonl; sed -n 1p together.jsonl; } >pieces.jsonl
	quern rejection-sample --pairs --format jsonl pieces.jsonl 2>err >out
	grep -q 'the rows of 1 prompts do not stand together.*--group gathers them' err
	quern rejection-sample --pairs --group --format jsonl pieces.jsonl 2>err >out
	! grep -q 'stand together' err || return 1
	quern rejection-sample --pairs --format jsonl together.jsonl 2>err >out
	! grep -q 'stand together' err || return 1
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
	for range in '' 1 1, ,1 1,0 0,0 a,b 0,1,2 nan,1; do status 2 quern rejection-sample --pass-rate "$range" s.jsonl; done
	status 2 quern rejection-sample --pass-by nothing s.jsonl
	status 2 quern rejection-sample --pairs --min-margin 1 --max-margin 0.5 s.jsonl
	status 2 quern rejection-sample --pairs --length-ratio 0.5 s.jsonl
	status 2 quern rejection-sample --min-margin 0.5 s.jsonl
	says "are for --pairs"
	status 2 quern rejection-sample --pairs --keep 2 s.jsonl
	quern rejection-sample -q --pairs --length-ratio 0 --format jsonl s.jsonl | cmp - <(quern rejection-sample -q --pairs --format jsonl s.jsonl)
	sed 's/\[{"role":"user","content":"\([a-z]\)?"}\]/"\1"/' s.jsonl >plain.jsonl
	status 3 quern rejection-sample plain.jsonl
	says "plain text"
	quern rejection-sample -q --feedback --threshold 1 --format jsonl plain.jsonl | head -1 | grep -q '"prompt":"a"'
	sed 's/"id":"[a-z]",//' s.jsonl >nobody.jsonl
	for how in '' --pairs --group '--feedback --threshold 1'; do status 3 quern rejection-sample $how nobody.jsonl; done
	says "no column 'id: utf8', which tells"
}

@test "rows of other makers have no sample: their place in the prompt is taken" {
	sed 's/"sample":[0-9],//' s.jsonl | quern rejection-sample -q --format jsonl | cmp - <(quern rejection-sample -q --format jsonl s.jsonl)
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
