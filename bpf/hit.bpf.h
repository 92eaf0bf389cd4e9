/* SPDX-License-Identifier: GPL-2.0-only */
/* bpf/hit.bpf.h — from a trap at a site to the steps that follow: who, which block, which stack. */
#ifndef BPF_HIT_BPF_H
#define BPF_HIT_BPF_H

#include "kernel.bpf.h"
#include "maps.bpf.h"
#include "pywalk.bpf.h"
#include "sample.bpf.h"
#include "scratch.bpf.h"
#include "account.bpf.h"
#include "window.bpf.h"

/* A hit from an address space that we do not know: the first hit of all, the target after exec, or
 * a child that inherited its parent's breakpoints. Only the first is ours to look at. */
static __always_inline bool hit_is_first(struct pgd_target *t, struct task_struct *task, __u64 mm)
{
	__u64 start_ns = task->group_leader->start_boottime;

	if (start_ns / PGD_TICK_NS != t->start_ticks)
		return false;
	if (t->mm)
		t->state = PGD_TARGET_EXECED;
	else
		t->mm = mm;
	return t->state == PGD_TARGET_WATCHED;
}

/* The target of a hit, or NULL if there is none. */
static __always_inline struct pgd_target *hit_target(__u32 slot)
{
	struct pgd_target *t = bpf_map_lookup_elem(&pgd_targets, &slot);
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 mm = (__u64)task->mm;

	if (!t || t->state != PGD_TARGET_WATCHED || (t->mm != mm && !hit_is_first(t, task, mm)))
		return NULL;
	return t;
}

/* The running thread's Python stack into s->event.
 * verifier: a function of its own with a global name is checked once, for all arguments, and not
 * again on every path that leads to it (inlined: over a million steps; so: see `make insns`). */
__noinline int hit_walk(struct scratch *s, __u32 slot)
{
	const struct pgd_target *t = bpf_map_lookup_elem(&pgd_targets, &slot);

	if (!s || !t)
		return 0;
	pywalk_frames(&t->py, scratch_thread(s, t, slot), &s->walk, &s->event);
	scratch_note(s, slot);
	return 0;
}

/* Is the block at an allocation site news? Behind PyMem_Realloc it is if libc moved it; a pool's
 * block there was seen at its own site. *ret_before: the block that realloc made it of. */
static __always_inline bool hit_is_news(__u32 how, struct resizing *ret_before)
{
	struct resizing *before;
	__u32 tid;

	if (how == PGD_HOW_POOL)
		return true;
	tid = (__u32)bpf_get_current_pid_tgid();
	before = bpf_map_lookup_elem(&pgd_resizing, &tid);
	if (!before)
		return how == PGD_HOW_CHUNK;
	*ret_before = *before; /* read before the delete: the row may be reused at once */
	bpf_map_delete_elem(&pgd_resizing, &tid);
	return true;
}

static __always_inline int hit_alloc(struct pt_regs *regs, __u64 cookie)
{
	__u32 slot = PGD_COOKIE_SLOT(cookie), how = PGD_COOKIE_HOW(cookie);
	__u32 lane = how == PGD_HOW_POOL ? PGD_LANE_POOL : PGD_LANE_CHUNK;
	__u64 block = sample_block(regs, cookie), bytes;
	struct pgd_hits *hits = bpf_map_lookup_elem(&pgd_hits, &slot);
	struct pgd_target *t = hit_target(slot);
	struct resizing before = {};
	struct scratch *s;

	if (!hits || !t)
		return 0;
	__sync_fetch_and_add(&hits->alloc, 1);
	if (t->mode == PGD_MODE_WINDOWS)
		window_rare(cookie);
	if (!hit_is_news(how, &before) || !block)
		return 0;
	if (t->mode == PGD_MODE_WINDOWS)
		return window_alloc(t, cookie, block, lane, before.block);
	window_trip(slot);
	if (!sample_is_wanted(t))
		return 0;
	bytes = sample_bytes(t, block, lane);
	if (!bytes) {
		counter_add(slot,
			    lane == PGD_LANE_POOL ? PGD_COUNTER_BAD_POOL : PGD_COUNTER_BAD_CHUNK);
		return 0;
	}
	s = scratch_claim();
	if (!s) {
		counter_add(slot, PGD_COUNTER_SCRATCH_BUSY);
		return 0;
	}
	hit_walk(s, slot);
	account_alloc(&s->event, block, bytes, lane, &before.was);
	scratch_release(s);
	return 0;
}

/* This thread will get a block back from realloc, in place of this one. */
static __always_inline void hit_resizing(const struct resizing *before)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();

	bpf_map_update_elem(&pgd_resizing, &tid, before, BPF_ANY);
}

/* *ret: what it was, if it was followed. */
static __always_inline void hit_take_back(struct pgd_target *t, __u64 cookie, __u64 block,
					  struct pgd_live *ret)
{
	__u32 slot = PGD_COOKIE_SLOT(cookie);

	code_forget(slot, block);
	if (t->mode == PGD_MODE_WINDOWS) {
		window_free(cookie, block);
		return;
	}
	window_trip(slot);
	account_free(slot, block, ret);
}

static __always_inline int hit_free(struct pt_regs *regs, __u64 cookie)
{
	__u32 slot = PGD_COOKIE_SLOT(cookie);
	__u64 block = sample_block(regs, cookie);
	struct pgd_hits *hits = bpf_map_lookup_elem(&pgd_hits, &slot);
	struct pgd_target *t = hit_target(slot);
	struct resizing gone = { .block = block };

	if (!hits || !t)
		return 0;
	__sync_fetch_and_add(&hits->free, 1);
	if (t->mode == PGD_MODE_WINDOWS)
		window_rare(cookie);
	if (block)
		hit_take_back(t, cookie, block, &gone.was);
	if (PGD_COOKIE_HOW(cookie) == PGD_HOW_REALLOC)
		hit_resizing(&gone);
	return 0;
}

/* Only how often: what a site's real rate is, at the price of the bare trap. */
static __always_inline int hit_count(struct pt_regs *regs, __u64 cookie)
{
	__u32 slot = PGD_COOKIE_SLOT(cookie);
	struct pgd_hits *hits = bpf_map_lookup_elem(&pgd_hits, &slot);

	if (!hits || !hit_target(slot))
		return 0;
	__sync_fetch_and_add(&hits->counted, 1);
	if (window_is_counting(slot) && sample_block(regs, cookie))
		window_count(&pgd_gate.allocs, PGD_COOKIE_SITE(cookie));
	return 0;
}

#endif
