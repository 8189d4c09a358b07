#!/usr/bin/env python3
"""Writes the beam searches of tests/unit/test_generate.c: transformers' own, of the tiny model in tests/golden/data/model.

    pip install torch transformers safetensors
    tests/reference/make_beams.py tests/golden/data/model/tiny > tests/golden/data/model/beams.json
"""
import json
import sys

import torch
from transformers import LlamaForCausalLM


def main():
    model = LlamaForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32).eval()
    cases = []
    for prompt, eos in (([1, 5, 9], 25), ([1, 20, 33, 40, 41, 42, 7], 2), ([96], 59), ([7, 7, 7], 90)):
        for beams, penalty, early, extra in ((2, 1.0, False, {}), (4, 1.0, False, {}), (4, 0.0, False, {}), (3, 2.0, True, {}),
                                             (5, -0.5, False, {}), (4, 1.0, False, {"repetition_penalty": 1.3})):
            out = model.generate(torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
                                 num_beams=beams, num_return_sequences=min(beams, 3), do_sample=False, max_new_tokens=20,
                                 length_penalty=penalty, early_stopping=early, pad_token_id=0, eos_token_id=eos,
                                 return_dict_in_generate=True, output_scores=True, **extra)
            sequences = []
            for row in out.sequences.tolist():
                said = row[len(prompt):]
                if eos in said:
                    said = said[:said.index(eos) + 1]
                sequences.append(said)
            cases.append({"prompt": prompt, "eos": eos, "beams": beams, "length_penalty": penalty, "early_stopping": early, **extra,
                          "sequences": sequences})
    json.dump({"max_new_tokens": 20, "cases": cases}, sys.stdout, separators=(",", ":"))
    sys.stdout.write("\n")


main()
