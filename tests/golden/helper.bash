# helper.bash - what every golden test file loads: where the binaries are, and the battery every tool survives.
#
# BIN (default build/bin) holds the programs; each test runs in a fresh directory $T.

setup() {
	HERE=$(cd "$BATS_TEST_DIRNAME" && pwd)
	BIN=$(cd "${BIN:-$HERE/../../build/bin}" && pwd)
	DATA=$HERE/data
	PATH=$BIN:$PATH
	T=$(mktemp -d "${TMPDIR:-/tmp}/quern-test.XXXXXX")
	cd "$T" || exit 1
	export LC_ALL=C.UTF-8
	unset QUERN_CPU
	export QUERN_CUDA=   # on a machine with a GPU, too, these are tests of the CPU
	if declare -F prepare >/dev/null; then prepare; fi
}

teardown() {
	cd / && rm -rf "$T"
}

quern() { "$BIN/quern" "$@"; }

# status N COMMAND...: the command ends with status N, with words on stderr unless N is 0; stderr is left in $T/err.
status() {
	local want=$1 got=0
	shift
	"$@" 2>"$T/err" || got=$?
	if [ "$got" -ne "$want" ]; then
		echo "exit $got, want $want: $*"
		cat "$T/err"
		return 1
	fi
	if [ "$want" -ne 0 ] && [ ! -s "$T/err" ]; then
		echo "exit $got without a word: $*"
		return 1
	fi
}

# says REGEX: the last `status` command's stderr matches.
says() {
	grep -qE -- "$1" "$T/err" || { echo "stderr does not match: $1"; cat "$T/err"; return 1; }
}

# eventually COMMAND...: waits until the command succeeds, for what another process does; minutes pass before it gives up.
eventually() {
	local i
	for ((i = 0; i < 20000; i++)); do
		! "$@" || return 0
		sleep 0.01
	done
	echo "never: $*"
	return 1
}

# within SECONDS COMMAND...: of processor time, which does not pass while others have the machine.
within() {
	(ulimit -t "$1" && "${@:2}")
}

# holds PID REGEX: a file of such a name is open in the process.
holds() {
	readlink /proc/"$1"/fd/* 2>/dev/null | grep -qE -- "$2"
}

# A sanitizer's report or a signal is never an answer, whatever exit status a tool is allowed.
sane() {
	local got=$1
	if grep -qE 'Sanitizer|runtime error|Assertion' "$T/err"; then cat "$T/err"; return 1; fi
	if [ "$got" -gt 3 ] && [ "$got" -ne 141 ]; then
		echo "exit $got is none of 0, 1, 2, 3, SIGPIPE"
		cat "$T/err"
		return 1
	fi
}

# attempt LABEL ALLOWED COMMAND...: runs with stdin as given, and wants one of the allowed exit states ("3" or "0|3").
attempt() {
	local label=$1 allowed=$2 got=0
	shift 2
	timeout 60 "$@" >"$T/out" 2>"$T/err" || got=$?
	sane "$got" || { echo "in: $label: $*"; return 1; }
	if [[ ! "$got" =~ ^($allowed)$ ]]; then
		echo "$label: exit $got, want $allowed: $*"
		cat "$T/err"
		return 1
	fi
	if [ "$got" -ne 0 ] && [ ! -s "$T/err" ]; then
		echo "$label: exit $got without a word: $*"
		return 1
	fi
}

# on_machine FAULT COMMAND...: a program of ours on a machine that does this to it, a shared object of $BIN/../lib (kill_at.c, faulty.c).
on_machine() {
	local what=$BIN/../lib/$1.so
	[ -e "$what" ] || { echo "$what was not built"; return 1; }
	LD_PRELOAD=$what ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0 "${@:2}"
}

# killed_at N COMMAND...: the program is killed at the N-th moment at which it changes a file (kill_at.c). Status 1: it had ended well before.
killed_at() {
	local got=0
	{ KILL_AT=$1 on_machine kill_at "${@:2}" 2>"$T/err" || got=$?; } 2>/dev/null
	[ "$got" -ne 0 ] || return 1
	[ "$got" -eq 137 ] || { echo "exit $got, want 137: $*"; cat "$T/err"; exit 1; }
}

# counted COMMAND...: runs it whole, and sets MOMENTS to the number of its moments.
counted() {
	rm -f "$T/moments"
	KILL_COUNT=$T/moments on_machine kill_at "$@"
	MOMENTS=$(cat "$T/moments")
}

# Under a sanitizer, which is slow, one kill in three will do: that each moment leaves what a run goes on from is the plain build's to show.
seldom() { [[ $BIN != *asan* ]] && echo 1 || echo 3; }

# each_kill MOST ANEW LOOK COMMAND...: the command that was counted last is killed at each of its moments, at most MOST of them, from the
# first to the last with an odd number between them, for a write is two. ANEW makes the files as they were; LOOK sees what the kill has left.
each_kill() {
	local most=$1 anew=$2 look=$3 stride n
	shift 3
	most=$(((most - 2) / $(seldom) + 2))
	stride=$(((MOMENTS + most - 3) / (most - 1)))
	stride=$((stride + (stride + 1) % 2))
	for ((n = 1; n <= MOMENTS; n = n + stride > MOMENTS && n < MOMENTS ? MOMENTS : n + stride)); do
		echo "killed at moment $n of $MOMENTS"     # shown where a test fails
		$anew
		killed_at "$n" "$@" || [ "$n" -gt 1 ]      # threads may take fewer moments than when they were counted, not none
		$look
	done
}

# survives_kills STRIDE TOOL [ARG...]: a training run that is killed and started again by the same command, each time STRIDE moments later than
# before, until it comes to its end, ends in the same bytes as one that is left alone (in whole and killed).
survives_kills() {
	local stride=$(($1 * $(seldom))) tool=$2 n=1
	shift 2
	rm -rf whole killed
	quern "$tool" "$@" -o whole
	while killed_at $n "$BIN/$tool" "$@" -o killed; do n=$((n + stride)); done
	[ "$n" -gt $((2 * stride)) ]
	diff -r whole killed
}

# hostile GOOD TOOL [ARG...]: the battery. GOOD is a small stream that the tool accepts on stdin; the tool writes to stdout.
hostile() {
	hostile_input "$@"
	local good=$1 got=0
	shift
	quern "$@" <"$good" >/dev/full 2>"$T/err" || got=$?
	[ "$got" -eq 1 ] && [ -s "$T/err" ] || { echo "full disk: exit $got, want 1"; cat "$T/err"; return 1; }
	got=0
	{ quern "$@" <"$good" 2>"$T/err" || got=$?; echo "$got" >"$T/code"; } | true
	got=$(cat "$T/code")
	[[ "$got" =~ ^(0|141)$ ]] || { echo "closed pipe: exit $got"; cat "$T/err"; return 1; }
	sane "$got"
}

# Its part for a tool that writes elsewhere.
hostile_input() {
	local good=$1
	shift
	attempt "no bytes" 3 quern "$@" </dev/null
	attempt "not a stream" 3 quern "$@" < <(head -c 4096 /bin/sh)
	attempt "invalid UTF-8" 3 quern "$@" < <(printf '{"id":"\xff\xfe","text":"\xc3"}\n')
	attempt "half a line of JSON" 3 quern "$@" < <(printf '{"id":"a","te')
	attempt "wrong kind" 3 quern "$@" < <(printf '{"nothing":1}\n')
	attempt "truncated" 3 quern "$@" < <(head -c $(($(stat -c %s "$good") * 2 / 3)) "$good")
	attempt "no end" 3 quern "$@" < <(head -c -8 "$good")
	local size at
	size=$(stat -c %s "$good")
	for at in 3 100 $((size / 2)) $((size - 40)); do
		cp "$good" "$T/flipped"
		printf "\\x$(printf %02x $((0x$(od -An -tx1 -j "$at" -N 1 "$good" | tr -d " ") ^ 0x10)))" |
			dd of="$T/flipped" bs=1 seek="$at" conv=notrunc status=none
		attempt "bit flip at byte $at of $size" 3 quern "$@" <"$T/flipped"
	done
	attempt "missing file" 1 quern "$@" "$T/no-such-file"
	attempt "a directory" "2|3" quern "$@" / 
	attempt "unknown option" 2 quern "$@" --no-such-option
}

# same_bytes_for_any_j INPUT TOOL [ARG...]: -j 1 and -j 2 write the same bytes.
same_bytes_for_any_j() {
	local input=$1
	shift
	quern "$@" -q -j1 -o "$T/j1" "$input"
	quern "$@" -q -j2 -o "$T/j2" "$input"
	cmp "$T/j1" "$T/j2"
}
