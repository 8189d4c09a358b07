#!/usr/bin/env python3
"""Goldens of tests/golden/data/token, made with Hugging Face tokenizers and jinja2 (run with both installed).

  corpus.jsonl       our own text (made here)
  PATTERN.json       a vocabulary trained on it by BpeTrainer
  vocab/             gpt2.json as vocab.json and merges.txt
  trained.jsonl      {"pattern", "options", "vocab", "merges"}: what BpeTrainer's other options make of the corpus, tokens in the order of
                     their ids; the last ones of "texts" of long words
  encode.jsonl       {"pattern", "text", "ids"} with those vocabularies
  added.json         a tokenizer with every kind of added token, NFC and a BOS template; added.jsonl its ids and texts
  manners.json       two models and, for each way of the other parts (normalizers, pre-tokenizers, decoders), texts with their ids, the bytes
                     where each token ends (of the model with byte fallback) and what they decode to
  chat.json          {"cases": [{"name", "template", "vars", "expected"}]} rendered by jinja2 with Hugging Face's settings

usage: make_tokenizer_goldens.py [DIR]
"""
import collections
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
    return ["", " ", "a  \n  ", "\n \n", "x" * 200] + ["".join(rng.choice(pool) for _ in range(rng.randint(1, 40))) for _ in range(120)] + YOUNG


# Characters of Unicode 10 to 17: each library knows them up to a version of its own (make_unicode.py says which).
YOUNG = ["a\u1c89\u1c8a \ua7cb\ua7da", "\U00010d50\U00010d70\U00010d40 \U00016d40\U00016d6d", "\U00011de0\U00011de1x1", "\u07fd\u0323\u0301a\u07fd",
         "\u4e2d\U0002ebf0\U00031350\u65e5", "\u32ff \ua7f2x", "\U00011935\U00011930 \U00011938", "\u2e43a\u2e52b\u166d", "\u24b6\u00b2\u00bc_\u200da",
         "\U0001cc00\U0001cd00 \U0001fae9", "\u0897\u0301 e\u1acf\u0323", "\U000105d2\u0307\U000105c9", "\u3002\u4e00\u3005\u30fc"]


def train(pattern, docs, specials=SPECIALS, alphabet=pre_tokenizers.ByteLevel.alphabet(), **options):
    t = Tokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pattern is None)
    t.pre_tokenizer = byte_level if pattern is None else pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(pattern), "isolated"), byte_level])
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(docs, trainers.BpeTrainer(special_tokens=specials, show_progress=False, initial_alphabet=alphabet,
                                                    **({"vocab_size": 520} | options)))
    return t


def most_frequent(docs, limit):
    """limit_alphabet leaves open which of equally frequent characters stay: ours are those whose character comes first. With them as
    the initial alphabet the reference has no choice; with none, it has none where the border does not cut through equal ones."""
    printed = [b for b in range(256) if 0x21 <= b <= 0x7E or 0xA1 <= b <= 0xAC or b >= 0xAE]
    chars = {b: chr(b) for b in printed} | {b: chr(256 + i) for i, b in enumerate(b for b in range(256) if b not in printed)}
    count = collections.Counter(b for d in docs for b in d.encode())
    order = sorted(range(256), key=lambda b: (-count[b], chars[b]))
    clear = limit < 256 and count[order[limit - 1]] > count[order[limit]]
    return [] if clear else [chars[b] for b in order[:limit]]


def trained_case(pattern, docs, options, **alphabet):
    model = json.loads(train(PATTERNS[pattern], docs, **alphabet, **options).to_str())["model"]
    return {"pattern": pattern, "options": {"vocab_size": 520} | options, "vocab": sorted(model["vocab"], key=model["vocab"].get),
            "merges": model["merges"]}


def trained_cases(docs):
    for pattern, options in (("llama3", {"max_token_length": 1}), ("gpt2", {"max_token_length": 4}), ("o200k", {"max_token_length": 7, "vocab_size": 420}),
                             ("llama3", {"limit_alphabet": 9, "vocab_size": 200}), ("qwen2", {"limit_alphabet": 30, "vocab_size": 300}),
                             ("llama3", {"limit_alphabet": 200, "vocab_size": 320}), ("regex", {"min_frequency": 30}),
                             ("gpt2", {"limit_alphabet": 20, "max_token_length": 5, "min_frequency": 9, "vocab_size": 400}),
                             ("llama3", {"specials": ["<s>", "the", "\u0120grain", "in", "\u6c34\u8eca"], "vocab_size": 400}),
                             ("gpt2", {"specials": [], "max_token_length": 3, "min_frequency": 2})):
        alphabet = {"alphabet": most_frequent(docs, options["limit_alphabet"])} if "limit_alphabet" in options else {}
        yield trained_case(pattern, docs, options, **alphabet)
    rng = random.Random(13)
    texts = ["".join(rng.choices("aab", k=700)) for _ in range(3)] + ["a" * n for n in (255, 256, 257, 258, 514, 900)] + ["ab" * 200, "aaab" * 150]
    yield trained_case("gpt2", texts, {"vocab_size": 420}) | {"texts": texts}
    yield trained_case("gpt2", texts, {"limit_alphabet": 1}, alphabet=[]) | {"texts": texts}


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

MARK = "\u2581"


def models_of_manners(docs):
    """A model over characters with byte fallback, as SentencePiece's are, and one over bytes."""
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    t.train_from_iterator(docs, trainers.BpeTrainer(vocab_size=420, show_progress=False))
    learned = json.loads(t.to_str())["model"]
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)] + [MARK, MARK * 2, " "]
    tokens += [k for k in sorted(learned["vocab"], key=learned["vocab"].get) if k not in tokens]
    chars = {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None, "end_of_word_suffix": None,
             "fuse_unk": True, "byte_fallback": True, "ignore_merges": False, "vocab": {k: i for i, k in enumerate(tokens)},
             "merges": [[MARK, MARK]] + learned["merges"]}
    return {"chars": chars, "unknown": dict(chars, byte_fallback=False), "apart": dict(chars, byte_fallback=False, fuse_unk=False),
            "bytes": json.loads(train(None, docs).to_str())["model"]}


def manners():
    n, p, d = normalizers, pre_tokenizers, decoders
    spm = d.Sequence([d.Replace(MARK, " "), d.ByteFallback(), d.Fuse(), d.Strip(" ", 1, 0)])
    plain = d.Sequence([d.Replace(MARK, " "), d.ByteFallback(), d.Fuse()])
    llama = n.Sequence([n.Prepend(MARK), n.Replace(" ", MARK)])
    marks = n.Replace(" ", MARK)
    yield "llama", "chars", llama, None, spm
    yield "unknown", "unknown", llama, None, spm
    yield "unknown apart", "apart", llama, None, spm
    yield "gemma", "chars", marks, p.Split(" ", "merged_with_previous"), plain
    yield "metaspace first", "chars", None, p.Metaspace(prepend_scheme="first", split=False), d.Metaspace(prepend_scheme="first")
    yield "metaspace always", "chars", None, p.Metaspace(prepend_scheme="always"), d.Metaspace(prepend_scheme="always")
    yield "metaspace never", "chars", None, p.Metaspace(prepend_scheme="never"), d.Metaspace(prepend_scheme="never")
    for behavior in ("isolated", "removed", "merged_with_previous", "merged_with_next", "contiguous"):
        yield behavior, "chars", marks, p.Split(Regex("[aeiou' ]|" + MARK), behavior), plain
        yield behavior + " inverted", "chars", marks, p.Split(Regex("[aeiou]+"), behavior, invert=True), plain
    yield "string", "chars", None, p.Split("a", "removed"), plain
    yield "punctuation", "chars", marks, p.Sequence([p.Punctuation(), p.Digits(individual_digits=True)]), plain
    yield "whitespace", "chars", None, p.Sequence([p.Whitespace(), p.Punctuation("contiguous")]), plain
    yield "whitespace split", "chars", None, p.WhitespaceSplit(), plain
    yield "nfkc", "chars", n.Sequence([n.NFKC(), n.Lowercase(), n.Strip()]), p.Metaspace(), d.Metaspace()
    yield "nfd", "chars", n.Sequence([n.NFD(), marks]), None, plain
    yield "nfkd", "chars", n.Sequence([n.Strip(left=False), n.NFKD()]), None, plain
    yield "nfc and replaced", "chars", n.Sequence([n.NFC(), n.Replace(Regex(r"\s+"), MARK), n.Replace("the", "THE")]), None, plain
    yield "falcon", "bytes", None, p.Sequence([p.Punctuation("contiguous"), p.ByteLevel(add_prefix_space=False), p.Digits(),
                                               p.Split(Regex("[0-9][0-9][0-9]"), "isolated")]), d.ByteLevel()
    yield "cut thrice", "bytes", None, p.Sequence([p.Split(Regex(r"\p{N}{1,3}"), "isolated"), p.Split(Regex("[\u4e00-\u9fa5\u3040-\u30ff]+"), "isolated"),
                                                   p.Split(Regex(r"[\p{L}\p{M}]+| ?[\p{P}\p{S}]+|\s+(?!\S)|\s+"), "isolated"),
                                                   p.ByteLevel(add_prefix_space=False, use_regex=False)]), d.ByteLevel()
    yield "scripts", "chars", None, p.Split(Regex(r"\p{Han}+|\p{Latin}|[\w']+|\d"), "isolated"), plain
    yield "words", "bytes", None, p.Sequence([p.Split(Regex(r"\w+"), "isolated"), p.ByteLevel(add_prefix_space=False, use_regex=False)]), d.ByteLevel()
    yield "space in front", "bytes", n.Strip(right=False), p.ByteLevel(add_prefix_space=True), d.ByteLevel()


def manner_texts():
    rng = random.Random(5)
    pool = list("aeioutn  the'.,-1234 ") + ["the ", "miller", "  ", "\n", MARK, "\u00e9", "e\u0301", "\u6c34\u8eca", "\uff76\uff9e", "\u00b2", "\u0130", "\u1e9b\u0323",
                                          "\U0001f600", "\u3000", "</s>", "<unk>", "<0x41>", "\u2460", "\u0f73", "\uac01", "\u00c5"]
    return ["", " ", "   ", "the miller", " the  stream.", "\u6c34", "a\n"] + ["".join(rng.choice(pool) for _ in range(rng.randint(1, 24))) for _ in range(30)] + YOUNG


def manner_cases(docs):
    made = models_of_manners(docs)
    out = []
    for name, model, normalizer, pre, decoder in manners():
        t = Tokenizer.from_str(json.dumps({"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
                                           "pre_tokenizer": None, "post_processor": None, "decoder": None, "model": made[model]}))
        if normalizer:
            t.normalizer = normalizer
        if pre:
            t.pre_tokenizer = pre
        t.decoder = decoder
        if model != "bytes":
            t.add_special_tokens([AddedToken("<s>", normalized=False), AddedToken("</s>", normalized=True)])
        parts = json.loads(t.to_str())
        case = {"name": name, "model": model, "parts": {k: parts[k] for k in ("added_tokens", "normalizer", "pre_tokenizer", "decoder")}, "texts": []}
        for x in manner_texts():
            e = t.encode(x, add_special_tokens=False)
            row = {"text": x, "ids": e.ids, "decoded": t.decode(e.ids, skip_special_tokens=False)}
            if model == "chars" and not name.startswith("nf"): # of normal forms ours are those of whole clusters
                row["ends"] = [len(x[:o[1]].encode()) for o in e.offsets]
            case["texts"].append(row)
        out.append(case)
    return {"models": made, "manners": out}


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
            if name == "gpt2":
                t.model.save(OUT + "vocab")
            if name == "llama3":
                added = added_tokenizer(t)
    with open(OUT + "trained.jsonl", "w") as f:
        for case in trained_cases(docs):
            f.write(json.dumps(case, ensure_ascii=False, separators=(",", ":")) + "\n")
    with open(OUT + "manners.json", "w") as g:
        json.dump(manner_cases(docs), g, ensure_ascii=False, separators=(",", ":"))
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
