#!/usr/bin/env python3
"""Responses judged per second: quern eval beside lighteval's metrics (AIME, MATH-500, GPQA) and lm-evaluation-harness's IFEval, on the
responses of tests/golden/data, one core each, in one run.

    python3 -m venv V && V/bin/pip install lighteval==0.13.0 langdetect immutabledict nltk && V/bin/pip install --no-deps lm_eval==0.4.13
    V/bin/python tests/bench/tasks.py build/bin

Both sides read the rows, judge each response, and count; ours are repeated so that start-up does not matter. Set TIMES for more.
"""
import json
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "..", "golden", "data")
TIMES = int(os.environ.get("TIMES", "100"))
os.environ["LOCAL_RANK"] = "1"
sys.path.insert(0, os.path.join(HERE, "..", "reference"))


def rows(name, task=None):
    with open(os.path.join(DATA, name)) as f:
        return [r for r in map(json.loads, f) if task is None or r["task"] == task]


def ours(binary, task, text, folder):
    data = os.path.join(folder, "rows.jsonl")
    with open(data, "w") as f:
        for _ in range(TIMES):
            f.writelines(json.dumps({k: v for k, v in r.items() if k != "id"}) + "\n" for r in text)
    start = time.perf_counter()
    subprocess.run([os.path.join(binary, "quern"), "eval", "-q", "-j1", "--task", task, data, "-o", os.path.join(folder, "r.json")], check=True)
    return TIMES * len(text) / (time.perf_counter() - start)


def theirs(judge, text):
    start = time.perf_counter()
    for r in text:
        judge(r)
    return len(text) / (time.perf_counter() - start)


def main():
    import contextlib
    import io

    binary = sys.argv[1]
    with contextlib.redirect_stdout(io.StringIO()):
        sys.argv = sys.argv[:1]
        import make_lighteval_goldens as lighteval
        import make_ifeval_goldens as ifeval

    def ifeval_judge(r):
        doc = ifeval.utils.InputExample(key=0, instruction_id_list=r["instruction_id_list"], prompt="", kwargs=r["kwargs"])
        ifeval.utils.test_instruction_following_strict(doc, r["completion"])
        ifeval.utils.test_instruction_following_loose(doc, r["completion"])

    print("%-22s %10s %12s %8s" % ("responses/s", "theirs", "quern eval", "times"))
    with tempfile.TemporaryDirectory() as folder:
        for name, grader, judge in (
            ("letter", "choice", lambda r: lighteval.letter_of("letter", r["completion"])),
            ("expr", "lighteval", lambda r: lighteval.score("expr", r["answer"], r["completion"])),
            ("latex", "lighteval", lambda r: lighteval.score("latex", r["answer"], r["completion"])),
        ):
            task = os.path.join(folder, name + ".yaml")
            with open(task, "w") as f:
                f.write('task: t\ndoc_to_text: ""\ndoc_to_target: "{{answer}}"\ngrader: %s\n' % grader)
            text = rows("lighteval.jsonl", name)
            a, b = theirs(judge, text), ours(binary, task, text, folder)
            print("%-22s %10.0f %12.0f %8.0f" % ("lighteval, " + name, a, b, b / a))
        text = rows("ifeval.jsonl")
        a, b = theirs(ifeval_judge, text), ours(binary, "ifeval", text, folder)
        print("%-22s %10.0f %12.0f %8.0f" % ("lm_eval, ifeval", a, b, b / a))


if __name__ == "__main__":
    main()
