/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/fuzz/fuzz_sites.c — sites_find() over arbitrary code, in the smallest ELF around it.
 *
 * The first byte chooses where PyGC_Collect begins, so that the gc finder runs too; the code can
 * call malloc, realloc and free through one GOT slot each, laid out right behind it.
 */
#include <elf.h>
#include <string.h>

#include "target/sites.h"

#define VADDR	       0x10000ull
#define CODE_BYTES_MAX 4096
#define AT(field)      (VADDR + offsetof(struct file, field))

enum {
	SEC_NULL = 0,
	SEC_TEXT,
	SEC_SYM,
	SEC_STR,
	SEC_RELA,
	SEC_MAX
};

static const char names[] = "\0malloc\0realloc\0free\0PyGC_Collect\0PyObject_GC_IsTracked\0"
			    "PyMem_RawMalloc\0PyMem_Realloc";
static const uint32_t name_at[] = { 0, 1, 8, 16, 21, 34, 56, 72 };
#define N_IMPORTS 3

struct file {
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	Elf64_Shdr sh[SEC_MAX];
	Elf64_Sym sym[ARRAY_SIZE(name_at)];
	Elf64_Rela rela[N_IMPORTS];
	char str[sizeof(names)];
	uint8_t code[CODE_BYTES_MAX];
	uint64_t got[N_IMPORTS];
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static void add_section(struct file *f, int i, uint32_t type, size_t at, size_t n_bytes,
			uint32_t link, size_t row_bytes)
{
	f->sh[i] = (Elf64_Shdr){ .sh_type = type,
				 .sh_flags = i == SEC_TEXT ? SHF_EXECINSTR : 0,
				 .sh_addr = VADDR + at,
				 .sh_offset = at,
				 .sh_size = n_bytes,
				 .sh_link = link,
				 .sh_entsize = row_bytes };
}

static void fill(struct file *f, uint8_t where)
{
	memcpy(f->eh.e_ident, ELFMAG "\2\1\1", 7);
	f->eh.e_type = ET_DYN;
	f->eh.e_machine = EM_X86_64;
	f->eh.e_version = EV_CURRENT;
	f->eh.e_ehsize = sizeof(f->eh);
	f->eh.e_phoff = offsetof(struct file, ph);
	f->eh.e_phentsize = sizeof(f->ph);
	f->eh.e_phnum = 1;
	f->eh.e_shoff = offsetof(struct file, sh);
	f->eh.e_shentsize = sizeof(f->sh[0]);
	f->eh.e_shnum = SEC_MAX;
	f->ph = (Elf64_Phdr){ .p_type = PT_LOAD,
			      .p_flags = PF_R | PF_X,
			      .p_vaddr = VADDR,
			      .p_filesz = sizeof(*f),
			      .p_memsz = sizeof(*f) };
	memcpy(f->str, names, sizeof(names));
	for (size_t i = 1; i < ARRAY_SIZE(name_at); i++)
		f->sym[i] = (Elf64_Sym){ .st_name = name_at[i],
					 .st_shndx = i > N_IMPORTS ? SEC_TEXT : SHN_UNDEF,
					 .st_value = i > N_IMPORTS ? AT(code) + where * i : 0 };
	for (size_t i = 0; i < N_IMPORTS; i++)
		f->rela[i] = (Elf64_Rela){ .r_offset = AT(got) + 8 * i,
					   .r_info = ELF64_R_INFO(i + 1, R_X86_64_JUMP_SLOT) };
	add_section(f, SEC_TEXT, SHT_PROGBITS, offsetof(struct file, code), CODE_BYTES_MAX, 0, 0);
	add_section(f, SEC_SYM, SHT_DYNSYM, offsetof(struct file, sym), sizeof(f->sym), SEC_STR,
		    sizeof(Elf64_Sym));
	add_section(f, SEC_STR, SHT_STRTAB, offsetof(struct file, str), sizeof(names), 0, 0);
	add_section(f, SEC_RELA, SHT_RELA, offsetof(struct file, rela), sizeof(f->rela), SEC_SYM,
		    sizeof(Elf64_Rela));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
	_cleanup_(elf_freep) struct elf_image *e = NULL;
	static struct file f;
	struct sites s;

	memset(&f, 0, sizeof(f));
	if (n_bytes == 0 || n_bytes - 1 > CODE_BYTES_MAX)
		return -1;
	fill(&f, data[0]);
	memcpy(f.code, data + 1, n_bytes - 1);
	if (elf_open_memory(&f, sizeof(f), &e) < 0)
		__builtin_trap();
	if (sites_find(e, &s) == 0) {
		for (size_t i = 0; i < s.n; i++)
			if (s.v[i].offset - offsetof(struct file, code) >= CODE_BYTES_MAX)
				__builtin_trap();
		sites_done(&s);
	}
	return 0;
}
