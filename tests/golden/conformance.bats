load helper

# tests/conformance: streams that lie, each in one place, and what a reader has to answer (INDEX). Made by
# tests/reference/make_conformance.py; any reader of such streams may be held to them.

@test "conformance: each lie is found and named, and nothing comes of it" {
	local name want says n=0
	cd "$HERE/../conformance"
	while IFS=$'\t' read -r name want says; do
		attempt "$name" "$want" quern view -q --verify "$name"
		[ "$want" -eq 0 ] || says "$says"
		# through a pipe, and through a tool that writes
		attempt "$name piped" "$want" quern view -q --verify - < <(cat "$name")
		attempt "$name through mix" "$want" quern mix -q "$name" -o "$T/out.arrows"
		if [ "$want" -eq 0 ]; then rm "$T/out.arrows"; else [ ! -e "$T/out.arrows" ]; fi
		n=$((n + 1))
	done <INDEX
	[ "$n" -ge 100 ]
	[ "$n" -eq "$(ls | grep -vc INDEX)" ]
}
