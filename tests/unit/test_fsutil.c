/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/lib/fsutil.c. */
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "lib/fsutil.h"
#include "test.h"

static char directory[] = "/tmp/pygrowd-test-XXXXXX";

static int setup(void **state)
{
	(void)state;
	strcpy(strrchr(directory, '-') + 1, "XXXXXX");
	return mkdtemp(directory) ? 0 : -1;
}

static int teardown(void **state)
{
	_cleanup_free_ char *command = NULL;

	(void)state;
	return asprintf(&command, "rm -rf %s", directory) < 0 ? -1 : system(command);
}

static char *path_of(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static void fsutil__a_saved_file_is_loaded(void **state)
{
	_cleanup_free_ char *content = NULL;
	struct stat st;
	size_t n;

	(void)state;
	assert_ok(fsutil_file_save(path_of("f"), "a\0b", 3, 0640));
	assert_ok(fsutil_file_load(path_of("f"), 3, &content, &n));
	assert_int_equal(n, 3);
	assert_memory_equal(content, "a\0b", 4);
	assert_ok(stat(path_of("f"), &st));
	assert_int_equal(st.st_mode & 07777, 0640);
}

static void fsutil__saving_replaces_and_leaves_nothing_beside(void **state)
{
	_cleanup_free_ char *content = NULL, *command = NULL;

	(void)state;
	assert_ok(fsutil_file_save(path_of("f"), "old", 3, 0600));
	assert_ok(fsutil_file_save(path_of("f"), "new", 3, 0600));
	assert_ok(fsutil_file_load(path_of("f"), 100, &content, NULL));
	assert_string_equal(content, "new");
	/* A directory cannot be replaced by a file: the failure too must clean up. */
	assert_ok(fsutil_mkdir_p(path_of("d/x"), 0755));
	assert_err(fsutil_file_save(path_of("d"), "x", 1, 0600), -EISDIR);
	assert_true(asprintf(&command, "test $(ls -A %s | wc -l) = 2", directory) > 0);
	assert_int_equal(system(command), 0);
}

static void fsutil__loading_has_limits(void **state)
{
	_cleanup_free_ char *content = NULL, *big = calloc(1, 100000);

	(void)state;
	assert_non_null(big);
	assert_ok(fsutil_file_save(path_of("f"), big, 100000, 0600));
	assert_err(fsutil_file_load(path_of("f"), 99999, &content, NULL), -EFBIG);
	assert_null(content);
	assert_err(fsutil_file_load("/dev/zero", 1 << 20, &content, NULL), -EFBIG);
	assert_err(fsutil_file_load(path_of("none"), 10, &content, NULL), -ENOENT);
	assert_err(fsutil_file_load(directory, 10, &content, NULL), -EISDIR);
	assert_null(content);
	assert_ok(fsutil_file_load(path_of("f"), 100000, &content, NULL));
}

static void fsutil__files_of_proc_are_loaded(void **state)
{
	_cleanup_free_ char *content = NULL;
	size_t n;

	(void)state;
	assert_ok(fsutil_file_load("/proc/self/maps", 1 << 24, &content, &n));
	assert_true(n > 0 && strlen(content) == n);
}

static void fsutil__directories_are_made_with_their_parents(void **state)
{
	struct stat st;

	(void)state;
	assert_ok(fsutil_mkdir_p(path_of("a//b/c/"), 0755));
	assert_ok(stat(path_of("a/b/c"), &st));
	assert_true(S_ISDIR(st.st_mode));
	assert_ok(fsutil_mkdir_p(path_of("a/b"), 0755));
	assert_ok(fsutil_mkdir_p("/", 0755));
	assert_err(fsutil_mkdir_p("", 0755), -ENOENT);
	assert_ok(fsutil_file_save(path_of("file"), "", 0, 0600));
	assert_err(fsutil_mkdir_p(path_of("file"), 0755), -ENOTDIR);
	assert_err(fsutil_mkdir_p(path_of("file/x"), 0755), -ENOTDIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(fsutil__a_saved_file_is_loaded, setup, teardown),
		cmocka_unit_test_setup_teardown(fsutil__saving_replaces_and_leaves_nothing_beside,
						setup, teardown),
		cmocka_unit_test_setup_teardown(fsutil__loading_has_limits, setup, teardown),
		cmocka_unit_test(fsutil__files_of_proc_are_loaded),
		cmocka_unit_test_setup_teardown(fsutil__directories_are_made_with_their_parents,
						setup, teardown),
	};

	return cmocka_run_group_tests_name("fsutil", tests, NULL, NULL);
}
