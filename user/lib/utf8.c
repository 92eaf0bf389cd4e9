/* SPDX-License-Identifier: GPL-2.0-only */
/* user/lib/utf8.c — see utf8.h. */
#include <string.h>

#include "lib/strbuf.h"
#include "lib/utf8.h"

uint32_t utf8_decode(const char *s, size_t len, size_t *ret_len)
{
	/* By length: the lowest character that needs it, and what its first byte looks like. */
	static const struct {
		uint32_t lowest;
		unsigned char mask, lead;
	} form[] = { { 0, 0x80, 0x00 },
		     { 0x80, 0xe0, 0xc0 },
		     { 0x800, 0xf0, 0xe0 },
		     { 0x10000, 0xf8, 0xf0 } };
	const unsigned char *u = (const unsigned char *)s;

	*ret_len = 1;
	for (size_t n = 0; n < 4 && n < len; n++) {
		uint32_t c = u[0] & (unsigned char)~form[n].mask;

		if ((u[0] & form[n].mask) != form[n].lead)
			continue;
		for (size_t i = 1; i <= n; i++) {
			if ((u[i] & 0xc0) != 0x80)
				return UTF8_INVALID;
			c = c << 6 | (u[i] & 0x3f);
		}
		if (c < form[n].lowest || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
			return UTF8_INVALID;
		*ret_len = n + 1;
		return c;
	}
	return UTF8_INVALID;
}

char *utf8_clean(const char *s, size_t max_bytes)
{
	struct strbuf b = STRBUF_INIT;
	size_t len = strnlen(s, max_bytes), n;

	for (size_t i = 0; i < len; i += n) {
		if (utf8_decode(s + i, len - i, &n) == UTF8_INVALID)
			strbuf_puts(&b, "\xef\xbf\xbd");
		else
			strbuf_add(&b, s + i, n);
	}
	return strbuf_take(&b);
}

bool utf8_is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}
