#!/usr/bin/env python3
"""Writes libcore/text/word_break.c from the Unicode Character Database (Debian's unicode-data, or DIR as its copy).

usage: make_word_break.py /usr/share/unicode >libcore/text/word_break.c
"""
import sys

CLASSES = {
    "CR": "CR", "LF": "LF", "Newline": "NEWLINE", "Extend": "EXTEND", "ZWJ": "EXTEND_ZWJ", "Regional_Indicator": "REGIONAL",
    "Format": "EXTEND", "Katakana": "KATAKANA", "Hebrew_Letter": "HEBREW", "ALetter": "LETTER", "Single_Quote": "SINGLE_QUOTE",
    "Double_Quote": "DOUBLE_QUOTE", "MidNumLet": "MID_NUM_LET", "MidLetter": "MID_LETTER", "MidNum": "MID_NUM", "Numeric": "NUMERIC",
    "ExtendNumLet": "EXTEND_NUM_LET", "WSegSpace": "SPACE",
}


def rows(path):
    for line in open(path, encoding="utf-8"):
        line = line.split("#")[0].strip()
        if line:
            span, name = [x.strip() for x in line.split(";")[:2]]
            first, _, last = span.partition("..")
            yield int(first, 16), int(last or first, 16), name


def main():
    base = sys.argv[1]
    of = {}
    for first, last, name in rows(base + "/auxiliary/WordBreakProperty.txt"):
        for c in range(first, last + 1):
            of[c] = "WB_" + CLASSES[name]
    for first, last, name in rows(base + "/emoji/emoji-data.txt"):
        if name == "Extended_Pictographic":
            for c in range(first, last + 1):
                of[c] = "WB_PICTURE" if c not in of else of[c] + "_PICTURE"
    ranges = []
    for c in sorted(of):
        if ranges and ranges[-1][1] == c - 1 and ranges[-1][2] == of[c]:
            ranges[-1][1] = c
        else:
            ranges.append([c, c, of[c]])
    print("/* word_break.c - Word_Break and Extended_Pictographic of Unicode 15.0, written by tests/reference/make_word_break.py.")
    print(" * Format counts as Extend: no rule of UAX 29 tells them apart. */")
    print('#include "text/word_break.h"\n')
    print("const struct word_break_range word_break_ranges[] = {")
    line = "\t"
    for first, last, name in ranges:
        item = "{0x%x, 0x%x, %s}," % (first, last, name)
        if len(line) + len(item) > 128:
            print(line.rstrip())
            line = "\t"
        line += item + " "
    print(line.rstrip() + "\n};")
    print("const int word_break_n_ranges = sizeof(word_break_ranges) / sizeof(word_break_ranges[0]);")


main()
