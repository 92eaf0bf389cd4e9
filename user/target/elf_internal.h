/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/elf_internal.h — struct elf_image, shared by elf.c and elfcode.c only. */
#ifndef USER_TARGET_ELF_INTERNAL_H
#define USER_TARGET_ELF_INTERNAL_H

#include <gelf.h>

#include "target/elf.h"

#define ELF_LOADS_MAX	       64
#define ELF_BUILD_ID_BYTES_MAX 64

struct elf_slot {
	uint64_t vaddr; /* of the GOT slot */
	const char *name; /* in .dynstr */
};

struct elf_image {
	uint8_t *bytes;
	size_t n_bytes;
	Elf *elf;
	GElf_Ehdr ehdr;
	GElf_Phdr loads[ELF_LOADS_MAX]; /* p_filesz cut to the file */
	size_t n_loads;
	uint64_t eh_frame_hdr; /* vaddr, or 0 */
	struct elf_range *ranges;
	size_t n_ranges;
	uint64_t *functions;
	size_t n_functions;
	struct elf_slot *slots; /* sorted by vaddr */
	size_t n_slots;
	char build_id[2 * ELF_BUILD_ID_BYTES_MAX + 1];
};

/* 0 or -errno; each fills its own fields of `e` and needs those above them. */
int elf_image_parse(struct elf_image *e);
int elf_image_read_ranges(struct elf_image *e);
int elf_image_read_functions(struct elf_image *e);
int elf_image_read_slots(struct elf_image *e);

#endif
