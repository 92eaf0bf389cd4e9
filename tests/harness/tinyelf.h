/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/harness/tinyelf.h — the smallest x86-64 ELF with dynamic symbols, text and one GOT slot.
 *
 * One struct is the file; it is loaded whole, at vaddr TINYELF_VADDR, readable and executable.
 */
#ifndef TESTS_HARNESS_TINYELF_H
#define TESTS_HARNESS_TINYELF_H

#include <elf.h>
#include <stddef.h>

#include "test.h"

#define TINYELF_VADDR	    0x400000ull
#define TINYELF_SYMBOLS_MAX 12
#define TINYELF_AT(field)   (TINYELF_VADDR + offsetof(struct tinyelf, field))

enum {
	TINYELF_NULL = 0,
	TINYELF_DYNSYM,
	TINYELF_DYNSTR,
	TINYELF_RELA,
	TINYELF_TEXT,
	TINYELF_NAMES,
	TINYELF_SECTIONS
};

struct tinyelf {
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	Elf64_Shdr sh[TINYELF_SECTIONS];
	Elf64_Sym symbols[TINYELF_SYMBOLS_MAX]; /* [0] is the null symbol */
	Elf64_Rela rela;
	uint64_t got;
	char strings[512];
	char section_names[64];
	uint8_t text[1024];
	uint32_t n_symbols, n_strings;
};

static inline uint32_t tinyelf_add_name(struct tinyelf *e, const char *name)
{
	uint32_t at = e->n_strings;

	assert_true(at + strlen(name) + 1 <= sizeof(e->strings));
	strcpy(e->strings + at, name);
	e->n_strings += (uint32_t)strlen(name) + 1;
	return at;
}

/* vaddr 0: used here, defined elsewhere. */
static inline uint32_t tinyelf_add(struct tinyelf *e, const char *name, uint64_t vaddr)
{
	Elf64_Sym *s = &e->symbols[e->n_symbols];

	assert_true(e->n_symbols < TINYELF_SYMBOLS_MAX);
	s->st_name = tinyelf_add_name(e, name);
	s->st_value = vaddr;
	s->st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
	s->st_shndx = vaddr ? TINYELF_TEXT : SHN_UNDEF;
	return e->n_symbols++;
}

static inline void tinyelf_section(struct tinyelf *e, int i, uint32_t type, uint64_t flags,
				   uint64_t offset, uint64_t n_bytes, uint32_t link, uint64_t entry)
{
	e->sh[i] = (Elf64_Shdr){ .sh_name = (uint32_t)i, /* into "\0abcdef": any name does */
				 .sh_type = type,
				 .sh_flags = flags,
				 .sh_addr = TINYELF_VADDR + offset,
				 .sh_offset = offset,
				 .sh_size = n_bytes,
				 .sh_link = link,
				 .sh_info = type == SHT_DYNSYM,
				 .sh_addralign = 8,
				 .sh_entsize = entry };
}

static inline void tinyelf_init(struct tinyelf *e)
{
	memset(e, 0, sizeof(*e));
	memcpy(e->eh.e_ident, ELFMAG, SELFMAG);
	e->eh.e_ident[EI_CLASS] = ELFCLASS64;
	e->eh.e_ident[EI_DATA] = ELFDATA2LSB;
	e->eh.e_ident[EI_VERSION] = EV_CURRENT;
	e->eh.e_type = ET_DYN;
	e->eh.e_machine = EM_X86_64;
	e->eh.e_version = EV_CURRENT;
	e->eh.e_phoff = offsetof(struct tinyelf, ph);
	e->eh.e_shoff = offsetof(struct tinyelf, sh);
	e->eh.e_ehsize = sizeof(Elf64_Ehdr);
	e->eh.e_phentsize = sizeof(Elf64_Phdr);
	e->eh.e_phnum = 1;
	e->eh.e_shentsize = sizeof(Elf64_Shdr);
	e->eh.e_shnum = TINYELF_SECTIONS;
	e->eh.e_shstrndx = TINYELF_NAMES;
	e->ph = (Elf64_Phdr){ .p_type = PT_LOAD,
			      .p_flags = PF_R | PF_X,
			      .p_vaddr = TINYELF_VADDR,
			      .p_filesz = sizeof(*e),
			      .p_memsz = sizeof(*e),
			      .p_align = 4096 };
	strcpy(e->section_names + 1, "abcdef");
	e->n_symbols = 1;
	e->n_strings = 1;
}

/* An import whose address the loader puts into the GOT slot. */
static inline void tinyelf_import(struct tinyelf *e, const char *name)
{
	e->rela.r_offset = TINYELF_AT(got);
	e->rela.r_info = ELF64_R_INFO(tinyelf_add(e, name, 0), R_X86_64_GLOB_DAT);
}

/* The section headers, once all symbols are in. */
static inline void tinyelf_finish(struct tinyelf *e)
{
	tinyelf_section(e, TINYELF_DYNSYM, SHT_DYNSYM, SHF_ALLOC, offsetof(struct tinyelf, symbols),
			e->n_symbols * sizeof(Elf64_Sym), TINYELF_DYNSTR, sizeof(Elf64_Sym));
	tinyelf_section(e, TINYELF_DYNSTR, SHT_STRTAB, SHF_ALLOC, offsetof(struct tinyelf, strings),
			e->n_strings, 0, 0);
	tinyelf_section(e, TINYELF_RELA, SHT_RELA, SHF_ALLOC, offsetof(struct tinyelf, rela),
			e->rela.r_info ? sizeof(e->rela) : 0, TINYELF_DYNSYM, sizeof(Elf64_Rela));
	tinyelf_section(e, TINYELF_TEXT, SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR,
			offsetof(struct tinyelf, text), sizeof(e->text), 0, 0);
	tinyelf_section(e, TINYELF_NAMES, SHT_STRTAB, 0, offsetof(struct tinyelf, section_names),
			sizeof(e->section_names), 0, 0);
}

#endif
