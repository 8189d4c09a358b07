#!/usr/bin/env python3
"""Writes the reference numbers of "ten steps are TRL's" in tests/golden/dpo-train.bats: ten steps of TRL's DPOTrainer on pairs of messages, on
the tiny model that the test makes, for every loss that has a reference, divergences, length desensitising and mixtures.

    pip install torch transformers accelerate datasets trl==1.16.0
    tests/reference/make_dpo_goldens.py build/bin tests/golden/data > tests/golden/data/rewards/dpo.tsv

Columns: our options, step, loss, rewards/chosen, rewards/rejected, rewards/margins, rewards/accuracies, logps/chosen, logps/rejected,
logits/chosen, logits/rejected, norm of the gradient.
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
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer

STEPS = 10
# That of the model's tokenizer, but for the newline behind the last turn: TRL takes it as part of the completion, we end with the turn's end.
TEMPLATE = ("{% for m in messages %}{% if not loop.first %}{{ '\\n' }}{% endif %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' }}"
            "{% endfor %}{% if add_generation_prompt %}{{ '\\n<|im_start|>assistant\\n' }}{% endif %}")
KEYS = ["loss", "rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies", "logps/chosen", "logps/rejected",
        "logits/chosen", "logits/rejected", "grad_norm"]


class InOrder(DPOTrainer):
    def _get_train_sampler(self, *args, **kwargs):
        return SequentialSampler(self.train_dataset)


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


def train(directory, rows, options, out):
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=f"{directory}/tokenizer.json", pad_token="<|endoftext|>", eos_token="<|im_end|>")
    tokenizer.chat_template = TEMPLATE
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager")
    args = DPOConfig(output_dir=out, per_device_train_batch_size=4, max_steps=STEPS, learning_rate=1e-3, lr_scheduler_type="constant",
                     weight_decay=0.0, adam_beta1=0.9, adam_beta2=0.95, adam_epsilon=1e-8, max_grad_norm=1.0, logging_steps=1,
                     report_to=[], use_cpu=True, bf16=False, gradient_checkpointing=False, save_strategy="no",
                     disable_tqdm=True, dataloader_drop_last=False, **options)
    trainer = InOrder(model=model, args=args, processing_class=tokenizer, train_dataset=Dataset.from_list(rows))
    with contextlib.redirect_stdout(sys.stderr):
        trainer.train()
    return [x for x in trainer.state.log_history if "grad_norm" in x]


def main():
    quern, data = os.path.join(os.path.abspath(sys.argv[1]), "quern"), os.path.abspath(sys.argv[2])
    with tempfile.TemporaryDirectory() as t:
        subprocess.run([quern] + f"init-model -q --preset tiny -t {data}/generate/tokenizer --hidden 32 --layers 2 --heads 4 --kv-heads 2 "
                       f"--ffn 64 --positions 128 --init-range 0.3 --seed 1 -o {t}/m".split(), check=True)
        say = lambda role, text: [{"role": role, "content": text}]
        rows = [{"prompt": say("user", f"{i}+1=?"), "chosen": say("assistant", f"{i + 1}"), "rejected": say("assistant", f"no {i}")}
                for i in range(1, 25)]
        for ours, options in CASES:
            for x in train(f"{t}/m", rows, options, f"{t}/out"):
                print(ours, x["step"], *(f"{float(x[k]):.8g}" for k in KEYS), sep="\t")


main()
