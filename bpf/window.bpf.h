/* SPDX-License-Identifier: GPL-2.0-only */
/* bpf/window.bpf.h — what a hit does in a target that is observed through windows.
 *
 *   gate SAMPLE:  block taken ─► row of pgd_samples ─► leaf ─► [suspect, or by chance: the stack]
 *                 block given back, or taken again ─► its row is empty
 *   gate COUNT:   one more for this site, and nothing else: what is the target's real speed?
 *   gate SHUT:    block given back, or taken again ─► its row is empty, its pgd_live row is gone
 *   any:          block taken at a rare site ─► stack ─► pgd_births
 *
 * The sites of a window go on and come off one by one; only what happens while the gate is not shut
 * is counted, so that samples and the time that they stand for begin and end together.
 */
#ifndef BPF_WINDOW_BPF_H
#define BPF_WINDOW_BPF_H

#include "kernel.bpf.h"
#include "account.bpf.h"
#include "gcstate.bpf.h"
#include "maps.bpf.h"
#include "pywalk.bpf.h"
#include "sample.bpf.h"
#include "scratch.bpf.h"

/* The row of this block, if it has one; else a free one; else somebody else's. */
static __always_inline struct pgd_sample *window_row(__u64 block)
{
	__u64 at = ((block >> 4) * 0x9e3779b97f4a7c15ULL) >> 32;
	struct pgd_sample *row = &pgd_samples[at & (PGD_SAMPLES_MAX - 1)];
	struct pgd_sample *other = &pgd_samples[(at ^ 1) & (PGD_SAMPLES_MAX - 1)];

	return row->block == block || (!row->block && other->block != block) ? row : other;
}

/* This block changes hands: whoever was sampled there is dead. */
static __always_inline void window_bury(__u32 slot, __u64 block)
{
	__u64 key = PGD_BLOCK_KEY(slot, block);
	struct pgd_sample *row = window_row(block);

	if (pgd_gate.slot == slot && row->block == block)
		row->block = 0;
	if (bpf_map_lookup_elem(&pgd_live, &key))
		bpf_map_delete_elem(&pgd_live, &key);
}

/* One more hit of the open window. */
static __always_inline void window_count(__u64 *hits, __u32 site)
{
	__u64 window = pgd_gate.window;

	__sync_fetch_and_add(&pgd_site_hits[site & (PGD_SITES_MAX - 1)], 1);
	__sync_fetch_and_add(hits, 1);
	if (pgd_gate.allocs + pgd_gate.frees >= pgd_gate.hits_max && !pgd_gate.told &&
	    !__sync_lock_test_and_set(&pgd_gate.told, 1))
		bpf_ringbuf_output(&pgd_over, &window, sizeof(window), BPF_RB_FORCE_WAKEUP);
}

static __always_inline bool window_is_counting(__u32 slot)
{
	return pgd_gate.slot == slot && pgd_gate.state == PGD_GATE_COUNT;
}

static __always_inline bool window_is_sampling(__u32 slot)
{
	return pgd_gate.slot == slot && pgd_gate.state == PGD_GATE_SAMPLE &&
	       bpf_ktime_get_ns() <= pgd_gate.deadline_ns;
}

/* Sites that are always on have a number of hits; the daemon takes them off when it is used up. */
static __always_inline void window_trip(__u32 slot)
{
	struct pgd_trip *trip = &pgd_trips[slot & (PGD_TARGETS_MAX - 1)];
	struct pgd_birth birth = { .what = PGD_BIRTH_TRIP, .slot = slot };

	if (__sync_fetch_and_add(&trip->left, -1) > 0 || trip->told)
		return;
	trip->told = 1;
	if (bpf_ringbuf_output(&pgd_births, &birth, sizeof(birth), BPF_RB_FORCE_WAKEUP))
		trip->told = 0;
}

/* A rare site was passed. Which ones cost most, if they cost too much? */
static __always_inline void window_rare(__u64 cookie)
{
	__u32 slot = PGD_COOKIE_SLOT(cookie), site = PGD_COOKIE_SITE(cookie);

	if (!PGD_COOKIE_IS_RARE(cookie))
		return;
	__sync_fetch_and_add(&pgd_rare_hits[slot * PGD_SITES_MAX + site], 1);
	window_trip(slot);
}

/* The innermost frame into s->leaf, and the whole stack into s->event if the leaf is suspect or
 * chance wants it; s->walk says which. `always`: the whole stack.
 * verifier: a global function, see hit_walk. */
__noinline int window_walk(struct scratch *s, __u32 slot, __u32 always)
{
	const struct pgd_target *t = bpf_map_lookup_elem(&pgd_targets, &slot);
	__u64 leaf = 0;
	__u32 walk = PGD_WALK_LEAF;

	if (!s || !t)
		return 0;
	pywalk_begin(&t->py, scratch_thread(s, t, slot), &s->walk, &s->event);
	pywalk_leaf(&t->py, &s->walk, &s->event);
	if (s->event.n_frames)
		leaf = pywalk_leaf_hash(&s->event.frames[0]);
	if (always || pgd_suspects[leaf & (PGD_SUSPECTS_MAX - 1)])
		walk = PGD_WALK_SUSPECT;
	else if (pgd_gate.walk_of <= 1 || bpf_get_prandom_u32() % pgd_gate.walk_of == 0)
		walk = PGD_WALK_CHANCE;
	if (walk != PGD_WALK_LEAF) {
		pywalk_rest(&t->py, &s->walk, &s->event);
		scratch_note(s, slot);
	}
	s->leaf = leaf;
	s->walked = walk;
	return 0;
}

/* Walk, and make the stack known. 0: *ret says all but the block. */
static __always_inline int window_take(__u32 slot, __u32 always, struct pgd_sample *ret)
{
	struct scratch *s = scratch_claim();
	struct pgd_stack_total *total;

	if (!s) {
		counter_add(slot, PGD_COUNTER_SCRATCH_BUSY);
		return -EBUSY;
	}
	window_walk(s, slot, always);
	ret->leaf = s->leaf;
	ret->walk = s->walked;
	ret->stack = 0;
	if (s->walked != PGD_WALK_LEAF) {
		total = account_stack(&s->event.key);
		if (total) {
			account_announce(total, &s->event);
			__sync_fetch_and_add(&total->alloc_blocks, 1);
			ret->stack = s->event.key.hash;
		} else {
			counter_add(slot, PGD_COUNTER_STACKS_FULL);
		}
	}
	scratch_release(s);
	return 0;
}

static __always_inline void window_log(const struct pgd_sample *sample)
{
	__u64 i = __sync_fetch_and_add(&pgd_gate.walked, 1);
	struct pgd_walked *to = &pgd_walked[i & (PGD_WALKED_MAX - 1)];

	if (i >= PGD_WALKED_MAX)
		return;
	to->stack = sample->stack;
	to->bytes = sample->bytes;
	to->site = sample->site;
	to->walk = sample->walk;
	to->epoch = sample->epoch;
}

static __always_inline void window_sample(__u64 cookie, __u64 block, __u64 bytes, __u32 lane)
{
	__u32 slot = PGD_COOKIE_SLOT(cookie);
	struct pgd_sample *row = window_row(block);
	struct pgd_sample sample = { .bytes = (__u32)bytes, .lane = lane };

	if (row->block && row->block != block) {
		__sync_fetch_and_add(&pgd_gate.crowded, 1);
		return;
	}
	if (window_take(slot, 0, &sample))
		return;
	row->stack = sample.stack;
	row->leaf = sample.leaf;
	row->bytes = sample.bytes;
	row->site = PGD_COOKIE_SITE(cookie);
	row->lane = sample.lane;
	row->walk = sample.walk;
	row->epoch = (__u8)gcstate_trip(slot)->begun;
	row->block = block;
	__sync_fetch_and_add(&pgd_gate.sampled, 1);
	if (sample.walk != PGD_WALK_LEAF)
		window_log(row);
}

static __always_inline void window_birth(__u64 cookie, __u64 block, __u64 bytes, __u32 lane,
					 __u64 made_of)
{
	__u32 slot = PGD_COOKIE_SLOT(cookie);
	struct pgd_birth birth = {
		.what = PGD_BIRTH_BLOCK,
		.slot = slot,
		.sample = { .block = block,
			    .bytes = (__u32)bytes,
			    .site = PGD_COOKIE_SITE(cookie),
			    .lane = lane },
		.made_of = made_of,
	};

	if (window_take(slot, 1, &birth.sample))
		return;
	if (bpf_ringbuf_output(&pgd_births, &birth, sizeof(birth), 0))
		counter_add(slot, PGD_COUNTER_BIRTH_FULL);
}

/* made_of: the block that realloc made it of; 0: it is new. */
static __always_inline int window_alloc(const struct pgd_target *t, __u64 cookie, __u64 block,
					__u32 lane, __u64 made_of)
{
	__u32 slot = PGD_COOKIE_SLOT(cookie);
	bool is_rare = PGD_COOKIE_IS_RARE(cookie), is_sampling = window_is_sampling(slot);
	__u64 bytes;

	if (is_sampling)
		window_count(&pgd_gate.allocs, PGD_COOKIE_SITE(cookie));
	code_forget(slot, block);
	window_bury(slot, block); /* taken again: whoever was sampled here is dead */
	if (!is_sampling && !is_rare)
		return 0;
	bytes = sample_bytes(t, block, lane);
	if (!bytes) {
		counter_add(slot,
			    lane == PGD_LANE_POOL ? PGD_COUNTER_BAD_POOL : PGD_COUNTER_BAD_CHUNK);
		return 0;
	}
	if (bytes > 0xffffffffULL)
		bytes = 0xffffffffU;
	if (is_rare && pgd_trips[slot & (PGD_TARGETS_MAX - 1)].is_off)
		counter_add(slot, PGD_COUNTER_BIRTH_OFF);
	else if (is_rare)
		window_birth(cookie, block, bytes, lane, made_of);
	else
		window_sample(cookie, block, bytes, lane);
	return 0;
}

static __always_inline int window_free(__u64 cookie, __u64 block)
{
	__u32 slot = PGD_COOKIE_SLOT(cookie);

	if (window_is_sampling(slot))
		window_count(&pgd_gate.frees, PGD_COOKIE_SITE(cookie));
	window_bury(slot, block);
	return 0;
}

#endif
