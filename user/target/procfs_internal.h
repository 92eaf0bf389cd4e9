/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/procfs_internal.h — what the files behind procfs.h share.
 *
 *   procfs_facts.c   who is this process: all that rules ask
 *   procfs_cgroup.c  unit, service and container, by its cgroup
 *   procfs.c         its files, one by one
 */
#ifndef USER_TARGET_PROCFS_INTERNAL_H
#define USER_TARGET_PROCFS_INTERNAL_H

#include "target/procfs.h"

/* Up to n_max bytes of a file; the rest is not looked at. *ret is NUL-terminated. */
int procfs_file_read(const struct procfs *fs, pid_t pid, const char *name, size_t n_max,
		     struct strbuf *ret);

#endif
