/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/say.h — what pygrowd says to whoever started it: what it watches and at what cost,
 * the report, and whether that covers what was asked for.
 */
#ifndef USER_DAEMON_SAY_H
#define USER_DAEMON_SAY_H

#include "daemon/loop.h"
#include "daemon/options.h"
#include "daemon/pipeline.h"

/* A line on stderr; trap_us: what a trap costs here, measured. */
void say_watching(const struct options *o, const struct watch *w, double trap_us);
/* The report on stdout, from what was gathered. 0 or -errno, logged. */
int say_report(const struct options *o, const struct pipeline *p);
/* A report that covers less than was asked for says so, and is not a success: an exit status. */
int say_end(const struct options *o, enum loop_end end, double elapsed_sec);

#endif
