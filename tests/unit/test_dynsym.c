/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/target/dynsym.c. */
#include "fakeproc.h"
#include "target/dynsym.h"
#include "test.h"
#include "tinyelf.h"

static struct tinyelf tiny;

static int open_bytes(const struct fakeproc *p, size_t n_bytes, struct dynsym **ret)
{
	fakeproc_write(p, 1, "elf", &tiny, n_bytes);
	return dynsym_open(fakeproc_path(p, 1, "elf"), ret);
}

static void dynsym__tells_defined_from_used(void **state)
{
	_cleanup_(dynsym_freep) struct dynsym *d = NULL;
	uint64_t vaddr;

	tinyelf_init(&tiny);
	tinyelf_add(&tiny, "_PyRuntime", TINYELF_AT(text));
	tinyelf_add(&tiny, "Py_Initialize", 0);
	tinyelf_import(&tiny, "malloc");
	tinyelf_finish(&tiny);
	assert_ok(open_bytes(*state, sizeof(tiny), &d));
	assert_true(dynsym_has(d, "_PyRuntime"));
	assert_false(dynsym_has(d, "_PyRunt"));
	assert_false(dynsym_has(d, "PyRuntime"));
	assert_false(dynsym_has(d, "Py_Initialize"));
	assert_false(dynsym_has(d, "malloc"));
	assert_ok(dynsym_got_slot(d, "malloc", &vaddr));
	assert_int_equal(vaddr, TINYELF_AT(got));
	assert_err(dynsym_got_slot(d, "free", &vaddr), -ENOENT);
}

static void dynsym__what_is_no_elf_is_refused(void **state)
{
	struct fakeproc *p = *state;
	struct dynsym *d = NULL;

	assert_err(dynsym_open(fakeproc_path(p, 1, "missing"), &d), -ENOENT);
	assert_err(dynsym_open(p->root, &d), -ENOEXEC);
	fakeproc_text(p, 1, "elf", "#!/bin/sh\n");
	assert_err(dynsym_open(fakeproc_path(p, 1, "elf"), &d), -ENOEXEC);
	assert_int_equal(mkfifo(fakeproc_path(p, 1, "fifo"), 0600), 0);
	assert_err(dynsym_open(fakeproc_path(p, 1, "fifo"), &d), -ENOEXEC);
	tinyelf_init(&tiny);
	tinyelf_finish(&tiny);
	tiny.eh.e_machine = EM_AARCH64;
	assert_err(open_bytes(p, sizeof(tiny), &d), -ENOEXEC);
	assert_null(d);
}

static void dynsym__hostile_tables_give_no_symbol(void **state)
{
	for (int i = 0; i < 6; i++) {
		_cleanup_(dynsym_freep) struct dynsym *d = NULL;
		size_t n_bytes = sizeof(tiny);
		uint64_t vaddr;

		tinyelf_init(&tiny);
		tinyelf_add(&tiny, "_PyRuntime", TINYELF_AT(text));
		tinyelf_import(&tiny, "malloc");
		tinyelf_finish(&tiny);
		if (i == 0)
			tiny.symbols[1].st_name = ~0u;
		else if (i == 1)
			tiny.sh[TINYELF_DYNSTR].sh_size = 5;
		else if (i == 2)
			tiny.sh[TINYELF_DYNSYM].sh_link = 4711;
		else if (i == 3)
			tiny.sh[TINYELF_DYNSYM].sh_offset = 1u << 30;
		else if (i == 4)
			tiny.sh[TINYELF_DYNSYM].sh_link = TINYELF_NULL;
		else
			n_bytes = offsetof(struct tinyelf, symbols);
		tiny.rela.r_info = ELF64_R_INFO(i == 0 ? 99999 : 1, R_X86_64_GLOB_DAT);
		if (open_bytes(*state, n_bytes, &d) < 0)
			continue;
		assert_false(dynsym_has(d, "_PyRuntime"));
		assert_err(dynsym_got_slot(d, "malloc", &vaddr), -ENOENT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dynsym__tells_defined_from_used),
		cmocka_unit_test(dynsym__what_is_no_elf_is_refused),
		cmocka_unit_test(dynsym__hostile_tables_give_no_symbol),
	};

	return cmocka_run_group_tests_name("dynsym", tests, fakeproc_setup, fakeproc_teardown);
}
