load helper

prepare() {
	cat >rows.jsonl <<'END'
{"id":"a","input_ids":[1,2,3]}
{"id":"b","input_ids":[4,5]}
{"id":"c","input_ids":[6,7,8]}
{"id":"d","input_ids":[9]}
END
}

@test "bfd packs as TRL's example does" {
	quern pack -q -L 4 --format jsonl rows.jsonl >out
	cat >want <<'END'
{"input_ids":[1,2,3,9],"labels":[-100,2,3,-100],"seq_lengths":[3,1]}
{"input_ids":[6,7,8,0],"labels":[-100,7,8,-100],"seq_lengths":[3]}
{"input_ids":[4,5,0,0],"labels":[-100,5,-100,-100],"seq_lengths":[2]}
END
	diff want out
}

@test "wrapped cuts at the ends of packs" {
	quern pack -q -L 4 --strategy wrapped --pad-id 50 --format jsonl rows.jsonl >out
	cat >want <<'END'
{"input_ids":[1,2,3,4],"labels":[-100,2,3,-100],"seq_lengths":[3,1]}
{"input_ids":[5,6,7,8],"labels":[-100,-100,7,8],"seq_lengths":[1,3]}
{"input_ids":[9,50,50,50],"labels":[-100,-100,-100,-100],"seq_lengths":[1]}
END
	diff want out
}

@test "bfd, bfd_split and wrapped pack as TRL does, pack for pack" {
	for L in 16 33; do
		quern pack -q -L $L --overlong truncate --format jsonl "$DATA/token/pack/rows.jsonl" | diff "$DATA/token/pack/$L-bfd.jsonl" -
		quern pack -q -L $L --overlong split --format jsonl "$DATA/token/pack/rows.jsonl" | diff "$DATA/token/pack/$L-bfd_split.jsonl" -
		quern pack -q -L $L --strategy wrapped --format jsonl "$DATA/token/pack/rows.jsonl" | diff "$DATA/token/pack/$L-wrapped.jsonl" -
	done
}

@test "none gives each row its pack" {
	[ "$(quern pack -q -L 4 --strategy none --format jsonl rows.jsonl | wc -l)" -eq 4 ]
}

@test "loss_mask decides the labels" {
	printf '{"id":"a","input_ids":[1,2,3,4],"loss_mask":[1,0,1,1]}\n' | quern pack -q -L 5 --format jsonl | grep -q '"labels":\[-100,-100,3,4,-100\]'
}

@test "rows longer than a pack are split, dropped or cut" {
	printf '{"id":"a","input_ids":[1,2,3,4,5]}\n' >long.jsonl
	quern pack -q -L 4 --format jsonl long.jsonl >out
	grep -q '"input_ids":\[1,2,3,4\]' out && grep -q '"input_ids":\[5,0,0,0\]' out
	quern pack -L 4 --overlong drop --format jsonl long.jsonl 2>err >out
	grep -q 'too_long 1' err && [ ! -s out ]
	quern pack -q -L 4 --overlong truncate --format jsonl long.jsonl >out
	[ "$(wc -l <out)" -eq 1 ]
}

@test "no token is lost, whatever the window" {
	quern bpe-train -q --vocab-size 520 "$DATA/token/corpus.jsonl" -o tok
	quern tokenize-bpe -q -t tok "$DATA/token/corpus.jsonl" -o tokens.arrows
	quern tokenize-bpe -q -t tok --format jsonl "$DATA/token/corpus.jsonl" | grep -o '"input_ids":\[[^]]*' | tr -c '0-9\n' '\n' | grep -c . >want
	for w in 1 1000 16M; do
		quern pack -q -L 64 --window $w --format jsonl tokens.arrows | grep -o '"seq_lengths":\[[^]]*' | tr -c '0-9\n' '\n' | awk '{n += $1} END {print n}' >got
		diff want got
	done
}

@test "utilisation is reported" {
	quern pack -L 4 --stats s.json -o out.arrows rows.jsonl 2>err
	grep -q 'utilisation 0.75' err
	grep -q '"utilisation"' s.json
}

@test "every token is accounted for" {
	total=$(grep -o '"input_ids":\[[^]]*' "$DATA/token/pack/rows.jsonl" | tr -c '0-9\n' '\n' | grep -c .)
	stat() { sed -n 's/^ *"'"$1"'": *\([0-9.]*\),\{0,1\}$/\1/p' s.json; }
	for how in 'bfd split' 'bfd truncate' 'bfd drop' 'wrapped split' 'none split' 'none truncate' 'none drop'; do
		set -- $how
		quern pack -q -L 16 --strategy "$1" --overlong "$2" --stats s.json --format jsonl "$DATA/token/pack/rows.jsonl" >out
		[ $(($(stat tokens) + $(stat tokens_lost))) -eq "$total" ]
		# the packs say the same as the summary
		[ "$(wc -l <out)" -eq "$(stat packs)" ]
		grep -o '"seq_lengths":\[[^]]*' out | tr -c '0-9\n' '\n' | awk '{n += $1} END {print n}' | grep -qx "$(stat tokens)"
		grep -o '"labels":\[[^]]*' out | cut -d: -f2 | tr -d '[' | tr ',' '\n' | grep -vc -- -100 | grep -qx "$(stat loss_tokens)"
	done
	quern pack -q -L 16 --overlong truncate --stats s.json --format jsonl "$DATA/token/pack/rows.jsonl" >out
	long=$(awk -F, 'NF > 17' "$DATA/token/pack/rows.jsonl" | wc -l)
	[ "$(stat rows_truncated)" -eq "$long" ]
}

@test "same bytes for any -j" {
	same_bytes_for_any_j rows.jsonl pack -L 4
}

@test "mistakes are named" {
	status 3 quern pack "$DATA/token/corpus.jsonl"
	says 'input_ids'
	printf '{"id":"a","input_ids":[1,2],"loss_mask":[1]}\n' >bad.jsonl
	status 3 quern pack bad.jsonl
	says 'loss_mask of 1'
	printf '{"id":"a","input_ids":[1,2],"labels":[1]}\n' >bad.jsonl
	status 3 quern pack bad.jsonl
	says 'labels of 1 for 2 tokens'
	printf '{"id":"a","input_ids":[1,2],"labels":[-100,3]}\n' >bad.jsonl
	status 3 quern pack bad.jsonl
	says 'row 0: the label 3 at token 1, which is 2'
	status 2 quern pack -L 1 rows.jsonl
	printf '{"id":"a","input_ids":[]}\n' >empty.jsonl
	status 0 quern pack --format jsonl empty.jsonl
	says 'empty 1'
	printf '{"id":"a","input_ids":[1,-5]}\n{"id":"b","input_ids":[1,null]}\n' >bad.jsonl
	status 0 quern pack --format jsonl bad.jsonl
	says 'negative_token 1, null_token 1'
}

@test "hostile input" {
	quern bpe-train -q --vocab-size 520 "$DATA/token/corpus.jsonl" -o tok
	quern tokenize-bpe -q -t tok "$DATA/token/corpus.jsonl" -o tokens.arrows
	hostile tokens.arrows pack -L 64
}
