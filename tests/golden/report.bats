load helper
source "${BATS_TEST_DIRNAME:-.}/data/generate/model.bash"

# A run of three steps, two evaluations of one task with samples, and their models.
prepare_all() {
	make_model
	printf '{"id":"%s","text":"One mill, two stones, and <b>flour</b> &amp; bran."}\n' a b c d >docs.jsonl
	quern mix -q docs.jsonl -o docs.arrows --stats mix.json
	quern tokenize-bpe -q -t m docs.arrows | quern pack -q -L 16 -o packed.arrows
	quern sft-train -q -m m packed.arrows --steps 6 --batch-tokens 32 -o run
	for model in m run; do
		quern eval -q -m $model --task "$DATA/tasks/mc.yaml" --num-fewshot 0 --samples $model.arrows "$DATA/tasks/docs.jsonl" -o $model.json
	done
}

@test "one page on a run, evaluations, streams: all sections, nothing from elsewhere" {
	prepare_all
	quern report -q run m m.json run.json docs.arrows m.arrows mix.json -o r.html --title 'A <title>' --svg figures
	quern report -q run m m.json run.json docs.arrows m.arrows mix.json -o again.html --title 'A <title>'
	cmp r.html again.html
	for id in results comparisons training data streams provenance; do
		grep -q "<section id=\"$id\">" r.html || { echo "no $id"; return 1; }
	done
	grep -q '<title>A &lt;title&gt;</title>' r.html
	grep -q '&lt;b&gt;flour&lt;/b&gt; &amp;amp; bran' r.html
	! grep -qiE '<script|<b>|src=|href="[^#]|url\(|@import' r.html || return 1
	grep -q "Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"" r.html
	grep -q 'prefers-color-scheme:dark' r.html
	[ -s figures/training-loss.svg ] && [ -s figures/provenance.svg ] && [ -s figures/funnel.svg ]
	! grep -q 'var(' figures/*.svg || return 1
	[ "$(grep -o '<figure' r.html | wc -l)" -eq "$(ls figures | wc -l)" ]
	# values are those of the inputs
	acc=$(grep -o '"acc,none": [0-9.]*' m.json | cut -d' ' -f2)
	grep -q "$(printf '%.4f' "$acc")" r.html
	quern eval -q --compare m.json run.json --report table | awk -F'|' '/^\|acc / { print $8 }' | tr -d ' +-' >p
	quern report -q --format markdown m.json run.json >r.md
	grep -E '^\| acc +\| all' r.md | grep -q "$(cat p)"
	grep -q '^## Comparisons' r.md
	# what eval said of two evaluations, and of a corpus
	quern eval -q --compare m.json run.json -o c.json
	quern eval -q --check-contamination docs.arrows --overlap 2 m.json -o found.json
	quern report -q c.json found.json -o said.html --svg said
	quern report -q --format markdown c.json found.json >said.md
	grep -E '^\| acc +\| all' said.md | grep -q "$(cat p)"
	flipped=$(grep -c '"right"' c.json)
	[ "$flipped" -eq 0 ] || grep -q 'rows only a has right' said.md
	grep -q '<section id="compared">' said.html
	grep -q '<section id="contamination">' said.html
	[ -s said/difference-1.svg ]
	share=$(grep -o '"share": [0-9.]*' found.json | cut -d' ' -f2)
	grep -q "$(awk -v s="$share" 'BEGIN { printf "%.2f %%", 100 * s }')" said.md
	! grep -qiE '<script|src=|href="[^#]' said.html || return 1
	if command -v tidy >/dev/null; then tidy -q -e --show-filename no r.html; fi
	if command -v rsvg-convert >/dev/null; then
		quern report -q run --png figures -o /dev/null
		[ "$(head -c 4 figures/training-loss.png | tail -c 3)" = PNG ]
	else
		status 1 quern report -q run --png figures -o /dev/null
		says 'rsvg-convert'
	fi
}

@test "the page in a browser" {
	command -v chromium >/dev/null || skip "no chromium here"
	prepare_all
	quern report -q run m.json run.json docs.arrows -o r.html
	timeout 60 chromium --headless --no-sandbox --disable-gpu --window-size=1200,1600 --screenshot="$T/r.png" "file://$T/r.html" >/dev/null 2>&1
	[ "$(stat -c %s r.png)" -gt 20000 ]
	timeout 60 chromium --headless --no-sandbox --disable-gpu --dump-dom "file://$T/r.html" 2>/dev/null >dom
	[ "$(grep -o '<svg' dom | wc -l)" -eq "$(grep -o '<svg' r.html | wc -l)" ]
	[ "$(grep -o '<tr' dom | wc -l)" -eq "$(grep -o '<tr' r.html | wc -l)" ]
}

@test "a run that goes on is watched until it ends" {
	mkdir -p go/trainer
	printf '{"step":%d,"loss":3.5,"lr":0.1}\n' 1 2 >go/trainer/metrics.jsonl
	printf '{"step":3,"lo' >>go/trainer/metrics.jsonl
	printf '{"step":%d,"seconds":0.5,"tokens_per_second":%d}\n' 1 200 2 100 >go/trainer/times.jsonl
	timeout 300 "$BIN/report" -q go --watch 1 -o w.html & pid=$!
	eventually test -e w.html
	grep -q 'http-equiv="refresh" content="1"' w.html
	grep -q '<td class="n">2</td>' w.html
	grep -q '<td class="n">150</td>' w.html         # tokens per second, of the seconds of both steps
	grep -q 'tokens_per_second of go' w.html
	printf 'ss":3.0}\n' >>go/trainer/metrics.jsonl
	touch go/trainer/done
	wait $pid
	grep -q '<td class="n">3</td>' w.html
	! grep -q refresh w.html || return 1
	status 2 quern report go --watch 1
}

@test "hostile text stays text" {
	local evil='</svg></style><script>alert(1)</script><img src=x onerror=alert(1)>\"'"'"'&\u0000\u0007\u202e\ufffe'
	mkdir -p "x<script>y" run/trainer
	printf '{"id":"%s","text":"%s|`*[x](javascript:y)`"}\n' "$evil" "$evil" >"x<script>y/s.jsonl"
	printf '{"results":{"%s":{"alias":"x","%s,none":0.5,"%s_stderr,none":0.1}},"config":{"model_args":"pretrained=%s"},"higher_is_better":{"%s":{"%s":true}},"provenance":[{"tool":"%s","argv":["%s"],"rows_in":3,"rows_out":1,"rejected":{"%s":2}}]}\n' \
		"$evil" "$evil" "$evil" "$evil" "$evil" "$evil" "$evil" "$evil" "$evil" >e.json
	printf '{"step":1,"loss":1,"%s":2}\n{"step":2,"loss":1,"%s":2}\n' "$evil" "$evil" >run/trainer/metrics.jsonl
	quern report -q "x<script>y/s.jsonl" e.json run -o r.html
	[ "$(grep -o '&lt;/svg&gt;&lt;/style&gt;&lt;script&gt;' r.html | wc -l)" -gt 10 ]
	! grep -qiE '<script|<img' r.html || return 1
	! grep -qP '[\x00-\x08\x0b-\x1f\x7f]' r.html || return 1
	if command -v tidy >/dev/null; then tidy -q -e --show-filename no r.html; fi
	quern report -q "x<script>y/s.jsonl" e.json run --format markdown >r.md
	! grep -qE '(^|[^\\])<(script|img)' r.md || return 1
}

@test "more metrics than anybody reads" {
	awk 'BEGIN { printf "{\"results\":{\"x\":{"; for (i = 0; i < 60000; i++) printf "%s\"m%d,none\":0.5", i ? "," : "", i; print "}}}" }' >many.json
	within 60 "$BIN/report" -q many.json -o many.html
	grep -q '<td>m1999</td>\|>m1999<' many.html
	! grep -q 'm2000' many.html || return 1
	grep -q 'There are more: the first 2000 are shown' many.html
}

@test "bad inputs end in words" {
	mkdir empty run && mkdir run/trainer
	attempt "nothing" 2 quern report
	attempt "an empty directory" 3 quern report empty
	attempt "no such file" 1 quern report nowhere
	attempt "no bytes" 3 quern report - </dev/null
	attempt "not a stream" 3 quern report /bin/sh
	attempt "two formats" 2 quern report --format pdf empty
	local bad
	for bad in '{"results":[]}' '{"results":{"a":1}}' '{"results":{"a":{"acc,none":"x"}}}' '{"results' '{"comparison":3}' '{"contamination":[1]}' \
		'{"comparison":{"metrics":[1,{"metric":3,"a":"x","rows":1e300}],"flipped":[{},3,{"right":7}]}}' \
		'{"contamination":{"words":-1,"corpora":[3],"tasks":[1,{"file":2,"share":"x","metrics":[null,{"all":3}]}]}}' '{"tool":1}' \
		'{"results":{},"provenance":[1,{"inputs":3},{"inputs":[{"stage":0},{"stage":7},{"stage":-1}],"argv":3,"rejected":[1]}]}' \
		'{"tool":"x","rows_in":1,"rows_out":-5,"rejected":{"a":-3,"b":1e300},"sources":{"a":1}}'; do
		echo "$bad" >bad.json
		attempt "$bad" "0|3" quern report bad.json -o bad.html
	done
	for bad in '{"step":1,"loss":' '[1]' '{"step":1,"loss":1e999}' '{"step":"a","loss":1}'; do
		printf '{"step":0,"loss":1}\n%s\n' "$bad" >run/trainer/metrics.jsonl
		attempt "$bad" "0|3" quern report run -o bad.html
	done
	printf '{"step":%d,"loss":%s}\n' 1 null 2 1e308 3 -1e308 4 0 >run/trainer/metrics.jsonl
	quern report -q run -o wild.html
	! grep -qE '[^a-z](nan|inf)[^a-z]' <(sed -n '/<svg/,$p' wild.html) || return 1
	: >run/trainer/metrics.jsonl
	quern report -q run -o none.html
	# four hundred stages, each of all before it
	awk 'BEGIN { printf "["; for (i = 0; i < 400; i++) { printf "%s{\"tool\":\"t%d\",\"argv\":[],\"inputs\":[", i ? "," : "", i
		for (k = 0; k < i; k++) printf "%s{\"name\":\"n\",\"xxh3\":\"%d\",\"rows\":1,\"stage\":%d}", k ? "," : "", k, k
		printf "],\"rows_in\":1,\"rows_out\":1,\"rejected\":{}}" } print "]" }' >chain
	mkdir model && cp chain model/provenance.json
	within 60 "$BIN/report" -q model -o big.html
	attempt "a full disk" 1 quern report run -o /dev/full
}
