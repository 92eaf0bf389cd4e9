/* SPDX-License-Identifier: GPL-2.0-only */
/* bpf/collector.bpf.h — how often and how long did the garbage collector run, per generation, and
 * what did it find?
 *
 * Which generation a run was of is not taken from the function's arguments, whose registers differ
 * by version (and 3.13 passes "choose"): the interpreter's own generation_stats are read when it
 * starts and when it is done, and the one whose count rose is it. So what is counted here is what
 * gc.get_stats() says, exactly.
 *
 * What hits cost is counted down (struct pgd_gc_trip): a program that begins to collect a thousand
 * times a second must not wait for the daemon's next look.
 */
#ifndef BPF_COLLECTOR_BPF_H
#define BPF_COLLECTOR_BPF_H

#include "kernel.bpf.h"
#include "gcstate.bpf.h"
#include "hit.bpf.h"
#include "maps.bpf.h"
#include "pause.bpf.h"
#include "witness.bpf.h"

/* A hit has cost so much. True: there was as much left, collections may be timed. */
static __always_inline bool collector_pay(__u32 slot, __s64 cost)
{
	struct pgd_birth birth = { .what = PGD_BIRTH_GC_TRIP, .slot = slot };
	struct pgd_gc_trip *trip = gcstate_trip(slot);

	if (__sync_fetch_and_add(&trip->left, -cost) > 0)
		return trip->phase & 1;
	if (trip->told || !(trip->phase & 1))
		return false;
	trip->told = 1;
	if (bpf_ringbuf_output(&pgd_births, &birth, sizeof(birth), BPF_RB_FORCE_WAKEUP))
		trip->told = 0;
	return false;
}

static __always_inline int collector_start(__u32 slot)
{
	struct pgd_target *t = hit_target(slot);
	struct pgd_gc *gc = bpf_map_lookup_elem(&pgd_gc, &slot);
	struct gcstate_list lists[PGD_GENERATIONS] = {};
	struct pgd_gc_trip *trip = gcstate_trip(slot);
	bool has_missed;

	if (!t || !gc || !t->gc_stats)
		return 0;
	gc->running_tid = 0;
	has_missed = trip->seen != trip->begun;
	trip->begun++;
	if (!collector_pay(slot, 1))
		return 0;
	if (gcstate_stats(t, (struct gcstate_stats *)gc->started_stats)) {
		counter_add(slot, PGD_COUNTER_GC_UNREADABLE);
		return 0;
	}
	gc->started_due = gcstate_lists(t, lists) ? 0 : gcstate_due(t, lists);
	for (int i = 0; i < PGD_GENERATIONS; i++)
		gc->started_counts[i] = (__u32)lists[i].count;
	gc->running_generation = 0;
	gc->running_phase = trip->phase;
	witness_start(slot, has_missed);
	gc->started_ns = bpf_ktime_get_ns();
	gc->running_tid = (__u32)bpf_get_current_pid_tgid();
	return 0;
}

static __always_inline void collector_note(struct pgd_gc_generation *g, __u64 ns, __u64 now_ns)
{
	__u32 class = pause_class(ns);

	g->pause_ns += ns;
	if (ns > g->pause_max_ns)
		g->pause_max_ns = ns;
	g->ended_ns = now_ns;
	if (class < PGD_GC_PAUSES) /* verifier: it does not know that */
		g->pauses[class]++;
}

static __always_inline int collector_done(__u32 slot)
{
	__u64 now_ns = bpf_ktime_get_ns();
	struct pgd_target *t = hit_target(slot);
	struct pgd_gc *gc = bpf_map_lookup_elem(&pgd_gc, &slot);
	struct gcstate_stats stats[PGD_GENERATIONS] = {};
	struct pgd_gc_trip *trip = gcstate_trip(slot);
	bool is_full;

	if (!t || !gc)
		return 0;
	collector_pay(slot, 1); /* what has begun is timed, too */
	if (!gcstate_is_here(gc, slot))
		return 0;
	gc->running_tid = 0;
	if (gcstate_stats(t, stats)) {
		counter_add(slot, PGD_COUNTER_GC_UNREADABLE);
		return 0;
	}
	is_full = stats[GCSTATE_FULL].collections != gc->started_stats[GCSTATE_FULL][0];
	collector_pay(slot,
		      witness_done(slot, is_full) / (trip->witnesses_a_hit ?: PGD_WITNESSES_A_HIT));
	trip->seen = trip->begun;
	trip->n_fulls += is_full;
	for (int i = 0; i < PGD_GENERATIONS; i++) {
		const __u64 *started = gc->started_stats[i];
		struct pgd_gc_generation *g = &gc->generations[i];

		if (stats[i].collections == started[0])
			continue; /* not this one; none at all: a call that found nothing to do */
		g->collections += stats[i].collections - started[0];
		g->collected += stats[i].collected - started[1];
		g->uncollectable += stats[i].uncollectable - started[2];
		if (!(gc->started_due & 1u << i))
			g->asked++;
		collector_note(g, now_ns - gc->started_ns, now_ns);
		if (i != GCSTATE_FULL)
			continue;
		gc->fulls++;
		collector_pay(slot, PGD_GC_FULL_COST);
	}
	return 0;
}

#endif
