/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/harness/image.h — a process's memory as one piece of bytes, written by address. */
#ifndef TESTS_HARNESS_IMAGE_H
#define TESTS_HARNESS_IMAGE_H

#include "target/procmem.h"
#include "test.h"

#define IMAGE_BYTES (512 * 1024)

struct image {
	uint64_t base;
	uint64_t end; /* image_alloc() hands out from here on */
	uint8_t bytes[IMAGE_BYTES];
	struct procmem_image piece;
	struct procmem mem;
};

static inline void image_init(struct image *i, uint64_t base)
{
	memset(i->bytes, 0, sizeof(i->bytes));
	i->base = base;
	i->end = base + IMAGE_BYTES / 2;
	i->piece = (struct procmem_image){ .base = base,
					   .bytes = i->bytes,
					   .n_bytes = sizeof(i->bytes) };
	procmem_init_image(&i->mem, &i->piece);
}

static inline void image_put(struct image *i, uint64_t addr, const void *bytes, size_t n_bytes)
{
	assert_true(addr >= i->base && addr - i->base + n_bytes <= sizeof(i->bytes));
	memcpy(i->bytes + (addr - i->base), bytes, n_bytes);
}

static inline void image_u64(struct image *i, uint64_t addr, uint64_t v)
{
	image_put(i, addr, &v, sizeof(v));
}

static inline void image_u32(struct image *i, uint64_t addr, uint32_t v)
{
	image_put(i, addr, &v, sizeof(v));
}

static inline uint64_t image_alloc(struct image *i, size_t n_bytes)
{
	uint64_t addr = i->end;

	i->end += (n_bytes + 15) & ~15ull;
	assert_true(i->end <= i->base + sizeof(i->bytes));
	return addr;
}

#endif
