/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors bpf/pywalk.bpf.h: the kernel's walker over a byte image. */
#define PYWALK_READ(mem, dst, len, addr) procmem_read((mem), (addr), (dst), (len))
#include "pyimage.h"
#include "pywalk.bpf.h"
#include "test.h"

#define BASE	  0x7f0000000000ull
#define CODE_TYPE (BASE + 64)

struct fixture {
	struct image image;
	struct pywalk_scratch scratch;
	struct pgd_stack_event event;
	const struct pylayout *layout;
};

static struct fixture fx;

static void start(uint32_t minor)
{
	memset(&fx, 0xa5, sizeof(fx)); /* the walker must not count on zeroed memory */
	image_init(&fx.image, BASE);
	fx.scratch.mem = &fx.image.mem;
	fx.layout = pylayout_of(3u << 24 | minor << 16 | 0xf0);
	assert_non_null(fx.layout);
}

static uint64_t new_code(uint32_t version)
{
	return pyimage_code(&fx.image, fx.layout, CODE_TYPE, "f.py", "f", 1, "", 0, version);
}

static void walk(uint64_t frame)
{
	uint64_t tstate = pyimage_tstate(&fx.image, &fx.layout->walk, BASE, frame);

	pywalk_frames(&fx.layout->walk, tstate, &fx.scratch, &fx.event);
}

static void pywalk__every_layout_gives_frames_innermost_first(void **state)
{
	(void)state;
	for (uint32_t minor = PYLAYOUT_MINOR_MIN; minor <= PYLAYOUT_MINOR_MAX; minor++) {
		uint64_t code[3], frame = 0;

		start(minor);
		for (int i = 2; i >= 0; i--) {
			code[i] = new_code(100 + (uint32_t)i);
			frame = pyimage_frame(&fx.image, &fx.layout->walk, code[i], 10 * i, frame);
		}
		walk(frame);
		assert_int_equal(fx.event.flags, 0);
		assert_int_equal(fx.event.n_frames, 3);
		for (int i = 0; i < 3; i++) {
			assert_int_equal(fx.event.frames[i].code, code[i]);
			assert_int_equal(fx.event.frames[i].offset, 10 * i);
		}
		assert_int_not_equal(fx.event.frames[0].check, fx.event.frames[1].check);
		assert_true(fx.event.key.hash > PGD_STACK_NONE);
	}
}

static void pywalk__frame_not_started_has_a_negative_offset(void **state)
{
	static const struct {
		uint32_t minor;
		int offset;
	} rows[] = { { 8, -1 }, { 9, -1 }, { 10, -2 }, { 11, -2 }, { 12, -2 } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		start(rows[i].minor);
		walk(pyimage_frame(&fx.image, &fx.layout->walk, new_code(1), rows[i].offset, 0));
		assert_int_equal(fx.event.n_frames, 1);
		assert_int_equal(fx.event.frames[0].offset, rows[i].offset);
	}
}

static void pywalk__shims_are_passed_by(void **state)
{
	uint64_t frame, code;

	(void)state;
	start(13);
	code = new_code(1);
	frame = pyimage_shim(&fx.image, &fx.layout->walk, 0);
	frame = pyimage_frame(&fx.image, &fx.layout->walk, code, 4, frame);
	frame = pyimage_shim(&fx.image, &fx.layout->walk, frame);
	frame = pyimage_shim(&fx.image, &fx.layout->walk, frame);
	frame = pyimage_frame(&fx.image, &fx.layout->walk, code, 8, frame);
	walk(frame);
	assert_int_equal(fx.event.flags, 0);
	assert_int_equal(fx.event.n_frames, 2);
	assert_int_equal(fx.event.frames[0].offset, 8);
	assert_int_equal(fx.event.frames[1].offset, 4);
}

static void pywalk__tag_bits_are_taken_off(void **state)
{
	uint64_t code, frame;

	(void)state;
	start(14);
	code = new_code(1);
	frame = pyimage_frame(&fx.image, &fx.layout->walk, code, 6, 0);
	image_u64(&fx.image, frame + fx.layout->walk.frame_code, code | 1);
	walk(frame);
	assert_int_equal(fx.event.n_frames, 1);
	assert_int_equal(fx.event.frames[0].code, code);
	assert_int_equal(fx.event.frames[0].offset, 6);
}

static void pywalk__no_frame_is_no_stack(void **state)
{
	(void)state;
	start(12);
	walk(0);
	assert_int_equal(fx.event.n_frames, 0);
	assert_int_equal(fx.event.flags, 0);
	assert_int_equal(fx.event.key.hash, PGD_STACK_NONE);
	pywalk_frames(&fx.layout->walk, 0, &fx.scratch, &fx.event);
	assert_int_equal(fx.event.key.hash, PGD_STACK_NONE);
}

static void pywalk__deep_stack_is_cut_and_marked(void **state)
{
	(void)state;
	for (int deep = PGD_FRAMES_MAX; deep <= PGD_FRAMES_MAX + 1; deep++) {
		uint64_t frame = 0, code;

		start(11);
		code = new_code(1);
		for (int i = deep; i > 0; i--)
			frame = pyimage_frame(&fx.image, &fx.layout->walk, code, 2 * i, frame);
		walk(frame);
		assert_int_equal(fx.event.n_frames, PGD_FRAMES_MAX);
		assert_int_equal(fx.event.flags, deep > PGD_FRAMES_MAX ? PGD_STACK_F_TRUNCATED : 0);
		assert_int_equal(fx.event.frames[0].offset, 2);
		assert_int_equal(fx.event.frames[PGD_FRAMES_MAX - 1].offset, 2 * PGD_FRAMES_MAX);
	}
}

static void pywalk__rings_of_frames_or_shims_end(void **state)
{
	uint64_t frame;

	(void)state;
	start(13);
	frame = pyimage_frame(&fx.image, &fx.layout->walk, new_code(1), 0, 0);
	image_u64(&fx.image, frame + fx.layout->walk.frame_back, frame);
	walk(frame);
	assert_int_equal(fx.event.n_frames, PGD_FRAMES_MAX);
	assert_int_equal(fx.event.flags, PGD_STACK_F_TRUNCATED);

	start(13);
	frame = pyimage_shim(&fx.image, &fx.layout->walk, 0);
	image_u64(&fx.image, frame + fx.layout->walk.frame_back, frame);
	walk(frame);
	assert_int_equal(fx.event.n_frames, 0);
	assert_int_equal(fx.event.flags, PGD_STACK_F_TRUNCATED);
}

static void pywalk__wild_pointers_cut_the_stack_and_are_marked(void **state)
{
	static const uint64_t wild[] = { 1, 0xdeadbeef, BASE + IMAGE_BYTES - 4,
					 0xfffffffffffffff0ull, ~0ull };

	(void)state;
	for (size_t i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
		uint64_t code, frame;

		start(12);
		code = new_code(1);
		walk(pyimage_frame(&fx.image, &fx.layout->walk, code, 0, wild[i]));
		assert_int_equal(fx.event.n_frames, 1);
		assert_int_equal(fx.event.flags, PGD_STACK_F_UNREADABLE);

		start(12);
		frame = pyimage_frame(&fx.image, &fx.layout->walk, wild[i], 0, 0);
		walk(frame);
		assert_int_equal(fx.event.n_frames, 0);
		assert_int_equal(fx.event.flags, PGD_STACK_F_UNREADABLE);
		assert_true(fx.event.key.hash > PGD_STACK_NONE);

		pywalk_frames(&fx.layout->walk, wild[i], &fx.scratch, &fx.event);
		assert_int_equal(fx.event.n_frames, 0);
		assert_int_equal(fx.event.flags, PGD_STACK_F_UNREADABLE);
	}
}

static void pywalk__hostile_offsets_stay_in_bounds(void **state)
{
	uint64_t frame, tstate;

	(void)state;
	for (uint32_t bad = 1; bad; bad <<= 1) {
		struct pgd_py_offsets w;

		start(12);
		w = fx.layout->walk;
		frame = pyimage_frame(&fx.image, &w, new_code(1), 0, 0);
		tstate = pyimage_tstate(&fx.image, &w, BASE, frame);
		w.frame_bytes |= bad;
		w.frame_code |= bad;
		w.frame_back |= bad;
		w.frame_lasti |= bad;
		w.frame_owner |= bad;
		w.code_check_bytes |= bad;
		pywalk_frames(&w, tstate, &fx.scratch, &fx.event);
		assert_true(fx.event.n_frames <= PGD_FRAMES_MAX);
	}
}

static uint64_t hash_of(int offset, uint32_t version, int flags_wanted, uint64_t back)
{
	uint64_t code = BASE + 4096;

	image_u32(&fx.image, code + fx.layout->walk.code_check, version);
	walk(pyimage_frame(&fx.image, &fx.layout->walk, code, offset, back));
	assert_int_equal(fx.event.flags, flags_wanted);
	return fx.event.key.hash;
}

static void pywalk__hash_tells_code_offset_check_and_cut_apart(void **state)
{
	uint64_t a, b;

	(void)state;
	start(12);
	a = hash_of(2, 7, 0, 0);
	assert_int_equal(a, hash_of(2, 7, 0, 0));
	b = hash_of(4, 7, 0, 0);
	assert_true(a != b);
	b = hash_of(2, 8, 0, 0);
	assert_true(a != b);
	b = hash_of(2, 7, PGD_STACK_F_UNREADABLE, 1);
	assert_true(a != b);
}

static void pywalk__hash_is_never_a_reserved_value(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 4096; i++)
		assert_true(pywalk_hash_end(i * 0x9e3779b97f4a7c15ull, 0) > PGD_STACK_NONE);
	assert_true(pywalk_hash_end(0, 0) > PGD_STACK_NONE);
}

static void pywalk__check_hash_sees_each_bit(void **state)
{
	uint64_t check[4] = { 0 };
	uint32_t none = pywalk_check_hash(check, 0);

	(void)state;
	for (int bit = 0; bit < 256; bit++) {
		check[bit / 64] = 1ull << bit % 64;
		assert_true(pywalk_check_hash(check, 0) != none);
		check[bit / 64] = 0;
	}
	for (int bit = 0; bit < 32; bit++)
		assert_true(pywalk_check_hash(check, 1u << bit) != none);
}

/* ── whose thread state ───────────────────────────────────────────────────────────────────── */

static uint64_t top(uint64_t runtime, uint32_t key, uint64_t fs_base)
{
	__u64 tstate = 12345;

	assert_ok(pywalk_top(&fx.layout->walk, runtime, key, fs_base, &fx.scratch, &tstate));
	return tstate;
}

static void pywalk__tstate_current_is_believed_only_for_its_thread(void **state)
{
	uint64_t runtime, mine, other, fs_mine, fs_other;

	(void)state;
	start(11);
	runtime = image_alloc(&fx.image, 2048);
	fs_mine = pyimage_thread(&fx.image);
	fs_other = pyimage_thread(&fx.image);
	mine = pyimage_tstate(&fx.image, &fx.layout->walk, fs_mine, 0);
	other = pyimage_tstate(&fx.image, &fx.layout->walk, fs_other, 0);

	image_u64(&fx.image, runtime + fx.layout->walk.runtime_tstate, mine);
	assert_int_equal(top(runtime, 3, fs_mine), mine); /* the key need not be set */
	image_u64(&fx.image, runtime + fx.layout->walk.runtime_tstate, other);
	assert_int_equal(top(runtime, 3, fs_mine), 0);
	pyimage_set_key(&fx.image, fs_mine, 3, mine);
	assert_int_equal(top(runtime, 3, fs_mine), mine);
	image_u64(&fx.image, runtime + fx.layout->walk.runtime_tstate, 0xdead);
	assert_int_equal(top(runtime, 3, fs_mine), mine);
	image_u64(&fx.image, runtime + fx.layout->walk.runtime_tstate, 0); /* GIL released */
	assert_int_equal(top(runtime, 3, fs_mine), mine);
}

static void pywalk__thread_key_in_any_block(void **state)
{
	static const uint32_t keys[] = { 0, 1, 31, 32, 33, 100, 1023 };

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		uint64_t fs;

		start(13);
		fs = pyimage_thread(&fx.image);
		assert_int_equal(top(BASE, keys[i], fs), 0); /* this thread never set it */
		pyimage_set_key(&fx.image, fs, keys[i], 0x1234560);
		assert_int_equal(top(BASE, keys[i], fs), 0x1234560);
	}
}

static void pywalk__impossible_key_or_thread_is_an_error(void **state)
{
	__u64 tstate = 1;

	(void)state;
	start(13);
	assert_err(pywalk_top(&fx.layout->walk, BASE, 1024, BASE, &fx.scratch, &tstate), -EFAULT);
	assert_int_equal(tstate, 0);
	assert_err(pywalk_top(&fx.layout->walk, BASE, ~0u, BASE, &fx.scratch, &tstate), -EFAULT);
	assert_err(pywalk_top(&fx.layout->walk, BASE, 1, 0, &fx.scratch, &tstate), -EFAULT);
	assert_err(pywalk_top(&fx.layout->walk, BASE, 40, ~0ull, &fx.scratch, &tstate), -EFAULT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pywalk__every_layout_gives_frames_innermost_first),
		cmocka_unit_test(pywalk__frame_not_started_has_a_negative_offset),
		cmocka_unit_test(pywalk__shims_are_passed_by),
		cmocka_unit_test(pywalk__tag_bits_are_taken_off),
		cmocka_unit_test(pywalk__no_frame_is_no_stack),
		cmocka_unit_test(pywalk__deep_stack_is_cut_and_marked),
		cmocka_unit_test(pywalk__rings_of_frames_or_shims_end),
		cmocka_unit_test(pywalk__wild_pointers_cut_the_stack_and_are_marked),
		cmocka_unit_test(pywalk__hostile_offsets_stay_in_bounds),
		cmocka_unit_test(pywalk__hash_tells_code_offset_check_and_cut_apart),
		cmocka_unit_test(pywalk__hash_is_never_a_reserved_value),
		cmocka_unit_test(pywalk__check_hash_sees_each_bit),
		cmocka_unit_test(pywalk__tstate_current_is_believed_only_for_its_thread),
		cmocka_unit_test(pywalk__thread_key_in_any_block),
		cmocka_unit_test(pywalk__impossible_key_or_thread_is_an_error),
	};

	return cmocka_run_group_tests_name("pywalk", tests, NULL, NULL);
}
