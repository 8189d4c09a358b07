#!/usr/bin/env python3
"""Text metrics: quern eval --task text -j1 against sacrebleu and rouge_score, in one run. CPU seconds of one process: ours with its start,
the reading of the files and the report; theirs the scoring call alone. Best of two each, one after the other; TER on the first
3000 lines.

    metrics.py BUILD [HYPOTHESES REFERENCES]

Without files: 20000 lines of our own, about as long as news sentences, no two the same (sacrebleu remembers lines it has seen)."""
import os
import random
import resource
import subprocess
import sys
import tempfile
import time

from rouge_score import rouge_scorer
from sacrebleu.metrics import BLEU, CHRF, TER

ROUGES = ["rouge1", "rouge2", "rougeL", "rougeLsum"]


def lines(n):
    r = random.Random(5)
    letters = "etaoinshrdlucmfwypvbgkqjxz"
    words = ["".join(r.choices(letters, weights=range(26, 0, -1), k=r.randint(1, 10))) for _ in range(8000)]
    weights = [1 / (i + 3) for i in range(8000)]
    refs, hyps = [], []
    for _ in range(n):
        ref = [w + r.choice(["", "", "", "", "", "", ",", "-", "'s", "."]) for w in r.choices(words, weights, k=r.randint(5, 40))]
        hyp = [w if r.random() < 0.6 else r.choice(words) for w in ref if r.random() < 0.95]
        for _ in range(3):
            a, b = r.randrange(len(hyp) + 1), r.randrange(len(hyp) + 1)
            hyp = hyp[:a][:b] + hyp[a:a + 2] + hyp[:a][b:] + hyp[a + 2:]
        refs.append(" ".join(ref).capitalize() + ".")
        hyps.append(" ".join(hyp).capitalize() + ".")
    return hyps, refs


def rouge(stem):
    def run(hyps, refs):
        scorer = rouge_scorer.RougeScorer(ROUGES, use_stemmer=stem)
        return sum(scorer.score(r, h)["rougeL"].fmeasure for h, r in zip(hyps, refs)) / len(hyps)
    return run


METRICS = [
    ("bleu", "bleu", [], lambda h, r: BLEU().corpus_score(h, [r]).score),
    ("bleu intl", "bleu", ["--tokenize=intl"], lambda h, r: BLEU(tokenize="intl").corpus_score(h, [r]).score),
    ("chrf", "chrf", [], lambda h, r: CHRF().corpus_score(h, [r]).score),
    ("chrf++", "chrf++", [], lambda h, r: CHRF(word_order=2).corpus_score(h, [r]).score),
    ("ter", "ter", [], lambda h, r: TER().corpus_score(h, [r]).score),
    ("rouge", "rouge", [], rouge(False)),
    ("rouge stem", "rouge", ["--stem"], rouge(True)),
    ("bleu bs:1000", "bleu", ["--bootstrap=1000", "--seed=12345"], lambda h, r: BLEU().corpus_score(h, [r], n_bootstrap=1000).score),
]


def ours(build, options, folder):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    out = subprocess.run([f"{build}/bin/eval", "-q", "-j1", "--task", "text", "--hypotheses", f"{folder}/h", "--references", f"{folder}/r",
                          *options], check=True, capture_output=True, text=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, out


def value(report, name):
    return float(report.split(f'"{name},none": ')[1].split(",")[0])


def forget_lines():
    """Empties the caches of sacrebleu's tokenizers, so that every run tokenizes."""
    import functools
    import gc
    for o in gc.get_objects():
        if isinstance(o, functools._lru_cache_wrapper) and "sacrebleu" in (getattr(o, "__module__", None) or ""):
            o.cache_clear()


def main():
    build = sys.argv[1]
    if len(sys.argv) > 3:
        hyps, refs = ([line.rstrip() for line in open(f, encoding="utf-8", newline="\n")] for f in sys.argv[2:4])
    else:
        hyps, refs = lines(20000)
    print(f"{len(hyps)} lines, {sum(len(x.encode()) for x in hyps + refs) / 1e6:.2f} MB")
    print(f"{'metric':14} {'value':>9} {'theirs':>9} {'quern s':>9} {'theirs s':>9} {'times':>7}")
    with tempfile.TemporaryDirectory() as folder:
        for label, metric, options, theirs in METRICS:
            n = 3000 if metric == "ter" else len(hyps)
            for name, text in (("h", hyps), ("r", refs)):
                with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
                    f.write("".join(x + "\n" for x in text[:n]))
            us = them = 1e9
            for _ in range(2):
                seconds, out = ours(build, ["--metric", metric, *options], folder)
                us = min(us, seconds)
                forget_lines()
                t = time.process_time()
                score = theirs(hyps[:n], refs[:n])
                them = min(them, time.process_time() - t)
            print(f"{label:14} {value(out, 'rougeL' if metric == 'rouge' else metric):9.4f} {score:9.4f} {us:9.4f} {them:9.3f} "
                  f"{them / us:7.0f}")


if __name__ == "__main__":
    main()
