"""training.py [SIZE ...]: tokens a second of a training step, ours beside PyTorch's, eager and compiled, f32 and bf16 autocast.

Run by hand, after `make build/bench/bench_train`: it needs a Python environment with torch and transformers, which `make bench` does
not ask for (python -m venv v && v/bin/pip install torch transformers). SIZE is 10m or 124m (bench_train has their shapes: a Llama
with tied embeddings; sequences of one length, so that PyTorch's fastest attention applies).

A machine that others use too may change its speed by half within a minute. So the two take turns: each of ROUNDS (default 5) runs a few
steps of ours, then as many of each of PyTorch's, whose models wait meanwhile in processes of their own, compiled and warm. A round's
rate is that of its fastest step, a round's ratio that of its two rates; the best rates and the median of the ratios are reported, by the
clock and by CPU time. THREADS (default 1), STEPS (of a round, default 3) and TOKENS (of a step, default 2048) come from the
environment, and KINDS (default "f32 bf16"); with EAGER set nothing is compiled."""
import os, re, statistics, subprocess, sys, time

SHAPES = {"10m": (6, 256, 8, 704, 16384, 512), "124m": (12, 768, 12, 2048, 50257, 1024)}
threads, steps, tokens, rounds = (int(os.environ.get(k, v)) for k, v in (("THREADS", 1), ("STEPS", 3), ("TOKENS", 2048), ("ROUNDS", 5)))


def peer_stepper(size, half, compiled):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    layers, hidden, heads, ffn, vocab, length = SHAPES[size]
    model = LlamaForCausalLM(LlamaConfig(
        num_hidden_layers=layers, hidden_size=hidden, num_attention_heads=heads, num_key_value_heads=heads,
        intermediate_size=ffn, vocab_size=vocab, max_position_embeddings=length, tie_word_embeddings=True,
        attn_implementation="sdpa"))
    run = torch.compile(model) if compiled else model
    opt = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    ids = torch.randint(0, vocab, (tokens // length, length))

    def step():
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss = run(input_ids=ids, labels=ids, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        opt.zero_grad(set_to_none=False)

    return step


def peer_main(size, half, compiled):
    """Two steps to warm up; then for each line that is read, the rates of the fastest of a round's steps."""
    step = peer_stepper(size, half, compiled)
    step(), step()
    for _ in sys.stdin:
        rates = []
        for _ in range(steps):
            wall, cpu = time.perf_counter(), time.process_time()
            step()
            rates.append((tokens / (time.perf_counter() - wall), tokens / (time.process_time() - cpu) * threads))
        print("rates", *(max(r) for r in zip(*rates)), flush=True)


class Peer:
    def __init__(self, *args):
        self.process = subprocess.Popen([sys.executable, __file__, "--peer", *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.rates()

    def rates(self):
        print(file=self.process.stdin, flush=True)
        for line in self.process.stdout:
            if line.startswith("rates"):
                return tuple(map(float, line.split()[1:]))
        raise SystemExit("training.py: a process of PyTorch's ended")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def ours(size, kind):
    out = subprocess.run(["build/bench/bench_train", size, kind, str(threads), str(tokens), str(steps)], check=True, text=True,
                         stdout=subprocess.PIPE).stdout
    rates = re.findall(r"([0-9.]+) tokens/s +([0-9.]+) by CPU time", out)
    return max(float(a) for a, _ in rates), max(float(b) for _, b in rates)


def compare(size, kind):
    forms = ["eager"] if os.environ.get("EAGER") else ["eager", "compiled"]
    peers = {form: Peer(size, kind, form) for form in forms}
    got = {"quern": []} | {form: [] for form in forms}
    for _ in range(rounds):
        got["quern"].append(ours(size, kind))
        for form in forms:
            got[form].append(peers[form].rates())
    for p in peers.values():
        p.close()
    for name, rates in got.items():
        line = f"{size:5s} {kind:5s} {threads} threads  {name if name == 'quern' else 'torch ' + name:15s}"
        line += f" {max(r[0] for r in rates):8.1f} tokens/s {max(r[1] for r in rates):8.1f} by CPU time"
        if name != "quern":
            for i, by in enumerate(("the clock", "CPU time")):
                ratios = [a[i] / b[i] for a, b in zip(got["quern"], rates)]
                best = max(r[i] for r in got["quern"]) / max(r[i] for r in rates)
                line += f"; by {by} ours is {best:.2f} times that at best, {statistics.median(ratios):.2f} in the median round" \
                        f" ({min(ratios):.2f} to {max(ratios):.2f})"
        print(line, flush=True)


if sys.argv[1:2] == ["--peer"]:
    peer_main(sys.argv[2], sys.argv[3] == "bf16", sys.argv[4] == "compiled")
else:
    for size in sys.argv[1:] or ["10m"]:
        for kind in os.environ.get("KINDS", "f32 bf16").split():
            compare(size, kind)
