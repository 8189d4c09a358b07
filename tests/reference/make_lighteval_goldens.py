#!/usr/bin/env python3
"""What lighteval's metrics for AIME, MATH-500 and GPQA say about responses of our own: tests/golden/data/lighteval.jsonl.

    python3 -m venv V && V/bin/pip install lighteval==0.13.0
    V/bin/python tests/reference/make_lighteval_goldens.py >tests/golden/data/lighteval.jsonl
    V/bin/python tests/reference/make_lighteval_goldens.py --all           # five times as many
    V/bin/python tests/reference/make_lighteval_goldens.py ROWS.jsonl      # of other rows {task, answer, completion}

A row is what `quern eval` reads: task is letter (IndicesExtractionConfig), anywhere (the same with try_extract_without_anchor), expr
(expr_gold_metric) or latex (latex_gold_metric); answer is the gold text; want is what the metric gives, 1 or 0; of letters, where answer is
the letter that lighteval finds, also found: whether it finds any. tests/golden/tasks.bats compares; where we differ, and why, stands in
tests/golden/data/lighteval.differences.
"""
import itertools
import json
import sys

from lighteval.metrics.dynamic_metrics import MultilingualExtractiveMatchMetric
from lighteval.metrics.utils.extractive_match_utils import (
    ExprExtractionConfig, IndicesExtractionConfig, LatexExtractionConfig, extract_target_from_pred, get_extraction_regexes,
)
from lighteval.models.model_output import ModelResponse
from lighteval.tasks.requests import Doc
from lighteval.utils.language import Language

ENGLISH = Language.ENGLISH
LETTERS = {
    "letter": IndicesExtractionConfig(prefix_for_extraction="NativeLetters"),
    "anywhere": IndicesExtractionConfig(prefix_for_extraction="NativeLetters", try_extract_without_anchor=True),
}
BOXED_FIRST = (ExprExtractionConfig(), LatexExtractionConfig(boxed_match_priority=0))
MATH = {
    name: MultilingualExtractiveMatchMetric(language=ENGLISH, fallback_mode="first_match", precision=5, gold_extraction_target=(gold,),
                                            pred_extraction_target=BOXED_FIRST, aggregation_function=max)
    for name, gold in (("expr", ExprExtractionConfig()), ("latex", LatexExtractionConfig()))
}


def letter_of(task, text):
    doc = Doc(query="", choices=list("ABCD"), gold_index=0)
    found = extract_target_from_pred(text, get_extraction_regexes(doc, [LETTERS[task]], ENGLISH))
    return found[0] if found else None


def score(task, gold, text):
    doc = Doc(query="", choices=[gold], gold_index=0)
    return int(MATH[task].compute(doc, ModelResponse(text=[text])))


def letter_texts():
    anchors = ["Answer: ", "answer:", "ANSWER : ", "The answer is ", "The correct answer is option ", "**Answer:** ", "**Answer**: ", "",
               "So the final answer is ", "My final answer is: ", "Final answer to the question above is ", "I choose ", "Answer:\n",
               "First A, then\n", "The answer, after all that has been said and done in these lines and more, is "]
    forms = ["B", "(B)", "**B**", "B.", "B)", "$B$", "\\boxed{B}", "b", "B, because", "B: right", "Band", "E", "B or C", "**(C)**."]
    tails = ["", "\n", ". I hope it is correct", "\nBut the answer is A.", "\nC", " \nAnswer: D\n"]
    return ["".join(t) for t in itertools.product(anchors, forms, tails)]


GOLDS = ["7", "42", "113", "0", "809", "025", "1000"]
SAID = ["7", "42", "113", "0", "809", "25", "1000", "1,000", "7.0", "14/2", "$42$", "\\boxed{42}", "$\\boxed{809}$", "\\boxed{25}", "-7", "4 2",
        "**113**", "$\\frac{14}{2}$", "\\(42\\)", "\\[42\\]", "x = 7", "42 apples", "\\boxed{x = 42}", "7^1", "100\\%", "$1{,}000$", "$7"]
FRAMES = ["%s", "The answer is %s.", "Answer: %s", "Therefore, the final answer is: %s. I hope it is correct.", "So %s\n", "The final answer is %s",
          "We get 3, then %s", "%s is what we find, from 6", "<think>\nfirst 5\n</think>\n\nThe answer is %s"]
SOLUTIONS = ["We have $x^2 = 4$, so $x = \\boxed{2}$.", "The area is $\\boxed{\\frac{3\\sqrt{2}}{4}}$ square units.", "Thus \\[\\boxed{(1, 2)}.\\]",
             "The roots are $\\boxed{1,-2}$.", "So $x \\in \\boxed{[2,5)}$.", "Hence the answer is $\\boxed{\\frac{1}{2}}$, as $n = 3$.",
             "In all, $\\boxed{10\\%}$ of them.", "It is $\\boxed{\\text{Evelyn}}$.", "The product is $\\boxed{6 - 5i}$.", "$\\boxed{90^\\circ}$",
             "so $p(x) = \\boxed{x^3+3x-6}$.", "it costs $\\boxed{\\$32{,}348}$", "$\\boxed{2\\pi}$", "\\boxed{\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}}"]
ANSWERS = ["10", "2", "\\frac{3\\sqrt{2}}{4}", "(1,2)", "1, -2", "-2,1", "[2,5)", "0.5", "\\frac12", "10\\%", "0.1", "\\text{Evelyn}", "6-5i", "90", "90^\\circ",
           "x^3 + 3x - 6", "32348", "\\$32,348", "2\\pi", "6.283185", "\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}", "\\frac{3}{2\\sqrt{2}}", "3"]


def rows(step):
    for task in LETTERS:
        for text in letter_texts()[::step]:
            found = letter_of(task, text)
            yield {"task": task, "answer": found or "A", "completion": text, "found": found is not None, "want": int(found is not None)}
    for frame, said, gold in itertools.product(FRAMES, SAID, GOLDS):
        if gold == "42" or gold in said or (gold == "7" and "14" in said) or (gold == "025" and "25" in said):
            yield {"task": "expr", "answer": gold, "completion": frame % said}
    latex = itertools.product(["$\\boxed{%s}$", "The final answer is: $\\boxed{%s}$. I hope it is correct", "so $%s$"], ANSWERS, SOLUTIONS)
    for frame, said, gold in itertools.islice(latex, 0, None, step):
        yield {"task": "latex", "answer": gold, "completion": frame % said}


def main():
    asked = sys.argv[1] if len(sys.argv) > 1 else None
    source = rows(1 if asked else 5) if asked in (None, "--all") else map(json.loads, open(asked))
    for i, row in enumerate(source):
        row = {"id": "%04d" % i, **row}
        if row["task"] in MATH:
            row["want"] = score(row["task"], row["answer"], row["completion"])
        print(json.dumps(row))


if __name__ == "__main__":
    main()
