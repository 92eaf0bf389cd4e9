/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/page.c — see page.h. */
#include <stdarg.h>
#include <string.h>
#include <wchar.h>

#include "cli/page.h"
#include "lib/cleanup.h"
#include "lib/strbuf.h"
#include "lib/utf8.h"

static const struct {
	uint32_t sign;
	const char *ascii;
} ascii_forms[] = {
	{ 0x00b7, "-" }, { 0x00b1, "+-" }, { 0x2026, "..." }, { 0x25c4, "<" }, { 0x00d7, "x" },
	{ 0x2581, "_" }, { 0x2582, "." },  { 0x2583, "-" },   { 0x2584, ":" }, { 0x2585, "=" },
	{ 0x2586, "+" }, { 0x2587, "*" },  { 0x2588, "#" },   { 0x258f, "|" },
};

static const char *ascii_of(uint32_t c)
{
	for (size_t i = 0; i < ARRAY_SIZE(ascii_forms); i++)
		if (ascii_forms[i].sign == c)
			return ascii_forms[i].ascii;
	return "?";
}

/* What is printed in place of the character at s; how many columns it takes; how many bytes it was.
 */
static int cell_of(const struct page *p, const char *s, size_t len, char ret[8], size_t *ret_used)
{
	uint32_t c = utf8_decode(s, len, ret_used);
	int width;

	if (c == UTF8_INVALID || utf8_is_control(c)) {
		strcpy(ret, "?");
		return 1;
	}
	if (c >= 0x80 && !p->utf8) {
		strcpy(ret, ascii_of(c));
		return (int)strlen(ret);
	}
	memcpy(ret, s, *ret_used);
	ret[*ret_used] = '\0';
	/* 0: a combining mark. Unknown to the C library: room for the worst. */
	width = wcwidth((wchar_t)c);
	return width >= 0 ? width : 2;
}

/* The line as it will be printed, cut to the page. */
static void line_clean(const struct page *p, const char *s, size_t len, struct strbuf *ret)
{
	const char *more = p->utf8 ? "…" : "...";
	int more_width = p->utf8 ? 1 : 3, column = 0;
	size_t used, fits = 0; /* length of *ret after which there was room for `more` */
	char cell[8];

	for (size_t i = 0; i < len; i += used) {
		int width = cell_of(p, s + i, len - i, cell, &used);

		if (column + width > p->columns) {
			char *cut = strndup(ret->buf, fits);

			strbuf_reset(ret);
			strbuf_puts(ret, cut ? cut : "");
			strbuf_puts(ret, more);
			free(cut);
			return;
		}
		strbuf_puts(ret, cell);
		column += width;
		if (column + more_width <= p->columns)
			fits = ret->len;
	}
}

static void line_print(struct page *p, const char *s, size_t len)
{
	_cleanup_(strbuf_done) struct strbuf line = STRBUF_INIT;

	if (p->rows_left == 0)
		return;
	if (p->rows_left > 0)
		p->rows_left--;
	while (len && s[len - 1] == ' ')
		len--;
	line_clean(p, s, len, &line);
	fprintf(p->out, "%s\n", line.buf);
}

void page_line(struct page *p, const char *fmt, ...)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	strbuf_vprintf(&text, fmt, ap);
	va_end(ap);
	line_print(p, text.buf, text.len);
}

/* How many bytes of s fit, up to a blank if there is one; all if all fit. */
static size_t bytes_that_fit(const struct page *p, const char *s, size_t len)
{
	size_t used, at_blank = 0, i;
	int column = 0;
	char cell[8];

	for (i = 0; i < len; i += used) {
		column += cell_of(p, s + i, len - i, cell, &used);
		if (column > p->columns)
			return at_blank ? at_blank : i;
		/* No break in the indentation, nor between a number and its unit. */
		if (s[i] == ' ' && strspn(s, " ") < i && !(s[i - 1] >= '0' && s[i - 1] <= '9'))
			at_blank = i;
	}
	return i;
}

void page_wrap(struct page *p, int indent, const char *fmt, ...)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT, line = STRBUF_INIT;
	const char *rest;
	va_list ap;
	int own;

	va_start(ap, fmt);
	strbuf_vprintf(&text, fmt, ap);
	va_end(ap);
	own = (int)strspn(text.buf, " ");
	strbuf_puts(&line, text.buf);
	for (;;) {
		size_t fit = bytes_that_fit(p, line.buf, line.len);

		line_print(p, line.buf, fit);
		if (fit == line.len || fit == 0)
			return;
		rest = line.buf + fit;
		rest += strspn(rest, " ");
		strbuf_reset(&text);
		strbuf_printf(&text, "%*s%s", own + indent, "", rest);
		strbuf_reset(&line);
		strbuf_puts(&line, text.buf);
		if (line.len <= (size_t)(own + indent))
			return;
	}
}
