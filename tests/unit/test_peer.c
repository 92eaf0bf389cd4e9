/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/report/peer.c. */
#include <grp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "report/peer.h"
#include "test.h"

static void peer__who_may_ask_and_see(void **state)
{
	static const struct {
		struct peer peer;
		bool may_ask, sees_all;
	} rows[] = {
		{ { 1, 0, false }, true, true }, /* root */
		{ { 1, 0, true }, true, true },
		{ { 1, 500, false }, true, true }, /* the daemon's own user */
		{ { 1, 1000, true }, true, false }, /* a member */
		{ { 1, 1000, false }, false, false },
		{ { 1, (uid_t)-1, false }, false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(peer_may_ask(&rows[i].peer, 500), rows[i].may_ask);
		assert_int_equal(peer_sees_all(&rows[i].peer, 500), rows[i].sees_all);
	}
}

static void peer__the_kernel_says_who_it_is(void **state)
{
	struct peer peer;
	int fds[2];

	(void)state;
	assert_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	assert_ok(peer_get(fds[0], getegid(), &peer));
	assert_int_equal(peer.pid, getpid());
	assert_int_equal(peer.uid, geteuid());
	assert_true(peer.is_member);
	assert_ok(peer_get(fds[0], (gid_t)-2, &peer));
	assert_false(peer.is_member);
	close(fds[0]);
	close(fds[1]);
}

/* More of them than usual: only root may say so, and says so of itself here. */
static void peer__the_last_of_many_groups_counts(void **state)
{
	gid_t groups[1000], before[1000];
	int fds[2], n_before = getgroups(ARRAY_SIZE(before), before);
	struct peer peer;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		groups[i] = (gid_t)(100000 + i);
	if (n_before < 0 || setgroups(ARRAY_SIZE(groups), groups) < 0)
		skip();
	assert_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	assert_ok(setgroups((size_t)n_before, before));
	assert_ok(peer_get(fds[0], 100999, &peer));
	assert_true(peer.is_member);
	assert_ok(peer_get(fds[0], 101000, &peer));
	assert_false(peer.is_member);
	close(fds[0]);
	close(fds[1]);
}

static void peer__what_is_no_socket_has_none(void **state)
{
	struct peer peer = { .pid = 77 };
	int fds[2];

	(void)state;
	assert_ok(pipe(fds));
	assert_err(peer_get(fds[0], 0, &peer), -ENOTSOCK);
	assert_int_equal(peer.pid, 77);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(peer__who_may_ask_and_see),
		cmocka_unit_test(peer__the_kernel_says_who_it_is),
		cmocka_unit_test(peer__the_last_of_many_groups_counts),
		cmocka_unit_test(peer__what_is_no_socket_has_none),
	};

	return cmocka_run_group_tests_name("peer", tests, NULL, NULL);
}
