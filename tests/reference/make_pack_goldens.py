#!/usr/bin/env python3
"""Rows of tokens, and what TRL's pack_dataset makes of them, for tests/golden/pack.bats.

    make_pack_goldens.py        writes tests/golden/data/token/pack/{rows.jsonl,L-STRATEGY.jsonl}

STRATEGY is bfd, bfd_split or wrapped. The packs are TRL's; padding, seq_lengths of wrapped (TRL gives none) and labels are added: those of
TRL's collator without padding, -100 where a sequence begins. Made with trl 1.16.0, pyarrow, datasets (python3 -m venv V && V/bin/pip
install trl).
"""
import json
import os
import random

from datasets import Dataset
from trl import pack_dataset

OUT = "tests/golden/data/token/pack"


def main():
    os.makedirs(OUT, exist_ok=True)
    r = random.Random(7)
    lengths = [min(int(r.lognormvariate(1.6, 0.9)) + 1, 70) for _ in range(80)] + [16, 32, 33, 64, 1, 16]
    rows, owner = [], {}
    for n in lengths:
        first = len(owner) + 1
        rows.append(list(range(first, first + n)))
        owner.update((t, len(rows)) for t in rows[-1])
    with open(f"{OUT}/rows.jsonl", "w") as f:
        for i, ids in enumerate(rows):
            f.write(json.dumps({"id": str(i), "input_ids": ids}, separators=(",", ":")) + "\n")
    for size in (16, 33):
        for strategy in ("bfd", "bfd_split", "wrapped"):
            packed = pack_dataset(Dataset.from_dict({"input_ids": rows}), size, strategy)
            with open(f"{OUT}/{size}-{strategy}.jsonl", "w") as f:
                for pack in packed:
                    ids = pack["input_ids"]
                    seq = pack.get("seq_lengths") or runs([owner[t] for t in ids])
                    labels = list(ids)
                    at = 0
                    for n in seq:
                        labels[at] = -100
                        at += n
                    pad = size - len(ids)
                    out = {"input_ids": ids + [0] * pad, "labels": labels + [-100] * pad, "seq_lengths": seq}
                    f.write(json.dumps(out, separators=(",", ":")) + "\n")


def runs(owners):
    out = []
    for i, o in enumerate(owners):
        if i and o == owners[i - 1]:
            out[-1] += 1
        else:
            out.append(1)
    return out


main()
