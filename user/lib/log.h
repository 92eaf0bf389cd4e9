/* SPDX-License-Identifier: GPL-2.0-only */
/* user/lib/log.h — one line per message, to stderr or to whom log_set_sink() says.
 *
 * log_err() returns its error, so that the stage that decides can say and return at once:
 *	return log_err(r, "attach to pid %d", pid);
 * prints "pygrowd: attach to pid 12: Operation not permitted". `err` is a negative errno or 0 (no
 * errno text). Level, name and sink are the only globals of the project.
 *
 * Where stderr is the journal, a line has sd-daemon(3)'s "<N>" before it. report/journal.h is the
 * sink that hands messages to journald with fields; this file needs no library, since pygrowctl
 * has it as well. Messages are cut at LOG_TEXT_BYTES.
 */
#ifndef USER_LIB_LOG_H
#define USER_LIB_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define LOG_TEXT_BYTES 1024

enum log_level {
	LOG_LEVEL_ERR = 0,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

/* MESSAGE_ID= of the journal (systemd.journal-fields(7)): a promise to scripts, in pygrowd(8). */
#define LOG_ID_STARTED	      "c28fc4024b8a49f98d064b895217cd00"
#define LOG_ID_STOPPED	      "e8d956278cb74f68ae727f85bc2173b0"
#define LOG_ID_RELOADED	      "df624dd46a2f4ce7b2800514c91429c7"
#define LOG_ID_RELOAD_REFUSED "adf799f7f2764d19b768690c27bb91b9"
#define LOG_ID_UNSUPPORTED    "82ab0c0cadce46ddb5884d02ba37fd33"
#define LOG_ID_ALERT_FIRES    "777457bddc624c898282ce2579ec3376"
#define LOG_ID_ALERT_RESOLVED "df1d0ef3189f45b0ab9f4bd84d85b85e"

#define LOG_FIELDS_MAX 8 /* of one message, besides those that all have */

/* What a message is about, besides its words. */
struct log_about {
	pid_t pid; /* the watched process; 0: none */
	const char *id; /* LOG_ID_…; NULL: none */
	const char *file, *function; /* who says it */
	int line;
	const char *const *fields; /* "NAME=value" each, for the journal only; NULL: none */
	size_t n_fields; /* those above LOG_FIELDS_MAX are left out */
};

struct log_entry {
	enum log_level level;
	int err; /* negative errno, or 0 */
	const char *name; /* of the program */
	const char *text; /* the message, with the error's text */
	struct log_about about;
};

/* Negative: it could not take it, and the message goes to stderr. */
typedef int (*log_sink)(const struct log_entry *e);

void log_set_level(enum log_level level);
enum log_level log_level_get(void);
/* The name in front of each line; a string literal, kept by reference. Default "pygrowd". */
void log_set_name(const char *name);
/* NULL: stderr. */
void log_set_sink(log_sink sink);
/* Is stderr the journal ($JOURNAL_STREAM)? */
bool log_is_journal(void);
/* syslog(3)'s. */
int log_priority(enum log_level level);

int log_write(const struct log_about *about, enum log_level level, int err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#define log_about_full(pid_, id_, level, err, ...)                 \
	log_write(&(const struct log_about){ .pid = (pid_),        \
					     .id = (id_),          \
					     .file = __FILE__,     \
					     .function = __func__, \
					     .line = __LINE__ },   \
		  level, err, __VA_ARGS__)
#define log_fields_full(pid_, id_, fields_, n_fields_, level, err, ...) \
	log_write(&(const struct log_about){ .pid = (pid_),             \
					     .id = (id_),               \
					     .file = __FILE__,          \
					     .function = __func__,      \
					     .line = __LINE__,          \
					     .fields = (fields_),       \
					     .n_fields = (n_fields_) }, \
		  level, err, __VA_ARGS__)
#define log_full(level, err, ...) log_about_full(0, NULL, level, err, __VA_ARGS__)

#define log_err(err, ...)   log_full(LOG_LEVEL_ERR, (err), __VA_ARGS__)
#define log_warn(err, ...)  log_full(LOG_LEVEL_WARN, (err), __VA_ARGS__)
#define log_info(...)	    ((void)log_full(LOG_LEVEL_INFO, 0, __VA_ARGS__))
#define log_debug(err, ...) ((void)log_full(LOG_LEVEL_DEBUG, (err), __VA_ARGS__))

#endif
