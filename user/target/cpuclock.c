/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/cpuclock.c — see cpuclock.h. */
#include <dirent.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "target/cpuclock.h"

unsigned cpuclock_threads(pid_t pid, pid_t tids[CPUCLOCK_THREADS_MAX])
{
	char path[64];
	struct dirent *entry;
	unsigned n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return 0;
	while (n < CPUCLOCK_THREADS_MAX && (entry = readdir(dir)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			tids[n++] = (pid_t)atoi(entry->d_name);
	closedir(dir);
	return n;
}

int cpuclock_open(struct cpuclock *c, const pid_t *tids, unsigned n)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_TASK_CLOCK,
	};
	int r = -ESRCH;

	c->n = 0;
	for (unsigned i = 0; i < n && i < CPUCLOCK_THREADS_MAX; i++) {
		int fd = (int)syscall(SYS_perf_event_open, &attr, tids[i], -1, -1,
				      PERF_FLAG_FD_CLOEXEC);

		if (fd >= 0)
			c->fds[c->n++] = fd;
		else
			r = -errno;
	}
	return c->n ? 0 : r;
}

uint64_t cpuclock_ns(const struct cpuclock *c)
{
	uint64_t sum = 0, ns;

	for (unsigned i = 0; i < c->n; i++)
		if (read(c->fds[i], &ns, sizeof(ns)) == sizeof(ns))
			sum += ns;
	return sum;
}

void cpuclock_close(struct cpuclock *c)
{
	while (c->n)
		close(c->fds[--c->n]);
}
