/* SPDX-License-Identifier: GPL-2.0-only */
/* user/lib/units.h — quantities as people write and read them.
 *
 * Parsers take exactly one quantity, no sign, no blanks, no exponent, whatever the locale is. They
 * return 0, -EINVAL (not a quantity) or -ERANGE (too large), and leave *ret alone on failure.
 * Formatters fill a buffer of UNITS_TEXT_MAX bytes and return it; a figure that is not known (NAN)
 * is "?". Bytes are binary: 1 KiB = 1024 B.
 */
#ifndef USER_LIB_UNITS_H
#define USER_LIB_UNITS_H

#include <stdint.h>

#define UNITS_TEXT_MAX	       48
#define UNITS_DURATION_SEC_MAX (10.0 * 366 * 86400)

/* "20s", "1h30m", "1.5h", "500ms", "2d"; a bare number is seconds. */
int units_duration_parse(const char *s, double *ret_sec);
/* "1%" or "0.01" → 0.01; at most 100 %. */
int units_share_parse(const char *s, double *ret_share);
/* "256MiB", "256M", "268435456"; whole numbers up to 2^50. */
int units_bytes_parse(const char *s, uint64_t *ret_bytes);

char *units_duration_format(char buf[UNITS_TEXT_MAX], double sec); /* "3 min 20 s" */
char *units_bytes_format(char buf[UNITS_TEXT_MAX], double bytes); /* "12.3 MiB" */
char *units_share_format(char buf[UNITS_TEXT_MAX], double share); /* "99.9 %" */
char *units_count_format(char buf[UNITS_TEXT_MAX], double count); /* "181,204" */
/* "+1.21 MiB/s ±0.03", both in the unit of the larger one; `plus_minus` is "±" or "+-". */
char *units_rate_format(char buf[UNITS_TEXT_MAX], double bytes_per_sec, double error,
			const char *plus_minus);

#endif
