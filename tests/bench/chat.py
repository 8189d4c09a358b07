#!/usr/bin/env python3
"""Conversations to ids and masks beside transformers' apply_chat_template(return_assistant_tokens_mask=True): one thread each, the same
conversations, ids and masks compared; seconds of CPU, best of three (ours: of five).

    chat.py BUILD TOKENIZER TEXT [TEMPLATE] [N] [TURNS]

TOKENIZER is a directory with a tokenizer.json that has ChatML's special tokens, TEXT what the messages are cut from, TEMPLATE a
template with {% generation %} (without: ChatML's). Needs transformers (python3 -m venv V && V/bin/pip install transformers jinja2).
"""
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
from transformers import PreTrainedTokenizerFast

CHATML = """{%- for message in messages %}
    {{- '<|im_start|>' + message['role'] + '\\n' }}
    {%- if message['role'] == 'assistant' %}
        {%- generation %}{{- message['content'] + '<|im_end|>' }}{%- endgeneration %}
        {{- '\\n' }}
    {%- else %}
        {{- message['content'] + '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""


def conversations(text, n, turns):
    r = random.Random(1)

    def said(mean):
        at, size = r.randrange(len(text) - 8192), min(int(r.expovariate(1 / mean)) + 8, 8000)
        return text[at : at + size]

    for i in range(n):
        messages = [{"role": "system", "content": "You are a helpful assistant."}]
        for _ in range(turns or r.choice((1, 1, 2, 3))):
            messages += [{"role": "user", "content": said(150)}, {"role": "assistant", "content": said(600)}]
        yield {"id": str(i), "messages": messages}


def main():
    build, tokenizer, text = sys.argv[1:4]
    template = open(sys.argv[4]).read() if len(sys.argv) > 4 and sys.argv[4] else CHATML
    n = int(sys.argv[5]) if len(sys.argv) > 5 else 3000
    turns = int(sys.argv[6]) if len(sys.argv) > 6 else 0
    rows = list(conversations(open(text, encoding="utf-8").read(), n, turns))
    theirs = PreTrainedTokenizerFast(tokenizer_file=f"{tokenizer}/tokenizer.json", bos_token="<|endoftext|>", eos_token="<|im_end|>")

    def run():
        return [
            theirs.apply_chat_template(x["messages"], chat_template=template, tokenize=True, return_dict=True, return_assistant_tokens_mask=True)
            for x in rows
        ]

    with tempfile.TemporaryDirectory() as d:
        with open(f"{d}/rows.jsonl", "w", encoding="utf-8") as f:
            f.writelines(json.dumps(x, ensure_ascii=False) + "\n" for x in rows)
        with open(f"{d}/template.jinja", "w") as f:
            f.write(template)
        out = subprocess.run(
            [f"{build}/bench/bench_chat", tokenizer, f"{d}/template.jinja", f"{d}/rows.jsonl", f"{d}/out"], check=True, capture_output=True, text=True
        ).stdout
        times = []
        for _ in range(3):
            t = time.process_time()
            want = run()
            times.append(time.process_time() - t)
        with open(f"{d}/out") as f:
            got = [json.loads(line) for line in f]
    same = sum(g["ids"] == list(w["input_ids"]) and g["mask"] == list(w["assistant_masks"]) for g, w in zip(got, want))
    tokens = sum(len(g["ids"]) for g in got)
    ours = float(re.search(r"tokens ([0-9.]+) s", out).group(1))
    print(out, end="")
    print(f"{len(rows)} conversations of {tokens / len(rows):.0f} tokens; ids and masks equal in {same}")
    print(f"ours {ours:.4f} s, transformers {min(times):.3f} s: {min(times) / ours:.1f} times")
    if same != len(rows):
        sys.exit("ids or masks differ")


main()
