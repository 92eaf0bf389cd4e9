/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/figure.c — see figure.h. */
#include <math.h>
#include <stdio.h>

#include "cli/figure.h"

/* Above the budget by less than this is rounding and weather, and not said. */
#define OVERHEAD_SLACK 1.05

bool figure_is_estimate(double error)
{
	return !(error <= 0);
}

/* More digits would claim more than is known. */
static double two_digits(double count)
{
	double unit = count >= 100 ? pow(10, floor(log10(count)) - 1) : 1;

	return round(count / unit) * unit;
}

void figure_live_add(struct strbuf *b, double bytes, double error, double blocks)
{
	bool is_estimate = isfinite(bytes) && figure_is_estimate(error);
	char text[UNITS_TEXT_MAX];

	strbuf_puts(b, units_bytes_format(text, bytes));
	if (is_estimate)
		strbuf_printf(b, " ±%s", units_bytes_format(text, error));
	strbuf_printf(b, " in %s%s block%s", is_estimate && blocks > 0 ? "about " : "",
		      units_count_format(text, is_estimate ? two_digits(blocks) : blocks),
		      blocks == 1 ? "" : "s");
}

const char *figure_rate_format(char buf[UNITS_TEXT_MAX], double rate, double error)
{
	return isnan(rate) ? "rate not known yet" : units_rate_format(buf, rate, error, "±");
}

static bool is_limit(double share)
{
	return share > 0 && isfinite(share);
}

const char *figure_limit_format(char buf[UNITS_TEXT_MAX], double share)
{
	if (!is_limit(share))
		return "-";
	snprintf(buf, UNITS_TEXT_MAX, "%.3g %%", share * 100);
	return buf;
}

void figure_overhead_add(struct strbuf *b, double overhead, double budget)
{
	char spent[UNITS_TEXT_MAX], limit[UNITS_TEXT_MAX];

	units_share_format(spent, overhead);
	if (!is_limit(budget)) {
		if (!isnan(overhead))
			strbuf_printf(b, "overhead %s", spent);
		return;
	}
	if (isnan(overhead))
		strbuf_printf(b, "overhead not measured yet, %s allowed",
			      figure_limit_format(limit, budget));
	else if (overhead > budget * OVERHEAD_SLACK)
		strbuf_printf(b, "overhead %s, more than the %s allowed", spent,
			      figure_limit_format(limit, budget));
	else
		strbuf_printf(b, "overhead %s of %s allowed", spent,
			      figure_limit_format(limit, budget));
}

const char *figure_age_format(char buf[UNITS_TEXT_MAX], double age_sec)
{
	double minutes = age_sec / 60;

	if (age_sec < 60)
		snprintf(buf, UNITS_TEXT_MAX, "%.3g s", age_sec);
	else if (minutes < 60)
		snprintf(buf, UNITS_TEXT_MAX, "%.3g min", minutes);
	else
		snprintf(buf, UNITS_TEXT_MAX, "%.3g h", minutes / 60);
	return buf;
}
