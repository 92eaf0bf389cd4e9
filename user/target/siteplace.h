/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/siteplace.h — on which instruction can a probe see the block cheaply?
 *
 * One that uprobes emulate, with the block in a register, on a stretch that is only reached the way
 * we came: behind a join the register may hold something else. One join is harmless and common, of
 * the two arms of a devirtualised allocator call:
 *
 *	        cmp $_PyMem_RawMalloc,%rax
 *	        jne 2f
 *	        call malloc@plt
 *	1:      test %rax,%rax; jcc         ◄─ site: whatever the allocator returned
 *	2:      call *%rax; jmp 1b
 */
#ifndef USER_TARGET_SITEPLACE_H
#define USER_TARGET_SITEPLACE_H

#include "target/sitescan.h"

#define SITEPLACE_STEPS_MAX 32 /* instructions looked at before giving up */

/* Where the block is when the walk begins. */
struct siteplace_start {
	uint64_t vaddr;
	uint16_t regs; /* registers that hold it, a bit each */
	uint16_t pool_regs; /* registers r for which it is the qword at r + 8 */
	bool has_slot; /* it is also the qword at slot(%rsp) */
	int32_t slot;
	bool is_returned; /* it was returned by a call, of callee (0: indirect) */
	uint64_t callee;
	bool is_merged; /* all paths to vaddr bring the block as said here: no join there */
	bool ignores_joins; /* what else arrives on the way is a block too, see sitecarve.c */
};

struct siteplace {
	uint64_t vaddr;
	uint8_t reg;
	bool is_mem; /* the block is the qword at reg + disp; else reg itself */
	int32_t disp;
};

/* The first such instruction from start->vaddr on, and where the block is there: rather a register
 * than memory. -ENOENT: control leaves, joins or ends before, or the block is lost. */
int siteplace_forward(const struct sitescan *s, const struct siteplace_start *start,
		      struct siteplace *ret);
/* The last such instruction before the branch, with the first argument (%rdi) as it is there. */
int siteplace_backward(const struct sitescan *s, const struct sitescan_branch *b,
		       uint64_t *ret_vaddr);
/* The first emulated instruction of a function, executed once per call; no register asked for. */
int siteplace_entry(const struct sitescan *s, uint64_t vaddr, uint64_t *ret_vaddr);

#endif
