load helper

# What a machine does to a running program: no space, no permission to grow, no reader, kill. A file under its final name is whole.

text() { awk -v n="$1" 'BEGIN { for (i = 0; i < n; i++) printf "{\"id\":\"d%d\",\"text\":\"row %d of some text that is long enough to fill a batch now and then %d\"}\n", i, i, i * 7919 % 104729 }'; }

@test "faults: a file size limit in mid-run is exit 1, and no file" {
	text 60000 >in.jsonl
	(ulimit -f 200; status 1 quern import -q in.jsonl --compress never -o out.arrows)
	says 'out.arrows: cannot write: File too large'
	[ ! -e out.arrows ]
}

@test "faults: a disk that fills in mid-run is exit 1, and no file" {
	mkdir disk
	mount -t tmpfs -o size=1m tmpfs disk 2>/dev/null || skip "no mount here"
	text 60000 >in.jsonl
	status 1 quern import -q in.jsonl --compress never -o disk/out.arrows || { umount disk; return 1; }
	local left
	left=$(ls -A disk)
	umount disk
	says 'disk/out.arrows: cannot write: No space left on device'
	[ -z "$left" ]
}

@test "faults: killed at any moment, a file under its final name is whole" {
	text 60000 >in.jsonl
	local i p whole=0
	for i in $(seq 0 24); do
		rm -f out.arrows
		"$BIN/import" -q in.jsonl -o out.arrows & p=$!
		sleep "0.0$((i * 4 / 10))$((i * 4 % 10))"
		kill -KILL $p 2>/dev/null || true
		wait $p 2>/dev/null || true
		[ -e out.arrows ] || continue
		quern view -q --verify out.arrows
		whole=$((whole + 1))
	done
	echo "$whole of 25 were whole"
	quern import -q in.jsonl -o out.arrows
	[ "$(quern view --count out.arrows)" -eq 60000 ]
}

@test "faults: a reader that goes away is no error to speak of" {
	text 60000 >in.jsonl
	quern import -q in.jsonl -o in.arrows
	for tool in "clean --preset none" "dedup --exact" "mix --shuffle" "view --format jsonl" "view --format csv"; do
		{ quern $tool -q in.arrows 2>err || echo $? >code; } | head -c 1000 >/dev/null
		[ ! -s err ]
		[ "$(cat code)" -eq 141 ]
	done
}

@test "faults: a writer killed in a pipeline leaves its reader with an error, not with half the rows" {
	text 60000 >in.jsonl
	quern import -q in.jsonl -o in.arrows
	got=0
	{ "$BIN/mix" -q in.arrows & p=$!; sleep 0.02; kill -KILL $p; wait $p; } 2>/dev/null | { sleep 0.1; quern view --count - 2>err || echo $? >code; }
	[ "$(cat code)" -eq 3 ]
	grep -qE 'truncated|empty' err # empty: it was killed before its first byte
}

@test "faults: batches repeated, left out, swapped or without an end are refused by number" {
	text 20000 | quern import -q --compress never -o in.arrows
	# Where each message begins: the continuation word at 8-byte places, with a plausible length behind it.
	LC_ALL=C grep -obUaP '\xff\xff\xff\xff[\x00-\xff]{2}\x00\x00' in.arrows | cut -d: -f1 | awk '$1 % 8 == 0' >at
	size=$(stat -c %s in.arrows)
	n=$(wc -l <at)
	[ "$n" -ge 5 ] # schema, three batches or more, the closing one
	piece() { # the I-th message, counted from 0
		local from to
		from=$(sed -n "$(($1 + 1))p" at)
		to=$(sed -n "$(($1 + 2))p" at)
		tail -c +$((from + 1)) in.arrows | head -c $((${to:-$size} - from))
	}
	all() { for i in "$@"; do piece "$i"; done; }
	rest=$(seq 4 $((n - 1)))
	all 0 1 2 3 $rest | cmp - in.arrows
	all 0 1 2 2 3 $rest >repeated
	all 0 1 3 $rest >skipped
	all 0 2 1 3 $rest >swapped
	all 0 1 2 3 >without-end
	all 1 2 3 $rest >without-schema
	for f in repeated skipped swapped; do
		status 3 quern view -q --verify $f
		says "$f: batch [0-9]+: "
	done
	status 3 quern view -q --verify without-end
	says 'truncated'
	status 3 quern view -q --verify without-schema
}

@test "faults: a file that is cut while it is read" {
	text 60000 | quern import -q --compress never -o in.arrows
	mkfifo slow
	# The reader of the pipe waits, so the tool stands in the middle of the file when it is cut.
	{ sleep 0.3; truncate -s 300000 in.arrows; cat >out; } <slow &
	attempt "a file that was cut" "1|3" quern mix -q --compress never in.arrows -o slow
	wait
	says 'truncated|cut while it was read'
	quern view -q --count out 2>err && return 1
	grep -q truncated err
}

@test "mapped, redirected, piped: the same rows and the same hash of the input" {
	text 60000 | quern import -q --compress never -o in.arrows
	quern mix -q in.arrows -o mapped.arrows
	quern mix -q - <in.arrows -o redirected.arrows
	cat in.arrows | quern mix -q - -o piped.arrows
	for f in mapped redirected piped; do
		quern view $f.arrows | md5sum
		quern view --provenance $f.arrows | grep -o '[0-9a-f]\{32\}'
	done >sums
	# one content, the hash of import's input, the hash of mix's input
	[ "$(sort -u sums | wc -l)" -eq 3 ] || { cat sums; return 1; }
}

@test "faults: what cannot be read or written is named, with the reason" {
	text 2000 | quern import -q -o in.arrows
	status 1 quern view no-such-file
	says 'no-such-file: cannot open: No such file or directory'
	status 1 quern view ""
	says 'cannot open: No such file or directory'
	status 1 quern view /proc/self/mem # reads fail there
	says '/proc/self/mem: cannot read: Input/output error'
	status 1 quern view - <&-
	says '<stdin>: cannot open: Bad file descriptor'
	status 1 quern mix -q in.arrows >&-
	says '<stdout>: cannot write: Bad file descriptor'
	status 1 quern mix -q in.arrows -o no-such-directory/out.arrows
	says 'no-such-directory/out.arrows: cannot create: No such file or directory'
	mkdir directory
	status 2 quern mix -q in.arrows -o directory
	says 'directory: is a directory'
	status 2 quern mix -q in.arrows -o ""
	says 'name'
	status 1 quern mix -q in.arrows -o /dev/full
	says '/dev/full: cannot write: No space left on device'
	# onto itself, into a FIFO, and nowhere
	quern mix -q in.arrows -o in.arrows
	quern view -q --verify in.arrows
	mkfifo fifo
	quern view --count - <fifo >count &
	quern mix -q in.arrows -o fifo
	wait
	[ "$(cat count)" = 2000 ]
	[ -p fifo ]
	quern mix -q in.arrows -o /dev/null
	[ -c /dev/null ]
}

@test "memory: no more for four times the rows, and less than 64 MiB" {
	[[ $BIN != *asan* ]] || skip "a sanitizer keeps what is freed"
	peak() { # COMMAND...: highest resident bytes
		"$@" -q --stats stats -o /dev/null
		sed -n 's/.*"peak_bytes": *\([0-9]*\).*/\1/p' stats
	}
	text 100000 >small.jsonl
	for i in 1 2 3 4; do cat small.jsonl; done >large.jsonl
	for f in small large; do
		quern import -q --compress never $f.jsonl -o $f.arrows
		quern import -q $f.jsonl -o $f.zst.arrows
		{ echo '['; sed '$!s/$/,/' $f.jsonl; echo ']'; } >$f.json
		quern view --format csv $f.arrows -o $f.csv
	done
	for what in "import .jsonl" "import .json" "import .csv" "mix .jsonl" "mix .arrows" "mix .zst.arrows" "view .arrows"; do
		set -- $what
		a=$(peak quern $1 -j 2 small$2) b=$(peak quern $1 -j 2 large$2)
		[ "$b" -lt $((64 << 20)) ] && [ "$b" -lt $((a + (12 << 20))) ] || { echo "$what: $a, then $b bytes"; return 1; }
	done
}
