/* html_entities.h - character references (&amp; &#233; &#xe9;) as the HTML standard reads them. */
#ifndef QUERN_TEXT_HTML_ENTITIES_H
#define QUERN_TEXT_HTML_ENTITIES_H

#include <stdbool.h>
#include <stddef.h>

#define HTML_REFERENCE_BYTES 8   /* of UTF-8 that one reference can stand for */

/* s[0] is '&', n bytes are left. If a reference starts there, returns its bytes in the page (> 0) and puts what it stands for into out,
 * *len bytes of valid UTF-8; else 0. In the value of an attribute a name without ';' that goes on with '=' or a letter is none (?a=1&copy=2). */
size_t html_reference(const char *s, size_t n, bool attribute, char out[HTML_REFERENCE_BYTES], int *len);

#endif
