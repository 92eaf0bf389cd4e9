/* SPDX-License-Identifier: GPL-2.0-only */
/* user/lib/log.c — see log.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"

static enum log_level level_now = LOG_LEVEL_WARN;
static const char *name_now = "pygrowd";
static log_sink sink_now;

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

void log_set_sink(log_sink sink)
{
	sink_now = sink;
}

int log_priority(enum log_level level)
{
	static const int priority[] = { 3, 4, 6, 7 };

	return priority[level];
}

/* The variable is inherited by whoever we start with another stderr: sd-daemon(3) says to compare.
 */
bool log_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

static void to_stderr(const struct log_entry *e)
{
	if (log_is_journal())
		fprintf(stderr, "<%d>", log_priority(e->level));
	if (e->level == LOG_LEVEL_DEBUG) /* what happened when is what they are read for */
		fprintf(stderr, "[%10.3f] ", clock_monotonic_sec());
	fprintf(stderr, "%s: %s\n", e->name, e->text);
}

int log_write(const struct log_about *about, enum log_level level, int err, const char *fmt, ...)
{
	struct log_entry e = { .level = level, .err = err, .name = name_now, .about = *about };
	char text[LOG_TEXT_BYTES];
	va_list ap;
	int n;

	if (level > level_now)
		return err;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (err && n >= 0 && (size_t)n < sizeof(text))
		snprintf(text + n, sizeof(text) - (size_t)n, ": %s", strerror(-err));
	e.text = text;
	if (!sink_now || sink_now(&e) < 0)
		to_stderr(&e);
	return err;
}
