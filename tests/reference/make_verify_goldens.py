#!/usr/bin/env python3
"""What Math-Verify says about cases of our own: tests/golden/data/verify.jsonl.

    python3 -m venv V && V/bin/pip install math-verify==0.9.0 latex2sympy2_extended==1.11.0 antlr4-python3-runtime==4.13.2
    V/bin/python tests/reference/make_verify_goldens.py >tests/golden/data/verify.jsonl

One row per case, as quern score reads it, with a verdict per configuration: math_verify (the defaults), lighteval (boxes first),
open_r1 (rewards.accuracy_reward of 2025-04: LaTeX only, boxes first, an anchor is needed). null: the gold answer has no reading.
tests/golden/verify.bats compares; where we differ, and why, stands in tests/golden/data/verify.differences: for each profile, and for our
default (quern) beside math_verify. Of the 127 cases of Math-Verify's own test suite with a gold answer and a prediction the default sees 119
as they say, the profile 124. The last cases of TEXTS are the kinds of those that differ: decimal commas, \\( over several lines, chains and
equations that contradict themselves, decimals rounded to two places (an argument there), functions of variables of two names.
"""
import json

from latex2sympy2_extended import NormalizationConfig
from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify

# Answer and answer: the second one is boxed.
PAIRS = [
    (r"1,000", r"1000"), (r"1000", r"1000.0"), (r"0.1", r"1/10"), (r"-0", r"0"), (r"2/4", r"1/2"),
    (r"\frac{3}{4}", r"0.75"), (r"-\dfrac{1}{2}", r"-0.5"), (r"$1,234,567.50", r"1234567.5"), (r"50%", r"0.5"),
    (r"1e3", r"1000"), (r"1.5E-2", r"0.015"), (r"$42$", r"42"), (r"42.", r"42"), (r"+7", r"7"), (r"−3", r"-3"),
    (r"007", r"7"), (r".5", r"0.5"), (r" 12 ", r"12"), (r"€5", r"5"),
    (r"100000000000000000000000000000001", r"100000000000000000000000000000001.000"), (r"50\%", r"1/2"),
    (r"10,\!080", r"10080"), (r"10{,}000", r"10,000"), (r"1 000 000", r"1000000"), (r"2\frac{1}{2}", r"5/2"),
    (r"1 3/4", r"7/4"), (r"6.02\times 10^{23}", r"602000000000000000000000"), (r"0.\overline{3}", r"1/3"),
    (r"0.1\overline{6}", r"\frac{1}{6}"), (r"\frac12", r"\frac{1}{2}"), (r"\frac1{72}", r"1/72"),
    (r"\frac{270}7", r"270/7"), (r"5!", r"120"), (r"\binom{5}{2}", r"10"), (r"2^{10}", r"1024"), (r"2**10", r"1024"),
    (r"|-3|", r"3"), (r"\lfloor 3.7 \rfloor", r"3"), (r"\gcd(12, 18)", r"6"), (r"\max(1, 2, 3)", r"3"),
    (r"\sum_{k=1}^{4} k^2", r"30"), (r"1/3", r"0.3333333"), (r"0.666667", r"\frac{2}{3}"),
    (r"4.123105625617661", r"\sqrt{17}"), (r"\pi", r"3.14159265"), (r"\sqrt{8}", r"2\sqrt{2}"),
    (r"\sqrt{51}", r"\sqrt{3}\sqrt{17}"), (r"\frac{1}{\sqrt{2}}", r"\frac{\sqrt2}{2}"), (r"\sqrt[3]{16}", r"2\sqrt[3]{2}"),
    (r"\sqrt[3]{-8}", r"-2"), (r"2^{1/2}", r"\sqrt 2"), (r"\sqrt{4+2\sqrt{3}}", r"1+\sqrt{3}"),
    (r"\frac{1}{\sqrt{3}-\sqrt{2}}", r"\sqrt{3}+\sqrt{2}"), (r"sqrt(2)/2", r"\frac{\sqrt{2}}{2}"),
    (r"\sqrt{\frac{1}{3}}", r"\sqrt{3}/3"), (r"\log_2 8", r"3"), (r"\ln e^2", r"2"), (r"\log 100", r"2"),
    (r"\log_{2}{3}", r"\frac{\ln 3}{\ln 2}"), (r"\sin 30^\circ", r"1/2"), (r"\cos\frac{\pi}{4}", r"\frac{\sqrt{2}}{2}"),
    (r"\tan^{-1} 1", r"\frac{\pi}{4}"), (r"90^\circ", r"\frac{\pi}{2}"), (r"(1+i)^2", r"2i"), (r"6 - 5i", r"-5i + 6"),
    (r"\frac{1}{i}", r"-i"), (r"\sqrt{-4}", r"2i"), (r"e^{i\pi}", r"-1"), (r"|3+4i|", r"5"), (r"(x+1)^2", r"x^2+2x+1"),
    (r"(a+5)(b+2)", r"ab+2a+5b+10"), (r"\frac{x^2-1}{x-1}", r"x+1"), (r"p - q", r"-q+p"),
    (r"\frac{1}{x}+\frac{1}{y}", r"\frac{x+y}{xy}"), (r"\sin^2 x + \cos^2 x", r"1"), (r"\tan x", r"\frac{\sin x}{\cos x}"),
    (r"e^{x+y}", r"e^x e^y"), (r"x_1 + x_{2}", r"x_2+x_1"), (r"3R^2", r"3 R^{2}"), (r"x^{2/3}", r"\sqrt[3]{x}^2"),
    (r"x = 5", r"5"), (r"5", r"x = 5"), (r"f(x) = x+1", r"1+x"), (r"y = -2x", r"2x + y = 0"),
    (r"5x - 7y + 11z + 4 = 0", r"7y - 5x = 11z + 4"), (r"x^2/4 + y^2/3 = 1", r"3x^2 + 4y^2 = 12"),
    (r"\sqrt{2}x = 2", r"x = \sqrt{2}"), (r"x \ge 5", r"5 \le x"), (r"x <= 1", r"-x >= -1"),
    (r"1 < x \le 3", r"3 \geq x > 1"), (r"x > 3", r"(3, \infty)"), (r"x \in [-2,7]", r"-2 \le x \le 7"),
    (r"x \ne 0", r"(-\infty,0)\cup(0,\infty)"), (r"2+2", r"2+2=4"), (r"|AB| = 3", r"3"), (r"(p,q) = (3,2)", r"(3,2)"),
    (r"\sqrt{2}", r"\sqrt{2} \approx 1.41"), (r"1,-2", r"-2, 1"), (r"3, 5, 7", r"\{7, 5, 3\}"),
    (r"1, 2", r"1 \text{ and } 2"), (r"2 or 3", r"x = 3, x = 2"), (r"(6,31,-1)", r"(6, 31, -1)"), (r"(1,2)", r"1, 2"),
    (r"(1,2)", r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}"), (r"(-\infty, 0]", r"(-\infty,0]"),
    (r"(-\infty, 2) \cup (3, \infty)", r"(3,\infty) \cup (-\infty,2)"), (r"[0,1] \cup [1,2]", r"[0,2]"),
    (r"\mathbb{R} \setminus \{2\}", r"(-\infty,2)\cup(2,\infty)"), (r"\{1\pm\sqrt{5},-2\}", r"-2, 1+\sqrt5, 1-\sqrt5"),
    (r"\pm 3", r"3, -3"), (r"1 \pm \sqrt{19}", r"1-\sqrt{19}, 1+\sqrt{19}"), (r"\emptyset", r"\{\}"),
    (r"\langle 1, 2 \rangle", r"(1,2)"), (r"3:4", r"3 : 4"),
    (r"\begin{pmatrix} 1/5 \\ -18/5 \end{pmatrix}", r"\begin{bmatrix} 0.2 \\ -3.6 \end{bmatrix}"),
    (r"\begin{pmatrix} 6 & 8 \end{pmatrix}", r"\begin{pmatrix} 1 & 2 \end{pmatrix} + \begin{pmatrix} 5 & 6 \end{pmatrix}"),
    (r"\begin{pmatrix} 2 \\ 4 \end{pmatrix}", r"\begin{pmatrix} 1 & 0 \\ 0 & 2 \end{pmatrix} \begin{pmatrix} 2 \\ 2 \end{pmatrix}"),
    (r"28\%", r"28"), (r"90^\circ", r"90"), (r"5.4 \text{ cents}", r"5.4"),
    (r"864 \mbox{ inches}^2", r"864\text{ square inches}"), (r"12 cm", r"12 \text{ centimeters}"), (r"12", r"12 apples"),
    (r"\$32,\!348", r"32348"), (r"4210_{5}", r"4210_5"), (r"40_9", r"40"), (r" Yes", r"yes"), (r"STRASSE", r"straße"),
    (r"café", r"café"), ('a  b\tc', r"a b c"), (r"\text{(C)}", r"C"), (r"B", r"(B)"), (r"\text{even}", r"Even."),
    (r"\text{odd}", r"odd"), (r"\text{Navin}", r"Navin"), (r"0.333", r"1/3"), (r"16386.20", r"16386.16"), (r"5", r"-5"),
    (r"28%", r"0.29"), (r"1,00", r"100"), (r"12:30", r"12"),
    (r"100000000000000000000000000000001", r"100000000000000000000000000000002"), (r"0.30000000000000004", r"0.3"),
    (r"1e99999", r"1e99998"), (r"2", r"2.000001"), (r"\frac{1}{2004!}", r"\frac{1}{2006!}"), (r"2^{-99}", r"2^{-98}"),
    (r"0.0000001", r"0.0000002"), (r"1.23\times 10^{-9}", r"0"), (r"3.14", r"\pi"), (r"\sqrt{2}", r"1.4142"),
    (r"1-1/e", r"1+1/e"), (r"\sqrt{2}+\sqrt{3}", r"\sqrt{10}"), (r"4", r"4\sqrt{2}"), (r"\pi", r"22/7"), (r"2i", r"2"),
    (r"0", r"x^2-25=0"), (r"1", r"\frac{x^2}{9} - y^2 = 1"), (r"2", r"5 = 2"), (r"11", r"x = 5+5+1 = 7 = 11"),
    (r"x = 5", r"y = 5"), (r"x+1", r"x+2"), (r"x", r"|x|"), (r"ab", r"a+b"), (r"x > 5", r"x < 5"), (r"x \ge 5", r"x > 5"),
    (r"2x = y", r"x = 2y"), (r"7 = 11a + c", r"11a + c"), (r"(1,2)", r"(2,1)"), (r"(1,2)", r"[1,2]"), (r"[0,9)", r"[0,1)"),
    (r"(-2,1)", r"1,-2"), (r"1,2", r"1,2,3"), (r"3", r"\{3, 4\}"), (r"3", r"3 or 4"), (r"1,2", r"(1,2,3)"),
    (r"(-\infty,2)", r"(-\infty,2]"), (r"\pm 2", r"2"),
    (r"\begin{pmatrix} 1 & 2 \end{pmatrix}", r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}"), (r"5 \text{ cm}", r"5 \text{ m}"),
    (r"5 \text{ cm}", r"5 \text{ cm}^2"), (r"40_9", r"36"), (r"40_9", r"40_8"), (r"yes", r"no"), (r"\text{(A)}", r"B"),
    (r"\bar{x}", r"x"), (r"1", r"\int \frac{1}{x} dx"), (r"\infty", r"-\infty"), (r"\infty", r"5"), (r"P(x)", r"Q(x)"),
]

# Answer and completion.
TEXTS = [
    (r"42", r"The answer is 42."), (r"42", r"the final answer is 42"), (r"42", r"Answer: 42"), (r"42", r"Answer: $42$"),
    (r"42", r"so we get 41 and then 42"), (r"42", r"First $41$, then $42$."),
    (r"42", r"\boxed{41} then, much later in this long piece of text without any sign of a list between, \boxed{42}"),
    (r"42", r"\boxed{42} and \boxed{43}"), (r"$4,5$", r"\boxed{4} and \boxed{5}"), (r"$4,5$", r"$x=4$ or $x=5$"),
    (r"42", r"no number here"), (r"42", r""), (r"1000", r"It costs $1,000 in all."), (r"1000", r"It costs $1,000.00."),
    (r"0.5", r"The probability is 50%"), (r"0.5", r"The probability is $50\%$."),
    (r"$\frac{1}{2}$", r"The final answer is $\frac{1}{2}$. I hope it is correct."),
    (r"$\frac{1}{2}$", r"Final answer: 1/2"), (r"$\frac12$", r"\[ \boxed{\dfrac{1}{2}} \]"), (r"$x^2$", r"Answer: $x^2$"),
    (r"$x^2$", r"we find \(x \cdot x\) at last"), (r"$(1,2)$", r"The point is $(1,2)$."),
    (r"$[0,1)$", r"the interval $[0, 1)$"), (r"5", r"Let $x = 3$. Then the answer is $x + 2 = 5$."),
    (r"5", r"answer: 2 + 3 = 5"), (r"7", r"Final Answer: The final answer is $7$. I hope it is correct. But \boxed{8}."),
    (r"7", r"\boxed{7}. The final answer is 8"), (r"$\sqrt{2}$", r"sqrt(2)"), (r"$\sqrt{2}$", r"$\sqrt2$"),
    (r"-3", r"it is -3"), (r"3", r"10-7 is 3"), (r"12", r"\boxed{12 \text{ apples}}"), (r"$\pi$", r"3.14159265"),
    (r"$\pi$", r"\boxed{\pi}"), (r"$y=2x+1$", r"\boxed{y = 1 + 2x}"), (r"$y=2x+1$", r"\boxed{2x+1}"),
    (r"1/2", r"\boxed{0.5}"), (r"$\{1,2,3\}$", r"\boxed{3,2,1}"), (r"16", r"$4^2 = 16$"), (r"16", r"\boxed{4^2}"),
    (r"$A$", r"\boxed{A}"), (r"$\text{(B)}$", r"\boxed{B}"), (r"3", r"\boxed{3}\boxed{3}"),
    (r"3", r"$$\boxed{3}$$ where $n = 4$"), (r"10", r"Answer \( (9+1) \)"), (r"42", r"**Answer:** 42"),
    (r"42", r"<think>41</think> \boxed{42}"), (r"$x \ge 2$", r"Hence $x \geq 2$."), (r"$x \ge 2$", r"\boxed{[2,\infty)}"),
    (r"9", r"\boxed{9\text{ cm}}"), (r"9", r"\boxed{9 cm}"), (r"9", r"\boxed{9^\circ}"),
    (r"123456789", r"\boxed{123{,}456{,}789}"), (r"123456789", r"123,456,789"), (r"0.1", r"\boxed{.1}"),
    (r"$2\frac{1}{2}$", r"\boxed{2.5}"), (r"$\frac{5}{2}$", r"\boxed{2\frac12}"),
    # kinds of cases in Math-Verify's own tests on which we differ, in other words and numbers
    (r"0,125", r"0.125"), (r"0.125", r"0,125"), (r"$7$", "Answer \\( \n 7 \n \\)"),
    (r"$\frac{7}{3}$", r"Answer $ \frac{1}{5} \$ = \frac{7}{3} $"), (r"$x = 12$", r"$x = 6+5 = 11 = 12$"),
    (r"$x = 1/7$", r"$x = 2+3 = 1/7 \approx 5$"), (r"$z = 1+2 = 3$", r"$z = 4+4 = 3$"),
    (r"$\begin{pmatrix} \frac{2}{3} \\ \frac{1}{4} \end{pmatrix}$", r"$\begin{pmatrix} 0.67 \\ 0.25 \end{pmatrix}$"),
    (r"$Q(m) = 2 \text{ and } Q(m) = -2$", r"Q(t)=2orQ(t)=-2"), (r"$Q(m) = 2$", r"$Q(t) = 2$"),
]

OPEN_R1 = LatexExtractionConfig(
    normalization_config=NormalizationConfig(nits=False, malformed_operators=False, basic_latex=True, boxed="all", units=True),
    boxed_match_priority=0,
    try_extract_without_anchor=False,
)
LIGHTEVAL = [ExprExtractionConfig(), LatexExtractionConfig(boxed_match_priority=0)]


def verdicts(gold, text):
    g = parse(gold)
    if not g:
        return {"math_verify": None, "lighteval": None, "open_r1": None}
    return {
        "math_verify": verify(g, parse(text)),
        "lighteval": verify(g, parse(text, LIGHTEVAL)),
        "open_r1": verify(g, parse(text, [OPEN_R1], extraction_mode="first_match")),
    }


def main():
    cases = [("$%s$" % a.strip("$"), "so $\\boxed{%s}$" % b.strip("$")) for a, b in PAIRS] + TEXTS
    for i, (gold, text) in enumerate(cases):
        row = {"id": "%03d" % i, "prompt": "q", "sample": 0, "completion": text, "answer": gold}
        print(json.dumps({**row, **verdicts(gold, text)}))


main()
