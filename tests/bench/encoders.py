#!/usr/bin/env python3
"""Encoding and decoding beside Hugging Face tokenizers and tiktoken: one thread each, the same documents of some 4 KB (which end with a
line), best of three (ours: of five). Ids are compared.

    encoders.py BUILD TOKENIZER TEXT...     TOKENIZER is a directory with a byte-level tokenizer.json
    encoders.py BUILD TOKENIZER --worst     one letter, pairs, spaces and a random line, from 1 to 8 MB: the time has to grow with the size

Needs tokenizers and tiktoken (python3 -m venv V && V/bin/pip install tokenizers tiktoken).
"""
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
import tiktoken
from tokenizers import Tokenizer

GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def documents(text):
    out, at = [], 0
    while at < len(text):
        nl = text.find(b"\n", at + 4096)
        end = nl + 1 if nl >= 0 else len(text)
        out.append(text[at:end].decode("utf-8", "replace"))
        at = end
    return out


def best(run, n=3):
    times = []
    for _ in range(n):
        t = time.perf_counter()
        run()
        times.append(time.perf_counter() - t)
    return min(times)


def ours(build, tokenizer, path):
    out = subprocess.run([f"{build}/bench/bench_bpe", tokenizer, path], check=True, capture_output=True, text=True).stdout
    return [float(x) for x in re.search(r"encode ([0-9.]+) MB/s.*decode ([0-9.]+) MB/s", out).groups()]


def ranks(parsed):
    """tiktoken's table of a byte-level vocabulary: the ids of what merges make are its ranks."""
    printed = [b for b in range(256) if 0x21 <= b <= 0x7E or 0xA1 <= b <= 0xAC or b >= 0xAE]
    chars = {chr(b): b for b in printed}
    chars.update({chr(256 + i): b for i, b in enumerate(b for b in range(256) if b not in printed)})
    made = [t for t in parsed["model"]["vocab"] if all(c in chars for c in t) and not t.startswith("<|")]
    made.sort(key=parsed["model"]["vocab"].get)
    return {bytes(chars[c] for c in t): parsed["model"]["vocab"][t] for t in made}


def pattern(parsed):
    parts = parsed["pre_tokenizer"].get("pretokenizers", [parsed["pre_tokenizer"]])
    return next((p["pattern"]["Regex"] for p in parts if p["type"] == "Split"), GPT2)


def compare(build, tokenizer, paths):
    file = os.path.join(tokenizer, "tokenizer.json")
    parsed = json.load(open(file))
    theirs = Tokenizer.from_file(file)
    tik = tiktoken.Encoding("same", pat_str=pattern(parsed), mergeable_ranks=ranks(parsed), special_tokens={})
    normal = parsed.get("normalizer") is not None
    print(f"{'text':24} {'MB':>6} {'quern':>14} {'tokenizers':>16} {'tiktoken':>16}   encoding, MB/s; times ours")
    for path in paths:
        text = open(path, "rb").read()
        docs = documents(text)
        encode, decode = ours(build, tokenizer, path)
        mb = len(text) / 1e6
        hf = mb / best(lambda: [theirs.encode(d, add_special_tokens=False).ids for d in docs])
        tt = mb / best(lambda: [tik.encode_ordinary(d) for d in docs])
        same = all(tik.encode_ordinary(d) == theirs.encode(d, add_special_tokens=False).ids for d in docs[:200])
        note = "" if same else "   (tiktoken gives other ids" + (": it has no normalizer)" if normal else ")")
        print(f"{os.path.basename(path):24} {mb:6.1f} {encode:9.1f} MB/s {hf:8.1f} {encode / hf:6.1f}x {tt:9.1f} {encode / tt:5.1f}x   decoding {decode:.0f} MB/s{note}")


def worst(build, tokenizer):
    r = random.Random(1)
    kinds = {"one letter": lambda n: "a" * n, "pairs": lambda n: "ab" * (n // 2), "spaces": lambda n: " " * n,
             "lines": lambda n: "\n" * n, "a random line": lambda n: "".join(r.choices("abcdefghijklmnopqrstuvwxyz", k=n)),
             "a line of Han": lambda n: "".join(chr(r.randrange(0x4E00, 0x9FA5)) for _ in range(n // 3))}
    print(f"{'text':16} " + " ".join(f"{mb:>6} MB" for mb in (1, 2, 4, 8)) + "   encoding, ms a MB")
    for name, make in kinds.items():
        row = []
        for mb in (1, 2, 4, 8):
            with tempfile.NamedTemporaryFile("w", suffix=".txt") as f:
                f.write(make(mb * 1000000))
                f.flush()
                row.append(1000 / ours(build, tokenizer, f.name)[0])
        print(f"{name:16} " + " ".join(f"{ms:9.1f}" for ms in row))


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    if sys.argv[3] == "--worst":
        worst(sys.argv[1], sys.argv[2])
    else:
        compare(sys.argv[1], sys.argv[2], sys.argv[3:])
