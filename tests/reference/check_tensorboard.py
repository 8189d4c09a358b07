#!/usr/bin/env python3
"""Reads back with TensorBoard's own loader what `quern sft-train --tensorboard DIR` wrote, and holds it against metrics.jsonl.

    pip install tensorboard
    tests/reference/check_tensorboard.py DIR RUN/trainer/metrics.jsonl
"""
import json
import struct
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def single(x):
    return struct.unpack("f", struct.pack("f", x))[0]


def main():
    acc = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})
    acc.Reload()
    want = {}
    for line in open(sys.argv[2]):
        row = json.loads(line)
        for key, value in row.items():
            if key not in ("step", "tokens", "skipped"):
                want.setdefault(key, {})[row["step"]] = single(value)
    tags = set(acc.Tags()["scalars"])
    if tags != set(want) | {"tokens_per_second"}:
        sys.exit(f"tags are {sorted(tags)}, wanted {sorted(want)}")
    for key, steps in want.items():
        got = {e.step: e.value for e in acc.Scalars(key)}
        if got != steps:
            sys.exit(f"{key}: {got}\nwanted {steps}")
    print(f"{len(want)} tags, {sum(map(len, want.values()))} values are the same")


if __name__ == "__main__":
    main()
