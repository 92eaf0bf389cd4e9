/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/target/pyruntime.c and pyalloc.c: a whole interpreter as bytes. */
#include "pgd_abi.h"
#include "pyimage.h"
#include "target/pyruntime.h"
#include "test.h"
#include "tests/data/debug_offsets.h"
#include "tinyelf.h"

/* Text and data of the interpreter: the ELF's symbols point to both, only text is in the file. */
#define BASE	  0x7f0000000000ull
#define BIAS	  (BASE - TINYELF_VADDR)
#define RUNTIME	  (BASE + 0x2000)
#define CODE_TYPE (BASE + 0x8000)
#define TYPE_TYPE (BASE + 0x8400)
#define STATICS	  (BASE + 0x9000) /* allocator slots up to 3.11 */
#define FN(i)	  (BASE + offsetof(struct tinyelf, text) + 256 + 16 * (uint64_t)(i))
#define KEY	  5

struct fixture {
	struct image image;
	struct discover d;
	struct strbuf why;
	struct pyruntime rt;
	const struct pylayout *l;
	uint64_t fs_base, tstate, interp;
	uint64_t obj_slot, raw_slot;
	uint32_t hex;
};

static struct fixture fx;
static struct tinyelf tiny;

static int teardown(void **state)
{
	(void)state;
	elf_free(fx.d.elf);
	fx.d.elf = NULL;
	strbuf_done(&fx.why);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	fx.why = (struct strbuf)STRBUF_INIT;
	return 0;
}

/* {ctx, malloc, calloc, realloc, free} with functions number `first` and on. */
static void put_slot(uint64_t addr, uint64_t ctx, int first)
{
	image_u64(&fx.image, addr, ctx);
	for (int i = 0; i < 4; i++)
		image_u64(&fx.image, addr + 8 + 8 * (uint64_t)i, FN(first + i));
}

/* mov slot(%rip), %rdi; jmp *slot+8(%rip). With is_late only the second: inlined statics. */
static void put_code(uint32_t text_offset, uint64_t slot, bool is_late)
{
	uint8_t *p = tiny.text + text_offset;
	uint64_t at = BASE + offsetof(struct tinyelf, text) + text_offset;
	int32_t disp = (int32_t)(slot - (at + 7));

	if (!is_late) {
		memcpy(p, "\x48\x8b\x3d", 3);
		memcpy(p + 3, &disp, 4);
		p += 7;
		at += 7;
	}
	disp = (int32_t)(slot + 8 - (at + 6));
	memcpy(p, "\xff\x25", 2);
	memcpy(p + 2, &disp, 4);
}

static void put_threads(void)
{
	const struct pgd_py_offsets *w = &fx.l->walk;
	uint64_t code = pyimage_code(&fx.image, fx.l, CODE_TYPE, "a.py", "f", 1, "", 0, 7);
	uint64_t frame = pyimage_frame(&fx.image, w, code, 4, 0);

	frame = pyimage_frame(&fx.image, w, code, 8, frame);
	fx.fs_base = pyimage_thread(&fx.image);
	fx.tstate = pyimage_tstate(&fx.image, w, fx.fs_base, frame);
	pyimage_set_key(&fx.image, fx.fs_base, KEY, fx.tstate);
	fx.interp = image_alloc(&fx.image, 8192);
	image_u64(&fx.image, RUNTIME + fx.l->interp_head, fx.interp);
	image_u64(&fx.image, RUNTIME + fx.l->interp_main, fx.interp);
	image_u64(&fx.image, fx.interp + fx.l->interp_tstate_head, fx.tstate);
	image_u32(&fx.image, RUNTIME + fx.l->tss_key - 4, 1);
	image_u32(&fx.image, RUNTIME + fx.l->tss_key, KEY);
	if (w->runtime_tstate != PGD_NO_OFFSET)
		image_u64(&fx.image, RUNTIME + w->runtime_tstate, fx.tstate);
}

/* A healthy interpreter of this release; hex without a row: no threads. */
static void start(uint32_t hex)
{
	uint32_t minor = hex >> 16 & 0xff;

	fx.hex = hex;
	image_init(&fx.image, BASE);
	tinyelf_init(&tiny);
	fx.l = pylayout_of(hex);
	if (!fx.l)
		fx.l = pylayout_of(0x030c00f0);
	fx.obj_slot = fx.l->obj_alloc == PGD_NO_OFFSET ? STATICS : RUNTIME + fx.l->obj_alloc;
	fx.raw_slot = fx.l->raw_alloc == PGD_NO_OFFSET ? STATICS + 64 : RUNTIME + fx.l->raw_alloc;
	tinyelf_add(&tiny, "_PyRuntime", RUNTIME - BIAS);
	tinyelf_add(&tiny, "PyCode_Type", CODE_TYPE - BIAS);
	tinyelf_add(&tiny, "PyObject_Malloc", TINYELF_AT(text));
	tinyelf_add(&tiny, "PyMem_RawMalloc", TINYELF_AT(text) + 64);
	memcpy(tiny.text + 128, &hex, sizeof(hex));
	tinyelf_add(&tiny, "Py_Version", TINYELF_AT(text) + 128);
	put_code(0, fx.obj_slot, minor % 2);
	put_code(64, fx.raw_slot, false);
	if (minor == 13)
		image_put(&fx.image, RUNTIME, debug_offsets_3_13_0, sizeof(debug_offsets_3_13_0));
	if (minor == 14)
		image_put(&fx.image, RUNTIME, debug_offsets_3_14_10, sizeof(debug_offsets_3_14_10));
	put_threads();
	put_slot(fx.obj_slot, 0, 0);
	put_slot(fx.raw_slot, 0, 4);
}

static int load(void)
{
	elf_free(fx.d.elf);
	tinyelf_finish(&tiny);
	assert_ok(elf_open_memory(&tiny, sizeof(tiny), &fx.d.elf));
	fx.d.pid = 77;
	fx.d.name = (char *)"/usr/bin/python3";
	fx.d.bias = BIAS;
	strbuf_reset(&fx.why);
	return pyruntime_load(&fx.d, &fx.image.mem, &fx.rt, &fx.why);
}

static void assert_refused(int want, const char *words)
{
	int r = load();

	if (r != want || !strstr(fx.why.buf, words))
		print_error("%d \"%s\", wanted \"%s\"\n", r, fx.why.buf, words);
	assert_err(r, want);
	assert_non_null(strstr(fx.why.buf, words));
	assert_null(strchr(fx.why.buf, '\n'));
}

static const uint32_t releases[] = { 0x030812f0, 0x030902f0, 0x030a0df0, 0x030b02f0,
				     0x030c01f0, 0x030d00f0, 0x030e0af0 };
#define EACH_RELEASE(i) (size_t i = 0; i < sizeof(releases) / sizeof(releases[0]); i++)

static void pyruntime__every_release_loads(void **state)
{
	(void)state;
	for
		EACH_RELEASE(i)
		{
			start(releases[i]);
			assert_ok(load());
			assert_int_equal(fx.why.len, 0);
			assert_int_equal(fx.rt.version_hex, releases[i]);
			assert_int_equal(fx.rt.runtime, RUNTIME);
			assert_int_equal(fx.rt.code_type, CODE_TYPE);
			assert_int_equal(fx.rt.type_type, 0);
			assert_int_equal(fx.rt.tss_key, KEY);
			assert_false(fx.rt.is_hooked);
			assert_int_equal(fx.rt.gc_stats,
					 (fx.l->is_gc_in_runtime ? RUNTIME : fx.interp) +
						 fx.l->gc_stats);
		}
	assert_string_equal(fx.rt.version, "3.14.10");
}

static void pyruntime__type_of_types_is_found_where_exported(void **state)
{
	(void)state;
	start(0x030c01f0);
	tinyelf_add(&tiny, "PyType_Type", TYPE_TYPE - BIAS);
	assert_ok(load());
	assert_int_equal(fx.rt.type_type, TYPE_TYPE);
}

static void pyruntime__unsupported_releases_name_the_supported_ones(void **state)
{
	static const uint32_t hexes[] = { 0x03060ff0, 0x030710f0, 0x030f00a1, 0x030f00f0,
					  0x04000000 };

	(void)state;
	for (size_t i = 0; i < sizeof(hexes) / sizeof(hexes[0]); i++) {
		start(hexes[i]);
		assert_refused(-ENOTSUP, "supported are CPython 3.8 to 3.14");
	}
}

static void pyruntime__builds_without_pymalloc_or_with_other_layout(void **state)
{
	uint64_t one = 1;

	(void)state;
	start(0x030d00f0);
	image_put(&fx.image, RUNTIME + 16, &one, sizeof(one));
	assert_refused(-ENOTSUP, "free-threaded");
	start(0x030d01f0); /* the file says 3.13.1, the process 3.13.0 */
	assert_refused(-EBADMSG, "_Py_DebugOffsets do not fit");
	start(0x030d00f0);
	image_u64(&fx.image, RUNTIME, 0);
	assert_refused(-EBADMSG, "_Py_DebugOffsets do not fit");
	start(0x030b02f0);
	tinyelf_add(&tiny, "_Py_RefTotal", TINYELF_AT(text));
	assert_refused(-ENOTSUP, "debug build");
}

static void pyruntime__allocator_is_read_from_the_live_slots(void **state)
{
	(void)state;
	for
		EACH_RELEASE(i)
		{
			uint64_t inner;

			start(releases[i]);
			put_slot(fx.obj_slot, 0, 4); /* obj is raw */
			assert_refused(-ENOTSUP, "PYTHONMALLOC=malloc");

			start(releases[i]);
			inner = image_alloc(&fx.image, 64);
			image_u64(&fx.image, inner, 'o');
			put_slot(inner + 8, 0, 0);
			put_slot(fx.obj_slot, inner, 8);
			assert_refused(-ENOTSUP, "debug allocator");

			start(releases[i]);
			inner = image_alloc(&fx.image, 64);
			put_slot(inner, 0, 0);
			put_slot(fx.obj_slot, inner, 8);
			assert_ok(load());
			assert_true(fx.rt.is_hooked);

			start(releases[i]); /* tracemalloc over malloc */
			inner = image_alloc(&fx.image, 64);
			put_slot(inner, 0, 4);
			put_slot(fx.obj_slot, inner, 8);
			assert_refused(-ENOTSUP, "PYTHONMALLOC=malloc");

			start(releases[i]); /* an extension's functions */
			for (uint64_t at = 8; at < 40; at += 8)
				image_u64(&fx.image, fx.obj_slot + at, 0x7e0000001000ull + at);
			assert_refused(-ENOTSUP, "PyMem_SetAllocator");

			start(releases[i]); /* hooks without end */
			put_slot(fx.obj_slot, fx.obj_slot, 8);
			assert_refused(-ENOTSUP, "PyMem_SetAllocator");
		}
}

static void pyruntime__too_early_is_try_again(void **state)
{
	(void)state;
	for
		EACH_RELEASE(i)
		{
			start(releases[i]);
			image_u32(&fx.image, RUNTIME + fx.l->tss_key - 4, 0);
			assert_refused(-EAGAIN, "not initialised");
			start(releases[i]);
			image_u64(&fx.image, RUNTIME + fx.l->interp_main, 0);
			assert_refused(-EAGAIN, "not initialised");
			start(releases[i]);
			image_u64(&fx.image, fx.interp + fx.l->interp_tstate_head, 0);
			assert_refused(-EAGAIN, "not initialised");
		}
}

static void pyruntime__layout_that_does_not_fit_is_refused(void **state)
{
	(void)state;
	for
		EACH_RELEASE(i)
		{
			start(releases[i]);
			image_u32(&fx.image, RUNTIME + fx.l->tss_key, 4096);
			assert_refused(-EBADMSG, "no thread key");
			start(releases[i]);
			image_u32(&fx.image, RUNTIME + fx.l->tss_key - 4, 0x55550000);
			assert_refused(-EBADMSG, "no thread key");
			start(releases[i]); /* PyCode_Type is elsewhere */
			tiny.symbols[2].st_value += 64;
			assert_refused(-EBADMSG, "no code objects");
		}
}

static void pyruntime__key_that_leads_nowhere(void **state)
{
	(void)state;
	for
		EACH_RELEASE(i)
		{
			start(releases[i]);
			pyimage_set_key(&fx.image, fx.fs_base, KEY, 0);
			if (fx.l->walk.runtime_tstate != PGD_NO_OFFSET)
				assert_ok(load()); /* tstate_current serves */
			else
				assert_refused(-EBADMSG, "musl");
		}
}

static void pyruntime__no_python_code_running_is_try_again(void **state)
{
	(void)state;
	start(0x030c01f0);
	image_u64(&fx.image, fx.interp + fx.l->interp_tstate_head,
		  pyimage_tstate(&fx.image, &fx.l->walk, fx.fs_base, 0));
	assert_refused(-EAGAIN, "no thread runs");
}

static void pyruntime__walk_and_threads(void **state)
{
	struct pgd_frame frames[PGD_FRAMES_MAX];
	uint64_t tstates[8];
	unsigned n = 0;

	(void)state;
	start(0x030e0af0);
	assert_ok(load());
	assert_ok(pyruntime_threads(&fx.rt, &fx.image.mem, tstates, 8, &n));
	assert_int_equal(n, 1);
	assert_int_equal(tstates[0], fx.tstate);
	assert_ok(pyruntime_walk(&fx.rt, &fx.image.mem, tstates[0], frames, PGD_FRAMES_MAX, &n));
	assert_int_equal(n, 2);
	assert_int_equal(frames[0].offset, 8);
	assert_int_equal(frames[1].offset, 4);
	assert_ok(pyruntime_walk(&fx.rt, &fx.image.mem, tstates[0], frames, 1, &n));
	assert_int_equal(n, 1);
	assert_err(pyruntime_walk(&fx.rt, &fx.image.mem, 0xdead, frames, 1, &n), -EAGAIN);

	image_u64(&fx.image, fx.tstate + fx.rt.tstate_next, fx.tstate); /* a ring of threads */
	assert_ok(pyruntime_threads(&fx.rt, &fx.image.mem, tstates, 8, &n));
	assert_int_equal(n, 8);
}

static void pyruntime__memory_of_a_process_that_is_gone(void **state)
{
	struct procmem gone;

	(void)state;
	start(0x030c01f0);
	assert_ok(load());
	procmem_init(&gone, 0x7fffffff);
	strbuf_reset(&fx.why);
	assert_err(pyruntime_load(&fx.d, &gone, &fx.rt, &fx.why), -ESRCH);
	assert_true(fx.why.len > 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pyruntime__every_release_loads),
		TEST(pyruntime__type_of_types_is_found_where_exported),
		TEST(pyruntime__unsupported_releases_name_the_supported_ones),
		TEST(pyruntime__builds_without_pymalloc_or_with_other_layout),
		TEST(pyruntime__allocator_is_read_from_the_live_slots),
		TEST(pyruntime__too_early_is_try_again),
		TEST(pyruntime__layout_that_does_not_fit_is_refused),
		TEST(pyruntime__key_that_leads_nowhere),
		TEST(pyruntime__no_python_code_running_is_try_again),
		TEST(pyruntime__walk_and_threads),
		TEST(pyruntime__memory_of_a_process_that_is_gone),
	};

	return cmocka_run_group_tests_name("pyruntime", tests, NULL, NULL);
}
