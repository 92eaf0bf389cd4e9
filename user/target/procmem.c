/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/procmem.c — see procmem.h. process_vm_readv(2) takes no lock that the target notices
 * and stops nothing; what it reads may change under it, so callers check what they believe. */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "target/procmem.h"

static int read_process(const struct procmem *m, uint64_t addr, void *buf, size_t n_bytes)
{
	struct iovec local = { .iov_base = buf, .iov_len = n_bytes };
	struct iovec remote = { .iov_base = (void *)(uintptr_t)addr, .iov_len = n_bytes };
	ssize_t r;

	r = process_vm_readv(m->pid, &local, 1, &remote, 1, 0);
	if (r < 0)
		return -errno;
	return (size_t)r == n_bytes ? 0 : -EFAULT; /* short: the next page is not mapped */
}

static int read_image(const struct procmem *m, uint64_t addr, void *buf, size_t n_bytes)
{
	for (const struct procmem_image *i = m->image; i; i = i->next) {
		if (addr < i->base || addr - i->base > i->n_bytes ||
		    n_bytes > i->n_bytes - (addr - i->base))
			continue;
		memcpy(buf, i->bytes + (addr - i->base), n_bytes);
		return 0;
	}
	return -EFAULT;
}

void procmem_init(struct procmem *m, pid_t pid)
{
	*m = (struct procmem){ .read = read_process, .pid = pid };
}

void procmem_init_image(struct procmem *m, const struct procmem_image *image)
{
	*m = (struct procmem){ .read = read_image, .image = image };
}

int procmem_read(const struct procmem *m, uint64_t addr, void *buf, size_t n_bytes)
{
	if (!n_bytes)
		return 0;
	if (addr + n_bytes < addr)
		return -EFAULT;
	return m->read(m, addr, buf, n_bytes);
}

int procmem_u64(const struct procmem *m, uint64_t addr, uint64_t *ret)
{
	return procmem_read(m, addr, ret, sizeof(*ret));
}

int procmem_u32(const struct procmem *m, uint64_t addr, uint32_t *ret)
{
	return procmem_read(m, addr, ret, sizeof(*ret));
}
