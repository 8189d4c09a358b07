#!/usr/bin/env python3
"""Trains the small fastText models of tests/golden/data/lid and tells what fastText 0.9 predicts with them (package fasttext-wheel).

usage: make_fasttext_models.py tests/golden/data/lid

Columns of expected.tsv: model, label, probability, text.
"""
import random
import sys
import tempfile

import fasttext

WORDS = {
    "en": "the mill stands by river and people of village come to it with their grain in autumn they wait talk".split(),
    "de": "die mühle steht am fluss und leute aus dem dorf kommen mit ihrem korn im herbst warten sie reden".split(),
    "fr": "le moulin est au bord de la rivière et les gens du village y viennent avec leur grain en automne ils".split(),
    "ru": "мельница стоит у реки и люди из деревни приходят к ней с зерном осенью они ждут говорят".split(),
}
TEXTS = ["the people come to the river", "die leute am fluss", "le grain du village", "люди у реки", "unknown words here", "the die le у", "", "  mill\tgrain ",
         "__label__en mühle", "</s>", "grain", "xyzzy", "a b c d e f g h", "Müller", "\u78e8\u574a the"]


def main():
    r = random.Random(1)
    out = sys.argv[1]
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as f:
        for _ in range(800):
            label = r.choices(list(WORDS), weights=[4, 3, 2, 1])[0]
            f.write("__label__%s %s\n" % (label, " ".join(r.choice(WORDS[label]) for _ in range(r.randint(2, 9)))))
        f.flush()
        common = dict(input=f.name, epoch=3, lr=0.3, thread=1, verbose=0)
        models = {
            "softmax.bin": fasttext.train_supervised(dim=4, minn=2, maxn=3, bucket=120, wordNgrams=2, loss="softmax", **common),
            "words.bin": fasttext.train_supervised(dim=3, loss="softmax", **common),
            "hs.bin": fasttext.train_supervised(dim=4, minn=1, maxn=2, bucket=100, loss="hs", **common),
            "ova.bin": fasttext.train_supervised(dim=4, wordNgrams=3, bucket=100, loss="ova", **common),
        }
        for name, args in [("plain.ftz", dict(qnorm=False)), ("norms.ftz", dict(qnorm=True, cutoff=260, retrain=False))]:
            m = fasttext.train_supervised(dim=4, minn=2, maxn=3, bucket=400, loss="softmax", **common)
            m.quantize(input=f.name, dsub=2, verbose=0, **args)
            models[name] = m
    with open(out + "/expected.tsv", "w", encoding="utf-8") as f:
        for name, m in models.items():
            m.save_model(out + "/" + name)
            for text in TEXTS:
                labels = m.f.predict(text + "\n", 1, 0.0, "strict")
                p, label = labels[0] if labels else (float("nan"), "")
                f.write("%s\t%s\t%.9g\t%s\n" % (name, label.replace("__label__", ""), p, text))


main()
