/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/siteflow.c — value numbering over straight-line code, and the two idioms on top.
 *
 * Operands are compared by value number, never by name, so `0(%rbp)`, which must be encoded with a
 * displacement, is the same as `(%rax)`. Memory is assumed not to alias unless the addresses are
 * equal: good enough to recognise what a compiler wrote, and a wrong match meets the kernel side's
 * check of the pool header.
 */
#include "target/siteflow.h"

#include <string.h>

/* Value 0 is never given out, so that zeroed rows match nothing. */
static struct siteflow_value new_value(struct siteflow *f)
{
	uint32_t id = f->n_values++;

	f->origins[id] = (struct siteflow_origin){ SITEFLOW_UNKNOWN, 0, { 0, 0 }, 0 };
	return (struct siteflow_value){ id, 0 };
}

void siteflow_reset(struct siteflow *f)
{
	memset(f->mem, 0, sizeof(f->mem));
	memset(f->links, 0, sizeof(f->links));
	memset(f->heads, 0, sizeof(f->heads));
	memset(f->counts, 0, sizeof(f->counts));
	memset(f->waits, 0, sizeof(f->waits));
	f->n_mem = f->n_links = f->n_heads = f->n_counts = f->n_waits = 0;
	f->n_values = 1;
	for (int r = 0; r < PGD_REG_MAX; r++)
		f->regs[r] = new_value(f);
}

static bool same(struct siteflow_value a, struct siteflow_value b)
{
	return a.id == b.id && a.off == b.off;
}

static struct siteflow_value plus(struct siteflow_value v, int64_t n)
{
	v.off = (int64_t)((uint64_t)v.off + (uint64_t)n);
	return v;
}

/* Address of mem if it is base + disp, else a number of its own that equals nothing. */
static struct siteflow_value address(struct siteflow *f, const struct insn *i)
{
	if (i->mem.base >= INSN_NO_REG || i->mem.index < INSN_NO_REG)
		return new_value(f);
	return plus(f->regs[i->mem.base], i->mem.disp);
}

/* ── memory ───────────────────────────────────────────────────────────────────────────────── */
static void remember(struct siteflow *f, struct siteflow_value addr, uint8_t width,
		     struct siteflow_value value)
{
	for (int k = 0; k < SITEFLOW_RING_MAX; k++)
		if (same(f->mem[k].addr, addr))
			f->mem[k].width = 0;
	f->mem[f->n_mem++ % SITEFLOW_RING_MAX] = (struct siteflow_mem){ addr, value, width };
}

static struct siteflow_value load(struct siteflow *f, struct siteflow_value addr, uint8_t width)
{
	struct siteflow_value v;

	for (int k = 0; k < SITEFLOW_RING_MAX; k++)
		if (f->mem[k].width == width && same(f->mem[k].addr, addr))
			return f->mem[k].value;
	v = new_value(f);
	f->origins[v.id] = (struct siteflow_origin){ SITEFLOW_LOAD, width, addr, 0 };
	remember(f, addr, width, v);
	return v;
}

/* Is v a load of `width` bytes, unchanged since? */
static const struct siteflow_origin *loaded(const struct siteflow *f, struct siteflow_value v,
					    uint8_t width)
{
	const struct siteflow_origin *o = &f->origins[v.id];

	return o->kind == SITEFLOW_LOAD && o->width == width && v.off == 0 ? o : NULL;
}

static uint16_t holders(const struct siteflow *f, struct siteflow_value v)
{
	uint16_t regs = 0;

	for (int r = 0; r < PGD_REG_MAX; r++)
		if (same(f->regs[r], v))
			regs |= (uint16_t)(1u << r);
	return regs;
}

/* ── evidence ─────────────────────────────────────────────────────────────────────────────── */
static bool is_counted(const struct siteflow *f, struct siteflow_value pool, int64_t by)
{
	for (int k = 0; k < SITEFLOW_RING_MAX; k++)
		if (f->counts[k].width && f->counts[k].value.off == by &&
		    same(f->counts[k].addr, pool))
			return true;
	return false;
}

/* P = anything & -4096 or -16384 ...: how the free path finds the pool of a block. */
static bool is_masked(const struct siteflow *f, struct siteflow_value pool)
{
	const struct siteflow_origin *o = &f->origins[pool.id];
	uint64_t size = (uint64_t)-o->mask;

	return o->kind == SITEFLOW_AND && pool.off == 0 && size >= 4096 && size <= 1u << 20 &&
	       (size & (size - 1)) == 0;
}

/* Was v spilled to the stack, and is the slot not overwritten? */
static bool find_slot(const struct siteflow *f, struct siteflow_value v, int32_t *ret)
{
	struct siteflow_value sp = f->regs[PGD_REG_SP];

	for (int k = 0; k < SITEFLOW_RING_MAX; k++) {
		const struct siteflow_mem *m = &f->mem[k];

		if (m->width != 8 || !same(m->value, v) || m->addr.id != sp.id)
			continue;
		*ret = (int32_t)(m->addr.off - sp.off);
		return true;
	}
	return false;
}

static bool conclude(struct siteflow *f, const struct insn *i, struct siteflow_value pool,
		     struct siteflow_value block, bool is_push, struct siteflow_idiom *ret)
{
	struct siteflow_idiom idiom = {
		.next = i->addr + i->n_bytes,
		.regs = holders(f, block),
		.pool_regs = holders(f, pool),
		.is_push = is_push,
	};

	idiom.has_slot = find_slot(f, block, &idiom.slot);
	if (is_counted(f, pool, is_push ? -1 : 1) || (is_push && is_masked(f, pool))) {
		idiom.is_proven = true;
		*ret = idiom;
		return true;
	}
	f->waits[f->n_waits++ % SITEFLOW_RING_MAX] = (struct siteflow_wait){ idiom, pool, true };
	return false;
}

/* dword [pool] += by */
static bool on_count(struct siteflow *f, struct siteflow_value pool, int64_t by,
		     struct siteflow_idiom *ret)
{
	f->counts[f->n_counts++ % SITEFLOW_RING_MAX] = (struct siteflow_mem){ pool, { 0, by }, 4 };
	for (int k = 0; k < SITEFLOW_RING_MAX; k++) {
		struct siteflow_wait *w = &f->waits[k];

		if (!w->is_used || !same(w->pool, pool) || w->idiom.is_push != (by < 0))
			continue;
		w->is_used = false;
		*ret = w->idiom;
		ret->is_proven = true;
		return true;
	}
	return false;
}

/* A jmp right behind the stores: the count may be done where it leads. */
static bool find_unproven(const struct siteflow *f, uint64_t next, struct siteflow_idiom *ret)
{
	for (int k = 0; k < SITEFLOW_RING_MAX; k++)
		if (f->waits[k].is_used && f->waits[k].idiom.next == next) {
			*ret = f->waits[k].idiom;
			return true;
		}
	return false;
}

/* Is `pool` what the code itself made by masking `block`? */
static bool is_pool_of(const struct siteflow *f, struct siteflow_value pool,
		       struct siteflow_value block)
{
	const struct siteflow_origin *o = &f->origins[pool.id];

	return !pool.off && o->kind == SITEFLOW_AND && same(o->from, block);
}

/* The two stores of a push name the block twice: as where the link goes, and as what becomes the
 * head. Out-of-line copies write the link through the object's address, of which we do not know
 * that it is 16 bytes from the block; there the pool's mask tells which block it is. */
static bool is_push_of(const struct siteflow *f, const struct siteflow_link *link,
		       const struct siteflow_link *head)
{
	return link->is_used && head->is_used && same(link->pool, head->pool) &&
	       (same(link->block, head->block) || is_pool_of(f, head->pool, head->block));
}

/* qword [addr] = v */
static bool on_store(struct siteflow *f, const struct insn *i, struct siteflow_value addr,
		     struct siteflow_value v, struct siteflow_idiom *ret)
{
	const struct siteflow_origin *o = loaded(f, v, 8), *b;
	struct siteflow_value pool = plus(addr, -8);
	struct siteflow_link head;

	/* [P+8] = R, R = [B], B = [P+8] */
	b = o ? loaded(f, o->from, 8) : NULL;
	if (b && same(b->from, addr))
		return conclude(f, i, pool, o->from, false, ret);

	/* [B] = X, X = [P+8] */
	if (o) {
		struct siteflow_link l = { plus(o->from, -8), addr, true };

		for (int k = 0; k < SITEFLOW_RING_MAX; k++)
			if (is_push_of(f, &l, &f->heads[k]))
				return conclude(f, i, l.pool, f->heads[k].block, true, ret);
		f->links[f->n_links++ % SITEFLOW_RING_MAX] = l;
	}

	/* [P+8] = B */
	head = (struct siteflow_link){ pool, v, true };
	for (int k = 0; k < SITEFLOW_RING_MAX; k++)
		if (is_push_of(f, &f->links[k], &head))
			return conclude(f, i, pool, v, true, ret);
	f->heads[f->n_heads++ % SITEFLOW_RING_MAX] = head;
	return false;
}

/* ── instructions ─────────────────────────────────────────────────────────────────────────── */
static void forget(struct siteflow *f, uint16_t regs)
{
	for (int r = 0; r < PGD_REG_MAX; r++)
		if (regs & 1u << r)
			f->regs[r] = new_value(f);
}

/* A 32-bit move clears the upper half: the same value only if there was none. */
static bool is_whole(const struct siteflow *f, struct siteflow_value v, uint8_t width)
{
	return width == 8 || (width == 4 && f->origins[v.id].kind == SITEFLOW_LOAD &&
			      f->origins[v.id].width == 4);
}

static bool step_mov(struct siteflow *f, const struct insn *i, struct siteflow_idiom *ret)
{
	struct siteflow_value addr, v;

	if (i->is_store) {
		const struct siteflow_origin *o;

		addr = address(f, i);
		v = i->src < INSN_NO_REG ? f->regs[i->src] : new_value(f);
		remember(f, addr, i->width, v);
		if (i->src >= INSN_NO_REG)
			return false;
		if (i->width == 8)
			return on_store(f, i, addr, v, ret);
		o = &f->origins[v.id];
		if (i->width == 4 && o->kind == SITEFLOW_LOAD && o->width == 4 &&
		    same(o->from, addr) && v.off)
			return on_count(f, addr, (int32_t)v.off, ret);
		return false;
	}
	if (i->dst >= INSN_NO_REG)
		return false;
	if (i->mem.is_used && i->width >= 4)
		f->regs[i->dst] = load(f, address(f, i), i->width);
	else if (i->src < INSN_NO_REG && is_whole(f, f->regs[i->src], i->width))
		f->regs[i->dst] = f->regs[i->src];
	else
		forget(f, i->writes);
	return false;
}

static bool step_add(struct siteflow *f, const struct insn *i, struct siteflow_idiom *ret)
{
	if (i->is_store) {
		struct siteflow_value addr = address(f, i);

		remember(f, addr, i->width, new_value(f));
		return i->width == 4 && on_count(f, addr, i->imm, ret);
	}
	if (i->dst < INSN_NO_REG && is_whole(f, f->regs[i->dst], i->width))
		f->regs[i->dst] = plus(f->regs[i->dst], i->imm);
	else
		forget(f, i->writes);
	return false;
}

static void step_lea(struct siteflow *f, const struct insn *i)
{
	if (i->mem.base < INSN_NO_REG && is_whole(f, f->regs[i->mem.base], i->width))
		f->regs[i->dst] = address(f, i);
	else
		forget(f, i->writes);
}

static void step_and(struct siteflow *f, const struct insn *i)
{
	struct siteflow_value from, v;

	if (i->is_store) {
		remember(f, address(f, i), i->width, new_value(f));
		return;
	}
	if (i->dst >= INSN_NO_REG)
		return;
	from = f->regs[i->dst];
	v = new_value(f);
	if (i->width == 8)
		f->origins[v.id] = (struct siteflow_origin){ SITEFLOW_AND, 8, from, i->imm };
	f->regs[i->dst] = v;
}

bool siteflow_step(struct siteflow *f, const struct insn *i, struct siteflow_idiom *ret)
{
	bool found;

	/* No instruction makes more numbers than there are registers, plus two. */
	if (f->n_values + PGD_REG_MAX + 2 > SITEFLOW_VALUES_MAX)
		siteflow_reset(f);
	switch (i->op) {
	case INSN_MOV:
		return step_mov(f, i, ret);
	case INSN_ADD:
		return step_add(f, i, ret);
	case INSN_AND:
		step_and(f, i);
		return false;
	case INSN_LEA:
		step_lea(f, i);
		return false;
	case INSN_JMP:
	case INSN_JMP_IND:
	case INSN_RET:
	case INSN_BAD:
		found = i->op == INSN_JMP && find_unproven(f, i->addr, ret);
		siteflow_reset(f);
		return found;
	case INSN_CALL:
	case INSN_CALL_IND:
		memset(f->mem, 0, sizeof(f->mem));
		forget(f, i->writes);
		return false;
	default:
		if (i->is_store)
			remember(f, address(f, i), i->width, new_value(f));
		forget(f, i->writes);
		return false;
	}
}
