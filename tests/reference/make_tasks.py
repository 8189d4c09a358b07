#!/usr/bin/env python3
"""Writes the reference numbers of tests/unit/test_task.c: lm-evaluation-harness's own results of the task files in
tests/golden/data/tasks, under a small random model; of "NAME+turns" and "NAME+text" under its chat template (--apply_chat_template), with
examples as turns and as text (--fewshot_as_multiturn); "@SEED" is the seed of the model, if it is another.

    pip install "lm_eval[hf]==0.4.13" scikit-learn sacrebleu
    tests/reference/make_tasks.py build/bin tests/golden/data/tasks

The documents (docs.jsonl, shots.jsonl) were made by this script's --documents; results.json is what it writes.
"""
import json
import logging
import os
import random
import subprocess
import sys
import tempfile

TASKS = ["mc", "bin", "lam", "roll", "gen", "wino", "included", "prefix"]
CHAT = ["mc", "bin", "lam", "wino", "included", "prefix"]
# Generation under the template: by the first random model that never says <|endoftext|>, its padding. There quern ends an answer, and
# transformers goes on.
SAID = ["gen", "say"]
PADDING = 256
MODEL = ["--preset", "tiny", "--hidden", "32", "--layers", "2", "--heads", "4", "--kv-heads", "2", "--ffn", "64",
         "--positions", "256", "--init-range", "0.3"]


def documents(folder):
    r = random.Random(7)
    words = "river stone cloud green lamp paper quick seven under table music north silver glass hand".split()

    def sentence(n):
        return " ".join(r.choice(words) for _ in range(n))

    docs = []
    for i in range(30):
        question = sentence(5)
        choices = [sentence(r.randint(1, 4)) for _ in range(r.choice([3, 4, 4, 5]))]
        docs.append({"id": f"d{i}", "question": question, "choices": choices, "answer": r.randrange(len(choices)),
                     "label": r.choice(["A", "B"]), "text": sentence(8),
                     "last": " " + r.choice(words) + ("é" if i % 5 == 0 else ""), "n": i})
    shots = [dict(d, id="s" + d["id"], question=sentence(4)) for d in docs[:12]]
    for name, rows in (("docs", docs), ("shots", shots)):
        with open(f"{folder}/{name}.jsonl", "w") as f:
            f.writelines(json.dumps(d, ensure_ascii=False) + "\n" for d in rows)


def main():
    binaries, folder = sys.argv[1:3]
    if "--documents" in sys.argv:
        documents(folder)
        return
    logging.disable(logging.WARNING)
    os.environ["DISABLE_MULTIPROC"] = "1"
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.evaluator import evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks._yaml_loader import load_yaml

    with tempfile.TemporaryDirectory() as tmp:
        def model(seed, batch):
            subprocess.run([f"{binaries}/quern", "init-model", "-q", *MODEL, "--seed", str(seed), "-t", "tests/golden/data/generate/tokenizer",
                            "-o", f"{tmp}/m{seed}"], check=True)
            return HFLM(pretrained=f"{tmp}/m{seed}", dtype="float32", device="cpu", batch_size=batch)

        lm = model(3, 4)

        def load(name):
            config = load_yaml(f"{folder}/{name}.yaml")
            config["dataset_kwargs"] = {"data_files": {"test": f"{folder}/docs.jsonl", "train": f"{folder}/shots.jsonl"}}
            task = ConfigurableTask(config=config)
            task.set_fewshot_seed(1234)
            return task

        found = evaluate(lm=lm, task_dict={name: load(name) for name in TASKS}, bootstrap_iters=1000)["results"]
        for how, turns in (("turns", True), ("text", False)):
            chat = evaluate(lm=lm, task_dict={name: load(name) for name in CHAT}, bootstrap_iters=1000, apply_chat_template=True,
                            fewshot_as_multiturn=turns)["results"]
            found |= {f"{name}+{how}": chat[name] for name in CHAT}

        def say(seed):
            """Results of SAID under a model, None if it says its padding. One sequence at a time: nothing else is padding then."""
            lm, padded = model(seed, 1), []
            generate = lm._model_generate

            def watched(context, **kwargs):
                out = generate(context, **kwargs)
                padded.append(bool((out[:, context.shape[1]:] == PADDING).any()))
                return out

            lm._model_generate = watched
            results = {}
            for how, turns in (("turns", True), ("text", False)):
                of = evaluate(lm=lm, task_dict={name: load(name) for name in SAID}, bootstrap_iters=1000, apply_chat_template=True,
                              fewshot_as_multiturn=turns)["results"]
                results |= {f"{name}+{how}@{seed}": of[name] for name in SAID}
                if any(padded):
                    return None
            return results

        found |= next(r for r in map(say, range(3, 100)) if r)
    out = {}
    for name in found:
        out[name] = {k: (None if v == "N/A" else float(v)) for k, v in found[name].items() if "," in k}
    with open(f"{folder}/results.json", "w") as f:
        json.dump(out, f, indent=1)
        f.write("\n")


main()
