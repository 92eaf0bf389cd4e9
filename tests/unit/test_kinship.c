/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/daemon/kinship.c. */
#include "daemon/kinship.h"
#include "lib/cleanup.h"
#include "test.h"

#define WEB "/system.slice/web.service"

struct row {
	pid_t pid;
	uint64_t start_ticks;
	const char *service;
	pid_t ancestors[3];
	pid_t want;
};

static void check(const struct row *rows, size_t n)
{
	struct watch watches[8] = { 0 }, *list[8];

	assert_true(n <= ARRAY_SIZE(watches));
	for (size_t i = 0; i < n; i++) {
		struct watch *w = list[i] = &watches[i];

		w->pid = rows[i].pid;
		w->start_ticks = rows[i].start_ticks;
		w->service = (char *)rows[i].service;
		while (w->n_ancestors < ARRAY_SIZE(rows[i].ancestors) &&
		       rows[i].ancestors[w->n_ancestors]) {
			w->ancestors[w->n_ancestors] = rows[i].ancestors[w->n_ancestors];
			w->n_ancestors++;
		}
	}
	for (size_t i = 0; i < n; i++)
		if (kinship_group(list, n, list[i]) != rows[i].want)
			fail_msg("pid %d: group %d, not %d", rows[i].pid,
				 kinship_group(list, n, list[i]), rows[i].want);
}

static void kinship__a_service_is_one_whoever_started_it(void **state)
{
	static const struct row rows[] = {
		{ 20, 5, WEB, { 1 }, 20 },
		{ 21, 6, WEB, { 20, 1 }, 20 },
		{ 30, 7, WEB, { 99, 1 }, 20 },
		/* The same name in a machine, or in another place, is another service. */
		{ 40, 8, "/machine.slice/machine-a.scope/payload" WEB, { 1 }, 40 },
		/* Not of the service that its parent is of. */
		{ 50, 9, NULL, { 20, 1 }, 50 },
	};

	(void)state;
	check(rows, ARRAY_SIZE(rows));
}

static void kinship__elsewhere_the_topmost_watched_ancestor_decides(void **state)
{
	static const struct row rows[] = {
		{ 100, 5, NULL, { 9, 1 }, 100 },
		{ 101, 6, NULL, { 100, 9, 1 }, 100 },
		/* Through a shell that is not watched; and a worker's own child. */
		{ 102, 6, NULL, { 60, 100, 9 }, 100 },
		{ 103, 7, NULL, { 101, 100, 9 }, 100 },
		/* Of the same shell, but not of a watched process. */
		{ 200, 5, NULL, { 9, 1 }, 200 },
	};

	(void)state;
	check(rows, ARRAY_SIZE(rows));
}

static void kinship__who_has_the_parents_pid_now_is_no_parent(void **state)
{
	static const struct row rows[] = {
		{ 101, 6, NULL, { 100, 1 }, 101 },
		{ 100, 7, NULL, { 1 }, 100 },
	};

	(void)state;
	check(rows, ARRAY_SIZE(rows));
}

static void kinship__names_of_services(void **state)
{
	static const struct {
		char *service;
		const char *want;
	} rows[] = {
		{ NULL, NULL },
		{ WEB, "web.service" },
		{ "/docker/4fa6", "4fa6" },
		{ "web.service", "web.service" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct watch w = { .service = rows[i].service };

		if (!rows[i].want)
			assert_null(kinship_service(&w));
		else
			assert_string_equal(kinship_service(&w), rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinship__a_service_is_one_whoever_started_it),
		cmocka_unit_test(kinship__elsewhere_the_topmost_watched_ancestor_decides),
		cmocka_unit_test(kinship__who_has_the_parents_pid_now_is_no_parent),
		cmocka_unit_test(kinship__names_of_services),
	};

	return cmocka_run_group_tests_name("kinship", tests, NULL, NULL);
}
