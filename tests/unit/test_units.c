/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/lib/units.c and clock.c: what people write and read. */
#include <math.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/units.h"
#include "test.h"

#define UNTOUCHED 4711.0

static void units__durations_are_parsed(void **state)
{
	static const struct {
		const char *text;
		int r;
		double want;
	} rows[] = {
		{ "20s", 0, 20 },
		{ "10m", 0, 600 },
		{ "1h30m", 0, 5400 },
		{ "1.5h", 0, 5400 },
		{ "500ms", 0, 0.5 },
		{ "2d", 0, 172800 },
		{ "3min", 0, 180 },
		{ "90", 0, 90 },
		{ "0s", 0, 0 },
		{ "", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },
		{ "-3s", -EINVAL, 0 },
		{ "3 s", -EINVAL, 0 },
		{ "3s ", -EINVAL, 0 },
		{ "1h30", -EINVAL, 0 },
		{ "inf", -EINVAL, 0 },
		{ "nan", -EINVAL, 0 },
		{ "0x10s", -EINVAL, 0 },
		{ "1e3s", -EINVAL, 0 },
		{ "1.2.3s", -EINVAL, 0 },
		{ "3 parsecs", -EINVAL, 0 },
		{ "1,5h", -EINVAL, 0 },
		{ "11000d", -ERANGE, 0 },
		{ "9999999999999999999999999999999s", -ERANGE, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		double sec = UNTOUCHED;

		assert_err(units_duration_parse(rows[i].text, &sec), rows[i].r);
		assert_true(fabs(sec - (rows[i].r ? UNTOUCHED : rows[i].want)) < 1e-9);
	}
}

static void units__shares_are_parsed(void **state)
{
	double share = UNTOUCHED;

	(void)state;
	assert_ok(units_share_parse("1%", &share));
	assert_true(fabs(share - 0.01) < 1e-12);
	assert_ok(units_share_parse("0.25", &share));
	assert_err(units_share_parse("101%", &share), -ERANGE);
	assert_err(units_share_parse("1%%", &share), -EINVAL);
	assert_true(share == 0.25);
}

static void units__quantities_are_formatted(void **state)
{
	static const struct {
		char *(*format)(char *buf, double value);
		double value;
		const char *want;
	} rows[] = {
		{ units_bytes_format, 0, "0 B" },
		{ units_bytes_format, 999, "999 B" },
		{ units_bytes_format, 1000, "0.98 KiB" },
		{ units_bytes_format, 1024 * 12.34, "12.3 KiB" },
		{ units_bytes_format, 1023.9 * 1024, "1.00 MiB" },
		{ units_bytes_format, 24.2 * 1048576, "24.2 MiB" },
		{ units_bytes_format, -24.2 * 1048576, "-24.2 MiB" },
		{ units_bytes_format, 0x1p60, "1024 PiB" },
		{ units_bytes_format, NAN, "?" },
		{ units_bytes_format, INFINITY, "?" },
		{ units_duration_format, 0, "0 ms" },
		{ units_duration_format, 0.00024, "0.2 ms" },
		{ units_duration_format, 0.35, "350 ms" },
		{ units_duration_format, 1.25, "1.2 s" },
		{ units_duration_format, 20, "20 s" },
		{ units_duration_format, 59.6, "1 min 0 s" },
		{ units_duration_format, 11520, "3 h 12 min" },
		{ units_duration_format, 187200, "2 d 4 h" },
		{ units_duration_format, -1, "?" },
		{ units_duration_format, NAN, "?" },
		{ units_share_format, 1, "100 %" },
		{ units_share_format, 0.99999, "99.9 %" },
		{ units_share_format, 0.005, "0.50 %" },
		{ units_share_format, 0, "0 %" },
		{ units_share_format, NAN, "?" },
		{ units_count_format, 0, "0" },
		{ units_count_format, 999, "999" },
		{ units_count_format, 181204, "181,204" },
		{ units_count_format, -1000, "-1,000" },
		{ units_count_format, NAN, "?" },
		{ units_count_format, 1e300, "?" },
	};
	char buf[UNITS_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_string_equal(rows[i].format(buf, rows[i].value), rows[i].want);
}

static void units__a_rate_has_its_error_in_the_same_unit(void **state)
{
	static const struct {
		double rate, error;
		const char *want;
	} rows[] = {
		{ 1.21 * 1048576, 0.03 * 1048576, "+1.21 MiB/s ±0.03" },
		{ -1.21 * 1048576, 0, "-1.21 MiB/s ±0.00" },
		{ 10, 1048576, "0.00 MiB/s ±1.00" },
		{ 0.4, 0.1, "+0.4 B/s ±0.1" },
		{ -1e-9, 0, "0.0 B/s ±0.0" },
		{ 100, NAN, "+100 B/s ±?" },
		{ NAN, 1, "?" },
	};
	char buf[UNITS_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_string_equal(units_rate_format(buf, rows[i].rate, rows[i].error, "±"),
				    rows[i].want);
	/* Whatever the figures, it stays in its buffer (the sanitizer looks). */
	units_rate_format(buf, -1e300, 1e300, "±");
}

static void clock__moments_are_written_and_read(void **state)
{
	static const struct {
		const char *text;
		int r;
		double want;
	} rows[] = {
		{ "-10m", 0, 400 },
		{ "@12", 0, 12 },
		{ "2026-01-01T00:00:00Z", 0, 1767225600 },
		{ "2026-01-01T01:30:00.5+01:30", 0, 1767225600.5 },
		{ "2026-01-01", -EINVAL, 0 },
		{ "2026-01-01T00:00:00", -EINVAL, 0 },
		{ "2026-13-01T00:00:00Z", -EINVAL, 0 },
		{ "2026-01-01T00:00:00Zx", -EINVAL, 0 },
		{ "2026-01-01T00:00:00+1", -EINVAL, 0 },
		{ "@-1", -EINVAL, 0 },
		{ "@1x", -EINVAL, 0 },
		{ "@99999999999999999999", -ERANGE, 0 },
		{ "now", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
	};
	char buf[CLOCK_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		double sec = UNTOUCHED;

		assert_err(clock_moment_parse(rows[i].text, 1000, &sec), rows[i].r);
		assert_true(fabs(sec - (rows[i].r ? UNTOUCHED : rows[i].want)) < 1e-6);
	}
	assert_string_equal(clock_rfc3339_format(buf, 1767225600.25), "2026-01-01T00:00:00.250Z");
	assert_string_equal(clock_rfc3339_format(buf, 1767225599.9999), "2026-01-01T00:00:00.000Z");
	assert_string_equal(clock_rfc3339_format(buf, NAN), "?");
	assert_string_equal(clock_rfc3339_format(buf, 1e18), "?");
	assert_true(clock_monotonic_ns() <= clock_monotonic_ns());
}

static void units__bytes_are_parsed(void **state)
{
	static const struct {
		const char *text;
		int want;
		uint64_t bytes;
	} rows[] = {
		{ "0", 0, 0 },
		{ "268435456", 0, 268435456 },
		{ "12B", 0, 12 },
		{ "256MiB", 0, 256ull << 20 },
		{ "256M", 0, 256ull << 20 },
		{ "1TiB", 0, 1ull << 40 },
		{ "1024T", 0, 1ull << 50 },
		{ "1025T", -ERANGE, 0 },
		{ "99999999999999999999999", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "MiB", -EINVAL, 0 },
		{ "1.5MiB", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "1 MiB", -EINVAL, 0 },
		{ "1mib", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t bytes = 0;
		int r = units_bytes_parse(rows[i].text, &bytes);

		if (r != rows[i].want || bytes != rows[i].bytes)
			fail_msg("%s: %d, %llu", rows[i].text, r, (unsigned long long)bytes);
	}
}

static void clock__dates_are_read(void **state)
{
	static const struct {
		const char *text;
		int r;
		double want;
	} rows[] = {
		{ "1970-01-01", 0, 0 },
		{ "2027-01-31", 0, 1801353600 },
		{ "2028-02-29", 0, 1835395200 },
		{ "2027-01-31T18:00:00+02:00", 0, 1801353600 + 16 * 3600 },
		{ "2027-01-31T00:00:00.5Z", 0, 1801353600.5 },
		{ "9999-12-31", 0, 253402214400 },
		{ "2027-02-30", -EINVAL, 0 },
		{ "2027-02-29", -EINVAL, 0 },
		{ "2027-04-31T00:00:00Z", -EINVAL, 0 },
		{ "2027-13-01", -EINVAL, 0 },
		{ "2027-00-10", -EINVAL, 0 },
		{ "2027-01-00", -EINVAL, 0 },
		{ "2027-1-5", -EINVAL, 0 },
		{ "27-01-31", -EINVAL, 0 },
		{ "2027-01-31 ", -EINVAL, 0 },
		{ " 2027-01-31", -EINVAL, 0 },
		{ "2027-01-31T00:00:00", -EINVAL, 0 },
		{ "2027-01-31T24:00:00Z", -EINVAL, 0 },
		{ "2027-01-31T00:00:00+-1:00", -EINVAL, 0 },
		{ "2027-01-31T00:00:00+0100", -EINVAL, 0 },
		{ "31.1.2027", -EINVAL, 0 },
		{ "01/31/2027", -EINVAL, 0 },
		{ "tomorrow", -EINVAL, 0 },
		{ "-10m", -EINVAL, 0 },
		{ "@1801353600", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "1969-12-31", -ERANGE, 0 },
		{ "1970-01-01T00:00:00+01:00", -ERANGE, 0 },
		{ "9999-12-31T23:59:59-01:00", -ERANGE, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		double sec = UNTOUCHED;
		int r = clock_date_parse(rows[i].text, &sec);

		if (r != rows[i].r || sec != (r ? UNTOUCHED : rows[i].want))
			fail_msg("%s: %d, %f", rows[i].text, r, sec);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(units__bytes_are_parsed),
		cmocka_unit_test(units__durations_are_parsed),
		cmocka_unit_test(units__shares_are_parsed),
		cmocka_unit_test(units__quantities_are_formatted),
		cmocka_unit_test(units__a_rate_has_its_error_in_the_same_unit),
		cmocka_unit_test(clock__moments_are_written_and_read),
		cmocka_unit_test(clock__dates_are_read),
	};

	return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
