#!/usr/bin/env python3
"""Writes the reference numbers of tests/unit/test_model.c and test_train.c: a tiny random Llama of transformers, its
logits, and 5 steps of DPO (sigmoid), all in float32 on a CPU. 20 steps of AdamW are make_training_goldens.py's.

    pip install torch transformers safetensors
    tests/reference/make_model_goldens.py tests/golden/data/model

The numbers are kept in git; the tests need neither Python nor network. Output: tiny/config.json,
tiny/model.safetensors, tied/... (the same with tied embeddings) and goldens.json.
"""
import json
import os
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

VOCAB, DPO_STEPS = 97, 5
BETA = 0.1


def config(tied):
    return LlamaConfig(vocab_size=VOCAB, hidden_size=32, intermediate_size=56, num_hidden_layers=2, num_attention_heads=4,
                       num_key_value_heads=2, max_position_embeddings=64, rms_norm_eps=1e-5, tie_word_embeddings=tied,
                       bos_token_id=1, eos_token_id=2, pad_token_id=0, initializer_range=0.1,
                       attn_implementation="eager")


def model(tied, seed):
    torch.manual_seed(seed)
    m = LlamaForCausalLM(config(tied)).float().eval()
    with torch.no_grad():
        for name, p in m.named_parameters():
            if "norm" in name:
                p.add_(torch.randn_like(p) * 0.1)
    return m


def write_model(m, path, tied):
    os.makedirs(path, exist_ok=True)
    state = {k: v.contiguous() for k, v in m.state_dict().items() if not (tied and k == "lm_head.weight")}
    save_file(state, os.path.join(path, "model.safetensors"), metadata={"format": "pt"})
    c = json.loads(m.config.to_json_string(use_diff=False))
    keep = ("vocab_size hidden_size intermediate_size num_hidden_layers num_attention_heads num_key_value_heads head_dim "
            "max_position_embeddings rms_norm_eps tie_word_embeddings bos_token_id eos_token_id pad_token_id "
            "initializer_range hidden_act attention_bias mlp_bias model_type rope_parameters").split()
    c = {k: c[k] for k in keep if k in c}
    c["architectures"] = ["LlamaForCausalLM"]
    with open(os.path.join(path, "config.json"), "w") as f:
        json.dump(c, f, indent=2)
        f.write("\n")


def sequences(n, length, seed):
    g = torch.Generator().manual_seed(seed)
    return [torch.randint(3, VOCAB, (length + 5 * (i % 3),), generator=g) for i in range(n)]


def token_logps(m, ids):
    logits = m(input_ids=ids[None]).logits[0].float()
    return torch.log_softmax(logits[:-1], -1).gather(1, ids[1:, None])[:, 0]


def optimizer(m, wd):
    decay = [p for n, p in m.named_parameters() if p.ndim == 2]
    plain = [p for n, p in m.named_parameters() if p.ndim == 1]
    return torch.optim.AdamW([{"params": decay, "weight_decay": wd}, {"params": plain, "weight_decay": 0.0}],
                             lr=1e-3, betas=(0.9, 0.95), eps=1e-8)


def step(m, opt, loss, lr):
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(m.parameters(), 1.0)
    for g in opt.param_groups:
        g["lr"] = lr
    opt.step()
    opt.zero_grad(set_to_none=False)
    return float(norm)


def dpo():
    m, ref = model(False, 1), model(False, 1)
    g = torch.Generator().manual_seed(7)
    pairs = []
    for i in range(4):
        prompt = torch.randint(3, VOCAB, (4 + i,), generator=g)
        pairs.append([prompt] + [torch.cat([torch.randint(3, VOCAB, (n,), generator=g), torch.tensor([2])]) for n in (5 + i, 8 - i)])
    opt = optimizer(m, 0.0)
    rows = []
    for s in range(DPO_STEPS):
        batch = [pairs[(2 * s + i) % len(pairs)] for i in range(2)]
        losses, rc, rr, lc, lr_ = [], [], [], [], []
        for prompt, chosen, rejected in batch:
            def logp(model_, completion):
                return token_logps(model_, torch.cat([prompt, completion]))[len(prompt) - 1:].sum()
            with torch.no_grad():
                c0, r0 = logp(ref, chosen), logp(ref, rejected)
            c, r = logp(m, chosen), logp(m, rejected)
            losses.append(-F.logsigmoid(BETA * ((c - c0) - (r - r0))))
            rc.append((BETA * (c - c0)).item())
            rr.append((BETA * (r - r0)).item())
            lc.append(c.item())
            lr_.append(r.item())
        loss = sum(losses) / len(losses)
        norm = step(m, opt, loss, 1e-3)
        mean = lambda v: sum(v) / len(v)
        rows.append({"loss": loss.item(), "rewards/chosen": mean(rc), "rewards/rejected": mean(rr),
                     "logps/chosen": mean(lc), "logps/rejected": mean(lr_), "grad_norm": norm})
    return {"pairs": [[x.tolist() for x in p] for p in pairs], "steps": rows}


def main():
    out = sys.argv[1]
    torch.set_num_threads(1)
    goldens = {}
    for tied, name in ((False, "tiny"), (True, "tied")):
        m = model(tied, 1)
        write_model(m, os.path.join(out, name), tied)
        ids = sequences(1, 9, 5)[0]
        with torch.no_grad():
            logits = m(input_ids=ids[None]).logits[0]
        goldens[name] = {"ids": ids.tolist(), "logits": [[float(f"{v:.7g}") for v in row] for row in logits.tolist()]}
    goldens["tiny"]["sequences"] = [x.tolist() for x in sequences(6, 11, 2)]
    goldens["tiny"]["dpo"] = dpo()
    with open(os.path.join(out, "goldens.json"), "w") as f:
        json.dump(goldens, f)
        f.write("\n")


if __name__ == "__main__":
    main()
