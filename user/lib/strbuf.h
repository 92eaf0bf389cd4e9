/* SPDX-License-Identifier: GPL-2.0-only */
/* user/lib/strbuf.h — a string that grows.
 *
 * Start: struct strbuf b = STRBUF_INIT; end: strbuf_done(&b), or _cleanup_(strbuf_done). `buf` is
 * always a valid NUL-terminated string of `len` bytes (also after STRBUF_INIT). Out of memory is
 * sticky: adds do nothing more and strbuf_error() is -ENOMEM, so a caller checks once, at the end.
 */
#ifndef USER_LIB_STRBUF_H
#define USER_LIB_STRBUF_H

#include <stdarg.h>
#include <stddef.h>

struct strbuf {
	char *buf;
	size_t len;
	size_t cap;
	int error;
};

extern char strbuf_empty[1];
#define STRBUF_INIT                 \
	{                           \
		.buf = strbuf_empty \
	}

void strbuf_done(struct strbuf *b);
void strbuf_reset(struct strbuf *b);
void strbuf_add(struct strbuf *b, const void *data, size_t len_bytes);
void strbuf_puts(struct strbuf *b, const char *s);
void strbuf_putc(struct strbuf *b, char c);
void strbuf_printf(struct strbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void strbuf_vprintf(struct strbuf *b, const char *fmt, va_list ap);
/* Say why something failed, and return its error: return strbuf_fail(why, -ENOTSUP, "…", …); */
int strbuf_fail(struct strbuf *why, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int strbuf_error(const struct strbuf *b);
/* The string itself, owned by the caller (free()); NULL if out of memory. `b` is empty then. */
char *strbuf_take(struct strbuf *b);

#endif
