#!/usr/bin/env python3
"""Writes the reference numbers of tests/unit/test_preference.c: every loss of TRL's DPOTrainer, CPOTrainer, ORPOTrainer and
KTOTrainer on made-up log-probabilities, with its gradient by each token's log-probability. The trainers' own code runs; only
the model is a stand-in that hands out the made-up numbers.

    pip install torch trl==1.16.0
    tests/reference/make_preference.py > tests/golden/data/preference.json

Each case: the losses and options by our names, per pair the token log-probabilities of chosen and rejected and the reference's sums,
the loss, the gradients, and the metrics.
"""
import collections
import json
import sys
import types

import torch
from trl import DPOTrainer, KTOTrainer
from trl.experimental.cpo import CPOTrainer
from trl.experimental.orpo import ORPOTrainer

PROMPT = 2
LENGTHS = [(4, 6), (7, 3), (1, 5), (5, 5)]      # completion tokens of chosen and rejected


class Accelerator:
    device = torch.device("cpu")

    def gather(self, x):
        return x

    gather_for_metrics = gather


def rows(seed, spread):
    """Token log-probabilities of the four pairs, chosen rows first, and the reference's sums: multiples of 1/1024, so that
    float holds them and their sums exactly."""
    def grid(x):
        return torch.round(x * 1024) / 1024

    g = torch.Generator().manual_seed(seed)
    chosen = [grid(-spread * torch.rand(n, generator=g)) for n, _ in LENGTHS]
    rejected = [grid(-spread * torch.rand(n, generator=g)) for _, n in LENGTHS]
    ref = [(grid(c.sum() + torch.randn((), generator=g)), grid(r.sum() + torch.randn((), generator=g)))
           for c, r in zip(chosen, rejected)]
    return chosen, rejected, ref


def batch(chosen, rejected):
    """Padded as TRL's collator pads: the mask covers prompt and completion, log_probs[t] belongs to token t + 1."""
    seqs = chosen + rejected
    width = PROMPT + max(len(s) for s in seqs)
    mask = torch.zeros(len(seqs), width, dtype=torch.long)
    attention = torch.zeros_like(mask)
    logps = torch.zeros(len(seqs), width - 1)
    for i, s in enumerate(seqs):
        mask[i, PROMPT:PROMPT + len(s)] = 1
        attention[i, :PROMPT + len(s)] = 1
        logps[i, PROMPT - 1:PROMPT - 1 + len(s)] = s
    return mask, attention, logps.requires_grad_()


def stub(logps):
    """A model whose outputs are the given log-probabilities."""
    def model(**kwargs):
        zero = torch.zeros_like(logps)
        # the mean of the logits at a token is made up, too: 1 + a quarter of its log-probability
        return types.SimpleNamespace(log_probs=logps, entropy=zero, mean_logits=1 + logps.detach() / 4, is_top1=zero.bool(),
                                     log_sum_sq_probs=zero)
    model.training = True
    return model


def token_gradients(logps, seqs):
    return [logps.grad[i, PROMPT - 1:PROMPT - 1 + len(s)].tolist() for i, s in enumerate(seqs)]


def case(name, losses, chosen, rejected, ref, loss, grads, metrics, **options):
    n = len(chosen)
    return {"name": name, "losses": losses, "options": options,
            "chosen": [c.tolist() for c in chosen], "rejected": [r.tolist() for r in rejected],
            "ref": [[float(a), float(b)] for a, b in ref],
            "loss": loss.item(), "chosen_grad": grads[:n], "rejected_grad": grads[n:], "metrics": metrics}


def dpo(losses, weights=None, seed=1, spread=3.0, **o):
    # TRL's alpha divergence knows no float64
    torch.set_default_dtype(torch.float32 if o.get("divergence") == "alpha_divergence" else torch.float64)
    chosen, rejected, ref = rows(seed, spread)
    mask, attention, logps = batch(chosen, rejected)
    model = stub(logps)
    self = types.SimpleNamespace(
        model=model, accelerator=Accelerator(), aux_loss_enabled=False, ld_alpha=o.get("ld_alpha"), precompute_ref_logps=True,
        f_divergence_type=o.get("divergence", "reverse_kl"), f_alpha_divergence_coef=o.get("divergence_alpha", 0.5),
        beta=o.get("beta", 0.1), loss_types=losses, loss_weights=weights or [1.0] * len(losses),
        label_smoothing=o.get("label_smoothing", 0.0), args=types.SimpleNamespace(discopop_tau=o.get("tau", 0.05)),
        use_weighting=False, _metrics={"train": collections.defaultdict(list)}, _total_train_tokens=0, _tp_size=1)
    inputs = {"input_ids": torch.zeros_like(mask), "attention_mask": attention, "completion_mask": mask,
              "ref_chosen_logps": torch.stack([a for a, _ in ref]), "ref_rejected_logps": torch.stack([b for _, b in ref])}
    loss = DPOTrainer._compute_loss(self, model, inputs, False)
    loss.backward()
    metrics = {k: float(v[-1]) for k, v in self._metrics["train"].items() if k.startswith(("rewards/", "logps/", "logits/"))}
    spec = ",".join(f"{l}={w:g}" for l, w in zip(losses, self.loss_weights))
    return case("dpo " + spec + str(o), spec, chosen, rejected, ref, loss, token_gradients(logps, chosen + rejected), metrics,
                **o)


def free(loss_type, ours, seed=2, **o):
    """CPO and SimPO: no reference, no cross-entropy (cpo_alpha 0)."""
    torch.set_default_dtype(torch.float64)
    chosen, rejected, ref = rows(seed, 3.0)
    mask, _, logps = batch(chosen, rejected)
    sums = (logps * mask[:, 1:]).sum(1)
    if loss_type == "simpo":
        sums = sums / mask[:, 1:].sum(1)
    n = len(chosen)
    self = types.SimpleNamespace(alpha=0.0, accelerator=Accelerator(), loss_type=loss_type, beta=o.get("beta", 0.1),
                                 simpo_gamma=o.get("gamma", 0.5), label_smoothing=o.get("label_smoothing", 0.0))
    losses, rc, rr = CPOTrainer.cpo_loss(self, sums[:n], sums[n:])
    losses.mean().backward()
    metrics = {"rewards/chosen": rc.mean().item(), "rewards/rejected": rr.mean().item()}
    return case(f"{loss_type} {o}", ours, chosen, rejected, ref, losses.mean(), token_gradients(logps, chosen + rejected),
                metrics, **o)


def orpo(seed=3, **o):
    torch.set_default_dtype(torch.float64)
    chosen, rejected, ref = rows(seed, 3.0)
    mask, _, logps = batch(chosen, rejected)
    means = (logps * mask[:, 1:]).sum(1) / mask[:, 1:].sum(1)
    n = len(chosen)
    self = types.SimpleNamespace(accelerator=Accelerator(), beta=o.get("beta", 0.1))
    losses, rc, rr, _, _ = ORPOTrainer.odds_ratio_loss(self, means[:n], means[n:])
    loss = -losses.mean()
    loss.backward()
    metrics = {"rewards/chosen": rc.mean().item(), "rewards/rejected": rr.mean().item()}
    return case(f"orpo {o}", "orpo", chosen, rejected, ref, loss, token_gradients(logps, chosen + rejected), metrics, **o)


def kto(loss_type, ours, labels, kl, seed=4, **o):
    """Feedback: the eight completions, wanted or not; kl is what the mismatched pairs gave, policy minus reference, each."""
    torch.set_default_dtype(torch.float64)
    chosen, rejected, ref = rows(seed, 3.0)
    seqs = chosen + rejected
    mask, attention, logps = batch(chosen, rejected)
    model = stub(logps)
    kl_logps = torch.tensor(kl)
    self = types.SimpleNamespace(
        model=model, accelerator=Accelerator(), aux_loss_enabled=False, precompute_ref_logps=True, loss_type=loss_type,
        calculate_KL=loss_type == "kto", beta=o.get("beta", 0.1), desirable_weight=o.get("wanted", 1.0),
        undesirable_weight=o.get("unwanted", 1.0), _metrics={"train": collections.defaultdict(list)},
        _total_train_tokens=0, _tp_size=1, _compute_kl_logps=lambda m, b: kl_logps)
    refs = torch.stack([a for a, _ in ref] + [b for _, b in ref])
    inputs = {"input_ids": torch.zeros_like(mask), "attention_mask": attention, "completion_mask": mask,
              "label": torch.tensor(labels), "ref_logps": refs, "ref_KL_logps": torch.zeros(len(seqs))}
    loss = KTOTrainer._compute_loss(self, model, inputs, False)
    loss.backward()
    metrics = {k: float(v[-1]) for k, v in self._metrics["train"].items() if k.startswith(("rewards/", "logps/", "kl"))}
    return {"name": f"{ours} {o}", "loss_name": ours, "options": o, "labels": labels, "kl": kl,
            "logps": [s.tolist() for s in seqs], "ref": refs.tolist(), "loss": loss.item(),
            "grad": token_gradients(logps, seqs), "metrics": metrics}


def main():
    pairs = [dpo([l]) for l in ("sigmoid", "sigmoid_norm", "hinge", "ipo", "nca_pair", "bco_pair", "sppo_hard", "apo_zero",
                                "apo_down", "discopop", "aot", "aot_unpaired", "sft")]
    pairs += [dpo([l], label_smoothing=0.1) for l in ("robust", "exo_pair", "aot", "aot_unpaired")]
    pairs += [dpo([l], beta=0.7, seed=5) for l in ("sigmoid", "hinge", "ipo", "discopop", "apo_down", "aot")]
    pairs += [dpo(["sigmoid"], divergence=d, seed=6) for d in ("forward_kl", "js_divergence", "alpha_divergence")]
    pairs += [dpo(["ipo"], divergence="js_divergence"), dpo(["sigmoid_norm"], divergence="forward_kl"),
              dpo(["sigmoid"], divergence="alpha_divergence", divergence_alpha=1.5)]
    pairs += [dpo(["sigmoid"], ld_alpha=0.3), dpo(["ipo"], ld_alpha=0.0, seed=7)]
    pairs += [dpo(["sigmoid", "bco_pair", "sft"], [0.8, 0.2, 1.0]), dpo(["aot", "apo_zero"], [0.5, 2.0], label_smoothing=0.2)]
    pairs += [free("sigmoid", "cpo"), free("sigmoid", "cpo", label_smoothing=0.2), free("simpo", "simpo", beta=2.0, gamma=0.5),
              free("simpo", "simpo", beta=2.5, gamma=1.4, label_smoothing=0.1), orpo(), orpo(beta=1.3)]
    kl = [0.9, -0.2, 0.4, 0.1, 0.3, -0.1, 0.2, 0.6]
    some = [True, False, True, True, False, True, False, False]
    single = [kto("kto", "kto", some, kl), kto("kto", "kto", some, [-x for x in kl], wanted=1.3, unwanted=0.7, beta=0.5),
              kto("kto", "kto", [True] * 8, kl), kto("apo_zero_unpaired", "apo_zero", some, kl)]
    json.dump({"prompt": PROMPT, "pairs": pairs, "feedback": single}, sys.stdout, indent=None, separators=(",", ":"))
    sys.stdout.write("\n")


main()
