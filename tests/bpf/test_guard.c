/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/bpf/test_guard.c — the processes that close a window when we cannot. Needs root. */
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/strbuf.h"
#include "target/guard.h"
#include "test.h"

#define MS    1000000ull
#define NEVER UINT64_MAX
#define SLOT  3

static struct probes *p;
static struct probes_shared shared;

static int setup(void **state)
{
	struct probes_options o = { .live_max = 1024 };
	struct strbuf why = STRBUF_INIT;

	(void)state;
	if (probes_open(&o, &p, &why) < 0)
		fail_msg("%s", why.buf);
	probes_shared(p, &shared);
	/* Guards whose parent dies are ours then, and we can wait for them. */
	assert_ok(prctl(PR_SET_CHILD_SUBREAPER, 1));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	probes_close(p);
	return 0;
}

static uint64_t in_ms(uint64_t ms)
{
	return clock_monotonic_ns() + ms * MS;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* Does it close within so long? */
static bool closes_within(int fd, unsigned ms)
{
	for (uint64_t end = in_ms(ms); clock_monotonic_ns() < end; usleep(500))
		if (!is_open(fd))
			return true;
	return false;
}

static int new_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void guard__closes_what_is_due(void **state)
{
	_cleanup_(guard_freep) struct guard *g = NULL;

	(void)state;
	assert_ok(guard_new(p, &g));
	for (int round = 0; round < 3; round++) {
		for (unsigned link = 0; link < GUARD_LINKS; link++) {
			int fd = new_fd();

			guard_set(g, link, fd, in_ms(30));
			usleep(5000);
			assert_true(is_open(fd));
			assert_true(closes_within(fd, 30 + 100));
			assert_int_equal(guard_take(g, link), -1);
		}
	}
}

static void guard__closes_at_once_what_is_overdue(void **state)
{
	_cleanup_(guard_freep) struct guard *g = NULL;
	int fd = new_fd();

	(void)state;
	assert_ok(guard_new(p, &g));
	guard_set(g, 0, fd, 1);
	assert_true(closes_within(fd, 100));
}

static void guard__leaves_alone_what_was_taken_in_time(void **state)
{
	_cleanup_(guard_freep) struct guard *g = NULL;
	int fds[GUARD_LINKS];

	(void)state;
	assert_ok(guard_new(p, &g));
	for (unsigned i = 0; i < GUARD_LINKS; i++) {
		fds[i] = new_fd();
		guard_set(g, i, fds[i], in_ms(50));
	}
	for (unsigned i = 0; i < GUARD_LINKS; i++)
		assert_int_equal(guard_take(g, i), fds[i]);
	usleep(200000);
	for (unsigned i = 0; i < GUARD_LINKS; i++) {
		assert_true(is_open(fds[i]));
		close(fds[i]);
	}
}

/* Set with time to spare, then with less: the guard must not sleep on. */
static void guard__earlier_time_is_noticed(void **state)
{
	_cleanup_(guard_freep) struct guard *g = NULL;
	int fd = new_fd();

	(void)state;
	assert_ok(guard_new(p, &g));
	guard_set(g, 1, fd, in_ms(5000));
	usleep(20000);
	guard_set(g, 1, guard_take(g, 1), in_ms(20));
	assert_true(closes_within(fd, 20 + 100));
}

static void guard__links_do_not_meet(void **state)
{
	_cleanup_(guard_freep) struct guard *g = NULL;
	int early = new_fd(), late = new_fd();

	(void)state;
	assert_ok(guard_new(p, &g));
	guard_set(g, 0, late, in_ms(60000));
	guard_set(g, 1, early, in_ms(10));
	assert_true(closes_within(early, 110));
	assert_true(is_open(late));
	assert_int_equal(guard_take(g, 0), late);
	close(late);
}

static void guard__nothing_to_close_is_no_harm(void **state)
{
	_cleanup_(guard_freep) struct guard *g = NULL;
	int fd = new_fd();

	(void)state;
	assert_ok(guard_new(p, &g));
	assert_int_equal(guard_take(g, 0), -1);
	guard_set(g, 0, -1, in_ms(1));
	usleep(20000);
	assert_int_equal(guard_take(g, 0), -1);
	assert_true(is_open(fd));
	close(fd);
}

/* ── when we die, or are deaf ─────────────────────────────────────────────────────────────── */

/* A process with guards that does nothing; `fd` is due in 200 ms. */
static pid_t start_parent(int fd)
{
	int ready[2];
	pid_t pid;
	char byte;

	assert_ok(pipe(ready));
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		struct guard *g = NULL;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (guard_new(p, &g) < 0)
			_exit(1);
		if (fd >= 0)
			guard_set(g, 0, fd, in_ms(200));
		(void)!write(ready[1], "", 1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

/* All guards that we have inherited have ended within so long. */
static bool no_children_within(unsigned ms)
{
	for (uint64_t end = in_ms(ms); clock_monotonic_ns() < end; usleep(1000))
		if (waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD)
			return true;
	return false;
}

static void guard__dies_with_us(void **state)
{
	pid_t pid;

	(void)state;
	pid = start_parent(-1);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(no_children_within(1000));
}

static void guard__closes_when_we_are_stopped(void **state)
{
	int pipe_fds[2];
	char byte;
	pid_t pid;

	(void)state;
	assert_ok(pipe(pipe_fds));
	pid = start_parent(pipe_fds[1]);
	kill(pid, SIGSTOP);
	close(pipe_fds[1]);
	assert_int_equal(read(pipe_fds[0], &byte, 1), 0); /* its copy is closed: the end */
	close(pipe_fds[0]);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(no_children_within(1000));
}

static void guard__kills_us_if_a_trip_is_not_answered(void **state)
{
	uint64_t start_ns;
	int status;
	pid_t pid;

	(void)state;
	pid = start_parent(-1);
	start_ns = clock_monotonic_ns();
	shared.trips[SLOT].told = 1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	shared.trips[SLOT].told = 0;
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_in_range((clock_monotonic_ns() - start_ns) / MS, GUARD_TRIP_SEC * 1000,
			GUARD_TRIP_SEC * 1000 + 1500);
	assert_true(no_children_within(1000));
}

static void guard__trips_that_are_answered_are_no_reason(void **state)
{
	pid_t pid;

	(void)state;
	pid = start_parent(-1);
	for (int i = 0; i < 3; i++) {
		shared.trips[SLOT].told = 1;
		usleep(GUARD_TRIP_SEC * 1000000 / 2);
		shared.trips[SLOT].told = 0;
		usleep(400000);
	}
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(no_children_within(1000));
}

/* A target that trips and is let go leaves nothing to answer. */
static void guard__trip_of_a_slot_given_back_is_forgotten(void **state)
{
	struct pgd_target target = { .state = PGD_TARGET_WATCHED };
	uint32_t slot;

	(void)state;
	assert_ok(probes_slot_add(p, &target, &slot));
	shared.trips[slot].told = 1;
	probes_slot_del(p, slot);
	assert_int_equal(shared.trips[slot].told, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(guard__closes_what_is_due),
		cmocka_unit_test(guard__closes_at_once_what_is_overdue),
		cmocka_unit_test(guard__leaves_alone_what_was_taken_in_time),
		cmocka_unit_test(guard__earlier_time_is_noticed),
		cmocka_unit_test(guard__links_do_not_meet),
		cmocka_unit_test(guard__nothing_to_close_is_no_harm),
		cmocka_unit_test(guard__dies_with_us),
		cmocka_unit_test(guard__closes_when_we_are_stopped),
		cmocka_unit_test(guard__kills_us_if_a_trip_is_not_answered),
		cmocka_unit_test(guard__trips_that_are_answered_are_no_reason),
		cmocka_unit_test(guard__trip_of_a_slot_given_back_is_forgotten),
	};

	return cmocka_run_group_tests_name("guard", tests, setup, teardown);
}
