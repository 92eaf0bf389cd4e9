/* SPDX-License-Identifier: GPL-2.0-only */
/* bpf/gcstate.bpf.h — what the interpreter itself says of its collector, read at a hit. */
#ifndef BPF_GCSTATE_BPF_H
#define BPF_GCSTATE_BPF_H

#include "kernel.bpf.h"
#include "maps.bpf.h"

#define GCSTATE_FULL (PGD_GENERATIONS - 1)

/* struct gc_generation_stats of CPython, the same in 3.8 to 3.14. */
struct gcstate_stats {
	__u64 collections;
	__u64 collected;
	__u64 uncollectable;
};

/* struct gc_generation, likewise: a list's head, and when it is due. */
struct gcstate_list {
	__u64 next, prev;
	__s32 threshold, count;
};

static __always_inline int gcstate_stats(const struct pgd_target *t, struct gcstate_stats *ret)
{
	return bpf_probe_read_user(ret, PGD_GENERATIONS * sizeof(*ret), (void *)t->gc_stats);
}

static __always_inline int gcstate_lists(const struct pgd_target *t, struct gcstate_list *ret)
{
	if (!t->gc_lists)
		return -1;
	return bpf_probe_read_user(ret, PGD_GENERATIONS * sizeof(*ret), (void *)t->gc_lists);
}

/* Which generations might a threshold start now, a bit each? The interpreter looks at the others
 * only when the youngest is over its own; the incremental collector has one step for all. */
static __always_inline __u32 gcstate_due(const struct pgd_target *t,
					 const struct gcstate_list *lists)
{
	__s32 enabled = 0;
	__u32 due = 0;

	if (bpf_probe_read_user(&enabled, sizeof(enabled), (void *)t->gc_enabled) || !enabled ||
	    !lists[0].threshold || lists[0].count <= lists[0].threshold)
		return 0;
	if (t->gc_is_incremental)
		return 1u << 1;
	for (int i = 0; i < PGD_GENERATIONS; i++)
		if (lists[i].count > lists[i].threshold)
			due |= 1u << i;
	return due;
}

/* Which generation is being collected, 1 + it? The arguments that would say so differ by version,
 * and 3.13 passes "choose". But before it looks at any object it has set its own count and those of
 * the younger ones to 0, and added one to that of the next. 0: it has not yet; where its callbacks
 * are called from the function that we probe, these may free something before. */
static __always_inline __u32 gcstate_generation(const struct pgd_gc *gc,
						const struct gcstate_list *lists)
{
	const __u32 *was = gc->started_counts;
	__u32 young = (__u32)lists[0].count, middle = (__u32)lists[1].count;
	__u32 old = (__u32)lists[2].count;

	if (middle && middle == was[1] + 1)
		return 1;
	if (!middle && old && old == was[2] + 1)
		return 2;
	if (!middle && !old && (was[1] || was[2] || young < was[0] || !was[0]))
		return 3;
	return 0;
}

static __always_inline bool gcstate_is_full(struct pgd_gc *gc, __u32 slot)
{
	const struct pgd_target *t = bpf_map_lookup_elem(&pgd_targets, &slot);
	struct gcstate_list lists[PGD_GENERATIONS] = {};

	if (gc->running_generation)
		return gc->running_generation == 1 + GCSTATE_FULL;
	if (!t || t->gc_is_incremental || gcstate_lists(t, lists))
		return false;
	gc->running_generation = gcstate_generation(gc, lists);
	return gc->running_generation == 1 + GCSTATE_FULL;
}

static __always_inline struct pgd_gc_trip *gcstate_trip(__u32 slot)
{
	return &pgd_gc_trips[slot & (PGD_TARGETS_MAX - 1)];
}

/* Is this thread inside the collector? */
static __always_inline bool gcstate_is_here(const struct pgd_gc *gc, __u32 slot)
{
	return gc->running_tid && gc->running_tid == (__u32)bpf_get_current_pid_tgid() &&
	       gc->running_phase == gcstate_trip(slot)->phase;
}

#endif
