#!/usr/bin/env python3
"""Conversations, templates of our own with {% generation %}, and the ids and masks that transformers gives, for tokenize-bpe.bats.

    make_mask_goldens.py        writes tests/golden/data/token/masks/{NAME.jinja,NAME.jsonl,NAME.want}

The tokenizer is tests/golden/data/token/qwen2.json. Made with transformers 5.23 (python3 -m venv V && V/bin/pip install transformers jinja2).
"""
import json
import os

from transformers import PreTrainedTokenizerFast

DATA = "tests/golden/data/token"
OUT = DATA + "/masks"
TEMPLATES = {
    "plain": """{% for m in messages %}<|im_start|>{{ m.role }}
{% if m.role == 'assistant' %}{% generation %}{{ m.content }}<|im_end|>{% endgeneration %}{% else %}{{ m.content }}<|im_end|>{% endif %}
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}""",
    "tools": """{% if tools %}<|im_start|>system
{% for t in tools %}{{ t | tojson }}
{% endfor %}<|im_end|>
{% endif %}{% for m in messages %}{% if m.role == 'assistant' %}<|im_start|>assistant
{% generation %}{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>
{% endif %}{{ m.content or '' }}{% for c in m.tool_calls or [] %}
<tool_call>{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}</tool_call>{% endfor %}<|im_end|>{% endgeneration %}
{% else %}<|im_start|>{{ m.role }}{{ ' ' ~ m.tool_call_id if m.tool_call_id else '' }}
{{ m.content }}<|im_end|>
{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}""",
}


def user(text):
    return {"role": "user", "content": text}


def assistant(text, **more):
    return {"role": "assistant", "content": text, **more}


CALL = [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": {"place": "Tromsø", "days": 2}}}]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {"place": {"type": "string"}}}}}]
ROWS = {
    "plain": [
        {"messages": [user("the mill?"), assistant("The mill grinds.")]},
        {"messages": [{"role": "system", "content": "Be short."}, user("a\n\nb  "), assistant("  tabs\tand 日本語 🙂 "), user(""), assistant("")]},
    ],
    "tools": [
        {
            "tools": TOOLS,
            "messages": [
                user("Weather?"),
                assistant(None, tool_calls=CALL),
                {"role": "tool", "tool_call_id": "c1", "content": "{\"t\": 3}"},
                assistant("3 degrees.", reasoning_content="it says 3"),
            ],
        },
        {"messages": [user("hi"), assistant("yes", reasoning_content="hm\n")]},
    ],
}


def main():
    os.makedirs(OUT, exist_ok=True)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=f"{DATA}/qwen2.json")
    for name, template in TEMPLATES.items():
        with open(f"{OUT}/{name}.jinja", "w") as f:
            f.write(template)
        with open(f"{OUT}/{name}.jsonl", "w") as rows, open(f"{OUT}/{name}.want", "w") as want:
            for i, row in enumerate(ROWS[name]):
                rows.write(json.dumps({"id": str(i), **row}, ensure_ascii=False, separators=(",", ":")) + "\n")
                out = tokenizer.apply_chat_template(
                    row["messages"], tools=row.get("tools"), chat_template=template, return_dict=True, return_assistant_tokens_mask=True
                )
                ids = {"id": str(i), "input_ids": list(out["input_ids"]), "loss_mask": list(out["assistant_masks"])}
                want.write(json.dumps(ids, separators=(",", ":")) + "\n")


main()
