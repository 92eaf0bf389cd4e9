/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/target/discover.c, over a /proc of our own with ELF files made here. */
#include <sys/sysmacros.h>

#include "fakeproc.h"
#include "target/discover.h"
#include "test.h"
#include "tinyelf.h"

#define PID	  77
#define LOAD_ADDR 0x10400000ull /* low: the fake /proc/PID/mem is a sparse file of that length */
#define LIBC_ADDR 0x10800000ull

struct fixture {
	struct fakeproc proc;
	struct strbuf maps;
	struct strbuf why;
	struct discover d;
};

static struct fixture fx;
static struct tinyelf tiny;

static int setup(void **state)
{
	(void)state;
	fakeproc_init(&fx.proc);
	fakeproc_stat(&fx.proc, PID, "app", 'S', 0, 100);
	fx.maps = (struct strbuf)STRBUF_INIT;
	fx.why = (struct strbuf)STRBUF_INIT;
	fx.d = (struct discover){ 0 };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	discover_done(&fx.d);
	strbuf_done(&fx.maps);
	strbuf_done(&fx.why);
	fakeproc_done(&fx.proc);
	return 0;
}

static void make_python(void)
{
	tinyelf_init(&tiny);
	tinyelf_add(&tiny, "_PyRuntime", TINYELF_AT(text) + 512);
	tinyelf_add(&tiny, "PyObject_Malloc", TINYELF_AT(text));
	tinyelf_add(&tiny, "Py_Initialize", TINYELF_AT(text));
	tinyelf_import(&tiny, "malloc");
	tinyelf_finish(&tiny);
}

static void make_other(const char *symbol)
{
	tinyelf_init(&tiny);
	if (symbol)
		tinyelf_add(&tiny, symbol, TINYELF_AT(text));
	tinyelf_finish(&tiny);
}

/* Map the file at `where` (below the process's directory) under the name that the process sees. */
static void map_file(uint64_t start, const char *where, const char *seen_as)
{
	struct stat st;

	fakeproc_write(&fx.proc, PID, where, &tiny, sizeof(tiny));
	assert_int_equal(stat(fakeproc_path(&fx.proc, PID, where), &st), 0);
	strbuf_printf(&fx.maps, "%llx-%llx r-xp 00000000 %x:%x %lu    %s\n",
		      (unsigned long long)start, (unsigned long long)start + 0x2000,
		      major(st.st_dev), minor(st.st_dev), st.st_ino, seen_as);
}

static int discover(void)
{
	fakeproc_text(&fx.proc, PID, "maps", fx.maps.buf);
	return discover_open(&fx.proc.fs, PID, &fx.d, &fx.why);
}

static void assert_why(const char *words)
{
	if (!strstr(fx.why.buf, words))
		print_error("\"%s\" is not in \"%s\"\n", words, fx.why.buf);
	assert_non_null(strstr(fx.why.buf, words));
	assert_null(strchr(fx.why.buf, '\n'));
	assert_null(fx.d.path);
}

static void discover__executable_itself(void **state)
{
	(void)state;
	make_python();
	map_file(LOAD_ADDR, "exe", "/usr/bin/python3.11");
	assert_ok(discover());
	assert_int_equal(fx.d.pid, PID);
	assert_int_equal(fx.d.start_ticks, 100);
	assert_string_equal(fx.d.path, fakeproc_path(&fx.proc, PID, "exe"));
	assert_string_equal(fx.d.name, "/usr/bin/python3.11");
	assert_int_equal(fx.d.bias, LOAD_ADDR - TINYELF_VADDR);
	assert_non_null(fx.d.elf);
	assert_int_equal(fx.why.len, 0);
}

static void discover__library_in_another_root(void **state)
{
	(void)state;
	make_other("main");
	map_file(LOAD_ADDR + 0x100000, "exe", "/usr/local/bin/python3.12");
	make_python();
	map_file(LOAD_ADDR, "root/usr/local/lib/libpython3.12.so.1.0",
		 "/usr/local/lib/libpython3.12.so.1.0");
	assert_ok(discover());
	assert_string_equal(
		fx.d.path, fakeproc_path(&fx.proc, PID, "root/usr/local/lib/libpython3.12.so.1.0"));
	assert_string_equal(fx.d.name, "/usr/local/lib/libpython3.12.so.1.0");
}

static void discover__replaced_library_is_reached_by_its_mapping(void **state)
{
	(void)state;
	make_python();
	map_file(LOAD_ADDR, "map_files/10400000-10402000", "/lib/libpython3.12.so.1.0 (deleted)");
	fakeproc_text(&fx.proc, PID, "root/lib/libpython3.12.so.1.0", "the new one");
	assert_ok(discover());
	assert_string_equal(fx.d.path, fakeproc_path(&fx.proc, PID, "map_files/10400000-10402000"));
	assert_string_equal(fx.d.name, "/lib/libpython3.12.so.1.0");
}

static void discover__embedder_of_any_name(void **state)
{
	(void)state;
	make_other("main");
	map_file(LOAD_ADDR + 0x100000, "exe", "/usr/sbin/appserver");
	make_other("Py_Wrapper");
	map_file(LOAD_ADDR + 0x200000, "root/lib/python3-wrapper.so", "/lib/python3-wrapper.so");
	make_python();
	map_file(LOAD_ADDR, "root/opt/engine.so", "/opt/engine.so");
	assert_ok(discover());
	assert_string_equal(fx.d.name, "/opt/engine.so");
}

/* Both define the symbols; the linker gives everybody the executable's. */
static void discover__executable_goes_before_a_library(void **state)
{
	(void)state;
	make_python();
	map_file(LOAD_ADDR + 0x100000, "root/lib/libpython3.11.so.1.0",
		 "/lib/libpython3.11.so.1.0");
	map_file(LOAD_ADDR, "exe", "/srv/frozen");
	assert_ok(discover());
	assert_string_equal(fx.d.name, "/srv/frozen");
}

static void discover__mapping_that_starts_inside_the_file(void **state)
{
	struct stat st;

	(void)state;
	make_python();
	tiny.ph.p_offset = 0;
	map_file(LOAD_ADDR, "exe", "/usr/bin/python3.11");
	assert_int_equal(stat(fakeproc_path(&fx.proc, PID, "exe"), &st), 0);
	strbuf_reset(&fx.maps);
	/* a piece without the function, then the piece with it */
	strbuf_printf(&fx.maps, "7f0000500000-7f0000500010 r-xp 00000000 %x:%x %lu /p\n",
		      major(st.st_dev), minor(st.st_dev), st.st_ino);
	strbuf_printf(&fx.maps, "7f0000600010-7f0000602000 r-xp 00000010 %x:%x %lu /p\n",
		      major(st.st_dev), minor(st.st_dev), st.st_ino);
	assert_ok(discover());
	assert_int_equal(fx.d.bias, 0x7f0000600000ull - TINYELF_VADDR);
}

static void discover__hostile_name_is_made_printable(void **state)
{
	(void)state;
	make_python();
	map_file(LOAD_ADDR, "exe", "/tmp/\x1b[2Jpython3");
	assert_ok(discover());
	assert_string_equal(fx.d.name, "/tmp/\\x1b[2Jpython3");
}

/* ── whose malloc ─────────────────────────────────────────────────────────────────────────── */

static void discover__glibc_by_name(void **state)
{
	static const struct {
		const char *libs[2];
		bool want;
	} rows[] = {
		{ { "/lib/x86_64-linux-gnu/libc.so.6", NULL }, true },
		{ { "/lib/x86_64-linux-gnu/libc-2.31.so", NULL }, true },
		{ { "/lib/ld-musl-x86_64.so.1", NULL }, false },
		{ { "/lib/libc.so.6", "/usr/lib/libjemalloc.so.2" }, false },
		{ { "/lib/libc.so.6", "/usr/lib/libtcmalloc_minimal.so.4" }, false },
		{ { "/lib/libc.so.6", "/usr/lib/libm.so.6" }, true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		make_python();
		map_file(LOAD_ADDR, "exe", "/usr/bin/python3.11");
		make_other(NULL);
		for (size_t j = 0; j < 2 && rows[i].libs[j]; j++)
			map_file(LIBC_ADDR + j * 0x10000, j ? "root/a" : "root/b", rows[i].libs[j]);
		assert_ok(discover());
		assert_int_equal(fx.d.has_glibc, rows[i].want);
		teardown(state);
		setup(state);
	}
}

static void bind_malloc(uint64_t addr)
{
	const char *path = fakeproc_path(&fx.proc, PID, "mem");
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, &addr, sizeof(addr),
				(off_t)(TINYELF_AT(got) - TINYELF_VADDR + LOAD_ADDR)),
			 sizeof(addr));
	close(fd);
}

static void discover__bound_malloc_is_believed_before_names(void **state)
{
	static const struct {
		uint64_t bound;
		bool want;
	} rows[] = {
		{ LIBC_ADDR + 0x100, true },
		{ LIBC_ADDR + 0x10000, false }, /* the preloaded one of an innocent name */
		{ LOAD_ADDR + 0x100, true }, /* not bound yet: by names */
		{ 0x1000, true }, /* nowhere: by names */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		make_python();
		map_file(LOAD_ADDR, "exe", "/usr/bin/python3.11");
		make_other(NULL);
		map_file(LIBC_ADDR, "root/libc", "/lib/libc.so.6");
		map_file(LIBC_ADDR + 0x10000, "root/innocent", "/opt/innocent.so");
		bind_malloc(rows[i].bound);
		assert_ok(discover());
		assert_int_equal(fx.d.has_glibc, rows[i].want);
		teardown(state);
		setup(state);
	}
}

/* ── refusals ─────────────────────────────────────────────────────────────────────────────── */

static void discover__no_such_process(void **state)
{
	(void)state;
	assert_err(discover_open(&fx.proc.fs, 404, &fx.d, &fx.why), -ESRCH);
	assert_why("no process 404");
}

static void discover__kernel_thread_and_zombie(void **state)
{
	(void)state;
	fakeproc_stat(&fx.proc, PID, "kswapd0", 'S', 0x00200000, 100);
	assert_err(discover(), -ENOEXEC);
	assert_why("kernel thread");
	strbuf_reset(&fx.why);
	fakeproc_stat(&fx.proc, PID, "python3", 'Z', 0, 100);
	assert_err(discover(), -ESRCH);
	assert_why("zombie");
}

static void discover__other_programs(void **state)
{
	static const struct {
		const char *symbol, *name, *words;
		int want;
	} rows[] = {
		{ "main", "/bin/sleep", "is not Python", -ENOEXEC },
		{ "Py_Initialize", "/usr/lib/libpython2.7.so.1.0", "Python 2", -ENOTSUP },
		{ "Py_Initialize", "/usr/bin/python2.7", "Python 2", -ENOTSUP },
		{ "Py_Initialize", "/usr/lib/libpython3.6m.so.1.0", "older than 3.7", -ENOTSUP },
		{ "pypy_main", "/usr/lib/libpypy3-c.so", "PyPy", -ENOTSUP },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		make_other(rows[i].symbol);
		map_file(LOAD_ADDR, "exe", rows[i].name);
		assert_err(discover(), rows[i].want);
		assert_why(rows[i].words);
		teardown(state);
		setup(state);
	}
}

static void discover__no_permission_names_the_capability(void **state)
{
	(void)state;
	if (geteuid() == 0)
		skip(); /* root may read everything */
	make_python();
	map_file(LOAD_ADDR, "exe", "/usr/bin/python3.11");
	fakeproc_text(&fx.proc, PID, "maps", fx.maps.buf);
	chmod(fakeproc_path(&fx.proc, PID, "maps"), 0);
	assert_err(discover_open(&fx.proc.fs, PID, &fx.d, &fx.why), -EACCES);
	assert_why("CAP_SYS_PTRACE");
}

static void discover__file_out_of_reach_names_the_capability(void **state)
{
	(void)state;
	make_python();
	map_file(LOAD_ADDR, "elsewhere", "/lib/libpython3.12.so.1.0 (deleted)");
	assert_err(discover(), -EACCES);
	assert_why("CAP_CHECKPOINT_RESTORE");
}

static void discover__damaged_maps(void **state)
{
	(void)state;
	strbuf_puts(&fx.maps, "what is this\n");
	assert_err(discover(), -EBADMSG);
	assert_why("cannot read");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(discover__executable_itself),
		TEST(discover__library_in_another_root),
		TEST(discover__replaced_library_is_reached_by_its_mapping),
		TEST(discover__embedder_of_any_name),
		TEST(discover__executable_goes_before_a_library),
		TEST(discover__mapping_that_starts_inside_the_file),
		TEST(discover__hostile_name_is_made_printable),
		TEST(discover__glibc_by_name),
		TEST(discover__bound_malloc_is_believed_before_names),
		TEST(discover__no_such_process),
		TEST(discover__kernel_thread_and_zombie),
		TEST(discover__other_programs),
		TEST(discover__no_permission_names_the_capability),
		TEST(discover__file_out_of_reach_names_the_capability),
		TEST(discover__damaged_maps),
	};

	return cmocka_run_group_tests_name("discover", tests, NULL, NULL);
}
