load helper

# A tiny model of transformers, and sequences of its tokens 3..96.
prepare() {
	M=$DATA/model/tiny
	awk 'BEGIN {
		srand(1)
		for (i = 0; i < 60; i++) {
			printf "{\"id\":\"%d\",\"input_ids\":[", i
			n = 8 + i % 30
			for (k = 0; k < n; k++) printf "%s%d", k ? "," : "", 3 + int(94 * rand())
			print "]}"
		}
	}' >tokens.jsonl
	ARGS="-q -m $M tokens.jsonl --steps 12 --batch-tokens 200 --micro-tokens 64 --save-every 2"
}

@test "the loss falls, and the directory is a model" {
	quern sft-train -m "$M" tokens.jsonl -o out --epochs 20 --batch-tokens 400 --lr 5e-3 --log log.jsonl --stats stats.json
	[ "$(ls out | tr '\n' ' ')" = "config.json generation_config.json model.safetensors provenance.json trainer " ]
	[ "$(ls out/trainer | tr '\n' ' ')" = "checkpoint.safetensors done metrics.jsonl " ]
	awk -F'"loss":' '{ split($2, v, ","); l[NR] = v[1] } END { exit !(l[NR] < l[1] - 0.5) }' out/trainer/metrics.jsonl
	grep -q '"tokens_per_second"' log.jsonl
	! grep -q 'second' out/trainer/metrics.jsonl || return 1
	[ "$(wc -l <log.jsonl)" -eq "$(wc -l <out/trainer/metrics.jsonl)" ]
	grep -q '"arena_bytes": [1-9]' stats.json
	quern sft-train -q -m out tokens.jsonl -o again --steps 1
	grep -q '"stage":0' again/provenance.json
	hash=$(quern view --hash "$M" | sed 's/ .*//')
	quern view --provenance out | grep -qF "reads $M, xxh3 $hash"
}

@test "--times: what each step took, beside a run that it does not change" {
	quern sft-train $ARGS -o plain
	quern sft-train $ARGS --times -o timed
	[ "$(wc -l <timed/trainer/times.jsonl)" -eq "$(wc -l <timed/trainer/metrics.jsonl)" ]
	grep -qE '^\{"step":1,"seconds":[0-9.]+,"tokens_per_second":[0-9.]+\}$' timed/trainer/times.jsonl
	cp timed/trainer/times.jsonl as-it-was
	rm timed/trainer/done                                   # killed behind the last checkpoint
	printf '{"step":999,"seconds":1,"tokens_per_second":1}\n{"st' >>timed/trainer/times.jsonl
	quern sft-train $ARGS --times -o timed
	cmp timed/trainer/times.jsonl as-it-was
	rm timed/trainer/times.jsonl
	diff -r plain timed
}

@test "threads do not change a bit" {
	quern sft-train $ARGS -j1 -o a
	quern sft-train $ARGS -j2 -o b
	diff -r a b
}

@test "bf16 follows float32, is another run, and threads do not change a bit of it" {
	quern sft-train $ARGS --lr 5e-3 -o f32
	quern sft-train $ARGS --lr 5e-3 --bf16 -j 1 -o one
	quern sft-train $ARGS --lr 5e-3 --bf16 -j 3 -o three
	cmp one/model.safetensors three/model.safetensors
	! cmp -s one/model.safetensors f32/model.safetensors || return 1
	paste f32/trainer/metrics.jsonl one/trainer/metrics.jsonl | awk -F'"loss":' '
		{ split($2, a, ","); split($3, b, ","); d = a[1] - b[1]; if (d * d > 4e-4 || b[1] < 1) bad = 1 }
		END { exit bad || NR != 12 }'
	status 2 quern sft-train $ARGS --lr 5e-3 -o one
	says "another run"
}

@test "killed at each moment and started again, it ends in the same bytes" {
	survives_kills 1 sft-train -q -m "$M" tokens.jsonl --steps 12 --batch-tokens 400 --save-every 3
}

@test "SIGTERM leaves a checkpoint, and the same command goes on" {
	ARGS="-q -m $M tokens.jsonl --steps 200000 --batch-tokens 400 --save-every 1000000"
	"$BIN/sft-train" $ARGS -o out & local p=$! got=0
	eventually test -s out/trainer/metrics.jsonl
	kill -TERM $p
	wait $p || got=$?
	[ "$got" -eq 143 ]
	[ -s out/trainer/checkpoint.safetensors ] && [ ! -e out/model.safetensors ]
	# the metrics beyond the checkpoint are cut off again
	local lines=$(wc -l <out/trainer/metrics.jsonl)
	echo '{"step":999999}' >>out/trainer/metrics.jsonl
	"$BIN/sft-train" $ARGS -o out & p=$!
	further() { [ "$(wc -l <out/trainer/metrics.jsonl)" -gt $((lines + 1)) ]; }
	eventually further
	kill -TERM $p
	wait $p || true
	! grep -q 999999 out/trainer/metrics.jsonl || return 1
	awk -F'[:,]' '$2 != NR { exit 1 }' out/trainer/metrics.jsonl
}

@test "a run that is done does nothing, another in its place is refused" {
	quern sft-train $ARGS -o out
	sha256sum <out/model.safetensors >before
	status 0 "$BIN/sft-train" ${ARGS#-q} -o out
	says 'already trained'
	sha256sum <out/model.safetensors | cmp - before
	status 2 quern sft-train $ARGS --seed 9 -o out
	says 'another run'
	sha256sum <out/model.safetensors | cmp - before
	quern sft-train $ARGS --seed 9 --restart -o out
	! sha256sum <out/model.safetensors | cmp -s - before || return 1
	quern sft-train $ARGS --restart -o out
	sha256sum <out/model.safetensors | cmp - before
	cp -r "$M" model
	status 2 quern sft-train $ARGS -o model
	says 'model directory already'
	status 2 quern sft-train ${ARGS/$M/model} --restart -o ./model
	says 'to start from'
	cmp model/model.safetensors "$M/model.safetensors"
}

@test "packed rows train as their sequences do" {
	printf '{"id":"a","input_ids":[5,6,7]}\n{"id":"b","input_ids":[8,9,10],"loss_mask":[0,1,1]}\n' >single.jsonl
	quern pack -q -L 8 single.jsonl -o packed.arrows
	[ "$(quern view --count packed.arrows)" -eq 1 ]
	quern sft-train -q -m "$M" packed.arrows -o p --steps 3
	quern sft-train -q -m "$M" single.jsonl -o s --steps 3 --no-shuffle
	cmp p/model.safetensors s/model.safetensors
}

@test "labels as Hugging Face's data have them are a loss_mask, wherever tokens are read" {
	awk '{ n = gsub(/,/, ","); m = l = ""; split($0, part, /[][]/); k = split(part[2], ids, ",")
		for (i = 1; i <= k; i++) { on = (i * 7 + NR) % 3 > 0 || i == k; m = m (i > 1 ? "," : "") on; l = l (i > 1 ? "," : "") (on ? ids[i] : -100) }
		base = substr($0, 1, length($0) - 1)
		print base ",\"loss_mask\":[" m "]}" >"mask.jsonl"
		print base ",\"labels\":[" l "],\"attention_mask\":[1]}" >"labels.jsonl" }' tokens.jsonl
	quern init-model -q --preset tiny -t "$DATA/generate/tokenizer" -o judge
	local f
	for f in mask labels; do
		quern sft-train ${ARGS/tokens/$f} -o $f
		quern pack -q -L 64 $f.jsonl --format jsonl >$f.packed
		quern eval -q -m judge --task perplexity $f.jsonl | grep -o '"token_perplexity[^}]*' >$f.eval
		quern dedup -q --substring 2 --format jsonl $f.jsonl | quern pack -q -L 64 --format jsonl >$f.cut
	done
	cmp mask/model.safetensors labels/model.safetensors
	cmp mask.packed labels.packed
	cmp mask.eval labels.eval
	cmp mask.cut labels.cut
	[ -s mask.eval ]
	! cmp -s mask.cut mask.packed || return 1
	quern sft-train $ARGS -o all
	! cmp -s mask/model.safetensors all/model.safetensors || return 1
	sed '3s/"labels":\[[-0-9]*/"labels":[2/' labels.jsonl >bad.jsonl
	status 3 quern sft-train -q -m $M bad.jsonl -o x
	says 'row 2: the label 2 at token 0'
	sed 's/"labels":\[[^]]*\]/"labels":1/' labels.jsonl >class.jsonl       # of the row as a whole, not of its tokens
	quern pack -q -L 64 class.jsonl --format jsonl >class.packed
	quern pack -q -L 64 tokens.jsonl --format jsonl | cmp - class.packed
	quern dedup -q --substring 2 class.jsonl -o cut.arrows
	sed 's/"labels":\[[^]]*\]/"labels":["news","short"]/' labels.jsonl >topics.jsonl      # nor are these
	quern dedup -q --substring 2 --format jsonl topics.jsonl >cut.jsonl
	! cmp -s cut.jsonl topics.jsonl || return 1
	[ "$(grep -c '"labels":\["news","short"\]' cut.jsonl)" -eq "$(wc -l <cut.jsonl)" ]
}

@test "held-out loss is measured" {
	quern sft-train $ARGS --eval tokens.jsonl --eval-every 5 -o out
	[ "$(grep -c eval_loss out/trainer/metrics.jsonl)" -eq 3 ]
	head -5 tokens.jsonl | sed 's/"input_ids"/"other"/' >bad.jsonl
	status 3 quern sft-train $ARGS --eval bad.jsonl -o two
}

@test "rows that cannot be used are rejected with their reason" {
	{ head -3 tokens.jsonl; awk 'BEGIN { printf "{\"id\":\"long\",\"input_ids\":[5"; for (i = 0; i < 70; i++) printf ",6"; print "]}" }'
	printf '{"id":"one","input_ids":[5]}\n{"id":"none","input_ids":[]}\n'; } >rows.jsonl
	quern sft-train -q -m "$M" rows.jsonl -o out --steps 1 --rejects rejects.jsonl --format jsonl --stats stats.json
	[ "$(sed 's/.*"reason":"\([^"]*\)".*/\1/' rejects.jsonl | tr '\n' ' ')" = "too_long no_loss no_loss " ]
	grep -q '"too_long": 1' stats.json
}

@test "hostile input ends in words" {
	quern mix tokens.jsonl --format arrow -o good.arrows
	cp good.arrows half.arrows && truncate -s "$(($(stat -c %s good.arrows) / 2))" half.arrows
	status 3 quern sft-train -q -m "$M" half.arrows -o o
	printf '{"id":"a","input_ids":[5,97]}\n' >vocab.jsonl
	status 3 quern sft-train -q -m "$M" vocab.jsonl -o o
	says 'vocabulary of 97'
	printf '{"id":"a","input_ids":[5,6],"loss_mask":[1]}\n' >odd.jsonl
	status 3 quern sft-train -q -m "$M" odd.jsonl -o o
	printf '{"id":"a","text":"x"}\n' >kind.jsonl
	status 2 quern sft-train -q -m "$M" kind.jsonl -o o
	says "takes a tokenizer"
	status 3 quern sft-train -q -m "$M" -o o </dev/null
	printf '\xff\xfe' >bytes
	status 3 quern sft-train -q -m "$M" bytes -o o
	status 1 quern sft-train -q -m "$M" no-such-file -o o
	status 2 quern sft-train -q -m "$M" tokens.jsonl
	status 2 quern sft-train -q tokens.jsonl -o o
	status 1 quern sft-train -q -m "$T/nowhere" tokens.jsonl -o o
	status 1 quern sft-train -q -m "$M" tokens.jsonl -o /dev/full/o
	[ ! -e o/model.safetensors ]
	cp -r "$M" cut && truncate -s 50000 cut/model.safetensors
	status 3 quern sft-train -q -m cut tokens.jsonl -o o
	says 'cut/model.safetensors'
	quern sft-train $ARGS -o done && rm done/trainer/done && truncate -s 1000 done/trainer/checkpoint.safetensors
	status 3 quern sft-train $ARGS -o done
	says 'restart'
	status 3 quern sft-train -q -m "$M" tokens.jsonl --lr 10 --clip 0 --weight-decay 10 --schedule constant --warmup 0 --steps 400 -o wild
	says 'not finite'
}

@test "every optimizer, evaluation and kept checkpoint survives kills" {
	local o
	ARGS="-q -m $M tokens.jsonl --steps 26 --batch-tokens 400 --save-every 4 --eval tokens.jsonl --eval-every 9 --keep 3 --lr 1e-3"
	local stride=3
	for o in adamw adamw8 lion "sgd --momentum 0.9 --nesterov" sgd; do
		survives_kills $stride sft-train $ARGS --optimizer $o --neftune-alpha 5 --skip-batches 3,20-22
		[ "$(ls whole/trainer | tr '\n' ' ')" = "checkpoint-20.safetensors checkpoint-24.safetensors checkpoint.safetensors done metrics.jsonl " ]
		[ -s whole/best/model.safetensors ]
		stride=11
	done
}

@test "a checkpoint with one byte changed is refused, and one of before takes its place" {
	local c=out/trainer/checkpoint.safetensors at
	quern sft-train $ARGS --keep 2 -o out
	cp -r out whole && rm out/trainer/done
	for at in $(($(stat -c %s $c) / 2)) $(($(stat -c %s $c) - 1)); do
		printf '\125' | dd of=$c bs=1 seek="$at" conv=notrunc status=none
		status 3 quern sft-train $ARGS --keep 2 -o out
		says 'damaged'
	done
	sed -i 's/quern.loss_sum":"0x1/quern.loss_sum":"0x0/' whole/trainer/checkpoint.safetensors && rm whole/trainer/done
	status 3 quern sft-train $ARGS --keep 2 -o whole
	says 'damaged'
	mv "$(ls -t out/trainer/checkpoint-*.safetensors | head -n 1)" $c
	quern sft-train $ARGS --keep 2 -o out
	cmp out/model.safetensors whole/model.safetensors
}

@test "an older checkpoint takes the run back" {
	quern sft-train $ARGS --keep 3 -o whole
	cp -r whole back
	mv back/trainer/checkpoint-8.safetensors back/trainer/checkpoint.safetensors
	rm back/trainer/done back/model.safetensors
	quern sft-train $ARGS --keep 3 -o back
	cmp whole/model.safetensors back/model.safetensors
	cmp whole/trainer/metrics.jsonl back/trainer/metrics.jsonl
	# killed behind its last checkpoint, before an old one was removed
	ln whole/trainer/checkpoint.safetensors back/trainer/checkpoint-1.safetensors
	rm back/trainer/done
	quern sft-train $ARGS --keep 3 -o back
	[ ! -e back/trainer/checkpoint-1.safetensors ]
	[ "$(ls whole/trainer)" = "$(ls back/trainer)" ]
}

@test "eight bits take a quarter of the moments' memory" {
	quern init-model -q --preset tiny --vocab-size 2000 --hidden 64 --layers 2 --heads 4 --ffn 128 -o big
	quern sft-train -m big tokens.jsonl --plan --optimizer adamw8 >eight
	quern sft-train -m big tokens.jsonl --plan >floats
	awk '/optimizer/ { v[FILENAME] = $1 } END { exit !(v["eight"] > 0 && v["eight"] < 0.3 * v["floats"]) }' eight floats
	grep -q 'in all' eight
	[ ! -e out ]
}

@test "a plan reads no weights, and refuses what a run would" {
	quern init-model -q --preset tiny --vocab-size 60000 --hidden 256 --layers 1 --heads 4 --ffn 128 -o big
	quern sft-train -q -m big tokens.jsonl --plan --stats plan.json
	[ "$(sed -n 's/.*"peak_bytes": \([0-9]*\).*/\1/p' plan.json)" -lt "$(wc -c <big/model.safetensors)" ]
	quern sft-train -q -m big tokens.jsonl --plan --lora-rank 2 --load nf4 | grep -q 'frozen weights'
	sed -i 's/"intermediate_size": 128/"intermediate_size": 64/' big/config.json
	status 3 quern sft-train -q -m big tokens.jsonl --plan
	says "shape does not fit"
}

# A tokenizer, and a model that has it.
with_text() {
	quern bpe-train -q "$DATA/token/corpus.jsonl" --vocab-size 300 -o tok
	quern init-model -q --preset tiny -t tok --hidden 32 --layers 2 --heads 4 --kv-heads 2 --ffn 56 --positions 128 -o init
	awk 'BEGIN { for (i = 0; i < 40; i++)
		printf "{\"id\":\"%d\",\"messages\":[{\"role\":\"user\",\"content\":\"grain %d?\"},{\"role\":\"assistant\",\"content\":\"the mill %d turns\"}]}\n", i, i, i }' >chat.jsonl
	TEXT="-q -m init --steps 5 --batch-tokens 600"
}

@test "text trains as the pipe of tokenize-bpe and pack does" {
	with_text
	local s
	for s in bfd wrapped none; do
		quern tokenize-bpe -q -t init "$DATA/token/corpus.jsonl" | quern pack -q -L 100 --strategy $s | quern sft-train $TEXT -o pipe-$s
		quern sft-train $TEXT "$DATA/token/corpus.jsonl" -L 100 --strategy $s -j1 -o one-$s
		quern sft-train $TEXT "$DATA/token/corpus.jsonl" -L 100 --strategy $s -j2 -o two-$s
		cmp pipe-$s/model.safetensors one-$s/model.safetensors
		cmp pipe-$s/trainer/metrics.jsonl one-$s/trainer/metrics.jsonl
		diff -r one-$s two-$s
	done
	for s in auto all; do
		quern tokenize-bpe -q -t tok --loss-on $s chat.jsonl | quern pack -q -L 128 | quern sft-train $TEXT -o pipe-$s
		quern sft-train $TEXT -t tok --loss-on $s chat.jsonl -o in-$s
		cmp pipe-$s/model.safetensors in-$s/model.safetensors
	done
	! cmp -s pipe-auto/model.safetensors pipe-all/model.safetensors || return 1
	cmp in-auto/tokenizer.json tok/tokenizer.json
	quern sft-train $TEXT "$DATA/token/corpus.jsonl" --eval chat.jsonl -o mixed
	grep -q eval_loss mixed/trainer/metrics.jsonl
}

@test "hostile streams of rows and of text end in words" {
	with_text
	quern mix -q tokens.jsonl --format arrow -o rows.arrows
	hostile_input rows.arrows sft-train -q -m "$M" --steps 1 -o rows
	quern mix -q "$DATA/token/corpus.jsonl" --format arrow -o text.arrows
	hostile_input text.arrows sft-train -q -m init --steps 1 -o text
	quern mix -q chat.jsonl --format arrow -o chat.arrows
	hostile_input chat.arrows sft-train -q -m init --steps 1 -o chat
}

@test "a template of one's own goes with the model" {
	with_text
	echo "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}" >own.jinja
	quern sft-train $TEXT chat.jsonl --chat-template own.jinja -o out
	cmp own.jinja out/chat_template.jinja
	quern tokenize-bpe -q -t out chat.jsonl --format jsonl >a
	quern tokenize-bpe -q -t tok --chat-template own.jinja chat.jsonl --format jsonl >b
	cmp a b
	status 2 quern sft-train -q -m "$M" tokens.jsonl --chat-template own.jinja -o o
	says 'for text'
	status 2 quern sft-train $TEXT "$DATA/token/corpus.jsonl" -L 130 -o o
	says '128 positions'
	printf '{"id":"a","messages":[]}\n' >empty.jsonl
	status 3 quern sft-train $TEXT empty.jsonl -o o
}

@test "frozen tensors stay as they are" {
	local start=init out
	with_text
	quern sft-train $TEXT chat.jsonl --freeze '*layers.0.*' --freeze '*norm*' -o f
	quern sft-train $TEXT chat.jsonl --train '*down_proj*' -o t
	for out in f t; do
		for n in layers.0.mlp.down_proj layers.1.mlp.down_proj layers.1.mlp.up_proj layers.1.input_layernorm; do
			same=no
			cmp -s <(tensor init "model.$n.weight") <(tensor $out "model.$n.weight") && same=yes
			echo "$out $n $same"
		done
	done >got
	diff got - <<-END
	f layers.0.mlp.down_proj yes
	f layers.1.mlp.down_proj no
	f layers.1.mlp.up_proj no
	f layers.1.input_layernorm yes
	t layers.0.mlp.down_proj no
	t layers.1.mlp.down_proj no
	t layers.1.mlp.up_proj yes
	t layers.1.input_layernorm yes
	END
	status 2 quern sft-train $TEXT chat.jsonl --freeze 'model.layer.*' -o o
	says 'fits no tensor'
	status 2 quern sft-train $TEXT chat.jsonl --freeze '*' -o o
	says 'nothing to train'
}

# The bytes of a tensor of a model directory.
tensor() {
	local file=$1/model.safetensors n at
	n=$(od -An -tu8 -N8 "$file" | tr -d ' ')
	at=$(head -c $((8 + n)) "$file" | tail -c "$n" | tr '}' '\n' | grep -F "\"$2\"" | sed 's/.*"data_offsets":\[\([0-9]*\),\([0-9]*\)\].*/\1 \2/')
	set -- $at
	[ "$2" -gt "$1" ]
	tail -c +$((9 + n + $1)) "$file" | head -c $(($2 - $1))
}

@test "without a better evaluation for long enough it ends, and the best is kept" {
	head -20 tokens.jsonl >train.jsonl
	tail -20 tokens.jsonl >held.jsonl
	quern sft-train -m "$M" train.jsonl --eval held.jsonl --eval-every 2 --patience 3 --steps 400 --batch-tokens 400 --lr 3e-3 \
		--stats stats.json -o out 2>err
	grep -q 'ended after step' err
	local best steps
	best=$(sed -n 's/.*"best_step": \([0-9]*\).*/\1/p' stats.json)
	steps=$(sed -n 's/.*"steps": \([0-9]*\).*/\1/p' stats.json)
	[ "$steps" -eq $((best + 6)) ] && [ "$steps" -lt 400 ]
	# the best model is the one of that step
	quern sft-train -q -m "$M" train.jsonl --eval held.jsonl --eval-every 2 --steps 400 --batch-tokens 400 --lr 3e-3 \
		--save-every 1 --keep 1000 --patience 3 -o all
	cmp out/best/model.safetensors all/best/model.safetensors
	quern sft-train -q -m out/best held.jsonl --steps 1 -o again
	[ "$(quern sft-train -m out/best held.jsonl --plan | head -1 | cut -d' ' -f1)" -gt 0 ]
	# a finished run stays finished
	status 0 "$BIN/sft-train" -m "$M" train.jsonl --eval held.jsonl --eval-every 2 --patience 3 --steps 400 --batch-tokens 400 --lr 3e-3 -o out
	says 'already trained'
	quern sft-train $ARGS --eval tokens.jsonl --eval-every 5 --no-best -o none
	[ ! -e none/best ]
}

# Rows of the same few tokens, and at the 31st other ones.
spiky() {
	awk 'BEGIN { for (i = 1; i <= 60; i++) {
		printf "{\"id\":\"%d\",\"input_ids\":[", i
		for (k = 0; k < 12; k++) printf "%s%d", k ? "," : "", i == 31 ? 90 - k : 5 + k
		print "]}" } }' >spiky.jsonl
	SPIKY="-m $M spiky.jsonl --no-shuffle --batch-tokens 11 --epochs 1 --lr 5e-3 --warmup 2 --save-every 5 --spike 3"
}

@test "a spike stops the run before its step, says which rows, and can be gone round" {
	spiky
	status 3 quern sft-train -q $SPIKY -o out
	says 'step 31: a loss of'
	says 'from 0: 30;'
	says '[-]-skip-batches 31'
	[ -s out/trainer/checkpoint.safetensors ] && [ ! -e out/model.safetensors ]
	[ "$(wc -l <out/trainer/metrics.jsonl)" -eq 30 ]
	status 3 quern sft-train -q $SPIKY -o out
	quern sft-train -q $SPIKY --skip-batches 31 -o out
	grep -q '"step":31,"skipped":true' out/trainer/metrics.jsonl
	grep -q 'skip-batches=31' out/provenance.json
	# as if it had been left out from the start
	quern sft-train -q $SPIKY --skip-batches 31 -o start
	diff -r start out
	# a batch that was learned from cannot be skipped any more
	status 2 quern sft-train -q $SPIKY --skip-batches 31,40 -o out
	says 'another run'
	rm -r out && mkdir -p out && status 3 quern sft-train -q $SPIKY -o out
	status 2 quern sft-train -q $SPIKY --skip-batches 4,31 -o out
	says 'other batches were skipped'
	status 2 quern sft-train -q $SPIKY --skip-batches 31- -o out
}

@test "the token budget ends the run" {
	quern sft-train -q -m "$M" tokens.jsonl --tokens 1000 --batch-tokens 200 -o out
	awk -F'"tokens":' '{ split($2, v, "}"); before = sum; sum += v[1] } END { exit !(before < 1000 && sum >= 1000) }' out/trainer/metrics.jsonl
}

@test "SIGINT and SIGTERM end by that signal after a checkpoint, a second one at once" {
	ARGS="-m $M tokens.jsonl --steps 200000 --batch-tokens 400 --save-every 1000000"
	local sig got p
	for sig in INT TERM; do
		got=0
		# a shell starts jobs in the background with SIGINT ignored
		bash -c 'trap - INT; exec "$0" "$@"' env --default-signal=INT "$BIN/sft-train" $ARGS -o out-$sig 2>err & p=$!
		eventually test -s out-$sig/trainer/metrics.jsonl
		kill -$sig $p
		wait $p || got=$?
		[ "$got" -eq $((128 + $(kill -l $sig))) ]
		[ -s out-$sig/trainer/checkpoint.safetensors ]
		grep -q 'checkpoint is written' err
	done
	# the first asks while the data are read from a pipe that stays open: nothing to save, it ends
	mkfifo pipe
	"$BIN/sft-train" -q -m "$M" pipe --steps 5 -o piped & p=$!
	exec 9>pipe
	kill -TERM $p
	got=0
	wait $p || got=$?
	exec 9>&-
	[ "$got" -eq 143 ]
}

@test "a second signal ends the process without a checkpoint" {
	# of one thread, which takes both
	"$BIN/sft-train" -j1 -m "$M" tokens.jsonl --steps 200000 --batch-tokens 400 --save-every 1000000 -o out 2>err & local p=$! got=0
	eventually test -s out/trainer/metrics.jsonl
	# both wait until the process goes on, so the second comes while the first is answered
	kill -STOP $p
	kill -TERM $p
	kill -INT $p 2>/dev/null
	kill -CONT $p
	wait $p || got=$?
	[ "$got" -eq 130 ] || [ "$got" -eq 143 ]
	[ ! -e out/trainer/checkpoint.safetensors ]
	! grep -q 'checkpoint is written' err || return 1
}

@test "a run that is not done is not taken up against one's will" {
	local n
	for ((n = 16; ; n++)); do
		killed_at $n "$BIN/sft-train" $ARGS -o out
		[ ! -s out/trainer/checkpoint.safetensors ] || break
	done
	status 2 quern sft-train $ARGS --no-resume -o out
	says 'no-resume'
}

@test "label smoothing and z-loss are in the loss, the plain loss beside it" {
	quern sft-train $ARGS --label-smoothing 0.1 --z-loss 0.01 -o out
	head -1 out/trainer/metrics.jsonl | grep -q '"loss":.*"nll_loss":.*"z_loss":'
	quern sft-train $ARGS -o plain
	# before the first step the plain loss is the same
	[ "$(sed -n '1s/.*"nll_loss":\([0-9.]*\).*/\1/p' out/trainer/metrics.jsonl)" = "$(sed -n '1s/.*"loss":\([0-9.]*\).*/\1/p' plain/trainer/metrics.jsonl)" ]
	! cmp -s out/model.safetensors plain/model.safetensors || return 1
}

@test "metrics also go to TensorBoard, and its files do not change the run" {
	quern sft-train $ARGS --tensorboard board -o a
	quern sft-train $ARGS -o b
	diff -r a b
	[ "$(ls board | wc -l)" -eq 1 ]
	grep -aq 'brain.Event:2' board/events.out.tfevents.*
	[ "$(grep -ao 'grad_norm' board/events.out.tfevents.* | wc -l)" -eq 12 ]
	status 1 quern sft-train $ARGS --tensorboard /dev/null/x -o c
}

@test "options that contradict each other are refused" {
	status 2 quern sft-train $ARGS --momentum 0.9 -o o
	status 2 quern sft-train $ARGS --optimizer sgd --nesterov -o o
	status 2 quern sft-train $ARGS --patience 3 -o o
	status 2 quern sft-train $ARGS --lr-power 2 -o o
	status 2 quern sft-train $ARGS --decay-steps 9 -o o
	status 2 quern sft-train $ARGS --decay-shape linear -o o
	says "are for --schedule warmup_stable_decay"
	status 2 quern sft-train $ARGS --schedule constant --lr-floor 0.5 -o o
	status 2 quern sft-train $ARGS --optimizer lion --eps 1e-6 -o o
	status 2 quern sft-train $ARGS --optimizer sgd --beta1 0.8 -o o
	says "sgd has --momentum"
	status 2 quern sft-train $ARGS --eval-every 5 -o o
	says "needs --eval"
	status 2 quern sft-train $ARGS --schedule wsd -o o
	status 2 quern sft-train -q --plan tokens.jsonl
	status 2 quern sft-train $ARGS --eval - -o o <tokens.jsonl
	[ ! -e o/model.safetensors ]
}
