/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/insn.c — Capstone's answer, narrowed to struct insn.
 *
 * Compiles with Capstone 4 and 5. Their `access` flags are not relied on (4.0 has them wrong in
 * places): the first register operand counts as written unless the instruction is known to only
 * look.
 */
#include "target/insn.h"

#include <capstone/capstone.h>
#include <stdlib.h>

struct insn_decoder {
	csh handle;
	cs_insn *scratch;
};

struct insn_decoder *insn_decoder_new(void)
{
	_cleanup_(insn_decoder_freep) struct insn_decoder *d = calloc(1, sizeof(*d));

	if (!d || cs_open(CS_ARCH_X86, CS_MODE_64, &d->handle) != CS_ERR_OK)
		return NULL;
	cs_option(d->handle, CS_OPT_DETAIL, CS_OPT_ON);
	d->scratch = cs_malloc(d->handle);
	return d->scratch ? TAKE_PTR(d) : NULL;
}

void insn_decoder_free(struct insn_decoder *d)
{
	if (!d)
		return;
	if (d->scratch)
		cs_free(d->scratch, 1);
	if (d->handle)
		cs_close(&d->handle);
	free(d);
}

/* ── registers ────────────────────────────────────────────────────────────────────────────── */
static uint8_t reg_number(x86_reg reg)
{
#define OLD(r, l)          \
	case X86_REG_R##r: \
	case X86_REG_E##r: \
	case X86_REG_##r:  \
	case X86_REG_##l:  \
		return PGD_REG_##r;
#define NEW(r)               \
	case X86_REG_##r:    \
	case X86_REG_##r##D: \
	case X86_REG_##r##W: \
	case X86_REG_##r##B: \
		return PGD_REG_##r;
	/* clang-format off */
	switch ((int)reg) {
	OLD(AX, AL) OLD(BX, BL) OLD(CX, CL) OLD(DX, DL) OLD(SI, SIL) OLD(DI, DIL) OLD(BP, BPL)
	OLD(SP, SPL) NEW(R8) NEW(R9) NEW(R10) NEW(R11) NEW(R12) NEW(R13) NEW(R14) NEW(R15)
	case X86_REG_AH: return PGD_REG_AX;
	case X86_REG_BH: return PGD_REG_BX;
	case X86_REG_CH: return PGD_REG_CX;
	case X86_REG_DH: return PGD_REG_DX;
	}
	/* clang-format on */
#undef OLD
#undef NEW
	return INSN_NO_REG;
}

static uint16_t reg_bit(uint8_t reg)
{
	return reg < INSN_NO_REG ? (uint16_t)(1u << reg) : 0;
}

/* ── what uprobes emulate ─────────────────────────────────────────────────────────────────────
 * arch/x86/kernel/uprobes.c, branch_setup_xol_ops() and push_setup_xol_ops(), without the prefixed
 * forms: 66-prefixed branches are refused at attach, 41 90 is an xchg that the kernel takes for a
 * nop. Not the 5-byte nop: 6.18 rewrites it to a call that writes below the stack pointer. */
static bool is_emulated(const uint8_t *code, size_t n_bytes)
{
	switch (code[0]) {
	case 0x50 ... 0x57: /* push */
		return n_bytes == 1;
	case 0x41: /* push %r8-%r15 */
		return n_bytes == 2 && code[1] >= 0x50 && code[1] <= 0x57;
	case 0x70 ... 0x7f: /* jcc rel8 */
	case 0xeb: /* jmp rel8 */
		return n_bytes == 2;
	case 0x0f: /* jcc rel32 */
		return n_bytes == 6 && code[1] >= 0x80 && code[1] <= 0x8f;
	case 0xe8: /* call rel32 */
	case 0xe9: /* jmp rel32 */
		return n_bytes == 5;
	case 0x90: /* nop */
		return n_bytes == 1;
	}
	return false;
}

/* jcc, and the loop and jrcxz that no compiler writes. */
static bool is_jcc(const cs_insn *ci)
{
	if (ci->id == X86_INS_JMP || ci->id == X86_INS_LJMP)
		return false;
	for (uint8_t k = 0; k < ci->detail->groups_count; k++)
		if (ci->detail->groups[k] == CS_GRP_JUMP)
			return true;
	return false;
}

/* ── operands ─────────────────────────────────────────────────────────────────────────────── */
static void read_mem(const cs_insn *ci, const x86_op_mem *m, struct insn *i)
{
	i->mem.is_used = true;
	i->mem.base = i->mem.index = INSN_NO_REG;
	i->mem.disp = m->disp;
	if (m->segment != X86_REG_INVALID)
		return; /* thread-local: no base that we could compare */
	if (m->base == X86_REG_RIP) {
		i->mem.is_rip = true;
		i->target = ci->address + ci->size + (uint64_t)m->disp;
		return;
	}
	i->mem.base = reg_number(m->base);
	i->mem.index = reg_number(m->index);
}

/* dst, src, imm, mem of an instruction with one or two operands, the first one the destination. */
static void read_operands(const cs_insn *ci, struct insn *i)
{
	const cs_x86 *x = &ci->detail->x86;

	for (uint8_t k = 0; k < x->op_count && k < 2; k++) {
		const cs_x86_op *op = &x->operands[k];

		if (k == 0)
			i->width = op->size;
		if (op->type == X86_OP_REG && k == 0)
			i->dst = reg_number(op->reg);
		else if (op->type == X86_OP_REG)
			i->src = reg_number(op->reg);
		else if (op->type == X86_OP_IMM)
			i->imm = i->width == 4 ? (int32_t)op->imm : op->imm;
		else if (op->type == X86_OP_MEM)
			read_mem(ci, &op->mem, i);
		if (op->type == X86_OP_MEM && k == 0)
			i->is_store = true;
	}
}

static bool has_imm(const cs_x86 *x)
{
	return x->op_count == 2 && x->operands[1].type == X86_OP_IMM;
}

static enum insn_op call_or_jmp(const cs_x86 *x, struct insn *i, enum insn_op direct)
{
	if (x->op_count == 1 && x->operands[0].type == X86_OP_IMM) {
		i->target = (uint64_t)x->operands[0].imm;
		return direct;
	}
	i->is_store = false;
	return direct == INSN_CALL ? INSN_CALL_IND : INSN_JMP_IND;
}

static enum insn_op classify(const cs_insn *ci, struct insn *i)
{
	const cs_x86 *x = &ci->detail->x86;

	if (is_jcc(ci)) {
		i->target = x->op_count ? (uint64_t)x->operands[0].imm : 0;
		return INSN_JCC;
	}
	switch (ci->id) {
	case X86_INS_MOV:
	case X86_INS_MOVABS:
		/* mov to and from segment, control and vector registers: dst or src is none */
		return INSN_MOV;
	case X86_INS_LEA:
		return INSN_LEA;
	case X86_INS_INC:
		i->imm = 1;
		return INSN_ADD;
	case X86_INS_DEC:
		i->imm = -1;
		return INSN_ADD;
	case X86_INS_SUB:
		i->imm = -i->imm;
		return has_imm(x) ? INSN_ADD : INSN_OTHER;
	case X86_INS_ADD:
		return has_imm(x) ? INSN_ADD : INSN_OTHER;
	case X86_INS_AND:
		return has_imm(x) ? INSN_AND : INSN_OTHER;
	case X86_INS_PUSH:
		return INSN_PUSH;
	case X86_INS_POP:
		return INSN_POP;
	case X86_INS_CALL:
		return call_or_jmp(x, i, INSN_CALL);
	case X86_INS_JMP:
		return call_or_jmp(x, i, INSN_JMP);
	case X86_INS_RET:
		return INSN_RET;
	case X86_INS_CMP:
	case X86_INS_TEST:
		i->dst = INSN_NO_REG;
		i->is_store = false;
		return INSN_OTHER;
	default:
		return INSN_OTHER;
	}
}

static uint16_t find_writes(const cs_insn *ci, const struct insn *i)
{
	const cs_detail *detail = ci->detail;
	uint16_t writes = 0;

	if (i->op == INSN_CALL || i->op == INSN_CALL_IND)
		return INSN_CALLER_SAVED;
	if (i->op == INSN_PUSH || i->op == INSN_POP)
		writes |= reg_bit(PGD_REG_SP);
	if (i->op != INSN_PUSH)
		writes |= reg_bit(i->dst);
	for (uint8_t k = 0; k < detail->regs_write_count; k++)
		writes |= reg_bit(reg_number(detail->regs_write[k]));
	if (ci->id == X86_INS_XCHG || ci->id == X86_INS_XADD || ci->id == X86_INS_MULX)
		writes |= reg_bit(i->src);
	return writes;
}

void insn_decode(struct insn_decoder *d, const uint8_t *code, size_t n_bytes, uint64_t addr,
		 struct insn *ret)
{
	struct insn i = { .addr = addr, .dst = INSN_NO_REG, .src = INSN_NO_REG };
	const uint8_t *p = code;
	uint64_t at = addr;

	if (!cs_disasm_iter(d->handle, &p, &n_bytes, &at, d->scratch)) {
		i.op = INSN_BAD;
		i.n_bytes = 1;
		i.writes = UINT16_MAX;
		*ret = i;
		return;
	}
	i.n_bytes = (uint8_t)d->scratch->size;
	i.is_emulated = is_emulated(code, i.n_bytes);
	read_operands(d->scratch, &i);
	i.op = classify(d->scratch, &i);
	i.writes = find_writes(d->scratch, &i);
	*ret = i;
}
