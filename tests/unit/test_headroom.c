/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/target/headroom.c, on a /proc and a tree of cgroups of our own. */
#include <math.h>

#include "fakeproc.h"
#include "target/headroom.h"

#define PID	    4711
#define CGROUPS_PID 1 /* the tree is a directory of the fake /proc */

static void put_root(const struct fakeproc *p, const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", p->root, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void put_cgroup(const struct fakeproc *p, const char *dir, const char *max, const char *now,
		       const char *stat)
{
	char name[128];

	snprintf(name, sizeof(name), "%s/memory.max", dir);
	fakeproc_text(p, CGROUPS_PID, name, max);
	snprintf(name, sizeof(name), "%s/memory.current", dir);
	fakeproc_text(p, CGROUPS_PID, name, now);
	snprintf(name, sizeof(name), "%s/memory.stat", dir);
	fakeproc_text(p, CGROUPS_PID, name, stat);
}

static double ask(const struct fakeproc *p, bool *ret_is_host)
{
	char cgroups[80];

	snprintf(cgroups, sizeof(cgroups), "%s/%d", p->root, CGROUPS_PID);
	return headroom_bytes(&p->fs, cgroups, PID, ret_is_host);
}

static void headroom__the_tightest_cgroup_counts(void **state)
{
	const struct fakeproc *p = *state;
	bool is_host = true;

	put_root(p, "meminfo", "MemTotal: 9000 kB\nMemAvailable:    8000 kB\n");
	fakeproc_text(p, PID, "cgroup", "0::/web.slice/web.service\n");
	put_cgroup(p, "web.slice", "1000000\n", "900000\n", "anon 1\ninactive_file 0\n");
	put_cgroup(p, "web.slice/web.service", "2000000\n", "500000\n", "anon 1\n");
	assert_true(ask(p, &is_host) == 100000);
	assert_false(is_host);
	/* Files that nobody reads are given up first. */
	put_cgroup(p, "web.slice", "1000000\n", "900000\n", "inactive_file 250000\n");
	assert_true(ask(p, &is_host) == 350000);
	/* Beyond its limit already. */
	put_cgroup(p, "web.slice", "1000\n", "900000\n", "");
	assert_true(ask(p, &is_host) == 0);
}

static void headroom__without_a_limit_it_is_the_host(void **state)
{
	const struct fakeproc *p = *state;
	bool is_host = false;

	put_root(p, "meminfo", "MemAvailable: 8000 kB\n");
	fakeproc_text(p, PID, "cgroup", "4:memory:/x\n0::/a\n");
	put_cgroup(p, "a", "max\n", "900000\n", "");
	assert_true(ask(p, &is_host) == 8000 * 1024.0);
	assert_true(is_host);
	fakeproc_text(p, PID, "cgroup", "0::/\n");
	assert_true(ask(p, &is_host) == 8000 * 1024.0);
}

static void headroom__nonsense_is_not_known(void **state)
{
	static const char *const cgroups[] = { "",	 "\n",	     "0::",
					       "0::x\n", "nonsense", "0::/no/such\n" };
	static const char *const infos[] = { "",
					     "MemAvailable:\n",
					     "MemAvailable: -5 kB\n",
					     "MemAvailable: nan kB\n",
					     "xMemAvailable: 5 kB\n",
					     "MemAvailable: x kB\n" };
	const struct fakeproc *p = *state;
	bool is_host = true;

	for (size_t i = 0; i < ARRAY_SIZE(infos); i++) {
		put_root(p, "meminfo", infos[i]);
		fakeproc_text(p, PID, "cgroup", cgroups[i]);
		assert_true(isnan(ask(p, &is_host)));
	}
	fakeproc_text(p, PID, "cgroup", "0::/a\n");
	put_cgroup(p, "a", "-1\n", "1\n", "");
	assert_true(isnan(ask(p, &is_host)));
	put_cgroup(p, "a", "5\n", "x\n", "");
	assert_true(isnan(ask(p, &is_host)));
	put_cgroup(p, "a", "5\n", "1\n", "inactive_file 99999\n");
	assert_true(ask(p, &is_host) == 5);
	assert_false(is_host);
}

#define WITH_PROC(test) cmocka_unit_test_setup_teardown(test, fakeproc_setup, fakeproc_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_PROC(headroom__the_tightest_cgroup_counts),
		WITH_PROC(headroom__without_a_limit_it_is_the_host),
		WITH_PROC(headroom__nonsense_is_not_known),
	};

	return cmocka_run_group_tests_name("headroom", tests, NULL, NULL);
}
