/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* include/pgd_counters.h — every way to lose, skip or doubt a sample: id, name, help.
 *
 * One row here is a slot of the kernel's per-CPU counters, a name in `status` and a label of
 * pygrowd_lost_total, with no further work. Counters are per target; PROCS_LOST is of the
 * whole host (user/target/census.c counts it). Rows are added at the end of their block; names are
 * a promise to scripts.
 */
#ifndef PGD_COUNTERS_H
#define PGD_COUNTERS_H

/* X(ID, "name", "what happened, and what it does to the figures") */
#define PGD_COUNTERS(X)                                                                            \
	X(LIVE_FULL, "live_full", "the map of live blocks was full: a block was not followed")     \
	X(STACKS_FULL, "stacks_full", "the map of stacks was full: a block was not followed")      \
	X(EVENT_FULL, "event_full", "ring buffer full: a stack's names come with its next block")  \
	X(SCRATCH_BUSY, "scratch_busy", "no walk buffer free on this CPU: a block was skipped")    \
	X(STACK_TRUNCATED, "stack_truncated", "deeper than 128 frames: outer frames are missing")  \
	X(STACK_UNREADABLE, "stack_unreadable", "a frame could not be read: outer frames missing") \
	X(NO_PYTHON, "no_python", "block taken by a thread that runs no Python code")              \
	X(BAD_POOL, "bad_pool", "a site's block was in no valid pool: ignored")                    \
	X(BAD_CHUNK, "bad_chunk", "a site's block had no valid malloc header: ignored")            \
	X(MISSED_FREE, "missed_free", "a followed block was handed out again without a free seen") \
	X(BIRTH_FULL, "birth_full", "ring buffer full: a block of a rare site was not followed")   \
	X(STACK_GONE, "stack_gone", "a block was freed after its stack's row had been dropped")    \
	X(NAME_GONE, "name_gone", "a code object was gone before its name could be read")          \
	X(NAME_BAD, "name_bad", "a name was not a valid str, or was cut")                          \
	X(STACKTAB_FULL, "stacktab_full",                                                          \
	  "the daemon's stack table was full: a stack has no name")                                \
	X(SAMPLES_LEAVES, "samples_leaves",                                                        \
	  "table of samples full: one without a stack was let go")                                 \
	X(SAMPLES_THINNED, "samples_thinned",                                                      \
	  "table of samples full: one was let go at random, its weight given to others")           \
	X(WINDOW_FAILED, "window_failed", "a window could not be opened")                          \
	X(WINDOW_LATE, "window_late",                                                              \
	  "a window was closed late, by the guard: its blocks were dropped")                       \
	X(DRAIN_ERROR, "drain_error", "the kernel's maps could not be read in one interval")       \
	X(BIRTH_OFF, "birth_off", "a rare site turned busy: its block was not followed")           \
	X(PROCS_LOST, "procs_lost", "news of a process did not fit: /proc was searched instead")   \
	X(GC_UNREADABLE, "gc_unreadable", "a collection's statistics could not be read: no figures")

enum pgd_counter {
#define PGD_COUNTER_ID(id, name, help) PGD_COUNTER_##id,
	PGD_COUNTERS(PGD_COUNTER_ID)
#undef PGD_COUNTER_ID
	PGD_COUNTER_MAX
};

#endif
