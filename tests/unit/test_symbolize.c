/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/sample/symbolize.c. */
#define PYWALK_READ(mem, dst, len, addr) procmem_read((mem), (addr), (dst), (len))
#include "pyimage.h"
#include "pywalk.bpf.h"
#include "sample/symbolize.h"
#include "test.h"

#define BASE	  0x7f0000000000ull
#define CODE_TYPE (BASE + 64)

struct fixture {
	struct image image;
	struct pyruntime rt;
	const struct pylayout *layout;
	struct symbolize *s;
};

static struct fixture fx;
static struct symbol sym;

static void start(uint32_t minor)
{
	image_init(&fx.image, BASE);
	fx.layout = pylayout_of(3u << 24 | minor << 16 | 0xf0);
	fx.rt = (struct pyruntime){ .walk = fx.layout->walk,
				    .names = fx.layout->names,
				    .code_type = CODE_TYPE };
	symbolize_free(fx.s);
	assert_ok(symbolize_new(&fx.rt, &fx.image.mem, &fx.s));
}

static int teardown(void **state)
{
	(void)state;
	symbolize_free(fx.s);
	fx.s = NULL;
	return 0;
}

static struct pgd_frame frame_of(uint64_t code, int offset)
{
	uint8_t check[PGD_CHECK_BYTES_MAX] __attribute__((aligned(8))) = { 0 };
	uint32_t line = 0;

	assert_ok(procmem_read(&fx.image.mem, code + fx.rt.walk.code_check, check,
			       fx.rt.walk.code_check_bytes));
	if (fx.rt.walk.code_check_line != PGD_NO_OFFSET)
		assert_ok(procmem_u32(&fx.image.mem, code + fx.rt.walk.code_check_line, &line));
	return (struct pgd_frame){ .code = code,
				   .offset = offset,
				   .check = pywalk_check_hash(check, line) };
}

/* Offset 0: line 10; offset 4: line 12, in each of the three formats. */
static uint64_t new_code(const char *file, const char *function, uint32_t version)
{
	static const uint8_t lnotab[] = { 4, 2 }, pep626[] = { 4, 0, 4, 2 },
			     pep657[] = { 0x81, 0x00, 0xe1, 0x04, 0x00 };
	const struct pylayout *l = fx.layout;

	if (l->names.pyline == PYLINE_LNOTAB)
		return pyimage_code(&fx.image, l, CODE_TYPE, file, function, 10, lnotab,
				    sizeof(lnotab), version);
	if (l->names.pyline == PYLINE_PEP626)
		return pyimage_code(&fx.image, l, CODE_TYPE, file, function, 10, pep626,
				    sizeof(pep626), version);
	return pyimage_code(&fx.image, l, CODE_TYPE, file, function, 10, pep657, sizeof(pep657),
			    version);
}

static void symbolize__function_file_and_line_of_every_release(void **state)
{
	(void)state;
	for (uint32_t minor = PYLAYOUT_MINOR_MIN; minor <= PYLAYOUT_MINOR_MAX; minor++) {
		struct pgd_frame f;

		start(minor);
		f = frame_of(new_code("/srv/app.py", "Cart.add", 7), 0);
		assert_ok(symbolize_frame(fx.s, &f, &sym));
		assert_string_equal(sym.function, "Cart.add");
		assert_string_equal(sym.file, "/srv/app.py");
		assert_int_equal(sym.line, 10);
		assert_false(sym.is_internal);
		f.offset = -1;
		assert_ok(symbolize_frame(fx.s, &f, &sym));
		assert_int_equal(sym.line, 10);
		f.offset = 4;
		assert_ok(symbolize_frame(fx.s, &f, &sym));
		assert_int_equal(sym.line, 12);
	}
}

static void symbolize__answers_outlive_the_code_object(void **state)
{
	struct pgd_frame f;

	(void)state;
	start(12);
	f = frame_of(new_code("a.py", "f", 7), 0);
	assert_ok(symbolize_frame(fx.s, &f, &sym));
	memset(fx.image.bytes, 0xdd, sizeof(fx.image.bytes));
	assert_ok(symbolize_frame(fx.s, &f, &sym));
	assert_string_equal(sym.function, "f");
}

static void symbolize__reused_address_is_another_code_object(void **state)
{
	struct pgd_frame old, new;
	uint64_t code;

	(void)state;
	for (uint32_t minor = 11; minor <= 12; minor++) {
		const struct pyruntime_names *n;

		start(minor);
		n = &fx.layout->names;
		code = new_code("a.py", "f", 7);
		old = frame_of(code, 0);
		assert_ok(symbolize_frame(fx.s, &old, &sym));
		image_u64(&fx.image, code + n->code_name, pyimage_ascii(&fx.image, n, "g"));
		image_u64(&fx.image, code + n->code_qualname, pyimage_ascii(&fx.image, n, "g"));
		if (minor == 12)
			image_u32(&fx.image, code + fx.rt.walk.code_check, 8);
		new = frame_of(code, 0);
		assert_ok(symbolize_frame(fx.s, &new, &sym));
		assert_string_equal(sym.function, "g");
		assert_ok(symbolize_frame(fx.s, &old, &sym));
		assert_string_equal(sym.function, "f");
	}
}

static void symbolize__code_object_that_is_gone(void **state)
{
	struct pgd_frame f;
	uint64_t code;

	(void)state;
	start(13);
	code = new_code("a.py", "f", 7);
	f = frame_of(code, 0);
	image_u64(&fx.image, code + fx.rt.names.ob_type,
		  CODE_TYPE + 8); /* freed, taken by another type */
	assert_err(symbolize_frame(fx.s, &f, &sym), -ESTALE);
	assert_string_equal(sym.function, "<gone>");
	assert_string_equal(sym.file, "<gone>");
	assert_int_equal(sym.line, 0);

	image_u64(&fx.image, code + fx.rt.names.ob_type, CODE_TYPE);
	f.check++; /* a code object, but not the one that was seen */
	assert_err(symbolize_frame(fx.s, &f, &sym), -ESTALE);
	f.code = 0xdead0000;
	assert_err(symbolize_frame(fx.s, &f, &sym), -ESTALE);
	f.code = ~0ull;
	assert_err(symbolize_frame(fx.s, &f, &sym), -ESTALE);
}

static void symbolize__freed_code_object_that_looks_whole_is_gone(void **state)
{
	static const struct {
		uint64_t word; /* the first of the object */
		int want;
	} rows[] = {
		{ 1, 0 },
		{ 0xffffffff, 0 }, /* 3.12: immortal */
		{ 0x00010000c0000000, 0 }, /* 3.14: immortal, and a flag */
		{ 0, -ESTALE }, /* free, the last of its pool's list */
		{ 0x00007f4c11a2b3c0, -ESTALE }, /* free, and the next free block */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct pgd_frame f;
		uint64_t code;

		start(9);
		code = new_code("a.py", "f", 7);
		f = frame_of(code, 0);
		image_u64(&fx.image, code, rows[i].word);
		assert_err(symbolize_frame(fx.s, &f, &sym), rows[i].want);
	}
}

/* Memory in which the code object becomes another one while its strings are read. */
static int read_and_replace(const struct procmem *m, uint64_t addr, void *buf, size_t n_bytes)
{
	static struct procmem image;
	int r;

	(void)m;
	procmem_init_image(&image, &fx.image.piece);
	r = procmem_read(&image, addr, buf, n_bytes);
	if (r == 0 && n_bytes == 4 && addr != 0)
		for (uint64_t at = fx.image.base + IMAGE_BYTES / 2; at < fx.image.end; at += 16) {
			uint64_t type = 0;

			procmem_u64(&image, at + fx.rt.names.ob_type, &type);
			if (type == CODE_TYPE && addr == at + fx.rt.names.code_firstlineno)
				image_u32(&fx.image, at + fx.rt.walk.code_check, 4711);
		}
	return r;
}

static void symbolize__code_object_replaced_while_it_is_read(void **state)
{
	struct procmem racing = { .read = read_and_replace };
	struct symbolize *s = NULL;
	struct pgd_frame f;

	(void)state;
	start(12);
	f = frame_of(new_code("a.py", "f", 7), 0);
	assert_ok(symbolize_new(&fx.rt, &racing, &s));
	assert_err(symbolize_frame(s, &f, &sym), -ESTALE);
	assert_string_equal(sym.function, "<gone>");
	symbolize_free(s);
}

static void symbolize__bad_names_are_said_and_the_rest_is_kept(void **state)
{
	struct pgd_frame f;
	uint64_t code;

	(void)state;
	start(12);
	code = new_code("a.py", "f", 7);
	f = frame_of(code, 0);
	image_u64(&fx.image, code + fx.rt.names.code_qualname, 0x1000);
	assert_err(symbolize_frame(fx.s, &f, &sym), -EBADMSG);
	assert_string_equal(sym.function, "<bad name>");
	assert_string_equal(sym.file, "a.py");
	assert_int_equal(sym.line, 10);

	start(12);
	code = new_code("a.py", "f", 7);
	f = frame_of(code, 0);
	image_u64(&fx.image, code + fx.rt.names.code_linetable, ~0ull);
	assert_err(symbolize_frame(fx.s, &f, &sym), -EBADMSG);
	assert_string_equal(sym.function, "f");
	assert_int_equal(sym.line, 0);
}

static void symbolize__long_names_keep_the_end_that_matters(void **state)
{
	char file[400], function[400];
	struct pgd_frame f;

	(void)state;
	start(11);
	memset(file, 'd', sizeof(file));
	strcpy(file + 380, "/module.py");
	memset(function, 'f', sizeof(function));
	memcpy(function, "Start", 5);
	function[399] = '\0';
	f = frame_of(new_code(file, function, 0), 0);
	assert_err(symbolize_frame(fx.s, &f, &sym), -EBADMSG);
	assert_int_equal(strlen(sym.file), SYMBOLIZE_NAME_MAX + strlen("…"));
	assert_memory_equal(sym.file, "…", 3);
	assert_string_equal(sym.file + strlen(sym.file) - 10, "/module.py");
	assert_int_equal(strlen(sym.function), SYMBOLIZE_NAME_MAX + strlen("…"));
	assert_memory_equal(sym.function, "Start", 5);
}

static void symbolize__widest_names_fit(void **state)
{
	char function[SYMBOLIZE_NAME_MAX + 1];
	struct pgd_frame f;

	(void)state;
	start(11);
	memset(function, 0x01, sizeof(function)); /* four bytes each, escaped */
	function[SYMBOLIZE_NAME_MAX] = '\0';
	f = frame_of(new_code("a.py", function, 0), 0);
	assert_ok(symbolize_frame(fx.s, &f, &sym));
	assert_int_equal(strlen(sym.function), 4 * SYMBOLIZE_NAME_MAX);
}

static void symbolize__interpreter_shim_is_internal(void **state)
{
	const struct pyruntime_names *n;
	struct pgd_frame f;
	uint64_t code, name;

	(void)state;
	start(13);
	n = &fx.rt.names;
	code = pyimage_code(&fx.image, fx.layout, CODE_TYPE, "x", "x", 0, "\xf0", 1, 0);
	name = pyimage_ascii(&fx.image, n, "__init__");
	image_u64(&fx.image, code + n->code_filename, name);
	image_u64(&fx.image, code + n->code_name, name);
	image_u64(&fx.image, code + n->code_qualname, name);
	f = frame_of(code, 0);
	assert_ok(symbolize_frame(fx.s, &f, &sym));
	assert_true(sym.is_internal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(symbolize__function_file_and_line_of_every_release),
		cmocka_unit_test(symbolize__answers_outlive_the_code_object),
		cmocka_unit_test(symbolize__reused_address_is_another_code_object),
		cmocka_unit_test(symbolize__code_object_that_is_gone),
		cmocka_unit_test(symbolize__freed_code_object_that_looks_whole_is_gone),
		cmocka_unit_test(symbolize__code_object_replaced_while_it_is_read),
		cmocka_unit_test(symbolize__bad_names_are_said_and_the_rest_is_kept),
		cmocka_unit_test(symbolize__long_names_keep_the_end_that_matters),
		cmocka_unit_test(symbolize__widest_names_fit),
		cmocka_unit_test(symbolize__interpreter_shim_is_internal),
	};

	return cmocka_run_group_tests_name("symbolize", tests, NULL, teardown);
}
