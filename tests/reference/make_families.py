#!/usr/bin/env python3
"""Writes the reference numbers of tests/unit/test_families.c: for a small model of each family, what transformers computes
in float32 on a CPU: logits, log-probabilities of given tokens, gradients of all parameters, and the losses of 20 steps
of AdamW on packed documents.

    pip install torch transformers safetensors
    tests/reference/make_families.py tests/golden/data/families

Output: families.json, and three small directories as save_pretrained leaves them (GPT-2 in shards of float16, Phi-3 in
bfloat16, Gemma 3 in float32). Weights are not stored: both sides take them from uniform() below. Each document runs by itself.
"""
import json
import os
import sys

import numpy as np
import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

VOCAB, SAMPLES, STEPS = 61, 48, 20
LENGTHS = [37, 1, 90, 12]
LOGITS = [(0, 5), (0, 36), (2, 89), (3, 11)]         # (document, token) whose logits are kept

BASE = dict(vocab_size=VOCAB, hidden_size=24, intermediate_size=36, num_hidden_layers=3, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=128, rms_norm_eps=1e-5, initializer_range=0.02, bos_token_id=1,
            eos_token_id=2, pad_token_id=None, tie_word_embeddings=False)   # a padding token would have no gradient
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=32, rope_theta=1000.0)
LONG = dict(rope_type="longrope", rope_theta=500.0, partial_rotary_factor=0.5, short_factor=[1.0, 1.25, 1.5],
            long_factor=[1.5, 2.0, 8.0])


def cases():
    """Name, config.json's members, and which spelling it has."""
    llama = dict(BASE, model_type="llama", architectures=["LlamaForCausalLM"])
    yield "llama3", dict(llama, attention_bias=True, mlp_bias=True, rope_theta=1000.0, head_dim=10,
                         rope_scaling=dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                                           original_max_position_embeddings=32))
    yield "linear", dict(llama, tie_word_embeddings=True, rope_theta=100.0, rope_scaling=dict(type="linear", factor=3.0))
    yield "dynamic", dict(llama, max_position_embeddings=32, rope_parameters=dict(rope_type="dynamic", factor=4.0, rope_theta=100.0))
    yield "gelu-gate", dict(llama, hidden_act="gelu_pytorch_tanh", num_key_value_heads=4)
    yield "mistral", dict(BASE, model_type="mistral", architectures=["MistralForCausalLM"], sliding_window=9, rope_theta=50.0,
                          head_dim=14)
    yield "qwen2", dict(BASE, model_type="qwen2", architectures=["Qwen2ForCausalLM"], use_sliding_window=True, sliding_window=70,
                        max_window_layers=1, rope_theta=1000.0, tie_word_embeddings=True)
    yield "qwen2-yarn", dict(BASE, model_type="qwen2", architectures=["Qwen2ForCausalLM"], max_position_embeddings=32,
                             rope_parameters=dict(YARN))
    yield "qwen3", dict(BASE, model_type="qwen3", architectures=["Qwen3ForCausalLM"], head_dim=16, num_attention_heads=3,
                        num_key_value_heads=1, rope_parameters=dict(rope_type="default", rope_theta=100.0))
    yield "phi3", dict(BASE, model_type="phi3", architectures=["Phi3ForCausalLM"], hidden_size=48,
                       sliding_window=65, original_max_position_embeddings=32, rope_parameters=dict(LONG))
    yield "gemma2", dict(BASE, model_type="gemma2", architectures=["Gemma2ForCausalLM"], head_dim=8, query_pre_attn_scalar=5,
                         sliding_window=11, attn_logit_softcapping=2.0, final_logit_softcapping=3.0,
                         hidden_activation="gelu_pytorch_tanh", tie_word_embeddings=True)
    yield "gemma3", dict(BASE, model_type="gemma3_text", architectures=["Gemma3ForCausalLM"], head_dim=8,
                         query_pre_attn_scalar=12, sliding_window=7, sliding_window_pattern=3, rope_theta=1000.0,
                         rope_local_base_freq=30.0, rope_scaling=dict(rope_type="linear", factor=8.0),
                         hidden_activation="gelu_pytorch_tanh", tie_word_embeddings=True)
    yield "gpt2", dict(vocab_size=VOCAB, n_embd=28, n_layer=3, n_head=4, n_positions=128, n_inner=50, model_type="gpt2",
                       architectures=["GPT2LMHeadModel"], activation_function="gelu_new", layer_norm_epsilon=1e-5,
                       bos_token_id=0, eos_token_id=0, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)


def mix(x):
    """The finalizer of MurmurHash3, on uint32."""
    x = x.astype(np.uint32)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x85EBCA6B)
    x ^= x >> np.uint32(13)
    x *= np.uint32(0xC2B2AE35)
    return x ^ (x >> np.uint32(16))


def fnv(name):
    h = 2166136261
    for b in name.encode():
        h = ((h ^ b) * 16777619) & 0xFFFFFFFF
    return h


def uniform(name, n):
    """n float32 in [-1, 1): element i of a tensor is made of the FNV-1a hash of its name and i."""
    x = mix((np.arange(n, dtype=np.uint64) * 2654435761 + fnv(name)) & 0xFFFFFFFF)
    return ((x >> np.uint32(8)).astype(np.float64) / 2 ** 23 - 1).astype(np.float32)


def weights(name, shape, plus_one):
    u = uniform(name, int(np.prod(shape))).reshape(shape) * np.float32(0.25)
    if len(shape) == 1 and not name.endswith(".bias") and plus_one:
        u = np.float32(1) + u
    return torch.from_numpy(u)


def build(members):
    path = "/tmp/quern-families"
    os.makedirs(path, exist_ok=True)
    with open(os.path.join(path, "config.json"), "w") as f:
        json.dump(members, f)
    config = AutoConfig.from_pretrained(path)
    m = AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=torch.float32).eval()
    gemma = members["model_type"].startswith("gemma")
    with torch.no_grad():
        for name, p in m.named_parameters():
            p.copy_(weights(name, tuple(p.shape), not gemma))
    return m


def documents():
    docs = []
    for d, n in enumerate(LENGTHS):
        u = uniform(f"document {d}", n)
        docs.append(((u.astype(np.float64) + 1) / 2 * VOCAB).astype(np.int64))
    return docs


def logps(m, doc):
    """log p(next token) at all places of a document but the last, and the logits."""
    ids = torch.from_numpy(doc)
    logits = m(input_ids=ids[None], use_cache=False).logits[0]
    if len(doc) == 1:
        return None, logits
    return torch.log_softmax(logits[:-1], -1).gather(1, ids[1:, None])[:, 0], logits


def short(v):
    return float(f"{float(v.detach() if torch.is_tensor(v) else v):.7g}")


def fresh(m):
    """dynamic scaling keeps the longest sequence it has seen: each document begins anew."""
    r = getattr(getattr(m, "model", None), "rotary_emb", None)
    if r is not None and hasattr(r, "original_inv_freq"):
        r.inv_freq = torch.nn.Buffer(r.original_inv_freq.clone(), persistent=False)
        r.max_seq_len_cached = r.original_max_seq_len


def forward_all(m, docs):
    out = []
    for doc in docs:
        fresh(m)
        out.append(logps(m, doc))
    return out


def samples(name, g):
    """The norm of a gradient and its values at SAMPLES places (all, of a small one)."""
    g = g.detach().reshape(-1).double().numpy()
    at = np.arange(len(g)) if len(g) <= SAMPLES else mix((np.arange(SAMPLES, dtype=np.uint64) + fnv(name)) & 0xFFFFFFFF) % len(g)
    return {"norm": short(np.sqrt((g * g).sum())), "at": [short(g[i]) for i in at]}


def adamw_losses(m, docs):
    decay = [p for p in m.parameters() if p.ndim == 2]
    plain = [p for p in m.parameters() if p.ndim == 1]
    opt = torch.optim.AdamW([{"params": decay, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}], lr=1e-3,
                            betas=(0.9, 0.95), eps=1e-8)
    losses, count = [], sum(len(d) - 1 for d in docs)
    for _ in range(STEPS):
        loss = -sum(lp.sum() for lp, _ in forward_all(m, docs) if lp is not None) / count
        losses.append(short(loss.item()))
        opt.zero_grad()
        loss.backward()
        opt.step()
    return losses


def golden(members):
    m, docs = build(members), documents()
    out = forward_all(m, docs)
    loss = 0
    for d, (lp, _) in enumerate(out):
        if lp is not None:
            loss = loss + (lp * torch.from_numpy(uniform(f"gradient {d}", len(lp)))).sum()
    loss.backward()
    result = {"config": members,
              "logits": [[short(v) for v in out[d][1][t]] for d, t in LOGITS],
              "logp": [[short(v) for v in lp] if lp is not None else [] for lp, _ in out],
              "grads": {name: samples(name, p.grad) for name, p in m.named_parameters()}}
    result["losses"] = adamw_losses(m, docs)
    return result


def write_directory(members, path, dtype, **how):
    build(members).to(dtype).save_pretrained(path, **how)
    m = AutoModelForCausalLM.from_pretrained(path, attn_implementation="eager", dtype=torch.float32).eval()
    with torch.no_grad():
        logits = m(input_ids=torch.from_numpy(documents()[3])[None], use_cache=False).logits[0, -1]
    return [short(v) for v in logits]


def main():
    out = sys.argv[1]
    torch.set_num_threads(1)
    os.makedirs(out, exist_ok=True)
    result = {"transformers": transformers.__version__, "torch": torch.__version__, "models": {}, "directories": {}}
    members = dict(cases())
    for name in members:
        result["models"][name] = golden(members[name])
        print(name, result["models"][name]["losses"][0], result["models"][name]["losses"][-1], flush=True)
    for name, dtype, how in (("gpt2", torch.float16, {"max_shard_size": "20KB"}), ("phi3", torch.bfloat16, {}),
                             ("gemma3", torch.float32, {})):
        result["directories"][name] = write_directory(dict(members[name]), os.path.join(out, name), dtype, **how)
    with open(os.path.join(out, "families.json"), "w") as f:
        json.dump(result, f, separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    main()
