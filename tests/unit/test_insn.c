/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/target/insn.c. */
#include "target/insn.h"
#include "test.h"

#define NONE	 INSN_NO_REG
#define BIT(reg) (1u << PGD_REG_##reg)

/* clang-format off */
static const struct {
	const char *name;
	uint8_t bytes[10];
	uint8_t n_bytes;
	enum insn_op op;
	bool is_emulated;
	uint32_t writes;
} rows[] = {
	{ "push %rbx", { 0x53 }, 1, INSN_PUSH, true, BIT(SP) },
	{ "push %r12", { 0x41, 0x54 }, 2, INSN_PUSH, true, BIT(SP) },
	{ "push with a useless prefix", { 0x48, 0x53 }, 2, INSN_PUSH, false, BIT(SP) },
	{ "push mem", { 0xff, 0x73, 0x08 }, 3, INSN_PUSH, false, BIT(SP) },
	{ "je rel8", { 0x74, 0x10 }, 2, INSN_JCC, true, 0 },
	{ "js rel32", { 0x0f, 0x88, 1, 0, 0, 0 }, 6, INSN_JCC, true, 0 },
	{ "jrcxz", { 0xe3, 0x10 }, 2, INSN_JCC, false, 0 },
	{ "jmp rel8", { 0xeb, 0x10 }, 2, INSN_JMP, true, 0 },
	{ "jmp rel32", { 0xe9, 1, 0, 0, 0 }, 5, INSN_JMP, true, 0 },
	{ "call rel32", { 0xe8, 1, 0, 0, 0 }, 5, INSN_CALL, true, INSN_CALLER_SAVED },
	{ "66-prefixed call, refused by the kernel", { 0x66, 0x66, 0x48, 0xe8, 1, 0, 0, 0 }, 8, INSN_CALL, false, INSN_CALLER_SAVED },
	{ "bnd jmp", { 0xf2, 0xe9, 1, 0, 0, 0 }, 6, INSN_JMP, false, 0 },
	{ "jmp *mem", { 0xff, 0x25, 1, 0, 0, 0 }, 6, INSN_JMP_IND, false, 0 },
	{ "call *%rax", { 0xff, 0xd0 }, 2, INSN_CALL_IND, false, INSN_CALLER_SAVED },
	{ "ret", { 0xc3 }, 1, INSN_RET, false, BIT(SP) },
	{ "nop", { 0x90 }, 1, INSN_OTHER, true, 0 },
	{ "xchg %r8,%rax, one prefix from a nop", { 0x49, 0x90 }, 2, INSN_OTHER, false, BIT(AX) | BIT(R8) },
	{ "nop5, which new kernels rewrite", { 0x0f, 0x1f, 0x44, 0, 0 }, 5, INSN_OTHER, false, 0 },
	{ "endbr64", { 0xf3, 0x0f, 0x1e, 0xfa }, 4, INSN_OTHER, false, 0 },
	{ "test writes nothing", { 0x48, 0x85, 0xc0 }, 3, INSN_OTHER, false, 0 },
	{ "cmove writes", { 0x48, 0x0f, 0x44, 0xc7 }, 4, INSN_OTHER, false, BIT(AX) },
	{ "byte register is its whole", { 0xb5, 0x01 }, 2, INSN_MOV, false, BIT(CX) },
	{ "cqo writes what it does not name", { 0x48, 0x99 }, 2, INSN_OTHER, false, BIT(AX) | BIT(DX) },
	{ "cut short", { 0x0f, 0x84, 1, 0 }, 1, INSN_BAD, false, UINT16_MAX },
};
/* clang-format on */

static void insn__operation_length_and_writes(void **state)
{
	_cleanup_(insn_decoder_freep) struct insn_decoder *d = insn_decoder_new();

	(void)state;
	assert_non_null(d);
	for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
		size_t n = rows[k].op == INSN_BAD ? 4 : rows[k].n_bytes;
		struct insn i;

		insn_decode(d, rows[k].bytes, n, 0x1000, &i);
		if (i.op != rows[k].op || i.writes != rows[k].writes)
			print_error("%s: op %d writes %#x\n", rows[k].name, i.op, i.writes);
		assert_int_equal(i.op, rows[k].op);
		assert_int_equal(i.n_bytes, rows[k].n_bytes);
		assert_int_equal(i.is_emulated, rows[k].is_emulated);
		assert_int_equal(i.writes, rows[k].writes);
	}
}

static void insn__operands(void **state)
{
	static const uint8_t store[] = { 0x49, 0x89, 0x5d, 0x00 }; /* mov %rbx,0(%r13) */
	static const uint8_t rip[] = { 0x48, 0x8b, 0x05, 0x10, 0, 0, 0 }; /* mov 16(%rip),%rax */
	static const uint8_t tls[] = { 0x64, 0x48, 0x8b, 0x43, 0x08 }; /* mov %fs:8(%rbx),%rax */
	static const uint8_t sub[] = { 0x83, 0x28, 0x01 }; /* subl $1,(%rax) */
	static const uint8_t jmp[] = { 0xeb, 0xfe }; /* jmp self */
	_cleanup_(insn_decoder_freep) struct insn_decoder *d = insn_decoder_new();
	struct insn i;

	(void)state;
	assert_non_null(d);
	insn_decode(d, store, sizeof(store), 0, &i);
	assert_true(i.is_store);
	assert_int_equal(i.src, PGD_REG_BX);
	assert_int_equal(i.mem.base, PGD_REG_R13);
	assert_int_equal(i.mem.disp, 0);
	assert_int_equal(i.width, 8);
	assert_int_equal(i.writes, 0);
	insn_decode(d, rip, sizeof(rip), 0x1000, &i);
	assert_true(i.mem.is_rip);
	assert_int_equal(i.target, 0x1017);
	assert_int_equal(i.dst, PGD_REG_AX);
	insn_decode(d, tls, sizeof(tls), 0, &i);
	assert_int_equal(i.mem.base, NONE);
	insn_decode(d, sub, sizeof(sub), 0, &i);
	assert_int_equal(i.op, INSN_ADD);
	assert_int_equal(i.imm, -1);
	assert_int_equal(i.width, 4);
	insn_decode(d, jmp, sizeof(jmp), 0x1000, &i);
	assert_int_equal(i.target, 0x1000);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(insn__operation_length_and_writes),
		cmocka_unit_test(insn__operands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
