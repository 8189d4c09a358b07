#!/usr/bin/env python3
"""Rule rewards: quern score -j1 against open-r1's functions, in one run. CPU seconds of one process: ours with its start, the reading of the
rows and the writing of the scores (to nobody, as to a pipe); theirs the call alone, on texts that are in memory. Best of three each.

    rewards.py BUILD OPEN_R1/src [COMPLETIONS.jsonl]        # in a venv with math-verify; OPEN_R1 is a checkout

Without a file: 20000 completions of our own of some 4 kB."""
import json, os, random, resource, subprocess, sys, tempfile, time, types

build, source = sys.argv[1:3]
sys.path.insert(0, source)
for name in ("open_r1.utils", "open_r1.utils.code_providers", "open_r1.utils.competitive_programming"):
    module = types.ModuleType(name)          # what runs code on servers is not asked for
    module.__path__ = []
    module.__getattr__ = lambda key: None
    sys.modules[name] = module
from open_r1 import rewards as R


def completions():
    r = random.Random(5)
    words = ["".join(r.choices("etaoinshrdlucmfwypvbgkqjxz", k=r.randint(1, 10))) for _ in range(8000)]
    lines = [" ".join(r.choices(words, k=12)) + "." for _ in range(20000)]
    for _ in range(20000):
        body = r.choices(lines, k=r.randint(20, 80))
        body = [("Step %d: " % i if r.random() < 0.02 else "") + line for i, line in enumerate(body)]
        yield "<think>\n" + "\n".join(body) + "\n</think>\n<answer>\n42\n</answer>"


def cpu(who):
    u = resource.getrusage(who)
    return u.ru_utime + u.ru_stime


def ours(path, reward):
    before = cpu(resource.RUSAGE_CHILDREN)
    subprocess.run([f"{build}/bin/score", "-q", "-j1", "-r", reward, path], check=True, stdout=subprocess.DEVNULL)
    return cpu(resource.RUSAGE_CHILDREN) - before


def theirs(function, rows):
    before = time.process_time()
    function(rows)
    return time.process_time() - before


def main():
    with tempfile.TemporaryDirectory() as folder:
        texts = [json.loads(line)["completion"] for line in open(sys.argv[3])] if len(sys.argv) > 3 else list(completions())
        jsonl, arrows = os.path.join(folder, "c.jsonl"), os.path.join(folder, "c.arrows")
        with open(jsonl, "w") as f:
            for i, t in enumerate(texts):
                f.write(json.dumps({"id": str(i), "prompt": "q", "sample": 0, "completion": t}) + "\n")
        subprocess.run([f"{build}/bin/view", "-q", "--format", "arrow", "--compress", "never", jsonl, "-o", arrows], check=True)
        mb = sum(len(t.encode()) for t in texts) / 1e6
        rows = [[{"content": t}] for t in texts]
        print(f"{len(texts)} completions, {mb:.1f} MB")
        print(f"{'reward':20} {'quern s':>9} {'MB/s':>7} {'theirs s':>9} {'MB/s':>7} {'times':>7}")
        for name, function in (("format", R.format_reward), ("tag_count", R.tag_count_reward), ("reasoning_steps", R.reasoning_steps_reward),
                               ("repetition_penalty", R.get_repetition_penalty_reward(3, -1.0))):
            us = min(ours(arrows, name) for _ in range(3))
            them = min(theirs(function, rows) for _ in range(3))
            print(f"{name:20} {us:9.3f} {mb / us:7.0f} {them:9.3f} {mb / them:7.0f} {them / us:7.1f}")


if __name__ == "__main__":
    main()
