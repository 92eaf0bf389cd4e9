/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/target/pyversion.c. */
#include "target/pyversion.h"
#include "test.h"
#include "tinyelf.h"

static struct tinyelf tiny;

static int find(const char *file_name, uint32_t *hex, char *text)
{
	_cleanup_(elf_freep) struct elf_image *e = NULL;

	tinyelf_finish(&tiny);
	assert_ok(elf_open_memory(&tiny, sizeof(tiny), &e));
	return pyversion_find(e, file_name, hex, text, 24);
}

static void pyversion__texts(void **state)
{
	static const struct {
		const char *text;
		int want;
		uint32_t hex;
		const char *formatted;
	} rows[] = {
		{ "3.11.2", 0, 0x030b02f0, "3.11.2" },
		{ "3.8.18+", 0, 0x030812f0, "3.8.18" },
		{ "3.14.0rc2", 0, 0x030e00c2, "3.14.0rc2" },
		{ "3.15.0a7", 0, 0x030f00a7, "3.15.0a7" },
		{ "3.13.0b1", 0, 0x030d00b1, "3.13.0b1" },
		{ "3.9", 0, 0x030900f0, "3.9.0" },
		{ "3.9.1xyz", 0, 0x030901f0, "3.9.1" },
		{ "3", -EINVAL, 0, NULL },
		{ "", -EINVAL, 0, NULL },
		{ "-3.9.1", -EINVAL, 0, NULL },
		{ " 3.9.1", -EINVAL, 0, NULL },
		{ "3.999.1", -EINVAL, 0, NULL },
		{ "python", -EINVAL, 0, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t hex = 0;
		char buf[24];

		assert_err(pyversion_parse(rows[i].text, &hex), rows[i].want);
		assert_int_equal(hex, rows[i].hex);
		if (rows[i].want)
			continue;
		pyversion_format(hex, buf, sizeof(buf));
		assert_string_equal(buf, rows[i].formatted);
	}
}

static void pyversion__exported_number_wins(void **state)
{
	static const uint32_t version = 0x030c04f0;
	char text[24];
	uint32_t hex;

	(void)state;
	tinyelf_init(&tiny);
	memcpy(tiny.text, &version, sizeof(version));
	tinyelf_add(&tiny, "Py_Version", TINYELF_AT(text));
	assert_ok(find("/usr/bin/python3.9", &hex, text));
	assert_int_equal(hex, version);
	assert_string_equal(text, "3.12.4");
}

/* Two ways in which compilers give printf the text's address. */
static void pyversion__text_that_py_getversion_prints(void **state)
{
	static const uint8_t lea[] = { 0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0x8d, 0x15 };
	uint32_t mov_target = (uint32_t)(TINYELF_AT(text) + 512), hex;
	char text[24];

	(void)state;
	for (int with_mov = 0; with_mov <= 1; with_mov++) {
		int32_t disp = 512 - (int32_t)(sizeof(lea) + 4);

		tinyelf_init(&tiny);
		memcpy(tiny.text, lea, sizeof(lea));
		memcpy(tiny.text + sizeof(lea), &disp, sizeof(disp));
		if (with_mov) {
			tiny.text[0] = 0xba; /* mov $text, %edx */
			memcpy(tiny.text + 1, &mov_target, sizeof(mov_target));
			memset(tiny.text + 5, 0x90, 8);
		}
		strcpy((char *)tiny.text + 512, "3.9.18");
		tinyelf_add(&tiny, "Py_GetVersion", TINYELF_AT(text));
		assert_ok(find("/usr/bin/app", &hex, text));
		assert_int_equal(hex, 0x030912f0);
		assert_string_equal(text, "3.9.18");
	}
}

static void pyversion__file_name_is_the_last_resort(void **state)
{
	static const struct {
		const char *name;
		int want;
		uint32_t hex;
	} rows[] = {
		{ "/usr/bin/python3.9", 0, 0x030900f0 },
		{ "/usr/lib/libpython3.10.so.1.0", 0, 0x030a00f0 },
		{ "/opt/python3.11/lib/libpython3.8m.so", 0, 0x030800f0 },
		{ "/usr/bin/python3", -ENOENT, 0 },
		{ "/usr/bin/uwsgi", -ENOENT, 0 },
		{ "python", -ENOENT, 0 },
		{ "", -ENOENT, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t hex = 0;
		char text[24];

		tinyelf_init(&tiny);
		tinyelf_add(&tiny, "Py_GetVersion", TINYELF_AT(text)); /* zeros: no such text */
		assert_err(find(rows[i].name, &hex, text), rows[i].want);
		assert_int_equal(hex, rows[i].hex);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pyversion__texts),
		cmocka_unit_test(pyversion__exported_number_wins),
		cmocka_unit_test(pyversion__text_that_py_getversion_prints),
		cmocka_unit_test(pyversion__file_name_is_the_last_resort),
	};

	return cmocka_run_group_tests_name("pyversion", tests, NULL, NULL);
}
