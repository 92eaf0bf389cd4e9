/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/target/pylayout.c. */
#include "target/pylayout.h"
#include "test.h"
#include "tests/data/debug_offsets.h"

static void pylayout__releases_without_a_row_are_refused(void **state)
{
	static const struct {
		uint32_t hex;
		bool has_row;
	} rows[] = {
		{ 0x02071200, false }, { 0x03060ff0, false }, { 0x030710f0, false },
		{ 0x030800f0, true },  { 0x030b02f0, true },  { 0x030e0af0, true },
		{ 0x030f00a1, false }, { 0x04080000, false }, { 0, false },
		{ ~0u, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(pylayout_of(rows[i].hex) != NULL, rows[i].has_row);
}

static void pylayout__every_row_fits_the_walker(void **state)
{
	(void)state;
	for (uint32_t minor = PYLAYOUT_MINOR_MIN; minor <= PYLAYOUT_MINOR_MAX; minor++) {
		const struct pylayout *l = pylayout_of(3u << 24 | minor << 16);
		const struct pgd_py_offsets *w = &l->walk;

		assert_true(w->frame_bytes && w->frame_bytes <= PGD_FRAME_BYTES_MAX);
		assert_true(w->frame_code + 8 <= w->frame_bytes && w->frame_code % 8 == 0);
		assert_true(w->frame_back + 8 <= w->frame_bytes && w->frame_back % 8 == 0);
		assert_true(w->frame_lasti + 4 <= w->frame_bytes && w->frame_lasti % 4 == 0);
		assert_true(w->frame_owner == PGD_NO_OFFSET || w->frame_owner < w->frame_bytes);
		assert_true(w->code_check_bytes && w->code_check_bytes <= PGD_CHECK_BYTES_MAX);
		assert_int_equal(w->code_check_bytes % 4, 0);
		assert_int_equal(l->interp_main, l->interp_head + 8);
		assert_true(l->pool_bytes == 4096 || l->pool_bytes == 16384);
	}
}

static void pylayout__debug_offsets_say_what_the_table_says(void **state)
{
	static const struct {
		uint32_t hex;
		const void *bytes;
		size_t n_bytes;
	} rows[] = {
		{ 0x030d00f0, debug_offsets_3_13_0, sizeof(debug_offsets_3_13_0) },
		{ 0x030e0af0, debug_offsets_3_14_10, sizeof(debug_offsets_3_14_10) },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pylayout want = *pylayout_of(rows[i].hex), l = want;

		memset(&l.names.code_filename, 0xff, 4 * sizeof(uint32_t));
		l.walk.frame_code = l.walk.frame_back = l.walk.code_bytes = 99;
		l.walk.tstate_frame = l.walk.tstate_thread_id = l.walk.frame_owner = 99;
		l.interp_head = l.interp_main = l.gc_stats = l.interp_tstate_head = 99;
		assert_ok(pylayout_apply_debug_offsets(&l, rows[i].hex, rows[i].bytes,
						       rows[i].n_bytes));
		want.walk.frame_bytes = l.walk.frame_bytes; /* computed: may be shorter */
		assert_true(l.walk.frame_bytes > l.walk.frame_owner);
		assert_memory_equal(&l, &want, sizeof(l));
	}
}

static void pylayout__damaged_debug_offsets_are_refused(void **state)
{
	enum {
		N = sizeof(debug_offsets_3_13_0) / 8
	};
	static const struct {
		const char *name;
		size_t index;
		uint64_t value;
		size_t n_bytes;
		int want;
	} rows[] = {
		{ "no cookie", 0, 0, 8 * N, -ENOENT },
		{ "empty", 0, 0, 0, -ENOENT },
		{ "only a head", 3, 0, 24, -EBADMSG },
		{ "cut before its last field", 3, 0, 8 * N - 8, -EBADMSG },
		{ "of another release", 1, 0x030d01f0, 8 * N, -EBADMSG },
		{ "free-threaded", 2, 1, 8 * N, -ENOTSUP },
		{ "wild offset", 3 + 20, ~0ull, 8 * N, -EBADMSG },
		{ "owner beyond what is read of a frame", 3 + 30, 96, 8 * N, -EBADMSG },
		{ "frame field beyond it", 3 + 28, 96, 8 * N, -EBADMSG },
		{ "frame field not aligned", 3 + 27, 4, 8 * N, -EBADMSG },
		{ "collector without statistics", 3 + 69, 71, 8 * N, -EBADMSG },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pylayout l = *pylayout_of(0x030d00f0), before = l;
		uint64_t bytes[N];
		int r;

		memcpy(bytes, debug_offsets_3_13_0, sizeof(bytes));
		bytes[rows[i].index] = rows[i].value;
		r = pylayout_apply_debug_offsets(&l, 0x030d00f0, bytes, rows[i].n_bytes);
		if (r != rows[i].want)
			print_error("%s\n", rows[i].name);
		assert_err(r, rows[i].want);
		assert_memory_equal(&l, &before, sizeof(l));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pylayout__releases_without_a_row_are_refused),
		cmocka_unit_test(pylayout__every_row_fits_the_walker),
		cmocka_unit_test(pylayout__debug_offsets_say_what_the_table_says),
		cmocka_unit_test(pylayout__damaged_debug_offsets_are_refused),
	};

	return cmocka_run_group_tests_name("pylayout", tests, NULL, NULL);
}
