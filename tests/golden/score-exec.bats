load helper

# Rows of which the completion is their number, which the programs below give back as the score.
numbers() { awk -v n="$1" 'BEGIN { for (i = 0; i < n; i++) printf "{\"id\":\"r%d\",\"prompt\":\"q\",\"sample\":0,\"completion\":\"%d\"}\n", i, i }'; }
ECHO='s/.*"completion":"\([0-9]*\)".*/\1/'

# Every row has its own number as its score.
own_scores() { awk -F'"completion":"' '{ split($2, a, "\""); split($2, b, "\"score\":"); split(b[2], c, /[,}]/); if (a[1] + 0 != c[1] + 0) exit 1 }' "$1"; }

prepare() {
	numbers 3000 >m.jsonl
	numbers 20 >h.jsonl
}

@test "a program gives the score, and rows keep their order" {
	quern score -q --exec "sed -u '$ECHO'" --format jsonl m.jsonl >out
	[ "$(wc -l <out)" -eq 3000 ]
	own_scores out
	quern score -q --exec-jobs 5 --exec "sed -u '$ECHO'" --format jsonl m.jsonl | cmp - out
	grep -q '"reward_exec":0.0' out
	quern score -q -o one.arrows --exec "sed -u '$ECHO'" m.jsonl
	quern score -q -o two.arrows --exec-jobs 3 -j2 --exec "sed -u '$ECHO'" m.jsonl
	cmp one.arrows two.arrows
}

@test "programs have names and weights beside the rules" {
	quern score -q -r format=2,judge=0.5 --exec "judge=sed -u '$ECHO'" --exec 'while read -r l; do echo null; done' --format jsonl h.jsonl >out
	tail -1 out | grep -q '"score":9.5,"reward_format":0.0,"reward_judge":19.0}'
}

@test "a program that answers at the end of its input is no deadlock" {
	quern score -q --exec "sed '$ECHO'" --format jsonl m.jsonl >out
	own_scores out
	quern score -q --exec-jobs 3 --exec "tac | tac | sed '$ECHO'" --format jsonl m.jsonl | cmp - out
}

@test "a program that reads ahead, and one that writes much elsewhere" {
	local long i
	long=$(head -c 300000 /dev/zero | tr '\0' y)
	for i in $(seq 0 29); do echo "{\"id\":\"$i\",\"prompt\":\"$long\",\"completion\":\"$i\",\"sample\":0}"; done >big.jsonl
	quern score -q --exec "sed -u 's/\"prompt\":\"y*\"//; $ECHO'" --format jsonl big.jsonl | sed 's/"prompt":"y*",//' >out
	own_scores out
	quern score -q --exec "while read -r l; do head -c 200000 /dev/zero | tr '\\0' x >&2; echo 1; done" --format jsonl h.jsonl >out 2>err
	[ "$(wc -c <err)" -eq 4000000 ]
	[ "$(grep -c '"score":1.0' out)" -eq 20 ]
}

@test "rows come as an Arrow stream, too" {
	# a reader of ours, which checks every message and the end, gives them back as JSON Lines
	quern score -q --exec-format arrow --exec "'$BIN/view' -q --format jsonl - | sed '$ECHO'" --format jsonl m.jsonl >out
	[ "$(wc -l <out)" -eq 3000 ]
	own_scores out
	quern score -q --exec-format arrow --exec-jobs 3 --exec "'$BIN/view' -q --format jsonl - | sed '$ECHO'" --format jsonl m.jsonl | cmp - out
	# every column is there, with its type
	printf '{"id":"a","prompt":[{"role":"user","content":"q"}],"sample":3,"completion":"5","completion_ids":[1,2],"answer":null,"x":{"y":[1.5]}}\n' >t.jsonl
	quern score -q --exec-format arrow --exec "'$BIN/view' -q --schema - >schema; echo 5" --format jsonl t.jsonl | grep -q '"score":5.0'
	grep -q 'completion_ids' schema
	grep -q 'sample.*int32' schema
	quern score -q -r format t.jsonl -o t.arrows
	quern score -q --exec-format arrow --exec "'$BIN/view' -q --format jsonl - >rows; echo 1" t.arrows -o /dev/null
	grep -q '"x":{"y":\[1.5\]}' rows
}

@test "a row at which the program dies is rejected, and the rest is scored" {
	quern score --exec 'while read -r l; do case $l in *\"completion\":\"7*) exit 3;; esac; echo 1; done' --rejects r.jsonl --format jsonl m.jsonl >out 2>err
	grep -q '2889 out, 111 rejected (exec_died 111)' err
	[ "$(grep -c '"completion":"7' out)" -eq 0 ]
	head -3 h.jsonl >few.jsonl
	quern score --exec 'cat >/dev/null' few.jsonl -o none.arrows 2>err
	grep -q 'exec_died 3' err
	quern score --exec 'kill -9 $$' few.jsonl -o none.arrows 2>err
	grep -q 'exec_died 3' err
}

@test "a program of which nothing ever comes ends the run" {
	status 2 quern score --exec 'echo started >>log; exit 1' m.jsonl -o none.arrows
	says "started 16 times and gave no score .exec_died"
	[ "$(wc -l <log)" -eq 16 ]
	status 2 quern score --exec 'echo "loading"; cat' m.jsonl -o none.arrows
	says "gave no score .exec_malformed"
	status 2 quern score --exec-timeout 0.1 --exec-jobs 4 --exec 'sleep 100' m.jsonl -o none.arrows
	says "gave no score .exec_timeout"
}

@test "a row at which it hangs is rejected, with all that the program started" {
	quern score --exec-timeout 3 --exec 'while read -r l; do case $l in *\"completion\":\"7*) sleep 9870.'$$' & sleep 9870.'$$';; esac; echo 1; done' --format jsonl h.jsonl >out 2>err
	grep -q '19 out, 1 rejected (exec_timeout 1)' err
	gone() { ! pgrep -f "sleep 9870[.]$$"; }
	eventually gone
	head -3 h.jsonl >few.jsonl
	quern score --exec-timeout 60 --exec 'exec <&- >&2; sleep 270' few.jsonl -o none.arrows 2>err
	grep -q 'exec_died 3' err
	quern score --exec-timeout 0.2 --exec 'exec <&-; sleep 270' few.jsonl -o none.arrows 2>err
	grep -q 'exec_timeout 3' err
}

@test "what is no number is rejected; an answer too many ends the run" {
	local bad
	for bad in hm '' nan inf 1e99 0x10 '1 2' '"1"' "$(printf '1%.0s' $(seq 5000))"; do
		quern score --exec "while read -r l; do case \$l in *:\\\"7*) echo '$bad';; *) echo 1;; esac; done" --format jsonl h.jsonl >out 2>err
		grep -q '19 out, 1 rejected (exec_malformed 1)' err || { echo "$bad"; cat err; return 1; }
	done
	status 3 quern score --exec 'while read -r l; do echo 1; echo 1; done' h.jsonl -o none.arrows
	says "a line more than it was given rows"
	status 3 quern score --exec 'while read -r l; do echo 1; done; echo 2' h.jsonl -o none.arrows
	status 3 quern score --exec 'yes 1' h.jsonl -o none.arrows
	[ ! -e none.arrows ]
}

@test "a flood without an end of line, a program that stopped, a completion of a megabyte" {
	head -3 h.jsonl >few.jsonl
	quern score --exec 'while read -r l; do cat /dev/zero; done' few.jsonl -o none.arrows 2>err
	grep -q 'exec_malformed 3' err
	quern score --exec-timeout 0.2 --exec 'kill -STOP $$' few.jsonl -o none.arrows 2>err
	grep -q 'exec_timeout 3' err
	printf '{"id":"a","prompt":"q","sample":0,"completion":"%s"}\n' "$(head -c 1000000 /dev/zero | tr '\0' x)" >big.jsonl
	quern score -q --exec 'tr -dc "x\n" | wc -c' --format jsonl big.jsonl | grep -q '"score":1000001.0'
}

@test "the last answer needs no newline, and carriage returns are no harm" {
	head -1 h.jsonl >one.jsonl
	quern score -q --exec 'read -r l; printf 5' --format jsonl one.jsonl | grep -q '"score":5.0'
	quern score -q --exec 'while read -r l; do printf "%s\r\n" -2.5e-1; done' --format jsonl one.jsonl | grep -q '"score":-0.25'
}

@test "mistakes in the request" {
	status 2 quern score --exec /nonesuch h.jsonl
	says "cannot run '/nonesuch'"
	status 2 quern score --exec a --exec b h.jsonl
	status 2 quern score --exec format=a h.jsonl
	status 2 quern score -r judge h.jsonl
}

@test "hostile inputs" {
	quern score -q -r format h.jsonl -o good
	hostile good score --exec 'while read -r l; do echo 1; done'
}
