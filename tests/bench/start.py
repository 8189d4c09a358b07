#!/usr/bin/env python3
"""From command to first step: a training tool on a directory of half a billion parameters (Qwen2.5-0.5B's shape), warm page cache.

    start.py BUILD DIR [--runs N] [-j N] [--only NAME]       DIR: a model directory; made there where it is not (2 GB are written on the way)

Whole processes in turn, the best and the median of RUNS. "step 1 begins": from the start of the process until the first step begins. "step 1
ends" and "a later one": its line, and what a step takes that nothing of the start is left for. What counts as start-up is all that comes before
a first step that takes as long as a later one: "start in all". A process is killed once it has told of three steps.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time

SHAPE = ("--family qwen2 --hidden 896 --layers 24 --heads 14 --kv-heads 2 --ffn 4864 --positions 32768 --rope-theta 1000000 "
         "--vocab-size 151936").split()
WORDS = "a mill grinds corn to flour and the miller sells it by the sack to whoever comes with a cart before noon".split()


def jobs(text, pairs):
    text = ["--batch-tokens", "64", "--micro-tokens", "64", "-L", "64", text]
    pairs = ["--batch-pairs", "1", "--micro-tokens", "64", pairs]
    return {
        "sft-train, all weights": ("sft-train", text),
        "sft-train --bf16": ("sft-train", text + ["--bf16"]),
        "sft-train, adapters": ("sft-train", text + ["--lora-rank", "16"]),
        "dpo-train, all weights": ("dpo-train", pairs),
        "dpo-train, adapters": ("dpo-train", pairs + ["--lora-rank", "16"]),
        "reward-train, all weights": ("reward-train", pairs),
    }


def write_data(work):
    """Documents, and preferences that bring the reference's log-probabilities: to compute them is no start, but work that grows with the data."""
    text, pairs = os.path.join(work, "text.jsonl"), os.path.join(work, "pairs.jsonl")
    with open(text, "w") as f:
        for i in range(200):
            f.write(json.dumps({"id": str(i), "text": " ".join(WORDS[(i * j) % len(WORDS)] for j in range(1, 40))}) + "\n")
    with open(pairs, "w") as f:
        for i in range(8):
            say = [" ".join(WORDS[(i * j + k) % len(WORDS)] for j in range(1, 6)) for k in range(3)]
            f.write(json.dumps({"id": str(i), "prompt": [{"role": "user", "content": say[0]}],
                                "chosen": [{"role": "assistant", "content": say[1]}],
                                "rejected": [{"role": "assistant", "content": say[2] + " then"}],
                                "ref_chosen_logp": -50, "ref_rejected_logp": -50}) + "\n")
    return text, pairs


def make_model(build, where, text):
    """A tokenizer of a few words, a random model with Qwen's vocabulary, in bfloat16."""
    def run(tool, *args):
        subprocess.run([os.path.join(build, "bin", tool), "-q"] + list(args), check=True)

    run("bpe-train", "--pattern", "qwen2", "--vocab-size", "512", "--special", "<|im_start|>", "--special", "<|im_end|>", text, "-o",
        where + ".tokenizer")
    run("init-model", "--preset", "large", *SHAPE, "-t", where + ".tokenizer", "-o", where + ".float")
    run("merge", where + ".float", "--dtype", "bf16", "-o", where)
    shutil.rmtree(where + ".tokenizer")
    shutil.rmtree(where + ".float")


def lines(path):
    try:
        with open(path) as f:
            return [line for line in f if line.endswith("\n")]
    except FileNotFoundError:
        return []


def measure(command, work):
    """Seconds until step 1 begins, until its line is out, and of step 3."""
    out = os.path.join(work, "out")
    times = os.path.join(out, "trainer/times.jsonl")
    shutil.rmtree(out, ignore_errors=True)
    begin = time.perf_counter()
    p = subprocess.Popen(command + ["--steps", "4", "--save-every", "1000", "--warmup", "0", "--times", "-q", "-o", out])
    told = []
    while len(told) < 3 and p.poll() is None:
        time.sleep(0.002)
        told += [time.perf_counter() - begin] * (len(lines(times)) - len(told))
    took = [json.loads(line)["seconds"] for line in lines(times)]
    p.kill()
    p.wait()
    if len(told) < 3:
        raise SystemExit("it ended before the third step: " + " ".join(command))
    return told[0] - took[0], told[0], took[2]


def main():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("build")
    p.add_argument("dir")
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--only", default="")
    p.add_argument("-j", default="0")
    o = p.parse_args()
    with tempfile.TemporaryDirectory() as work:
        text, pairs = write_data(work)
        if not os.path.exists(os.path.join(o.dir, "config.json")):
            make_model(o.build, o.dir, text)
        print(f"{'seconds: best, median':28}{'step 1 begins':>18}{'step 1 ends':>18}{'a later one':>18}{'start in all':>18}")
        for name, (tool, args) in jobs(text, pairs).items():
            if o.only not in name:
                continue
            found = [measure([os.path.join(o.build, "bin", tool), "-m", o.dir, "-j", o.j] + args, work) for _ in range(o.runs)]
            columns = list(zip(*found))
            columns.append([end - later for _, end, later in found])
            print(f"{name:28}" + "".join(f"{min(c):11.2f}{statistics.median(c):7.2f}" for c in columns), flush=True)


if __name__ == "__main__":
    main()
