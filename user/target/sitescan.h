/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/sitescan.h — one pass over all code: what calls, jumps and idioms are there?
 *
 * Everything sites.c decides is decided from these lists; the instructions themselves are not kept
 * (a million of them), but decoded again where one is looked at.
 */
#ifndef USER_TARGET_SITESCAN_H
#define USER_TARGET_SITESCAN_H

#include "target/elf.h"
#include "target/insn.h"
#include "target/siteflow.h"

#define SITESCAN_IDIOMS_MAX 16384 /* more: not an interpreter */

/* Stores that a pool's header gets when a new pool is set up, a bit each; see sitescan.c. */
#define SITESCAN_HEADER_ALL 0x1fu

struct sitescan_func {
	uint64_t start;
	uint64_t end;
	uint32_t n_idioms;
	uint32_t header_stores;
};

struct sitescan_branch {
	uint64_t addr;
	uint64_t target; /* _IND: the pointer's address, for JMP_IND always a GOT slot */
	uint64_t before; /* last emulated instruction with this %rdi on the way here, or 0 */
	uint32_t func;
	uint8_t n_bytes;
	uint8_t op; /* INSN_CALL; INSN_JMP out of its function; INSN_CALL_IND, INSN_JMP_IND by a
		       slot */
	bool is_emulated;
};

/* A jmp or jcc to an address inside its function, and what it carries: the registers that hold what
 * the last call returned, if that call is on the same straight line. */
struct sitescan_jump {
	uint64_t target;
	uint64_t addr;
	uint64_t callee; /* of that call; 0: an indirect call */
	uint32_t since_bytes; /* from behind that call to addr */
	uint16_t regs;
};

struct sitescan_idiom {
	struct siteflow_idiom flow;
	uint32_t func;
	bool is_done; /* sites.c: has its site, or needs none */
};

struct sitescan {
	const struct elf_image *e; /* borrowed */
	struct insn_decoder *dec;
	struct sitescan_func *funcs; /* sorted, disjoint */
	size_t n_funcs;
	struct sitescan_branch *branches; /* in address order */
	size_t n_branches, cap_branches;
	struct sitescan_idiom *idioms; /* sorted by flow.next */
	size_t n_idioms, cap_idioms;
	const struct elf_range *ranges; /* borrowed from e */
	size_t n_ranges;
	struct sitescan_jump *jumps; /* sorted by target */
	size_t n_jumps, cap_jumps;
};

/* -ENOMEM, -EBADMSG (too many idioms). Free with _done also after an error. */
int sitescan_init(struct sitescan *s, const struct elf_image *e);
void sitescan_done(struct sitescan *s);
/* The jumps to vaddr; none: only the instruction before it leads here, as far as we can see. */
size_t sitescan_jumps_to(const struct sitescan *s, uint64_t vaddr,
			 const struct sitescan_jump **ret);
/* Does any jump lead into [start, end)? */
bool sitescan_is_joined(const struct sitescan *s, uint64_t start, uint64_t end);
/* The idiom whose last store ends at vaddr, or NULL. */
struct sitescan_idiom *sitescan_idiom_before(const struct sitescan *s, uint64_t vaddr);
/* The function whose range holds vaddr, or NULL. */
const struct sitescan_func *sitescan_func_at(const struct sitescan *s, uint64_t vaddr);
/* The instruction at vaddr; false outside of all functions. */
bool sitescan_decode(const struct sitescan *s, uint64_t vaddr, struct insn *ret);

#endif
