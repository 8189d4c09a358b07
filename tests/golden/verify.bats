load helper

# Goldens: what Math-Verify 0.9.0 said about 247 cases of our own (tests/reference/make_verify_goldens.py).
golden=${BATS_TEST_DIRNAME:-.}/data/verify.jsonl
known=${BATS_TEST_DIRNAME:-.}/data/verify.differences

# differing PROFILE KEY: "PROFILE ID" for each case on which our profile and the golden disagree.
differing() {
	quern score -q -r accuracy --profile "$1" --format jsonl "$golden" >got
	sed -E "s/.*\"id\":\"([0-9]+)\".*\"reward_accuracy\":([01]).*/\1 \2/" got >ours
	sed -E "s/.*\"id\": \"([0-9]+)\".*\"$2\": (true|false|null).*/\1 \2/; s/true/1/; s/false/0/" "$golden" >theirs
	[ "$(wc -l <ours)" -eq 247 ] || return 1
	join ours theirs | awk -v p="$1" '$2 != $3 { print p, $1 }'
}

@test "profiles agree with Math-Verify except where the list says why" {
	for pair in math-verify:math_verify lighteval:lighteval open-r1:open_r1; do
		differing "${pair%:*}" "${pair#*:}"
	done >found
	cut -d' ' -f1,2 "$known" | diff - found
}

@test "every difference is about an equality that our default sees" {
	quern score -q -r accuracy --format jsonl "$golden" | sed -E 's/.*"id":"([0-9]+)".*"reward_accuracy":([01]).*/\1 \2/' >own
	cut -d' ' -f2 "$known" | sort -u | join - own >seen
	[ "$(wc -l <seen)" -gt 20 ]
	! grep -v ' 1$' seen || return 1
}

@test "a megabyte of anything is judged, and in no time" {
	pattern() { awk -v s="$1" 'BEGIN { n = int(1000000 / length(s)); for (i = 0; i < n; i++) printf "%s", s }'; }
	for s in '$x$' ' [' '1 ' '1 +' 'answer: ' '{' '(' 'final answer is 1 '; do
		printf '{"id":"a","prompt":"q","sample":0,"completion":"%s","answer":"$\\\\sqrt{2}$"}\n' "$(pattern "$s")"
	done >big.jsonl
	for profile in quern math-verify open-r1 gsm8k-strict gsm8k-flexible hendrycks minerva prm800k; do
		quern score -q -j 1 -r accuracy --profile $profile --format jsonl big.jsonl | grep -c '"verdict":"different' >n
		[ "$(cat n)" -eq 8 ]
	done
}

@test "threads change nothing" {
	for i in $(seq 20); do cat "$golden"; done >many.jsonl
	same_bytes_for_any_j many.jsonl score -r accuracy
	same_bytes_for_any_j many.jsonl score --audit quern,math-verify
}
