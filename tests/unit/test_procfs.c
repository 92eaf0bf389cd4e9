/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/target/procfs.c and procfs_facts.c. */
#include <sys/sysmacros.h>

#include "fakeproc.h"
#include "target/procfs.h"
#include "test.h"

static void procfs__stat_survives_any_command_name(void **state)
{
	static const char *const names[] = {
		"python3", "a) S 1 (b", "", "x y\nz", "(((", ") R 9 9"
	};
	struct fakeproc *p = *state;
	struct procfs_stat st;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		fakeproc_stat(p, 5, names[i], 'S', 0x400000, 4711);
		assert_ok(procfs_stat(&p->fs, 5, &st));
		assert_string_equal(st.comm, names[i]);
		assert_int_equal(st.state, 'S');
		assert_int_equal(st.ppid, 7);
		assert_int_equal(st.cpu_ticks, 42);
		assert_int_equal(st.threads_cnt, 3);
		assert_int_equal(st.start_ticks, 4711);
		assert_false(st.is_kernel_thread);
	}
	fakeproc_stat(p, 2, "kthreadd", 'S', 0x00208040, 1);
	assert_ok(procfs_stat(&p->fs, 2, &st));
	assert_true(st.is_kernel_thread);
}

static void procfs__damaged_stat_is_refused_and_result_untouched(void **state)
{
	static const char *const texts[] = { "", "5", "5 (x", "5 x) S 1", ")(", "5 (x) S 1 2 3" };
	struct procfs_stat st = { .ppid = 99 };
	struct fakeproc *p = *state;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		fakeproc_text(p, 5, "stat", texts[i]);
		assert_err(procfs_stat(&p->fs, 5, &st), -EBADMSG);
		assert_int_equal(st.ppid, 99);
	}
}

static void procfs__no_such_process(void **state)
{
	_cleanup_(procfs_maps_done) struct procfs_maps it = { 0 };
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;
	struct fakeproc *p = *state;
	struct procfs_stat st;
	struct procfs_memory memory;

	assert_err(procfs_stat(&p->fs, 404, &st), -ESRCH);
	assert_err(procfs_memory(&p->fs, 404, &memory), -ESRCH);
	assert_err(procfs_maps_open(&p->fs, 404, &it), -ESRCH);
	assert_err(procfs_cmdline(&p->fs, 404, &b), -ESRCH);
}

static void procfs__status(void **state)
{
	struct fakeproc *p = *state;
	struct procfs_status st;

	fakeproc_text(p, 5, "status",
		      "Name:\tUid:\nUid:\t1000\t1000\t1000\t1000\nNSpid:\t5\t33\t1\nSeccomp:\t2\n");
	assert_ok(procfs_status(&p->fs, 5, &st));
	assert_int_equal(st.uid, 1000);
	assert_int_equal(st.inner_pid, 1);
	assert_int_equal(st.seccomp_mode, 2);
	fakeproc_text(p, 5, "status", "Name:\tx\nUid:\t0\t0\t0\t0\n");
	assert_ok(procfs_status(&p->fs, 5, &st));
	assert_int_equal(st.inner_pid, 5);
	assert_int_equal(st.seccomp_mode, -1);
	fakeproc_text(p, 5, "status", "Name:\tx\n");
	assert_err(procfs_status(&p->fs, 5, &st), -EBADMSG);
}

static void procfs__lines_of_maps(void **state)
{
	static const struct {
		const char *line;
		int want;
		struct procfs_map map;
	} rows[] = {
		{ "00400000-0041f000 r-xp 0001f000 08:01 173521   /usr/bin/python3.9\n",
		  0,
		  { .start = 0x400000,
		    .end = 0x41f000,
		    .offset = 0x1f000,
		    .is_exec = true,
		    .inode = 173521,
		    .path = "/usr/bin/python3.9" } },
		{ "7f00-7f10 rw-p 00000000 00:00 0 \n",
		  0,
		  { .start = 0x7f00, .end = 0x7f10, .is_write = true, .path = "" } },
		{ "7f00-7f10 r--p 00000000 08:01 7 /a b/lib (deleted) x.so (deleted)\n",
		  0,
		  { .start = 0x7f00,
		    .end = 0x7f10,
		    .inode = 7,
		    .is_deleted = true,
		    .path = "/a b/lib (deleted) x.so" } },
		{ "7f00-7f10 r-xs 00000000 08:01 7 /x\\012y",
		  0,
		  { .start = 0x7f00,
		    .end = 0x7f10,
		    .is_exec = true,
		    .inode = 7,
		    .path = "/x\\012y" } },
		{ "ffffffffff600000-ffffffffff601000 --xp 0 00:00 0  [vsyscall]",
		  0,
		  { .start = 0xffffffffff600000,
		    .end = 0xffffffffff601000,
		    .is_exec = true,
		    .path = "[vsyscall]" } },
		{ "", -EBADMSG, { 0 } },
		{ "7f10-7f00 r-xp 0 08:01 7 /x", -EBADMSG, { 0 } },
		{ "7f00-7f10 rx 0 08:01 7 /x", -EBADMSG, { 0 } },
		{ "7f00-7f10 r-xp 0 0801 7 /x", -EBADMSG, { 0 } },
		{ "hello world", -EBADMSG, { 0 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct procfs_map m = { 0 };
		char line[256];

		strcpy(line, rows[i].line);
		assert_err(procfs_map_parse(line, &m), rows[i].want);
		if (rows[i].want)
			continue;
		assert_int_equal(m.start, rows[i].map.start);
		assert_int_equal(m.end, rows[i].map.end);
		assert_int_equal(m.offset, rows[i].map.offset);
		assert_int_equal(m.inode, rows[i].map.inode);
		assert_int_equal(m.is_exec, rows[i].map.is_exec);
		assert_int_equal(m.is_write, rows[i].map.is_write);
		assert_int_equal(m.is_deleted, rows[i].map.is_deleted);
		assert_string_equal(m.path, rows[i].map.path);
		assert_true(!m.inode || m.dev == makedev(8, 1));
	}
}

static void procfs__maps_are_iterated_to_the_end(void **state)
{
	_cleanup_(procfs_maps_done) struct procfs_maps it = { 0 };
	struct fakeproc *p = *state;
	struct procfs_map m;

	fakeproc_text(p, 5, "maps", "1000-2000 r-xp 0 08:01 7 /x\n2000-3000 rw-p 0 00:00 0\nbad\n");
	assert_ok(procfs_maps_open(&p->fs, 5, &it));
	assert_int_equal(procfs_maps_next(&it, &m), 1);
	assert_string_equal(m.path, "/x");
	assert_int_equal(procfs_maps_next(&it, &m), 1);
	assert_string_equal(m.path, "");
	assert_int_equal(procfs_maps_next(&it, &m), -EBADMSG);
	assert_int_equal(procfs_maps_next(&it, &m), 0);
}

static void procfs__memory_adds_both_kinds_of_private_pages(void **state)
{
	struct fakeproc *p = *state;
	struct procfs_memory memory;

	fakeproc_text(p, 5, "smaps_rollup",
		      "400000-7fff r--p 0 00:00 0 [rollup]\nRss:    9000 kB\nPss:  8000 kB\n"
		      "Private_Clean:     24 kB\nPrivate_Dirty:   4000 kB\n");
	assert_ok(procfs_memory(&p->fs, 5, &memory));
	assert_int_equal(memory.rss_bytes, 9000 * 1024);
	assert_int_equal(memory.uss_bytes, 4024 * 1024);
	fakeproc_text(p, 5, "smaps_rollup", "Rss: 1 kB\n");
	assert_err(procfs_memory(&p->fs, 5, &memory), -EBADMSG);
	fakeproc_text(p, 5, "smaps_rollup", ""); /* what a zombie has */
	assert_err(procfs_memory(&p->fs, 5, &memory), -EBADMSG);
}

static void procfs__command_line_is_made_printable(void **state)
{
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;
	static char longer[PROCFS_TEXT_BYTES_MAX + 100];
	struct fakeproc *p = *state;

	fakeproc_write(p, 5, "cmdline", "python3\0-c\0a\x1b[2J\n\0", 18);
	assert_ok(procfs_cmdline(&p->fs, 5, &b));
	assert_string_equal(b.buf, "python3 -c a\\x1b[2J\\x0a");

	strbuf_reset(&b);
	fakeproc_write(p, 5, "cmdline", "", 0);
	fakeproc_stat(p, 5, "kworker/0:1", 'I', 0, 1);
	assert_ok(procfs_cmdline(&p->fs, 5, &b));
	assert_string_equal(b.buf, "[kworker/0:1]");

	strbuf_reset(&b);
	memset(longer, 'x', sizeof(longer));
	fakeproc_write(p, 5, "cmdline", longer, sizeof(longer));
	assert_ok(procfs_cmdline(&p->fs, 5, &b));
	assert_int_equal(b.len, PROCFS_TEXT_BYTES_MAX + 3);
	assert_string_equal(b.buf + PROCFS_TEXT_BYTES_MAX, "...");
}

static void procfs__users_have_names(void **state)
{
	static struct procfs_users users;
	char want[PROCFS_USER_BYTES];

	(void)state;
	assert_string_equal(procfs_user(&users, 0), "root");
	for (uid_t uid = 4000000000u; uid < 4000000000u + 2 * PROCFS_USERS_MAX; uid++) {
		snprintf(want, sizeof(want), "uid:%u", uid);
		assert_string_equal(procfs_user(&users, uid), want);
		assert_string_equal(procfs_user(&users, uid), want);
	}
	assert_string_equal(procfs_user(&users, 0), "root"); /* forgotten, and asked again */
}

#define ID "4fa6e0f0c6786287e131c3852c58a2e01cc697a68231826813597e4994f1d6e2"

static void procfs__facts_of_a_process(void **state)
{
	static struct procfs_users users;
	struct procfs_facts f = { .ppid = 99 };
	struct fakeproc *p = *state;

	fakeproc_stat(p, 6, "gunicorn", 'S', 0x400000, 4711);
	fakeproc_text(p, 6, "status", "Uid:\t0\t0\t0\t0\nNSpid:\t6\t12\n");
	fakeproc_write(p, 6, "cmdline", "python3\0app.py\0", 15);
	assert_err(procfs_facts_load(&p->fs, 6, &users, &f), -ESRCH); /* it just went */
	assert_int_equal(f.ppid, 99);
	fakeproc_text(p, 6, "cgroup", "0::/system.slice/docker-" ID ".scope\n");
	assert_ok(procfs_facts_load(&p->fs, 6, &users, &f));
	assert_int_equal(f.start_ticks, 4711);
	assert_int_equal(f.ppid, 7);
	assert_int_equal(f.inner_pid, 12);
	assert_int_equal(f.uid, 0);
	assert_string_equal(f.user, "root");
	assert_string_equal(f.comm, "gunicorn");
	assert_string_equal(f.cmdline, "python3 app.py");
	assert_string_equal(f.unit, "docker-" ID ".scope");
	assert_string_equal(f.cgroup, "/system.slice/docker-" ID ".scope");
	assert_string_equal(f.container, ID);
	procfs_facts_done(&f);

	fakeproc_text(p, 6, "cgroup", "3:cpu:/\n");
	assert_ok(procfs_facts_load(&p->fs, 6, &users, &f));
	assert_null(f.unit);
	assert_null(f.cgroup);
	assert_null(f.container);
	procfs_facts_done(&f);
	assert_null(f.cmdline);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(procfs__stat_survives_any_command_name),
		cmocka_unit_test(procfs__damaged_stat_is_refused_and_result_untouched),
		cmocka_unit_test(procfs__no_such_process),
		cmocka_unit_test(procfs__status),
		cmocka_unit_test(procfs__lines_of_maps),
		cmocka_unit_test(procfs__maps_are_iterated_to_the_end),
		cmocka_unit_test(procfs__memory_adds_both_kinds_of_private_pages),
		cmocka_unit_test(procfs__command_line_is_made_printable),
		cmocka_unit_test(procfs__users_have_names),
		cmocka_unit_test(procfs__facts_of_a_process),
	};

	return cmocka_run_group_tests_name("procfs", tests, fakeproc_setup, fakeproc_teardown);
}
