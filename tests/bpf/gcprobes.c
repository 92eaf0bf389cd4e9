/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/bpf/gcprobes.c — the collector's probes on one process as pygrowd has them on, within the
 * same budget, and nothing else: for bench_gc.py.
 *
 * usage: gcprobes PID [OVERHEAD]; without OVERHEAD: the probes stay on, whatever that costs. Says
 * "on", or why not; when its stdin ends it says of each generation how many collections there were
 * and how many it has timed, then the share of the time that they were on, and what it believes to
 * have cost, of the target's CPU time. It ends then.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/gcwatch.h"
#include "daemon/watch.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"

#define BEAT_MS 100

struct run {
	struct probes *probes;
	struct watch *watch;
	struct guard *guard;
	struct window closing;
	struct ring_buffer *births;
	struct gcwatch *gc;
	clockid_t cpu_clock;
	uint64_t guard_ns;
	double cost_ns;
};

static int on_birth(void *userdata, void *data, size_t n_bytes)
{
	struct run *run = userdata;
	const struct pgd_birth *birth = data;

	(void)n_bytes;
	if (birth->what == PGD_BIRTH_GC_TRIP)
		gcwatch_trip(run->gc);
	return 0;
}

static void beat(struct run *run)
{
	uint64_t guard_ns;

	ring_buffer__consume(run->births);
	run->cost_ns += gcwatch_beat(run->gc, clock_ns(run->cpu_clock), true);
	if (run->closing.n_fds &&
	    guard_close(run->guard, GUARD_ALWAYS, run->closing.fds, run->closing.n_fds) == 0)
		run->closing.n_fds = 0;
	guard_ns = guard_cpu_ns(run->guard, GUARD_ALWAYS);
	run->cost_ns += (double)(guard_ns - run->guard_ns);
	run->guard_ns = guard_ns;
}

static void say(struct run *run, uint64_t began_cpu_ns)
{
	const struct gccount *c = gcwatch_count(run->gc);

	for (int i = 0; i < PGD_GENERATIONS; i++)
		printf("%llu ", (unsigned long long)c->generations[i].counted.collections);
	for (int i = 0; i < PGD_GENERATIONS; i++)
		printf("%llu ", (unsigned long long)c->generations[i].timed);
	printf("%.6f %.6f\n", gcwatch_duty(run->gc),
	       run->cost_ns / (double)(clock_ns(run->cpu_clock) - began_cpu_ns));
}

/* Until stdin ends. */
static void run_on(struct run *run)
{
	uint64_t began_cpu_ns = clock_ns(run->cpu_clock);
	struct pollfd fds[] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = ring_buffer__epoll_fd(run->births), .events = POLLIN },
	};

	puts("on");
	fflush(stdout);
	while (poll(fds, ARRAY_SIZE(fds), BEAT_MS) >= 0 && !fds[0].revents)
		beat(run);
	say(run, began_cpu_ns);
}

static int start(struct run *run, const char *overhead)
{
	struct gcwatch_options o = { .probes = run->probes,
				     .guard = run->guard,
				     .closing = &run->closing,
				     .overhead = overhead ? atof(overhead) : 1e6 };

	if (clock_getcpuclockid(run->watch->pid, &run->cpu_clock) != 0)
		return -ESRCH;
	probes_set_mode(run->probes, run->watch->slot, PGD_MODE_WINDOWS);
	run->births = ring_buffer__new(probes_births_fd(run->probes), on_birth, run, NULL);
	if (!run->births)
		return -errno;
	return gcwatch_new(&o, run->watch, clock_ns(run->cpu_clock), &run->gc);
}

static void stop(struct run *run)
{
	if (run->gc)
		gcwatch_end(run->gc);
	gcwatch_free(run->gc);
	window_close(&run->closing);
	ring_buffer__free(run->births);
}

int main(int argc, char **argv)
{
	const struct procfs fs = { .root = "/proc" };
	static struct procfs_users users;
	const struct watch_options o = { .fs = &fs, .users = &users };
	struct probes_options po = { .live_max = 1024 };
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
	_cleanup_(probes_closep) struct probes *p = NULL;
	_cleanup_(guard_freep) struct guard *guard = NULL;
	struct run run = { .closing = WINDOW_INIT };
	struct watch *w = NULL;
	int r;

	if (argc < 2 || argc > 3)
		return 2;
	r = probes_open(&po, &p, &why);
	if (r == 0)
		r = guard_new(p, &guard);
	if (r == 0)
		r = watch_open(p, atoi(argv[1]), &o, &w, &why);
	if (r < 0)
		return log_err(r, "%s", why.buf ? why.buf : "start"), 1;
	run.probes = p;
	run.guard = guard;
	run.watch = w;
	r = start(&run, argc > 2 ? argv[2] : NULL);
	if (r == 0)
		run_on(&run);
	else
		log_err(r, "put the collector's sites on");
	stop(&run);
	watch_close(p, w);
	return r < 0;
}
