/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/probes_internal.h — what the files behind probes.h share.
 *
 *   probes_open.c      can this machine do it? the kernel side is loaded
 *   probes_selftest.c  does a uprobe of this method work here, and what does a trap cost?
 *   probes.c           programs, maps, slots
 *   probes_live.c      a slot's rows in the hash maps: blocks that are followed, stacks
 */
#ifndef USER_TARGET_PROBES_INTERNAL_H
#define USER_TARGET_PROBES_INTERNAL_H

#include "pgd_abi.h" /* before the skeleton, which names its types */
#include "pygrowd.skel.h"
#include "target/probes.h"

#define PROBES_SELFTEST_SLOT (PGD_TARGETS_MAX - 1)

struct probes {
	struct pygrowd_bpf *skel;
	enum window_method method;
	bool slot_used[PGD_TARGETS_MAX];
	int kernel; /* major * 100 + minor */
	int n_cpus;
	uint32_t epoch; /* the last one given out */
	int stats_fd;
	double trap_ns;
};

/* 0: a second thread's hit was seen, and p->trap_ns is set. -ENOTSUP: it was not. */
int probes_selftest(struct probes *p, enum window_method method);
/* Blocks and stacks of this slot go. */
void probes_rows_forget(struct probes *p, uint32_t slot);

#endif
