/* fuzz_ifeval.c - any text as a response to every kind of IFEval's instructions: each is followed or not, and loosely followed where it is
 * strictly. */
#include "judge/ifeval.h"
#include "text/unicode.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char asked[] =
	"{\"instruction_id_list\":[\"keywords:existence\",\"keywords:frequency\",\"keywords:forbidden_words\",\"keywords:letter_frequency\","
	"\"language:response_language\",\"length_constraints:number_sentences\",\"length_constraints:number_paragraphs\","
	"\"length_constraints:number_words\",\"length_constraints:nth_paragraph_first_word\",\"detectable_content:number_placeholders\","
	"\"detectable_content:postscript\",\"detectable_format:number_bullet_lists\",\"detectable_format:constrained_response\","
	"\"detectable_format:number_highlighted_sections\",\"detectable_format:multiple_sections\",\"detectable_format:json_format\","
	"\"detectable_format:title\",\"combination:two_responses\",\"combination:repeat_prompt\",\"startend:end_checker\","
	"\"startend:quotation\",\"change_case:capital_word_frequency\",\"change_case:english_capital\",\"change_case:english_lowercase\","
	"\"punctuation:no_comma\"],\"kwargs\":[{\"keywords\":[\"mill\",\"[a-z]\"]},{\"keyword\":\"the\",\"frequency\":2,\"relation\":\"at least\"},"
	"{\"forbidden_words\":[\"one\"]},{\"letter\":\"e\",\"let_frequency\":3,\"let_relation\":\"less than\"},{\"language\":\"de\"},"
	"{\"num_sentences\":2,\"relation\":\"at least\"},{\"num_paragraphs\":2},{\"num_words\":5,\"relation\":\"less than\"},"
	"{\"num_paragraphs\":2,\"nth_paragraph\":2,\"first_word\":\"the\"},{\"num_placeholders\":1},{\"postscript_marker\":\"P.S.\"},"
	"{\"num_bullets\":2},{},{\"num_highlights\":1},{\"section_spliter\":\"Section\",\"num_sections\":2},{},{},{},"
	"{\"prompt_to_repeat\":\"The\"},{\"end_phrase\":\"end.\"},{},{\"capital_frequency\":2,\"capital_relation\":\"at least\"},{},{},{}]}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ifeval *x;
	static struct json_parser *p;
	static const struct json *doc;
	struct ifeval_result r;
	struct error err;
	struct buf text = {0};

	if (!x) {
		x = ifeval_open();
		p = json_parser_open();
		if (json_parse(p, asked, sizeof(asked) - 1, &doc, &err) != OK)
			abort();
	}
	text_append_valid(&text, (const char *)data, size);
	if (ifeval_judge(x, doc, text.data ? text.data : "", text.len, &r, &err) != OK || r.n != 25)
		abort();
	for (int i = 0; i < r.n; i++)
		if (r.strict[i] && !r.loose[i])
			abort();
	buf_release(&text);
	return 0;
}
