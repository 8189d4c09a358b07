#!/usr/bin/env python3
"""Holds `quern tokenize-bpe` to Hugging Face tokenizers (and to tiktoken for its tables of ranks): the same ids on texts of every kind, each
token's place, and the text that comes back.

    same_ids.py BUILD TOKENIZER... [--texts FILE...] [--rounds N]

TOKENIZER is a tokenizer.json, a directory of vocab.json and merges.txt, or cl100k_base.tiktoken. FILE: plain text, cut into documents.
Needs tokenizers and tiktoken (python3 -m venv V && V/bin/pip install tokenizers tiktoken).
"""
import argparse
import base64
import json
import os
import random
import subprocess
import sys
import tempfile
import unicodedata

import tiktoken
from tokenizers import Tokenizer
from tokenizers.implementations import ByteLevelBPETokenizer

CODE_POINTS = [c for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000]
MARKS = [c for c in CODE_POINTS if unicodedata.combining(chr(c))]
CL100K = (r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s""")


def random_texts(rounds):
    r = random.Random(1)
    pools = [lambda: chr(r.choice(CODE_POINTS)), lambda: chr(r.randrange(0x20, 0x7F)), lambda: r.choice(" \n\r\t\u00a0\u3000\u2028\u0085"),
             lambda: r.choice("aeiou the 's 'LL 'ſ 123 ١٢ ½ Ⅷ").strip() + " ", lambda: chr(r.choice(MARKS)), lambda: chr(r.randrange(0x4E00, 0xA000)),
             lambda: chr(r.randrange(0x3040, 0x3100)), lambda: chr(r.randrange(0x590, 0x700)), lambda: chr(r.randrange(0x900, 0xA00)),
             lambda: r.choice(["\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea", "\u270c\U0001f3fd", "\ufe0f", "<|endoftext|>", "</s>"]),
             lambda: chr(r.randrange(0x10000, 0x20000)), lambda: r.choice(["the mill", "return x;", "ab" * r.randrange(1, 9), "\n\n  ", "\0"])]
    for _ in range(rounds):
        some = r.sample(pools, r.randrange(1, 5))
        yield "".join(r.choice(some)() for _ in range(r.choice((3, 20, 60, 200))))
    for i in range(0, len(CODE_POINTS), 2000):
        yield "".join(map(chr, CODE_POINTS[i:i + 2000]))
    for unit in ("a", "ab", " ", "\n", " \n", "\u6c34", "\U0001f600", "=", "aA1 ", "\u0301"):
        yield unit * 3000
    yield "".join(r.choices("abcdefghijklmnopqrstuvwxyz", k=100000))


def file_texts(paths):
    for path in paths:
        lines = open(path, encoding="utf-8", errors="replace", newline="").read().splitlines(keepends=True)
        for i in range(0, len(lines), 12):
            yield "".join(lines[i:i + 12])


def ours(build, tokenizer, texts, folder):
    path, ids = os.path.join(folder, "in.jsonl"), os.path.join(folder, "ids.arrows")
    with open(path, "w") as f:
        for i, t in enumerate(texts):
            f.write(json.dumps({"id": str(i), "text": t}) + "\n")
    run = lambda *args: subprocess.run([f"{build}/bin/quern", *args], check=True, capture_output=True, text=True).stdout
    run("tokenize-bpe", "-q", "--no-eos", "--offsets", "-t", tokenizer, path, "-o", ids)
    rows = [json.loads(line) for line in run("view", "--format", "jsonl", ids).split("\n") if line]
    back = [json.loads(line)["text"] for line in run("tokenize-bpe", "-q", "--decode", "-t", tokenizer, "--format", "jsonl", ids).split("\n") if line]
    return rows, back


def reference(tokenizer):
    """The function that gives ids, places (or None) and the text that comes back."""
    if tokenizer.endswith(".tiktoken"):
        ranks = {base64.b64decode(a): int(b) for a, b in (line.split() for line in open(tokenizer))}
        enc = tiktoken.Encoding("cl100k", pat_str=CL100K, mergeable_ranks=ranks, special_tokens={})
        return lambda x: (lambda ids: (ids, None, enc.decode_bytes(ids).decode("utf-8", "replace")))(enc.encode_ordinary(x))
    if os.path.isdir(tokenizer) and not os.path.exists(f"{tokenizer}/tokenizer.json"):
        hf = ByteLevelBPETokenizer(f"{tokenizer}/vocab.json", f"{tokenizer}/merges.txt")._tokenizer
    else:
        hf = Tokenizer.from_file(tokenizer if os.path.isfile(tokenizer) else f"{tokenizer}/tokenizer.json")
    hf.encode_special_tokens = True
    trims = "trim_offsets\":true" in hf.to_str().replace(" ", "") or hf.normalizer is not None

    def encode(x):
        e = hf.encode(x)
        return e.ids, None if trims or any(e.special_tokens_mask) else [b for _, b in e.offsets], hf.decode(e.ids, skip_special_tokens=False)
    return encode


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("build")
    p.add_argument("tokenizer", nargs="+")
    p.add_argument("--texts", nargs="*", default=[])
    p.add_argument("--rounds", type=int, default=2000)
    a = p.parse_args()
    texts = [*random_texts(a.rounds), *file_texts(a.texts)]
    wrong = 0
    for tokenizer in a.tokenizer:
        encode = reference(tokenizer)
        with tempfile.TemporaryDirectory() as folder:
            rows, back = ours(a.build, tokenizer, texts, folder)
        bad = {"ids": [], "places": [], "text": []}
        for i, (text, row, again) in enumerate(zip(texts, rows, back, strict=True)):
            ids, ends, decoded = encode(text)
            at = [0]
            for c in text:
                at.append(at[-1] + len(c.encode()))
            mine = [e if e in set(at) else min(b for b in at if b > e) for e in row["ends"]] if ends and len(text) < 500 else None
            if ids != row["input_ids"]:
                bad["ids"].append(i)
            elif mine and mine != [at[e] for e in ends]:
                bad["places"].append(i)
            if decoded != again:
                bad["text"].append(i)
        wrong += sum(map(len, bad.values()))
        print(f"{tokenizer}: {len(texts)} texts; differ in " + ", ".join(f"{k} {len(v)}" for k, v in bad.items()), flush=True)
        for k, v in bad.items():
            for i in v[:2]:
                print(f"    {k}: {texts[i][:80]!r}")
    sys.exit(wrong != 0)


main()
