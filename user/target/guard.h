/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/guard.h — put sites on and take them off, whatever becomes of this process.
 *
 *   pygrowd ──┬── process "pygrowd-guard"  alloc link of a window: on, and off in time
 *             ├── process "pygrowd-guard"  free link of a window: likewise
 *             └── process "pygrowd-guard"  links that stay on for long
 *
 * A process that is stopped (SIGSTOP), swapped out or starved runs none of its threads; one that is
 * killed inside the system call that attaches or detaches leaves breakpoints behind for good (the
 * kernel cannot write to the target's text with SIGKILL pending: "leaking uprobe" in its log). So
 * other processes do that. They share our table of descriptors (CLONE_FILES) and a piece of memory,
 * get no signals of ours, and end when we do: a window's sites go first, then sockets and files, so
 * that another pygrowd can start at once, then what is always on (0.15 s a process). Three, because
 * closing one link waits for a grace period of the kernel's, in which the others would stay on.
 */
#ifndef USER_TARGET_GUARD_H
#define USER_TARGET_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/cleanup.h"
#include "pgd_abi.h"
#include "target/probes.h"
#include "target/window.h"

enum guard_link {
	GUARD_ALLOC = 0,
	GUARD_FREE,
	GUARD_ALWAYS,
	GUARD_LINKS
};

struct guard;

/* Before any thread is started. Every guard also kills this process if it has not answered a trip
 * (pgd_trip.told) for GUARD_TRIP_SEC: its sites would go on slowing the target. */
#define GUARD_TRIP_SEC 3
int guard_new(const struct probes *p, struct guard **ret);
/* Answers a trip: its `told` is taken back, and that somebody has done so can be seen even if it is
 * told again at once. */
static inline void guard_answer(uint32_t *told, uint32_t *answers)
{
	__atomic_store_n(answers, *answers + 1, __ATOMIC_RELAXED);
	__atomic_store_n(told, 0, __ATOMIC_RELEASE);
}
void guard_free(struct guard *g);
DEFINE_CLEANUP(struct guard *, guard_free)

/* What is to be attached: where it is written before it is ordered. Shared with the guard. */
struct guard_order {
	int prog_fd;
	pid_t pid;
	size_t n;
	char path[512];
	uint64_t offsets[PGD_SITES_MAX], cookies[PGD_SITES_MAX];
};
struct guard_order *guard_order(struct guard *g, enum guard_link link);
/* The sites of the target that are picked for this program; how many: 0, there is nothing to order.
 */
size_t guard_order_sites(struct guard_order *o, const struct window_target *t,
			 const struct sites *s, const struct window_pick *pick,
			 enum window_prog prog);
/* Have it attached, and wait until it is. Its descriptor, or -errno; -EBUSY: the guard has not done
 * what it was asked before; -ETIMEDOUT: it does not come to it, and drops what it attaches yet;
 * -ECHILD: somebody has killed the guard. allowed_ns: from then on it may be open for so long, then
 * the guard closes it; UINT64_MAX: it is not the guard's to close. */
int guard_attach(struct guard *g, enum guard_link link, uint64_t allowed_ns);
/* Have the guard close it now: does not wait for it; guard_wait() does, its sites are off then.
 * True: it was late, the guard has closed it before it was asked. */
void guard_detach(struct guard *g, enum guard_link link);
bool guard_wait(struct guard *g, enum guard_link link);
/* Have these closed, does not wait. -EBUSY, -E2BIG. */
#define GUARD_CLOSE_MAX 64
int guard_close(struct guard *g, enum guard_link link, const int *fds, size_t n);
bool guard_is_busy(const struct guard *g, enum guard_link link);
/* CPU time that the guard has used so far, ns. */
uint64_t guard_cpu_ns(const struct guard *g, enum guard_link link);

#endif
