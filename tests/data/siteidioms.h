/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/data/siteidioms.h — pops and pushes as compilers wrote them, up to the site.
 *
 * From Debian's python3.9, 3.11, 3.13, 3.14 (PGO and LTO) and plain -O3 builds of libpython.
 */
#ifndef TESTS_DATA_SITEIDIOMS_H
#define TESTS_DATA_SITEIDIOMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* clang-format off */
static const struct siteidiom {
	const char *name;
	bool is_push;
	bool is_mem;  /* the block is in no register at the site */
	uint8_t reg;  /* enum pgd_reg: holds the block, or the pool if is_mem */
	uint8_t last; /* length of the site's instruction, and of what follows it as proof */
	uint8_t n_bytes;
	uint8_t bytes[64];
} siteidioms[] = {
	{ "debian_311 pop", false, false, 14, 6, 44, {
		0x48, 0x8b, 0x14, 0xc5, 0x20, 0x9d, 0x95, 0x00,    /* mov 0x959d20(,%rax,8),%rdx */
		0x48, 0x8b, 0x72, 0x10,                            /* mov 0x10(%rdx),%rsi */
		0x48, 0x39, 0xd6,                                  /* cmp %rdx,%rsi */
		0x0f, 0x84, 0x8f, 0x27, 0x00, 0x00,                /* je 5a575f */
		0x4c, 0x8b, 0x72, 0x08,                            /* mov 0x8(%rdx),%r14 */
		0x83, 0x02, 0x01,                                  /* addl $0x1,(%rdx) */
		0x49, 0x8b, 0x06,                                  /* mov (%r14),%rax */
		0x48, 0x89, 0x42, 0x08,                            /* mov %rax,0x8(%rdx) */
		0x48, 0x85, 0xc0,                                  /* test %rax,%rax */
		0x0f, 0x84, 0x58, 0x10, 0x00, 0x00,                /* je 5a403f */
	} },
	{ "debian_311 push", true, false, 5, 6, 37, {
		0x45, 0x85, 0xc0,                                  /* test %r8d,%r8d */
		0x0f, 0x84, 0x38, 0x04, 0x00, 0x00,                /* je 58c635 */
		0x48, 0x8b, 0x48, 0x08,                            /* mov 0x8(%rax),%rcx */
		0x48, 0x89, 0x4d, 0x00,                            /* mov %rcx,0x0(%rbp) */
		0x8b, 0x30,                                        /* mov (%rax),%esi */
		0x48, 0x89, 0x68, 0x08,                            /* mov %rbp,0x8(%rax) */
		0x8d, 0x56, 0xff,                                  /* lea -0x1(%rsi),%edx */
		0x89, 0x10,                                        /* mov %edx,(%rax) */
		0x48, 0x85, 0xc9,                                  /* test %rcx,%rcx */
		0x0f, 0x84, 0xb7, 0x03, 0x00, 0x00,                /* je 58c5d0 */
	} },
	{ "debian_39 out-of-line push, link written through the object", true, false, 5, 2, 35, {
		0x48, 0x89, 0xe8,                                  /* mov %rbp,%rax */
		0x48, 0x25, 0x00, 0xf0, 0xff, 0xff,                /* and $0xfffffffffffff000,%rax */
		0x4c, 0x8b, 0x50, 0x08,                            /* mov 0x8(%rax),%r10 */
		0x4c, 0x89, 0x53, 0xf0,                            /* mov %r10,-0x10(%rbx) */
		0x8b, 0x18,                                        /* mov (%rax),%ebx */
		0x48, 0x89, 0x68, 0x08,                            /* mov %rbp,0x8(%rax) */
		0x44, 0x8d, 0x5b, 0xff,                            /* lea -0x1(%rbx),%r11d */
		0x44, 0x89, 0x18,                                  /* mov %r11d,(%rax) */
		0x4d, 0x85, 0xd2,                                  /* test %r10,%r10 */
		0x75, 0x8b,                                        /* jne 508c35 */
	} },
	{ "debian_39 pop", false, false, 12, 6, 42, {
		0x0f, 0x84, 0xc4, 0x07, 0x00, 0x00,                /* je 53470d */
		0x4c, 0x8b, 0x60, 0x08,                            /* mov 0x8(%rax),%r12 */
		0x83, 0x00, 0x01,                                  /* addl $0x1,(%rax) */
		0x49, 0x89, 0xde,                                  /* mov %rbx,%r14 */
		0x48, 0x89, 0xd9,                                  /* mov %rbx,%rcx */
		0x41, 0xb8, 0x00, 0x00, 0x00, 0x00,                /* mov $0x0,%r8d */
		0x4d, 0x8b, 0x1c, 0x24,                            /* mov (%r12),%r11 */
		0x4d, 0x85, 0xdb,                                  /* test %r11,%r11 */
		0x4c, 0x89, 0x58, 0x08,                            /* mov %r11,0x8(%rax) */
		0x0f, 0x84, 0xe8, 0x02, 0x00, 0x00,                /* je 534255 */
	} },
	{ "debian_39 push", true, true, 12, 6, 43, {
		0x48, 0x85, 0xc0,                                  /* test %rax,%rax */
		0x0f, 0x84, 0x0a, 0x01, 0x00, 0x00,                /* je 4c96d0 */
		0x4d, 0x8b, 0x4c, 0x24, 0x08,                      /* mov 0x8(%r12),%r9 */
		0x4c, 0x89, 0x4d, 0x00,                            /* mov %r9,0x0(%rbp) */
		0x49, 0x89, 0x6c, 0x24, 0x08,                      /* mov %rbp,0x8(%r12) */
		0x41, 0x8b, 0x2c, 0x24,                            /* mov (%r12),%ebp */
		0x8d, 0x7d, 0xff,                                  /* lea -0x1(%rbp),%edi */
		0x41, 0x89, 0x3c, 0x24,                            /* mov %edi,(%r12) */
		0x4d, 0x85, 0xc9,                                  /* test %r9,%r9 */
		0x0f, 0x84, 0x18, 0x01, 0x00, 0x00,                /* je 4c9700 */
	} },
	{ "debian_313 pop", false, false, 5, 2, 38, {
		0x49, 0x8b, 0x44, 0x24, 0x10,                      /* mov 0x10(%r12),%rax */
		0x48, 0x8b, 0x48, 0x10,                            /* mov 0x10(%rax),%rcx */
		0x48, 0x39, 0xc8,                                  /* cmp %rcx,%rax */
		0x0f, 0x84, 0xb7, 0x01, 0x00, 0x00,                /* je 5e9cab */
		0x48, 0x8b, 0x68, 0x08,                            /* mov 0x8(%rax),%rbp */
		0x83, 0x00, 0x01,                                  /* addl $0x1,(%rax) */
		0x48, 0x8b, 0x55, 0x00,                            /* mov 0x0(%rbp),%rdx */
		0x48, 0x89, 0x50, 0x08,                            /* mov %rdx,0x8(%rax) */
		0x48, 0x85, 0xd2,                                  /* test %rdx,%rdx */
		0x74, 0x78,                                        /* je 5e9b80 */
	} },
	{ "debian_313 push", true, false, 7, 2, 29, {
		0x39, 0x74, 0xd1, 0x04,                            /* cmp %esi,0x4(%rcx,%rdx,8) */
		0x7e, 0x2d,                                        /* jle 5abd58 */
		0x48, 0x8b, 0x48, 0x08,                            /* mov 0x8(%rax),%rcx */
		0x48, 0x89, 0x0f,                                  /* mov %rcx,(%rdi) */
		0x8b, 0x30,                                        /* mov (%rax),%esi */
		0x48, 0x89, 0x78, 0x08,                            /* mov %rdi,0x8(%rax) */
		0x8d, 0x56, 0xff,                                  /* lea -0x1(%rsi),%edx */
		0x89, 0x10,                                        /* mov %edx,(%rax) */
		0x48, 0x85, 0xc9,                                  /* test %rcx,%rcx */
		0x74, 0x56,                                        /* je 5abd98 */
	} },
	{ "debian_314 pop", false, false, 15, 6, 40, {
		0x48, 0x8b, 0x14, 0xd1,                            /* mov (%rcx,%rdx,8),%rdx */
		0x4c, 0x8b, 0x4a, 0x10,                            /* mov 0x10(%rdx),%r9 */
		0x4c, 0x39, 0xca,                                  /* cmp %r9,%rdx */
		0x0f, 0x84, 0x15, 0x0e, 0x00, 0x00,                /* je 633ed4 */
		0x4c, 0x8b, 0x7a, 0x08,                            /* mov 0x8(%rdx),%r15 */
		0x83, 0x02, 0x01,                                  /* addl $0x1,(%rdx) */
		0x49, 0x8b, 0x3f,                                  /* mov (%r15),%rdi */
		0x48, 0x89, 0x7a, 0x08,                            /* mov %rdi,0x8(%rdx) */
		0x48, 0x85, 0xff,                                  /* test %rdi,%rdi */
		0x0f, 0x84, 0x75, 0x06, 0x00, 0x00,                /* je 63374b */
	} },
	{ "debian_314 push", true, false, 12, 6, 37, {
		0x4c, 0x89, 0xe0,                                  /* mov %r12,%rax */
		0x48, 0x25, 0x00, 0xc0, 0xff, 0xff,                /* and $0xffffffffffffc000,%rax */
		0x48, 0x8b, 0x70, 0x08,                            /* mov 0x8(%rax),%rsi */
		0x49, 0x89, 0x34, 0x24,                            /* mov %rsi,(%r12) */
		0x8b, 0x38,                                        /* mov (%rax),%edi */
		0x4c, 0x89, 0x60, 0x08,                            /* mov %r12,0x8(%rax) */
		0x8d, 0x57, 0xff,                                  /* lea -0x1(%rdi),%edx */
		0x89, 0x10,                                        /* mov %edx,(%rax) */
		0x48, 0x85, 0xf6,                                  /* test %rsi,%rsi */
		0x0f, 0x84, 0x2d, 0x19, 0x00, 0x00,                /* je 629042 */
	} },
	{ "plain_38 pop", false, false, 6, 6, 37, {
		0x49, 0x8b, 0x44, 0xed, 0x00,                      /* mov 0x0(%r13,%rbp,8),%rax */
		0x48, 0x8b, 0x50, 0x10,                            /* mov 0x10(%rax),%rdx */
		0x48, 0x39, 0xd0,                                  /* cmp %rdx,%rax */
		0x74, 0x2a,                                        /* je e1ce0 */
		0x48, 0x8b, 0x70, 0x08,                            /* mov 0x8(%rax),%rsi */
		0x83, 0x00, 0x01,                                  /* addl $0x1,(%rax) */
		0x48, 0x8b, 0x0e,                                  /* mov (%rsi),%rcx */
		0x48, 0x89, 0x48, 0x08,                            /* mov %rcx,0x8(%rax) */
		0x48, 0x85, 0xc9,                                  /* test %rcx,%rcx */
		0x0f, 0x84, 0xdb, 0x00, 0x00, 0x00,                /* je e1da8 */
	} },
	{ "plain_38 push", true, false, 3, 20, 38, {
		0x0f, 0x1f, 0x40, 0x00,                            /* nopl 0x0(%rax) */
		0x49, 0x8b, 0x46, 0x08,                            /* mov 0x8(%r14),%rax */
		0x48, 0x89, 0x03,                                  /* mov %rax,(%rbx) */
		0x49, 0x89, 0x5e, 0x08,                            /* mov %rbx,0x8(%r14) */
		0x48, 0x85, 0xc0,                                  /* test %rax,%rax */
		0x0f, 0x84, 0x5c, 0x01, 0x00, 0x00,                /* je e24c8 */
		0x41, 0x83, 0x2e, 0x01,                            /* subl $0x1,(%r14) */
		0x75, 0xd6,                                        /* jne e2348 */
		0x49, 0x8b, 0x4e, 0x10,                            /* mov 0x10(%r14),%rcx */
		0x49, 0x8b, 0x46, 0x18,                            /* mov 0x18(%r14),%rax */
	} },
	{ "plain_310 pop", false, false, 13, 6, 41, {
		0x48, 0x8b, 0x04, 0xc2,                            /* mov (%rdx,%rax,8),%rax */
		0x48, 0x8b, 0x48, 0x10,                            /* mov 0x10(%rax),%rcx */
		0x48, 0x39, 0xc8,                                  /* cmp %rcx,%rax */
		0x0f, 0x84, 0x8a, 0x00, 0x00, 0x00,                /* je 114540 */
		0x4c, 0x8b, 0x68, 0x08,                            /* mov 0x8(%rax),%r13 */
		0x83, 0x00, 0x01,                                  /* addl $0x1,(%rax) */
		0x49, 0x8b, 0x55, 0x00,                            /* mov 0x0(%r13),%rdx */
		0x48, 0x89, 0x50, 0x08,                            /* mov %rdx,0x8(%rax) */
		0x48, 0x85, 0xd2,                                  /* test %rdx,%rdx */
		0x0f, 0x84, 0x92, 0x00, 0x00, 0x00,                /* je 114560 */
	} },
	{ "plain_310 push", true, false, 6, 6, 33, {
		0x39, 0x7c, 0xd1, 0x04,                            /* cmp %edi,0x4(%rcx,%rdx,8) */
		0x7e, 0x2a,                                        /* jle 113968 */
		0x48, 0x8b, 0x48, 0x08,                            /* mov 0x8(%rax),%rcx */
		0x48, 0x89, 0x0e,                                  /* mov %rcx,(%rsi) */
		0x8b, 0x18,                                        /* mov (%rax),%ebx */
		0x48, 0x89, 0x70, 0x08,                            /* mov %rsi,0x8(%rax) */
		0x8d, 0x53, 0xff,                                  /* lea -0x1(%rbx),%edx */
		0x89, 0x10,                                        /* mov %edx,(%rax) */
		0x48, 0x85, 0xc9,                                  /* test %rcx,%rcx */
		0x0f, 0x84, 0xe7, 0x00, 0x00, 0x00,                /* je 113a40 */
	} },
	{ "plain_312 pop", false, false, 0, 2, 36, {
		0x48, 0x8b, 0x94, 0xc5, 0x78, 0x0f, 0x00, 0x00,    /* mov 0xf78(%rbp,%rax,8),%rdx */
		0x48, 0x8b, 0x7a, 0x10,                            /* mov 0x10(%rdx),%rdi */
		0x48, 0x39, 0xfa,                                  /* cmp %rdi,%rdx */
		0x74, 0x64,                                        /* je 1cfe70 */
		0x48, 0x8b, 0x42, 0x08,                            /* mov 0x8(%rdx),%rax */
		0x83, 0x02, 0x01,                                  /* addl $0x1,(%rdx) */
		0x48, 0x8b, 0x08,                                  /* mov (%rax),%rcx */
		0x48, 0x89, 0x4a, 0x08,                            /* mov %rcx,0x8(%rdx) */
		0x48, 0x85, 0xc9,                                  /* test %rcx,%rcx */
		0x74, 0x69,                                        /* je 1cfe88 */
	} },
	{ "plain_312 push", true, false, 3, 6, 39, {
		0x85, 0xd2,                                        /* test %edx,%edx */
		0x0f, 0x84, 0xaa, 0x00, 0x00, 0x00,                /* je 1d0120 */
		0x49, 0x8b, 0x55, 0x08,                            /* mov 0x8(%r13),%rdx */
		0x48, 0x89, 0x13,                                  /* mov %rdx,(%rbx) */
		0x41, 0x8b, 0x45, 0x00,                            /* mov 0x0(%r13),%eax */
		0x49, 0x89, 0x5d, 0x08,                            /* mov %rbx,0x8(%r13) */
		0x83, 0xe8, 0x01,                                  /* sub $0x1,%eax */
		0x41, 0x89, 0x45, 0x00,                            /* mov %eax,0x0(%r13) */
		0x48, 0x85, 0xd2,                                  /* test %rdx,%rdx */
		0x0f, 0x84, 0x6b, 0x01, 0x00, 0x00,                /* je 1d0200 */
	} },
	{ "plain_313 pop", false, false, 0, 2, 33, {
		0x48, 0x8b, 0x54, 0xc5, 0x00,                      /* mov 0x0(%rbp,%rax,8),%rdx */
		0x48, 0x8b, 0x7a, 0x10,                            /* mov 0x10(%rdx),%rdi */
		0x48, 0x39, 0xfa,                                  /* cmp %rdi,%rdx */
		0x74, 0x1e,                                        /* je 16b6c8 */
		0x48, 0x8b, 0x42, 0x08,                            /* mov 0x8(%rdx),%rax */
		0x83, 0x02, 0x01,                                  /* addl $0x1,(%rdx) */
		0x48, 0x8b, 0x08,                                  /* mov (%rax),%rcx */
		0x48, 0x89, 0x4a, 0x08,                            /* mov %rcx,0x8(%rdx) */
		0x48, 0x85, 0xc9,                                  /* test %rcx,%rcx */
		0x74, 0x33,                                        /* je 16b6f0 */
	} },
	{ "plain_313 push", true, false, 13, 6, 39, {
		0x72, 0x07,                                        /* jb 160a9d */
		0xf0, 0x48, 0x0f, 0xb1, 0x39,                      /* lock cmpxchg %rdi,(%rcx) */
		0x75, 0x75,                                        /* jne 160b12 */
		0x48, 0x89, 0xdf,                                  /* mov %rbx,%rdi */
		0xe8, 0x9b, 0xa5, 0xff, 0xff,                      /* call 15b040 */
		0x48, 0x8b, 0x43, 0x20,                            /* mov 0x20(%rbx),%rax */
		0x49, 0x89, 0x45, 0x00,                            /* mov %rax,0x0(%r13) */
		0x83, 0x6b, 0x18, 0x01,                            /* subl $0x1,0x18(%rbx) */
		0x4c, 0x89, 0x6b, 0x20,                            /* mov %r13,0x20(%rbx) */
		0x0f, 0x84, 0xb5, 0x00, 0x00, 0x00,                /* je 160b70 */
	} },
};
/* clang-format on */

#endif
