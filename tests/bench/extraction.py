#!/usr/bin/env python3
"""Main text of web pages: precision, recall, F1 and time beside trafilatura and resiliparse, one thread each.

    extraction.py BUILD DATA [--peers] [--half design|check] [--misses]

DATA holds evaldata.json ({url: {"file", "with": [...], "without": [...]}}) and html/, as trafilatura's own evaluation set does, and what is
counted is what its tests/eval_common.py counts: a segment is found when the text contains it, both with white space folded; found `with`
segments are true positives, found `without` segments false ones; a page that gives nothing counts as a miss of all. --half takes the pages
whose URL's MD5 is even (design) or odd (check). --misses prints our wrong segments. Times are CPU seconds of the extraction: ours is the
whole of `import --extract main -j 1` (reading the files and writing JSON Lines among it), best of three.

--peers needs both: python3 -m venv V && V/bin/pip install trafilatura resiliparse
"""
import argparse
import hashlib
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time


def norm(text):
    return re.sub(r"\s+", " ", text).strip()


def is_design(url):
    return hashlib.md5(url.encode()).digest()[0] % 2 == 0


def load(data, half):
    with open(os.path.join(data, "evaldata.json"), encoding="utf-8") as f:
        pages = json.load(f)
    return {u: p for u, p in pages.items() if not half or is_design(u) == (half == "design")}


def ours(build, data, pages):
    """Texts by file name, and CPU seconds."""
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for i, page in enumerate(pages.values()):
            files.append(os.path.join(folder, f"{i}.html"))
            os.symlink(os.path.abspath(os.path.join(data, "html", page["file"])), files[-1])
        seconds = []
        for _ in range(3):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            out = subprocess.run([f"{build}/bin/import", "-q", "-j", "1", "--from", "html", "--extract", "main", "--format", "jsonl", *files],
                                 check=True, capture_output=True).stdout
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    texts = {}
    for line in out.splitlines():
        row = json.loads(line)
        texts[int(row["id"].split(".")[0])] = row["text"]
    return [texts.get(i) for i in range(len(pages))], min(seconds)


def peer(extract, data, pages):
    texts, seconds = [], 0
    extract(b"<html><body><p>warm up</p></body></html>")
    for page in pages.values():
        with open(os.path.join(data, "html", page["file"]), "rb") as f:
            html = f.read()
        start = time.process_time()
        try:
            texts.append(extract(html))
        except Exception:  # trafilatura's evaluation counts a crash as a page without text
            texts.append(None)
        seconds += time.process_time() - start
    return texts, seconds


def peers():
    import trafilatura
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.encoding import bytes_to_str, detect_encoding
    from resiliparse.parse.html import HTMLTree

    def run_trafilatura(html, fast=False):
        return trafilatura.extract(html, fast=fast, include_comments=False, include_tables=True, include_formatting=False)

    def run_resiliparse(html):
        return extract_plain_text(HTMLTree.parse(bytes_to_str(html, detect_encoding(html))), main_content=True)

    return {"trafilatura": run_trafilatura, "trafilatura fast": lambda html: run_trafilatura(html, True), "resiliparse": run_resiliparse}


def count(pages, texts, misses=False):
    tp = fp = fn = 0
    for page, text in zip(pages.values(), texts):
        text = norm(text or "")
        found = [w for w in page["with"] if norm(w) in text]
        wrong = [w for w in page["without"] if norm(w) in text]
        tp += len(found)
        fp += len(wrong)
        fn += len(page["with"]) - len(found)
        if misses:
            for w in page["with"]:
                if w not in found:
                    print(f"- {page['file']}\t{w}")
            for w in wrong:
                print(f"+ {page['file']}\t{w}")
    return tp / (tp + fp) if tp else 0, tp / (tp + fn), 2 * tp / (2 * tp + fp + fn)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("data")
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--half", choices=["design", "check"])
    parser.add_argument("--misses", action="store_true")
    args = parser.parse_args()
    pages = load(args.data, args.half)
    n_bytes = sum(os.path.getsize(os.path.join(args.data, "html", p["file"])) for p in pages.values())
    print(f"{len(pages)} pages, {n_bytes / 1e6:.1f} MB", file=sys.stderr)
    runs = {"quern": lambda: ours(args.build, args.data, pages)}
    if args.peers:
        for name, extract in peers().items():
            runs[name] = lambda extract=extract: peer(extract, args.data, pages)
    for name, run in runs.items():
        texts, seconds = run()
        p, r, f1 = count(pages, texts, args.misses and name == "quern")
        print(f"{name:<17} precision {p:.3f}  recall {r:.3f}  F1 {f1:.3f}  {seconds:8.3f} s  {n_bytes / seconds / 1e6:7.2f} MB/s")


main()
