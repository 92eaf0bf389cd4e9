/* SPDX-License-Identifier: GPL-2.0-only */
/* bpf/maps.bpf.h — every map: key → value, who writes it, its size, what happens when it is full.
 */
#ifndef BPF_MAPS_BPF_H
#define BPF_MAPS_BPF_H

#include "kernel.bpf.h"
#include "pgd_abi.h"

/* slot → how to read this process. The daemon writes a row before its first site goes on; hits
 * note the address space in it. Fixed size: a process more than PGD_TARGETS_MAX is refused by the
 * daemon. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PGD_TARGETS_MAX);
	__type(key, __u32);
	__type(value, struct pgd_target);
} pgd_targets SEC(".maps");

/* PGD_BLOCK_KEY → one followed block. on_alloc adds, on_free deletes; the daemon purges the blocks
 * of a target that is gone. Rows are allocated as needed where the kernel can do that in a uprobe
 * (6.1; the daemon sets the flag). Full: LIVE_FULL, the block is not followed. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PGD_LIVE_MAX);
	__type(key, __u64);
	__type(value, struct pgd_live);
} pgd_live SEC(".maps");

/* Stack → what it holds. on_alloc creates and adds, on_free subtracts; the daemon reads all rows in
 * batches every interval and drops rows that hold nothing when the map gets full. Full:
 * STACKS_FULL, the block is not followed. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PGD_STACKS_MAX);
	__type(key, struct pgd_stack_key);
	__type(value, struct pgd_stack_total);
} pgd_stacks SEC(".maps");

/* struct pgd_stack_event, once per new stack. Full: EVENT_FULL, told again with its next block. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 2 << 20); /* mapped twice over: twice that in our resident set */
} pgd_events SEC(".maps");

/* struct pgd_birth: blocks of rare sites, and trips. Full: BIRTH_FULL, that block is not followed;
 * a trip is told again with the next hit. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 128 << 10);
} pgd_births SEC(".maps");

/* Number of the window that has had its hits: wakes the thread that closes it. Full: its timer does
 * it. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} pgd_over SEC(".maps");

/* struct pgd_proc_event: processes that came and went; 8,192 of them. Full: counted in
 * pgd_procs_lost, and the daemon looks through /proc again. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 << 10);
} pgd_procs SEC(".maps");

/* pgd_live.born is in units of 2^it ns; the daemon's, before it loads us. */
const volatile __u32 pgd_born_shift = PGD_BORN_SHIFT_MAX;

__u64 pgd_procs_lost; /* the kernel's; only grows */

/* The one open window (pgd_abi.h), and what is known while it is open. Mapped by the daemon.
 * samples: direct-mapped by block, so that a hit costs no hash map's insert and delete: 0.1 µs in
 * place of 0.8 for a block that comes and goes. */
struct pgd_gate pgd_gate = { .slot = PGD_SLOT_NONE };
struct pgd_sample pgd_samples[PGD_SAMPLES_MAX];
struct pgd_walked pgd_walked[PGD_WALKED_MAX]; /* pgd_gate.walked of them, in order */
__u32 pgd_site_hits[PGD_SITES_MAX]; /* by site, while the gate is not shut */
__u32 pgd_rare_hits[PGD_TARGETS_MAX * PGD_SITES_MAX]; /* by slot and site; the daemon zeroes them */
__u8 pgd_suspects[PGD_SUSPECTS_MAX]; /* by leaf: 1, walk all of its stacks */
struct pgd_trip pgd_trips[PGD_TARGETS_MAX];
struct pgd_gc_trip pgd_gc_trips[PGD_TARGETS_MAX];
struct pgd_witness pgd_witnesses[PGD_TARGETS_MAX * PGD_WITNESSES_MAX]; /* by slot */
__u32 pgd_epochs[PGD_TARGETS_MAX]; /* what is remembered of code objects is good for this epoch */

/* slot → what its collector did. on_gc_* write; the GIL keeps them apart. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PGD_TARGETS_MAX);
	__type(key, __u32);
	__type(value, struct pgd_gc);
} pgd_gc SEC(".maps");

/* slot * PGD_COUNTER_MAX + enum pgd_counter → events of that kind on this CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PGD_TARGETS_MAX *PGD_COUNTER_MAX);
	__type(key, __u32);
	__type(value, __u64);
} pgd_counters SEC(".maps");

/* A block that was given to realloc. */
struct resizing {
	__u64 block; /* 0: none, that realloc is a malloc */
	struct pgd_live was; /* stack 0: it was not followed */
};

/* Thread → what it gave to a realloc whose result it has not seen yet. Least recently used rows go
 * first: a thread that died in between must not stay for ever. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct resizing);
} pgd_resizing SEC(".maps");

/* slot * PGD_CODES_MAX + hash of the address → a code object's check. The walker writes, a free of
 * that very block empties the row; a newcomer takes a row over. The GIL keeps writers apart. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PGD_TARGETS_MAX *PGD_CODES_MAX);
	__type(key, __u32);
	__type(value, struct pgd_code);
} pgd_codes SEC(".maps");

static __always_inline struct pgd_code *code_row(__u32 slot, __u64 code)
{
	__u32 key = slot * PGD_CODES_MAX + (__u32)(code >> 4 ^ code >> 14) % PGD_CODES_MAX;

	return bpf_map_lookup_elem(&pgd_codes, &key);
}

static __always_inline __u32 code_epoch(__u32 slot)
{
	return pgd_epochs[slot & (PGD_TARGETS_MAX - 1)];
}

static __always_inline void code_forget(__u32 slot, __u64 block)
{
	struct pgd_code *row = code_row(slot, block);

	if (row && row->code == block)
		row->code = 0;
}

#define PYWALK_CODE_ROW(slot, code) code_row(slot, code)
#define PYWALK_EPOCH(slot)	    code_epoch(slot)
#include "pywalk.bpf.h"

/* Buffers to walk a stack in: too big for the BPF stack. Some per CPU, since a program can be
 * preempted in mid-walk; each is claimed and given back. All taken: SCRATCH_BUSY, block skipped. */
#define SCRATCHES_MAX 4

struct scratch {
	__u32 claimed;
	__u32 walked; /* enum pgd_walk */
	__u64 leaf;
	struct pywalk_scratch walk;
	struct pgd_stack_event event;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCHES_MAX);
	__type(key, __u32);
	__type(value, struct scratch);
} pgd_scratch SEC(".maps");

/* slot → what was trapped on this CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PGD_TARGETS_MAX);
	__type(key, __u32);
	__type(value, struct pgd_hits);
} pgd_hits SEC(".maps");

/* Atomic although per CPU: a uprobe's program can be preempted by another one on its CPU. */
static __always_inline void counter_add(__u32 slot, enum pgd_counter counter)
{
	__u32 key = slot * PGD_COUNTER_MAX + counter;
	__u64 *count = bpf_map_lookup_elem(&pgd_counters, &key);

	if (count)
		__sync_fetch_and_add(count, 1);
}

#endif
