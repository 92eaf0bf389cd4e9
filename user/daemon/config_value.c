/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/config_value.c — the keys of pygrowd.conf, and what may be their values. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config_internal.h"
#include "lib/cleanup.h"
#include "lib/units.h"
#include "report/metrics_http.h"
#include "report/sink_webhook.h"

/* Setters: 0, -ENOMEM, or -EINVAL, and `why` says what it is not. */
static int set_share(void *ret, const char *text, double min, double max, struct strbuf *why)
{
	double share;

	if (units_share_parse(text, &share) < 0 || share < min || share > max)
		return strbuf_fail(why, -EINVAL,
				   "not a share between %g %% and %g %% (examples: 1%%, 0.5%%)",
				   min * 100, max * 100);
	*(double *)ret = share;
	return 0;
}

static int set_duration(void *ret, const char *text, double min, double max, struct strbuf *why)
{
	double sec;

	if (units_duration_parse(text, &sec) < 0 || sec < min || sec > max)
		return strbuf_fail(
			why, -EINVAL,
			"not a duration between %g s and %g s (examples: 500ms, 20s, 5m)", min,
			max);
	*(double *)ret = sec;
	return 0;
}

static int set_bytes(void *ret, const char *text, double min, double max, struct strbuf *why)
{
	char from[UNITS_TEXT_MAX], to[UNITS_TEXT_MAX];
	uint64_t bytes;

	if (units_bytes_parse(text, &bytes) < 0 || (double)bytes < min || (double)bytes > max)
		return strbuf_fail(
			why, -EINVAL,
			"not a whole number of bytes between %s and %s (examples: 256MiB, 1G)",
			units_bytes_format(from, min), units_bytes_format(to, max));
	*(uint64_t *)ret = bytes;
	return 0;
}

static int set_text(void *ret, const char *text)
{
	char **at = ret, *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*at);
	*at = copy;
	return 0;
}

static int set_path(void *ret, const char *text, double min, double max, struct strbuf *why)
{
	if (*text != '/' || (double)strlen(text) < min || (double)strlen(text) > max)
		return strbuf_fail(why, -EINVAL,
				   "not a path that begins with / and has %g to %g bytes", min,
				   max);
	return set_text(ret, text);
}

static int set_address(void *ret, const char *text, double min, double max, struct strbuf *why)
{
	_cleanup_(strbuf_done) struct strbuf longer = STRBUF_INIT;

	(void)min;
	(void)max;
	if (metrics_http_check(text, &longer) < 0)
		return strbuf_fail(
			why, -EINVAL,
			"neither off nor ADDRESS:PORT in numbers (examples: " METRICS_HTTP_ADDRESS
			", [::1]:9748)");
	return set_text(ret, text);
}

static int set_levels(void *ret, const char *text, double min, double max, struct strbuf *why)
{
	(void)min;
	(void)max;
	return history_levels_parse(text, ret, why);
}

size_t config_words_split(char *text, char *ret[CONFIG_ALERT_ARGS_MAX + 1])
{
	char *rest = NULL;
	size_t n = 0;

	for (char *word = strtok_r(text, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest)) {
		if (n < CONFIG_ALERT_ARGS_MAX)
			ret[n] = word;
		n++;
	}
	ret[n < CONFIG_ALERT_ARGS_MAX ? n : CONFIG_ALERT_ARGS_MAX] = NULL;
	return n;
}

/* Whether it can be started shows when it is: a reload must not fail for a file that is gone. */
static int set_command(void *ret, const char *text, double min, double max, struct strbuf *why)
{
	_cleanup_free_ char *words = strdup(text);
	char *argv[CONFIG_ALERT_ARGS_MAX + 1];
	size_t n;

	(void)min;
	if (!words)
		return -ENOMEM;
	n = config_words_split(words, argv);
	if (!n || n > CONFIG_ALERT_ARGS_MAX || *argv[0] != '/' || (double)strlen(text) > max)
		return strbuf_fail(why, -EINVAL,
				   "not a program by its absolute path, with up to %d arguments, "
				   "blanks between, in %g bytes",
				   CONFIG_ALERT_ARGS_MAX - 1, max);
	return set_text(ret, text);
}

/* kind: enum sink_kind. */
static int set_url(void *ret, const char *text, double kind, double max, struct strbuf *why)
{
	(void)max;
	return sink_webhook_check((enum sink_kind)kind, text, why) < 0 ? -EINVAL
								       : set_text(ret, text);
}

#define AT(member) offsetof(struct config, member)

const struct config_key config_keys[CONFIG_KEYS] = {
	{ "interval", set_duration, AT(interval_sec), CONFIG_INTERVAL_SEC_MIN,
	  CONFIG_INTERVAL_SEC_MAX, false },
	{ "overhead", set_share, AT(overhead), CONFIG_OVERHEAD_MIN, CONFIG_OVERHEAD_MAX, false },
	{ "host-overhead", set_share, AT(host_overhead), CONFIG_OVERHEAD_MIN,
	  CONFIG_HOST_OVERHEAD_MAX, false },
	{ "socket", set_path, AT(socket), 2, CONFIG_SOCKET_BYTES_MAX, false },
	{ "state", set_path, AT(state), 2, CONFIG_PATH_BYTES_MAX, false },
	{ "metrics", set_address, AT(metrics), 0, 0, false },
	{ "history-max-bytes", set_bytes, AT(history.max_bytes), HISTORY_BYTES_MIN,
	  CONFIG_HISTORY_BYTES_MAX, false },
	{ "history-levels", set_levels, AT(history.levels), 0, 0, false },
	{ "alert-after", set_duration, AT(alert.thresholds.after_sec), CONFIG_ALERT_AFTER_MIN,
	  CONFIG_ALERT_AFTER_MAX, false },
	{ "alert-min-growth", set_bytes, AT(alert.thresholds.min_growth_bytes),
	  CONFIG_ALERT_GROWTH_MIN, CONFIG_ALERT_GROWTH_MAX, false },
	{ "alert-min-rate", set_bytes, AT(alert.thresholds.min_rate_bytes), CONFIG_ALERT_RATE_MIN,
	  CONFIG_ALERT_RATE_MAX, false },
	{ "alert-scale", set_share, AT(alert.scale), CONFIG_ALERT_SCALE_MIN, 1, false },
	{ "alert-exec", set_command, AT(alert.exec), 0, CONFIG_ALERT_TEXT_MAX, false },
	{ "alert-webhook", set_url, AT(alert.webhook), SINK_KIND_WEBHOOK, 0, true },
	{ "alert-alertmanager", set_url, AT(alert.alertmanager), SINK_KIND_ALERTMANAGER, 0, true },
};
