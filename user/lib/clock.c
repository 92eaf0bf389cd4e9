/* SPDX-License-Identifier: GPL-2.0-only */
/* user/lib/clock.c — see clock.h. */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/units.h"

#define YEAR_10000_SEC 253402300800.0

uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts = { 0 };

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t clock_monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

double clock_monotonic_sec(void)
{
	return (double)clock_monotonic_ns() / 1e9;
}

double clock_realtime_sec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

char *clock_rfc3339_format(char buf[CLOCK_TEXT_MAX], double unix_sec)
{
	struct tm tm;
	int64_t ms;
	time_t t;
	size_t len;

	if (!(unix_sec >= 0 && unix_sec < YEAR_10000_SEC - 1))
		return strcpy(buf, "?");
	ms = llround(unix_sec * 1000);
	t = (time_t)(ms / 1000);
	gmtime_r(&t, &tm);
	len = strftime(buf, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + len, CLOCK_TEXT_MAX - len, ".%03dZ", (int)(ms % 1000));
	return buf;
}

/* Digits where the shape has a 0, and else what the shape has. */
static bool has_shape(const char *s, const char *shape)
{
	for (; *shape; s++, shape++)
		if (*shape == '0' ? *s < '0' || *s > '9' : *s != *shape)
			return false;
	return true;
}

/* strptime(3) lets the 30th of February pass, and timegm(3) would make the 2nd of March of it. */
static int utc_parse(const char *s, const char *format, double *ret_sec)
{
	struct tm tm = { 0 }, day;

	if (!strptime(s, format, &tm))
		return -EINVAL;
	day = (struct tm){ .tm_year = tm.tm_year, .tm_mon = tm.tm_mon, .tm_mday = tm.tm_mday };
	timegm(&day);
	if (day.tm_mday != tm.tm_mday)
		return -EINVAL;
	*ret_sec = (double)timegm(&tm);
	return 0;
}

static int rfc3339_parse(const char *s, double *ret_sec)
{
	double sec, fraction = 0, offset = 0, scale = 0.1;

	if (!has_shape(s, "0000-00-00T00:00:00") || utc_parse(s, "%Y-%m-%dT%H:%M:%S", &sec) < 0)
		return -EINVAL;
	s += strlen("0000-00-00T00:00:00");
	if (*s == '.')
		for (s++; *s >= '0' && *s <= '9'; s++, scale /= 10)
			fraction += (*s - '0') * scale;
	if ((*s == '+' || *s == '-') && has_shape(s + 1, "00:00")) {
		offset = (atoi(s + 1) * 60 + atoi(s + 4)) * 60 * (*s == '-' ? -1 : 1);
		s += strlen("+00:00");
	} else if (*s == 'Z' || *s == 'z') {
		s++;
	} else {
		return -EINVAL;
	}
	if (*s)
		return -EINVAL;
	*ret_sec = sec + fraction - offset;
	return 0;
}

int clock_date_parse(const char *s, double *ret_sec)
{
	static const char date[] = "0000-00-00";
	double sec;
	int r;

	if (has_shape(s, date) && !s[strlen(date)])
		r = utc_parse(s, "%Y-%m-%d", &sec);
	else
		r = rfc3339_parse(s, &sec);
	if (r < 0)
		return r;
	if (sec < 0 || sec >= YEAR_10000_SEC - 1)
		return -ERANGE;
	*ret_sec = sec;
	return 0;
}

int clock_moment_parse(const char *s, double now_sec, double *ret_sec)
{
	double ago;
	char *end;
	int r;

	if (*s == '-') {
		r = units_duration_parse(s + 1, &ago);
		if (r < 0)
			return r;
		*ret_sec = now_sec - ago;
		return 0;
	}
	if (*s == '@') {
		long long t;

		errno = 0;
		t = strtoll(s + 1, &end, 10);
		if (s[1] < '0' || s[1] > '9' || *end)
			return -EINVAL;
		if (errno || (double)t >= YEAR_10000_SEC)
			return -ERANGE;
		*ret_sec = (double)t;
		return 0;
	}
	return rfc3339_parse(s, ret_sec);
}
