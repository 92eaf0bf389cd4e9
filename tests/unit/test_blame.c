/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/growth/blame.c. */
#include "growth/blame.h"
#include "lib/cleanup.h"
#include "test.h"

static void blame__files_of_the_application(void **state)
{
	static const struct {
		const char *file;
		bool want;
	} rows[] = {
		{ "/srv/demo/service.py", true },
		{ "service.py", true },
		{ "./lib/service.py", true },
		{ "<string>", true },
		{ "<stdin>", true },
		{ "<template>", true },
		{ "/srv/python3/service.py", true },
		{ "/home/me/python3.11/service.py", true },
		{ "/home/me/lib/python/service.py", true },
		{ "/srv/my-site-packages/x.py", true },
		{ "", true },
		{ NULL, false },
		{ "<frozen importlib._bootstrap>", false },
		{ "/usr/lib/python3.11/json/decoder.py", false },
		{ "/usr/local/lib/python3.13t/json/decoder.py", false },
		{ "/usr/lib64/python3.9/json/decoder.py", false },
		{ "/root/.pyenv/versions/3.8.18/lib/python3.8/abc.py", false },
		{ "/usr/lib/python3/dist-packages/uvicorn/main.py", false },
		{ "/srv/venv/lib/python3.11/site-packages/faker/proxy.py", false },
		{ "C/site-packages/faker/proxy.py", false },
		{ "/usr/lib/python311.zip/abc.py", false },
		{ "/usr/share/python-wheels/pip.whl/pip/main.py", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (blame_in_application(rows[i].file) != rows[i].want)
			fail_msg("%s", rows[i].file);
}

static void blame__the_innermost_frame_of_the_application(void **state)
{
	static const struct {
		const char *name;
		struct snapshot_frame frames[4];
		size_t n;
		int want;
	} rows[] = {
		{ "no frame", { { 0 } }, 0, -1 },
		{ "library only",
		  { { "a", "/x/site-packages/a.py", 1, false }, { "b", "/x/b", 1, false } },
		  2,
		  0 },
		{ "two of it",
		  { { "a", "a", 1, false }, { "b", "b.py", 2, true }, { "c", "c.py", 3, true } },
		  3,
		  1 },
		{ "a launcher is nobody's code",
		  { { "run", "u.py", 1, false }, { "<module>", "/usr/bin/uvicorn", 8, true } },
		  2,
		  0 },
		{ "a function of a program in bin is",
		  { { "x", "u.py", 1, false },
		    { "main", "/usr/local/bin/tool", 80, true },
		    { "<module>", "/usr/local/bin/tool", 99, true } },
		  3,
		  1 },
		{ "a script in bin is",
		  { { "x", "u.py", 1, false }, { "<module>", "/srv/bin/tool.py", 8, true } },
		  2,
		  1 },
		{ "no names", { { NULL, NULL, 0, false }, { NULL, NULL, 0, true } }, 2, 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (blame_find(rows[i].frames, rows[i].n) != rows[i].want)
			fail_msg("%s: %d", rows[i].name, blame_find(rows[i].frames, rows[i].n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blame__files_of_the_application),
		cmocka_unit_test(blame__the_innermost_frame_of_the_application),
	};

	return cmocka_run_group_tests_name("blame", tests, NULL, NULL);
}
