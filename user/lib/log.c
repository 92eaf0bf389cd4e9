/* SPDX-License-Identifier: GPL-2.0-only */
/* user/lib/log.c — see log.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"

static enum log_level level_now = LOG_LEVEL_WARN;
static const char *name_now = "pygrowd";

void log_set_level(enum log_level level)
{
	level_now = level;
}

enum log_level log_level_get(void)
{
	return level_now;
}

void log_set_name(const char *name)
{
	name_now = name;
}

int log_full(enum log_level level, int err, const char *fmt, ...)
{
	/* sd-daemon(3): "<N>" at the start of a line is its syslog priority. */
	static const char *const prefix[] = { "<3>", "<4>", "<6>", "<7>" };
	char line[1024];
	va_list ap;

	if (level > level_now)
		return err;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (level == LOG_LEVEL_DEBUG) /* what happened when is what they are read for */
		fprintf(stderr, "[%10.3f] ", clock_monotonic_sec());
	fprintf(stderr, "%s%s: %s%s%s\n", getenv("JOURNAL_STREAM") ? prefix[level] : "", name_now,
		line, err ? ": " : "", err ? strerror(-err) : "");
	return err;
}
