load helper

# The code is shell here, so that no Python is needed: --code-run runs the file by sh. Rows whose tests are pairs of input and output.
pairs() { # ID CODE INPUT OUTPUT...
	local id=$1 code=$2 tests=
	shift 2
	while [ $# -gt 0 ]; do
		tests+="${tests:+,}{\"input\":\"$1\",\"output\":\"$2\",\"type\":\"stdin_stdout\"}"
		shift 2
	done
	printf '{"id":"%s","prompt":"q","sample":0,"completion":"%s","verification_info":{"language":"sh","test_cases":[%s]}}\n' "$id" "$code" "$tests"
}

block() { printf 'So:\\n```sh\\n%s\\n```\\nDone.' "$1"; }

run_code() { quern score -q --code --code-run 'exec sh "$CODE"' --format jsonl "$@"; }

verdicts() { sed 's/.*"id":"\([a-z0-9-]*\)".*"code_verdict":"\([a-z_]*\)".*/\1 \2/'; }

prepare() {
	quern score -q --code --code-run true --format jsonl <<<'{"id":"a","prompt":"q","sample":0,"completion":"x"}' >/dev/null 2>probe || true
	if grep -q 'gives no sandbox' probe; then skip "this machine gives no unprivileged namespaces: $(head -1 probe)"; fi
}

@test "the share of passed tests, and what was wrong with the first that failed" {
	{
		pairs right "$(block 'read x; echo $((x * 2))')" '2\n' '4\n' '5' '10'
		pairs half "$(block 'echo 4')" '2\n' '4\n' '5' '10'
		pairs short "$(block 'echo 1')" '' '1\n2'
		pairs fails "$(block 'echo 1; exit 3')" '' '1'
		pairs none 'I do not know' '' '1'
		pairs loud "$(block 'yes')" '' 'y'
		pairs shot "$(block 'kill -9 $$')" '' ''
		echo '{"id":"free","prompt":"q","sample":0,"completion":"```sh\nx\n```"}'
		echo '{"id":"bad","prompt":"q","sample":0,"completion":"```sh\nx\n```","verification_info":{"language":"sh","test_cases":[{"input":"1"}]}}'
	} >c.jsonl
	run_code c.jsonl >out
	verdicts <out >got
	cat >want <<-'END'
	right passed
	half wrong_output
	short wrong_output
	fails error
	none no_code
	loud output_limit
	shot killed
	free no_tests
	bad bad_tests
	END
	diff want got
	[ "$(grep -o '"score":[0-9.]*' out | xargs)" = "score:1.0 score:0.5 score:0.0 score:0.0 score:0.0 score:0.0 score:0.0" ]
	run_code -r binary_code c.jsonl | grep -o '"reward_binary_code":[0-9.]*' | cut -d: -f2 | xargs >got
	[ "$(cat got)" = "1.0 0.0 0.0 0.0 0.0 0.0 0.0" ]
	pairs slow "$(block 'sleep 100')" '' '' >s.jsonl
	run_code --code-timeout 0.5 s.jsonl >out
	[ "$(verdicts <out)" = "slow timeout" ]
	grep -q '"score":0.0' out
}

@test "tests may stand in meta, and be text" {
	pairs a "$(block 'cat')" 'x' 'x' | sed 's/"verification_info":\(.*\)}$/\1/; s/.*\({"language.*\)/\1/' >info
	printf '{"id":"a","prompt":"q","sample":0,"completion":"%s","meta":"{\\"verification_info\\":%s}"}\n' "$(block cat)" "$(sed 's/"/\\"/g' info)" >m.jsonl
	run_code m.jsonl | grep -q '"code_verdict":"passed"'
	printf '{"id":"a","prompt":"q","sample":0,"completion":"%s","verification_info":"%s"}\n' "$(block cat)" "$(sed 's/"/\\"/g' info)" >t.jsonl
	run_code t.jsonl | grep -q '"code_verdict":"passed"'
}

@test "assertions are Python, and must come to their end" {
	command -v /usr/bin/python3 >/dev/null || skip "there is no python3 in /usr/bin"
	cat >p.jsonl <<-'END'
	{"id":"mbpp","prompt":"q","sample":0,"completion":"```python\ndef f(x):\n    return x+1\n```","test_list":["assert f(1)==2","assert f(2)==4"],"test_setup_code":"import math"}
	{"id":"eval","prompt":"def g(x):\n","sample":0,"completion":"    return x*2\n","test":"def check(candidate):\n    assert candidate(2)==4\n","entry_point":"g"}
	{"id":"exits","prompt":"def g(x):\n","sample":0,"completion":"    return 0\nimport os\nos._exit(0)","test":"def check(candidate):\n    assert candidate(2)==4\n","entry_point":"g"}
	{"id":"memory","prompt":"def g(x):\n","sample":0,"completion":"    return 'x' * 10**10\n","test":"def check(candidate):\n    assert len(candidate(2))\n","entry_point":"g"}
	{"id":"net","prompt":"def g(x):\n","sample":0,"completion":"    import socket\n    socket.create_connection(('8.8.8.8', 53), 1)\n","test":"def check(candidate):\n    candidate(2)\n","entry_point":"g"}
	END
	quern score -q --code --format jsonl p.jsonl >out
	[ "$(verdicts <out | xargs)" = "mbpp error eval passed exits error memory error net error" ]
	head -1 out | grep -q '"reward_code":0.5'
}

@test "languages are run in their usual way, or by --code-run" {
	pairs shell "$(block 'cat')" x x >l.jsonl
	pairs bash "$(block 'x=(a b); echo ${x[1]}')" '' b | sed 's/"language":"sh"/"language":"bash"/; s/```sh/```bash/' >>l.jsonl
	pairs cobol "$(block 'cat')" x x | sed 's/"language":"sh"/"language":"cobol"/' >>l.jsonl
	pairs calls "$(block 'cat')" x x | sed 's/stdin_stdout/function_call/' >>l.jsonl
	quern score -q --code --format jsonl l.jsonl | verdicts | xargs >got
	[ "$(cat got)" = "shell passed bash passed cobol no_runner calls bad_tests" ]
	command -v /usr/bin/cc >/dev/null || skip "there is no C compiler in /usr/bin"
	pairs c 'Here:\n```c\n#include <math.h>\n#include <stdio.h>\nint main(void) { double x; return scanf(\"%lf\", &x) != 1 || printf(\"%g\", sqrt(x)) < 0; }\n```' 49 7 |
		sed 's/"language":"sh"/"language":"C"/' >c.jsonl
	quern score -q --code --format jsonl c.jsonl | grep -q '"code_verdict":"passed"'
	quern score -q --code --code-run 'cc -x c "$CODE" -o p && echo 8' --format jsonl c.jsonl | grep -q '"code_verdict":"\(error\|wrong_output\)"'
}

@test "threads change nothing, and nothing is left behind" {
	for i in $(seq 60); do pairs "r$i" "$(block "sleep 271.$$ & read x; echo \$((x + $i))")" 1 "$((i / 2 * 2 + 1))"; done >many.jsonl
	run_code -j1 many.jsonl >j1
	run_code -j2 many.jsonl | cmp - j1
	[ "$(grep -c '"code_verdict":"passed"' j1)" -eq 30 ]
	! pgrep -f "sleep 271[.]$$" || return 1
}

@test "a machine without namespaces is told of, and nothing is run" {
	pairs a "$(block cat)" x x >a.jsonl
	unshare -Ur true || skip "unshare makes no namespace here"
	cat >without <<-'END'
	echo 0 >/proc/sys/user/max_user_namespaces || exit 9
	ulimit -n 200
	exec "$@"
	END
	status 1 unshare -Ur sh without "$BIN/score" --code --code-run 'exec sh "$CODE"' a.jsonl -o out.arrows
	says "gives no sandbox to run code in: .*namespaces"
	says "hint: unprivileged user namespaces"
	[ ! -e out.arrows ]
	unshare -Ur sh without "$BIN/score" -q -r format a.jsonl -o out.arrows
}

@test "more directories can be shown" {
	mkdir lib
	chmod 755 "$T" lib
	echo 'answer=7' >lib/values
	pairs a "$(block ". $T/lib/values; echo \$answer; echo x >$T/lib/new || true")" '' '7' >a.jsonl
	[ "$(run_code --code-mount "$T/lib" a.jsonl | verdicts)" = "a passed" ]
	[ "$(run_code a.jsonl | verdicts)" = "a error" ]
	[ ! -e lib/new ]
	for bad in lib / /.. "$T/lib/values" "$T/nonesuch"; do status 2 quern score --code --code-mount "$bad" a.jsonl; done
}

@test "where memory runs out, the kernel ends the code and not us" {
	pairs a "$(block "sleep 272.$$")" '' '' >a.jsonl
	run_code --code-timeout 300 a.jsonl >out &
	local pid=
	sleeps() { pid=$(pgrep -f "^sleep 272[.]$$"); }
	eventually sleeps
	[ "$(cat "/proc/$pid/oom_score_adj")" = 1000 ]
	kill -9 "$pid"
	wait
	verdicts <out | grep -q '^a \(error\|killed\)$'
}

@test "our own limits stay" {
	pairs a "$(block 'ulimit -n; ulimit -t')" '' '100\n5' >a.jsonl
	(ulimit -n 100; umask 0777; run_code a.jsonl) | verdicts >got
	[ "$(cat got)" = "a passed" ]
}

@test "hostile inputs" {
	pairs a "$(block cat)" x x >good.jsonl
	quern score -q -r format good.jsonl -o good
	hostile good score --code --code-run 'exec sh "$CODE"'
}
