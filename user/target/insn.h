/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/insn.h — what does one x86-64 instruction do, in the few words that `sites` needs?
 *
 * Capstone decodes, this narrows: general registers only, numbered as enum pgd_reg, and a dozen
 * operations. Whatever is not modelled is INSN_OTHER with the registers it writes, so that a
 * matcher forgets them: unknown never means unchanged.
 */
#ifndef USER_TARGET_INSN_H
#define USER_TARGET_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/cleanup.h"
#include "pgd_abi.h"

#define INSN_NO_REG PGD_REG_MAX

/* What a call may change under the System V ABI. */
#define INSN_CALLER_SAVED                                                             \
	(1u << PGD_REG_AX | 1u << PGD_REG_CX | 1u << PGD_REG_DX | 1u << PGD_REG_SI |  \
	 1u << PGD_REG_DI | 1u << PGD_REG_R8 | 1u << PGD_REG_R9 | 1u << PGD_REG_R10 | \
	 1u << PGD_REG_R11)

enum insn_op {
	INSN_OTHER = 0, /* see writes, and mem if it stores */
	INSN_BAD, /* not decodable: one byte was skipped */
	INSN_MOV, /* dst = src | imm | mem, or mem = src | imm */
	INSN_LEA, /* dst = mem's address */
	INSN_ADD, /* dst or mem += imm (also sub, inc, dec) */
	INSN_AND, /* dst or mem &= imm */
	INSN_PUSH,
	INSN_POP,
	INSN_CALL, /* target */
	INSN_CALL_IND, /* through a register or mem */
	INSN_JMP, /* target */
	INSN_JMP_IND, /* through a register or mem */
	INSN_JCC, /* target; may fall through */
	INSN_RET
};

struct insn_mem {
	bool is_used;
	bool is_rip; /* target is the address */
	uint8_t base; /* register or INSN_NO_REG; with an index this is not a plain base + disp */
	uint8_t index; /* register or INSN_NO_REG */
	int64_t disp;
};

struct insn {
	uint64_t addr;
	uint64_t target; /* of a direct branch, or of a %rip-relative mem */
	int64_t imm;
	struct insn_mem mem;
	enum insn_op op;
	uint8_t n_bytes;
	uint8_t width; /* of the operands, bytes */
	uint8_t dst; /* register or INSN_NO_REG */
	uint8_t src; /* register or INSN_NO_REG */
	bool is_store; /* mem is written */
	bool is_emulated; /* a uprobe on it takes no single step */
	uint16_t writes; /* general registers changed, a bit each; calls: what the ABI allows */
};

struct insn_decoder;

struct insn_decoder *insn_decoder_new(void); /* NULL: out of memory */
void insn_decoder_free(struct insn_decoder *d);
DEFINE_CLEANUP(struct insn_decoder *, insn_decoder_free)

/* Decode the first instruction of code[0..n_bytes), n_bytes > 0. Always yields one; INSN_BAD has
 * n_bytes 1. The caller steps on by ret->n_bytes. */
void insn_decode(struct insn_decoder *d, const uint8_t *code, size_t n_bytes, uint64_t addr,
		 struct insn *ret);

#endif
