/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/sitelibc.c — where do libc's blocks come into the interpreter, and where do they
 * leave?
 *
 * A block comes out behind the call of whatever ends in malloc: malloc itself, PyMem_RawMalloc (in
 * unoptimised builds that jumps through the allocator slot to a static that jumps to malloc, so no
 * instruction of the interpreter sees the block before PyMem_RawMalloc's caller), or a local
 * function that only jumps on. Cold code calls through the raw allocator's slots itself. What ends
 * in realloc on one path only (PyMem_Realloc) is SITE_RESIZED.
 */
#include "target/sites_internal.h"

#include <errno.h>
#include <string.h>

#define ALLOCATORS_MAX 64 /* local functions; more are left out and counted */
#define RAW_SLOTS_MAX  8
#define RAW_INSNS_MAX  64 /* looked at in a PyMem_Raw function */

enum role {
	ROLE_NONE = 0,
	ROLE_ALLOC,
	ROLE_REALLOC,
	ROLE_FREE,
	ROLE_RESIZE
};

struct allocator {
	uint64_t vaddr;
	const char *name; /* or NULL: not exported */
	enum role role;
};

struct libc {
	const struct sitescan *scan;
	struct allocator
		v[ALLOCATORS_MAX]; /* functions of this file that return what libc returned */
	size_t n;
	uint64_t raw_slots[RAW_SLOTS_MAX]; /* pointers to malloc, calloc, realloc of the raw domain
					    */
	size_t n_raw_slots;
};

static const struct {
	const char *name;
	enum role role;
} libc_names[] = {
	{ "malloc", ROLE_ALLOC },
	{ "calloc", ROLE_ALLOC },
	{ "realloc", ROLE_REALLOC },
	{ "free", ROLE_FREE },
};

/* Exports that leave the block to libc_name by a jump, if any function of the file does that. */
static const struct {
	const char *name, *libc_name;
	enum role role;
} python_names[] = {
	{ "PyMem_RawMalloc", "malloc", ROLE_ALLOC },	{ "PyMem_RawCalloc", "calloc", ROLE_ALLOC },
	{ "PyMem_RawRealloc", "realloc", ROLE_ALLOC },	{ "PyMem_Realloc", "realloc", ROLE_RESIZE },
	{ "PyObject_Realloc", "realloc", ROLE_RESIZE },
};

/* ── who is who ───────────────────────────────────────────────────────────────────────────── */
static bool is_direct(const struct sitescan_branch *b)
{
	return b->op == INSN_CALL || b->op == INSN_JMP;
}

static bool is_jump(const struct sitescan_branch *b)
{
	return b->op == INSN_JMP || b->op == INSN_JMP_IND;
}

/* The symbol behind the stub or slot that a branch goes through, or NULL. */
static const char *import_of(const struct libc *l, const struct sitescan_branch *b)
{
	return is_direct(b) ? elf_plt_name(l->scan->e, b->target)
			    : elf_got_name(l->scan->e, b->target);
}

/* What a branch does. Through an import the name says it (a library calls its own exports so, too),
 * else the place. */
static enum role role_of(const struct libc *l, const struct sitescan_branch *b)
{
	const char *name = import_of(l, b);

	for (size_t k = 0; name && k < ARRAY_SIZE(libc_names); k++)
		if (!strcmp(libc_names[k].name, name))
			return libc_names[k].role;
	for (size_t k = 0; k < l->n; k++) {
		const struct allocator *a = &l->v[k];

		if (name ? a->name && !strcmp(a->name, name)
			 : is_direct(b) && a->vaddr == b->target)
			return a->role;
	}
	for (size_t k = 0; b->op == INSN_CALL_IND && k < l->n_raw_slots; k++)
		if (l->raw_slots[k] == b->target)
			return ROLE_ALLOC;
	return ROLE_NONE;
}

struct name_at {
	uint64_t vaddr;
	const char *name;
};

static int match_vaddr(const char *name, uint64_t vaddr, uint64_t size_bytes, void *arg)
{
	struct name_at *want = arg;

	(void)size_bytes;
	if (vaddr != want->vaddr)
		return 0;
	want->name = name;
	return 1;
}

static bool add_allocator(struct libc *l, uint64_t vaddr, enum role role)
{
	struct name_at at = { vaddr, NULL };

	if (l->n == ALLOCATORS_MAX)
		return false;
	elf_each_symbol(l->scan->e, match_vaddr, &at);
	l->v[l->n++] = (struct allocator){ vaddr, at.name, role };
	return true;
}

/* Is some function's last act a jump to this import? */
static bool is_jumped_to(const struct libc *l, const char *import)
{
	for (size_t k = 0; k < l->scan->n_branches; k++) {
		const struct sitescan_branch *b = &l->scan->branches[k];
		const char *name = is_jump(b) ? import_of(l, b) : NULL;

		if (name && !strcmp(name, import))
			return true;
	}
	return false;
}

/* Does the function at vaddr call the import itself, so that the block is seen in there? */
static bool calls_itself(const struct libc *l, uint64_t vaddr, const char *import)
{
	for (size_t k = 0; k < l->scan->n_branches; k++) {
		const struct sitescan_branch *b = &l->scan->branches[k];
		const char *name;

		if (l->scan->funcs[b->func].start != vaddr || is_jump(b))
			continue;
		name = import_of(l, b);
		if (name && !strcmp(name, import))
			return true;
	}
	return false;
}

/* A PyMem_Raw function ends in a jump through its slot, or through a register loaded from it. */
static void add_raw_slot(struct libc *l, uint64_t vaddr)
{
	const struct sitescan_func *f = sitescan_func_at(l->scan, vaddr);
	uint64_t loaded[PGD_REG_MAX + 1] = { 0 }, slot = 0;
	struct insn i;

	for (int n = 0; f && n < RAW_INSNS_MAX && vaddr < f->end; n++, vaddr += i.n_bytes) {
		if (!sitescan_decode(l->scan, vaddr, &i))
			return;
		if (i.op == INSN_MOV && i.mem.is_rip && !i.is_store && i.width == 8)
			loaded[i.dst] = i.target;
		if (i.op == INSN_JMP_IND)
			slot = i.mem.is_rip ? i.target : i.mem.is_used ? 0 : loaded[i.dst];
	}
	if (slot && l->n_raw_slots < RAW_SLOTS_MAX)
		l->raw_slots[l->n_raw_slots++] = slot;
}

static void add_exports(struct libc *l)
{
	for (size_t k = 0; k < ARRAY_SIZE(python_names); k++) {
		uint64_t vaddr;

		if (elf_symbol(l->scan->e, python_names[k].name, &vaddr, NULL) < 0)
			continue;
		if (python_names[k].role == ROLE_ALLOC)
			add_raw_slot(l, vaddr);
		if (is_jumped_to(l, python_names[k].libc_name) &&
		    (python_names[k].role != ROLE_ALLOC ||
		     !calls_itself(l, vaddr, python_names[k].libc_name)))
			add_allocator(l, vaddr, python_names[k].role);
	}
}

/* Does the function return nothing but NULL itself, all else being left to jumps? */
static bool only_jumps_on(const struct sitescan *scan, const struct sitescan_func *f)
{
	bool is_null = false;
	struct insn i;

	if (f->n_idioms)
		return false;
	for (uint64_t at = f->start; at < f->end; at += i.n_bytes) {
		if (!sitescan_decode(scan, at, &i))
			return false;
		if (i.op == INSN_RET && !is_null)
			return false;
		is_null = i.op == INSN_OTHER && i.dst == PGD_REG_AX && i.src == PGD_REG_AX;
	}
	return true;
}

/* One round: whoever jumps on to an allocator is one. True if any was found. */
static bool add_jumpers(struct libc *l, struct sites *s)
{
	const struct sitescan *scan = l->scan;
	bool any = false;

	for (size_t k = 0; k < scan->n_branches; k++) {
		const struct sitescan_branch *b = &scan->branches[k];
		const struct sitescan_func *f = &scan->funcs[b->func];
		enum role role = is_jump(b) ? role_of(l, b) : ROLE_NONE;
		struct sitescan_branch self = { .op = INSN_CALL, .target = f->start };

		if (role == ROLE_NONE || role == ROLE_FREE || role_of(l, &self))
			continue;
		if (role == ROLE_REALLOC)
			role = ROLE_ALLOC;
		if (!only_jumps_on(scan, f))
			role = ROLE_RESIZE;
		if (!add_allocator(l, f->start, role)) {
			s->n_unplaced++;
			return false;
		}
		any = true;
	}
	return any;
}

/* ── the sites ────────────────────────────────────────────────────────────────────────────── */
/* The branch itself, with its first argument in %rdi. */
static int add_at_branch(struct sites *s, const struct libc *l, const struct sitescan_branch *b,
			 enum site_kind kind)
{
	struct siteplace at = { .vaddr = b->addr, .reg = PGD_REG_DI };

	if (!b->is_emulated && siteplace_backward(l->scan, b, &at.vaddr) < 0) {
		s->n_unplaced++;
		return 0;
	}
	return sites_add(s, l->scan->e, kind, &at);
}

static int add_branch(struct sites *s, const struct libc *l, const struct sitescan_branch *b)
{
	enum role role = role_of(l, b);
	int r = 0;

	if (role == ROLE_FREE)
		return add_at_branch(s, l, b, SITE_FREE);
	if (role == ROLE_REALLOC)
		r = add_at_branch(s, l, b, SITE_REALLOC);
	if (r < 0 || role == ROLE_NONE || is_jump(b))
		return r;
	return sites_add_return(s, l->scan, role == ROLE_RESIZE ? SITE_RESIZED : SITE_MALLOC, b);
}

int sitelibc_add(struct sites *s, const struct sitescan *scan)
{
	struct libc l = { .scan = scan };
	int r = 0;

	add_exports(&l);
	while (add_jumpers(&l, s))
		;
	for (size_t k = 0; r == 0 && k < scan->n_branches; k++)
		r = add_branch(s, &l, &scan->branches[k]);
	return r;
}
