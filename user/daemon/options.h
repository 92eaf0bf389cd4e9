/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/options.h — pygrowd's command line, checked. */
#ifndef USER_DAEMON_OPTIONS_H
#define USER_DAEMON_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "daemon/config.h"
#include "target/rules.h"

#define OPTIONS_PIDS_MAX      64
#define OPTIONS_STATE	      "/var/lib/pygrowd"
#define OPTIONS_INTERVAL_SEC  10.0
#define OPTIONS_OVERHEAD      0.01
#define OPTIONS_HOST_OVERHEAD 0.1

struct options {
	pid_t pids[OPTIONS_PIDS_MAX];
	size_t n_pids; /* 0: all processes that the config and `match` let in */
	const char *match; /* regular expression: command lines that are let in; NULL: all */
	const char *config; /* NULL: the default one, if it is there */
	double interval_sec;
	double for_sec; /* 0: run as a server */
	double overhead; /* what watching may cost: share of each process's CPU time, */
	double host_overhead; /* and of one core, all processes together. Not with `exact` */
	bool exact, json, check;
	const char *socket, *state;
	const char *metrics; /* "ADDR:PORT" or "off" */
};

/* Prints what is wrong as one line and exits 2 on wrong usage; exits 0 after --help, --version.
 * What was not given is 0 or NULL. */
void options_parse(struct options *o, int argc, char **argv);

/* What is in force: a flag wins over the config, that over the default. Strings stay theirs. */
void options_settle(struct options *o, const struct options *flags, const struct config *config);
/* The rule that --match stands for, in place of the config's. 0, or -errno with one sentence in
 * `why`. */
int options_match_rules(const char *match, struct rules **ret, struct strbuf *why);

#endif
