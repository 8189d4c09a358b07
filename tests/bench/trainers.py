#!/usr/bin/env python3
"""Training beside Hugging Face's BpeTrainer: the same documents, pattern and vocabulary, whole processes in turn, the best of RUNS each.
Wall seconds, CPU seconds, and the highest resident memory above that of the same program with one word to learn. Merges are compared.

    trainers.py BUILD [--vocab-size N] [--pattern NAME] [--runs N] [-j N] FILE.jsonl...     documents with a "text"

Needs tokenizers (python3 -m venv V && V/bin/pip install tokenizers). Theirs takes a thread for each core; RAYON_NUM_THREADS says otherwise.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def theirs(path, vocab_size, pre_tokenizer, out):
    """Runs in a process of its own: trains with the pre-tokenizer of our tokenizer.json."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    empty = {"version": "1.0", "added_tokens": [], "normalizer": None, "post_processor": None, "decoder": None, "truncation": None,
             "padding": None, "pre_tokenizer": json.loads(pre_tokenizer), "model": json.loads(Tokenizer(models.BPE()).to_str())["model"]}
    t = Tokenizer.from_str(json.dumps(empty))
    with open(path) as f:
        t.train_from_iterator((json.loads(line)["text"] for line in f),
                              trainers.BpeTrainer(vocab_size=vocab_size, special_tokens=SPECIALS, show_progress=False,
                                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    t.save(out)


def measure(command):
    """(wall seconds, CPU seconds, peak MB) of a process."""
    # a process between, so that the peak is that of this child alone
    code = ("import os, resource, subprocess, sys, time\nt = time.perf_counter()\nsubprocess.run(sys.argv[1:], check=True)\n"
            "u = resource.getrusage(resource.RUSAGE_CHILDREN)\nprint(time.perf_counter() - t, u.ru_utime + u.ru_stime, u.ru_maxrss / 1e3)")
    out = subprocess.run([sys.executable, "-c", code] + command, check=True, capture_output=True, text=True).stdout
    return [float(x) for x in out.split()]


def best(runs):
    return [min(x) for x in zip(*runs)]


def compare(o, path, work):
    def our(file):
        return [os.path.join(o.build, "bin/bpe-train"), "-q", "--pattern", o.pattern, "--vocab-size", str(o.vocab_size), "-j", str(o.j), file,
                "-o", os.path.join(work, "ours")]

    def their(file):
        return [sys.executable, __file__, "--theirs", file, str(o.vocab_size), pre_tokenizer, os.path.join(work, "theirs.json")]

    one = os.path.join(work, "one.jsonl")
    with open(one, "w") as f:
        f.write('{"id": "1", "text": "a"}\n')
    our_floor = measure(our(one))[2]
    parsed = json.load(open(os.path.join(work, "ours/tokenizer.json")))
    pre_tokenizer = json.dumps(parsed["pre_tokenizer"])
    their_floor = measure(their(one))[2]
    pairs = [(measure(our(path)), measure(their(path))) for _ in range(o.runs)]
    a, b = best([p[0] for p in pairs]), best([p[1] for p in pairs])
    a[2] -= our_floor
    b[2] -= their_floor
    x, y = (json.load(open(os.path.join(work, f)))["model"] for f in ("ours/tokenizer.json", "theirs.json"))
    same = "the same" if x["merges"] == y["merges"] and x["vocab"] == y["vocab"] else "OTHER MERGES"
    print(f"{os.path.basename(path)}, {os.path.getsize(path) / 1e6:.0f} MB, {len(x['merges'])} merges, {same}")
    for name, i, unit in (("wall", 0, "s"), ("CPU", 1, "s"), ("memory", 2, "MB")):
        print(f"  {name:8} {a[i]:9.2f} {unit:2}   tokenizers {b[i]:9.2f} {unit:2} {b[i] / a[i]:6.1f}x")
    return same == "the same"


def main():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("build")
    p.add_argument("files", nargs="+")
    p.add_argument("--vocab-size", type=int, default=32768)
    p.add_argument("--pattern", default="llama3")
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("-j", type=int, default=0)
    o = p.parse_args()
    with tempfile.TemporaryDirectory() as work:
        sys.exit(not all([compare(o, f, work) for f in o.files]))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--theirs"]:
        theirs(sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5])
    else:
        main()
