/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/bpf/test_census.c — is the kernel's news of processes complete? With real fork, exec and
 * exit. Needs root.
 *
 * "Python" is here a copy of the shell with such a name: likely enough for the census.
 */
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/fsutil.h"
#include "lib/strbuf.h"
#include "pgd_abi.h"
#include "target/census.h"
#include "test.h"

#define CHILDREN 200
#define PID_MAX	 4194304
#define SEC	 1000000000ull

struct fixture {
	char dir[64];
	char python[96]; /* its path */
	struct probes *probes;
	struct census *census;
	/* by PID */
	uint8_t *came, *execed, *gone;
	int go[2]; /* the children's stdin */
};

static const struct procfs fs = { .root = "/proc" };
static struct fixture fx;

/* ── children ─────────────────────────────────────────────────────────────────────────────── */

/* Waits; sleeps as another program when it is given a line. */
static pid_t start(const char *program)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fx.go[0], STDIN_FILENO);
		execl(program, program, "-c", "read line && exec /bin/sleep 100", (char *)NULL);
		_exit(99);
	}
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* ── fixture ──────────────────────────────────────────────────────────────────────────────── */

static int came(void *userdata, pid_t pid, uint64_t start_ticks, enum census_by by)
{
	struct fixture *f = userdata;
	struct procfs_stat st;

	assert_true(by > CENSUS_BY_NOTHING && by < CENSUS_BY_MAX);
	if (procfs_stat(&fs, pid, &st) == 0)
		assert_int_equal(st.start_ticks, start_ticks);
	f->came[pid]++;
	return 0;
}

static void execed(void *userdata, pid_t pid, uint64_t start_ticks)
{
	(void)start_ticks;
	((struct fixture *)userdata)->execed[pid]++;
}

static void gone(void *userdata, pid_t pid, uint64_t start_ticks)
{
	(void)start_ticks;
	((struct fixture *)userdata)->gone[pid]++;
}

static int setup(void **state)
{
	const struct probes_options o = { .live_max = 1024 };
	struct strbuf why = STRBUF_INIT;
	char *bytes = NULL;
	size_t n_bytes;

	(void)state;
	strcpy(fx.dir, "/tmp/pygrowd-test-XXXXXX");
	assert_non_null(mkdtemp(fx.dir));
	snprintf(fx.python, sizeof(fx.python), "%s/python3-not", fx.dir);
	assert_ok(fsutil_file_load("/bin/sh", 1 << 24, &bytes, &n_bytes));
	assert_ok(fsutil_file_save(fx.python, bytes, n_bytes, 0755));
	free(bytes);
	fx.came = calloc(3, PID_MAX + 1);
	assert_non_null(fx.came);
	fx.execed = fx.came + PID_MAX + 1;
	fx.gone = fx.execed + PID_MAX + 1;
	assert_ok(pipe2(fx.go, O_CLOEXEC));
	if (probes_open(&o, &fx.probes, &why) < 0)
		fail_msg("%s", why.buf);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	census_close(TAKE_PTR(fx.census));
	probes_close(fx.probes);
	free(fx.came);
	close(fx.go[0]);
	close(fx.go[1]);
	unlink(fx.python);
	rmdir(fx.dir);
	return 0;
}

static void open_census(void)
{
	const struct census_sink sink = { came, execed, gone, &fx };
	struct strbuf why = STRBUF_INIT;

	if (census_open(fx.probes, &fs, &sink, &fx.census, &why) < 0)
		fail_msg("%s", why.buf);
}

/* What the daemon's loop does, until n children are as far as `seen` says or 10 s are over. */
static void loop_until(const pid_t *pids, unsigned n, const uint8_t *seen, uint8_t want)
{
	const uint64_t end_ns = clock_monotonic_ns() + 10 * SEC;
	unsigned n_seen = 0;

	while (n_seen < n && clock_monotonic_ns() < end_ns) {
		struct pollfd pfd = { .fd = census_fd(fx.census), .events = POLLIN };

		poll(&pfd, 1, census_due_ns(fx.census) <= clock_monotonic_ns() ? 0 : 10);
		assert_ok(census_events(fx.census));
		census_tick(fx.census, clock_monotonic_ns());
		n_seen = 0;
		for (unsigned i = 0; i < n; i++)
			n_seen += seen[pids[i]] == want;
	}
	assert_int_equal(n_seen, n);
}

/* ── the kernel's side ────────────────────────────────────────────────────────────────────── */

struct raw {
	struct pgd_proc_event events[8192];
	size_t n;
};

static int keep(void *userdata, void *data, size_t n_bytes)
{
	struct raw *raw = userdata;

	assert_int_equal(n_bytes, sizeof(raw->events[0]));
	if (raw->n < ARRAY_SIZE(raw->events))
		memcpy(&raw->events[raw->n++], data, n_bytes);
	return 0;
}

/* The events of one process, as letters. */
static void letters_of(const struct raw *raw, pid_t pid, char ret[16])
{
	const char *letter = "fex";
	size_t n = 0;

	for (size_t i = 0; i < raw->n; i++)
		if (raw->events[i].pid == (uint32_t)pid && n < 15)
			ret[n++] = letter[raw->events[i].what];
	ret[n] = '\0';
}

static void proc__every_fork_exec_and_exit_is_told_in_order(void **state)
{
	static struct raw raw;
	struct ring_buffer *ring;
	pid_t pids[CHILDREN];
	char letters[16];

	(void)state;
	ring = ring_buffer__new(probes_procs_fd(fx.probes), keep, &raw, NULL);
	assert_non_null(ring);
	assert_ok(probes_procs_attach(fx.probes));
	for (unsigned i = 0; i < CHILDREN; i++)
		pids[i] = start("/bin/true");
	for (unsigned i = 0; i < CHILDREN; i++)
		assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
	probes_procs_detach(fx.probes);
	assert_true(ring_buffer__consume(ring) >= 3 * CHILDREN);
	for (unsigned i = 0; i < CHILDREN; i++) {
		letters_of(&raw, pids[i], letters);
		assert_string_equal(letters, "fex");
	}
	for (size_t i = 1; i < raw.n; i++)
		assert_true(raw.events[i].at_ns && raw.events[i].start_ticks);
	assert_int_equal(probes_procs_lost(fx.probes), 0);

	/* Off is off. */
	raw.n = 0;
	end(start("/bin/true"));
	ring_buffer__consume(ring);
	assert_int_equal(raw.n, 0);
	ring_buffer__free(ring);
}

/* In a child: goes on without the thread that gave the process its PID. */
struct orphan {
	int alone[2], go[2];
};

static void *outlive(void *arg)
{
	struct orphan *o = arg;
	struct procfs_stat st = { .state = '?' };
	char byte;

	while (st.state != 'Z' && procfs_stat(&fs, getpid(), &st) == 0)
		usleep(1000);
	if (write(o->alone[1], "", 1) == 1 && read(o->go[0], &byte, 1) == 1)
		_exit(0);
	_exit(1);
}

static void proc__is_gone_with_its_last_thread(void **state)
{
	static struct raw raw;
	struct ring_buffer *ring;
	struct orphan o;
	char letters[16], byte;
	pid_t pid;

	(void)state;
	assert_ok(pipe(o.alone));
	assert_ok(pipe(o.go));
	ring = ring_buffer__new(probes_procs_fd(fx.probes), keep, &raw, NULL);
	assert_non_null(ring);
	assert_ok(probes_procs_attach(fx.probes));
	pid = fork();
	if (!pid) {
		pthread_t thread;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (pthread_create(&thread, NULL, outlive, &o) == 0)
			syscall(SYS_exit, 0); /* of this thread only */
		_exit(1);
	}
	assert_int_equal(read(o.alone[0], &byte, 1), 1);
	ring_buffer__consume(ring);
	letters_of(&raw, pid, letters);
	assert_string_equal(letters, "f");
	assert_int_equal(write(o.go[1], "", 1), 1);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	probes_procs_detach(fx.probes);
	ring_buffer__consume(ring);
	letters_of(&raw, pid, letters);
	assert_string_equal(letters, "fx");
	ring_buffer__free(ring);
	for (int i = 0; i < 2; i++) {
		close(o.alone[i]);
		close(o.go[i]);
	}
}

/* ── the whole ────────────────────────────────────────────────────────────────────────────── */

static void census__short_lived_pythons_all_come_and_go(void **state)
{
	pid_t pids[CHILDREN];

	(void)state;
	open_census();
	for (unsigned i = 0; i < CHILDREN; i++)
		pids[i] = start(fx.python);
	loop_until(pids, CHILDREN, fx.came, 1);
	for (unsigned i = 0; i < CHILDREN; i++)
		end(pids[i]);
	loop_until(pids, CHILDREN, fx.gone, 1);
	for (unsigned i = 0; i < CHILDREN; i++) {
		assert_int_equal(fx.came[pids[i]], 1);
		assert_int_equal(fx.execed[pids[i]], 0);
	}
	assert_int_equal(census_lost(fx.census), 0);
	assert_int_equal(census_repairs(fx.census), 0);
}

static void census__exec_is_told_and_what_is_no_python_forgotten(void **state)
{
	pid_t first, second;

	(void)state;
	open_census();
	first = start(fx.python);
	loop_until(&first, 1, fx.came, 1);
	assert_int_equal(write(fx.go[1], "\n", 1), 1);
	loop_until(&first, 1, fx.execed, 1);
	end(first);
	second = start(fx.python);
	loop_until(&second, 1, fx.came, 1); /* news of the first one's end was before that */
	assert_int_equal(fx.came[first], 1);
	assert_int_equal(fx.gone[first], 0);
	end(second);
	loop_until(&second, 1, fx.gone, 1);
}

static void census__scan_and_news_tell_nobody_twice(void **state)
{
	pid_t before, between;

	(void)state;
	before = start(fx.python);
	open_census();
	between = start(fx.python);
	usleep(300000); /* both have execed: the scan sees them, and the ring tells of one, too */
	assert_ok(census_scan(fx.census, clock_monotonic_ns()));
	assert_int_equal(fx.came[before], 1);
	assert_int_equal(fx.came[between], 1);
	assert_ok(census_events(fx.census));
	census_tick(fx.census, clock_monotonic_ns() + SEC);
	assert_int_equal(fx.came[between], 1);
	assert_int_equal(fx.execed[between], 0);
	end(before);
	end(between);
	loop_until((pid_t[]){ before, between }, 2, fx.gone, 1);
}

/* More news than the ring holds, while nobody reads it. */
static void census__full_ring_is_counted_and_mended(void **state)
{
	pid_t old, new;

	(void)state;
	old = start(fx.python);
	open_census();
	usleep(200000);
	assert_ok(census_scan(fx.census, clock_monotonic_ns()));
	assert_int_equal(fx.came[old], 1);
	for (unsigned i = 0; i < 5000; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
	end(old);
	new = start(fx.python);
	usleep(200000);
	assert_int_not_equal(probes_procs_lost(fx.probes), 0);
	loop_until(&new, 1, fx.came, 1);
	loop_until(&old, 1, fx.gone, 1);
	assert_int_not_equal(census_lost(fx.census), 0);
	assert_int_equal(census_repairs(fx.census), 1);
	end(new);
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(proc__every_fork_exec_and_exit_is_told_in_order),
		test(proc__is_gone_with_its_last_thread),
		test(census__short_lived_pythons_all_come_and_go),
		test(census__exec_is_told_and_what_is_no_python_forgotten),
		test(census__scan_and_news_tell_nobody_twice),
		test(census__full_ring_is_counted_and_mended),
	};

	return cmocka_run_group_tests_name("census", tests, NULL, NULL);
}
