#!/usr/bin/env python3
"""Writes the reference numbers of the process rewards in tests/golden/reward-train.bats: twelve steps of TRL's PRMTrainer from the model
that reward-train opens with a new head, once with all labels and once with each solution's last (train_on_last_step_only). That model is
opened by transformers as a token classifier, so its reading is checked here, too.

    pip install torch transformers accelerate datasets trl==1.9.0
    tests/reference/make_process_goldens.py build/bin tests/golden/data > tests/golden/data/rewards/process.tsv

Columns: which, step, loss, norm of the gradient; then one line with the probability of a right step at each step of the first solution.
"""
import contextlib
import json
import os
import subprocess
import sys
import tempfile

os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"

import torch
from datasets import Dataset
from torch.utils.data import SequentialSampler
from transformers import AutoModelForTokenClassification, PreTrainedTokenizerFast
from trl.experimental.prm import PRMConfig, PRMTrainer

STEPS = 12


class InOrder(PRMTrainer):
    def _get_train_sampler(self, *args, **kwargs):
        return SequentialSampler(self.train_dataset)


def train(directory, tokenizer, rows, last, out):
    model = AutoModelForTokenClassification.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager")
    args = PRMConfig(output_dir=out, per_device_train_batch_size=4, max_steps=STEPS, learning_rate=3e-3, lr_scheduler_type="constant",
                     weight_decay=0.0, adam_beta1=0.9, adam_beta2=0.95, adam_epsilon=1e-8, max_grad_norm=1.0, logging_steps=1, logging_first_step=True,
                     report_to=[], use_cpu=True, bf16=False, gradient_checkpointing=False, save_strategy="no", max_length=None,
                     train_on_last_step_only=last, disable_tqdm=True)
    trainer = InOrder(model=model, args=args, processing_class=tokenizer, train_dataset=Dataset.from_list(rows))
    with contextlib.redirect_stdout(sys.stderr):
        trainer.train()
    return [x for x in trainer.state.log_history if "grad_norm" in x], model


def main():
    binaries, data = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    with tempfile.TemporaryDirectory() as t:
        rows = [json.loads(line) for line in open(os.path.join(data, "rewards/steps.jsonl"))]
        quern = [os.path.join(binaries, "quern")]
        subprocess.run(quern + f"init-model -q --preset tiny -t {data}/generate/tokenizer --hidden 32 --layers 2 --heads 4 --kv-heads 2 "
                       f"--ffn 64 --positions 128 --init-range 0.3 --seed 1 -o {t}/m".split(), check=True)
        subprocess.run(quern + f"reward-train -q --process -m {t}/m {data}/rewards/steps.jsonl --steps 1 --lr 0 -o {t}/prm".split(), check=True)
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=f"{t}/prm/tokenizer.json", pad_token="<|endoftext|>")
        for name, last in (("all", False), ("last", True)):
            log, model = train(f"{t}/prm", tokenizer, rows, last, f"{t}/out")
            for x in log:
                print(f"{name}\t{x['step']}\t{float(x['loss']):.9g}\t{float(x['grad_norm']):.9g}")
            if last:
                continue
            row = PRMTrainer.tokenize_row(rows[0], tokenizer, "\n", None, None, False, False)
            with torch.no_grad():
                p = model.eval()(input_ids=torch.tensor([row["input_ids"]])).logits[0].softmax(-1)[:, 1]
            print("scores\t" + "\t".join(f"{p[i]:.7g}" for i, y in enumerate(row["labels"]) if y != -100))


main()
