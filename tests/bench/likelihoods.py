#!/usr/bin/env python3
"""Multiple choice: quern eval --task FILE against lm-evaluation-harness with transformers, on the CPU, the same threads, the same tasks,
one random model of about 50 million parameters in float32. Both numbers must agree before the times count.

    pip install "lm_eval[hf]==0.4.13" torch
    likelihoods.py BUILD TOKENIZER [ROWS [THREADS [BATCH]]]
    likelihoods.py --start BUILD TOKENIZER       only the times to the first answer; of the harness too, where Python has it

TOKENIZER is a directory with a tokenizer.json. The time of the harness is that of its evaluate() alone, model loaded, by its fastest of the
batch sizes 1 and BATCH; ours is the whole process, start, loading and report included. The time to the first answer is that of a command
that asks one row of a small model, from its start to its end: the least and the median of ten.

Tasks: passages with four questions each (about 250 tokens shared); questions behind five fixed examples (about 350 tokens shared by all);
endings of short contexts (little is shared)."""
import importlib.util
import json
import logging
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time

MODEL = ["--preset", "tiny", "--hidden", "512", "--layers", "8", "--heads", "8", "--kv-heads", "8", "--ffn", "1408",
         "--positions", "1024", "--init-range", "0.05", "--seed", "3"]
WORDS = ("the of and to in a is that for it was on are as with his they at be this from have or by one had not but what all were "
         "when we there can an your which their said if do will each about how up out them then she many some so these would "
         "other into has more her two like him see time could no make than first been its who now people my made over did down "
         "only way find use may water long little very after words called just where most know").split()


def text(r, n):
    return " ".join(r.choice(WORDS) for _ in range(n))


def documents(rows):
    r = random.Random(11)
    passages, questions, endings = [], [], []
    for i in range(rows):
        if i % 4 == 0:
            passage = text(r, 220)
        passages.append({"passage": passage, "question": text(r, 10), "choices": [text(r, r.randint(1, 6)) for _ in range(4)],
                         "answer": r.randrange(4)})
        questions.append({"question": text(r, 30), "choices": [text(r, 5) for _ in range(4)], "answer": r.randrange(4)})
        endings.append({"context": text(r, 35), "choices": [text(r, r.randint(12, 24)) for _ in range(4)], "answer": r.randrange(4)})
    return {"passages": passages, "questions": questions, "endings": endings}


LETTERS = "{{ question }}\nA. {{ choices[0] }}\nB. {{ choices[1] }}\nC. {{ choices[2] }}\nD. {{ choices[3] }}\nAnswer:"
TASKS = {
    "passages": {"doc_to_text": "{{ passage }}\nQuestion: {{ question }}\nAnswer:", "doc_to_choice": "choices"},
    "questions": {"doc_to_text": LETTERS, "doc_to_choice": ["A", "B", "C", "D"], "num_fewshot": 5, "fewshot_config": {"sampler": "first_n"},
                  "fewshot_split": "train"},
    "endings": {"doc_to_text": "context", "doc_to_choice": "choices"},
}


def configs(folder, rows):
    found = {}
    for name, docs in documents(rows).items():
        for split, part in (("test", docs), ("train", docs[:5])):
            with open(f"{folder}/{name}.{split}.jsonl", "w") as f:
                f.writelines(json.dumps(d) + "\n" for d in part)
        found[name] = {"task": name, "dataset_path": "json", "output_type": "multiple_choice", "test_split": "test", "doc_to_target": "answer",
                       "metric_list": [{"metric": m, "aggregation": "mean", "higher_is_better": True} for m in ("acc", "acc_norm")],
                       **TASKS[name]}
        with open(f"{folder}/{name}.yaml", "w") as f:
            json.dump(found[name], f)            # JSON is YAML
    return found


def theirs(folder, tasks, threads, batch):
    import torch
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.evaluator import evaluate
    from lm_eval.models.huggingface import HFLM

    torch.set_num_threads(threads)
    found = {}
    for size in sorted({1, batch}):
        lm = HFLM(pretrained=f"{folder}/m", dtype="float32", device="cpu", batch_size=size)
        for name, config in tasks.items():
            config = dict(config, dataset_kwargs={"data_files": {s: f"{folder}/{name}.{s}.jsonl" for s in ("test", "train")}})
            task = ConfigurableTask(config=config)
            task.set_fewshot_seed(1234)
            start = time.perf_counter()
            results = evaluate(lm=lm, task_dict={name: task}, bootstrap_iters=0)["results"][name]
            seconds = time.perf_counter() - start
            if name not in found or seconds < found[name][0]:
                found[name] = (seconds, results["acc,none"], results["acc_norm,none"], size)
    return found


def ours(build, folder, name, threads):
    start = time.perf_counter()
    subprocess.run([f"{build}/bin/quern", "eval", "-q", "-j", str(threads), "-m", f"{folder}/m", "--task", f"{folder}/{name}.yaml", "--bootstrap", "0",
                    "--fewshot-data", f"{folder}/{name}.train.jsonl", f"{folder}/{name}.test.jsonl", "-o", f"{folder}/r.json"], check=True)
    seconds = time.perf_counter() - start
    with open(f"{folder}/r.json") as f:
        results = json.load(f)["results"][name]
    return seconds, results["acc,none"], results["acc_norm,none"]


def small_model(build, tokenizer, folder):
    model = [a if a not in ("512", "8", "1408") else {"512": "64", "8": "2", "1408": "128"}[a] for a in MODEL]
    subprocess.run([f"{build}/bin/quern", "init-model", "-q", *model, "-t", tokenizer, "-o", f"{folder}/small"], check=True)


def times(name, runs, command):
    """What the start costs, not the model: a task of one row under a model that is small."""
    found = []
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        found.append(1000 * (time.perf_counter() - start))
    print(f"time to the first answer, {name}: {min(found):.0f} ms, median of {runs} {statistics.median(found):.0f} ms", flush=True)


def first_answer(build, folder):
    times("quern", 10, [f"{build}/bin/quern", "eval", "-q", "-m", f"{folder}/small", "--task", f"{folder}/endings.yaml", "--limit", "1",
                        f"{folder}/endings.train.jsonl", "-o", f"{folder}/r.json"])


def their_first_answer(folder, tasks):
    """The harness as a user starts it, one process for the answer; three runs are enough for what takes seconds."""
    if importlib.util.find_spec("lm_eval") is None:
        return
    config = dict(tasks["endings"], dataset_kwargs={"data_files": {s: f"{folder}/endings.{s}.jsonl" for s in ("test", "train")}})
    os.makedirs(f"{folder}/tasks", exist_ok=True)
    with open(f"{folder}/tasks/endings.yaml", "w") as f:
        json.dump(config, f)
    times("lm_eval", 3, [sys.executable, "-m", "lm_eval", "run", "--model", "hf", "--model_args", f"pretrained={folder}/small,dtype=float32",
                         "--device", "cpu", "--include_path", f"{folder}/tasks", "--tasks", "endings", "--limit", "1"])


def main():
    only_start = sys.argv[1] == "--start"
    if only_start:
        del sys.argv[1]
    build, tokenizer = sys.argv[1:3]
    rows, threads, batch = (int(a) for a in (sys.argv[3:] + ["48", "2", "8"][len(sys.argv) - 3:]))
    logging.disable(logging.WARNING)
    os.environ["DISABLE_MULTIPROC"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        tasks = configs(folder, rows)
        small_model(build, tokenizer, folder)
        first_answer(build, folder)
        if only_start:
            return their_first_answer(folder, tasks)
        subprocess.run([f"{build}/bin/quern", "init-model", "-q", *MODEL, "-t", tokenizer, "-o", f"{folder}/m"], check=True)
        mine = {name: min(ours(build, folder, name, threads) for _ in range(2)) for name in tasks}
        other = theirs(folder, tasks, threads, batch)
        print(f"{rows} rows of 4 choices, {threads} threads\n{'task':10} {'lm_eval':>12} {'quern':>9} {'times':>6}   acc, acc_norm")
        for name in tasks:
            (a, *x), (b, *y, size) = mine[name], other[name]
            print(f"{name:10} {b:8.2f} s b{size:<2} {a:7.2f} s {b / a:6.1f}   {x[0]:.4f} {x[1]:.4f}" + ("" if x == y else f", lm_eval {y}"))
        if any(list(mine[n][1:]) != list(other[n][1:3]) for n in tasks):
            sys.exit("the numbers differ")


main()
