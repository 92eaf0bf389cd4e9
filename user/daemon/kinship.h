/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/kinship.h — which of the watched processes are one, so that their figures add up?
 *
 *   in a service or container      all that are in it
 *   elsewhere (login sessions …)   the topmost watched ancestor, and all who descend from it
 *
 * A prefork server is one by both. Unit names are not enough: two machines on this host may both
 * have a web.service, so the path of the cgroup decides. Pure, but for what watches say.
 */
#ifndef USER_DAEMON_KINSHIP_H
#define USER_DAEMON_KINSHIP_H

#include "daemon/watch.h"

/* The PID of one of them, the same for all that are one with `w`, which is among the watches. */
pid_t kinship_group(struct watch *const *watches, size_t n, const struct watch *w);
/* Name of its service or container, as its cgroup has it, until the watch goes; NULL: none. */
const char *kinship_service(const struct watch *w);

#endif
