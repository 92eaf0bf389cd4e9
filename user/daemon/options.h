/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/options.h — pygrowd's command line, checked. */
#ifndef USER_DAEMON_OPTIONS_H
#define USER_DAEMON_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define OPTIONS_PIDS_MAX      64
#define OPTIONS_STATE	      "/var/lib/pygrowd"
#define OPTIONS_INTERVAL_SEC  10.0
#define OPTIONS_OVERHEAD      0.01
#define OPTIONS_HOST_OVERHEAD 0.1

struct options {
	pid_t pids[OPTIONS_PIDS_MAX];
	size_t n_pids;
	double interval_sec;
	double for_sec; /* 0: run as a server */
	double overhead; /* what watching may cost: share of each process's CPU time, */
	double host_overhead; /* and of one core, all processes together. Not with `exact` */
	bool exact, json, check;
	const char *socket, *state;
};

/* Prints what is wrong as one line and exits 2 on wrong usage; exits 0 after --help, --version. */
void options_parse(struct options *o, int argc, char **argv);

#endif
