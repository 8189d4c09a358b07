#!/usr/bin/env python3
"""Quality rules beside datatrove's, and texts made to be slow. User CPU time, for machines that are shared; best of three.

    rules.py BUILD DOCS.jsonl... [PEER_MB]  the whole of `quern clean` by preset with one thread, wall time with two beside one, and
                                            datatrove 0.10 with its own splitter on the first PEER_MB (2) of the last file; give one of
                                            short documents (web pages of 2 KB) and one of long ones: what each row costs shows in the first
    rules.py BUILD --worst [MB]             a line of MB (100), white space, emoji, one word, paragraphs: seconds at MB/4 and at MB, and memory

datatrove is left out where it is not installed (python3 -m venv V && V/bin/pip install "datatrove[processing]==0.10.0" spacy).
"""
import json
import os
import resource
import subprocess
import sys
import tempfile
import time


def run(build, *args):
    """User seconds, wall seconds, and the peak of memory in MiB of one run."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
    stats = tempfile.NamedTemporaryFile()
    subprocess.run([build + "/bin/clean", "-q", "--compress", "never", "-o", "/dev/null", "--stats", stats.name, *args], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime, time.time() - start, json.load(open(stats.name))["peak_bytes"] / 2**20


def peer(docs, megabytes):
    try:
        from datatrove.data import Document
        from datatrove.pipeline.filters import C4QualityFilter, FineWebQualityFilter, GopherQualityFilter, GopherRepetitionFilter
    except ImportError:
        return
    filters = [GopherRepetitionFilter(), GopherQualityFilter(), C4QualityFilter(filter_no_terminal_punct=False), FineWebQualityFilter()]
    size, start = 0, time.process_time()
    for d in docs:
        doc = Document(text=d, id="0")
        for f in filters:
            r = f.filter(doc)
            if r is False or (isinstance(r, tuple) and not r[0]):
                break
        size += len(d.encode())
        if size > megabytes * 1e6:
            break
    seconds = time.process_time() - start
    print("%-28s %8.2f MB/s (%.1f MB)" % ("datatrove 0.10, spaCy", size / seconds / 1e6, size / 1e6))


def worst(build, megabytes):
    texts = {
        "one line of words": "the mill stands by the river ", "white space": " ", "emoji": "\U0001f680\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "one word": "word ", "one letter": "a", "paragraphs": "ab\n\n", "brackets": "[1", "quotation marks": "\u00c3\u00a9\u2019", "digits": "4111 ",
        "colons": "a:", "hyphens": "sk-", "Han": "\u78e8\u574a",
    }
    for name, piece in texts.items():
        for preset in ("quern", "datatrove-0.10"):
            seconds = []
            for mb in (megabytes / 4, megabytes):
                with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as f:
                    f.write('{"id":"x","text":')
                    json.dump(piece * int(mb * 1e6 / len(piece.encode())), f, ensure_ascii=False)
                    f.write("}\n")
                    f.flush()
                    user, _, peak = run(build, "-j1", "--preset", preset, "--pii", "mask", f.name)
                    seconds.append(user)
            print("%-20s %-16s %7.2f s at %g MB, %7.2f s at %g MB, %6.0f MiB" % (name, preset, seconds[0], megabytes / 4, seconds[1], megabytes, peak))


def bench(build, path):
    size = rows = 0
    for line in open(path, encoding="utf-8"):        # not kept: a child's peak begins with its parent's size
        size += len(json.loads(line)["text"].encode())
        rows += 1
    print("%s: %.1f MB, %d documents of %d bytes" % (os.path.basename(path), size / 1e6, rows, size / rows))
    arrows = tempfile.mktemp(suffix=".arrows")
    subprocess.run([build + "/bin/clean", "-q", "--preset", "none", "--repair", "no", "--compress", "never", "-o", arrows, path], check=True)
    base = min(run(build, "-j1", "--preset", "none", "--repair", "no", arrows)[0] for _ in range(3))
    print("%-28s %8.0f MB/s" % ("reading and writing alone", size / max(base, 1e-3) / 1e6))
    for preset in ("quern", "fineweb-v1", "datatrove-0.10", "gopher", "gopher-dolma", "c4-tfds"):
        one = min(run(build, "-j1", "--preset", preset, arrows) for _ in range(5))
        wall = [min(run(build, j, "--preset", preset, arrows)[1] for _ in range(5)) for j in ("-j1", "-j2")]
        print("%-28s %8.0f MB/s, rules alone %6.0f MB/s, -j2 %.2f times, %4.0f MiB" %
              (preset, size / one[0] / 1e6, size / max(one[0] - base, 1e-9) / 1e6, wall[0] / wall[1], one[2]))
    os.unlink(arrows)


def main():
    build = sys.argv[1]
    if sys.argv[2] == "--worst":
        return worst(build, float(sys.argv[3]) if len(sys.argv) > 3 else 100)
    files = [a for a in sys.argv[2:] if os.path.exists(a)]
    rest = [a for a in sys.argv[2:] if a not in files]
    for path in files:
        bench(build, path)
    peer((json.loads(line)["text"] for line in open(files[-1], encoding="utf-8")), float(rest[0]) if rest else 2)


main()
