#!/usr/bin/env python3
"""Opens what we write in transformers, and compares. For each family of families.json: init-model makes a model from its
config.json, generate completes prompts greedily, score adds log-probabilities; transformers must open the directory without a
missing or an unexpected tensor, find the same next token at each place, and the same log-probability of the whole.

    pip install torch transformers safetensors
    tests/reference/check_families.py [BUILD]
"""
import json
import os
import subprocess
import sys
import tempfile

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "..", "golden", "data")
TOKENIZER = os.path.join(DATA, "generate", "tokenizer")
PROMPTS = ["A pipe is", "x", "Numbers: 1 2 3 4 5 6"]


def quern(build, *args, stdin=""):
    out = subprocess.run([os.path.join(build, "bin", args[0]), *args[1:]], input=stdin, capture_output=True, text=True)
    if out.returncode:
        raise SystemExit(f"{args[0]}: exit {out.returncode}: {out.stderr}")
    return out.stdout


def check_model(build, name, members, work):
    config, model = os.path.join(work, "config.json"), os.path.join(work, name)
    with open(config, "w") as f:
        json.dump(members, f)
    quern(build, "init-model", "-q", config, "-t", TOKENIZER, "--vocab-size", "259", "--init-range", "0.4", "-o", model)
    prompts = "".join(json.dumps({"id": str(i), "text": p}) + "\n" for i, p in enumerate(PROMPTS))
    completions = quern(build, "generate", "-q", "-m", model, "--greedy", "--max-new-tokens", "12", "--format", "jsonl", stdin=prompts)
    scored = quern(build, "score", "-q", "-r", "format=0", "--logprob", model, "--format", "jsonl", stdin=completions)
    m, info = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    assert not any(info[k] for k in ("missing_keys", "unexpected_keys", "mismatched_keys")), info
    tokenizer = AutoTokenizer.from_pretrained(model)
    worst = 0.0
    for line in scored.splitlines():
        row = json.loads(line)
        prompt = tokenizer(row["prompt"], add_special_tokens=False)["input_ids"]
        ids = torch.tensor(prompt + row["completion_ids"])
        with torch.no_grad():
            logp = torch.log_softmax(m(input_ids=ids[None], use_cache=False).logits[0].double(), -1)[len(prompt) - 1:-1]
        for place, token in enumerate(row["completion_ids"]):
            assert logp[place].max() - logp[place, token] < 1e-4, f"{name}: token {token} at {place} is not the most probable"
        want = float(sum(logp[i, t] for i, t in enumerate(row["completion_ids"])))
        for key in ("logprob", "reward_logprob"):
            worst = max(worst, abs(row[key] - want) / max(1, abs(want)))
    assert worst < 1e-4, f"{name}: log-probabilities differ by {worst}"
    print(f"{name}: {len(PROMPTS)} completions, largest difference of log-probabilities {worst:.1e}")


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "..", "..", "build")
    with open(os.path.join(DATA, "families", "families.json")) as f:
        models = json.load(f)["models"]
    torch.set_num_threads(1)
    logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as work:
        for name, m in models.items():
            check_model(build, name, m["config"], work)


if __name__ == "__main__":
    main()
