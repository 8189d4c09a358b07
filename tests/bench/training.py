"""training.py [SIZE ...]: tokens a second of a training step, ours beside PyTorch's, eager and compiled, f32 and bf16 autocast.

Run by hand, after `make build/bench/bench_train`: it needs a Python environment with torch and transformers, which `make bench` does
not ask for (python -m venv v && v/bin/pip install torch transformers). SIZE is 10m or 124m (bench_train has their shapes: a Llama
with tied embeddings; sequences of one length, so that PyTorch's fastest attention applies). THREADS (default 1), STEPS (default
2 after one to warm up) and TOKENS (default 2048 a step) come from the environment. Rates are given by the clock and by CPU time,
which is what to compare on a machine that does other work too."""
import os, re, subprocess, sys, time

import torch
from transformers import LlamaConfig, LlamaForCausalLM

SHAPES = {"10m": (6, 256, 8, 704, 16384, 512), "124m": (12, 768, 12, 2048, 50257, 1024)}
threads, steps, tokens = (int(os.environ.get(k, v)) for k, v in (("THREADS", 1), ("STEPS", 2), ("TOKENS", 2048)))
torch.set_num_threads(threads)


def peer(size, half, compiled):
    layers, hidden, heads, ffn, vocab, length = SHAPES[size]
    torch.manual_seed(1)
    model = LlamaForCausalLM(LlamaConfig(
        num_hidden_layers=layers, hidden_size=hidden, num_attention_heads=heads, num_key_value_heads=heads,
        intermediate_size=ffn, vocab_size=vocab, max_position_embeddings=length, tie_word_embeddings=True,
        attn_implementation="sdpa"))
    run = torch.compile(model) if compiled else model
    opt = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    ids = torch.randint(0, vocab, (tokens // length, length))
    best = best_cpu = 0.0
    for step in range(steps + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss = run(input_ids=ids, labels=ids, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        opt.zero_grad(set_to_none=False)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        if step:
            best, best_cpu = max(best, tokens / wall), max(best_cpu, tokens / cpu * threads)
    return best, best_cpu


def ours(size, kind):
    out = subprocess.run(["build/bench/bench_train", size, kind, str(threads), str(tokens)], check=True, text=True,
                         stdout=subprocess.PIPE).stdout
    rates = re.findall(r"([0-9.]+) tokens/s +([0-9.]+) by CPU time", out)
    return max(float(a) for a, _ in rates), max(float(b) for _, b in rates)


for size in sys.argv[1:] or ["10m"]:
    for kind in "f32", "bf16":
        mine = ours(size, kind)
        print(f"{size:5s} {kind:5s} {threads} threads  quern          {mine[0]:8.1f} tokens/s {mine[1]:8.1f} by CPU time", flush=True)
        for compiled in False, True:
            if compiled and os.environ.get("EAGER"):
                continue
            got = peer(size, kind == "bf16", compiled)
            print(f"{size:5s} {kind:5s} {threads} threads  torch {'compiled' if compiled else 'eager   '} {got[0]:8.1f} tokens/s "
                  f"{got[1]:8.1f} by CPU time: ours is {mine[0] / got[0]:.2f} and {mine[1] / got[1]:.2f} times that", flush=True)
