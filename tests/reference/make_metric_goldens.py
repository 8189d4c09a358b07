#!/usr/bin/env python3
"""make_metric_goldens.py - texts of our own with what sacrebleu, rouge_score and SQuAD's script say of them.

    pip install sacrebleu==2.6.0 rouge-score==0.1.2 regex      # in a venv
    tests/reference/make_metric_goldens.py tests/golden/data/metrics

writes cases.jsonl (each with prediction, references and the values of every setting on it alone), rows.jsonl (one reference each, a
second system beside), corpus.tsv (values of all of rows.jsonl with resampling) and stems.tsv (words and nltk's stems)."""
import collections, json, os, random, re, string, sys, unicodedata

import numpy
import sacrebleu
from sacrebleu.metrics import BLEU, CHRF, TER
from sacrebleu.significance import PairedTest
from rouge_score import rouge_scorer
from nltk.stem.porter import PorterStemmer

random.seed(20261121)
WORDS = """mill stone grind flour quern grain wheat rye barley oats turning turned turns the a an and of water wheel slowly
quickly relational conditional happily flies dying generalizations oscillators hopefulness U.S. e.g. 3.14 1,000,000 10-12 2024.
don't it's boss' (hi) "quoted" well-known state-of-the-art &amp; &quot; &lt;b&gt; x&y <skipped> $5.00 50% C++ #1 foo_bar a/b ...
naïve Straße GROẞE İstanbul ΟΔΥΣΣΕΥΣ ΣΑΣ ΑΣ. K 日本語 中国、人民。 “你好” （全角） ひらがな カタカナ한국어 Москва, привет! مرحبا، بالعالم؟ नमस्ते। ไทย
𠮷野家 𝒜𝒷 👩‍👩‍👧 ½ Ⅷ ٣٫١٤ e\u0301t\u00e9 \u2014 – … ‘q’ €20 №5 x² a\u00a0b the.An A""".split(" ")
WORDS = [w for x in WORDS for w in x.split("\n") if w]
POINTS = [c for c in range(0x20, 0x30000) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co", "Cc")]


def sentence(n):
    return " ".join(random.choice(WORDS) for _ in range(n))


def noise(n):
    return "".join(chr(random.choice(POINTS)) for _ in range(n))


def edited(text, rate):
    words = text.split(" ")
    for _ in range(max(1, int(len(words) * rate))):
        kind, at = random.random(), random.randrange(len(words) + 1)
        if kind < .25:
            words.insert(at, random.choice(WORDS))
        elif kind < .5 and words:
            words.pop(at % len(words))
        elif kind < .7 and words:
            words[at % len(words)] = random.choice(WORDS)
        elif kind < .8 and words:
            words[at % len(words)] = words[at % len(words)].upper()
        elif len(words) > 4:
            a = random.randrange(len(words) - 3)
            run = words[a:a + random.randint(1, 3)]
            del words[a:a + len(run)]
            at = random.randrange(len(words) + 1)
            words[at:at] = run
    return " ".join(words)


def cases():
    out = [("", [""]), ("", ["a b"]), ("a b", [""]), ("a", ["a"]), ("the", ["a"]), (" \t ", ["\u3000"]), ("x", ["", "x"]), (".", ["."]),
           ("a b c d", ["a b c d", "a b c"]), ("\u00e9" * 70, ["e\u0301" * 70]), ("-\nx-\ny\n-z", ["x y z"]),
           ("one two\nthree four\n\nfive", ["two one\nfour\nfive three"]), ("a.b,c.1,2.3-4--5..6,,7", ["a . b , c . 1,2.3 - 4"]),
           ("the cat\nsat on the mat\n\n", ["sat the cat\non mat the\nthe mat"]), ("\u201ca\u201d", ["\u201c a \u201d"]),
           ("ΑΣ' ΣΑ Σ ΑΣ\u0301Α ΑΣ\u0301", ["ας' σα σ"]), ("a a a a a a a a", ["a a a"]), ("K\u212a \u0130x", ["kk i x"]),
           ("a.,.b &amp;amp;lt; it's", [",.,--s<.10 &amp;lt; a"])]
    for _ in range(40):
        ref = sentence(random.randint(1, 40))
        out.append((edited(ref, random.random()), [ref]))
    for _ in range(15):
        ref = sentence(random.randint(2, 25))
        out.append((edited(ref, .3), [edited(ref, .2) for _ in range(random.randint(2, 4))]))
    for _ in range(15):
        ref = "\n".join(sentence(random.randint(0, 9)) for _ in range(random.randint(1, 6)))
        out.append((edited(ref, .4), [ref]))
    for _ in range(15):
        ref = noise(random.randint(1, 60))
        out.append((ref[:20] + noise(10) + ref[25:], [ref]))
    small = "a b c d e f g".split()
    for n in (10, 64, 65, 130, 300):
        ref = [random.choice(small) for _ in range(n)]
        hyp = ref[n // 3:] + ref[:n // 3]
        out.append((" ".join(hyp), [" ".join(ref)]))
        out.append((" ".join(random.choice(small) for _ in range(n)), [" ".join(ref[:n // 4])]))
    ref = sentence(900)
    out.append((edited(ref, .1), [ref]))
    out.append((" ".join("w%d" % i for i in range(3)), [" ".join("w%d" % (i % 9) for i in range(400))]))
    out.append((" ".join("w%d" % (i % 9) for i in range(400)), ["w1 w2"]))
    return out


def squad(prediction, references):
    """normalize_answer, f1_score and exact_match_score as SQuAD 1.1 defines them."""
    def words(s):
        s = "".join(c for c in s.lower() if c not in set(string.punctuation))
        return re.sub(r"\b(a|an|the)\b", " ", s).split()

    def f1(p, r):
        same = sum((collections.Counter(p) & collections.Counter(r)).values())
        return 2 * (same / len(p)) * (same / len(r)) / (same / len(p) + same / len(r)) if same else 0
    p = words(prediction)
    return [100.0 * max(p == words(r) for r in references), 100.0 * max(f1(p, words(r)) for r in references)]


def edit(prediction, references):
    def distance(a, b):
        row = numpy.arange(len(b) + 1)
        other = numpy.array([ord(c) for c in b], dtype=int)
        for i, c in enumerate(a, 1):
            best = numpy.minimum(row[1:] + 1, row[:-1] + (other != ord(c)))
            new = numpy.concatenate(([i], best)) - numpy.arange(len(b) + 1)
            row = numpy.minimum.accumulate(new) + numpy.arange(len(b) + 1)
        return int(row[-1])
    return [float(min(distance(prediction, r) for r in references))]


# The settings, by the options of quern eval; unit tests read the same words.
SETTINGS = {
    "bleu": lambda: BLEU(effective_order=False),
    "bleu lowercase effective-order": lambda: BLEU(lowercase=True, effective_order=True),
    "bleu tokenize=intl effective-order": lambda: BLEU(tokenize="intl", effective_order=True),
    "bleu tokenize=zh effective-order": lambda: BLEU(tokenize="zh", effective_order=True),
    "bleu tokenize=char smooth=floor": lambda: BLEU(tokenize="char", smooth_method="floor"),
    "bleu tokenize=none smooth=add-k": lambda: BLEU(tokenize="none", smooth_method="add-k"),
    "bleu smooth=add-k smooth-value=0.5": lambda: BLEU(smooth_method="add-k", smooth_value=0.5),
    "bleu smooth=none": lambda: BLEU(smooth_method="none"),
    "chrf": lambda: CHRF(),
    "chrf lowercase chrf-whitespace": lambda: CHRF(lowercase=True, whitespace=True),
    "chrf++": lambda: CHRF(word_order=2),
    "chrf++ chrf-eps-smoothing": lambda: CHRF(word_order=2, eps_smoothing=True),
    "ter": lambda: TER(),
    "ter ter-normalized ter-asian-support": lambda: TER(normalized=True, asian_support=True),
    "ter ter-normalized ter-no-punct ter-case-sensitive": lambda: TER(normalized=True, no_punct=True, case_sensitive=True),
    "ter ter-no-punct ter-asian-support": lambda: TER(no_punct=True, asian_support=True),
}
ROUGES = ["rouge1", "rouge2", "rougeL", "rougeLsum"]


def values(prediction, references):
    out = {k: [m().corpus_score([prediction], [[r] for r in references]).score] for k, m in SETTINGS.items()}
    for key, stem in (("rouge", False), ("rouge stem", True)):
        score = rouge_scorer.RougeScorer(ROUGES, use_stemmer=stem).score_multi(references, prediction)
        out[key] = [float(score[k].fmeasure) for k in ROUGES]
    out["squad"] = squad(prediction, references)
    out["edit"] = edit(prediction, references)
    return out


def write_cases(path):
    with open(path, "w", encoding="utf-8") as f:
        for prediction, references in cases():
            row = {"prediction": prediction, "references": references, "values": values(prediction, references)}
            f.write(json.dumps(row, ensure_ascii=False) + "\n")


def write_corpus(folder):
    references = [sentence(random.randint(1, 20)).strip() for _ in range(120)] + [""]
    systems = [[edited(r, .25).strip() for r in references], [edited(r, .26).strip() for r in references]]
    with open(os.path.join(folder, "rows.jsonl"), "w", encoding="utf-8") as f:
        for a, b, r in zip(*systems, references):
            f.write(json.dumps({"a": a, "b": b, "reference": r}, ensure_ascii=False) + "\n")
    os.environ["SACREBLEU_SEED"] = "12345"
    with open(os.path.join(folder, "corpus.tsv"), "w", encoding="utf-8") as f:
        for key in ("bleu", "bleu lowercase effective-order", "chrf", "chrf++", "ter"):
            m = SETTINGS[key]()
            s = m.corpus_score(systems[0], [references], n_bootstrap=500)
            tests = []
            for test, n in (("bs", 500), ("ar", 1000)):
                pair = PairedTest([("b", systems[1]), ("a", systems[0])], {"m": SETTINGS[key]()}, [references], test, n)
                tests.append(list(pair()[1].values())[1][1].p_value)
            f.write("\t".join([key, "%.4f" % s.score, "%.3f" % s._mean, "%.3f" % s._ci, str(m.get_signature()),
                               "%.4f" % tests[0], "%.4f" % tests[1]]) + "\n")


def write_stems(path):
    words = set("""relational conditional rational valenci hesitanci digitizer conformabli radicalli differentli vileli analogousli
    vietnamization predication operator feudalism decisiveness hopefulness callousness formaliti sensitiviti sensibiliti triplicate
    formative formalize electriciti electrical hopeful goodness revival allowance inference airliner gyroscopic adjustable defensible
    irritant replacement adjustment dependent adoption homologou communism activate angulariti homologous effective bowdlerize probate
    rate cease controll roll skies dying lying tying news innings outings cannings howe proceed exceed succeed flies dies died spied ies
    ied caresses ponies ties caress cats feed agreed plastered bled motoring sing conflated troubled sized hopping tanned falling
    hissing fizzed failing filing happy sky enjoy spy geology theology fully hopefully yyyy syzygy yyyying y2k 2nds aaaies bbbs eed
    ing xing aing oed""".split())
    stems = ["", "a", "b", "tr", "cono", "ration", "fil", "hopp", "oy", "gener"]
    ends = """s ss sses ies ied eed ed ing y ational tional enci anci izer bli alli allialli entli eli ousli ization ation ator alism
    iveness fulness ousness aliti iviti biliti fulli logi icate ative alize iciti ical ful ness al ance ence er ic able ible ant ement
    ment ent sion tion ion ou ism ate iti ous ive ize e ll lle""".split()
    words |= {a + b + c for a in stems for b in ends for c in ("", "s", "ly", "ed", "ing")}
    stemmer = PorterStemmer()
    with open(path, "w", encoding="utf-8") as f:
        for w in sorted(words):
            f.write(w + "\t" + stemmer.stem(w) + "\n")


if __name__ == "__main__":
    assert sacrebleu.__version__ == "2.6.0"
    write_cases(os.path.join(sys.argv[1], "cases.jsonl"))
    write_corpus(sys.argv[1])
    write_stems(os.path.join(sys.argv[1], "stems.tsv"))
