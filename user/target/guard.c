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
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "target/guard.h"

#define POLL_NS	   250000000ULL
#define NS_PER_SEC 1000000000ULL
#define NOT_DUE	   UINT64_MAX
#define ANSWER_NS  (5 * NS_PER_SEC)
#define DEAF_TEXT                                                                               \
	"pygrowd: error: a process got busy, and for 3 s pygrowd did not take its breakpoints " \
	"out (starved of CPU?): its guard ends it, and they go\n"
#define FDS_MAX 65536 /* pygrowd.service has that limit; ours are far below it */

enum guard_task {
	TASK_NONE = 0,
	TASK_ATTACH, /* order, allowed_ns ─► result, fd, due_ns */
	TASK_DROP, /* an attach that nobody waits for any more */
	TASK_CLOSE, /* fds */
};

/* One per link, shared with its guard. The daemon writes what is asked, then the task; the guard
 * writes what came out, then TASK_NONE. */
struct guarded {
	_Atomic uint32_t changes; /* futex: the guard sleeps on it */
	_Atomic uint32_t answers; /* futex: whoever waits for the guard sleeps on it */
	_Atomic uint32_t task;
	_Atomic uint32_t is_ending; /* the guard is to end, when its task is done */
	_Atomic int fd; /* the link that is to be closed at due_ns; -1: it is closed, or none */
	_Atomic uint64_t due_ns;
	_Atomic uint32_t is_late; /* it was closed by time, not because somebody asked */
	_Atomic uint64_t cpu_ns;
	int result;
	uint64_t allowed_ns;
	int fds[GUARD_CLOSE_MAX];
	size_t n_fds;
	struct guard_order order;
};

struct guard {
	struct guarded *page[GUARD_LINKS];
	pid_t pid[GUARD_LINKS];
};

/* Until *word is not `value` any more, or somebody wakes us, but no longer than that. */
static void sleep_on(_Atomic uint32_t *word, uint32_t value, uint64_t ns)
{
	struct timespec t = { .tv_sec = (time_t)(ns / NS_PER_SEC),
			      .tv_nsec = (long)(ns % NS_PER_SEC) };

	syscall(SYS_futex, word, FUTEX_WAIT, value, &t, NULL, 0);
}

static void wake(_Atomic uint32_t *word)
{
	atomic_fetch_add(word, 1);
	syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

/* A trip, as we saw it last. */
struct trip_seen {
	uint64_t since_ns; /* told, and not answered; 0: it was not told */
	uint32_t answers;
};

static bool is_unanswered(struct trip_seen *seen, const uint32_t *told_now,
			  const uint32_t *answers_now, uint64_t now)
{
	uint32_t told = __atomic_load_n(told_now, __ATOMIC_RELAXED);
	uint32_t answers = __atomic_load_n(answers_now, __ATOMIC_RELAXED);

	if (!told || !seen->since_ns || answers != seen->answers)
		seen->since_ns = told ? now : 0;
	seen->answers = answers;
	return told && now - seen->since_ns > GUARD_TRIP_SEC * NS_PER_SEC;
}

/* Is there a trip that nobody has answered since we first saw it, GUARD_TRIP_SEC ago? Each by
 * itself: where many targets are busy there always is one, and it need not be the one of a moment
 * ago. */
static bool is_deaf(const struct probes_shared *shared, uint64_t now)
{
	static struct trip_seen sites[PGD_TARGETS_MAX], collector[PGD_TARGETS_MAX];
	bool is_deaf = false;

	for (unsigned i = 0; i < PGD_TARGETS_MAX; i++) {
		const struct pgd_trip *trip = &shared->trips[i];
		const struct pgd_gc_trip *gc_trip = &shared->gc_trips[i];

		is_deaf |= is_unanswered(&sites[i], &trip->told, &trip->answers, now);
		is_deaf |= is_unanswered(&collector[i], &gc_trip->told, &gc_trip->answers, now);
	}
	return is_deaf;
}

static void note_cpu(struct guarded *page)
{
	atomic_store(&page->cpu_ns, clock_ns(CLOCK_PROCESS_CPUTIME_ID));
}

static void close_link(struct guarded *page, bool is_late)
{
	int fd = atomic_load(&page->fd);

	atomic_store(&page->due_ns, NOT_DUE);
	if (fd < 0)
		return;
	atomic_store(&page->is_late, is_late);
	close(fd);
	note_cpu(page);
	atomic_store(&page->fd, -1); /* last: guard_wait() returns by it */
	wake(&page->answers);
}

static void attach(struct guarded *page)
{
	const struct guard_order *o = &page->order;
	int fd = window_link(o->prog_fd, o->path, o->pid, o->offsets, o->cookies, o->n);

	/* A first attach waits for a grace period before any site is on: the time that the link may
	 * be open counts from its end. */
	if (fd >= 0 && page->allowed_ns != NOT_DUE) {
		atomic_store(&page->is_late, false);
		atomic_store(&page->due_ns, clock_monotonic_ns() + page->allowed_ns);
		atomic_store(&page->fd, fd);
	}
	page->result = fd;
}

/* Whoever ordered it has gone away meanwhile. */
static void drop(struct guarded *page)
{
	if (atomic_load(&page->fd) >= 0)
		close_link(page, true);
	else if (page->result >= 0)
		close(page->result);
}

static void do_task(struct guarded *page)
{
	uint32_t task = atomic_load(&page->task);

	switch (task) {
	case TASK_NONE:
		return;
	case TASK_ATTACH:
		attach(page);
		break;
	case TASK_CLOSE:
		for (size_t i = 0; i < page->n_fds; i++)
			close(page->fds[i]);
		break;
	default:
		break;
	}
	note_cpu(page);
	if (!atomic_compare_exchange_strong(&page->task, &task, TASK_NONE)) {
		drop(page);
		atomic_store(&page->task, TASK_NONE);
	}
	wake(&page->answers);
}

/* Sockets, the history and its lock: who is started in place of the one that was killed wants them
 * now, and closing many links takes seconds. Links have no type: they are anonymous inodes. */
static void close_others(void)
{
	struct stat st;

	for (int fd = 0; fd < FDS_MAX; fd++)
		if (fstat(fd, &st) == 0 && (S_ISSOCK(st.st_mode) || S_ISREG(st.st_mode)))
			close(fd);
}

static _Noreturn void guard_run(struct guarded *page, pid_t parent,
				const struct probes_shared *shared)
{
	note_cpu(page); /* what it took to start is nobody's */
	for (;;) {
		uint32_t changes = atomic_load(&page->changes);
		uint64_t due, now;

		do_task(page);
		due = atomic_load(&page->due_ns);
		now = clock_monotonic_ns();
		if (getppid() != parent || atomic_load(&page->is_ending)) {
			close_link(page, true);
			if (getppid() != parent)
				close_others();
			_exit(0);
		}
		if (now >= due) {
			close_link(page, due != 0);
			continue;
		}
		if (is_deaf(shared, now)) {
			(void)!write(STDERR_FILENO, DEAF_TEXT, sizeof(DEAF_TEXT) - 1);
			kill(parent, SIGKILL);
		}
		sleep_on(&page->changes, changes, due - now < POLL_NS ? due - now : POLL_NS);
	}
}

static void on_parent_end(int number)
{
	(void)number; /* it ends the futex's wait; getppid() tells the rest */
}

static _Noreturn void guard_main(struct guarded *page, pid_t parent,
				 const struct probes_shared *shared)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGQUIT, SIGPIPE };
	struct sched_param rt = { .sched_priority = 1 };

	/* Not SIGKILL: the kernel closes descriptors one by one, with a grace period for each, so
	 * that a window which happens to have a high number would stay open for seconds. */
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
	guard_run(page, parent, shared);
}

static void ask(struct guarded *page, enum guard_task task)
{
	atomic_store(&page->task, task);
	wake(&page->changes);
}

/* A guard that was killed answers nobody. What it was asked is not done; its link, if any, is
 * the caller's to close. */
static bool is_gone(struct guard *g, enum guard_link link)
{
	if (g->pid[link] > 0 && waitpid(g->pid[link], NULL, WNOHANG) == 0)
		return false;
	g->pid[link] = 0;
	atomic_store(&g->page[link]->task, TASK_NONE);
	return true;
}

static int wait_attach(struct guard *g, enum guard_link link)
{
	struct guarded *page = g->page[link];
	uint64_t end_ns = clock_monotonic_ns() + ANSWER_NS;

	for (;;) {
		uint32_t answers = atomic_load(&page->answers), task = atomic_load(&page->task);

		if (task == TASK_NONE)
			return page->result;
		if (is_gone(g, link))
			return -ECHILD;
		if (clock_monotonic_ns() < end_ns)
			sleep_on(&page->answers, answers, POLL_NS);
		else if (atomic_compare_exchange_strong(&page->task, &task, TASK_DROP))
			return -ETIMEDOUT;
	}
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
		struct guarded *page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE,
					    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

		if (page == MAP_FAILED)
			return -errno;
		g->page[i] = page;
		atomic_store(&page->fd, -1);
		atomic_store(&page->due_ns, NOT_DUE);
		/* fork(), but the descriptors are shared and not copied */
		g->pid[i] =
			(pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
		if (g->pid[i] < 0)
			return -errno;
		if (!g->pid[i])
			guard_main(page, parent, &shared);
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
			/* Not killed: it may be taking sites off. */
			atomic_store(&g->page[i]->is_ending, true);
			wake(&g->page[i]->changes);
			while (waitpid(g->pid[i], NULL, 0) < 0 && errno == EINTR)
				;
		}
		if (g->page[i])
			munmap(g->page[i], sizeof(*g->page[i]));
	}
	free(g);
}

struct guard_order *guard_order(struct guard *g, enum guard_link link)
{
	return &g->page[link]->order;
}

size_t guard_order_sites(struct guard_order *o, const struct window_target *t,
			 const struct sites *s, const struct window_pick *pick,
			 enum window_prog prog)
{
	o->prog_fd = t->prog_fds[prog];
	o->pid = t->pid;
	snprintf(o->path, sizeof(o->path), "%s", t->path);
	o->n = window_list(t, s, pick, prog, o->offsets, o->cookies);
	return o->n;
}

bool guard_is_busy(const struct guard *g, enum guard_link link)
{
	return atomic_load(&g->page[link]->task) != TASK_NONE;
}

int guard_attach(struct guard *g, enum guard_link link, uint64_t allowed_ns)
{
	struct guarded *page = g->page[link];

	if (guard_is_busy(g, link) || atomic_load(&page->fd) >= 0)
		return -EBUSY;
	page->allowed_ns = allowed_ns;
	ask(page, TASK_ATTACH);
	return wait_attach(g, link);
}

void guard_detach(struct guard *g, enum guard_link link)
{
	struct guarded *page = g->page[link];

	if (atomic_load(&page->fd) < 0)
		return;
	atomic_store(&page->due_ns, 0);
	wake(&page->changes);
}

bool guard_wait(struct guard *g, enum guard_link link)
{
	struct guarded *page = g->page[link];

	while (atomic_load(&page->fd) >= 0) {
		uint32_t answers = atomic_load(&page->answers);

		if (is_gone(g, link)) {
			atomic_store(&page->is_late, true);
			close(atomic_exchange(&page->fd, -1));
		} else if (atomic_load(&page->fd) >= 0) {
			sleep_on(&page->answers, answers, POLL_NS);
		}
	}
	return atomic_load(&page->is_late);
}

int guard_close(struct guard *g, enum guard_link link, const int *fds, size_t n)
{
	struct guarded *page = g->page[link];

	if (guard_is_busy(g, link))
		return -EBUSY;
	if (n > GUARD_CLOSE_MAX)
		return -E2BIG;
	if (is_gone(g, link)) {
		for (size_t i = 0; i < n; i++)
			close(fds[i]);
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		page->fds[i] = fds[i];
	page->n_fds = n;
	ask(page, TASK_CLOSE);
	return 0;
}

uint64_t guard_cpu_ns(const struct guard *g, enum guard_link link)
{
	return atomic_load(&g->page[link]->cpu_ns);
}
