/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/growth/pause.c, and the kernel's side of it, bpf/pause.bpf.h. */
#include <math.h>

#include "growth/pause.h"
#include "pause.bpf.h"
#include "test.h"

static void pause__kernel_and_daemon_have_the_same_classes(void **state)
{
	(void)state;
	for (unsigned class = 0; class < PGD_GC_PAUSES; class ++) {
		uint64_t first = (uint64_t)pause_class_min_ns(class);

		assert_int_equal(pause_class(first), class);
		if (class)
			assert_int_equal(pause_class(first - 1), class - 1);
	}
	assert_int_equal(pause_class(0), 0);
	assert_int_equal(pause_class(UINT64_MAX), PGD_GC_PAUSES - 1);
}

static void pause__a_quantile_is_within_12_percent(void **state)
{
	(void)state;
	for (double ns = 1100; ns < 6e10; ns *= 1.07) {
		uint32_t pauses[PGD_GC_PAUSES] = { 0 };
		double sec;

		pauses[pause_class((uint64_t)ns)] = 1;
		sec = pause_quantile_sec(pauses, 100, 0.5);
		if (fabs(sec * 1e9 / ns - 1) > 0.12)
			fail_msg("%g ns are said to be %g", ns, sec * 1e9);
	}
}

static void pause__the_99th_of_100_is_not_the_last(void **state)
{
	uint32_t pauses[PGD_GC_PAUSES] = { 0 };

	(void)state;
	pauses[pause_class(1000000)] = 99;
	pauses[pause_class(500000000)] = 1;
	assert_true(pause_quantile_sec(pauses, 0.5, 0.99) < 0.0012);
	assert_true(pause_quantile_sec(pauses, 0.5, 1) > 0.4);
	assert_true(pause_quantile_sec(pauses, 0.45, 1) <= 0.45); /* never above the longest */
}

static void pause__none_is_not_known_and_the_longest_have_no_class(void **state)
{
	uint32_t pauses[PGD_GC_PAUSES] = { 0 };

	(void)state;
	assert_true(isnan(pause_quantile_sec(pauses, 0, 0.5)));
	pauses[PGD_GC_PAUSES - 1] = 1;
	assert_true(pause_quantile_sec(pauses, 300, 0.5) == 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pause__kernel_and_daemon_have_the_same_classes),
		cmocka_unit_test(pause__a_quantile_is_within_12_percent),
		cmocka_unit_test(pause__the_99th_of_100_is_not_the_last),
		cmocka_unit_test(pause__none_is_not_known_and_the_longest_have_no_class),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
