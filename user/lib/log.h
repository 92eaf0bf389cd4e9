/* SPDX-License-Identifier: GPL-2.0-only */
/* user/lib/log.h — one line to stderr per message, with journald's priority prefix under systemd.
 *
 * log_err() returns its error, so that the stage that decides can say and return at once:
 *	return log_err(r, "attach to pid %d", pid);
 * prints "pygrowd: attach to pid 12: Operation not permitted". `err` is a negative errno or 0 (no
 * errno text). The level is the one global of the project.
 */
#ifndef USER_LIB_LOG_H
#define USER_LIB_LOG_H

enum log_level {
	LOG_LEVEL_ERR = 0,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

void log_set_level(enum log_level level);
enum log_level log_level_get(void);
/* The name in front of each line; a string literal, kept by reference. Default "pygrowd". */
void log_set_name(const char *name);

int log_full(enum log_level level, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define log_err(err, ...)   log_full(LOG_LEVEL_ERR, (err), __VA_ARGS__)
#define log_warn(err, ...)  log_full(LOG_LEVEL_WARN, (err), __VA_ARGS__)
#define log_info(...)	    ((void)log_full(LOG_LEVEL_INFO, 0, __VA_ARGS__))
#define log_debug(err, ...) ((void)log_full(LOG_LEVEL_DEBUG, (err), __VA_ARGS__))

#endif
