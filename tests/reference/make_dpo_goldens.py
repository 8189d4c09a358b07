#!/usr/bin/env python3
"""Writes the reference numbers of "ten steps are TRL's" in tests/golden/dpo-train.bats: ten steps of TRL's DPOTrainer on pairs of messages, on
the tiny model that the test makes, for a few losses.

    pip install torch transformers accelerate datasets trl==1.16.0
    tests/reference/make_dpo_goldens.py build/bin tests/golden/data > tests/golden/data/rewards/dpo.tsv

Columns: the losses, step, loss, rewards/chosen, rewards/rejected, rewards/margins, rewards/accuracies, logps/chosen, logps/rejected,
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


def train(directory, rows, losses, out):
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=f"{directory}/tokenizer.json", pad_token="<|endoftext|>", eos_token="<|im_end|>")
    tokenizer.chat_template = TEMPLATE
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager")
    args = DPOConfig(output_dir=out, per_device_train_batch_size=4, max_steps=STEPS, learning_rate=1e-3, lr_scheduler_type="constant",
                     weight_decay=0.0, adam_beta1=0.9, adam_beta2=0.95, adam_epsilon=1e-8, max_grad_norm=1.0, logging_steps=1,
                     report_to=[], use_cpu=True, bf16=False, gradient_checkpointing=False, save_strategy="no", loss_type=losses,
                     disable_tqdm=True, dataloader_drop_last=False)
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
        for losses in (["sigmoid"], ["ipo"], ["sigmoid", "sft"]):
            for x in train(f"{t}/m", rows, losses, f"{t}/out"):
                print(",".join(losses), x["step"], *(f"{float(x[k]):.8g}" for k in KEYS), sep="\t")


main()
