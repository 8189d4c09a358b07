"""generate.py DIR [FORM ...]: tokens a second of generation, ours beside transformers' generate on the same model.

Run by hand after `make`; it needs a Python environment with torch and transformers, which `make bench` does not ask for. DIR is a model
directory with a tokenizer (quern init-model -t ...); FORM is f32 or bf16 (default both). Each takes the same prompts of 32 ids' worth of
text and says NEW (default 64) tokens greedily, ends being banned: one prompt, and 32 at once. The time to load is left out:
ours is the difference of two runs of different length, theirs is measured around the second call. THREADS (default 2)."""
import json, os, subprocess, sys, tempfile, time

import torch
from transformers import AutoModelForCausalLM

threads, new = int(os.environ.get("THREADS", 2)), int(os.environ.get("NEW", 64))
torch.set_num_threads(threads)


def peer(path, form, batch):
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32 if form == "f32" else torch.bfloat16).eval()
    ids = torch.randint(0, 256, (batch, 32), generator=torch.Generator().manual_seed(1))
    seconds = []
    with torch.inference_mode():
        for n in (8, 8 + new):
            start = time.perf_counter()
            out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=n, min_new_tokens=n, pad_token_id=0)
            seconds.append(time.perf_counter() - start)
            assert out.shape[1] == 32 + n
    return batch * new / (seconds[1] - seconds[0])


def ours(path, form, batch):
    config = json.load(open(f"{path}/config.json"))
    ends = config.get("eos_token_id")
    ends = ends if isinstance(ends, list) else [ends]
    seconds = []
    with tempfile.TemporaryDirectory() as tmp:
        with open(f"{tmp}/in.jsonl", "w") as f:
            for i in range(batch):
                f.write(json.dumps({"id": str(i), "text": f"{i:02d} once upon a time, at the mill"}) + "\n")
        for n in (8, 8 + new):
            subprocess.run(["build/bin/quern", "generate", "-q", "-m", path, "--load", form, "-j", str(threads), "--greedy", "--batch",
                            str(batch), "--max-new-tokens", str(n), "--stats", f"{tmp}/stats", "-o", f"{tmp}/out"]
                           + [f"--logit-bias={e}=-inf" for e in ends if e is not None] + [f"{tmp}/in.jsonl"], check=True)
            stats = json.load(open(f"{tmp}/stats"))
            assert stats["new_tokens"] == batch * n, stats
            seconds.append(stats["new_tokens"] / stats["new_tokens_per_second"])    # without loading
    return batch * new / (seconds[1] - seconds[0])


for form in sys.argv[2:] or ["f32", "bf16"]:
    for batch in (1, 32):
        a, b = ours(sys.argv[1], form, batch), peer(sys.argv[1], form, batch)
        print(f"{form:4}  {batch:2} at once  quern {a:7.1f} tokens/s  transformers {b:7.1f} tokens/s  {a / b:5.1f} times", flush=True)
