/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/target/elf.c and elfcode.c. */
#include "target/elf.h"
#include "tinyelf.h"

#define STUB 64 /* offset in text of a jump stub through the GOT slot */

/* tinyelf with two functions in .eh_frame_hdr, a build-id, and a stub for `malloc`. */
struct file {
	struct tinyelf t;
	Elf64_Phdr ph[3];
	struct {
		uint8_t encodings[4];
		int32_t eh_frame;
		uint32_t n_rows;
		struct {
			int32_t start, fde;
		} rows[4];
	} hdr;
	struct {
		Elf64_Nhdr head;
		char name[4];
		uint8_t id[8];
	} note;
};

#define AT(field) (TINYELF_VADDR + offsetof(struct file, field))

static void fill(struct file *f)
{
	static const int32_t starts[] = { 32, 0, 0,
					  2000000 }; /* of text; the last one is outside */
	int32_t disp;

	memset(f, 0, sizeof(*f));
	tinyelf_init(&f->t);
	tinyelf_import(&f->t, "malloc");
	tinyelf_add(&f->t, "PyGC_Collect", TINYELF_AT(text));
	tinyelf_finish(&f->t);
	f->t.eh.e_phoff = offsetof(struct file, ph);
	f->t.eh.e_phnum = 3;
	f->ph[0] = f->t.ph;
	f->ph[0].p_filesz = f->ph[0].p_memsz = sizeof(*f);
	f->ph[1] = (Elf64_Phdr){ .p_type = PT_GNU_EH_FRAME,
				 .p_vaddr = AT(hdr),
				 .p_filesz = sizeof(f->hdr) };
	f->ph[2] = (Elf64_Phdr){ .p_type = PT_NOTE,
				 .p_offset = offsetof(struct file, note),
				 .p_filesz = sizeof(f->note),
				 .p_align = 4 };
	memcpy(f->hdr.encodings, "\x01\x1b\x03\x3b", 4);
	f->hdr.n_rows = 4;
	for (int k = 0; k < 4; k++)
		f->hdr.rows[k].start = (int32_t)(TINYELF_AT(text) - AT(hdr)) + starts[k];
	f->note.head = (Elf64_Nhdr){ .n_namesz = 4, .n_descsz = 8, .n_type = NT_GNU_BUILD_ID };
	memcpy(f->note.name, "GNU", 4);
	memcpy(f->note.id, "\x01\x23\x45\x67\x89\xab\xcd\xef", 8);
	/* endbr64; jmp *got(%rip) */
	memcpy(f->t.text + STUB, "\xf3\x0f\x1e\xfa\xff\x25", 6);
	disp = (int32_t)(TINYELF_AT(got) - (TINYELF_AT(text) + STUB + 10));
	memcpy(f->t.text + STUB + 6, &disp, sizeof(disp));
}

static void elf__answers_about_a_good_file(void **state)
{
	_cleanup_(elf_freep) struct elf_image *e = NULL;
	const struct elf_range *ranges;
	const uint64_t *functions;
	uint64_t v, size_bytes;
	uint8_t buf[4];
	struct file f;

	(void)state;
	fill(&f);
	assert_ok(elf_open_memory(&f, sizeof(f), &e));
	assert_string_equal(elf_build_id(e), "0123456789abcdef");
	assert_ok(elf_symbol(e, "PyGC_Collect", &v, &size_bytes));
	assert_int_equal(v, TINYELF_AT(text));
	assert_err(elf_symbol(e, "malloc", &v, NULL), -ENOENT);
	assert_err(elf_symbol(e, "PyGC", &v, NULL), -ENOENT);

	assert_ok(elf_read(e, TINYELF_AT(text) + STUB, buf, 4));
	assert_memory_equal(buf, "\xf3\x0f\x1e\xfa", 4);
	assert_err(elf_read(e, TINYELF_VADDR + sizeof(f) - 3, buf, 4), -EFAULT);
	assert_err(elf_read(e, TINYELF_VADDR - 1, buf, 4), -EFAULT);
	assert_err(elf_read(e, UINT64_MAX, buf, 4), -EFAULT);
	assert_null(elf_bytes(e, TINYELF_VADDR, SIZE_MAX));
	assert_ok(elf_vaddr_to_offset(e, TINYELF_AT(got), &v));
	assert_int_equal(v, offsetof(struct tinyelf, got));
	assert_ok(elf_offset_to_vaddr(e, v, &v));
	assert_int_equal(v, TINYELF_AT(got));
	assert_err(elf_offset_to_vaddr(e, sizeof(f), &v), -EFAULT);

	assert_int_equal(elf_exec_ranges(e, &ranges), 1);
	assert_int_equal(ranges[0].start, TINYELF_AT(text));
	assert_int_equal(ranges[0].end, TINYELF_AT(text) + sizeof(f.t.text));
	assert_false(ranges[0].is_plt);
	assert_int_equal(elf_functions(e, &functions), 2);
	assert_int_equal(functions[0], TINYELF_AT(text));
	assert_int_equal(functions[1], TINYELF_AT(text) + 32);
	assert_string_equal(elf_got_name(e, TINYELF_AT(got)), "malloc");
	assert_null(elf_got_name(e, TINYELF_AT(got) + 8));
	assert_string_equal(elf_plt_name(e, TINYELF_AT(text) + STUB), "malloc");
	assert_string_equal(elf_plt_name(e, TINYELF_AT(text) + STUB + 4), "malloc");
	assert_null(elf_plt_name(e, TINYELF_AT(text)));
	assert_null(elf_plt_name(e, TINYELF_VADDR + sizeof(f) - 2));
}

static void elf__file_without_build_id_gets_a_sum(void **state)
{
	_cleanup_(elf_freep) struct elf_image *a = NULL, *b = NULL;
	struct file f;

	(void)state;
	fill(&f);
	f.ph[2].p_type = PT_NULL;
	assert_ok(elf_open_memory(&f, sizeof(f), &a));
	f.t.text[0] ^= 1;
	assert_ok(elf_open_memory(&f, sizeof(f), &b));
	assert_memory_equal(elf_build_id(a), "sum-", 4);
	assert_string_not_equal(elf_build_id(a), elf_build_id(b));
}

static void elf__foreign_files_are_refused(void **state)
{
	struct elf_image *e = NULL;
	struct file f;

	(void)state;
	assert_err(elf_open_memory("", 0, &e), -ENOEXEC);
	assert_err(elf_open_memory("#!/bin/sh\n", 10, &e), -ENOEXEC);
	fill(&f);
	f.t.eh.e_machine = EM_AARCH64;
	assert_err(elf_open_memory(&f, sizeof(f), &e), -ENOEXEC);
	fill(&f);
	f.t.eh.e_ident[EI_CLASS] = ELFCLASS32;
	assert_err(elf_open_memory(&f, sizeof(f), &e), -ENOEXEC);
	fill(&f);
	f.t.eh.e_phnum = 0;
	assert_err(elf_open_memory(&f, sizeof(f), &e), -EBADMSG);
	assert_err(elf_open("/", &e), -ENOEXEC);
	assert_err(elf_open("/nonexistent/python3", &e), -ENOENT);
	assert_err(elf_open_memory(&f, (size_t)ELF_FILE_BYTES_MAX + 1, &e), -EFBIG);
	assert_null(e);
}

static int count_symbol(const char *name, uint64_t vaddr, uint64_t size_bytes, void *arg)
{
	(void)vaddr;
	(void)size_bytes;
	*(size_t *)arg += strlen(name);
	return 0;
}

static void query_all(const struct elf_image *e)
{
	const struct elf_range *ranges;
	const uint64_t *functions;
	size_t n = 0;

	elf_each_symbol(e, count_symbol, &n);
	n = elf_exec_ranges(e, &ranges);
	for (size_t k = 0; k < n; k++)
		assert_non_null(elf_bytes(e, ranges[k].start, ranges[k].end - ranges[k].start));
	n = elf_functions(e, &functions);
	for (size_t k = 0; k < n; k++)
		assert_non_null(elf_bytes(e, functions[k], 1));
	elf_plt_name(e, TINYELF_AT(text) + STUB);
}

static void elf__truncated_at_any_byte(void **state)
{
	struct file f;

	(void)state;
	fill(&f);
	for (size_t n = 0; n < sizeof(f); n += n < 600 ? 1 : 37) {
		_cleanup_(elf_freep) struct elf_image *e = NULL;
		uint8_t *part = malloc(n ? n : 1);

		memcpy(part, &f, n);
		if (elf_open_memory(part, n, &e) == 0)
			query_all(e);
		free(part);
	}
}

/* Every header word in turn becomes huge: no answer may leave the file. */
static void elf__any_header_word_hostile(void **state)
{
	static const uint64_t values[] = { UINT64_MAX, INT64_MAX, 0x7fffffff, 1, 0 };
	struct file f;

	(void)state;
	fill(&f);
	for (size_t at = 16; at < sizeof(f); at += 4) {
		if (at >= offsetof(struct file, t.strings) && at < offsetof(struct file, ph))
			continue;
		for (size_t k = 0; k < ARRAY_SIZE(values); k++) {
			_cleanup_(elf_freep) struct elf_image *e = NULL;
			struct file bad = f;

			memcpy((uint8_t *)&bad + at, &values[k], at + 8 <= sizeof(f) ? 8 : 4);
			if (elf_open_memory(&bad, sizeof(bad), &e) == 0)
				query_all(e);
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(elf__answers_about_a_good_file),
		cmocka_unit_test(elf__file_without_build_id_gets_a_sum),
		cmocka_unit_test(elf__foreign_files_are_refused),
		cmocka_unit_test(elf__truncated_at_any_byte),
		cmocka_unit_test(elf__any_header_word_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
