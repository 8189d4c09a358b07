#!/usr/bin/env python3
"""Writes libcore/token/unicode_tables.c: what tokenizers take from Unicode, each part of the version that the reference libraries have it in.

    python3 -m venv V && V/bin/pip install tokenizers==0.23.3
    V/bin/pip install --target U16 unicodedata2==16.0.0; V/bin/pip install --target U17 unicodedata2==17.0.0
    V/bin/python make_unicode.py U16 U17 >libcore/token/unicode_tables.c      # and Perl 5.26 or later, for the ages

The parts were found by asking tokenizers 0.23.3 about every code point: regular expressions (Oniguruma, as tiktoken's) know Unicode 16.0,
the normal forms 9.0, Punctuation 8.0, Digits and Lowercase 17.0. The script asks again and fails where that is not so.
"""
import importlib.machinery
import importlib.util
import glob
import subprocess
import sys
import unicodedata as u14

from tokenizers import Regex, normalizers, pre_tokenizers

ALL = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
LETTER, NUMBER, SPACE, UPPERISH, LOWERISH, WORD, PUNCT, NUMERIC, ACTIVE, NEWER = (1 << i for i in range(10))
SPACES = {*range(9, 14), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000}
CIRCLED = {*range(0x24B6, 0x24EA), *range(0x1F130, 0x1F14A), *range(0x1F150, 0x1F16A), *range(0x1F170, 0x1F18A)}
ASCII_PUNCT = set(map(ord, "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"))

SCRIPTS = ("Latin Greek Cyrillic Armenian Hebrew Arabic Devanagari Bengali Gurmukhi Gujarati Oriya Tamil Telugu Kannada Malayalam Sinhala Thai Lao "
           "Tibetan Myanmar Georgian Hangul Ethiopic Khmer Mongolian Hiragana Katakana Bopomofo Han Common Inherited").split()


def unicodedata(folder):
    path = glob.glob(f"{folder}/unicodedata2*.so")[0]
    spec = importlib.util.spec_from_loader("unicodedata2", importlib.machinery.ExtensionFileLoader("unicodedata2", path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def present_in(version):
    perl = f"for my $c (0..0x10ffff) {{ next if $c >= 0xd800 && $c < 0xe000; print \"$c\\n\" if chr($c) =~ /\\p{{Present_In: {version}}}/ }}"
    return set(map(int, subprocess.run(["perl", "-e", perl], check=True, capture_output=True, text=True).stdout.split()))


def removed(pre_tokenizer):
    out = set()
    for i in range(0, len(ALL), 2048):
        chunk = ALL[i:i + 2048]
        kept = set()
        for _, (a, b) in pre_tokenizer.pre_tokenize_str("".join(map(chr, chunk))):
            kept.update(range(a, b))
        out.update(c for k, c in enumerate(chunk) if k not in kept)
    return out


def same(name, got, want):
    if got != want:
        sys.exit(f"{name}: {sorted(map(hex, got ^ want))[:20]}")


def pair(u, c):
    d = u.decomposition(chr(c))
    return None if not d or d.startswith("<") or len(d.split()) != 2 else [int(x, 16) for x in d.split()]


def composing(u, known):
    """Code points that NFC does not leave alone whatever stands around: marks, those it changes, the second of what composes."""
    out = {*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)}
    for c in known:
        if u.combining(chr(c)) or u.normalize("NFC", chr(c)) != chr(c):
            out.add(c)
        p = pair(u, c)
        if p and u.normalize("NFC", chr(p[0]) + chr(p[1])) == chr(c):
            out.add(p[1])
    return out


def ranges(value):
    last = None
    for c in range(0x110000):
        v = value(c)
        if v != last:
            yield c, v
            last = v


def lines(items, width=8):
    for i in range(0, len(items), width):
        print("\t" + ", ".join(items[i:i + width]) + ",")


def main(u16, u17):
    p8, p9 = present_in("8.0"), present_in("9.0")
    cat = {c: u16.category(chr(c)) for c in ALL}
    word = {c for c in ALL if cat[c][0] in "LM" or cat[c] in ("Nd", "Nl", "Pc")} | CIRCLED
    punct = {c for c in p8 if cat[c][0] == "P"} | ASCII_PUNCT | {0x166D, 0x111C9}
    numeric = {c for c in ALL if u17.category(chr(c))[0] == "N"}
    active = composing(u16, p9)
    newer = {c for c in ALL if c not in p9 and (u17.combining(chr(c)) or u17.decomposition(chr(c)))}
    newer |= {x for c in newer for x in pair(u17, c) or [] if x not in p9}

    # what the reference says
    split = lambda p: removed(pre_tokenizers.Split(Regex(p), "removed"))
    for name in ("L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "N", "Nd", "Nl", "P", "S"):
        same(name, split(rf"\p{{{name}}}"), {c for c in ALL if cat[c].startswith(name)})
    same("white space", split(r"\s"), SPACES)
    same("word", split(r"\w"), word | {0xB2, 0xB3, 0xB9, 0xBC, 0xBD, 0xBE})
    same("Punctuation", removed(pre_tokenizers.Punctuation("removed")), punct)
    same("Whitespace", removed(pre_tokenizers.Whitespace()), SPACES)
    for kind in ("NFC", "NFD", "NFKC", "NFKD"):
        theirs = getattr(normalizers, kind)()
        same(kind, {(c, theirs.normalize_str(chr(c))) for c in ALL}, {(c, u16.normalize(kind, chr(c)) if c in p9 else chr(c)) for c in ALL})
    digits = pre_tokenizers.Digits(True)
    same("Digits", {c for c in ALL if len(digits.pre_tokenize_str("a" + chr(c) + "b")) == 3}, numeric)
    lower = normalizers.Lowercase()
    lower = [(c, lower.normalize_str(chr(c))) for c in ALL]
    lower = [(c, ord(t)) for c, t in lower if len(t) == 1 and t != chr(c) and (u14.category(chr(c)) == "Cn" or chr(c).lower() != t)]

    def bits(c):
        g = cat.get(c, "Cn")
        v = LETTER * (g[0] == "L") | NUMBER * (g[0] == "N") | SPACE * (c in SPACES)
        v |= UPPERISH * (g in ("Lu", "Lt", "Lm", "Lo") or g[0] == "M") | LOWERISH * (g in ("Ll", "Lm", "Lo") or g[0] == "M")
        v |= WORD * (c in word or c in (0x200C, 0x200D)) | PUNCT * (c in punct) | NUMERIC * (c in numeric)
        return v | ACTIVE * (c in active) | NEWER * (c in newer)

    print("/* Made by tests/reference/make_unicode.py, which says of what. Not to be edited. */")
    print('#include "token/unicode.h"\n')
    table = list(ranges(bits))
    print("/* From each code point on (<< 11), its bits, up to the next entry's. */")
    print(f"const uint32_t unicode_ranges[] = {{")
    lines([f"0x{c << 11 | v:x}" for c, v in table] + ["0xffffffff"])
    print("};")
    print(f"const size_t unicode_n_ranges = {len(table)};\n")
    since = [r for r in ranges(lambda c: cat.get(c, "Cn") if c in cat and u14.category(chr(c)) == "Cn" else "Cn")]
    since = [(c, since[i + 1][0] - 1, g) for i, (c, g) in enumerate(since) if g != "Cn"]
    print("/* Assigned in Unicode 15 and 16: from, to, general category. */")
    print("const struct unicode_since unicode_since_14[] = {")
    lines([f'{{0x{a:x}, 0x{b:x}, "{g}"}}' for a, b, g in since], 4)
    print("};")
    print(f"const size_t unicode_n_since_14 = {len(since)};\n")
    scripts = []
    for name in SCRIPTS:
        new = split(rf"\p{{{name}}}") & {c for c in ALL if u14.category(chr(c)) == "Cn"}
        r = list(ranges(lambda c: c in new))
        scripts += [(r[i][0], r[i + 1][0] - 1, name) for i in range(len(r) - 1) if r[i][1]]
    print("/* The same by script. */")
    print("const struct unicode_since unicode_script_since_14[] = {")
    lines([f'{{0x{a:x}, 0x{b:x}, "{g}"}}' for a, b, g in scripts], 4)
    print("};")
    print(f"const size_t unicode_n_script_since_14 = {len(scripts)};\n")
    print("/* Capital letters that have a small one since Unicode 15: both. */")
    print("const uint32_t unicode_lower_since_14[][2] = {")
    lines([f"{{0x{a:x}, 0x{b:x}}}" for a, b in lower], 6)
    print("};")
    print(f"const size_t unicode_n_lower_since_14 = {len(lower)};")
    changed = [hex(c) for c in ALL if u14.category(chr(c)) not in ("Cn", cat[c])]
    sys.stderr.write(f"{len(table)} ranges; general category changed between 14.0 and 16.0: {changed}\n")


if __name__ == "__main__":
    if len(sys.argv) != 3 or u14.unidata_version != "14.0.0":
        sys.exit(__doc__ + "\n(and Python 3.11, whose own tables are those of Unicode 14.0)")
    main(unicodedata(sys.argv[1]), unicodedata(sys.argv[2]))
