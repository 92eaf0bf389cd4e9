/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/check.h — `pygrowd --check`: could it run here, so configured, on these processes?
 *
 *	ok	it is as it has to be
 *	warn	it could run, but not all of it: what is missing, and what to do
 *	fail	it could not run: the same
 */
#ifndef USER_DAEMON_CHECK_H
#define USER_DAEMON_CHECK_H

#include "daemon/setup.h"

/* Reads the configuration into `s`, whose flags are set. Prints a line per thing tested on stdout;
 * attaches nothing to a target, and leaves no file. EXIT_SUCCESS: no line is a "fail". */
int check_run(struct setup *s);

#endif
