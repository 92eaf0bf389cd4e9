/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/loop.h — wait for the clock, the kernel, signals and questions, until it is time to
 * go. */
#ifndef USER_DAEMON_LOOP_H
#define USER_DAEMON_LOOP_H

#include "daemon/pipeline.h"
#include "daemon/roster.h"
#include "daemon/setup.h"

enum loop_end {
	LOOP_END_TIME = 0, /* --for has passed */
	LOOP_END_SIGNAL, /* SIGINT or SIGTERM */
	LOOP_END_ALONE, /* --for, and no process is left to watch */
	LOOP_END_MAX
};

/* Blocks SIGINT, SIGTERM and SIGHUP for good: from here on they end the loop (SIGHUP: make a server
 * read its config anew), also when they came before it
 * began. Call before the first site goes on. */
int loop_signals(void);

/* Runs until the end; a server (for_sec 0) answers on its socket meanwhile. The sites are off when
 * it returns, and the last tick has been made. 0 or -errno, logged. */
int loop_run(struct setup *setup, struct pipeline *p, struct roster *roster, enum loop_end *ret_end,
	     double *ret_elapsed_sec);

#endif
