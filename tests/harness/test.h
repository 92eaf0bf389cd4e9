/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/harness/test.h — cmocka with the includes it needs, and the project's error asserts. */
#ifndef TESTS_HARNESS_TEST_H
#define TESTS_HARNESS_TEST_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define assert_ok(x)	    assert_int_equal((x), 0)
#define assert_err(x, want) assert_int_equal((x), (want))

#endif
