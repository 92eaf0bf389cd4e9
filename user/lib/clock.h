/* SPDX-License-Identifier: GPL-2.0-only */
/* user/lib/clock.h — what time it is, and how a moment is written. */
#ifndef USER_LIB_CLOCK_H
#define USER_LIB_CLOCK_H

#include <stdint.h>
#include <time.h>

#define CLOCK_TEXT_MAX 40

/* 0: there is no such clock, or no more (the CPU clock of a process that has gone). */
uint64_t clock_ns(clockid_t clock);
uint64_t clock_monotonic_ns(void);
double clock_monotonic_sec(void);
double clock_realtime_sec(void); /* Unix time */

/* RFC 3339, UTC, milliseconds: "2026-03-01T12:00:00.250Z". "?" if out of the years 1970 to 9999. */
char *clock_rfc3339_format(char buf[CLOCK_TEXT_MAX], double unix_sec);
/* An RFC 3339 moment (with "Z" or an offset), "@" and Unix time, or "-10m": that long before
 * now_sec. 0, -EINVAL or -ERANGE; *ret_sec untouched then. */
int clock_moment_parse(const char *s, double now_sec, double *ret_sec);
/* A date, "2027-01-31": its first moment in UTC; or an RFC 3339 moment. 0, -EINVAL, or -ERANGE
 * (years before 1970 or after 9999); *ret_sec untouched then. */
int clock_date_parse(const char *s, double *ret_sec);

#endif
