/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/dynsym.c — see dynsym.h. libelf checks section headers against the file's size; what
 * it does not check (string offsets, that a table ends in a NUL) is checked here. */
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <stdbool.h>
#include <string.h>

#include "target/dynsym.h"

struct dynsym {
	int fd;
	Elf *elf;
	Elf_Scn *scn; /* .dynsym */
	Elf_Data *symbols;
	Elf_Data *names;
	size_t n;
};

static int load_symbols(struct dynsym *d)
{
	GElf_Shdr sh;

	while ((d->scn = elf_nextscn(d->elf, d->scn))) {
		if (!gelf_getshdr(d->scn, &sh) || sh.sh_type != SHT_DYNSYM)
			continue;
		d->symbols = elf_getdata(d->scn, NULL);
		d->names = elf_getdata(elf_getscn(d->elf, sh.sh_link), NULL);
		if (!d->symbols || !d->names || !d->names->d_buf)
			return -ENOEXEC;
		d->n = d->symbols->d_size / sizeof(Elf64_Sym);
		if (d->n > DYNSYM_SYMBOLS_MAX)
			d->n = DYNSYM_SYMBOLS_MAX;
		return 0;
	}
	return -ENOEXEC;
}

int dynsym_open(const char *path, struct dynsym **ret)
{
	_cleanup_(dynsym_freep) struct dynsym *d = NULL;
	GElf_Ehdr eh;
	int r;

	elf_version(EV_CURRENT);
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	/* O_NONBLOCK: what a process maps may since have been replaced by a fifo. */
	d->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (d->fd < 0)
		return -errno;
	d->elf = elf_begin(d->fd, ELF_C_READ, NULL);
	if (!d->elf || elf_kind(d->elf) != ELF_K_ELF || !gelf_getehdr(d->elf, &eh) ||
	    eh.e_machine != EM_X86_64 || eh.e_ident[EI_CLASS] != ELFCLASS64)
		return -ENOEXEC;
	r = load_symbols(d);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(d);
	return 0;
}

void dynsym_free(struct dynsym *d)
{
	if (!d)
		return;
	if (d->elf)
		elf_end(d->elf);
	if (d->fd >= 0)
		close(d->fd);
	free(d);
}

static bool is_named(const struct dynsym *d, const GElf_Sym *sym, const char *name)
{
	size_t n = strlen(name) + 1;

	return sym->st_name < d->names->d_size && n <= d->names->d_size - sym->st_name &&
	       !memcmp((const char *)d->names->d_buf + sym->st_name, name, n);
}

int dynsym_has(const struct dynsym *d, const char *name)
{
	GElf_Sym sym;

	for (size_t i = 0; i < d->n; i++)
		if (gelf_getsym(d->symbols, (int)i, &sym) && sym.st_shndx != SHN_UNDEF &&
		    is_named(d, &sym, name))
			return 1;
	return 0;
}

int dynsym_got_slot(const struct dynsym *d, const char *name, uint64_t *ret_vaddr)
{
	Elf_Scn *scn = NULL;

	while ((scn = elf_nextscn(d->elf, scn))) {
		GElf_Shdr sh;
		GElf_Rela rela;
		GElf_Sym sym;
		Elf_Data *data;

		if (!gelf_getshdr(scn, &sh) || sh.sh_type != SHT_RELA ||
		    elf_getscn(d->elf, sh.sh_link) != d->scn || !(data = elf_getdata(scn, NULL)))
			continue;
		for (size_t i = 0; i < data->d_size / sizeof(Elf64_Rela); i++) {
			if (!gelf_getrela(data, (int)i, &rela))
				break;
			if (GELF_R_TYPE(rela.r_info) != R_X86_64_JUMP_SLOT &&
			    GELF_R_TYPE(rela.r_info) != R_X86_64_GLOB_DAT)
				continue;
			if (!gelf_getsym(d->symbols, (int)GELF_R_SYM(rela.r_info), &sym) ||
			    !is_named(d, &sym, name))
				continue;
			*ret_vaddr = rela.r_offset;
			return 0;
		}
	}
	return -ENOENT;
}
