/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/daemon/coverage.c: as whom is the interpreter run? That it is run, and what comes
 * out, takes the kernel side: tests/e2e/test_coverage.py. */
#include "daemon/coverage.h"
#include "fakeproc.h"

#define PID    4711
#define NOBODY 65534

/* Its root is the directory, its user namespace the file of that name in the fake /proc. */
static void make(const struct fakeproc *p, pid_t pid, const char *root, const char *userns)
{
	char target[128];
	char link[512];

	snprintf(target, sizeof(target), "%s/%s", p->root, root);
	mkdir(target, 0755);
	strcpy(link, fakeproc_path(p, pid, "root"));
	assert_ok(symlink(target, link));
	snprintf(target, sizeof(target), "%s/%s", p->root, userns);
	close(open(target, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	strcpy(link, fakeproc_path(p, pid, "ns/user"));
	assert_ok(symlink(target, link));
}

static void own(const struct fakeproc *p, uid_t uid, gid_t gid)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%d", p->root, PID);
	if (chown(path, uid, gid) < 0)
		skip(); /* only root may */
}

static void expect(const struct fakeproc *p, uid_t want_uid, gid_t want_gid)
{
	uid_t uid = 1;
	gid_t gid = 1;

	coverage_user(&p->fs, PID, &uid, &gid);
	assert_int_equal(uid, want_uid);
	assert_int_equal(gid, want_gid);
}

static void coverage__roots_of_the_host_are_root(void **state)
{
	make(*state, 1, "host", "user");
	make(*state, PID, "host", "user");
	own(*state, 0, 0);
	expect(*state, 0, 0);
}

static void coverage__roots_of_containers_are_nobody(void **state)
{
	make(*state, 1, "host", "user");
	make(*state, PID, "container", "user");
	own(*state, 0, 0);
	expect(*state, NOBODY, NOBODY);
}

static void coverage__another_user_namespace_is_elsewhere(void **state)
{
	make(*state, 1, "host", "user");
	make(*state, PID, "host", "user-2");
	own(*state, 0, 0);
	expect(*state, NOBODY, NOBODY);
}

static void coverage__other_users_are_themselves_everywhere(void **state)
{
	make(*state, 1, "host", "user");
	make(*state, PID, "container", "user-2");
	own(*state, 1000, 1001);
	expect(*state, 1000, 1001);
}

/* We may not look into PID 1. */
static void coverage__who_shares_our_root_is_root(void **state)
{
	make(*state, getpid(), "host", "user");
	make(*state, PID, "host", "user");
	own(*state, 0, 0);
	expect(*state, 0, 0);
}

/* Nobody can be compared with, or the process has gone. */
static void coverage__not_known_is_nobody(void **state)
{
	expect(*state, NOBODY, NOBODY);
	make(*state, PID, "host", "user");
	own(*state, 0, 0);
	expect(*state, NOBODY, NOBODY);
}

#define WITH_PROC(test) cmocka_unit_test_setup_teardown(test, fakeproc_setup, fakeproc_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_PROC(coverage__roots_of_the_host_are_root),
		WITH_PROC(coverage__roots_of_containers_are_nobody),
		WITH_PROC(coverage__another_user_namespace_is_elsewhere),
		WITH_PROC(coverage__other_users_are_themselves_everywhere),
		WITH_PROC(coverage__who_shares_our_root_is_root),
		WITH_PROC(coverage__not_known_is_nobody),
	};

	return cmocka_run_group_tests_name("coverage", tests, NULL, NULL);
}
