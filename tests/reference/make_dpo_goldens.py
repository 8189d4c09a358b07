#!/usr/bin/env python3
"""Writes the reference numbers of "ten steps are TRL's" in tests/golden/dpo-train.bats: ten steps of TRL's DPOTrainer on pairs of messages, on
the tiny model that the test makes, for every loss that has a reference, divergences, length desensitising and mixtures.

    pip install torch transformers accelerate datasets trl==1.16.0
    tests/reference/make_dpo_goldens.py build/bin tests/golden/data

writes rewards/dpo.tsv there, and rewards/others.tsv: the same of KTOTrainer, CPOTrainer, ORPOTrainer and RewardTrainer.
Columns of dpo.tsv: our options, step, loss, rewards/chosen, rewards/rejected, rewards/margins, rewards/accuracies, logps/chosen, logps/rejected,
logits/chosen, logits/rejected, norm of the gradient. Of others.tsv: our tool and options, input, step, metric, value. Left out is what
TRL's CPO and ORPO count otherwise than its DPO: logits (those of prompts and padding too), nll_loss of CPO without cpo_alpha (0), and
rewards per token of CPO's ipo.
"""
import contextlib
import json
import os
import subprocess
import sys
import tempfile

import torch
from datasets import Dataset
from torch.utils.data import SequentialSampler
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer, RewardConfig, RewardTrainer
from trl.experimental.cpo import CPOConfig, CPOTrainer
from trl.experimental.kto import KTOConfig, KTOTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

STEPS = 10
# That of the model's tokenizer, but for the newline behind the last turn: TRL takes it as part of the completion, we end with the turn's end.
TEMPLATE = ("{% for m in messages %}{% if not loop.first %}{{ '\\n' }}{% endif %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' }}"
            "{% endfor %}{% if add_generation_prompt %}{{ '\\n<|im_start|>assistant\\n' }}{% endif %}")
KEYS = ["loss", "rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies", "logps/chosen", "logps/rejected",
        "logits/chosen", "logits/rejected", "grad_norm"]


# Our options and TRL's.
CASES = [
    ("--loss sigmoid", {"loss_type": ["sigmoid"]}),
    ("--loss sigmoid_norm", {"loss_type": ["sigmoid_norm"]}),
    ("--loss hinge", {"loss_type": ["hinge"]}),
    ("--loss ipo", {"loss_type": ["ipo"]}),
    ("--loss robust --label-smoothing 0.1", {"loss_type": ["robust"], "label_smoothing": 0.1}),
    ("--loss exo_pair --label-smoothing 0.05", {"loss_type": ["exo_pair"], "label_smoothing": 0.05}),
    ("--loss nca_pair", {"loss_type": ["nca_pair"]}),
    ("--loss bco_pair", {"loss_type": ["bco_pair"]}),
    ("--loss sppo_hard", {"loss_type": ["sppo_hard"]}),
    ("--loss aot", {"loss_type": ["aot"]}),
    ("--loss aot_unpaired --label-smoothing 0.2", {"loss_type": ["aot_unpaired"], "label_smoothing": 0.2}),
    ("--loss apo_zero", {"loss_type": ["apo_zero"]}),
    ("--loss apo_down", {"loss_type": ["apo_down"]}),
    ("--loss discopop --discopop-tau 0.3 --beta 0.5", {"loss_type": ["discopop"], "discopop_tau": 0.3, "beta": 0.5}),
    ("--loss sigmoid,sft", {"loss_type": ["sigmoid", "sft"]}),
    ("--loss sigmoid=0.8,bco_pair=0.2,sft=0.5", {"loss_type": ["sigmoid", "bco_pair", "sft"], "loss_weights": [0.8, 0.2, 0.5]}),
    ("--f-divergence forward_kl", {"f_divergence_type": "forward_kl"}),
    ("--f-divergence js --loss ipo", {"f_divergence_type": "js_divergence", "loss_type": ["ipo"]}),
    ("--f-divergence alpha", {"f_divergence_type": "alpha_divergence"}),
    ("--ld-alpha 0.5", {"ld_alpha": 0.5}),
    ("--ld-alpha 0.3 --loss sigmoid_norm", {"ld_alpha": 0.3, "loss_type": ["sigmoid_norm"]}),
]


MEASURED = ["loss", "grad_norm", "rewards/chosen", "rewards/rejected", "rewards/margins"]
PAIRED = MEASURED + ["rewards/accuracies", "logps/chosen", "logps/rejected"]
RATED = ["loss", "grad_norm", "accuracy", "margin", "min_reward", "mean_reward", "max_reward"]
OTHERS = [
    ("dpo-train --loss kto", "feedback", KTOTrainer, KTOConfig, {}, MEASURED + ["kl", "logps/chosen", "logps/rejected", "logits/chosen", "logits/rejected"]),
    ("dpo-train --loss kto --desirable-weight 0.7 --undesirable-weight 1.3 --beta 0.3", "feedback", KTOTrainer, KTOConfig,
     {"desirable_weight": 0.7, "undesirable_weight": 1.3, "beta": 0.3}, MEASURED + ["kl"]),
    ("dpo-train --loss apo_zero_unpaired", "feedback", KTOTrainer, KTOConfig, {"loss_type": "apo_zero_unpaired"}, MEASURED),
    ("dpo-train --loss cpo,sft", "pairs", CPOTrainer, CPOConfig, {"cpo_alpha": 1.0}, PAIRED + ["nll_loss"]),
    ("dpo-train --loss cpo --label-smoothing 0.1", "pairs", CPOTrainer, CPOConfig, {"cpo_alpha": 0.0, "label_smoothing": 0.1}, PAIRED),
    ("dpo-train --loss simpo --gamma 1 --beta 2", "pairs", CPOTrainer, CPOConfig,
     {"loss_type": "simpo", "cpo_alpha": 0.0, "simpo_gamma": 1.0, "beta": 2.0}, PAIRED),
    ("dpo-train --loss simpo,sft=0.5 --label-smoothing 0.2", "pairs", CPOTrainer, CPOConfig,
     {"loss_type": "simpo", "cpo_alpha": 0.5, "label_smoothing": 0.2}, PAIRED + ["nll_loss"]),
    ("dpo-train --loss hinge --reference-free", "pairs", CPOTrainer, CPOConfig, {"loss_type": "hinge", "cpo_alpha": 0.0}, PAIRED),
    ("dpo-train --loss ipo --reference-free", "pairs", CPOTrainer, CPOConfig, {"loss_type": "ipo", "cpo_alpha": 0.0}, ["loss", "grad_norm"]),
    ("dpo-train --loss orpo", "pairs", ORPOTrainer, ORPOConfig, {}, PAIRED + ["nll_loss", "log_odds_ratio", "log_odds_chosen"]),
    ("dpo-train --loss orpo --beta 0.5", "pairs", ORPOTrainer, ORPOConfig, {"beta": 0.5}, PAIRED + ["nll_loss", "log_odds_ratio", "log_odds_chosen"]),
    ("reward-train", "margins", RewardTrainer, RewardConfig, {}, RATED),
    ("reward-train --center 0.01", "pairs", RewardTrainer, RewardConfig, {"center_rewards_coefficient": 0.01}, RATED),
]


def train(directory, rows, options, out, trainer=DPOTrainer, config=DPOConfig):
    class InOrder(trainer):
        def _get_train_sampler(self, *args, **kwargs):
            return SequentialSampler(self.train_dataset)

    tokenizer = PreTrainedTokenizerFast(tokenizer_file=f"{directory}/tokenizer.json", pad_token="<|endoftext|>", eos_token="<|im_end|>")
    tokenizer.chat_template = TEMPLATE
    kind = AutoModelForSequenceClassification if trainer is RewardTrainer else AutoModelForCausalLM
    model = kind.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager")
    args = config(output_dir=out, per_device_train_batch_size=4, max_steps=STEPS, learning_rate=1e-3, lr_scheduler_type="constant",
                  weight_decay=0.0, adam_beta1=0.9, adam_beta2=0.95, adam_epsilon=1e-8, max_grad_norm=1.0, logging_steps=1,
                  report_to=[], use_cpu=True, bf16=False, gradient_checkpointing=False, save_strategy="no",
                  disable_tqdm=True, dataloader_drop_last=False, **options)
    trainer = InOrder(model=model, args=args, processing_class=tokenizer, train_dataset=Dataset.from_list(rows))
    with contextlib.redirect_stdout(sys.stderr):
        trainer.train()
    return [x for x in trainer.state.log_history if "grad_norm" in x]


def main():
    quern, data = os.path.join(os.path.abspath(sys.argv[1]), "quern"), os.path.abspath(sys.argv[2])
    run = lambda words: subprocess.run([quern] + words.split(), check=True)
    with tempfile.TemporaryDirectory() as t:
        run(f"init-model -q --preset tiny -t {data}/generate/tokenizer --hidden 32 --layers 2 --heads 4 --kv-heads 2 "
            f"--ffn 64 --positions 128 --init-range 0.3 --seed 1 -o {t}/m")
        say = lambda role, text: [{"role": role, "content": text}]
        rows = [{"prompt": say("user", f"{i}+1=?"), "chosen": say("assistant", f"{i + 1}"), "rejected": say("assistant", f"no {i}")}
                for i in range(1, 25)]
        inputs = {"pairs": rows, "margins": [{**r, "margin": (i + 1) % 4 / 10} for i, r in enumerate(rows)],
                  "feedback": [{"prompt": r["prompt"], "completion": r[k], "label": k == "chosen"} for r in rows for k in ("chosen", "rejected")]}
        with open(f"{t}/pairs.jsonl", "w") as f:
            f.writelines(json.dumps({"id": str(i), **r}) + "\n" for i, r in enumerate(rows))
        run(f"reward-train -q -m {t}/m {t}/pairs.jsonl --steps 1 --lr 1e-12 -o {t}/rated")
        with open(f"{data}/rewards/others.tsv", "w") as f:
            for ours, name, trainer, config, options, keys in OTHERS:
                start = f"{t}/rated" if trainer is RewardTrainer else f"{t}/m"
                for x in train(start, inputs[name], options, f"{t}/out", trainer, config):
                    f.writelines(f"{ours}\t{name}\t{x['step']}\t{k}\t{float(x[k]):.8g}\n" for k in keys)
        with open(f"{data}/rewards/dpo.tsv", "w") as f:
            for ours, options in CASES:
                for x in train(f"{t}/m", rows, options, f"{t}/out"):
                    print(ours, x["step"], *(f"{float(x[k]):.8g}" for k in KEYS), sep="\t", file=f)


main()
