#!/usr/bin/env python3
"""Answer verification: our math-verify profile against Math-Verify, on the same pairs in one run. CPU seconds of one process each: ours in
bench_verify, theirs parse and verify without timeouts. Best of three for ours.

    verify.py BUILD [PAIRS.jsonl]

PAIRS.jsonl: rows with "answer" and "completion"; without it, 600 pairs of our own in the shares of answers that MATH has."""
import json
import logging
import random
import subprocess
import sys
import tempfile
import time

from math_verify import parse, verify

logging.disable(logging.CRITICAL)


def make(n):
    r = random.Random(3)
    rows = []
    for _ in range(n):
        a, b, c, d = r.randint(2, 40), r.randint(3, 30), r.randint(2, 9), r.random()
        if d < 0.67:
            gold, other = str(a * 1000 + b), f"{a},{b:03d}"
        elif d < 0.79:
            gold, other = rf"\frac{{{a}}}{{{b}}}", rf"\dfrac{{{a * c}}}{{{b * c}}}"
        elif d < 0.87:
            gold, other = rf"{c}\sqrt{{{b}}}", rf"\sqrt{{{c * c * b}}}"
        elif d < 0.92:
            gold, other = f"({a},{b})", rf"\left({a}, {b}\right)"
        elif d < 0.96:
            gold, other = f"x^2+{a + b}x+{a * b}", f"(x+{a})(x+{b})"
        else:
            gold, other = f"{c}, {a + 9}, {a + 80}", rf"\{{{a + 80}, {c}, {a + 9}\}}"
        if r.random() < 0.3:
            other = other.replace(str(a), str(a + 1))
        steps = "".join(f"Step {i}: adding ${i * 7} + {c} = {i * 9}$ to what we have.\n" for i in range(8))
        rows.append((f"${gold}$", rf"{steps}Therefore the answer is $\boxed{{{other}}}$."))
    return rows


def main():
    build = sys.argv[1]
    if len(sys.argv) > 2:
        with open(sys.argv[2]) as f:
            rows = [(d["answer"], d["completion"]) for d in map(json.loads, f)]
    else:
        rows = make(600)
    with tempfile.NamedTemporaryFile() as f:
        f.write(b"".join(g.encode() + b"\0" + t.encode() + b"\0" for g, t in rows))
        f.flush()
        runs = [subprocess.run([f"{build}/bench/bench_verify", f.name, "math-verify"], capture_output=True, text=True, check=True).stdout.split()
                for _ in range(3)]
    ours = min(float(s) for s, _ in runs)
    got = [c == "1" for c in runs[0][1]]
    for gold, text in rows[:20]:
        verify(parse(gold, parsing_timeout=None), parse(text, parsing_timeout=None), timeout_seconds=None)
    start = time.process_time()
    want = [verify(parse(g, parsing_timeout=None), parse(t, parsing_timeout=None), timeout_seconds=None) for g, t in rows]
    theirs = time.process_time() - start
    print(f"quern        {len(rows) / ours:10.0f} pairs/s")
    print(f"Math-Verify  {len(rows) / theirs:10.0f} pairs/s   {theirs / ours:8.0f} times ours")
    print(f"agreement    {sum(a == b for a, b in zip(got, want))} of {len(rows)}")
    for (g, t), a, b in zip(rows, got, want):
        if a != b:
            print(f"  {g} | {t[-60:]!r}: ours {a}, theirs {b}")


main()
