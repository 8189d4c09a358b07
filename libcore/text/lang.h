/* lang.h - which language a text is in, by CLD2 (Compact Language Detector 2, 83 languages by quadgrams).
 *
 * The score is the share of the text's bytes that CLD2 gives to its first language; a verdict that CLD2 itself calls unreliable
 * is "un" with score 0. It is not fastText's probability: thresholds of fastText pipelines do not carry over. */
#ifndef QUERN_TEXT_LANG_H
#define QUERN_TEXT_LANG_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* code gets an ISO 639 code ("en", "zh", "zh-Hant", "un"); the text must be valid UTF-8. Thread-safe. */
double lang_detect(const char *s, size_t n, char code[16]);
/* Whether CLD2 can give this code. */
bool lang_known(const char *code);

#ifdef __cplusplus
}
#endif

#endif
