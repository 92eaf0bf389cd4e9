/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/target/siteflow.c. */
#include "target/siteflow.h"
#include "test.h"
#include "tests/data/siteidioms.h"

#define VADDR 0x1000

/* Feed bytes; how many idioms, and the last of them. */
static size_t find(const uint8_t *code, size_t n_bytes, struct siteflow_idiom *ret)
{
	_cleanup_(insn_decoder_freep) struct insn_decoder *dec = insn_decoder_new();
	static struct siteflow flow;
	struct insn i;
	size_t n = 0;

	assert_non_null(dec);
	siteflow_reset(&flow);
	for (size_t at = 0; at < n_bytes; at += i.n_bytes) {
		insn_decode(dec, code + at, n_bytes - at, VADDR + at, &i);
		n += siteflow_step(&flow, &i, ret);
	}
	return n;
}

static void siteflow__idioms_of_real_builds_are_found(void **state)
{
	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(siteidioms); k++) {
		const struct siteidiom *d = &siteidioms[k];
		struct siteflow_idiom got = { 0 };
		size_t n = find(d->bytes, d->n_bytes, &got);

		if (n != 1)
			print_error("%s: %zu idioms\n", d->name, n);
		assert_int_equal(n, 1);
		assert_int_equal(got.is_push, d->is_push);
		assert_true(got.is_proven);
		assert_in_range(got.next, VADDR, VADDR + d->n_bytes - d->last);
		assert_true((d->is_mem ? got.pool_regs : got.regs) & 1u << d->reg);
	}
}

/* clang-format off */
static const struct {
	const char *name;
	size_t want;
	size_t n_bytes;
	uint8_t bytes[40];
} rows[] = {
	{ "bases that always carry a displacement", 1, 20, {
		0x4c, 0x8b, 0x6d, 0x08,       /* mov 0x8(%rbp),%r13 */
		0xff, 0x45, 0x00,             /* incl 0x0(%rbp) */
		0x49, 0x8b, 0x45, 0x00,       /* mov 0x0(%r13),%rax */
		0x48, 0x89, 0x45, 0x08,       /* mov %rax,0x8(%rbp) */
		0x48, 0x85, 0xc0, 0x74, 0x12, /* test %rax,%rax; je */
	} },
	{ "count behind the jump", 1, 19, {
		0x48, 0x8b, 0x78, 0x08,       /* mov 0x8(%rax),%rdi */
		0x4c, 0x8b, 0x07,             /* mov (%rdi),%r8 */
		0x4c, 0x89, 0x40, 0x08,       /* mov %r8,0x8(%rax) */
		0x4d, 0x85, 0xc0, 0x74, 0x12, /* test %r8,%r8; je */
		0x83, 0x00, 0x01,             /* addl $0x1,(%rax) */
	} },
	{ "linked list without a count", 0, 16, {
		0x48, 0x8b, 0x50, 0x08,       /* mov 0x8(%rax),%rdx */
		0x48, 0x8b, 0x0a,             /* mov (%rdx),%rcx */
		0x48, 0x89, 0x48, 0x08,       /* mov %rcx,0x8(%rax) */
		0x48, 0x85, 0xc9, 0x74, 0x12, /* test %rcx,%rcx; je */
	} },
	{ "count of another object", 0, 19, {
		0x48, 0x8b, 0x50, 0x08,       /* mov 0x8(%rax),%rdx */
		0x83, 0x03, 0x01,             /* addl $0x1,(%rbx) */
		0x48, 0x8b, 0x0a,             /* mov (%rdx),%rcx */
		0x48, 0x89, 0x48, 0x08,       /* mov %rcx,0x8(%rax) */
		0x48, 0x85, 0xc9, 0x74, 0x12, /* test %rcx,%rcx; je */
	} },
	{ "count of 64 bits", 0, 20, {
		0x48, 0x8b, 0x50, 0x08,       /* mov 0x8(%rax),%rdx */
		0x48, 0x83, 0x00, 0x01,       /* addq $0x1,(%rax) */
		0x48, 0x8b, 0x0a,             /* mov (%rdx),%rcx */
		0x48, 0x89, 0x48, 0x08,       /* mov %rcx,0x8(%rax) */
		0x48, 0x85, 0xc9, 0x74, 0x12, /* test %rcx,%rcx; je */
	} },
	{ "count down on a pop", 0, 19, {
		0x48, 0x8b, 0x50, 0x08,       /* mov 0x8(%rax),%rdx */
		0x83, 0x28, 0x01,             /* subl $0x1,(%rax) */
		0x48, 0x8b, 0x0a,             /* mov (%rdx),%rcx */
		0x48, 0x89, 0x48, 0x08,       /* mov %rcx,0x8(%rax) */
		0x48, 0x85, 0xc9, 0x74, 0x12, /* test %rcx,%rcx; je */
	} },
	{ "pool register overwritten on the way", 0, 22, {
		0x48, 0x8b, 0x50, 0x08,       /* mov 0x8(%rax),%rdx */
		0x83, 0x00, 0x01,             /* addl $0x1,(%rax) */
		0x48, 0x8b, 0x0a,             /* mov (%rdx),%rcx */
		0x48, 0x89, 0xd8,             /* mov %rbx,%rax */
		0x48, 0x89, 0x48, 0x08,       /* mov %rcx,0x8(%rax) */
		0x48, 0x85, 0xc9, 0x74, 0x12, /* test %rcx,%rcx; je */
	} },
	{ "thread-local list of the same shape", 0, 21, {
		0x64, 0x48, 0x8b, 0x50, 0x08, /* mov %fs:0x8(%rax),%rdx */
		0x83, 0x00, 0x01,             /* addl $0x1,(%rax) */
		0x48, 0x8b, 0x0a,             /* mov (%rdx),%rcx */
		0x64, 0x48, 0x89, 0x48, 0x08, /* mov %rcx,%fs:0x8(%rax) */
		0x48, 0x85, 0xc9, 0x74, 0x12, /* test %rcx,%rcx; je */
	} },
	{ "a return in the middle", 0, 20, {
		0x48, 0x8b, 0x50, 0x08,       /* mov 0x8(%rax),%rdx */
		0x83, 0x00, 0x01,             /* addl $0x1,(%rax) */
		0xc3,                         /* ret */
		0x48, 0x8b, 0x0a,             /* mov (%rdx),%rcx */
		0x48, 0x89, 0x48, 0x08,       /* mov %rcx,0x8(%rax) */
		0x48, 0x85, 0xc9, 0x74, 0x12, /* test %rcx,%rcx; je */
	} },
	{ "push by the mask alone", 1, 21, {
		0x48, 0x25, 0x00, 0xf0, 0xff, 0xff, /* and $-0x1000,%rax */
		0x48, 0x8b, 0x50, 0x08,             /* mov 0x8(%rax),%rdx */
		0x48, 0x89, 0x17,                   /* mov %rdx,(%rdi) */
		0x48, 0x89, 0x78, 0x08,             /* mov %rdi,0x8(%rax) */
		0x48, 0x85, 0xd2, 0x90,             /* test %rdx,%rdx; nop */
	} },
	{ "push by an odd mask", 0, 21, {
		0x48, 0x25, 0x00, 0xf1, 0xff, 0xff, /* and $-0xf00,%rax */
		0x48, 0x8b, 0x50, 0x08,             /* mov 0x8(%rax),%rdx */
		0x48, 0x89, 0x17,                   /* mov %rdx,(%rdi) */
		0x48, 0x89, 0x78, 0x08,             /* mov %rdi,0x8(%rax) */
		0x48, 0x85, 0xd2, 0x90,             /* test %rdx,%rdx; nop */
	} },
	{ "undecodable bytes", 0, 6, { 0x06, 0x07, 0x0e, 0xff, 0xff, 0xff } },
};
/* clang-format on */

static void siteflow__look_alikes_are_told_apart(void **state)
{
	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
		struct siteflow_idiom got = { 0 };
		size_t n = find(rows[k].bytes, rows[k].n_bytes, &got);

		if (n != rows[k].want)
			print_error("%s: %zu\n", rows[k].name, n);
		assert_int_equal(n, rows[k].want);
	}
}

static void siteflow__spilled_block_is_found_on_the_stack(void **state)
{
	static const uint8_t code[] = {
		0x48, 0x8b, 0x78, 0x08, /* mov 0x8(%rax),%rdi */
		0x83, 0x00, 0x01, /* addl $0x1,(%rax) */
		0x48, 0x89, 0x7c, 0x24, 0x18, /* mov %rdi,0x18(%rsp) */
		0x48, 0x8b, 0x3f, /* mov (%rdi),%rdi */
		0x48, 0x89, 0x78, 0x08, /* mov %rdi,0x8(%rax) */
	};
	struct siteflow_idiom got = { 0 };

	(void)state;
	assert_int_equal(find(code, sizeof(code), &got), 1);
	assert_int_equal(got.regs, 0);
	assert_true(got.has_slot);
	assert_int_equal(got.slot, 0x18);
}

static void siteflow__jmp_before_the_count_is_not_proven(void **state)
{
	static const uint8_t code[] = {
		0x48, 0x8b, 0x50, 0x08, /* mov 0x8(%rax),%rdx */
		0x48, 0x89, 0x17, /* mov %rdx,(%rdi) */
		0x48, 0x89, 0x78, 0x08, /* mov %rdi,0x8(%rax) */
		0xeb, 0x10, /* jmp */
	};
	struct siteflow_idiom got = { 0 };

	(void)state;
	assert_int_equal(find(code, sizeof(code), &got), 1);
	assert_true(got.is_push);
	assert_false(got.is_proven);
	assert_int_equal(got.next, VADDR + 11);
}

/* A run that never ends must not use up the numbers. */
static void siteflow__long_run_starts_afresh(void **state)
{
	static uint8_t code[4 * 4096];

	(void)state;
	for (size_t at = 0; at < sizeof(code); at += 4)
		memcpy(code + at, "\x48\x8b\x50\x08", 4); /* mov 0x8(%rax),%rdx */
	for (size_t at = 0; at < sizeof(code); at += 8)
		memcpy(code + at, "\x48\x8b\x40\x10", 4); /* mov 0x10(%rax),%rax */
	assert_int_equal(find(code, sizeof(code), &(struct siteflow_idiom){ 0 }), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(siteflow__idioms_of_real_builds_are_found),
		cmocka_unit_test(siteflow__look_alikes_are_told_apart),
		cmocka_unit_test(siteflow__spilled_block_is_found_on_the_stack),
		cmocka_unit_test(siteflow__jmp_before_the_count_is_not_proven),
		cmocka_unit_test(siteflow__long_run_starts_afresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
