/* Answer verification: what is equal and why, where the answer stands, the profiles, and two properties over a list of
 * our own: no two different answers are equal without an explanation, and no rewriting of an answer changes what it equals. */
#include "judge/verify.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#include "unit.h"

static struct verifier *v;

static struct judgement judge_with(enum verify_profile profile, const char *gold, const char *text)
{
	return verify(v, &(struct verify_input){ .gold = gold, .gold_n = strlen(gold), .prediction = text, .prediction_n = strlen(text),
						 .profile = profile });
}

static struct judgement judge(const char *gold, const char *text) { return judge_with(VERIFY_QUERN, gold, text); }

static struct judgement boxed(const char *gold, const char *answer)
{
	char *text = mem_printf("so \\boxed{%s}", answer);
	struct judgement j = judge(gold, text);
	mem_free(text);
	return j;
}

static void expect(const char *gold, const char *answer, enum verdict verdict)
{
	struct judgement j = boxed(gold, answer);
	if (j.verdict != verdict)
		fail_msg("gold %s, answer %s: %s (%s), want %s", gold, answer, verdict_name(j.verdict), reason_name(j.reason),
			 verdict_name(verdict));
}

static const char *const same[][2] = {
	/* numbers */
	{ "1,000", "1000" }, { "1000", "1000.0" }, { "0.1", "1/10" }, { "-0", "0" }, { "2/4", "1/2" }, { "\\frac{3}{4}", "0.75" },
	{ "-\\dfrac{1}{2}", "-0.5" }, { "$1,234,567.50", "1234567.5" }, { "50%", "0.5" }, { "1e3", "1000" }, { "1.5E-2", "0.015" },
	{ "$42$", "42" }, { "42.", "42" }, { "+7", "7" }, { "\xe2\x88\x92" "3", "-3" }, { "007", "7" }, { ".5", "0.5" }, { " 12 ", "12" },
	{ "\xe2\x82\xac" "5", "5" }, { "100000000000000000000000000000001", "100000000000000000000000000000001.000" },
	{ "50\\%", "1/2" }, { "10,\\!080", "10080" }, { "10{,}000", "10,000" }, { "1 000 000", "1000000" }, { "2\\frac{1}{2}", "5/2" },
	{ "1 3/4", "7/4" }, { "6.02\\times 10^{23}", "602000000000000000000000" }, { "0.\\overline{3}", "1/3" },
	{ "0.1\\overline{6}", "\\frac{1}{6}" }, { "\\frac12", "\\frac{1}{2}" }, { "\\frac1{72}", "1/72" }, { "\\frac{270}7", "270/7" },
	{ "5!", "120" }, { "\\binom{5}{2}", "10" }, { "2^{10}", "1024" }, { "(2^3)^2", "64" }, { "2^{3^2}", "512" }, { "(x^2)^3", "x^6" }, { "\\prod_{k=1}^{4} k", "24" }, { "2**10", "1024" }, { "|-3|", "3" },
	{ "\\lfloor 3.7 \\rfloor", "3" }, { "\\gcd(12, 18)", "6" }, { "\\max(1, 2, 3)", "3" }, { "\\sum_{k=1}^{4} k^2", "30" },
	/* decimals that show six digits or more */
	{ "1/3", "0.3333333" }, { "0.666667", "\\frac{2}{3}" }, { "4.123105625617661", "\\sqrt{17}" }, { "\\pi", "3.14159265" },
	/* radicals, powers, logarithms, angles, complex numbers */
	{ "\\sqrt{8}", "2\\sqrt{2}" }, { "\\sqrt{51}", "\\sqrt{3}\\sqrt{17}" }, { "\\frac{1}{\\sqrt{2}}", "\\frac{\\sqrt2}{2}" },
	{ "\\sqrt[3]{16}", "2\\sqrt[3]{2}" }, { "\\sqrt[3]{-8}", "-2" }, { "2^{1/2}", "\\sqrt 2" }, { "\\sqrt{4+2\\sqrt{3}}", "1+\\sqrt{3}" },
	{ "\\frac{1}{\\sqrt{3}-\\sqrt{2}}", "\\sqrt{3}+\\sqrt{2}" }, { "sqrt(2)/2", "\\frac{\\sqrt{2}}{2}" }, { "\\sqrt{\\frac{1}{3}}", "\\sqrt{3}/3" },
	{ "\\log_2 8", "3" }, { "\\ln e^2", "2" }, { "\\log 100", "2" }, { "\\log_{2}{3}", "\\frac{\\ln 3}{\\ln 2}" },
	{ "\\sin 30^\\circ", "1/2" }, { "\\cos\\frac{\\pi}{4}", "\\frac{\\sqrt{2}}{2}" }, { "\\tan^{-1} 1", "\\frac{\\pi}{4}" },
	{ "90^\\circ", "\\frac{\\pi}{2}" }, { "(1+i)^2", "2i" }, { "6 - 5i", "-5i + 6" }, { "\\frac{1}{i}", "-i" }, { "\\sqrt{-4}", "2i" },
	{ "e^{i\\pi}", "-1" }, { "|3+4i|", "5" },
	/* polynomials and rational functions */
	{ "(x+1)^2", "x^2+2x+1" }, { "(a+5)(b+2)", "ab+2a+5b+10" }, { "\\frac{x^2-1}{x-1}", "x+1" }, { "p - q", "-q+p" },
	{ "\\frac{1}{x}+\\frac{1}{y}", "\\frac{x+y}{xy}" }, { "\\sin^2 x + \\cos^2 x", "1" }, { "\\tan x", "\\frac{\\sin x}{\\cos x}" },
	{ "e^{x+y}", "e^x e^y" }, { "x_1 + x_{2}", "x_2+x_1" }, { "3R^2", "3 R^{2}" }, { "x^{2/3}", "\\sqrt[3]{x}^2" },
	{ "\\binom{n}{2}", "\\frac{n(n-1)}{2}" }, { "f'(x)=2x", "2x" }, { "f^{-1}(x) = \\frac{x-1}{2}", "\\frac{x}{2}-\\frac12" },
	/* relations */
	{ "x = 5", "5" }, { "5", "x = 5" }, { "f(x) = x+1", "1+x" }, { "y = -2x", "2x + y = 0" }, { "5x - 7y + 11z + 4 = 0", "7y - 5x = 11z + 4" },
	{ "x^2/4 + y^2/3 = 1", "3x^2 + 4y^2 = 12" }, { "\\sqrt{2}x = 2", "x = \\sqrt{2}" }, { "x \\ge 5", "5 \\le x" }, { "x <= 1", "-x >= -1" },
	{ "1 < x \\le 3", "3 \\geq x > 1" }, { "x > 3", "(3, \\infty)" }, { "x \\in [-2,7]", "-2 \\le x \\le 7" }, { "x \\ne 0", "(-\\infty,0)\\cup(0,\\infty)" },
	{ "2+2", "2+2=4" }, { "|AB| = 3", "3" }, { "(p,q) = (3,2)", "(3,2)" }, { "\\sqrt{2}", "\\sqrt{2} \\approx 1.41" },
	/* sets, tuples, intervals, lists */
	{ "1,-2", "-2, 1" }, { "3, 5, 7", "\\{7, 5, 3\\}" }, { "1, 2", "1 \\text{ and } 2" }, { "2 or 3", "x = 3, x = 2" }, { "(6,31,-1)", "(6, 31, -1)" },
	{ "(1,2)", "1, 2" }, { "(1,2)", "\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}" }, { "(-\\infty, 0]", "(-\\infty,0]" },
	{ "(-\\infty, 2) \\cup (3, \\infty)", "(3,\\infty) \\cup (-\\infty,2)" }, { "[0,1] \\cup [1,2]", "[0,2]" },
	{ "\\mathbb{R} \\setminus \\{2\\}", "(-\\infty,2)\\cup(2,\\infty)" }, { "\\{1\\pm\\sqrt{5},-2\\}", "-2, 1+\\sqrt5, 1-\\sqrt5" },
	{ "\\pm 3", "3, -3" }, { "1 \\pm \\sqrt{19}", "1-\\sqrt{19}, 1+\\sqrt{19}" }, { "\\emptyset", "\\{\\}" }, { "\\langle 1, 2 \\rangle", "(1,2)" },
	{ "3:4", "3 : 4" }, { "x<-1 \\text{ or } x>1", "(-\\infty,-1)\\cup(1,\\infty)" }, { "\\mathbb{R}", "(-\\infty,\\infty)" },
	{ "\\{x \\mid x > 2\\}", "(2,\\infty)" },
	/* matrices */
	{ "\\begin{pmatrix} 1/5 \\\\ -18/5 \\end{pmatrix}", "\\begin{bmatrix} 0.2 \\\\ -3.6 \\end{bmatrix}" },
	{ "\\begin{pmatrix} 6 & 8 \\end{pmatrix}", "\\begin{pmatrix} 1 & 2 \\end{pmatrix} + \\begin{pmatrix} 5 & 6 \\end{pmatrix}" },
	{ "\\begin{pmatrix} 2 \\\\ 4 \\end{pmatrix}", "\\begin{pmatrix} 1 & 0 \\\\ 0 & 2 \\end{pmatrix} \\begin{pmatrix} 2 \\\\ 2 \\end{pmatrix}" },
	/* conventions */
	{ "28\\%", "28" }, { "90^\\circ", "90" }, { "5.4 \\text{ cents}", "5.4" }, { "864 \\mbox{ inches}^2", "864\\text{ square inches}" },
	{ "2 \\mathrm{~km}", "2" }, { "5\\mathrm{m}", "5" }, { "12 h", "12 \\text{ hours}" }, { "5s", "5 \\text{ seconds}" }, { "12 cm", "12 \\text{ centimeters}" }, { "12", "12 apples" }, { "\\$32,\\!348", "32348" }, { "4210_{5}", "4210_5" }, { "40_9", "40" },
	/* words and letters */
	{ " Yes", "yes" }, { "STRASSE", "stra\xc3\x9f" "e" }, { "caf\xc3\xa9", "cafe\xcc\x81" }, { "a  b\tc", "a b c" }, { "\\text{(C)}", "C" },
	{ "B", "(B)" }, { "\\text{even}", "Even." }, { "\\text{odd}", "odd" }, { "\\text{Navin}", "Navin" },
	{ "\xef\xbc\x95" "0", "50" }, { "(1,2)", "\xef\xbc\x88" "1\xef\xbc\x8c" "2\xef\xbc\x89" }, { "\xe2\x80\x8b" "5", "5" }, { "1.5 million", "1,500,000" }, { "C", "\\textbf{(C) } 42" },
	/* other ways to write it */
	{ "-2\\frac{1}{2}", "-2.5" }, { "-1 3/4", "-\\frac74" }, { "2\xc2\xbd", "5/2" }, { "\xe2\x85\x94", "2/3" }, { "-3", "\xe2\x80\x93" "3" },
	{ "{1 \\over 2}", "0.5" }, { "{5 \\choose 2}", "10" }, { "3.14", "\\approx 3.14" }, { "1.5 x 10^{-3}", "0.0015" },
	{ "0.\\bar{3}", "1/3" }, { "0.1\\bar6", "1/6" }, { "\\text{no solution}", "No solution" }, { "8\\sqrt{3}\\text{ cm}^2", "8\xe2\x88\x9a" "3 cm\xc2\xb2" },
	{ "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "\\begin{bmatrix}1 & 2\\\\[2pt] 3 & 4\\end{bmatrix}" },
	{ "x^3+2x", "p(x) = x^3+2x" }, { "4", "\\color{red}{4}" }, { "4", "\\underline{4}" }, { "\\mathbb{R}", "\xe2\x84\x9d" },
	{ "\\begin{bmatrix}1&0\\\\0&1\\end{bmatrix}", "\\begin{bmatrix} 1&0\\cr 0&1\\end{bmatrix}" },
	{ "x \\in \\{1,2\\}", "x = 1 or x = 2" }, { "|x| \\le 2", "[-2,2]" }, { "|x|>2", "(-\\infty,-2)\\cup(2,\\infty)" },
	{ "|x| < 3", "-3 < x < 3" }, { "\\text{all real numbers}", "\\mathbb{R}" }, { "all real numbers", "(-\\infty, \\infty)" }, { "k\\in(-\\infty,-2]\\cup[2,\\infty)", "k \\le -2 \\text{ or } k \\ge 2" },
};

static const char *const different[][2] = {
	{ "0.333", "1/3" }, { "16386.20", "16386.16" }, { "5", "-5" }, { "28%", "0.29" }, { "1,00", "100" }, { "12:30", "12" },
	{ "100000000000000000000000000000001", "100000000000000000000000000000002" }, { "0.30000000000000004", "0.3" },
	{ "1e99999", "1e99998" }, { "2", "2.000001" }, { "\\frac{1}{2004!}", "\\frac{1}{2006!}" }, { "2^{-99}", "2^{-98}" },
	{ "0.0000001", "0.0000002" }, { "1.23\\times 10^{-9}", "0" }, { "3.14", "\\pi" }, { "\\sqrt{2}", "1.4142" },
	{ "1-1/e", "1+1/e" }, { "\\sqrt{2}+\\sqrt{3}", "\\sqrt{10}" }, { "4", "4\\sqrt{2}" }, { "\\pi", "22/7" }, { "2i", "2" },
	{ "0", "x^2-25=0" }, { "1", "\\frac{x^2}{9} - y^2 = 1" }, { "2", "5 = 2" }, { "11", "x = 5+5+1 = 7 = 11" }, { "x = 5", "y = 5" },
	{ "x+1", "x+2" }, { "x", "|x|" }, { "ab", "a+b" }, { "x > 5", "x < 5" }, { "x \\ge 5", "x > 5" }, { "2x = y", "x = 2y" },
	{ "7 = 11a + c", "11a + c" }, { "(1,2)", "(2,1)" }, { "(1,2)", "[1,2]" }, { "[0,9)", "[0,1)" }, { "(-2,1)", "1,-2" }, { "1,2", "1,2,3" },
	{ "3", "\\{3, 4\\}" }, { "3", "3 or 4" }, { "1,2", "(1,2,3)" }, { "(-\\infty,2)", "(-\\infty,2]" }, { "\\pm 2", "2" },
	{ "\\begin{pmatrix} 1 & 2 \\end{pmatrix}", "\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}" }, { "5 \\text{ cm}", "5 \\text{ m}" },
	{ "5 \\text{ cm}", "5 \\text{ cm}^2" }, { "40_9", "36" }, { "40_9", "40_8" }, { "yes", "no" }, { "\\text{(A)}", "B" }, { "\xff", "\xfe" },
	{ "\\bar{x}", "x" }, { "1", "\\int \\frac{1}{x} dx" }, { "\\infty", "-\\infty" }, { "\\infty", "5" }, { "P(x)", "Q(x)" },
	{ "5", "5 \\text{ (or 6)}" }, { "5", "5 \\text{ or } 6" }, { "5", "5 \\text{ not 6}" }, { "5", "\\frac{0}{0}" }, { "x", "\\frac{x}{0}" }, { "5", "5 \\ne 6" },
	{ "9^{9^{9}}", "9^{9^{9}}+1" }, { "9^{9^{9^{9}}}-1", "9^{9^{9^{9}}}" }, { "x^{x^{x}}", "x^{x^{x}}+10^{-90}" }, { "2^{2^{50}}", "2^{2^{50}}+x" },
	{ "\\frac{9^{9^{9}}}{3}", "\\frac{9^{9^{9}}+1}{3}" }, { "-2\\frac{1}{2}", "-1.5" }, { "5", "px = 5" }, { "5 \\text{ cm}^2", "5 cm\xc2\xb3" }, { "5", "not 5" },
	{ "x \\in \\{1,2\\}", "1 or 3" }, { "|x| < 5", "(-\\infty,5)" }, { "|x| < 5", "[-5,5]" }, { "5m", "5 \\text{ cm}" }, { "0.\\bar{3}", "0.3" },
};

static void equal_answers_are_equal_both_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++) {
		expect(same[i][0], same[i][1], VERDICT_EQUAL);
		expect(same[i][1], same[i][0], VERDICT_EQUAL);
	}
}

static void different_answers_are_different_and_never_equal_the_other_way(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(different) / sizeof(*different); i++) {
		expect(different[i][0], different[i][1], VERDICT_DIFFERENT);
		bool gold_is_trusted = strstr(different[i][1], "= 7 =") != NULL;   /* whose chain is not questioned */
		if (!gold_is_trusted && boxed(different[i][1], different[i][0]).verdict == VERDICT_EQUAL)
			fail_msg("gold %s, answer %s: equal", different[i][1], different[i][0]);
	}
}

static void every_verdict_has_its_reason(void **state)
{
	(void)state;
	static const struct { const char *gold, *answer; enum reason reason; } cases[] = {
		{ "1/2", "0.5", REASON_NUMBER }, { "\\sqrt{8}", "2\\sqrt{2}", REASON_EXACT }, { "\\sin 30^\\circ", "1/2", REASON_NUMERIC },
		{ "1/3", "0.3333333", REASON_DECIMAL }, { "\\{1,2\\}", "2,1", REASON_STRUCTURE }, { "28\\%", "28", REASON_CONVENTION },
		{ "5", "", REASON_NO_ANSWER }, { "5", "\\frac{1}{", REASON_UNREADABLE }, { "5", "(1,2)", REASON_SHAPE }, { "1,2", "1,2,3", REASON_COUNT },
		{ "5 \\text{ cm}", "5 \\text{ m}", REASON_UNIT }, { "3", "3 or 4", REASON_HEDGED }, { "x=4", "x=3=4", REASON_HEDGED },
		{ "yes", "no", REASON_TEXT },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_string_equal(reason_name(boxed(cases[i].gold, cases[i].answer).reason), reason_name(cases[i].reason));
	assert_int_equal(judge("", "5").reason, REASON_NO_GOLD);
	assert_int_equal(judge("\\frac{1}{", "5").reason, REASON_GOLD_UNREADABLE);
	assert_true(verify_no_gold(judge(" \n", "5")));
	assert_int_equal(boxed("9^{9^{9^{9^9}}}", "8^{9^{9^{9^9}}}").verdict, VERDICT_UNDECIDED);
}

static void the_answer_is_found_by_the_documented_rule(void **state)
{
	(void)state;
	static const struct { const char *gold, *text; enum verdict verdict; } cases[] = {
		{ "7", "<think>3 + 4</think><answer>7</answer>", VERDICT_EQUAL }, { "7", "<answer>6</answer> no: <answer> 7 </answer>", VERDICT_EQUAL },
		{ "7", "so \\boxed{7}", VERDICT_EQUAL }, { "1/2", "<answer>\\boxed{\\frac{1}{2}}</answer>", VERDICT_EQUAL },
		{ "7", "3 + 4 = 7.", VERDICT_EQUAL }, { "-7", "it is -7", VERDICT_EQUAL }, { "3", "10-7 is 3", VERDICT_EQUAL },
		{ "Paris", "Let me see.\nparis\n", VERDICT_EQUAL }, { "12", "<answer>12 apples</answer>", VERDICT_EQUAL },
		{ "12", "<answer>11 or 12</answer>", VERDICT_DIFFERENT }, { "7", "<think>7</think>I do not know", VERDICT_DIFFERENT },
		{ "7", "<think>it must be 7", VERDICT_DIFFERENT }, { "7", "", VERDICT_DIFFERENT }, { "7", "<answer></answer>", VERDICT_DIFFERENT },
		{ "7", "abc7 x_7", VERDICT_DIFFERENT }, { "She has 48/2 = 24.\n#### 1,024", "The answer is 1024", VERDICT_EQUAL },
		{ "thus \\boxed{5}", "5", VERDICT_EQUAL }, { "<think>x</think><answer>9</answer>", "<answer>9</answer>", VERDICT_EQUAL },
		{ "\\boxed{5}", "\\boxed{4}, or rather \\boxed{5}", VERDICT_DIFFERENT },    /* hedged */
		{ "4,5", "\\boxed{4} and \\boxed{5}", VERDICT_EQUAL },
		{ "5", "first I thought $\\boxed{4}$, but that is not so, because of everything that was said above it. So it is $\\boxed{5}$", VERDICT_EQUAL },
		{ "24", "Final Answer: The final answer is $24$. I hope it is correct. \\boxed{25}", VERDICT_EQUAL },
		{ "19", "The maximum of $f(x)$.\nFinal Answer: the number of values of $f(x)$ is 19.", VERDICT_EQUAL },
		{ "\\sqrt{2}", "Therefore $x=\\sqrt 2$ is the answer", VERDICT_EQUAL }, { "x^2", "**Answer:** $x \\cdot x$", VERDICT_EQUAL },
		{ "7", "\\boxed{\\boxed{7}}", VERDICT_EQUAL }, { "7", "\\boxed{x = \\boxed{7}}", VERDICT_EQUAL }, { "1000", "10^3", VERDICT_EQUAL },
		{ "5", "5x", VERDICT_DIFFERENT }, { "5", "4 < 5", VERDICT_DIFFERENT }, { "5", ">5", VERDICT_DIFFERENT }, { "3/4", "We get \\dfrac{3}{4} as its share.", VERDICT_EQUAL }, { "5 cm", "5 m", VERDICT_DIFFERENT }, { "5 \\text{ m}", "5 m", VERDICT_EQUAL }, { "5", "x \\neq 5", VERDICT_DIFFERENT }, { "A", "(A) 5", VERDICT_EQUAL }, { "B", "The correct option is (B).", VERDICT_EQUAL },
		{ "A", "Option A is wrong, it must be B", VERDICT_DIFFERENT }, { "1,2", "The solutions are 1 and 2.", VERDICT_EQUAL },
		{ "42", "The answer is $42$ as $6\\cdot7=42$.", VERDICT_EQUAL }, { "25", "12 + 13 = 25", VERDICT_EQUAL },
		{ "5", "\\boxed{5", VERDICT_EQUAL }, { "-3", "#### -3\nmore", VERDICT_EQUAL },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct judgement j = judge(cases[i].gold, cases[i].text);
		if (j.verdict != cases[i].verdict)
			fail_msg("gold %s in '%s': %s (%s)", cases[i].gold, cases[i].text, verdict_name(j.verdict), reason_name(j.reason));
	}
}

static void profiles_judge_as_their_originals(void **state)
{
	(void)state;
	static const struct { enum verify_profile profile; const char *gold, *text; bool equal; } cases[] = {
		{ VERIFY_MATH_VERIFY, "$0$", "so $x^2-25=0$", true }, { VERIFY_MATH_VERIFY, "$1,-2$", "$(-2,1)$", true },
		{ VERIFY_MATH_VERIFY, "$x=11$", "$x = 5+5+1 = 7 =11$", true }, { VERIFY_MATH_VERIFY, "0,111", "0.111", true },
		{ VERIFY_MATH_VERIFY, "$\\frac{1}{3}$", "$0.333333$", true }, { VERIFY_MATH_VERIFY, "$0.0000001$", "$0.0000002$", true },
		{ VERIFY_LIGHTEVAL, "$5$", "The final answer is $4$. I hope it is correct. $\\boxed{5}$", true },
		{ VERIFY_MATH_VERIFY, "$5$", "The final answer is $4$. I hope it is correct. $\\boxed{5}$", false },
		{ VERIFY_OPEN_R1, "$5$", "it is 5", false }, { VERIFY_OPEN_R1, "$5$", "$\\boxed{5}$", true }, { VERIFY_OPEN_R1, "$5$", "it is $5$", false },
		{ VERIFY_OPEN_R1, "$5$", "answer: $5$", true }, { VERIFY_OPEN_R1_2025_02, "$\\frac{1}{$", "anything", true },
		{ VERIFY_OPEN_R1_2025_02, "", "anything", true },
		{ VERIFY_GSM8K_STRICT, "so\n#### 1,024", "x #### 1024", true }, { VERIFY_GSM8K_STRICT, "#### 18", "#### 18.0", false },
		{ VERIFY_GSM8K_STRICT, "#### 18", "it is 18", false }, { VERIFY_GSM8K_STRICT, "#### 18", "#### 18 #### 19", true },
		{ VERIFY_GSM8K_FLEXIBLE, "#### 18", "it is $18.", true }, { VERIFY_GSM8K_FLEXIBLE, "#### 18", "18 and then 19", false },
		{ VERIFY_HENDRYCKS, "\\tfrac12", "\\boxed{\\frac{1}{2}}", true }, { VERIFY_HENDRYCKS, "10\\%", "\\boxed{10}", true },
		{ VERIFY_HENDRYCKS, "1,2", "\\boxed{2,1}", false }, { VERIFY_HENDRYCKS, "x=5", "\\boxed{5}", true },
		{ VERIFY_HENDRYCKS, "10\\text{ units}", "\\boxed{10 }", true }, { VERIFY_HENDRYCKS, "0.5", "\\boxed{\\frac12}", true },
		{ VERIFY_HENDRYCKS, "2/3", "\\boxed{\\frac{2}{3}}", true }, { VERIFY_HENDRYCKS, "\\sqrt4", "\\boxed{\\sqrt{4}}", true },
		{ VERIFY_MINERVA, "\\boxed{24}", "Final Answer: The final answer is $24$. I hope it is correct.", true },
		{ VERIFY_MINERVA, "\\boxed{\\frac{1}{2}}", "Final Answer: The final answer is $0.5$. I hope it is correct.", true },
		{ VERIFY_MINERVA, "24", "The answer is 24", false },
		{ VERIFY_MINERVA, "5\\text{ cm}", "Final Answer: The final answer is $5$. I hope it is correct.", true },
		{ VERIFY_PRM800K, "\\frac{1}{2}", "\\boxed{\\frac{2}{4}}", false }, { VERIFY_PRM800K, "\\frac{1}{2}", "\\boxed{0.5}", true },
		{ VERIFY_PRM800K, "4", "\\boxed{2+2}", false }, { VERIFY_PRM800K, "1,000", "\\boxed{1000}", true },
		{ VERIFY_PRM800K, "\\sqrt{8}", "\\boxed{2\\sqrt{2}}", true }, { VERIFY_PRM800K, "(1,2)", "\\boxed{(1, 2)}", true },
		{ VERIFY_PRM800K, "(1,2)", "\\boxed{[1,2]}", false }, { VERIFY_PRM800K, "x^{10}", "\\boxed{x^{5} \\cdot x^{5}}", false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct judgement j = judge_with(cases[i].profile, cases[i].gold, cases[i].text);
		if ((j.verdict == VERDICT_EQUAL) != cases[i].equal)
			fail_msg("%s: gold %s in '%s': %s (%s)", verify_profile_name(cases[i].profile), cases[i].gold, cases[i].text,
				 verdict_name(j.verdict), reason_name(j.reason));
	}
}

/* Answers of every class, all of them different; the pairs that are equal by a convention are named below. */
static const char *const golds[] = {
	"0", "1", "-1", "2", "7", "12", "36", "144", "1024", "10080", "-14", "0.15", "13.18", "5.4", "1/2", "1/3", "2/3", "-3/8", "11/2", "270/7",
	"\\frac{3840}{289}", "\\sqrt{2}", "\\sqrt{3}", "2\\sqrt{3}", "\\sqrt{51}", "11\\sqrt{2}", "11\\sqrt{5}+11", "\\frac{\\sqrt{2}}{2}",
	"\\sqrt{2}+\\sqrt{5}", "\\sqrt[3]{2}", "\\sqrt[3]{4}", "\\pi", "7\\pi", "288\\pi", "\\frac{20000}{\\pi}", "e", "e^2", "\\ln 2", "\\log_2 3",
	"\\sin 1", "\\cos 1", "6-5i", "-2+7i", "1+274i", "2k", "4t", "p-q", "x^3+3x-6", "x^5-x^4+x^3-x^2+x-1", "8n^2+4n+1", "5r^5", "3R^2",
	"(a+5)(b+2)", "\\frac{1}{x}", "\\frac{1}{x+1}", "\\cot x", "\\tan x", "\\sqrt{x}", "2^x", "x^y", "y=-2x", "y=2x", "5x-7y+11z+4=0",
	"x^2+y^2=1", "x>3", "x\\ge 3", "x<3", "-2\\le x\\le 7", "-2<x<7", "(2,4)", "(4,2)", "[2,4]", "[2,4)", "(6,31,-1)", "(-\\infty,0]",
	"(-\\infty,0)", "(5,\\infty)", "(-\\infty,2)\\cup(3,\\infty)", "3,5,7", "1,-2", "\\{1\\pm\\sqrt{5},-2\\}", "1\\pm\\sqrt{19}", "\\pm 3",
	"\\begin{pmatrix}1\\\\2\\end{pmatrix}", "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "\\begin{pmatrix}-1&0\\\\0&-1\\end{pmatrix}", "40_9",
	"2516_8", "4210_5", "90^\\circ", "145^\\circ", "28\\%", "15\\text{ cm}^2", "864\\text{ inches}^2", "3:4", "\\text{even}", "\\text{odd}",
	"\\text{Navin}", "A", "B", "\\emptyset", "\\infty", "-\\infty", "\\mathbb{R}",
};
#define GOLDS (sizeof(golds) / sizeof(*golds))

static void different_golds_are_not_equal(void **state)
{
	(void)state;
	for (size_t i = 0; i < GOLDS; i++)
		for (size_t k = 0; k < GOLDS; k++) {
			struct judgement j = boxed(golds[i], golds[k]);
			if ((j.verdict == VERDICT_EQUAL) != (i == k))
				fail_msg("%s and %s: %s (%s)", golds[i], golds[k], verdict_name(j.verdict), reason_name(j.reason));
		}
}

static char *replaced(const char *s, const char *from, const char *to)
{
	struct buf b = { 0 };
	for (const char *p; (p = strstr(s, from)); s = p + strlen(from)) {
		buf_add(&b, s, (size_t)(p - s));
		buf_str(&b, to);
	}
	buf_str(&b, s);
	return buf_detach(&b);
}

/* Ways to write the same answer; %s is the answer. */
static void rewriting_changes_nothing(void **state)
{
	(void)state;
	static const char *const wrappers[] = {
		"\\boxed{%s}", "$$\\boxed{%s}$$", "The final answer is $%s$. I hope it is correct.", "<think>1</think><answer>$%s$</answer>",
		"\\boxed{ %s }.", "\\boxed{\\displaystyle %s}", "**Answer:** $%s$", "so \\[ \\fbox{%s} \\]", "The answer is \\(%s\\).", "\\boxed{{%s}}",
	};
	static const char *const rewrites[][2] = {
		{ "\\frac", "\\dfrac" }, { "\\frac", "\\tfrac" }, { "(", "\\left(" }, { "-", " - " }, { ",", ", " }, { "+", "\\, + \\," }, { "\\sqrt{2}", "\\sqrt2" },
		{ "\\pi", "\\pi " }, { "pmatrix", "bmatrix" }, { "\\text{", "\\textbf{" }, { "\\le ", "\\leq " }, { "^\\circ", "^{\\circ}" },
		{ "3/8", "\\frac38" }, { "x^3", "{x}^{3}" }, { "10080", "10,080" }, { "10080", "10{,}080" }, { "\\text{ cm}", "\\mbox{ cm}" }, { "\\infty", "+\\infty" },
	};
	for (size_t i = 0; i < GOLDS; i++) {
		for (size_t w = 0; w < sizeof(wrappers) / sizeof(*wrappers); w++) {
			char *text = replaced(wrappers[w], "%s", golds[i]);
			struct judgement j = judge(golds[i], text);
			if (j.verdict != VERDICT_EQUAL)
				fail_msg("gold %s in '%s': %s (%s)", golds[i], text, verdict_name(j.verdict), reason_name(j.reason));
			mem_free(text);
		}
		for (size_t r = 0; r < sizeof(rewrites) / sizeof(*rewrites); r++) {
			char *text = replaced(golds[i], rewrites[r][0], rewrites[r][1]), *other = replaced(text, "(6", "(6");
			if (strcmp(rewrites[r][0], "(") == 0) {
				mem_free(other);
				other = replaced(text, ")", "\\right)");
			}
			bool signed_infinity = strstr(other, "-+");
			if (!signed_infinity)
				expect(golds[i], other, VERDICT_EQUAL);
			mem_free(text);
			mem_free(other);
		}
	}
}

/* Two completions that are both wrong for the gold answer 99. */
static void completions_are_alike_when_their_answers_are_equal(void **state)
{
	static const struct { enum verify_profile profile; const char *a, *b; bool same; } cases[] = {
		{ VERIFY_QUERN, "so \\boxed{1/2}", "the answer is 0.5", true }, { VERIFY_QUERN, "\\boxed{1/2}", "\\boxed{2}", false },
		{ VERIFY_QUERN, "<think>\\boxed{1}</think>\\boxed{3}", "\\boxed{2+1}", true }, { VERIFY_QUERN, "<think>", "<think>", false },
		{ VERIFY_LIGHTEVAL, "$\\boxed{\\frac{3}{4}}$", "Final answer is $0.75$", true }, { VERIFY_LIGHTEVAL, "\\boxed{4}", "answer: 5", false },
		{ VERIFY_OPEN_R1, "$\\boxed{2\\sqrt2}$", "$\\boxed{\\sqrt{8}}$", true }, { VERIFY_OPEN_R1, "$\\boxed{8}$", "8", false },
		{ VERIFY_GSM8K_STRICT, "#### 1,000", "so #### 1000.", true }, { VERIFY_GSM8K_STRICT, "1000", "#### 1000", false },
		{ VERIFY_GSM8K_FLEXIBLE, "it is $1,000.", "1000", true }, { VERIFY_GSM8K_FLEXIBLE, "it is 1", "it is 2", false },
		{ VERIFY_HENDRYCKS, "\\boxed{\\frac12}", "\\boxed{0.5}", true }, { VERIFY_HENDRYCKS, "\\boxed{7}", "7", false },
		{ VERIFY_MINERVA, "Final Answer: The final answer is $7$. I hope it is correct.",
		  "Final Answer: The final answer is 7.0. I hope it is correct.", true },
		{ VERIFY_PRM800K, "\\boxed{x+1}", "\\boxed{1+x}", true }, { VERIFY_PRM800K, "\\boxed{x+1}", "\\boxed{x}", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		for (int swap = 0; swap < 2; swap++) {
			const char *a = swap ? cases[i].b : cases[i].a, *b = swap ? cases[i].a : cases[i].b;
			struct verify_input x = { "99", 2, a, strlen(a), cases[i].profile }, y = { "99", 2, b, strlen(b), cases[i].profile };

			if ((verify_alike(v, &x, &y).verdict == VERDICT_EQUAL) != cases[i].same)
				fail_msg("%s: '%s' and '%s'", verify_profile_name(cases[i].profile), a, b);
		}
}

static void profile_names_are_found(void **state)
{
	(void)state;
	struct error err;
	enum verify_profile p;
	for (int i = 0; i < VERIFY_PROFILES; i++) {
		const char *name = verify_profile_name((enum verify_profile)i);
		assert_int_equal(verify_profile_find(name, strlen(name), &p, &err), OK);
		assert_int_equal(p, i);
	}
	assert_int_equal(verify_profile_find("mine", 4, &p, &err), ERR_USAGE);
	assert_int_equal(verify_profile_find("quer", 4, &p, &err), ERR_USAGE);
}

static void what_is_too_large_is_not_decided_but_ends(void **state)
{
	(void)state;
	struct buf b = { 0 };
	buf_str(&b, "\\boxed{");
	for (int i = 0; i < 150; i++)
		buf_printf(&b, "%s\\frac{1}{x+%dy+z}", i ? "+" : "", i);
	buf_str(&b, "}");
	struct judgement j = verify(v, &(struct verify_input){ "x+y", 3, b.data, b.len, VERIFY_QUERN });
	assert_int_not_equal(j.verdict, VERDICT_EQUAL);
	buf_clear(&b);
	for (int i = 0; i < 200000; i++)
		buf_str(&b, "\\boxed{");
	j = verify(v, &(struct verify_input){ "5", 1, b.data, b.len, VERIFY_QUERN });
	assert_int_equal(j.verdict, VERDICT_DIFFERENT);
	buf_clear(&b);
	for (int i = 0; i < 2000; i++)
		buf_str(&b, "(");
	j = verify(v, &(struct verify_input){ b.data, b.len, "5", 1, VERIFY_QUERN });
	assert_true(verify_no_gold(j));
	buf_release(&b);
}

static int set_up(void **state) { (void)state; v = verifier_new(); return 0; }
static int tear_down(void **state) { (void)state; verifier_free(v); return 0; }

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_answers_are_equal_both_ways), cmocka_unit_test(different_answers_are_different_and_never_equal_the_other_way),
		cmocka_unit_test(every_verdict_has_its_reason), cmocka_unit_test(the_answer_is_found_by_the_documented_rule),
		cmocka_unit_test(profiles_judge_as_their_originals), cmocka_unit_test(different_golds_are_not_equal),
		cmocka_unit_test(rewriting_changes_nothing), cmocka_unit_test(profile_names_are_found),
		cmocka_unit_test(what_is_too_large_is_not_decided_but_ends),
		cmocka_unit_test(completions_are_alike_when_their_answers_are_equal),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
