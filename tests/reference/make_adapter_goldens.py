#!/usr/bin/env python3
"""Writes the reference data of tests/unit/test_adapter.c and tests/golden/merge.bats: a tiny random Llama and GPT-2 of transformers,
LoRA adapters that peft wrote over them and over the models of make_families.py, their logits, gradients and 10 AdamW steps, and the
Llama as bitsandbytes stores it in NF4 and int8.

    pip install torch transformers peft bitsandbytes accelerate safetensors
    tests/reference/make_adapter_goldens.py tests/golden/data/adapter
    tests/reference/make_adapter_goldens.py --check DIR...

All in float32 on a CPU. The numbers are kept in git; the tests need neither Python nor network. --check opens directories that we
wrote: merged and quantised models with transformers (and bitsandbytes), adapters with peft, and prints their logits' distance
from those of goldens.json.
"""
import json
import os
import sys

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

VOCAB, STEPS = 61, 10
OUT = "tests/golden/data/adapter"


def llama():
    torch.manual_seed(1)
    return LlamaForCausalLM(LlamaConfig(
        vocab_size=VOCAB, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        max_position_embeddings=64, rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=2, pad_token_id=0, initializer_range=0.1,
        attn_implementation="eager"))


def gpt2():
    torch.manual_seed(2)
    return GPT2LMHeadModel(GPT2Config(vocab_size=VOCAB, n_embd=32, n_layer=1, n_head=2, n_positions=32, initializer_range=0.1,
                                      bos_token_id=1, eos_token_id=2))


def shaken(model, seed):
    """B is zero at first, which would hide most mistakes."""
    torch.manual_seed(seed)
    for name, p in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(p, std=0.1)
        elif p.requires_grad and "lora" not in name:
            p.data += 0.05 * torch.randn_like(p)
    return model


def load(path, **more):
    return AutoModelForCausalLM.from_pretrained(os.path.join(OUT, path), dtype=torch.float32, attn_implementation="eager", **more).eval()


def save(model, path):
    model.save_pretrained(os.path.join(OUT, path))
    for extra in ("README.md", "generation_config.json"):
        extra = os.path.join(OUT, path, extra)
        if os.path.exists(extra):
            os.remove(extra)


def ids(n=12):
    return torch.randint(3, VOCAB, (n,), generator=torch.Generator().manual_seed(5))


def logits(model):
    with torch.no_grad():
        return [[float(f"{v:.7g}") for v in row] for row in model.eval()(input_ids=ids()[None]).logits[0].tolist()]


def relative(path, name):
    """The base as a path from the adapter's directory, so that the data can be anywhere."""
    file = os.path.join(OUT, path, "adapter_config.json")
    with open(file) as f:
        c = json.load(f)
    c["base_model_name_or_path"] = name
    with open(file, "w") as f:
        json.dump(c, f, indent=2)
        f.write("\n")


def loss_of(model, seqs):
    count = sum(len(x) - 1 for x in seqs)
    total = 0
    for x in seqs:
        total -= torch.log_softmax(model(input_ids=x[None]).logits[0, :-1].float(), -1).gather(1, x[1:, None]).sum()
    return total / count


def apart():
    """Embeddings, output matrix, or both kept beside the adapters of a model that ties them: PEFT makes them two."""
    made = {}
    for name, modules in (("apart-embed", ["wte"]), ("apart-head", ["lm_head"]), ("apart-both", ["wte", "lm_head"])):
        config = LoraConfig(r=2, lora_alpha=4, target_modules=["c_attn"], fan_in_fan_out=True, modules_to_save=modules)
        model = shaken(get_peft_model(load("gpt2"), config), 7)
        made[name] = {"logits": logits(model)}
        save(model, name)
        relative(name, "../gpt2")
    return made


def training(path):
    model = PeftModel.from_pretrained(load("base"), os.path.join(OUT, path), is_trainable=True)
    g = torch.Generator().manual_seed(2)
    seqs = [torch.randint(3, VOCAB, (11 + 5 * (i % 3),), generator=g) for i in range(6)]
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    clean = lambda n: n.replace(".default", "")
    loss_of(model, seqs[:3]).backward()
    grads = {clean(n): {"norm": float(p.grad.norm()), "first": [float(f"{v:.7g}") for v in p.grad.flatten()[:8].tolist()]}
             for n, p in trained.items()}
    model.zero_grad()
    opt = torch.optim.AdamW(trained.values(), lr=3e-3, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)
    losses, norms = [], []
    for s in range(STEPS):
        loss = loss_of(model, [seqs[(3 * s + i) % len(seqs)] for i in range(3)])
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(list(trained.values()), 1.0)))
        opt.step()
        opt.zero_grad(set_to_none=False)
        losses.append(loss.item())
    return {"sequences": [x.tolist() for x in seqs], "grads": grads, "losses": losses, "grad_norms": norms}


def check(dirs):
    with open(os.path.join(OUT, "goldens.json")) as f:
        goldens = json.load(f)
    for d in dirs:
        if os.path.exists(os.path.join(d, "adapter_config.json")):
            with open(os.path.join(d, "adapter_config.json")) as f:
                base = json.load(f)["base_model_name_or_path"]
            base = base if os.path.isdir(base) else os.path.join(d, base)
            model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), d)
        else:
            model = AutoModelForCausalLM.from_pretrained(d)
        got = torch.tensor(logits(model.float() if not getattr(model, "is_quantized", False) else model))
        for name, g in goldens.items():
            want = torch.tensor(g["logits"])
            if want.shape == got.shape:
                print(f"{d}: largest distance from {name}: {(got - want).abs().max():.3g} of {want.abs().max():.3g}")


def main():
    torch.set_num_threads(1)
    if sys.argv[1] == "--check":
        check(sys.argv[2:])
        return
    global OUT
    OUT = sys.argv[1]
    os.makedirs(OUT, exist_ok=True)
    goldens = {}
    save(llama().to(torch.bfloat16), "base")
    save(gpt2().to(torch.bfloat16), "gpt2")
    goldens["base"] = {"ids": ids().tolist(), "logits": logits(load("base"))}

    config = LoraConfig(r=4, lora_alpha=12, target_modules=["q_proj", "v_proj", "o_proj", "up_proj", "down_proj"], use_rslora=True,
                        rank_pattern={"v_proj": 3, r"layers\.1\.self_attn\.q_proj": 6}, alpha_pattern={"down_proj": 7},
                        task_type="CAUSAL_LM")
    model = shaken(get_peft_model(load("base"), config), 3)
    goldens["lora"] = {"logits": logits(model)}
    save(model, "lora")
    relative("lora", "../base")
    goldens["lora"]["training"] = training("lora")

    base = load("base")
    base.resize_token_embeddings(VOCAB + 3, mean_resizing=False)
    config = LoraConfig(r=2, lora_alpha=4, target_modules=r".*\.mlp\.(gate|up)_proj", modules_to_save=["embed_tokens", "lm_head"])
    model = shaken(get_peft_model(base, config), 4)
    goldens["grown"] = {"logits": logits(model)}
    save(model, "grown")
    relative("grown", "../base")

    config = LoraConfig(r=2, lora_alpha=4, target_modules=["c_attn", "c_proj"], fan_in_fan_out=True)
    model = shaken(get_peft_model(load("gpt2"), config), 5)
    goldens["gpt2-lora"] = {"logits": logits(model)}
    save(model, "gpt2-lora")
    relative("gpt2-lora", "../gpt2")

    goldens.update(apart())
    for family in ("phi3", "gemma3"):            # of make_families.py: fused layers; norms of heads and behind layers
        base = AutoModelForCausalLM.from_pretrained(os.path.join(OUT, "../families", family), dtype=torch.float32,
                                                    attn_implementation="eager")
        model = shaken(get_peft_model(base, LoraConfig(r=2, lora_alpha=4, target_modules="all-linear")), 6)
        goldens[family] = {"logits": logits(model)}
        save(model, family)
        relative(family, f"../../families/{family}")

    nf4 = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True)
    save(load("base", quantization_config=nf4), "nf4")
    save(load("base", quantization_config=BitsAndBytesConfig(load_in_8bit=True)), "int8")
    with open(os.path.join(OUT, "goldens.json"), "w") as f:
        json.dump(goldens, f)
        f.write("\n")


if __name__ == "__main__":
    main()
