/* SPDX-License-Identifier: GPL-2.0-only */
/* bpf/sample.bpf.h — which block is this, how big is it, and shall it be followed?
 *
 * At a site the block's address is in the register that the cookie names; its size is in memory
 * beside it, written by the allocator and readable now. What the memory says is believed only if it
 * is consistent: a site that was found wrongly must show up as a counter, not as a leak.
 */
#ifndef BPF_SAMPLE_BPF_H
#define BPF_SAMPLE_BPF_H

#include "kernel.bpf.h"
#include "maps.bpf.h"

/* struct pool_header of CPython's obmalloc.c, the same in 3.8 to 3.14. */
#define POOL_HEADER_BYTES 48
#define POOL_SZIDX	  36
#define POOL_CLASSES	  32
#define POOL_ALIGN_SHIFT  4

/* malloc_chunk of glibc: the word before a block holds its chunk's size and three flags. */
#define CHUNK_FLAGS	7ULL
#define CHUNK_MMAPPED	2ULL
#define CHUNK_BYTES_MIN 32
#define CHUNK_BYTES_MAX (1ULL << 46)

/* verifier: the context can only be read at constant offsets, so one arm per register; written in
 * assembly because the compiler would merge the arms into one load at a computed address. */
#define SAMPLE_REG(id, field)                                                    \
	case id:                                                                 \
		asm volatile("%0 = *(u64 *)(%1 + %2)"                            \
			     : "=r"(value)                                       \
			     : "r"(regs), "i"(offsetof(struct pt_regs, field))); \
		return value;

static __always_inline __u64 sample_register(struct pt_regs *regs, __u32 reg)
{
	__u64 value;

	switch (reg) {
		SAMPLE_REG(PGD_REG_AX, rax)
		SAMPLE_REG(PGD_REG_CX, rcx)
		SAMPLE_REG(PGD_REG_DX, rdx)
		SAMPLE_REG(PGD_REG_BX, rbx)
		SAMPLE_REG(PGD_REG_SP, rsp)
		SAMPLE_REG(PGD_REG_BP, rbp)
		SAMPLE_REG(PGD_REG_SI, rsi)
		SAMPLE_REG(PGD_REG_DI, rdi)
		SAMPLE_REG(PGD_REG_R8, r8)
		SAMPLE_REG(PGD_REG_R9, r9)
		SAMPLE_REG(PGD_REG_R10, r10)
		SAMPLE_REG(PGD_REG_R11, r11)
		SAMPLE_REG(PGD_REG_R12, r12)
		SAMPLE_REG(PGD_REG_R13, r13)
		SAMPLE_REG(PGD_REG_R14, r14)
		SAMPLE_REG(PGD_REG_R15, r15)
	default:
		return 0;
	}
}

/* The block's address: where the cookie says that it is. 0: none. */
static __always_inline __u64 sample_block(struct pt_regs *regs, __u64 cookie)
{
	__u64 value = sample_register(regs, PGD_COOKIE_REG(cookie)), block = 0;

	if (!PGD_COOKIE_IS_MEM(cookie))
		return value;
	if (bpf_probe_read_user(&block, sizeof(block), (void *)(value + PGD_COOKIE_DISP(cookie))))
		return 0;
	return block;
}

/* Bytes of a block as its allocator counts them, or 0 if `block` is none of its blocks. */
static __always_inline __u64 sample_bytes(const struct pgd_target *t, __u64 block, __u32 lane)
{
	__u64 word = 0, pool, bytes;
	__u32 szidx = 0;

	if (lane == PGD_LANE_POOL) {
		pool = block & t->pool_mask;
		if (bpf_probe_read_user(&szidx, sizeof(szidx), (void *)(pool + POOL_SZIDX)) ||
		    szidx >= POOL_CLASSES)
			return 0;
		bytes = (__u64)(szidx + 1) << POOL_ALIGN_SHIFT;
		if ((block - pool - POOL_HEADER_BYTES) % bytes)
			return 0;
		return bytes;
	}

	if (bpf_probe_read_user(&word, sizeof(word), (void *)(block - sizeof(word))))
		return 0;
	bytes = word & ~CHUNK_FLAGS;
	if (bytes < CHUNK_BYTES_MIN || bytes > CHUNK_BYTES_MAX)
		return 0;
	/* A heap chunk lends its successor's first word to its block; a mapped one has none. */
	return bytes - (word & CHUNK_MMAPPED ? 16 : 8);
}

/* One in `sample_of`, at random, so that no period in the program can hide behind it. */
static __always_inline bool sample_is_wanted(const struct pgd_target *t)
{
	return t->sample_of <= 1 || bpf_get_prandom_u32() % t->sample_of == 0;
}

#endif
