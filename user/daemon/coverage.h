/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/coverage.h — what share of an interpreter's blocks do its sites see?
 *
 * Proven, not believed: a child of the same binary makes and drops objects of many kinds and says
 * how many blocks its own allocator counted; the sites must have seen as many. Once per build-id,
 * remembered under the state directory.
 */
#ifndef USER_DAEMON_COVERAGE_H
#define USER_DAEMON_COVERAGE_H

#include "daemon/watch.h"

/* Sets w->coverage_allocs and w->coverage_frees (shares, 1 is all), or w->coverage_why: what kept
 * it from being measured. Takes some tenths of a second the first time. Nothing is done to w's
 * process. */
void coverage_measure(struct probes *p, const struct watch_options *o, struct watch *w);

/* As whom it runs the interpreter of `pid`: the owner of /proc/PID; but nobody (65534) in place of
 * a root that is not the host's, whose root directory and user namespace are those of PID 1 or
 * ours. */
void coverage_user(const struct procfs *fs, pid_t pid, uid_t *ret_uid, gid_t *ret_gid);

#endif
