/* SPDX-License-Identifier: GPL-2.0-only */
/* bpf/account.bpf.h — live samples per stack: plus on alloc, minus on free, apart inside the
 * collector.
 *
 * The sums live in the kernel, so that a busy process costs the daemon one batch read an interval
 * and not one event a block.
 */
#ifndef BPF_ACCOUNT_BPF_H
#define BPF_ACCOUNT_BPF_H

#include "gcstate.bpf.h"
#include "kernel.bpf.h"
#include "maps.bpf.h"

/* Before a stack changes: note what the full collections since its last change have left of it, and
 * what it held when the one that runs now began. Not each stack is touched by each collection, so
 * nobody has to walk all of them at a collection's end. */
static __always_inline void account_collections(struct pgd_stack_total *total, struct pgd_gc *gc,
						__u32 slot, bool is_in_collector)
{
	__s64 held = total->live_bytes, grown = held - total->floor_bytes;
	__u32 fulls = gc->fulls, n = fulls - total->fulls_seen;

	if (n) {
		if (!total->is_in_full && grown > 0)
			total->full_grown_bytes += grown;
		total->fulls_survived = held > 0 ? total->fulls_survived + n : 0;
		total->floor_bytes = held;
		total->is_in_full = 0;
		total->fulls_seen = fulls;
		grown = 0;
	}
	if (!is_in_collector || total->is_in_full || !gcstate_is_full(gc, slot))
		return;
	if (grown > 0)
		total->full_grown_bytes += grown;
	total->is_in_full = 1;
}

static __always_inline void account_collected(struct pgd_stack_total *total, struct pgd_gc *gc,
					      const struct pgd_live *live)
{
	__sync_fetch_and_add(&total->gc_freed_bytes, live->bytes);
	__sync_fetch_and_add(&total->gc_freed_blocks, 1);
	if (gc->running_generation == 1 + GCSTATE_FULL)
		__sync_fetch_and_add(&total->full_freed_bytes, live->bytes);
	__sync_fetch_and_add(&gc->freed_bytes, live->bytes);
	__sync_fetch_and_add(&gc->freed_blocks, 1);
}

/* Take one followed block off its stack. `slot`'s collector may be the one that frees it. */
static __always_inline void account_forget(__u32 slot, const struct pgd_live *live)
{
	struct pgd_stack_key key = { .hash = live->stack, .slot = slot };
	struct pgd_stack_total *total = bpf_map_lookup_elem(&pgd_stacks, &key);
	struct pgd_gc *gc = bpf_map_lookup_elem(&pgd_gc, &slot);
	struct pgd_hits *hits = bpf_map_lookup_elem(&pgd_hits, &slot);
	bool is_in_collector = gc && gcstate_is_here(gc, slot);

	if (hits)
		__sync_fetch_and_add(&hits->forgotten, 1);
	if (live->is_sampled)
		return; /* the daemon counts this one: the missing row tells it */
	if (!total) {
		counter_add(slot, PGD_COUNTER_STACK_GONE);
		return;
	}
	if (gc)
		account_collections(total, gc, slot, is_in_collector);
	__sync_fetch_and_add(&total->live_bytes, -(__s64)live->bytes);
	__sync_fetch_and_add(&total->live_blocks, -1);
	__sync_fetch_and_add(&total->freed_bytes, live->bytes);
	if (is_in_collector)
		account_collected(total, gc, live);
}

/* *ret: what it was, if it was followed. */
static __always_inline void account_free(__u32 slot, __u64 block, struct pgd_live *ret)
{
	__u64 key = PGD_BLOCK_KEY(slot, block);
	struct pgd_live *found = bpf_map_lookup_elem(&pgd_live, &key);
	struct pgd_live live;

	if (!found)
		return; /* taken before we came, or not followed */
	live = *found; /* read before the delete: the row may be reused at once */
	if (bpf_map_delete_elem(&pgd_live, &key))
		return; /* somebody else was faster and has accounted for it */
	account_forget(slot, &live);
	*ret = live;
}

static __always_inline struct pgd_stack_total *account_stack(const struct pgd_stack_key *key)
{
	static const struct pgd_stack_total zero;
	struct pgd_stack_total *total = bpf_map_lookup_elem(&pgd_stacks, key);

	if (total)
		return total;
	bpf_map_update_elem(&pgd_stacks, key, &zero, BPF_NOEXIST);
	return bpf_map_lookup_elem(&pgd_stacks, key);
}

/* Tell user space of a stack that it has no frames of yet: at once, while the code objects are
 * certainly there. */
static __always_inline void account_announce(struct pgd_stack_total *total,
					     const struct pgd_stack_event *event)
{
	__u32 n = event->n_frames;

	if (total->announced || __sync_lock_test_and_set(&total->announced, 1))
		return;
	if (n > PGD_FRAMES_MAX) /* verifier: bound the length below */
		n = PGD_FRAMES_MAX;
	if (bpf_ringbuf_output(&pgd_events, (void *)event,
			       PGD_STACK_EVENT_HEAD_BYTES + n * sizeof(struct pgd_frame), 0)) {
		total->announced = 0;
		counter_add(event->key.slot, PGD_COUNTER_EVENT_FULL);
	}
}

/* A block that is followed already was handed out again: a free was missed. True: forgotten, and
 * the new one may take its place. */
static __always_inline bool account_replace(__u32 slot, __u64 key, const struct pgd_live *live)
{
	struct pgd_live *found = bpf_map_lookup_elem(&pgd_live, &key);
	struct pgd_live old;

	if (!found)
		return false; /* freed meanwhile */
	old = *found;
	if (old.stack == live->stack && old.bytes == live->bytes) {
		found->born = live->born;
		return false; /* two sites on one path, or no difference to any sum */
	}
	counter_add(slot, PGD_COUNTER_MISSED_FREE);
	if (!bpf_map_delete_elem(&pgd_live, &key))
		account_forget(slot, &old);
	return !bpf_map_update_elem(&pgd_live, &key, live, BPF_NOEXIST);
}

/* A buffer that grows is resized time and again. It is one block, which was born once … */
static __always_inline __u32 account_born(__u64 stack, const struct pgd_live *before)
{
	if (before->stack == stack)
		return before->born;
	return PGD_BORN(bpf_ktime_get_ns(), pgd_born_shift);
}

/* … and was not taken anew as a whole each time. */
static __always_inline __u64 account_taken(const struct pgd_live *live,
					   const struct pgd_live *before)
{
	if (before->stack != live->stack)
		return live->bytes;
	return live->bytes > before->bytes ? live->bytes - before->bytes : 0;
}

/* before: what realloc made it of; stack 0: of nothing that was followed. */
static __always_inline void account_alloc(const struct pgd_stack_event *event, __u64 block,
					  __u64 bytes, __u32 lane, const struct pgd_live *before)
{
	__u32 slot = event->key.slot;
	__u64 key = PGD_BLOCK_KEY(slot, block);
	struct pgd_live live = {
		.stack = event->key.hash,
		.bytes = bytes > 0xffffffffULL ? 0xffffffffU : (__u32)bytes,
		.lane = lane,
		.born = account_born(event->key.hash, before),
	};
	struct pgd_stack_total *total = account_stack(&event->key);
	struct pgd_gc *gc = bpf_map_lookup_elem(&pgd_gc, &slot);
	struct pgd_hits *hits;
	long r;

	if (!total) {
		counter_add(slot, PGD_COUNTER_STACKS_FULL);
		return;
	}
	account_announce(total, event);
	r = bpf_map_update_elem(&pgd_live, &key, &live, BPF_NOEXIST);
	if (r == -EEXIST && !account_replace(slot, key, &live))
		return;
	if (r && r != -EEXIST) {
		counter_add(slot, PGD_COUNTER_LIVE_FULL);
		return;
	}
	if (gc)
		account_collections(total, gc, slot, gcstate_is_here(gc, slot));
	__sync_fetch_and_add(&total->live_bytes, live.bytes);
	__sync_fetch_and_add(&total->live_blocks, 1);
	__sync_fetch_and_add(&total->alloc_blocks, 1);
	__sync_fetch_and_add(&total->taken_bytes, account_taken(&live, before));
	hits = bpf_map_lookup_elem(&pgd_hits, &slot);
	if (hits)
		__sync_fetch_and_add(&hits->followed, 1);
}

#endif
