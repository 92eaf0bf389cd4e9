/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/target/sites.c, sitescan.c, siteplace.c, sitecarve.c, sitelibc.c, sitegc.c,
 * sitegc_end.c.
 */
#include <glob.h>

#include "target/insn.h"
#include "target/sites.h"
#include "tests/data/siteidioms.h"
#include "tinyelf.h"

#define SLOT	  96 /* functions are laid out this many bytes apart */
#define SLOTS_MAX 10 /* the last one is a stub for the import */
#define STUB	  (9 * SLOT)

/* tinyelf with one function per slot in .eh_frame_hdr. */
struct file {
	struct tinyelf t;
	Elf64_Phdr ph[2];
	struct {
		uint8_t encodings[4];
		int32_t eh_frame;
		uint32_t n_rows;
		struct {
			int32_t start, fde;
		} rows[SLOTS_MAX];
	} hdr;
};

#define AT(field) (TINYELF_VADDR + offsetof(struct file, field))
#define TEXT	  offsetof(struct tinyelf, text)

static void put32(uint8_t *at, int64_t v)
{
	int32_t v32 = (int32_t)v;

	memcpy(at, &v32, sizeof(v32));
}

/* Every slot is int3, the import's stub is in the last one. */
static void file_init(struct file *f, const char *import)
{
	memset(f, 0, sizeof(*f));
	tinyelf_init(&f->t);
	tinyelf_import(&f->t, import);
	memset(f->t.text, 0xcc, sizeof(f->t.text));
	memcpy(f->t.text + STUB, "\xff\x25", 2); /* jmp *got(%rip) */
	put32(f->t.text + STUB + 2, (int64_t)(TINYELF_AT(got) - (TINYELF_AT(text) + STUB + 6)));
	memcpy(f->hdr.encodings, "\x01\x1b\x03\x3b", 4);
	f->hdr.n_rows = SLOTS_MAX;
	for (int k = 0; k < SLOTS_MAX; k++)
		f->hdr.rows[k].start = (int32_t)(TINYELF_AT(text) - AT(hdr)) + SLOT * k;
}

static void put(struct file *f, size_t at, const void *code, size_t n_bytes)
{
	memcpy(f->t.text + at, code, n_bytes);
}
#define PUT(f, at, ...) \
	put(f, at, (const uint8_t[]){ __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ }))

/* A five-byte call or jmp. */
static void put_branch(struct file *f, size_t at, uint8_t opcode, size_t target)
{
	f->t.text[at] = opcode;
	put32(f->t.text + at + 1, (int64_t)target - (int64_t)at - 5);
}
#define CALL 0xe8
#define JMP  0xe9

/* A pop with the block in %rdx; its site is the je at `at` + 17. */
static void put_pop(struct file *f, size_t at)
{
	PUT(f, at, 0x48, 0x8b, 0x50, 0x08, /* mov 0x8(%rax),%rdx */
	    0x83, 0x00, 0x01, /* addl $0x1,(%rax) */
	    0x48, 0x8b, 0x0a, /* mov (%rdx),%rcx */
	    0x48, 0x89, 0x48, 0x08, /* mov %rcx,0x8(%rax) */
	    0x48, 0x85, 0xc9, 0x74, 0x12); /* test %rcx,%rcx; je */
}
#define POP_SITE 17

static int find(struct file *f, struct sites *ret)
{
	_cleanup_(elf_freep) struct elf_image *e = NULL;

	tinyelf_finish(&f->t);
	f->t.eh.e_phoff = offsetof(struct file, ph);
	f->t.eh.e_phnum = 2;
	f->ph[0] = f->t.ph;
	f->ph[0].p_filesz = f->ph[0].p_memsz = sizeof(*f);
	f->ph[1] = (Elf64_Phdr){ .p_type = PT_GNU_EH_FRAME,
				 .p_vaddr = AT(hdr),
				 .p_filesz = sizeof(f->hdr) };
	assert_ok(elf_open_memory(f, sizeof(*f), &e));
	return sites_find(e, ret);
}

/* The only site of its kind. */
static struct site only(const struct sites *s, enum site_kind kind)
{
	struct site found = { 0 };

	if (sites_count(s, kind) != 1)
		print_error("%s: %zu\n", site_kind_name(kind), sites_count(s, kind));
	assert_int_equal(sites_count(s, kind), 1);
	for (size_t k = 0; k < s->n; k++)
		if (s->v[k].kind == kind)
			found = s->v[k];
	return found;
}

static void assert_site(const struct sites *s, enum site_kind kind, size_t at, uint8_t reg)
{
	struct site v = only(s, kind);

	assert_int_equal(v.offset, TEXT + at);
	assert_int_equal(v.reg, reg);
	assert_false(v.is_mem);
}

static void sites__idioms_of_real_builds_are_placed(void **state)
{
	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(siteidioms); k++) {
		const struct siteidiom *d = &siteidioms[k];
		struct sites s = { 0 };
		struct site got;
		struct file f;

		file_init(&f, "free");
		put_pop(&f, SLOT); /* a push alone is no interpreter */
		put(&f, 0, d->bytes, d->n_bytes);
		assert_ok(find(&f, &s));
		got = s.v[0];
		if (got.offset != TEXT + d->n_bytes - d->last || got.reg != d->reg)
			print_error("%s: at %zu reg %d\n", d->name, (size_t)got.offset - TEXT,
				    got.reg);
		assert_int_equal(got.kind, d->is_push ? SITE_PUSH : SITE_POP);
		assert_int_equal(got.offset, TEXT + d->n_bytes - d->last);
		assert_int_equal(got.reg, d->reg);
		assert_int_equal(got.is_mem, d->is_mem);
		assert_int_equal(got.disp, d->is_mem ? 8 : 0);
		sites_done(&s);
	}
}

static void sites__no_pop_is_no_interpreter(void **state)
{
	struct sites s = { 0 };
	struct file f;

	(void)state;
	file_init(&f, "malloc");
	put_branch(&f, 0, CALL, STUB);
	PUT(&f, 5, 0x48, 0x85, 0xc0, 0x74, 0x00, 0xc3);
	assert_err(find(&f, &s), -ENOENT);
	assert_int_equal(s.n, 0);
}

static void sites__ret_before_any_emulated_instruction_is_counted(void **state)
{
	struct sites s = { 0 };
	struct file f;

	(void)state;
	file_init(&f, "free");
	put_pop(&f, 0);
	put_pop(&f, SLOT);
	f.t.text[SLOT + POP_SITE] = 0xc3; /* ret in place of je */
	assert_ok(find(&f, &s));
	assert_site(&s, SITE_POP, POP_SITE, PGD_REG_DX);
	assert_int_equal(s.n_unplaced, 1);
	sites_done(&s);
}

static void sites__jump_between_idiom_and_site_is_counted(void **state)
{
	struct sites s = { 0 };
	struct file f;

	(void)state;
	file_init(&f, "free");
	put_pop(&f, 0);
	put_pop(&f, SLOT);
	put_branch(&f, SLOT + 40, JMP,
		   SLOT + POP_SITE - 3); /* to the test: %rdx is anything there */
	assert_ok(find(&f, &s));
	assert_site(&s, SITE_POP, POP_SITE, PGD_REG_DX);
	assert_int_equal(s.n_unplaced, 1);
	sites_done(&s);
}

/* Two copies of a push that share their tail: one site sees both. */
static void sites__merged_tails_have_one_site(void **state)
{
	static const uint8_t stores[] = {
		0x48, 0x8b, 0x50, 0x08, /* mov 0x8(%rax),%rdx */
		0x48, 0x89, 0x17, /* mov %rdx,(%rdi) */
		0x48, 0x89, 0x78, 0x08, /* mov %rdi,0x8(%rax) */
	};
	struct sites s = { 0 };
	struct file f;

	(void)state;
	file_init(&f, "free");
	put_pop(&f, SLOT);
	put(&f, 0, stores, sizeof(stores));
	PUT(&f, 11, 0x83, 0x28, 0x01, 0x48, 0x85, 0xd2, 0x74, 0x00, 0xc3); /* subl; test; je */
	put(&f, 40, stores, sizeof(stores));
	put_branch(&f, 51, JMP, 11);
	assert_ok(find(&f, &s));
	assert_site(&s, SITE_PUSH, 17, PGD_REG_DI);
	assert_int_equal(s.n_unplaced, 0);
	sites_done(&s);
}

static void sites__malloc_return_is_followed(void **state)
{
	struct sites s = { 0 };
	struct file f;

	(void)state;
	file_init(&f, "malloc");
	put_pop(&f, SLOT);
	put_branch(&f, 0, CALL, STUB);
	PUT(&f, 5, 0x4c, 0x8b, 0x44, 0x24, 0x08, /* mov 0x8(%rsp),%r8 */
	    0x49, 0x89, 0xc7, /* mov %rax,%r15 */
	    0x31, 0xc0, /* xor %eax,%eax */
	    0x4d, 0x85, 0xff, 0x74, 0x00, 0xc3); /* test %r15,%r15; je */
	assert_ok(find(&f, &s));
	assert_site(&s, SITE_MALLOC, 18, PGD_REG_R15);
	sites_done(&s);
}

/* rbx holds a pool's block on the other path: a site there would take it for libc's. */
static void sites__join_with_another_block_is_refused(void **state)
{
	struct sites s = { 0 };
	struct file f;

	(void)state;
	file_init(&f, "malloc");
	put_pop(&f, SLOT);
	put_branch(&f, 0, CALL, STUB);
	PUT(&f, 5, 0x48, 0x85, 0xc0, 0x74, 0x06, 0xc3, /* 5: test %rax,%rax; je; ret */
	    0x48, 0x89, 0xd8, 0xeb, 0xf5, 0xc3); /* mov %rbx,%rax; jmp 5 */
	assert_ok(find(&f, &s));
	assert_int_equal(sites_count(&s, SITE_MALLOC), 0);
	assert_int_equal(s.n_unplaced, 1);
	sites_done(&s);
}

/* `if (slot == &_PyMem_RawMalloc) malloc(n); else slot(n);` as PGO writes it. */
static void sites__join_with_the_custom_allocator_is_accepted(void **state)
{
	struct sites s = { 0 };
	struct file f;

	(void)state;
	file_init(&f, "malloc");
	put_pop(&f, SLOT);
	put_branch(&f, 0, CALL, STUB);
	PUT(&f, 5, 0x48, 0x89, 0xc3, /* mov %rax,%rbx */
	    0x48, 0x85, 0xdb, 0x74, 0x08, 0xc3, /* 8: test %rbx,%rbx; je */
	    0xff, 0xd1, 0x48, 0x89, 0xc3, 0xeb, 0xf3, 0xc3); /* call *%rcx; mov; jmp 8 */
	assert_ok(find(&f, &s));
	assert_site(&s, SITE_MALLOC, 11, PGD_REG_AX); /* as well as in rbx, on both paths */
	sites_done(&s);
}

static void sites__jumping_wrapper_moves_the_site_to_its_callers(void **state)
{
	struct sites s = { 0 };
	struct file f;

	(void)state;
	file_init(&f, "malloc");
	put_pop(&f, SLOT);
	PUT(&f, 2 * SLOT, 0x48, 0x89, 0xf7); /* mov %rsi,%rdi */
	put_branch(&f, 2 * SLOT + 3, JMP, STUB);
	put_branch(&f, 0, CALL, 2 * SLOT);
	PUT(&f, 5, 0x48, 0x85, 0xc0, 0x74, 0x00, 0xc3);
	assert_ok(find(&f, &s));
	assert_site(&s, SITE_MALLOC, 8, PGD_REG_AX);
	sites_done(&s);
}

static void sites__realloc_by_tail_jump_is_resized_at_the_caller(void **state)
{
	struct sites s = { 0 };
	struct file f;

	(void)state;
	file_init(&f, "realloc");
	tinyelf_add(&f.t, "PyMem_Realloc", TINYELF_AT(text) + 2 * SLOT);
	put_pop(&f, SLOT);
	PUT(&f, 2 * SLOT, 0x48, 0x85, 0xff, 0x74, 0x05); /* test %rdi,%rdi; je */
	put_branch(&f, 2 * SLOT + 5, JMP, STUB);
	f.t.text[2 * SLOT + 10] = 0xc3;
	put_branch(&f, 0, CALL, 2 * SLOT);
	PUT(&f, 5, 0x48, 0x85, 0xc0, 0x74, 0x00, 0xc3);
	assert_ok(find(&f, &s));
	assert_site(&s, SITE_REALLOC, 2 * SLOT + 5, PGD_REG_DI);
	assert_site(&s, SITE_RESIZED, 8, PGD_REG_AX);
	assert_int_equal(sites_count(&s, SITE_MALLOC), 0);
	sites_done(&s);
}

/* Cold code calls through the raw allocator's slot, which PyMem_RawMalloc gives away. */
static void sites__call_through_the_raw_slot_returns_a_block(void **state)
{
	struct sites s = { 0 };
	struct file f;

	(void)state;
	file_init(&f, "malloc");
	tinyelf_add(&f.t, "PyMem_RawMalloc", TINYELF_AT(text) + 2 * SLOT);
	put_pop(&f, SLOT);
	PUT(&f, 2 * SLOT, 0x48, 0x8b, 0x05, 0x00, 0x01, 0x00, 0x00, /* mov slot(%rip),%rax */
	    0xff, 0xe0); /* jmp *%rax */
	PUT(&f, 0, 0xff, 0x15); /* call *slot(%rip) */
	put32(f.t.text + 2, 2 * SLOT + 7 + 0x100 - 6);
	PUT(&f, 6, 0x48, 0x85, 0xc0, 0x74, 0x00, 0xc3);
	assert_ok(find(&f, &s));
	assert_site(&s, SITE_MALLOC, 9, PGD_REG_AX);
	sites_done(&s);
}

static void sites__free_is_the_call_itself(void **state)
{
	struct sites s = { 0 };
	struct file f;

	(void)state;
	file_init(&f, "free");
	put_pop(&f, SLOT);
	PUT(&f, 0, 0x48, 0x89, 0xdf);
	put_branch(&f, 3, CALL, STUB);
	f.t.text[8] = 0xc3;
	assert_ok(find(&f, &s));
	assert_site(&s, SITE_FREE, 3, PGD_REG_DI);
	sites_done(&s);
}

/* -fno-plt: the call is single-stepped, so the test before it is taken. */
static void sites__free_through_the_slot_looks_back(void **state)
{
	struct sites s = { 0 };
	struct file f;

	(void)state;
	file_init(&f, "free");
	memset(f.t.text + STUB, 0xcc, 6);
	put_pop(&f, SLOT);
	PUT(&f, 0, 0x48, 0x89, 0xdf, /* mov %rbx,%rdi */
	    0x48, 0x85, 0xff, 0x74, 0x06, /* test %rdi,%rdi; je */
	    0xff, 0x15);
	put32(f.t.text + 10, (int64_t)(TINYELF_AT(got) - (TINYELF_AT(text) + 14)));
	f.t.text[14] = 0xc3;
	assert_ok(find(&f, &s));
	assert_site(&s, SITE_FREE, 6, PGD_REG_DI);
	sites_done(&s);
}

static void put_carver(struct file *f, size_t at)
{
	PUT(f, at, 0x55, /* push %rbp */
	    0xc7, 0x07, 0x01, 0x00, 0x00, 0x00, /* movl $0x1,(%rdi) */
	    0x89, 0x77, 0x24, /* mov %esi,0x24(%rdi) */
	    0x89, 0x57, 0x28, /* mov %edx,0x28(%rdi) */
	    0x89, 0x4f, 0x2c, /* mov %ecx,0x2c(%rdi) */
	    0x48, 0x89, 0x47, 0x08, /* mov %rax,0x8(%rdi) */
	    0x48, 0x8d, 0x47, 0x30, /* lea 0x30(%rdi),%rax */
	    0x5d, 0xc3);
}

static void sites__carver_is_known_by_what_it_stores(void **state)
{
	struct sites s = { 0 };
	struct file f;

	(void)state;
	file_init(&f, "free");
	put_carver(&f, 2 * SLOT);
	put_pop(&f, SLOT);
	put_branch(&f, SLOT + POP_SITE + 2, CALL, 2 * SLOT);
	PUT(&f, SLOT + POP_SITE + 7, 0x48, 0x89, 0xc5, 0x74, 0x00, 0xc3); /* mov %rax,%rbp; je */
	assert_ok(find(&f, &s));
	assert_site(&s, SITE_POP, SLOT + POP_SITE, PGD_REG_DX);
	assert_site(&s, SITE_CARVE, SLOT + POP_SITE + 10, PGD_REG_AX);
	sites_done(&s);
}

/* 3.8: pop and carver in one function; its callers see every block, and see it once. */
static void sites__pop_inside_the_carver_is_left_to_its_callers(void **state)
{
	struct sites s = { 0 };
	struct file f;

	(void)state;
	file_init(&f, "free");
	put_pop(&f, 2 * SLOT);
	put_carver(&f, 2 * SLOT + POP_SITE + 2);
	put_branch(&f, 0, CALL, 2 * SLOT);
	PUT(&f, 5, 0x48, 0x85, 0xc0, 0x74, 0x00, 0xc3);
	assert_ok(find(&f, &s));
	assert_int_equal(sites_count(&s, SITE_POP), 0);
	assert_site(&s, SITE_CARVE, 8, PGD_REG_AX);
	sites_done(&s);
}

/* PyGC_Collect calls the collector with generation 2; it returns here and in its cold part. */
static void sites__collector_has_one_start_and_all_its_ends(void **state)
{
	struct sites s = { 0 };
	struct file f;

	(void)state;
	file_init(&f, "free");
	tinyelf_add(&f.t, "PyGC_Collect", TINYELF_AT(text));
	tinyelf_add(&f.t, "PyObject_GC_IsTracked", TINYELF_AT(text) + 8 * SLOT);
	put_pop(&f, SLOT);
	put_branch(&f, 0, CALL, SLOT);
	PUT(&f, 5, 0xbe, 0x02, 0x00, 0x00, 0x00, 0x48, 0x89, 0xdf); /* mov $2,%esi; mov %rbx,%rdi */
	put_branch(&f, 13, CALL, 3 * SLOT);
	f.t.text[18] = 0xc3;
	PUT(&f, 3 * SLOT, 0x48, 0x83, 0xec, 0x08, /* sub $8,%rsp */
	    0x53, /* push %rbx */
	    0x85, 0xf6, 0x0f, 0x84); /* test %esi,%esi; je cold */
	put32(f.t.text + 3 * SLOT + 9, SLOT - 13);
	f.t.text[3 * SLOT + 13] = 0xc3;
	PUT(&f, 4 * SLOT, 0x90, 0xc3);
	assert_ok(find(&f, &s));
	assert_int_equal(only(&s, SITE_GC_START).offset, TEXT + 3 * SLOT + 4);
	assert_int_equal(sites_count(&s, SITE_GC_DONE), 2);
	sites_done(&s);
}

/* A collector of these bytes, whose cold part jumps back to `back`; where its end is seen. */
static uint64_t collector_end(const uint8_t *code, size_t n, uint32_t jcc, uint32_t back)
{
	struct sites s = { 0 };
	struct file f;
	uint64_t end;

	file_init(&f, "free");
	tinyelf_add(&f.t, "PyGC_Collect", TINYELF_AT(text));
	tinyelf_add(&f.t, "PyObject_GC_IsTracked", TINYELF_AT(text) + 8 * SLOT);
	put_pop(&f, SLOT);
	put_branch(&f, 0, CALL, SLOT);
	PUT(&f, 5, 0xbe, 0x02, 0x00, 0x00, 0x00); /* mov $2,%esi */
	put_branch(&f, 10, CALL, 3 * SLOT);
	f.t.text[15] = 0xc3;
	memcpy(f.t.text + 3 * SLOT, code, n);
	put32(f.t.text + 3 * SLOT + jcc + 2, SLOT - jcc - 6);
	PUT(&f, 4 * SLOT, 0x90, 0xe9); /* nop; jmp back */
	put32(f.t.text + 4 * SLOT + 2, (int64_t)back - SLOT - 6);
	assert_ok(find(&f, &s));
	end = only(&s, SITE_GC_DONE).offset - TEXT - 3 * SLOT;
	sites_done(&s);
	return end;
}

static void sites__end_of_a_collection_is_seen_without_a_single_step(void **state)
{
	/* push %rbx; add %rbx,(%rdi); cmpw $0,(%rdi); jne cold; pop %rbx; ret */
	static const uint8_t usdt[] = { 0x53, 0x48, 0x01, 0x1f, 0x66, 0x83, 0x3f, 0x00,
					0x0f, 0x85, 0,	  0,	0,    0,    0x5b, 0xc3 };
	/* The same, but counted behind the jump: there it would be seen before it is counted. */
	static const uint8_t late[] = { 0x53, 0x66, 0x83, 0x3f, 0x00, 0x0f, 0x85, 0,
					0,    0,    0,	  0x48, 0x01, 0x1f, 0x5b, 0xc3 };
	/* push %rbx; test %esi,%esi; je over it; add; jne cold; pop %rbx; ret */
	static const uint8_t around[] = { 0x53, 0x85, 0xf6, 0x74, 0x09, 0x48, 0x01, 0x1f,
					  0x0f, 0x85, 0,    0,	  0,	0,    0x5b, 0xc3 };

	(void)state;
	assert_int_equal(collector_end(usdt, sizeof(usdt), 8, 14), 8);
	assert_int_equal(collector_end(late, sizeof(late), 5, 11), 15);
	assert_int_equal(collector_end(around, sizeof(around), 8, 14), 15);
}

/* 3.8 has no PyObject_GC_IsTracked, and there the rule would find another function. */
static void sites__stripped_38_has_no_gc_sites(void **state)
{
	struct sites s = { 0 };
	struct file f;

	(void)state;
	file_init(&f, "free");
	tinyelf_add(&f.t, "PyGC_Collect", TINYELF_AT(text));
	put_pop(&f, SLOT);
	PUT(&f, 0, 0xbe, 0x02, 0x00, 0x00, 0x00);
	put_branch(&f, 5, CALL, 3 * SLOT);
	PUT(&f, 3 * SLOT, 0x53, 0x5b, 0xc3);
	assert_ok(find(&f, &s));
	assert_int_equal(sites_count(&s, SITE_GC_START), 0);
	sites_done(&s);
}

/* All bytes the same: one huge run, and jumps everywhere. */
static void sites__monotonous_text_is_survived(void **state)
{
	(void)state;
	for (int byte = 0; byte < 256; byte++) {
		struct sites s = { 0 };
		struct file f;
		int r;

		file_init(&f, "free");
		memset(f.t.text, byte, sizeof(f.t.text));
		put_pop(&f, 3 * SLOT);
		r = find(&f, &s);
		assert_true(r == 0 || r == -ENOENT);
		sites_done(&s);
	}
}

static void check_interpreter(const char *path)
{
	_cleanup_(elf_freep) struct elf_image *e = NULL;
	struct sites s = { 0 };
	uint64_t vaddr;

	assert_ok(elf_open(path, &e));
	if (elf_symbol(e, "_PyRuntime", &vaddr, NULL) < 0)
		return; /* the interpreter is in libpython */
	assert_ok(sites_find(e, &s));
	assert_true(sites_count(&s, SITE_POP) >= 2 || sites_count(&s, SITE_CARVE) >= 2);
	assert_true(sites_count(&s, SITE_PUSH) >= 1);
	assert_true(sites_count(&s, SITE_FREE) >= 1);
	assert_true(sites_count(&s, SITE_REALLOC) >= 1);
	assert_true(sites_count(&s, SITE_MALLOC) >= 20);
	assert_in_range(sites_count(&s, SITE_GC_START), 0, 2);
	assert_true(s.n_unplaced * 50 <= s.n);
	for (size_t k = 1; k < s.n; k++)
		assert_true(s.v[k - 1].offset < s.v[k].offset || s.v[k - 1].kind < s.v[k].kind);
	sites_done(&s);
}

static void sites__installed_interpreters_have_all_kinds(void **state)
{
	glob_t g = { 0 };

	(void)state;
	if (glob("/usr/bin/python3.?", 0, NULL, &g) != 0)
		g.gl_pathc = 0;
	if (glob("/usr/bin/python3.??", g.gl_pathc ? GLOB_APPEND : 0, NULL, &g) != 0 &&
	    g.gl_pathc == 0)
		skip();
	for (size_t k = 0; k < g.gl_pathc; k++)
		check_interpreter(g.gl_pathv[k]);
	globfree(&g);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(sites__idioms_of_real_builds_are_placed),
		cmocka_unit_test(sites__no_pop_is_no_interpreter),
		cmocka_unit_test(sites__ret_before_any_emulated_instruction_is_counted),
		cmocka_unit_test(sites__jump_between_idiom_and_site_is_counted),
		cmocka_unit_test(sites__merged_tails_have_one_site),
		cmocka_unit_test(sites__malloc_return_is_followed),
		cmocka_unit_test(sites__join_with_another_block_is_refused),
		cmocka_unit_test(sites__join_with_the_custom_allocator_is_accepted),
		cmocka_unit_test(sites__jumping_wrapper_moves_the_site_to_its_callers),
		cmocka_unit_test(sites__realloc_by_tail_jump_is_resized_at_the_caller),
		cmocka_unit_test(sites__call_through_the_raw_slot_returns_a_block),
		cmocka_unit_test(sites__free_is_the_call_itself),
		cmocka_unit_test(sites__free_through_the_slot_looks_back),
		cmocka_unit_test(sites__carver_is_known_by_what_it_stores),
		cmocka_unit_test(sites__pop_inside_the_carver_is_left_to_its_callers),
		cmocka_unit_test(sites__collector_has_one_start_and_all_its_ends),
		cmocka_unit_test(sites__end_of_a_collection_is_seen_without_a_single_step),
		cmocka_unit_test(sites__stripped_38_has_no_gc_sites),
		cmocka_unit_test(sites__monotonous_text_is_survived),
		cmocka_unit_test(sites__installed_interpreters_have_all_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
