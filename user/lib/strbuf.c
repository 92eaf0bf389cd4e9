/* SPDX-License-Identifier: GPL-2.0-only */
/* user/lib/strbuf.c — see strbuf.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/strbuf.h"

char strbuf_empty[1];

void strbuf_done(struct strbuf *b)
{
	if (b->buf != strbuf_empty)
		free(b->buf);
	*b = (struct strbuf)STRBUF_INIT;
}

void strbuf_reset(struct strbuf *b)
{
	b->len = 0;
	if (b->buf != strbuf_empty)
		b->buf[0] = '\0';
}

/* Room for `more` bytes and the NUL; false and sticky error if there is none. */
static int strbuf_grow(struct strbuf *b, size_t more)
{
	size_t want = b->len + more + 1, cap = b->cap ? b->cap : 64;
	char *p;

	if (b->error)
		return 0;
	if (want <= b->cap)
		return 1;
	while (cap < want)
		cap *= 2;
	p = realloc(b->buf == strbuf_empty ? NULL : b->buf, cap);
	if (!p) {
		b->error = -ENOMEM;
		return 0;
	}
	b->buf = p;
	b->cap = cap;
	return 1;
}

void strbuf_add(struct strbuf *b, const void *data, size_t len_bytes)
{
	if (!strbuf_grow(b, len_bytes))
		return;
	memcpy(b->buf + b->len, data, len_bytes);
	b->len += len_bytes;
	b->buf[b->len] = '\0';
}

void strbuf_puts(struct strbuf *b, const char *s)
{
	strbuf_add(b, s, strlen(s));
}

void strbuf_putc(struct strbuf *b, char c)
{
	strbuf_add(b, &c, 1);
}

void strbuf_vprintf(struct strbuf *b, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0 || !strbuf_grow(b, (size_t)n))
		return;
	vsnprintf(b->buf + b->len, (size_t)n + 1, fmt, ap);
	b->len += (size_t)n;
}

void strbuf_printf(struct strbuf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strbuf_vprintf(b, fmt, ap);
	va_end(ap);
}

int strbuf_fail(struct strbuf *why, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strbuf_vprintf(why, fmt, ap);
	va_end(ap);
	return err;
}

int strbuf_error(const struct strbuf *b)
{
	return b->error;
}

char *strbuf_take(struct strbuf *b)
{
	char *s = NULL;

	if (!b->error)
		s = b->buf == strbuf_empty ? strdup("") : b->buf;
	if (b->error && b->buf != strbuf_empty)
		free(b->buf);
	*b = (struct strbuf)STRBUF_INIT;
	return s;
}
