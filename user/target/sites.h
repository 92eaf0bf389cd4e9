/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/sites.h — where in this interpreter's machine code are blocks handed out or taken
 * back?
 *
 * In: an ELF image of python3.x or libpython3.x. Out: file offsets of instructions that the
 * kernel's uprobes emulate (jcc, jmp, call, push, nop: no single step), each with the register that
 * holds the block there. Found by data flow over decoded instructions, never by text.
 */
#ifndef USER_TARGET_SITES_H
#define USER_TARGET_SITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/cleanup.h"
#include "target/elf.h"

enum site_kind {
	SITE_POP = 0, /* pymalloc free-list pop: block handed out */
	SITE_CARVE, /* behind a call of the pool carver: its block, or NULL */
	SITE_MALLOC, /* behind a call of libc malloc, calloc, realloc: its block, or NULL */
	SITE_PUSH, /* pymalloc free-list push: block taken back */
	SITE_FREE, /* call or jmp to libc free: block in rdi, or NULL */
	SITE_REALLOC, /* call or jmp to libc realloc: old block in rdi, or NULL */
	SITE_GC_START, /* entry of the gc collect function */
	SITE_GC_DONE, /* the end of the gc collect function: a `ret`, the one kind of site that is
		       * single-stepped, if nothing before it will do (sitegc_end.c) */
	SITE_RESIZED, /* behind a call of a function that may end in a jump to realloc, see below */
	SITE_KIND_MAX
};

/* SITE_RESIZED: PyMem_Realloc and PyObject_Realloc leave libc's blocks to realloc by a tail jump,
 * so the new block is first seen behind the call of PyMem_Realloc; but so are pool blocks, old and
 * new, which other sites report. It is libc's (or NULL: realloc failed, the old block stays) if the
 * site that this thread passed last was a SITE_REALLOC; else it is to be ignored. */

/* Where is_mem, no register holds the block at the site, but reg + disp is the address of a qword
 * that does: the freeblock of the pool in reg, where a push has just put it, or a spill slot on the
 * stack.
 */
struct site {
	uint64_t offset; /* in the file */
	enum site_kind kind;
	uint8_t reg; /* enum pgd_reg that holds the block; unused for gc kinds */
	bool is_mem;
	int32_t disp; /* 0 unless is_mem */
};

struct sites {
	struct site *v; /* sorted by offset; no two alike in (offset, kind) */
	size_t n;
	size_t n_unplaced; /* blind spots: idioms without a usable instruction behind them */
};

const char *site_kind_name(enum site_kind kind);

/* 0; -ENOENT: no pop and no carve site (not a CPython, or a build we cannot read); -EBADMSG;
 * -ENOMEM. */
int sites_find(const struct elf_image *e, struct sites *ret);
void sites_done(struct sites *s);
size_t sites_count(const struct sites *s, enum site_kind kind);

/* Raise it whenever the finder's rules change: what older ones found is found anew. */
#define SITES_CACHE_VERSION 5

/* Cache: one small text file "<dir>/sites/<build-id>", written atomically. It carries a format
 * version; a damaged or foreign file is -EBADMSG and is found anew. */
int sites_load(const char *state_dir, const char *build_id, struct sites *ret);
int sites_save(const char *state_dir, const char *build_id, const struct sites *s);

#endif
