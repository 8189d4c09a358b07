load helper

# The blocks of the recipes, one script: a recipe that does not run as it stands is a defect.
@test "recipes: every block runs as it stands, in order" {
	[[ $BIN != *asan* ]] || skip "what the tools do is tested elsewhere; this is about the text"
	export QUERN_SOURCE=$(cd "$HERE/../.." && pwd)
	awk '/^```sh$/ { on = 1; next } /^```$/ { on = 0 } on' "$QUERN_SOURCE/pipelines/recipes.md" >recipes.sh
	[ "$(wc -l <recipes.sh)" -gt 20 ]
	bash -eu recipes.sh >log 2>&1 || { tail -n 20 log; return 1; }
	[ -s report.json ] && [ -s again.sh ] && [ -s sft/model.safetensors ]
	sh -n again.sh
}
