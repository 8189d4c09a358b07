load helper

@test "quern: says what there is, and its version" {
	run quern --help
	[ "$status" -eq 0 ]
	for t in "$BIN"/*; do
		t=$(basename "$t")
		[ "$t" = quern ] || [[ "$output" =~ $t ]] || { echo "--help does not name $t"; return 1; }
	done
	run quern --version
	[ "$status" -eq 0 ]
	[[ "$output" =~ ^quern\ [0-9]+\.[0-9]+\.[0-9]+ ]]
}

@test "quern: without a tool, or with an unknown one, exit 2 and a sentence" {
	status 2 quern
	status 2 quern no-such-tool
	says "no tool 'no-such-tool'"
	status 2 quern ../bin/view
	status 2 quern ''
}

@test "quern: finds its tools in QUERN_EXEC_PATH, and in libexec when installed" {
	mkdir exec
	printf '#!/bin/sh\necho "found $*"\n' >exec/hello
	chmod +x exec/hello
	[ "$(QUERN_EXEC_PATH=$T/exec quern hello a b)" = "found a b" ]
	mkdir -p root/bin root/libexec/quern
	cp "$BIN/quern" root/bin/
	cp exec/hello root/libexec/quern/
	[ "$(root/bin/quern hello c)" = "found c" ]
	status 2 root/bin/quern view
}

@test "every tool: --help, --version, and the option list for man page and completion" {
	for t in "$BIN"/*; do
		t=$(basename "$t")
		[ "$t" = quern ] && continue
		quern "$t" --help >help
		grep -q "^usage: quern $t" help
		quern help "$t" | cmp - help
		quern "$t" --version | grep -q "^quern $t [0-9]"
		quern "$t" --help=completion | grep -q '^--output=$'
		quern "$t" --help=mdoc | grep -q '^\.Bl -tag'
		status 2 quern "$t" --no-such-option
		says "^quern $t: unknown option --no-such-option"
	done
}

@test "every tool: help on a full disk is exit 1" {
	local got=0
	quern view --help >/dev/full || got=$?
	[ "$got" -eq 1 ]
}

@test "completion: the script parses and completes tools and options" {
	"$HERE/../../tools/completion" "$BIN" $(ls "$BIN" | grep -v '^quern$') >script
	bash -n script
	run bash -c '. ./script; COMP_WORDS=(quern vi); COMP_CWORD=1; _quern; echo "${COMPREPLY[@]}"'
	[ "$output" = view ]
	run bash -c '. ./script; COMP_WORDS=(quern view --verb); COMP_CWORD=2; _quern 2>/dev/null; echo "${COMPREPLY[@]}"'
	[ "$output" = --verbose ]
}

@test "install: what is put in place works from there, and uninstall takes all of it away" {
	local root=$HERE/../.. b
	b=$(dirname "$BIN")
	make -s -C "$root" B="${b#"$(cd "$root" && pwd)/"}" NVCC= install DESTDIR="$T/root" PREFIX=/usr 2>&1
	[ "$(root/usr/bin/quern --version)" = "$(quern --version)" ]
	echo '{"id":"a","text":"b"}' | root/usr/bin/quern import -q | root/usr/bin/quern view >rows
	[ -s rows ]
	echo '{"completion":"4","answer":"4"}' | root/usr/bin/quern eval -q --task answers | grep -q '"acc,none": 1.0'
	for t in root/usr/libexec/quern/*; do
		[ -s "root/usr/share/man/man1/quern-$(basename "$t").1" ]
	done
	make -s -C "$root" B="${b#"$(cd "$root" && pwd)/"}" uninstall DESTDIR="$T/root" PREFIX=/usr
	[ -z "$(find root -type f)" ]
}

@test "control characters of a name are shown in a message, not obeyed" {
	status 1 quern view "$(printf 'no\033[31m\302\233such')"
	says 'no\\u001b\[31m\\u009bsuch'
	[ "$(LC_ALL=C tr -d '\n\t\040-\176' <"$T/err" | wc -c)" -eq 0 ]
}
