/* SPDX-License-Identifier: GPL-2.0-only */
/* bpf/collector.bpf.h — how often and how long did the garbage collector run, per generation?
 *
 * Which generation a run was of is not taken from the function's arguments, whose registers differ
 * by version (and 3.13 passes "choose"): the interpreter's own generation_stats are read when it
 * starts and when it is done, and the one whose count rose is it.
 */
#ifndef BPF_COLLECTOR_BPF_H
#define BPF_COLLECTOR_BPF_H

#include "kernel.bpf.h"
#include "hit.bpf.h"
#include "maps.bpf.h"

/* struct gc_generation_stats of CPython, the same in 3.8 to 3.14. */
struct generation_stats {
	__u64 collections;
	__u64 collected;
	__u64 uncollectable;
};

static __always_inline int collector_counts(const struct pgd_target *t, __u64 *counts)
{
	struct generation_stats stats[PGD_GENERATIONS] = {};

	if (!t->gc_stats || bpf_probe_read_user(stats, sizeof(stats), (void *)t->gc_stats))
		return -1;
	for (int i = 0; i < PGD_GENERATIONS; i++)
		counts[i] = stats[i].collections;
	return 0;
}

static __always_inline int collector_start(__u32 slot)
{
	struct pgd_target *t = hit_target(slot);
	struct pgd_gc *gc = bpf_map_lookup_elem(&pgd_gc, &slot);

	if (!t || !gc || collector_counts(t, gc->started_counts))
		return 0;
	gc->started_ns = bpf_ktime_get_ns();
	gc->running_tid = (__u32)bpf_get_current_pid_tgid();
	return 0;
}

static __always_inline int collector_done(__u32 slot)
{
	struct pgd_target *t = hit_target(slot);
	struct pgd_gc *gc = bpf_map_lookup_elem(&pgd_gc, &slot);
	__u64 counts[PGD_GENERATIONS] = {};
	__u64 pause_ns;

	if (!t || !gc || gc->running_tid != (__u32)bpf_get_current_pid_tgid())
		return 0;
	gc->running_tid = 0;
	pause_ns = bpf_ktime_get_ns() - gc->started_ns;
	if (collector_counts(t, counts))
		return 0;
	for (int i = 0; i < PGD_GENERATIONS; i++) {
		if (counts[i] == gc->started_counts[i])
			continue; /* not this one; none at all: a call that found nothing to do */
		gc->collections[i] += counts[i] - gc->started_counts[i];
		gc->pause_ns[i] += pause_ns;
	}
	return 0;
}

#endif
