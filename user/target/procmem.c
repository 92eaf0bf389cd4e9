/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/procmem.c — see procmem.h. process_vm_readv(2) takes no lock that the target notices
 * and stops nothing; what it reads may change under it, so callers check what they believe. */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/uio.h>

#include "target/procmem.h"

#define CALL_BYTES_MAX (1u << 30) /* the kernel would cut a call at 2 GiB */

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

static bool is_wild(const struct procmem_piece *p)
{
	return p->addr + p->n_bytes < p->addr || p->n_bytes > CALL_BYTES_MAX;
}

/* Tell off the pieces that n_bytes, the kernel's answer, filled. The next one is where it stopped:
 * a part of it may count in n_bytes. */
static size_t settle(struct procmem_piece *pieces, size_t n, size_t n_bytes)
{
	size_t i;

	for (i = 0; i < n && pieces[i].n_bytes <= n_bytes; i++) {
		pieces[i].error = 0;
		n_bytes -= pieces[i].n_bytes;
	}
	return i;
}

/* The call goes through the pieces in order and stops at the first byte that is not there. */
static int read_many_of_process(const struct procmem *m, struct procmem_piece *pieces, size_t n)
{
	struct iovec local[IOV_MAX], remote[IOV_MAX];
	size_t at = 0;

	while (at < n) {
		size_t n_iov, n_bytes = 0, settled;
		ssize_t r;

		for (n_iov = 0; n_iov < IOV_MAX && at + n_iov < n; n_iov++) {
			const struct procmem_piece *p = &pieces[at + n_iov];

			if (is_wild(p) || n_bytes + p->n_bytes > CALL_BYTES_MAX)
				break;
			n_bytes += p->n_bytes;
			local[n_iov] = (struct iovec){ p->buf, p->n_bytes };
			remote[n_iov] = (struct iovec){ (void *)(uintptr_t)p->addr, p->n_bytes };
		}
		r = n_iov ? process_vm_readv(m->pid, local, n_iov, remote, n_iov, 0) : 0;
		if (r < 0 && errno != EFAULT)
			return -errno;
		settled = settle(pieces + at, n_iov, r < 0 ? 0 : (size_t)r);
		at += settled;
		if (at < n && (settled < n_iov || is_wild(&pieces[at])))
			pieces[at++].error = -EFAULT;
	}
	return 0;
}

int procmem_read_many(const struct procmem *m, struct procmem_piece *pieces, size_t n)
{
	if (m->read == read_process)
		return read_many_of_process(m, pieces, n);
	for (size_t i = 0; i < n; i++) {
		int r = procmem_read(m, pieces[i].addr, pieces[i].buf, pieces[i].n_bytes);

		if (r < 0 && r != -EFAULT)
			return r;
		pieces[i].error = r;
	}
	return 0;
}
