/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/figure.h — figures of the document in words, estimates as estimates.
 *
 * An error of 0 is exact and says nothing. Any other error is said with ±, and then a count of
 * blocks, whose own error the document does not have, is "about", with two digits.
 */
#ifndef USER_CLI_FIGURE_H
#define USER_CLI_FIGURE_H

#include <stdbool.h>

#include "lib/strbuf.h"
#include "lib/units.h"

/* Not known is an estimate too. */
bool figure_is_estimate(double error);
/* "24.2 MiB in 181,204 blocks", "24.2 MiB ±3.10 MiB in about 180,000 blocks" */
void figure_live_add(struct strbuf *b, double bytes, double error, double blocks);
/* "+1.21 MiB/s ±0.03", or that it is not known yet. */
const char *figure_rate_format(char buf[UNITS_TEXT_MAX], double rate, double error);
/* A share that somebody chose, as short as it was said: "1 %", "0.25 %"; "-": none. */
const char *figure_limit_format(char buf[UNITS_TEXT_MAX], double share);
/* "overhead 0.70 % of 1 % allowed"; nothing if nothing is known. */
void figure_overhead_add(struct strbuf *b, double overhead, double budget);
/* "0.1 s", "8 s", "2 min" */
const char *figure_age_format(char buf[UNITS_TEXT_MAX], double age_sec);

#endif
