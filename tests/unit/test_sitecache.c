/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/target/sitecache.c. */
#include <sys/stat.h>
#include <unistd.h>

#include "target/sites.h"
#include "test.h"

#define ID "0123456789abcdef"

struct dir {
	char path[64];
	char file[128];
};

static int setup(void **state)
{
	struct dir *d = calloc(1, sizeof(*d));

	snprintf(d->path, sizeof(d->path), "%s/pygrowd-test-XXXXXX", P_tmpdir);
	if (!mkdtemp(d->path))
		return -1;
	snprintf(d->file, sizeof(d->file), "%s/sites/" ID, d->path);
	*state = d;
	return 0;
}

static int teardown(void **state)
{
	struct dir *d = *state;
	char sub[128];

	snprintf(sub, sizeof(sub), "%s/sites", d->path);
	unlink(d->file);
	rmdir(sub);
	rmdir(d->path);
	free(d);
	return 0;
}

static void write_cache(const struct dir *d, const char *text)
{
	struct sites none = { 0 };
	FILE *f;

	assert_ok(sites_save(d->path, ID, &none));
	f = fopen(d->file, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void sitecache__what_was_saved_is_loaded(void **state)
{
	struct site v[] = {
		{ 0x1000, SITE_POP, 13, false, 0 },
		{ 0x1004, SITE_PUSH, 0, true, 8 },
		{ 0x1004, SITE_GC_DONE, 0, false, 0 },
		{ 0xffffffff0, SITE_POP, 4, true, -24 },
	};
	struct sites s = { .v = v, .n = ARRAY_SIZE(v), .n_unplaced = 3 }, got = { 0 };
	struct dir *d = *state;

	assert_err(sites_load(d->path, ID, &got), -ENOENT);
	assert_ok(sites_save(d->path, ID, &s));
	assert_ok(sites_load(d->path, ID, &got));
	assert_int_equal(got.n, s.n);
	assert_int_equal(got.n_unplaced, 3);
	for (size_t k = 0; k < s.n; k++) {
		assert_int_equal(got.v[k].offset, v[k].offset);
		assert_int_equal(got.v[k].kind, v[k].kind);
		assert_int_equal(got.v[k].reg, v[k].reg);
		assert_int_equal(got.v[k].is_mem, v[k].is_mem);
		assert_int_equal(got.v[k].disp, v[k].disp);
	}
	sites_done(&got);
}

#define TEXT_(x) #x
#define TEXT(x)	 TEXT_(x)
#define HEAD	 "pygrowd-sites " TEXT(SITES_CACHE_VERSION) " "

static void sitecache__damaged_files_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"\n",
		HEAD ID " 1 0\n",
		HEAD ID " 1 0\n1000 pop 3\n",
		HEAD ID " 1 0\n1000 pop 3\nen",
		HEAD ID " 1 0\n1000 pop 16\nend\n",
		HEAD ID " 1 0\n1000 poop 3\nend\n",
		HEAD ID " 2 0\n1000 pop 3\n0fff pop 3\nend\n",
		HEAD ID " 0 0\n1000 pop 3\nend\n",
		"pygrowd-sites 99 " ID " 0 0\nend\n",
		HEAD "fedcba 0 0\nend\n",
		HEAD ID " 99999999999 0\nend\n",
	};
	struct sites got = { 0 };
	struct dir *d = *state;

	for (size_t k = 0; k < ARRAY_SIZE(bad); k++) {
		write_cache(d, bad[k]);
		if (sites_load(d->path, ID, &got) != -EBADMSG)
			print_error("row %zu: %s\n", k, bad[k]);
		assert_err(sites_load(d->path, ID, &got), -EBADMSG);
	}
	write_cache(d, HEAD ID " 0 0\nend\n");
	assert_ok(sites_load(d->path, ID, &got));
	sites_done(&got);
}

static void sitecache__build_id_cannot_leave_the_directory(void **state)
{
	static const char *const bad[] = { "", "../x", "a/b", ".", "a b", "a\n" };
	struct sites s = { 0 };
	struct dir *d = *state;

	for (size_t k = 0; k < ARRAY_SIZE(bad); k++) {
		assert_err(sites_load(d->path, bad[k], &s), -EINVAL);
		assert_err(sites_save(d->path, bad[k], &s), -EINVAL);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sitecache__what_was_saved_is_loaded, setup,
						teardown),
		cmocka_unit_test_setup_teardown(sitecache__damaged_files_are_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(sitecache__build_id_cannot_leave_the_directory,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
