#!/usr/bin/env python3
"""Goldens of tests/golden/data/token, made with Hugging Face tokenizers and jinja2 (run with both installed).

  corpus.jsonl       our own text (made here)
  PATTERN.json       a vocabulary trained on it by BpeTrainer
  encode.jsonl       {"pattern", "text", "ids"} with those vocabularies
  added.json         a tokenizer with every kind of added token, NFC and a BOS template; added.jsonl its ids and texts
  chat.json          {"cases": [{"name", "template", "vars", "expected"}]} rendered by jinja2 with Hugging Face's settings

usage: make_tokenizer_goldens.py [DIR]
"""
import json
import random
import sys

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

OUT = (sys.argv[1] if len(sys.argv) > 1 else "tests/golden/data/token") + "/"
CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
PREFIX = r"[^\r\n\p{L}\p{N}]?"
PATTERNS = {
    "gpt2": None,
    "llama3": CONTRACTIONS + "|" + PREFIX + r"\p{L}+|\p{N}{1,3}" + REST,
    "qwen2": CONTRACTIONS + "|" + PREFIX + r"\p{L}+|\p{N}" + REST,
    "o200k": f"{PREFIX}{UPPER}*{LOWER}+{CONTRACTIONS}?|{PREFIX}{UPPER}+{LOWER}*{CONTRACTIONS}?"
             r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "regex": r"\w+|[^\w\s]+",
}
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def corpus():
    rng = random.Random(7)
    words = ("the miller grinds grain and the stream turns the wheel while flour falls into sacks that carry it to town "
             "Mühle Körner données élève слово река 水車 小麦 粉 don't we'll I'M it's 1848 12345 3.14").split()
    docs = [" ".join(rng.choice(words) + rng.choice(["", "", "", ",", ".", "\n", "!\n\n", "  "]) for _ in range(60)) for _ in range(40)]
    docs += ["aaaa aaa aaaaa abab ababab", "if (x == 0)\n\treturn y->next;\n", "a\u0301 e\u0301 \U0001f600\U0001f44d\U0001f3fd"]
    return docs


def random_texts():
    rng = random.Random(11)
    pool = list("aAbBsStTdDmMlLrReEvV'’ſ 0123456789 \n\r\t \u00a0\u3000.,;!?/\\-_()é É ñ ß Ä ö ǅ ʰ ª º א ب क ि म ी 語 日 本 カ 가 ½ ² ٣ Ⅷ € $ ∑")
    pool += ["'s", "'S", "'ll", "'RE", " the", "  ", "\n\n", "\U0001f600", "\U0001f44d\U0001f3fd", "\u0301", "\u0308", "\u200d", "\u2028",
             "\u0085", "stream", "miller", " \n  ", "aaaa"]
    return ["", " ", "a  \n  ", "\n \n", "x" * 200] + ["".join(rng.choice(pool) for _ in range(rng.randint(1, 40))) for _ in range(120)]


def train(pattern, docs):
    t = Tokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pattern is None)
    t.pre_tokenizer = byte_level if pattern is None else pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(pattern), "isolated"), byte_level])
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(docs, trainers.BpeTrainer(vocab_size=520, special_tokens=SPECIALS, show_progress=False,
                                                    initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return t


def added_tokenizer(base):
    t = Tokenizer.from_str(base.to_str())
    t.normalizer = normalizers.NFC()
    t.add_special_tokens([AddedToken("<left>", lstrip=True, special=True), AddedToken("<right>", rstrip=True, special=True)])
    t.add_tokens([AddedToken("word", single_word=True, normalized=False), AddedToken("caf\u00e9", normalized=True),
                  AddedToken("<tool>", normalized=False), AddedToken("<tool>more", normalized=False)])
    t.post_processor = processors.TemplateProcessing(single="<|im_start|> $A <|im_end|>",
                                                     special_tokens=[("<|im_start|>", 1), ("<|im_end|>", 2)])
    return t


ADDED_TEXTS = ["a <left> b", "a  <left><left>b", "a <right>  b", "<right> <left> x", "word words word", "aword word_ word.",
               "cafe\u0301 caf\u00e9", "<tool>mor <tool>more", "<|im_start|>user\nhi<|im_end|>", "<|im_end|>", "e\u0301\u0323a"]

CHATML = ("{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
          "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")
TEMPLATES = {
    "chatml": CHATML,
    "system first": "{%- if messages[0].role == 'system' %}\n  {{- messages[0]['content']|trim }}\n  {%- set messages = messages[1:] %}\n"
                    "{%- endif %}\n{% for m in messages if m.role != 'tool' %}\n[{{ loop.index }}/{{ loop.length }}] {{ m.content }}\n{% endfor %}",
    "namespace": "{% set ns = namespace(n=0, last='') %}{% for m in messages[::-1] %}{% if m.role == 'user' %}{% set ns.n = ns.n + 1 %}"
                 "{% set ns.last = m.content %}{% endif %}{% endfor %}{{ ns.n }}:{{ ns.last|upper }}",
    "json": "{{ messages|tojson }}\n{{ messages|tojson(indent=2) }}\n{{ {'a': [1, 2.5, none, true], 'é': '\"\\n'} }}",
    "macro": "{% macro turn(m, tag='x') %}<{{ tag }}>{{ m.content.split('</think>')[-1].lstrip('\\n') }}</{{ tag }}>{% endmacro %}"
             "{% for m in messages %}{{ turn(m, tag=m.role) }}{% endfor %}",
    "whitespace": "  {% if true %}\n a\n  {%- endif +%}\n b {#- c -#}  d\n  {{- 1 }}\n{% raw %} {{ x }} {% endraw %}\n\n",
    "filters": "{{ messages|map(attribute='role')|unique|join(', ') }} {{ messages|selectattr('role', 'equalto', 'user')|list|length }}"
               " {{ (messages|last).content|replace('e', '3')|title }} {{ nothing|default('d') }} {{ 7 // 2 }} {{ -7 % 3 }} {{ 2 ** 5 }} {{ 7 / 2 }}",
}
CONTEXTS = [
    {"messages": [{"role": "user", "content": "2 + 2?"}], "add_generation_prompt": True},
    {"messages": [{"role": "system", "content": " Be brief.\n"}, {"role": "user", "content": "hällo\n'wörld'"},
                  {"role": "assistant", "content": "<think>\nhm\n</think>\n\nyes"}], "add_generation_prompt": False},
]


def main():
    docs = corpus()
    with open(OUT + "corpus.jsonl", "w") as f:
        for i, d in enumerate(docs):
            f.write(json.dumps({"id": str(i), "text": d}, ensure_ascii=False) + "\n")
    with open(OUT + "encode.jsonl", "w") as f:
        for name, pattern in PATTERNS.items():
            t = train(pattern, docs)
            with open(OUT + name + ".json", "w") as g:
                json.dump(json.loads(t.to_str()), g, ensure_ascii=False, separators=(",", ":"))
            for x in random_texts():
                f.write(json.dumps({"pattern": name, "text": x, "ids": t.encode(x).ids}, ensure_ascii=False, separators=(",", ":")) + "\n")
            if name == "llama3":
                added = added_tokenizer(t)
    with open(OUT + "added.json", "w") as g:
        json.dump(json.loads(added.to_str()), g, ensure_ascii=False, separators=(",", ":"))
    with open(OUT + "added.jsonl", "w") as f:
        for x in ADDED_TEXTS:
            e = added.encode(x, add_special_tokens=False).ids
            f.write(json.dumps({"text": x, "ids": e, "around": added.encode(x).ids, "decoded": added.decode(e, skip_special_tokens=False)},
                               ensure_ascii=False) + "\n")
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
    env.filters["tojson"] = lambda x, indent=None: json.dumps(x, ensure_ascii=False, indent=indent)
    cases = [{"name": f"{n} {i}", "template": t, "vars": c, "expected": env.from_string(t).render(**c)}
             for n, t in TEMPLATES.items() for i, c in enumerate(CONTEXTS)]
    with open(OUT + "chat.json", "w") as f:
        json.dump({"jinja2": jinja2.__version__, "cases": cases}, f, ensure_ascii=False, indent=1)


main()
