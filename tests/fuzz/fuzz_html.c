/* fuzz_html.c - any bytes as a page: converted, extracted in both modes and repaired; what comes out is valid UTF-8. */
#include "text/charset.h"
#include "text/html.h"
#include "text/pii.h"
#include "text/repair.h"
#include "text/unicode.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be_utf8(const struct buf *b)
{
	if (b->len && text_valid_prefix(b->data, b->len) != b->len)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf utf8 = {0}, out = {0};
	struct html_page page = {0};

	html_looks_like((const char *)data, size);
	if (text_to_utf8(data, size, NULL, &utf8, NULL, NULL, NULL) == OK) {
		must_be_utf8(&utf8);
		for (int mode = HTML_MAIN; mode <= HTML_ALL; mode++) {
			if (html_extract(utf8.data ? utf8.data : "", utf8.len, (enum html_mode)mode, &page, NULL) != OK)
				continue;
			must_be_utf8(&page.text);
			must_be_utf8(&page.title);
			buf_clear(&out);
			text_repair(page.text.data ? page.text.data : "", page.text.len, &out);
			must_be_utf8(&out);
			int64_t found[N_PII] = {0};
			pii_scan(out.data ? out.data : "", out.len, PII_ALL, NULL, found);
		}
	}
	html_page_clear(&page);
	buf_release(&utf8);
	buf_release(&out);
	return 0;
}
