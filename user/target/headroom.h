/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/headroom.h — how much more memory can a process take until the kernel must end
 * something?
 *
 *   its cgroup and those above it    memory.max - (memory.current - inactive_file)
 *   the host                         MemAvailable
 *
 * the least of these. File pages that nobody uses lately are given up before anything is ended, so
 * they count as free in both. cgroups of version 2 only; without them the host's limit counts.
 */
#ifndef USER_TARGET_HEADROOM_H
#define USER_TARGET_HEADROOM_H

#include <stdbool.h>
#include <sys/types.h>

#include "target/procfs.h"

#define HEADROOM_CGROUPS "/sys/fs/cgroup"

/* Bytes, 0 at least; NAN: not known, *ret_is_host untouched then. Some 20 µs. */
double headroom_bytes(const struct procfs *fs, const char *cgroups, pid_t pid, bool *ret_is_host);

#endif
