/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/config_internal.h — what config.c (files, and where a mistake is) and config_value.c
 * (keys and their values) share. */
#ifndef USER_DAEMON_CONFIG_INTERNAL_H
#define USER_DAEMON_CONFIG_INTERNAL_H

#include <stddef.h>

#include "daemon/config.h"

#define CONFIG_KEYS 14

struct config_key {
	const char *name;
	/* 0, -ENOMEM, or -EINVAL: `why` says what it is not. */
	int (*set)(void *ret, const char *text, double min, double max, struct strbuf *why);
	size_t at; /* in struct config */
	double min, max;
	bool is_secret; /* may hold a password: its value is in no message */
};

extern const struct config_key config_keys[CONFIG_KEYS];

#endif
