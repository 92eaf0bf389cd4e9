/* SPDX-License-Identifier: GPL-2.0-only */
/* user/lib/units.c — see units.h. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/units.h"

struct unit {
	const char *name;
	double factor;
};

/* Longer names first where one begins with the other. */
static const struct unit durations[] = {
	{ "ms", 0.001 }, { "s", 1 }, { "min", 60 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 },
};

/* Digits with at most one point. By hand: strtod() knows "inf", "0x1p3" and the locale's comma. */
static int number_parse(const char **s, double *ret)
{
	const char *p = *s;
	double value = 0, scale = 1;
	int n_digits = 0, n_points = 0;

	for (; (*p >= '0' && *p <= '9') || (*p == '.' && !n_points); p++) {
		if (*p == '.') {
			n_points++;
			continue;
		}
		value = value * 10 + (*p - '0');
		scale *= n_points ? 10 : 1;
		n_digits++;
	}
	if (!n_digits)
		return -EINVAL;
	if (n_digits > 30)
		return -ERANGE;
	*s = p;
	*ret = value / scale;
	return 0;
}

static const struct unit *unit_parse(const char **s)
{
	for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
		if (strncmp(*s, durations[i].name, strlen(durations[i].name)) == 0) {
			*s += strlen(durations[i].name);
			return &durations[i];
		}
	}
	return NULL;
}

int units_duration_parse(const char *s, double *ret_sec)
{
	const struct unit *unit;
	double number, sum = 0;
	int r;

	do {
		r = number_parse(&s, &number);
		if (r < 0)
			return r;
		if (*s == '\0' && sum == 0) {
			sum = number;
			break;
		}
		unit = unit_parse(&s);
		if (!unit)
			return -EINVAL;
		sum += number * unit->factor;
	} while (*s);
	if (sum > UNITS_DURATION_SEC_MAX)
		return -ERANGE;
	*ret_sec = sum;
	return 0;
}

int units_share_parse(const char *s, double *ret_share)
{
	double number;
	int r;

	r = number_parse(&s, &number);
	if (r < 0)
		return r;
	if (strcmp(s, "%") == 0)
		number /= 100;
	else if (*s)
		return -EINVAL;
	if (number > 1)
		return -ERANGE;
	*ret_share = number;
	return 0;
}

int units_bytes_parse(const char *s, uint64_t *ret_bytes)
{
	static const struct {
		const char *name;
		unsigned int shift;
	} units[] = { { "", 0 },   { "B", 0 },	  { "KiB", 10 }, { "K", 10 },	{ "MiB", 20 },
		      { "M", 20 }, { "GiB", 30 }, { "G", 30 },	 { "TiB", 40 }, { "T", 40 } };
	uint64_t number = 0;
	const char *digits = s;

	for (; *s >= '0' && *s <= '9'; s++) {
		number = number * 10 + (uint64_t)(*s - '0');
		if (number > 1ull << 50)
			return -ERANGE;
	}
	for (size_t i = 0; i < ARRAY_SIZE(units) && s > digits; i++) {
		if (strcmp(s, units[i].name) == 0) {
			if (number > 1ull << (50 - units[i].shift))
				return -ERANGE;
			*ret_bytes = number << units[i].shift;
			return 0;
		}
	}
	return -EINVAL;
}

char *units_duration_format(char buf[UNITS_TEXT_MAX], double sec)
{
	uint64_t s = sec > 0 && sec < 1e15 ? (uint64_t)(sec + 0.5) : 0;

	if (!isfinite(sec) || sec < 0)
		strcpy(buf, "?");
	else if (sec < 0.9995)
		snprintf(buf, UNITS_TEXT_MAX, "%.*f ms", sec > 0 && sec < 0.00995 ? 1 : 0,
			 sec * 1000);
	else if (sec < 9.95 && fabs(sec - round(sec)) >= 0.05)
		snprintf(buf, UNITS_TEXT_MAX, "%.1f s", sec);
	else if (s < 60)
		snprintf(buf, UNITS_TEXT_MAX, "%u s", (unsigned)s);
	else if (s < 3600)
		snprintf(buf, UNITS_TEXT_MAX, "%u min %u s", (unsigned)(s / 60),
			 (unsigned)(s % 60));
	else if (s < 86400)
		snprintf(buf, UNITS_TEXT_MAX, "%u h %u min", (unsigned)(s / 3600),
			 (unsigned)(s / 60 % 60));
	else
		snprintf(buf, UNITS_TEXT_MAX, "%llu d %u h", (unsigned long long)(s / 86400),
			 (unsigned)(s / 3600 % 24));
	return buf;
}

/* The largest unit in which `bytes` is 1 or more once rounded to three digits. */
static int scale_of(double bytes)
{
	int scale = 0;

	for (bytes = fabs(bytes); bytes >= 999.5 && scale < 5; scale++)
		bytes /= 1024;
	return scale;
}

static int decimals_of(double value, int scale)
{
	value = fabs(value);
	if (scale == 0 || value >= 99.95)
		return 0;
	return value >= 9.995 ? 1 : 2;
}

static const char *const binary[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };

char *units_bytes_format(char buf[UNITS_TEXT_MAX], double bytes)
{
	int scale = scale_of(bytes);
	double value = bytes / pow(1024, scale);

	if (!isfinite(bytes))
		return strcpy(buf, "?");
	snprintf(buf, UNITS_TEXT_MAX, "%.*f %s", decimals_of(value, scale), value, binary[scale]);
	return buf;
}

char *units_rate_format(char buf[UNITS_TEXT_MAX], double bytes_per_sec, double error,
			const char *plus_minus)
{
	double larger = fmax(fabs(bytes_per_sec), isfinite(error) ? error : 0);
	int scale = scale_of(larger), decimals;
	double factor = pow(1024, scale);
	size_t len;

	if (!isfinite(bytes_per_sec))
		return strcpy(buf, "?");
	decimals = decimals_of(larger / factor, scale);
	/* A rate is seldom a whole number of bytes: 0.4 B/s is not nothing. */
	if (scale == 0 && larger < 9.95)
		decimals = 1;
	bytes_per_sec /= factor;
	if (fabs(bytes_per_sec) * pow(10, decimals) < 0.5)
		bytes_per_sec = 0; /* no "-0" */
	len = (size_t)snprintf(buf, UNITS_TEXT_MAX, "%s%.*f %s/s ", bytes_per_sec > 0 ? "+" : "",
			       decimals, bytes_per_sec, binary[scale]);
	if (len >= UNITS_TEXT_MAX)
		return buf;
	if (isfinite(error))
		snprintf(buf + len, UNITS_TEXT_MAX - len, "%s%.*f", plus_minus, decimals,
			 error / factor);
	else
		snprintf(buf + len, UNITS_TEXT_MAX - len, "%s?", plus_minus);
	return buf;
}

char *units_share_format(char buf[UNITS_TEXT_MAX], double share)
{
	double pct = share * 100;

	if (!isfinite(share))
		return strcpy(buf, "?");
	/* Rounded down just below 100 %: "100 %" is said only of all. */
	if (pct < 100 && pct >= 99.95)
		pct = 99.9;
	snprintf(buf, UNITS_TEXT_MAX, "%.*f %%", pct == 0 || pct >= 100 ? 0 : pct < 1 ? 2 : 1, pct);
	return buf;
}

char *units_count_format(char buf[UNITS_TEXT_MAX], double count)
{
	char digits[UNITS_TEXT_MAX];
	size_t n, at = 0;

	if (!isfinite(count) || fabs(count) >= 1e18)
		return strcpy(buf, "?");
	n = (size_t)snprintf(digits, sizeof(digits), "%.0f", fabs(count));
	if (count <= -0.5)
		buf[at++] = '-';
	for (size_t i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			buf[at++] = ',';
		buf[at++] = digits[i];
	}
	buf[at] = '\0';
	return buf;
}
