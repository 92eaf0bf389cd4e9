/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/sparkline.h — a series as a word: ▁▂▃▅▆█ */
#ifndef USER_CLI_SPARKLINE_H
#define USER_CLI_SPARKLINE_H

#include <stddef.h>

#define SPARKLINE_CELLS	    16
#define SPARKLINE_TEXT_MAX  (SPARKLINE_CELLS * 3 + 1) /* three bytes a cell */
#define SPARKLINE_FLAT_PART 0.05

/* Oldest value first; fewer cells than SPARKLINE_CELLS if there are fewer values, "" if none. From
 * the smallest to the largest value, but a series that varies by less than SPARKLINE_FLAT_PART of
 * its largest is drawn from 0: noise must not look like growth. */
char *sparkline_format(char buf[SPARKLINE_TEXT_MAX], const double *values, size_t n);

#endif
