"""Writes tests/unit/minhash_vectors.h: what datatrove signs our texts with, given words that white space parts.

    pip install datatrove==0.10.0 numpy spacy tokenizers xxhash==3.5.0
    pip download --no-deps datatrove==0.2.0 && unzip datatrove-0.2.0*.whl -d OLD
    python make_minhash_goldens.py OLD >../unit/minhash_vectors.h

datatrove-0.10 is MinhashDedupSignature of 0.10.0 as it comes; fineweb-v1 is that class with SHA-1 of 64 bits over the simplify_text of
0.2.0, as that release signed with use_64bit_hashes (its own class needs NLTK's data, and differs in nothing else)."""
import importlib.util
import struct
import sys

from datatrove.pipeline.dedup import minhash
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature
from datatrove.utils.hashing import HashConfig

TEXTS = [
    "the quick brown fox jumps over the lazy dog and runs away",
    "The Quick, brown FOX (jumps) over \u201cthe\u201d lazy dog \u2014 and runs away!",
    "It cost 1,234.50 in 1999, or 12.5% of 3.14.15; version 2.0.1 \u0661\u0662\u066b\u0663 more \uff11\uff12 than that",
    "caf\u00e9 \u00c9t\u00e9 na\u00efve co\u00f6perate \u0130stanbul \u039f\u0394\u039f\u03a3 \u03a3\u0391\u03a3. \u03a3\u03b1\u03c2 end of it",
    "a\u00a0b\u2003c\u3000d\u2028e\x1cf\x85g \u0301 h i\u0301j k",
    "\ud55c\uad6d\uc5b4 \ubb38\uc7a5 \uc740 \uc5ec\uae30 \uc5d0 \uc788\uc2b5\ub2c8\ub2e4 \u65e5\u672c \u8a9e \u3002 \u4e2d\u6587",
    "don't - stop . . . now and then , it's a well-known fact that 1st 2nd 3rd come in 10k 5x",
    "\U0001f600 \U0001f601 smile \U0001d54f \ufb01ne \u2460 \u00bd a_b #tag @you e-mail@example.com http://x.y/z",
    "only four words here",
    "a b c d e",
    " ".join("w%d" % (i * i % 97) for i in range(600)),
]


class WhiteSpace:
    def word_tokenize(self, text):
        return text.split()


def fnv(values):
    h = 0xCBF29CE484222325
    for byte in b"".join(struct.pack("<Q", v) for v in values):
        h = (h ^ byte) * 0x100000001B3 % 2**64
    return h


def signatures(simplify, hash_fc):
    minhash.load_word_tokenizer = lambda language: WhiteSpace()
    minhash.simplify_text = lambda text, config: simplify(text)
    m = MinhashDedupSignature("/tmp", MinhashConfig(hash_config=HashConfig(precision=64, hash_fc=hash_fc)))
    for text in TEXTS:
        shingles = m.get_shingles(text)
        yield [v for bucket in m.get_signature(shingles) for v in bucket] if shingles.size else []


def c_string(text):
    return '"' + "".join("\\%03o" % b if b < 32 or b > 126 or chr(b) in '"\\?' else chr(b) for b in text.encode()) + '"'


def main():
    spec = importlib.util.spec_from_file_location("old_text", sys.argv[1] + "/datatrove/utils/text.py")
    old = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(old)
    rows = []
    for preset, simplify, hash_fc in (
        ("datatrove-0.10", minhash.simplify_text, "xxhash"),
        ("fineweb-v1", old.simplify_text, "sha1"),
    ):
        for text, sig in zip(TEXTS, list(signatures(simplify, hash_fc))):
            rows.append('\t{"%s", %s,\n\t %d, 0x%xu, 0x%xu},' % (preset, c_string(text), len(sig), sig[0] if sig else 0, fnv(sig)))
    print("/* minhash_vectors.h - made by tests/reference/make_minhash_goldens.py: preset, text, how many values its signature has, the first,")
    print(" * and the FNV-1a hash of all, as little-endian bytes. */")
    print("static const struct minhash_vector {")
    print("\tconst char *preset, *text;\n\tint n;\n\tuint64_t first, all;\n} minhash_vectors[] = {")
    print("\n".join(rows))
    print("};")


main()
