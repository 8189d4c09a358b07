#!/usr/bin/env python3
"""What datatrove, dolma and tensorflow_datasets decide about texts, for tests/unit/test_quality_golden.c.

usage:  make_quality_goldens.py docs >tests/golden/data/quality_docs.jsonl
        make_quality_goldens.py run PART DOCS.jsonl >>tests/golden/data/quality_expected.tsv

PART is one of datatrove-0.10 (run where datatrove 0.10 is installed: its filters, presets gopher and datatrove-0.10), fineweb-v1 (datatrove
0.2.0), gopher-dolma (dolma 1.2's python package on the path), c4-tfds (tensorflow_datasets 4.9 on the path) and spacy (datatrove 0.10
with its own splitter, for comparison; not kept). Each original computes as it is, but for its splitters of words and sentences, which are
given to it: str.split(), or the words of UAX 29 by the package uniseg, and the sentences defined in libcore/text/words.h.

Columns: preset, splitter, id, "-" or the reason, and the XXH3-64 of the text that is kept.
"""
import json
import random
import re
import sys
import types

TERMINAL = None
CLOSERS = "\"')]\u201d\u2019\u00bb\u300d\u300f\uff09"
ALONE = "\u3002\uff01\uff1f\uff61"


def terminal():
    global TERMINAL
    if TERMINAL is None:
        table = open("libcore/text/punctuation.c", encoding="utf-8").read()
        table = table[table.index("terminal[]"):]
        TERMINAL = set()
        for a, b in re.findall(r"\{0x([0-9a-f]+), 0x([0-9a-f]+)\}", table):
            TERMINAL |= {chr(c) for c in range(int(a, 16), int(b, 16) + 1)}
    return TERMINAL


def sentences(text, *args, **kwargs):
    """Pieces that end behind terminals and closers, before white space or the end; behind ALONE without any."""
    out, start, i = [], 0, 0
    while i < len(text):
        if text[i] not in terminal():
            i += 1
            continue
        alone = False
        while i < len(text) and text[i] in terminal():
            alone = alone or text[i] in ALONE
            i += 1
        closed = i
        while i < len(text) and text[i] in CLOSERS:
            i += 1
        if i == len(text) or text[i].isspace() or (alone and not (closed < i and text[i] in terminal())):
            out.append(text[start:i])
            start = i
    out.append(text[start:])
    return [s for s in out if s.strip()]


def split_space(text, *args, **kwargs):
    return text.split()


def split_unicode(text, *args, **kwargs):
    from uniseg.wordbreak import words
    return [w for w in words(text) if w.strip()]


SPLITTERS = {"space": split_space, "unicode": split_unicode}

# --- the originals -------------------------------------------------------------------------------


def chain(filters):
    from datatrove.data import Document

    def judge(text):
        if text == "":
            return "empty", ""           # 0 / len("") in datatrove
        doc = Document(text=text, id="0")
        for f in filters:
            r = f.filter(doc)
            if isinstance(r, tuple):
                if not r[0]:
                    return r[1], ""
            elif not r:
                return "?", ""
        return "-", doc.text
    return judge


def datatrove_10(splitter):
    import datatrove.pipeline.filters.c4_filters as c4
    import datatrove.pipeline.filters.fineweb_quality_filter as fw
    import datatrove.pipeline.filters.gopher_quality_filter as gq
    import datatrove.pipeline.filters.gopher_repetition_filter as gr
    if splitter:
        for m in (gr, gq, fw):
            m.split_into_words = splitter
        c4.split_into_sentences = sentences
    q, r = gq.GopherQualityFilter(), gr.GopherRepetitionFilter()
    yield "gopher", chain([q, r])
    yield "datatrove-0.10", chain([r, q, c4.C4QualityFilter(filter_no_terminal_punct=False), fw.FineWebQualityFilter()])


def datatrove_02(splitter):
    fake = types.ModuleType("nltk")
    fake.tokenize = types.ModuleType("nltk.tokenize")
    for m in (fake, fake.tokenize):
        m.word_tokenize = splitter
        m.sent_tokenize = sentences
    sys.modules["nltk"], sys.modules["nltk.tokenize"] = fake, fake.tokenize
    from datatrove.pipeline.filters import C4QualityFilter, GopherQualityFilter, GopherRepetitionFilter
    from datatrove.pipeline.filters.fineweb_quality_filter import FineWebQualityFilter
    for c in (C4QualityFilter, GopherQualityFilter, GopherRepetitionFilter, FineWebQualityFilter):
        c._requires_dependencies = []
        c.__new__ = lambda cls, *a, **k: object.__new__(cls)
    yield "fineweb-v1", chain([GopherRepetitionFilter(), GopherQualityFilter(), C4QualityFilter(filter_no_terminal_punct=False),
                               FineWebQualityFilter(None)])


def load(path, stubs):
    """A module's functions, its imports of large packages replaced."""
    src = open(path, encoding="utf-8").read()
    for line, by in stubs:
        src = src.replace(line, by)
    m = types.ModuleType("original")
    sys.modules["original"] = m
    exec(compile(src, path, "exec"), m.__dict__)
    return m


def dolma(root):
    m = load(root + "/dolma/taggers/gopher.py", [
        ("from ..core.data_types import DocResult, Document, Span\n", "DocResult = Document = Span = object\n"),
        ("from ..core.registry import TaggerRegistry\n", "class TaggerRegistry:\n    add = staticmethod(lambda *a, **k: lambda c: c)\n"),
        ("from ..core.taggers import BaseTagger\n", "BaseTagger = object\n")])

    def judge(text):
        a = m.get_attributes(text)
        dup = dict(a.fraction_of_characters_in_duplicate_ngrams)
        rules = [("word_count", a.word_count, 50, 100000), ("median_word_length", a.median_word_length, 3, 10)]
        rules += [(n, getattr(a, n), lo, hi) for n, lo, hi in [
            ("symbol_to_word_ratio", None, 0.1), ("fraction_of_words_with_alpha_character", 0.8, None), ("required_word_count", 2, None),
            ("fraction_of_lines_starting_with_bullet_point", None, 0.9), ("fraction_of_lines_ending_with_ellipsis", None, 0.3),
            ("fraction_of_duplicate_lines", None, 0.3), ("fraction_of_characters_in_duplicate_lines", None, 0.3)]]
        rules += [("fraction_of_characters_in_duplicate_%dgrams" % n, dup.get(n, 0), None, t)
                  for n, t in [(5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10)]]
        for name, v, lo, hi in rules:
            v = round(float(v), 5)
            if (lo is not None and v < lo) or (hi is not None and v > hi):
                return name, ""
        return "-", text
    return judge


def tfds(root):
    m = load(root + "/tensorflow_datasets/text/c4_utils.py", [
        ("from absl import logging\n", ""), ("import tensorflow.compat.v2 as tf\n", ""), ("import tensorflow_datasets.public_api as tfds\n", ""),
        ("from tensorflow_datasets.core.utils.lazy_imports_utils import tensorflow as tf\n", "")])
    m._get_sentences = sentences
    citation = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]")

    def judge(text):
        why = []
        got = list(m.clean_page(m.PageFeatures(text=text), citation, lambda name, amt=1: why.append(name)))
        names = {"filtered:loremipsum": "lorem_ipsum", "filtered:squigglybracket": "curly_bracket", "filtered:too_few_sentences": "too_few_sentences"}
        return ("-", got[0].text) if got else (names[why[-1]], "")
    return judge


def run(part, path, root):
    import xxhash
    docs = [json.loads(line) for line in open(path, encoding="utf-8")]
    cases = []
    if part in ("datatrove-0.10", "fineweb-v1"):
        for name, splitter in SPLITTERS.items():
            for preset, judge in (datatrove_10 if part == "datatrove-0.10" else datatrove_02)(splitter):
                for d in docs:
                    cases.append((preset, name, d["id"], *judge(d["text"])))
    else:
        judge, name = {"gopher-dolma": (dolma, "space"), "c4-tfds": (tfds, "space"), "spacy": (None, "spacy")}[part]
        pairs = [(part, judge(root))] if judge else list(datatrove_10(None))
        for preset, judge in pairs:
            for d in docs:
                cases.append((preset, name, d["id"], *judge(d["text"])))
    for preset, name, i, reason, text in cases:
        print(preset, name, i, reason, xxhash.xxh3_64_hexdigest(text.encode()) if reason == "-" else "", sep="\t")


# --- texts, made up ---------------------------------------------------------------------------------

SMALL = "the be to of and that have with a in it is was for on as at by this from they we not but his her all one".split()
LONG = ("mill river village grain autumn bridge winter wheel harvest stone water miller flour morning market donkey road evening lantern "
        "window kitchen bread neighbour summer orchard apple cellar barrel meadow sheep shepherd mountain valley forest timber carpenter "
        "hammer workshop apprentice letter message courier kingdom merchant silver copper harbour sailor lighthouse storm thunder").split()
OTHERS = ["磨坊在河边，村里的人们总是带着粮食来到这里。", "秋天队伍一直排到桥边！", "水車は川のそばに立っています。村人は穀物を持って来ます。",
          "Мельница стоит у реки, и люди из деревни приходят к ней с зерном.", "الطاحونة تقف بجانب النهر والناس يأتون إليها.",
          "โรงสีตั้งอยู่ริมแม่น้ำ ผู้คนในหมู่บ้านมาที่นี่", "चक्की नदी के किनारे खड़ी है और गाँव के लोग आते हैं।", "Die Mühle steht am Fluß, und die Leute kommen mit ihrem Korn.",
          "Le moulin se dresse près de la rivière ; l’été, on y danse…", "방앗간은 강가에 서 있고 마을 사람들이 곡식을 가져온다.", "🚀🎉 👨‍👩‍👧 🇩🇪 ✨", "Ünïcödé wörds, naïve café № 5 — 12,5 % «così»"]
BREAKS = ["\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]


def sentence(r):
    n = r.randint(4, 18)
    words = [r.choice(SMALL) if r.random() < 0.5 else r.choice(LONG) for _ in range(n)]
    if r.random() < 0.2:
        words[r.randrange(n)] = r.choice(["U.S.", "3.14", "isn't", "e.g.", "12:30", "can't", "well-known", "a/b", "x_1", "it's", "1,000", "[1]", "(see", "\"so\""])
    s = " ".join(words)
    if r.random() < 0.3:
        s = s.replace(" ", ", ", 1)
    return s[0].upper() + s[1:] + r.choice([".", ".", ".", ".", "!", "?", ".\"", "...", "…", "", ":", ";", ".)", "?!", " .", "。"])


def paragraph(r):
    return " ".join(sentence(r) for _ in range(r.randint(1, 6)))


def document(r):
    paras = [paragraph(r) for _ in range(r.randint(1, 9))]
    for _ in range(r.choice([0, 0, 1, 1, 2, 3])):
        k, i = r.randrange(26), r.randrange(len(paras))
        if k == 0:
            paras += [paras[i]] * r.randint(1, 4)
        elif k == 1:
            paras[i] = "\n".join("- " + sentence(r) for _ in range(r.randint(3, 30)))
        elif k == 2:
            paras[i] = "\n".join(r.choice(["•", "*", "  -", " \u2022"]) + sentence(r)[:20] for _ in range(r.randint(3, 12)))
        elif k == 3:
            paras[i] = "\n".join(sentence(r).rstrip(".") + r.choice(["...", "…", "... "]) for _ in range(r.randint(2, 8)))
        elif k == 4:
            paras[i] = paras[i].replace(" ", " #", r.randint(1, 20))
        elif k == 5:
            paras[i] += " " + " ".join(r.choice(["12", "2024", "3.5%", "--", "|", "+", "=", "&"]) for _ in range(r.randint(5, 60)))
        elif k == 6:
            paras += r.sample(OTHERS, r.randint(1, 5))
        elif k == 7:
            s = sentence(r)
            paras[i] = "\n".join([s] * r.randint(2, 9))
        elif k == 8:
            a = " ".join(r.choice(LONG) for _ in range(r.randint(2, 4)))
            paras[i] = " ".join((a + " " + r.choice(LONG)) for _ in range(r.randint(4, 30)))
        elif k == 9:
            a = " ".join(r.choice(LONG) for _ in range(r.randint(5, 14)))
            paras[i] = " ".join((a + " " + sentence(r)) for _ in range(r.randint(2, 6)))
        elif k == 10:
            paras[i] += r.choice([" {x}", " Lorem Ipsum dolor.", " Enable JavaScript to go on.", " See our privacy policy.", " We use coo\u212aies here now."])
        elif k == 11:
            paras[i] = paras[i].replace(" ", r.choice(BREAKS), r.randint(1, 4))
        elif k == 12:
            paras[i] = re.sub(r"\.", lambda m: r.choice(["[12].", ".[3]", ".[edit]", ". [citation needed]", "[].", ".[\u0663]"]), paras[i])
        elif k == 13:
            paras.insert(i, "a" * r.choice([999, 1000, 1001, 1500]) + " is a long word indeed.")
        elif k == 14:
            paras[i] = "  \t\n\n" + paras[i] + "\u00a0 \n \n"
        elif k == 15:
            paras[i] = "\n".join(w for w in paras[i].split())
        elif k == 16:
            paras[i] = "".join(w[0].upper() + w[1:] for w in paras[i].split())
        elif k == 17:
            paras[i] = " ".join(w[:2] for w in paras[i].split())
        elif k == 18:
            paras[i] = paras[i].replace(" the ", " ").replace(" be ", " ").replace(" of ", " ")
        elif k == 19:
            paras[i] = " ".join("".join(r.choice("ab") for _ in range(r.randint(1, 3))) for _ in range(r.randint(20, 90)))
        elif k == 20:
            paras[i] = paras[i].upper()
        elif k == 21:
            paras[i] = "\n\n\n" + paras[i] + "\n\n\n\n" + paras[i] + "\n"
        elif k == 22:
            paras[i] = "".join(r.sample(OTHERS, 3)) * r.randint(1, 4)
        elif k == 23:
            paras[i] = paras[i].replace(".", r.choice(["\u06d4", "\u3002", "\uff01", "\u0964", "\u203d"]))
        elif k == 24:
            s = sentence(r)
            paras.append(s + "\n" + s if r.random() < 0.5 else s[:29] + "\n" + s[:30] + "\n" + s[:31])
        else:
            paras = [p for p in paras for _ in (0, 1)]
    return r.choice(["\n\n", "\n", "\n\n", "\n \n"]).join(paras)


def docs():
    r = random.Random(20261121)
    fixed = ["", " ", "\n", "\n\n\n", "a", ".", "…", "{", "\u2028", "lorem ipsum", "the " * 60, "the be to of. " * 40, ("word " * 9 + "\n") * 30,
             "ab c abc a bc a b c ab c abc a bc a b c " * 6, "can not cannot can not cannot " * 12]
    texts = fixed + [document(r) for _ in range(225)]
    for i, t in enumerate(texts):
        print(json.dumps({"id": str(i), "text": t}, ensure_ascii=False))


if __name__ == "__main__":
    if sys.argv[1:] == ["docs"]:
        docs()
    else:
        run(sys.argv[2], sys.argv[3], sys.argv[4] if len(sys.argv) > 4 else "")
