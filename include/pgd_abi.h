/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* include/pgd_abi.h — what the kernel programs and the daemon say to each other.
 *
 *   daemon ─► targets[slot]          struct pgd_target        how to read this process
 *   daemon ─► cookie of each site    PGD_COOKIE()             which target, where the block is
 *   kernel ─► live[block key]        struct pgd_live          one followed block
 *   kernel ─► stacks[stack key]      struct pgd_stack_total   what a stack holds and has held
 *   kernel ─► events (ring buffer)   struct pgd_stack_event   a stack that was never seen before
 *   kernel ─► codes[slot, hash]      struct pgd_code          code objects it need not read again
 *   kernel ─► gc[slot]               struct pgd_gc            collections of this process
 *   daemon ─► gate                   struct pgd_gate          the window that is open now
 *   kernel ─► samples[hash]          struct pgd_sample        blocks taken in that window
 *   kernel ─► births (ring buffer)   struct pgd_birth         blocks of sites that are always on;
 *                                                             trips: those cost too much
 *   kernel ─► over (ring buffer)     __u64                    window that has had its hits
 *   kernel ─► procs (ring buffer)    struct pgd_proc_event    processes that came and went
 *   kernel ─► counters[slot, id]     __u64 per CPU            pgd_counters.h
 *   kernel ─► hits[slot]             struct pgd_hits per CPU  what was trapped
 *
 * A target is known in the kernel by its slot, not by its PID: the cookie of every site carries it,
 * so PID namespaces do not matter.
 */
#ifndef PGD_ABI_H
#define PGD_ABI_H

#include <linux/types.h>
#include "pgd_counters.h"
#include "pgd_pyoffsets.h"

#define PGD_TARGETS_MAX 128 /* slots; one more process is refused and said so */
#define PGD_SITES_MAX	2048 /* of a target; what is more is left out and counted as unplaced */
#define PGD_FRAMES_MAX	128 /* deeper stacks are cut at the outer end and counted */
#define PGD_STACKS_MAX	65536 /* rows of stacks; full: counted, block not followed */
#define PGD_LIVE_MAX	4194304 /* default rows of live; full: counted, block not followed */
#define PGD_CODES_MAX	1024 /* rows of codes per target; more code objects share rows */
#define PGD_GENERATIONS 3
#define PGD_TICK_NS	10000000 /* of start_ticks: USER_HZ is 100 on x86 */

/* ── cookies ─────────────────────────────────────────────────────────────────────────────────
 *  63        32 31    20 19    13  12  11      8   4   3     0
 * ┌────────────┬────────┬────────┬────┬──────────┬────┬───────┐
 * │    disp    │  site  │  slot  │ mem│ register │rare│  how  │
 * └────────────┴────────┴────────┴────┴──────────┴────┴───────┘
 * The block is in the register (enum pgd_reg), or, with `mem`, it is the word at register + disp:
 * optimised code overwrites the block's register before some sites, but the pool's header or the
 * stack still has it. `site` is its index in the target's list; `rare`: it is always on, although
 * the target is observed through windows.
 */
#define PGD_COOKIE(slot, site, reg, how) \
	(((__u64)(site) << 20) | ((__u64)(slot) << 13) | ((__u64)(reg) << 8) | (__u64)(how))
#define PGD_COOKIE_MEM(disp)  (((__u64)(__u32)(disp) << 32) | 0x1000)
#define PGD_COOKIE_RARE	      0x10
#define PGD_COOKIE_SITE(c)    ((__u32)((c) >> 20) & (PGD_SITES_MAX - 1))
#define PGD_COOKIE_SLOT(c)    ((__u32)((c) >> 13) & (PGD_TARGETS_MAX - 1))
#define PGD_COOKIE_REG(c)     ((__u32)((c) >> 8) & 0xf)
#define PGD_COOKIE_HOW(c)     ((__u32)(c)&0xf)
#define PGD_COOKIE_IS_MEM(c)  ((c)&0x1000)
#define PGD_COOKIE_IS_RARE(c) ((c)&PGD_COOKIE_RARE)
#define PGD_COOKIE_DISP(c)    ((__s32)((c) >> 32))

/* Registers in the machine's own encoding order, so that a decoder's number is the cookie's. */
enum pgd_reg {
	PGD_REG_AX = 0,
	PGD_REG_CX,
	PGD_REG_DX,
	PGD_REG_BX,
	PGD_REG_SP,
	PGD_REG_BP,
	PGD_REG_SI,
	PGD_REG_DI,
	PGD_REG_R8,
	PGD_REG_R9,
	PGD_REG_R10,
	PGD_REG_R11,
	PGD_REG_R12,
	PGD_REG_R13,
	PGD_REG_R14,
	PGD_REG_R15,
	PGD_REG_MAX
};

/* What a site says of its block. */
enum pgd_how {
	PGD_HOW_POOL = 0, /* pymalloc hands it out, or takes it back */
	PGD_HOW_CHUNK, /* libc hands it out, or takes it back */
	PGD_HOW_REALLOC, /* libc takes it back, and will hand out its successor to this thread */
	PGD_HOW_RESIZED, /* that successor; anything else if this thread has passed no REALLOC */
	PGD_HOW_MAX
};

/* Who serves the block, hence how its size is found. */
enum pgd_lane {
	PGD_LANE_POOL = 0, /* pymalloc: (szidx + 1) * 16 from the pool's header */
	PGD_LANE_CHUNK, /* glibc malloc: usable size from the chunk header before the block */
	PGD_LANE_MAX
};

/* ── targets ──────────────────────────────────────────────────────────────────────────────── */
struct pgd_target {
	struct pgd_py_offsets py;
	__u64 runtime; /* address of _PyRuntime in the target */
	__u64 pool_mask; /* block & pool_mask = its pool */
	__u64 gc_stats; /* address of the main interpreter's generation_stats, or 0 */
	__u64 gc_lists; /* address of its generations (struct gc_generation), or 0: not found */
	__u64 gc_enabled; /* address of its int `enabled` */
	__u32 gc_is_incremental; /* the collector of 3.14.0 to 3.14.4 */
	__u32 pad;
	__u32 tss_key; /* PyGILState's pthread key */
	__u32 sample_of; /* follow one block in this many; 1: all of them (exact) */
	__u64 start_ticks; /* field 22 of /proc/PID/stat: which process this is, in any namespace */
	__u64 mm; /* the kernel's: address space of the first hit. A forked child inherits the
		   * breakpoints but has another one; so has the same process after exec */
	__u32 state; /* enum pgd_target_state */
	__u32 mode; /* enum pgd_mode */
};

/* How a target is observed. */
enum pgd_mode {
	PGD_MODE_EXACT = 0, /* its sites are always on: every block is followed, to its end */
	PGD_MODE_WINDOWS, /* blocks are sampled: those taken in a window, and all of rare sites */
	PGD_MODE_MAX
};

enum pgd_target_state {
	PGD_TARGET_FREE = 0, /* nobody in this slot: hits are ignored */
	PGD_TARGET_WATCHED,
	PGD_TARGET_EXECED, /* the kernel's: the address space that we knew is gone */
};

/* Per-CPU sums of what was trapped, for the cost. */
struct pgd_hits {
	__u64 alloc; /* allocation sites hit */
	__u64 free; /* free sites hit */
	__u64 followed; /* blocks accounted to a stack */
	__u64 forgotten; /* of these, taken off it again */
	__u64 counted; /* sites hit that were only counted */
};

/* ── live blocks ──────────────────────────────────────────────────────────────────────────── */
/* Blocks are 16-aligned and user addresses end below 2^57: slot and address share 64 bits. */
#define PGD_BLOCK_KEY(slot, addr) (((__u64)(slot) << 53) | ((__u64)(addr) >> 4))
#define PGD_BLOCK_SLOT(key)	  ((__u32)((key) >> 53))
#define PGD_BLOCK_ADDR(key)	  (((key) & ((1ULL << 53) - 1)) << 4)

#define PGD_BORN_BITS	    27
#define PGD_BORN_SHIFT_MAX  33 /* 8.6 s; it takes 36 years to come round again */
#define PGD_BORN(ns, shift) ((__u32)((ns) >> (shift)) & ((1u << PGD_BORN_BITS) - 1))

struct pgd_live {
	__u64 stack; /* struct pgd_stack_key.hash */
	__u32 bytes; /* block size as the allocator sees it; blocks over 4 GiB are cut */
	__u32 lane : 4; /* enum pgd_lane */
	/* A sample of the daemon's, which no sum knows of. The kernel takes the row away when it
	 * sees the block change hands; the daemon sees by that that it died. */
	__u32 is_sampled : 1;
	/* When it was taken: CLOCK_MONOTONIC in units of 2^born_shift ns, the last PGD_BORN_BITS of
	 * it. What realloc made of a block of the same stack: when that one was. */
	__u32 born : PGD_BORN_BITS;
};

/* ── windows ──────────────────────────────────────────────────────────────────────────────────
 * One window is open at a time, of one target, and these belong to it. They are global variables of
 * the BPF object, which the daemon has mapped: opening the gate is a store, not a system call.
 */
/* Rows. A block has two to choose from; both are taken: it is not sampled, and counted. */
#define PGD_SAMPLES_MAX	 16384
#define PGD_WALKED_MAX	 8192 /* more than hits a window has; beyond: only counted */
#define PGD_SUSPECTS_MAX 4096 /* bytes, by leaf; leaves that meet in one are both suspect */
#define PGD_SLOT_NONE	 0xffffffffu
#define PGD_EPOCH_NONE	 0xffffffffu /* remember no code object: its death would not be seen */

enum pgd_gate_state {
	PGD_GATE_SHUT = 0, /* hits are only noted where a sampled block changes hands */
	PGD_GATE_SAMPLE, /* blocks are sampled */
	PGD_GATE_COUNT, /* hits are counted by site, and nothing else */
};

struct pgd_gate {
	/* the daemon's */
	__u32 slot;
	__u32 state; /* enum pgd_gate_state */
	__u64 window; /* number of this window, never 0 */
	__u64 deadline_ns; /* CLOCK_MONOTONIC: nothing is sampled after it, whoever is late */
	__u64 hits_max; /* at so many hits the kernel tells the daemon, by `over` */
	__u32 walk_of; /* walk the whole stack of one block in this many, whatever its leaf */
	/* the kernel's; the daemon zeroes them before it opens the gate */
	__u32 told; /* that hits_max is reached */
	__u64 allocs, frees; /* hits while it was not shut */
	__u64 sampled, walked;
	__u64 crowded; /* not sampled because the row was taken: the others weigh more */
};

/* A block taken in the window. */
struct pgd_sample {
	__u64 block; /* 0: no sample, or dead */
	__u64 stack; /* pgd_stack_key.hash; 0: not walked */
	__u64 leaf; /* hash of the innermost frame; 0: none */
	__u32 bytes;
	__u16 site;
	__u8 lane : 4; /* enum pgd_lane */
	__u8 walk : 4; /* enum pgd_walk */
	__u8 epoch; /* pgd_gc_trip.begun when it was taken, the low bits */
};

/* A block taken in the window whose stack was walked, whether it is still there or not: a row of
 * struct pgd_sample is overwritten by who gets the block next. */
struct pgd_walked {
	__u64 stack; /* pgd_stack_key.hash; 0: not known */
	__u32 bytes;
	__u16 site;
	__u8 walk; /* enum pgd_walk */
	__u8 epoch;
};

enum pgd_walk {
	PGD_WALK_LEAF = 0, /* only the innermost frame was read */
	PGD_WALK_CHANCE, /* walked as one in walk_of */
	PGD_WALK_SUSPECT, /* walked because blocks of its leaf have survived before */
};

enum pgd_birth_what {
	PGD_BIRTH_BLOCK = 0, /* a block was taken at a rare site */
	PGD_BIRTH_TRIP, /* the sites of this slot that are always on have had theirs: trip[slot] */
	PGD_BIRTH_GC_TRIP, /* so have the collector's: gc_trip[slot] */
};

struct pgd_birth {
	__u32 what; /* enum pgd_birth_what */
	__u32 slot;
	struct pgd_sample sample;
	__u64 made_of; /* the block that realloc made it of, may be itself; 0: it is new */
};

/* Hits that the sites which are always on may still have; the daemon fills it up, the kernel counts
 * it down and says once when it is used up. */
struct pgd_trip {
	__s64 left;
	__u32 told;
	__u32 is_off; /* the daemon's: these sites are coming off, a hit shall do next to nothing */
	__u32 answers; /* the daemon's: how often it has taken `told` back */
	__u32 pad;
};

/* ── stacks ───────────────────────────────────────────────────────────────────────────────── */
struct pgd_stack_key {
	__u64 hash; /* over all frames, never 0; PGD_STACK_NONE: no Python frame */
	__u32 slot;
	__u32 pad;
};
#define PGD_STACK_NONE 1

/* Every field only grows but `live_*`; 64-bit atomic adds in the kernel. */
struct pgd_stack_total {
	__s64 live_bytes;
	__s64 live_blocks;
	__u64 alloc_blocks; /* taken so far; of sampled targets: sampled and walked */
	__u64 taken_bytes; /* by blocks that are followed. One that realloc made of another of
			    * this stack: by what it is larger */
	__u64 freed_bytes; /* in all */
	__u64 gc_freed_bytes; /* of these, while this target's collector was running */
	__u64 gc_freed_blocks;
	/* About full collections. Brought up to date when the stack changes, so its last change may
	 * be older than the last full collection: then it holds now what it held after that. */
	__u64 full_freed_bytes; /* by them */
	__u64 full_grown_bytes; /* what it held more when they began than after the one before */
	__s64 floor_bytes; /* held after number fulls_seen */
	__u32 fulls_seen; /* how many there had been at its last change */
	__u32 fulls_survived; /* after so many of them, the last in a row, it held something */
	__u32 is_in_full; /* full_grown_bytes has the one that is running */
	__u32 announced; /* its frames were given to user space */
};

struct pgd_frame {
	__u64 code; /* address of the code object */
	__s32 offset; /* byte offset of the instruction, < 0: not started */
	__u32 check; /* hash of the bytes that tell this code object from a later one there */
};

/* A code object whose check bytes were read already, and is still there: its free would be a hit.
 */
struct pgd_code {
	__u64 code; /* 0: none */
	__u32 check;
	__u32 epoch; /* pgd_epochs[slot] when it was read; another one now: read it again */
};

#define PGD_STACK_F_TRUNCATED  1u /* cut at PGD_FRAMES_MAX */
#define PGD_STACK_F_UNREADABLE 2u /* cut at a frame that could not be read */

/* Variable length: only n_frames frames are sent. frames[0] is the innermost. */
struct pgd_stack_event {
	struct pgd_stack_key key;
	__u64 thread_id; /* the walked thread's fs_base: names the thread for the self-test */
	__u32 flags; /* PGD_STACK_F_* */
	__u32 n_frames;
	struct pgd_frame frames[PGD_FRAMES_MAX];
};
#define PGD_STACK_EVENT_HEAD_BYTES 32

/* ── the collector ────────────────────────────────────────────────────────────────────────── */
/* Pauses are counted by duration, in four classes from each power of 2 to the next:
 *
 *	class   0        1 … 4          5 … 8            …   101 … 104        105
 *	ns      < 1024   1024 … 2047    2048 … 4095      …   2^35 … 2^36 - 1  more
 */
#define PGD_GC_PAUSES 106

/* What the collector's sites may still cost; the daemon fills it up, the kernel counts it down and
 * says once when it is used up. From then on hits do next to nothing. A hit costs 1; that a full
 * collection empties the caches besides costs PGD_GC_FULL_COST, so it is 2 or 5 a collection
 * (measured: tests/bench/run.sh gc). */
#define PGD_GC_FULL_COST 3
struct pgd_gc_trip {
	__s64 left;
	__u32 told;
	/* Odd: collections are timed. The daemon adds 1 when the sites come off, and when they are
	 * on again: who was in the collector then is not believed to be in it still. */
	__u32 phase;
	/* The kernel's. Collections, counted as they begin, and the number of the last whose end
	 * was seen: when it has begun, this one or another is running, or was not paid for. */
	__u32 begun, seen;
	__u32 n_witnesses; /* the daemon's: rows of pgd_witnesses from here on are empty */
	__u32 n_fulls; /* the kernel's: full collections whose end was seen */
	__u32 witnesses_a_hit; /* the daemon's: so many cost as much as a hit; 0: as below */
	__u32 answers; /* the daemon's: how often it has taken `told` back */
};

/* ── witnesses ────────────────────────────────────────────────────────────────────────────────
 * Some sampled blocks of each target are looked at by the kernel when a collection begins and when
 * it is done, in the collecting thread, which holds the GIL: what was there and is no more was
 * freed by it, whatever it took.
 *
 *            daemon            begins, is there        done, is there
 *	EMPTY ────────► WATCHED ────────────────► INSIDE ─────────────────► WATCHED
 *	   ▲               │ is not                 │ is not
 *	   │               ▼                        ▼
 *	   └──────────── GONE (LOST: one was    COLLECTED, COLLECTED_FULL
 *	     daemon       missed in between)
 */
#define PGD_WITNESSES_MAX   128 /* of a target */
#define PGD_WITNESS_WORDS   3
#define PGD_WITNESS_NO_WORD 0xff
#define PGD_WITNESSES_A_HIT 32 /* if the daemon does not say it */

enum pgd_witness_state {
	PGD_WITNESS_EMPTY = 0,
	PGD_WITNESS_WATCHED,
	PGD_WITNESS_INSIDE, /* of a collection that is running */
	PGD_WITNESS_GONE, /* it died outside of collections */
	PGD_WITNESS_LOST, /* it died, nobody knows when */
	PGD_WITNESS_COLLECTED,
	PGD_WITNESS_COLLECTED_FULL, /* by a full collection */
	PGD_WITNESS_STATE_MAX
};

/* What the word at `life_at` says. */
enum pgd_witness_life {
	PGD_WITNESS_LIFE_WORDS = 0, /* nothing: the other words have to be as they were */
	PGD_WITNESS_LIFE_COUNT, /* it is a reference count while the object lives */
	PGD_WITNESS_LIFE_LITTLE, /* a little number: not 0, and no free list's link */
};

struct pgd_witness {
	__u64 block;
	__u64 was[PGD_WITNESS_WORDS]; /* words that do not change while it lives … */
	__u8 at[PGD_WITNESS_WORDS]; /* … where in the block; PGD_WITNESS_NO_WORD: none */
	__u8 life_at;
	__u8 life; /* enum pgd_witness_life */
	__u8 pad[3];
	__u32 state; /* enum pgd_witness_state */
	__u32 n_fulls; /* the kernel's: full collections that it was there for */
};

struct pgd_gc_generation {
	__u64 collections;
	__u64 asked; /* of these, by gc.collect() and not by a threshold */
	__u64 collected; /* objects, as the interpreter counts them */
	__u64 uncollectable;
	__u64 pause_ns, pause_max_ns;
	__u64 ended_ns; /* the last one, CLOCK_MONOTONIC */
	__u32 pauses[PGD_GC_PAUSES];
};

struct pgd_gc {
	__u64 running_tid; /* thread inside the collector, or 0 */
	__u64 started_ns;
	__u64 started_stats[PGD_GENERATIONS][3]; /* collections, collected, uncollectable so far */
	__u32 started_counts[PGD_GENERATIONS]; /* of the generations, when it started */
	__u32 started_due; /* bit g: a threshold might have started generation g */
	__u32 running_generation; /* known from the first block that dies on: 1 + it, or 0 */
	__u32 fulls; /* full collections so far; a number that the stacks compare with */
	__u32 running_phase; /* pgd_gc_trip.phase when it started */
	__u32 pad;
	__u64 freed_bytes; /* followed blocks that died inside the collector */
	__u64 freed_blocks;
	struct pgd_gc_generation generations[PGD_GENERATIONS];
};

/* ── processes ────────────────────────────────────────────────────────────────────────────── */
enum pgd_proc_what {
	PGD_PROC_FORK = 0,
	PGD_PROC_EXEC, /* the same process, another program */
	PGD_PROC_EXIT, /* its last thread ended */
	PGD_PROC_MAX
};

struct pgd_proc_event {
	__u32 what; /* enum pgd_proc_what */
	__u32 pid; /* of the process, in the host's own PID namespace */
	__u64 start_ticks; /* field 22 of /proc/PID/stat: tells a PID from its reuse */
	__u64 at_ns; /* CLOCK_MONOTONIC */
};

_Static_assert(sizeof(struct pgd_py_offsets) == 72, "padding");
_Static_assert(sizeof(struct pgd_target) == 152, "padding");
_Static_assert(sizeof(struct pgd_live) == 16, "padding");
_Static_assert(sizeof(struct pgd_stack_key) == 16, "padding");
_Static_assert(sizeof(struct pgd_stack_total) == 96, "padding");
_Static_assert(sizeof(struct pgd_gc_generation) == 480, "padding");
_Static_assert(sizeof(struct pgd_trip) == 24, "padding");
_Static_assert(sizeof(struct pgd_gc_trip) == 40, "padding");
_Static_assert(sizeof(struct pgd_witness) == 48, "padding");
_Static_assert(sizeof(struct pgd_walked) == 16, "padding");
_Static_assert(sizeof(struct pgd_frame) == 16, "padding");
_Static_assert(sizeof(struct pgd_stack_event) ==
		       PGD_STACK_EVENT_HEAD_BYTES + PGD_FRAMES_MAX * sizeof(struct pgd_frame),
	       "padding");
_Static_assert(sizeof(struct pgd_gate) == 80, "padding");
_Static_assert(sizeof(struct pgd_sample) == 32, "padding");
_Static_assert(sizeof(struct pgd_birth) == 48, "padding");
_Static_assert(sizeof(struct pgd_proc_event) == 24, "padding");
_Static_assert(PGD_TARGETS_MAX <= 128, "a slot has 7 bits in a cookie");
_Static_assert(PGD_SITES_MAX <= 4096, "a site has 12 bits in a cookie");

#endif
