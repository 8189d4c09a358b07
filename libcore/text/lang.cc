/* lang.cc - CLD2 behind a C function; see lang.h. */
#include "text/lang.h"

#include <cstdio>

#include <cld2/internal/lang_script.h>
#include <cld2/public/compact_lang_det.h>
#include <cld2/public/encodings.h>

/* More text than this does not change the verdict, and CLD2 counts in int. */
static const size_t LOOK_BYTES = 256 << 10;

extern "C" double lang_detect(const char *s, size_t n, char code[16])
{
	size_t look = n < LOOK_BYTES ? n : LOOK_BYTES;
	while (look > 0 && look < n && (s[look] & 0xc0) == 0x80)
		look--;
	CLD2::CLDHints hints = {nullptr, nullptr, CLD2::UNKNOWN_ENCODING, CLD2::UNKNOWN_LANGUAGE};
	CLD2::Language top[3];
	int percent[3], bytes = 0;
	double score[3];
	bool reliable = false;
	CLD2::ExtDetectLanguageSummary(s, static_cast<int>(look), true, &hints, 0, top, percent, score, nullptr, &bytes, &reliable);
	if (!reliable || top[0] == CLD2::UNKNOWN_LANGUAGE) {
		snprintf(code, 16, "un");
		return 0;
	}
	snprintf(code, 16, "%s", CLD2::LanguageCode(top[0]));
	return percent[0] / 100.0;
}

extern "C" bool lang_known(const char *code)
{
	return CLD2::GetLanguageFromName(code) != CLD2::UNKNOWN_LANGUAGE;
}
