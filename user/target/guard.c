/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/guard.c — see guard.h.
 *
 * After the fork a guard calls nothing but system calls: it was forked from a process that may one
 * day have threads, and it must not need memory that it would have to allocate.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "target/guard.h"

#define POLL_NS	    250000000ULL
#define NS_PER_SEC  1000000000ULL
#define PAGE_BYTES  4096
#define NOT_DUE	    UINT64_MAX

/* One per link, on a page of its own that is shared with its guard. */
struct guarded {
	_Atomic int fd; /* -1: none; who exchanges it for -1 closes it */
	_Atomic uint64_t due_ns;
	_Atomic uint32_t changes; /* futex: the guard sleeps on it */
};

struct guard {
	struct guarded *page[GUARD_LINKS];
	pid_t pid[GUARD_LINKS];
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

/* Until something changes on the page, but no longer than that. */
static void sleep_on(struct guarded *page, uint32_t changes, uint64_t ns)
{
	struct timespec t = { .tv_sec = (time_t)(ns / NS_PER_SEC),
			      .tv_nsec = (long)(ns % NS_PER_SEC) };

	syscall(SYS_futex, &page->changes, FUTEX_WAIT, changes, &t, NULL, 0);
}

/* Is there a trip that nobody has answered since we first saw it, GUARD_TRIP_SEC ago? */
static bool is_deaf(const struct pgd_trip *trips, uint64_t *since_ns, uint64_t now)
{
	bool told = false;

	for (unsigned i = 0; i < PGD_TARGETS_MAX; i++)
		told |= __atomic_load_n(&trips[i].told, __ATOMIC_RELAXED) != 0;
	if (!told)
		*since_ns = 0;
	else if (!*since_ns)
		*since_ns = now;
	return told && now - *since_ns > GUARD_TRIP_SEC * NS_PER_SEC;
}

static _Noreturn void guard_run(struct guarded *page, pid_t parent, const struct pgd_trip *trips)
{
	uint64_t tripped_ns = 0;

	for (;;) {
		uint32_t changes = atomic_load(&page->changes);
		uint64_t due = atomic_load(&page->due_ns), now = now_ns();
		bool is_alone = getppid() != parent;

		if (now >= due || is_alone) {
			int fd = atomic_exchange(&page->fd, -1);

			atomic_compare_exchange_strong(&page->due_ns, &due, NOT_DUE);
			if (fd >= 0)
				close(fd);
			if (is_alone)
				_exit(0);
			continue;
		}
		if (is_deaf(trips, &tripped_ns, now))
			kill(parent, SIGKILL);
		sleep_on(page, changes, due - now < POLL_NS ? due - now : POLL_NS);
	}
}

static void on_parent_end(int number)
{
	(void)number; /* it ends the futex's wait; getppid() tells the rest */
}

static _Noreturn void guard_main(struct guarded *page, pid_t parent, const struct pgd_trip *trips)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGQUIT, SIGPIPE };
	struct sched_param rt = { .sched_priority = 1 };

	/* Not SIGKILL: the kernel closes descriptors one by one, with a grace period for each, so that
	 * a window which happens to have a high number would stay open for seconds. */
	sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = on_parent_end }, NULL);
	prctl(PR_SET_PDEATHSIG, SIGUSR1);
	if (getppid() != parent)
		_exit(0);
	setsid(); /* what is sent to our group from a terminal is not for a guard */
	prctl(PR_SET_NAME, "pygrowd-guard");
	for (unsigned i = 0; i < ARRAY_SIZE(ignored); i++)
		signal(ignored[i], SIG_IGN);
	sched_setscheduler(0, SCHED_FIFO, &rt); /* without the right to it: as all others */
	mlockall(MCL_CURRENT | MCL_ONFAULT);
	guard_run(page, parent, trips);
}

int guard_new(const struct probes *p, struct guard **ret)
{
	_cleanup_(guard_freep) struct guard *g = calloc(1, sizeof(*g));
	struct probes_shared shared;
	pid_t parent = getpid();

	if (!g)
		return -ENOMEM;
	probes_shared(p, &shared);
	for (unsigned i = 0; i < GUARD_LINKS; i++) {
		struct guarded *page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE,
					    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

		if (page == MAP_FAILED)
			return -errno;
		g->page[i] = page;
		atomic_store(&page->fd, -1);
		atomic_store(&page->due_ns, NOT_DUE);
		/* fork(), but the descriptors are shared and not copied */
		g->pid[i] = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
		if (g->pid[i] < 0)
			return -errno;
		if (!g->pid[i])
			guard_main(page, parent, shared.trips);
	}
	*ret = TAKE_PTR(g);
	return 0;
}

void guard_free(struct guard *g)
{
	if (!g)
		return;
	for (unsigned i = 0; i < GUARD_LINKS; i++) {
		if (g->pid[i] > 0) {
			kill(g->pid[i], SIGKILL);
			waitpid(g->pid[i], NULL, 0);
		}
		if (g->page[i])
			munmap(g->page[i], PAGE_BYTES);
	}
	free(g);
}

static void wake(struct guarded *page)
{
	atomic_fetch_add(&page->changes, 1);
	syscall(SYS_futex, &page->changes, FUTEX_WAKE, 1, NULL, NULL, 0);
}

void guard_set(struct guard *g, unsigned link, int fd, uint64_t due_ns)
{
	atomic_store(&g->page[link]->due_ns, due_ns);
	atomic_store(&g->page[link]->fd, fd);
	wake(g->page[link]);
}

int guard_take(struct guard *g, unsigned link)
{
	/* No wake: it would only sleep again. An old due_ns finds no descriptor. */
	int fd = atomic_exchange(&g->page[link]->fd, -1);

	atomic_store(&g->page[link]->due_ns, NOT_DUE);
	return fd;
}
