/* SPDX-License-Identifier: GPL-2.0-only */
/* bpf/pause.bpf.h — which class of pgd_gc_generation.pauses is a pause of? See pgd_abi.h; also
 * compiles on the host, where user/growth/pause.c says what a class stands for.
 */
#ifndef BPF_PAUSE_BPF_H
#define BPF_PAUSE_BPF_H

#include "pgd_abi.h"

#define PAUSE_FIRST_POWER 10 /* 1024 ns */

static inline __u32 pause_class(__u64 ns)
{
	__u32 power = 0, class;
	__u64 rest = ns;

	/* The highest bit, by halves: BPF has no instruction for that. */
	for (__u32 step = 32; step; step >>= 1) {
		if (rest >> step) {
			rest >>= step;
			power += step;
		}
	}
	if (power < PAUSE_FIRST_POWER)
		return 0;
	class = 1 + (power - PAUSE_FIRST_POWER) * 4 + ((ns >> (power - 2)) & 3);
	return class < PGD_GC_PAUSES ? class : PGD_GC_PAUSES - 1;
}

#endif
