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

@test "faults: killed at any moment, a file under its final name is whole, and nothing stands beside it" {
	text 20000 >in.jsonl
	anew() { rm -f out.arrows*; }
	is_whole() {
		[ ! -e out.arrows ] || [ "$(quern view --count out.arrows)" -eq 20000 ]
		! ls out.arrows.* 2>/dev/null || return 1
	}
	counted "$BIN/import" -q in.jsonl -o out.arrows
	quern view -q --verify out.arrows
	each_kill 20 anew is_whole "$BIN/import" -q in.jsonl -o out.arrows
	# one that takes another's place: that or the new one; a kill just before it takes it leaves the new one beside it
	text 20 | quern import -q -o old.arrows
	text 10 >in.jsonl
	quern import -q in.jsonl -o new.arrows
	local before=0 beside=0
	replaced() { cp old.arrows out.arrows; rm -f out.arrows.*; }
	is_either() {
		! cmp -s out.arrows old.arrows || before=$((before + 1))
		cmp -s out.arrows old.arrows || [ "$(quern view --count out.arrows)" -eq 10 ]
		[ ! -e out.arrows.?????? ] || { cmp out.arrows old.arrows && quern view -q --verify out.arrows.?????? && beside=$((beside + 1)); }
	}
	replaced
	counted "$BIN/import" -q in.jsonl -o out.arrows
	each_kill 100 replaced is_either "$BIN/import" -q in.jsonl -o out.arrows
	[ "$before" -eq $((MOMENTS - 1)) ] && [ "$beside" -eq 1 ]
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
	mkfifo gate
	# at the gate it has read all of in.arrows and written most of it
	{ "$BIN/mix" -q in.arrows gate & p=$!; exec 7>gate; kill -KILL $p; wait $p; } 2>/dev/null | { quern view --count - 2>err || echo $? >code; }
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

# faulty FAULT BYTES COMMAND...: on a machine that fails in this way, after so many bytes (faulty.c).
faulty() {
	local fault=$1 after=$2
	shift 2
	FAULT=$fault FAULT_AFTER=$after on_machine faulty "$@"
}

@test "faults: a read error in mid-run is exit 1, and no file" {
	text 20000 >in.jsonl
	quern import -q --compress never in.jsonl -o in.arrows
	gzip -c in.jsonl >in.jsonl.gz
	tar cf in.tar in.jsonl
	printf 'id,text\n' >in.csv
	awk '{ print NR ",\"some text\"" }' in.jsonl >>in.csv
	yes "$(cat "$DATA/import/crawl.warc")" | head -c 2000000 >in.warc
	local first=$(stat -c %s in.csv) # the smallest
	[ "$first" -gt 200000 ]
	for in in in.jsonl in.jsonl.gz in.tar in.csv in.warc; do
		status 1 faulty eio 150000 "$BIN/import" -q $in -o out.arrows
		says "$in: cannot read: Input/output error"
	done
	for tool in mix "clean --preset none" "dedup --exact" "view --format jsonl"; do
		set -- $tool
		status 1 faulty eio 1500000 "$BIN/$1" "${@:2}" -q in.arrows -o out.arrows
		says 'in.arrows: cannot read: Input/output error'
	done
	status 1 faulty eio 1500000 "$BIN/view" -q --verify in.arrows
	status 1 faulty eio 262300 "$BIN/view" -q --row 15000 --format jsonl in.arrows
	ls out.arrows* 2>/dev/null && return 1
	# the same from a device whose first byte cannot be read
	status 1 quern view /proc/self/mem
	says '/proc/self/mem: cannot read: Input/output error'
}

@test "faults: a file that is cut while it is read is truncated, and no file comes of it" {
	text 20000 >in.jsonl
	quern import -q --compress never in.jsonl -o in.arrows
	status 3 faulty shrink 1500000 "$BIN/mix" -q in.arrows -o out.arrows
	says 'in.arrows: batch [0-9]+: truncated at byte 1500000'
	status 3 faulty shrink 1500000 "$BIN/view" -q --verify in.arrows
	ls out.arrows* 2>/dev/null && return 1
	# by another program, in earnest
	mkfifo gate
	"$BIN/mix" -q in.arrows in.arrows in.arrows gate -o out.arrows 2>err & p=$!
	exec 7>gate # opened, so the three before it have been read
	truncate -s 100000 in.arrows
	exec 7>&-
	local got=0
	wait $p || got=$?
	[ "$got" -eq 3 ]
	[ ! -e out.arrows ]
}

@test "faults: a file that cannot be made safe on the disk is exit 1, and not there" {
	text 20 >in.jsonl
	status 1 faulty fsync 0 "$BIN/mix" -q in.jsonl -o out.arrows
	says 'out.arrows: cannot sync: Input/output error'
	ls out.arrows* 2>/dev/null && return 1
	true
}

@test "faults: a fifo whose writer goes away is truncated" {
	text 20000 | quern import -q --compress never -o in.arrows
	mkfifo pipe
	head -c 1500000 in.arrows >pipe &
	status 3 quern mix -q pipe -o out.arrows
	says 'pipe: batch [0-9]+: truncated at byte 1500000'
	[ ! -e out.arrows ]
	: >pipe &
	status 3 quern mix -q pipe -o out.arrows
	says 'pipe: empty: not a record stream'
}

@test "faults: standard streams that are closed" {
	text 20 >in.jsonl
	status 1 quern mix -q <&-
	says '<stdin>: cannot read: Bad file descriptor'
	for tool in "mix -q" "view --schema" "view --count" "view --format csv" "view --help" "view --version"; do
		status 1 quern $tool in.jsonl >&-
		says '<stdout>: cannot write: Bad file descriptor'
	done
	status 1 quern --help >&-
	# a file never takes their place: what is said goes nowhere
	quern mix in.jsonl -o want.arrows
	quern mix in.jsonl -o want.arrows <&- >&- 2>&-
	quern view -q --verify want.arrows
	[ "$(quern view --count want.arrows)" -eq 20 ]
	status 1 quern clean -q --preset gopher --rejects kept.arrows <in.jsonl >&-
	quern view -q --verify kept.arrows
	local got=0
	quern mix no-such-file -o out.arrows <&- >&- 2>&- || got=$?
	[ "$got" -eq 1 ]
}

@test "faults: an output that cannot be made" {
	text 20 >in.jsonl
	status 2 quern mix -q in.jsonl -o .
	says '\.: is a directory'
	status 1 quern mix -q in.jsonl -o nowhere/out.arrows
	says 'nowhere/out.arrows: cannot create: No such file or directory'
	status 1 quern mix -q in.jsonl -o in.jsonl/out.arrows
	says 'in.jsonl/out.arrows: cannot create: Not a directory'
	mkdir closed
	chmod 555 closed
	chmod 755 .
	local as=()
	[ "$(id -u)" -ne 0 ] || as=(setpriv --reuid 65534 --regid 65534 --clear-groups)
	status 1 "${as[@]}" "$BIN/mix" -q in.jsonl -o closed/out.arrows
	says 'closed/out.arrows: cannot create: Permission denied'
}

@test "faults: an output onto its own input, a link, a device, a fifo" {
	text 20 >in.jsonl
	quern mix -q in.jsonl -o in.arrows
	cp in.arrows same.arrows
	quern mix -q same.arrows -o same.arrows
	quern view -q --verify same.arrows
	[ "$(quern view --count same.arrows)" -eq 20 ]
	# one that fails leaves its input as it was
	head -c -8 in.arrows >cut.arrows
	cp cut.arrows cut
	status 3 quern mix -q cut.arrows -o cut.arrows
	cmp cut cut.arrows
	# a link stays one, also that of the shell to its own output
	mkdir far
	echo old >far/real.arrows
	ln -s far/real.arrows link.arrows
	quern mix -q in.arrows -o link.arrows
	[ -L link.arrows ]
	quern view -q --verify far/real.arrows
	[ "$(ls far)" = real.arrows ]
	quern mix -q in.arrows -o /dev/stdout >shown.arrows
	[ -L /dev/stdout ]
	quern view -q --verify shown.arrows
	quern mix -q in.arrows -o /dev/stdout | quern view --count - >count
	[ "$(cat count)" -eq 20 ]
	quern mix -q in.arrows -o /dev/null
	[ -c /dev/null ]
	status 1 quern mix -q in.arrows -o /dev/full
	says '/dev/full: cannot write: No space left on device'
	mkfifo pipe
	quern view --count pipe >count &
	quern mix -q in.arrows -o pipe
	wait $!
	[ "$(cat count)" -eq 20 ]
	[ -p pipe ]
}

@test "faults: a signal removes what was begun, and is what the shell sees" {
	text 20 >in.jsonl
	mkfifo gate
	for sig in TERM INT HUP; do
		env --default-signal=TERM,INT,HUP "$BIN/mix" -q in.jsonl gate -o out.arrows 2>/dev/null & p=$! # also under nohup
		exec 7>gate
		eventually holds $p "^$PWD/(#|out\.arrows\.)"     # it has begun: a file without a name, or with another
		kill -$sig $p
		local got=0
		wait $p || got=$?
		exec 7>&-
		[ "$got" -eq $((128 + $(kill -l $sig))) ]
		ls out.arrows* 2>/dev/null && return 1
	done
	true
}

@test "faults: a mapped file that another program cuts" {
	text 60000 | quern import -q --compress never -o in.arrows
	mkfifo slow
	# The reader of the pipe waits, so the tool stands in the middle of the file, which is much more than a pipe holds, when it is cut.
	{ head -c 100000 >out; truncate -s 300000 in.arrows; cat >>out; } <slow &
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
