/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/page.h — lines of text for people: never too wide, never dangerous.
 *
 * What is printed was in part chosen by the watched process (names, paths, its command line). So no
 * control character and no character that turns text around gets through, a call prints exactly
 * one line (page_wrap: whole words on as many as it takes), and none is wider than the page. On a
 * terminal without UTF-8 our own signs (· ± … ◄ ▁█▏) have ASCII forms and other characters are "?".
 */
#ifndef USER_CLI_PAGE_H
#define USER_CLI_PAGE_H

#include <stdbool.h>
#include <stdio.h>

#define PAGE_COLUMNS 100

struct page {
	FILE *out;
	int columns;
	bool utf8;
	int rows_left; /* lines still to print; the rest is dropped. < 0: no limit */
};

/* Cut with "…" if it does not fit. No newline in the format. */
void page_line(struct page *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Later lines are indented by `indent` more than the text itself is. */
void page_wrap(struct page *p, int indent, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
