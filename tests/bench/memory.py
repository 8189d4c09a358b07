#!/usr/bin/env python3
"""memory.py [SIZE ...]: peak memory of a training job, sft-train beside transformers' Trainer on the same model and rows.

Run by hand, after `make`: it needs a Python environment with torch, transformers and accelerate, which `make bench` does not ask for
(python -m venv v && v/bin/pip install torch transformers accelerate). SIZE is 10m or 124m (Llamas with tied embeddings, 4 rows of 512 or 1024
tokens a step). STEPS (default 3), KINDS (default f32,bf16) and THREADS (default all cores) come from the environment; CHECKPOINT=1 lets it take
gradient checkpointing, against --recompute full. Memory is the peak resident size of each process over its whole run (ours with its checkpoint
written, the Trainer's without one); beside it that of the Trainer less what the same process has before its first step but for the weights
(Python, PyTorch and modules). The losses of the first step show that it is the same job."""
import json, os, random, re, subprocess, sys, tempfile

SHAPES = {"10m": (6, 256, 8, 704, 16384, 512), "124m": (12, 768, 12, 2048, 50257, 1024)}
steps, threads = (int(os.environ.get(k, v)) for k, v in (("STEPS", 3), ("THREADS", os.cpu_count())))
checkpoint = os.environ.get("CHECKPOINT") == "1"
quern = os.path.abspath("build/bin/quern")
ROWS, LR = 4, 1e-4


def make(size, d):
    layers, hidden, heads, ffn, vocab, length = SHAPES[size]
    subprocess.run([quern, "init-model", "-q", "--preset", "small", "--layers", str(layers), "--hidden", str(hidden), "--heads", str(heads),
                    "--kv-heads", str(heads), "--ffn", str(ffn), "--vocab-size", str(vocab), "--positions", str(length), "--seed", "1",
                    "-o", f"{d}/m"], check=True)
    r = random.Random(1)
    with open(f"{d}/rows.jsonl", "w") as f:
        for i in range(steps * ROWS):
            f.write(json.dumps({"id": str(i), "input_ids": [r.randrange(vocab) for _ in range(length)]}) + "\n")


def resident(field):
    return int(re.search(field + r":\s+(\d+) kB", open("/proc/self/status").read()).group(1)) / 1024


def peer(d, half):
    """In a process of its own: the Trainer's steps."""
    import torch
    from transformers import AutoModelForCausalLM, Trainer, TrainingArguments
    torch.set_num_threads(threads)
    args = TrainingArguments(output_dir=f"{d}/out", per_device_train_batch_size=ROWS, max_steps=steps, learning_rate=LR, use_cpu=True, bf16=half,
                             gradient_checkpointing=checkpoint, report_to=[], save_strategy="no", logging_steps=1, disable_tqdm=True,
                             lr_scheduler_type="constant")

    class InOrder(Trainer):
        def _get_train_sampler(self, *a, **k):
            return torch.utils.data.SequentialSampler(self.train_dataset)

    rows = [json.loads(l)["input_ids"] for l in open(f"{d}/rows.jsonl")]
    rows = [{"input_ids": torch.tensor(r), "labels": torch.tensor(r)} for r in rows]
    model = AutoModelForCausalLM.from_pretrained(f"{d}/m", dtype=torch.float32)
    trainer = InOrder(model=model, args=args, train_dataset=rows)
    before = resident("VmRSS") - sum(p.numel() * 4 for p in model.parameters()) / 2**20
    trainer.train()
    print("PEAK", before, resident("VmHWM"), trainer.state.log_history[0]["loss"])


def main():
    if len(sys.argv) > 2 and sys.argv[1] == "--peer":
        return peer(sys.argv[2], sys.argv[3] == "bf16")
    for size in sys.argv[1:] or ["10m"]:
        with tempfile.TemporaryDirectory() as d:
            make(size, d)
            for kind in os.environ.get("KINDS", "f32,bf16").split(","):
                length = SHAPES[size][5]
                p = subprocess.Popen([quern, "sft-train", "-q", "-j", str(threads), "-m", f"{d}/m", f"{d}/rows.jsonl", "-o", f"{d}/{kind}",
                                      "--steps", str(steps), "--batch-tokens", str(ROWS * length), "--micro-tokens", str(ROWS * length),
                                      "--lr", str(LR), "--schedule", "constant", "--warmup", "0", "--no-shuffle"]
                                     + ["--bf16"] * (kind == "bf16") + ["--recompute", "full"] * checkpoint)
                _, status, usage = os.wait4(p.pid, 0)
                if status:
                    sys.exit("sft-train failed")
                mine = usage.ru_maxrss / 1024
                loss = json.loads(open(f"{d}/{kind}/trainer/metrics.jsonl").readline())["loss"]
                out = subprocess.run([sys.executable, os.path.abspath(__file__), "--peer", d, kind], check=True, text=True,
                                     stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
                floor, theirs, their_loss = map(float, re.search(r"PEAK (\S+) (\S+) (\S+)", out).groups())
                print(f"{size:5s} {kind:5s} quern {mine:6.0f} MB, Trainer {theirs:6.0f} MB ({theirs - floor:.0f} without Python and modules): "
                      f"{100 * mine / theirs:.0f} % ({100 * mine / (theirs - floor):.0f} %); first loss {loss:.4f}, {their_loss:.4f}", flush=True)


main()
