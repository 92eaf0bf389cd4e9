/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/bpf/test_guard.c — the processes that attach and close for us. Needs root, and a kernel
 * with uprobe_multi (6.6): skipped without.
 *
 * What counts is the text of a target of ours: breakpoints in it, or the bytes from before.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/klog.h>

#include "bpfchild.h"
#include "lib/clock.h"
#include "lib/strbuf.h"
#include "target/guard.h"
#include "target/procmem.h"

#define MS	1000000ull
#define NEVER	UINT64_MAX
#define LONG_NS (60000 * MS)
#define LATE_MS 100 /* so long after its time a link may still be there */
#define SLOT	3
#define KILLS	80
#define MANY	8

static struct probes *p;
static struct probes_shared shared;
static struct child target;
static uint8_t text_before[2][16];
static struct site site_list[2];
static const struct sites sites = { .v = site_list, .n = 2 };

static void read_text(uint8_t ret[2][16])
{
	struct procmem m;

	procmem_init(&m, target.pid);
	assert_ok(procmem_read(&m, (uintptr_t)child_site_alloc, ret[0], 16));
	assert_ok(procmem_read(&m, (uintptr_t)child_site_free, ret[1], 16));
}

static bool is_text_clean(void)
{
	uint8_t now[2][16];

	read_text(now);
	return memcmp(now, text_before, sizeof(now)) == 0;
}

static uint64_t in_ms(uint64_t ms)
{
	return clock_monotonic_ns() + ms * MS;
}

static bool clean_within(unsigned ms)
{
	for (uint64_t end = in_ms(ms); clock_monotonic_ns() < end; usleep(500))
		if (is_text_clean())
			return true;
	return is_text_clean();
}

static int setup(void **state)
{
	struct probes_options o = { .live_max = 1024 };
	struct strbuf why = STRBUF_INIT;

	(void)state;
	if (probes_open(&o, &p, &why) < 0)
		fail_msg("%s", why.buf);
	probes_shared(p, &shared);
	site_list[0] = (struct site){ .offset = child_offset(child_site_alloc),
				      .kind = SITE_POP,
				      .reg = PGD_REG_DI };
	site_list[1] = (struct site){ .offset = child_offset(child_site_free),
				      .kind = SITE_PUSH,
				      .reg = PGD_REG_DI };
	child_start(&target);
	read_text(text_before);
	/* Guards whose parent dies are ours then, and we can wait for them. */
	assert_ok(prctl(PR_SET_CHILD_SUBREAPER, 1));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	child_stop(&target);
	probes_close(p);
	return 0;
}

static void needs_multi(void)
{
	if (probes_method(p) != WINDOW_MULTI)
		skip();
}

/* The allocation site, the free site, or both. */
static struct guard_order *write_order(struct guard *g, enum guard_link link)
{
	static const enum window_prog progs[] = { WINDOW_ON_ALLOC, WINDOW_ON_FREE,
						  WINDOW_ON_COUNT };
	const struct window_pick pick = { .progs = 1u << progs[link] };
	struct window_target t = { .path = "/proc/self/exe", .pid = target.pid, .slot = SLOT };
	struct guard_order *o = guard_order(g, link);

	probes_prog_fds(p, t.prog_fds);
	guard_order_sites(o, &t, &sites, &pick, progs[link]);
	return o;
}

static int attach(struct guard *g, enum guard_link link, uint64_t allowed_ns)
{
	write_order(g, link);
	return guard_attach(g, link, allowed_ns);
}

static struct guard *new_guard(void)
{
	struct guard *g = NULL;

	needs_multi();
	assert_ok(guard_new(p, &g));
	return g;
}

/* ── attach, detach, close ────────────────────────────────────────────────────────────────── */

static void guard__closes_what_is_due(void **state)
{
	_cleanup_(guard_freep) struct guard *g = new_guard();

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (unsigned link = 0; link < GUARD_LINKS; link++) {
			assert_true(attach(g, link, 60 * MS) >= 0);
			assert_false(is_text_clean());
			assert_true(clean_within(60 + LATE_MS));
			assert_true(guard_wait(g, link));
			assert_true(guard_cpu_ns(g, link) > 0);
		}
	}
}

static void guard__closes_at_once_what_is_overdue(void **state)
{
	_cleanup_(guard_freep) struct guard *g = new_guard();

	(void)state;
	assert_true(attach(g, GUARD_ALLOC, 0) >= 0);
	assert_true(clean_within(LATE_MS));
	assert_true(guard_wait(g, GUARD_ALLOC));
}

static void guard__closes_what_it_is_asked_to(void **state)
{
	_cleanup_(guard_freep) struct guard *g = new_guard();

	(void)state;
	for (unsigned link = 0; link < GUARD_LINKS; link++) {
		int fd = attach(g, link, LONG_NS);

		assert_true(fd >= 0);
		guard_detach(g, link);
		assert_false(guard_wait(g, link));
		assert_true(is_text_clean());
		assert_int_equal(fcntl(fd, F_GETFD), -1);
	}
}

static void guard__links_do_not_meet(void **state)
{
	_cleanup_(guard_freep) struct guard *g = new_guard();
	int late;

	(void)state;
	late = attach(g, GUARD_FREE, LONG_NS);
	assert_true(late >= 0);
	assert_true(attach(g, GUARD_ALLOC, 10 * MS) >= 0);
	assert_true(guard_wait(g, GUARD_ALLOC));
	assert_true(fcntl(late, F_GETFD) >= 0);
	assert_false(is_text_clean());
	guard_detach(g, GUARD_FREE);
	assert_false(guard_wait(g, GUARD_FREE));
	assert_true(is_text_clean());
}

static void guard__nothing_to_close_is_no_harm(void **state)
{
	_cleanup_(guard_freep) struct guard *g = new_guard();

	(void)state;
	guard_detach(g, GUARD_ALLOC);
	assert_false(guard_wait(g, GUARD_ALLOC));
	assert_ok(guard_close(g, GUARD_ALWAYS, NULL, 0));
}

static void guard__wrong_order_is_an_error(void **state)
{
	_cleanup_(guard_freep) struct guard *g = new_guard();

	(void)state;
	write_order(g, GUARD_ALLOC)->pid = 1 << 25;
	assert_err(guard_attach(g, GUARD_ALLOC, LONG_NS), -ESRCH);
	write_order(g, GUARD_ALLOC)->prog_fd = -1;
	assert_err(guard_attach(g, GUARD_ALLOC, LONG_NS), -EBADF);
	snprintf(write_order(g, GUARD_ALLOC)->path, 16, "/nonexistent");
	assert_err(guard_attach(g, GUARD_ALLOC, NEVER), -ENOENT);
	assert_false(guard_is_busy(g, GUARD_ALLOC));
	assert_true(is_text_clean());
	assert_true(attach(g, GUARD_ALLOC, LONG_NS) >= 0); /* the next one is as any */
	assert_err(attach(g, GUARD_ALLOC, LONG_NS), -EBUSY);
}

static void attach_many(struct guard *g, int fds[MANY])
{
	for (unsigned i = 0; i < MANY; i++) {
		fds[i] = attach(g, GUARD_ALWAYS, NEVER);
		assert_true(fds[i] >= 0);
	}
}

static void guard__closes_several_links(void **state)
{
	_cleanup_(guard_freep) struct guard *g = new_guard();
	uint64_t end = in_ms(10000);
	int fds[MANY];

	(void)state;
	attach_many(g, fds);
	assert_err(guard_close(g, GUARD_ALWAYS, fds, GUARD_CLOSE_MAX + 1), -E2BIG);
	assert_false(is_text_clean());
	assert_ok(guard_close(g, GUARD_ALWAYS, fds, MANY));
	assert_true(guard_is_busy(g, GUARD_ALWAYS));
	assert_err(guard_close(g, GUARD_ALWAYS, fds, 1), -EBUSY);
	assert_err(guard_attach(g, GUARD_ALWAYS, NEVER), -EBUSY);
	for (; guard_is_busy(g, GUARD_ALWAYS); usleep(1000))
		assert_true(clock_monotonic_ns() < end);
	assert_true(is_text_clean());
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(fcntl(fds[i], F_GETFD), -1);
}

static void guard__freed_while_busy_leaves_nothing_behind(void **state)
{
	struct guard *g = new_guard();
	int fds[MANY];

	(void)state;
	attach_many(g, fds);
	assert_true(attach(g, GUARD_FREE, LONG_NS) >= 0);
	assert_true(attach(g, GUARD_ALLOC, LONG_NS) >= 0);
	assert_ok(guard_close(g, GUARD_ALWAYS, fds, MANY));
	guard_detach(g, GUARD_ALLOC);
	guard_free(g);
	assert_true(is_text_clean());
}

static void guard__detached_just_when_it_is_due(void **state)
{
	_cleanup_(guard_freep) struct guard *g = new_guard();
	unsigned n_late = 0;

	(void)state;
	for (int i = 0; i < 60; i++) {
		assert_true(attach(g, GUARD_ALLOC, 2 * MS) >= 0);
		usleep((useconds_t)(random() % 3000));
		guard_detach(g, GUARD_ALLOC);
		n_late += guard_wait(g, GUARD_ALLOC);
		assert_true(is_text_clean());
	}
	assert_in_range(n_late, 1, 60);
}

/* ── when we die, or are deaf ─────────────────────────────────────────────────────────────── */

enum doing {
	IDLE = 0,
	OPEN, /* one window, allowed for 200 ms, and a link that stays */
	LOOP, /* windows, one after the other */
};

static _Noreturn void open_and_close(struct guard *g)
{
	for (;;) {
		int fd = attach(g, GUARD_ALWAYS, NEVER);

		attach(g, GUARD_FREE, 10 * MS);
		attach(g, GUARD_ALLOC, 10 * MS);
		usleep(5000);
		guard_detach(g, GUARD_ALLOC);
		guard_detach(g, GUARD_FREE);
		guard_close(g, GUARD_ALWAYS, &fd, fd >= 0);
		guard_wait(g, GUARD_ALLOC);
		guard_wait(g, GUARD_FREE);
		while (guard_is_busy(g, GUARD_ALWAYS))
			usleep(500);
	}
}

/* A process with guards. The pipe ends when it and its guards are gone: they share its end. */
static pid_t start_parent(enum doing what, int *ret_end)
{
	int ready[2], ends[2];
	pid_t pid;
	char byte;

	needs_multi();
	assert_ok(pipe(ready));
	assert_ok(pipe(ends));
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		struct guard *g = NULL;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ends[0]);
		if (guard_new(p, &g) < 0)
			_exit(1);
		if (what == OPEN &&
		    (attach(g, GUARD_ALWAYS, 200 * MS) < 0 || attach(g, GUARD_FREE, 200 * MS) < 0 ||
		     attach(g, GUARD_ALLOC, 200 * MS) < 0))
			_exit(1);
		(void)!write(ready[1], "", 1);
		if (what == LOOP)
			open_and_close(g);
		for (;;)
			pause();
	}
	close(ready[1]);
	close(ends[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	*ret_end = ends[0];
	return pid;
}

/* Kill it; all that is left of it goes within a second. */
static void kill_parent(pid_t pid, int end)
{
	struct pollfd pfd = { .fd = end, .events = POLLIN };

	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(poll(&pfd, 1, 1000), 1);
	assert_int_not_equal(pfd.revents & POLLHUP, 0);
	close(end);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static void guard__dies_with_us(void **state)
{
	int end;
	pid_t pid;

	(void)state;
	pid = start_parent(IDLE, &end);
	kill_parent(pid, end);
}

static void guard__closes_when_we_are_killed(void **state)
{
	int end;
	pid_t pid;

	(void)state;
	pid = start_parent(OPEN, &end);
	assert_false(is_text_clean());
	kill_parent(pid, end);
	assert_true(clean_within(1000));
}

static void guard__closes_when_we_are_stopped(void **state)
{
	int end;
	pid_t pid;

	(void)state;
	pid = start_parent(OPEN, &end);
	kill(pid, SIGSTOP);
	assert_false(is_text_clean());
	assert_true(clean_within(200 + LATE_MS));
	kill_parent(pid, end);
}

/* How often the kernel says that breakpoints stay in some process because of us. */
static unsigned count_leaks(void)
{
	int n_bytes = klogctl(10, NULL, 0);
	_cleanup_free_ char *log = calloc(1, (size_t)n_bytes + 1);
	unsigned n = 0;
	char *rest = log;

	assert_non_null(log);
	assert_true(klogctl(3, log, n_bytes) >= 0);
	for (char *line; (line = strsep(&rest, "\n"));)
		n += strstr(line, "leaking uprobe") &&
		     (strstr(line, "test_guard:") || strstr(line, "pygrowd-guard:"));
	return n;
}

static void guard__killed_at_any_moment_leaves_nothing_behind(void **state)
{
	unsigned n_leaks = count_leaks(), n_on = 0;

	(void)state;
	for (int i = 0; i < KILLS; i++) {
		int end;
		pid_t pid = start_parent(LOOP, &end);

		usleep((useconds_t)(random() % 150000));
		n_on += !is_text_clean();
		kill_parent(pid, end);
		if (!clean_within(1000)) /* the kernel closes a link after the pipe's end */
			fail_msg("kill %d: breakpoints are left", i);
	}
	assert_true(n_on > 0); /* it was at it */
	assert_true(count_leaks() <= n_leaks);
	child_do(&target, CHILD_BOTH, 64, 10); /* it lives */
}

static void assert_kills_us(__u32 *told)
{
	struct pollfd pfd = { .events = POLLIN };
	uint64_t start_ns;
	int status;
	pid_t pid;

	pid = start_parent(IDLE, &pfd.fd);
	start_ns = clock_monotonic_ns();
	*told = 1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	*told = 0;
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_in_range((clock_monotonic_ns() - start_ns) / MS, GUARD_TRIP_SEC * 1000,
			GUARD_TRIP_SEC * 1000 + 1500);
	assert_int_equal(poll(&pfd, 1, 1000), 1);
	close(pfd.fd);
}

static void guard__kills_us_if_a_trip_is_not_answered(void **state)
{
	(void)state;
	assert_kills_us(&shared.trips[SLOT].told);
	assert_kills_us(&shared.gc_trips[SLOT].told);
}

static void guard__trips_that_are_answered_are_no_reason(void **state)
{
	int end;
	pid_t pid;

	(void)state;
	pid = start_parent(IDLE, &end);
	for (int i = 0; i < 3; i++) {
		shared.trips[SLOT].told = 1;
		usleep(GUARD_TRIP_SEC * 1000000 / 2);
		shared.trips[SLOT].told = 0;
		usleep(400000);
	}
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	kill_parent(pid, end);
}

/* Where many targets are busy there always is one that has just tripped. */
static void guard__trips_of_several_targets_are_no_reason(void **state)
{
	uint64_t end_ns = clock_monotonic_ns() + (GUARD_TRIP_SEC + 1) * 1000 * MS;
	int end;
	pid_t pid;

	(void)state;
	pid = start_parent(IDLE, &end);
	for (unsigned i = 0; clock_monotonic_ns() < end_ns; i++) {
		shared.trips[i % 5].told = 1;
		usleep(50000);
		shared.trips[(i + 4) % 5].answers++; /* the one before */
		shared.trips[(i + 4) % 5].told = 0;
	}
	for (unsigned i = 0; i < 5; i++)
		shared.trips[i].told = 0;
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	kill_parent(pid, end);
}

/* One that is hit on and on, until its sites are off, trips again at once. */
static void guard__trips_that_come_again_are_no_reason(void **state)
{
	uint64_t end_ns = clock_monotonic_ns() + (GUARD_TRIP_SEC + 1) * 1000 * MS;
	int end;
	pid_t pid;

	(void)state;
	pid = start_parent(IDLE, &end);
	shared.trips[SLOT].told = 1;
	while (clock_monotonic_ns() < end_ns) {
		usleep(100000);
		shared.trips[SLOT].answers++;
	}
	shared.trips[SLOT].told = 0;
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	kill_parent(pid, end);
}

/* A target that trips and is let go leaves nothing to answer. */
static void guard__trip_of_a_slot_given_back_is_forgotten(void **state)
{
	struct pgd_target row = { .state = PGD_TARGET_WATCHED };
	uint32_t slot;

	(void)state;
	assert_ok(probes_slot_add(p, &row, &slot));
	shared.trips[slot].told = shared.gc_trips[slot].told = 1;
	probes_slot_del(p, slot);
	assert_int_equal(shared.trips[slot].told, 0);
	assert_int_equal(shared.gc_trips[slot].told, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(guard__closes_what_is_due),
		cmocka_unit_test(guard__closes_at_once_what_is_overdue),
		cmocka_unit_test(guard__closes_what_it_is_asked_to),
		cmocka_unit_test(guard__links_do_not_meet),
		cmocka_unit_test(guard__nothing_to_close_is_no_harm),
		cmocka_unit_test(guard__wrong_order_is_an_error),
		cmocka_unit_test(guard__closes_several_links),
		cmocka_unit_test(guard__freed_while_busy_leaves_nothing_behind),
		cmocka_unit_test(guard__detached_just_when_it_is_due),
		cmocka_unit_test(guard__dies_with_us),
		cmocka_unit_test(guard__closes_when_we_are_killed),
		cmocka_unit_test(guard__closes_when_we_are_stopped),
		cmocka_unit_test(guard__killed_at_any_moment_leaves_nothing_behind),
		cmocka_unit_test(guard__kills_us_if_a_trip_is_not_answered),
		cmocka_unit_test(guard__trips_that_are_answered_are_no_reason),
		cmocka_unit_test(guard__trips_of_several_targets_are_no_reason),
		cmocka_unit_test(guard__trips_that_come_again_are_no_reason),
		cmocka_unit_test(guard__trip_of_a_slot_given_back_is_forgotten),
	};

	return cmocka_run_group_tests_name("guard", tests, setup, teardown);
}
