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

# survives_kills TOOL [ARG...]: a training run that is killed at random moments, and started again by the same command until it is
# done, ends in the same bytes as one that is left alone (in whole and killed). Time grows, so that slow machines get on, too.
survives_kills() {
	local tool=$1 p i kills=0
	shift
	rm -rf whole killed
	quern "$tool" "$@" -o whole
	for ((i = 0; i < 80; i++)); do
		[ ! -e killed/trainer/done ] || break
		"$BIN/$tool" "$@" -o killed & p=$!
		sleep "$(printf '0.%03d' $((RANDOM % 70 + 10 + 2 * i)))"
		kill -KILL $p 2>/dev/null && kills=$((kills + 1))
		wait $p || true
	done
	[ "$kills" -gt 0 ]
	quern "$tool" "$@" -o killed
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
