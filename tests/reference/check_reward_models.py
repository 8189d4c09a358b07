#!/usr/bin/env python3
"""Checks that transformers and PEFT read what reward-train writes, and give the numbers of `quern score --reward-model`: a reward model and
a process reward model, each trained as a whole and as adapters, and the adapters merged.

    pip install torch transformers peft
    tests/reference/check_reward_models.py build/bin tests/golden/data

Ends with status 1 at the first difference beyond 1e-4.
"""
import json
import os
import subprocess
import sys
import tempfile

import torch
from peft import PeftModel
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification, PreTrainedTokenizerFast

PAIRS = [{"id": str(i), "prompt": [{"role": "user", "content": f"{i}+1=?"}], "chosen": [{"role": "assistant", "content": f"{i + 1}"}],
          "rejected": [{"role": "assistant", "content": f"no {i}"}]} for i in range(24)]
STEPS = ["3 is odd", "so 9", "no, 3"]


def lines(path, rows):
    with open(path, "w") as f:
        f.writelines(json.dumps(r) + "\n" for r in rows)


def main():
    binary, data = os.path.join(os.path.abspath(sys.argv[1]), "quern"), os.path.abspath(sys.argv[2])
    with tempfile.TemporaryDirectory() as t:
        os.chdir(t)

        def quern(words):
            return subprocess.run([binary] + words.split(), check=True, capture_output=True, text=True).stdout

        quern(f"init-model -q --preset tiny -t {data}/generate/tokenizer --hidden 32 --layers 2 --heads 4 --kv-heads 2 --ffn 64 "
              "--positions 128 --init-range 0.3 --seed 1 -o base")
        lines("pairs.jsonl", PAIRS)
        lines("text.jsonl", [{"id": "1", "prompt": "3+6=?", "sample": 0, "completion": "\n".join(STEPS)}])
        tokenizer = PreTrainedTokenizerFast(tokenizer_file="base/tokenizer.json")

        def encode(text):
            return tokenizer(text, add_special_tokens=False)["input_ids"]

        worst = 0.0
        for task, rows, auto, labels in (("", "pairs.jsonl", AutoModelForSequenceClassification, 1),
                                         ("--process", f"{data}/rewards/steps.jsonl", AutoModelForTokenClassification, 2)):
            if labels == 1:
                ids, at = encode("3+6=?") + encode("\n".join(STEPS)) + [tokenizer.convert_tokens_to_ids("<|im_end|>")], None
            else:
                ids, at = encode("3+6=?"), []
                for step in STEPS:
                    ids += encode(step) + encode("\n")
                    at.append(len(ids) - 1)
            for adapters in ("", "--lora-rank 4"):
                name = f"{labels}{'a' if adapters else ''}"
                quern(f"reward-train -q {task} {adapters} -m base {rows} --epochs 4 --batch-pairs 8 --lr 5e-3 -o {name}")
                models = {name: None}
                if adapters:
                    models[name] = PeftModel.from_pretrained(auto.from_pretrained("base", num_labels=labels, dtype=torch.float32), name)
                    quern(f"merge -q {name} -o {name}m")
                    models[name + "m"] = auto.from_pretrained(name + "m", dtype=torch.float32)
                else:
                    models[name] = auto.from_pretrained(name, dtype=torch.float32)
                for d, model in models.items():
                    row = json.loads(quern(f"score -q --reward-model {d} text.jsonl --format jsonl"))
                    with torch.no_grad():
                        logits = model.eval()(input_ids=torch.tensor([ids])).logits[0]
                    theirs = [logits.item()] if labels == 1 else logits.softmax(-1)[at, 1].tolist()
                    ours = [row["reward_model"]] if labels == 1 else row["step_scores"]
                    difference = max(abs(a - b) for a, b in zip(ours, theirs, strict=True))
                    print(d, type(model).__name__, ours, difference)
                    worst = max(worst, difference)
    sys.exit(worst > 1e-4)


main()
