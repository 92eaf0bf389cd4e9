/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/target/probes_open.c, as far as it goes without root; the rest is in tests/bpf/. */
#include "lib/strbuf.h"
#include "target/probes.h"
#include "test.h"

static void probes_open__unfit_kernels_are_refused_in_words(void **state)
{
	static const struct {
		const char *release, *btf_path, *want; /* want: in the sentence; NULL: fit */
	} rows[] = {
		{ "5.15.0-91-generic", "/dev/null", NULL },
		{ "6.1.0-18-amd64", "/dev/null", NULL },
		{ "6.18.44", "/dev/null", NULL },
		{ "10.0", "/dev/null", NULL },
		{ "5.14.99", "/dev/null", "5.15 or newer" },
		{ "4.19.0-26-amd64", "/dev/null", "5.15 or newer" },
		{ "what", "/dev/null", "5.15 or newer" },
		{ "6.1.0-18-amd64", "/nowhere/vmlinux", "CONFIG_DEBUG_INFO_BTF" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct strbuf why = STRBUF_INIT;
		int r = probes_check_kernel(rows[i].release, rows[i].btf_path, &why);

		assert_err(r, rows[i].want ? -ENOTSUP : 0);
		if (rows[i].want) {
			assert_non_null(strstr(why.buf, rows[i].want));
			assert_non_null(strstr(why.buf, rows[i].release));
			assert_null(strchr(why.buf, '\n'));
		} else {
			assert_int_equal(why.len, 0);
		}
		strbuf_done(&why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(probes_open__unfit_kernels_are_refused_in_words),
	};

	return cmocka_run_group_tests_name("probes_open", tests, NULL, NULL);
}
