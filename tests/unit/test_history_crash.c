/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/report/history_db.c and the second tries of history.c: killed, damaged, without
 * room or rights, the history is opened and goes on. What must happen to another process happens to
 * a child.
 */
#include <fcntl.h>
#include <glob.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "lib/clock.h"
#include "lib/fsutil.h"
#include "historyfix.h"

#define KILLS 100

/* Child: writes tick after tick, and says in `fd` which it has written. */
static void write_until_killed(struct fixture *f, int first, int fd)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;

	if (history_open(&f->options, T0, &why, &f->h) < 0)
		_exit(1);
	for (int tick = first;; tick++) {
		for (size_t i = 0; i < f->snapshot.n_stacks; i++)
			f->stacks[i].live_bytes = tick + 1;
		if (history_add(f->h, &f->snapshot, T0 + tick * 10) < 0 ||
		    write(fd, &tick, sizeof(tick)) != sizeof(tick))
			_exit(1);
	}
}

static int kill_at_random(struct fixture *f, int first, uint64_t *seed)
{
	uint64_t n_wanted = random_next(seed) % 4, spin_ns = random_next(seed) % 1000000, end;
	int fds[2], tick, last = first - 1, status;
	pid_t pid;

	assert_ok(pipe(fds));
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		write_until_killed(f, first, fds[1]);
	close(fds[1]);
	for (uint64_t i = 0; i < n_wanted && read(fds[0], &tick, sizeof(tick)) > 0; i++)
		last = tick;
	for (end = clock_monotonic_ns() + spin_ns; clock_monotonic_ns() < end;)
		;
	assert_ok(kill(pid, SIGKILL));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	while (read(fds[0], &tick, sizeof(tick)) > 0)
		last = tick;
	close(fds[0]);
	return last;
}

static void history__killed_at_any_moment_it_has_every_committed_tick(void **state)
{
	struct fixture *f = *state;
	uint64_t seed = 4;
	int last = -1, n_ticks = 0;

	f->snapshot.n_stacks = 40;
	/* A child that is not killed in time writes for hours, as it thinks. */
	f->options.levels[0].keep_sec = 100 * 86400;
	for (int i = 0; i < KILLS; i++) {
		struct history_snapshot s;
		int before = last;

		history_close(f->h);
		f->h = NULL;
		last = kill_at_random(f, last + 1, &seed);
		n_ticks += last - before;
		open_ok(f, T0);
		assert_int_equal(history_counter_get(f->h, HISTORY_COUNTER_CORRUPT), 0);
		assert_false(history_is_failed(f->h));
		for (int tick = before < 0 ? 0 : before; tick <= last; tick++) {
			assert_ok(history_snapshot_at(f->h, T0 + tick * 10, &s));
			assert_true(s.time_sec == T0 + tick * 10);
			assert_int_equal(s.n, 40);
			assert_true(s.stacks[39].live_bytes >= tick + 1);
			history_snapshot_done(&s);
		}
	}
	assert_true(n_ticks > KILLS);
}

/* Somebody writes into the file of a daemon that runs, or its disk does. */
static void history__damage_while_it_runs_is_found_by_a_reader(void **state)
{
	_cleanup_free_ char *garbage = NULL;
	struct fixture *f = *state;
	struct history_series s;
	uint64_t bytes;
	int fd;

	fill(f, 0, 150);
	reopen(f, T0);
	bytes = history_bytes(f->h);
	assert_true(bytes > 3 << 20); /* more than is cached */
	garbage = malloc(bytes);
	assert_non_null(garbage);
	memset(garbage, 'x', bytes);
	fd = open(f->db, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, garbage, bytes - 4096, 4096), bytes - 4096);
	close(fd);
	assert_err(history_series(f->h, f->stacks[0].id, 0, T0, T0 + 1500, &s), -EIO);
	add(f, T0 + 1500, 77);
	assert_int_equal(history_counter_get(f->h, HISTORY_COUNTER_CORRUPT), 1);
	assert_false(history_is_failed(f->h));
}

static size_t corrupt_files(struct fixture *f)
{
	char pattern[128];
	glob_t found;
	size_t n = 0;

	snprintf(pattern, sizeof(pattern), "%s.corrupt-*Z", f->db);
	if (glob(pattern, 0, NULL, &found) == 0) {
		n = found.gl_pathc;
		globfree(&found);
	}
	return n;
}

static void history__random_damage_never_stops_it(void **state)
{
	_cleanup_free_ char *good = NULL;
	struct fixture *f = *state;
	size_t good_bytes = 0, n_aside = 0;
	uint64_t seed = 9;

	f->snapshot.n_stacks = 50;
	for (int tick = 0; tick < 200; tick++) {
		for (int i = 0; i < 50; i++)
			f->stacks[i].live_bytes = 1e6 + i;
		assert_ok(history_add(f->h, &f->snapshot, T0 + tick * 10));
	}
	history_close(f->h);
	f->h = NULL;
	assert_ok(fsutil_file_load(f->db, 16 << 20, &good, &good_bytes));
	for (int round = 0; round < 40; round++) {
		_cleanup_free_ char *bad = malloc(good_bytes);
		size_t length = 1u << random_next(&seed) % 12, bytes = good_bytes;
		struct history_snapshot s;
		struct history_series series;

		memcpy(bad, good, good_bytes);
		for (size_t at = random_next(&seed) % good_bytes; length && at < good_bytes;
		     length--)
			bad[at++] = (char)random_next(&seed);
		if (round % 6 == 0)
			bytes = random_next(&seed) % good_bytes; /* cut short */
		if (round % 10 == 0)
			memset(bad, 'x', 100);
		assert_ok(fsutil_file_save(f->db, bad, bytes, 0600));
		open_ok(f, T0 + 2000 + round);
		if (history_snapshot_at(f->h, T0 + 1000, &s) == 0)
			history_snapshot_done(&s);
		if (history_series(f->h, f->stacks[0].id, 0, T0, T0 + 3000, &series) == 0)
			history_series_done(&series);
		assert_ok(history_add(f->h, &f->snapshot, T0 + 2000 + round));
		assert_ok(history_snapshot_at(f->h, T0 + 2000 + round, &s));
		history_snapshot_done(&s);
		n_aside += history_counter_get(f->h, HISTORY_COUNTER_CORRUPT);
		assert_true(corrupt_files(f) <= 1);
		history_close(f->h);
		f->h = NULL;
	}
	assert_true(n_aside >= 8);
	assert_int_equal(corrupt_files(f), 1);
}

static void history__a_newer_schema_is_refused_another_file_is_put_aside(void **state)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
	struct fixture *f = *state;

	add(f, T0, 5);
	sql(f, "PRAGMA user_version = 3");
	assert_err(history_open(&f->options, T0, &why, &f->h), -EPROTONOSUPPORT);
	assert_null(f->h);
	assert_non_null(strstr(why.buf, "written by a newer pygrowd (schema 3, this one knows 2)"));
	sql(f, "PRAGMA user_version = 2");
	open_ok(f, T0);
	assert_true(live_at(f, T0) == 5);

	sql(f, "PRAGMA application_id = 7; PRAGMA user_version = 2");
	open_ok(f, T0);
	assert_int_equal(history_counter_get(f->h, HISTORY_COUNTER_CORRUPT), 1);
	assert_int_equal(corrupt_files(f), 1);
	sql(f, "DROP TABLE series");
	open_ok(f, T0 + 1);
	assert_int_equal(history_counter_get(f->h, HISTORY_COUNTER_CORRUPT), 1);
	add(f, T0 + 1, 5);
}

/* What the first version wrote had no table of starts. */
static void history__an_older_schema_is_migrated(void **state)
{
	struct fixture *f = *state;
	struct history_series s;

	add(f, T0, 5);
	sql(f, "DROP TABLE start; PRAGMA user_version = 1");
	open_ok(f, T0 + 5);
	assert_int_equal(history_counter_get(f->h, HISTORY_COUNTER_CORRUPT), 0);
	assert_true(live_at(f, T0) == 5);
	add(f, T0 + 10, 6);
	reopen(f, T0 + 15);
	add(f, T0 + 20, 1);
	assert_ok(history_series_whole(f->h, f->stacks[0].id, 0, &s));
	assert_int_equal(s.n, 3);
	assert_true(s.points[1].is_break && s.points[2].is_break);
	history_series_done(&s);
}

/* rm -r under a daemon that runs: what it goes on writing would be in no file. */
static void history__a_directory_that_vanishes_is_made_again(void **state)
{
	struct fixture *f = *state;
	char command[160];
	double first, last;

	add(f, T0, 5);
	snprintf(command, sizeof(command), "rm -r %s", f->dir);
	assert_ok(system(command));
	for (int i = 1; i < 4; i++)
		add(f, T0 + i * 10, 5 + i);
	assert_int_equal(history_counter_get(f->h, HISTORY_COUNTER_VANISHED), 1);
	assert_int_equal(history_counter_get(f->h, HISTORY_COUNTER_UNWRITTEN), 0);
	reopen(f, T0 + 40); /* they are in a file that is there */
	assert_ok(history_extent(f->h, &first, &last));
	assert_true(first == T0 + 10 && last == T0 + 30);
	assert_ok(unlink(f->db));
	add(f, T0 + 50, 9);
	assert_int_equal(history_counter_get(f->h, HISTORY_COUNTER_VANISHED), 1);
	assert_true(live_at(f, T0 + 50) == 9);
}

/* A file where the directory was: nothing can be made there until it is gone. */
static void history__a_directory_that_cannot_be_made_again_is_survived(void **state)
{
	struct fixture *f = *state;
	char command[160];

	add(f, T0, 5);
	snprintf(command, sizeof(command), "rm -r %s && touch %s", f->dir, f->dir);
	assert_ok(system(command));
	f->stacks[0].live_bytes = 6;
	assert_err(history_add(f->h, &f->snapshot, T0 + 10), -ENOTDIR);
	assert_true(history_is_failed(f->h));
	assert_err(history_add(f->h, &f->snapshot, T0 + 20), -EAGAIN);
	assert_err(history_add(f->h, &f->snapshot, T0 + 80), -ENOTDIR);
	assert_int_equal(history_counter_get(f->h, HISTORY_COUNTER_VANISHED), 1);
	assert_int_equal(history_counter_get(f->h, HISTORY_COUNTER_UNWRITTEN), 3);
	assert_ok(unlink(f->dir));
	add(f, T0 + 140, 7);
	assert_false(history_is_failed(f->h));
	assert_true(live_at(f, T0 + 140) == 7);
}

#define CANNOT_TRY 77
#define CHECK(x)                                                                      \
	do {                                                                          \
		if (!(x)) {                                                           \
			fprintf(stderr, "in the child: line %d: %s\n", __LINE__, #x); \
			_exit(1);                                                     \
		}                                                                     \
	} while (0)

/* In a child, which may give up rights or room; it exits by itself. */
static void in_child(struct fixture *f, void (*check)(struct fixture *f))
{
	pid_t pid;
	int status;

	history_close(f->h);
	f->h = NULL;
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		check(f);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == CANNOT_TRY)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* Written until there is no room; then a minute without; then there is room. */
static void check_full(struct fixture *f, void (*make_room)(struct fixture *f))
{
	struct history_snapshot s;
	int tick = 0;

	f->snapshot.n_stacks = HISTORY_NEW_MAX;
	for (size_t i = 0; i < f->snapshot.n_stacks; i++)
		f->stacks[i].live_bytes = 1e9;
	while (tick < 5000 && history_add(f->h, &f->snapshot, T0 + tick * 10) == 0)
		tick++;
	CHECK(tick > 3 && tick < 5000);
	CHECK(history_is_failed(f->h));
	CHECK(history_counter_get(f->h, HISTORY_COUNTER_UNWRITTEN) == 1);
	CHECK(history_counter_get(f->h, HISTORY_COUNTER_CORRUPT) == 0);
	CHECK(history_snapshot_at(f->h, T0 + (tick - 1) * 10, &s) == 0);
	CHECK(s.n + s.other_cnt == HISTORY_NEW_MAX && s.time_sec == T0 + (tick - 1) * 10);
	history_snapshot_done(&s);
	for (int i = 1; i < 6; i++)
		CHECK(history_add(f->h, &f->snapshot, T0 + (tick + i) * 10) == -EAGAIN);
	CHECK(history_add(f->h, &f->snapshot, T0 + (tick + 6) * 10) < 0); /* still full */
	make_room(f);
	CHECK(history_add(f->h, &f->snapshot, T0 + (tick + 7) * 10) == -EAGAIN);
	CHECK(history_add(f->h, &f->snapshot, T0 + (tick + 12) * 10) == 0);
	CHECK(!history_is_failed(f->h));
	CHECK(history_counter_get(f->h, HISTORY_COUNTER_UNWRITTEN) == 8);
	for (int i = 0; i < tick + 13; i += i == tick - 1 ? 13 : 1) {
		CHECK(history_snapshot_at(f->h, T0 + i * 10, &s) == 0);
		CHECK(s.n > 0 && s.n + s.other_cnt == HISTORY_NEW_MAX);
		CHECK(s.time_sec == T0 + i * 10);
		history_snapshot_done(&s);
	}
	history_close(f->h);
}

static void size_limit(rlim_t bytes)
{
	struct rlimit limit;

	CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
	limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static void limit_lift(struct fixture *f)
{
	(void)f;
	size_limit(RLIM_INFINITY);
}

static void check_file_limit(struct fixture *f)
{
	signal(SIGXFSZ, SIG_IGN);
	f->options.max_bytes = HISTORY_BYTES_MIN; /* a small log: the file meets its limit first */
	open_ok(f, T0);
	size_limit(512 << 10);
	check_full(f, limit_lift);
}

static void history__a_file_that_may_not_grow_is_survived(void **state)
{
	in_child(*state, check_file_limit);
}

static void disk_enlarge(struct fixture *f)
{
	CHECK(mount(NULL, f->dir, NULL, MS_REMOUNT, "size=16m") == 0);
}

static void check_disk(struct fixture *f)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", f->dir, "tmpfs", 0, "size=512k") < 0)
		_exit(CANNOT_TRY);
	open_ok(f, T0);
	check_full(f, disk_enlarge);
}

static void history__a_full_disk_is_survived(void **state)
{
	in_child(*state, check_disk);
}

/* Root may write anywhere: it becomes nobody for a while. */
static void check_read_only(struct fixture *f)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
	struct history_series series;
	char dir[100];

	snprintf(dir, sizeof(dir), "%s/sub", f->dir);
	f->options.dir = dir;
	CHECK(chmod(f->dir, 0755) == 0 && mkdir(dir, 0555) == 0);
	CHECK(geteuid() != 0 || seteuid(65534) == 0);
	CHECK(history_open(&f->options, T0, &why, &f->h) == 0);
	CHECK(history_is_failed(f->h));
	f->stacks[0].live_bytes = 5;
	CHECK(history_add(f->h, &f->snapshot, T0 + 10) == -EAGAIN);
	CHECK(history_add(f->h, &f->snapshot, T0 + 60) == -EACCES);
	CHECK(history_add(f->h, &f->snapshot, T0 + 70) == -EAGAIN);
	CHECK(history_series(f->h, f->stacks[0].id, 0, T0, T0 + 99, &series) == -EIO);
	CHECK(getuid() != 0 || seteuid(0) == 0);
	CHECK(chmod(dir, 0755) == 0);
	CHECK(history_add(f->h, &f->snapshot, T0 + 120) == 0);
	CHECK(!history_is_failed(f->h));
	CHECK(history_counter_get(f->h, HISTORY_COUNTER_UNWRITTEN) == 3);
	history_close(f->h);
}

static void history__a_directory_without_write_permission_is_survived(void **state)
{
	in_child(*state, check_read_only);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First: a fork copies what the sanitizer keeps of freed memory. */
		WITH_DIR(history__killed_at_any_moment_it_has_every_committed_tick),
		WITH_DIR(history__damage_while_it_runs_is_found_by_a_reader),
		WITH_DIR(history__random_damage_never_stops_it),
		WITH_DIR(history__a_newer_schema_is_refused_another_file_is_put_aside),
		WITH_DIR(history__an_older_schema_is_migrated),
		WITH_DIR(history__a_directory_that_vanishes_is_made_again),
		WITH_DIR(history__a_directory_that_cannot_be_made_again_is_survived),
		WITH_DIR(history__a_file_that_may_not_grow_is_survived),
		WITH_DIR(history__a_full_disk_is_survived),
		WITH_DIR(history__a_directory_without_write_permission_is_survived),
	};

	return cmocka_run_group_tests_name("history_crash", tests, NULL, NULL);
}
