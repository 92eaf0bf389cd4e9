/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/cpuclock.h — CPU time of a process, to the microsecond, for some milliseconds.
 *
 * The kernel's CPU clock of another process moves with the scheduler's tick, 4 ms: a window is
 * shorter than that. A perf event "task clock" per thread is brought up to date when it is read.
 * Nothing is counted in the target but its running time; the events go with their descriptors.
 */
#ifndef USER_TARGET_CPUCLOCK_H
#define USER_TARGET_CPUCLOCK_H

#include <stdint.h>
#include <sys/types.h>

#define CPUCLOCK_THREADS_MAX 64 /* of a process with more only the first are counted */

struct cpuclock {
	int fds[CPUCLOCK_THREADS_MAX];
	unsigned n;
};

/* Which threads does it have now? Into tids; how many. Reads /proc. */
unsigned cpuclock_threads(pid_t pid, pid_t tids[CPUCLOCK_THREADS_MAX]);
/* Begin to count. Allocates nothing. Threads that have gone are left out. 0, or -errno if none can
 * be counted: -EPERM, -ESRCH. */
int cpuclock_open(struct cpuclock *c, const pid_t *tids, unsigned n);
uint64_t cpuclock_ns(const struct cpuclock *c);
void cpuclock_close(struct cpuclock *c);

#endif
