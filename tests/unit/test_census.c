/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/target/census.c, over a /proc of our own; news of processes and time are given. The
 * kernel's side of it is in tests/bpf/test_census.c. */
#include <unistd.h>

#include "fakeproc.h"
#include "lib/strbuf.h"
#include "target/census.h"
#include "test.h"

#define MS	  1000000ull
#define SEC	  1000000000ull
#define KTHREAD	  0x00208040u
#define NOTHING	  "1000-2000 r-xp 0 08:01 7 /usr/bin/true\n"
#define LIBPYTHON "1000-2000 r-xp 0 08:01 7 /x/libpython3.12.so.1.0\n"

struct fixture {
	struct fakeproc proc;
	struct census *census;
	struct strbuf log; /* what the sink was told since the last assert_told() */
	int answer; /* of came */
};

static struct fixture fx;

static const char *const words[] = { "nothing", "exe", "library", "module", "comm" };
_Static_assert(ARRAY_SIZE(words) == CENSUS_BY_MAX, "a word for each");

static int came(void *userdata, pid_t pid, uint64_t start_ticks, enum census_by by)
{
	struct fixture *f = userdata;

	strbuf_printf(&f->log, "came %d@%d by %s. ", pid, (int)start_ticks, words[by]);
	return f->answer;
}

static void execed(void *userdata, pid_t pid, uint64_t start_ticks)
{
	strbuf_printf(&((struct fixture *)userdata)->log, "execed %d@%d. ", pid, (int)start_ticks);
}

static void gone(void *userdata, pid_t pid, uint64_t start_ticks)
{
	strbuf_printf(&((struct fixture *)userdata)->log, "gone %d@%d. ", pid, (int)start_ticks);
}

static int setup(void **state)
{
	const struct census_sink sink = { came, execed, gone, &fx };
	struct strbuf why = STRBUF_INIT;

	(void)state;
	fakeproc_init(&fx.proc);
	fx.log = (struct strbuf)STRBUF_INIT;
	fx.answer = 0;
	assert_ok(census_open(NULL, &fx.proc.fs, &sink, &fx.census, &why));
	assert_int_equal(why.len, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	census_close(fx.census);
	strbuf_done(&fx.log);
	fakeproc_done(&fx.proc);
	return 0;
}

static void assert_told(const char *want)
{
	assert_string_equal(fx.log.buf, want);
	strbuf_reset(&fx.log);
}

/* A process with an executable and mappings; stack_start: another one after exec. */
static void put(pid_t pid, int start_ticks, int stack_start, const char *exe, const char *maps)
{
	const char *path = fakeproc_path(&fx.proc, pid, "exe");
	char line[256];

	unlink(path);
	assert_ok(symlink(exe, path));
	snprintf(line, sizeof(line),
		 "%d (app) S 7 1 1 0 -1 %u 1 0 0 0 3 1 0 0 20 0 3 0 %d 1000 200 0 0 0 %d\n", pid,
		 0x400000u, start_ticks, stack_start);
	fakeproc_text(&fx.proc, pid, "stat", line);
	fakeproc_text(&fx.proc, pid, "maps", maps);
}

static void take_away(pid_t pid)
{
	unlink(fakeproc_path(&fx.proc, pid, "stat"));
}

static void tell(enum pgd_proc_what what, uint32_t pid, uint64_t start_ticks, uint64_t at_ns)
{
	const struct pgd_proc_event event = { what, pid, start_ticks, at_ns };

	census_event(fx.census, &event);
}

static void census__names(void **state)
{
	static const struct {
		const char *path;
		enum census_by want;
	} rows[] = {
		{ "/usr/bin/python3.11", CENSUS_BY_EXE },
		{ "/usr/bin/python3.11 (deleted)", CENSUS_BY_EXE },
		{ "python", CENSUS_BY_EXE },
		{ "/opt/conda/bin/python3.12", CENSUS_BY_EXE },
		{ "/usr/lib/libpython3.11.so.1.0", CENSUS_BY_LIBRARY },
		{ "/snap/lib/libpython3.8m.so", CENSUS_BY_LIBRARY },
		{ "/usr/lib/python3.11/lib-dynload/_json.cpython-311-x86_64-linux-gnu.so",
		  CENSUS_BY_MODULE },
		{ "/usr/lib/python3.11/other.so", CENSUS_BY_NOTHING },
		{ "/usr/bin/pypy3", CENSUS_BY_NOTHING },
		{ "/usr/bin/ipython", CENSUS_BY_NOTHING },
		{ "/usr/bin/pytho", CENSUS_BY_NOTHING },
		{ "/python/", CENSUS_BY_NOTHING },
		{ "/", CENSUS_BY_NOTHING },
		{ "", CENSUS_BY_NOTHING },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(census_name(rows[i].path), rows[i].want);
}

static void census__scan_finds_who_is_likely_python(void **state)
{
	(void)state;
	put(11, 100, 1, "/usr/bin/python3.11", "");
	put(12, 100, 1, "/usr/sbin/uwsgi", NOTHING LIBPYTHON);
	put(13, 100, 1, "/srv/app",
	    NOTHING "2000-3000 r-xp 0 08:01 8 /x/_a.cpython-312-x86_64-linux-gnu.so\n");
	put(14, 100, 1, "/usr/bin/true", NOTHING);
	put(15, 100, 1, "/usr/bin/less", "1000-2000 r--p 0 08:01 7 /x/python3.11\n");
	fakeproc_stat(&fx.proc, 16, "python3", 'Z', 0, 100);
	fakeproc_stat(&fx.proc, 17, "python3", 'S', KTHREAD, 100);
	fakeproc_text(&fx.proc, 18, "stat", "nonsense");
	assert_ok(mkdir(fakeproc_path(&fx.proc, 19, "maps"), 0700)); /* no stat */
	assert_ok(census_scan(fx.census, SEC));
	assert_non_null(strstr(fx.log.buf, "came 11@100 by exe. "));
	assert_non_null(strstr(fx.log.buf, "came 12@100 by library. "));
	assert_non_null(strstr(fx.log.buf, "came 13@100 by module. "));
	assert_int_equal(fx.log.len, strlen("came 11@100 by exe. came 12@100 by library. "
					    "came 13@100 by module. "));
	assert_int_equal(census_rows(fx.census), 5); /* 14 and 15 may become Python yet */
	assert_int_equal(census_fd(fx.census), -1);
}

/* As somebody who is not root, if we are: root may read everything. */
static void census__who_may_not_be_looked_into_is_told_by_its_name(void **state)
{
	const uid_t self = geteuid();

	(void)state;
	fakeproc_stat(&fx.proc, 61, "python3.11", 'S', 0x400000, 100);
	fakeproc_text(&fx.proc, 61, "maps", NOTHING);
	assert_ok(chmod(fakeproc_path(&fx.proc, 61, "maps"), 0));
	assert_ok(chmod(fakeproc_path(&fx.proc, 61, ""), 0755));
	fakeproc_stat(&fx.proc, 62, "app", 'S', 0x400000, 100);
	fakeproc_text(&fx.proc, 62, "maps", LIBPYTHON);
	assert_ok(chmod(fakeproc_path(&fx.proc, 62, "maps"), 0));
	assert_ok(chmod(fakeproc_path(&fx.proc, 62, ""), 0755));
	assert_ok(chmod(fx.proc.root, 0755));
	if (!self)
		assert_ok(seteuid(65534));
	assert_ok(census_scan(fx.census, SEC));
	if (!self)
		assert_ok(seteuid(0));
	assert_told("came 61@100 by comm. ");
}

static void census__what_is_no_pid_is_passed_over(void **state)
{
	static const char *const names[] = { "self", "0", "-5", "7x", "99999999999", "4294967301" };
	char path[128];

	(void)state;
	put(21, 100, 1, "/bin/python3", "");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", fx.proc.root, names[i]);
		assert_ok(symlink("21", path));
	}
	assert_ok(census_scan(fx.census, SEC));
	assert_told("came 21@100 by exe. ");
}

static void census__root_that_is_not_there(void **state)
{
	const struct procfs fs = { .root = "/nowhere/proc" };
	const struct census_sink sink = { came, execed, gone, &fx };
	struct strbuf why = STRBUF_INIT;
	struct census *c = NULL;

	(void)state;
	assert_ok(census_open(NULL, &fs, &sink, &c, &why));
	assert_err(census_scan(c, 1), -ENOENT);
	census_close(c);
}

static void census__second_scan_tells_what_has_changed(void **state)
{
	(void)state;
	put(31, 100, 1, "/bin/python3", "");
	assert_ok(census_scan(fx.census, SEC));
	assert_told("came 31@100 by exe. ");
	assert_ok(census_scan(fx.census, 2 * SEC));
	assert_told("");
	put(31, 100, 2, "/bin/python3", ""); /* exec */
	assert_ok(census_scan(fx.census, 3 * SEC));
	assert_told("execed 31@100. came 31@100 by exe. ");
	put(31, 100, 0, "/bin/python3", ""); /* about to end */
	assert_ok(census_scan(fx.census, 4 * SEC));
	assert_told("");
	put(31, 500, 3, "/bin/python3", ""); /* its PID is somebody else's */
	assert_ok(census_scan(fx.census, 5 * SEC));
	assert_told("gone 31@100. came 31@500 by exe. ");
	take_away(31);
	assert_ok(census_scan(fx.census, 6 * SEC));
	assert_told("gone 31@500. ");
	assert_int_equal(census_rows(fx.census), 0);
	assert_int_equal(census_due_ns(fx.census), UINT64_MAX);
}

static void census__newcomer_is_looked_at_when_it_is_due(void **state)
{
	(void)state;
	put(41, 100, 1, "/usr/sbin/uwsgi", NOTHING);
	tell(PGD_PROC_FORK, 41, 100, SEC);
	assert_int_equal(census_due_ns(fx.census), SEC + 200 * MS);
	census_tick(fx.census, SEC + 199 * MS);
	assert_int_equal(census_due_ns(fx.census), SEC + 200 * MS);
	census_tick(fx.census, SEC + 200 * MS);
	assert_told("");
	assert_int_equal(census_due_ns(fx.census), 2 * SEC);
	put(41, 100, 1, "/usr/sbin/uwsgi", LIBPYTHON);
	census_tick(fx.census, 2 * SEC);
	assert_told("came 41@100 by library. ");
	assert_int_equal(census_due_ns(fx.census), UINT64_MAX);
}

static void census__who_never_becomes_python_is_forgotten(void **state)
{
	static const uint64_t looks_ns[] = { SEC + 200 * MS, 2 * SEC, 6 * SEC };

	(void)state;
	put(42, 100, 1, "/usr/bin/true", NOTHING);
	tell(PGD_PROC_EXEC, 42, 100, SEC);
	for (size_t i = 0; i < ARRAY_SIZE(looks_ns); i++) {
		assert_int_equal(census_rows(fx.census), 1);
		assert_int_equal(census_due_ns(fx.census), looks_ns[i]);
		census_tick(fx.census, looks_ns[i]);
	}
	assert_int_equal(census_rows(fx.census), 0);
	assert_int_equal(census_due_ns(fx.census), UINT64_MAX);
	assert_told("");
}

static void census__short_life_costs_no_look(void **state)
{
	(void)state;
	put(43, 100, 1, "/bin/python3", "");
	tell(PGD_PROC_FORK, 43, 100, SEC);
	tell(PGD_PROC_EXEC, 43, 100, SEC + 1);
	tell(PGD_PROC_EXIT, 43, 100, SEC + 2);
	tell(PGD_PROC_EXIT, 43, 100, SEC + 2); /* two threads ended at once */
	assert_int_equal(census_rows(fx.census), 0);
	tell(PGD_PROC_FORK, 44, 100, SEC); /* ends without our hearing of it */
	census_tick(fx.census, 9 * SEC);
	assert_int_equal(census_rows(fx.census), 0);
	assert_told("");
}

static void census__exec_starts_again(void **state)
{
	(void)state;
	put(45, 100, 1, "/bin/python3", "");
	tell(PGD_PROC_FORK, 45, 100, SEC);
	tell(PGD_PROC_EXEC, 45, 100, SEC + 150 * MS); /* 0.2 s from here */
	census_tick(fx.census, SEC + 300 * MS);
	assert_told("");
	census_tick(fx.census, SEC + 350 * MS);
	assert_told("came 45@100 by exe. ");
	put(45, 100, 2, "/bin/true", NOTHING);
	tell(PGD_PROC_EXEC, 45, 100, 2 * SEC);
	assert_told("execed 45@100. ");
	census_tick(fx.census, 3 * SEC);
	tell(PGD_PROC_EXIT, 45, 100, 4 * SEC); /* no Python any more: nobody has to know */
	assert_told("");
}

static void census__end_of_one_that_came(void **state)
{
	(void)state;
	put(46, 100, 1, "/bin/python3", "");
	assert_ok(census_scan(fx.census, SEC));
	assert_told("came 46@100 by exe. ");
	tell(PGD_PROC_EXIT, 46, 99, 2 * SEC); /* of another process that had this PID */
	assert_told("");
	tell(PGD_PROC_EXIT, 46, 100, 2 * SEC);
	assert_told("gone 46@100. ");
}

static void census__news_older_than_the_look_is_ignored(void **state)
{
	(void)state;
	put(47, 100, 1, "/bin/python3", "");
	assert_ok(census_scan(fx.census, 5 * SEC));
	assert_told("came 47@100 by exe. ");
	tell(PGD_PROC_FORK, 47, 20, 1 * SEC); /* the PID's former owner */
	tell(PGD_PROC_EXIT, 47, 20, 2 * SEC);
	tell(PGD_PROC_FORK, 47, 100, 3 * SEC);
	tell(PGD_PROC_EXEC, 47, 100, 4 * SEC); /* what the scan has seen */
	assert_told("");
	assert_int_equal(census_due_ns(fx.census), UINT64_MAX);
}

static void census__reused_pid_ends_its_former_owner(void **state)
{
	(void)state;
	put(48, 100, 1, "/bin/python3", "");
	assert_ok(census_scan(fx.census, SEC));
	put(48, 700, 1, "/bin/python3", "");
	tell(PGD_PROC_FORK, 48, 700, 2 * SEC);
	census_tick(fx.census, 3 * SEC);
	assert_told("came 48@100 by exe. gone 48@100. came 48@700 by exe. ");
}

static void census__python_that_is_not_ready_comes_again(void **state)
{
	(void)state;
	put(51, 100, 1, "/bin/python3", "");
	fx.answer = -EAGAIN;
	tell(PGD_PROC_EXEC, 51, 100, SEC);
	census_tick(fx.census, SEC + 200 * MS);
	census_tick(fx.census, 2 * SEC);
	census_tick(fx.census, 6 * SEC);
	assert_told("came 51@100 by exe. came 51@100 by exe. came 51@100 by exe. ");
	assert_int_equal(census_due_ns(fx.census), 66 * SEC);
	census_tick(fx.census, 66 * SEC);
	assert_told("came 51@100 by exe. ");
	fx.answer = -EPERM; /* final */
	census_tick(fx.census, 126 * SEC);
	assert_told("came 51@100 by exe. ");
	assert_int_equal(census_due_ns(fx.census), UINT64_MAX);
	tell(PGD_PROC_EXIT, 51, 100, 200 * SEC);
	assert_told("gone 51@100. ");
}

static void census__a_tick_looks_at_some_only(void **state)
{
	(void)state;
	for (uint32_t pid = 1; pid <= CENSUS_LOOKS_MAX + 1; pid++)
		tell(PGD_PROC_FORK, pid, 100, SEC); /* none is there any more */
	census_tick(fx.census, 2 * SEC);
	assert_int_equal(census_rows(fx.census), 1);
	assert_true(census_due_ns(fx.census) <= 2 * SEC);
	census_tick(fx.census, 2 * SEC);
	assert_int_equal(census_rows(fx.census), 0);
}

static void census__one_process_too_many_is_counted_and_found_by_a_scan(void **state)
{
	const uint32_t last = CENSUS_PROCESSES_MAX + 1;

	(void)state;
	put((pid_t)last, 100, 1, "/bin/python3", "");
	for (uint32_t pid = 1; pid <= last; pid++)
		tell(PGD_PROC_FORK, pid, 100, SEC);
	assert_int_equal(census_rows(fx.census), CENSUS_PROCESSES_MAX);
	assert_int_equal(census_lost(fx.census), 1);
	assert_int_equal(census_due_ns(fx.census), 0);
	for (uint32_t pid = 1; pid < last; pid++)
		tell(PGD_PROC_EXIT, pid, 100, SEC);
	census_tick(fx.census, SEC + 1);
	assert_told("came 32769@100 by exe. ");
	assert_int_equal(census_repairs(fx.census), 1);
	assert_int_equal(census_due_ns(fx.census), UINT64_MAX);

	/* Again: not at once, lest searching takes all of our time. */
	for (uint32_t pid = 1; pid < last; pid++)
		tell(PGD_PROC_FORK, pid, 100, 2 * SEC);
	assert_int_equal(census_lost(fx.census), 2);
	for (uint32_t pid = 1; pid < last; pid++)
		tell(PGD_PROC_EXIT, pid, 100, 2 * SEC);
	assert_int_equal(census_due_ns(fx.census), SEC + 1 + CENSUS_REPAIR_NS);
}

static void census__damaged_news_is_ignored(void **state)
{
	(void)state;
	put(52, 100, 1, "/bin/python3", "");
	assert_ok(census_scan(fx.census, SEC));
	assert_told("came 52@100 by exe. ");
	tell(PGD_PROC_FORK, 0, 100, 2 * SEC);
	tell(PGD_PROC_FORK, 0x80000001u, 100, 2 * SEC);
	tell(PGD_PROC_MAX, 52, 100, 2 * SEC);
	tell((enum pgd_proc_what)0xffffffffu, 52, 100, 2 * SEC);
	assert_told("");
	assert_int_equal(census_rows(fx.census), 1);
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(census__names),
		test(census__scan_finds_who_is_likely_python),
		test(census__who_may_not_be_looked_into_is_told_by_its_name),
		test(census__what_is_no_pid_is_passed_over),
		test(census__root_that_is_not_there),
		test(census__second_scan_tells_what_has_changed),
		test(census__newcomer_is_looked_at_when_it_is_due),
		test(census__who_never_becomes_python_is_forgotten),
		test(census__short_life_costs_no_look),
		test(census__exec_starts_again),
		test(census__end_of_one_that_came),
		test(census__news_older_than_the_look_is_ignored),
		test(census__reused_pid_ends_its_former_owner),
		test(census__python_that_is_not_ready_comes_again),
		test(census__a_tick_looks_at_some_only),
		test(census__one_process_too_many_is_counted_and_found_by_a_scan),
		test(census__damaged_news_is_ignored),
	};

	return cmocka_run_group_tests_name("census", tests, NULL, NULL);
}
