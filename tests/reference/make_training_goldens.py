#!/usr/bin/env python3
"""Writes the reference numbers of tests/unit/test_train.c and test_optimizer.c: learning rates of transformers' schedules, the
optimizers of torch and bitsandbytes on numbers from a formula, and 20 steps of a tiny Llama on packed rows with masked labels,
plain and with label smoothing and z-loss, all in float32 on a CPU.

    pip install torch transformers safetensors bitsandbytes
    tests/reference/make_training_goldens.py tests/golden/data

Reads model/tiny and model/tied there (make_model_goldens.py) and writes train/goldens.json. The numbers are kept in git;
the tests need neither Python nor network.

AdamW with eight bits: the arithmetic is bitsandbytes' own CPU path. Its CPU quantisation looks codes up in a coarse table, though,
and is up to several codes off near zero; on a GPU, and in its generic path, a code is the nearest value. So that is put in here.
The gradients are such that no code hangs on the last bit of a float: double precision gives the same codes (checked).
"""
import json
import os
import sys

import bitsandbytes as bnb
import numpy as np
import torch
import torch.nn.functional as F
from bitsandbytes.backends.cpu import ops as bnb_cpu
from transformers import LlamaForCausalLM, get_scheduler

STEPS = 20


def short(x):
    return float(f"{float(x):.9g}")


# --- schedules -----------------------------------------------------------------------------


def rates(name, lr, warmup, steps, **kw):
    opt = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    s = get_scheduler(name, opt, num_warmup_steps=warmup, num_training_steps=steps, scheduler_specific_kwargs=kw or None)
    out = []
    for _ in range(steps):
        out.append(opt.param_groups[0]["lr"])
        opt.step()
        s.step()
    return out


def schedules():
    """kind, floor, decay and shape are ours; the rest is transformers'."""
    cases = []

    def add(kind, name, warmup, floor=0.0, decay=0, shape="cosine", **kw):
        cases.append({"kind": kind, "lr": 0.02, "warmup": warmup, "steps": 24, "floor": floor, "power": kw.get("power", 1.0), "decay": decay,
                      "shape": shape, "rates": rates(name, 0.02, warmup, 24, **kw)})

    for w in (0, 5):
        add("constant", "constant_with_warmup", w)
        add("linear", "linear", w)
        add("linear", "polynomial", w, floor=0.25, lr_end=0.005, power=1.0)
        add("cosine", "cosine", w)
        add("cosine", "cosine_with_min_lr", w, floor=0.1, min_lr_rate=0.1)
        add("polynomial", "polynomial", w, floor=0.05, lr_end=0.001, power=2.0)
        add("inverse_sqrt", "inverse_sqrt", w)
        for shape in ("cosine", "linear", "1-sqrt"):
            add("warmup_stable_decay", "warmup_stable_decay", w, floor=0.1, decay=7, shape=shape, num_decay_steps=7,
                decay_type=shape, min_lr_ratio=0.1)
    return cases


# --- optimizers ----------------------------------------------------------------------------

N = 4096 + 1000
EVERY = 61


def hash32(i, salt):
    """A number of 32 bits for each i; test_optimizer.c has the same."""
    x = (i.astype(np.uint64) * np.uint64(2654435761) + np.uint64(salt) * np.uint64(40503)) & np.uint64(0xFFFFFFFF)
    x ^= x >> np.uint64(15)
    x = (x * np.uint64(2246822519)) & np.uint64(0xFFFFFFFF)
    return x ^ (x >> np.uint64(13))


def numbers(n, salt, spread):
    """In [-1, 1), of sizes down to 2^-spread; exact in float."""
    i = np.arange(n)
    h = hash32(i, salt)
    v = (h >> np.uint64(8)).astype(np.float64) / 2**23 - 1
    if spread:
        v *= 2.0 ** -(hash32(i, salt + 1000) % np.uint64(spread + 1)).astype(np.float64)
    return v.astype(np.float32)


def nearest(a, code, absmax_out, out, blocksize):
    n = a.numel()
    for b in range(0, n, blocksize):
        x = a[b:b + blocksize]
        top = x.abs().max()
        absmax_out[b // blocksize] = top
        out[b:b + blocksize] = (x[:, None] / top - code[None]).abs().argmin(1).to(torch.uint8)


def run_optimizer(make, n, steps, salt):
    p = torch.nn.Parameter(torch.from_numpy(numbers(n, salt, 0)))
    opt = make([p])
    for s in range(steps):
        p.grad = torch.from_numpy(numbers(n, salt + 1 + s, 12))
        opt.step()
    return p.detach(), opt.state[p]


def same_in_double(steps, salt, o, state):
    """Eight-bit AdamW in double; whether it ends in the same codes."""
    p = torch.from_numpy(numbers(N, salt, 0)).double()
    maps = [bnb.functional.create_dynamic_map(signed=s).double() for s in (True, False)]
    codes = [torch.zeros(N, dtype=torch.uint8) for _ in maps]
    tops = [torch.zeros((N + 255) // 256, dtype=torch.float64) for _ in maps]
    for s in range(steps):
        g = torch.from_numpy(numbers(N, salt + 1 + s, 12)).double()
        m, v = (mp[c.long()] * t.repeat_interleave(256)[:N] for mp, c, t in zip(maps, codes, tops))
        m = o["betas"][0] * m + (1 - o["betas"][0]) * g
        v = o["betas"][1] * v + (1 - o["betas"][1]) * g * g
        for x, mp, c, t in zip((m, v), maps, codes, tops):
            nearest(x, mp, t, c, 256)
    return torch.equal(codes[0], state["state1"]) and torch.equal(codes[1], state["state2"])


def optimizers():
    bnb_cpu._quant_blockwise_fp32_direct = nearest
    o = {"lr": 0.01, "betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": 0.1}
    for salt in range(1, 100):
        p, st = run_optimizer(lambda ps: bnb.optim.AdamW8bit(ps, **o), N, 4, salt)
        if same_in_double(4, salt, o, st):
            break
    else:
        raise SystemExit("no gradients without a code on the edge")
    out = {"adamw8": {
        "salt": salt, "steps": 4, "n": N, "p": [short(x) for x in p[::EVERY]],
        "signed": [float(x) for x in st["qmap1"]], "unsigned": [float(x) for x in st["qmap2"]],
        "m8": bytes(st["state1"].tolist()).hex(), "v8": bytes(st["state2"].tolist()).hex(),
        "m_max": [short(x) for x in st["absmax1"]], "v_max": [short(x) for x in st["absmax2"]]}}
    cases = {
        "adamw": lambda ps: torch.optim.AdamW(ps, **o),
        "lion": lambda ps: bnb.optim.Lion32bit(ps, lr=0.01, betas=(0.9, 0.99), weight_decay=0.1),
        "sgd": lambda ps: torch.optim.SGD(ps, lr=0.01, weight_decay=0.1),
        "sgd_momentum": lambda ps: torch.optim.SGD(ps, lr=0.01, momentum=0.9, weight_decay=0.1),
        "sgd_nesterov": lambda ps: torch.optim.SGD(ps, lr=0.01, momentum=0.9, nesterov=True, weight_decay=0.1)}
    for name, make in cases.items():
        p, _ = run_optimizer(make, N, 4, 7)
        out[name] = {"salt": 7, "steps": 4, "n": N, "p": [short(x) for x in p[::EVERY]]}
    # Fewer than 4096 elements stay in float.
    p, st = run_optimizer(lambda ps: bnb.optim.AdamW8bit(ps, **o), 4095, 4, 7)
    assert st["state1"].dtype == torch.float32
    out["adamw8_small"] = {"salt": 7, "steps": 4, "n": 4095, "p": [short(x) for x in p[::EVERY]]}
    return out


# --- training ------------------------------------------------------------------------------


def rows(vocab):
    """Packed rows: sequences with labels, -100 where no loss is taken."""
    g = torch.Generator().manual_seed(11)
    out = []
    for _ in range(6):
        row = []
        for _ in range(int(torch.randint(1, 4, (1,), generator=g))):
            n = int(torch.randint(4, 20, (1,), generator=g))
            ids = torch.randint(3, vocab, (n,), generator=g)
            labels = torch.where(torch.rand(n, generator=g) < 0.3, -100, ids)
            labels[-1] = ids[-1]
            row.append([ids.tolist(), labels.tolist()])
        out.append(row)
    return out


def train(path, data, smoothing, z_loss):
    """Each sequence alone, summed up; the loss is the mean over all labels of the step."""
    m = LlamaForCausalLM.from_pretrained(path, attn_implementation="eager", dtype=torch.float32).eval()
    decay = [p for p in m.parameters() if p.ndim == 2]
    plain = [p for p in m.parameters() if p.ndim == 1]
    opt = torch.optim.AdamW([{"params": decay, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}], lr=3e-3,
                            betas=(0.9, 0.95), eps=1e-8)
    sched = get_scheduler("cosine_with_min_lr", opt, num_warmup_steps=4, num_training_steps=STEPS,
                          scheduler_specific_kwargs={"min_lr_rate": 0.1})
    losses, norms, nlls, zs = [], [], [], []
    for s in range(STEPS):
        batch = [x for i in range(2) for x in data[(2 * s + i) % len(data)]]
        count = sum(sum(y >= 0 for y in labels[1:]) for _, labels in batch)
        total, nll, z = 0, 0, 0
        for ids, labels in batch:
            logits = m(input_ids=torch.tensor([ids])).logits[0, :-1].float()
            target = torch.tensor(labels[1:])
            on = target >= 0
            total = total + F.cross_entropy(logits, target, label_smoothing=smoothing, reduction="sum")
            nll = nll + F.cross_entropy(logits, target, reduction="sum")
            z = z + (torch.logsumexp(logits, -1)[on] ** 2).sum()
        loss = (total + z_loss * z) / count
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(m.parameters(), 1.0)))
        opt.step()
        sched.step()
        opt.zero_grad(set_to_none=False)
        losses.append(loss.item())
        nlls.append((nll / count).item())
        zs.append((z / count).item())
    tensors = {k: {"norm": short(p.norm()), "sum": short(p.sum()), "first": short(p.flatten()[0]), "last": short(p.flatten()[-1])}
               for k, p in m.named_parameters()}
    return {"smoothing": smoothing, "z_loss": z_loss, "loss": losses, "nll_loss": nlls, "z": zs, "grad_norm": norms,
            "tensors": tensors}


def main():
    base = sys.argv[1]
    torch.set_num_threads(1)
    data = rows(97)
    runs = {"tiny": train(os.path.join(base, "model/tiny"), data, 0.0, 0.0),
            "tied": train(os.path.join(base, "model/tied"), data, 0.0, 0.0),
            "tiny smoothed": train(os.path.join(base, "model/tiny"), data, 0.1, 1e-3)}
    goldens = {"schedules": schedules(), "optimizers": optimizers(), "rows": data, "runs": runs}
    os.makedirs(os.path.join(base, "train"), exist_ok=True)
    with open(os.path.join(base, "train/goldens.json"), "w") as f:
        json.dump(goldens, f)
        f.write("\n")


if __name__ == "__main__":
    main()
