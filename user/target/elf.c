/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/elf.c — the answers of elf.h, from a private copy of the file and libelf over it.
 *
 * Everything that lists something (PT_LOADs, executable ranges, GOT slots, function starts) is read
 * once at open, sorted, and searched afterwards. elfcode.c reads all but the first. Hostile files
 * cost time in proportion to their size: overlapping ranges are cut, counts come from what is
 * there.
 */
#include "target/elf.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "target/elf_internal.h"

static int read_all(int fd, size_t want_bytes, uint8_t **ret, size_t *ret_n)
{
	_cleanup_free_ uint8_t *buf = malloc(want_bytes ? want_bytes : 1);
	size_t n = 0;

	if (!buf)
		return -ENOMEM;
	while (n < want_bytes) {
		ssize_t r = read(fd, buf + n, want_bytes - n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		n += (size_t)r;
	}
	*ret = TAKE_PTR(buf);
	*ret_n = n;
	return 0;
}

static int read_headers(struct elf_image *e)
{
	size_t n;

	e->elf = elf_memory((char *)e->bytes, e->n_bytes);
	if (!e->elf || elf_kind(e->elf) != ELF_K_ELF || !gelf_getehdr(e->elf, &e->ehdr))
		return -ENOEXEC;
	if (e->ehdr.e_machine != EM_X86_64 || e->ehdr.e_ident[EI_CLASS] != ELFCLASS64 ||
	    e->ehdr.e_ident[EI_DATA] != ELFDATA2LSB)
		return -ENOEXEC;
	if (elf_getphdrnum(e->elf, &n) < 0)
		return -EBADMSG;
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr ph;

		if (!gelf_getphdr(e->elf, (int)i, &ph))
			return -EBADMSG;
		if (ph.p_type == PT_GNU_EH_FRAME)
			e->eh_frame_hdr = ph.p_vaddr;
		if (ph.p_type != PT_LOAD)
			continue;
		if (e->n_loads == ELF_LOADS_MAX)
			return -EBADMSG;
		/* A truncated file keeps what it has. */
		if (ph.p_offset > e->n_bytes)
			ph.p_filesz = 0;
		else if (ph.p_filesz > e->n_bytes - ph.p_offset)
			ph.p_filesz = e->n_bytes - ph.p_offset;
		if (ph.p_vaddr + ph.p_filesz < ph.p_vaddr)
			return -EBADMSG;
		e->loads[e->n_loads++] = ph;
	}
	return e->n_loads ? 0 : -EBADMSG;
}

static void hex(const uint8_t *bytes, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++)
		sprintf(out + 2 * i, "%02x", bytes[i]);
}

/* FNV-1a: names a file in our cache, guards nothing. */
static void build_id_from_bytes(struct elf_image *e)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < e->n_bytes; i++)
		h = (h ^ e->bytes[i]) * 0x100000001b3u;
	snprintf(e->build_id, sizeof(e->build_id), "sum-%016llx", (unsigned long long)h);
}

static bool build_id_from_note(struct elf_image *e, const GElf_Phdr *ph)
{
	Elf_Data *data = elf_getdata_rawchunk(e->elf, (int64_t)ph->p_offset, ph->p_filesz,
					      ph->p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
	size_t off = 0, name, desc;
	GElf_Nhdr nh;

	while (data && (off = gelf_getnote(data, off, &nh, &name, &desc))) {
		const uint8_t *base = data->d_buf;

		if (nh.n_type != NT_GNU_BUILD_ID || nh.n_namesz != 4 ||
		    memcmp(base + name, "GNU", 4) != 0)
			continue;
		if (!nh.n_descsz || nh.n_descsz > ELF_BUILD_ID_BYTES_MAX)
			continue;
		hex(base + desc, nh.n_descsz, e->build_id);
		return true;
	}
	return false;
}

static void read_build_id(struct elf_image *e)
{
	size_t n = 0;

	elf_getphdrnum(e->elf, &n);
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr ph;

		if (gelf_getphdr(e->elf, (int)i, &ph) && ph.p_type == PT_NOTE &&
		    build_id_from_note(e, &ph))
			return;
	}
	build_id_from_bytes(e);
}

static int new_image(struct elf_image **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

int elf_open_memory(const void *bytes, size_t n_bytes, struct elf_image **ret)
{
	_cleanup_(elf_freep) struct elf_image *e = NULL;
	int r;

	if (n_bytes > ELF_FILE_BYTES_MAX)
		return -EFBIG;
	r = new_image(&e);
	if (r < 0)
		return r;
	e->bytes = malloc(n_bytes ? n_bytes : 1);
	if (!e->bytes)
		return -ENOMEM;
	if (n_bytes)
		memcpy(e->bytes, bytes, n_bytes);
	e->n_bytes = n_bytes;
	r = elf_image_parse(e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(e);
	return 0;
}

int elf_image_parse(struct elf_image *e)
{
	int r;

	if (elf_version(EV_CURRENT) == EV_NONE)
		return -ENOEXEC;
	r = read_headers(e);
	if (r < 0)
		return r;
	read_build_id(e);
	r = elf_image_read_ranges(e);
	if (r < 0)
		return r;
	r = elf_image_read_functions(e);
	if (r < 0)
		return r;
	return elf_image_read_slots(e);
}

int elf_open(const char *path, struct elf_image **ret)
{
	_cleanup_(elf_freep) struct elf_image *e = NULL;
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOEXEC;
	if (st.st_size > ELF_FILE_BYTES_MAX)
		return -EFBIG;
	r = new_image(&e);
	if (r < 0)
		return r;
	r = read_all(fd, (size_t)st.st_size, &e->bytes, &e->n_bytes);
	if (r < 0)
		return r;
	r = elf_image_parse(e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(e);
	return 0;
}

void elf_free(struct elf_image *e)
{
	if (!e)
		return;
	if (e->elf)
		elf_end(e->elf);
	free(e->bytes);
	free(e->ranges);
	free(e->functions);
	free(e->slots);
	free(e);
}

const char *elf_build_id(const struct elf_image *e)
{
	return e->build_id;
}

/* ── symbols ──────────────────────────────────────────────────────────────────────────────── */
static int each_in_section(const struct elf_image *e, Elf_Scn *scn, const GElf_Shdr *sh,
			   elf_symbol_fn *each, void *arg)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	size_t n = data ? data->d_size / sizeof(Elf64_Sym) : 0;

	for (size_t i = 0; i < n && i < INT32_MAX; i++) {
		const char *name;
		GElf_Sym sym;
		int r;

		if (!gelf_getsym(data, (int)i, &sym) || sym.st_shndx == SHN_UNDEF)
			continue;
		name = elf_strptr(e->elf, sh->sh_link, sym.st_name);
		if (!name || !*name)
			continue;
		r = each(name, sym.st_value, sym.st_size, arg);
		if (r)
			return r;
	}
	return 0;
}

int elf_each_symbol(const struct elf_image *e, elf_symbol_fn *each, void *arg)
{
	static const GElf_Word order[] = { SHT_DYNSYM, SHT_SYMTAB };

	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		Elf_Scn *scn = NULL;

		while ((scn = elf_nextscn(e->elf, scn))) {
			GElf_Shdr sh;
			int r;

			if (!gelf_getshdr(scn, &sh) || sh.sh_type != order[i])
				continue;
			r = each_in_section(e, scn, &sh, each, arg);
			if (r)
				return r;
		}
	}
	return 0;
}

struct wanted {
	const char *name;
	uint64_t vaddr;
	uint64_t size_bytes;
};

static int match_name(const char *name, uint64_t vaddr, uint64_t size_bytes, void *arg)
{
	struct wanted *w = arg;

	if (strcmp(name, w->name) != 0)
		return 0;
	w->vaddr = vaddr;
	w->size_bytes = size_bytes;
	return 1;
}

int elf_symbol(const struct elf_image *e, const char *name, uint64_t *ret_vaddr,
	       uint64_t *ret_size_bytes)
{
	struct wanted w = { .name = name };

	if (!elf_each_symbol(e, match_name, &w))
		return -ENOENT;
	*ret_vaddr = w.vaddr;
	if (ret_size_bytes)
		*ret_size_bytes = w.size_bytes;
	return 0;
}

/* ── addresses ────────────────────────────────────────────────────────────────────────────── */
static const GElf_Phdr *load_at(const struct elf_image *e, uint64_t vaddr)
{
	for (size_t i = 0; i < e->n_loads; i++) {
		const GElf_Phdr *ph = &e->loads[i];

		if (vaddr >= ph->p_vaddr && vaddr - ph->p_vaddr < ph->p_filesz)
			return ph;
	}
	return NULL;
}

const uint8_t *elf_bytes(const struct elf_image *e, uint64_t vaddr, size_t n_bytes)
{
	const GElf_Phdr *ph = load_at(e, vaddr);

	if (!ph || n_bytes > ph->p_filesz - (vaddr - ph->p_vaddr))
		return NULL;
	return e->bytes + ph->p_offset + (vaddr - ph->p_vaddr);
}

int elf_read(const struct elf_image *e, uint64_t vaddr, void *buf, size_t n_bytes)
{
	const uint8_t *p = elf_bytes(e, vaddr, n_bytes);

	if (!p)
		return -EFAULT;
	memcpy(buf, p, n_bytes);
	return 0;
}

int elf_vaddr_to_offset(const struct elf_image *e, uint64_t vaddr, uint64_t *ret_offset)
{
	const GElf_Phdr *ph = load_at(e, vaddr);

	if (!ph)
		return -EFAULT;
	*ret_offset = ph->p_offset + (vaddr - ph->p_vaddr);
	return 0;
}

int elf_offset_to_vaddr(const struct elf_image *e, uint64_t offset, uint64_t *ret_vaddr)
{
	for (size_t i = 0; i < e->n_loads; i++) {
		const GElf_Phdr *ph = &e->loads[i];

		if (offset < ph->p_offset || offset - ph->p_offset >= ph->p_filesz)
			continue;
		*ret_vaddr = ph->p_vaddr + (offset - ph->p_offset);
		return 0;
	}
	return -EFAULT;
}
