#!/usr/bin/env python3
"""make_reward_goldens.py - texts of our own with what open-r1's reward functions say of them.

    pip install math-verify==0.9.0                       # in a venv
    git clone https://github.com/huggingface/open-r1     # 1416fa0 was used
    tests/reference/make_reward_goldens.py open-r1/src tests/golden/data/rewards

writes texts.jsonl (each text with the rules that look at it alone) and groups.jsonl (completions that are right or wrong, with cosine and
len). Where the tool differs from open-r1, and why:

- cosine, len: without a gold answer that can be read open-r1 gives 1.0, or counts the completion as right; we give null, for nothing is known.
- len: open-r1 takes all completions of the call for one group; we take those of one prompt.
- repetition_penalty for zh: open-r1 splits by jieba's dictionary; we take each Chinese character as a word.
- code: open-r1 compares as many lines of output as both have; we compare all of them."""
import itertools, json, os, random, sys, types

source, folder = sys.argv[1:3]
sys.path.insert(0, source)
for name in ("open_r1.utils", "open_r1.utils.code_providers", "open_r1.utils.competitive_programming"):
    module = types.ModuleType(name)          # what runs code on servers is not asked for
    module.__path__ = []
    module.__getattr__ = lambda key: None
    sys.modules[name] = module
from open_r1 import rewards as R

random.seed(20261121)
TAGS = ["<think>", "</think>", "<answer>", "</answer>", "<think>\n", "\n</think>\n", "\n<answer>\n", "\n</answer>", "<answer>\n", "\n</think>"]
STEPS = ["Step 1:", "Step 22:", "Step :", "step 3:", "Step ٣:", "1.", "12. ", "٤.", "\n-", "\n*", "\n1.", "First,", "Second,", "Next,", "Finally,",
         "first,", "First", "- ", "* "]
WORDS = ["a", "b", "A", "the", "The", "mill", "grain", "İ", "i̇", "i", "ΟΔΟΣ", "οδος", "οδοσ", "ΣΑΣ", "σας", "ΑΣ.", "ας.", "Σ", "σ", "ς", "ΑΣ'Α", "ασ'α", "STRASSE",
         "straße", "ẞ", "ß", "K", "k", "Å", "å", "Ⱥ", "ⱥ", "𐐀", "𐐨", "naïve", "NAÏVE", "日本", "Ⅷ", "ⅷ", "Ꭰ", "ꭰ", "e\u0301", "É", "é", "Ǆ", "ǅ", "ǆ"]
SPACES = [" ", " ", " ", "\n", "\t", "  ", "\u00a0", "\u3000", "\u2028", "\x1c", "\x85", "\u200b"]
FENCES = ["```python\n", "```", "```c\n", "```python", "``", "code"]


def text():
    kind = random.randrange(6)
    if kind == 0:
        return "".join(random.choices(TAGS + ["x", "\n", " ", "\u3000"], k=random.randint(0, 12)))
    if kind == 1:
        parts = ["<think>\n", "why", "\n</think>\n<answer>\n", "so", "\n</answer>"]
        for _ in range(random.randint(0, 2)):
            parts.insert(random.randrange(len(parts) + 1), random.choice(TAGS + ["\n", "x", " "]))
        return "".join(parts)
    if kind == 2:
        parts = ["<think>", "why", "</think>", "\n", "<answer>", "so", "</answer>"]
        for _ in range(random.randint(0, 2)):
            parts.insert(random.randrange(len(parts) + 1), random.choice(TAGS + ["\n", "x", " ", "\u2003"]))
        return "".join(parts)
    if kind == 3:
        return "".join(random.choices(STEPS + ["x", "\n", " ", "é"], k=random.randint(0, 9)))
    if kind == 4:
        parts = ["<think>\n", "why", "\n</think>\n<answer>\n", "```python\n", "x = 1\n", "```", "\n</answer>"]
        for _ in range(random.randint(0, 2)):
            parts.insert(random.randrange(len(parts) + 1), random.choice(FENCES + TAGS))
        return "".join(parts)
    words = random.sample(WORDS, random.randint(1, 6))
    return "".join(w + s for w, s in zip(random.choices(words, k=random.randint(0, 25)), itertools.cycle(random.sample(SPACES, 4))))


def say(function, s):
    return function([[{"content": s}]])[0]


PENALTIES = [(n, p, R.get_repetition_penalty_reward(n, p)) for n, p in ((1, -1.0), (2, -0.5), (3, -1.0), (5, -2.5))]
with open(os.path.join(folder, "texts.jsonl"), "w") as out:
    texts = ["", "\n", "a b", "a b c a b c a b c", "Step 1: First step\nStep 2: Second step\nStep 3: Third step",
             "First, we do this.\nFinally, we conclude.", "<think>\nx\n</think>\n<answer>\ny\n</answer>\nand more", "this is a this is a test"]
    for s in sorted(set(texts + [text() for _ in range(900)])):
        out.write(json.dumps({
            "text": s, "format": say(R.format_reward, s), "tag_count": say(R.tag_count_reward, s),
            "reasoning_steps": say(R.reasoning_steps_reward, s), "code_format": say(R.get_code_format_reward("python"), s),
            "repetition": [[n, p, say(f, s)] for n, p, f in PENALTIES], "characters": len(s)}, ensure_ascii=False) + "\n")

COSINES = [(-1.0, -0.5, 0.5, 1.0, 1000), (0.0, -0.5, 0.5, 1.0, 1000), (-10.0, 3.0, 0.25, 2.0, 37)]
with open(os.path.join(folder, "groups.jsonl"), "w") as out:
    for _ in range(60):
        right = [random.random() < 0.5 for _ in range(random.randint(1, 6))]
        same = random.random() < 0.2
        said = [f"\\boxed{{{7 if r else 8}}}" + ("" if same else " é" * random.randint(0, 700)) for r in right]
        rows = [[{"content": s}] for s in said]
        gold = ["$7$"] * len(said)
        out.write(json.dumps({
            "characters": [len(s) for s in said], "correct": right, "len": R.len_reward(rows, gold),
            "cosine": [[*c, R.get_cosine_scaled_reward(*c)(rows, gold)] for c in COSINES]}) + "\n")
    punish = [[m, c, n, R.get_soft_overlong_punishment(m, c)([[0] * n])[0]]
              for m, c in ((100, 20), (100, 0), (16, 16), (16384, 4096)) for n in (0, 1, 15, 16, 17, 80, 81, 90, 99, 100, 101, 12289, 16384, 16385)]
    out.write(json.dumps({"soft_overlong": punish}) + "\n")
