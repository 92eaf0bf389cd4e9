/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/config_internal.h — what the files behind config.h share.
 *
 *   config.c          files: which, what is let through, what libconfuse makes of it
 *   config_section.c  include NAME { … }, and its like
 *   config_value.c    keys and their values
 *   config_reader.c   who reads, and the first mistake
 */
#ifndef USER_DAEMON_CONFIG_INTERNAL_H
#define USER_DAEMON_CONFIG_INTERNAL_H

#include <confuse.h>
#include <stddef.h>

#include "daemon/config.h"

#define CONFIG_KEYS	       15
#define CONFIG_SECTION_KEYS    (RULES_KEY_MAX + 3) /* of one kind of section, at most */
#define CONFIG_SECTION_OPTIONS (1 + CONFIG_SECTION_KEYS + 1)
#define CONFIG_MESSAGE_MAX     512 /* longer ones are cut */
#define CONFIG_SEE_MANUAL      "pygrowd.conf(5) has the syntax and all keys"

struct config_key {
	const char *name;
	/* 0, -ENOMEM, or -EINVAL: `why` says what it is not. */
	int (*set)(void *ret, const char *text, double min, double max, struct strbuf *why);
	size_t at; /* in struct config */
	double min, max;
	bool is_secret; /* may hold a password: its value is in no message */
};

extern const struct config_key config_keys[CONFIG_KEYS];

struct config_reader {
	struct config *config; /* is made here */
	const char *path; /* of the file that is read now */
	unsigned int seen; /* keys of this file: bits by their index in config_keys */
	unsigned int section_seen; /* likewise, of this section */
	struct policy_section section; /* that is read now; of includes and excludes, its rule */
	struct strbuf *why;
	int error; /* the first one; its words are in `why` */
};

/* One line; the first one counts. line: 0 if it is about the file. The text may hold anything that
 * was in the file; of -ENOMEM there is no more to say. */
int config_fail(struct config_reader *r, int error, int line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* What its callbacks are called with has the reader; each list of options begins with
 * config_self().
 */
struct config_reader *config_reader_of(const cfg_t *cfg);
cfg_opt_t config_self(struct config_reader *r);
cfg_opt_t config_option(const char *name, cfg_validate_callback_t on_value);
/* Sections of that kind; their options are written into `opts`, which must live as long. */
cfg_opt_t config_section(struct config_reader *r, enum rules_kind kind,
			 cfg_opt_t opts[CONFIG_SECTION_OPTIONS]);

#endif
