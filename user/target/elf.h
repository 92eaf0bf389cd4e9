/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/elf.h — what does this ELF file export, and which code bytes does it hold?
 *
 * The whole file is read into memory once (never mapped: a file truncated under us would raise
 * SIGBUS) and parsed with libelf. Every answer is bounds-checked against the bytes: the file
 * belongs to somebody else and may be truncated or hostile. 64-bit little-endian x86-64 ELF only.
 * Addresses named vaddr are those of the file; the process adds its load bias.
 */
#ifndef USER_TARGET_ELF_H
#define USER_TARGET_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/cleanup.h"

#define ELF_FILE_BYTES_MAX (256u << 20)

struct elf_image;

/* -ENOEXEC: no x86-64 ELF; -EBADMSG: damaged; -EFBIG: over ELF_FILE_BYTES_MAX; else from read(2).
 */
int elf_open(const char *path, struct elf_image **ret);
/* The same over bytes in memory, which are copied. */
int elf_open_memory(const void *bytes, size_t n_bytes, struct elf_image **ret);
void elf_free(struct elf_image *e);
DEFINE_CLEANUP(struct elf_image *, elf_free)

/* Lower-case hex of the GNU build-id, or a hash of the file's bytes ("sum-...") where it has none.
 * Never NULL; owned by `e`. */
const char *elf_build_id(const struct elf_image *e);

/* Defined symbol by exact name, .dynsym first, then .symtab. -ENOENT. ret_size may be NULL. */
int elf_symbol(const struct elf_image *e, const char *name, uint64_t *ret_vaddr,
	       uint64_t *ret_size_bytes);

/* Copy file-backed bytes at vaddr; -EFAULT if any of them is outside the PT_LOAD file contents. */
int elf_read(const struct elf_image *e, uint64_t vaddr, void *buf, size_t n_bytes);
/* File offset of a file-backed vaddr; -EFAULT. */
int elf_vaddr_to_offset(const struct elf_image *e, uint64_t vaddr, uint64_t *ret_offset);
/* vaddr of a file offset inside a PT_LOAD; -EFAULT. bias = map_start - vaddr(map_file_offset). */
int elf_offset_to_vaddr(const struct elf_image *e, uint64_t offset, uint64_t *ret_vaddr);

/* ── code ─────────────────────────────────────────────────────────────────────────────────── */
/* The same bytes in place, NULL if elf_read() would fail. Owned by `e`. */
const uint8_t *elf_bytes(const struct elf_image *e, uint64_t vaddr, size_t n_bytes);

#define ELF_TEXT_BYTES_MAX                                                     \
	(64u << 20) /* ranges past it are left out: no interpreter is that big \
		     */

struct elf_range {
	uint64_t start; /* vaddr */
	uint64_t end; /* first vaddr behind it */
	bool is_plt; /* a section of jump stubs */
};

/* Executable file-backed ranges, sorted, disjoint: the sections flagged so, or, in a file without
 * sections, the PT_LOADs. Owned by `e`. */
size_t elf_exec_ranges(const struct elf_image *e, const struct elf_range **ret);
/* vaddrs where code described by the sorted table of .eh_frame_hdr begins, sorted, no two alike,
 * all inside a range of above. Survives strip. A cold part counts as a function. 0: no table. */
size_t elf_functions(const struct elf_image *e, const uint64_t **ret);

/* Name of the imported symbol whose address the loader puts at vaddr (a GOT slot), or NULL. */
const char *elf_got_name(const struct elf_image *e, uint64_t vaddr);
/* Name of the imported symbol that the jump stub at vaddr (.plt, .plt.sec, .plt.got) leads to, or
 * NULL: code at vaddr is no `jmp *slot(%rip)`. */
const char *elf_plt_name(const struct elf_image *e, uint64_t vaddr);

/* Every defined symbol, .dynsym then .symtab, until `each` returns non-zero, which is returned. */
typedef int elf_symbol_fn(const char *name, uint64_t vaddr, uint64_t size_bytes, void *arg);
int elf_each_symbol(const struct elf_image *e, elf_symbol_fn *each, void *arg);

#endif
