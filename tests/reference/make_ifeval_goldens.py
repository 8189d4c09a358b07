#!/usr/bin/env python3
"""What lm-evaluation-harness's checkers of IFEval say about responses of our own: tests/golden/data/ifeval.jsonl.

    python3 -m venv V && V/bin/pip install lm_eval==0.4.13 langdetect==1.0.9 immutabledict nltk
    V/bin/python tests/reference/make_ifeval_goldens.py >tests/golden/data/ifeval.jsonl
    V/bin/python tests/reference/make_ifeval_goldens.py --all       # five times as many

Every kind but length_constraints:number_sentences, whose rule is a trained model (NLTK's Punkt): tests/unit/test_ifeval.c has its cases.
langdetect is seeded and asked about texts whose language is plain. Words in capitals are NLTK's Treebank words of the whole text; the
original looks for sentences with Punkt first, which changes only where a full stop stands.
"""
import json
import os
import sys

os.environ.setdefault("LOCAL_RANK", "1")       # rank 0 would download Punkt
import langdetect
import nltk
from nltk.tokenize import NLTKWordTokenizer

langdetect.DetectorFactory.seed = 0
nltk.data.find = lambda *a, **k: None
nltk.download = lambda *a, **k: True
nltk.word_tokenize = lambda text: NLTKWordTokenizer().tokenize(text)
from lm_eval.tasks.ifeval import utils

ENGLISH = "The old mill stands by the river, and its wheel still turns when the water is high. People come from the town to look at it."
TEXTS = [
    "", " ", "Yes.", ENGLISH, ENGLISH.lower(), ENGLISH.upper(), '"' + ENGLISH + '"', "No commas here at all", "one, two, three",
    "My answer is yes.", "Well, My answer is maybe. I think", "my answer is no.", "My answer is no",
    "# Title\n\nText of *one* and **two** sections.\n\n* a\n* b\n- c\n", "* one\n* two\n* three", "- one\n - two\n\n\n  - three", "** no bullet\n*\nbut this",
    "*high*, *light* and * * and ** ** and **bold**", "*a*b*c* *d\ne*", "<<Poem of joy>>\nRoses.", "<< >>\n<<>>", "a << b\n<<c>> d>>", "<<<x>>>",
    "Dear [name], of [address] at [date], [ ], []", "[open\nclose] [[nested]]", "{\"a\": [1, 2, {\"b\": null}]}", "```json\n{\"a\": 1}\n```", "```\n[1, 2]\n```",
    "{a: 1}", "```JSON\n\"text\"```", "{\"a\": 1,}", "42", "nul", "First.\n***\nSecond.\n***\nThird.", "***\nFirst.\n***\nSecond.\n***", "One *** *** two",
    "A first paragraph.\n\nThe second one.\n\n\"Third,\" it says.", "One\n\n\n\nfour", "'Tis one.\n\n'\"quoted\" two", "\n\nhello world",
    "Text.\n\nP.S. I forgot.", "Text.\np. s. small", "Text.\n\nP.P.S. And more", "Text p.p. s", "PS none", "Section 1\nfirst\nSection 2\nsecond",
    "SECTION 1 a SECTION 2 b SECTION 3", "Section one\nSection  2", "Answer one\n******\nAnswer two", "Same\n******\nSame", "******\nA\n******\nB\n******",
    "A****** ******B", "A******B******C", "That is all. Any other questions?", "That is all. any other questions? \"", "Any other questions? no",
    "Repeat me\nthen answer", "repeat ME, and more", "I will not Repeat me", "WORDS in CAPITALS and NASA, I'M SURE: DON'T, CAN'T-STOP (OK) CANNOT A.B.",
    "U.S. and UK -- GO!ON ... YES", "mill mill Mill MILL windmill", "The mill's stone", "stone-mill, millstone", "eeee ee E", "naïve café ÉCOLE über 1st x_y 3.14",
    "*\n\nText with *stars* and,\nfirst line, dropped\nlast line", "Sure, here it is:\n\nno comma inside\n\nHope that helps, friend", "\u2028\u00a0wide spaces\u3000",
]
LANGUAGES = {
    "de": "Die alte Mühle steht am Fluss und ihr Rad dreht sich noch, wenn das Wasser hoch genug steht. Viele Leute kommen aus der Stadt.",
    "fr": "Le vieux moulin se trouve au bord de la rivière et sa roue tourne encore quand les eaux sont assez hautes pour la pousser.",
    "es": "El viejo molino está junto al río y su rueda todavía gira cuando el agua sube lo suficiente. La gente viene de la ciudad.",
    "it": "Il vecchio mulino si trova vicino al fiume e la sua ruota gira ancora quando l'acqua è abbastanza alta. La gente viene a vederlo.",
    "pt": "O velho moinho fica junto ao rio e a sua roda ainda gira quando a água está alta. As pessoas vêm da cidade para o ver.",
    "ru": "Старая мельница стоит у реки, и её колесо всё ещё вращается, когда вода поднимается. Люди приезжают из города посмотреть на неё.",
    "ar": "تقف الطاحونة القديمة بجانب النهر وما زالت عجلتها تدور عندما يرتفع الماء. يأتي الناس من المدينة لرؤيتها.",
    "hi": "पुरानी चक्की नदी के किनारे खड़ी है और पानी ऊँचा होने पर उसका पहिया अब भी घूमता है। लोग उसे देखने शहर से आते हैं।",
    "ko": "오래된 방앗간은 강가에 서 있고 물이 높으면 바퀴가 아직도 돌아간다. 사람들은 그것을 보러 마을에서 온다.",
    "th": "โรงสีเก่าตั้งอยู่ริมแม่น้ำ และกังหันยังคงหมุนเมื่อน้ำสูง ผู้คนมาจากในเมืองเพื่อดูมัน",
    "vi": "Chiếc cối xay cũ đứng bên bờ sông và bánh xe của nó vẫn quay khi nước dâng cao. Mọi người từ thị trấn đến xem nó.",
    "fi": "Vanha mylly seisoo joen rannalla ja sen ratas pyörii yhä, kun vesi on korkealla. Ihmiset tulevat kaupungista katsomaan sitä.",
    "ta": "பழைய ஆலை ஆற்றங்கரையில் நிற்கிறது, தண்ணீர் உயரும்போது அதன் சக்கரம் இன்னும் சுழல்கிறது. மக்கள் அதைப் பார்க்க வருகிறார்கள்.",
    "en": ENGLISH,
}
ASKED = {
    "keywords:existence": [{"keywords": ["mill", "river"]}, {"keywords": ["stone"]}, {"keywords": ["my answer"]}, {"keywords": ["w.rds"]}],
    "keywords:frequency": [{"keyword": "mill ", "frequency": 2, "relation": "at least"}, {"keyword": "the", "frequency": 3, "relation": "less than"},
                           {"keyword": "e", "frequency": 4, "relation": "at least"}],
    "keywords:forbidden_words": [{"forbidden_words": ["mill", "one"]}, {"forbidden_words": ["two"]}, {"forbidden_words": ["answer", "is", "caf"]}],
    "keywords:letter_frequency": [{"letter": "e", "let_frequency": 6, "let_relation": "at least"}, {"letter": "T", "let_frequency": 2, "let_relation": "less than"}],
    "length_constraints:number_paragraphs": [{"num_paragraphs": 3}, {"num_paragraphs": 2}, {"num_paragraphs": 1}],
    "length_constraints:number_words": [{"num_words": 4, "relation": "at least"}, {"num_words": 10, "relation": "less than"}],
    "length_constraints:nth_paragraph_first_word": [{"num_paragraphs": 3, "nth_paragraph": 3, "first_word": "third"}, {"num_paragraphs": 2, "nth_paragraph": 1,
                                                    "first_word": "One"}, {"num_paragraphs": 1, "nth_paragraph": 1, "first_word": "hello"}],
    "detectable_content:number_placeholders": [{"num_placeholders": 1}, {"num_placeholders": 3}],
    "detectable_content:postscript": [{"postscript_marker": "P.S."}, {"postscript_marker": "P.P.S"}, {"postscript_marker": "Hope"}],
    "detectable_format:number_bullet_lists": [{"num_bullets": 3}, {"num_bullets": 1}],
    "detectable_format:constrained_response": [{}],
    "detectable_format:number_highlighted_sections": [{"num_highlights": 1}, {"num_highlights": 3}],
    "detectable_format:multiple_sections": [{"section_spliter": "Section", "num_sections": 2}, {"section_spliter": "SECTION ", "num_sections": 3}],
    "detectable_format:json_format": [{}],
    "detectable_format:title": [{}],
    "combination:two_responses": [{}],
    "combination:repeat_prompt": [{"prompt_to_repeat": "Repeat me"}],
    "startend:end_checker": [{"end_phrase": "Any other questions?"}, {"end_phrase": " three "}],
    "startend:quotation": [{}],
    "change_case:capital_word_frequency": [{"capital_frequency": 1, "capital_relation": "at least"}, {"capital_frequency": 7, "capital_relation": "at least"},
                                           {"capital_frequency": 12, "capital_relation": "less than"}],
    "punctuation:no_comma": [{}],
}
CASES = [(kind, args, text) for kind, many in ASKED.items() for args in many for text in TEXTS]
CASES += [("language:response_language", {"language": code}, text) for code in LANGUAGES for of, text in LANGUAGES.items() if code in (of, "en", "de", "hi")]
CASES += [(kind, {}, change(text)) for kind in ("change_case:english_capital", "change_case:english_lowercase") for text in (ENGLISH, LANGUAGES["de"], ENGLISH + " 42%")
          for change in (str, str.upper, str.lower)]


def main():
    for i, (kind, args, text) in enumerate(CASES):
        if "--all" not in sys.argv[1:] and kind in ASKED and (i + i // len(TEXTS)) % 5:
            continue
        row = utils.InputExample(key=i, instruction_id_list=[kind], prompt="", kwargs=[args])
        strict = utils.test_instruction_following_strict(row, text)
        loose = utils.test_instruction_following_loose(row, text)
        print(json.dumps({"id": "%04d" % i, "prompt": "", "instruction_id_list": [kind], "kwargs": [args], "completion": text,
                          "strict": strict.follow_instruction_list, "loose": loose.follow_instruction_list}, ensure_ascii=False))


if __name__ == "__main__":
    main()
