/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/shutter.c — see shutter.h for the order of things. */
#include <bpf/libbpf.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stddef.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/clock.h"
#include "target/guard.h"
#include "target/shutter.h"

#define STACK_BYTES  (256 << 10) /* of a thread of ours; locked */
#define NS_PER_SEC   1000000000ULL
#define ASK_AGAIN_NS 250000ULL

struct shutter {
	struct probes *probes;
	struct probes_shared shared;
	struct guard *guard;
	struct ring_buffer *over;
	pthread_t thread;
	void *stack;
	sem_t go;
	int event_fd;
	_Atomic bool is_busy, is_ending;
	uint64_t n_windows;
	struct cpuclock cpuclock;
	uint64_t own_ns; /* CPU time used when the last window was over */
	struct shutter_plan plan;
	struct shutter_result result;
};

/* ── opening and closing ──────────────────────────────────────────────────────────────────── */

/* What is to be attached, before any site is on: nothing is looked up or allocated later. */
static void write_order(struct shutter *s, enum guard_link link, enum window_prog prog)
{
	const struct window_pick pick = { .progs = 1u << prog,
					  .skip_chunks = s->plan.skip_chunks,
					  .only = s->plan.on };

	guard_order_sites(guard_order(s->guard, link), &s->plan.target, s->plan.sites, &pick, prog);
}

/* 0: no sites; 1; -errno. */
static int open_link(struct shutter *s, enum guard_link link)
{
	int fd;

	if (!guard_order(s->guard, link)->n)
		return 0;
	fd = guard_attach(s->guard, link, s->plan.wall_max_ns + SHUTTER_LATE_NS);
	return fd < 0 ? fd : 1;
}

static void prepare_gate(struct shutter *s)
{
	struct pgd_gate *gate = s->shared.gate;

	memset(s->shared.site_hits, 0, PGD_SITES_MAX * sizeof(*s->shared.site_hits));
	if (s->plan.kind == PGD_GATE_SAMPLE)
		memset(s->shared.samples, 0, PGD_SAMPLES_MAX * sizeof(*s->shared.samples));
	*gate = (struct pgd_gate){
		.slot = s->plan.target.slot,
		.window = ++s->n_windows,
		.deadline_ns = UINT64_MAX, /* set when it is opened */
		.hits_max = s->plan.hits_max,
		.walk_of = s->plan.walk_of,
	};
}

/* That the kernel said so is all: what it counted says the rest. */
static int on_over(void *userdata, void *data, size_t n_bytes)
{
	(void)userdata;
	(void)data;
	(void)n_bytes;
	return 0;
}

/* How long until the target can have used all of its CPU time; 0: it has. It may not be running
 * just now: asking again at once would be a loop. */
static uint64_t cpu_left_ns(struct shutter *s, uint64_t cpu_ns)
{
	uint64_t max_ns = s->plan.cpu_max_ns, used_ns = cpuclock_ns(&s->cpuclock) - cpu_ns;
	unsigned n_tids = s->plan.n_tids ? s->plan.n_tids : 1;

	uint64_t left_ns;

	if (!max_ns)
		return UINT64_MAX;
	if (used_ns >= max_ns)
		return 0;
	left_ns = (max_ns - used_ns) / n_tids;
	return left_ns > ASK_AGAIN_NS ? left_ns : ASK_AGAIN_NS;
}

/* Until the window has had its hits, or its time. */
static void wait_over(struct shutter *s, uint64_t end_ns, uint64_t cpu_ns)
{
	struct pollfd pfd = { .fd = ring_buffer__epoll_fd(s->over), .events = POLLIN };
	const struct pgd_gate *gate = s->shared.gate;
	uint64_t now, left_ns;

	while ((now = clock_monotonic_ns()) < end_ns && (left_ns = cpu_left_ns(s, cpu_ns)) > 0) {
		struct timespec left;

		left_ns = left_ns < end_ns - now ? left_ns : end_ns - now;
		left = (struct timespec){ .tv_sec = (time_t)(left_ns / NS_PER_SEC),
					  .tv_nsec = (long)(left_ns % NS_PER_SEC) };
		if (__atomic_load_n(&gate->allocs, __ATOMIC_RELAXED) +
			    __atomic_load_n(&gate->frees, __ATOMIC_RELAXED) >=
		    s->plan.hits_max)
			return;
		if (ppoll(&pfd, 1, &left, NULL) > 0)
			ring_buffer__consume(s->over);
	}
}

/* The gate is open as long as it may; what happened meanwhile is in s->result. */
static void expose(struct shutter *s)
{
	struct pgd_gate *gate = s->shared.gate;
	struct shutter_result *r = &s->result;
	uint64_t opened_ns = clock_monotonic_ns(), end_ns = opened_ns + s->plan.wall_max_ns;
	uint64_t cpu_ns, now_ns;

	gate->deadline_ns = end_ns;
	cpu_ns = cpuclock_ns(&s->cpuclock);
	__atomic_store_n(&gate->state, s->plan.kind, __ATOMIC_RELEASE);
	wait_over(s, end_ns, cpu_ns);
	__atomic_store_n(&gate->state, PGD_GATE_SHUT, __ATOMIC_RELEASE);
	now_ns = cpuclock_ns(&s->cpuclock);
	r->cpu_ns = now_ns > cpu_ns ? now_ns - cpu_ns : 0; /* it may be gone: no clock */
	r->shut_ns = clock_monotonic_ns();
	r->gate_ns = r->shut_ns - opened_ns;
}

static uint64_t own_ns(const struct shutter *s)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID) + guard_cpu_ns(s->guard, GUARD_ALLOC) +
	       guard_cpu_ns(s->guard, GUARD_FREE);
}

static void run(struct shutter *s)
{
	const struct shutter_plan *p = &s->plan;
	bool is_count = p->kind == PGD_GATE_COUNT;
	int frees, allocs;

	/* It reads its order still, for a window that gave up waiting for it. */
	if (guard_is_busy(s->guard, GUARD_ALLOC) || guard_is_busy(s->guard, GUARD_FREE)) {
		s->result.error = -EBUSY;
		return;
	}
	write_order(s, GUARD_ALLOC, is_count ? WINDOW_ON_COUNT : WINDOW_ON_ALLOC);
	if (!is_count)
		write_order(s, GUARD_FREE, WINDOW_ON_FREE);
	frees = cpuclock_open(&s->cpuclock, p->tids, p->n_tids);
	if (frees == 0 && !is_count)
		frees = open_link(s, GUARD_FREE);
	if (!is_count)
		probes_remember_codes(s->probes, p->target.slot, true);
	allocs = frees < 0 ? frees : open_link(s, GUARD_ALLOC);
	if (allocs > 0) {
		expose(s);
		if (p->capture)
			p->capture(p->userdata, s->shared.samples, PGD_SAMPLES_MAX);
		guard_detach(s->guard, GUARD_ALLOC);
	}
	if (!is_count)
		probes_remember_codes(s->probes, p->target.slot, false);
	if (frees > 0)
		guard_detach(s->guard, GUARD_FREE);
	cpuclock_close(&s->cpuclock);
	s->result.is_late = allocs > 0 && guard_wait(s->guard, GUARD_ALLOC);
	if (frees > 0)
		s->result.is_late |= guard_wait(s->guard, GUARD_FREE);
	s->result.error = allocs < 0 ? allocs : 0;
	/* The guards' grace periods are still to come: what they take is in the next figure. */
	s->result.own_ns = own_ns(s) - s->own_ns;
	s->own_ns = own_ns(s);
}

static void *shutter_main(void *arg)
{
	struct shutter *s = arg;
	uint64_t one = 1;

	for (;;) {
		while (sem_wait(&s->go) < 0)
			;
		if (s->is_ending)
			return NULL;
		memset(&s->result, 0, offsetof(struct shutter_result, site_hits));
		if (!s->n_windows) /* what it took the guards and us to start is nobody's */
			s->own_ns = own_ns(s);
		s->result.slot = s->plan.target.slot;
		s->result.kind = s->plan.kind;
		prepare_gate(s);
		s->result.window = s->n_windows;
		run(s);
		s->result.gate = *s->shared.gate;
		memcpy(s->result.site_hits, s->shared.site_hits, sizeof(s->result.site_hits));
		s->shared.gate->slot = PGD_SLOT_NONE;
		atomic_store(&s->is_busy, false);
		while (write(s->event_fd, &one, sizeof(one)) < 0 && errno == EINTR)
			;
	}
}

/* ── threads ──────────────────────────────────────────────────────────────────────────────── */

/* A thread with a locked stack, ahead of everybody who is not in a hurry; no signals. */
static int start_thread(void *(*main)(void *), void *arg, pthread_t *ret, void **ret_stack)
{
	struct sched_param rt = { .sched_priority = 1 };
	sigset_t all, before;
	pthread_attr_t attr;
	void *stack;
	int r;

	stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stack == MAP_FAILED)
		return -errno;
	mlock2(stack, STACK_BYTES, MLOCK_ONFAULT); /* no right to it: it may be swapped */
	pthread_attr_init(&attr);
	pthread_attr_setstack(&attr, stack, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(ret, &attr, main, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (r) {
		munmap(stack, STACK_BYTES);
		return -r;
	}
	pthread_setschedparam(*ret, SCHED_FIFO, &rt); /* no right to it: as all others */
	*ret_stack = stack;
	return 0;
}

int shutter_new(struct probes *p, struct shutter **ret)
{
	_cleanup_(shutter_freep) struct shutter *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->event_fd = -1;
	s->probes = p;
	sem_init(&s->go, 0, 0);
	if (probes_method(p) != WINDOW_MULTI)
		return -ENOTSUP;
	probes_shared(p, &s->shared);
	s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->event_fd < 0)
		return -errno;
	r = guard_new(p, &s->guard);
	if (r < 0)
		return r;
	s->over = ring_buffer__new(probes_over_fd(p), on_over, NULL, NULL);
	if (!s->over)
		return -errno;
	r = start_thread(shutter_main, s, &s->thread, &s->stack);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

static void end_thread(pthread_t thread, sem_t *go, void *stack)
{
	if (!stack)
		return;
	sem_post(go);
	pthread_join(thread, NULL);
	munmap(stack, STACK_BYTES);
}

void shutter_free(struct shutter *s)
{
	uint64_t n;

	if (!s)
		return;
	while (atomic_load(&s->is_busy))
		poll(&(struct pollfd){ .fd = s->event_fd, .events = POLLIN }, 1, 100);
	while (s->event_fd >= 0 && read(s->event_fd, &n, sizeof(n)) > 0)
		;
	s->is_ending = true;
	end_thread(s->thread, &s->go, s->stack);
	guard_free(s->guard);
	ring_buffer__free(s->over);
	if (s->event_fd >= 0)
		close(s->event_fd);
	free(s);
}

struct shutter_plan *shutter_plan(struct shutter *s)
{
	return atomic_load(&s->is_busy) ? NULL : &s->plan;
}

void shutter_start(struct shutter *s)
{
	atomic_store(&s->is_busy, true);
	sem_post(&s->go);
}

struct guard *shutter_guard(const struct shutter *s)
{
	return s->guard;
}

bool shutter_is_busy(const struct shutter *s)
{
	return atomic_load(&s->is_busy);
}

int shutter_fd(const struct shutter *s)
{
	return s->event_fd;
}

const struct shutter_result *shutter_take(struct shutter *s)
{
	uint64_t n;

	return read(s->event_fd, &n, sizeof(n)) == sizeof(n) ? &s->result : NULL;
}
