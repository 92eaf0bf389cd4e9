/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/check.h — `pygrowd --check`: could it run here, and on these processes? */
#ifndef USER_DAEMON_CHECK_H
#define USER_DAEMON_CHECK_H

#include "daemon/options.h"

/* Prints a line per thing tested on stdout; attaches nothing to a target. An exit status. */
int check_run(const struct options *o);

#endif
