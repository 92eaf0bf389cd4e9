/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/shutter.h — open one window, close it in time whatever happens.
 *
 *  attach          gate open                gate shut
 *  free  ██████████████████████████████████████████████▒▒▒▒▒▒▒▒▒
 *  alloc     ██████████████████████████████████████████▒▒▒▒▒▒▒▒▒
 *            ▲     ▲                            ▲      ▲       ▲
 *            │     │ hits_max or wall_max_ns ───┘      │       └ grace periods of the kernel's,
 *            └ the wait of attaching is over   capture ┘         each in a process of its own
 *
 * A thread says when, so that the daemon's loop (disk, sockets, names) can be as slow as it likes;
 * guard processes attach and close (guard.h), and close by themselves if the thread is late. While
 * sites are on nothing in that thread allocates, logs, or takes a lock that somebody else could
 * hold. The kernel side samples nothing after the deadline in any case.
 */
#ifndef USER_TARGET_SHUTTER_H
#define USER_TARGET_SHUTTER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/cleanup.h"
#include "target/cpuclock.h"
#include "target/guard.h"
#include "target/probes.h"
#include "target/window.h"

#define SHUTTER_LATE_NS 20000000 /* so long after its end the guards close a window */

struct shutter;

struct shutter_plan {
	struct window_target target; /* its path stays the caller's, and there till the result */
	const struct sites *sites; /* likewise */
	bool skip_chunks;
	uint8_t on[PGD_SITES_MAX]; /* by site: 1, it goes on */
	enum pgd_gate_state kind; /* PGD_GATE_SAMPLE or PGD_GATE_COUNT */
	uint64_t hits_max, wall_max_ns;
	uint64_t cpu_max_ns; /* also ends it: CPU time of the target; 0: no limit */
	uint32_t walk_of;
	pid_t tids[CPUCLOCK_THREADS_MAX]; /* the target's threads */
	unsigned n_tids;
	/* Called in the shutter's thread when no block is sampled any more but frees are still
	 * seen. May be NULL. */
	void (*capture)(void *userdata, struct pgd_sample *samples, size_t n_max);
	void *userdata;
};

struct shutter_result {
	uint32_t slot;
	enum pgd_gate_state kind;
	uint64_t window; /* its number */
	int error; /* -errno: it was not opened */
	bool is_late; /* a guard closed it */
	uint64_t gate_ns; /* the gate was open so long */
	uint64_t cpu_ns; /* CPU time of the target meanwhile */
	uint64_t shut_ns; /* CLOCK_MONOTONIC: when the gate was shut */
	uint64_t own_ns; /* CPU time that it took us: attach, capture, detach */
	struct pgd_gate gate; /* what the kernel counted */
	uint32_t site_hits[PGD_SITES_MAX];
};

/* Starts the threads. 0 or -errno. -ENOTSUP: this kernel has no uprobe_multi, whose links alone can
 * be closed fast enough. */
int shutter_new(struct probes *p, struct shutter **ret);
/* Waits for an open window to end. */
void shutter_free(struct shutter *s);
DEFINE_CLEANUP(struct shutter *, shutter_free)

/* Where to write the next plan to: owned by `s`, used by it from shutter_start() to shutter_take().
 * NULL: a window is open. */
struct shutter_plan *shutter_plan(struct shutter *s);
void shutter_start(struct shutter *s);
/* Attaches what stays on for longer, too. Owned by `s`. */
struct guard *shutter_guard(const struct shutter *s);
bool shutter_is_busy(const struct shutter *s);
/* Readable when there is a result. */
int shutter_fd(const struct shutter *s);
/* The result, until the next shutter_start(); NULL: not yet. */
const struct shutter_result *shutter_take(struct shutter *s);

#endif
