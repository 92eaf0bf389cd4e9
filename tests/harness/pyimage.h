/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/harness/pyimage.h — Python objects, frames and threads in an image, by a struct pylayout.
 */
#ifndef TESTS_HARNESS_PYIMAGE_H
#define TESTS_HARNESS_PYIMAGE_H

#include "image.h"
#include "target/pylayout.h"

#define PYIMAGE_CODE_BYTES 320

/* kind: bytes a character; 1 with is_ascii or latin-1. */
static inline uint64_t pyimage_str(struct image *i, const struct pyruntime_names *n,
				   const void *chars, uint64_t length, unsigned int kind,
				   bool is_ascii)
{
	uint64_t addr = image_alloc(i, n->str_wide_data + length * kind + 8);

	image_u64(i, addr + n->str_length, length);
	image_u32(i, addr + n->str_state, kind << 2 | 1u << 5 | (is_ascii ? 1u << 6 : 0));
	image_put(i, addr + (is_ascii ? n->str_ascii_data : n->str_wide_data), chars,
		  length * kind);
	return addr;
}

static inline uint64_t pyimage_ascii(struct image *i, const struct pyruntime_names *n,
				     const char *s)
{
	return pyimage_str(i, n, s, strlen(s), 1, true);
}

static inline uint64_t pyimage_bytes(struct image *i, const struct pyruntime_names *n,
				     const void *bytes, size_t n_bytes)
{
	uint64_t addr = image_alloc(i, n->bytes_data + n_bytes + 1);

	image_u64(i, addr + n->bytes_size, n_bytes);
	image_put(i, addr + n->bytes_data, bytes, n_bytes);
	return addr;
}

static inline uint64_t pyimage_code(struct image *i, const struct pylayout *l, uint64_t code_type,
				    const char *file, const char *function, int first_line,
				    const void *table, size_t n_bytes, uint32_t version)
{
	const struct pyruntime_names *n = &l->names;
	uint64_t addr = image_alloc(i, PYIMAGE_CODE_BYTES), name = pyimage_ascii(i, n, function);

	image_u64(i, addr, 1); /* reference count */
	image_u64(i, addr + n->ob_type, code_type);
	image_u64(i, addr + n->code_filename, pyimage_ascii(i, n, file));
	image_u64(i, addr + n->code_name, name);
	if (n->code_qualname != PGD_NO_OFFSET)
		image_u64(i, addr + n->code_qualname, name);
	image_u32(i, addr + n->code_firstlineno, (uint32_t)first_line);
	image_u64(i, addr + n->code_linetable, pyimage_bytes(i, n, table, n_bytes));
	if (l->walk.code_check_bytes == 4)
		image_u32(i, addr + l->walk.code_check, version);
	return addr;
}

/* A frame at instruction `offset` (bytes) of `code`. */
static inline uint64_t pyimage_frame(struct image *i, const struct pgd_py_offsets *w, uint64_t code,
				     int offset, uint64_t back)
{
	uint64_t addr = image_alloc(i, 128), f = addr + w->frame_start;

	image_u64(i, f + w->frame_code, code);
	image_u64(i, f + w->frame_back, back);
	if (w->lasti_kind == PGD_LASTI_POINTER)
		image_u64(i, f + w->frame_lasti, code + w->code_bytes + (uint64_t)(int64_t)offset);
	else
		image_u32(i, f + w->frame_lasti,
			  (uint32_t)(w->lasti_kind == PGD_LASTI_UNITS ? offset / 2 : offset));
	return addr;
}

/* A shim of 3.12 and later: the walker must pass it by. */
static inline uint64_t pyimage_shim(struct image *i, const struct pgd_py_offsets *w, uint64_t back)
{
	uint64_t addr = image_alloc(i, 128);
	uint8_t owner = (uint8_t)w->owner_skip;

	image_u64(i, addr + w->frame_start + w->frame_back, back);
	image_put(i, addr + w->frame_start + w->frame_owner, &owner, 1);
	return addr;
}

static inline uint64_t pyimage_tstate(struct image *i, const struct pgd_py_offsets *w,
				      uint64_t fs_base, uint64_t frame)
{
	uint64_t addr = image_alloc(i, 512), cframe;

	image_u64(i, addr + w->tstate_thread_id, fs_base);
	image_u64(i, addr + w->tstate_frame, frame);
	if (w->cframe_frame != PGD_NO_OFFSET) {
		cframe = image_alloc(i, 64);
		image_u64(i, cframe + w->cframe_frame, frame);
		image_u64(i, addr + w->tstate_frame, cframe);
	}
	return addr;
}

/* glibc's thread block: room for `fs_base` with its pthread keys. */
static inline uint64_t pyimage_thread(struct image *i)
{
	return image_alloc(i, 0x700);
}

static inline void pyimage_set_key(struct image *i, uint64_t fs_base, uint32_t key, uint64_t value)
{
	uint64_t block = fs_base + 0x310;

	if (key >= 32) {
		block = image_alloc(i, 512);
		image_u64(i, fs_base + 0x510 + 8 * (key / 32), block);
	}
	image_u64(i, block + 16 * (key % 32) + 8, value);
}

#endif
