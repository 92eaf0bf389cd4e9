/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/siteplace.c — walk a few instructions with the block in hand, and stop at a good one.
 *
 * The registers that hold the block are a bit mask, the stack slots a short list: compilers spill
 * it.
 */
#include "target/siteplace.h"

#include <errno.h>

#define SLOTS_MAX 4

struct walk {
	uint16_t regs; /* hold the block */
	uint16_t pool_regs; /* hold a pool whose freeblock it is */
	int64_t sp; /* what %rsp has moved by */
	int64_t slots[SLOTS_MAX]; /* offsets from the first %rsp that hold it */
	unsigned n_slots;
};

static void drop_slot(struct walk *w, int64_t off)
{
	for (unsigned k = 0; k < w->n_slots; k++)
		if (w->slots[k] == off)
			w->slots[k--] = w->slots[--w->n_slots];
}

static bool has_slot(const struct walk *w, int64_t off)
{
	for (unsigned k = 0; k < w->n_slots; k++)
		if (w->slots[k] == off)
			return true;
	return false;
}

static bool holds(const struct walk *w, uint8_t reg)
{
	return reg < INSN_NO_REG && (w->regs & 1u << reg);
}

static bool is_stack(const struct insn *i)
{
	return i->mem.is_used && i->mem.base == PGD_REG_SP && i->mem.index == INSN_NO_REG;
}

static void step_store(struct walk *w, const struct insn *i)
{
	int64_t off = w->sp + i->mem.disp;

	if (!is_stack(i))
		return;
	drop_slot(w, off);
	if (i->op == INSN_MOV && i->width == 8 && holds(w, i->src) && w->n_slots < SLOTS_MAX)
		w->slots[w->n_slots++] = off;
}

static void step(struct walk *w, const struct insn *i)
{
	bool copies = false;

	if (i->op == INSN_MOV && i->width == 8 && !i->is_store && i->dst < INSN_NO_REG)
		copies = i->mem.is_used ? is_stack(i) && has_slot(w, w->sp + i->mem.disp)
					: holds(w, i->src);
	if (i->is_store)
		step_store(w, i);
	if (i->op == INSN_PUSH)
		w->sp -= 8;
	else if (i->op == INSN_POP)
		w->sp += 8;
	else if (i->op == INSN_ADD && i->dst == PGD_REG_SP)
		w->sp += i->imm;
	else if (i->writes & 1u << PGD_REG_SP)
		w->n_slots = 0;
	w->regs &= (uint16_t)~i->writes;
	w->pool_regs &= (uint16_t)~i->writes;
	if (copies)
		w->regs |= (uint16_t)(1u << i->dst);
}

static bool ends_run(const struct insn *i)
{
	return i->op == INSN_JMP || i->op == INSN_JMP_IND || i->op == INSN_RET || i->op == INSN_BAD;
}

static uint8_t lowest(uint16_t regs)
{
	uint8_t r = 0;

	while (!(regs & 1u << r))
		r++;
	return r;
}

/* Where is the block now? False: lost. */
static bool locate(const struct walk *w, struct siteplace *ret)
{
	if (w->regs) {
		ret->reg = lowest(w->regs);
	} else if (w->pool_regs) {
		ret->reg = lowest(w->pool_regs);
		ret->is_mem = true;
		ret->disp = 8;
	} else if (w->n_slots && w->slots[0] - w->sp == (int32_t)(w->slots[0] - w->sp)) {
		ret->reg = PGD_REG_SP;
		ret->is_mem = true;
		ret->disp = (int32_t)(w->slots[0] - w->sp);
	} else {
		return false;
	}
	return true;
}

/* At vaddr other paths may join ours. Keep what all of them bring along: a block returned by the
 * same function, or by a function that takes its place through a pointer. */
static void join(struct walk *w, const struct sitescan *s, const struct siteplace_start *start,
		 uint64_t vaddr)
{
	const struct sitescan_jump *j;
	size_t n = sitescan_jumps_to(s, vaddr, &j);

	for (size_t k = 0; k < n; k++) {
		bool is_alike =
			start->is_returned && (!j[k].callee || j[k].callee == start->callee);

		if (!is_alike || sitescan_is_joined(s, j[k].addr - j[k].since_bytes, j[k].addr + 1))
			w->regs = 0;
		w->regs &= j[k].regs;
		w->pool_regs = 0;
		w->n_slots = 0;
	}
}

int siteplace_forward(const struct sitescan *s, const struct siteplace_start *start,
		      struct siteplace *ret)
{
	struct walk w = { .regs = start->regs, .pool_regs = start->pool_regs };
	uint64_t vaddr = start->vaddr;

	if (start->has_slot)
		w.slots[w.n_slots++] = start->slot;
	for (int n = 0; n < SITEPLACE_STEPS_MAX; n++) {
		struct siteplace found = { .vaddr = vaddr };
		struct insn i;

		if (!start->ignores_joins && (n > 0 || !start->is_merged))
			join(&w, s, start, vaddr);
		if (!locate(&w, &found) || !sitescan_decode(s, vaddr, &i))
			return -ENOENT;
		if (i.is_emulated) {
			*ret = found;
			return 0;
		}
		if (ends_run(&i))
			return -ENOENT;
		step(&w, &i);
		vaddr += i.n_bytes;
	}
	return -ENOENT;
}

int siteplace_backward(const struct sitescan *s, const struct sitescan_branch *b,
		       uint64_t *ret_vaddr)
{
	uint64_t at = b->before;

	if (!at)
		return -ENOENT;
	for (int n = 0; n < SITEPLACE_STEPS_MAX; n++) {
		struct insn i;

		if (at == b->addr) {
			*ret_vaddr = b->before;
			return 0;
		}
		if (!sitescan_decode(s, at, &i))
			return -ENOENT;
		at += i.n_bytes;
		if (sitescan_is_joined(s, at, at + 1))
			return -ENOENT;
	}
	return -ENOENT;
}

int siteplace_entry(const struct sitescan *s, uint64_t vaddr, uint64_t *ret_vaddr)
{
	uint64_t start = vaddr;

	for (int n = 0; n < SITEPLACE_STEPS_MAX; n++) {
		struct insn i;

		/* Jumps to the start itself are tail calls, and count. */
		if ((vaddr != start && sitescan_is_joined(s, vaddr, vaddr + 1)) ||
		    !sitescan_decode(s, vaddr, &i))
			return -ENOENT;
		if (i.is_emulated) {
			*ret_vaddr = vaddr;
			return 0;
		}
		if (ends_run(&i))
			return -ENOENT;
		vaddr += i.n_bytes;
	}
	return -ENOENT;
}
