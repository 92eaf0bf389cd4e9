/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/config.h — what /etc/pygrowd/pygrowd.conf and its drop-ins say, checked.
 *
 *   pygrowd.conf ─► pygrowd.conf.d/10-web.conf ─► 20-db.conf       a later file's key wins, a later
 *                                                                  section replaces its namesake
 * All or nothing: one bad line, and nothing of it is taken, so that a daemon that is told to reload
 * goes on with what it has. Keys have the names of the command line's flags; deploy/pygrowd.conf is
 * their manual. The syntax is libconfuse's, less what surprises: text is what is written, the
 * environment is not looked at (${HOME} is refused, but within single quotes, where it is these
 * seven characters), no file includes another, a backslash in double quotes is \\ or \" or an
 * error, strings end on their line, # begins the only kind of comment.
 *
 * Limits: CONFIG_*_MAX below, RULES_* of rules.h; beyond them it is refused, not cut. Links are
 * followed; /dev/null is an empty file, so a drop-in linked there is off; what else is not a
 * regular file is refused.
 * Not for two threads at once: libconfuse's scanner is global.
 */
#ifndef USER_DAEMON_CONFIG_H
#define USER_DAEMON_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/policy.h"
#include "lib/strbuf.h"
#include "report/history.h"
#include "target/rules.h"

#define CONFIG_PATH		     "/etc/pygrowd/pygrowd.conf"
#define CONFIG_FILE_BYTES_MAX	     (256u << 10)
#define CONFIG_DROPINS_MAX	     64
#define CONFIG_PATH_BYTES_MAX	     1024 /* of a path that is named in it */
#define CONFIG_SOCKET_BYTES_MAX	     107 /* what fits into a socket's address */
#define CONFIG_HISTORY_BYTES_DEFAULT (256ull << 20)
#define CONFIG_HISTORY_BYTES_MAX     (1ull << 40)

/* Of the command line's flags as well. Shorter intervals measure us, longer ones are no "rate" any
 * more. */
#define CONFIG_INTERVAL_SEC_MIN	 0.1
#define CONFIG_INTERVAL_SEC_MAX	 3600.0
/* Less than that sees nothing, more is no budget. */
#define CONFIG_OVERHEAD_MIN	 0.0001
#define CONFIG_OVERHEAD_MAX	 0.5
#define CONFIG_HOST_OVERHEAD_MAX 1.0

/* What is shorter than the shortest span of detect_internal.h cannot be judged; where less is known
 * a rise must last for four times as long, and the longest span is 28.8 h. */
#define CONFIG_ALERT_AFTER_MIN	720.0
#define CONFIG_ALERT_AFTER_MAX	25200.0
#define CONFIG_ALERT_GROWTH_MIN 1024.0
#define CONFIG_ALERT_GROWTH_MAX 0x1p40
#define CONFIG_ALERT_RATE_MIN	1.0 /* a second: 30 MiB a year */
#define CONFIG_ALERT_RATE_MAX	0x1p30
#define CONFIG_ALERT_SCALE_MIN	0.001
#define CONFIG_ALERT_ARGS_MAX	32 /* words of alert-exec */
#define CONFIG_ALERT_TEXT_MAX	2048 /* bytes of alert-exec, and of an URL */

/* As in struct history_options. 0: not set. */
struct config_history {
	uint64_t max_bytes;
	struct history_level levels[HISTORY_LEVELS];
};

/* When a stack is a leak (see struct detect_limits), and who is told. 0 or NULL: not set. */
struct config_alert {
	struct policy_thresholds thresholds; /* where no section says otherwise */
	double scale; /* of all times */
	char *exec; /* program and arguments, blanks between: config_words_split */
	char *webhook, *alertmanager; /* URLs */
};

/* {0} is an empty one. A key that no file sets is 0 or NULL: a flag wins over what is set, and that
 * over the default. */
struct config {
	double interval_sec;
	double overhead, host_overhead; /* as in struct options */
	char *socket, *state; /* absolute paths */
	char *metrics; /* "ADDR:PORT", "[ADDR]:PORT", or "off" */
	struct config_history history;
	struct config_alert alert;
	struct rules *rules; /* these two: there after config_load(), if only without a section */
	struct policy *policy;
};

/* Reads `path` and, in the order of their names' bytes, the files *.conf in the directory `path`.d,
 * if there is one (names that begin with "." are left out). On success what *ret held before is
 * freed; on failure *ret is untouched and `why` has one line, with file and line number if it is
 * about one. -EINVAL: what is written there is wrong; other errors: a file could not be read.
 * is_named: somebody asked for this file, so it must be there; a default one need not. */
int config_load(const char *path, bool is_named, struct config *ret, struct strbuf *why);
/* Cuts `text` at its blanks: words in *ret, NULL behind the last one. How many; what is more than
 * CONFIG_ALERT_ARGS_MAX is left out, but counted. */
size_t config_words_split(char *text, char *ret[CONFIG_ALERT_ARGS_MAX + 1]);
/* Leaves an empty one. */
void config_done(struct config *c);

#endif
