#!/usr/bin/env python3
"""dpo.py [SIZE ...]: seconds of a DPO step and peak memory, dpo-train beside TRL's DPOTrainer on the same model and pairs.

Run by hand, after `make`: it needs a Python environment with TRL (python -m venv v && v/bin/pip install trl==1.16.0), which `make bench`
does not ask for. SIZE is 30m or 134m (Llamas with tied embeddings of 32768 tokens). STEPS (default 4), PAIRS of a step (default 4), KINDS
(default f32,bf16) and THREADS (default all cores) come from the environment; PRECOMPUTE=1 lets TRL compute its reference beforehand
(precompute_ref_log_probs), which then is not timed; CHECKPOINT=1 lets it take gradient checkpointing, its default, against
--recompute full. A step of TRL's is the mean of all but the first. Ours is the whole run, from its start and with the reference, by its steps.
Memory is the peak resident size of each process, without an argument that of PyTorch with its modules (some 0.5 GB) included."""
import json, os, random, re, subprocess, sys, tempfile, time

SHAPES = {"30m": (6, 512, 8, 1408), "134m": (12, 832, 13, 2304)}
steps, pairs, threads = (int(os.environ.get(k, v)) for k, v in (("STEPS", 4), ("PAIRS", 4), ("THREADS", os.cpu_count())))
precompute, checkpoint = (os.environ.get(k) == "1" for k in ("PRECOMPUTE", "CHECKPOINT"))
quern = os.path.abspath("build/bin/quern")
LR = 1e-5


def make(size, d):
    """The model, its tokenizer (trained on our manual pages), and pairs of their words."""
    layers, hidden, heads, ffn = SHAPES[size]
    text = " ".join(open(os.path.join("man", f)).read() for f in sorted(os.listdir("man")))
    with open(f"{d}/text.jsonl", "w") as f:
        f.writelines(json.dumps({"id": str(i), "text": text[i:i + 4000]}) + "\n" for i in range(0, len(text), 4000))
    run = lambda *a: subprocess.run([quern, *map(str, a), "-q"], check=True, stdout=subprocess.DEVNULL)
    run("bpe-train", f"{d}/text.jsonl", "--vocab-size", 4096, "-o", f"{d}/t")
    run("init-model", "--preset", "small", "-t", f"{d}/t", "--layers", layers, "--hidden", hidden, "--heads", heads, "--kv-heads", heads, "--ffn",
        ffn, "--vocab-size", 32768, "--positions", 1024, "--seed", 1, "-o", f"{d}/m")
    words, r = text.split(), random.Random(1)
    some = lambda low, high: " ".join(r.choices(words, k=r.randint(low, high)))
    say = lambda role, s: [{"role": role, "content": s}]
    with open(f"{d}/pairs.jsonl", "w") as f:
        for i in range(steps * pairs):
            f.write(json.dumps({"id": str(i), "prompt": say("user", some(30, 60)), "chosen": say("assistant", some(20, 70)),
                                "rejected": say("assistant", some(20, 70))}) + "\n")


def peer(d, half):
    """In a process of its own: TRL's steps, timed."""
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import DPOConfig, DPOTrainer
    torch.set_num_threads(threads)
    took = []

    class Clock(TrainerCallback):
        def on_step_begin(self, *a, **k):
            self.start = time.perf_counter()

        def on_step_end(self, *a, **k):
            took.append(time.perf_counter() - self.start)

    args = DPOConfig(output_dir=f"{d}/out", per_device_train_batch_size=pairs, max_steps=steps, learning_rate=LR, use_cpu=True, bf16=half,
                     gradient_checkpointing=checkpoint, precompute_ref_log_probs=precompute, report_to=[], save_strategy="no", logging_steps=1,
                     disable_tqdm=True, lr_scheduler_type="constant")
    tokenizer = AutoTokenizer.from_pretrained(f"{d}/m")
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    model = AutoModelForCausalLM.from_pretrained(f"{d}/m", dtype=torch.float32)
    rows = [json.loads(l) for l in open(f"{d}/pairs.jsonl")]
    for r in rows:
        del r["id"]
    trainer = DPOTrainer(model=model, args=args, processing_class=tokenizer, train_dataset=Dataset.from_list(rows), callbacks=[Clock()])
    trainer.train()
    print("STEP", sum(took[1:]) / len(took[1:]), trainer.state.log_history[0]["loss"])


def measured(command, **kw):
    """Output, seconds and peak memory of a process."""
    start = time.perf_counter()
    p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL if kw.pop("hush", False) else None, text=True, **kw)
    out = p.stdout.read()
    _, status, usage = os.wait4(p.pid, 0)
    if status:
        sys.exit(f"failed: {command}")
    return out, time.perf_counter() - start, usage.ru_maxrss / 1024


def main():
    if len(sys.argv) > 2 and sys.argv[1] == "--peer":
        return peer(sys.argv[2], sys.argv[3] == "bf16")
    for size in sys.argv[1:] or ["30m"]:
        with tempfile.TemporaryDirectory() as d:
            make(size, d)
            for kind in os.environ.get("KINDS", "f32,bf16").split(","):
                _, took, memory = measured(
                    [quern, "dpo-train", "-q", "-j", str(threads), "-m", f"{d}/m", f"{d}/pairs.jsonl", "-o", f"{d}/{kind}", "--steps", str(steps),
                     "--batch-pairs", str(pairs), "--lr", str(LR), "--schedule", "constant", "--warmup", "0", "--weight-decay", "0"]
                    + ["--bf16"] * (kind == "bf16") + ["--recompute", "full"] * checkpoint)
                mine = took / steps
                print(f"{size:5s} {kind:5s} {threads} threads  quern dpo-train  {mine:8.3f} s a step {memory:8.0f} MB", flush=True)
                out, _, theirs = measured([sys.executable, os.path.abspath(__file__), "--peer", d, kind], hush=True)
                step, loss = map(float, re.search(r"STEP (\S+) (\S+)", out).groups())
                print(f"{size:5s} {kind:5s} {threads} threads  TRL              {step:8.3f} s a step {theirs:8.0f} MB: ours is {step / mine:.2f} "
                      f"times as fast in {100 * memory / theirs:.0f} % of the memory (its first loss {loss:.4f})", flush=True)


main()
