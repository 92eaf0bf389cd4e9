/* SPDX-License-Identifier: GPL-2.0-only */
/* user/lib/escape.c — see escape.h. */
#include <stdbool.h>

#include "lib/cleanup.h"
#include "lib/escape.h"
#include "lib/utf8.h"

/* Sorted; besides the controls of utf8_is_control(), what cannot be seen or is no character. */
static const struct {
	uint32_t first, last;
} hidden[] = {
	{ 0x061c, 0x061c }, /* Arabic letter mark */
	{ 0x200b, 0x200c }, /* zero width; U+200D stays: it joins emoji */
	{ 0x2060, 0x206f }, /* invisible operators, isolates */
	{ 0xd800, 0xdfff }, /* surrogates */
	{ 0xfdd0, 0xfdef }, /* non-characters */
	{ 0xfff9, 0xfffb }, /* interlinear annotation */
	{ 0xe0000, 0xe007f }, /* tags */
};

static bool is_hidden(uint32_t c)
{
	if (utf8_is_control(c) || c > 0x10ffff || (c & 0xfffe) == 0xfffe)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(hidden); i++)
		if (c >= hidden[i].first && c <= hidden[i].last)
			return true;
	return false;
}

void escape_add_char(struct strbuf *b, uint32_t c)
{
	if (is_hidden(c)) {
		strbuf_printf(b, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
	} else if (c < 0x80) {
		strbuf_putc(b, (char)c);
	} else if (c < 0x800) {
		strbuf_putc(b, (char)(0xc0 | c >> 6));
		strbuf_putc(b, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		strbuf_putc(b, (char)(0xe0 | c >> 12));
		strbuf_putc(b, (char)(0x80 | (c >> 6 & 0x3f)));
		strbuf_putc(b, (char)(0x80 | (c & 0x3f)));
	} else {
		strbuf_putc(b, (char)(0xf0 | c >> 18));
		strbuf_putc(b, (char)(0x80 | (c >> 12 & 0x3f)));
		strbuf_putc(b, (char)(0x80 | (c >> 6 & 0x3f)));
		strbuf_putc(b, (char)(0x80 | (c & 0x3f)));
	}
}

void escape_add_bytes(struct strbuf *b, const void *bytes, size_t n_bytes)
{
	const char *p = bytes;

	for (size_t at = 0, len; at < n_bytes; at += len) {
		uint32_t c = utf8_decode(p + at, n_bytes - at, &len);

		if (c == UTF8_INVALID)
			strbuf_printf(b, "\\x%02x", (unsigned char)p[at]);
		else
			escape_add_char(b, c);
	}
}
